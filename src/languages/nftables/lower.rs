//! Rules of one chain into rules of the model: terms and what becomes of the packets.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::facts::{hash, set_name};
use super::fields::Field;
use super::limits;
use super::matches::{Matcher, shortened};
use super::terms::{is_transport, looked_for, says_ports, unrecorded};
use super::tree::{Data, Dynamic, Element, Expr, Limit, Op, Rule, Statement, Verdict as Written};
use crate::chains::{ChainRule, Verdict};
use crate::model::{
    Action, Diagnostic, Exceed, Family, FlagTest, Location, Match, NumberSet, RateLimit, Spanned,
    Term, Unmodelled, UnmodelledKind,
};
use crate::remark::{self, Remark};

/// How many elements a set that rules write to has room for, if it does not say
/// (`nft_dynset_init` in net/netfilter/nft_dynset.c).
const DEFAULT_KEYS: u64 = 65_535;

/// What a chain became, and what is to be said of it.
#[derive(Default)]
pub(super) struct Lowered {
    pub(super) rules: Vec<ChainRule>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) bounded: Vec<(Location, String)>,
    /// Names of chains that rules go to; verdicts hold their position here.
    pub(super) targets: Vec<(String, Location)>,
}

/// Lays out the rules of a chain.
pub(super) struct Lowering<'a> {
    pub(super) matcher: Matcher<'a>,
    /// The name of the chain, with its table.
    pub(super) chain: String,
    pub(super) is_base: bool,
    pub(super) out: Lowered,
    targets: HashMap<String, usize>,
    /// How often a text has come.
    seen: HashMap<u64, u32>,
    pub(super) twins: Vec<Twin>,
}

/// A rule for later fragments, until it is known how many there are.
pub(super) struct Twin {
    /// The position of the rule that it follows.
    pub(super) after: usize,
    pub(super) rule: ChainRule,
    /// What stands for what cannot be told: any of these.
    pub(super) unknown: Vec<String>,
    /// Whether an address narrows it.
    pub(super) narrow: bool,
}

/// A rule in the making.
pub(super) struct Making<'r> {
    pub(super) rule: &'r Rule,
    pub(super) text: String,
    /// Tells it apart from rules of the same text, wherever they stand.
    pub(super) own: String,
    pub(super) terms: Vec<Spanned<Term>>,
    /// Words of conditions on the transport header; of one that holds for several values, of each.
    pub(super) transport: Vec<Vec<String>>,
    pub(super) limit: Option<Pending>,
    pub(super) remark: Remark,
    pub(super) description: Option<String>,
    /// How many rules were made of it.
    pub(super) made: usize,
}

/// A limit that waits for what it is for.
pub(super) struct Pending {
    pub(super) limit: Limit,
    pub(super) policer: RateLimit,
    pub(super) location: Location,
}

type Told<T> = Result<T, Box<Diagnostic>>;

impl<'a> Lowering<'a> {
    pub(super) fn new(matcher: Matcher<'a>, chain: String, is_base: bool) -> Lowering<'a> {
        Lowering {
            matcher,
            chain,
            is_base,
            out: Lowered::default(),
            targets: HashMap::new(),
            seen: HashMap::new(),
            twins: Vec::new(),
        }
    }

    /// Adds the next rule. What cannot be read is reported.
    pub(super) fn add(&mut self, rule: &Rule) {
        if let Err(problem) = self.rule(rule) {
            self.out.problems.push(*problem);
        }
    }

    fn rule(&mut self, rule: &Rule) -> Told<()> {
        let mut text = String::new();
        for statement in &rule.statements {
            if !matches!(statement.value, Statement::Counter) {
                // Writing to a string cannot fail.
                let _ =
                    write!(text, "{}{}", if text.is_empty() { "" } else { " " }, statement.value);
            }
        }
        let digest = hash(&text);
        let times = self.seen.entry(digest).and_modify(|times| *times += 1).or_insert(1);
        let own = format!("in {} #{:08x}.{times}", self.chain, digest as u32);
        let (remark, description) = self.remark(rule);
        let mut making = Making {
            rule,
            text,
            own,
            terms: Vec::new(),
            transport: Vec::new(),
            limit: None,
            remark,
            description,
            made: 0,
        };
        self.matcher.has_ports = asks_for_ports(rule);
        let pair = Self::joint_pair(rule);
        for (at, statement) in rule.statements.iter().enumerate() {
            self.matcher.location = statement.location;
            if let Some((first, second)) = pair
                && (at == first || at == second)
            {
                if at == first && self.joint(&mut making, [first, second])?.is_none() {
                    return Ok(());
                }
                continue;
            }
            if self.statement(&mut making, statement)?.is_none() {
                return Ok(());
            }
        }
        // What ends nothing is noted: a counter, a log, a mark.
        self.matcher.location = rule.location;
        self.demote(&mut making);
        if making.made == 0 {
            self.push(&mut making, Vec::new(), Verdict::Action(Action::Log), rule.location);
        }
        Ok(())
    }

    /// Reads what comments say.
    fn remark(&mut self, rule: &Rule) -> (Remark, Option<String>) {
        let mut remark = Remark::default();
        let mut description = None;
        let comment = rule.comment.iter().map(|comment| (comment, true));
        for (text, is_comment) in rule.remarks.iter().map(|text| (text, false)).chain(comment) {
            match remark::read(&text.value, text.location) {
                Ok(Some(found)) => {
                    if let Err(problem) = remark.add(found) {
                        self.out.problems.push(problem);
                    }
                }
                Ok(None) if is_comment => description = Some(text.value.clone()),
                Ok(None) => {}
                Err(problem) => self.out.problems.push(problem),
            }
        }
        (remark, description)
    }

    /// Takes a statement in. None if no packet goes beyond it.
    fn statement(
        &mut self,
        making: &mut Making<'_>,
        statement: &Spanned<Statement>,
    ) -> Told<Option<()>> {
        let location = statement.location;
        match &statement.value {
            Statement::Match { left, op, right } => {
                let answer = self.matcher.matched(left, *op, right)?;
                let Some(terms) = answer else { return Ok(None) };
                if terms.is_empty() {
                    return Ok(Some(()));
                }
                if making.limit.is_some() {
                    self.bound(
                        location,
                        "a limit before other conditions counts other packets, too",
                    );
                }
                self.demote(making);
                if terms.iter().any(is_transport) {
                    let text = || statement.value.to_string();
                    making.transport.push(match op {
                        Op::Implicit | Op::Equal => {
                            looked_for(left, &terms).unwrap_or_else(|| vec![text()])
                        }
                        _ => vec![text()],
                    });
                }
                self.terms(making, terms, location);
            }
            Statement::Verdict(Written::Continue) => {}
            Statement::Verdict(verdict) => {
                let verdict = self.verdict(verdict, location);
                self.emit(making, verdict, location);
                return Ok(None);
            }
            Statement::VerdictMap { key, data } => {
                self.verdict_map(making, key, data, location)?;
                return Ok(None);
            }
            Statement::Limit(limit) => {
                let bucket = (!self.is_base).then(|| making.own.clone());
                let policer = limits::policer(limit, location, Vec::new(), bucket)?;
                self.demote(making);
                making.limit = Some(Pending { limit: limit.clone(), policer, location });
            }
            Statement::LimitNamed(Expr::Word(name)) => {
                let Some(limit) = self.matcher.table.limits.get(name) else {
                    return Err(super::ruleset::absent(location, "limit", name));
                };
                let table = self.matcher.table;
                let bucket = set_name(table.family.word(), &table.name, &format!("limit {name}"));
                let policer = limits::policer(&limit.value, location, Vec::new(), Some(bucket))?;
                self.demote(making);
                making.limit = Some(Pending { limit: limit.value.clone(), policer, location });
            }
            Statement::LimitNamed(name) => {
                self.unknown(making, format!("limit name {name}"), location, "which limit");
            }
            Statement::Dynamic(dynamic) => self.dynamic(making, dynamic, location)?,
            Statement::Unrecorded(text) => {
                let text = format!("{text} {}", making.own);
                self.unknown(making, text, location, "what was counted before");
            }
            Statement::Reject(with) => {
                // nft adds what the answer is for.
                let implied = match with.split(' ').next() {
                    Some("tcp") => Some(Term::Protocol(NumberSet::new([(6, 6)]))),
                    Some("icmp") => Some(Term::Family(Family::V4)),
                    Some("icmpv6") => Some(Term::Family(Family::V6)),
                    _ => None,
                };
                self.terms(making, implied.into_iter().collect(), location);
                self.emit(making, Verdict::Action(Action::Reject), location);
                return Ok(None);
            }
            Statement::Translate { .. } => {
                self.emit(making, Verdict::Action(Action::Accept), location);
                return Ok(None);
            }
            Statement::Queue(text) => {
                self.bound(location, "a program decides what is queued");
                let text = format!("queue {text} drops");
                let unknown = vec![unrecorded(text)];
                self.demote(making);
                self.push(making, unknown, Verdict::Action(Action::Drop), location);
                self.emit(making, Verdict::Action(Action::Accept), location);
                return Ok(None);
            }
            Statement::Forward { to, copy: false } => {
                self.emit(making, Verdict::Action(Action::Redirect { to: to.clone() }), location);
                return Ok(None);
            }
            Statement::Transparent(text) => {
                self.bound(location, "a local socket may take it");
                let unknown = vec![unrecorded(format!("tproxy {text}"))];
                let to = "tproxy".to_owned();
                self.push(making, unknown, Verdict::Action(Action::Redirect { to }), location);
            }
            Statement::Synproxy(_) => {
                let tests = [2, 16].map(|bit| FlagTest { mask: bit, value: bit });
                let tcp = Term::Protocol(NumberSet::new([(6, 6)]));
                let terms = vec![tcp, Term::TcpFlags(tests.to_vec())];
                self.push(making, terms, Verdict::Action(Action::Challenge), location);
            }
            Statement::Set { field: Expr::Field(words), value } => {
                let dscp = ["ip dscp", "ip6 dscp"].contains(&words.as_str());
                let number = super::values::number(value, super::names::Kind::Dscp);
                if let (true, Ok(dscp)) = (dscp, number) {
                    let dscp = u64::try_from(dscp).unwrap_or(u64::MAX);
                    let family = Field::of(words);
                    let terms = match family {
                        Field::Dscp(family) => vec![Term::Family(family)],
                        _ => Vec::new(),
                    };
                    self.push(making, terms, Verdict::Action(Action::Mark { dscp }), location);
                } else if !words.starts_with("tcp option ")
                    && ["ip ", "ip6 ", "tcp ", "udp ", "th ", "icmp"]
                        .iter()
                        .any(|header| words.starts_with(header))
                {
                    self.bound(location, "a packet that is rewritten may not arrive");
                    let unknown = vec![unrecorded(shortened(format!("{} loses it", making.text)))];
                    self.push(making, unknown, Verdict::Action(Action::Drop), location);
                }
            }
            Statement::Offload(_)
            | Statement::Forward { copy: true, .. }
            | Statement::Set { .. }
            | Statement::Log
            | Statement::Counter
            | Statement::Idle(_) => {}
            Statement::Unknown(text) => {
                self.bound(location, "not understood: it may end the packet");
                let kind = UnmodelledKind::NotUnderstood;
                for (word, action) in [("drops", Action::Drop), ("accepts", Action::Accept)] {
                    let text = shortened(format!("{text} {word}"));
                    let unknown = vec![Term::Unmodelled(Unmodelled { text, kind })];
                    self.push(making, unknown, Verdict::Action(action), location);
                }
            }
        }
        Ok(Some(()))
    }

    fn bound(&mut self, location: Location, why: &str) {
        self.out.bounded.push((location, why.to_owned()));
    }

    /// Adds a condition that nobody records.
    fn unknown(&mut self, making: &mut Making<'_>, text: String, location: Location, why: &str) {
        self.bound(location, why);
        making.terms.push(Spanned::new(unrecorded(shortened(text)), location));
    }

    pub(super) fn terms(&mut self, making: &mut Making<'_>, terms: Vec<Term>, location: Location) {
        for term in terms {
            self.note_unknown(&term, location);
            let term = Spanned::new(term, location);
            if !making.terms.contains(&term) {
                making.terms.push(term);
            }
        }
    }

    /// Lists what cannot be told of a condition as bounded; what later fragments hold is said once,
    /// in the manual.
    fn note_unknown(&mut self, term: &Term, location: Location) {
        let all = Match { terms: vec![Spanned::new(term.clone(), location)] };
        let unknown = all.unmodelled();
        let unknown = unknown.iter().find(|one| !one.text.ends_with("of a later fragment"));
        if let Some(unknown) = unknown {
            let why = match unknown.kind {
                UnmodelledKind::NotRecorded => "no recording shows it",
                UnmodelledKind::NotUnderstood => "not understood",
            };
            self.out.bounded.push((location, format!("`{}`: {why}", unknown.text)));
        }
    }

    /// A limit whose packets cannot be counted becomes a condition that nobody records.
    pub(super) fn demote(&mut self, making: &mut Making<'_>) {
        if let Some(pending) = making.limit.take() {
            if pending.policer.bucket.is_some() {
                // What conforms is taken from the bucket, which others use.
                let limit = RateLimit { exceed: Exceed::Log, ..pending.policer.clone() };
                let takes = Verdict::Action(Action::RateLimit(limit));
                self.push(making, Vec::new(), takes, pending.location);
            }
            let text = format!("{} {}", pending.limit, making.own);
            self.unknown(
                making,
                text,
                pending.location,
                "which packets conform is not counted here",
            );
        }
    }

    fn verdict(&mut self, verdict: &Written, location: Location) -> Verdict {
        let mut target = |name: &String| {
            let out = &mut self.out.targets;
            *self.targets.entry(name.clone()).or_insert_with(|| {
                out.push((name.clone(), location));
                out.len() - 1
            })
        };
        match verdict {
            Written::Accept => Verdict::Action(Action::Accept),
            Written::Drop => Verdict::Action(Action::Drop),
            Written::Continue => Verdict::Action(Action::Log),
            Written::Return => Verdict::Return,
            Written::Jump(chain) => Verdict::Jump(target(chain)),
            Written::Goto(chain) => Verdict::Goto(target(chain)),
        }
    }

    fn verdict_map(
        &mut self,
        making: &mut Making<'_>,
        key: &Expr,
        data: &Expr,
        location: Location,
    ) -> Told<()> {
        let elements: &[Element] = match data {
            Expr::Set(elements) => elements,
            Expr::Named(name) => match self.matcher.table.sets.get(name) {
                Some(map) => &map.elements,
                None => return Err(super::ruleset::absent(location, "map", name)),
            },
            _ => {
                let problem = Diagnostic::error(location, "this is no verdict map").label("here");
                return Err(Box::new(problem.help("write `vmap { … }` or `vmap @name`")));
            }
        };
        self.demote(making);
        let varies = match data {
            Expr::Named(name) => {
                let table = self.matcher.table;
                let own = set_name(table.family.word(), &table.name, name);
                let map = table.sets.get(name);
                map.is_some_and(|map| map.varies || map.timeout_s.is_some())
                    || self.matcher.facts.writers.contains_key(&own)
                    || elements.iter().any(|element| element.varies)
            }
            _ => false,
        };
        let mut groups: Vec<(&Written, Vec<Element>)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut rest = None;
        for element in elements {
            let Some(Data::Verdict(verdict)) = &element.data else {
                let message = format!("`{element}` gives no verdict");
                let problem = Diagnostic::error(location, message).label("in this map");
                return Err(Box::new(problem.help("write `key : accept`")));
            };
            if element.key == Expr::All {
                rest = Some(verdict);
                continue;
            }
            let at = *places.entry(verdict.to_string()).or_insert_with(|| {
                groups.push((verdict, Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(Element { data: None, ..element.clone() });
        }
        let mut all: Vec<(Expr, Op, &Written)> = Vec::new();
        if let Some(verdict) = rest {
            let others = groups.iter().flat_map(|(_, keys)| keys.iter().cloned()).collect();
            all.push((Expr::Set(others), Op::Unequal, verdict));
        }
        all.extend(groups.into_iter().map(|(verdict, keys)| (Expr::Set(keys), Op::Equal, verdict)));
        let (outer, transport) = (making.terms.len(), making.transport.len());
        for (keys, op, verdict) in all {
            if *verdict == Written::Continue {
                continue;
            }
            let Some(terms) = self.matcher.matched(key, op, &keys)? else { continue };
            let verdict = self.verdict(verdict, location);
            if terms.iter().any(is_transport) {
                making.transport.push(vec![shortened(format!("{key} {op}{keys}"))]);
            }
            self.terms(making, terms, location);
            if varies {
                let text = format!("{keys} in {data} at the time{}", self.matcher.facts.mark);
                self.unknown(making, text, location, "elements of the map come and go");
            }
            self.emit(making, verdict, location);
            making.terms.truncate(outer);
            making.transport.truncate(transport);
        }
        if making.made == 0 {
            self.push(making, Vec::new(), Verdict::Action(Action::Log), location);
        }
        Ok(())
    }

    /// A set that the rule writes to: a limit for each key, or a note of the key.
    fn dynamic(
        &mut self,
        making: &mut Making<'_>,
        dynamic: &Dynamic,
        location: Location,
    ) -> Told<()> {
        let table = self.matcher.table;
        let name = set_name(table.family.word(), &table.name, &dynamic.set);
        self.demote(making);
        let limits: Vec<&Limit> = dynamic
            .statements
            .iter()
            .filter_map(|statement| match statement {
                Statement::Limit(limit) => Some(limit),
                _ => None,
            })
            .collect();
        let counts = dynamic.statements.iter().any(|one| matches!(one, Statement::Unrecorded(_)));
        let set = table.sets.get(&dynamic.set);
        let timeout = dynamic.timeout_s.or(set.and_then(|set| set.timeout_s));
        let uses = self.matcher.facts.writers.get(&name).map_or(0, Vec::len);
        let seen = |words: &str| self.matcher.seen_field(words);
        let keyed = limits::key(&dynamic.key, &seen, self.matcher.view.reassembled, location);
        if let ([limit], false, Some((per, terms))) = (limits.as_slice(), counts, &keyed) {
            let why = if uses > 1 {
                Some("several rules write to the set")
            } else if !limit.over {
                Some("a full set matches no new key")
            } else if timeout
                .is_some_and(|timeout| dynamic.op == "add" || timeout < limits::refill_s(limit))
            {
                Some("elements go before their buckets are full again")
            } else {
                None
            };
            let size = dynamic.size.or(set.and_then(|set| set.size));
            // Elements that are listed have their place already.
            let listed = set.map_or(0, |set| set.elements.len() as u64);
            let size = size.filter(|size| *size > 0).unwrap_or(DEFAULT_KEYS);
            let most_keys = Some(size.saturating_sub(listed));
            let policer = limits::policer(limit, location, per.clone(), Some(name))?;
            let policer = RateLimit { most_keys, ..policer };
            self.terms(making, terms.clone(), location);
            let own = (*limit).clone();
            match why {
                None => making.limit = Some(Pending { limit: own, policer, location }),
                Some(why) => {
                    let text = format!("{own} for each {} {}", dynamic.key, making.own);
                    self.unknown(making, text, location, why);
                }
            }
            return Ok(());
        }
        if let Some((_, terms)) = keyed {
            self.terms(making, terms, location);
        }
        if dynamic.op == "delete" {
            return Ok(());
        }
        let text = format!("{} {}", shortened(dynamic.key.to_string()), making.own);
        let why = match limits.is_empty() && !counts {
            true => "a full set ends the rule",
            false => "its keys are in no recording",
        };
        self.unknown(making, format!("room in @{} for {text}", dynamic.set), location, why);
        Ok(())
    }
}

/// Returns whether a rule asks for a protocol that has ports, in whatever order.
fn asks_for_ports(rule: &Rule) -> bool {
    rule.statements.iter().any(|statement| {
        let Statement::Match { left: Expr::Field(words), op, right } = &statement.value else {
            return false;
        };
        match Field::of(words) {
            Field::SrcPort(Some(_)) | Field::DstPort(Some(_)) | Field::TcpFlags => true,
            field @ (Field::Protocol | Field::HeaderProtocol) => {
                let plain = matches!(op, Op::Implicit | Op::Equal);
                let values = super::values::ranges(right, field.kind()).unwrap_or_default();
                let narrow = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
                let set = values.iter().map(|(first, last)| (narrow(*first), narrow(*last)));
                plain && !values.is_empty() && says_ports(&Term::Protocol(NumberSet::new(set)))
            }
            _ => false,
        }
    })
}
