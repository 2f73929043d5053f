//! Instances of buckets: which bucket, where.

use std::collections::HashMap;

use crate::model::NameId;

/// Numbers of instances. Nearly every bucket has but one, so that of a bucket's first place is
/// found without a search, and takes little room.
#[derive(Default)]
pub(super) struct Instances {
    /// For every bucket: its first place, and the number there.
    first: Vec<Option<First>>,
    others: HashMap<(u32, Option<NameId>), u32, foldhash::fast::FixedState>,
    count: u32,
}

#[derive(Clone, Copy)]
struct First {
    place: Option<NameId>,
    number: u32,
}

impl Instances {
    /// Returns the number of an instance, new or old; new ones count upwards.
    pub(super) fn number(&mut self, bucket: u32, place: Option<NameId>) -> u32 {
        let at = bucket as usize;
        if at >= self.first.len() {
            self.first.resize(at + 1, None);
        }
        let next = self.count;
        let number = match self.first[at] {
            None => {
                self.first[at] = Some(First { place, number: next });
                next
            }
            Some(first) if first.place == place => first.number,
            Some(_) => *self.others.entry((bucket, place)).or_insert(next),
        };
        self.count += u32::from(number == next);
        number
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    /// Returns every bucket, place and number, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Option<NameId>, u32)> {
        let first = (0u32..).zip(&self.first).filter_map(|(bucket, first)| {
            first.map(|First { place, number }| (bucket, place, number))
        });
        first.chain(self.others.iter().map(|((bucket, place), number)| (*bucket, *place, *number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_bucket_has_its_own_number_and_keeps_it() {
        let mut instances = Instances::default();
        let places = [(3, None), (3, Some(NameId(0))), (0, None), (3, Some(NameId(1)))];
        for _ in 0..2 {
            for (number, (bucket, place)) in (0u32..).zip(places) {
                assert_eq!(instances.number(bucket, place), number);
            }
        }
        assert_eq!(instances.len(), places.len());
        let mut all: Vec<_> = instances.iter().collect();
        all.sort_by_key(|(.., number)| *number);
        assert!(
            all.iter().zip(places).all(|(one, (bucket, place))| (one.0, one.1) == (bucket, place))
        );
    }
}
