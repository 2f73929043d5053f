//! The lines of a matcher: the rules of all its sets in one order, so that one look serves all.

use std::collections::HashMap;

use super::condition::{Conditions, Field, Ranges, is_plain};
use super::scan::Test;
use super::{Hit, SIDES, Truth, ends_walk};
use crate::model::{Family, Known, Layers, Match, Names, PacketHeader, Record, RuleSet};

/// Stands for "no rule of this set".
pub(super) const NONE: u32 = u32::MAX;

/// A match, and the rule of each set that asks it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    test: Test,
    /// The number of the match.
    pub(super) matches: u32,
    /// The rule of each set; [`NONE`] if it has none here.
    pub(super) rules: [u32; SIDES],
    /// The sets whose rule ends the walk, a bit each.
    ends: u8,
    /// Whether it is nothing but what it asks of each field.
    is_plain: bool,
}

/// What a line asks of the fields that most rules are about, for IPv4; hulls where it allows more
/// than one range.
#[derive(Clone, Copy, Debug)]
struct Quick {
    dst: (u32, u32),
    src: (u32, u32),
    dst_port: (u16, u16),
    src_port: (u16, u16),
    protocol: (u8, u8),
    /// Whether it asks for ports, so that a packet without any cannot meet it.
    has_ports: bool,
    /// Whether this is all that it asks.
    is_all: bool,
    /// All fields that it asks for.
    asks: Known,
}

/// All lines, in order.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    list: Vec<Line>,
    quick: Vec<Quick>,
}

/// A record on its way.
pub(super) struct Going<'h> {
    hits: &'h mut Vec<Hit>,
    /// At which line its walk ends, by set.
    ends: [u32; SIDES],
    /// The last of them.
    last: u32,
}

impl<'h> Going<'h> {
    pub(super) fn new(hits: &'h mut Vec<Hit>, sides: usize) -> Going<'h> {
        let mut ends = [0; SIDES];
        ends[..sides].fill(NONE);
        Going { hits, ends, last: NONE }
    }

    /// Returns whether the walk has ended in all sets before a line.
    #[inline]
    pub(super) fn is_behind(&self, line: u32) -> bool {
        line > self.last
    }

    /// Puts what was met into order, and leaves out what lies behind the end of all sets.
    pub(super) fn finish(self) {
        if self.hits.len() > 1 {
            self.hits.sort_unstable();
            let last = self.last;
            self.hits.retain(|hit| hit.line <= last);
        }
    }
}

/// The fields of a record that [`Quick`] knows.
#[derive(Clone, Copy)]
pub(super) struct Point {
    dst: u32,
    src: u32,
    dst_port: u16,
    src_port: u16,
    protocol: u8,
    has_ports: bool,
    /// Whether it is of IPv4, and knows them all.
    is_known: bool,
}

impl Point {
    #[inline]
    pub(super) fn of(header: &PacketHeader) -> Point {
        const KNOWN: Known = Known::SRC.with(Known::DST).with(Known::PROTOCOL).with(Known::PORTS);
        Point {
            // The bits of an IPv4 address fit by construction.
            dst: header.dst as u32,
            src: header.src as u32,
            dst_port: header.dst_port,
            src_port: header.src_port,
            protocol: header.protocol,
            has_ports: header.layers.has(Layers::PORTS),
            is_known: header.family == Family::V4 && header.known.has(KNOWN),
        }
    }
}

impl Lines {
    /// Puts the rules of some sets into one order, and says what each line asks of its fields.
    pub(super) fn new(sets: &[&RuleSet], names: &Names) -> (Lines, Conditions) {
        let mut numbers: HashMap<&Match, u32> = HashMap::new();
        let mut matches: Vec<&Match> = Vec::new();
        let numbered: Vec<Vec<u32>> = sets
            .iter()
            .map(|set| {
                let rules = set.rules.iter().map(|rule| {
                    *numbers.entry(&rule.matches).or_insert_with(|| {
                        matches.push(&rule.matches);
                        matches.len() as u32 - 1
                    })
                });
                rules.collect()
            })
            .collect();
        let places = merge(&numbered);
        let mut lines = Lines { list: Vec::new(), quick: Vec::new() };
        let mut conditions = Conditions::default();
        for rules in places {
            let at = |side: usize| numbered.get(side)?.get(rules[side] as usize).copied();
            let Some(number) = (0..SIDES).find_map(at) else { continue };
            let matches = matches[number as usize];
            let mut ends = 0;
            for (side, set) in sets.iter().enumerate() {
                if let Some(rule) = set.rules.get(rules[side] as usize) {
                    ends |= u8::from(ends_walk(&rule.action.value)) << side;
                }
            }
            conditions.add(matches, names);
            let line = conditions.len() as u32 - 1;
            lines.quick.push(Quick::new(&conditions, line, matches));
            lines.list.push(Line {
                test: Test::compile(matches, names),
                matches: number,
                rules,
                ends,
                is_plain: is_plain(matches),
            });
        }
        (lines, conditions)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, line: u32) -> &Line {
        &self.list[line as usize]
    }

    /// Returns whether a line is nothing but what it asks of each field.
    pub(super) fn is_plain(&self, line: u32) -> bool {
        self.list[line as usize].is_plain
    }

    /// Notes a line that allows every field of a record, if the record meets it; `is_sure` says
    /// that it does unless it lacks a field.
    #[inline]
    pub(super) fn meet(&self, line: u32, is_sure: bool, record: &Record, going: &mut Going<'_>) {
        let asks = self.quick[line as usize].asks;
        if is_sure && record.header.known.has(asks) {
            self.note(line, Known::NONE, going);
        } else {
            self.test(line, record, going);
        }
    }

    /// Notes a line if a record meets it.
    #[inline]
    pub(super) fn try_quick(
        &self,
        line: u32,
        point: &Point,
        record: &Record,
        going: &mut Going<'_>,
    ) {
        if point.is_known {
            let quick = &self.quick[line as usize];
            if !quick.allows(point) {
                return;
            }
            if quick.is_all {
                self.note(line, Known::NONE, going);
                return;
            }
        }
        self.test(line, record, going);
    }

    /// Notes a line if a record meets it, as the slow engine finds.
    pub(super) fn test(&self, line: u32, record: &Record, going: &mut Going<'_>) {
        match self.list[line as usize].test.decide(record) {
            Truth::No => {}
            Truth::Yes => self.note(line, Known::NONE, going),
            Truth::Maybe(missing) => self.note(line, missing, going),
        }
    }

    #[inline]
    fn note(&self, line: u32, missing: Known, going: &mut Going<'_>) {
        going.hits.push(Hit { line, missing: missing.0 });
        let ends = self.list[line as usize].ends;
        if missing == Known::NONE && ends != 0 {
            for (side, end) in going.ends.iter_mut().enumerate() {
                if ends >> side & 1 == 1 {
                    *end = line.min(*end);
                }
            }
            going.last = going.ends.into_iter().max().unwrap_or(NONE);
        }
    }

    /// Returns whether a line that is met for certain ends the walk in a set.
    pub(super) fn ends(&self, line: u32, side: usize) -> bool {
        self.list[line as usize].ends >> side & 1 == 1
    }
}

impl Quick {
    fn new(conditions: &Conditions, line: u32, matches: &Match) -> Quick {
        let allowed = |field: Field| conditions.allowed(line, field, Family::V4);
        let hull = |field: Field| match allowed(field).map(Ranges::as_slice) {
            None => (0, field.max(Family::V4)),
            Some([]) => (1, 0),
            Some([first, .., last]) => (first.0, last.1),
            Some([one]) => *one,
        };
        let [dst, src] = [Field::Dst, Field::Src].map(hull).map(|(a, b)| (a as u32, b as u32));
        let [dst_port, src_port] =
            [Field::DstPort, Field::SrcPort].map(hull).map(|(a, b)| (a as u16, b as u16));
        let (first, last) = hull(Field::Protocol);
        const QUICK: [Field; 5] =
            [Field::Dst, Field::Src, Field::DstPort, Field::SrcPort, Field::Protocol];
        let fields =
            || super::condition::FIELDS.into_iter().filter(|field| allowed(*field).is_some());
        let is_hull = |field: Field| allowed(field).is_none_or(|ranges| ranges.len() <= 1);
        Quick {
            dst,
            src,
            dst_port,
            src_port,
            protocol: (first as u8, last as u8),
            has_ports: allowed(Field::DstPort).or(allowed(Field::SrcPort)).is_some(),
            is_all: is_plain(matches)
                && fields().all(|field| QUICK.contains(&field) && is_hull(field)),
            asks: fields().fold(Known::NONE, |asks, field| asks.with(field.known())),
        }
    }

    #[inline]
    fn allows(&self, point: &Point) -> bool {
        fn holds<T: PartialOrd>(range: &(T, T), value: &T) -> bool {
            range.0 <= *value && *value <= range.1
        }
        holds(&self.dst, &point.dst)
            && holds(&self.src, &point.src)
            && holds(&self.protocol, &point.protocol)
            && (!self.has_ports
                || (point.has_ports
                    && holds(&self.dst_port, &point.dst_port)
                    && holds(&self.src_port, &point.src_port)))
    }
}

//------------ One order -------------------------------------------------------

/// Merges lists of numbers: what both have, in the same order, becomes one place; the order of
/// each list stays.
fn merge(lists: &[Vec<u32>]) -> Vec<[u32; SIDES]> {
    let (first, second) = match lists {
        [first, second] => (first.as_slice(), second.as_slice()),
        [only] => (only.as_slice(), [].as_slice()),
        _ => return Vec::new(),
    };
    let mut places = Vec::with_capacity(first.len().max(second.len()));
    let (mut next, mut other_next) = (0, 0);
    let ends = [(first.len(), second.len())];
    for (at, other) in common(first, second).into_iter().chain(ends) {
        places.extend((next..at).map(|at| [at as u32, NONE]));
        places.extend((other_next..other).map(|at| [NONE, at as u32]));
        if at < first.len() {
            places.push([at as u32, other as u32]);
        }
        (next, other_next) = (at + 1, other + 1);
    }
    places
}

/// Returns the positions of a longest common subsequence, where equal numbers are paired from the
/// front.
fn common(first: &[u32], second: &[u32]) -> Vec<(usize, usize)> {
    let mut places: HashMap<u32, std::collections::VecDeque<usize>> = HashMap::new();
    for (at, number) in first.iter().enumerate() {
        places.entry(*number).or_default().push_back(at);
    }
    let pairs: Vec<(usize, usize)> = second
        .iter()
        .enumerate()
        .filter_map(|(other, number)| Some((places.get_mut(number)?.pop_front()?, other)))
        .collect();
    // The longest ascending run of the first positions: for every length the pair that ends the
    // run with the least end, and for every pair the one before it.
    let mut tails: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (number, (at, _)) in pairs.iter().enumerate() {
        let length = tails.partition_point(|tail| pairs[*tail].0 < *at);
        before.push(length.checked_sub(1).map(|shorter| tails[shorter]));
        match tails.get_mut(length) {
            Some(tail) => *tail = number,
            None => tails.push(number),
        }
    }
    let mut found = Vec::with_capacity(tails.len());
    let mut at = tails.last().copied();
    while let Some(number) = at {
        found.push(pairs[number]);
        at = before[number];
    }
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn one_order_keeps_the_order_of_both_lists(
            first in prop::collection::vec(0u32..12, 0..20),
            second in prop::collection::vec(0u32..12, 0..20),
        ) {
            let places = merge(&[first.clone(), second.clone()]);
            for (side, list) in [&first, &second].into_iter().enumerate() {
                let own = places.iter().map(|place| place[side]).filter(|at| *at != NONE);
                let expected: Vec<u32> = (0..list.len() as u32).collect();
                prop_assert_eq!(own.collect::<Vec<u32>>(), expected);
            }
            for place in places.iter().filter(|place| !place.contains(&NONE)) {
                prop_assert_eq!(first[place[0] as usize], second[place[1] as usize]);
            }
        }

        #[test]
        fn what_did_not_change_is_one_line(
            length in 1u32..40, at in any::<prop::sample::Index>(),
        ) {
            let list: Vec<u32> = (0..length).collect();
            let mut edited = list.clone();
            edited[at.index(list.len())] = length;
            let places = merge(&[list.clone(), edited]);
            prop_assert_eq!(places.len(), list.len() + 1);
        }
    }
}
