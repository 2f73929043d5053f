//! Walks in words: places, actions, buckets, reasons.

use std::collections::BTreeMap;

use super::Sides;
use crate::model::{
    Action, Exceed, KeyPart, Known, Location, Names, RateLimit, Record, Rule, RuleSet, SourceId,
    Sources,
};
use crate::packet_text::{self, Packet};
use crate::policer::{Counts, Level};
use crate::report::trace::{
    EndReport, LineReport, PlaceReport, StepReport, TraceReport, WayReport,
};
use crate::trace::why::Why;
use crate::trace::{Answer, Disposition, Limited, Stop, Walk, missing};

/// How much of a rule's text is quoted, in characters.
const QUOTED: usize = 60;

/// Says walks in words.
pub(super) struct Sayer<'a> {
    sources: &'a Sources,
    names: &'a Names,
    /// Where the lines of each text end.
    lines: BTreeMap<SourceId, Vec<usize>>,
}

impl<'a> Sayer<'a> {
    pub(super) fn new(sources: &'a Sources, names: &'a Names) -> Sayer<'a> {
        let lines = (0..sources.len())
            .map(|id| SourceId(u32::try_from(id).unwrap_or(u32::MAX)))
            .map(|id| {
                let ends = sources.get(id).text.bytes().enumerate();
                (id, ends.filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
            })
            .collect();
        Sayer { sources, names, lines }
    }

    fn place(&self, location: Location) -> PlaceReport {
        let start = location.span.start as usize;
        let before = self.lines.get(&location.source).map_or(0, |ends| {
            // A line begins after the end of the one before.
            ends.partition_point(|end| *end < start)
        });
        PlaceReport { file: self.sources.get(location.source).name.to_string(), line: before + 1 }
    }

    /// Returns the text of the rules at a place, on one line.
    fn quote(&self, location: Location) -> String {
        let text = &self.sources.get(location.source).text;
        let text = text.get(location.span.range()).unwrap_or_default();
        let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        // The place of a list ends with its last member.
        if line.starts_with('[') && !line.ends_with(']') {
            line.push(']');
        }
        if line.len() > 2 && line.starts_with('"') && line.matches('"').count() == 2 {
            line = line.trim_matches('"').to_owned();
        }
        if line.chars().count() <= QUOTED {
            return line;
        }
        line.chars().take(QUOTED - 1).chain(['…']).collect()
    }

    /// Says the way of one record.
    pub(super) fn way(
        &self,
        sides: &Sides<'_>,
        shown: &[String; 2],
        record: &Record,
        walks: &[Walk],
        number: Option<u64>,
    ) -> TraceReport {
        let packet = Packet {
            header: record.header,
            pop: record
                .pop
                .filter(|_| record.header.known.has(Known::POP))
                .map(|pop| self.names.name(pop).to_string()),
            direction: record.direction,
            given: Vec::new(),
        };
        let way = |side: usize| {
            Some(self.side(sides.sets.get(side)?, &shown[side], record, walks.get(side)?))
        };
        let nothing = || WayReport {
            rules: String::new(),
            count: 0,
            steps: Vec::new(),
            not_reached: 0,
            end: self.end(sides.sets[0], &walks[0]),
        };
        TraceReport {
            packet: packet_text::format(&packet),
            record: number,
            candidate: way(0).unwrap_or_else(nothing),
            running: way(1),
            change: sides.change(walks, number.is_none()),
        }
    }

    /// Says one record of many.
    pub(super) fn line(&self, sides: &Sides<'_>, record: &Record, walks: &[Walk]) -> LineReport {
        LineReport {
            record: record.number,
            candidate: self.end(sides.sets[0], &walks[0]),
            running: walks.get(1).map(|walk| {
                let change = sides.change(walks, false).unwrap_or_default();
                (self.end(sides.sets[1], walk), change)
            }),
        }
    }

    fn side(&self, set: &RuleSet, shown: &str, record: &Record, walk: &Walk) -> WayReport {
        // A certain end stops the walk; otherwise all rules were looked at.
        let last = match walk.ends.last() {
            Some((_, Some(rule))) => *rule as usize + 1,
            _ => set.rules.len(),
        };
        let said = |location: Location| self.quote(location);
        let why = Why {
            names: self.names,
            said: &said,
            protocol: packet_text::protocol,
            flags: packet_text::flags,
            fragment: packet_text::fragment,
        };
        let mut stops = walk.stops.iter().peekable();
        let mut steps = Vec::new();
        for (at, rule) in set.rules.iter().enumerate().take(last) {
            let stop = stops.next_if(|stop| stop.step.rule as usize == at);
            let matches = match stop {
                None => "no",
                Some(stop) if stop.step.certain() => "yes",
                Some(_) => "maybe",
            };
            let mut reason = if matches == "yes" { None } else { why.not(&rule.matches, record) };
            if stop.is_none() && walk.ends.len() > 1 && why.is_open(&rule.matches, record) {
                reason = Some("asks what a rule above asks, which takes it then".to_owned());
            }
            steps.push(StepReport {
                rule: rule.id.clone(),
                place: self.place(rule.location),
                matches,
                why: reason,
                action: action(&rule.action.value),
                effect: stop.map_or_else(String::new, |stop| effect(rule, stop, walk)),
            });
        }
        WayReport {
            rules: shown.to_owned(),
            count: set.rules.len(),
            steps,
            not_reached: set.rules.len() - last,
            end: self.end(set, walk),
        }
    }

    fn end(&self, set: &RuleSet, walk: &Walk) -> EndReport {
        let rule = |at: u32| &set.rules[at as usize];
        let decider = walk.decider();
        let disposition = walk.disposition();
        let is_open = decider.is_none() || disposition == Disposition::CannotTell;
        EndReport {
            disposition: disposition.word(),
            rule: decider.flatten().filter(|_| !is_open).map(|at| {
                let rule = rule(at);
                (rule.id.clone(), self.place(rule.location))
            }),
            is_default: decider == Some(None),
            unknown: if is_open { missing(walk.missing) } else { Vec::new() },
            may: if is_open {
                let ends = walk.ends.iter();
                ends.map(|(kind, at)| (kind.word(), at.map(|at| rule(at).id.clone()))).collect()
            } else {
                Vec::new()
            },
            packets: walk.packets,
            dropped_packets: walk.packets_of(Disposition::is_lost),
            challenged_packets: walk.packets_of(|kind| kind == Disposition::Challenged),
        }
    }
}

//------------ Words ---------------------------------------------------------

/// Says what a rule does.
fn action(action: &Action) -> String {
    match action {
        Action::Accept => "accept".to_owned(),
        Action::Drop => "drop".to_owned(),
        Action::Reject => "reject".to_owned(),
        Action::Log => "log".to_owned(),
        Action::Challenge => "challenge".to_owned(),
        Action::Redirect { to } => format!("redirect to {to}"),
        Action::Mark { dscp } => format!("mark DSCP {dscp}"),
        Action::RateLimit(limit) => {
            let key: Vec<&str> = limit
                .per
                .iter()
                .map(|part| match part {
                    KeyPart::Src { .. } => "src",
                    KeyPart::Dst { .. } => "dst",
                    KeyPart::SrcPort => "src_port",
                    KeyPart::DstPort => "dst_port",
                    KeyPart::Protocol => "protocol",
                    KeyPart::Customer => "customer",
                })
                .collect();
            let key =
                if key.is_empty() { String::new() } else { format!(" per {}", key.join(", ")) };
            format!("limit {}{key}", limit.rate)
        }
    }
}

/// Says what a rule did to the record.
fn effect(rule: &Rule, stop: &Stop, walk: &Walk) -> String {
    let text = match (&rule.action.value, stop.limited) {
        (Action::RateLimit(limit), Some(limited)) => limit_effect(limit, limited, walk.packets),
        (Action::Accept, _) => "accepted".to_owned(),
        (Action::Drop, _) => "dropped".to_owned(),
        (Action::Reject, _) => "rejected".to_owned(),
        (Action::Challenge, _) => "challenged".to_owned(),
        (Action::Redirect { .. }, _) => "redirected".to_owned(),
        (Action::Log | Action::Mark { .. } | Action::RateLimit(_), _) => "goes on".to_owned(),
    };
    if stop.step.certain() { text } else { format!("{text}, if it matches") }
}

fn limit_effect(limit: &RateLimit, limited: Limited, packets: u64) -> String {
    let exceeds = match limit.exceed {
        Exceed::Log => "noted, goes on",
        Exceed::Challenge => "challenged",
        Exceed::Drop => "dropped",
        Exceed::Reject => "rejected",
    };
    let state = limited.level.map_or_else(String::new, |level| format!(" ({})", bucket(level)));
    match limited.answer {
        Answer::Conforms => format!("conforms{state}, goes on"),
        Answer::Exceeds => format!("exceeds{state}, {exceeds}"),
        Answer::Part(some) => {
            format!("{some} of {packets} packets exceed, {exceeds}; the rest goes on")
        }
        Answer::CannotTell => format!("whether it conforms cannot be told{state}"),
    }
}

fn bucket(level: Level) -> String {
    let of = amount(level.counts, level.of);
    let left = match level.counts {
        Counts::Packets => level.left.to_string(),
        Counts::Bytes => amount(level.counts, level.left),
    };
    let text = match (level.is_window, level.left == level.of) {
        (true, _) => format!("window has room for {left} of {of}"),
        (false, true) => format!("bucket full: {left} of {of}"),
        (false, false) => format!("bucket holds {left} of {of}"),
    };
    match level.penalty_ns {
        0 => text,
        ns => format!(
            "in its timeout for another {}.{:03} s",
            ns / 1_000_000_000,
            ns / 1_000_000 % 1_000
        ),
    }
}

/// Writes packets, or bytes in the greatest unit that leaves three digits exact.
fn amount(counts: Counts, number: u64) -> String {
    if counts == Counts::Packets {
        return if number == 1 { "1 packet".to_owned() } else { format!("{number} packets") };
    }
    for (scale, unit) in [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")] {
        if number >= scale {
            let thousandths = number % scale / (scale / 1_000);
            let digits = format!("{}.{thousandths:03}", number / scale);
            return format!("{} {unit}", digits.trim_end_matches('0').trim_end_matches('.'));
        }
    }
    format!("{number} B")
}
