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
}
