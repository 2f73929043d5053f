//! What someone accepts until a date.

use super::source::{Location, Spanned};
use super::time::Timestamp;

/// Findings of one guardrail about one rule, accepted until a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The guardrail's id.
    pub guardrail: Spanned<String>,
    /// The rule's id; `default` is the end of the set.
    pub rule: Spanned<String>,
    /// Whose harm is accepted; nobody for findings that are about the rule alone.
    pub customers: Vec<Spanned<String>>,
    /// Why, in one line.
    pub reason: String,
    /// From then on the findings count again.
    pub until: Spanned<Timestamp>,
    /// Who accepts it.
    pub owner: String,
    /// Where it stands.
    pub location: Location,
}
