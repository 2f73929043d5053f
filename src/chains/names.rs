//! The ids of rules: as written, or made of the chain and the text of the rule, so that a rule
//! that moves keeps its own.

use std::collections::{HashMap, HashSet};

use super::{Chain, ChainRule, Program};
use crate::model::{Diagnostic, Location};

/// Checks that no id is written at two rules.
pub(super) fn check(program: &Program) -> Vec<Diagnostic> {
    let mut seen: HashMap<&str, Location> = HashMap::new();
    let mut problems = Vec::new();
    for rule in program.chains.iter().flat_map(|chain| &chain.rules) {
        let Some(id) = &rule.remark.id else { continue };
        match seen.get(id.value.as_str()) {
            Some(first) => problems.push(
                Diagnostic::error(id.location, format!("rule `{}` is there twice", id.value))
                    .label("same id again")
                    .also(*first, "first used here")
                    .help("give each rule of the set, in all its files, an id of its own"),
            ),
            None => {
                seen.insert(&id.value, id.location);
            }
        }
    }
    problems
}

/// Returns what a rule is called before repeats are told apart.
pub(super) fn of(chain: &Chain, rule: &ChainRule) -> String {
    match (&rule.remark.id, &rule.id) {
        (Some(id), _) => id.value.clone(),
        (None, Some(id)) => clean(id),
        (None, None) => format!("{}-{:08x}", clean(&chain.name), hash(rule.text.as_bytes()) as u32),
    }
}

/// Returns what the rule of a policy is called.
pub(super) fn of_policy(chain: &Chain) -> String {
    format!("{}-policy", clean(&chain.name))
}

/// Makes a text fit to be an id.
fn clean(text: &str) -> String {
    let mut clean: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .collect();
    let cut = clean.len() - clean.trim_start_matches(['.', '_', '-']).len();
    clean.drain(..cut);
    if clean.is_empty() || clean == "default" { "rule".to_owned() } else { clean }
}

/// Hashes by FNV-1a (64 bits), which is the same on every machine and in every version.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    // The low bits of FNV are its weaker ones.
    hash ^ (hash >> 32)
}

/// The ids that are taken.
pub(super) struct Names {
    taken: HashSet<String>,
    /// How often each was asked for.
    asked: HashMap<(String, bool), usize>,
}

impl Names {
    /// Ids that are written are for those that they are written at.
    pub(super) fn new(program: &Program) -> Names {
        let rules = program.chains.iter().flat_map(|chain| &chain.rules);
        let written = rules.filter_map(|rule| rule.remark.id.as_ref());
        Names { taken: written.map(|id| id.value.clone()).collect(), asked: HashMap::new() }
    }

    /// Returns an id that is unique in the set: the first to ask gets what it asks for, repeats
    /// get `.2`, `.3`. `is_written` says that the id is written at the rule.
    pub(super) fn unique(&mut self, wanted: String, is_written: bool) -> String {
        let asked = self.asked.entry((wanted.clone(), is_written)).or_insert(0);
        *asked += 1;
        if *asked == 1 && (is_written || self.taken.insert(wanted.clone())) {
            return wanted;
        }
        loop {
            let number = (*asked).max(2);
            let id = format!("{wanted}.{number}");
            if self.taken.insert(id.clone()) {
                return id;
            }
            *asked = number + 1;
        }
    }
}
