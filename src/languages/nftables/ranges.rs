//! Sets of values of a field, as sorted disjoint inclusive ranges.

/// Sorted, disjoint and not touching.
pub(super) type Ranges = Vec<(u128, u128)>;

/// Makes ranges of any.
pub(super) fn joined(mut all: Vec<(u128, u128)>) -> Ranges {
    all.retain(|(first, last)| first <= last);
    all.sort_unstable();
    let mut joined: Ranges = Vec::with_capacity(all.len());
    for (first, last) in all {
        match joined.last_mut() {
            Some((_, open)) if open.checked_add(1).is_none_or(|after| first <= after) => {
                *open = (*open).max(last);
            }
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// Returns what they leave out up to a greatest value.
pub(super) fn complement(ranges: &[(u128, u128)], max: u128) -> Ranges {
    let mut rest = Vec::with_capacity(ranges.len() + 1);
    let mut from = Some(0);
    for (first, last) in ranges {
        if let Some(from) = from
            && from < *first
        {
            rest.push((from, (*first - 1).min(max)));
        }
        from = last.checked_add(1);
    }
    if let Some(from) = from.filter(|from| *from <= max) {
        rest.push((from, max));
    }
    rest
}

/// Returns whether they hold a value.
pub(super) fn holds(ranges: &[(u128, u128)], value: u128) -> bool {
    let at = ranges.partition_point(|(_, last)| *last < value);
    ranges.get(at).is_some_and(|(first, _)| *first <= value)
}

/// Returns the greatest value of so many bits.
pub(super) fn greatest(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_complement_holds_what_is_not_held(
            all in prop::collection::vec((0u128..70, 0u128..70), 0..6), value in 0u128..64,
        ) {
            let ranges = joined(all.clone());
            prop_assert_eq!(
                holds(&ranges, value), all.iter().any(|(a, b)| (*a..=*b).contains(&value)));
            prop_assert_eq!(holds(&complement(&ranges, 63), value), !holds(&ranges, value));
        }
    }

    #[test]
    fn the_whole_space_has_no_complement() {
        assert_eq!(complement(&[(0, u128::MAX)], u128::MAX), []);
        assert_eq!(complement(&[], u128::MAX), [(0, u128::MAX)]);
    }
}
