//! What bins of recorded flows, of which only sums are known, may have lost.

use super::{EvenBucket, Shape};

/// One bin of recorded flows of which only sums are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    /// Which multiple of the bin length it starts at.
    pub index: i64,
    /// What was offered in it, of what the limit counts.
    pub amount: u64,
    /// The largest single packet in it, in the same unit (one, where packets are counted).
    pub largest: u64,
}

/// Returns the least that packets with these sums can have lost, rounded down: that of traffic
/// which spreads as well as it can. The bins, of length `d_ns`, are in order and differ in index.
pub fn least_loss(shape: &Shape, bins: &[Bin], d_ns: u64) -> u128 {
    let mut bucket = EvenBucket::full(shape);
    let mut lost = 0u128;
    let mut last: Option<i64> = None;
    for bin in bins {
        let gap = last.map_or(0, |last| gap(last, bin.index).saturating_sub(1));
        bucket.idle(shape, u128::from(gap) * u128::from(d_ns));
        lost = lost.saturating_add(bucket.offer(shape, u128::from(bin.amount), d_ns).scaled);
        last = Some(bin.index);
    }
    lost / shape.den
}

/// Returns the most that packets with these sums can have lost, rounded up and at most all: the
/// largest sum over disjoint runs of bins `i..j` of
/// `max(0, Σa − b − r·d·max(0, j − i − 1) + the largest packet)`. Packets may crowd at the end of
/// the first bin and at the start of the last, and the last token that is there may be one short.
/// The bins, of length `d_ns`, are in order and differ in index.
pub fn greatest_loss(shape: &Shape, bins: &[Bin], d_ns: u64) -> u128 {
    // A run is open in one of four ways: it holds one bin or more, and it has had its largest
    // packet or not. Trying every bin for the largest packet finds the largest.
    #[derive(Clone, Copy)]
    struct Open {
        single: i128,
        single_with_largest: i128,
        several: i128,
        several_with_largest: i128,
    }
    let scaled = |amount: u128| i128::try_from(shape.scaled(amount)).unwrap_or(i128::MAX);
    let capacity = i128::try_from(shape.capacity).unwrap_or(i128::MAX);
    let refill = |bins: u64| {
        let fractions = shape.refilled(d_ns).saturating_mul(u128::from(bins));
        i128::try_from(fractions).unwrap_or(i128::MAX)
    };
    let nothing = i128::MIN;
    let mut open: Option<(i64, Open)> = None;
    let mut best = 0i128;
    for bin in bins {
        let amount = scaled(u128::from(bin.amount));
        let largest = scaled(u128::from(bin.largest));
        let (mut several, mut several_with_largest) = (nothing, nothing);
        if let Some((last, open)) = open {
            // The whole bins between the first and the last of the run refill for certain.
            let gap = gap(last, bin.index);
            let grown = |single: i128, several: i128| {
                let single = single.saturating_sub(refill(gap.saturating_sub(1)));
                let several = several.saturating_sub(refill(gap));
                single.max(several).saturating_add(amount)
            };
            several = grown(open.single, open.several);
            several_with_largest = grown(open.single_with_largest, open.several_with_largest)
                .max(several.saturating_add(largest));
        }
        let single = best.saturating_sub(capacity).saturating_add(amount);
        let single_with_largest = single.saturating_add(largest);
        best = best.max(single_with_largest).max(several_with_largest);
        let now = Open { single, single_with_largest, several, several_with_largest };
        open = Some((bin.index, now));
    }
    let all: u128 = bins.iter().map(|bin| u128::from(bin.amount)).sum();
    best.unsigned_abs().div_ceil(shape.den).min(all)
}

/// Returns, for every bin, whether some run of bins that holds it may lose anything; none that may
/// is left out. The bins are as for [`greatest_loss`].
pub fn may_exceed(shape: &Shape, bins: &[Bin], d_ns: u64) -> Vec<bool> {
    let scaled =
        |amount: u64| i128::try_from(shape.scaled(u128::from(amount))).unwrap_or(i128::MAX);
    let refill = |bins: u64| {
        let fractions = shape.refilled(d_ns).saturating_mul(u128::from(bins));
        i128::try_from(fractions).unwrap_or(i128::MAX)
    };
    // The most that runs hold beyond the refill of all their bins but one, up to here.
    let most = |bins: &mut dyn Iterator<Item = &Bin>| {
        let mut last: Option<(i64, i128)> = None;
        let mut found = Vec::with_capacity(bins.size_hint().0);
        for bin in bins {
            let earlier = last.map_or(0, |(index, most)| {
                most.saturating_sub(refill(index.abs_diff(bin.index))).max(0)
            });
            let most = scaled(bin.amount).saturating_add(earlier);
            found.push(most);
            last = Some((bin.index, most));
        }
        found
    };
    let until = most(&mut bins.iter());
    let mut from = most(&mut bins.iter().rev());
    from.reverse();
    let largest = scaled(bins.iter().map(|bin| bin.largest).max().unwrap_or(0));
    let capacity = i128::try_from(shape.capacity).unwrap_or(i128::MAX);
    let through = |at: usize| {
        let both = until[at].saturating_add(from[at]).saturating_sub(scaled(bins[at].amount));
        both.saturating_add(refill(1)).saturating_add(largest).saturating_sub(capacity)
    };
    (0..bins.len()).map(|at| through(at) > 0).collect()
}

/// Returns how many bins later the second is.
fn gap(first: i64, second: i64) -> u64 {
    if second > first { second.abs_diff(first) } else { 0 }
}
