//! `-m limit` and `-m hashlimit` as rate limits.

use super::context::{Backend, Context};
use super::spec::{Setting, Use};
use super::values::{bad, number, parse_number};
use crate::model::{
    Algorithm, Burst, Diagnostic, Exceed, Family, KeyPart, Rate, RateLimit, RateUnit, Scope,
};

const SECOND_NS: u64 = 1_000_000_000;

/// A limit that a rule holds.
#[derive(Clone, Debug)]
pub(super) enum Limit {
    /// It matches what conforms.
    Within(RateLimit),
    /// It matches what exceeds.
    Above(RateLimit),
    /// It cannot be followed: it may match or not.
    Unknown(&'static str),
}

/// Units of a rate, each of which may be cut short.
const UNITS: &[(&str, u64)] = &[("second", 1), ("minute", 60), ("hour", 3_600), ("day", 86_400)];

/// Reads `10/minute`: packets, and the seconds of the unit.
fn packets(setting: &Setting<'_>) -> Result<(u64, u64), Diagnostic> {
    let text = setting.value(0);
    let help = "write `10/second`, `/minute`, `/hour` or `/day`";
    let wrong = || bad(setting, 0, "is no rate", help);
    let (count, unit_s) = match text.split_once('/') {
        Some((count, unit)) => {
            let unit = unit.to_ascii_lowercase();
            let known = UNITS.iter().find(|(name, _)| !unit.is_empty() && name.starts_with(&unit));
            (count, known.map(|(_, seconds)| *seconds).ok_or_else(wrong)?)
        }
        None => (text, 1),
    };
    let count = count.parse().ok().filter(|count| *count > 0 && *count <= u64::from(u32::MAX));
    Ok((count.ok_or_else(wrong)?, unit_s))
}

fn packet_limit(count: u64, unit_s: u64, burst: u64, algorithm: Algorithm) -> RateLimit {
    RateLimit {
        rate: Rate { amount: count, unit: RateUnit::Packets, per_ns: unit_s * SECOND_NS },
        burst: Burst::Packets(burst),
        burst_is_written: true,
        per: Vec::new(),
        scope: Scope::Router,
        bucket: None,
        exceed: Exceed::Drop,
        algorithm,
        timeout_ns: None,
        most_keys: None,
    }
}

//------------ limit -----------------------------------------------------------------

/// The precision of a rate as iptables-legacy hands it to the kernel (`XT_LIMIT_SCALE`).
const SCALE: u64 = 10_000;
/// Credits a second with the usual 250 ticks (net/netfilter/xt_limit.c).
const CREDITS: u32 = 250 * 128;

/// What iptables-legacy makes of a limit: the interval between packets in parts of [`SCALE`] of a
/// second, and how many packets its bucket holds, which may wrap; none if it refuses it.
fn legacy(count: u64, unit_s: u64, burst: u64) -> Option<(u64, u64)> {
    if count / unit_s > SCALE {
        return None;
    }
    let average = u32::try_from(SCALE * unit_s / count).ok()?;
    let burst = u32::try_from(burst).ok()?;
    let credits = |user: u32| {
        if user > u32::MAX / CREDITS {
            (user / 10_000).wrapping_mul(CREDITS)
        } else {
            user.wrapping_mul(CREDITS) / 10_000
        }
    };
    let (cap, cost) = (credits(average.wrapping_mul(burst)), credits(average));
    if cost == 0 || cap < cost {
        return None;
    }
    Some((u64::from(average), u64::from(cap / cost)))
}

/// Reads `-m limit`.
pub(super) fn limit(one: &Use<'_>, context: &Context<'_>) -> Result<Limit, Diagnostic> {
    if let Some(setting) = one.settings.iter().find(|setting| setting.negated) {
        return Err(Diagnostic::error(setting.location, "a limit cannot be negated")
            .label("a `!` before it")
            .help("write `-m hashlimit --hashlimit-above …` for what exceeds"));
    }
    let (count, unit_s) = match one.get("limit") {
        Some(setting) => packets(setting)?,
        None => (3, 3_600),
    };
    let burst = match one.get("limit-burst") {
        Some(setting) => number(setting, 0, 10_000)?,
        None => 5,
    };
    let place = one.get("limit").map_or(one.location, |setting| setting.location);
    if burst == 0 {
        return Err(Diagnostic::error(
            one.location,
            "a limit without a burst lets nothing through",
        )
        .label("a burst of 0")
        .help("write `--limit-burst 1` or more"));
    }
    let as_legacy = legacy(count, unit_s, burst);
    let nft = packet_limit(count, unit_s, burst, Algorithm::Nft);
    if context.backend == Backend::Nft {
        return Ok(Limit::Within(nft));
    }
    let Some((average, holds)) = as_legacy else {
        return Err(Diagnostic::error(place, "iptables-legacy refuses this limit")
            .label("its numbers overflow, or the rate is too high")
            .help("write a smaller burst or another rate; `--language iptables-nft` takes it"));
    };
    let legacy = RateLimit { algorithm: Algorithm::XtLimit, ..nft.clone() };
    if context.backend == Backend::Legacy {
        return Ok(Limit::Within(legacy));
    }
    // The worse of the two: the bucket that wraps, else the one that fills more slowly.
    let legacy_is_slower =
        u128::from(average) * u128::from(count) > u128::from(SCALE) * u128::from(unit_s);
    let is_worse = holds < burst || (legacy_is_slower && holds <= burst);
    Ok(Limit::Within(if is_worse { legacy } else { nft }))
}

//------------ hashlimit -------------------------------------------------------------

/// Reads `-m hashlimit`, and the table of its keys: a packet whose key has no room there is lost,
/// whatever the target of the rule (net/netfilter/xt_hashlimit.c).
pub(super) fn hashlimit(
    one: &Use<'_>,
    context: &Context<'_>,
) -> Result<(Limit, Option<RateLimit>), Diagnostic> {
    let upto = one.get("hashlimit-upto");
    let above = one.get("hashlimit-above");
    let (setting, is_above) = match (upto, above) {
        (Some(setting), None) => (setting, setting.negated),
        (None, Some(setting)) => (setting, !setting.negated),
        _ => {
            return Err(Diagnostic::error(one.location, "hashlimit needs one rate")
                .label("neither or both of `--hashlimit-upto` and `--hashlimit-above`")
                .help("write `--hashlimit-above 10/second`"));
        }
    };
    let Some(name) = one.get("hashlimit-name") else {
        return Err(Diagnostic::error(one.location, "hashlimit needs a name")
            .label("`--hashlimit-name` is missing")
            .help("write `--hashlimit-name NAME`; rules of one name share their counts"));
    };
    let expire_ms = match one.get("hashlimit-htable-expire") {
        Some(setting) => Some(number(setting, 0, u64::from(u32::MAX))?),
        None => None,
    };
    let algorithm = Algorithm::XtHashlimit { expire_ms };
    let text = setting.value(0);
    let lower = text.to_ascii_lowercase();
    let mut limit = match lower.strip_suffix("b/s").or_else(|| lower.strip_suffix("b/sec")) {
        Some(bytes) => byte_limit(one, setting, bytes, algorithm)?,
        None => {
            let (count, unit_s) = packets(setting)?;
            let burst = match one.get("hashlimit-burst") {
                Some(setting) => match number(setting, 0, 1_000_000)? {
                    0 => return Err(bad(setting, 0, "lets nothing through", "write 1 or more")),
                    burst => burst,
                },
                None => 5,
            };
            if packet_overflows(count, unit_s, burst) {
                return Err(Diagnostic::error(setting.location, "the kernel refuses this limit")
                    .label("its numbers overflow, or the rate is too high")
                    .help("write a smaller burst or a shorter unit"));
            }
            packet_limit(count, unit_s, burst, algorithm)
        }
    };
    limit.per = key(one, context.family)?;
    let shared = context.facts.tables.get(name.value(0)).filter(|shared| shared.rules > 1);
    // Where more keys than have room meet several rules, one of them meets its part of them.
    let room = match shared {
        Some(shared) => shared.room / shared.rules,
        None => room(one)?,
    };
    limit.most_keys = Some(room);
    // One key has room in every table.
    let table = Some(limit.clone()).filter(|limit| !limit.per.is_empty());
    let limit = if one.get("hashlimit-rate-match").is_some() {
        Limit::Unknown("`--hashlimit-rate-match` is not followed")
    } else if shared.is_some() {
        Limit::Unknown("several rules share the counts of this name")
    } else if is_above {
        Limit::Above(limit)
    } else {
        Limit::Within(limit)
    };
    Ok((limit, table))
}

/// Returns how many keys have room in the table.
pub(super) fn room(one: &Use<'_>) -> Result<u64, Diagnostic> {
    // Of a box with more than 1 GiB of memory.
    const DEFAULT_SIZE: u64 = 8_192;
    let read = |name: &str| match one.get(name) {
        Some(setting) => {
            number(setting, 0, u64::from(u32::MAX)).map(|room| Some(room).filter(|room| *room > 0))
        }
        None => Ok(None),
    };
    let size = read("hashlimit-htable-size")?.unwrap_or(DEFAULT_SIZE);
    Ok(read("hashlimit-htable-max")?.map_or(size.saturating_mul(8), |most| most.max(size)))
}

/// Returns whether the kernel refuses a limit in packets (net/netfilter/xt_hashlimit.c).
fn packet_overflows(count: u64, unit_s: u64, burst: u64) -> bool {
    const SCALE: u64 = 1_000_000;
    const HZ: u64 = 250;
    if count / unit_s > SCALE {
        return true;
    }
    let per_tick = 1u64 << (u64::MAX / (HZ * 86_400)).ilog2();
    let factor = HZ * per_tick / SCALE;
    let average = SCALE * unit_s / count;
    let cost = average.wrapping_mul(factor);
    let cap = average.wrapping_mul(burst).wrapping_mul(factor);
    cost == 0 || cap < cost
}

fn byte_limit(
    one: &Use<'_>,
    setting: &Setting<'_>,
    bytes: &str,
    algorithm: Algorithm,
) -> Result<RateLimit, Diagnostic> {
    let rate = size(bytes)
        .filter(|rate| *rate > 0 && *rate <= u64::from(u32::MAX))
        .ok_or_else(|| bad(setting, 0, "is no rate", "write `512kb/s` or `1mb/s`; k is 1,024"))?;
    let burst = match one.get("hashlimit-burst") {
        None => 0,
        Some(burst) => {
            let text = burst.value(0).to_ascii_lowercase();
            let text = text.strip_suffix('b').unwrap_or(&text);
            let read = size(text).filter(|bytes| *bytes <= u64::from(u32::MAX));
            let read = read.ok_or_else(|| {
                bad(burst, 0, "is no burst of bytes", "write `--hashlimit-burst 2mb`")
            })?;
            if read < rate {
                return Err(bad(
                    burst,
                    0,
                    "is less than a second of the rate",
                    "iptables refuses it: write at least as many bytes as pass in a second",
                ));
            }
            read
        }
    };
    Ok(RateLimit {
        rate: Rate { amount: rate, unit: RateUnit::Bytes, per_ns: SECOND_NS },
        burst: Burst::Bytes(burst),
        burst_is_written: true,
        per: Vec::new(),
        scope: Scope::Router,
        bucket: None,
        exceed: Exceed::Drop,
        algorithm,
        timeout_ns: None,
        most_keys: None,
    })
}

/// Reads `512k` or `1m`.
fn size(text: &str) -> Option<u64> {
    let (text, scale) = match text.chars().last() {
        Some('k') => (&text[..text.len() - 1], 1 << 10),
        Some('m') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    parse_number(text)?.checked_mul(scale)
}

fn key(one: &Use<'_>, family: Family) -> Result<Vec<KeyPart>, Diagnostic> {
    let mask = |name: &str| -> Result<u8, Diagnostic> {
        match one.get(name) {
            // The number fits: it is at most 128.
            Some(setting) => Ok(number(setting, 0, family.bits().into())? as u8),
            None => Ok(family.bits()),
        }
    };
    let lengths = |length: u8| match family {
        Family::V4 => (length, 128),
        Family::V6 => (32, length),
    };
    let Some(setting) = one.get("hashlimit-mode") else { return Ok(Vec::new()) };
    let mut parts = Vec::new();
    for mode in setting.value(0).split(',') {
        let part = match mode.to_ascii_lowercase().as_str() {
            "srcip" => {
                let (v4, v6) = lengths(mask("hashlimit-srcmask")?);
                KeyPart::Src { v4, v6 }
            }
            "dstip" => {
                let (v4, v6) = lengths(mask("hashlimit-dstmask")?);
                KeyPart::Dst { v4, v6 }
            }
            "srcport" => KeyPart::SrcPort,
            "dstport" => KeyPart::DstPort,
            "" => continue,
            _ => {
                return Err(bad(
                    setting,
                    0,
                    "is no mode",
                    "write a list of srcip, dstip, srcport and dstport",
                ));
            }
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.sort_unstable();
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_limits_wrap_and_are_refused_as_measured() {
        assert_eq!(legacy(1, 86_400, 3).map(|(_, holds)| holds), Some(1));
        assert_eq!(legacy(1, 86_400, 5), None);
        assert_eq!(legacy(3, 3_600, 5).map(|(_, holds)| holds), Some(5));
        assert_eq!(legacy(20_000, 1, 5), None);
    }

    #[test]
    fn sizes_are_of_1024() {
        assert_eq!(size("512k"), Some(524_288));
        assert_eq!(size("1m"), Some(1_048_576));
        assert_eq!(size("m"), None);
        assert_eq!(size(""), None);
    }
}
