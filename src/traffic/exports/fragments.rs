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

/// The parts of a datagram, by where they stand.
struct Parts {
    parts: BTreeMap<usize, Vec<u8>>,
    /// How long all of it is, once its last part was met.
    length: Option<usize>,
    /// When it was begun, by number.
    number: u64,
}

impl Parts {
    fn bytes(&self) -> usize {
        self.parts.values().map(Vec::len).sum()
    }

    /// Returns the whole, if all of it is there.
    fn whole(&self) -> Option<Vec<u8>> {
        let length = self.length?;
        if self.bytes() < length {
            return None;
        }
        let mut whole = Vec::with_capacity(length);
        for (at, part) in &self.parts {
            // Parts that overlap may contradict each other.
            if *at != whole.len() {
                return None;
            }
            whole.extend_from_slice(part);
        }
        (whole.len() == length).then_some(whole)
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
            Parts { parts: BTreeMap::new(), length: None, number: *begun }
        });
        if let Some(double) = parts.parts.insert(part.offset, part.bytes.to_vec()) {
            self.bytes -= double.len();
        }
        self.bytes += part.bytes.len();
        if !part.more {
            parts.length = Some(part.offset + part.length);
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
        let bytes = self.waiting.remove(&of).map_or(0, |parts| parts.bytes());
        self.bytes -= bytes;
        bytes
    }

    /// Gives up waiting.
    pub(super) fn end(&mut self, lose: impl FnMut(usize)) {
        self.order.clear();
        self.bytes = 0;
        let mut lost: Vec<usize> = self.waiting.drain().map(|(_, parts)| parts.bytes()).collect();
        lost.sort_unstable();
        lost.into_iter().for_each(lose);
    }
}
