//! Output forms: a [`Report`] and a writer, nothing else. One file a form, and its two adjacent
//! lines here.

use std::io;

use crate::report::Report;

mod json;
mod text;

/// Every form, in the order of help.
pub const FORMS: &[&Form] = &[&text::FORM, &json::FORM];

/// One output form.
pub struct Form {
    /// What `--output` calls it.
    pub name: &'static str,
    /// Writes the report.
    pub write: fn(report: &Report, style: Style, out: &mut dyn io::Write) -> io::Result<()>,
}

/// How a form for people may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether escape sequences for colour may be written.
    pub color: bool,
    /// Whether more than one screen may be written.
    pub verbose: bool,
    /// Whether only the verdict is wanted.
    pub quiet: bool,
    /// Whether characters beyond ASCII may be written.
    pub unicode: bool,
}
