//! What was typed, before anything is made of it: what all commands that judge rules take, and what
//! those take that judge them by traffic.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use super::When;
use crate::model::Sampling;

/// What every command that judges rules takes, as typed.
#[derive(Args, Debug, Default)]
pub(super) struct RuleArguments {
    /// Rule files or folders: the candidate rule set [default: the config's].
    #[arg(value_name = "RULES", env = "BLASTGATE_RULES", value_delimiter = '\n')]
    pub(super) rules: Vec<PathBuf>,

    /// The rule set in force now: a file or folder. Without any, every rule is judged as if new.
    #[arg(long, value_name = "PATH", env = "BLASTGATE_RUNNING", help_heading = "Materials")]
    pub(super) running: Option<PathBuf>,

    /// The rules in force are those at the same paths at this git revision, exactly that tree.
    #[arg(
        long,
        value_name = "REV",
        env = "BLASTGATE_BASE",
        conflicts_with_all = ["running", "merge_base"],
        help_heading = "Materials"
    )]
    pub(super) base: Option<String>,

    /// The same at the merge base of this git revision and HEAD: what the branch began from. Where
    /// there is not exactly one, or a shallow clone may hide it, the verdict is CANNOT JUDGE.
    #[arg(
        long,
        value_name = "REV",
        env = "BLASTGATE_MERGE_BASE",
        conflicts_with = "running",
        help_heading = "Materials"
    )]
    pub(super) merge_base: Option<String>,

    /// Take the candidate rules from the git index, not from the working tree. Only the rules: all
    /// else is read as it lies there. Where no running set is named it is then HEAD, as a pre-commit
    /// hook wants; before the first commit it is empty.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "BLASTGATE_STAGED", help_heading = "Materials")]
    pub(super) staged: bool,

    /// The rule language, when it cannot be told from the file.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_LANGUAGE", help_heading = "Materials")]
    pub(super) language: Option<String>,

    /// The hooks that packets pass, for languages that have any: forward, input, prerouting or
    /// ingress [default: forward].
    #[arg(long, value_name = "HOOKS", env = "BLASTGATE_PATH", help_heading = "Materials")]
    pub(super) path: Option<String>,

    /// The interface by which packets come in, for rules that ask; left out, it is unknown.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_IIF", help_heading = "Materials")]
    pub(super) iif: Option<String>,

    /// The interface by which packets go out, for rules that ask; left out, it is unknown.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_OIF", help_heading = "Materials")]
    pub(super) oif: Option<String>,

    /// Customers and infrastructure; repeat for several.
    #[arg(
        long,
        value_name = "FILE",
        env = "BLASTGATE_INVENTORY",
        value_delimiter = '\n',
        help_heading = "Materials"
    )]
    pub(super) inventory: Vec<PathBuf>,

    /// The form of the inventory, when it cannot be told from the file: yaml, netbox-json,
    /// netbox-csv, akvorado-networks, prefix-list or csv.
    #[arg(
        long,
        value_name = "NAME",
        env = "BLASTGATE_INVENTORY_FORMAT",
        help_heading = "Materials"
    )]
    pub(super) inventory_format: Option<String>,

    /// The VRF in which the rules are, for inventories that tell VRFs apart; `global` for what is in
    /// none.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_VRF", help_heading = "Materials")]
    pub(super) vrf: Option<String>,

    /// Files of waivers: findings that someone accepts until a date; repeat for several.
    #[arg(
        long,
        value_name = "FILE",
        env = "BLASTGATE_WAIVERS",
        value_delimiter = '\n',
        help_heading = "Materials"
    )]
    pub(super) waivers: Vec<PathBuf>,

    /// The config [default: `blastgate.yaml`, from here upwards to the first folder with `.git`].
    #[arg(
        long,
        value_name = "FILE",
        env = "BLASTGATE_CONFIG",
        conflicts_with = "no_config",
        help_heading = "Materials"
    )]
    pub(super) config: Option<PathBuf>,

    /// Use no config.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "BLASTGATE_NO_CONFIG", help_heading = "Materials")]
    pub(super) no_config: bool,

    /// The clock for expiry and age, as RFC 3339 [default: now].
    #[arg(long, value_name = "TIME", env = "BLASTGATE_NOW", help_heading = "Judging")]
    pub(super) now: Option<String>,

    /// Warnings about rules that the change touches fail too.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "BLASTGATE_STRICT", help_heading = "Judging")]
    pub(super) strict: bool,

    /// No verdict within this long is CANNOT JUDGE.
    #[arg(long, value_name = "DURATION", env = "BLASTGATE_DEADLINE", help_heading = "Judging")]
    pub(super) deadline: Option<String>,

    /// A run that takes more memory than this, such as `4 GB`, is CANNOT JUDGE.
    #[arg(long, value_name = "SIZE", env = "BLASTGATE_MAX_MEMORY", help_heading = "Judging")]
    pub(super) max_memory: Option<String>,

    /// Output form; `FORM=FILE` writes a file. Repeat for several, at most one to standard output:
    /// text (the default), concise, json, sarif, junit, github, gitlab, markdown, html. None of them
    /// changes the exit code.
    #[arg(
        short,
        long,
        value_name = "FORM[=FILE]",
        env = "BLASTGATE_OUTPUT",
        value_delimiter = '\n',
        help_heading = "Output"
    )]
    pub(super) output: Vec<String>,

    /// Save the whole result as JSON.
    #[arg(long, value_name = "FILE", env = "BLASTGATE_SAVE", help_heading = "Output")]
    pub(super) save: Option<PathBuf>,

    /// Colour.
    #[arg(long, value_enum, default_value_t, env = "BLASTGATE_COLOR", help_heading = "Output")]
    pub(super) color: When,

    /// Print the verdict only.
    #[arg(short, long, value_parser = BoolishValueParser::new(), env = "BLASTGATE_QUIET", help_heading = "Output")]
    pub(super) quiet: bool,

    /// Print everything, not one screen.
    #[arg(short, long, action = ArgAction::Count, env = "BLASTGATE_VERBOSE", help_heading = "Output")]
    pub(super) verbose: u8,
}

/// What a command takes that judges them by traffic, as typed.
#[derive(Args, Debug, Default)]
pub(super) struct TrafficArguments {
    /// Recorded traffic, `-` for standard input; repeat for several.
    #[arg(
        long,
        value_name = "FILE",
        env = "BLASTGATE_TRAFFIC",
        value_delimiter = '\n',
        help_heading = "Materials"
    )]
    pub(super) traffic: Vec<PathBuf>,

    /// What-if traffic of the config to judge as well, by name; all of it unless some are named.
    #[arg(
        long,
        value_name = "NAME",
        env = "BLASTGATE_SCENARIO",
        value_delimiter = '\n',
        help_heading = "Materials"
    )]
    pub(super) scenario: Vec<String>,

    /// The form of the traffic, when it cannot be told from the file.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_FORMAT", help_heading = "Traffic")]
    pub(super) format: Option<String>,

    /// The PoP of records that do not name one.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_POP", help_heading = "Traffic")]
    pub(super) pop: Option<String>,

    /// The direction of records that do not name one: ingress or egress.
    #[arg(long, value_name = "WAY", env = "BLASTGATE_DIRECTION", help_heading = "Traffic")]
    pub(super) direction: Option<String>,

    /// One record stands for N packets; `unknown` if nobody knows for how many.
    #[arg(long, value_name = "N", env = "BLASTGATE_SAMPLING", help_heading = "Traffic")]
    pub(super) sampling: Option<Sampling>,

    /// What all of the traffic is: attack or legit.
    #[arg(long, value_name = "LABEL", env = "BLASTGATE_LABEL", help_heading = "Traffic")]
    pub(super) label: Option<String>,

    /// Look through GRE, IP-in-IP, VXLAN and Geneve at the inner packet.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "BLASTGATE_INNER", help_heading = "Traffic")]
    pub(super) inner: bool,

    /// The time zone of local times in recordings that do not say it: a name, `+02:00`, or `UTC`.
    #[arg(
        long,
        value_name = "NAME",
        env = "BLASTGATE_ZONE",
        allow_hyphen_values = true,
        help_heading = "Traffic"
    )]
    pub(super) zone: Option<String>,

    /// Refuse recordings older than this [default: 7d].
    #[arg(long, value_name = "DURATION", env = "BLASTGATE_MAX_AGE", help_heading = "Judging")]
    pub(super) max_age: Option<String>,

    /// How many threads count [default: one a core].
    #[arg(long, value_name = "N", env = "BLASTGATE_THREADS", help_heading = "Judging",
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,

    /// How many records go into a batch.
    #[arg(long, value_name = "N", env = "BLASTGATE_BATCH", hide = true,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) batch: Option<u32>,

    /// Progress while traffic is read.
    #[arg(long, value_enum, default_value_t, env = "BLASTGATE_PROGRESS", help_heading = "Output")]
    pub(super) progress: When,
}
