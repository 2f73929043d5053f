//! `trace`: packets in words and back, the reason of every rule that does not match, agreement with
//! the sieve, with `check`'s own buckets and with tcpdump, and the screens.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use blastgate::attribution::Attribution;
use blastgate::bank::Bank;
use blastgate::matcher::compile;
use blastgate::model::ordinary::{carried, only_known};
use blastgate::model::{
    Action, Direction, Family, Fragment, Known, Label, Layers, NameId, Names, PacketHeader, Record,
    RuleSet, SourceId, Sources,
};
use blastgate::packet_text::{self, Packet};
use blastgate::replay::{Input, Replay, keyed, limits};
use blastgate::scenario::{Moves, Scenario, View};
use blastgate::trace::{Disposition, Tracer, Walk, decide};
use blastgate::traffic::{self, Piece, TrafficReader};
use blastgate::{judge, languages};
use proptest::prelude::*;
use serde_json::Value;

use crate::common::{NOW, blastgate};
use crate::recorded;
use crate::sample::{ethernet, file_header, ipv4, record as frame, tcp, udp};

//------------ Packets in words ----------------------------------------------

fn fragment_bits() -> impl Strategy<Value = Fragment> {
    prop_oneof![6 => Just(0u8), 2 => 0u8..8].prop_map(Fragment)
}

/// Any packet that a reader could hand over: everything known or not, carried or cut off.
fn packet() -> impl Strategy<Value = Packet> {
    let numbers = (any::<u16>(), any::<u16>(), any::<u8>(), any::<u8>(), any::<u8>());
    let more = (20u32..70_000, 0u8..64, any::<u8>(), fragment_bits());
    let protocol =
        prop_oneof![prop::sample::select(vec![1u8, 6, 17, 47, 58, 132, 136]), any::<u8>(),];
    let names = vec!["ams", "dst", "new york", "a\"b\\", "tab\there", "π", "1,", "unknown"];
    let pop = prop::option::of(prop::sample::select(names));
    let ends = (any::<bool>(), any::<u128>(), any::<u128>());
    let bits = (any::<u16>(), any::<u8>(), any::<u8>(), any::<bool>());
    (ends, protocol, numbers, more, bits, pop).prop_map(
        |((v6, src, dst), protocol, (src_port, dst_port, flags, kind, code), more, bits, pop)| {
            let (packet_length, dscp, ttl, mut fragment) = more;
            let (lost, absent, whole, egress) = bits;
            let family = if v6 { Family::V6 } else { Family::V4 };
            if v6 {
                fragment = fragment.without(Fragment::DONT);
            }
            // A mapped address is an IPv4 one to people, and no packet has it.
            let bits = |bits: u128| if v6 { bits | 1 << 127 } else { bits & 0xffff_ffff };
            let mut known = Known::ALL;
            if whole % 3 != 0 {
                known = known.without(Known(u32::from(lost) & Known::ALL.0));
            }
            if pop.is_none() {
                known = known.without(Known::POP);
            }
            let seen = if known.has(Known::FRAGMENT) { fragment } else { Fragment::NONE };
            let mut layers = if known.has(Known::PROTOCOL) {
                carried(protocol, family, seen)
            } else if seen.has(Fragment::LATER) {
                Layers::NONE
            } else {
                Layers(7)
            };
            if absent & 8 != 0 {
                layers = layers.without(Layers(absent & 7));
            }
            let header = only_known(PacketHeader {
                known,
                layers,
                family,
                src: bits(src),
                dst: bits(dst),
                protocol,
                src_port,
                dst_port,
                tcp_flags: flags,
                icmp_type: kind,
                icmp_code: code,
                packet_length: packet_length.max(40),
                dscp,
                ttl,
                fragment,
            });
            let direction = if egress && known.has(Known::DIRECTION) {
                Direction::Egress
            } else {
                Direction::Ingress
            };
            let pop = pop.filter(|_| known.has(Known::POP)).map(str::to_owned);
            Packet { header, pop, direction, given: Vec::new() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn every_packet_is_written_in_words_that_read_back_as_it(packet in packet()) {
        let text = packet_text::format(&packet);
        let read = packet_text::parse(SourceId(0), &text);
        prop_assert_eq!(read.as_ref(), Ok(&packet), "{}", text);
    }

    #[test]
    fn no_text_is_too_much_for_the_reader_of_packets(
        words in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "src", "dst", "tcp", "udp", "syn,ack", "=", ":", ",", "\"", "\\", "unknown",
                "without", "ports", "2001:db8::1", "203.0.113.1", "flags", "none", "ttl:", "64",
                "dst=", "fragment", "last", "\u{1b}[2J", "é", "pop", "icmp", "family", "ipv6",
            ]).prop_map(str::to_owned),
            any::<String>(),
        ], 0..12),
        glue in prop::sample::select(vec!["", " ", "\n"]),
    ) {
        let text = words.join(glue);
        if let Ok(packet) = packet_text::parse(SourceId(0), &text) {
            let written = packet_text::format(&packet);
            prop_assert_eq!(packet_text::parse(SourceId(0), &written), Ok(packet));
        }
    }
}

//------------ Random rules and records --------------------------------------

fn parse(text: &str) -> RuleSet {
    let mut sources = Sources::new();
    let file = sources.add("rules.yaml", text);
    let (set, problems) = languages::LANGUAGES[0].parse_texts(&sources, &[file]);
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    set
}

/// A term about the small world of [`record`].
fn term() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0u8..8, 30u8..=32).prop_map(|(last, length)| {
            let base = u32::from(last) & !((1 << (32 - length)) - 1);
            format!("dst: 10.0.0.{base}/{length}")
        }),
        (0u8..8).prop_map(|last| format!("src: 10.0.0.{last}")),
        prop::sample::select(vec!["tcp", "udp", "icmp"])
            .prop_map(|name| format!("protocol: {name}")),
        (78u16..82).prop_map(|port| format!("dst_port: {port}")),
        (78u16..82).prop_map(|port| format!("port: \">={port}\"")),
        Just("tcp_flags: \"syn,!ack\"".to_owned()),
        (0u8..3).prop_map(|kind| format!("icmp_type: {kind}")),
        Just("packet_length: \"<500\"".to_owned()),
        (62u8..66).prop_map(|ttl| format!("ttl: {ttl}")),
        prop::sample::select(vec!["any", "none", "not_first"])
            .prop_map(|part| format!("fragment: {part}")),
        Just("pop: ams".to_owned()),
        Just("direction: ingress".to_owned()),
    ];
    let one = leaf.clone();
    prop_oneof![
        6 => leaf,
        1 => one.clone().prop_map(|term| format!("not: {{{term}}}")),
        1 => (one.clone(), one).prop_map(|(a, b)| format!("any_of: [{{{a}}}, {{{b}}}]")),
    ]
}

fn rules(actions: Vec<&'static str>) -> impl Strategy<Value = String> {
    let matches = prop::collection::vec(term(), 0..3).prop_map(|terms| {
        // A field is written once; the first stays.
        let mut fields = BTreeSet::new();
        let terms: Vec<String> = terms
            .into_iter()
            .filter(|term| fields.insert(term.split(':').next().map(str::to_owned)))
            .collect();
        if terms.is_empty() { "any".to_owned() } else { format!("{{{}}}", terms.join(", ")) }
    });
    let rule = (matches, prop::sample::select(actions));
    (prop::collection::vec(rule, 1..40), any::<bool>()).prop_map(|(rules, drop)| {
        let mut text = "version: 1\n".to_owned();
        if drop {
            text.push_str("default: drop\ndefault_intent: {target: [all]}\n");
        }
        text.push_str("rules:\n");
        for (at, (matches, action)) in rules.iter().enumerate() {
            text.push_str(&format!("  - {{id: r{at}, match: {matches}, action: {action}}}\n"));
        }
        text
    })
}

fn record(pop: NameId) -> impl Strategy<Value = Record> {
    let protocol = prop::sample::select(vec![1u8, 6, 17]);
    let ends = (0u128..8, 0u128..8, 78u16..82, 78u16..82);
    let rest = (any::<u8>(), 0u8..3, 62u8..66, any::<bool>(), fragment_bits(), 0u16..40);
    (ends, protocol, rest).prop_map(move |((src, dst, src_port, dst_port), protocol, rest)| {
        let (tcp_flags, icmp_type, ttl, large, fragment, lost) = rest;
        let lost = if lost < 12 { Known(1 << lost) } else { Known::NONE };
        let known = Known::ALL.without(lost);
        let packet_length = if large { 1_000 } else { 100 };
        let header = only_known(PacketHeader {
            known,
            layers: carried(protocol, Family::V4, fragment),
            family: Family::V4,
            src: 0x0a00_0000 + src,
            dst: 0x0a00_0000 + dst,
            protocol,
            src_port,
            dst_port,
            tcp_flags,
            icmp_type,
            icmp_code: 0,
            packet_length,
            dscp: 0,
            ttl,
            fragment,
        });
        Record {
            time_ns: 0,
            duration_ns: 0,
            header,
            pop: Some(pop).filter(|_| known.has(Known::POP)),
            exporter: None,
            direction: Direction::Ingress,
            packets: 1,
            bytes: u64::from(packet_length),
            weight: 1,
            label: Label::None,
            customer: None,
            source: SourceId(0),
            number: 1,
        }
    })
}

const ENDS: &[&str] = &["accept", "drop", "reject", "challenge", "{redirect: {to: x}}", "log"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_trace_is_what_the_matcher_says(
        text in rules(ENDS.to_vec()), records in prop::collection::vec(record(NameId(0)), 40),
    ) {
        let set = parse(&text);
        let names = Names::new();
        names.intern("ams");
        let fast = compile([&set], &names);
        let mut quick = Tracer::new(&set, (&fast, 0), None);
        let mut steps = Vec::new();
        for record in &records {
            let walk = decide(&set, record, &names);
            prop_assert_eq!(&quick.trace(record), &walk);
            fast.walk(0, record, &mut steps);
            // Where nothing is unknown, the last step is the end.
            if steps.iter().all(|step| step.certain()) {
                let by = steps
                    .last()
                    .map(|step| step.rule)
                    .filter(|rule| set.rules[*rule as usize].action.value != Action::Log);
                prop_assert_eq!(walk.decider(), Some(by), "{}", text);
                prop_assert_ne!(walk.disposition(), Disposition::CannotTell);
            }
        }
    }

    #[test]
    fn an_answer_holds_whatever_the_unknown_is(
        text in rules(ENDS.to_vec()), full in record(NameId(0)), lost in 0u32..4096,
    ) {
        // What is told of a record that lacks fields is what becomes of the whole one.
        let set = parse(&text);
        let names = Names::new();
        names.intern("ams");
        let mut part = full;
        part.header.known = full.header.known.without(Known(lost));
        part.header = only_known(part.header);
        part.pop = full.pop.filter(|_| part.header.known.has(Known::POP));
        let (known, whole) = (decide(&set, &part, &names), decide(&set, &full, &names));
        if known.disposition() != Disposition::CannotTell {
            prop_assert_eq!(known.disposition(), whole.disposition(), "{}", text);
        }
        for end in &whole.ends {
            prop_assert!(known.ends.contains(end), "{:?} {:?}\n{}", known, whole, text);
        }
    }
}

//------------ Limits --------------------------------------------------------

const LIMITS: &[&str] = &[
    "log",
    "accept",
    "drop",
    "{rate_limit: {rate: 3 pps, burst: 4 packets}}",
    "{rate_limit: {rate: 2 pps, burst: 2 packets, per: [src]}}",
    "{rate_limit: {rate: 1 kBps, burst: 3 kB, per: [dst/31], scope: global}}",
    "{rate_limit: {rate: 5 pps, per: [protocol], exceed: log}}",
    "{rate_limit: {rate: 3 packets per 2s, per: [src], algorithm: fixed_window, window: 2s}}",
    "{rate_limit: {rate: 2 pps, algorithm: sliding_window, window: 3s, timeout: 2s}}",
    "{rate_limit: {rate: 4 pps, burst: 4 packets, per: [dst_port], exceed: challenge}}",
];

/// Hands out records that are there already.
struct Given(Vec<Record>, bool, blastgate::model::ReadCounts);

impl TrafficReader for Given {
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<blastgate::model::Diagnostic>> {
        let batch = piece.fill();
        self.0.drain(..).for_each(|record| batch.push(record));
        Ok(!batch.is_empty())
    }

    fn counts(&self) -> blastgate::model::ReadCounts {
        self.2.clone()
    }

    fn even(&self) -> bool {
        self.1
    }
}

/// Returns what the buckets of `check` take of records by each rule, in packets.
fn taken(set: &RuleSet, records: &[Record], even: bool, names: &Arc<Names>) -> Vec<u64> {
    let empty = RuleSet::empty();
    let inventory = blastgate::model::Inventory::default();
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
        window_ns: 300_000_000_000,
        pops: None,
        many_routers: Default::default(),
        moves: Moves::default(),
    };
    let reader = Box::new(Given(records.to_vec(), even, Default::default()));
    let (_, tally, problems) = replay.run(vec![Input { reader, rank: 0, part: 0 }], 1, &|_| {});
    assert!(problems.is_empty());
    let tally = tally.finish(&|pop: Option<NameId>| pop);
    let bank = Bank::new(&tally, sets);
    let (recorded, moves) = (Scenario::recorded(), Moves::default());
    let view = View::new(&recorded, &tally, &moves, &attribution, &bank.policers_of());
    let [least, greatest] = bank.simulate(&view, None);
    let mut sums = vec![0; set.rules.len()];
    for cell in &view.cells {
        assert_eq!(least.of(cell.key), greatest.of(cell.key), "all is known");
    }
    let keys: BTreeSet<u32> = view.cells.iter().map(|cell| cell.key).collect();
    for key in keys {
        for one in least.of(key) {
            sums[one.rule as usize] += one.packets;
        }
    }
    sums
}

/// Returns what a trace says that limits took, by rule.
fn traced(set: &RuleSet, walks: &[Walk]) -> Vec<u64> {
    let mut sums = vec![0; set.rules.len()];
    for walk in walks {
        for loss in &walk.losses {
            sums[loss.rule as usize] += loss.packets;
        }
        if let (Some(Some(rule)), of_losses) =
            (walk.decider(), walk.losses.iter().map(|loss| loss.packets).sum::<u64>())
            && matches!(set.rules[rule as usize].action.value, Action::RateLimit(_))
        {
            sums[rule as usize] += walk.packets - of_losses;
        }
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn limits_take_what_the_buckets_of_check_take(
        text in rules(LIMITS.to_vec()),
        records in prop::collection::vec((record(NameId(0)), 0u64..400_000_000), 1..80),
    ) {
        let set = parse(&text);
        let names = Arc::new(Names::new());
        names.intern("ams");
        let mut time_ns = 0i64;
        let records: Vec<Record> = records
            .into_iter()
            .filter(|(record, _)| record.header.known == Known::ALL)
            .enumerate()
            .map(|(at, (record, gap))| {
                time_ns += gap as i64;
                Record { time_ns, number: at as u64 + 1, ..record }
            })
            .collect();
        let matcher = compile([&set], &names);
        let mut tracer = Tracer::new(&set, (&matcher, 0), None);
        let walks: Vec<Walk> = records.iter().map(|record| tracer.trace(record)).collect();
        prop_assert!(walks.iter().all(|walk| walk.disposition() != Disposition::CannotTell));
        prop_assert_eq!(traced(&set, &walks), taken(&set, &records, false, &names), "{}", text);
    }

    #[test]
    fn an_answer_of_a_limit_holds_whatever_the_unknown_is(
        text in rules(LIMITS.to_vec()),
        records in prop::collection::vec((record(NameId(0)), 0u64..400_000_000, 0u16..30), 1..30),
    ) {
        let set = parse(&text);
        let names = Names::new();
        names.intern("ams");
        let matcher = compile([&set], &names);
        let (mut whole, mut part) =
            (Tracer::new(&set, (&matcher, 0), None), Tracer::new(&set, (&matcher, 0), None));
        let mut time_ns = 0i64;
        for (record, gap, lost) in records {
            time_ns += gap as i64;
            let full = Record { time_ns, ..record };
            let mut less = full;
            if lost < 12 {
                less.header.known = full.header.known.without(Known(1 << lost));
                less.header = only_known(less.header);
                less.pop = full.pop.filter(|_| less.header.known.has(Known::POP));
            }
            // The PoP says which bucket it is: without it the record is in one of its own.
            prop_assume!(less.pop == full.pop);
            let (whole, part) = (whole.trace(&full), part.trace(&less));
            for end in &whole.ends {
                prop_assert!(part.ends.contains(end), "{:?} {:?}\n{}", part, whole, text);
            }
        }
    }
}

const PROFILE: &str = "\
version: 1
start: 2026-03-01T16:30:00Z
duration: 20s
flows:
  - {pop: ams, src: 100.64.0.0/16, sources: 30, dst: 10.0.0.1, protocol: udp, dst_port: 80, rate: 4 Mbps}
  - {pop: lhr, src: 45.0.0.0/24, sources: 7, dst: 10.0.0.1, protocol: udp, dst_port: 80, rate: 1 Mbps, at: 5s}
  - {pop: ams, dst: 10.0.0.2, protocol: tcp, dst_port: 443, rate: 333 pps}
";

fn records_of(profile: &str, names: &Arc<Names>) -> Vec<Record> {
    let settings = traffic::Settings { names: Arc::clone(names), ..recorded::settings() };
    let (records, _) = recorded::read(profile.as_bytes().to_vec(), &settings).expect("a profile");
    records
}

#[test]
fn seconds_of_a_profile_lose_what_check_says() {
    for limit in [
        "{rate: 1 Mbps, burst: 500 kB}",
        "{rate: 100 pps, burst: 120 packets, per: [src]}",
        "{rate: 1 Mbps, per: [dst], scope: global, timeout: 4s}",
        "{rate: 300 packets per 3s, algorithm: fixed_window, window: 3s}",
    ] {
        let text = format!(
            "version: 1\nrules:\n  - {{id: a, match: {{protocol: udp}}, action: {{rate_limit: {limit}}}}}\n"
        );
        let (set, names) = (parse(&text), Arc::new(Names::new()));
        let records = records_of(PROFILE, &names);
        let matcher = compile([&set], &names);
        let mut tracer = Tracer::new(&set, (&matcher, 0), None);
        let walks: Vec<Walk> = records
            .chunk_by(|a, b| a.time_ns / 1_000_000_000 == b.time_ns / 1_000_000_000)
            .flat_map(|second| tracer.trace_second(second))
            .collect();
        let expected = taken(&set, &records, true, &names);
        assert_eq!(traced(&set, &walks), expected, "{limit}");
        assert!(expected[0] > 0 || limit.contains("per: [src]"), "{limit}");
        for (walk, record) in walks.iter().zip(&records) {
            assert_eq!(walk.packets, record.packets);
        }
    }
}

//------------ From the command line -----------------------------------------

struct World(tempfile::TempDir);

impl World {
    fn new(rules: &str) -> World {
        let world = World(tempfile::tempdir().expect("a folder"));
        world.put("rules.yaml", rules.as_bytes());
        world
    }

    fn put(&self, name: &str, content: &[u8]) {
        std::fs::write(self.0.path().join(name), content).expect("a file");
    }

    /// Runs `trace rules.yaml`; returns the screen, the problems and the exit code.
    fn run(&self, arguments: &[&str]) -> (String, String, i32) {
        let output = blastgate(self.0.path())
            .args(["trace", "rules.yaml"])
            .args(arguments)
            .args(["--now", NOW])
            .output()
            .expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (text(output.stdout), text(output.stderr), output.status.code().expect("it ends"))
    }

    fn packet(&self, packet: &str) -> Value {
        let (text, errors, _) = self.run(&["--packet", packet, "-o", "json"]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}{errors}"))
    }
}

const RULES: &str = "\
version: 1
sets:
  acme-web: [203.0.113.10, 203.0.113.11]
rules:
  - {id: seen, match: {protocol: tcp}, action: log}
  - {id: low-ttl, match: {dst: $acme-web, ttl: \"<5\"}, action: reject}
  - {id: flood, match: {dst: $acme-web, protocol: udp}, action: {rate_limit: {rate: 200 Mbps, burst: 25 MB, per: [dst]}}}
  - {id: small, match: {dst: 203.0.113.10, packet_length: \"<100\"}, action: drop}
  - {id: web, match: {dst: 203.0.113.0/28, protocol: tcp, dst_port: [80, 443]}, action: accept}
  - {id: rest, match: {dst: 203.0.113.0/28}, action: challenge}
  - {id: last, match: any, action: drop}
";

#[test]
fn every_term_that_fails_is_named_with_both_values() {
    for (matches, says) in [
        ("{src: 198.51.100.0/24}", "src 45.0.0.1 is not in 198.51.100.0/24"),
        ("{dst: 203.0.113.1}", "dst 203.0.113.99 is not 203.0.113.1"),
        (
            "{dst: [203.0.113.1, 203.0.113.2]}",
            "dst 203.0.113.99 is not in [203.0.113.1, 203.0.113.2]",
        ),
        ("{dst: \"2001:db8::/32\"}", "dst 203.0.113.99 is not in 2001:db8::/32"),
        ("{protocol: udp}", "protocol tcp is not udp"),
        ("{src_port: 53}", "src_port 50000 is not 53"),
        ("{dst_port: 8000-8080}", "dst_port 443 is not in 8000-8080"),
        ("{port: 53}", "neither src_port 50000 nor dst_port 443 is in 53"),
        ("{tcp_flags: \"syn,!ack\"}", "tcp_flags ack is not in syn,!ack"),
        ("{icmp_type: 8}", "packets of protocol tcp carry no icmp_type"),
        ("{icmp_code: 0}", "packets of protocol tcp carry no icmp_code"),
        ("{packet_length: \"<100\"}", "packet_length 1000 is not in <100"),
        ("{dscp: 46}", "dscp 0 is not 46"),
        ("{ttl: 1}", "ttl 64 is not 1"),
        ("{fragment: not_first}", "fragment none is not not_first"),
        ("{pop: lhr}", "pop ams is not lhr"),
        ("{direction: egress}", "direction ingress is not egress"),
        ("{not: {protocol: tcp}}", "`not` leaves it out: protocol tcp is tcp"),
        (
            "{any_of: [{dst_port: 80}, {ttl: 1}]}",
            "no branch of `any_of` holds: dst_port 443 is not 80; ttl 64 is not 1",
        ),
        (
            "{dst: 203.0.113.99, not: {any_of: [{ttl: 64}, {ttl: 1}]}}",
            "`not` leaves it out: a branch of `any_of` holds: ttl 64 is 64",
        ),
    ] {
        let world = World::new(&format!(
            "version: 1\nrules:\n  - {{id: a, match: {matches}, action: drop, intent: {{target: [all]}}}}\n"
        ));
        let trace = world.packet("dst 203.0.113.99 tcp dst_port 443 pop ams");
        assert_eq!(trace["steps"][0]["why"], says, "{matches}");
        assert_eq!(trace["disposition"], "accepted", "{matches}");
    }
    let world =
        World::new("version: 1\nrules:\n  - {id: a, match: {dst_port: 80}, action: drop}\n");
    let why = |packet: &str| world.packet(packet)["steps"][0]["why"].clone();
    assert_eq!(why("icmp"), "packets of protocol icmp carry no dst_port");
    assert_eq!(why("udp fragment last"), "later fragments carry no dst_port");
    assert_eq!(why("udp unknown dst_port"), "dst_port is unknown, and the rule asks for 80");
}

#[test]
fn dispositions_and_exit_codes() {
    let world = World::new(RULES);
    for (packet, disposition, rule, code) in [
        ("dst 203.0.113.10 tcp dst_port 443", "accepted", "web", 0),
        ("dst 203.0.113.10 tcp dst_port 443 packet_length 40", "dropped", "small", 0),
        ("dst 203.0.113.10 tcp ttl 3", "rejected", "low-ttl", 0),
        ("dst 203.0.113.11 udp", "challenged", "rest", 0),
        ("dst 203.0.113.99 udp", "dropped", "last", 0),
        ("dst 203.0.113.99 udp unknown ttl", "dropped", "last", 0),
        ("dst 203.0.113.10 udp unknown ttl", "cannot_tell", "", 3),
    ] {
        let (text, errors, found) = world.run(&["--packet", packet, "-o", "json"]);
        assert_eq!(found, code, "{packet}: {text}{errors}");
        let trace: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(trace["disposition"], disposition, "{packet}");
        let expected = if rule.is_empty() { Value::Null } else { rule.into() };
        assert_eq!(trace["rule"], expected, "{packet}");
        let words = trace["packet"].as_str().expect("words");
        assert_eq!(world.packet(words), trace, "{words}");
    }
    let unknown = world.packet("dst 203.0.113.10 udp unknown ttl");
    assert_eq!(unknown["unknown"], serde_json::json!(["ttl"]));
    assert_eq!(unknown["may"][0]["rule"], "low-ttl");
    let broken = World::new("version: 1\nrules:\n  - {id: a, match: {dst: x}, action: drop}\n");
    assert_eq!(broken.run(&["--packet", "tcp"]).2, 3);
    let empty = World::new("version: 1\nrules: []\n");
    assert_eq!(empty.run(&["--packet", "tcp"]).2, 3);
    for arguments in [
        &["--packet", "dst"][..],
        &["--packet", ""],
        &["--packet", "tcp \u{1b}[2J"],
        &[],
        &["--packet", "tcp", "--traffic", "x.pcap"],
        &["--packet", "tcp", "-o", "jsn"],
        &["--packet", "tcp", "-o", "json=x"],
        &["--packet", "tcp", "--record", "1"],
    ] {
        let (text, errors, code) = world.run(arguments);
        assert_eq!((code, text.as_str()), (2, ""), "{arguments:?}: {errors}");
        assert!(!errors.is_empty() && !errors.contains('\u{1b}'), "{errors}");
    }
    assert_eq!(world.run(&["--traffic", "none.pcap"]).2, 3);
    // Far too many words, from standard input.
    let output = blastgate(world.0.path())
        .args(["trace", "rules.yaml", "--packet", "-"])
        .write_stdin("tcp ".repeat(300_000))
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    let output = blastgate(world.0.path())
        .args(["trace", "rules.yaml", "--packet", "-", "-q"])
        .write_stdin("dst 203.0.113.99\nudp\n")
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text, "dropped by last (rules.yaml:11)\n");
}

#[test]
fn the_screens_of_a_trace() {
    let world = World::new(RULES);
    let screen = |arguments: &[&str]| {
        let (text, errors, code) = world.run(arguments);
        format!("{text}{errors}code {code}\n")
    };
    let udp = "src 198.51.100.7 dst 203.0.113.11 udp dst_port 80 packet_length 1400";
    insta::assert_snapshot!("limit", screen(&["--packet", udp]));
    let unknown = "dst 203.0.113.10 tcp syn unknown packet_length,ttl";
    insta::assert_snapshot!("unknown", screen(&["--packet", unknown]));
    insta::assert_snapshot!(
        "wrong",
        screen(&["--packet", "dst 203.0.113.10 icmp dst_port 80 tl 3"])
    );
    let running = RULES.replace("action: challenge", "action: accept");
    world.put("running.yaml", running.as_bytes());
    insta::assert_snapshot!("running", screen(&["--packet", udp, "--running", "running.yaml"]));
    let many: String = (0..30)
        .map(|at| format!("  - {{id: r{at}, match: {{src: 10.0.0.{at}}}, action: drop}}\n"))
        .collect();
    world.put("rules.yaml", RULES.replace("rules:\n", &format!("rules:\n{many}")).as_bytes());
    insta::assert_snapshot!("many", screen(&["--packet", udp]));
    assert_eq!(screen(&["--packet", udp, "-v"]).matches("\n  no ").count(), 34);
}

/// A capture of one frame every 10 ms: UDP of 1,000 bytes and, every tenth, a connection.
fn capture(frames: u64) -> Vec<u8> {
    let frame_of = |dst: [u8; 4], protocol: u8, payload: &[u8]| {
        ethernet(0x0800, None, &ipv4([198, 51, 100, 7], dst, protocol, 0, 0, payload))
    };
    let flood = frame_of([203, 0, 113, 10], 17, &udp(4_000, 80, 972));
    let visit = frame_of([203, 0, 113, 10], 6, &tcp(50_000, 443, 0x02, 0));
    let mut bytes = file_header();
    for at in 0..frames {
        bytes.extend(frame(at * 10_000, if at % 10 == 9 { &visit } else { &flood }));
    }
    bytes
}

const LIMITED: &str = "\
version: 1
rules:
  - {id: flood, match: {protocol: udp}, action: {rate_limit: {rate: 20 pps, burst: 10 packets}}}
  - {id: web, match: {dst_port: 443}, action: reject}
";

#[test]
fn records_come_in_order_one_line_each_and_limits_keep_their_state() {
    let world = World::new(LIMITED);
    world.put("traffic.pcap", &capture(500));
    let (text, errors, code) = world.run(&["--traffic", "traffic.pcap", "-o", "json"]);
    assert_eq!(code, 0, "{errors}");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 500);
    let numbers: Vec<u64> = lines.iter().filter_map(|line| line["record"].as_u64()).collect();
    assert_eq!(numbers, (1..=500).collect::<Vec<u64>>());
    assert_eq!(
        lines[0],
        serde_json::json!({"record": 1, "disposition": "accepted", "rule": null, "file": null,
            "line": null, "packets": 1, "dropped_packets": 0})
    );
    assert_eq!(
        (&lines[9]["disposition"], &lines[9]["rule"], &lines[9]["line"]),
        (&"rejected".into(), &"web".into(), &4.into())
    );
    // 450 packets of UDP in 5 s: the bucket of 10, and 20 a second until the last of them.
    let dropped = lines.iter().filter(|line| line["rule"] == "flood").count() as u64;
    let passed = 450 - dropped;
    assert!((10 + 99..=10 + 100).contains(&passed), "{passed} pass");

    // The same figure as `check` has of the same capture.
    world.put(
        "inventory.yaml",
        b"version: 1\ncustomers: [{id: acme, prefixes: [203.0.113.0/28]}]\n",
    );
    let set = parse(LIMITED);
    let names = Arc::new(Names::new());
    let (records, _) = recorded::read(capture(500), &recorded::settings()).expect("a capture");
    assert_eq!(taken(&set, &records, false, &names)[0], dropped);

    let (text, _, code) = world.run(&["--traffic", "traffic.pcap", "--record", "400"]);
    assert_eq!(code, 0);
    assert!(text.contains("record 400: packet src 198.51.100.7 dst 203.0.113.10"), "{text}");
    let (text, _, _) = world.run(&["--traffic", "traffic.pcap", "--record", "399"]);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("exceeds (bucket holds 0 of 10 packets), dropped"), "{text}");
    let (text, errors, code) = world.run(&["--traffic", "traffic.pcap", "--record", "501"]);
    assert_eq!((text.as_str(), code), ("", 3));
    assert!(errors.contains("holds no record 501"), "{errors}");

    // A capture that is cut off says so, after what is there.
    let whole = capture(500);
    world.put("cut.pcap", &whole[..whole.len() - 100]);
    let (text, errors, _) = world.run(&["--traffic", "cut.pcap", "-o", "json"]);
    assert!(text.lines().count() >= 498 && !errors.is_empty(), "{errors}");
    world.put("none.pcap", &file_header());
    assert_eq!(world.run(&["--traffic", "none.pcap"]).2, 3);
    // Sampled packets do not tell how a bucket stands.
    let (text, _, code) =
        world.run(&["--traffic", "traffic.pcap", "--sampling", "100", "-o", "json"]);
    assert_eq!(code, 3);
    assert!(text.lines().next().expect("a line").contains("\"cannot_tell\""), "{text}");
}

#[test]
fn records_of_a_profile_say_how_many_of_their_packets_are_lost() {
    let world = World::new(LIMITED);
    world.put("profile.yaml", PROFILE.as_bytes());
    let (text, errors, code) = world.run(&["--traffic", "profile.yaml", "-o", "json"]);
    assert_eq!(code, 0, "{errors}");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let sum = |key: &str| lines.iter().filter_map(|line| line[key].as_u64()).sum::<u64>();
    let (set, names) = (parse(LIMITED), Arc::new(Names::new()));
    let records = records_of(PROFILE, &names);
    assert_eq!(sum("packets"), records.iter().map(|record| record.packets).sum::<u64>());
    let by_rule = 333 * 20;
    assert_eq!(sum("dropped_packets"), taken(&set, &records, true, &names)[0] + by_rule);
}

#[test]
fn two_rule_sets_are_compared_by_the_order_of_harm() {
    let rule =
        |action: &str| format!("version: 1\nrules:\n  - {{id: a, match: any, action: {action}}}\n");
    let wide = "{rate_limit: {rate: 20 Mbps}}";
    let narrow = "{rate_limit: {rate: 10 Mbps}}";
    for (running, candidate, change) in [
        ("drop", "reject", "same"),
        ("accept", "log", "same"),
        ("accept", "challenge", "worse"),
        ("challenge", "{redirect: {to: x}}", "worse"),
        ("{redirect: {to: x}}", wide, "worse"),
        (wide, narrow, "worse"),
        (narrow, wide, "better"),
        (narrow, "drop", "worse"),
        ("drop", "accept", "better"),
        (wide, wide, "same"),
        ("drop", wide, "better"),
    ] {
        let world = World::new(&rule(candidate));
        world.put("running.yaml", rule(running).as_bytes());
        let arguments = ["--packet", "tcp", "--running", "running.yaml", "-o", "json"];
        let (text, errors, code) = world.run(&arguments);
        let trace: Value = serde_json::from_str(&text).expect(&errors);
        assert_eq!((&trace["change"], code), (&change.into(), 0), "{running} {candidate}");
    }
}

#[test]
fn packets_that_a_rule_drops_are_those_that_tcpdump_counts() {
    let Some(captures) = recorded::captures() else { return };
    let world = World::new(
        "version: 1\nrules:\n  - {id: a, match: {tcp_flags: \"syn,!ack\"}, action: drop}\n",
    );
    let mut compared = 0;
    for capture in captures.iter().filter(|capture| capture.name.ends_with(".pcap")) {
        if capture.bytes.len() > 4 << 20 || capture.name.contains("malformed") {
            continue;
        }
        let Some(expected) = tcpdump(&capture.path) else { continue };
        let path = std::path::absolute(&capture.path).expect("a path");
        let path = path.to_str().expect("text");
        let (text, _, _) = world.run(&["--traffic", path, "-o", "json"]);
        let dropped = text.lines().filter(|line| line.contains("\"dropped\"")).count();
        if expected > 0 || dropped > 0 {
            compared += 1;
            assert_eq!(dropped, expected, "{}", capture.name);
        }
    }
    println!("{compared} captures hold connections that begin");
}

/// Counts packets of the outermost IP header by tcpdump; nothing where it cannot.
fn tcpdump(path: &Path) -> Option<usize> {
    // IPv6 flags are read only where TCP follows the fixed header, so such captures are left out.
    let count = |filter: &str| {
        let output = std::process::Command::new("tcpdump")
            .args(["-nn", "-r"])
            .arg(path)
            .arg(filter)
            .output()
            .ok()?;
        output.status.success().then(|| output.stdout.iter().filter(|b| **b == b'\n').count())
    };
    if count("vlan or mpls or pppoes or ip6")? > 0 {
        return None;
    }
    count("tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn")
}
