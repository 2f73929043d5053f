//! Real captures: read whole, read in pieces, and read as `etherparse` reads them.

use std::collections::BTreeMap;
use std::io::Cursor;

use blastgate::model::{Fragment, Known, Layers, PacketHeader, Record};
use blastgate::packet::{self, Frame, LinkType};
use etherparse::{
    IpAuthHeaderSlice, IpNumber, Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice, LaxNetSlice,
    LaxSlicedPacket, TransportSlice,
};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

use crate::recorded::{self, Capture};

/// Files longer than this are cut at so many places only.
const SHORT: usize = 8 << 10;
const CUTS: usize = 200;

#[test]
fn every_frame_of_every_capture_is_accounted_for() {
    let Some(captures) = recorded::captures() else { return };
    let (mut files, mut frames, mut packets, mut lost) = (0, 0, 0, BTreeMap::new());
    for capture in &captures {
        for inner in [false, true] {
            let mut settings = recorded::settings();
            settings.inner = inner;
            let (records, counts) = match recorded::read(capture.bytes.clone(), &settings) {
                Ok(read) => read,
                Err(error) => {
                    assert!(capture.bytes.len() < 24, "{}: {error}", capture.name);
                    continue;
                }
            };
            let rest: u64 = counts.other.values().chain(counts.unread.values()).sum();
            assert_eq!(counts.frames, counts.records + rest, "{}: {counts:?}", capture.name);
            assert_eq!(counts.records, records.len() as u64, "{}", capture.name);
            if !inner {
                files += 1;
                frames += counts.frames;
                packets += counts.records;
                for (reason, count) in counts.unread {
                    *lost.entry(reason).or_insert(0) += count;
                }
            }
        }
    }
    println!("{files} captures, {frames} frames, {packets} packets; unread: {lost:?}");
}

#[test]
fn no_capture_that_is_cut_off_makes_the_reader_panic() {
    let Some(captures) = recorded::captures() else { return };
    let mut cuts = 0;
    for Capture { name, bytes, .. } in &captures {
        let whole = recorded::read(bytes.clone(), &recorded::settings()).map(|read| read.0);
        let whole = whole.unwrap_or_default();
        let step =
            if bytes.len() <= SHORT { (bytes.len() / 400).max(1) } else { bytes.len() / CUTS };
        for end in (0..bytes.len()).step_by(step) {
            cuts += 1;
            if let Ok((records, counts)) =
                recorded::read(bytes[..end].to_vec(), &recorded::settings())
            {
                assert_eq!(records[..], whole[..records.len()], "{name} cut at {end}");
                assert!(counts.unread.values().sum::<u64>() <= counts.frames);
            }
        }
    }
    println!("{cuts} prefixes of {} captures", captures.len());
}

/// What one of the two decoders says about a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    src: u128,
    dst: u128,
    protocol: Option<u8>,
    fragment: Fragment,
    ports: Option<(u16, u16)>,
    tcp_flags: Option<u8>,
    icmp: Option<(u8, u8)>,
}

fn ours(header: &PacketHeader) -> Seen {
    let carries = |layer| header.layers.has(layer);
    Seen {
        src: header.src,
        dst: header.dst,
        protocol: header.known.has(Known::PROTOCOL).then_some(header.protocol),
        fragment: header.fragment,
        ports: carries(Layers::PORTS).then_some((header.src_port, header.dst_port)),
        tcp_flags: carries(Layers::TCP_FLAGS).then_some(header.tcp_flags),
        icmp: carries(Layers::ICMP).then_some((header.icmp_type, header.icmp_code)),
    }
}

fn theirs(frame: &[u8]) -> Option<Seen> {
    let sliced = LaxSlicedPacket::from_ethernet(frame).ok()?;
    let mut seen = Seen::default();
    let mut set = |when: bool, bit| {
        if when {
            seen.fragment = seen.fragment.with(bit);
        }
    };
    match sliced.net? {
        LaxNetSlice::Ipv4(packet) => {
            let header = packet.header();
            set(header.fragments_offset().value() != 0, Fragment::LATER);
            set(header.more_fragments(), Fragment::MORE);
            set(header.dont_fragment(), Fragment::DONT);
            seen.src = u32::from(header.source_addr()).into();
            seen.dst = u32::from(header.destination_addr()).into();
            seen.protocol = Some(header.protocol().0);
        }
        LaxNetSlice::Ipv6(packet) => {
            let extensions = packet.extensions();
            for header in fragment_headers(extensions.first_header(), extensions.slice()) {
                set(header.fragment_offset().value() != 0, Fragment::LATER);
                set(header.more_fragments(), Fragment::MORE);
            }
            seen.src = packet.header().source_addr().into();
            seen.dst = packet.header().destination_addr().into();
            seen.protocol = Some(packet.payload().ip_number.0);
        }
        LaxNetSlice::Arp(_) => return None,
    }
    match sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            seen.ports = Some((tcp.source_port(), tcp.destination_port()));
            seen.tcp_flags = tcp.slice().get(13).copied();
        }
        Some(TransportSlice::Udp(udp)) => {
            seen.ports = Some((udp.source_port(), udp.destination_port()));
        }
        Some(TransportSlice::Icmpv4(icmp)) => seen.icmp = Some((icmp.type_u8(), icmp.code_u8())),
        Some(TransportSlice::Icmpv6(icmp)) => seen.icmp = Some((icmp.type_u8(), icmp.code_u8())),
        _ => {}
    }
    Some(seen)
}

/// Returns the fragment headers among extension headers. The iterator that etherparse has for this
/// reads beyond the end of chains that are cut off.
fn fragment_headers(first: Option<IpNumber>, mut rest: &[u8]) -> Vec<Ipv6FragmentHeaderSlice<'_>> {
    let (mut next, mut found) = (first, Vec::new());
    while let Some(number) = next {
        let length = match number {
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let Ok(header) = Ipv6FragmentHeaderSlice::from_slice(rest) else { break };
                next = Some(header.next_header());
                let length = header.slice().len();
                found.push(header);
                length
            }
            IpNumber::AUTHENTICATION_HEADER => {
                let Ok(header) = IpAuthHeaderSlice::from_slice(rest) else { break };
                next = Some(header.next_header());
                header.slice().len()
            }
            _ => {
                let Ok(header) = Ipv6RawExtHeaderSlice::from_slice(rest) else { break };
                next = Some(header.next_header());
                header.slice().len()
            }
        };
        rest = &rest[length..];
        if rest.is_empty() {
            break;
        }
    }
    found
}

/// Where the two are known to differ, and why ours is meant.
type Difference = (&'static str, fn(&Pair) -> bool);

struct Pair<'a> {
    frame: &'a [u8],
    header: Option<&'a PacketHeader>,
    ours: Option<Seen>,
    theirs: Option<Seen>,
}

impl Pair<'_> {
    /// Returns the EtherType after all VLAN tags.
    fn last_ether_type(&self) -> u16 {
        let types = self.frame.get(12..).unwrap_or_default().chunks_exact(4);
        let mut types = types.map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
        types.find(|ether_type| !matches!(ether_type, 0x8100 | 0x88a8)).unwrap_or_default()
    }

    /// Returns whether both agree but for the upper layer, which only we read.
    fn only_upper_layer(&self) -> bool {
        let (Some(ours), Some(theirs)) = (self.ours, self.theirs) else { return false };
        let cleared = Seen { ports: None, tcp_flags: None, icmp: None, ..ours };
        cleared == theirs
    }
}

const DIFFERENCES: &[Difference] = &[
    ("it reads no upper layer of first fragments, which hold one", |pair| {
        pair.header.is_some_and(|header| header.fragment.is_fragment()) && pair.only_upper_layer()
    }),
    ("it does not look below MPLS labels and PPPoE sessions", |pair| {
        pair.theirs.is_none() && matches!(pair.last_ether_type(), 0x8847 | 0x8848 | 0x8864)
    }),
];

#[test]
fn headers_are_as_etherparse_reads_them() {
    let Some(captures) = recorded::captures() else { return };
    let (mut compared, mut met) = (0, vec![0_u64; DIFFERENCES.len()]);
    let mut unexplained: Vec<String> = Vec::new();
    for capture in &captures {
        let records: BTreeMap<u64, Record> =
            recorded::read(capture.bytes.clone(), &recorded::settings())
                .map(|read| read.0)
                .unwrap_or_default()
                .into_iter()
                .map(|record| (record.number, record))
                .collect();
        for (number, frame) in ethernet_frames(&capture.bytes) {
            let header = records.get(&number).map(|record| &record.header);
            let pair =
                Pair { frame: &frame, header, ours: header.map(ours), theirs: theirs(&frame) };
            if pair.theirs.is_some() {
                compared += 1;
            }
            if pair.ours == pair.theirs {
                continue;
            }
            match DIFFERENCES.iter().position(|(_, applies)| applies(&pair)) {
                Some(at) => met[at] += 1,
                None => unexplained.push(format!(
                    "{} frame {number}:\n  ours   {:?}\n  theirs {:?}",
                    capture.name, pair.ours, pair.theirs
                )),
            }
        }
    }
    println!("{compared} packets compared with etherparse");
    for ((reason, _), count) in DIFFERENCES.iter().zip(&met) {
        println!("{count:7} differ: {reason}");
    }
    let shown = unexplained.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(unexplained.is_empty(), "{} differences without a reason:\n{shown}", unexplained.len());
}

/// How many frames of a capture are damaged, and how often each.
const DAMAGED: usize = 40;
const ROUNDS: usize = 100;

#[test]
fn what_both_find_in_damaged_frames_is_the_same() {
    let Some(captures) = recorded::captures() else { return };
    let (mut random, mut compared) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    for capture in &captures {
        for (number, frame) in ethernet_frames(&capture.bytes).into_iter().take(DAMAGED) {
            for _ in 0..ROUNDS {
                let mut frame = frame.clone();
                for _ in 0..1 + random % 3 {
                    // Xorshift: the same damage in every run.
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    if let Some(byte) = frame.get_mut(12 + (random >> 8 & 0x3f) as usize) {
                        *byte = if random & 8 == 0 { (random >> 40) as u8 } else { *byte ^ 1 };
                    }
                }
                let length = u32::try_from(frame.len()).expect("a frame is short");
                let read = packet::read(LinkType::ETHERNET, &frame, length, false);
                let (Frame::Packet { header, .. }, Some(theirs)) = (read, theirs(&frame)) else {
                    continue;
                };
                let ours = ours(&header);
                let fixed = |seen: &Seen| (seen.src, seen.dst, seen.fragment);
                assert_eq!(
                    fixed(&ours),
                    fixed(&theirs),
                    "{} frame {number}: {frame:02x?}",
                    capture.name
                );
                // Each may hold back what the other dares to read; none may read otherwise.
                let same = agree(ours.ports, theirs.ports)
                    && agree(ours.tcp_flags, theirs.tcp_flags)
                    && agree(ours.icmp, theirs.icmp);
                assert!(same, "{} frame {number}: {ours:?} {theirs:?}", capture.name);
                compared += 1;
            }
        }
    }
    println!("{compared} damaged packets compared with etherparse");
}

fn agree<T: PartialEq>(ours: Option<T>, theirs: Option<T>) -> bool {
    ours.is_none() || theirs.is_none() || ours == theirs
}

#[test]
fn tunnels_in_captures_are_looked_through_as_etherparse_would() {
    let Some(captures) = recorded::captures() else { return };
    let mut compared = BTreeMap::new();
    for capture in &captures {
        for (number, frame) in ethernet_frames(&capture.bytes) {
            let Some((kind, inside)) = tunnelled(&frame) else { continue };
            // Another tunnel in this one, or no IP, is not for this test.
            let Some(theirs) = theirs(inside) else { continue };
            if tunnelled(inside).is_some() || theirs.fragment.is_fragment() {
                continue;
            }
            let length = u32::try_from(frame.len()).expect("a frame is short");
            let Frame::Packet { header, .. } =
                packet::read(LinkType::ETHERNET, &frame, length, true)
            else {
                panic!("{} frame {number} is not read", capture.name);
            };
            assert_eq!(ours(&header), theirs, "{} frame {number}", capture.name);
            *compared.entry(kind).or_insert(0_u64) += 1;
        }
    }
    println!("looked through: {compared:?}");
}

/// Returns the Ethernet frame in a tunnel, by what etherparse finds of the outer packet.
fn tunnelled(frame: &[u8]) -> Option<(&'static str, &[u8])> {
    let sliced = LaxSlicedPacket::from_ethernet(frame).ok()?;
    if let Some(TransportSlice::Udp(udp)) = sliced.transport {
        let payload = udp.payload();
        return match udp.destination_port() {
            4789 => Some(("vxlan", payload.get(8..)?)),
            6081 if payload.get(2..4)? == [0x65, 0x58] => {
                let options = usize::from(payload.first()? & 0x3f) * 4;
                Some(("geneve", payload.get(8 + options..)?))
            }
            _ => None,
        };
    }
    let net = sliced.net?;
    let payload = net.ip_payload_ref()?;
    match (payload.ip_number.0, payload.payload.get(..4)?) {
        (47, [0x10, 0, 0x88, 0xbe]) => Some(("erspan", payload.payload.get(16..)?)),
        (47, [0, 0, 0x65, 0x58]) => Some(("gre", payload.payload.get(4..)?)),
        _ => None,
    }
}

/// Returns the Ethernet frames of a capture and their numbers, by another way than the one under
/// test.
fn ethernet_frames(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let (mut frames, mut number, mut links) = (Vec::new(), 0, Vec::new());
    let Ok(mut reader) = create_reader(8 << 20, Cursor::new(bytes)) else { return frames };
    loop {
        let used = match reader.next() {
            Ok((used, block)) => {
                let mut take = |link: Option<&i32>, data: &[u8]| {
                    number += 1;
                    if link == Some(&1) {
                        frames.push((number, data.to_vec()));
                    }
                };
                match block {
                    PcapBlockOwned::LegacyHeader(header) => links = vec![header.network.0],
                    PcapBlockOwned::Legacy(packet) => take(links.first(), packet.data),
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => links.clear(),
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        links.push(interface.linktype.0);
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        take(links.get(packet.if_id as usize), packet.packet_data());
                    }
                    PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                        take(links.first(), packet.packet_data());
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                used
            }
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() {
                    return frames;
                }
                continue;
            }
            Err(_) => return frames,
        };
        reader.consume(used);
    }
}
