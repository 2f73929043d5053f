//! The recorded attack at which a rule is aimed: shared by the guardrails about its success.

use super::Evidence;
use crate::impact::{Amount, Attack, Fall, Range};
use crate::judge::Judge;
use crate::model::Share;

const HALF: Share = Share(Share::ONE / 2);

/// The attack on a judge's targets, of its `attack_match`.
#[derive(Default)]
pub(super) struct Aimed {
    pub(super) offered: Amount,
    pub(super) running: Range,
    pub(super) candidate: Range,
    pub(super) newly_stopped: Amount,
    pub(super) fall: Fall,
}

impl Aimed {
    pub(super) fn at(judge: &Judge, evidence: &Evidence<'_>) -> Aimed {
        Aimed::of_kind(judge, evidence, &|_| true)
    }

    /// Counts the attack of one kind only, by the bits of [`crate::tally::Key::attack`].
    pub(super) fn of_kind(
        judge: &Judge,
        evidence: &Evidence<'_>,
        is_kind: &dyn Fn(u32) -> bool,
    ) -> Aimed {
        let mut aimed = Aimed::default();
        for ((ends, bits), attack) in &evidence.impact.attack {
            let meant = judge.attack_bit.is_none_or(|bit| bits >> bit & 1 == 1);
            let ends = &evidence.ends[*ends as usize];
            if meant && is_kind(*bits) && judge.target.is_target(ends, evidence.attribution) {
                aimed.add(attack);
            }
        }
        aimed
    }

    /// Returns whether more than half of it passes the candidate for certain.
    pub(super) fn mostly_passes(&self) -> bool {
        !self.offered.is_zero() && !self.candidate.greatest.is_at_least(HALF, &self.offered)
    }

    pub(super) fn add(&mut self, attack: &Attack) {
        self.offered.add(attack.offered);
        for (sum, range) in
            [(&mut self.running, &attack.running), (&mut self.candidate, &attack.candidate)]
        {
            sum.least.add(range.least);
            sum.greatest.add(range.greatest);
        }
        self.newly_stopped.add(attack.newly_stopped);
        self.fall.add(attack.fall);
    }

    /// Returns whether this rule's limit stops enough or not, by how the packets lie in time,
    /// which the recording is too coarse to tell.
    pub(super) fn is_undecided(
        &self,
        evidence: &Evidence<'_>,
        rule: u32,
        must_stop: Share,
    ) -> bool {
        evidence.impact.undecided_limits.contains(&rule)
            && !self.candidate.least.is_at_least(must_stop, &self.offered)
            && self.candidate.greatest.is_at_least(must_stop, &self.offered)
    }
}
