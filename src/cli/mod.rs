//! The command line: what was typed, and what becomes of it. One file a command.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Parser, Subcommand, ValueEnum};

use crate::input::{self, Output};
use crate::report::Report;
use crate::reports::{self, Style, diagnostics};
use crate::run::{self, Plan, Watch};
use arguments::{RuleArguments, TrafficArguments};
use bounds::Bounds;

mod arguments;
mod bounds;
mod check;
mod convert;
mod explain;
mod lint;
mod plan;
mod trace;

/// The smoke test for network and DDoS mitigation rules.
#[derive(Debug, Parser)]
#[command(name = "blastgate", version, about, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 PASS, 1 FAIL, 2 usage or config, 3 CANNOT JUDGE.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a change: does it hurt anyone it was not meant to hurt, and does it do its job?
    Check(Box<check::CheckArguments>),
    /// Judge the rules by themselves, without traffic: do they parse, and make sense?
    Lint(Box<lint::LintArguments>),
    /// Trace one packet, or every record of a recording, through the rules.
    Trace(Box<trace::TraceArguments>),
    /// Write the rules in another language, where that is exact.
    Convert(Box<convert::ConvertArguments>),
    /// Explain a guardrail: what it catches, why, an example, and what to do.
    Explain(explain::ExplainArguments),
}

/// When to do something for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum When {
    /// If someone is looking.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// Runs the program and returns its exit code. An error is one of usage, config or output.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Result<u8> {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; the rest is usage.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            error.print().context("cannot print")?;
            return Ok(code);
        }
    };
    match arguments.command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
    }
}

/// Plans, judges and writes. What judges is told whether standard error is a terminal.
fn judge(
    rules: &RuleArguments,
    traffic: Option<&TrafficArguments>,
    run: impl FnOnce(Plan, bool, Arc<Watch>) -> Report + Send + 'static,
) -> Result<u8> {
    let bounds = Bounds::new(rules)?;
    let (out, errors) = is_terminal();
    let verbose = rules.verbose > 0;
    let shown = style(rules.color, out, rules.quiet, verbose);
    let error_style = style(rules.color, errors, rules.quiet, verbose);
    let plan = match plan::plan(rules, traffic, &here()?)? {
        Ok(plan) => plan,
        Err((problems, sources)) => {
            for problem in &problems {
                let text = diagnostics::render(problem, &sources, error_style);
                anstream::eprintln!("{text}\n");
            }
            bail!("the config cannot be used");
        }
    };
    let targets = open_outputs(&rules.output, rules.save.as_ref(), &plan.inputs())?;
    let (watch, watched) = (Arc::new(Watch::new()), plan.clone());
    let in_run = Arc::clone(&watch);
    let report = match bounds.within(&watch, move || run(plan, errors, in_run))? {
        Ok(report) => report,
        Err(why) => run::stopped(watched, *why),
    };
    write(&report, targets, shown, error_style)?;
    Ok(report.verdict.exit_code())
}

/// Where one output goes.
struct Target {
    form: &'static reports::Form,
    file: Option<Output>,
}

/// Opens the outputs, so that one that cannot be written is found before the work starts.
fn open_outputs(
    wanted: &[String],
    save: Option<&PathBuf>,
    inputs: &[&PathBuf],
) -> Result<Vec<Target>> {
    let form = |name: &str| {
        let known = reports::FORMS.iter().copied();
        known.clone().find(|form| form.name == name).ok_or_else(|| {
            let names: Vec<&str> = known.map(|form| form.name).collect();
            match crate::yaml::nearest(name, names.iter().copied()) {
                Some(near) => anyhow!("unknown output form `{name}`; did you mean `{near}`?"),
                None => anyhow!("unknown output form `{name}`; known: {}", names.join(", ")),
            }
        })
    };
    let mut opened: Vec<PathBuf> = Vec::new();
    let mut open = |path: &str| {
        let file = PathBuf::from(path);
        if inputs.iter().any(|input| input::is_same_file(input, &file)) {
            bail!("cannot write {path}: it is read as well, and would be lost");
        }
        if opened.iter().any(|other| input::is_same_file(other, &file)) {
            bail!("cannot write {path}: two outputs go there");
        }
        let output = Output::open(&file).with_context(|| format!("cannot write {path}"))?;
        opened.push(file);
        Ok(output)
    };
    let mut targets = Vec::new();
    for one in wanted {
        let (name, path) = match one.split_once('=') {
            Some((name, path)) => (name, Some(path)),
            None => (one.as_str(), None),
        };
        let form = form(name)?;
        targets.push(Target { form, file: path.map(&mut open).transpose()? });
    }
    if targets.is_empty() {
        targets.push(Target { form: form("text")?, file: None });
    }
    if targets.iter().filter(|target| target.file.is_none()).count() > 1 {
        bail!("only one output can go to standard output; give the others a file: `-o json=FILE`");
    }
    if let Some(path) = save {
        let file = Some(open(&path.display().to_string())?);
        targets.push(Target { form: form("json")?, file });
    }
    Ok(targets)
}

/// Writes a report to all its targets, and the problems to standard error.
fn write(report: &Report, targets: Vec<Target>, style: Style, error_style: Style) -> Result<()> {
    let mut errors = io::stderr().lock();
    for problem in &report.problems {
        let text = diagnostics::render(problem, &report.sources, error_style);
        // Standard error may be closed; the verdict still counts.
        let _ = writeln!(errors, "{text}\n");
    }
    drop(errors);
    for target in targets {
        match target.file {
            Some(file) => {
                let plain = Style { color: false, ..style };
                let mut content = Vec::new();
                (target.form.write)(report, plain, &mut content)?;
                file.finish(&content).context("cannot write an output")?;
            }
            None => {
                let mut content = Vec::new();
                (target.form.write)(report, style, &mut content)?;
                let mut out = io::stdout().lock();
                let written = out.write_all(&content).and_then(|()| out.flush());
                match written {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                    other => other.context("cannot write to standard output")?,
                }
            }
        }
    }
    Ok(())
}

/// Returns how output to a stream may look.
fn style(color: When, is_terminal: bool, quiet: bool, verbose: bool) -> Style {
    let wanted = match color {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
            let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
            !set("NO_COLOR") && (forced || (is_terminal && !dumb))
        }
    };
    Style { color: wanted, verbose, quiet, unicode: is_unicode() }
}

/// Returns whether the locale can show more than ASCII (POSIX: LC_ALL, LC_CTYPE, LANG, in this
/// order; the first that is set decides).
fn is_unicode() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

fn is_terminal() -> (bool, bool) {
    (io::stdout().is_terminal(), io::stderr().is_terminal())
}

/// Returns the folder from which a config is looked for.
fn here() -> Result<PathBuf> {
    input::current_folder().context("cannot find the current folder")
}
