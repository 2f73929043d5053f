//! What rules do to packets and leave behind, looked up before any of them is laid out: later
//! conditions hang on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::cursor::unquoted;
use super::ruleset::Ruleset;
use super::tree::{Dynamic, Expr, Statement};

/// What the rules of a ruleset do.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Whether anything asks for connection tracking, which puts fragments together.
    pub(super) tracks: bool,
    /// Chains with a translation of destinations, and of sources: by hook and priority, all that
    /// come later see other addresses.
    pub(super) translates: bool,
    /// Fields of headers that rules write.
    pub(super) rewrites: BTreeSet<String>,
    /// By set (`family table set`): the statements that write to it.
    pub(super) writers: BTreeMap<String, Vec<Dynamic>>,
    /// Flow tables that rules give flows to.
    pub(super) offloads: bool,
    /// Tells apart rulesets that set marks, translate, write to sets or give flows away otherwise.
    pub(super) mark: String,
    /// The same for rules that leave packets out of connection tracking.
    pub(super) untracked: String,
}

/// A hash that is the same on every machine (FNV-1a).
pub(super) fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Returns the name of a set beyond its table.
pub(super) fn set_name(family: &str, table: &str, set: &str) -> String {
    format!("{family} {table} {set}")
}

impl Facts {
    /// Looks through all rules.
    pub(super) fn of(ruleset: &Ruleset) -> Facts {
        let mut facts = Facts::default();
        let (mut writes, mut untracked) = (String::new(), String::new());
        for table in ruleset.tables.iter().filter(|table| !table.dormant) {
            for chain in &table.chains {
                facts.tracks |= chain.base.as_ref().is_some_and(|base| base.kind == "nat");
                for rule in &chain.rules {
                    let mut acts = false;
                    for statement in &rule.statements {
                        acts |= facts.add(&statement.value, table.family.word(), &table.name);
                        if statement.value == Statement::Idle("notrack".to_owned()) {
                            note(&mut untracked, &chain.name, rule);
                        }
                    }
                    if acts {
                        note(&mut writes, &chain.name, rule);
                    }
                }
            }
        }
        let shown = |text: &str| match text.is_empty() {
            true => String::new(),
            false => format!(" (by rules #{:08x})", hash(text) as u32),
        };
        facts.mark = shown(&writes);
        facts.untracked = shown(&untracked);
        facts
    }

    /// Looks at a statement. Returns whether it leaves anything behind.
    fn add(&mut self, statement: &Statement, family: &str, table: &str) -> bool {
        match statement {
            Statement::Match { left, right, .. } => {
                self.look(left);
                self.look(right);
                false
            }
            Statement::VerdictMap { key, .. } => {
                self.look(key);
                false
            }
            Statement::Set { field, value } => {
                self.look(field);
                self.look(value);
                if let Expr::Field(words) = field
                    && !["meta ", "ct "].iter().any(|own| words.starts_with(own))
                {
                    self.rewrites.insert(words.clone());
                }
                true
            }
            Statement::Dynamic(dynamic) => {
                self.look(&dynamic.key);
                let name = set_name(family, table, &dynamic.set);
                self.writers.entry(name).or_default().push(dynamic.clone());
                for inner in &dynamic.statements {
                    self.add(inner, family, table);
                }
                true
            }
            Statement::Translate { .. } => {
                (self.tracks, self.translates) = (true, true);
                true
            }
            Statement::Offload(_) => {
                (self.tracks, self.offloads) = (true, true);
                true
            }
            Statement::Synproxy(_) | Statement::Transparent(_) => {
                self.tracks = true;
                false
            }
            Statement::Unrecorded(text) | Statement::Idle(text) => {
                self.tracks |= text.starts_with("ct ");
                false
            }
            _ => false,
        }
    }

    fn look(&mut self, expr: &Expr) {
        match expr {
            Expr::Field(words) => self.tracks |= words.starts_with("ct "),
            Expr::Concat(parts) | Expr::List(parts) => {
                parts.iter().for_each(|part| self.look(part))
            }
            Expr::Binary(_, left, right) | Expr::Map(left, right) => {
                self.look(left);
                self.look(right);
            }
            _ => {}
        }
    }
}

fn note(into: &mut String, chain: &str, rule: &super::tree::Rule) {
    into.push_str(unquoted(chain));
    for statement in &rule.statements {
        // Writing to a string cannot fail.
        let _ = write!(into, " {}", statement.value);
    }
    into.push('\n');
}
