//! Lists of prefixes with exceptions: the longest prefix that holds an address decides.

use std::net::IpAddr;

use crate::model::{Address, AddressRange, AddressSet, Family, Prefix};

/// Takes the addresses from one to another, by the prefixes that are open around them: the last
/// address of each, and whether it is an `except`.
type Take<'t> = dyn FnMut(&[(u128, bool)], u128, u128) + 't;

/// A prefix and whether it is an exception.
pub(super) type Entry = (Prefix, bool);

/// Reads a prefix; without a length it is an address. None for anything else, such as masks with
/// holes.
pub(super) fn prefix(text: &str) -> Option<Prefix> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: Address = address.parse::<IpAddr>().ok()?.into();
    let most = address.family.bits();
    let length = match length {
        None => most,
        Some(length) => match length.parse::<u8>() {
            Ok(length) if length <= most => length,
            // `10.0.0.0/255.0.0.0` says the same as `/8`.
            _ => {
                let IpAddr::V4(mask) = length.parse().ok()? else { return None };
                let mask = u32::from(mask);
                (mask.count_zeros() == mask.trailing_zeros()).then_some(mask.count_ones() as u8)?
            }
        },
    };
    Some(Prefix::new(address, length))
}

/// Returns the addresses that a list takes. Of a prefix that stands there both ways the exception
/// holds.
pub(super) fn set(mut entries: Vec<Entry>) -> AddressSet {
    // Enclosing prefixes come first, and exceptions before what they take away.
    entries.sort_unstable_by_key(|(prefix, except)| {
        (prefix.family, prefix.bits, prefix.length, !*except)
    });
    entries.dedup_by_key(|(prefix, _)| *prefix);
    let mut ranges = Vec::new();
    for family in [Family::V4, Family::V6] {
        // The prefixes around the place reached, from wide to narrow, and what is next.
        let mut open: Vec<(u128, bool)> = Vec::new();
        let mut next = 0u128;
        let mut take = |open: &[(u128, bool)], first: u128, last: u128| {
            if open.last().is_some_and(|(_, except)| !except) && first <= last {
                ranges.push(AddressRange { family, first, last });
            }
        };
        let close = |open: &mut Vec<(u128, bool)>,
                     next: &mut u128,
                     before: Option<u128>,
                     take: &mut Take<'_>| {
            while let Some((last, _)) = open.last().copied() {
                if before.is_some_and(|start| last >= start) {
                    break;
                }
                take(open, *next, last);
                *next = last.saturating_add(1).max(*next);
                open.pop();
                // Nothing follows the last address.
                if last == family.max() {
                    open.clear();
                }
            }
        };
        for (prefix, except) in entries.iter().filter(|(prefix, _)| prefix.family == family) {
            let AddressRange { first, last, .. } = prefix.range();
            close(&mut open, &mut next, Some(first), &mut take);
            if first > 0 && first > next {
                take(&open, next, first - 1);
            }
            next = first;
            open.push((last, *except));
        }
        close(&mut open, &mut next, None, &mut take);
    }
    AddressSet::new(ranges)
}
