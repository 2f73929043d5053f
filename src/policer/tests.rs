//! Buckets and bounds against slow, obvious models.

use super::*;
use proptest::prelude::*;
use std::cmp::Ordering;

mod dialects;

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
        let burst = if rate.counts_bytes() { Burst::Bytes(depth) } else { Burst::Packets(depth) };
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
