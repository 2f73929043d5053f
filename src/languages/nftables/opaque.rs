//! The words of conditions on what nobody records: nft(8) refuses others.

use super::refusal::{Checked, refused, words_of};
use super::tree::Expr;
use crate::model::Location;

/// Keys of connections, behind a direction and a family.
const CONNECTION: &[&str] = &[
    "state",
    "direction",
    "status",
    "mark",
    "expiration",
    "helper",
    "label",
    "count",
    "id",
    "zone",
    "l3proto",
    "protocol",
    "bytes",
    "packets",
    "avgpkt",
    "saddr",
    "daddr",
    "proto-src",
    "proto-dst",
    "secmark",
    "event",
];

/// What routes are looked up by, and what is asked of them.
const ROUTE_KEYS: &[&str] = &["saddr", "daddr", "mark", "iif", "oif"];
const ROUTE_RESULTS: &[&str] = &["oif", "oifname", "type"];

const ROUTE_TYPES: &[&str] = &[
    "unspec",
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
];

/// Fields with their values, which may be numbers as well.
const VALUES: &[(&str, &[&str])] = &[
    ("ct direction", &["original", "reply"]),
    ("ct status", &["expected", "seen-reply", "assured", "confirmed", "snat", "dnat", "dying"]),
    ("meta pkttype", &["unicast", "broadcast", "multicast", "other", "host"]),
    ("meta day", &["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]),
    ("fib", ROUTE_TYPES),
];

/// Options of IPv4.
const OPTIONS: &[&str] = &["lsrr", "ra", "rr", "ssrr"];

/// Checks a field of which no record holds anything, and what it is compared with.
pub(super) fn check(field: &str, right: &Expr, location: Location) -> Checked {
    let no_field = |word: &str, known: &[&str]| {
        let message = format!("`{word}` is not known in `{field}`");
        let help = format!("write one of: {}", known.join(", "));
        Err(refused(location, message, "nft refuses this", &help))
    };
    let mut words: Vec<&str> = field.split([' ', '.']).filter(|word| !word.is_empty()).collect();
    let first = words.first().copied().unwrap_or_default();
    let last = words.last().copied().unwrap_or_default();
    match first {
        "ct" if !CONNECTION.contains(&last) => return no_field(last, CONNECTION),
        "fib" => {
            if !ROUTE_RESULTS.contains(&last) {
                return no_field(last, ROUTE_RESULTS);
            }
            words.pop();
            if let Some(word) = words[1..].iter().find(|word| !ROUTE_KEYS.contains(word)) {
                return no_field(word, ROUTE_KEYS);
            }
            if last != "type" {
                return Ok(());
            }
        }
        "ip" if words.get(1) == Some(&"option") => {
            let name = words.get(2).copied().unwrap_or_default();
            if !OPTIONS.contains(&name) && name.parse::<u8>().is_err() {
                return no_field(name, OPTIONS);
            }
        }
        "numgen" | "jhash" | "symhash" if words.windows(2).any(|pair| pair == ["mod", "0"]) => {
            let message = "nothing is left of a number modulo 0".to_owned();
            return Err(refused(location, message, "nft refuses this", "write a greater number"));
        }
        _ => {}
    }
    let mut values = Vec::new();
    words_of(right, &mut values);
    let is_number =
        |word: &str| word.bytes().all(|byte| byte.is_ascii_digit()) || word.starts_with("0x");
    let own = if first == "fib" { "fib" } else { field };
    if let Some((_, known)) = VALUES.iter().find(|(name, _)| *name == own)
        && let Some(wrong) = values
            .iter()
            .find(|word| !is_number(word) && !known.contains(&word.to_ascii_lowercase().as_str()))
    {
        return no_field(wrong, known);
    }
    let is_wrong = |word: &&&str| match field {
        "meta mark" | "ct mark" => is_beyond(word),
        "meta hour" => !is_hour(word),
        _ => false,
    };
    match values.iter().find(is_wrong) {
        None => Ok(()),
        Some(wrong) => {
            let message = format!("`{wrong}` is no value of `{field}`");
            Err(refused(location, message, "nft refuses this", "write a value that it can have"))
        }
    }
}

/// Returns whether a number is beyond 32 bits.
pub(super) fn is_beyond(word: &str) -> bool {
    let number = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(word.parse().unwrap_or(u64::MAX))
        }
        None => None,
    };
    number.is_some_and(|number| number > u64::from(u32::MAX))
}

/// Returns whether a word is a time of the day, `17:30` or `17:30:15`, or seconds.
fn is_hour(word: &str) -> bool {
    let parts: Vec<Option<u32>> = word.split(':').map(|part| part.parse().ok()).collect();
    match parts.as_slice() {
        [Some(seconds)] => *seconds < 86_400,
        [Some(hour), Some(minute)] => *hour < 24 && *minute < 60,
        [Some(hour), Some(minute), Some(second)] => *hour < 24 && *minute < 60 && *second < 60,
        _ => false,
    }
}
