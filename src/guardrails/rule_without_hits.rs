//! No recorded packet met the rule.

use std::collections::HashSet;

use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};
use crate::judge::harms;
use crate::model::Location;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "rule_without_hits",
    level: Level::Warning,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "A rule that drops, rejects, limits, challenges or redirects meets no recorded \
                  packet.",
        why: "Either the recording lacks the attack, or the rule does not match it: a typo in an \
              address makes a rule that hurts nobody and helps nobody.",
        example: "match: {dst: 203.0.131.10}\naction: drop  # it is 203.0.113.10",
        todo: "Compare the match with the traffic that it is for; record that traffic.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    // No traffic is read where nothing changed.
    if evidence.change.nothing {
        return;
    }
    // Some languages make several rules of what is written at one place.
    let rules = evidence.candidate.rules.iter().zip(&evidence.impact.hits);
    let met = rules.filter(|(_, hits)| !hits.any.is_zero()).map(|(rule, _)| rule.location);
    let met: HashSet<Location> = met.collect();
    for (rule, text, _) in evidence.rules() {
        if met.contains(&text.location) || !harms(&text.action.value) {
            continue;
        }
        let finding = Finding {
            mild: true,
            help: Some("compare its match with the traffic that it is for".to_owned()),
            ..evidence.about(&GUARDRAIL, rule, "no recorded packet meets this rule".to_owned())
        };
        findings.push_text(evidence, rule, finding);
    }
}
