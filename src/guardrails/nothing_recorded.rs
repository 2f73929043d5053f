//! None of those whom a rule reaches is in the recording.

use super::coverage::{coverage, only_family, unrecorded_pops};
use super::{Evidence, Findings, Guardrail, Needs, Text, count, finding};
use crate::finding::{Finding, Level};
use crate::impact::Cause;
use crate::model::{CustomerId, Family};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "nothing_recorded",
    level: Level::Unknown,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "A rule reaches customers outside `may_affect`, and none of them has any record; or \
                  nothing was recorded at a PoP that it names; or it may take their IPv6 packets, and \
                  the exporter of the recorded flows says nothing of IPv6.",
        why: "Replay can only say who was hurt in the recording; of those who are not in it, it \
              says nothing.",
        example: "match: {dst: 198.51.100.0/24}  # and the capture is of another network",
        todo: "Record traffic of these customers, or narrow the rule to its target.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, coverage) in coverage(evidence) {
        let text = rule.map(|rule| evidence.rule(rule));
        let is_v4 = text.is_some_and(|text| only_family(&text.matches) == Some(Family::V4));
        let has_v6 = |id: &&CustomerId| {
            let prefixes = &evidence.inventory().customer(**id).prefixes;
            prefixes.iter().any(|prefix| prefix.value.family == Family::V6)
        };
        if let (Some(name), false) = (evidence.no_ipv6.first(), is_v4)
            && let customers = coverage.reached.iter().filter(has_v6).collect::<Vec<_>>()
            && !customers.is_empty()
        {
            let id = |id: &&CustomerId| evidence.inventory().customer(**id).id.value.clone();
            let message = format!(
                "may take IPv6 packets of {} outside `may_affect`, and an exporter in {name} says \
                 nothing of IPv6",
                count(customers.len(), "customer")
            );
            let (rule, location) = evidence.blame(&Cause { rule, shield: None });
            findings.push(Finding {
                rule: Some(rule),
                location,
                help: Some(
                    "record IPv6 as well: NetFlow v9 or IPFIX with templates for it".to_owned(),
                ),
                ..finding(&GUARDRAIL, message).with_customers(customers.iter().map(id).collect())
            });
        }
        let pops = text.map_or_else(Vec::new, |text| unrecorded_pops(evidence, &text.matches));
        let (of, help) = match (coverage.recorded.is_empty(), pops.is_empty()) {
            (true, _) => (
                "no traffic of theirs is recorded".to_owned(),
                "record their traffic, or narrow the rule to its target",
            ),
            (false, false) => (
                format!("nothing is recorded at {}", pops.join(", ")),
                "record there as well, or narrow the rule to where traffic is recorded",
            ),
            (false, true) => continue,
        };
        let customers: Vec<String> = coverage
            .reached
            .iter()
            .map(|id| evidence.inventory().customer(*id).id.value.clone())
            .collect();
        let reached = count(customers.len(), "customer");
        let message = format!("reaches {reached} outside `may_affect`, and {of}");
        let (name, location) = evidence.blame(&Cause { rule, shield: None });
        findings.push(Finding {
            rule: Some(name),
            location,
            help: Some(help.to_owned()),
            ..finding(&GUARDRAIL, message).with_customers(customers)
        });
    }
}
