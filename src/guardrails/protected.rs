//! What the two guardrails about protected traffic share.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Guardrail, finding};
use crate::attribution::Party;
use crate::finding::{Finding, Level};
use crate::impact::{Amount, Cause};
use crate::model::Action;
use crate::packet_text::Packet;

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
        proved(evidence, findings, guardrail, &wanted);
    }
    let mut maybe: BTreeMap<Cause, (u32, Vec<String>)> = BTreeMap::new();
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
                    super::what_is_open(evidence, missing, &cause).join(", ")
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

/// Reports packets that protected infrastructure needs and that a rule could newly harm, whether or
/// not they are recorded, unless recorded ones are reported for it.
fn proved(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    guardrail: &Guardrail,
    wanted: &impl Fn(Party) -> bool,
) {
    let mut by_rule: BTreeMap<Option<u32>, (Vec<String>, &Packet)> = BTreeMap::new();
    for ((rule, id), packet) in &evidence.reached.protected {
        let party = Party::Infrastructure(*id);
        let mut hits = evidence.impact.protected.keys();
        if wanted(party) && !hits.any(|(hit, cause)| *hit == party && cause.rule == *rule) {
            let name = party.name(evidence.inventory());
            by_rule.entry(*rule).or_insert_with(|| (Vec::new(), packet)).0.push(name);
        }
    }
    for (rule, (names, packet)) in by_rule {
        let cause = Cause { rule, shield: None };
        let (rule, location) = evidence.blame(&cause);
        findings.push(
            Finding {
                rule: Some(rule),
                location,
                help: Some("put an accept for the protected service above this rule".to_owned()),
                ..finding(
                    guardrail,
                    format!(
                        "packets that {} needs would newly meet {}: {}",
                        names.join(", "),
                        what_it_meets(evidence, &cause),
                        super::in_words(packet),
                    ),
                )
            }
            .with_customers(names),
        );
    }
}
