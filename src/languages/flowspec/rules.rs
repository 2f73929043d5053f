//! From routes to the rules of the model: in wire order, one rule for each thing that a route does.
//!
//! A route that limits or redirects and does not let evaluation go on ends it, so what conforms
//! to its rate is accepted by a second rule, `NAME.accept`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::community::{self, Community, Effect};
use super::nlri::Flow;
use super::{meaning, order};
use crate::model::coverage::Coverage;
use crate::model::{
    Action, Algorithm, Burst, Diagnostic, Exceed, Family, Location, Match, Rate, RateLimit,
    RateUnit, Rule, RuleSet, Scope, SourceId, Spanned, Term, Unmodelled, UnmodelledKind,
};
use crate::remark::{self, Remark};

/// A route as written.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// Its name, if it has one.
    pub(super) name: Option<String>,
    /// The place to point at.
    pub(super) location: Location,
    /// What it matches.
    pub(super) flow: Flow,
    /// The places of its components.
    pub(super) places: Vec<Location>,
    /// What it does.
    pub(super) communities: Vec<Spanned<Community>>,
    /// Where a redirect to the next hop goes.
    pub(super) next_hop: Option<String>,
    /// What it does that has no meaning here, and whether that may lose packets.
    pub(super) unknown: Vec<Spanned<String>>,
    /// The comments that stand at it.
    pub(super) comments: Vec<Spanned<String>>,
    /// Who gets it; empty stands for everybody.
    pub(super) receivers: Vec<String>,
}

/// Routes that are announced, the later ones in the place of the earlier.
#[derive(Default)]
pub(super) struct Announced {
    routes: Vec<Option<Route>>,
    by_octets: HashMap<(Family, Vec<u8>, Vec<String>), usize>,
    /// To whom routes for the same packets go, and what they do there.
    told: HashMap<(Family, Vec<u8>), Vec<Told>>,
    pub(super) problems: Vec<Diagnostic>,
    /// What the texts say besides flow routes.
    pub(super) besides: Vec<(Location, String)>,
}

/// Who is told of a route for some packets.
#[derive(PartialEq, Eq)]
struct Told {
    receivers: Vec<String>,
    /// What it does; none takes it back.
    does: Option<Vec<Vec<u8>>>,
}

/// Returns whether some neighbor may be among the receivers of both.
fn may_meet(a: &[String], b: &[String]) -> bool {
    let is_neighbor = |one: &String| one.starts_with("neighbor ");
    // By more than its address, nobody knows who that is.
    let is_plain = |all: &[String]| all.iter().all(|one| one.split(' ').count() == 2);
    match (a, b) {
        _ if !a.iter().chain(b).any(is_neighbor) => false,
        ([], _) | (_, []) => true,
        _ if is_plain(a) && is_plain(b) => a.iter().any(|one| b.contains(one)),
        _ => true,
    }
}

impl Announced {
    /// Reports a route of which nobody can tell who has which in the end: a neighbor is told one thing
    /// with others, and another by itself.
    fn tell(&mut self, route: &Route, octets: &[u8], is_withdrawal: bool) {
        let does = || route.communities.iter().map(|one| one.value.to_vec()).collect();
        let told = Told { receivers: route.receivers.clone(), does: (!is_withdrawal).then(does) };
        let before = self.told.entry((route.flow.family, octets.to_vec())).or_default();
        let differs = |other: &&Told| {
            other.receivers != told.receivers
                && other.does != told.does
                && may_meet(&other.receivers, &told.receivers)
        };
        if before.iter().any(|other| differs(&other)) {
            self.problems.push(
                Diagnostic::error(
                    route.location,
                    "who has which route for these packets is not followed",
                )
                .label("told to some neighbors otherwise than to others")
                .help("hand over the routes of one neighbor at a time"),
            );
        } else if !before.contains(&told) {
            before.push(told);
        }
    }

    /// Adds a route; one for the same packets is replaced (RFC 4271 section 9.1.4).
    pub(super) fn announce(&mut self, route: Route) {
        let Some(octets) = route.flow.encode() else {
            let problem = Diagnostic::error(route.location, "this route is too long to be sent");
            let most = super::nlri::LONGEST;
            self.problems.push(problem.help(format!("an NLRI has less than {most} octets")));
            return;
        };
        self.tell(&route, &octets, false);
        let key = (route.flow.family, octets, route.receivers.clone());
        if let Some(before) = self.by_octets.insert(key, self.routes.len())
            && let Some(before) = self.routes[before].take()
        {
            let problem = Diagnostic::warning(
                route.location,
                "this route matches the same packets as an earlier one, and takes its place",
            );
            self.problems.push(problem.also(before.location, "has no effect"));
        }
        self.routes.push(Some(route));
    }

    /// Takes a route back.
    pub(super) fn withdraw(&mut self, route: &Route) {
        let octets = route.flow.encode().unwrap_or_default();
        self.tell(route, &octets, true);
        let key = (route.flow.family, octets, route.receivers.clone());
        match self.by_octets.remove(&key) {
            Some(number) => self.routes[number] = None,
            None => self.problems.push(Diagnostic::warning(
                route.location,
                "this withdraws a route that is not announced here",
            )),
        }
    }

    /// Returns the routes in the order in which they are looked at: IPv4, then IPv6.
    pub(super) fn ordered(self) -> (Vec<Route>, Vec<Diagnostic>) {
        let mut routes: Vec<Route> = self.routes.into_iter().flatten().collect();
        routes.sort_by(|one, other| {
            one.flow
                .family
                .cmp(&other.flow.family)
                .then_with(|| order::compare(&one.flow, &other.flow))
        });
        (routes, self.problems)
    }
}

/// Makes the rules of routes that stand in their order.
pub(super) fn lay_out(
    routes: Vec<Route>,
    files: &[SourceId],
    problems: &mut Vec<Diagnostic>,
) -> RuleSet {
    let mut set = RuleSet::empty();
    set.files = files.len();
    let mut coverage: BTreeMap<SourceId, Coverage> =
        files.iter().map(|source| (*source, Coverage::new(*source, 0))).collect();
    let mut ids = HashMap::new();
    for route in &routes {
        let mut layer = Layer { ids: &mut ids, rules: &mut set.rules, problems };
        let bounded = layer.route(route);
        if let Some(coverage) = coverage.get_mut(&route.location.source) {
            coverage.rules += 1;
            coverage.bounded.extend(bounded);
        }
    }
    set.coverage = coverage.into_values().collect();
    // A name may be what another one became with its ending.
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

struct Layer<'a> {
    ids: &'a mut HashMap<String, usize>,
    rules: &'a mut Vec<Rule>,
    problems: &'a mut Vec<Diagnostic>,
}

type Bounded = Vec<(Location, String)>;

impl Layer<'_> {
    fn route(&mut self, route: &Route) -> Bounded {
        let mut remark = Remark::default();
        for comment in &route.comments {
            match remark::read(&comment.value, comment.location) {
                Ok(Some(more)) => {
                    if let Err(problem) = remark.add(more) {
                        self.problems.push(problem);
                    }
                }
                Ok(None) => {}
                Err(problem) => self.problems.push(problem),
            }
        }
        let meaning = meaning::of(&route.flow, &route.places, route.location);
        self.problems.extend(meaning.empty_words.iter().map(|place| {
            Diagnostic::warning(*place, "every value satisfies this condition")
                .label("excludes nothing")
                .help("values beside each other are alternatives; a range is joined: `>=1024&<=65535`")
        }));
        let (mut terms, mut bounded) = (meaning.terms, meaning.bounded);
        if !route.receivers.is_empty() {
            let text = format!("announced to {} alone", route.receivers.join(", "));
            bounded
                .push((route.location, format!("{text}: which router sees a packet is not known")));
            terms.push(Spanned::new(unknown(text, UnmodelledKind::NotRecorded), route.location));
        }
        let id = self.id(route, &remark);
        let effects = self.effects(route);
        let made = Made { route, remark: &remark, id, effects: &effects };
        let rules = made.rules(terms, &mut bounded, self.problems);
        self.rules.extend(rules);
        bounded
    }

    fn effects(&mut self, route: &Route) -> Vec<Spanned<Effect>> {
        let mut effects = Vec::new();
        for community in &route.communities {
            let place = community.location;
            match community::decode(&community.value) {
                Ok(Some(effect)) => effects.push(Spanned::new(effect, place)),
                Ok(None) => {}
                Err(why) => self.problems.push(
                    Diagnostic::error(place, why)
                        .help("no standard says what a router makes of it; correct the value"),
                ),
            }
        }
        effects.extend(
            route.unknown.iter().map(|unknown| {
                Spanned::new(Effect::Unknown(unknown.value.clone()), unknown.location)
            }),
        );
        effects
    }

    /// Returns an id that no rule has yet: of the remark, the name, or what the route matches.
    fn id(&mut self, route: &Route, remark: &Remark) -> String {
        let said = remark.id.as_ref().map(|id| id.value.clone());
        let named = || route.name.as_deref().and_then(as_id);
        let base = said.or_else(named).unwrap_or_else(|| {
            let octets = route.flow.encode().unwrap_or_default();
            let hash = octets.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, octet| {
                (hash ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3)
            });
            format!("flow-{:010x}", hash >> 24)
        });
        let count = self.ids.entry(base.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { base } else { format!("{base}.{count}") }
    }
}

/// Makes an id of a name, if anything is left of it.
pub(super) fn as_id(name: &str) -> Option<String> {
    let id: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .collect();
    let id = id.trim_start_matches(['.', '_', '-']);
    (!id.is_empty() && id != "default").then(|| id.to_owned())
}

fn unknown(text: String, kind: UnmodelledKind) -> Term {
    Term::Unmodelled(Unmodelled { text, kind })
}

/// What the rules of a route are made of.
struct Made<'a> {
    route: &'a Route,
    remark: &'a Remark,
    id: String,
    effects: &'a [Spanned<Effect>],
}

impl Made<'_> {
    fn rules(
        &self,
        mut terms: Vec<Spanned<Term>>,
        bounded: &mut Bounded,
        problems: &mut Vec<Diagnostic>,
    ) -> Vec<Rule> {
        let mut goes_on = false;
        let mut rules: Vec<(&str, Spanned<Action>, Option<Term>)> = Vec::new();
        let mut limits: Vec<(RateUnit, Option<Rate>, Location)> = Vec::new();
        let (mut redirect, mut drop) = (None, None);
        for effect in self.effects {
            let here = effect.location;
            match &effect.value {
                Effect::Action { sample, goes_on: on } => {
                    goes_on |= on;
                    if *sample {
                        rules.push(("sample", Spanned::new(Action::Log, here), None));
                    }
                }
                Effect::Copy(_) => rules.push(("copy", Spanned::new(Action::Log, here), None)),
                Effect::Mark(dscp) => {
                    let action = Action::Mark { dscp: u64::from(*dscp) };
                    rules.push(("mark", Spanned::new(action, here), None));
                }
                Effect::Interfaces(text) => {
                    bounded.push((here, format!("{text}: interfaces are not in any recording")));
                    let term = unknown(text.clone(), UnmodelledKind::NotRecorded);
                    terms.push(Spanned::new(term, here));
                }
                Effect::Unknown(text) => {
                    bounded.push((here, format!("{text}: it is not known what it does")));
                    let term = unknown(text.clone(), UnmodelledKind::NotUnderstood);
                    rules.push(("unknown", Spanned::new(Action::Drop, here), Some(term)));
                }
                Effect::Rate(unit, rate) => {
                    let before = limits.iter().find(|(other, ..)| other == unit);
                    if let Some((_, other, place)) = before
                        && other != rate
                    {
                        problems.push(
                            Diagnostic::error(here, "two traffic rates interfere")
                                .label("which one holds is the router's choice")
                                .also(*place, "the other one")
                                .help("keep one of them (RFC 8955 section 7.7)"),
                        );
                    }
                    if rate.is_none() {
                        drop = drop.or(Some(here));
                    }
                    limits.push((*unit, *rate, here));
                }
                Effect::Redirect(to) => {
                    let to = match (&self.route.next_hop, to.as_str()) {
                        (Some(next_hop), "ip:next-hop") => format!("ip:{next_hop}"),
                        _ => to.clone(),
                    };
                    redirect = redirect.or(Some(Spanned::new(Action::Redirect { to }, here)));
                }
            }
        }
        let mut last = None;
        if let Some(here) = drop {
            last = Some(("drop", Spanned::new(Action::Drop, here), None));
        } else {
            for (_, rate, here) in limits {
                let Some(rate) = rate else { continue };
                let burst = Burst::default_of(rate).unwrap_or(Burst::Bytes(u64::MAX));
                let limit = RateLimit {
                    rate,
                    burst,
                    burst_is_written: false,
                    per: Vec::new(),
                    // Every router has its own; where a PoP has several, this is the strictest reading.
                    scope: Scope::Router,
                    exceed: Exceed::Drop,
                    algorithm: Algorithm::FlowSpec,
                    timeout_ns: None,
                    most_keys: None,
                    bucket: None,
                };
                rules.push(("limit", Spanned::new(Action::RateLimit(limit), here), None));
            }
            match redirect {
                Some(redirect) if goes_on => {
                    let text = format!("redirect of {} after what follows it", self.id);
                    let why = "what follows may take the packet first";
                    bounded.push((redirect.location, format!("{text}: {why}")));
                    let term = unknown(text, UnmodelledKind::NotRecorded);
                    last = Some(("redirect", redirect, Some(term)));
                }
                Some(redirect) => last = Some(("redirect", redirect, None)),
                None if goes_on => {}
                None => {
                    let place = self.route.location;
                    last = Some(("accept", Spanned::new(Action::Accept, place), None));
                }
            }
        }
        rules.extend(last);
        // The plain id is that of what hurts most.
        let weight = |action: &Action| action.harm();
        let main = (0..rules.len()).max_by_key(|at| (weight(&rules[*at].1.value), usize::MAX - at));
        let mut names: HashMap<&str, usize> = HashMap::new();
        let mut made = Vec::with_capacity(rules.len());
        for (at, (what, action, extra)) in rules.into_iter().enumerate() {
            let mut terms = terms.clone();
            let place = action.location;
            terms.extend(extra.map(|term| Spanned::new(term, place)));
            let id = if Some(at) == main {
                self.id.clone()
            } else {
                let count = names.entry(what).or_insert(0);
                *count += 1;
                let id = format!("{}.{what}", self.id);
                if *count == 1 { id } else { format!("{id}.{count}") }
            };
            made.push(self.rule(id, Match { terms }, action, Some(at) == main));
        }
        made
    }

    fn rule(&self, id: String, matches: Match, action: Spanned<Action>, is_main: bool) -> Rule {
        let Remark { description, owner, ticket, expires, intent, .. } = self.remark.clone();
        let waivers = self.remark.waivers_of(&id);
        let harmful = action.value.harm() > crate::model::Harm::None;
        Rule {
            id,
            location: self.route.location,
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
}
