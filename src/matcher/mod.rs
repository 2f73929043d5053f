//! Compiled rules: decides which rules a record meets, in three values.
//!
//! A field that a record lacks makes a test "cannot tell" ([`Truth::Maybe`]), never false.
//! [`scan`] decides one rule after another; for larger sets a sieve by addresses leaves out the
//! rules that cannot match, and must agree with it record by record.

use std::collections::HashMap;

use index::Index;

use crate::model::{Action, DefaultAction, Known, Match, Names, Record, RuleSet};

mod index;
pub mod scan;

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
    pub missing: u16,
}

impl Step {
    /// Returns whether the rule is certainly met.
    pub fn certain(self) -> bool {
        self.missing == 0
    }
}

/// The bit of [`Step::missing`] that says: the exporter is not recorded.
pub const EXPORTER: u16 = 1 << 14;

/// The bit of [`Step::missing`] that says: which bucket the record meets cannot be told.
pub const BUCKET: u16 = 1 << 13;

/// Says beside the bits of [`Step::missing`]: the recording is too coarse for a limit.
pub const COARSE: u16 = 1 << 12;

/// Returns the words for the missing fields of a step, in a fixed order.
pub fn missing_words(missing: u16) -> Vec<&'static str> {
    const WORDS: &[(u16, &str)] = &[
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
    ];
    WORDS.iter().filter(|(bit, _)| missing & bit != 0).map(|(_, word)| *word).collect()
}

/// A compiled rule set.
#[derive(Clone, Debug)]
pub struct Matcher {
    rules: Vec<CompiledRule>,
    index: Option<Index>,
    /// What becomes of records that no rule decides.
    pub default: DefaultAction,
}

#[derive(Clone, Debug)]
struct CompiledRule {
    test: Test,
    matches: u32,
    ends_walk: bool,
}

impl Matcher {
    /// Walks a record through the rules, up to the first that certainly takes it and ends the
    /// walk. `steps` is cleared first.
    pub fn walk(&self, record: &Record, steps: &mut Vec<Step>) {
        steps.clear();
        // A rule set of more than four thousand million rules does not fit into memory.
        match self.index.as_ref().and_then(|index| index.rules(&record.header)) {
            Some(rules) => self.walk_rules(rules, record, steps),
            None => self.walk_rules(0..self.rules.len() as u32, record, steps),
        }
    }

    fn walk_rules(&self, rules: impl Iterator<Item = u32>, record: &Record, steps: &mut Vec<Step>) {
        for at in rules {
            let rule = &self.rules[at as usize];
            let missing = match rule.test.decide(record) {
                Truth::No => continue,
                Truth::Yes => Known::NONE,
                Truth::Maybe(missing) => missing,
            };
            steps.push(Step { rule: at, matches: rule.matches, missing: missing.0 });
            if missing == Known::NONE && rule.ends_walk {
                return;
            }
        }
    }

    /// Returns the same rules, to be looked at one by one: the slow twin that tests compare with.
    #[must_use]
    pub fn scanning(&self) -> Matcher {
        Matcher { index: None, ..self.clone() }
    }
}

/// Compiles rule sets together, so that equal matches share their number.
pub fn compile<const N: usize>(sets: [&RuleSet; N], names: &Names) -> [Matcher; N] {
    let mut numbers: HashMap<&Match, u32> = HashMap::new();
    sets.map(|set| Matcher {
        index: Index::new(set),
        rules: set
            .rules
            .iter()
            .map(|rule| {
                let next = numbers.len() as u32;
                CompiledRule {
                    test: Test::compile(&rule.matches, names),
                    matches: *numbers.entry(&rule.matches).or_insert(next),
                    ends_walk: ends_walk(&rule.action.value),
                }
            })
            .collect(),
        default: set.default.action,
    })
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
