//! Records through both rule sets in one pass, counted and attributed.
//!
//! [`pipeline`] brings the records here: workers count them into tallies of their own, which are
//! merged; results do not depend on how many there are.

mod pipeline;
mod places;

use std::collections::BTreeSet;

use crate::attribution::bucket::bucket;
use crate::attribution::{Attribution, Ends};
use crate::matcher::{BUCKET, Matcher, Step, Test, Truth};
use crate::model::{
    Action, Family, Fragment, Known, Label, NameId, RateLimit, Record, RecordBatch, RuleSet,
};
use crate::scenario::{Moves, slot};
use crate::service::Service;
use crate::tally::{BucketKey, Counts, IPV6, Key, LATER_FRAGMENT, NO_BUCKET, Offer, Pair, Tally};
use crate::traffic::TrafficReader;
use pipeline::Origin;

/// How many `attack_match`es one run can tell apart.
pub const MAX_ATTACK_MATCHES: usize = 30;

/// What replay needs to know.
pub struct Replay<'a> {
    /// Owners.
    pub attribution: &'a Attribution<'a>,
    /// The compiled running and candidate rules.
    pub matchers: [Matcher; 2],
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

/// One thread's share of the work, with its scratch space.
struct Worker<'r, 'a> {
    replay: &'r Replay<'a>,
    tally: Tally,
    pair: Pair,
    paths: Vec<u32>,
}

impl<'r, 'a> Worker<'r, 'a> {
    fn new(replay: &'r Replay<'a>) -> Self {
        Worker { replay, tally: Tally::default(), pair: Pair::default(), paths: Vec::new() }
    }

    fn count(&mut self, batch: &RecordBatch, origin: Origin) {
        for record in batch.iter() {
            self.count_record(*record, origin);
        }
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
        let ends = replay.attribution.attribute(&record);
        let buckets = self.tally.buckets_met.len() as u32;
        self.find_paths(&record, &ends);
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
            paths: self.tally.paths.intern(&self.paths),
            ends: self.tally.ends.intern(&ends),
            pop: record.pop,
            service: Service::of(&record.header, &replay.named_ports),
            label: record.label,
            attack,
            window,
            slot: (splits && (limited || self.paths.len() > 1)).then(|| {
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
        let duration = i64::try_from(record.duration_ns).unwrap_or(i64::MAX);
        let end = record.time_ns.saturating_add(duration);
        let aged = origin.aged && origin.part == 0;
        self.tally.seen(window, record.time_ns, end, aged.then_some(origin.rank));
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

    /// Finds the paths of a record: where it was seen, and where a scenario may move it.
    fn find_paths(&mut self, record: &Record, ends: &Ends) {
        self.paths.clear();
        let moves = &self.replay.moves;
        let mut record = *record;
        let seen_at = record.pop;
        if moves.may_change_path(seen_at) {
            // Where no rule on its way asks for the PoP, its way is the same everywhere.
            record.pop = None;
            record.header.known = record.header.known.without(Known::POP);
            self.walk(&record);
            let asks = |step: &Step| step.missing & Known::POP.0 != 0;
            record.pop = seen_at;
            record.header.known = record.header.known.with(Known::POP);
            if !self.pair.running.iter().chain(&self.pair.candidate).any(asks) {
                self.note_path(&record, ends);
                return;
            }
            self.walk(&record);
            self.note_path(&record, ends);
            for class in moves.classes() {
                record.pop = Some(*class);
                self.walk(&record);
                self.note_path(&record, ends);
            }
            return;
        }
        self.walk(&record);
        self.note_path(&record, ends);
    }

    fn walk(&mut self, record: &Record) {
        self.replay.matchers[0].walk(record, &mut self.pair.running);
        self.replay.matchers[1].walk(record, &mut self.pair.candidate);
    }

    /// Notes the buckets on the way just walked, and the way.
    fn note_path(&mut self, record: &Record, ends: &Ends) {
        let replay = self.replay;
        for (side, steps) in
            [&mut self.pair.running, &mut self.pair.candidate].into_iter().enumerate()
        {
            for step in steps {
                let Some(limit) = &replay.limits[side][step.rule as usize] else { continue };
                let owner = || replay.attribution.owners(ends).collect::<Vec<_>>();
                let met = match bucket(limit, record, owner) {
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
                let owner = || replay.attribution.owners(ends).collect::<Vec<_>>();
                let met = match bucket(keyed, record, owner) {
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
