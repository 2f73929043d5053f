//! Output forms: a [`RunResult`] and a writer, nothing else. One file a form, and its two adjacent
//! lines here.
//!
//! Invariant: names, comments and messages are untrusted text. [`clean`] makes it harmless for
//! every form, and what a form's own syntax needs beyond that is done in that form's file.

use std::io;

use crate::result::{RunResult, Throughput};

mod concise;
pub mod diagnostics;
pub mod doctor;
mod entries;
mod escape;
mod github;
mod gitlab;
mod html;
mod json;
mod junit;
mod limits;
mod markdown;
mod sarif;
pub mod schema;
pub mod show;
mod text;
pub mod trace;

pub use escape::{clean, json_text};

/// Every form, in the order of help.
pub const FORMS: &[&Form] = &[
    &text::FORM,
    &concise::FORM,
    &json::FORM,
    &sarif::FORM,
    &junit::FORM,
    &github::FORM,
    &gitlab::FORM,
    &markdown::FORM,
    &html::FORM,
];

/// One output form.
pub struct Form {
    /// What `--output` calls it.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// Writes the result.
    pub write: fn(result: &RunResult, style: Style, out: &mut dyn io::Write) -> io::Result<()>,
    /// What is appended besides to a file that the environment names, if it names one.
    pub appends: Option<Appendix>,
}

/// A form that goes, besides, to the end of a file that an environment variable names.
pub struct Appendix {
    /// The variable.
    pub variable: &'static str,
    /// The name of the form.
    pub form: &'static str,
}

/// How a form for people may look. Forms for machines are the same whatever it says.
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

/// Writes a rate of traffic: `1.5 Gbps`.
fn throughput(rate: Throughput) -> String {
    for (scale, unit) in [(1e12, "Tbps"), (1e9, "Gbps"), (1e6, "Mbps"), (1e3, "kbps")] {
        if rate.bps >= scale {
            let text = format!("{:.1}", rate.bps / scale);
            return format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text));
        }
    }
    format!("{:.0} bps", rate.bps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_names_are_unique_and_appendices_name_forms() {
        let mut names: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
        for appendix in FORMS.iter().filter_map(|form| form.appends.as_ref()) {
            assert!(names.contains(&appendix.form), "{}", appendix.form);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FORMS.len());
    }
}
