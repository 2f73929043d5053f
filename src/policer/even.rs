//! Any limit of the native language under even traffic, as a profile has: second by second, each
//! of them spread evenly.

use std::collections::VecDeque;

use super::{EvenBucket, Excess, Shape};
use crate::model::{Algorithm, Burst, RateLimit};

/// The constants of a limit, for even traffic.
#[derive(Clone, Debug)]
pub struct EvenLimit {
    shape: Shape,
    /// Length of the window and what it allows, and whether it slides; none is a token bucket.
    window: Option<(i64, u128, bool)>,
    timeout_ns: u64,
}

impl EvenLimit {
    /// Makes the constants of a limit.
    pub fn new(limit: &RateLimit) -> EvenLimit {
        let slides = matches!(limit.algorithm, Algorithm::SlidingWindow { .. });
        let timeout_ns = limit.timeout_ns.unwrap_or(0);
        let Some(window_ns) = limit.algorithm.window_ns() else {
            let shape = super::compile(limit).shape();
            return EvenLimit { shape, window: None, timeout_ns };
        };
        // Rate × window, rounded down, but at least one unit, as single packets meet it.
        let shape = Shape::new(limit.rate, Burst::Packets(1));
        let allowed = (shape.refilled(window_ns) / shape.den).max(1);
        let window_ns = i64::try_from(window_ns).unwrap_or(i64::MAX).max(1);
        EvenLimit { shape, window: Some((window_ns, allowed, slides)), timeout_ns }
    }

    /// Returns whether nothing exceeds for certain where no bin, of this length, has more than the
    /// peak (of what the limit counts), and all bins together have so much.
    pub fn lets_pass(&self, peak: u128, all: u128, d_ns: u64) -> bool {
        let Shape { capacity, .. } = self.shape;
        match self.window {
            // What flows in during a bin is there in it; and so is what was there at first, less
            // what has passed.
            None => {
                self.shape.scaled(peak) <= self.shape.refilled(d_ns)
                    || self.shape.scaled(all) <= capacity
            }
            Some((_, allowed, _)) => self.shape.scaled(all) <= self.shape.scaled(allowed),
        }
    }
}

/// One bucket or window under even traffic.
#[derive(Clone, Debug)]
pub struct EvenState {
    bucket: EvenBucket,
    /// When the last bin ended.
    last_ns: Option<i64>,
    /// What conformed lately, by the start of its bin: of this window, or of the last so long.
    passed: VecDeque<(i64, u128)>,
    /// Before this time everything exceeds.
    until_ns: i64,
}

impl EvenState {
    /// Makes the state of a bucket that nobody has used yet.
    pub fn new(limit: &EvenLimit) -> EvenState {
        let bucket = EvenBucket::full(&limit.shape);
        EvenState { bucket, last_ns: None, passed: VecDeque::new(), until_ns: i64::MIN }
    }

    /// Offers an amount (of what the limit counts) in a bin; returns the part that exceeds. Bins
    /// come in the order of time. A bin belongs to the window in which it starts.
    pub fn offer(&mut self, limit: &EvenLimit, amount: u128, start_ns: i64, d_ns: u64) -> Excess {
        let shape = &limit.shape;
        let gap = self.last_ns.map_or(0, |last| start_ns.saturating_sub(last).max(0));
        self.bucket.idle(shape, u128::from(gap.unsigned_abs()));
        self.last_ns = Some(start_ns.saturating_add_unsigned(d_ns));
        // What comes while the timeout lasts is lost, and is not counted.
        let blocked_ns =
            u64::try_from(self.until_ns.saturating_sub(start_ns)).unwrap_or(0).min(d_ns);
        let all = shape.scaled(amount);
        let blocked = match blocked_ns {
            0 => 0,
            _ => all.saturating_mul(u128::from(blocked_ns)) / u128::from(d_ns.max(1)),
        };
        let rest = all - blocked;
        let exceeding = match limit.window {
            None => {
                self.bucket.idle(shape, u128::from(blocked_ns));
                self.bucket.offer_scaled(shape, rest, d_ns - blocked_ns)
            }
            Some((window_ns, allowed, slides)) => {
                let is_over = |time: i64| {
                    if slides {
                        start_ns.saturating_sub(time) >= window_ns
                    } else {
                        time.div_euclid(window_ns) != start_ns.div_euclid(window_ns)
                    }
                };
                while self.passed.front().is_some_and(|(time, _)| is_over(*time)) {
                    self.passed.pop_front();
                }
                let used: u128 = self.passed.iter().map(|(_, amount)| *amount).sum();
                let conform = rest.min(shape.scaled(allowed).saturating_sub(used));
                if conform > 0 {
                    self.passed.push_back((start_ns, conform));
                }
                rest - conform
            }
        };
        if exceeding > 0 && limit.timeout_ns > 0 {
            // It starts when the limit is reached: after the part of the bin that conforms.
            let conforming = (rest - exceeding) as f64 / rest as f64;
            let after = blocked_ns + ((d_ns - blocked_ns) as f64 * conforming) as u64;
            self.until_ns =
                start_ns.saturating_add_unsigned(after).saturating_add_unsigned(limit.timeout_ns);
        }
        Excess { counts: shape.counts, scaled: blocked + exceeding, den: shape.den }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exceed, Rate, RateUnit, Scope};

    const SECOND: i64 = 1_000_000_000;

    fn limit(algorithm: Algorithm, timeout_ns: Option<u64>) -> EvenLimit {
        let rate = Rate { amount: 10, unit: RateUnit::Packets, per_ns: 1_000_000_000 };
        EvenLimit::new(&RateLimit {
            most_keys: None,
            rate,
            burst: Burst::Packets(10),
            burst_is_written: true,
            per: Vec::new(),
            scope: Scope::Pop,
            exceed: Exceed::Drop,
            algorithm,
            timeout_ns,
            bucket: None,
        })
    }

    /// Offers so many packets in every second and returns how many exceed in each.
    fn run(limit: &EvenLimit, offered: &[u128]) -> Vec<u128> {
        let mut state = EvenState::new(limit);
        let offer = |(at, amount): (usize, &u128)| {
            let excess = state.offer(limit, *amount, at as i64 * SECOND, SECOND as u64);
            excess.scaled / excess.den
        };
        offered.iter().enumerate().map(offer).collect()
    }

    #[test]
    fn a_fixed_window_allows_its_rate_and_starts_anew() {
        let fixed = limit(Algorithm::FixedWindow { window_ns: 3_000_000_000 }, None);
        assert_eq!(run(&fixed, &[20, 20, 20, 20, 20, 20]), [0, 10, 20, 0, 10, 20]);
    }

    #[test]
    fn what_passes_for_certain_does_not_exceed() {
        let window = |window_ns| Algorithm::FixedWindow { window_ns };
        for (algorithm, peak, all) in [
            (Algorithm::TokenBucket, 10, 1_000),
            (Algorithm::TokenBucket, 5, 10),
            (window(3_000_000_000), 20, 30),
        ] {
            let limit = limit(algorithm, None);
            assert!(limit.lets_pass(peak, all, SECOND as u64));
            let bins = vec![peak; (all / peak) as usize];
            assert!(run(&limit, &bins).iter().all(|exceeding| *exceeding == 0));
        }
        let bucket = limit(Algorithm::TokenBucket, None);
        assert!(!bucket.lets_pass(11, 11, SECOND as u64));
        assert!(!limit(window(3_000_000_000), None).lets_pass(10, 31, SECOND as u64));
    }

    #[test]
    fn a_sliding_window_looks_back() {
        let sliding = limit(Algorithm::SlidingWindow { window_ns: 3_000_000_000 }, None);
        assert_eq!(run(&sliding, &[20, 20, 20, 20, 20, 20]), [0, 10, 20, 0, 10, 20]);
        assert_eq!(run(&sliding, &[0, 0, 30, 30, 10, 10]), [0, 0, 0, 30, 10, 0]);
    }

    #[test]
    fn a_timeout_acts_on_everything_for_so_long() {
        let bucket = limit(Algorithm::TokenBucket, Some(2_000_000_000));
        // The bucket holds 10 and takes 10: 20 of 40 pass, in the first half of the second.
        assert_eq!(run(&bucket, &[40, 4, 4, 4, 4]), [20, 4, 2, 0, 0]);
        let none = limit(Algorithm::TokenBucket, None);
        assert_eq!(run(&none, &[40, 4, 4, 4, 4]), [20, 0, 0, 0, 0]);
    }
}
