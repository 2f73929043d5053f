//! Whose a packet is: the owners of both ends, and the protected services it belongs to.
//!
//! Attribution only says who stands at the ends. Who is *charged* for a loss depends on the
//! intent of the rule that causes it ([`Within`]): interface, section 6.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::intent::Selection;
use crate::inventory::customers::{Customers, End, EndId, Owner};
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
        let a_customers = self.owners(&ends).any(|owner| owner != Owner::Nobody);
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

    fn customer_named(&self, name: NameId) -> Option<CustomerId> {
        self.named.get(&self.names.name(name)).copied()
    }

    /// Returns the owners of both ends; a customer that the recording names stands for the
    /// destination.
    pub fn owners(&self, ends: &Ends) -> impl Iterator<Item = Owner> {
        let of =
            |end: Option<EndId>| end.map_or(Owner::Nobody, |end| self.customers.end(end).owner);
        let dst = ends.named.map_or(of(ends.dst), Owner::Customer);
        [of(ends.src), dst].into_iter()
    }

    /// Returns everyone to whom a packet is charged if no intent allows its loss: the owner of
    /// each known end, or `(unowned)`. Infrastructure is charged besides, and its address is a
    /// known end for packets of its services.
    pub fn charged(&self, ends: &Ends) -> Vec<Party> {
        let mut parties: Vec<Party> = self
            .owners(ends)
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
        let owners: Vec<Owner> = self.owners(ends).collect();
        let protected = || protected_parties(ends).next();
        owners.into_iter().rev().find_map(party).or_else(protected).unwrap_or(Party::Unowned)
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
mod tests {
    use super::*;
    use crate::intent;
    use crate::inventory;
    use crate::model::{
        Direction, Family, Fragment, Label, Layers, PacketHeader, SourceId, Sources, Spanned,
    };

    const INVENTORY: &str = r#"
version: 1
customers:
  - {id: acme, prefixes: [203.0.113.0/28]}
  - {id: b, tier: gold, prefixes: [203.0.113.16/28], hosts: [b.example]}
  - {id: blog, tier: gold, hosts: [blog.example]}
  - {id: readers, hosts: [www.example]}
shared:
  - {prefixes: [198.51.100.10], customers: [b, blog]}
infrastructure:
  - {id: edge, prefixes: [192.0.2.0/24], services: [bgp]}
  - {id: oob, prefixes: [203.0.113.9], management: true}
"#;

    const ACME: &str = "203.0.113.1";
    const B: &str = "203.0.113.17";
    const SHARED: &str = "198.51.100.10";
    const EDGE: &str = "192.0.2.1";
    const OOB: &str = "203.0.113.9";
    const NOBODY: &str = "45.0.0.1";

    /// A world of [`INVENTORY`], and the prefixes that its selectors name.
    struct World {
        inventory: Inventory,
        prefixes: Vec<Prefix>,
        customers: Customers,
        names: Names,
    }

    impl World {
        fn new() -> World {
            let mut sources = Sources::new();
            let id = sources.add("inventory.yaml", INVENTORY);
            let (inventory, problems) = inventory::load(&sources, &[id]);
            assert!(problems.is_empty(), "{problems:?}");
            let mut prefixes: Vec<Prefix> =
                ["198.51.100.10", "203.0.113.16/30", "45.0.0.0/24", "192.0.2.0/24"]
                    .map(|text| crate::words::prefix(text).expect("a prefix"))
                    .to_vec();
            prefixes.sort_unstable();
            let customers = Customers::compile(&inventory, &prefixes);
            World { inventory, prefixes, customers, names: Names::new() }
        }

        fn attribution(&self) -> Attribution<'_> {
            Attribution::new(&self.inventory, &self.customers, &self.names)
        }

        /// Returns the ends of a TCP packet between two addresses; `?` is not recorded.
        fn ends(&self, src: &str, dst: &str, dst_port: u16, named: Option<&str>) -> Ends {
            let mut header = PacketHeader {
                known: Known::ALL,
                layers: Layers::PORTS,
                protocol: 6,
                src_port: 50_000,
                dst_port,
                fragment: Fragment::NONE,
                ..PacketHeader::unknown(Family::V4)
            };
            for (text, bits, field) in
                [(src, &mut header.src, Known::SRC), (dst, &mut header.dst, Known::DST)]
            {
                match text {
                    "?" => header.known = header.known.without(field),
                    text => *bits = crate::words::address(text).expect("an address").bits,
                }
            }
            let record = Record {
                time_ns: 0,
                duration_ns: 0,
                header,
                pop: None,
                exporter: None,
                direction: Direction::Ingress,
                packets: 1,
                bytes: 100,
                weight: 1,
                label: Label::None,
                customer: named.map(|name| self.names.intern(name)),
                source: SourceId(0),
                number: 1,
            };
            self.attribution().attribute(&record)
        }

        fn words(&self, parties: Vec<Party>) -> String {
            let names: Vec<String> =
                parties.into_iter().map(|party| party.name(&self.inventory)).collect();
            names.join(" ")
        }

        /// Returns who is charged where no intent allows the loss, protected parties behind a `+`.
        fn charged(&self, src: &str, dst: &str, dst_port: u16) -> String {
            let ends = self.ends(src, dst, dst_port, None);
            let owners = self.words(self.attribution().charged(&ends));
            let protected = self.words(protected_parties(&ends).collect());
            if protected.is_empty() { owners } else { format!("{owners}+{protected}") }
        }

        fn within(&self, selectors: &[&str]) -> Within {
            let location = self.inventory.customers[0].id.location;
            let selectors: Vec<Spanned<String>> = selectors
                .iter()
                .map(|selector| Spanned::new((*selector).to_owned(), location))
                .collect();
            let (selection, problems) = intent::resolve(&selectors, &self.inventory);
            assert!(problems.is_empty(), "{problems:?}");
            Within::compile(&selection, &self.prefixes)
        }

        /// Returns who is charged for a web packet within a selection; `-` if it is not within.
        fn charged_within(&self, selectors: &[&str], src: &str, dst: &str) -> String {
            let ends = self.ends(src, dst, 443, None);
            let charged = self.within(selectors).charged(&ends, &self.attribution());
            charged.map_or_else(|| "-".to_owned(), |parties| self.words(parties))
        }
    }

    #[test]
    fn a_packet_is_charged_to_the_owner_of_each_known_end() {
        let world = World::new();
        assert_eq!(world.charged(ACME, B, 443), "acme b");
        assert_eq!(world.charged(NOBODY, B, 443), "b");
        assert_eq!(world.charged(B, NOBODY, 443), "b");
        assert_eq!(world.charged("?", ACME, 443), "acme");
        assert_eq!(world.charged(ACME, ACME, 443), "acme", "once, though both ends are");
        assert_eq!(world.charged(ACME, SHARED, 443), "acme shared:198.51.100.10/32");
    }

    #[test]
    fn what_has_no_known_end_is_unowned() {
        let world = World::new();
        assert_eq!(world.charged(NOBODY, "45.0.1.1", 443), "(unowned)");
        assert_eq!(world.charged("?", "?", 443), "(unowned)");
    }

    #[test]
    fn a_packet_is_within_a_set_when_its_source_or_its_destination_belongs_to_it() {
        let world = World::new();
        assert_eq!(world.charged_within(&["acme"], NOBODY, ACME), "acme");
        assert_eq!(world.charged_within(&["acme"], ACME, NOBODY), "acme");
        assert_eq!(world.charged_within(&["acme"], NOBODY, B), "-");
        assert_eq!(world.charged_within(&["none"], NOBODY, ACME), "-");
    }

    #[test]
    fn a_packet_within_a_set_is_charged_to_those_customers_only() {
        let world = World::new();
        assert_eq!(world.charged_within(&["acme"], ACME, B), "acme");
        assert_eq!(world.charged_within(&["b"], ACME, B), "b");
        assert_eq!(world.charged_within(&["acme", "b"], ACME, B), "acme b");
        assert_eq!(world.charged_within(&["all"], ACME, B), "acme b");
        assert_eq!(world.charged_within(&["acme"], ACME, SHARED), "acme");
    }

    #[test]
    fn a_shared_address_is_within_a_set_only_if_all_its_sharers_are_or_by_prefix() {
        let world = World::new();
        let group = "shared:198.51.100.10/32";
        assert_eq!(world.charged_within(&["b"], NOBODY, SHARED), "-");
        assert_eq!(world.charged_within(&["blog"], NOBODY, SHARED), "-");
        assert_eq!(world.charged_within(&["b", "blog"], NOBODY, SHARED), group);
        assert_eq!(world.charged_within(&["tier:gold"], NOBODY, SHARED), group);
        assert_eq!(world.charged_within(&["all"], NOBODY, SHARED), group);
        assert_eq!(world.charged_within(&["prefix:198.51.100.10/32"], NOBODY, SHARED), group);
        assert_eq!(world.charged_within(&["prefix:198.51.100.10"], ACME, SHARED), group);
    }

    #[test]
    fn an_address_that_is_nobodys_belongs_to_no_set_except_by_prefix() {
        let world = World::new();
        assert_eq!(world.charged_within(&["acme"], NOBODY, "45.0.1.1"), "-");
        assert_eq!(world.charged_within(&["prefix:45.0.0.0/24"], NOBODY, "45.0.1.1"), "(unowned)");
        // By prefix an end is meant whoever owns it, and only the part of the owner's space.
        assert_eq!(world.charged_within(&["prefix:203.0.113.16/30"], ACME, B), "b");
        assert_eq!(world.charged_within(&["prefix:203.0.113.16/30"], ACME, "203.0.113.20"), "-");
    }

    #[test]
    fn unowned_holds_only_packets_with_no_known_end() {
        let world = World::new();
        assert_eq!(world.charged_within(&["unowned"], NOBODY, "45.0.1.1"), "(unowned)");
        assert_eq!(world.charged_within(&["unowned"], NOBODY, ACME), "-");
        assert_eq!(world.charged_within(&["unowned"], NOBODY, SHARED), "-");
        assert_eq!(world.charged_within(&["unowned", "acme"], NOBODY, ACME), "acme");
        assert_eq!(world.charged_within(&["all"], NOBODY, "45.0.1.1"), "(unowned)");
    }

    #[test]
    fn infrastructure_is_charged_besides_for_packets_of_its_services_only() {
        let world = World::new();
        assert_eq!(world.charged(NOBODY, EDGE, 179), "+edge");
        assert_eq!(world.charged(ACME, EDGE, 179), "acme+edge");
        assert_eq!(world.charged(EDGE, NOBODY, 443), "(unowned)", "as if it were not listed");
        assert_eq!(world.charged(ACME, EDGE, 443), "acme");
        // Without `services:`, everything; and the customer around it stays its owner.
        assert_eq!(world.charged(NOBODY, OOB, 443), "acme+oob");
    }

    #[test]
    fn infrastructure_belongs_to_no_set_of_customers() {
        let world = World::new();
        let ends = world.ends(NOBODY, EDGE, 179, None);
        assert_eq!(ends.protected, [Protected::Infrastructure(InfrastructureId(0))]);
        for selectors in [&["acme"][..], &["unowned"], &["tier:gold"]] {
            let charged = world.within(selectors).charged(&ends, &world.attribution());
            assert_eq!(charged, None, "{selectors:?}");
        }
        // Whatever the intent says, the entry itself is among nobody's allowed parties.
        let all = world.within(&["all"]);
        let entry = Party::Infrastructure(InfrastructureId(0));
        assert!(!all.has_party(entry, &world.inventory));
        assert!(entry.is_protected() && Party::ControlPlane.is_protected());
    }

    #[test]
    fn the_control_plane_is_built_in_only_where_neither_end_is_a_customers() {
        let world = World::new();
        assert_eq!(world.charged(NOBODY, "45.0.1.1", 179), "+(control-plane)");
        assert_eq!(world.charged(NOBODY, ACME, 179), "acme");
        assert_eq!(world.charged(NOBODY, SHARED, 179), "shared:198.51.100.10/32");
        assert_eq!(world.charged(NOBODY, EDGE, 179), "+edge", "the entry covers it");
        assert_eq!(world.charged(NOBODY, "45.0.1.1", 443), "(unowned)");
    }

    #[test]
    fn a_customer_that_the_recording_names_stands_for_the_destination() {
        let world = World::new();
        let attribution = world.attribution();
        for dst in [NOBODY, SHARED, "?"] {
            let ends = world.ends(NOBODY, dst, 443, Some("readers"));
            assert_eq!(world.words(attribution.charged(&ends)), "readers", "{dst}");
            assert!(world.within(&["readers"]).is_target(&ends, &attribution), "{dst}");
        }
        let ends = world.ends(NOBODY, ACME, 443, Some("a stranger"));
        assert_eq!(world.words(attribution.charged(&ends)), "acme", "an unknown name says nothing");
    }

    #[test]
    fn an_attack_is_to_its_destination_and_from_a_customer_only_where_that_is_nobodys() {
        let world = World::new();
        let is_target = |selectors: &[&str], src: &str, dst: &str| {
            let ends = world.ends(src, dst, 443, None);
            world.within(selectors).is_target(&ends, &world.attribution())
        };
        assert!(is_target(&["acme"], NOBODY, ACME));
        assert!(is_target(&["acme"], ACME, NOBODY));
        assert!(!is_target(&["acme"], ACME, B), "b is attacked, not acme");
        assert!(!is_target(&["b"], NOBODY, SHARED), "not all sharers are targets");
        assert!(is_target(&["tier:gold"], NOBODY, SHARED));
    }
}
