//! Without the rule every packet would fare the same.

use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "redundant_rule",
    level: Level::Warning,
    in_scenarios: false,
    needs: Needs::Rules,
    text: Text {
        catches: "Rules below do the same to every packet that the rule decides, so that it could \
                  go without a difference. What only the default would repeat is left in peace.",
        why: "Rules that do nothing hide those that do something, and they fill a router's table.",
        example: "- {id: bots, match: {src: 198.51.100.7, protocol: udp}, action: drop}\n\
                  - {id: all-bots, match: {src: 198.51.100.0/24}, action: drop}",
        todo: "Remove it, or narrow the rule that repeats it.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, behind) in &evidence.order.redundant {
        let names = super::rule_names(evidence, behind);
        let finding = Finding {
            help: Some("remove it, or narrow the rule that repeats it".to_owned()),
            ..evidence.about(
                &GUARDRAIL,
                *rule,
                format!("every packet would fare the same without it, by {names}"),
            )
        };
        findings.push_text(evidence, *rule, finding);
    }
}
