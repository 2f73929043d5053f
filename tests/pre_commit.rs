//! The hooks of `.pre-commit-hooks.yaml`, run by the real `pre-commit` in a scratch repository.

use std::path::{Path, PathBuf};
use std::process::Command as System;
use std::time::{Duration, Instant};

use crate::common::skip;
use crate::git::{GOOD, Repository, wide};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns `pre-commit`, if it is there: `.ci/run` makes it.
fn pre_commit() -> Option<PathBuf> {
    let path = root().join("target/pre-commit/bin/pre-commit");
    if !path.is_file() {
        skip("target/pre-commit is missing; `.ci/run` makes it");
        return None;
    }
    Some(path)
}

/// Runs a command with the program and `pre-commit` on its path; how it ended, and what it said.
fn run(folder: &Path, home: &Path, command: &str, arguments: &[&str]) -> (i32, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_blastgate")).parent().expect("a folder");
    let hooks = root().join("target/pre-commit/bin");
    let path = format!("{}:{}:/usr/bin:/bin", program.display(), hooks.display());
    let output = System::new(command)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs([("PATH", path.as_str()), ("LC_ALL", "C.UTF-8"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("BLASTGATE_NOW", "2026-03-01T12:00:00Z")])
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.net")])
        .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@example.net")])
        .envs([("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")])
        .envs([("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")])
        .env("HOME", home)
        .env("PRE_COMMIT_HOME", home.join("cache"))
        .output()
        .expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it ends by itself"), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn pre_commit_lets_good_commits_through_and_stops_bad_ones() {
    let Some(program) = pre_commit() else { return };
    let program = program.display().to_string();
    let home = tempfile::tempdir().expect("a folder");
    // The hooks come from a repository, as users name one.
    let hooks = Repository::empty();
    let manifest = std::fs::read_to_string(root().join(".pre-commit-hooks.yaml")).expect("hooks");
    hooks.write(".pre-commit-hooks.yaml", &manifest);
    hooks.git(&["add", "-f", ".pre-commit-hooks.yaml"]);
    hooks.git(&["commit", "-q", "-m", "hooks"]);
    let revision = hooks.git(&["rev-parse", "HEAD"]);
    let repository = Repository::empty();
    let here = repository.path();
    let git = |arguments: &[&str]| run(here, home.path(), "git", arguments);
    repository.write(
        ".pre-commit-config.yaml",
        &format!(
            "repos:\n  - repo: {}\n    rev: {revision}\n    hooks: [{{id: blastgate-system}}]\n",
            hooks.path().display()
        ),
    );
    let (code, said) = run(
        here,
        home.path(),
        &program,
        &["validate-manifest", &root().join(".pre-commit-hooks.yaml").display().to_string()],
    );
    assert_eq!(code, 0, "{said}");
    let (code, said) = run(here, home.path(), &program, &["install"]);
    assert_eq!(code, 0, "{said}");

    // A passing commit.
    repository.write("rules/edge.yaml", GOOD);
    repository.write("rules/note.txt", "first");
    git(&["add", "-A"]);
    let (code, said) = git(&["commit", "-m", "first"]);
    assert!(code == 0 && said.contains("Passed"), "{said}");
    let mut transcript = said_by(&said);

    // A failing commit: the rule could newly harm a neighbour, which the hook says without traffic.
    repository.write("rules/edge.yaml", &wide());
    git(&["add", "-A"]);
    let begun = Instant::now();
    let (code, said) = git(&["commit", "-m", "second"]);
    let took = begun.elapsed();
    assert!(code != 0 && said.contains("Failed") && said.contains("reach_beyond_intent"), "{said}");
    // Built without optimisation, and with Python around it: a bound of sense, no measurement.
    assert!(took < Duration::from_secs(20), "{took:?}");
    transcript.push_str(&said_by(&said));

    // Only what is committed counts: by path, a good file beside a bad one that is staged.
    repository.write("rules/note.txt", "second");
    let (code, said) = git(&["commit", "-m", "note", "--", "rules/note.txt"]);
    assert!(code == 0 && said.contains("Passed"), "{said}");
    let (code, said) = git(&["commit", "-m", "rule", "--", "rules/edge.yaml"]);
    assert!(code != 0 && said.contains("reach_beyond_intent"), "{said}");
    assert!(repository.git(&["status", "--short"]).starts_with("M  rules/edge.yaml"));

    // What lies in the working tree and is not staged does not count either.
    repository.git(&["restore", "--staged", "rules/edge.yaml"]);
    repository.write("rules/new.yaml", &GOOD.replace("acme-flood", "log").replace("drop", "log"));
    git(&["add", "rules/new.yaml"]);
    let (code, said) = git(&["commit", "-m", "third"]);
    assert!(code == 0 && said.contains("Passed"), "{said}");

    // A commit that only deletes is judged, too.
    repository.git(&["checkout", "-q", "rules/edge.yaml"]);
    git(&["rm", "-q", "rules/new.yaml"]);
    let (code, said) = git(&["commit", "-m", "gone"]);
    assert!(code == 0 && said.contains("Passed"), "{said}");
    insta::assert_snapshot!("pre-commit", transcript);
}

/// Keeps what does not change from run to run.
fn said_by(text: &str) -> String {
    let changes = ["[INFO]", "[main", "create mode", "files changed", "insertion"];
    let kept = text.lines().filter(|line| !changes.iter().any(|word| line.contains(word)));
    // The configuration names a folder of this run, so that the commits are others in each.
    let without_commit = |line: &str| match line.split_once("git:") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_hexdigit());
            format!("{before}git:COMMIT{rest}\n")
        }
        None => format!("{line}\n"),
    };
    kept.map(without_commit).collect()
}
