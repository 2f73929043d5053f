//! Who is reached by the walk so far.

use super::super::space::{Header, HeaderSet, Key};
use super::ground::{Ground, Hit, Noted};

/// Who was reached so far, and by what.
pub(super) struct Marks<'g> {
    pub(super) ground: &'g mut Ground,
    hits: Vec<Hit>,
    templates: Vec<Header>,
    pub(super) key: Key,
}

impl Marks<'_> {
    /// Starts anew.
    pub(super) fn new(ground: &mut Ground, key: Key) -> Marks<'_> {
        ground.walk += 1;
        let mut hits = std::mem::take(&mut ground.hits);
        hits.clear();
        Marks { ground, hits, templates: Vec::new(), key }
    }

    /// Returns how many owners are reached.
    pub(super) fn count(&self) -> usize {
        self.hits.len()
    }

    /// Keeps a header whose answer is yes for the addresses that are marked next.
    pub(super) fn template(&mut self, header: Header) {
        self.templates.push(header);
    }

    /// Marks the owners of a range, all of whose addresses the last template fits.
    pub(super) fn mark(&mut self, first: u128, last: u128) {
        let ground = &mut *self.ground;
        let mut at = ground.segments.partition_point(|segment| segment.last < first);
        while let Some(next) = ground.unreached(at) {
            let segment = ground.segments[next];
            if segment.first > last {
                break;
            }
            let owner = ground.owner_of[next];
            ground.hit[owner as usize] = Noted { walk: ground.walk, value: self.hits.len() as u32 };
            let template = self.templates.len().saturating_sub(1) as u32;
            self.hits.push(Hit { owner, template, address: segment.first.max(first) });
            at = next;
        }
    }

    /// Marks the owners of a set's addresses within a range; every header of the set is a yes.
    pub(super) fn mark_set(&mut self, set: &HeaderSet, (first, last): (u128, u128)) {
        if self.ground.first_unreached(first, last).is_none() {
            return;
        }
        self.template(set.corner());
        for (start, end) in set.key(self.key).within(first, last) {
            self.mark(*start.max(&first), *end.min(&last));
        }
    }

    /// Returns the owners in order.
    pub(super) fn finish(mut self) -> Vec<(u32, Header)> {
        let ground = self.ground;
        let mut owners = Vec::with_capacity(self.hits.len());
        let header = |hit: &Hit| {
            let template = self.templates[hit.template as usize];
            (ground.owners[hit.owner as usize], template.with_address(self.key, hit.address))
        };
        // For most of them it is quicker to ask every owner than to sort.
        if self.hits.len() > ground.owners.len() / 8 {
            let here = ground.hit.iter().filter(|noted| noted.walk == ground.walk);
            owners.extend(here.map(|noted| header(&self.hits[noted.value as usize])));
        } else {
            self.hits.sort_unstable_by_key(|hit| hit.owner);
            owners.extend(self.hits.iter().map(header));
        }
        ground.hits = self.hits;
        owners
    }
}
