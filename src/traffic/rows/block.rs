//! The rows of one block, read apart from all others.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use memchr::{memchr, memrchr};

use super::Here;
use super::cells::{Cells, Row, Slots};
use super::columnar;
use super::json::Keys;
use super::ledger::{Ledger, Ticket};
use super::make::{Desk, Fault, Maker, Reading};
use super::plan::Mask;
use super::source::{self, Delimited, Kind, Object, Text};
use crate::model::{Record, RecordBatch};
use crate::traffic::piece::{Cut, Decoder};

/// What all blocks of a file share.
pub(super) struct Shared {
    pub(super) maker: Maker,
    pub(super) ledger: Arc<Ledger>,
    /// Which of two kinds of rows counts, once a row of one was met.
    kind: OnceLock<&'static str>,
    /// What workers that read no block now have at hand.
    tools: Mutex<Vec<Tools>>,
}

/// What one worker has at hand; it saves work, and never changes what a row means.
#[derive(Default)]
struct Tools {
    desk: Desk,
    slots: Slots,
    starts: Vec<u32>,
    keys: Keys,
}

impl Shared {
    pub(super) fn new(maker: Maker) -> Shared {
        Shared { maker, ledger: Arc::default(), kind: OnceLock::new(), tools: Mutex::default() }
    }

    fn tools(&self) -> Tools {
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        tools.pop().unwrap_or_default()
    }

    fn put_back(&self, tools: Tools) {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner).push(tools);
    }
}

/// A block whose rows are read.
pub(super) struct Block {
    shared: Arc<Shared>,
    ticket: Ticket,
    shape: Shape,
    here: Here,
    /// Whether it is to be told of each line, as rows may end.
    is_watched: bool,
    /// The second record of a row.
    waiting: Option<Record>,
    is_read: bool,
}

enum Shape {
    Lines {
        text: Text,
        /// Where the next line begins.
        at: usize,
    },
    Objects {
        objects: std::vec::IntoIter<Object>,
        at: usize,
    },
    Part(columnar::Part),
    Broken {
        line: u64,
        reason: &'static str,
    },
    Lost {
        line: u64,
        reason: &'static str,
        bytes: u64,
    },
}

impl Block {
    pub(super) fn new(shared: &Arc<Shared>, number: u64, block: source::Block) -> Block {
        let (mut here, mut is_watched) = (Here::default(), false);
        let shape = match block {
            source::Block::Text(mut text) => {
                is_watched = text.here.is_some();
                here = text.here.take().unwrap_or_default();
                Shape::Lines { text, at: 0 }
            }
            source::Block::Objects(objects) => {
                Shape::Objects { objects: objects.into_iter(), at: 0 }
            }
            source::Block::Part(part) => Shape::Part(part),
            source::Block::Broken { line, reason } => Shape::Broken { line, reason },
            source::Block::Lost { line, reason, bytes } => Shape::Lost { line, reason, bytes },
        };
        Block {
            ticket: Ticket::new(&shared.ledger, number),
            shared: Arc::clone(shared),
            shape,
            here,
            is_watched,
            waiting: None,
            is_read: false,
        }
    }
}

impl Decoder for Block {
    fn decode(&mut self, cut: &mut Cut, records: &mut RecordBatch) {
        records_of_waiting(&mut self.waiting, records);
        if self.is_read {
            return;
        }
        let shared = Arc::clone(&self.shared);
        if shared.maker.preset.has_kinds && self.here.kind.is_none() {
            // Which one counts, the first row of either says.
            if shared.kind.get().is_none() {
                self.ticket.wait();
            }
            self.here.kind = shared.kind.get().copied();
        }
        let mut tools = shared.tools();
        let mut worker = Worker {
            maker: &shared.maker,
            kind: &shared.kind,
            ticket: &mut self.ticket,
            here: &mut self.here,
            is_watched: self.is_watched,
            waiting: &mut self.waiting,
            records,
        };
        let is_read = match &mut self.shape {
            Shape::Lines { text, at } => worker.lines(text, at, &cut.bytes, &mut tools),
            Shape::Objects { objects, at } => worker.objects(objects, at, &cut.bytes, &mut tools),
            Shape::Part(part) => worker.part(part, &mut tools),
            Shape::Broken { line, reason } => {
                worker.ticket.met.break_off((*reason).to_owned(), *line);
                ControlFlow::Break(())
            }
            Shape::Lost { line, reason, bytes } => {
                worker.ticket.met.lose_text(*reason, *line, *bytes);
                ControlFlow::Break(())
            }
        };
        shared.put_back(tools);
        if is_read.is_break() {
            self.is_read = true;
            self.ticket.add();
        }
    }
}

fn records_of_waiting(waiting: &mut Option<Record>, records: &mut RecordBatch) {
    waiting.take().into_iter().for_each(|record| records.push(record));
}

/// Returns bytes as text; a hole of zeroes in a file is none, wherever in a row it is.
fn text_of(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|_| memchr(0, bytes).is_none())
}

/// Reads rows of a block until there are enough records.
struct Worker<'a> {
    maker: &'a Maker,
    kind: &'a OnceLock<&'static str>,
    ticket: &'a mut Ticket,
    here: &'a mut Here,
    is_watched: bool,
    waiting: &'a mut Option<Record>,
    records: &'a mut RecordBatch,
}

/// How many bytes are looked at at once for whether they are text.
const WINDOW: usize = 1 << 15;

impl Worker<'_> {
    fn is_full(&self) -> bool {
        self.records.len() >= self.maker.settings.batch
    }

    /// Makes the records of a row; a break if it ends the reading.
    fn row(&mut self, row: Row<'_>, line: u64, number: u64, desk: &mut Desk) -> ControlFlow<()> {
        records_of_waiting(self.waiting, self.records);
        let had_kind = self.here.kind.is_some();
        let mut reading = Reading { row, line, number, desk, here: self.here, ticket: self.ticket };
        let made = self.maker.records(&mut reading, self.records);
        let length = reading.row.length();
        let packets = if made.is_err() { self.maker.packets(&reading.row) } else { 0 };
        if let (false, Some(kind)) = (had_kind, self.here.kind) {
            let _ = self.kind.set(kind);
        }
        if made.is_ok() {
            self.ticket.met.read(length);
        }
        match made {
            Ok(None) => {}
            Ok(second) => {
                *self.waiting = second;
                if !self.is_full() {
                    records_of_waiting(self.waiting, self.records);
                }
            }
            Err(Fault::Unread(reason)) => self.ticket.met.lose(reason, line, length, packets),
            Err(Fault::File(problem)) => {
                self.ticket.met.fail(problem);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn lose(&mut self, reason: &'static str, line: u64, text: &[u8]) {
        self.ticket.met.lose_text(reason, line, text.len() as u64);
    }

    //-------- Lines

    /// Reads lines; a break at the end.
    fn lines(
        &mut self,
        text: &mut Text,
        at: &mut usize,
        bytes: &[u8],
        tools: &mut Tools,
    ) -> ControlFlow<()> {
        let bytes = bytes.get(..text.length).unwrap_or_default();
        while !self.is_full() {
            let rest = bytes.get(*at..).unwrap_or_default();
            if rest.is_empty() {
                return ControlFlow::Break(());
            }
            let end = match rest.get(..WINDOW) {
                Some(window) => match memrchr(b'\n', window) {
                    Some(last) => last + 1,
                    None => memchr(b'\n', rest).map_or(rest.len(), |end| end + 1),
                },
                None => rest.len(),
            };
            let window = rest.get(..end).unwrap_or(rest);
            match text_of(window) {
                Some(window) => *at += self.window(text, window, tools)?,
                None => {
                    // Whichever of its lines is no text: all others are read.
                    let end = memchr(b'\n', window).map_or(window.len(), |end| end + 1);
                    let line = window.get(..end).unwrap_or(window);
                    *at += end;
                    match text_of(line) {
                        Some(line) => {
                            self.window(text, line, tools)?;
                        }
                        None => {
                            self.lose("rows that are not UTF-8 text", text.line, line);
                            text.line += 1;
                        }
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Reads lines that are text; returns how many bytes it read.
    fn window(
        &mut self,
        text: &mut Text,
        window: &str,
        tools: &mut Tools,
    ) -> ControlFlow<(), usize> {
        let mut at = 0;
        let has_quotes = memchr(b'"', window.as_bytes()).is_some();
        while at < window.len() && !self.is_full() {
            let rest = &window.as_bytes()[at..];
            let (end, has_end) = match memchr(b'\n', rest) {
                Some(end) => (end + 1, true),
                None => (rest.len(), false),
            };
            let line = source::line_of(&rest[..end]).len();
            let line = window.get(at..at + line).unwrap_or_default();
            at += end;
            let number = text.line;
            text.line += 1;
            self.line(&mut text.delimited, (line, has_quotes, has_end), number, tools)?;
        }
        ControlFlow::Continue(at)
    }

    #[inline]
    fn line(
        &mut self,
        delimited: &mut Option<Delimited>,
        (line, has_quotes, has_end): (&str, bool, bool),
        number: u64,
        tools: &mut Tools,
    ) -> ControlFlow<()> {
        let Some(delimited) = delimited else {
            let is_empty = !line.starts_with('{') && line.trim().is_empty();
            return match is_empty {
                true => ControlFlow::Continue(()),
                false => self.object(line, number, number, tools),
            };
        };
        let Maker { preset, plan, .. } = self.maker;
        let here = self.is_watched.then_some(&mut *self.here);
        let kind = delimited.kind(line, preset, plan, here);
        if let Some(packets) = self.here.summed.take() {
            self.ticket.met.sum_up(packets);
        }
        match kind {
            Kind::Row => {}
            Kind::Skipped => return ControlFlow::Continue(()),
            Kind::Unread(reason) => {
                self.lose(reason, number, line.as_bytes());
                return ControlFlow::Continue(());
            }
            Kind::Broken(reason) => {
                self.ticket.met.break_off(format!("{reason} (line {number})"), number);
                return ControlFlow::Break(());
            }
        }
        let Some(header) = &delimited.header else {
            return ControlFlow::Continue(());
        };
        if !has_end && header.is_last_wanted {
            // Where the last column is read, nobody knows whether all of it is there.
            self.lose("cut off at the end of the file", number, line.as_bytes());
            return ControlFlow::Continue(());
        }
        let Tools { slots, starts, desk, .. } = tools;
        let Some((cells, mask)) = header.read(line, has_quotes, plan, (starts, slots)) else {
            let reason = "rows with more or fewer columns than are named";
            self.lose(reason, number, line.as_bytes());
            return ControlFlow::Continue(());
        };
        self.row(Row { cells, mask, plan, preset }, number, number, desk)
    }

    //-------- JSON

    fn object(&mut self, text: &str, line: u64, number: u64, tools: &mut Tools) -> ControlFlow<()> {
        let Maker { preset, plan, .. } = self.maker;
        if !tools.keys.read(text, plan, &mut tools.slots) {
            self.lose("rows that are no JSON object", line, text.as_bytes());
            return ControlFlow::Continue(());
        }
        let cells = Cells::Text { row: text, slots: &tools.slots };
        self.row(Row { cells, mask: cells.mask(0), plan, preset }, line, number, &mut tools.desk)
    }

    /// Reads objects; a break at the end.
    fn objects(
        &mut self,
        objects: &mut std::vec::IntoIter<Object>,
        at: &mut usize,
        bytes: &[u8],
        tools: &mut Tools,
    ) -> ControlFlow<()> {
        while !self.is_full() {
            let Some(Object { line, number, end }) = objects.next() else {
                return ControlFlow::Break(());
            };
            match end {
                Err((reason, bytes)) => self.ticket.met.lose_text(reason, line, bytes),
                Ok(end) => {
                    let bytes = bytes.get(*at..end).unwrap_or_default();
                    *at = end;
                    match std::str::from_utf8(bytes) {
                        Ok(text) => self.object(text, line, number, tools)?,
                        Err(_) => self.lose("rows that are not UTF-8 text", line, bytes),
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    //-------- Parquet

    /// Reads rows of a table; a break at the end.
    fn part(&mut self, part: &mut columnar::Part, tools: &mut Tools) -> ControlFlow<()> {
        let Maker { preset, plan, .. } = self.maker;
        while !self.is_full() {
            let (row, number) = match part.next() {
                columnar::Next::Row { row, number } => (row, number),
                columnar::Next::End => return ControlFlow::Break(()),
                columnar::Next::Broken { reason, number } => {
                    self.ticket.met.break_off(reason, number);
                    return ControlFlow::Break(());
                }
            };
            let cells = Cells::Table { table: part.decoded(), row };
            self.row(
                Row { cells, mask: Mask::MAX, plan, preset },
                number,
                number,
                &mut tools.desk,
            )?;
        }
        ControlFlow::Continue(())
    }
}
