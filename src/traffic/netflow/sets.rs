//! The sets of NetFlow v9 and IPFIX: templates, options, and records, in the order of the export.
//! What is not yet known of a source waits; how much may wait is bounded.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::FixedState;

use super::boot::Boot;
use super::fields;
use super::losses::Losses;
use super::samplers::{Said, Sampled, Samplers};
use super::template::{Found, Slot, Template, Values, Version};
use super::{CUT, Clock, SECOND_NS};
use crate::model::{Address, NameId, Record};
use crate::packet::{self, Frame, LinkType};
use crate::traffic::exports::{Holds, Out, RECORD_BYTES, length, number};
use crate::traffic::flow::{Became, Flow};

/// How many templates, and sources, are kept.
const TEMPLATES: usize = 1 << 16;
const SOURCES: usize = 1 << 16;
/// How many bytes of sets wait for their template, and how many records for their rate.
const WAITING_BYTES: usize = 32 << 20;
const WAITING_RECORDS: usize = 1 << 17;

const NO_TEMPLATE: &str = "flow records of a template that the capture does not hold";

/// Who exports: an address and a port, and a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) address: Address,
    pub(super) port: u16,
    /// The source id, or the observation domain.
    pub(super) id: u32,
    pub(super) is_v9: bool,
}

/// A message: what is common to its sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) source: Source,
    pub(super) exporter: NameId,
    pub(super) version: Version,
    pub(super) clock: Clock,
    /// How many templates and records it holds, if it says.
    pub(super) claimed: Option<u64>,
    /// By which what it holds can be told later.
    pub(super) ticket: u64,
}

/// What is known now of a set that waited.
pub(super) struct BecameKnown {
    /// The ticket of its message.
    pub(super) message: u64,
    pub(super) bytes: u64,
    pub(super) records: u64,
}

/// All sources of a capture.
#[derive(Default)]
pub(super) struct Sets {
    numbers: HashMap<Source, usize, FixedState>,
    domains: Vec<Domain>,
    templates: usize,
    waiting_bytes: usize,
    waiting_records: usize,
    became_known: Vec<BecameKnown>,
    values: Option<Box<Values>>,
}

/// What is known of a source, and what waits to be.
#[derive(Default)]
struct Domain {
    /// Who it is.
    source: Option<Source>,
    /// Whether it has templates of flows of IPv4, and of IPv6.
    families: [bool; 2],
    templates: HashMap<u16, Template, FixedState>,
    samplers: Samplers,
    losses: Losses,
    /// When it started.
    boot: Option<Boot>,
    sets: BTreeMap<u16, Vec<Waiting>>,
    records: Vec<(Record, Sampled)>,
}

/// A set that waits for its template.
struct Waiting {
    set: Vec<u8>,
    clock: Clock,
    exporter: NameId,
    /// How many records it may hold.
    count: u64,
    message: u64,
}

impl Sets {
    /// Reads the sets of a message, and returns how many records it holds. `all` is the length of what
    /// the capture kept a part of.
    pub(super) fn read(
        &mut self,
        message: &Message,
        sets: &[u8],
        all: usize,
        out: &mut Out,
    ) -> Holds {
        let Some(number_of) = self.number_of(message.source) else {
            out.unread("datagrams of more sources than are kept", estimate(all));
            return Holds { unknown: all as u64, ..Holds::default() };
        };
        let mut templates = 0;
        let mut unknown: Vec<(u16, &[u8])> = Vec::new();
        let (mut at, mut holds) = (0, Holds::default());
        while at + 4 <= all {
            let (Some(id), Some(size)) = (number(sets, at, 2), length(sets, at + 2, 2)) else {
                break;
            };
            let end = at.saturating_add(size.max(4));
            let body = sets.get(at + 4..end.min(sets.len())).unwrap_or_default();
            let id = id as u16;
            let (template, options) = match message.version {
                Version::V9 => (0, 1),
                Version::Ipfix => (2, 3),
            };
            if id == template || id == options {
                templates += self.templates(number_of, body, message.version, id == options, out);
            } else if self.domains[number_of].templates.contains_key(&id) {
                holds.records +=
                    self.records(number_of, id, body, message.clock, message.exporter, out);
            } else {
                unknown.push((id, body));
            }
            at = end;
            if end > sets.len() {
                break;
            }
        }
        // What is left of what the message claims to hold is in the sets that nobody can read, or in
        // what the capture did not keep.
        let known = templates + holds.records;
        let mut left = message.claimed.map(|claimed| claimed.saturating_sub(known));
        for (id, body) in unknown {
            // Some exporters count sets instead of records.
            let least = estimate(body.len());
            let most = body.len().max(1) as u64;
            let count = left.take().map_or(least, |left| left.min(most).max(least));
            holds.unknown += body.len() as u64;
            holds.waiting += u32::from(self.wait(number_of, id, body, message, count, out));
        }
        let cut = all.saturating_sub(sets.len());
        if cut > 0 {
            let count = left.take().map_or(estimate(cut), |left| left.clamp(1, cut as u64));
            out.unread(CUT, count);
            holds.unknown += cut as u64;
        }
        if let Some(left @ 1..) = left {
            out.unread("records that a message says it holds, and does not", left);
        }
        message.claimed.map_or(holds, Holds::just)
    }

    /// Returns what became known since this was asked last.
    pub(super) fn became_known(&mut self) -> impl Iterator<Item = BecameKnown> + '_ {
        self.became_known.drain(..)
    }

    /// Returns the number of a source, new or old; none if there are too many.
    fn number_of(&mut self, source: Source) -> Option<usize> {
        let next = self.domains.len();
        if let Some(number) = self.numbers.get(&source) {
            return Some(*number);
        }
        if next >= SOURCES {
            return None;
        }
        self.numbers.insert(source, next);
        self.domains.push(Domain { source: Some(source), ..Domain::default() });
        Some(next)
    }

    /// Keeps a set until its template comes; returns whether there is room.
    fn wait(
        &mut self,
        domain: usize,
        id: u16,
        set: &[u8],
        message: &Message,
        count: u64,
        out: &mut Out,
    ) -> bool {
        if self.waiting_bytes + set.len() > WAITING_BYTES {
            out.unread(NO_TEMPLATE, count);
            return false;
        }
        self.waiting_bytes += set.len();
        let (clock, exporter, message) = (message.clock, message.exporter, message.ticket);
        let waiting = Waiting { set: set.to_owned(), clock, exporter, count, message };
        self.domains[domain].sets.entry(id).or_default().push(waiting);
        true
    }

    /// Reads a set of templates, and what waits for them; returns how many there are.
    fn templates(
        &mut self,
        domain: usize,
        mut set: &[u8],
        version: Version,
        is_options: bool,
        out: &mut Out,
    ) -> u64 {
        let mut count = 0;
        // What is shorter than a template pads the set.
        while set.len() >= 4 && set.iter().any(|byte| *byte != 0) {
            count += 1;
            let Some((found, rest)) = Template::parse(set, version, is_options) else {
                out.unread("templates that are cut off or describe nothing", 1);
                break;
            };
            set = rest;
            out.other("templates");
            let own = &mut self.domains[domain];
            match found {
                Found::Withdrawn(id) if id < 256 => {
                    let before = own.templates.len();
                    own.templates.retain(|_, template| template.is_options != is_options);
                    self.templates -= before - own.templates.len();
                }
                Found::Withdrawn(id) => {
                    self.templates -= usize::from(own.templates.remove(&id).is_some());
                }
                Found::Template(id, _) if id < 256 => {
                    out.unread("templates that are cut off or describe nothing", 1);
                }
                Found::Template(id, template) => {
                    if self.templates >= TEMPLATES && !own.templates.contains_key(&id) {
                        out.unread("more templates than are kept", 1);
                        continue;
                    }
                    let families = template.families();
                    own.families = [0, 1].map(|at| own.families[at] || families[at]);
                    self.templates += usize::from(own.templates.insert(id, template).is_none());
                    for waiting in own.sets.remove(&id).unwrap_or_default() {
                        self.waiting_bytes -= waiting.set.len();
                        let Waiting { set, clock, exporter, message, .. } = waiting;
                        let records = self.records(domain, id, &set, clock, exporter, out);
                        if version == Version::Ipfix {
                            let bytes = set.len() as u64;
                            self.became_known.push(BecameKnown { message, bytes, records });
                        }
                    }
                }
            }
        }
        count
    }

    /// Reads a set of records, and returns how many there are.
    fn records(
        &mut self,
        domain: usize,
        id: u16,
        mut set: &[u8],
        clock: Clock,
        exporter: NameId,
        out: &mut Out,
    ) -> u64 {
        let mut values = self.values.take().unwrap_or_else(|| Box::new(Values::new()));
        let own = &mut self.domains[domain];
        let Some(template) = own.templates.get(&id) else { return 0 };
        let (mut has_learned, mut count) = (false, 0);
        let mut elsewhere: Vec<(u32, Said)> = Vec::new();
        while template.may_fit(set.len()) {
            let Some(size) = template.read(set, &mut values) else { break };
            count += 1;
            let record = set.get(..size).unwrap_or_default();
            set = set.get(size..).unwrap_or_default();
            if template.is_options {
                out.other("option records");
                own.losses.note(&values);
                // A process may speak for its other domains (RFC 7011, section 3.4.2.1).
                let is_own = |id: &u32| own.source.is_some_and(|own| own.is_v9 || own.id == *id);
                let other = values.take::<u32>(Slot::ObservationDomain);
                match (Said::of(&values), other.filter(|id| *id != 0 && !is_own(id))) {
                    (Some(said), None) => has_learned |= own.samplers.learn(said),
                    (Some(said), Some(id)) if elsewhere.len() < SOURCES => {
                        elsewhere.push((id, said));
                    }
                    _ => {}
                }
                own.boot = values.take(Slot::BootMs).and_then(Boot::said).or(own.boot);
                continue;
            }
            let sampled = Sampled::of(&values);
            if let (None, Some(uptime)) = (clock.uptime_ms, values.take(Slot::LastUptime)) {
                own.boot = Some(Boot::learn(own.boot, clock.export_ns, uptime));
            }
            for became in become_of(record, &values, clock, own.boot, exporter, out) {
                let mut record = match became {
                    Became::Record(record) => record,
                    Became::Dropped => {
                        out.dropped();
                        continue;
                    }
                    Became::Other(name) => {
                        out.other(name);
                        continue;
                    }
                    Became::Unread(reason) => {
                        out.unread(reason, 1);
                        continue;
                    }
                };
                if out.settings.sampling.is_some() {
                    out.overridden(own.samplers.rate(sampled));
                    out.push(record);
                } else if let Some(rate) = own.samplers.rate(sampled) {
                    record.weight = rate;
                    out.push(record);
                } else if self.waiting_records < WAITING_RECORDS {
                    self.waiting_records += 1;
                    own.records.push((record, sampled));
                } else {
                    out.unknown_sampling();
                }
            }
        }
        // Padding is of zeros.
        if set.iter().any(|byte| *byte != 0) {
            out.unread(CUT, 1);
        }
        if has_learned {
            self.give_rates(domain, out);
        }
        let source = self.domains[domain].source;
        for (id, said) in elsewhere {
            let other = source.and_then(|source| self.number_of(Source { id, ..source }));
            if let Some(other) = other
                && self.domains[other].samplers.learn(said)
            {
                self.give_rates(other, out);
            }
        }
        self.values = Some(values);
        count
    }

    /// Hands out records that waited for rates that are known now.
    fn give_rates(&mut self, domain: usize, out: &mut Out) {
        let own = &mut self.domains[domain];
        let waiting = std::mem::take(&mut own.records);
        self.waiting_records -= waiting.len();
        for (mut record, sampled) in waiting {
            match own.samplers.rate(sampled) {
                Some(rate) => {
                    record.weight = rate;
                    out.push(record);
                }
                None => own.records.push((record, sampled)),
            }
        }
        self.waiting_records += own.records.len();
    }

    /// Gives up waiting.
    pub(super) fn end(&mut self, out: &mut Out) {
        for domain in &mut self.domains {
            for waiting in std::mem::take(&mut domain.sets).into_values().flatten() {
                out.unread(NO_TEMPLATE, waiting.count);
            }
            for _ in domain.records.drain(..) {
                out.unknown_sampling();
            }
        }
        (self.waiting_bytes, self.waiting_records) = (0, 0);
        for domain in &mut self.domains {
            let [flows, packets] = std::mem::take(&mut domain.losses).sums();
            out.not_exported(flows, packets);
        }
        // Routers often export IPv4 only; all sources of an address are one exporter.
        let sees_ipv6: HashSet<Address, FixedState> = self
            .domains
            .iter()
            .filter(|own| own.families[1])
            .filter_map(|own| own.source.map(|source| source.address))
            .collect();
        let sees =
            |own: &Domain| own.source.is_some_and(|source| sees_ipv6.contains(&source.address));
        if self.domains.iter().any(|own| own.families[0] && !sees(own)) {
            out.no_ipv6();
        }
    }
}

/// Returns how many records so many bytes that nobody can read count as.
fn estimate(bytes: usize) -> u64 {
    bytes.div_ceil(RECORD_BYTES).max(1) as u64
}

/// Returns what becomes of a record: one for each way.
fn become_of(
    record: &[u8],
    values: &Values,
    clock: Clock,
    boot: Option<Boot>,
    exporter: NameId,
    out: &Out,
) -> impl Iterator<Item = Became> + use<> {
    let section = [(Slot::FrameSection, LinkType::ETHERNET), (Slot::PacketSection, LinkType::RAW)]
        .into_iter()
        .find_map(|(slot, link)| Some((record.get(values.section(slot)?)?, link)));
    let (there, back) = match section {
        Some((frame, link)) => (of_frame(frame, link, values, clock, boot, exporter, out), None),
        None => {
            let there = fields::flow(values, clock, boot);
            let back = fields::back(values, &there);
            (
                there.record(Some(exporter), &out.settings),
                back.map(|back: Flow| back.record(Some(exporter), &out.settings)),
            )
        }
    };
    std::iter::once(there).chain(back)
}

/// Returns what becomes of a sampled packet of which the start is given (RFC 7133). Where no time is
/// given it is that of the export.
fn of_frame(
    frame: &[u8],
    link: LinkType,
    values: &Values,
    clock: Clock,
    boot: Option<Boot>,
    exporter: NameId,
    out: &Out,
) -> Became {
    let kept = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let wire = values.take::<u32>(Slot::FrameLength).unwrap_or(u32::MAX).max(kept);
    let (header, length) = match packet::read(link, frame, wire, out.settings.inner) {
        Frame::Packet { header, bytes } => (header, bytes),
        Frame::Other(name) => return Became::Other(name),
        Frame::Unread(_) => return Became::Unread("sampled packets whose start is not read"),
    };
    let packets = values.take::<u64>(Slot::Packets).filter(|count| *count > 0).unwrap_or(1);
    if packets > 1 {
        return Became::Unread("sampled packets that stand for several");
    }
    let mut record = out.settings.record(header, Some(exporter));
    let (from_ns, to_ns) = fields::times(values, clock, boot)
        .unwrap_or((clock.export_ns, clock.export_ns + SECOND_NS));
    (record.time_ns, record.duration_ns) = (from_ns, from_ns.abs_diff(to_ns));
    record.bytes = length.into();
    Became::Record(record)
}
