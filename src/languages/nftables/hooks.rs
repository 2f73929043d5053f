//! The program that packets pass: base chains in the order of hooks and priorities, with all that
//! they jump to.

use std::collections::{BTreeSet, HashMap};

use super::facts::Facts;
use super::lower::Lowering;
use super::matches::{Cache, Matcher};
use super::places;
use super::ruleset::{self, Base, Ruleset, Table, TableFamily};
use super::terms::unrecorded;
use super::view::{Hook, Reassembled, View};
use crate::chains::{Chain, ChainRule, Program, Verdict};
use crate::languages::{Path, Way};
use crate::model::{Action, DefaultAction, Diagnostic, Family, Location, Match, Spanned, Term};
use crate::remark::{self, Remark};

/// The priority at which fragments are put together, and the one of connection tracking.
const DEFRAGMENTS: i64 = -400;
const TRACKS: i64 = -200;
/// The priorities at which destinations and sources are translated.
const DESTINATIONS: i64 = -100;
const SOURCES: i64 = 100;

/// A ruleset as a program, and what is to be said of it.
#[derive(Default)]
pub(super) struct Made {
    pub(super) program: Program,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) bounded: Vec<(Location, String)>,
    pub(super) not_judged: Vec<(Location, String)>,
}

/// A base chain that packets pass.
struct Passed<'r> {
    table: usize,
    chain: usize,
    hook: Hook,
    base: &'r Base,
}

/// Lays out what packets on a way pass.
pub(super) fn program(ruleset: &Ruleset, way: &Way) -> Made {
    let facts = Facts::of(ruleset);
    let mut made = Made::default();
    let passed = passed(ruleset, way, &mut made);
    let has_rules = ruleset.tables.iter().flat_map(|table| &table.chains).find(|chain| {
        !chain.rules.is_empty() || chain.policy.as_ref().is_some_and(|drop| drop.value)
    });
    if let (true, Some(chain)) = (passed.is_empty(), has_rules) {
        let path =
            Path::NAMES.iter().find(|(_, path)| *path == way.path).map_or("", |(name, _)| name);
        let message = format!("no chain of these rules is at a hook of `--path {path}`");
        made.problems.push(
            Diagnostic::warning(chain.location, message)
                .label("packets on this way never meet this")
                .help("say how the packets come by: `--path forward`, `input`, `prerouting` or `ingress`"),
        );
        made.not_judged = not_judged(ruleset, &BTreeSet::new());
        return made;
    }
    let mut builder = Builder {
        ruleset,
        way,
        facts: &facts,
        caches: ruleset.tables.iter().map(|_| Cache::default()).collect(),
        made,
        places: HashMap::new(),
        views: Vec::new(),
        queue: Vec::new(),
    };
    for base in &passed {
        builder.base(base);
    }
    while let Some((table, chain, view, index)) = builder.queue.pop() {
        let rules = builder.chain(table, chain, view, false);
        builder.made.program.chains[index].rules = rules;
    }
    let bases = passed.iter().map(|base| (base.table, base.chain));
    let met: BTreeSet<(usize, usize)> =
        builder.places.keys().map(|(table, chain, _)| (*table, *chain)).chain(bases).collect();
    Made { not_judged: not_judged(ruleset, &met), ..builder.made }
}

/// Returns the base chains that packets on the way do not meet, and what only those go to. What the
/// host itself sends leaves by the same chains as what it forwards, and is not judged there.
fn not_judged(ruleset: &Ruleset, met: &BTreeSet<(usize, usize)>) -> Vec<(Location, String)> {
    let mut all = Vec::new();
    for (at, table) in ruleset.tables.iter().enumerate() {
        let leaving = leaving(table);
        let sets = table.sets.iter().map(|(name, set)| {
            let elements: Vec<String> =
                set.elements.iter().map(|one| one.key.to_string()).collect();
            (format!("@{name}"), elements.join(","))
        });
        let sets: Vec<(String, String)> = sets.collect();
        for (number, chain) in table.chains.iter().enumerate() {
            let drops = chain.policy.as_ref().is_some_and(|policy| policy.value);
            let is_judged = met.contains(&(at, number)) && !leaving.contains(&number);
            if is_judged || (chain.rules.is_empty() && !drops) {
                continue;
            }
            let mut text = format!("{} {} {}", table.family.word(), table.name, chain.name);
            if let Some(base) = &chain.base {
                let dormant = if table.dormant { " dormant" } else { "" };
                text.push_str(&format!(" {} {}{dormant} {drops}", base.hook, base.priority));
            }
            for rule in &chain.rules {
                text.push_str(" ;");
                for statement in &rule.statements {
                    text.push_str(&format!(" {}", statement.value));
                }
            }
            let named = sets.iter().filter(|(name, _)| text.contains(name.as_str()));
            let elements: String = named.map(|(_, elements)| elements.as_str()).collect();
            text.push_str(&elements);
            all.push((chain.location, text));
        }
    }
    all
}

/// Returns the chains that packets may meet when they leave the host.
fn leaving(table: &Table) -> BTreeSet<usize> {
    let jumps = places::all_jumps(table);
    let is_base = |chain: &ruleset::Chain| {
        let base = chain.base.as_ref().filter(|base| base.kind != "nat");
        base.is_some_and(|base| base.hook == "postrouting" || base.hook == "egress")
    };
    let bases = table.chains.iter().enumerate().filter(|(_, chain)| is_base(chain));
    let mut open: Vec<usize> = bases.map(|(number, _)| number).collect();
    let mut met = BTreeSet::new();
    while let Some(one) = open.pop() {
        if met.insert(one) {
            open.extend(jumps[one].iter().map(|(to, _)| *to));
        }
    }
    met
}

/// Returns the hooks of a way, in order. A forwarded packet passes the egress of its device last.
fn hooks(path: Path) -> &'static [Hook] {
    match path {
        Path::Forward => {
            &[Hook::Ingress, Hook::Prerouting, Hook::Forward, Hook::Postrouting, Hook::Egress]
        }
        Path::Input => &[Hook::Ingress, Hook::Prerouting, Hook::Input],
        Path::Prerouting => &[Hook::Ingress, Hook::Prerouting],
        Path::Ingress => &[Hook::Ingress],
    }
}

fn passed<'r>(ruleset: &'r Ruleset, way: &Way, made: &mut Made) -> Vec<Passed<'r>> {
    let mut all = Vec::new();
    for (at, table) in ruleset.tables.iter().enumerate() {
        if matches!(table.family, TableFamily::Arp | TableFamily::Bridge) {
            let what =
                format!("table {} {}: its frames are not judged", table.family.word(), table.name);
            made.bounded.push((table.location, what));
            continue;
        }
        if table.dormant {
            continue;
        }
        for (chain, base) in table.chains.iter().enumerate() {
            let Some(base) = &base.base else { continue };
            if base.hook == "output" {
                continue;
            }
            let Some(hook) = Hook::named(&base.hook) else {
                let message = format!("`{}` is no hook", base.hook);
                let problem = Diagnostic::error(base.location, message).label("unknown hook");
                made.problems.push(problem.help(
                    "write `ingress`, `prerouting`, `input`, `forward`, `output`, `postrouting` or `egress`",
                ));
                continue;
            };
            if hooks(way.path).contains(&hook) {
                all.push(Passed { table: at, chain, hook, base });
            }
        }
    }
    // Of equal priorities the one that was registered last comes first.
    all.sort_by_key(|one| (one.hook, one.base.priority, std::cmp::Reverse(one.base.registered)));
    all
}

struct Builder<'a> {
    ruleset: &'a Ruleset,
    way: &'a Way,
    facts: &'a Facts,
    /// By table.
    caches: Vec<Cache>,
    made: Made,
    /// Chains that are laid out: by table, chain and view.
    places: HashMap<(usize, usize, usize), usize>,
    views: Vec<View>,
    /// Chains that wait for their rules: table, chain, view, place.
    queue: Vec<(usize, usize, usize, usize)>,
}

impl Builder<'_> {
    fn base(&mut self, passed: &Passed<'_>) {
        let (ruleset, way) = (self.ruleset, self.way);
        let table = &ruleset.tables[passed.table];
        let chain = &table.chains[passed.chain];
        let view = self.view(passed);
        let Some(conditions) = conditions(passed, table.family, way) else { return };
        let mut rules = self.chain(passed.table, passed.chain, view, true);
        let drops_rest = chain.policy.as_ref().is_some_and(|policy| policy.value);
        if passed.base.kind == "nat" && !rules.iter().any(harms) && !drops_rest {
            // Nothing here decides about a packet; what it translates is in the views of others.
            return;
        }
        let name = format!("{} {}", table.name, chain.name);
        let drops = chain.policy.as_ref().filter(|policy| policy.value);
        let (remark, place) = (self.policy_remark(passed), passed.base.location);
        let mut own = Chain {
            name,
            location: chain.location,
            rules: Vec::new(),
            policy: None,
            policy_intent: None,
        };
        if self.facts.offloads && passed.hook != Hook::Ingress {
            own.rules.push(self.offloaded(passed));
        }
        if conditions.is_empty() {
            own.rules.append(&mut rules);
            if let Some(policy) = drops {
                own.policy = Some(Spanned::new(DefaultAction::Drop, policy.location));
                own.policy_intent = remark.intent;
            }
            self.place_base(own);
            return;
        }
        let conditions: Vec<Spanned<Term>> =
            conditions.into_iter().map(|term| Spanned::new(term, place)).collect();
        let matches = Match { terms: conditions.clone() };
        let last = drops.map(|policy| ChainRule {
            id: None,
            text: "policy drop".to_owned(),
            location: policy.location,
            description: None,
            remark,
            matches: matches.clone(),
            verdict: Spanned::new(Verdict::Action(Action::Drop), policy.location),
        });
        // What leaves the chain by `return` or at the end of a `goto` meets the policy.
        let leaves =
            |rule: &ChainRule| matches!(rule.verdict.value, Verdict::Return | Verdict::Goto(_));
        if last.is_some() && rules.iter().any(leaves) {
            let inner = self.made.program.chains.len();
            self.made.program.chains.push(Chain { rules, ..own.clone() });
            own.rules.push(ChainRule {
                id: None,
                text: "the chain".to_owned(),
                location: chain.location,
                description: None,
                remark: Remark::default(),
                matches,
                verdict: Spanned::new(Verdict::Jump(inner), chain.location),
            });
        } else {
            for rule in &mut rules {
                let terms = std::mem::take(&mut rule.matches.terms);
                let before = conditions.iter().filter(|term| !terms.contains(term)).cloned();
                rule.matches.terms = before.collect::<Vec<_>>();
                rule.matches.terms.extend(terms);
            }
            own.rules.append(&mut rules);
        }
        own.rules.extend(last);
        self.place_base(own);
    }

    fn place_base(&mut self, chain: Chain) {
        self.made.program.bases.push(self.made.program.chains.len());
        self.made.program.chains.push(chain);
    }

    /// Packets of flows that a flow table takes pass no chain beyond ingress.
    fn offloaded(&self, passed: &Passed<'_>) -> ChainRule {
        let place = passed.base.location;
        let term = unrecorded(format!("the flow is in a flow table{}", self.facts.mark));
        ChainRule {
            id: None,
            text: "offloaded flows".to_owned(),
            location: place,
            description: Some("packets of offloaded flows pass no chain".to_owned()),
            remark: Remark::default(),
            matches: Match { terms: vec![Spanned::new(term, place)] },
            verdict: Spanned::new(Verdict::Action(Action::Accept), place),
        }
    }

    fn policy_remark(&mut self, passed: &Passed<'_>) -> Remark {
        let chain = &self.ruleset.tables[passed.table].chains[passed.chain];
        let mut all = Remark::default();
        for text in &chain.policy_remarks {
            match remark::read(&text.value, text.location) {
                Ok(Some(found)) => self.made.problems.extend(all.add(found).err()),
                Ok(None) => {}
                Err(problem) => self.made.problems.push(problem),
            }
        }
        all
    }

    /// Returns the view at a base chain.
    fn view(&mut self, passed: &Passed<'_>) -> usize {
        let priority = passed.base.priority;
        let behind = |hook: Hook, at: i64| match passed.hook {
            Hook::Ingress => false,
            own if own == hook => priority > at,
            own => own > hook,
        };
        let tracked = self.facts.tracks && behind(Hook::Prerouting, DEFRAGMENTS);
        let reassembled = match (tracked, passed.hook) {
            (true, _) => Reassembled::Both,
            (false, Hook::Input) => Reassembled::V4,
            (false, _) => Reassembled::None,
        };
        let rewritten = if self.facts.rewrites.is_empty() {
            BTreeSet::new()
        } else {
            self.facts.rewrites.clone()
        };
        let translates = self.facts.translates;
        let view = View {
            hook: passed.hook,
            tracked: behind(Hook::Prerouting, TRACKS),
            reassembled,
            translated: [
                translates && behind(Hook::Prerouting, DESTINATIONS),
                translates && behind(Hook::Postrouting, SOURCES),
            ],
            rewritten,
        };
        match self.views.iter().position(|own| *own == view) {
            Some(at) => at,
            None => {
                self.views.push(view);
                self.views.len() - 1
            }
        }
    }

    /// Lays out the rules of a chain, seen from a view.
    fn chain(&mut self, table: usize, chain: usize, view: usize, is_base: bool) -> Vec<ChainRule> {
        let own = &self.ruleset.tables[table];
        let mut lowering = Lowering::new(
            Matcher {
                table: own,
                view: &self.views[view],
                way: self.way,
                facts: self.facts,
                cache: &self.caches[table],
                has_ports: false,
                location: own.chains[chain].location,
            },
            format!("{} {} {}", own.family.word(), own.name, own.chains[chain].name),
            is_base,
        );
        for rule in &own.chains[chain].rules {
            lowering.add(rule);
        }
        let out = lowering.finish();
        self.made.problems.extend(out.problems);
        self.made.bounded.extend(out.bounded);
        let mut places = Vec::with_capacity(out.targets.len());
        for (name, location) in &out.targets {
            match own.chain(name) {
                Some(target) => places.push(self.target(table, target, view)),
                None => {
                    self.made.problems.push(*super::ruleset::absent(*location, "chain", name));
                    places.push(0);
                }
            }
        }
        let mut rules = out.rules;
        for rule in &mut rules {
            point(&mut rule.verdict.value, &places);
        }
        rules
    }

    /// Returns the place of a chain that is gone to.
    fn target(&mut self, table: usize, chain: usize, view: usize) -> usize {
        if let Some(place) = self.places.get(&(table, chain, view)) {
            return *place;
        }
        let own = &self.ruleset.tables[table];
        let place = self.made.program.chains.len();
        self.made.program.chains.push(Chain {
            name: format!("{} {}", own.name, own.chains[chain].name),
            location: own.chains[chain].location,
            rules: Vec::new(),
            policy: None,
            policy_intent: None,
        });
        self.places.insert((table, chain, view), place);
        self.queue.push((table, chain, view, place));
        place
    }
}

/// Puts places of the program where positions of targets stand.
fn point(verdict: &mut Verdict, places: &[usize]) {
    match verdict {
        Verdict::Jump(target) | Verdict::Goto(target) => *target = places[*target],
        Verdict::Within(_, inner) | Verdict::Perhaps(_, inner) => point(inner, places),
        Verdict::Action(_) | Verdict::Return => {}
    }
}

fn harms(rule: &ChainRule) -> bool {
    !matches!(
        rule.verdict.value,
        Verdict::Action(Action::Accept | Action::Log | Action::Mark { .. }) | Verdict::Return
    )
}

/// Returns what a packet must be to meet a base chain; none if no packet on this way is.
fn conditions(passed: &Passed<'_>, family: TableFamily, way: &Way) -> Option<Vec<Term>> {
    let mut terms = match family {
        TableFamily::Ip => vec![Term::Family(Family::V4)],
        TableFamily::Ip6 => vec![Term::Family(Family::V6)],
        _ => Vec::new(),
    };
    let (known, word) = match passed.hook {
        Hook::Egress => (&way.oif, "oifname"),
        _ => (&way.iif, "iifname"),
    };
    let devices = &passed.base.devices;
    if !devices.is_empty() {
        match known {
            Some(known) => {
                let is_own = |device: &String| match device.strip_suffix('*') {
                    Some(start) => known.starts_with(start),
                    None => device == known,
                };
                if !devices.iter().any(is_own) {
                    return None;
                }
            }
            None => {
                let mut devices = devices.clone();
                devices.sort_unstable();
                terms.push(unrecorded(format!("{word} {}", devices.join(","))));
            }
        }
    }
    if passed.base.kind == "nat" {
        terms.push(unrecorded("the packet opens a connection"));
    }
    Some(terms)
}
