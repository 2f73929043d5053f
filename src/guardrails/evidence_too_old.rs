//! The recordings are older than allowed.

use super::{Evidence, Findings, Guardrail, Text, finding};
use crate::finding::{Finding, Level};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "evidence_too_old",
    level: Level::Unknown,
    text: Text {
        catches: "The newest recorded packet is older than `max_traffic_age` (7 days unless said \
                  otherwise). So is one from the future, by more than a day. \
                  A traffic profile without `start` has no age.",
        why: "Last month's traffic does not know this month's customers.",
        example: "blastgate check --traffic last-year.pcap",
        todo: "Record anew, or allow the age: `--max-age 30d`.",
    },
    check,
};

/// Clocks may differ so much.
const DAY_NS: i64 = 86_400_000_000_000;

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(newest) = evidence.newest else { return };
    let age = i128::from(evidence.standards.now.0) - i128::from(newest.0);
    if age < -i128::from(DAY_NS) {
        findings.push(Finding {
            help: Some("look at the clock of the recorder, or at `--now`".to_owned()),
            ..finding(
                &GUARDRAIL,
                format!("the newest recorded packet is of {newest}, which is yet to come"),
            )
        });
    }
    if age > i128::from(evidence.standards.max_traffic_age_ns) {
        let days = |ns: i128| format!("{:.1} days", ns as f64 / 86_400e9);
        findings.push(Finding {
            help: Some("record anew, or allow the age with `--max-age`".to_owned()),
            ..finding(
                &GUARDRAIL,
                format!(
                    "the newest recorded packet is of {newest}, {} old (at most {})",
                    days(age),
                    days(evidence.standards.max_traffic_age_ns.into()),
                ),
            )
        });
    }
}
