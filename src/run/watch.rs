//! How far a run has come: told while it works, and asked for when it has to be stopped.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::input::Meter;
use crate::replay::Progress;

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading rules, inventory and config, and compiling them.
    Materials,
    /// Reading traffic and counting it.
    Traffic,
    /// Working out what limits take, in every scenario, and who loses what.
    Impact,
    /// Proving whom the rules could newly harm, and which rules take nothing.
    Proof,
    /// Guardrails and the report.
    Report,
}

const STAGES: [Stage; 5] =
    [Stage::Materials, Stage::Traffic, Stage::Impact, Stage::Proof, Stage::Report];

/// Where a run is; shared between the thread that works and whoever watches it.
#[derive(Debug, Default)]
pub struct Watch {
    stage: AtomicU8,
    records: AtomicU64,
    sums: AtomicU64,
    offers: AtomicU64,
    meter: Meter,
    all_bytes: AtomicU64,
}

impl Watch {
    /// Makes the watch of a run that has not begun.
    pub fn new() -> Watch {
        Watch::default()
    }

    /// Notes what the run does now.
    pub(super) fn turn_to(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Notes what was read and counted.
    pub(super) fn add(&self, progress: Progress) {
        self.records.fetch_add(progress.records, Ordering::Relaxed);
        self.sums.fetch_add(progress.sums, Ordering::Relaxed);
        self.offers.fetch_add(progress.offers, Ordering::Relaxed);
    }

    /// Returns what counts the bytes that are read.
    pub(super) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Notes how many bytes will be read.
    pub(super) fn expect(&self, bytes: u64) {
        self.all_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Returns how many bytes of the recordings were read, and how many there are; zero if nobody
    /// knows.
    pub fn bytes(&self) -> (u64, u64) {
        let all = self.all_bytes.load(Ordering::Relaxed);
        (self.meter.bytes().min(all), all)
    }

    /// Returns what the run is doing.
    pub fn stage(&self) -> Stage {
        // Only stages are ever stored.
        STAGES[usize::from(self.stage.load(Ordering::Relaxed)).min(STAGES.len() - 1)]
    }

    /// Returns how many records were read, by how many sums all threads count them, and how many
    /// of them are kept because they meet a rate limit.
    pub fn counted(&self) -> Progress {
        Progress {
            records: self.records.load(Ordering::Relaxed),
            sums: self.sums.load(Ordering::Relaxed),
            offers: self.offers.load(Ordering::Relaxed),
        }
    }
}
