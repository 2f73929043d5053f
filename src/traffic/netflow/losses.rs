//! What an exporter says that it did not export, in its option records (RFC 7011, sections 4.2 and 4.3).

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::template::{Slot, Values};
use crate::traffic::exports::Growing;

/// How many processes are followed.
const PROCESSES: usize = 1 << 12;

/// Which process of an exporter counts.
type Process = [Option<u64>; 3];

/// The counters of the processes of a source.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Records that were not sent.
    flows: HashMap<Process, Growing, FixedState>,
    /// Packets that were not looked at.
    packets: HashMap<Process, Growing, FixedState>,
}

impl Losses {
    /// Notes what an option record says.
    pub(super) fn note(&mut self, values: &Values) {
        let process = [Slot::LineCard, Slot::MeteringProcess, Slot::ExportingProcess]
            .map(|slot| values.take(slot));
        let counters =
            [(&mut self.flows, Slot::NotSentFlows), (&mut self.packets, Slot::IgnoredPackets)];
        for (known, slot) in counters {
            if let Some(now) = values.take::<u64>(slot)
                && (known.len() < PROCESSES || known.contains_key(&process))
            {
                known.entry(process).or_insert_with(|| Growing::new(now)).note(now);
            }
        }
    }

    /// Returns how many records were not sent, and how many packets were not looked at.
    pub(super) fn sums(self) -> [u64; 2] {
        [&self.flows, &self.packets].map(|known| {
            // Sums are the same in any order.
            let mut sum: u64 = 0;
            known.values().for_each(|one| sum = sum.saturating_add(one.grown));
            sum
        })
    }
}
