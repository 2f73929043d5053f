//! A defended customer loses more of its own traffic than it may.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Guardrail, Needs, Text, finding, percent};
use crate::attribution::Party;
use crate::finding::{Finding, Level};
use crate::impact::{Cause, Range, Traffic};
use crate::model::{NameId, Share};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "target_loss",
    level: Level::Error,
    needs: Needs::Traffic,
    in_scenarios: true,
    text: Text {
        catches: "A customer in `may_affect` newly loses more of its legitimate traffic than \
                  `max_target_loss`, at a PoP, over the recording or in its worst window.",
        why: "A rule that throws away the target's own visitors does the attacker's work for him.",
        example: "intent: {target: [acme], max_target_loss: 5%}  # and 40 % of acme's HTTPS is lost",
        todo: "Match the attack more narrowly, raise the limit, or allow the loss by a larger \
               `max_target_loss`.",
    },
    check,
};

/// The worst loss of one cause, and everyone who loses too much by it.
struct Worst {
    share: f64,
    limit: Share,
    place: String,
    customers: Vec<String>,
}

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut places: BTreeMap<(Party, Option<NameId>), BTreeMap<Option<i64>, Traffic>> =
        BTreeMap::new();
    for group in &evidence.impact.groups {
        if group.id.party.is_protected() {
            continue;
        }
        let place = places.entry((group.id.party, group.id.pop)).or_default();
        for (window, traffic) in group.spans() {
            let sum = place.entry(window).or_default();
            sum.offered.add(traffic.offered);
            for (cause, range) in &traffic.intended {
                let known = sum.intended.entry(*cause).or_default();
                known.least.add(range.least);
                known.greatest.add(range.greatest);
            }
        }
    }
    // By rule: the worst share, and everyone who loses too much.
    let mut worst: BTreeMap<(Cause, bool), Worst> = BTreeMap::new();
    for ((party, pop), windows) in &places {
        for traffic in windows.values() {
            for (cause, range) in &traffic.intended {
                let Some(limit) = evidence.judges.of(cause.rule).max_target_loss else { continue };
                let Some((certain, share)) = beyond(range, limit, traffic) else { continue };
                let name = party.name(evidence.inventory());
                let place = format!("{name} loses {} at {}", percent(share), evidence.pop(*pop));
                let known = worst.entry((*cause, certain)).or_insert_with(|| Worst {
                    share,
                    limit,
                    place: place.clone(),
                    customers: Vec::new(),
                });
                if share > known.share {
                    known.share = share;
                    known.place = place;
                }
                if !known.customers.contains(&name) {
                    known.customers.push(name);
                }
            }
        }
    }
    for ((cause, certain), Worst { limit, place, customers, .. }) in worst {
        let (rule, location) = evidence.blame(&cause);
        let limit = percent(limit.as_f64());
        findings.push(Finding {
            rule: Some(rule),
            location,
            customers,
            level: if certain { Level::Error } else { Level::Unknown },
            help: Some("match the attack more narrowly, or raise the limit".to_owned()),
            ..finding(
                &GUARDRAIL,
                if certain {
                    format!("{place} of its own traffic (`max_target_loss` {limit})")
                } else {
                    format!(
                        "{place} at the worst, which cannot be told (`max_target_loss` {limit})"
                    )
                },
            )
        });
    }
}

fn beyond(range: &Range, limit: Share, traffic: &Traffic) -> Option<(bool, f64)> {
    if range.least.exceeds(limit, &traffic.offered) {
        return Some((true, range.least.greater_share(&traffic.offered)));
    }
    range
        .greatest
        .exceeds(limit, &traffic.offered)
        .then(|| (false, range.greatest.greater_share(&traffic.offered)))
}
