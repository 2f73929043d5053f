//! Judging by traffic, as `check` and `ci` do, and showing how far it has come.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use super::arguments::{RuleArguments, TrafficArguments};
use super::{When, judge};
use crate::run::{self, Plan};

/// How many records lie between two ticks of progress where nobody is looking.
const TICK: u64 = 5_000_000;

/// What is judged by traffic, and what is made of the plan before.
pub(super) struct Judged<'a> {
    pub(super) rules: &'a RuleArguments,
    pub(super) traffic: &'a TrafficArguments,
    pub(super) prepare: fn(&mut Plan) -> Result<()>,
}

/// Judges by traffic, and shows how far it has come.
pub(super) fn judge_by_traffic(judged: Judged<'_>) -> Result<u8> {
    let Judged { rules, traffic, prepare } = judged;
    let (when, quiet) = (traffic.progress, rules.quiet);
    judge(rules, Some(traffic), prepare, move |plan, is_terminal, watch| {
        let progress = Progress::new(when, is_terminal, quiet);
        run::check(plan, &watch, &|records| progress.add(records))
    })
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
