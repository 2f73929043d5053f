//! How far reading has come, for people who wait.

use std::sync::atomic::{AtomicU64, Ordering};

use super::When;

/// How many records lie between two ticks of progress where nobody is looking.
const TICK: u64 = 5_000_000;

/// Shows how far reading has come: a line that renews itself on a terminal, plain ticks elsewhere.
pub(super) struct Progress {
    bar: Option<indicatif::ProgressBar>,
    ticks: bool,
    records: AtomicU64,
}

impl Progress {
    /// Makes one; `is_terminal` says whether someone is looking.
    pub(super) fn new(when: When, is_terminal: bool, quiet: bool) -> Progress {
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

    /// Notes that so many more records were read.
    pub(super) fn add(&self, records: u64) {
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
