//! Chains with jumps, as nftables and iptables have them, laid out as one flat first-match list.

use crate::model::{
    Action, Default, DefaultAction, Diagnostic, Intent, Location, Match, RateLimit, Rule, Spanned,
};
use crate::remark::Remark;

/// Chains, and those of them that packets meet by themselves.
#[derive(Clone, Debug, std::default::Default)]
pub struct Program {
    /// All chains; they name each other by their index.
    pub chains: Vec<Chain>,
    /// The base chains, in the order in which packets meet them.
    pub bases: Vec<usize>,
}

/// A chain.
#[derive(Clone, Debug)]
pub struct Chain {
    /// What it is called in messages and in the ids of its rules, such as `filter forward`.
    pub name: String,
    /// Where it is declared.
    pub location: Location,
    /// Its rules, in order.
    pub rules: Vec<ChainRule>,
    /// What becomes of packets that no rule of a base chain decides: accept, unless it says drop.
    /// Other chains have none and return.
    pub policy: Option<Spanned<DefaultAction>>,
    /// What a policy that drops is for.
    pub policy_intent: Option<Intent>,
}

/// A rule of a chain.
#[derive(Clone, Debug)]
pub struct ChainRule {
    /// What it is called. Without an id one is made of the name of the chain and a hash of `text`,
    /// so that a rule that moves keeps it. [`Remark::id`] counts before it.
    pub id: Option<String>,
    /// The rule as written, normalised: what it is told by.
    pub text: String,
    /// Where it stands.
    pub location: Location,
    /// One line for people.
    pub description: Option<String>,
    /// What a comment says about it.
    pub remark: Remark,
    /// Which packets it takes.
    pub matches: Match,
    /// What becomes of them.
    pub verdict: Spanned<Verdict>,
}

/// What becomes of the packets that a rule of a chain takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Accept ends the base chain, drop, reject, challenge and redirect the packet; log, mark and
    /// rate limits go on with the next rule.
    Action(Action),
    /// Goes on in the chain of this index, and comes back where that chain decides nothing.
    Jump(usize),
    /// Goes on in the chain of this index, and returns from it to where this chain was jumped to
    /// from; from a base chain, to its policy.
    Goto(usize),
    /// Leaves the chain: to where it was jumped to from; from a base chain, to its policy.
    Return,
    /// What conforms to the limit meets the verdict; what exceeds it goes on with the next rule.
    Within(RateLimit, Box<Verdict>),
}

/// A program as one list.
#[derive(Clone, Debug)]
pub struct Flat {
    /// The rules: the first that decides a packet does.
    pub rules: Vec<Rule>,
    /// What becomes of the rest.
    pub default: Default,
    /// What is wrong with the program.
    pub problems: Vec<Diagnostic>,
    /// What could not be laid out exactly, where, and why.
    pub bounded: Vec<(Location, String)>,
}

/// Lays out chains as one flat list that treats every packet as they do.
///
/// Jumps into themselves, programs that grow beyond bounds, and ids that are there twice are
/// errors. Chains that nobody jumps to are not judged, which is a warning.
pub fn lay_out(program: Program) -> Flat {
    // Nothing is laid out yet: a set of chains cannot be judged.
    let problems = program
        .bases
        .first()
        .and_then(|base| program.chains.get(*base))
        .map(|chain| Diagnostic::error(chain.location, "chains are not judged yet"));
    Flat {
        rules: Vec::new(),
        default: Default { action: DefaultAction::Accept, location: None, intent: None },
        problems: problems.into_iter().collect(),
        bounded: Vec::new(),
    }
}
