//! The wiring: a checked plan in, a report out.

mod convert;
mod doctor;
mod evidence;
mod includes;
mod intents;
mod observed;
mod open;
mod plan;
mod pops;
mod robot;
mod rule_sets;
mod situations;
mod trace;
mod unknowns;
mod waivers;
mod watch;
mod what_if;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::attribution::Attribution;
use crate::change::Change;
use crate::fate::Sets;
use crate::guardrails::{self, Evidence, Needs};
use crate::impact::Impact;
use crate::input;
use crate::inventory;
use crate::judge;
use crate::matcher::{self, Test};
use crate::model::{
    Diagnostic, Inventory, Names, RuleSet, Sampling, Severity, SourceId, Sources, Timestamp,
};
use crate::reach::{Order, Reach, Reached};
use crate::replay::{self, Input, MAX_ATTACK_MATCHES, Progress, Replay};
use crate::report::{self, ChangeSummary, Command, Report, Verdict};
use crate::scenario::{Moves, RECORDED};
use crate::summary;
use crate::verdict;

use evidence::Replayed;
use situations::Situation;

pub use convert::{Converted, translate};
pub use doctor::{Doctored, doctor, doctor_stopped};
pub use plan::{InventoryFile, Plan, Recording, Running};
pub use robot::within;
pub use trace::{Subject, Traced, Traces, trace};
pub use watch::{Stage, Watch};
pub use what_if::WhatIf;

/// Judges a change; by traffic, unless the plan is that of a lint.
///
/// `watch` tells other threads how far it has come; `progress` is told of records that were read.
pub fn check(plan: Plan, watch: &Watch, progress: &(dyn Fn(u64) + Sync)) -> Report {
    Run::new(plan).check(watch, progress)
}

/// Says that a run was stopped before it came to a verdict, and why.
pub fn stopped(plan: Plan, why: Diagnostic) -> Report {
    let mut run = Run::new(plan);
    run.problems.push(why);
    run.cannot_judge()
}

struct Run {
    plan: Plan,
    sources: Sources,
    problems: Vec<Diagnostic>,
    /// What the running set is called; none if there is none.
    running: Option<String>,
    /// What is to be known about where the two sets come from.
    notes: Vec<String>,
    /// The texts of the running and of the candidate set.
    parsed: [Option<rule_sets::Parsed>; 2],
    /// How much was read of recordings.
    meter: input::Meter,
    /// Exporters, and the PoPs that the inventory says they are of.
    exporters: Vec<(String, String)>,
}

/// Does two things, at the same time if there are threads for it.
fn both<A, B: Send>(
    threads: usize,
    here: impl FnOnce() -> A,
    there: impl Fn() -> B + Sync,
) -> (A, B) {
    std::thread::scope(|scope| {
        // Where the system gives no more threads, this one does both.
        let spawn = || std::thread::Builder::new().spawn_scoped(scope, &there).ok();
        let other = if threads > 1 { spawn() } else { None };
        let here = here();
        match other.map(|other| other.join()) {
            Some(Ok(there)) => (here, there),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => (here, there()),
        }
    })
}

impl Run {
    fn new(plan: Plan) -> Run {
        Run {
            sources: plan.sources.clone(),
            problems: plan.problems.clone(),
            running: rule_sets::running_name(&plan.running),
            notes: plan.notes.clone(),
            parsed: [None, None],
            meter: input::Meter::default(),
            exporters: Vec::new(),
            plan,
        }
    }

    fn check(&mut self, watch: &Watch, progress: &(dyn Fn(u64) + Sync)) -> Report {
        self.meter = watch.meter();
        let [running, candidate] = self.rule_sets();
        let is_lint = self.plan.command == Command::Lint;
        let given = match (is_lint, self.plan.inventory.is_empty()) {
            (false, _) => Needs::Traffic,
            (true, false) => Needs::Inventory,
            (true, true) => Needs::Rules,
        };
        let inventory = match given {
            Needs::Rules => Inventory::default(),
            Needs::Inventory | Needs::Traffic => self.inventory(),
        };
        let known = (given > Needs::Rules).then_some(&inventory);
        let waivers = self.waivers(&candidate, known);
        if self.failed() {
            return self.cannot_judge();
        }
        if candidate.says_nothing() && running.says_nothing() {
            self.problems.push(
                Diagnostic::bare("there are no rules on either side")
                    .help("name files that hold rules, or a running set with `--running`"),
            );
            return self.cannot_judge();
        }
        self.check_pops(&candidate, &inventory);
        if given == Needs::Traffic {
            self.check_tiers(&inventory);
        }
        let change = Change::between(&running, &candidate);
        let after = self.plan.traffic.iter().filter_map(|recording| recording.observed_after);
        let has_running = self.running.is_some();
        let refused = after.filter_map(|place| {
            observed::refuse(Some(place), has_running, [&running, &candidate], &change)
        });
        self.problems.extend(refused.collect::<Vec<_>>());
        let (judges, customers, problems) = match given {
            Needs::Rules => judge::resolve_without_inventory(&running, &candidate),
            Needs::Inventory | Needs::Traffic => judge::resolve(&running, &candidate, &inventory),
        };
        self.problems.extend(problems);
        if judges.attack_matches.len() > MAX_ATTACK_MATCHES {
            self.problems.push(Diagnostic::bare(format!(
                "{} different `attack_match`es are more than {MAX_ATTACK_MATCHES}",
                judges.attack_matches.len()
            )));
        }
        let names = Arc::new(Names::new());
        let attribution = Attribution::new(&inventory, &customers, &names);
        let nothing = change.nothing && has_running;
        if !is_lint {
            let elsewhere = if nothing { self.changed_elsewhere() } else { None };
            let unjudged = || self.changed_unjudged(&running, &candidate);
            let sharing = || self.changed_sharing(&running, &candidate);
            let problem = elsewhere.or_else(unjudged).or_else(sharing).filter(|_| has_running);
            // Where there is no running set, all of it is new.
            let problem = self.changed_unfollowed(&running, &candidate).or(problem);
            self.problems.extend(problem);
            if !has_running {
                self.note_unjudged(&candidate);
            }
        }
        if self.failed() {
            return self.cannot_judge();
        }

        let clean = self.plan.clean.clone();
        watch.turn_to(Stage::Proof);
        let reach = Reach {
            running: &running,
            candidate: &candidate,
            change: &change,
            judges: &judges,
            inventory: &inventory,
            customers: &customers,
            clean: &clean,
        };
        let order = || if nothing { Order::default() } else { Order::of(&candidate, &change) };
        let (proof, order) = both(self.plan.threads, || reach.compile(), order);
        let crowded = proof.crowded().clone();
        let sets = Sets { sets: [&running, &candidate], clean: &clean, crowded: &crowded };
        let (scenarios, added, problems) =
            what_if::resolve(&self.plan.scenarios, &inventory, &names);
        self.problems.extend(problems);
        if self.failed() {
            return self.cannot_judge();
        }
        let scenarios = if nothing || is_lint { Vec::new() } else { scenarios };
        let moves = Moves::new(&scenarios, sets.sets, &names);
        let replayed = if nothing || is_lint {
            Replayed::default()
        } else {
            let what_if = (&moves, added.as_slice());
            let progress = |done: Progress| {
                watch.add(done);
                progress(done.records);
            };
            watch.turn_to(Stage::Traffic);
            match self.replay(sets.sets, &judges, &attribution, &names, what_if, (watch, &progress))
            {
                Some(replayed) => replayed,
                None => return self.cannot_judge(),
            }
        };
        // What a filter had dropped is as hidden as behind the running rules, which it may have been.
        if replayed.dropped > 0 && has_running {
            let refused = observed::refuse(None, true, [&running, &candidate], &change);
            self.problems.extend(refused);
        }
        watch.turn_to(Stage::Impact);
        let tally = &replayed.tally;
        let min_samples = self.plan.standards.min_samples;
        let what_if = (scenarios.as_slice(), &moves);
        let (mut situations, limits) =
            situations::judge(sets, &change, &judges, &attribution, tally, what_if, min_samples);
        if situations.is_empty() {
            situations.push(Situation {
                name: RECORDED.to_owned(),
                impact: Impact::without_traffic(candidate.rules.len()),
                affected: Vec::new(),
                size: 0,
            });
        }
        watch.turn_to(Stage::Proof);
        let reached = match given {
            Needs::Rules => Reached::default(),
            Needs::Inventory | Needs::Traffic => proof.find(),
        };
        watch.turn_to(Stage::Report);
        let evidence = Evidence {
            given,
            running: &running,
            candidate: &candidate,
            has_running,
            change: &change,
            judges: &judges,
            attribution: &attribution,
            ends: tally.ends.values(),
            names: &names,
            reached: &reached,
            order: &order,
            scenario: None,
            moved: 0,
            impact: &situations[0].impact,
            affected: &situations[0].affected,
            sharing: &limits.sharing,
            safe_rates: &limits.safe_rates,
            newest: &replayed.newest_by_file,
            sampling_unknown: &replayed.sampling_unknown,
            unread: &replayed.unread_by_file,
            no_ipv6: &replayed.no_ipv6,
            windows: &tally.windows,
            directions: &tally.directions,
            standards: &self.plan.standards,
        };
        let what_if: Vec<Evidence<'_>> = situations[1..]
            .iter()
            .map(|situation| Evidence {
                scenario: Some(&situation.name),
                moved: situation.size,
                impact: &situation.impact,
                affected: &situation.affected,
                ..evidence
            })
            .collect();
        let mut findings = guardrails::check(&evidence, &what_if);
        for scenario in scenarios.iter().filter(|scenario| scenario.lacks_proportion(tally)) {
            self.problems.push(what_if::no_proportion(&scenario.name));
        }
        let waivers = self.waive(waivers, &evidence, &mut findings.list);
        verdict::sort(&mut findings.list);
        let verdict = verdict::decide(&findings.list, self.plan.strict, self.failed());
        let rows = summary::customers(&evidence, &what_if);
        let attack = summary::attack(&evidence);
        let rules = if is_lint { Vec::new() } else { summary::rules(&evidence) };
        let limits = summary::limits(&evidence);
        let running = self.running.clone();
        let mut change = summary::change(&evidence, running, self.candidate_name());
        change.notes = std::mem::take(&mut self.notes);
        if given == Needs::Rules {
            let not_seen = "owners, PoPs and whom intents name were not looked at";
            change.notes.push(format!("no inventory: {not_seen}"));
        }
        let summary = if is_lint && verdict == Verdict::Pass {
            summary::lint(&evidence, &findings.list)
        } else if nothing && !is_lint && verdict == Verdict::Pass {
            "nothing changed: no packet fares otherwise than before".to_owned()
        } else {
            summary::summary(verdict, &findings.list, &rows, &attack)
        };
        let summary = summary + &summary::waived(&findings.list);
        let next = next(verdict, &findings.list);
        Report {
            command: self.plan.command,
            verdict,
            summary,
            change,
            picture: summary::picture(&evidence, self.plan.standards.window_ns, &rows),
            customers: rows,
            rules,
            limits,
            attack,
            strict: self.plan.strict,
            waivers,
            unchanged: findings.unchanged.into_iter().collect(),
            findings: findings.list,
            evidence: evidence::describe(&replayed, &evidence, self.plan.standards.window_ns),
            scenarios: if nothing && !is_lint {
                vec![RECORDED.to_owned()]
            } else {
                scenarios.into_iter().map(|scenario| scenario.name).collect()
            },
            problems: std::mem::take(&mut self.problems),
            sources: std::mem::take(&mut self.sources),
            next,
        }
    }

    //-------- Materials

    fn failed(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    fn refuse(&mut self, error: &input::InputError) {
        self.problems.push(Diagnostic::bare(error.to_string()));
    }

    fn text(&mut self, path: &Path) -> Option<SourceId> {
        if let Some((_, text)) = self.plan.texts.iter().find(|(given, _)| given == path) {
            return Some(self.sources.add(input::shown(path), text.as_str()));
        }
        match input::text(path) {
            Ok(text) => Some(self.sources.add(input::shown(path), text)),
            Err(error) => {
                self.refuse(&error);
                None
            }
        }
    }

    fn inventory(&mut self) -> Inventory {
        if self.plan.inventory.is_empty() {
            self.problems.push(
                Diagnostic::bare("no inventory is named: who could be hurt?")
                    .help("name one with `--inventory FILE`, or in `blastgate.yaml`"),
            );
            return Inventory::default();
        }
        let mut files = Vec::new();
        for one in self.plan.inventory.clone() {
            let InventoryFile { path, form, customer, customer_column } = one;
            let file = self.text(&path);
            files.extend(file.map(|file| inventory::Listed {
                file,
                form,
                customer,
                customer_column,
            }));
        }
        if files.is_empty() {
            return Inventory::default();
        }
        let vrf = self.plan.vrf.as_deref();
        let (inventory, problems) = inventory::load_table(&self.sources, &files, vrf);
        self.problems.extend(problems);
        self.take_exporters(&inventory);
        inventory
    }

    //-------- Replay

    fn replay(
        &mut self,
        sets: [&RuleSet; 2],
        judges: &judge::Judges,
        attribution: &Attribution<'_>,
        names: &Arc<Names>,
        (moves, added): (&Moves, &[PathBuf]),
        (watch, progress): (&Watch, &(dyn Fn(Progress) + Sync)),
    ) -> Option<Replayed> {
        if self.plan.traffic.is_empty() {
            self.problems.push(
                Diagnostic::bare("no traffic is named: what would be hurt?")
                    .help("name a recording with `--traffic FILE`, or in `blastgate.yaml`"),
            );
            return None;
        }
        let mut recordings = self.recordings();
        recordings.sort_by_key(|recording| input::shown(&recording.path));
        let is_unknown = |one: &Recording| one.sampling == Some(Sampling::Unknown);
        let unknown = recordings.iter().filter(|one| is_unknown(one));
        let mut replayed = Replayed {
            sampling_unknown: unknown.map(|one| input::shown(&one.path)).collect(),
            ..Replayed::default()
        };
        recordings.retain(|one| !is_unknown(one));
        if recordings.is_empty() {
            return Some(replayed);
        }
        let recorded = recordings.len();
        recordings.extend(added.iter().cloned().map(Recording::plain));
        if recordings.iter().filter(|recording| recording.path.as_os_str() == "-").count() > 1 {
            self.refuse(&input::InputError::StdinTwice);
        }
        let paths = recordings.iter().map(|recording| recording.path.as_path());
        watch.expect(paths.filter_map(input::size).sum());
        let is_late = recordings.len() > open::MOST_OPEN;
        let mut inputs = Vec::new();
        for (rank, recording) in recordings.iter().enumerate() {
            if let Some(opened) = self.open(recording, names) {
                let reader = if is_late { opened.late() } else { opened.reader };
                let part = (rank + 1).saturating_sub(recorded) as u16;
                inputs.push(Input { reader, rank: rank as u32, part });
            }
        }
        if self.failed() {
            return None;
        }
        let pops = attribution.inventory.pops.as_ref().map(|pops| {
            pops.iter().map(|pop| names.intern(&pop.id.value)).collect::<BTreeSet<_>>()
        });
        let listed = attribution.inventory.pops.iter().flatten();
        let several = listed.filter(|pop| pop.exporters.len() > 1);
        let many_routers = several.map(|pop| names.intern(&pop.id.value)).collect();
        let replay = Replay {
            attribution,
            matcher: matcher::compile(sets, names),
            limits: sets.map(replay::limits),
            keyed: replay::keyed(sets[1]),
            attack: judges.attack_matches.iter().map(|one| Test::compile(one, names)).collect(),
            labels: self
                .plan
                .labels
                .iter()
                .map(|(label, matches)| (*label, Test::compile(matches, names)))
                .collect(),
            named_ports: self.plan.named_ports.clone(),
            window_ns: self.plan.standards.window_ns,
            pops,
            many_routers,
            moves: moves.clone(),
        };
        let shapes = ["IPv4", "IPv6"].into_iter().zip(replay.matcher.shapes());
        replayed.engines = shapes.map(|(family, shape)| format!("{family}: {shape}")).collect();
        let (inputs, tally, problems) = replay.run(inputs, self.plan.threads, progress);
        self.problems.extend(problems);
        for (input, recording) in inputs.iter().zip(&recordings) {
            let name = input::shown(&recording.path);
            let counts = input.reader.counts();
            if input.part == 0 {
                replayed.add(&name, &counts);
            }
            self.problems.extend(evidence::problems_of(recording, &counts));
        }
        if self.failed() {
            return None;
        }
        let rank = |pop: Option<crate::model::NameId>| pop.map(|pop| names.name(pop));
        let tally = tally.finish(&rank);
        replayed.newest = tally.newest_aged.values().map(|newest| Timestamp(newest.last_ns)).max();
        replayed.newest_by_file = tally
            .newest_aged
            .iter()
            .map(|(rank, newest)| (replayed.files[*rank as usize].clone(), *newest))
            .collect();
        replayed.tally = tally;
        let owned = replayed.tally.ends.values().iter().any(|ends| {
            attribution.charged(ends) != [crate::attribution::Party::Unowned]
                || !ends.protected.is_empty()
        });
        let unowned_is_judged = !judges.prefixes.is_empty();
        if !owned && !unowned_is_judged {
            self.problems.push(
                Diagnostic::bare("no recorded packet is to or from anyone in the inventory")
                    .help("the inventory and the recording are not of the same network"),
            );
            return None;
        }
        Some(replayed)
    }

    //-------- Reporting

    fn candidate_name(&self) -> String {
        let paths = self.plan.rules.iter().map(|path| input::shown(path)).collect::<Vec<_>>();
        let index = if self.plan.staged { " (git index)" } else { "" };
        paths.join(", ") + index
    }

    fn cannot_judge(&mut self) -> Report {
        let errors =
            self.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        let first = self.problems.iter().find(|problem| problem.severity == Severity::Error);
        let next = first.and_then(|problem| problem.help.clone());
        let first = first.map(|problem| problem.message.clone());
        let summary = match errors {
            0 | 1 => first,
            several => first.map(|first| format!("{several} problems; the first: {first}")),
        };
        let is_lint = self.plan.command == Command::Lint;
        Report {
            command: self.plan.command,
            verdict: Verdict::CannotJudge,
            summary: summary.unwrap_or_else(|| "the materials cannot be used".to_owned()),
            change: ChangeSummary {
                running: self.running.clone(),
                candidate: self.candidate_name(),
                notes: std::mem::take(&mut self.notes),
                ..ChangeSummary::default()
            },
            picture: report::Picture::default(),
            customers: Vec::new(),
            rules: Vec::new(),
            limits: Vec::new(),
            attack: Vec::new(),
            strict: self.plan.strict,
            waivers: Vec::new(),
            findings: Vec::new(),
            unchanged: Vec::new(),
            evidence: report::Evidence::default(),
            scenarios: if is_lint { Vec::new() } else { vec![RECORDED.to_owned()] },
            problems: std::mem::take(&mut self.problems),
            sources: std::mem::take(&mut self.sources),
            next,
        }
    }
}

/// Names the one next step.
fn next(verdict: Verdict, findings: &[crate::finding::Finding]) -> Option<String> {
    match verdict {
        Verdict::Pass => None,
        Verdict::Fail | Verdict::CannotJudge => {
            let first = findings.iter().find(|finding| !finding.waived)?;
            Some(match &first.help {
                Some(help) => format!("{help}; `blastgate explain {}`", first.guardrail),
                None => format!("`blastgate explain {}`", first.guardrail),
            })
        }
    }
}
