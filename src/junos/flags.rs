//! Expressions over bits: `tcp-flags "(syn & !ack) | 0x4"`, `fragment-flags "!dont-fragment"`.
//!
//! A number with several bits is the AND of them. Operators from the highest precedence to the
//! lowest: `( )`, `!`, `&` or `+`, `|` or `,` ("Firewall Filter Match Conditions Based on
//! Bit-Field Values").

use std::collections::BTreeSet;

use super::names::{Names, number};
use crate::model::FlagTest;

/// TCP flags and their bits.
pub const TCP_FLAGS: Names = &[
    ("fin", 1),
    ("syn", 2),
    ("rst", 4),
    ("push", 8),
    ("psh", 8),
    ("ack", 16),
    ("urgent", 32),
    ("urg", 32),
    ("tcp-established", 0),
    ("tcp-initial", 0),
];

/// How deep an expression may nest.
const DEEPEST: usize = 32;

/// Alternatives of bits that must be set and bits that must not.
type Cubes = BTreeSet<(u8, u8)>;

/// More alternatives than this are not written out.
const MOST: usize = 256;

/// Reads an expression as tests of which one must hold; none if it is not understood.
pub fn parse(text: &str, names: Names) -> Option<Vec<FlagTest>> {
    let mut reader = Reader { rest: text.trim(), names };
    let cubes = reader.either(true, 0)?;
    reader.rest.is_empty().then(|| {
        cubes.into_iter().map(|(set, clear)| FlagTest { mask: set | clear, value: set }).collect()
    })
}

struct Reader<'t> {
    rest: &'t str,
    names: Names,
}

impl Reader<'_> {
    fn sign(&mut self, signs: &[char]) -> bool {
        self.rest = self.rest.trim_start();
        let Some(rest) = self.rest.strip_prefix(signs) else { return false };
        self.rest = rest.trim_start();
        true
    }

    /// Reads alternatives; what is not `wanted` is negated, all the way down.
    fn either(&mut self, wanted: bool, depth: usize) -> Option<Cubes> {
        let mut cubes = self.both(wanted, depth)?;
        while self.sign(&['|', ',']) {
            let more = self.both(wanted, depth)?;
            cubes = if wanted { union(cubes, more)? } else { product(&cubes, &more)? };
        }
        Some(cubes)
    }

    fn both(&mut self, wanted: bool, depth: usize) -> Option<Cubes> {
        let mut cubes = self.one(wanted, depth)?;
        while self.sign(&['&', '+']) {
            let more = self.one(wanted, depth)?;
            cubes = if wanted { product(&cubes, &more)? } else { union(cubes, more)? };
        }
        Some(cubes)
    }

    fn one(&mut self, wanted: bool, depth: usize) -> Option<Cubes> {
        let mut wanted = wanted;
        while self.sign(&['!']) {
            wanted = !wanted;
        }
        if self.sign(&['(']) {
            if depth == DEEPEST {
                return None;
            }
            let cubes = self.either(wanted, depth + 1)?;
            return self.sign(&[')']).then_some(cubes);
        }
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        let lower = word.to_ascii_lowercase();
        let alias = match lower.as_str() {
            "tcp-established" => Some("(ack | rst)"),
            "tcp-initial" => Some("(!ack & syn)"),
            _ => None,
        };
        if let Some(alias) = alias.filter(|_| self.names.iter().any(|(name, _)| *name == lower)) {
            return Reader { rest: alias, names: self.names }.either(wanted, DEEPEST - 1);
        }
        let named = self.names.iter().find(|(name, _)| *name == lower).map(|(_, bits)| *bits);
        let bits = u8::try_from(named.or_else(|| number(&lower))?).ok().filter(|bits| *bits > 0)?;
        Some(if wanted {
            Cubes::from([(bits, 0)])
        } else {
            (0..8).map(|bit| 1 << bit).filter(|bit| bits & bit != 0).map(|bit| (0, bit)).collect()
        })
    }
}

fn union(mut one: Cubes, other: Cubes) -> Option<Cubes> {
    one.extend(other);
    (one.len() <= MOST).then_some(one)
}

fn product(one: &Cubes, other: &Cubes) -> Option<Cubes> {
    let mut cubes = Cubes::new();
    for (set, clear) in one {
        for (more_set, more_clear) in other {
            let (set, clear) = (set | more_set, clear | more_clear);
            if set & clear == 0 {
                cubes.insert((set, clear));
            }
        }
    }
    (cubes.len() <= MOST).then_some(cubes)
}
