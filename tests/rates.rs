//! What is made ready once for all rates, held against whole runs at each of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use blastgate::attribution::Attribution;
use blastgate::bank::{Bank, Losses, Taken, World};
use blastgate::judge;
use blastgate::matcher::compile;
use blastgate::model::{
    Diagnostic, Inventory, Known, Label, NameId, Names, Rate, RateUnit, ReadCounts, Record, RuleSet,
};
use blastgate::replay::{Input, Replay, keyed, limits};
use blastgate::scenario::{Moves, Scenario, View};
use blastgate::tally::Tally;
use blastgate::traffic::{Piece, TrafficReader};

use crate::bounds::{Numbers, flows, minute};
use crate::common;

/// Hands out records that are there already.
struct Given(Vec<Record>, bool);

impl TrafficReader for Given {
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<Diagnostic>> {
        let batch = piece.fill();
        self.0.drain(..).for_each(|record| batch.push(record));
        Ok(!batch.is_empty())
    }

    fn counts(&self) -> ReadCounts {
        ReadCounts::default()
    }

    fn even(&self) -> bool {
        self.1
    }
}

/// Lays a bank out for a candidate and these recordings, of which some are even.
fn with_bank(
    set: &RuleSet,
    recordings: Vec<(Vec<Record>, bool)>,
    names: &Arc<Names>,
    test: &dyn Fn(&Bank<'_>, &View, &Tally),
) {
    let (empty, inventory) = (RuleSet::empty(), Inventory::default());
    let (_, customers, problems) = judge::resolve(&empty, &empty, &inventory);
    assert!(problems.is_empty(), "{problems:?}");
    let attribution = Attribution::new(&inventory, &customers, names);
    let sets = [&empty, set];
    let replay = Replay {
        attribution: &attribution,
        matcher: compile(sets, names),
        limits: sets.map(limits),
        keyed: keyed(set),
        attack: Vec::new(),
        labels: Vec::new(),
        named_ports: Vec::new(),
        window_ns: 20_000_000_000,
        pops: None,
        many_routers: Default::default(),
        moves: Moves::default(),
    };
    let input = |(rank, (records, even)): (u32, (Vec<Record>, bool))| Input {
        reader: Box::new(Given(records, even)),
        rank,
        part: 0,
    };
    let inputs = (0u32..).zip(recordings).map(input).collect();
    let (_, tally, problems) = replay.run(inputs, 1, &|_| {});
    assert!(problems.is_empty());
    let tally = tally.finish(&|pop: Option<NameId>| pop);
    let bank = Bank::new(&tally, sets);
    let (recorded, moves) = (Scenario::recorded(), Moves::default());
    let view = View::new(&recorded, &tally, &moves, &attribution, &bank.policers_of());
    test(&bank, &view, &tally);
}

/// Adds packets up by second and source, as a profile has them.
fn seconds(packets: &[Record]) -> Vec<Record> {
    let mut sums: BTreeMap<(i64, u128), Record> = BTreeMap::new();
    for packet in packets {
        let start = packet.time_ns.div_euclid(1_000_000_000) * 1_000_000_000;
        let empty = Record { time_ns: start, packets: 0, bytes: 0, ..*packet };
        let sum = sums.entry((start, packet.header.src)).or_insert(empty);
        sum.packets += packet.packets;
        sum.bytes += packet.bytes;
    }
    sums.into_values().collect()
}

/// Draws packets of two labels, as they may be recorded.
fn recordings(numbers: &mut Numbers, names: &Names) -> Vec<(Vec<Record>, bool)> {
    let mut packets = minute(numbers, names);
    packets.truncate(3_000);
    for packet in &mut packets {
        let source = packet.header.src;
        packet.label = if source % 3 == 0 { Label::Attack } else { Label::None };
        packet.header.dst_port = if source % 2 == 0 { 443 } else { 53 };
    }
    // Those whose ports nobody knows may meet what asks for one, and be in any bucket of what is
    // keyed by it.
    if numbers.below(3) == 0 {
        for packet in packets.iter_mut().filter(|packet| packet.header.src % 7 == 0) {
            packet.header.known = packet.header.known.without(Known::PORTS);
        }
    }
    let sampled = |packet: &Record| Record { weight: 10, ..*packet };
    let few = || packets.iter().take(50);
    match numbers.below(6) {
        0 => vec![(packets, false)],
        1 => vec![(seconds(&packets), true)],
        2 => vec![(flows(&packets, 2_000_000_000), false)],
        3 => vec![(few().map(sampled).collect(), false), (seconds(&packets), true)],
        4 => vec![(few().copied().collect(), false), (seconds(&packets), true)],
        _ => vec![(packets.iter().map(sampled).collect(), false)],
    }
}

const MATCHES: [&str; 4] =
    ["dst: 10.0.0.0", "dst_port: 443", "packet_length: \"<700\"", "src: 10.0.0.100/31"];

const KEYS: [&str; 4] = ["", ", per: [src]", ", per: [dst_port]", ", per: [src/30], scope: global"];

const KINDS: [&str; 5] = [
    "",
    "",
    ", timeout: 2s",
    ", algorithm: fixed_window, window: 5s",
    ", algorithm: sliding_window, window: 2s, exceed: challenge",
];

/// Draws this many limits.
fn draw(numbers: &mut Numbers, count: u64) -> RuleSet {
    let mut text = "version: 1\nrules:\n".to_owned();
    for number in 0..count {
        let mut one_of = |all: &[&'static str]| all[numbers.below(all.len() as u64) as usize];
        let (matches, key, kind) = (one_of(&MATCHES), one_of(&KEYS), one_of(&KINDS));
        text += &format!(
            "  - {{id: r{number}, match: {{{matches}}}, action: {{rate_limit: {{rate: 300 \
             pps{key}{kind}}}}}, intent: {{target: [all]}}}}\n"
        );
    }
    common::rules(&text)
}

const RATES: [u64; 5] = [1, 20, 150, 900, 100_000];

fn packets_per_second(amount: u64) -> Rate {
    Rate { amount, unit: RateUnit::Packets, per_ns: 1_000_000_000 }
}

#[test]
fn one_limit_takes_alone_what_it_takes_in_a_whole_run() {
    let mut numbers = Numbers(23);
    let mut taking = 0;
    for case in 0..40 {
        let names = Arc::new(Names::new());
        let (set, recordings) = (draw(&mut numbers, 1), recordings(&mut numbers, &names));
        let found = std::cell::Cell::new(0);
        with_bank(&set, recordings, &names, &|bank, view, tally| {
            let met = bank.meet(view);
            let all = tally.entries();
            let of: Vec<bool> = all.map(|(_, key, _)| key.label != Label::Attack).collect();
            for (world, at) in [(World::Least, 0), (World::Greatest, 1)] {
                let ready = bank.ready_alone(&met, (view, world), 0, &of);
                for rate in RATES.map(packets_per_second) {
                    let bank = bank.at_rate(0, rate);
                    let whole = &bank.simulate(view, None)[at];
                    let takes =
                        (0..of.len()).any(|key| of[key] && !whole.of(key as u32).is_empty());
                    assert_eq!(bank.takes_from(&ready, &of), takes, "case {case}, {rate}");
                    found.set(found.get() + usize::from(takes));
                }
            }
        });
        taking += found.get();
    }
    assert!((80..320).contains(&taking), "{taking} of 400 take anything");
}

#[test]
fn limits_take_of_some_keys_what_they_take_in_a_whole_run() {
    let mut numbers = Numbers(29);
    for case in 0..40 {
        let names = Arc::new(Names::new());
        let (set, recordings) = (draw(&mut numbers, 3), recordings(&mut numbers, &names));
        let rule = numbers.below(3) as u32;
        with_bank(&set, recordings, &names, &|bank, view, tally| {
            let met = bank.meet(view);
            let all = tally.entries();
            let of: Vec<bool> = all.map(|(_, key, _)| key.label == Label::Attack).collect();
            let [ready, others] = bank.ready_with(&met, view, rule, &of);
            for rate in RATES.map(packets_per_second) {
                let bank = bank.at_rate(rule, rate);
                let whole = bank.simulate(view, None);
                for (at, whole) in whole.iter().enumerate() {
                    let world = at.min(ready.len() - 1);
                    let mut losses = Losses::default();
                    bank.add_taken(&others[world], &of, &mut losses);
                    bank.add_taken(&ready[world], &of, &mut losses);
                    for key in (0u32..).zip(&of).filter(|(_, of)| **of).map(|(key, _)| key) {
                        let (found, expected) = (sorted(&losses, key), sorted(whole, key));
                        assert_eq!(found, expected, "case {case}, r{rule} at {rate}, world {at}");
                    }
                }
            }
        });
    }
}

fn sorted(losses: &Losses, key: u32) -> Vec<(u32, u64, u64)> {
    let mut all: Vec<_> = losses
        .of(key)
        .iter()
        .map(|Taken { rule, packets, bytes, .. }| (*rule, *packets, *bytes))
        .collect();
    all.sort_unstable();
    all
}
