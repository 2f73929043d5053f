//! `blastgate check`: the gate.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use clap::{ArgAction, Args};

use super::{When, here, is_terminal, open_outputs, plan, style, write};
use crate::run;

/// How many records lie between two ticks of progress where nobody is looking.
const TICK: u64 = 5_000_000;

/// What `check` takes, as typed.
#[derive(Args, Debug)]
pub(super) struct CheckArguments {
    /// Rule files or folders: the candidate rule set [default: the config's].
    #[arg(value_name = "RULES", env = "BLASTGATE_RULES", value_delimiter = '\n')]
    pub(super) rules: Vec<PathBuf>,

    /// The rule set in force now: a file or folder. Without it every rule is judged as if new.
    #[arg(long, value_name = "PATH", env = "BLASTGATE_RUNNING", help_heading = "Materials")]
    pub(super) running: Option<PathBuf>,

    /// The rule language, when it cannot be told from the file.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_LANGUAGE", help_heading = "Materials")]
    pub(super) language: Option<String>,

    /// Customers and infrastructure; repeat for several.
    #[arg(
        long,
        value_name = "FILE",
        env = "BLASTGATE_INVENTORY",
        value_delimiter = '\n',
        help_heading = "Materials"
    )]
    pub(super) inventory: Vec<PathBuf>,

    /// Recorded traffic, `-` for standard input; repeat for several.
    #[arg(
        long,
        value_name = "FILE",
        env = "BLASTGATE_TRAFFIC",
        value_delimiter = '\n',
        help_heading = "Materials"
    )]
    pub(super) traffic: Vec<PathBuf>,

    /// The form of the traffic, when it cannot be told from the file.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_FORMAT", help_heading = "Traffic")]
    pub(super) format: Option<String>,

    /// The PoP of records that do not name one.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_POP", help_heading = "Traffic")]
    pub(super) pop: Option<String>,

    /// The direction of records that do not name one: ingress or egress.
    #[arg(long, value_name = "WAY", env = "BLASTGATE_DIRECTION", help_heading = "Traffic")]
    pub(super) direction: Option<String>,

    /// One record stands for N packets.
    #[arg(long, value_name = "N", env = "BLASTGATE_SAMPLING", help_heading = "Traffic",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) sampling: Option<u32>,

    /// What all of the traffic is: attack or legit.
    #[arg(long, value_name = "LABEL", env = "BLASTGATE_LABEL", help_heading = "Traffic")]
    pub(super) label: Option<String>,

    /// Look through GRE, IP-in-IP, VXLAN and Geneve at the inner packet.
    #[arg(long, env = "BLASTGATE_INNER", help_heading = "Traffic")]
    pub(super) inner: bool,

    /// Refuse recordings older than this [default: 7d].
    #[arg(long, value_name = "DURATION", env = "BLASTGATE_MAX_AGE", help_heading = "Judging")]
    pub(super) max_age: Option<String>,

    /// The clock for expiry and age, as RFC 3339 [default: now].
    #[arg(long, value_name = "TIME", env = "BLASTGATE_NOW", help_heading = "Judging")]
    pub(super) now: Option<String>,

    /// Warnings about rules that the change touches fail too.
    #[arg(long, env = "BLASTGATE_STRICT", help_heading = "Judging")]
    pub(super) strict: bool,

    /// Output form: text, json; `FORM=FILE` writes a file. Repeat for several.
    #[arg(
        short,
        long,
        value_name = "FORM[=FILE]",
        env = "BLASTGATE_OUTPUT",
        value_delimiter = '\n',
        help_heading = "Output"
    )]
    pub(super) output: Vec<String>,

    /// Save the whole result as JSON.
    #[arg(long, value_name = "FILE", env = "BLASTGATE_SAVE", help_heading = "Output")]
    pub(super) save: Option<PathBuf>,

    /// Colour.
    #[arg(long, value_enum, default_value_t, env = "BLASTGATE_COLOR", help_heading = "Output")]
    pub(super) color: When,

    /// Progress while traffic is read.
    #[arg(long, value_enum, default_value_t, env = "BLASTGATE_PROGRESS", help_heading = "Output")]
    pub(super) progress: When,

    /// Print the verdict only.
    #[arg(short, long, env = "BLASTGATE_QUIET", help_heading = "Output")]
    pub(super) quiet: bool,

    /// Print everything, not one screen.
    #[arg(short, long, action = ArgAction::Count, help_heading = "Output")]
    pub(super) verbose: u8,

    /// The config [default: `blastgate.yaml`, from here upwards to the first folder with `.git`].
    #[arg(
        long,
        value_name = "FILE",
        env = "BLASTGATE_CONFIG",
        conflicts_with = "no_config",
        help_heading = "Materials"
    )]
    pub(super) config: Option<PathBuf>,

    /// Use no config.
    #[arg(long, env = "BLASTGATE_NO_CONFIG", help_heading = "Materials")]
    pub(super) no_config: bool,

    /// How many threads count [default: one a core].
    #[arg(long, value_name = "N", env = "BLASTGATE_THREADS", help_heading = "Judging",
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,

    /// How many records go into a batch.
    #[arg(long, value_name = "N", env = "BLASTGATE_BATCH", hide = true,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) batch: Option<u32>,
}

pub(super) fn run(arguments: CheckArguments) -> Result<u8> {
    let (out, errors) = is_terminal();
    let verbose = arguments.verbose > 0;
    let shown = style(arguments.color, out, arguments.quiet, verbose);
    let error_style = style(arguments.color, errors, arguments.quiet, verbose);
    let plan = match plan::plan(&arguments, &here()?)? {
        Ok(plan) => plan,
        Err((problems, sources)) => {
            for problem in &problems {
                let text = crate::reports::diagnostics::render(problem, &sources, error_style);
                anstream::eprintln!("{text}\n");
            }
            anyhow::bail!("the config cannot be used");
        }
    };
    let targets = open_outputs(&arguments.output, arguments.save.as_ref())?;
    let report = {
        let progress = Progress::new(arguments.progress, errors, arguments.quiet);
        run::check(plan, &|records| progress.add(records))
    };
    write(&report, targets, shown, error_style)?;
    Ok(report.verdict.exit_code())
}

/// Shows how far reading has come: a line that renews itself on a terminal, plain ticks elsewhere.
struct Progress {
    bar: Option<indicatif::ProgressBar>,
    ticks: bool,
    records: AtomicU64,
}

impl Progress {
    fn new(when: When, is_terminal: bool, quiet: bool) -> Progress {
        let wanted = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => !quiet,
        };
        let bar = (wanted && is_terminal).then(|| {
            let style = indicatif::ProgressStyle::with_template("{human_pos} records, {per_sec}")
                .unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner());
            let bar = indicatif::ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(std::time::Duration::from_millis(200));
            bar
        });
        Progress { ticks: wanted && !is_terminal, bar, records: AtomicU64::new(0) }
    }

    fn add(&self, records: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(records);
            return;
        }
        let before = self.records.fetch_add(records, Ordering::Relaxed);
        if self.ticks && before / TICK != (before + records) / TICK {
            anstream::eprintln!("read {} records", (before + records) / TICK * TICK);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
