//! `blastgate check`: the gate.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

pub(super) use super::arguments::CheckArguments;
use super::{When, here, is_terminal, open_outputs, plan, style, write};
use crate::run;

/// How many records lie between two ticks of progress where nobody is looking.
const TICK: u64 = 5_000_000;

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
    let targets = open_outputs(&arguments.output, arguments.save.as_ref(), &plan.inputs())?;
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
