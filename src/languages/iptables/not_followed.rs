//! What rules do to packets besides letting them pass or not: what becomes of them then is not
//! followed, so that no change to it can be judged.

use super::spec::Target;
use super::tables::{Chain, Chains, Rule, Table, Written};
use crate::model::{Family, Location};

/// Targets that translate addresses.
const TRANSLATE: &[&str] = &["SNAT", "DNAT", "MASQUERADE", "REDIRECT", "NETMAP"];

/// Targets that rewrite packets or steer them or their connections.
const STEER: &[&str] = &["TPROXY", "TCPOPTSTRIP", "ECN", "CHECKSUM", "CLASSIFY", "TOS"];

/// Returns what translates, rewrites or steers packets, each with all that it hangs on.
pub(super) fn of(written: &Written<'_>) -> Vec<(Location, String)> {
    let mut all = Vec::new();
    for ((family, table), chains) in &written.tables {
        let name = format!("{} {}", if *family == Family::V4 { "ip" } else { "ip6" }, table.name());
        if *table == Table::Nat {
            all.extend(translations(chains, &name, written));
            continue;
        }
        for chain in &chains.chains {
            for rule in chain.rules.iter().filter(|rule| steers(rule)) {
                let mut text = format!("{name} {}", chain.name);
                write(&mut text, rule, written);
                all.push((rule.spec.location, text));
            }
        }
    }
    all
}

/// Returns the nat table as a whole, if it translates anything: who is translated hangs on every
/// rule of it.
fn translations(
    chains: &Chains<'_>,
    name: &str,
    written: &Written<'_>,
) -> Option<(Location, String)> {
    let rules = || chains.chains.iter().flat_map(|chain: &Chain<'_>| &chain.rules);
    let is_one = |target: &Target<'_>| TRANSLATE.contains(&&*target.name.text);
    let first = rules().find(|rule| rule.spec.target.as_ref().is_some_and(is_one))?;
    let mut text = name.to_owned();
    for chain in &chains.chains {
        text.push_str(&format!(" {}:", chain.name));
        chain.rules.iter().for_each(|rule| write(&mut text, rule, written));
    }
    Some((first.spec.location, text))
}

fn steers(rule: &Rule<'_>) -> bool {
    let Some(target) = &rule.spec.target else { return false };
    match &*target.name.text {
        // Only a clamp to what fits does no harm.
        "TCPMSS" => target.get("clamp-mss-to-pmtu").is_none(),
        // Packets that are not tracked are told by conditions on connections.
        "CT" => target.settings.iter().any(|setting| setting.name != "notrack"),
        name => STEER.contains(&name) || TRANSLATE.contains(&name),
    }
}

fn write(text: &mut String, rule: &Rule<'_>, written: &Written<'_>) {
    text.push_str(" ; ");
    text.push_str(&rule.spec.text);
    for setting in rule.spec.uses.iter().flat_map(|one| &one.settings) {
        if setting.name == "match-set" {
            text.push_str(&written.sets.text(setting.value(0)));
        }
    }
}
