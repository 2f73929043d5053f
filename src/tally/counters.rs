//! Counts by key, window by window.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::{Counts, Key, hash};

/// Counts by key; the numbers of keys are positions in one list.
///
/// Each window has a table of its own: recordings are in the order of time, so that only a small
/// part of all keys is looked at for some time, and lies together.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    entries: Vec<(Key, Counts)>,
    /// The window that was counted last, and its table.
    current: (i64, HashTable<u32>),
    /// The tables of the others.
    others: BTreeMap<i64, HashTable<u32>>,
}

impl Counters {
    /// Counts under a key and returns its number.
    #[inline]
    pub(super) fn count(&mut self, key: &Key, counts: Counts) -> u32 {
        if key.window != self.current.0 {
            self.turn_to(key.window);
        }
        let Counters { entries, current: (_, table), .. } = self;
        let hash_of_it = hash(key);
        let is_it = |number: &u32| entries[*number as usize].0 == *key;
        if let Some(number) = table.find(hash_of_it, is_it) {
            let number = *number;
            entries[number as usize].1.add(counts);
            return number;
        }
        let number = entries.len() as u32;
        entries.push((key.clone(), counts));
        table.insert_unique(hash_of_it, number, |number| hash(&entries[*number as usize].0));
        number
    }

    fn turn_to(&mut self, window: i64) {
        let table = self.others.remove(&window).unwrap_or_default();
        let (before, table) = std::mem::replace(&mut self.current, (window, table));
        self.others.insert(before, table);
    }

    /// Returns the key and the counts of a number.
    pub(super) fn get(&self, number: u32) -> &(Key, Counts) {
        &self.entries[number as usize]
    }

    /// Returns the counts of a number.
    pub(super) fn counts_mut(&mut self, number: u32) -> &mut Counts {
        &mut self.entries[number as usize].1
    }

    /// Returns all keys and counts, by number.
    pub(super) fn entries(&self) -> &[(Key, Counts)] {
        &self.entries
    }
}
