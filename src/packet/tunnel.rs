//! Tunnels: from the payload of an IP packet to the frame or packet in it.

use super::{Inside, Packet, UNKNOWN, View};
use crate::model::ordinary::AUTHENTICATION;
use crate::model::{Known, Layers};

/// That of IANA, and the one that Linux takes unless told otherwise.
const VXLAN_PORTS: [u16; 2] = [4789, 8472];
const GENEVE_PORT: u16 = 6081;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const MPLS: u16 = 0x8847;
const BRIDGED: u16 = 0x6558;
const ERSPAN: u16 = 0x88be;
const WCCP: u16 = 0x883e;
const PPP: u16 = 0x880b;

/// Returns what a packet tunnels, if it is a tunnel that can be looked through.
pub(super) fn inside<'a>(packet: &Packet<'a>) -> Option<Inside<'a>> {
    let header = &packet.header;
    let mut view = packet.payload?;
    if !header.known.has(Known::PROTOCOL) {
        return None;
    }
    if header.fragment.is_fragment() {
        // The rest of what is inside comes in other packets.
        view.wire = UNKNOWN;
    }
    match header.protocol {
        4 => Some(Inside::EtherType(IPV4, view)),
        41 => Some(Inside::EtherType(IPV6, view)),
        47 => gre(view),
        AUTHENTICATION => authenticated(view),
        137 => Some(Inside::EtherType(MPLS, view)),
        17 if header.layers.has(Layers::PORTS) => match header.dst_port {
            port if VXLAN_PORTS.contains(&port) => vxlan(view.skip(8)),
            GENEVE_PORT => geneve(view.skip(8)),
            _ => None,
        },
        _ => None,
    }
}

/// AH in tunnel mode (RFC 4302, section 3.1.2), in IPv4; in IPv6 it is one of the headers.
fn authenticated(view: View<'_>) -> Option<Inside<'_>> {
    let rest = view.skip((usize::from(view.u8(1)?) + 2) * 4);
    match view.u8(0)? {
        4 => Some(Inside::EtherType(IPV4, rest)),
        41 => Some(Inside::EtherType(IPV6, rest)),
        _ => None,
    }
}

/// GRE of RFC 2784 and 2890, and version 1 of PPTP (RFC 2637); source routes (RFC 1701) are gone.
fn gre(view: View<'_>) -> Option<Inside<'_>> {
    let (flags, protocol) = (view.u16(0)?, view.u16(2)?);
    if flags & 7 == 1 && protocol == PPP {
        let [sequence, acknowledged] = [0x1000, 0x0080].map(|bit| flags & bit != 0);
        return Some(Inside::Ppp(
            view.skip(8 + 4 * (usize::from(sequence) + usize::from(acknowledged))),
        ));
    }
    if flags & 0x4007 != 0 {
        return None;
    }
    let [checksum, key, sequence] = [0x8000, 0x2000, 0x1000].map(|bit| flags & bit != 0);
    let length = 4 + 4 * [checksum, key, sequence].into_iter().filter(|part| *part).count();
    let rest = view.skip(length);
    match protocol {
        IPV4 | IPV6 | MPLS => Some(Inside::EtherType(protocol, rest)),
        BRIDGED => Some(Inside::Ethernet(rest)),
        // Version 2 of WCCP has four bytes of its own, which never look like an IPv4 header.
        WCCP if rest.u8(0)? >> 4 == 4 => Some(Inside::EtherType(IPV4, rest)),
        WCCP => Some(Inside::EtherType(IPV4, rest.skip(4))),
        // ERSPAN II has a sequence number and eight bytes of its own; I has neither.
        ERSPAN => Some(Inside::Ethernet(if sequence { rest.skip(8) } else { rest })),
        _ => None,
    }
}

/// VXLAN of RFC 7348: the one flag says that the network number is valid.
fn vxlan(view: View<'_>) -> Option<Inside<'_>> {
    (view.u8(0)? & 0x08 != 0).then(|| Inside::Ethernet(view.skip(8)))
}

/// Geneve of RFC 8926, version 0.
fn geneve(view: View<'_>) -> Option<Inside<'_>> {
    let (first, protocol) = (view.u8(0)?, view.u16(2)?);
    if first >> 6 != 0 {
        return None;
    }
    let rest = view.skip(8 + usize::from(first & 0x3f) * 4);
    match protocol {
        IPV4 | IPV6 | MPLS => Some(Inside::EtherType(protocol, rest)),
        BRIDGED => Some(Inside::Ethernet(rest)),
        _ => None,
    }
}
