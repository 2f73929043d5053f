//! Quantities where a mix-up costs money: rates, bursts, shares, sampling.

use std::fmt;
use std::str::FromStr;

/// What a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateUnit {
    /// Bits of IP packets (layer 3).
    Bits,
    /// Bytes of IP packets (layer 3).
    Bytes,
    /// Packets.
    Packets,
    /// Requests.
    Requests,
}

/// A rate as written: `amount` units every `per_ns` nanoseconds, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many units.
    pub amount: u64,
    /// Of what.
    pub unit: RateUnit,
    /// In how many nanoseconds; never zero.
    pub per_ns: u64,
}

impl Rate {
    /// Returns whether the rate counts bytes or bits rather than packets or requests.
    pub fn counts_bytes(self) -> bool {
        matches!(self.unit, RateUnit::Bits | RateUnit::Bytes)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            RateUnit::Bits => "bps",
            RateUnit::Bytes => "Bps",
            RateUnit::Packets => "pps",
            RateUnit::Requests => "rps",
        };
        let per_second = u128::from(self.amount) * 1_000_000_000;
        if per_second.is_multiple_of(u128::from(self.per_ns)) {
            write_scaled(f, per_second / u128::from(self.per_ns), unit)
        } else if (per_second * 1_000).is_multiple_of(u128::from(self.per_ns)) {
            let thousandths = per_second * 1_000 / u128::from(self.per_ns);
            let digits = format!("{:03}", thousandths % 1_000);
            write!(f, "{}.{} {unit}", thousandths / 1_000, digits.trim_end_matches('0'))
        } else {
            let what = match self.unit {
                RateUnit::Bits => "bits",
                RateUnit::Bytes => "bytes",
                RateUnit::Packets => "packets",
                RateUnit::Requests => "requests",
            };
            let (scale, unit) = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")]
                .into_iter()
                .find(|(scale, _)| self.per_ns.is_multiple_of(*scale))
                .unwrap_or((1, "ns"));
            write!(f, "{} {what} per {} {unit}", self.amount, self.per_ns / scale)
        }
    }
}

/// Writes a number with the largest decimal prefix that keeps it exact to three digits.
fn write_scaled(f: &mut fmt::Formatter<'_>, value: u128, unit: &str) -> fmt::Result {
    for (scale, prefix) in
        [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")]
    {
        if value >= scale {
            let whole = value / scale;
            let thousandths = value % scale / (scale / 1_000);
            if thousandths == 0 {
                return write!(f, "{whole} {prefix}{unit}");
            }
            let digits = format!("{thousandths:03}");
            return write!(f, "{whole}.{} {prefix}{unit}", digits.trim_end_matches('0'));
        }
    }
    write!(f, "{value} {unit}")
}

/// The depth of a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Burst {
    /// In packets (or requests).
    Packets(u64),
    /// In bytes of IP packets.
    Bytes(u64),
}

impl Burst {
    /// The least default depth in bytes: one packet of the usual size.
    const LEAST_BYTES: u64 = 1_500;

    /// Returns the depth where none is written: one second of a rate, rounded up, but at least one
    /// packet; nothing if that is beyond counting.
    pub fn default_of(rate: Rate) -> Option<Burst> {
        let per_second = u128::from(rate.amount) * 1_000_000_000;
        let parts = if rate.unit == RateUnit::Bits { 8 } else { 1 };
        let second = u64::try_from(per_second.div_ceil(u128::from(rate.per_ns) * parts)).ok()?;
        Some(if rate.counts_bytes() {
            Burst::Bytes(second.max(Burst::LEAST_BYTES))
        } else {
            Burst::Packets(second.max(1))
        })
    }
}

/// A share of something, in parts of a thousand million: `90%` is 900,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(pub u32);

impl Share {
    /// The whole.
    pub const ONE: u32 = 1_000_000_000;

    /// Returns whether `part` of `whole` is more than this share. Nothing of nothing is not.
    pub fn exceeded_by(self, part: u128, whole: u128) -> bool {
        part * u128::from(Share::ONE) > whole * u128::from(self.0)
    }

    /// Returns the share as a number from 0 to 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(Share::ONE)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = f64::from(self.0) / f64::from(Share::ONE / 100);
        write!(f, "{percent} %")
    }
}

/// One record stands for N packets (or flows) of the wire: 1 in N.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SamplingRate(pub u32);

impl SamplingRate {
    /// Everything was recorded.
    pub const UNSAMPLED: SamplingRate = SamplingRate(1);
}

/// What is said of how a recording was sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// One packet in so many was recorded.
    OneIn(SamplingRate),
    /// It was sampled and nobody knows at which rate, so nothing in it can be counted.
    Unknown,
}

impl FromStr for Sampling {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Sampling, &'static str> {
        if text == "unknown" {
            return Ok(Sampling::Unknown);
        }
        let rate = text.parse().ok().filter(|rate: &u32| *rate > 0);
        rate.map(|rate| Sampling::OneIn(SamplingRate(rate)))
            .ok_or("a whole number from 1 to 4294967295 (1 in so many was recorded), or `unknown`")
    }
}

/// Writes a share as people do: `100 %`, `0.4 %`, `less than 0.1 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.1 {
        return "less than 0.1 %".to_owned();
    }
    if (99.95..100.0).contains(&percent) {
        return "more than 99.9 %".to_owned();
    }
    let text = format!("{percent:.1}");
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

/// Writes an age in seconds as people do.
pub fn age_in_words(seconds: i64) -> String {
    let (count, unit) = match seconds.unsigned_abs() {
        seconds @ 0..120 => (seconds, "second"),
        seconds @ 120..7_200 => (seconds / 60, "minute"),
        seconds @ 7_200..172_800 => (seconds / 3_600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Writes a number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_show_as_operators_write_them() {
        let rate = |amount, unit| Rate { amount, unit, per_ns: 1_000_000_000 };
        assert_eq!(rate(200_000_000, RateUnit::Bits).to_string(), "200 Mbps");
        assert_eq!(rate(1_500_000, RateUnit::Bytes).to_string(), "1.5 MBps");
        assert_eq!(rate(5, RateUnit::Packets).to_string(), "5 pps");
        let slow = |amount, per_ns| Rate { amount, unit: RateUnit::Packets, per_ns }.to_string();
        assert_eq!(slow(61, 60_000_000_000), "61 packets per 60 s");
        assert_eq!(slow(1, 7_500_000), "1 packets per 7500 us");
    }

    #[test]
    fn a_share_is_exceeded_only_beyond_it() {
        let tenth = Share(100_000_000);
        assert!(!tenth.exceeded_by(10, 100));
        assert!(tenth.exceeded_by(11, 100));
        assert!(!Share(0).exceeded_by(0, 0));
    }

    #[test]
    fn shares_read_as_people_write_them() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.004), "0.4 %");
        assert_eq!(percent(0.000_01), "less than 0.1 %");
        assert_eq!(percent(0.999_99), "more than 99.9 %");
    }
}
