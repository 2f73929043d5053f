//! Counting: what each worker does by itself, and how their counts come together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use super::counters::Counters;
use super::{
    BucketKey, Counts, Directions, Interner, Key, NO_BUCKET, Newest, Offer, Packed, Pair, STRAY,
    Tally,
};
use crate::attribution::Ends;
use crate::model::NameId;

/// A tally that is being made: numbers depend on the order of reading.
#[derive(Clone, Debug, Default)]
pub struct Counting {
    /// Pairs of paths by number.
    pub pairs: Interner<Pair>,
    /// Paths by number, as numbers of pairs.
    pub paths: Interner<Vec<u32>>,
    /// Ends by number.
    pub ends: Interner<Ends>,
    /// Buckets by number.
    pub buckets: Interner<BucketKey>,
    counters: Counters,
    /// Offers, in the order of reading.
    pub offers: Vec<Offer>,
    /// The buckets of all offers.
    pub buckets_met: Vec<u32>,
    /// By the rank of a recording that has an age, and by window: the end of its latest record, and
    /// how many there are.
    aged: BTreeMap<(u32, i64), (i64, u64)>,
    /// See [`Tally::windows`].
    pub windows: BTreeMap<i64, (i64, i64)>,
    /// See [`Tally::exporters`].
    pub exporters: BTreeMap<(NameId, NameId), u64>,
    /// See [`Tally::directions`].
    pub directions: Directions,
    /// See [`Tally::unknown_pop_records`].
    pub unknown_pop_records: u64,
    /// See [`Tally::unlisted_pops`].
    pub unlisted_pops: BTreeSet<NameId>,
}

impl Counting {
    /// Counts under a key and returns the number of the key.
    pub fn count(&mut self, key: &Key, counts: Counts) -> u32 {
        self.counters.count(key, counts)
    }

    /// Returns a key as a few numbers, by which [`Counting::count_all`] counts.
    #[inline]
    pub fn pack(&mut self, key: &Key) -> Packed {
        self.counters.pack(key)
    }

    /// Counts under each of these keys what there is of it, and returns the numbers of the keys;
    /// `numbers` is cleared first.
    pub fn count_all(
        &mut self,
        keys: &[Packed],
        counts: impl Fn(usize) -> Counts,
        numbers: &mut Vec<u32>,
    ) {
        self.counters.count_all(keys, counts, numbers);
    }

    /// Counts what was counted by one key by another one.
    pub fn recount(&mut self, from: u32, to: u32, counts: Counts) {
        let old = self.counters.counts_mut(from);
        *old = old.without(counts);
        self.counters.counts_mut(to).add(counts);
    }

    /// Notes when so many records of a window were; `aged` is the rank of their recording if it has
    /// an age.
    pub fn seen(
        &mut self,
        window: i64,
        (start_ns, end_ns): (i64, i64),
        aged: Option<u32>,
        records: u64,
    ) {
        let span = self.windows.entry(window).or_insert((start_ns, end_ns));
        *span = (span.0.min(start_ns), span.1.max(end_ns));
        if let Some(rank) = aged {
            self.note_aged((rank, window), end_ns, records);
        }
    }

    fn note_aged(&mut self, at: (u32, i64), end_ns: i64, records: u64) {
        let (end, count) = self.aged.entry(at).or_insert((end_ns, 0));
        *end = end_ns.max(*end);
        *count += records;
    }

    /// Returns when the latest records of each recording were that has an age.
    fn newest_aged(&self) -> BTreeMap<u32, Newest> {
        let mut all: BTreeMap<u32, u64> = BTreeMap::new();
        for ((rank, _), (_, records)) in &self.aged {
            *all.entry(*rank).or_default() += records;
        }
        let newest = |(rank, records): (u32, u64)| {
            let windows = || self.aged.range((rank, i64::MIN)..=(rank, i64::MAX)).rev();
            let mut later = 0;
            let most = windows().find(|(_, (_, records_of_it))| {
                later += records_of_it;
                later * STRAY >= records
            });
            let last_ns = windows().map(|(_, (end_ns, _))| *end_ns).max().unwrap_or_default();
            let most_ns = most.map_or(last_ns, |(_, (end_ns, _))| *end_ns);
            (rank, Newest { last_ns, most_ns })
        };
        all.into_iter().map(newest).collect()
    }

    /// Returns all keys and counts, by number.
    pub fn entries(&self) -> impl Iterator<Item = (Key, Counts)> + '_ {
        self.counters.entries()
    }

    /// Returns the key with this number.
    pub fn key(&self, number: u32) -> Key {
        self.counters.key(number)
    }

    /// Returns how many keys there are.
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Returns whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds what another worker counted; its numbers are translated.
    pub fn merge(&mut self, other: Counting) {
        let pairs = renumber(&mut self.pairs, &other.pairs);
        let all = other.paths.values().iter();
        let paths: Vec<u32> = all
            .map(|paths| {
                let paths = paths.iter().map(|pair| pairs[*pair as usize]).collect();
                self.paths.intern(&paths)
            })
            .collect();
        let ends = renumber(&mut self.ends, &other.ends);
        let buckets = renumber(&mut self.buckets, &other.buckets);
        let mut keys = Vec::with_capacity(other.len());
        for (key, counts) in other.entries() {
            let key =
                Key { paths: paths[key.paths as usize], ends: ends[key.ends as usize], ..key };
            keys.push(self.count(&key, counts));
        }
        let shift = self.buckets_met.len() as u32;
        self.buckets_met.extend(other.buckets_met.iter().map(|bucket| match *bucket {
            NO_BUCKET => NO_BUCKET,
            number => buckets[number as usize],
        }));
        self.offers.extend(other.offers.into_iter().map(|offer| Offer {
            key: keys[offer.key as usize],
            buckets: offer.buckets + shift,
            ..offer
        }));
        for (window, (start, end)) in other.windows {
            self.seen(window, (start, end), None, 0);
        }
        for (at, (end_ns, records)) in other.aged {
            self.note_aged(at, end_ns, records);
        }
        self.directions.merge(&other.directions);
        for (exporter, packets) in other.exporters {
            let sum = self.exporters.entry(exporter).or_default();
            *sum = sum.saturating_add(packets);
        }
        self.unknown_pop_records += other.unknown_pop_records;
        self.unlisted_pops.extend(other.unlisted_pops);
    }

    /// Sorts everything by content, so that the same records give the same bytes whatever the
    /// threads, the order of files and the size of batches. `pop_rank` orders PoPs by name.
    pub fn finish<R: Ord>(self, pop_rank: &dyn Fn(Option<NameId>) -> R) -> Tally {
        let pairs = sorted(&self.pairs, &|pair: &Pair| pair.clone());
        let paths = sorted(&self.paths, &|paths: &Vec<u32>| {
            paths.iter().map(|pair| pairs[*pair as usize]).collect::<Vec<u32>>()
        });
        let ends = sorted(&self.ends, &|ends: &Ends| ends.clone());
        let mut pops: HashMap<Option<NameId>, u32> = HashMap::new();
        for pop in self.counters.pops() {
            pops.entry(pop).or_default();
        }
        let mut names: Vec<Option<NameId>> = pops.keys().copied().collect();
        names.sort_by_cached_key(|pop| pop_rank(*pop));
        pops.extend(names.into_iter().zip(0..));
        let mut last_pop = (None, pops.get(&None).copied().unwrap_or_default());
        // The content of a key as two numbers: the ranks of what it names, and the rest of it.
        let mut content = |key: &Key| -> (u128, u128) {
            if key.pop != last_pop.0 {
                last_pop = (key.pop, pops[&key.pop]);
            }
            let join = |high: u128, bits: u32, low: u64| high << bits | u128::from(low);
            let named = [ends[key.ends as usize], last_pop.1, key.service.number()];
            let named = named
                .into_iter()
                .fold(u128::from(paths[key.paths as usize]), |all, one| join(all, 32, one.into()));
            // The sign is turned, so that windows before 1970 come first.
            let window = (key.window as u64) ^ (1 << 63);
            let slot = key.slot.map_or(0, |slot| u64::from(slot) + 1);
            let rest = join(key.label as u128, 32, key.attack.into());
            let rest = join(join(join(rest, 64, window), 10, slot), 16, key.part.into());
            (named, rest)
        };
        // Keys that were left for others hold nothing.
        let entries = (0u32..).zip(self.entries()).filter(|(_, (_, counts))| counts.records > 0);
        let mut order: Vec<((u128, u128), u32)> =
            entries.map(|(number, (key, _))| (content(&key), number)).collect();
        order.sort_unstable();
        let mut done = Tally {
            entries: Vec::with_capacity(order.len()),
            newest_aged: self.newest_aged(),
            directions: self.directions,
            windows: self.windows,
            exporters: self.exporters,
            unknown_pop_records: self.unknown_pop_records,
            unlisted_pops: self.unlisted_pops,
            buckets: self.buckets,
            buckets_met: self.buckets_met,
            offers: self.offers,
            ..Tally::default()
        };
        let mut new_pairs = Renumbered::new(self.pairs.values().len());
        let mut new_paths = Renumbered::new(self.paths.values().len());
        let mut new_ends = Renumbered::new(self.ends.values().len());
        let mut keys = vec![0; self.counters.len()];
        for (_, number) in order {
            let (key, counts) = self.counters.get(number);
            let paths = new_paths.number(key.paths, || {
                let paths = self.paths.value(key.paths).iter().map(|pair| {
                    new_pairs.number(*pair, || done.pairs.intern(self.pairs.value(*pair)))
                });
                let paths = paths.collect();
                done.paths.intern(&paths)
            });
            let ends = new_ends.number(key.ends, || done.ends.intern(self.ends.value(key.ends)));
            keys[number as usize] = done.entries.len() as u32;
            done.entries.push((Key { paths, ends, ..key }, counts));
        }
        done.offers.sort_by_key(|offer| (offer.time_ns, offer.source, offer.number));
        for offer in &mut done.offers {
            offer.key = keys[offer.key as usize];
        }
        done
    }
}

/// New numbers for old ones, in the order in which they are asked for.
struct Renumbered(Vec<Option<u32>>);

impl Renumbered {
    fn new(count: usize) -> Renumbered {
        Renumbered(vec![None; count])
    }

    fn number(&mut self, old: u32, new: impl FnOnce() -> u32) -> u32 {
        *self.0[old as usize].get_or_insert_with(new)
    }
}

fn renumber<T: Clone + Eq + Hash>(into: &mut Interner<T>, from: &Interner<T>) -> Vec<u32> {
    from.values().iter().map(|value| into.intern(value)).collect()
}

/// Returns the rank by content of every number.
fn sorted<T: Clone + Eq + Hash, R: Ord>(
    interner: &Interner<T>,
    content: &dyn Fn(&T) -> R,
) -> Vec<u32> {
    let mut order: Vec<u32> = (0..interner.values().len() as u32).collect();
    order.sort_by_cached_key(|number| content(interner.value(*number)));
    let mut ranks = vec![0; order.len()];
    for (rank, number) in order.into_iter().enumerate() {
        ranks[number as usize] = rank as u32;
    }
    ranks
}
