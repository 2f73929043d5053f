//! Runs made ready: what does not depend on rates, once for all the rates that are tried.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use super::coarse::Coarse;
use super::even::{Seconds, States};
use super::lanes::Lanes;
use super::{BIN_NS, Bank, Grain, Group, Limiter, Losses, Run, Sides, Stray, Take, Visit, World};
use crate::model::Exceed;
use crate::policer::{Packet, State};
use crate::scenario::{View, scale};
use crate::tally::Offer;

/// Which buckets the offers of a scenario meet, in whatever world.
pub struct Met {
    /// The offers that meet or may meet any, by position in the tally, and where their visits end.
    offers: Vec<(u32, u32)>,
    visits: Vec<Visit>,
    instances: usize,
    /// The limits of which offers may meet any bucket, by position of the offer in the tally.
    strays: Vec<(u32, Stray)>,
}

impl Met {
    pub(super) fn new(run: &mut Run<'_, '_>, wanted: &dyn Fn(usize) -> bool) -> Met {
        let (mut offers, mut all, mut visits) = (Vec::new(), Vec::new(), Vec::new());
        let mut strays = Vec::new();
        for (at, offer) in (0u32..).zip(&run.bank.tally.offers) {
            let Some(cell) = run.view.position(offer.key).filter(|cell| wanted(*cell)) else {
                continue;
            };
            run.visits(offer, &run.view.cells[cell], &mut visits);
            strays.extend(run.strays.iter().map(|stray| (at, *stray)));
            if !visits.is_empty() || !run.strays.is_empty() {
                all.extend_from_slice(&visits);
                offers.push((at, all.len() as u32));
            }
        }
        Met { offers, visits: all, instances: run.instances.len(), strays }
    }

    /// Returns how many instances of buckets are met.
    pub(super) fn instances(&self) -> usize {
        self.instances
    }

    /// Returns every offer, by position, with its visits and its strays.
    pub(super) fn with_strays(&self) -> impl Iterator<Item = (usize, &[Visit], &[(u32, Stray)])> {
        let mut rest = self.strays.as_slice();
        self.iter().map(move |(offer, visits)| {
            let own = rest.iter().take_while(|(of, _)| *of as usize == offer).count();
            let (strays, others) = rest.split_at(own);
            rest = others;
            (offer, visits, strays)
        })
    }

    /// Returns every offer, by position, with its visits.
    fn iter(&self) -> impl Iterator<Item = (usize, &[Visit])> {
        let mut first = 0;
        self.offers.iter().map(move |(offer, end)| {
            let visits = &self.visits[first..*end as usize];
            first = *end as usize;
            (*offer as usize, visits)
        })
    }

    /// Returns only what some tests of visits and of strays keep, with instances numbered anew.
    fn only(&self, keeps: &dyn Fn(&Visit) -> bool, strays: &dyn Fn(Stray) -> bool) -> Met {
        let mut numbers = vec![u32::MAX; self.instances];
        let mut kept =
            Met { offers: Vec::new(), visits: Vec::new(), instances: 0, strays: Vec::new() };
        for (offer, visits, may_stray) in self.with_strays() {
            let before = (kept.visits.len(), kept.strays.len());
            kept.strays.extend(may_stray.iter().filter(|(_, stray)| strays(*stray)));
            for visit in visits.iter().filter(|visit| keeps(visit)) {
                let number = &mut numbers[visit.instance as usize];
                if *number == u32::MAX {
                    *number = kept.instances as u32;
                    kept.instances += 1;
                }
                kept.visits.push(Visit { instance: *number, ..*visit });
            }
            if (kept.visits.len(), kept.strays.len()) != before {
                kept.offers.push((offer as u32, kept.visits.len() as u32));
            }
        }
        kept
    }

    /// Returns for every instance another that stands for all that offers join with it; those that
    /// one key meets are joined as well, if asked.
    fn roots(&self, offers: &[Offer], by_key: bool) -> Vec<u32> {
        let mut joined: Vec<u32> = (0..self.instances as u32).collect();
        fn root(joined: &mut [u32], mut at: u32) -> u32 {
            while joined[at as usize] != at {
                joined[at as usize] = joined[joined[at as usize] as usize];
                at = joined[at as usize];
            }
            at
        }
        let mut of_key: HashMap<u32, u32> = HashMap::new();
        for (offer, visits) in self.iter() {
            let Some(Visit { instance: first, .. }) = visits.first() else { continue };
            let before = by_key.then(|| *of_key.entry(offers[offer].key).or_insert(*first));
            let mut last = before.unwrap_or(*first);
            for visit in visits {
                let (a, b) = (root(&mut joined, last), root(&mut joined, visit.instance));
                joined[b as usize] = a;
                last = visit.instance;
            }
        }
        (0..self.instances as u32).map(|at| root(&mut joined, at)).collect()
    }
}

/// What happens next in a run.
enum Step {
    /// An offer of one packet comes, by position among those that meet any bucket.
    Packet(u32),
    /// A second of even traffic is over, by number.
    Second(u32),
}

/// A run made ready.
pub struct Ready {
    world: World,
    sides: Sides,
    met: Met,
    steps: Vec<Step>,
    seconds: Seconds,
    /// Instead of seconds, where they can be.
    lanes: Lanes,
    coarse: Coarse,
}

impl Ready {
    /// Makes a run ready, of the visits that are there in its world. What may be in any bucket may
    /// be in every one, if as much as possible is.
    pub(super) fn new(
        bank: &Bank<'_>,
        (view, world): (&View, World),
        met: &Met,
        sides: Sides,
    ) -> Ready {
        let is_greatest = world == World::Greatest;
        let met = met.only(&|visit| is_greatest || !visit.uncertain, &|_| is_greatest);
        let offers = &bank.tally.offers;
        let grains = grains(bank, view, &met);
        // Of all offers, so that bins are the same in every scenario.
        let start = offers.first().map_or(0, |offer| offer.time_ns);
        let bin = |ns: i64| ns.saturating_sub(start).div_euclid(BIN_NS as i64);
        let mut scaled: HashMap<u32, (u64, u64), foldhash::fast::FixedState> = HashMap::default();
        let (mut steps, mut coarse) = (Vec::new(), Coarse::default());
        let (mut seconds, mut lanes) = (Seconds::default(), Lanes::default());
        let mut are_apart = true;
        // Offers are in the order of time, so a second is over when the next one begins.
        let mut second: (i64, Vec<Group<'_>>) = (0, Vec::new());
        for (number, (at, visits, strays)) in (0u32..).zip(met.with_strays()) {
            let offer = &offers[at];
            let grain = visits.first().map(|first| grains[first.instance as usize]);
            if grain == Some(Grain::Packets) {
                steps.push(Step::Packet(number));
                if strays.is_empty() {
                    continue;
                }
            }
            let weight = u64::from(offer.weight);
            let (mut packets, mut bytes) =
                (offer.packets.saturating_mul(weight), offer.bytes.saturating_mul(weight));
            if view.is_scaled(offer.key) {
                // Sums are scaled, so that no packet is lost to rounding.
                let sum = scaled.entry(offer.key).or_default();
                let before = [scale(sum.0, view.factor), scale(sum.1, view.factor)];
                *sum = (sum.0.saturating_add(packets), sum.1.saturating_add(bytes));
                packets = scale(sum.0, view.factor) - before[0];
                bytes = scale(sum.1, view.factor) - before[1];
            }
            let group = Group { key: offer.key, visits, packets, bytes };
            let place = bin(offer.time_ns);
            let end = i64::try_from(offer.duration_ns).unwrap_or(i64::MAX);
            let last = bin(offer.time_ns.saturating_add(end.saturating_sub(1).max(0)));
            let bins = (place, if offer.even { place } else { last });
            coarse.add_stray(offer, &group, strays.iter().map(|(_, stray)| *stray), bins);
            match grain {
                None | Some(Grain::Packets) => {}
                Some(Grain::Even) => {
                    let of = |side| visits.iter().filter(|one| one.candidate == side).count();
                    are_apart &= of(true) <= 1 && (sides == Sides::Candidate || of(false) <= 1);
                    if place != second.0 {
                        steps.extend(seconds.add(second.0, &mut second.1, sides).map(Step::Second));
                        second.0 = place;
                    }
                    second.1.push(group);
                }
                Some(Grain::Coarse) => coarse.add(offer, &group, bins, sides),
            }
        }
        steps.extend(seconds.add(second.0, &mut second.1, sides).map(Step::Second));
        if are_apart {
            lanes = Lanes::new(&seconds, met.instances);
            seconds = Seconds::default();
            steps.retain(|step| matches!(step, Step::Packet(_)));
        }
        Ready { world, sides, met, steps, seconds, lanes, coarse }
    }

    /// Runs it through the limits of a bank, until it is enough.
    fn run(
        &self,
        bank: &Bank<'_>,
        take: Take<'_>,
        undecided: &mut BTreeSet<u32>,
    ) -> ControlFlow<()> {
        let bank = &*bank.read(self.world);
        let mut buckets: Vec<Option<State>> = Vec::new();
        let mut states = States::new(if self.seconds.is_empty() { 0 } else { self.met.instances });
        for step in &self.steps {
            match step {
                Step::Packet(number) => {
                    let (at, end) = self.met.offers[*number as usize];
                    let first = number.checked_sub(1);
                    let first = first.map_or(0, |before| self.met.offers[before as usize].1);
                    let visits = &self.met.visits[first as usize..end as usize];
                    let visits = visits.iter().filter(|visit| self.sides.hold(visit));
                    meet(bank, &bank.tally.offers[at as usize], visits, &mut buckets, take)?;
                }
                Step::Second(number) => self.seconds.run(*number, bank, &mut states, take)?,
            }
        }
        self.lanes.run(bank, take)?;
        self.coarse.settle(bank, self.world, take, undecided)
    }

    /// Adds what it loses to losses.
    pub(super) fn add_to(&self, bank: &Bank<'_>, losses: &mut Losses) {
        // Nothing stops it.
        let mut undecided = BTreeSet::new();
        let take: Take<'_> = &mut |key, (candidate, rule), packets, bytes| {
            losses.take(key, candidate, rule, packets, bytes);
            ControlFlow::Continue(())
        };
        let _ = self.run(bank, take, &mut undecided);
        losses.undecided.append(&mut undecided);
        losses.is_bounded |= !self.coarse.is_empty();
    }
}

/// Takes one packet through its policers, running and candidate.
pub(super) fn meet<'v>(
    bank: &Bank<'_>,
    offer: &Offer,
    visits: impl IntoIterator<Item = &'v Visit>,
    buckets: &mut Vec<Option<State>>,
    take: Take<'_>,
) -> ControlFlow<()> {
    let mut gone = [false; 2];
    for visit in visits {
        let side = usize::from(visit.candidate);
        if gone[side] {
            continue;
        }
        let Limiter { limit, policer, .. } = bank.limiter(*visit);
        let at = visit.instance as usize;
        if at >= buckets.len() {
            buckets.resize(at + 1, None);
        }
        let state = buckets[at].get_or_insert_with(|| policer.fresh(offer.time_ns));
        let Offer { time_ns, packets, bytes, .. } = *offer;
        if !policer.conforms(state, Packet { time_ns, packets, bytes })
            && limit.exceed != Exceed::Log
        {
            take(offer.key, (visit.candidate, visit.rule), offer.packets, offer.bytes)?;
            // What this one only may have met may come to the next as well.
            gone[side] = !visit.uncertain;
        }
    }
    ControlFlow::Continue(())
}

/// Returns the grain of every bucket: those that share an offer share it. Limits of which some
/// offer may meet any bucket have coarse ones.
fn grains(bank: &Bank<'_>, view: &View, met: &Met) -> Vec<Grain> {
    let offers = &bank.tally.offers;
    let roots = met.roots(offers, false);
    let entered: BTreeSet<Stray> = met.strays.iter().map(|(_, stray)| *stray).collect();
    let is_entered = |visit: &Visit| entered.contains(&(visit.candidate, visit.rule));
    let mut of_root: Vec<Option<Grain>> = vec![None; met.instances];
    for (at, visits) in met.iter() {
        let Some(first) = visits.first() else { continue };
        let fits = visits.iter().all(|visit| bank.limiter(*visit).fits_seconds);
        let grain = match Grain::of(&offers[at], view) {
            _ if !entered.is_empty() && visits.iter().any(is_entered) => Grain::Coarse,
            Grain::Even if !fits => Grain::Coarse,
            grain => grain,
        };
        let known = &mut of_root[roots[first.instance as usize] as usize];
        *known = Some(known.map_or(grain, |known| known.with(grain)));
    }
    roots.iter().map(|root| of_root[*root as usize].unwrap_or(Grain::Packets)).collect()
}

impl Bank<'_> {
    /// Finds which buckets the offers of a scenario meet.
    pub fn meet(&self, view: &View) -> Met {
        Met::new(&mut Run::new(self, view, World::Greatest), &|_| true)
    }

    /// Makes ready the one policer of a candidate rule over those of its buckets that some key
    /// meets of which this holds.
    pub fn ready_alone(
        &self,
        met: &Met,
        (view, world): (&View, World),
        rule: u32,
        of: &[bool],
    ) -> Ready {
        let offers = &self.tally.offers;
        let its = |visit: &Visit| visit.candidate && visit.rule == rule;
        let mut matters = vec![false; met.instances];
        for (_, visits) in met.iter().filter(|(offer, _)| of[offers[*offer].key as usize]) {
            for visit in visits.iter().filter(|visit| its(visit)) {
                matters[visit.instance as usize] = true;
            }
        }
        let kept = met.only(&|visit| its(visit) && matters[visit.instance as usize], &|stray| {
            stray == (true, rule)
        });
        Ready::new(self, (view, world), &kept, Sides::Candidate)
    }

    /// Makes ready what keys of which this holds meet of the candidate: what depends on a candidate rule, and what
    /// does not; each in both worlds, or once where they are the same.
    pub fn ready_with(&self, met: &Met, view: &View, rule: u32, of: &[bool]) -> [Vec<Ready>; 2] {
        let offers = &self.tally.offers;
        // What coarse buckets take of a key depends on the others that take of it.
        let coarse = grains(self, view, met).contains(&Grain::Coarse);
        let roots = met.roots(offers, coarse);
        let (mut matters, mut depends) = (vec![false; met.instances], vec![false; met.instances]);
        for (offer, visits) in met.iter() {
            let Some(first) = visits.first() else { continue };
            let root = roots[first.instance as usize] as usize;
            matters[root] |= of[offers[offer].key as usize];
            depends[root] |= visits.iter().any(|visit| visit.candidate && visit.rule == rule);
        }
        let worlds: &[World] =
            if coarse || self.is_open { &[World::Least, World::Greatest] } else { &[World::Least] };
        [true, false].map(|wanted| {
            let is_kept = |visit: &Visit| {
                let root = roots[visit.instance as usize] as usize;
                matters[root] && depends[root] == wanted
            };
            let kept = met.only(&is_kept, &|_| true);
            let ready = |world: &World| Ready::new(self, (view, *world), &kept, Sides::Candidate);
            worlds.iter().map(ready).collect()
        })
    }

    /// Returns whether a run takes anything from a key of which this holds.
    pub fn takes_from(&self, ready: &Ready, of: &[bool]) -> bool {
        let take = &mut |key: u32, _, packets, bytes| match of[key as usize] {
            true if packets > 0 || bytes > 0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        ready.run(self, take, &mut BTreeSet::new()).is_break()
    }

    /// Adds to losses what a run takes from keys of which this holds.
    pub fn add_taken(&self, ready: &Ready, of: &[bool], losses: &mut Losses) {
        // Nothing stops it.
        let take: Take<'_> = &mut |key, (candidate, rule), packets, bytes| {
            if of[key as usize] {
                losses.take(key, candidate, rule, packets, bytes);
            }
            ControlFlow::Continue(())
        };
        let _ = ready.run(self, take, &mut BTreeSet::new());
    }
}
