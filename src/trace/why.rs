//! Why a rule takes a packet or not, in words: the term that decides, the packet's value and the
//! rule's.

use crate::matcher::{Test, Truth};
use crate::model::{
    Address, AddressSet, Direction, Family, Fragment, Known, Layers, Location, Match, Names,
    Prefix, Record, Spanned, Term, Unmodelled, UnmodelledKind,
};

/// How many branches of an `any_of` are told.
const BRANCHES: usize = 3;
/// How many members of a named set are told.
const MEMBERS: usize = 3;

/// Says values in words.
pub struct Why<'a> {
    /// The names that records use.
    pub names: &'a Names,
    /// Returns the text of the rules at a place.
    pub said: &'a dyn Fn(Location) -> String,
    /// Writes a protocol.
    pub protocol: fn(u8) -> String,
    /// Writes TCP flags.
    pub flags: fn(u8) -> String,
    /// Writes which part of a fragmented packet it is.
    pub fragment: fn(Fragment) -> &'static str,
}

impl Why<'_> {
    /// Returns why a rule does not match, or may not: its first term that fails, or the terms that
    /// ask for what is unknown. Nothing for a rule that matches.
    pub fn not(&self, matches: &Match, record: &Record) -> Option<String> {
        let truths: Vec<Truth> =
            matches.terms.iter().map(|term| self.decide(term, record)).collect();
        let terms = || matches.terms.iter().zip(&truths);
        if let Some((term, _)) = terms().find(|(_, truth)| **truth == Truth::No) {
            return Some(self.sentence(term, record, Truth::No));
        }
        let open: Vec<String> = terms()
            .filter(|(_, truth)| matches!(truth, Truth::Maybe(_)))
            .map(|(term, truth)| self.sentence(term, record, *truth))
            .collect();
        (!open.is_empty()).then(|| open.join("; "))
    }

    /// Returns whether it cannot be told whether a rule matches.
    pub fn is_open(&self, matches: &Match, record: &Record) -> bool {
        matches!(Test::compile(matches, self.names).decide(record), Truth::Maybe(_))
    }

    fn decide(&self, term: &Spanned<Term>, record: &Record) -> Truth {
        Test::compile(&Match { terms: vec![term.clone()] }, self.names).decide(record)
    }

    fn sentence(&self, term: &Spanned<Term>, record: &Record, truth: Truth) -> String {
        let mut said = (self.said)(term.location);
        if let Term::Src(set) | Term::Dst(set) = &term.value
            && said.contains('$')
            && let Some(members) = members(set)
        {
            said.push_str(&format!(" ({members})"));
        }
        let header = &record.header;
        let knows = |field: Known| header.known.has(field);
        // What a packet of this kind does not carry has no value to compare.
        let carried = |field: Known, layer: Layers, name: &str, value: String| {
            if knows(field) && !header.layers.has(layer) {
                return Err(format!("{} carry no {name}", self.kind(record)));
            }
            Ok((name.to_owned(), field, value))
        };
        let plain = |name: &str, field: Known, value: String| Ok((name.to_owned(), field, value));
        let fact = match &term.value {
            Term::Src(_) => plain("src", Known::SRC, header.src_address().to_string()),
            Term::Dst(_) => plain("dst", Known::DST, header.dst_address().to_string()),
            Term::Protocol(_) => {
                plain("protocol", Known::PROTOCOL, (self.protocol)(header.protocol))
            }
            Term::SrcPort(_) => {
                carried(Known::PORTS, Layers::PORTS, "src_port", header.src_port.to_string())
            }
            Term::DstPort(_) => {
                carried(Known::PORTS, Layers::PORTS, "dst_port", header.dst_port.to_string())
            }
            Term::Port(_) => {
                let both = format!("{} or {}", header.src_port, header.dst_port);
                carried(Known::PORTS, Layers::PORTS, "port", both)
            }
            Term::TcpFlags(_) => {
                let flags = (self.flags)(header.tcp_flags);
                carried(Known::TCP_FLAGS, Layers::TCP_FLAGS, "tcp_flags", flags)
            }
            Term::IcmpType(_) => {
                carried(Known::ICMP, Layers::ICMP, "icmp_type", header.icmp_type.to_string())
            }
            Term::IcmpCode(_) => {
                carried(Known::ICMP, Layers::ICMP, "icmp_code", header.icmp_code.to_string())
            }
            Term::PacketLength(_) => {
                plain("packet_length", Known::LENGTH, header.packet_length.to_string())
            }
            Term::Dscp(_) => plain("dscp", Known::DSCP, header.dscp.to_string()),
            Term::Ttl(_) => plain("ttl", Known::TTL, header.ttl.to_string()),
            Term::Fragment(_) => {
                let mut part = (self.fragment)(header.fragment).to_owned();
                if header.fragment.has(Fragment::DONT) {
                    part.push_str(", dont_fragment");
                }
                plain("fragment", Known::FRAGMENT, part)
            }
            Term::Pop(_) => {
                let name = record.pop.map(|pop| self.names.name(pop).to_string());
                plain("pop", Known::POP, name.unwrap_or_default())
            }
            Term::Direction(_) => {
                let way = match record.direction {
                    Direction::Ingress => "ingress",
                    Direction::Egress => "egress",
                };
                plain("direction", Known::DIRECTION, way.to_owned())
            }
            Term::Family(_) => {
                let family = if header.family == Family::V6 { "IPv6" } else { "IPv4" };
                plain("family", Known::NONE, family.to_owned())
            }
            Term::Unmodelled(Unmodelled { text, kind }) => {
                return match kind {
                    UnmodelledKind::NotRecorded => format!("cannot tell: `{text}`"),
                    UnmodelledKind::NotUnderstood => format!("not understood: `{text}`"),
                };
            }
            Term::Not(inner) => return self.not_sentence(inner, record, truth),
            Term::AnyOf(branches) => return self.any_sentence(branches, record, truth),
        };
        if let (Term::Port(_), Ok((_, field, _)), Truth::No) = (&term.value, &fact, truth)
            && knows(*field)
        {
            let (src, dst) = (header.src_port, header.dst_port);
            return format!("neither src_port {src} nor dst_port {dst} is in {said}");
        }
        let (name, field, value) = match fact {
            Ok(fact) => fact,
            Err(sentence) => return sentence,
        };
        if !knows(field) {
            return format!("{name} is unknown, and the rule asks for {said}");
        }
        // A text that names several values, or none by itself, holds or does not hold the value.
        let is_many = said.contains([',', '/', '-', '$', '[', '<', '>', '\n', '!']);
        match (truth, is_many) {
            (Truth::Yes, true) => format!("{name} {value} is in {said}"),
            (Truth::Yes, false) => format!("{name} {value} is {said}"),
            (_, true) => format!("{name} {value} is not in {said}"),
            (_, false) => format!("{name} {value} is not {said}"),
        }
    }

    /// Says of which kind a packet is that lacks a field.
    fn kind(&self, record: &Record) -> String {
        let header = &record.header;
        if header.known.has(Known::FRAGMENT) && header.fragment.has(Fragment::LATER) {
            return "later fragments".to_owned();
        }
        if !header.known.has(Known::PROTOCOL) {
            return "such packets".to_owned();
        }
        let family = if header.family == Family::V6 { "IPv6 packets" } else { "packets" };
        match header.protocol {
            1 | 58 | 6 | 17 | 132 | 136 if header.layers == Layers::NONE => {
                format!("these {} {family}", (self.protocol)(header.protocol))
            }
            protocol => format!("packets of protocol {}", (self.protocol)(protocol)),
        }
    }

    fn not_sentence(&self, inner: &Match, record: &Record, truth: Truth) -> String {
        match truth {
            Truth::No => {
                let held: Vec<String> =
                    inner.terms.iter().map(|one| self.sentence(one, record, Truth::Yes)).collect();
                format!("`not` leaves it out: {}", held.join(", "))
            }
            _ => {
                let why = self.not(inner, record).unwrap_or_default();
                format!("`not`: {why}")
            }
        }
    }

    fn any_sentence(&self, branches: &[Match], record: &Record, truth: Truth) -> String {
        if truth == Truth::Yes {
            let holds = |branch: &&Match| {
                let terms = branch.terms.iter();
                terms.map(|term| self.decide(term, record)).all(|truth| truth == Truth::Yes)
            };
            let held: Vec<String> = branches
                .iter()
                .find(holds)
                .map(|branch| {
                    let terms = branch.terms.iter();
                    terms.map(|term| self.sentence(term, record, Truth::Yes)).collect()
                })
                .unwrap_or_default();
            return format!("a branch of `any_of` holds: {}", held.join(", "));
        }
        let mut failed: Vec<String> =
            branches.iter().take(BRANCHES).filter_map(|branch| self.not(branch, record)).collect();
        if branches.len() > BRANCHES {
            failed.push(format!("and {} more branches", branches.len() - BRANCHES));
        }
        let verb = if truth == Truth::No { "holds" } else { "certainly holds" };
        format!("no branch of `any_of` {verb}: {}", failed.join("; "))
    }
}

/// Writes the members of a small set.
fn members(set: &AddressSet) -> Option<String> {
    let mut words = Vec::new();
    for range in set.iter() {
        if words.len() == MEMBERS {
            return None;
        }
        let first = Address { family: range.family, bits: range.first };
        let last = Address { family: range.family, bits: range.last };
        let is = |length: &u8| Prefix::new(first, *length).range() == range;
        words.push(match (0..=range.family.bits()).find(is) {
            _ if first == last => first.to_string(),
            Some(length) => Prefix::new(first, length).to_string(),
            None => format!("{first}-{last}"),
        });
    }
    Some(words.join(", "))
}
