//! The wire and the order, against slow readings of the standard.

use proptest::prelude::*;

use super::super::nlri::{Component, Flow, Operation, Pattern};
use super::super::order;
use super::{parse, route};
use crate::model::Family;

fn hex(octets: &[u8]) -> String {
    super::super::community::hex(octets)
}

fn pattern(family: Family, kind: u8) -> impl Strategy<Value = Component> {
    let most = family.bits();
    (any::<u128>(), 0..=most, any::<u8>()).prop_map(move |(bits, length, offset)| {
        let offset = match family {
            Family::V6 if length > 0 => offset % length,
            _ => 0,
        };
        Component::Prefix(Pattern::new(kind, family, bits, length, offset))
    })
}

fn operations(kind: u8) -> impl Strategy<Value = Component> {
    let value = match kind {
        10 | 4..=6 => prop_oneof![0u64..300, 0u64..65_536].boxed(),
        13 => prop_oneof![0u64..300, 0u64..0x10_0000].boxed(),
        9 => (0u64..0x1000).boxed(),
        12 => (0u64..16).boxed(),
        11 => (0u64..64).boxed(),
        _ => (0u64..256).boxed(),
    };
    let one = (any::<bool>(), 0u8..if matches!(kind, 9 | 12) { 4 } else { 8 }, value)
        .prop_map(|(and, operator, value)| Operation { and, operator, value });
    prop::collection::vec(one, 1..5).prop_map(move |list| Component::of(kind, &list))
}

fn flow(family: Family) -> impl Strategy<Value = Flow> {
    let last = if family == Family::V4 { 12 } else { 13 };
    let all: Vec<BoxedStrategy<Component>> = (1..=last)
        .map(|kind| match kind {
            1 | 2 => pattern(family, kind).boxed(),
            _ => operations(kind).boxed(),
        })
        .collect();
    prop::sample::subsequence(all, 1..4)
        .prop_flat_map(|components| components)
        .prop_map(move |components| Flow { family, rd: None, components })
}

fn either() -> impl Strategy<Value = Flow> {
    prop_oneof![flow(Family::V4), flow(Family::V6)]
}

/// Few values, so that much is equal.
fn alike(family: Family) -> impl Strategy<Value = Flow> {
    let prefix = |kind| {
        (0u128..4, prop::sample::select(vec![0u8, 1, 2, 31, 32]), 0u8..2).prop_map(
            move |(bits, length, offset)| {
                let bits = bits << (family.bits() - 2);
                let offset = if family == Family::V6 && length > offset { offset } else { 0 };
                Component::Prefix(Pattern::new(kind, family, bits, length, offset))
            },
        )
    };
    let tests =
        |kind| {
            let one = (any::<bool>(), 0u8..3, 0u64..3)
                .prop_map(|(and, operator, value)| Operation { and, operator, value });
            prop::collection::vec(one, 1..3).prop_map(move |list| Component::of(kind, &list))
        };
    let all: Vec<BoxedStrategy<Component>> = vec![
        prefix(1).boxed(),
        prefix(2).boxed(),
        tests(3).boxed(),
        tests(4).boxed(),
        tests(5).boxed(),
    ];
    prop::sample::subsequence(all, 1..4)
        .prop_flat_map(|components| components)
        .prop_map(move |components| Flow { family, rd: None, components })
}

/// The comparison as the standard tells it, word by word: whether the first one has precedence.
fn naive(one: &Flow, other: &Flow) -> Option<bool> {
    let mut at = 0;
    loop {
        let (a, b) = match (one.components.get(at), other.components.get(at)) {
            (None, None) => return None,
            (None, Some(_)) => return Some(false),
            (Some(_), None) => return Some(true),
            (Some(a), Some(b)) => (a, b),
        };
        at += 1;
        if a.kind() != b.kind() {
            return Some(a.kind() < b.kind());
        }
        match (a, b) {
            (Component::Prefix(a), Component::Prefix(b)) => {
                if a.offset != b.offset {
                    return Some(a.offset < b.offset);
                }
                let bit =
                    |pattern: &Pattern, at: u8| pattern.bits >> (a.family.bits() - 1 - at) & 1;
                let more_specific = |a: &Pattern, b: &Pattern| {
                    a.length > b.length && (b.offset..b.length).all(|at| bit(a, at) == bit(b, at))
                };
                if more_specific(a, b) {
                    return Some(true);
                }
                if more_specific(b, a) {
                    return Some(false);
                }
                if a.bits != b.bits {
                    return Some(a.bits < b.bits);
                }
            }
            (Component::Tests { data: a, .. }, Component::Tests { data: b, .. }) => {
                for (a, b) in a.iter().zip(b) {
                    if a != b {
                        return Some(a < b);
                    }
                }
                if a.len() != b.len() {
                    return Some(a.len() > b.len());
                }
            }
            _ => unreachable!("types decide the kind"),
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(flow in either()) {
        let octets = flow.encode().expect("short");
        let (read, taken) = Flow::decode(&octets, flow.family, false).expect("well formed");
        prop_assert_eq!(taken, octets.len());
        prop_assert_eq!(read, flow);
    }

    #[test]
    fn no_octets_make_the_decoder_panic(
        octets in prop::collection::vec(any::<u8>(), 0..40), v6: bool, vpn: bool,
    ) {
        let family = if v6 { Family::V6 } else { Family::V4 };
        let _ = Flow::decode(&octets, family, vpn);
        parse(&format!("nlri {} afi {}", hex(&octets), if v6 { 2 } else { 1 }));
    }

    #[test]
    fn broken_octets_make_no_panic(flow in either(), at: prop::sample::Index, by: u8, cut: prop::sample::Index) {
        let mut octets = flow.encode().expect("short");
        let place = at.index(octets.len());
        octets[place] ^= by;
        octets.truncate(cut.index(octets.len()) + 1);
        let _ = Flow::decode(&octets, flow.family, false);
        parse(&format!("nlri {}", hex(&octets)));
    }

    #[test]
    fn the_order_is_that_of_the_standard((one, other) in prop_oneof![
        (alike(Family::V4), alike(Family::V4)),
        (alike(Family::V6), alike(Family::V6)),
    ]) {
        let expected = match naive(&one, &other) {
            Some(true) => std::cmp::Ordering::Less,
            Some(false) => std::cmp::Ordering::Greater,
            None => std::cmp::Ordering::Equal,
        };
        prop_assert_eq!(order::compare(&one, &other), expected);
        prop_assert_eq!(order::compare(&other, &one), expected.reverse());
    }

    #[test]
    fn the_order_is_total(a in alike(Family::V6), b in alike(Family::V6), c in alike(Family::V6)) {
        if order::compare(&a, &b).is_le() && order::compare(&b, &c).is_le() {
            prop_assert!(order::compare(&a, &c).is_le());
        }
        prop_assert_eq!(order::compare(&a, &b).is_eq(), a == b);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-c =&!<>\\[\\]{};\"'#\n\\\\é0-9/.:]{0,60}") {
        parse(&text);
        parse(&format!("flow {{ route a {{ match {{ port {text}"));
        parse(&route(&format!("tcp-flags {text};"), "discard;"));
        parse(&route("port =1;", &format!("redirect {text};")));
        parse(&format!("announce flow route {text}"));
        parse(&format!("nlri {text}"));
        parse(&format!("set routing-options flow route a match {text}"));
    }
}
