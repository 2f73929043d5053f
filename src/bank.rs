//! Banks of buckets: the offers of a tally through the policers of both rule sets.
//!
//! Packets of an unsampled capture meet their buckets one by one, exactly. Even traffic
//! (profiles) meets them second by second, exactly by its own definition. Where a bucket sees
//! both, or samples, the figures are an even spread, and the bucket is listed as inexact unless
//! no arrangement of the packets could exceed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::matcher::ends_walk;
use crate::model::{Action, Exceed, RateLimit, RuleSet};
use crate::policer::{
    Bin, Bucket, Carry, Counts as Unit, EvenBucket, Shape, greatest_loss, share_excess,
};
use crate::tally::{NO_BUCKET, Offer, Pair, Tally};

/// Length of a bin of even traffic.
const BIN_NS: u64 = 1_000_000_000;

/// Which of the offers that may or may not reach a policer are taken to reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum World {
    /// None.
    Least,
    /// All.
    Greatest,
}

/// What one policer took from the records of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether the policer is a candidate's.
    pub candidate: bool,
    /// Its rule.
    pub rule: u32,
    /// Packets (on the wire).
    pub packets: u64,
    /// Bytes (on the wire).
    pub bytes: u64,
}

/// What the policers of both rule sets took.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    by_key: HashMap<u32, Vec<Taken>>,
    /// Candidate rules with a bucket whose loss the recording is too coarse to tell.
    pub undecided: BTreeSet<u32>,
}

impl Losses {
    /// Returns what policers took from the records of a key, by rule.
    pub fn of(&self, key: u32) -> &[Taken] {
        self.by_key.get(&key).map_or(&[], Vec::as_slice)
    }

    fn take(&mut self, key: u32, candidate: bool, rule: u32, packets: u64, bytes: u64) {
        if packets == 0 && bytes == 0 {
            return;
        }
        let taken = self.by_key.entry(key).or_default();
        match taken.iter_mut().find(|one| one.candidate == candidate && one.rule == rule) {
            Some(one) => {
                one.packets += packets;
                one.bytes += bytes;
            }
            None => taken.push(Taken { candidate, rule, packets, bytes }),
        }
    }
}

/// Returns, for each side of a pair, the policers on its way and whether it is uncertain that
/// the records reach them.
pub fn policers(pair: &Pair, sets: [&RuleSet; 2]) -> [Vec<(u32, bool)>; 2] {
    let side = |steps: &[crate::matcher::Step], set: &RuleSet| {
        let mut may_have_ended = false;
        let mut found = Vec::new();
        for step in steps {
            let action = &set.rules[step.rule as usize].action.value;
            if matches!(action, Action::RateLimit(_)) {
                found.push((step.rule, may_have_ended || !step.certain()));
            }
            may_have_ended |= ends_walk(action) && !step.certain();
        }
        found
    };
    [side(&pair.running, sets[0]), side(&pair.candidate, sets[1])]
}

/// Runs all offers through the policers of both sets.
pub fn simulate(tally: &Tally, sets: [&RuleSet; 2], world: World) -> Losses {
    let limits: [Vec<Option<(&RateLimit, Shape)>>; 2] = sets.map(|set| {
        set.rules
            .iter()
            .map(|rule| match &rule.action.value {
                Action::RateLimit(limit) => Some((limit, Shape::new(limit.rate, limit.burst))),
                _ => None,
            })
            .collect()
    });
    let policers: Vec<_> = tally.pairs.values().iter().map(|pair| policers(pair, sets)).collect();
    let bank = Bank { tally, limits, policers, world };
    bank.run()
}

struct Bank<'a> {
    tally: &'a Tally,
    limits: [Vec<Option<(&'a RateLimit, Shape)>>; 2],
    policers: Vec<[Vec<(u32, bool)>; 2]>,
    world: World,
}

/// A policer on the way of an offer.
#[derive(Clone, Copy)]
struct Visit {
    candidate: bool,
    rule: u32,
    bucket: u32,
}

impl<'a> Bank<'a> {
    /// Returns the buckets that an offer meets in this world: the running ones, then the
    /// candidate's, each in the order of rules.
    fn visits(&self, offer: &Offer) -> impl Iterator<Item = Visit> + '_ {
        let [running, candidate] = &self.policers[self.tally.key(offer.key).pair as usize];
        let first = offer.buckets as usize;
        let sides = running.iter().map(|step| (false, step));
        sides.chain(candidate.iter().map(|step| (true, step))).enumerate().filter_map(
            move |(at, (candidate, (rule, uncertain)))| {
                let bucket = self.tally.buckets_met[first + at];
                let met = bucket != NO_BUCKET && (!uncertain || self.world == World::Greatest);
                met.then_some(Visit { candidate, rule: *rule, bucket })
            },
        )
    }

    fn limit(&self, visit: Visit) -> (&'a RateLimit, Shape) {
        self.limits[usize::from(visit.candidate)][visit.rule as usize]
            .expect("a visit is made only of rules with a limit")
    }

    fn run(&self) -> Losses {
        let mut losses = Losses::default();
        let binned = self.binned_buckets();
        let mut buckets: Vec<Option<Bucket>> = vec![None; self.tally.buckets.values().len()];
        let mut bins: BTreeMap<i64, Vec<&Offer>> = BTreeMap::new();
        let start = self.tally.offers.first().map_or(0, |offer| offer.time_ns);
        for offer in &self.tally.offers {
            if self.visits(offer).any(|visit| binned[visit.bucket as usize]) {
                let bin = offer.time_ns.saturating_sub(start).div_euclid(BIN_NS as i64);
                bins.entry(bin).or_default().push(offer);
                continue;
            }
            self.meet(offer, &mut buckets, &mut losses);
        }
        self.run_bins(&bins, &mut losses);
        losses
    }

    /// Takes one packet through its policers, running and candidate.
    fn meet(&self, offer: &Offer, buckets: &mut [Option<Bucket>], losses: &mut Losses) {
        let mut gone = [false; 2];
        for visit in self.visits(offer) {
            let side = usize::from(visit.candidate);
            if gone[side] {
                continue;
            }
            let (limit, shape) = self.limit(visit);
            let bucket = buckets[visit.bucket as usize]
                .get_or_insert_with(|| Bucket::full(&shape, offer.time_ns));
            if !bucket.conforms(&shape, offer.time_ns, offer.packets, offer.bytes)
                && limit.exceed != Exceed::Log
            {
                losses.take(offer.key, visit.candidate, visit.rule, offer.packets, offer.bytes);
                gone[side] = true;
            }
        }
    }

    /// Returns which buckets see anything but single packets; a packet that meets one of them
    /// makes its other buckets binned as well.
    fn binned_buckets(&self) -> Vec<bool> {
        let mut binned = vec![false; self.tally.buckets.values().len()];
        for offer in self.tally.offers.iter().filter(|offer| offer.even || offer.weight != 1) {
            for visit in self.visits(offer) {
                binned[visit.bucket as usize] = true;
            }
        }
        let mut grows = binned.contains(&true);
        while grows {
            grows = false;
            for offer in &self.tally.offers {
                let mut met = self.visits(offer).map(|visit| binned[visit.bucket as usize]);
                let first = met.next();
                let mixed = first.is_some_and(|first| met.any(|other| other != first));
                if mixed {
                    grows = true;
                    for visit in self.visits(offer) {
                        binned[visit.bucket as usize] = true;
                    }
                }
            }
        }
        binned
    }

    fn run_bins(&self, bins: &BTreeMap<i64, Vec<&Offer>>, losses: &mut Losses) {
        let mut buckets: HashMap<u32, (EvenBucket, i64, Carry)> = HashMap::new();
        let mut coarse: BTreeMap<u32, (Visit, Vec<Bin>)> = BTreeMap::new();
        for (bin, offers) in bins {
            let groups = self.gather(offers);
            for candidate in [false, true] {
                self.run_bin(*bin, candidate, &groups, &mut buckets, losses);
            }
            for offer in offers.iter().filter(|offer| !offer.even || offer.weight != 1) {
                for visit in self.visits(offer) {
                    coarse.entry(visit.bucket).or_insert((visit, Vec::new()));
                }
            }
        }
        if coarse.is_empty() {
            return;
        }
        for (bin, offers) in bins {
            for offer in offers {
                for visit in self.visits(offer) {
                    if let Some((_, bins)) = coarse.get_mut(&visit.bucket) {
                        note(bins, *bin, offer, self.limit(visit).1.counts);
                    }
                }
            }
        }
        for (visit, bins) in coarse.values() {
            let (limit, shape) = self.limit(*visit);
            if visit.candidate
                && limit.exceed != Exceed::Log
                && greatest_loss(&shape, bins, BIN_NS) > 0
            {
                losses.undecided.insert(visit.rule);
            }
        }
    }

    /// Adds up the offers of one bin that are alike: same key, same buckets.
    fn gather(&self, offers: &[&Offer]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut numbers: HashMap<(u32, Vec<u32>), usize> = HashMap::new();
        for offer in offers {
            let visits: Vec<Visit> = self.visits(offer).collect();
            let met = visits.iter().map(|visit| visit.bucket).collect();
            let at = *numbers.entry((offer.key, met)).or_insert_with(|| {
                groups.push(Group { key: offer.key, visits, packets: 0, bytes: 0 });
                groups.len() - 1
            });
            let weight = u64::from(offer.weight);
            groups[at].packets += offer.packets.saturating_mul(weight);
            groups[at].bytes += offer.bytes.saturating_mul(weight);
        }
        // Offers are in the order of time; among groups of one bin, keys decide ties.
        groups.sort_by_key(|group| group.key);
        groups
    }

    fn run_bin(
        &self,
        bin: i64,
        candidate: bool,
        groups: &[Group],
        buckets: &mut HashMap<u32, (EvenBucket, i64, Carry)>,
        losses: &mut Losses,
    ) {
        let mut left: Vec<(u64, u64)> =
            groups.iter().map(|group| (group.packets, group.bytes)).collect();
        let mut visits: Vec<(u32, u32, usize)> = groups
            .iter()
            .enumerate()
            .flat_map(|(at, group)| {
                let side = group.visits.iter().filter(move |visit| visit.candidate == candidate);
                side.map(move |visit| (visit.rule, visit.bucket, at))
            })
            .collect();
        visits.sort_unstable();
        for met in visits.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (rule, number, _) = met[0];
            let (limit, shape) = self.limit(Visit { candidate, rule, bucket: number });
            let offered: Vec<(u64, u64)> = met.iter().map(|(_, _, at)| left[*at]).collect();
            let amount = offered
                .iter()
                .map(|(packets, bytes)| u128::from(shape.counts.pick(*packets, *bytes)))
                .sum();
            let (bucket, last, carry) = buckets
                .entry(number)
                .or_insert_with(|| (EvenBucket::full(&shape), bin - 1, Carry::default()));
            let idle = u128::from(bin.abs_diff(*last)).saturating_sub(1) * u128::from(BIN_NS);
            bucket.idle(&shape, idle);
            *last = bin;
            let excess = bucket.offer(&shape, amount, BIN_NS);
            if excess.is_zero() || limit.exceed == Exceed::Log {
                continue;
            }
            for ((_, _, at), (packets, bytes)) in
                met.iter().zip(share_excess(&offered, &excess, carry))
            {
                left[*at].0 -= packets;
                left[*at].1 -= bytes;
                losses.take(groups[*at].key, candidate, rule, packets, bytes);
            }
        }
    }
}

/// Offers of one bin that are alike.
struct Group {
    key: u32,
    visits: Vec<Visit>,
    packets: u64,
    bytes: u64,
}

fn note(bins: &mut Vec<Bin>, index: i64, offer: &Offer, unit: Unit) {
    let weight = u64::from(offer.weight);
    let amount = unit.pick(offer.packets, offer.bytes).saturating_mul(weight);
    let largest = unit.pick(1, offer.bytes / offer.packets.max(1));
    match bins.last_mut() {
        Some(bin) if bin.index == index => {
            bin.amount = bin.amount.saturating_add(amount);
            bin.largest = bin.largest.max(largest);
        }
        _ => bins.push(Bin { index, amount, largest }),
    }
}
