//! What the suites share: the real binary, run where and as a user would, and its result; the
//! library, run over records that a test makes; and what to do where an oracle is missing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assert_cmd::Command;
use blastgate::attribution::Attribution;
use blastgate::bank::Bank;
use blastgate::change::Change;
use blastgate::fate::Sets;
use blastgate::impact::{Assessment, Impact};
use blastgate::model::{
    Diagnostic, Inventory, NameId, Names, ReadCounts, Record, RuleSet, Sources,
};
use blastgate::reach::Reach;
use blastgate::replay::{Input, Replay, keyed, limits};
use blastgate::scenario::{Moves, Scenario, View};
use blastgate::traffic::{Piece, TrafficReader};
use blastgate::{inventory, judge, languages, matcher};
use serde_json::Value;

/// The clock of every run: profiles without `start` end here.
pub(crate) const NOW: &str = "2026-03-01T12:00:00Z";

/// Returns the program, to be run in a folder, with nothing of the caller's environment.
pub(crate) fn blastgate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blastgate"));
    command.env_clear().current_dir(folder);
    command
}

/// Returns a folder of fixtures.
pub(crate) fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The JSON result of one run, and how the program ended.
pub(crate) struct Run {
    /// The exit code.
    pub(crate) code: i32,
    /// The result.
    pub(crate) result: Value,
}

/// Runs `check` in a folder, with these arguments besides the clock and `-o json`.
pub(crate) fn check(folder: &Path, arguments: &[&str]) -> Run {
    judge_by("check", folder, arguments)
}

/// Runs `lint` in the same way.
pub(crate) fn lint(folder: &Path, arguments: &[&str]) -> Run {
    judge_by("lint", folder, arguments)
}

fn judge_by(command: &str, folder: &Path, arguments: &[&str]) -> Run {
    let output = blastgate(folder)
        .arg(command)
        .args(arguments)
        .args(["--now", NOW, "-o", "json"])
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    let result = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}\n{text}\n{}", String::from_utf8_lossy(&output.stderr))
    });
    Run { code: output.status.code().expect("it ends by itself"), result }
}

impl Run {
    /// Returns the verdict.
    pub(crate) fn verdict(&self) -> &str {
        self.result["verdict"].as_str().expect("a verdict")
    }

    /// Returns the ids of those affected who were not meant to be, in the order of names.
    pub(crate) fn affected(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = rows(&self.result["customers"])
            .filter(|row| row["affected"] == true && row["intended"] == false)
            .map(|row| row["id"].as_str().expect("an id"))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Returns the guardrails that found something, with their severity.
    pub(crate) fn findings(&self) -> Vec<(&str, &str)> {
        rows(&self.result["findings"])
            .map(|row| {
                let word = |key: &str| row[key].as_str().expect("a word");
                (word("guardrail"), word("severity"))
            })
            .collect()
    }
}

fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().expect("a list").iter()
}

//------------ Records that a test makes ---------------------------------------

/// Reads rules of our own language, which must be without problems.
pub(crate) fn rules(text: &str) -> RuleSet {
    let mut sources = Sources::new();
    let file = sources.add("rules.yaml", text);
    let (set, problems) = languages::LANGUAGES[0].parse_texts(&sources, &[file]);
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    set
}

/// A reader of records that are there already.
struct Made {
    records: Vec<Record>,
    counts: ReadCounts,
}

impl TrafficReader for Made {
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<Diagnostic>> {
        let batch = piece.fill();
        self.records.drain(..).for_each(|record| batch.push(record));
        Ok(!batch.is_empty())
    }

    fn counts(&self) -> ReadCounts {
        self.counts.clone()
    }
}

/// Returns what a change does to records in a scenario, and the inventory as it was read.
pub(crate) fn assess(
    inventory: &str,
    sets: [&RuleSet; 2],
    names: &Arc<Names>,
    records: Vec<Record>,
    scenario: Scenario,
) -> (Inventory, Impact) {
    let mut sources = Sources::new();
    let file = sources.add("inventory.yaml", inventory);
    let (inventory, problems) = inventory::load(&sources, &[file]);
    assert!(problems.is_empty(), "{problems:?}");
    let [running, candidate] = sets;
    let change = Change::between(running, candidate);
    let (judges, customers, problems) = judge::resolve(running, candidate, &inventory);
    assert!(problems.is_empty(), "{problems:?}");
    let attribution = Attribution::new(&inventory, &customers, names);
    let scenarios = [scenario];
    let moves = Moves::new(&scenarios, sets, names);
    let replay = Replay {
        attribution: &attribution,
        matcher: matcher::compile(sets, names),
        limits: sets.map(limits),
        keyed: keyed(candidate),
        attack: Vec::new(),
        labels: Vec::new(),
        named_ports: Vec::new(),
        window_ns: 300_000_000_000,
        pops: None,
        many_routers: Default::default(),
        moves: moves.clone(),
    };
    let reader = Box::new(Made { records, counts: ReadCounts::default() });
    let (_, tally, problems) = replay.run(vec![Input { reader, rank: 0, part: 0 }], 1, &|_| {});
    assert!(problems.is_empty());
    let tally = tally.finish(&|pop: Option<NameId>| pop);
    let clean = BTreeSet::new();
    let bank = Bank::new(&tally, sets);
    let view = View::new(&scenarios[0], &tally, &moves, &attribution, &bank.policers_of());
    // The recording as it is first, as the program does, so that what is reused is tested as well.
    let recorded =
        View::new(&Scenario::recorded(), &tally, &moves, &attribution, &bank.policers_of());
    let known = bank.simulate(&recorded, None);
    let losses = bank.simulate(&view, Some(&known));
    let reach = Reach {
        running,
        candidate,
        change: &change,
        judges: &judges,
        inventory: &inventory,
        customers: &customers,
        clean: &clean,
    };
    let proof = reach.compile();
    let impact = Assessment {
        sets: Sets { sets, clean: &clean, crowded: proof.crowded() },
        change: &change,
        judges: &judges,
        attribution: &attribution,
        tally: &tally,
        view: &view,
        losses: [&losses[0], &losses[1]],
    }
    .assess();
    (inventory, impact)
}

//------------ Oracles ---------------------------------------------------------

/// Says that a test is skipped for something that is missing, or fails if it must be there.
pub(crate) fn skip(missing: &str) {
    let required = std::env::var_os("BLASTGATE_REQUIRE_ORACLES").is_some_and(|set| set == "1");
    assert!(!required, "{missing}");
    println!("skipped: {missing}");
}
