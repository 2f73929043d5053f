//! What the text of a cell means: numbers, addresses, protocols, flags, times.

use std::fmt::Write;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::{Unit, swar};
use crate::model::columns::TimeUnit;
use crate::model::{Address, Family};
use crate::words;

/// Returns a whole number, which may have a point and zeroes behind it: so pandas writes columns in
/// which a number is missing.
#[inline]
pub(super) fn whole(text: &str) -> Option<u64> {
    number(text).or_else(|| {
        let (whole, zeroes) = text.split_once('.')?;
        (!zeroes.is_empty() && zeroes.bytes().all(|byte| byte == b'0')).then(|| number(whole))?
    })
}

/// Returns a whole number.
#[inline]
pub(super) fn number(text: &str) -> Option<u64> {
    match text.as_bytes() {
        [] => None,
        short if short.len() <= 8 => swar::number(short),
        long if long.len() <= 16 => {
            let (front, back) = long.split_at_checked(long.len() - 8)?;
            Some(swar::number(front)? * 100_000_000 + swar::number(back)?)
        }
        _ => any_number(text),
    }
}

/// Returns a whole number of any length.
pub(super) fn any_number(text: &str) -> Option<u64> {
    let mut number = 0_u64;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    (!text.is_empty()).then_some(number)
}

/// Returns an address; IPv4 in IPv6 clothes is IPv4.
#[inline]
pub(super) fn address(text: &str) -> Option<Address> {
    match swar::dotted(text.as_bytes()) {
        Some(bits) => Some(Address { family: Family::V4, bits: bits.into() }),
        None => any_address(text),
    }
}

/// Returns an address however it is written.
pub(super) fn any_address(text: &str) -> Option<Address> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical().into())
}

/// Returns an address of its octets.
#[inline]
pub(super) fn address_of(octets: [u8; 16]) -> Address {
    IpAddr::from(octets).to_canonical().into()
}

/// Returns a protocol by number or name; none if no protocol that is known has the name.
pub(super) fn protocol(text: &str) -> Option<u8> {
    if let Some(number) = whole(text) {
        return u8::try_from(number).ok();
    }
    match text {
        "TCP" | "tcp" => return Some(6),
        "UDP" | "udp" => return Some(17),
        "ICMP" | "icmp" => return Some(1),
        _ => {}
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
    if let Some(number) = whole(text) {
        return was_dropped_by(number);
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

/// Returns the same of a number.
pub(super) fn was_dropped_by(status: u64) -> Option<bool> {
    let status = u8::try_from(status).ok()?;
    Some((if status < 4 { status } else { status >> 6 }) == 2)
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
    if let Some(number) = whole(text) {
        return flags_of_number(number);
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

/// Returns TCP flags that are a number; beyond eight bits are those that nobody uses.
pub(super) fn flags_of_number(number: u64) -> Option<u8> {
    (number < 512).then_some(number as u8)
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

pub(super) const SECOND_NS: i64 = 1_000_000_000;

/// When something may have been, from and to, in nanoseconds since 1970; none if it says nothing.
pub(super) type When = Result<Option<(i64, i64)>, NoTime>;

/// Returns from when to when a time may be; zero is none.
pub(super) fn time(text: &str, unit: Unit, zone: Option<&TimeZone>) -> When {
    if let Some(number) = number(text) {
        return numbered(number, unit);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return written(text, zone).map(Some);
    }
    if !text.contains('.') {
        // Of a number that is too large, too, nobody says the unit.
        let has_none = matches!(unit, Unit::Of(TimeUnit::Text) | Unit::Unsaid);
        return Err(if has_none { NoTime::NoUnit } else { NoTime::Bad });
    }
    let unit_ns = match unit {
        Unit::BySize => SECOND_NS,
        Unit::Of(unit) => unit_ns(unit).ok_or(NoTime::NoUnit)?,
        Unit::Unsaid => return Err(NoTime::NoUnit),
    };
    let (from_ns, exact_ns) = decimal(text, unit_ns).ok_or(NoTime::Bad)?;
    Ok(wide(from_ns, exact_ns, unit_ns))
}

/// Returns from when to when a time may be that is a whole number.
#[inline]
pub(super) fn numbered(number: u64, unit: Unit) -> When {
    let unit_ns = match unit {
        Unit::Of(unit) => unit_ns(unit).ok_or(NoTime::NoUnit)?,
        Unit::BySize => match number {
            0..100_000_000_000 => SECOND_NS,
            100_000_000_000..100_000_000_000_000 => 1_000_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1_000,
            _ => 1,
        },
        Unit::Unsaid => return Err(NoTime::NoUnit),
    };
    // Years beyond 2262 do not fit.
    let from_ns = i64::try_from(number).ok().and_then(|number| number.checked_mul(unit_ns));
    Ok(wide(from_ns.ok_or(NoTime::Bad)?, unit_ns, unit_ns))
}

#[inline]
fn wide(from_ns: i64, exact_ns: i64, unit_ns: i64) -> Option<(i64, i64)> {
    let to_ns = if unit_ns == 1 { from_ns } else { from_ns.saturating_add(exact_ns) };
    (from_ns != 0).then_some((from_ns, to_ns))
}

#[inline]
fn unit_ns(unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Seconds => Some(SECOND_NS),
        TimeUnit::Milliseconds => Some(1_000_000),
        TimeUnit::Microseconds => Some(1_000),
        TimeUnit::Nanoseconds => Some(1),
        TimeUnit::Text => None,
    }
}

/// Returns from when to when a time of so many units since 1970 UTC may be: what [`written`] finds in
/// what [`write_time`] writes.
#[inline]
pub(super) fn counted(number: i64, unit_ns: i64) -> When {
    // At the ends of time its second must fit, and what is beyond is cut off.
    const ENDS_NS: i64 = i64::MAX - 2 * SECOND_NS;
    let from_ns = match number.checked_mul(unit_ns) {
        Some(ns) if (-ENDS_NS..ENDS_NS).contains(&ns) => ns,
        _ => {
            let ns = i128::from(number) * i128::from(unit_ns);
            let part = ns.rem_euclid(SECOND_NS.into());
            let whole = i64::try_from(ns - part).map_err(|_| NoTime::Bad)?;
            whole.saturating_add(i64::try_from(part).unwrap_or(0))
        }
    };
    Ok(Some((from_ns, from_ns.saturating_add(unit_ns))))
}

/// Writes a time, with as many decimals as its unit has.
pub(super) fn write_time(text: &mut String, number: i64, unit_ns: i64, is_utc: bool) {
    let decimals = match unit_ns {
        1_000_000 => 3,
        1_000 => 6,
        _ => 9,
    };
    let ns = i128::from(number) * i128::from(unit_ns);
    let Ok(time) = Timestamp::from_nanosecond(ns) else {
        text.push_str("out of range");
        return;
    };
    let _ = write!(text, "{time:.decimals$}");
    if !is_utc && text.ends_with('Z') {
        text.pop();
    }
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
pub(super) fn written(text: &str, zone: Option<&TimeZone>) -> Result<(i64, i64), NoTime> {
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
