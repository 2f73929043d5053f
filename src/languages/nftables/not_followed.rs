//! What rules do to packets besides letting them pass or not, and to frames that are none: what becomes
//! of them then is not followed, so that no change to it can be judged.

use std::collections::BTreeSet;

use super::ruleset::{Ruleset, Table};
use super::tree::{Expr, Rule, Statement};
use super::{frames, places};
use crate::model::Location;

/// Fields that stay with a packet inside of the host, and conditions on which hang on the rules
/// that set them.
const INSIDE: &[&str] = &[
    "meta mark",
    "ct mark",
    "ct label",
    "meta priority",
    "meta secmark",
    "ct secmark",
    "meta nftrace",
];

/// Returns what translates, rewrites or steers packets, each with all that it hangs on.
pub(super) fn of(ruleset: &Ruleset) -> Vec<(Location, String)> {
    let mut all = Vec::new();
    for table in ruleset.tables.iter().filter(|table| !table.dormant) {
        let name = format!("{} {}", table.family.word(), table.name);
        // Which packets a chain translates hangs on every rule that they pass there.
        let jumps = places::all_jumps(table);
        let mut translating: BTreeSet<usize> = BTreeSet::new();
        for (at, chain) in table.chains.iter().enumerate() {
            let Some(base) = chain.base.as_ref().filter(|base| base.kind == "nat") else {
                continue;
            };
            let (mut met, mut open) = (BTreeSet::new(), vec![at]);
            while let Some(one) = open.pop() {
                if met.insert(one) {
                    open.extend(jumps[one].iter().map(|(to, _)| *to));
                }
            }
            let rules = || met.iter().flat_map(|at| &table.chains[*at].rules);
            let translates = |rule: &Rule| {
                rule.statements.iter().any(|one| matches!(one.value, Statement::Translate { .. }))
            };
            if let Some(first) = rules().find(|rule| translates(rule)) {
                let mut text = format!("{name} {} {}", base.hook, base.priority);
                for one in &met {
                    text.push_str(&format!(" {}:", table.chains[*one].name));
                    table.chains[*one].rules.iter().for_each(|rule| write(&mut text, rule, table));
                }
                all.push((first.location, text));
                translating.extend(&met);
            }
        }
        for (at, chain) in table.chains.iter().enumerate() {
            if translating.contains(&at) {
                continue;
            }
            for rule in chain.rules.iter().filter(|rule| steers(rule)) {
                let mut text = format!("{name} {}", chain.name);
                write(&mut text, rule, table);
                all.push((rule.location, text));
            }
        }
        for (chain, rules) in frames::of(table) {
            let drops = chain.policy.as_ref().is_some_and(|drops| drops.value);
            let mut text = format!("{name} {}: frames that are not IP", chain.name);
            rules.iter().for_each(|rule| write(&mut text, rule, table));
            text.push_str(if drops { " ; drop" } else { " ; accept" });
            let place = rules.first().map_or(chain.location, |rule| rule.location);
            all.push((place, text));
        }
        let objects = table.objects.iter();
        all.extend(objects.map(|object| (object.location, format!("{name} {}", object.value))));
    }
    all
}

/// Returns whether a rule rewrites packets, or gives them or their connections away.
fn steers(rule: &Rule) -> bool {
    rule.statements.iter().any(|statement| match &statement.value {
        Statement::Translate { .. } | Statement::Transparent(_) => true,
        // A clamp to what fits does no harm.
        Statement::Set { value: Expr::Field(words), .. } if words == "rt mtu" => false,
        Statement::Set { field: Expr::Field(words), .. } => !INSIDE.contains(&words.as_str()),
        Statement::Set { .. } => true,
        Statement::Idle(text) => text.starts_with("ct ") || text.starts_with("reset "),
        _ => false,
    })
}

fn write(text: &mut String, rule: &Rule, table: &Table) {
    let from = text.len();
    text.push_str(" ;");
    for statement in &rule.statements {
        if !matches!(statement.value, Statement::Counter | Statement::Log) {
            text.push_str(&format!(" {}", statement.value));
        }
    }
    let mut elements = String::new();
    for (name, set) in &table.sets {
        if text[from..].contains(&format!("@{name}")) {
            for element in &set.elements {
                elements.push_str(&format!(" {element}"));
            }
        }
    }
    text.push_str(&elements);
}
