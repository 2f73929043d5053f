//! Records through both rule sets in one pass, counted and attributed.
//!
//! [`pipeline`] brings the records here: workers count them into tallies of their own, which are
//! merged; results do not depend on how many there are.

mod pipeline;
mod places;
mod worker;

use std::collections::BTreeSet;

use crate::attribution::Attribution;
use crate::matcher::{Matcher, Test};
use crate::model::{Label, NameId, RateLimit, RuleSet};
use crate::scenario::Moves;
use crate::traffic::TrafficReader;

/// How many `attack_match`es one run can tell apart.
pub const MAX_ATTACK_MATCHES: usize = 30;

/// What replay needs to know.
pub struct Replay<'a> {
    /// Owners.
    pub attribution: &'a Attribution<'a>,
    /// The compiled running and candidate rules.
    pub matcher: Matcher,
    /// The rate limit of every running and candidate rule.
    pub limits: [Vec<Option<RateLimit>>; 2],
    /// The limit of every candidate rule as it would be if it were keyed by destination, if it
    /// could be.
    pub keyed: Vec<Option<RateLimit>>,
    /// The `attack_match`es of intents; at most [`MAX_ATTACK_MATCHES`].
    pub attack: Vec<Test>,
    /// What labels records that carry none; the first that holds decides.
    pub labels: Vec<(Label, Test)>,
    /// Ports that name a service besides the well-known ones.
    pub named_ports: Vec<u16>,
    /// Length of a window.
    pub window_ns: i64,
    /// The PoPs of the inventory, if it lists any.
    pub pops: Option<BTreeSet<NameId>>,
    /// The PoPs of which the inventory lists more than one exporter.
    pub many_routers: BTreeSet<NameId>,
    /// What scenarios move.
    pub moves: Moves,
}

/// A recording to read.
pub struct Input {
    /// Its reader.
    pub reader: Box<dyn TrafficReader>,
    /// Its rank by name: breaks ties in time.
    pub rank: u32,
    /// What it is part of ([`Key::part`]); the recording, which is zero, comes first.
    pub part: u16,
}

/// What was done since the last time that it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many records were read.
    pub records: u64,
    /// By how many more sums a worker counts them.
    pub sums: u64,
    /// How many of them meet a rate limit, and are kept.
    pub offers: u64,
}

/// What records inherit from their recording.
#[derive(Clone, Copy)]
struct Origin {
    rank: u32,
    even: bool,
    aged: bool,
    part: u16,
    shift_ns: i64,
}

/// Returns the rate limits of a rule set, rule by rule.
pub fn limits(set: &RuleSet) -> Vec<Option<RateLimit>> {
    set.limits()
}

/// Returns the rate limits of a rule set as they would be if keyed by destination.
pub fn keyed(set: &RuleSet) -> Vec<Option<RateLimit>> {
    let limits = limits(set).into_iter();
    limits.map(|limit| limit.as_ref().and_then(RateLimit::per_destination)).collect()
}
