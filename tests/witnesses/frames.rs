//! Frames with just the header of a packet, and a capture file of them.

use blastgate::model::{Family, Fragment, Layers, PacketHeader};

/// Length of an Ethernet header.
const ETHERNET: usize = 14;
/// The longest packet that the pair of interfaces carries: all of IPv4.
pub(crate) const LONGEST: u32 = 65_535;
/// The longest of IPv6. Of what does not fit into a page, the kernel has no header at hand when it
/// looks for the upper layer at this hook, and takes what lies there for one.
pub(crate) const LONGEST_V6: u32 = 3_900;
/// Where later fragments begin, in units of 8 bytes.
const OFFSET: u16 = 185;
/// The first octet of our frames' addresses.
const OURS: u8 = 0x0a;

/// Returns the hardware address that holds a number.
pub(crate) fn mac(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [OURS, 0, a, b, c, d]
}

/// Writes it.
pub(crate) fn mac_text(number: u32) -> String {
    mac(number).map(|octet| format!("{octet:02x}")).join(":")
}

/// Reads the number of it; none of other addresses.
pub(crate) fn number_of(mac: &str) -> Option<u32> {
    let octets: Option<Vec<u8>> =
        mac.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
    match octets?[..] {
        [OURS, 0, a, b, c, d] => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}

/// Returns why no frame can be made of a packet, if so.
pub(crate) fn unsendable(header: &PacketHeader) -> Option<&'static str> {
    if header.family == Family::V6 && header.packet_length > LONGEST_V6 {
        return Some("IPv6 packets longer than a page");
    }
    // Hop-by-hop options, routing, fragment, authentication, destination options.
    if header.family == Family::V6 && [0, 43, 44, 51, 60].contains(&header.protocol) {
        return Some("IPv6 with the number of an extension header for its upper layer");
    }
    None
}

/// Returns the frame; its receiver is a number, and its sender another.
pub(crate) fn frame(to: u32, from: u32, header: &PacketHeader) -> Vec<u8> {
    let mut frame = [mac(to), mac(from)].concat();
    let fragment = header.fragment;
    let offset = if fragment.has(Fragment::LATER) { OFFSET } else { 0 };
    let length = header.packet_length;
    if header.family == Family::V4 {
        let bits = u16::from(fragment.has(Fragment::DONT)) << 14
            | u16::from(fragment.has(Fragment::MORE)) << 13
            | offset;
        let mut ip = vec![0x45, header.dscp << 2];
        for word in [u16::try_from(length).expect("a length of IPv4"), 1, bits] {
            ip.extend(word.to_be_bytes());
        }
        ip.extend([header.ttl, header.protocol, 0, 0]);
        for address in [header.src, header.dst] {
            ip.extend(u32::try_from(address).expect("IPv4").to_be_bytes());
        }
        let words = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
        let sum: u32 = words.sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        frame.extend([8, 0]);
        frame.extend(ip);
    } else {
        frame.extend([0x86, 0xdd]);
        frame.extend((6 << 28 | u32::from(header.dscp) << 22).to_be_bytes());
        frame.extend(u16::try_from(length - 40).expect("a length of IPv6").to_be_bytes());
        let is_fragment = fragment.is_fragment();
        frame.extend([if is_fragment { 44 } else { header.protocol }, header.ttl]);
        for address in [header.src, header.dst] {
            frame.extend(address.to_be_bytes());
        }
        if is_fragment {
            frame.extend([header.protocol, 0]);
            let more = u16::from(fragment.has(Fragment::MORE));
            frame.extend((offset << 3 | more).to_be_bytes());
            frame.extend([0, 0, 0, 1]);
        }
    }
    if header.layers.has(Layers::PORTS) {
        frame.extend(header.src_port.to_be_bytes());
        frame.extend(header.dst_port.to_be_bytes());
    }
    if header.layers.has(Layers::TCP_FLAGS) {
        frame.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, header.tcp_flags]);
    }
    if header.layers.has(Layers::ICMP) {
        frame.extend([header.icmp_type, header.icmp_code]);
    }
    // What follows looks like ports that rules ask for, for whoever reads what is not there.
    let end = ETHERNET + length as usize;
    assert!(frame.len() <= end, "too short for its fields: {header:?}");
    let bait = [0, 80, 0, 80, 0, 179, 0, 53].into_iter().cycle();
    frame.extend(bait.take(end - frame.len()));
    frame
}

/// Returns frames as a capture file.
pub(crate) fn capture(frames: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Magic, version 2.4, zone, accuracy, longest frame, Ethernet.
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for frame in frames {
        let size = frame.len() as u32;
        for word in [0, 0, size, size] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    bytes
}
