//! Who shares the buckets of a limit, and how full they get.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{BIN_NS, Bank, Losses, Run, World};
use crate::model::{Label, NameId, Scope};
use crate::policer::EvenBucket;
use crate::scenario::View;
use crate::tally::{BucketKey, Counts};

/// The buckets of one candidate limit.
#[derive(Clone, Debug)]
pub struct Usage {
    /// The rule.
    pub rule: u32,
    /// How many buckets met traffic: one for every value of the key and every instance of the
    /// scope.
    pub buckets: usize,
    /// In how many of them what is not attack goes beyond the limit by itself.
    pub below_normal: usize,
    /// The most that one of them was offered in one second that is not attack.
    pub normal_peak: u64,
    /// The most keys that met one instance of the scope.
    pub most_keys: u64,
    /// Whether all that meets it walks both sets alike.
    pub same: bool,
    /// Whether every router counts for itself, and of some traffic it is not known which one it
    /// passes, as other traffic of its PoP names one.
    pub is_astray: bool,
    /// The one that was offered most in one second.
    pub fullest: Fullest,
}

/// The bucket of a limit that was offered most in one second.
#[derive(Clone, Debug)]
pub struct Fullest {
    /// Its key.
    pub key: BucketKey,
    /// Its PoP, if every PoP has its own.
    pub pop: Option<NameId>,
    /// The most that was offered in one second, of what the limit counts.
    pub peak: u64,
    /// The most of it that is not attack in one second.
    pub legitimate_peak: u64,
    /// What was offered to it, by key of the tally.
    pub offers: Vec<(u32, Counts)>,
}

/// One bucket while it is counted; offers come in the order of time.
struct Filling {
    rule: u32,
    bin: i64,
    now: [u64; 2],
    peak: [u64; 2],
    legitimate: EvenBucket,
    is_below: bool,
    same: bool,
}

impl Bank<'_> {
    /// Returns who shares the buckets of every candidate limit that met traffic in a scenario.
    pub fn usage(&self, view: &View) -> Vec<Usage> {
        let mut run = Run::new(self, view, World::Greatest);
        let mut fillings: Vec<Option<Filling>> = Vec::new();
        let mut visits = Vec::new();
        let start = self.tally.offers.first().map_or(0, |offer| offer.time_ns);
        let here = |offer: &crate::tally::Offer| view.position(offer.key).map(|at| view.cells[at]);
        let amounts = |offer: &crate::tally::Offer| {
            let weight = u64::from(offer.weight);
            let factor = if view.is_scaled(offer.key) { view.factor } else { crate::scenario::ONE };
            [offer.packets, offer.bytes]
                .map(|amount| crate::scenario::scale(amount.saturating_mul(weight), factor))
        };
        for offer in &self.tally.offers {
            let Some(cell) = here(offer) else { continue };
            run.visits(offer, &cell, &mut visits);
            let bin = offer.time_ns.saturating_sub(start).div_euclid(BIN_NS as i64);
            let is_attack = self.tally.key(offer.key).label == Label::Attack;
            let [packets, bytes] = amounts(offer);
            let is_same = self.same[cell.pair as usize];
            for visit in visits.iter().filter(|visit| visit.candidate) {
                let shape = &self.limiter(*visit).shape;
                let amount = shape.counts.pick(packets, bytes);
                let at = visit.instance as usize;
                if at >= fillings.len() {
                    fillings.resize_with(at + 1, || None);
                }
                let filling = fillings[at].get_or_insert_with(|| Filling {
                    rule: visit.rule,
                    bin,
                    now: [0; 2],
                    peak: [0; 2],
                    legitimate: EvenBucket::full(shape),
                    is_below: false,
                    same: true,
                });
                filling.same &= is_same;
                if filling.bin != bin {
                    filling.close(shape);
                    let idle = u128::from(bin.abs_diff(filling.bin)).saturating_sub(1);
                    filling.legitimate.idle(shape, idle * u128::from(BIN_NS));
                    filling.bin = bin;
                }
                filling.now[0] = filling.now[0].saturating_add(amount);
                if !is_attack {
                    filling.now[1] = filling.now[1].saturating_add(amount);
                }
            }
        }
        let mut rules: BTreeMap<u32, (Usage, u32)> = BTreeMap::new();
        // A table of keys is of one router.
        let mut tables: HashMap<(u32, Option<NameId>, Option<NameId>), u64> = HashMap::new();
        for (bucket, pop, instance) in run.instances.iter() {
            let filling = fillings.get_mut(instance as usize).and_then(Option::as_mut);
            let Some(filling) = filling else { continue };
            let shape = self.limits[1][filling.rule as usize].as_ref().map(|one| one.shape);
            if let Some(shape) = &shape {
                filling.close(shape);
            }
            let Some(key) = self.tally.buckets.values().get(bucket as usize) else { continue };
            let scope = self.limits[1][filling.rule as usize].as_ref().map(|one| one.limit.scope);
            let is_astray = scope == Some(Scope::Router)
                && key.exporter.is_none()
                && pop.is_some_and(|pop| self.busiest.contains_key(&pop));
            let table = (filling.rule, pop, key.exporter);
            let keys = tables.entry(table).or_default();
            *keys += 1;
            let peak = filling.peak;
            let fullest = || Fullest {
                key: key.clone(),
                pop,
                peak: peak[0],
                legitimate_peak: peak[1],
                offers: Vec::new(),
            };
            let below = usize::from(filling.is_below);
            let rule = filling.rule;
            match rules.get_mut(&rule) {
                Some((usage, at)) => {
                    usage.buckets += 1;
                    usage.below_normal += below;
                    usage.normal_peak = usage.normal_peak.max(peak[1]);
                    usage.most_keys = usage.most_keys.max(*keys);
                    usage.same &= filling.same;
                    usage.is_astray |= is_astray;
                    // Of those that are alike, the one that was met first.
                    let known = (usage.fullest.peak, std::cmp::Reverse(*at));
                    if (peak[0], std::cmp::Reverse(instance)) > known {
                        (usage.fullest, *at) = (fullest(), instance);
                    }
                }
                None => {
                    let fullest = fullest();
                    let same = filling.same;
                    let usage = Usage {
                        rule,
                        buckets: 1,
                        below_normal: below,
                        normal_peak: peak[1],
                        most_keys: 1,
                        same,
                        is_astray,
                        fullest,
                    };
                    rules.insert(rule, (usage, instance));
                }
            }
        }
        // Once more, for what is in the fullest.
        let mut inside: HashMap<u32, BTreeMap<u32, Counts>> =
            rules.values().map(|(_, instance)| (*instance, BTreeMap::new())).collect();
        for offer in &self.tally.offers {
            let Some(cell) = here(offer) else { continue };
            run.visits(offer, &cell, &mut visits);
            let [packets, bytes] = amounts(offer);
            for visit in visits.iter().filter(|visit| visit.candidate) {
                if let Some(keys) = inside.get_mut(&visit.instance) {
                    let raw = offer.packets;
                    keys.entry(offer.key).or_default().add(Counts {
                        records: 1,
                        raw,
                        packets,
                        bytes,
                    });
                }
            }
        }
        let with_offers = |(mut usage, instance): (Usage, u32)| {
            let keys = inside.remove(&instance).unwrap_or_default();
            usage.fullest.offers = keys.into_iter().collect();
            usage
        };
        rules.into_values().map(with_offers).collect()
    }
}

impl Filling {
    /// Ends a second.
    fn close(&mut self, shape: &crate::policer::Shape) {
        let [all, legitimate] = self.now;
        self.peak = [self.peak[0].max(all), self.peak[1].max(legitimate)];
        let excess = self.legitimate.offer(shape, u128::from(legitimate), BIN_NS);
        self.is_below |= !excess.is_zero();
        self.now = [0; 2];
    }
}

impl Losses {
    /// Returns the candidate rules whose policers took anything.
    pub fn rules_that_take(&self) -> BTreeSet<u32> {
        let all = self.by_key.values().flatten();
        all.filter(|one| one.candidate).map(|one| one.rule).collect()
    }
}
