//! `init`: what it writes is judged by the program itself, and nothing that was there is touched.

use std::path::Path;

use crate::common::{blastgate, check, lint};
use crate::git::try_git;

fn init(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output = blastgate(folder)
        .arg("init")
        .args(more)
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .output()
        .expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("text"))
}

#[test]
fn what_init_writes_is_clean_and_passes_strictly() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(try_git(folder.path(), &["init", "-q"]).0, 0);
    let (code, said) = init(folder.path(), &[]);
    assert!(code == Some(0) && !said.contains("kept"), "{said}");
    for run in [lint(folder.path(), &["--strict"]), check(folder.path(), &["--strict"])] {
        assert_eq!((run.code, run.findings()), (0, vec![]), "{:#}", run.result);
    }
    let run = check(folder.path(), &[]);
    assert_eq!(run.result["scenarios"].as_array().expect("a list").len(), 2);
    assert!(run.result["attack"][0]["stopped_share"].as_f64().expect("a share") > 0.9);
    // The rule is there for something: made wider by one prefix it hurts the neighbour.
    let rules = folder.path().join("rules/10-example.yaml");
    let text = std::fs::read_to_string(&rules).expect("a rule");
    std::fs::write(&rules, text.replace("dst: 203.0.113.10,", "dst: 203.0.113.0/27,"))
        .expect("a file");
    let run = check(folder.path(), &[]);
    assert_eq!((run.code, run.affected()), (1, vec!["neighbour"]));
}

#[test]
fn no_hook_is_written_where_git_would_not_run_it() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(try_git(folder.path(), &["init", "-q"]).0, 0);
    assert_eq!(try_git(folder.path(), &["config", "core.hooksPath", ".husky"]).0, 0);
    let (code, said) = init(folder.path(), &[]);
    assert!(code == Some(0) && said.contains("no hook: `core.hooksPath`"), "{said}");
    assert!(said.contains("blastgate lint --staged"), "{said}");
    assert!(!folder.path().join(".git/hooks/pre-commit").exists());
    // Nothing is written where not all can be.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rules"), "mine").expect("a file");
    let (code, said) = init(folder.path(), &[]);
    assert!(code == Some(2) && said.contains("rules is a file"), "{said}");
    assert!(!folder.path().join("blastgate.yaml").exists());
}

#[test]
fn init_overwrites_nothing_and_its_hook_stops_a_bad_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(try_git(folder.path(), &["init", "-q"]).0, 0);
    std::fs::write(folder.path().join("inventory.yaml"), "mine").expect("a file");
    std::fs::create_dir(folder.path().join("rules")).expect("a folder");
    let (code, said) = init(folder.path(), &["--ci", "gitlab"]);
    assert!(code == Some(0) && said.contains("kept  inventory.yaml"), "{said}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name));
    assert_eq!(read("inventory.yaml").expect("it is there"), "mine");
    assert!(read(".gitlab-ci.yml").expect("it is there").contains("blastgate ci"));
    assert!(read(".github/workflows/blastgate.yml").is_err());
    let before: Vec<_> =
        [".git/hooks/pre-commit", "blastgate.yaml"].map(|name| read(name).ok()).into();
    assert!(before.iter().all(Option::is_some));
    std::fs::write(folder.path().join("blastgate.yaml"), "also mine").expect("a file");
    let (_, said) = init(folder.path(), &["--ci", "gitlab"]);
    assert!(!said.contains("wrote"), "{said}");
    assert_eq!(read("blastgate.yaml").expect("it is there"), "also mine");

    // The hook runs, and refuses what does not parse.
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(try_git(folder.path(), &["init", "-q"]).0, 0);
    init(folder.path(), &["--ci", "none"]);
    let hook = folder.path().join(".git/hooks/pre-commit");
    let own = std::fs::read_to_string(&hook).expect("a hook");
    let program = env!("CARGO_BIN_EXE_blastgate");
    // The program is not on the path of a test; that it can be run is what counts.
    let text = own.replace("exec blastgate ", &format!("exec '{program}' "));
    std::fs::write(&hook, text).expect("a hook");
    try_git(folder.path(), &["add", "-A"]);
    let (code, said) = try_git(folder.path(), &["commit", "-q", "-m", "first"]);
    assert_eq!(code, 0, "{said}");
    let rules = folder.path().join("rules/10-example.yaml");
    std::fs::write(&rules, "version: 1\nrules:\n  - id: x\n").expect("a file");
    let (code, said) = try_git(folder.path(), &["commit", "-q", "-am", "second"]);
    assert!(code != 0 && said.contains("the rule has no `match`"), "{said}");
}

#[test]
fn a_folder_that_is_no_repository_gets_no_hook_and_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, said) = init(folder.path(), &["new/one"]);
    assert!(code == Some(0) && said.contains("no hook"), "{said}");
    assert_eq!(check(&folder.path().join("new/one"), &[]).code, 0);
}

#[test]
fn the_workflows_run_as_they_are_written() {
    let program = Path::new(env!("CARGO_BIN_EXE_blastgate")).parent().expect("a folder");
    let path = format!("{}:/usr/bin:/bin", program.display());
    for (ci, file, variables) in [
        (
            "github",
            ".github/workflows/blastgate.yml",
            &[("GITHUB_ACTIONS", "true"), ("GITHUB_BASE_REF", "main")][..],
        ),
        (
            "gitlab",
            ".gitlab-ci.yml",
            &[("GITLAB_CI", "true"), ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")],
        ),
        ("jenkins", "Jenkinsfile", &[("JENKINS_URL", "x"), ("CHANGE_TARGET", "main")]),
    ] {
        let origin = tempfile::tempdir().expect("a folder");
        assert_eq!(try_git(origin.path(), &["init", "-q"]).0, 0);
        assert_eq!(init(origin.path(), &["--ci", ci]).0, Some(0));
        std::fs::remove_file(origin.path().join(".git/hooks/pre-commit")).expect("a hook");
        try_git(origin.path(), &["add", "-A"]);
        assert_eq!(try_git(origin.path(), &["commit", "-q", "-m", "first"]).0, 0);
        let clone = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}", origin.path().display());
        assert_eq!(try_git(clone.path(), &["clone", "-q", &url, "."]).0, 0);
        // A change that is harmless: the rule names the port to which the answers go.
        assert_eq!(try_git(clone.path(), &["switch", "-q", "-c", "topic"]).0, 0);
        let rules = clone.path().join("rules/10-example.yaml");
        let text = std::fs::read_to_string(&rules).expect("a rule");
        std::fs::write(&rules, text.replace("src_port: 53}", "src_port: 53, ttl: 1-255}"))
            .expect("a file");
        assert_eq!(try_git(clone.path(), &["commit", "-q", "-am", "second"]).0, 0);

        let workflow = std::fs::read_to_string(clone.path().join(file)).expect("a workflow");
        if file.ends_with("yml") {
            let read: Result<serde_json::Value, _> = serde_yaml::from_str(&workflow);
            assert!(read.is_ok_and(|value| value.is_object()), "{file} is YAML");
        }
        let line = workflow.lines().find(|line| line.contains("blastgate ci")).expect("a command");
        let command = line[line.find("blastgate ci").expect("it")..].trim_end_matches('\'');
        let output = std::process::Command::new("sh")
            .args(["-uc", command])
            .current_dir(clone.path())
            .env_clear()
            .env("PATH", &path)
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
            .envs(variables.iter().copied())
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(0), "{ci}: {command}\n{said}");
        let written = command.split_whitespace().filter_map(|word| {
            let name = word.split_once('=').map_or(word, |(_, name)| name);
            name.contains('.').then_some(name)
        });
        let written: Vec<&str> = written.collect();
        assert!(written.len() >= 3, "{command}");
        for name in written {
            assert!(clone.path().join(name).is_file(), "{ci}: {name}");
        }
        let saved = std::fs::read_to_string(clone.path().join("blastgate.json")).expect("a result");
        let saved: serde_json::Value = serde_json::from_str(&saved).expect("JSON");
        assert_eq!(saved["change"]["modified"][0], "example-dns-reflection", "{said}");
    }
    let action = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/actions/blastgate/action.yml");
    let action = std::fs::read_to_string(action).expect("the action");
    let action: serde_json::Value = serde_yaml::from_str(&action).expect("YAML");
    assert_eq!(action["runs"]["using"], "composite");
}
