//! The result as it is saved and shown: `blastgate/result/v1`, to JSON and back.
//!
//! These are frozen structs of their own, not a dump of inner types, and they are all that an
//! output sees. So a saved result gives every output again, byte for byte, wherever the texts are
//! that it came from. What is documented here is what `blastgate schema result` prints.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::Level;
use crate::report::{Command, Verdict, WaiverState};

pub mod doctor;
mod make;
mod picture;
mod read;

pub use make::make;
pub use picture::{Block, Series, Space, Throughputs, Timeline};
pub use read::{ReadError, read};

/// The version of this form.
pub const SCHEMA: &str = "blastgate/result/v1";

/// The result of one run of `check` or `lint`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// Always `blastgate/result/v1`.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// What was asked.
    pub command: Command,
    /// The one word.
    pub verdict: Verdict,
    /// What the run exited with: 0 pass, 1 fail, 3 cannot judge.
    pub exit_code: u8,
    /// Why, in one line without its full stop.
    pub summary: String,
    /// What was compared.
    pub change: Change,
    /// Everyone reached, touched or affected, worst first.
    pub customers: Vec<Customer>,
    /// What every candidate rule met, in order; none of a lint.
    pub rules: Vec<Rule>,
    /// Traffic over time, in the recording as it is.
    #[serde(default)]
    pub timeline: Timeline,
    /// The address space of the inventory, and what becomes of it.
    #[serde(default)]
    pub space: Space,
    /// Who shares the buckets of candidate limits, and which rates would do.
    pub limits: Vec<Limit>,
    /// What becomes of the recorded attack, per target.
    pub attack: Vec<Attack>,
    /// What the guardrails found about this change: errors, unknowns, warnings.
    pub findings: Vec<Finding>,
    /// How many findings are waived: they are listed, and do not count for the verdict.
    #[serde(default)]
    pub waived_findings: usize,
    /// What someone accepted until a date, and what became of that.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
    /// How many findings concern rules that the change leaves alone, by guardrail.
    pub unchanged_findings: BTreeMap<String, usize>,
    /// The manual pages of the guardrails that found something, by id.
    #[serde(default)]
    pub guardrails: BTreeMap<String, Guardrail>,
    /// What the verdict rests on.
    pub evidence: Evidence,
    /// The situations judged: `recorded`, then scenarios; none of a lint.
    pub scenarios: Vec<String>,
    /// What the readers had to say about the materials.
    pub problems: Vec<Problem>,
    /// The one next command or step.
    pub next: Option<String>,
    /// Where files lie in the repository, by the name that they have here, where that is not it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

/// Findings of one guardrail about one rule, accepted until a date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waiver {
    /// The guardrail.
    pub guardrail: String,
    /// The rule.
    pub rule: String,
    /// Whose harm is accepted; nobody for findings that are about the rule alone.
    pub customers: Vec<String>,
    /// Why.
    pub reason: String,
    /// Who accepts it.
    pub owner: String,
    /// From then on the findings count again.
    pub until: String,
    /// Where it stands.
    pub location: Place,
    /// What became of it.
    pub state: WaiverState,
    /// How many findings it waives, alone or with others.
    pub findings: usize,
}

/// What was compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Name of the running rule set; null if every rule is judged as new.
    pub running: Option<String>,
    /// Name of the candidate.
    pub candidate: String,
    /// How many rules the candidate has.
    pub rules: usize,
    /// In how many files.
    pub files: usize,
    /// Ids of new rules.
    pub added: Vec<String>,
    /// Ids of rules that are gone.
    pub removed: Vec<String>,
    /// Ids of rules whose match or action changed.
    pub modified: Vec<String>,
    /// Ids of rules whose place among the others changed.
    pub moved: Vec<String>,
    /// Widened intents: `rule: +selector`.
    pub intents_widened: Vec<String>,
    /// Whether no packet's fate can differ; then no traffic was read.
    pub nothing: bool,
    /// What is to be known about where the two sets come from, and what was not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How exactly each file of the candidate was understood, in languages where that is a question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<Coverage>,
}

/// How exactly a file was understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// The file.
    pub file: String,
    /// How many rules it has.
    pub rules: usize,
    /// How many of them are understood exactly.
    pub exact: usize,
    /// What is only bounded.
    pub bounded: Vec<Bounded>,
    /// What is not understood at all, on the way of the packets or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_understood: Vec<Bounded>,
}

/// What is not modelled and may do anything that is possible there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bounded {
    /// Where it stands.
    pub location: Place,
    /// What it is.
    pub why: String,
}

/// What the change does to one customer, infrastructure entry, `(control-plane)` or `(unowned)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Customer {
    /// The id.
    pub id: String,
    /// The tier, if any.
    pub tier: Option<String>,
    /// The shared prefix through which it is concerned: `shared:198.51.100.10/32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Ids of enclosing customers, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<String>,
    /// Whether every rule that harms it is meant to.
    pub intended: bool,
    /// Whether some packet charged to it could newly be harmed: proved over all packets.
    pub reached: bool,
    /// Whether recorded traffic charged to it newly meets a harming rule.
    pub touched: bool,
    /// Whether it newly loses legitimate traffic beyond the limit.
    pub affected: bool,
    /// Whether it is infrastructure or control plane.
    pub protected: bool,
    /// Its worst group, if anything of it is newly lost.
    pub worst: Option<Worst>,
    /// Its groups (PoP and service) that newly lose, each in its worst scenario, the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Worst>,
    /// How many more groups of it lose, which are not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_losses: usize,
    /// Ids of the rules that harm it.
    pub rules: Vec<String>,
    /// One example packet: whole, in words that `trace --packet` accepts, and by field.
    pub witness: BTreeMap<String, String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One group of a customer that loses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Worst {
    /// `recorded`, or a scenario.
    pub scenario: String,
    /// The PoP.
    pub pop: String,
    /// The service: `tcp/443`, say.
    pub service: String,
    /// Newly lost part of what was offered, 0 to 1.
    pub lost_share: f64,
    /// The 95 % interval of that share, where it is estimated from samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_95: Option<[f64; 2]>,
    /// How the loss comes about: `lost`, `challenged` or `redirected`.
    pub how: String,
    /// What passed under the running rules.
    pub before: Throughput,
    /// What passes under the candidate.
    pub after: Throughput,
}

/// A rate of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// Packets a second.
    pub pps: f64,
    /// Bits a second (layer 3).
    pub bps: f64,
}

/// What one candidate rule met, certainly or maybe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// The id.
    pub id: String,
    /// Where it stands.
    pub location: Place,
    /// Packets on the wire that met it.
    pub packets: u64,
    /// Packets of it that are labelled attack.
    pub attack_packets: u64,
    /// What is written there, if the change or a finding is about it; cut to its first lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One candidate limit that met traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    /// The rule.
    pub rule: String,
    /// Where it stands.
    pub location: Place,
    /// Whether it concerns the change.
    #[serde(default)]
    pub changed: bool,
    /// The limit: `200 Mbps`.
    pub rate: String,
    /// How many buckets met traffic.
    pub buckets: usize,
    /// Whether it takes anything, in the recording or in any scenario.
    pub takes: bool,
    /// The fullest bucket.
    pub fullest: Fullest,
    /// Which rates would do; null if that was not searched.
    pub safe: Option<Safe>,
}

/// The fullest bucket of a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fullest {
    /// The PoP or exporter whose it is; null if all count together.
    pub instance: Option<String>,
    /// Its key: `dst 203.0.113.10`; empty if there is none.
    pub key: String,
    /// The most that it was offered in one second.
    pub peak: String,
    /// The most of it that is not attack in one second.
    pub legitimate_peak: String,
    /// Who is in it, most first.
    pub sharers: Vec<Sharer>,
}

/// One who shares a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sharer {
    /// The id.
    pub id: String,
    /// Its legitimate part of what the bucket was offered, in bytes, 0 to 1.
    pub legitimate_share: f64,
    /// Its attack part, 0 to 1.
    pub attack_share: f64,
}

/// Which rates of a limit would do; each was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Safe {
    /// Whether even the lowest rate that was tried is harmless.
    pub always_harmless: bool,
    /// Whether others lose for certain at every rate.
    #[serde(default)]
    pub always_harms: bool,
    /// The lowest at which nobody outside `may_affect` loses anything in any scenario; null also
    /// where every rate is harmless.
    pub lowest_harmless: Option<String>,
    /// The lowest that was tried and is harmless, also where every rate is.
    #[serde(default)]
    pub lowest_tried: Option<String>,
    /// A higher one at which some may lose all the same.
    pub harmful_above: Option<String>,
    /// The highest at which `must_stop` holds; null if it asks for nothing, or none does.
    pub highest_effective: Option<String>,
    /// A lower one that does not stop enough all the same.
    pub idle_below: Option<String>,
    /// Whether some rate is harmless and stops enough.
    pub exists: bool,
    /// That rate.
    pub both: Option<String>,
    /// Whether the rule asks for a share that must be stopped.
    #[serde(default)]
    pub must_stop: bool,
    /// The lowest harmless rate that stops enough with `per: [dst]`, where none does without.
    pub per_destination: Option<String>,
}

/// What becomes of the recorded attack on one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attack {
    /// The target: a customer id, `(unowned)`, or the selector of the intent.
    pub target: String,
    /// How much the candidate stops, 0 to 1.
    pub stopped_share: f64,
    /// How much the running rules stop, 0 to 1.
    pub running_share: f64,
    /// What was asked for, if anything, 0 to 1.
    pub must_stop: Option<f64>,
    /// Whether a candidate rule defends it.
    #[serde(default)]
    pub defended: bool,
}

/// One thing that a guardrail found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The guardrail's id.
    pub guardrail: String,
    /// What it says of the rules: bad, worth a look, or not to be judged.
    pub severity: Level,
    /// Whether the verdict is FAIL because of it: so are errors, and under `--strict` most warnings.
    #[serde(default)]
    pub fails: bool,
    /// The rule to blame, if there is one; `default` for the end of the set.
    pub rule: Option<String>,
    /// Where that rule stands.
    pub location: Option<Place>,
    /// Whom it concerns, by id, worst first.
    pub customers: Vec<String>,
    /// What was found, in one line.
    pub message: String,
    /// What to do, in one line.
    pub help: Option<String>,
    /// Whether someone accepted it until a date.
    pub waived: bool,
    /// The smallest scenario in which it is so; none is the recording as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
}

/// The manual page of a guardrail, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Guardrail {
    /// What it catches.
    pub catches: String,
    /// Why that is bad.
    pub why: String,
    /// What to do.
    pub todo: String,
}

/// A place in a text: both numbers are 1-based, columns count characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The file, as the user named it; `REV:path` of git.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// What the verdict rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Records read.
    pub records: u64,
    /// Packets that were recorded.
    pub packets_recorded: u64,
    /// Packets on the wire that they stand for.
    pub packets_estimated: u64,
    /// Bytes on the wire that they stand for.
    pub bytes_estimated: u64,
    /// Share of packets with a known owner at an end.
    pub attributed_share: f64,
    /// Share of packets for which some rule match cannot be told.
    pub undecidable_share: f64,
    /// Frames that should have been readable and were not.
    pub unparsed_records: u64,
    /// The same, by reason.
    pub unparsed: BTreeMap<String, u64>,
    /// Frames that carry no IP, by kind.
    pub not_ip: BTreeMap<String, u64>,
    /// Records whose PoP the inventory does not list.
    pub unknown_pop_records: u64,
    /// Time of the first record; null if the recordings have no age or no records.
    pub oldest: Option<String>,
    /// Time of the last record.
    pub newest: Option<String>,
    /// The recordings.
    pub files: Vec<String>,
    /// Customers of the inventory.
    pub customers: usize,
    /// Customers with any legitimate record.
    pub customers_recorded: usize,
    /// How much was recorded, by PoP.
    pub pops: BTreeMap<String, Covered>,
    /// How much was recorded, by the hour in which it starts; none if the recordings have no age.
    pub hours: BTreeMap<String, Covered>,
    /// How many customers the changed rules could reach outside `may_affect`.
    pub reached_outside: usize,
    /// Reached customers that the recording is too thin for.
    pub not_judged: Vec<String>,
    /// How the rules were looked up, by family of addresses.
    #[serde(default)]
    pub engines: Vec<String>,
}

/// How much was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Covered {
    /// Records.
    pub records: u64,
    /// Packets in them.
    pub packets_recorded: u64,
    /// Packets on the wire that they stand for.
    pub packets_estimated: u64,
}

/// A problem with the materials. One that is an error makes the verdict `cannot_judge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// How bad it is.
    pub severity: ProblemSeverity,
    /// Where it is, if it has a place.
    pub location: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What exactly is wrong at the place, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemSeverity {
    /// The material cannot be used.
    Error,
    /// It can be used, but probably does not say what was meant.
    Warning,
}

impl RunResult {
    /// Returns the one word as it is shown. What was judged without traffic must not look like a
    /// pass.
    pub fn word(&self) -> String {
        match (self.command, self.verdict) {
            (Command::Check, verdict) => verdict.word().to_owned(),
            (Command::Lint, Verdict::Pass) => "lint".to_owned(),
            (Command::Lint, verdict) => format!("lint: {}", verdict.word()),
        }
    }

    /// Returns the path of a file from the root of its repository, as far as that is known.
    pub fn path<'r>(&'r self, file: &'r str) -> &'r str {
        self.files.get(file).map_or(file, String::as_str)
    }

    /// Returns every file that is pointed at, once, in order.
    pub fn named_files(&self) -> Vec<&str> {
        let of_findings = self.findings.iter().filter_map(|finding| finding.location.as_ref());
        let of_problems = self.problems.iter().filter_map(|problem| problem.location.as_ref());
        let of_rules = self.rules.iter().map(|rule| &rule.location);
        let mut files: Vec<&str> = of_findings
            .chain(of_problems)
            .chain(of_rules)
            .map(|place| place.file.as_str())
            .collect();
        files.sort_unstable();
        files.dedup();
        files
    }
}
