//! The text of a profile into groups of packets, with every problem at its place.

mod header;

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::expand::Group;
use super::{MAX_PROBLEMS, MAX_RECORDS, Settings};
use crate::model::ordinary::{self, only_known};
use crate::model::{
    Diagnostic, Direction, Known, Label, Location, PacketHeader, Rate, RateUnit, Record,
};
use crate::words::{self, Wrong};
use crate::yaml::{self, Decoder, Fields, Node};
use header::step;

/// The most bytes that a profile may stand for, so that no sum can overflow.
const MAX_TRAFFIC_BYTES: u128 = 1 << 62;

/// Every key of a flow.
pub(super) const FLOW_KEYS: &[&str] = &[
    "id",
    "pop",
    "label",
    "src",
    "sources",
    "dst",
    "protocol",
    "src_port",
    "dst_port",
    "tcp_flags",
    "icmp_type",
    "icmp_code",
    "ttl",
    "dscp",
    "fragment",
    "packet_length",
    "rate",
    "at",
    "duration",
    "unknown",
    "customer",
    "host",
    "path",
    "direction",
    "exporter",
];

/// A profile that can be expanded.
pub(super) struct Profile {
    /// When it starts, in nanoseconds since 1970.
    pub(super) start_ns: i64,
    /// Whether it says when it starts.
    pub(super) dated: bool,
    /// Its groups, in the order of the text.
    pub(super) groups: Vec<Group>,
}

/// Decodes a profile, or returns all that is wrong with it.
pub(super) fn decode(text: &str, settings: &Settings) -> Result<Profile, Vec<Diagnostic>> {
    let root = yaml::parse(settings.source, text).map_err(|problem| vec![problem])?;
    let mut decoder = Decoder::new();
    match profile(&mut decoder, &root, settings) {
        Some(profile) if decoder.problems.is_empty() => Ok(profile),
        _ => {
            decoder.problems.sort_by_key(|problem| problem.location);
            Err(decoder.problems)
        }
    }
}

fn profile(decoder: &mut Decoder, root: &Node, settings: &Settings) -> Option<Profile> {
    let what = "a traffic profile";
    let fields = decoder.map(root, what, &["version", "start", "duration", "flows"])?;
    decoder.version(fields, what);
    let duration = decoder.require(fields, "duration", what);
    let duration_ns = duration.and_then(|node| whole_duration(decoder, node));
    let start = fields.get("start");
    let start_ns = match start {
        Some(node) => words::read(decoder, node, "the start", words::time).map(|time| time.0),
        None => Some(settings.now.0.saturating_sub_unsigned(duration_ns.unwrap_or(0))),
    };
    if let (Some(start_ns), Some(duration_ns), Some(node)) = (start_ns, duration_ns, duration)
        && start_ns.checked_add_unsigned(duration_ns).is_none()
    {
        decoder.report(
            Diagnostic::error(node.location, "the profile ends after the year 2262")
                .label("too long from its start")
                .help("times are counted in nanoseconds since 1970; move `start` or shorten it"),
        );
    }
    let flows = decoder.require(fields, "flows", what)?;
    let mut ids = HashMap::new();
    let mut groups = Vec::new();
    for node in decoder.list(flows, "`flows`")? {
        if decoder.problems.len() >= MAX_PROBLEMS {
            decoder.report(
                Diagnostic::error(node.location, "too many problems")
                    .label("the flows from here on were not looked at")
                    .help("is this a profile? Otherwise fix what is listed and try again"),
            );
            break;
        }
        let Some(fields) = decoder.map(node, "a flow", FLOW_KEYS) else { continue };
        groups.extend(Flow { decoder, fields, settings }.group(duration_ns, &mut ids));
    }
    if decoder.problems.is_empty() {
        check_size(decoder, flows.location, &groups, settings);
    }
    Some(Profile { start_ns: start_ns?, dated: start.is_some(), groups })
}

/// Reads a duration that fits the range of times.
fn whole_duration(decoder: &mut Decoder, node: &Node) -> Option<u64> {
    let duration_ns = words::read(decoder, node, "the duration", words::duration)?;
    if i64::try_from(duration_ns).is_err() {
        decoder.report(
            Diagnostic::error(node.location, "a duration this long is not counted")
                .label("longer than 292 years")
                .help("write a duration such as `60s` or `1h`"),
        );
        return None;
    }
    Some(duration_ns)
}

/// Reports a profile that stands for more than can be read or counted.
fn check_size(decoder: &mut Decoder, flows: Location, groups: &[Group], settings: &Settings) {
    let records: u128 = groups.iter().map(Group::most_records).sum();
    if records > u128::from(MAX_RECORDS) {
        decoder.report(
            Diagnostic::error(flows, format!("this profile expands to {records} records"))
                .label(format!("at most {MAX_RECORDS} are read"))
                .help("a record is one second of one source: use fewer `sources` or less time"),
        );
    }
    let weight = settings.sampling.map_or(1, |sampling| sampling.0.max(1));
    let bytes: u128 = groups
        .iter()
        .map(|group| u128::from(group.packets) * u128::from(group.packet_bytes))
        .sum::<u128>();
    if bytes * u128::from(weight) > MAX_TRAFFIC_BYTES {
        decoder.report(
            Diagnostic::error(flows, format!("this profile stands for {bytes} bytes"))
                .label("more than can be counted")
                .help("use a lower `rate`, less time or a smaller sampling rate"),
        );
    }
}

/// One entry of `flows` while it is decoded.
struct Flow<'a, 'n> {
    decoder: &'a mut Decoder,
    fields: Fields<'n>,
    settings: &'a Settings,
}

impl<'n> Flow<'_, 'n> {
    /// Decodes the whole entry. Every field is read before any problem gives it up.
    fn group(
        mut self,
        profile_ns: Option<u64>,
        ids: &mut HashMap<String, Location>,
    ) -> Option<Group> {
        self.id(ids);
        let judged = self.no_requests();
        let unknown = self.unknown();
        let pop = self.name("pop", "the PoP");
        let exporter = self.name("exporter", "the exporter");
        let customer = self.name("customer", "the customer");
        let label = self.choose(
            "label",
            "label",
            &[("legit", Label::Legit), ("attack", Label::Attack)],
            Label::None,
        );
        let direction = self.choose(
            "direction",
            "direction",
            &[("ingress", Direction::Ingress), ("egress", Direction::Egress)],
            self.settings.direction.unwrap_or(Direction::Ingress),
        );
        // A request names its protocol by being one, and has been refused already.
        let protocol = match judged {
            Some(()) => self.protocol(unknown),
            None => None,
        };
        let ends = self.ends(protocol.flatten());
        let fragment = self.fragment(ends.as_ref());
        let ttl = self.number("ttl", "TTL", 0..=255, u64::from(ordinary::TTL), words::plain_range);
        let dscp = self.number("dscp", "DSCP", 0..=63, 0, words::plain_range);
        let family = ends.as_ref().map(|ends| ends.family);
        let upper = self.upper(protocol, family, fragment);
        let length = self.length(protocol.flatten(), family, fragment);
        let sources = self.sources(ends.as_ref(), unknown);
        let time = self.time(profile_ns);
        let rate = self.rate();
        let (Some(length), Some((at_ns, duration_ns)), Some(rate)) = (length, time, rate) else {
            return None;
        };
        let packets = self.packets(rate, duration_ns, length);

        // Every field has been read, and what was wrong has been reported.
        let (ends, upper, sources) = (ends?, upper?, sources?);
        let (protocol, pop, exporter, customer) = (protocol?, pop?, exporter?, customer?);
        let intern = |name: &str| self.settings.names.intern(name);
        let pop = pop.map(intern).or(self.settings.pop);
        let mut known = unknown?.without(ends.unknown);
        if pop.is_none() {
            known = known.without(Known::POP);
        }
        if protocol.is_none() {
            // Whether there are ports, flags or a type depends on the protocol.
            let above = Known::PORTS.with(Known::TCP_FLAGS).with(Known::ICMP);
            known = known.without(Known::PROTOCOL).without(above);
        }
        let header = only_known(PacketHeader {
            known,
            layers: upper.layers,
            family: ends.family,
            src: ends.src.first,
            dst: ends.dst,
            protocol: protocol.unwrap_or(0),
            src_port: upper.src_port,
            dst_port: upper.dst_port,
            tcp_flags: upper.tcp_flags,
            icmp_type: upper.icmp_type,
            icmp_code: upper.icmp_code,
            packet_length: u32::try_from(length).ok()?,
            dscp: u8::try_from(dscp?).ok()?,
            ttl: u8::try_from(ttl?).ok()?,
            fragment: fragment?,
        });
        let record = Record {
            time_ns: 0,
            duration_ns: 0,
            header,
            pop: pop.filter(|_| known.has(Known::POP)),
            exporter: exporter.map(intern),
            direction: direction?,
            packets: 0,
            bytes: 0,
            weight: self.settings.sampling.map_or(1, |sampling| sampling.0.max(1)),
            label: self.settings.label.unwrap_or(label?),
            customer: customer.map(intern),
            source: self.settings.source,
            number: 0,
        };
        Some(Group {
            record,
            at_ns,
            duration_ns,
            packets: packets?,
            packet_bytes: length,
            sources,
            step: if known.has(Known::SRC) { step(ends.src, sources) } else { 0 },
        })
    }

    //-------- Names and words

    fn id(&mut self, ids: &mut HashMap<String, Location>) {
        let Some(node) = self.fields.get("id") else { return };
        let Some(id) = self.decoder.text(node, "the id") else { return };
        if let Some(first) = ids.insert(id.to_owned(), node.location) {
            self.decoder.report(
                Diagnostic::error(node.location, format!("two flows are called `{id}`"))
                    .label("said again here")
                    .also(first, "first here")
                    .help("give each flow an id of its own, or leave it out"),
            );
        }
    }

    /// Reports what makes a flow requests rather than packets: they are not judged yet, and must
    /// not look as if they were.
    fn no_requests(&mut self) -> Option<()> {
        let mut judged = Some(());
        for key in ["host", "path"] {
            if let Some(node) = self.fields.get(key) {
                judged = None;
                self.decoder.report(
                    Diagnostic::error(node.location, "requests are not judged yet")
                        .label(format!("`{key}` makes this flow requests"))
                        .help("write the packets of the requests: `protocol: tcp`, a port, a rate"),
                );
            }
        }
        judged
    }

    /// Returns what is known: everything but what `unknown` lists.
    fn unknown(&mut self) -> Option<Known> {
        let mut known = Known::ALL;
        let Some(node) = self.fields.get("unknown") else { return Some(known) };
        let mut fine = true;
        for item in self.decoder.one_or_more(node, "`unknown`")? {
            match words::choice(self.decoder, item, "field that can be unknown", ordinary::FIELDS) {
                Some(field) => known = known.without(field),
                None => fine = false,
            }
        }
        fine.then_some(known)
    }

    /// Returns a name, if there is one.
    fn name(&mut self, key: &str, what: &str) -> Option<Option<&'n str>> {
        match self.fields.get(key) {
            Some(node) => self.decoder.text(node, what).map(Some),
            None => Some(None),
        }
    }

    fn choose<T: Copy>(
        &mut self,
        key: &str,
        what: &str,
        known: &[(&str, T)],
        ordinary: T,
    ) -> Option<T> {
        match self.fields.get(key) {
            Some(node) => words::choice(self.decoder, node, what, known),
            None => Some(ordinary),
        }
    }

    /// Returns a number of a header: one, and within the field's domain.
    fn number(
        &mut self,
        key: &str,
        what: &str,
        domain: RangeInclusive<u64>,
        ordinary: u64,
        parse: fn(&str) -> Result<(u64, u64), Wrong>,
    ) -> Option<u64> {
        let Some(node) = self.fields.get(key) else { return Some(ordinary) };
        let (first, last) = words::read(self.decoder, node, &format!("the {what}"), parse)?;
        let problem = if first != last {
            Diagnostic::error(node.location, format!("a packet has one {what}"))
                .label("should be one number")
                .help("write one flow for each number; ranges are for rules")
        } else if !domain.contains(&first) {
            let (low, high) = domain.into_inner();
            Diagnostic::error(node.location, format!("no such packet has the {what} {first}"))
                .label(format!("should be {low} to {high}"))
                .help("a profile holds packets that can exist; change the number")
        } else {
            return Some(first);
        };
        self.decoder.report(problem);
        None
    }

    //-------- Time and volume

    /// Returns when the group starts after the profile does, and how long it lasts.
    fn time(&mut self, profile_ns: Option<u64>) -> Option<(u64, u64)> {
        let at = self.fields.get("at");
        let at_ns = match at {
            Some(node) => words::read(self.decoder, node, "`at`", offset),
            None => Some(0),
        };
        let duration = self.fields.get("duration");
        let duration_ns = match duration {
            Some(node) => whole_duration(self.decoder, node).map(Some),
            None => Some(None),
        };
        let (at_ns, duration_ns, profile_ns) = (at_ns?, duration_ns?, profile_ns?);
        if let Some(node) = at
            && at_ns >= profile_ns
        {
            self.decoder.report(
                Diagnostic::error(node.location, "this flow starts when the profile is over")
                    .label("at or after its end")
                    .help("start it earlier, or make the profile longer"),
            );
            return None;
        }
        let left = profile_ns - at_ns;
        if let (Some(node), Some(duration_ns)) = (duration, duration_ns)
            && duration_ns > left
        {
            self.decoder.report(
                Diagnostic::error(node.location, "this flow outlasts the profile")
                    .label("ends after it")
                    .help("make it shorter, or the profile longer"),
            );
            return None;
        }
        Some((at_ns, duration_ns.unwrap_or(left)))
    }

    fn rate(&mut self) -> Option<(Rate, Location)> {
        let node = self.decoder.require(self.fields, "rate", "a flow")?;
        let rate = words::read(self.decoder, node, "the rate", words::rate)?;
        if rate.unit == RateUnit::Requests {
            self.decoder.report(
                Diagnostic::error(node.location, "requests are not judged yet")
                    .label("a rate of requests")
                    .help("write a rate of packets, bits or bytes: `9 kpps`, `200 Mbps`"),
            );
            return None;
        }
        Some((rate, node.location))
    }

    /// Returns how many packets a rate is: rounded down, but at least one.
    fn packets(
        &mut self,
        (rate, location): (Rate, Location),
        duration_ns: u64,
        length: u64,
    ) -> Option<u64> {
        // An amount is a `u64` and a duration is within `i64`: the product fits.
        let amount = u128::from(rate.amount) * u128::from(duration_ns);
        let per_packet = match rate.unit {
            RateUnit::Bits => u128::from(length) * 8,
            RateUnit::Bytes => u128::from(length),
            RateUnit::Packets | RateUnit::Requests => 1,
        };
        let packets = (amount / (u128::from(rate.per_ns) * per_packet)).max(1);
        let counted = u64::try_from(packets)
            .ok()
            .filter(|packets| u128::from(*packets) * u128::from(length) <= MAX_TRAFFIC_BYTES);
        if counted.is_none() {
            self.decoder.report(
                Diagnostic::error(location, format!("this rate is {packets} packets in all"))
                    .label("more than can be counted")
                    .help("use a lower rate, or less time"),
            );
        }
        counted
    }
}

/// Reads a duration that may be nothing.
fn offset(text: &str) -> Result<u64, Wrong> {
    let mut digits = text.chars().filter(char::is_ascii_digit).peekable();
    if digits.peek().is_some() && digits.all(|digit| digit == '0') {
        // Nothing is no duration elsewhere; its unit is checked on something.
        return words::duration(&format!("1{}", text.trim())).map(|_| 0);
    }
    words::duration(text)
}
