//! Rows that other tools wrote: what nfdump writes of flows that softflowd exports, and the recorded
//! files. Nothing in them may be lost without a count, and nothing that they do not say may be known.

use std::path::PathBuf;

use blastgate::model::{Known, Record};
use blastgate::traffic;

use crate::common;
use crate::flow_exports::{Sent, nfdump_as};
use crate::flow_made::{INVENTORY, MATCHES, VERSIONS, is_missing, key, softflowd, traffic as made};
use crate::recorded;
use crate::rows::{FORMS, settings, sums, whole};

//------------ nfdump ----------------------------------------------------------

const AS_CSV: &[&str] = &["-N", "-o", "csv"];
const AS_JSON: &[&str] = &["-N", "-o", "json"];
const AS_NUMBERS: &[&str] = &["-q", "-N", "-o", "fmt:%pkt|%byt"];

/// Returns what nfdump writes of the flows that softflowd exports of packets.
fn written(packets: &[u8], arguments: &[&str]) -> Vec<String> {
    let exports = softflowd(packets, arguments).into_iter();
    let sent: Vec<Sent> = exports
        .map(|(src, payload)| Sent { src: src.parse().expect("an address"), src_port: 1, payload })
        .collect();
    nfdump_as(&sent, &[AS_CSV, AS_JSON, AS_NUMBERS]).expect("nfdump runs")
}

fn has_no_nfdump() -> bool {
    is_missing("softflowd", "-h") || is_missing("nfcapd", "-V") || is_missing("nfdump", "-V")
}

#[test]
fn nfdump_csv_and_json_sum_up_as_nfdump_says() {
    if has_no_nfdump() {
        return;
    }
    for (name, arguments) in &VERSIONS[..3] {
        let [csv, json, numbers] = &written(&made(7), arguments)[..] else { panic!("three") };
        let (mut wanted, mut rows) = ((0, 0), 0);
        for line in numbers.lines() {
            let numbers: Vec<u64> =
                line.split('|').filter_map(|one| one.trim().parse().ok()).collect();
            if let [packets, bytes] = numbers[..] {
                wanted = (wanted.0 + packets, wanted.1 + bytes);
                rows += 1;
            }
        }
        assert!(rows > 10, "{name}: {numbers}");
        let settings = settings(Some(1), true);
        for (form, text) in [("nfdump-csv", csv), ("nfdump-json", json)] {
            let records = whole(form, text, &settings);
            assert_eq!((records.len(), sums(&records)), (rows, wanted), "{name}: {form}");
        }
    }
}

#[test]
fn what_nfdump_writes_of_a_flow_holds_for_each_of_its_packets() {
    if has_no_nfdump() {
        return;
    }
    for (name, arguments) in &VERSIONS[..3] {
        let capture = made(1);
        let [csv, json, _] = &written(&capture, arguments)[..] else { panic!("three") };
        let (packets, _) = recorded::read(capture, &recorded::settings()).expect("a capture");
        for (form, text) in [("nfdump-csv", csv), ("nfdump-json", json)] {
            let flows = whole(form, text, &settings(Some(1), true));
            for flow in &flows {
                let end_ns = flow.time_ns + flow.duration_ns as i64;
                let own: Vec<&Record> =
                    packets.iter().filter(|packet| key(packet) == key(flow)).collect();
                assert!(!own.is_empty(), "{name}: {form}: {flow:?}");
                for packet in own {
                    let inside = (flow.time_ns..end_ns).contains(&packet.time_ns);
                    assert!(inside, "{name}: {form}: {packet:?} of {flow:?}");
                    let (known, one, all) = (flow.header.known, &packet.header, &flow.header);
                    for (field, holds) in [
                        (Known::PORTS, one.layers.0 & 1 == all.layers.0 & 1),
                        (Known::TCP_FLAGS, one.tcp_flags == all.tcp_flags),
                        (Known::TCP_FLAGS, one.layers.0 & 2 == all.layers.0 & 2),
                        (Known::ICMP, one.layers.0 & 4 == all.layers.0 & 4),
                        (Known::ICMP, one.icmp_type == all.icmp_type),
                        (Known::ICMP, one.icmp_code == all.icmp_code),
                        (Known::LENGTH, one.packet_length == all.packet_length),
                        (Known::DSCP, one.dscp == all.dscp),
                        (Known::TTL, one.ttl == all.ttl),
                        (Known::FRAGMENT, one.fragment == all.fragment),
                    ] {
                        assert!(holds || !known.has(field), "{name}: {one:?} of {all:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn nfdump_csv_and_json_give_the_verdict_of_the_packets_or_none() {
    if has_no_nfdump() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (mut same, mut all) = (0, 0);
    std::fs::write(folder.join("inventory.yaml"), INVENTORY).expect("a file");
    let packets = made(0);
    std::fs::write(folder.join("packets.pcap"), &packets).expect("a file");
    let mut files = Vec::new();
    for (at, (name, arguments)) in VERSIONS.iter().take(3).enumerate() {
        let [csv, json, _] = &written(&packets, arguments)[..] else { panic!("three") };
        for (form, text) in [("csv", csv), ("json", json)] {
            let file = format!("{at}.{form}");
            std::fs::write(folder.join(&file), text).expect("a file");
            files.push((name, file));
        }
    }
    for condition in MATCHES {
        let rules = format!(
            "version: 1\nrules:\n  - {{id: r, match: {condition}, action: drop, intent: {{target: \
             [acme], may_affect: [acme], may_reach: all}}}}\n"
        );
        std::fs::write(folder.join("rules.yaml"), rules).expect("a file");
        let verdict = |traffic: &str, more: &[&str]| {
            let arguments = ["rules.yaml", "--inventory", "inventory.yaml", "--traffic", traffic];
            let run = common::check(folder, &[&arguments[..], more].concat());
            run.verdict().to_owned()
        };
        let truth = verdict("packets.pcap", &[]);
        for (name, file) in &files {
            let found = verdict(file, &["--sampling", "1", "--zone", "UTC"]);
            assert!(
                found == truth || found == "cannot_judge",
                "{condition}: {name}: {file}: {found}"
            );
            same += usize::from(found == truth);
            all += 1;
            // Without a word on sampling nothing can be judged.
            assert_eq!(verdict(file, &["--zone", "UTC"]), "cannot_judge", "{file}");
        }
    }
    println!("{same} of {all} verdicts are those of the packets");
    assert!(same > all / 4, "{same} of {all}");
}

//------------ Recorded files --------------------------------------------------

/// Returns the recorded files that are rows; none, after saying so, if no folder is named.
fn files() -> Option<Vec<PathBuf>> {
    let Some(root) = std::env::var_os("BLASTGATE_RECORDED").map(PathBuf::from) else {
        println!("skipped: BLASTGATE_RECORDED is not set");
        return None;
    };
    let mut files = Vec::new();
    for folder in ["nfdump", "text"] {
        let entries = std::fs::read_dir(root.join(folder)).expect("a folder that can be listed");
        files.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    files.sort();
    Some(files)
}

#[test]
fn every_recorded_file_of_rows_is_read_or_refused_with_a_reason() {
    let Some(files) = files() else { return };
    let mut table = Vec::new();
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let bytes = std::fs::read(&path).expect("a file that can be read");
        let start = &bytes[..bytes.len().min(4_096)];
        let form = match traffic::detect(start).map(|form| form.name) {
            Some(form) => form,
            None if name.contains("aws") => "aws-vpc",
            None => {
                table.push((name, "none".to_owned(), (0, 0, 0, 0), String::new()));
                continue;
            }
        };
        if !FORMS.contains(&form) {
            table.push((name, form.to_owned(), (0, 0, 0, 0), String::new()));
            continue;
        }
        let needs_rate = ["nfdump-csv", "nfdump-json", "pmacct"].contains(&form);
        let settings = settings(needs_rate.then_some(1), true);
        match recorded::read_as(form, bytes, &settings) {
            Ok((records, counts)) => {
                let (packets, bytes) = sums(&records);
                let unread: u64 = counts.unread.values().sum();
                let why: Vec<String> = counts
                    .unread
                    .iter()
                    .chain(&counts.other)
                    .map(|(why, count)| format!("{count} {why}"))
                    .collect();
                let numbers = (records.len() as u64, unread, packets, bytes);
                table.push((name, form.to_owned(), numbers, why.join("; ")));
            }
            Err(problem) => table.push((name, form.to_owned(), (0, 0, 0, 0), problem)),
        }
    }
    for (name, form, (records, unread, packets, bytes), why) in &table {
        println!("| {name} | {form} | {records} | {unread} | {packets} | {bytes} | {why} |");
    }
    let of = |name: &str| {
        let row = table.iter().find(|row| row.0.contains(name));
        row.map(|row| (row.1.as_str(), row.2)).expect("a recorded file")
    };
    // The summaries with which nfdump ends them.
    assert_eq!(of("rrsig.1.7.1.csv"), ("nfdump-csv", (200, 0, 200, 584_494)));
    assert_eq!(of("synflood.1.7.1.csv"), ("nfdump-csv", (2_000, 0, 2_012, 80_480)));
    assert_eq!(of("rrsig.1.7.1.json").0, "nfdump-json");
    assert_eq!(of("network_analytics"), ("cloudflare", (3, 0, 3, 1_024 + 1_500 + 76)));
    assert_eq!(of("header-repeated"), ("aws-vpc", (1, 1, 8, 568)));
    assert_eq!(of("suricata-eve"), ("suricata", (1, 0, 1, 96)));
    assert_eq!(of("v5-no-header"), ("aws-vpc", (0, 0, 0, 0)));
    // Its times were taken out, and with them what could be judged.
    assert_eq!(of("vlan-logging"), ("zeek", (0, 2, 0, 0)));
    assert_eq!(of("pmacct-102").0, "pmacct");
    assert!(of("pmacct-102").1.1 == 0 && of("pmacct-102").1.0 > 30);
    assert_eq!(of("http_requests").0, "none");
}
