//! Terms, what they do, and the implicit discard at the end of a filter.

use std::collections::{BTreeMap, HashSet};

use super::applied::{self, Judged};
use super::from::{Conditions, Reader};
use super::policer::{self, Policer};
use crate::junos::{Item, Tree, names};
use crate::model::coverage::Coverage;
use crate::model::{
    Action, Diagnostic, Exceed, Family, Harm, Location, Match, Rule, RuleSet, SourceId, Spanned,
    Term, Unmodelled, UnmodelledKind,
};
use crate::remark::{self, Remark};

/// How deep filters may nest.
const DEEPEST: usize = 8;

/// More rules than this are not laid out: nested filters may multiply.
const MOST_RULES: usize = 1_000_000;

/// Makes the rules of what is judged.
pub(super) fn lay_out(
    tree: &Tree,
    judged: &[Judged<'_>],
    files: &[SourceId],
    problems: &mut Vec<Diagnostic>,
) -> RuleSet {
    let mut set = RuleSet::empty();
    set.files = files.len();
    let empty = |source: &SourceId| (*source, Coverage::new(*source, 0));
    let mut layer = Layer {
        tree,
        problems,
        rules: Vec::new(),
        coverage: files.iter().map(empty).collect(),
        family: None,
        open: Vec::new(),
    };
    for judged in judged {
        layer.family = judged.family;
        let mut ended = None;
        for filter in &judged.filters {
            ended = layer.filter(*filter, *filter);
            if filter.get("interface-specific").is_some() {
                let why = "interface-specific: every interface has policers of its own";
                layer.bound(filter.location(), why.to_owned());
            }
        }
        if let (None, Some(last)) = (ended, judged.filters.last()) {
            layer.implicit_discard(*last);
        }
    }
    set.coverage = layer.coverage.into_values().collect();
    set.rules = layer.rules;
    let mut taken = HashSet::new();
    for rule in &mut set.rules {
        let (base, mut count) = (rule.id.clone(), 1);
        while !taken.insert(rule.id.clone()) {
            count += 1;
            rule.id = format!("{base}.{count}");
        }
    }
    set
}

struct Layer<'a, 't> {
    tree: &'t Tree,
    problems: &'a mut Vec<Diagnostic>,
    rules: Vec<Rule>,
    coverage: BTreeMap<SourceId, Coverage>,
    family: Option<Family>,
    /// The filters that are being laid out, by where they stand.
    open: Vec<Location>,
}

/// A filter decided everything: its last term takes every packet.
struct Ended;

impl<'t> Layer<'_, 't> {
    fn bound(&mut self, place: Location, why: String) {
        if let Some(coverage) = self.coverage.get_mut(&place.source) {
            coverage.bounded.push((place, why));
        }
    }

    /// Lays out the terms of a filter. `owner` is the filter that is applied.
    fn filter(&mut self, filter: Item<'t>, owner: Item<'t>) -> Option<Ended> {
        if self.open.contains(&filter.location()) || self.open.len() == DEEPEST {
            let problem =
                Diagnostic::error(filter.location(), "filters refer to each other in a circle");
            self.problems
                .push(problem.label("or nest too deep").help("a filter must not hold itself"));
            return Some(Ended);
        }
        self.open.push(filter.location());
        let mut ended = None;
        for term in filter.get("term").into_iter().flat_map(Item::children) {
            ended = self.term(term, filter, owner);
            if self.rules.len() > MOST_RULES {
                let problem = Diagnostic::error(term.location(), "the filters grow beyond bounds");
                self.problems.push(problem.help("nested filters repeat their terms"));
                break;
            }
        }
        self.open.pop();
        ended
    }

    fn remark(&mut self, comments: &[Spanned<String>]) -> Remark {
        let mut remark = Remark::default();
        for comment in comments {
            let added = match remark::read(&comment.value, comment.location) {
                Ok(Some(more)) => remark.add(more),
                Ok(None) => Ok(()),
                Err(problem) => Err(problem),
            };
            self.problems.extend(added.err());
        }
        remark
    }

    fn family_term(&self, place: Location) -> Option<Spanned<Term>> {
        self.family.map(|family| Spanned::new(Term::Family(family), place))
    }

    fn implicit_discard(&mut self, filter: Item<'t>) {
        let place = filter.location();
        let remark = self.remark(filter.own_comments());
        let terms = self.family_term(place).into_iter().collect();
        let id = format!("{}.implicit-discard", as_id(filter.word()));
        let action = Spanned::new(Action::Drop, place);
        let rule = make(id, place, &remark, Match { terms }, action, true);
        self.rules.push(rule);
    }

    fn term(&mut self, term: Item<'t>, filter: Item<'t>, owner: Item<'t>) -> Option<Ended> {
        for child in term.children() {
            if !matches!(child.word(), "from" | "then" | "filter") {
                let word = child.word().escape_debug().to_string();
                let problem = Diagnostic::error(
                    child.location(),
                    format!("`{word}` is not understood in a term"),
                );
                self.problems.push(problem.label("here").help("a term holds `from` and `then`"));
            }
        }
        if let Some(coverage) = self.coverage.get_mut(&term.location().source) {
            coverage.rules += 1;
        }
        if let Some(inner) = term.get("filter").and_then(Item::value) {
            let family = match self.family {
                Some(Family::V4) => "inet",
                Some(Family::V6) => "inet6",
                None => "any",
            };
            let Some(nested) = applied::find(self.tree, family, inner.word()) else {
                let problem =
                    Diagnostic::error(inner.location(), "this filter is not in the configuration");
                self.problems.push(problem.label("not defined"));
                return None;
            };
            return self.filter(nested, owner);
        }
        let remark = self.remark(&term.comments());
        let mut reader = Reader { tree: self.tree, family: self.family, problems: self.problems };
        let from = term.get("from");
        let Conditions { mut terms, bounded } =
            from.map(|from| reader.read(from)).unwrap_or_default();
        let takes_all = terms.is_empty();
        bounded.into_iter().for_each(|(place, why)| self.bound(place, why));
        terms.splice(0..0, self.family_term(term.location()));
        for hidden in term.inactive().chain(from.into_iter().flat_map(Item::inactive)) {
            let problem = Diagnostic::warning(hidden.location(), "this is inactive within a term");
            self.problems.push(problem.label("has no effect"));
        }
        let id = remark.id.as_ref().map(|id| id.value.clone());
        let id = id.unwrap_or_else(|| format!("{}.{}", as_id(filter.word()), as_id(term.word())));
        let (steps, ends) = self.steps(term, owner);
        // The plain id is that of what hurts most.
        let main = (0..steps.len())
            .max_by_key(|at| (steps[*at].action.value.harm(), usize::MAX - at))
            .unwrap_or(0);
        for (at, step) in steps.into_iter().enumerate() {
            let mut terms = terms.clone();
            let place = step.action.location;
            terms.extend(step.unknown.map(|one| Spanned::new(Term::Unmodelled(one), place)));
            let id = if at == main { id.clone() } else { format!("{id}.{}", step.name) };
            let rule = make(id, term.location(), &remark, Match { terms }, step.action, at == main);
            self.rules.push(rule);
        }
        (takes_all && ends).then_some(Ended)
    }

    /// Returns what a term does, in order, and whether the walk ends there.
    fn steps(&mut self, term: Item<'t>, owner: Item<'t>) -> (Vec<Step>, bool) {
        let mut steps = Vec::new();
        let mut last: Option<(&'static str, Spanned<Action>)> = None;
        let mut goes_on: Option<Location> = None;
        // Of these, the one that was written last holds.
        let choice = ["accept", "discard", "reject"];
        let holds = term.get("then").and_then(|then| then.latest(&choice)).map(Item::word);
        for action in term.get("then").into_iter().flat_map(Item::children) {
            let here = action.location();
            if choice.contains(&action.word()) && holds != Some(action.word()) {
                continue;
            }
            let value = action.value();
            let mut end = |name: &'static str, what: Action| {
                if last.as_ref().is_none_or(|(_, before)| what.harm() > before.value.harm()) {
                    last = Some((name, Spanned::new(what, here)));
                }
            };
            match action.word() {
                "accept" => end("accept", Action::Accept),
                "discard" => end("discard", Action::Drop),
                "reject" => end("reject", Action::Reject),
                "next" => goes_on = Some(here),
                "routing-instance" | "logical-system" | "topology" | "next-ip" | "next-ip6"
                | "next-interface" | "next-hop-group" => {
                    let to = value.map_or("", Item::word);
                    end("redirect", Action::Redirect { to: format!("{} {to}", action.word()) });
                }
                "log" | "syslog" | "sample" | "port-mirror" | "port-mirror-instance" => {
                    if !steps.iter().any(|step: &Step| step.name == "log") {
                        steps.push(Step::plain("log", Spanned::new(Action::Log, here)));
                    }
                }
                "dscp" | "traffic-class" => {
                    let text = value.map_or("", Item::word);
                    match names::range(text, "code point", names::DSCP) {
                        Ok((dscp, _)) => {
                            let action = Action::Mark { dscp };
                            steps.push(Step::plain("mark", Spanned::new(action, here)));
                        }
                        Err(wrong) => {
                            self.problems.push(wrong.at(value.map_or(here, Item::location)))
                        }
                    }
                }
                "policer" => {
                    let Some(name) = value else { continue };
                    let place = name.location();
                    match policer::read(self.tree, name, owner.word(), self.problems) {
                        Some(Policer::Limit(limit, note)) => {
                            if let Some(note) = note {
                                self.bound(place, note);
                            }
                            debug_assert!(matches!(limit.exceed, Exceed::Drop | Exceed::Log));
                            let action = Action::RateLimit(limit);
                            steps.push(Step::plain("policer", Spanned::new(action, place)));
                        }
                        Some(Policer::MayDrop(text)) => {
                            self.bound(place, text.clone());
                            steps.push(Step::may_drop(text, UnmodelledKind::NotRecorded, place));
                        }
                        None => {}
                    }
                }
                "three-color-policer"
                | "hierarchical-policer"
                | "prefix-action"
                | "policer-instance" => {
                    let text = format!("{} {}", action.word(), value.map_or("", Item::word));
                    self.bound(here, format!("{text}: not computed, may drop"));
                    steps.push(Step::may_drop(text, UnmodelledKind::NotRecorded, here));
                }
                "count" | "forwarding-class" | "loss-priority" | "packet-mode"
                | "service-accounting" | "service-filter-hit" | "exclude-accounting"
                | "no-ttl-decrement" => {}
                other => {
                    let text = format!("action {}", other.escape_debug());
                    self.bound(here, format!("{text}: not understood, may drop"));
                    steps.push(Step::may_drop(text, UnmodelledKind::NotUnderstood, here));
                }
            }
        }
        if let (Some(next), Some((name, end))) = (goes_on, &last) {
            let problem = Diagnostic::error(next, "this term both ends and goes on");
            self.problems.push(
                problem
                    .label("goes on")
                    .also(end.location, format!("{name} ends it"))
                    .help("Junos has one or the other: remove one of them"),
            );
        }
        let goes_on = goes_on.is_some();
        // A term that only counts, marks or limits accepts.
        if !goes_on {
            let (name, action) =
                last.unwrap_or_else(|| ("accept", Spanned::new(Action::Accept, term.location())));
            steps.push(Step::plain(name, action));
        }
        (steps, !goes_on)
    }
}

struct Step {
    name: &'static str,
    action: Spanned<Action>,
    unknown: Option<Unmodelled>,
}

impl Step {
    fn plain(name: &'static str, action: Spanned<Action>) -> Step {
        Step { name, action, unknown: None }
    }

    fn may_drop(text: String, kind: UnmodelledKind, place: Location) -> Step {
        let unknown = Some(Unmodelled { text, kind });
        Step { name: "unknown", action: Spanned::new(Action::Drop, place), unknown }
    }
}

fn make(
    id: String,
    location: Location,
    remark: &Remark,
    matches: Match,
    action: Spanned<Action>,
    is_main: bool,
) -> Rule {
    let Remark { description, owner, ticket, expires, intent, .. } = remark.clone();
    let waivers = remark.waivers_of(&id);
    let harmful = action.value.harm() > Harm::None;
    Rule {
        id,
        location,
        description: description.map(|text| text.value),
        owner: owner.map(|text| text.value),
        ticket: ticket.map(|text| text.value),
        expires,
        matches,
        action,
        intent: intent.filter(|_| harmful || is_main),
        waivers,
    }
}

/// Makes a part of an id of a name.
fn as_id(name: &str) -> String {
    let id: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .collect();
    let id = id.trim_start_matches(['.', '_', '-']);
    if id.is_empty() { "x".to_owned() } else { id.to_owned() }
}
