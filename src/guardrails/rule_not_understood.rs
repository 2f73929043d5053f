//! The verdict hinges on a condition of a rule that is not understood.

use std::collections::BTreeMap;

use super::{
    Evidence, Findings, Guardrail, Needs, Text, count, finding, in_words, unique, what_is_open,
};
use crate::affected::Certainty;
use crate::finding::{Finding, Level};
use crate::impact::Cause;
use crate::matcher::NOT_UNDERSTOOD;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "rule_not_understood",
    level: Level::Unknown,
    needs: Needs::Inventory,
    in_scenarios: true,
    text: Text {
        catches: "Someone could newly be harmed, or may newly lose recorded traffic; whether that is                   so hangs on a condition of a rule that is not understood.",
        why: "What is not understood may match anything or nothing. Tools that drop such a rule, or               take it for one that matches nothing, pass the change that cuts a network off.",
        example: "tcp dport 22 meta cgroup 1048577 drop  # which packets?",
        todo: "Write the rule without the condition, or look at it by hand and put an accept for                those who must not be harmed above it.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    if evidence.scenario.is_none() {
        proved(evidence, findings);
    }
    let mut by_cause: BTreeMap<Cause, Vec<String>> = BTreeMap::new();
    for loss in evidence.affected {
        let Certainty::Missing(missing) = loss.certainty else { continue };
        if missing & NOT_UNDERSTOOD == 0 {
            continue;
        }
        let party = evidence.impact.groups[loss.group].id.party;
        for cause in &loss.causes {
            let customers = by_cause.entry(*cause).or_default();
            customers.extend(evidence.customers_of(party, evidence.judges.of(cause.rule)));
        }
    }
    for (cause, customers) in by_cause {
        let customers = unique(customers);
        let open = what_is_open(evidence, NOT_UNDERSTOOD, &cause).join(", ");
        let message = format!(
            "{} may lose traffic; that hangs on {open}, which is not understood",
            count(customers.len(), "customer")
        );
        findings.push(about(evidence, &cause, message).with_customers(customers));
    }
}

/// Reports what the proof finds possible, but not certain.
fn proved(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, doubt) in &evidence.reached.not_understood {
        let judge = evidence.judges.of(*rule);
        let parties = doubt.parties.iter();
        let customers = unique(parties.flat_map(|party| evidence.customers_of(*party, judge)));
        let packet = doubt.packet.as_ref().map(in_words).unwrap_or_default();
        let message = format!(
            "could newly harm {}, by a condition that is not understood: {packet}",
            count(customers.len(), "customer")
        );
        let cause = Cause { rule: *rule, shield: None };
        findings.push(about(evidence, &cause, message).with_customers(customers));
    }
}

fn about(evidence: &Evidence<'_>, cause: &Cause, message: String) -> Finding {
    let (rule, location) = evidence.blame(cause);
    let help = "write the rule without the condition, or put an accept above it for those who must                 not be harmed";
    Finding {
        rule: Some(rule),
        location,
        help: Some(help.to_owned()),
        ..finding(&GUARDRAIL, message)
    }
}
