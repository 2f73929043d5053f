//! Whose traffic that is not attack was recorded, by the end at which he stood.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use crate::attribution::{Attribution, Ends};
use crate::impact::RecordedBy;
use crate::inventory::customers::Owner;
use crate::model::{CustomerId, Label, NameId};
use crate::tally::{Counts, Key};

/// How many packets were recorded between ends, by their number and by PoP; none where it is not asked.
pub(super) struct Recorded(Option<HashMap<(u32, Option<NameId>), u64, FixedState>>);

impl Recorded {
    pub(super) fn new(is_asked: bool) -> Recorded {
        Recorded(is_asked.then(HashMap::default))
    }

    /// Notes traffic of a key.
    #[inline]
    pub(super) fn note(&mut self, key: &Key, counts: Counts) {
        if key.label != Label::Attack
            && let Some(recorded) = &mut self.0
        {
            let packets = recorded.entry((key.ends, key.pop)).or_default();
            *packets = packets.saturating_add(counts.raw);
        }
    }

    /// Returns the customers at the sources and at the destinations.
    pub(super) fn customers(self, all: &[Ends], attribution: &Attribution<'_>) -> [RecordedBy; 2] {
        let mut customers = [BTreeMap::new(), BTreeMap::new()];
        // Sums are the same in any order.
        self.0.into_iter().flatten().for_each(|((ends, pop), packets)| {
            let owners = attribution.owners(&all[ends as usize]);
            for (owner, customers) in owners.into_iter().zip(&mut customers) {
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
                    let sum: &mut u64 = customers.entry((*id, pop)).or_default();
                    *sum = sum.saturating_add(packets);
                }
            }
        });
        customers
    }
}
