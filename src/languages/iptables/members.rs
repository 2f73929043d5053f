//! `-m set`: the members of a set as conditions.

use std::collections::{BTreeMap, HashMap};

use super::context::{Context, all, never, not_recorded, not_understood, signed};
use super::ipset::{Dimension, Member, Part, Set, Storage};
use super::spec::{Setting, Use};
use crate::model::{
    AddressRange, AddressSet, Diagnostic, Family, Location, Match, NumberSet, Spanned, Term,
};

/// A set with parts beside addresses may make so many alternatives; beyond, it is bounded.
const MOST_BRANCHES: usize = 20_000;

/// Adds the conditions of a match on a set.
pub(super) fn set(
    one: &Use<'_>,
    terms: &mut Vec<Spanned<Term>>,
    context: &mut Context<'_>,
) -> Result<(), Diagnostic> {
    let mut found = false;
    for setting in &one.settings {
        let location = setting.location;
        match setting.name {
            "match-set" => {
                found = true;
                let holds = lookup(setting, context)?;
                terms.push(Spanned::new(signed(holds, setting.negated, location), location));
            }
            // What is counted in the set changes nothing of what it matches.
            "update-counters" | "update-subcounters" => {}
            _ => {
                context.bound(location, "counters of a set are in no record");
                let mut text = one.get("match-set").map_or_else(String::new, |set| {
                    format!("set {} {}", set.value(0), set.value(1))
                });
                super::spec::push(&mut text, setting);
                terms.push(Spanned::new(not_recorded(text), location));
            }
        }
    }
    if found {
        return Ok(());
    }
    Err(Diagnostic::error(one.location, "`-m set` names no set")
        .label("`--match-set` is missing")
        .help("write `-m set --match-set NAME src`"))
}

fn lookup(setting: &Setting<'_>, context: &mut Context<'_>) -> Result<Term, Diagnostic> {
    let location = setting.location;
    let (name, flags) = (setting.value(0), setting.value(1));
    let sides: Option<Vec<bool>> = flags
        .split(',')
        .map(|flag| match flag {
            "src" => Some(true),
            "dst" => Some(false),
            _ => None,
        })
        .collect();
    let Some(sides) = sides.filter(|sides| sides.len() <= 6) else {
        return Err(super::values::bad(
            setting,
            1,
            "is no direction of a set",
            "write `src`, `dst`, or one for each part, such as `src,dst`",
        ));
    };
    let text = format!("set {name} {flags}");
    let Some(set) = context.sets.get(name) else {
        context.bound(
            location,
            format!("no file holds set `{name}`: add what `ipset save` prints to the rule set"),
        );
        return Ok(not_understood(text));
    };
    if context.facts.changed_sets.contains(name) {
        context.bound(location, format!("rules change set `{name}` while packets come"));
        return Ok(not_recorded(text));
    }
    let mut branches = Vec::new();
    if let Err(why) = collect(set, &sides, &text, context, location, 0, &mut branches) {
        context.bound(location, why);
        return Ok(not_understood(text));
    }
    Ok(match branches.len() {
        0 => never(),
        1 if branches[0].terms.len() == 1 => branches
            .pop()
            .and_then(|branch| branch.terms.into_iter().next())
            .map_or_else(never, |term| term.value),
        _ => Term::AnyOf(branches),
    })
}

/// Adds the alternatives of a set; says why if it cannot be followed.
fn collect(
    set: &Set,
    sides: &[bool],
    text: &str,
    context: &mut Context<'_>,
    location: Location,
    depth: usize,
    branches: &mut Vec<Match>,
) -> Result<(), String> {
    // A set of the other family, and one with more parts than directions are given for, matches
    // nothing (net/netfilter/ipset/ip_set_core.c, ip_set_test).
    let is_other = set.family.is_some_and(|family| family != context.family);
    if set.storage != Storage::List && (is_other || sides.len() < set.dimensions.len()) {
        return Ok(());
    }
    if set.storage == Storage::List {
        if depth > 0 {
            return Err("a list of sets in a list of sets".to_owned());
        }
        for member in &set.members {
            let Some(Part::Text(name)) = member.parts.first() else { continue };
            let sets = context.sets;
            let Some(inner) = sets.get(name) else {
                branches.push(all([not_understood(format!("set {name}"))], location));
                context.bound(location, format!("no file holds set `{name}`"));
                continue;
            };
            let text = format!("set {name}");
            let from = branches.len();
            collect(inner, sides, &text, context, location, depth + 1, branches)?;
            if member.expires {
                expire(&mut branches[from..], name, location, context);
            }
        }
        return Ok(());
    }
    if set.members.iter().any(|member| member.is_exception) {
        return with_exceptions(set, sides, context, location, branches);
    }
    // Members that time out may be gone.
    let (lasting, expiring): (Vec<&Member>, Vec<&Member>) =
        set.members.iter().partition(|member| !member.expires);
    alternatives(set, &lasting, sides, text, context, location, branches)?;
    if !expiring.is_empty() {
        let from = branches.len();
        alternatives(set, &expiring, sides, text, context, location, branches)?;
        expire(&mut branches[from..], text, location, context);
    }
    Ok(())
}

fn expire(branches: &mut [Match], text: &str, location: Location, context: &mut Context<'_>) {
    context.bound(location, format!("members of `{text}` time out"));
    for branch in branches {
        let unknown = not_recorded(format!("{text}: not yet timed out"));
        branch.terms.push(Spanned::new(unknown, location));
    }
}

/// A condition on addresses of one end.
fn address(
    is_src: bool,
    set: AddressSet,
    text: &str,
    context: &mut Context<'_>,
    location: Location,
) -> Term {
    if is_src { Term::Src(set) } else { context.translated(Term::Dst(set), text, location) }
}

/// Which end a part is about.
fn side(sides: &[bool], at: usize) -> bool {
    sides.get(at).copied().unwrap_or(false)
}

/// A key of alternatives whose first addresses are listed together: ports by protocol, and what
/// else there is.
type Key = Vec<Part>;

/// Addresses, what else there is, and the ports that go with both.
type Alternative = (Option<AddressSet>, Key, Vec<(u64, u64)>);

fn alternatives(
    set: &Set,
    members: &[&Member],
    sides: &[bool],
    text: &str,
    context: &mut Context<'_>,
    location: Location,
    branches: &mut Vec<Match>,
) -> Result<(), String> {
    let first = set.dimensions.iter().position(|one| *one == Dimension::Address);
    let mut by_rest: BTreeMap<String, (Key, Vec<AddressRange>)> = BTreeMap::new();
    let mut single = Vec::new();
    for member in members {
        let range = first.and_then(|at| match member.parts.get(at) {
            Some(Part::Addresses(range, _)) => Some(*range),
            _ => None,
        });
        if set.dimensions.len() == 1
            && let Some(range) = range
        {
            single.push(range);
            continue;
        }
        let rest = member.parts.iter().enumerate();
        let rest: Key =
            rest.filter(|(at, _)| Some(*at) != first).map(|(_, part)| part.clone()).collect();
        let entry = by_rest.entry(format!("{rest:?}")).or_insert_with(|| (rest, Vec::new()));
        entry.1.extend(range);
    }
    if !single.is_empty() {
        let term = address(side(sides, 0), AddressSet::new(single), text, context, location);
        branches.push(all([term], location));
    }
    // Ports of one protocol that the same addresses have are listed together as well.
    let port = set.dimensions.iter().position(|one| *one == Dimension::Port);
    let mut merged: Vec<Alternative> = Vec::new();
    let mut places: HashMap<(Option<AddressSet>, String), usize> = HashMap::new();
    for (rest, ranges) in by_rest.into_values() {
        let addresses = first.map(|_| AddressSet::new(ranges));
        let mut others = rest.clone();
        let mut ports = None;
        others.retain_mut(|part| match part {
            Part::Port { ports: range, .. } => {
                ports = Some((u64::from(range.0), u64::from(range.1)));
                *range = (0, 0);
                true
            }
            _ => true,
        });
        let key = (addresses.clone(), format!("{others:?}"));
        let place = *places.entry(key).or_insert_with(|| {
            merged.push((addresses, others, Vec::new()));
            merged.len() - 1
        });
        merged[place].2.extend(ports);
    }
    if merged.len() > MOST_BRANCHES {
        return Err(format!("`{text}` has too many different members to be followed"));
    }
    for (addresses, rest, ports) in merged {
        let mut terms = Vec::new();
        if let (Some(at), Some(addresses)) = (first, addresses) {
            terms.push(address(side(sides, at), addresses, text, context, location));
        }
        let mut rest = rest.into_iter();
        for (at, dimension) in set.dimensions.iter().enumerate() {
            if Some(at) == first {
                continue;
            }
            let Some(part) = rest.next() else { continue };
            let is_src = side(sides, at);
            if Some(at) == port
                && let Part::Port { protocol, .. } = part
            {
                terms.extend(port_terms(protocol, &ports, is_src, text, context, location));
                continue;
            }
            terms.extend(other_part(dimension, &part, is_src, text, context, location));
        }
        branches.push(all(terms, location));
    }
    Ok(())
}

fn other_part(
    dimension: &Dimension,
    part: &Part,
    is_src: bool,
    text: &str,
    context: &mut Context<'_>,
    location: Location,
) -> Option<Term> {
    match (dimension, part) {
        (Dimension::Address, Part::Addresses(range, _)) => {
            Some(address(is_src, AddressSet::new([*range]), text, context, location))
        }
        (Dimension::Interface, Part::Text(name)) => {
            let is_bridge = name.starts_with("physdev:");
            match context.interface(is_src, name).filter(|_| !is_bridge) {
                Some(true) => None,
                Some(false) => Some(never()),
                None => {
                    context.bound(location, "the interface is not known");
                    let word = if is_src { "iif" } else { "oif" };
                    Some(not_recorded(format!("{word} {name}")))
                }
            }
        }
        (Dimension::Other(what), Part::Text(value)) if !value.is_empty() => {
            context.bound(location, format!("a {what} is in no record"));
            Some(not_recorded(format!("{what} {value}")))
        }
        _ => None,
    }
}

fn port_terms(
    protocol: Option<u8>,
    ports: &[(u64, u64)],
    is_src: bool,
    text: &str,
    context: &mut Context<'_>,
    location: Location,
) -> Vec<Term> {
    let number = |number: u8| NumberSet::new([(u64::from(number), u64::from(number))]);
    let asked = match protocol {
        // `bitmap:port` looks at both.
        None => Term::Protocol(NumberSet::new([(6, 6), (17, 17)])),
        Some(number_of) => Term::Protocol(number(number_of)),
    };
    let set = NumberSet::new(ports.iter().copied());
    let term = match protocol {
        None | Some(6 | 17 | 132 | 136) if is_src => Term::SrcPort(set),
        None | Some(6 | 17 | 132 | 136) => context.translated(Term::DstPort(set), text, location),
        Some(1 | 58) => {
            let branches = ports.iter().flat_map(|(first, last)| {
                (first >> 8..=last >> 8).map(move |kind| {
                    let low = if kind == first >> 8 { first & 255 } else { 0 };
                    let high = if kind == last >> 8 { last & 255 } else { 255 };
                    (kind, low, high)
                })
            });
            let branches = branches.map(|(kind, low, high)| {
                let kind = Term::IcmpType(NumberSet::new([(kind, kind)]));
                let code = Term::IcmpCode(NumberSet::new([(low, high)]));
                all([kind, code], location)
            });
            Term::AnyOf(branches.collect())
        }
        // Protocols without ports are looked up as port zero.
        Some(_) if set.contains(0) => return vec![asked],
        Some(_) => never(),
    };
    let any = match protocol {
        Some(1 | 58) => Term::IcmpType(NumberSet::new([(0, 255)])),
        _ => Term::DstPort(super::context::every_port()),
    };
    vec![asked, context.carried(term, any, false, &[text.to_owned()], location)]
}

/// A set of networks with `nomatch`: the longest prefix decides.
fn with_exceptions(
    set: &Set,
    sides: &[bool],
    context: &mut Context<'_>,
    location: Location,
    branches: &mut Vec<Match>,
) -> Result<(), String> {
    let is_simple =
        set.dimensions == [Dimension::Address] && set.members.iter().all(|member| !member.expires);
    if !is_simple {
        return Err("`nomatch` beside other parts or timeouts is not followed".to_owned());
    }
    let mut prefixes = Vec::new();
    for member in &set.members {
        let [Part::Addresses(range, Some(length))] = member.parts.as_slice() else {
            return Err("`nomatch` beside ranges that are no prefixes is not followed".to_owned());
        };
        prefixes.push((range.first, *length, range.last, !member.is_exception));
    }
    let family = set.family.unwrap_or(Family::V4);
    let ranges = by_longest(prefixes);
    let ranges = ranges.into_iter().map(|(first, last)| AddressRange { family, first, last });
    let term = address(side(sides, 0), AddressSet::new(ranges), "set", context, location);
    branches.push(all([term], location));
    Ok(())
}

/// Returns the ranges that are in a set of prefixes where the longest prefix decides.
fn by_longest(mut prefixes: Vec<(u128, u8, u128, bool)>) -> Vec<(u128, u128)> {
    prefixes.sort_unstable();
    let mut ranges = Vec::new();
    // Prefixes that are open, each within the one before it.
    let mut open: Vec<(u128, bool)> = Vec::new();
    let mut at = 0u128;
    let mut emit = |from: u128, to: Option<u128>, holds: bool| {
        if let Some(to) = to.filter(|to| *to >= from && holds) {
            ranges.push((from, to));
        }
    };
    for (first, _, last, holds) in prefixes {
        while let Some((end, inside)) = open.last().copied().filter(|(end, _)| *end < first) {
            emit(at, Some(end), inside);
            // Cannot overflow: `end` is less than another address.
            at = end + 1;
            open.pop();
        }
        if let Some((_, inside)) = open.last() {
            emit(at, first.checked_sub(1), *inside);
        }
        at = first;
        open.push((last, holds));
    }
    while let Some((end, inside)) = open.pop() {
        emit(at, Some(end), inside);
        match end.checked_add(1) {
            Some(next) => at = at.max(next),
            None => break,
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;
    use crate::model::prefix::host_mask;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_longest_prefix_decides(
            prefixes in prop::collection::btree_map((0u128..32, 27u8..=32), any::<bool>(), 0..8),
            address in 0u128..40,
        ) {
            let family = Family::V4;
            let mut unique = BTreeMap::new();
            for ((bits, length), holds) in prefixes {
                unique.insert((bits & !host_mask(family, length), length), holds);
            }
            let decides = unique
                .iter()
                .filter(|((bits, length), _)| address & !host_mask(family, *length) == *bits)
                .max_by_key(|((_, length), _)| *length);
            let expected = decides.is_some_and(|(_, holds)| *holds);
            let ranges = by_longest(
                unique
                    .into_iter()
                    .map(|((bits, length), holds)| {
                        (bits, length, bits | host_mask(family, length), holds)
                    })
                    .collect(),
            );
            let ranges =
                ranges.into_iter().map(|(first, last)| AddressRange { family, first, last });
            let set = AddressSet::new(ranges);
            prop_assert_eq!(set.contains(Address { family, bits: address }), expected);
        }
    }
}
