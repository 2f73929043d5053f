//! What the verdict rests on: what was read, and how much there is of whom, where and when.

use std::collections::BTreeMap;

use super::Recording;
use crate::guardrails::{self, Evidence};
use crate::input;
use crate::model::units::grouped;
use crate::model::{Diagnostic, ReadCounts, Severity, Timestamp};
use crate::report::{self, Covered};

/// What replay produced, and what was read for it.
#[derive(Default)]
pub(super) struct Replayed {
    pub(super) tally: crate::tally::Tally,
    pub(super) newest: Option<Timestamp>,
    pub(super) newest_by_file: Vec<(String, crate::impact::Newest)>,
    pub(super) records: u64,
    pub(super) unread: std::collections::BTreeMap<String, u64>,
    pub(super) other: std::collections::BTreeMap<String, u64>,
    pub(super) files: Vec<String>,
    /// Rows of what a filter had dropped, left out.
    pub(super) dropped: u64,
    /// Recordings in which some exporter has no way to say anything of IPv6.
    pub(super) no_ipv6: Vec<String>,
    /// Recordings of which something is unread: how much, of how much, and most of it why.
    pub(super) unread_by_file: Vec<(String, u64, u64, String)>,
    /// Recordings that were left aside, or parts of them, as nobody knows how they were sampled.
    pub(super) sampling_unknown: Vec<String>,
    /// How the rules were looked up, by family.
    pub(super) engines: Vec<String>,
}

impl Replayed {
    pub(super) fn add(&mut self, name: &str, counts: &crate::model::ReadCounts) {
        self.files.push(name.to_owned());
        self.records += counts.records;
        self.dropped += counts.dropped;
        if counts.no_ipv6 {
            self.no_ipv6.push(name.to_owned());
        }
        if counts.unknown_sampling > 0 {
            let count = counts.unknown_sampling;
            self.sampling_unknown.push(format!("a part of {name} ({count} flows or samples)"));
        }
        let most = counts.unread.iter().max_by_key(|(_, count)| **count);
        if let Some((why, _)) = most {
            let unread = counts.unread.values().sum();
            let all = counts.records + unread;
            self.unread_by_file.push((name.to_owned(), unread, all, why.clone()));
        }
        for (why, count) in &counts.unread {
            *self.unread.entry(why.clone()).or_default() += count;
        }
        for (what, count) in &counts.other {
            *self.other.entry(what.clone()).or_default() += count;
        }
    }
}

const HOUR_NS: i64 = 3_600_000_000_000;

/// Describes what the verdict rests on.
pub(super) fn describe(
    replayed: &Replayed,
    evidence: &Evidence<'_>,
    window_ns: i64,
) -> report::Evidence {
    let impact = evidence.impact;
    let share = |part: u64| match impact.offered.packets {
        0 => 0.0,
        all => part as f64 / all as f64,
    };
    let oldest = replayed.tally.windows.values().next();
    let mut pops: BTreeMap<String, Covered> = BTreeMap::new();
    let mut hours: BTreeMap<i64, Covered> = BTreeMap::new();
    for (_, key, counts) in replayed.tally.entries().filter(|(_, key, _)| key.part == 0) {
        let hour = key.window.saturating_mul(window_ns).div_euclid(HOUR_NS);
        let pop = pops.entry(evidence.pop(key.pop)).or_default();
        for covered in [pop, hours.entry(hour).or_default()] {
            covered.records += counts.records;
            covered.packets_recorded = covered.packets_recorded.saturating_add(counts.raw);
            covered.packets_estimated = covered.packets_estimated.saturating_add(counts.packets);
        }
    }
    let hour = |(hour, covered): (i64, Covered)| {
        (Timestamp(hour.saturating_mul(HOUR_NS)).to_string(), covered)
    };
    report::Evidence {
        records: replayed.records,
        packets_recorded: impact.offered.raw,
        packets_estimated: impact.offered.packets,
        bytes_estimated: impact.offered.bytes,
        attributed_share: share(impact.attributed.packets),
        undecidable_share: share(impact.undecidable.packets),
        unparsed: replayed.unread.clone().into_iter().collect(),
        other: replayed.other.clone().into_iter().collect(),
        unknown_pop_records: replayed.tally.unknown_pop_records,
        oldest: replayed.newest.and(oldest).map(|(start, _)| Timestamp(*start)),
        newest: replayed.newest,
        files: replayed.files.clone(),
        customers: evidence.inventory().customers.len(),
        customers_recorded: guardrails::customers_recorded(evidence),
        pops: pops.into_iter().collect(),
        // Without an age the hours are those of `--now`, and say nothing.
        hours: match replayed.newest {
            Some(_) => hours.into_iter().map(hour).collect(),
            None => Vec::new(),
        },
        reached_outside: guardrails::reached_outside(evidence),
        not_judged: guardrails::not_judged(evidence),
        engines: replayed.engines.clone(),
    }
}

/// Returns what is wrong with a recording that was read, if anything.
pub(super) fn problems_of(recording: &Recording, counts: &ReadCounts) -> Vec<Diagnostic> {
    let name = input::shown(&recording.path);
    let mut problems: Vec<Diagnostic> = meant_as(recording, counts).into_iter().collect();
    if let Some(reason) = &counts.broken {
        problems.push(
            Diagnostic::bare(format!(
                "{name} is corrupt after frame {}: {reason}",
                counts.frames.saturating_sub(1)
            ))
            .help("what follows there is not known; name a whole recording"),
        );
    }
    if counts.overridden > 0 {
        let message = format!(
            "{} records of {name} say another sampling rate than you do, and are not believed",
            grouped(counts.overridden)
        );
        let problem = Diagnostic { severity: Severity::Warning, ..Diagnostic::bare(message) };
        problems
            .push(problem.help("take `sampling` away, here or in the config, if they are right"));
    }
    if counts.records == 0 {
        let why: Vec<String> = counts
            .unread
            .iter()
            .chain(&counts.other)
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        let why = if why.is_empty() { "it is empty".to_owned() } else { why.join(", ") };
        let help = if counts.unknown_sampling > 0 {
            "state with `--sampling N` for how many packets one of them stands"
        } else {
            "a recording that shows nothing proves nothing; name another one"
        };
        let message = format!("{name} yields no record: {why}");
        problems.push(Diagnostic::bare(message).help(help));
    }
    problems
}

/// Asks what is meant where a capture holds packets and, in some of them, exports of flows. Which of
/// the two is the traffic only the user knows.
pub(super) fn meant_as(recording: &Recording, counts: &ReadCounts) -> Option<Diagnostic> {
    let exports = counts.exports;
    if exports == 0 || recording.form.is_some() {
        return None;
    }
    let name = input::shown(&recording.path);
    let message = format!(
        "{name} holds packets, and {exports} of {} carry exports of flows: which of them is meant?",
        counts.records
    );
    Some(Diagnostic::bare(message).help(
        "`--format pcap` takes all packets as they are; `--format netflow` or `--format sflow` reads \
         what is exported and nothing else",
    ))
}
