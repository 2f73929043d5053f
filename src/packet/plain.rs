//! The commonest packets by far, read straight: TCP and UDP in IPv4 without options or IPv6
//! without extensions, whole as far as rules look, on Ethernet with at most one tag.
//!
//! It knows nothing that the walk through all headers does not know, and must agree with it; what
//! is in any way unusual is left to that walk.

use super::Frame;
use crate::model::ordinary::{TCP, UDP};
use crate::model::{Family, Fragment, Known, Layers, PacketHeader};

/// What is known of a packet that is whole.
const KNOWN: Known = Known::ALL.without(Known::POP).without(Known::DIRECTION);

/// Reads an Ethernet frame of which `wire` bytes were on the wire; none if it is not plain.
#[inline]
pub(super) fn read(frame: &[u8], wire: usize) -> Option<Frame> {
    let (start, rest) = frame.split_first_chunk::<14>()?;
    match u16::from_be_bytes([start[12], start[13]]) {
        0x0800 => v4(rest, wire - 14),
        0x86dd => v6(rest, wire - 14),
        0x8100 => {
            let (tag, rest) = rest.split_first_chunk::<4>()?;
            match u16::from_be_bytes([tag[2], tag[3]]) {
                0x0800 => v4(rest, wire - 18),
                0x86dd => v6(rest, wire - 18),
                _ => None,
            }
        }
        _ => None,
    }
}

#[inline]
fn v4(packet: &[u8], wire: usize) -> Option<Frame> {
    let (fixed, payload) = packet.split_first_chunk::<20>()?;
    let length = u16::from_be_bytes([fixed[2], fixed[3]]);
    let fragment = u16::from_be_bytes([fixed[6], fixed[7]]);
    let is_later = fragment & 0x1fff != 0;
    if fixed[0] != 0x45 || is_later || usize::from(length) > wire {
        return None;
    }
    let upper = upper(fixed[9], payload, usize::from(length).checked_sub(20)?)?;
    let more = if fragment & 0x2000 == 0 { Fragment::NONE } else { Fragment::MORE };
    let dont = if fragment & 0x4000 == 0 { Fragment::NONE } else { Fragment::DONT };
    let [.., a, b, c, d, e, f, g, h] = *fixed;
    Some(Frame::Packet {
        header: PacketHeader {
            src: u128::from(u32::from_be_bytes([a, b, c, d])),
            dst: u128::from(u32::from_be_bytes([e, f, g, h])),
            protocol: fixed[9],
            packet_length: u32::from(length),
            dscp: fixed[1] >> 2,
            ttl: fixed[8],
            fragment: more.with(dont),
            ..upper.header(Family::V4)
        },
        bytes: u32::from(length),
    })
}

#[inline]
fn v6(packet: &[u8], wire: usize) -> Option<Frame> {
    let (fixed, payload) = packet.split_first_chunk::<40>()?;
    let length = u16::from_be_bytes([fixed[4], fixed[5]]);
    if fixed[0] >> 4 != 6 || 40 + usize::from(length) > wire {
        return None;
    }
    let upper = upper(fixed[6], payload, usize::from(length))?;
    let (addresses, _) = fixed[8..].as_chunks::<16>();
    let [src, dst] = *addresses else { return None };
    Some(Frame::Packet {
        header: PacketHeader {
            src: u128::from_be_bytes(src),
            dst: u128::from_be_bytes(dst),
            protocol: fixed[6],
            packet_length: 40 + u32::from(length),
            dscp: (u16::from_be_bytes([fixed[0], fixed[1]]) >> 6 & 0x3f) as u8,
            ttl: fixed[7],
            ..upper.header(Family::V6)
        },
        bytes: 40 + u32::from(length),
    })
}

/// What rules look at in TCP and UDP.
struct Upper {
    ports: [u16; 2],
    tcp_flags: u8,
    layers: Layers,
}

/// Reads an upper layer of so many bytes.
#[inline]
fn upper(protocol: u8, bytes: &[u8], length: usize) -> Option<Upper> {
    let (tcp_flags, layers) = match protocol {
        TCP if length >= 14 => (*bytes.get(13)?, Layers::PORTS.with(Layers::TCP_FLAGS)),
        UDP if length >= 4 => (0, Layers::PORTS),
        _ => return None,
    };
    let [a, b, c, d] = *bytes.first_chunk()?;
    let ports = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    Some(Upper { ports, tcp_flags, layers })
}

impl Upper {
    #[inline]
    fn header(self, family: Family) -> PacketHeader {
        PacketHeader {
            known: KNOWN,
            layers: self.layers,
            src_port: self.ports[0],
            dst_port: self.ports[1],
            tcp_flags: self.tcp_flags,
            ..PacketHeader::unknown(family)
        }
    }
}
