//! One record through one rule set, step by step: which rules it meets, what each does to it, and
//! what becomes of it.
//!
//! Limits keep their state from record to record. A packet of an unsampled capture meets its
//! bucket by itself, exactly; the seconds of a profile are even, exactly by their own definition.
//! Where it hangs on a field that a record lacks whether it meets a bucket at all, every state that
//! the bucket may have is kept, and an answer is given only if all of them give it. What cannot be
//! told is [`Disposition::CannotTell`], never a guess.
//!
//! [`decide`] is the obvious engine for a single record: each rule looked at in turn
//! ([`crate::matcher::scan`]), every bucket full. It confirms what others have proved.

use std::collections::{BTreeMap, HashMap};

use crate::attribution::Attribution;
use crate::attribution::bucket::{Parts, bucket};
use crate::matcher::{BUCKET, COARSE, Matcher, Step, compile, missing_words};
use crate::model::{
    Action, Algorithm, DefaultAction, Exceed, KeyPart, Known, NameId, Names, RateLimit, Record,
    RuleSet, Scope, bucket_rules,
};
use crate::policer::{EvenLimit, Level, Policer, compile as policer};

mod compare;
mod meet;
pub mod why;

pub use compare::{Change, compare};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// It passes.
    Accepted,
    /// Its sender must prove itself.
    Challenged,
    /// It goes elsewhere.
    Redirected,
    /// It is lost.
    Dropped,
    /// It is lost, and its sender told.
    Rejected,
    /// It hangs on what the record does not know.
    CannotTell,
}

impl Disposition {
    /// Returns its word in outputs.
    pub fn word(self) -> &'static str {
        match self {
            Disposition::Accepted => "accepted",
            Disposition::Challenged => "challenged",
            Disposition::Redirected => "redirected",
            Disposition::Dropped => "dropped",
            Disposition::Rejected => "rejected",
            Disposition::CannotTell => "cannot_tell",
        }
    }

    /// Returns whether the packet is lost.
    pub fn is_lost(self) -> bool {
        matches!(self, Disposition::Dropped | Disposition::Rejected)
    }
}

/// The bit of missing fields that says: whose the addresses are is not known without an inventory.
pub const OWNER: u32 = 1 << 15;

/// Returns the words for what is missing, in a fixed order.
pub fn missing(bits: u32) -> Vec<&'static str> {
    let mut words = missing_words(bits);
    if bits & OWNER != 0 {
        words.push("customer");
    }
    if bits & COARSE != 0 {
        words.push("single packets");
    }
    if words.is_empty() && bits & BUCKET != 0 {
        words.push("bucket");
    }
    words
}

/// How a limit answers a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All of it goes on.
    Conforms,
    /// All of it meets what exceeding traffic meets.
    Exceeds,
    /// So many of its packets exceed, and the others go on.
    Part(u64),
    /// It cannot be told.
    CannotTell,
}

/// A limit that is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Its answer.
    pub answer: Answer,
    /// What was left of its bucket, where there is one state that can be told.
    pub level: Option<Level>,
}

/// A rule that the record meets, or may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Position of the rule, and what is missing to tell whether it is met.
    pub step: Step,
    /// How its limit answers, if it is one.
    pub limited: Option<Limited>,
}

/// Part of a record that a limit took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The rule.
    pub rule: u32,
    /// What becomes of that part.
    pub disposition: Disposition,
    /// Its packets, as recorded.
    pub packets: u64,
}

/// The way of one record through the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The rules that it meets or may meet, in order.
    pub stops: Vec<Stop>,
    /// Every end that it may have, and which rule (none is the default) makes it: of what limits
    /// leave, or of all if they leave nothing. One, unless something is unknown.
    pub ends: Vec<(Disposition, Option<u32>)>,
    /// What is missing to tell which of several ends it has.
    pub missing: u32,
    /// What limits took of it. They take all or nothing of a single packet, which is then its end.
    pub losses: Vec<Loss>,
    /// How many packets were recorded.
    pub packets: u64,
}

impl Walk {
    /// Returns what becomes of the record: of several packets, of those that limits leave. Several
    /// ends are one disposition where it is the same whatever is unknown.
    pub fn disposition(&self) -> Disposition {
        match self.ends.split_first() {
            Some((first, others)) if others.iter().all(|other| other.0 == first.0) => first.0,
            _ => Disposition::CannotTell,
        }
    }

    /// Returns the rule that decides, or `None` for the default; nothing if it cannot be told
    /// which of several it is.
    pub fn decider(&self) -> Option<Option<u32>> {
        match self.ends.split_first() {
            Some((first, others)) if others.iter().all(|other| other.1 == first.1) => Some(first.1),
            _ => None,
        }
    }

    /// Returns how many of its packets meet an end of a kind; nothing if it cannot be told.
    pub fn packets_of(&self, kind: impl Fn(Disposition) -> bool) -> Option<u64> {
        let disposition = self.disposition();
        if disposition == Disposition::CannotTell {
            return None;
        }
        let taken: u64 = self.losses.iter().map(|loss| loss.packets).sum();
        let rest = if kind(disposition) { self.packets.saturating_sub(taken) } else { 0 };
        let of_kind = self.losses.iter().filter(|loss| kind(loss.disposition));
        Some(rest + of_kind.map(|loss| loss.packets).sum::<u64>())
    }
}

/// Decides a single record by the slow, obvious engine, with every bucket full.
pub fn decide(set: &RuleSet, record: &Record, names: &Names) -> Walk {
    let matcher = compile([set], names).scanning();
    let mut tracer = Tracer::new(set, (&matcher, 0), None);
    tracer.trace(record)
}

/// One rule's limit.
struct Limiter {
    limit: RateLimit,
    policer: Box<dyn Policer>,
    even: EvenLimit,
    /// Whether its window, if it has one, is of whole seconds, as even traffic is known.
    fits_seconds: bool,
    /// Whether a record may have met any of its buckets, nobody knows which.
    is_lost: bool,
}

/// A bucket: the rule, the PoP or the exporter that it belongs to, and the values of its key.
type Instance = (u32, Option<NameId>, Option<NameId>, Parts);

/// Walks records through a rule set.
pub struct Tracer<'a> {
    set: &'a RuleSet,
    /// And which of its sets this is.
    matcher: (&'a Matcher, usize),
    limits: Vec<Option<Limiter>>,
    /// For every rule: the rule whose bucket its limit uses.
    shares: Vec<u32>,
    attribution: Option<&'a Attribution<'a>>,
    buckets: HashMap<Instance, meet::Bucket>,
    /// When the first record came that met a limit: seconds and windows of a profile count from it.
    start_ns: Option<i64>,
    newest_ns: i64,
    met: u64,
}

/// A record on its way.
struct Going<'r> {
    record: &'r Record,
    steps: Vec<Step>,
    /// The next step to be looked at.
    at: usize,
    /// Whether it certainly gets there.
    is_sure: bool,
    left: (u64, u64),
    /// Matches of which it is unknown whether they hold, whose rules would have ended the walk: if
    /// another rule asks the same, the record gets there only if the answer is no.
    passed: Vec<u32>,
    walk: Walk,
}

impl<'a> Tracer<'a> {
    /// Makes a tracer whose buckets are full. `matcher` is of the rule set, which is its set of that
    /// number. Without attribution
    /// it cannot be told which bucket of a limit `per: customer` a record meets.
    pub fn new(
        set: &'a RuleSet,
        matcher: (&'a Matcher, usize),
        attribution: Option<&'a Attribution<'a>>,
    ) -> Tracer<'a> {
        let limiter = |limit: &RateLimit| Limiter {
            limit: limit.clone(),
            policer: policer(limit),
            even: EvenLimit::new(limit),
            fits_seconds: limit
                .algorithm
                .window_ns()
                .is_none_or(|window_ns| window_ns.is_multiple_of(meet::BIN_NS))
                && limit.bucket.is_none(),
            // Nobody knows how deep its bucket is.
            is_lost: limit.algorithm == Algorithm::FlowSpec,
        };
        let limits = set.rules.iter().map(|rule| match &rule.action.value {
            Action::RateLimit(limit) => Some(limiter(limit)),
            _ => None,
        });
        Tracer {
            set,
            matcher,
            shares: bucket_rules(&set.limits()),
            limits: limits.collect(),
            attribution,
            buckets: HashMap::new(),
            start_ns: None,
            newest_ns: i64::MIN,
            met: 0,
        }
    }

    /// Walks the next record, which is a packet.
    pub fn trace(&mut self, record: &Record) -> Walk {
        let mut going = [self.start(record)];
        self.go(&mut going, false);
        let [going] = going;
        going.walk
    }

    /// Walks the records of one second of a profile; those of later seconds come later.
    pub fn trace_second(&mut self, records: &[Record]) -> Vec<Walk> {
        let mut going: Vec<Going<'_>> = records.iter().map(|record| self.start(record)).collect();
        self.go(&mut going, true);
        going.into_iter().map(|going| going.walk).collect()
    }

    fn start<'r>(&self, record: &'r Record) -> Going<'r> {
        let mut steps = Vec::new();
        let (matcher, side) = self.matcher;
        matcher.walk(side, record, &mut steps);
        Going {
            record,
            steps,
            at: 0,
            is_sure: true,
            left: (record.packets, record.bytes),
            passed: Vec::new(),
            walk: Walk {
                stops: Vec::new(),
                ends: Vec::new(),
                missing: 0,
                losses: Vec::new(),
                packets: record.packets,
            },
        }
    }

    /// Takes records to their ends, limit by limit in the order of the rules.
    fn go(&mut self, going: &mut [Going<'_>], even: bool) {
        let mut waiting: Vec<Option<u32>> =
            going.iter_mut().map(|one| one.advance(self.set)).collect();
        while let Some(rule) = waiting.iter().flatten().min().copied() {
            let here: Vec<usize> =
                (0..waiting.len()).filter(|at| waiting[*at] == Some(rule)).collect();
            self.meet(rule, going, &here, even);
            for at in here {
                waiting[at] = going[at].advance(self.set);
            }
        }
    }

    /// Takes the records that stand before a limit through it.
    fn meet(&mut self, rule: u32, going: &mut [Going<'_>], here: &[usize], even: bool) {
        let mut by_bucket: BTreeMap<Instance, Vec<usize>> = BTreeMap::new();
        for at in here {
            let record = going[*at].record;
            self.start_ns.get_or_insert(record.time_ns);
            self.newest_ns = self.newest_ns.max(record.time_ns);
            match self.instance(rule, record) {
                Ok(instance) => by_bucket.entry(instance).or_default().push(*at),
                Err(missing) => {
                    // Whoever uses the same bucket no longer knows it, either.
                    let own = self.shares[rule as usize];
                    let all = self.limits.iter_mut().zip(&self.shares);
                    let all = all.filter(|(_, shared)| **shared == own);
                    all.flat_map(|(limiter, _)| limiter).for_each(|one| one.is_lost = true);
                    let Some(limiter) = &self.limits[rule as usize] else { continue };
                    let limited = Limited { answer: Answer::CannotTell, level: None };
                    going[*at].answer(&limiter.limit, limited, missing | BUCKET, 0);
                }
            }
        }
        for (instance, here) in by_bucket {
            self.meet_bucket(instance, going, &here, even);
        }
        self.met += here.len() as u64;
        if self.met >= meet::FORGET_EVERY {
            self.met = 0;
            self.forget();
        }
    }

    /// Returns the bucket of a record, or what is missing to know it.
    fn instance(&self, rule: u32, record: &Record) -> Result<Instance, u32> {
        let Some(limiter) = &self.limits[rule as usize] else { return Err(BUCKET) };
        let limit = &limiter.limit;
        if self.attribution.is_none() && limit.per.contains(&KeyPart::Customer) {
            return Err(OWNER);
        }
        let owners = || {
            self.attribution.map(|attribution| attribution.owners(&attribution.attribute(record)))
        };
        // Packets that are traced come to one router of a PoP.
        let (exporter, parts) = bucket(limit, record, |_| false, owners)?;
        let pop = record.pop.filter(|_| matches!(limit.scope, Scope::Pop | Scope::Router));
        Ok((self.shares[rule as usize], pop, exporter, parts))
    }
}

impl Going<'_> {
    /// Goes on to the next limit and returns its rule, or to the end.
    fn advance(&mut self, set: &RuleSet) -> Option<u32> {
        while let Some(step) = self.steps.get(self.at).copied() {
            if !step.certain() && self.passed.contains(&step.matches) {
                self.at += 1;
                continue;
            }
            let end = match &set.rules[step.rule as usize].action.value {
                Action::RateLimit(_) => return Some(step.rule),
                Action::Log | Action::Mark { .. } => None,
                Action::Accept => Some(Disposition::Accepted),
                Action::Drop => Some(Disposition::Dropped),
                Action::Reject => Some(Disposition::Rejected),
                Action::Challenge => Some(Disposition::Challenged),
                Action::Redirect { .. } => Some(Disposition::Redirected),
            };
            self.walk.stops.push(Stop { step, limited: None });
            self.at += 1;
            if let Some(end) = end {
                self.walk.ends.push((end, Some(step.rule)));
                if step.certain() {
                    self.stop();
                    return None;
                }
                self.is_sure = false;
                self.walk.missing |= step.missing;
                self.passed.push(step.matches);
            }
        }
        if self.at != usize::MAX {
            let end = match set.default.action {
                DefaultAction::Accept => Disposition::Accepted,
                DefaultAction::Drop => Disposition::Dropped,
            };
            self.walk.ends.push((end, None));
            self.stop();
        }
        None
    }

    /// Ends the walk for good.
    fn stop(&mut self) {
        self.steps.clear();
        self.at = usize::MAX;
    }

    /// Goes on with a limit's answer. `bytes` is what a part that exceeds weighs.
    fn answer(&mut self, limit: &RateLimit, limited: Limited, missing: u32, bytes: u64) {
        let step = self.steps[self.at];
        self.at += 1;
        self.walk.stops.push(Stop { step, limited: Some(limited) });
        let disposition = match limit.exceed {
            Exceed::Log => return,
            Exceed::Challenge => Disposition::Challenged,
            Exceed::Drop => Disposition::Dropped,
            Exceed::Reject => Disposition::Rejected,
        };
        let end = (disposition, Some(step.rule));
        match limited.answer {
            Answer::Conforms => {}
            Answer::Exceeds if step.certain() => {
                self.walk.ends.push(end);
                self.stop();
            }
            Answer::Part(packets) => {
                let packets = packets.min(self.left.0);
                self.left = (self.left.0 - packets, self.left.1.saturating_sub(bytes));
                self.walk.losses.push(Loss { rule: step.rule, disposition, packets });
            }
            Answer::Exceeds | Answer::CannotTell => {
                self.walk.ends.push(end);
                self.walk.missing |= step.missing | missing;
                self.is_sure = false;
            }
        }
    }

    /// Returns whether the length of the packet, and so its weight, is unknown.
    fn is_weightless(&self) -> bool {
        self.record.bytes == 0 && !self.record.header.known.has(Known::LENGTH)
    }
}
