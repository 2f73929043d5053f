//! Cuts of a product into two, where few of the sets in it are cut as well.

use super::super::fields::{Number, Ranges};
use super::HeaderSet;

/// How many sets are asked where they end.
const SAMPLE: usize = 32;

impl HeaderSet {
    /// Returns two halves of the set such that of some sets that meet it few meet both; none if
    /// there are no such halves.
    pub(in super::super) fn halves(&self, sets: &[&HeaderSet]) -> Option<[HeaderSet; 2]> {
        // A cut that many sets are on both sides of leaves more to do than there was.
        let most = sets.len() + sets.len() / 2;
        let mut best: Option<(usize, [HeaderSet; 2])> = None;
        macro_rules! each {
            ($($field:ident),*) => {
                $(
                    let fields = sets.iter().map(|set| &set.$field);
                    if let Some((cost, before, after)) = cut(&self.$field, fields)
                        && cost < best.as_ref().map_or(most, |(least, _)| *least)
                    {
                        let (mut left, mut right) = (self.clone(), self.clone());
                        (left.$field, right.$field) = (before, after);
                        best = Some((cost, [left, right]));
                    }
                )*
            };
        }
        each!(dst, src, dst_port, src_port, packet_length);
        best.map(|(_, halves)| halves)
    }
}

/// Cuts a field in the middle of where other sets end, and returns how many of them the two
/// halves meet together. Gives nothing if there is no such place, or one half meets all.
fn cut<'f, T: Number + 'f>(
    own: &Ranges<T>,
    fields: impl ExactSizeIterator<Item = &'f Ranges<T>> + Clone,
) -> Option<(usize, Ranges<T>, Ranges<T>)> {
    let Ranges::One([(first, last)]) = own else { return None };
    if first == last {
        return None;
    }
    let count = fields.len();
    let mut ends: Vec<T> = Vec::with_capacity(2 * SAMPLE);
    for field in fields.clone().step_by(count / SAMPLE + 1) {
        let (start, end) = field.hull();
        if start > *first && start <= *last {
            ends.push(start);
        }
        if end >= *first && end < *last {
            ends.extend(end.next());
        }
    }
    if ends.is_empty() {
        return None;
    }
    let middle = ends.len() / 2;
    let at = *ends.select_nth_unstable(middle).1;
    let before = at.previous()?;
    let (mut left, mut right) = (0, 0);
    for field in fields {
        left += usize::from(field.meets_range(*first, before));
        right += usize::from(field.meets_range(at, *last));
    }
    if left == count || right == count {
        return None;
    }
    Some((left + right, Ranges::one(*first, before), Ranges::one(at, *last)))
}
