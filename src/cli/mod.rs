//! The command line: what was typed, and what becomes of it. One file a command.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};

use crate::convert::TARGETS;
use crate::input;
use crate::inventory;
use crate::languages::LANGUAGES;
use crate::report::Report;
use crate::reports::{self, Style, diagnostics};
use crate::result;
use crate::run::{self, Plan, Watch};
use crate::traffic;
use arguments::{RuleArguments, TrafficArguments};
use bounds::Bounds;
use outputs::Outputs;

mod arguments;
mod bounds;
mod by_traffic;
mod check;
mod ci;
mod completions;
mod convert;
mod doctor;
mod explain;
mod init;
mod lint;
mod man;
mod outputs;
mod plan;
mod progress;
mod report;
mod schema;
mod show;
mod trace;
mod waive;

/// The smoke test for network and DDoS mitigation rules.
#[derive(Debug, Parser)]
#[command(name = "blastgate", version, about, max_term_width = 100)]
#[command(disable_version_flag = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 PASS, 1 FAIL, 2 usage or config, 3 CANNOT JUDGE.")]
struct Arguments {
    /// Print the version; with `-v`, also what this build reads and writes.
    #[arg(short = 'V', long)]
    version: bool,

    #[arg(short, long, hide = true, requires = "version")]
    verbose: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a change: does it hurt anyone it was not meant to hurt, and does it do its job?
    Check(Box<check::CheckArguments>),
    /// Judge a change where a CI system runs it: `check`, strict, against what the environment says.
    Ci(Box<ci::CiArguments>),
    /// Judge the rules by themselves, without traffic: do they parse, and make sense?
    Lint(Box<lint::LintArguments>),
    /// Trace one packet, or every record of a recording, through the rules.
    Trace(Box<trace::TraceArguments>),
    /// Say what would be judged by: what every input is, how old, how sampled, whose, and what it lacks.
    Doctor(Box<doctor::DoctorArguments>),
    /// Write the rules in another language, where that is exact.
    Convert(Box<convert::ConvertArguments>),
    /// Add a waiver to a file: accept what was found until a date, at most 90 days ahead.
    Waive(waive::WaiveArguments),
    /// Render a saved result again, in other forms.
    Report(report::ReportArguments),
    /// Drill into a saved result: one customer, one rule, one PoP.
    Show(show::ShowArguments),
    /// Print the JSON schema of what this program writes.
    Schema(schema::SchemaArguments),
    /// Write the files that a repository of rules begins with; nothing is overwritten.
    Init(init::InitArguments),
    /// Explain a guardrail: what it catches, why, an example, and what to do.
    Explain(explain::ExplainArguments),
    /// Print what a shell needs to complete commands and flags.
    Completions(completions::CompletionsArguments),
    /// Print a manual page, as roff.
    Man(man::ManArguments),
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
    let Some(command) = arguments.command else {
        print(version(arguments.verbose).as_bytes())?;
        return Ok(0);
    };
    match command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Ci(arguments) => ci::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Waive(arguments) => waive::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// Returns the version and, if wanted, what this build reads and writes.
fn version(verbose: bool) -> String {
    let mut text = format!("blastgate {}\n", env!("CARGO_PKG_VERSION"));
    if verbose {
        let rows: [(&str, Vec<&str>); 6] = [
            ("rule languages", LANGUAGES.iter().map(|one| one.name).collect()),
            ("converts to", TARGETS.iter().map(|one| one.name).collect()),
            ("traffic", traffic::FORMS.iter().map(|one| one.name).collect()),
            ("inventories", inventory::FORMS.iter().map(|one| one.name).collect()),
            ("outputs", reports::FORMS.iter().map(|one| one.name).collect()),
            ("schemas", reports::schema::SCHEMAS.iter().map(|one| one.id).collect()),
        ];
        for (what, names) in rows {
            text.push_str(&format!("{what}: {}\n", names.join(", ")));
        }
    }
    text
}

/// Plans, prepares the plan, judges and writes. What judges is told whether standard error is a terminal.
fn judge(
    rules: &RuleArguments,
    traffic: Option<&TrafficArguments>,
    prepare: impl FnOnce(&mut Plan) -> Result<()>,
    run: impl FnOnce(Plan, bool, Arc<Watch>) -> Report + Send + 'static,
) -> Result<u8> {
    let bounds = Bounds::new(rules)?;
    let (out, errors) = is_terminal();
    let verbose = rules.verbose > 0;
    let shown = style(rules.color, out, rules.quiet, verbose);
    let error_style = style(rules.color, errors, rules.quiet, verbose);
    let mut plan = match plan::plan(rules, traffic, &here()?)? {
        Ok(plan) => plan,
        Err((problems, sources)) => {
            for problem in &problems {
                let text = diagnostics::render(problem, &sources, error_style);
                anstream::eprintln!("{text}\n");
            }
            bail!("the config cannot be used");
        }
    };
    prepare(&mut plan)?;
    let outputs = Outputs::open(&rules.output, rules.save.as_ref(), &plan.inputs())?;
    let (watch, watched) = (Arc::new(Watch::new()), plan.clone());
    let in_run = Arc::clone(&watch);
    let report = match bounds.within(&watch, move || run(plan, errors, in_run))? {
        Ok(report) => report,
        Err(why) => run::stopped(watched, *why),
    };
    let mut errors = io::stderr().lock();
    for problem in &report.problems {
        let text = diagnostics::render(problem, &report.sources, error_style);
        // Standard error may be closed; the verdict still counts.
        let _ = writeln!(errors, "{text}\n");
    }
    drop(errors);
    let mut result = result::make(&report);
    outputs::place_files(&mut result)?;
    outputs.write(&result, shown)?;
    Ok(report.verdict.exit_code())
}

/// Returns an error as it may be shown: what it quotes is untrusted text.
pub fn said(error: &anyhow::Error) -> String {
    reports::clean(&format!("{error:#}"), Style { unicode: is_unicode(), ..Style::default() })
}

/// Writes to standard output; nobody left to read it is no error.
fn print(text: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
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
