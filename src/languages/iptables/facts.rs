//! What the whole rule set of a family does to packets, whatever rule is looked at.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::context::{Facts, LimitTable, Rewritten};
use super::limits;
use super::spec::{Setting, Spec, Target};
use super::tables::{Chains, Table};
use super::values;
use crate::model::{Address, AddressRange, AddressSet, Family};

/// Matches and targets that ask for connection tracking.
const TRACKING: &[&str] = &[
    "conntrack",
    "state",
    "connmark",
    "connlimit",
    "connbytes",
    "connlabel",
    "helper",
    "socket",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "SYNPROXY",
    "DNAT",
    "SNAT",
    "MASQUERADE",
    "REDIRECT",
    "NETMAP",
    "TPROXY",
];

/// Looks through all rules of a family.
pub(super) fn of(tables: &BTreeMap<Table, &Chains<'_>>, family: Family) -> Facts {
    let mut facts = Facts::default();
    let mut marks = DefaultHasher::new();
    let mut sets_marks = false;
    for (table, chains) in tables {
        for rule in chains.chains.iter().flat_map(|chain| &chain.rules) {
            let spec = &rule.spec;
            for one in &spec.uses {
                facts.tracks |= TRACKING.contains(&one.name());
                if let Some(name) = one.get("hashlimit-name") {
                    // What cannot be read is an error where the rule is made.
                    let room = limits::room(one).unwrap_or(0);
                    let table = facts.tables.entry(name.value(0).to_owned());
                    let table = table.or_insert(LimitTable { rules: 0, room });
                    table.rules += 1;
                    table.room = table.room.min(room);
                }
            }
            let Some(target) = &spec.target else { continue };
            let name = &*target.name.text;
            let is_plain = name == "NOTRACK" || target.get("notrack").is_some();
            facts.tracks |= TRACKING.contains(&name) && !is_plain;
            facts.sets_ttl |= matches!(name, "TTL" | "HL");
            facts.sets_dscp |= matches!(name, "DSCP" | "TOS");
            if matches!(name, "MARK" | "CONNMARK" | "HMARK" | "TPROXY") || name == "SET" {
                sets_marks = true;
                spec.text.hash(&mut marks);
            }
            if name == "SET" {
                let sets = target.settings.iter().filter(|one| one.name.ends_with("-set"));
                facts.changed_sets.extend(sets.map(|one| one.value(0).to_owned()));
            }
            if *table == Table::Nat
                && let Some(may) = rewrites(spec, target, family)
            {
                facts.rewritten = Some(match (facts.rewritten.take(), may) {
                    (None, may) => may,
                    (Some(Rewritten::To(a)), Rewritten::To(b)) => {
                        Rewritten::To(AddressSet::new(a.iter().chain(b.iter())))
                    }
                    _ => Rewritten::All,
                });
            }
        }
    }
    facts.marks = sets_marks.then(|| marks.finish());
    facts
}

/// Returns the packets whose destination a rule of the nat table may change: those that it names,
/// and what comes back to an address that it gives.
fn rewrites(spec: &Spec<'_>, target: &Target<'_>, family: Family) -> Option<Rewritten> {
    let named = |setting: &Setting<'_>| {
        if setting.negated {
            return None;
        }
        values::addresses(setting, family).ok().flatten()
    };
    let set = match &*target.name.text {
        "DNAT" | "REDIRECT" => {
            spec.basics.iter().find(|basic| basic.name == "destination").and_then(named)
        }
        "SNAT" => target.get("to-source").and_then(|setting| given(setting.value(0), family)),
        "MASQUERADE" | "NETMAP" => None,
        _ => return None,
    };
    Some(set.map_or(Rewritten::All, Rewritten::To))
}

/// Reads `192.0.2.1-192.0.2.9:1024-65535`.
fn given(text: &str, family: Family) -> Option<AddressSet> {
    let text = match family {
        Family::V4 => text.split(':').next()?,
        Family::V6 => text.strip_prefix('[').map_or(Some(text), |rest| rest.split(']').next())?,
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let read = |text: &str| {
        let address: Address = text.parse::<std::net::IpAddr>().ok()?.into();
        (address.family == family).then_some(address.bits)
    };
    let (first, last) = (read(first)?, read(last)?);
    (first <= last).then(|| AddressSet::new([AddressRange { family, first, last }]))
}
