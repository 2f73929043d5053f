//! One packet in words, in both directions: `src 198.51.100.7 dst 203.0.113.10 tcp dst_port 443`.
//!
//! Words come in any order; a field is `field value`, `field=value` or `field: value`. What is
//! left out is known and ordinary, as in a profile (see [`ordinary`]), except for the PoP, which
//! is unknown. [`format`] writes any packet that can exist in words that [`parse`] reads back as
//! the same packet.
//!
//! | words | say |
//! |---|---|
//! | `src A`, `dst A` | the addresses |
//! | `tcp`, `udp`, …, `protocol NAME`, `protocol N` | the protocol, the one field that must be said |
//! | `src_port N`, `dst_port N` | ports, by number or name |
//! | `syn`, `syn,ack`, `flags syn,ack`, `flags none` | TCP flags: these, and no others |
//! | `icmp_type N`, `icmp_code N` | ICMP, the type also by name (for IPv4) |
//! | `packet_length N`, `dscp N`, `ttl N` | numbers of the IP header |
//! | `fragment none`, `first`, `not_first`, `last`; `dont_fragment` | the fragment fields |
//! | `pop NAME`, `direction ingress`, `egress` | where it is met |
//! | `unknown FIELD,FIELD` | these are not known, whatever else is said of them |
//! | `without ports`, `tcp_flags`, `icmp` | known to carry none: a packet that ends too early |
//! | `family ipv4`, `ipv6` | where both addresses are unknown |

use std::fmt::Write;

use crate::model::ordinary::{self, ICMP, ICMPV6, UDP, carried, only_known};
use crate::model::{
    Address, Diagnostic, Direction, Family, Fragment, Known, Layers, PacketHeader, SourceId,
};

mod fields;
mod tokens;

/// The longest text that is read, in bytes: no packet needs more words.
pub const MAX_BYTES: usize = 4_096;

/// A packet, and where it is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its header. The known bits say also whether PoP and direction are known.
    pub header: PacketHeader,
    /// The PoP; none if it is not known.
    pub pop: Option<String>,
    /// Which way it goes.
    pub direction: Direction,
    /// Conditions that no field shows, on which its fate hangs, and whether they hold. Words for
    /// them are in [`hangs_on`] alone: [`format()`] leaves them out, and [`parse`] reads none.
    pub given: Vec<(String, bool)>,
}

/// Says on which conditions the fate of a packet hangs that no field shows: `` if `ct state new`
/// holds ``, with a comma before it; nothing if it hangs on none.
pub fn hangs_on(packet: &Packet) -> String {
    let of = |holding: bool| -> Vec<String> {
        let given = packet.given.iter().filter(|(_, holds)| *holds == holding);
        given.map(|(text, _)| format!("`{text}`")).collect()
    };
    let (yes, no) = (of(true), of(false));
    let verb = |count: usize, one, many| if count == 1 { one } else { many };
    let mut said = Vec::new();
    if !yes.is_empty() {
        said.push(format!("{} {}", yes.join(" and "), verb(yes.len(), "holds", "hold")));
    }
    if !no.is_empty() {
        said.push(format!("{} {} not", no.join(" and "), verb(no.len(), "does", "do")));
    }
    if said.is_empty() { String::new() } else { format!(", if {}", said.join(" and ")) }
}

/// Reads a packet, or returns all that is wrong with the text, in order. `source` is the number of
/// the text, for the places of problems.
pub fn parse(source: SourceId, text: &str) -> Result<Packet, Vec<Diagnostic>> {
    if text.len() > MAX_BYTES {
        return Err(vec![
            Diagnostic::bare(format!("a packet of {} bytes of words is no packet", text.len()))
                .help(format!("write at most {MAX_BYTES} bytes, such as `{EXAMPLE}`")),
        ]);
    }
    let mut problems = Vec::new();
    let tokens = tokens::split(source, text, fields::is_field, &mut problems);
    let packet = fields::read(source, text, &tokens, &mut problems);
    problems.sort_by_key(|problem| problem.location);
    match packet {
        Some(packet) if problems.is_empty() => Ok(packet),
        _ => Err(problems),
    }
}

const EXAMPLE: &str = "src 198.51.100.7 dst 203.0.113.10 tcp dst_port 443 syn";

/// Names of protocols that are also names of something else here are not written as a name.
const NAMES: &[(u8, &str)] = &[
    (1, "icmp"),
    (2, "igmp"),
    (6, "tcp"),
    (17, "udp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "icmpv6"),
    (89, "ospf"),
    (103, "pim"),
    (112, "vrrp"),
    (132, "sctp"),
    (136, "udplite"),
];

/// Names of flags, from the lowest bit.
const FLAGS: &[&str] = &["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

/// The upper-layer fields: what is known of them, what carries them, and their name.
const UPPER: &[(Known, Layers, &str, &str)] = &[
    (Known::PORTS, Layers::PORTS, "ports", "port"),
    (Known::TCP_FLAGS, Layers::TCP_FLAGS, "tcp_flags", "tcp_flags"),
    (Known::ICMP, Layers::ICMP, "icmp", "icmp_type"),
];

/// Writes flags as `syn,ack`, or `none`.
pub fn flags(bits: u8) -> String {
    let set = FLAGS.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    let words: Vec<&str> = set.map(|(_, name)| *name).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(",") }
}

/// Writes a protocol by its name if it has one, else by its number.
pub fn protocol(number: u8) -> String {
    match NAMES.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => (*name).to_owned(),
        None => number.to_string(),
    }
}

/// Writes which part of a fragmented packet it is.
pub fn fragment(bits: Fragment) -> &'static str {
    match (bits.has(Fragment::LATER), bits.has(Fragment::MORE)) {
        (false, false) => "none",
        (false, true) => "first",
        (true, true) => "not_first",
        (true, false) => "last",
    }
}

/// Returns what is known of the upper layer unless the words say more: whether there are ports
/// depends on the protocol, but a later fragment has none of them.
fn upper_known(known: Known, fragment: Fragment) -> Known {
    if known.has(Known::PROTOCOL) || fragment.has(Fragment::LATER) {
        return Known::ALL;
    }
    UPPER.iter().fold(Known::ALL, |known, (field, ..)| known.without(*field))
}

/// Writes a packet in words.
pub fn format(packet: &Packet) -> String {
    let header = &packet.header;
    let known = |field: Known| header.known.has(field);
    let mut text = String::new();
    let mut unknown: Vec<&str> = Vec::new();
    let mut without: Vec<&str> = Vec::new();
    // Writing into a string cannot fail.
    macro_rules! say {
        ($($part:tt)*) => {{
            if !text.is_empty() {
                text.push(' ');
            }
            let _ = write!(text, $($part)*);
        }};
    }
    for (field, word, bits) in [(Known::SRC, "src", header.src), (Known::DST, "dst", header.dst)] {
        if known(field) {
            say!("{word} {}", Address { family: header.family, bits });
        } else {
            unknown.push(word);
        }
    }
    if !known(Known::SRC) && !known(Known::DST) {
        say!("family {}", if header.family == Family::V4 { "ipv4" } else { "ipv6" });
    }
    if known(Known::PROTOCOL) {
        let stranger = matches!((header.protocol, header.family), (ICMP, Family::V6))
            || matches!((header.protocol, header.family), (ICMPV6, Family::V4));
        match NAMES.iter().find(|(number, _)| *number == header.protocol) {
            Some((_, name)) if !stranger => say!("{name}"),
            _ => say!("protocol {}", header.protocol),
        }
    } else {
        unknown.push("protocol");
    }
    let ordinary = upper_known(header.known, header.fragment);
    let carries = if known(Known::PROTOCOL) {
        carried(header.protocol, header.family, header.fragment)
    } else {
        Layers::NONE
    };
    for (field, layer, word, match_field) in UPPER {
        if !known(*field) {
            if ordinary.has(*field) {
                unknown.push(match_field);
            }
        } else if header.layers.has(*layer) {
            match *layer {
                Layers::PORTS => {
                    say!("src_port {} dst_port {}", header.src_port, header.dst_port);
                }
                Layers::TCP_FLAGS => say!("flags {}", flags(header.tcp_flags)),
                _ => say!("icmp_type {} icmp_code {}", header.icmp_type, header.icmp_code),
            }
        } else if carries.has(*layer) || !ordinary.has(*field) {
            without.push(word);
        }
    }
    if known(Known::LENGTH) {
        say!("packet_length {}", header.packet_length);
    } else {
        unknown.push("packet_length");
    }
    for (field, word, value, usual) in
        [(Known::DSCP, "dscp", header.dscp, 0), (Known::TTL, "ttl", header.ttl, ordinary::TTL)]
    {
        if !known(field) {
            unknown.push(word);
        } else if value != usual {
            say!("{word} {value}");
        }
    }
    if !known(Known::FRAGMENT) {
        unknown.push("fragment");
    } else {
        if header.fragment.is_fragment() {
            say!("fragment {}", fragment(header.fragment));
        }
        if header.fragment.has(Fragment::DONT) {
            say!("dont_fragment");
        }
    }
    if let Some(pop) = packet.pop.as_ref().filter(|_| known(Known::POP)) {
        say!("pop {}", tokens::quoted(pop, fields::is_field));
    }
    if !known(Known::DIRECTION) {
        unknown.push("direction");
    } else if packet.direction == Direction::Egress {
        say!("direction egress");
    }
    if !without.is_empty() {
        say!("without {}", without.join(","));
    }
    if !unknown.is_empty() {
        say!("unknown {}", unknown.join(","));
    }
    text
}

/// What was said of a packet, before it is known to be one.
#[derive(Default)]
struct Said {
    src: Option<Address>,
    dst: Option<Address>,
    family: Option<Family>,
    protocol: Option<u8>,
    src_port: Option<u16>,
    dst_port: Option<u16>,
    tcp_flags: Option<u8>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    packet_length: Option<u32>,
    dscp: Option<u8>,
    ttl: Option<u8>,
    fragment: Option<Fragment>,
    dont_fragment: bool,
    pop: Option<String>,
    direction: Option<Direction>,
    unknown: Known,
    without: Layers,
}

impl Said {
    fn family(&self) -> Family {
        let written = self.src.or(self.dst).map(|address| address.family).or(self.family);
        written.unwrap_or(if self.protocol == Some(ICMPV6) { Family::V6 } else { Family::V4 })
    }

    fn fragment(&self) -> Fragment {
        let fragment = self.fragment.unwrap_or(Fragment::NONE);
        if self.dont_fragment { fragment.with(Fragment::DONT) } else { fragment }
    }

    /// Makes the packet of it. What contradicts itself has been refused before.
    fn packet(self) -> Packet {
        let (family, fragment) = (self.family(), self.fragment());
        let nobody = ordinary::nobody(family);
        let mut known = Known::ALL.without(self.unknown);
        if self.pop.is_none() {
            known = known.without(Known::POP);
        }
        if self.protocol.is_none() {
            known = known.without(Known::PROTOCOL);
        }
        let seen = if known.has(Known::FRAGMENT) { fragment } else { Fragment::NONE };
        let mut layers = match self.protocol.filter(|_| known.has(Known::PROTOCOL)) {
            Some(protocol) => carried(protocol, family, seen),
            None => Layers::NONE,
        };
        let mut upper = upper_known(known, seen);
        for (said, field, layer) in [
            (self.src_port.or(self.dst_port).is_some(), Known::PORTS, Layers::PORTS),
            (self.tcp_flags.is_some(), Known::TCP_FLAGS, Layers::TCP_FLAGS),
            (self.icmp_type.or(self.icmp_code).is_some(), Known::ICMP, Layers::ICMP),
        ] {
            if said {
                layers = layers.with(layer);
            }
            if said || self.without.has(layer) {
                upper = upper.with(field);
            }
        }
        layers = layers.without(self.without);
        known = Known(known.0 & upper.0);
        let header = only_known(PacketHeader {
            known,
            layers,
            family,
            src: self.src.map_or(nobody, |address| address.bits),
            dst: self.dst.map_or(nobody, |address| address.bits),
            protocol: self.protocol.unwrap_or(UDP),
            src_port: self.src_port.unwrap_or(ordinary::PORT),
            dst_port: self.dst_port.unwrap_or(ordinary::PORT),
            tcp_flags: self.tcp_flags.unwrap_or(ordinary::FLAGS),
            icmp_type: self.icmp_type.unwrap_or(ordinary::echo_request(family)),
            icmp_code: self.icmp_code.unwrap_or(0),
            packet_length: self.packet_length.unwrap_or(ordinary::LENGTH),
            dscp: self.dscp.unwrap_or(0),
            ttl: self.ttl.unwrap_or(ordinary::TTL),
            fragment,
        });
        Packet {
            pop: self.pop.filter(|_| known.has(Known::POP)),
            direction: self.direction.unwrap_or(Direction::Ingress),
            header,
            given: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
