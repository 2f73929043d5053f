//! iptables: what `iptables-save`, `ip6tables-save` and `ipset save` print, and plain commands.
//!
//! Three entries of the list of languages: `iptables-legacy` and `iptables-nft` are read as that
//! backend has them, `iptables` as the worse of the two.
//!
//! | file | reads |
//! |---|---|
//! | `lex` | a line into words |
//! | `file`, `tables` | the lines of a file into tables, chains and rules |
//! | `family` | whether a file is for IPv4 or IPv6 |
//! | `spec`, `extensions` | a rule into its conditions, matches and target |
//! | `ipset` | sets |
//! | `conditions`, `members`, `unrecorded`, `limits` | matches |
//! | `targets` | what becomes of a packet |
//! | `facts`, `context` | what the rest of the rule set does to what a rule sees |
//! | `refused`, `places` | what reads well, but iptables-restore(8) does not load |
//! | `not_followed` | what rules do to packets besides letting them pass or not |
//! | `program` | the tables in the order of the kernel, as chains |
//!
//! Sources: iptables(8), iptables-extensions(8), ipset(8), net/ipv4/netfilter, net/netfilter.
//!
//! Not followed: iptables-legacy drops TCP fragments that begin at byte 8, and packets too short
//! for the header of their protocol, wherever a rule asks for a part of that header.

#![expect(
    clippy::result_large_err,
    reason = "a diagnostic is made once, and the file that it is about is not read on in a hurry"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Files, Language, Sure, no_includes};
use crate::chains::{self, Flat};
use crate::model::{
    Action, Coverage, Default, DefaultAction, Diagnostic, Family, Location, Match, Rule, RuleSet,
    Severity, Spanned, Term,
};
use context::{Backend, Hook};
use tables::{Chains, Table, Written};

mod conditions;
mod constructs;
mod context;
mod extensions;
mod facts;
mod family;
mod file;
mod ipset;
mod lex;
mod limits;
mod members;
mod names;
mod not_followed;
mod places;
mod program;
mod refused;
mod spec;
mod tables;
mod targets;
mod unrecorded;
mod values;

/// Where nobody says which backend, the worse of both.
pub(super) const EITHER: Language = Language {
    name: "iptables",
    extensions: &["iptables", "ip6tables", "ipset"],
    detect,
    includes: no_includes,
    parse: |files| parse(files, Backend::Either),
    constructs: constructs::CONSTRUCTS,
    frame: constructs::frame,
};

/// ip_tables and its matches.
pub(super) const LEGACY: Language = Language {
    name: "iptables-legacy",
    extensions: &["iptables-legacy"],
    detect: |_| Sure::No,
    parse: |files| parse(files, Backend::Legacy),
    constructs: &[],
    ..EITHER
};

/// iptables over nftables.
pub(super) const NFT: Language = Language {
    name: "iptables-nft",
    extensions: &["iptables-nft"],
    detect: |_| Sure::No,
    parse: |files| parse(files, Backend::Nft),
    constructs: &[],
    ..EITHER
};

/// A file opens a table, or makes a set, or is a list of commands.
fn detect(text: &str) -> Sure {
    let tables = tables::TABLES;
    let speaks = |line: &str| {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('*') {
            return tables.iter().any(|(_, name, _)| *name == table);
        }
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or("");
        let second = words.next().unwrap_or("");
        match first.rsplit('/').next().unwrap_or("") {
            "create" => ["hash:", "bitmap:", "list:"]
                .iter()
                .any(|kind| words.next().is_some_and(|word| word.starts_with(kind))),
            "iptables" | "ip6tables" | "ipset" => !second.is_empty(),
            _ => false,
        }
    };
    match text.lines().any(speaks) {
        true => Sure::Certain,
        false => Sure::No,
    }
}

/// Reads all files of a rule set.
fn parse(files: &Files<'_>, backend: Backend) -> (RuleSet, Vec<Diagnostic>) {
    let (written, mut problems) = file::read(files.sources, files.files);
    let mut not_understood = Vec::new();
    refused::check(&written, &mut not_understood, &mut problems);
    places::check(&written, backend, &mut problems);
    let mut set = RuleSet { files: files.files.len(), ..RuleSet::empty() };
    let mut bounded: Vec<(Location, String)> = Vec::new();
    let mut ends: Vec<(Family, Default)> = Vec::new();
    for family in [Family::V4, Family::V6] {
        let tables: BTreeMap<Table, &Chains<'_>> = written
            .tables
            .iter()
            .filter(|((own, _), _)| *own == family)
            .map(|((_, table), chains)| (*table, chains))
            .collect();
        let facts = facts::of(&tables, family);
        let mut maker = program::Maker {
            tables: &tables,
            family,
            backend,
            way: files.way,
            sets: &written.sets,
            facts: &facts,
            problems: Vec::new(),
            bounded: Vec::new(),
        };
        let program = maker.program();
        let is_broken = !maker.problems.is_empty();
        problems.append(&mut maker.problems);
        bounded.append(&mut maker.bounded);
        if is_broken {
            continue;
        }
        let Flat { rules, default, problems: found, bounded: more } = chains::lay_out(program);
        problems.extend(found);
        bounded.extend(more);
        set.rules.extend(rules.into_iter().map(|rule| of_family(rule, family)));
        ends.push((family, default));
    }
    end(&mut set, ends);
    off_the_way(&written, files, &mut bounded, &mut problems);
    let not_judged = not_judged(&written, files);
    let not_followed = not_followed::of(&written);
    bounded.sort();
    bounded.dedup();
    for (source, rules) in &written.counts {
        let own = |all: &[(Location, String)]| {
            all.iter().filter(|(place, _)| place.source == *source).cloned().collect()
        };
        set.coverage.push(Coverage {
            bounded: own(&bounded),
            not_understood: own(&not_understood),
            not_judged: own(&not_judged),
            not_followed: own(&not_followed),
            ..Coverage::new(*source, *rules)
        });
    }
    let rank = |problem: &Diagnostic| {
        let place = problem.location;
        let file = place.and_then(|place| files.files.iter().position(|id| *id == place.source));
        (file, place.map(|place| place.span))
    };
    problems.sort_by_cached_key(rank);
    (set, problems)
}

/// Holds a rule to its family.
fn of_family(mut rule: Rule, family: Family) -> Rule {
    let location = rule.location;
    rule.matches.terms.insert(0, Spanned::new(Term::Family(family), location));
    rule
}

/// Joins the ends of both families: a rule for the one that drops alone.
fn end(set: &mut RuleSet, ends: Vec<(Family, Default)>) {
    let drops = |(_, end): &&(Family, Default)| end.action == DefaultAction::Drop;
    let dropping: Vec<&(Family, Default)> = ends.iter().filter(drops).collect();
    if let [(_, v4), (_, v6)] = dropping.as_slice()
        && v4.intent == v6.intent
    {
        set.default = v4.clone();
        return;
    }
    let ids: HashSet<String> = set.rules.iter().map(|rule| rule.id.clone()).collect();
    for (family, end) in dropping {
        let Some(location) = end.location else { continue };
        let mut id = if *family == Family::V4 { "policy" } else { "ip6-policy" }.to_owned();
        while ids.contains(&id) {
            id.push('.');
        }
        set.rules.push(Rule {
            id,
            location,
            description: None,
            owner: None,
            ticket: None,
            expires: None,
            matches: Match { terms: vec![Spanned::new(Term::Family(*family), location)] },
            action: Spanned::new(Action::Drop, location),
            intent: end.intent.clone(),
            waivers: Vec::new(),
        });
    }
}

/// Returns the chains that packets on the way do not come to, with all that they go to.
fn not_judged(written: &Written<'_>, files: &Files<'_>) -> Vec<(Location, String)> {
    let way = program::passed(files.way.path);
    let mut all = Vec::new();
    let mut sets: HashMap<&str, String> = HashMap::new();
    for ((family, table), chains) in &written.tables {
        // Lines of the other family are loaded by its own program.
        for rule in chains.chains.iter().flat_map(|chain| &chain.rules) {
            let own = if *family == Family::V4 { "4" } else { "6" };
            if rule.spec.only.as_ref().is_some_and(|only| only.text != own) {
                all.push((rule.spec.location, format!("{} {}", table.name(), rule.spec.text)));
            }
        }
        for name in table.builtin() {
            let is_on = way.iter().any(|(own, hook)| own == table && hook.chain() == *name);
            // What the host itself sends leaves by the same chain, and is not judged there.
            let is_judged = is_on && *name != "POSTROUTING";
            let Some(first) = chains.find(name).filter(|_| !is_judged) else { continue };
            let drops = chains.chains[first].policy.as_ref();
            let drops = drops.is_some_and(|policy| policy.value == DefaultAction::Drop);
            let mut text = format!("{family:?} {} {drops}", table.name());
            let (mut open, mut met) = (vec![first], BTreeSet::new());
            while let Some(at) = open.pop() {
                if !met.insert(at) {
                    continue;
                }
                let chain = &chains.chains[at];
                text.push_str(" :");
                text.push_str(&chain.name);
                for rule in &chain.rules {
                    text.push_str(" ; ");
                    text.push_str(&rule.spec.text);
                    for setting in rule.spec.uses.iter().flat_map(|one| &one.settings) {
                        if setting.name == "match-set" {
                            let name = setting.value(0);
                            let digest = || {
                                let mut hasher = DefaultHasher::new();
                                written.sets.text(name).hash(&mut hasher);
                                format!(" {:x}", hasher.finish())
                            };
                            text.push_str(sets.entry(name).or_insert_with(digest));
                        }
                    }
                    let target = rule.spec.target.as_ref();
                    open.extend(target.and_then(|target| chains.find(&target.name.text)));
                }
            }
            if drops || met.iter().any(|at| !chains.chains[*at].rules.is_empty()) {
                all.push((chains.chains[first].location, text));
            }
        }
    }
    all
}

/// Says which chains are not on the way of the packets; a set of which nothing is cannot be
/// judged.
fn off_the_way(
    written: &Written<'_>,
    files: &Files<'_>,
    bounded: &mut Vec<(Location, String)>,
    problems: &mut Vec<Diagnostic>,
) {
    let way = program::passed(files.way.path);
    let (mut on, mut off) = (0, Vec::new());
    for ((_, table), chains) in &written.tables {
        for name in table.builtin() {
            let Some(at) = chains.find(name) else { continue };
            let chain = &chains.chains[at];
            let is_on = way.iter().any(|(own, hook)| own == table && hook.chain() == *name);
            let drops =
                chain.policy.as_ref().is_some_and(|policy| policy.value == DefaultAction::Drop);
            let says = usize::from(!chain.rules.is_empty() || drops);
            if is_on {
                on += says;
            } else if says > 0 {
                off.push((*table, *name, chain));
            }
        }
    }
    for (table, name, chain) in &off {
        let why = format!(
            "{} {name} is not on the way that is judged: {} rules are passed over",
            table.name(),
            chain.rules.len()
        );
        bounded.push((chain.location, why));
    }
    let has_error = problems.iter().any(|problem| problem.severity == Severity::Error);
    let first = off.iter().find(|(_, name, _)| *name == Hook::Input.chain()).or(off.first());
    if let Some((table, name, chain)) = first
        && on == 0
        && !has_error
    {
        let help = match *name {
            "INPUT" => "say `--path input` to judge what comes to the router itself",
            "FORWARD" => "say `--path forward` to judge what goes through the router",
            _ => "say with `--path` which chains the packets pass; OUTPUT is none of them",
        };
        problems.push(
            Diagnostic::warning(chain.location, "none of the rules is on the way of the packets")
                .label(format!("{} {name} is not passed", table.name()))
                .help(help),
        );
    }
}

#[cfg(test)]
mod tests;
