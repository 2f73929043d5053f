//! What the two guardrails about protected traffic share.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Guardrail, covers_a_family, finding};
use crate::attribution::Party;
use crate::finding::{Finding, Level};
use crate::impact::{Amount, Cause};
use crate::model::Action;

/// Returns whether a party is the way by which a rule would be withdrawn.
pub(super) fn is_management(evidence: &Evidence<'_>, party: Party) -> bool {
    match party {
        Party::Infrastructure(id) => evidence.inventory().infrastructure[id.0 as usize].management,
        _ => false,
    }
}

/// Reports protected traffic that newly meets harm, a finding for each cause.
pub(super) fn report(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    guardrail: &Guardrail,
    wanted: impl Fn(Party) -> bool,
) {
    let mut hit: BTreeMap<Cause, (Amount, Vec<String>)> = BTreeMap::new();
    for ((party, cause), amount) in &evidence.impact.protected {
        if wanted(*party) {
            let (sum, names) = hit.entry(*cause).or_default();
            sum.add(*amount);
            names.push(party.name(evidence.inventory()));
        }
    }
    for (cause, (amount, names)) in hit {
        let (rule, location) = evidence.blame(&cause);
        findings.push(
            Finding {
                rule: Some(rule),
                location,
                help: Some("put an accept for the protected service above this rule".to_owned()),
                ..finding(
                    guardrail,
                    format!(
                        "recorded traffic of {} newly meets {} ({} packets)",
                        names.join(", "),
                        what_it_meets(evidence, &cause),
                        amount.packets,
                    ),
                )
            }
            .with_customers(names),
        );
    }
    if evidence.scenario.is_none() {
        unrecorded(evidence, findings, guardrail, &wanted);
    }
    let mut maybe: BTreeMap<Cause, (u16, Vec<String>)> = BTreeMap::new();
    for (party, causes) in &evidence.impact.maybe_touched {
        for (cause, missing) in causes {
            if party.is_protected() && wanted(*party) {
                let (bits, names) = maybe.entry(*cause).or_default();
                *bits |= missing;
                names.push(party.name(evidence.inventory()));
            }
        }
    }
    for (cause, (missing, names)) in maybe {
        let (rule, location) = evidence.blame(&cause);
        findings.push(
            Finding {
                rule: Some(rule),
                location,
                level: Level::Unknown,
                help: Some(format!(
                    "record {} as well, or put an accept for the protected service above",
                    crate::matcher::missing_words(missing).join(", ")
                )),
                ..finding(
                    guardrail,
                    format!(
                        "recorded traffic of {} may newly meet {}; the recording cannot tell",
                        names.join(", "),
                        what_it_meets(evidence, &cause),
                    ),
                )
            }
            .with_customers(names),
        );
    }
}

fn what_it_meets(evidence: &Evidence<'_>, cause: &Cause) -> &'static str {
    match cause.rule.map(|rule| &evidence.rule(rule).action.value) {
        Some(Action::RateLimit(_)) => "a rate limit",
        Some(Action::Challenge) => "a challenge",
        Some(Action::Redirect { .. }) => "a redirect",
        Some(Action::Reject) => "a reject",
        Some(_) => "a drop",
        None => "the default drop",
    }
}

/// Warns of rules that name protected addresses of which nothing is recorded: replay says nothing
/// about them.
fn unrecorded(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    guardrail: &Guardrail,
    wanted: &impl Fn(Party) -> bool,
) {
    for (rule, parties) in &evidence.reached.by_rule {
        let Some(rule) = *rule else { continue };
        let destinations = evidence.rule(rule).matches.destinations();
        if destinations.is_none_or(|set| covers_a_family(&set)) {
            continue;
        }
        let is_recorded =
            |party: Party| evidence.impact.groups.iter().any(|group| group.id.party == party);
        let names: Vec<String> = parties
            .keys()
            .filter(|party| matches!(party, Party::Infrastructure(_)))
            .filter(|party| wanted(**party) && !is_recorded(**party))
            .map(|party| party.name(evidence.inventory()))
            .collect();
        if !names.is_empty() {
            findings.push(
                Finding {
                    level: Level::Warning,
                    mild: true,
                    help: Some("record its traffic, or put an accept for it above".to_owned()),
                    ..evidence.about(
                        guardrail,
                        rule,
                        format!(
                            "names addresses of {}, of which nothing is recorded",
                            names.join(", ")
                        ),
                    )
                }
                .with_customers(names),
            );
        }
    }
}
