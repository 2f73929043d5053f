//! Which addresses a key tells apart, and whose are in one bucket.

use super::{FAMILIES, Ranges, at};
use crate::inventory::customers::{Customers, End, EndId, Owner};
use crate::model::{AddressRange, Family, InfrastructureId};

/// The addresses at one end of a limit's packets, by family.
#[derive(Clone, Default)]
pub(super) struct Ends {
    /// Where the buckets of several owners' packets are.
    pub(super) shared: [Ranges; 2],
    /// The others that are nobody's.
    pub(super) nobodys: [Ranges; 2],
    /// The others that are somebody's.
    pub(super) owned: [Ranges; 2],
}

/// Returns the pieces of some ranges, and what stands in each.
pub(super) fn pieces(
    customers: &Customers,
    family: Family,
    ranges: &Ranges,
) -> Vec<(u128, u128, EndId)> {
    let range = |(first, last): &(u128, u128)| AddressRange { family, first: *first, last: *last };
    let segments = ranges.iter().flat_map(|one| customers.segments(range(one)));
    segments.map(|(piece, end)| (piece.first, piece.last, end)).collect()
}

/// How a key tells addresses apart.
pub(super) struct Buckets<'a> {
    pub(super) customers: &'a Customers,
    /// Whether it names any address, so that the families have buckets of their own.
    pub(super) is_keyed: bool,
    /// Whether it names the customer: then only a router inside a customer's prefix shares a
    /// bucket with others.
    pub(super) by_customer: bool,
}

/// One block of addresses that a key does not tell apart.
struct Block<'a> {
    number: u128,
    first: (Owner, &'a [InfrastructureId]),
    differs: bool,
    has_router: bool,
}

impl Buckets<'_> {
    /// Splits the addresses at one end, of which the key knows the first bits: the blocks in which
    /// several owners' are, and single addresses that are several owners'.
    pub(super) fn split(
        &self,
        addresses: &[Ranges; 2],
        lengths: [u8; 2],
        is_several: &dyn Fn(&End) -> bool,
    ) -> Ends {
        let pieces = FAMILIES.map(|family| pieces(self.customers, family, &addresses[at(family)]));
        let blocks = |family: Family| {
            let width = if family == Family::V4 { 32 } else { 128 };
            let length = u32::from(lengths[at(family)]).min(width);
            move |address: u128| if length == 0 { 0 } else { address >> (width - length) }
        };
        let mut shared: [Vec<u128>; 2] = Default::default();
        let mut open: Option<Block<'_>> = None;
        for family in FAMILIES {
            let block = blocks(family);
            let into = &mut shared[at(family)];
            for (first, last, end) in &pieces[at(family)] {
                let end = self.customers.end(*end);
                for number in [block(*first), block(*last)] {
                    self.visit(&mut open, number, end, into);
                }
            }
            if self.is_keyed || family == Family::V6 {
                self.close(open.take(), into);
            }
        }
        if !self.is_keyed && shared.iter().any(|blocks| !blocks.is_empty()) {
            shared = [vec![0], vec![0]];
        }
        let mut ends = Ends::default();
        for family in FAMILIES {
            let (at, block) = (at(family), blocks(family));
            let width = if family == Family::V4 { 32 } else { 128 };
            let host = width - u32::from(lengths[at]).min(width);
            let shared = &shared[at];
            for (first, last, end) in &pieces[at] {
                let end = self.customers.end(*end);
                // A piece spans whole blocks, which are one owner's, but for its two ends.
                let (head, tail) = (block(*first), block(*last));
                let mut cuts = vec![(*first, *last, head)];
                if head != tail {
                    let starts = [head + 1, tail].map(|number| number << host);
                    cuts[0].1 = starts[0] - 1;
                    if starts[0] < starts[1] {
                        cuts.push((starts[0], starts[1] - 1, head + 1));
                    }
                    cuts.push((starts[1], *last, tail));
                }
                for (first, last, number) in cuts {
                    let into = if is_several(end) || shared.binary_search(&number).is_ok() {
                        &mut ends.shared[at]
                    } else if end.owner == Owner::Nobody {
                        &mut ends.nobodys[at]
                    } else {
                        &mut ends.owned[at]
                    };
                    push(into, first, last);
                }
            }
        }
        ends
    }

    fn visit<'e>(
        &self,
        open: &mut Option<Block<'e>>,
        number: u128,
        end: &'e End,
        shared: &mut Vec<u128>,
    ) {
        let own = (end.owner, end.infrastructure.as_slice());
        let is_router = !end.infrastructure.is_empty();
        match open {
            Some(block) if block.number == number => {
                block.differs |= block.first != own;
                block.has_router |= is_router;
            }
            _ => {
                let new = Block { number, first: own, differs: false, has_router: is_router };
                self.close(open.replace(new), shared);
            }
        }
    }

    fn close(&self, block: Option<Block<'_>>, shared: &mut Vec<u128>) {
        let Some(block) = block else { return };
        if block.differs && (!self.by_customer || block.has_router) {
            shared.push(block.number);
        }
    }
}

/// Adds a range behind others.
fn push(ranges: &mut Ranges, first: u128, last: u128) {
    match ranges.last_mut() {
        Some((_, open)) if open.checked_add(1) == Some(first) => *open = last,
        _ => ranges.push((first, last)),
    }
}
