//! Nobody knows how a recording was sampled.

use super::{Evidence, Findings, Guardrail, Needs, Text, finding};
use crate::finding::{Finding, Level};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "sampling_unknown",
    level: Level::Unknown,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "A recording was sampled, and neither it nor the user says at which rate. \
                  It is left aside.",
        why: "At 1 in 1,000 a limit sees a thousand times what was recorded; to count what is \
              there as everything is wrong by that factor.",
        example: "traffic: [{path: flows.pcap, sampling: unknown}]",
        todo: "Look the rate up on the exporter and state it: `--sampling 1000`, or `sampling: \
               1000` in `blastgate.yaml`.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for name in evidence.sampling_unknown {
        findings.push(Finding {
            help: Some("state the rate with `--sampling N`, or leave the recording out".to_owned()),
            ..finding(
                &GUARDRAIL,
                format!("{name} was sampled at a rate that nobody knows; it is left aside"),
            )
        });
    }
}
