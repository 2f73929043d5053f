//! Recordings and settings that are easily taken for what they are not: what a part of a file says,
//! where it was recorded, and for whom it counts.

use blastgate::model::ReadCounts;
use blastgate::traffic::Settings;

use crate::bad_input::folder;
use crate::common::{Run, check};
use crate::recorded;

const INVENTORY: &str = "version: 1\ncustomers:\n  - {id: acme, prefixes: [203.0.113.0/26]}\n  \
                         - {id: bakery, tier: gold, prefixes: [203.0.113.64/26]}\n";

/// Judges a rule for both customers that is meant for one, by packets to both of which those to the
/// second are not touched unless `rule` says so.
fn judge(rule: &str, config: &str, flows: &str) -> Run {
    let rules = format!(
        "version: 1\nrules:\n  - {{id: r, match: {{dst: 203.0.113.0/24, {rule}}}, action: drop, \
         intent: {{target: [acme], may_affect: [acme], may_reach: all}}}}\n"
    );
    let traffic = format!("version: 1\nduration: 60s\nflows:\n{flows}");
    let config = format!(
        "version: 1\nrules: {{paths: [rules.yaml]}}\ninventory: [inventory.yaml]\n{}{config}",
        if config.contains("traffic:") { "" } else { "traffic: [{path: traffic.yaml}]\n" }
    );
    let folder = folder(&[
        ("rules.yaml", rules.as_bytes()),
        ("inventory.yaml", INVENTORY.as_bytes()),
        ("traffic.yaml", traffic.as_bytes()),
        ("blastgate.yaml", config.as_bytes()),
    ]);
    check(folder.path(), &[])
}

const BOTH: &str = "  - {id: a, pop: ams, dst: 203.0.113.1, protocol: udp, src_port: 123, rate: 10 pps}\n  \
                    - {id: b, pop: ams, dst: 203.0.113.70, protocol: udp, src_port: 123, rate: 10 pps}\n";

#[test]
fn what_was_recorded_elsewhere_is_no_evidence() {
    let narrow = "protocol: udp, src_port: 124";
    assert_eq!(judge(&format!("{narrow}, pop: ams"), "", BOTH).verdict(), "pass");
    let run = judge(&format!("{narrow}, pop: fra"), "", BOTH);
    assert_eq!(run.verdict(), "cannot_judge", "{:#}", run.result);
    assert!(run.findings().contains(&("nothing_recorded", "unknown")), "{:#}", run.result);
    // Neither is what was recorded at one of two.
    let run = judge(&format!("{narrow}, pop: [ams, fra]"), "", BOTH);
    assert_eq!(run.verdict(), "cannot_judge", "{:#}", run.result);
    assert!(format!("{:#}", run.result).contains("nothing is recorded at fra"), "{:#}", run.result);
    let elsewhere = BOTH.replacen("pop: ams", "pop: fra", 1);
    let run = judge(&format!("{narrow}, pop: [ams, fra]"), "", &elsewhere);
    assert_eq!(run.verdict(), "pass", "{:#}", run.result);
}

/// Rows of one in a hundred packets to the second customer, of which some are where the rule applies.
fn sampled(here: usize, elsewhere: usize) -> String {
    let row =
        |pop: &str, dst: &str| format!("1772272800,198.51.100.1,{dst},udp,123,9,1,100,{pop}\n");
    let to_bakery = |pop, count| row(pop, "203.0.113.70").repeat(count);
    let to_acme = row("fra", "203.0.113.1").repeat(50) + &row("ams", "203.0.113.1").repeat(50);
    let header = "at,src,dst,protocol,src_port,dst_port,packets,bytes,pop\n";
    [header, &to_acme, &to_bakery("fra", here), &to_bakery("ams", elsewhere)].concat()
}

#[test]
fn samples_where_a_rule_does_not_apply_are_no_evidence() {
    let columns = "{src: src, dst: dst, protocol: protocol, src_port: src_port, dst_port: dst_port, packets: packets, \
                   bytes: bytes, time: {field: at, unit: s}, pop: pop, sampling: {applied: false}}";
    let judge = |sampling: u32, here: usize, elsewhere: usize| {
        let rules = "version: 1\nrules:\n  - {id: r, match: {dst: 203.0.113.0/24, protocol: udp, src_port: 124, \
                     pop: fra}, action: drop, intent: {target: [acme], may_affect: [acme], may_reach: all}}\n";
        let config = format!(
            "version: 1\nrules: {{paths: [rules.yaml]}}\ninventory: [inventory.yaml]\ntraffic: [{{path: rows.csv, \
             format: csv, sampling: {sampling}, columns: {columns}}}]\n"
        );
        let folder = folder(&[
            ("rules.yaml", rules.as_bytes()),
            ("inventory.yaml", INVENTORY.as_bytes()),
            ("rows.csv", sampled(here, elsewhere).as_bytes()),
            ("blastgate.yaml", config.as_bytes()),
        ]);
        check(folder.path(), &[])
    };
    for (sampling, here, elsewhere, verdict) in [
        (100, 50, 0, "pass"),
        (100, 0, 50, "cannot_judge"),
        (100, 5, 500, "cannot_judge"),
        // Where all packets are recorded, none is none.
        (1, 0, 50, "pass"),
        (1, 0, 0, "cannot_judge"),
    ] {
        let run = judge(sampling, here, elsewhere);
        assert_eq!(run.verdict(), verdict, "{sampling} {here} {elsewhere}: {:#}", run.result);
    }
}

#[test]
fn a_recording_and_its_copy_count_once() {
    let traffic = format!("version: 1\nduration: 60s\nflows:\n{BOTH}");
    let config = "version: 1\nrules: {paths: [rules.yaml]}\ninventory: [inventory.yaml]\n\
                  traffic: [{path: a.yaml}, {path: b.yaml}]\n";
    let rules = "version: 1\nrules:\n  - {id: r, match: {dst: 203.0.113.1}, action: drop}\n";
    let folder = folder(&[
        ("rules.yaml", rules.as_bytes()),
        ("inventory.yaml", INVENTORY.as_bytes()),
        ("a.yaml", traffic.as_bytes()),
        ("b.yaml", traffic.as_bytes()),
        ("blastgate.yaml", config.as_bytes()),
    ]);
    let run = check(folder.path(), &[]);
    assert_eq!(run.verdict(), "cannot_judge", "{:#}", run.result);
    let problem = run.result["problems"][0]["message"].as_str().expect("a problem");
    assert!(problem.contains("b.yaml holds the same bytes as"), "{problem}");
}

#[test]
fn the_pop_of_a_record_is_that_of_its_exporter() {
    let rules = "version: 1\nrules:\n  - {id: r, match: {dst: 203.0.113.70, pop: ams}, action: drop, intent: {target: \
                 [acme], may_affect: [acme], may_reach: all}}\n";
    let row = "{\"ip_src\":\"198.51.100.1\",\"ip_dst\":\"203.0.113.70\",\"port_src\":1,\"port_dst\":2,\
               \"ip_proto\":\"udp\",\"packets\":300,\"bytes\":12000,\"timestamp_start\":\"1772272800.0\",\
               \"timestamp_end\":\"1772272801.0\",\"peer_ip_src\":\"10.0.0.1\"}\n";
    let verdict = |exporters: &str| {
        let inventory = format!("{INVENTORY}pops:\n{exporters}");
        let config = "version: 1\nrules: {paths: [rules.yaml]}\ninventory: [inventory.yaml]\n\
                      traffic: [{path: flows.json, sampling: 1}]\n";
        let folder = folder(&[
            ("rules.yaml", rules.as_bytes()),
            ("inventory.yaml", inventory.as_bytes()),
            ("flows.json", row.as_bytes()),
            ("blastgate.yaml", config.as_bytes()),
        ]);
        let run = check(folder.path(), &[]);
        (run.verdict().to_owned(), format!("{:#}", run.result))
    };
    let of = |ams: &str, fra: &str| {
        verdict(&format!(
            "  - {{id: ams, exporters: [{ams}]}}\n  - {{id: fra, exporters: [{fra}]}}\n"
        ))
    };
    assert_eq!(of("10.0.0.1", "10.0.0.2").0, "fail");
    assert_eq!(of("10.0.0.2", "10.0.0.1").0, "cannot_judge");
    let (verdict, said) = of("10.0.0.1", "10.0.0.1");
    assert_eq!(verdict, "cannot_judge");
    assert!(said.contains("the exporter 10.0.0.1 is of two PoPs, ams and fra"), "{said}");
}

/// Recorded traffic of a file of its own for each direction.
fn judge_ways(rule: &str, flows: &str, direction: &str) -> Run {
    judge(rule, &format!("traffic: [{{path: traffic.yaml, direction: {direction}}}]\n"), flows)
}

#[test]
fn what_was_recorded_the_other_way_is_no_evidence() {
    let rule = "protocol: udp, src_port: 124";
    for (recorded, named, verdict) in [
        ("ingress", "ingress", "pass"),
        ("egress", "egress", "pass"),
        ("egress", "ingress", "cannot_judge"),
        ("ingress", "egress", "cannot_judge"),
    ] {
        let run = judge_ways(&format!("{rule}, direction: {named}"), BOTH, recorded);
        assert_eq!(run.verdict(), verdict, "{recorded}, {named}: {:#}", run.result);
    }
}

#[test]
fn what_was_recorded_the_other_way_is_no_evidence_for_a_rule_without_addresses() {
    let verdict = |recorded: &str, named: &str| {
        let rules = format!(
            "version: 1\nrules:\n  - {{id: r, match: {{protocol: udp, src_port: 124, direction: {named}}}, action: \
             {{rate_limit: {{rate: 1 Mbps, per: [dst]}}}}, intent: {{target: [acme], may_affect: [acme], \
             may_reach: all}}}}\n"
        );
        let config = format!(
            "version: 1\nrules: {{paths: [rules.yaml]}}\ninventory: [inventory.yaml]\n\
             traffic: [{{path: traffic.yaml, direction: {recorded}}}]\n"
        );
        let traffic = format!("version: 1\nduration: 60s\nflows:\n{BOTH}");
        let folder = folder(&[
            ("rules.yaml", rules.as_bytes()),
            ("inventory.yaml", INVENTORY.as_bytes()),
            ("traffic.yaml", traffic.as_bytes()),
            ("blastgate.yaml", config.as_bytes()),
        ]);
        check(folder.path(), &[]).verdict().to_owned()
    };
    assert_eq!(verdict("ingress", "ingress"), "pass");
    assert_eq!(verdict("egress", "ingress"), "cannot_judge");
}

#[test]
fn what_a_customer_sends_says_nothing_of_what_comes_to_him() {
    let sent = "  - {id: a, pop: ams, dst: 203.0.113.1, protocol: udp, src_port: 123, rate: 10 pps}\n  \
                - {id: b, pop: ams, src: 203.0.113.70, dst: 192.0.2.1, protocol: udp, rate: 10 pps}\n";
    let run = judge("protocol: udp, src_port: 124", "", sent);
    assert_eq!(run.verdict(), "cannot_judge", "{:#}", run.result);
    assert!(run.findings().contains(&("nothing_recorded", "unknown")), "{:#}", run.result);
}

#[test]
fn a_tier_that_nobody_has_is_no_safeguard() {
    let rule = "protocol: udp, src_port: 124";
    let with = |tier: &str| judge(rule, &format!("evidence: {{must_judge: [{tier}]}}\n"), BOTH);
    assert_eq!(with("gold").verdict(), "pass");
    for tier in ["Gold", "platinum", "bakery"] {
        let run = with(tier);
        assert_eq!(run.verdict(), "cannot_judge", "{:#}", run.result);
        let problem = run.result["problems"][0]["message"].as_str().expect("a problem");
        assert!(problem.contains("must_judge"), "{problem}");
    }
}

#[test]
fn what_is_said_to_be_legitimate_is_an_exception_to_what_is_attack() {
    let attack = "labels: {attack: [{protocol: udp, src_port: 123}]";
    let rule = "protocol: udp, src_port: 123";
    let run = judge(rule, &format!("{attack}}}\n"), BOTH);
    assert_eq!(run.affected(), Vec::<&str>::new(), "{:#}", run.result);
    let run = judge(rule, &format!("{attack}, legit: [{{dst: 203.0.113.64/26}}]}}\n"), BOTH);
    assert_eq!((run.verdict(), run.affected()), ("fail", vec!["bakery"]), "{:#}", run.result);
}

fn read(form: &str, text: &str) -> (usize, ReadCounts) {
    let settings = Settings { count_drops: false, ..crate::rows::settings(Some(1), true) };
    let (records, counts) =
        recorded::read_as(form, text.as_bytes().to_vec(), &settings).expect("rows");
    (records.len(), counts)
}

#[test]
fn files_of_nfdump_may_be_joined_with_headers_or_without() {
    let header = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt\n";
    let row = "2026-02-28 11:00:00,2026-02-28 11:00:01,1.000,198.51.100.1,203.0.113.1,123,9,UDP,........,0,0,3,120,0,0\n";
    let end = "Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n1,120,3,0,0,0\n";
    for (text, rows) in [
        (format!("{header}{row}{end}"), 1),
        (format!("{header}{row}{end}{header}{row}{end}"), 2),
        (format!("{header}{row}{end}{row}{end}"), 2),
    ] {
        let (records, counts) = read("nfdump-csv", &text);
        assert_eq!((records, counts.unread.len()), (rows, 0), "{text}{counts:?}");
    }
    // Without its summary the second one is cut off, and nobody knows how much.
    let (records, counts) = read("nfdump-csv", &format!("{header}{row}{end}{row}"));
    assert_eq!((records, counts.broken.is_some()), (2, true), "{counts:?}");
    // What the router had dropped never arrived.
    let dropped = row.replace("........,0,", "........,128,");
    let (records, counts) = read("nfdump-csv", &format!("{header}{row}{dropped}{end}"));
    assert_eq!((records, counts.dropped), (1, 1), "{counts:?}");
}

#[test]
fn rows_that_nfdump_summed_up_and_did_not_list_are_unread() {
    let header = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt\n";
    let row = "2026-02-28 11:00:00,2026-02-28 11:00:01,1.000,198.51.100.1,203.0.113.1,123,9,UDP,........,0,0,3,120,0,0\n";
    let end = |packets: u64| {
        format!("Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n9,1200,{packets},0,0,0\n")
    };
    let lost = |text: &str| read("nfdump-csv", text).1.unread.values().sum::<u64>();
    // A list of the first two of ten flows; ten flows that were put together; both, one after another.
    assert_eq!(lost(&[header, row, row, &end(30)].concat()), 8);
    assert_eq!(lost(&[header, row, row, &end(6)].concat()), 0);
    assert_eq!(lost(&[header, row, row, &end(6), row, &end(30)].concat()), 9);
    assert_eq!(lost(&[header, row, row, &end(30), row, &end(1)].concat()), 8);
    // What the router dropped is in the file, and in the sum.
    let dropped = row.replace("........,0,", "........,128,");
    assert_eq!(lost(&[header, row, &dropped, &end(6)].concat()), 0);
    // A row that is unread is not missing, too.
    let bad = row.replace("203.0.113.1", "?!?");
    assert_eq!(lost(&[header, row, &bad, &end(6)].concat()), 1);
    // All that many blocks hold counts.
    let many = row.repeat(9_999);
    assert_eq!(lost(&[header, &many, &end(30_000), &many, &end(29_997)].concat()), 1);
    assert_eq!(lost(&[header, &end(30)].concat()), 30);
}

#[test]
fn what_a_recorder_says_that_it_did_not_see_is_unread() {
    let flow = "{\"timestamp\":\"2026-02-28T10:00:01.000000+0000\",\"event_type\":\"netflow\",\
                \"src_ip\":\"198.51.100.1\",\"dest_ip\":\"203.0.113.1\",\"src_port\":1,\"dest_port\":2,\
                \"proto\":\"UDP\",\"netflow\":{\"pkts\":5,\"bytes\":500,\
                \"start\":\"2026-02-28T10:00:00.000000+0000\",\"end\":\"2026-02-28T10:00:01.000000+0000\"}}\n"
        .repeat(10);
    let stats = |drops: u64| {
        format!(
            "{{\"timestamp\":\"2026-02-28T10:00:01.000000+0000\",\"event_type\":\"stats\",\
             \"stats\":{{\"uptime\":9,\"capture\":{{\"kernel_packets\":900,\"kernel_drops\":{drops}}}}}}}\n"
        )
    };
    let lost = |form: &str, text: &str| {
        let (records, counts) = read(form, text);
        (records, counts.unread.values().sum::<u64>())
    };
    // What was dropped before the first of them may have been before the recording, too.
    assert_eq!(lost("suricata", &[stats(70), flow.clone(), stats(70)].concat()), (10, 0));
    assert_eq!(lost("suricata", &[stats(70), flow.clone(), stats(170)].concat()), (10, 20));
    // Some write by how much it grew, beside other totals.
    let grown = stats(50).replace("\"kernel_drops\"", "\"rx_errors\":0,\"kernel_drops_delta\"");
    assert_eq!(lost("suricata", &[flow.clone(), grown.clone(), grown].concat()), (10, 20));
    let dpdk = |drops: u64| {
        stats(drops).replace("\"kernel_drops\"", "\"dpdk\":{\"imissed\"").replace("}}}", "}}}}")
    };
    assert_eq!(lost("suricata", &[dpdk(70), flow.clone(), dpdk(170)].concat()), (10, 20));
    assert_eq!(lost("suricata", &[stats(70), flow, stats(20), stats(25)].concat()), (10, 5));

    let zeek = |missed: u64| {
        format!(
            "{{\"ts\":1772272800.0,\"uid\":\"C1\",\"id.orig_h\":\"198.51.100.1\",\"id.orig_p\":1,\
             \"id.resp_h\":\"203.0.113.1\",\"id.resp_p\":2,\"proto\":\"tcp\",\"conn_state\":\"SF\",\
             \"duration\":1.0,\"orig_pkts\":10,\"orig_ip_bytes\":400,\"resp_pkts\":10,\
             \"resp_ip_bytes\":9000,\"missed_bytes\":{missed}}}\n"
        )
    };
    assert_eq!(lost("zeek", &zeek(0)), (2, 0));
    assert_eq!(lost("zeek", &[zeek(29_200), zeek(29_200)].concat()), (4, 4));
}

#[test]
fn a_row_that_cannot_be_read_counts_by_its_packets() {
    let header = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt\n";
    let row = "2026-02-28 11:00:00,2026-02-28 11:00:01,1.000,198.51.100.1,203.0.113.1,123,9,UDP,........,0,0,3,120\n";
    let lost = |packets: u64| {
        let bad = row.replace("203.0.113.1", "?").replace(",3,120", &format!(",{packets},99"));
        let text = format!("{header}{}{bad}", row.repeat(100));
        read("nfdump-csv", &text).1.unread.values().sum::<u64>()
    };
    assert_eq!([lost(0), lost(3), lost(6), lost(3_000)], [1, 1, 1, 1_000]);
}

#[test]
fn text_that_is_no_row_counts_by_its_length() {
    let row = "{\"ip_src\":\"198.51.100.1\",\"ip_dst\":\"203.0.113.1\",\"port_src\":1,\"port_dst\":2,\
               \"ip_proto\":\"udp\",\"packets\":3,\"bytes\":120,\"timestamp_start\":\"1772272800.0\",\
               \"timestamp_end\":\"1772272801.0\"}\n";
    let lost = |text: &str| {
        let (records, counts) = read("pmacct", text);
        (records, counts.unread.values().sum::<u64>())
    };
    let of = |bytes: usize| (bytes / (row.len() - 1)) as u64;
    let hole = "\0".repeat(73_728);
    assert_eq!(lost(&format!("{row}{row}{hole}\n{row}")), (3, of(hole.len())));
    // A hole in a row that has all its names.
    let glued = row.replacen("udp", &format!("udp{hole}"), 1);
    assert_eq!(lost(&format!("{row}{glued}{row}")), (2, of(glued.len() - 1)));
    assert_eq!(lost(&format!("{row}{}\n{row}", &row[..40])), (2, 1));
    // A list of rows in which one brace is open, and a line that is too long.
    let many = row.trim_end().to_owned() + ",\n";
    let list = format!("[{}{{{}]", many.repeat(10), many.repeat(10_000));
    let (records, rows) = lost(&list);
    assert!(records == 10 && rows > 7_000, "{records} {rows}");
    let long = lost(&format!("{row}{}\n{row}", "x".repeat(3 << 20)));
    assert_eq!(long, (2, of(3 << 20)));
}

#[test]
fn a_line_that_names_other_columns_ends_what_is_known() {
    let text = "dstaddr srcaddr protocol srcport dstport packets bytes start end action log-status\n\
                10.0.0.1 10.0.0.2 6 40000 443 1 44 1772272800 1772272810 ACCEPT OK\n\
                srcaddr dstaddr protocol srcport dstport packets bytes start end action log-status\n\
                10.0.0.1 10.0.0.2 6 40000 443 1 44 1772272800 1772272810 ACCEPT OK\n";
    let (records, counts) = read("aws-vpc", text);
    assert_eq!(records, 1);
    assert!(counts.broken.expect("it is broken").contains("line 3"));
    // The same line once more names the same columns.
    let again = text.replace("srcaddr dstaddr", "dstaddr srcaddr");
    let (records, counts) = read("aws-vpc", &again);
    assert_eq!((records, counts.broken), (2, None));
}

#[test]
fn pmacct_says_what_was_dropped_in_words() {
    let row = |status: &str| {
        format!(
            "{{\"ip_src\":\"198.51.100.1\",\"ip_dst\":\"203.0.113.1\",\"port_src\":1,\"port_dst\":2,\
             \"ip_proto\":\"udp\",\"packets\":10,\"bytes\":400,\"fwd_status\":\"{status}\",\
             \"timestamp_start\":\"1772272800.0\",\"timestamp_end\":\"1772272801.0\"}}\n"
        )
    };
    let text = row("FORWARDED Unclassified") + &row("DROPPED ACL Deny") + &row("UNKNOWN");
    let (records, counts) = read("pmacct", &text);
    assert_eq!((records, counts.dropped, counts.unread.len()), (2, 1, 0), "{counts:?}");
}

/// A capture of frames at times of so many seconds and so large a fraction.
fn capture(frames: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    bytes.extend([0; 8]);
    bytes.extend([0xff, 0xff, 0, 0, 1, 0, 0, 0]);
    for (fraction, frame) in frames {
        let length = u32::try_from(frame.len()).expect("a length");
        for number in [1_772_272_800, *fraction, length, length] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(frame);
    }
    bytes
}

/// A frame of a UDP datagram over IPv4.
fn datagram(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let udp = u16::try_from(8 + payload.len()).expect("a length");
    frame.extend([0x45, 0]);
    frame.extend((20 + udp).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    for number in [40_000, port, udp, 0] {
        frame.extend(number.to_be_bytes());
    }
    frame.extend(payload);
    frame
}

#[test]
fn a_fraction_of_more_than_a_second_is_corrupt() {
    let frame = || datagram(9, &[0; 8]);
    let good = capture(&[(0, frame()), (999_999, frame())]);
    let (records, counts) =
        recorded::read_as("pcap", good, &recorded::settings()).expect("a capture");
    assert_eq!((records.len(), counts.broken), (2, None));
    let bad = capture(&[(0, frame()), (1_000_000, frame())]);
    let (records, counts) =
        recorded::read_as("pcap", bad, &recorded::settings()).expect("a capture");
    assert_eq!(records.len(), 1);
    assert!(counts.broken.expect("it is broken").contains("fraction"));
}

/// A capture of an IPFIX message: a template of elements with their lengths, and records of it.
fn ipfix(fields: &[(u16, u16)], records: &[u8]) -> Vec<u8> {
    let put = |bytes: &mut Vec<u8>, numbers: &[u16]| {
        numbers.iter().for_each(|number| bytes.extend(number.to_be_bytes()));
    };
    let length = |bytes: usize| u16::try_from(bytes).expect("a length");
    let count = length(fields.len());
    let mut sets: Vec<u8> = Vec::new();
    put(&mut sets, &[2, 8 + 4 * count, 256, count]);
    fields.iter().for_each(|(element, length)| put(&mut sets, &[*element, *length]));
    put(&mut sets, &[256, length(4 + records.len())]);
    sets.extend(records);
    let mut message: Vec<u8> = Vec::new();
    put(&mut message, &[10, length(16 + sets.len())]);
    for number in [1_772_272_802_u32, 0, 7] {
        message.extend(number.to_be_bytes());
    }
    message.extend(sets);
    capture(&[(0, datagram(4739, &message))])
}

/// A message of IPFIX of a domain.
fn message(domain: u32, sets: &[&[u16]]) -> Vec<u8> {
    let sets: Vec<u8> =
        sets.iter().flat_map(|set| set.iter()).flat_map(|half| half.to_be_bytes()).collect();
    let length = u16::try_from(16 + sets.len()).expect("a length");
    let mut bytes = [10_u16.to_be_bytes(), length.to_be_bytes()].concat();
    for number in [1_772_272_802_u32, 0, domain] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(sets);
    bytes
}

#[test]
fn a_rate_belongs_to_the_domain_that_it_is_said_of() {
    // An option of a scope: the sampling interval of an observation domain.
    let option: &[u16] = &[3, 18, 257, 2, 1, 149, 4, 34, 4];
    let said = |domain: u16, rate: u16| [257, 12, 0, domain, 0, rate];
    let template: &[u16] = &[2, 32, 256, 6, 8, 4, 12, 4, 1, 4, 2, 4, 150, 4, 151, 4];
    let flow: &[u16] = &[256, 28, 1, 1, 2, 2, 0, 400, 0, 10, 0x69a2, 0xbca0, 0x69a2, 0xbca0];
    let read = |of_seven: &[&[u16]]| {
        let messages = [
            message(7, &[template, flow]),
            message(9, &[template, flow]),
            message(0, &[&[option], of_seven].concat()),
        ];
        let frames: Vec<(u32, Vec<u8>)> =
            messages.iter().map(|message| (0, datagram(4739, message))).collect();
        let settings = crate::rows::settings(None, false);
        let (records, counts) =
            recorded::read_as("netflow", capture(&frames), &settings).expect("exports");
        let weights: Vec<u32> = records.iter().map(|record| record.weight).collect();
        (weights, counts.unknown_sampling, counts.unread.len())
    };
    assert_eq!(read(&[&said(7, 100)]), (vec![100], 1, 1));
    assert_eq!(read(&[&said(7, 100), &said(9, 50)]), (vec![100, 50], 0, 0));
}

#[test]
fn flows_that_the_exporter_had_dropped_did_not_arrive() {
    // Addresses, counts, times in seconds and the forwarding status.
    let fields = [(8, 4), (12, 4), (1, 4), (2, 4), (150, 4), (151, 4), (89, 1)];
    let mut flows: Vec<u8> = Vec::new();
    for status in [64, 128, 130, 0] {
        flows.extend([198, 51, 100, 1, 203, 0, 113, 1]);
        for number in [400_u32, 10, 1_772_272_800, 1_772_272_801] {
            flows.extend(number.to_be_bytes());
        }
        flows.push(status);
    }
    let bytes = ipfix(&fields, &flows);
    for (count_drops, records) in [(false, 2), (true, 4)] {
        let settings = Settings { count_drops, ..crate::rows::settings(Some(1), false) };
        let (read, counts) =
            recorded::read_as("netflow", bytes.clone(), &settings).expect("exports");
        assert_eq!(read.len(), records, "{counts:?}");
        assert_eq!(counts.dropped, 4 - records as u64, "{counts:?}");
    }
}

#[test]
fn addresses_of_a_wrong_length_are_none() {
    for length in [3_u16, 5] {
        let mut flow = vec![1; 2 * usize::from(length)];
        for number in [400_u32, 10, 1_772_272_800] {
            flow.extend(number.to_be_bytes());
        }
        let bytes = ipfix(&[(8, length), (12, length), (1, 4), (2, 4), (150, 4)], &flow);
        let settings = crate::rows::settings(Some(1), false);
        let (read, counts) = recorded::read_as("netflow", bytes, &settings).expect("exports");
        assert_eq!((read.len(), counts.unread.values().sum::<u64>()), (0, 1), "{counts:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_a_folder_of_recordings_is_not_waited_for() {
    let folder = folder(&[("t/traffic.yaml", b"version: 1\nduration: 1s\nflows: []\n")]);
    let pipe = folder.path().join("t/pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    let given = ["rules.yaml", "--inventory", "inventory.yaml", "--traffic", "t"];
    let run = check(folder.path(), &given);
    assert_eq!(run.verdict(), "cannot_judge", "{:#}", run.result);
    assert!(run.result["problems"].to_string().contains("neither a file"), "{:#}", run.result);
}

#[cfg(unix)]
#[test]
fn a_file_of_two_names_counts_once() {
    let traffic = format!("version: 1\nduration: 60s\nflows:\n{BOTH}");
    let rules = "version: 1\nrules:\n  - {id: r, match: {dst: 203.0.113.0/26}, action: drop, intent: {target: [acme], may_reach: all}}\n";
    let folder = folder(&[
        ("rules.yaml", rules.as_bytes()),
        ("inventory.yaml", INVENTORY.as_bytes()),
        ("t/a.yaml", traffic.as_bytes()),
    ]);
    let [a, b] = ["t/a.yaml", "t/b.yaml"].map(|name| folder.path().join(name));
    std::fs::hard_link(a, b).expect("a link");
    let given = ["rules.yaml", "--inventory", "inventory.yaml", "--traffic", "t"];
    let run = check(folder.path(), &given);
    assert_eq!(run.verdict(), "cannot_judge", "{:#}", run.result);
    assert!(run.result["problems"].to_string().contains("named twice"), "{:#}", run.result);
}

#[test]
fn a_few_new_packets_make_no_old_recording_new() {
    let rules = "version: 1\nrules:\n  - {id: r, match: {dst: 203.0.113.0/24, protocol: tcp}, \
                 action: drop, intent: {target: [acme], may_reach: all}}\n";
    let judge = |new: usize| {
        let row = |start: i64, end: u8| {
            format!("198.51.100.1,203.0.113.{end},17,123,9,3,120,{start},{start}\n")
        };
        let mut csv = "src,dst,protocol,src_port,dst_port,packets,bytes,start,end\n".to_owned();
        for at in 0..1_000 {
            csv += &row(1_760_000_000 + at, if at % 2 == 0 { 1 } else { 70 });
        }
        (0..new).for_each(|at| csv += &row(1_772_272_000 + at as i64, 1));
        let config = "version: 1\nrules: {paths: [rules.yaml]}\ninventory: [inventory.yaml]\n\
                      traffic:\n  - path: t.csv\n    format: csv\n    sampling: 1\n    columns: {src: src, dst: dst, \
                      protocol: protocol, src_port: src_port, dst_port: dst_port, packets: packets, \
                      bytes: bytes, time: {field: start, unit: s}, end: {field: end, unit: s}, \
                      sampling: {applied: false}}\n";
        let folder = folder(&[
            ("rules.yaml", rules.as_bytes()),
            ("inventory.yaml", INVENTORY.as_bytes()),
            ("t.csv", csv.as_bytes()),
            ("blastgate.yaml", config.as_bytes()),
        ]);
        let run = check(folder.path(), &[]);
        run.findings().contains(&("evidence_too_old", "unknown"))
    };
    assert!(judge(0) && judge(9));
    assert!(!judge(30));
}

#[test]
fn samples_of_what_a_customer_sends_do_not_make_those_to_him_enough() {
    let rules = "version: 1\nrules:\n  - {id: r, match: {dst: 203.0.113.0/24, protocol: tcp}, \
                 action: drop, intent: {target: [acme], may_reach: all}}\n";
    let judge = |to: usize, from: usize| {
        let mut csv = "src,dst,protocol,packets,bytes,start\n".to_owned();
        let mut add = |count: usize, src: &str, dst: &str| {
            for at in 0..count {
                csv += &format!("{src},{dst},17,1,120,{}\n", 1_772_272_000 + at);
            }
        };
        add(900, "198.51.100.1", "203.0.113.1");
        add(to, "198.51.100.1", "203.0.113.70");
        add(from, "203.0.113.70", "198.51.100.1");
        let config = "version: 1\nrules: {paths: [rules.yaml]}\ninventory: [inventory.yaml]\n\
                      evidence: {must_judge: [gold]}\ntraffic:\n  - path: t.csv\n    format: csv\n    \
                      sampling: 100\n    columns: {src: src, dst: dst, protocol: protocol, packets: \
                      packets, bytes: bytes, time: {field: start, unit: s}, sampling: {applied: \
                      false}}\n";
        let folder = folder(&[
            ("rules.yaml", rules.as_bytes()),
            ("inventory.yaml", INVENTORY.as_bytes()),
            ("t.csv", csv.as_bytes()),
            ("blastgate.yaml", config.as_bytes()),
        ]);
        check(folder.path(), &[]).verdict().to_owned()
    };
    assert_eq!(judge(1, 0), "cannot_judge");
    assert_eq!(judge(1, 899), "cannot_judge");
    assert_eq!(judge(40, 0), "pass");
}

#[test]
fn numbers_and_marks_are_read_as_tools_write_them() {
    // pandas writes numbers with a point where one of a column is missing.
    let header = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt\n";
    let row = "2026-02-28 11:00:00,2026-02-28 11:00:01,1.000,198.51.100.1,203.0.113.1,123.0,9.0,17.0,........,0,0,3.0,120.00\n";
    let (records, counts) = read("nfdump-csv", &format!("{header}{row}"));
    assert_eq!((records, counts.unread.len()), (1, 0), "{counts:?}");
    let (records, _) = read("nfdump-csv", &format!("{header}{}", row.replace("3.0", "3.5")));
    assert_eq!(records, 0);
    // pmacct marks where a purge begins and ends.
    let flow = "{\"event_type\":\"purge\",\"ip_src\":\"198.51.100.1\",\"ip_dst\":\"203.0.113.1\",\"ip_proto\":\"udp\",\
                \"packets\":3,\"bytes\":120,\"timestamp_start\":\"1772272800.0\",\"timestamp_end\":\"1772272801.0\"}\n";
    let marks = ["init", "close"].map(|mark| {
        format!("{{\"event_type\": \"purge_{mark}\", \"writer_id\": \"default_amqp/1\"}}\n")
    });
    let text = format!("{}{flow}{}", marks[0], marks[1]);
    let form = blastgate::traffic::detect(text.as_bytes()).expect("a form");
    assert_eq!(form.name, "pmacct");
    let (records, counts) = read("pmacct", &text);
    assert_eq!((records, counts.unread.len()), (1, 0), "{counts:?}");
}
