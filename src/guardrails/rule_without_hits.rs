//! No recorded packet met the rule.

use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};
use crate::judge::harms;

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
    for (rule, text, _) in evidence.rules() {
        let met = !evidence.impact.hits[rule as usize].any.is_zero();
        if met || !harms(&text.action.value) {
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
