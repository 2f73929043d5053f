//! What `doctor` says of the materials: `blastgate/doctor/v1`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::Verdict;

/// The version of this form.
pub const SCHEMA: &str = "blastgate/doctor/v1";

/// What would be used, and whether it can be.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Doctor {
    /// Always `blastgate/doctor/v1`.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: &'static str,
    /// `pass` where all of it can be used, else `cannot_judge`.
    pub verdict: Verdict,
    /// What the run exited with: 0 or 3.
    pub exit_code: u8,
    /// Why, in one line without its full stop.
    pub summary: String,
    /// What is set, and by what.
    pub settings: Vec<Setting>,
    /// The rules.
    pub rules: Rules,
    /// The inventory.
    pub inventory: Inventory,
    /// Every recording, in the order of their names, and then what scenarios add.
    pub traffic: Vec<Traffic>,
    /// The candidate rules of which it cannot always be told whether they take a recorded packet.
    pub undecidable: Vec<Undecidable>,
    /// The networks (/24 and /48) with most of the packets that have no owner at either end.
    pub unowned: Vec<Unowned>,
    /// How many packets are of networks beyond the first million that were met; not in `unowned`.
    pub unowned_not_told_apart: u64,
}

/// A value that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Setting {
    /// What it is called.
    pub name: String,
    /// Its value.
    pub value: String,
    /// A flag, a variable, the config, or `default`.
    pub from: String,
}

/// The rules that would be judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rules {
    /// Where they are.
    pub candidate: String,
    /// Their language, if they could be read.
    pub language: Option<String>,
    /// How many files they are.
    pub files: usize,
    /// How many there are.
    pub rules: usize,
    /// Where the rules in force are, if there are any.
    pub running: Option<String>,
    /// How many those are.
    pub running_rules: usize,
}

/// The inventory that would be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Inventory {
    /// Its files, each with its form.
    pub files: Vec<Source>,
    /// The VRF that is judged, if one was named.
    pub vrf: Option<String>,
    /// Customers.
    pub customers: usize,
    /// Their prefixes.
    pub prefixes: usize,
    /// Shared entries.
    pub shared: usize,
    /// Infrastructure entries.
    pub infrastructure: usize,
    /// PoPs; none if none are listed.
    pub pops: Option<usize>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Source {
    /// Its path.
    pub path: String,
    /// What it is.
    pub form: String,
}

/// A recording.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Traffic {
    /// Its path.
    pub path: String,
    /// What it is, if that could be told.
    pub form: Option<String>,
    /// How it is compressed: gzip or zstd.
    pub compression: Option<String>,
    /// Its size on disk, in bytes; none of standard input.
    pub size_bytes: Option<u64>,
    /// The scenario that adds it, if it is no recording to judge by.
    pub scenario: Option<String>,
    /// What its form can know of a packet.
    pub knows: BTreeMap<String, String>,
    /// `before` or `after` the rules in force.
    pub observed: &'static str,
    /// Rows, frames or groups met.
    pub frames: u64,
    /// Records made of them.
    pub records: u64,
    /// Packets that were recorded.
    pub packets_recorded: u64,
    /// Packets on the wire that they stand for.
    pub packets_estimated: u64,
    /// Bytes on the wire that they stand for.
    pub bytes_estimated: u64,
    /// For how many packets a recorded one stands, from the least to the most; none without records.
    pub sampling: Option<[u32; 2]>,
    /// Records that say another rate than the one that was stated, which is taken.
    pub overridden: u64,
    /// What could not be read, by reason.
    pub unread: BTreeMap<String, u64>,
    /// The share of what was met that could not be read, 0 to 1.
    pub unread_share: f64,
    /// What is no traffic to be judged, by kind.
    pub other: BTreeMap<String, u64>,
    /// Share of packets with a known owner at an end, 0 to 1.
    pub attributed_share: f64,
    /// Share of packets of which some rule match cannot be told, 0 to 1.
    pub undecidable_share: f64,
    /// Time of the first record; none if the recording has no age.
    pub oldest: Option<String>,
    /// Time of the last record.
    pub newest: Option<String>,
    /// How old that is, in seconds; negative if it is in the future.
    pub age_seconds: Option<i64>,
    /// How much was recorded, by PoP.
    pub pops: BTreeMap<String, Covered>,
    /// How much was recorded, by the hour in which it starts.
    pub hours: BTreeMap<String, Covered>,
}

/// How much was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Covered {
    /// Records.
    pub records: u64,
    /// Packets in them.
    pub packets_recorded: u64,
    /// Packets on the wire that they stand for.
    pub packets_estimated: u64,
}

/// A rule of which it cannot always be told whether it takes a packet.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Undecidable {
    /// The id.
    pub rule: String,
    /// The file that it stands in.
    pub file: String,
    /// Its line.
    pub line: usize,
    /// What the records lack.
    pub fields: Vec<&'static str>,
    /// Packets on the wire that may meet it.
    pub packets_estimated: u64,
    /// Their share of all packets, 0 to 1.
    pub share: f64,
    /// The recordings that lack it.
    pub recordings: Vec<String>,
}

/// A network without an owner.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Unowned {
    /// The network.
    pub prefix: String,
    /// Packets on the wire to or from it.
    pub packets_estimated: u64,
    /// Their share of all packets, 0 to 1.
    pub share: f64,
}
