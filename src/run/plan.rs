//! What to do, as data: what is read, and what counts as enough.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::what_if::WhatIf;
use crate::config::IntentConfig;
use crate::guardrails::Standards;
use crate::inventory;
use crate::languages::{Language, Way};
use crate::model::{Columns, Diagnostic, Direction, Label, Location, Match, Sampling, Sources};
use crate::report::Command;
use crate::traffic;

/// What to do: everything that the command line and the config say, checked.
#[derive(Clone)]
pub struct Plan {
    /// What is asked. For a lint there are neither recordings nor scenarios.
    pub command: Command,
    /// The config that was read, as it is shown; none if there is none.
    pub config: Option<String>,
    /// The candidate: files and folders.
    pub rules: Vec<PathBuf>,
    /// Candidate files that are not read, but handed over: their names and texts.
    pub texts: Vec<(PathBuf, String)>,
    /// Whether the candidate is what the git index has at these paths, not the working tree.
    pub staged: bool,
    /// The rules in force.
    pub running: Running,
    /// The rule language; none if it is told from the files.
    pub language: Option<&'static Language>,
    /// How packets come by the rules.
    pub way: Way,
    /// Whether the user said which way that is.
    pub way_is_named: bool,
    /// What rules are for, by the file they stand in.
    pub intents: Vec<(PathBuf, IntentConfig)>,
    /// Inventory files.
    pub inventory: Vec<InventoryFile>,
    /// The VRF whose table of the inventory is judged by; none if nobody said.
    pub vrf: Option<String>,
    /// Files of waivers.
    pub waivers: Vec<PathBuf>,
    /// Whether the candidate is all that the config names, and no part of it.
    pub is_whole: bool,
    /// Recordings.
    pub traffic: Vec<Recording>,
    /// What-if.
    pub scenarios: Vec<WhatIf>,
    /// What labels records that carry no label.
    pub labels: Vec<(Label, Match)>,
    /// Names of redirects that hand legitimate traffic on.
    pub clean: BTreeSet<String>,
    /// Ports that name a service besides the well-known ones.
    pub named_ports: Vec<u16>,
    /// What counts as enough.
    pub standards: Standards,
    /// Whether warnings fail.
    pub strict: bool,
    /// How many threads count.
    pub threads: usize,
    /// How many records go into a batch.
    pub batch: usize,
    /// What is to be known about how the plan was made.
    pub notes: Vec<String>,
    /// Problems with the plan itself that make a verdict impossible.
    pub problems: Vec<Diagnostic>,
    /// The texts read so far.
    pub sources: Sources,
}

impl Plan {
    /// Returns every path that is read.
    pub fn inputs(&self) -> Vec<&PathBuf> {
        let recordings = self.traffic.iter().map(|recording| &recording.path);
        let added = self.scenarios.iter().filter_map(|one| one.adds.as_ref());
        let running = match &self.running {
            Running::Path(path) => Some(path),
            _ => None,
        };
        let inventory = self.inventory.iter().map(|file| &file.path);
        let texts = self.rules.iter().chain(running).chain(inventory).chain(&self.waivers);
        texts.chain(recordings).chain(added).collect()
    }
}

/// Where the rules in force are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    /// Nowhere: every rule is judged as if it were new.
    Nothing,
    /// In a file or folder.
    Path(PathBuf),
    /// At the candidate's paths, at this git revision.
    Base(String),
    /// At the candidate's paths, at the merge base of this git revision and HEAD.
    MergeBase(String),
    /// At the candidate's paths, in the last commit; nowhere if there is none yet.
    Head,
}

/// An inventory file, and what the user says about it.
#[derive(Clone)]
pub struct InventoryFile {
    /// The file, or `-`.
    pub path: PathBuf,
    /// Its form, where it cannot be told from the file.
    pub form: Option<&'static inventory::Form>,
    /// Whose the prefixes are of which the file does not say it.
    pub customer: Option<String>,
    /// The column that says whose a prefix is.
    pub customer_column: Option<String>,
}

/// A recording, and what the user says about it.
#[derive(Clone)]
pub struct Recording {
    /// The file, or `-`.
    pub path: PathBuf,
    /// Its form, where it cannot be told from the file.
    pub form: Option<&'static traffic::Form>,
    /// The PoP of records that name none.
    pub pop: Option<String>,
    /// The direction of records that name none.
    pub direction: Option<Direction>,
    /// The label of all its records.
    pub label: Option<Label>,
    /// One record stands for so many.
    pub sampling: Option<Sampling>,
    /// Whether tunnels are looked through.
    pub inner: bool,
    /// What its columns are called, if it is rows.
    pub columns: Option<Arc<Columns>>,
    /// The time zone of local times in it.
    pub zone: Option<jiff::tz::TimeZone>,
    /// Whether traffic counts that a filter had dropped when it was recorded.
    pub count_drops: bool,
    /// Where it says that it was recorded after the running rules, if it was.
    pub observed_after: Option<Location>,
}

impl Recording {
    /// Makes a recording of which nothing is said but where it is.
    pub fn plain(path: PathBuf) -> Recording {
        Recording {
            path,
            form: None,
            pop: None,
            direction: None,
            label: None,
            sampling: None,
            inner: false,
            columns: None,
            zone: None,
            count_drops: false,
            observed_after: None,
        }
    }
}
