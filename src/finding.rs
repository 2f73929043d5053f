//! What a guardrail found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Location;

/// What a finding does to the verdict.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The rules are bad.
    Error,
    /// It cannot be judged.
    Unknown,
    /// Worth a look; fails only under `--strict`.
    Warning,
}

/// One thing that a guardrail found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The guardrail's id.
    pub guardrail: &'static str,
    /// What it does to the verdict.
    pub level: Level,
    /// The rule to blame, if there is one; `default` for the end of the set.
    pub rule: Option<String>,
    /// Where that rule stands.
    pub location: Option<Location>,
    /// Whom it concerns, by id, worst first.
    pub customers: Vec<String>,
    /// What was found: a whole sentence without its full stop, one line.
    pub message: String,
    /// What to do: one line.
    pub help: Option<String>,
    /// Whether `--strict` leaves a warning a warning.
    pub mild: bool,
    /// Whether someone accepted it until a date.
    pub waived: bool,
    /// The smallest scenario in which it is so; none is the recording as it is.
    pub scenario: Option<String>,
}

impl Finding {
    /// Sets whom it concerns.
    #[must_use]
    pub fn with_customers(mut self, customers: Vec<String>) -> Finding {
        self.customers = customers;
        self
    }
}

/// Writes a count with its noun: `1 customer`, `13 customers`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
