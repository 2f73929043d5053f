//! What a frame carries in UDP, for those who look into it.

use super::{LinkType, Network, Reason, View, ip, link};
use crate::model::ordinary::{DESTINATION, FRAGMENT, HOP_BY_HOP, ROUTING, UDP};
use crate::model::{Address, Known};

/// What a frame carries.
#[derive(Clone, Copy, Debug)]
pub enum Carried<'a> {
    /// A UDP datagram, or its start.
    Datagram(Datagram<'a>),
    /// A part of one that was sent in several IP packets.
    Fragment(Fragment<'a>),
    /// An IP packet of another kind.
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

/// A part of a UDP datagram (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// Who sent it.
    pub src: Address,
    /// To whom.
    pub dst: Address,
    /// What the parts of one datagram have in common.
    pub id: u32,
    /// Where it stands in the datagram, in bytes; the header of UDP counts.
    pub offset: usize,
    /// Whether more of it follows.
    pub more: bool,
    /// What was kept of it.
    pub bytes: &'a [u8],
    /// How long it was.
    pub length: usize,
}

impl<'a> Fragment<'a> {
    /// Returns the start of the datagram, if that is what the part is.
    pub fn start(&self) -> Option<Datagram<'a>> {
        let view = View { bytes: self.bytes, wire: usize::MAX };
        (self.offset == 0).then(|| datagram(self.src, view))?
    }
}

/// Reads a UDP datagram, or its start; none if its header is not there or its length is a lie.
pub fn datagram_of(src: Address, bytes: &[u8]) -> Option<Datagram<'_>> {
    datagram(src, View { bytes, wire: bytes.len() })
}

fn datagram(src: Address, view: View<'_>) -> Option<Datagram<'_>> {
    let (src_port, length) = (view.u16(0)?, view.u16(4)?);
    let length = usize::from(length).checked_sub(8)?;
    let rest = view.skip(8);
    // A length beyond the packet is a lie, and what the rest means is not known.
    if length > rest.wire {
        return None;
    }
    let payload = rest.bytes.get(..length).unwrap_or(rest.bytes);
    Some(Datagram { src, src_port, payload, length })
}

/// Looks for a UDP datagram in a frame of which `frame` was kept and `original_length` bytes were
/// on the wire (RFC 768). Tunnels are not looked through.
pub fn carried(link: LinkType, frame: &[u8], original_length: u32) -> Carried<'_> {
    let wire = usize::try_from(original_length).unwrap_or(usize::MAX).max(frame.len());
    let (packet, place) = match link::read(link, View { bytes: frame, wire }) {
        Network::V4(view) => (ip::v4(view), place_v4(view)),
        Network::V6(view) => (ip::v6(view), place_v6(view)),
        Network::Other(name) => return Carried::Other(name),
        Network::Unread(reason) => return Carried::Unread(reason),
    };
    let packet = match packet {
        Ok(packet) => packet,
        Err(reason) => return Carried::Unread(reason),
    };
    let header = &packet.header;
    if !header.known.has(Known::PROTOCOL) || header.protocol != UDP {
        return Carried::Packet;
    }
    let (src, dst) = (header.src_address(), header.dst_address());
    let found = match (header.fragment.is_fragment(), place, packet.payload) {
        (true, Some((view, Place { id, offset, more, length })), _) => {
            let bytes = view.bytes.get(..length).unwrap_or(view.bytes);
            Some(Carried::Fragment(Fragment { src, dst, id, offset, more, bytes, length }))
        }
        (false, _, Some(view)) => datagram(src, view).map(Carried::Datagram),
        _ => None,
    };
    found.unwrap_or(Carried::Packet)
}

/// Where a fragment stands.
struct Place {
    id: u32,
    offset: usize,
    more: bool,
    length: usize,
}

/// Returns where a fragment stands and what it holds; none if its lengths do not fit.
fn place_v4(view: View<'_>) -> Option<(View<'_>, Place)> {
    let header = usize::from(view.u8(0)? & 15) * 4;
    let length = usize::from(view.u16(2)?).checked_sub(header)?;
    let (id, bits) = (view.u16(4)?, view.u16(6)?);
    let (offset, more) = (usize::from(bits & 0x1fff) * 8, bits & 0x2000 != 0);
    let rest = view.skip(header);
    (length <= rest.wire).then_some((rest, Place { id: id.into(), offset, more, length }))
}

fn place_v6(view: View<'_>) -> Option<(View<'_>, Place)> {
    let mut next = view.u8(6)?;
    let mut left = usize::from(view.u16(4)?);
    let mut view = view.skip(40);
    if left > view.wire {
        return None;
    }
    while matches!(next, HOP_BY_HOP | ROUTING | DESTINATION) {
        let length = (usize::from(view.u8(1)?) + 1) * 8;
        (next, left, view) = (view.u8(0)?, left.checked_sub(length)?, view.skip(length));
    }
    // Headers between this one and the datagram are too rare to be looked through.
    if next != FRAGMENT || view.u8(0)? != UDP {
        return None;
    }
    let bits = view.u16(2)?;
    let (offset, more) = (usize::from(bits & 0xfff8), bits & 1 != 0);
    Some((view.skip(8), Place { id: view.u32(4)?, offset, more, length: left.checked_sub(8)? }))
}
