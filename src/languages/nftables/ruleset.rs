//! The ruleset as the kernel holds it after all commands: tables, their chains, sets and limits.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::names::Kind;
use super::tree::{Element, Limit, Rule};
use crate::model::{Diagnostic, Location, Spanned};

/// The family of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum TableFamily {
    Ip,
    Ip6,
    Inet,
    Netdev,
    Arp,
    Bridge,
}

/// The words for them.
pub(super) const FAMILIES: &[(&str, TableFamily)] = &[
    ("ip", TableFamily::Ip),
    ("ip6", TableFamily::Ip6),
    ("inet", TableFamily::Inet),
    ("netdev", TableFamily::Netdev),
    ("arp", TableFamily::Arp),
    ("bridge", TableFamily::Bridge),
];

impl TableFamily {
    /// Reads its word.
    pub(super) fn named(word: &str) -> Option<TableFamily> {
        FAMILIES.iter().find(|(own, _)| *own == word).map(|(_, family)| *family)
    }

    pub(super) fn word(self) -> &'static str {
        FAMILIES.iter().find(|(_, own)| *own == self).map_or("", |(word, _)| word)
    }
}

/// Everything, in the order in which it was made.
#[derive(Debug, Default)]
pub(super) struct Ruleset {
    pub(super) tables: Vec<Table>,
    /// How many base chains were registered.
    registered: usize,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) family: TableFamily,
    pub(super) name: String,
    pub(super) location: Location,
    /// Whether its base chains see no packets.
    pub(super) dormant: bool,
    pub(super) chains: Vec<Chain>,
    by_name: HashMap<String, usize>,
    pub(super) sets: BTreeMap<String, Set>,
    pub(super) limits: BTreeMap<String, Spanned<Limit>>,
    pub(super) flowtables: BTreeSet<String>,
    /// Objects that rules give connections: helpers, timeouts, expectations; as they are written.
    pub(super) objects: Vec<Spanned<String>>,
}

/// A chain.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) name: String,
    pub(super) location: Location,
    pub(super) base: Option<Base>,
    /// Whether the policy is drop.
    pub(super) policy: Option<Spanned<bool>>,
    /// Remarks above the line of the policy.
    pub(super) policy_remarks: Vec<Spanned<String>>,
    pub(super) rules: VecDeque<Rule>,
}

/// What makes a chain a base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// `filter`, `nat` or `route`.
    pub(super) kind: String,
    pub(super) hook: String,
    pub(super) priority: i64,
    /// The devices of an ingress or egress hook.
    pub(super) devices: Vec<String>,
    /// Which of all base chains it was.
    pub(super) registered: usize,
    pub(super) location: Location,
}

/// A named set or map.
#[derive(Debug, Default)]
pub(super) struct Set {
    /// What the parts of its values are, where their types say so.
    pub(super) kinds: Vec<Option<Kind>>,
    /// Whether elements may be more than one value.
    pub(super) intervals: bool,
    /// Whether elements may overlap.
    pub(super) merges: bool,
    /// Whether its type is written.
    pub(super) is_typed: bool,
    /// Whether no rule may write to it.
    pub(super) constant: bool,
    /// Where it is declared.
    pub(super) location: Option<Location>,
    pub(super) elements: Vec<Element>,
    /// How long elements stay that say nothing else.
    pub(super) timeout_s: Option<u64>,
    /// How many elements have room.
    pub(super) size: Option<u64>,
    /// Whether elements go by themselves, or each carries a limit, a quota or the like.
    pub(super) varies: bool,
}

impl Ruleset {
    pub(super) fn table(&self, family: TableFamily, name: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.family == family && table.name == name)
    }

    /// Makes a table, or returns the one that is there.
    pub(super) fn add_table(
        &mut self,
        family: TableFamily,
        name: &str,
        location: Location,
    ) -> usize {
        if let Some(at) = self.table(family, name) {
            return at;
        }
        self.tables.push(Table {
            family,
            name: name.to_owned(),
            location,
            dormant: false,
            chains: Vec::new(),
            by_name: HashMap::new(),
            sets: BTreeMap::new(),
            limits: BTreeMap::new(),
            flowtables: BTreeSet::new(),
            objects: Vec::new(),
        });
        self.tables.len() - 1
    }

    /// Makes a chain a base chain, if it is none yet.
    pub(super) fn register(&mut self, table: usize, chain: usize, mut base: Base) {
        base.registered = self.registered;
        self.registered += 1;
        self.tables[table].chains[chain].base.get_or_insert(base);
    }
}

impl Table {
    pub(super) fn chain(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Makes a chain, or returns the one that is there.
    pub(super) fn add_chain(&mut self, name: &str, location: Location) -> usize {
        if let Some(at) = self.chain(name) {
            return at;
        }
        self.chains.push(Chain {
            name: name.to_owned(),
            location,
            base: None,
            policy: None,
            policy_remarks: Vec::new(),
            rules: VecDeque::new(),
        });
        self.by_name.insert(name.to_owned(), self.chains.len() - 1);
        self.chains.len() - 1
    }

    pub(super) fn remove_chain(&mut self, name: &str) {
        if let Some(at) = self.chain(name) {
            self.chains.remove(at);
            self.by_name =
                self.chains.iter().enumerate().map(|(at, own)| (own.name.clone(), at)).collect();
        }
    }

    /// Makes a set, or returns the one that is there.
    pub(super) fn add_set(&mut self, name: &str) -> &mut Set {
        self.sets.entry(name.to_owned()).or_default()
    }
}

/// The names of priorities (nft(8), "standard priority names").
const PRIORITIES: &[(&str, i64)] = &[
    ("raw", -300),
    ("mangle", -150),
    ("dstnat", -100),
    ("filter", 0),
    ("security", 50),
    ("out", 100),
    ("srcnat", 100),
];

/// Reads the name of a priority.
pub(super) fn priority(word: &str) -> Option<i64> {
    PRIORITIES.iter().find(|(name, _)| *name == word).map(|(_, priority)| *priority)
}

/// Returns whether a name of a priority may stand for one of a chain (nft(8), "standard priority
/// names").
pub(super) fn is_priority_of(word: &str, family: TableFamily, hook: &str) -> bool {
    match (family, word) {
        (_, "filter") => true,
        (TableFamily::Bridge, "out") => hook == "output",
        (TableFamily::Bridge, "dstnat") => hook == "prerouting",
        (TableFamily::Bridge, "srcnat") => hook == "postrouting",
        (TableFamily::Bridge | TableFamily::Netdev | TableFamily::Arp, _) => false,
        (_, "dstnat") => ["prerouting", "output"].contains(&hook),
        (_, "srcnat") => ["postrouting", "input"].contains(&hook),
        (_, "out") => false,
        _ => true,
    }
}

/// Says that something is not there that a command needs.
pub(super) fn absent(location: Location, kind: &str, name: &str) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(location, format!("there is no {kind} `{name}` here"))
            .label(format!("no such {kind}"))
            .help(format!("give the file that makes the {kind} as well, before this one")),
    )
}
