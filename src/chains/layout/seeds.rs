//! What tells one way of laying out rules from another: hashes of the rules and of their order.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Writer;
use crate::chains::facts::{Terms, are_apart};
use crate::chains::hull::Hull;
use crate::chains::{ChainRule, names};

/// Hashes what a rule is and was made of; only rules of one run are compared.
pub(super) fn seed(terms: &Terms, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (terms, text).hash(&mut hasher);
    hasher.finish()
}

/// Hashes two hashes, in their order.
pub(super) fn joined(first: u64, second: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_le_bytes());
    bytes[8..].copy_from_slice(&second.to_le_bytes());
    names::hash(&bytes)
}

impl Writer<'_> {
    /// Names a condition that hangs on what other packets did: two are the same only if they are
    /// of the same rule, and if what takes packets from it before is the same.
    pub(super) fn perhaps(&mut self, rule: &ChainRule, what: &str, guard: &Terms) -> String {
        if self.is_void {
            return format!("{what} ({})", self.most_rules);
        }
        let mut before = seed(guard, what);
        if self.compare(self.rules.len()) {
            let own = Hull::of(guard);
            for (earlier, (hull, seed)) in self.rules.iter().zip(&self.traits) {
                if !own.is_apart(hull) && !are_apart(&earlier.matches.terms, guard) {
                    before = joined(before, *seed);
                }
            }
        } else {
            before = joined(before, self.all_seeds);
        }
        format!("{what}: `{}` ({:08x})", rule.text, before as u32)
    }
}
