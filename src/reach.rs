//! The proof: who could newly be harmed by a change, whether or not they were recorded.
//!
//! For every candidate rule that does harm (and for `default: drop`) the packets that it newly
//! harms are a question over header space: no rule before it takes them, and the running rules
//! treat them better. [`space`] turns matches into sets of headers, [`search`] answers such
//! questions, and [`walk`] answers them for all owners of addresses at once. What is found is
//! charged as interface.md section 6 says, with one packet as an example for each.
//!
//! Invariant: the proof knows nothing of traffic. Where its budget ends, or a match could only be
//! bounded, the rule is listed as undecided; it never counts as reaching nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use charge::Charge;
use land::Land;
use protected::Protected;
use rules::{Both, FAMILIES, Reading, Region, at, conditions};
use search::{Answer, Budget, Entry, solve};

use crate::attribution::Party;
use crate::change::Change;
use crate::inventory::customers::Customers;
use crate::judge::Judges;
use crate::model::{Family, Harm, InfrastructureId, Inventory, Rule, RuleSet, UnmodelledKind};
use crate::packet_text::Packet;

mod charge;
mod crowd;
mod discovery;
mod fields;
mod land;
mod like;
pub mod order;
mod overlap;
mod protected;
mod rules;
pub mod search;
pub mod space;
pub mod walk;

pub use order::Order;
pub use rules::Crowded;

/// What a proof may cost: steps of the search for all questions together, and for each. A step is
/// less than a microsecond, so that even a set of thousands of wide overlapping rules ends in
/// seconds, and says what is undecided.
fn budget() -> Budget {
    Budget { all: 30_000_000, each: 2_000_000 }
}

/// Whom the change may reach, by the candidate rule that would do the harm; none is the default.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// For every rule that newly harms packets: who bears it, at their destination or, if that is
    /// nobody's, as their sender.
    pub by_rule: BTreeMap<Option<u32>, BTreeMap<Party, Reaching>>,
    /// For everyone reached: a packet that would newly be harmed, and the rule that would do it;
    /// one that is not meant, if there is one.
    pub witnesses: BTreeMap<Party, Witness>,
    /// For every rule that reaches someone beyond its intent: one such packet.
    pub beyond: BTreeMap<Option<u32>, Packet>,
    /// For every running rule that no longer takes what it took, though its intent does not allow
    /// what becomes of it: whom that reaches, by the rule that does the harm.
    pub by_shield: BTreeMap<u32, BTreeMap<Option<u32>, BTreeSet<Party>>>,
    /// Packets to infrastructure that it needs, by the rule that newly harms them.
    pub protected: BTreeMap<(Option<u32>, InfrastructureId), Packet>,
    /// Packets of the built-in control plane between addresses that nobody listed.
    pub control_plane: BTreeMap<Option<u32>, Packet>,
    /// Whom a rule cuts off from path-MTU discovery, though TCP still reaches them.
    pub pmtud: BTreeMap<Option<u32>, BTreeSet<Party>>,
    /// Edited rules that lost a condition and now harm packets that they did not take before.
    pub grown: BTreeMap<u32, Packet>,
    /// Running rules that are gone or take less, and the unchanged rules to which that exposes
    /// packets.
    pub exposed: BTreeMap<u32, BTreeMap<Option<u32>, Packet>>,
    /// Whom a rule could newly harm beyond its intent, or protected infrastructure whose packets it
    /// could take, only by what conditions mean that are not understood; with one such packet.
    pub not_understood: BTreeMap<Option<u32>, NotUnderstood>,
    /// Rules of which it could not be decided whom they reach.
    pub undecided: BTreeSet<Option<u32>>,
}

/// What a rule does only if conditions that are not understood mean it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotUnderstood {
    /// Whom it harms.
    pub parties: BTreeSet<Party>,
    /// One such packet, if one was kept.
    pub packet: Option<Packet>,
}

/// How a rule reaches a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaching {
    /// Whether packets outside the rule's `may_affect` are charged to it.
    pub outside: bool,
    /// Whether packets outside the rule's `may_reach` are.
    pub beyond: bool,
}

/// A packet that a rule would newly harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The rule; none is the default.
    pub rule: Option<u32>,
    /// The packet.
    pub packet: Packet,
    /// How far it is from what is meant: not at all, outside `may_affect`, beyond `may_reach`.
    rank: u8,
}

impl Reached {
    fn add(
        &mut self,
        rule: Option<u32>,
        party: Party,
        reaching: Reaching,
        packet: impl FnOnce() -> Packet,
    ) {
        let known = self.by_rule.entry(rule).or_default().entry(party).or_default();
        known.outside |= reaching.outside;
        known.beyond |= reaching.beyond;
        self.witness(rule, party, reaching, packet);
    }

    /// Keeps a packet for a party, and for a rule that reaches someone beyond its intent.
    fn witness(
        &mut self,
        rule: Option<u32>,
        party: Party,
        reaching: Reaching,
        packet: impl FnOnce() -> Packet,
    ) {
        let rank = u8::from(reaching.outside) + u8::from(reaching.beyond);
        let is_better = self.witnesses.get(&party).is_none_or(|witness| witness.rank < rank);
        let is_first = reaching.beyond && !self.beyond.contains_key(&rule);
        if is_better || is_first {
            let packet = packet();
            if is_first {
                self.beyond.insert(rule, packet.clone());
            }
            if is_better {
                self.witnesses.insert(party, Witness { rule, packet, rank });
            }
        }
    }
}

impl Reached {
    /// Parts what is certain from what is only possible, as conditions that are not understood
    /// may hold or not.
    fn with_certain(mut self, certain: Reached) -> Reached {
        let mut doubts: BTreeMap<Option<u32>, NotUnderstood> = BTreeMap::new();
        let mut doubt = |rule: Option<u32>, party: Party, packet: Option<&Packet>| {
            let doubt = doubts.entry(rule).or_default();
            doubt.parties.insert(party);
            if doubt.packet.is_none() {
                doubt.packet = packet.cloned();
            }
        };
        for (rule, parties) in &mut self.by_rule {
            let known = certain.by_rule.get(rule);
            for (party, reaching) in parties {
                let is_certain =
                    known.and_then(|known| known.get(party)).is_some_and(|one| one.beyond);
                if reaching.beyond && !is_certain {
                    reaching.beyond = false;
                    doubt(*rule, *party, self.beyond.get(rule));
                }
            }
        }
        for (shield, rules) in &self.by_shield {
            let known = certain.by_shield.get(shield);
            for (rule, parties) in rules {
                let known = known.and_then(|known| known.get(rule));
                let open =
                    parties.iter().filter(|party| known.is_none_or(|of| !of.contains(party)));
                open.for_each(|party| doubt(*rule, *party, None));
            }
        }
        for ((rule, id), packet) in &self.protected {
            if !certain.protected.contains_key(&(*rule, *id)) {
                doubt(*rule, Party::Infrastructure(*id), Some(packet));
            }
        }
        let mut witnesses = std::mem::take(&mut self.witnesses);
        witnesses.extend(certain.witnesses);
        Reached {
            witnesses,
            beyond: certain.beyond,
            by_shield: certain.by_shield,
            protected: certain.protected,
            control_plane: certain.control_plane,
            pmtud: certain.pmtud,
            not_understood: doubts,
            ..self
        }
    }
}

/// What is compared, and the owners.
pub struct Reach<'a> {
    /// The rules in force.
    pub running: &'a RuleSet,
    /// The rules under test.
    pub candidate: &'a RuleSet,
    /// Their difference.
    pub change: &'a Change,
    /// Their intents.
    pub judges: &'a Judges,
    /// Who is who.
    pub inventory: &'a Inventory,
    /// The compiled table.
    pub customers: &'a Customers,
    /// Names of redirects with `effect: clean`.
    pub clean: &'a BTreeSet<String>,
}

/// What is compared, compiled.
pub struct Proof<'a> {
    reach: Reach<'a>,
    both: Both<'a>,
    budget: Budget,
    /// The same by what is certain, where conditions are not understood.
    certain: Option<(Both<'a>, Budget)>,
}

impl<'a> Reach<'a> {
    /// Compiles both rule sets, and finds the buckets that others newly enter.
    pub fn compile(self) -> Proof<'a> {
        let read = |reading: Reading| {
            let mut budget = budget();
            let sets = [self.running, self.candidate];
            let mut both = Both::new(sets, self.change, self.inventory, self.clean, reading);
            // That others enter a bucket is not certain, where rules are not understood.
            if reading == Reading::Possible {
                both.find_crowded(self.customers, self.inventory, &mut budget);
            }
            (both, budget)
        };
        let (both, budget) = read(Reading::Possible);
        let is_open = conditions([self.running, self.candidate], |_, _| false)
            .iter()
            .any(|condition| condition.kind == UnmodelledKind::NotUnderstood);
        let certain = is_open.then(|| read(Reading::Certain));
        Proof { reach: self, both, budget, certain }
    }

    fn find(&self, both: &Both<'_>, budget: Budget) -> Reached {
        let land = Land::new(self.inventory, self.customers);
        let protected = Protected::new(&land, &both.pops);
        let reached = Reached::default();
        let all_reached = [false; 2];
        let protected = &protected;
        let mut charge = Charge { both, land, protected, budget, reached, all_reached };
        for rule in both.harmful() {
            for family in FAMILIES {
                self.of_rule(both, &mut charge, rule, family);
            }
        }
        charge.reached
    }
}

impl Proof<'_> {
    /// Returns the candidate limits whose buckets packets of others newly enter, compared with
    /// these running limits: meeting the one is worse than having met the other, though its
    /// figures may be as generous.
    pub fn crowded(&self) -> &Crowded {
        &self.both.crowded
    }

    /// Finds whom the change may reach.
    pub fn find(self) -> Reached {
        let Proof { reach, both, budget, certain } = self;
        if reach.change.nothing {
            return Reached::default();
        }
        let possible = reach.find(&both, budget);
        match certain {
            None => possible,
            Some((both, budget)) => possible.with_certain(reach.find(&both, budget)),
        }
    }
}

impl Reach<'_> {
    fn of_rule(
        &self,
        both: &Both<'_>,
        charge: &mut Charge<'_, '_>,
        rule: Option<usize>,
        family: Family,
    ) {
        let number = rule.map(|rule| rule as u32);
        if charge.budget.all == 0 {
            // Even to lay out its question costs more than there is.
            if both.may_harm_anew(rule, family) {
                charge.reached.undecided.insert(number);
            }
            return;
        }
        if let Some(mut region) = both.region(rule, family) {
            charge.budget.spend(region.question.entries.len() as u64);
            charge.add(number, self.judges.of(number), &mut region, family);
            self.growth(both, charge, rule, &mut region, family);
            if both.harm(rule) == Harm::Dropped {
                let ground = &mut charge.land.grounds[at(family)];
                let budget = &mut charge.budget;
                let cut = discovery::cut_off(both, &mut region.question, family, ground, budget);
                let parties = cut.into_iter().map(|owner| charge.land.party(owner));
                let parties: BTreeSet<Party> = parties.collect();
                if !parties.is_empty() {
                    charge.reached.pmtud.entry(number).or_default().extend(parties);
                }
            }
        }
        for shield in both.shields(rule, family) {
            for mut region in both.exposed(rule, shield, family) {
                charge.budget.spend(region.question.entries.len() as u64);
                self.exposure(both, charge, rule, shield, (&mut region, family));
            }
        }
    }

    /// Notes a rule that lost a condition and for that harms more.
    fn growth<'s>(
        &self,
        both: &'s Both<'_>,
        charge: &mut Charge<'_, '_>,
        rule: Option<usize>,
        region: &mut Region<'s>,
        family: Family,
    ) {
        let Some(rule) = rule else { return };
        let Some(before) = self.change.running_of[rule] else { return };
        if !lost_a_condition(&self.running.rules[before], &self.candidate.rules[rule]) {
            return;
        }
        let own = both.running.of(before, family).narrow();
        let own = own.iter().map(|set| Entry { set, answer: false });
        let rest = std::mem::take(&mut region.question.entries);
        region.question.entries = own.chain(rest.iter().copied()).collect();
        if let Answer::Found(header) = solve(&region.question, &mut charge.budget) {
            let packet = both.packet(&header);
            charge.reached.grown.entry(rule as u32).or_insert(packet);
        }
        region.question.entries = rest;
    }

    /// Charges what a running rule no longer takes by its own intent, if it has one.
    fn exposure(
        &self,
        both: &Both<'_>,
        charge: &mut Charge<'_, '_>,
        rule: Option<usize>,
        shield: usize,
        (region, family): (&mut Region<'_>, Family),
    ) {
        let after = self.change.candidate_of[shield];
        let number = rule.map(|rule| rule as u32);
        let judge = match after {
            Some(after) => &self.judges.candidate[after],
            None => &self.judges.running[shield],
        };
        if judge.written.is_some() {
            let found = charge.beyond(region, &judge.may_reach, family);
            if !found.is_empty() {
                let of_shield = charge.reached.by_shield.entry(shield as u32).or_default();
                let parties = of_shield.entry(number).or_default();
                parties.extend(found.into_iter().map(|(party, _)| party));
            }
        }
        let is_less = self.change.removes_or_edits(shield);
        if is_less && both.shelters(shield, rule) && !both.concerns(rule) {
            match solve(&region.question, &mut charge.budget) {
                Answer::Found(header) => {
                    let packet = both.packet(&header);
                    let exposed = charge.reached.exposed.entry(shield as u32).or_default();
                    exposed.entry(number).or_insert(packet);
                }
                Answer::Empty => {}
                Answer::Bounded => {
                    charge.reached.undecided.insert(number);
                }
            }
        }
    }
}

/// Returns whether an edit took a condition away, whatever else it did.
fn lost_a_condition(before: &Rule, after: &Rule) -> bool {
    let count = |rule: &Rule, like: &crate::model::Term| {
        let terms = rule.matches.terms.iter();
        terms.filter(|term| discriminant(&term.value) == discriminant(like)).count()
    };
    let mut terms = before.matches.terms.iter().map(|term| &term.value);
    terms.any(|term| count(after, term) < count(before, term))
}

#[cfg(test)]
mod tests;
