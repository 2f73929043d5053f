//! The recordings are older than allowed.

use super::{Evidence, Findings, Guardrail, Needs, Text, finding};
use crate::finding::{Finding, Level};
use crate::model::Timestamp;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "evidence_too_old",
    level: Level::Unknown,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "The newest packets of a recording are older than `max_traffic_age` (7 days unless \
                  said otherwise), not counting one record in a hundred, which may be a stray. So \
                  is a recording from the future, by more than a day. A traffic profile without \
                  `start` has no age.",
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
        let age = |ns: i64| i128::from(evidence.standards.now.0) - i128::from(ns);
        let (message, help) = if age(newest.last_ns) < -i128::from(DAY_NS) {
            let last = Timestamp(newest.last_ns);
            (
                format!("the newest packet of {name} is of {last}, which is yet to come"),
                "look at the clock of the recorder, or at `--now`",
            )
        } else if age(newest.most_ns) > most {
            let what = if newest.most_ns == newest.last_ns {
                "the newest packet"
            } else {
                "the newest packet but for a few strays"
            };
            let most_newest = Timestamp(newest.most_ns);
            (
                format!(
                    "{what} of {name} is of {most_newest}, {} old (at most {})",
                    days(age(newest.most_ns)),
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
