//! One bucket for many addresses of one owner.

use super::buckets::shared_owners;
use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};
use crate::judge::harms;
use crate::model::Action;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "unkeyed_limit",
    level: Level::Warning,
    needs: Needs::Rules,
    in_scenarios: false,
    text: Text {
        catches: "A limit without a key (`per`) takes several destinations: one bucket for all of \
                  them, though of one owner or of meant ones.",
        why: "An attack on one address then takes the others down with it.",
        example: "match: {dst: 203.0.113.0/28}\naction: {rate_limit: {rate: 200 Mbps}}",
        todo: "Write `per: [dst]`, unless they are meant to count together.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, text, judge) in evidence.rules() {
        let Action::RateLimit(limit) = &text.action.value else { continue };
        if !harms(&text.action.value) {
            continue;
        }
        let single = text.matches.destinations().is_some_and(|dst| dst.is_single());
        let shared = shared_owners(evidence, &[&text.matches], limit, judge).is_some();
        if !limit.per.is_empty() || single || shared {
            continue;
        }
        let finding = Finding {
            location: Some(text.action.location),
            help: Some("write `per: [dst]`, unless they are meant to count together".to_owned()),
            ..evidence.about(
                &GUARDRAIL,
                rule,
                "one bucket counts several destinations together".to_owned(),
            )
        };
        findings.push_text(evidence, rule, finding);
    }
}
