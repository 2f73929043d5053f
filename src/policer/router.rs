//! Policers of routers: Junos `policer … if-exceeding` and IOS `police`. Both are token buckets of
//! one rate and two colours; they differ in units, steps and defaults.
//!
//! Whether a Junos policer is term- or filter-specific, or one for each forwarding engine, is the
//! caller's key: three terms that name a term-specific policer have three buckets.

use super::{LimitError, Packet, Policer, SECOND_NS, Shape, State};
use crate::model::{Burst, Rate, RateUnit};

/// The burst of an IOS `police` that gives none, in bytes.
pub const IOS_DEFAULT_BURST_BYTES: u64 = 1_500;

/// The steps of an IOS rate, in bits a second.
const IOS_STEP_BPS: u64 = 8_000;

/// Junos `if-exceeding { bandwidth-limit …; burst-size-limit …; }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JunosPolicer {
    shape: Shape,
}

impl JunosPolicer {
    /// Makes a policer of a `bandwidth-limit` in *bits* a second and a `burst-size-limit` in
    /// *bytes*; `k`, `m` and `g` are powers of 1,000.
    pub fn new(bandwidth_limit: u64, burst_size_limit: u64) -> Result<JunosPolicer, LimitError> {
        Ok(JunosPolicer { shape: single_rate(bandwidth_limit, burst_size_limit)? })
    }
}

impl Policer for JunosPolicer {
    fn fresh(&self, time_ns: i64) -> State {
        State::full(&self.shape, time_ns)
    }

    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        state.take(&self.shape, packet)
    }

    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool {
        state.bucket().is_full_at(&self.shape, time_ns)
    }

    fn shape(&self) -> Shape {
        self.shape
    }
}

/// IOS `police <bps> [<burst bytes>]`, conforming or exceeding; no third colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IosPolice {
    shape: Shape,
}

impl IosPolice {
    /// Makes a policer of a rate in bits a second and a burst in bytes. The rate counts in steps of
    /// 8,000; what lies between is taken as the step below, which drops no less than the router.
    pub fn new(bps: u64, burst_bytes: Option<u64>) -> Result<IosPolice, LimitError> {
        let steps = if bps == 0 { 0 } else { (bps / IOS_STEP_BPS).max(1) };
        let burst = burst_bytes.unwrap_or(IOS_DEFAULT_BURST_BYTES);
        Ok(IosPolice { shape: single_rate(steps * IOS_STEP_BPS, burst)? })
    }
}

impl Policer for IosPolice {
    fn fresh(&self, time_ns: i64) -> State {
        State::full(&self.shape, time_ns)
    }

    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        state.take(&self.shape, packet)
    }

    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool {
        state.bucket().is_full_at(&self.shape, time_ns)
    }

    fn shape(&self) -> Shape {
        self.shape
    }
}

fn single_rate(bps: u64, burst_bytes: u64) -> Result<Shape, LimitError> {
    match (bps, burst_bytes) {
        (0, _) => Err(LimitError::ZeroRate),
        (_, 0) => Err(LimitError::ZeroBurst),
        _ => {
            let rate = Rate { amount: bps, unit: RateUnit::Bits, per_ns: SECOND_NS };
            Ok(Shape::new(rate, Burst::Bytes(burst_bytes)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 100 packets of 100 bytes, one each millisecond, conform.
    fn passed(policer: &dyn Policer) -> usize {
        let mut state = policer.fresh(0);
        let mut pass = |at: i64| {
            let packet = Packet { time_ns: at * 1_000_000, packets: 1, bytes: 100 };
            policer.conforms(&mut state, packet)
        };
        (0..100).filter(|at| pass(*at)).count()
    }

    #[test]
    fn junos_counts_rates_in_bits_and_bursts_in_bytes() {
        // 1,500 bytes at once and 10 bytes a millisecond for 99 of them.
        let policer = JunosPolicer::new(80_000, 1_500).expect("a policer");
        assert_eq!(passed(&policer), 24);
        assert_eq!(JunosPolicer::new(0, 1_500), Err(LimitError::ZeroRate));
        assert_eq!(JunosPolicer::new(80_000, 0), Err(LimitError::ZeroBurst));
    }

    #[test]
    fn ios_counts_in_steps_and_has_a_default_burst() {
        let policer = |bps| IosPolice::new(bps, None).expect("a policer");
        assert_eq!(passed(&policer(80_000)), 24);
        assert_eq!(policer(87_999), policer(80_000));
        assert_eq!(policer(1), policer(8_000));
    }
}
