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
use std::ops::Range;

use super::{Form, Opened, Settings, TrafficReader};
use crate::model::{
    Diagnostic, Direction, Known, Label, ReadCounts, Record, RecordBatch, SamplingRate,
};
use crate::packet::{self, Frame, LinkType, Reason};
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
    Ok(Box::new(Reader {
        window,
        layout: Some(layout),
        settings: settings.clone(),
        counts: ReadCounts::default(),
        other: BTreeMap::new(),
        unread: BTreeMap::new(),
    }))
}

enum Layout {
    Classic(classic::Classic),
    Ng(ng::Ng),
}

/// One frame of a capture; its bytes stay where they are until the next is asked for.
struct Found {
    time_ns: i64,
    link: LinkType,
    bytes: Range<usize>,
    original_length: u32,
}

/// What stands next in a capture.
enum Next {
    Frame(Found),
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
    settings: Settings,
    counts: ReadCounts,
    /// What was met since the last update of `counts`, which allocates.
    other: BTreeMap<&'static str, u64>,
    unread: BTreeMap<Reason, u64>,
}

impl TrafficReader for Reader {
    fn read(&mut self, batch: &mut RecordBatch) -> Result<bool, Box<Diagnostic>> {
        batch.clear();
        let room = match self.settings.batch {
            size @ 1..=RecordBatch::CAPACITY => size,
            _ => RecordBatch::CAPACITY,
        };
        while batch.len() < room {
            let next = match &mut self.layout {
                Some(Layout::Classic(classic)) => classic.next(&mut self.window),
                Some(Layout::Ng(ng)) => ng.next(&mut self.window),
                None => break,
            };
            match next {
                Next::Frame(found) => self.take(&found, batch),
                Next::Lost(reason) => self.lose(reason),
                Next::Cut(reason) => {
                    self.lose(reason);
                    self.layout = None;
                }
                Next::Broken(reason) => {
                    self.lose(&reason);
                    self.counts.broken = Some(reason);
                    self.layout = None;
                }
                Next::End => self.layout = None,
            }
        }
        self.update_counts();
        if batch.is_empty()
            && let Some(reason) = self.window.failure()
        {
            let name = &self.settings.name;
            return Err(Box::new(
                Diagnostic::bare(format!("cannot read {name} to its end: {reason}"))
                    .help("a part of a recording proves nothing about the rest; name a whole one"),
            ));
        }
        Ok(!batch.is_empty())
    }

    fn counts(&self) -> &ReadCounts {
        &self.counts
    }
}

impl Reader {
    fn take(&mut self, found: &Found, batch: &mut RecordBatch) {
        self.counts.frames += 1;
        let bytes = self.window.passed(found.bytes.clone());
        match packet::read(found.link, bytes, found.original_length, self.settings.inner) {
            Frame::Packet { mut header, bytes } => {
                self.counts.records += 1;
                header.known = header.known.with(Known::DIRECTION);
                if self.settings.pop.is_some() {
                    header.known = header.known.with(Known::POP);
                }
                batch.push(&Record {
                    time_ns: found.time_ns,
                    duration_ns: 0,
                    header,
                    pop: self.settings.pop,
                    exporter: None,
                    direction: self.settings.direction.unwrap_or(Direction::Ingress),
                    packets: 1,
                    bytes: bytes.into(),
                    weight: self.settings.sampling.unwrap_or(SamplingRate::UNSAMPLED).0,
                    label: self.settings.label.unwrap_or(Label::None),
                    customer: None,
                    source: self.settings.source,
                    number: self.counts.frames,
                });
            }
            Frame::Other(name) => *self.other.entry(name).or_default() += 1,
            Frame::Unread(reason) => *self.unread.entry(reason).or_default() += 1,
        }
    }

    fn lose(&mut self, reason: &str) {
        self.counts.frames += 1;
        *self.counts.unread.entry(reason.to_owned()).or_default() += 1;
    }

    fn update_counts(&mut self) {
        for (name, count) in std::mem::take(&mut self.other) {
            *self.counts.other.entry(name.to_owned()).or_default() += count;
        }
        for (reason, count) in std::mem::take(&mut self.unread) {
            *self.counts.unread.entry(reason.to_string()).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests;
