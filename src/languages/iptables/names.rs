//! The names that iptables gives to protocols, ICMP types and DSCP classes.

use crate::words;

/// Returns the number of a protocol; zero stands for all of them.
pub(super) fn protocol(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let lower = text.to_ascii_lowercase();
    if let Some((_, number)) = PROTOCOLS.iter().find(|(name, _)| *name == lower) {
        return Some(*number);
    }
    if !lower.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let (first, last) = words::protocol(&lower).ok()?;
    u8::try_from(first).ok().filter(|_| first == last)
}

/// Protocols by the names of /etc/protocols, as far as rules ask for them.
const PROTOCOLS: &[(&str, u8)] = &[
    ("all", 0),
    ("any", 0),
    ("ip", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("ipip", 4),
    ("ipv4", 4),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ipv6-crypt", 50),
    ("ah", 51),
    ("ipv6-auth", 51),
    ("icmp6", 58),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("ospf", 89),
    ("ospfigp", 89),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("mh", 135),
    ("mobility-header", 135),
    ("ipv6-mh", 135),
    ("udplite", 136),
];

/// Codes, inclusive.
type Codes = (u8, u8);
const ALL: Codes = (0, 255);

const ICMP: &[(&str, u8, Codes)] = &[
    ("echo-reply", 0, ALL),
    ("pong", 0, ALL),
    ("destination-unreachable", 3, ALL),
    ("network-unreachable", 3, (0, 0)),
    ("host-unreachable", 3, (1, 1)),
    ("protocol-unreachable", 3, (2, 2)),
    ("port-unreachable", 3, (3, 3)),
    ("fragmentation-needed", 3, (4, 4)),
    ("source-route-failed", 3, (5, 5)),
    ("network-unknown", 3, (6, 6)),
    ("host-unknown", 3, (7, 7)),
    ("network-prohibited", 3, (9, 9)),
    ("host-prohibited", 3, (10, 10)),
    ("tos-network-unreachable", 3, (11, 11)),
    ("tos-host-unreachable", 3, (12, 12)),
    ("communication-prohibited", 3, (13, 13)),
    ("host-precedence-violation", 3, (14, 14)),
    ("precedence-cutoff", 3, (15, 15)),
    ("source-quench", 4, ALL),
    ("redirect", 5, ALL),
    ("network-redirect", 5, (0, 0)),
    ("host-redirect", 5, (1, 1)),
    ("tos-network-redirect", 5, (2, 2)),
    ("tos-host-redirect", 5, (3, 3)),
    ("echo-request", 8, ALL),
    ("ping", 8, ALL),
    ("router-advertisement", 9, ALL),
    ("router-solicitation", 10, ALL),
    ("time-exceeded", 11, ALL),
    ("ttl-exceeded", 11, ALL),
    ("ttl-zero-during-transit", 11, (0, 0)),
    ("ttl-zero-during-reassembly", 11, (1, 1)),
    ("parameter-problem", 12, ALL),
    ("ip-header-bad", 12, (0, 0)),
    ("required-option-missing", 12, (1, 1)),
    ("timestamp-request", 13, ALL),
    ("timestamp-reply", 14, ALL),
    ("address-mask-request", 17, ALL),
    ("address-mask-reply", 18, ALL),
];

const ICMPV6: &[(&str, u8, Codes)] = &[
    ("destination-unreachable", 1, ALL),
    ("no-route", 1, (0, 0)),
    ("communication-prohibited", 1, (1, 1)),
    ("beyond-scope", 1, (2, 2)),
    ("address-unreachable", 1, (3, 3)),
    ("port-unreachable", 1, (4, 4)),
    ("failed-policy", 1, (5, 5)),
    ("reject-route", 1, (6, 6)),
    ("packet-too-big", 2, ALL),
    ("time-exceeded", 3, ALL),
    ("ttl-exceeded", 3, ALL),
    ("ttl-zero-during-transit", 3, (0, 0)),
    ("ttl-zero-during-reassembly", 3, (1, 1)),
    ("parameter-problem", 4, ALL),
    ("bad-header", 4, (0, 0)),
    ("unknown-header-type", 4, (1, 1)),
    ("unknown-option", 4, (2, 2)),
    ("echo-request", 128, ALL),
    ("ping", 128, ALL),
    ("echo-reply", 129, ALL),
    ("pong", 129, ALL),
    ("mld-listener-query", 130, ALL),
    ("mld-listener-report", 131, ALL),
    ("mld-listener-done", 132, ALL),
    ("mld-listener-reduction", 132, ALL),
    ("router-solicitation", 133, ALL),
    ("router-advertisement", 134, ALL),
    ("neighbour-solicitation", 135, ALL),
    ("neighbor-solicitation", 135, ALL),
    ("neighbour-advertisement", 136, ALL),
    ("neighbor-advertisement", 136, ALL),
    ("redirect", 137, ALL),
];

/// Returns the type and the codes of an ICMP name, or of a number with or without a code. The word
/// `any` is not among them.
pub(super) fn icmp(text: &str, is_v6: bool) -> Option<(u8, Codes)> {
    if let Some((kind, code)) = text.split_once('/') {
        let code = code.parse().ok()?;
        return Some((kind.parse().ok()?, (code, code)));
    }
    if let Ok(kind) = text.parse() {
        return Some((kind, ALL));
    }
    let lower = text.to_ascii_lowercase();
    let names = if is_v6 { ICMPV6 } else { ICMP };
    if let Some((_, kind, codes)) = names.iter().find(|(name, _, _)| *name == lower) {
        return Some((*kind, *codes));
    }
    // As iptables does: the start of a name, if only one begins so.
    let mut begin = names.iter().filter(|(name, _, _)| name.starts_with(&lower));
    match (begin.next(), begin.next()) {
        (Some((_, kind, codes)), None) if !lower.is_empty() => Some((*kind, *codes)),
        _ => None,
    }
}

/// Returns the names of ICMP types, for those who mistype one.
pub(super) fn icmp_names(is_v6: bool) -> impl Iterator<Item = &'static str> {
    let names = if is_v6 { ICMPV6 } else { ICMP };
    names.iter().map(|(name, _, _)| *name)
}

/// Returns the DSCP of a class.
pub(super) fn dscp_class(text: &str) -> Option<u8> {
    let upper = text.to_ascii_uppercase();
    match upper.as_str() {
        "BE" => return Some(0),
        "EF" => return Some(46),
        _ => {}
    }
    let digits = |from: usize| -> Option<Vec<u8>> {
        upper.get(from..)?.bytes().map(|byte| byte.checked_sub(b'0').filter(|d| *d < 10)).collect()
    };
    match (upper.get(..2)?, digits(2)?.as_slice()) {
        ("CS", [class @ 0..=7]) => Some(class * 8),
        ("AF", [class @ 1..=4, drop @ 1..=3]) => Some(class * 8 + drop * 2),
        _ => None,
    }
}

/// Returns the value and the mask of a symbolic type of service.
pub(super) fn tos(text: &str) -> Option<(u8, u8)> {
    let names: &[(&str, u8)] = &[
        ("minimize-delay", 0x10),
        ("maximize-throughput", 0x08),
        ("maximize-reliability", 0x04),
        ("minimize-cost", 0x02),
        ("normal-service", 0x00),
    ];
    let lower = text.to_ascii_lowercase();
    names.iter().find(|(name, _)| *name == lower).map(|(_, value)| (*value, 0x3f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers_as_iptables_has_them() {
        assert_eq!(protocol("tcp"), Some(6));
        assert_eq!(protocol("ipv6-icmp"), Some(58));
        assert_eq!(protocol("255"), Some(255));
        assert_eq!(protocol("256"), None);
        assert_eq!(icmp("8", false), Some((8, ALL)));
        assert_eq!(icmp("3/4", false), Some((3, (4, 4))));
        assert_eq!(icmp("echo-request", true), Some((128, ALL)));
        assert_eq!(icmp("TOS-host-redirect", false), Some((5, (3, 3))));
        assert_eq!(icmp("echo", false), None);
        assert_eq!(dscp_class("AF31"), Some(26));
        assert_eq!(dscp_class("CS8"), None);
        assert_eq!(dscp_class("ef"), Some(46));
        assert_eq!(tos("Minimize-Delay"), Some((0x10, 0x3f)));
    }
}
