//! The bounds of limits over flow records that real exporters make. The flow caches of softflowd
//! (NetFlow v5 and v9) and nfpcapd, and the aggregation of nfdump, are given the packets; what the
//! packets themselves lose must lie inside the bounds of what comes out.
//!
//! What comes out is first held against what went in: no packet and no byte is missing, bytes are
//! those of the IP packets without the Ethernet header, and the packets of a record lie in its time.
//! That time is as wide as its format leaves it open, and no wider:
//!
//! - Milliseconds are rounded down, so the last packet lies up to one after its record's end.
//! - NetFlow v5 and v9 give times as milliseconds of the exporter's uptime, and the uptime of the
//!   export as milliseconds as well: a record may also start up to one too late.
//! - The clock of an export in NetFlow v9 is in whole seconds (RFC 3954, section 5.1), so all of its
//!   records may be up to a second too early.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use blastgate::model::{Known, Names, PacketHeader, Record, RuleSet};
use blastgate::scenario::Scenario;

use crate::bounds::{Numbers, is_inside, limit, minute};
use crate::common;
use crate::scenarios::attack_bounds;

/// 2026-01-01 UTC.
const START_NS: i64 = 1_767_225_600_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;
const MS_NS: i64 = 1_000_000;
/// Recorded minutes, and limits for each, half of them generous.
const MINUTES: u64 = 16;
const LIMITS: usize = 6;
/// After how many seconds exporters end a flow that goes on.
const ACTIVE_S: [u32; 3] = [5, 15, 60];
/// How often softflowd is asked again if datagrams are lost before they are read.
const TRIES: usize = 5;

/// What an exporter says of some packets.
#[derive(Clone, Copy, Debug)]
struct Flow {
    src: u32,
    dst: u32,
    src_port: u16,
    dst_port: u16,
    packets: u64,
    bytes: u64,
    /// No packet is before.
    from_ns: i64,
    /// All packets are before.
    to_ns: i64,
}

//------------ What goes in ----------------------------------------------------

/// Makes a minute of packets: as they come, with pauses, or crowded; every third one with answers.
fn traffic(numbers: &mut Numbers, names: &Names, case: u64) -> Vec<Record> {
    let mut packets = minute(numbers, names);
    match case % 4 {
        0 => {}
        1 => {
            let (every, on) = (5 + numbers.below(15) as i64, 1 + numbers.below(4) as i64);
            packets.retain(|packet| packet.time_ns / SECOND_NS % every < on);
        }
        early => crowd(&mut packets, early == 2),
    }
    if case % 3 == 2 {
        let answers = packets.iter().filter(|_| numbers.below(3) == 0).map(|packet| Record {
            time_ns: packet.time_ns + 20_000,
            header: PacketHeader {
                src: packet.header.dst,
                dst: packet.header.src,
                src_port: packet.header.dst_port,
                dst_port: packet.header.src_port,
                ..packet.header
            },
            ..*packet
        });
        let answers: Vec<Record> = answers.collect();
        packets.extend(answers);
        packets.sort_by_key(|packet| packet.time_ns);
    }
    for (at, packet) in packets.iter_mut().enumerate() {
        packet.time_ns += START_NS;
        packet.number = at as u64 + 1;
    }
    packets
}

/// Crowds all packets into half a second at the start or at the end, but for one of each source in a
/// second of its own: its record says next to nothing of when the others came.
fn crowd(packets: &mut [Record], early: bool) {
    let mut seen = BTreeSet::new();
    for packet in &mut *packets {
        let (crowd_s, alone_s) = if early { (2, 5) } else { (56, 1) };
        packet.time_ns = if seen.insert(packet.header.src) {
            (alone_s + seen.len() as i64) * SECOND_NS
        } else {
            crowd_s * SECOND_NS + packet.time_ns / 120_000 * 1_000
        };
    }
    packets.sort_by_key(|packet| packet.time_ns);
}

/// Returns packets as a capture of Ethernet frames, of which the headers are kept.
fn capture(packets: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Magic, version 2.4, zone, accuracy, longest frame, Ethernet.
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for packet in packets {
        let header = &packet.header;
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        let ethernet = frame.len() as u32;
        frame.extend([0x45, 0]);
        frame.extend((header.packet_length as u16).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, header.protocol, 0, 0]);
        frame.extend((header.src as u32).to_be_bytes());
        frame.extend((header.dst as u32).to_be_bytes());
        for word in [header.src_port, header.dst_port, header.packet_length as u16 - 20, 0] {
            frame.extend(word.to_be_bytes());
        }
        let time_us = packet.time_ns / 1_000;
        let (seconds, micros) = ((time_us / 1_000_000) as u32, (time_us % 1_000_000) as u32);
        for word in [seconds, micros, frame.len() as u32, ethernet + header.packet_length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    bytes
}

//------------ softflowd -------------------------------------------------------

/// Returns the flow records that softflowd makes of a capture.
fn softflowd(folder: &Path, version: u8, active_s: u32) -> Vec<Flow> {
    let maxlife = format!("maxlife={active_s}");
    let datagrams = exported(folder, &["-v", &version.to_string(), "-t", &maxlife]);
    let mut templates = BTreeMap::new();
    let read = |datagram: &Vec<u8>| match version {
        5 => netflow_v5(datagram),
        _ => netflow_v9(datagram, &mut templates),
    };
    datagrams.iter().flat_map(read).collect()
}

/// Returns the datagrams in which softflowd exports the flows of the file `capture`.
pub(crate) fn exported(folder: &Path, arguments: &[&str]) -> Vec<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    let port = socket.local_addr().expect("a bound socket").port();
    let mut softflowd = Command::new("softflowd")
        .current_dir(folder)
        // In the foreground, with the clock of the capture. It looks for flows that have ended
        // after as many packets as it tracks flows, and here are 50.
        .args(["-r", "capture", "-d", "-a", "-m", "64", "-c", "none", "-p", "pid"])
        .args(["-n", &format!("127.0.0.1:{port}")])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("softflowd runs");
    let mut datagrams = Vec::new();
    let mut buffer = vec![0; 65_536];
    let mut has_ended = false;
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => datagrams.push(buffer[..length].to_vec()),
            Err(_) if has_ended => break,
            Err(_) => has_ended = softflowd.try_wait().expect("a child").is_some(),
        }
    }
    let status = softflowd.wait().expect("a child");
    assert!(status.success(), "softflowd: {status}");
    datagrams
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Returns when the exporter's uptime began, from the uptime and the clock at the export.
fn boot_ns(uptime_ms: u64, seconds: u64, nanoseconds: u64) -> i64 {
    seconds as i64 * SECOND_NS + nanoseconds as i64 - uptime_ms as i64 * MS_NS
}

/// Reads a datagram of NetFlow v5: a header of 24 bytes, and records of 48.
fn netflow_v5(datagram: &[u8]) -> Vec<Flow> {
    let (header, records) = datagram.split_at(24);
    assert_eq!(number(&header[..2]), 5);
    assert_eq!(records.len() as u64, 48 * number(&header[2..4]));
    let word = |at: usize| number(&header[at..at + 4]);
    let boot_ns = boot_ns(word(4), word(8), word(12));
    let read = |record: &[u8]| {
        let word = |at: usize| number(&record[at..at + 4]);
        Flow {
            src: word(0) as u32,
            dst: word(4) as u32,
            src_port: number(&record[32..34]) as u16,
            dst_port: number(&record[34..36]) as u16,
            packets: word(16),
            bytes: word(20),
            from_ns: boot_ns + word(24) as i64 * MS_NS - MS_NS,
            to_ns: boot_ns + word(28) as i64 * MS_NS + MS_NS,
        }
    };
    records.chunks(48).map(read).collect()
}

/// The fields of each template: type and length.
type Templates = BTreeMap<u64, Vec<(u64, usize)>>;

/// Reads a datagram of NetFlow v9: a header of 20 bytes, and sets of templates and records.
fn netflow_v9(datagram: &[u8], templates: &mut Templates) -> Vec<Flow> {
    let (header, mut sets) = datagram.split_at(20);
    assert_eq!(number(&header[..2]), 9);
    let word = |at: usize| number(&header[at..at + 4]);
    let boot_ns = boot_ns(word(4), word(8), 0);
    let mut flows = Vec::new();
    while !sets.is_empty() {
        let (id, length) = (number(&sets[..2]), number(&sets[2..4]) as usize);
        let (set, rest) = sets.split_at(length);
        let mut set = &set[4..];
        sets = rest;
        if id == 0 {
            while set.len() >= 4 {
                let (id, count) = (number(&set[..2]), number(&set[2..4]) as usize);
                let (fields, rest) = set[4..].split_at(4 * count);
                let field = |field: &[u8]| (number(&field[..2]), number(&field[2..]) as usize);
                templates.insert(id, fields.chunks(4).map(field).collect());
                set = rest;
            }
        }
        // Options have no template here: they are about the exporter.
        let Some(fields) = templates.get(&id) else { continue };
        let size = fields.iter().map(|(_, length)| length).sum();
        // What is shorter than a record pads the set.
        while set.len() >= size {
            let mut values = BTreeMap::new();
            for (field, length) in fields {
                let (value, rest) = set.split_at(*length);
                values.insert(*field, number(value));
                set = rest;
            }
            flows.push(Flow {
                src: values[&8] as u32,
                dst: values[&12] as u32,
                src_port: values[&7] as u16,
                dst_port: values[&11] as u16,
                packets: values[&2],
                bytes: values[&1],
                from_ns: boot_ns + values[&22] as i64 * MS_NS - MS_NS,
                to_ns: boot_ns + values[&21] as i64 * MS_NS + MS_NS + SECOND_NS,
            });
        }
    }
    flows
}

//------------ nfdump ----------------------------------------------------------

/// Has nfpcapd make flow records of a capture, into a folder of this name.
fn nfpcapd(folder: &Path, into: &str, active_s: u32) {
    std::fs::create_dir(folder.join(into)).expect("a folder");
    run(folder, "nfpcapd", &["-r", "capture", "-w", into, "-e", &format!("{active_s},4")]);
}

/// Returns the flow records in a folder of nfpcapd's, aggregated if `by` says so.
fn nfdump(folder: &Path, from: &str, by: &[&str]) -> Vec<Flow> {
    // The end as such is printed wrongly by some versions (1.7.1), the duration is not.
    let format = "fmt:%tsr|%td|%pkt|%byt|%sa|%da|%sp|%dp";
    let text = run(folder, "nfdump", &[&["-R", from, "-q", "-N", "-o", format], by].concat());
    let read = |line: &str| {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let number = |at: usize| fields[at].parse().unwrap_or_else(|_| panic!("{line}"));
        // Both have three decimals.
        let ms = |at: usize| fields[at].replace('.', "").parse::<i64>().expect("a time");
        let address = |at: usize| fields[at].parse::<Ipv4Addr>().expect("an address").into();
        let from_ns = ms(0) * MS_NS;
        Flow {
            src: address(4),
            dst: address(5),
            src_port: number(6) as u16,
            dst_port: number(7) as u16,
            packets: number(2),
            bytes: number(3),
            from_ns,
            to_ns: from_ns + ms(1) * MS_NS + MS_NS,
        }
    };
    text.lines().filter(|line| line.contains('|')).map(read).collect()
}

fn run(folder: &Path, tool: &str, arguments: &[&str]) -> String {
    let output = Command::new(tool).current_dir(folder).args(arguments).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

//------------ What comes out --------------------------------------------------

/// Says what does not come out as it went in: every record must hold the next packets of its key,
/// their bytes, and their times.
fn differs(
    packets: &[Record],
    flows: &mut [Flow],
    key: fn((u32, u32)) -> (u32, u32),
) -> Option<String> {
    flows.sort_by_key(|flow| flow.from_ns);
    let mut queues: BTreeMap<(u32, u32), VecDeque<&Record>> = BTreeMap::new();
    for packet in packets {
        let pair = (packet.header.src as u32, packet.header.dst as u32);
        queues.entry(key(pair)).or_default().push_back(packet);
    }
    for flow in &*flows {
        let Some(queue) = queues.get_mut(&(flow.src, flow.dst)) else {
            return Some(format!("nobody sent {flow:?}"));
        };
        let count = queue.len().min(flow.packets as usize);
        let own: Vec<&Record> = queue.drain(..count).collect();
        let bytes: u64 = own.iter().map(|packet| packet.bytes).sum();
        let outside = own.iter().find(|one| !(flow.from_ns..flow.to_ns).contains(&one.time_ns));
        if own.len() as u64 != flow.packets || bytes != flow.bytes || outside.is_some() {
            return Some(format!("{} packets, {bytes} bytes, {outside:?}: {flow:?}", own.len()));
        }
    }
    let left: usize = queues.values().map(VecDeque::len).sum();
    (left > 0).then(|| format!("{left} packets are in no record"))
}

/// Returns what every exporter makes of packets, with a name for the kind.
fn exports(packets: &[Record]) -> Vec<(&'static str, Vec<Flow>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("capture"), capture(packets)).expect("a capture");
    let mut exports = Vec::new();
    for active_s in ACTIVE_S {
        for (name, version) in [("softflowd, NetFlow v5", 5), ("softflowd, NetFlow v9", 9)] {
            let export = || {
                let mut flows = softflowd(folder, version, active_s);
                differs(packets, &mut flows, |pair| pair).map_or(Ok(flows), Err)
            };
            // The socket holds some 200 kB, and takes no more if nobody reads for a moment.
            let first = export();
            let flows = (1..TRIES).fold(first, |found, _| found.or_else(|_| export()));
            exports.push((name, flows.unwrap_or_else(|differs| panic!("{name}: {differs}"))));
        }
        let into = format!("flows-{active_s}");
        nfpcapd(folder, &into, active_s);
        exports.push(("nfpcapd", nfdump(folder, &into, &[])));
    }
    // Aggregation forgets how long a flow was active.
    let into = format!("flows-{}", ACTIVE_S[0]);
    exports.push(("nfdump -A srcip,dstip", nfdump(folder, &into, &["-A", "srcip,dstip"])));
    exports.push(("nfdump -A dstip", nfdump(folder, &into, &["-A", "dstip"])));
    for (name, flows) in &mut exports {
        let key = |(src, dst)| (src, dst);
        let by_dst = |(_, dst)| (0, dst);
        let key = if name.ends_with("-A dstip") { by_dst } else { key };
        let differs = differs(packets, flows, key);
        assert!(differs.is_none(), "{name}: {}", differs.unwrap_or_default());
    }
    exports
}

fn record(flow: &Flow, at: usize, like: &Record) -> Record {
    Record {
        time_ns: flow.from_ns,
        duration_ns: flow.to_ns.abs_diff(flow.from_ns),
        header: PacketHeader {
            known: like.header.known.without(Known::LENGTH),
            src: flow.src.into(),
            dst: flow.dst.into(),
            src_port: flow.src_port,
            dst_port: flow.dst_port,
            ..like.header
        },
        packets: flow.packets,
        bytes: flow.bytes,
        number: at as u64 + 1,
        ..*like
    }
}

/// How often the truth was inside, and how much the bounds left open.
#[derive(Default)]
struct Coverage {
    inside: usize,
    all: usize,
    /// With nothing between the bounds.
    decided: usize,
    /// The share of what was offered that lies between the bounds, summed up.
    open: f64,
}

#[test]
fn the_truth_lies_inside_the_bounds_of_what_exporters_make_of_the_packets() {
    for (tool, version) in [("softflowd", "-h"), ("nfpcapd", "-h"), ("nfdump", "-V")] {
        if Command::new(tool).arg(version).output().is_err() {
            return common::skip(&format!("{tool} is not installed"));
        }
    }
    let mut numbers = Numbers(17);
    let mut coverage: BTreeMap<&str, Coverage> = BTreeMap::new();
    let mut outside = Vec::new();
    for case in 0..MINUTES {
        let names = Arc::new(Names::new());
        let packets = traffic(&mut numbers, &names, case);
        let host = packets[0].header.dst.min(packets[0].header.src);
        let to_host = packets.iter().filter(|packet| packet.header.dst == host);
        let offered: u64 = to_host.map(|packet| packet.packets).sum();
        let running = RuleSet::empty();
        let bounds = |candidate: &RuleSet, records| {
            attack_bounds((&running, candidate), &names, records, Scenario::recorded())
        };
        let limits: Vec<_> = (0..LIMITS)
            .map(|at| {
                let candidate = limit(&mut numbers, if at % 2 == 0 { 1 } else { 8 });
                let truth = bounds(&candidate, packets.clone());
                assert!(truth.iter().all(|[least, most]| least == most), "packets know everything");
                (candidate, truth)
            })
            .collect();
        for (name, flows) in exports(&packets) {
            let records = flows.iter().enumerate().map(|(at, flow)| record(flow, at, &packets[0]));
            let records: Vec<Record> = records.collect();
            let sum = coverage.entry(name).or_default();
            for (at, (candidate, truth)) in limits.iter().enumerate() {
                let found = bounds(candidate, records.clone());
                let is_inside = is_inside(truth, &found);
                sum.all += 1;
                sum.inside += usize::from(is_inside);
                sum.decided += usize::from(found.iter().all(|[least, most]| least == most));
                sum.open += (found[0][1] - found[0][0]) as f64 / offered as f64;
                if !is_inside {
                    outside.push(format!("{name}, minute {case}, limit {at}: {truth:?} {found:?}"));
                }
            }
        }
    }
    for (name, Coverage { inside, all, decided, open }) in &coverage {
        let open = 100.0 * open / *all as f64;
        println!(
            "{name}: {inside} of {all} inside, {decided} with nothing between the bounds, \
             on average {open:.1} % of the packets are"
        );
    }
    assert!(outside.is_empty(), "{}", outside.join("\n"));
}
