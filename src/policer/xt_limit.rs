//! The `limit` match of iptables-legacy, as Linux computes it (net/netfilter/xt_limit.c;
//! iptables-extensions(8), "limit").
//!
//! It counts packets in credits that come with the ticks of the kernel's clock, in numbers of 32
//! bits that wrap. iptables-nft turns the same words into a `limit` of nftables, which does not
//! wrap: there the dialect `nft` is the right one.

use super::{Counts, LimitError, Packet, Policer, SECOND_NS, Shape, State};
use crate::model::RateLimit;

/// The rate of `-m limit` without `--limit`: 3 an hour.
pub const DEFAULT_RATE: (u32, u32) = (3, 3_600);
/// The burst of `-m limit` without `--limit-burst`.
pub const DEFAULT_BURST: u32 = 5;
/// Ticks a second of a common kernel (`CONFIG_HZ`).
pub const DEFAULT_HZ: u32 = 250;

/// The precision of a rate as iptables hands it to the kernel (`XT_LIMIT_SCALE`).
const SCALE: u32 = 10_000;

/// One `-m limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    hz: u32,
    /// How many credits come with a tick.
    per_jiffy: u32,
    cost: u32,
    cap: u32,
}

impl Limit {
    /// Makes the limit of a rule, which is one in packets, with a common kernel's clock.
    pub fn of(limit: &RateLimit) -> Result<Limit, LimitError> {
        let (counts, amount, unit_s) = super::written(limit.rate);
        if counts == Counts::Bytes {
            return Err(LimitError::TwoRates);
        }
        let burst = super::narrow(super::depth(counts, limit.burst))?;
        Limit::new(super::narrow(amount)?, super::narrow(unit_s)?, burst, DEFAULT_HZ)
    }

    /// Makes the limit of a rate in packets, its unit in seconds (3,600 for `hour`), a burst in
    /// packets and the kernel's ticks a second. What iptables or the kernel refuses is an error;
    /// a bucket that wraps to less than was written is not (1/day with burst 3 passes 1).
    pub fn new(rate: u32, unit_s: u32, burst: u32, hz: u32) -> Result<Limit, LimitError> {
        if rate == 0 {
            return Err(LimitError::ZeroRate);
        }
        if burst == 0 {
            return Err(LimitError::ZeroBurst);
        }
        let unit_s = unit_s.max(1);
        if rate / unit_s > SCALE {
            return Err(LimitError::RateTooHigh);
        }
        let hz = hz.clamp(1, 10_000);
        let per_jiffy = 1 << (u32::MAX / (hz * 86_400)).max(1).ilog2();
        let average = u64::from(SCALE) * u64::from(unit_s) / u64::from(rate);
        let average = u32::try_from(average).map_err(|_| LimitError::Overflow)?;
        let cap = credits(average.wrapping_mul(burst), hz * per_jiffy);
        let cost = credits(average, hz * per_jiffy);
        if cap < cost {
            return Err(LimitError::Overflow);
        }
        if cost == 0 {
            return Err(LimitError::RateTooHigh);
        }
        Ok(Limit { hz, per_jiffy, cost, cap })
    }
}

/// Returns a time in parts of a second in credits, as the kernel's `user2credits`.
fn credits(user: u32, per_second: u32) -> u32 {
    if user > u32::MAX / per_second {
        (user / SCALE).wrapping_mul(per_second)
    } else {
        user.wrapping_mul(per_second) / SCALE
    }
}

impl Policer for Limit {
    fn fresh(&self, time_ns: i64) -> State {
        State::new(time_ns, u128::from(self.cap))
    }

    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        let jiffies = super::elapsed_jiffies(state.time_ns, packet.time_ns, self.hz);
        state.advance(packet.time_ns);
        // Truncated on purpose: the kernel's credit wraps after a day and a half without a packet.
        let credit = (state.tokens as u32)
            .wrapping_add((jiffies as u32).wrapping_mul(self.per_jiffy))
            .min(self.cap);
        let cost = u64::from(self.cost).saturating_mul(packet.packets);
        let rest = u64::from(credit).checked_sub(cost);
        state.tokens = u128::from(rest.unwrap_or(u64::from(credit)));
        rest.is_some()
    }

    /// Never: a pause may make the credit wrap, and a rule has but one bucket.
    fn is_fresh_at(&self, _: &State, _: i64) -> bool {
        false
    }

    fn shape(&self) -> Shape {
        let per_second = u128::from(self.hz * self.per_jiffy);
        let den = u128::from(SECOND_NS) * u128::from(self.cost);
        let capacity = u128::from(SECOND_NS) * u128::from(self.cap);
        Shape::from_parts(Counts::Packets, per_second, den, capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(rate: u32, unit_s: u32, burst: u32) -> Result<usize, LimitError> {
        let mut counts = [100, 250, 300, 1_000].map(|hz| {
            Limit::new(rate, unit_s, burst, hz).map(|limit| {
                let mut state = limit.fresh(0);
                let packet = Packet { time_ns: 0, packets: 1, bytes: 84 };
                (0..30).filter(|_| limit.conforms(&mut state, packet)).count()
            })
        });
        counts.sort_by_key(|count| count.is_err());
        counts[0]
    }

    #[test]
    fn bursts_of_thirty_packets_pass_as_measured_on_the_kernel() {
        let (rate, unit_s) = DEFAULT_RATE;
        assert_eq!(passed(rate, unit_s, DEFAULT_BURST), Ok(5));
        assert_eq!(passed(1, 60, 1), Ok(1));
        assert_eq!(passed(1, 86_400, 3), Ok(1));
        assert_eq!(passed(1, 86_400, 5), Err(LimitError::Overflow));
    }

    #[test]
    fn credit_comes_with_the_ticks_of_the_clock() {
        let limit = Limit::new(10, 1, 1, 250).expect("a limit that loads");
        let mut state = limit.fresh(0);
        let mut at = |time_ns| limit.conforms(&mut state, Packet { time_ns, packets: 1, bytes: 1 });
        assert!(at(0));
        assert!(!at(99_999_999));
        assert!(at(100_000_000));
    }

    #[test]
    fn a_long_pause_can_make_the_credit_wrap() {
        // One a day is 2,764,800,000 credits; 13.3 hours later 2^32 are passed by.
        let limit = Limit::new(1, 86_400, 1, 250).expect("a limit that loads");
        let mut state = limit.fresh(0);
        let hours =
            |hours: i64| Packet { time_ns: hours * 3_600_000_000_000, packets: 1, bytes: 1 };
        assert!(!limit.conforms(&mut state, hours(14)));
    }
}
