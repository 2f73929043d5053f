//! Every situation in which the rules are judged: the recording, then the scenarios.

use std::collections::BTreeSet;

use crate::affected::{self, Loss};
use crate::attribution::Attribution;
use crate::bank::Bank;
use crate::change::Change;
use crate::fate::Sets;
use crate::impact::{Assessment, Impact};
use crate::judge::Judges;
use crate::model::{Action, Exceed};
use crate::safe_rate::{Kept, SafeRate, Search};
use crate::scenario::{Moves, Scenario, View};
use crate::sharing::{self, Sharing};
use crate::tally::Tally;

/// What came of one situation.
pub(super) struct Situation {
    /// Its name.
    pub(super) name: String,
    /// Who newly loses how much in it.
    pub(super) impact: Impact,
    /// Who is affected.
    pub(super) affected: Vec<Loss>,
    /// How many packets are moved, added or taken away.
    pub(super) size: u64,
}

/// What was found about candidate limits.
#[derive(Default)]
pub(super) struct Limits {
    /// Who shares their buckets.
    pub(super) sharing: Vec<Sharing>,
    /// Which rates would do, for those that the change concerns.
    pub(super) safe_rates: Vec<SafeRate>,
}

/// For how many limits safe rates are searched, and over how many offers at most, all scenarios
/// together: every rate that is tried runs them through the buckets again.
const MAX_SEARCHES: usize = 8;
const MAX_OFFERS: usize = 5_000_000;

/// Judges a change in every situation; the first is the recording, the others come smallest first.
pub(super) fn judge(
    sets: Sets<'_>,
    change: &Change,
    judges: &Judges,
    attribution: &Attribution<'_>,
    tally: &Tally,
    (scenarios, moves): (&[Scenario], &Moves),
    min_samples: u64,
) -> (Vec<Situation>, Limits) {
    let bank = Bank::new(tally, sets.sets);
    let policers_of = bank.policers_of();
    let mut recorded = None;
    let mut taking: BTreeSet<u32> = BTreeSet::new();
    let mut views = Vec::new();
    let mut situations: Vec<Situation> = Vec::new();
    for scenario in scenarios {
        let view = View::new(scenario, tally, moves, attribution, &policers_of);
        let losses = bank.simulate(&view, recorded.as_ref());
        let losses_here = [&losses[0], &losses[1]];
        let assessment = Assessment {
            sets,
            change,
            judges,
            attribution,
            tally,
            view: &view,
            losses: losses_here,
        };
        let impact = match recorded {
            None => assessment.assess_and_draw(),
            Some(_) => assessment.assess(),
        };
        let affected = affected::find(&impact, judges, min_samples);
        let name = scenario.name.clone();
        situations.push(Situation { name, impact, affected, size: view.size });
        taking.extend(losses[1].rules_that_take());
        if !tally.offers.is_empty() {
            views.push(view);
        }
        if recorded.is_none() {
            recorded = Some(losses);
        }
    }
    if let Some(scenarios) = situations.get_mut(1..) {
        scenarios.sort_by_key(|situation| situation.size);
    }
    let mut limits = Limits::default();
    let Some(first) = views.first() else { return (situations, limits) };
    let (views, met) = (views.as_slice(), Kept::default());
    let search = Search { sets, change, judges, attribution, tally, bank: &bank, views, met };
    for usage in bank.usage(first) {
        let Action::RateLimit(limit) = &sets.sets[1].rules[usage.rule as usize].action.value else {
            continue;
        };
        let takes = taking.contains(&usage.rule);
        limits.sharing.push(sharing::describe(&usage, limit, tally, attribution, takes));
        if change.concerns(usage.rule as usize)
            && limit.exceed != Exceed::Log
            && limits.safe_rates.len() < MAX_SEARCHES
            && tally.offers.len() * views.len() <= MAX_OFFERS
            && !bank.has_unknown_bucket(usage.rule)
        {
            limits.safe_rates.push(search.find(usage.rule, limit.rate));
        }
    }
    (situations, limits)
}
