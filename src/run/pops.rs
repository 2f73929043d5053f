//! Where the inventory lists PoPs, nothing else may name others.

use std::collections::BTreeSet;

use super::Run;
use crate::input;
use crate::model::{Diagnostic, Inventory, Location, Match, RuleSet, Term};

impl Run {
    /// Tiers that must be judged are tiers that customers have: of others nothing would be judged.
    pub(super) fn check_tiers(&mut self, inventory: &Inventory) {
        let known: BTreeSet<&str> =
            inventory.customers.iter().filter_map(|one| one.tier.as_deref()).collect();
        let unknown = self.plan.standards.must_judge.iter();
        let unknown = unknown.filter(|tier| !known.contains(tier.as_str())).map(|tier| {
            let problem = Diagnostic::bare(format!(
                "`must_judge` names the tier `{tier}`, and no customer has it"
            ));
            let near = crate::yaml::nearest(tier, known.iter().copied());
            problem.help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name a `tier` of the inventory, or take it away".to_owned(),
            })
        });
        self.problems.extend(unknown.collect::<Vec<_>>());
    }

    /// Where the inventory lists PoPs, rules and recordings may name no others.
    pub(super) fn check_pops(&mut self, candidate: &RuleSet, inventory: &Inventory) {
        let Some(pops) = &inventory.pops else { return };
        let known: BTreeSet<&str> = pops.iter().map(|pop| pop.id.value.as_str()).collect();
        let unknown = |name: &str, problem: Diagnostic| match crate::yaml::nearest(
            name,
            known.iter().copied(),
        ) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("add it to `pops:` in the inventory"),
        };
        fn named<'m>(matches: &'m Match, found: &mut Vec<(&'m str, Location)>) {
            for term in &matches.terms {
                match &term.value {
                    Term::Pop(pops) => {
                        found.extend(pops.iter().map(|pop| (pop.as_str(), term.location)));
                    }
                    Term::Not(inner) => named(inner, found),
                    Term::AnyOf(branches) => {
                        branches.iter().for_each(|branch| named(branch, found));
                    }
                    _ => {}
                }
            }
        }
        for rule in &candidate.rules {
            let mut found = Vec::new();
            named(&rule.matches, &mut found);
            for (name, location) in found.into_iter().filter(|(name, _)| !known.contains(name)) {
                let problem = Diagnostic::error(location, format!("unknown PoP `{name}`"))
                    .label("not in the inventory");
                self.problems.push(unknown(name, problem));
            }
        }
        for recording in &self.plan.traffic {
            if let Some(name) = recording.pop.as_deref().filter(|name| !known.contains(name)) {
                let shown = input::shown(&recording.path);
                let problem = Diagnostic::bare(format!("unknown PoP `{name}` for {shown}"));
                self.problems.push(unknown(name, problem));
            }
        }
    }
}
