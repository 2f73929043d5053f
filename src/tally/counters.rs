//! Counts by key, window by window.

use std::collections::BTreeMap;

use super::{Counts, Interner, Key};
use crate::model::{Label, NameId};
use crate::service::Service;

/// What a record is counted by, as a few numbers of one [`super::Counting`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The window.
    pub window: i64,
    within: Within,
}

/// A key within its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Within {
    paths: u32,
    ends: u32,
    service: Service,
    /// Number of the [`Rest`].
    rest: u32,
}

impl Within {
    /// Hashes two words to one, as wyhash does: each half of their product hangs on all bits.
    #[inline]
    fn hash(&self) -> u64 {
        let a = u64::from(self.paths) << 32 | u64::from(self.ends);
        let b = u64::from(self.service.number()) << 32 | u64::from(self.rest);
        let product = u128::from(a ^ 0xa076_1d64_78bd_642f) * u128::from(b ^ 0xe703_7ed1_a0b4_28db);
        product as u64 ^ (product >> 64) as u64
    }
}

/// The part of a key that is the same for many records in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Rest {
    pop: Option<NameId>,
    label: Label,
    attack: u32,
    slot: Option<u8>,
    part: u16,
}

/// Counts by key; the numbers of keys are positions in one list.
///
/// Each window has a table of its own: recordings are in the order of time, so that only a small
/// part of all keys is looked at for some time, and lies together.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    rests: Interner<Rest>,
    /// What was asked for last, and its number.
    last: Option<(Rest, u32)>,
    keys: Vec<Packed>,
    counts: Vec<Counts>,
    /// The window that was counted last, and its table.
    current: (i64, Table),
    /// The tables of the others.
    others: BTreeMap<i64, Table>,
    hashes: Vec<u64>,
}

impl Counters {
    /// Returns a key as a few numbers.
    #[inline]
    pub(super) fn pack(&mut self, key: &Key) -> Packed {
        let Key { paths, ends, pop, service, label, attack, window, slot, part } = *key;
        let rest = Rest { pop, label, attack, slot, part };
        let rest = match self.last {
            Some((last, number)) if last == rest => number,
            _ => {
                let number = self.rests.intern(&rest);
                self.last = Some((rest, number));
                number
            }
        };
        Packed { window, within: Within { paths, ends, service, rest } }
    }

    fn unpack(&self, packed: &Packed) -> Key {
        let Packed { window, within: Within { paths, ends, service, rest } } = *packed;
        let Rest { pop, label, attack, slot, part } = *self.rests.value(rest);
        Key { paths, ends, pop, service, label, attack, window, slot, part }
    }

    /// Counts under a key and returns its number.
    pub(super) fn count(&mut self, key: &Key, counts: Counts) -> u32 {
        let packed = self.pack(key);
        self.turn_to(packed.window);
        self.count_here(&packed, packed.within.hash(), counts)
    }

    /// Counts under each of these keys what there is of it; `numbers` is cleared first.
    pub(super) fn count_all(
        &mut self,
        keys: &[Packed],
        counts: impl Fn(usize) -> Counts,
        numbers: &mut Vec<u32>,
    ) {
        numbers.clear();
        let mut hashes = std::mem::take(&mut self.hashes);
        for keys in keys.chunk_by(|a, b| a.window == b.window) {
            self.turn_to(keys[0].window);
            hashes.clear();
            hashes.extend(keys.iter().map(|key| key.within.hash()));
            // Looks at all places first: so the processor waits for many at once.
            let near = hashes.iter().map(|hash| self.current.1.near(*hash));
            let counted = near.filter_map(|number| self.counts.get(number as usize));
            std::hint::black_box(counted.fold(0, |all, counts| all ^ counts.records));
            for (key, hash) in keys.iter().zip(&hashes) {
                numbers.push(self.count_here(key, *hash, counts(numbers.len())));
            }
        }
        self.hashes = hashes;
    }

    /// Counts under a key of the current window.
    #[inline]
    fn count_here(&mut self, key: &Packed, hash: u64, counts: Counts) -> u32 {
        let Counters { keys, counts: sums, current: (_, table), .. } = self;
        match table.find(&key.within, hash) {
            Ok(number) => {
                sums[number as usize].add(counts);
                number
            }
            Err(empty) => {
                let number = keys.len() as u32;
                keys.push(*key);
                sums.push(counts);
                table.fill(empty, Slot { key: key.within, number });
                number
            }
        }
    }

    fn turn_to(&mut self, window: i64) {
        if window == self.current.0 {
            return;
        }
        let table = self.others.remove(&window).unwrap_or_default();
        let (before, table) = std::mem::replace(&mut self.current, (window, table));
        self.others.insert(before, table);
    }

    /// Returns the key of a number.
    pub(super) fn key(&self, number: u32) -> Key {
        self.unpack(&self.keys[number as usize])
    }

    /// Returns the key and the counts of a number.
    pub(super) fn get(&self, number: u32) -> (Key, Counts) {
        (self.key(number), self.counts[number as usize])
    }

    /// Returns the counts of a number.
    pub(super) fn counts_mut(&mut self, number: u32) -> &mut Counts {
        &mut self.counts[number as usize]
    }

    /// Returns all keys and counts, by number.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Key, Counts)> + '_ {
        let keys = self.keys.iter().map(|packed| self.unpack(packed));
        keys.zip(self.counts.iter().copied())
    }

    /// Returns the PoPs of all keys, some of them several times.
    pub(super) fn pops(&self) -> impl Iterator<Item = Option<NameId>> + '_ {
        self.rests.values().iter().map(|rest| rest.pop)
    }

    /// Returns how many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

//------------ Table ---------------------------------------------------------

/// Keys of one window, by hash; a key lies in the first empty slot at or behind that of its hash.
#[derive(Clone, Debug)]
struct Table {
    /// As many as a power of two; at most half of them are filled.
    slots: Vec<Slot>,
    filled: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    key: Within,
    /// [`EMPTY`] if there is none.
    number: u32,
}

const EMPTY: u32 = u32::MAX;

/// How many slots a table has at first.
const FIRST_SLOTS: usize = 64;

impl Default for Table {
    fn default() -> Table {
        Table::with_slots(FIRST_SLOTS)
    }
}

impl Table {
    fn with_slots(slots: usize) -> Table {
        let key = Within { paths: 0, ends: 0, service: Service::Unknown, rest: 0 };
        Table { slots: vec![Slot { key, number: EMPTY }; slots], filled: 0 }
    }

    /// Returns the number in the slot of a hash, whatever its key is.
    #[inline]
    fn near(&self, hash: u64) -> u32 {
        self.slots[hash as usize & (self.slots.len() - 1)].number
    }

    /// Returns the number of a key, or the slot where it belongs.
    #[inline]
    fn find(&self, key: &Within, hash: u64) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = &self.slots[at];
            if slot.number == EMPTY {
                return Err(at);
            }
            if slot.key == *key {
                return Ok(slot.number);
            }
            at = (at + 1) & mask;
        }
    }

    /// Fills a slot that [`Table::find`] returned.
    fn fill(&mut self, empty: usize, slot: Slot) {
        self.slots[empty] = slot;
        self.filled += 1;
        if self.filled * 2 > self.slots.len() {
            let mut larger = Table::with_slots(self.slots.len() * 2);
            for slot in self.slots.iter().filter(|slot| slot.number != EMPTY) {
                if let Err(empty) = larger.find(&slot.key, slot.key.hash()) {
                    larger.slots[empty] = *slot;
                }
            }
            self.slots = larger.slots;
        }
    }
}
