//! What nft(8) refuses of the elements of sets and maps: values of another type, intervals where
//! there are none, and those that overlap.

use super::fields::Field;
use super::names::Kind;
use super::ranges::greatest;
use super::refusal::{Checked, holds_number, is_of_constants, refused};
use super::ruleset::Set;
use super::tree::{Element, Expr};
use super::values;
use crate::model::Location;

/// Checks that the elements of a verdict map do not overlap: it would not say which one holds.
pub(super) fn overlapping(key: &Expr, elements: &[Element], location: Location) -> Checked {
    let Expr::Field(words) = key else { return Ok(()) };
    distinct(elements, Field::of(words).kind(), location)
}

/// Checks the elements of a named set against its declaration.
pub(super) fn intervals(set: &Set) -> Checked {
    let Some(location) = set.location else { return Ok(()) };
    for element in &set.elements {
        let location = element.location.unwrap_or(location);
        match &element.key {
            Expr::Concat(parts) if parts.len() == set.kinds.len() => {
                let parts = parts.iter().zip(&set.kinds);
                parts.into_iter().try_for_each(|(part, kind)| valid(part, *kind, location))?;
            }
            key if set.kinds.len() == 1 => valid(key, set.kinds[0], location)?,
            _ if set.kinds.is_empty() => {}
            key => {
                let message = format!("`{key}` has not as many parts as the set");
                let help = "write a value for each of its types, as `a . b`";
                return Err(refused(location, message, "in this", help));
            }
        }
    }
    if let Some(size) = set.size.filter(|size| *size > 0 && !set.intervals)
        && set.elements.len() as u64 > size
    {
        let message = format!("the set has room for {size} elements, and more are listed");
        return Err(refused(location, message, "too full", "give it a greater `size`"));
    }
    let [kind] = set.kinds[..] else { return Ok(()) };
    let spans = |one: &&Element| matches!(one.key, Expr::Prefix(..) | Expr::Range(..));
    if !set.intervals
        && let Some(element) = set.elements.iter().find(spans)
    {
        let message = format!("`{}` is more than one value", element.key);
        let help = "write `flags interval` in the set; nft refuses it otherwise";
        let location = element.location.unwrap_or(location);
        return Err(refused(location, message, "an interval", help));
    }
    match kind {
        Some(kind) if !set.merges => distinct(&set.elements, kind, location),
        _ => Ok(()),
    }
}

/// Checks a value of a set against its type.
fn valid(value: &Expr, kind: Option<Kind>, location: Location) -> Checked {
    let Some(kind) = kind.filter(|_| is_of_constants(value) && *value != Expr::All) else {
        return Ok(());
    };
    let read = values::ranges(value, kind);
    let read = read.map_err(|no| refused(location, no.message, "in this", &no.help))?;
    let max = greatest(kind.bits());
    if read.iter().any(|(_, last)| *last > max) || kind == Kind::V6 && holds_number(value) {
        let message = format!("`{value}` is no {}", kind.word());
        return Err(refused(location, message, "in this", "write a value that the set can hold"));
    }
    Ok(())
}

fn distinct(elements: &[Element], kind: Kind, location: Location) -> Checked {
    let mut all = Vec::with_capacity(elements.len());
    let of_constants = |one: &&Element| is_of_constants(&one.key) && one.key != Expr::All;
    for element in elements.iter().filter(of_constants) {
        let Ok(found) = values::ranges(&element.key, kind) else { continue };
        all.extend(found.iter().map(|(first, last)| (*first, *last, element)));
    }
    all.sort_by_key(|(first, last, _)| (*first, *last));
    let pair = all.windows(2).find(|pair| {
        let ((first, last, _), (next, end, _)) = (pair[0], pair[1]);
        let (a, b) = (&pair[0].2.data, &pair[1].2.data);
        next <= last && ((first, last) != (next, end) || a != b)
    });
    match pair {
        None => Ok(()),
        Some(pair) => {
            let (a, b) = (&pair[0].2, &pair[1].2);
            let message = format!("`{}` and `{}` overlap", a.key, b.key);
            let location = b.location.or(a.location).unwrap_or(location);
            let help = "nft refuses it: take one away, or write `auto-merge` in a set";
            Err(refused(location, message, "conflicting intervals", help))
        }
    }
}
