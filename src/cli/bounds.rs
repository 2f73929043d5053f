//! `--deadline` and `--max-memory`: what is not judged within them is CANNOT JUDGE.
//!
//! The run has a thread of its own, and this one watches it: nothing that is slow or large needs to
//! know that there are bounds, and nothing can forget them. When a bound is met, the run is left
//! where it is, and ends with the program.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::arguments::RuleArguments;
use crate::model::Diagnostic;
use crate::model::units::grouped;
use crate::replay::Progress;
use crate::run::{Stage, Watch};
use crate::words;

/// How often memory is looked at: what is allocated between two looks comes on top.
const LOOK: Duration = Duration::from_millis(5);

/// An offer and what its buckets take, and a sum with its place in a table, in bytes: which of
/// them is the most is worth saying.
const OFFER_BYTES: u64 = 100;
const SUM_BYTES: u64 = 100;

/// What a run may use.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds {
    /// As typed, and how long it is.
    deadline: Option<(String, Duration)>,
    /// As typed, and how many bytes it is.
    memory: Option<(String, u64)>,
}

impl Bounds {
    /// Reads the bounds as typed.
    pub(super) fn new(arguments: &RuleArguments) -> Result<Bounds> {
        fn read<T>(
            flag: &str,
            text: Option<&String>,
            parse: impl Fn(&str) -> Result<T, words::Wrong>,
        ) -> Result<Option<(String, T)>> {
            let Some(text) = text else { return Ok(None) };
            let wrong = |wrong: words::Wrong| match wrong.help {
                Some(help) => anyhow!("{flag}: {}; {help}", wrong.message),
                None => anyhow!("{flag}: {}", wrong.message),
            };
            parse(text).map(|value| Some((text.clone(), value))).map_err(wrong)
        }
        let duration = |text: &str| words::duration(text).map(Duration::from_nanos);
        let bounds = Bounds {
            deadline: read("--deadline", arguments.deadline.as_ref(), duration)?,
            memory: read("--max-memory", arguments.max_memory.as_ref(), words::size)?,
        };
        if bounds.memory.is_some() {
            used_bytes().context("--max-memory: this system does not tell how much is in use")?;
        }
        Ok(bounds)
    }

    /// Does some work within the bounds. Returns what it gave, or why it was left.
    pub(super) fn within<T: Send + 'static>(
        &self,
        watch: &Arc<Watch>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Result<T, Box<Diagnostic>>> {
        if self.deadline.is_none() && self.memory.is_none() {
            return Ok(Ok(work()));
        }
        let start = Instant::now();
        let (sender, receiver) = mpsc::channel();
        let worker = std::thread::Builder::new()
            .spawn(move || {
                // Nobody receives what comes too late.
                let _ = sender.send(work());
            })
            .context("cannot start a thread")?;
        loop {
            let left =
                self.deadline.as_ref().map(|(_, length)| length.saturating_sub(start.elapsed()));
            let look = self.memory.as_ref().map(|_| LOOK);
            let wait = left.into_iter().chain(look).min().unwrap_or(LOOK);
            let result = match receiver.recv_timeout(wait) {
                Ok(result) => Some(result),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => match worker.join() {
                    Err(panic) => std::panic::resume_unwind(panic),
                    Ok(()) => return Err(anyhow!("the run ended without a result")),
                },
            };
            if let Some((text, length)) = &self.deadline
                && start.elapsed() >= *length
            {
                return Ok(Err(Box::new(too_late(text, watch))));
            }
            if let Some((text, bytes)) = &self.memory
                && used_bytes().is_some_and(|used| used > *bytes)
            {
                return Ok(Err(Box::new(too_large(text, watch))));
            }
            if let Some(result) = result {
                return Ok(Ok(result));
            }
        }
    }
}

/// Returns how much memory the program has in use, in bytes, if the system tells.
fn used_bytes() -> Option<u64> {
    memory_stats::memory_stats().map(|stats| stats.physical_mem as u64)
}

fn too_late(text: &str, watch: &Watch) -> Diagnostic {
    let help = match watch.stage() {
        Stage::Materials => "give it more time, or fewer rules and customers",
        Stage::Traffic => "give it more time, or a shorter recording",
        Stage::Impact => {
            "give it more time, a shorter recording, or fewer scenarios (`--scenario`)"
        }
        Stage::Proof | Stage::Report => "give it more time, or judge a smaller change",
    };
    let doing = doing(watch);
    Diagnostic::bare(format!("no verdict within {text} (`--deadline`): {doing}")).help(help)
}

fn too_large(text: &str, watch: &Watch) -> Diagnostic {
    let Progress { sums, offers, .. } = watch.counted();
    let keeps_offers = offers * OFFER_BYTES > sums * SUM_BYTES;
    let help = match watch.stage() {
        Stage::Materials => "allow more, or name fewer rules and customers",
        Stage::Traffic | Stage::Impact if keeps_offers => {
            "allow more, or name a shorter recording: what meets a rate limit is kept until all of \
             it is read, and every value of its key (`per`) has a bucket of its own"
        }
        Stage::Traffic => {
            "allow more, name a shorter recording, or longer windows (`evidence: {window: 15m}`)"
        }
        Stage::Impact => "allow more, or judge fewer scenarios (`--scenario`)",
        Stage::Proof | Stage::Report => "allow more, or judge a smaller change",
    };
    let doing = doing(watch);
    Diagnostic::bare(format!("the run needs more than {text} (`--max-memory`): {doing}")).help(help)
}

fn doing(watch: &Watch) -> String {
    let Progress { records, sums, offers } = watch.counted();
    let counted = || {
        let [records, sums, offers] = [records, sums, offers].map(grouped);
        format!(
            "{records} records make {sums} sums by customer, service and window, and {offers} of \
             them meet rate limits"
        )
    };
    match watch.stage() {
        Stage::Materials => "it was reading rules and inventory".to_owned(),
        Stage::Traffic => format!("it was reading traffic; so far {}", counted()),
        Stage::Impact => format!("it was working out who loses what; {}", counted()),
        Stage::Proof => "it was proving whom the change could harm".to_owned(),
        Stage::Report => "it was writing the report".to_owned(),
    }
}
