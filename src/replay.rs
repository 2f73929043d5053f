//! Records through both rule sets in one pass, counted and attributed.
//!
//! Workers count batches into tallies of their own, which are merged; results do not depend on
//! how many there are.

mod places;

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use foldhash::fast::FixedState;

use crate::attribution::bucket::bucket;
use crate::attribution::{Attribution, Ends};
use crate::inventory::customers::EndId;
use crate::matcher::{BUCKET, Hit, Matcher, Step, Test, Truth};
use crate::model::{
    Action, Diagnostic, Family, Fragment, Known, Label, NameId, RateLimit, Record, RecordBatch,
    RuleSet,
};
use crate::scenario::{Moves, slot};
use crate::service::Service;
use crate::tally::{BucketKey, Counts, IPV6, Key, LATER_FRAGMENT, NO_BUCKET, Offer, Pair, Tally};
use crate::traffic::TrafficReader;

/// How many `attack_match`es one run can tell apart.
pub const MAX_ATTACK_MATCHES: usize = 30;

/// What replay needs to know.
pub struct Replay<'a> {
    /// Owners.
    pub attribution: &'a Attribution<'a>,
    /// The compiled running and candidate rules.
    pub matcher: Matcher,
    /// The rate limit of every running and candidate rule.
    pub limits: [Vec<Option<RateLimit>>; 2],
    /// The limit of every candidate rule as it would be if it were keyed by destination, if it
    /// could be.
    pub keyed: Vec<Option<RateLimit>>,
    /// The `attack_match`es of intents; at most [`MAX_ATTACK_MATCHES`].
    pub attack: Vec<Test>,
    /// What labels records that carry none; the first that holds decides.
    pub labels: Vec<(Label, Test)>,
    /// Ports that name a service besides the well-known ones.
    pub named_ports: Vec<u16>,
    /// Length of a window.
    pub window_ns: i64,
    /// The PoPs of the inventory, if it lists any.
    pub pops: Option<BTreeSet<NameId>>,
    /// What scenarios move.
    pub moves: Moves,
}

/// A recording to read.
pub struct Input {
    /// Its reader.
    pub reader: Box<dyn TrafficReader>,
    /// Its rank by name: breaks ties in time.
    pub rank: u32,
    /// What it is part of ([`Key::part`]); the recording, which is zero, comes first.
    pub part: u16,
}

/// What a batch inherits from its recording.
#[derive(Clone, Copy)]
struct Origin {
    rank: u32,
    even: bool,
    aged: bool,
    part: u16,
    shift_ns: i64,
}

/// Returns the rate limits of a rule set, rule by rule.
pub fn limits(set: &RuleSet) -> Vec<Option<RateLimit>> {
    set.rules
        .iter()
        .map(|rule| match &rule.action.value {
            Action::RateLimit(limit) => Some(limit.clone()),
            _ => None,
        })
        .collect()
}

/// Returns the rate limits of a rule set as they would be if keyed by destination.
pub fn keyed(set: &RuleSet) -> Vec<Option<RateLimit>> {
    let limits = limits(set).into_iter();
    limits.map(|limit| limit.as_ref().and_then(RateLimit::per_destination)).collect()
}

impl Replay<'_> {
    /// Reads and counts everything. Returns the inputs for their counts, the tally, and why
    /// readers ended early, if they did.
    pub fn run(
        &self,
        mut inputs: Vec<Input>,
        threads: usize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> (Vec<Input>, Tally, Vec<Diagnostic>) {
        let mut problems = Vec::new();
        if threads <= 1 {
            let mut worker = Worker::new(self);
            let mut batch = RecordBatch::new();
            let mut span = Span::default();
            for input in &mut inputs {
                let mut send = |batch: &mut RecordBatch, origin| {
                    worker.count(batch, origin);
                    true
                };
                problems.extend(read(input, &mut batch, &mut span, progress, &mut send));
            }
            return (inputs, self.without_doubtful_buckets(worker.tally), problems);
        }
        let (sender, receiver) = sync_channel::<(RecordBatch, Origin)>(threads * 4);
        let receiver = Mutex::new(receiver);
        let tally = std::thread::scope(|scope| {
            // Where the system gives no more threads, those that it gave do the work.
            let spawn =
                |_| std::thread::Builder::new().spawn_scoped(scope, || self.work(&receiver)).ok();
            let workers: Vec<_> = (0..threads).map_while(spawn).collect();
            let mut batch = RecordBatch::new();
            let mut span = Span::default();
            for input in &mut inputs {
                let mut send = |batch: &mut RecordBatch, origin| {
                    sender.send((std::mem::take(batch), origin)).is_ok()
                };
                problems.extend(read(input, &mut batch, &mut span, progress, &mut send));
            }
            drop(sender);
            let mut tally = Tally::default();
            for worker in workers {
                match worker.join() {
                    Ok(part) => tally.merge(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            tally
        });
        (inputs, self.without_doubtful_buckets(tally), problems)
    }

    fn work(&self, receiver: &Mutex<Receiver<(RecordBatch, Origin)>>) -> Tally {
        let mut worker = Worker::new(self);
        loop {
            let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((batch, origin)) = next else { return worker.tally };
            worker.count(&batch, origin);
        }
    }
}

/// When the recording was made.
#[derive(Default)]
struct Span(Option<(i64, i64)>);

impl Span {
    fn note(&mut self, batch: &RecordBatch) {
        for record in batch.iter() {
            let span = self.0.get_or_insert((record.time_ns, record.time_ns));
            *span = (span.0.min(record.time_ns), span.1.max(record.time_ns));
        }
    }

    /// Returns by how much traffic that a scenario adds is moved in time, so that it meets the
    /// recording: what has no time of its own, or another one, begins when the recording begins.
    fn shift(&self, batch: &RecordBatch, aged: bool) -> i64 {
        let first = batch.iter().map(|record| record.time_ns).min();
        match (self.0, first) {
            (Some((start, end)), Some(first)) if !aged || first < start || first > end => {
                start.saturating_sub(first)
            }
            _ => 0,
        }
    }
}

fn read(
    input: &mut Input,
    batch: &mut RecordBatch,
    span: &mut Span,
    progress: &(dyn Fn(u64) + Sync),
    send: &mut dyn FnMut(&mut RecordBatch, Origin) -> bool,
) -> Option<Diagnostic> {
    let mut origin = Origin {
        rank: input.rank,
        even: input.reader.even(),
        aged: input.reader.has_age(),
        part: input.part,
        shift_ns: 0,
    };
    let mut first = true;
    loop {
        match input.reader.read(batch) {
            Ok(true) => {
                if origin.part == 0 {
                    span.note(batch);
                } else if first {
                    origin.shift_ns = span.shift(batch, origin.aged);
                }
                first = false;
                progress(batch.len() as u64);
                if !send(batch, origin) {
                    return None;
                }
            }
            Ok(false) => return None,
            Err(problem) => return Some(*problem),
        }
    }
}

/// One thread's share of the work, with its scratch space.
struct Worker<'r, 'a> {
    replay: &'r Replay<'a>,
    tally: Tally,
    hits: Vec<Hit>,
    pair: Pair,
    paths: Vec<u32>,
    /// The limits on each line of the matcher, as far as they matter to where a record is counted.
    is_limited: Vec<bool>,
    ways: Ways,
    ends: Pairs,
    span: Option<Seen>,
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

/// Numbers of ends by source and destination, where nothing protected is at either.
#[derive(Default)]
struct Pairs(HashMap<(EndId, EndId), u32, FixedState>);

/// When the records of a window were.
struct Seen {
    window: i64,
    start_ns: i64,
    end_ns: i64,
    aged: Option<u32>,
}

impl<'r, 'a> Worker<'r, 'a> {
    fn new(replay: &'r Replay<'a>) -> Self {
        let is_limited = |line: usize| {
            let rules = replay.matcher.rules(line).into_iter().zip(&replay.limits);
            rules.filter_map(|(rule, limits)| limits[rule? as usize].as_ref()).next().is_some()
        };
        let lines = replay.matcher.len();
        Worker {
            replay,
            tally: Tally::default(),
            hits: Vec::new(),
            pair: Pair::default(),
            paths: Vec::new(),
            is_limited: (0..lines).map(is_limited).collect(),
            ways: Ways { none: None, one: vec![UNSEEN; lines], more: HashMap::default() },
            ends: Pairs::default(),
            span: None,
        }
    }

    fn count(&mut self, batch: &RecordBatch, origin: Origin) {
        for record in batch.iter() {
            self.count_record(record, origin);
        }
        self.note_span();
    }

    fn count_record(&mut self, mut record: Record, origin: Origin) {
        let replay = self.replay;
        record.time_ns = record.time_ns.saturating_add(origin.shift_ns);
        if let (Some(pop), Some(pops)) = (record.pop, &replay.pops)
            && !pops.contains(&pop)
        {
            record.pop = None;
            record.header.known = record.header.known.without(Known::POP);
            self.tally.unknown_pop_records += 1;
            self.tally.unlisted_pops.insert(pop);
        }
        if record.label == Label::None
            && let Some((label, _)) =
                replay.labels.iter().find(|(_, test)| test.decide(&record) == Truth::Yes)
        {
            record.label = *label;
        }
        let buckets = self.tally.buckets_met.len() as u32;
        let ends = self.find_ends(&record);
        let paths = self.find_paths(&record, ends);
        let limited = self.tally.buckets_met.len() as u32 > buckets;

        let mut attack = 0;
        if record.label == Label::Attack {
            for (bit, test) in replay.attack.iter().enumerate() {
                // What may be meant counts as meant: it must be stopped, too.
                if test.decide(&record) != Truth::No {
                    attack |= 1 << bit;
                }
            }
            let header = &record.header;
            if header.known.has(Known::FRAGMENT) && header.fragment.has(Fragment::LATER) {
                attack |= LATER_FRAGMENT;
            }
            if header.family == Family::V6 {
                attack |= IPV6;
            }
        }
        let splits = replay.moves.splits(record.pop);
        let weight = u64::from(record.weight);
        let window = record.time_ns.div_euclid(replay.window_ns);
        let key = Key {
            paths,
            ends,
            pop: record.pop,
            service: Service::of(&record.header, &replay.named_ports),
            label: record.label,
            attack,
            window,
            slot: (splits && (limited || self.tally.paths.value(paths).len() > 1)).then(|| {
                slot(if record.header.known.has(Known::SRC) {
                    record.header.src
                } else {
                    u128::from(record.number)
                })
            }),
            part: origin.part,
        };
        let counts = Counts {
            records: 1,
            raw: record.packets,
            packets: record.packets.saturating_mul(weight),
            bytes: record.bytes.saturating_mul(weight),
        };
        let key = self.tally.count(&key, counts);
        self.seen(&record, window, origin);
        if let (Some(pop), Some(exporter), 0) = (record.pop, record.exporter, origin.part) {
            let seen = self.tally.exporters.entry((pop, exporter)).or_default();
            *seen = seen.saturating_add(counts.packets);
        }
        if limited {
            self.tally.offers.push(Offer {
                time_ns: record.time_ns,
                source: origin.rank,
                number: record.number,
                key,
                packets: record.packets,
                bytes: record.bytes,
                weight: record.weight,
                even: origin.even,
                duration_ns: record.duration_ns,
                buckets,
            });
        }
    }

    /// Notes when a record was; only a new window is told to the tally.
    fn seen(&mut self, record: &Record, window: i64, origin: Origin) {
        let duration = i64::try_from(record.duration_ns).unwrap_or(i64::MAX);
        let end_ns = record.time_ns.saturating_add(duration);
        let aged = (origin.aged && origin.part == 0).then_some(origin.rank);
        match &mut self.span {
            Some(span) if span.window == window && span.aged == aged => {
                span.start_ns = span.start_ns.min(record.time_ns);
                span.end_ns = span.end_ns.max(end_ns);
            }
            _ => {
                self.note_span();
                self.span = Some(Seen { window, start_ns: record.time_ns, end_ns, aged });
            }
        }
    }

    fn note_span(&mut self) {
        if let Some(Seen { window, start_ns, end_ns, aged }) = self.span.take() {
            self.tally.seen(window, start_ns, end_ns, aged);
        }
    }

    /// Returns the number of the ends of a record.
    fn find_ends(&mut self, record: &Record) -> u32 {
        let attribution = self.replay.attribution;
        let Some((src, dst)) = attribution.plain_ends(record) else {
            return self.tally.ends.intern(&attribution.attribute(record));
        };
        let ends = &mut self.tally.ends;
        *self.ends.0.entry((src, dst)).or_insert_with(|| {
            ends.intern(&Ends {
                src: Some(src),
                dst: Some(dst),
                named: None,
                protected: Vec::new(),
            })
        })
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
        let owners = |tally: &Tally| -> Vec<_> {
            replay.attribution.owners(tally.ends.value(ends)).collect()
        };
        for (side, steps) in
            [&mut self.pair.running, &mut self.pair.candidate].into_iter().enumerate()
        {
            for step in steps {
                let Some(limit) = &replay.limits[side][step.rule as usize] else { continue };
                let met = match bucket(limit, record, || owners(&self.tally)) {
                    Ok((exporter, parts)) => {
                        let (candidate, rule) = (side == 1, step.rule);
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
                let met = match bucket(keyed, record, || owners(&self.tally)) {
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
