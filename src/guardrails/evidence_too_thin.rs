//! There are too few records to judge by.

use super::coverage::coverage;
use super::{Evidence, Findings, Guardrail, Needs, Text, count, finding, percent, unique};
use crate::affected::Certainty;
use crate::finding::{Finding, Level};
use crate::impact::Cause;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "evidence_too_thin",
    level: Level::Unknown,
    needs: Needs::Traffic,
    in_scenarios: true,
    text: Text {
        catches: "Customers whom a rule reaches outside `may_affect` have too few records to be \
                  judged, and hold more than `max_unjudged` of the traffic to those reached, or \
                  are of a tier in `must_judge`; or the 95 % interval of a sampled loss straddles \
                  `max_collateral`. Or more than `max_unjudged` of a recording is unread.",
        why: "With 1 packet in 10,000 sampled, a customer of three samples is not unharmed when \
              none of them was hit.",
        example: "evidence: {must_judge: [gold]}  # and a gold customer is not in the recording",
        todo: "Record more, or sample more densely.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let most = evidence.standards.max_unjudged.as_f64();
    let recorded = evidence.unread.iter().filter(|_| evidence.scenario.is_none());
    for (name, unread, all, why) in recorded {
        if *unread as f64 > most * *all as f64 {
            let message = format!("{unread} of {all} records of {name} are unread: {why}");
            findings.push(Finding {
                help: Some(
                    "what is unread may be anyone's; record again, or read it as what it is"
                        .to_owned(),
                ),
                ..finding(&GUARDRAIL, message)
            });
        }
    }
    // Coverage is that of the recording; what a scenario takes away was recorded all the same.
    let covered = if evidence.scenario.is_none() { coverage(evidence) } else { Vec::new() };
    for (rule, coverage) in covered {
        if coverage.recorded.is_empty() {
            continue;
        }
        let must = |tier: &Option<String>| {
            tier.as_ref().is_some_and(|tier| evidence.standards.must_judge.contains(tier))
        };
        let customer = |id| evidence.inventory().customer(id);
        let missed: Vec<String> = coverage
            .not_judged
            .iter()
            .filter(|id| must(&customer(**id).tier))
            .map(|id| customer(*id).id.value.clone())
            .collect();
        let too_much =
            coverage.unjudged.exceeds(evidence.standards.max_unjudged, &coverage.offered);
        if missed.is_empty() && !too_much {
            continue;
        }
        let (message, customers) = if missed.is_empty() {
            let all = coverage.not_judged.iter().map(|id| customer(*id).id.value.clone()).collect();
            let message = format!(
                "{} could not be judged, with {} of the traffic of those reached (at most {})",
                count(coverage.not_judged.len(), "customer"),
                percent(coverage.unjudged.greater_share(&coverage.offered)),
                percent(evidence.standards.max_unjudged.as_f64()),
            );
            (message, all)
        } else {
            let message = format!("{} must be judged and could not be", missed.join(", "));
            (message, missed)
        };
        let (name, location) = evidence.blame(&Cause { rule, shield: None });
        findings.push(Finding {
            rule: Some(name),
            location,
            help: Some("record more of their traffic, or sample more densely".to_owned()),
            ..finding(&GUARDRAIL, message).with_customers(customers)
        });
    }
    for loss in evidence.affected.iter().filter(|loss| loss.certainty == Certainty::Thin) {
        let group = &evidence.impact.groups[loss.group];
        let judge = evidence.judges.of(loss.causes[0].rule);
        let customers = unique(evidence.customers_of(group.id.party, judge));
        let (name, location) = evidence.blame(&loss.causes[0]);
        findings.push(Finding {
            rule: Some(name),
            location,
            help: Some("record more, or sample more densely".to_owned()),
            ..finding(
                &GUARDRAIL,
                format!(
                    "about {} of {} is lost; too few samples to tell whether that is beyond {}",
                    percent(loss.share),
                    evidence.place(group.id.service, group.id.pop),
                    percent(loss.limit.as_f64()),
                ),
            )
            .with_customers(customers)
        });
    }
}
