//! Windows, as rate limits of web front ends count: so many in so long.
//!
//! Both kinds allow rate × window, rounded down but at least one unit. What would go over is acted
//! on and not counted. Where a vendor's documents leave open which kind it is (Cloudflare's request
//! rate pages do), [`readings`] gives both, so that the worse can be reported.

use std::collections::VecDeque;

use super::{Level, Packet, Policer, Shape, State, Timeout};
use crate::model::{Burst, Rate};

/// Windows that start at multiples of their length since 1970. Across a boundary twice the
/// allowance can pass at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedWindow {
    window_ns: i64,
    allowed: u64,
    shape: Shape,
}

impl FixedWindow {
    /// Makes the limit of a rate and the length of its windows, in nanoseconds.
    pub fn new(rate: Rate, window_ns: u64) -> FixedWindow {
        let (window_ns, allowed, shape) = allowance(rate, window_ns);
        FixedWindow { window_ns, allowed, shape }
    }

    /// Returns the number of the window that a time falls into.
    fn number(&self, time_ns: i64) -> i64 {
        time_ns.div_euclid(self.window_ns)
    }
}

impl Policer for FixedWindow {
    fn fresh(&self, time_ns: i64) -> State {
        State { second: self.number(time_ns), ..State::new(time_ns, 0) }
    }

    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        state.advance(packet.time_ns);
        let number = self.number(state.time_ns);
        if number != state.second {
            (state.second, state.tokens) = (number, 0);
        }
        let amount = self.shape.counts.pick(packet.packets, packet.bytes);
        let sum = state.tokens.saturating_add(u128::from(amount));
        let conforms = sum <= u128::from(self.allowed);
        if conforms {
            state.tokens = sum;
        }
        conforms
    }

    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool {
        state.tokens == 0 || self.number(time_ns) > state.second
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn level(&self, state: &State, time_ns: i64) -> Option<Level> {
        let used = if self.number(time_ns) > state.second { 0 } else { state.tokens };
        let allowed = u128::from(self.allowed);
        Some(Level::new(self.shape.counts, allowed.saturating_sub(used), allowed, true))
    }
}

/// A window that ends now: what conformed in the last so many nanoseconds, exactly. What conformed
/// a whole window ago no longer counts. Its state grows with the number of different times in the
/// window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindow {
    window_ns: i64,
    allowed: u64,
    shape: Shape,
}

impl SlidingWindow {
    /// Makes the limit of a rate and the length of its window, in nanoseconds.
    pub fn new(rate: Rate, window_ns: u64) -> SlidingWindow {
        let (window_ns, allowed, shape) = allowance(rate, window_ns);
        SlidingWindow { window_ns, allowed, shape }
    }
}

impl Policer for SlidingWindow {
    fn fresh(&self, time_ns: i64) -> State {
        State::new(time_ns, 0)
    }

    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        state.advance(packet.time_ns);
        let now = state.time_ns;
        let passed = state.passed.get_or_insert_with(Box::<VecDeque<_>>::default);
        while let Some((time_ns, amount)) = passed.front()
            && super::elapsed_ns(*time_ns, now) >= self.window_ns.unsigned_abs()
        {
            state.tokens = state.tokens.saturating_sub(u128::from(*amount));
            passed.pop_front();
        }
        let amount = self.shape.counts.pick(packet.packets, packet.bytes);
        let sum = state.tokens.saturating_add(u128::from(amount));
        if sum > u128::from(self.allowed) {
            return false;
        }
        state.tokens = sum;
        match passed.back_mut() {
            // The sum is at most the allowance, so that of one moment fits.
            Some((time_ns, together)) if *time_ns == now => {
                *together = together.saturating_add(amount);
            }
            _ => passed.push_back((now, amount)),
        }
        true
    }

    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool {
        let newest = state.passed.as_ref().and_then(|passed| passed.back());
        newest.is_none_or(|(newest, _)| {
            super::elapsed_ns(*newest, time_ns) >= self.window_ns.unsigned_abs()
        })
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn level(&self, state: &State, time_ns: i64) -> Option<Level> {
        let window_ns = self.window_ns.unsigned_abs();
        let recent = state.passed.iter().flat_map(|passed| passed.iter());
        let used: u128 = recent
            .filter(|(passed_ns, _)| super::elapsed_ns(*passed_ns, time_ns) < window_ns)
            .map(|(_, amount)| u128::from(*amount))
            .sum();
        let allowed = u128::from(self.allowed);
        Some(Level::new(self.shape.counts, allowed.saturating_sub(used), allowed, true))
    }
}

/// Returns the limit as a fixed and as a sliding window, both with the timeout if there is one:
/// what a document may mean that does not say which.
pub fn readings(rate: Rate, window_ns: u64, timeout_ns: Option<u64>) -> Vec<Box<dyn Policer>> {
    let fixed = Box::new(FixedWindow::new(rate, window_ns));
    let sliding = Box::new(SlidingWindow::new(rate, window_ns));
    let readings: [Box<dyn Policer>; 2] = [fixed, sliding];
    let penalise = |inner| -> Box<dyn Policer> {
        match timeout_ns {
            Some(timeout_ns) if timeout_ns > 0 => Box::new(Timeout { inner, timeout_ns }),
            _ => inner,
        }
    };
    readings.into_iter().map(penalise).collect()
}

/// Returns the length of the window, what it allows, and the bucket that holds as much.
fn allowance(rate: Rate, window_ns: u64) -> (i64, u64, Shape) {
    let window_ns = i64::try_from(window_ns).unwrap_or(i64::MAX).max(1);
    let per_ns = Shape::new(rate, Burst::Packets(1));
    let allowed = per_ns.refilled(window_ns.unsigned_abs()) / per_ns.den;
    let allowed = u64::try_from(allowed).unwrap_or(u64::MAX).max(1);
    let burst = if rate.counts_bytes() { Burst::Bytes(allowed) } else { Burst::Packets(allowed) };
    (window_ns, allowed, Shape::new(rate, burst))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RateUnit;

    const SECOND: u64 = 1_000_000_000;

    fn requests(amount: u64) -> Rate {
        Rate { amount, unit: RateUnit::Requests, per_ns: 60 * SECOND }
    }

    /// How many of so many requests at each second conform.
    fn passed(policer: &dyn Policer, bursts: &[(i64, usize)]) -> Vec<usize> {
        let mut state = policer.fresh(0);
        let mut pass = |second: i64| {
            let time_ns = second * SECOND as i64;
            policer.conforms(&mut state, Packet { time_ns, packets: 1, bytes: 100 })
        };
        bursts.iter().map(|(second, count)| (0..*count).filter(|_| pass(*second)).count()).collect()
    }

    #[test]
    fn a_fixed_window_passes_twice_as_much_across_its_boundary_and_a_sliding_one_does_not() {
        let bursts = [(59, 30), (60, 30), (118, 30), (119, 30), (120, 30)];
        let [fixed, sliding] = &readings(requests(10), 60 * SECOND, None)[..] else {
            panic!("two readings")
        };
        assert_eq!(passed(fixed.as_ref(), &bursts), [10, 10, 0, 0, 10]);
        assert_eq!(passed(sliding.as_ref(), &bursts), [10, 0, 0, 10, 0]);
    }

    #[test]
    fn a_timeout_acts_on_everything_for_its_length_from_the_first_excess() {
        let bursts = [(0, 10), (1, 1), (61, 1), (300, 1), (301, 11), (302, 1), (601, 1)];
        for reading in readings(requests(10), 60 * SECOND, Some(300 * SECOND)) {
            assert_eq!(passed(reading.as_ref(), &bursts), [10, 0, 0, 0, 10, 0, 1]);
        }
    }

    #[test]
    fn a_window_too_short_for_a_unit_allows_one() {
        for reading in readings(requests(1), SECOND, None) {
            assert_eq!(passed(reading.as_ref(), &[(0, 3), (1, 3)]), [1, 1]);
        }
    }

    #[test]
    fn windows_before_1970_are_windows_too() {
        let fixed = FixedWindow::new(requests(10), 60 * SECOND);
        assert_eq!(passed(&fixed, &[(0, 30)]), [10]);
        let mut state = fixed.fresh(-1);
        let packet = |time_ns| Packet { time_ns, packets: 10, bytes: 0 };
        assert!(fixed.conforms(&mut state, packet(-1)));
        assert!(!fixed.conforms(&mut state, packet(-1)));
        assert!(fixed.conforms(&mut state, packet(0)));
    }
}
