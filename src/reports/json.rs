//! The result as JSON, `blastgate/result/v1`: its own frozen structs, not a dump of inner types.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::{Form, Style};
use crate::finding::Level;
use crate::model::{self, Location, Severity, Sources};
use crate::report::{self, LimitReport, Report, Throughput, Verdict};

pub(super) const FORM: Form = Form { name: "json", write };

/// The version of this form.
const SCHEMA: &str = "blastgate/result/v1";

#[derive(Serialize)]
struct Result<'r> {
    schema: &'static str,
    command: &'static str,
    verdict: &'static str,
    exit_code: u8,
    summary: &'r str,
    change: Change<'r>,
    customers: Vec<Customer<'r>>,
    rules: Vec<Rule<'r>>,
    limits: Vec<Limit<'r>>,
    attack: Vec<Attack<'r>>,
    findings: Vec<Finding<'r>>,
    unchanged_findings: BTreeMap<&'static str, usize>,
    evidence: Evidence<'r>,
    scenarios: &'r [String],
    problems: Vec<Problem<'r>>,
    next: Option<&'r str>,
}

#[derive(Serialize)]
struct Change<'r> {
    running: Option<&'r str>,
    candidate: &'r str,
    rules: usize,
    files: usize,
    added: &'r [String],
    removed: &'r [String],
    modified: &'r [String],
    moved: &'r [String],
    intents_widened: &'r [String],
    nothing: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'r [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    coverage: Vec<Coverage<'r>>,
}

#[derive(Serialize)]
struct Coverage<'r> {
    file: &'r str,
    rules: usize,
    exact: usize,
    bounded: Vec<Bounded<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_understood: Vec<Bounded<'r>>,
}

#[derive(Serialize)]
struct Bounded<'r> {
    location: Place,
    why: &'r str,
}

#[derive(Serialize)]
struct Customer<'r> {
    id: &'r str,
    tier: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'r str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    inside: &'r [String],
    intended: bool,
    reached: bool,
    touched: bool,
    affected: bool,
    protected: bool,
    worst: Option<Worst<'r>>,
    rules: &'r [String],
    witness: BTreeMap<&'r str, &'r str>,
}

#[derive(Serialize)]
struct Worst<'r> {
    scenario: &'r str,
    pop: &'r str,
    service: &'r str,
    lost_share: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_95: Option<[f64; 2]>,
    how: &'static str,
    before: Rate,
    after: Rate,
}

#[derive(Serialize)]
struct Rate {
    pps: f64,
    bps: f64,
}

#[derive(Serialize)]
struct Rule<'r> {
    id: &'r str,
    location: Place,
    packets: u64,
    attack_packets: u64,
}

#[derive(Serialize)]
struct Limit<'r> {
    rule: &'r str,
    location: Place,
    rate: &'r str,
    buckets: usize,
    takes: bool,
    fullest: Fullest<'r>,
    safe: Option<Safe<'r>>,
}

#[derive(Serialize)]
struct Fullest<'r> {
    instance: Option<&'r str>,
    key: &'r str,
    peak: &'r str,
    legitimate_peak: &'r str,
    sharers: Vec<Sharer<'r>>,
}

#[derive(Serialize)]
struct Sharer<'r> {
    id: &'r str,
    legitimate_share: f64,
    attack_share: f64,
}

#[derive(Serialize)]
struct Safe<'r> {
    always_harmless: bool,
    lowest_harmless: Option<&'r str>,
    harmful_above: Option<&'r str>,
    highest_effective: Option<&'r str>,
    idle_below: Option<&'r str>,
    exists: bool,
    both: Option<&'r str>,
    per_destination: Option<&'r str>,
}

#[derive(Serialize)]
struct Attack<'r> {
    target: &'r str,
    stopped_share: f64,
    running_share: f64,
    must_stop: Option<f64>,
}

#[derive(Serialize)]
struct Finding<'r> {
    guardrail: &'static str,
    severity: &'static str,
    rule: Option<&'r str>,
    location: Option<Place>,
    customers: &'r [String],
    message: &'r str,
    help: Option<&'r str>,
    waived: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<&'r str>,
}

#[derive(Serialize)]
struct Place {
    file: String,
    line: usize,
    column: usize,
}

#[derive(Serialize)]
struct Evidence<'r> {
    records: u64,
    packets_recorded: u64,
    packets_estimated: u64,
    bytes_estimated: u64,
    attributed_share: f64,
    undecidable_share: f64,
    unparsed_records: u64,
    unparsed: BTreeMap<&'r str, u64>,
    not_ip: BTreeMap<&'r str, u64>,
    unknown_pop_records: u64,
    oldest: Option<String>,
    newest: Option<String>,
    files: &'r [String],
    customers: usize,
    customers_recorded: usize,
    pops: BTreeMap<&'r str, Covered>,
    hours: BTreeMap<&'r str, Covered>,
    reached_outside: usize,
    not_judged: &'r [String],
}

#[derive(Serialize)]
struct Covered {
    records: u64,
    packets_recorded: u64,
    packets_estimated: u64,
}

#[derive(Serialize)]
struct Problem<'r> {
    severity: &'static str,
    location: Option<Place>,
    message: &'r str,
    help: Option<&'r str>,
}

fn write(report: &Report, _: Style, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &result(report))?;
    out.write_all(b"\n")
}

fn result(report: &Report) -> Result<'_> {
    let change = &report.change;
    let evidence = &report.evidence;
    Result {
        schema: SCHEMA,
        command: report.command.word(),
        verdict: match report.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::CannotJudge => "cannot_judge",
        },
        exit_code: report.verdict.exit_code(),
        summary: &report.summary,
        change: Change {
            running: change.running.as_deref(),
            candidate: &change.candidate,
            rules: change.rules,
            files: change.files,
            added: &change.added,
            removed: &change.removed,
            modified: &change.modified,
            moved: &change.moved,
            intents_widened: &change.intents_widened,
            nothing: change.nothing,
            notes: &change.notes,
            coverage: coverage(&change.coverage, &report.sources),
        },
        customers: report
            .customers
            .iter()
            .map(|row| Customer {
                id: &row.id,
                tier: row.tier.as_deref(),
                group: row.group.as_deref(),
                inside: &row.inside,
                intended: row.intended,
                reached: row.reached,
                touched: row.touched,
                affected: row.affected,
                protected: row.protected,
                worst: row.worst.as_ref().map(|worst| Worst {
                    scenario: &worst.scenario,
                    pop: &worst.pop,
                    service: &worst.service,
                    lost_share: worst.lost_share,
                    interval_95: worst.interval.map(|(low, high)| [low, high]),
                    how: worst.how,
                    before: rate(worst.before),
                    after: rate(worst.after),
                }),
                rules: &row.rules,
                witness: row
                    .witness
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect(),
            })
            .collect(),
        rules: report
            .rules
            .iter()
            .map(|rule| Rule {
                id: &rule.id,
                location: at(rule.location, &report.sources),
                packets: rule.packets,
                attack_packets: rule.attack_packets,
            })
            .collect(),
        limits: report.limits.iter().map(|one| limit(one, &report.sources)).collect(),
        attack: report
            .attack
            .iter()
            .map(|outcome| Attack {
                target: &outcome.target,
                stopped_share: outcome.stopped_share,
                running_share: outcome.running_share,
                must_stop: outcome.must_stop.map(|share| share.as_f64()),
            })
            .collect(),
        findings: report
            .findings
            .iter()
            .map(|finding| Finding {
                guardrail: finding.guardrail,
                severity: match finding.level {
                    Level::Error => "error",
                    Level::Unknown => "unknown",
                    Level::Warning => "warning",
                },
                rule: finding.rule.as_deref(),
                location: finding.location.map(|place| at(place, &report.sources)),
                customers: &finding.customers,
                message: &finding.message,
                help: finding.help.as_deref(),
                waived: finding.waived,
                scenario: finding.scenario.as_deref(),
            })
            .collect(),
        unchanged_findings: report.unchanged.iter().copied().collect(),
        evidence: Evidence {
            records: evidence.records,
            packets_recorded: evidence.packets_recorded,
            packets_estimated: evidence.packets_estimated,
            bytes_estimated: evidence.bytes_estimated,
            attributed_share: evidence.attributed_share,
            undecidable_share: evidence.undecidable_share,
            unparsed_records: evidence.unparsed.iter().map(|(_, count)| count).sum(),
            unparsed: evidence.unparsed.iter().map(|(why, count)| (why.as_str(), *count)).collect(),
            not_ip: evidence.other.iter().map(|(what, count)| (what.as_str(), *count)).collect(),
            unknown_pop_records: evidence.unknown_pop_records,
            oldest: evidence.oldest.map(|time| time.to_string()),
            newest: evidence.newest.map(|time| time.to_string()),
            files: &evidence.files,
            customers: evidence.customers,
            customers_recorded: evidence.customers_recorded,
            pops: covered(&evidence.pops),
            hours: covered(&evidence.hours),
            reached_outside: evidence.reached_outside,
            not_judged: &evidence.not_judged,
        },
        scenarios: &report.scenarios,
        problems: report
            .problems
            .iter()
            .map(|problem| Problem {
                severity: match problem.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                },
                location: problem.location.map(|place| at(place, &report.sources)),
                message: &problem.message,
                help: problem.help.as_deref(),
            })
            .collect(),
        next: report.next.as_deref(),
    }
}

fn covered(all: &[(String, report::Covered)]) -> BTreeMap<&str, Covered> {
    let one = |covered: &report::Covered| Covered {
        records: covered.records,
        packets_recorded: covered.packets_recorded,
        packets_estimated: covered.packets_estimated,
    };
    all.iter().map(|(name, covered)| (name.as_str(), one(covered))).collect()
}

fn limit<'r>(limit: &'r LimitReport, sources: &Sources) -> Limit<'r> {
    Limit {
        rule: &limit.rule,
        location: at(limit.location, sources),
        rate: &limit.rate,
        buckets: limit.buckets,
        takes: limit.takes,
        fullest: Fullest {
            instance: limit.instance.as_deref(),
            key: &limit.key,
            peak: &limit.peak,
            legitimate_peak: &limit.legitimate_peak,
            sharers: limit
                .sharers
                .iter()
                .map(|one| Sharer {
                    id: &one.id,
                    legitimate_share: one.legitimate_share,
                    attack_share: one.attack_share,
                })
                .collect(),
        },
        safe: limit.safe.as_ref().map(|safe| Safe {
            always_harmless: safe.always_harmless,
            lowest_harmless: safe.harmless.as_deref().filter(|_| !safe.always_harmless),
            harmful_above: safe.harmful_above.as_deref(),
            highest_effective: safe.effective.as_deref(),
            idle_below: safe.idle_below.as_deref(),
            exists: safe.both.is_some(),
            both: safe.both.as_deref(),
            per_destination: safe.per_destination.as_deref(),
        }),
    }
}

fn rate(throughput: Throughput) -> Rate {
    Rate { pps: throughput.pps, bps: throughput.bps }
}

fn coverage<'r>(files: &'r [model::Coverage], sources: &'r Sources) -> Vec<Coverage<'r>> {
    let bounded =
        |(place, why): &'r (Location, String)| Bounded { location: at(*place, sources), why };
    let files = files.iter().map(|file| Coverage {
        file: &sources.get(file.source).name,
        rules: file.rules,
        exact: file.rules - file.bounded_rules(),
        bounded: file.bounded.iter().map(bounded).collect(),
        not_understood: file.not_understood.iter().map(bounded).collect(),
    });
    files.collect()
}

fn at(location: Location, sources: &Sources) -> Place {
    let (line, column) = sources.line_column(location);
    Place { file: sources.get(location.source).name.to_string(), line, column }
}
