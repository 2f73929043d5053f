//! Profiles: what is taken, what is refused, and how groups become records.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{
    Direction, Family, Fragment, Known, Label, Layers, Names, Record, SamplingRate, SourceId,
    Timestamp,
};

fn settings() -> Settings {
    Settings {
        source: SourceId(3),
        name: "p.yaml".into(),
        pop: None,
        pops: Default::default(),
        direction: None,
        label: None,
        sampling: None,
        inner: false,
        now: Timestamp::from_seconds(1_000_000),
        batch: 7,
        names: Arc::new(Names::new()),
        columns: None,
        zone: None,
        file: None,
        count_drops: false,
    }
}

fn open_text(text: &str, settings: &Settings) -> Result<Box<dyn TrafficReader>, Vec<Diagnostic>> {
    open(Box::new(std::io::Cursor::new(text.as_bytes().to_vec())), settings)
}

fn records_with(text: &str, settings: &Settings) -> Vec<Record> {
    let mut reader = open_text(text, settings).expect("a good profile");
    let (mut piece, mut records) = (Piece::new(), Vec::new());
    while reader.cut(&mut piece).expect("no error later") {
        records.extend(piece.decode().expect("records").iter());
        assert!(piece.decode().is_none());
    }
    assert!(piece.decode().is_none());
    assert_eq!(reader.counts().records, records.len() as u64);
    assert_eq!(reader.counts().frames, records.len() as u64);
    records
}

fn flow(fields: &str) -> String {
    format!(
        "version: 1\nstart: 2026-03-01T16:30:00Z\nduration: 2s\nflows:\n  - {{rate: 1 pps, {fields}}}\n"
    )
}

fn first(fields: &str) -> Record {
    records_with(&flow(fields), &settings())[0]
}

/// Checks that a text is refused: each problem underlines the given text (of a list or a map its
/// start, of the whole text nothing) and says the given words.
fn refused(text: &str, expect: &[(&str, &str)]) {
    let problems = open_text(text, &settings()).err().expect("refused");
    let found: Vec<(&str, &str)> = problems
        .iter()
        .map(|problem| {
            let span = problem.location.expect("a place").span;
            assert!(!problem.label.is_empty(), "{problem:?}");
            (&text[span.range()], problem.message.as_str())
        })
        .collect();
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for ((slice, message), (at, says)) in found.iter().zip(expect) {
        if at.is_empty() {
            assert!(text.starts_with(slice), "{message}");
        } else {
            assert_eq!(slice, at, "{message}");
        }
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn what_is_left_out_is_ordinary_and_known() {
    let record = first("protocol: tcp");
    let header = record.header;
    assert_eq!(header.known, Known::ALL.without(Known::POP));
    assert_eq!(header.src_address().to_string(), "45.0.0.1");
    assert_eq!(header.dst_address().to_string(), "45.0.0.1");
    assert_eq!((header.src_port, header.dst_port), (50_000, 50_000));
    assert_eq!((header.tcp_flags, header.ttl, header.dscp), (16, 64, 0));
    assert_eq!(header.fragment, Fragment::NONE);
    assert_eq!(header.packet_length, 1_000);
    assert_eq!(header.layers, Layers::PORTS.with(Layers::TCP_FLAGS));
    assert_eq!((record.direction, record.label), (Direction::Ingress, Label::None));
    assert_eq!((record.pop, record.exporter, record.customer), (None, None, None));
    assert_eq!((record.weight, record.source), (1, SourceId(3)));
    assert_eq!((record.packets, record.bytes, record.number), (1, 1_000, 1));
    let six = first("protocol: icmpv6, dst: \"2001:db8::1\"").header;
    assert_eq!(six.src_address().to_string(), "2a00::1");
    assert_eq!((six.icmp_type, six.icmp_code, six.layers), (128, 0, Layers::ICMP));
    assert_eq!(first("protocol: icmpv6").header.family, Family::V6);
    assert_eq!(first("protocol: icmp").header.icmp_type, 8);
}

#[test]
fn fields_are_what_is_written() {
    let names = Arc::new(Names::new());
    let with = Settings { names: Arc::clone(&names), ..settings() };
    let text = flow(
        "id: a, pop: ams, label: attack, src: 192.0.2.0-192.0.2.9, sources: 3, dst: 203.0.113.10, \
         protocol: udp, src_port: domain, dst_port: 80, ttl: 5, dscp: 46, packet_length: 1400, \
         direction: egress, exporter: r1, customer: acme",
    );
    let record = records_with(&text, &with)[0];
    let header = record.header;
    assert_eq!(record.pop, Some(names.intern("ams")));
    assert_eq!(record.exporter, Some(names.intern("r1")));
    assert_eq!(record.customer, Some(names.intern("acme")));
    assert_eq!(header.known, Known::ALL);
    assert_eq!(header.src_address().to_string(), "192.0.2.0");
    assert_eq!(header.dst_address().to_string(), "203.0.113.10");
    assert_eq!((header.src_port, header.dst_port), (53, 80));
    assert_eq!((header.ttl, header.dscp, header.packet_length), (5, 46, 1_400));
    assert_eq!((record.direction, record.label), (Direction::Egress, Label::Attack));
    assert_eq!(first("protocol: tcp, tcp_flags: \"syn,!ack\"").header.tcp_flags, 2);
    assert_eq!(first("protocol: tcp, tcp_flags: =syn").header.tcp_flags, 2);
    assert_eq!(first("protocol: tcp, tcp_flags: none").header.tcp_flags, 0);
    let icmp = first("protocol: 1, icmp_type: time-exceeded, icmp_code: 1").header;
    assert_eq!((icmp.icmp_type, icmp.icmp_code), (11, 1));
    for (fragment, bits) in [
        ("first", Fragment::MORE),
        ("not_first", Fragment::LATER.with(Fragment::MORE)),
        ("last", Fragment::LATER),
        ("none", Fragment::NONE),
        ("dont_fragment", Fragment::DONT),
    ] {
        let header = first(&format!("protocol: udp, fragment: {fragment}")).header;
        assert_eq!(header.fragment, bits);
        assert_eq!(header.layers.has(Layers::PORTS), !bits.has(Fragment::LATER));
    }
}

//------------ Expansion -----------------------------------------------------

/// One group as the slow expansion understands it.
#[derive(Clone, Debug)]
struct Plain {
    at_ms: u64,
    duration_ms: u64,
    amount: u64,
    unit: usize,
    sources: u64,
    length: u64,
}

const UNITS: [&str; 3] = ["packets", "bytes", "bits"];

/// Places every packet, one by one, and counts: (record start, group, source) to packets.
fn slow(groups: &[Plain]) -> Vec<(u64, usize, u64, u64, u64)> {
    let mut found = std::collections::BTreeMap::new();
    for (at, group) in groups.iter().enumerate() {
        let per = [1, group.length, group.length * 8][group.unit];
        let n = (group.amount * group.duration_ms / (1_000 * per)).max(1);
        let (start, duration) = (group.at_ms * 1_000_000, group.duration_ms * 1_000_000);
        for k in 0..n {
            // Whether start + k·duration/n is before a second ends is asked without rounding.
            let second = (u128::from(start) * u128::from(n) + u128::from(k) * u128::from(duration))
                / (u128::from(n) * 1_000_000_000);
            let second = u64::try_from(second).expect("small");
            let from = (second * 1_000_000_000).max(start);
            let to = ((second + 1) * 1_000_000_000).min(start + duration);
            let entry = found.entry((from, at, k % group.sources)).or_insert((to - from, 0));
            entry.1 += 1;
        }
    }
    found.into_iter().map(|((from, at, source), (ns, n))| (from, at, source, ns, n)).collect()
}

fn text_of(groups: &[Plain]) -> String {
    let mut text = "version: 1\nstart: 2026-03-01T16:30:00Z\nduration: 20s\nflows:\n".to_owned();
    for (at, group) in groups.iter().enumerate() {
        text.push_str(&format!(
            "  - {{at: {}ms, duration: {}ms, rate: {} {} per second, sources: {}, dst_port: {at}, \
             packet_length: {}, protocol: udp, src: 10.0.0.0/24}}\n",
            group.at_ms,
            group.duration_ms,
            group.amount,
            UNITS[group.unit],
            group.sources,
            group.length
        ));
    }
    text
}

fn plain() -> impl Strategy<Value = Plain> {
    let unit = prop_oneof![
        (Just(0usize), 1u64..60),
        (Just(1usize), 1u64..60_000),
        (Just(2usize), 1u64..400_000)
    ];
    let when = (0u64..8_000, 1u64..8_000);
    (when, unit, 1u64..40, 28u64..1_500).prop_map(
        |((at_ms, duration_ms), (unit, amount), sources, length)| Plain {
            at_ms,
            duration_ms,
            amount,
            unit,
            sources,
            length,
        },
    )
}

proptest! {
    #[test]
    fn groups_expand_as_if_every_packet_were_placed(groups in prop::collection::vec(plain(), 1..5)) {
        let records = records_with(&text_of(&groups), &settings());
        let start = records[0].time_ns - slow(&groups)[0].0 as i64;
        let found: Vec<_> = records
            .iter()
            .map(|record| {
                let group = usize::from(record.header.dst_port);
                let step = 256 / u128::from(groups[group].sources);
                let source = (record.header.src - 0x0a00_0000).checked_div(step).unwrap_or(0);
                (
                    (record.time_ns - start) as u64,
                    group,
                    source as u64,
                    record.duration_ns,
                    record.packets,
                )
            })
            .collect();
        prop_assert_eq!(found, slow(&groups));
        for (at, record) in records.iter().enumerate() {
            prop_assert_eq!(record.number, at as u64 + 1);
            prop_assert_eq!(record.bytes, record.packets * u64::from(record.header.packet_length));
        }
        prop_assert!(records.is_sorted_by_key(|record| record.time_ns));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = open_text(&text, &settings());
        let _ = detect(text.as_bytes());
    }

    #[test]
    fn no_field_panics(
        key in prop::sample::select(decode::FLOW_KEYS.to_vec()),
        value in prop_oneof!["\\PC{0,12}", "[0-9]{1,22}", "[0-9]{1,19}(s|ns|d|w)", "[0-9]{1,19} (pps|bps|Tbps)"],
    ) {
        let text = flow(&format!("protocol: udp, {key}: {value}"));
        if let Ok(mut reader) = open_text(&text, &settings()) {
            let mut piece = Piece::new();
            for _ in 0..3 {
                reader.cut(&mut piece).expect("no error later");
            }
        }
    }
}

#[test]
fn totals_are_exact() {
    // 40 Gbps of 1,400 bytes for 3 s is 10,714,285.7 packets.
    let text = "version: 1\nduration: 3s\nflows:\n  - {src: 100.64.0.0/12, sources: 5000, \
                protocol: udp, packet_length: 1400, rate: 40 Gbps}\n";
    let records = records_with(text, &settings());
    assert_eq!(records.len(), 15_000);
    assert_eq!(records.iter().map(|record| record.packets).sum::<u64>(), 10_714_285);
    assert_eq!(records.iter().map(|record| record.bytes).sum::<u64>(), 10_714_285 * 1_400);
    // 2^20 addresses ÷ 5,000 = 209.
    assert_eq!(records[1].header.src - records[0].header.src, 209);
    assert_eq!(records, records_with(text, &Settings { batch: 4_096, ..settings() }));
}

#[test]
fn sources_stand_evenly_in_everything() {
    let record = |src: &str, at: usize| {
        let text = format!(
            "version: 1\nduration: 1s\nflows:\n  - {{src: \"{src}\", sources: 4, protocol: udp, \
             rate: 4 pps}}\n"
        );
        records_with(&text, &settings())[at].header.src_address().to_string()
    };
    assert_eq!(record("::/0", 3), "c000::");
    assert_eq!(record("0.0.0.0/0", 3), "192.0.0.0");
    assert_eq!(record("192.0.2.7-192.0.2.10", 3), "192.0.2.10");
    assert_eq!(record("192.0.2.7-192.0.2.13", 3), "192.0.2.10");
}

#[test]
fn an_hour_of_a_flood_starts_at_once() {
    let text = "version: 1\nduration: 1h\nflows:\n  - {src: 100.64.0.0/12, sources: 5000, \
                protocol: udp, packet_length: 1400, rate: 40 Gbps}\n  - {protocol: udp, src: \
                10.0.0.0/8, sources: 16000000, rate: 1 packets per minute}\n";
    let mut reader =
        open_text(text, &Settings { batch: 4_096, ..settings() }).expect("a good profile");
    let mut piece = Piece::new();
    for _ in 0..8 {
        assert!(reader.cut(&mut piece).expect("no error"));
        assert_eq!(piece.decode().expect("records").len(), 4_096);
    }
    assert!(reader.even() && !reader.has_age());
}

#[test]
fn long_silences_are_skipped() {
    let text = "version: 1\nstart: 1970-01-01\nduration: 100000d\nflows:\n  - {protocol: udp, \
                rate: 1 packets per 50000d}\n";
    let records = records_with(text, &settings());
    assert_eq!(records.len(), 2);
    assert_eq!(records[1].time_ns, 50_000 * 86_400 * 1_000_000_000);
}

#[test]
fn without_a_start_the_profile_ends_now() {
    let text = "version: 1\nduration: 10s\nflows: [{protocol: udp, rate: 1 pps}]\n";
    let records = records_with(text, &settings());
    assert_eq!(records[0].time_ns, (1_000_000 - 10) * 1_000_000_000);
    assert_eq!(records[9].time_ns + 1_000_000_000, settings().now.0);
    let dated = open_text(&flow("protocol: udp"), &settings()).expect("a good profile");
    assert!(dated.has_age());
}

#[test]
fn the_command_line_decides_what_it_names() {
    let names = Arc::new(Names::new());
    let with = Settings {
        pop: Some(names.intern("lhr")),
        direction: Some(Direction::Egress),
        label: Some(Label::Attack),
        sampling: Some(SamplingRate(100)),
        names: Arc::clone(&names),
        ..settings()
    };
    let plain = records_with(&flow("protocol: udp"), &with)[0];
    assert_eq!(plain.pop, Some(names.intern("lhr")));
    assert_eq!((plain.direction, plain.weight), (Direction::Egress, 100));
    let own = flow("protocol: udp, pop: ams, direction: ingress, label: legit");
    let own = records_with(&own, &with)[0];
    assert_eq!(own.pop, Some(names.intern("ams")));
    assert_eq!((own.direction, own.label), (Direction::Ingress, Label::Attack));
}

#[test]
fn what_is_unknown_is_no_value() {
    for (name, bit) in crate::model::ordinary::FIELDS {
        let record = first(&format!("protocol: tcp, pop: ams, unknown: [{name}]"));
        assert_eq!(record.header.known, Known::ALL.without(*bit), "{name}");
        assert_eq!(record.bytes, 1_000);
    }
    let header = first("protocol: tcp, unknown: [src, dst, protocol, src_port, tcp_flags]").header;
    assert_eq!((header.src, header.dst, header.protocol, header.src_port), (0, 0, 0, 0));
    assert_eq!(header.layers, Layers::NONE);
    // Without a protocol nothing is known of what stands above IP.
    let header = first("unknown: protocol").header;
    let above = Known::PORTS.with(Known::TCP_FLAGS).with(Known::ICMP);
    let lost = above.with(Known::PROTOCOL).with(Known::POP);
    assert_eq!(header.known, Known::ALL.without(lost));
}

#[test]
fn a_customer_stands_where_no_address_can() {
    let ends = Known::SRC.with(Known::DST);
    let named = first("protocol: tcp, customer: readers, sources: 1");
    assert_eq!(Known(named.header.known.0 & ends.0), Known::NONE);
    let addressed = first("protocol: tcp, customer: readers, dst: 203.0.113.1");
    assert!(addressed.header.known.has(ends));
    let many = "version: 1\nduration: 1s\nflows:\n  - {protocol: tcp, customer: a, sources: 60, \
                rate: 60 pps}\n";
    assert_eq!(records_with(many, &settings()).len(), 60);
}

#[test]
fn the_example_of_the_manual_is_read() {
    let text = "version: 1
start: 2026-03-01T16:30:00Z
duration: 60s
flows:
  - {id: ams-flood, pop: ams, label: attack, src: 100.64.0.0/12, sources: 5000, dst: 203.0.113.10, protocol: udp, dst_port: 80, packet_length: 1400, rate: 40 Gbps}
  - {id: ams-b, pop: ams, dst: 203.0.113.70, protocol: tcp, tcp_flags: ack, dst_port: 443, rate: 4 Gbps}
";
    let records = records_with(text, &settings());
    assert_eq!(records.len(), 60 * 5_001);
    let bytes = |label| -> u64 {
        let of = records.iter().filter(|record| record.label == label);
        of.map(|record| record.bytes).sum()
    };
    assert_eq!(bytes(Label::Attack), 214_285_714 * 1_400);
    assert_eq!(bytes(Label::None), 30_000_000_000);
    // The same text with other line ends and a byte order mark.
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(records_with(&windows, &settings()), records);
}

#[test]
fn a_second_document_is_not_passed_over() {
    let text = flow("protocol: udp");
    assert!(open_text(&format!("---\n{text}"), &settings()).is_ok());
    assert!(open_text(&format!("{text}---\n{text}"), &settings()).is_err());
}

#[test]
fn anchors_share_what_they_hold() {
    let text = "version: 1\nduration: 1s\nflows:\n  - &a {protocol: udp, rate: 2 pps}\n  - *a\n";
    let records = records_with(text, &settings());
    assert_eq!(records.iter().map(|record| record.packets).sum::<u64>(), 4);
}

//------------ Problems ------------------------------------------------------

#[test]
fn every_problem_of_a_profile_has_its_place() {
    refused(
        "version: 2\nstart: noon\nduration: 1\nfloes: []\n",
        &[
            ("", "has no `flows`"),
            ("2", "a version that is not known"),
            ("noon", "no date or time"),
            ("1", "needs a unit"),
            ("floes", "unknown key `floes`"),
        ],
    );
    refused("version: 1\nduration: 1s\nflows: []\n", &[("[", "empty")]);
    refused("[1]", &[("[", "expected a map")]);
    refused("version: 1\nversion: 1\n", &[("v", "cannot read this as YAML")]);
    refused(
        "version: 1\nstart: 2262-01-01\nduration: 36500d\nflows: [{protocol: udp, rate: 1 pps}]",
        &[("36500d", "after the year 2262")],
    );
    refused(
        "version: 1\nduration: 106752d\nflows: [{protocol: udp, rate: 1 pps}]",
        &[("106752d", "not counted")],
    );
}

#[test]
fn all_problems_of_all_flows_are_told_at_once() {
    refused(
        "version: 1\nduration: 10s\nflows:\n  - {protocol: udp, src_port: 70000, dscp: 64, ttl: \
         256, packet_length: 27, rate: 1 mbps, labl: legit}\n  - {id: a, protocol: tcpp, dst_port: 70001, rate: 1 \
         pps}\n  - {id: a, host: www.example.org, path: /, packet_length: 19, rate: 9 krps}\n  - {protocol: tcp}\n",
        &[
            ("70000", "no such packet has the port 70000"),
            ("64", "no such packet has the DSCP 64"),
            ("256", "no such packet has the TTL 256"),
            ("27", "no such packet has the length 27"),
            ("1 mbps", "unknown unit"),
            ("labl", "unknown key `labl`"),
            ("tcpp", "unknown protocol"),
            ("70001", "no such packet has the port 70001"),
            ("a", "two flows are called `a`"),
            ("www.example.org", "requests are not judged yet"),
            ("/", "requests are not judged yet"),
            ("19", "no such packet has the length 19"),
            ("9 krps", "requests are not judged yet"),
            ("{", "has no `rate`"),
        ],
    );
}

#[test]
fn packets_that_cannot_exist_are_refused() {
    for (fields, at, says) in [
        ("pop: ams", "{", "has no `protocol`"),
        ("protocol: 256", "256", "no such packet"),
        ("protocol: 1-6", "1-6", "one protocol"),
        ("protocol: icmp, dst_port: 80", "80", "carry no dst_port"),
        ("protocol: udp, tcp_flags: syn", "syn", "carry no tcp_flags"),
        ("protocol: udp, icmp_type: 8", "8", "carry no icmp_type"),
        ("protocol: gre, icmp_code: 0", "0", "carry no icmp_code"),
        ("protocol: udp, dst_port: 80-90", "80-90", "one port"),
        ("protocol: udp, dst_port: [80, 90]", "[", "expected"),
        ("protocol: udp, dst_port: 53, fragment: last", "53", "later fragments carry no"),
        ("protocol: udp, fragment: any", "any", "one part"),
        ("protocol: udp, fragment: lst", "lst", "unknown fragment"),
        ("protocol: udp, fragment: dont_fragment, src: \"2a00::2\"", "dont_fragment", "IPv6"),
        ("protocol: tcp, packet_length: 39", "39", "length 39"),
        ("protocol: 99, packet_length: 65536", "65536", "length 65536"),
        ("protocol: udp, src: \"2a00::2\", packet_length: 47", "47", "length 47"),
        ("protocol: icmpv6, src: 192.0.2.1", "icmpv6", "between these addresses"),
        ("protocol: icmp, src: \"2a00::2\"", "icmp", "between these addresses"),
        ("protocol: icmpv6, icmp_type: echo-request", "echo-request", "no number"),
        ("protocol: tcp, tcp_flags: sin", "sin", "unknown TCP flag"),
        ("protocol: tcp, src: 192.0.2.1, dst: \"2a00::2\"", "\"2a00::2\"", "one family"),
        ("protocol: tcp, dst: 192.0.2.0/24", "192.0.2.0/24", "one destination"),
        ("protocol: tcp, src: 192.0.2.1/24", "192.0.2.1/24", "host bits"),
        ("protocol: tcp, src: 192.0.2.0/30, sources: 5", "5", "do not fit into 4"),
        ("protocol: tcp, sources: 2", "2", "do not fit into 1"),
        ("protocol: tcp, sources: 0", "0", "at least one source"),
        ("protocol: tcp, label: good", "good", "unknown label"),
        ("protocol: tcp, direction: in", "in", "unknown direction"),
        ("protocol: tcp, unknown: [tttl]", "tttl", "unknown field"),
        ("protocol: tcp, unknown: []", "[", "empty"),
        ("protocol: tcp, pop: \"\"", "\"\"", "empty"),
        ("unknown: [protocol], dst_port: 80", "80", "depends on the protocol"),
        ("protocol: tcp, at: 2s", "2s", "when the profile is over"),
        ("protocol: tcp, at: 0", "0", "needs a unit"),
        ("protocol: tcp, at: 1s, duration: 1500ms", "1500ms", "outlasts"),
        ("protocol: tcp, duration: 0s", "0s", "longer than nothing"),
    ] {
        refused(&flow(fields), &[(at, says)]);
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let many = "version: 1\nduration: 30d\nflows: [{protocol: udp, src: 10.0.0.0/8, sources: \
                200, rate: 1 Gbps}]\n";
    refused(many, &[("[", "518400000 records")]);
    let fast = "version: 1\nduration: 365d\nflows: [{protocol: udp, rate: 18000000 Tbps}]\n";
    refused(fast, &[("18000000 Tbps", "packets in all")]);
    let large = Box::new(std::io::repeat(b'#'));
    let problems = open(large, &settings()).err().expect("refused");
    assert!(problems[0].message.contains("larger than 8 MiB"), "{problems:?}");
    let binary = Box::new(std::io::Cursor::new(vec![b'v', 0xff]));
    let problems = open(binary, &settings()).err().expect("refused");
    assert!(problems[0].message.contains("byte 2"), "{problems:?}");
}

#[test]
fn a_flood_of_problems_is_cut() {
    let text = format!("version: 1\nduration: 1s\nflows: [{}]\n", "{},".repeat(100_000));
    let problems = open_text(&text, &settings()).err().expect("refused");
    assert_eq!(problems.len(), 1_001);
    assert_eq!(problems[1_000].message, "too many problems");
}

#[test]
fn places_hold_after_a_byte_order_mark() {
    refused(
        "\u{feff}version: 1\r\nduration: 1s\r\nflows:\r\n  - {protocol: udp, rate: 1 mbps}\r\n",
        &[("1 mbps", "unknown unit")],
    );
}

#[test]
fn profiles_are_told_by_their_first_bytes() {
    for text in [
        "version: 1\n",
        "\u{feff}# a\n\n---\nflows:\n",
        "{version: 1, flows: []}",
        "\"duration\": 1s",
        "# \u{e4}\r\nstart : x\r\n",
    ] {
        assert!(detect(text.as_bytes()), "{text:?}");
    }
    for text in ["", "versions: 1", "  version: 1", "a,b\n1,2\n", "{\"a\": 1}\n", "version", "#"] {
        assert!(!detect(text.as_bytes()), "{text:?}");
    }
    assert!(!detect(b"version: 1\n\0"));
    assert!(!detect(b"\xa1\xb2\xc3\xd4"));
    assert!(detect(b"version: 1\n# \xc3"));
}
