//! The inventory compiled for look-up: who stands at an address, by longest prefix.
//!
//! Nested prefixes are flattened into sorted disjoint intervals, so that a look-up is one index
//! and a short binary search, and a range of addresses is a run of intervals.

use std::collections::HashMap;

use crate::model::intervals::{Bits, Intervals};
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
    v4: Table<u32>,
    v6: Table<u128>,
}

/// The number of an end, and two bits: whether it is somebody's, and whether any infrastructure is
/// there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    const OWNED: u32 = 1 << 31;
    const INFRASTRUCTURE: u32 = 1 << 30;

    fn new(id: EndId, end: &End) -> Place {
        let owned = if end.owner == Owner::Nobody { 0 } else { Place::OWNED };
        let infrastructure = if end.infrastructure.is_empty() { 0 } else { Place::INFRASTRUCTURE };
        // There are never a thousand million ends: each has a prefix.
        Place(id.0 | owned | infrastructure)
    }

    /// Returns what stands there.
    #[inline]
    pub fn end(self) -> EndId {
        EndId(self.0 & !(Place::OWNED | Place::INFRASTRUCTURE))
    }

    /// Returns whether it is somebody's.
    #[inline]
    pub fn is_owned(self) -> bool {
        self.0 & Place::OWNED != 0
    }

    /// Returns whether any infrastructure is there.
    #[inline]
    pub fn has_infrastructure(self) -> bool {
        self.0 & Place::INFRASTRUCTURE != 0
    }
}

/// The intervals of one family, and what stands in each.
#[derive(Clone, Debug)]
struct Table<T> {
    intervals: Intervals<T>,
    places: Vec<Place>,
}

impl<T: Bits> Table<T> {
    fn new(intervals: Vec<(u128, EndId)>, ends: &[End]) -> Table<T> {
        let starts = intervals.iter().map(|(start, _)| T::of(*start)).collect();
        let place = |(_, id): (u128, EndId)| Place::new(id, &ends[id.0 as usize]);
        let places = intervals.into_iter().map(place).collect();
        Table { intervals: Intervals::new(starts), places }
    }

    #[inline]
    fn lookup(&self, address: T) -> Place {
        self.places[self.intervals.position(address)]
    }

    fn lookup_all(&self, addresses: &[T], places: &mut Vec<Place>) {
        places.clear();
        self.intervals.positions(addresses, |positions| {
            places.extend(positions.iter().map(|at| self.places[*at]));
        });
    }
}

/// Memory for looking up many addresses, from one time to the next.
#[derive(Debug, Default)]
pub struct Lookups {
    v4: Vec<u32>,
    v6: Vec<u128>,
    of_v4: Vec<Place>,
    of_v6: Vec<Place>,
    places: Vec<Place>,
}

/// What a prefix of the inventory says about its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Claim {
    Shared(SharedId),
    Customer(CustomerId),
    Infrastructure(InfrastructureId),
    Selected(u32),
}

impl Customers {
    /// Compiles an inventory; `prefixes`, sorted and without repetition, are those that selectors
    /// name.
    pub fn compile(inventory: &Inventory, prefixes: &[Prefix]) -> Customers {
        let count = inventory.customers.iter().map(|customer| customer.prefixes.len()).sum();
        let mut claims: Vec<(Prefix, Claim)> = Vec::with_capacity(count);
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
        // before the customers.
        claims.sort_unstable_by_key(|(prefix, claim)| {
            (prefix.family, prefix.bits, prefix.length, *claim)
        });
        let mut ends = Ends::new();
        let split = claims.partition_point(|(prefix, _)| prefix.family == Family::V4);
        let mut v4 = flatten(&claims[..split], Family::V4, &mut ends);
        let mut v6 = flatten(&claims[split..], Family::V6, &mut ends);
        let ends = ends.number(&mut v4, &mut v6);
        let (v4, v6) = (Table::new(v4, &ends), Table::new(v6, &ends));
        Customers { v4, v6, ends }
    }

    /// Returns what stands at an address.
    #[inline]
    pub fn lookup(&self, address: Address) -> EndId {
        self.place(address).end()
    }

    /// Returns what stands at an address, and the least that is to be known of it.
    #[inline]
    pub fn place(&self, address: Address) -> Place {
        match address.family {
            // The bits of an IPv4 address fit by construction.
            Family::V4 => self.v4.lookup(address.bits as u32),
            Family::V6 => self.v6.lookup(address.bits),
        }
    }

    /// Returns what stands at each of many addresses: much faster than one by one, as the
    /// processor waits for the memory of many at once.
    pub fn places<'l>(
        &self,
        addresses: impl Iterator<Item = Address> + Clone,
        lookups: &'l mut Lookups,
    ) -> &'l [Place] {
        let Lookups { v4, v6, of_v4, of_v6, places } = lookups;
        v4.clear();
        v6.clear();
        places.clear();
        for address in addresses.clone() {
            match address.family {
                // The bits of an IPv4 address fit by construction.
                Family::V4 => v4.push(address.bits as u32),
                Family::V6 => v6.push(address.bits),
            }
        }
        self.v4.lookup_all(v4, of_v4);
        self.v6.lookup_all(v6, of_v6);
        if v6.is_empty() {
            return of_v4;
        }
        let (mut of_v4, mut of_v6) = (of_v4.iter(), of_v6.iter());
        places.extend(addresses.filter_map(|address| match address.family {
            Family::V4 => of_v4.next(),
            Family::V6 => of_v6.next(),
        }));
        places
    }

    /// Returns all ends, by number.
    pub fn ends(&self) -> &[End] {
        &self.ends
    }

    /// Returns the number of the end at which nobody stands; where there is no such address, one
    /// that no end has.
    pub fn nobody(&self) -> EndId {
        let is_nobody = |end: &End| {
            end.owner == Owner::Nobody && end.infrastructure.is_empty() && end.selected.is_empty()
        };
        EndId(self.ends.iter().position(is_nobody).unwrap_or(self.ends.len()) as u32)
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
            Family::V4 => (self.v4.intervals.position(range.first as u32), self.v4.places.len()),
            Family::V6 => (self.v6.intervals.position(range.first), self.v6.places.len()),
        };
        let start = move |at: usize| match range.family {
            Family::V4 => u128::from(self.v4.intervals.starts()[at]),
            Family::V6 => self.v6.intervals.starts()[at],
        };
        let end = move |at: usize| match range.family {
            Family::V4 => self.v4.places[at].end(),
            Family::V6 => self.v6.places[at].end(),
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

/// Ends in the order in which flattening makes them.
struct Ends {
    numbers: HashMap<End, EndId, foldhash::fast::FixedState>,
    values: Vec<End>,
    /// What a claim makes of an end: most prefixes of a customer lie in the same surroundings, so
    /// that describing each anew would be most of the work.
    steps: HashMap<(EndId, Claim), EndId, foldhash::fast::FixedState>,
}

/// The end that no claim holds; the first that is made.
const NOBODY: EndId = EndId(0);

impl Ends {
    fn new() -> Ends {
        let mut ends =
            Ends { numbers: HashMap::default(), values: Vec::new(), steps: HashMap::default() };
        ends.intern(End {
            owner: Owner::Nobody,
            inside: Vec::new(),
            infrastructure: Vec::new(),
            selected: Vec::new(),
        });
        ends
    }

    fn intern(&mut self, end: End) -> EndId {
        if let Some(id) = self.numbers.get(&end) {
            return *id;
        }
        let id = EndId(self.values.len() as u32);
        self.values.push(end.clone());
        self.numbers.insert(end, id);
        id
    }

    /// Returns what stands in a prefix with these claims that lies in these surroundings.
    fn within(&mut self, around: EndId, claims: &[(Prefix, Claim)]) -> EndId {
        let mut end = around;
        let mut owned = false;
        for (_, claim) in claims {
            // The first owns: a shared entry, whose sharers may list the prefix, too.
            let owns = matches!(claim, Claim::Shared(_) | Claim::Customer(_));
            if owns && std::mem::replace(&mut owned, true) {
                continue;
            }
            end = match self.steps.get(&(end, *claim)) {
                Some(after) => *after,
                None => {
                    let after = step(&self.values[end.0 as usize], *claim);
                    let after = self.intern(after);
                    self.steps.insert((end, *claim), after);
                    after
                }
            };
        }
        end
    }

    /// Numbers the ends by their first address, IPv4 first, and forgets those without any.
    fn number(self, v4: &mut [(u128, EndId)], v6: &mut [(u128, EndId)]) -> Vec<End> {
        let mut unnumbered: Vec<Option<End>> = self.values.into_iter().map(Some).collect();
        let mut numbers = vec![NOBODY; unnumbered.len()];
        let mut values = Vec::new();
        for (_, id) in v4.iter_mut().chain(v6) {
            let old = id.0 as usize;
            if let Some(end) = unnumbered[old].take() {
                numbers[old] = EndId(values.len() as u32);
                values.push(end);
            }
            *id = numbers[old];
        }
        values
    }
}

/// Describes the addresses of a claim in these surroundings.
fn step(around: &End, claim: Claim) -> End {
    let mut end = around.clone();
    let mut own = |owner: Owner| {
        if let Owner::Customer(enclosing) = end.owner {
            end.inside.retain(|id| *id != enclosing);
            end.inside.insert(0, enclosing);
        }
        end.owner = owner;
    };
    match claim {
        Claim::Shared(id) => own(Owner::Shared(id)),
        Claim::Customer(id) => {
            own(Owner::Customer(id));
            end.inside.retain(|enclosing| *enclosing != id);
        }
        Claim::Infrastructure(id) => {
            if let Err(at) = end.infrastructure.binary_search(&id) {
                end.infrastructure.insert(at, id);
            }
        }
        Claim::Selected(position) => {
            if let Err(at) = end.selected.binary_search(&position) {
                end.selected.insert(at, position);
            }
        }
    }
    end
}

/// Turns claims, sorted so that enclosing ones come first, into the starts of disjoint intervals.
fn flatten(claims: &[(Prefix, Claim)], family: Family, ends: &mut Ends) -> Vec<(u128, EndId)> {
    let mut starts: Vec<(u128, EndId)> = Vec::with_capacity(claims.len() + 1);
    push(&mut starts, 0, NOBODY);
    // The prefixes that hold the current address, each with its last address and its end.
    let mut open: Vec<(u128, EndId)> = Vec::new();
    let close = |open: &mut Vec<(u128, EndId)>, starts: &mut Vec<_>, before: Option<u128>| {
        while let Some((last, _)) = open.last().copied()
            && before.is_none_or(|before| last < before)
        {
            open.pop();
            // Behind the last address of the family nothing starts.
            if last < family.max() {
                push(starts, last + 1, open.last().map_or(NOBODY, |(_, end)| *end));
            }
        }
    };
    for same in claims.chunk_by(|a, b| a.0 == b.0) {
        let range = same[0].0.range();
        close(&mut open, &mut starts, Some(range.first));
        let end = ends.within(open.last().map_or(NOBODY, |(_, end)| *end), same);
        push(&mut starts, range.first, end);
        open.push((range.last, end));
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

#[cfg(test)]
mod tests;
