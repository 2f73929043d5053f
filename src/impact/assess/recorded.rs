//! Whose traffic that is not attack was recorded, by the end at which he stood.

use std::collections::BTreeSet;

use crate::attribution::{Attribution, Ends};
use crate::inventory::customers::Owner;
use crate::model::{CustomerId, Label};
use crate::tally::Key;

/// Whether traffic was recorded between ends, by their number.
pub(super) struct Recorded(Vec<bool>);

impl Recorded {
    pub(super) fn new(ends: &[Ends]) -> Recorded {
        Recorded(vec![false; ends.len()])
    }

    /// Notes traffic of a key.
    #[inline]
    pub(super) fn note(&mut self, key: &Key) {
        self.0[key.ends as usize] |= key.label != Label::Attack;
    }

    /// Returns the customers at the sources and at the destinations.
    pub(super) fn customers(
        self,
        all: &[Ends],
        attribution: &Attribution<'_>,
    ) -> [BTreeSet<CustomerId>; 2] {
        let mut customers = [BTreeSet::new(), BTreeSet::new()];
        for (ends, _) in all.iter().zip(self.0).filter(|(_, is_recorded)| *is_recorded) {
            for (owner, customers) in attribution.owners(ends).into_iter().zip(&mut customers) {
                match owner {
                    Owner::Customer(id) => customers.extend([id]),
                    Owner::Shared(id) => {
                        customers.extend(&attribution.inventory.shared[id.0 as usize].customers);
                    }
                    Owner::Nobody => {}
                }
            }
        }
        customers
    }
}
