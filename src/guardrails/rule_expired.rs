//! A rule is past the date on which it should be gone.

use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "rule_expired",
    level: Level::Error,
    needs: Needs::Rules,
    in_scenarios: false,
    text: Text {
        catches: "A rule's `expires` has passed.",
        why: "Mitigation rules outlive their attack, and later hit traffic that nobody thought \
              of when they were written.",
        example: "expires: 2026-03-01  # and today is later",
        todo: "Remove the rule, or move the date if it is still needed.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, text, _) in evidence.rules() {
        let Some(expires) = &text.expires else { continue };
        if expires.value <= evidence.standards.now {
            let finding = Finding {
                location: Some(expires.location),
                help: Some("remove the rule, or move the date".to_owned()),
                ..evidence.about(&GUARDRAIL, rule, format!("expired at {}", expires.value))
            };
            let before = evidence.change.running_of[rule as usize];
            let old = before.and_then(|before| evidence.running.rules[before].expires.as_ref());
            // A new date is the change's own, whether or not a packet fares otherwise by it.
            if before.is_some() && old != Some(expires) {
                findings.push(finding);
            } else {
                findings.push_text(evidence, rule, finding);
            }
        }
    }
}
