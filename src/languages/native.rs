//! To come.
use super::Language;
use crate::model::RuleSet;
pub(super) const LANGUAGE: Language = Language {
    name: "native",
    extensions: &["yaml", "yml"],
    parse: |_, _| (RuleSet::empty(), Vec::new()),
};
