//! The `limit` of nftables, as Linux computes it (net/netfilter/nft_limit.c; nft(8), "limit
//! statement").
//!
//! Tokens are nanoseconds. A packet costs `unit / rate` of them, or `unit * length / rate`, rounded
//! down; an exceeding packet costs nothing. `over` inverts what *matches*, not what conforms.
//! Before Linux 4.3 it was a window without a burst, which is not modelled.

use super::{Counts, LimitError, Packet, Policer, SECOND_NS, Shape, State};
use crate::model::RateLimit;

/// The burst of a limit in packets that gives none.
pub const DEFAULT_BURST_PACKETS: u32 = 5;

/// What `limit rate` counts, with its burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burst {
    /// Packets; zero or none written is [`DEFAULT_BURST_PACKETS`].
    Packets(u32),
    /// Bytes that the bucket holds *on top of* one unit's rate; none written is zero.
    Bytes(u32),
}

/// One `limit rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Packets or bytes a unit; `kbytes` are 1,024.
    rate: u64,
    /// The unit in nanoseconds.
    nsecs: u64,
    /// What it counts.
    counts: Counts,
    /// The bucket in nanoseconds.
    tokens_max: u64,
}

impl Limit {
    /// Makes the limit of a rule; a burst of zero is the default one.
    pub fn of(limit: &RateLimit) -> Result<Limit, LimitError> {
        let (counts, amount, unit_s) = super::written(limit.rate);
        let burst = super::narrow(super::depth(counts, limit.burst))?;
        Limit::new(amount, unit_s, counts.pick(Burst::Packets(burst), Burst::Bytes(burst)))
    }

    /// Makes the limit of a rate, its unit in seconds (60 for `minute`) and a burst. A rate of
    /// zero and a bucket beyond 2^64 nanoseconds are refused, as the kernel does.
    pub fn new(rate: u64, unit_s: u64, burst: Burst) -> Result<Limit, LimitError> {
        if rate == 0 {
            return Err(LimitError::ZeroRate);
        }
        let nsecs = unit_s.checked_mul(SECOND_NS).ok_or(LimitError::Overflow)?;
        let (counts, tokens_max) = match burst {
            Burst::Packets(burst) => {
                let burst = if burst == 0 { DEFAULT_BURST_PACKETS } else { burst };
                (Counts::Packets, (nsecs / rate).checked_mul(u64::from(burst)))
            }
            Burst::Bytes(burst) => {
                let sum = rate.checked_add(u64::from(burst));
                let product = sum.and_then(|sum| nsecs.checked_mul(sum));
                (Counts::Bytes, product.map(|product| product / rate))
            }
        };
        let tokens_max = tokens_max.ok_or(LimitError::Overflow)?;
        Ok(Limit { rate, nsecs, counts, tokens_max })
    }

    /// Returns whether the bucket is so deep (2^63 nanoseconds more than any packet costs) that the
    /// kernel takes what is left for a negative number: everything exceeds, for ever.
    pub fn always_exceeds(&self) -> bool {
        let most = Packet { time_ns: 0, packets: 1, bytes: u64::from(u16::MAX) };
        self.tokens_max.saturating_sub(self.cost(most)) >= 1 << 63
    }

    fn cost(&self, packet: Packet) -> u64 {
        match self.counts {
            Counts::Packets => (self.nsecs / self.rate).saturating_mul(packet.packets),
            // It wraps in the kernel too: a long packet is cheap under a limit of a few bytes a
            // week.
            Counts::Bytes => self.nsecs.wrapping_mul(packet.bytes) / self.rate,
        }
    }

    fn tokens_at(&self, state: &State, time_ns: i64) -> u64 {
        let tokens = u64::try_from(state.tokens).unwrap_or(u64::MAX);
        tokens.saturating_add(super::elapsed_ns(state.time_ns, time_ns)).min(self.tokens_max)
    }
}

impl Policer for Limit {
    fn fresh(&self, time_ns: i64) -> State {
        State::new(time_ns, u128::from(self.tokens_max))
    }

    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        let tokens = self.tokens_at(state, packet.time_ns);
        state.advance(packet.time_ns);
        let rest = tokens.wrapping_sub(self.cost(packet));
        let conforms = rest.cast_signed() >= 0;
        state.tokens = u128::from(if conforms { rest } else { tokens });
        conforms
    }

    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool {
        self.tokens_at(state, time_ns) == self.tokens_max
    }

    fn shape(&self) -> Shape {
        let tokens_max = u128::from(self.tokens_max);
        match self.counts {
            _ if self.always_exceeds() => Shape::from_parts(self.counts, 0, 1, 0),
            Counts::Packets if self.nsecs < self.rate => Shape::unlimited(self.counts),
            Counts::Packets => {
                Shape::from_parts(self.counts, 1, u128::from(self.nsecs / self.rate), tokens_max)
            }
            Counts::Bytes => {
                let rate = u128::from(self.rate);
                Shape::from_parts(self.counts, rate, u128::from(self.nsecs), tokens_max * rate)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 30 packets of 84 bytes at one moment conform.
    fn passed(limit: &Limit) -> usize {
        let mut state = limit.fresh(0);
        let packet = Packet { time_ns: 0, packets: 1, bytes: 84 };
        (0..30).filter(|_| limit.conforms(&mut state, packet)).count()
    }

    fn limit(rate: u64, unit_s: u64, burst: Burst) -> Limit {
        Limit::new(rate, unit_s, burst).expect("a limit that loads")
    }

    #[test]
    fn bursts_of_thirty_packets_pass_as_measured_on_the_kernel() {
        assert_eq!(passed(&limit(1, 60, Burst::Packets(0))), 5);
        assert_eq!(passed(&limit(1, 60, Burst::Packets(1))), 1);
        assert_eq!(passed(&limit(1_000, 60, Burst::Bytes(0))), 11);
        assert_eq!(passed(&limit(1_000, 60, Burst::Bytes(500))), 17);
    }

    #[test]
    fn a_bucket_beyond_2_to_the_63_always_exceeds_and_one_of_2_to_the_64_is_refused() {
        // A day has 86,400 thousand million nanoseconds, which is also what a packet costs.
        assert_eq!(passed(&limit(1, 86_400, Burst::Packets(106_752))), 30);
        assert_eq!(passed(&limit(1, 86_400, Burst::Packets(106_753))), 0);
        assert!(!limit(1, 86_400, Burst::Packets(106_752)).always_exceeds());
        assert!(limit(1, 86_400, Burst::Packets(106_753)).always_exceeds());
        assert_eq!(passed(&limit(1, 86_400, Burst::Packets(213_503))), 0);
        let refused = Err(LimitError::Overflow);
        assert_eq!(Limit::new(1, 86_400, Burst::Packets(213_504)), refused);
        assert_eq!(Limit::new(1, 604_800, Burst::Bytes(u32::MAX)), refused);
        assert_eq!(Limit::new(0, 1, Burst::Packets(5)), Err(LimitError::ZeroRate));
    }

    #[test]
    fn the_cost_of_a_packet_is_rounded_down() {
        // Three a second cost 333,333,333 ns each: the fourth comes a nanosecond early.
        let limit = limit(3, 1, Burst::Packets(1));
        let mut state = limit.fresh(0);
        let mut at = |time_ns| limit.conforms(&mut state, Packet { time_ns, packets: 1, bytes: 1 });
        assert!(at(0));
        assert!(!at(333_333_332));
        assert!(at(333_333_333));
        assert!(at(666_666_666));
        assert!(at(999_999_999));
    }
}
