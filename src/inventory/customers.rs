//! The inventory compiled for look-up: who stands at an address, by longest prefix.
//!
//! Nested prefixes are flattened into sorted disjoint intervals, so that a look-up is one index
//! and a short binary search, and a range of addresses is a run of intervals.

use std::collections::HashMap;

use crate::model::{
    Address, AddressRange, CustomerId, Family, InfrastructureId, Inventory, Prefix, SharedId,
};

/// The number of an [`End`] in one [`Customers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndId(pub u32);

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Nobody's.
    Nobody,
    /// One customer's.
    Customer(CustomerId),
    /// That of all sharers.
    Shared(SharedId),
}

/// All that attribution needs to know of an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct End {
    /// The owner, by longest prefix.
    pub owner: Owner,
    /// Customers whose prefixes enclose the owner's, innermost first, without the owner.
    pub inside: Vec<CustomerId>,
    /// Every infrastructure entry that holds the address.
    pub infrastructure: Vec<InfrastructureId>,
    /// Positions, in the list that the table was compiled with, of the prefixes that hold it.
    pub selected: Vec<u32>,
}

/// The compiled table.
#[derive(Clone, Debug)]
pub struct Customers {
    ends: Vec<End>,
    v4: Intervals<u32>,
    v6: Intervals<u128>,
}

/// What a prefix of the inventory says about its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Customer(CustomerId),
    Shared(SharedId),
    Infrastructure(InfrastructureId),
    Selected(u32),
}

impl Customers {
    /// Compiles an inventory; `prefixes`, sorted and without repetition, are those that selectors
    /// name.
    pub fn compile(inventory: &Inventory, prefixes: &[Prefix]) -> Customers {
        let mut claims: Vec<(Prefix, Claim)> = Vec::new();
        for (at, customer) in inventory.customers.iter().enumerate() {
            let claim = Claim::Customer(CustomerId(at as u32));
            claims.extend(customer.prefixes.iter().map(|prefix| (prefix.value, claim)));
        }
        for (at, shared) in inventory.shared.iter().enumerate() {
            let claim = Claim::Shared(SharedId(at as u32));
            claims.extend(shared.prefixes.iter().map(|prefix| (prefix.value, claim)));
        }
        for (at, entry) in inventory.infrastructure.iter().enumerate() {
            let claim = Claim::Infrastructure(InfrastructureId(at as u32));
            claims.extend(entry.prefixes.iter().map(|prefix| (prefix.value, claim)));
        }
        for (at, prefix) in prefixes.iter().enumerate() {
            claims.push((*prefix, Claim::Selected(at as u32)));
        }
        // Enclosing prefixes come before what they enclose; on equal ones, shared owns: it comes
        // after the customers.
        claims.sort_unstable_by_key(|(prefix, claim)| {
            (prefix.family, prefix.bits, prefix.length, *claim)
        });
        let mut ends = Ends::default();
        let split = claims.partition_point(|(prefix, _)| prefix.family == Family::V4);
        let v4 = flatten(&claims[..split], Family::V4, &mut ends);
        let v6 = flatten(&claims[split..], Family::V6, &mut ends);
        Customers { v4: Intervals::new(v4), v6: Intervals::new(v6), ends: ends.values }
    }

    /// Returns what stands at an address.
    pub fn lookup(&self, address: Address) -> EndId {
        match address.family {
            // The bits of an IPv4 address fit by construction.
            Family::V4 => self.v4.lookup(address.bits as u32),
            Family::V6 => self.v6.lookup(address.bits),
        }
    }

    /// Returns what a number that this table gave out stands for.
    pub fn end(&self, id: EndId) -> &End {
        &self.ends[id.0 as usize]
    }

    /// Returns the pieces of a range, in order; together they are the whole range.
    pub fn segments(
        &self,
        range: AddressRange,
    ) -> impl Iterator<Item = (AddressRange, EndId)> + '_ {
        let (mut at, count) = match range.family {
            Family::V4 => (self.v4.position(range.first as u32), self.v4.starts.len()),
            Family::V6 => (self.v6.position(range.first), self.v6.starts.len()),
        };
        let start = move |at: usize| match range.family {
            Family::V4 => u128::from(self.v4.starts[at]),
            Family::V6 => self.v6.starts[at],
        };
        let end = move |at: usize| match range.family {
            Family::V4 => self.v4.ends[at],
            Family::V6 => self.v6.ends[at],
        };
        std::iter::from_fn(move || {
            if at >= count || start(at) > range.last {
                return None;
            }
            let first = start(at).max(range.first);
            let id = end(at);
            at += 1;
            let last = if at < count { start(at) - 1 } else { range.family.max() };
            Some((AddressRange { family: range.family, first, last: last.min(range.last) }, id))
        })
    }
}

//------------ Flattening ----------------------------------------------------

#[derive(Default)]
struct Ends {
    numbers: HashMap<End, EndId, foldhash::fast::FixedState>,
    values: Vec<End>,
}

impl Ends {
    fn number(&mut self, end: End) -> EndId {
        if let Some(id) = self.numbers.get(&end) {
            return *id;
        }
        let id = EndId(self.values.len() as u32);
        self.values.push(end.clone());
        self.numbers.insert(end, id);
        id
    }
}

/// Turns claims, sorted so that enclosing ones come first, into the starts of disjoint intervals.
fn flatten(claims: &[(Prefix, Claim)], family: Family, ends: &mut Ends) -> Vec<(u128, EndId)> {
    let mut starts: Vec<(u128, EndId)> = Vec::new();
    let nobody = ends.number(describe(&[]));
    push(&mut starts, 0, nobody);
    // The claims that hold the current address, each with its last address, and the end that all
    // up to it make together.
    let mut open: Vec<(u128, Claim, EndId)> = Vec::new();
    let close =
        |open: &mut Vec<(u128, Claim, EndId)>, starts: &mut Vec<_>, before: Option<u128>| {
            while let Some((last, ..)) = open.last().copied() {
                if before.is_some_and(|before| before <= last) {
                    break;
                }
                open.pop();
                let after = open.last().map_or(nobody, |(_, _, end)| *end);
                if last < family.max() {
                    push(starts, last + 1, after);
                }
            }
        };
    let mut at = 0;
    while at < claims.len() {
        let prefix = claims[at].0;
        let range = prefix.range();
        close(&mut open, &mut starts, Some(range.first));
        while at < claims.len() && claims[at].0 == prefix {
            open.push((range.last, claims[at].1, nobody));
            at += 1;
        }
        let holding: Vec<Claim> = open.iter().map(|(_, claim, _)| *claim).collect();
        let end = ends.number(describe(&holding));
        // Claims of one prefix close together; the last opened one stands for all of them.
        if let Some(last) = open.last_mut() {
            last.2 = end;
        }
        push(&mut starts, range.first, end);
    }
    close(&mut open, &mut starts, None);
    starts
}

/// Starts an interval; one that starts at the same address as the last replaces it, and one that
/// says the same as the last is part of it.
fn push(starts: &mut Vec<(u128, EndId)>, first: u128, end: EndId) {
    if starts.last().is_some_and(|(start, _)| *start == first) {
        starts.pop();
    }
    if starts.last().is_none_or(|(_, last)| *last != end) {
        starts.push((first, end));
    }
}

/// Describes an address by the claims that hold it, outermost first.
fn describe(holding: &[Claim]) -> End {
    let mut end = End {
        owner: Owner::Nobody,
        inside: Vec::new(),
        infrastructure: Vec::new(),
        selected: Vec::new(),
    };
    for claim in holding.iter().rev() {
        match claim {
            Claim::Customer(id) => match end.owner {
                Owner::Nobody => end.owner = Owner::Customer(*id),
                owner if owner != Owner::Customer(*id) && !end.inside.contains(id) => {
                    end.inside.push(*id);
                }
                _ => {}
            },
            Claim::Shared(id) => {
                if end.owner == Owner::Nobody {
                    end.owner = Owner::Shared(*id);
                }
            }
            Claim::Infrastructure(id) => {
                if !end.infrastructure.contains(id) {
                    end.infrastructure.push(*id);
                }
            }
            Claim::Selected(at) => end.selected.push(*at),
        }
    }
    end.infrastructure.sort_unstable();
    end.selected.sort_unstable();
    end
}

//------------ Intervals -----------------------------------------------------

/// Bits of the index that cuts the search short.
const INDEX_BITS: u32 = 18;

/// Addresses as numbers that an index can cut.
trait Bits: Copy + Ord {
    /// Returns the highest [`INDEX_BITS`] bits.
    fn high(self) -> usize;
    fn of(bits: u128) -> Self;
}

impl Bits for u32 {
    fn high(self) -> usize {
        (self >> (u32::BITS - INDEX_BITS)) as usize
    }
    fn of(bits: u128) -> u32 {
        bits as u32
    }
}

impl Bits for u128 {
    fn high(self) -> usize {
        (self >> (u128::BITS - INDEX_BITS)) as usize
    }
    fn of(bits: u128) -> u128 {
        bits
    }
}

/// Sorted disjoint intervals that together hold every address.
#[derive(Clone, Debug)]
struct Intervals<T> {
    starts: Vec<T>,
    ends: Vec<EndId>,
    /// For every value of the highest bits: the interval that holds its first address.
    index: Vec<u32>,
}

impl<T: Bits> Intervals<T> {
    fn new(intervals: Vec<(u128, EndId)>) -> Intervals<T> {
        let starts: Vec<T> = intervals.iter().map(|(start, _)| T::of(*start)).collect();
        let ends: Vec<EndId> = intervals.into_iter().map(|(_, end)| end).collect();
        let mut index = Vec::with_capacity((1 << INDEX_BITS) + 1);
        let mut at = 0usize;
        for high in 0..1usize << INDEX_BITS {
            // The first interval whose start lies in or behind this slot, and the one before it.
            while at < starts.len() && starts[at].high() < high {
                at += 1;
            }
            index.push(at.saturating_sub(1) as u32);
        }
        index.push(starts.len() as u32);
        Intervals { starts, ends, index }
    }

    fn position(&self, address: T) -> usize {
        let high = address.high();
        let from = self.index[high] as usize;
        let to = (self.index[high + 1] as usize + 1).min(self.starts.len());
        let within = self.starts[from..to].partition_point(|start| *start <= address);
        // The first interval starts at zero, so one always starts at or before the address.
        (from + within).saturating_sub(1)
    }

    fn lookup(&self, address: T) -> EndId {
        self.ends[self.position(address)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Customer, Infrastructure, Location, Shared, SourceId, Span, Spanned};
    use proptest::prelude::*;

    fn spanned<T>(value: T) -> Spanned<T> {
        let location = Location { source: SourceId(0), span: Span::new(0, 0) };
        Spanned::new(value, location)
    }

    fn inventory(
        customers: &[Vec<Prefix>],
        shared: &[Vec<Prefix>],
        infrastructure: &[Vec<Prefix>],
    ) -> Inventory {
        let prefixes = |list: &Vec<Prefix>| list.iter().copied().map(spanned).collect::<Vec<_>>();
        Inventory {
            customers: customers
                .iter()
                .enumerate()
                .map(|(at, own)| Customer {
                    id: spanned(format!("c{at}")),
                    name: None,
                    tier: None,
                    tags: Vec::new(),
                    region: None,
                    prefixes: prefixes(own),
                    hosts: Vec::new(),
                })
                .collect(),
            shared: shared
                .iter()
                .map(|own| Shared {
                    prefixes: prefixes(own),
                    customers: vec![CustomerId(0)],
                    location: spanned(()).location,
                })
                .collect(),
            infrastructure: infrastructure
                .iter()
                .enumerate()
                .map(|(at, own)| Infrastructure {
                    id: spanned(format!("i{at}")),
                    prefixes: prefixes(own),
                    services: None,
                    peers: Vec::new(),
                    management: false,
                })
                .collect(),
            pops: None,
        }
    }

    /// Prefixes crowded into few bits, so that they nest and touch.
    fn crowded() -> impl Strategy<Value = Prefix> {
        (any::<bool>(), 0u128..64, 0u8..=6).prop_map(|(v6, bits, length)| {
            let (family, width) = if v6 { (Family::V6, 128) } else { (Family::V4, 32) };
            let address = Address { family, bits: bits << (width - 6) };
            Prefix::new(address, length)
        })
    }

    fn slow(inventory: &Inventory, prefixes: &[Prefix], address: Address) -> End {
        let mut holding: Vec<(Prefix, Claim)> = Vec::new();
        let mut hold = |prefix: Prefix, claim: Claim| {
            if prefix.contains(address) {
                holding.push((prefix, claim));
            }
        };
        for (at, customer) in inventory.customers.iter().enumerate() {
            for prefix in &customer.prefixes {
                hold(prefix.value, Claim::Customer(CustomerId(at as u32)));
            }
        }
        for (at, shared) in inventory.shared.iter().enumerate() {
            for prefix in &shared.prefixes {
                hold(prefix.value, Claim::Shared(SharedId(at as u32)));
            }
        }
        for (at, entry) in inventory.infrastructure.iter().enumerate() {
            for prefix in &entry.prefixes {
                hold(prefix.value, Claim::Infrastructure(InfrastructureId(at as u32)));
            }
        }
        for (at, prefix) in prefixes.iter().enumerate() {
            hold(*prefix, Claim::Selected(at as u32));
        }
        let longest = holding
            .iter()
            .filter_map(|(prefix, claim)| match claim {
                Claim::Customer(id) => Some((prefix.length, *claim, Owner::Customer(*id))),
                Claim::Shared(id) => Some((prefix.length, *claim, Owner::Shared(*id))),
                _ => None,
            })
            .max();
        let mut infrastructure: Vec<InfrastructureId> = holding
            .iter()
            .filter_map(|(_, claim)| match claim {
                Claim::Infrastructure(id) => Some(*id),
                _ => None,
            })
            .collect();
        infrastructure.sort_unstable();
        infrastructure.dedup();
        End {
            owner: longest.map_or(Owner::Nobody, |(_, _, owner)| owner),
            inside: Vec::new(),
            infrastructure,
            selected: holding
                .iter()
                .filter_map(|(_, claim)| match claim {
                    Claim::Selected(at) => Some(*at),
                    _ => None,
                })
                .collect(),
        }
    }

    proptest! {
        #[test]
        fn the_longest_prefix_owns(
            customers in prop::collection::vec(prop::collection::vec(crowded(), 0..5), 0..6),
            shared in prop::collection::vec(prop::collection::vec(crowded(), 0..3), 0..3),
            infrastructure in prop::collection::vec(prop::collection::vec(crowded(), 0..3), 0..3),
            mut prefixes in prop::collection::vec(crowded(), 0..4),
        ) {
            prefixes.sort_unstable();
            prefixes.dedup();
            let inventory = inventory(&customers, &shared, &infrastructure);
            let table = Customers::compile(&inventory, &prefixes);
            for family in [Family::V4, Family::V6] {
                let shift = u32::from(family.bits()) - 7;
                for bits in 0u128..128 {
                    let address = Address { family, bits: bits << shift };
                    let found = table.end(table.lookup(address));
                    let mut expected = slow(&inventory, &prefixes, address);
                    expected.inside = found.inside.clone();
                    prop_assert_eq!(found, &expected);
                }
            }
        }

        #[test]
        fn segments_cover_a_range_and_agree_with_look_up(
            customers in prop::collection::vec(prop::collection::vec(crowded(), 0..5), 0..6),
            v6 in any::<bool>(), first in 0u128..128, length in 0u128..64,
        ) {
            let table = Customers::compile(&inventory(&customers, &[], &[]), &[]);
            let family = if v6 { Family::V6 } else { Family::V4 };
            let shift = u32::from(family.bits()) - 7;
            let last = ((first + length).min(127) << shift) + 1;
            let range = AddressRange { family, first: first << shift, last };
            let mut next = range.first;
            let mut before = None;
            for (piece, end) in table.segments(range) {
                prop_assert_eq!(piece.first, next);
                prop_assert!(piece.last <= range.last);
                prop_assert!(before != Some(end), "two pieces of one end touch");
                for bits in [piece.first, piece.last] {
                    prop_assert_eq!(table.lookup(Address { family, bits }), end);
                }
                before = Some(end);
                next = piece.last.wrapping_add(1);
            }
            prop_assert_eq!(next, range.last + 1);
        }
    }

    #[test]
    fn a_nested_customer_is_inside_its_reseller() {
        let prefix = |text: &str| crate::words::prefix(text).expect("a prefix");
        let customers = [vec![prefix("203.0.112.0/22")], vec![prefix("203.0.113.8/29")]];
        let table = Customers::compile(&inventory(&customers, &[], &[]), &[]);
        let at = |text: &str| {
            let address = crate::words::address(text).expect("an address");
            table.end(table.lookup(address)).clone()
        };
        assert_eq!(at("203.0.113.9").owner, Owner::Customer(CustomerId(1)));
        assert_eq!(at("203.0.113.9").inside, [CustomerId(0)]);
        assert_eq!(at("203.0.113.16").owner, Owner::Customer(CustomerId(0)));
        assert_eq!(at("203.0.113.16").inside, []);
        assert_eq!(at("203.0.116.0").owner, Owner::Nobody);
    }
}
