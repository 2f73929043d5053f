//! IPv4 and IPv6 headers, and the first fields of what they carry.

use super::{Holds, Packet, Reason, UNKNOWN, View};
use crate::model::ordinary::{
    AUTHENTICATION, DESTINATION, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, ROUTING, SCTP, TCP, UDP,
    UDPLITE, is_extension,
};
use crate::model::{Family, Fragment, Known, Layers, PacketHeader};

/// No upper layer (RFC 8200, section 4.7).
const NONE: u8 = 59;

/// How many IPv6 extension headers are walked; beyond them the upper layer is unknown.
const EXTENSIONS: usize = 64;

/// The IPv6 option of jumbograms (RFC 2675), always the first of its header.
const JUMBO: u8 = 0xc2;

/// All fields of the upper layer.
const UPPER: Known = Known::PORTS.with(Known::TCP_FLAGS).with(Known::ICMP);

pub(super) fn v4(view: View<'_>) -> Result<Packet<'_>, Reason> {
    let fixed: &[u8; 20] = start(view, 4)?;
    let header_length = usize::from(fixed[0] & 0x0f) * 4;
    if header_length < 20 {
        return Err(Reason::HeaderLength);
    }
    let mut header = PacketHeader::unknown(Family::V4);
    header.known = Known::SRC.with(Known::DST).with(Known::PROTOCOL);
    header.known = header.known.with(Known::DSCP).with(Known::TTL).with(Known::FRAGMENT);
    header.dscp = fixed[1] >> 2;
    header.ttl = fixed[8];
    header.protocol = fixed[9];
    header.src = u128::from(view.u32(12).ok_or(Reason::Cut)?);
    header.dst = u128::from(view.u32(16).ok_or(Reason::Cut)?);
    let fragment = u16::from_be_bytes([fixed[6], fixed[7]]);
    for (mask, bit) in
        [(0x1fff, Fragment::LATER), (0x2000, Fragment::MORE), (0x4000, Fragment::DONT)]
    {
        if fragment & mask != 0 {
            header.fragment = header.fragment.with(bit);
        }
    }
    let claimed = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    // A network card that cuts segments itself is handed a total length of zero.
    let claimed = if claimed == 0 { view.wire } else { claimed };
    let whole = if claimed < header_length {
        // The packet ends in its own header: whatever follows is not to be trusted.
        View { bytes: view.bytes.get(..header_length).unwrap_or(view.bytes), wire: UNKNOWN }
    } else {
        cut_to_length(&mut header, view, claimed)
    };
    Ok(finish(header, view, whole.skip(header_length)))
}

pub(super) fn v6(view: View<'_>) -> Result<Packet<'_>, Reason> {
    let fixed: &[u8; 40] = start(view, 6)?;
    let mut header = PacketHeader::unknown(Family::V6);
    header.known = Known::SRC.with(Known::DST).with(Known::DSCP).with(Known::TTL);
    header.dscp = (view.u16(0).ok_or(Reason::Cut)? >> 6 & 0x3f) as u8;
    header.ttl = fixed[7];
    header.src = address(fixed, 8);
    header.dst = address(fixed, 24);
    let next = fixed[6];
    let claimed = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    let jumbo = next == HOP_BY_HOP && view.u8(42) == Some(JUMBO);
    // Large segments inside a host may lack even the option; what is too short for a header of TCP is
    // padding.
    let longer = view.wire != UNKNOWN && view.wire >= 40 + 20 && next != NONE;
    let claimed = if claimed == 0 && (jumbo || longer) { view.wire } else { 40 + claimed };
    let whole = cut_to_length(&mut header, view, claimed);
    Ok(match upper(&mut header, next, whole.skip(40)) {
        Some(payload) => finish(header, view, payload),
        None => packet(header, view, None),
    })
}

/// Returns the fixed part of a header of this version.
fn start<const N: usize>(view: View<'_>, version: u8) -> Result<&[u8; N], Reason> {
    if view.u8(0).ok_or(Reason::Cut)? >> 4 != version {
        return Err(Reason::Version);
    }
    view.bytes.first_chunk().ok_or(Reason::Cut)
}

fn address(fixed: &[u8; 40], at: usize) -> u128 {
    fixed[at..].first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// Sets the length if the header's claim fits what was on the wire, and returns the packet
/// without what follows it in the frame. Where the claim does not fit, the end is not certain.
fn cut_to_length<'a>(header: &mut PacketHeader, view: View<'a>, claimed: usize) -> View<'a> {
    match u32::try_from(claimed) {
        Ok(length) if claimed <= view.wire && claimed != UNKNOWN => {
            header.packet_length = length;
            header.known = header.known.with(Known::LENGTH);
            view.limit(claimed)
        }
        _ => View { bytes: view.bytes, wire: UNKNOWN },
    }
}

/// Walks the extension headers of IPv6 and sets protocol and fragment bits. Returns the upper
/// layer where there is one to be found; sets what is known of it where there is none.
fn upper<'a>(header: &mut PacketHeader, first: u8, mut view: View<'a>) -> Option<View<'a>> {
    let mut next = first;
    for _ in 0..EXTENSIONS {
        let least = match next {
            HOP_BY_HOP | ROUTING | DESTINATION | AUTHENTICATION => 2,
            FRAGMENT => 8,
            _ => {
                header.protocol = next;
                header.known = header.known.with(Known::PROTOCOL).with(Known::FRAGMENT);
                return Some(view);
            }
        };
        let (Holds::Yes, Some(following), Some(second)) =
            (view.holds(least), view.u8(0), view.u8(1))
        else {
            if view.holds(least) == Holds::No {
                // The chain of headers runs out of the packet: no upper layer is in it.
                header.known = header.known.with(UPPER).with(Known::FRAGMENT);
            }
            return None;
        };
        let length = match next {
            FRAGMENT => {
                let bits = view.u16(2)?;
                if bits & 1 != 0 {
                    header.fragment = header.fragment.with(Fragment::MORE);
                }
                if bits & 0xfff8 != 0 {
                    // The number here is that of the first header of the whole packet's rest,
                    // which is the upper layer only if it is no extension header.
                    header.fragment = header.fragment.with(Fragment::LATER);
                    header.known = header.known.with(UPPER).with(Known::FRAGMENT);
                    if !is_extension(following) {
                        header.protocol = following;
                        header.known = header.known.with(Known::PROTOCOL);
                    }
                    return None;
                }
                8
            }
            AUTHENTICATION => (usize::from(second) + 2) * 4,
            _ => (usize::from(second) + 1) * 8,
        };
        (next, view) = (following, view.skip(length));
    }
    None
}

/// Reads the upper layer, unless it is a later part of one.
fn finish<'a>(mut header: PacketHeader, whole: View<'a>, payload: View<'a>) -> Packet<'a> {
    if header.fragment.has(Fragment::LATER) {
        header.known = header.known.with(UPPER);
        return packet(header, whole, None);
    }
    transport(&mut header, payload);
    packet(header, whole, Some(payload))
}

fn packet<'a>(header: PacketHeader, whole: View<'a>, payload: Option<View<'a>>) -> Packet<'a> {
    let length = if header.known.has(Known::LENGTH) {
        header.packet_length
    } else if whole.wire == UNKNOWN {
        clamp(whole.bytes.len())
    } else {
        clamp(whole.wire)
    };
    Packet { header, length, payload }
}

fn clamp(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Sets ports, TCP flags and ICMP type and code: each is read, or was cut off and is unknown, or
/// is known not to be there.
fn transport(header: &mut PacketHeader, view: View<'_>) {
    let (mut ports, mut flags, mut icmp) = (Holds::No, Holds::No, Holds::No);
    match (header.protocol, header.family) {
        (TCP, _) => (ports, flags) = (view.holds(4), view.holds(14)),
        (UDP | UDPLITE | SCTP, _) => ports = view.holds(4),
        (ICMP, Family::V4) | (ICMPV6, Family::V6) => icmp = view.holds(2),
        _ => {}
    }
    if let (Holds::Yes, Some(src), Some(dst)) = (&ports, view.u16(0), view.u16(2)) {
        (header.src_port, header.dst_port) = (src, dst);
        header.layers = header.layers.with(Layers::PORTS);
    }
    if let (Holds::Yes, Some(bits)) = (&flags, view.u8(13)) {
        header.tcp_flags = bits;
        header.layers = header.layers.with(Layers::TCP_FLAGS);
    }
    if let (Holds::Yes, Some(kind), Some(code)) = (&icmp, view.u8(0), view.u8(1)) {
        (header.icmp_type, header.icmp_code) = (kind, code);
        header.layers = header.layers.with(Layers::ICMP);
    }
    for (holds, field) in [(ports, Known::PORTS), (flags, Known::TCP_FLAGS), (icmp, Known::ICMP)] {
        if holds != Holds::Cut {
            header.known = header.known.with(field);
        }
    }
}
