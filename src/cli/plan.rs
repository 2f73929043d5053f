//! What was typed and what the config says, checked and joined into a plan.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};

use super::arguments::{RuleArguments, TrafficArguments};
use crate::config::{
    self, Config, Drops, InventoryConfig, Observed, RedirectEffect, ScenarioConfig, ScenarioKind,
};
use crate::guardrails::Standards;
use crate::input;
use crate::inventory;
use crate::languages::{self, Language, Way, native};
use crate::model::{
    Diagnostic, Direction, Label, RecordBatch, Severity, Sources, Spanned, Timestamp,
};
use crate::report::Command;
use crate::run::{InventoryFile, Plan, Recording, Running, WhatIf};
use crate::traffic;
use crate::words;
use crate::yaml::nearest;

/// What is wrong with a config, and the text that it points into.
type ConfigProblems = (Vec<Diagnostic>, Sources);

/// Makes the plan of a check, or, where nothing may be said of traffic, of a lint: then what the
/// config says of it is passed over. The outer error is one of usage; the inner one of the config.
pub(super) fn plan(
    arguments: &RuleArguments,
    traffic: Option<&TrafficArguments>,
    here: &Path,
) -> Result<std::result::Result<Plan, ConfigProblems>> {
    let mut sources = Sources::new();
    let found = find(arguments, here)?;
    let shown = found.as_deref().map(input::shown);
    let (config, folder) = match found {
        Some(path) => {
            let text = input::text(&path)?;
            let source = sources.add(input::shown(&path), text.as_str());
            let (config, problems) =
                config::parse(source, &text, &mut native::parse_match, &mut native::parse_intent);
            let broken = problems.iter().any(|problem| problem.severity == Severity::Error);
            match config {
                Some(config) if !broken => {
                    (config, path.parent().map(Path::to_owned).unwrap_or_default())
                }
                _ => return Ok(Err((problems, sources))),
            }
        }
        None => (Config::default(), PathBuf::new()),
    };
    let inside = |path: &Spanned<String>| {
        if path.value == "-" { PathBuf::from("-") } else { folder.join(&path.value) }
    };

    let mut rules = arguments.rules.clone();
    if rules.is_empty()
        && let Some(of_config) = &config.rules
    {
        rules = of_config.paths.iter().map(inside).collect();
    }
    if rules.is_empty() {
        bail!("no rules are named; name files or folders, or put them into `blastgate.yaml`");
    }
    let of_config = config.rules.as_ref().and_then(|rules| rules.language.as_ref());
    let language = arguments.language.as_deref().or(of_config.map(|name| name.value.as_str()));
    let inventory = inventories(arguments, &config, &inside)?;
    let waivers = if arguments.waivers.is_empty() {
        config.waivers.iter().map(inside).collect()
    } else {
        arguments.waivers.clone()
    };
    // What is said to be legitimate is an exception to what is said to be attack.
    let legit = config.labels.legit.iter().map(|one| (Label::Legit, one.clone()));
    let attack = config.labels.attack.iter().map(|one| (Label::Attack, one.clone()));
    let threads = match traffic.and_then(|traffic| traffic.threads) {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let batch = traffic.and_then(|traffic| traffic.batch);
    let max_age = traffic.and_then(|traffic| traffic.max_age.as_deref());
    let (recordings, scenarios) = match traffic {
        Some(traffic) => {
            (recordings(traffic, &config, &inside)?, scenarios(traffic, &config, &inside)?)
        }
        None => (Vec::new(), Vec::new()),
    };
    Ok(Ok(Plan {
        command: if traffic.is_some() { Command::Check } else { Command::Lint },
        config: shown,
        texts: Vec::new(),
        staged: arguments.staged,
        running: running(arguments, &rules)?,
        rules,
        language: language.map(language_named).transpose()?,
        way: way(arguments, &config)?,
        way_is_named: arguments.path.is_some()
            || config.rules.as_ref().is_some_and(|rules| rules.path.is_some()),
        intents: config.intents.iter().map(|one| (inside(&one.file), one.clone())).collect(),
        inventory,
        vrf: arguments.vrf.clone().or(config.vrf.as_ref().map(|name| name.value.clone())),
        waivers,
        is_whole: arguments.rules.is_empty(),
        traffic: recordings,
        scenarios,
        labels: legit.chain(attack).collect(),
        clean: config
            .redirects
            .iter()
            .filter(|redirect| redirect.effect == RedirectEffect::Clean)
            .map(|redirect| redirect.name.value.clone())
            .collect(),
        named_ports: config.services.iter().map(|port| port.value).collect(),
        standards: standards(arguments.now.as_deref(), max_age, &config)?,
        strict: arguments.strict,
        threads,
        batch: batch.map_or(RecordBatch::CAPACITY, |batch| batch as usize),
        notes: Vec::new(),
        problems: Vec::new(),
        sources,
    }))
}

/// Finds the config: the one named, or the nearest from here upwards.
fn find(arguments: &RuleArguments, here: &Path) -> Result<Option<PathBuf>> {
    if arguments.no_config {
        return Ok(None);
    }
    if let Some(path) = &arguments.config {
        return Ok(Some(path.clone()));
    }
    let Some(found) = input::find_upwards(here, config::FILE_NAME) else { return Ok(None) };
    // Shown as the user would type it from here.
    let folder = found.parent().unwrap_or(here);
    let depth = here.ancestors().take_while(|ancestor| *ancestor != folder).count();
    let mut relative = PathBuf::new();
    (0..depth).for_each(|_| relative.push(".."));
    Ok(Some(relative.join(config::FILE_NAME)))
}

/// Returns where the running rules are; clap lets no two of the flags through.
fn running(arguments: &RuleArguments, rules: &[PathBuf]) -> Result<Running> {
    let flags = [("--base", &arguments.base), ("--merge-base", &arguments.merge_base)];
    for (flag, revision) in flags {
        if revision.as_ref().is_some_and(|revision| revision.trim().is_empty()) {
            bail!("{flag}: no revision is named; name a commit, branch or tag");
        }
    }
    let running = match (&arguments.running, &arguments.base, &arguments.merge_base) {
        (Some(path), ..) => Running::Path(path.clone()),
        (None, Some(revision), _) => Running::Base(revision.clone()),
        (None, None, Some(revision)) => Running::MergeBase(revision.clone()),
        (None, None, None) if arguments.staged => Running::Head,
        (None, None, None) => Running::Nothing,
    };
    let by_git = arguments.staged || !matches!(running, Running::Nothing | Running::Path(_));
    if by_git && rules.iter().any(|path| path.as_os_str() == "-") {
        bail!("rules from standard input are in no git repository; name files or folders");
    }
    Ok(running)
}

fn language_named(name: &str) -> Result<&'static Language> {
    let known = languages::LANGUAGES.iter().copied();
    known
        .clone()
        .find(|language| language.name == name)
        .ok_or_else(|| unknown("rule language", name, known.map(|language| language.name)))
}

/// Joins what flags and config say of how packets come by the rules.
fn way(arguments: &RuleArguments, config: &Config) -> Result<Way> {
    let rules = config.rules.as_ref();
    let said = |flag: &Option<String>, of_config: Option<&Spanned<String>>| {
        flag.clone().or(of_config.map(|word| word.value.clone()))
    };
    let path = said(&arguments.path, rules.and_then(|rules| rules.path.as_ref()));
    let named = |name: String| {
        let known = languages::Path::NAMES.iter();
        known
            .clone()
            .find(|(known, _)| *known == name)
            .map(|(_, path)| *path)
            .ok_or_else(|| unknown("path", &name, known.map(|(known, _)| *known)))
    };
    Ok(Way {
        path: path.map(named).transpose()?.unwrap_or_default(),
        iif: said(&arguments.iif, rules.and_then(|rules| rules.iif.as_ref())),
        oif: said(&arguments.oif, rules.and_then(|rules| rules.oif.as_ref())),
    })
}

fn form_named(name: &str) -> Result<&'static traffic::Form> {
    let known = traffic::FORMS.iter().copied();
    known
        .clone()
        .find(|form| form.name == name)
        .ok_or_else(|| unknown("traffic form", name, known.map(|form| form.name)))
}

fn unknown<'k>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'k str> + Clone,
) -> anyhow::Error {
    match nearest(name, known.clone()) {
        Some(near) => anyhow!("unknown {what} `{name}`; did you mean `{near}`?"),
        None => {
            let known: Vec<&str> = known.collect();
            anyhow!("unknown {what} `{name}`; known: {}", known.join(", "))
        }
    }
}

/// Joins the inventories named on the command line (else in the config) with what the flags say.
fn inventories(
    arguments: &RuleArguments,
    config: &Config,
    inside: &dyn Fn(&Spanned<String>) -> PathBuf,
) -> Result<Vec<InventoryFile>> {
    let form_named = |name: &str| {
        let known = inventory::FORMS.iter().copied();
        let found = known.clone().find(|form| form.name == name);
        found.ok_or_else(|| unknown("inventory form", name, known.map(|form| form.name)))
    };
    let form = arguments.inventory_format.as_deref().map(form_named).transpose()?;
    let plain = |path: &PathBuf| InventoryFile {
        path: path.clone(),
        form,
        customer: None,
        customer_column: None,
    };
    if !arguments.inventory.is_empty() {
        return Ok(arguments.inventory.iter().map(plain).collect());
    }
    let text = |word: &Option<Spanned<String>>| word.as_ref().map(|word| word.value.clone());
    let of_config = |one: &InventoryConfig| -> Result<InventoryFile> {
        let own = one.format.as_ref().map(|name| form_named(&name.value)).transpose()?;
        Ok(InventoryFile {
            form: form.or(own),
            customer: text(&one.customer),
            customer_column: text(&one.customer_column),
            ..plain(&inside(&one.path))
        })
    };
    config.inventory.iter().map(of_config).collect()
}

/// Joins the recordings named on the command line (else in the config) with what the flags say.
fn recordings(
    arguments: &TrafficArguments,
    config: &Config,
    inside: &dyn Fn(&Spanned<String>) -> PathBuf,
) -> Result<Vec<Recording>> {
    let label = match arguments.label.as_deref() {
        None => None,
        Some("attack") => Some(Label::Attack),
        Some("legit") => Some(Label::Legit),
        Some(other) => bail!("unknown label `{other}`; it is `attack` or `legit`"),
    };
    let direction = match arguments.direction.as_deref() {
        None => None,
        Some("ingress") => Some(Direction::Ingress),
        Some("egress") => Some(Direction::Egress),
        Some(other) => bail!("unknown direction `{other}`; it is `ingress` or `egress`"),
    };
    let form = arguments.format.as_deref().map(form_named).transpose()?;
    let sampling = arguments.sampling;
    let zone = arguments.zone.as_deref().map(zone_named).transpose()?;
    let mut recordings: Vec<Recording> = Vec::new();
    if arguments.traffic.is_empty() {
        for one in &config.traffic {
            let of_config = one.format.as_ref().map(|name| form_named(&name.value)).transpose()?;
            recordings.push(Recording {
                path: inside(&one.path),
                form: form.or(of_config),
                pop: arguments.pop.clone().or(one.pop.as_ref().map(|pop| pop.value.clone())),
                direction: direction.or(one.direction),
                label: label.or(one.label),
                sampling: sampling.or(one.sampling),
                inner: arguments.inner || one.inner,
                columns: one.columns.clone().map(Arc::new),
                zone: match (&zone, &one.zone) {
                    (Some(zone), _) => Some(zone.clone()),
                    (None, Some(name)) => Some(zone_named(&name.value)?),
                    (None, None) => None,
                },
                count_drops: one.drops == Drops::Count,
                observed_after: (one.observed == Observed::After).then_some(one.path.location),
            });
        }
    } else {
        for path in &arguments.traffic {
            if recordings.iter().any(|known| input::is_same_file(&known.path, path)) {
                bail!("--traffic names {} twice; it would count twice", input::shown(path));
            }
            recordings.push(Recording {
                path: path.clone(),
                form,
                pop: arguments.pop.clone(),
                direction,
                label,
                sampling,
                inner: arguments.inner,
                columns: None,
                zone: zone.clone(),
                count_drops: false,
                observed_after: None,
            });
        }
    }
    Ok(recordings)
}

/// Returns the time zone of a name, or of an offset such as `+02:00`.
fn zone_named(name: &str) -> Result<jiff::tz::TimeZone> {
    let offset = || {
        let offset = jiff::fmt::strtime::parse("%:z", name).ok()?.offset()?;
        // No place on Earth is further away from UTC.
        let is_somewhere = offset.seconds().abs() <= 14 * 3600;
        is_somewhere.then(|| jiff::tz::TimeZone::fixed(offset))
    };
    if name == "UTC" || name == "Z" {
        return Ok(jiff::tz::TimeZone::UTC);
    }
    offset().or_else(|| jiff::tz::TimeZone::get(name).ok()).ok_or_else(|| {
        anyhow!(
            "unknown time zone `{name}`; it is a name such as `Europe/Berlin`, an offset such as \
             `+02:00`, or `UTC`"
        )
    })
}

/// Picks the scenarios that are asked for: all of the config's, unless some are named.
fn scenarios(
    arguments: &TrafficArguments,
    config: &Config,
    inside: &dyn Fn(&Spanned<String>) -> PathBuf,
) -> Result<Vec<WhatIf>> {
    let known = || config.scenarios.iter().map(|one| one.name.value.as_str());
    for name in &arguments.scenario {
        if !known().any(|known| known == name) {
            return Err(unknown("scenario", name, known().collect::<Vec<_>>().into_iter()));
        }
    }
    let is_wanted = |one: &&ScenarioConfig| {
        arguments.scenario.is_empty() || arguments.scenario.contains(&one.name.value)
    };
    let what_if = |one: &ScenarioConfig| WhatIf {
        config: one.clone(),
        adds: match &one.kind {
            ScenarioKind::Add { path } => Some(inside(path)),
            _ => None,
        },
    };
    Ok(config.scenarios.iter().filter(is_wanted).map(what_if).collect())
}

/// Returns the time that is meant: the one named, or now.
pub(super) fn clock(now: Option<&str>) -> Result<Timestamp> {
    match now {
        Some(text) => words::time(text).map_err(|wrong| anyhow!("--now: {}", wrong.message)),
        None => {
            let now = jiff::Timestamp::now().as_nanosecond();
            Ok(Timestamp(i64::try_from(now).context("the system clock is out of range")?))
        }
    }
}

fn standards(now: Option<&str>, max_age: Option<&str>, config: &Config) -> Result<Standards> {
    let said = |flag: &str, wrong: words::Wrong| {
        let help = wrong.help.map(|help| format!("; {help}")).unwrap_or_default();
        anyhow!("{flag}: {}{help}", wrong.message)
    };
    let now = clock(now)?;
    let max_traffic_age_ns = match max_age {
        Some(text) => words::duration(text).map_err(|wrong| said("--max-age", wrong))?,
        None => config.evidence.max_traffic_age_ns,
    };
    Ok(Standards {
        now,
        max_traffic_age_ns,
        min_samples: config.evidence.min_samples,
        max_unjudged: config.evidence.max_unjudged,
        must_judge: config.evidence.must_judge.iter().map(|tier| tier.value.clone()).collect(),
        window_ns: i64::try_from(config.evidence.window_ns).context("the window is too long")?,
    })
}
