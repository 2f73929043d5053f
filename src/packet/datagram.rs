//! What a frame carries in UDP, for those who look into it.

use super::{Frame, LinkType, Reason, View, link, network};
use crate::model::ordinary::UDP;
use crate::model::{Address, Known};

/// What a frame carries.
pub enum Carried<'a> {
    /// A UDP datagram, or its start.
    Datagram(Datagram<'a>),
    /// An IP packet of another kind, or a part of one.
    Packet,
    /// No IP: the name of what it is.
    Other(&'static str),
    /// What should have been readable.
    Unread(Reason),
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub src: Address,
    /// From which port.
    pub src_port: u16,
    /// What was kept of its payload.
    pub payload: &'a [u8],
    /// How long the payload was.
    pub length: usize,
}

/// Looks for a UDP datagram in a frame of which `frame` was kept and `original_length` bytes were
/// on the wire (RFC 768). Tunnels are not looked through.
pub fn carried(link: LinkType, frame: &[u8], original_length: u32) -> Carried<'_> {
    let wire = usize::try_from(original_length).unwrap_or(usize::MAX).max(frame.len());
    let packet = match network(link::read(link, View { bytes: frame, wire })) {
        Ok(packet) => packet,
        Err(Frame::Other(name)) => return Carried::Other(name),
        Err(Frame::Unread(reason)) => return Carried::Unread(reason),
        Err(Frame::Packet { .. }) => return Carried::Packet,
    };
    let header = &packet.header;
    let is_udp = header.known.has(Known::PROTOCOL) && header.protocol == UDP;
    let (true, false, Some(view)) = (is_udp, header.fragment.is_fragment(), packet.payload) else {
        return Carried::Packet;
    };
    let (Some(src_port), Some(length)) = (view.u16(0), view.u16(4)) else {
        return Carried::Packet;
    };
    let Some(length) = usize::from(length).checked_sub(8) else { return Carried::Packet };
    let rest = view.skip(8);
    // A length beyond the packet is a lie, and what the rest means is not known.
    if length > rest.wire {
        return Carried::Packet;
    }
    let payload = rest.bytes.get(..length).unwrap_or(rest.bytes);
    Carried::Datagram(Datagram { src: header.src_address(), src_port, payload, length })
}
