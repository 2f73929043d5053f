//! What was met in a recording of rows, added up in the order of the file, whoever reads which block of
//! it and when. So the first lines of each kind are the first of the file, and what ends the reading ends
//! it at the same row for any number of threads.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::sums::{Drops, Runs, Sum};
use crate::model::{Diagnostic, ReadCounts};

/// How many lines of each kind that is unread are named.
const SHOWN: usize = 3;

/// Text that is no row counts as one for so many bytes, where no row tells how long they are.
const ROW_BYTES: u64 = 256;
/// No row is shorter.
const SHORTEST: u64 = 16;

const UNSEEN: &str = "rows of packets that the recorder says it dropped or did not see";
const TWINLESS: &str = "rows of another kind than the first, without one of that kind for long";
const HEAVY: &str = "rows more for the packets of those that cannot be read";
const MISSING: &str = "rows that the recorder summed up, and that are not in the file";

/// What was met in a block, or in all of them.
#[derive(Default)]
pub(super) struct Met {
    pub(super) frames: u64,
    pub(super) records: u64,
    pub(super) dropped: u64,
    pub(super) unknown_sampling: u64,
    pub(super) overridden: u64,
    /// Whether some record is of IPv6.
    pub(super) has_v6: bool,
    other: BTreeMap<&'static str, u64>,
    lost: BTreeMap<Cow<'static, str>, Lost>,
    /// What was met since the last sum of a recorder.
    since: Sum,
    /// What was met before the first of those, and how many packets it says that there were.
    first: Option<(Sum, u64)>,
    /// How many rows are missing by all sums but the first.
    missing: u64,
    /// All rows with a count.
    all: Sum,
    /// How many rows were read, and their bytes.
    read: u64,
    read_bytes: u64,
    /// Rows of the kind that does not count.
    twins: Runs,
    /// All rows that are unread, by their packets.
    lost_packets: Sum,
    /// How many packets of them the recorder says that it did not see, and how many it had dropped.
    unseen: u64,
    drops: Option<Drops>,
    end: End,
}

/// Rows of one kind that are unread.
#[derive(Default)]
struct Lost {
    /// In how many places, the bytes of all, and in which lines the first of those are.
    places: u64,
    bytes: u64,
    lines: Vec<u64>,
}

/// Whether anything after a block counts.
#[derive(Default)]
enum End {
    #[default]
    Open,
    /// Nothing more can be read, and why.
    Broken(String),
    /// Nothing in the file can be read like this, and why, until that was handed out.
    Fault(Option<Box<Diagnostic>>),
}

impl Met {
    /// Counts a row that is no traffic.
    pub(super) fn other(&mut self, what: &'static str) {
        self.frames += 1;
        *self.other.entry(what).or_default() += 1;
    }

    /// Notes a row of so many bytes.
    #[inline]
    pub(super) fn read(&mut self, bytes: usize) {
        self.read += 1;
        self.read_bytes += bytes as u64;
    }

    /// Counts a row that is unread: of so many bytes and packets.
    pub(super) fn lose(
        &mut self,
        reason: Cow<'static, str>,
        line: u64,
        bytes: usize,
        packets: u64,
    ) {
        self.lost_packets.add(Sum { packets, rows: 1, lost: 0 });
        self.lose_text(reason, line, bytes as u64);
    }

    /// Counts text of so many bytes that is no row, or nobody knows how many.
    pub(super) fn lose_text(
        &mut self,
        reason: impl Into<Cow<'static, str>>,
        line: u64,
        bytes: u64,
    ) {
        self.frames += 1;
        self.since.lost += (bytes / ROW_BYTES).max(1);
        let lost = self.lost.entry(reason.into()).or_default();
        lost.places += 1;
        lost.bytes = lost.bytes.saturating_add(bytes);
        if lost.lines.len() < SHOWN {
            lost.lines.push(line);
        }
    }

    /// Notes a flow of so many packets.
    pub(super) fn see(&mut self, packets: u64) {
        let sum = Sum { packets, rows: 1, lost: 0 };
        self.since.add(sum);
        self.all.add(sum);
    }

    /// Counts a row that tells what one of the kind that counts tells.
    pub(super) fn twin(&mut self, what: &'static str) {
        self.twins.note();
        self.other(what);
    }

    /// Notes a row of the kind that counts.
    pub(super) fn end_twins(&mut self) {
        self.twins.end();
    }

    /// Notes that the recorder did not see so many packets.
    pub(super) fn miss(&mut self, packets: u64) {
        self.unseen = self.unseen.saturating_add(packets);
    }

    /// Notes how many packets the recorder had dropped up to a row.
    pub(super) fn had_dropped(&mut self, packets: u64) {
        self.add_drops(Drops::at(packets));
    }

    fn add_drops(&mut self, drops: Drops) {
        match &mut self.drops {
            None => self.drops = Some(drops),
            Some(all) => all.add(drops),
        }
    }

    /// Notes how many packets all rows since the last sum had, as the recorder says.
    pub(super) fn sum_up(&mut self, packets: u64) {
        let since = std::mem::take(&mut self.since);
        match self.first {
            None => self.first = Some((since, packets)),
            Some(_) => self.missing = self.missing.saturating_add(since.missing(packets)),
        }
    }

    /// Notes that nothing can be read from a line on.
    pub(super) fn break_off(&mut self, reason: String, line: u64) {
        self.lose_text("rows after which nothing can be read", line, 0);
        self.end = End::Broken(reason);
    }

    /// Notes what is wrong with all of the file.
    pub(super) fn fail(&mut self, problem: Box<Diagnostic>) {
        self.end = End::Fault(Some(problem));
    }

    /// Returns whether nothing after it counts.
    pub(super) fn has_ended(&self) -> bool {
        !matches!(self.end, End::Open)
    }

    /// Adds what was met right behind all this.
    fn add(&mut self, next: Met) {
        if self.has_ended() {
            return;
        }
        self.frames += next.frames;
        self.records += next.records;
        self.dropped += next.dropped;
        self.unknown_sampling += next.unknown_sampling;
        self.overridden += next.overridden;
        self.has_v6 |= next.has_v6;
        for (what, count) in next.other {
            *self.other.entry(what).or_default() += count;
        }
        for (reason, more) in next.lost {
            let lost = self.lost.entry(reason).or_default();
            lost.places += more.places;
            lost.bytes = lost.bytes.saturating_add(more.bytes);
            let room = SHOWN.saturating_sub(lost.lines.len());
            lost.lines.extend(more.lines.into_iter().take(room));
        }
        if let Some((before, packets)) = next.first {
            self.since.add(before);
            self.missing = self.missing.saturating_add(self.since.missing(packets));
            self.missing = self.missing.saturating_add(next.missing);
            self.since = Sum::default();
        }
        self.since.add(next.since);
        self.all.add(next.all);
        self.read += next.read;
        self.read_bytes += next.read_bytes;
        self.lost_packets.add(next.lost_packets);
        self.twins.add(next.twins);
        self.miss(next.unseen);
        next.drops.into_iter().for_each(|drops| self.add_drops(drops));
        self.end = next.end;
    }

    fn counts(&self) -> ReadCounts {
        let mut counts = ReadCounts {
            frames: self.frames,
            records: self.records,
            dropped: self.dropped,
            unknown_sampling: self.unknown_sampling,
            overridden: self.overridden,
            ..ReadCounts::default()
        };
        counts.other =
            self.other.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
        if let End::Broken(reason) = &self.end {
            counts.broken = Some(reason.clone());
        }
        let mean = self.read_bytes.checked_div(self.read).filter(|mean| *mean > 0);
        let row_bytes = mean.map_or(ROW_BYTES, |mean| mean.max(SHORTEST));
        for (reason, lost) in &self.lost {
            let mut lines: Vec<String> = lost.lines.iter().map(u64::to_string).collect();
            if lost.places > lost.lines.len() as u64 {
                lines.push("…".to_owned());
            }
            let word = if lost.places == 1 { "line" } else { "lines" };
            let reason = format!("{reason} ({word} {})", lines.join(", "));
            // Twice the length of a row is two of them; less is one that is a bit longer.
            let rows = lost.places.max(lost.bytes / row_bytes);
            let rows = if rows >= 2 * lost.places { rows } else { lost.places };
            counts.frames = counts.frames.saturating_add(rows - lost.places);
            *counts.unread.entry(reason).or_default() += rows;
        }
        let unseen = self.unseen.saturating_add(self.drops.map_or(0, Drops::grown));
        // A row of far more packets than others is more than one.
        let heavy = self.all.rows(self.lost_packets.packets).saturating_sub(self.lost_packets.rows);
        let heavy = if heavy > self.lost_packets.rows { heavy } else { 0 };
        let rows = [
            (MISSING, self.missing),
            (UNSEEN, self.all.rows(unseen)),
            (HEAVY, heavy),
            (TWINLESS, self.twins.all()),
        ];
        for (what, rows) in rows {
            if rows > 0 {
                counts.frames = counts.frames.saturating_add(rows);
                counts.unread.insert(what.to_owned(), rows);
            }
        }
        counts
    }
}

/// Adds up what is met in blocks.
#[derive(Default)]
pub(super) struct Ledger {
    book: Mutex<Book>,
    added: Condvar,
    /// Whether some block ends the reading.
    is_ended: AtomicBool,
}

#[derive(Default)]
struct Book {
    /// The number of the block that is added next.
    next: u64,
    /// What was met in later ones.
    early: BTreeMap<u64, Met>,
    met: Met,
}

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what was met in all blocks up to the first that is not read yet, and whether some record
    /// is of IPv6.
    pub(super) fn counts(&self) -> (ReadCounts, bool) {
        let book = self.book();
        (book.met.counts(), book.met.has_v6)
    }

    /// Returns whether some block ends the reading, be it that blocks before it are still read.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Acquire)
    }

    /// Returns whether one of so many blocks ended the reading; none while some of them are not read.
    pub(super) fn has_ended(&self, blocks: u64) -> Option<bool> {
        let book = self.book();
        (book.next >= blocks).then(|| book.met.has_ended())
    }

    /// Hands out what is wrong with all of the file, if so many blocks were read.
    pub(super) fn take_problem(&self, blocks: u64) -> Option<Box<Diagnostic>> {
        let mut book = self.book();
        let is_read = book.next >= blocks;
        match &mut book.met.end {
            End::Fault(problem) if is_read => problem.take(),
            _ => None,
        }
    }

    fn add(&self, block: u64, met: Met) {
        if met.has_ended() {
            self.is_ended.store(true, Ordering::Release);
        }
        let mut book = self.book();
        book.early.insert(block, met);
        loop {
            let next = book.next;
            let Some(met) = book.early.remove(&next) else {
                break;
            };
            book.met.add(met);
            book.next += 1;
        }
        drop(book);
        self.added.notify_all();
    }

    fn wait(&self, block: u64) {
        let mut book = self.book();
        while book.next < block {
            book = self.added.wait(book).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The right to add what was met in one block, and the duty: nobody waits for a block in vain.
pub(super) struct Ticket {
    ledger: Arc<Ledger>,
    block: u64,
    /// What was met in it so far.
    pub(super) met: Met,
    is_added: bool,
}

impl Ticket {
    pub(super) fn new(ledger: &Arc<Ledger>, block: u64) -> Ticket {
        Ticket { ledger: Arc::clone(ledger), block, met: Met::default(), is_added: false }
    }

    /// Waits until all blocks before this one are read.
    pub(super) fn wait(&self) {
        self.ledger.wait(self.block);
    }

    /// Adds what was met in the block, which is read.
    pub(super) fn add(&mut self) {
        if !std::mem::replace(&mut self.is_added, true) {
            self.ledger.add(self.block, std::mem::take(&mut self.met));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.add();
    }
}
