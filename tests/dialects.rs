//! What rules of other languages bring: conditions that no recording shows, conditions that are not
//! understood, policers that several rules use, and limits whose bucket nobody knows.

use std::sync::Arc;

use blastgate::impact::{Cause, Impact, Range};
use blastgate::matcher::{NOT_UNDERSTOOD, UNRECORDED};
use blastgate::model::{
    Action, Algorithm, Names, Record, RuleSet, Spanned, Term, Unmodelled, UnmodelledKind,
};
use blastgate::policer::{self, Packet};
use blastgate::scenario::Scenario;
use proptest::prelude::*;

use crate::common::{assess, rules};

const INVENTORY: &str = "
version: 1
customers:
  - {id: a, prefixes: [10.0.0.0/30]}
  - {id: b, prefixes: [10.0.0.4/30]}
";

/// Packets to b, one each so many nanoseconds, to these ports in turn.
fn packets(times: impl IntoIterator<Item = (i64, u16)>) -> Vec<Record> {
    let of = |(at, (time_ns, port)): (usize, (i64, u16))| {
        let text = format!("src 198.51.100.1 dst 10.0.0.5 udp dst_port {port} packet_length 100");
        let packet =
            blastgate::packet_text::parse(blastgate::model::SourceId(0), &text).expect("a packet");
        Record {
            time_ns: 1_767_225_600_000_000_000 + time_ns,
            duration_ns: 0,
            header: packet.header,
            pop: None,
            exporter: None,
            direction: packet.direction,
            packets: 1,
            bytes: 100,
            weight: 1,
            label: blastgate::model::Label::None,
            customer: None,
            source: blastgate::model::SourceId(0),
            number: at as u64 + 1,
        }
    };
    times.into_iter().enumerate().map(of).collect()
}

fn impact(running: &RuleSet, candidate: &RuleSet, records: Vec<Record>) -> Impact {
    let names = Arc::new(Names::new());
    assess(INVENTORY, [running, candidate], &names, records, Scenario::recorded()).1
}

/// What is newly lost by any rule, in packets.
fn lost(impact: &Impact) -> (u64, u64) {
    let ranges = || impact.groups.iter().flat_map(|group| group.total.collateral.values());
    let of = |end: fn(&Range) -> u64| ranges().map(end).sum();
    (of(|range| range.least.packets), of(|range| range.greatest.packets))
}

fn rule_set(text: &str) -> RuleSet {
    rules(&format!("version: 1\nrules:\n{text}"))
}

/// Adds a condition that cannot be told to a rule.
fn asks(set: &mut RuleSet, rule: usize, text: &str, kind: UnmodelledKind) {
    let rule = &mut set.rules[rule];
    let term = Term::Unmodelled(Unmodelled { text: text.to_owned(), kind });
    rule.matches.terms.push(Spanned::new(term, rule.location));
}

const DROP: &str = "  - {id: d, match: {dst: 10.0.0.5}, action: drop, intent: {target: [a]}}\n";

#[test]
fn a_loss_that_hangs_on_what_nobody_can_tell_is_only_possible() {
    let kinds = [
        (UnmodelledKind::NotRecorded, UNRECORDED),
        (UnmodelledKind::NotUnderstood, NOT_UNDERSTOOD),
    ];
    for (kind, bit) in kinds {
        let mut candidate = rule_set(DROP);
        asks(&mut candidate, 0, "ct state new", kind);
        let records = || packets((0..10).map(|at| (at, 80)));
        let changed = impact(&RuleSet::empty(), &candidate, records());
        assert_eq!(lost(&changed), (0, 10));
        let cause = Cause { rule: Some(0), shield: None };
        assert_eq!(changed.missing[&cause] & bit, bit);
        assert!(changed.open_rules[&cause].contains(&(1, 0)));
        // An exception that may not hold does not save anyone for certain, nor does it lose them.
        let accept = "  - {id: e, match: {dst: 10.0.0.5}, action: accept}\n";
        let mut spared = rule_set(&format!("{accept}{DROP}"));
        asks(&mut spared, 0, "ct state established", kind);
        assert_eq!(lost(&impact(&RuleSet::empty(), &spared, records())), (0, 10));
        // What is there already is no new loss.
        assert_eq!(lost(&impact(&candidate, &candidate, records())), (0, 0));
        assert_eq!(lost(&impact(&spared, &spared, records())), (0, 0));
        // The same condition has one answer in both sets.
        let mut both = spared.clone();
        both.rules[1].id = "other".to_owned();
        assert_eq!(lost(&impact(&spared, &both, records())), (0, 0));
    }
}

/// Two limits, on two ports.
fn limits(algorithm: Algorithm, bucket: Option<&str>) -> RuleSet {
    let one = |id: &str, port: u16| {
        format!(
            "  - {{id: {id}, match: {{dst: 10.0.0.5, dst_port: {port}}}, action: {{rate_limit: \
             {{rate: 10 pps, burst: 5 packets}}}}, intent: {{target: [a]}}}}\n"
        )
    };
    let mut set = rule_set(&(one("x", 1) + &one("y", 2)));
    for rule in &mut set.rules {
        let Action::RateLimit(limit) = &mut rule.action.value else { continue };
        limit.algorithm = algorithm;
        limit.bucket = bucket.map(str::to_owned);
    }
    set
}

proptest! {
    #[test]
    fn limits_of_one_name_share_their_bucket(
        gaps in prop::collection::vec((0i64..150_000_000, 1u16..3), 1..80),
        which in 0usize..2, together in any::<bool>(),
    ) {
        let algorithm = [Algorithm::TokenBucket, Algorithm::Nft][which];
        let set = limits(algorithm, together.then_some("shared"));
        let mut time_ns = 0;
        let times: Vec<(i64, u16)> = gaps.into_iter().map(|(gap, port)| {
            time_ns += gap;
            (time_ns, port)
        }).collect();
        let Action::RateLimit(limit) = &set.rules[0].action.value else { unreachable!() };
        let policer = policer::compile(limit);
        let mut states = [policer.fresh(times[0].0), policer.fresh(times[0].0)];
        let exceeds = |(time_ns, port): &&(i64, u16)| {
            let state = &mut states[if together { 0 } else { usize::from(*port) - 1 }];
            !policer.conforms(state, Packet { time_ns: *time_ns, packets: 1, bytes: 100 })
        };
        let expected = times.iter().filter(exceeds).count() as u64;
        let found = impact(&RuleSet::empty(), &set, packets(times.iter().copied()));
        prop_assert_eq!(lost(&found), (expected, expected));
        // Sums of the same packets can only be bounded, but not wrongly.
        let mut coarse = packets(times.iter().copied());
        coarse.iter_mut().for_each(|record| record.duration_ns = 1);
        let (least, greatest) = lost(&impact(&RuleSet::empty(), &set, coarse));
        prop_assert!(least <= expected && expected <= greatest, "{} {} {}", least, expected, greatest);
    }

    #[test]
    fn a_limit_of_flowspec_loses_at_least_by_the_deep_bucket_and_at_most_by_the_shallow_one(
        gaps in prop::collection::vec(0i64..200_000_000, 1..80), duration_ns in 0u64..2,
    ) {
        let set = limits(Algorithm::FlowSpec, None);
        let mut time_ns = 0;
        let times: Vec<(i64, u16)> = gaps.into_iter().map(|gap| {
            time_ns += gap;
            (time_ns, 1)
        }).collect();
        let Action::RateLimit(limit) = &set.rules[0].action.value else { unreachable!() };
        let lost_by = |limit: &blastgate::model::RateLimit| {
            let policer = policer::compile(limit);
            let mut state = policer.fresh(times[0].0);
            let exceeds = |(time_ns, _): &&(i64, u16)| {
                !policer.conforms(&mut state, Packet { time_ns: *time_ns, packets: 1, bytes: 100 })
            };
            times.iter().filter(exceeds).count() as u64
        };
        let mild = lost_by(&policer::mildest(limit).expect("a milder one"));
        let worst = lost_by(limit);
        let mut records = packets(times.iter().copied());
        records.iter_mut().for_each(|record| record.duration_ns = duration_ns);
        let (least, greatest) = lost(&impact(&RuleSet::empty(), &set, records));
        if duration_ns == 0 {
            prop_assert_eq!((least, greatest), (mild, worst));
        } else {
            prop_assert!(least <= mild && worst <= greatest);
        }
    }
}
