//! What one field of a header may be: ranges of numbers, or bits for small domains.

use std::sync::Arc;

/// A set of values of one field, never empty.
pub(super) trait Field: Sized {
    /// What the field holds.
    type Value: Copy;

    /// Returns whether two sets share a value.
    fn meets(&self, other: &Self) -> bool;
    /// Returns whether every value of the other set is in this one.
    fn covers(&self, other: &Self) -> bool;
    /// Returns whether the value is in the set.
    fn contains(&self, value: Self::Value) -> bool;
    /// Returns what both hold; none if that is nothing.
    fn intersect(&self, other: &Self) -> Option<Self>;
    /// Returns what only this one holds; none if that is nothing.
    fn minus(&self, other: &Self) -> Option<Self>;
    /// Returns what either holds.
    fn union(&self, other: &Self) -> Self;
    /// Returns the smallest value.
    fn least(&self) -> Self::Value;
    /// Returns a value with about as many below as above.
    fn middle(&self) -> Self::Value;
    /// Returns how many values there are, about.
    fn count(&self) -> f64;

    /// Returns the two sides of what is left around a hole; none if there are not just two.
    fn sides(&self) -> Option<(Self, Self)> {
        None
    }

    /// Returns a value if the set holds it, else the smallest.
    fn near(&self, value: Self::Value) -> Self::Value {
        if self.contains(value) { value } else { self.least() }
    }
}

//------------ Ranges ---------------------------------------------------------

/// A number that ranges are made of.
pub(super) trait Number: Copy + Ord {
    fn next(self) -> Option<Self>;
    fn previous(self) -> Option<Self>;
    /// Returns the number half way to a greater one.
    fn half_way(self, last: Self) -> Self;
    /// Returns how many numbers there are from this to a greater one.
    fn count(self, last: Self) -> f64;
}

impl Number for u32 {
    fn next(self) -> Option<u32> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<u32> {
        self.checked_sub(1)
    }

    fn half_way(self, last: u32) -> u32 {
        self + (last - self) / 2
    }

    fn count(self, last: u32) -> f64 {
        f64::from(last - self) + 1.0
    }
}

impl Number for u128 {
    fn next(self) -> Option<u128> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<u128> {
        self.checked_sub(1)
    }

    fn half_way(self, last: u128) -> u128 {
        self + (last - self) / 2
    }

    fn count(self, last: u128) -> f64 {
        (last - self) as f64 + 1.0
    }
}

/// Sorted disjoint inclusive ranges that do not touch, at least one. Copies are cheap.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ranges<T> {
    /// The usual case, without a heap.
    One([(T, T); 1]),
    /// Two or more.
    Many(Arc<[(T, T)]>),
}

impl<T: Number> Ranges<T> {
    /// Makes the set of one range.
    pub(super) fn one(first: T, last: T) -> Ranges<T> {
        Ranges::One([(first, last)])
    }

    /// Makes a set of ranges in any order; none if there are none.
    pub(super) fn new(mut ranges: Vec<(T, T)>) -> Option<Ranges<T>> {
        let is_apart = |pair: &[(T, T)]| pair[0].1.next().is_some_and(|after| after < pair[1].0);
        if ranges.iter().all(|(first, last)| first <= last) && ranges.windows(2).all(is_apart) {
            return Ranges::sorted(&ranges);
        }
        ranges.retain(|(first, last)| first <= last);
        ranges.sort_unstable();
        let mut joined: Vec<(T, T)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, open)) if open.next().is_none_or(|after| first <= after) => {
                    *open = (*open).max(last);
                }
                _ => joined.push((first, last)),
            }
        }
        Ranges::sorted(&joined)
    }

    /// Makes a set of ranges that are as they should be.
    fn sorted(ranges: &[(T, T)]) -> Option<Ranges<T>> {
        match ranges {
            [] => None,
            [(first, last)] => Some(Ranges::one(*first, *last)),
            many => Some(Ranges::Many(many.into())),
        }
    }

    /// Returns the ranges.
    pub(super) fn ranges(&self) -> &[(T, T)] {
        match self {
            Ranges::One(one) => one,
            Ranges::Many(many) => many,
        }
    }

    /// Returns the least and the greatest number.
    pub(super) fn hull(&self) -> (T, T) {
        match self {
            Ranges::One([range]) => *range,
            Ranges::Many(many) => match (many.first(), many.last()) {
                (Some((first, _)), Some((_, last))) => (*first, *last),
                _ => unreachable!("there is a range at least"),
            },
        }
    }

    /// Returns the ranges that share a number with a range; the first and the last may reach
    /// beyond it.
    pub(super) fn within(&self, first: T, last: T) -> &[(T, T)] {
        let ranges = self.ranges();
        let from = ranges.partition_point(|(_, end)| *end < first);
        let rest = &ranges[from..];
        &rest[..rest.partition_point(|(start, _)| *start <= last)]
    }

    /// Returns whether the set shares a number with a range.
    pub(super) fn meets_range(&self, first: T, last: T) -> bool {
        match self {
            Ranges::One([(start, end)]) => *start <= last && first <= *end,
            Ranges::Many(many) => {
                let from = many.partition_point(|(_, end)| *end < first);
                many.get(from).is_some_and(|(start, _)| *start <= last)
            }
        }
    }

    /// Returns whether the set holds every number of a range.
    pub(super) fn covers_range(&self, first: T, last: T) -> bool {
        match self {
            Ranges::One([(start, end)]) => *start <= first && last <= *end,
            Ranges::Many(many) => {
                let from = many.partition_point(|(_, end)| *end < first);
                many.get(from).is_some_and(|(start, end)| *start <= first && last <= *end)
            }
        }
    }
}

impl<T: Number> Field for Ranges<T> {
    type Value = T;

    fn meets(&self, other: &Ranges<T>) -> bool {
        let ((first, last), (start, end)) = (self.hull(), other.hull());
        if first > end || start > last {
            return false;
        }
        let (few, many) =
            if self.ranges().len() <= other.ranges().len() { (self, other) } else { (other, self) };
        few.ranges().iter().any(|(first, last)| many.meets_range(*first, *last))
    }

    fn covers(&self, other: &Ranges<T>) -> bool {
        let ((first, last), (start, end)) = (self.hull(), other.hull());
        first <= start
            && end <= last
            // One range has no gaps.
            && (self.ranges().len() == 1
                || other.ranges().iter().all(|(first, last)| self.covers_range(*first, *last)))
    }

    fn contains(&self, value: T) -> bool {
        self.meets_range(value, value)
    }

    fn intersect(&self, other: &Ranges<T>) -> Option<Ranges<T>> {
        if let (Ranges::One([(a, b)]), Ranges::One([(c, d)])) = (self, other) {
            let (first, last) = (*a.max(c), *b.min(d));
            return (first <= last).then(|| Ranges::one(first, last));
        }
        let (few, many) =
            if self.ranges().len() <= other.ranges().len() { (self, other) } else { (other, self) };
        if let Ranges::One([(first, last)]) = few
            && let Ranges::Many(_) = many
            && *first <= many.hull().0
            && many.hull().1 <= *last
        {
            return Some(many.clone());
        }
        let mut both = Vec::new();
        for (first, last) in few.ranges() {
            let shared = many.within(*first, *last).iter();
            both.extend(shared.map(|(start, end)| (*start.max(first), *end.min(last))));
        }
        Ranges::sorted(&both)
    }

    fn minus(&self, other: &Ranges<T>) -> Option<Ranges<T>> {
        let ((first, last), (start, end)) = (self.hull(), other.hull());
        if first > end || start > last {
            return Some(self.clone());
        }
        if other.covers(self) {
            return None;
        }
        let mut left = Vec::new();
        for (first, last) in self.ranges() {
            let mut open = Some(*first);
            for (start, end) in other.within(*first, *last) {
                if let (Some(from), Some(until)) = (open, start.previous())
                    && from <= until
                {
                    left.push((from, until));
                }
                open = end.next();
            }
            if let Some(from) = open
                && from <= *last
            {
                left.push((from, *last));
            }
        }
        Ranges::sorted(&left)
    }

    fn sides(&self) -> Option<(Ranges<T>, Ranges<T>)> {
        match self.ranges() {
            [(a, b), (c, d)] => Some((Ranges::one(*a, *b), Ranges::one(*c, *d))),
            _ => None,
        }
    }

    fn union(&self, other: &Ranges<T>) -> Ranges<T> {
        let all = self.ranges().iter().chain(other.ranges()).copied().collect();
        Ranges::new(all).unwrap_or_else(|| self.clone())
    }

    fn least(&self) -> T {
        self.hull().0
    }

    fn middle(&self) -> T {
        let ranges = self.ranges();
        let (first, last) = ranges[ranges.len() / 2];
        first.half_way(last)
    }

    fn count(&self) -> f64 {
        self.ranges().iter().map(|(first, last)| first.count(*last)).sum()
    }
}

//------------ Bits -----------------------------------------------------------

/// A set of numbers below 64 × `N`, one bit a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits<const N: usize>([u64; N]);

impl<const N: usize> Bits<N> {
    /// Makes the set of the numbers below a bound for which a test holds; none if it never does.
    pub(super) fn such(bound: u32, holds: impl Fn(u32) -> bool) -> Option<Bits<N>> {
        let mut bits = [0; N];
        for value in (0..bound).filter(|value| holds(*value)) {
            if let Some(word) = bits.get_mut((value / 64) as usize) {
                *word |= 1 << (value % 64);
            }
        }
        Bits(bits).unless_empty()
    }

    /// Makes the set of one number.
    pub(super) fn one(value: u32) -> Bits<N> {
        let mut bits = [0; N];
        bits[(value / 64) as usize % N] = 1 << (value % 64);
        Bits(bits)
    }

    fn unless_empty(self) -> Option<Bits<N>> {
        self.0.iter().any(|word| *word != 0).then_some(self)
    }

    fn with(&self, other: &Bits<N>, both: impl Fn(u64, u64) -> u64) -> Bits<N> {
        let mut bits = self.0;
        for (word, other) in bits.iter_mut().zip(other.0) {
            *word = both(*word, other);
        }
        Bits(bits)
    }

    /// Returns the number that so many numbers of the set are below.
    fn nth(&self, mut at: u32) -> u32 {
        for (number, word) in (0u32..).zip(self.0) {
            let here = word.count_ones();
            if at >= here {
                at -= here;
                continue;
            }
            let mut word = word;
            for _ in 0..at {
                word &= word - 1;
            }
            return number * 64 + word.trailing_zeros();
        }
        0
    }

    fn ones(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

impl<const N: usize> Field for Bits<N> {
    type Value = u32;

    fn meets(&self, other: &Bits<N>) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    fn covers(&self, other: &Bits<N>) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| b & !a == 0)
    }

    fn contains(&self, value: u32) -> bool {
        let word = self.0.get((value / 64) as usize).copied().unwrap_or(0);
        word >> (value % 64) & 1 == 1
    }

    fn intersect(&self, other: &Bits<N>) -> Option<Bits<N>> {
        self.with(other, |a, b| a & b).unless_empty()
    }

    fn minus(&self, other: &Bits<N>) -> Option<Bits<N>> {
        self.with(other, |a, b| a & !b).unless_empty()
    }

    fn union(&self, other: &Bits<N>) -> Bits<N> {
        self.with(other, |a, b| a | b)
    }

    fn least(&self) -> u32 {
        self.nth(0)
    }

    fn middle(&self) -> u32 {
        self.nth(self.ones() / 2)
    }

    fn count(&self) -> f64 {
        f64::from(self.ones())
    }
}
