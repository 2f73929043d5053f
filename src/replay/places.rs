//! Limits by PoP that records of unknown PoP meet.
//!
//! Such a record may be at any PoP. Where more than one is known of, nobody can tell which bucket
//! it fills; nor what else is in the buckets that it may fill.

use std::collections::{HashMap, HashSet};

use super::Replay;
use crate::matcher::{BUCKET, Step};
use crate::model::{Exceed, Known, RateLimit, Scope};
use crate::tally::{Counting, Counts, NO_BUCKET};

impl Replay<'_> {
    /// Takes their bucket from all records of which it hangs on a PoP that nobody knows. Where no
    /// record names a PoP and nothing is moved between PoPs, the unknown PoP is one place.
    pub(super) fn without_doubtful_buckets(&self, mut tally: Counting) -> Counting {
        let seen_nowhere = |offer: &crate::tally::Offer| tally.key(offer.key).pop.is_none();
        if !self.has_places(&tally) || !tally.offers.iter().any(seen_nowhere) {
            return tally;
        }
        let mut doubtful: HashSet<u32> = HashSet::new();
        for offer in tally.offers.iter().filter(|offer| seen_nowhere(offer)) {
            self.by_pop(&tally, offer, |_, _, met| {
                doubtful.insert(tally.buckets_met[met]);
            });
        }
        let mut offers = std::mem::take(&mut tally.offers);
        let mut moved: HashMap<(u32, Vec<(usize, usize)>), u32> = HashMap::new();
        for offer in &mut offers {
            let nowhere = tally.key(offer.key).pop.is_none();
            let (mut steps, mut met) = (Vec::new(), Vec::new());
            self.by_pop(&tally, offer, |pair, step, at| {
                if nowhere || doubtful.contains(&tally.buckets_met[at]) {
                    steps.push((pair, step));
                    met.push(at);
                }
            });
            if steps.is_empty() {
                continue;
            }
            for at in met {
                tally.buckets_met[at] = NO_BUCKET;
            }
            let weight = u64::from(offer.weight);
            let counts = Counts {
                records: 1,
                raw: offer.packets,
                packets: offer.packets.saturating_mul(weight),
                bytes: offer.bytes.saturating_mul(weight),
            };
            let known = moved.get(&(offer.key, steps.clone())).copied();
            let key = known.unwrap_or_else(|| {
                let key = tally.key(offer.key);
                let mut paths = tally.paths.value(key.paths).clone();
                for (at, number) in paths.iter_mut().enumerate() {
                    let mut pair = tally.pairs.value(*number).clone();
                    let running = pair.running.len();
                    for (_, step) in steps.iter().filter(|(place, _)| *place == at) {
                        let step = match step.checked_sub(running) {
                            None => &mut pair.running[*step],
                            Some(step) => &mut pair.candidate[step],
                        };
                        step.missing |= Known::POP.0 | BUCKET;
                    }
                    *number = tally.pairs.intern(&pair);
                }
                let key = crate::tally::Key { paths: tally.paths.intern(&paths), ..key };
                let number = tally.count(&key, Counts::default());
                moved.insert((offer.key, steps), number);
                number
            });
            tally.recount(offer.key, key, counts);
            offer.key = key;
        }
        tally.offers = offers;
        tally
    }

    /// Returns whether there is more than one place at which a record of unknown PoP may be.
    fn has_places(&self, tally: &Counting) -> bool {
        let records: u64 = tally.entries().map(|(_, counts)| counts.records).sum();
        tally.entries().any(|(key, _)| key.pop.is_some())
            || self.moves.moves_any()
            || tally.unlisted_pops.len() > 1
            || (tally.unlisted_pops.len() == 1 && tally.unknown_pop_records < records)
    }

    /// Visits every policer by PoP on the ways of an offer: the place of the pair, the step of it
    /// (running first), and where its bucket is in [`Counting::buckets_met`].
    fn by_pop(
        &self,
        tally: &Counting,
        offer: &crate::tally::Offer,
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        let limit = |side: usize, step: &Step| self.limits[side][step.rule as usize].as_ref();
        let counts = |limit: &RateLimit| limit.scope == Scope::Pop && limit.exceed != Exceed::Log;
        let mut met = offer.buckets as usize;
        for (place, number) in tally.paths.value(tally.key(offer.key).paths).iter().enumerate() {
            let pair = tally.pairs.value(*number);
            let sides = pair.running.iter().map(|step| (0, step));
            let steps = sides.chain(pair.candidate.iter().map(|step| (1, step)));
            for (at, (side, step)) in steps.enumerate() {
                let Some(limit) = limit(side, step) else { continue };
                if counts(limit) && tally.buckets_met[met] != NO_BUCKET {
                    visit(place, at, met);
                }
                met += 1;
            }
            let keyed = |step: &&Step| self.keyed[step.rule as usize].is_some();
            met += pair.candidate.iter().filter(keyed).count();
        }
    }
}
