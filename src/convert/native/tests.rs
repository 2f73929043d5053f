//! The native language, written and read again.

use proptest::prelude::*;

use super::*;
use crate::model::{Rate, SourceId, Span, Unmodelled, UnmodelledKind};
use crate::policer::nft::Limit;
use crate::policer::token_bucket::TokenBucket;
use crate::policer::{Packet, Policer};

fn place() -> Location {
    Location { source: SourceId(0), span: Span::new(0, 1) }
}

fn rule(terms: Vec<Term>, action: Action) -> Rule {
    Rule {
        id: "x".to_owned(),
        location: place(),
        description: Some("a \"quoted\" line: # \u{7}é".to_owned()),
        owner: Some("null".to_owned()),
        ticket: None,
        expires: None,
        matches: Match { terms: terms.into_iter().map(|t| Spanned::new(t, place())).collect() },
        action: Spanned::new(action, place()),
        intent: None,
        waivers: Vec::new(),
    }
}

fn written(rule: Rule) -> Result<String, Vec<Diagnostic>> {
    write(&RuleSet { rules: vec![rule], ..RuleSet::empty() }, Path::Forward)
}

fn numbers(first: u64, last: u64) -> NumberSet {
    NumberSet::new([(first, last)])
}

fn nft(rate: Rate, burst: Burst) -> RateLimit {
    RateLimit {
        rate,
        burst,
        burst_is_written: true,
        per: Vec::new(),
        scope: Scope::Exporter,
        exceed: Exceed::Drop,
        algorithm: Algorithm::Nft,
        timeout_ns: None,
        most_keys: None,
        bucket: None,
    }
}

fn term() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![
        (any::<u32>(), any::<u32>(), any::<bool>()).prop_map(|(a, b, is_src)| {
            let (first, last) = (u128::from(a.min(b)), u128::from(a.max(b)));
            let set = AddressSet::new([AddressRange { family: Family::V4, first, last }]);
            if is_src { Term::Src(set) } else { Term::Dst(set) }
        }),
        any::<u128>().prop_map(|bits| {
            let range = AddressRange { family: Family::V6, first: bits, last: bits };
            Term::Dst(AddressSet::new([range]))
        }),
        (0u64..300, 0u64..300).prop_map(|(a, more)| Term::Protocol(numbers(a, a + more))),
        (0u64..70_000).prop_map(|first| Term::DstPort(numbers(first, u64::MAX))),
        (0u64..70_000).prop_map(|one| Term::Port(numbers(one, one))),
        (1u8.., any::<u8>())
            .prop_map(|(mask, value)| Term::TcpFlags(vec![FlagTest { mask, value: value & mask }])),
        prop::sample::select(vec![Family::V4, Family::V6]).prop_map(Term::Family),
        Just(Term::Fragment(vec![FragmentTest::Any])),
        "[a-z]{1,3}[0-9]".prop_map(|pop| Term::Pop(vec![pop])),
        Just(Term::Direction(vec![Direction::Egress])),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let matches = || {
            prop::collection::vec(inner.clone(), 1..4).prop_map(|terms| Match {
                terms: terms.into_iter().map(|term| Spanned::new(term, place())).collect(),
            })
        };
        prop_oneof![
            matches().prop_map(Term::Not),
            prop::collection::vec(matches(), 1..3).prop_map(Term::AnyOf),
        ]
    })
}

proptest! {
    /// Reading back is part of writing.
    #[test]
    fn every_condition_of_a_header_is_written_and_reads_back(
        terms in prop::collection::vec(term(), 0..6),
    ) {
        let text = written(rule(terms, Action::Drop));
        prop_assert!(text.is_ok(), "{text:?}");
    }

    #[test]
    fn a_limit_of_nftables_is_written_where_a_token_bucket_decides_the_same(
        (amount, seconds, depth) in (1u64..2_000, prop::sample::select(vec![1u64, 60, 3600]), 0u64..40),
        in_bytes: bool,
        packets in prop::collection::vec((0u64..400_000_000, 20u64..1_500), 1..200),
    ) {
        let (unit, burst) = match in_bytes {
            true => (RateUnit::Bytes, Burst::Bytes(depth * 100)),
            false => (RateUnit::Packets, Burst::Packets(depth)),
        };
        let amount = if in_bytes { amount * 100 } else { amount };
        let limit = nft(Rate { amount, unit, per_ns: seconds * 1_000_000_000 }, burst);
        let Some(native) = as_native(&limit) else {
            prop_assert_ne!(limit.rate.per_ns % amount, 0);
            return Ok(());
        };
        let (kernel, ours) = (
            Limit::of(&limit).expect("a limit"),
            TokenBucket::new(native.rate, native.burst),
        );
        let (mut kernel_state, mut our_state) = (kernel.fresh(0), ours.fresh(0));
        let mut time_ns = 0;
        for (after, bytes) in packets {
            time_ns += i64::try_from(after).expect("a time");
            let packet = Packet { time_ns, packets: 1, bytes };
            prop_assert_eq!(
                kernel.conforms(&mut kernel_state, packet),
                ours.conforms(&mut our_state, packet)
            );
        }
    }
}

#[test]
fn what_is_not_exact_is_refused_with_its_place_and_reason() {
    let condition =
        Unmodelled { text: "ct state new".to_owned(), kind: UnmodelledKind::NotRecorded };
    let third = Rate { amount: 3, unit: RateUnit::Packets, per_ns: 1_000_000_000 };
    let limit = nft(third, Burst::Packets(5));
    let whole = Rate { amount: 10, ..third };
    let shared = RateLimit { bucket: Some("b".to_owned()), ..nft(whole, Burst::Packets(5)) };
    for (rule, says) in [
        (rule(vec![Term::Unmodelled(condition)], Action::Drop), "`ct state new`"),
        (rule(vec![], Action::RateLimit(limit)), "arithmetic of its own system"),
        (rule(vec![], Action::RateLimit(shared)), "several rules share"),
        (rule(vec![Term::Dst(AddressSet::default())], Action::Drop), "matches nothing"),
    ] {
        let problems = written(rule).expect_err(says);
        assert!(problems[0].message.contains(says), "{problems:?}");
        assert!(problems[0].location.is_some() && problems[0].help.is_some());
    }
    assert!(written(rule(vec![], Action::RateLimit(nft(whole, Burst::Packets(0))))).is_ok());
}

#[test]
fn an_intent_is_written_with_its_rule() {
    let text = "version: 1\nrules:\n  - id: x\n    match: {dst: 203.0.113.10}\n    action: drop\n    \
                intent: {target: [acme, \"tag:web\"], may_reach: all, must_stop: 12.5%, \
                max_collateral: 0.0000001%, attack_match: {protocol: udp}}\n";
    let mut sources = Sources::new();
    let id = sources.add("a", text);
    let native = LANGUAGES.iter().find(|language| language.name == "native").expect("native");
    let (set, problems) = native.parse_texts(&sources, &[id]);
    assert!(problems.is_empty(), "{problems:?}");
    let written = write(&set, Path::Forward).expect("exact");
    assert!(written.contains("must_stop: 12.5%"), "{written}");
}
