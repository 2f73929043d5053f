//! A report into the result that is saved and shown: places become files, lines and columns.

use crate::finding::Level;
use crate::guardrails::GUARDRAILS;
use crate::model::{self, Location, Severity, Sources};
use crate::report::{self, CustomerImpact, LimitReport, Report, WaiverUse, WorstGroup};

use super::{
    Attack, Bounded, Change, Coverage, Covered, Customer, Evidence, Finding, Fullest, Guardrail,
    Limit, Place, Problem, ProblemSeverity, Rule, RunResult, SCHEMA, Safe, Sharer, Throughput,
    Waiver, Worst, picture,
};

/// Makes the result of a report. Where its files lie in a repository is for the shell to say.
pub fn make(report: &Report) -> RunResult {
    let sources = &report.sources;
    let texts = picture::texts(report);
    let fired = |id: &str| report.findings.iter().any(|finding| finding.guardrail == id);
    RunResult {
        schema: SCHEMA.to_owned(),
        command: report.command,
        verdict: report.verdict,
        exit_code: report.verdict.exit_code(),
        summary: report.summary.clone(),
        change: change(report),
        customers: report.customers.iter().map(customer).collect(),
        rules: report
            .rules
            .iter()
            .enumerate()
            .map(|(number, rule)| Rule {
                text: texts.get(&number).cloned(),
                id: rule.id.clone(),
                location: at(rule.location, sources),
                packets: rule.packets,
                attack_packets: rule.attack_packets,
            })
            .collect(),
        timeline: picture::timeline(&report.picture.timeline),
        space: picture::space(&report.picture),
        limits: report.limits.iter().map(|one| limit(one, sources)).collect(),
        attack: report
            .attack
            .iter()
            .map(|outcome| Attack {
                target: outcome.target.clone(),
                stopped_share: outcome.stopped_share,
                running_share: outcome.running_share,
                must_stop: outcome.must_stop.map(|share| share.as_f64()),
                defended: outcome.is_defended,
            })
            .collect(),
        findings: report.findings.iter().map(|one| finding(one, report)).collect(),
        waived_findings: report.findings.iter().filter(|finding| finding.waived).count(),
        waivers: report.waivers.iter().map(|one| waiver(one, sources)).collect(),
        unchanged_findings: report
            .unchanged
            .iter()
            .map(|(guardrail, count)| ((*guardrail).to_owned(), *count))
            .collect(),
        guardrails: GUARDRAILS
            .iter()
            .filter(|guardrail| fired(guardrail.id))
            .map(|guardrail| {
                let text = &guardrail.text;
                let page = Guardrail {
                    catches: unbroken(text.catches),
                    why: unbroken(text.why),
                    todo: unbroken(text.todo),
                };
                (guardrail.id.to_owned(), page)
            })
            .collect(),
        evidence: evidence(&report.evidence),
        scenarios: report.scenarios.clone(),
        problems: report
            .problems
            .iter()
            .map(|problem| Problem {
                severity: match problem.severity {
                    Severity::Error => ProblemSeverity::Error,
                    Severity::Warning => ProblemSeverity::Warning,
                },
                location: problem.location.map(|place| at(place, sources)),
                message: problem.message.clone(),
                label: problem.label.clone(),
                help: problem.help.clone(),
            })
            .collect(),
        next: report.next.clone(),
        files: std::collections::BTreeMap::new(),
    }
}

/// Takes the line breaks out of a text that is broken for the eye.
fn unbroken(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn at(location: Location, sources: &Sources) -> Place {
    let (line, column) = sources.line_column(location);
    Place { file: sources.get(location.source).name.to_string(), line, column }
}

fn change(report: &Report) -> Change {
    let change = &report.change;
    Change {
        running: change.running.clone(),
        candidate: change.candidate.clone(),
        rules: change.rules,
        files: change.files,
        added: change.added.clone(),
        removed: change.removed.clone(),
        modified: change.modified.clone(),
        moved: change.moved.clone(),
        intents_widened: change.intents_widened.clone(),
        nothing: change.nothing,
        notes: change.notes.clone(),
        coverage: change.coverage.iter().map(|file| coverage(file, &report.sources)).collect(),
    }
}

fn coverage(file: &model::Coverage, sources: &Sources) -> Coverage {
    let bounded = |(place, why): &(Location, String)| Bounded {
        location: at(*place, sources),
        why: why.clone(),
    };
    Coverage {
        file: sources.get(file.source).name.to_string(),
        rules: file.rules,
        exact: file.rules - file.bounded_rules(),
        bounded: file.bounded.iter().map(bounded).collect(),
        not_understood: file.not_understood.iter().map(bounded).collect(),
    }
}

fn customer(row: &CustomerImpact) -> Customer {
    Customer {
        id: row.id.clone(),
        tier: row.tier.clone(),
        group: row.group.clone(),
        inside: row.inside.clone(),
        intended: row.intended,
        reached: row.reached,
        touched: row.touched,
        affected: row.affected,
        protected: row.protected,
        worst: row.worst.as_ref().map(worst),
        losses: row.losses.iter().map(worst).collect(),
        more_losses: row.more_losses,
        rules: row.rules.clone(),
        witness: row.witness.iter().cloned().collect(),
    }
}

fn worst(worst: &WorstGroup) -> Worst {
    Worst {
        scenario: worst.scenario.clone(),
        pop: worst.pop.clone(),
        service: worst.service.clone(),
        lost_share: worst.lost_share,
        interval_95: worst.interval.map(|(low, high)| [low, high]),
        how: worst.how.to_owned(),
        before: throughput(worst.before),
        after: throughput(worst.after),
    }
}

fn throughput(rate: report::Throughput) -> Throughput {
    Throughput { pps: rate.pps, bps: rate.bps }
}

fn limit(limit: &LimitReport, sources: &Sources) -> Limit {
    Limit {
        rule: limit.rule.clone(),
        location: at(limit.location, sources),
        changed: limit.is_changed,
        rate: limit.rate.clone(),
        buckets: limit.buckets,
        takes: limit.takes,
        fullest: Fullest {
            instance: limit.instance.clone(),
            key: limit.key.clone(),
            peak: limit.peak.clone(),
            legitimate_peak: limit.legitimate_peak.clone(),
            sharers: limit
                .sharers
                .iter()
                .map(|one| Sharer {
                    id: one.id.clone(),
                    legitimate_share: one.legitimate_share,
                    attack_share: one.attack_share,
                })
                .collect(),
        },
        safe: limit.safe.as_ref().map(|safe| Safe {
            always_harmless: safe.always_harmless,
            always_harms: safe.always_harms,
            lowest_harmless: safe.harmless.clone().filter(|_| !safe.always_harmless),
            lowest_tried: safe.harmless.clone(),
            harmful_above: safe.harmful_above.clone(),
            highest_effective: safe.effective.clone(),
            idle_below: safe.idle_below.clone(),
            exists: safe.both.is_some(),
            both: safe.both.clone(),
            must_stop: safe.must_stop,
            per_destination: safe.per_destination.clone(),
        }),
    }
}

fn finding(finding: &crate::finding::Finding, report: &Report) -> Finding {
    let fails = match finding.level {
        Level::Error => true,
        Level::Warning => report.strict && !finding.mild,
        Level::Unknown => false,
    };
    Finding {
        guardrail: finding.guardrail.to_owned(),
        severity: finding.level,
        fails: fails && !finding.waived,
        rule: finding.rule.clone(),
        location: finding.location.map(|place| at(place, &report.sources)),
        customers: finding.customers.clone(),
        message: finding.message.clone(),
        help: finding.help.clone(),
        waived: finding.waived,
        scenario: finding.scenario.clone(),
    }
}

fn waiver(used: &WaiverUse, sources: &Sources) -> Waiver {
    let WaiverUse { waiver, state, findings } = used;
    Waiver {
        guardrail: waiver.guardrail.value.clone(),
        rule: waiver.rule.value.clone(),
        customers: waiver.customers.iter().map(|one| one.value.clone()).collect(),
        reason: waiver.reason.clone(),
        owner: waiver.owner.clone(),
        until: waiver.until.value.to_string(),
        location: at(waiver.location, sources),
        state: *state,
        findings: *findings,
    }
}

fn evidence(evidence: &report::Evidence) -> Evidence {
    let covered = |all: &[(String, report::Covered)]| {
        let one = |covered: &report::Covered| Covered {
            records: covered.records,
            packets_recorded: covered.packets_recorded,
            packets_estimated: covered.packets_estimated,
        };
        all.iter().map(|(name, covered)| (name.clone(), one(covered))).collect()
    };
    Evidence {
        records: evidence.records,
        packets_recorded: evidence.packets_recorded,
        packets_estimated: evidence.packets_estimated,
        bytes_estimated: evidence.bytes_estimated,
        attributed_share: evidence.attributed_share,
        undecidable_share: evidence.undecidable_share,
        unparsed_records: evidence.unparsed.iter().map(|(_, count)| count).sum(),
        unparsed: evidence.unparsed.iter().cloned().collect(),
        not_ip: evidence.other.iter().cloned().collect(),
        unknown_pop_records: evidence.unknown_pop_records,
        oldest: evidence.oldest.map(|time| time.to_string()),
        newest: evidence.newest.map(|time| time.to_string()),
        files: evidence.files.clone(),
        customers: evidence.customers,
        customers_recorded: evidence.customers_recorded,
        pops: covered(&evidence.pops),
        hours: covered(&evidence.hours),
        reached_outside: evidence.reached_outside,
        not_judged: evidence.not_judged.clone(),
        engines: evidence.engines.clone(),
    }
}
