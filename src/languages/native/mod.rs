//! The native rule language: YAML files with sets, rules, a default and the intent of each rule.
//!
//! Two passes: the sets of all files first, so that a set may stand in any of them, then the
//! rules. Every problem of every file is reported in one run, each with the text it is about; a
//! rule with a problem in its match or action is left out, never given wider than it is written.
//!
//! | file | reads |
//! |---|---|
//! | `file` | the files of a rule set, their default |
//! | `sets` | named sets of addresses |
//! | `rule` | one rule |
//! | `matches` | a match map |
//! | `action`, `rate_limit` | what a rule does |
//! | `intent` | what a rule is for |
//! | `waivers` | what is accepted of a rule, in comments above it |
//! | `keys`, `values` | which key belongs where; lists, words and the help that a key gives |

use super::{Language, Sure, no_includes};
use crate::model::{Intent, Match};
use crate::yaml::{Decoder, Node};

mod action;
mod file;
mod intent;
mod keys;
mod matches;
mod rate_limit;
mod rule;
mod sets;
mod values;
mod waivers;

pub(super) const LANGUAGE: Language = Language {
    name: "native",
    extensions: &["yaml", "yml"],
    detect,
    includes: no_includes,
    parse: file::parse,
    constructs: &[],
    frame: str::to_owned,
};

/// A file has one of the keys of a rule file at the edge of some line.
fn detect(text: &str) -> Sure {
    let starts = |line: &str| {
        // `{` opens a map of one line, or JSON.
        let line = line.strip_prefix('{').map_or(line, str::trim_start);
        let key = line.split_once(':').map_or("", |(key, _)| key.trim_end());
        keys::FILE.contains(&key.trim_matches(['"', '\'']))
    };
    match text.lines().any(starts) {
        true => Sure::Certain,
        false => Sure::No,
    }
}

/// Reads a match outside a rule set: the word `any` or a map of fields. There are no sets here,
/// so a `$set` is reported. Gives nothing if anything about it was reported.
pub fn parse_match(node: &Node, decoder: &mut Decoder) -> Option<Match> {
    matches::parse(node, &sets::Sets::none(), decoder)
}

/// Reads an intent outside a rule set, as the config's `intents` are. Gives nothing if anything
/// about it was reported.
pub fn parse_intent(node: &Node, decoder: &mut Decoder) -> Option<Intent> {
    intent::parse(node, "the intent", &sets::Sets::none(), decoder)
}

#[cfg(test)]
mod tests;
