//! What chains of a device do to frames that are not IP, such as those of ARP: no recording has them,
//! and a network without them is down.

use std::collections::BTreeSet;

use super::places::{target, verdicts};
use super::ruleset::{Chain, Table};
use super::tree::{Expr, Op, Rule, Statement, Verdict};

/// Beginnings of what only packets of IP have (`nft_payload` and `nft_meta` break off elsewhere).
const OF_IP: &[&str] = &[
    "ip ",
    "ip6 ",
    "tcp ",
    "udp ",
    "udplite ",
    "sctp ",
    "dccp ",
    "icmp ",
    "icmpv6 ",
    "igmp ",
    "ah ",
    "esp ",
    "comp ",
    "th ",
    "exthdr ",
    "frag ",
    "rt ",
    "hbh ",
    "dst ",
    "mh ",
    "meta l4proto",
];

/// The protocols of frames that are IP.
const PROTOCOLS: &[&str] = &["ip", "ip6", "0x0800", "0x800", "0x86dd", "2048", "34525"];

/// Returns the rules that a frame which is not IP may meet, by base chain, where one of them may take
/// it out.
pub(super) fn of(table: &Table) -> Vec<(&Chain, Vec<&Rule>)> {
    let mut all = Vec::new();
    for (at, chain) in table.chains.iter().enumerate() {
        let at_device = |hook: &str| hook == "ingress" || hook == "egress";
        if !chain.base.as_ref().is_some_and(|base| at_device(&base.hook)) {
            continue;
        }
        let (mut met, mut open, mut rules) = (BTreeSet::new(), vec![at], Vec::new());
        while let Some(one) = open.pop() {
            if met.insert(one) {
                let own = table.chains[one].rules.iter().filter(|rule| !is_of_ip(rule));
                for rule in own {
                    let statements = rule.statements.iter();
                    let verdicts = statements.flat_map(|one| verdicts(table, &one.value));
                    open.extend(verdicts.filter_map(target).filter_map(|to| table.chain(to)));
                    rules.push(rule);
                }
            }
        }
        let drops = chain.policy.as_ref().is_some_and(|drops| drops.value);
        let mut statements = rules.iter().flat_map(|rule| &rule.statements);
        if drops || statements.any(|one| !lets_on(table, &one.value)) {
            all.push((chain, rules));
        }
    }
    all
}

/// Returns whether a rule is for packets of IP alone.
fn is_of_ip(rule: &Rule) -> bool {
    rule.statements.iter().any(|statement| match &statement.value {
        Statement::Match { left, op, right } => {
            is_field_of_ip(left)
                || matches!(op, Op::Implicit | Op::Equal) && is_protocol(left) && names_ip(right)
        }
        Statement::VerdictMap { key, .. } => is_field_of_ip(key),
        Statement::Dynamic(dynamic) => is_field_of_ip(&dynamic.key),
        _ => false,
    })
}

fn is_field_of_ip(expr: &Expr) -> bool {
    match expr {
        Expr::Field(words) => OF_IP.iter().any(|start| words.starts_with(start)),
        Expr::Concat(parts) => parts.iter().any(is_field_of_ip),
        Expr::Binary(_, left, _) => is_field_of_ip(left),
        _ => false,
    }
}

fn is_protocol(expr: &Expr) -> bool {
    matches!(expr, Expr::Field(words) if words == "meta protocol" || words == "ether type")
}

fn names_ip(expr: &Expr) -> bool {
    match expr {
        Expr::Word(word) => PROTOCOLS.contains(&word.to_ascii_lowercase().as_str()),
        Expr::Set(elements) => elements.iter().all(|element| names_ip(&element.key)),
        _ => false,
    }
}

/// Returns whether a statement takes no frame out.
fn lets_on(table: &Table, statement: &Statement) -> bool {
    match statement {
        Statement::Verdict(_) | Statement::VerdictMap { .. } => {
            verdicts(table, statement).all(|verdict| *verdict != Verdict::Drop)
        }
        Statement::Match { .. } | Statement::Counter | Statement::Log | Statement::Idle(_) => true,
        Statement::Set { .. } => true,
        _ => false,
    }
}
