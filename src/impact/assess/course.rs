//! The course of traffic: what is offered in each window of each PoP, in and out, and what each rule
//! set keeps of it from its way. For pictures: nothing is judged by it.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::{Assessment, Entry, counts_as_lost, lost};
use crate::attribution::Ends;
use crate::impact::{Course, Impact, Load, Way};
use crate::model::{Label, NameId};
use crate::scenario::Cell;

/// Sums by PoP, way and window; nothing where no picture is wanted.
#[derive(Default)]
pub(super) struct Courses {
    is_wanted: bool,
    sums: HashMap<(Option<NameId>, Way, i64), Load, FixedState>,
}

impl Courses {
    pub(super) fn new(is_wanted: bool) -> Courses {
        Courses { is_wanted, ..Courses::default() }
    }

    /// Adds what is offered, and what is kept of it by the running and the candidate rules.
    pub(super) fn add(
        &mut self,
        cell: &Cell,
        way: Way,
        (window, label): (i64, Label),
        kept: impl FnOnce() -> [u64; 2],
    ) {
        if !self.is_wanted {
            return;
        }
        let kept = kept();
        let load = self.sums.entry((cell.pop, way, window)).or_default();
        let sums = match label {
            Label::Attack => &mut load.attack,
            Label::Legit | Label::None => &mut load.legitimate,
        };
        let bytes = [cell.counts.bytes, kept[0], kept[1]];
        for (sum, bytes) in sums.iter_mut().zip(bytes) {
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Returns the sums by PoP and way, window by window.
    pub(super) fn finish(self) -> Vec<Course> {
        let mut all: Vec<_> = self.sums.into_iter().collect();
        all.sort_unstable_by_key(|(place, _)| *place);
        let mut courses: Vec<Course> = Vec::new();
        for ((pop, way, window), load) in all {
            match courses.last_mut() {
                Some(last) if (last.pop, last.way) == (pop, way) => {
                    last.windows.push((window, load));
                }
                _ => courses.push(Course { pop, way, windows: vec![(window, load)] }),
            }
        }
        courses
    }
}

impl Assessment<'_> {
    /// Works out the impact of the change.
    pub fn assess(&self) -> Impact {
        self.work_out(false)
    }

    /// Works it out together with the course of traffic, which only a picture shows.
    pub fn assess_and_draw(&self) -> Impact {
        self.work_out(true)
    }

    /// Returns which way a packet goes, as seen from the customers.
    pub(super) fn way(&self, ends: &Ends) -> Way {
        let is_from = ends.src.is_some_and(|src| {
            self.attribution.customers.end(src).owner != crate::inventory::customers::Owner::Nobody
        });
        match is_from && !self.attribution.is_to_somebody(ends) {
            true => Way::Out,
            false => Way::In,
        }
    }

    /// Returns how many bytes the running and the candidate rules keep from their way, at least.
    pub(super) fn kept(&self, entry: &Entry<'_>) -> [u64; 2] {
        let Entry { amount, walks, taken, .. } = *entry;
        let mut least = [u64::MAX; 2];
        for (running, candidate) in walks {
            for (side, walk) in [running, candidate].into_iter().enumerate() {
                for taken in taken {
                    let losses = self.sets.losses(side, walk, taken, amount.packets, amount.bytes);
                    let kept = lost(losses.iter().filter(|loss| counts_as_lost(loss)), amount);
                    least[side] = least[side].min(kept.bytes);
                }
            }
        }
        least.map(|bytes| if bytes == u64::MAX { 0 } else { bytes })
    }
}
