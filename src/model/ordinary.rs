//! Ordinary packets: what a field is that nobody wrote down, and what packets carry.
//!
//! Profiles and the packets that people type share these, so that the same words mean the same
//! packet in both.

use super::prefix::Family;
use super::record::{Fragment, Known, Layers, PacketHeader};

/// ICMP (v4).
pub const ICMP: u8 = 1;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// ICMPv6.
pub const ICMPV6: u8 = 58;
/// SCTP.
pub const SCTP: u8 = 132;
/// UDP-Lite.
pub const UDPLITE: u8 = 136;

/// The hop-by-hop options of IPv6 (RFC 8200, section 4).
pub const HOP_BY_HOP: u8 = 0;
/// The routing header of IPv6.
pub const ROUTING: u8 = 43;
/// The fragment header of IPv6.
pub const FRAGMENT: u8 = 44;
/// The authentication header (RFC 4302).
pub const AUTHENTICATION: u8 = 51;
/// The destination options of IPv6.
pub const DESTINATION: u8 = 60;

/// Either port.
pub const PORT: u16 = 50_000;
/// The TCP flags: ACK.
pub const FLAGS: u8 = 16;
/// The TTL or hop limit.
pub const TTL: u8 = 64;
/// The IP total length in bytes.
pub const LENGTH: u32 = 1_000;

/// The fields that can be unknown, under the names of match fields.
pub const FIELDS: &[(&str, Known)] = &[
    ("src", Known::SRC),
    ("dst", Known::DST),
    ("protocol", Known::PROTOCOL),
    ("src_port", Known::PORTS),
    ("dst_port", Known::PORTS),
    ("port", Known::PORTS),
    ("tcp_flags", Known::TCP_FLAGS),
    ("icmp_type", Known::ICMP),
    ("icmp_code", Known::ICMP),
    ("packet_length", Known::LENGTH),
    ("dscp", Known::DSCP),
    ("ttl", Known::TTL),
    ("fragment", Known::FRAGMENT),
    ("pop", Known::POP),
    ("direction", Known::DIRECTION),
];

/// Returns nobody's address of a family: 45.0.0.1 or 2a00::1.
pub fn nobody(family: Family) -> u128 {
    match family {
        Family::V4 => 0x2d00_0001,
        Family::V6 => (0x2a00 << 112) | 1,
    }
}

/// Returns the type of an echo request.
pub fn echo_request(family: Family) -> u8 {
    match family {
        Family::V4 => 8,
        Family::V6 => 128,
    }
}

/// Returns whether a protocol number is that of an IPv6 extension header, which is no upper layer:
/// the chain of headers goes on behind it.
pub fn is_extension(number: u8) -> bool {
    matches!(number, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION)
}

/// Returns what a packet of a protocol carries. Later fragments carry nothing of it.
pub fn carried(protocol: u8, family: Family, fragment: Fragment) -> Layers {
    if fragment.has(Fragment::LATER) {
        return Layers::NONE;
    }
    match (protocol, family) {
        (TCP, _) => Layers::PORTS.with(Layers::TCP_FLAGS),
        (UDP | SCTP | UDPLITE, _) => Layers::PORTS,
        (ICMP, Family::V4) | (ICMPV6, Family::V6) => Layers::ICMP,
        _ => Layers::NONE,
    }
}

/// Returns the header with zeros in what is not known.
pub fn only_known(mut header: PacketHeader) -> PacketHeader {
    let known = header.known;
    if !known.has(Known::SRC) {
        header.src = 0;
    }
    if !known.has(Known::DST) {
        header.dst = 0;
    }
    if !known.has(Known::PROTOCOL) {
        header.protocol = 0;
    }
    if !known.has(Known::PORTS) {
        header.layers = header.layers.without(Layers::PORTS);
    }
    if !header.layers.has(Layers::PORTS) {
        (header.src_port, header.dst_port) = (0, 0);
    }
    if !known.has(Known::TCP_FLAGS) {
        header.layers = header.layers.without(Layers::TCP_FLAGS);
    }
    if !header.layers.has(Layers::TCP_FLAGS) {
        header.tcp_flags = 0;
    }
    if !known.has(Known::ICMP) {
        header.layers = header.layers.without(Layers::ICMP);
    }
    if !header.layers.has(Layers::ICMP) {
        (header.icmp_type, header.icmp_code) = (0, 0);
    }
    if !known.has(Known::LENGTH) {
        header.packet_length = 0;
    }
    if !known.has(Known::DSCP) {
        header.dscp = 0;
    }
    if !known.has(Known::TTL) {
        header.ttl = 0;
    }
    if !known.has(Known::FRAGMENT) {
        header.fragment = Fragment::NONE;
    }
    header
}
