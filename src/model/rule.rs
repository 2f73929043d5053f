//! Rules as every language hands them over.

use std::collections::BTreeSet;

use super::coverage::Coverage;
use super::prefix::Family;
use super::sets::{AddressSet, NumberSet};
use super::source::{Location, Spanned};
use super::time::Timestamp;
use super::units::{Burst, Rate, RateUnit, Share};

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

/// A rate limit: one policer for each instance of its scope and each value of its key.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// How much.
    pub rate: Rate,
    /// The depth of the bucket; never zero.
    pub burst: Burst,
    /// Whether the depth is written, and not the default one of the rate. No packet can tell.
    pub burst_is_written: bool,
    /// What has a bucket of its own; empty means one bucket for all that matches.
    pub per: Vec<KeyPart>,
    /// Who counts together.
    pub scope: Scope,
    /// What exceeding traffic meets.
    pub exceed: Exceed,
    /// How it counts.
    pub algorithm: Algorithm,
    /// Once over, act on everything of the key for so long.
    pub timeout_ns: Option<u64>,
    /// The name of the policer, where other rules of the set may use the same one: limits of one
    /// name count together. None is a policer of its own.
    pub bucket: Option<String>,
}

impl PartialEq for RateLimit {
    fn eq(&self, other: &RateLimit) -> bool {
        let effect = |limit: &RateLimit| {
            let RateLimit { rate, burst, scope, exceed, algorithm, timeout_ns, .. } = *limit;
            (rate, burst, scope, exceed, algorithm, timeout_ns)
        };
        effect(self) == effect(other) && self.per == other.per && self.bucket == other.bucket
    }
}

impl Eq for RateLimit {}

impl RateLimit {
    /// Returns whether this limit is at least as generous as another in everything: rate, burst,
    /// key as fine, scope as narrow, timeout as short, `exceed` as mild. Limits that count
    /// differently are not comparable.
    #[must_use]
    pub fn is_as_generous_as(&self, other: &RateLimit) -> bool {
        let per_second = |limit: &RateLimit| {
            // Cross products stay below 2^128: amounts and intervals are 64 bits each.
            let bits = if limit.rate.unit == RateUnit::Bytes { 8 } else { 1 };
            (u128::from(limit.rate.amount) * bits, u128::from(limit.rate.per_ns))
        };
        let ((amount, interval), (old_amount, old_interval)) =
            (per_second(self), per_second(other));
        let depth = |limit: &RateLimit| match limit.burst {
            Burst::Packets(depth) | Burst::Bytes(depth) => depth,
        };
        self.rate.counts_bytes() == other.rate.counts_bytes()
            && self.algorithm == other.algorithm
            && amount.saturating_mul(old_interval) >= old_amount.saturating_mul(interval)
            && depth(self) >= depth(other)
            && other.per.iter().all(|part| self.per.iter().any(|own| own.is_as_fine_as(*part)))
            && self.scope.width() <= other.scope.width()
            && self.timeout_ns.unwrap_or(0) <= other.timeout_ns.unwrap_or(0)
            && self.exceed.harm() <= other.exceed.harm()
    }
}

impl RateLimit {
    /// Returns the same limit with a bucket for every destination, if its key names no address.
    #[must_use]
    pub fn per_destination(&self) -> Option<RateLimit> {
        let names = |part: &KeyPart| {
            matches!(part, KeyPart::Src { .. } | KeyPart::Dst { .. } | KeyPart::Customer)
        };
        if self.per.iter().any(names) {
            return None;
        }
        let mut per = self.per.clone();
        per.push(KeyPart::Dst { v4: 32, v6: 128 });
        Some(RateLimit { per, ..self.clone() })
    }

    /// Returns the same limit at another rate: a burst that is written stays, the default one is
    /// that of the new rate.
    #[must_use]
    pub fn at_rate(&self, rate: Rate) -> RateLimit {
        let default = if self.burst_is_written { None } else { Burst::default_of(rate) };
        RateLimit { rate, burst: default.unwrap_or(self.burst), ..self.clone() }
    }
}

/// One part of a bucket key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPart {
    /// The source, cut to these prefix lengths.
    Src {
        /// For IPv4.
        v4: u8,
        /// For IPv6.
        v6: u8,
    },
    /// The destination, cut to these prefix lengths.
    Dst {
        /// For IPv4.
        v4: u8,
        /// For IPv6.
        v6: u8,
    },
    /// The source port.
    SrcPort,
    /// The destination port.
    DstPort,
    /// The protocol.
    Protocol,
    /// The customer (of the destination, else of the source).
    Customer,
}

impl KeyPart {
    /// Returns whether buckets told apart by `other` are told apart by this part as well.
    pub fn is_as_fine_as(self, other: KeyPart) -> bool {
        match (self, other) {
            (KeyPart::Src { v4, v6 }, KeyPart::Src { v4: other_v4, v6: other_v6 })
            | (KeyPart::Dst { v4, v6 }, KeyPart::Dst { v4: other_v4, v6: other_v6 }) => {
                v4 >= other_v4 && v6 >= other_v6
            }
            _ => self == other,
        }
    }
}

/// Who counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every PoP by itself.
    Pop,
    /// Every exporter (router) by itself.
    Exporter,
    /// All together.
    Global,
}

impl Scope {
    /// Returns how much counts together: a router, a PoP, all of them.
    pub fn width(self) -> u8 {
        match self {
            Scope::Exporter => 0,
            Scope::Pop => 1,
            Scope::Global => 2,
        }
    }
}

/// What exceeding traffic meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exceed {
    /// Nothing; it is noted.
    Log,
    /// A challenge.
    Challenge,
    /// A silent loss.
    Drop,
    /// A loss that the sender is told of.
    Reject,
}

impl Exceed {
    /// Returns its place in the order of harm: a loss is a loss, told of or not.
    pub fn harm(self) -> u8 {
        match self {
            Exceed::Log => 0,
            Exceed::Challenge => 1,
            Exceed::Drop | Exceed::Reject => 2,
        }
    }
}

/// How a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Tokens flow in at the rate, up to the burst: in exact arithmetic, as on Junos.
    TokenBucket,
    /// Counts restart every window.
    FixedWindow {
        /// Length of the window.
        window_ns: u64,
    },
    /// Counts look back over the window.
    SlidingWindow {
        /// Length of the window.
        window_ns: u64,
    },
    /// `limit` of nftables: a burst of packets is the bucket (zero: 5), one of bytes comes on top
    /// of what the rate gives in its interval. The interval is whole seconds.
    Nft,
    /// `-m limit` of iptables-legacy, in packets. iptables-nft makes a [`Algorithm::Nft`] of it.
    XtLimit,
    /// `-m hashlimit` of iptables. In bytes a burst of zero is none written; in packets it is the
    /// bucket.
    XtHashlimit {
        /// `--hashlimit-htable-expire` in milliseconds, if written.
        expire_ms: Option<u64>,
    },
    /// `action police` of Linux traffic control, on ingress, with one rate and the default `mtu`.
    TcPolice,
    /// A traffic rate of FlowSpec: no standard says how deep the bucket is. The least loss is by
    /// a bucket of one second of the rate, the greatest by one that holds a packet of 1,500 bytes;
    /// a single packet conforms only if it does by both. The written burst does not count.
    FlowSpec,
}

impl Algorithm {
    /// Returns the length of the window, if it counts in one.
    pub fn window_ns(self) -> Option<u64> {
        match self {
            Algorithm::FixedWindow { window_ns } | Algorithm::SlidingWindow { window_ns } => {
                Some(window_ns)
            }
            _ => None,
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
