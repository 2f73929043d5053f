//! The way by which the rule would be withdrawn newly meets harm.

use super::protected::{is_management, report};
use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::Level;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "undo_cut_off",
    level: Level::Error,
    needs: Needs::Inventory,
    in_scenarios: true,
    text: Text {
        catches: "Traffic of infrastructure marked `management: true` newly meets harm, or could, \
                  recorded or not: the way by which this rule would be withdrawn.",
        why: "On 2020-08-30 a FlowSpec rule cut the sessions over which it had been announced, so \
              that it could not be taken back in the usual way.",
        example: "match: {src: 0.0.0.0/0, protocol: tcp}\naction: drop",
        todo: "Put an accept for the management network above the rule, before anything else.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    report(evidence, findings, &GUARDRAIL, |party| is_management(evidence, party));
}
