//! What a flow record says, in whichever version, and the record that it becomes.
//!
//! A flow is many packets, and says of them what the exporter kept. What all of them have in common
//! is known; what may differ from packet to packet is known only where there is one packet:
//!
//! | field | known |
//! |---|---|
//! | addresses, protocol, ports, ICMP type and code | they tell flows apart |
//! | TCP flags | of one packet; of several they are OR-ed, and each may lack any of them |
//! | length | of one packet, or where the least and the greatest are the same: else it is a mean |
//! | DSCP | of one packet: of several it is that of the first; zero is not told from not kept |
//! | TTL | of one packet, or where the least and the greatest are the same |
//! | fragments | where the record has a field for them and is of one packet |
//!
//! Routers put 0 for the ports of later fragments, and exporters for what they do not collect: 0 and
//! 0 are no ports, and no flags at all are unknown ones.

use crate::model::ordinary::{ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE};
use crate::model::{Direction, Family, Fragment, Known, Layers, NameId, PacketHeader, Record};
use crate::traffic::Settings;

/// The most that one flow can be: beyond, a counter is garbage.
const MOST: u64 = 1 << 48;

/// What a flow record says; what it does not is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Flow {
    pub(super) v6: bool,
    pub(super) src: Option<u128>,
    pub(super) dst: Option<u128>,
    pub(super) protocol: Option<u8>,
    /// Source and destination.
    pub(super) ports: Option<(u16, u16)>,
    /// OR-ed over all packets.
    pub(super) tcp_flags: Option<u8>,
    /// Type and code.
    pub(super) icmp: Option<(u8, u8)>,
    /// The type of service, or traffic class, of the first packet.
    pub(super) tos: Option<u8>,
    /// The least and the greatest.
    pub(super) ttl: Option<(u8, u8)>,
    /// The least and the greatest, in bytes.
    pub(super) length: Option<(u32, u32)>,
    pub(super) fragment: Option<Fragment>,
    pub(super) direction: Option<Direction>,
    pub(super) packets: Option<u64>,
    /// Of IP packets (layer 3).
    pub(super) bytes: Option<u64>,
    /// Whether bytes are not exact, and so not the length of a packet.
    pub(super) is_length_rough: bool,
    /// Whether its packets were dropped where it was recorded.
    pub(super) was_dropped: bool,
    /// No packet is before, and all are before.
    pub(super) time_ns: Option<(i64, i64)>,
}

/// What a flow record becomes.
pub(super) enum Became {
    Record(Record),
    /// What was dropped where it was recorded, and does not count.
    Dropped,
    /// No traffic, and why.
    Other(&'static str),
    /// What cannot be judged, and why.
    Unread(&'static str),
}

impl Flow {
    /// Makes a record. Its weight is the user's, or one.
    pub(super) fn record(&self, exporter: Option<NameId>, settings: &Settings) -> Became {
        if self.was_dropped && !settings.count_drops {
            return Became::Dropped;
        }
        let (packets, bytes) = match (self.packets, self.bytes) {
            (Some(0), Some(0)) => return Became::Other("flow records of no packets"),
            (None | Some(0), _) => {
                return Became::Unread("flow records without a count of packets");
            }
            (Some(_), None | Some(0)) => {
                return Became::Unread("flow records without a count of bytes");
            }
            (Some(packets), Some(bytes)) if packets > MOST || bytes > MOST => {
                return Became::Unread("flow records with impossible counts");
            }
            (Some(packets), Some(bytes)) => (packets, bytes),
        };
        if self.src.is_none() && self.dst.is_none() {
            return Became::Unread("flow records without addresses");
        }
        let Some((from_ns, to_ns)) = self.time_ns else {
            return Became::Unread("flow records without times");
        };
        let mut record = settings.record(self.header(packets, bytes), exporter);
        if let Some(direction) = self.direction {
            record.header.known = record.header.known.with(Known::DIRECTION);
            record.direction = direction;
        }
        record.time_ns = from_ns.min(to_ns);
        record.duration_ns = from_ns.abs_diff(to_ns);
        (record.packets, record.bytes) = (packets, bytes);
        Became::Record(record)
    }

    fn header(&self, packets: u64, bytes: u64) -> PacketHeader {
        let family = if self.v6 { Family::V6 } else { Family::V4 };
        let mut header = PacketHeader::unknown(family);
        let mut known = Known::NONE;
        let one = packets == 1;
        for (address, field) in [(self.src, Known::SRC), (self.dst, Known::DST)] {
            if address.is_some() {
                known = known.with(field);
            }
        }
        if let Some(tos) = self.tos.filter(|tos| one && *tos != 0) {
            known = known.with(Known::DSCP);
            header.dscp = tos >> 2;
        }
        if let Some((least, greatest)) = self.ttl
            && least == greatest
            && least != 0
        {
            known = known.with(Known::TTL);
            header.ttl = least;
        }
        let length = match self.length {
            _ if one && !self.is_length_rough => u32::try_from(bytes).ok(),
            Some((least, greatest)) if least == greatest => Some(least),
            _ => None,
        };
        if let Some(length) = length.filter(|length| *length >= 20) {
            known = known.with(Known::LENGTH);
            header.packet_length = length;
        }
        if let Some(fragment) = self.fragment.filter(|_| one) {
            known = known.with(Known::FRAGMENT);
            header.fragment = fragment;
        }
        header.known = known;
        header.src = self.src.unwrap_or(0);
        header.dst = self.dst.unwrap_or(0);
        if let Some(protocol) = self.protocol {
            self.upper(&mut header, protocol, one);
        }
        header
    }

    /// Fills in what the protocol carries: what it never carries is known not to be there.
    fn upper(&self, header: &mut PacketHeader, protocol: u8, one: bool) {
        header.protocol = protocol;
        let mut known = header.known.with(Known::PROTOCOL);
        // A later fragment carries nothing of its upper layer.
        let is_later = known.has(Known::FRAGMENT) && header.fragment.has(Fragment::LATER);
        let has_ports = matches!(protocol, TCP | UDP | UDPLITE | SCTP) && !is_later;
        let has_flags = protocol == TCP && !is_later;
        let has_icmp = !is_later
            && matches!((protocol, header.family), (ICMP, Family::V4) | (ICMPV6, Family::V6));
        let ports = self.ports.filter(|ports| *ports != (0, 0));
        match ports {
            Some((src, dst)) if has_ports => {
                known = known.with(Known::PORTS);
                header.layers = header.layers.with(Layers::PORTS);
                (header.src_port, header.dst_port) = (src, dst);
            }
            _ if has_ports => {}
            _ => known = known.with(Known::PORTS),
        }
        match self.tcp_flags {
            // Without ports it may be a later fragment.
            Some(flags) if has_flags && one && flags != 0 && ports.is_some() => {
                known = known.with(Known::TCP_FLAGS);
                header.layers = header.layers.with(Layers::TCP_FLAGS);
                header.tcp_flags = flags;
            }
            _ if has_flags => {}
            _ => known = known.with(Known::TCP_FLAGS),
        }
        match self.icmp {
            Some((kind, code)) if has_icmp => {
                known = known.with(Known::ICMP);
                header.layers = header.layers.with(Layers::ICMP);
                (header.icmp_type, header.icmp_code) = (kind, code);
            }
            _ if has_icmp => {}
            _ => known = known.with(Known::ICMP),
        }
        header.known = known;
    }
}

/// Returns as how many records so many packets count of which there are none, where so many records have
/// so many packets.
pub(super) fn records_of(packets: u64, (records, of_packets): (u64, u64)) -> u64 {
    let records = u128::from(packets) * u128::from(records.max(1));
    u64::try_from(records.div_ceil(u128::from(of_packets.max(1)))).unwrap_or(u64::MAX)
}
