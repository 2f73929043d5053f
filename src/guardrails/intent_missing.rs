//! A harming rule does not say whom it is for.

use super::{Evidence, Findings, Guardrail, Needs, Text, finding};
use crate::finding::{Finding, Level};
use crate::model::DefaultAction;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "intent_missing",
    level: Level::Error,
    needs: Needs::Rules,
    in_scenarios: false,
    text: Text {
        catches: "A rule that drops, rejects, limits, challenges or redirects has no intent, and \
                  its addresses are not all those of exactly one customer; or `default: drop` has \
                  no `default_intent`.",
        why: "What a rule is meant to do cannot be told from what it matches: that is the very \
              mistake to be caught.",
        example: "match: {src: 192.0.2.0/24}\naction: drop  # whose traffic may this cost?",
        todo: "Write `intent: {target: […], may_affect: […]}`.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, _, judge) in evidence.rules() {
        // An edit that harms nobody anew, such as one element less in a list, asks for no more than
        // was asked before.
        let is_edited = evidence.change.modified.iter().any(|(_, after)| *after == rule as usize);
        let harms = evidence.reached.by_rule.contains_key(&Some(rule))
            || evidence.reached.undecided.contains(&Some(rule));
        if judge.missing && evidence.has_running && is_edited && !harms {
            *findings.unchanged.entry(GUARDRAIL.id).or_default() += 1;
        } else if judge.missing {
            let message = "this rule does harm, and its addresses do not name exactly one customer";
            let finding = Finding {
                help: Some("write `intent: {target: […], may_affect: […]}`".to_owned()),
                ..evidence.about(&GUARDRAIL, rule, message.to_owned())
            };
            findings.push_text(evidence, rule, finding);
        }
    }
    if evidence.candidate.default.action == DefaultAction::Drop && evidence.judges.default.missing {
        let harmed = evidence.impact.touched.values().flatten().any(|cause| cause.rule.is_none());
        if evidence.change.default_changed || harmed {
            findings.push(Finding {
                rule: Some("default".to_owned()),
                location: evidence.candidate.default.location,
                help: Some("write `default_intent: {target: […], may_affect: […]}`".to_owned()),
                ..finding(
                    &GUARDRAIL,
                    "`default: drop` does not say whom it may cost traffic".into(),
                )
            });
        } else if evidence.candidate.default.location.is_some() {
            *findings.unchanged.entry(GUARDRAIL.id).or_default() += 1;
        }
    }
}
