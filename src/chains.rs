//! Chains with jumps, as nftables and iptables have them, laid out as one flat first-match list.
//!
//! A rule of a chain that is jumped to holds the terms of the jump and its own; a chain that is
//! jumped to twice is there twice, and its limits share their buckets. What leaves a chain early
//! (`return`, and an `accept` after which other base chains are still to come) is taken out of
//! the rules that follow by `not`.
//!
//! | file | holds |
//! |---|---|
//! | `shape` | loops, depth, chains that nobody jumps to, which base chain is the last that matters |
//! | `facts` | what one condition says about another |
//! | `hull` | the same, faster and less often |
//! | `exceeding` | what becomes of packets that exceed a limit |
//! | `layout` | the walk that writes the list |
//! | `names` | the ids of rules |

use std::collections::BTreeSet;

use crate::model::{
    Action, Default, DefaultAction, Diagnostic, Intent, Location, Match, RateLimit, Rule, Severity,
    Spanned,
};
use crate::remark::Remark;

mod exceeding;
mod facts;
mod hull;
mod layout;
mod names;
mod shape;

/// The most jumps within each other; nftables has 16.
pub const MAX_DEPTH: usize = 64;

/// The most rules of a flat list beyond those of the program itself.
pub const MAX_RULES: usize = 100_000;

/// The most terms, ranges and members of sets of a flat list beyond those of the program itself.
pub const MAX_TERMS: usize = 4_000_000;

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
    /// What the limit says of exceeding traffic does not count. All terms of the rule must come
    /// before the limit: one that is placed before a term is [`Verdict::Perhaps`].
    Within(RateLimit, Box<Verdict>),
    /// Some of the packets meet the verdict, the others go on with the next rule; which, hangs on
    /// what other packets did before. The text is what it hangs on, such as `quota 5 mbytes`.
    Perhaps(String, Box<Verdict>),
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
/// Jumps in a loop, programs that grow beyond bounds, and ids that are written twice are errors,
/// and leave the list empty. Chains that nobody jumps to and rules that nothing reaches are not
/// judged, which is a warning.
pub fn lay_out(program: Program) -> Flat {
    let mut problems = shape::check(&program);
    problems.extend(names::check(&program));
    let failed = |problem: &Diagnostic| problem.severity == Severity::Error;
    if problems.iter().any(failed) {
        return Flat { problems, ..Flat::empty() };
    }
    let result = match exactly(&program, layout::Leave::ByNot) {
        // Of one base chain there is but one way.
        Err(layout::TooLarge) if shape::bases_that_matter(&program) > 1 => {
            exactly(&program, layout::Leave::ByCopy)
        }
        result => result,
    };
    match result {
        Ok(written) => {
            problems.extend(written.unreached(&program));
            Flat {
                rules: written.rules,
                default: written.default,
                problems,
                bounded: written.bounded,
            }
        }
        Err(layout::TooLarge) => {
            problems.push(shape::too_large(&program));
            Flat { problems, ..Flat::empty() }
        }
    }
}

/// Lays out with limits either exact in all their places or in none.
fn exactly(program: &Program, way: layout::Leave) -> Result<layout::Written, layout::TooLarge> {
    let hulls = hull::of_rules(program);
    let mut bounded = BTreeSet::new();
    loop {
        let written = layout::write(program, &hulls, way, &bounded)?;
        if written.inexact.is_subset(&bounded) {
            return Ok(written);
        }
        bounded.extend(written.inexact);
    }
}

impl Flat {
    fn empty() -> Flat {
        let default = Default { action: DefaultAction::Accept, location: None, intent: None };
        Flat { rules: Vec::new(), default, problems: Vec::new(), bounded: Vec::new() }
    }
}

impl Verdict {
    /// Returns the limit that stands first in it, if one does.
    fn limit(&self) -> Option<&RateLimit> {
        match self {
            Verdict::Within(limit, _) | Verdict::Action(Action::RateLimit(limit)) => Some(limit),
            Verdict::Perhaps(_, inner) => inner.limit(),
            _ => None,
        }
    }

    /// Returns the chain that is jumped to, if one is.
    fn target(&self) -> Option<usize> {
        match self {
            Verdict::Jump(to) | Verdict::Goto(to) => Some(*to),
            Verdict::Within(_, inner) | Verdict::Perhaps(_, inner) => inner.target(),
            Verdict::Action(_) | Verdict::Return => None,
        }
    }
}

#[cfg(test)]
mod tests;
