//! Whose a packet is: the owners of both ends, and the protected services it belongs to.
//!
//! Attribution only says who stands at the ends. Who is *charged* for a loss depends on the
//! intent of the rule that causes it ([`Within`]): interface, section 6.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::intent::Selection;
use crate::inventory::customers::{Customers, End, EndId, Lookups, Owner};
use crate::model::{
    CustomerId, InfrastructureId, Inventory, Known, NameId, Names, Prefix, Record, SharedId,
};
use crate::service;

pub mod bucket;

/// Something protected whose service a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protected {
    /// An infrastructure entry.
    Infrastructure(InfrastructureId),
    /// The built-in control plane: neither end is a customer's, and no entry covers it.
    ControlPlane,
}

/// The ends of a packet, as far as attribution goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ends {
    /// The source; none if it is not recorded.
    pub src: Option<EndId>,
    /// The destination; none if it is not recorded.
    pub dst: Option<EndId>,
    /// The customer that the recording names where no address can.
    pub named: Option<CustomerId>,
    /// What it belongs to besides.
    pub protected: Vec<Protected>,
}

/// One who can be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A customer.
    Customer(CustomerId),
    /// All sharers of an address together.
    Shared(SharedId),
    /// An infrastructure entry.
    Infrastructure(InfrastructureId),
    /// The built-in control plane.
    ControlPlane,
    /// Nobody.
    Unowned,
}

impl Party {
    /// Returns whether harm to it fails only by the guardrails about protected traffic.
    pub fn is_protected(self) -> bool {
        matches!(self, Party::Infrastructure(_) | Party::ControlPlane)
    }

    /// Returns its name in reports.
    pub fn name(self, inventory: &Inventory) -> String {
        match self {
            Party::Customer(id) => inventory.customer(id).id.value.clone(),
            Party::Shared(id) => shared_name(inventory, id),
            Party::Infrastructure(id) => inventory.infrastructure[id.0 as usize].id.value.clone(),
            Party::ControlPlane => "(control-plane)".to_owned(),
            Party::Unowned => "(unowned)".to_owned(),
        }
    }
}

/// Returns the name of a shared group: `shared:198.51.100.10/32`.
pub fn shared_name(inventory: &Inventory, id: SharedId) -> String {
    let prefixes = &inventory.shared[id.0 as usize].prefixes;
    let more = if prefixes.len() > 1 { ",…" } else { "" };
    match prefixes.first() {
        Some(prefix) => format!("shared:{}{more}", prefix.value),
        None => "shared:".to_owned(),
    }
}

/// Attributes records.
pub struct Attribution<'a> {
    /// Who is who.
    pub inventory: &'a Inventory,
    /// The compiled table.
    pub customers: &'a Customers,
    named: HashMap<Arc<str>, CustomerId>,
    names: &'a Names,
}

impl<'a> Attribution<'a> {
    /// Joins an inventory, its compiled table and the names that records use.
    pub fn new(inventory: &'a Inventory, customers: &'a Customers, names: &'a Names) -> Self {
        let named = inventory
            .customers
            .iter()
            .enumerate()
            .map(|(at, customer)| (customer.id.value.as_str().into(), CustomerId(at as u32)))
            .collect();
        Attribution { inventory, customers, named, names }
    }

    /// Returns the ends of a record.
    pub fn attribute(&self, record: &Record) -> Ends {
        let header = &record.header;
        let known = |field: Known| header.known.has(field);
        let src = known(Known::SRC).then(|| self.customers.lookup(header.src_address()));
        let dst = known(Known::DST).then(|| self.customers.lookup(header.dst_address()));
        let named = record.customer.and_then(|name| self.customer_named(name));
        let mut ends = Ends { src, dst, named, protected: Vec::new() };
        for end in [src, dst].into_iter().flatten() {
            for id in &self.customers.end(end).infrastructure {
                let entry = &self.inventory.infrastructure[id.0 as usize];
                let belongs = entry.services.as_ref().is_none_or(|services| {
                    services.iter().any(|service| service::belongs(*service, header))
                });
                let party = Protected::Infrastructure(*id);
                if belongs && !ends.protected.contains(&party) {
                    ends.protected.push(party);
                }
            }
        }
        let a_customers = self.owners(&ends).iter().any(|owner| *owner != Owner::Nobody);
        if !a_customers
            && ends.protected.is_empty()
            && service::CONTROL_PLANE.iter().any(|service| service::belongs(*service, header))
            && known(Known::PROTOCOL)
        {
            ends.protected.push(Protected::ControlPlane);
        }
        ends.protected.sort_unstable();
        ends
    }

    /// Finds, for each record, its ends if they are all there is to say about it: both are
    /// recorded, no infrastructure is at either, and one is somebody's. `plain` is cleared first.
    pub fn plain_ends(
        &self,
        records: &[Record],
        lookups: &mut Lookups,
        plain: &mut Vec<Option<(EndId, EndId)>>,
    ) {
        plain.clear();
        let addresses = records
            .iter()
            .flat_map(|record| [record.header.src_address(), record.header.dst_address()]);
        let places = self.customers.places(addresses, lookups);
        plain.extend(records.iter().zip(places.chunks_exact(2)).map(|(record, places)| {
            let [src, dst] = [places[0], places[1]];
            let is_plain = record.customer.is_none()
                && record.header.known.has(Known::SRC.with(Known::DST))
                && !src.has_infrastructure()
                && !dst.has_infrastructure()
                && (src.is_owned() || dst.is_owned());
            is_plain.then_some((src.end(), dst.end()))
        }));
    }

    fn customer_named(&self, name: NameId) -> Option<CustomerId> {
        self.named.get(&self.names.name(name)).copied()
    }

    /// Returns the owners of both ends; a customer that the recording names stands for the
    /// destination.
    pub fn owners(&self, ends: &Ends) -> [Owner; 2] {
        let of =
            |end: Option<EndId>| end.map_or(Owner::Nobody, |end| self.customers.end(end).owner);
        let dst = ends.named.map_or(of(ends.dst), Owner::Customer);
        [of(ends.src), dst]
    }

    /// Returns everyone to whom a packet is charged if no intent allows its loss: the owner of
    /// each known end, or `(unowned)`. Infrastructure is charged besides, and its address is a
    /// known end for packets of its services.
    pub fn charged(&self, ends: &Ends) -> Vec<Party> {
        let mut parties: Vec<Party> = self
            .owners(ends)
            .into_iter()
            .filter_map(|owner| match owner {
                Owner::Customer(id) => Some(Party::Customer(id)),
                Owner::Shared(id) => Some(Party::Shared(id)),
                Owner::Nobody => None,
            })
            .collect();
        parties.sort_unstable();
        parties.dedup();
        if parties.is_empty() && ends.protected.is_empty() {
            parties.push(Party::Unowned);
        }
        parties
    }

    /// Returns at whom a packet is aimed: the owner of its destination; where that is nobody's, of
    /// its source (an attack that a customer sends).
    pub fn victim(&self, ends: &Ends) -> Party {
        let party = |owner: Owner| match owner {
            Owner::Customer(id) => Some(Party::Customer(id)),
            Owner::Shared(id) => Some(Party::Shared(id)),
            Owner::Nobody => None,
        };
        let protected = || protected_parties(ends).next();
        let owners = self.owners(ends).into_iter();
        owners.rev().find_map(party).or_else(protected).unwrap_or(Party::Unowned)
    }

    /// Returns whether the destination of a packet is somebody's, for all that is known.
    pub fn is_to_somebody(&self, ends: &Ends) -> bool {
        ends.dst.is_some_and(|dst| self.customers.end(dst).owner != Owner::Nobody)
    }
}

/// Returns what is charged besides the owners.
pub fn protected_parties(ends: &Ends) -> impl Iterator<Item = Party> + '_ {
    ends.protected.iter().map(|protected| match protected {
        Protected::Infrastructure(id) => Party::Infrastructure(*id),
        Protected::ControlPlane => Party::ControlPlane,
    })
}

/// A resolved selection, compiled for look-up: which packets are within it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Within {
    customers: BTreeSet<CustomerId>,
    selected: Vec<u32>,
    unowned: bool,
    /// Whether it is everybody: every customer and `(unowned)`.
    pub all: bool,
}

impl Within {
    /// Compiles a selection; `prefixes` are those that the customer table was compiled with.
    pub fn compile(selection: &Selection, prefixes: &[Prefix]) -> Within {
        Within {
            customers: selection.customers.iter().copied().collect(),
            selected: selection
                .prefixes
                .iter()
                .filter_map(|prefix| prefixes.binary_search(prefix).ok())
                .map(|at| at as u32)
                .collect(),
            unowned: selection.unowned,
            all: selection.all,
        }
    }

    /// Makes the selection of a single customer.
    pub fn customer(id: CustomerId) -> Within {
        Within { customers: BTreeSet::from([id]), ..Within::default() }
    }

    /// Returns the customers that it names, not counting `all`.
    pub fn named_customers(&self) -> impl Iterator<Item = CustomerId> + '_ {
        self.customers.iter().copied()
    }

    /// Returns whether it names nobody.
    pub fn is_empty(&self) -> bool {
        !self.all && !self.unowned && self.customers.is_empty() && self.selected.is_empty()
    }

    /// Returns whether it selects by address, whoever owns it.
    pub fn has_prefixes(&self) -> bool {
        !self.selected.is_empty()
    }

    /// Returns whether a customer belongs to it.
    pub fn has_customer(&self, id: CustomerId) -> bool {
        self.all || self.customers.contains(&id)
    }

    /// Returns whether packets without a known end belong to it.
    pub fn has_unowned(&self) -> bool {
        self.all || self.unowned
    }

    /// Returns whether an address of this end belongs to it. An address that is nobody's belongs
    /// only by prefix (or to all).
    pub fn has_end(&self, end: &End, inventory: &Inventory) -> bool {
        self.all || self.has_prefix_of(end) || self.has_owner(end.owner, inventory)
    }

    /// Returns whether an address of this end belongs to it by prefix, whoever owns it.
    pub fn has_prefix_of(&self, end: &End) -> bool {
        self.selected.iter().any(|selected| end.selected.contains(selected))
    }

    /// Returns whether an owner belongs to it: of a shared address, all its sharers.
    pub fn has_owner(&self, owner: Owner, inventory: &Inventory) -> bool {
        match owner {
            Owner::Customer(id) => self.has_customer(id),
            Owner::Shared(id) => inventory.shared[id.0 as usize]
                .customers
                .iter()
                .all(|customer| self.has_customer(*customer)),
            Owner::Nobody => false,
        }
    }

    /// Returns whether a party belongs to it.
    pub fn has_party(&self, party: Party, inventory: &Inventory) -> bool {
        match party {
            Party::Customer(id) => self.has_customer(id),
            Party::Shared(id) => self.has_owner(Owner::Shared(id), inventory),
            Party::Unowned => self.has_unowned(),
            Party::Infrastructure(_) | Party::ControlPlane => false,
        }
    }

    /// Returns those to whom a packet within the selection is charged, and no others; nothing if
    /// the packet is not within it.
    pub fn charged(&self, ends: &Ends, attribution: &Attribution<'_>) -> Option<Vec<Party>> {
        let inventory = attribution.inventory;
        let usual = attribution.charged(ends);
        if self.all {
            return Some(usual);
        }
        if self.unowned && usual == [Party::Unowned] {
            return Some(usual);
        }
        let mut parties: Vec<Party> = usual
            .into_iter()
            .filter(|party| *party != Party::Unowned && self.has_party(*party, inventory))
            .collect();
        let mut within = !parties.is_empty();
        for end in [ends.src, ends.dst].into_iter().flatten() {
            let end = attribution.customers.end(end);
            if self.has_prefix_of(end) {
                within = true;
                parties.push(match end.owner {
                    Owner::Customer(id) => Party::Customer(id),
                    Owner::Shared(id) => Party::Shared(id),
                    Owner::Nobody => Party::Unowned,
                });
            }
        }
        parties.sort_unstable();
        parties.dedup();
        within.then_some(parties)
    }

    /// Returns whether attack traffic is *to* this selection: its destination belongs to it; where
    /// the destination is nobody's, its source (an attack that a customer sends).
    pub fn is_target(&self, ends: &Ends, attribution: &Attribution<'_>) -> bool {
        let has = |end: Option<EndId>| {
            end.is_some_and(|end| {
                self.has_end(attribution.customers.end(end), attribution.inventory)
            })
        };
        if self.all || has(ends.dst) || ends.named.is_some_and(|id| self.has_customer(id)) {
            return true;
        }
        let usual = attribution.charged(ends);
        if usual == [Party::Unowned] && self.unowned {
            return true;
        }
        let dst_is_nobodys =
            ends.dst.is_none_or(|end| attribution.customers.end(end).owner == Owner::Nobody);
        dst_is_nobodys && has(ends.src)
    }
}

#[cfg(test)]
mod tests;
