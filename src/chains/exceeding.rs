//! What becomes of the packets that exceed a limit, and so go on with the next rule.

use super::facts::{Terms, are_apart, imply};
use super::hull::Hull;
use super::{Chain, Program, Verdict};
use crate::model::{Action, DefaultAction, Exceed, Intent, Term};

/// How many conditions of which one holds are looked at one by one.
const MAX_BRANCHES: usize = 8;

/// What certainly becomes of all packets that go on.
pub(super) struct Loss<'p> {
    /// How they are lost.
    pub(super) exceed: Exceed,
    /// What the rule or policy that loses them is for.
    pub(super) intent: Option<&'p Intent>,
}

/// A chain that packets are in, and the next of its rules.
pub(super) type Frame = (usize, usize);

/// Tells whether all packets of which `facts` hold are lost by what follows, and in one way. None
/// means that it cannot be told: some go on, are accepted, or meet another limit.
///
/// `frames` are the chains that they are in, the base chain first. `steps` is how many rules may
/// still be looked at. `hulls` are those of the rules of each chain.
pub(super) fn loss<'p>(
    program: &'p Program,
    hulls: &[Vec<Hull>],
    base: &'p Chain,
    frames: &[Frame],
    facts: &Terms,
    steps: &mut usize,
) -> Option<Loss<'p>> {
    // One of several conditions holds: what becomes of the packets of each?
    let branches = facts.iter().enumerate().find_map(|(at, term)| match &term.value {
        Term::AnyOf(branches) if branches.len() <= MAX_BRANCHES => Some((at, branches)),
        _ => None,
    });
    if let Some((at, branches)) = branches {
        let mut all: Option<Loss<'p>> = None;
        for branch in branches {
            let mut facts = facts.to_vec();
            facts.splice(at..=at, branch.terms.iter().cloned());
            let loss = loss(program, hulls, base, frames, &facts, steps)?;
            if all.as_ref().is_some_and(|all| all.exceed != loss.exceed) {
                return None;
            }
            all = all.or(Some(loss));
        }
        return all;
    }
    let mut walk = Walk { program, hulls, facts, hull: Hull::of(facts), steps, part: None };
    for (chain, next) in frames.iter().rev() {
        match walk.chain(*chain, *next) {
            Step::Lost(exceed, intent) => return Some(Loss { exceed, intent }),
            Step::GoesOn => {}
            Step::Unsure => return None,
        }
    }
    let drops = base.policy.as_ref().is_some_and(|policy| policy.value == DefaultAction::Drop);
    let alike = walk.part.is_none_or(|part| part == Exceed::Drop);
    (drops && alike).then_some(Loss { exceed: Exceed::Drop, intent: base.policy_intent.as_ref() })
}

enum Step<'p> {
    Lost(Exceed, Option<&'p Intent>),
    GoesOn,
    Unsure,
}

struct Walk<'p, 'a> {
    program: &'p Program,
    hulls: &'a [Vec<Hull>],
    facts: &'a Terms,
    hull: Hull,
    steps: &'a mut usize,
    /// How a part of the packets was lost already.
    part: Option<Exceed>,
}

impl<'p> Walk<'p, '_> {
    fn chain(&mut self, chain: usize, from: usize) -> Step<'p> {
        let (rules, hulls) = (&self.program.chains[chain].rules, &self.hulls[chain]);
        for (rule, hull) in rules.iter().zip(hulls).skip(from) {
            let Some(left) = self.steps.checked_sub(1) else { return Step::Unsure };
            *self.steps = left;
            if self.hull.is_apart(hull) || are_apart(self.facts, &rule.matches.terms) {
                continue;
            }
            let all = imply(&[self.facts], &rule.matches.terms);
            let mut verdict = &rule.verdict.value;
            let mut every_packet = true;
            while let Verdict::Within(_, inner) | Verdict::Perhaps(_, inner) = verdict {
                if matches!(verdict, Verdict::Within(limit, _) if limit.bucket.is_some()) {
                    // They would empty a bucket that others use.
                    return Step::Unsure;
                }
                (verdict, every_packet) = (inner, false);
            }
            let exceed = match verdict {
                Verdict::Action(Action::Log | Action::Mark { .. }) => continue,
                Verdict::Action(Action::Drop) => Exceed::Drop,
                Verdict::Action(Action::Reject) => Exceed::Reject,
                _ if !all || !every_packet => return Step::Unsure,
                Verdict::Return => return Step::GoesOn,
                Verdict::Jump(to) => match self.chain(*to, 0) {
                    Step::GoesOn => continue,
                    ended => return ended,
                },
                Verdict::Goto(to) => return self.chain(*to, 0),
                _ => return Step::Unsure,
            };
            if !every_packet || self.part.is_some_and(|part| part != exceed) {
                return Step::Unsure;
            }
            if all {
                return Step::Lost(exceed, rule.remark.intent.as_ref());
            }
            self.part = Some(exceed);
        }
        Step::GoesOn
    }
}
