//! Frames made by hand, and what must hold for any frame.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::model::{Family, Fragment, Known, Layers};

const LINKS: [u32; 16] =
    [0, 1, 9, 12, 14, 50, 101, 104, 108, 113, 228, 229, 276, 127, 147, u32::MAX];

fn v4(protocol: u8, fragment: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = 20 + options.len();
    let total = u16::try_from(header + payload.len()).unwrap().to_be_bytes();
    let mut packet = vec![0x40 | (header / 4) as u8, 0xb8, total[0], total[1], 1, 2];
    packet.extend(fragment.to_be_bytes());
    packet.extend([57, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]);
    packet.extend(options);
    packet.extend(payload);
    packet
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x6b, 0x80, 0, 0];
    packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet.extend([next, 63]);
    for last in [1, 2] {
        packet.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(payload);
    packet
}

/// A TCP segment from port 1025 to 443 with SYN and ECE.
fn tcp() -> Vec<u8> {
    vec![4, 1, 1, 187, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x42, 255, 255, 0, 0, 0, 0]
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0, 53];
    datagram.extend(port.to_be_bytes());
    datagram.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn read_whole(link: u32, frame: &[u8], inner: bool) -> Frame {
    read(LinkType(link), frame, u32::try_from(frame.len()).unwrap(), inner)
}

fn header(link: u32, frame: &[u8], inner: bool) -> PacketHeader {
    match read_whole(link, frame, inner) {
        Frame::Packet { header, .. } => header,
        other => panic!("not a packet: {other:?}"),
    }
}

fn expect_syn(header: PacketHeader) {
    assert!(header.known.has(Known::ALL.without(Known::POP).without(Known::DIRECTION)));
    assert_eq!(header.layers, Layers::PORTS.with(Layers::TCP_FLAGS));
    assert_eq!((header.src_port, header.dst_port, header.tcp_flags), (1025, 443, 0x42));
    assert_eq!((header.protocol, header.dscp), (6, 46));
}

#[test]
fn every_link_layer_leads_to_the_same_header() {
    let (four, six) = (v4(6, 0x4000, &[], &tcp()), v6(6, &tcp()));
    let bare = header(228, &four, false);
    expect_syn(bare);
    assert_eq!(bare.src_address().to_string(), "192.0.2.1");
    assert_eq!(bare.dst_address().to_string(), "198.51.100.2");
    assert_eq!((bare.ttl, bare.packet_length), (57, 40));
    assert_eq!(bare.fragment, Fragment::DONT);
    let cooked = |tail: &[u8]| join(&[&[0; 14], tail]);
    let pppoe: &[u8] = &[0x11, 0, 0, 1, 0, 42, 0, 0x21];
    for (link, frame) in [
        (1, ethernet(0x0800, &four)),
        (1, ethernet(0x8100, &join(&[&[0, 5, 8, 0], &four]))),
        (1, ethernet(0x88a8, &join(&[&[0, 5, 0x81, 0, 0, 6, 8, 0], &four]))),
        (1, ethernet(0x8847, &join(&[&[0, 0, 0x10, 64, 0, 0, 0x21, 64], &four]))),
        (1, ethernet(0x8864, &join(&[pppoe, &four]))),
        (1, ethernet(48, &join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &four]))),
        (0, join(&[&[2, 0, 0, 0], &four])),
        (108, join(&[&[0, 0, 0, 2], &four])),
        (9, join(&[&[0xff, 3, 0, 0x21], &four])),
        (9, join(&[&[0x21], &four])),
        (50, join(&[&[0, 0x21], &four])),
        (12, four.clone()),
        (101, four.clone()),
        (104, join(&[&[0x0f, 0, 8, 0], &four])),
        (113, join(&[&cooked(&[8, 0]), &four])),
        (276, join(&[&[8, 0], &[0; 18], &four])),
    ] {
        assert_eq!(header(link, &frame, false), bare, "link {link}: {frame:02x?}");
    }
    let bare = header(229, &six, false);
    expect_syn(bare);
    assert_eq!(bare.dst_address().to_string(), "2001:db8::2");
    assert_eq!((bare.ttl, bare.packet_length), (63, 60));
    for (link, frame) in [
        (1, ethernet(0x86dd, &six)),
        (1, ethernet(0x8847, &join(&[&[0, 0, 0x21, 64], &six]))),
        (0, join(&[&[0, 0, 0, 30], &six])),
        (0, join(&[&[24, 0, 0, 0], &six])),
        (108, join(&[&[0, 0, 0, 28], &six])),
        (0, join(&[&[10, 0, 0, 0], &six])),
        (9, join(&[&[0xff, 3, 0x57], &six])),
        (14, six.clone()),
        (113, join(&[&cooked(&[0x86, 0xdd]), &six])),
    ] {
        assert_eq!(header(link, &frame, false), bare, "link {link}: {frame:02x?}");
    }
}

#[test]
fn what_carries_no_ip_has_a_name_and_the_rest_a_reason() {
    let frame = |ether_type| read_whole(1, &ethernet(ether_type, &[0; 46]), false);
    assert_eq!(frame(0x0806), Frame::Other("arp"));
    assert_eq!(frame(0x88cc), Frame::Other("lldp"));
    assert_eq!(frame(38), Frame::Other("llc"));
    assert_eq!(frame(0x88e5), Frame::Unread(Reason::EtherType(0x88e5)));
    assert_eq!(frame(0x0800), Frame::Unread(Reason::Version));
    assert_eq!(Reason::EtherType(0x88e5).to_string(), "EtherType 0x88e5 not read");
    let unread = |link, frame: &[u8]| match read_whole(link, frame, false) {
        Frame::Unread(reason) => reason.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(unread(127, &[0; 60]), "link type 127 not read");
    assert_eq!(unread(0, &[0, 0, 0, 7]), "address family 7 not read");
    assert_eq!(unread(1, &[]), Reason::Cut.to_string());
    assert_eq!(unread(101, &[0x45; 19]), Reason::Cut.to_string());
    assert_eq!(unread(101, &[0x44; 40]), Reason::HeaderLength.to_string());
    let tags = [[0, 5, 0x81, 0]; 40].concat();
    assert_eq!(unread(1, &ethernet(0x8100, &tags)), Reason::Tags.to_string());
    assert_eq!(unread(1, &ethernet(0x8847, &[0; 400])), Reason::Tags.to_string());
}

#[test]
fn later_fragments_are_known_to_carry_no_ports() {
    let upper = Known::PORTS.with(Known::TCP_FLAGS).with(Known::ICMP);
    let later = header(101, &v4(6, 0x00b9, &[], &tcp()), false);
    assert_eq!((later.fragment, later.layers), (Fragment::LATER, Layers::NONE));
    assert!(later.known.has(upper));
    let first = header(101, &v4(6, 0x2000, &[], &tcp()), false);
    assert_eq!(first.fragment, Fragment::MORE);
    expect_syn(first);
    // IPv6: a destination header, then the fragment header.
    let chain = |bits: [u8; 2], next| {
        join(&[&[44, 0, 1, 4, 0, 0, 0, 0], &[next, 0, bits[0], bits[1], 0, 0, 0, 9], &tcp()])
    };
    let later = header(101, &v6(60, &chain([0, 0x08], 6)), false);
    assert_eq!((later.fragment, later.layers), (Fragment::LATER, Layers::NONE));
    assert!(later.known.has(upper.with(Known::PROTOCOL)));
    // What a later fragment of something with more headers is, only the first one tells.
    let later = header(101, &v6(60, &chain([0, 0x09], 60)), false);
    assert!(later.fragment.has(Fragment::MORE) && !later.known.has(Known::PROTOCOL));
    let atomic = header(101, &v6(60, &chain([0, 0], 6)), false);
    assert_eq!(atomic.fragment, Fragment::NONE);
    expect_syn(atomic);
}

#[test]
fn extension_headers_are_walked_to_the_upper_layer() {
    let walked = [
        (0, join(&[&[6, 0, 1, 4, 0, 0, 0, 0], &tcp()])),
        (43, join(&[&[6, 1], &[0; 14], &tcp()])),
        (51, join(&[&[6, 4], &[0; 22], &tcp()])),
        (60, join(&[&[51, 0, 1, 4, 0, 0, 0, 0], &[6, 1], &[0; 10], &tcp()])),
    ];
    for (next, payload) in walked {
        expect_syn(header(101, &v6(next, &payload), false));
    }
    for end in [50, 59] {
        let packet = header(101, &v6(end, &tcp()), false);
        assert_eq!((packet.protocol, packet.layers), (end, Layers::NONE));
        assert!(packet.known.has(Known::PORTS));
    }
    // A chain that runs out of its packet, and one that is longer than is walked.
    let out = header(101, &v6(60, &[60, 9, 0, 0, 0, 0, 0, 0]), false);
    assert!(!out.known.has(Known::PROTOCOL) && out.known.has(Known::PORTS));
    let long = header(101, &v6(60, &[60, 0, 1, 4, 0, 0, 0, 0].repeat(200)), false);
    assert!(!long.known.has(Known::PROTOCOL) && !long.known.has(Known::PORTS));
    assert!(long.known.has(Known::DST.with(Known::LENGTH)));
}

#[test]
fn what_a_short_snap_length_cuts_off_is_unknown_and_what_a_packet_lacks_is_known() {
    let packet = v4(6, 0, &[0; 8], &tcp());
    let cut = |kept: usize| match read(LinkType::RAW, &packet[..kept], 48, false) {
        Frame::Packet { header, .. } => header,
        other => panic!("{other:?}"),
    };
    for kept in [20, 28, 31] {
        assert!(!cut(kept).known.has(Known::PORTS) && !cut(kept).known.has(Known::TCP_FLAGS));
        assert!(cut(kept).known.has(Known::ICMP.with(Known::LENGTH).with(Known::PROTOCOL)));
    }
    assert!(cut(32).known.has(Known::PORTS) && !cut(41).known.has(Known::TCP_FLAGS));
    assert!(cut(42).known.has(Known::TCP_FLAGS));
    // A tiny first fragment has ports and no flags, and that is certain.
    let tiny = header(101, &v4(6, 0x2000, &[], &tcp()[..8]), false);
    assert!(tiny.known.has(Known::TCP_FLAGS) && tiny.layers == Layers::PORTS);
    // Padding of the frame is no part of the packet.
    let padded = header(1, &ethernet(0x0800, &join(&[&v4(17, 0, &[], &[0]), &[0; 25]])), false);
    assert!(padded.known.has(Known::PORTS) && padded.layers == Layers::NONE);
}

#[test]
fn lengths_that_lie_are_unknown_and_absent_ones_come_from_the_wire() {
    let with_length = |length: u16| {
        let mut packet = v4(6, 0, &[], &tcp());
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet
    };
    let bytes = |frame| match frame {
        Frame::Packet { header, bytes } => (header, bytes),
        other => panic!("{other:?}"),
    };
    // Offloaded segmentation.
    let (packet, length) = bytes(read(LinkType::RAW, &with_length(0), 9000, false));
    assert_eq!((packet.packet_length, length), (9000, 9000));
    expect_syn(packet);
    let (packet, length) = bytes(read_whole(101, &with_length(41), false));
    assert!(!packet.known.has(Known::LENGTH) && packet.packet_length == 0);
    assert_eq!((packet.dst_port, length), (443, 40));
    let (packet, _) = bytes(read_whole(101, &with_length(19), false));
    assert!(!packet.known.has(Known::LENGTH) && !packet.known.has(Known::PORTS));
    assert!(packet.known.has(Known::DST.with(Known::PROTOCOL)));
    let mut jumbo = v6(0, &join(&[&[6, 0, 0xc2, 4, 0, 1, 0x10, 0], &tcp()]));
    jumbo[4..6].copy_from_slice(&[0, 0]);
    let (packet, _) = bytes(read(LinkType::RAW, &jumbo, 70_000, false));
    assert_eq!(packet.packet_length, 70_000);
    expect_syn(packet);
    // In IPv6, too; but what says that nothing follows, or is no longer than the padding, holds nothing.
    let mut offloaded = v6(6, &tcp());
    offloaded[4..6].copy_from_slice(&[0, 0]);
    let (packet, length) = bytes(read_whole(101, &offloaded, false));
    assert_eq!((packet.packet_length, length), (60, 60));
    expect_syn(packet);
    for (next, payload) in [(59, tcp()), (6, tcp()[..6].to_vec())] {
        let mut empty = v6(next, &payload);
        empty[4..6].copy_from_slice(&[0, 0]);
        let (packet, length) = bytes(read_whole(101, &empty, false));
        assert_eq!((packet.packet_length, length, packet.layers), (40, 40, Layers::NONE));
    }
}

#[test]
fn icmp_belongs_to_its_family() {
    let icmp = header(101, &v4(1, 0, &[], &[3, 4, 0, 0]), false);
    assert_eq!((icmp.layers, icmp.icmp_type, icmp.icmp_code), (Layers::ICMP, 3, 4));
    let icmp = header(101, &v6(58, &[135, 1, 0, 0]), false);
    assert_eq!((icmp.layers, icmp.icmp_type, icmp.icmp_code), (Layers::ICMP, 135, 1));
    for other in [header(101, &v4(58, 0, &[], &[1; 4]), false), header(101, &v6(1, &[1; 4]), false)]
    {
        assert!(other.layers == Layers::NONE && other.known.has(Known::ICMP));
    }
}

#[test]
fn tunnels_are_looked_through_only_when_asked() {
    let inner = v6(6, &tcp());
    let bridged = ethernet(0x86dd, &inner);
    let gre = |flags: u8, protocol: [u8; 2], rest: &[u8], payload: &[u8]| {
        (47, join(&[&[flags, 0], &protocol, rest, payload]))
    };
    for (protocol, payload) in [
        (41, inner.clone()),
        gre(0, [0x86, 0xdd], &[], &inner),
        gre(0xb0, [0x86, 0xdd], &[0; 12], &inner),
        gre(0, [0x88, 0x47], &[0, 0, 1, 9], &inner),
        gre(0x20, [0x65, 0x58], &[0; 4], &bridged),
        gre(0x10, [0x88, 0xbe], &[0; 12], &bridged),
        gre(0, [0x88, 0xbe], &[], &bridged),
        (137, join(&[&[0, 0, 1, 9], &inner])),
        (17, udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 9, 0], &bridged]))),
        (17, udp(6081, &join(&[&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 1, 1, 0], &bridged]))),
        (17, udp(6081, &join(&[&[0, 0, 0x86, 0xdd, 0, 0, 1, 0], &inner]))),
        (4, v4(41, 0, &[], &inner)),
        (17, udp(8472, &join(&[&[8, 0, 0, 0, 0, 0, 9, 0], &bridged]))),
        (51, join(&[&[41, 4, 0, 0], &[0; 20], &inner])),
        // PPTP with and without an acknowledged number; WCCP of version 2 holds IPv4 only.
        (47, join(&[&[0x30, 0x01, 0x88, 0x0b], &[0; 8], &[0, 0x57], &inner])),
        (47, join(&[&[0x30, 0x81, 0x88, 0x0b], &[0; 12], &[0xff, 3, 0, 0x57], &inner])),
        gre(0, [0x88, 0x3e], &[0, 1, 0, 0], &v4(41, 0, &[], &inner)),
        gre(0, [0x88, 0x3e], &[], &v4(41, 0, &[], &inner)),
    ] {
        let frame = v4(protocol, 0, &[], &payload);
        let outer = header(101, &frame, false);
        assert_eq!((outer.protocol, outer.family), (protocol, Family::V4));
        assert_eq!(header(101, &frame, true), header(101, &inner, false), "{payload:02x?}");
    }
    // What cannot be read inside leaves the outer header standing.
    for (protocol, payload) in [
        gre(0, [0x88, 0x0b], &[0; 4], &inner),
        gre(0, [0x65, 0x58], &[], &ethernet(0x0806, &[0; 28])),
        (41, inner[..39].to_vec()),
        (17, udp(4789, &[0, 0, 0, 0, 0, 0, 9, 0])),
    ] {
        let frame = v4(protocol, 0, &[], &payload);
        assert_eq!(header(101, &frame, true), header(101, &frame, false));
    }
    // A first fragment shows the whole length of the packet inside.
    let frame = v4(41, 0x2000, &[], &inner[..56]);
    assert_eq!(header(101, &frame, true).packet_length, 60);
}

/// Frames of most shapes that are read, right in most of their bytes.
fn frames() -> impl Strategy<Value = (u32, Vec<u8>)> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let protocols = prop::sample::select(vec![1_u8, 4, 6, 17, 41, 47, 58, 132, 136, 50, 99]);
    let upper = (protocols, bytes(64), any::<bool>(), 0_u8..3).prop_map(
        |(protocol, bytes, vxlan, tunnel)| match (protocol, tunnel) {
            (4, _) => (4, v4(17, 0, &[], &udp(53, &bytes))),
            (41, _) => (41, v6(6, &join(&[&tcp(), &bytes]))),
            (17, 0) if vxlan => {
                let inside = ethernet(0x0800, &v4(6, 0, &[], &tcp()));
                (17, udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 9, 0], &inside])))
            }
            (47, 0) => (47, join(&[&[0, 0, 8, 0], &v4(1, 0, &[], &bytes)])),
            (6, 0) => (6, join(&[&tcp(), &bytes])),
            _ => (protocol, bytes),
        },
    );
    let chain =
        prop::collection::vec((prop::sample::select(vec![0_u8, 43, 44, 51, 60]), 0_u8..3), 0..4);
    let fragment = prop::sample::select(vec![0_u16, 0x4000, 0x2000, 0x2010, 0x00ff]);
    let ip = (upper, chain, fragment, 0_usize..4, any::<bool>()).prop_map(
        |((protocol, payload), chain, fragment, options, six)| {
            if !six {
                return v4(protocol, fragment, &vec![1; options * 4], &payload);
            }
            let (mut next, mut payload) = (protocol, payload);
            for (kind, length) in chain {
                let extension = match kind {
                    44 => vec![next, 0, (fragment >> 5) as u8 & 0x0f, 1, 0, 0, 0, 1],
                    51 => join(&[&[next, 1 + length], &vec![0; 10 + usize::from(length) * 4]]),
                    _ => join(&[&[next, length], &vec![0; 6 + usize::from(length) * 8]]),
                };
                (next, payload) = (kind, join(&[&extension, &payload]));
            }
            v6(next, &payload)
        },
    );
    (ip, 0_u8..8, bytes(20)).prop_map(|(ip, link, padding)| {
        let number = if ip[0] >> 4 == 4 { 0x0800_u16 } else { 0x86dd };
        let typed = number.to_be_bytes();
        let (link, frame) = match link {
            0 => (101, ip),
            1 => (1, ethernet(0x8100, &join(&[&[0, 1], &typed, &ip]))),
            2 => (1, ethernet(0x8847, &join(&[&[0, 1, 1, 1], &ip]))),
            3 => (113, join(&[&[0; 14], &typed, &ip])),
            4 => (276, join(&[&typed, &[0; 18], &ip])),
            5 => (104, join(&[&[0x0f, 0], &typed, &ip])),
            _ => (1, join(&[&ethernet(number, &ip), &padding])),
        };
        (link, frame)
    })
}

/// Returns what is wrong with a header by itself.
fn flaw(header: &PacketHeader) -> Option<&'static str> {
    let pairs = [
        (Layers::PORTS, Known::PORTS),
        (Layers::TCP_FLAGS, Known::TCP_FLAGS),
        (Layers::ICMP, Known::ICMP),
    ];
    if pairs.iter().any(|(layer, known)| header.layers.has(*layer) && !header.known.has(*known)) {
        return Some("carries what is not known");
    }
    if !header.layers.has(Layers::PORTS) && (header.src_port, header.dst_port) != (0, 0) {
        return Some("ports without ports");
    }
    if header.fragment.has(Fragment::LATER) && header.layers != Layers::NONE {
        return Some("a later fragment with an upper layer");
    }
    if !header.known.has(Known::LENGTH) && header.packet_length != 0 {
        return Some("an unknown length that is not zero");
    }
    None
}

/// Returns a field that the shorter header knows otherwise than the longer one.
fn contradiction(short: &PacketHeader, long: &PacketHeader) -> Option<&'static str> {
    let upper = |header: &PacketHeader| {
        (header.src_port, header.dst_port, header.layers.has(Layers::PORTS))
    };
    let fields: [(Known, bool, &'static str); 8] = [
        (Known::SRC, short.src == long.src, "src"),
        (Known::DST, short.dst == long.dst, "dst"),
        (Known::PROTOCOL, short.protocol == long.protocol, "protocol"),
        (Known::PORTS, upper(short) == upper(long), "ports"),
        (Known::TCP_FLAGS, short.tcp_flags == long.tcp_flags, "flags"),
        (Known::ICMP, short.icmp_type == long.icmp_type, "icmp"),
        (Known::LENGTH, short.packet_length == long.packet_length, "length"),
        (Known::FRAGMENT, short.fragment == long.fragment, "fragment"),
    ];
    let found = fields
        .iter()
        .find(|(known, same, _)| short.known.has(*known) && !(*same && long.known.has(*known)));
    found.map(|(_, _, name)| *name)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_frame_that_was_cut_says_less_and_nothing_else((link, frame) in frames()) {
        let original = u32::try_from(frame.len()).unwrap();
        let Frame::Packet { header: whole, .. } = read(LinkType(link), &frame, original, false)
        else {
            return Err(TestCaseError::fail("a made frame is a packet"));
        };
        for kept in 0..=frame.len() {
            for inner in [false, true] {
                match read(LinkType(link), &frame[..kept], original, inner) {
                    Frame::Packet { header, .. } => {
                        prop_assert_eq!(flaw(&header), None);
                        if !inner {
                            prop_assert_eq!(contradiction(&header, &whole), None, "at {}", kept);
                        }
                    }
                    Frame::Unread(reason) => prop_assert_eq!(reason, Reason::Cut),
                    Frame::Other(name) => prop_assert!(false, "became {}", name),
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        original in any::<u32>(),
        link in prop::sample::select(LINKS.to_vec()),
    ) {
        for original in [original, 0, 60] {
            for inner in [false, true] {
                if let Frame::Packet { header, .. } = read(LinkType(link), &bytes, original, inner) {
                    prop_assert_eq!(flaw(&header), None);
                }
            }
        }
    }

    #[test]
    fn no_damage_makes_it_panic(
        (link, frame) in frames(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        other in prop::sample::select(LINKS.to_vec()),
    ) {
        let mut frame = frame;
        for (at, byte) in damage {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        for (link, inner) in [(link, false), (link, true), (other, false), (other, true)] {
            if let Frame::Packet { header, .. } = read_whole(link, &frame, inner) {
                prop_assert_eq!(flaw(&header), None);
            }
        }
    }

    #[test]
    fn the_straight_way_reads_what_the_walk_reads(
        (v6_, tagged, udp_, later) in any::<(bool, bool, bool, bool)>(),
        damage in prop::collection::vec((12_usize..60, any::<u8>()), 0..4),
        kept in 0_usize..90,
        longer in -20_i32..60,
    ) {
        let upper = if udp_ { udp(443, b"payload") } else { tcp() };
        let protocol = if udp_ { 17 } else { 6 };
        let fragment = if later { 0x2001 } else { 0x6000 };
        let (kind, packet) = match v6_ {
            true => (0x86dd, v6(protocol, &upper)),
            false => (0x0800, v4(protocol, fragment, &[], &upper)),
        };
        let whole = match tagged {
            true => ethernet(0x8100, &join(&[&[0, 7], &u16::to_be_bytes(kind), &packet])),
            false => ethernet(kind, &packet),
        };
        prop_assert_eq!(plain::read(&whole, whole.len()).is_some(), v6_ || !later);
        let mut frame = whole;
        for (at, byte) in damage {
            let at = at.min(frame.len() - 1);
            frame[at] = byte;
        }
        let original = u32::try_from(frame.len()).unwrap().saturating_add_signed(longer);
        frame.truncate(kept);
        let wire = frame.len().max(original as usize);
        let walked = walk(LinkType::ETHERNET, &frame, wire, false);
        prop_assert_eq!(read(LinkType::ETHERNET, &frame, original, false), walked);
    }
}
