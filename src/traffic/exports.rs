//! Exports of flows and samples inside captures: which datagrams are some, told by what is in them
//! and not by ports, and a reader that has them read in their order.
//!
//! What a capture holds is decided by its first IP packet: if it carries an export, the capture is
//! one of exports, and all else in it is unread. Packets that carry exports in a capture that is
//! read as packets are counted, so that the user can be asked which of the two is meant.

mod fragments;
mod growing;
mod sequence;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::io::Read;

use foldhash::fast::FixedState;

use super::capture::{self, Capture, DROPPED, Loss};
use super::flow;
use super::piece::Found;
use super::{Opened, Piece, Settings, TrafficReader};
use crate::model::ordinary::UDP;
use crate::model::{Diagnostic, Layers, PacketHeader, ReadCounts, Record, RecordBatch};
use crate::packet::{self, Carried, Datagram, LinkType};
use fragments::Fragments;
pub(super) use growing::Growing;
pub(super) use sequence::{Holds, Sequences};

//------------ What is an export -----------------------------------------------

/// A kind of export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// NetFlow version 5.
    V5,
    /// NetFlow version 9 (RFC 3954).
    V9,
    /// IPFIX (RFC 7011).
    Ipfix,
    /// sFlow version 5.
    Sflow,
}

/// The length of the header of NetFlow v5, and of its records.
pub(super) const V5: (usize, usize) = (24, 48);
/// The lengths of the headers of NetFlow v9 and IPFIX.
pub(super) const V9: usize = 20;
pub(super) const IPFIX: usize = 16;

/// What nobody can read counts as one record for so many bytes: those of NetFlow v5.
pub(super) const RECORD_BYTES: usize = 48;

/// Returns the number that so many bytes at a place are in network byte order.
pub(super) fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Returns the length that stands at a place.
pub(super) fn length(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    usize::try_from(number(bytes, at, width)?).ok()
}

/// Returns what kind of export a payload is, of which all lengths fit together; none if it is
/// none. Of one that was not kept whole, the part that was is looked at.
pub(super) fn kind(datagram: &Datagram<'_>) -> Option<Kind> {
    let (payload, all) = (datagram.payload, datagram.length);
    match (number(payload, 0, 2)?, number(payload, 2, 2)?) {
        (5, count @ 1..) if all as u64 == V5.0 as u64 + V5.1 as u64 * count => Some(Kind::V5),
        (9, _) if are_sets(payload, V9, all, &[0, 1]) => Some(Kind::V9),
        (10, claimed) if claimed == all as u64 && are_sets(payload, IPFIX, all, &[2, 3]) => {
            Some(Kind::Ipfix)
        }
        (0, 5) => is_sflow(payload, all)?.then_some(Kind::Sflow),
        _ => None,
    }
}

/// Returns whether sets follow each other to the end. Fewer bytes than a set has may pad it.
fn are_sets(payload: &[u8], header: usize, all: usize, templates: &[u64]) -> bool {
    let mut at = header;
    let mut count = 0;
    while at + 4 <= all {
        let (Some(id), Some(length)) = (number(payload, at, 2), length(payload, at + 2, 2)) else {
            // It was not kept.
            return count > 0;
        };
        if length < 4 || at + length > all || (id < 256 && !templates.contains(&id)) {
            return false;
        }
        at += length;
        count += 1;
    }
    count > 0
}

/// Returns whether samples follow each other to the end.
fn is_sflow(payload: &[u8], all: usize) -> Option<bool> {
    let (mut at, count) = sflow_samples(payload)?;
    for _ in 0..count {
        let Some(length) = length(payload, at + 4, 4) else { return Some(at + 8 <= all) };
        at = at.checked_add(8)?.checked_add(length)?;
        if at > all {
            return Some(false);
        }
    }
    // Bytes that are in no sample are counted by who reads them.
    Some(at == all || count > 0)
}

/// Returns where the samples of sFlow begin, and how many there are.
pub(super) fn sflow_samples(payload: &[u8]) -> Option<(usize, u64)> {
    let at = match number(payload, 4, 4)? {
        1 => 12,
        2 => 24,
        _ => return None,
    };
    // Sub-agent, number, uptime.
    Some((at + 16, number(payload, at + 12, 4)?))
}

/// Returns the kind of the first export in a capture, if its first IP packet carries one.
pub(super) fn first(start: &[u8]) -> Option<Kind> {
    let (frames, bytes) = capture::first_frames(start)?;
    frames.iter().find_map(|frame| match look(frame, &bytes) {
        Carried::Datagram(datagram) => Some(kind(&datagram)),
        Carried::Fragment(part) => Some(part.start().and_then(|start| kind(&start))),
        Carried::Packet => Some(None),
        Carried::Other(_) | Carried::Unread(_) => None,
    })?
}

fn look<'a>(found: &Found, bytes: &'a [u8]) -> Carried<'a> {
    let frame = bytes.get(found.bytes.clone()).unwrap_or_default();
    packet::carried(found.link, frame, found.original_length)
}

/// Returns whether a packet carries an export.
#[inline]
pub(super) fn is_carried(found: &Found, frame: &[u8], header: &PacketHeader) -> bool {
    if header.protocol != UDP || !header.layers.has(Layers::PORTS) {
        return false;
    }
    if found.link == LinkType::ETHERNET && is_plainly_none(frame) {
        return false;
    }
    match packet::carried(found.link, frame, found.original_length) {
        Carried::Datagram(datagram) => kind(&datagram).is_some(),
        Carried::Fragment(part) => part.start().is_some_and(|start| kind(&start).is_some()),
        _ => false,
    }
}

/// Returns whether a frame of UDP is plain enough for four bytes to tell that it carries no export: with
/// at most one tag and, in IPv6, without extensions. Nearly all are.
#[inline]
fn is_plainly_none(frame: &[u8]) -> bool {
    let is_tagged = frame.get(12..14) == Some(&[0x81, 0]);
    let Some([high, low, rest @ ..]) = frame.get(if is_tagged { 16 } else { 12 }..) else {
        return false;
    };
    let payload = match ([*high, *low], rest) {
        ([8, 0], [first, ..]) => 8 + usize::from(first & 15) * 4,
        ([0x86, 0xdd], [_, _, _, _, _, _, UDP, ..]) => 48,
        _ => return false,
    };
    let payload = rest.get(payload..).unwrap_or_default();
    !matches!(payload, [0, 5 | 9 | 10, _, _, ..] | [0, 0, 0, 5, ..])
}

//------------ Reading them ----------------------------------------------------

/// Makes records of the exports of a capture, which come in their order.
pub(super) trait Exports: Send {
    /// Returns why a kind of export is not read here, if so.
    fn refuses(&self, kind: Kind) -> Option<&'static str>;

    /// Reads an export that was captured at this time.
    fn read(&mut self, kind: Kind, datagram: &Datagram<'_>, time_ns: i64, out: &mut Out);

    /// Gives up waiting for anything.
    fn end(&mut self, out: &mut Out);
}

/// What was made of exports.
pub(super) struct Out {
    /// What the user said.
    pub(super) settings: Settings,
    records: Vec<Record>,
    /// How many of the records were handed out.
    handed_out: usize,
    counts: ReadCounts,
    other: BTreeMap<&'static str, u64>,
    unread: BTreeMap<&'static str, u64>,
    /// The packets of all records.
    packets: u64,
}

impl Out {
    fn new(settings: &Settings) -> Out {
        let mut settings = settings.clone();
        if !(1..=RecordBatch::CAPACITY).contains(&settings.batch) {
            settings.batch = RecordBatch::CAPACITY;
        }
        Out {
            settings,
            records: Vec::new(),
            handed_out: 0,
            counts: ReadCounts::default(),
            other: BTreeMap::new(),
            unread: BTreeMap::new(),
            packets: 0,
        }
    }

    /// Adds a record; it is numbered here.
    pub(super) fn push(&mut self, mut record: Record) {
        self.counts.frames += 1;
        self.counts.records += 1;
        record.number = self.counts.records;
        self.packets = self.packets.saturating_add(record.packets);
        self.records.push(record);
    }

    /// Counts what is no traffic.
    pub(super) fn other(&mut self, name: &'static str) {
        self.counts.frames += 1;
        *self.other.entry(name).or_default() += 1;
    }

    /// Counts what should have been readable.
    pub(super) fn unread(&mut self, reason: &'static str, count: u64) {
        self.counts.frames += count;
        *self.unread.entry(reason).or_default() += count;
    }

    /// Counts a record of packets that were dropped where they were recorded.
    pub(super) fn dropped(&mut self) {
        self.counts.dropped += 1;
        self.other("flow records of what the exporter had dropped");
    }

    /// Counts so many bytes of exports of which nobody knows what was in them.
    fn lose_bytes(&mut self, bytes: usize) {
        let count = bytes.div_ceil(RECORD_BYTES).max(1);
        self.unread("in parts of datagrams of which the other parts are missing", count as u64);
    }

    /// Notes that so many records were lost on their way here, as the numbers of exports say.
    pub(super) fn lost_on_the_way(&mut self, count: u64) {
        if count > 0 {
            self.unread("lost before they were recorded, as the numbers of the exports say", count);
        }
    }

    /// Notes how many records were not sent, as an exporter says, and of how many packets none was made.
    pub(super) fn not_exported(&mut self, records: u64, packets: u64) {
        let rest = flow::records_of(packets, (self.counts.records, self.packets));
        let count = records.saturating_add(rest);
        if count > 0 {
            self.unread("flow records that the exporter says it did not make or send", count);
        }
    }

    /// Notes that some exporter has no way to say anything of IPv6.
    pub(super) fn no_ipv6(&mut self) {
        self.counts.no_ipv6 = true;
    }

    /// Notes at which rate a record says that it was sampled, where the user says one for all.
    pub(super) fn overridden(&mut self, rate: Option<u32>) {
        let said = self.settings.sampling.map(|rate| rate.0);
        self.counts.overridden += u64::from(rate.is_some() && rate != said);
    }

    /// Counts a record of which nobody knows for how many it stands.
    pub(super) fn unknown_sampling(&mut self) {
        self.counts.unknown_sampling += 1;
        self.unread("sampled at a rate that the exports do not say", 1);
    }

    fn lose(&mut self, loss: Loss) {
        match loss {
            Loss::Frame(reason) => self.unread(reason, 1),
            Loss::Rest(reason) => {
                self.counts.frames += 1;
                *self.counts.unread.entry(reason.clone()).or_default() += 1;
                self.counts.broken = Some(reason);
            }
            // Each of them held a record at least; the numbers of exports may tell of more.
            Loss::Before(count) => self.unread(DROPPED, count),
        }
    }

    fn counts(&self) -> ReadCounts {
        let mut counts = self.counts.clone();
        for (own, all) in [(&self.other, &mut counts.other), (&self.unread, &mut counts.unread)] {
            for (what, count) in own {
                *all.entry((*what).to_owned()).or_default() += count;
            }
        }
        counts
    }
}

/// Opens a capture of exports.
pub(super) fn open(
    input: Box<dyn Read + Send>,
    settings: &Settings,
    exports: impl Exports + 'static,
) -> Opened {
    let capture = Capture::open(input, settings.name.clone())?;
    let (bytes, found, next, fragments, copies) = Default::default();
    let out = Out::new(settings);
    Ok(Box::new(Reader { capture, bytes, found, next, fragments, copies, exports, out }))
}

struct Reader<E> {
    capture: Capture,
    bytes: Vec<u8>,
    found: Vec<Found>,
    /// The first of the frames found that was not looked at.
    next: usize,
    fragments: Fragments,
    copies: Copies,
    exports: E,
    out: Out,
}

/// The latest datagrams, so that a copy of one counts once: a capture may see each twice, and an
/// exporter may send to several collectors. All are numbered, so that no two are the same; of one that
/// was not kept whole nobody can tell.
#[derive(Default)]
struct Copies {
    known: HashSet<u64, FixedState>,
    latest: VecDeque<u64>,
}

impl Copies {
    /// How many are remembered.
    const MOST: usize = 1 << 16;

    /// Returns whether the same came before.
    fn is_one(&mut self, datagram: &Datagram<'_>) -> bool {
        if datagram.payload.len() < datagram.length {
            return false;
        }
        let hash = FixedState::default().hash_one((datagram.src, datagram.payload));
        if !self.known.insert(hash) {
            return true;
        }
        self.latest.push_back(hash);
        if self.latest.len() > Copies::MOST
            && let Some(oldest) = self.latest.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }
}

impl<E: Exports> TrafficReader for Reader<E> {
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<Diagnostic>> {
        let batch = piece.fill();
        loop {
            let out = &mut self.out;
            while batch.len() < out.settings.batch
                && let Some(record) = out.records.get(out.handed_out)
            {
                out.handed_out += 1;
                batch.push(*record);
            }
            if batch.len() == out.settings.batch {
                return Ok(true);
            }
            out.records.clear();
            out.handed_out = 0;
            if self.next == self.found.len() {
                self.found.clear();
                self.next = 0;
                self.capture.cut(&mut self.bytes, &mut self.found, |loss| out.lose(loss))?;
                if self.found.is_empty() {
                    self.fragments.end(|bytes| out.lose_bytes(bytes));
                    self.exports.end(out);
                    if out.records.is_empty() {
                        return Ok(!batch.is_empty());
                    }
                    continue;
                }
            }
            self.frame();
        }
    }

    fn counts(&self) -> ReadCounts {
        self.out.counts()
    }
}

impl<E: Exports> Reader<E> {
    fn frame(&mut self) {
        let Some(found) = self.found.get(self.next) else { return };
        self.next += 1;
        let out = &mut self.out;
        match look(found, &self.bytes) {
            Carried::Datagram(datagram) => {
                read(&mut self.exports, &mut self.copies, &datagram, found.time_ns, out);
            }
            Carried::Fragment(part) => {
                let whole = self.fragments.add(&part, |bytes| out.lose_bytes(bytes));
                if let Some(whole) = whole {
                    match packet::datagram_of(part.src, &whole) {
                        Some(datagram) => {
                            let time_ns = found.time_ns;
                            read(&mut self.exports, &mut self.copies, &datagram, time_ns, out);
                        }
                        None => out.unread(NO_EXPORT, 1),
                    }
                }
            }
            Carried::Packet => out.unread(NO_EXPORT, 1),
            Carried::Other(name) => out.other(name),
            Carried::Unread(reason) => {
                out.counts.frames += 1;
                *out.counts.unread.entry(reason.to_string()).or_default() += 1;
            }
        }
    }
}

fn read(
    exports: &mut impl Exports,
    copies: &mut Copies,
    datagram: &Datagram<'_>,
    time_ns: i64,
    out: &mut Out,
) {
    match kind(datagram) {
        None => out.unread(NO_EXPORT, 1),
        Some(_) if copies.is_one(datagram) => out.other("copies of exports"),
        Some(kind) => match exports.refuses(kind) {
            Some(reason) => out.unread(reason, 1),
            None => exports.read(kind, datagram, time_ns, out),
        },
    }
}

const NO_EXPORT: &str = "packets that carry no export (`--format pcap` reads packets)";
