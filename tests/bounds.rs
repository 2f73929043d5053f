//! The bounds of limits over coarse recordings, held against the truth: the packets themselves
//! through the bucket one by one, then the same packets as samples and as flow records.

use std::collections::BTreeMap;
use std::sync::Arc;

use blastgate::model::{
    Direction, Family, Known, Label, Layers, Names, PacketHeader, Record, RuleSet, SourceId,
};
use blastgate::scenario::Scenario;

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
