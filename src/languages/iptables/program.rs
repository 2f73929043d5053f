//! The tables of a family, in the order in which packets pass them, as a program of chains.

use std::collections::{BTreeMap, HashMap};

use super::conditions::{self, Terms};
use super::context::{Backend, Context, Facts, Hook, not_recorded};
use super::limits::{self, Limit};
use super::spec::{Spec, Use};
use super::tables::{Chain as Written, Chains, Note, Rule, Table};
use super::targets::{self, Effect};
use super::{ipset::Sets, members, unrecorded};
use crate::chains::{Chain, ChainRule, Program, Verdict};
use crate::languages::{Path, Way};
use crate::model::{
    Action, DefaultAction, Diagnostic, Exceed, Family, Location, Match, RateLimit, Spanned, Term,
};
use crate::remark::{self, Remark};

/// Sources and destinations of a rule with a limit are rules of their own, up to so many.
const MOST_COPIES: usize = 1_024;

/// The chains that packets pass, in order (iptables(8) and the kernel's hook priorities).
pub(super) fn passed(path: Path) -> &'static [(Table, Hook)] {
    const PREROUTING: [(Table, Hook); 3] = [
        (Table::Raw, Hook::Prerouting),
        (Table::Mangle, Hook::Prerouting),
        (Table::Nat, Hook::Prerouting),
    ];
    const FORWARD: [(Table, Hook); 8] = [
        PREROUTING[0],
        PREROUTING[1],
        PREROUTING[2],
        (Table::Mangle, Hook::Forward),
        (Table::Filter, Hook::Forward),
        (Table::Security, Hook::Forward),
        (Table::Mangle, Hook::Postrouting),
        (Table::Nat, Hook::Postrouting),
    ];
    const INPUT: [(Table, Hook); 7] = [
        PREROUTING[0],
        PREROUTING[1],
        PREROUTING[2],
        (Table::Mangle, Hook::Input),
        (Table::Filter, Hook::Input),
        (Table::Security, Hook::Input),
        (Table::Nat, Hook::Input),
    ];
    match path {
        Path::Forward => &FORWARD,
        Path::Input => &INPUT,
        Path::Prerouting => &PREROUTING,
        Path::Ingress => &[],
    }
}

/// What a program is made from.
pub(super) struct Maker<'m, 'a> {
    /// The tables of the family.
    pub(super) tables: &'m BTreeMap<Table, &'m Chains<'a>>,
    /// The family.
    pub(super) family: Family,
    /// The backend.
    pub(super) backend: Backend,
    /// How packets come by.
    pub(super) way: &'m Way,
    /// The sets.
    pub(super) sets: &'m Sets,
    /// What the rules do all together.
    pub(super) facts: &'m Facts,
    /// What is wrong.
    pub(super) problems: Vec<Diagnostic>,
    /// What is bounded.
    pub(super) bounded: Vec<(Location, String)>,
}

impl Maker<'_, '_> {
    /// Makes the program.
    pub(super) fn program(&mut self) -> Program {
        let mut program = Program::default();
        for (table, hook) in passed(self.way.path) {
            let Some(chains) = self.tables.get(table).copied() else { continue };
            let Some(base) = chains.find(hook.chain()) else { continue };
            let written = &chains.chains[base];
            let policy = written.policy.as_ref();
            let drops = policy.is_some_and(|policy| policy.value == DefaultAction::Drop);
            if *table == Table::Nat {
                if drops {
                    self.problems.push(
                        Diagnostic::error(written.location, "the nat table is not for filtering")
                            .label("a policy that drops")
                            .help("set the policy of the filter, mangle or raw table"),
                    );
                }
                if !reaches_uncertain(chains, base) {
                    continue;
                }
            } else if written.rules.is_empty() && !drops {
                continue;
            }
            if policy.is_none() {
                let why = format!("{} has no policy here: taken as ACCEPT", written.name);
                self.bounded.push((written.location, why));
            }
            let index = self.chains(&mut program, *table, *hook, chains, base);
            program.bases.push(index);
        }
        program
    }

    /// Adds a base chain and all chains that it can come to, as they are at its hook.
    fn chains(
        &mut self,
        program: &mut Program,
        table: Table,
        hook: Hook,
        chains: &Chains<'_>,
        base: usize,
    ) -> usize {
        let mut context = Context {
            family: self.family,
            backend: self.backend,
            hook,
            way: self.way,
            sets: self.sets,
            facts: self.facts,
            met: HashMap::new(),
            bounded: Vec::new(),
        };
        let prefix = if self.family == Family::V6 { "ip6 " } else { "" };
        let mut places: HashMap<usize, usize> = HashMap::new();
        let mut order = vec![base];
        let first = program.chains.len();
        places.insert(base, first);
        let mut next = 0;
        while let Some(own) = order.get(next).copied() {
            next += 1;
            let written = &chains.chains[own];
            let name = format!("{prefix}{} {}", table.name(), written.name);
            let mut chain = Chain {
                name,
                location: written.location,
                rules: Vec::new(),
                policy: None,
                policy_intent: None,
            };
            if own == base {
                chain.policy = written.policy.clone();
                chain.policy_intent = self.policy_intent(written);
            }
            let mut place_of = |name: &str| {
                let own = chains.find(name)?;
                Some(*places.entry(own).or_insert_with(|| {
                    order.push(own);
                    first + order.len() - 1
                }))
            };
            for rule in &written.rules {
                let mut one = OneRule {
                    rule,
                    table,
                    chain: &chain.name,
                    context: &mut context,
                    place_of: &mut place_of,
                    is_own: &|name| chains.find(name).is_some() && !table.builtin().contains(&name),
                };
                match one.make() {
                    Ok(rules) => chain.rules.extend(rules),
                    Err(problem) => self.problems.push(problem),
                }
            }
            program.chains.push(chain);
        }
        self.bounded.append(&mut context.bounded);
        first
    }

    fn policy_intent(&mut self, written: &Written<'_>) -> Option<crate::model::Intent> {
        match remark(&written.notes, &[]) {
            Ok((remark, _)) => remark.intent,
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }
}

/// Returns whether a chain can come to a target that may drop though nobody can tell.
fn reaches_uncertain(chains: &Chains<'_>, base: usize) -> bool {
    let mut seen = vec![false; chains.chains.len()];
    let mut left = vec![base];
    while let Some(at) = left.pop() {
        if std::mem::replace(&mut seen[at], true) {
            continue;
        }
        for rule in &chains.chains[at].rules {
            let Some(target) = &rule.spec.target else { continue };
            match chains.find(&target.name.text) {
                Some(next) => left.push(next),
                // The latter two are refused there.
                None if targets::is_uncertain(&target.name.text)
                    || matches!(&*target.name.text, "DROP" | "REJECT") =>
                {
                    return true;
                }
                None => {}
            }
        }
    }
    false
}

/// Reads what is said to blastgate above a rule and in its comments, and what else its comments
/// say.
fn remark(
    notes: &[Note<'_>],
    comments: &[(&str, Location)],
) -> Result<(Remark, Option<String>), Diagnostic> {
    let mut all = Remark::default();
    let mut description = None;
    let above = notes.iter().map(|note| (note.text, note.location));
    for (text, location) in above.chain(comments.iter().copied()) {
        match remark::read(text, location)? {
            Some(remark) => all.add(remark)?,
            None => description = description.or_else(|| Some(text.to_owned())),
        }
    }
    Ok((all, description))
}

struct OneRule<'o, 'c, 'a> {
    rule: &'o Rule<'a>,
    table: Table,
    chain: &'o str,
    context: &'o mut Context<'c>,
    place_of: &'o mut dyn FnMut(&str) -> Option<usize>,
    is_own: &'o dyn Fn(&str) -> bool,
}

impl OneRule<'_, '_, '_> {
    fn make(&mut self) -> Result<Vec<ChainRule>, Diagnostic> {
        let spec = &self.rule.spec;
        if let Some(only) = &spec.only {
            let family = if only.text == "4" { Family::V4 } else { Family::V6 };
            // As the program of the other family does: it passes the line over.
            if family != self.context.family {
                return Ok(Vec::new());
            }
        }
        let has_limit = spec.uses.iter().any(|one| matches!(one.name(), "limit"));
        let is_list = |name: &str| {
            spec.basics.iter().any(|one| one.name == name && one.value(0).contains(','))
        };
        if has_limit && (is_list("source") || is_list("destination")) {
            let mut rules = Vec::new();
            for copy in copies(spec)? {
                rules.extend(self.one(&copy)?);
            }
            return Ok(rules);
        }
        self.one(spec)
    }

    fn one(&mut self, spec: &Spec<'_>) -> Result<Vec<ChainRule>, Diagnostic> {
        let mut terms: Terms = Vec::new();
        conditions::basics(spec, &mut terms, self.context)?;
        let protocol = conditions::protocol(spec)?;
        let mut found: Vec<Found> = Vec::new();
        let mut comments: Vec<(&str, Location)> = Vec::new();
        for one in &spec.uses {
            match one.name() {
                "comment" => comments.extend(
                    one.settings.iter().map(|setting| (setting.value(0), setting.place(0))),
                ),
                "limit" => {
                    let limit = limits::limit(one, self.context)?;
                    found.push(Found::new(one, limit, None, terms.len()));
                }
                "hashlimit" => {
                    let (limit, table) = limits::hashlimit(one, self.context)?;
                    found.push(Found::new(one, limit, table, terms.len()));
                }
                "set" => members::set(one, &mut terms, self.context)?,
                _ => {
                    if !conditions::header(one, protocol, &mut terms, self.context)? {
                        unrecorded::unknown(one, self.chain, &mut terms, self.context)?;
                    }
                }
            }
        }
        let (remark, description) = remark(&self.rule.notes, &comments)?;
        let location = spec.location;
        let (effect, place) = match &spec.target {
            None => (Effect::Action(Action::Log), location),
            Some(target) => {
                let effect = targets::effect(target, self.table, |name| (self.is_own)(name))?;
                let is_builtin = self.table.builtin().contains(&&*target.name.text);
                if is_builtin {
                    return Err(Diagnostic::error(
                        target.name.location,
                        "packets come to this chain by themselves",
                    )
                    .label("cannot be jumped to")
                    .help("make a chain of your own and jump to it from both"));
                }
                if let Effect::Either(_) = effect {
                    let known = super::extensions::find_target(&target.name.text).is_some();
                    let why = if known {
                        format!("what becomes of a packet by {} is in no record", target.name.text)
                    } else {
                        format!("target `{}` is not known: it may drop", target.name.text)
                    };
                    if target.name.text != "SYNPROXY" {
                        self.context.bound(target.name.location, why);
                    }
                }
                (effect, target.name.location)
            }
        };
        if self.table == Table::Nat {
            terms.push(Spanned::new(not_recorded("first packet of a connection"), location));
        }
        let named = |text: String, terms: Terms, verdict: Verdict| ChainRule {
            id: None,
            text,
            location,
            description: description.clone(),
            remark: remark.clone(),
            matches: Match { terms },
            verdict: Spanned::new(verdict, place),
        };
        let make = |terms: Terms, verdict: Verdict| named(spec.text.clone(), terms, verdict);
        // Tables of keys whose limit is not followed may be full all the same.
        let tables = |found: &[Found], terms: &Terms| -> Vec<ChainRule> {
            let tables = found.iter().filter_map(|one| Some((one.table.clone()?, one)));
            let rule = |(table, one): (RateLimit, &Found)| {
                let before = terms[..one.before.min(terms.len())].to_vec();
                let verdict = Verdict::Within(table, Box::new(Verdict::Action(Action::Log)));
                named(format!("the keys of {} {}", one.text, spec.text), before, verdict)
            };
            tables.map(rule).collect()
        };
        let verdict = match effect {
            // What harms nobody does so within a limit and beyond it.
            Effect::Action(action @ (Action::Log | Action::Mark { .. })) => {
                let mut rules = tables(&found, &terms);
                rules.push(make(terms, Verdict::Action(action)));
                return Ok(rules);
            }
            Effect::Action(action) => Verdict::Action(action),
            Effect::Return => Verdict::Return,
            Effect::Chain { name, is_goto } => {
                let Some(index) = (self.place_of)(&name) else { return Ok(Vec::new()) };
                if is_goto { Verdict::Goto(index) } else { Verdict::Jump(index) }
            }
            Effect::Either(branches) => {
                let mut rules = tables(&found, &terms);
                terms.extend(found.iter().map(|one| self.unknown(one)));
                rules.extend(branches.into_iter().map(|(term, action)| {
                    let mut terms = terms.clone();
                    terms.push(Spanned::new(term, place));
                    make(terms, Verdict::Action(action))
                }));
                return Ok(rules);
            }
        };
        let (verdict, not_followed) = self.limited(found, &mut terms, verdict);
        let mut rules = tables(&not_followed, &terms);
        rules.push(make(terms, verdict));
        Ok(rules)
    }

    /// Puts limits around a verdict; those that cannot be followed become terms, and are returned.
    fn limited(
        &mut self,
        found: Vec<Found>,
        terms: &mut Terms,
        verdict: Verdict,
    ) -> (Verdict, Vec<Found>) {
        let before = terms.len();
        let count = found.len();
        let mut verdict = verdict;
        let mut not_followed = Vec::new();
        // The last limit is the innermost.
        for one in found.into_iter().rev() {
            let is_last = one.before == before;
            match (&one.limit, &verdict) {
                (Limit::Within(limit), _) if is_last => {
                    verdict = Verdict::Within(limit.clone(), Box::new(verdict));
                }
                (
                    Limit::Above(limit),
                    Verdict::Action(action @ (Action::Drop | Action::Reject)),
                ) if is_last && count == 1 => {
                    let exceed =
                        if *action == Action::Drop { Exceed::Drop } else { Exceed::Reject };
                    let limit = RateLimit { exceed, ..limit.clone() };
                    verdict = Verdict::Action(Action::RateLimit(limit));
                }
                _ => {
                    terms.push(self.unknown(&one));
                    not_followed.push(one);
                }
            }
        }
        (verdict, not_followed)
    }

    /// Makes a limit that cannot be followed an unknown of its own.
    fn unknown(&mut self, one: &Found) -> Spanned<Term> {
        let why = match one.limit {
            Limit::Unknown(why) => why,
            Limit::Within(_) => {
                "a limit before other conditions, or before this target, also counts what they leave"
            }
            Limit::Above(_) => "what exceeds a limit is followed only to DROP and REJECT",
        };
        self.context.bound(one.location, why);
        let term = self.context.each_time(format!("{} in {}", one.text, self.chain));
        Spanned::new(term, one.location)
    }
}

/// A limit that a rule holds.
struct Found {
    limit: Limit,
    /// Its table of keys.
    table: Option<RateLimit>,
    /// How many terms stand before it.
    before: usize,
    text: String,
    location: Location,
}

impl Found {
    fn new(one: &Use<'_>, limit: Limit, table: Option<RateLimit>, before: usize) -> Found {
        Found { limit, table, before, text: one.text(), location: one.location }
    }
}

/// Writes a rule once for each of its sources and destinations, as iptables does.
fn copies<'a>(spec: &Spec<'a>) -> Result<Vec<Spec<'a>>, Diagnostic> {
    let mut specs = vec![spec.clone()];
    for name in ["source", "destination"] {
        let mut next = Vec::new();
        for spec in specs {
            let Some(at) = spec.basics.iter().position(|one| one.name == name) else {
                next.push(spec);
                continue;
            };
            let text = spec.basics[at].value(0).to_owned();
            for part in text.split(',') {
                let mut copy = spec.clone();
                if let Some(value) = copy.basics[at].values.first_mut() {
                    value.text = part.to_owned().into();
                }
                copy.text = spec.text.replace(&text, part);
                next.push(copy);
                if next.len() > MOST_COPIES {
                    return Err(Diagnostic::error(
                        spec.location,
                        "too many addresses in one rule with a limit",
                    )
                    .label(format!("more than {MOST_COPIES} rules by themselves"))
                    .help("each source and destination gets a limit of its own; use `-m set`"));
                }
            }
        }
        specs = next;
    }
    Ok(specs)
}
