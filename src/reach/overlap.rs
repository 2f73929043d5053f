//! Which rules may take a packet of a domain: a sieve by addresses before the exact test.
//!
//! Rules that name destinations are found by those, others that name sources by those, others
//! again that name ports by those, and the rest are always looked at.

use super::space::{HeaderSet, Key, Union};
use crate::model::Family;

/// The sieve for one family.
#[derive(Debug, Default)]
pub(super) struct Overlap {
    /// By destination, source, destination port and source port.
    by: [Intervals; 4],
    rest: Vec<u32>,
    /// Of every rule a little of all its sets, close together: most rules are told apart by it
    /// without looking at them.
    outlines: Vec<Outline>,
}

/// What a set, or some, at most hold of a few fields.
#[derive(Clone, Copy, Debug)]
struct Outline {
    /// The highest 64 bits of source addresses.
    src: (u64, u64),
    dst_port: (u16, u16),
    src_port: (u16, u16),
    /// A bit for TCP, for UDP, and for all others.
    protocols: u8,
}

impl Outline {
    fn of(set: &HeaderSet) -> Outline {
        let (width, (first, last)) = (set.family().max().count_ones(), set.key(Key::Src).hull());
        let high = |address: u128| (address << (128 - width) >> 64) as u64;
        let ports = |(first, last): (u128, u128)| (first as u16, last as u16);
        Outline {
            src: (high(first), high(last)),
            dst_port: ports(set.dst_ports()),
            src_port: ports(set.src_ports()),
            protocols: set.protocols(),
        }
    }

    fn with(self, other: Outline) -> Outline {
        fn hull<T: Ord>(a: (T, T), b: (T, T)) -> (T, T) {
            (a.0.min(b.0), a.1.max(b.1))
        }
        Outline {
            src: hull(self.src, other.src),
            dst_port: hull(self.dst_port, other.dst_port),
            src_port: hull(self.src_port, other.src_port),
            protocols: self.protocols | other.protocols,
        }
    }

    /// Returns whether sets with these outlines may have a header in common.
    fn may_meet(&self, other: &Outline) -> bool {
        fn meet<T: Ord>(a: &(T, T), b: &(T, T)) -> bool {
            a.0 <= b.1 && b.0 <= a.1
        }
        meet(&self.src, &other.src)
            && meet(&self.dst_port, &other.dst_port)
            && meet(&self.src_port, &other.src_port)
            && self.protocols & other.protocols != 0
    }
}

/// Returns the hulls of what a set allows of the fields that the sieve looks at; of addresses all
/// ranges. Nothing where it allows all.
fn ranges(set: &HeaderSet, place: usize, family: Family) -> Option<Vec<(u128, u128)>> {
    let ranges = match place {
        0 => set.addresses(Key::Dst).to_vec(),
        1 => set.addresses(Key::Src).to_vec(),
        2 => vec![set.dst_ports()],
        _ => vec![set.src_ports()],
    };
    let most = if place < 2 { family.max() } else { u16::MAX.into() };
    (ranges != [(0, most)]).then_some(ranges)
}

impl Overlap {
    pub(super) fn new(unions: &[Union], family: Family) -> Overlap {
        let mut by: [Vec<(u128, u128, u32)>; 4] = Default::default();
        let mut rest = Vec::new();
        for (rule, union) in (0u32..).zip(unions) {
            let named = by.iter_mut().enumerate().find_map(|(place, by)| {
                let sets = union.whole().iter();
                let all: Option<Vec<_>> = sets.map(|set| ranges(set, place, family)).collect();
                Some((by, all?))
            });
            match named {
                Some((by, all)) => {
                    by.extend(all.into_iter().flatten().map(|(first, last)| (first, last, rule)));
                }
                None => rest.push(rule),
            }
        }
        // Rules without sets are in no list.
        const NOTHING: Outline =
            Outline { src: (1, 0), dst_port: (1, 0), src_port: (1, 0), protocols: 0 };
        let outline = |union: &Union| {
            union.whole().iter().map(Outline::of).reduce(Outline::with).unwrap_or(NOTHING)
        };
        let outlines = unions.iter().map(outline).collect();
        Overlap { by: by.map(Intervals::new), rest, outlines }
    }

    /// Returns how many rules may meet a domain, or more: those by other fields are counted whole.
    pub(super) fn count(&self, domain: &[HeaderSet]) -> u64 {
        let mut found = self.rest.len();
        for (place, intervals) in self.by.iter().enumerate() {
            let is_open = domain.iter().any(|piece| ranges(piece, place, piece.family()).is_none());
            found += if is_open { intervals.sorted.len() } else { 0 };
        }
        found as u64
    }

    /// Returns the rules that may meet a domain, in order.
    pub(super) fn rules(&self, domain: &[HeaderSet]) -> Vec<u32> {
        let domain_outlines: Vec<Outline> = domain.iter().map(Outline::of).collect();
        let may_meet = |rule: &u32| {
            let own = &self.outlines[*rule as usize];
            domain_outlines.iter().any(|outline| own.may_meet(outline))
        };
        let mut found: Vec<u32> = self.rest.iter().copied().filter(may_meet).collect();
        let always = found.len();
        for (place, intervals) in self.by.iter().enumerate().filter(|(_, by)| !by.is_empty()) {
            for piece in domain {
                let all = || vec![(0, u128::MAX)];
                for (first, last) in ranges(piece, place, piece.family()).unwrap_or_else(all) {
                    intervals.meet(first, last, &mut found);
                }
            }
        }
        let mut at = 0;
        found.retain(|rule| {
            at += 1;
            at <= always || may_meet(rule)
        });
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Ranges by their start, with the greatest end of every part of a balanced tree over them.
#[derive(Debug, Default)]
struct Intervals {
    sorted: Vec<(u128, u128, u32)>,
    /// For the part whose middle stands here: its greatest end.
    ends: Vec<u128>,
}

impl Intervals {
    fn new(mut sorted: Vec<(u128, u128, u32)>) -> Intervals {
        sorted.sort_unstable();
        let mut ends = vec![0; sorted.len()];
        fn fill(sorted: &[(u128, u128, u32)], ends: &mut [u128]) -> u128 {
            if sorted.is_empty() {
                return 0;
            }
            let middle = sorted.len() / 2;
            let (left, right) = ends.split_at_mut(middle);
            let below = fill(&sorted[..middle], left);
            let above = fill(&sorted[middle + 1..], &mut right[1..]);
            right[0] = sorted[middle].1.max(below).max(above);
            right[0]
        }
        fill(&sorted, &mut ends);
        Intervals { sorted, ends }
    }

    fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Adds the rules of the ranges that meet one.
    fn meet(&self, first: u128, last: u128, found: &mut Vec<u32>) {
        fn ask(
            sorted: &[(u128, u128, u32)],
            ends: &[u128],
            (first, last): (u128, u128),
            found: &mut Vec<u32>,
        ) {
            let middle = sorted.len() / 2;
            // Nothing in this part ends late enough.
            if sorted.is_empty() || ends[middle] < first {
                return;
            }
            ask(&sorted[..middle], &ends[..middle], (first, last), found);
            let (start, end, rule) = sorted[middle];
            if start > last {
                return;
            }
            if end >= first {
                found.push(rule);
            }
            ask(&sorted[middle + 1..], &ends[middle + 1..], (first, last), found);
        }
        ask(&self.sorted, &self.ends, (first, last), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_ranges_that_meet_are_those_that_share_an_address(
            ranges in prop::collection::vec((0u128..40, 0u128..12), 0..30),
            first in 0u128..50, length in 0u128..20,
        ) {
            let ranges: Vec<(u128, u128, u32)> = ranges
                .iter()
                .enumerate()
                .map(|(at, (first, length))| (*first, first + length, at as u32))
                .collect();
            let mut found = Vec::new();
            Intervals::new(ranges.clone()).meet(first, first + length, &mut found);
            found.sort_unstable();
            let expected: Vec<u32> = ranges
                .iter()
                .filter(|(start, end, _)| *start <= first + length && *end >= first)
                .map(|(_, _, rule)| *rule)
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
