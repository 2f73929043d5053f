//! What the suites share: the real binary, run where and as a user would, and its result.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
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
    let output = blastgate(folder)
        .arg("check")
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
