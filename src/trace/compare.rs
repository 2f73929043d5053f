//! Two ways of one record, by the order of harm.

use std::cmp::Ordering;

use super::{Answer, Disposition, Walk};
use crate::model::{Action, Exceed, RateLimit, RuleSet};

/// How a record fares by the candidate rules, against the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// No better and no worse.
    Same,
    /// It is harmed less.
    Better,
    /// It is harmed more.
    Worse,
    /// It hangs on what is unknown.
    CannotTell,
}

impl Change {
    /// Returns its word in outputs.
    pub fn word(self) -> &'static str {
        match self {
            Change::Same => "same",
            Change::Better => "better",
            Change::Worse => "worse",
            Change::CannotTell => "cannot_tell",
        }
    }
}

/// Compares the running and the candidate way of a record. The order of harm is accepted,
/// challenged, redirected, limited, lost. `by_rules` asks about any packet like it: then one that
/// a limit lets pass is harmed by meeting it; otherwise only what becomes of this one counts.
pub fn compare(sets: [&RuleSet; 2], walks: [&Walk; 2], by_rules: bool) -> Change {
    if is_same_way(sets, walks, by_rules) {
        return Change::Same;
    }
    let ends = walks.map(Walk::disposition);
    if ends.contains(&Disposition::CannotTell) {
        return Change::CannotTell;
    }
    let limits = [0, 1].map(|side| limits(sets[side], walks[side]));
    let is_limited = |side: usize| by_rules && !limits[side].is_empty();
    let harm = |side: usize| match harm(ends[side]) {
        lost @ 4 => lost,
        _ if is_limited(side) => 3,
        harm => harm,
    };
    let (before, after) = (harm(0), harm(1));
    if before != after {
        return if after > before { Change::Worse } else { Change::Better };
    }
    if by_rules && before == 3 {
        return match (stricter(&limits[0], &limits[1]), stricter(&limits[1], &limits[0])) {
            (true, _) => Change::Worse,
            (false, true) => Change::Better,
            (false, false) => by_ends(ends),
        };
    }
    let harmed = walks.map(|walk| walk.packets_of(|kind| kind != Disposition::Accepted));
    match harmed {
        [Some(before), Some(after)] if after > before => Change::Worse,
        [Some(before), Some(after)] if after < before => Change::Better,
        _ => Change::Same,
    }
}

/// The order of harm of what becomes of a packet; limited is 3.
fn harm(end: Disposition) -> u8 {
    match end {
        Disposition::Accepted => 0,
        Disposition::Challenged => 1,
        Disposition::Redirected => 2,
        Disposition::Dropped | Disposition::Rejected | Disposition::CannotTell => 4,
    }
}

/// Compares what becomes of packets that meet limits alike.
fn by_ends([before, after]: [Disposition; 2]) -> Change {
    match harm(after).cmp(&harm(before)) {
        Ordering::Greater => Change::Worse,
        Ordering::Less => Change::Better,
        Ordering::Equal => Change::Same,
    }
}

/// Returns whether both meet the same rules (same match, same action) in the same order, so that
/// the same becomes of it whatever it is. Buckets that other records have filled may differ where
/// their answers cannot be told.
fn is_same_way(sets: [&RuleSet; 2], [running, candidate]: [&Walk; 2], by_rules: bool) -> bool {
    let action = |side: usize, rule: u32| &sets[side].rules[rule as usize].action;
    running.stops.len() == candidate.stops.len()
        && sets[0].default.action == sets[1].default.action
        && running.losses.iter().map(|loss| loss.packets).sum::<u64>()
            == candidate.losses.iter().map(|loss| loss.packets).sum::<u64>()
        && running.stops.iter().zip(&candidate.stops).all(|(a, b)| {
            a.step.matches == b.step.matches
                && action(0, a.step.rule) == action(1, b.step.rule)
                && a.limited.map(|one| one.answer) == b.limited.map(|one| one.answer)
                && (by_rules || a.limited.is_none_or(|one| one.answer != Answer::CannotTell))
        })
}

fn limits<'s>(set: &'s RuleSet, walk: &Walk) -> Vec<&'s RateLimit> {
    let actions = walk.stops.iter().map(|stop| &set.rules[stop.step.rule as usize].action.value);
    actions
        .filter_map(|action| match action {
            Action::RateLimit(limit) if limit.exceed != Exceed::Log => Some(limit),
            _ => None,
        })
        .collect()
}

/// Returns whether a limit of the second is not at least as generous as one of the first.
fn stricter(before: &[&RateLimit], after: &[&RateLimit]) -> bool {
    let mut before = before.to_vec();
    after.iter().any(|limit| match before.iter().position(|old| limit.is_as_generous_as(old)) {
        Some(at) => {
            before.remove(at);
            false
        }
        None => true,
    })
}
