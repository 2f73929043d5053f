//! Recordings made of rows, cut into blocks of any size and read on any number of threads: the same
//! records in the same order, the same counts, the same error.

use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex};

use blastgate::model::columns::{Column, Columns};
use blastgate::model::{Names, ReadCounts, Record};
use blastgate::traffic::{self, Piece, Settings};
use proptest::prelude::*;

use crate::rows::settings;

/// What was read: records, or why not; and what was met.
type Read1 = (Result<Vec<Record>, String>, ReadCounts);

/// An input that fails at its end.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(std::io::Error::other("it breaks off")),
            some => Ok(some),
        }
    }
}

/// Reads a recording as the pipeline does, on so many threads. The times of its pieces are asked for
/// before they are decoded, if wanted.
fn read(
    form: &str,
    bytes: &[u8],
    fails: bool,
    (batch, threads, asks): (usize, usize, bool),
    like: &Settings,
) -> Option<Read1> {
    let settings = Settings { batch, names: Arc::new(Names::new()), ..like.clone() };
    let form = traffic::FORMS.iter().find(|known| known.name == form).expect("a form");
    let input: Box<dyn Read + Send> = match fails {
        true => Box::new(Failing(Cursor::new(bytes.to_vec()))),
        false => Box::new(Cursor::new(bytes.to_vec())),
    };
    let reader = (form.open)(input, &settings).ok()?;
    let turn = Mutex::new((reader, 0, None));
    let pieces = Mutex::new(Vec::new());
    let work = || {
        let mut piece = Piece::new();
        loop {
            let (number, times) = {
                let mut turn = turn.lock().expect("a turn");
                let (reader, cut, problem) = &mut *turn;
                match reader.cut(&mut piece) {
                    Ok(true) => *cut += 1,
                    Ok(false) => return,
                    Err(error) => {
                        *problem = problem.take().or(Some(error));
                        return;
                    }
                }
                let times = asks.then(|| piece.times_ns().collect::<Vec<i64>>());
                (*cut, times)
            };
            let mut records = Vec::new();
            while let Some(some) = piece.decode() {
                assert!(some.len() <= batch);
                records.extend(some.iter().copied());
            }
            if let Some(times) = times {
                assert_eq!(times, records.iter().map(|one| one.time_ns).collect::<Vec<_>>());
            }
            pieces.lock().expect("pieces").push((number, records));
        }
    };
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| {
            scope.spawn(work);
        });
    });
    let (mut reader, _, problem) = turn.into_inner().expect("a turn");
    let problem = reader.problem().or(problem).map(|problem| problem.message);
    let mut pieces = pieces.into_inner().expect("pieces");
    pieces.sort_by_key(|(number, _)| *number);
    let mut records: Vec<Record> = pieces.into_iter().flat_map(|(_, records)| records).collect();
    let counts = reader.counts();
    if counts.broken.is_some() {
        // What follows there does not count, whoever has read it already.
        records.truncate(counts.records as usize);
    }
    Some((problem.map_or(Ok(records), Err), counts))
}

/// Holds a recording to be the same on any number of threads and in blocks of any size.
pub(crate) fn same(
    form: &str,
    bytes: &[u8],
    fails: bool,
    like: &Settings,
) -> Result<(), TestCaseError> {
    let wanted = read(form, bytes, fails, (1_024, 1, false), like);
    for way in [(1, 1, false), (1, 4, false), (3, 4, true), (16, 2, false), (1_024, 4, false)] {
        let found = read(form, bytes, fails, way, like);
        prop_assert_eq!(&found, &wanted, "{} {:?}", form, way);
    }
    if let Some((records, counts)) = wanted {
        let lost: u64 = counts.unread.values().chain(counts.other.values()).sum();
        prop_assert_eq!(counts.frames, counts.records + lost);
        if let (Ok(records), None) = (records, counts.broken) {
            prop_assert_eq!(records.len() as u64, counts.records);
            prop_assert!(records.is_sorted_by_key(|record| record.number));
        }
    }
    Ok(())
}

/// Lines of a form, the first of which is its beginning; most are good ones.
const KINDS: &[(&str, &str, &[&str])] = &[
    (
        "nfdump-csv",
        "ts,te,td,sa,da,sp,dp,pr,flg,ipkt,ibyt,opkt,obyt,ra\n",
        &[
            "2026-02-28 10:00:00,2026-02-28 10:00:01,1.0,198.51.100.1,203.0.113.1,1,2,TCP,...AP.SF,1,40,0,0,10.0.0.1\n",
            "2026-02-28 10:00:59,2026-02-28 10:01:01,1.0,198.51.100.2,203.0.113.1,1,2,UDP,........,3,120,2,80,10.0.0.2\n",
            "2026-02-28 10:00:00,2026-02-28 10:00:01,1.0,2001:db8::1,2001:db8::2,1,2,UDP,0,1,40,0,0,2001:db8::3\r\n",
            "Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n2,80,2,1,2,3\n",
            "Summary\n",
            "flows,bytes,packets\n",
            " Summary \n",
            "1,2,3\n",
            "\n",
            " \n",
            "ts,te,td,sa,da,sp,dp,pr,flg,ipkt,ibyt,opkt,obyt,ra\n",
            "TS,TE,td,sa,da,sp,dp,pr,flg,ipkt,ibyt,opkt,obyt,ra\n",
            "2026-02-28 10:00:00,2026-02-28 10:00:01,1.0,x,203.0.113.1,1,2,TCP,0,1,40,0,0,a\n",
            "\"2026-02-28 10:00:00\",2026-02-28 10:00:01,1.0,198.51.100.1,203.0.113.1,1,2,TCP,0,1,40,0,0,new\n",
            "\u{e9}",
            "Summary",
        ],
    ),
    (
        "zeek",
        "#separator \\x09\n#path\tconn\n#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\n",
        &[
            "1772272800.000001\t198.51.100.1\t40000\t203.0.113.1\t443\ttcp\t5\t300\t4\t900\n",
            "1772272800.000002\t198.51.100.1\t3\t203.0.113.1\t1\ticmp\t1\t56\t0\t0\n",
            "198.51.100.1\t1772272800.000001\t40000\t203.0.113.1\t443\ttcp\t5\t300\t4\t900\n",
            "#fields\tid.orig_h\tts\tid.orig_p\tid.resp_h\tid.resp_p\tproto\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\n",
            "#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\r\n",
            "#fields;ts;id.orig_h;id.resp_h;proto;orig_pkts;orig_ip_bytes;resp_pkts;resp_ip_bytes\n",
            "1772272800.000001;198.51.100.1;203.0.113.1;17;1;60;0;0\n",
            "#separator \\x3b\n",
            "#separator \\x09\n",
            "#close\t2026\n",
            "#",
            "\n",
            "-\t-\n",
        ],
    ),
    (
        "suricata",
        "",
        &[
            "{\"timestamp\":\"2026-02-28T10:00:00.000001+0000\",\"event_type\":\"alert\"}\n",
            "{\"event_type\":\"flow\",\"src_ip\":\"198.51.100.1\",\"dest_ip\":\"203.0.113.1\",\"proto\":\"TCP\",\"src_port\":1,\"dest_port\":2,\"flow\":{\"pkts_toserver\":2,\"pkts_toclient\":1,\"bytes_toserver\":200,\"bytes_toclient\":90,\"start\":\"2026-02-28T10:00:00.000001+0000\",\"end\":\"2026-02-28T10:00:01.000001+0000\"}}\n",
            "{\"event_type\":\"netflow\",\"src_ip\":\"198.51.100.1\",\"dest_ip\":\"203.0.113.1\",\"proto\":\"UDP\",\"src_port\":1,\"dest_port\":2,\"netflow\":{\"pkts\":2,\"bytes\":200,\"start\":\"2026-02-28T10:00:00.000001+0000\",\"end\":\"2026-02-28T10:00:01.000001+0000\",\"min_ttl\":3,\"max_ttl\":3}}\n",
            "{\"event_type\":\"flow\"}\n",
            "{}\n",
            "{]\n",
            "[1]\n",
            "{\"event_type\":\"netflow\",\"src_ip\":\"x\"}\n",
            "x",
            "\n",
        ],
    ),
    (
        "nfdump-json",
        "[\n",
        &[
            "{\"type\":\"FLOW\",\"sampled\":0,\"first\":\"2026-02-28T10:00:00.430\",\"last\":\"2026-02-28T10:00:01.430\",\n\"in_packets\":1,\"in_bytes\":40,\"proto\":6,\"src4_addr\":\"198.51.100.1\",\"dst4_addr\":\"203.0.113.1\",\"ip4_router\":\"10.0.0.1\"},",
            "{\"type\":\"FLOW\",\"sampled\":1,\"first\":\"2026-02-28T10:00:00.430\",\"last\":\"2026-02-28T10:00:01.430\",\"in_packets\":1,\"in_bytes\":40,\"out_packets\":2,\"out_bytes\":90,\"proto\":17,\"src4_addr\":\"198.51.100.1\",\"dst4_addr\":\"203.0.113.1\",\"ip4_router\":\"10.0.0.2\"}\n",
            "{\"type\":\"EVENT\"}",
            ",",
            "]",
            "x",
            "\n",
            "{\"a\": \"}\"}",
            "{",
            "\"",
            "\u{e9}",
        ],
    ),
    (
        "goflow2",
        "",
        &[
            "{\"type\":\"SFLOW_5\",\"sampling_rate\":100,\"sampler_address\":\"10.0.0.1\",\"time_flow_start_ns\":1772272800000000000,\"time_flow_end_ns\":1772272800000000000,\"bytes\":74,\"packets\":1,\"src_addr\":\"198.51.100.1\",\"dst_addr\":\"203.0.113.1\",\"proto\":\"TCP\",\"src_port\":40000,\"dst_port\":443,\"tcp_flags\":2,\"as_path\":[1,2],\"ip_ttl\":63}\n",
            "{\"type\":\"NETFLOW_V9\",\"sampling_rate\":0,\"sampler_address\":\"10.0.0.2\",\"time_flow_start_ns\":1772272800000000000,\"time_flow_end_ns\":1772272860000000000,\"bytes\":9000,\"packets\":10,\"src_addr\":\"2001:db8:1::1\",\"dst_addr\":\"2001:db8:2::1\",\"proto\":\"UDP\",\"src_port\":53,\"dst_port\":40000}\n",
            "{\"src_addr\":1,\"src_addr\":2}\n",
            "{\"packets\":\"1\\u0030\"}\n",
            "{\"a\":01}\n",
            "x\n",
            " \n",
            "{}\r\n",
        ],
    ),
];

/// Bytes that are no text.
const NO_TEXT: &[u8] = b"\xff\xfe\n";

fn recording(kind: usize, lines: &[usize], at: usize) -> Vec<u8> {
    let (_, head, all) = KINDS[kind];
    let mut bytes = head.as_bytes().to_vec();
    for line in lines {
        match line % (all.len() + 8) {
            // Good lines are more.
            more if more >= all.len() => bytes.extend(all[more % 2].as_bytes()),
            line => bytes.extend(all[line].as_bytes()),
        }
    }
    if at > 0 {
        let at = at % (bytes.len() + 1);
        bytes.splice(at..at, NO_TEXT.iter().copied());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn rows_are_the_same_however_they_are_cut_and_read(
        kind in 0..KINDS.len(),
        lines in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        at in prop_oneof![Just(0), any::<usize>()],
        cut in prop::option::of(any::<prop::sample::Index>()),
        (fails, zone) in (prop::bool::weighted(0.2), prop::bool::weighted(0.8)),
    ) {
        let lines: Vec<usize> = lines.iter().map(|line| line.index(1_000)).collect();
        let mut bytes = recording(kind, &lines, at);
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        same(KINDS[kind].0, &bytes, fails, &settings(None, zone))?;
        same(KINDS[kind].0, &bytes, fails, &settings(Some(1), zone))?;
    }
}

/// Columns as users name them.
fn columns() -> Columns {
    let names = [
        (Column::Src, "src"),
        (Column::Dst, "dst"),
        (Column::Time, "at"),
        (Column::Pop, "pop"),
        (Column::Bytes, "size"),
    ];
    Columns {
        names: names.map(|(column, name)| (column, name.to_owned())).to_vec(),
        packets: Some(1),
        ..Columns::default()
    }
}

const HEAD: &str = "at,src,dst,pop,size\n";

fn row(at: &str, pop: &str) -> String {
    format!("{at},198.51.100.1,203.0.113.1,{pop},100\n")
}

const WRITTEN: &str = "2026-02-28T10:00:00Z";

fn hold(name: &str, text: &str, has: &str) {
    let like = Settings { columns: Some(Arc::new(columns())), ..settings(Some(1), false) };
    let way = (1_024, 1, false);
    let (records, counts) = read("csv", text.as_bytes(), false, way, &like).expect("it opens");
    let said = match records {
        Ok(_) => format!("{counts:?}"),
        Err(message) => message,
    };
    assert!(said.contains(has), "{name}: {said}");
    if let Err(problem) = same("csv", text.as_bytes(), false, &like) {
        panic!("{name}: {problem}");
    }
}

#[test]
fn the_first_of_two_errors_ends_the_reading_whoever_meets_it() {
    let good = row(WRITTEN, "ams").repeat(3_000);
    let (local, number) = (row("2026-02-28 10:00:00", "ams"), row("1772272800", "ams"));
    let other = "src,dst,at,pop,size\n";
    hold("local", &format!("{HEAD}{good}{local}{good}{number}"), "3002: the time `2026-02-28 10");
    hold("number", &format!("{HEAD}{number}{good}{local}"), ":2: the time `1772272800`");
    hold("last", &format!("{HEAD}{good}{good}{number}"), ":6002: the time `1772272800`");
    hold("header", &format!("{HEAD}{good}{other}{good}{local}"), "frames: 3001, records: 3000");
    hold("behind", &format!("{HEAD}{good}{local}{good}{other}"), "3002: the time");
}

#[test]
fn long_lines_count_by_their_length_and_lose_no_other() {
    let good = row(WRITTEN, "ams").repeat(500);
    let long = "x".repeat(3 << 20);
    let text = format!("{HEAD}{good}{long}\n{good}{long}\r\n{long}\n{good}{long}");
    hold("long", &text, "\"rows longer than 1 MiB (lines 502, 1003, 1004, …)\": 237413");
    let edge = "x".repeat((1 << 20) - 1);
    let text = format!("{HEAD}{edge}\n{edge}x\n{edge}xx\n{edge}\r\n{edge}x\r\n{good}");
    hold("edge", &text, "\"rows longer than 1 MiB (lines 4, 6)\": 39568");
    hold(
        "edge",
        &text,
        "\"rows with more or fewer columns than are named (lines 2, 3, 5)\": 59353",
    );
}

#[test]
fn more_names_than_are_remembered_are_the_same_unknown_ones() {
    let mut text = HEAD.to_owned();
    for at in 0..70_000 {
        text += &row(WRITTEN, &format!("pop-{at}"));
    }
    for at in [0, 65_535, 65_536, 69_999] {
        text += &row(WRITTEN, &format!("pop-{at}"));
    }
    let like = Settings { columns: Some(Arc::new(columns())), ..settings(Some(1), false) };
    let wanted = read("csv", text.as_bytes(), false, (1_024, 1, false), &like).expect("it opens");
    let records = wanted.0.as_ref().expect("rows");
    let known: Vec<bool> = records.iter().map(|record| record.pop.is_some()).collect();
    assert!(known[..65_536].iter().all(|known| *known) && !known[65_536..70_000].contains(&true));
    assert_eq!(known[70_000..], [true, true, false, false]);
    for way in [(1_024, 4, false), (64, 4, true)] {
        let found = read("csv", text.as_bytes(), false, way, &like).expect("it opens");
        assert!(found == wanted, "{way:?}");
    }
}

fn goflow2(second: u64, source: u64, address: &str) -> String {
    let ns = (1_772_272_800 + second) * 1_000_000_000 + source;
    format!(
        "{{\"type\":\"IPFIX\",\"sampling_rate\":1,\"sampler_address\":\"10.0.0.{}\",\"time_flow_start_ns\":{ns},\
         \"time_flow_end_ns\":{ns},\"bytes\":1000,\"packets\":1,\"src_addr\":\"198.51.100.{}\",\"dst_addr\":\
         \"{address}\",\"proto\":\"UDP\",\"src_port\":{},\"dst_port\":443}}\n",
        source % 3,
        source % 200,
        1_024 + source
    )
}

#[test]
fn a_check_of_rows_and_of_rows_that_a_scenario_adds_gives_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    let (mut recorded, mut added) = (String::new(), String::new());
    for at in 0..3_000 {
        let customer = ["203.0.113.1", "203.0.113.20", "nowhere"][at as usize % 7 % 3];
        recorded += &goflow2(at / 50, at, customer);
        // The first of them cannot be read; all are of another day.
        let own = if at < 600 { "nowhere" } else { "203.0.113.2" };
        added += &goflow2(86_400 + at / 100, at, own);
    }
    write("recorded.jsonl", &recorded);
    write("added.jsonl", &added);
    write(
        "inventory.yaml",
        "version: 1\ncustomers:\n  - {id: acme, prefixes: [203.0.113.0/28]}\n  - {id: beta, prefixes: [203.0.113.16/28]}\n",
    );
    write(
        "rules.yaml",
        "version: 1\nrules:\n  - {id: r, match: {protocol: udp, dst: 203.0.113.0/27}, action: {rate_limit: {rate: 20 pps, burst: 5 packets, per: [dst]}}, intent: {target: [acme], may_reach: [all]}}\n",
    );
    write(
        "blastgate.yaml",
        "version: 1\nrules: {paths: [rules.yaml]}\ninventory: [inventory.yaml]\ntraffic: [{path: recorded.jsonl}]\nscenarios: [{name: more, add: added.jsonl}]\nevidence: {max_unjudged: 100%}\n",
    );
    let result = |batch: &str, threads: &str| {
        let mut command = crate::common::blastgate(folder.path());
        command.args(["check", "--now", crate::common::NOW, "--max-age", "30d", "-o", "json"]);
        command.args(["--batch", batch, "--threads", threads]);
        let output = command.output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Flows are too coarse for a limit, and all sums stand beside that.
        assert_eq!(output.status.code(), Some(3), "{said}");
        String::from_utf8(output.stdout).expect("text")
    };
    let wanted = result("1024", "1");
    let parsed: serde_json::Value = serde_json::from_str(&wanted).expect("JSON");
    assert_eq!(parsed["scenarios"], serde_json::json!(["recorded", "more"]), "{wanted}");
    assert_eq!(parsed["evidence"]["records"], 2_143, "{wanted}");
    for (batch, threads) in [("1024", "4"), ("1", "1"), ("1", "4"), ("16", "2")] {
        assert!(result(batch, threads) == wanted, "{batch} {threads}");
    }
}
