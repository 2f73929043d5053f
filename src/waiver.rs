//! Waivers: findings that someone accepts until a date, in files of their own or in comments at the
//! rule.
//!
//! A waiver takes the weight from findings of one guardrail about one rule, and only for customers
//! that it names. What cannot be judged is never waived, nor is what is impossible; and nobody is
//! waived for without being named. One that has expired takes nothing away, and the finding says so.

use std::collections::BTreeSet;

use crate::finding::{Finding, Level};
use crate::guardrails::{GUARDRAILS, Guardrail};
use crate::model::{Diagnostic, Inventory, RuleSet, SourceId, Spanned, Timestamp, Waiver};
use crate::report::{WaiverState, WaiverUse};
use crate::words;
use crate::yaml::{self, Decoder, Node, nearest};

/// The longest that a waiver may hold, from now on.
pub const MOST_DAYS: i64 = 90;

const DAY_NS: i64 = 86_400_000_000_000;

/// Guardrails that nothing can be accepted of, whatever their level: such a rule is not what was
/// meant, for anybody.
const NEVER: &[&str] = &["impossible_match", UNUSED];

/// Guardrails about protected traffic: waivable only by naming the infrastructure.
const PROTECTED: &[&str] = &["protected_traffic_hit", "undo_cut_off"];

/// The guardrail that warns of waivers themselves.
const UNUSED: &str = "unused_waiver";

const KEYS: &[&str] = &["guardrail", "rule", "customers", "reason", "until", "owner"];

//------------ Reading ---------------------------------------------------------

/// Parses a file of waivers. Those that can be read are returned, and every problem.
pub fn parse(source: SourceId, text: &str) -> (Vec<Waiver>, Vec<Diagnostic>) {
    let root = match yaml::parse(source, text) {
        Ok(root) => root,
        Err(problem) => return (Vec::new(), vec![problem]),
    };
    let mut decoder = Decoder::new();
    let mut waivers = Vec::new();
    if let Some(fields) = decoder.map(&root, "the waiver file", &["version", "waivers"]) {
        decoder.version(fields, "the waiver file");
        let listed = decoder.require(fields, "waivers", "the waiver file");
        // `[]` written out is a file without waivers.
        let listed =
            listed.filter(|node| !matches!(&node.value, yaml::Value::List(all) if all.is_empty()));
        let items = listed.and_then(|node| decoder.list(node, "`waivers`"));
        waivers.extend(items.unwrap_or_default().iter().filter_map(|item| one(&mut decoder, item)));
    }
    let mut problems = decoder.problems;
    problems.sort_by_key(|problem| problem.location);
    (waivers, problems)
}

fn one(decoder: &mut Decoder, item: &Node) -> Option<Waiver> {
    let what = "a waiver";
    let fields = decoder.map(item, what, KEYS)?;
    let mut text = |key: &str| {
        let node = decoder.require(fields, key, what)?;
        let text = decoder.text(node, &format!("`{key}`"))?;
        Some(Spanned::new(text.trim().to_owned(), node.location))
    };
    let (guardrail, rule) = (text("guardrail"), text("rule"));
    let (reason, owner) = (text("reason"), text("owner"));
    let until = decoder.require(fields, "until", what).and_then(|node| {
        let until = words::read(decoder, node, "`until`", words::time)?;
        Some(Spanned::new(until, node.location))
    });
    let mut customers = Vec::new();
    if let Some(node) = fields.get("customers") {
        for item in decoder.one_or_more(node, "`customers`").unwrap_or_default() {
            if let Some(text) = decoder.text(item, "a customer") {
                customers.push(Spanned::new(text.to_owned(), item.location));
            }
        }
    }
    let guardrail = guardrail?;
    Some(Waiver {
        location: guardrail.location,
        guardrail,
        rule: rule?,
        customers,
        reason: reason?.value,
        until: until?,
        owner: owner?.value,
    })
}

/// Returns the waivers that stand at rules. Rules that are written once and became several have
/// theirs once for each.
pub fn of_rules(set: &RuleSet) -> impl Iterator<Item = &Waiver> {
    set.rules.iter().flat_map(|rule| &rule.waivers)
}

/// Returns what is wrong with waivers: guardrails that are not known or not waivable, dates too far
/// ahead, customers that are nobody. Without an inventory nobody is looked up.
pub fn examine(
    waivers: &[Waiver],
    now: Timestamp,
    inventory: Option<&Inventory>,
) -> Vec<Diagnostic> {
    waivers.iter().flat_map(|waiver| problems(waiver, now, inventory)).collect()
}

fn problems(waiver: &Waiver, now: Timestamp, inventory: Option<&Inventory>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let Spanned { value: id, location } = &waiver.guardrail;
    match waivable(id) {
        Ok(_) => {}
        Err((message, help)) => problems
            .push(Diagnostic::error(*location, message).label("cannot be waived").help(help)),
    }
    if let Err((message, help)) = ahead(waiver.until.value, now) {
        problems.push(
            Diagnostic::error(waiver.until.location, message).label("too far ahead").help(help),
        );
    }
    let is_protected = PROTECTED.contains(&id.as_str());
    if is_protected && waiver.customers.is_empty() {
        problems.push(
            Diagnostic::error(waiver.location, format!("a waiver of `{id}` names nobody"))
                .label("no `customers`")
                .help("name the infrastructure ids whose harm is accepted"),
        );
    }
    for customer in inventory
        .into_iter()
        .flat_map(|inventory| waiver.customers.iter().map(move |customer| (customer, inventory)))
    {
        problems.extend(nobody(customer.0, is_protected, customer.1));
    }
    problems
}

/// Reports a customer that no finding of the guardrail could name.
fn nobody(
    named: &Spanned<String>,
    is_protected: bool,
    inventory: &Inventory,
) -> Option<Diagnostic> {
    let infrastructure = inventory.infrastructure.iter().map(|one| one.id.value.as_str());
    let customers = inventory.customers.iter().map(|one| one.id.value.as_str());
    let known: Vec<&str> = match is_protected {
        true => infrastructure.collect(),
        false => customers.chain(infrastructure).chain(["(unowned)", "(control-plane)"]).collect(),
    };
    if known.contains(&named.value.as_str()) {
        return None;
    }
    let shown = named.value.escape_debug();
    let what = if is_protected { "an infrastructure id" } else { "in the inventory" };
    let problem = Diagnostic::error(named.location, format!("`{shown}` is not {what}"));
    Some(problem.label("nobody").help(match nearest(&named.value, known.into_iter()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "name ids as findings do, each by itself; no selectors".to_owned(),
    }))
}

/// What is wrong, and what to do.
type Wrong = (String, String);

/// Returns a guardrail whose findings can be waived.
///
/// # Errors
///
/// One that is not known, that says what cannot be judged, or what is impossible.
pub fn waivable(id: &str) -> Result<&'static Guardrail, Wrong> {
    let Some(guardrail) = GUARDRAILS.iter().find(|guardrail| guardrail.id == id) else {
        let message = format!("unknown guardrail `{}`", id.escape_debug());
        let known = || GUARDRAILS.iter().map(|guardrail| guardrail.id);
        return Err((
            message,
            match nearest(id, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name it as findings do; `blastgate explain` lists all".to_owned(),
            },
        ));
    };
    if guardrail.level == Level::Unknown {
        let message = format!("`{id}` says what cannot be judged, and unknown is never waived");
        return Err((message, format!("`blastgate explain {id}` says what is missing")));
    }
    if NEVER.contains(&id) {
        let help = match id {
            UNUSED => "delete the waiver that is not used".to_owned(),
            _ => format!("correct the rule; `blastgate explain {id}`"),
        };
        return Err((format!("`{id}` cannot be waived"), help));
    }
    Ok(guardrail)
}

/// Returns whether a date is not too far ahead.
///
/// # Errors
///
/// One that is.
pub fn ahead(until: Timestamp, now: Timestamp) -> Result<(), Wrong> {
    let last = now.plus(MOST_DAYS * DAY_NS);
    if until <= last {
        return Ok(());
    }
    let message = format!("a waiver holds for at most {MOST_DAYS} days");
    Err((message, format!("write `{}` or earlier, and look at it again then", date(last))))
}

/// Returns the day of a time, UTC.
pub fn date(time: Timestamp) -> String {
    time.to_string().chars().take(10).collect()
}

//------------ Applying --------------------------------------------------------

/// Waives findings, warns of waivers that are for nothing, and says what became of each.
/// `looked_at` says whether a finding as a waiver accepts could have been made in this run, and
/// `is_touched` whether the change is about a rule.
pub fn apply(
    waivers: Vec<Waiver>,
    now: Timestamp,
    findings: &mut Vec<Finding>,
    looked_at: impl Fn(&Waiver) -> bool,
    is_touched: impl Fn(&str) -> bool,
) -> Vec<WaiverUse> {
    let mut waivers = waivers;
    // A comment at a rule that became several is there once.
    let mut seen = BTreeSet::new();
    waivers.retain(|one| seen.insert((one.location, one.rule.value.clone())));
    let is_live = |waiver: &Waiver| now < waiver.until.value;
    let mut uses = vec![0; waivers.len()];
    for finding in findings.iter_mut().filter(|finding| is_waivable(finding)) {
        let about: Vec<usize> =
            (0..waivers.len()).filter(|at| is_about(&waivers[*at], finding)).collect();
        let all: Vec<&Waiver> = about.iter().map(|at| &waivers[*at]).collect();
        let (live, expired): (Vec<&Waiver>, Vec<&Waiver>) =
            all.iter().partition(|waiver| is_live(waiver));
        if covers(&live, finding) {
            finding.waived = true;
            about.iter().filter(|at| is_live(&waivers[**at])).for_each(|at| uses[*at] += 1);
        } else if covers(&all, finding) {
            let last = expired.iter().map(|waiver| waiver.until.value).max().map(date);
            let last = last.unwrap_or_default();
            finding.message.push_str(&format!("; its waiver expired on {last}"));
        } else if let (false, Some(open)) = (live.is_empty(), open(&live, finding)) {
            finding.message.push_str(&format!("; no waiver names {open}"));
        }
    }
    let mut all = Vec::new();
    for (waiver, findings) in waivers.into_iter().zip(uses) {
        let state = match (findings, is_live(&waiver)) {
            (1.., _) => WaiverState::Used,
            (_, false) => WaiverState::Expired,
            _ if looked_at(&waiver) => WaiverState::Unused,
            _ => WaiverState::Idle,
        };
        all.push(WaiverUse { waiver, state, findings });
    }
    let warning = |one: &WaiverUse| {
        Some(Finding { mild: !is_touched(&one.waiver.rule.value), ..warning(one, findings)? })
    };
    let warnings: Vec<Finding> = all.iter().filter_map(warning).collect();
    findings.extend(warnings);
    all
}

/// Returns whether a finding is of a kind that may be accepted at all.
fn is_waivable(finding: &Finding) -> bool {
    finding.level != Level::Unknown && waivable(finding.guardrail).is_ok()
}

fn is_about(waiver: &Waiver, finding: &Finding) -> bool {
    let names = |customer: &String| waiver.customers.iter().any(|named| named.value == *customer);
    waiver.guardrail.value == finding.guardrail
        && finding.rule.as_ref() == Some(&waiver.rule.value)
        && match finding.customers.as_slice() {
            [] => waiver.customers.is_empty(),
            all => all.iter().any(names),
        }
}

/// Returns whether these waivers, each about the finding, name all whom it concerns.
fn covers(waivers: &[&Waiver], finding: &Finding) -> bool {
    !waivers.is_empty() && open(waivers, finding).is_none()
}

/// Returns the first customer of a finding whom no waiver names.
fn open<'f>(waivers: &[&Waiver], finding: &'f Finding) -> Option<&'f String> {
    let named: BTreeSet<&str> =
        waivers.iter().flat_map(|one| &one.customers).map(|named| named.value.as_str()).collect();
    finding.customers.iter().find(|customer| !named.contains(customer.as_str()))
}

/// Makes the warning about a waiver that is for nothing.
fn warning(used: &WaiverUse, findings: &[Finding]) -> Option<Finding> {
    let Waiver { guardrail, rule, location, until, .. } = &used.waiver;
    let (guardrail, rule) = (&guardrail.value, &rule.value);
    let about = || {
        findings.iter().find(|finding| {
            finding.guardrail == guardrail && finding.rule.as_ref() == Some(rule) && !finding.waived
        })
    };
    let (message, help) = match used.state {
        WaiverState::Used | WaiverState::Idle => return None,
        // A finding that came back says so itself.
        WaiverState::Expired if about().is_some() => return None,
        WaiverState::Expired => (
            format!("the waiver of `{guardrail}` expired on {}", date(until.value)),
            "delete it; nothing is found any more that it accepted".to_owned(),
        ),
        WaiverState::Unused => match about() {
            Some(finding) if finding.customers.is_empty() => (
                format!("a waiver of `{guardrail}` names customers, and the finding names none"),
                "take `customers` away; the finding is about the rule alone".to_owned(),
            ),
            Some(finding) => (
                format!("a waiver of `{guardrail}` leaves out whom the finding is about"),
                format!("name all of them: {}", listed(&finding.customers)),
            ),
            None => (
                format!("a waiver of `{guardrail}` accepts what is not found"),
                "delete it".to_owned(),
            ),
        },
    };
    Some(Finding {
        guardrail: UNUSED,
        level: Level::Warning,
        rule: Some(rule.clone()),
        location: Some(*location),
        customers: Vec::new(),
        message,
        help: Some(help),
        mild: false,
        waived: false,
        scenario: None,
    })
}

/// Names the first of many.
fn listed(names: &[String]) -> String {
    match names.len() {
        0..=8 => names.join(", "),
        many => format!("{} and {} more", names[..8].join(", "), many - 8),
    }
}

#[cfg(test)]
mod tests;
