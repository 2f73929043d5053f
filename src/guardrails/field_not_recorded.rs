//! The verdict hinges on a field that the recording lacks.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Guardrail, Needs, Text, count, finding, unique, what_is_open};
use crate::affected::Certainty;
use crate::finding::{Finding, Level};
use crate::impact::Cause;
use crate::matcher::{COARSE, EXPORTER, NOT_UNDERSTOOD, UNRECORDED};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "field_not_recorded",
    level: Level::Unknown,
    needs: Needs::Traffic,
    in_scenarios: true,
    text: Text {
        catches: "Someone outside `may_affect` may newly lose traffic; whether it does hangs on a \
                  header field that the recording lacks.",
        why: "A field that was not recorded is not zero: a rule on it cannot be judged.",
        example: "match: {dst: 203.0.113.0/24, ttl: 1-5}  # and the recording has no TTL",
        todo: "Record the field (a packet capture has them all), or match without it.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut by_cause: BTreeMap<Cause, (u32, Vec<String>)> = BTreeMap::new();
    for loss in evidence.affected {
        let Certainty::Missing(missing) = loss.certainty else { continue };
        if missing & !(COARSE | NOT_UNDERSTOOD) == 0 && missing != 0 {
            continue;
        }
        let party = evidence.impact.groups[loss.group].id.party;
        for cause in &loss.causes {
            let (bits, customers) = by_cause.entry(*cause).or_default();
            *bits |= missing;
            customers.extend(evidence.customers_of(party, evidence.judges.of(cause.rule)));
        }
    }
    for (cause, (missing, customers)) in by_cause {
        let customers = unique(customers);
        let fields = what_is_open(evidence, missing & !NOT_UNDERSTOOD, &cause);
        let fields =
            if fields.is_empty() { "how the limit counts".to_owned() } else { fields.join(", ") };
        let (rule, location) = evidence.blame(&cause);
        findings.push(Finding {
            rule: Some(rule),
            location,
            help: Some(if missing & UNRECORDED != 0 {
                "no recording shows it: match without it, or put an accept above for those who must \
                 not lose anything"
                    .to_owned()
            } else if missing & EXPORTER != 0 {
                "record flows, which name their exporter, or write `scope: pop`".to_owned()
            } else {
                "record the field (a packet capture has them all), or match without it".to_owned()
            }),
            ..finding(
                &GUARDRAIL,
                format!(
                    "{} may lose traffic; without {fields} the recording cannot tell",
                    count(customers.len(), "customer")
                ),
            )
            .with_customers(customers)
        });
    }
}
