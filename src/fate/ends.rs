//! Records with many unknown matches: bounded by how their walks can end, not by every assignment.
//!
//! An assignment of the unknowns shows only in where each walk ends and which limits it meets
//! before. So every pair of ends that one packet can have is tried (what ends one walk for certain
//! is not passed over by the other), each with the limits that make it cost most and least: a
//! limit that both sets meet alike is met by both or by neither, of the others each side has all
//! or none; and each limit alone, for what is blamed on it. Where even those are too many, every
//! way of each side is tried with one of each kind of the other.

use super::{End, Kind, Sets, Walk, Ways, exceed};
use crate::matcher::{BUCKET, Step, ends_walk};
use crate::model::Action;
use crate::tally::Pair;

/// How many ways of both sides together are tried.
const MAX_WAYS: usize = 1_024;

/// One side of a pair of paths.
struct Side<'p> {
    steps: &'p [Step],
    /// For every step: the number of what the record does not tell of it.
    bits: &'p [Option<usize>],
    /// Where the walk may end, in order: places of steps; the last end is certain, and the number
    /// of steps stands for the default.
    ends: Vec<usize>,
    /// For every unknown: at which of the ends it first would end the walk.
    first: Vec<usize>,
    /// Places of the limits that act on what they are certain to meet in a bucket that is known.
    limits: Vec<usize>,
}

impl Side<'_> {
    fn bit_of_end(&self, end: usize) -> Option<usize> {
        self.bits.get(self.ends[end]).copied().flatten()
    }

    /// Returns whether a walk that comes to an end has passed over this unknown.
    fn passes_over(&self, bit: usize, end: usize) -> bool {
        self.first[bit] < end
    }

    /// Returns the unknowns of the limits before an end.
    fn limits_before(&self, end: usize) -> impl Iterator<Item = usize> + '_ {
        let before = self.limits.iter().take_while(move |place| **place < self.ends[end]);
        before.filter_map(|place| self.bits[*place])
    }
}

/// The ways that many unknowns leave open.
pub(super) struct Open<'p> {
    sets: &'p Sets<'p>,
    sides: [Side<'p>; 2],
    implied: &'p [(usize, usize)],
    /// For every unknown: whether every candidate limit on it lets pass what a running one does.
    alike: Vec<bool>,
    /// Which limits are met, besides none of them: all, and, if some challenge, those of each kind.
    /// What one challenges no other drops.
    choices: Vec<Option<Kind>>,
}

/// Which unknowns hold on the way to an end.
struct Held {
    end: usize,
    /// Those that the ends are.
    certain: Vec<usize>,
    /// Those of limits before it, and of which limits.
    limits: Vec<usize>,
    kind: Option<Kind>,
}

impl<'p> Open<'p> {
    pub(super) fn new(
        sets: &'p Sets<'p>,
        pair: &'p Pair,
        bits: &'p [Vec<Option<usize>>; 2],
        implied: &'p [(usize, usize)],
        count: usize,
    ) -> Open<'p> {
        let side = |side: usize, steps: &'p [Step]| {
            let action = |step: &Step| &sets.sets[side].rules[step.rule as usize].action.value;
            let mut one = Side {
                steps,
                bits: &bits[side],
                ends: Vec::new(),
                first: vec![usize::MAX; count],
                limits: Vec::new(),
            };
            for (place, step) in steps.iter().enumerate() {
                let may_end = match action(step) {
                    Action::RateLimit(limit) => {
                        let acts = exceed(limit).is_some();
                        let is_known = step.missing & BUCKET == 0;
                        if acts && is_known {
                            one.limits.push(place);
                        }
                        acts && !is_known
                    }
                    action => ends_walk(action),
                };
                if !may_end {
                    continue;
                }
                if let Some(bit) = one.bits[place] {
                    one.first[bit] = one.first[bit].min(one.ends.len());
                }
                one.ends.push(place);
                if step.certain() {
                    return one;
                }
            }
            one.ends.push(steps.len());
            one
        };
        let sides = [side(0, &pair.running), side(1, &pair.candidate)];
        let mut open = Open { sets, sides, implied, alike: Vec::new(), choices: vec![None] };
        open.alike = (0..count).map(|bit| open.is_alike(bit)).collect();
        if [0, 1].iter().any(|side| open.has_challenges(*side)) {
            open.choices = vec![None, Some(Kind::Lost), Some(Kind::Challenged)];
        }
        open
    }

    /// Returns what the limit at a place of a path does to what exceeds it.
    fn kind_at(&self, side: usize, place: usize) -> Option<Kind> {
        let rule = self.sides[side].steps[place].rule as usize;
        match &self.sets.sets[side].rules[rule].action.value {
            Action::RateLimit(limit) => exceed(limit).map(|(kind, _)| kind),
            _ => None,
        }
    }

    fn has_challenges(&self, side: usize) -> bool {
        let mut places = self.sides[side].limits.iter();
        places.any(|place| self.kind_at(side, *place) != Some(Kind::Lost))
    }

    /// Returns whether every candidate limit on an unknown match lets pass what a running limit on
    /// it does.
    fn is_alike(&self, bit: usize) -> bool {
        let of = |side: usize| {
            let own = &self.sides[side];
            let places = own.limits.iter().filter(move |place| own.bits[**place] == Some(bit));
            places.map(|place| own.steps[*place].rule)
        };
        of(1).all(|new| of(0).any(|old| self.sets.is_no_stricter(new, old)))
    }

    pub(super) fn ways(&self) -> Ways {
        let mut walks = Vec::new();
        for running in 0..self.sides[0].ends.len() {
            for candidate in 0..self.sides[1].ends.len() {
                if self.come_together(running, candidate) {
                    self.with_limits(running, candidate, &mut walks);
                    if walks.len() > MAX_WAYS {
                        return Ways { walks: self.mixed(), is_mixed: true };
                    }
                }
            }
        }
        Ways { walks, is_mixed: false }
    }

    /// Returns whether one packet can end its two walks so.
    fn come_together(&self, running: usize, candidate: usize) -> bool {
        let ends = [running, candidate];
        let passed =
            |bit: usize| self.sides.iter().zip(ends).any(|(side, end)| side.passes_over(bit, end));
        let held = || self.sides.iter().zip(ends).filter_map(|(side, end)| side.bit_of_end(end));
        let mut broken = self.implied.iter().filter(|(_, then)| passed(*then));
        !held().any(passed) && !broken.any(|(if_held, _)| held().any(|bit| bit == *if_held))
    }

    fn with_limits(&self, running: usize, candidate: usize, walks: &mut Vec<(Walk, Walk)>) {
        let ends = [running, candidate];
        let held: Vec<usize> =
            self.sides.iter().zip(ends).filter_map(|(side, end)| side.bit_of_end(end)).collect();
        let free = [0, 1].map(|at: usize| {
            let is_free = |bit: &usize| {
                !held.contains(bit)
                    && !self.sides.iter().zip(ends).any(|(side, end)| side.passes_over(*bit, end))
            };
            self.sides[at].limits_before(ends[at]).filter(is_free).collect::<Vec<usize>>()
        });
        let is_simple = self.choices.len() == 1;
        let both =
            |bit: &usize| is_simple && self.alike[*bit] && free.iter().all(|own| own.contains(bit));
        let (shared, own): (Vec<usize>, Vec<usize>) = free[1].iter().partition(|bit| both(bit));
        let gone: Vec<usize> =
            free[0].iter().copied().filter(|bit| !shared.contains(bit)).collect();
        let mut found = Vec::new();
        let mut push = |running: Vec<usize>, old: Option<Kind>, new_ones: Vec<usize>, new| {
            let walk = |side: usize, limits: Vec<usize>, kind: Option<Kind>| {
                self.walk(side, &Held { end: ends[side], certain: held.clone(), limits, kind })
            };
            found.push((walk(0, running, old), walk(1, new_ones, new)));
        };
        // What both meet alike hides least of a difference where neither meets it, unless their
        // buckets hold something else.
        for both in [&[][..], &shared] {
            for before in [&[][..], &gone] {
                for after in [&[][..], &own] {
                    for old in &self.choices {
                        for new in &self.choices {
                            push([both, before].concat(), *old, [both, after].concat(), *new);
                        }
                    }
                }
            }
        }
        for bit in &free[1] {
            push(if both(bit) { vec![*bit] } else { Vec::new() }, None, vec![*bit], None);
        }
        found.sort();
        found.dedup();
        walks.append(&mut found);
    }

    fn walk(&self, side: usize, held: &Held) -> Walk {
        let own = &self.sides[side];
        let end = own.ends[held.end];
        self.sets.walk(side, own.steps, &|place: usize| {
            let is_limit = || own.limits.binary_search(&place).is_ok();
            let is_of_kind = || held.kind.is_none() || held.kind == self.kind_at(side, place);
            let holds = own.bits[place].is_some_and(|bit| {
                held.certain.contains(&bit) || (held.limits.contains(&bit) && is_of_kind())
            });
            place == end || (holds && is_limit())
        })
    }

    /// Returns every way of each side with one of each kind of the other.
    fn mixed(&self) -> Vec<(Walk, Walk)> {
        let [running, candidate] = [0, 1].map(|side| self.alone(side));
        let (running_kinds, candidate_kinds) = (kinds(&running), kinds(&candidate));
        let mut walks = Vec::new();
        for candidate in candidate.iter().flatten() {
            walks.extend(running_kinds.iter().map(|one| (one.clone(), candidate.clone())));
        }
        for running in running.iter().flatten() {
            walks.extend(candidate_kinds.iter().map(|one| (running.clone(), one.clone())));
        }
        walks
    }

    /// Returns the ways of one side, end by end: with no limit that is unknown, with all of them,
    /// by kind, and at the last end with each.
    fn alone(&self, side: usize) -> Vec<Vec<Walk>> {
        let own = &self.sides[side];
        let mut ends = Vec::new();
        for end in 0..own.ends.len() {
            let bit = own.bit_of_end(end);
            if bit.is_some_and(|bit| own.passes_over(bit, end)) {
                continue;
            }
            let is_open = |bit: &usize| !own.passes_over(*bit, end);
            let free: Vec<usize> = own.limits_before(end).filter(is_open).collect();
            let walk = |limits: &[usize], kind: Option<Kind>| {
                let (certain, limits) = (bit.into_iter().collect(), limits.to_vec());
                self.walk(side, &Held { end, certain, limits, kind })
            };
            let mut walks = vec![walk(&[], None)];
            walks.extend(self.choices.iter().map(|kind| walk(&free, *kind)));
            if end + 1 == own.ends.len() {
                walks.extend(free.iter().map(|bit| walk(&[*bit], None)));
            }
            ends.push(walks);
        }
        ends
    }
}

/// Returns, for each kind of end, the walk that meets the fewest limits, and those to the end
/// before which there are most.
fn kinds(ends: &[Vec<Walk>]) -> Vec<Walk> {
    let all = [Kind::Lost, Kind::Challenged, Kind::Redirected, Kind::Cleaned].map(Some);
    let of_kind = |wanted: Option<Kind>| {
        let own = || {
            ends.iter().filter(move |walks| match walks[0].end {
                End::Passes(_) => wanted.is_none(),
                End::Stopped(_, kind) => wanted == Some(kind),
            })
        };
        let few = own().map(|walks| &walks[0]).min_by_key(|walk| walk.limits.len());
        let many = own().max_by_key(|walks| walks[1].limits.len());
        few.into_iter().chain(many.into_iter().flatten()).cloned().collect::<Vec<Walk>>()
    };
    let mut kinds: Vec<Walk> = [None].into_iter().chain(all).flat_map(of_kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}
