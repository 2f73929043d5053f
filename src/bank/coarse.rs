//! Buckets of which only sums are known: what they lose, at least and at most.
//!
//! *Least*: the traffic of every bin, less its sampling error, spreads as well as it can, and the
//! excess is everybody's in proportion. A record that spans bins joins them. *Greatest*: the
//! traffic, plus its sampling error, crowds as badly as it can, a record that spans bins lies
//! wholly in each of them, and whoever has traffic where the bucket may overflow may be the one
//! who loses it. What a limit does not count is bounded by the sizes that its packets may have.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use super::{BIN_NS, Bank, Group, Limiter, Sides, Stray, Take, World};
use crate::model::Exceed;
use crate::policer::{
    Bin, Carry, Counts as Unit, EvenBucket, Shape, greatest_loss, may_exceed, share_excess,
};
use crate::tally::Offer;

/// The smallest and the largest packet that a record of many packets may hold, in bytes.
const SIZES: (u64, u64) = (20, 1_500);

/// The offers to such buckets.
#[derive(Default)]
pub(super) struct Coarse {
    /// By rule (running first), then by instance.
    instances: BTreeMap<(bool, u32, u32), Vec<Contribution>>,
    /// By rule: what may be in any of its buckets.
    strays: BTreeMap<Stray, Vec<Contribution>>,
}

/// What one record, or several alike, offer to a bucket.
struct Contribution {
    key: u32,
    /// The first and the last bin in which it may lie.
    bins: (i64, i64),
    packets: u64,
    bytes: u64,
    /// How many packets were seen, if they stand for more than themselves.
    sampled: Option<u64>,
    /// The smallest and the largest single packet, in bytes.
    sizes: (u64, u64),
    /// Which buckets before this one may take some of it; zero is none.
    fronts: u64,
}

impl Contribution {
    fn new(offer: &Offer, group: &Group<'_>, bins: (i64, i64), fronts: u64) -> Contribution {
        let mean = offer.bytes / offer.packets.max(1);
        let is_single = offer.packets <= 1 || offer.even;
        Contribution {
            key: group.key,
            bins,
            packets: group.packets,
            bytes: group.bytes,
            sampled: (offer.weight > 1).then_some(offer.packets),
            sizes: if is_single { (mean, mean) } else { (mean.min(SIZES.0), mean.max(SIZES.1)) },
            fronts,
        }
    }
}

/// What is known of the traffic of one bin.
#[derive(Clone, Copy, Default)]
struct Sum {
    amount: u64,
    largest: u64,
    /// The sum of the squares of what each sampled packet stands for, and the most that one does.
    squares: f64,
    most: f64,
}

impl Sum {
    fn add(&mut self, one: &Contribution, unit: Unit) {
        let amount = unit.pick(one.packets, one.bytes);
        self.amount = self.amount.saturating_add(amount);
        self.largest = self.largest.max(unit.pick(1, one.sizes.1));
        if let Some(seen) = one.sampled {
            let each = amount as f64 / seen.max(1) as f64;
            self.squares += each * each * seen as f64;
            self.most = self.most.max(each);
        }
    }

    /// Returns the 95 % interval of what was there: the score interval of a Poisson count (Brown,
    /// Cai and DasGupta, "Interval Estimation in Exponential Families", 2003, equation 9), with
    /// every sampled packet weighted by what it stands for.
    fn interval(&self) -> (u64, u64) {
        self.interval_of(1.959_963_984_540_054)
    }

    /// Returns the interval of so many standard deviations.
    fn interval_of(&self, z: f64) -> (u64, u64) {
        if self.most == 0.0 {
            return (self.amount, self.amount);
        }
        let centre = self.amount as f64 + z * z * self.most / 2.0;
        let spread = z * (self.squares + z * z * self.most * self.most / 4.0).sqrt();
        // A float beyond the integers saturates.
        ((centre - spread).max(0.0) as u64, (centre + spread).ceil() as u64)
    }
}

impl Coarse {
    pub(super) fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// Adds an offer that may come to any bucket of these rules.
    pub(super) fn add_stray(
        &mut self,
        offer: &Offer,
        group: &Group<'_>,
        rules: impl Iterator<Item = Stray>,
        bins: (i64, i64),
    ) {
        for rule in rules {
            let one = Contribution::new(offer, group, bins, 0);
            self.strays.entry(rule).or_default().push(one);
        }
    }

    /// Adds an offer that lies somewhere in these bins.
    pub(super) fn add(&mut self, offer: &Offer, group: &Group<'_>, bins: (i64, i64), sides: Sides) {
        let mut fronts = [0u64; 2];
        for visit in group.visits.iter().filter(|visit| sides.hold(visit)) {
            let front = &mut fronts[usize::from(visit.candidate)];
            let before = *front;
            let spread = before.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *front = spread.wrapping_add(u64::from(visit.instance) + 1);
            let instance = (visit.candidate, visit.rule, visit.instance);
            let one = Contribution::new(offer, group, bins, before);
            self.instances.entry(instance).or_default().push(one);
        }
    }

    /// Takes what each rule's buckets lose in a world, and notes candidate rules of which the
    /// recording is too coarse to tell.
    pub(super) fn settle(
        &self,
        bank: &Bank<'_>,
        world: World,
        take: Take<'_>,
        undecided: &mut BTreeSet<u32>,
    ) -> ControlFlow<()> {
        // The rules that use one bucket.
        let mut shared: BTreeMap<(bool, u32), Vec<u32>> = BTreeMap::new();
        for (candidate, rule, instance) in self.instances.keys() {
            if bank.limiter_of(*candidate, *rule).limit.bucket.is_some() {
                shared.entry((*candidate, *instance)).or_default().push(*rule);
            }
        }
        // What rules before took of each key of a side.
        let mut before: HashMap<(bool, u32), (u64, u64)> = HashMap::new();
        let mut rules: BTreeMap<(bool, u32), BTreeMap<u32, (u64, u64)>> = BTreeMap::new();
        for ((candidate, rule, instance), parts) in &self.instances {
            let (candidate, rule, instance) = (*candidate, *rule, *instance);
            let limiter = bank.limiter_of(candidate, rule);
            if limiter.limit.exceed == Exceed::Log {
                continue;
            }
            let lost = match world {
                World::Least => least(limiter, parts),
                World::Greatest => {
                    let mut strays: Vec<&Contribution> =
                        self.strays.get(&(candidate, rule)).into_iter().flatten().collect();
                    // Other rules that use the same bucket fill it as well.
                    let others = shared.get(&(candidate, instance)).into_iter().flatten();
                    let others = others.filter(|other| **other != rule);
                    let parts_of = |other: &u32| self.instances.get(&(candidate, *other, instance));
                    strays.extend(others.filter_map(parts_of).flatten());
                    greatest(limiter, parts, &strays)
                }
            };
            if world == World::Greatest && candidate && !lost.is_empty() {
                undecided.insert(rule);
            }
            let sums = rules.entry((candidate, rule)).or_default();
            for (key, (packets, bytes)) in lost {
                let sum = sums.entry(key).or_default();
                *sum = (sum.0.saturating_add(packets), sum.1.saturating_add(bytes));
            }
        }
        for ((candidate, rule), sums) in rules {
            for (key, lost) in sums {
                // What a rule lets pass the next may take: together they take no less than each.
                let taken = before.entry((candidate, key)).or_default();
                let (packets, bytes) = match world {
                    World::Least => {
                        (lost.0.saturating_sub(taken.0), lost.1.saturating_sub(taken.1))
                    }
                    World::Greatest => lost,
                };
                *taken = (taken.0.saturating_add(packets), taken.1.saturating_add(bytes));
                take(key, (candidate, rule), packets, bytes)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// What each key loses, in packets and bytes.
type Lost = BTreeMap<u32, (u64, u64)>;

fn least(limiter: &Limiter, parts: &[Contribution]) -> Lost {
    let shape = &limiter.bounds[0];
    if !limiter.is_plain {
        // How windows and timeouts fall on the packets is anybody's guess.
        return Lost::new();
    }
    // What buckets before this one take does not come here. Where they are before all of it, they
    // and this one take together no less than each; else only what comes for certain counts.
    let fronts = parts.first().map_or(0, |one| one.fronts);
    let alike = parts.iter().all(|one| one.fronts == fronts);
    let certain = |one: &&Contribution| alike || one.fronts == 0;
    let parts: Vec<&Contribution> = parts.iter().filter(certain).collect();
    let mut order = parts.clone();
    order.sort_by_key(|one| (one.bins, one.key));
    let mut bucket = EvenBucket::full(shape);
    let mut carry = Carry::default();
    let mut lost = Lost::new();
    let mut offered_by: Lost = Lost::new();
    let mut last: Option<i64> = None;
    let mut at = 0;
    while at < order.len() {
        let (first, mut end) = order[at].bins;
        let mut sum = Sum::default();
        let mut keys: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        while let Some(one) = order.get(at).filter(|one| one.bins.0 <= end) {
            end = end.max(one.bins.1);
            sum.add(one, shape.counts);
            let key = keys.entry(one.key).or_default();
            *key = (key.0.saturating_add(one.packets), key.1.saturating_add(one.bytes));
            at += 1;
        }
        let gap = last.map_or(0, |last| first.abs_diff(last).saturating_sub(1));
        bucket.idle(shape, u128::from(gap) * u128::from(BIN_NS));
        let lasts = end.abs_diff(first).saturating_add(1).saturating_mul(BIN_NS);
        let excess = bucket.offer(shape, u128::from(sum.interval().0), lasts);
        last = Some(end);
        for (key, (packets, bytes)) in &keys {
            let sum = offered_by.entry(*key).or_default();
            *sum = (sum.0.saturating_add(*packets), sum.1.saturating_add(*bytes));
        }
        if excess.is_zero() {
            continue;
        }
        let offered: Vec<(u64, u64)> = keys.values().copied().collect();
        for (key, (packets, bytes)) in keys.keys().zip(share_excess(&offered, &excess, &mut carry))
        {
            let sum = lost.entry(*key).or_default();
            *sum = (sum.0 + packets, sum.1 + bytes);
        }
    }
    let counted = |lost: &(u64, u64)| shape.counts.pick(lost.0, lost.1);
    let sum: u128 = lost.values().map(|lost| u128::from(counted(lost))).sum();
    let whole = least_of_all(shape, &parts);
    if whole > sum && sum > 0 {
        for (key, lost) in &mut lost {
            let offered = counted(&offered_by[key]);
            let raised = u128::from(counted(lost)).saturating_mul(whole) / sum;
            let raised = u64::try_from(raised).unwrap_or(u64::MAX).min(offered);
            *lost = shape.counts.pick((raised, lost.1), (lost.0, raised));
        }
    }
    let sizes = sizes(parts.iter().copied());
    for (key, lost) in &mut lost {
        let counted = shape.counts.pick(lost.0, lost.1);
        let (few, _) = other(shape.counts, counted, offered_by[key], sizes);
        *lost = shape.counts.pick((counted, few), (few, counted));
    }
    lost
}

/// How many standard deviations the least of a whole sample is below its estimate: it lies below
/// what was there in 1,999 of 2,000 samples.
const WHOLE: f64 = 3.290_526_731_491_895;

/// Returns the least that samples of a bucket have lost together: what was there, less what the
/// bucket can have let pass in all that time. Sampling errors of single seconds cancel out in it.
fn least_of_all(shape: &Shape, parts: &[&Contribution]) -> u128 {
    let mut sum = Sum::default();
    parts.iter().for_each(|one| sum.add(one, shape.counts));
    let first = parts.iter().map(|one| one.bins.0).min().unwrap_or(0);
    let last = parts.iter().map(|one| one.bins.1).max().unwrap_or(0);
    let lasts = (u128::from(last.abs_diff(first)) + 1) * u128::from(BIN_NS);
    shape.least_lost(u128::from(sum.interval_of(WHOLE).0), lasts)
}

/// Returns the smallest and the largest packet of all.
fn sizes<'c>(parts: impl Iterator<Item = &'c Contribution>) -> (u64, u64) {
    let sizes = parts.map(|one| one.sizes);
    sizes.reduce(|known, one| (known.0.min(one.0), known.1.max(one.1))).unwrap_or_default()
}

/// Returns how many packets at least and at most are lost with so many bytes of an offer, if bytes
/// are counted, or how many bytes with so many packets: what is lost and what is left are both
/// packets of these sizes.
fn other(
    unit: Unit,
    lost: u64,
    (packets, bytes): (u64, u64),
    (smallest, largest): (u64, u64),
) -> (u64, u64) {
    let (smallest, largest) = (smallest.max(1), largest.max(1));
    match unit {
        Unit::Bytes => {
            let left = bytes.saturating_sub(lost);
            let least = (lost / largest).max(packets.saturating_sub(left.div_ceil(smallest)));
            let most = lost.div_ceil(smallest).min(packets.saturating_sub(left / largest));
            (least.min(packets), most.clamp(least.min(packets), packets))
        }
        Unit::Packets => {
            let left = packets.saturating_sub(lost);
            let least = lost
                .saturating_mul(smallest)
                .max(bytes.saturating_sub(left.saturating_mul(largest)));
            let most = lost
                .saturating_mul(largest)
                .min(bytes.saturating_sub(left.saturating_mul(smallest)));
            (least.min(bytes), most.clamp(least.min(bytes), bytes))
        }
    }
}

/// How many seconds records may span together, as many as there are of them times the second, until
/// bins are made wider.
const SPANNED: (u64, u64) = (1 << 16, 64);

/// Returns how many seconds wide bins should be: one, unless records span so many of them that to
/// look at each would take long. They may lie anywhere in these, so that little is known anyway.
fn width<'c>(parts: impl Iterator<Item = &'c Contribution> + Clone) -> i64 {
    let most = SPANNED.0 + SPANNED.1 * parts.clone().count() as u64;
    let spans = |width: i64| {
        let bins = |one: &Contribution| {
            one.bins.1.div_euclid(width).abs_diff(one.bins.0.div_euclid(width)).saturating_add(1)
        };
        parts.clone().map(bins).fold(0, u64::saturating_add)
    };
    let mut widths = (0..i64::BITS - 2).map(|doubled| 1i64 << doubled);
    widths.find(|width| spans(*width) <= most).unwrap_or(i64::MAX)
}

/// What each key may lose at most; strays may come as well, and are charged elsewhere.
fn greatest(limiter: &Limiter, parts: &[Contribution], strays: &[&Contribution]) -> Lost {
    let shape = &limiter.bounds[1];
    let mut sums: BTreeMap<i64, Sum> = BTreeMap::new();
    let width = width(parts.iter().chain(strays.iter().copied()));
    let wide = |bins: (i64, i64)| bins.0.div_euclid(width)..=bins.1.div_euclid(width);
    let bin_ns = BIN_NS.saturating_mul(width.unsigned_abs());
    for one in parts.iter().chain(strays.iter().copied()) {
        for bin in wide(one.bins) {
            sums.entry(bin).or_default().add(one, shape.counts);
        }
    }
    let bins: Vec<Bin> = sums
        .iter()
        .map(|(index, sum)| Bin { index: *index, amount: sum.interval().1, largest: sum.largest })
        .collect();
    let all = if limiter.is_plain {
        greatest_loss(shape, &bins, bin_ns)
    } else {
        // Whoever comes after the window is used up, or while a timeout lasts, loses everything.
        let all = bins.iter().map(|bin| u128::from(bin.amount)).sum();
        let once = Bin { index: 0, amount: u64::try_from(all).unwrap_or(u64::MAX), largest: 0 };
        if greatest_loss(shape, &[once], BIN_NS) > 0 { all } else { 0 }
    };
    if all == 0 {
        return Lost::new();
    }
    let open: BTreeSet<i64> = bins
        .iter()
        .zip(may_exceed(shape, &bins, bin_ns))
        .map(|(bin, may)| (bin, may || !limiter.is_plain))
        .filter(|(_, may)| *may)
        .map(|(bin, _)| bin.index)
        .collect();
    let mut lost = Lost::new();
    for one in parts {
        if open.range(wide(one.bins)).next().is_some() {
            let sum = lost.entry(one.key).or_default();
            *sum = (sum.0.saturating_add(one.packets), sum.1.saturating_add(one.bytes));
        }
    }
    let sizes = sizes(parts.iter());
    for offered in lost.values_mut() {
        let counted = shape.counts.pick(offered.0, offered.1);
        let counted = u64::try_from(all).unwrap_or(u64::MAX).min(counted);
        let (_, many) = other(shape.counts, counted, *offered, sizes);
        *offered = shape.counts.pick((counted, many), (many, counted));
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_wider_than_a_second_only_where_records_span_very_many() {
        let part = |bins| Contribution {
            key: 0,
            bins,
            packets: 1,
            bytes: 1,
            sampled: None,
            sizes: (1, 1),
            fronts: 0,
        };
        let width_of = |count: usize, bins| {
            let parts: Vec<Contribution> = (0..count).map(|_| part(bins)).collect();
            width(parts.iter())
        };
        assert_eq!(width_of(30, (0, 1_800)), 1);
        assert_eq!(width_of(10_000, (0, 60)), 1);
        // 20 flows of ten days.
        assert_eq!(width_of(20, (-100, 864_000)), 512);
        assert!(width_of(2, (i64::MIN, i64::MAX)) > 1 << 40);
    }
}
