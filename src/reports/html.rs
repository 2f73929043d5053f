//! One page for the person who was not there: no request, no script, nothing beside it.
//!
//! A strict content policy stands in it, with the hash of its one style; where a server forbids even
//! that, what is left is plain headings, tables and pictures whose colours are attributes. Untrusted
//! text is made harmless by [`plain`] and then escaped by maud, which escapes all that is put in.

use std::io;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::entries::{Entry, MATERIAL, MESSAGE, NAME, entries};
use super::escape::plain;
use super::limits::limit_words;
use super::{Form, Style, throughput};
use crate::finding::{Level, count};
use crate::model::units::{grouped, percent};
use crate::report::{Command, Verdict, WaiverState};
use crate::result::{Covered, Customer, RunResult};

mod charts;

pub(super) const FORM: Form = Form {
    name: "html",
    about: "one page with pictures, for the person who was not there",
    write,
    appends: None,
};

const STYLE: &str = include_str!("html/style.css");

/// What may be loaded: nothing but this style. The hash is of the style, and a test holds it.
const POLICY: &str = "default-src 'none'; style-src 'sha256-YZHdqrdRNIzDHPHTQ74pOhzIPOvCPOL1cTuxD9l+OXM='; base-uri 'none'; form-action 'none'";

/// How many rows each list has at most: a page must open everywhere.
const ROWS: usize = 200;
/// How many rules are shown with their text.
const RULES: usize = 40;

fn write(result: &RunResult, _: Style, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(page(result).into_string().as_bytes())?;
    out.write_all(b"\n")
}

/// Makes a name harmless.
fn name(text: &str) -> String {
    plain(text, NAME)
}

/// Makes a message harmless.
fn message(text: &str) -> String {
    plain(text, MESSAGE)
}

fn page(result: &RunResult) -> Markup {
    let word = match (result.command, result.verdict) {
        (Command::Lint, Verdict::Pass) => "lint: clean".to_owned(),
        _ => result.word(),
    };
    let class = match result.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::CannotJudge => "cannot_judge",
    };
    let all = entries(result);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { "blastgate: " (word) ": " (message(&result.summary)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header class=(class) {
                    div {
                        p.word id="verdict" { (word) }
                        h1 { (message(&result.summary)) }
                        p { (compared(result)) }
                    }
                }
                main {
                    (culprit(result, &all))
                    (customers(result))
                    (charts::timeline(result))
                    (attack(result))
                    (limits(result))
                    (scenarios(result))
                    (reach(result))
                    (findings(result, &all))
                    (rules(result))
                    (waivers(result))
                    (evidence(result))
                }
                footer {
                    "Written by blastgate " (env!("CARGO_PKG_VERSION")) "; exit code " (result.exit_code)
                    ". The same result as JSON is what " code { "--save" } " writes."
                }
            }
        }
    }
}

fn compared(result: &RunResult) -> String {
    let change = &result.change;
    if change.rules == 0 && change.files == 0 {
        return name(&change.candidate);
    }
    let what = match &change.running {
        None => "every rule judged as new".to_owned(),
        Some(running) => {
            let parts = [
                ("added", &change.added),
                ("removed", &change.removed),
                ("modified", &change.modified),
                ("moved", &change.moved),
            ];
            let parts: Vec<String> = parts
                .into_iter()
                .filter(|(_, ids)| !ids.is_empty())
                .map(|(word, ids)| match ids.len() {
                    1 | 2 => format!("{word} {}", name(&ids.join(" and "))),
                    several => format!("{several} {word}"),
                })
                .collect();
            let parts =
                if parts.is_empty() { "nothing changed".to_owned() } else { parts.join(", ") };
            format!("against {}: {parts}", name(running))
        }
    };
    let (rules, files) = (count(change.rules, "rule"), count(change.files, "file"));
    format!("{}: {rules} in {files}, {what}", name(&change.candidate))
}

/// Says how many of a list are left out.
fn more(all: usize, shown: usize) -> Markup {
    html! { @if all > shown { p.soft { "and " (grouped((all - shown) as u64)) " more" } } }
}

//------------ What to look at first --------------------------------------------

/// Shows the worst finding with the text that it is about, and what to do: the first screen.
fn culprit(result: &RunResult, all: &[Entry<'_>]) -> Markup {
    let Some(first) = all.iter().find(|entry| entry.blocks) else {
        return html! { @if let Some(next) = &result.next { p { "Next: " (message(next)) } } };
    };
    let rule = first.rule.and_then(|id| result.rules.iter().find(|rule| rule.id == id));
    let same: Vec<&Entry<'_>> =
        all.iter().filter(|entry| entry.blocks && entry.rule == first.rule).collect();
    let hurt = result.customers.iter().filter(|row| row.affected && !row.intended);
    let names: Vec<String> = hurt.clone().take(6).map(|row| name(&row.id)).collect();
    let class = if first.level == Level::Unknown { "culprit open" } else { "culprit" };
    html! {
        section class=(class) aria-labelledby="culprit" {
            h2 id="culprit" {
                @match first.rule {
                    Some(rule) => { "Rule " code { (name(rule)) } },
                    None => { "What is wrong" },
                }
                @if let Some(place) = first.place {
                    " at " code { (name(result.path(&place.file))) ":" (place.line) }
                }
            }
            @for entry in same.iter().take(3) {
                p { span class={ "badge " (entry.word()) } { (name(entry.id)) } " " (entry.message()) }
            }
            (more(same.len(), 3))
            @if !names.is_empty() {
                p { strong { "Hurt and not meant: " } (names.join(", "))
                    @if hurt.clone().count() > 6 { " and " (hurt.count() - 6) " more" } }
            }
            @if let Some(text) = rule.and_then(|rule| rule.text.as_ref()) {
                (source(text))
            }
            @if let Some(next) = &result.next { p { strong { "Next: " } (message(next)) } }
        }
    }
}

/// Shows the text of a rule, line by line.
fn source(text: &str) -> Markup {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let written = || text.lines().filter(|line| !line.trim().is_empty());
    let least = written().map(indent).min().unwrap_or(0);
    let lines: Vec<String> =
        text.lines().map(|line| plain(line.get(least..).unwrap_or(""), 300)).collect();
    html! { pre { code { (lines.join("\n")) } } }
}

//------------ Who loses ---------------------------------------------------------

fn customers(result: &RunResult) -> Markup {
    let mut hurt: Vec<&Customer> = result
        .customers
        .iter()
        .filter(|row| row.worst.is_some() && (row.affected || row.touched))
        .collect();
    // Who was not meant to lose comes first.
    hurt.sort_by_key(|row| (!row.affected, row.intended));
    if hurt.is_empty() {
        return html! {};
    }
    let note = |row: &Customer| match (row.protected, row.affected, row.intended) {
        (true, ..) => "protected",
        (_, true, true) => "as meant",
        (_, true, false) => "not meant",
        (_, false, _) => "within the limit",
    };
    html! {
        h2 { "Who loses" }
        div.scroll { table {
            caption { "The worst of each: one service in one PoP, in the window and scenario in which it loses most." }
            thead { tr { th { "customer" } th { "tier" } th { "loses" } th.n { "before" } th.n { "after" } th { "of" } th { "in" } th { "" } } }
            tbody { @for row in hurt.iter().take(ROWS) { @if let Some(worst) = &row.worst {
                tr {
                    td { strong { (name(&row.id)) }
                        @if let Some(group) = &row.group { " " span.soft { (name(group)) } }
                        @if !row.inside.is_empty() { " " span.soft { "inside " (name(&row.inside.join(", "))) } } }
                    td { (name(row.tier.as_deref().unwrap_or("-"))) }
                    td.w { (charts::share(worst.lost_share, row.intended)) " " (percent(worst.lost_share)) @if worst.how != "lost" { " " (name(&worst.how)) } }
                    td.n { (throughput(worst.before)) }
                    td.n { (throughput(worst.after)) }
                    td { (name(&worst.service)) " in " (name(&worst.pop)) }
                    td { (name(&worst.scenario)) }
                    td { (note(row)) }
                }
            } } }
        } }
        (more(hurt.len(), ROWS))
    }
}

//------------ Attack, limits, scenarios -----------------------------------------

fn attack(result: &RunResult) -> Markup {
    let listed: Vec<_> = result.attack.iter().filter(|one| one.defended).collect();
    html! { @if !listed.is_empty() {
        h2 { "Is the attack stopped?" }
        div.scroll { table {
            thead { tr { th { "attack on" } th { "stopped" } @if result.change.running.is_some() { th.n { "by the running rules" } } th.n { "must be" } } }
            tbody { @for one in listed.iter().take(ROWS) { tr {
                td { strong { (name(&one.target)) } }
                td.w { (charts::share(one.stopped_share, one.must_stop.is_none_or(|share| one.stopped_share >= share))) " " (percent(one.stopped_share)) }
                @if result.change.running.is_some() { td.n { (percent(one.running_share)) } }
                td.n { @match one.must_stop { Some(share) => (percent(share)), None => "-" } }
            } } }
        } }
        (more(listed.len(), ROWS))
    } }
}

fn limits(result: &RunResult) -> Markup {
    let mut listed: Vec<_> = result.limits.iter().collect();
    listed.sort_by_key(|limit| (!limit.changed, !limit.takes));
    html! { @if !listed.is_empty() {
        h2 { "Limits, and who shares their buckets" }
        ul.plain { @for limit in listed.iter().take(RULES) { li {
            h3 { code { (name(&limit.rule)) } ": " (name(&limit.rate))
                @match &limit.fullest.instance { Some(instance) => { ", fullest bucket in " (name(instance)) }, None => {} }
                @if !limit.fullest.key.is_empty() { " for " code { (name(&limit.fullest.key)) } } }
            (charts::sharers(limit))
            p { (message(&limit_words(limit, 8))) }
        } } }
        (more(listed.len(), RULES))
    } }
}

fn scenarios(result: &RunResult) -> Markup {
    if result.scenarios.len() < 2 {
        return html! {};
    }
    let losers = |scenario: &str| {
        let loses = |row: &&Customer| {
            !row.intended
                && row.affected
                && row.losses.iter().chain(&row.worst).any(|worst| worst.scenario == scenario)
        };
        result.customers.iter().filter(loses).count()
    };
    let breaks = |scenario: &str| {
        let fails = |of: Option<&str>| of.unwrap_or("recorded") == scenario;
        result
            .findings
            .iter()
            .filter(|finding| finding.fails && fails(finding.scenario.as_deref()))
            .count()
    };
    html! {
        h2 { "Scenarios" }
        div.scroll { table {
            caption { "A failing rule is named in the smallest scenario that breaks it." }
            thead { tr { th { "scenario" } th.n { "findings that fail first here" } th.n { "lose most here, not meant" } } }
            tbody { @for scenario in result.scenarios.iter().take(ROWS) { tr {
                td { (name(scenario)) } td.n { (breaks(scenario)) } td.n { (losers(scenario)) }
            } } }
        } }
        (more(result.scenarios.len(), ROWS))
    }
}

//------------ Reach -------------------------------------------------------------

fn reach(result: &RunResult) -> Markup {
    let reached: Vec<&Customer> =
        result.customers.iter().filter(|row| row.reached && !row.intended).collect();
    html! {
        @if !result.space.blocks.is_empty() || !reached.is_empty() {
            h2 { "Who could be harmed, recorded or not" }
            (charts::space(&result.space))
            @if reached.is_empty() { p { "Nobody beyond what is meant." } } @else {
                div.scroll { table {
                    caption { "Proved over all packets; each with one that would newly be harmed, in the words of " code { "blastgate trace --packet" } "." }
                    thead { tr { th { "customer" } th { "by" } th { "such as" } } }
                    tbody { @for row in reached.iter().take(ROWS / 4) { tr {
                        td { strong { (name(&row.id)) } }
                        td.w[row.rules.len() < 2] { code { (name(&row.rules.join(", "))) } }
                        td { code { (name(row.witness.get("packet").map_or("", String::as_str))) } }
                    } } }
                } }
                (more(reached.len(), ROWS / 4))
            }
        }
    }
}

//------------ Findings, rules, waivers ------------------------------------------

fn findings(result: &RunResult, all: &[Entry<'_>]) -> Markup {
    let unchanged: usize = result.unchanged_findings.values().sum();
    html! {
        @if !all.is_empty() || unchanged > 0 {
            h2 { "Everything that was found" }
            ul.plain { @for entry in all.iter().take(ROWS) { li {
                p {
                    @if entry.waived { span class="badge waived" { "waived" } " " }
                    span class={ "badge " (entry.word()) } { (entry.word()) } " "
                    strong { (name(entry.id)) }
                    @if let Some(place) = entry.place {
                        " " code { (name(result.path(&place.file))) ":" (place.line) ":" (place.column) }
                    }
                }
                p { (entry.message()) }
                @if let Some(help) = &entry.help { p.soft { (help) } }
                @if entry.id != MATERIAL && let Some(page) = result.guardrails.get(entry.id) {
                    p.soft { (message(&page.why)) }
                }
            } } }
            (more(all.len(), ROWS))
            @if unchanged > 0 {
                p.soft { (unchanged) " on rules that the change leaves alone" }
            }
        }
    }
}

fn rules(result: &RunResult) -> Markup {
    let shown: Vec<_> = result.rules.iter().filter(|rule| rule.text.is_some()).collect();
    html! { @if !shown.is_empty() {
        h2 { "The rules" }
        @for rule in shown.iter().take(RULES) {
            h3 { code { (name(&rule.id)) } " " span.soft { (name(result.path(&rule.location.file))) ":" (rule.location.line) } }
            p.soft { "met " (grouped(rule.packets)) " packets" @if rule.attack_packets > 0 { ", " (grouped(rule.attack_packets)) " of them attack" } }
            @if let Some(text) = &rule.text { (source(text)) }
        }
        (more(result.rules.len(), shown.len().min(RULES)))
    } }
}

fn waivers(result: &RunResult) -> Markup {
    let listed: Vec<_> =
        result.waivers.iter().filter(|one| one.state != WaiverState::Idle).collect();
    let word = |state: WaiverState| match state {
        WaiverState::Used => "used",
        WaiverState::Unused => "unused",
        WaiverState::Expired => "expired",
        WaiverState::Idle => "not looked at",
    };
    html! { @if !listed.is_empty() {
        h2 { "Waivers: " (count(result.waived_findings, "finding")) " waived" }
        div.scroll { table {
            thead { tr { th { "until" } th { "guardrail" } th { "rule" } th { "customers" } th { "by" } th { "why" } th { "" } } }
            tbody { @for one in listed.iter().take(ROWS) { tr {
                td { (name(&one.until)) } td { (name(&one.guardrail)) } td { code { (name(&one.rule)) } }
                td { (name(&one.customers.join(", "))) } td { (name(&one.owner)) } td { (name(&one.reason)) } td { (word(one.state)) }
            } } }
        } }
        (more(listed.len(), ROWS))
    } }
}

//------------ Evidence ----------------------------------------------------------

fn evidence(result: &RunResult) -> Markup {
    let evidence = &result.evidence;
    let not_judged: Vec<String> =
        evidence.not_judged.iter().take(ROWS).map(|id| name(id)).collect();
    let covered = |what: &str, all: &std::collections::BTreeMap<String, Covered>| {
        html! {
            @if !all.is_empty() {
                dt { "by " (what) }
                dd { @for (at, (key, one)) in all.iter().take(ROWS).enumerate() {
                    @if at > 0 { "; " } (name(key)) ": " (grouped(one.records)) " records"
                } }
            }
        }
    };
    html! {
        h2 { "What the verdict rests on, and what is unknown" }
        @if evidence.files.is_empty() { p { "No traffic was judged." } } @else {
            dl {
                dt { "recordings" } dd { (name(&evidence.files.join(", "))) }
                dt { "records" } dd { (grouped(evidence.records)) ", standing for " (grouped(evidence.packets_estimated)) " packets" }
                @if let (Some(oldest), Some(newest)) = (&evidence.oldest, &evidence.newest) { dt { "from, to" } dd { (name(oldest)) ", " (name(newest)) } }
                dt { "attributed to an owner" } dd { (percent(evidence.attributed_share)) }
                dt { "undecidable" } dd { (percent(evidence.undecidable_share)) }
                dt { "customers recorded" } dd { (evidence.customers_recorded) " of " (evidence.customers) }
                @if evidence.unparsed_records > 0 { dt { "unread" } dd { (grouped(evidence.unparsed_records)) } }
                @if evidence.unknown_pop_records > 0 { dt { "of unknown PoPs" } dd { (grouped(evidence.unknown_pop_records)) } }
                dt { "reached, too few records to judge" }
                dd { @if not_judged.is_empty() { "nobody" } @else { (not_judged.join(", ")) } }
                (covered("PoP", &evidence.pops))
                (covered("hour", &evidence.hours))
            }
        }
        @if !result.change.notes.is_empty() {
            ul { @for note in result.change.notes.iter().take(ROWS) { li { (message(note)) } } }
        }
        @for file in result.change.coverage.iter().filter(|file| file.rules > 0).take(ROWS) {
            p { code { (name(&file.file)) } ": " (file.exact) " of " (count(file.rules, "rule")) " exact" }
            ul { @for bounded in file.bounded.iter().take(20) { li { code { (name(&bounded.location.file)) ":" (bounded.location.line) } " " (message(&bounded.why)) } } }
        }
    }
}

#[cfg(test)]
mod tests;
