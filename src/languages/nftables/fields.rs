//! Fields of packets, as nftables names them, and what asking for one asks besides.

use super::names::Kind;
use crate::model::{Family, UnmodelledKind};

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// `meta nfproto`.
    Family,
    /// `meta protocol`.
    EtherType,
    /// `meta l4proto`: behind all extension headers.
    Protocol,
    /// `meta length`.
    Length,
    /// `iif` and `iifname`.
    Iif,
    /// `oif` and `oifname`.
    Oif,
    Src(Family),
    Dst(Family),
    /// `ip protocol`.
    HeaderProtocol,
    /// `ip6 nexthdr`: that of the first header.
    NextHeader,
    /// `ip length`.
    TotalLength,
    /// `ip6 length`: without the first header.
    PayloadLength,
    Ttl(Family),
    Dscp(Family),
    Version(Family),
    /// `ip frag-off`: flags and offset.
    FragmentOffset,
    /// `exthdr frag`.
    FragmentHeader,
    /// `frag frag-off`.
    FragmentHeaderOffset,
    /// `frag more-fragments`.
    FragmentHeaderMore,
    /// Of a protocol, or at its place in any.
    SrcPort(Option<u8>),
    DstPort(Option<u8>),
    TcpFlags,
    IcmpType(Family),
    IcmpCode(Family),
    /// What neither a record nor a header tells.
    Opaque {
        needs: Needs,
        kind: UnmodelledKind,
    },
    /// Of packets that are not of IP.
    NotIp,
}

/// What a packet must be to have a field at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Family(Family),
    Protocol(u8),
    /// A protocol of one family.
    Both(Family, u8),
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// Keys of `meta` that nobody records.
const META: &[&str] = &[
    "mark",
    "iiftype",
    "oiftype",
    "iifgroup",
    "oifgroup",
    "skuid",
    "skgid",
    "nftrace",
    "rtclassid",
    "ibriport",
    "obriport",
    "ibridgename",
    "obridgename",
    "ibrname",
    "obrname",
    "pkttype",
    "cpu",
    "cgroup",
    "time",
    "hour",
    "day",
    "priority",
    "random",
    "secmark",
    "secpath",
    "ipsec",
    "sdif",
    "sdifname",
    "broute",
    "ibrpvid",
    "ibrvproto",
    "iifkind",
    "oifkind",
    "bri_iifname",
    "bri_oifname",
];

/// Fields of headers that nobody records, by header.
const UNRECORDED: &[(&str, &[&str], Needs)] = &[
    ("ip", &["hdrlength", "ihl", "tos", "ecn", "id", "checksum"], Needs::Family(Family::V4)),
    ("ip6", &["ecn", "priority", "flowlabel"], Needs::Family(Family::V6)),
    (
        "tcp",
        &["sequence", "ackseq", "doff", "reserved", "window", "checksum", "urgptr"],
        Needs::Protocol(TCP),
    ),
    ("udp", &["length", "checksum"], Needs::Protocol(UDP)),
    ("udplite", &["csumcov", "checksum"], Needs::Protocol(136)),
    ("sctp", &["vtag", "checksum"], Needs::Protocol(132)),
    ("dccp", &["sport", "dport", "type"], Needs::Protocol(33)),
    ("icmp", &["id", "sequence", "mtu", "gateway", "checksum"], Needs::Both(Family::V4, ICMP)),
    (
        "icmpv6",
        &[
            "id",
            "sequence",
            "mtu",
            "parameter-problem",
            "max-delay",
            "checksum",
            "taddr",
            "daddr",
            "packet-too-big",
        ],
        Needs::Both(Family::V6, ICMPV6),
    ),
    ("igmp", &["type", "mrt", "checksum", "group"], Needs::Both(Family::V4, 2)),
    ("ah", &["nexthdr", "hdrlength", "reserved", "spi", "sequence"], Needs::Nothing),
    ("esp", &["spi", "sequence"], Needs::Protocol(50)),
    ("comp", &["nexthdr", "flags", "cpi"], Needs::Protocol(108)),
    ("gre", &["flags", "version", "protocol"], Needs::Protocol(47)),
    ("ether", &["saddr", "daddr", "type"], Needs::Nothing),
    ("vlan", &["id", "cfi", "dei", "pcp", "type"], Needs::Nothing),
    ("hbh", &["nexthdr", "hdrlength"], Needs::Family(Family::V6)),
    ("dst", &["nexthdr", "hdrlength"], Needs::Family(Family::V6)),
    ("mh", &["nexthdr", "hdrlength", "type", "reserved", "checksum"], Needs::Family(Family::V6)),
    ("srh", &["flags", "tag", "sid", "seg-left"], Needs::Family(Family::V6)),
    ("frag", &["nexthdr", "reserved", "reserved2", "id"], Needs::Family(Family::V6)),
    ("rt", &["hdrlength", "type", "seg-left"], Needs::Family(Family::V6)),
    ("rt", &["classid", "nexthop", "mtu", "ipsec"], Needs::Nothing),
];

impl Field {
    /// Reads the words of a field.
    pub(super) fn of(words: &str) -> Field {
        use Family::{V4, V6};
        let (header, rest) = words.split_once(' ').unwrap_or((words, ""));
        match (header, rest) {
            ("meta", "nfproto") => Field::Family,
            ("meta", "protocol") => Field::EtherType,
            ("meta", "l4proto") => Field::Protocol,
            ("meta", "length") => Field::Length,
            ("meta", "iif" | "iifname") => Field::Iif,
            ("meta", "oif" | "oifname") => Field::Oif,
            ("ip", "saddr") => Field::Src(V4),
            ("ip", "daddr") => Field::Dst(V4),
            ("ip6", "saddr") => Field::Src(V6),
            ("ip6", "daddr") => Field::Dst(V6),
            ("ip", "protocol") => Field::HeaderProtocol,
            ("ip6", "nexthdr") => Field::NextHeader,
            ("ip", "length") => Field::TotalLength,
            ("ip6", "length") => Field::PayloadLength,
            ("ip", "ttl") => Field::Ttl(V4),
            ("ip6", "hoplimit") => Field::Ttl(V6),
            ("ip", "dscp") => Field::Dscp(V4),
            ("ip6", "dscp") => Field::Dscp(V6),
            ("ip", "version") => Field::Version(V4),
            ("ip6", "version") => Field::Version(V6),
            ("ip", "frag-off") => Field::FragmentOffset,
            ("exthdr", "frag") => Field::FragmentHeader,
            ("frag", "frag-off") => Field::FragmentHeaderOffset,
            ("frag", "more-fragments") => Field::FragmentHeaderMore,
            ("tcp", "sport") => Field::SrcPort(Some(TCP)),
            ("tcp", "dport") => Field::DstPort(Some(TCP)),
            ("udp", "sport") => Field::SrcPort(Some(UDP)),
            ("udp", "dport") => Field::DstPort(Some(UDP)),
            ("udplite", "sport") => Field::SrcPort(Some(136)),
            ("udplite", "dport") => Field::DstPort(Some(136)),
            ("sctp", "sport") => Field::SrcPort(Some(132)),
            ("sctp", "dport") => Field::DstPort(Some(132)),
            ("th", "sport") | ("@th,0,16", _) => Field::SrcPort(None),
            ("th", "dport") | ("@th,16,16", _) => Field::DstPort(None),
            ("tcp", "flags") => Field::TcpFlags,
            ("icmp", "type") => Field::IcmpType(V4),
            ("icmp", "code") => Field::IcmpCode(V4),
            ("icmpv6", "type") => Field::IcmpType(V6),
            ("icmpv6", "code") => Field::IcmpCode(V6),
            ("arp", _) => Field::NotIp,
            _ => Field::unrecorded(header, rest),
        }
    }

    fn unrecorded(header: &str, rest: &str) -> Field {
        let first = rest.split(' ').next().unwrap_or_default();
        let needs = match (header, first) {
            ("meta", key) if META.contains(&key) => Some(Needs::Nothing),
            ("ct" | "fib" | "socket" | "osf" | "numgen" | "jhash" | "symhash" | "ipsec", _) => {
                Some(Needs::Nothing)
            }
            ("tcp", "option") => Some(Needs::Protocol(TCP)),
            ("ip", "option") => Some(Needs::Family(Family::V4)),
            ("sctp", "chunk") => Some(Needs::Protocol(132)),
            ("exthdr", "hbh" | "dst" | "mh" | "rt" | "srh" | "ah" | "esp") => {
                Some(Needs::Family(Family::V6))
            }
            ("rt", "ip" | "ip6") | ("rt", _) if rest.ends_with("nexthop") => Some(Needs::Nothing),
            // Any bytes of a packet.
            _ if header.starts_with('@') => Some(Needs::Nothing),
            _ => UNRECORDED
                .iter()
                .find(|(name, fields, _)| *name == header && fields.contains(&first))
                .map(|(.., needs)| *needs),
        };
        let kind = match needs {
            Some(_) => UnmodelledKind::NotRecorded,
            None => UnmodelledKind::NotUnderstood,
        };
        Field::Opaque { needs: needs.unwrap_or(Needs::Nothing), kind }
    }

    /// Returns what its values are.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Field::Family => Kind::Family,
            Field::EtherType => Kind::EtherType,
            Field::Protocol | Field::HeaderProtocol | Field::NextHeader => Kind::Protocol,
            Field::Src(Family::V4) | Field::Dst(Family::V4) => Kind::V4,
            Field::Src(Family::V6) | Field::Dst(Family::V6) => Kind::V6,
            Field::Dscp(_) => Kind::Dscp,
            Field::SrcPort(_) | Field::DstPort(_) => Kind::Port,
            Field::TcpFlags => Kind::TcpFlags,
            Field::IcmpType(Family::V4) => Kind::IcmpType,
            Field::IcmpType(Family::V6) => Kind::Icmpv6Type,
            Field::IcmpCode(Family::V4) => Kind::IcmpCode,
            Field::IcmpCode(Family::V6) => Kind::Icmpv6Code,
            Field::FragmentHeader => Kind::Presence,
            _ => Kind::Number,
        }
    }

    /// Returns how many bits it has.
    pub(super) fn bits(&self) -> u32 {
        match self {
            Field::Version(_) => 4,
            Field::TotalLength | Field::PayloadLength | Field::FragmentOffset => 16,
            Field::FragmentHeaderOffset => 13,
            Field::FragmentHeaderMore => 1,
            Field::Ttl(_) => 8,
            other => other.kind().bits(),
        }
    }

    /// Returns whether it lies in the transport header, which later fragments do not have.
    pub(super) fn is_transport(&self) -> bool {
        matches!(
            self,
            Field::SrcPort(_)
                | Field::DstPort(_)
                | Field::TcpFlags
                | Field::IcmpType(_)
                | Field::IcmpCode(_)
        )
    }
}
