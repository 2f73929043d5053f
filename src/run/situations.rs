//! Every situation in which the rules are judged: the recording, then the scenarios.

use crate::affected::{self, Loss};
use crate::attribution::Attribution;
use crate::bank::Bank;
use crate::change::Change;
use crate::fate::Sets;
use crate::impact::{Assessment, Impact};
use crate::judge::Judges;
use crate::scenario::{Moves, Scenario, View};
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

/// Judges a change in every situation; the first is the recording, the others come smallest first.
pub(super) fn judge(
    sets: Sets<'_>,
    change: &Change,
    judges: &Judges,
    attribution: &Attribution<'_>,
    tally: &Tally,
    (scenarios, moves): (&[Scenario], &Moves),
    min_samples: u64,
) -> Vec<Situation> {
    let bank = Bank::new(tally, sets.sets);
    let policers_of = bank.policers_of();
    let mut recorded = None;
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
        let impact = assessment.assess();
        let affected = affected::find(&impact, judges, min_samples);
        let name = scenario.name.clone();
        situations.push(Situation { name, impact, affected, size: view.size });
        if recorded.is_none() {
            recorded = Some(losses);
        }
    }
    if let Some(scenarios) = situations.get_mut(1..) {
        scenarios.sort_by_key(|situation| situation.size);
    }
    situations
}
