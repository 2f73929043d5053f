//! The rates that a limit may have: the lowest at which nobody loses who was not meant to, and the
//! highest that still stops what it must.
//!
//! Every rate that is reported was tried: a search over rates of three digits, each run through
//! the buckets in every scenario, and one step to the other side of it fails. A burst of one
//! second of the rate stays one; any other stays as written.

use crate::attribution::Attribution;
use crate::bank::Bank;
use crate::change::Change;
use crate::fate::Sets;
use crate::impact::{Amount, Assessment, Range};
use crate::judge::{Judge, Judges};
use crate::model::{Label, Rate, RateUnit, Share};
use crate::scenario::View;
use crate::tally::Tally;

/// The rates at which one limit is safe and does its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeRate {
    /// The candidate rule.
    pub rule: u32,
    /// The lowest rate at which nobody outside `may_affect` loses anything in any scenario; none
    /// if some lose at any rate.
    pub harmless: Option<Rate>,
    /// The highest rate at which its `must_stop` holds in every scenario; none if it asks for
    /// nothing, or if no rate stops enough.
    pub effective: Option<Rate>,
    /// Whether the rule asks for a share that must be stopped.
    pub must_stop: bool,
    /// The lowest harmless rate with a bucket for every destination, if no rate of the limit as
    /// written is both harmless and effective, and one of these is.
    pub keyed: Option<Rate>,
}

impl SafeRate {
    /// Returns whether nobody loses even at the lowest rate that was tried.
    pub fn is_always_harmless(&self) -> bool {
        self.harmless
            .is_some_and(|harmless| per_second(harmless) <= per_second(rate(0, harmless.unit)))
    }

    /// Returns whether some rate is harmless and stops enough.
    pub fn exists(&self) -> bool {
        match (self.harmless, self.effective) {
            (Some(harmless), Some(effective)) => per_second(harmless) <= per_second(effective),
            (harmless, None) => harmless.is_some() && !self.must_stop,
            (None, _) => false,
        }
    }
}

fn per_second(rate: Rate) -> u128 {
    u128::from(rate.amount) * 1_000_000_000_000 / u128::from(rate.per_ns)
}

/// How many rates a decade has, once there are three digits.
const DECADE: u32 = 900;
/// The number of the highest rate: ten million million units a second.
const LAST: u32 = 999 + DECADE * 10 - 1;

/// Returns a rate of whole units a second and at most three digits, which a rule can be given; the
/// next number is the next rate.
fn rate(step: u32, unit: RateUnit) -> Rate {
    let amount = match step.checked_sub(999) {
        None => u64::from(step) + 1,
        Some(step) => {
            let digits = u64::from(100 + step % DECADE);
            digits.saturating_mul(10u64.saturating_pow(1 + step / DECADE))
        }
    };
    Rate { amount, unit, per_ns: 1_000_000_000 }
}

/// What the search looks at.
pub struct Search<'a> {
    /// The rule sets.
    pub sets: Sets<'a>,
    /// Their difference.
    pub change: &'a Change,
    /// Their intents.
    pub judges: &'a Judges,
    /// The owners.
    pub attribution: &'a Attribution<'a>,
    /// What was counted.
    pub tally: &'a Tally,
    /// The buckets.
    pub bank: &'a Bank<'a>,
    /// The recording, and every scenario.
    pub views: &'a [View],
}

impl Search<'_> {
    /// Finds the rates of a candidate rule's limit of this unit.
    pub fn find(&self, rule: u32, unit: RateUnit) -> SafeRate {
        let judge = &self.judges.candidate[rule as usize];
        let harmless = self.lowest_harmless(rule, unit, false);
        let must_stop = judge.must_stop.as_ref().map(|share| share.value);
        let effective = must_stop.and_then(|share| {
            self.highest(rule, unit, &|bank, view| self.stops(judge, share, bank, view))
        });
        let must_stop_asked = must_stop.is_some_and(|share| share.0 > 0);
        let mut found =
            SafeRate { rule, harmless, effective, must_stop: must_stop_asked, keyed: None };
        if !found.exists() && self.bank.could_be_keyed(rule) {
            let keyed = self.lowest_harmless(rule, unit, true);
            let enough = |at: &Rate| {
                let bank = self.bank.altered(rule, *at, false, true);
                let stops =
                    |share| self.views.iter().all(|view| self.stops(judge, share, &bank, view));
                must_stop.is_none_or(stops)
            };
            found.keyed = keyed.filter(enough);
        }
        found
    }

    fn lowest_harmless(&self, rule: u32, unit: RateUnit, keyed: bool) -> Option<Rate> {
        let judge = &self.judges.candidate[rule as usize];
        if judge.may_affect.all {
            return Some(rate(0, unit));
        }
        // A rate that is harmless in one view is where the search goes on in the next.
        let mut step = 0;
        for view in self.views {
            let harmless = |step: u32| {
                let bank = self.bank.altered(rule, rate(step, unit), true, keyed);
                self.is_harmless(judge, &bank, view)
            };
            step = first(step, &harmless)?;
        }
        Some(rate(step, unit))
    }

    /// Returns the highest rate of a rule at which something holds in every view.
    fn highest(
        &self,
        rule: u32,
        unit: RateUnit,
        holds: &dyn Fn(&Bank<'_>, &View) -> bool,
    ) -> Option<Rate> {
        // Downwards: the number of a step counts from the highest rate.
        let down = |step: u32| rate(LAST - step, unit);
        let mut step = 0;
        for view in self.views {
            let holds_at =
                |step: u32| holds(&self.bank.altered(rule, down(step), false, false), view);
            step = first(step, &holds_at)?;
        }
        Some(down(step))
    }

    /// Returns whether nobody outside `may_affect` can lose anything by the one policer of a bank.
    fn is_harmless(&self, judge: &Judge, bank: &Bank<'_>, view: &View) -> bool {
        let losses = bank.simulate(view, None);
        view.cells.iter().all(|cell| {
            let key = self.tally.key(cell.key);
            let ends = || self.tally.ends.value(key.ends);
            key.label == Label::Attack
                || losses[1].of(cell.key).is_empty()
                || judge.may_affect.charged(ends(), self.attribution).is_some()
        })
    }

    /// Returns whether enough of the attack is stopped, if there is any.
    fn stops(&self, judge: &Judge, share: Share, bank: &Bank<'_>, view: &View) -> bool {
        let losses = bank.simulate(view, None);
        let attack = view.only(|key| self.tally.key(key).label == Label::Attack);
        let impact = Assessment {
            sets: self.sets,
            change: self.change,
            judges: self.judges,
            attribution: self.attribution,
            tally: self.tally,
            view: &attack,
            losses: [&losses[0], &losses[1]],
        }
        .assess();
        let (mut offered, mut stopped) = (Amount::default(), Range::default());
        for ((ends, bits), attack) in &impact.attack {
            let meant = judge.attack_bit.is_none_or(|bit| bits >> bit & 1 == 1);
            if meant && judge.target.is_target(self.tally.ends.value(*ends), self.attribution) {
                offered.add(attack.offered);
                stopped.add(attack.candidate);
            }
        }
        stopped.least.is_at_least(share, &offered)
    }
}

/// Returns the first step, from one on, for which a condition holds that holds for all later ones.
fn first(from: u32, holds: &dyn Fn(u32) -> bool) -> Option<u32> {
    if holds(from) {
        return Some(from);
    }
    let (mut low, mut high) = (from + 1, LAST);
    if low > high || !holds(high) {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_step_is_the_next_rate_of_three_digits() {
        let of = |step| rate(step, RateUnit::Bits);
        assert_eq!(of(0).to_string(), "1 bps");
        assert_eq!(of(998).to_string(), "999 bps");
        assert_eq!(of(999).to_string(), "1 kbps");
        assert_eq!(of(1_000).to_string(), "1.01 kbps");
        assert_eq!(of(999 + DECADE * 5).to_string(), "100 Mbps");
        assert_eq!(of(LAST).to_string(), "9.99 Tbps");
        assert!((1..=LAST).all(|step| per_second(of(step)) > per_second(of(step - 1))));
    }

    #[test]
    fn the_first_is_found_and_none_where_none_holds() {
        for wanted in [0, 1, 998, 999, 5_000, LAST] {
            assert_eq!(first(0, &|step| step >= wanted), Some(wanted));
            assert_eq!(first(wanted, &|step| step >= wanted), Some(wanted));
        }
        assert_eq!(first(0, &|_| false), None);
        assert_eq!(first(LAST, &|_| false), None);
    }
}
