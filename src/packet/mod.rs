//! Bytes of a frame in, a [`PacketHeader`] out. Knows nothing of files.
//!
//! Three things can come of a frame: a header; the name of something that carries no IP and so is
//! nobody's; or the reason why it could not be read. Within a header, what the recording did not
//! keep (a short snap length) or what a lying header hides is *unknown*, never zero; what the
//! packet does not hold because it ends first, or because it is a later fragment, is known not to
//! be there.
//!
//! | read | how |
//! |---|---|
//! | Ethernet | 802.1Q and 802.1ad tags, MPLS, PPPoE sessions, LLC/SNAP |
//! | raw IP, BSD loopback, Linux cooked 1 and 2, PPP, Cisco HDLC | fully |
//! | IPv4, IPv6 | options skipped; hop-by-hop, routing, destination, fragment and AH walked |
//! | GRE, PPTP, WCCP, ERSPAN II, IP in IP, AH in IPv4, MPLS in IP, VXLAN, Geneve | only when asked to look through tunnels |
//! | 802.11, MACsec, provider backbone bridges, pseudowires | refused, with the reason |

mod datagram;
mod ip;
mod link;
mod plain;
mod tunnel;

use std::fmt;

use crate::model::PacketHeader;
pub use datagram::{Carried, Datagram, Fragment, carried, datagram_of};

/// How many tunnels are looked through, one in the other.
const NESTING: usize = 8;

/// The kind of frames a capture holds: a LINKTYPE_ number of the tcpdump project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// Ethernet, by far the commonest.
    pub const ETHERNET: LinkType = LinkType(1);
    /// IP without anything before it.
    pub const RAW: LinkType = LinkType(101);
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// It is an IP packet.
    Packet {
        /// Its header. PoP and direction are not known here.
        header: PacketHeader,
        /// The length of the IP packet: what the header says, or else what was on the wire.
        bytes: u32,
    },
    /// It carries no IP: the name of what it carries.
    Other(&'static str),
    /// It should have been readable.
    Unread(Reason),
}

/// Why a frame was not read. Small and copied, so that naming it costs nothing per frame; its
/// words are in [`fmt::Display`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It ends before the end of its IP header.
    Cut,
    /// It claims to be IP of one version and starts like another.
    Version,
    /// Its IPv4 header claims to be shorter than one can be.
    HeaderLength,
    /// More tags and labels than anyone uses.
    Tags,
    /// MPLS with something else than IP in it: mostly a pseudowire.
    Pseudowire,
    /// This EtherType.
    EtherType(u16),
    /// This PPP protocol.
    PppProtocol(u16),
    /// This address family of a BSD loopback.
    AddressFamily(u32),
    /// This link type.
    LinkType(LinkType),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Cut => f.write_str("cut off before the end of the IP header"),
            Reason::Version => f.write_str("not of the IP version that it claims"),
            Reason::HeaderLength => f.write_str("IPv4 header length below 20 bytes"),
            Reason::Tags => f.write_str("too many VLAN tags or MPLS labels"),
            Reason::Pseudowire => f.write_str("no IP in MPLS"),
            Reason::EtherType(number) => write!(f, "EtherType {number:#06x} not read"),
            Reason::PppProtocol(number) => write!(f, "PPP protocol {number:#06x} not read"),
            Reason::AddressFamily(number) => write!(f, "address family {number} not read"),
            Reason::LinkType(LinkType(number)) => write!(f, "link type {number} not read"),
        }
    }
}

/// Reads a frame of which `frame` was kept and `original_length` bytes were on the wire.
///
/// With `inner`, tunnels are looked through: the innermost readable IP header is the header.
/// Without, the outermost one is. Allocates nothing, and holds still for any bytes.
#[inline]
pub fn read(link: LinkType, frame: &[u8], original_length: u32, inner: bool) -> Frame {
    // Some writers claim less than they kept; the bytes are there all the same.
    let wire = usize::try_from(original_length).unwrap_or(usize::MAX).max(frame.len());
    let plain = if link == LinkType::ETHERNET && !inner { plain::read(frame, wire) } else { None };
    plain.unwrap_or_else(|| walk(link, frame, wire, inner))
}

/// Reads any frame, header by header.
fn walk(link: LinkType, frame: &[u8], wire: usize, inner: bool) -> Frame {
    let mut packet = match network(link::read(link, View { bytes: frame, wire })) {
        Ok(packet) => packet,
        Err(frame) => return frame,
    };
    if inner {
        for _ in 0..NESTING {
            let Some(inside) = tunnel::inside(&packet) else { break };
            let Ok(found) = network(link::inside(inside)) else { break };
            packet = found;
        }
    }
    Frame::Packet { header: packet.header, bytes: packet.length }
}

fn network(network: Network<'_>) -> Result<Packet<'_>, Frame> {
    match network {
        Network::V4(view) => ip::v4(view).map_err(Frame::Unread),
        Network::V6(view) => ip::v6(view).map_err(Frame::Unread),
        Network::Other(name) => Err(Frame::Other(name)),
        Network::Unread(reason) => Err(Frame::Unread(reason)),
    }
}

/// The rest of a frame: what was kept of it, and how long it was on the wire.
#[derive(Clone, Copy)]
struct View<'a> {
    bytes: &'a [u8],
    /// [`UNKNOWN`] where nobody can tell.
    wire: usize,
}

/// The length of something whose end is not certain.
const UNKNOWN: usize = usize::MAX;

/// Whether a view holds its first so many bytes.
#[derive(PartialEq, Eq)]
enum Holds {
    /// They are here.
    Yes,
    /// They were on the wire, or may have been.
    Cut,
    /// The packet ended before.
    No,
}

impl<'a> View<'a> {
    fn skip(self, count: usize) -> View<'a> {
        let wire = if self.wire == UNKNOWN { UNKNOWN } else { self.wire.saturating_sub(count) };
        View { bytes: self.bytes.get(count..).unwrap_or_default(), wire }
    }

    /// Returns the first so many bytes of the view.
    fn limit(self, count: usize) -> View<'a> {
        View { bytes: self.bytes.get(..count).unwrap_or(self.bytes), wire: count }
    }

    fn holds(self, count: usize) -> Holds {
        if self.bytes.len() >= count {
            Holds::Yes
        } else if self.wire >= count {
            Holds::Cut
        } else {
            Holds::No
        }
    }

    fn u8(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn u16(self, at: usize) -> Option<u16> {
        let [a, b] = *self.bytes.get(at..)?.first_chunk()?;
        Some(u16::from_be_bytes([a, b]))
    }

    fn u32(self, at: usize) -> Option<u32> {
        Some(u32::from_be_bytes(*self.bytes.get(at..)?.first_chunk()?))
    }
}

/// What a link layer carries.
enum Network<'a> {
    V4(View<'a>),
    V6(View<'a>),
    Other(&'static str),
    Unread(Reason),
}

/// An IP packet and what it carries.
struct Packet<'a> {
    header: PacketHeader,
    length: u32,
    /// The upper layer; none where it cannot be found or is a later fragment.
    payload: Option<View<'a>>,
}

/// What a tunnel carries.
enum Inside<'a> {
    Ethernet(View<'a>),
    EtherType(u16, View<'a>),
    Ppp(View<'a>),
}

#[cfg(test)]
mod tests;
