//! Rule languages: text in, [`RuleSet`] and diagnostics out. One file (or folder) a language,
//! and its two adjacent lines here.

use crate::model::{Diagnostic, RuleSet, SourceId, Sources};

pub mod native;

/// Every language, in the order of detection.
pub const LANGUAGES: &[&Language] = &[&native::LANGUAGE];

/// One rule language.
pub struct Language {
    /// What `--language` calls it.
    pub name: &'static str,
    /// Ends of file names that may hold it, without the dot.
    pub extensions: &'static [&'static str],
    /// Parses all files of a rule set, in order. What could be read is returned together with
    /// what could not; a set with an error among its diagnostics must not be judged.
    pub parse: fn(sources: &Sources, files: &[SourceId]) -> (RuleSet, Vec<Diagnostic>),
}
