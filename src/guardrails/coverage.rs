//! For whom a rule needs evidence, and how much there is: shared by the guardrails about thin
//! evidence.

use std::collections::BTreeSet;

use super::Evidence;
use crate::attribution::Party;
use crate::impact::{Amount, Group};
use crate::model::{AddressSet, CustomerId, Direction, Family, Match, NameId};

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
    let sides = rule.map(|rule| Sides::new(evidence, &evidence.rule(rule).matches));
    let is_recorded = |id: &CustomerId| sides.as_ref().is_none_or(|sides| sides.least(*id) > 0);
    // What was recorded where a rule does not apply says nothing of it.
    let applies =
        |group: &&Group| sides.as_ref().is_none_or(|sides| sides.ground.has(group.id.pop));
    let (mut is_sampled, mut is_recorded_there) = (false, false);
    for group in evidence.impact.groups.iter().filter(applies) {
        is_sampled |= group.is_sampled();
        is_recorded_there = true;
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
        let is_thin_at_ends =
            |id: &CustomerId| sides.as_ref().is_some_and(|sides| sides.least(*id) < least);
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
    // Where all packets are recorded, none of somebody's is none.
    if let Some(sides) = sides.filter(|_| is_recorded_there && !is_sampled) {
        let unseen: Vec<CustomerId> =
            coverage.reached.difference(&coverage.recorded).copied().collect();
        coverage.recorded.extend(unseen.into_iter().filter(|id| sides.is_elsewhere(*id)));
    }
    let unseen = coverage.reached.difference(&coverage.recorded).copied();
    coverage.not_judged = unseen.chain(thin).collect();
    coverage
}

/// Where a match may apply, of what was recorded.
struct Ground<'a> {
    evidence: &'a Evidence<'a>,
    pops: Option<Vec<NameId>>,
    directions: Option<&'a [Direction]>,
}

impl<'a> Ground<'a> {
    fn new(evidence: &'a Evidence<'a>, matches: &'a Match) -> Ground<'a> {
        let intern = |pop: &str| evidence.names.intern(pop);
        let pops = matches.pops().map(|pops| pops.into_iter().map(intern).collect());
        Ground { evidence, pops, directions: matches.directions() }
    }

    /// Returns whether it may apply to what was recorded at a PoP, none if it does not say where: by the
    /// PoPs that it names, and by the directions in which anything was recorded there.
    fn has(&self, pop: Option<NameId>) -> bool {
        let is_named = |pop| self.pops.as_ref().is_none_or(|pops| pops.contains(&pop));
        pop.is_none_or(is_named) && self.goes(pop)
    }

    fn goes(&self, pop: Option<NameId>) -> bool {
        self.directions.is_none_or(|ways| self.evidence.directions.has(pop, ways))
    }
}

/// Returns the PoPs that a match names and of which nothing was recorded that goes its way, in their
/// order.
pub(super) fn unrecorded_pops(evidence: &Evidence<'_>, matches: &Match) -> Vec<String> {
    let ground = Ground::new(evidence, matches);
    let pops = evidence.impact.groups.iter().map(|group| group.id.pop);
    let recorded: BTreeSet<Option<NameId>> = pops.filter(|pop| ground.goes(*pop)).collect();
    if recorded.contains(&None) {
        return Vec::new();
    }
    let named = ground.pops.into_iter().flatten();
    let missing = named.filter(|pop| !recorded.contains(&Some(*pop)));
    missing.map(|pop| evidence.names.name(pop).to_string()).collect()
}

/// The addresses that a rule names at the source and at the destination, if it does: who is named at
/// one end is recorded only by traffic of which he is at that end.
struct Sides<'a> {
    ground: Ground<'a>,
    ends: [Option<AddressSet>; 2],
    /// Whether anybody is recorded at each end where the rule applies.
    has_anybody: [bool; 2],
}

impl<'a> Sides<'a> {
    fn new(evidence: &'a Evidence<'a>, matches: &'a Match) -> Sides<'a> {
        let ground = Ground::new(evidence, matches);
        let has_anybody = [0, 1].map(|end: usize| {
            evidence.impact.recorded[end].keys().any(|(_, pop)| ground.has(*pop))
        });
        Sides { ground, ends: [matches.sources(), matches.destinations()], has_anybody }
    }

    /// Returns how many packets of a customer are recorded at the end at which he is named, the fewer of
    /// both if he is at both; no limit where he is at none.
    fn least(&self, id: CustomerId) -> u64 {
        self.least_of(id, |pop| self.ground.has(pop))
    }

    fn least_of(&self, id: CustomerId, counts: impl Fn(Option<NameId>) -> bool) -> u64 {
        let of_end =
            |end: usize| if self.names(end, id) { self.sum(end, id, &counts) } else { u64::MAX };
        of_end(0).min(of_end(1))
    }

    /// Returns whether an end that the rule names may be a customer's.
    fn names(&self, end: usize, id: CustomerId) -> bool {
        let prefixes = &self.ground.evidence.inventory().customer(id).prefixes;
        self.ends[end]
            .as_ref()
            .is_some_and(|set| prefixes.iter().any(|prefix| set.overlaps(prefix.value.range())))
    }

    fn sum(&self, end: usize, id: CustomerId, counts: impl Fn(Option<NameId>) -> bool) -> u64 {
        let by_pop = self.ground.evidence.impact.recorded[end]
            .range((id, None)..=(id, Some(NameId(u32::MAX))));
        let sums = by_pop.filter(|((_, pop), _)| counts(*pop)).map(|(_, packets)| *packets);
        sums.fold(0, u64::saturating_add)
    }

    /// Returns whether a customer is recorded, but nowhere where the rule applies, though others are
    /// recorded there at the ends at which it names him.
    fn is_elsewhere(&self, id: CustomerId) -> bool {
        let is_here = |end: usize| self.sum(end, id, |pop| self.ground.has(pop)) > 0;
        let is_seen = |end: usize| self.has_anybody[end] || !self.names(end, id);
        let is_anywhere = |end: usize| self.sum(end, id, |_| true) > 0;
        [0, 1].into_iter().any(is_anywhere)
            && self.least_of(id, |_| true) > 0
            && ![0, 1].into_iter().any(is_here)
            && [0, 1].into_iter().all(is_seen)
    }
}

/// Returns the one family of the addresses that a match names, if it is one.
pub(super) fn only_family(matches: &Match) -> Option<Family> {
    let named = [matches.destinations(), matches.sources()];
    let mut families = named.iter().flatten().flat_map(|set| set.iter().map(|range| range.family));
    let first = families.next()?;
    families.all(|family| family == first).then_some(first)
}
