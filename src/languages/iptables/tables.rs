//! Tables, their chains and their rules, as the files hold them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::ipset::Sets;
use super::spec::Spec;
use crate::model::{DefaultAction, Family, Location, SourceId, Spanned};

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Table {
    /// Before connection tracking.
    Raw,
    /// Changes to packets.
    Mangle,
    /// Changes to addresses.
    Nat,
    /// What is meant by a firewall.
    Filter,
    /// Mandatory access control.
    Security,
}

/// Every table with its name and the chains that it starts with (iptables(8)).
pub(super) const TABLES: &[(Table, &str, &[&str])] = &[
    (Table::Raw, "raw", &["PREROUTING", "OUTPUT"]),
    (Table::Mangle, "mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    (Table::Nat, "nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    (Table::Filter, "filter", &["INPUT", "FORWARD", "OUTPUT"]),
    (Table::Security, "security", &["INPUT", "FORWARD", "OUTPUT"]),
];

impl Table {
    /// Returns its name.
    pub(super) fn name(self) -> &'static str {
        TABLES.iter().find(|(table, _, _)| *table == self).map_or("", |(_, name, _)| name)
    }

    /// Returns the chains that it starts with.
    pub(super) fn builtin(self) -> &'static [&'static str] {
        TABLES.iter().find(|(table, _, _)| *table == self).map_or(&[], |(_, _, chains)| chains)
    }
}

/// All that the files hold.
#[derive(Debug, Default)]
pub(super) struct Written<'a> {
    /// The tables of each family.
    pub(super) tables: BTreeMap<(Family, Table), Chains<'a>>,
    /// The sets.
    pub(super) sets: Sets,
    /// How many rules each file holds.
    pub(super) counts: BTreeMap<SourceId, usize>,
}

/// The chains of a table.
#[derive(Debug)]
pub(super) struct Chains<'a> {
    /// Where the table opens.
    pub(super) location: Location,
    /// Its chains, in order.
    pub(super) chains: Vec<Chain<'a>>,
    index: HashMap<String, usize>,
    /// Whether commands fill it.
    pub(super) is_shell: bool,
}

/// One chain.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    /// Its name.
    pub(super) name: String,
    /// Where it is made, or first used.
    pub(super) location: Location,
    /// What a base chain does with what no rule of it decides, if it says.
    pub(super) policy: Option<Spanned<DefaultAction>>,
    /// What is said to blastgate above the policy.
    pub(super) notes: Vec<Note<'a>>,
    /// Its rules.
    pub(super) rules: VecDeque<Rule<'a>>,
}

/// One rule and what is said above it.
#[derive(Debug)]
pub(super) struct Rule<'a> {
    /// The rule.
    pub(super) spec: Spec<'a>,
    /// What is said to blastgate above it.
    pub(super) notes: Vec<Note<'a>>,
}

/// A comment to blastgate.
#[derive(Clone, Debug)]
pub(super) struct Note<'a> {
    /// Its text without the sign.
    pub(super) text: &'a str,
    /// Where the text stands.
    pub(super) location: Location,
}

impl<'a> Chains<'a> {
    /// Makes a table with the chains that it starts with.
    pub(super) fn new(table: Table, location: Location, is_shell: bool) -> Chains<'a> {
        let mut chains = Chains { location, chains: Vec::new(), index: HashMap::new(), is_shell };
        for name in table.builtin() {
            chains.add(name, location);
        }
        chains
    }

    /// Returns the position of a chain.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Adds a chain and returns its position.
    pub(super) fn add(&mut self, name: &str, location: Location) -> usize {
        self.index.insert(name.to_owned(), self.chains.len());
        self.chains.push(Chain {
            name: name.to_owned(),
            location,
            policy: None,
            notes: Vec::new(),
            rules: VecDeque::new(),
        });
        self.chains.len() - 1
    }
}

/// One table of one file.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// Its family, where a command tells.
    pub(super) family: Option<Family>,
    /// Which table.
    pub(super) table: Table,
    /// What is in it.
    pub(super) chains: Chains<'a>,
}
