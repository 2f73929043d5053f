//! For whom a rule needs evidence, and how much there is: shared by the guardrails about thin
//! evidence.

use std::collections::BTreeSet;

use super::Evidence;
use crate::attribution::Party;
use crate::impact::Amount;
use crate::model::{AddressSet, CustomerId, Family, Match, NameId};

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
    let sides = rule.map(|rule| Sides::new(&evidence.rule(rule).matches));
    let is_recorded = |id: &CustomerId| sides.as_ref().is_none_or(|sides| sides.has(evidence, *id));
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
        let members: Vec<CustomerId> = members.into_iter().filter(is_recorded).collect();
        if members.is_empty() {
            coverage.unjudged.add(offered);
            continue;
        }
        let least = evidence.standards.min_samples;
        let is_thin_at_ends = |id: &CustomerId| {
            sides.as_ref().is_some_and(|sides| sides.least(evidence, *id) < least)
        };
        let is_thin =
            group.is_sampled() && (offered.raw < least || members.iter().all(is_thin_at_ends));
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

/// Returns whether anything was recorded where a rule applies: what was recorded elsewhere alone, or
/// only the other way, says nothing of a rule for some PoPs or one direction.
fn is_recorded_where(evidence: &Evidence<'_>, rule: Option<u32>) -> bool {
    let Some(rule) = rule.map(|rule| evidence.rule(rule)) else { return true };
    let pops = rule.matches.pops();
    recorded_pops(evidence, &rule.matches).any(|pop| {
        let is_there = |name: NameId| {
            pops.as_ref().is_none_or(|pops| pops.contains(&&*evidence.names.name(name)))
        };
        pop.is_none_or(is_there)
    })
}

/// Returns the PoPs of which traffic was recorded that goes the way that a match is for; none is what
/// does not say where it was recorded.
fn recorded_pops<'a>(
    evidence: &'a Evidence<'_>,
    matches: &'a Match,
) -> impl Iterator<Item = Option<NameId>> + 'a {
    let directions = matches.directions();
    let pops = evidence.impact.groups.iter().map(|group| group.id.pop);
    pops.filter(move |pop| directions.is_none_or(|ways| evidence.directions.has(*pop, ways)))
}

/// Returns the PoPs that a match names and of which nothing was recorded, in their order.
pub(super) fn unrecorded_pops<'a>(evidence: &Evidence<'_>, matches: &'a Match) -> Vec<&'a str> {
    let Some(mut pops) = matches.pops() else { return Vec::new() };
    let recorded: BTreeSet<Option<NameId>> = recorded_pops(evidence, matches).collect();
    if recorded.contains(&None) {
        return Vec::new();
    }
    let names: BTreeSet<_> =
        recorded.into_iter().flatten().map(|pop| evidence.names.name(pop)).collect();
    pops.retain(|pop| !names.iter().any(|name| **name == **pop));
    pops
}

/// The addresses that a rule names at the source and at the destination, if it does: who is named at
/// one end is recorded only by traffic of which he is at that end.
struct Sides([Option<AddressSet>; 2]);

impl Sides {
    fn new(matches: &Match) -> Sides {
        Sides([matches.sources(), matches.destinations()])
    }

    /// Returns whether a customer is recorded at every end at which he is named.
    fn has(&self, evidence: &Evidence<'_>, id: CustomerId) -> bool {
        self.least(evidence, id) > 0
    }

    /// Returns how many packets of a customer are recorded at the end at which he is named, the fewer of
    /// both if he is at both; no limit where he is at none.
    fn least(&self, evidence: &Evidence<'_>, id: CustomerId) -> u64 {
        let prefixes = &evidence.inventory().customer(id).prefixes;
        let is_named =
            |set: &AddressSet| prefixes.iter().any(|prefix| set.overlaps(prefix.value.range()));
        let named = self.0.iter().zip(&evidence.impact.recorded).map(|(named, recorded)| {
            let packets = recorded.get(&id).copied().unwrap_or(0);
            if named.as_ref().is_some_and(is_named) { packets } else { u64::MAX }
        });
        named.min().unwrap_or(u64::MAX)
    }
}

/// Returns the one family of the addresses that a match names, if it is one.
pub(super) fn only_family(matches: &Match) -> Option<Family> {
    let named = [matches.destinations(), matches.sources()];
    let mut families = named.iter().flatten().flat_map(|set| set.iter().map(|range| range.family));
    let first = families.next()?;
    families.all(|family| family == first).then_some(first)
}
