//! The rates that a limit may have: the lowest at which nobody loses who was not meant to, and the
//! highest that still stops what it must.
//!
//! Every rate that is reported was tried: a search over rates of three digits, each run through
//! the buckets in every scenario, and one step to the other side of it fails. The default burst is
//! that of the rate; a written one stays. The search takes it that a higher rate loses no more,
//! which windows, timeouts and packets of several sizes can break: the rate of the rule itself and
//! a ladder of others are tried as well, and what contradicts is told.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::attribution::Attribution;
use crate::bank::{Bank, Losses, Met, Ready, World};
use crate::change::Change;
use crate::fate::Sets;
use crate::impact::{Amount, Assessment, Range};
use crate::judge::{Judge, Judges};
use crate::model::{Label, Rate, RateUnit, Share};
use crate::policer;
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
    /// What was found of them for rules before.
    pub met: Kept<Met>,
}

/// How many offers, at most, are kept ready for the next rate, of each kind of run; beyond that
/// views are made ready anew.
const MAX_READY: usize = 1_000_000;

/// What was made ready, by view.
pub struct Kept<T>(RefCell<BTreeMap<usize, Rc<T>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept(RefCell::default())
    }
}

impl<T> Kept<T> {
    /// Returns what is ready of a view, or makes it; `at_most` views are kept.
    fn get(&self, view: usize, at_most: usize, make: impl FnOnce() -> T) -> Rc<T> {
        let known = self.0.borrow().get(&view).cloned();
        known.unwrap_or_else(|| {
            // The old one goes first, so that there is never one more.
            let mut kept = self.0.borrow_mut();
            while kept.len() >= at_most.max(1) {
                kept.pop_last();
            }
            drop(kept);
            let made = Rc::new(make());
            self.0.borrow_mut().insert(view, Rc::clone(&made));
            made
        })
    }
}

/// The search for one rule's rates.
struct OneRule<'s, 'a> {
    search: &'s Search<'a>,
    rule: u32,
    judge: &'s Judge,
    /// Keyed by destination as well.
    met_keyed: Kept<Met>,
    /// Keyed as written, and keyed by destination as well.
    alone: [Kept<Alone>; 2],
    attack: [Kept<Attacked>; 2],
    /// What was found so far: by view, whether it is keyed, and rate.
    harmless: Answers,
    enough: Answers,
}

type Answers = RefCell<BTreeMap<(usize, bool, u64, u64), bool>>;

/// Returns what was found before, or finds it.
fn once(known: &Answers, of: (usize, bool, Rate), find: impl FnOnce() -> bool) -> bool {
    let (view, keyed, rate) = of;
    let question = (view, keyed, rate.amount, rate.per_ns);
    let answer = known.borrow().get(&question).copied();
    answer.unwrap_or_else(|| {
        let answer = find();
        known.borrow_mut().insert(question, answer);
        answer
    })
}

/// The one policer of a rule, where it may harm.
struct Alone {
    /// For every key: whether nobody may lose of it.
    outsiders: Vec<bool>,
    ready: Ready,
}

/// All policers, where attack meets them that is meant.
struct Attacked {
    /// What is attack.
    view: View,
    /// For every key: whether it is attack.
    of: Vec<bool>,
    /// What depends on the rate, by world.
    ready: Vec<Ready>,
    /// What the others take, by world.
    taken: Vec<Losses>,
}

impl Search<'_> {
    /// Finds the rates of a candidate rule's limit, which has this one.
    pub fn find(&self, rule: u32, own: Rate) -> SafeRate {
        let judge = &self.judges.candidate[rule as usize];
        OneRule {
            search: self,
            rule,
            judge,
            met_keyed: Kept::default(),
            alone: Default::default(),
            attack: Default::default(),
            harmless: Answers::default(),
            enough: Answers::default(),
        }
        .find(own)
    }
}

impl OneRule<'_, '_> {
    fn find(&self, own: Rate) -> SafeRate {
        let OneRule { rule, judge, .. } = *self;
        let (unit, views) = (own.unit, self.search.views.len());
        let mut harmless = self.lowest_harmless(unit, 0, false);
        let must_stop = judge.must_stop.as_ref().map(|share| share.value);
        let effective = must_stop.and_then(|share| {
            self.highest(unit, &|rate, view| self.stops(share, rate, view, false))
        });
        let is_harmless = |rate: &Rate| (0..views).all(|view| self.is_harmless(*rate, view, false));
        let is_enough = |rate: &Rate, keyed: bool| {
            let stops = |share| (0..views).all(|view| self.stops(share, *rate, view, keyed));
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
            let Some(next) = self.lowest_harmless(unit, from, false) else {
                break;
            };
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
            always_harms: harmless.is_none() && self.harms(unit),
            effective,
            idle_below: effective.and_then(below),
            both,
            must_stop: must_stop.is_some_and(|share| share.0 > 0),
            keyed: None,
        };
        if !found.exists() && self.search.bank.could_be_keyed(rule) {
            let keyed = self.lowest_harmless(unit, 0, true);
            found.keyed = keyed.filter(|rate| is_enough(rate, true));
        }
        found
    }

    /// Returns of how many views things are kept.
    fn at_most(&self) -> usize {
        MAX_READY / self.search.tally.offers.len().max(1)
    }

    fn met(&self, view: usize, keyed: bool) -> Rc<Met> {
        let Search { bank, views, .. } = self.search;
        let view_of = &views[view];
        if keyed {
            let make = || bank.keyed(self.rule).meet(view_of);
            return self.met_keyed.get(view, self.at_most(), make);
        }
        self.search.met.get(view, self.at_most(), || bank.meet(view_of))
    }

    /// Makes ready the one policer of the rule.
    fn alone(&self, view: usize, keyed: bool, world: World) -> Alone {
        let outsiders = self.outsiders(view);
        let of_view = (&self.search.views[view], world);
        let met = self.met(view, keyed);
        let ready = self.search.bank.ready_alone(&met, of_view, self.rule, &outsiders);
        Alone { outsiders, ready }
    }

    /// Makes ready what attack meets.
    fn attacked(&self, number: usize, keyed: bool) -> Attacked {
        let Search { bank, tally, views, .. } = self.search;
        let mut of = vec![false; tally.len()];
        let view = views[number].only(|key| tally.key(key).label == Label::Attack);
        view.cells.iter().for_each(|cell| of[cell.key as usize] = true);
        let met = self.met(number, keyed);
        let [ready, others] = bank.ready_with(&met, &views[number], self.rule, &of);
        let taken = others.iter().map(|others| {
            let mut losses = Losses::default();
            bank.add_taken(others, &of, &mut losses);
            losses
        });
        Attacked { taken: taken.collect(), view, of, ready }
    }

    /// Returns whether others lose for certain even at the highest rate.
    fn harms(&self, unit: RateUnit) -> bool {
        let bank = self.search.bank.at_rate(self.rule, rate(LAST, unit));
        (0..self.search.views.len()).any(|view| {
            let Alone { outsiders, ready } = self.alone(view, false, World::Least);
            bank.takes_from(&ready, &outsiders)
        })
    }

    /// Returns the lowest harmless rate from this step on.
    fn lowest_harmless(&self, unit: RateUnit, from: u32, keyed: bool) -> Option<Rate> {
        if self.judge.may_affect.all {
            return Some(rate(0, unit));
        }
        // A rate that is harmless in one view is where the search goes on in the next.
        let mut step = from.min(LAST);
        for view in 0..self.search.views.len() {
            step = first(step, &|step| self.is_harmless(rate(step, unit), view, keyed))?;
        }
        Some(rate(step, unit))
    }

    /// Returns the highest rate at which something holds in every view.
    fn highest(&self, unit: RateUnit, holds: &dyn Fn(Rate, usize) -> bool) -> Option<Rate> {
        // Downwards: the number of a step counts from the highest rate.
        let down = |step: u32| rate(LAST - step, unit);
        let mut step = 0;
        for view in 0..self.search.views.len() {
            step = first(step, &|step| holds(down(step), view))?;
        }
        Some(down(step))
    }

    /// Returns whether the rule's dialect has limits of this rate at all.
    fn loads(&self, rate: Rate) -> bool {
        let rule = &self.search.sets.sets[1].rules[self.rule as usize];
        let limit = rule.action.value.limit();
        limit.is_some_and(|limit| policer::load(&limit.at_rate(rate)).is_ok())
    }

    /// Returns whether nobody outside `may_affect` can lose anything by the one policer.
    fn is_harmless(&self, rate: Rate, view: usize, keyed: bool) -> bool {
        self.loads(rate)
            && once(&self.harmless, (view, keyed, rate), || self.harms_nobody(rate, view, keyed))
    }

    fn harms_nobody(&self, rate: Rate, view: usize, keyed: bool) -> bool {
        let make = || self.alone(view, keyed, World::Greatest);
        let alone = self.alone[usize::from(keyed)].get(view, self.at_most(), make);
        let bank = self.search.bank.at_rate(self.rule, rate);
        !bank.takes_from(&alone.ready, &alone.outsiders)
    }

    /// Returns for every key whether it is of what nobody may lose by the rule.
    fn outsiders(&self, view: usize) -> Vec<bool> {
        let Search { tally, attribution, views, .. } = self.search;
        let mut outsiders = vec![false; tally.len()];
        for cell in &views[view].cells {
            let key = tally.key(cell.key);
            let ends = tally.ends.value(key.ends);
            outsiders[cell.key as usize] = key.label != Label::Attack
                && self.judge.may_affect.charged(ends, attribution).is_none();
        }
        outsiders
    }

    /// Returns whether enough of the attack is stopped, if there is any.
    fn stops(&self, share: Share, rate: Rate, view: usize, keyed: bool) -> bool {
        self.loads(rate)
            && once(&self.enough, (view, keyed, rate), || {
                self.stops_enough(share, rate, view, keyed)
            })
    }

    fn stops_enough(&self, share: Share, rate: Rate, view: usize, keyed: bool) -> bool {
        let Search { sets, change, judges, attribution, tally, .. } = *self.search;
        let make = || self.attacked(view, keyed);
        let attacked = self.attack[usize::from(keyed)].get(view, self.at_most(), make);
        let bank = self.search.bank.at_rate(self.rule, rate);
        let losses = attacked.ready.iter().zip(&attacked.taken).map(|(ready, taken)| {
            let mut losses = taken.clone();
            bank.add_taken(ready, &attacked.of, &mut losses);
            losses
        });
        let losses: Vec<Losses> = losses.collect();
        let [Some(least), Some(greatest)] = [losses.first(), losses.last()] else {
            return true;
        };
        let impact = Assessment {
            sets,
            change,
            judges,
            attribution,
            tally,
            view: &attacked.view,
            losses: [least, greatest],
        }
        .assess();
        let judge = self.judge;
        let (mut offered, mut stopped) = (Amount::default(), Range::default());
        for ((ends, bits), attack) in &impact.attack {
            let meant = judge.attack_bit.is_none_or(|bit| bits >> bit & 1 == 1);
            if meant && judge.target.is_target(tally.ends.value(*ends), attribution) {
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
