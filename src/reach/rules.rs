//! Both rule sets as header sets, and the questions that compare them.

use std::collections::{BTreeMap, BTreeSet};

use super::overlap::Overlap;
use super::search::{Answer, Budget, Entry, Question, solve};
use super::space::{Header, HeaderSet, Pops, Union, compile, possible};
use crate::change::Change;
use crate::matcher::ends_walk;
use crate::model::{
    Action, DefaultAction, Family, Harm, Inventory, Match, RuleSet, Term, Unmodelled,
    UnmodelledKind,
};
use crate::packet_text::Packet;

/// For every candidate limit and running limit: whether the buckets of packets to somebody's
/// addresses are crowded, and not only those of packets to nobody's.
pub type Crowded = BTreeMap<(u32, u32), bool>;

/// Both families, in the order of reports.
pub(super) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

pub(super) fn at(family: Family) -> usize {
    usize::from(family == Family::V6)
}

/// One rule set as header sets.
pub(super) struct Compiled<'a> {
    pub(super) set: &'a RuleSet,
    /// Names of redirects that hand on legitimate traffic.
    clean: &'a BTreeSet<String>,
    /// By family, by rule.
    unions: [Vec<Union>; 2],
    overlap: [Overlap; 2],
}

impl<'a> Compiled<'a> {
    pub(super) fn new(set: &'a RuleSet, pops: &Pops, clean: &'a BTreeSet<String>) -> Compiled<'a> {
        Compiled::read(set, pops, clean, Reading::Possible)
    }

    fn read(
        set: &'a RuleSet,
        pops: &Pops,
        clean: &'a BTreeSet<String>,
        reading: Reading,
    ) -> Compiled<'a> {
        let one = |matches: &Match, family| match reading {
            Reading::Possible => compile(matches, family, pops),
            // What may harm takes no more than is certain, and what spares all that it may.
            Reading::Certain => compile(matches, family, pops).swapped(),
        };
        let of =
            |family| set.rules.iter().map(|rule| one(&rule.matches, family)).collect::<Vec<_>>();
        let unions = FAMILIES.map(of);
        let overlap = FAMILIES.map(|family| Overlap::new(&unions[at(family)], family));
        Compiled { set, clean, unions, overlap }
    }

    pub(super) fn of(&self, rule: usize, family: Family) -> &Union {
        &self.unions[at(family)][rule]
    }

    /// Takes from a budget what it costs to look for the rules that meet a domain: a rule is a small
    /// part of a step.
    pub(super) fn spend_meeting(&self, domain: &[HeaderSet], budget: &mut Budget) {
        const PART: u64 = 8;
        if let Some(family) = domain.first().map(HeaderSet::family) {
            budget.spend(self.overlap[at(family)].count(domain) / PART);
        }
    }

    /// Returns the rules that may take a packet of a domain, in order.
    pub(super) fn meeting<'s>(
        &'s self,
        rules: std::ops::Range<usize>,
        domain: &'s [HeaderSet],
    ) -> impl Iterator<Item = usize> + 's {
        let domain = if rules.is_empty() { &[] } else { domain };
        self.meeting_of(domain, move |rule| rules.contains(&rule))
    }

    /// Returns those of the rules asked for that may take a packet of a domain, in order.
    pub(super) fn meeting_of<'s>(
        &'s self,
        domain: &'s [HeaderSet],
        is_asked: impl Fn(usize) -> bool + 's,
    ) -> impl Iterator<Item = usize> + 's {
        let family = domain.first().map_or(Family::V4, HeaderSet::family);
        let near = match domain.is_empty() {
            true => Vec::new(),
            false => self.overlap[at(family)].rules(domain),
        };
        let rules = near.into_iter().map(|rule| rule as usize).filter(move |rule| is_asked(*rule));
        rules.filter(move |rule| {
            let wide = self.of(*rule, family).whole();
            wide.iter().any(|set| domain.iter().any(|piece| set.meets(piece)))
        })
    }

    /// Returns the rules that may take a header, in order, and perhaps others.
    pub(super) fn near(&self, header: &Header) -> impl Iterator<Item = usize> + use<> {
        let near = self.overlap[at(header.family)].rules(&[HeaderSet::point(header)]);
        near.into_iter().map(|rule| rule as usize)
    }

    pub(super) fn action(&self, rule: usize) -> &'a Action {
        &self.set.rules[rule].action.value
    }

    pub(super) fn harm(&self, rule: usize) -> Harm {
        self.action(rule).harm_with(self.clean)
    }

    /// Adds a rule to a list: all it may take for a yes, only what it takes for certain for a no.
    pub(super) fn push<'s>(
        &'s self,
        entries: &mut Vec<Entry<'s>>,
        rule: usize,
        family: Family,
        answer: bool,
    ) {
        let union = self.of(rule, family);
        let sets = if answer { union.wide() } else { union.narrow() };
        entries.extend(sets.iter().map(|set| Entry { set, answer }));
    }
}

/// Running and candidate, compiled.
pub(super) struct Both<'a> {
    pub(super) running: Compiled<'a>,
    pub(super) candidate: Compiled<'a>,
    pub(super) change: &'a Change,
    /// All headers that can exist, by family.
    pub(super) possible: [Vec<HeaderSet>; 2],
    pub(super) pops: Pops,
    /// Candidate limits whose buckets others newly enter, compared with these running limits.
    pub(super) crowded: Crowded,
    /// For those: what of a running limit's packets shares no bucket with others', by family.
    pub(super) parted: BTreeMap<(u32, u32), [Vec<HeaderSet>; 2]>,
    /// Running rules that the change removes, edits or moves.
    pub(super) disturbed: Vec<usize>,
    /// By family: what the rules of both sets take that ask for what cannot be told.
    open: [Vec<HeaderSet>; 2],
    asked: Asked,
}

/// What conditions that are not understood are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// They may hold or not, each for a packet in both sets alike: harm that is possible.
    Possible,
    /// They hold where that spares and do not where it harms: harm that is certain.
    Certain,
}

/// The newly harmed packets of one rule and family, as a question.
pub(super) struct Region<'s> {
    pub(super) question: Question<'s>,
    /// Whether it holds just those packets, and not more.
    pub(super) is_exact: bool,
}

impl<'a> Both<'a> {
    pub(super) fn new(
        [running, candidate]: [&'a RuleSet; 2],
        change: &'a Change,
        inventory: &Inventory,
        clean: &'a BTreeSet<String>,
        reading: Reading,
    ) -> Both<'a> {
        let named = [running, candidate].into_iter().flat_map(named_pops);
        let listed = inventory.pops.iter().flatten().map(|pop| pop.id.value.clone());
        let pops = Pops::new(named.chain(listed));
        let asked = Asked::of([running, candidate], &pops);
        let first = |set: usize, rule: usize| match set {
            0 => change.disturbs(rule),
            _ => change.concerns(rule),
        };
        let pops = pops.with_conditions(
            conditions([running, candidate], first).into_iter().filter(|condition| {
                reading == Reading::Possible || condition.kind == UnmodelledKind::NotRecorded
            }),
            |a, b| asked.are_parted(a, b),
        );
        let disturbed = (0..running.rules.len()).filter(|rule| change.disturbs(*rule)).collect();
        let compiled = |set| Compiled::read(set, &pops, clean, reading);
        let (running, candidate) = (compiled(running), compiled(candidate));
        let open = FAMILIES.map(|family| {
            let of = |one: &Compiled<'_>| {
                let rules = one.set.rules.iter().enumerate();
                let open = rules.filter(|(_, rule)| !rule.matches.unmodelled().is_empty());
                open.flat_map(|(at, _)| one.of(at, family).whole().to_vec()).collect::<Vec<_>>()
            };
            [of(&running), of(&candidate)].concat()
        });
        Both {
            running,
            candidate,
            open,
            asked,
            change,
            possible: FAMILIES.map(|family| possible(family, &pops)),
            pops,
            crowded: Crowded::new(),
            parted: BTreeMap::new(),
            disturbed,
        }
    }

    /// Returns the packet with a header, and the answers that it hangs on.
    pub(super) fn packet(&self, header: &Header) -> Packet {
        let mut packet = header.to_packet(&self.pops);
        let open = &self.open[at(header.family)];
        if !open.is_empty() {
            let hangs =
                |other: &Header| open.iter().any(|set| set.contains(header) != set.contains(other));
            let is_asked = |condition: &Unmodelled| self.asked.of_header(condition, header);
            packet.given = self.pops.given(header, hangs, is_asked);
        }
        packet
    }

    /// Returns what a candidate rule, or its default, takes.
    fn takes(&self, rule: Option<usize>, family: Family) -> &[HeaderSet] {
        match rule {
            Some(rule) => self.candidate.of(rule, family).wide(),
            None => &self.possible[at(family)],
        }
    }

    /// Returns how badly a packet fares that meets a candidate rule, or the default.
    pub(super) fn harm(&self, rule: Option<usize>) -> Harm {
        match (rule, self.candidate.set.default.action) {
            (Some(rule), _) => self.candidate.harm(rule),
            (None, DefaultAction::Drop) => Harm::Dropped,
            (None, DefaultAction::Accept) => Harm::None,
        }
    }

    /// Returns every candidate rule that does harm, and the default last.
    pub(super) fn harmful(&self) -> Vec<Option<usize>> {
        let rules = (0..self.candidate.set.rules.len()).map(Some).chain([None]);
        rules.filter(|rule| self.harm(*rule) > Harm::None).collect()
    }

    /// Returns whether the change is about this rule itself, or about the default.
    pub(super) fn concerns(&self, rule: Option<usize>) -> bool {
        rule.map_or(self.change.default_changed, |rule| self.change.concerns(rule))
    }

    /// Returns whether others newly enter a limit's bucket.
    fn is_crowded(&self, rule: Option<usize>) -> bool {
        let entered = |rule: u32| self.crowded.range((rule, 0)..=(rule, u32::MAX)).next();
        rule.is_some_and(|rule| entered(rule as u32).is_some())
    }

    /// Returns whether a rule may harm packets of a family that it did not harm before: without
    /// looking, so that yes may be wrong.
    pub(super) fn may_harm_anew(&self, rule: Option<usize>, family: Family) -> bool {
        self.concerns(rule) || self.is_crowded(rule) || !self.shields(rule, family).is_empty()
    }

    /// Returns the packets that a candidate rule, or its default, newly harms.
    pub(super) fn region(&self, rule: Option<usize>, family: Family) -> Option<Region<'_>> {
        let takes = self.takes(rule, family);
        let domain: Vec<HeaderSet> = if self.concerns(rule) || self.is_crowded(rule) {
            takes.to_vec()
        } else {
            let milder = self.disturbed.iter().filter(|shield| self.shelters(**shield, rule));
            milder.flat_map(|shield| meet(takes, self.running.of(*shield, family).wide())).collect()
        };
        let region = self.compare(rule, family, domain, Vec::new());
        (!region.question.domain.is_empty()).then_some(region)
    }

    /// Returns the newly harmed packets of a rule that a running rule took before it was removed,
    /// edited or moved, and that its counterpart does not take as well.
    pub(super) fn exposed(
        &self,
        rule: Option<usize>,
        shield: usize,
        family: Family,
    ) -> Vec<Region<'_>> {
        let after = self.change.candidate_of[shield];
        if after.is_some() && after == rule {
            return Vec::new();
        }
        let domain = meet(self.takes(rule, family), self.running.of(shield, family).wide());
        let mut first = Vec::new();
        for earlier in self.running.meeting(0..shield, &domain) {
            if ends_walk(self.running.action(earlier)) {
                self.running.push(&mut first, earlier, family, false);
            }
        }
        let Some(after) = after else {
            return vec![self.compare(rule, family, domain, first)];
        };
        let end = rule.unwrap_or(self.candidate.set.rules.len());
        let goes_on = rule.is_some_and(|rule| !ends_walk(self.candidate.action(rule)));
        if after > end && !goes_on {
            return vec![self.compare(rule, family, domain, first)];
        }
        let mut regions = Vec::new();
        // What goes on from a limit meets the counterpart behind it, unless a rule between them
        // ends its walk.
        if after > end {
            let own = meet(&domain, self.candidate.of(after, family).wide());
            let mut before = first.clone();
            for between in self.candidate.meeting(end + 1..after, &own) {
                if ends_walk(self.candidate.action(between)) {
                    let taken = meet(&own, self.candidate.of(between, family).wide());
                    regions.push(self.compare(rule, family, taken, before.clone()));
                    self.candidate.push(&mut before, between, family, false);
                }
            }
        }
        self.candidate.push(&mut first, after, family, false);
        regions.push(self.compare(rule, family, domain, first));
        regions
    }

    /// Compares what a rule does to a domain with what the running rules did; `entries` come
    /// first.
    fn compare<'s>(
        &'s self,
        rule: Option<usize>,
        family: Family,
        domain: Vec<HeaderSet>,
        mut entries: Vec<Entry<'s>>,
    ) -> Region<'s> {
        let mut is_exact = rule.is_none_or(|rule| self.candidate.of(rule, family).is_exact());
        let end = rule.unwrap_or(self.candidate.set.rules.len());
        for earlier in self.candidate.meeting(0..end, &domain) {
            if ends_walk(self.candidate.action(earlier)) {
                let union = self.candidate.of(earlier, family);
                is_exact &= union.is_exact();
                self.candidate.push(&mut entries, earlier, family, false);
            }
        }
        let harm = self.harm(rule);
        for before in self.running.meeting(0..self.running.set.rules.len(), &domain) {
            if let Some(answer) = self.is_milder(before, rule, harm) {
                let union = self.running.of(before, family);
                is_exact &= union.is_exact();
                self.running.push(&mut entries, before, family, answer);
            } else if let Some(parted) = self.parted_of(rule, before) {
                is_exact &= self.running.of(before, family).is_exact();
                entries.extend(parted[at(family)].iter().map(|set| Entry { set, answer: false }));
            }
        }
        let default = self.running.set.default.action == DefaultAction::Accept;
        Region { question: Question { domain, entries, default }, is_exact }
    }

    /// Returns whether meeting a running rule is milder than the harm that a candidate rule does;
    /// nothing if that hangs on the rules behind it.
    fn is_milder(&self, before: usize, rule: Option<usize>, harm: Harm) -> Option<bool> {
        let action = self.running.action(before);
        if ends_walk(action) {
            return Some(harm.is_worse_than(self.running.harm(before)));
        }
        match action.harm() {
            Harm::Limited if harm < Harm::Limited => Some(false),
            Harm::Limited if harm == Harm::Limited => {
                let rule = rule?;
                let is_known = self.is_as_generous(rule, before)
                    && !self.crowded.contains_key(&(rule as u32, before as u32));
                is_known.then_some(false)
            }
            _ => None,
        }
    }

    /// Returns those packets of a running limit whose buckets nobody else enters, though others
    /// enter some.
    fn parted_of(&self, rule: Option<usize>, before: usize) -> Option<&[Vec<HeaderSet>; 2]> {
        self.parted.get(&(rule? as u32, before as u32))
    }

    pub(super) fn is_as_generous(&self, rule: usize, before: usize) -> bool {
        match (self.candidate.action(rule), self.running.action(before)) {
            (Action::RateLimit(new), Action::RateLimit(old)) => new.is_as_generous_as(old),
            _ => false,
        }
    }

    //-------- What is spared

    /// Returns whether the candidate spares any packet of a domain this harm, or may.
    pub(super) fn spares(&self, domain: Vec<HeaderSet>, harm: Harm, budget: &mut Budget) -> bool {
        let Some(family) = domain.first().map(HeaderSet::family) else { return false };
        let mut entries = Vec::new();
        for rule in self.candidate.meeting(0..self.candidate.set.rules.len(), &domain) {
            let action = self.candidate.action(rule);
            let is_spared = harm.is_worse_than(self.candidate.harm(rule));
            if ends_walk(action) || (action.harm() > Harm::None && !is_spared) {
                self.candidate.push(&mut entries, rule, family, is_spared);
            }
        }
        let default = self.candidate.set.default.action == DefaultAction::Accept;
        !matches!(solve(&Question { domain, entries, default }, budget), Answer::Empty)
    }

    //-------- What no longer takes

    /// Returns the running rules that no longer take what they took, and whose packets a candidate
    /// rule may take instead.
    pub(super) fn shields(&self, rule: Option<usize>, family: Family) -> Vec<usize> {
        if self.disturbed.is_empty() {
            return Vec::new();
        }
        let takes = self.takes(rule, family);
        let meets = |shield: &usize| {
            let sets = self.running.of(*shield, family).wide();
            sets.iter().any(|set| takes.iter().any(|piece| set.meets(piece)))
        };
        self.disturbed.iter().copied().filter(meets).collect()
    }

    /// Returns whether a running rule lets pass, or treats better, what a candidate rule harms.
    pub(super) fn shelters(&self, shield: usize, rule: Option<usize>) -> bool {
        let harm = self.running.harm(shield);
        ends_walk(self.running.action(shield)) && self.harm(rule).is_worse_than(harm)
    }
}

/// Returns the PoPs that the rules of a set name, at any depth.
pub(super) fn named_pops(set: &RuleSet) -> Vec<String> {
    fn of(matches: &Match, pops: &mut Vec<String>) {
        for term in &matches.terms {
            match &term.value {
                Term::Pop(names) => pops.extend(names.iter().cloned()),
                Term::Not(inner) => of(inner, pops),
                Term::AnyOf(branches) => branches.iter().for_each(|branch| of(branch, pops)),
                _ => {}
            }
        }
    }
    let mut pops = Vec::new();
    set.rules.iter().for_each(|rule| of(&rule.matches, &mut pops));
    pops
}

/// Returns the conditions of some sets that cannot be told: those of the rules that matter first,
/// then those that most rules hang on.
pub(super) fn conditions<const N: usize>(
    sets: [&RuleSet; N],
    first: impl Fn(usize, usize) -> bool,
) -> Vec<Unmodelled> {
    let mut uses: BTreeMap<&Unmodelled, (bool, usize)> = BTreeMap::new();
    for (number, set) in sets.iter().enumerate() {
        for (at, rule) in set.rules.iter().enumerate() {
            for condition in rule.matches.unmodelled() {
                let (matters, count) = uses.entry(condition).or_default();
                *matters |= first(number, at);
                *count += 1;
            }
        }
    }
    let mut all: Vec<(&Unmodelled, (bool, usize))> = uses.into_iter().collect();
    all.sort_by_key(|(condition, uses)| (std::cmp::Reverse(*uses), *condition));
    all.into_iter().map(|(condition, _)| condition.clone()).collect()
}

/// Which packets may hang on which condition that cannot be told.
pub(super) struct Asked(BTreeMap<Unmodelled, [Vec<HeaderSet>; 2]>);

impl Asked {
    /// Looks at the rules of some sets; the table of the space holds no conditions yet.
    pub(super) fn of<const N: usize>(sets: [&RuleSet; N], pops: &Pops) -> Asked {
        let mut all: BTreeMap<Unmodelled, [Vec<HeaderSet>; 2]> = BTreeMap::new();
        for rule in sets.iter().flat_map(|set| &set.rules) {
            let unmodelled = rule.matches.unmodelled();
            if unmodelled.is_empty() {
                continue;
            }
            let takes = FAMILIES.map(|family| compile(&rule.matches, family, pops));
            for condition in unmodelled {
                let known = all.entry(condition.clone()).or_default();
                for (known, takes) in known.iter_mut().zip(&takes) {
                    known.extend(takes.wide().iter().cloned());
                }
            }
        }
        Asked(all)
    }

    /// Returns whether no packet hangs on both of two conditions.
    pub(super) fn are_parted(&self, a: &Unmodelled, b: &Unmodelled) -> bool {
        let (Some(a), Some(b)) = (self.0.get(a), self.0.get(b)) else { return false };
        a.iter().zip(b).all(|(a, b)| a.iter().all(|a| b.iter().all(|b| !a.meets(b))))
    }

    /// Returns whether a header may hang on a condition.
    fn of_header(&self, condition: &Unmodelled, header: &Header) -> bool {
        let sets = self.0.get(condition).map(|sets| &sets[at(header.family)]);
        sets.is_some_and(|sets| sets.iter().any(|set| set.contains(header)))
    }
}

/// Returns what two unions of sets have in common.
pub(super) fn meet(a: &[HeaderSet], b: &[HeaderSet]) -> Vec<HeaderSet> {
    a.iter().flat_map(|a| b.iter().filter_map(|b| a.intersect(b))).collect()
}
