//! Who could newly be harmed by a change, whether or not they were recorded.
//!
//! Until the proof over header space lands this is a bound from above: the owners of the `dst` of
//! every rule that the change adds, edits or moves (else of its owned `src`, else everyone), and
//! of what it removes above others. It names too many, never too few, so no verdict about
//! intents is made from it; it says for whom evidence is needed.

use std::collections::{BTreeMap, BTreeSet};

use crate::attribution::Party;
use crate::change::Change;
use crate::fate::at_least_as_generous;
use crate::inventory::customers::{Customers, End, Owner};
use crate::judge::{Judge, Judges, harms};
use crate::matcher::ends_walk;
use crate::model::{
    Action, Address, AddressRange, AddressSet, CustomerId, DefaultAction, Family, Inventory, Match,
    Rule, RuleSet,
};

/// Whom the change may reach, by the candidate rule that would do the harm; none is the default.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// For every rule that could do harm: those it may reach.
    pub by_rule: BTreeMap<Option<u32>, BTreeMap<Party, Reaching>>,
}

/// How a rule may reach a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaching {
    /// An address of it that the rule's conditions hold.
    pub example: Option<Example>,
    /// Whether it may be reached outside the rule's `may_affect`.
    pub outside: bool,
}

impl Reaching {
    fn add(&mut self, other: Reaching) {
        self.example = self.example.or(other.example);
        self.outside |= other.outside;
    }
}

/// An address of a reached party that the rule's conditions hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The address.
    pub address: Address,
    /// Whether it is the source rather than the destination.
    pub is_source: bool,
}

impl Reached {
    /// Returns everyone reached.
    pub fn parties(&self) -> BTreeSet<Party> {
        self.by_rule.values().flat_map(|parties| parties.keys().copied()).collect()
    }

    fn add(&mut self, rule: Option<u32>, parties: BTreeMap<Party, Reaching>) {
        let known = self.by_rule.entry(rule).or_default();
        for (party, reaching) in parties {
            known.entry(party).or_default().add(reaching);
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
}

impl Reach<'_> {
    /// Finds whom the change may reach.
    pub fn find(&self) -> Reached {
        let mut reached = Reached::default();
        if self.change.nothing {
            return reached;
        }
        for (at, rule) in self.candidate.rules.iter().enumerate() {
            if self.change.concerns(at) && harms(&rule.action.value) && !self.is_milder(at) {
                let rule_number = Some(at as u32);
                let judge = self.judges.of(rule_number);
                reached.add(rule_number, self.owners(&rule.matches, judge));
            }
        }
        if self.change.default_changed && self.candidate.default.action == DefaultAction::Drop {
            reached.add(None, self.everyone(&self.judges.default));
        }
        for (before, rule) in self.running.rules.iter().enumerate() {
            let action = &rule.action.value;
            // What a drop no longer takes can meet nothing worse, nor can what a limit, a log or
            // a mark let go on.
            let shields = ends_walk(action) && !matches!(action, Action::Drop | Action::Reject);
            if shields && self.change.disturbs(before) {
                self.exposed(rule, &mut reached);
            }
        }
        reached
    }

    /// Adds those whom a rule no longer shields from the harming rules of the candidate.
    fn exposed(&self, shield: &Rule, reached: &mut Reached) {
        let named = |rule: &Rule| (rule.matches.destinations(), rule.matches.sources());
        let (shielded_dst, shielded_src) = named(shield);
        let meets = |a: &Option<AddressSet>, b: &Option<AddressSet>| match (a, b) {
            (Some(a), Some(b)) => a.intersects(b),
            _ => true,
        };
        for (at, rule) in self.candidate.rules.iter().enumerate() {
            let (dst, src) = named(rule);
            if harms(&rule.action.value) && meets(&dst, &shielded_dst) && meets(&src, &shielded_src)
            {
                let rule_number = Some(at as u32);
                let judge = self.judges.of(rule_number);
                reached.add(rule_number, self.owners(&shield.matches, judge));
            }
        }
        if self.candidate.default.action == DefaultAction::Drop {
            reached.add(None, self.owners(&shield.matches, &self.judges.default));
        }
    }

    /// Returns whether an edit left a rule where it is, with the same match and an action that is
    /// no worse to meet.
    fn is_milder(&self, at: usize) -> bool {
        let Some(before) = self.change.running_of[at] else { return false };
        let (old, new) = (&self.running.rules[before], &self.candidate.rules[at]);
        let moved = self.change.moved.iter().any(|(_, after)| *after == at);
        let milder = match (&old.action.value, &new.action.value) {
            (Action::RateLimit(old), Action::RateLimit(new)) => at_least_as_generous(new, old),
            (Action::Drop | Action::Reject, _) => true,
            (old, new) => old == new,
        };
        !moved && milder && old.matches == new.matches
    }

    fn owners(&self, matches: &Match, judge: &Judge) -> BTreeMap<Party, Reaching> {
        if let Some(dst) = matches.destinations() {
            return self.owners_of(&dst, false, judge);
        }
        match matches.sources() {
            Some(src) if !self.has_unowned(&src) => self.owners_of(&src, true, judge),
            _ => self.everyone(judge),
        }
    }

    fn has_unowned(&self, set: &AddressSet) -> bool {
        set.iter().any(|range| {
            self.customers
                .segments(range)
                .any(|(_, end)| self.customers.end(end).owner == Owner::Nobody)
        })
    }

    fn owners_of(
        &self,
        set: &AddressSet,
        is_source: bool,
        judge: &Judge,
    ) -> BTreeMap<Party, Reaching> {
        let mut parties: BTreeMap<Party, Reaching> = BTreeMap::new();
        for range in set.iter() {
            for (piece, end) in self.customers.segments(range) {
                let address = Address { family: piece.family, bits: piece.first };
                let example = Some(Example { address, is_source });
                let end = self.customers.end(end);
                let outside = !judge.may_affect.has_end(end, self.inventory);
                for party in parties_of(end) {
                    parties.entry(party).or_default().add(Reaching { example, outside });
                }
            }
        }
        parties
    }

    fn everyone(&self, judge: &Judge) -> BTreeMap<Party, Reaching> {
        let whole = [Family::V4, Family::V6].map(AddressRange::all);
        let mut parties = self.owners_of(&AddressSet::new(whole), false, judge);
        // Customers without addresses, known by host or by the recording's own word.
        let ids = (0..self.inventory.customers.len()).map(|at| CustomerId(at as u32));
        let more = ids.map(Party::Customer).chain([Party::ControlPlane, Party::Unowned]);
        for party in more.filter(|party| !parties.contains_key(party)).collect::<Vec<_>>() {
            let outside = !judge.may_affect.has_party(party, self.inventory);
            parties.insert(party, Reaching { example: None, outside });
        }
        parties
    }
}

/// Returns whose the addresses of an end are.
pub fn parties_of(end: &End) -> impl Iterator<Item = Party> + '_ {
    let owner = match end.owner {
        Owner::Customer(id) => Party::Customer(id),
        Owner::Shared(id) => Party::Shared(id),
        Owner::Nobody => Party::Unowned,
    };
    let protected = end.infrastructure.iter().map(|id| Party::Infrastructure(*id));
    // An address that is only infrastructure's is nobody else's loss.
    let only_protected = owner == Party::Unowned && !end.infrastructure.is_empty();
    (!only_protected).then_some(owner).into_iter().chain(protected)
}
