//! Judging in process: for detectors and other programs that make rules and must know, in time,
//! whether one may go out.
//!
//! ```no_run
//! use std::time::Duration;
//! use blastgate::{model::Timestamp, report::Verdict, result, run::{self, Plan, Recording}};
//!
//! let mut plan = Plan::new(Timestamp::from_seconds(1_772_366_400));
//! plan.give("detector.conf", "flow route destination 203.0.113.10/32 protocol =udp discard");
//! plan.inventory_file("inventory.yaml");
//! plan.traffic.push(Recording::plain("last-hour.pcap".into()));
//! let report = run::within(plan, Duration::from_millis(500));
//! if report.verdict == Verdict::Pass {
//!     // Announce it. Everything else, being too late included, is a no.
//! }
//! let saved = result::make(&report);
//! ```

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::{InventoryFile, Plan, Running, Watch, check, stopped};
use crate::config::EvidenceConfig;
use crate::guardrails::Standards;
use crate::languages::Way;
use crate::model::{Diagnostic, RecordBatch, Sources, Timestamp};
use crate::report::{Command, Report};

impl Plan {
    /// Makes the plan of a check that names nothing yet, with the defaults of the command line and
    /// one thread. `now` is the clock for expiry and age.
    pub fn new(now: Timestamp) -> Plan {
        let evidence = EvidenceConfig::default();
        Plan {
            command: Command::Check,
            config: None,
            rules: Vec::new(),
            texts: Vec::new(),
            staged: false,
            running: Running::Nothing,
            language: None,
            way: Way::default(),
            way_is_named: false,
            intents: Vec::new(),
            inventory: Vec::new(),
            vrf: None,
            waivers: Vec::new(),
            is_whole: false,
            traffic: Vec::new(),
            scenarios: Vec::new(),
            labels: Vec::new(),
            clean: BTreeSet::new(),
            named_ports: Vec::new(),
            standards: Standards {
                now,
                max_traffic_age_ns: evidence.max_traffic_age_ns,
                min_samples: evidence.min_samples,
                max_unjudged: evidence.max_unjudged,
                must_judge: Vec::new(),
                window_ns: i64::try_from(evidence.window_ns).unwrap_or(i64::MAX),
            },
            strict: false,
            threads: 1,
            batch: RecordBatch::CAPACITY,
            notes: Vec::new(),
            problems: Vec::new(),
            sources: Sources::new(),
        }
    }

    /// Adds rules from memory to the candidate, under a name that findings point at. The language
    /// is told from the text, unless the plan names it.
    pub fn give(&mut self, name: impl Into<PathBuf>, text: impl Into<String>) {
        let name = name.into();
        self.rules.push(name.clone());
        self.texts.push((name, text.into()));
    }

    /// Adds an inventory file, whose form is told from what is in it.
    pub fn inventory_file(&mut self, path: impl Into<PathBuf>) {
        let path = path.into();
        self.inventory.push(InventoryFile {
            path,
            form: None,
            customer: None,
            customer_column: None,
        });
    }
}

/// Judges a plan. Where that takes longer than `deadline` the verdict is CANNOT JUDGE, and what was
/// begun is left to end by itself: nobody waits for it.
pub fn within(plan: Plan, deadline: Duration) -> Report {
    let (sender, receiver) = mpsc::channel();
    let begun = plan.clone();
    let work = move || {
        // Nobody receives what comes too late.
        let _ = sender.send(check(begun, &Arc::new(Watch::new()), &|_| {}));
    };
    let why = match std::thread::Builder::new().spawn(work) {
        Err(error) => format!("cannot start a thread: {error}"),
        Ok(_) => match receiver.recv_timeout(deadline) {
            Ok(report) => return report,
            Err(RecvTimeoutError::Timeout) => format!("no verdict within {deadline:?}"),
            Err(RecvTimeoutError::Disconnected) => "the run ended without a result".to_owned(),
        },
    };
    stopped(plan, Diagnostic::bare(why).help("what is not judged must not go out"))
}
