//! Where the inventory lists PoPs, nothing else may name others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::FixedState;

use super::Run;
use crate::input;
use crate::model::{Diagnostic, Inventory, Location, Match, NameId, Names, RuleSet, Term};

/// Returns the words by which recordings name an exporter.
fn words_for(exporter: &str) -> Vec<String> {
    match exporter.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address @ IpAddr::V4(_)) => {
            vec![address.to_string(), format!("::ffff:{address}")]
        }
        Ok(address) => vec![address.to_string()],
        Err(_) => vec![exporter.to_owned()],
    }
}

impl Run {
    /// Takes over which exporters are of which PoP; one of two PoPs is a contradiction.
    pub(super) fn take_exporters(&mut self, inventory: &Inventory) {
        let mut known: BTreeMap<String, &str> = BTreeMap::new();
        for pop in inventory.pops.iter().flatten() {
            for word in pop.exporters.iter().flat_map(|exporter| words_for(exporter)) {
                let before = known.insert(word.clone(), &pop.id.value);
                if let Some(before) = before.filter(|before| *before != pop.id.value) {
                    let message = format!(
                        "the exporter {word} is of two PoPs, {before} and {}",
                        pop.id.value
                    );
                    let problem = Diagnostic::error(pop.id.location, message);
                    self.problems.push(problem.help("name it at the PoP where it stands"));
                    return;
                }
            }
        }
        self.exporters = known.into_iter().map(|(word, pop)| (word, pop.to_owned())).collect();
    }

    /// Returns the PoPs of exporters by their names.
    pub(super) fn pops_of_exporters(&self, names: &Names) -> HashMap<NameId, NameId, FixedState> {
        let intern =
            |(exporter, pop): &(String, String)| (names.intern(exporter), names.intern(pop));
        self.exporters.iter().map(intern).collect()
    }

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
