//! `tc … action police`, as Linux computes it (net/sched/act_police.c, sch_generic.c; iproute2's
//! tc/m_police.c; tc-police(8)).
//!
//! Tokens are nanoseconds of the rate. iproute2 turns a burst into time first: microseconds, then
//! ticks of 64 ns, both rounded down. The default action on exceeding packets (`reclassify`) and
//! whether several filters share one policer (`index`) are the caller's.

use super::{Counts, LimitError, Packet, Policer, SECOND_NS, Shape, State};
use crate::model::RateLimit;

/// Bytes of an Ethernet header.
pub const ETHERNET_BYTES: u32 = 14;

/// The longest packet of a policer with a rate and without `mtu`: 255 cells of 8 bytes.
const DEFAULT_MTU: u32 = 2_040;

/// Where the filter hangs, which decides what a length is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Ingress: the rate counts layer 3; only `mtu` counts the Ethernet header.
    Ingress,
    /// Egress: all lengths count the Ethernet header.
    Egress,
}

/// The words of a policer. Rates are in bytes (not bits) a second, bursts in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `rate`, with its `burst`.
    pub rate: Option<(u64, u32)>,
    /// `peakrate`: a second bucket that holds one `mtu`.
    pub peakrate: Option<u64>,
    /// `mtu`: longer packets never conform.
    pub mtu: Option<u32>,
    /// `pkts_rate` (a second) with `pkts_burst`.
    pub pkts_rate: Option<(u64, u32)>,
}

/// One `action police`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Police {
    hook: Hook,
    mtu: u32,
    counts: Counts,
    /// Of `rate` or `pkts_rate`, with the depth in nanoseconds; none polices lengths only.
    rate: Option<(Cost, i64)>,
    peak: Option<(Cost, i64)>,
}

/// The kernel's way to divide by a rate: a product and a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    mult: u32,
    shift: u32,
}

impl Cost {
    fn new(per_second: u64) -> Cost {
        let (mut factor, mut shift) = (SECOND_NS, 0);
        loop {
            let mult = (factor / per_second.max(1)) as u32;
            if mult & 1 << 31 != 0 || factor & 1 << 63 != 0 {
                return Cost { mult, shift };
            }
            factor <<= 1;
            shift += 1;
        }
    }

    /// Returns how many nanoseconds an amount takes at the rate.
    fn of(self, amount: u64) -> i64 {
        let ns = (u128::from(amount) * u128::from(self.mult)) >> self.shift;
        i64::try_from(ns).unwrap_or(i64::MAX)
    }
}

/// Returns a burst in nanoseconds, the way iproute2 hands it over.
fn depth_ns(amount: u32, per_second: u64) -> Result<i64, LimitError> {
    let microseconds = u128::from(amount) * 1_000_000 / u128::from(per_second);
    let ticks = microseconds * 125 / 8;
    let ticks = u32::try_from(ticks).map_err(|_| LimitError::Overflow)?;
    Ok(i64::from(ticks) << 6)
}

impl Police {
    /// Makes the policer of a rule: one rate, on ingress, with the default `mtu`.
    pub fn of(limit: &RateLimit) -> Result<Police, LimitError> {
        let (counts, amount, unit_s) = super::written(limit.rate);
        let burst = super::narrow(super::depth(counts, limit.burst))?;
        let rate = Some((amount / unit_s.max(1), burst));
        let settings = match counts {
            Counts::Bytes => Settings { rate, ..Settings::default() },
            Counts::Packets => Settings { pkts_rate: rate, ..Settings::default() },
        };
        Police::new(settings, Hook::Ingress)
    }

    /// Makes a policer. A burst of more than 2^32 ticks of 64 ns (4.6 minutes of the rate) is
    /// refused here; tc itself lets it wrap.
    pub fn new(settings: Settings, hook: Hook) -> Result<Police, LimitError> {
        let Settings { rate, peakrate, mtu, pkts_rate } = settings;
        let (counts, limit) = match (rate, pkts_rate) {
            (Some(_), Some(_)) => return Err(LimitError::TwoRates),
            (Some(rate), None) => (Counts::Bytes, Some(rate)),
            (None, rate) => (Counts::Packets, rate),
        };
        let limit = match limit {
            Some((0, _)) => return Err(LimitError::ZeroRate),
            Some((_, 0)) => return Err(LimitError::ZeroBurst),
            Some((rate, burst)) => Some((Cost::new(rate), depth_ns(burst, rate)?)),
            None => None,
        };
        let by_default = if rate.is_some() { DEFAULT_MTU } else { u32::MAX };
        let mtu = mtu.filter(|mtu| *mtu > 0).unwrap_or(by_default);
        let peak = match peakrate {
            Some(_) if rate.is_none() => return Err(LimitError::PeakWithoutRate),
            Some(0) => return Err(LimitError::ZeroRate),
            Some(peakrate) => {
                let cost = Cost::new(peakrate);
                Some((cost, cost.of(u64::from(mtu))))
            }
            None => None,
        };
        Ok(Police { hook, mtu, counts, rate: limit, peak })
    }

    fn tokens_at(&self, state: &State, time_ns: i64) -> (i64, i64) {
        let elapsed = super::elapsed_ns(state.time_ns, time_ns);
        let depth = self.rate.map_or(0, |(_, depth)| depth);
        // The kernel caps what has come for both buckets by the depth of the first.
        let come = i64::try_from(elapsed).unwrap_or(i64::MAX).min(depth);
        let tokens = i64::try_from(state.tokens).unwrap_or(i64::MAX);
        let peak = self.peak.map_or(0, |(_, depth)| depth);
        (tokens.saturating_add(come).min(depth), state.second.saturating_add(come).min(peak))
    }
}

impl Policer for Police {
    fn fresh(&self, time_ns: i64) -> State {
        let depth = self.rate.map_or(0, |(_, depth)| depth);
        let peak = self.peak.map_or(0, |(_, depth)| depth);
        State { second: peak, ..State::new(time_ns, u128::from(depth.unsigned_abs())) }
    }

    /// An exceeding packet does not even move the time on, which is the same in the end.
    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        let header = u64::from(ETHERNET_BYTES);
        let framed = packet.bytes.saturating_add(header);
        if framed > u64::from(self.mtu) {
            return false;
        }
        let Some((cost, _)) = self.rate else { return true };
        let bytes = if self.hook == Hook::Egress { framed } else { packet.bytes };
        let (tokens, peak) = self.tokens_at(state, packet.time_ns);
        let tokens = tokens.saturating_sub(cost.of(self.counts.pick(packet.packets, bytes)));
        let peak = peak.saturating_sub(self.peak.map_or(0, |(cost, _)| cost.of(bytes)));
        if tokens < 0 || peak < 0 {
            return false;
        }
        state.advance(packet.time_ns);
        (state.tokens, state.second) = (u128::from(tokens.unsigned_abs()), peak);
        true
    }

    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool {
        let full = (self.rate.map_or(0, |(_, depth)| depth), self.peak.map_or(0, |(_, d)| d));
        self.tokens_at(state, time_ns) == full
    }

    /// The peak rate, the `mtu` and the Ethernet header are not in it.
    fn shape(&self) -> Shape {
        let Some((Cost { mult, shift }, depth)) = self.rate else {
            return Shape::unlimited(self.counts);
        };
        if mult == 0 {
            return Shape::unlimited(self.counts);
        }
        let capacity = u128::from(depth.unsigned_abs()) << shift;
        Shape::from_parts(self.counts, 1 << shift, u128::from(mult), capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 30 packets of a length at one moment conform.
    fn passed(settings: Settings, hook: Hook, bytes: u64) -> usize {
        let policer = Police::new(settings, hook).expect("a policer that loads");
        let mut state = policer.fresh(0);
        let packet = Packet { time_ns: 0, packets: 1, bytes };
        (0..30).filter(|_| policer.conforms(&mut state, packet)).count()
    }

    #[test]
    fn lengths_are_those_of_the_hook() {
        let settings = Settings { rate: Some((1_000, 1_000)), ..Settings::default() };
        assert_eq!(passed(settings, Hook::Ingress, 84), 11);
        assert_eq!(passed(settings, Hook::Egress, 84), 10);
    }

    #[test]
    fn packets_longer_than_the_mtu_never_conform() {
        let settings = Settings { rate: Some((1_000, 30_000)), ..Settings::default() };
        assert_eq!(passed(settings, Hook::Ingress, 2_026), 14);
        assert_eq!(passed(settings, Hook::Ingress, 2_027), 0);
        let settings = Settings { mtu: Some(98), ..Settings::default() };
        assert_eq!(passed(settings, Hook::Ingress, 84), 30);
        assert_eq!(passed(settings, Hook::Ingress, 85), 0);
    }

    #[test]
    fn a_peak_rate_holds_one_mtu() {
        let rate = Some((1_000, 30_000));
        let settings =
            Settings { rate, peakrate: Some(2_000), mtu: Some(200), ..Settings::default() };
        assert_eq!(passed(settings, Hook::Ingress, 84), 2);
    }

    #[test]
    fn packets_count_by_themselves() {
        let settings = Settings { pkts_rate: Some((1, 7)), ..Settings::default() };
        assert_eq!(passed(settings, Hook::Ingress, 84), 7);
        let both = Settings { rate: Some((1, 1)), ..settings };
        assert_eq!(Police::new(both, Hook::Ingress), Err(LimitError::TwoRates));
    }
}
