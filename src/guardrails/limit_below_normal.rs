//! A limit that ordinary traffic exceeds by itself.

use super::{Evidence, Findings, Guardrail, Needs, Text, count};
use crate::finding::{Finding, Level};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "limit_below_normal",
    level: Level::Warning,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "What a bucket saw of legitimate traffic goes beyond its limit by itself. Not \
                  where none of the traffic is labelled.",
        why: "A limit sized by the attack and not by what is normal throws away customers even \
              when there is no attack.",
        example: "action: {rate_limit: {rate: 1 Mbps}}  # and the site has 20 Mbps of visitors",
        todo: "Raise the limit above the ordinary peak, or match the attack more narrowly.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (limit, sharing) in evidence.changed_limits() {
        if sharing.below_normal == 0 || !evidence.impact.labelled {
            continue;
        }
        let message = format!(
            "legitimate traffic alone goes beyond {} in {} (its peak in one: {})",
            limit.rate,
            count(sharing.below_normal, "bucket"),
            sharing.normal_peak,
        );
        findings.push(Finding {
            mild: true,
            help: Some("raise the limit above the ordinary peak, or match more narrowly".into()),
            ..evidence.about(&GUARDRAIL, sharing.rule, message)
        });
    }
}
