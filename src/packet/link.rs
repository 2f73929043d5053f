//! Link layers: from the first byte of a frame to the IP header in it.

use super::{Inside, LinkType, Network, Reason, View};

/// How many VLAN tags, MPLS labels and session headers are walked.
const TAGS: usize = 16;

pub(super) fn read(link: LinkType, frame: View<'_>) -> Network<'_> {
    match link.0 {
        0 | 108 => loopback(frame),
        1 => ethernet(frame),
        9 | 50 => ppp(frame),
        // OpenBSD and others wrote 12 and 14 for raw IP before 101 was agreed on.
        12 | 14 | 101 => raw(frame),
        104 => typed_at(frame, 2, 4),
        113 => typed_at(frame, 14, 16),
        228 => Network::V4(frame),
        229 => Network::V6(frame),
        276 => typed_at(frame, 0, 20),
        _ => Network::Unread(Reason::LinkType(link)),
    }
}

pub(super) fn inside(inside: Inside<'_>) -> Network<'_> {
    match inside {
        Inside::Ethernet(frame) => ethernet(frame),
        Inside::EtherType(ether_type, view) => typed(ether_type, view),
        Inside::Ppp(frame) => ppp(frame),
    }
}

fn ethernet(frame: View<'_>) -> Network<'_> {
    typed_at(frame, 12, 14)
}

fn typed_at(frame: View<'_>, type_at: usize, payload_at: usize) -> Network<'_> {
    match frame.u16(type_at) {
        Some(ether_type) => typed(ether_type, frame.skip(payload_at)),
        None => Network::Unread(Reason::Cut),
    }
}

/// Reads what follows an EtherType, through all tags and labels.
fn typed(mut ether_type: u16, mut view: View<'_>) -> Network<'_> {
    for _ in 0..TAGS {
        match ether_type {
            0x0800 => return Network::V4(view),
            0x86dd => return Network::V6(view),
            // 802.1Q, 802.1ad, and the numbers that stacked tags had before it.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => {
                let Some(next) = view.u16(2) else { return Network::Unread(Reason::Cut) };
                (ether_type, view) = (next, view.skip(4));
            }
            0x8847 | 0x8848 => return mpls(view),
            // A PPPoE session header, then a PPP protocol number.
            0x8864 => return ppp_protocol(view.skip(6)),
            // 802.3: a length, then LLC.
            0..0x0600 => match llc(view) {
                Ok((next, rest)) => (ether_type, view) = (next, rest),
                Err(found) => return found,
            },
            _ => {
                return match name(ether_type) {
                    Some(name) => Network::Other(name),
                    None => Network::Unread(Reason::EtherType(ether_type)),
                };
            }
        }
    }
    Network::Unread(Reason::Tags)
}

/// Returns the name of an EtherType that carries no IP, in whatever wrapping.
fn name(ether_type: u16) -> Option<&'static str> {
    Some(match ether_type {
        0x0806 => "arp",
        0x2000 => "cdp",
        0x6000..=0x6007 => "dec",
        0x8035 => "rarp or slarp",
        0x809b | 0x80f3 => "appletalk",
        0x8137 => "ipx",
        0x8808 => "ethernet flow control",
        0x8809 => "lacp or other slow protocol",
        0x8863 => "pppoe discovery",
        0x887b | 0x88e1 => "homeplug",
        0x888e => "802.1x",
        0x8892 => "profinet",
        0x88a2 => "ata over ethernet",
        0x88a4 => "ethercat",
        0x88b8..=0x88ba => "iec 61850",
        0x88cc => "lldp",
        0x88f7 => "ptp",
        0x8902 => "ethernet oam",
        0x8906 | 0x8914 => "fibre channel",
        0x893a => "ieee 1905",
        0x9000 => "ethernet loop test",
        _ => return None,
    })
}

/// Reads an LLC header: an EtherType if SNAP gives one, else what it is.
fn llc(view: View<'_>) -> Result<(u16, View<'_>), Network<'_>> {
    let (Some(dsap), Some(ssap), Some(control)) = (view.u8(0), view.u8(1), view.u8(2)) else {
        return Err(Network::Unread(Reason::Cut));
    };
    match (dsap, ssap, control) {
        (0xaa, 0xaa, 0x03) => match (view.u8(3), view.u16(4), view.u16(6)) {
            (Some(0), Some(0), Some(ether_type)) => Ok((ether_type, view.skip(8))),
            (Some(_), Some(_), Some(_)) => Err(Network::Other("llc")),
            _ => Err(Network::Unread(Reason::Cut)),
        },
        (0x06, 0x06, 0x03) => Ok((0x0800, view.skip(3))),
        (0x42, 0x42, _) => Err(Network::Other("stp")),
        (0xfe, 0xfe, _) => Err(Network::Other("is-is")),
        _ => Err(Network::Other("llc")),
    }
}

/// Walks a label stack. What follows the last label says what it is by its first half byte alone.
fn mpls(mut view: View<'_>) -> Network<'_> {
    for _ in 0..TAGS {
        let Some(entry) = view.u32(0) else { return Network::Unread(Reason::Cut) };
        view = view.skip(4);
        if entry & 0x100 != 0 {
            return match view.u8(0).map(|first| first >> 4) {
                Some(4) => Network::V4(view),
                Some(6) => Network::V6(view),
                Some(_) => Network::Unread(Reason::Pseudowire),
                None => Network::Unread(Reason::Cut),
            };
        }
    }
    Network::Unread(Reason::Tags)
}

fn raw(view: View<'_>) -> Network<'_> {
    match view.u8(0).map(|first| first >> 4) {
        Some(4) => Network::V4(view),
        Some(6) => Network::V6(view),
        Some(_) => Network::Unread(Reason::Version),
        None => Network::Unread(Reason::Cut),
    }
}

/// Reads a BSD loopback header: an address family in the byte order of the machine that wrote it.
/// IPv6 has another number on every BSD.
fn loopback(frame: View<'_>) -> Network<'_> {
    let Some(family) = frame.u32(0) else { return Network::Unread(Reason::Cut) };
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    match family {
        2 => Network::V4(frame.skip(4)),
        10 | 24 | 28 | 30 => Network::V6(frame.skip(4)),
        _ => Network::Unread(Reason::AddressFamily(family)),
    }
}

/// Reads PPP with or without the address and control bytes of HDLC-like framing.
fn ppp(frame: View<'_>) -> Network<'_> {
    match frame.u16(0) {
        Some(0xff03) => ppp_protocol(frame.skip(2)),
        // Cisco HDLC frames may stand in a PPP capture.
        Some(0x0f00 | 0x8f00) => typed_at(frame, 2, 4),
        Some(_) => ppp_protocol(frame),
        None => Network::Unread(Reason::Cut),
    }
}

fn ppp_protocol(view: View<'_>) -> Network<'_> {
    let Some(first) = view.u8(0) else { return Network::Unread(Reason::Cut) };
    // A protocol number ends with the first odd byte; compression drops a leading zero.
    let (protocol, view) = if first & 1 == 1 {
        (u16::from(first), view.skip(1))
    } else {
        match view.u16(0) {
            Some(protocol) => (protocol, view.skip(2)),
            None => return Network::Unread(Reason::Cut),
        }
    };
    match protocol {
        0x0021 => Network::V4(view),
        0x0057 => Network::V6(view),
        0x0281 | 0x0283 => mpls(view),
        0x8000..=0xffff => Network::Other("ppp control"),
        _ => Network::Unread(Reason::PppProtocol(protocol)),
    }
}
