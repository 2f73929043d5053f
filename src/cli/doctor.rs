//! `blastgate doctor`: what would be used, and whether it can be.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::arguments::{RuleArguments, TrafficArguments};
use super::bounds::Bounds;
use super::progress::Progress;
use super::{here, is_terminal, plan, print, style};
use crate::input::Output;
use crate::model::units::percent;
use crate::reports::{diagnostics, doctor as forms};
use crate::result::doctor::Setting;
use crate::run::{self, Plan, Watch};

/// What `doctor` takes: what `check` does.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct DoctorArguments {
    #[command(flatten)]
    rules: RuleArguments,
    #[command(flatten)]
    traffic: TrafficArguments,
}

const AFTER: &str = "\
Reads rules, inventory and all traffic as `check` does, and says of each what it is, how old and
how large, how it was sampled, what could not be read, and whose it is. Judges nothing.

Output forms: text and json, each with =FILE if wanted.

Exit codes: 0 all of it can be used; 2 usage or config; 3 something is missing, unreadable, empty,
too old, or of another network.";

/// The forms, each with its file; none is standard output.
fn outputs(rules: &RuleArguments) -> Result<Vec<(bool, Option<Output>)>> {
    let mut outputs = Vec::new();
    let saved = rules.save.iter().map(|path| format!("json={}", path.display()));
    for one in rules.output.iter().cloned().chain(saved) {
        let (name, path) = match one.split_once('=') {
            Some((name, path)) => (name, Some(path)),
            None => (one.as_str(), None),
        };
        let is_json = match name {
            "text" => false,
            "json" => true,
            other => bail!("doctor has no output form `{other}`; known: text, json"),
        };
        let open = |path: &str| {
            Output::open(path.as_ref()).with_context(|| format!("cannot write {path}"))
        };
        outputs.push((is_json, path.map(open).transpose()?));
    }
    if outputs.is_empty() {
        outputs.push((false, None));
    }
    if outputs.iter().filter(|(_, file)| file.is_none()).count() > 1 {
        bail!("only one output can go to standard output; give the others a file: `-o json=FILE`");
    }
    Ok(outputs)
}

pub(super) fn run(arguments: &DoctorArguments) -> Result<u8> {
    let DoctorArguments { rules, traffic } = arguments;
    let bounds = Bounds::new(rules)?;
    let outputs = outputs(rules)?;
    let (out, errors) = is_terminal();
    let verbose = rules.verbose > 0;
    let shown = style(rules.color, out, rules.quiet, verbose);
    let error_style = style(rules.color, errors, rules.quiet, verbose);
    let plan = match plan::plan(rules, Some(traffic), &here()?)? {
        Ok(plan) => plan,
        Err((problems, sources)) => {
            for problem in &problems {
                let text = diagnostics::render(problem, &sources, error_style);
                anstream::eprintln!("{text}\n");
            }
            bail!("the config cannot be used");
        }
    };
    let settings = settings(arguments, &plan);
    let (watch, watched) = (Arc::new(Watch::new()), plan.clone());
    let in_run = Arc::clone(&watch);
    let (when, quiet) = (traffic.progress, rules.quiet);
    let found = bounds.within(&watch, move || {
        let progress = Progress::new(when, errors, quiet, &in_run);
        run::doctor(plan, &in_run, &|records| progress.add(records))
    })?;
    let mut found = match found {
        Ok(found) => found,
        Err(why) => run::doctor_stopped(watched, *why),
    };
    found.doctor.settings = settings;
    for problem in &found.problems {
        let text = diagnostics::render(problem, &found.sources, error_style);
        // Standard error may be closed; the exit code still counts.
        let _ = writeln!(anstream::stderr(), "{text}\n");
    }
    for (is_json, file) in outputs {
        let mut content = Vec::new();
        let plain =
            if file.is_some() { crate::reports::Style { color: false, ..shown } } else { shown };
        match is_json {
            true => forms::json(&found.doctor, &mut content)?,
            false => forms::text(&found.doctor, plain, &mut content)?,
        }
        match file {
            Some(file) => {
                let path = file.path().display().to_string();
                file.finish(&content).with_context(|| format!("cannot write {path}"))?;
            }
            None => print(&content)?,
        }
    }
    Ok(found.doctor.exit_code)
}

/// Says what is set, and by what.
fn settings(arguments: &DoctorArguments, plan: &Plan) -> Vec<Setting> {
    let DoctorArguments { rules, traffic } = arguments;
    let config = plan.config.as_ref();
    let typed: Vec<String> =
        std::env::args_os().map(|one| one.to_string_lossy().into_owned()).collect();
    // Whatever clap knows and nobody typed came from the variable.
    let from = |flag: &str, is_said: bool, is_in_config: bool| match (is_said, config) {
        (true, _) => {
            let long = format!("--{flag}");
            let is_typed =
                typed.iter().any(|one| *one == long || one.starts_with(&format!("{long}=")));
            let variable = format!("BLASTGATE_{}", flag.to_uppercase().replace('-', "_"));
            let is_set = std::env::var_os(&variable).is_some_and(|value| !value.is_empty());
            if is_typed || !is_set { long } else { variable }
        }
        (false, Some(config)) if is_in_config => config.clone(),
        (false, _) => "default".to_owned(),
    };
    let standards = &plan.standards;
    let duration = |ns: u64| {
        let seconds = ns / 1_000_000_000;
        match seconds {
            0 => format!("{ns}ns"),
            _ if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
            _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
            _ => format!("{seconds}s"),
        }
    };
    let usual = crate::config::EvidenceConfig::default();
    let age = standards.max_traffic_age_ns;
    let rows = [
        ("max-age", duration(age), traffic.max_age.is_some(), age != usual.max_traffic_age_ns),
        (
            "min_samples",
            standards.min_samples.to_string(),
            false,
            standards.min_samples != usual.min_samples,
        ),
        (
            "max_unjudged",
            percent(standards.max_unjudged.as_f64()),
            false,
            standards.max_unjudged != usual.max_unjudged,
        ),
        (
            "window",
            duration(standards.window_ns.unsigned_abs()),
            false,
            standards.window_ns.unsigned_abs() != usual.window_ns,
        ),
        ("now", standards.now.to_string(), rules.now.is_some(), false),
        ("threads", plan.threads.to_string(), traffic.threads.is_some(), false),
    ];
    let mut settings: Vec<Setting> = Vec::new();
    if let Some(config) = config {
        let from =
            if rules.config.is_some() { from("config", true, false) } else { "found".to_owned() };
        settings.push(Setting { name: "config".to_owned(), value: config.clone(), from });
    }
    for (name, said, listed) in [
        ("rules", !rules.rules.is_empty(), &plan.rules),
        (
            "traffic",
            !traffic.traffic.is_empty(),
            &plan.traffic.iter().map(|one| one.path.clone()).collect(),
        ),
        (
            "inventory",
            !rules.inventory.is_empty(),
            &plan.inventory.iter().map(|one| one.path.clone()).collect(),
        ),
    ] {
        let paths: Vec<String> = listed.iter().map(|path| crate::input::shown(path)).collect();
        let from = match (name, from(name, said, true)) {
            ("rules", flag) if flag == "--rules" => "command line".to_owned(),
            (_, from) => from,
        };
        if !paths.is_empty() {
            settings.push(Setting { name: name.to_owned(), value: paths.join(", "), from });
        }
    }
    settings.extend(rows.into_iter().map(|(name, value, is_said, is_in_config)| Setting {
        name: name.to_owned(),
        value,
        from: from(name, is_said, is_in_config),
    }));
    settings
}
