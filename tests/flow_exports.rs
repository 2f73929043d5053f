//! Exports of flows as real routers and switches make them, read and held against what others read in
//! the same captures: tshark, nfcapd and nfdump, pmacct's expected output, and two Rust crates.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use blastgate::model::{ReadCounts, Record, SamplingRate};
use blastgate::packet::{self, Carried, LinkType};
use pcap_parser::{PcapBlockOwned, PcapError, create_reader};

use crate::common;
use crate::recorded::{self, Capture};

/// A datagram of an export.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) src: IpAddr,
    pub(crate) src_port: u16,
    pub(crate) payload: Vec<u8>,
}

/// Returns all UDP datagrams of a classic capture.
pub(crate) fn datagrams(capture: &[u8]) -> Vec<Sent> {
    let mut found = Vec::new();
    let Ok(mut reader) = create_reader(1 << 20, Cursor::new(capture)) else { return found };
    let mut link = LinkType::ETHERNET;
    loop {
        let size = match reader.next() {
            Ok((size, PcapBlockOwned::LegacyHeader(header))) => {
                link = LinkType(header.network.0 as u32);
                size
            }
            Ok((size, PcapBlockOwned::Legacy(block))) => {
                if let Carried::Datagram(datagram) =
                    packet::carried(link, block.data, block.origlen)
                {
                    found.push(Sent {
                        src: datagram.src.into(),
                        src_port: datagram.src_port,
                        payload: datagram.payload.to_vec(),
                    });
                }
                size
            }
            Ok((size, _)) => size,
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() {
                    return found;
                }
                continue;
            }
            Err(_) => return found,
        };
        reader.consume(size);
    }
}

/// Returns the captures of exports. A template and the data that it describes, which stand in two
/// files, are joined as well.
fn exports() -> Option<Vec<Capture>> {
    let mut captures = recorded::captures()?;
    captures.retain(|capture| capture.name.starts_with("export/"));
    let mut joined = Vec::new();
    for first in &captures {
        let stem = first.name.split("options-template").next().expect("a first part");
        let stem = stem.split("template").next().expect("a first part");
        for end in ["data.pcap", "options-data.pcap"] {
            let name = format!("{stem}{end}");
            if stem == first.name {
                continue;
            }
            let Some(second) = captures.iter().find(|capture| capture.name == name) else {
                continue;
            };
            let bytes = [&first.bytes[..], &second.bytes[24..]].concat();
            let name = format!("{} + {}", first.name, &name["export/".len()..]);
            joined.push(Capture { name, path: first.path.clone(), bytes });
        }
    }
    captures.extend(joined);
    Some(captures)
}

fn read(form: &str, capture: &Capture) -> (Vec<Record>, ReadCounts) {
    let mut settings = recorded::settings();
    settings.sampling = Some(SamplingRate::UNSAMPLED);
    recorded::read_as(form, capture.bytes.clone(), &settings).expect("a capture")
}

/// Records, packets, bytes.
type Sums = (u64, u64, u64);

fn sums(records: &[Record]) -> Sums {
    let sum = |of: fn(&Record) -> u64| records.iter().map(of).sum();
    (records.len() as u64, sum(|record| record.packets), sum(|record| record.bytes))
}

//------------ tshark ----------------------------------------------------------

/// Returns what tshark makes of the flow records in a capture.
fn tshark_flows(capture: &Path) -> Option<Sums> {
    let rows =
        tshark(capture, &["-d", "udp.port==0-65535,cflow"], &["cflow.packets", "cflow.octets"])?;
    let mut sums = (0, 0, 0);
    for row in rows {
        let numbers = |at: usize| -> Vec<u64> {
            row[at].split(',').filter_map(|number| number.parse().ok()).collect()
        };
        sums.0 += numbers(0).len() as u64;
        sums.1 += numbers(0).iter().sum::<u64>();
        sums.2 += numbers(1).iter().sum::<u64>();
    }
    Some(sums)
}

fn tshark(capture: &Path, more: &[&str], fields: &[&str]) -> Option<Vec<Vec<String>>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-T", "fields", "-E", "separator=|"]);
    command.args(more);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect())
}

//------------ nfcapd ----------------------------------------------------------

/// Sends datagrams to nfcapd, each exporter from an address of its own, and returns what nfdump says
/// of what it stored: already multiplied by the rates that it found.
pub(crate) fn nfdump(sent: &[Sent]) -> Option<Sums> {
    let text = nfdump_as(sent, &[&["-q", "-N", "-o", "fmt:%pkt|%byt|%opkt|%obyt"]])?.remove(0);
    let mut sums = (0, 0, 0);
    for line in text.lines() {
        // Packets and bytes of the way there, and of the way back.
        let numbers: Vec<u64> = line.split('|').filter_map(|one| one.trim().parse().ok()).collect();
        if let [packets, bytes, back_packets, back_bytes] = numbers[..] {
            sums = (sums.0 + 1, sums.1 + packets + back_packets, sums.2 + bytes + back_bytes);
        }
    }
    Some(sums)
}

/// Sends datagrams to nfcapd, and returns what nfdump writes of what it stored, once for each list of
/// arguments.
pub(crate) fn nfdump_as(sent: &[Sent], forms: &[&[&str]]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let port = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let mut nfcapd = Command::new("nfcapd")
        .args(["-w", folder.path().to_str().expect("a path"), "-p", &port.to_string()])
        .args(["-b", "127.0.0.1", "-t", "86400", "-B", "4000000"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let started = Instant::now();
    let is_listening = || {
        let table = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
        table.contains(&format!("0100007F:{port:04X}"))
    };
    while !is_listening() && started.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut sockets: BTreeMap<(IpAddr, u16), UdpSocket> = BTreeMap::new();
    for one in sent {
        let next = sockets.len() as u8 + 10;
        let socket = sockets.entry((one.src, one.src_port)).or_insert_with(|| {
            UdpSocket::bind((Ipv4Addr::new(127, 0, 1, next), 0)).expect("a socket on loopback")
        });
        socket.send_to(&one.payload, ("127.0.0.1", port)).expect("it goes out");
        std::thread::sleep(Duration::from_micros(300));
    }
    std::thread::sleep(Duration::from_millis(200));
    let id = nfcapd.id().to_string();
    Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
    nfcapd.wait().expect("it ends");
    let write = |arguments: &&[&str]| {
        let path = folder.path().to_str().expect("a path");
        let output = Command::new("nfdump")
            .args(["-R", path])
            .args(*arguments)
            .env("TZ", "UTC")
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    forms.iter().map(write).collect()
}

//------------ The tests -------------------------------------------------------

/// What tshark and nfdump do not count, and why.
const EXPLAINED: &[(&str, &str)] = &[
    ("datalink-template.pcap + ", "a frame in IE 315 is a packet; they look at counters only"),
    ("ethernet-over-mpls-with-control-word-template.pcap + ", "frames in IE 315 as well"),
    ("ipfix-srv6-template.pcap + ", "frames in IE 315 as well"),
];

#[test]
fn recorded_flow_records_are_those_that_tshark_and_nfdump_find() {
    for (tool, argument) in [("tshark", "-v"), ("nfcapd", "-V"), ("nfdump", "-V")] {
        if Command::new(tool).arg(argument).output().is_err() {
            return common::skip(&format!("{tool} is not installed"));
        }
    }
    let Some(captures) = exports() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture");
    let (mut files, mut flows) = (0, 0);
    for capture in &captures {
        let (records, counts) = read("netflow", capture);
        if records.is_empty() && counts.other.keys().all(|other| other != "templates") {
            continue;
        }
        let ours = sums(&records);
        std::fs::write(&path, &capture.bytes).expect("a file");
        let tshark = tshark_flows(&path).expect("tshark runs");
        let nfdump = nfdump(&datagrams(&capture.bytes)).expect("nfdump runs");
        println!(
            "{}: {ours:?}, tshark {tshark:?}, nfdump {nfdump:?}; {:?}; unread: {:?}",
            capture.name, counts.other, counts.unread
        );
        files += 1;
        flows += records.len();
        if EXPLAINED.iter().any(|(name, _)| capture.name.contains(name)) {
            continue;
        }
        assert_eq!((ours.1, ours.2), (tshark.1, tshark.2), "{}", capture.name);
        assert_eq!((ours.1, ours.2), (nfdump.1, nfdump.2), "{}", capture.name);
        // A record of both ways is two, and one of them may be of no packets.
        if !capture.name.contains("ipfixprobe") {
            assert_eq!((ours.0, ours.0), (tshark.0, nfdump.0), "{}", capture.name);
        }
    }
    assert!(files > 25 && flows > 300, "{files} files, {flows} flows");
}

#[test]
fn recorded_flows_sampled_at_the_rates_of_their_options_sum_up_as_pmacct_says() {
    let Some(captures) = exports() else { return };
    let root = std::env::var_os("BLASTGATE_RECORDED").expect("captures were found");
    let name = "pmacct-104-IPFIXv10-IPv6-CISCO-sampling_option";
    let text = Path::new(&root).join("text").join(format!("{name}-output-flow-00.json"));
    let text = std::fs::read_to_string(text).expect("pmacct's output");
    let expected = text.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let number = |key: &str| row[key].as_u64().expect("a number");
        (row["ip_src"].as_str().expect("an address").to_owned(), number("packets"), number("bytes"))
    });
    let mut expected: Vec<_> = expected.collect();
    let capture = captures.iter().find(|capture| capture.name.contains(name)).expect("its capture");
    let (records, counts) =
        recorded::read_as("netflow", capture.bytes.clone(), &recorded::settings()).expect("read");
    // The numbers of its messages say that this is a part of what was sent.
    assert!(counts.unread.keys().all(|why| why.starts_with("lost before")), "{counts:?}");
    assert_eq!(counts.unknown_sampling, 0, "{counts:?}");
    let scaled = records.iter().map(|record| {
        let weight = u64::from(record.weight);
        let src = record.header.src_address().to_string();
        (src, record.packets * weight, record.bytes * weight)
    });
    let mut scaled: Vec<_> = scaled.collect();
    scaled.sort();
    expected.sort();
    assert!(records.iter().all(|record| record.weight == 256));
    assert_eq!(scaled, expected);
}

#[test]
fn recorded_flows_without_sampling_are_those_of_pmacct() {
    let Some(captures) = exports() else { return };
    let root = std::env::var_os("BLASTGATE_RECORDED").expect("captures were found");
    for name in ["pmacct-100-IPFIXv10-CISCO", "pmacct-102-NFv9-CISCO-f2rd-pretag-sampling-reload"] {
        let text = Path::new(&root).join("text").join(format!("{name}-output-flow-00.json"));
        let text = std::fs::read_to_string(text).expect("pmacct's output");
        let mut expected: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let word = |key: &str| row[key].as_str().expect("an address").to_owned();
            let number = |key: &str| row[key].as_u64().expect("a number");
            let sums = expected.entry((word("ip_src"), word("ip_dst"))).or_default();
            *sums = (sums.0 + number("packets"), sums.1 + number("bytes"));
        }
        let mut found: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        let captures = captures.iter().filter(|capture| capture.name.contains(name));
        for record in captures.flat_map(|capture| read("netflow", capture).0) {
            let header = &record.header;
            let key = (header.src_address().to_string(), header.dst_address().to_string());
            let sums = found.entry(key).or_default();
            *sums = (sums.0 + record.packets, sums.1 + record.bytes);
        }
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn recorded_samples_are_those_that_tshark_and_another_parser_find() {
    if Command::new("tshark").arg("-v").output().is_err() {
        return common::skip("tshark is not installed");
    }
    let Some(captures) = exports() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture");
    let mut samples = 0;
    for capture in captures.iter().filter(|capture| capture.name.contains("sflow")) {
        if capture.name.contains(" + ") {
            continue;
        }
        let (records, counts) = read("sflow", capture);
        std::fs::write(&path, &capture.bytes).expect("a file");
        let rows = tshark(&path, &[], &["sflow_245.header_protocol"]).expect("tshark runs");
        let numbers = |row: &Vec<String>| row[0].split(',').filter(|one| !one.is_empty()).count();
        let theirs: usize = rows.iter().map(numbers).sum();
        println!(
            "{}: {:?}, tshark {theirs}; {:?}; unread: {:?}",
            capture.name,
            sums(&records),
            counts.other,
            counts.unread
        );
        let no_ip = counts.other.iter().filter(|(what, _)| !what.contains("samples"));
        let no_ip: u64 = no_ip.map(|(_, count)| count).sum();
        assert_eq!(records.len() as u64 + no_ip, theirs as u64, "{}", capture.name);
        samples += records.len();
        let mut expected = Vec::new();
        for sent in datagrams(&capture.bytes) {
            if let Ok(datagram) = sflow_parser::parse_datagram(&sent.payload) {
                expected
                    .extend(datagram.samples.iter().filter_map(|one| sampled(&one.sample_data)));
            }
        }
        let found = records.iter().map(|record| (record.header.src, record.bytes));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{}", capture.name);
    }
    assert!(samples > 20, "{samples}");
}

/// Returns the source and the length of the IP packet that a sample begins, as its header says it.
fn sampled(sample: &sflow_parser::SampleData) -> Option<(u128, u64)> {
    use sflow_parser::SampleData;
    use sflow_parser::models::FlowData;
    let records = match sample {
        SampleData::FlowSample(sample) => &sample.flow_records,
        SampleData::FlowSampleExpanded(sample) => &sample.flow_records,
        _ => return None,
    };
    let header = records.iter().find_map(|record| match &record.flow_data {
        FlowData::SampledHeader(header) => Some(&header.header),
        _ => None,
    })?;
    let sliced = match header[0] >> 4 {
        4 => etherparse::LaxSlicedPacket::from_ip(header).ok()?,
        _ => etherparse::LaxSlicedPacket::from_ethernet(header).ok()?,
    };
    match sliced.net? {
        etherparse::LaxNetSlice::Ipv4(packet) => {
            let header = packet.header();
            Some((u32::from(header.source_addr()).into(), header.total_len().into()))
        }
        etherparse::LaxNetSlice::Ipv6(packet) => {
            let header = packet.header();
            Some((header.source_addr().into(), 40 + u64::from(header.payload_length())))
        }
        etherparse::LaxNetSlice::Arp(_) => None,
    }
}
