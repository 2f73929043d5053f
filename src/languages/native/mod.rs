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
//! | `keys`, `values` | which key belongs where; lists, words and the help that a key gives |

use super::Language;
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

pub(super) const LANGUAGE: Language =
    Language { name: "native", extensions: &["yaml", "yml"], parse: file::parse };

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
