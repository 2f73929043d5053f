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

mod classic;
mod ng;
mod window;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::piece::{Cut, Decoder, Found};
use super::{Form, Opened, Piece, Settings, TrafficReader};
use crate::model::{
    Diagnostic, Direction, Family, Known, Label, PacketHeader, ReadCounts, Record, RecordBatch,
    SamplingRate,
};
use crate::packet::{self, Frame, Reason};
use window::Window;

pub(super) const FORM: Form = Form { name: "pcap", is_text: false, detect, open };

fn detect(start: &[u8]) -> bool {
    classic::detect(start) || ng::detect(start)
}

fn open(input: Box<dyn Read + Send>, settings: &Settings) -> Opened {
    let mut window = Window::new(input);
    window.holds(4);
    let opened = if ng::detect(window.bytes()) {
        ng::open(&mut window).map(Layout::Ng)
    } else {
        classic::open(&mut window).map(Layout::Classic)
    };
    let layout = opened.map_err(|message| {
        vec![Diagnostic::bare(format!("{name}: {message}", name = settings.name))]
    })?;
    let packets = Arc::new(Packets::new(settings));
    Ok(Box::new(Reader { window, layout: Some(layout), frames: 0, packets }))
}

enum Layout {
    Classic(classic::Classic),
    Ng(ng::Ng),
}

/// What stands next in a capture.
enum Next {
    /// A frame, which was added to those found.
    Frame,
    /// A frame that cannot be placed, such as one of an interface that was never described.
    Lost(&'static str),
    End,
    /// The file ends in the middle of something, as when its recorder was stopped.
    Cut(&'static str),
    /// Nothing after this place can be read.
    Broken(String),
}

struct Reader {
    window: Window,
    /// None after the end.
    layout: Option<Layout>,
    /// How many frames were met.
    frames: u64,
    packets: Arc<Packets>,
}

impl TrafficReader for Reader {
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<Diagnostic>> {
        let cut = piece.start(self.packets.clone());
        self.window.lend(&mut cut.bytes);
        while let Some(layout) = &mut self.layout {
            // A piece ends where its whole frames do, so that what is read goes where it stays.
            self.window.pin(!cut.frames.is_empty());
            let number = self.frames + 1;
            let next = match layout {
                Layout::Classic(classic) => classic.next(&mut self.window, number, &mut cut.frames),
                Layout::Ng(ng) => ng.next(&mut self.window, number, &mut cut.frames),
            };
            if self.window.is_short() {
                break;
            }
            match next {
                Next::Frame => self.frames = number,
                Next::Lost(reason) => self.lose(reason),
                Next::Cut(reason) => {
                    self.lose(reason);
                    self.layout = None;
                }
                Next::Broken(reason) => {
                    self.lose(&reason);
                    self.packets.counts().broken = Some(reason);
                    self.layout = None;
                }
                Next::End => self.layout = None,
            }
        }
        self.window.give_back(&mut cut.bytes);
        if cut.frames.is_empty()
            && let Some(reason) = self.window.failure()
        {
            let name = &self.packets.settings.name;
            return Err(Box::new(
                Diagnostic::bare(format!("cannot read {name} to its end: {reason}"))
                    .help("a part of a recording proves nothing about the rest; name a whole one"),
            ));
        }
        Ok(!cut.frames.is_empty())
    }

    fn counts(&self) -> ReadCounts {
        self.packets.counts().clone()
    }
}

impl Reader {
    fn lose(&mut self, reason: &str) {
        self.frames += 1;
        let mut counts = self.packets.counts();
        counts.frames += 1;
        *counts.unread.entry(reason.to_owned()).or_default() += 1;
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

    fn counts(&self) -> MutexGuard<'_, ReadCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Decoder for Packets {
    fn decode(&self, cut: &mut Cut, records: &mut RecordBatch) {
        let before = cut.decoded;
        let mut other: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut unread: BTreeMap<Reason, u64> = BTreeMap::new();
        while records.len() < self.settings.batch
            && let Some(found) = cut.frames.get(cut.decoded)
        {
            cut.decoded += 1;
            let bytes = cut.bytes.get(found.bytes.clone()).unwrap_or_default();
            match packet::read(found.link, bytes, found.original_length, self.settings.inner) {
                Frame::Packet { mut header, bytes } => {
                    header.known = header.known.with(self.like.header.known);
                    records.push(Record {
                        time_ns: found.time_ns,
                        header,
                        bytes: bytes.into(),
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
