//! The engines of the matcher against the scan, over random pairs of sets that overlap, nest and
//! repeat, and records that lack fields.

use std::collections::{BTreeMap, BTreeSet};

use blastgate::matcher::{Limits, Step, Test, Truth, compile_within, ends_walk};
use blastgate::model::{
    Action, Address, AddressRange, AddressSet, Direction, Family, FlagTest, Fragment, FragmentTest,
    Known, Label, Location, Match, NameId, Names, NumberSet, PacketHeader, Record, Rule, RuleSet,
    SourceId, Span, Spanned, Term, ordinary,
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

fn numbers(values: std::ops::Range<u64>, most: u64) -> impl Strategy<Value = NumberSet> {
    prop::collection::vec((values, 0..most), 1..3).prop_map(|ranges| {
        NumberSet::new(ranges.into_iter().map(|(from, length)| (from, from + length)))
    })
}

fn leaf() -> impl Strategy<Value = Term> {
    let fragments = prop::sample::select(vec![
        FragmentTest::Any,
        FragmentTest::First,
        FragmentTest::NotFirst,
        FragmentTest::Last,
        FragmentTest::None,
        FragmentTest::DontFragment,
    ]);
    let flags = (0u8..8, 0u8..8).prop_map(|(mask, value)| FlagTest { mask, value: value & mask });
    let pop = prop::sample::subsequence(vec!["ams", "lhr"], 1..=2);
    prop_oneof![
        6 => addresses().prop_map(Term::Dst),
        4 => addresses().prop_map(Term::Src),
        2 => numbers(0..4, 3).prop_map(Term::DstPort),
        1 => numbers(0..4, 3).prop_map(Term::SrcPort),
        1 => numbers(0..4, 2).prop_map(Term::Port),
        2 => prop::sample::select(vec![1, 6, 17, 58, 47])
            .prop_map(|protocol| Term::Protocol(NumberSet::new([(protocol, protocol)]))),
        1 => prop::collection::vec(flags, 1..3).prop_map(Term::TcpFlags),
        1 => numbers(0..3, 2).prop_map(Term::IcmpType),
        1 => numbers(0..3, 2).prop_map(Term::IcmpCode),
        1 => numbers(98..102, 100_000).prop_map(Term::PacketLength),
        1 => numbers(0..3, 300).prop_map(Term::Ttl),
        1 => numbers(0..3, 2).prop_map(Term::Dscp),
        1 => prop::collection::vec(fragments, 1..3).prop_map(Term::Fragment),
        1 => pop.prop_map(|pops| Term::Pop(pops.into_iter().map(str::to_owned).collect())),
        1 => Just(Term::Direction(vec![Direction::Egress])),
    ]
}

fn term() -> impl Strategy<Value = Term> {
    let some = || {
        prop::collection::vec(leaf(), 1..3)
            .prop_map(|terms| Match { terms: terms.into_iter().map(spanned).collect() })
    };
    prop_oneof![
        8 => leaf(),
        1 => some().prop_map(Term::Not),
        1 => prop::collection::vec(some(), 1..4).prop_map(Term::AnyOf),
    ]
}

fn rule() -> impl Strategy<Value = (Match, Action)> {
    let action = prop::sample::select(vec![Action::Accept, Action::Drop, Action::Log, Action::Log]);
    let matches = prop::collection::vec(term(), 0..4)
        .prop_map(|terms| Match { terms: terms.into_iter().map(spanned).collect() });
    (matches, action)
}

fn set(rules: &[(Match, Action)]) -> RuleSet {
    let rule = |(at, (matches, action)): (usize, &(Match, Action))| Rule {
        id: format!("r{at}"),
        location: spanned(()).location,
        description: None,
        owner: None,
        ticket: None,
        expires: None,
        matches: matches.clone(),
        action: spanned(action.clone()),
        intent: None,
        waivers: Vec::new(),
    };
    RuleSet { rules: rules.iter().enumerate().map(rule).collect(), ..RuleSet::empty() }
}

/// A rule set, and the same one with rules moved, edited, added and taken away.
fn sets() -> impl Strategy<Value = [RuleSet; 2]> {
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), rule(), 0u8..4);
    let rules = prop::collection::vec(rule(), 1..90);
    (rules, prop::collection::vec(edit, 0..5)).prop_map(|(rules, edits)| {
        let mut edited = rules.clone();
        for (at, to, rule, kind) in edits {
            let at = at.index(edited.len().max(1)).min(edited.len());
            match kind {
                0 => edited.insert(at, rule),
                _ if at == edited.len() => {}
                1 => edited[at] = rule,
                2 => {
                    edited.remove(at);
                }
                _ => {
                    let moved = edited.remove(at);
                    edited.insert(to.index(edited.len() + 1), moved);
                }
            }
        }
        [set(&rules), set(&edited)]
    })
}

fn record() -> impl Strategy<Value = Record> {
    let ends = (address(), address(), 0u16..4, 0u16..4, any::<bool>());
    let rest = (0u8..8, 0u8..4, 0u8..4, 98u32..104, 0u8..4, 0u8..4, 0u8..8, 0u32..4);
    let lost =
        prop_oneof![4 => Just(0u32), 2 => (0u32..12).prop_map(|bit| 1 << bit), 1 => 0u32..4096];
    (ends, rest, prop::sample::select(vec![1u8, 6, 17, 58, 47]), lost).prop_map(
        |((src, dst, src_port, dst_port, egress), rest, protocol, lost)| {
            let (flags, kind, code, length, ttl, dscp, fragment, pop) = rest;
            let family = dst.family;
            let fragment = Fragment(fragment);
            let known = Known(Known::ALL.0 & !lost);
            let header = PacketHeader {
                known,
                layers: ordinary::carried(protocol, family, fragment),
                src: src.bits.min(family.max()),
                dst: dst.bits,
                protocol,
                src_port,
                dst_port,
                tcp_flags: flags,
                icmp_type: kind,
                icmp_code: code,
                packet_length: if length == 103 { 70_000 } else { length },
                dscp,
                ttl,
                fragment,
                ..PacketHeader::unknown(family)
            };
            Record {
                time_ns: 0,
                duration_ns: 0,
                header: ordinary::only_known(header),
                pop: known.has(Known::POP).then_some(NameId(pop)),
                exporter: None,
                direction: if egress { Direction::Egress } else { Direction::Ingress },
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

/// Returns the way of a record through a set, one rule after another; equal matches by the first
/// rule that has them, of both sets.
fn scan(sets: &[RuleSet; 2], side: usize, record: &Record, names: &Names) -> Vec<(u32, u32, u32)> {
    let mut steps = Vec::new();
    let all = || sets.iter().flat_map(|set| &set.rules);
    for (at, rule) in (0u32..).zip(&sets[side].rules) {
        let missing = match Test::compile(&rule.matches, names).decide(record) {
            Truth::No => continue,
            Truth::Yes => 0,
            Truth::Maybe(missing) => missing.0,
        };
        let first = all().position(|other| other.matches == rule.matches).expect("itself");
        steps.push((at, first as u32, missing));
        if missing == 0 && ends_walk(&rule.action.value) {
            break;
        }
    }
    steps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_engine_meets_what_the_scan_meets(
        sets in sets(), records in prop::collection::vec(record(), 30),
    ) {
        let names = Names::new();
        for name in ["ams", "lhr", "fra", "par"] {
            names.intern(name);
        }
        let usual = Limits::default();
        let limits = [
            usual,
            Limits { few: 1_000, ..usual },
            Limits { few: 0, ..usual },
            Limits { few: 0, words: 8, ..usual },
            Limits { few: 2, many: 4, ..usual },
            Limits { few: 0, many: 4, words: 8 },
        ];
        let both = [&sets[0], &sets[1]];
        let mut matchers = limits.map(|limits| compile_within(limits, both, &names)).to_vec();
        matchers.push(matchers[0].scanning());
        for record in &records {
            for side in [0, 1] {
                let expected = scan(&sets, side, record, &names);
                let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
                for matcher in &matchers {
                    let mut steps: Vec<Step> = Vec::new();
                    matcher.walk(side, record, &mut steps);
                    let found: Vec<(u32, u32, u32)> = steps
                        .iter()
                        .zip(&expected)
                        .map(|(step, (_, first, _))| {
                            // A match has one number, whatever it is.
                            prop_assert_eq!(*numbers.entry(*first).or_insert(step.matches), step.matches);
                            Ok((step.rule, *first, step.missing))
                        })
                        .collect::<Result<_, TestCaseError>>()?;
                    prop_assert_eq!(steps.len(), expected.len());
                    prop_assert_eq!(&found, &expected);
                }
                let distinct: BTreeSet<&u32> = numbers.values().collect();
                prop_assert_eq!(distinct.len(), numbers.len());
            }
        }
    }
}

#[test]
fn the_engine_is_chosen_by_how_many_rules_there_are_and_how_wide() {
    let port = |port: u64| Term::DstPort(NumberSet::new([(port, port + 9)]));
    let host = |bits: u128| {
        let (family, first) = (Family::V4, bits << 8);
        Term::Dst(AddressSet::new([AddressRange { family, first, last: first }]))
    };
    let rule = |term: Term| (Match { terms: vec![spanned(term)] }, Action::Drop);
    let shape = |rules: Vec<(Match, Action)>| {
        let set = set(&rules);
        compile_within(Limits::default(), [&set, &set], &Names::new()).shapes()[0]
    };
    let few = shape((0..3).map(|at| rule(port(at))).collect());
    assert_eq!((few.listed, few.vectors, few.scanned), (0, 0, 3));
    let wide = shape((0..500).map(|at| rule(port(at))).collect());
    assert_eq!((wide.listed, wide.vectors, wide.scanned, wide.fields), (0, 500, 0, 1));
    let narrow = shape((1..500).map(|at| rule(host(at))).collect());
    assert_eq!((narrow.listed, narrow.vectors, narrow.scanned), (499, 0, 0));
    let both = (1..500).map(|at| rule(if at % 5 == 0 { port(at) } else { host(at.into()) }));
    let both = shape(both.collect());
    assert_eq!((both.listed, both.vectors), (400, 99));
    assert!(both.to_string().starts_with("400 entries by address"), "{both}");
}

#[test]
fn ranges_that_overlap_without_end_make_no_deep_and_no_large_engine() {
    // Each begins and ends somewhere else, and most of them hold most addresses.
    let range = |at: u128| {
        let (family, first) = (Family::V4, 0x1400_0000 + at);
        Term::Dst(AddressSet::new([AddressRange { family, first, last: first + 0x20_0000 }]))
    };
    let rules: Vec<(Match, Action)> = (0..20_000)
        .map(|at| (Match { terms: vec![spanned(range(at * 7))] }, Action::Log))
        .collect();
    let set = set(&rules);
    let shape = compile_within(Limits::default(), [&set, &set], &Names::new()).shapes()[0];
    assert!(shape.bytes < 64_000_000, "{shape}");
    assert!(shape.depth <= 8, "{shape:?}");
}
