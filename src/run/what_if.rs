//! The scenarios of a config, looked up in the inventory.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::attribution::Within;
use crate::config::{ScenarioConfig, ScenarioKind, Selection};
use crate::intent::Selectors;
use crate::model::{Diagnostic, Inventory, NameId, Names, Spanned};
use crate::scenario::{Effect, Scenario, Which};
use crate::yaml::nearest;

/// A scenario as the config writes it, and the file that it adds.
#[derive(Clone)]
pub struct WhatIf {
    /// As written.
    pub config: ScenarioConfig,
    /// The file that it adds, as a path from here.
    pub adds: Option<PathBuf>,
}

/// Looks up what the scenarios name: the recording first, then each as listed, and the files that
/// they add, by part.
pub(super) fn resolve(
    listed: &[WhatIf],
    inventory: &Inventory,
    names: &Names,
) -> (Vec<Scenario>, Vec<PathBuf>, Vec<Diagnostic>) {
    let mut lookup = Lookup { inventory, names, problems: Vec::new() };
    let mut scenarios = vec![Scenario::recorded()];
    let mut added = Vec::new();
    for one in listed {
        let name = &one.config.name;
        let effect = match &one.config.kind {
            ScenarioKind::Drain { pop, to } => Effect::Drain {
                pop: lookup.pop(pop),
                to: to.iter().map(|to| (lookup.pop(&to.pop), to.part)).collect(),
            },
            ScenarioKind::Lose { pop } => Effect::Lose { pop: lookup.pop(pop) },
            ScenarioKind::Scale { factor, which } => {
                Effect::Scale { factor: factor.0, which: lookup.which(which) }
            }
            ScenarioKind::Add { .. } => {
                added.extend(one.adds.clone());
                Effect::Add { part: u16::try_from(added.len()).unwrap_or(u16::MAX) }
            }
            ScenarioKind::EachPop => {
                scenarios.extend(lookup.each_pop(name));
                continue;
            }
        };
        scenarios.push(Scenario { name: name.value.clone(), effect });
    }
    (scenarios, added, lookup.problems)
}

/// Says that nobody knows how a drained PoP's traffic is divided.
pub(super) fn no_proportion(name: &str) -> Diagnostic {
    Diagnostic::bare(format!(
        "scenario `{name}` drains into several PoPs, and no traffic was recorded at any of them: \
         there is no proportion to divide it in"
    ))
    .help("say how it is divided, such as `to: {lhr: 70, fra: 30}`, or record traffic of them")
}

struct Lookup<'a> {
    inventory: &'a Inventory,
    names: &'a Names,
    problems: Vec<Diagnostic>,
}

impl Lookup<'_> {
    fn pop(&mut self, name: &Spanned<String>) -> NameId {
        if let Some(pops) = &self.inventory.pops
            && !pops.iter().any(|pop| pop.id.value == name.value)
        {
            let known = pops.iter().map(|pop| pop.id.value.as_str());
            self.unknown("PoP", name, known, "add it to `pops:` in the inventory");
        }
        self.names.intern(&name.value)
    }

    fn unknown<'k>(
        &mut self,
        what: &str,
        name: &Spanned<String>,
        known: impl Iterator<Item = &'k str>,
        otherwise: &str,
    ) {
        let help = match nearest(&name.value, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => otherwise.to_owned(),
        };
        self.problems.push(
            Diagnostic::error(name.location, format!("unknown {what} `{}`", name.value))
                .label("not in the inventory")
                .help(help),
        );
    }

    fn which(&mut self, selections: &[Selection]) -> Which {
        let mut which = Which::default();
        for selection in selections {
            let (prefix, words) = match selection {
                Selection::Pop(pops) => {
                    which.pops.push(pops.iter().map(|pop| self.pop(pop)).collect());
                    continue;
                }
                Selection::Region(regions) => {
                    let pops = self.regions(regions);
                    which.pops.push(pops);
                    continue;
                }
                Selection::Customer(ids) => ("", ids),
                Selection::Tier(tiers) => ("tier:", tiers),
                Selection::Tag(tags) => ("tag:", tags),
            };
            let selectors: Vec<Spanned<String>> = words
                .iter()
                .map(|word| Spanned::new(format!("{prefix}{}", word.value), word.location))
                .collect();
            let (selection, problems) = Selectors::new(self.inventory).resolve(&selectors);
            self.problems.extend(problems);
            which.customers.push(Within::compile(&selection, &[]));
        }
        which
    }

    fn regions(&mut self, regions: &[Spanned<String>]) -> BTreeSet<NameId> {
        let pops = self.inventory.pops.as_deref().unwrap_or_default();
        let mut found = BTreeSet::new();
        for region in regions {
            let own = pops.iter().filter(|pop| pop.region.as_ref() == Some(&region.value));
            let own: Vec<NameId> = own.map(|pop| self.names.intern(&pop.id.value)).collect();
            if own.is_empty() {
                let known: BTreeSet<&str> =
                    pops.iter().filter_map(|pop| pop.region.as_deref()).collect();
                let help = "give PoPs this `region` in the inventory";
                self.unknown("region", region, known.into_iter(), help);
            }
            found.extend(own);
        }
        found
    }

    /// Drains each PoP in turn into the others of its region.
    fn each_pop(&mut self, name: &Spanned<String>) -> Vec<Scenario> {
        let pops = self.inventory.pops.as_deref().unwrap_or_default();
        let mut scenarios = Vec::new();
        for pop in pops.iter().filter(|pop| pop.region.is_some()) {
            let others = pops
                .iter()
                .filter(|other| other.region == pop.region && other.id.value != pop.id.value);
            let to: Vec<_> =
                others.map(|other| (self.names.intern(&other.id.value), None)).collect();
            if !to.is_empty() {
                scenarios.push(Scenario {
                    name: format!("{}/{}", name.value, pop.id.value),
                    effect: Effect::Drain { pop: self.names.intern(&pop.id.value), to },
                });
            }
        }
        if scenarios.is_empty() {
            self.problems.push(
                Diagnostic::error(name.location, format!("`{}` drains nothing", name.value))
                    .label("no region of the inventory has two PoPs")
                    .help("list `pops:` with their `region` in the inventory"),
            );
        }
        scenarios
    }
}
