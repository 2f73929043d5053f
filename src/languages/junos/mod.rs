//! Junos firewall filters and policers, in the `set` form or with braces. All files of a set are
//! one configuration.
//!
//! Judged is what packets meet: the filter (or the list of filters) that interfaces apply. Where
//! interfaces apply different ones, `--iif` or `--oif` says whose packets are meant; where none
//! is applied, there must be one filter only for each family. A filter of `family inet` has no say
//! over IPv6, so that its implicit discard is a rule with a family of its own.
//!
//! | file | reads |
//! |---|---|
//! | `applied` | which filters packets meet |
//! | `filter` | terms and what they do |
//! | `from` | conditions |
//! | `addresses` | lists of prefixes with exceptions |
//! | `policer` | policers |
//! | `known` | mistyped words around them |

use super::{Files, Language, Sure, no_includes};
use crate::junos::{self, Tree};
use crate::model::{Coverage, Diagnostic, RuleSet};

mod addresses;
mod applied;
mod constructs;
mod filter;
mod from;
mod known;
mod policer;

pub(super) const LANGUAGE: Language = Language {
    name: "junos",
    extensions: &["conf", "set", "junos"],
    detect,
    includes: no_includes,
    parse,
    constructs: constructs::ALL,
    frame: constructs::frame,
};

fn detect(text: &str) -> Sure {
    let mentions = |path: &[&str]| junos::mentions(text, path);
    if mentions(&["firewall", "filter"]) || mentions(&["firewall", "family"]) {
        return Sure::Certain;
    }
    let parts: &[&[&str]] = &[&["policy-options", "prefix-list"], &["firewall", "policer"]];
    let is_part = parts.iter().any(|path| mentions(path));
    if is_part || junos::is_lines(text) { Sure::Maybe } else { Sure::No }
}

fn parse(files: &Files<'_>) -> (RuleSet, Vec<Diagnostic>) {
    let (tree, mut problems) = Tree::read(files.sources, files.files);
    known::check(&tree, &mut problems);
    let judged = applied::choose(&tree, files, &mut problems);
    let mut set = filter::lay_out(&tree, &judged, files.files, &mut problems);
    let besides = applied::not_judged(&tree, &judged);
    Coverage::add_not_judged(&mut set.coverage, &besides);
    Coverage::add_sharing(&mut set.coverage, &applied::sharing(&tree));
    (set, problems)
}

#[cfg(test)]
mod tests;
