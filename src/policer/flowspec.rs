//! The traffic-rate actions of FlowSpec: `traffic-rate-bytes` (0x8006, RFC 8955 section 7.1) and
//! `traffic-rate-packets` (0x800c, section 7.2).
//!
//! The rate is an IEEE 754 single, in bytes (not bits) or packets a second. Zero and less mean
//! discard. The RFC gives no burst, so [`TrafficRate::readings`] gives the plausible buckets, and a
//! caller takes the worse. NaN and plus infinity are refused: no document says what a router makes
//! of them, and a rule that could not be read must not pass.

use super::{Counts, LimitError, PACKET_BYTES, Packet, Policer, SECOND_NS, Shape, State};
use crate::model::{Burst, Rate, RateUnit};

/// Bits of a single's fraction.
const FRACTION_BITS: u32 = 23;

/// A traffic rate as it stands in the extended community.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrafficRate {
    counts: Counts,
    /// The rate; none discards everything.
    rate: Option<Rate>,
}

impl TrafficRate {
    /// Reads a rate from the four octets of the float, as a big-endian number. It is exact above
    /// 2^-10 a second, and rounded down below.
    pub fn new(bits: u32, counts: Counts) -> Result<TrafficRate, LimitError> {
        let negative = bits >> 31 == 1;
        let exponent = bits >> FRACTION_BITS & 0xff;
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        if exponent == 0xff && (fraction != 0 || !negative) {
            return Err(LimitError::NotFinite);
        }
        if negative {
            return Ok(TrafficRate { counts, rate: None });
        }
        // The value is the significand × 2^(exponent − 150); subnormals have the exponent 1.
        let significand =
            u64::from(if exponent == 0 { fraction } else { fraction | 1 << FRACTION_BITS });
        let exponent = exponent.max(1);
        let bias = 127 + FRACTION_BITS;
        let (amount, per_ns) = if exponent >= bias {
            let shift = exponent - bias;
            let fits = shift <= significand.leading_zeros();
            (if fits { significand << shift } else { u64::MAX }, SECOND_NS)
        } else {
            // An interval of 2^34 seconds in nanoseconds is the longest that fits.
            let (shift, longest) = (bias - exponent, 34);
            let lost = shift.saturating_sub(longest);
            (significand.checked_shr(lost).unwrap_or(0), SECOND_NS << shift.min(longest))
        };
        let unit = counts.pick(RateUnit::Packets, RateUnit::Bytes);
        let rate = (amount > 0).then_some(Rate { amount, unit, per_ns });
        Ok(TrafficRate { counts, rate })
    }

    /// Returns the rate, or none where everything is discarded.
    pub fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// Returns the policers this may be on a router: a bucket of one second of the rate, and the
    /// least one, which holds one packet (of 1,500 bytes). A discard has one reading.
    pub fn readings(&self) -> Vec<Box<dyn Policer>> {
        let Some(rate) = self.rate else {
            return vec![Box::new(Reading::discard(self.counts))];
        };
        let [deep, least] = shapes(rate);
        let shapes = if deep == least { vec![least] } else { vec![deep, least] };
        shapes.into_iter().map(|shape| Box::new(Reading { shape }) as Box<dyn Policer>).collect()
    }
}

/// Returns the two buckets that a rate may have: a second of it, and a single packet.
pub(super) fn shapes(rate: Rate) -> [Shape; 2] {
    let counts = if rate.counts_bytes() { Counts::Bytes } else { Counts::Packets };
    let least = counts.pick(1, PACKET_BYTES);
    let bits = if rate.unit == RateUnit::Bits { 8 } else { 1 };
    let per = u128::from(rate.per_ns.max(1)) * bits;
    let scaled = u128::from(rate.amount) * u128::from(SECOND_NS) / per;
    let second = u64::try_from(scaled).unwrap_or(u64::MAX).max(least);
    [second, least]
        .map(|depth| Shape::new(rate, counts.pick(Burst::Packets(depth), Burst::Bytes(depth))))
}

/// A traffic rate with a burst to go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    shape: Shape,
}

impl Reading {
    /// Makes a limit that everything exceeds.
    pub(super) fn discard(counts: Counts) -> Reading {
        Reading { shape: Shape::from_parts(counts, 0, 1, 0) }
    }
}

/// A traffic rate by its least reading, which is the worse of the two for every sequence of
/// packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Worst {
    reading: Reading,
}

impl Worst {
    /// Makes the limit of a rate.
    pub(super) fn new(rate: Rate) -> Worst {
        let [_, shape] = shapes(rate);
        Worst { reading: Reading { shape } }
    }
}

impl Policer for Worst {
    fn fresh(&self, time_ns: i64) -> State {
        self.reading.fresh(time_ns)
    }

    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        self.reading.conforms(state, packet)
    }

    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool {
        self.reading.is_fresh_at(state, time_ns)
    }

    fn shape(&self) -> Shape {
        self.reading.shape
    }
}

impl Policer for Reading {
    fn fresh(&self, time_ns: i64) -> State {
        State::full(&self.shape, time_ns)
    }

    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        // A discard takes packets without bytes, too.
        self.shape.capacity > 0 && state.take(&self.shape, packet)
    }

    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool {
        state.bucket().is_full_at(&self.shape, time_ns)
    }

    fn shape(&self) -> Shape {
        self.shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(rate: f32) -> Result<Option<Rate>, LimitError> {
        TrafficRate::new(rate.to_bits(), Counts::Bytes).map(|rate| rate.rate())
    }

    /// How many of 30 packets of 84 bytes at one moment conform, by reading.
    fn passed(rate: f32, counts: Counts) -> Vec<usize> {
        let rate = TrafficRate::new(rate.to_bits(), counts).expect("a rate");
        let count = |policer: &dyn Policer| {
            let mut state = policer.fresh(0);
            let packet = Packet { time_ns: 0, packets: 1, bytes: 84 };
            (0..30).filter(|_| policer.conforms(&mut state, packet)).count()
        };
        rate.readings().iter().map(|policer| count(policer.as_ref())).collect()
    }

    #[test]
    fn the_burst_is_open_so_there_are_two_readings() {
        assert_eq!(passed(2_000.0, Counts::Bytes), [23, 17]);
        assert_eq!(passed(1_000.0, Counts::Bytes), [17]);
        assert_eq!(passed(10.0, Counts::Packets), [10, 1]);
    }

    #[test]
    fn zero_and_less_discard_and_what_is_no_number_is_refused() {
        for rate in [0.0, -0.0, -1.0, f32::NEG_INFINITY, 1e-40] {
            assert_eq!(bytes(rate), Ok(None), "{rate}");
        }
        assert_eq!(passed(-1.0, Counts::Bytes), [0]);
        assert_eq!(passed(0.0, Counts::Packets), [0]);
        for rate in [f32::NAN, -f32::NAN, f32::INFINITY] {
            assert_eq!(bytes(rate), Err(LimitError::NotFinite));
        }
    }

    proptest! {
        #[test]
        fn a_rate_is_the_number_that_the_float_is(rate in 0.001f32..1e19) {
            let read = bytes(rate).expect("a number").expect("more than zero");
            let value = read.amount as f64 * SECOND_NS as f64 / read.per_ns as f64;
            prop_assert_eq!(value, f64::from(rate));
        }
    }
}
