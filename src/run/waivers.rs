//! Waivers: read from files and from the candidate rules, and applied to what was found.

use super::Run;
use crate::finding::Finding;
use crate::guardrails::{Evidence, Needs};
use crate::model::{Inventory, RuleSet, Waiver};
use crate::report::WaiverUse;
use crate::waiver::{apply, examine, of_rules, parse, waivable};

impl Run {
    /// Reads all waivers. What is wrong with any of them is a problem: nobody knows then what was
    /// accepted.
    pub(super) fn waivers(
        &mut self,
        candidate: &RuleSet,
        inventory: Option<&Inventory>,
    ) -> Vec<Waiver> {
        let mut waivers: Vec<Waiver> = of_rules(candidate).cloned().collect();
        for path in self.plan.waivers.clone() {
            if let Some(source) = self.text(&path) {
                let (read, problems) = parse(source, &self.sources.get(source).text);
                self.problems.extend(problems);
                waivers.extend(read);
            }
        }
        self.problems.extend(examine(&waivers, self.plan.standards.now, inventory));
        waivers
    }

    /// Takes the weight from what is waived.
    pub(super) fn waive(
        &self,
        waivers: Vec<Waiver>,
        evidence: &Evidence<'_>,
        findings: &mut Vec<Finding>,
    ) -> Vec<WaiverUse> {
        let number = |set: &RuleSet, id: &str| set.rules.iter().position(|rule| rule.id == id);
        let looked_at = |waiver: &Waiver| {
            let id = waiver.rule.value.as_str();
            match number(evidence.candidate, id) {
                Some(rule) => {
                    let needs =
                        waivable(&waiver.guardrail.value).map_or(Needs::Traffic, |g| g.needs);
                    needs <= evidence.given && evidence.is_judged(rule as u32)
                }
                None if id == "default" => !evidence.has_running,
                // Of a part of the rules nobody can tell that the rule is gone.
                None => self.plan.is_whole || number(evidence.running, id).is_some(),
            }
        };
        let is_touched = |id: &str| {
            let of_candidate = number(evidence.candidate, id);
            of_candidate.is_some_and(|rule| evidence.change.concerns(rule))
                || of_candidate.is_none() && number(evidence.running, id).is_some()
        };
        apply(waivers, self.plan.standards.now, findings, looked_at, is_touched)
    }
}
