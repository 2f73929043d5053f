//! The bounds of limits over coarse recordings, held against the truth: the packets themselves
//! through the bucket one by one, then the same packets as samples and as flow records.

use std::collections::BTreeMap;
use std::sync::Arc;

use blastgate::model::{
    Direction, Family, Known, Label, Layers, Names, PacketHeader, Record, RuleSet, SourceId,
};
use blastgate::scenario::{Effect, Scenario, Which};

use crate::common;
use crate::scenarios::attack_bounds;

/// A small generator that gives the same numbers everywhere (splitmix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % most
    }
}

/// Makes a minute of packets: some even, some in bursts, of several sizes.
pub(crate) fn minute(numbers: &mut Numbers, names: &Names) -> Vec<Record> {
    let per_second = 100 + numbers.below(900);
    let crowd = 1 + numbers.below(200);
    let mut times: Vec<i64> = Vec::new();
    while times.len() < per_second as usize * 60 {
        let at = numbers.below(60_000_000) as i64 * 1_000;
        let together = if numbers.below(4) == 0 { crowd } else { 1 };
        times.extend((0..together).map(|at_once| at + at_once as i64 * 10_000));
    }
    times.sort_unstable();
    let record = |(at, time_ns): (usize, i64)| {
        let (src, length) = (numbers.below(50), 60 + 20 * numbers.below(70));
        Record {
            time_ns,
            duration_ns: 0,
            header: PacketHeader {
                known: Known::ALL,
                layers: Layers::PORTS,
                src: u128::from(0x0a00_0064 + src as u32),
                dst: 0x0a00_0000,
                protocol: 17,
                src_port: 50_000,
                dst_port: 443,
                packet_length: length as u32,
                ..PacketHeader::unknown(Family::V4)
            },
            pop: Some(names.intern("ams")),
            exporter: None,
            direction: Direction::Ingress,
            packets: 1,
            bytes: length,
            weight: 1,
            label: Label::Attack,
            customer: None,
            source: SourceId(0),
            number: at as u64 + 1,
        }
    };
    times.into_iter().enumerate().map(record).collect()
}

/// Draws a limit on what goes to the host of [`minute`], so many times what is near its traffic.
pub(crate) fn limit(numbers: &mut Numbers, times: u64) -> RuleSet {
    let rate = times * (50 + numbers.below(900));
    let (rate, burst) = if numbers.below(2) == 0 {
        (format!("{rate} pps"), format!("{} packets", 1 + numbers.below(2 * rate)))
    } else {
        (format!("{rate} kBps"), format!("{} B", 1_500 + numbers.below(times * 900_000)))
    };
    let text = format!(
        "version: 1\nrules:\n  - {{id: r, match: {{dst: 10.0.0.0}}, \
         action: {{rate_limit: {{rate: {rate}, burst: {burst}}}}}, intent: {{target: [acme]}}}}\n"
    );
    common::rules(&text)
}

/// Aggregates packets into flow records by source, ended after so long.
pub(crate) fn flows(packets: &[Record], active_ns: i64) -> Vec<Record> {
    let mut open: BTreeMap<u128, Record> = BTreeMap::new();
    let mut done: Vec<Record> = Vec::new();
    for packet in packets {
        let source = packet.header.src;
        if let Some(flow) = open.get(&source)
            && packet.time_ns - flow.time_ns >= active_ns
        {
            done.push(*flow);
            open.remove(&source);
        }
        let flow = open.entry(source).or_insert(Record { packets: 0, bytes: 0, ..*packet });
        flow.packets += 1;
        flow.bytes += packet.bytes;
        // The last packet is inside the flow.
        flow.duration_ns = packet.time_ns.abs_diff(flow.time_ns) + 1;
        flow.header.known = flow.header.known.without(Known::LENGTH);
    }
    done.extend(open.into_values());
    done.sort_by_key(|flow| (flow.time_ns, flow.number));
    done
}

/// Returns whether what was lost is inside the bounds, in packets and in bytes.
pub(crate) fn is_inside(truth: &[[u64; 2]; 2], bounds: &[[u64; 2]; 2]) -> bool {
    let inside =
        |([lost, _], [least, most]): (&[u64; 2], &[u64; 2])| (least..=most).contains(&lost);
    truth.iter().zip(bounds).all(inside)
}

#[test]
fn the_truth_lies_inside_the_bounds_of_flow_records() {
    let mut numbers = Numbers(7);
    let mut decided = 0;
    for case in 0..60 {
        let names = Arc::new(Names::new());
        let packets = minute(&mut numbers, &names);
        let (running, candidate) = (RuleSet::empty(), limit(&mut numbers, 1));
        let bounds =
            |records| attack_bounds((&running, &candidate), &names, records, Scenario::recorded());
        let truth = bounds(packets.clone());
        assert!(truth.iter().all(|[least, most]| least == most), "packets know everything");
        for active_ns in [500_000_000, 2_000_000_000, 15_000_000_000] {
            let found = bounds(flows(&packets, active_ns));
            assert!(is_inside(&truth, &found), "case {case}, {active_ns} ns: {truth:?} {found:?}");
            decided += usize::from(found.iter().all(|[least, most]| least == most));
        }
    }
    println!("180 recordings as flows: all inside, {decided} with nothing between the bounds");
}

#[test]
fn the_truth_lies_inside_the_bounds_of_samples_at_the_promised_rate() {
    let mut numbers = Numbers(11);
    let (mut inside, mut all) = (0, 0);
    for _ in 0..30 {
        let names = Arc::new(Names::new());
        let packets = minute(&mut numbers, &names);
        let (running, candidate) = (RuleSet::empty(), limit(&mut numbers, 1));
        let bounds =
            |records| attack_bounds((&running, &candidate), &names, records, Scenario::recorded());
        let truth = bounds(packets.clone());
        for one_in in [2u32, 10, 50] {
            for _ in 0..5 {
                let sample: Vec<Record> = packets
                    .iter()
                    .filter(|_| numbers.below(u64::from(one_in)) == 0)
                    .map(|packet| Record { weight: one_in, ..*packet })
                    .collect();
                if sample.is_empty() {
                    continue;
                }
                all += 1;
                inside += usize::from(is_inside(&truth, &bounds(sample)));
            }
        }
    }
    println!("{inside} of {all} samples: the truth is inside the bounds");
    assert!(inside * 100 >= all * 95, "{inside} of {all}");
}

#[test]
fn sampling_errors_of_single_seconds_cancel_out() {
    let mut numbers = Numbers(17);
    for _ in 0..10 {
        let names = Arc::new(Names::new());
        let packets = minute(&mut numbers, &names);
        let one_in = packets.len() as u32 / 600;
        let sampled = |packet: &Record| {
            let is_seen = numbers.below(u64::from(one_in)) == 0;
            is_seen.then_some(Record { weight: one_in, ..*packet })
        };
        let sample: Vec<Record> = packets.iter().filter_map(sampled).collect();
        let offered: u64 = sample.iter().map(|one| one.bytes * u64::from(one_in)).sum();
        let candidate = common::rules(
            "version: 1\nrules:\n  - {id: r, match: {dst: 10.0.0.0}, action: {rate_limit: \
             {rate: 1 bps}}, intent: {target: [acme]}}\n",
        );
        let sets = (&RuleSet::empty(), &candidate);
        let [_, [least, _]] = attack_bounds(sets, &names, sample, Scenario::recorded());
        // Ten samples a second tell little of each second, and much of the minute.
        assert!(least * 5 >= offered * 4, "{least} of {offered}");
    }
}

//------------ Newly lost --------------------------------------------------------

const NEIGHBOURS: &str = "
version: 1
customers:
  - {id: acme, prefixes: [10.0.0.0/30]}
  - {id: hospital, prefixes: [10.0.0.4/30]}
";

/// What may stand in front of the shared limit, in one set or in both.
const FRONTS: &[&str] = &[
    "",
    "  - {id: f, match: {dst: 10.0.0.0/30}, action: accept}\n",
    "  - {id: f, match: {dst: 10.0.0.0/30}, action: drop}\n",
    "  - {id: f, match: {dst: 10.0.0.0/30}, action: {rate_limit: {rate: 100 kbps, burst: 1500 B}}}\n",
    "  - {id: f, match: {dst: 10.0.0.4/30, src: 10.0.0.102}, action: accept}\n",
];

/// Returns what the neighbour newly loses, at least and at most, in packets and in bytes.
fn newly_lost(
    sets: [&RuleSet; 2],
    names: &Arc<Names>,
    records: Vec<Record>,
    scenario: Scenario,
) -> [[u64; 2]; 2] {
    let (inventory, impact) = common::assess(NEIGHBOURS, sets, names, records, scenario);
    let mut bounds = [[0; 2]; 2];
    let own = |party: &blastgate::attribution::Party| party.name(&inventory) == "hospital";
    for group in impact.groups.iter().filter(|group| own(&group.id.party)) {
        let lost = group.total.newly_lost();
        bounds[0][0] += lost.least.packets;
        bounds[0][1] += lost.greatest.packets;
        bounds[1][0] += lost.least.bytes;
        bounds[1][1] += lost.greatest.bytes;
    }
    bounds
}

/// A minute of two neighbours, and rule sets that differ in what stands in front of their limit.
fn neighbours(numbers: &mut Numbers, names: &Names) -> (Vec<Record>, [RuleSet; 2]) {
    let mut packets = minute(numbers, names);
    for packet in &mut packets {
        packet.label = Label::None;
        // Who sends to whom, so that a flow is between two ends.
        packet.header.dst = 0x0a00_0001 + if packet.header.src % 3 == 0 { 4 } else { 0 };
    }
    let rate = 50 + numbers.below(900);
    let burst = 1_500 + numbers.below(100_000);
    let sets = [0, 1].map(|_| {
        let front = FRONTS[numbers.below(FRONTS.len() as u64) as usize];
        common::rules(&format!(
            "version: 1\nrules:\n{front}  - {{id: l, match: {{dst: 10.0.0.0/29}}, \
             action: {{rate_limit: {{rate: {rate} kBps, burst: {burst} B}}}}}}\n"
        ))
    });
    (packets, sets)
}

#[test]
fn what_a_neighbour_newly_loses_lies_inside_the_bounds_of_flow_records_and_scales() {
    let mut numbers = Numbers(23);
    let (mut harmed, mut unharmed) = (0, 0);
    for case in 0..60 {
        let names = Arc::new(Names::new());
        let (packets, [running, candidate]) = neighbours(&mut numbers, &names);
        let sets = [&running, &candidate];
        let truth = newly_lost(sets, &names, packets.clone(), Scenario::recorded());
        for active_ns in [500_000_000, 15_000_000_000] {
            let found = newly_lost(sets, &names, flows(&packets, active_ns), Scenario::recorded());
            assert!(is_inside(&truth, &found), "case {case}, {active_ns} ns: {truth:?} {found:?}");
            harmed += usize::from(truth[0][0] > 0);
            unharmed += usize::from(found == [[0; 2]; 2]);
        }
        let doubled: Vec<Record> = packets.iter().flat_map(|packet| [*packet; 2]).collect();
        let truth = newly_lost(sets, &names, doubled, Scenario::recorded());
        let double = Scenario {
            name: "double".to_owned(),
            effect: Effect::Scale { factor: 2_000_000, which: Which::default() },
        };
        let found = newly_lost(sets, &names, packets, double);
        assert!(is_inside(&truth, &found), "case {case}, doubled: {truth:?} {found:?}");
    }
    println!("{harmed} of 120 harmed, {unharmed} certainly not");
    assert!(harmed > 20 && unharmed > 20);
}

#[test]
fn what_a_neighbour_newly_loses_lies_inside_the_bounds_of_samples() {
    let mut numbers = Numbers(29);
    let (mut inside, mut all) = (0, 0);
    for _ in 0..30 {
        let names = Arc::new(Names::new());
        let (packets, [running, candidate]) = neighbours(&mut numbers, &names);
        let sets = [&running, &candidate];
        let truth = newly_lost(sets, &names, packets.clone(), Scenario::recorded());
        for one_in in [2u32, 10] {
            let sample: Vec<Record> = packets
                .iter()
                .filter(|_| numbers.below(u64::from(one_in)) == 0)
                .map(|packet| Record { weight: one_in, ..*packet })
                .collect();
            let found = newly_lost(sets, &names, sample, Scenario::recorded());
            all += 1;
            inside += usize::from(is_inside(&truth, &found));
        }
    }
    println!("{inside} of {all} samples: the truth is inside the bounds");
    assert!(inside * 100 >= all * 95, "{inside} of {all}");
}
