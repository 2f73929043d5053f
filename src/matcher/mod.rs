//! Compiled rules: decides which rules a record meets, in three values.
//!
//! A field that a record lacks makes a test "cannot tell" ([`Truth::Maybe`]), never false.
//! [`scan`] decides one rule after another; the engines leave out the rules that cannot match, and
//! must agree with it record by record.

use engine::Engine;
use lines::{Going, Lines, Point};
use materials::Materials;

use crate::model::{Action, Family, Known, Names, Record, RuleSet, UnmodelledKind};

mod bits;
mod condition;
mod engine;
mod lines;
mod materials;
pub mod scan;

pub use engine::Shape;
pub use materials::Limits;
pub use scan::Test;

/// One of Kleene's three values; the unknown one says which missing fields it hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It does not hold.
    No,
    /// It holds.
    Yes,
    /// It cannot be told without these fields.
    Maybe(Known),
}

impl Truth {
    /// Returns the known value.
    pub fn of(holds: bool) -> Truth {
        if holds { Truth::Yes } else { Truth::No }
    }

    /// Returns whether both hold.
    #[must_use]
    pub fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::No, _) | (_, Truth::No) => Truth::No,
            (Truth::Yes, truth) | (truth, Truth::Yes) => truth,
            (Truth::Maybe(a), Truth::Maybe(b)) => Truth::Maybe(a.with(b)),
        }
    }

    /// Returns whether either holds.
    #[must_use]
    pub fn or(self, other: Truth) -> Truth {
        self.negate().and(other.negate()).negate()
    }

    /// Returns whether it does not hold.
    #[must_use]
    pub fn negate(self) -> Truth {
        match self {
            Truth::No => Truth::Yes,
            Truth::Yes => Truth::No,
            maybe @ Truth::Maybe(_) => maybe,
        }
    }
}

/// A rule that a record meets, or may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// Position of the rule in its set.
    pub rule: u32,
    /// Number of its match, shared by equal matches of both sets: one unknown is one Boolean.
    pub matches: u32,
    /// The missing fields on which it hangs; none if it is certainly met.
    pub missing: u32,
}

impl Step {
    /// Returns whether the rule is certainly met.
    pub fn certain(self) -> bool {
        self.missing == 0
    }
}

/// The bit of [`Step::missing`] that says: the exporter is not recorded.
pub const EXPORTER: u32 = 1 << 14;

/// The bit of [`Step::missing`] that says: which bucket the record meets cannot be told.
pub const BUCKET: u32 = 1 << 13;

/// Says beside the bits of [`Step::missing`]: the recording is too coarse for a limit.
pub const COARSE: u32 = 1 << 12;

/// The bit of [`Step::missing`] that says: a condition of a rule is in no recording
/// ([`UnmodelledKind::NotRecorded`]).
pub const UNRECORDED: u32 = 1 << 16;

/// The bit of [`Step::missing`] that says: a condition of a rule is not understood
/// ([`UnmodelledKind::NotUnderstood`]).
pub const NOT_UNDERSTOOD: u32 = 1 << 17;

/// Returns the bit of a condition that cannot be told.
pub(crate) const fn unmodelled_bit(kind: UnmodelledKind) -> u32 {
    match kind {
        UnmodelledKind::NotRecorded => UNRECORDED,
        UnmodelledKind::NotUnderstood => NOT_UNDERSTOOD,
    }
}

/// Returns the words for the missing fields of a step, in a fixed order.
pub fn missing_words(missing: u32) -> Vec<&'static str> {
    const WORDS: &[(u32, &str)] = &[
        (Known::SRC.0, "src"),
        (Known::DST.0, "dst"),
        (Known::PROTOCOL.0, "protocol"),
        (Known::PORTS.0, "ports"),
        (Known::TCP_FLAGS.0, "tcp_flags"),
        (Known::ICMP.0, "icmp type and code"),
        (Known::LENGTH.0, "packet_length"),
        (Known::DSCP.0, "dscp"),
        (Known::TTL.0, "ttl"),
        (Known::FRAGMENT.0, "fragment"),
        (Known::POP.0, "pop"),
        (Known::DIRECTION.0, "direction"),
        (EXPORTER, "exporter"),
        (UNRECORDED, "what no recording shows"),
        (NOT_UNDERSTOOD, "knowing what a rule means"),
    ];
    WORDS.iter().filter(|(bit, _)| missing & bit != 0).map(|(_, word)| *word).collect()
}

/// How many rule sets are walked together.
const SIDES: usize = 2;

/// How often lists of lines are split again: by destination, by source, and once more.
const NESTING: u32 = 3;

/// A line of a [`Matcher`] that a record meets, or may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hit {
    /// The line.
    pub line: u32,
    /// The missing fields on which it hangs; none if it is certainly met.
    pub missing: u32,
}

/// One or two compiled rule sets, walked together.
#[derive(Clone, Debug)]
pub struct Matcher {
    lines: Lines,
    /// How many sets there are.
    sides: usize,
    /// By family; none looks at one line after another.
    engines: Option<[Engine; 2]>,
}

impl Matcher {
    /// Finds what a record meets, in all sets, up to where the last of its walks certainly ends.
    /// `hits` is cleared first.
    #[inline]
    pub fn hits(&self, record: &Record, hits: &mut Vec<Hit>) {
        hits.clear();
        let mut going = Going::new(hits, self.sides);
        let header = &record.header;
        match &self.engines {
            Some(engines) if header.known.has(Known::SRC.with(Known::DST)) => {
                let engine = &engines[usize::from(header.family == Family::V6)];
                engine.walk(&self.lines, &Point::of(header), record, &mut going);
            }
            _ => {
                for line in 0..self.lines.len() as u32 {
                    if going.is_behind(line) {
                        break;
                    }
                    self.lines.test(line, record, &mut going);
                }
            }
        }
        going.finish();
    }

    /// Returns how many lines there are: rules that both sets have in the same order are one.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Returns whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.lines.len() == 0
    }

    /// Returns the rules of a line, by set.
    pub fn rules(&self, line: usize) -> [Option<u32>; SIDES] {
        let rules = self.lines.get(line as u32).rules;
        rules.map(|rule| (rule != lines::NONE).then_some(rule))
    }

    /// Returns the way through one of the sets, up to the first rule that certainly takes the
    /// record and ends the walk. `steps` is cleared first.
    pub fn steps(&self, side: usize, hits: &[Hit], steps: &mut Vec<Step>) {
        steps.clear();
        for hit in hits {
            let line = self.lines.get(hit.line);
            let rule = line.rules[side];
            if rule == lines::NONE {
                continue;
            }
            steps.push(Step { rule, matches: line.matches, missing: hit.missing });
            if hit.missing == 0 && self.lines.ends(hit.line, side) {
                return;
            }
        }
    }

    /// Walks a record through one of the sets. `steps` is cleared first.
    pub fn walk(&self, side: usize, record: &Record, steps: &mut Vec<Step>) {
        let mut hits = Vec::new();
        self.hits(record, &mut hits);
        self.steps(side, &hits, steps);
    }

    /// Returns the same rules, to be looked at one by one: the slow twin that tests compare with.
    #[must_use]
    pub fn scanning(&self) -> Matcher {
        Matcher { engines: None, ..self.clone() }
    }

    /// Returns how the rules are looked at, by family.
    pub fn shapes(&self) -> [Shape; 2] {
        let mut shapes = [Shape::default(); 2];
        for (shape, engine) in shapes.iter_mut().zip(self.engines.iter().flatten()) {
            engine.describe(shape);
        }
        shapes
    }
}

/// Compiles one rule set, or two together, so that equal matches share their number and are looked
/// at once.
pub fn compile<const N: usize>(sets: [&RuleSet; N], names: &Names) -> Matcher {
    compile_within(Limits::default(), sets, names)
}

/// Compiles with other limits than the usual ones: results are the same.
pub fn compile_within<const N: usize>(
    limits: Limits,
    sets: [&RuleSet; N],
    names: &Names,
) -> Matcher {
    const { assert!(N == 1 || N == SIDES) };
    let (lines, conditions) = Lines::new(&sets, names);
    let engines = [Family::V4, Family::V6].map(|family| {
        let own = (0..lines.len() as u32).filter(|line| conditions.is_of(*line, family));
        let of = Materials { lines: &lines, conditions: &conditions, limits, nesting: NESTING };
        Engine::new(own.collect(), of, family)
    });
    Matcher { lines, sides: N, engines: Some(engines) }
}

/// Returns whether a packet that meets this action goes no further.
pub fn ends_walk(action: &Action) -> bool {
    match action {
        Action::Accept | Action::Drop | Action::Reject | Action::Challenge => true,
        Action::Redirect { .. } => true,
        Action::Log | Action::Mark { .. } | Action::RateLimit(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_neither_yes_nor_no() {
        let maybe = Truth::Maybe(Known::TTL);
        assert_eq!(maybe.and(Truth::No), Truth::No);
        assert_eq!(maybe.and(Truth::Yes), maybe);
        assert_eq!(maybe.or(Truth::Yes), Truth::Yes);
        assert_eq!(maybe.or(Truth::No), maybe);
        assert_eq!(maybe.negate(), maybe);
        let both = maybe.or(Truth::Maybe(Known::SRC));
        assert_eq!(both, Truth::Maybe(Known::TTL.with(Known::SRC)));
    }
}
