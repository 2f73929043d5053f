//! What a trace may show: the way of one record, or one line for each of many.

/// The way of one record.
#[derive(Clone, Debug)]
pub struct TraceReport {
    /// The record in words.
    pub packet: String,
    /// Its number in the recording, if it is of one.
    pub record: Option<u64>,
    /// Its way through the candidate rules.
    pub candidate: WayReport,
    /// Its way through the running rules, if there are any.
    pub running: Option<WayReport>,
    /// How it fares by the candidate rules: same, better, worse, cannot_tell.
    pub change: Option<&'static str>,
}

/// The way of one record through one rule set.
#[derive(Clone, Debug)]
pub struct WayReport {
    /// The rule set, as the user named it.
    pub rules: String,
    /// How many rules it has.
    pub count: usize,
    /// The rules up to the end of the way, in order.
    pub steps: Vec<StepReport>,
    /// Rules behind the end of the way.
    pub not_reached: usize,
    /// What becomes of it.
    pub end: EndReport,
}

/// One rule on the way.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The rule.
    pub rule: String,
    /// Where it stands.
    pub place: PlaceReport,
    /// Whether it matches: yes, no, maybe.
    pub matches: &'static str,
    /// The term that failed, or that cannot be told.
    pub why: Option<String>,
    /// What the rule does, in words.
    pub action: String,
    /// What came of it: `dropped`, `goes on`, …; empty if it does not match.
    pub effect: String,
}

/// A line of a file.
#[derive(Clone, Debug)]
pub struct PlaceReport {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// What becomes of a record.
#[derive(Clone, Debug)]
pub struct EndReport {
    /// accepted, dropped, rejected, challenged, redirected, cannot_tell.
    pub disposition: &'static str,
    /// The rule that decides and where it stands; nothing for the default, or where several may.
    pub rule: Option<(String, PlaceReport)>,
    /// Whether no rule decides.
    pub is_default: bool,
    /// What is unknown and decides, in words.
    pub unknown: Vec<&'static str>,
    /// All ends that it may have, where there are several: disposition and rule.
    pub may: Vec<(&'static str, Option<String>)>,
    /// How many packets were recorded.
    pub packets: u64,
    /// How many of them are lost; nothing if it cannot be told.
    pub dropped_packets: Option<u64>,
    /// How many of them are challenged.
    pub challenged_packets: Option<u64>,
}

/// One record of many.
#[derive(Clone, Debug)]
pub struct LineReport {
    /// Its number in the recording.
    pub record: u64,
    /// What becomes of it.
    pub candidate: EndReport,
    /// What becomes of it by the running rules, if there are any, and how it fares.
    pub running: Option<(EndReport, &'static str)>,
}
