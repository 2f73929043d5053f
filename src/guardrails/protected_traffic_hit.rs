//! Recorded traffic of protected infrastructure newly meets harm.

use super::protected::{is_management, report};
use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::Level;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "protected_traffic_hit",
    level: Level::Error,
    needs: Needs::Inventory,
    in_scenarios: true,
    text: Text {
        catches: "Recorded traffic of a protected service (listed infrastructure, or the built-in \
                  control plane) that is not labelled attack newly meets a drop, a reject, a \
                  challenge, a redirect or a limit, whether or not anything of it is lost; or \
                  packets of a listed service from infrastructure or its peers could, recorded or \
                  not.",
        why: "On 2012-09-15 a rate limit also caught the routers' own BGP sessions; on 2020-08-30 \
              a FlowSpec rule with wildcards dropped the BGP by which it was to be withdrawn, and \
              a transit network was down for five hours.",
        example: "match: {protocol: tcp}\naction: {rate_limit: {rate: 4 Gbps}}  # BGP is TCP",
        todo: "Put an accept for the protected service (BGP: TCP port 179) above the rule, or \
               name the destinations of the rule.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    report(evidence, findings, &GUARDRAIL, |party| !is_management(evidence, party));
}
