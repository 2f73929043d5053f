//! What the numbers of the space stand for: PoPs, and conditions that cannot be told.

use std::collections::{BTreeMap, BTreeSet};

use super::Header;
use crate::model::Unmodelled;

/// How many fields hold the answers to conditions that cannot be told.
pub const OPEN: usize = 6;

/// How many answers a field holds: its values are all their combinations.
const ANSWERS: usize = 6;

/// Of how many conditions it is looked at whether they can be one bit.
const MOST: usize = 4_096;

/// The PoPs that matter: all that are named, and one for any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pops {
    names: Vec<String>,
    /// Conditions that cannot be told, and which bit of [`Header::open`] each is. Several may be one
    /// bit, if no packet hangs on two of them.
    conditions: BTreeMap<Unmodelled, usize>,
}

impl Pops {
    /// Makes the table of some names, in any order.
    pub fn new(names: impl IntoIterator<Item = String>) -> Pops {
        let mut names: Vec<String> =
            names.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        // The number of any other must fit.
        names.truncate(usize::from(u16::MAX));
        Pops { names, conditions: BTreeMap::new() }
    }

    /// Adds the conditions that cannot be told, the most important first; those beyond the number
    /// that the space has room for are only bounded. Of two conditions `parted` says whether no
    /// packet hangs on both.
    #[must_use]
    pub fn with_conditions(
        mut self,
        conditions: impl IntoIterator<Item = Unmodelled>,
        parted: impl Fn(&Unmodelled, &Unmodelled) -> bool,
    ) -> Pops {
        let mut places: Vec<Vec<Unmodelled>> = Vec::new();
        for condition in conditions.into_iter().take(MOST) {
            if self.conditions.contains_key(&condition) {
                continue;
            }
            let is_free = |place: &Vec<Unmodelled>| place.iter().all(|own| parted(own, &condition));
            let at = if places.len() < OPEN * ANSWERS {
                places.push(Vec::new());
                places.len() - 1
            } else if let Some(at) = places.iter().position(is_free) {
                at
            } else {
                continue;
            };
            places[at].push(condition.clone());
            self.conditions.insert(condition, at);
        }
        self
    }

    /// Returns the answers of a header that `hangs` says make a difference, if they were the other
    /// ones; sorted. `is_asked` says whether a header may hang on a condition at all.
    pub(in super::super) fn given(
        &self,
        header: &Header,
        hangs: impl Fn(&Header) -> bool,
        is_asked: impl Fn(&Unmodelled) -> bool,
    ) -> Vec<(String, bool)> {
        let mut given = Vec::new();
        for (condition, at) in &self.conditions {
            let (field, bit) = (at / ANSWERS, at % ANSWERS);
            let mut other = *header;
            other.open[field] ^= 1 << bit;
            if is_asked(condition) && hangs(&other) {
                given.push((condition.text.clone(), header.open[field] >> bit & 1 == 1));
            }
        }
        given.sort();
        given
    }

    /// Returns the field and the bit of a condition; none if it is only bounded.
    pub(super) fn condition(&self, condition: &Unmodelled) -> Option<(usize, u32)> {
        let at = self.conditions.get(condition)?;
        Some((at / ANSWERS, (at % ANSWERS) as u32))
    }

    /// Returns the name of a PoP; none for any other.
    pub fn name(&self, pop: u16) -> Option<&str> {
        self.names.get(usize::from(pop)).map(String::as_str)
    }

    /// Returns the number of a name; none if it is not in the table.
    pub fn number(&self, name: &str) -> Option<u16> {
        let at = self.names.binary_search_by(|own| own.as_str().cmp(name)).ok()?;
        u16::try_from(at).ok()
    }

    /// Returns the number that stands for any PoP without a name here.
    pub fn other(&self) -> u16 {
        u16::try_from(self.names.len()).unwrap_or(u16::MAX)
    }

    /// Returns a name for a packet of a PoP that no rule names; none if no rule names any, since
    /// then nothing asks.
    pub(super) fn spoken(&self, pop: u16) -> Option<String> {
        if let Some(name) = self.name(pop) {
            return Some(name.to_owned());
        }
        let free = |name: &String| self.number(name).is_none();
        let more = (2..).map(|number: u32| format!("other-pop-{number}"));
        let mut names = std::iter::once("other-pop".to_owned()).chain(more);
        if self.names.is_empty() { None } else { names.find(free) }
    }
}
