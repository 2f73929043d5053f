//! Whose traffic that is not attack was recorded, by the end at which he stood.

use std::collections::BTreeMap;

use crate::attribution::{Attribution, Ends};
use crate::inventory::customers::Owner;
use crate::model::{CustomerId, Label};
use crate::tally::{Counts, Key};

/// How many packets were recorded between ends, by their number.
pub(super) struct Recorded(Vec<u64>);

impl Recorded {
    pub(super) fn new(ends: &[Ends]) -> Recorded {
        Recorded(vec![0; ends.len()])
    }

    /// Notes traffic of a key.
    #[inline]
    pub(super) fn note(&mut self, key: &Key, counts: Counts) {
        if key.label != Label::Attack {
            let packets = &mut self.0[key.ends as usize];
            *packets = packets.saturating_add(counts.raw);
        }
    }

    /// Returns the customers at the sources and at the destinations.
    pub(super) fn customers(
        self,
        all: &[Ends],
        attribution: &Attribution<'_>,
    ) -> [BTreeMap<CustomerId, u64>; 2] {
        let mut customers = [BTreeMap::new(), BTreeMap::new()];
        for (ends, packets) in all.iter().zip(self.0).filter(|(_, packets)| *packets > 0) {
            for (owner, customers) in attribution.owners(ends).into_iter().zip(&mut customers) {
                let shared;
                let owners: &[CustomerId] = match owner {
                    Owner::Customer(id) => {
                        shared = [id];
                        &shared
                    }
                    Owner::Shared(id) => &attribution.inventory.shared[id.0 as usize].customers,
                    Owner::Nobody => &[],
                };
                for id in owners {
                    let sum: &mut u64 = customers.entry(*id).or_default();
                    *sum = sum.saturating_add(packets);
                }
            }
        }
        customers
    }
}
