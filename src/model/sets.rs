//! Sets of numbers and of addresses, as sorted disjoint inclusive ranges.

use super::prefix::{Address, AddressRange, Family};

/// A set of numbers. Numbers outside a field's domain are kept: that they can never match is a
/// finding, not a parse error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NumberSet {
    ranges: Vec<(u64, u64)>,
}

impl NumberSet {
    /// Makes a set from inclusive ranges in any order; empty ranges are ignored.
    pub fn new(ranges: impl IntoIterator<Item = (u64, u64)>) -> NumberSet {
        NumberSet { ranges: normalise(ranges, |last| last.checked_add(1)) }
    }

    /// Returns whether the set holds the number.
    pub fn contains(&self, number: u64) -> bool {
        holds(&self.ranges, number)
    }

    /// Returns the ranges, sorted and disjoint.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }
}

/// A set of addresses of both families.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressSet {
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl AddressSet {
    /// Makes a set from ranges in any order.
    pub fn new(ranges: impl IntoIterator<Item = AddressRange>) -> AddressSet {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for range in ranges {
            match range.family {
                Family::V4 => v4.push((range.first, range.last)),
                Family::V6 => v6.push((range.first, range.last)),
            }
        }
        let next = |last: u128| last.checked_add(1);
        AddressSet { v4: normalise(v4, next), v6: normalise(v6, next) }
    }

    /// Returns whether the set holds the address.
    pub fn contains(&self, address: Address) -> bool {
        holds(self.ranges(address.family), address.bits)
    }

    /// Returns the ranges of one family, sorted and disjoint.
    pub fn ranges(&self, family: Family) -> &[(u128, u128)] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// Returns the ranges of both families, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = AddressRange> + '_ {
        let of = |family| {
            move |(first, last): &(u128, u128)| AddressRange { family, first: *first, last: *last }
        };
        self.v4.iter().map(of(Family::V4)).chain(self.v6.iter().map(of(Family::V6)))
    }

    /// Returns whether the set shares an address with a range.
    pub fn overlaps(&self, range: AddressRange) -> bool {
        let ranges = self.ranges(range.family);
        let from = ranges.partition_point(|(_, last)| *last < range.first);
        ranges.get(from).is_some_and(|(first, _)| *first <= range.last)
    }

    /// Returns whether two sets share an address.
    pub fn intersects(&self, other: &AddressSet) -> bool {
        self.iter().any(|range| other.overlaps(range))
    }

    /// Returns the addresses that both sets hold.
    #[must_use]
    pub fn intersection(&self, other: &AddressSet) -> AddressSet {
        AddressSet::new(self.iter().flat_map(|range| {
            let others = other.ranges(range.family);
            let from = others.partition_point(|(_, last)| *last < range.first);
            others[from..].iter().take_while(move |(first, _)| *first <= range.last).map(
                move |(first, last)| AddressRange {
                    family: range.family,
                    first: range.first.max(*first),
                    last: range.last.min(*last),
                },
            )
        }))
    }

    /// Returns whether the set holds every address of a range.
    pub fn covers(&self, range: AddressRange) -> bool {
        let ranges = self.ranges(range.family);
        let from = ranges.partition_point(|(_, last)| *last < range.first);
        ranges.get(from).is_some_and(|(first, last)| *first <= range.first && range.last <= *last)
    }

    /// Returns whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Returns whether the set is a single address.
    pub fn is_single(&self) -> bool {
        let mut ranges = self.iter();
        matches!((ranges.next(), ranges.next()), (Some(range), None) if range.first == range.last)
    }
}

fn holds<T: PartialOrd + Copy>(ranges: &[(T, T)], value: T) -> bool {
    let from = ranges.partition_point(|(_, last)| *last < value);
    ranges.get(from).is_some_and(|(first, _)| *first <= value)
}

/// Sorts ranges and joins those that overlap or touch.
fn normalise<T: Ord + Copy>(
    ranges: impl IntoIterator<Item = (T, T)>,
    next: impl Fn(T) -> Option<T>,
) -> Vec<(T, T)> {
    let mut sorted: Vec<(T, T)> =
        ranges.into_iter().filter(|(first, last)| first <= last).collect();
    sorted.sort_unstable();
    let mut joined: Vec<(T, T)> = Vec::with_capacity(sorted.len());
    for (first, last) in sorted {
        match joined.last_mut() {
            Some((_, open)) if next(*open).is_none_or(|after| first <= after) => {
                *open = (*open).max(last);
            }
            _ => joined.push((first, last)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_set_holds_just_what_its_ranges_hold(
            ranges in prop::collection::vec((0u64..64, 0u64..64), 0..8),
            number in 0u64..64,
        ) {
            let set = NumberSet::new(ranges.iter().copied());
            let expected = ranges.iter().any(|(a, b)| (*a..=*b).contains(&number));
            prop_assert_eq!(set.contains(number), expected);
            prop_assert!(set.ranges().windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }

        #[test]
        fn overlap_and_cover_agree_with_counting(
            ranges in prop::collection::vec((0u128..32, 0u128..32), 0..6),
            first in 0u128..32, length in 0u128..8,
        ) {
            let family = Family::V6;
            let set = AddressSet::new(
                ranges.iter().map(|(a, b)| AddressRange { family, first: *a, last: *b }));
            let range = AddressRange { family, first, last: first + length };
            let inside = (first..=first + length)
                .filter(|bits| set.contains(Address { family, bits: *bits }))
                .count() as u128;
            prop_assert_eq!(set.overlaps(range), inside > 0);
            prop_assert_eq!(set.covers(range), inside == length + 1);
        }
    }

    proptest! {
        #[test]
        fn an_intersection_holds_what_both_hold(
            a in prop::collection::vec((0u128..32, 0u128..32), 0..6),
            b in prop::collection::vec((0u128..32, 0u128..32), 0..6),
            bits in 0u128..32,
        ) {
            let family = Family::V4;
            let set = |ranges: &[(u128, u128)]| AddressSet::new(
                ranges.iter().map(|(a, b)| AddressRange { family, first: *a, last: *b }));
            let (a, b) = (set(&a), set(&b));
            let address = Address { family, bits };
            prop_assert_eq!(
                a.intersection(&b).contains(address), a.contains(address) && b.contains(address));
            prop_assert_eq!(a.intersects(&b), !a.intersection(&b).is_empty());
        }
    }

    #[test]
    fn the_whole_space_is_one_range() {
        let set = NumberSet::new([(0, u64::MAX), (3, 4), (9, 2)]);
        assert_eq!(set.ranges(), [(0, u64::MAX)]);
    }
}
