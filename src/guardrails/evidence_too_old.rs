//! The recordings are older than allowed.

use super::{Evidence, Findings, Guardrail, Needs, Text, finding};
use crate::finding::{Finding, Level};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "evidence_too_old",
    level: Level::Unknown,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "The newest packet of a recording is older than `max_traffic_age` (7 days unless said \
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
    let most = i128::from(evidence.standards.max_traffic_age_ns);
    let days = |ns: i128| format!("{:.1} days", ns as f64 / 86_400e9);
    for (name, newest) in evidence.newest {
        let age = i128::from(evidence.standards.now.0) - i128::from(newest.0);
        let (message, help) = if age < -i128::from(DAY_NS) {
            (
                format!("the newest packet of {name} is of {newest}, which is yet to come"),
                "look at the clock of the recorder, or at `--now`",
            )
        } else if age > most {
            (
                format!(
                    "the newest packet of {name} is of {newest}, {} old (at most {})",
                    days(age),
                    days(most),
                ),
                "record anew, or allow the age with `--max-age`",
            )
        } else {
            continue;
        };
        findings.push(Finding { help: Some(help.to_owned()), ..finding(&GUARDRAIL, message) });
    }
}
