//! The way of one record through the rules, and one line for each of many: for people and as
//! JSON.

use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use super::escape::json_line_text;
use super::{Style, clean, json_text};
use crate::report::trace::{
    EndReport, LineReport, PlaceReport, StepReport, TraceReport, WayReport,
};

/// The width of the screen, in columns.
const WIDTH: usize = 80;
/// Rule sets up to this length are shown whole: below a screen.
const SHORT: usize = 20;

//------------ For people ----------------------------------------------------

/// Writes the way of one record.
pub fn text(report: &TraceReport, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    if !style.quiet {
        let record = report.record.map(|record| format!("record {record}: ")).unwrap_or_default();
        let packet = format!("{record}packet {}", clean(&report.packet, style));
        wrap(&packet, "  ", out)?;
        if let Some(running) = &report.running {
            way(running, "running", style, out)?;
            wrap(&end_line(&running.end, style), "  ", out)?;
        }
        let side = if report.running.is_some() { "candidate" } else { "rules" };
        way(&report.candidate, side, style, out)?;
    }
    wrap(&end_line(&report.candidate.end, style), "  ", out)?;
    if let Some(change) = report.change {
        let words = match change {
            "same" => "same: no better and no worse than by the running rules",
            "better" => "better: harmed less than by the running rules",
            "worse" => "worse: harmed more than by the running rules",
            _ => "cannot tell whether it fares worse than by the running rules",
        };
        writeln!(out, "{words}")?;
    }
    Ok(())
}

fn way(way: &WayReport, side: &str, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let noun = if way.count == 1 { "rule" } else { "rules" };
    writeln!(out, "{side}: {} {noun} in {}", way.count, clean(&way.rules, style))?;
    let all = style.verbose || way.count < SHORT;
    let mut passed_over = 0;
    for step in &way.steps {
        if !all && step.matches == "no" {
            passed_over += 1;
            continue;
        }
        wrap(&step_line(step, style), "        ", out)?;
    }
    if passed_over > 0 {
        let rules = if passed_over == 1 { "1 rule that does" } else { "rules that do" };
        let count = if passed_over == 1 { String::new() } else { format!("{passed_over} ") };
        let text = format!(
            "passed over: {count}{rules} not match (-v lists them with the term that failed)"
        );
        wrap(&text, "  ", out)?;
    }
    if way.not_reached > 0 {
        let noun = if way.not_reached == 1 { "rule" } else { "rules" };
        writeln!(out, "not reached: {} {noun} below", way.not_reached)?;
    }
    Ok(())
}

fn step_line(step: &StepReport, style: Style) -> String {
    let place = format!("{}:{}", step.place.file, step.place.line);
    let (word, code) = match step.matches {
        "yes" => ("yes  ", "1;32"),
        "no" => ("no   ", "2"),
        _ => ("maybe", "1;35"),
    };
    let word = if style.color { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() };
    let why = step.why.as_deref().unwrap_or_default();
    let what = match step.matches {
        "no" => why.to_owned(),
        "yes" => done(step),
        _ => format!("{why}; {}", done(step)),
    };
    let line = format!("  {word} {} ({}): ", clean(&step.rule, style), clean(&place, style));
    format!("{line}{}", clean(&what, style))
}

/// Says what a rule does and did, once where that is the same.
fn done(step: &StepReport) -> String {
    match step.action.as_str() {
        "accept" | "drop" | "reject" | "challenge" => step.effect.clone(),
        action => format!("{action}: {}", step.effect),
    }
}

fn end_line(end: &EndReport, style: Style) -> String {
    let line = if end.disposition == "cannot_tell" {
        let mut line = format!("cannot tell: it hangs on {}", end.unknown.join(", "));
        let may: Vec<String> = end
            .may
            .iter()
            .map(|(disposition, rule)| match rule {
                Some(rule) => format!("{disposition} by {rule}"),
                None => format!("{disposition} by default"),
            })
            .collect();
        line.push_str(&format!("; it may be {}", may.join(", or ")));
        line
    } else {
        let by = match (&end.rule, end.is_default) {
            (Some((rule, PlaceReport { file, line })), _) => format!(" by {rule} ({file}:{line})"),
            (None, true) => " by default: no rule decides".to_owned(),
            (None, false) => {
                let rules: Vec<&str> =
                    end.may.iter().map(|(_, rule)| rule.as_deref().unwrap_or("default")).collect();
                format!(" by {}: whatever {} is", rules.join(" or "), end.unknown.join(", "))
            }
        };
        let lost = match (end.packets, end.dropped_packets, end.disposition) {
            (1, ..) | (_, None | Some(0), _) => String::new(),
            (packets, Some(lost), _) => format!("; {lost} of {packets} packets are lost"),
        };
        format!("{}{by}{lost}", end.disposition)
    };
    clean(&line, style)
}

/// Writes a text, broken into lines at spaces; escape sequences take no room.
pub(super) fn wrap(text: &str, rest: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let width = |word: &str| {
        let mut hidden = false;
        let seen = word.chars().filter(|character| {
            let was = hidden;
            hidden = if was { *character != 'm' } else { *character == '\u{1b}' };
            !was && !hidden
        });
        seen.count()
    };
    // A number and its unit stay together.
    let units = ["B", "kB", "MB", "GB", "packets", "pps", "kbps", "Mbps", "Gbps"];
    let glue =
        |text: String, unit: &&str| text.replace(&format!(" {unit}"), &format!("\u{a0}{unit}"));
    let glued = units.iter().fold(text.to_owned(), glue);
    let text = glued.as_str();
    let indent = text.len() - text.trim_start_matches(' ').len();
    let mut line = text[..indent].to_owned();
    let (mut column, mut is_empty) = (indent, true);
    for word in text[indent..].split(' ') {
        let length = width(word);
        if !is_empty && column + 1 + length > WIDTH {
            writeln!(out, "{}", line.trim_end())?;
            line = rest.to_owned();
            (column, is_empty) = (rest.len(), true);
        }
        if !is_empty {
            line.push(' ');
            column += 1;
        }
        line.push_str(&word.replace('\u{a0}', " "));
        column += length;
        is_empty = false;
    }
    writeln!(out, "{}", line.trim_end())
}

/// Writes one line for a record.
pub fn line(report: &LineReport, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "{} {}", report.record, end_line(&report.candidate, style))?;
    if let Some((running, change)) = &report.running {
        write!(out, " [{change}; running: {}]", end_line(running, style))?;
    }
    writeln!(out)
}

//------------ JSON ----------------------------------------------------------

/// The way of one packet or record through the candidate rules.
#[derive(Serialize, JsonSchema)]
pub struct TraceWay<'a> {
    /// Always `blastgate/trace/v1`.
    schema: &'static str,
    /// The number of the record in its recording, if it is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<u64>,
    /// The packet, in words that `trace --packet` accepts.
    packet: &'a str,
    #[serde(flatten)]
    end: End<'a>,
    /// How many rules there are.
    rules: usize,
    /// How many of them stand behind the end of the way.
    not_reached: usize,
    /// The rules up to the end of the way, in order.
    steps: Vec<Step<'a>>,
    /// The way through the running rules, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<Running<'a>>,
    /// How it fares by the candidate: same, better, worse, cannot_tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'a str>,
}

/// The way through the running rules.
#[derive(Serialize, JsonSchema)]
struct Running<'a> {
    #[serde(flatten)]
    end: End<'a>,
    /// How many rules there are.
    rules: usize,
    /// How many of them stand behind the end of the way.
    not_reached: usize,
    /// The rules up to the end of the way, in order.
    steps: Vec<Step<'a>>,
}

/// One rule on the way.
#[derive(Serialize, JsonSchema)]
struct Step<'a> {
    /// The rule.
    rule: &'a str,
    /// The file that it stands in.
    file: &'a str,
    /// The line, from 1.
    line: usize,
    /// Whether it matches: yes, no, maybe.
    matches: &'a str,
    /// The term that failed, or that cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    /// What the rule does, in words.
    action: &'a str,
    /// What came of it, in words.
    #[serde(skip_serializing_if = "str::is_empty")]
    effect: &'a str,
}

/// What becomes of one record of a recording.
#[derive(Serialize, JsonSchema)]
pub struct TraceLine<'a> {
    /// Its number in the recording; of a capture, that of its frame.
    record: u64,
    #[serde(flatten)]
    end: End<'a>,
    /// What becomes of it by the running rules, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<End<'a>>,
    /// How it fares by the candidate: same, better, worse, cannot_tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'a str>,
}

/// What becomes of it.
#[derive(Serialize, JsonSchema)]
struct End<'a> {
    /// accepted, dropped, rejected, challenged, redirected, cannot_tell.
    disposition: &'a str,
    /// The rule that decides; null for the default, or where several may.
    rule: Option<&'a str>,
    /// The file that it stands in.
    file: Option<&'a str>,
    /// The line, from 1.
    line: Option<usize>,
    /// How many packets were recorded.
    packets: u64,
    /// How many of them are lost; null if it cannot be told.
    dropped_packets: Option<u64>,
    /// How many of them are challenged, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenged_packets: Option<u64>,
    /// What is unknown and decides.
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    unknown: &'a [&'static str],
    /// All ends that it may have, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    may: Vec<May<'a>>,
}

/// One of several ends.
#[derive(Serialize, JsonSchema)]
struct May<'a> {
    /// As above.
    disposition: &'a str,
    /// The rule that decides; null for the default.
    rule: Option<&'a str>,
}

impl<'a> End<'a> {
    fn of(end: &'a EndReport) -> End<'a> {
        let rule = end.rule.as_ref();
        End {
            disposition: end.disposition,
            rule: rule.map(|(rule, _)| rule.as_str()),
            file: rule.map(|(_, place)| place.file.as_str()),
            line: rule.map(|(_, place)| place.line),
            packets: end.packets,
            dropped_packets: end.dropped_packets,
            challenged_packets: end.challenged_packets.filter(|count| *count > 0),
            unknown: &end.unknown,
            may: end
                .may
                .iter()
                .map(|(disposition, rule)| May { disposition, rule: rule.as_deref() })
                .collect(),
        }
    }
}

fn steps(way: &WayReport) -> Vec<Step<'_>> {
    let steps = way.steps.iter().map(|step| Step {
        rule: &step.rule,
        file: &step.place.file,
        line: step.place.line,
        matches: step.matches,
        why: step.why.as_deref(),
        action: &step.action,
        effect: &step.effect,
    });
    steps.collect()
}

/// Writes the way of one record as JSON.
pub fn json(report: &TraceReport, out: &mut dyn io::Write) -> io::Result<()> {
    let trace = TraceWay {
        schema: "blastgate/trace/v1",
        record: report.record,
        packet: &report.packet,
        end: End::of(&report.candidate.end),
        rules: report.candidate.count,
        not_reached: report.candidate.not_reached,
        steps: steps(&report.candidate),
        running: report.running.as_ref().map(|way| Running {
            end: End::of(&way.end),
            rules: way.count,
            not_reached: way.not_reached,
            steps: steps(way),
        }),
        change: report.change,
    };
    json_text(&trace, out)
}

/// Writes one line of JSON for a record.
pub fn json_line(report: &LineReport, out: &mut dyn io::Write) -> io::Result<()> {
    let running = report.running.as_ref();
    let line = TraceLine {
        record: report.record,
        end: End::of(&report.candidate),
        running: running.map(|(end, _)| End::of(end)),
        change: running.map(|(_, change)| *change),
    };
    json_line_text(&line, out)
}
