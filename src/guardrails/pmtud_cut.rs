//! Path-MTU discovery of a customer is cut.

use super::{Evidence, Findings, Guardrail, Needs, Text, finding};
use crate::finding::{Finding, Level};
use crate::impact::Cause;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "pmtud_cut",
    level: Level::Warning,
    in_scenarios: false,
    needs: Needs::Inventory,
    text: Text {
        catches: "A rule newly drops every \"fragmentation needed\" (ICMP type 3 code 4) or \
                  \"packet too big\" (ICMPv6 type 2) to a customer whom TCP still reaches.",
        why: "A sender that never hears of a smaller MTU on the way sends large packets for ever, \
              and connections hang after their first bytes (RFC 2923, section 2.1).",
        example: "match: {dst: 203.0.113.0/28, protocol: icmp}\naction: drop",
        todo: "Accept ICMP type 3 code 4 and ICMPv6 type 2 above the rule, or limit them instead.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, parties) in &evidence.reached.pmtud {
        let judge = evidence.judges.of(*rule);
        let names = parties.iter().flat_map(|party| evidence.customers_of(*party, judge));
        let names = super::unique(names);
        let (name, location) = evidence.blame(&Cause { rule: *rule, shield: None });
        let some = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let more = if names.len() > 3 { ", …" } else { "" };
        let message =
            format!("cuts off path-MTU discovery of {some}{more}, whom TCP still reaches");
        let help = "accept ICMP type 3 code 4 and ICMPv6 type 2 above it".to_owned();
        findings.push(
            Finding {
                rule: Some(name),
                location,
                help: Some(help),
                ..finding(&GUARDRAIL, message)
            }
            .with_customers(names),
        );
    }
}
