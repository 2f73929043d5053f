//! Exports that were sent in several IP packets, put together again.

use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::fast::FixedState;

use crate::model::Address;
use crate::packet::Fragment;

/// How many bytes, and datagrams, wait for the rest of them.
const WAITING_BYTES: usize = 16 << 20;
const WAITING: usize = 4096;

/// What the parts of a datagram have in common.
type Of = (Address, Address, u32);

/// Datagrams of which some parts were met.
#[derive(Default)]
pub(super) struct Fragments {
    waiting: HashMap<Of, Parts, FixedState>,
    /// In the order in which they were begun; some may be gone.
    order: VecDeque<(Of, u64)>,
    bytes: usize,
    begun: u64,
}

/// The parts of a datagram, by where they stand; none of them overlap.
struct Parts {
    parts: BTreeMap<usize, Vec<u8>>,
    /// How many bytes they are.
    bytes: usize,
    /// How long all of it is, once its last part was met.
    length: Option<usize>,
    /// When it was begun, by number.
    number: u64,
}

impl Parts {
    /// Adds a part; `false` if it contradicts another one.
    fn add(&mut self, part: &Fragment<'_>) -> bool {
        let end = part.offset + part.length;
        if self.parts.get(&part.offset).is_some_and(|known| *known == part.bytes) {
            return true;
        }
        let before = self.parts.range(..=part.offset).next_back();
        let overlaps = before.is_some_and(|(at, known)| at + known.len() > part.offset)
            || self.parts.range(part.offset..).next().is_some_and(|(at, _)| *at < end);
        if !part.more {
            self.length = Some(*self.length.get_or_insert(end)).filter(|length| *length == end);
        }
        let last = self.parts.last_key_value().map_or(0, |(at, known)| at + known.len());
        if overlaps || self.length.is_some_and(|length| last.max(end) > length) {
            return false;
        }
        self.bytes += part.length;
        self.parts.insert(part.offset, part.bytes.to_vec());
        true
    }

    /// Returns the whole, if all of it is there.
    fn whole(&self) -> Option<Vec<u8>> {
        (self.length == Some(self.bytes)).then(|| self.parts.values().flatten().copied().collect())
    }
}

impl Fragments {
    /// Adds a part, and returns the whole datagram with its header if that was the last. What can
    /// never become whole is handed to `lose`, as a number of bytes.
    pub(super) fn add(
        &mut self,
        part: &Fragment<'_>,
        mut lose: impl FnMut(usize),
    ) -> Option<Vec<u8>> {
        if part.bytes.len() < part.length {
            // Nobody kept the rest of it.
            lose(part.length);
            return None;
        }
        let of = (part.src, part.dst, part.id);
        let begun = &mut self.begun;
        let parts = self.waiting.entry(of).or_insert_with(|| {
            *begun += 1;
            self.order.push_back((of, *begun));
            Parts { parts: BTreeMap::new(), bytes: 0, length: None, number: *begun }
        });
        let before = parts.bytes;
        let fits = parts.add(part);
        self.bytes += parts.bytes - before;
        if !fits {
            lose(self.forget(of) + part.length);
            return None;
        }
        let whole = parts.whole();
        if whole.is_some() {
            self.forget(of);
        }
        while self.bytes > WAITING_BYTES || self.waiting.len() > WAITING {
            let Some((oldest, number)) = self.order.pop_front() else { break };
            if self.waiting.get(&oldest).is_some_and(|parts| parts.number == number) {
                lose(self.forget(oldest));
            }
        }
        if self.order.len() > 2 * WAITING {
            let waiting = &self.waiting;
            let is_there = |(of, number): &(Of, u64)| {
                waiting.get(of).is_some_and(|parts| parts.number == *number)
            };
            self.order.retain(is_there);
        }
        whole
    }

    /// Takes a datagram away, and returns how many bytes of it there were.
    fn forget(&mut self, of: Of) -> usize {
        let bytes = self.waiting.remove(&of).map_or(0, |parts| parts.bytes);
        self.bytes -= bytes;
        bytes
    }

    /// Gives up waiting.
    pub(super) fn end(&mut self, lose: impl FnMut(usize)) {
        self.order.clear();
        self.bytes = 0;
        let mut lost: Vec<usize> = self.waiting.drain().map(|(_, parts)| parts.bytes).collect();
        lost.sort_unstable();
        lost.into_iter().for_each(lose);
    }
}
