//! Rules as every language hands them over.

use std::collections::BTreeSet;

use super::coverage::Coverage;
pub use super::limit::{Algorithm, Exceed, KeyPart, RateLimit, Scope, bucket_rules};
use super::prefix::Family;
use super::sets::{AddressSet, NumberSet};
use super::source::{Location, Spanned};
use super::time::Timestamp;
use super::units::Share;
use super::waiver::Waiver;

/// An ordered list of rules and what becomes of packets that no rule decides.
#[derive(Clone, Debug)]
pub struct RuleSet {
    /// The rules, first to last.
    pub rules: Vec<Rule>,
    /// What no rule decides meets this.
    pub default: Default,
    /// How many files were read for it.
    pub files: usize,
    /// How exactly each of its files was understood; nothing of languages that are always exact.
    pub coverage: Vec<Coverage>,
}

impl RuleSet {
    /// Returns the rate limit of every rule that is one.
    pub fn limits(&self) -> Vec<Option<RateLimit>> {
        let limit = |rule: &Rule| match &rule.action.value {
            Action::RateLimit(limit) => Some(limit.clone()),
            _ => None,
        };
        self.rules.iter().map(limit).collect()
    }

    /// Returns whether it has no rules and accepts everything.
    pub fn says_nothing(&self) -> bool {
        self.rules.is_empty() && self.default.action == DefaultAction::Accept
    }

    /// Makes the set without rules that accepts everything.
    pub fn empty() -> RuleSet {
        RuleSet {
            rules: Vec::new(),
            default: Default { action: DefaultAction::Accept, location: None, intent: None },
            files: 0,
            coverage: Vec::new(),
        }
    }
}

/// The end of a rule set.
#[derive(Clone, Debug)]
pub struct Default {
    /// Accept or drop.
    pub action: DefaultAction,
    /// Where it is written; none where it is the implied accept.
    pub location: Option<Location>,
    /// What a `default: drop` is for.
    pub intent: Option<Intent>,
}

/// What happens to packets that no rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// They pass.
    Accept,
    /// They are lost.
    Drop,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Unique in the set.
    pub id: String,
    /// The place to point at: its id, or its first line in other languages.
    pub location: Location,
    /// One line for people.
    pub description: Option<String>,
    /// Whom to ask.
    pub owner: Option<String>,
    /// Why it exists.
    pub ticket: Option<String>,
    /// From when on it should be gone.
    pub expires: Option<Spanned<Timestamp>>,
    /// Which packets it takes.
    pub matches: Match,
    /// What it does to them.
    pub action: Spanned<Action>,
    /// What it is for.
    pub intent: Option<Intent>,
    /// What is accepted of it where it is written.
    pub waivers: Vec<Waiver>,
}

impl Rule {
    /// Returns whether two rules treat every packet alike, whatever they are called or say they
    /// are for.
    pub fn same_effect(&self, other: &Rule) -> bool {
        self.matches == other.matches && self.action == other.action
    }
}

/// All terms must hold; no terms hold for every packet (written `any`, never by omission).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Match {
    /// The conditions, each with the place of its value.
    pub terms: Vec<Spanned<Term>>,
}

impl Match {
    /// Makes the match that holds for every packet.
    pub fn any() -> Match {
        Match { terms: Vec::new() }
    }

    /// Returns the sources that the match names, at least all that it can hold for; none if it
    /// names none. What it excludes by `not` is not taken away.
    pub fn sources(&self) -> Option<AddressSet> {
        self.named(&|term| if let Term::Src(set) = term { Some(set.clone()) } else { None })
    }

    /// Returns the destinations that the match names, as [`Match::sources`] does.
    pub fn destinations(&self) -> Option<AddressSet> {
        self.named(&|term| if let Term::Dst(set) = term { Some(set.clone()) } else { None })
    }

    fn named(&self, of: &dyn Fn(&Term) -> Option<AddressSet>) -> Option<AddressSet> {
        let mut named: Option<AddressSet> = None;
        for term in &self.terms {
            let found = match &term.value {
                // A branch that names nothing makes the whole `any_of` name nothing.
                Term::AnyOf(branches) => branches
                    .iter()
                    .map(|branch| branch.named(of))
                    .collect::<Option<Vec<_>>>()
                    .map(|sets| AddressSet::new(sets.iter().flat_map(AddressSet::iter))),
                other => of(other),
            };
            named = match (named, found) {
                (Some(a), Some(b)) => Some(a.intersection(&b)),
                (a, b) => a.or(b),
            };
        }
        named
    }

    /// Returns the conditions of the match that cannot be told, at any depth, in order.
    pub fn unmodelled(&self) -> Vec<&Unmodelled> {
        let mut found = Vec::new();
        for term in &self.terms {
            match &term.value {
                Term::Unmodelled(condition) => found.push(condition),
                Term::Not(inner) => found.extend(inner.unmodelled()),
                Term::AnyOf(branches) => {
                    found.extend(branches.iter().flat_map(Match::unmodelled));
                }
                _ => {}
            }
        }
        found
    }

    /// Returns the PoPs to which the match is restricted; none if it is not.
    pub fn pops(&self) -> Option<Vec<&str>> {
        self.terms.iter().find_map(|term| match &term.value {
            Term::Pop(pops) => Some(pops.iter().map(String::as_str).collect()),
            _ => None,
        })
    }

    /// Returns the directions to which the match is restricted; none if it is not.
    pub fn directions(&self) -> Option<&[Direction]> {
        self.terms.iter().find_map(|term| match &term.value {
            Term::Direction(directions) => Some(directions.as_slice()),
            _ => None,
        })
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// The source address is in the set.
    Src(AddressSet),
    /// The destination address is in the set.
    Dst(AddressSet),
    /// The IP protocol (for IPv6 the upper-layer protocol) is in the set.
    Protocol(NumberSet),
    /// The source port is in the set; false without ports.
    SrcPort(NumberSet),
    /// The destination port is in the set; false without ports.
    DstPort(NumberSet),
    /// Either port is in the set; false without ports.
    Port(NumberSet),
    /// Any of these flag tests holds; false without TCP flags.
    TcpFlags(Vec<FlagTest>),
    /// The ICMP or ICMPv6 type is in the set; false for other protocols.
    IcmpType(NumberSet),
    /// The ICMP or ICMPv6 code is in the set; false for other protocols.
    IcmpCode(NumberSet),
    /// The IP total length in bytes is in the set.
    PacketLength(NumberSet),
    /// The DSCP is in the set.
    Dscp(NumberSet),
    /// The TTL or hop limit is in the set.
    Ttl(NumberSet),
    /// Any of these fragment tests holds.
    Fragment(Vec<FragmentTest>),
    /// The PoP is one of these.
    Pop(Vec<String>),
    /// The direction is one of these.
    Direction(Vec<Direction>),
    /// The packet is of this family.
    Family(Family),
    /// A condition that no recording and no header tells.
    Unmodelled(Unmodelled),
    /// The inner match does not hold.
    Not(Match),
    /// Any of the inner matches holds.
    AnyOf(Vec<Match>),
}

/// A condition whose answer neither a recording nor a header tells. Equal ones are one unknown:
/// for one packet they have one answer, in both rule sets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unmodelled {
    /// As written, normalised: `ct state established`.
    pub text: String,
    /// Why it cannot be told.
    pub kind: UnmodelledKind,
}

impl Unmodelled {
    /// What the text of a condition of the rules in force ends in, where the change may give it
    /// another meaning.
    pub const BEFORE: &str = " (before the change)";
}

/// Why a condition cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnmodelledKind {
    /// It is real, but in no record and no header that is modelled: connection tracking, an
    /// interface, a mark, chance, the time. A packet may have either answer.
    NotRecorded,
    /// It is not understood: nobody knows what it matches.
    NotUnderstood,
}

/// Which way a packet crosses the edge.
pub use super::record::Direction;

/// `flags & mask == value`, over the eight bits FIN SYN RST PSH ACK URG ECE CWR (1 to 128).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlagTest {
    /// The bits looked at.
    pub mask: u8,
    /// What they must be.
    pub value: u8,
}

/// A test of the fragment fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FragmentTest {
    /// Part of a fragmented packet.
    Any,
    /// The first part: offset zero, more to come.
    First,
    /// A later part: offset not zero.
    NotFirst,
    /// The last part: offset not zero, no more to come.
    Last,
    /// A whole packet.
    None,
    /// The don't-fragment bit is set (IPv4 only).
    DontFragment,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The packet passes; the walk ends.
    Accept,
    /// The packet is lost; the walk ends.
    Drop,
    /// The packet is lost and its sender told; the walk ends.
    Reject,
    /// The packet is noted; the walk goes on.
    Log,
    /// The sender must prove itself; the walk ends.
    Challenge,
    /// Conforming packets go on, exceeding ones meet `exceed`.
    RateLimit(RateLimit),
    /// The packet goes elsewhere; the walk ends.
    Redirect {
        /// Name of the place.
        to: String,
    },
    /// The packet is marked; the walk goes on.
    Mark {
        /// The DSCP; above 63 it is no DSCP, which is a finding.
        dscp: u64,
    },
}

/// The order of harm: how badly a packet fares, at the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Harm {
    /// Accepted, logged or marked.
    None,
    /// The sender must prove itself.
    Challenged,
    /// It goes to a place that hands on legitimate traffic.
    Cleaned,
    /// It goes elsewhere.
    Redirected,
    /// It meets a policer that acts on what exceeds it.
    Limited,
    /// Dropped or rejected.
    Dropped,
}

impl Harm {
    /// Returns whether this is worse for a packet than what it met before. A challenge and a
    /// cleaner are not comparable: each loses what the other does not.
    #[must_use]
    pub fn is_worse_than(self, before: Harm) -> bool {
        self > before || (self == Harm::Challenged && before == Harm::Cleaned)
    }
}

impl Action {
    /// Returns the rate limit, if it is one.
    pub fn limit(&self) -> Option<&RateLimit> {
        match self {
            Action::RateLimit(limit) => Some(limit),
            _ => None,
        }
    }

    /// Returns how badly a packet fares that meets this action.
    pub fn harm(&self) -> Harm {
        match self {
            Action::Accept | Action::Log | Action::Mark { .. } => Harm::None,
            Action::Challenge => Harm::Challenged,
            Action::Redirect { .. } => Harm::Redirected,
            Action::RateLimit(limit) if limit.exceed == Exceed::Log => Harm::None,
            Action::RateLimit(_) => Harm::Limited,
            Action::Drop | Action::Reject => Harm::Dropped,
        }
    }

    /// Returns the same where redirects to these places hand on legitimate traffic.
    pub fn harm_with(&self, clean: &BTreeSet<String>) -> Harm {
        match self {
            Action::Redirect { to } if clean.contains(to) => Harm::Cleaned,
            action => action.harm(),
        }
    }
}

/// What a rule is for, as written; [`crate::intent`] resolves the selectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// One line for people.
    pub summary: Option<String>,
    /// Whom the rule defends: selectors.
    pub target: Vec<Spanned<String>>,
    /// Who may lose traffic by it; none means the target.
    pub may_affect: Option<Vec<Spanned<String>>>,
    /// Whose traffic it may cover; none means `may_affect`.
    pub may_reach: Option<Vec<Spanned<String>>>,
    /// What anyone else may lose.
    pub max_collateral: Share,
    /// What each of `may_affect` may lose.
    pub max_target_loss: Option<Share>,
    /// The least share of the attack that must be stopped.
    pub must_stop: Option<Spanned<Share>>,
    /// Which of the attack traffic `must_stop` is about.
    pub attack_match: Option<Match>,
    /// Where the intent is written.
    pub location: Location,
}
