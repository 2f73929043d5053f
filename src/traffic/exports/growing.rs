//! Counters of exporters that only grow.

/// By how much a counter grew while it was recorded, and what it was last: what it counted before may
/// have been before the recording.
#[derive(Clone, Copy, Debug)]
pub(in crate::traffic) struct Growing {
    last: u64,
    /// By how much it grew.
    pub(in crate::traffic) grown: u64,
}

impl Growing {
    /// Makes one that begins with this.
    pub(in crate::traffic) fn new(first: u64) -> Growing {
        Growing { last: first, grown: 0 }
    }

    /// Notes what it is now. One that falls to less than half began again from zero; one that falls by
    /// less was overtaken on its way.
    pub(in crate::traffic) fn note(&mut self, now: u64) {
        let more = match now.checked_sub(self.last) {
            Some(more) => more,
            None if now < self.last / 2 => now,
            None => return,
        };
        self.grown = self.grown.saturating_add(more);
        self.last = now;
    }
}
