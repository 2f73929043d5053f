//! The order of one rule set: rules that no packet reaches, and rules without which every packet
//! would fare the same.

use std::collections::BTreeSet;

use super::budget;
use super::rules::{Asked, Compiled, FAMILIES, conditions, named_pops};
use super::search::{Answer, Budget, Question, solve};
use super::space::{Header, HeaderSet, Pops, kinds};
use crate::change::Change;
use crate::matcher::ends_walk;
use crate::model::{Action, Family, Harm, RuleSet};

/// What is redirected where makes no difference to who comes first.
static NO_NAMES: BTreeSet<String> = BTreeSet::new();

/// What the order of a rule set makes of its rules.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Rules that no packet can satisfy.
    pub impossible: Vec<u32>,
    /// Rules that no packet reaches, and those before them that take all their packets together.
    pub shadowed: Vec<(u32, Vec<u32>)>,
    /// Rules without which every packet would fare the same, and those behind them that would do
    /// the same to their packets.
    pub redundant: Vec<(u32, Vec<u32>)>,
    /// Rules for which the search ended before it was decided.
    pub undecided: Vec<u32>,
}

/// Of so many rules that shadow one together, those that are needed are picked out.
const MOST: usize = 48;

/// Rules that are no news have this part of the budget.
const SPARE: u64 = 8;

impl Order {
    /// Looks at the rules of a set that a change concerns, and at those that it may have made idle, for
    /// as long as the budget lasts; at all others for a part of it. Of those it is no news that they
    /// are undecided.
    pub fn of(set: &RuleSet, change: &Change) -> Order {
        let pops = Pops::new(named_pops(set));
        let asked = Asked::of([set], &pops);
        let all = conditions([set], |_, rule| change.concerns(rule));
        let pops = pops.with_conditions(all, |a, b| asked.are_parted(a, b));
        let compiled = Compiled::new(set, &pops, &NO_NAMES);
        let mut budget = budget();
        let mut order = Order::default();
        let (first, others): (Vec<usize>, Vec<usize>) =
            (0..set.rules.len()).partition(|rule| change.concerns(*rule));
        let is_behind = if others.is_empty() { Vec::new() } else { behind(&compiled, &first) };
        let (behind, others): (Vec<usize>, Vec<usize>) =
            others.into_iter().partition(|rule| is_behind[*rule]);
        let news = first.len() + behind.len();
        for (at, rule) in first.into_iter().chain(behind).chain(others).enumerate() {
            if at == news {
                budget.all = (budget.all / SPARE).max(1);
            }
            if at >= news && budget.all == 0 {
                break;
            }
            let number = rule as u32;
            if FAMILIES.iter().all(|family| compiled.of(rule, *family).wide().is_empty()) {
                order.impossible.push(number);
                continue;
            }
            match order.look(&compiled, rule, &mut budget) {
                None if at < news => order.undecided.push(number),
                Some(()) | None => {}
            }
        }
        order.impossible.sort_unstable();
        order.shadowed.sort_unstable();
        order.redundant.sort_unstable();
        order.undecided.sort_unstable();
        order
    }

    /// Looks at one rule; nothing if it cannot be decided.
    fn look(&mut self, rules: &Compiled<'_>, rule: usize, budget: &mut Budget) -> Option<()> {
        if budget.all > 0 && is_plainly_needed(rules, rule, budget) {
            return Some(());
        }
        for family in FAMILIES {
            rules.spend_meeting(rules.of(rule, family).wide(), budget);
        }
        if budget.all == 0 {
            return None;
        }
        let around = FAMILIES.map(|family| Around::new(rules, rule, family));
        let mut is_reachable = [false; 2];
        for (around, is_reachable) in around.iter().zip(&mut is_reachable) {
            *is_reachable = holds(&around.before(rules), budget)?;
        }
        if is_reachable == [false; 2] {
            let takers = together(rules, &around, budget);
            self.shadowed.push((rule as u32, takers));
        } else if ends_walk(&rules.set.rules[rule].action.value)
            && let Some(behind) = repeated(rules, rule, &around, is_reachable, budget)?
        {
            self.redundant.push((rule as u32, behind));
        }
        Some(())
    }
}

/// Returns of each rule whether one of these in front of it may take all that comes to it.
fn behind(rules: &Compiled<'_>, first: &[usize]) -> Vec<bool> {
    let count = rules.set.rules.len();
    let (mut is_behind, mut budget) = (vec![false; count], budget());
    for rule in first.iter().filter(|rule| ends_walk(rules.action(**rule))) {
        for family in FAMILIES {
            let domain = rules.of(*rule, family).wide();
            rules.spend_meeting(domain, &mut budget);
            if budget.all == 0 {
                return is_behind;
            }
            rules.meeting(rule + 1..count, domain).for_each(|met| is_behind[met] = true);
        }
    }
    for (rule, is_behind) in is_behind.iter_mut().enumerate().filter(|(_, is)| **is) {
        let comes = |header: &Header| comes_to(rules, rule, header);
        *is_behind = !has_header(rules, rule, &mut budget, comes) && !is_idle(rules, rule, first);
    }
    is_behind
}

/// Returns whether rules in front of a rule, none of them one of these, take all its packets, each of
/// its pieces by one alone: it was idle before.
fn is_idle(rules: &Compiled<'_>, rule: usize, first: &[usize]) -> bool {
    let is_old = |other: usize| {
        other < rule && ends_walk(rules.action(other)) && first.binary_search(&other).is_err()
    };
    FAMILIES.into_iter().all(|family| {
        rules.of(rule, family).wide().iter().all(|piece| {
            // What covers a piece takes any header of it.
            rules
                .near(&piece.corner())
                .filter(|other| is_old(*other))
                .any(|other| rules.of(other, family).narrow().iter().any(|set| set.covers(piece)))
        })
    })
}

/// How many pieces of a rule are tried for a header that shows that it is needed.
const PIECES: usize = 4;

/// Returns whether the first headers that come to mind show that a rule decides something: most rules
/// need no search. A no says nothing.
fn is_plainly_needed(rules: &Compiled<'_>, rule: usize, budget: &mut Budget) -> bool {
    has_header(rules, rule, budget, |header| {
        comes_to(rules, rule, header) && is_missed_by(rules, rule, header)
    })
}

/// Returns whether one of the first headers of a rule that come to mind is such a one.
fn has_header(
    rules: &Compiled<'_>,
    rule: usize,
    budget: &mut Budget,
    mut is_such: impl FnMut(&Header) -> bool,
) -> bool {
    FAMILIES.iter().any(|family| {
        let sets = rules.of(rule, *family).wide().iter().take(PIECES);
        let pieces =
            sets.flat_map(|set| kinds(*family).iter().filter_map(|one| set.intersect(one)));
        pieces.flat_map(|piece| [piece.middle(), piece.corner()]).any(|header| {
            budget.spend(1);
            is_such(&header)
        })
    })
}

fn takes(sets: &[HeaderSet], header: &Header) -> bool {
    sets.iter().any(|set| set.contains(header))
}

/// Returns whether nothing in front of a rule takes a header.
fn comes_to(rules: &Compiled<'_>, rule: usize, header: &Header) -> bool {
    let mut before = rules.near(header).take_while(|other| *other < rule);
    !before.any(|other| {
        ends_walk(rules.action(other)) && takes(rules.of(other, header.family).narrow(), header)
    })
}

/// Returns whether a header that comes to a rule would fare otherwise without it.
fn is_missed_by(rules: &Compiled<'_>, rule: usize, header: &Header) -> bool {
    let action = rules.action(rule);
    if !ends_walk(action) {
        return true;
    }
    for other in rules.near(header).filter(|other| *other > rule) {
        let (own, what) = (rules.of(other, header.family), rules.action(other));
        if goes_by(what) {
            continue;
        }
        if what == action && takes(own.narrow(), header) {
            return false;
        }
        if what != action && takes(own.wide(), header) {
            return true;
        }
    }
    true
}

/// Returns whether packets go by a rule as if it were not there: a limit or a mark behind another rule
/// would meet its packets; a log would only note them.
fn goes_by(action: &Action) -> bool {
    match action {
        Action::Log => true,
        Action::RateLimit(_) => action.harm() == Harm::None,
        _ => false,
    }
}

/// The rules of a family that may take packets of a rule.
struct Around {
    family: Family,
    domain: Vec<HeaderSet>,
    /// Those before it that end the walk.
    takers: Vec<usize>,
    later: Vec<usize>,
}

impl Around {
    fn new(rules: &Compiled<'_>, rule: usize, family: Family) -> Around {
        let domain = rules.of(rule, family).wide().to_vec();
        let (mut takers, mut later) = (Vec::new(), Vec::new());
        for other in rules.meeting(0..rules.set.rules.len(), &domain) {
            if other > rule {
                later.push(other);
            } else if other < rule && ends_walk(rules.action(other)) {
                takers.push(other);
            }
        }
        Around { family, domain, takers, later }
    }

    /// Asks for a packet that reaches the rule and meets it.
    fn before<'s>(&self, rules: &'s Compiled<'_>) -> Question<'s> {
        without(rules, self, &self.takers)
    }
}

/// Asks for a packet of a rule that none of these takes.
fn without<'s>(rules: &'s Compiled<'_>, around: &Around, takers: &[usize]) -> Question<'s> {
    let mut entries = Vec::new();
    takers.iter().for_each(|one| rules.push(&mut entries, *one, around.family, false));
    Question { domain: around.domain.clone(), entries, default: true }
}

fn holds(question: &Question<'_>, budget: &mut Budget) -> Option<bool> {
    match solve(question, budget) {
        Answer::Found(_) => Some(true),
        Answer::Empty => Some(false),
        Answer::Bounded => None,
    }
}

/// Returns the rules that keep all packets from a shadowed one: one alone if one does, else as few
/// as leaving out one after another finds.
fn together(rules: &Compiled<'_>, around: &[Around], budget: &mut Budget) -> Vec<u32> {
    let mut takers: Vec<usize> = around.iter().flat_map(|around| &around.takers).copied().collect();
    takers.sort_unstable();
    takers.dedup();
    let shadows = |by: &[usize], budget: &mut Budget| {
        around.iter().all(|around| holds(&without(rules, around, by), budget) == Some(false))
    };
    let alone = takers.iter().find(|one| shadows(&[**one], budget)).copied();
    if let Some(one) = alone {
        return vec![one as u32];
    }
    if takers.len() <= MOST {
        // The last ones take least of it, more often than not.
        for at in (0..takers.len()).rev() {
            let mut fewer = takers.clone();
            fewer.remove(at);
            if shadows(&fewer, budget) {
                takers = fewer;
            }
        }
    }
    takers.into_iter().map(|one| one as u32).collect()
}

/// Returns the rules behind a rule that do the same to every packet that it decides; none if some
/// packet would fare otherwise without it, and nothing at all if that cannot be decided.
fn repeated(
    rules: &Compiled<'_>,
    rule: usize,
    around: &[Around; 2],
    is_reachable: [bool; 2],
    budget: &mut Budget,
) -> Option<Option<Vec<u32>>> {
    let action = rules.action(rule);
    let repeats = |other: &usize| rules.action(*other) == action;
    let is_alone =
        |(around, is_reachable): (&Around, bool)| is_reachable && !around.later.iter().any(repeats);
    // Where nothing behind does the same, what reaches the rule fares otherwise without it.
    if around.iter().zip(is_reachable).any(is_alone) {
        return Some(None);
    }
    let mut behind: Vec<u32> = Vec::new();
    for around in around {
        let mut question = around.before(rules);
        for other in &around.later {
            let what = rules.action(*other);
            if goes_by(what) {
                continue;
            }
            let differs = what != action;
            rules.push(&mut question.entries, *other, around.family, differs);
            if !differs {
                behind.push(*other as u32);
            }
        }
        // What only the default would repeat says what is meant.
        question.default = true;
        if holds(&question, budget)? {
            return Some(None);
        }
    }
    behind.sort_unstable();
    behind.dedup();
    Some(Some(behind))
}
