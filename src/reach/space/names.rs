//! What the numbers of the space stand for: PoPs, and conditions that cannot be told.

use std::collections::BTreeSet;

use super::Header;
use crate::model::Unmodelled;

/// How many fields hold the answers to conditions that cannot be told.
pub const OPEN: usize = 6;

/// How many answers a field holds: its values are all their combinations.
const ANSWERS: usize = 6;

/// The PoPs that matter: all that are named, and one for any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pops {
    names: Vec<String>,
    /// Conditions that cannot be told, each of which is one bit of [`Header::open`].
    conditions: Vec<Unmodelled>,
}

impl Pops {
    /// Makes the table of some names, in any order.
    pub fn new(names: impl IntoIterator<Item = String>) -> Pops {
        let mut names: Vec<String> =
            names.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        // The number of any other must fit.
        names.truncate(usize::from(u16::MAX));
        Pops { names, conditions: Vec::new() }
    }

    /// Adds the conditions that cannot be told, the most important first; those beyond the number
    /// that the space has room for are only bounded.
    #[must_use]
    pub fn with_conditions(mut self, conditions: impl IntoIterator<Item = Unmodelled>) -> Pops {
        for condition in conditions {
            if self.conditions.len() == OPEN * ANSWERS {
                break;
            }
            if !self.conditions.contains(&condition) {
                self.conditions.push(condition);
            }
        }
        self
    }

    /// Returns the answers of a header that `hangs` says make a difference, if they were the other
    /// ones; sorted.
    pub(in super::super) fn given(
        &self,
        header: &Header,
        hangs: impl Fn(&Header) -> bool,
    ) -> Vec<(String, bool)> {
        let mut given = Vec::new();
        for (at, condition) in self.conditions.iter().enumerate() {
            let (field, bit) = (at / ANSWERS, at % ANSWERS);
            let mut other = *header;
            other.open[field] ^= 1 << bit;
            if hangs(&other) {
                given.push((condition.text.clone(), header.open[field] >> bit & 1 == 1));
            }
        }
        given.sort();
        given
    }

    /// Returns the field and the bit of a condition; none if it is only bounded.
    pub(super) fn condition(&self, condition: &Unmodelled) -> Option<(usize, u32)> {
        let at = self.conditions.iter().position(|own| own == condition)?;
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
