//! Whether the buckets of both sets hold the same.
//!
//! Where a recording only bounds what a bucket takes, the difference of the two sets is nothing if
//! both buckets hold the same offers, whatever they are; else one set's most stands against the
//! other's least. Held the same: every offer comes to both, for certain or under the same unknowns,
//! and what it meets before holds the same as well.

use std::collections::{HashMap, HashSet};

use super::{Bank, Met, Run, Stray, Visit};
use crate::model::Exceed;

/// The buckets that offers of a key go through, running and candidate, in the order of rules.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Route {
    key: u32,
    sides: [Box<[Stop]>; 2],
    /// Limits of which it may meet any bucket.
    strays: Box<[Stray]>,
    /// Whether both paths are the same, so that what may come to a bucket comes to both.
    same: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Stop {
    rule: u32,
    instance: u32,
    uncertain: bool,
}

/// How a bucket differs from its counterpart: it may hold more in the candidate set, or less.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Differs {
    fuller: bool,
    emptier: bool,
}

impl Run<'_, '_> {
    /// Finds the keys whose buckets may hold more, or less, in the candidate set.
    pub(super) fn compare(&mut self, met: &Met) {
        let routes = self.routes(met);
        let mut differs = vec![Differs::default(); met.instances()];
        let mut partners: HashMap<u32, u32> = HashMap::new();
        let both = Differs { fuller: true, emptier: true };
        // What may come to any bucket comes to the same one under the same rules only.
        let apart = routes.iter().filter(|route| !route.same);
        let entered: HashSet<Stray> =
            apart.flat_map(|route| route.strays.iter().copied()).collect();
        for route in &routes {
            for (candidate, side) in [false, true].into_iter().zip(&route.sides) {
                for stop in side.iter().filter(|stop| entered.contains(&(candidate, stop.rule))) {
                    let differs = &mut differs[stop.instance as usize];
                    differs.fuller |= candidate;
                    differs.emptier |= !candidate;
                }
            }
        }
        for route in &routes {
            let [running, candidate] = &route.sides;
            for place in 0..running.len().max(candidate.len()) {
                match (running.get(place), candidate.get(place)) {
                    (Some(old), Some(new)) => {
                        let alone = |at: u32, with: u32, partners: &mut HashMap<u32, u32>| {
                            *partners.entry(at).or_insert(with) != with
                        };
                        let is_other = alone(old.instance, new.instance, &mut partners)
                            | alone(new.instance, old.instance, &mut partners);
                        let is_open = !route.same && (old.uncertain || new.uncertain);
                        if is_other || is_open || !are_alike(self.bank, old, new) {
                            differs[old.instance as usize] = both;
                            differs[new.instance as usize] = both;
                        }
                    }
                    (Some(old), None) => differs[old.instance as usize].emptier = true,
                    (None, Some(new)) => differs[new.instance as usize].fuller = true,
                    (None, None) => {}
                }
            }
        }
        // What one bucket lets pass otherwise makes a difference to those behind it.
        loop {
            let mut is_new = false;
            for route in &routes {
                let [running, candidate] = &route.sides;
                let mut changed = false;
                for place in 0..running.len().max(candidate.len()) {
                    let here = [running.get(place), candidate.get(place)];
                    let here = here.into_iter().flatten().map(|stop| stop.instance as usize);
                    let mut all = Differs::default();
                    for at in here.clone() {
                        let own = &mut differs[at];
                        if changed && *own != both {
                            *own = both;
                            is_new = true;
                        }
                        all = all.with(*own);
                    }
                    for at in here {
                        is_new |= differs[at] != all;
                        differs[at] = all;
                    }
                    changed |= all != Differs::default();
                }
            }
            if !is_new {
                break;
            }
        }
        for route in &routes {
            let stops = route.sides.iter().flat_map(|side| side.iter());
            let all = stops
                .fold(Differs::default(), |all, stop| all.with(differs[stop.instance as usize]));
            if all.fuller {
                self.losses.fuller.insert(route.key);
            }
            if all.emptier {
                self.losses.emptier.insert(route.key);
            }
        }
    }

    /// Returns all routes, each once, in the order of offers.
    fn routes(&self, met: &Met) -> Vec<Route> {
        let mut known = HashSet::with_hasher(foldhash::fast::FixedState::default());
        let mut routes = Vec::new();
        for (offer, visits, strays) in met.with_strays() {
            let key = self.bank.tally.offers[offer].key;
            let Some(at) = self.view.position(key) else { continue };
            let side = |candidate: bool| {
                let own = visits.iter().filter(|visit| {
                    visit.candidate == candidate
                        && self.bank.limiter(**visit).limit.exceed != Exceed::Log
                });
                let stop = |visit: &Visit| Stop {
                    rule: visit.rule,
                    instance: visit.instance,
                    uncertain: visit.uncertain,
                };
                own.map(stop).collect::<Box<[Stop]>>()
            };
            let same = self.bank.same[self.view.cells[at].pair as usize];
            let sides = [side(false), side(true)];
            let strays = strays.iter().map(|(_, stray)| *stray).collect();
            let route = Route { key, sides, strays, same };
            if known.insert(route.clone()) {
                routes.push(route);
            }
        }
        routes
    }
}

impl Differs {
    fn with(self, other: Differs) -> Differs {
        Differs { fuller: self.fuller || other.fuller, emptier: self.emptier || other.emptier }
    }
}

/// Returns whether a running limit and a candidate's are the same limit.
fn are_alike(bank: &Bank<'_>, running: &Stop, candidate: &Stop) -> bool {
    bank.limiter_of(false, running.rule).limit == bank.limiter_of(true, candidate.rule).limit
}
