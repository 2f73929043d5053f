//! Recordings made of rows, made here: nothing in them may be lost without a count, nothing that they
//! do not say may be known, and no bytes stop the reader.

use std::path::Path;
use std::sync::Arc;

use blastgate::model::columns::{Column, Columns, TimeUnit};
use blastgate::model::{Fragment, Known, ReadCounts, Record, SamplingRate};
use blastgate::traffic::{self, Settings};
use proptest::prelude::*;

use crate::common;
use crate::flow_made::INVENTORY;
use crate::recorded;

pub(crate) const FORMS: &[&str] = &[
    "nfdump-csv",
    "nfdump-json",
    "goflow2",
    "akvorado",
    "aws-vpc",
    "cloudflare",
    "zeek",
    "suricata",
    "pmacct",
];

pub(crate) fn settings(sampling: Option<u32>, zone: bool) -> Settings {
    Settings {
        sampling: sampling.map(SamplingRate),
        zone: zone.then_some(jiff::tz::TimeZone::UTC),
        count_drops: true,
        ..recorded::settings()
    }
}

fn read(form: &str, text: &str, settings: &Settings) -> Result<(Vec<Record>, ReadCounts), String> {
    recorded::read_as(form, text.as_bytes().to_vec(), settings)
}

/// Reads rows that must be a recording, every row of it.
pub(crate) fn whole(form: &str, text: &str, settings: &Settings) -> Vec<Record> {
    let found = traffic::detect(text.as_bytes()).map(|form| form.name);
    assert_eq!(found, Some(form), "{text}");
    let mut others = traffic::FORMS.iter().filter(|one| one.is_rows && one.name != form);
    let tie = others.any(|one| (one.detect)(text.as_bytes()));
    assert!(!tie, "{text}");
    let (records, counts) = read(form, text, settings).expect("a recording");
    assert!(counts.unread.is_empty(), "{form}: {counts:?}");
    assert_eq!(counts.records, records.len() as u64);
    records
}

pub(crate) fn sums(records: &[Record]) -> (u64, u64) {
    let sum = |of: fn(&Record) -> u64| records.iter().map(of).sum();
    (sum(|record| record.packets), sum(|record| record.bytes))
}

/// Returns records without their numbers: the same row stands at another line in another form.
fn unnumbered(records: &[Record]) -> Vec<Record> {
    records.iter().map(|record| Record { number: 0, ..*record }).collect()
}

//------------ Rows made here --------------------------------------------------

const GOFLOW2: &str = r#"{"type":"SFLOW_5","time_received_ns":1772272800000000000,"sampling_rate":100,"sampler_address":"10.0.0.1","time_flow_start_ns":1772272800000000000,"time_flow_end_ns":1772272800000000000,"bytes":74,"packets":1,"src_addr":"198.51.100.1","dst_addr":"203.0.113.1","etype":"IPv4","proto":"TCP","src_port":40000,"dst_port":443,"tcp_flags":2,"ip_ttl":63,"ip_tos":72,"fragment_offset":0,"ip_flags":2}
{"type":"NETFLOW_V9","time_received_ns":1772272900000000000,"sampling_rate":0,"sampler_address":"10.0.0.2","time_flow_start_ns":1772272800000000000,"time_flow_end_ns":1772272860000000000,"bytes":9000,"packets":10,"src_addr":"2001:db8:1::1","dst_addr":"2001:db8:2::1","etype":"IPv6","proto":"UDP","src_port":53,"dst_port":40000}
"#;

#[test]
fn goflow2_gives_samples_their_rate_and_leaves_out_what_has_none() {
    let (records, counts) = read("goflow2", GOFLOW2, &settings(None, false)).expect("rows");
    assert_eq!((records.len(), counts.unknown_sampling), (1, 1));
    let one = &records[0];
    assert_eq!((one.packets, one.bytes, one.weight), (1, 60, 100));
    let header = &one.header;
    assert_eq!((header.src_port, header.dst_port, header.tcp_flags), (40_000, 443, 2));
    assert_eq!((header.ttl, header.dscp, header.fragment), (63, 18, Fragment::DONT));
    assert!(!header.known.has(Known::LENGTH), "tags and the check sequence are not known");
    let records = whole("goflow2", GOFLOW2, &settings(Some(50), false));
    let rates: Vec<u32> = records.iter().map(|record| record.weight).collect();
    assert_eq!((rates, records[1].bytes), (vec![50, 50], 9_000));
    assert!(!records[1].header.known.has(Known::TTL));
}

#[test]
fn akvorado_is_read_from_csv_and_json_alike_and_never_rolled_up() {
    let csv = "TimeReceived,SamplingRate,ExporterAddress,SrcAddr,DstAddr,Proto,SrcPort,DstPort,Bytes,Packets\n\
               2026-02-28 10:00:00,1000,::ffff:10.0.0.1,::ffff:198.51.100.1,::ffff:203.0.113.1,6,40000,443,1500,3\n";
    let json = r#"{"TimeReceived":"2026-02-28 10:00:00","SamplingRate":"1000","ExporterAddress":"::ffff:10.0.0.1","SrcAddr":"::ffff:198.51.100.1","DstAddr":"::ffff:203.0.113.1","Proto":6,"SrcPort":40000,"DstPort":443,"Bytes":"1500","Packets":"3"}
"#;
    let settings_here = settings(None, true);
    let a = whole("akvorado", csv, &settings_here);
    let b = whole("akvorado", json, &settings_here);
    assert_eq!((unnumbered(&a), a.len()), (unnumbered(&b), 1));
    assert_eq!((a[0].weight, a[0].packets, a[0].bytes), (1_000, 3, 1_500));
    assert_eq!(a[0].header.src, u128::from(u32::from_be_bytes([198, 51, 100, 1])));
    // It was received at ten o'clock, and may be half an hour older.
    assert_eq!(a[0].time_ns, 1_772_272_800_000_000_000 - 1_800_000_000_000);
    assert_eq!(a[0].duration_ns, 1_801_000_000_000);
    let error = read("akvorado", csv, &settings(None, false)).expect_err("no zone");
    assert!(error.contains("is local, and nothing says of which time zone"), "{error}");
    let rolled = "TimeReceived,SamplingRate,ExporterAddress,Proto,Bytes,Packets\n\
                  2026-02-28 10:00:00,1000,::ffff:10.0.0.1,6,1500,3\n";
    let (records, counts) = read("akvorado", rolled, &settings_here).expect("rows");
    assert!(records.is_empty() && counts.unread.keys().any(|why| why.contains("rolled up")));
}

#[test]
fn aws_fields_may_stand_in_any_order_and_addresses_of_packets_count_first() {
    let text = "dstaddr srcaddr pkt-srcaddr pkt-dstaddr protocol srcport dstport tcp-flags packets bytes start end action log-status\n\
                10.0.0.1 10.0.0.2 198.51.100.1 203.0.113.1 6 40000 443 2 1 44 1772272800 1772272810 REJECT OK\n\
                10.0.0.1 198.51.100.7 - - 17 53 4000 0 10 9000 1772272800 1772272810 ACCEPT OK\n\
                - - - - - - - - - - 1772272800 1772272810 - NODATA\n";
    let (records, counts) = read("aws-vpc", text, &settings(None, false)).expect("rows");
    assert_eq!((records.len(), counts.other.values().sum::<u64>()), (2, 1));
    let ends: Vec<String> =
        records.iter().map(|record| record.header.src_address().to_string()).collect();
    assert_eq!(ends, ["198.51.100.1", "198.51.100.7"]);
    assert!(!records[0].header.known.has(Known::TCP_FLAGS), "a plain ACK shows as none");
    assert_eq!((records[0].weight, records[0].header.packet_length), (1, 44));
}

#[test]
fn a_header_that_the_user_gives_stands_for_one_that_is_not_there() {
    let row = "198.51.100.1 203.0.113.1 17 53 4000 10 9000 1772272800 1772272810 ACCEPT OK\n";
    let names =
        "srcaddr dstaddr protocol srcport dstport packets bytes start end action log-status";
    let header = names.split(' ').map(str::to_owned).collect();
    let columns = Columns { header: Some(header), ..Columns::default() };
    let told = Settings { columns: Some(Arc::new(columns)), ..settings(None, false) };
    let (without, counts) = read("aws-vpc", row, &told).expect("rows");
    assert!(counts.unread.is_empty() && sums(&without) == (10, 9_000), "{counts:?}");
    let (with, _) = read("aws-vpc", &format!("{names}\n{row}"), &told).expect("rows");
    assert_eq!(unnumbered(&with), unnumbered(&without));
}

#[test]
fn cloudflare_weighs_each_row_and_knows_no_field_of_another_protocol() {
    let row = |protocol: u8, interval: u32, time: &str| {
        format!(
            "{{\"Datetime\":{time},\"IPSourceAddress\":\"198.51.100.1\",\"IPDestinationAddress\":\
             \"203.0.113.1\",\"IPProtocol\":{protocol},\"SourcePort\":0,\"DestinationPort\":0,\
             \"TCPFlags\":0,\"ICMPType\":0,\"ICMPCode\":0,\"IPTtl\":60,\"IPTotalLength\":84,\
             \"SampleInterval\":{interval},\"ColoName\":\"fra16\",\"Direction\":\"ingress\",\
             \"Verdict\":\"drop\"}}\n"
        )
    };
    let text = [
        row(1, 100, "\"2026-02-28T10:00:00Z\""),
        row(17, 10_000, "1772272800"),
        row(6, 1, "\"1772272800000000000\""),
    ];
    let records = whole("cloudflare", &text.concat(), &settings(None, false));
    let of: Vec<(u32, i64)> = records.iter().map(|one| (one.weight, one.time_ns)).collect();
    let time = 1_772_272_800_000_000_000;
    assert_eq!(of, [(100, time), (10_000, time), (1, time)]);
    let known = |at: usize, field| records[at].header.known.has(field);
    assert!(known(0, Known::ICMP) && known(0, Known::LENGTH) && known(0, Known::TTL));
    assert!(!known(1, Known::PORTS), "zero and zero are no ports");
    assert!(!known(2, Known::TCP_FLAGS), "no packet has none of them, or nobody kept them");
    assert!(!known(0, Known::FRAGMENT), "the fields were not selected");
    assert!(known(0, Known::POP) && known(0, Known::DIRECTION));
}

const ZEEK: &str = "#separator \\x09\n#set_separator\t,\n#unset_field\t-\n#path\tconn\n\
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_bytes\tresp_bytes\tconn_state\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\n\
1772272800.000001\tC1\t198.51.100.1\t40000\t203.0.113.1\t443\ttcp\t2.5\t10\t20\tSF\t5\t300\t4\t900\t-\n\
1772272800.000001\tC2\t198.51.100.1\t3\t203.0.113.1\t1\ticmp\t-\t-\t-\tOTH\t1\t56\t0\t0\t-\n\
1772272800.000001\tC3\t198.51.100.1\t53\t203.0.113.1\t53\tudp\t-\t-\t-\tS0\t1\t56\t0\t0\tC9\n";

#[test]
fn zeek_connections_are_split_in_two_directions() {
    let (records, counts) = read("zeek", ZEEK, &settings(None, false)).expect("rows");
    assert_eq!(traffic::detect(ZEEK.as_bytes()).map(|form| form.name), Some("zeek"));
    assert_eq!((records.len(), counts.unread.values().sum::<u64>()), (3, 1), "{counts:?}");
    assert_eq!(sums(&records), (5 + 4 + 1, 300 + 900 + 56));
    assert_eq!(records[0].header.src, records[1].header.dst);
    assert_eq!(records[0].header.src_port, records[1].header.dst_port);
    assert_eq!((records[2].header.icmp_type, records[2].header.icmp_code), (3, 1));
    let json = r#"{"ts":1772272800.000001,"uid":"C1","id.orig_h":"198.51.100.1","id.orig_p":40000,"id.resp_h":"203.0.113.1","id.resp_p":443,"proto":"tcp","duration":2.5,"conn_state":"SF","orig_pkts":5,"orig_ip_bytes":300,"resp_pkts":4,"resp_ip_bytes":900,"tunnel_parents":[]}
"#;
    let same = whole("zeek", json, &settings(None, false));
    assert_eq!(unnumbered(&same), unnumbered(&records[..2]));
}

#[test]
fn suricata_counts_flows_of_one_kind_only() {
    let flow = r#"{"timestamp":"2026-02-28T11:00:00.000000+0100","event_type":"flow","src_ip":"198.51.100.1","src_port":40000,"dest_ip":"203.0.113.1","dest_port":443,"proto":"TCP","flow":{"pkts_toserver":1,"pkts_toclient":2,"bytes_toserver":60,"bytes_toclient":200,"start":"2026-02-28T11:00:00.000000+0100","end":"2026-02-28T11:00:01.000000+0100"},"tcp":{"tcp_flags":"12","tcp_flags_ts":"02","tcp_flags_tc":"12"}}
{"timestamp":"2026-02-28T11:00:00.000000+0100","event_type":"netflow","src_ip":"198.51.100.1","src_port":40000,"dest_ip":"203.0.113.1","dest_port":443,"proto":"TCP","netflow":{"pkts":1,"bytes":60,"start":"2026-02-28T11:00:00.000000+0100","end":"2026-02-28T11:00:01.000000+0100","min_ttl":60,"max_ttl":60}}
{"timestamp":"2026-02-28T11:00:00.000000+0100","event_type":"dns"}
"#;
    let (records, counts) = read("suricata", flow, &settings(None, false)).expect("rows");
    assert_eq!((records.len(), counts.other.values().sum::<u64>()), (2, 2), "{counts:?}");
    assert_eq!(sums(&records), (3, 46 + 172));
    assert_eq!(records[0].header.tcp_flags, 2);
    assert_eq!(records[0].time_ns, 1_772_272_800_000_000_000);
    let netflow: String = flow.lines().skip(1).map(|line| format!("{line}\n")).collect();
    let records = whole("suricata", &netflow, &settings(None, false));
    assert_eq!((sums(&records), records[0].header.ttl), ((1, 46), 60));
    // Where for long nothing of the kind that counts is told, the other one is no twin of it.
    let lines: Vec<&str> = flow.lines().collect();
    let of = |at: usize, count: usize| format!("{}\n", lines[at]).repeat(count);
    for (text, lost) in [
        ([of(1, 500), of(0, 999), of(1, 500)], 0),
        ([of(1, 500), of(0, 1_999), of(1, 500)], 1_999),
        ([of(1, 500), of(0, 9_999), String::new()], 9_999),
        ([of(1, 5_000), of(2, 5_000), of(1, 1)], 0),
        ([of(1, 1), (of(0, 1) + &of(1, 1)).repeat(3_000), of(0, 999)], 0),
    ] {
        let (_, counts) = read("suricata", &text.concat(), &settings(None, false)).expect("rows");
        assert_eq!(counts.unread.values().sum::<u64>(), lost, "{counts:?}");
    }
}

#[test]
fn counts_that_were_multiplied_are_divided_or_unread() {
    let row = |packets: u64| {
        format!(
            "2026-02-28 10:00:00.000,0.000,TCP,198.51.100.1,40000,203.0.113.1,443,{packets},{},1\n",
            packets * 40
        )
    };
    let header = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n";
    let text = format!("{header}{}{}", row(1_000), row(3_000));
    let records = whole("nfdump-csv", &text, &settings(Some(1_000), true));
    let of: Vec<(u64, u64, u32)> =
        records.iter().map(|one| (one.packets, one.bytes, one.weight)).collect();
    assert_eq!(of, [(1, 40, 1_000), (3, 120, 1_000)]);
    let text = format!("{header}{}{}", row(1_000), row(1_500));
    let (records, counts) = read("nfdump-csv", &text, &settings(Some(1_000), true)).expect("rows");
    assert_eq!((records.len(), counts.unread.len()), (1, 1), "{counts:?}");
    assert!(counts.unread.keys().all(|why| why.ends_with("(line 3)")), "{counts:?}");
    let (records, counts) = read("nfdump-csv", &text, &settings(None, true)).expect("rows");
    assert_eq!((records.len(), counts.unknown_sampling), (0, 2));
    let pmacct = r#"{"ip_src":"198.51.100.1","ip_dst":"203.0.113.1","port_src":1,"port_dst":2,"ip_proto":"udp","packets":10,"bytes":100,"timestamp_start":"1772272800.000000","timestamp_end":"1772272801.000000"}"#;
    let error = read("pmacct", pmacct, &settings(Some(10), false)).expect_err("who multiplied?");
    assert!(error.contains("multiplied by the sampling rate already"), "{error}");
    let told = |applied| {
        let columns = Columns { applied: Some(applied), ..Columns::default() };
        let settings = Settings { columns: Some(Arc::new(columns)), ..settings(Some(10), false) };
        whole("pmacct", pmacct, &settings)[0].packets
    };
    assert_eq!((told(true), told(false)), (1, 10));
}

#[test]
fn an_hour_that_the_clocks_have_twice_is_as_wide_as_both() {
    let text = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n\
                2025-10-26 02:30:00.000,0.000,TCP,198.51.100.1,1,203.0.113.1,2,1,40,1\n";
    let Ok(zone) = jiff::tz::TimeZone::get("Europe/Berlin") else { return };
    let settings = Settings { zone: Some(zone), ..settings(Some(1), false) };
    let (records, _) = read("nfdump-csv", text, &settings).expect("rows");
    assert!(records[0].duration_ns >= 3_600_000_000_000, "{:?}", records[0]);
}

//------------ Columns of the user ---------------------------------------------

fn columns() -> Columns {
    let names = [
        (Column::Src, "from"),
        (Column::Dst, "to"),
        (Column::Protocol, "how"),
        (Column::Packets, "n"),
        (Column::Bytes, "size"),
        (Column::Time, "at.begin"),
    ];
    Columns {
        names: names.map(|(column, name)| (column, name.to_owned())).to_vec(),
        units: vec![(Column::Time, TimeUnit::Milliseconds)],
        ..Columns::default()
    }
}

#[test]
fn columns_that_the_user_names_are_read_from_csv_tsv_and_json_alike() {
    let csv = "at.begin,n,size,from,to,how,note\n\
               1772272800123,2,80,198.51.100.1,203.0.113.1,tcp,\"a, b\"\n";
    let tsv = csv.replace("\"a, b\"", "ab").replace(',', "\t");
    let json = "[{\"at\": {\"begin\": 1772272800123}, \"n\": 2, \"size\": 80,\n \"from\": \
                \"198.51.100.1\", \"to\": \"203.0.113.1\", \"how\": \"tcp\"}]";
    let settings = Settings { columns: Some(Arc::new(columns())), ..settings(Some(1), false) };
    let mut all = Vec::new();
    for (form, text) in [("csv", csv), ("tsv", &tsv), ("jsonl", json)] {
        let (records, counts) = read(form, text, &settings).expect("rows");
        assert!(counts.unread.is_empty(), "{form}: {counts:?}");
        all.push(unnumbered(&records));
        let (records, counts) =
            read(form, text, &Settings { sampling: None, ..settings.clone() }).expect("rows");
        assert_eq!((records.len(), counts.unknown_sampling), (0, 1), "{form}");
    }
    assert_eq!(all[0].len(), 1);
    assert_eq!(all[0][0].time_ns, 1_772_272_800_123_000_000);
    assert!(all.iter().all(|records| records == &all[0]), "{all:?}");
    let error = read("csv", &csv.replace("size", "length"), &settings).expect_err("no column");
    assert!(error.contains("has no column `size`"), "{error}");
    let without = Settings { columns: None, ..settings.clone() };
    let error = read("csv", csv, &without).expect_err("no columns");
    assert!(error.contains("nothing says what its columns are"), "{error}");
}

#[test]
fn a_config_names_columns_and_the_zone() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
    write("inventory.yaml", INVENTORY);
    write(
        "rules.yaml",
        "version: 1\nrules:\n  - {id: r, match: {dst: 203.0.113.0/28, protocol: udp}, action: drop, \
         intent: {target: [acme]}}\n",
    );
    let mut rows = "when;x\n".replace(";x", ",s,d,p,n,b,rate\n");
    rows = rows.trim_end().to_owned() + "\n";
    for at in 0..60 {
        rows.push_str(&format!(
            "2026-02-28 11:00:{at:02},198.51.100.1,203.0.113.{},udp,1,100,1\n",
            1 + at % 30
        ));
    }
    write("flows.csv", &rows);
    let config = |more: &str| {
        format!(
            "version: 1\nrules: {{paths: [rules.yaml]}}\ninventory: [inventory.yaml]\ntraffic:\n  - \
             {{path: flows.csv, format: csv, {more}columns: {{src: s, dst: d, protocol: p, packets: \
             n, bytes: b, time: {{field: when}}, sampling: {{field: rate, applied: false}}}}}}\n"
        )
    };
    write("blastgate.yaml", &config("zone: Europe/Berlin, "));
    let run = common::check(folder, &[]);
    assert_eq!((run.verdict(), run.code), ("pass", 0), "{}", run.result);
    assert_eq!(run.result["evidence"]["newest"], "2026-02-28T10:01:00Z");
    write("blastgate.yaml", &config(""));
    let run = common::check(folder, &[]);
    assert_eq!((run.verdict(), run.code), ("cannot_judge", 3), "{}", run.result);
}

//------------ What is wrong ---------------------------------------------------

fn refused(folder: &Path, text: &[u8], more: &[&str]) -> (i32, String) {
    std::fs::write(folder.join("rows"), text).expect("a file");
    let output = common::blastgate(folder)
        .args(["check", "rules.yaml", "--inventory", "inventory.yaml", "--traffic", "rows"])
        .args(["--now", common::NOW])
        .args(more)
        .output()
        .expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ");
    (output.status.code().expect("it ends by itself"), text)
}

#[test]
fn each_malformed_file_has_a_message_and_is_not_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("inventory.yaml"), INVENTORY).expect("a file");
    std::fs::write(
        folder.join("rules.yaml"),
        "version: 1\nrules:\n  - {id: r, match: {dst: 203.0.113.0/28}, action: drop, intent: {target: \
         [acme]}}\n",
    )
    .expect("a file");
    let header = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n";
    let row = "2026-02-28 10:00:00.000,0.000,TCP,198.51.100.1,1,203.0.113.1,2,1,40,1\n";
    let zone = &["--zone", "UTC", "--sampling", "1"][..];
    let long = format!("{header}{}", "x".repeat(3 << 20));
    let cases: &[(&str, String, &[&str], &str)] = &[
        (
            "no zone",
            format!("{header}{row}"),
            &["--sampling", "1"],
            "rows:2: the time `2026-02-28 10:00:00.000` is local",
        ),
        (
            "no rate",
            format!("{header}{row}"),
            &["--zone", "UTC"],
            "1 sampled at a rate that nobody says (line 2)",
        ),
        ("header only", header.to_owned(), zone, "rows yields no record"),
        (
            "columns",
            format!("{header}1,2,3\n"),
            zone,
            "1 rows with more or fewer columns than are named (line 2)",
        ),
        (
            "packets",
            format!("{header}{}", row.replace(",1,40,", ",one,40,")),
            zone,
            "1 rows whose packets cannot be read (line 2)",
        ),
        (
            "address",
            format!("{header}{}", row.replace("198.51.100.1", "198.51.100")),
            zone,
            "1 rows whose src cannot be read (line 2)",
        ),
        (
            "families",
            format!("{header}{}", row.replace("198.51.100.1", "2001:db8::1")),
            zone,
            "1 rows whose ends are of two families (line 2)",
        ),
        ("long", long, zone, "12288 rows longer than 1 MiB (line 2)"),
        ("cut", format!("{header}{}", &row[..40]), zone, "rows with more or fewer columns"),
        (
            "json cut",
            "{\"type\":\"FLOW\",\n\"first\":\"x\",\"last\":\"y\",\"in_packets\":1,\"in_bytes\":"
                .to_owned(),
            zone,
            "1 cut off at the end of the file",
        ),
        (
            "json",
            "{\"ip_src\":\"a\",\"ip_dst\":\"b\",\"packets\":1,\"bytes\":1}}\n".to_owned(),
            zone,
            "1 rows that are no JSON object (line 1)",
        ),
        (
            "aws",
            "2 1 eni-1 198.51.100.1 203.0.113.1 1 2 6 1 40 1772272800 1772272801 ACCEPT OK\n"
                .to_owned(),
            &["--format", "aws-vpc"],
            "rows has no first line that names its columns",
        ),
        (
            "csv",
            format!("{header}{row}"),
            &["--format", "csv"],
            "nothing says what its columns are",
        ),
        (
            "wrong form",
            format!("{header}{row}"),
            &["--format", "goflow2"],
            "rows is not of the form goflow2: it is no JSON",
        ),
        (
            "wrong zone",
            format!("{header}{row}"),
            &["--zone", "Nowhere/Town"],
            "unknown time zone `Nowhere/Town`",
        ),
        (
            "wrong zone",
            format!("{header}{row}"),
            &["--zone", "+25:00"],
            "unknown time zone `+25:00`",
        ),
    ];
    for (what, text, more, phrase) in cases {
        let (code, said) = refused(folder, text.as_bytes(), more);
        let wanted = if *what == "wrong zone" { 2 } else { 3 };
        assert_eq!(code, wanted, "{what}: {said}");
        assert!(said.contains(phrase), "{what}: {said}");
    }
    // Compressed, a folder of tools would hand it on as it is.
    let whole: String = (0..60).fold(header.to_owned(), |text, at| {
        text + &row.replace("203.0.113.1", &format!("203.0.113.{}", 1 + at % 15))
    });
    let zstd = zstd::encode_all(whole.as_bytes(), 1).expect("compressed");
    assert_eq!(refused(folder, &zstd, zone).0, refused(folder, whole.as_bytes(), zone).0);
    assert_eq!(refused(folder, &zstd[..zstd.len() - 1], zone).0, 3);
}

/// A small recording of each form.
fn samples() -> Vec<(&'static str, String)> {
    let nfdump = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n\
                  2026-02-28 10:00:00.000,0.000,TCP,198.51.100.1,1,203.0.113.1,2,1,40,1\n\
                  2026-02-28 10:00:00.000,0.000,UDP,198.51.100.1,1,203.0.113.1,2,1,40,1\n";
    let json = "[\n{\n\t\"type\" : \"FLOW\",\n\t\"sampled\" : 0,\n\t\"first\" : \
                \"2026-02-28T10:00:00.430\",\n\t\"last\" : \"2026-02-28T10:00:01.430\",\n\t\"in_packets\" \
                : 1,\n\t\"in_bytes\" : 40,\n\t\"proto\" : 6,\n\t\"tcp_flags\" : \"......S.\",\n\t\
                \"src4_addr\" : \"198.51.100.1\",\n\t\"dst4_addr\" : \"203.0.113.1\"\n}]\n";
    let quoted = "TimeReceived,SamplingRate,SrcAddr,DstAddr,Proto,Bytes,Packets\n\
                  \"1772272800\",\"1000\",\"198.51.100.1\",\"203.0.113.1\",6,1500,3\n";
    vec![
        ("nfdump-csv", nfdump.to_owned()),
        ("nfdump-json", json.to_owned()),
        ("goflow2", GOFLOW2.to_owned()),
        ("akvorado", quoted.to_owned()),
        ("zeek", ZEEK.to_owned()),
    ]
}

#[test]
fn rows_are_numbered_and_the_same_in_batches_of_any_size() {
    for (form, text) in samples() {
        let one = Settings { batch: 1, ..settings(Some(1), true) };
        let all = Settings { batch: 1_024, ..settings(Some(1), true) };
        let (one, all) = (read(form, &text, &one), read(form, &text, &all));
        let (one, all) = (one.expect("rows"), all.expect("rows"));
        assert_eq!(one, all, "{form}");
        // The numbers of lines; of objects in a list, which ones they are.
        let numbers: Vec<u64> = one.0.iter().map(|record| record.number).collect();
        let wanted: &[u64] = match form {
            "nfdump-csv" => &[2, 3],
            "nfdump-json" => &[1],
            "goflow2" => &[1, 2],
            "akvorado" => &[2],
            _ => &numbers,
        };
        assert_eq!(numbers, wanted, "{form}");
        assert!(!numbers.is_empty() && numbers.is_sorted(), "{form}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happens to the bytes, the reader ends, and what it read has sound numbers.
    #[test]
    fn no_flips_and_no_cuts_stop_the_reader(
        which in 0..5_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
        other in 0..9_usize,
    ) {
        let (form, text) = samples().swap_remove(which);
        let mut bytes = text.into_bytes();
        for (at, byte) in &flips {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = traffic::detect(&bytes);
        for form in [form, FORMS[other]] {
            if let Ok((records, counts)) =
                recorded::read_as(form, bytes.clone(), &settings(Some(1), true))
            {
                prop_assert_eq!(records.len() as u64, counts.records);
                let lost: u64 = counts.unread.values().chain(counts.other.values()).sum();
                prop_assert_eq!(counts.frames, counts.records + lost);
            }
        }
    }

    /// A file that was cut gives the records before the cut, and counts the row it was cut in unless
    /// the cut is between two.
    #[test]
    fn a_cut_row_is_never_read_as_a_smaller_one(cut in any::<prop::sample::Index>()) {
        for (form, text) in samples() {
            let settings = settings(Some(1), true);
            let (all, _) = read(form, &text, &settings).expect("rows");
            let cut = cut.index(text.len());
            let Ok((some, counts)) = read(form, &text[..cut], &settings) else { continue };
            prop_assert_eq!(&some[..], &all[..some.len()], "{}", form);
            let is_between = text[..cut].ends_with('\n') || text[..cut].trim().is_empty();
            let is_lost = !counts.unread.is_empty();
            prop_assert!(some.len() == all.len() || is_lost || is_between || cut < 400, "{} {}", form, cut);
        }
    }
}
