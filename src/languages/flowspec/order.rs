//! Which of two flow specifications is looked at first (RFC 8955 section 5.1, RFC 8956 section 4).
//! It hangs on nothing but the two: neither on who sent them nor on when.

use std::cmp::Ordering;

use super::nlri::{Component, Flow, Pattern};
use crate::model::prefix::host_mask;

/// Compares two flow specifications of one family; what is less comes first.
pub(super) fn compare(one: &Flow, other: &Flow) -> Ordering {
    let pairs = one.components.iter().zip(&other.components);
    pairs
        .map(|(one, other)| components(one, other))
        .find(|order| order.is_ne())
        // All that both have is equal: the one that asks for more comes first.
        .unwrap_or_else(|| other.components.len().cmp(&one.components.len()))
}

fn components(one: &Component, other: &Component) -> Ordering {
    match (one, other) {
        _ if one.kind() != other.kind() => one.kind().cmp(&other.kind()),
        (Component::Prefix(one), Component::Prefix(other)) => prefixes(one, other),
        (Component::Tests { data: one, .. }, Component::Tests { data: other, .. }) => {
            let common = one.len().min(other.len());
            one[..common].cmp(&other[..common]).then(other.len().cmp(&one.len()))
        }
        _ => Ordering::Equal,
    }
}

fn prefixes(one: &Pattern, other: &Pattern) -> Ordering {
    let shorter = one.length.min(other.length);
    let within = !host_mask(one.family, shorter);
    one.offset
        .cmp(&other.offset)
        .then((one.bits & within).cmp(&(other.bits & within)))
        .then(other.length.cmp(&one.length))
}
