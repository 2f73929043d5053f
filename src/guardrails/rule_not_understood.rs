//! A rule counts in a way that is not simulated.

use super::{Evidence, Findings, Guardrail, Text};
use crate::finding::{Finding, Level};
use crate::judge::harms;
use crate::model::{Action, Algorithm};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "rule_not_understood",
    level: Level::Unknown,
    in_scenarios: false,
    text: Text {
        catches: "A rule that the change adds, edits or moves says something that is not \
                  modelled: a limit with windows or a timeout.",
        why: "What is not understood may do anything; it never passes.",
        example: "action: {rate_limit: {rate: 100 pps, algorithm: sliding_window, window: 10s}}",
        todo: "Write the limit as a token bucket, which is simulated exactly.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, text, _) in evidence.rules() {
        let Action::RateLimit(limit) = &text.action.value else { continue };
        if !harms(&text.action.value) {
            continue;
        }
        let what = match limit.algorithm {
            Algorithm::FixedWindow { .. } => "a limit by fixed windows is",
            Algorithm::SlidingWindow { .. } => "a limit by sliding windows is",
            Algorithm::TokenBucket if limit.timeout_ns.is_some() => "a limit with a timeout is",
            Algorithm::TokenBucket => continue,
        };
        let finding = Finding {
            location: Some(text.action.location),
            help: Some("write it as a token bucket, which is simulated exactly".to_owned()),
            ..evidence.about(&GUARDRAIL, rule, format!("{what} not simulated yet"))
        };
        findings.push_text(evidence, rule, finding);
    }
}
