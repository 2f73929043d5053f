//! What the text of a cell means: numbers, addresses, protocols, flags, times.

use std::net::IpAddr;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::Unit;
use crate::model::Address;
use crate::model::columns::TimeUnit;
use crate::words;

/// Returns a whole number.
pub(in crate::traffic) fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

/// Returns an address; IPv4 in IPv6 clothes is IPv4.
pub(super) fn address(text: &str) -> Option<Address> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical().into())
}

/// Returns a protocol by number or name; none if no protocol that is known has the name.
pub(super) fn protocol(text: &str) -> Option<u8> {
    if let Some(number) = number(text) {
        return u8::try_from(number).ok();
    }
    let lower = text.to_ascii_lowercase();
    let name = match lower.as_str() {
        "icmp6" | "ipv6-icmp" | "icmpv6" => return Some(58),
        "ipip" | "ipencap" => return Some(4),
        other => other,
    };
    match words::protocol(name) {
        Ok((from, to)) if from == to => u8::try_from(from).ok(),
        _ => None,
    }
}

/// Returns whether a filter had dropped what is recorded; none if nobody knows the word. A number is
/// a forwarding status (RFC 7270 section 4.12): its two highest bits, or they alone.
pub(super) fn was_dropped(text: &str) -> Option<bool> {
    if let Some(number) = number(text) {
        let status = u8::try_from(number).ok()?;
        return Some((if status < 4 { status } else { status >> 6 }) == 2);
    }
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["reject", "rejected", "drop", "deny", "denied", "block", "blocked"]) {
        return Some(true);
    }
    if is(&["accept", "accepted", "pass", "passed", "allow", "allowed", "permit"]) {
        return Some(false);
    }
    // The status of RFC 7270 may have its reason behind it, as in `DROPPED ACL Deny`.
    let status = text.split_whitespace().next().unwrap_or(text).to_ascii_lowercase();
    match status.as_str() {
        "dropped" => Some(true),
        "forwarded" | "consumed" | "unknown" => Some(false),
        _ => None,
    }
}

const FLAGS: &[(&str, char, u8)] = &[
    ("FIN", 'F', 1),
    ("SYN", 'S', 2),
    ("RST", 'R', 4),
    ("PSH", 'P', 8),
    ("ACK", 'A', 16),
    ("URG", 'U', 32),
    ("ECE", 'E', 64),
    ("CWR", 'C', 128),
];

/// Returns TCP flags: a number, `0x1b`, `...AP.SF`, or names with anything between them.
pub(super) fn flags_of(text: &str) -> Option<u8> {
    if let Some(number) = number(text) {
        // Beyond eight bits are those that nobody uses.
        return u16::try_from(number).ok().filter(|flags| *flags < 512).map(|flags| flags as u8);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return u8::from_str_radix(hex, 16).ok();
    }
    let is_letter = |c: char| c == '.' || FLAGS.iter().any(|(_, letter, _)| *letter == c);
    if text.len() <= 8 && text.chars().all(is_letter) {
        let letters = FLAGS.iter().filter(|(_, letter, _)| text.contains(*letter));
        return Some(letters.map(|(_, _, bit)| bit).sum());
    }
    let mut flags = 0;
    for name in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|name| !name.is_empty()) {
        let (_, _, bit) = FLAGS.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name))?;
        flags |= bit;
    }
    Some(flags)
}

/// Returns the ICMP type and code that stand where the destination port would: `8.0`, or type · 256 +
/// code. Zero may be an echo reply, or nothing.
pub(in crate::traffic) fn icmp_of_port(text: &str) -> Option<(u8, u8)> {
    if let Some((kind, code)) = text.split_once('.') {
        return Some((kind.parse().ok()?, code.parse().ok()?));
    }
    let [kind, code] = u16::try_from(number(text)?).ok()?.to_be_bytes();
    (kind != 0 || code != 0).then_some((kind, code))
}

//------------ Times -----------------------------------------------------------

/// Why a time cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTime {
    /// It is none.
    Bad,
    /// It is a number, and nobody says of what.
    NoUnit,
    /// It is local, and nobody says where.
    NoZone,
}

const SECOND_NS: i64 = 1_000_000_000;

/// Returns from when to when a time may be, in nanoseconds since 1970; zero is none.
pub(super) fn time(
    text: &str,
    unit: Unit,
    zone: Option<&TimeZone>,
) -> Result<Option<(i64, i64)>, NoTime> {
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let decimals = text.contains('.');
        let unit_ns = match unit {
            Unit::Of(TimeUnit::Seconds) => SECOND_NS,
            Unit::Of(TimeUnit::Milliseconds) => 1_000_000,
            Unit::Of(TimeUnit::Microseconds) => 1_000,
            Unit::Of(TimeUnit::Nanoseconds) => 1,
            Unit::BySize if decimals => SECOND_NS,
            Unit::BySize => match number(text).ok_or(NoTime::Bad)? {
                0..100_000_000_000 => SECOND_NS,
                100_000_000_000..100_000_000_000_000 => 1_000_000,
                100_000_000_000_000..100_000_000_000_000_000 => 1_000,
                _ => 1,
            },
            Unit::Of(TimeUnit::Text) | Unit::Unsaid => return Err(NoTime::NoUnit),
        };
        let (from_ns, exact_ns) = decimal(text, unit_ns).ok_or(NoTime::Bad)?;
        if from_ns == 0 {
            return Ok(None);
        }
        let to_ns = if unit_ns == 1 { from_ns } else { from_ns.saturating_add(exact_ns) };
        return Ok(Some((from_ns, to_ns)));
    }
    written(text, zone).map(Some)
}

/// Returns a number of units in nanoseconds, and how much its last digit is worth.
pub(super) fn decimal(text: &str, unit_ns: i64) -> Option<(i64, i64)> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.is_empty() || number(text).is_some();
    let part = part.get(..part.len().min(18))?;
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let scale = 10_i128.checked_pow(part.len() as u32)?;
    let whole = i128::from(number(whole)?);
    let part = i128::from(number(part).unwrap_or(0));
    let unit = i128::from(unit_ns);
    let ns = whole.checked_mul(unit)?.checked_add(part.checked_mul(unit)? / scale)?;
    // Years beyond 2262 do not fit.
    Some((i64::try_from(ns).ok()?, i64::try_from(unit / scale).ok()?.max(1)))
}

/// Reads a date and a time, with a zone or without.
fn written(text: &str, zone: Option<&TimeZone>) -> Result<(i64, i64), NoTime> {
    let bytes = text.as_bytes();
    let digits = |from: usize, count: usize| -> Option<i16> {
        text.get(from..from + count).and_then(number).map(|number| number as i16)
    };
    let is_at = |at: usize, of: &[u8]| bytes.get(at).is_some_and(|byte| of.contains(byte));
    let is_shaped =
        is_at(4, b"-") && is_at(7, b"-") && is_at(10, b" Tt") && is_at(13, b":") && is_at(16, b":");
    if !is_shaped {
        return Err(NoTime::Bad);
    }
    let part = |from, count| digits(from, count).ok_or(NoTime::Bad);
    let small = |from| part(from, 2).map(|number| number as i8);
    let civil = (part(0, 4)?, [small(5)?, small(8)?, small(11)?, small(14)?, small(17)?]);
    let (year, [month, day, hour, minute, second]) = civil;
    let civil =
        DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| NoTime::Bad)?;
    let rest = text.get(19..).ok_or(NoTime::Bad)?;
    let (fraction, rest) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => {
            let end = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
            rest.split_at_checked(end).ok_or(NoTime::Bad)?
        }
        None => ("", rest),
    };
    let (part_ns, exact_ns) = match fraction {
        "" => (0, SECOND_NS),
        fraction => decimal(&format!("0.{fraction}"), SECOND_NS).ok_or(NoTime::Bad)?,
    };
    let whole = |seconds: i64| seconds.checked_mul(SECOND_NS).ok_or(NoTime::Bad);
    let (first, last) = match (offset(rest.trim())?, zone) {
        (Some(offset), _) => {
            let time = offset.to_timestamp(civil).map_err(|_| NoTime::Bad)?;
            (time, time)
        }
        (None, Some(zone)) => {
            // An hour that the clocks have twice is either of the two.
            let times = zone.to_ambiguous_timestamp(civil);
            (times.earlier().map_err(|_| NoTime::Bad)?, times.later().map_err(|_| NoTime::Bad)?)
        }
        (None, None) => return Err(NoTime::NoZone),
    };
    let from_ns = whole(first.as_second())?.saturating_add(part_ns);
    let to_ns = whole(last.as_second())?.saturating_add(part_ns).saturating_add(exact_ns);
    Ok((from_ns.min(to_ns), to_ns.max(from_ns)))
}

/// Reads `Z`, `+02:00`, `+0200` or `+02`; nothing is no offset.
fn offset(text: &str) -> Result<Option<Offset>, NoTime> {
    let sign = match text.as_bytes().first() {
        None => return Ok(None),
        Some(b'Z' | b'z') if text.len() == 1 => return Ok(Some(Offset::UTC)),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) if text == "UTC" => return Ok(Some(Offset::UTC)),
        Some(_) => return Err(NoTime::Bad),
    };
    let digits: String = text.chars().skip(1).filter(|c| *c != ':').collect();
    let number = |from: usize| digits.get(from..from + 2).and_then(number);
    let (hours, minutes) = match digits.len() {
        2 => (number(0), Some(0)),
        4 => (number(0), number(2)),
        _ => (None, None),
    };
    let (Some(hours @ 0..=25), Some(minutes @ 0..=59)) = (hours, minutes) else {
        return Err(NoTime::Bad);
    };
    let seconds = sign * (hours * 3_600 + minutes * 60) as i32;
    Offset::from_seconds(seconds).map(Some).map_err(|_| NoTime::Bad)
}
