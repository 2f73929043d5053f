//! The owners' addresses, and which of them are still asked for.

use crate::model::Family;

/// Addresses of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first address.
    pub first: u128,
    /// The last address, inclusive.
    pub last: u128,
    /// Whose they are.
    pub owner: u32,
}

/// The owners' addresses of one family: sorted disjoint segments. Not every address has an owner.
#[derive(Clone, Debug)]
pub struct Ground {
    pub(super) family: Family,
    pub(super) segments: Vec<Segment>,
    /// The owners, sorted.
    pub(super) owners: Vec<u32>,
    /// For every segment the place of its owner.
    pub(super) owner_of: Vec<u32>,
    /// Where the next segment may be whose owner is not reached yet; only what this walk wrote
    /// counts, so that a walk need not undo what the one before it did.
    next: Vec<Noted>,
    /// For every owner where its witness is.
    pub(super) hit: Vec<Noted>,
    /// Kept for its memory.
    pub(super) hits: Vec<Hit>,
    pub(super) walk: u64,
}

/// A number, and by which walk it was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noted {
    pub(super) walk: u64,
    pub(super) value: u32,
}

/// An owner, and what reaches it: a header but for its address, and that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) owner: u32,
    pub(super) template: u32,
    pub(super) address: u128,
}

impl Ground {
    /// Makes the ground of segments of one family, in any order. Those that overlap an earlier one
    /// are cut.
    pub fn new(family: Family, mut segments: Vec<Segment>) -> Ground {
        segments.retain(|segment| segment.first <= segment.last && segment.last <= family.max());
        segments.sort_unstable_by_key(|segment| (segment.first, segment.last, segment.owner));
        let mut free = Some(0);
        segments.retain_mut(|segment| {
            let Some(from) = free else { return false };
            segment.first = segment.first.max(from);
            let is_left = segment.first <= segment.last;
            if is_left {
                free = segment.last.checked_add(1);
            }
            is_left
        });
        let mut owners: Vec<u32> = segments.iter().map(|segment| segment.owner).collect();
        owners.sort_unstable();
        owners.dedup();
        let place = |segment: &Segment| owners.partition_point(|owner| *owner < segment.owner);
        let owner_of = segments.iter().map(|segment| place(segment) as u32).collect();
        let next = vec![Noted::default(); segments.len()];
        let hit = vec![Noted::default(); owners.len()];
        Ground { family, segments, owners, owner_of, next, hit, hits: Vec::new(), walk: 0 }
    }

    /// Returns the segment at a place, or the next one after it that was not unlinked.
    fn linked(&mut self, mut at: usize) -> usize {
        let step = |ground: &Ground, at: usize| match ground.next.get(at) {
            Some(noted) if noted.walk == ground.walk => noted.value as usize,
            _ => at,
        };
        loop {
            let next = step(self, at);
            if next == at {
                return at;
            }
            // What was passed points further for the next time.
            let after = step(self, next);
            self.next[at].value = after as u32;
            at = next;
        }
    }

    pub(super) fn is_reached(&self, segment: usize) -> bool {
        self.hit[self.owner_of[segment] as usize].walk == self.walk
    }

    /// Returns the first segment at or after a place whose owner is not reached.
    pub(super) fn unreached(&mut self, mut at: usize) -> Option<usize> {
        loop {
            at = self.linked(at);
            if at >= self.segments.len() {
                return None;
            }
            if !self.is_reached(at) {
                return Some(at);
            }
            self.next[at] = Noted { walk: self.walk, value: at as u32 + 1 };
        }
    }

    /// Returns the first address of a range whose owner is not reached.
    pub(super) fn first_unreached(&mut self, first: u128, last: u128) -> Option<u128> {
        let at = self.segments.partition_point(|segment| segment.last < first);
        let at = self.unreached(at)?;
        let address = self.segments[at].first.max(first);
        (address <= last).then_some(address)
    }
}
