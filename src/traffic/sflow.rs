//! sFlow version 5 inside captures, such as one taken where a collector listens.
//!
//! A sample is the start of one packet, read like a frame of a capture, so its fields are exact; each
//! sample has a rate of its own. Bytes are those of the IP packet: frame lengths, which count the frame
//! check sequence on most agents, are not used where there is an IP header to tell. A packet was seen
//! at most a second before its datagram was sent (sFlow version 5, section 4.2), and that is taken
//! for the time at which the datagram was captured.
//!
//! The exporter is the agent that the datagram names, or else its sender. Samples of the same packet on
//! its way in and on its way out are two: nothing in them says that they are the same.

use std::collections::HashMap;
use std::io::Read;

use super::exports::{self, Exports, Growing, Holds, Kind, Out, Sequences, length, number};
use super::{Form, Knows, Opened, Settings};
use crate::model::ordinary::{SCTP, TCP, UDP, UDPLITE};
use crate::model::{Address, Family, Known, Layers, NameId, PacketHeader};
use crate::packet::{self, Datagram, Frame, LinkType};

pub(super) const FORM: Form = Form {
    name: "sflow",
    knows: Knows {
        unit: "sampled packet",
        flags: "exact",
        icmp: "exact",
        length: "exact",
        ttl: "exact",
        fragments: "exact",
        bytes: "L3",
        sampling: "per sample; not applied",
        times: "of the capture",
        enforcement: "where the agent stands: say `observed`",
    },
    is_rows: false,
    is_text: false,
    detect,
    open,
};

/// By how much a sample may be older than its datagram.
const LATE_NS: i64 = 1_000_000_000;

const CUT: &str = "samples that are cut off or broken";

fn detect(start: &[u8]) -> bool {
    exports::first(start) == Some(Kind::Sflow)
}

fn open(input: Box<dyn Read + Send>, settings: &Settings) -> Opened {
    exports::open(input, settings, Sflow::default())
}

/// Who counts: a sub-agent, and what it samples at.
type Part = (Address, u64, Option<(bool, u64)>);

#[derive(Default)]
struct Sflow {
    /// The name of each agent.
    agents: HashMap<Address, NameId, foldhash::fast::FixedState>,
    /// The numbers of samples, by agent and by what they were taken at.
    sequences: Sequences<Part, 2>,
    /// The numbers of datagrams, by agent.
    datagrams: Sequences<(Address, u64), 1>,
    /// How many samples the greatest of them holds.
    most: u64,
    /// How many packets that were to be sampled each of those could not sample.
    drops: HashMap<(Address, u64, u64), Growing, foldhash::fast::FixedState>,
}

impl Exports for Sflow {
    fn refuses(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Sflow => None,
            Kind::V5 | Kind::V9 | Kind::Ipfix => {
                Some("datagrams of NetFlow or IPFIX (`--format netflow` reads them)")
            }
        }
    }

    fn read(&mut self, _: Kind, datagram: &Datagram<'_>, time_ns: i64, out: &mut Out) {
        let payload = datagram.payload;
        let agent = match number(payload, 4, 4) {
            Some(1) => address(payload, 8, Family::V4),
            Some(2) => address(payload, 8, Family::V6),
            _ => None,
        };
        let agent = agent.filter(|agent| agent.bits != 0).unwrap_or(datagram.src);
        let intern = || out.settings.names.intern(&agent.to_string());
        let exporter = *self.agents.entry(agent).or_insert_with(intern);
        let Some((mut at, count)) = exports::sflow_samples(payload) else {
            return out.unread(CUT, 1);
        };
        let sub_agent = number(payload, at - 16, 4).unwrap_or_default();
        if let Some(number) = number(payload, at - 12, 4) {
            self.datagrams.note([(agent, sub_agent)], number as u32, Holds::just(1));
            self.most = self.most.max(count.min(datagram.length as u64));
        }
        for _ in 0..count {
            let (Some(format), Some(length)) = (number(payload, at, 4), length(payload, at + 4, 4))
            else {
                // How many more there are is in a header that nobody vouches for.
                return out.unread(CUT, 1);
            };
            let end = (at + 8).saturating_add(length);
            match payload.get(at + 8..end) {
                Some(sample) => {
                    self.note((agent, sub_agent), format, sample);
                    one(format, sample, time_ns, exporter, out);
                }
                None => return out.unread(CUT, 1),
            }
            at = end;
        }
        if at < datagram.length {
            out.unread("bytes after the last sample of a datagram", 1);
        }
    }

    fn end(&mut self, out: &mut Out) {
        // The numbers of samples are more exact, but say nothing of sources that are missing wholly.
        let samples = std::mem::take(&mut self.sequences).missing();
        let all = std::mem::take(&mut self.datagrams).missing().saturating_mul(self.most);
        out.lost_on_the_way(samples.max(all));
        let drops = self.drops.drain().map(|(_, drops)| drops.grown).fold(0, u64::saturating_add);
        if drops > 0 {
            out.unread("samples that the agent says it had to drop", drops);
        }
    }
}

/// How many sources of samples are followed.
const SOURCES: usize = 1 << 16;

impl Sflow {
    /// Notes the number of a flow sample, and how many its source had to drop up to it.
    fn note(&mut self, (agent, sub_agent): (Address, u64), format: u64, sample: &[u8]) {
        let (source, drops_at) = match format {
            1 => (number(sample, 4, 4), 16),
            // Type and index of the source are apart.
            3 => (number(sample, 4, 8), 20),
            _ => return,
        };
        let (Some(at), Some(source), Some(drops)) =
            (number(sample, 0, 4), source, number(sample, drops_at, 4))
        else {
            return;
        };
        let keys = [None, Some((format == 3, source))].map(|part| (agent, sub_agent, part));
        self.sequences.note(keys, at as u32, Holds::just(1));
        let key = (agent, sub_agent, source);
        if self.drops.len() < SOURCES || self.drops.contains_key(&key) {
            self.drops.entry(key).or_insert_with(|| Growing::new(drops)).note(drops);
        }
    }
}

fn address(bytes: &[u8], at: usize, family: Family) -> Option<Address> {
    let length = if family == Family::V4 { 4 } else { 16 };
    let bytes = bytes.get(at..at + length)?;
    let bits = bytes.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte));
    Some(Address { family, bits })
}

/// What became of a sample.
enum Became {
    Packet { header: PacketHeader, bytes: u64 },
    Other(&'static str),
    Unread(&'static str),
}

/// Reads one sample of this format.
fn one(format: u64, sample: &[u8], time_ns: i64, exporter: NameId, out: &mut Out) {
    // Enterprise 0: a flow sample, counters, and both with larger interface numbers; a packet that
    // was dropped. The rest is of vendors, who measure other things.
    let (rate_at, records_at) = match format {
        1 => (8, 28),
        3 => (12, 40),
        2 | 4 => return out.other("counter samples"),
        5 => return out.other("samples of dropped packets"),
        _ => return out.other("samples of vendors"),
    };
    let (Some(rate), Some(count)) = (number(sample, rate_at, 4), number(sample, records_at, 4))
    else {
        return out.unread(CUT, 1);
    };
    match packet_of(sample, records_at + 4, count, out.settings.inner) {
        Became::Other(name) => out.other(name),
        Became::Unread(reason) => out.unread(reason, 1),
        Became::Packet { header, bytes } => {
            let mut record = out.settings.record(header, Some(exporter));
            let rate = u32::try_from(rate).ok().filter(|rate| *rate > 0);
            match (out.settings.sampling, rate) {
                (Some(_), rate) => out.overridden(rate),
                (None, Some(rate)) => record.weight = rate,
                (None, None) => return out.unknown_sampling(),
            }
            record.time_ns = time_ns.saturating_sub(LATE_NS);
            record.duration_ns = time_ns.abs_diff(record.time_ns);
            record.bytes = bytes;
            out.push(record);
        }
    }
}

/// Looks for the packet among the records of a sample: its start, or else what the agent says of it.
fn packet_of(sample: &[u8], mut at: usize, count: u64, inner: bool) -> Became {
    let mut said = None;
    for _ in 0..count {
        let (Some(format), Some(length)) = (number(sample, at, 4), length(sample, at + 4, 4))
        else {
            return Became::Unread(CUT);
        };
        let end = (at + 8).saturating_add(length);
        let Some(record) = sample.get(at + 8..end) else { return Became::Unread(CUT) };
        match format {
            1 => return raw(record, inner),
            3 => said = summary(record, Family::V4),
            4 => said = summary(record, Family::V6),
            _ => {}
        }
        // Opaque data are padded to four bytes.
        at = end.next_multiple_of(4);
    }
    said.unwrap_or(Became::Unread("samples without the start of a packet"))
}

/// Reads the start of a packet.
fn raw(record: &[u8], inner: bool) -> Became {
    let word = |at| number(record, at, 4).map(|word| word as u32);
    // What was stripped is not looked at: some agents give there what they did not keep.
    let (Some(protocol), Some(frame_length), Some(kept)) =
        (word(0), word(4), length(record, 12, 4))
    else {
        return Became::Unread(CUT);
    };
    let Some(frame) = record.get(16..).and_then(|rest| rest.get(..kept)) else {
        return Became::Unread(CUT);
    };
    let link = match protocol {
        1 => LinkType::ETHERNET,
        7 => LinkType(9),
        11 | 12 => LinkType::RAW,
        _ => return Became::Unread("samples of a link type that is not read"),
    };
    match packet::read(link, frame, frame_length, inner) {
        Frame::Packet { header, bytes } => Became::Packet { header, bytes: bytes.into() },
        Frame::Other(name) => Became::Other(name),
        Frame::Unread(_) => Became::Unread("samples whose start is not read"),
    }
}

/// Reads what an agent says of an IP packet of which it does not give the start: its length, protocol,
/// addresses, ports, TCP flags and type of service.
fn summary(record: &[u8], family: Family) -> Option<Became> {
    let size = if family == Family::V4 { 4 } else { 16 };
    let (src, dst) = (address(record, 8, family)?, address(record, 8 + size, family)?);
    let at = 8 + 2 * size;
    let word = |at| number(record, at, 4).and_then(|word| u32::try_from(word).ok());
    let (bytes, protocol) = (word(0)?, u8::try_from(word(4)?).ok()?);
    let (src_port, dst_port) = (word(at)?, word(at + 4)?);
    let mut header = PacketHeader::unknown(family);
    let tells = [Known::SRC, Known::DST, Known::PROTOCOL, Known::DSCP];
    let mut known = tells.into_iter().fold(Known::NONE, Known::with);
    if bytes >= 20 {
        known = known.with(Known::LENGTH);
    }
    let has_ports = matches!(protocol, TCP | UDP | UDPLITE | SCTP);
    // Without ports it may be a later fragment; ICMP is not said.
    let ports = u16::try_from(src_port).ok().zip(u16::try_from(dst_port).ok());
    match ports.filter(|ports| has_ports && *ports != (0, 0)) {
        Some((src_port, dst_port)) => {
            known = known.with(Known::PORTS);
            header.layers = header.layers.with(Layers::PORTS);
            (header.src_port, header.dst_port) = (src_port, dst_port);
            if protocol == TCP {
                header.layers = header.layers.with(Layers::TCP_FLAGS);
                header.tcp_flags = word(at + 8)? as u8;
            }
            known = known.with(Known::TCP_FLAGS);
        }
        None if !has_ports => known = known.with(Known::PORTS).with(Known::TCP_FLAGS),
        None => {}
    }
    let icmp = crate::model::ordinary::ICMP;
    let icmpv6 = crate::model::ordinary::ICMPV6;
    if protocol != icmp && protocol != icmpv6 {
        known = known.with(Known::ICMP);
    }
    (header.src, header.dst, header.protocol) = (src.bits, dst.bits, protocol);
    (header.packet_length, header.dscp) = (bytes, (word(at + 12)? as u8) >> 2);
    header.known = known;
    Some(Became::Packet { header, bytes: bytes.into() })
}
