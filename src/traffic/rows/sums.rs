//! What a recorder says of its own rows, and what rows say of each other, added up over blocks: sums at
//! the end of a list, counts of drops, and rows of a kind that others tell, too.

use crate::traffic::flow;

/// So many rows of one kind in a row are long.
const LONG_RUN: u64 = 1_000;

/// Rows that tell what others tell, and of which each stands near its twin: a long run of some has none.
#[derive(Default)]
pub(super) struct Runs {
    /// How long the run at the end is, and whether anything stands before it.
    last: u64,
    is_inner: bool,
    /// How long the run at the beginning is, if it is not the one at the end.
    first: u64,
    /// How many rows are in long runs between those.
    without: u64,
}

impl Runs {
    /// Notes a row of the kind that does not count.
    pub(super) fn note(&mut self) {
        self.last += 1;
    }

    /// Notes a row that counts, and so is a twin of those around it.
    pub(super) fn end(&mut self) {
        let run = std::mem::take(&mut self.last);
        match self.is_inner {
            true => self.without += Runs::of(run),
            false => self.first = run,
        }
        self.is_inner = true;
    }

    /// Adds the rows right behind these.
    pub(super) fn add(&mut self, next: Runs) {
        if next.is_inner {
            self.last += next.first;
            self.end();
            self.without += next.without;
            self.last = next.last;
        } else {
            self.last += next.last;
        }
    }

    /// Returns how many rows of a run have no twin.
    fn of(run: u64) -> u64 {
        if run >= LONG_RUN { run } else { 0 }
    }

    /// Returns how many rows in long runs there are.
    pub(super) fn all(&self) -> u64 {
        Runs::of(self.first) + self.without + Runs::of(self.last)
    }
}

/// A count of drops that only grows, until the recorder begins again.
#[derive(Clone, Copy)]
pub(super) struct Drops {
    first: u64,
    last: u64,
    grown: u64,
}

impl Drops {
    /// Makes one of what it is in one place.
    pub(super) fn at(count: u64) -> Drops {
        Drops { first: count, last: count, grown: 0 }
    }

    /// Returns by how much it grew.
    pub(super) fn grown(self) -> u64 {
        self.grown
    }

    /// Adds what it is behind this.
    pub(super) fn add(&mut self, next: Drops) {
        // One that began again counts from zero.
        let grown = next.first.checked_sub(self.last).unwrap_or(next.first);
        self.grown = self.grown.saturating_add(grown).saturating_add(next.grown);
        self.last = next.last;
    }
}

/// What was met of what a recorder sums up.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) packets: u64,
    /// Flows: a row is one, or two.
    pub(super) rows: u64,
    /// Rows that are unread.
    pub(super) lost: u64,
}

impl Sum {
    /// Adds others.
    pub(super) fn add(&mut self, other: Sum) {
        self.packets = self.packets.saturating_add(other.packets);
        self.rows += other.rows;
        self.lost += other.lost;
    }

    /// Returns how many rows are missing, besides those that are unread, of so many packets.
    pub(super) fn missing(self, packets: u64) -> u64 {
        self.rows(packets.saturating_sub(self.packets)).saturating_sub(self.lost)
    }

    /// Returns how many rows so many packets are.
    pub(super) fn rows(self, packets: u64) -> u64 {
        flow::records_of(packets, (self.rows, self.packets))
    }
}
