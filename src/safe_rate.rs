//! The rates that a limit may have: the lowest at which nobody loses who was not meant to, and the
//! highest that still stops what it must.
//!
//! Every rate that is reported was tried: a search over rates of three digits, each run through
//! the buckets in every scenario, and one step to the other side of it fails. The default burst is
//! that of the rate; a written one stays. The search takes it that a higher rate loses no more,
//! which windows, timeouts and packets of several sizes can break: the rate of the rule itself and
//! a ladder of others are tried as well, and what contradicts is told.

use std::collections::BTreeSet;

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
    /// The lowest rate from which on nobody outside `may_affect` loses anything in any scenario;
    /// none if some lose at any rate.
    pub harmless: Option<Rate>,
    /// A higher rate at which some may lose all the same, if one was found.
    pub harmful_above: Option<Rate>,
    /// Whether others lose for certain, and not only maybe, even at the highest rate.
    pub always_harms: bool,
    /// The highest rate at which its `must_stop` holds in every scenario; none if it asks for
    /// nothing, or if no rate stops enough.
    pub effective: Option<Rate>,
    /// A lower rate that does not stop enough all the same, if one was found.
    pub idle_below: Option<Rate>,
    /// A rate that is harmless and stops enough, of those that were tried.
    pub both: Option<Rate>,
    /// Whether the rule asks for a share that must be stopped.
    pub must_stop: bool,
    /// The lowest harmless rate with a bucket for every destination, if no rate of the limit as
    /// written is both harmless and effective, and one of these is.
    pub keyed: Option<Rate>,
}

impl SafeRate {
    /// Returns whether nobody loses even at the lowest rate that was tried.
    pub fn is_always_harmless(&self) -> bool {
        let lowest = |harmless: Rate| per_second(harmless) <= per_second(rate(0, harmless.unit));
        self.harmful_above.is_none() && self.harmless.is_some_and(lowest)
    }

    /// Returns whether some rate that was tried is harmless and stops enough.
    pub fn exists(&self) -> bool {
        self.both.is_some()
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

/// Returns the lowest of these rates that is at least so many units a second.
fn step_of(amount: u128) -> u32 {
    let amount = u64::try_from(amount).unwrap_or(u64::MAX).max(1);
    let digits = amount.ilog10() + 1;
    let step = match digits {
        ..=3 => amount as u32 - 1,
        // Three digits of it, and one more if others follow.
        _ => 899 + DECADE * (digits - 4) + amount.div_ceil(10u64.pow(digits - 3)) as u32,
    };
    step.min(LAST)
}

/// How many rates are tried on each side of the rule's own, and above the lowest harmless one.
const RUNGS: usize = 8;

/// How often the search starts anew above a rate that turned out to be harmful.
const RESEARCHES: usize = 4;

/// Returns the steps of rates around one, and up from another, each about 19 % (a quarter of an
/// octave) from the next.
fn ladder(around: Rate, up_from: Option<Rate>) -> BTreeSet<u32> {
    let per_second = |rate: Rate| per_second(rate) / 1_000;
    let up = |from: u128| {
        std::iter::successors(Some(from.max(1)), |at| Some((at * 1_189 / 1_000).max(at + 1)))
            .take(RUNGS + 1)
    };
    let down = std::iter::successors(Some(per_second(around)), |at| Some(at * 1_000 / 1_189));
    let above = up_from.map(per_second).into_iter().flat_map(up);
    down.take(RUNGS + 1).chain(up(per_second(around))).chain(above).map(step_of).collect()
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
    /// Finds the rates of a candidate rule's limit, which has this one.
    pub fn find(&self, rule: u32, own: Rate) -> SafeRate {
        let unit = own.unit;
        let judge = &self.judges.candidate[rule as usize];
        let mut harmless = self.lowest_harmless(rule, unit, 0, false);
        let must_stop = judge.must_stop.as_ref().map(|share| share.value);
        let effective = must_stop.and_then(|share| {
            self.highest(rule, unit, &|bank, view| self.stops(judge, share, bank, view))
        });
        let is_harmless = |rate: &Rate| {
            let bank = self.bank.altered(rule, *rate, true, false);
            self.views.iter().all(|view| self.is_harmless(judge, &bank, view))
        };
        let is_enough = |rate: &Rate, keyed: bool| {
            let bank = self.bank.altered(rule, *rate, false, keyed);
            let stops = |share| self.views.iter().all(|view| self.stops(judge, share, &bank, view));
            must_stop.is_none_or(stops)
        };
        let rungs = ladder(own, harmless).into_iter().map(|step| rate(step, unit));
        let rungs: Vec<Rate> = std::iter::once(own).chain(rungs).collect();
        let (lowest, highest) = ([rate(0, unit)], [rate(LAST, unit)]);
        harmless = harmless.or_else(|| rungs.iter().copied().find(is_harmless));
        let effective = match must_stop {
            Some(_) => {
                effective.or_else(|| rungs.iter().copied().find(|rate| is_enough(rate, false)))
            }
            None => None,
        };
        let above = |known: Rate| {
            let rungs = rungs.iter().chain(&highest).copied();
            let higher = rungs.filter(|rate| per_second(*rate) > per_second(known));
            let harms = |rate: &Rate| !judge.may_affect.all && !is_harmless(rate);
            higher.filter(harms).max_by_key(|rate| per_second(*rate))
        };
        let mut harmful_above = harmless.and_then(above);
        for _ in 0..RESEARCHES {
            let Some(not) = harmful_above else { break };
            let from = step_of(per_second(not) / 1_000) + 1;
            let Some(next) = self.lowest_harmless(rule, unit, from, false) else { break };
            harmless = Some(next);
            harmful_above = above(next);
        }
        let below = |known: Rate| {
            let mut rungs = rungs.iter().chain(&lowest).copied();
            rungs.find(|rate| per_second(*rate) < per_second(known) && !is_enough(rate, false))
        };
        let does_both = |rate: &Rate| is_enough(rate, false) && is_harmless(rate);
        let both = match harmless {
            Some(harmless) if is_enough(&harmless, false) => Some(harmless),
            // The rule's own rate comes first, then those from the highest down.
            _ => rungs[..1].iter().chain(rungs.iter().rev()).copied().find(does_both),
        };
        let mut found = SafeRate {
            rule,
            harmless,
            harmful_above,
            always_harms: harmless.is_none() && self.harms(judge, rule, unit),
            effective,
            idle_below: effective.and_then(below),
            both,
            must_stop: must_stop.is_some_and(|share| share.0 > 0),
            keyed: None,
        };
        if !found.exists() && self.bank.could_be_keyed(rule) {
            let keyed = self.lowest_harmless(rule, unit, 0, true);
            found.keyed = keyed.filter(|rate| is_enough(rate, true));
        }
        found
    }

    /// Returns whether others lose for certain even at the highest rate.
    fn harms(&self, judge: &Judge, rule: u32, unit: RateUnit) -> bool {
        let bank = self.bank.altered(rule, rate(LAST, unit), true, false);
        self.views.iter().any(|view| {
            let losses = bank.simulate(view, None);
            self.outsiders(judge, view).any(|key| !losses[0].of(key).is_empty())
        })
    }

    /// Returns the lowest harmless rate from this step on.
    fn lowest_harmless(&self, rule: u32, unit: RateUnit, from: u32, keyed: bool) -> Option<Rate> {
        let judge = &self.judges.candidate[rule as usize];
        if judge.may_affect.all {
            return Some(rate(0, unit));
        }
        // A rate that is harmless in one view is where the search goes on in the next.
        let mut step = from.min(LAST);
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
        self.outsiders(judge, view).all(|key| losses[1].of(key).is_empty())
    }

    /// Returns the keys of what nobody may lose by a rule.
    fn outsiders<'s>(&'s self, judge: &'s Judge, view: &'s View) -> impl Iterator<Item = u32> + 's {
        view.cells.iter().map(|cell| cell.key).filter(|key| {
            let key = self.tally.key(*key);
            key.label != Label::Attack
                && judge
                    .may_affect
                    .charged(self.tally.ends.value(key.ends), self.attribution)
                    .is_none()
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
    fn the_step_of_a_rate_is_the_first_that_is_no_lower() {
        for step in [0, 1, 998, 999, 1_000, 1_898, 1_899, 5_000, LAST] {
            let amount = u128::from(rate(step, RateUnit::Bits).amount);
            assert_eq!(step_of(amount), step);
            assert_eq!(step_of(amount + 1), (step + 1).min(LAST));
        }
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
