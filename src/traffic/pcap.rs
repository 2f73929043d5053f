//! Packet captures: pcap in both byte orders with micro- and nanoseconds, and pcapng.
//!
//! One record a packet; its number is that of the frame, counted as tcpdump and Wireshark count.
//! Bytes are those of the IP packet, not of the frame. A capture does not say which way its
//! packets went: unless the user does, they are taken as entering the network, which is what
//! captures at an edge show. It does not say where it was taken either: without the user's word
//! the PoP is unknown. Simple packet blocks have no time; they get that of the packet before.
//!
//! Every frame is counted once: `frames = records + other + unread`. A file that is cut off, or
//! corrupt from some place on, is read up to there, and the rest counts as one more frame, unread.
//! An input that fails (a disk, a compressed stream that breaks off) is an error besides: nobody
//! knows what it kept back.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::capture::{self, Capture, DROPPED, Loss};
use super::exports;
use super::piece::{Cut, Decoder};
use super::{Form, Knows, Opened, Piece, Settings, TrafficReader};
use crate::model::{
    Diagnostic, Direction, Family, Known, Label, PacketHeader, ReadCounts, Record, RecordBatch,
    SamplingRate,
};
use crate::packet::{self, Frame, Reason};

pub(super) const FORM: Form = Form {
    name: "pcap",
    knows: Knows {
        unit: "packet",
        flags: "exact",
        icmp: "exact",
        length: "exact",
        ttl: "exact",
        fragments: "exact",
        bytes: "L3",
        sampling: "not in the file; taken as all packets",
        times: "exact",
        enforcement: "where it was taken: say `observed`",
    },
    is_rows: false,
    is_text: false,
    detect: capture::detect,
    open,
};

fn open(input: Box<dyn Read + Send>, settings: &Settings) -> Opened {
    let capture = Capture::open(input, settings.name.clone())?;
    Ok(Box::new(Reader { capture, packets: Arc::new(Packets::new(settings)) }))
}

struct Reader {
    capture: Capture,
    packets: Arc<Packets>,
}

impl TrafficReader for Reader {
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<Diagnostic>> {
        let cut = piece.start(Box::new(Arc::clone(&self.packets)));
        self.capture.cut(&mut cut.bytes, &mut cut.frames, |loss| self.packets.lose(loss))?;
        Ok(!cut.frames.is_empty())
    }

    fn counts(&self) -> ReadCounts {
        self.packets.counts().clone()
    }
}

/// Makes records of frames.
struct Packets {
    settings: Settings,
    /// What all records of the capture have in common.
    like: Record,
    counts: Mutex<ReadCounts>,
}

impl Packets {
    fn new(settings: &Settings) -> Packets {
        let mut header = PacketHeader::unknown(Family::V4);
        header.known = Known::DIRECTION;
        if settings.pop.is_some() {
            header.known = header.known.with(Known::POP);
        }
        let like = Record {
            time_ns: 0,
            duration_ns: 0,
            header,
            pop: settings.pop,
            exporter: None,
            direction: settings.direction.unwrap_or(Direction::Ingress),
            packets: 1,
            bytes: 0,
            weight: settings.sampling.unwrap_or(SamplingRate::UNSAMPLED).0,
            label: settings.label.unwrap_or(Label::None),
            customer: None,
            source: settings.source,
            number: 0,
        };
        let mut settings = settings.clone();
        if !(1..=RecordBatch::CAPACITY).contains(&settings.batch) {
            settings.batch = RecordBatch::CAPACITY;
        }
        Packets { settings, like, counts: Mutex::default() }
    }

    fn lose(&self, loss: Loss) {
        let mut counts = self.counts();
        let (reason, count) = match loss {
            Loss::Frame(reason) => (reason.to_owned(), 1),
            Loss::Rest(reason) => {
                counts.broken = Some(reason.clone());
                (reason, 1)
            }
            Loss::Before(count) => (DROPPED.to_owned(), count),
        };
        counts.frames += count;
        *counts.unread.entry(reason).or_default() += count;
    }

    fn counts(&self) -> MutexGuard<'_, ReadCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Decoder for Arc<Packets> {
    fn decode(&mut self, cut: &mut Cut, records: &mut RecordBatch) {
        let before = cut.decoded;
        let mut other: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut unread: BTreeMap<Reason, u64> = BTreeMap::new();
        let mut exports = 0;
        while records.len() < self.settings.batch
            && let Some(found) = cut.frames.get(cut.decoded)
        {
            cut.decoded += 1;
            let bytes = cut.bytes.get(found.bytes.clone()).unwrap_or_default();
            match packet::read(found.link, bytes, found.original_length, self.settings.inner) {
                Frame::Packet { mut header, bytes: length } => {
                    exports += u64::from(exports::is_carried(found, bytes, &header));
                    header.known = header.known.with(self.like.header.known);
                    records.push(Record {
                        time_ns: found.time_ns,
                        header,
                        bytes: length.into(),
                        number: found.number,
                        ..self.like
                    });
                }
                Frame::Other(name) => *other.entry(name).or_default() += 1,
                Frame::Unread(reason) => *unread.entry(reason).or_default() += 1,
            }
        }
        let mut counts = self.counts();
        counts.frames += (cut.decoded - before) as u64;
        counts.records += records.len() as u64;
        counts.exports += exports;
        for (name, count) in other {
            *counts.other.entry(name.to_owned()).or_default() += count;
        }
        for (reason, count) in unread {
            *counts.unread.entry(reason.to_string()).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests;
