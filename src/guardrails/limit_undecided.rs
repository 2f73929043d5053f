//! The recording is too coarse for a limit.

use std::collections::BTreeMap;

use super::aimed::Aimed;
use super::{Evidence, Findings, Guardrail, Needs, Text, finding, percent, unique};
use crate::affected::{Certainty, Loss};
use crate::finding::{Finding, Level};
use crate::impact::{Amount, Cause};
use crate::matcher::COARSE;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "limit_undecided",
    level: Level::Unknown,
    needs: Needs::Traffic,
    in_scenarios: true,
    text: Text {
        catches: "Whether a limit costs anyone anything, or stops what it must, hangs on how the \
                  packets lie within each second, which samples and flow records do not tell.",
        why: "A bucket is emptied by bursts; averages hide them.",
        example: "action: {rate_limit: {rate: 10 Mbps, burst: 20 kB}}  # over 1:1000 samples",
        todo: "Judge by an unsampled capture, or allow a larger burst.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let certain = |rule: Option<u32>| {
        evidence.affected.iter().any(|loss| {
            loss.certainty == Certainty::Certain
                && loss.causes.iter().any(|cause| cause.rule == rule)
        })
    };
    let mut by_cause: BTreeMap<Cause, Vec<&Loss>> = BTreeMap::new();
    for loss in evidence.affected {
        if matches!(loss.certainty, Certainty::Missing(missing) if missing & COARSE != 0) {
            for cause in loss.causes.iter().filter(|cause| !certain(cause.rule)) {
                by_cause.entry(*cause).or_default().push(loss);
            }
        }
    }
    for (cause, mut losses) in by_cause {
        losses.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.group.cmp(&b.group)));
        let group = |loss: &Loss| &evidence.impact.groups[loss.group];
        let judge = evidence.judges.of(cause.rule);
        let customers = unique(
            losses.iter().flat_map(|loss| evidence.customers_of(group(loss).id.party, judge)),
        );
        let worst = losses[0];
        let id = group(worst).id;
        let (rule, location) = evidence.blame(&cause);
        let message = format!(
            "{} may lose up to {} of {} (limit {}), or not; the recording is too coarse to tell",
            customers.first().map_or("someone", String::as_str),
            percent(worst.share),
            evidence.place(id.service, id.pop),
            percent(worst.limit.as_f64()),
        );
        findings.push(
            Finding {
                rule: Some(rule),
                location,
                help: Some(finer(&evidence.pop(id.pop))),
                ..finding(&GUARDRAIL, message)
            }
            .with_customers(customers),
        );
    }
    for sharing in evidence.sharing.iter().filter(|sharing| sharing.is_astray) {
        let message = "every router counts for itself; part of the traffic of a PoP names its \
                       router, and part does not";
        findings.push(Finding {
            help: Some("record the exporter of all traffic of the PoP, or of none".to_owned()),
            ..evidence.about(&GUARDRAIL, sharing.rule, message.to_owned())
        });
    }
    for sharing in evidence.sharing {
        let Some(keys) = sharing.overflow else { continue };
        let message = format!(
            "{keys} keys met this limit at one router, more than its table may hold; what happens \
             to the others is not told"
        );
        findings.push(Finding {
            help: Some("give the table more room, or count by a coarser key".to_owned()),
            ..evidence.about(&GUARDRAIL, sharing.rule, message)
        });
    }
    for (rule, _, judge) in evidence.rules() {
        let Some(must_stop) = &judge.must_stop else { continue };
        let aimed = Aimed::at(judge, evidence);
        let share = must_stop.value;
        if aimed.is_undecided(evidence, rule, share) && evidence.is_judged(rule) {
            let share_of = |part: &Amount| percent(part.smaller_share(&aimed.offered));
            let message = format!(
                "between {} and {} of the recorded attack on {} is stopped, {} must be; the \
                 recording is too coarse to tell",
                share_of(&aimed.candidate.least),
                share_of(&aimed.candidate.greatest),
                judge.target_words.join(", "),
                percent(share.as_f64()),
            );
            findings.push(Finding {
                help: Some(finer("the attacked PoPs")),
                ..evidence.about(&GUARDRAIL, rule, message)
            });
        }
    }
}

/// Names the data that would decide it.
fn finer(place: &str) -> String {
    format!("judge by an unsampled packet capture of {place}, or allow a larger burst")
}
