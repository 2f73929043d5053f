//! A closer look at a saved result, for people: all that it holds of one customer, one rule or one
//! PoP. What it does not hold is said.

use std::io;

use super::entries::NAME;
use super::escape::cut;
use super::{Style, clean, throughput};
use crate::finding::count;
use crate::model::units::{grouped, percent};
use crate::result::{Customer, Place, RunResult, Worst};

/// How many rows of a list are shown unless all are wanted.
const ROWS: usize = 12;
/// The longest message, in characters.
const MESSAGE: usize = 1_000;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// A customer, infrastructure entry, `(control-plane)` or `(unowned)`.
    Customer(String),
    /// A rule.
    Rule(String),
    /// A PoP.
    Pop(String),
}

/// Returns the names that the result holds of the kind that is looked at.
pub fn names<'r>(result: &'r RunResult, look: &Look) -> Vec<&'r str> {
    let mut names: Vec<&str> = match look {
        Look::Customer(_) => result.customers.iter().map(|row| row.id.as_str()).collect(),
        Look::Rule(_) => {
            let change = &result.change;
            let of_change = [&change.added, &change.removed, &change.modified, &change.moved];
            let of_findings = result.findings.iter().filter_map(|finding| finding.rule.as_ref());
            let of_customers = result.customers.iter().flat_map(|row| &row.rules);
            let all = of_change.into_iter().flatten().chain(of_findings).chain(of_customers);
            let all = all.map(String::as_str);
            all.chain(result.rules.iter().map(|rule| rule.id.as_str())).collect()
        }
        Look::Pop(_) => {
            let recorded = result.evidence.pops.keys().map(String::as_str);
            let losses = result.customers.iter().flat_map(|row| &row.losses);
            recorded.chain(losses.map(|loss| loss.pop.as_str())).collect()
        }
    };
    names.sort_unstable();
    names.dedup();
    names
}

/// Writes all that a result holds of what is looked at.
pub fn write(
    result: &RunResult,
    look: &Look,
    style: Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut page = Page { style, result, lines: Vec::new() };
    match look {
        Look::Customer(id) => page.customer(id),
        Look::Rule(id) => page.rule(id),
        Look::Pop(name) => page.pop(name),
    }
    for line in page.lines {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

struct Page<'r> {
    style: Style,
    result: &'r RunResult,
    lines: Vec<String>,
}

impl Page<'_> {
    fn add(&mut self, line: &str) {
        self.lines.push(clean(line, self.style));
    }

    /// Adds rows, as many as are wanted.
    fn list(&mut self, rows: Vec<String>, noun: &str) {
        let most = if self.style.verbose { usize::MAX } else { ROWS };
        for row in rows.iter().take(most) {
            self.add(&format!("  {row}"));
        }
        if rows.len() > most {
            self.add(&format!(
                "  and {} (-v shows all)",
                count(rows.len() - most, &format!("more {noun}"))
            ));
        }
    }

    fn customer(&mut self, id: &str) {
        let rows: Vec<&Customer> =
            self.result.customers.iter().filter(|row| row.id == id).collect();
        for row in rows {
            self.customer_row(row);
        }
        self.findings(|customers, _, _| customers.iter().any(|customer| customer == id));
    }

    fn customer_row(&mut self, row: &Customer) {
        let tier = row.tier.as_ref().map(|tier| format!(" ({})", name(tier))).unwrap_or_default();
        let what = match (row.affected, row.touched, row.reached) {
            (true, ..) => "affected: it newly loses legitimate traffic",
            (false, true, _) => "touched: recorded traffic of it newly meets these rules",
            (false, false, true) => {
                "reached: a packet of it could newly be harmed; none was recorded"
            }
            (false, false, false) => "neither reached nor touched",
        };
        let meant = match (row.protected, row.intended) {
            (true, _) => "; protected",
            (false, true) => "; as meant",
            (false, false) => "; not meant",
        };
        self.add(&format!("customer {}{tier}: {what}{meant}", name(&row.id)));
        if let Some(group) = &row.group {
            self.add(&format!("  through {}", name(group)));
        }
        if !row.inside.is_empty() {
            let inside: Vec<String> = row.inside.iter().map(|one| name(one)).collect();
            self.add(&format!("  inside: {}", inside.join(", ")));
        }
        self.list(row.losses.iter().map(loss).collect(), "group");
        if row.more_losses > 0 {
            self.add(&format!("  {} not kept in the result", count(row.more_losses, "more group")));
        }
        if !row.rules.is_empty() {
            let rules: Vec<String> = row
                .rules
                .iter()
                .map(|rule| match self.result.rules.iter().find(|one| one.id == *rule) {
                    Some(one) => format!("{} ({})", name(rule), line(&one.location)),
                    None => name(rule),
                })
                .collect();
            self.add(&format!("  by: {}", rules.join(", ")));
        }
        if let Some(packet) = row.witness.get("packet") {
            // A quote in it would end the word in a shell.
            let packet = cut(packet, MESSAGE, "…").replace('\'', "'\\''");
            self.add(&format!("  for example: blastgate trace --packet '{packet}'"));
        }
    }

    fn rule(&mut self, id: &str) {
        let change = &self.result.change;
        let kinds = [
            ("added", &change.added),
            ("removed", &change.removed),
            ("modified", &change.modified),
            ("moved", &change.moved),
        ];
        let how: Vec<&str> = kinds
            .iter()
            .filter(|(_, ids)| ids.iter().any(|one| one == id))
            .map(|(word, _)| *word)
            .collect();
        let how = match (how.as_slice(), change.running.is_some()) {
            (_, false) => "judged as new".to_owned(),
            ([], true) => "left alone by the change".to_owned(),
            (words, _) => words.join(" and "),
        };
        let met: Vec<String> = self
            .result
            .rules
            .iter()
            .filter(|rule| rule.id == id)
            .map(|rule| {
                format!(
                    " ({}): met {} packets, {} of them attack",
                    line(&rule.location),
                    grouped(rule.packets),
                    grouped(rule.attack_packets)
                )
            })
            .collect();
        let met = met
            .first()
            .cloned()
            .unwrap_or_else(|| ": not among the rules judged by traffic".to_owned());
        self.add(&format!("rule {}{met}; {how}", name(id)));
        let limits: Vec<String> = self
            .result
            .limits
            .iter()
            .filter(|limit| limit.rule == id)
            .map(|limit| {
                let fullest = &limit.fullest;
                let sharers: Vec<String> =
                    fullest.sharers.iter().map(|one| name(&one.id)).collect();
                format!(
                    "limit of {}: {}; the fullest saw {} ({} of it legitimate); in it: {}",
                    limit.rate,
                    count(limit.buckets, "bucket"),
                    fullest.peak,
                    fullest.legitimate_peak,
                    sharers.join(", ")
                )
            })
            .collect();
        self.list(limits, "limit");
        let by: Vec<&Customer> = self
            .result
            .customers
            .iter()
            .filter(|row| row.rules.iter().any(|rule| rule == id))
            .collect();
        self.add(&format!("harms or could harm {}:", count(by.len(), "customer")));
        self.list(by.into_iter().map(brief).collect(), "customer");
        self.findings(|_, rule, _| rule == Some(id));
    }

    fn pop(&mut self, pop: &str) {
        let recorded = match self.result.evidence.pops.get(pop) {
            Some(covered) => format!(
                "{} records, {} packets",
                grouped(covered.records),
                grouped(covered.packets_estimated)
            ),
            None => "nothing recorded".to_owned(),
        };
        self.add(&format!("PoP {}: {recorded}", name(pop)));
        let mut lost: Vec<(&Customer, &Worst)> = Vec::new();
        for row in &self.result.customers {
            lost.extend(row.losses.iter().filter(|loss| loss.pop == pop).map(|loss| (row, loss)));
        }
        lost.sort_by(|(_, a), (_, b)| b.lost_share.total_cmp(&a.lost_share));
        self.add(&format!("{} newly lose here:", count(lost.len(), "group")));
        let rows = lost.into_iter().map(|(row, one)| format!("{}: {}", name(&row.id), loss(one)));
        self.list(rows.collect(), "group");
        let cut = self.result.customers.iter().filter(|row| row.more_losses > 0).count();
        if cut > 0 {
            let who = count(cut, "customer");
            self.add(&format!(
                "  of {who} the result does not keep every group: more may lose here"
            ));
        }
        let limits: Vec<String> = self
            .result
            .limits
            .iter()
            .filter(|limit| limit.fullest.instance.as_deref() == Some(pop))
            .map(|limit| {
                let (rule, peak) = (name(&limit.rule), &limit.fullest.peak);
                format!("limit {rule} of {}: its fullest bucket is here and saw {peak}", limit.rate)
            })
            .collect();
        self.list(limits, "limit");
    }

    /// Adds the findings about something, one line each.
    fn findings(&mut self, wanted: impl Fn(&[String], Option<&str>, &str) -> bool) {
        let rows: Vec<String> = self
            .result
            .findings
            .iter()
            .filter(|one| wanted(&one.customers, one.rule.as_deref(), &one.guardrail))
            .map(|one| {
                let place = one.location.as_ref().map(|place| format!(" {}", line(place)));
                let waived = if one.waived { "waived " } else { "" };
                let word = match one.severity {
                    crate::finding::Level::Error => "error",
                    crate::finding::Level::Unknown => "unknown",
                    crate::finding::Level::Warning => "warning",
                };
                let message = cut(&one.message, MESSAGE, "…");
                format!("{waived}{word}[{}]{}: {message}", one.guardrail, place.unwrap_or_default())
            })
            .collect();
        if !rows.is_empty() {
            self.add(&format!("{}:", count(rows.len(), "finding")));
        }
        self.list(rows, "finding");
    }
}

fn name(text: &str) -> String {
    cut(text, NAME, "…")
}

fn line(place: &Place) -> String {
    format!("{}:{}", name(&place.file), place.line)
}

fn loss(worst: &Worst) -> String {
    let scenario = match worst.scenario.as_str() {
        "recorded" => String::new(),
        scenario => format!(" in scenario {}", name(scenario)),
    };
    let interval = match worst.interval_95 {
        Some([low, high]) => format!(" (95 %: {} to {})", percent(low), percent(high)),
        None => String::new(),
    };
    let how = worst.how.as_str();
    format!(
        "{} of {} at {} is {how}{scenario}{interval}: {} before, {} after",
        percent(worst.lost_share),
        worst.service,
        name(&worst.pop),
        throughput(worst.before),
        throughput(worst.after)
    )
}

fn brief(row: &Customer) -> String {
    let what = match (&row.worst, row.touched) {
        (Some(worst), _) => loss(worst),
        (None, true) => "touched, loses nothing beyond the limit".to_owned(),
        (None, false) => {
            "reached; none of its packets that could be harmed was recorded".to_owned()
        }
    };
    let meant = if row.intended { " (as meant)" } else { "" };
    format!("{}{meant}: {what}", name(&row.id))
}
