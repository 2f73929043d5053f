//! Which rules can match a record at all, by its addresses: a sieve before [`super::scan`].
//!
//! Rules that name destinations are listed by interval of destination, others that name sources
//! by interval of source, and the rest always. A record meets the union of three short lists, in
//! the order of rules. The lists are bounded; a set whose rules overlap too much is scanned.

use std::collections::BTreeSet;

use crate::model::{AddressSet, Family, Known, PacketHeader, RuleSet};

/// Sets of fewer rules are scanned: looking them up costs more.
const MIN_RULES: usize = 24;

/// The lists may hold so many entries for each rule, and so many besides.
const ENTRIES_PER_RULE: usize = 16;
const ENTRIES: usize = 1 << 16;

/// The sieve.
#[derive(Clone, Debug)]
pub(super) struct Index {
    /// By destination, IPv4 and IPv6.
    dst: [Lists; 2],
    /// By source, IPv4 and IPv6.
    src: [Lists; 2],
    /// Rules that name neither.
    rest: Vec<u32>,
}

impl Index {
    /// Makes the sieve of a rule set, if one is worth it.
    pub(super) fn new(set: &RuleSet) -> Option<Index> {
        if set.rules.len() < MIN_RULES {
            return None;
        }
        let (mut by_dst, mut by_src, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for (at, rule) in set.rules.iter().enumerate() {
            let at = at as u32;
            match (rule.matches.destinations(), rule.matches.sources()) {
                (Some(dst), _) => by_dst.push((at, dst)),
                (None, Some(src)) => by_src.push((at, src)),
                (None, None) => rest.push(at),
            }
        }
        let mut budget = ENTRIES + ENTRIES_PER_RULE * set.rules.len();
        let mut lists =
            |rules: &[(u32, AddressSet)], family: Family| Lists::new(rules, family, &mut budget);
        Some(Index {
            dst: [lists(&by_dst, Family::V4)?, lists(&by_dst, Family::V6)?],
            src: [lists(&by_src, Family::V4)?, lists(&by_src, Family::V6)?],
            rest,
        })
    }

    /// Returns the rules that can match a record, in order; nothing if its addresses are not
    /// known, so that every rule can.
    pub(super) fn rules(&self, header: &PacketHeader) -> Option<Merged<'_>> {
        if !header.known.has(Known::SRC.with(Known::DST)) {
            return None;
        }
        let family = usize::from(header.family == Family::V6);
        let lists = [
            self.dst[family].at(header.dst),
            self.src[family].at(header.src),
            self.rest.as_slice(),
        ];
        Some(Merged { lists })
    }
}

/// Rules by interval of addresses of one family.
#[derive(Clone, Debug)]
struct Lists {
    /// Where intervals start; the first one at zero.
    starts: Vec<u128>,
    /// Where the list of each interval ends in `rules`; it starts where the one before ends.
    ends: Vec<u32>,
    rules: Vec<u32>,
}

impl Lists {
    /// Sweeps over the edges of all ranges; nothing if the lists outgrow the budget.
    fn new(sets: &[(u32, AddressSet)], family: Family, budget: &mut usize) -> Option<Lists> {
        // At an address a rule begins (true) or no longer holds (false).
        let mut edges: Vec<(u128, bool, u32)> = Vec::new();
        for (rule, set) in sets {
            for (first, last) in set.ranges(family) {
                edges.push((*first, true, *rule));
                if let Some(after) = last.checked_add(1) {
                    edges.push((after, false, *rule));
                }
            }
        }
        edges.sort_unstable();
        let mut lists = Lists { starts: vec![0], ends: Vec::new(), rules: Vec::new() };
        let mut open: BTreeSet<u32> = BTreeSet::new();
        for here in edges.chunk_by(|a, b| a.0 == b.0) {
            if here[0].0 > 0 {
                lists.close(&open, budget)?;
                lists.starts.push(here[0].0);
            }
            // Ends sort before beginnings, so a rule that goes on in a new range stays.
            for (_, begins, rule) in here {
                if *begins {
                    open.insert(*rule);
                } else {
                    open.remove(rule);
                }
            }
        }
        lists.close(&open, budget)?;
        Some(lists)
    }

    fn close(&mut self, open: &BTreeSet<u32>, budget: &mut usize) -> Option<()> {
        *budget = budget.checked_sub(open.len() + 1)?;
        self.rules.extend(open);
        self.ends.push(u32::try_from(self.rules.len()).ok()?);
        Some(())
    }

    fn at(&self, address: u128) -> &[u32] {
        // The first interval starts at zero, so one always starts at or before the address.
        let at = self.starts.partition_point(|start| *start <= address).saturating_sub(1);
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.rules[from..self.ends[at] as usize]
    }
}

/// Three sorted lists without common members, read as one.
pub(super) struct Merged<'i> {
    lists: [&'i [u32]; 3],
}

impl Iterator for Merged<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let first = |list: &[u32]| list.first().copied();
        let least = self.lists.iter().filter_map(|list| first(list)).min()?;
        for list in &mut self.lists {
            if first(list) == Some(least) {
                *list = &list[1..];
            }
        }
        Some(least)
    }
}
