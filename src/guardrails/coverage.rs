//! For whom a rule needs evidence, and how much there is: shared by the guardrails about thin
//! evidence.

use std::collections::BTreeSet;

use super::Evidence;
use crate::attribution::Party;
use crate::impact::Amount;
use crate::model::{CustomerId, Family, Match, NameId};

/// The evidence about those whom one rule reaches outside its `may_affect`.
#[derive(Clone, Debug, Default)]
pub(super) struct Coverage {
    /// The customers.
    pub(super) reached: BTreeSet<CustomerId>,
    /// Those of them with any record.
    pub(super) recorded: BTreeSet<CustomerId>,
    /// Those of them without enough to judge by.
    pub(super) not_judged: BTreeSet<CustomerId>,
    /// Legitimate traffic of all of them.
    pub(super) offered: Amount,
    /// Legitimate traffic of those not judged.
    pub(super) unjudged: Amount,
}

/// Returns the evidence for every rule that may reach someone outside its `may_affect`.
pub(super) fn coverage(evidence: &Evidence<'_>) -> Vec<(Option<u32>, Coverage)> {
    evidence
        .reached
        .by_rule
        .iter()
        .map(|(rule, parties)| {
            let outside = parties.iter().filter(|(_, reaching)| reaching.outside);
            (*rule, of_rule(evidence, *rule, outside.map(|(party, _)| *party)))
        })
        .filter(|(_, coverage)| !coverage.reached.is_empty())
        .collect()
}

fn of_rule(
    evidence: &Evidence<'_>,
    rule: Option<u32>,
    parties: impl Iterator<Item = Party>,
) -> Coverage {
    let judge = evidence.judges.of(rule);
    let mut coverage = Coverage::default();
    for party in parties {
        match party {
            Party::Customer(id) => coverage.reached.extend([id]),
            Party::Shared(id) => {
                let sharers = evidence.inventory().shared[id.0 as usize].customers.iter();
                let meant = |id: &&CustomerId| judge.may_affect.has_customer(**id);
                coverage.reached.extend(sharers.filter(|id| !meant(id)));
            }
            // Nobody's traffic counts zero as zero, and the protected have their own guardrails.
            Party::Unowned | Party::Infrastructure(_) | Party::ControlPlane => {}
        }
    }
    let mut thin = BTreeSet::new();
    let groups = match is_recorded_where(evidence, rule) {
        true => evidence.impact.groups.as_slice(),
        false => &[],
    };
    for group in groups {
        let members: Vec<CustomerId> = match group.id.party {
            Party::Customer(id) => vec![id],
            Party::Shared(id) => evidence.inventory().shared[id.0 as usize].customers.clone(),
            _ => continue,
        };
        if !members.iter().any(|id| coverage.reached.contains(id)) {
            continue;
        }
        let offered = group.total.offered;
        coverage.offered.add(offered);
        let is_thin = group.is_sampled() && offered.raw < evidence.standards.min_samples;
        if is_thin {
            coverage.unjudged.add(offered);
        }
        for id in members.into_iter().filter(|id| coverage.reached.contains(id)) {
            coverage.recorded.insert(id);
            if is_thin {
                thin.insert(id);
            }
        }
    }
    let unseen = coverage.reached.difference(&coverage.recorded).copied();
    coverage.not_judged = unseen.chain(thin).collect();
    coverage
}

/// Returns whether anything was recorded where a rule applies: what was recorded elsewhere alone says
/// nothing of a rule for some PoPs.
fn is_recorded_where(evidence: &Evidence<'_>, rule: Option<u32>) -> bool {
    let Some(pops) = rule.and_then(|rule| evidence.rule(rule).matches.pops()) else { return true };
    let is_one = |pop: NameId| pops.contains(&&*evidence.names.name(pop));
    evidence.impact.groups.iter().any(|group| group.id.pop.is_none_or(is_one))
}

/// Returns the one family of the addresses that a match names, if it is one.
pub(super) fn only_family(matches: &Match) -> Option<Family> {
    let named = [matches.destinations(), matches.sources()];
    let mut families = named.iter().flatten().flat_map(|set| set.iter().map(|range| range.family));
    let first = families.next()?;
    families.all(|family| family == first).then_some(first)
}
