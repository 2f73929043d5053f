//! Offers of several grains: each bucket by the coarsest of what it sees.

use std::collections::{BTreeSet, HashMap};

use super::{BIN_NS, Grain, Group, Run, Visit, World, coarse};
use crate::scenario::{Cell, scale};
use crate::tally::Offer;

impl Run<'_, '_> {
    /// Runs offers of several grains.
    pub(super) fn run_mixed(&mut self, offers: &[(&Offer, Cell)]) {
        let mut all: Vec<Visit> = Vec::new();
        let mut ends: Vec<usize> = Vec::with_capacity(offers.len());
        let mut visits = Vec::new();
        let mut strays: HashMap<usize, Vec<(bool, u32)>> = HashMap::new();
        for (at, (offer, cell)) in offers.iter().enumerate() {
            self.visits(offer, cell, &mut visits);
            all.extend_from_slice(&visits);
            ends.push(all.len());
            if self.world == World::Greatest && !self.strays.is_empty() {
                strays.insert(at, std::mem::take(&mut self.strays));
            }
        }
        let stray_rules: BTreeSet<(bool, u32)> = strays.values().flatten().copied().collect();
        let visits = |at: usize| {
            let first = at.checked_sub(1).map_or(0, |before| ends[before]);
            &all[first..ends[at]]
        };
        let grains = self.grains(offers, &visits, &stray_rules);
        // Of all offers, so that bins are the same in every scenario.
        let start = self.bank.tally.offers.first().map_or(0, |offer| offer.time_ns);
        let bin = |ns: i64| ns.saturating_sub(start).div_euclid(BIN_NS as i64);
        let mut scaled: HashMap<u32, (u64, u64), foldhash::fast::FixedState> = HashMap::default();
        let mut buckets = Vec::new();
        // Offers are in the order of time, so a second is over when the next one begins.
        let mut second: (i64, Vec<Group>) = (0, Vec::new());
        let mut even_buckets = HashMap::new();
        let mut coarse = coarse::Coarse::default();
        for (at, (offer, _)) in offers.iter().enumerate() {
            let visits = visits(at);
            let grain = visits.first().map(|first| grains[first.instance as usize]);
            let own_strays = strays.remove(&at).unwrap_or_default();
            if grain.is_none() && own_strays.is_empty() {
                continue;
            }
            let grain = grain.unwrap_or(Grain::Coarse);
            if grain == Grain::Packets && own_strays.is_empty() {
                self.meet(offer, visits, &mut buckets);
                continue;
            }
            let weight = u64::from(offer.weight);
            let (mut packets, mut bytes) =
                (offer.packets.saturating_mul(weight), offer.bytes.saturating_mul(weight));
            if self.view.is_scaled(offer.key) {
                // Sums are scaled, so that no packet is lost to rounding.
                let sum = scaled.entry(offer.key).or_default();
                let before = [scale(sum.0, self.view.factor), scale(sum.1, self.view.factor)];
                *sum = (sum.0.saturating_add(packets), sum.1.saturating_add(bytes));
                packets = scale(sum.0, self.view.factor) - before[0];
                bytes = scale(sum.1, self.view.factor) - before[1];
            }
            let group = Group { key: offer.key, visits: visits.into(), packets, bytes };
            let place = bin(offer.time_ns);
            if !own_strays.is_empty() {
                let last = if offer.even { place } else { ends_in(offer, &bin) };
                coarse.add_stray(offer, &group, &own_strays, (place, last));
            }
            match grain {
                Grain::Packets => self.meet(offer, visits, &mut buckets),
                Grain::Even => {
                    if place != second.0 {
                        self.run_second(&mut second, &mut even_buckets);
                        second.0 = place;
                    }
                    second.1.push(group);
                }
                _ => {
                    let last = if offer.even { place } else { ends_in(offer, &bin) };
                    coarse.add(offer, group, place, last);
                }
            }
        }
        self.run_second(&mut second, &mut even_buckets);
        self.losses.is_bounded |= !coarse.is_empty();
        coarse.settle(self);
    }

    /// Returns the grain of every bucket: those that share an offer share it. Limits of which some
    /// offer may meet any bucket have coarse ones.
    fn grains<'v>(
        &self,
        offers: &[(&Offer, Cell)],
        visits: &dyn Fn(usize) -> &'v [Visit],
        stray_rules: &BTreeSet<(bool, u32)>,
    ) -> Vec<Grain> {
        let mut joined: Vec<u32> = (0..self.instances.len() as u32).collect();
        fn root(joined: &mut [u32], mut at: u32) -> u32 {
            while joined[at as usize] != at {
                joined[at as usize] = joined[joined[at as usize] as usize];
                at = joined[at as usize];
            }
            at
        }
        for at in 0..offers.len() {
            for pair in visits(at).windows(2) {
                let (a, b) =
                    (root(&mut joined, pair[0].instance), root(&mut joined, pair[1].instance));
                joined[b as usize] = a;
            }
        }
        let mut of_root: Vec<Option<Grain>> = vec![None; joined.len()];
        for (at, (offer, _)) in offers.iter().enumerate() {
            let Some(first) = visits(at).first() else { continue };
            let fits = visits(at).iter().all(|visit| self.bank.limiter(*visit).fits_seconds);
            let is_entered = |visit: &Visit| stray_rules.contains(&(visit.candidate, visit.rule));
            let grain = match self.grain(offer) {
                _ if visits(at).iter().any(is_entered) => Grain::Coarse,
                Grain::Even if !fits => Grain::Coarse,
                grain => grain,
            };
            let at = root(&mut joined, first.instance) as usize;
            of_root[at] = Some(of_root[at].map_or(grain, |known| known.with(grain)));
        }
        (0..joined.len() as u32)
            .map(|at| of_root[root(&mut joined, at) as usize].unwrap_or(Grain::Packets))
            .collect()
    }
}

/// Returns the bin in which an offer ends.
fn ends_in(offer: &Offer, bin: &impl Fn(i64) -> i64) -> i64 {
    let end = i64::try_from(offer.duration_ns).unwrap_or(i64::MAX);
    bin(offer.time_ns.saturating_add(end.saturating_sub(1).max(0)))
}
