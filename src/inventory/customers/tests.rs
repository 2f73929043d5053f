//! The table against the obvious slow twin, and at its edges.

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

/// Prefixes of every length in a small part of each family.
fn real_looking() -> impl Strategy<Value = Prefix> {
    (any::<bool>(), 0u128..4, any::<u64>(), any::<u8>()).prop_map(|(v6, near, far, length)| {
        if v6 {
            let bits = (0x2001_0db8 << 96) | (near << 94) | (u128::from(far) << (length % 31));
            Prefix::new(Address { family: Family::V6, bits }, 29 + length % 100)
        } else {
            let bits = (203 << 24) | (near << 22) | u128::from(far & 0x3f_ffff);
            Prefix::new(Address { family: Family::V4, bits }, 6 + length % 27)
        }
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
        // The longest; of equal ones the first claim.
        .max_by_key(|(length, claim, _)| (*length, std::cmp::Reverse(*claim)));
    let owner = longest.map_or(Owner::Nobody, |(_, _, owner)| owner);
    // Enclosing prefixes are shorter; who lists an equal one does not enclose.
    let mut enclosing: Vec<(std::cmp::Reverse<u8>, CustomerId)> = holding
        .iter()
        .filter_map(|(prefix, claim)| match claim {
            Claim::Customer(id) if longest.is_some_and(|(own, ..)| prefix.length < own) => {
                Some((std::cmp::Reverse(prefix.length), *claim, *id))
            }
            _ => None,
        })
        // A shared prefix, or an earlier customer, owns instead.
        .filter(|(length, claim, _)| {
            holding.iter().all(|(prefix, other)| {
                prefix.length != length.0
                    || !matches!(other, Claim::Shared(_) | Claim::Customer(_))
                    || other >= claim
            })
        })
        .map(|(length, _, id)| (length, id))
        .filter(|(_, id)| Owner::Customer(*id) != owner)
        .collect();
    enclosing.sort_unstable();
    let mut inside: Vec<CustomerId> = Vec::new();
    for (_, id) in enclosing {
        if !inside.contains(&id) {
            inside.push(id);
        }
    }
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
        owner,
        inside,
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
                prop_assert_eq!(found, &slow(&inventory, &prefixes, address));
            }
        }
    }

    #[test]
    fn the_longest_prefix_owns_at_every_edge_of_real_looking_space(
        customers in prop::collection::vec(prop::collection::vec(real_looking(), 0..6), 0..8),
        shared in prop::collection::vec(prop::collection::vec(real_looking(), 0..3), 0..3),
        infrastructure in prop::collection::vec(prop::collection::vec(real_looking(), 0..3), 0..2),
        mut prefixes in prop::collection::vec(real_looking(), 0..3),
    ) {
        prefixes.sort_unstable();
        prefixes.dedup();
        let inventory = inventory(&customers, &shared, &infrastructure);
        let table = Customers::compile(&inventory, &prefixes);
        for prefix in customers.iter().chain(&shared).chain(&infrastructure).flatten() {
            let AddressRange { family, first, last } = prefix.range();
            for bits in [first.saturating_sub(1), first, last, last.saturating_add(1)] {
                let address = Address { family, bits: bits.min(family.max()) };
                let found = table.end(table.lookup(address));
                prop_assert_eq!(found, &slow(&inventory, &prefixes, address), "{}", address);
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

#[test]
fn a_sharer_that_lists_the_shared_prefix_is_not_inside_itself() {
    let prefix = |text: &str| crate::words::prefix(text).expect("a prefix");
    let own = vec![prefix("198.51.100.10"), prefix("198.51.100.0/24")];
    let table = Customers::compile(&inventory(&[own], &[vec![prefix("198.51.100.10")]], &[]), &[]);
    let address = crate::words::address("198.51.100.10").expect("an address");
    let end = table.end(table.lookup(address));
    assert_eq!(end.owner, Owner::Shared(SharedId(0)));
    assert_eq!(end.inside, [CustomerId(0)], "the /24 encloses it");
}

#[test]
fn ends_are_numbered_by_their_first_address() {
    let prefix = |text: &str| crate::words::prefix(text).expect("a prefix");
    // The /24 is wholly covered, so that it has no number.
    let customers = [
        vec![prefix("203.0.113.0/25"), prefix("2001:db8::/32")],
        vec![prefix("203.0.113.0/24")],
        vec![prefix("203.0.113.128/25"), prefix("192.0.2.0/24")],
    ];
    let table = Customers::compile(&inventory(&customers, &[], &[]), &[]);
    let met: Vec<u32> = table
        .segments(AddressRange::all(Family::V4))
        .chain(table.segments(AddressRange::all(Family::V6)))
        .map(|(_, end)| end.0)
        .collect();
    // The first customer inside the second is another end than the first alone.
    assert_eq!(met, [0, 1, 0, 2, 3, 0, 0, 4, 0]);
}

#[test]
fn the_last_address_of_each_family_is_found() {
    for text in ["255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
        let own = crate::words::prefix(text).expect("a prefix");
        let table = Customers::compile(&inventory(&[vec![own]], &[], &[]), &[]);
        let address = |bits: u128| Address { family: own.family, bits };
        let owner = |bits: u128| table.end(table.lookup(address(bits))).owner;
        assert_eq!(owner(own.bits), Owner::Customer(CustomerId(0)));
        assert_eq!(owner(own.bits - 1), Owner::Nobody);
        assert_eq!(owner(0), Owner::Nobody);
        assert_eq!(table.segments(AddressRange::all(own.family)).count(), 2);
    }
}

#[test]
fn an_empty_inventory_is_nobodys() {
    let table = Customers::compile(&inventory(&[], &[], &[]), &[]);
    for family in [Family::V4, Family::V6] {
        for bits in [0, 1, family.max()] {
            assert_eq!(table.end(table.lookup(Address { family, bits })).owner, Owner::Nobody);
        }
        assert_eq!(table.segments(AddressRange::all(family)).count(), 1);
    }
}
