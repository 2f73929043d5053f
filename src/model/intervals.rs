//! Sorted disjoint intervals that together hold every number: a look-up is one index and a short
//! binary search.

/// The most bits that the index cuts by.
const INDEX_BITS: u32 = 18;

/// Numbers that an index can cut.
pub trait Bits: Copy + Ord {
    /// The least number.
    const ZERO: Self;
    /// Returns the slot of a number at or above the base; below it, that of the base.
    fn slot(self, base: Self, shift: u32) -> usize;
    /// Returns how many bits lie between the base and a number above it.
    fn width(self, base: Self) -> u32;
    /// Returns the number with these bits; those that do not fit are cut off.
    fn of(bits: u128) -> Self;
}

impl Bits for u32 {
    const ZERO: u32 = 0;

    #[inline]
    fn slot(self, base: u32, shift: u32) -> usize {
        (self.saturating_sub(base) >> shift) as usize
    }

    fn width(self, base: u32) -> u32 {
        u32::BITS - self.saturating_sub(base).leading_zeros()
    }

    fn of(bits: u128) -> u32 {
        bits as u32
    }
}

impl Bits for u128 {
    const ZERO: u128 = 0;

    #[inline]
    fn slot(self, base: u128, shift: u32) -> usize {
        (self.saturating_sub(base) >> shift) as usize
    }

    fn width(self, base: u128) -> u32 {
        u128::BITS - self.saturating_sub(base).leading_zeros()
    }

    fn of(bits: u128) -> u128 {
        bits
    }
}

/// Where intervals start; each ends where the next one starts.
///
/// The index spans only the numbers at which intervals start: those of IPv6 addresses lie in so
/// small a part of the family that its highest bits would tell nothing apart.
#[derive(Clone, Debug)]
pub struct Intervals<T> {
    starts: Vec<T>,
    /// The second start: the first is always zero.
    base: T,
    /// The last start.
    top: T,
    shift: u32,
    /// For every slot, the first interval but that at zero that starts in or after it; marked
    /// with [`WHOLE`] if none starts within, so that one interval holds the whole slot.
    index: Vec<u32>,
}

/// How many numbers are looked up together.
const TOGETHER: usize = 64;

/// Marks a slot that one interval holds.
const WHOLE: u32 = 1 << 31;

impl<T: Bits> Intervals<T> {
    /// Makes intervals of their starts, which are sorted, without repetition, and begin with zero.
    pub fn new(starts: Vec<T>) -> Intervals<T> {
        debug_assert!(starts.first() == Some(&T::ZERO) && starts.is_sorted());
        let base = starts.get(1).copied().unwrap_or(T::ZERO);
        let top = starts.last().copied().unwrap_or(T::ZERO);
        // A few slots an interval: the index of a small table should be small, too.
        let bits = INDEX_BITS.min(starts.len().max(1).ilog2() + 2);
        let shift = top.width(base).saturating_sub(bits);
        let slots = top.slot(base, shift) + 1;
        let mut index = Vec::with_capacity(slots + 1);
        for (at, start) in starts.iter().enumerate().skip(1) {
            let slot = start.slot(base, shift);
            while index.len() <= slot {
                index.push(at as u32);
            }
        }
        index.resize(slots + 1, starts.len() as u32);
        for slot in 0..slots {
            // The first slot is also that of what lies below the base.
            if slot > 0 && index[slot] == index[slot + 1] {
                index[slot] |= WHOLE;
            }
        }
        Intervals { starts, base, top, shift, index }
    }

    /// Returns the position of the interval that holds a number.
    #[inline]
    pub fn position(&self, number: T) -> usize {
        // Behind the last start there is one interval only, and no slot.
        let (from, to) = self.bounds(number);
        self.position_within(from, to, number)
    }

    /// Finds the positions of many numbers, and hands them on in their order, some at a time. The
    /// processor waits for the memory of many at once instead of one after another.
    pub fn positions(&self, numbers: &[T], mut found: impl FnMut(&[usize])) {
        let mut bounds = [(0, 0); TOGETHER];
        let mut positions = [0; TOGETHER];
        for numbers in numbers.chunks(TOGETHER) {
            for (bounds, number) in bounds.iter_mut().zip(numbers) {
                *bounds = self.bounds(*number);
            }
            let bounds = &bounds[..numbers.len()];
            let near = bounds.iter().filter_map(|(from, _)| self.starts.get(*from as usize));
            std::hint::black_box(near.fold(T::ZERO, |last, start| last.max(*start)));
            for ((position, number), (from, to)) in positions.iter_mut().zip(numbers).zip(bounds) {
                *position = self.position_within(*from, *to, *number);
            }
            found(&positions[..numbers.len()]);
        }
    }

    /// Returns the first interval that may start in the slot of a number (marked with [`WHOLE`] if
    /// none does), and the first behind it.
    #[inline]
    fn bounds(&self, number: T) -> (u32, u32) {
        let slot = number.min(self.top).slot(self.base, self.shift);
        (self.index[slot], self.index[slot + 1] & !WHOLE)
    }

    #[inline]
    fn position_within(&self, from: u32, to: u32, number: T) -> usize {
        if from & WHOLE != 0 {
            return (from & !WHOLE) as usize - 1;
        }
        let within =
            self.starts[from as usize..to as usize].partition_point(|start| *start <= number);
        // The first interval starts at zero, so one always starts at or before the number.
        (from as usize + within).saturating_sub(1)
    }

    /// Returns where the intervals start.
    pub fn starts(&self) -> &[T] {
        &self.starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agrees<T: Bits + std::fmt::Debug>(starts: Vec<T>, number: T) {
        let expected = starts.iter().rposition(|start| *start <= number).expect("zero");
        let intervals = Intervals::new(starts.clone());
        assert_eq!(intervals.position(number), expected, "{starts:?}");
        let mut found = Vec::new();
        intervals
            .positions(&[number; TOGETHER + 1], |positions| found.extend_from_slice(positions));
        assert_eq!(found, [expected; TOGETHER + 1], "{starts:?}");
    }

    proptest! {
        #[test]
        fn the_position_is_that_of_the_last_start_at_or_before(
            mut starts in prop::collection::vec(prop_oneof![any::<u128>(), 0u128..40], 0..40),
            near in any::<prop::sample::Index>(), off in 0u128..3, number in any::<u128>(),
        ) {
            starts.push(0);
            let close = near.get(&starts).saturating_add(off);
            for number in [number, close, close.saturating_sub(off + 1), 0, u128::MAX] {
                let mut sorted = starts.clone();
                sorted.sort_unstable();
                sorted.dedup();
                agrees(sorted, number);
                let mut small: Vec<u32> = starts.iter().map(|start| *start as u32).collect();
                small.push(0);
                small.sort_unstable();
                small.dedup();
                agrees(small, number as u32);
            }
        }
    }
}
