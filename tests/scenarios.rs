//! Scenarios against their slow twin: the records are moved by hand before they are read, and the
//! recording as it then is must be what the scenario says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blastgate::attribution::Party;
use blastgate::model::{
    Direction, Family, Known, Label, Layers, NameId, Names, PacketHeader, Record, RuleSet, SourceId,
};
use blastgate::scenario::{Effect, Scenario, Which, slot};
use proptest::prelude::*;

use crate::common;

const INVENTORY: &str = "\
version: 1
customers:
  - {id: acme, prefixes: [10.0.0.0/31]}
  - {id: beta, prefixes: [10.0.0.2/31]}
";

/// The rules that a set is drawn from: some ask for the PoP, some limit, in every scope.
const RULES: &[&str] = &[
    "match: {pop: [ams], dst: 10.0.0.0}, action: accept",
    "match: {pop: [lhr], dst: 10.0.0.1}, action: drop",
    "match: {not: {pop: [fra]}, protocol: udp, dst: 10.0.0.2}, action: drop",
    "match: {any_of: [{pop: [lhr]}, {dst: 10.0.0.3}], protocol: udp}, action: {rate_limit: {rate: 2 pps, burst: 3 packets}}",
    "match: {protocol: udp}, action: {rate_limit: {rate: 3 pps, burst: 4 packets, per: [dst]}}",
    "match: {dst: 10.0.0.0/30}, action: {rate_limit: {rate: 300 Bps, burst: 600 B, per: [src]}}",
    "match: {dst: 10.0.0.0/31}, action: {rate_limit: {rate: 4 pps, burst: 5 packets, scope: global}}",
    "match: {dst: 10.0.0.2/31}, action: {rate_limit: {rate: 1 pps, burst: 2 packets, scope: exporter}}",
    "match: {pop: [lhr, fra], protocol: tcp}, action: {rate_limit: {rate: 1 pps, burst: 2 packets}}",
];

const INTENT: &str = "intent: {target: [acme], may_affect: [acme], may_reach: [all]}";

#[derive(Clone, Debug)]
pub(crate) struct Packet {
    tenths: u8,
    src: u8,
    dst: u8,
    pop: u8,
    exporter: u8,
    tcp: bool,
    attack: bool,
}

fn packet() -> impl Strategy<Value = Packet> {
    let addresses = (0..6u8, 0..5u8, 0..3u8, 0..2u8);
    (0..60u8, addresses, any::<bool>(), prop::bool::weighted(0.3)).prop_map(
        |(tenths, (src, dst, pop, exporter), tcp, attack)| Packet {
            tenths,
            src,
            dst,
            pop,
            exporter,
            tcp,
            attack,
        },
    )
}

fn rules() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..RULES.len(), 0..5).prop_map(|mut rules| {
        let mut seen = BTreeSet::new();
        rules.retain(|rule| seen.insert(*rule));
        rules
    })
}

pub(crate) fn parse(rules: &[usize]) -> RuleSet {
    let mut text = "version: 1\nrules:\n".to_owned();
    for rule in rules {
        let rule_text = RULES[*rule];
        let intent = if rule_text.ends_with("accept") { "" } else { INTENT };
        let comma = if intent.is_empty() { "" } else { ", " };
        text.push_str(&format!("  - {{id: r{rule}, {rule_text}{comma}{intent}}}\n"));
    }
    if rules.is_empty() {
        return RuleSet::empty();
    }
    common::rules(&text)
}

const POPS: [&str; 3] = ["ams", "lhr", "fra"];

fn record(packet: &Packet, number: usize, names: &Names) -> Record {
    let address = |last: u8| u128::from(0x0a00_0000 + u32::from(last));
    let pop = POPS[usize::from(packet.pop)];
    Record {
        time_ns: i64::from(packet.tenths) * 100_000_000,
        duration_ns: 0,
        header: PacketHeader {
            known: Known::ALL,
            layers: Layers::PORTS,
            src: address(100 + packet.src),
            dst: address(packet.dst),
            protocol: if packet.tcp { 6 } else { 17 },
            src_port: 50_000,
            dst_port: 443,
            packet_length: 100,
            ..PacketHeader::unknown(Family::V4)
        },
        pop: Some(names.intern(pop)),
        exporter: Some(names.intern(&format!("{pop}{}", packet.exporter))),
        direction: Direction::Ingress,
        packets: 1,
        bytes: 100,
        weight: 1,
        label: if packet.attack { Label::Attack } else { Label::None },
        customer: None,
        source: SourceId(0),
        number: number as u64 + 1,
    }
}

/// What is compared: by party (and PoP, if the split is exact), what is offered and what each set
/// keeps from its way; and what is stopped of the attack.
pub(crate) type Sums = BTreeMap<(String, String), [u64; 3]>;

pub(crate) fn judge(
    (running, candidate): (&RuleSet, &RuleSet),
    names: &Arc<Names>,
    records: Vec<Record>,
    scenario: Scenario,
    by_pop: bool,
) -> (Sums, [[u64; 2]; 2]) {
    let sets = [running, candidate];
    let (inventory, impact) = common::assess(INVENTORY, sets, names, records, scenario);
    let mut sums = Sums::new();
    for group in &impact.groups {
        let pop = group.id.pop.filter(|_| by_pop).map(|pop| names.name(pop).to_string());
        let party = match group.id.party {
            Party::Shared(_) => "shared".to_owned(),
            party => party.name(&inventory),
        };
        let sum = sums.entry((party, pop.unwrap_or_default())).or_default();
        sum[0] += group.total.offered.packets;
        sum[1] += group.total.before.packets;
        sum[2] += group.total.after.packets;
    }
    let stopped = |of: fn(&blastgate::impact::Attack) -> u64| impact.attack.values().map(of).sum();
    let attack = [
        [
            stopped(|attack| attack.candidate.least.packets),
            stopped(|attack| attack.candidate.greatest.packets),
        ],
        [
            stopped(|attack| attack.candidate.least.bytes),
            stopped(|attack| attack.candidate.greatest.bytes),
        ],
    ];
    (sums, attack)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_drain_is_what_moving_the_records_would_give(
        running in rules(),
        candidate in rules(),
        packets in prop::collection::vec(packet(), 1..120),
        kind in 0..4usize,
    ) {
        let (running, candidate) = (parse(&running), parse(&candidate));
        let names = Arc::new(Names::new());
        let [ams, lhr, fra] = POPS.map(|pop| names.intern(pop));
        let records: Vec<Record> =
            packets.iter().enumerate().map(|(at, packet)| record(packet, at, &names)).collect();
        let recorded_at = |pop| records.iter().filter(|one| one.pop == Some(pop)).count() as u64;
        // Below which slot traffic goes to London, and above to Frankfurt.
        let (to, bound) = match kind {
            0 => (vec![(lhr, None)], 256),
            1 => (vec![(lhr, Some(3)), (fra, Some(1))], 192),
            2 => {
                let (a, b) = (recorded_at(lhr), recorded_at(fra));
                let bound = (a * 256).checked_div(a + b).unwrap_or(128);
                (vec![(lhr, None), (fra, None)], bound)
            }
            _ => (Vec::new(), 0),
        };
        let busiest = |pop: NameId| {
            let mut seen: BTreeMap<NameId, u64> = BTreeMap::new();
            for one in records.iter().filter(|one| one.pop == Some(pop)) {
                *seen.entry(one.exporter.expect("known")).or_default() += 1;
            }
            let most = seen.values().max().copied();
            seen.into_iter().find(|(_, count)| Some(*count) == most).map(|(exporter, _)| exporter)
        };
        let moved: Vec<Record> = records
            .iter()
            .filter(|one| kind != 3 || one.pop != Some(ams))
            .map(|one| {
                if one.pop != Some(ams) {
                    return *one;
                }
                let pop = if u64::from(slot(one.header.src)) < bound { lhr } else { fra };
                // A PoP of which nothing is recorded has one exporter of its own.
                let exporter = busiest(pop).unwrap_or_else(|| names.intern("new"));
                Record { pop: Some(pop), exporter: Some(exporter), ..*one }
            })
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        let effect = match kind {
            3 => Effect::Lose { pop: ams },
            _ => Effect::Drain { pop: ams, to },
        };
        let by_pop = kind == 0 || kind == 3;
        let sets = (&running, &candidate);
        let scenario = Scenario { name: "what-if".to_owned(), effect };
        let found = judge(sets, &names, records.clone(), scenario, by_pop);
        let expected = judge(sets, &names, moved, Scenario::recorded(), by_pop);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn what_scaled_packets_lose_lies_inside_the_bounds(
        limit in 4..8usize,
        packets in prop::collection::vec(packet(), 1..120),
    ) {
        // Scaled packets are bounded, and what became of them lies inside the bounds. Of several
        // rules one after the other only the convention holds that all lose in proportion.
        let (running, candidate) = (RuleSet::empty(), parse(&[limit]));
        let names = Arc::new(Names::new());
        let records: Vec<Record> =
            packets.iter().enumerate().map(|(at, packet)| record(packet, at, &names)).collect();
        let sets = (&running, &candidate);
        let exact = attack_bounds(sets, &names, records.clone(), Scenario::recorded());
        let scenario = Scenario {
            name: "same".to_owned(),
            effect: Effect::Scale { factor: 1_000_000, which: Which::default() },
        };
        let attack = attack_bounds(sets, &names, records, scenario);
        for ([least, greatest], [exact, _]) in attack.into_iter().zip(exact) {
            prop_assert!((least..=greatest).contains(&exact), "{attack:?} {exact:?}");
        }
    }
}

pub(crate) fn attack_bounds(
    sets: (&RuleSet, &RuleSet),
    names: &Arc<Names>,
    mut records: Vec<Record>,
    scenario: Scenario,
) -> [[u64; 2]; 2] {
    // Attack alone is compared, so that what is bounded for the others may differ.
    records.iter_mut().for_each(|record| record.label = Label::Attack);
    judge(sets, names, records, scenario, false).1
}
