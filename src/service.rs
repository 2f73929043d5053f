//! Services: the protocol of a packet and the port that names it.
//!
//! The destination port names the service if it is a known or a low one, else the source port if
//! that is, else nothing does (`tcp/other`); so that a small but total loss is not averaged away.

use std::fmt;

use crate::model::inventory::ServiceName;
use crate::model::{
    Known, Layers, Location, Match, NumberSet, PacketHeader, SourceId, Span, Spanned, Term,
};

/// Ports of 1024 and above that name a service (IANA service names, and what networks run).
const NAMED_PORTS: &[u16] = &[
    1194, 1433, 1521, 1645, 1646, 1701, 1723, 1812, 1813, 1883, 2049, 2152, 3074, 3128, 3283, 3306,
    3389, 3478, 3479, 3702, 3784, 3785, 4500, 4739, 4784, 4789, 5004, 5005, 5060, 5061, 5222, 5269,
    5353, 5432, 5683, 5900, 6081, 6379, 6443, 6881, 8000, 8080, 8081, 8443, 8883, 9200, 10001,
    11211, 19132, 25565, 27015, 27017, 37810, 51820,
];

/// What a packet is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// A protocol with ports, and the port that names the service.
    Port(u8, u16),
    /// A protocol with ports, none of which names a service; or a later fragment.
    OtherPort(u8),
    /// ICMP (v4) by type.
    Icmp(u8),
    /// ICMPv6 by type.
    Icmpv6(u8),
    /// Any other protocol.
    Protocol(u8),
    /// The protocol is not recorded.
    Unknown,
    /// A customer's groups that are too small to be judged alone.
    Other,
}

impl Service {
    /// Names the service of a packet; `named` are ports that name one besides the well-known ones.
    pub fn of(header: &PacketHeader, named: &[u16]) -> Service {
        if !header.known.has(Known::PROTOCOL) {
            return Service::Unknown;
        }
        match header.protocol {
            1 | 58 if header.known.has(Known::ICMP) && header.layers.has(Layers::ICMP) => {
                if header.protocol == 1 {
                    Service::Icmp(header.icmp_type)
                } else {
                    Service::Icmpv6(header.icmp_type)
                }
            }
            protocol @ (6 | 17 | 132 | 136) => {
                let carried = header.known.has(Known::PORTS) && header.layers.has(Layers::PORTS);
                match [header.dst_port, header.src_port]
                    .into_iter()
                    .find(|port| names(*port) || named.contains(port))
                {
                    Some(port) if carried => Service::Port(protocol, port),
                    _ => Service::OtherPort(protocol),
                }
            }
            protocol => Service::Protocol(protocol),
        }
    }
}

/// The ports that name a service, a bit each.
static NAMES: [u64; 1024] = {
    let mut names = [0; 1024];
    let mut low = 1;
    while low < 1024 {
        names[low / 64] |= 1 << (low % 64);
        low += 1;
    }
    let mut at = 0;
    while at < NAMED_PORTS.len() {
        names[NAMED_PORTS[at] as usize / 64] |= 1 << (NAMED_PORTS[at] % 64);
        at += 1;
    }
    names
};

impl Service {
    /// Returns a number of its own for every service.
    pub fn number(self) -> u32 {
        let of = |kind: u32, protocol: u8, port: u16| {
            kind << 24 | u32::from(protocol) << 16 | u32::from(port)
        };
        match self {
            Service::Port(protocol, port) => of(0, protocol, port),
            Service::OtherPort(protocol) => of(1, protocol, 0),
            Service::Icmp(kind) => of(2, kind, 0),
            Service::Icmpv6(kind) => of(3, kind, 0),
            Service::Protocol(protocol) => of(4, protocol, 0),
            Service::Unknown => of(5, 0, 0),
            Service::Other => of(6, 0, 0),
        }
    }
}

fn names(port: u16) -> bool {
    NAMES[usize::from(port) / 64] >> (port % 64) & 1 == 1
}

/// Returns the usual name of an IP protocol.
pub fn protocol_name(protocol: u8) -> Option<&'static str> {
    Some(match protocol {
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        6 => "tcp",
        17 => "udp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmpv6",
        89 => "ospf",
        103 => "pim",
        112 => "vrrp",
        115 => "l2tp",
        132 => "sctp",
        136 => "udplite",
        _ => return None,
    })
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = |f: &mut fmt::Formatter<'_>, number: u8| match protocol_name(number) {
            Some(name) => f.write_str(name),
            None => write!(f, "protocol-{number}"),
        };
        match self {
            Service::Port(number, port) => {
                protocol(f, *number)?;
                write!(f, "/{port}")
            }
            Service::OtherPort(number) => {
                protocol(f, *number)?;
                f.write_str("/other")
            }
            Service::Icmp(kind) => write!(f, "icmp/{kind}"),
            Service::Icmpv6(kind) => write!(f, "icmpv6/{kind}"),
            Service::Protocol(number) => protocol(f, *number),
            Service::Unknown => f.write_str("(unknown)"),
            Service::Other => f.write_str("other"),
        }
    }
}

/// Returns whether a packet belongs to a protected service, by its real header (both ports).
/// What the record does not know counts as belonging: the safe side for protection.
pub fn belongs(service: ServiceName, header: &PacketHeader) -> bool {
    let unknown = |field: Known| !header.known.has(field);
    let protocol = |number: u8| unknown(Known::PROTOCOL) || header.protocol == number;
    let ports = |holds: &dyn Fn(u16, u16) -> bool| {
        unknown(Known::PORTS)
            || (header.layers.has(Layers::PORTS) && holds(header.src_port, header.dst_port))
    };
    let session =
        |port: u16| ports(&|src, dst| (src == port && dst >= 1024) || (dst == port && src >= 1024));
    match service {
        ServiceName::Bgp => protocol(6) && session(179),
        ServiceName::Bfd => protocol(17) && ports(&|_, dst| matches!(dst, 3784 | 3785 | 4784)),
        ServiceName::Ldp => {
            (protocol(17) && ports(&|src, dst| src == 646 && dst == 646))
                || (protocol(6) && session(646))
        }
        ServiceName::Ospf => protocol(89),
        ServiceName::Vrrp => protocol(112),
        ServiceName::Pim => protocol(103),
        ServiceName::Icmp => {
            let is = |holds: &dyn Fn(u8, u8) -> bool| {
                unknown(Known::ICMP)
                    || (header.layers.has(Layers::ICMP)
                        && holds(header.icmp_type, header.icmp_code))
            };
            (protocol(1) && is(&|kind, code| kind == 3 && code == 4))
                || (protocol(58) && is(&|kind, _| matches!(kind, 1..=4 | 133..=137)))
        }
        ServiceName::Port { protocol: number, port } => {
            protocol(number) && ports(&|src, dst| src == port || dst == port)
        }
    }
}

/// Returns the packets of a protected service as a match: what [`belongs`] says of packets of
/// which everything is known. Nobody wrote it, so its terms have no place.
pub fn packets(service: ServiceName) -> Match {
    let location = Location { source: SourceId(0), span: Span::new(0, 0) };
    let all = |terms: Vec<Term>| Match {
        terms: terms.into_iter().map(|term| Spanned::new(term, location)).collect(),
    };
    let one = |number: u64| NumberSet::new([(number, number)]);
    let protocol = |number: u8| Term::Protocol(one(number.into()));
    let any = |branches: Vec<Match>| all(vec![Term::AnyOf(branches)]);
    let session = |port: u64| {
        let ordinary = || NumberSet::new([(1024, 65_535)]);
        vec![
            all(vec![protocol(6), Term::SrcPort(one(port)), Term::DstPort(ordinary())]),
            all(vec![protocol(6), Term::DstPort(one(port)), Term::SrcPort(ordinary())]),
        ]
    };
    match service {
        ServiceName::Bgp => any(session(179)),
        ServiceName::Bfd => {
            let ports = NumberSet::new([(3784, 3785), (4784, 4784)]);
            all(vec![protocol(17), Term::DstPort(ports)])
        }
        ServiceName::Ldp => {
            let hello = vec![protocol(17), Term::SrcPort(one(646)), Term::DstPort(one(646))];
            any(session(646).into_iter().chain([all(hello)]).collect())
        }
        ServiceName::Ospf => all(vec![protocol(89)]),
        ServiceName::Vrrp => all(vec![protocol(112)]),
        ServiceName::Pim => all(vec![protocol(103)]),
        ServiceName::Icmp => {
            let v6 = NumberSet::new([(1, 4), (133, 137)]);
            any(vec![
                all(vec![protocol(1), Term::IcmpType(one(3)), Term::IcmpCode(one(4))]),
                all(vec![protocol(58), Term::IcmpType(v6)]),
            ])
        }
        ServiceName::Port { protocol: number, port } => {
            all(vec![protocol(number), Term::Port(one(port.into()))])
        }
    }
}

/// Every built-in control-plane service.
pub const CONTROL_PLANE: &[ServiceName] = &[
    ServiceName::Bgp,
    ServiceName::Bfd,
    ServiceName::Ldp,
    ServiceName::Ospf,
    ServiceName::Vrrp,
    ServiceName::Pim,
    ServiceName::Icmp,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Family;

    fn packet(protocol: u8, src_port: u16, dst_port: u16) -> PacketHeader {
        PacketHeader {
            known: Known::ALL,
            layers: Layers::PORTS,
            protocol,
            src_port,
            dst_port,
            ..PacketHeader::unknown(Family::V4)
        }
    }

    #[test]
    fn the_destination_port_names_the_service_before_the_source_port() {
        assert_eq!(Service::of(&packet(6, 179, 443), &[]).to_string(), "tcp/443");
        assert_eq!(Service::of(&packet(17, 53, 40_000), &[]).to_string(), "udp/53");
        assert_eq!(Service::of(&packet(17, 40_000, 50_000), &[]).to_string(), "udp/other");
    }

    #[test]
    fn the_named_ports_are_sorted() {
        assert!(NAMED_PORTS.is_sorted());
    }

    #[test]
    fn bgp_is_port_179_with_an_ordinary_port_of_either_side() {
        assert!(belongs(ServiceName::Bgp, &packet(6, 50_000, 179)));
        assert!(belongs(ServiceName::Bgp, &packet(6, 179, 50_000)));
        assert!(!belongs(ServiceName::Bgp, &packet(6, 179, 80)));
        assert!(!belongs(ServiceName::Bgp, &packet(17, 50_000, 179)));
    }

    #[test]
    fn every_kind_of_control_plane_is_built_in() {
        assert_eq!(CONTROL_PLANE.len(), 7);
    }
}
