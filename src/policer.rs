//! Token buckets in exact integer arithmetic; time comes from records, never from a clock.
//!
//! A bucket of capacity `b` starts full and fills at rate `r`. A packet whose cost is there takes
//! it and conforms; one whose cost is not there takes nothing and exceeds. The three uses are
//! packets ([`Bucket`]), even traffic ([`EvenBucket`]) and bounds on what bins of recorded flows
//! may have lost ([`least_loss`], [`greatest_loss`]).
//!
//! Tokens are counted in fractions whose denominator belongs to the limit, so no step rounds.
//! Numbers are exact as long as a count of units times that denominator (at most eight times the
//! nanoseconds of the rate's interval) stays below 2^127: 2^63 bytes with a rate `per 70 years`.
//! Beyond that they saturate, and never wrap or panic.

use crate::model::{Burst, Rate, RateUnit};

/// What a packet stands for where a burst and its rate count different things, in bytes of IP
/// packets; the least default burst of a byte rate (the manual's "at least 1,500 bytes").
const PACKET_BYTES: u64 = 1_500;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counts {
    /// Bytes of IP packets (layer 3).
    Bytes,
    /// Packets, or requests.
    Packets,
}

impl Counts {
    /// Returns which of the two numbers this counts.
    pub fn pick<T>(self, packets: T, bytes: T) -> T {
        match self {
            Counts::Bytes => bytes,
            Counts::Packets => packets,
        }
    }
}

//------------ Shape ---------------------------------------------------------

/// The constants of one rate limit. Tokens are counted in fractions of a unit, so that the refill
/// of a nanosecond is a whole number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// What the limit counts.
    pub counts: Counts,
    /// How many fractions flow in per nanosecond.
    refill: u64,
    /// How many fractions make a unit; never zero.
    den: u128,
    /// How many fractions the bucket holds.
    capacity: u128,
}

impl Shape {
    /// Makes the constants of a rate and a burst as written. A byte rate with a burst in packets,
    /// or the reverse, takes a packet as 1,500 bytes; readers had better refuse the mix.
    pub fn new(rate: Rate, burst: Burst) -> Shape {
        let counts = if rate.counts_bytes() { Counts::Bytes } else { Counts::Packets };
        let units_per_amount = if rate.unit == RateUnit::Bits { 8 } else { 1 };
        let den = u128::from(rate.per_ns.max(1)) * units_per_amount;
        // The greatest common divisor is at most the amount, so it and the quotient fit.
        let common = gcd(u128::from(rate.amount), den);
        let refill = u64::try_from(u128::from(rate.amount) / common).unwrap_or(u64::MAX);
        let den = den / common;
        let depth = match (counts, burst) {
            (Counts::Bytes, Burst::Bytes(depth)) | (Counts::Packets, Burst::Packets(depth)) => {
                u128::from(depth)
            }
            (Counts::Bytes, Burst::Packets(depth)) => u128::from(depth) * u128::from(PACKET_BYTES),
            (Counts::Packets, Burst::Bytes(depth)) => u128::from(depth / PACKET_BYTES).max(1),
        };
        Shape { counts, refill, den, capacity: depth.saturating_mul(den) }
    }

    /// Returns how many fractions make a unit (a byte, or a packet).
    pub fn den(&self) -> u128 {
        self.den
    }

    /// Returns how many fractions flow in during some nanoseconds.
    fn refilled(&self, ns: u64) -> u128 {
        u128::from(self.refill) * u128::from(ns)
    }

    /// Returns an amount of units in fractions.
    fn scaled(&self, amount: u128) -> u128 {
        amount.saturating_mul(self.den)
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

//------------ Bucket --------------------------------------------------------

/// One bucket under packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The latest time seen, in nanoseconds since 1970 UTC.
    time_ns: i64,
    /// What was in it then, in fractions.
    tokens: u128,
}

impl Bucket {
    /// Makes a full bucket.
    pub fn full(shape: &Shape, time_ns: i64) -> Bucket {
        Bucket { time_ns, tokens: shape.capacity }
    }

    /// Returns whether a packet conforms, and takes its cost if so; an exceeding packet takes
    /// nothing. A packet older than the latest one is decided with what is there: time that runs
    /// backwards adds no tokens, nor does the same time twice.
    pub fn conforms(&mut self, shape: &Shape, time_ns: i64, packets: u64, bytes: u64) -> bool {
        self.tokens = self.tokens_at(shape, time_ns);
        self.time_ns = self.time_ns.max(time_ns);
        let cost = shape.scaled(u128::from(shape.counts.pick(packets, bytes)));
        match self.tokens.checked_sub(cost) {
            Some(rest) => {
                self.tokens = rest;
                true
            }
            None => false,
        }
    }

    /// Returns whether the bucket is full at a time, so that it can be forgotten and made anew.
    pub fn is_full_at(&self, shape: &Shape, time_ns: i64) -> bool {
        self.tokens_at(shape, time_ns) == shape.capacity
    }

    fn tokens_at(&self, shape: &Shape, time_ns: i64) -> u128 {
        if time_ns <= self.time_ns {
            return self.tokens;
        }
        let elapsed = time_ns.abs_diff(self.time_ns);
        self.tokens.saturating_add(shape.refilled(elapsed)).min(shape.capacity)
    }
}

//------------ EvenBucket ----------------------------------------------------

/// One bucket under traffic that is even within each bin, as in a profile:
/// `conform = min(a, T + r·d)`, then `T = min(b, T + r·d − conform)`, and `T` starts at `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvenBucket {
    /// What is in it, in fractions.
    tokens: u128,
}

impl EvenBucket {
    /// Makes a full bucket.
    pub fn full(shape: &Shape) -> EvenBucket {
        EvenBucket { tokens: shape.capacity }
    }

    /// Offers an amount (of what the shape counts) in the next bin, which lasts `d_ns`; returns
    /// the part that exceeds.
    pub fn offer(&mut self, shape: &Shape, amount: u128, d_ns: u64) -> Excess {
        let offered = shape.scaled(amount);
        let available = self.tokens.saturating_add(shape.refilled(d_ns));
        let conform = offered.min(available);
        self.tokens = (available - conform).min(shape.capacity);
        Excess { counts: shape.counts, scaled: offered - conform, den: shape.den }
    }

    /// Lets time pass without traffic; the same as offering nothing in bins of that length.
    pub fn idle(&mut self, shape: &Shape, ns: u128) {
        let refilled = u128::from(shape.refill).saturating_mul(ns);
        self.tokens = self.tokens.saturating_add(refilled).min(shape.capacity);
    }

    /// Returns whether the bucket is full, so that it can be forgotten and made anew.
    pub fn is_full(&self, shape: &Shape) -> bool {
        self.tokens == shape.capacity
    }
}

/// The exceeding part of a bin: `scaled / den` bytes or packets, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// What is counted.
    pub counts: Counts,
    /// The amount in fractions of a unit.
    pub scaled: u128,
    /// How many fractions make a unit; never zero.
    pub den: u128,
}

impl Excess {
    /// Returns whether nothing exceeds.
    pub fn is_zero(&self) -> bool {
        self.scaled == 0
    }
}

//------------ Sharing -------------------------------------------------------

/// The fractions of lost packets and bytes that earlier bins of one bucket left over, so that the
/// sums over a long run are exact to one unit. It belongs to one bucket, as does its shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carry {
    /// Of what the limit counts: less than a unit, in the shape's own fractions.
    counted: u128,
    /// Of the other one: in parts of 2^64.
    other: u64,
}

/// Shares the excess of a bin among its contributors, `(packets, bytes)` each, in proportion to
/// what they offered, by largest remainder and ties by the order given. Returns the lost packets
/// and bytes of each. What the limit does not count is lost in the same proportion as what it
/// does. No contributor loses more than it offered.
pub fn share_excess(offers: &[(u64, u64)], excess: &Excess, carry: &mut Carry) -> Vec<(u64, u64)> {
    let packets: Vec<u64> = offers.iter().map(|(packets, _)| *packets).collect();
    let bytes: Vec<u64> = offers.iter().map(|(_, bytes)| *bytes).collect();
    let total = |amounts: &[u64]| amounts.iter().map(|amount| u128::from(*amount)).sum::<u128>();
    let (counted, other) = match excess.counts {
        Counts::Packets => (total(&packets), total(&bytes)),
        Counts::Bytes => (total(&bytes), total(&packets)),
    };
    let offered = counted.saturating_mul(excess.den);
    if excess.scaled == 0 || offered == 0 {
        return vec![(0, 0); offers.len()];
    }
    let scaled = excess.scaled.min(offered);

    let sum = scaled.saturating_add(carry.counted);
    let lost_counted = (sum / excess.den).min(counted);
    carry.counted = sum % excess.den;

    let (whole, rest) = multiply_divide(other, scaled, offered);
    let (fraction, _) = multiply_divide(rest, 1 << 64, offered);
    // The rest is less than the divisor, so the fraction is less than 2^64.
    let (fraction, full) = carry.other.overflowing_add(fraction as u64);
    let lost_other = (whole + u128::from(full)).min(other);
    carry.other = fraction;

    let (lost_packets, lost_bytes) = match excess.counts {
        Counts::Packets => (lost_counted, lost_other),
        Counts::Bytes => (lost_other, lost_counted),
    };
    apportion(&packets, lost_packets).into_iter().zip(apportion(&bytes, lost_bytes)).collect()
}

/// Splits `seats`, at most the sum of the amounts, in proportion to the amounts by largest
/// remainder, ties by order.
fn apportion(amounts: &[u64], seats: u128) -> Vec<u64> {
    let total: u128 = amounts.iter().map(|amount| u128::from(*amount)).sum();
    if total == 0 || seats == 0 {
        return vec![0; amounts.len()];
    }
    let mut given = Vec::with_capacity(amounts.len());
    let mut remainders = Vec::with_capacity(amounts.len());
    let mut left = seats;
    for (at, amount) in amounts.iter().enumerate() {
        let (whole, remainder) = multiply_divide(u128::from(*amount), seats, total);
        left -= whole;
        // The seats are at most the total, so the quota is at most the amount.
        given.push(u64::try_from(whole).unwrap_or(u64::MAX));
        remainders.push((remainder, at));
    }
    remainders.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    // The remainders add up to `left` wholes, so only amounts with a remainder get one more.
    for ((_, at), _) in remainders.into_iter().zip(0..left) {
        given[at] += 1;
    }
    given
}

/// Returns the quotient and the remainder of `a·b / divisor`; `a` or `b` is at most the divisor,
/// so that the quotient fits. The divisor is not zero.
fn multiply_divide(a: u128, b: u128, divisor: u128) -> (u128, u128) {
    if let Some(product) = a.checked_mul(b) {
        return (product / divisor, product % divisor);
    }
    // Long multiplication from the highest bit of `b` down, divided as it grows. Each doubling
    // and each addition brings the remainder below twice the divisor at most.
    let (whole, rest) = (a / divisor, a % divisor);
    let (mut quotient, mut remainder) = (0u128, 0u128);
    let carry_over = |remainder: u128, add: u128| match remainder.checked_add(add) {
        Some(sum) if sum < divisor => (0, sum),
        Some(sum) => (1, sum - divisor),
        None => (1, remainder.wrapping_add(add).wrapping_sub(divisor)),
    };
    for bit in (0..u128::BITS).rev() {
        let (one, twice) = carry_over(remainder, remainder);
        quotient = quotient.saturating_mul(2).saturating_add(one);
        remainder = twice;
        if b >> bit & 1 == 1 {
            let (one, sum) = carry_over(remainder, rest);
            quotient = quotient.saturating_add(one);
            remainder = sum;
        }
    }
    (quotient.saturating_add(whole.saturating_mul(b)), remainder)
}

//------------ Bounds --------------------------------------------------------

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

/// Returns how many bins later the second is.
fn gap(first: i64, second: i64) -> u64 {
    if second > first { second.abs_diff(first) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    const SECOND: u64 = 1_000_000_000;

    /// A rational number in lowest terms: slow, and obviously right.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Ratio(i128, i128);

    impl Ratio {
        fn new(num: i128, den: i128) -> Ratio {
            let common = gcd(num.unsigned_abs(), den.unsigned_abs()) as i128;
            Ratio(num / common, den / common)
        }
        fn whole(number: i128) -> Ratio {
            Ratio(number, 1)
        }
        fn plus(self, other: Ratio) -> Ratio {
            let common = gcd(self.1.unsigned_abs(), other.1.unsigned_abs()) as i128;
            let (left, right) = (other.1 / common, self.1 / common);
            Ratio::new(self.0 * left + other.0 * right, self.1 * left)
        }
        fn minus(self, other: Ratio) -> Ratio {
            self.plus(Ratio(-other.0, other.1))
        }
        fn times(self, number: i128) -> Ratio {
            let common = gcd(number.unsigned_abs(), self.1.unsigned_abs()) as i128;
            Ratio::new(self.0 * (number / common), self.1 / common)
        }
        fn min(self, other: Ratio) -> Ratio {
            if self.cmp(&other) == Ordering::Greater { other } else { self }
        }
        fn cmp(&self, other: &Ratio) -> Ordering {
            self.minus(*other).0.cmp(&0)
        }
    }

    /// Units per nanosecond, straight from the definition.
    fn rate_of(rate: Rate) -> Ratio {
        let per_ns = i128::from(rate.per_ns);
        let bits = if rate.unit == RateUnit::Bits { 8 } else { 1 };
        Ratio::new(i128::from(rate.amount), per_ns * bits)
    }

    fn depth_of(burst: Burst) -> Ratio {
        match burst {
            Burst::Bytes(depth) | Burst::Packets(depth) => Ratio::whole(i128::from(depth)),
        }
    }

    /// Which packets conform, in rational numbers.
    fn slow_packets(rate: Rate, burst: Burst, packets: &[(i64, u64)]) -> Vec<bool> {
        let (flow, depth) = (rate_of(rate), depth_of(burst));
        let mut tokens = depth;
        let mut clock = packets.first().map_or(0, |packet| packet.0);
        packets
            .iter()
            .map(|(time, bytes)| {
                if *time > clock {
                    let elapsed = i128::from(*time) - i128::from(clock);
                    tokens = tokens.plus(flow.times(elapsed)).min(depth);
                    clock = *time;
                }
                let cost = if rate.counts_bytes() { i128::from(*bytes) } else { 1 };
                let rest = tokens.minus(Ratio::whole(cost));
                let conforms = rest.0 >= 0;
                if conforms {
                    tokens = rest;
                }
                conforms
            })
            .collect()
    }

    fn fast_packets(shape: &Shape, packets: &[(i64, u64)]) -> Vec<bool> {
        let start = packets.first().map_or(0, |packet| packet.0);
        let mut bucket = Bucket::full(shape, start);
        packets.iter().map(|(time, bytes)| bucket.conforms(shape, *time, 1, *bytes)).collect()
    }

    fn bytes_per_second(amount: u64) -> Rate {
        Rate { amount, unit: RateUnit::Bytes, per_ns: SECOND }
    }

    /// A rate and a burst that count the same thing.
    fn limits() -> impl Strategy<Value = (Rate, Burst)> {
        let unit = prop_oneof![
            Just(RateUnit::Bits),
            Just(RateUnit::Bytes),
            Just(RateUnit::Packets),
            Just(RateUnit::Requests)
        ];
        let per_ns = prop_oneof![Just(SECOND), Just(60 * SECOND), 1u64..100, 1u64..1 << 33];
        let amount = prop_oneof![0u64..10, 0u64..100_000, 0u64..1 << 50];
        let depth = prop_oneof![1u64..10, 1u64..10_000, 1u64..1 << 40];
        (unit, amount, per_ns, depth).prop_map(|(unit, amount, per_ns, depth)| {
            let rate = Rate { amount, unit, per_ns };
            let burst =
                if rate.counts_bytes() { Burst::Bytes(depth) } else { Burst::Packets(depth) };
            (rate, burst)
        })
    }

    /// Packets of plausible sizes, sometimes out of order.
    fn captures() -> impl Strategy<Value = Vec<(i64, u64)>> {
        let step = prop_oneof![
            8 => 0i64..1_000,
            4 => 0i64..1_000_000_000,
            1 => -1_000i64..0,
            1 => 0i64..1_000_000_000_000
        ];
        prop::collection::vec((step, 20u64..9_000), 0..60).prop_map(|steps| {
            let mut time = -1_000_000i64;
            steps
                .into_iter()
                .map(|(step, bytes)| {
                    time += step;
                    (time, bytes)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn packets_fare_as_in_rational_numbers(
            (rate, burst) in limits(), packets in captures(),
        ) {
            let shape = Shape::new(rate, burst);
            prop_assert_eq!(fast_packets(&shape, &packets), slow_packets(rate, burst, &packets));
        }

        #[test]
        fn policer_drops_nothing_below_its_rate(
            bytes in prop::collection::vec(20u64..9_000, 1..60),
            slack in prop::collection::vec(0u64..1_000_000, 60),
            amount in 1_000u64..10_000_000_000,
        ) {
            // Each packet comes when the rate has paid for the one before it, or later.
            let shape = Shape::new(bytes_per_second(amount), Burst::Bytes(9_000));
            let mut time = 0;
            let mut packets = Vec::new();
            for (bytes, slack) in bytes.iter().zip(slack) {
                packets.push((time, *bytes));
                time += (bytes * SECOND).div_ceil(amount) as i64 + slack as i64;
            }
            prop_assert!(fast_packets(&shape, &packets).into_iter().all(|conforms| conforms));
        }

        #[test]
        fn a_full_bucket_may_be_forgotten(
            (rate, burst) in limits(), before in captures(), after in captures(),
            pause in 0i64..1_000_000_000_000,
        ) {
            let shape = Shape::new(rate, burst);
            let mut bucket = Bucket::full(&shape, -1_000_000);
            for (time, bytes) in &before {
                bucket.conforms(&shape, *time, 1, *bytes);
            }
            let now = before.iter().map(|packet| packet.0).max().unwrap_or(0) + pause;
            if bucket.is_full_at(&shape, now) {
                let mut fresh = Bucket::full(&shape, now);
                for (time, bytes) in after {
                    let time = now + time + 1_000_000_000;
                    prop_assert_eq!(
                        bucket.conforms(&shape, time, 1, bytes),
                        fresh.conforms(&shape, time, 1, bytes)
                    );
                }
            }
        }

        #[test]
        fn nothing_lost_at_a_rate_is_nothing_lost_at_any_higher(
            (rate, burst) in limits(), more in 0u64..1 << 50, packets in captures(),
        ) {
            let lost = |rate| {
                let shape = Shape::new(rate, burst);
                fast_packets(&shape, &packets).into_iter().filter(|conforms| !conforms).count()
            };
            if lost(rate) == 0 {
                prop_assert_eq!(lost(Rate { amount: rate.amount + more, ..rate }), 0);
            }
        }

        #[test]
        fn packets_lost_by_count_fall_as_the_rate_grows(
            amount in 0u64..1_000, more in 0u64..1_000, depth in 1u64..50, packets in captures(),
        ) {
            let lost = |amount| {
                let rate = Rate { amount, unit: RateUnit::Packets, per_ns: SECOND };
                let shape = Shape::new(rate, Burst::Packets(depth));
                fast_packets(&shape, &packets).into_iter().filter(|conforms| !conforms).count()
            };
            prop_assert!(lost(amount + more) <= lost(amount));
        }

        #[test]
        fn even_bins_follow_the_recurrence(
            (rate, burst) in limits(),
            bins in prop::collection::vec((0u64..1 << 40, 0u64..4), 0..30),
            d_ns in prop_oneof![Just(SECOND), 1u64..1 << 33],
        ) {
            let shape = Shape::new(rate, burst);
            let (flow, depth) = (rate_of(rate).times(i128::from(d_ns)), depth_of(burst));
            let mut bucket = EvenBucket::full(&shape);
            let mut tokens = depth;
            for (amount, idle) in bins {
                let offered = Ratio::whole(i128::from(amount));
                let conform = offered.min(tokens.plus(flow));
                tokens = depth.min(tokens.plus(flow).minus(conform));
                let excess = bucket.offer(&shape, u128::from(amount), d_ns);
                let fast = Ratio::new(excess.scaled as i128, excess.den as i128);
                prop_assert_eq!(fast, offered.minus(conform));

                bucket.idle(&shape, u128::from(idle) * u128::from(d_ns));
                for _ in 0..idle {
                    tokens = depth.min(tokens.plus(flow));
                }
                prop_assert_eq!(
                    Ratio::new(bucket.tokens as i128, shape.den as i128), tokens);
            }
        }

        #[test]
        fn bounds_and_even_loss_fall_as_the_rate_grows(
            (rate, burst) in limits(), more in 0u64..1 << 50,
            bins in bins(1..40, 1 << 40),
        ) {
            let lower = Shape::new(rate, burst);
            let higher = Shape::new(Rate { amount: rate.amount + more, ..rate }, burst);
            prop_assert!(least_loss(&higher, &bins, SECOND) <= least_loss(&lower, &bins, SECOND));
            prop_assert!(
                greatest_loss(&higher, &bins, SECOND) <= greatest_loss(&lower, &bins, SECOND));
        }

        #[test]
        fn the_greatest_loss_is_the_best_choice_of_disjoint_runs(
            rate in 0u64..60, depth in 1u64..60, bins in bins(0..9, 100),
        ) {
            let shape = Shape::new(bytes_per_second(rate), Burst::Bytes(depth));
            // best[n] is the best of the first n bins, straight from the formula.
            let mut best = vec![0i128];
            for last in 0..bins.len() {
                let mut top = best[last];
                for first in 0..=last {
                    let run = &bins[first..=last];
                    let amount: i128 = run.iter().map(|bin| i128::from(bin.amount)).sum();
                    let largest = run.iter().map(|bin| i128::from(bin.largest)).max().unwrap_or(0);
                    let whole = (bins[last].index - bins[first].index - 1).max(0);
                    let loss = amount - i128::from(depth) - i128::from(rate) * i128::from(whole)
                        + largest;
                    top = top.max(best[first] + loss.max(0));
                }
                best.push(top);
            }
            let all: u128 = bins.iter().map(|bin| u128::from(bin.amount)).sum();
            prop_assert_eq!(
                greatest_loss(&shape, &bins, SECOND),
                best[bins.len()].unsigned_abs().min(all)
            );
        }

        #[test]
        fn every_arrangement_of_packets_loses_within_the_bounds(
            rate in 0u64..4_000, depth in 1u64..4_000,
            packets in prop::collection::vec((0i64..6, 0i64..3, 1u64..1_500), 0..40),
            d_ns in prop_oneof![Just(SECOND), Just(1_000_000u64)],
            packed in 0u64..3,
        ) {
            let shape = Shape::new(bytes_per_second(rate), Burst::Bytes(depth));
            let length = d_ns as i64;
            // Packets crowd at the start, in the middle or at the very end of their bin.
            let place = |bin: i64, at: i64| bin * length + [0, length / 2, length - 1][at as usize];
            let mut placed: Vec<(i64, u64)> =
                packets.iter().map(|(bin, at, bytes)| (place(*bin, *at), *bytes)).collect();
            match packed {
                0 => placed.sort_unstable(),
                1 => placed.sort_by_key(|(time, bytes)| (*time, u64::MAX - *bytes)),
                _ => placed.sort_by_key(|(time, _)| *time),
            }
            let mut bins: Vec<Bin> = Vec::new();
            for (time, bytes) in &placed {
                let index = time.div_euclid(length);
                match bins.last_mut() {
                    Some(bin) if bin.index == index => {
                        bin.amount += bytes;
                        bin.largest = bin.largest.max(*bytes);
                    }
                    _ => bins.push(Bin { index, amount: *bytes, largest: *bytes }),
                }
            }
            let lost: u64 = fast_packets(&shape, &placed)
                .into_iter()
                .zip(&placed)
                .filter(|(conforms, _)| !conforms)
                .map(|(_, (_, bytes))| bytes)
                .sum();
            prop_assert!(least_loss(&shape, &bins, d_ns) <= u128::from(lost));
            prop_assert!(u128::from(lost) <= greatest_loss(&shape, &bins, d_ns));
        }

        #[test]
        fn shares_add_up_and_nobody_loses_more_than_it_offered(
            bins in prop::collection::vec(
                prop::collection::vec((0u64..1_000, 0u64..1_000_000), 0..8), 1..30),
            (rate, burst) in limits(),
        ) {
            let shape = Shape::new(rate, burst);
            let mut bucket = EvenBucket::full(&shape);
            let mut carry = Carry::default();
            let (mut exact, mut shared) = (0u128, 0u128);
            for offers in bins {
                let counted = |(packets, bytes): &(u64, u64)| {
                    u128::from(shape.counts.pick(*packets, *bytes))
                };
                let amount: u128 = offers.iter().map(counted).sum();
                let excess = bucket.offer(&shape, amount, SECOND);
                let lost = share_excess(&offers, &excess, &mut carry);
                prop_assert_eq!(lost.len(), offers.len());
                for (lost, offered) in lost.iter().zip(&offers) {
                    prop_assert!(lost.0 <= offered.0 && lost.1 <= offered.1);
                }
                exact += excess.scaled;
                shared += lost.iter().map(counted).sum::<u128>();
                prop_assert_eq!(shared, exact / shape.den);
            }
        }

        #[test]
        fn what_the_limit_does_not_count_is_lost_in_proportion_to_one_unit(
            bins in prop::collection::vec((1u64..1_000, 1u64..1_000_000, 0u64..1_000_001), 1..20),
        ) {
            // Each bin loses a share of its bytes; its packets go along.
            let mut carry = Carry::default();
            let (mut exact, mut shared) = (0f64, 0u64);
            for (packets, bytes, millionths) in bins {
                let excess = Excess {
                    counts: Counts::Bytes,
                    scaled: u128::from(bytes) * u128::from(millionths),
                    den: 1_000_000,
                };
                let lost = share_excess(&[(packets, bytes)], &excess, &mut carry);
                exact += packets as f64 * millionths as f64 / 1e6;
                shared += lost[0].0;
                prop_assert!((exact - shared as f64) < 1.0 + 1e-6);
                prop_assert!((exact - shared as f64) > -1e-6);
            }
        }

        #[test]
        fn a_long_product_divides_as_a_short_one(
            a in 0u128..1 << 60, b in 0u128..1 << 60, divisor in 1u128..1 << 60, shift in 0u32..60,
        ) {
            // Dividing a·2^s·b by divisor·2^s needs the long way once the product is too long.
            prop_assume!(a <= divisor || b <= divisor);
            let (quotient, remainder) = multiply_divide(a << shift, b, divisor << shift);
            prop_assert_eq!(quotient, a * b / divisor);
            prop_assert_eq!(remainder, (a * b % divisor) << shift);
        }

        #[test]
        fn no_numbers_panic(
            amount in extremes(), per_ns in extremes(), depth in extremes(),
            unit in 0usize..4, packets_deep in any::<bool>(),
            packets in prop::collection::vec((any::<i64>(), extremes(), extremes()), 0..12),
            d_ns in extremes(),
        ) {
            let unit = [RateUnit::Bits, RateUnit::Bytes, RateUnit::Packets, RateUnit::Requests][unit];
            let burst = if packets_deep { Burst::Packets(depth) } else { Burst::Bytes(depth) };
            let shape = Shape::new(Rate { amount, unit, per_ns }, burst);
            let mut bucket = Bucket::full(&shape, i64::MIN);
            let mut even = EvenBucket::full(&shape);
            let mut carry = Carry::default();
            let mut bins = Vec::new();
            for (time, packets, bytes) in packets {
                bucket.conforms(&shape, time, packets, bytes);
                bucket.is_full_at(&shape, i64::MAX);
                even.idle(&shape, u128::MAX);
                let offers = [(packets, bytes), (1, 1), (u64::MAX, u64::MAX), (bytes, packets)];
                let amount = u128::from(shape.counts.pick(packets, bytes)) * 4;
                let excess = even.offer(&shape, amount, d_ns);
                for (lost, offered) in share_excess(&offers, &excess, &mut carry).iter().zip(offers)
                {
                    prop_assert!(lost.0 <= offered.0 && lost.1 <= offered.1);
                }
                bins.push(Bin { index: time, amount: packets, largest: bytes });
            }
            bins.sort_by_key(|bin| bin.index);
            bins.dedup_by_key(|bin| bin.index);
            least_loss(&shape, &bins, d_ns);
            greatest_loss(&shape, &bins, d_ns);
        }
    }

    /// Bins in order, with gaps.
    fn bins(count: std::ops::Range<usize>, amount: u64) -> impl Strategy<Value = Vec<Bin>> + use<> {
        prop::collection::vec((1i64..4, 0..amount, 0..amount), count).prop_map(|bins| {
            let mut index = -3;
            bins.into_iter()
                .map(|(step, amount, largest)| {
                    index += step;
                    Bin { index, amount, largest: largest.min(amount) }
                })
                .collect()
        })
    }

    fn extremes() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(0),
            Just(1),
            Just(u64::MAX),
            Just(1 << 63),
            Just((1 << 63) - 1),
            Just(1_000_000_000_000_000),
            Just(SECOND),
            any::<u64>()
        ]
    }

    #[test]
    fn a_constant_load_loses_what_hand_calculation_says() {
        // 3 MB/s against 8 Mbps (1 MB/s) with 2 MB of burst for 5 s: 15 MB offered, 2 + 5 conform.
        let rate = Rate { amount: 8_000_000, unit: RateUnit::Bits, per_ns: SECOND };
        let shape = Shape::new(rate, Burst::Bytes(2_000_000));
        let mut bucket = EvenBucket::full(&shape);
        let mut carry = Carry::default();
        let mut lost = Vec::new();
        for _ in 0..5 {
            let excess = bucket.offer(&shape, 3_000_000, SECOND);
            lost.push(share_excess(&[(3_000, 3_000_000)], &excess, &mut carry)[0]);
        }
        let rest = (2_000, 2_000_000);
        assert_eq!(lost, [(0, 0), rest, rest, rest, rest]);
        assert!(!bucket.is_full(&shape));
        // Two idle seconds fill the burst again.
        bucket.idle(&shape, 2 * u128::from(SECOND));
        assert!(bucket.is_full(&shape));
        assert!(bucket.offer(&shape, 3_000_000, SECOND).is_zero());
    }

    #[test]
    fn a_bit_rate_that_eight_does_not_divide_is_exact() {
        // 1 bit per second: a byte every eight seconds, not a nanosecond sooner.
        let rate = Rate { amount: 1, unit: RateUnit::Bits, per_ns: SECOND };
        let shape = Shape::new(rate, Burst::Bytes(1));
        let mut bucket = Bucket::full(&shape, 0);
        assert!(bucket.conforms(&shape, 0, 1, 1));
        assert!(!bucket.conforms(&shape, 7_999_999_999, 1, 1));
        assert!(!bucket.is_full_at(&shape, 7_999_999_999));
        assert!(bucket.is_full_at(&shape, 8_000_000_000));
        assert!(bucket.conforms(&shape, 8_000_000_000, 1, 1));
    }

    #[test]
    fn an_exceeding_packet_takes_nothing() {
        let shape = Shape::new(bytes_per_second(1), Burst::Bytes(100));
        let mut bucket = Bucket::full(&shape, 0);
        assert!(!bucket.conforms(&shape, 0, 1, 101));
        assert!(bucket.conforms(&shape, 0, 1, 100));
    }

    #[test]
    fn time_that_runs_backwards_adds_nothing() {
        let shape = Shape::new(bytes_per_second(100), Burst::Bytes(100));
        let mut bucket = Bucket::full(&shape, 0);
        assert!(bucket.conforms(&shape, 0, 1, 100));
        assert!(!bucket.conforms(&shape, i64::MIN, 1, 1));
        // Going back did not move the clock either: half a second has paid for 50 bytes only.
        assert!(!bucket.conforms(&shape, 500_000_000, 1, 51));
        assert!(bucket.conforms(&shape, 500_000_000, 1, 50));
    }

    #[test]
    fn requests_count_as_packets_and_not_by_size() {
        let rate = Rate { amount: 1, unit: RateUnit::Requests, per_ns: SECOND };
        let shape = Shape::new(rate, Burst::Packets(2));
        assert_eq!(shape.counts, Counts::Packets);
        let packets = [(0, 9_000), (0, 20), (0, 20), (1_000_000_000, 9_000)];
        assert_eq!(fast_packets(&shape, &packets), [true, true, false, true]);
    }

    #[test]
    fn the_steepest_legal_limit_is_exact_at_the_ends_of_time() {
        // 1000 Tbps and 2^63 bytes, from the first nanosecond to the last.
        let rate = Rate { amount: 1_000_000_000_000_000, unit: RateUnit::Bits, per_ns: SECOND };
        let shape = Shape::new(rate, Burst::Bytes(1 << 63));
        let mut bucket = Bucket::full(&shape, i64::MIN);
        assert!(bucket.conforms(&shape, i64::MIN, 1, 1 << 63));
        // 125,000 bytes flow in each nanosecond.
        assert!(!bucket.conforms(&shape, i64::MIN + 1, 1, 125_001));
        assert!(bucket.conforms(&shape, i64::MIN + 1, 1, 125_000));
        assert!(bucket.is_full_at(&shape, i64::MAX));
        assert!(bucket.conforms(&shape, i64::MAX, 1, 1 << 63));
    }

    #[test]
    fn excess_goes_by_largest_remainder_and_then_by_order() {
        let share = |offers: &[(u64, u64)], excess: u128| {
            let excess = Excess { counts: Counts::Packets, scaled: excess, den: 1 };
            share_excess(offers, &excess, &mut Carry::default())
        };
        let packets =
            |shares: Vec<(u64, u64)>| shares.into_iter().map(|share| share.0).collect::<Vec<_>>();
        // Quotas 1⅓ each: the first gets the odd one.
        assert_eq!(packets(share(&[(5, 0), (5, 0), (5, 0)], 4)), [2, 1, 1]);
        // Quotas 0.5, 4.5 and 0: order again, and nothing for who offered nothing.
        assert_eq!(packets(share(&[(1, 0), (9, 0), (0, 0)], 5)), [1, 4, 0]);
        // Quotas 1.8 and 4.2.
        assert_eq!(packets(share(&[(3, 0), (7, 0)], 6)), [2, 4]);
        // Bytes go along.
        assert_eq!(share(&[(3, 300), (7, 7_000)], 10), [(3, 300), (7, 7_000)]);
        assert_eq!(share(&[], 0), []);
    }

    #[test]
    fn a_third_of_a_packet_is_lost_every_third_bin() {
        let mut carry = Carry::default();
        let excess = Excess { counts: Counts::Packets, scaled: 1, den: 3 };
        let lost: Vec<u64> =
            (0..6).map(|_| share_excess(&[(1, 900)], &excess, &mut carry)[0].0).collect();
        assert_eq!(lost, [0, 0, 1, 0, 0, 1]);
    }

    #[test]
    fn bounds_of_one_crowded_bin_hold_hand_calculation() {
        // 1000 bytes in one second against 100 B/s with 300 bytes of burst, packets of at most 50:
        // spread evenly 600 are lost; at one instant up to 700, and 49 tokens may stay unused.
        let shape = Shape::new(bytes_per_second(100), Burst::Bytes(300));
        let bins = [Bin { index: 7, amount: 1_000, largest: 50 }];
        assert_eq!(least_loss(&shape, &bins, SECOND), 600);
        assert_eq!(greatest_loss(&shape, &bins, SECOND), 750);
        // Nothing is lost where even the worst arrangement fits.
        let bins = [Bin { index: 7, amount: 250, largest: 50 }];
        assert_eq!(greatest_loss(&shape, &bins, SECOND), 0);
        // No more than all can be lost.
        let bins = [Bin { index: 7, amount: 1_000, largest: 1_000 }];
        assert_eq!(greatest_loss(&shape, &bins, SECOND), 1_000);
    }

    #[test]
    fn a_packet_is_1500_bytes_where_a_burst_counts_the_other_thing() {
        let mixed = Shape::new(bytes_per_second(7), Burst::Packets(2));
        assert_eq!(mixed, Shape::new(bytes_per_second(7), Burst::Bytes(3_000)));
        let rate = Rate { amount: 7, unit: RateUnit::Packets, per_ns: SECOND };
        assert_eq!(Shape::new(rate, Burst::Bytes(3_100)), Shape::new(rate, Burst::Packets(2)));
        assert_eq!(Shape::new(rate, Burst::Bytes(3)), Shape::new(rate, Burst::Packets(1)));
    }
}
