//! In which tables targets may stand, and at which hooks targets and matches: what the kernel
//! refuses when a rule is loaded (`table` and `hooks` of each extension in net/netfilter and
//! net/ipv4/netfilter; iptables-extensions(8)).

use super::context::Backend;
use super::extensions::find_target;
use super::spec::Spec;
use super::tables::{Chains, Table, Written};
use crate::model::{Diagnostic, Location};

/// How many chains iptables-nft has a packet in at once (`NFT_JUMP_STACK_SIZE`).
const DEEPEST: usize = 16;

/// The tables and the chains of the kernel where something may stand; no word is no bound.
type Places = (&'static str, &'static [Table], &'static [&'static str]);

/// Targets.
const TARGETS: &[Places] = &[
    ("REJECT", &[Table::Filter], &["INPUT", "FORWARD", "OUTPUT"]),
    ("MASQUERADE", &[Table::Nat], &["POSTROUTING"]),
    ("SNAT", &[Table::Nat], &["POSTROUTING", "INPUT"]),
    ("DNAT", &[Table::Nat], &["PREROUTING", "OUTPUT"]),
    ("REDIRECT", &[Table::Nat], &["PREROUTING", "OUTPUT"]),
    ("NETMAP", &[Table::Nat], &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("TPROXY", &[Table::Mangle], &["PREROUTING"]),
    ("CT", &[Table::Raw], &[]),
    ("NOTRACK", &[Table::Raw], &[]),
    ("DSCP", &[Table::Mangle], &[]),
    ("TOS", &[Table::Mangle], &[]),
    ("TTL", &[Table::Mangle], &[]),
    ("HL", &[Table::Mangle], &[]),
    ("ECN", &[Table::Mangle], &[]),
    ("TCPOPTSTRIP", &[Table::Mangle], &[]),
    ("CHECKSUM", &[Table::Mangle], &[]),
    ("SECMARK", &[Table::Mangle, Table::Security], &[]),
    ("CONNSECMARK", &[Table::Mangle, Table::Security], &[]),
    ("SYNPROXY", &[], &["INPUT", "FORWARD"]),
    ("CLASSIFY", &[], &["FORWARD", "OUTPUT", "POSTROUTING"]),
];

/// Matches and options of matches.
const CONDITIONS: &[Places] = &[
    ("owner", &[], &["OUTPUT", "POSTROUTING"]),
    ("rpfilter", &[Table::Raw, Table::Mangle], &["PREROUTING"]),
    ("socket", &[], &["PREROUTING", "INPUT"]),
    ("in-interface", &[], &["PREROUTING", "INPUT", "FORWARD"]),
    ("out-interface", &[], &["FORWARD", "OUTPUT", "POSTROUTING"]),
    ("limit-iface-in", &[], &["PREROUTING", "INPUT", "FORWARD"]),
    ("limit-iface-out", &[], &["FORWARD", "OUTPUT", "POSTROUTING"]),
    ("clamp-mss-to-pmtu", &[], &["FORWARD", "OUTPUT", "POSTROUTING"]),
];

/// Reports what is refused because of where it stands.
pub(super) fn check(written: &Written<'_>, backend: Backend, problems: &mut Vec<Diagnostic>) {
    for ((_, table), chains) in &written.tables {
        // The names of the kernel's chains from which packets come to each chain.
        let mut hooks: Vec<Vec<&'static str>> = vec![Vec::new(); chains.chains.len()];
        let jumps: Vec<Vec<(usize, Location)>> =
            (0..chains.chains.len()).map(|at| jumps(chains, at)).collect();
        for name in table.builtin() {
            let Some(base) = chains.find(name) else { continue };
            let mut here = vec![base];
            let mut depth = 1;
            while !here.is_empty() && depth <= chains.chains.len() {
                let mut next: Vec<(usize, Location)> = Vec::new();
                for at in here {
                    if !hooks[at].contains(name) {
                        hooks[at].push(name);
                    }
                    next.extend(&jumps[at]);
                }
                next.sort_unstable_by_key(|(at, _)| *at);
                next.dedup_by_key(|(at, _)| *at);
                if let Some((_, location)) = next.first().filter(|_| depth == DEEPEST)
                    && backend != Backend::Legacy
                {
                    let message = format!("chains are jumped to more than {} deep", DEEPEST - 1);
                    problems.push(
                        Diagnostic::error(*location, message)
                            .label("iptables-nft refuses this")
                            .help("jump less deep; `--language iptables-legacy` has no such bound"),
                    );
                    break;
                }
                // Deeper, only chains that were not met yet say anything new.
                next.retain(|(at, _)| depth < DEEPEST || !hooks[*at].contains(name));
                here = next.into_iter().map(|(at, _)| at).collect();
                depth += 1;
            }
        }
        for (chain, hooks) in chains.chains.iter().zip(&hooks) {
            let rules = chain.rules.iter();
            problems.extend(rules.filter_map(|rule| stands(&rule.spec, *table, hooks, backend)));
        }
    }
}

/// Returns the chains that a chain sends packets to.
fn jumps(chains: &Chains<'_>, at: usize) -> Vec<(usize, Location)> {
    let targets = chains.chains[at].rules.iter().filter_map(|rule| rule.spec.target.as_ref());
    targets
        .filter_map(|target| Some((chains.find(&target.name.text)?, target.name.location)))
        .collect()
}

/// Says what of a rule may not stand where it does.
fn stands(
    spec: &Spec<'_>,
    table: Table,
    hooks: &[&'static str],
    backend: Backend,
) -> Option<Diagnostic> {
    let target = spec.target.as_ref().filter(|target| find_target(&target.name.text).is_some());
    if let Some(target) = target {
        let name = &*target.name.text;
        let place = target.name.location;
        if let Some(problem) = at(TARGETS, name, place, table, hooks) {
            return Some(problem);
        }
        if name == "TRACE" && table != Table::Raw && backend != Backend::Nft {
            return Some(refused(place, "`TRACE` stands in the raw table".to_owned()));
        }
        let is_syn = spec.uses.iter().flat_map(|one| &one.settings).any(|setting| {
            setting.name == "syn" || (setting.name == "tcp-flags" && setting.value(1) == "SYN")
        });
        if name == "TCPMSS" && !is_syn && backend != Backend::Nft {
            let message = "`TCPMSS` is for the first packets of TCP alone".to_owned();
            return Some(refused(place, message).help("write `-p tcp --syn` in the rule"));
        }
    }
    let settings = spec.uses.iter().flat_map(|one| &one.settings).chain(&spec.basics);
    let settings = settings.chain(target.iter().flat_map(|target| &target.settings));
    let settings = settings.map(|setting| (setting.name, setting.location));
    let mut all = spec.uses.iter().map(|one| (one.name(), one.location)).chain(settings);
    all.find_map(|(name, place)| at(CONDITIONS, name, place, table, hooks))
}

fn at(
    list: &[Places],
    name: &str,
    place: Location,
    table: Table,
    hooks: &[&'static str],
) -> Option<Diagnostic> {
    let (_, tables, chains) = list.iter().find(|(known, ..)| *known == name)?;
    if !tables.is_empty() && !tables.contains(&table) {
        let names: Vec<&str> = tables.iter().map(|table| table.name()).collect();
        let message = format!("`{name}` cannot stand in the {} table", table.name());
        return Some(refused(place, message).help(format!("it can in {}", names.join(", "))));
    }
    let hook = hooks.iter().find(|hook| !chains.is_empty() && !chains.contains(hook))?;
    let message = format!("`{name}` cannot stand where packets come from {hook}");
    Some(refused(place, message).help(format!("it can at {}", chains.join(", "))))
}

fn refused(place: Location, message: String) -> Diagnostic {
    Diagnostic::error(place, message).label("iptables-restore refuses this").help("move the rule")
}
