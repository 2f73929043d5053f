//! The values of components.

use std::net::{IpAddr, Ipv4Addr};

use super::tokens::Token;
use super::{Draft, Reader};
use crate::languages::flowspec::nlri::{
    Component, DESTINATION, DSCP, EQUAL, FLOW_LABEL, FRAGMENT, GREATER, ICMP_CODE, ICMP_TYPE, LESS,
    MATCH, MOST_LENGTH, NOT, Operation, PACKET_LENGTH, PROTOCOL, Pattern, SOURCE, TCP_FLAGS,
};
use crate::model::{Address, Diagnostic, Family, Location};
use crate::words;
use crate::yaml::nearest;

/// A component while it is read.
pub(super) struct Part {
    kind: u8,
    pub(super) location: Location,
    pub(super) family: Option<Family>,
    pattern: Option<Pattern>,
    operations: Vec<Operation>,
}

impl Part {
    pub(super) fn component(&self) -> Component {
        match self.pattern {
            Some(pattern) => Component::Prefix(pattern),
            None => Component::of(self.kind, &self.operations),
        }
    }
}

const TCP_FLAG_NAMES: &[(&str, u64)] = &[
    ("fin", 1),
    ("syn", 2),
    ("rst", 4),
    ("push", 8),
    ("ack", 0x10),
    ("urg", 0x20),
    ("urgent", 0x20),
    ("ece", 0x40),
    ("cwr", 0x80),
    ("ns", 0x100),
];

const FRAGMENT_NAMES: &[(&str, u64)] =
    &[("dont-fragment", 1), ("is-fragment", 2), ("first-fragment", 4), ("last-fragment", 8)];

const PROTOCOL_NAMES: &[(&str, u64)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("egp", 8),
    ("udp", 17),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ospf", 89),
    ("ipip", 94),
    ("pim", 103),
    ("sctp", 132),
];

const ICMP_TYPE_NAMES: &[(&str, u64)] = &[
    ("echo-reply", 0),
    ("unreachable", 3),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicit", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp", 13),
    ("timestamp-reply", 14),
    ("photuris", 40),
    ("experimental-mobility", 41),
    ("extended-echo-request", 42),
    ("extended-echo-reply", 43),
    ("experimental-one", 253),
    ("experimental-two", 254),
];

const ICMP_CODE_NAMES: &[(&str, u64)] = &[
    ("network-unreachable", 0),
    ("host-unreachable", 1),
    ("protocol-unreachable", 2),
    ("port-unreachable", 3),
    ("fragmentation-needed", 4),
    ("source-route-failed", 5),
    ("destination-network-unknown", 6),
    ("destination-host-unknown", 7),
    ("source-host-isolated", 8),
    ("destination-network-prohibited", 9),
    ("destination-host-prohibited", 10),
    ("network-unreachable-for-tos", 11),
    ("host-unreachable-for-tos", 12),
    ("communication-prohibited-by-filtering", 13),
    ("host-precedence-violation", 14),
    ("precedence-cutoff-in-effect", 15),
    ("redirect-for-network", 0),
    ("redirect-for-host", 1),
    ("redirect-for-tos-and-net", 2),
    ("redirect-for-tos-and-host", 3),
    ("ttl-eq-zero-during-transit", 0),
    ("ttl-eq-zero-during-reassembly", 1),
    ("required-option-missing", 1),
    ("ip-header-bad", 2),
];

/// Ports by the names that ExaBGP knows and that mean the same everywhere.
const PORT_NAMES: &[(&str, u64)] = &[
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("tftp", 69),
    ("http", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ntp", 123),
    ("imap", 143),
    ("snmp", 161),
    ("bgp", 179),
    ("https", 443),
];

/// Returns what a component of this type is called, its names and its greatest value.
fn field(kind: u8) -> (&'static str, &'static [(&'static str, u64)], u64) {
    match kind {
        PROTOCOL => ("protocol", PROTOCOL_NAMES, 255),
        ICMP_TYPE => ("ICMP type", ICMP_TYPE_NAMES, 255),
        ICMP_CODE => ("ICMP code", ICMP_CODE_NAMES, 255),
        TCP_FLAGS => ("TCP flag", TCP_FLAG_NAMES, 0xffff),
        FRAGMENT => ("fragment bit", FRAGMENT_NAMES, 0xff),
        PACKET_LENGTH => ("packet length", &[], MOST_LENGTH),
        DSCP => ("code point", &[], 63),
        FLOW_LABEL => ("flow label", &[], 0xf_ffff),
        _ => ("port", PORT_NAMES, 65_535),
    }
}

impl<'a> Reader<'a> {
    /// Reads a component and adds it to what there is; returns how many words its values take.
    pub(super) fn component(
        &mut self,
        kind: u8,
        name: &'a Token<'a>,
        behind: &'a [Token<'a>],
        draft: &mut Draft,
    ) -> Option<usize> {
        let (values, taken) = self.argument(name, behind)?;
        let last = values.last().unwrap_or(name);
        let location = self.place(name.start, last.end);
        if matches!(kind, DESTINATION | SOURCE) {
            let [value] = values else {
                let problem = Diagnostic::error(location, "one prefix is wanted here");
                self.tell(problem.help("write one route for each prefix"));
                return None;
            };
            if let Some(first) = draft.parts.get(&kind) {
                let problem =
                    Diagnostic::error(location, format!("`{}` stands there twice", name.text))
                        .label("one too many")
                        .also(first.location, "the first one");
                self.tell(problem.help("a component stands in an NLRI once; write two routes"));
                return None;
            }
            let pattern = self.pattern(kind, value)?;
            let part = Part {
                kind,
                location,
                family: Some(pattern.family),
                pattern: Some(pattern),
                operations: Vec::new(),
            };
            draft.parts.insert(kind, part);
            return Some(taken);
        }
        // Traffic class is what IPv6 has in the place of a code point: eight bits of it are sent.
        let most = if name.text == "traffic-class" { 255 } else { field(kind).2 };
        let mut operations = Vec::new();
        for value in values {
            let mut and = false;
            for (text, offset) in split_and(&value.text) {
                let start = (value.start + offset).min(value.end);
                let place = self.place(start, (start + text.len()).min(value.end).max(start));
                match operation(kind, text, and, most) {
                    Ok(operation) => operations.push(operation),
                    Err((message, help)) => {
                        self.tell(Diagnostic::error(place, message).label("here").help(help));
                        return None;
                    }
                }
                and = true;
            }
        }
        let part = draft.parts.entry(kind).or_insert(Part {
            kind,
            location,
            family: None,
            pattern: None,
            operations: Vec::new(),
        });
        part.operations.append(&mut operations);
        Some(taken)
    }

    fn pattern(&mut self, kind: u8, value: &Token<'_>) -> Option<Pattern> {
        let place = self.of(value);
        match pattern(kind, &value.text) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                let problem = Diagnostic::error(place, why).label("not a prefix");
                self.tell(problem.help("write `192.0.2.0/24`, `2001:db8::/32` or `::1/128/64`"));
                None
            }
        }
    }
}

/// Reads `192.0.2.0/24`, `2001:db8::/32` or, with an offset, `::1/128/64`.
pub(in crate::languages::flowspec) fn pattern(kind: u8, text: &str) -> Result<Pattern, String> {
    let shown = text.escape_debug();
    let mut parts = text.split('/');
    let address = parts.next().and_then(|text| text.parse::<IpAddr>().ok());
    let number = |text: &str| text.parse::<u8>().ok().filter(|_| !text.starts_with('+'));
    let length = parts.next().map(number);
    let offset = parts.next().map(number);
    let (Some(address), Some(length), None) = (address, length, parts.next()) else {
        return Err(format!("`{shown}` is no prefix with a length"));
    };
    let Address { family, bits } = address.into();
    let Some(length) = length.filter(|length| *length <= family.bits()) else {
        return Err(format!("`{shown}` is longer than {} bits", family.bits()));
    };
    let offset = match (offset, family) {
        (None, _) => 0,
        (Some(_), Family::V4) => return Err("a prefix of IPv4 has no offset".to_owned()),
        (Some(offset), Family::V6) => match offset {
            Some(offset) if offset < length || (length, offset) == (0, 0) => offset,
            _ => return Err("the offset is not below the length (RFC 8956 section 3.1)".to_owned()),
        },
    };
    Ok(Pattern::new(kind, family, bits, length, offset))
}

/// Splits a value at every `&`, with the offsets of its parts.
fn split_and(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut offset = 0;
    text.split('&').map(move |part| {
        let at = offset;
        offset += part.len() + 1;
        (part, at)
    })
}

/// Reads an operator and its value.
fn operation(kind: u8, text: &str, and: bool, most: u64) -> Result<Operation, (String, String)> {
    let is_bitmask = matches!(kind, TCP_FLAGS | FRAGMENT);
    let strip = |signs: &[(&str, u8)]| {
        let found = signs.iter().find(|(sign, _)| {
            text.get(..sign.len()).is_some_and(|front| front.eq_ignore_ascii_case(sign))
        });
        found.map(|(sign, operator)| (*operator, &text[sign.len()..]))
    };
    let (operator, value) = if is_bitmask {
        strip(&[("!=", NOT | MATCH), ("=", MATCH), ("!", NOT)]).unwrap_or((0, text))
    } else {
        strip(&[
            ("!=", LESS | GREATER),
            (">=", GREATER | EQUAL),
            ("<=", LESS | EQUAL),
            (">", GREATER),
            ("<", LESS),
            ("=", EQUAL),
            ("true", LESS | EQUAL | GREATER),
            ("false", 0),
        ])
        .unwrap_or((EQUAL, text))
    };
    let (what, names, _) = field(kind);
    let mut sum = 0u64;
    for part in value.split('+') {
        let one = number(part, names).ok_or_else(|| {
            let message = match part {
                "" => format!("a {what} is missing"),
                part => format!("unknown {what} `{}`", part.escape_debug()),
            };
            let near = nearest(part, names.iter().map(|(name, _)| *name));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            (message, help.unwrap_or_else(|| format!("write the number of the {what}")))
        })?;
        sum = sum.saturating_add(one);
    }
    if sum > most {
        let help = format!("write a number from 0 to {most}");
        return Err((format!("{sum} is no {what}: it ends at {most}"), help));
    }
    Ok(Operation { and, operator, value: sum })
}

fn number(text: &str, names: &[(&str, u64)]) -> Option<u64> {
    let lower = text.to_ascii_lowercase().replace('_', "-");
    if let Some((_, number)) = names.iter().find(|(name, _)| *name == lower) {
        return Some(*number);
    }
    match lower.strip_prefix("0x") {
        Some(digits) if !names.is_empty() && !digits.starts_with('+') => {
            u64::from_str_radix(digits, 16).ok()
        }
        Some(_) => None,
        None => lower.parse().ok().filter(|_| lower.chars().all(|c| c.is_ascii_digit())),
    }
}

/// Reads `65535:65536`, `192.0.2.1:100` or `4200000000:100` (RFC 4364 section 4.2).
pub(super) fn route_distinguisher(text: &str) -> Option<[u8; 8]> {
    let (front, number) = text.split_once(':')?;
    let mut octets = [0; 8];
    if let Ok(address) = front.parse::<Ipv4Addr>() {
        octets[1] = 1;
        octets[2..6].copy_from_slice(&address.octets());
        octets[6..].copy_from_slice(&number.parse::<u16>().ok()?.to_be_bytes());
        return Some(octets);
    }
    let asn = words::plain_range(front).ok().filter(|(a, b)| a == b)?.0;
    if let Ok(asn) = u16::try_from(asn) {
        octets[2..4].copy_from_slice(&asn.to_be_bytes());
        octets[4..].copy_from_slice(&number.parse::<u32>().ok()?.to_be_bytes());
    } else {
        octets[1] = 2;
        octets[2..6].copy_from_slice(&u32::try_from(asn).ok()?.to_be_bytes());
        octets[6..].copy_from_slice(&number.parse::<u16>().ok()?.to_be_bytes());
    }
    Some(octets)
}
