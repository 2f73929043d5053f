//! No packet reaches the rule.

use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "shadowed_rule",
    level: Level::Warning,
    in_scenarios: false,
    needs: Needs::Rules,
    text: Text {
        catches: "Rules above take every packet that the rule could take, one of them alone or \
                  several together.",
        why: "A rule that never acts is believed to: the exception that comes too late protects \
              nobody.",
        example: "- {id: all-udp, match: {protocol: udp}, action: drop}\n\
                  - {id: our-dns, match: {protocol: udp, src_port: 53}, action: accept}",
        todo: "Move it above the rules that are named, or remove it.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, takers) in &evidence.order.shadowed {
        let names = super::rule_names(evidence, takers);
        let verb = if takers.len() == 1 { "takes" } else { "take" };
        let message = format!("no packet reaches this rule: {names} {verb} all of its packets");
        let finding = Finding {
            help: Some("move it above them, or remove it".to_owned()),
            ..evidence.about(&GUARDRAIL, *rule, message)
        };
        // A rule that a new one above it makes idle is news, too.
        if takers.iter().any(|taker| evidence.is_judged(*taker)) {
            findings.push(finding);
        } else {
            findings.push_text(evidence, *rule, finding);
        }
    }
    for rule in &evidence.order.undecided {
        let message = "whether any packet reaches this rule could not be decided within the budget";
        let finding =
            Finding { mild: true, ..evidence.about(&GUARDRAIL, *rule, message.to_owned()) };
        findings.push_text(evidence, *rule, finding);
    }
}
