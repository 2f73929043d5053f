//! Attribution by a small world.

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
