//! What differs between the running and the candidate rules.
//!
//! Rules are paired by id. A rule is modified when its match or action differs, and moved when
//! it is not among the longest run of paired rules that kept their order.

use std::collections::HashMap;

use crate::model::RuleSet;

/// The difference between two rule sets, as positions in them.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Candidate rules that are new.
    pub added: Vec<usize>,
    /// Running rules that are gone.
    pub removed: Vec<usize>,
    /// Pairs (running, candidate) whose match or action differs.
    pub modified: Vec<(usize, usize)>,
    /// Pairs (running, candidate) whose place among the others differs.
    pub moved: Vec<(usize, usize)>,
    /// Whether what becomes of undecided packets differs.
    pub default_changed: bool,
    /// For every candidate rule: its running counterpart.
    pub running_of: Vec<Option<usize>>,
    /// For every running rule: its candidate counterpart.
    pub candidate_of: Vec<Option<usize>>,
    /// Whether the two sets treat every packet alike, rule by rule.
    pub nothing: bool,
}

impl Change {
    /// Compares two rule sets.
    pub fn between(running: &RuleSet, candidate: &RuleSet) -> Change {
        let by_id: HashMap<&str, usize> =
            running.rules.iter().enumerate().map(|(at, rule)| (rule.id.as_str(), at)).collect();
        let mut change = Change {
            running_of: candidate
                .rules
                .iter()
                .map(|rule| by_id.get(rule.id.as_str()).copied())
                .collect(),
            candidate_of: vec![None; running.rules.len()],
            default_changed: running.default.action != candidate.default.action,
            ..Change::default()
        };
        let mut pairs = Vec::new();
        for (at, counterpart) in change.running_of.iter().enumerate() {
            match counterpart {
                Some(before) => {
                    change.candidate_of[*before] = Some(at);
                    pairs.push((*before, at));
                    if !running.rules[*before].same_effect(&candidate.rules[at]) {
                        change.modified.push((*before, at));
                    }
                }
                None => change.added.push(at),
            }
        }
        change.removed = (0..running.rules.len())
            .filter(|before| change.candidate_of[*before].is_none())
            .collect();
        let kept = longest_increasing(&pairs.iter().map(|(before, _)| *before).collect::<Vec<_>>());
        change.moved =
            pairs.iter().zip(&kept).filter(|(_, kept)| !**kept).map(|(pair, _)| *pair).collect();
        change.nothing = !change.default_changed
            && running.rules.len() == candidate.rules.len()
            && running.rules.iter().zip(&candidate.rules).all(|(a, b)| a.same_effect(b));
        change
    }

    /// Returns whether the change adds, edits or moves this candidate rule.
    pub fn concerns(&self, rule: usize) -> bool {
        self.adds_or_edits(rule)
            || (!self.nothing && self.moved.iter().any(|(_, after)| *after == rule))
    }

    /// Returns whether the change adds or edits this candidate rule.
    pub fn adds_or_edits(&self, rule: usize) -> bool {
        !self.nothing
            && (self.running_of[rule].is_none()
                || self.modified.iter().any(|(_, after)| *after == rule))
    }

    /// Returns whether the change removes, edits or moves this running rule.
    pub fn disturbs(&self, before: usize) -> bool {
        self.removes_or_edits(before) || self.moved.iter().any(|(running, _)| *running == before)
    }

    /// Returns whether the change removes or edits this running rule.
    pub fn removes_or_edits(&self, before: usize) -> bool {
        self.candidate_of[before].is_none()
            || self.modified.iter().any(|(running, _)| *running == before)
    }
}

/// Marks one longest increasing subsequence (patience sorting).
fn longest_increasing(values: &[usize]) -> Vec<bool> {
    let mut tails: Vec<usize> = Vec::new();
    let mut before = vec![None; values.len()];
    for (at, value) in values.iter().enumerate() {
        let pile = tails.partition_point(|tail| values[*tail] < *value);
        before[at] = pile.checked_sub(1).map(|below| tails[below]);
        match tails.get_mut(pile) {
            Some(tail) => *tail = at,
            None => tails.push(at),
        }
    }
    let mut kept = vec![false; values.len()];
    let mut at = tails.last().copied();
    while let Some(here) = at {
        kept[here] = true;
        at = before[here];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_rules_count_as_moved() {
        assert_eq!(longest_increasing(&[1, 2, 3, 0]), [true, true, true, false]);
        assert_eq!(longest_increasing(&[1, 0]).iter().filter(|kept| **kept).count(), 1);
        assert_eq!(longest_increasing(&[]), Vec::<bool>::new());
    }
}
