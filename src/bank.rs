//! Banks of buckets: the offers of a tally through the policers of both rule sets.
//!
//! Packets of an unsampled capture meet their buckets one by one, exactly. Even traffic
//! (profiles) meets them second by second, exactly by its own definition. Where a bucket sees
//! both, or recorded flows, samples or scaled packets, its loss is bounded from below and above
//! ([`coarse`]).

mod coarse;
mod even;
mod held;
mod instances;
mod lanes;
mod ready;
mod usage;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::matcher::ends_walk;
use crate::model::{
    Action, Algorithm, Harm, NameId, Rate, RateLimit, RuleSet, Scope, bucket_rules,
};
use crate::policer::{EvenLimit, Policer, Shape, State, bounds, compile, mildest};
use crate::scenario::{Arrives, Cell, View};
use crate::tally::{BucketKey, NO_BUCKET, Offer, Pair, Tally};

pub use ready::{Met, Ready};
pub use usage::{Fullest, Usage};

/// Length of a bin of traffic of which only sums are known.
const BIN_NS: u64 = 1_000_000_000;

/// Which end of what is possible is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum World {
    /// As little as possible reaches the policers, and loses as little as it can.
    Least,
    /// As much as possible reaches them, and loses as much as it can.
    Greatest,
}

/// What one policer took from the records of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether the policer is a candidate's.
    pub candidate: bool,
    /// Its rule.
    pub rule: u32,
    /// Packets (on the wire).
    pub packets: u64,
    /// Bytes (on the wire).
    pub bytes: u64,
}

/// What the policers of both rule sets took.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    by_key: HashMap<u32, Vec<Taken>, foldhash::fast::FixedState>,
    /// Candidate rules with a bucket whose loss the recording is too coarse to tell.
    pub undecided: BTreeSet<u32>,
    /// Whether some bucket's loss is only bounded.
    is_bounded: bool,
    /// Keys with a bucket that holds, or may hold, more in the candidate set than in the running
    /// one; known only in the world of the greatest loss.
    fuller: Keys,
    /// The same with less.
    emptier: Keys,
}

/// Keys of the tally.
type Keys = HashSet<u32, foldhash::fast::FixedState>;

impl Losses {
    /// Returns what policers took from the records of a key, by rule.
    pub fn of(&self, key: u32) -> &[Taken] {
        self.by_key.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Returns whether some bucket of a key may hold more in the candidate set than in the running
    /// one.
    pub fn is_fuller(&self, key: u32) -> bool {
        self.fuller.contains(&key)
    }

    /// Returns whether some bucket of a key may hold less in the candidate set than in the running
    /// one.
    pub fn is_emptier(&self, key: u32) -> bool {
        self.emptier.contains(&key)
    }

    fn take(&mut self, key: u32, candidate: bool, rule: u32, packets: u64, bytes: u64) {
        if packets == 0 && bytes == 0 {
            return;
        }
        let taken = self.by_key.entry(key).or_default();
        match taken.iter_mut().find(|one| one.candidate == candidate && one.rule == rule) {
            Some(one) => {
                one.packets += packets;
                one.bytes += bytes;
            }
            None => taken.push(Taken { candidate, rule, packets, bytes }),
        }
    }
}

/// The policers on the way of each side, and whether it is uncertain that records reach them.
pub type OnTheWay = [Vec<(u32, bool)>; 2];

/// Returns, for each side of a pair, the policers on its way and whether it is uncertain that
/// the records reach them.
pub fn policers(pair: &Pair, sets: [&RuleSet; 2]) -> OnTheWay {
    let side = |steps: &[crate::matcher::Step], set: &RuleSet| {
        let mut may_have_ended = false;
        let mut found = Vec::new();
        for step in steps {
            let action = &set.rules[step.rule as usize].action.value;
            if matches!(action, Action::RateLimit(_)) {
                found.push((step.rule, may_have_ended || !step.certain()));
            }
            // What a limit may have taken may not come to the next.
            let acts = action.harm() == Harm::Limited;
            may_have_ended |= (ends_walk(action) || acts) && !step.certain();
        }
        found
    };
    [side(&pair.running, sets[0]), side(&pair.candidate, sets[1])]
}

/// Returns whether both paths hold the same rules (same match, same action) in the same order, so
/// that the same becomes of the record whatever it is, as far as buckets hold the same.
pub fn same_walk(pair: &Pair, sets: [&RuleSet; 2]) -> bool {
    let action =
        |side: usize, step: &crate::matcher::Step| &sets[side].rules[step.rule as usize].action;
    pair.running.len() == pair.candidate.len()
        && sets[0].default.action == sets[1].default.action
        && pair
            .running
            .iter()
            .zip(&pair.candidate)
            .all(|(a, b)| a.matches == b.matches && action(0, a) == action(1, b))
}

/// What a bank of buckets is made of.
#[derive(Clone)]
pub struct Bank<'a> {
    tally: &'a Tally,
    limits: [Vec<Option<Limiter>>; 2],
    /// The candidate rule whose limit is keyed by destination though it is not written so.
    keyed: Option<u32>,
    policers: Arc<[OnTheWay]>,
    /// Whether both paths of each pair are the same.
    same: Arc<[bool]>,
    /// The busiest exporter of every PoP: a drained exporter's buckets go there.
    busiest: BTreeMap<NameId, NameId>,
    /// Whether traffic of different PoPs can meet in one bucket.
    is_global: bool,
    /// Whether any policer may or may not be met, or has two meanings.
    is_open: bool,
    /// For every limit with two meanings: the milder one.
    mildest: [BTreeMap<u32, Limiter>; 2],
}

/// One rule's limit.
#[derive(Clone)]
struct Limiter {
    limit: RateLimit,
    /// For single packets.
    policer: Arc<dyn Policer>,
    /// For even traffic.
    even: EvenLimit,
    /// What it is over a long run.
    shape: Shape,
    /// For bounds: what loses no more and no less than it.
    bounds: [Shape; 2],
    /// Whether a token bucket is all there is to it, so that sums can be bounded well.
    is_plain: bool,
    /// Whether its window, if it has one, is of whole seconds, as even traffic is known.
    fits_seconds: bool,
    /// Whether it could be keyed by destination as well.
    could_be_keyed: bool,
}

impl Limiter {
    fn new(limit: RateLimit) -> Limiter {
        let policer: Arc<dyn Policer> = Arc::from(compile(&limit));
        let bounds = bounds(&limit);
        // Of what the dialect rounds up, even traffic tells nothing.
        let rounds = match limit.algorithm {
            Algorithm::XtHashlimit { .. } => limit.rate.counts_bytes(),
            algorithm => algorithm == Algorithm::TcPolice,
        };
        Limiter {
            shape: policer.shape(),
            policer,
            even: EvenLimit::new(&limit),
            is_plain: limit.algorithm.window_ns().is_none()
                && bounds.least.is_some()
                && limit.timeout_ns.is_none(),
            bounds: [bounds.least.unwrap_or(bounds.greatest), bounds.greatest],
            fits_seconds: limit
                .algorithm
                .window_ns()
                .is_none_or(|window_ns| window_ns.is_multiple_of(BIN_NS))
                && limit.bucket.is_none()
                && !rounds,
            could_be_keyed: limit.per_destination().is_some(),
            limit,
        }
    }
}

/// A policer on the way of an offer.
#[derive(Clone, Copy)]
struct Visit {
    candidate: bool,
    rule: u32,
    instance: u32,
    /// Whether it is uncertain that the offer reaches it.
    uncertain: bool,
}

/// A limit of which an offer may meet any bucket, as its own is not known: whether it is a
/// candidate's, and its rule.
type Stray = (bool, u32);

impl<'a> Bank<'a> {
    /// Makes the banks of both sets.
    pub fn new(tally: &'a Tally, sets: [&'a RuleSet; 2]) -> Bank<'a> {
        let limits = sets.map(|set| {
            let limits = set.limits();
            let shares = bucket_rules(&limits);
            let mut users = vec![0u32; limits.len()];
            shares.iter().for_each(|rule| users[*rule as usize] += 1);
            // A bucket with a name that one rule uses is like any other.
            let own = |(limit, rule): (Option<RateLimit>, &u32)| {
                let limit = limit?;
                let bucket = limit.bucket.clone().filter(|_| users[*rule as usize] > 1);
                let could_be_keyed = limit.per_destination().is_some();
                Some(Limiter { could_be_keyed, ..Limiter::new(RateLimit { bucket, ..limit }) })
            };
            limits.into_iter().zip(&shares).map(own).collect::<Vec<_>>()
        });
        let policers: Vec<_> =
            tally.pairs.values().iter().map(|pair| policers(pair, sets)).collect();
        let same = tally.pairs.values().iter().map(|pair| same_walk(pair, sets)).collect();
        let mut busiest: BTreeMap<NameId, (u64, NameId)> = BTreeMap::new();
        for ((pop, exporter), packets) in &tally.exporters {
            let known = busiest.entry(*pop).or_insert((*packets, *exporter));
            if *packets > known.0 {
                *known = (*packets, *exporter);
            }
        }
        let all = || limits.iter().flatten().flatten();
        let mildest = [0, 1].map(|side: usize| {
            let limits = (0u32..).zip(&limits[side]);
            limits
                .filter_map(|(rule, one)| {
                    Some((rule, Limiter::new(mildest(&one.as_ref()?.limit)?)))
                })
                .collect::<BTreeMap<_, _>>()
        });
        Bank {
            tally,
            is_global: all().any(|one| one.limit.scope == Scope::Global),
            is_open: policers.iter().flatten().flatten().any(|(_, uncertain)| *uncertain)
                || mildest.iter().any(|of| !of.is_empty()),
            mildest,
            limits,
            policers: policers.into(),
            same,
            keyed: None,
            busiest: busiest.into_iter().map(|(pop, (_, exporter))| (pop, exporter)).collect(),
        }
    }

    /// Returns how many policers each pair has.
    pub fn policers_of(&self) -> Vec<u32> {
        let count = |[running, candidate]: &[Vec<(u32, bool)>; 2]| {
            running.len() + candidate.len() + self.keyable(candidate).count()
        };
        self.policers.iter().map(|pair| count(pair) as u32).collect()
    }

    /// Returns the positions of the policers of a candidate path that could be keyed by destination.
    fn keyable<'p>(&'p self, candidate: &'p [(u32, bool)]) -> impl Iterator<Item = u32> + 'p {
        let limit = |rule: u32| self.limits[1][rule as usize].as_ref();
        let rules = candidate.iter().map(|(rule, _)| *rule);
        rules.filter(move |rule| limit(*rule).is_some_and(|limit| limit.could_be_keyed))
    }

    /// Returns whether a candidate rule's limit could be keyed by destination as well.
    pub fn could_be_keyed(&self, rule: u32) -> bool {
        self.limits[1][rule as usize].as_ref().is_some_and(|limiter| limiter.could_be_keyed)
    }

    /// Returns whether some record met a candidate rule's limit in a bucket that nobody knows.
    pub fn has_unknown_bucket(&self, rule: u32) -> bool {
        let tally = self.tally;
        tally.offers.iter().any(|offer| {
            let paths = tally.paths.value(tally.key(offer.key).paths);
            let mut at = offer.buckets as usize;
            paths.iter().any(|pair| {
                let [running, candidate] = &self.policers[*pair as usize];
                let first = at + running.len();
                at = first + candidate.len() + self.keyable(candidate).count();
                let met = candidate.iter().zip(&tally.buckets_met[first..]);
                met.into_iter().any(|((of, _), bucket)| *of == rule && *bucket == NO_BUCKET)
            })
        })
    }

    /// Makes a bank of which a candidate rule has another rate.
    #[must_use]
    pub fn at_rate(&self, rule: u32, rate: Rate) -> Bank<'a> {
        let mut bank = self.clone();
        // All that use the same bucket.
        let limits: Vec<Option<RateLimit>> =
            self.limits[1].iter().map(|one| Some(one.as_ref()?.limit.clone())).collect();
        let shares = bucket_rules(&limits);
        for (limiter, own) in bank.limits[1].iter_mut().zip(&shares) {
            let Some(limiter) = limiter.as_mut().filter(|_| *own == shares[rule as usize]) else {
                continue;
            };
            let could_be_keyed = limiter.could_be_keyed;
            *limiter = Limiter { could_be_keyed, ..Limiter::new(limiter.limit.at_rate(rate)) };
        }
        for (own, mild) in &mut bank.mildest[1] {
            let limit = bank.limits[1][*own as usize].as_ref().and_then(|one| mildest(&one.limit));
            if let Some(limit) = limit {
                *mild = Limiter::new(limit);
            }
        }
        bank
    }

    /// Returns the bank as its limits are in a world: where nobody knows which of two a limit is,
    /// the milder loses least.
    fn read(&self, world: World) -> Cow<'_, Bank<'a>> {
        if world == World::Greatest || self.mildest.iter().all(BTreeMap::is_empty) {
            return Cow::Borrowed(self);
        }
        let mut bank = self.clone();
        for (limits, mildest) in bank.limits.iter_mut().zip(&self.mildest) {
            for (rule, mild) in mildest {
                limits[*rule as usize] = Some(mild.clone());
            }
        }
        Cow::Owned(bank)
    }

    /// Makes a bank of which a candidate rule is keyed by destination.
    #[must_use]
    pub fn keyed(&self, rule: u32) -> Bank<'a> {
        Bank { keyed: Some(rule), ..self.clone() }
    }

    /// Runs all offers of a scenario through the policers of both sets, for both worlds. `known`
    /// is what became of the recording as it is: buckets that see nothing else are not run again.
    pub fn simulate(&self, view: &View, known: Option<&[Losses; 2]>) -> [Losses; 2] {
        let least = Run::new(self, view, World::Least).run(known.map(|known| &known[0]));
        if !self.is_open && !least.is_bounded {
            return [least.clone(), least];
        }
        let greatest = Run::new(self, view, World::Greatest).run(known.map(|known| &known[1]));
        [least, greatest]
    }

    fn limiter(&self, visit: Visit) -> &Limiter {
        self.limiter_of(visit.candidate, visit.rule)
    }

    fn limiter_of(&self, candidate: bool, rule: u32) -> &Limiter {
        self.limits[usize::from(candidate)][rule as usize]
            .as_ref()
            .expect("a visit is made only of rules with a limit")
    }
}

/// Which rule sets are run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sides {
    Both,
    Candidate,
}

impl Sides {
    /// Returns whether a visit is of these.
    fn hold(self, visit: &Visit) -> bool {
        self == Sides::Both || visit.candidate
    }
}

/// Takes so many packets and bytes of a key by a side's rule.
type Take<'t> = &'t mut dyn FnMut(u32, (bool, u32), u64, u64) -> ControlFlow<()>;

//------------ Run -----------------------------------------------------------

/// One run: a scenario in one world.
struct Run<'r, 'a> {
    bank: &'r Bank<'a>,
    view: &'r View,
    world: World,
    instances: instances::Instances,
    /// Buckets that nobody met in the recording: of the same key at another exporter.
    rehomed: HashMap<BucketKey, u32>,
    /// The limits of which the offer just looked at may meet any bucket, running or candidate.
    strays: Vec<Stray>,
    losses: Losses,
}

/// How exactly an offer, or a bucket, is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grain {
    /// Single packets.
    Packets,
    /// Even by definition.
    Even,
    /// Sums, of which only bounds can be told.
    Coarse,
}

impl Grain {
    /// Returns how exactly an offer is known in a scenario.
    fn of(offer: &Offer, view: &View) -> Grain {
        if offer.weight != 1 {
            Grain::Coarse
        } else if offer.even {
            Grain::Even
        } else if offer.packets <= 1 && offer.duration_ns == 0 && !view.is_scaled(offer.key) {
            Grain::Packets
        } else {
            Grain::Coarse
        }
    }

    fn with(self, other: Grain) -> Grain {
        if self == other { self } else { Grain::Coarse }
    }
}

impl<'r, 'a> Run<'r, 'a> {
    fn new(bank: &'r Bank<'a>, view: &'r View, world: World) -> Run<'r, 'a> {
        let (instances, rehomed, strays, losses) = Default::default();
        Run { bank, view, world, instances, rehomed, strays, losses }
    }

    /// Finds the buckets that an offer meets in this world: the running ones, then the
    /// candidate's, each in the order of rules.
    fn visits(&mut self, offer: &Offer, cell: &Cell, visits: &mut Vec<Visit>) {
        visits.clear();
        self.strays.clear();
        let bank = self.bank;
        let tally = bank.tally;
        let [running, of_candidate] = &bank.policers[cell.pair as usize];
        let first = (offer.buckets + cell.skip) as usize;
        let sides = running.iter().map(|step| (false, step));
        let steps = sides.chain(of_candidate.iter().map(|step| (true, step))).enumerate();
        for (at, (candidate, (rule, uncertain))) in steps {
            let mut bucket = tally.buckets_met[first + at];
            if candidate && bank.keyed == Some(*rule) {
                let place = bank.keyable(of_candidate).position(|keyed| keyed == *rule);
                let others = running.len() + of_candidate.len();
                bucket = tally.buckets_met[first + others + place.unwrap_or(0)];
            }
            if bucket == NO_BUCKET {
                self.strays.push((candidate, *rule));
                continue;
            }
            if *uncertain && self.world == World::Least {
                continue;
            }
            let visit = Visit { candidate, rule: *rule, instance: 0, uncertain: *uncertain };
            let scope = bank.limiter(visit).limit.scope;
            let home = tally.key(offer.key).pop;
            let place = match scope {
                Scope::Pop | Scope::Router => cell.pop,
                Scope::Exporter | Scope::Global => None,
            };
            if matches!(scope, Scope::Exporter | Scope::Router) && cell.pop != home {
                bucket = self.rehome(bucket, cell.pop);
            }
            let instance = self.instances.number(bucket, place);
            visits.push(Visit { instance, ..visit });
        }
    }

    /// Returns the bucket of the same key at the busiest exporter of a PoP.
    fn rehome(&mut self, bucket: u32, pop: Option<NameId>) -> u32 {
        let tally = self.bank.tally;
        let exporter = pop.and_then(|pop| self.bank.busiest.get(&pop).copied());
        let key = BucketKey { exporter, ..tally.buckets.value(bucket).clone() };
        if let Some(known) = tally.buckets.find(&key) {
            return known;
        }
        let next = (tally.buckets.values().len() + self.rehomed.len()) as u32;
        *self.rehomed.entry(key).or_insert(next)
    }

    fn run(mut self, known: Option<&Losses>) -> Losses {
        let tally = self.bank.tally;
        let changed = |cell: &Cell| match &self.view.arrives {
            _ if known.is_none() || self.bank.is_global => true,
            Arrives::Anywhere => true,
            Arrives::At(pops) => cell.pop.is_some_and(|pop| pops.contains(&pop)),
            Arrives::Nowhere => false,
        };
        let changed: Vec<bool> = self.view.cells.iter().map(changed).collect();
        if let Some(known) = known {
            for (cell, changed) in self.view.cells.iter().zip(&changed) {
                if !changed && let Some(taken) = known.by_key.get(&cell.key) {
                    self.losses.by_key.insert(cell.key, taken.clone());
                }
            }
            let unchanged = |keys: &Keys| {
                let cells = self.view.cells.iter().zip(&changed).filter(|(_, changed)| !**changed);
                cells.map(|(cell, _)| cell.key).filter(|key| keys.contains(key)).collect()
            };
            self.losses.fuller = unchanged(&known.fuller);
            self.losses.emptier = unchanged(&known.emptier);
            self.losses.undecided.clone_from(&known.undecided);
            self.losses.is_bounded = known.is_bounded;
        }
        let plain = |offer: &Offer| Grain::of(offer, self.view) == Grain::Packets;
        if self.world == World::Least && tally.offers.iter().all(plain) {
            self.run_packets(&changed);
        } else {
            let met = Met::new(&mut self, &|cell| changed[cell]);
            if self.world == World::Greatest {
                self.compare(&met);
            }
            let ready = Ready::new(self.bank, (self.view, self.world), &met, Sides::Both);
            ready.add_to(self.bank, &mut self.losses);
        }
        self.losses
    }

    /// Runs single packets, which need not be made ready for so little.
    fn run_packets(&mut self, changed: &[bool]) {
        let mut buckets: Vec<Option<State>> = Vec::new();
        let mut visits = Vec::new();
        let bank = self.bank.read(self.world);
        for offer in &self.bank.tally.offers {
            let Some(cell) = self.view.position(offer.key).filter(|cell| changed[*cell]) else {
                continue;
            };
            self.visits(offer, &self.view.cells[cell], &mut visits);
            let losses = &mut self.losses;
            // Nothing stops it.
            let _ = ready::meet(
                &bank,
                offer,
                &visits,
                &mut buckets,
                &mut |key, (candidate, rule), packets, bytes| {
                    losses.take(key, candidate, rule, packets, bytes);
                    ControlFlow::Continue(())
                },
            );
        }
    }
}

/// Offers of one bin that are alike.
struct Group<'v> {
    key: u32,
    visits: &'v [Visit],
    packets: u64,
    bytes: u64,
}
