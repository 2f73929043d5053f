//! The fields of a packet: what each takes, and what contradicts what.

use super::tokens::Token;
use super::{EXAMPLE, Packet, Said, UPPER, carried, protocol};
use crate::model::ordinary::{FIELDS, ICMP, ICMPV6};
use crate::model::{
    Diagnostic, Direction, Family, Fragment, FragmentTest, Known, Layers, Location, SourceId, Span,
};
use crate::words::{self, Wrong};
use crate::yaml::nearest;

/// Every field, and other names that people give it.
const NAMES: &[(&str, &[&str])] = &[
    ("src", &["source", "saddr"]),
    ("dst", &["destination", "daddr"]),
    ("protocol", &["proto"]),
    ("src_port", &["sport"]),
    ("dst_port", &["dport"]),
    ("tcp_flags", &["flags"]),
    ("icmp_type", &[]),
    ("icmp_code", &[]),
    ("packet_length", &["length", "len"]),
    ("dscp", &[]),
    ("ttl", &["hop_limit"]),
    ("fragment", &[]),
    ("pop", &[]),
    ("direction", &[]),
    ("unknown", &[]),
    ("without", &[]),
    ("family", &[]),
];

/// The field that says nothing but itself.
const DONT_FRAGMENT: &str = "dont_fragment";

/// Returns the field that a word names.
fn field(word: &str) -> Option<&'static str> {
    let lower = word.to_ascii_lowercase().replace('-', "_");
    let named = |(name, others): &&(&str, &[&str])| *name == lower || others.contains(&&*lower);
    NAMES.iter().find(named).map(|(name, _)| *name)
}

/// Returns whether a word names a field that takes a value.
pub(super) fn is_field(word: &str) -> bool {
    field(word).is_some()
}

/// Reads the words. Gives nothing if something essential is wrong; what is wrong is reported.
pub(super) fn read(
    source: SourceId,
    text: &str,
    tokens: &[Token],
    problems: &mut Vec<Diagnostic>,
) -> Option<Packet> {
    let whole = Location { source, span: Span::new(0, text.len()) };
    if tokens.is_empty() {
        problems.push(
            Diagnostic::bare("the packet is empty").help(format!("write one, such as `{EXAMPLE}`")),
        );
        return None;
    }
    let mut reader = Reader { said: Said::default(), places: Vec::new(), problems };
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1 + usize::from(reader.word(token, tokens.get(at + 1)));
    }
    if reader.problems.is_empty() {
        reader.contradictions(whole);
    }
    reader.problems.is_empty().then(|| reader.said.packet())
}

struct Reader<'p> {
    said: Said,
    /// What has been said, and where.
    places: Vec<(&'static str, Location)>,
    problems: &'p mut Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Reads a word, and returns whether the next one was its value.
    fn word(&mut self, token: &Token, next: Option<&Token>) -> bool {
        let word = token.text.as_str();
        if let Some(name) = (!token.quoted).then(|| field(word)).flatten() {
            // What is unknown are fields themselves.
            let lists = matches!(name, "unknown" | "without");
            let is_value = |next: &&Token| next.quoted || lists || !is_field(&next.text);
            let Some(value) = next.filter(is_value) else {
                self.problems.push(
                    Diagnostic::error(token.location, format!("`{word}` has no value"))
                        .label("what is it?")
                        .help(format!("write {}", example(name))),
                );
                self.places.push((name, token.location));
                return false;
            };
            if self.once(name, token.location)
                && let Err(wrong) = self.value(name, &value.text)
            {
                self.problems.push(wrong.at(value.location));
            }
            return true;
        }
        let lower = word.to_ascii_lowercase().replace('-', "_");
        if lower == DONT_FRAGMENT && !token.quoted {
            if self.once(DONT_FRAGMENT, token.location) {
                self.said.dont_fragment = true;
            }
        } else if matches!(&*lower, "ipv4" | "ipv6") && !token.quoted {
            // Alone it is the family, not the protocol of tunnels.
            if self.once("family", token.location) {
                self.said.family = Some(if lower == "ipv4" { Family::V4 } else { Family::V6 });
            }
        } else if let Some(number) = (!token.quoted).then(|| named_protocol(word)).flatten() {
            if self.once("protocol", token.location) {
                self.said.protocol = Some(number);
                self.family_of_name(number, token.location);
            }
        } else if !token.quoted && is_flags(word) {
            if self.once("tcp_flags", token.location)
                && let Err(wrong) = self.value("tcp_flags", word)
            {
                self.problems.push(wrong.at(token.location));
            }
        } else {
            self.problems.push(unknown(word, token.location));
            // What follows is probably its value, and no mistake of its own.
            let is_digit = |token: &Token| token.text.starts_with(|c: char| c.is_ascii_digit());
            return !is_digit(token) && next.is_some_and(is_digit);
        }
        false
    }

    /// Notes where something is said; what is said twice is reported.
    fn once(&mut self, name: &'static str, place: Location) -> bool {
        if let Some((_, first)) = self.places.iter().find(|(known, _)| *known == name) {
            self.problems.push(
                Diagnostic::error(place, format!("the {name} is said twice"))
                    .label("said again here")
                    .also(*first, "first here")
                    .help("a packet has one; write it once"),
            );
            return false;
        }
        self.places.push((name, place));
        true
    }

    fn place(&self, name: &str) -> Option<Location> {
        self.places.iter().find(|(known, _)| *known == name).map(|(_, place)| *place)
    }

    /// ICMP by name is of one family; by number it is taken as it is.
    fn family_of_name(&mut self, number: u8, place: Location) {
        if matches!(number, ICMP | ICMPV6) {
            self.places.push(("named ICMP", place));
        }
    }

    fn value(&mut self, name: &str, text: &str) -> Result<(), Wrong> {
        let said = &mut self.said;
        match name {
            "src" => said.src = Some(words::address(text)?),
            "dst" => said.dst = Some(words::address(text)?),
            "protocol" => {
                let number = number("protocol", text, 255, words::protocol)?;
                let number = u8::try_from(number).unwrap_or(u8::MAX);
                said.protocol = Some(number);
                if named_protocol(text).is_some()
                    && let Some(place) = self.place("protocol")
                {
                    self.family_of_name(number, place);
                }
            }
            "src_port" => said.src_port = Some(port(text)?),
            "dst_port" => said.dst_port = Some(port(text)?),
            "tcp_flags" => said.tcp_flags = Some(words::tcp_flags(text)?.value),
            "icmp_type" => said.icmp_type = Some(byte("ICMP type", text, 255, words::icmp_type)?),
            "icmp_code" => said.icmp_code = Some(byte("ICMP code", text, 255, words::plain_range)?),
            "packet_length" => {
                let most = u64::from(u32::MAX);
                let number = number("length", text, most, words::plain_range)?;
                said.packet_length = u32::try_from(number).ok();
            }
            "dscp" => said.dscp = Some(byte("DSCP", text, 63, words::plain_range)?),
            "ttl" => said.ttl = Some(byte("TTL", text, 255, words::plain_range)?),
            "fragment" => match words::fragment(text)? {
                FragmentTest::None => said.fragment = Some(Fragment::NONE),
                FragmentTest::First => said.fragment = Some(Fragment::MORE),
                FragmentTest::NotFirst => {
                    said.fragment = Some(Fragment::LATER.with(Fragment::MORE));
                }
                FragmentTest::Last => said.fragment = Some(Fragment::LATER),
                FragmentTest::DontFragment => said.dont_fragment = true,
                FragmentTest::Any => {
                    return Err(wrong("a packet is one part of a fragmented one", "which part?")
                        .with("write `first`, `not_first` or `last`"));
                }
            },
            "pop" if text.trim().is_empty() => {
                return Err(
                    wrong("a PoP has a name", "empty").with("write a name, or leave it out")
                );
            }
            "pop" => said.pop = Some(text.to_owned()),
            "direction" => {
                let known = [("ingress", Direction::Ingress), ("egress", Direction::Egress)];
                said.direction = Some(one_of("direction", text, &known)?);
            }
            "family" => {
                let known = [
                    ("ipv4", Family::V4),
                    ("ipv6", Family::V6),
                    ("v4", Family::V4),
                    ("v6", Family::V6),
                ];
                said.family = Some(one_of("family", text, &known)?);
            }
            "unknown" => {
                for part in text.split(',').filter(|part| !part.is_empty()) {
                    let field = one_of("field that can be unknown", part, FIELDS)?;
                    said.unknown = said.unknown.with(field);
                }
            }
            _ => {
                let known: Vec<(&str, Layers)> =
                    UPPER.iter().map(|(_, layer, word, _)| (*word, *layer)).collect();
                for part in text.split(',').filter(|part| !part.is_empty()) {
                    let layer = one_of("field that can be left off", part, &known)?;
                    said.without = said.without.with(layer);
                }
            }
        }
        Ok(())
    }

    //-------- Contradictions

    fn refuse(&mut self, place: Location, message: String, label: &str, help: &str) {
        self.problems.push(Diagnostic::error(place, message).label(label).help(help));
    }

    fn contradictions(&mut self, whole: Location) {
        let place = |reader: &Reader<'_>, name: &str| reader.place(name).unwrap_or(whole);
        if let (Some(src), Some(dst)) = (self.said.src, self.said.dst)
            && src.family != dst.family
        {
            let (at, also) = (place(self, "dst"), place(self, "src"));
            self.problems.push(
                Diagnostic::error(at, "a packet has both addresses in one family")
                    .label("IPv4 and IPv6 mixed")
                    .also(also, "the source is of the other family")
                    .help("write both as IPv4 or both as IPv6"),
            );
            return;
        }
        let family = self.said.family();
        if self.said.family.is_some_and(|said| said != family) {
            let at = place(self, "family");
            self.refuse(
                at,
                "the addresses are of the other family".to_owned(),
                "not this one",
                "leave `family` out",
            );
            return;
        }
        if let Some(at) = self.place("named ICMP") {
            let (other, own) = match (self.said.protocol, family) {
                (Some(ICMP), Family::V6) => ("icmp", "icmpv6"),
                (Some(ICMPV6), Family::V4) => ("icmpv6", "icmp"),
                _ => ("", ""),
            };
            if !own.is_empty() {
                let message = format!("there is no {other} between these addresses");
                let help = format!("write `{own}`, or other addresses");
                self.refuse(at, message, "of the other family", &help);
                return;
            }
        }
        let without_protocol = self.said.unknown.has(Known::PROTOCOL);
        if self.said.protocol.is_none() && !without_protocol {
            self.refuse(
                whole,
                "the packet has no protocol".to_owned(),
                "which protocol?",
                "write `tcp`, `udp`, `icmp`, `protocol 47`, or `unknown protocol`",
            );
            return;
        }
        self.lengths(family, whole);
        self.carried(family, whole);
    }

    fn lengths(&mut self, family: Family, whole: Location) {
        let least = if family == Family::V4 { 20 } else { 40 };
        if let Some(length) = self.said.packet_length
            && length < least
        {
            let at = self.place("packet_length").unwrap_or(whole);
            let message = format!("no such packet has the length {length}");
            let label = format!("its header alone has {least}");
            self.refuse(at, message, &label, "write the length of the whole packet in bytes");
        }
        if self.said.dont_fragment && family == Family::V6 {
            let at = self.place(DONT_FRAGMENT).or(self.place("fragment")).unwrap_or(whole);
            let message = "IPv6 packets have no don't-fragment bit".to_owned();
            self.refuse(at, message, "only in IPv4", "leave it out");
        }
    }

    /// Reports fields that such a packet does not carry.
    fn carried(&mut self, family: Family, whole: Location) {
        let fragment = self.said.fragment();
        let known = self.said.protocol.filter(|_| !self.said.unknown.has(Known::PROTOCOL));
        let layers = match known {
            Some(protocol) => carried(protocol, family, fragment),
            // Said is said: then the protocol is one that carries it.
            None if fragment.has(Fragment::LATER) => Layers::NONE,
            None => Layers::PORTS.with(Layers::TCP_FLAGS).with(Layers::ICMP),
        };
        for (name, layer) in [
            ("src_port", Layers::PORTS),
            ("dst_port", Layers::PORTS),
            ("tcp_flags", Layers::TCP_FLAGS),
            ("icmp_type", Layers::ICMP),
            ("icmp_code", Layers::ICMP),
        ] {
            let Some(at) = self.place(name) else { continue };
            if self.said.without.has(layer) {
                let also = self.place("without").unwrap_or(whole);
                self.problems.push(
                    Diagnostic::error(at, format!("a packet without it has no {name}"))
                        .label("not in this packet")
                        .also(also, "left off here")
                        .help(format!("remove `{name}`, or the `without`")),
                );
            } else if !layers.has(layer) {
                let later = fragment.has(Fragment::LATER);
                let (message, help) = if later {
                    let help = format!("remove `{name}`, or write `fragment first`");
                    (format!("later fragments carry no {name}"), help)
                } else {
                    let protocol = known.map_or_else(String::new, protocol);
                    let help = format!("remove `{name}`, or change the protocol");
                    (format!("packets of protocol {protocol} carry no {name}"), help)
                };
                self.refuse(at, message, "not in this packet", &help);
            }
        }
    }
}

//------------ Words ---------------------------------------------------------

fn wrong(message: impl Into<String>, label: impl Into<String>) -> Wrong {
    Wrong { message: message.into(), label: label.into(), help: None }
}

trait With {
    fn with(self, help: &str) -> Self;
}

impl With for Wrong {
    fn with(mut self, help: &str) -> Wrong {
        self.help = Some(help.to_owned());
        self
    }
}

/// Reads one number within its field's domain.
fn number(
    what: &str,
    text: &str,
    most: u64,
    read: fn(&str) -> Result<(u64, u64), Wrong>,
) -> Result<u64, Wrong> {
    let (first, last) = read(text)?;
    if first != last {
        return Err(wrong(format!("a packet has one {what}"), "should be one number")
            .with("ranges are for rules; write one of the numbers"));
    }
    if first > most {
        return Err(wrong(
            format!("no packet has the {what} {first}"),
            format!("should be 0 to {most}"),
        )
        .with("write a number that a packet can have"));
    }
    Ok(first)
}

fn byte(
    what: &str,
    text: &str,
    most: u64,
    read: fn(&str) -> Result<(u64, u64), Wrong>,
) -> Result<u8, Wrong> {
    number(what, text, most, read).map(|number| u8::try_from(number).unwrap_or(u8::MAX))
}

fn port(text: &str) -> Result<u16, Wrong> {
    let most = u64::from(u16::MAX);
    number("port", text, most, words::port).map(|port| u16::try_from(port).unwrap_or(u16::MAX))
}

fn one_of<T: Copy>(what: &str, text: &str, known: &[(&str, T)]) -> Result<T, Wrong> {
    let lower = text.trim().to_ascii_lowercase().replace('-', "_");
    if let Some((_, value)) = known.iter().find(|(word, _)| *word == lower) {
        return Ok(*value);
    }
    let words = || known.iter().map(|(word, _)| *word);
    let wrong = wrong(format!("unknown {what} `{text}`"), format!("not a {what}"));
    Err(match nearest(text, words()) {
        Some(near) => wrong.with(&format!("did you mean `{near}`?")),
        None => wrong.with(&format!("known: {}", words().collect::<Vec<_>>().join(", "))),
    })
}

/// Returns the protocol that a word names; a number is none.
fn named_protocol(word: &str) -> Option<u8> {
    if !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let (first, _) = words::protocol(word).ok()?;
    u8::try_from(first).ok()
}

/// Returns whether a word is flags: `syn`, `syn,ack`, `=syn`.
fn is_flags(word: &str) -> bool {
    word != "none" && words::tcp_flags(word).is_ok()
}

fn example(name: &str) -> &'static str {
    match name {
        "src" => "`src 198.51.100.7`",
        "dst" => "`dst 203.0.113.10`",
        "protocol" => "`protocol udp` or `protocol 17`",
        "src_port" => "`src_port 50000`",
        "dst_port" => "`dst_port 443` or `dst_port https`",
        "tcp_flags" => "`flags syn,ack` or `flags none`",
        "icmp_type" => "`icmp_type 8` or `icmp_type echo-request`",
        "icmp_code" => "`icmp_code 4`",
        "packet_length" => "`packet_length 1400`",
        "dscp" => "`dscp 46`",
        "ttl" => "`ttl 64`",
        "fragment" => "`fragment none`, `first`, `not_first` or `last`",
        "pop" => "`pop ams`",
        "direction" => "`direction ingress` or `direction egress`",
        "unknown" => "`unknown ttl,dscp`",
        "without" => "`without ports`, `tcp_flags` or `icmp`",
        _ => "`family ipv4` or `family ipv6`",
    }
}

/// Reports a word that is none, with the nearest known one.
fn unknown(word: &str, place: Location) -> Diagnostic {
    let problem = Diagnostic::error(place, format!("unknown word `{}`", cut(word)));
    if word.parse::<std::net::IpAddr>().is_ok() {
        return problem
            .label("source or destination?")
            .help(format!("write `src {word}` or `dst {word}`"));
    }
    let fields = NAMES.iter().map(|(name, _)| *name).chain([DONT_FRAGMENT]);
    let others = super::NAMES.iter().map(|(_, name)| *name).chain(super::FLAGS.iter().copied());
    let problem = problem.label("not a word of a packet");
    match nearest(word, fields.clone().chain(others)) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => {
            let fields: Vec<&str> = fields.collect();
            problem.help(format!(
                "fields: {}; protocols and TCP flags stand alone, as in `{EXAMPLE}`",
                fields.join(", ")
            ))
        }
    }
}

/// Returns the beginning of a long word.
fn cut(word: &str) -> String {
    if word.chars().count() <= 40 {
        return word.to_owned();
    }
    word.chars().take(39).chain(['…']).collect()
}
