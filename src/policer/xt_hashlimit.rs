//! The `hashlimit` match of iptables, as Linux computes it (net/netfilter/xt_hashlimit.c, revision
//! 3; iptables-extensions(8), "hashlimit"). Both backends of iptables use it.
//!
//! `--hashlimit-mode` and the masks are the caller's key. `--hashlimit-above` inverts what
//! *matches*, not what conforms. A bucket without a packet for `--hashlimit-htable-expire` is
//! forgotten, which restores its burst; the kernel collects them every
//! `--hashlimit-htable-gcinterval` (1 s), so up to so much later than here.

use super::{Counts, LimitError, Packet, Policer, SECOND_NS, Shape, State};
use crate::model::RateLimit;

/// The burst of a limit in packets without `--hashlimit-burst`.
pub const DEFAULT_BURST_PACKETS: u64 = 5;
/// Ticks a second of a common kernel (`CONFIG_HZ`).
pub const DEFAULT_HZ: u32 = 250;

/// The precision of a rate as iptables hands it to the kernel (`XT_HASHLIMIT_SCALE_v2`).
const SCALE: u64 = 1_000_000;
/// The most packets a burst may have (`XT_HASHLIMIT_BURST_MAX`).
const BURST_MAX: u64 = 1_000_000;
/// Bytes are counted in chunks of 16 (`XT_HASHLIMIT_BYTE_SHIFT`).
const BYTE_SHIFT: u32 = 4;
/// Default expiry in bytes mode, without and with a burst.
const BYTE_EXPIRE_S: [u64; 2] = [15, 60];

/// One `-m hashlimit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashlimit {
    counts: Counts,
    hz: u32,
    /// How many credits come with a tick.
    per_jiffy: u64,
    /// Of a packet, or of a chunk.
    cost: u64,
    /// The most credit at one time.
    cap: u64,
    /// How often a bucket in bytes may be filled at once, until it expires.
    resets: u32,
    expire_ns: u64,
}

impl Hashlimit {
    /// Makes the limit of a rule, with a common kernel's clock; a burst of zero bytes is none.
    pub fn of(limit: &RateLimit, expire_ms: Option<u64>) -> Result<Hashlimit, LimitError> {
        let (counts, amount, unit_s) = super::written(limit.rate);
        let burst = super::depth(counts, limit.burst);
        if counts == Counts::Packets {
            return Hashlimit::packets(amount, unit_s, burst, expire_ms, DEFAULT_HZ);
        }
        let burst = if burst == 0 { None } else { Some(super::narrow(burst)?) };
        let rate = super::narrow(amount / unit_s.max(1))?;
        Hashlimit::bytes(rate, burst, expire_ms, DEFAULT_HZ)
    }

    /// Makes a limit in packets: a rate, its unit in seconds (60 for `min`), a burst, the expiry in
    /// milliseconds if it is written (else the unit), and the kernel's ticks a second.
    pub fn packets(
        rate: u64,
        unit_s: u64,
        burst: u64,
        expire_ms: Option<u64>,
        hz: u32,
    ) -> Result<Hashlimit, LimitError> {
        if rate == 0 {
            return Err(LimitError::ZeroRate);
        }
        if burst == 0 {
            return Err(LimitError::ZeroBurst);
        }
        if burst > BURST_MAX {
            return Err(LimitError::Overflow);
        }
        if rate / unit_s.max(1) > SCALE {
            return Err(LimitError::RateTooHigh);
        }
        let hz = hz.clamp(1, 10_000);
        let per_jiffy = 1 << (u64::MAX / (u64::from(hz) * 86_400)).ilog2();
        // The kernel divides its constants first; both products wrap.
        let factor = u64::from(hz) * per_jiffy / SCALE;
        let average = SCALE.checked_mul(unit_s).ok_or(LimitError::Overflow)? / rate;
        let cost = average.wrapping_mul(factor);
        let cap = average.wrapping_mul(burst).wrapping_mul(factor);
        if cap < cost {
            return Err(LimitError::Overflow);
        }
        if cost == 0 {
            return Err(LimitError::RateTooHigh);
        }
        let expire_ms = expire_ms.unwrap_or(unit_s.saturating_mul(1_000));
        let expire_ns = expire_ms.saturating_mul(1_000_000);
        Ok(Hashlimit { counts: Counts::Packets, hz, per_jiffy, cost, cap, resets: 0, expire_ns })
    }

    /// Makes a limit in bytes a second (`kb` is 1,024): a packet costs `(length >> 4) + 1` chunks
    /// of a bucket that holds a second of the rate, or all of it if that is less. A burst in bytes is as many resets of that
    /// bucket as there are seconds of rate in it, rounded up, and never comes back until the
    /// bucket expires.
    pub fn bytes(
        bytes_per_s: u32,
        burst_bytes: Option<u32>,
        expire_ms: Option<u64>,
        hz: u32,
    ) -> Result<Hashlimit, LimitError> {
        let hz = hz.clamp(1, 10_000);
        let per_jiffy = 1 << (u32::MAX / hz).ilog2();
        let cap = u64::from(hz) * per_jiffy;
        let average = u32::MAX / ((bytes_per_s >> BYTE_SHIFT) + 1);
        let cost = (u64::from(average) * cap) >> 32;
        if cost == 0 {
            return Err(LimitError::RateTooHigh);
        }
        let resets = match burst_bytes {
            None => 0,
            Some(burst) => {
                let second = u64::from(u32::MAX / average - 1) << BYTE_SHIFT;
                if u64::from(burst) < second {
                    return Err(LimitError::BurstTooSmall { least: second });
                }
                // Below 16 bytes a second there is no second of rate to divide by, and iptables
                // divides all the same.
                if second == 0 {
                    return Err(LimitError::ZeroRate);
                }
                u32::try_from(u64::from(burst).div_ceil(second)).unwrap_or(u32::MAX)
            }
        };
        let expire_s = BYTE_EXPIRE_S[usize::from(burst_bytes.is_some())];
        let expire_ms = expire_ms.unwrap_or(expire_s * 1_000);
        let expire_ns = expire_ms.saturating_mul(1_000_000);
        Ok(Hashlimit { counts: Counts::Bytes, hz, per_jiffy, cost, cap, resets, expire_ns })
    }

    fn credit_at(&self, state: &State, time_ns: i64) -> u64 {
        let credit = u64::try_from(state.tokens).unwrap_or(u64::MAX);
        let jiffies = super::elapsed_jiffies(state.time_ns, time_ns, self.hz);
        let more = jiffies.wrapping_mul(self.per_jiffy);
        match self.counts {
            Counts::Packets => credit.wrapping_add(more).min(self.cap),
            Counts::Bytes => credit.saturating_add(more).min(self.cap),
        }
    }

    fn is_expired(&self, state: &State, time_ns: i64) -> bool {
        time_ns > state.time_ns && super::elapsed_ns(state.time_ns, time_ns) >= self.expire_ns
    }
}

impl Policer for Hashlimit {
    fn fresh(&self, time_ns: i64) -> State {
        State { second: i64::from(self.resets), ..State::new(time_ns, u128::from(self.cap)) }
    }

    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        if self.is_expired(state, packet.time_ns) {
            let fresh = self.fresh(packet.time_ns);
            (state.time_ns, state.tokens, state.second) =
                (fresh.time_ns, fresh.tokens, fresh.second);
        }
        let mut credit = self.credit_at(state, packet.time_ns);
        state.advance(packet.time_ns);
        let cost = match self.counts {
            Counts::Packets => self.cost.saturating_mul(packet.packets),
            Counts::Bytes => {
                let chunks = (packet.bytes >> BYTE_SHIFT) + 1;
                let cost = self.cost.saturating_mul(chunks).min(self.cap);
                if credit < cost && state.second > 0 {
                    state.second -= 1;
                    credit = self.cap;
                }
                cost
            }
        };
        let rest = credit.checked_sub(cost);
        state.tokens = u128::from(rest.unwrap_or(credit));
        rest.is_some()
    }

    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool {
        if self.is_expired(state, time_ns) {
            return true;
        }
        // A full bucket whose credit may wrap before it expires is not as good as a fresh one.
        let jiffies = elapsed_at_most(self.expire_ns, self.hz);
        let wraps = self.counts == Counts::Packets
            && jiffies
                .checked_mul(self.per_jiffy)
                .and_then(|more| more.checked_add(self.cap))
                .is_none();
        !wraps
            && state.second == i64::from(self.resets)
            && self.credit_at(state, time_ns) == self.cap
    }

    /// A packet counts with its own length here; the kernel takes up to 16 bytes more, but never
    /// more than a second of the rate.
    fn shape(&self) -> Shape {
        let unit = if self.counts == Counts::Bytes { 1 << BYTE_SHIFT } else { 1 };
        let refill = u128::from(self.hz) * u128::from(self.per_jiffy) * unit;
        let den = u128::from(SECOND_NS) * u128::from(self.cost);
        let fills = u128::from(self.resets) + 1;
        let capacity = u128::from(self.cap) * unit * fills * u128::from(SECOND_NS);
        Shape::from_parts(self.counts, refill, den, capacity)
    }
}

/// Returns the most ticks that can fall into a time.
fn elapsed_at_most(ns: u64, hz: u32) -> u64 {
    let ticks = u128::from(ns) * u128::from(hz) / u128::from(SECOND_NS) + 1;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 30 packets of 84 bytes at one moment conform; the ticks do not matter.
    fn passed(limit: impl Fn(u32) -> Result<Hashlimit, LimitError>) -> Result<usize, LimitError> {
        let counts = [100, 250, 300, 1_000].map(|hz| {
            limit(hz).map(|limit| {
                let mut state = limit.fresh(0);
                let packet = Packet { time_ns: 0, packets: 1, bytes: 84 };
                (0..30).filter(|_| limit.conforms(&mut state, packet)).count()
            })
        });
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
        counts[0]
    }

    #[test]
    fn bursts_of_thirty_packets_pass_as_measured_on_the_kernel() {
        assert_eq!(passed(|hz| Hashlimit::packets(1, 60, 5, None, hz)), Ok(5));
        assert_eq!(passed(|hz| Hashlimit::bytes(1_024, Some(2_048), None, hz)), Ok(30));
        assert_eq!(passed(|hz| Hashlimit::bytes(1_024, None, None, hz)), Ok(10));
    }

    #[test]
    fn what_the_kernel_and_iptables_refuse_is_refused() {
        let one_a_day = |burst| Hashlimit::packets(1, 86_400, burst, None, 250);
        assert!(one_a_day(1).is_ok());
        assert_eq!(one_a_day(5), Err(LimitError::Overflow));
        let least = LimitError::BurstTooSmall { least: 1_024 };
        assert_eq!(Hashlimit::bytes(1_024, Some(1_000), None, 250), Err(least));
    }

    #[test]
    fn resets_come_back_only_when_the_bucket_expires() {
        let limit = Hashlimit::bytes(1_024, Some(1_024), Some(10_000), 250).expect("it loads");
        let mut state = limit.fresh(0);
        let mut burst = |second: i64| {
            let packet = Packet { time_ns: second * 1_000_000_000, packets: 1, bytes: 84 };
            (0..30).filter(|_| limit.conforms(&mut state, packet)).count()
        };
        assert_eq!(burst(0), 20);
        assert_eq!(burst(5), 10);
        assert_eq!(burst(14), 10);
        assert_eq!(burst(24), 20);
    }
}
