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
//!
//! What a box really does differs from dialect to dialect, in rounding and in what a burst is. Each
//! file of the folder is one dialect behind the trait [`Policer`]; they know nothing of each other.
//! [`Timeout`] is a penalty on top of any of them, and [`compile`] makes the policer of a rule in
//! the native language.

use std::collections::VecDeque;
use std::fmt::Debug;

use crate::model::{Burst, Rate, RateUnit};

mod bounds;
mod even;
pub mod flowspec;
mod load;
pub mod nft;
pub mod router;
pub mod tc;
mod timeout;
pub mod token_bucket;
pub mod window;
pub mod xt_hashlimit;
pub mod xt_limit;

pub use bounds::{Bin, greatest_loss, least_loss, may_exceed};
pub use even::{EvenLimit, EvenState};
pub use load::{Bounds, bounds, compile, load, mildest};
pub use timeout::Timeout;

const SECOND_NS: u64 = 1_000_000_000;

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

//------------ Policer --------------------------------------------------------

/// One packet (or an equal share of a record) before a policer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it came, in nanoseconds since 1970 UTC.
    pub time_ns: i64,
    /// How many packets it stands for; one, unless a record holds several.
    pub packets: u64,
    /// Its bytes at layer 3.
    pub bytes: u64,
}

/// What a policer remembers of one bucket. It belongs to the policer that made it; what its
/// fields hold is that policer's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The latest time taken account of.
    time_ns: i64,
    /// What is left, or what a window has counted.
    tokens: u128,
    /// A second store: of the peak rate, of resets, or the number of a window.
    second: i64,
    /// Before this time everything exceeds; [`i64::MIN`] where there is no penalty.
    until_ns: i64,
    /// What conformed lately, oldest first; only of sliding windows.
    #[expect(clippy::box_collection, reason = "the state of a plain bucket stays small")]
    passed: Option<Box<VecDeque<(i64, u64)>>>,
}

impl State {
    fn new(time_ns: i64, tokens: u128) -> State {
        State { time_ns, tokens, second: 0, until_ns: i64::MIN, passed: None }
    }

    /// Makes the state of a full plain bucket.
    fn full(shape: &Shape, time_ns: i64) -> State {
        State::new(time_ns, shape.capacity)
    }

    fn bucket(&self) -> Bucket {
        Bucket { time_ns: self.time_ns, tokens: self.tokens }
    }

    /// Decides a packet as a plain bucket does.
    fn take(&mut self, shape: &Shape, packet: Packet) -> bool {
        let mut bucket = self.bucket();
        let conforms = bucket.conforms(shape, packet.time_ns, packet.packets, packet.bytes);
        (self.time_ns, self.tokens) = (bucket.time_ns, bucket.tokens);
        conforms
    }

    /// Moves the latest time on and returns by how much; time that runs backwards is no time.
    fn advance(&mut self, time_ns: i64) -> u64 {
        let elapsed = elapsed_ns(self.time_ns, time_ns);
        self.time_ns = self.time_ns.max(time_ns);
        elapsed
    }
}

/// One dialect's rate limit: constants only, one for each rule. Each bucket has a [`State`].
///
/// Which packets share a bucket is the caller's key: nothing here knows addresses or ports.
pub trait Policer: Debug + Send + Sync {
    /// Returns the state of a bucket that nobody has used yet.
    fn fresh(&self, time_ns: i64) -> State;

    /// Returns whether a packet conforms, and takes its cost if so. Packets come in the order in
    /// which the box saw them; a time before the latest one counts as the latest one.
    fn conforms(&self, state: &mut State, packet: Packet) -> bool;

    /// Returns whether a bucket is as good as fresh from a time on, so that it can be forgotten.
    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool;

    /// Returns the plain token bucket nearest to this limit over a long run, for even traffic and
    /// bounds.
    fn shape(&self) -> Shape;

    /// Returns what is left of a bucket at a time, for people; nothing where a dialect has no
    /// words for it.
    fn level(&self, _state: &State, _time_ns: i64) -> Option<Level> {
        None
    }
}

/// What is left of a bucket or a window at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// What is counted.
    pub counts: Counts,
    /// How many whole units could still pass.
    pub left: u64,
    /// How many could pass if nobody had come.
    pub of: u64,
    /// Whether it is a window rather than a bucket.
    pub is_window: bool,
    /// How long everything exceeds, in nanoseconds, if there is a penalty.
    pub penalty_ns: u64,
}

impl Level {
    fn new(counts: Counts, left: u128, of: u128, is_window: bool) -> Level {
        let units = |amount: u128| u64::try_from(amount).unwrap_or(u64::MAX);
        Level { counts, left: units(left), of: units(of), is_window, penalty_ns: 0 }
    }
}

/// Why a limit cannot be loaded as it is written. The box refuses it too, unless the variant
/// says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A rate of nothing.
    #[error("the rate is zero")]
    ZeroRate,
    /// A bucket for nothing.
    #[error("the burst is zero")]
    ZeroBurst,
    /// The bucket does not fit the kernel's arithmetic.
    #[error("the rate and the burst overflow: the kernel refuses them")]
    Overflow,
    /// A rate that would round to no limit.
    #[error("the rate is too high")]
    RateTooHigh,
    /// A burst of bytes below what the rate holds anyway.
    #[error("the burst is smaller than {least} bytes")]
    BurstTooSmall {
        /// The least there is.
        least: u64,
    },
    /// Limits of bytes and of packets in one policer.
    #[error("a policer limits either bytes or packets")]
    TwoRates,
    /// A peak rate without a rate.
    #[error("a peak rate needs a rate")]
    PeakWithoutRate,
    /// A rate that is no number, or infinite. No standard says what a router makes of it, so the
    /// rule cannot be judged.
    #[error("the rate is no finite number")]
    NotFinite,
}

/// A rate as dialects write it: an amount of whole packets or bytes in whole seconds. A rate that
/// is none is rounded down to what it gives in a second.
fn written(rate: Rate) -> (Counts, u64, u64) {
    let (counts, bits) = match rate.unit {
        RateUnit::Bits => (Counts::Bytes, 8),
        _ if rate.counts_bytes() => (Counts::Bytes, 1),
        _ => (Counts::Packets, 1),
    };
    let per_ns = rate.per_ns.max(1);
    if per_ns.is_multiple_of(SECOND_NS) && rate.amount.is_multiple_of(bits) {
        return (counts, rate.amount / bits, per_ns / SECOND_NS);
    }
    let amount = u128::from(rate.amount) * u128::from(SECOND_NS);
    let amount = amount / (u128::from(per_ns) * u128::from(bits));
    (counts, u64::try_from(amount).unwrap_or(u64::MAX), 1)
}

/// Returns a burst in what a limit counts.
fn depth(counts: Counts, burst: Burst) -> u64 {
    match (counts, burst) {
        (Counts::Bytes, Burst::Bytes(depth)) | (Counts::Packets, Burst::Packets(depth)) => depth,
        (Counts::Bytes, Burst::Packets(depth)) => depth.saturating_mul(PACKET_BYTES),
        (Counts::Packets, Burst::Bytes(depth)) => (depth / PACKET_BYTES).max(1),
    }
}

fn narrow(value: u64) -> Result<u32, LimitError> {
    u32::try_from(value).map_err(|_| LimitError::Overflow)
}

/// Returns how much later the second is, or zero.
fn elapsed_ns(first: i64, second: i64) -> u64 {
    if second > first { second.abs_diff(first) } else { 0 }
}

/// Returns how many ticks of a kernel's clock lie between two times; the phase of the ticks is
/// that of 1970, as the true one is in no record.
fn elapsed_jiffies(first: i64, second: i64, hz: u32) -> u64 {
    let at = |time: i64| (i128::from(time) * i128::from(hz)).div_euclid(i128::from(SECOND_NS));
    u64::try_from(at(second) - at(first)).unwrap_or(0)
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

    /// Makes a shape of a refill per nanosecond, how much of that a unit costs, and a capacity.
    fn from_parts(counts: Counts, refill: u128, den: u128, capacity: u128) -> Shape {
        let den = den.max(1);
        let common = gcd(gcd(refill, den), capacity);
        let refill = u64::try_from(refill / common).unwrap_or(u64::MAX);
        Shape { counts, refill, den: den / common, capacity: capacity / common }
    }

    /// Makes a shape that nothing exceeds.
    fn unlimited(counts: Counts) -> Shape {
        Shape { counts, refill: u64::MAX, den: 1, capacity: u128::MAX }
    }

    /// Returns how many fractions make a unit (a byte, or a packet).
    pub fn den(&self) -> u128 {
        self.den
    }

    /// Returns the least that is lost of so many units within so long, rounded down: a bucket lets
    /// pass what it holds and what flows in.
    pub fn least_lost(&self, offered: u128, lasts_ns: u128) -> u128 {
        let flows_in = u128::from(self.refill).saturating_mul(lasts_ns);
        let passed = self.capacity.saturating_add(flows_in);
        self.scaled(offered).saturating_sub(passed) / self.den
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
        let scaled = self.offer_scaled(shape, shape.scaled(amount), d_ns);
        Excess { counts: shape.counts, scaled, den: shape.den }
    }

    /// The same with an amount and a result in fractions of a unit.
    fn offer_scaled(&mut self, shape: &Shape, offered: u128, d_ns: u64) -> u128 {
        let available = self.tokens.saturating_add(shape.refilled(d_ns));
        let conform = offered.min(available);
        self.tokens = (available - conform).min(shape.capacity);
        offered - conform
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
    let packets = offers.iter().map(|(packets, _)| u128::from(*packets)).sum::<u128>();
    let bytes = offers.iter().map(|(_, bytes)| u128::from(*bytes)).sum::<u128>();
    let (counted, other) = match excess.counts {
        Counts::Packets => (packets, bytes),
        Counts::Bytes => (bytes, packets),
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
    if let [(packets, bytes)] = offers {
        // All of it is of the only one, and at most what it offered.
        let lost = |lost: u128, offered: u64| u64::try_from(lost).unwrap_or(u64::MAX).min(offered);
        return vec![(lost(lost_packets, *packets), lost(lost_bytes, *bytes))];
    }
    let packets: Vec<u64> = offers.iter().map(|(packets, _)| *packets).collect();
    let bytes: Vec<u64> = offers.iter().map(|(_, bytes)| *bytes).collect();
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

#[cfg(test)]
mod tests;
