//! What becomes of the packets of one pair of paths: who stops them, under which of the ways that
//! the record leaves open.
//!
//! Every rule match that a record cannot tell is one Boolean, the same for both rule sets: the
//! same packet has the same flags on both sides. All assignments are tried up to
//! [`MAX_UNKNOWNS`]; beyond that every pair of ends that can come together is, with the fewest and
//! the most limits before them.

mod ends;

use std::collections::{BTreeMap, BTreeSet};

use crate::bank::{Taken, same_walk};
use crate::matcher::{BUCKET, Step};
use crate::model::{Action, DefaultAction, Exceed, Harm, RateLimit, RuleSet};
use crate::tally::Pair;

/// How many unknown matches of one pair are tried in all combinations.
pub const MAX_UNKNOWNS: usize = 6;

/// How a packet is kept from its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Dropped or rejected.
    Lost,
    /// Challenged.
    Challenged,
    /// Sent elsewhere.
    Redirected,
    /// Sent to a place that hands on legitimate traffic.
    Cleaned,
}

/// How a walk ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// The packet passes; by this rule, or by default.
    Passes(Option<u32>),
    /// The packet is kept from its way; by this rule, or by default.
    Stopped(Option<u32>, Kind),
}

/// One way of a packet through one rule set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Walk {
    /// The rules whose policers it meets, in order.
    pub limits: Vec<u32>,
    /// How it ends, for what the policers leave.
    pub end: End,
    /// The worst it meets.
    pub harm: Harm,
}

/// Part of a loss: what one rule (or the default) keeps from its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleLoss {
    /// The rule; none is the default.
    pub rule: Option<u32>,
    /// How.
    pub kind: Kind,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

/// What a record does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unknown {
    /// Whether it meets this match.
    Match(u32),
    /// Whether it meets this limit (of the running or the candidate set) and exceeds it.
    Bucket(usize, u32),
}

/// The rule sets, and which redirects hand legitimate traffic on.
#[derive(Clone, Copy, Debug)]
pub struct Sets<'a> {
    /// Running and candidate.
    pub sets: [&'a RuleSet; 2],
    /// Names of redirects with `effect: clean`.
    pub clean: &'a BTreeSet<String>,
    /// Candidate limits whose buckets packets of others newly enter, compared with these running
    /// limits; and whether they do so where packets to somebody's addresses are.
    pub crowded: &'a BTreeMap<(u32, u32), bool>,
}

/// The ways that a record leaves open.
#[derive(Clone, Debug)]
pub struct Ways {
    /// Running and candidate together; at least one, without repetition.
    pub walks: Vec<(Walk, Walk)>,
    /// Whether there were too many: any running way may come with any of the candidate's.
    pub is_mixed: bool,
}

impl Sets<'_> {
    /// Returns the ways that a record leaves open.
    pub fn ways(&self, pair: &Pair) -> Ways {
        let names = [&pair.running, &pair.candidate].map(|steps| steps.as_slice());
        let names = [0, 1].map(|side| self.unknowns(side, names));
        let unknown: BTreeSet<Unknown> = names.iter().flatten().flatten().copied().collect();
        let unknown: Vec<Unknown> = unknown.into_iter().collect();
        let bits = names.map(|names| {
            let bit = |one: Option<Unknown>| one.and_then(|one| unknown.binary_search(&one).ok());
            names.into_iter().map(bit).collect::<Vec<Option<usize>>>()
        });
        let implied = self.implied(pair, &bits);
        let mut ways = if unknown.len() <= MAX_UNKNOWNS {
            let mut walks = Vec::new();
            for assignment in 0..1u32 << unknown.len() {
                let is_set = |bit: usize| assignment >> bit & 1 == 1;
                if implied.iter().any(|(if_set, then)| is_set(*if_set) && !is_set(*then)) {
                    continue;
                }
                let side = |side: usize, steps: &[Step]| {
                    self.walk(side, steps, &|at: usize| bits[side][at].is_some_and(is_set))
                };
                walks.push((side(0, &pair.running), side(1, &pair.candidate)));
            }
            Ways { walks, is_mixed: false }
        } else {
            ends::Open::new(self, pair, &bits, &implied, unknown.len()).ways()
        };
        ways.walks.sort();
        ways.walks.dedup();
        ways
    }

    /// Returns what a record does not tell about each step of one side. Equal matches are one
    /// unknown; what a bucket takes is one for equal limits on the same match only, whose buckets
    /// nobody newly enters: a packet that one limit lets go on may exceed another.
    fn unknowns(&self, side: usize, steps: [&[Step]; 2]) -> Vec<Option<Unknown>> {
        let action = |side: usize, step: &Step| &self.sets[side].rules[step.rule as usize].action;
        let name = |step: &Step| {
            if step.certain() {
                return None;
            }
            if step.missing & BUCKET == 0 {
                return Some(Unknown::Match(step.matches));
            }
            let equal = steps[0].iter().find(|old| {
                old.missing & BUCKET != 0
                    && old.matches == step.matches
                    && action(0, old).value == action(side, step).value
                    && (side == 0 || !self.crowded.contains_key(&(step.rule, old.rule)))
            });
            Some(match equal {
                Some(old) => Unknown::Bucket(0, old.rule),
                None => Unknown::Bucket(side, step.rule),
            })
        };
        steps[side].iter().map(name).collect()
    }

    /// Returns which unknowns imply which others: what exceeds a limit exceeds every limit on the
    /// same match that the first is at least as generous as.
    fn implied(&self, pair: &Pair, bits: &[Vec<Option<usize>>; 2]) -> Vec<(usize, usize)> {
        let limit = |side: usize, step: &Step| match &self.sets[side].rules[step.rule as usize]
            .action
            .value
        {
            Action::RateLimit(limit) if step.missing & BUCKET != 0 => Some(limit),
            _ => None,
        };
        let mut implied = Vec::new();
        for (new, new_bit) in pair.candidate.iter().zip(&bits[1]) {
            for (old, old_bit) in pair.running.iter().zip(&bits[0]) {
                if let (Some(new_bit), Some(old_bit)) = (new_bit, old_bit)
                    && let (Some(after), Some(before)) = (limit(1, new), limit(0, old))
                    && new.matches == old.matches
                    && !self.crowded.contains_key(&(new.rule, old.rule))
                    && after.is_as_generous_as(before)
                {
                    implied.push((*new_bit, *old_bit));
                }
            }
        }
        implied
    }

    /// Returns whether both paths hold the same rules (same match, same action) in the same
    /// order, so that the same becomes of the record whatever it is.
    pub fn same_walk(&self, pair: &Pair) -> bool {
        same_walk(pair, self.sets)
    }

    fn walk(&self, side: usize, steps: &[Step], holds: &dyn Fn(usize) -> bool) -> Walk {
        let set = self.sets[side];
        let mut walk = Walk { limits: Vec::new(), end: End::Passes(None), harm: Harm::None };
        for (at, step) in steps.iter().enumerate() {
            let taken = step.certain() || holds(at);
            let rule = Some(step.rule);
            let unknown_bucket = step.missing & BUCKET != 0;
            match &set.rules[step.rule as usize].action.value {
                Action::RateLimit(limit) if taken || unknown_bucket => {
                    let Some((kind, harm)) = exceed(limit) else { continue };
                    walk.harm = walk.harm.max(harm);
                    if taken && unknown_bucket {
                        // Which bucket it meets cannot be told: it may take all.
                        walk.end = End::Stopped(rule, kind);
                        return walk;
                    }
                    if taken {
                        walk.limits.push(step.rule);
                    }
                }
                Action::Accept if taken => {
                    walk.end = End::Passes(rule);
                    return walk;
                }
                action if taken => {
                    let Some((kind, harm)) = stops(action, self.clean) else { continue };
                    walk.harm = walk.harm.max(harm);
                    walk.end = End::Stopped(rule, kind);
                    return walk;
                }
                _ => {}
            }
        }
        if set.default.action == DefaultAction::Drop {
            walk.harm = Harm::Dropped;
            walk.end = End::Stopped(None, Kind::Lost);
        }
        walk
    }

    /// Returns what the rules on a walk keep from their way, of so many packets and bytes;
    /// `taken` is what policers took of them.
    pub fn losses(
        &self,
        side: usize,
        walk: &Walk,
        taken: &[Taken],
        packets: u64,
        bytes: u64,
    ) -> Vec<RuleLoss> {
        let mut losses = Vec::new();
        let (mut packets_left, mut bytes_left) = (packets, bytes);
        for rule in &walk.limits {
            let Action::RateLimit(limit) = &self.sets[side].rules[*rule as usize].action.value
            else {
                continue;
            };
            let Some((kind, _)) = exceed(limit) else { continue };
            let of_rule =
                taken.iter().find(|one| one.candidate == (side == 1) && one.rule == *rule);
            if let Some(one) = of_rule {
                let (packets, bytes) = (one.packets.min(packets_left), one.bytes.min(bytes_left));
                packets_left -= packets;
                bytes_left -= bytes;
                losses.push(RuleLoss { rule: Some(*rule), kind, packets, bytes });
            }
        }
        if let End::Stopped(rule, kind) = walk.end
            && (packets_left > 0 || bytes_left > 0)
        {
            losses.push(RuleLoss { rule, kind, packets: packets_left, bytes: bytes_left });
        }
        losses
    }

    /// Returns the candidate rules (none is the default) by which a packet newly meets harm:
    /// the end of its walk if that is worse than before, and every policer that is not at least
    /// as generous as one it met before, or whose buckets others newly enter. The destination of
    /// the packet is somebody's, or nobody's.
    pub fn newly_met(
        &self,
        running: &Walk,
        candidate: &Walk,
        to_somebody: bool,
    ) -> Vec<Option<u32>> {
        let mut met = Vec::new();
        for rule in self.stricter_limits(running, candidate, to_somebody) {
            if running.harm < Harm::Dropped {
                met.push(Some(rule));
            }
        }
        if let End::Stopped(rule, kind) = candidate.end {
            let harm = match kind {
                Kind::Lost => Harm::Dropped,
                Kind::Challenged => Harm::Challenged,
                Kind::Cleaned => Harm::Cleaned,
                Kind::Redirected => Harm::Redirected,
            };
            if harm.is_worse_than(running.harm) && !met.contains(&rule) {
                met.push(rule);
            }
        }
        met
    }

    /// Returns whether a candidate limit lets pass what a running one does: it is at least as
    /// generous, and no others newly enter its buckets.
    fn is_no_stricter(&self, candidate: u32, running: u32) -> bool {
        !self.crowded.contains_key(&(candidate, running)) && self.is_as_generous(candidate, running)
    }

    fn is_as_generous(&self, candidate: u32, running: u32) -> bool {
        let limit =
            |side: usize, rule: u32| match &self.sets[side].rules[rule as usize].action.value {
                Action::RateLimit(limit) => Some(limit),
                _ => None,
            };
        limit(1, candidate)
            .zip(limit(0, running))
            .is_some_and(|(after, before)| after.is_as_generous_as(before))
    }

    fn stricter_limits(&self, running: &Walk, candidate: &Walk, to_somebody: bool) -> Vec<u32> {
        let is_no_stricter = |rule: u32, old: u32| {
            let crowded = self.crowded.get(&(rule, old));
            crowded.is_none_or(|to_owners| to_somebody && !to_owners)
                && self.is_as_generous(rule, old)
        };
        // A packet that a rule stopped after its policers was not let through by them.
        let mut before: Vec<u32> = running.limits.clone();
        candidate
            .limits
            .iter()
            .copied()
            .filter(|rule| match before.iter().position(|old| is_no_stricter(*rule, *old)) {
                Some(at) => {
                    before.remove(at);
                    false
                }
                None => true,
            })
            .collect()
    }
}

/// Returns how an action that ends a walk keeps a packet from its way, and how harmful that is.
fn stops(action: &Action, clean: &BTreeSet<String>) -> Option<(Kind, Harm)> {
    match action {
        Action::Drop | Action::Reject => Some((Kind::Lost, Harm::Dropped)),
        Action::Challenge => Some((Kind::Challenged, Harm::Challenged)),
        Action::Redirect { to } if clean.contains(to) => Some((Kind::Cleaned, Harm::Cleaned)),
        Action::Redirect { .. } => Some((Kind::Redirected, Harm::Redirected)),
        Action::Accept | Action::Log | Action::Mark { .. } | Action::RateLimit(_) => None,
    }
}

/// Returns what exceeding a limit means; nothing if it is only logged.
fn exceed(limit: &RateLimit) -> Option<(Kind, Harm)> {
    match limit.exceed {
        Exceed::Log => None,
        Exceed::Challenge => Some((Kind::Challenged, Harm::Limited)),
        Exceed::Drop | Exceed::Reject => Some((Kind::Lost, Harm::Limited)),
    }
}
