//! What engines are made of, and what they may take.

use super::condition::Conditions;
use super::lines::Lines;

/// From which sizes on an engine is chosen, and what it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many lines are tried one by one.
    pub few: usize,
    /// More lines than this are split by address.
    pub many: usize,
    /// How many words of 64 bits the vectors of one field may take; beyond that neighbouring
    /// intervals share one.
    pub words: usize,
}

impl Default for Limits {
    /// As measured by the benches; 4 MB a field.
    fn default() -> Limits {
        Limits { few: 6, many: 64, words: 1 << 19 }
    }
}

/// The materials of which engines are made.
#[derive(Clone, Copy)]
pub(super) struct Materials<'m> {
    pub(super) lines: &'m Lines,
    pub(super) conditions: &'m Conditions,
    pub(super) limits: Limits,
    /// How often lists of lines may be split again.
    pub(super) nesting: u32,
}

impl Materials<'_> {
    /// Returns what may be made of a part of some lines: the lists of all parts together take not
    /// much more than the whole may.
    pub(super) fn for_part(self, part: usize, whole: usize) -> Self {
        let words = self.limits.words.saturating_mul(part) / whole.max(1);
        Materials {
            limits: Limits { words, ..self.limits },
            nesting: self.nesting.saturating_sub(1),
            ..self
        }
    }
}
