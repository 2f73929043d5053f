//! What replay produces: counters that add up in any order, and the offers that policers meet.
//!
//! Numbers of paths, ends and buckets depend on the order of reading and never show: what was
//! counted ([`Counting`]) is sorted by content when it is finished ([`Tally`]).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hash};

mod counters;
mod counting;
mod directions;

pub use counters::Packed;
pub use counting::Counting;
pub use directions::Directions;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::attribution::Ends;
use crate::attribution::bucket::Parts;
use crate::matcher::Step;
use crate::model::{Label, NameId};
use crate::service::Service;

/// Hands out small numbers for values.
#[derive(Clone, Debug)]
pub struct Interner<T> {
    numbers: HashTable<u32>,
    values: Vec<T>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Interner { numbers: HashTable::new(), values: Vec::new() }
    }
}

/// The same hash in every run: numbers never show, but what is slow should be so every time.
fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    FixedState::default().hash_one(value)
}

impl<T: Clone + Eq + Hash> Interner<T> {
    /// Returns the number of a value, new or old.
    pub fn intern(&mut self, value: &T) -> u32 {
        let Interner { numbers, values } = self;
        let hash_of_it = hash(value);
        let is_it = |number: &u32| values[*number as usize] == *value;
        if let Some(number) = numbers.find(hash_of_it, is_it) {
            return *number;
        }
        let number = values.len() as u32;
        values.push(value.clone());
        numbers.insert_unique(hash_of_it, number, |number| hash(&values[*number as usize]));
        number
    }

    /// Returns the number of a value, if it has one.
    pub fn find(&self, value: &T) -> Option<u32> {
        let is_it = |number: &u32| self.values[*number as usize] == *value;
        self.numbers.find(hash(value), is_it).copied()
    }

    /// Returns the value of a number.
    pub fn value(&self, number: u32) -> &T {
        &self.values[number as usize]
    }

    /// Returns all values, by number.
    pub fn values(&self) -> &[T] {
        &self.values
    }
}

/// The ways of a record through the running and the candidate rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// Through the running rules.
    pub running: Vec<Step>,
    /// Through the candidate rules.
    pub candidate: Vec<Step>,
}

/// Into how many parts the sources of a PoP are cut where a scenario drains it into several.
pub const SLOTS: u64 = 256;

/// The bit of [`Key::attack`] of later fragments.
pub const LATER_FRAGMENT: u32 = 1 << 31;

/// The bit of [`Key::attack`] of IPv6.
pub const IPV6: u32 = 1 << 30;

/// What records are counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Number of the paths: of a list of numbers of pairs. The first is where the record was seen.
    /// If there are more, the others are where a scenario may move it, by class of PoPs.
    pub paths: u32,
    /// Number of the ends.
    pub ends: u32,
    /// The PoP; none if unknown.
    pub pop: Option<NameId>,
    /// The service.
    pub service: Service,
    /// The label.
    pub label: Label,
    /// Which `attack_match`es of intents the record meets, a bit each; and [`LATER_FRAGMENT`] and
    /// [`IPV6`]. Nothing for what is not attack.
    pub attack: u32,
    /// The window: start time divided by its length.
    pub window: i64,
    /// Which part of its PoP's sources it is of (below [`SLOTS`]), where that decides what becomes
    /// of it in a scenario.
    pub slot: Option<u8>,
    /// What it is part of: zero is the recording, others are what a scenario adds.
    pub part: u16,
}

/// How much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records.
    pub records: u64,
    /// Recorded packets, before any scaling.
    pub raw: u64,
    /// Packets on the wire that they stand for.
    pub packets: u64,
    /// Bytes on the wire that they stand for.
    pub bytes: u64,
}

impl Counts {
    /// Adds another count.
    pub fn add(&mut self, other: Counts) {
        self.records += other.records;
        self.raw = self.raw.saturating_add(other.raw);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Returns this count without a part of it.
    #[must_use]
    pub fn without(self, part: Counts) -> Counts {
        Counts {
            records: self.records.saturating_sub(part.records),
            raw: self.raw.saturating_sub(part.raw),
            packets: self.packets.saturating_sub(part.packets),
            bytes: self.bytes.saturating_sub(part.bytes),
        }
    }
}

/// A bucket of a policer; every PoP has an instance of it, if its scope says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketKey {
    /// Whether it is a candidate's.
    pub candidate: bool,
    /// The rule.
    pub rule: u32,
    /// The exporter, if the limit's scope is that.
    pub exporter: Option<NameId>,
    /// The values of the key's parts.
    pub parts: Parts,
}

/// A record that meets at least one policer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// When.
    pub time_ns: i64,
    /// The rank of its file by name.
    pub source: u32,
    /// Its number in the file.
    pub number: u64,
    /// What it is counted by.
    pub key: u32,
    /// Recorded packets.
    pub packets: u64,
    /// Recorded bytes.
    pub bytes: u64,
    /// One recorded packet stands for so many.
    pub weight: u32,
    /// Whether its packets are even over its second.
    pub even: bool,
    /// How long it lasts, in nanoseconds; zero for a packet.
    pub duration_ns: u64,
    /// Where its buckets start in [`Tally::buckets_met`]: for every pair of its paths one for each
    /// policer step of the running path, then of the candidate's, then for those of the candidate's
    /// that could be keyed by destination the bucket that it would then be; [`NO_BUCKET`] where
    /// the key is unknown.
    pub buckets: u32,
}

/// Stands for a bucket whose key the record does not know.
pub const NO_BUCKET: u32 = u32::MAX;

/// Everything that replay counted, in an order that only hangs on what was counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Pairs of paths by number.
    pub pairs: Interner<Pair>,
    /// Paths by number, as numbers of pairs.
    pub paths: Interner<Vec<u32>>,
    /// Ends by number.
    pub ends: Interner<Ends>,
    /// Buckets by number.
    pub buckets: Interner<BucketKey>,
    entries: Vec<(Key, Counts)>,
    /// Offers, in the order of time, recording and record.
    pub offers: Vec<Offer>,
    /// The buckets of all offers.
    pub buckets_met: Vec<u32>,
    /// For every recording that has an age, by its rank: when its latest records were.
    pub newest_aged: BTreeMap<u32, Newest>,
    /// For every window: the start of its earliest record, and the end of its latest.
    pub windows: BTreeMap<i64, (i64, i64)>,
    /// Packets of the recording that each exporter of a PoP saw.
    pub exporters: BTreeMap<(NameId, NameId), u64>,
    /// Which ways the recording went where.
    pub directions: Directions,
    /// Records whose PoP the inventory does not list.
    pub unknown_pop_records: u64,
    /// The PoPs that they name.
    pub unlisted_pops: BTreeSet<NameId>,
}

/// When the latest records of a recording were, in nanoseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The end of the very latest.
    pub last_ns: i64,
    /// The end of the latest but for one in [`STRAY`], to the window: a few packets of another day
    /// say nothing of the age of the rest.
    pub most_ns: i64,
}

/// At most one record in so many does not count for the age of a recording.
pub const STRAY: u64 = 100;

impl Tally {
    /// Returns all keys and counts.
    pub fn entries(&self) -> impl Iterator<Item = (u32, &Key, Counts)> {
        let all = (0u32..).zip(&self.entries);
        all.map(|(number, (key, counts))| (number, key, *counts))
    }

    /// Returns the key with this number.
    pub fn key(&self, number: u32) -> &Key {
        &self.entries[number as usize].0
    }

    /// Returns how many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
