//! The proof finds built-in control plane on addresses that nobody listed.

use super::{Evidence, Findings, Guardrail, Needs, Text, finding};
use crate::finding::{Finding, Level};
use crate::impact::Cause;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "control_plane_reached",
    level: Level::Warning,
    in_scenarios: false,
    needs: Needs::Inventory,
    text: Text {
        catches: "The rule could newly harm packets of a built-in control-plane service (BGP, BFD, \
                  LDP, OSPF, VRRP, PIM, ICMP errors) between addresses that nobody listed.",
        why: "On 2012-09-15 and on 2020-08-30 rules without a destination took the routers' own \
              BGP. Whether these addresses are routers, only their operator knows.",
        example: "match: {protocol: tcp}\naction: drop  # BGP is TCP",
        todo: "List your routers under `infrastructure:`, so that they are protected; or put an \
               accept for the control plane above the rule.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, packet) in &evidence.reached.control_plane {
        let (name, location) = evidence.blame(&Cause { rule: *rule, shield: None });
        let message = format!(
            "takes control-plane packets of addresses that nobody listed: {}",
            super::in_words(packet)
        );
        findings.push(Finding {
            rule: Some(name),
            location,
            mild: true,
            help: Some("list your routers under `infrastructure:`".to_owned()),
            ..finding(&GUARDRAIL, message)
        });
    }
}
