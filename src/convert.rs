//! The rules of one language in another, where that is exact; refused, with every place and
//! reason, where it is not.
//!
//! What is written is read back by the parser of its language and compared: a translation that
//! does not say the same is never handed out.

use crate::model::{Diagnostic, RuleSet};

mod native;

/// A language that rules can be written in.
pub struct Target {
    /// What `--to` calls it.
    pub name: &'static str,
    /// Writes a whole rule set, or says what cannot be written exactly.
    pub write: fn(&RuleSet) -> Result<String, Vec<Diagnostic>>,
}

/// Every language that rules can be written in.
pub const TARGETS: &[&Target] = &[&native::TARGET];

/// Writes a rule set in another language.
///
/// # Errors
///
/// Everything that cannot be written exactly, with its place.
pub fn convert(set: &RuleSet, target: &Target) -> Result<String, Vec<Diagnostic>> {
    let bounded = set.coverage.iter().flat_map(|file| &file.bounded);
    let bounded: Vec<Diagnostic> = bounded
        .map(|(place, why)| {
            Diagnostic::error(*place, format!("this is not exact already: {why}"))
                .label("only bounded")
                .help("no other language can say it exactly; write it by hand")
        })
        .collect();
    if bounded.is_empty() { (target.write)(set) } else { Err(bounded) }
}
