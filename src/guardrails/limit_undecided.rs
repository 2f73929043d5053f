//! The recording is too coarse for a limit.

use super::{Evidence, Findings, Guardrail, Text};
use crate::finding::{Finding, Level};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "limit_undecided",
    level: Level::Unknown,
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
    for rule in &evidence.impact.undecided_limits {
        let judge = &evidence.judges.candidate[*rule as usize];
        let outside = evidence
            .impact
            .touched_outside
            .iter()
            .any(|(party, cause)| !party.is_protected() && cause.rule == Some(*rule));
        let asked = judge.max_target_loss.is_some() || judge.must_stop.is_some();
        let counts = evidence.is_judged(*rule) && (outside || asked);
        if counts {
            findings.push(Finding {
                help: Some("judge by an unsampled capture, or allow a larger burst".to_owned()),
                ..evidence.about(
                    &GUARDRAIL,
                    *rule,
                    "the recording is too coarse to tell what this limit costs".to_owned(),
                )
            });
        }
    }
}
