//! The sieve of large rule sets against the scan, over random sets that overlap, nest and repeat.

use blastgate::matcher::{Step, compile};
use blastgate::model::{
    Action, Address, AddressRange, AddressSet, Direction, Family, Known, Label, Layers, Location,
    Match, Names, NumberSet, PacketHeader, Record, Rule, RuleSet, SourceId, Span, Spanned, Term,
};
use proptest::prelude::*;

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Location { source: SourceId(0), span: Span::new(0, 0) })
}

/// Addresses crowded at both ends of their space.
fn address() -> impl Strategy<Value = Address> {
    (any::<bool>(), 0u128..24, any::<bool>()).prop_map(|(v6, bits, high)| {
        let family = if v6 { Family::V6 } else { Family::V4 };
        Address { family, bits: if high { family.max() - bits } else { bits } }
    })
}

fn addresses() -> impl Strategy<Value = AddressSet> {
    prop::collection::vec((address(), 0u128..12), 1..4).prop_map(|ranges| {
        AddressSet::new(ranges.into_iter().map(|(from, length)| AddressRange {
            family: from.family,
            first: from.bits,
            last: from.bits.saturating_add(length).min(from.family.max()),
        }))
    })
}

fn term() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![
        4 => addresses().prop_map(Term::Dst),
        2 => addresses().prop_map(Term::Src),
        1 => (0u64..3).prop_map(|port| Term::DstPort(NumberSet::new([(port, port + 1)]))),
        1 => Just(Term::Protocol(NumberSet::new([(17, 17)]))),
    ];
    let one = leaf.clone().prop_map(|term| Match { terms: vec![spanned(term)] });
    prop_oneof![
        6 => leaf,
        1 => one.clone().prop_map(Term::Not),
        1 => prop::collection::vec(one, 1..4).prop_map(Term::AnyOf),
    ]
}

fn rules() -> impl Strategy<Value = RuleSet> {
    let action = prop::sample::select(vec![Action::Accept, Action::Drop, Action::Log, Action::Log]);
    let rule = (prop::collection::vec(term(), 0..4), action);
    prop::collection::vec(rule, 24..80).prop_map(|rules| RuleSet {
        rules: rules
            .into_iter()
            .enumerate()
            .map(|(at, (terms, action))| Rule {
                id: format!("r{at}"),
                location: spanned(()).location,
                description: None,
                owner: None,
                ticket: None,
                expires: None,
                matches: Match { terms: terms.into_iter().map(spanned).collect() },
                action: spanned(action),
                intent: None,
            })
            .collect(),
        ..RuleSet::empty()
    })
}

fn record() -> impl Strategy<Value = Record> {
    (address(), address(), 0u16..4, any::<bool>(), 0u8..8).prop_map(
        |(src, dst, port, udp, lost)| {
            let mut known = Known::ALL;
            if lost & 1 == 1 {
                known = known.without(Known::SRC);
            }
            if lost == 2 {
                known = known.without(Known::DST);
            }
            if lost == 4 {
                known = known.without(Known::PORTS);
            }
            Record {
                time_ns: 0,
                duration_ns: 0,
                header: PacketHeader {
                    known,
                    layers: Layers::PORTS,
                    src: src.bits.min(dst.family.max()),
                    dst: dst.bits,
                    protocol: if udp { 17 } else { 6 },
                    dst_port: port,
                    ..PacketHeader::unknown(dst.family)
                },
                pop: None,
                exporter: None,
                direction: Direction::Ingress,
                packets: 1,
                bytes: 100,
                weight: 1,
                label: Label::None,
                customer: None,
                source: SourceId(0),
                number: 1,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_sieve_leaves_out_no_rule_that_the_scan_meets(
        set in rules(), records in prop::collection::vec(record(), 40),
    ) {
        let names = Names::new();
        let [fast] = compile([&set], &names);
        let slow = fast.scanning();
        let (mut quick, mut thorough): (Vec<Step>, Vec<Step>) = (Vec::new(), Vec::new());
        for record in &records {
            fast.walk(record, &mut quick);
            slow.walk(record, &mut thorough);
            prop_assert_eq!(&quick, &thorough);
        }
    }
}
