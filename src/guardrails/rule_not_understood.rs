//! The verdict hinges on a condition of a rule that is not understood.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Evidence, Findings, Guardrail, Needs, Text, count, finding, in_words, unique, what_is_open,
};
use crate::affected::Certainty;
use crate::finding::{Finding, Level};
use crate::impact::Cause;
use crate::matcher::NOT_UNDERSTOOD;
use crate::model::{Location, Rule, RuleSet, Unmodelled, UnmodelledKind};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "rule_not_understood",
    level: Level::Unknown,
    needs: Needs::Inventory,
    in_scenarios: true,
    text: Text {
        catches: "Someone could newly be harmed, or may newly lose recorded traffic; whether that is                   so hangs on a condition of a rule that is not understood. So is any new rule with \
                  such a condition.",
        why: "What is not understood may match anything or nothing. Tools that drop such a rule, or               take it for one that matches nothing, pass the change that cuts a network off.",
        example: "tcp dport 22 meta cgroup 1048577 drop  # which packets?",
        todo: "Write the rule without the condition, or look at it by hand and put an accept for                those who must not be harmed above it.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    if evidence.scenario.is_none() {
        proved(evidence, findings);
        newly(evidence, findings);
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

/// Reports what is new and not understood: nobody can be shown to be harmed by it, but it may keep
/// the whole file from being loaded.
fn newly(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut said: BTreeSet<Location> = BTreeSet::new();
    let help = "write the rule without it, or try the file where it will run";
    let message = |text: &str| {
        format!(
            "`{text}` is not understood: what it does, and whether the rules load at all, is not \
             known"
        )
    };
    let texts = |rule: &Rule| -> Vec<String> {
        let unknown = rule.matches.unmodelled().into_iter();
        let unknown = unknown.filter(|one| one.kind == UnmodelledKind::NotUnderstood);
        unknown.map(|one| one.text.trim_end_matches(Unmodelled::BEFORE).to_owned()).collect()
    };
    let before: BTreeSet<String> = evidence.running.rules.iter().flat_map(texts).collect();
    for (at, rule, _) in evidence.rules() {
        let Some(unknown) = texts(rule).into_iter().find(|text| !before.contains(text)) else {
            continue;
        };
        if !evidence.change.adds_or_edits(at as usize) || !said.insert(rule.location) {
            continue;
        }
        // Whom it may harm is said already.
        if !evidence.reached.not_understood.contains_key(&Some(at)) {
            findings.push(Finding {
                help: Some(help.to_owned()),
                ..evidence.about(&GUARDRAIL, at, message(&unknown))
            });
        }
    }
    let all = |set: &'_ RuleSet| {
        set.coverage.iter().flat_map(|file| file.not_understood.clone()).collect::<Vec<_>>()
    };
    let known: BTreeSet<String> = all(evidence.running).into_iter().map(|(_, text)| text).collect();
    for (location, text) in all(evidence.candidate) {
        let is_said = said.iter().any(|rule| {
            rule.source == location.source
                && rule.span.start <= location.span.start
                && location.span.end <= rule.span.end
        });
        if known.contains(&text) || is_said {
            continue;
        }
        findings.push(Finding {
            location: Some(location),
            help: Some(help.to_owned()),
            ..finding(&GUARDRAIL, message(&text))
        });
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
