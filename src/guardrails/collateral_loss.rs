//! Someone who was not meant to loses traffic.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Guardrail, Needs, Text, count, finding, percent, unique};
use crate::affected::{Certainty, Loss};
use crate::finding::{Finding, Level};
use crate::impact::Cause;
use crate::safe_rate::SafeRate;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "collateral_loss",
    level: Level::Error,
    needs: Needs::Traffic,
    in_scenarios: true,
    text: Text {
        catches: "Legitimate recorded traffic of a customer outside `may_affect` is newly lost, \
                  beyond the rule's `max_collateral`, in any group of customer, PoP and service, \
                  over the whole recording or in any window.",
        why: "On 2012-09-15 a rate limit meant for one attacked customer of a content network \
              was applied to many; the limit held, and the customers beside the target paid for \
              it.",
        example: "match: {protocol: udp}\naction: drop\nintent: {target: [acme]}",
        todo: "Narrow the match to the target's addresses, key the limit (`per: [dst]`), put an \
               accept for the others above it, or, if they are meant to lose traffic, say so in \
               `may_affect`.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut by_rule: BTreeMap<Cause, Vec<&Loss>> = BTreeMap::new();
    for loss in evidence.affected.iter().filter(|loss| loss.certainty == Certainty::Certain) {
        for cause in &loss.causes {
            by_rule.entry(*cause).or_default().push(loss);
        }
    }
    for (cause, mut losses) in by_rule {
        losses.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.group.cmp(&b.group)));
        findings.push(describe(evidence, &cause, &losses));
    }
}

fn describe(evidence: &Evidence<'_>, cause: &Cause, losses: &[&Loss]) -> Finding {
    let judge = evidence.judges.of(cause.rule);
    let group = |loss: &Loss| &evidence.impact.groups[loss.group];
    let customers =
        unique(losses.iter().flat_map(|loss| evidence.customers_of(group(loss).id.party, judge)));
    let worst = losses[0];
    let id = group(worst).id;
    let who = evidence.customers_of(id.party, judge);
    let who = match who.as_slice() {
        [one] => one.clone(),
        several => format!("{} (shared by {})", id.party.name(evidence.inventory()), several.len()),
    };
    let message = format!(
        "{} outside `may_affect` {} traffic (limit {}); worst: {who} loses {} of {}",
        count(customers.len(), "customer"),
        if customers.len() == 1 { "loses" } else { "lose" },
        percent(worst.limit.as_f64()),
        percent(worst.share),
        evidence.place(id.service, id.pop),
    );
    let (rule, location) = evidence.blame(cause);
    Finding {
        rule: Some(rule),
        location,
        customers,
        help: Some(match cause.shield {
            Some(_) => "keep letting this traffic pass, or say in an intent who may lose it".into(),
            None => match evidence.safe_rate(cause.rule).filter(|safe| safe.exists()) {
                Some(SafeRate { harmless, both: Some(rate), .. }) => format!(
                    "{} the limit to {rate} (tried: nobody else loses), narrow the match, or put \
                     an accept for the others above it",
                    if *harmless == Some(*rate) { "raise" } else { "set" },
                ),
                _ => "narrow the match, or put an accept for the others above it".to_owned(),
            },
        }),
        ..finding(&GUARDRAIL, message)
    }
}
