//! Records through both rule sets in one pass, counted and attributed.
//!
//! Workers count batches into tallies of their own, which are merged; results do not depend on
//! how many there are.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use crate::attribution::Attribution;
use crate::inventory::customers::Owner;
use crate::matcher::{ALGORITHM, BUCKET, EXPORTER, Matcher, Test, Truth};
use crate::model::{
    Action, Address, Algorithm, Diagnostic, Family, KeyPart, Known, Label, Layers, NameId, Prefix,
    RateLimit, Record, RecordBatch, RuleSet, Scope,
};
use crate::service::Service;
use crate::tally::{BucketKey, Counts, Key, NO_BUCKET, Offer, Pair, Tally};
use crate::traffic::TrafficReader;

/// How many `attack_match`es one run can tell apart.
pub const MAX_ATTACK_MATCHES: usize = 32;

/// What replay needs to know.
pub struct Replay<'a> {
    /// Owners.
    pub attribution: &'a Attribution<'a>,
    /// The compiled running and candidate rules.
    pub matchers: [Matcher; 2],
    /// The rate limit of every running and candidate rule.
    pub limits: [Vec<Option<RateLimit>>; 2],
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
}

/// A recording to read.
pub struct Input {
    /// Its reader.
    pub reader: Box<dyn TrafficReader>,
    /// Its rank by name: breaks ties in time.
    pub rank: u32,
}

/// What a batch inherits from its recording.
#[derive(Clone, Copy)]
struct Origin {
    rank: u32,
    even: bool,
    aged: bool,
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
            for input in &mut inputs {
                let mut send = |batch: &mut RecordBatch, origin| {
                    worker.count(batch, origin);
                    true
                };
                problems.extend(read(input, &mut batch, progress, &mut send));
            }
            return (inputs, worker.tally, problems);
        }
        let (sender, receiver) = sync_channel::<(RecordBatch, Origin)>(threads * 4);
        let receiver = Mutex::new(receiver);
        let tally = std::thread::scope(|scope| {
            // Where the system gives no more threads, those that it gave do the work.
            let spawn =
                |_| std::thread::Builder::new().spawn_scoped(scope, || self.work(&receiver)).ok();
            let workers: Vec<_> = (0..threads).map_while(spawn).collect();
            let mut batch = RecordBatch::new();
            for input in &mut inputs {
                let mut send = |batch: &mut RecordBatch, origin| {
                    sender.send((std::mem::take(batch), origin)).is_ok()
                };
                problems.extend(read(input, &mut batch, progress, &mut send));
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
        (inputs, tally, problems)
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

fn read(
    input: &mut Input,
    batch: &mut RecordBatch,
    progress: &(dyn Fn(u64) + Sync),
    send: &mut dyn FnMut(&mut RecordBatch, Origin) -> bool,
) -> Option<Diagnostic> {
    let origin =
        Origin { rank: input.rank, even: input.reader.even(), aged: input.reader.has_age() };
    loop {
        match input.reader.read(batch) {
            Ok(true) => {
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
    pair: Pair,
}

impl<'r, 'a> Worker<'r, 'a> {
    fn new(replay: &'r Replay<'a>) -> Self {
        Worker { replay, tally: Tally::default(), pair: Pair::default() }
    }

    fn count(&mut self, batch: &RecordBatch, origin: Origin) {
        for record in batch.iter() {
            self.count_record(record, origin);
        }
    }

    fn count_record(&mut self, mut record: Record, origin: Origin) {
        let replay = self.replay;
        if let (Some(pop), Some(pops)) = (record.pop, &replay.pops)
            && !pops.contains(&pop)
        {
            record.pop = None;
            record.header.known = record.header.known.without(Known::POP);
            self.tally.unknown_pop_records += 1;
        }
        if record.label == Label::None
            && let Some((label, _)) =
                replay.labels.iter().find(|(_, test)| test.decide(&record) == Truth::Yes)
        {
            record.label = *label;
        }
        let ends = replay.attribution.attribute(&record);
        replay.matchers[0].walk(&record, &mut self.pair.running);
        replay.matchers[1].walk(&record, &mut self.pair.candidate);

        let buckets = self.tally.buckets_met.len() as u32;
        for (side, steps) in
            [&mut self.pair.running, &mut self.pair.candidate].into_iter().enumerate()
        {
            for step in steps {
                let Some(limit) = &replay.limits[side][step.rule as usize] else { continue };
                let owner = || replay.attribution.owners(&ends).collect::<Vec<_>>();
                let met = match bucket(limit, &record, owner) {
                    Ok((scope, parts)) => {
                        let key = BucketKey { candidate: side == 1, rule: step.rule, scope, parts };
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
        let limited = self.tally.buckets_met.len() as u32 > buckets;

        let mut attack = 0;
        if record.label == Label::Attack {
            for (bit, test) in replay.attack.iter().enumerate() {
                // What may be meant counts as meant: it must be stopped, too.
                if test.decide(&record) != Truth::No {
                    attack |= 1 << bit;
                }
            }
        }
        let weight = u64::from(record.weight);
        let window = record.time_ns.div_euclid(replay.window_ns);
        let key = Key {
            pair: self.tally.pairs.intern(&self.pair),
            ends: self.tally.ends.intern(&ends),
            pop: record.pop,
            service: Service::of(&record.header, &replay.named_ports),
            label: record.label,
            attack,
            window,
        };
        let counts = Counts {
            records: 1,
            raw: record.packets,
            packets: record.packets.saturating_mul(weight),
            bytes: record.bytes.saturating_mul(weight),
        };
        let key = self.tally.count(&key, counts);
        let duration = i64::try_from(record.duration_ns).unwrap_or(i64::MAX);
        let end = record.time_ns.saturating_add(duration);
        self.tally.seen(window, record.time_ns, end, origin.aged.then_some(origin.rank));
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
                buckets,
            });
        }
    }
}

/// Returns the scope instance and the key of a record's bucket, or what is missing to know it.
fn bucket(
    limit: &RateLimit,
    record: &Record,
    owners: impl FnOnce() -> Vec<Owner>,
) -> Result<(Option<NameId>, Vec<u128>), u16> {
    if limit.algorithm != Algorithm::TokenBucket || limit.timeout_ns.is_some() {
        return Err(ALGORITHM);
    }
    let scope = match limit.scope {
        Scope::Pop => record.pop,
        Scope::Exporter if record.exporter.is_none() => return Err(EXPORTER),
        Scope::Exporter => record.exporter,
        Scope::Global => None,
    };
    let header = &record.header;
    let needs = |field: Known| if header.known.has(field) { Ok(()) } else { Err(field.0) };
    let carried = |port: u16| {
        if header.layers.has(Layers::PORTS) { u128::from(port) } else { u128::MAX }
    };
    let mut owners = Some(owners);
    let mut parts = Vec::with_capacity(limit.per.len());
    for part in &limit.per {
        parts.push(match part {
            KeyPart::Src { v4, v6 } => {
                needs(Known::SRC)?;
                cut(header.src_address(), *v4, *v6)
            }
            KeyPart::Dst { v4, v6 } => {
                needs(Known::DST)?;
                cut(header.dst_address(), *v4, *v6)
            }
            KeyPart::SrcPort => {
                needs(Known::PORTS)?;
                carried(header.src_port)
            }
            KeyPart::DstPort => {
                needs(Known::PORTS)?;
                carried(header.dst_port)
            }
            KeyPart::Protocol => {
                needs(Known::PROTOCOL)?;
                u128::from(header.protocol)
            }
            KeyPart::Customer => {
                needs(Known::DST)?;
                let found = owners.take().map(|owners| owners()).unwrap_or_default();
                let owner = |at: usize| found.get(at).copied().unwrap_or(Owner::Nobody);
                match (owner(1), owner(0)) {
                    (Owner::Nobody, src) => owner_number(src),
                    (dst, _) => owner_number(dst),
                }
            }
        });
    }
    // Addresses of the two families never share a bucket of an address key.
    if limit.per.iter().any(|part| matches!(part, KeyPart::Src { .. } | KeyPart::Dst { .. })) {
        parts.push(u128::from(header.family == Family::V6));
    }
    Ok((scope, parts))
}

fn cut(address: Address, v4: u8, v6: u8) -> u128 {
    Prefix::new(address, if address.family == Family::V4 { v4 } else { v6 }).bits
}

fn owner_number(owner: Owner) -> u128 {
    match owner {
        Owner::Nobody => 0,
        Owner::Customer(id) => (1 << 32) | u128::from(id.0),
        Owner::Shared(id) => (2 << 32) | u128::from(id.0),
    }
}
