//! One thread's share of the work: batches of records into a tally.
//!
//! A batch is worked on in rounds, each a short loop over all its records: whose the ends are,
//! which rules are met, what each is counted by, and the counting. In such a loop the processor
//! waits for many records' memory at once instead of one after another.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::FixedState;

use super::{Origin, Replay};
use crate::attribution::Ends;
use crate::attribution::bucket::bucket;
use crate::inventory::customers::{Customers, EndId, Lookups};
use crate::matcher::{BUCKET, Hit, Step, Truth};
use crate::model::{Family, Fragment, Known, Label, NameId, Record, RecordBatch, bucket_rules};
use crate::scenario::slot;
use crate::service::Service;
use crate::tally::{
    BucketKey, Counting, Counts, IPV6, Key, LATER_FRAGMENT, NO_BUCKET, Offer, Packed, Pair,
};

/// One thread's share of the work, with its scratch space.
pub(super) struct Worker<'r, 'a> {
    replay: &'r Replay<'a>,
    /// For every running and candidate rule: the rule whose bucket its limit uses.
    buckets: [Vec<u32>; 2],
    pub(super) tally: Counting,
    /// Records of which something had to be changed, and those around them.
    changed: Vec<Record>,
    /// Of every record of a batch: its ends, where they are plain.
    plain: Vec<Option<(EndId, EndId)>>,
    places: Lookups,
    /// Of every record of a batch: the numbers of its ends and its paths, and where its buckets
    /// begin; [`UNSEEN`] if it meets no limit.
    found: Vec<(u32, u32, u32)>,
    /// Of every record of a batch: what it is counted by.
    keys: Vec<Packed>,
    /// The window that was met last.
    window: Window,
    numbers: Vec<u32>,
    hits: Vec<Hit>,
    pair: Pair,
    paths: Vec<u32>,
    /// By line of the matcher: whether it is a limit, so that each record has its own buckets.
    is_limited: Vec<bool>,
    ways: Ways,
    ends: PlainEnds,
    seen: Option<Seen>,
}

/// Numbers of paths by what was hit, where no limit is among it: most records hit nothing, or one
/// line for certain.
struct Ways {
    none: Option<u32>,
    /// By line; [`UNSEEN`] if it was not met yet.
    one: Vec<u32>,
    more: HashMap<Vec<Hit>, u32, FixedState>,
}

const UNSEEN: u32 = u32::MAX;

/// Numbers of ends by what stands at the source and at the destination; [`UNSEEN`] if these were
/// not met yet. Mostly nobody stands at one of them.
struct PlainEnds {
    nobody: EndId,
    /// By destination, where nobody stands at the source.
    from_nobody: Vec<u32>,
    /// By source, where nobody stands at the destination.
    to_nobody: Vec<u32>,
    others: HashMap<(EndId, EndId), u32, FixedState>,
}

impl PlainEnds {
    fn new(customers: &Customers) -> PlainEnds {
        let unseen = || vec![UNSEEN; customers.ends().len()];
        PlainEnds {
            nobody: customers.nobody(),
            from_nobody: unseen(),
            to_nobody: unseen(),
            others: HashMap::default(),
        }
    }

    #[inline]
    fn number(&mut self, src: EndId, dst: EndId) -> &mut u32 {
        if src == self.nobody {
            &mut self.from_nobody[dst.0 as usize]
        } else if dst == self.nobody {
            &mut self.to_nobody[src.0 as usize]
        } else {
            self.others.entry((src, dst)).or_insert(UNSEEN)
        }
    }
}

/// A window, and when it starts and ends: records in a row are mostly in one.
#[derive(Default)]
struct Window {
    number: i64,
    /// Nothing is in a window that was not asked for yet.
    times_ns: Range<i64>,
}

impl Window {
    #[inline]
    fn of(&mut self, time_ns: i64, window_ns: i64) -> i64 {
        if !self.times_ns.contains(&time_ns) {
            self.number = time_ns.div_euclid(window_ns);
            let start = self.number.saturating_mul(window_ns);
            self.times_ns = start..start.saturating_add(window_ns);
        }
        self.number
    }
}

/// Returns how much a record is.
#[inline]
fn counts(record: &Record) -> Counts {
    let weight = u64::from(record.weight);
    Counts {
        records: 1,
        raw: record.packets,
        packets: record.packets.saturating_mul(weight),
        bytes: record.bytes.saturating_mul(weight),
    }
}

/// When the records of a window were.
struct Seen {
    window: i64,
    start_ns: i64,
    end_ns: i64,
    aged: Option<u32>,
    records: u64,
}

impl<'r, 'a> Worker<'r, 'a> {
    pub(super) fn new(replay: &'r Replay<'a>) -> Self {
        let is_limited = |line: usize| {
            let rules = replay.matcher.rules(line).into_iter().zip(&replay.limits);
            rules.filter_map(|(rule, limits)| limits[rule? as usize].as_ref()).next().is_some()
        };
        let lines = replay.matcher.len();
        Worker {
            replay,
            buckets: [0, 1].map(|side: usize| bucket_rules(&replay.limits[side])),
            tally: Counting::default(),
            changed: Vec::new(),
            plain: Vec::new(),
            places: Lookups::default(),
            found: Vec::new(),
            keys: Vec::new(),
            window: Window::default(),
            numbers: Vec::new(),
            hits: Vec::new(),
            pair: Pair::default(),
            paths: Vec::new(),
            is_limited: (0..lines).map(is_limited).collect(),
            ways: Ways { none: None, one: vec![UNSEEN; lines], more: HashMap::default() },
            ends: PlainEnds::new(replay.attribution.customers),
            seen: None,
        }
    }

    pub(super) fn count(&mut self, batch: &RecordBatch, origin: Origin) {
        let changed = std::mem::take(&mut self.changed);
        let changed = self.change(changed, batch.as_slice(), origin);
        let records = if changed.is_empty() { batch.as_slice() } else { changed.as_slice() };
        let attribution = self.replay.attribution;
        attribution.plain_ends(records, &mut self.places, &mut self.plain);
        self.found.clear();
        for (at, record) in records.iter().enumerate() {
            let ends = self.find_ends(self.plain[at], record);
            let buckets = self.tally.buckets_met.len() as u32;
            let paths = self.find_paths(record, ends);
            let is_limited = self.tally.buckets_met.len() as u32 > buckets;
            self.found.push((ends, paths, if is_limited { buckets } else { UNSEEN }));
        }
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        for (at, record) in records.iter().enumerate() {
            let key = self.key(record, self.found[at], origin.part);
            keys.push(self.tally.pack(&key));
        }
        self.tally.count_all(&keys, |at| counts(&records[at]), &mut self.numbers);
        for (at, record) in records.iter().enumerate() {
            self.see(record, keys[at].window, origin);
            if origin.part == 0 {
                self.tally.directions.see(record);
            }
            if let (Some(pop), Some(exporter), 0) = (record.pop, record.exporter, origin.part) {
                let seen = self.tally.exporters.entry((pop, exporter)).or_default();
                *seen = seen.saturating_add(counts(record).packets);
            }
            let (_, _, buckets) = self.found[at];
            if buckets != UNSEEN {
                self.tally.offers.push(Offer {
                    time_ns: record.time_ns,
                    source: origin.rank,
                    number: record.number,
                    key: self.numbers[at],
                    packets: record.packets,
                    bytes: record.bytes,
                    weight: record.weight,
                    even: origin.even,
                    duration_ns: record.duration_ns,
                    buckets,
                });
            }
        }
        self.note_seen();
        (self.keys, self.changed) = (keys, changed);
    }

    /// Returns the records as they are to be counted: moved in time, labelled, and without PoPs
    /// that the inventory does not list; nothing if that is as they are.
    fn change(
        &mut self,
        mut changed: Vec<Record>,
        records: &[Record],
        origin: Origin,
    ) -> Vec<Record> {
        changed.clear();
        let replay = self.replay;
        if origin.shift_ns == 0 && replay.labels.is_empty() && replay.pops.is_none() {
            return changed;
        }
        let mut listed: Option<NameId> = None;
        let mut has_changed = false;
        for record in records {
            let mut record = *record;
            if origin.shift_ns != 0 {
                record.time_ns = record.time_ns.saturating_add(origin.shift_ns);
                has_changed = true;
            }
            if let (Some(pop), Some(pops)) = (record.pop, &replay.pops)
                && listed != Some(pop)
            {
                if pops.contains(&pop) {
                    listed = Some(pop);
                } else {
                    record.pop = None;
                    record.header.known = record.header.known.without(Known::POP);
                    self.tally.unknown_pop_records += 1;
                    self.tally.unlisted_pops.insert(pop);
                    has_changed = true;
                }
            }
            if record.label == Label::None
                && let Some(label) = label(&replay.labels, &record)
            {
                record.label = label;
                has_changed = true;
            }
            changed.push(record);
        }
        if !has_changed {
            changed.clear();
        }
        changed
    }

    /// Returns what a record is counted by.
    fn key(&mut self, record: &Record, (ends, paths, buckets): (u32, u32, u32), part: u16) -> Key {
        let replay = self.replay;
        let header = &record.header;
        let mut attack = 0;
        if record.label == Label::Attack {
            for (bit, test) in replay.attack.iter().enumerate() {
                // What may be meant counts as meant: it must be stopped, too.
                if test.decide(record) != Truth::No {
                    attack |= 1 << bit;
                }
            }
            if header.known.has(Known::FRAGMENT) && header.fragment.has(Fragment::LATER) {
                attack |= LATER_FRAGMENT;
            }
            if header.family == Family::V6 {
                attack |= IPV6;
            }
        }
        let splits = replay.moves.splits(record.pop);
        let has_slot = splits && (buckets != UNSEEN || self.tally.paths.value(paths).len() > 1);
        Key {
            paths,
            ends,
            pop: record.pop,
            service: Service::of(header, &replay.named_ports),
            label: record.label,
            attack,
            window: self.window.of(record.time_ns, replay.window_ns),
            slot: has_slot.then(|| {
                slot(if header.known.has(Known::SRC) {
                    header.src
                } else {
                    u128::from(record.number)
                })
            }),
            part,
        }
    }

    /// Notes when a record was; only a new window is told to the tally.
    fn see(&mut self, record: &Record, window: i64, origin: Origin) {
        let duration = i64::try_from(record.duration_ns).unwrap_or(i64::MAX);
        let end_ns = record.time_ns.saturating_add(duration);
        let aged = (origin.aged && origin.part == 0).then_some(origin.rank);
        match &mut self.seen {
            Some(seen) if seen.window == window && seen.aged == aged => {
                seen.start_ns = seen.start_ns.min(record.time_ns);
                seen.end_ns = seen.end_ns.max(end_ns);
                seen.records += 1;
            }
            _ => {
                self.note_seen();
                let start_ns = record.time_ns;
                self.seen = Some(Seen { window, start_ns, end_ns, aged, records: 1 });
            }
        }
    }

    fn note_seen(&mut self) {
        if let Some(Seen { window, start_ns, end_ns, aged, records }) = self.seen.take() {
            self.tally.seen(window, (start_ns, end_ns), aged, records);
        }
    }

    /// Returns the number of the ends of a record.
    fn find_ends(&mut self, plain: Option<(EndId, EndId)>, record: &Record) -> u32 {
        let Some((src, dst)) = plain else {
            return self.tally.ends.intern(&self.replay.attribution.attribute(record));
        };
        let ends = &mut self.tally.ends;
        let number = self.ends.number(src, dst);
        if *number == UNSEEN {
            let (src, dst) = (Some(src), Some(dst));
            *number = ends.intern(&Ends { src, dst, named: None, protected: Vec::new() });
        }
        *number
    }

    /// Returns the number of the paths of a record: where it was seen, and where a scenario may
    /// move it.
    fn find_paths(&mut self, record: &Record, ends: u32) -> u32 {
        let moves = &self.replay.moves;
        let seen_at = record.pop;
        if !moves.may_change_path(seen_at) {
            return self.path(record, ends);
        }
        self.paths.clear();
        let mut record = *record;
        // Where no rule on its way asks for the PoP, its way is the same everywhere.
        record.pop = None;
        record.header.known = record.header.known.without(Known::POP);
        self.walk(&record);
        let asks = |step: &Step| step.missing & Known::POP.0 != 0;
        record.pop = seen_at;
        record.header.known = record.header.known.with(Known::POP);
        if !self.pair.running.iter().chain(&self.pair.candidate).any(asks) {
            self.note_path(&record, ends);
        } else {
            self.walk(&record);
            self.note_path(&record, ends);
            for class in moves.classes() {
                record.pop = Some(*class);
                self.walk(&record);
                self.note_path(&record, ends);
            }
        }
        self.tally.paths.intern(&self.paths)
    }

    /// Returns the number of the paths of a record that no scenario sends elsewhere.
    fn path(&mut self, record: &Record, ends: u32) -> u32 {
        let matcher = &self.replay.matcher;
        matcher.hits(record, &mut self.hits);
        let known = match self.hits.as_slice() {
            [] => self.ways.none,
            [Hit { line, missing: 0 }] => {
                Some(self.ways.one[*line as usize]).filter(|number| *number != UNSEEN)
            }
            more => self.ways.more.get(more).copied(),
        };
        if let Some(number) = known {
            return number;
        }
        self.paths.clear();
        self.lay_out();
        self.note_path(record, ends);
        let number = self.tally.paths.intern(&self.paths);
        if !self.hits.iter().any(|hit| self.is_limited[hit.line as usize]) {
            match self.hits.as_slice() {
                [] => self.ways.none = Some(number),
                [Hit { line, missing: 0 }] => self.ways.one[*line as usize] = number,
                more => {
                    self.ways.more.insert(more.to_vec(), number);
                }
            }
        }
        number
    }

    fn walk(&mut self, record: &Record) {
        self.replay.matcher.hits(record, &mut self.hits);
        self.lay_out();
    }

    /// Lays out what was hit as the ways through both sets.
    fn lay_out(&mut self) {
        self.replay.matcher.steps(0, &self.hits, &mut self.pair.running);
        self.replay.matcher.steps(1, &self.hits, &mut self.pair.candidate);
    }

    /// Notes the buckets on the way just walked, and the way.
    fn note_path(&mut self, record: &Record, ends: u32) {
        let replay = self.replay;
        let owners = |tally: &Counting| Some(replay.attribution.owners(tally.ends.value(ends)));
        let several =
            |pop: Option<NameId>| pop.is_some_and(|pop| replay.many_routers.contains(&pop));
        for (side, steps) in
            [&mut self.pair.running, &mut self.pair.candidate].into_iter().enumerate()
        {
            for step in steps {
                let Some(limit) = &replay.limits[side][step.rule as usize] else { continue };
                let met = match bucket(limit, record, several, || owners(&self.tally)) {
                    Ok((exporter, parts)) => {
                        let (candidate, rule) = (side == 1, self.buckets[side][step.rule as usize]);
                        let key = BucketKey { candidate, rule, exporter, parts };
                        self.tally.buckets.intern(&key)
                    }
                    Err(missing) => {
                        step.missing |= missing | BUCKET;
                        NO_BUCKET
                    }
                };
                self.tally.buckets_met.push(met);
            }
        }
        for step in &self.pair.candidate {
            if let Some(keyed) = &replay.keyed[step.rule as usize] {
                let met = match bucket(keyed, record, several, || owners(&self.tally)) {
                    Ok((exporter, parts)) => {
                        let key = BucketKey { candidate: true, rule: step.rule, exporter, parts };
                        self.tally.buckets.intern(&key)
                    }
                    Err(_) => NO_BUCKET,
                };
                self.tally.buckets_met.push(met);
            }
        }
        self.paths.push(self.tally.pairs.intern(&self.pair));
    }
}

/// Returns the label of a record: that of the first test that holds. What may be legitimate, and
/// nobody can tell, gets none.
fn label(labels: &[(Label, super::Test)], record: &Record) -> Option<Label> {
    for (label, test) in labels {
        match (test.decide(record), label) {
            (Truth::Yes, _) => return Some(*label),
            (Truth::Maybe(_), Label::Legit) => return None,
            _ => {}
        }
    }
    None
}
