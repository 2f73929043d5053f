//! Whose the addresses are, as ranges: the owners' side of the proof.

use std::borrow::Cow;
use std::collections::HashMap;

use super::rules::{FAMILIES, at};
use super::space::{HeaderSet, Key};
use super::walk::{Ground, Segment};
use crate::attribution::{Party, Within};
use crate::inventory::customers::{Customers, End, Owner};
use crate::model::{AddressRange, CustomerId, Family, Inventory, SharedId};

/// Sorted disjoint inclusive ranges of one family.
pub(super) type Ranges = Vec<(u128, u128)>;

/// The owners' addresses.
pub(super) struct Land<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) customers: &'a Customers,
    /// By family.
    pub(super) grounds: [Ground; 2],
    /// The addresses of every owner, by family.
    ranges: [HashMap<u32, Ranges>; 2],
    /// Everyone who owns an address, by family, sorted.
    pub(super) owners: [Vec<u32>; 2],
    /// What is nobody's, by family.
    nobodys: [Ranges; 2],
    /// The ranges inside and outside of selections, over a whole family: what wide rules ask for
    /// again and again.
    splits: Vec<(Within, [Split; 2])>,
    /// Customers without any address, known by host or by the recording's own word.
    pub(super) homeless: Vec<CustomerId>,
}

/// How many selections are kept.
const KEPT: usize = 64;

/// Addresses by what they are to a selection.
#[derive(Clone, Debug, Default)]
pub(super) struct Split {
    /// Those that belong to it.
    pub(super) inside: Ranges,
    /// The others.
    pub(super) outside: Ranges,
}

impl<'a> Land<'a> {
    pub(super) fn new(inventory: &'a Inventory, customers: &'a Customers) -> Land<'a> {
        let owned = |family| {
            let all = customers.segments(AddressRange::all(family));
            let mut segments: Vec<Segment> = Vec::new();
            for (range, end) in all {
                let Some(owner) = number(customers.end(end).owner, inventory) else { continue };
                match segments.last_mut() {
                    Some(last) if last.owner == owner && last.last + 1 == range.first => {
                        last.last = range.last;
                    }
                    _ => segments.push(Segment { first: range.first, last: range.last, owner }),
                }
            }
            let mut owners: Vec<u32> = segments.iter().map(|segment| segment.owner).collect();
            owners.sort_unstable();
            owners.dedup();
            let mut ranges: HashMap<u32, Ranges> = HashMap::new();
            for segment in &segments {
                ranges.entry(segment.owner).or_default().push((segment.first, segment.last));
            }
            (Ground::new(family, segments), owners, ranges)
        };
        let sharers = inventory.shared.iter().flat_map(|shared| &shared.customers);
        let sharers: std::collections::BTreeSet<CustomerId> = sharers.copied().collect();
        let homeless = (0..inventory.customers.len())
            .map(|at| CustomerId(at as u32))
            .filter(|id| inventory.customer(*id).prefixes.is_empty() && !sharers.contains(id))
            .collect();
        let [(v4, v4_owners, v4_ranges), (v6, v6_owners, v6_ranges)] = FAMILIES.map(owned);
        Land {
            nobodys: FAMILIES.map(|family| {
                let all = [(0, family.max())];
                cut(customers, family, &all, |end| end.owner == Owner::Nobody).inside
            }),
            inventory,
            customers,
            grounds: [v4, v6],
            owners: [v4_owners, v6_owners],
            ranges: [v4_ranges, v6_ranges],
            splits: Vec::new(),
            homeless,
        }
    }

    /// Returns the party that a number of the grounds stands for.
    pub(super) fn party(&self, owner: u32) -> Party {
        match owner.checked_sub(self.inventory.customers.len() as u32) {
            None => Party::Customer(CustomerId(owner)),
            Some(shared) => Party::Shared(SharedId(shared)),
        }
    }

    /// Splits ranges by a test of what stands there.
    pub(super) fn cut(
        &self,
        family: Family,
        ranges: &[(u128, u128)],
        holds: impl Fn(&End) -> bool,
    ) -> Split {
        cut(self.customers, family, ranges, holds)
    }

    /// Splits ranges into what belongs to a selection and what does not.
    pub(super) fn split(
        &mut self,
        family: Family,
        ranges: &[(u128, u128)],
        within: &Within,
    ) -> Split {
        if within.all {
            return Split { inside: ranges.to_vec(), outside: Ranges::new() };
        }
        if ranges != [(0, family.max())] {
            return self.cut(family, ranges, |end| within.has_end(end, self.inventory));
        }
        if !within.has_prefixes() && within.named_customers().nth(KEPT).is_none() {
            return self.split_few(family, within);
        }
        if let Some((_, known)) = self.splits.iter().find(|(known, _)| known == within) {
            return known[at(family)].clone();
        }
        let both = FAMILIES.map(|family| {
            let all = [(0, family.max())];
            self.cut(family, &all, |end| within.has_end(end, self.inventory))
        });
        let split = both[at(family)].clone();
        if self.splits.len() == KEPT {
            self.splits.remove(0);
        }
        self.splits.push((within.clone(), both));
        split
    }

    /// Splits a whole family by a selection of few customers, without looking at all the others.
    fn split_few(&self, family: Family, within: &Within) -> Split {
        let customers = self.inventory.customers.len() as u32;
        let shared = (0..self.inventory.shared.len() as u32)
            .filter(|id| within.has_owner(Owner::Shared(SharedId(*id)), self.inventory))
            .map(|id| customers + id);
        let owners = within.named_customers().map(|id| id.0).chain(shared);
        let mut inside: Ranges = owners
            .filter_map(|owner| self.ranges[at(family)].get(&owner))
            .flatten()
            .copied()
            .collect();
        inside.sort_unstable();
        let (mut outside, mut next) = (Ranges::new(), Some(0));
        for (first, last) in &inside {
            if let Some(start) = next.filter(|start| start < first) {
                outside.push((start, first - 1));
            }
            next = last.checked_add(1).filter(|after| *after <= family.max());
        }
        outside.extend(next.map(|start| (start, family.max())));
        Split { inside, outside }
    }

    /// Returns those of some sorted ranges that are nobody's.
    pub(super) fn nobodys(&self, family: Family, ranges: &[(u128, u128)]) -> Cow<'_, Ranges> {
        let all = &self.nobodys[at(family)];
        if ranges == [(0, family.max())] {
            return Cow::Borrowed(all);
        }
        let mut nobodys = Ranges::new();
        for (first, last) in ranges {
            let from = all.partition_point(|(_, end)| end < first);
            let met = all[from..].iter().take_while(|(start, _)| start <= last);
            nobodys.extend(met.map(|(start, end)| (*start.max(first), *end.min(last))));
        }
        Cow::Owned(nobodys)
    }
}

fn cut(
    customers: &Customers,
    family: Family,
    ranges: &[(u128, u128)],
    holds: impl Fn(&End) -> bool,
) -> Split {
    let mut split = Split::default();
    for (first, last) in ranges {
        let range = AddressRange { family, first: *first, last: *last };
        for (piece, end) in customers.segments(range) {
            let side = match holds(customers.end(end)) {
                true => &mut split.inside,
                false => &mut split.outside,
            };
            match side.last_mut() {
                Some((_, open)) if open.checked_add(1) == Some(piece.first) => {
                    *open = piece.last;
                }
                _ => side.push((piece.first, piece.last)),
            }
        }
    }
    split
}

/// Numbers the owners: the customers, then the shared entries.
fn number(owner: Owner, inventory: &Inventory) -> Option<u32> {
    match owner {
        Owner::Customer(id) => Some(id.0),
        Owner::Shared(id) => Some(inventory.customers.len() as u32 + id.0),
        Owner::Nobody => None,
    }
}

/// Returns the packets of a set between some addresses; `None` is any.
pub(super) fn between(
    set: &HeaderSet,
    dst: Option<&Ranges>,
    src: Option<&Ranges>,
) -> Option<HeaderSet> {
    let narrow = |set: HeaderSet, key, ranges: Option<&Ranges>| match ranges {
        Some(ranges) => set.with_addresses(key, ranges),
        None => Some(set),
    };
    narrow(set.clone(), Key::Dst, dst).and_then(|set| narrow(set, Key::Src, src))
}
