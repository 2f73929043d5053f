//! A limit that nothing recorded ever reaches.

use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "limit_without_effect",
    level: Level::Warning,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "A limit meets recorded attack and takes nothing of it, in the recording or in any \
                  scenario.",
        why: "A limit in the wrong unit, or with a key too fine, looks like protection and is none.",
        example: "action: {rate_limit: {rate: 100 Gbps}}  # and the attack has 40 Gbps",
        todo: "Compare the limit with the recorded peak. A limit that stands for another day is \
               right to take nothing.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (limit, sharing) in evidence.changed_limits().filter(|(_, sharing)| !sharing.takes) {
        // A limit that stands for another day meets ordinary traffic and takes nothing of it.
        if evidence.impact.hits[sharing.rule as usize].attack.is_zero() {
            continue;
        }
        let message = format!(
            "takes nothing of what it met: the fullest bucket saw {}, the limit is {}",
            sharing.peak, limit.rate
        );
        findings.push(Finding {
            mild: true,
            help: Some("compare the limit and its key with the recorded peak".to_owned()),
            ..evidence.about(&GUARDRAIL, sharing.rule, message)
        });
    }
}
