//! The result of a run: everything that outputs may show, and nothing that computes.
//!
//! Invariant: outputs read this and never reach back into the run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::model::{Coverage, Diagnostic, Location, Share, Sources, Timestamp, Waiver};

pub mod trace;

/// The one word at the end.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Judged, within intent.
    Pass,
    /// The rules are bad.
    Fail,
    /// Some material is missing, unreadable, not understood, empty, too old or too thin.
    CannotJudge,
}

impl Verdict {
    /// Returns the exit code, public interface.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Pass => 0,
            Verdict::Fail => 1,
            Verdict::CannotJudge => 3,
        }
    }

    /// Returns the word for people.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
            Verdict::CannotJudge => "CANNOT JUDGE",
        }
    }
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Do the rules hurt anyone, and do their job?
    Check,
    /// Do they make sense by themselves? A pass of this says nothing about traffic.
    Lint,
}

impl Command {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Command::Check => "check",
            Command::Lint => "lint",
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was asked.
    pub command: Command,
    /// The one word.
    pub verdict: Verdict,
    /// Why, in one line without its full stop.
    pub summary: String,
    /// What was compared.
    pub change: ChangeSummary,
    /// Everyone reached, touched or affected, worst first.
    pub customers: Vec<CustomerImpact>,
    /// What every candidate rule met, in order; none of a lint.
    pub rules: Vec<RuleHits>,
    /// What only a picture shows.
    pub picture: Picture,
    /// Who shares the buckets of candidate limits, and which rates would do.
    pub limits: Vec<LimitReport>,
    /// What becomes of the recorded attack, per target.
    pub attack: Vec<AttackOutcome>,
    /// Whether warnings fail.
    pub strict: bool,
    /// What the guardrails found about this change, worst first.
    pub findings: Vec<Finding>,
    /// What someone accepted until a date, and what became of that.
    pub waivers: Vec<WaiverUse>,
    /// How many findings concern rules that the change leaves alone: (guardrail, count).
    pub unchanged: Vec<(&'static str, usize)>,
    /// What the verdict rests on.
    pub evidence: Evidence,
    /// The situations judged: `recorded`, then scenarios; none of a lint.
    pub scenarios: Vec<String>,
    /// What the readers had to say about the materials.
    pub problems: Vec<Diagnostic>,
    /// The texts that findings and problems point into.
    pub sources: Sources,
    /// The one next command or step.
    pub next: Option<String>,
}

/// A waiver and what became of it.
#[derive(Clone, Debug)]
pub struct WaiverUse {
    /// The waiver.
    pub waiver: Waiver,
    /// What became of it.
    pub state: WaiverState,
    /// How many findings it waives, alone or with others.
    pub findings: usize,
}

/// What became of a waiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaiverState {
    /// It waives something.
    Used,
    /// It waives nothing, though what it is about was looked at.
    Unused,
    /// Its date has passed.
    Expired,
    /// What it is about was not looked at in this run.
    Idle,
}

/// What was compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSummary {
    /// Name of the running rule set; none if every rule is judged as new.
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
    /// How exactly each file of the candidate was understood; nothing of languages that are always
    /// exact.
    pub coverage: Vec<Coverage>,
    /// What is to be known about where the two sets come from, and what was not looked at, in words.
    pub notes: Vec<String>,
}

/// What the change does to one customer, infrastructure entry, `(control-plane)` or `(unowned)`.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomerImpact {
    /// The id.
    pub id: String,
    /// The tier, if any.
    pub tier: Option<String>,
    /// The shared prefix through which it is concerned: `shared:198.51.100.10/32`.
    pub group: Option<String>,
    /// Ids of enclosing customers, innermost first.
    pub inside: Vec<String>,
    /// Whether every rule that harms it is meant to.
    pub intended: bool,
    /// Whether some packet charged to it could newly be harmed.
    pub reached: bool,
    /// Whether recorded traffic charged to it newly meets a harming rule.
    pub touched: bool,
    /// Whether it newly loses legitimate traffic beyond the limit.
    pub affected: bool,
    /// Whether it is infrastructure or control plane.
    pub protected: bool,
    /// Its worst group, if anything of it is newly lost.
    pub worst: Option<WorstGroup>,
    /// Its groups (PoP and service) that newly lose, each in its worst scenario, the worst first, as
    /// many as are kept.
    pub losses: Vec<WorstGroup>,
    /// How many more there are.
    pub more_losses: usize,
    /// Ids of the rules that harm it.
    pub rules: Vec<String>,
    /// One example packet in words that `trace --packet` accepts, field by field.
    pub witness: Vec<(String, String)>,
}

/// The group in which a customer loses most.
#[derive(Clone, Debug, PartialEq)]
pub struct WorstGroup {
    /// `recorded`, or a scenario.
    pub scenario: String,
    /// The PoP.
    pub pop: String,
    /// `tcp/443`, say.
    pub service: String,
    /// Newly lost part of what was offered, 0 to 1.
    pub lost_share: f64,
    /// The 95 % interval of that share, where it is estimated from samples.
    pub interval: Option<(f64, f64)>,
    /// How the loss comes about: `lost`, `challenged` or `redirected`.
    pub how: &'static str,
    /// What passed under the running rules.
    pub before: Throughput,
    /// What passes under the candidate.
    pub after: Throughput,
}

/// A rate of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Throughput {
    /// Packets a second.
    pub pps: f64,
    /// Bits a second (layer 3).
    pub bps: f64,
}

/// One candidate limit that met traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitReport {
    /// The rule.
    pub rule: String,
    /// Where it stands.
    pub location: Location,
    /// Whether it concerns the change.
    pub is_changed: bool,
    /// The limit: `200 Mbps`.
    pub rate: String,
    /// How many buckets met traffic: values of the key, in every PoP or exporter that has its own.
    pub buckets: usize,
    /// The PoP or exporter of the fullest; none if all count together.
    pub instance: Option<String>,
    /// The key of the fullest: `dst 203.0.113.10`; empty if there is none.
    pub key: String,
    /// The most that the fullest was offered in one second.
    pub peak: String,
    /// The most of it that is not attack in one second.
    pub legitimate_peak: String,
    /// Who is in the fullest, most first.
    pub sharers: Vec<SharerReport>,
    /// Whether it takes anything, in the recording or in any scenario.
    pub takes: bool,
    /// Which rates would do; none if that was not searched.
    pub safe: Option<SafeRateReport>,
}

/// One who shares a bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct SharerReport {
    /// The id.
    pub id: String,
    /// Its legitimate part of what the bucket was offered, in bytes, 0 to 1.
    pub legitimate_share: f64,
    /// Its attack part, 0 to 1.
    pub attack_share: f64,
}

/// Which rates of a limit would do; each was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeRateReport {
    /// The lowest at which nobody outside `may_affect` loses anything in any scenario.
    pub harmless: Option<String>,
    /// A higher one at which some may lose all the same.
    pub harmful_above: Option<String>,
    /// Whether others lose for certain at every rate.
    pub always_harms: bool,
    /// The highest at which `must_stop` holds; none if it asks for nothing, or none does.
    pub effective: Option<String>,
    /// A lower one that does not stop enough all the same.
    pub idle_below: Option<String>,
    /// One that is harmless and stops enough.
    pub both: Option<String>,
    /// Whether even the lowest rate that was tried is harmless.
    pub always_harmless: bool,
    /// Whether the rule asks for a share that must be stopped.
    pub must_stop: bool,
    /// The lowest harmless rate that stops enough with `per: [dst]`, where none does without.
    pub per_destination: Option<String>,
}

/// How much was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// Records.
    pub records: u64,
    /// Packets in them.
    pub packets_recorded: u64,
    /// Packets on the wire that they stand for.
    pub packets_estimated: u64,
}

/// What one candidate rule met, certainly or maybe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleHits {
    /// The id.
    pub id: String,
    /// Where it stands.
    pub location: Location,
    /// Packets on the wire that met it.
    pub packets: u64,
    /// Packets of it that are labelled attack.
    pub attack_packets: u64,
}

/// What becomes of the recorded attack on one target.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackOutcome {
    /// The target: a customer id, `(unowned)`, or the selector of the intent.
    pub target: String,
    /// How much the candidate stops, 0 to 1.
    pub stopped_share: f64,
    /// How much the running rules stop, 0 to 1.
    pub running_share: f64,
    /// Whether a candidate rule defends it.
    pub is_defended: bool,
    /// What was asked for, if anything.
    pub must_stop: Option<Share>,
}

/// What the verdict rests on.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Frames that should have been readable and were not, by reason.
    pub unparsed: Vec<(String, u64)>,
    /// Frames that carry no IP, by kind.
    pub other: Vec<(String, u64)>,
    /// Records whose PoP the inventory does not list.
    pub unknown_pop_records: u64,
    /// Time of the first record; none if the recordings have no age or no records.
    pub oldest: Option<Timestamp>,
    /// Time of the last record.
    pub newest: Option<Timestamp>,
    /// The recordings, in the order of their names.
    pub files: Vec<String>,
    /// Customers of the inventory.
    pub customers: usize,
    /// Customers with any legitimate record.
    pub customers_recorded: usize,
    /// How much was recorded, by PoP.
    pub pops: Vec<(String, Covered)>,
    /// How much was recorded, by the hour in which it starts; none if the recordings have no age.
    pub hours: Vec<(String, Covered)>,
    /// How many customers the changed rules could reach outside `may_affect`.
    pub reached_outside: usize,
    /// Reached customers that the recording is too thin for.
    pub not_judged: Vec<String>,
    /// How the rules were looked up, by family of addresses.
    pub engines: Vec<String>,
}

//------------ Pictures --------------------------------------------------------

/// What only a picture shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Traffic over time, in the recording as it is.
    pub timeline: Timeline,
    /// The address space of the inventory, as much of it as is shown, in order.
    pub blocks: Vec<Block>,
    /// How many prefixes are not shown.
    pub more_blocks: usize,
}

/// Traffic over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// When each bin begins; windows in which nothing was recorded are in none.
    pub starts: Vec<Timestamp>,
    /// How long a bin is, at most.
    pub bin_ns: i64,
    /// The busiest PoPs, busiest first, in and out; then the others together.
    pub series: Vec<Series>,
}

/// What passes at one PoP, one way.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The PoP.
    pub pop: String,
    /// Whether it goes from customers to nobody, rather than to customers.
    pub is_out: bool,
    /// What is not attack.
    pub legitimate: Throughputs,
    /// What is.
    pub attack: Throughputs,
}

/// Bits a second (layer 3) in each bin; nothing at all if there is no such traffic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Throughputs {
    /// Offered.
    pub offered: Vec<u64>,
    /// What passes the running rules, at most.
    pub before: Vec<u64>,
    /// What passes the candidate, at most.
    pub after: Vec<u64>,
}

/// One prefix of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The prefix.
    pub prefix: String,
    /// Whose it is; several share it.
    pub owners: Vec<String>,
    /// How many more do.
    pub more_owners: usize,
    /// Whether it is infrastructure.
    pub is_protected: bool,
    /// What becomes of its owners, the worst of them.
    pub state: BlockState,
}

/// What becomes of the owners of a prefix, from best to worst.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BlockState {
    /// No packet of theirs can newly be harmed.
    #[default]
    Safe,
    /// Some could.
    Reached,
    /// Some recorded ones newly meet a harming rule.
    Touched,
    /// They lose, as is meant.
    Meant,
    /// They lose, and it is not meant.
    Affected,
}
