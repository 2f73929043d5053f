//! What tells one way of laying out rules from another: hashes of the rules and of their order.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::chains::names;
use crate::model::{Spanned, Term};

/// Hashes what a rule is and was made of; only rules of one run are compared.
pub(super) fn seed(terms: &[Spanned<Term>], text: &str) -> u64 {
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
