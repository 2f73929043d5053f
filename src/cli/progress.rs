//! How far reading has come, for people who wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::When;
use crate::model::units::grouped;
use crate::run::Watch;

/// How many records lie between two ticks of progress where nobody is looking.
const TICK: u64 = 1_000_000;

/// Shows how far reading has come: a line that renews itself on a terminal, plain ticks elsewhere.
pub(super) struct Progress {
    bar: Option<indicatif::ProgressBar>,
    ticks: bool,
    records: AtomicU64,
    watch: Arc<Watch>,
}

impl Progress {
    /// Makes one; `is_terminal` says whether someone is looking.
    pub(super) fn new(when: When, is_terminal: bool, quiet: bool, watch: &Arc<Watch>) -> Progress {
        let wanted = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => !quiet,
        };
        let bar = (wanted && is_terminal).then(|| {
            let style = indicatif::ProgressStyle::with_template("{msg}")
                .unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner());
            let bar = indicatif::ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(std::time::Duration::from_millis(200));
            bar
        });
        let ticks = wanted && !is_terminal;
        Progress { ticks, bar, records: AtomicU64::new(0), watch: Arc::clone(watch) }
    }

    /// Notes that so many more records were read.
    pub(super) fn add(&self, records: u64) {
        let before = self.records.fetch_add(records, Ordering::Relaxed);
        let now = before + records;
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{} records{}", grouped(now), self.share()));
        } else if self.ticks && before / TICK != now / TICK {
            anstream::eprintln!("read {} records{}", now / TICK * TICK, self.share());
        }
    }

    /// Says how much of the bytes was read, if anyone knows how many there are.
    fn share(&self) -> String {
        match self.watch.bytes() {
            (_, 0) => String::new(),
            (read, all) => {
                let percent = u128::from(read) * 100 / u128::from(all);
                format!(", {percent} % of {} MB", grouped(all.div_ceil(1_000_000)))
            }
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
