//! The change could newly harm someone outside `may_reach`.

use std::collections::BTreeMap;

use super::{Evidence, Findings, Guardrail, Needs, Text, count, finding};
use crate::attribution::Party;
use crate::finding::{Finding, Level};
use crate::impact::Cause;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "reach_beyond_intent",
    level: Level::Error,
    in_scenarios: false,
    needs: Needs::Inventory,
    text: Text {
        catches: "The change could newly harm packets of someone outside the rule's `may_reach`, \
                  whether or not such packets are in the recording.",
        why: "On 2012-09-15 a limit for one customer covered many. Replay misses who slept: the \
              rule hits them on the day it matters.",
        example: "match: {dst: 203.0.113.0/24, protocol: udp}  # and the target owns a /28 of it\n\
                  intent: {target: [acme]}",
        todo: "Narrow the rule to its target, put an accept for the others above it, or write in \
               `may_reach` whom it may cover.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let reached = evidence.reached;
    for (rule, parties) in &reached.by_rule {
        let beyond = parties.iter().filter(|(_, reaching)| reaching.beyond);
        let beyond: Vec<Party> = beyond.map(|(party, _)| *party).collect();
        if beyond.is_empty() {
            continue;
        }
        // Where the change is that another rule no longer lets them pass, that is the mistake.
        let exposing = reached.exposed.iter().find(|(_, rules)| rules.contains_key(rule));
        let shield = exposing.map(|(shield, _)| *shield);
        let packet = reached.beyond.get(rule).map(super::in_words).unwrap_or_default();
        let named = named(evidence, &beyond, *rule);
        let message = format!("could newly harm {} beyond `may_reach`: {packet}", named.0);
        let cause = Cause { rule: *rule, shield };
        findings.push(about(evidence, &cause, message).with_customers(named.1));
    }
    for (shield, rules) in &reached.by_shield {
        let mut who: BTreeMap<Party, Option<u32>> = BTreeMap::new();
        for (rule, parties) in rules {
            // What the rule that does the harm is not meant to reach is said already.
            let of_rule = reached.by_rule.get(rule);
            let is_said = |party: &Party| {
                of_rule.and_then(|known| known.get(party)).is_some_and(|known| known.beyond)
            };
            who.extend(parties.iter().filter(|party| !is_said(party)).map(|one| (*one, *rule)));
        }
        let Some(rule) = who.values().next().copied() else { continue };
        let parties: Vec<Party> = who.into_keys().collect();
        let cause = Cause { rule, shield: Some(*shield) };
        let (by, _) = evidence.blame(&Cause { rule, shield: None });
        let named = named(evidence, &parties, rule);
        let message = format!(
            "no longer takes what `{by}` now harms, beyond the `may_reach` of its own intent: {}",
            named.0
        );
        findings.push(about(evidence, &cause, message).with_customers(named.1));
    }
    for rule in &reached.undecided {
        let message =
            "whom this could newly harm could not be decided within the budget".to_owned();
        let finding = Finding {
            level: Level::Unknown,
            help: Some("make the rules simpler, or judge fewer of them at once".to_owned()),
            ..about(evidence, &Cause { rule: *rule, shield: None }, message)
        };
        findings.push(finding);
    }
}

fn about(evidence: &Evidence<'_>, cause: &Cause, message: String) -> Finding {
    let (rule, location) = evidence.blame(cause);
    let help = match cause.shield {
        Some(_) => "take the change back for those, or write in `may_reach` whom it may cover",
        None => {
            "narrow the rule, put an accept above it, or write in `may_reach` whom it may cover"
        }
    };
    Finding {
        rule: Some(rule),
        location,
        help: Some(help.to_owned()),
        ..finding(&GUARDRAIL, message)
    }
}

/// Names some of those reached, and lists all of them.
fn named(evidence: &Evidence<'_>, parties: &[Party], rule: Option<u32>) -> (String, Vec<String>) {
    let judge = evidence.judges.of(rule);
    let all = parties.iter().flat_map(|party| evidence.customers_of(*party, judge));
    let all = super::unique(all);
    let text = match all.as_slice() {
        [] => String::new(),
        few if few.len() <= 3 => few.join(", "),
        many => format!("{} ({}, …)", count(many.len(), "customer"), many[..2].join(", ")),
    };
    (text, all)
}
