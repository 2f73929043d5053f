//! Cases as conditions of nftables, and what must stand before them.
//!
//! The kernel reads the bytes of a later fragment as if they were a transport header, so a condition
//! on one needs the offset to be zero. That can be asked of IPv4. Of IPv6 only what *has* a fragment
//! header can be asked for it: such conditions stand behind a `return` for what they are not about.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::cases::{Case, DONT, Field, LATER, MORE, Parts, complement, parts, with_header};
use crate::languages::Path;
use crate::model::{Family, NumberSet};

/// Which packets must have returned before a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Behind {
    /// None need to.
    Nothing,
    /// Later fragments.
    Later,
    /// All fragments of IPv6.
    Fragments,
}

/// Conditions that must all hold, and what must stand before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) behind: Behind,
    pub(super) family: Option<Family>,
    /// Ends with a space, if there is any condition.
    pub(super) text: String,
}

impl Line {
    /// Returns the lines before which packets that are not meant return.
    pub(super) fn guards(from: Behind, to: Behind, only_v6: bool) -> Vec<&'static str> {
        let mut guards = Vec::new();
        if from < Behind::Later && to >= Behind::Later {
            if !only_v6 {
                guards.push("ip frag-off & 0x1fff != 0 return");
            }
            guards.push("frag frag-off != 0 return");
        }
        if from < Behind::Fragments && to >= Behind::Fragments {
            guards.push("frag more-fragments 1 return");
        }
        guards
    }
}

/// Returns the lines of which any holds just when the case does, seen on a path.
pub(super) fn of(case: &Case, path: Path) -> Vec<Line> {
    let open = [u8::MAX, with_header()];
    let is_split = !open.contains(&case.parts)
        || case.get(Field::Dscp).is_some()
        || case.get(Field::Ttl).is_some();
    match case.family {
        None if is_split => {
            let both = [Family::V4, Family::V6].into_iter();
            both.filter_map(|family| case.among(family)).flat_map(|case| of(&case, path)).collect()
        }
        None => {
            let behind = if case.parts == u8::MAX { Behind::Nothing } else { Behind::Later };
            line(case, behind, "", path).into_iter().collect()
        }
        Some(Family::V4) => {
            let all = v4_parts(case.parts).into_iter();
            all.filter_map(|text| line(case, Behind::Nothing, &text, path)).collect()
        }
        Some(Family::V6) => {
            let all = v6_parts(case.parts).into_iter();
            all.filter_map(|(behind, text)| line(case, behind, text, path)).collect()
        }
    }
}

fn line(case: &Case, behind: Behind, fragment: &str, path: Path) -> Option<Line> {
    let mut text = String::new();
    let mut put = |words: &str| {
        text.push_str(words);
        text.push(' ');
    };
    let (ip, ttl) = match case.family {
        Some(Family::V6) => ("ip6", "ip6 hoplimit"),
        _ => ("ip", "ip ttl"),
    };
    for (set, field) in [(&case.src, "saddr"), (&case.dst, "daddr")] {
        if let (Some(set), Some(family)) = (set, case.family) {
            let write = |range: (u128, u128)| address(family, range);
            let condition = condition(set.ranges(family), family.max(), Kind::Address, &write);
            put(&format!("{ip} {field} {condition}"));
        }
    }
    if !fragment.is_empty() {
        put(fragment);
    }
    let dscp = case.get(Field::Dscp);
    let seen = case.get(Field::Ttl).map(|set| seen_ttl(set, path));
    let names_family = case.src.is_some()
        || case.dst.is_some()
        || !fragment.is_empty()
        || dscp.is_some()
        || seen.is_some();
    if let (Some(family), false) = (case.family, names_family) {
        put(if family == Family::V4 { "meta nfproto ipv4" } else { "meta nfproto ipv6" });
    }
    let transport = put_protocol(case, &mut put);
    let icmp = if case.family == Some(Family::V6) { "icmpv6" } else { "icmp" };
    for (field, words, kind) in [
        (Field::SrcPort, format!("{transport} sport"), Kind::Header),
        (Field::DstPort, format!("{transport} dport"), Kind::Header),
        (Field::IcmpType, format!("{icmp} type"), Kind::Header),
        (Field::IcmpCode, format!("{icmp} code"), Kind::Header),
        (Field::Length, "meta length".to_owned(), Kind::Meta),
    ] {
        match case.get(field) {
            Some(set) if set.ranges() != [(0, field.max())] => {
                put(&format!("{words} {}", numbers(set, field.max(), kind)));
            }
            _ => {}
        }
    }
    if let Some(set) = case.get(Field::TcpFlags) {
        put(&flags(set));
    }
    if let Some(set) = dscp {
        // Values one by one: nft(8) sorts ranges of a field that is no whole byte by its bytes.
        put(&format!("{ip} dscp {}", singles(set)));
    }
    if let Some(set) = seen {
        if set.ranges().is_empty() {
            return None;
        }
        put(&format!("{ttl} {}", numbers(&set, u8::MAX.into(), Kind::Header)));
    }
    Some(Line { behind, family: case.family, text })
}

/// Writes the condition on the protocol; returns the word before ports.
fn put_protocol(case: &Case, put: &mut impl FnMut(&str)) -> &'static str {
    let Some(set) = case.get(Field::Protocol) else { return "th" };
    let asks = |field: Field| case.get(field).is_some_and(|set| set.ranges() != [(0, field.max())]);
    let has_ports = asks(Field::SrcPort) || asks(Field::DstPort);
    let (transport, is_said) = match set.ranges() {
        [(6, 6)] => ("tcp", has_ports || asks(Field::TcpFlags)),
        [(17, 17)] => ("udp", has_ports),
        _ => ("th", false),
    };
    if !is_said {
        let name = |(first, last): (u128, u128)| match first {
            6 if last == 6 => "tcp".to_owned(),
            17 if last == 17 => "udp".to_owned(),
            1 if last == 1 => "icmp".to_owned(),
            58 if last == 58 => "ipv6-icmp".to_owned(),
            132 if last == 132 => "sctp".to_owned(),
            136 if last == 136 => "udplite".to_owned(),
            _ => range((first, last)),
        };
        put(&format!("meta l4proto {}", condition(&wide(set), u8::MAX.into(), Kind::Meta, &name)));
    }
    transport
}

/// Returns the values that the hook sees of those on the wire: behind the routing decision they are
/// counted down.
fn seen_ttl(set: &NumberSet, path: Path) -> NumberSet {
    match path {
        Path::Forward => NumberSet::new(
            set.ranges()
                .iter()
                .filter(|(_, last)| *last > 0)
                .map(|(first, last)| (first.saturating_sub(1), last - 1)),
        ),
        _ => set.clone(),
    }
}

//------------ Fragments ---------------------------------------------------------

/// Returns conditions on the fragment fields of IPv4, of which any holds just for these kinds.
fn v4_parts(wanted: Parts) -> Vec<String> {
    let tests: [(&str, Parts); 9] = [
        ("ip frag-off & 0x1fff == 0", parts(|kind| kind & LATER == 0)),
        ("ip frag-off & 0x1fff != 0", parts(|kind| kind & LATER != 0)),
        ("ip frag-off & 0x3fff == 0", parts(|kind| kind & (LATER | MORE) == 0)),
        ("ip frag-off & 0x3fff != 0", parts(|kind| kind & (LATER | MORE) != 0)),
        ("ip frag-off & 0x3fff == 0x2000", parts(|kind| kind & (LATER | MORE) == MORE)),
        ("ip frag-off & 0x2000 == 0", parts(|kind| kind & MORE == 0)),
        ("ip frag-off & 0x2000 != 0", parts(|kind| kind & MORE != 0)),
        ("ip frag-off & 0x4000 == 0", parts(|kind| kind & DONT == 0)),
        ("ip frag-off & 0x4000 != 0", parts(|kind| kind & DONT != 0)),
    ];
    let mut all: Vec<(String, Parts)> = vec![(String::new(), u8::MAX)];
    // The shorter ones first.
    let mut level = all.clone();
    for _ in 0..3 {
        level = level
            .iter()
            .flat_map(|(text, held)| {
                tests.iter().map(move |(test, of)| {
                    let space = if text.is_empty() { "" } else { " " };
                    (format!("{text}{space}{test}"), held & of)
                })
            })
            .filter(|(_, held)| *held != 0)
            .collect();
        all.extend(level.iter().cloned());
    }
    cover(wanted, &all)
}

/// Returns conditions on the fragment header of IPv6, and what must be gone before.
fn v6_parts(wanted: Parts) -> Vec<(Behind, &'static str)> {
    // No packet of IPv6 has the don't-fragment bit.
    let real = parts(|kind| kind & DONT == 0);
    let of = |holds: fn(u8) -> bool| parts(|kind| kind & DONT == 0 && holds(kind));
    let all = [
        ((Behind::Nothing, ""), real),
        ((Behind::Nothing, "frag frag-off != 0"), of(|kind| kind & LATER != 0)),
        ((Behind::Nothing, "frag more-fragments 1"), of(|kind| kind & MORE != 0)),
        ((Behind::Later, ""), of(|kind| kind & LATER == 0)),
        ((Behind::Fragments, ""), of(|kind| kind & (LATER | MORE) == 0)),
        ((Behind::Later, "frag more-fragments 1"), of(|kind| kind & (LATER | MORE) == MORE)),
        (
            (Behind::Nothing, "frag frag-off != 0 frag more-fragments 0"),
            of(|kind| kind & (LATER | MORE) == LATER),
        ),
        (
            (Behind::Nothing, "frag frag-off != 0 frag more-fragments 1"),
            of(|kind| kind & (LATER | MORE) == LATER | MORE),
        ),
    ];
    cover(wanted & real, &all)
}

/// Chooses few of what there is to hold just what is wanted; the earlier where two are as good.
fn cover<T: Clone>(wanted: Parts, all: &[(T, Parts)]) -> Vec<T> {
    let mut chosen = Vec::new();
    let mut left = wanted;
    while left != 0 {
        let fits = all.iter().rev().filter(|(_, held)| held & !wanted == 0 && held & left != 0);
        let Some((best, held)) = fits.max_by_key(|(_, held)| (held & left).count_ones()) else {
            break;
        };
        chosen.push(best.clone());
        left &= !held;
    }
    chosen
}

//------------ Values ------------------------------------------------------------

type Write<'w> = dyn Fn((u128, u128)) -> String + 'w;

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An address in a header; its ranges may be prefixes.
    Address,
    /// A number in a header, perhaps next to another one that is asked for.
    Header,
    /// What the kernel knows of a packet.
    Meta,
}

/// Writes what a field may be: `5`, `<= 5`, `!= 5`, `{ 5, 7-9 }`.
fn condition(ranges: &[(u128, u128)], max: u128, kind: Kind, write: &Write<'_>) -> String {
    let list = |ranges: &[(u128, u128)]| match ranges {
        [one] => write(*one),
        many => {
            let all: Vec<String> = many.iter().map(|range| write(*range)).collect();
            format!("{{ {} }}", all.join(", "))
        }
    };
    let is_ordered = kind != Kind::Address;
    match ranges {
        [(0, last)] if is_ordered && *last > 0 => format!("<= {last}"),
        [(first, last)] if is_ordered && *last == max && first < last => format!(">= {first}"),
        ranges => {
            let rest = complement(ranges, max);
            // nft(8) 1.0.6 joins `th sport != 1 th dport != 2` into one comparison, which holds where
            // either does: only sets and ranges are kept apart.
            let is_apart = match rest.as_slice() {
                [] => false,
                [(first, last)] => match kind {
                    Kind::Address => !is_prefix(*first, *last),
                    Kind::Header => first != last,
                    Kind::Meta => true,
                },
                _ => true,
            };
            if is_apart && rest.len() < ranges.len() {
                format!("!= {}", list(&rest))
            } else {
                list(ranges)
            }
        }
    }
}

fn wide(set: &NumberSet) -> Vec<(u128, u128)> {
    set.ranges().iter().map(|(a, b)| (u128::from(*a), u128::from(*b))).collect()
}

fn range((first, last): (u128, u128)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

fn numbers(set: &NumberSet, max: u64, kind: Kind) -> String {
    condition(&wide(set), max.into(), kind, &range)
}

fn singles(set: &NumberSet) -> String {
    let all = set.ranges().iter().flat_map(|(first, last)| *first..=*last);
    let all: Vec<String> = all.map(|one| one.to_string()).collect();
    match all.as_slice() {
        [one] => one.clone(),
        many => format!("{{ {} }}", many.join(", ")),
    }
}

fn address(family: Family, (first, last): (u128, u128)) -> String {
    let one = |bits: u128| match family {
        Family::V4 => Ipv4Addr::from(u32::try_from(bits).unwrap_or(u32::MAX)).to_string(),
        Family::V6 => Ipv6Addr::from(bits).to_string(),
    };
    if first == last {
        one(first)
    } else if is_prefix(first, last) {
        let host = (first ^ last).count_ones();
        format!("{}/{}", one(first), u32::from(family.bits()) - host)
    } else {
        format!("{}-{}", one(first), one(last))
    }
}

fn is_prefix(first: u128, last: u128) -> bool {
    let host = first ^ last;
    host & host.wrapping_add(1) == 0 && first & host == 0
}

/// Writes a test of TCP flags: of some of the bits where that is all, else by values.
fn flags(set: &NumberSet) -> String {
    let masked = |wanted: bool| {
        let mut held = (0..256).filter(|flags| set.contains(*flags) == wanted);
        let first = held.next()?;
        let (open, count) =
            held.fold((0, 1), |(open, count), flags| (open | (flags ^ first), count + 1));
        (count == 1 << u64::count_ones(open)).then_some((0xff & !open, first & !open))
    };
    if let Some((mask, value)) = masked(true) {
        return format!("tcp flags & {mask:#04x} == {value:#04x}");
    }
    if let Some((mask, value)) = masked(false) {
        return format!("tcp flags & {mask:#04x} != {value:#04x}");
    }
    let mut text = "tcp flags { ".to_owned();
    for flags in (0..256).filter(|flags| set.contains(*flags)) {
        let comma = if text.ends_with("{ ") { "" } else { ", " };
        _ = write!(text, "{comma}{flags:#04x}");
    }
    text.push_str(" }");
    text
}
