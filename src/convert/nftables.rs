//! nftables, as `nft -f` loads it: one table with one base chain at the hook of the path. A rule is
//! a rule, or several that stand together; where it must count once, or be asked only of some
//! packets, it has a chain of its own.
//!
//! | file | is for |
//! |---|---|
//! | `cases` | a match without `not` and `any_of` |
//! | `lines` | cases as conditions of nftables |
//! | `limits` | rates that the kernel's integers count exactly |
//! | `keys` | buckets for each address |
//! | `remarks` | what rules say of themselves, in comments |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Target;
use crate::languages::{Files, LANGUAGES, Path, Way};
use crate::model::{
    Action, DefaultAction, Diagnostic, Exceed, Family, Intent, Location, Match, Rule, RuleSet,
    Sources, Term,
};
use cases::Case;
use lines::{Behind, Line};

mod cases;
mod keys;
mod limits;
mod lines;
mod remarks;

pub(super) const TARGET: Target = Target { name: "nftables", write };

/// The name of the table, by which it is replaced when it is loaded again.
const TABLE: &str = "blastgate";

/// Returns whether a match never holds, whatever the answers are to what no header tells.
pub(super) fn is_never(matches: &Match) -> bool {
    cases::is_never(matches)
}

/// What is wrong with a rule, in one place.
type Refused = Box<Diagnostic>;

fn refused(place: Location, message: &str, label: &str, help: &str) -> Refused {
    Box::new(Diagnostic::error(place, message.to_owned()).label(label).help(help.to_owned()))
}

fn write(set: &RuleSet, path: Path) -> Result<String, Vec<Diagnostic>> {
    let base = match path {
        Path::Forward => "type filter hook forward priority filter",
        // Before fragments are put together, and before addresses are translated.
        Path::Prerouting => "type filter hook prerouting priority -450",
        Path::Input | Path::Ingress => {
            let (name, why) = match path {
                Path::Input => ("input", "fragments of IPv4 are put together before it"),
                _ => ("ingress", "its chain needs the name of a device"),
            };
            let problem = Diagnostic::bare(format!("rules for `--path {name}` cannot be written"));
            return Err(vec![problem.help(format!("{why}; use `--path prerouting`"))]);
        }
    };
    let mut problems = Vec::new();
    let mut writer = Writer::new(set, path);
    for rule in &set.rules {
        if let Err(problem) = writer.rule(rule) {
            problems.push(*problem);
        }
    }
    let policy = match set.default.action {
        DefaultAction::Accept => "accept",
        DefaultAction::Drop => "drop",
    };
    let mut remark = String::new();
    if let Some(intent) = &set.default.intent {
        match remarks::of_policy(intent) {
            Ok(written) => _ = writeln!(remark, "\t\t{written}"),
            Err(problem) => problems.push(*problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let Writer { sets, chains, base: rules, ids, .. } = writer;
    let name = if path == Path::Forward { "forward" } else { "prerouting" };
    let text = format!(
        "# The rules that `blastgate convert` read, to be loaded with `nft -f`.\n\
         table inet {TABLE}\ndelete table inet {TABLE}\n\
         table inet {TABLE} {{\n{sets}{chains}\tchain {name} {{\n{remark}\t\t{base}; \
         policy {policy};\n{rules}\t}}\n}}\n"
    );
    match read_back(set, &ids, path, &text) {
        None => Ok(text),
        Some(problem) => Err(vec![problem]),
    }
}

/// The text in the making.
struct Writer<'s> {
    path: Path,
    sets: String,
    chains: String,
    base: String,
    /// The ids of the rules of nftables, by that of the rule.
    ids: BTreeMap<&'s str, Vec<String>>,
    taken: BTreeSet<String>,
    /// Policers that several rules use.
    shared: BTreeSet<&'s str>,
    /// Where a rule asks for the DSCP.
    dscp: Option<Location>,
}

impl<'s> Writer<'s> {
    fn new(set: &'s RuleSet, path: Path) -> Writer<'s> {
        let (mut named, mut shared) = (BTreeSet::new(), BTreeSet::new());
        for rule in &set.rules {
            if let Action::RateLimit(limit) = &rule.action.value
                && let Some(bucket) = &limit.bucket
                && !named.insert(bucket.as_str())
            {
                shared.insert(bucket.as_str());
            }
        }
        let all = set.rules.iter().flat_map(|rule| &rule.matches.terms);
        Writer {
            path,
            sets: String::new(),
            chains: String::new(),
            base: String::new(),
            ids: BTreeMap::new(),
            taken: set.rules.iter().map(|rule| rule.id.clone()).collect(),
            shared,
            dscp: all.filter(|term| asks_for_dscp(&term.value)).map(|term| term.location).next(),
        }
    }

    /// Returns the comment of the next rule of nftables that stands for a rule.
    fn remark(&mut self, rule: &'s Rule) -> Result<String, Refused> {
        let ids = self.ids.entry(&rule.id).or_default();
        let mut id = rule.id.clone();
        let mut number = ids.len() + 1;
        while !ids.is_empty() && !self.taken.insert(id.clone()) {
            id = format!("{}.{number}", rule.id);
            number += 1;
        }
        ids.push(id.clone());
        remarks::of_rule(rule, &id)
    }

    fn rule(&mut self, rule: &'s Rule) -> Result<(), Refused> {
        let place = rule.action.location;
        let no = |what: &str, help: &str| {
            let message = format!("{what} cannot be written for nftables");
            Err(refused(place, &message, "no such action there", help))
        };
        let cases = cases::of(&rule.matches)?;
        let lines: Vec<Line> = cases.iter().flat_map(|case| lines::of(case, self.path)).collect();
        if lines.is_empty() {
            let place = rule.matches.terms.first().map_or(rule.location, |term| term.location);
            return Err(refused(
                place,
                &format!("rule `{}` matches no packet at this hook", rule.id),
                "nothing is left to write",
                "remove the rule",
            ));
        }
        match &rule.action.value {
            Action::Accept => self.ending(rule, lines, "accept"),
            Action::Drop => self.ending(rule, lines, "drop"),
            Action::Reject => self.ending(rule, lines, "reject"),
            Action::Log => {
                let prefix = match rule.id.len() {
                    ..=100 => format!("log prefix \"{} \"", rule.id),
                    _ => "log".to_owned(),
                };
                self.once(rule, lines, vec![prefix])
            }
            Action::Mark { dscp } => self.mark(rule, &cases, *dscp),
            Action::RateLimit(limit) => {
                let bucket = limit.bucket.as_deref();
                let is_shared = bucket.is_some_and(|bucket| self.shared.contains(bucket));
                let over = limits::written(limit, is_shared, place)?;
                let exceed = match limit.exceed {
                    Exceed::Reject => "reject",
                    Exceed::Log => "log",
                    _ => "drop",
                };
                if limit.per.is_empty() {
                    return self.once(rule, lines, vec![format!("{over} {exceed}")]);
                }
                let families = [Family::V4, Family::V6].into_iter();
                let own = families
                    .flat_map(|family| cases.iter().filter_map(move |case| case.among(family)));
                let met = own.filter(|case| !lines::of(case, self.path).is_empty());
                let met: Vec<Case> = met.collect();
                let mut actions = Vec::new();
                for key in keys::of(&limit.per, &met, place)? {
                    let set = format!("{}-{}", self.chain_name("rule", rule), key.suffix);
                    _ = writeln!(
                        self.sets,
                        "\tset {set} {{\n\t\ttype {}; size {}; flags dynamic;\n\t}}",
                        key.kind, key.size
                    );
                    actions.push(format!("update @{set} {{ {} {over} }} {exceed}", key.text));
                }
                self.once(rule, lines, actions)
            }
            Action::Challenge => no("a challenge", "redirect to what makes it, on the box itself"),
            Action::Redirect { .. } => no(
                "a redirect",
                "nftables sends packets to devices and addresses; write it by hand",
            ),
        }
    }

    /// Returns the name of a chain or set of a rule; those of nftables have an end.
    fn chain_name(&self, word: &str, rule: &Rule) -> String {
        if rule.id.len() <= 200 {
            return format!("{word}-{}", rule.id);
        }
        // No id begins with a dot.
        format!("{word}.{}", self.ids.len())
    }

    /// Writes an action that ends the packet: it may be met twice.
    fn ending(&mut self, rule: &'s Rule, lines: Vec<Line>, action: &str) -> Result<(), Refused> {
        self.lines(rule, lines, &[action.to_owned()], true)
    }

    /// Writes actions that each packet must meet once at the most.
    fn once(
        &mut self,
        rule: &'s Rule,
        lines: Vec<Line>,
        actions: Vec<String>,
    ) -> Result<(), Refused> {
        if lines.len() == 1 && actions.len() == 1 {
            return self.lines(rule, lines, &actions, true);
        }
        let then = self.chain_name("then", rule);
        let mut chain = format!("\tchain {then} {{\n");
        for action in actions {
            let remark = self.remark(rule)?;
            _ = writeln!(chain, "\t\t{remark}\n\t\t{action}");
        }
        chain.push_str("\t}\n");
        self.chains.push_str(&chain);
        if let [Line { behind: Behind::Nothing, text, .. }] = lines.as_slice() {
            _ = writeln!(self.base, "\t\t{text}jump {then}");
            return Ok(());
        }
        self.lines(rule, lines, &[format!("goto {then}")], false)
    }

    /// Writes lines that share an action, in a chain of their own where some packets must return
    /// first, or where only the first of them may be met.
    fn lines(
        &mut self,
        rule: &'s Rule,
        mut lines: Vec<Line>,
        actions: &[String],
        is_told: bool,
    ) -> Result<(), Refused> {
        lines.sort_by_key(|line| line.behind);
        let is_plain = is_told && lines.iter().all(|line| line.behind == Behind::Nothing);
        let mut text = String::new();
        let mut behind = Behind::Nothing;
        for at in 0..lines.len() {
            let line = &lines[at];
            let only_v6 = lines[at..].iter().all(|line| line.family == Some(Family::V6));
            for guard in Line::guards(behind, line.behind, only_v6) {
                _ = writeln!(text, "\t\t{guard}");
            }
            behind = line.behind;
            for action in actions {
                if is_told {
                    let remark = self.remark(rule)?;
                    _ = writeln!(text, "\t\t{remark}");
                }
                _ = writeln!(text, "\t\t{}{action}", line.text);
            }
        }
        if is_plain {
            self.base.push_str(&text);
        } else {
            let chain = self.chain_name("rule", rule);
            _ = writeln!(self.chains, "\tchain {chain} {{\n{text}\t}}");
            _ = writeln!(self.base, "\t\tjump {chain}");
        }
        Ok(())
    }

    fn mark(&mut self, rule: &'s Rule, cases: &[Case], dscp: u64) -> Result<(), Refused> {
        let place = rule.action.location;
        if dscp > 63 {
            let help = "a DSCP is a number from 0 to 63";
            return Err(refused(place, "this is no DSCP", "beyond 63", help));
        }
        if let Some(asked) = self.dscp {
            let message = "rules behind a mark see the new DSCP in nftables, and the old one here";
            let mut problem = refused(place, message, "writes the DSCP", "");
            *problem = problem.also(asked, "a rule asks for the DSCP");
            *problem = problem.help("leave out the mark, or the condition on the DSCP");
            return Err(problem);
        }
        let (mut lines, mut all) = (Vec::new(), Vec::new());
        for (family, ip) in [(Family::V4, "ip"), (Family::V6, "ip6")] {
            let own = cases.iter().filter_map(|case| case.among(family));
            lines.extend(
                own.flat_map(|case| lines::of(&case, self.path)).map(|line| Line {
                    text: format!("{}{ip} dscp set {dscp}", line.text),
                    ..line
                }),
            );
            all.push(ip);
        }
        self.lines(rule, lines, &[String::new()], true)
    }
}

fn asks_for_dscp(term: &Term) -> bool {
    let asks = |matches: &Match| matches.terms.iter().any(|term| asks_for_dscp(&term.value));
    match term {
        Term::Dscp(_) => true,
        Term::Not(inner) => asks(inner),
        Term::AnyOf(branches) => branches.iter().any(asks),
        _ => false,
    }
}

//------------ Reading back ------------------------------------------------------

/// Reads what was written, and says where it is not what was meant.
fn read_back(
    set: &RuleSet,
    ids: &BTreeMap<&str, Vec<String>>,
    path: Path,
    text: &str,
) -> Option<Diagnostic> {
    let language = LANGUAGES.iter().find(|language| language.name == TARGET.name)?;
    let mut sources = Sources::new();
    let files = [sources.add("converted", text)];
    let way = Way { path, iif: None, oif: None };
    let included = BTreeMap::new();
    let files = Files { sources: &sources, files: &files, included: &included, way: &way };
    let (read, problems) = (language.parse)(&files);
    let wrong = |place: Option<Location>, what: &str| {
        let message = format!("the translation does not read back as what was meant: {what}");
        let problem = match place {
            Some(place) => Diagnostic::error(place, message).label("this rule"),
            None => Diagnostic::bare(message),
        };
        Some(problem.help("this is a bug of blastgate: please report it"))
    };
    if let Some(problem) = problems.first() {
        return wrong(None, &problem.message);
    }
    let notes_excess = |rule: &Rule| matches!(&rule.action.value, Action::RateLimit(limit) if limit.exceed == Exceed::Log);
    // Of the last parts, the condition next to it tells what this one by itself does not.
    let is_told = |why: &str| why.starts_with("`frag more-fragments 0`");
    let bounded = read.coverage.iter().flat_map(|file| &file.bounded);
    let mut bounded = bounded.filter(|(_, why)| !is_told(why));
    if let (Some((_, why)), false) = (bounded.next(), set.rules.iter().any(notes_excess)) {
        return wrong(None, why);
    }
    if read.default.action != set.default.action {
        return wrong(None, "the default");
    }
    let meaning = |intent: &Intent| {
        let (summary, target) = (intent.summary.as_deref().and_then(remarks::line), &intent.target);
        (
            (summary, target.clone(), intent.may_affect.clone(), intent.may_reach.clone()),
            (intent.max_collateral, intent.max_target_loss, intent.must_stop.clone()),
        )
    };
    let intents = [&set.default.intent, &read.default.intent];
    let [meant, found] = intents.map(|intent| intent.as_ref().map(meaning));
    if meant != found {
        return wrong(None, "the intent of the default");
    }
    let by_id: BTreeMap<&str, &Rule> =
        read.rules.iter().map(|rule| (rule.id.as_str(), rule)).collect();
    let lines = |rule: &Rule| {
        [&rule.description, &rule.owner, &rule.ticket]
            .map(|text| text.as_deref().and_then(remarks::line))
    };
    let actions = |rule: &Rule| match &rule.action.value {
        Action::RateLimit(limit) if limit.exceed == Exceed::Log => "Log".to_owned(),
        Action::RateLimit(limit) => format!("{:?}", limit.exceed),
        action => format!("{action:?}"),
    };
    set.rules.iter().find_map(|rule| {
        let own = ids.get(rule.id.as_str())?;
        let is_same = own.iter().all(|id| {
            by_id.get(id.as_str()).is_some_and(|read| {
                lines(read) == lines(rule)
                    && read.expires == rule.expires
                    && actions(read) == actions(rule)
                    && read.intent.as_ref().map(meaning) == rule.intent.as_ref().map(meaning)
            })
        });
        if is_same { None } else { wrong(Some(rule.location), &rule.id) }
    })
}

#[cfg(test)]
mod tests;
