//! One screen for people: worst first, the cause as `file:line`, one next command, the verdict
//! last.

use std::collections::BTreeMap;
use std::io;

use comfy_table::{ColumnConstraint, Table, Width};

use super::escape::cut;
use super::limits::limit_words;
use super::{Form, Style, clean, throughput};
use crate::finding::{Level, count};
use crate::model::units::{grouped, percent};
use crate::report::Verdict;
use crate::report::WaiverState;
use crate::result::{Attack, Coverage, Covered, Customer, Finding, Limit, RunResult};

pub(super) const FORM: Form =
    Form { name: "text", about: "one screen for people", write, appends: None };

/// The width of the screen, in columns.
const WIDTH: usize = 80;
/// The longest word that is shown, in columns, unless all is wanted.
const WORD: usize = 200;
/// The height of the screen, in lines.
const HEIGHT: usize = 24;
/// How many attacks are shown where there are no findings to show.
const ATTACKS_ALONE: usize = 8;

/// How much of each part is shown unless all is wanted.
#[derive(Clone, Copy)]
struct Room {
    notes: usize,
    /// In lines.
    findings: usize,
    customers: usize,
    limits: usize,
    attacks: usize,
}

impl Room {
    const ALL: Room = Room { notes: 4, findings: 9, customers: 5, limits: 2, attacks: 2 };

    /// Gives up what is missed least; returns whether there was anything.
    fn shrink(&mut self) -> bool {
        match *self {
            Room { limits: 2, .. } => self.limits = 1,
            Room { findings: 8.., .. } => self.findings = 7,
            Room { limits: 1, .. } => self.limits = 0,
            Room { customers: 4.., .. } => self.customers = 3,
            Room { findings: 5.., .. } => self.findings -= 1,
            Room { notes: 2.., .. } => self.notes -= 1,
            Room { attacks: 1.., .. } => self.attacks -= 1,
            Room { customers: 2.., .. } => self.customers -= 1,
            _ => return false,
        }
        true
    }
}

fn write(report: &RunResult, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut room = Room::ALL;
    let mut screen = Screen::compose(report, style, room);
    while !style.verbose && screen.lines.len() > HEIGHT && room.shrink() {
        screen = Screen::compose(report, style, room);
    }
    for line in screen.lines {
        out.write_all(line.trim_end().as_bytes())?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

struct Screen {
    style: Style,
    room: Room,
    lines: Vec<String>,
}

impl Screen {
    fn compose(report: &RunResult, style: Style, room: Room) -> Screen {
        let mut screen = Screen { style, room, lines: Vec::new() };
        if !style.quiet {
            screen.header(report);
            screen.findings(report);
            screen.customers(report);
            screen.limits(report);
            screen.attack(report);
            screen.rules(report);
            screen.waivers(report);
            screen.evidence(report);
            if let Some(next) = &report.next {
                screen.wrap("next: ", "      ", next, if style.verbose { usize::MAX } else { 3 });
            }
        }
        screen.verdict(report);
        screen
    }

    /// Adds a text, broken into lines at spaces; at most `most` of them.
    fn wrap(&mut self, first: &str, rest: &str, text: &str, most: usize) {
        let text = clean(text, self.style);
        let mut line = first.to_owned();
        let mut empty = true;
        let mut lines = Vec::new();
        // A number and its percent sign stay together.
        let glued = text.replace(" %", "\u{a0}%");
        for word in glued.split(' ') {
            let word = word.replace('\u{a0}', " ");
            let word = match self.style.verbose {
                true => word,
                false => shorten(&word, WORD, self.style),
            };
            let length = line.chars().count() + usize::from(!empty) + word.chars().count();
            if !empty && length > WIDTH {
                lines.push(std::mem::replace(&mut line, rest.to_owned()));
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(&word);
            empty = false;
        }
        lines.push(line);
        if lines.len() > most && most > 0 {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                let dots = if self.style.unicode { "…" } else { "..." };
                while last.chars().count() + 3 > WIDTH {
                    last.pop();
                }
                last.push_str(dots);
            }
        }
        self.lines.extend(lines);
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.style.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn header(&mut self, report: &RunResult) {
        let change = &report.change;
        let files = match change.files {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        };
        let what = match &change.running {
            None => "every rule judged as new".to_owned(),
            Some(running) => {
                let parts: Vec<String> = [
                    ("added", &change.added),
                    ("removed", &change.removed),
                    ("modified", &change.modified),
                    ("moved", &change.moved),
                ]
                .into_iter()
                .filter(|(_, ids)| !ids.is_empty())
                .map(|(word, ids)| match ids.len() {
                    1 | 2 => format!("{word} {}", ids.join(" and ")),
                    several => format!("{several} {word}"),
                })
                .collect();
                let parts =
                    if parts.is_empty() { "nothing changed".to_owned() } else { parts.join(", ") };
                format!("against {running}: {parts}")
            }
        };
        let is_gone = !change.removed.is_empty();
        if change.rules == 0 && change.files == 0 && !is_gone {
            return self.notes(report);
        }
        let rules = if change.rules == 1 { "1 rule" } else { "rules" };
        let rules =
            if change.rules == 1 { rules.to_owned() } else { format!("{} {rules}", change.rules) };
        let exactly = match self.covered(report).as_slice() {
            [one] if !self.style.verbose => {
                format!("; {}", exactly(one.rules, one.exact))
            }
            _ => String::new(),
        };
        let text = format!("{}: {rules} in {files}, {what}{exactly}", change.candidate);
        self.wrap("", "  ", &text, 2);
        if !change.intents_widened.is_empty() {
            let widened = format!("intent widened: {}", change.intents_widened.join("; "));
            self.wrap("  ", "    ", &widened, 1);
        }
        self.notes(report);
    }

    fn notes(&mut self, report: &RunResult) {
        let notes = &report.change.notes;
        let shown = if self.style.verbose { notes.len() } else { self.room.notes };
        for note in notes.iter().take(shown) {
            self.wrap("  ", "    ", note, 2);
        }
        if notes.len() > shown {
            self.lines.push(format!("  and {} more notes (-v shows all)", notes.len() - shown));
        }
        let files = self.covered(report);
        if files.len() == 1 && !self.style.verbose {
            return;
        }
        if files.len() > 1 && !self.style.verbose {
            let sum = |of: fn(&Coverage) -> usize| files.iter().map(|file| of(file)).sum();
            let all = exactly(sum(|file| file.rules), sum(|file| file.exact));
            self.wrap("  ", "    ", &format!("{} files: {all}", files.len()), 1);
            return;
        }
        for file in files {
            let name = &file.file;
            let exactly = exactly(file.rules, file.exact);
            self.wrap("  ", "    ", &format!("{name}: {exactly}"), 2);
            if self.style.verbose {
                for bounded in &file.bounded {
                    let place = &bounded.location;
                    let name = &place.file;
                    let what = format!("{name}:{}:{}: {}", place.line, place.column, bounded.why);
                    self.wrap("    ", "      ", &what, usize::MAX);
                }
            }
        }
    }

    /// Returns the files of which it is said how exactly they are understood.
    fn covered<'r>(&self, report: &'r RunResult) -> Vec<&'r Coverage> {
        let says = |file: &&Coverage| file.rules > 0 || !file.bounded.is_empty();
        report.change.coverage.iter().filter(says).collect()
    }

    fn findings(&mut self, report: &RunResult) {
        let start = self.lines.len();
        // What is said of the rules' exactness is part of the screen.
        let said = if report.change.coverage.is_empty() { 0 } else { 2 };
        let most = self.room.findings.min(Room::ALL.findings - said);
        let mut hidden = 0;
        for finding in &report.findings {
            if finding.waived {
                continue;
            }
            let before = self.lines.len();
            self.finding(finding);
            if !self.style.verbose && self.lines.len() - start > most {
                self.lines.truncate(before);
                hidden += 1;
            }
        }
        if hidden > 0 {
            let noun = if hidden == 1 { "finding" } else { "findings" };
            self.lines.push(format!("  and {hidden} more {noun} (-v shows all)"));
        }
        let unchanged: usize = report.unchanged_findings.values().sum();
        if unchanged > 0 {
            let names: Vec<&str> = report.unchanged_findings.keys().map(String::as_str).collect();
            let text =
                format!("{unchanged} on rules that the change leaves alone: {}", names.join(", "));
            self.wrap("  ", "    ", &text, 1);
        }
    }

    fn finding(&mut self, finding: &Finding) {
        let (word, code) = match finding.severity {
            Level::Error => ("error", "1;31"),
            Level::Unknown => ("unknown", "1;35"),
            Level::Warning => ("warning", "33"),
        };
        let place = finding.location.as_ref().map(|place| {
            format!(" {}:{}:{}", cut(&place.file, WORD, "…"), place.line, place.column)
        });
        let title = format!("[{}]{}", finding.guardrail, place.unwrap_or_default());
        let title = clean(&title, self.style);
        self.lines.push(format!("{} {title}", self.paint(word, code)));
        let most = if self.style.verbose { usize::MAX } else { 3 };
        let message = match &finding.rule {
            Some(rule) => format!("{rule}: {}", finding.message),
            None => finding.message.clone(),
        };
        self.wrap("  ", "  ", &message, most);
        if self.style.verbose
            && let Some(help) = &finding.help
        {
            self.wrap("  help: ", "  ", help, most);
        }
    }

    fn customers(&mut self, report: &RunResult) {
        let hurt: Vec<&Customer> = report
            .customers
            .iter()
            .filter(|row| row.affected || (self.style.verbose && row.touched))
            .collect();
        if hurt.is_empty() {
            return;
        }
        let shown = if self.style.verbose { hurt.len() } else { self.room.customers };
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["customer", "tier", "loses", "of", "before", "after", ""]);
        for row in hurt.iter().take(shown) {
            let worst = row.worst.as_ref();
            let name = clean(&row.id, self.style);
            let name = shorten(&name, 24, self.style);
            let scenario = worst.map(|worst| worst.scenario.as_str());
            let note = match (row.intended, row.protected, scenario) {
                (_, true, _) => "protected".to_owned(),
                (true, ..) => "as meant".to_owned(),
                (false, _, Some("recorded") | None) => String::new(),
                (false, _, Some(scenario)) => {
                    shorten(&format!("in {}", clean(scenario, self.style)), 16, self.style)
                }
            };
            table.add_row([
                name,
                shorten(&clean(row.tier.as_deref().unwrap_or("-"), self.style), 8, self.style),
                worst.map_or_else(|| "-".to_owned(), |worst| percent(worst.lost_share)),
                worst.map_or_else(String::new, |worst| {
                    let place = format!("{} {}", worst.service, worst.pop);
                    shorten(&clean(&place, self.style), 18, self.style)
                }),
                worst.map_or_else(String::new, |worst| throughput(worst.before)),
                worst.map_or_else(String::new, |worst| throughput(worst.after)),
                note,
            ]);
        }
        for column in 0..table.column_count() {
            if let Some(column) = table.column_mut(column) {
                column.set_padding((0, 1));
                column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(26)));
            }
        }
        for line in table.lines() {
            self.lines.push(format!("  {}", line.trim_end()));
        }
        if hurt.len() > shown {
            self.lines.push(format!("  and {} more (-v shows all)", hurt.len() - shown));
        }
    }

    /// Lists who shares the buckets of limits, and which rates would do: of those behind a finding,
    /// unless all are wanted.
    fn limits(&mut self, report: &RunResult) {
        let concerned = |limit: &Limit| {
            report.findings.iter().any(|finding| finding.rule.as_deref() == Some(&limit.rule))
        };
        let listed: Vec<&Limit> = report
            .limits
            .iter()
            .filter(|limit| self.style.verbose || (limit.changed && concerned(limit)))
            .collect();
        let shown = if self.style.verbose { listed.len() } else { self.room.limits };
        for limit in listed.iter().take(shown) {
            let text = limit_words(limit, if self.style.verbose { usize::MAX } else { 3 });
            self.wrap("", "  ", &text, if self.style.verbose { usize::MAX } else { 4 });
        }
        if listed.len() > shown {
            self.lines.push(format!("  and {} more limits (-v shows all)", listed.len() - shown));
        }
    }

    fn attack(&mut self, report: &RunResult) {
        // Attack on those whom no rule defends is background noise here.
        let listed: Vec<&Attack> =
            report.attack.iter().filter(|outcome| self.style.verbose || outcome.defended).collect();
        let room = if report.findings.is_empty() { ATTACKS_ALONE } else { self.room.attacks };
        let shown = if self.style.verbose { listed.len() } else { room };
        for outcome in listed.iter().take(shown) {
            let mut text =
                format!("attack on {}: {} stopped", outcome.target, percent(outcome.stopped_share));
            if report.change.running.is_some() {
                text.push_str(&format!(" (running: {})", percent(outcome.running_share)));
            }
            if let Some(share) = outcome.must_stop {
                text.push_str(&format!(", {} must be", percent(share)));
            }
            self.wrap("", "  ", &text, 1);
        }
        if listed.len() > shown {
            self.lines.push(format!("  and {} more attacks (-v shows all)", listed.len() - shown));
        }
    }

    /// Lists what each rule met; only where everything is wanted.
    fn rules(&mut self, report: &RunResult) {
        if !self.style.verbose || report.evidence.files.is_empty() {
            return;
        }
        for rule in &report.rules {
            let (file, line) = (&rule.location.file, rule.location.line);
            let attack = match rule.attack_packets {
                0 => String::new(),
                attack => format!(", {} of them attack", grouped(attack)),
            };
            let packets = grouped(rule.packets);
            let text = format!("rule {} ({file}:{line}) met {packets} packets{attack}", rule.id);
            self.wrap("", "  ", &text, usize::MAX);
        }
    }

    /// Says what was accepted, and until when; one by one where everything is wanted.
    fn waivers(&mut self, report: &RunResult) {
        let used = || report.waivers.iter().filter(|one| one.state == WaiverState::Used);
        if self.style.verbose {
            for one in used() {
                let place = format!("{}:{}", one.location.file, one.location.line);
                let whom = match one.customers.as_slice() {
                    [] => String::new(),
                    all => format!(" for {}", all.join(", ")),
                };
                let text = format!(
                    "waived until {} by {}: {} of {}{whom}: {} ({place})",
                    day(&one.until),
                    one.owner,
                    one.guardrail,
                    one.rule,
                    one.reason
                );
                self.wrap("", "  ", &text, usize::MAX);
            }
        } else if let Some(first) = used().min_by(|a, b| a.until.cmp(&b.until)) {
            let mut names: Vec<&str> = used().map(|one| one.guardrail.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let findings = count(report.waived_findings, "finding");
            let text = format!(
                "waived: {findings} ({}), the first until {} by {}",
                names.join(", "),
                day(&first.until),
                first.owner
            );
            self.wrap("", "  ", &text, 2);
        }
    }

    fn evidence(&mut self, report: &RunResult) {
        let evidence = &report.evidence;
        if evidence.files.is_empty() {
            return;
        }
        let files = match evidence.files.as_slice() {
            [one] => one.clone(),
            several => format!("{} recordings", several.len()),
        };
        let mut text = format!(
            "evidence: {} records of {files}, {} attributed",
            grouped(evidence.records),
            percent(evidence.attributed_share)
        );
        if evidence.packets_estimated > evidence.packets_recorded {
            text.push_str(&format!(
                "; {} packets stand for {}",
                grouped(evidence.packets_recorded),
                grouped(evidence.packets_estimated)
            ));
        }
        let unread = evidence.unparsed_records;
        if unread > 0 {
            let why = evidence.unparsed.keys().next().map_or("", String::as_str);
            text.push_str(&format!("; {} unread ({why})", grouped(unread)));
        }
        let other: u64 = evidence.not_ip.values().sum();
        if other > 0 {
            text.push_str(&format!("; {} not IP", grouped(other)));
        }
        if evidence.undecidable_share > 0.0 {
            text.push_str(&format!("; {} undecidable", percent(evidence.undecidable_share)));
        }
        if evidence.unknown_pop_records > 0 {
            text.push_str(&format!("; {} of unknown PoPs", grouped(evidence.unknown_pop_records)));
        }
        let scenarios = report.scenarios.len().saturating_sub(1);
        if scenarios > 0 {
            text.push_str(&format!("; {} as well", count(scenarios, "scenario")));
        }
        self.wrap("", "  ", &text, 2);
        if self.style.verbose {
            self.coverage("PoP", &evidence.pops);
            self.coverage("hour", &evidence.hours);
            let text = format!(
                "recorded: {} of {}",
                evidence.customers_recorded,
                count(evidence.customers, "customer")
            );
            self.wrap("", "  ", &text, 1);
            for engine in &evidence.engines {
                self.wrap("", "  ", &format!("rules looked up, {engine}"), 2);
            }
        }
        if evidence.reached_outside > 0 {
            let text = format!(
                "reach: {} could meet these rules outside `may_affect`",
                count(evidence.reached_outside, "customer")
            );
            self.wrap("", "  ", &text, 1);
        }
        if !evidence.not_judged.is_empty() {
            let text = format!(
                "not judged: {} reached but without enough records: {}",
                evidence.not_judged.len(),
                evidence.not_judged.join(", ")
            );
            self.wrap("", "  ", &text, if self.style.verbose { usize::MAX } else { 1 });
        }
    }

    fn coverage(&mut self, what: &str, all: &BTreeMap<String, Covered>) {
        for (name, covered) in all {
            let mut text =
                format!("recorded of {what} {name}: {} records", grouped(covered.records));
            if covered.packets_estimated > covered.packets_recorded {
                text.push_str(&format!(
                    ", {} packets standing for {}",
                    grouped(covered.packets_recorded),
                    grouped(covered.packets_estimated)
                ));
            }
            self.wrap("", "  ", &text, 1);
        }
    }

    fn verdict(&mut self, report: &RunResult) {
        let code = match report.verdict {
            Verdict::Pass => "1;32",
            Verdict::Fail => "1;31",
            Verdict::CannotJudge => "1;35",
        };
        let word = report.word();
        let start = self.lines.len();
        self.wrap(&format!("{word}: "), "  ", &report.summary, 2);
        if let Some(line) = self.lines.get_mut(start)
            && self.style.color
        {
            *line = line.replacen(&word, &format!("\u{1b}[{code}m{word}\u{1b}[0m"), 1);
        }
    }
}

/// Returns the day of a time.
fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}

/// Cuts a text to so many characters.
fn shorten(text: &str, most: usize, style: Style) -> String {
    cut(text, most, if style.unicode { "…" } else { "..." })
}

/// Says how many of some rules are understood exactly.
fn exactly(rules: usize, exact: usize) -> String {
    let bounded = rules.saturating_sub(exact);
    let exact = match (rules, exact) {
        (1, 1) => "its rule is exact".to_owned(),
        (rules, exact) => format!("{exact} of {rules} rules exact"),
    };
    let rest = if bounded > 0 { format!(", {bounded} bounded") } else { String::new() };
    exact + &rest
}
