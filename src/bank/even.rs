//! Even traffic, as in a profile: second by second, exactly by its own definition.

use std::collections::HashMap;

use super::{BIN_NS, Group, Limiter, Run};
use crate::model::Exceed;
use crate::policer::{Carry, EvenState, share_excess};

impl Run<'_, '_> {
    /// Runs one second of even traffic through both sets, and empties it.
    pub(super) fn run_second(
        &mut self,
        second: &mut (i64, Vec<Group>),
        buckets: &mut HashMap<u32, (EvenState, Carry)>,
    ) {
        let groups = gather(std::mem::take(&mut second.1));
        for candidate in [false, true] {
            self.run_bin(second.0, candidate, &groups, buckets);
        }
    }

    fn run_bin(
        &mut self,
        bin: i64,
        candidate: bool,
        groups: &[Group],
        buckets: &mut HashMap<u32, (EvenState, Carry)>,
    ) {
        let mut left: Vec<(u64, u64)> =
            groups.iter().map(|group| (group.packets, group.bytes)).collect();
        let mut visits: Vec<(u32, u32, usize, bool)> = groups
            .iter()
            .enumerate()
            .flat_map(|(at, group)| {
                let side = group.visits.iter().filter(move |visit| visit.candidate == candidate);
                side.map(move |visit| (visit.rule, visit.instance, at, visit.uncertain))
            })
            .collect();
        visits.sort_unstable();
        for met in visits.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (rule, instance, ..) = met[0];
            let Limiter { limit, shape, even, .. } = self.bank.limiter_of(candidate, rule);
            let offered: Vec<(u64, u64)> = met.iter().map(|(_, _, at, _)| left[*at]).collect();
            let amount = offered
                .iter()
                .map(|(packets, bytes)| u128::from(shape.counts.pick(*packets, *bytes)))
                .sum();
            let (state, carry) =
                buckets.entry(instance).or_insert_with(|| (EvenState::new(even), Carry::default()));
            // A profile's windows begin with the profile, whenever that is.
            let starts = bin.saturating_mul(BIN_NS as i64);
            let excess = state.offer(even, amount, starts, BIN_NS);
            if excess.is_zero() || limit.exceed == Exceed::Log {
                continue;
            }
            for ((_, _, at, uncertain), (packets, bytes)) in
                met.iter().zip(share_excess(&offered, &excess, carry))
            {
                // What this one only may have met may come to the next as well.
                if !uncertain {
                    left[*at].0 -= packets;
                    left[*at].1 -= bytes;
                }
                self.losses.take(groups[*at].key, candidate, rule, packets, bytes);
            }
        }
    }
}

/// Adds up the offers of one bin that are alike: same key, same buckets.
fn gather(offers: Vec<Group>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut numbers: HashMap<(u32, Box<[u32]>), usize> = HashMap::new();
    for offer in offers {
        let met = offer.visits.iter().map(|visit| visit.instance).collect();
        match numbers.entry((offer.key, met)) {
            std::collections::hash_map::Entry::Occupied(known) => {
                let group = &mut groups[*known.get()];
                group.packets = group.packets.saturating_add(offer.packets);
                group.bytes = group.bytes.saturating_add(offer.bytes);
            }
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(groups.len());
                groups.push(offer);
            }
        }
    }
    // Offers are in the order of time; among groups of one bin, keys decide ties.
    groups.sort_by_key(|group| group.key);
    groups
}
