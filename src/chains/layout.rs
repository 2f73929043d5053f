//! The walk that writes the flat list.

mod buckets;
mod seeds;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::exceeding::{self, Frame};
use super::facts::{are_apart, imply, weight};
use super::hull::Hull;
use super::names::{self, Names};
use super::{Chain, ChainRule, MAX_RULES, MAX_TERMS, Program, Verdict, shape};
use crate::model::{
    Action, Default, DefaultAction, Diagnostic, Exceed, Intent, Location, Match, RateLimit, Rule,
    Spanned, Term, Unmodelled, UnmodelledKind,
};

use buckets::Users;
use seeds::{joined, seed};

pub(super) use buckets::Bucket;

/// What an accept does that ends one base chain of several.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// It is taken out of the rest of its base chain by `not`.
    ByNot,
    /// The base chains that follow are copied in front of it, for its packets alone.
    ByCopy,
}

/// The list grows beyond bounds.
#[derive(Debug)]
pub(super) struct TooLarge;

/// How many pairs of conditions are compared.
const MAX_STEPS: usize = 5_000_000;

/// A list, and what is to be said about it.
pub(super) struct Written {
    pub(super) rules: Vec<Rule>,
    pub(super) default: Default,
    pub(super) bounded: Vec<(Location, String)>,
    /// Limits that are not exact.
    pub(super) inexact: BTreeSet<Bucket>,
    seen: Vec<Vec<bool>>,
}

impl Written {
    /// Says which rules no packet comes to, by the first of each chain.
    pub(super) fn unreached(&self, program: &Program) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for (chain, seen) in program.chains.iter().zip(&self.seen) {
            // A chain of which nothing is seen was reported, or comes after all that matters.
            if !seen.contains(&true) {
                continue;
            }
            let mut unseen = chain.rules.iter().zip(seen).filter(|(_, seen)| !**seen);
            let Some((first, _)) = unseen.next() else { continue };
            let message = format!("no packet comes to this rule of chain `{}`", chain.name);
            let problem = Diagnostic::warning(first.location, message);
            problems.push(match unseen.count() {
                0 => problem.label("not judged"),
                more => problem.label(format!("not judged, nor are {more} more of the chain")),
            });
        }
        problems
    }
}

/// Writes the list. Limits of `bounded` are not taken for exact anywhere.
pub(super) fn write(
    program: &Program,
    hulls: &[Vec<Hull>],
    way: Leave,
    bounded: &BTreeSet<Bucket>,
) -> Result<Written, TooLarge> {
    let rules = || program.chains.iter().flat_map(|chain| &chain.rules);
    let terms: usize = rules().map(|rule| 1 + weight(&rule.matches.terms)).sum();
    let mut writer = Writer {
        program,
        hulls,
        way,
        bounded,
        last: shape::bases_that_matter(program),
        names: Names::new(program),
        rules: Vec::new(),
        traits: Vec::new(),
        limits: BTreeMap::new(),
        all_seeds: 0,
        notes: Vec::new(),
        noted: HashSet::new(),
        limited: Vec::new(),
        users: Users::new(program),
        inexact: BTreeSet::new(),
        is_void: false,
        seen: program.chains.iter().map(|chain| vec![false; chain.rules.len()]).collect(),
        most_rules: MAX_RULES.saturating_add(rules().count()),
        most_terms: MAX_TERMS.saturating_add(terms),
        steps: MAX_STEPS,
        default: Default { action: DefaultAction::Accept, location: None, intent: None },
    };
    writer.base(0, &mut Vec::new(), true)?;
    if !writer.is_void {
        writer.share_buckets();
    }
    let Writer { rules, default, notes, inexact, seen, .. } = writer;
    Ok(Written { rules, default, bounded: notes, inexact, seen })
}

struct Writer<'p> {
    program: &'p Program,
    /// The hulls of the rules of each chain.
    hulls: &'p [Vec<Hull>],
    way: Leave,
    bounded: &'p BTreeSet<Bucket>,
    /// How many base chains matter.
    last: usize,
    names: Names,
    rules: Vec<Rule>,
    /// Of each rule of the list: its hull, and a hash of what it is and was made of.
    traits: Vec<(Hull, u64)>,
    /// A hash of all of these in their order.
    all_seeds: u64,
    /// Where in the list each bucket is used.
    limits: BTreeMap<Bucket, Vec<usize>>,
    notes: Vec<(Location, String)>,
    /// The same, to be asked for.
    noted: HashSet<(Location, String)>,
    /// Of which packets a limit says that what exceeds it is lost, and all else is accepted.
    limited: Vec<Guard>,
    users: Users<'p>,
    inexact: BTreeSet<Bucket>,
    /// Whether the list will be thrown away: all that counts are the limits that are not exact.
    is_void: bool,
    /// Which rules of which chains packets come to.
    seen: Vec<Vec<bool>>,
    most_rules: usize,
    most_terms: usize,
    steps: usize,
    default: Default,
}

/// Where the walk is.
struct Place<'p> {
    /// Which of the base chains.
    base: usize,
    chain: &'p Chain,
    frames: Vec<Frame>,
}

/// What left a chain for good, so that it is not in what follows.
#[derive(std::default::Default)]
struct Gone {
    /// All of it, in the words of the chain.
    left: Vec<Match>,
    /// That which came back to where the chain was jumped to from.
    returned: Vec<Match>,
    /// That which ended the base chain.
    accepted: Vec<Match>,
}

type Guard = Vec<Spanned<Term>>;

/// The rule that is written.
#[derive(Clone, Copy)]
struct Of<'p> {
    rule: &'p ChainRule,
    chain: &'p Chain,
    /// The number of its chain, and its own.
    bucket: (usize, usize),
}

impl Of<'_> {
    fn bucket(self, limit: &RateLimit) -> Bucket {
        match &limit.bucket {
            Some(name) => Bucket::Named(name.clone()),
            None => Bucket::Of(self.bucket.0, self.bucket.1),
        }
    }
}

impl<'p> Writer<'p> {
    /// Writes the base chains from one on, for the packets of a guard.
    fn base(&mut self, base: usize, guard: &mut Guard, top: bool) -> Result<(), TooLarge> {
        let program = self.program;
        let Some(number) = program.bases.get(base).filter(|_| base < self.last) else {
            return Ok(());
        };
        let chain = &program.chains[*number];
        let mut place = Place { base, chain, frames: Vec::new() };
        let gone = self.chain(*number, guard, &mut place)?;
        let goes_on = base + 1 < self.last;
        let by_not = self.way == Leave::ByNot;
        if let Some(policy) = chain.policy.as_ref().filter(|one| one.value == DefaultAction::Drop) {
            if top && (!goes_on || !by_not) {
                self.default = Default {
                    action: DefaultAction::Drop,
                    location: Some(policy.location),
                    intent: chain.policy_intent.clone(),
                };
                return Ok(());
            }
            let length = guard.len();
            guard.extend(gone.accepted.into_iter().map(|one| not(one, policy.location)));
            self.policy(chain, guard)?;
            guard.truncate(length);
            if !by_not {
                return Ok(());
            }
        }
        self.base(base + 1, guard, top)
    }

    /// Writes a chain for the packets of a guard, and returns what ended the base chain, in the
    /// words of this chain.
    fn chain(
        &mut self,
        number: usize,
        guard: &mut Guard,
        place: &mut Place<'p>,
    ) -> Result<Gone, TooLarge> {
        let chain = &self.program.chains[number];
        let mut gone = Gone::default();
        let length = guard.len();
        for (index, rule) in chain.rules.iter().enumerate() {
            if self.compare(guard.len()) && are_apart(guard, &rule.matches.terms) {
                continue;
            }
            self.seen[number][index] = true;
            for left in &gone.left {
                let can_tell = self.steps > 0;
                self.compare(1);
                let is_apart = can_tell
                    && (are_apart(&left.terms, &rule.matches.terms)
                        || are_apart(&left.terms, &guard[..length]));
                if !is_apart {
                    guard.push(not(left.clone(), rule.location));
                }
            }
            for term in &rule.matches.terms {
                if !guard[..length].contains(term) {
                    guard.push(term.clone());
                }
            }
            place.frames.push((number, index + 1));
            let of = Of { rule, chain, bucket: (number, index) };
            self.step(of, guard, &mut gone, place)?;
            place.frames.pop();
            guard.truncate(length);
            if gone.left.last().is_some_and(|left| left.terms.is_empty()) {
                break;
            }
        }
        Ok(gone)
    }

    /// Takes one rule; its terms are in the guard.
    fn step(
        &mut self,
        of: Of<'p>,
        guard: &mut Guard,
        gone: &mut Gone,
        place: &mut Place<'p>,
    ) -> Result<(), TooLarge> {
        let Of { rule, .. } = of;
        let mut own = rule.matches.clone();
        let mut verdict = &rule.verdict.value;
        let mut is_limited = false;
        loop {
            let perhaps = match verdict {
                Verdict::Within(limit, inner) if only_notes(inner) => {
                    // Whether it is noted is no matter for the fate of a packet; but a bucket
                    // that others use gets emptier.
                    verdict = inner;
                    let is_followed = !self.bounded.contains(&of.bucket(limit));
                    if limit.bucket.is_some() && is_followed {
                        self.note(of, limit.clone(), guard)?;
                    } else {
                        self.count_keys(of, limit, guard)?;
                    }
                    continue;
                }
                Verdict::Within(limit, inner) => {
                    verdict = inner;
                    let bucket = of.bucket(limit);
                    // Of a limit that is bounded in any place it is no matter.
                    let loss = match self.bounded.contains(&bucket) {
                        true => None,
                        false => exceeding::loss(
                            self.program,
                            self.hulls,
                            place.chain,
                            &place.frames,
                            guard,
                            &mut self.steps,
                        ),
                    };
                    match loss {
                        Some(loss) => {
                            let limit = RateLimit { exceed: loss.exceed, ..limit.clone() };
                            let intent = of.rule.remark.intent.as_ref().or(loss.intent);
                            self.limits.entry(bucket).or_default().push(self.rules.len());
                            self.write(of, Action::RateLimit(limit), intent, guard)?;
                            is_limited = true;
                            continue;
                        }
                        None => {
                            self.count_keys(of, limit, guard)?;
                            // It is written anew where this is news.
                            self.is_void |= !self.bounded.contains(&bucket);
                            self.inexact.insert(bucket);
                            let why = "what exceeds the limit is not certainly lost by what \
                                       follows, in every place where the limit is used";
                            let users = self.users.of(&of.bucket(limit));
                            let what = format!("what a limit lets through, of {users:08x}");
                            (self.perhaps(rule, &what, guard), why.to_owned())
                        }
                    }
                }
                Verdict::Perhaps(what, inner) => {
                    verdict = inner;
                    let why = format!("`{what}` hangs on what other packets did before");
                    (self.perhaps(rule, what, guard), why)
                }
                _ => break,
            };
            self.bound(rule, perhaps, guard, &mut own);
        }
        match verdict {
            Verdict::Action(Action::RateLimit(limit)) => {
                let bucket = of.bucket(limit);
                if self.bounded.contains(&bucket) {
                    let why = "the same limit is used where it is not exact".to_owned();
                    let what = format!("what exceeds a limit, of {:08x}", self.users.of(&bucket));
                    let what = self.perhaps(rule, &what, guard);
                    self.bound(rule, (what, why), guard, &mut own);
                    let action = match limit.exceed {
                        Exceed::Log => Action::Log,
                        Exceed::Challenge => Action::Challenge,
                        Exceed::Drop => Action::Drop,
                        Exceed::Reject => Action::Reject,
                    };
                    return self.write(of, action, of.rule.remark.intent.as_ref(), guard);
                }
                self.limits.entry(bucket).or_default().push(self.rules.len());
                let action = Action::RateLimit(limit.clone());
                self.write(of, action, of.rule.remark.intent.as_ref(), guard)
            }
            Verdict::Action(Action::Accept) => {
                self.accept(of, own, guard, gone, place)?;
                // An accept that ends one base chain of several says nothing about the others.
                if is_limited && place.base + 1 >= self.last {
                    self.limited.push(guard.clone());
                }
                Ok(())
            }
            Verdict::Action(Action::Drop | Action::Reject) if self.is_said_by_limit(guard) => {
                Ok(())
            }
            Verdict::Action(action) => {
                self.write(of, action.clone(), of.rule.remark.intent.as_ref(), guard)
            }
            Verdict::Return => self.returns(of, own, guard, gone, place),
            Verdict::Jump(to) => self.jump(*to, own, guard, gone, place),
            Verdict::Goto(to) => {
                let left = gone.left.len();
                let frame = place.frames.pop();
                self.jump(*to, own.clone(), guard, gone, place)?;
                place.frames.extend(frame);
                // What was accepted there does not come back.
                let accepted = gone.left.get(left..).unwrap_or_default();
                if accepted.iter().any(|one| one.terms.is_empty()) {
                    return Ok(());
                }
                guard.extend(accepted.iter().map(|one| not(one.clone(), rule.location)));
                self.returns(of, own, guard, gone, place)
            }
            // The loop above has taken these off.
            Verdict::Within(..) | Verdict::Perhaps(..) => Ok(()),
        }
    }

    /// Writes a limit that counts and costs nobody anything.
    fn note(&mut self, of: Of<'p>, limit: RateLimit, guard: &mut Guard) -> Result<(), TooLarge> {
        let limit = RateLimit { exceed: Exceed::Log, ..limit };
        self.limits.entry(of.bucket(&limit)).or_default().push(self.rules.len());
        self.write(of, Action::RateLimit(limit), of.rule.remark.intent.as_ref(), guard)
    }

    /// Counts the keys of a limit that is not followed, if its table may be full.
    fn count_keys(
        &mut self,
        of: Of<'p>,
        limit: &RateLimit,
        guard: &mut Guard,
    ) -> Result<(), TooLarge> {
        match limit.most_keys {
            Some(_) => self.note(of, RateLimit { bucket: None, ..limit.clone() }, guard),
            None => Ok(()),
        }
    }

    fn jump(
        &mut self,
        to: usize,
        own: Match,
        guard: &mut Guard,
        gone: &mut Gone,
        place: &mut Place<'p>,
    ) -> Result<(), TooLarge> {
        let accepted = self.chain(to, guard, place)?.accepted;
        if accepted.is_empty() {
            return Ok(());
        }
        let mut terms = own.terms;
        match <[Match; 1]>::try_from(accepted) {
            Ok([one]) => terms.extend(one.terms),
            Err(several) => {
                let location = place.chain.location;
                // One that takes all takes the others too.
                if several.iter().all(|one| !one.terms.is_empty()) {
                    terms.push(Spanned::new(Term::AnyOf(several), location));
                }
            }
        }
        gone.accept(Match { terms }, place.chain.location);
        Ok(())
    }

    fn accept(
        &mut self,
        of: Of<'p>,
        own: Match,
        guard: &mut Guard,
        gone: &mut Gone,
        place: &mut Place<'p>,
    ) -> Result<(), TooLarge> {
        let goes_on = place.base + 1 < self.last;
        if goes_on && self.way == Leave::ByNot {
            gone.accept(own, of.rule.location);
            return Ok(());
        }
        if goes_on {
            self.base(place.base + 1, guard, false)?;
        }
        self.write(of, Action::Accept, of.rule.remark.intent.as_ref(), guard)
    }

    fn returns(
        &mut self,
        of: Of<'p>,
        own: Match,
        guard: &mut Guard,
        gone: &mut Gone,
        place: &mut Place<'p>,
    ) -> Result<(), TooLarge> {
        if place.frames.len() > 1 {
            gone.returned.push(own.clone());
            gone.left.push(own);
            return Ok(());
        }
        // From a base chain, or one that it went to: to the policy.
        match place.chain.policy.as_ref().map(|policy| policy.value) {
            Some(DefaultAction::Drop) => {
                let intent = of.rule.remark.intent.as_ref().or(place.chain.policy_intent.as_ref());
                self.write(of, Action::Drop, intent, guard)
            }
            _ => self.accept(of, own, guard, gone, place),
        }
    }

    //-------- What cannot be told

    /// Adds a condition that cannot be told to a rule, and notes it once.
    fn bound(
        &mut self,
        rule: &ChainRule,
        (text, why): (String, String),
        guard: &mut Guard,
        own: &mut Match,
    ) {
        let condition = Unmodelled { text, kind: UnmodelledKind::NotRecorded };
        let term = Spanned::new(Term::Unmodelled(condition), rule.verdict.location);
        guard.push(term.clone());
        own.terms.push(term);
        let note = (rule.location, why);
        if self.noted.insert(note.clone()) {
            self.notes.push(note);
        }
    }

    /// Returns whether a limit that accepts what conforms says already that what exceeds it is lost.
    fn is_said_by_limit(&mut self, guard: &Guard) -> bool {
        self.compare(self.limited.len())
            && self.limited.iter().any(|limited| imply(&[guard], limited))
    }

    /// Spends a budget of comparisons; none is left if it returns false.
    fn compare(&mut self, steps: usize) -> bool {
        self.steps = self.steps.saturating_sub(steps);
        self.steps > 0
    }

    //-------- Writing

    fn write(
        &mut self,
        of: Of<'p>,
        action: Action,
        intent: Option<&Intent>,
        guard: &Guard,
    ) -> Result<(), TooLarge> {
        self.spend(guard)?;
        if self.is_void {
            return Ok(());
        }
        let Of { rule, chain, .. } = of;
        let id = self.names.unique(names::of(chain, rule), rule.remark.id.is_some());
        let value = |one: &Option<Spanned<String>>| one.as_ref().map(|one| one.value.clone());
        let description = value(&rule.remark.description).or(rule.description.clone());
        let waivers = rule.remark.waivers_of(&id);
        self.push(
            Rule {
                id,
                location: rule.location,
                description,
                owner: value(&rule.remark.owner),
                ticket: value(&rule.remark.ticket),
                expires: rule.remark.expires.clone(),
                matches: Match { terms: guard.clone() },
                action: Spanned::new(action, rule.verdict.location),
                intent: intent.cloned(),
                waivers,
            },
            &rule.text,
        );
        Ok(())
    }

    fn policy(&mut self, chain: &Chain, guard: &Guard) -> Result<(), TooLarge> {
        let Some(policy) = &chain.policy else { return Ok(()) };
        self.spend(guard)?;
        if self.is_void {
            return Ok(());
        }
        let id = self.names.unique(names::of_policy(chain), false);
        self.push(
            Rule {
                id,
                location: policy.location,
                description: None,
                owner: None,
                ticket: None,
                expires: None,
                matches: Match { terms: guard.clone() },
                action: Spanned::new(Action::Drop, policy.location),
                intent: chain.policy_intent.clone(),
                waivers: Vec::new(),
            },
            &chain.name,
        );
        Ok(())
    }

    /// Takes the room of a rule.
    fn spend(&mut self, guard: &Guard) -> Result<(), TooLarge> {
        self.most_terms = self.most_terms.checked_sub(1 + weight(guard)).ok_or(TooLarge)?;
        self.most_rules = self.most_rules.checked_sub(1).ok_or(TooLarge)?;
        Ok(())
    }

    fn push(&mut self, rule: Rule, text: &str) {
        let seed = seed(&rule.matches.terms, text);
        self.all_seeds = joined(self.all_seeds, seed);
        self.traits.push((Hull::of(&rule.matches.terms), seed));
        self.rules.push(rule);
    }
}

impl Gone {
    /// Adds what ended the base chain.
    fn accept(&mut self, own: Match, location: Location) {
        let back = self.returned.iter().filter(|one| !are_apart(&one.terms, &own.terms));
        let mut terms: Guard = back.map(|one| not(one.clone(), location)).collect();
        terms.extend(own.terms.iter().cloned());
        self.left.push(own);
        self.accepted.push(Match { terms });
    }
}

/// Returns whether a verdict only notes packets, which then go on.
fn only_notes(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Action(Action::Log | Action::Mark { .. }))
}

fn not(inner: Match, location: Location) -> Spanned<Term> {
    Spanned::new(Term::Not(inner), location)
}
