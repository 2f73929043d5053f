//! The values of options: addresses with masks, ports, flags, numbers.

use std::net::IpAddr;

use super::spec::Setting;
use crate::model::{Address, AddressRange, AddressSet, Diagnostic, Family, NumberSet};
use crate::words;

/// A mask with holes stands for several prefixes, at most so many.
const MOST_PIECES: u32 = 4_096;

/// Makes the error for a value that is none.
pub(super) fn bad(setting: &Setting<'_>, at: usize, is: &str, help: &str) -> Diagnostic {
    let text = setting.value(at).escape_debug();
    Diagnostic::error(setting.place(at), format!("`{text}` {is}"))
        .label(format!("a value of `--{}`", setting.name))
        .help(help)
}

/// Returns a number, decimal or hexadecimal.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None if text.starts_with('+') => None,
        // A leading zero is octal there, and has surprised people before.
        None if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

/// Returns a number up to a greatest one.
pub(super) fn number(setting: &Setting<'_>, at: usize, greatest: u64) -> Result<u64, Diagnostic> {
    parse_number(setting.value(at)).filter(|number| *number <= greatest).ok_or_else(|| {
        bad(setting, at, "is no number here", &format!("write a number up to {greatest}"))
    })
}

/// Returns a number or a range.
pub(super) fn range(
    setting: &Setting<'_>,
    between: char,
    greatest: u64,
) -> Result<(u64, u64), Diagnostic> {
    let text = setting.value(0);
    let number = |text: &str, or: u64| match text {
        "" => Some(or),
        text => parse_number(text).filter(|number| *number <= greatest),
    };
    let read = match text.split_once(between) {
        Some((first, last)) => number(first, 0).zip(number(last, greatest)),
        None if text.is_empty() => None,
        None => number(text, 0).map(|one| (one, one)),
    };
    read.filter(|(first, last)| first <= last).ok_or_else(|| {
        let help = format!("write a number or `FIRST{between}LAST`, up to {greatest}");
        bad(setting, 0, "is no range", &help)
    })
}

//------------ Ports ----------------------------------------------------------------

fn port(text: &str) -> Option<u64> {
    if let Some(number) = parse_number(text) {
        return Some(number).filter(|number| *number <= 65_535);
    }
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    words::port(text).ok().map(|(first, _)| first)
}

/// Returns the ports of an option: one or a range, or a list of such.
pub(super) fn ports(setting: &Setting<'_>, is_list: bool) -> Result<NumberSet, Diagnostic> {
    let text = setting.value(0);
    let one = |text: &str| {
        let range = match text.split_once(':') {
            Some((first, last)) => {
                let first = if first.is_empty() { Some(0) } else { port(first) };
                let last = if last.is_empty() { Some(65_535) } else { port(last) };
                first.zip(last)
            }
            None => port(text).map(|port| (port, port)),
        };
        range.filter(|(first, last)| first <= last)
    };
    let ranges: Option<Vec<(u64, u64)>> =
        if is_list { text.split(',').map(one).collect() } else { one(text).map(|one| vec![one]) };
    let Some(ranges) = ranges else {
        let help = if is_list {
            "write up to 15 ports or ranges, such as `80,443,8000:8080`"
        } else {
            "write a port up to 65535, its name, or `FIRST:LAST`; for a list write `-m multiport \
             --dports`"
        };
        return Err(bad(setting, 0, "is no port", help));
    };
    // A range takes the room of two.
    let room: usize = ranges.iter().map(|(first, last)| if first == last { 1 } else { 2 }).sum();
    if is_list && room > 15 {
        return Err(bad(
            setting,
            0,
            "are too many ports",
            "15 fit, a range takes two; iptables refuses more",
        ));
    }
    Ok(NumberSet::new(ranges))
}

/// Returns flags of TCP as bits.
pub(super) fn flags(setting: &Setting<'_>, at: usize) -> Result<u8, Diagnostic> {
    let mut bits = 0;
    for word in setting.value(at).split(',') {
        bits |= match word.to_ascii_uppercase().as_str() {
            "FIN" => 1,
            "SYN" => 2,
            "RST" => 4,
            "PSH" => 8,
            "ACK" => 16,
            "URG" => 32,
            "ALL" => 63,
            "NONE" => 0,
            _ => {
                return Err(bad(
                    setting,
                    at,
                    "are no TCP flags",
                    "write `--tcp-flags SYN,ACK,FIN,RST SYN`; also PSH, URG, ALL and NONE",
                ));
            }
        };
    }
    Ok(bits)
}

//------------ Addresses -------------------------------------------------------------

fn address(text: &str, family: Family) -> Option<Address> {
    let address: Address = text.parse::<IpAddr>().ok()?.into();
    (address.family == family).then_some(address)
}

/// Returns the addresses of `-s` or `-d`; none if a mask has too many holes.
pub(super) fn addresses(
    setting: &Setting<'_>,
    family: Family,
) -> Result<Option<AddressSet>, Diagnostic> {
    let mut ranges = Vec::new();
    for part in setting.value(0).split(',') {
        let (start, mask) = match part.split_once('/') {
            Some((start, mask)) => (start, Some(mask)),
            None => (part, None),
        };
        let wrong = || {
            let other = if family == Family::V4 { Family::V6 } else { Family::V4 };
            let version = if family == Family::V4 { "IPv4" } else { "IPv6" };
            let help = if address(start, other).is_some() {
                format!("this file is for {version}; the other family has a file of its own")
            } else {
                format!(
                    "write an {version} address, with `/LENGTH` or a mask; names are not looked up"
                )
            };
            bad(setting, 0, &format!("is no {version} address"), &help)
        };
        let start = address(start, family).ok_or_else(wrong)?;
        let mask = match mask {
            None => family.max(),
            Some(mask) => match mask.parse::<u8>() {
                // A zero in front makes it octal, there.
                Ok(_) if mask.len() > 1 && mask.starts_with('0') => return Err(wrong()),
                Ok(length) if length <= family.bits() => {
                    family.max() & !crate::model::prefix::host_mask(family, length)
                }
                Ok(_) => return Err(wrong()),
                Err(_) => address(mask, family).ok_or_else(wrong)?.bits,
            },
        };
        let Some(pieces) = pieces(start.bits, mask, family) else { return Ok(None) };
        ranges.extend(pieces);
    }
    Ok(Some(AddressSet::new(ranges)))
}

/// Returns the ranges of a mask, which may have holes; none if there are too many.
fn pieces(bits: u128, mask: u128, family: Family) -> Option<Vec<AddressRange>> {
    let free = !mask & family.max();
    // What is free at the low end makes a range; other free bits make several.
    let low = free.trailing_ones();
    let span = if low >= 128 { u128::MAX } else { (1 << low) - 1 };
    let holes = free & !span;
    let count = holes.count_ones();
    if count > MOST_PIECES.ilog2() {
        return None;
    }
    let base = bits & mask;
    let mut ranges = Vec::new();
    let mut chosen = 0u128;
    loop {
        let first = base | chosen;
        ranges.push(AddressRange { family, first, last: first | span });
        // The next choice of the free bits.
        chosen = chosen.wrapping_sub(holes) & holes;
        if chosen == 0 {
            return Some(ranges);
        }
    }
}

/// Returns the range of `-m iprange`.
pub(super) fn address_range(
    setting: &Setting<'_>,
    family: Family,
) -> Result<AddressRange, Diagnostic> {
    let text = setting.value(0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = address(first, family).zip(address(last, family));
    let range = range.filter(|(first, last)| first.bits <= last.bits);
    range
        .map(|(first, last)| AddressRange { family, first: first.bits, last: last.bits })
        .ok_or_else(|| bad(setting, 0, "is no range of addresses", "write `192.0.2.1-192.0.2.9`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mask_with_holes_holds_what_the_kernel_compares(
            bits in any::<u32>(), mask in any::<u32>(), other in any::<u32>(),
        ) {
            let mask = mask | 0xfffff;
            let ranges = pieces(bits.into(), mask.into(), Family::V4).expect("few holes");
            let set = AddressSet::new(ranges);
            for other in [other, bits, bits ^ (other & !mask), bits ^ 1] {
                let address = Address { family: Family::V4, bits: other.into() };
                prop_assert_eq!(set.contains(address), other & mask == bits & mask);
            }
        }
    }

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        assert_eq!(parse_number("0x1f"), Some(31));
        assert_eq!(parse_number("010"), Some(8));
        assert_eq!(parse_number("0"), Some(0));
        assert_eq!(parse_number("08"), None);
        assert_eq!(parse_number("+1"), None);
        assert_eq!(parse_number(""), None);
    }
}
