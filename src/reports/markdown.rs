//! Markdown for the comment of a bot: its first line is a mark that is not seen, by which the bot
//! finds the comment that it wrote before.
//!
//! Untrusted text stands in code spans only: there nothing is a link, a mention, a tag or an image.
//! A table is read before its cells are, so what ends a cell is escaped there as well.

use std::io;

use super::entries::{MESSAGE, NAME, entries};
use super::escape::plain;
use super::{Form, Style};
use crate::finding::count;
use crate::model::units::{grouped, percent};
use crate::result::{Customer, RunResult};

pub(super) const FORM: Form = Form {
    name: "markdown",
    about: "a comment for a pull request, of at most 60,000 characters",
    write,
    appends: None,
};

/// The most that is written, in characters: GitHub takes 65,536 in a comment.
const MOST: usize = 60_000;
/// How many of them are for customers; findings come first and have what is left.
const CUSTOMERS: usize = 20;
/// How many characters what follows a list may take.
const RESERVE: usize = 8_000;

fn write(result: &RunResult, _: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page { text: String::new(), length: 0 };
    page.add(&format!("<!-- blastgate:{} -->\n", result.command.word()));
    page.add(&format!("### blastgate: {}\n\n", result.word()));
    page.add(&format!("{}\n\n", code(&plain(&result.summary, MESSAGE))));
    page.add(&compared(result));
    page.customers(result);
    page.findings(result);
    page.attack(result);
    page.evidence(result);
    if let Some(next) = &result.next {
        page.add(&format!("Next: {}\n", code(&plain(next, MESSAGE))));
    }
    out.write_all(page.text.as_bytes())
}

/// A page that knows how long it is.
struct Page {
    text: String,
    length: usize,
}

impl Page {
    fn add(&mut self, text: &str) {
        self.length += text.chars().count();
        self.text.push_str(text);
    }

    /// Adds a row if there is room left for it and for what must follow; returns whether there was.
    fn add_row(&mut self, row: &str) -> bool {
        let fits = self.length + row.chars().count() + RESERVE <= MOST;
        if fits {
            self.add(row);
        }
        fits
    }

    fn customers(&mut self, result: &RunResult) {
        let hurt: Vec<&Customer> = result.customers.iter().filter(|row| row.affected).collect();
        if hurt.is_empty() {
            return;
        }
        self.add("| customer | tier | loses | of | in | note |\n|---|---|---|---|---|---|\n");
        let shown = hurt.iter().take(CUSTOMERS).take_while(|row| self.add_row(&customer(row)));
        let shown = shown.count();
        self.add("\n");
        if hurt.len() > shown {
            self.add(&format!("and {} more affected\n\n", count(hurt.len() - shown, "customer")));
        }
    }

    fn findings(&mut self, result: &RunResult) {
        let all = entries(result);
        let open = || all.iter().filter(|entry| !entry.waived);
        let mut shown = 0;
        for entry in open() {
            let place = match entry.place {
                Some(place) => {
                    let file = plain(result.path(&place.file), NAME);
                    format!(" at {}", code(&format!("{file}:{}:{}", place.line, place.column)))
                }
                None => String::new(),
            };
            let mut row =
                format!("- **{}** {}{place}:", entry.word(), code(&plain(entry.id, NAME)));
            row.push_str(&format!(" {}\n", code(&entry.message())));
            if let Some(help) = &entry.help {
                row.push_str(&format!("  - {}\n", code(help)));
            }
            if !self.add_row(&row) {
                break;
            }
            shown += 1;
        }
        let hidden = open().count() - shown;
        if hidden > 0 {
            self.add(&format!("- and {} more\n", count(hidden, "finding")));
        }
        let waived = all.iter().filter(|entry| entry.waived).count();
        if waived > 0 {
            self.add(&format!("- {} waived\n", count(waived, "finding")));
        }
        if !all.is_empty() {
            self.add("\n");
        }
    }

    fn attack(&mut self, result: &RunResult) {
        let mut any = false;
        for attack in result.attack.iter().filter(|attack| attack.defended).take(5) {
            any = true;
            let target = code(&plain(&attack.target, NAME));
            self.add(&format!("- attack on {target}: {} stopped", percent(attack.stopped_share)));
            if result.change.running.is_some() {
                self.add(&format!(" (running: {})", percent(attack.running_share)));
            }
            if let Some(share) = attack.must_stop {
                self.add(&format!(", {} must be", percent(share)));
            }
            self.add("\n");
        }
        if any {
            self.add("\n");
        }
    }

    fn evidence(&mut self, result: &RunResult) {
        let evidence = &result.evidence;
        if evidence.files.is_empty() {
            return;
        }
        let mut text = format!(
            "Evidence: {} records, {} attributed",
            grouped(evidence.records),
            percent(evidence.attributed_share)
        );
        let scenarios = result.scenarios.len().saturating_sub(1);
        if scenarios > 0 {
            text.push_str(&format!("; {} as well", count(scenarios, "scenario")));
        }
        if !evidence.not_judged.is_empty() {
            let number = count(evidence.not_judged.len(), "customer");
            text.push_str(&format!("; not judged for want of records: {number}"));
        }
        self.add(&format!("{text}.\n\n"));
    }
}

fn compared(result: &RunResult) -> String {
    let change = &result.change;
    let candidate = code(&plain(&change.candidate, NAME));
    let rules = format!("{} in {}", count(change.rules, "rule"), count(change.files, "file"));
    let against = match &change.running {
        None => "every rule judged as new".to_owned(),
        Some(running) => format!(
            "against {}: {} added, {} removed, {} modified, {} moved",
            code(&plain(running, NAME)),
            change.added.len(),
            change.removed.len(),
            change.modified.len(),
            change.moved.len()
        ),
    };
    format!("{candidate}: {rules}, {against}.\n\n")
}

fn customer(row: &Customer) -> String {
    let tier = row.tier.as_deref().map_or_else(|| "-".to_owned(), cell);
    let note = match (row.protected, row.intended) {
        (true, _) => "protected",
        (false, true) => "as meant",
        (false, false) => "",
    };
    let (loses, of, place) = match &row.worst {
        Some(worst) => {
            let scenario = match worst.scenario.as_str() {
                "recorded" => String::new(),
                scenario => format!(", scenario {}", cell(scenario)),
            };
            (
                percent(worst.lost_share),
                cell(&worst.service),
                format!("{}{scenario}", cell(&worst.pop)),
            )
        }
        None => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
    };
    format!("| {} | {tier} | {loses} | {of} | {place} | {note} |\n", cell(&row.id))
}

/// Writes a code span in a cell of a table. The pipe ends a cell wherever it stands.
fn cell(text: &str) -> String {
    code(&plain(text, 60).replace('|', "\\u{7c}"))
}

/// Writes a code span: within a fence that is longer than any in the text, which is cleaned already
/// and so has no line breaks.
fn code(text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for character in text.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    if text.trim().is_empty() {
        // An empty span is no span.
        return "-".to_owned();
    }
    // A space at either end is taken off where there is one at both.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_code_span_or_a_cell() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a``b`"), "``` a``b` ```");
        assert_eq!(code(" "), "-");
        assert_eq!(cell("a|b\\|c\n"), "`a\\u{7c}b\\\\u{7c}c\\u{a}`");
    }
}
