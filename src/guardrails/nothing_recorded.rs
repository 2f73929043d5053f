//! None of those whom a rule reaches is in the recording.

use super::coverage::coverage;
use super::{Evidence, Findings, Guardrail, Needs, Text, count, finding};
use crate::finding::{Finding, Level};
use crate::impact::Cause;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "nothing_recorded",
    level: Level::Unknown,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "A rule reaches customers outside `may_affect`, and none of them has any record.",
        why: "Replay can only say who was hurt in the recording; of those who are not in it, it \
              says nothing.",
        example: "match: {dst: 198.51.100.0/24}  # and the capture is of another network",
        todo: "Record traffic of these customers, or narrow the rule to its target.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, coverage) in coverage(evidence) {
        if !coverage.recorded.is_empty() {
            continue;
        }
        let customers: Vec<String> = coverage
            .reached
            .iter()
            .map(|id| evidence.inventory().customer(*id).id.value.clone())
            .collect();
        let (name, location) = evidence.blame(&Cause { rule, shield: None });
        findings.push(Finding {
            rule: Some(name),
            location,
            help: Some("record their traffic, or narrow the rule to its target".to_owned()),
            ..finding(
                &GUARDRAIL,
                format!(
                    "reaches {} outside `may_affect`, and no traffic of theirs is recorded",
                    count(customers.len(), "customer")
                ),
            )
            .with_customers(customers)
        });
    }
}
