//! What only a picture shows, as it is saved: traffic over time, the address space, and the text of
//! rules. All of it is bounded.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{SourceId, Sources};
use crate::report::{self, BlockState, Report};

/// Traffic over time, in the recording as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// When each bin begins; windows in which nothing was recorded are in none.
    pub starts: Vec<String>,
    /// How much was recorded in a bin at most, in seconds.
    pub bin_seconds: u64,
    /// The busiest PoPs, busiest first, in and out; then the others together.
    pub series: Vec<Series>,
}

/// What passes at one PoP, one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// The PoP.
    pub pop: String,
    /// Whether it goes from customers to nobody (out), rather than to customers (in).
    pub outgoing: bool,
    /// What is not attack.
    pub legitimate: Throughputs,
    /// What is.
    pub attack: Throughputs,
}

/// Bits a second (layer 3) in each bin; nothing if there is no such traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Throughputs {
    /// Offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offered: Vec<u64>,
    /// What passes the running rules, at most; left out where that is all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<u64>,
    /// What passes the candidate, at most; left out where that is what passed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    after: Vec<u64>,
}

impl Throughputs {
    /// Returns what passes the running rules.
    pub fn before(&self) -> &[u64] {
        if self.before.is_empty() { &self.offered } else { &self.before }
    }

    /// Returns what passes the candidate.
    pub fn after(&self) -> &[u64] {
        if self.after.is_empty() { self.before() } else { &self.after }
    }
}

/// One prefix of the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// The prefix.
    pub prefix: String,
    /// Whose it is; several share it.
    pub owners: Vec<String>,
    /// How many more do.
    #[serde(default)]
    pub more_owners: usize,
    /// Whether it is infrastructure.
    pub protected: bool,
    /// What becomes of its owners, the worst of them.
    pub state: BlockState,
}

/// The address space of the inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Space {
    /// Prefixes in the order of addresses: all, or those of the worst off.
    pub blocks: Vec<Block>,
    /// How many more there are.
    pub more: usize,
}

/// Returns the picture of traffic over time.
pub(super) fn timeline(of: &report::Timeline) -> Timeline {
    let throughputs = |of: &report::Throughputs| {
        let report::Throughputs { offered, before, after } = of;
        let unless = |all: &Vec<u64>, same: &Vec<u64>| {
            if all == same { Vec::new() } else { all.clone() }
        };
        Throughputs {
            offered: offered.clone(),
            before: unless(before, offered),
            after: unless(after, before),
        }
    };
    Timeline {
        starts: of.starts.iter().map(ToString::to_string).collect(),
        bin_seconds: of.bin_ns.unsigned_abs().div_ceil(1_000_000_000),
        series: of
            .series
            .iter()
            .map(|one| Series {
                pop: one.pop.clone(),
                outgoing: one.is_out,
                legitimate: throughputs(&one.legitimate),
                attack: throughputs(&one.attack),
            })
            .collect(),
    }
}

/// Returns the address space.
pub(super) fn space(of: &report::Picture) -> Space {
    let block = |block: &report::Block| Block {
        prefix: block.prefix.clone(),
        owners: block.owners.clone(),
        more_owners: block.more_owners,
        protected: block.is_protected,
        state: block.state,
    };
    Space { blocks: of.blocks.iter().map(block).collect(), more: of.more_blocks }
}

//------------ The text of rules -----------------------------------------------

/// For how many rules the text is kept, and how much of it.
const RULES: usize = 40;
const LINES: usize = 24;
const LINE: usize = 300;

/// Returns the text of rules that the change or a finding is about, by position in the report: from
/// the line at which a rule stands to that of the next.
pub(super) fn texts(report: &Report) -> BTreeMap<usize, String> {
    let change = &report.change;
    let found: HashSet<&String> =
        report.findings.iter().filter_map(|finding| finding.rule.as_ref()).collect();
    let changed: HashSet<&String> =
        [&change.added, &change.modified, &change.moved].into_iter().flatten().collect();
    let concerned = |id: &String| found.contains(id) || changed.contains(id);
    let mut starts: BTreeMap<SourceId, Vec<u32>> = BTreeMap::new();
    for rule in &report.rules {
        starts.entry(rule.location.source).or_default().push(rule.location.span.start);
    }
    starts.values_mut().for_each(|all| all.sort_unstable());
    let mut wanted: Vec<usize> = (0..report.rules.len())
        .filter(|at| change.running.is_none() || concerned(&report.rules[*at].id))
        .collect();
    // What was found something of comes first, if not all can be kept.
    if wanted.len() > RULES {
        wanted.sort_by_key(|at| !found.contains(&report.rules[*at].id));
        wanted.truncate(RULES);
    }
    let text = |at: &usize| {
        let place = report.rules[*at].location;
        let starts = starts.get(&place.source)?;
        let next = starts.iter().find(|start| **start > place.span.start).copied();
        Some((*at, excerpt(&report.sources, place.source, place.span.start, next)?))
    };
    wanted.iter().filter_map(text).collect()
}

fn excerpt(sources: &Sources, source: SourceId, start: u32, next: Option<u32>) -> Option<String> {
    let text = &sources.get(source).text;
    let line_of = |at: u32| {
        let before = text.get(..at as usize)?;
        Some(before.rfind('\n').map_or(0, |end| end + 1))
    };
    let from = line_of(start)?;
    let to = next.and_then(line_of).filter(|to| *to > from).unwrap_or(text.len());
    let lines: Vec<&str> = text.get(from..to)?.lines().take(LINES + 1).collect();
    let is_beside = |line: &&str| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line.starts_with("/*")
    };
    // Comments before the next rule are the next rule's.
    let kept = lines.iter().rposition(|line| !is_beside(line))? + 1;
    let mut kept: Vec<String> =
        lines[..kept.min(LINES)].iter().map(|line| line.chars().take(LINE).collect()).collect();
    if lines.len() > LINES {
        kept.push("…".to_owned());
    }
    Some(kept.join("\n"))
}
