//! `ci`: what it compares with in each environment, in repositories made by the real `git`; that it
//! is strict; and that a clone without its history is never green.

use std::path::Path;

use blastgate::result;
use serde_json::Value;

use crate::common::{NOW, blastgate};
use crate::git::{GOOD, Repository, wide};
use crate::outputs::{changes, render, saved};

/// Runs `ci` with the variables of a CI system.
fn ci(folder: &Path, variables: &[(&str, &str)], more: &[&str]) -> (i32, String, Value) {
    let run = |form: &[&str]| {
        let mut command = blastgate(folder);
        command
            .arg("ci")
            .args(["--now", NOW])
            .args(more)
            .args(form)
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(variables.iter().copied());
        let output = command.output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let code = output.status.code().expect("it ends by itself");
        (code, text(output.stdout), text(output.stderr))
    };
    let (code, out, errors) = run(&[]);
    let (_, json, _) = run(&["-o", "json"]);
    (code, errors + &out, serde_json::from_str(&json).unwrap_or(Value::Null))
}

/// A repository whose branch `topic` makes the rule take the clinic's packets as well.
fn with_topic() -> Repository {
    let repository = Repository::new();
    repository.git(&["switch", "-q", "-c", "topic"]);
    repository.write("rules/edge.yaml", &wide());
    repository.commit("topic");
    repository
}

#[test]
fn a_change_is_compared_with_what_its_environment_says() {
    let repository = with_topic();
    let clone = repository.clone(&[]);
    let base = repository.short("main");
    let id = repository.git(&["rev-parse", "main"]);
    let tip = repository.git(&["rev-parse", "topic"]);
    let event = repository.path().join(".git/event.json");
    let push = format!(r#"{{"before": "{id}", "repository": {{"default_branch": "topic"}}}}"#);
    std::fs::write(&event, push).expect("a file");
    let event = event.display().to_string();
    let github = ("GITHUB_ACTIONS", "true");
    let gitlab = ("GITLAB_CI", "true");
    for (variables, says) in [
        (&[github, ("GITHUB_BASE_REF", "main")][..], "GITHUB_BASE_REF"),
        (
            &[
                github,
                ("GITHUB_EVENT_NAME", "push"),
                ("GITHUB_REF_NAME", "topic"),
                ("GITHUB_EVENT_PATH", &event),
            ],
            "before the push",
        ),
        (&[gitlab, ("CI_MERGE_REQUEST_DIFF_BASE_SHA", &id)], "CI_MERGE_REQUEST_DIFF_BASE_SHA"),
        (&[("JENKINS_URL", "x"), ("CHANGE_TARGET", "main")], "CHANGE_TARGET"),
        (
            &[("JENKINS_URL", "x"), ("GIT_PREVIOUS_SUCCESSFUL_COMMIT", &id)],
            "GIT_PREVIOUS_SUCCESSFUL_COMMIT",
        ),
    ] {
        let (code, said, result) = ci(clone.path(), variables, &[]);
        assert_eq!(code, 1, "{variables:?}: {said}");
        assert_eq!(result["change"]["running"], format!("git:{base}"), "{said}");
        let said = said.replace("\n    ", " ");
        assert!(said.contains("compared with") && said.contains(says), "{variables:?}: {said}");
    }
    // The clone's own origin has the branch itself checked out, and how many commits came at once
    // nobody knows; nor what was in force before a commit that others have followed.
    let own = ("CI_DEFAULT_BRANCH", "topic");
    let other = ("CI_COMMIT_BRANCH", "other");
    repository.write("rules/note.yaml", "version: 1\nrules: []\n");
    repository.commit("more");
    for newer in [false, true] {
        for variables in [&[][..], &[("JENKINS_URL", "x")], &[gitlab, own, other]] {
            let (code, said, result) = ci(clone.path(), variables, &[]);
            assert_eq!((code, &result["change"]["running"]), (1, &Value::Null), "{said}");
            assert!(said.replace("\n    ", " ").contains("every rule judged as new"), "{said}");
        }
        if !newer {
            clone.git(&["fetch", "-q", "origin"]);
        }
    }
    // What was green last is the branch itself: nothing changed, and that is said.
    let green = [("JENKINS_URL", "x"), ("GIT_PREVIOUS_SUCCESSFUL_COMMIT", tip.as_str())];
    let (code, said, _) = ci(clone.path(), &green, &[]);
    assert!(code == 0 && said.contains("nothing changed"), "{said}");
    // A flag wins over the environment.
    let (code, said, result) =
        ci(clone.path(), &[github, ("GITHUB_BASE_REF", "none")], &["--base", "HEAD"]);
    assert_eq!((code, &result["change"]["modified"]), (0, &serde_json::json!([])), "{said}");
}

#[test]
fn what_the_environment_does_not_say_is_never_green() {
    let repository = with_topic();
    let clone = repository.clone(&[]);
    let tip = repository.git(&["rev-parse", "topic"]);
    for variables in [
        &[("GITHUB_ACTIONS", "true")][..],
        &[("GITHUB_ACTIONS", "true"), ("GITHUB_BASE_REF", "gone")],
        &[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_EVENT_PATH", "/none"),
        ],
        &[("GITLAB_CI", "true")],
        &[
            ("GITLAB_CI", "true"),
            ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "0123456789abcdef0123456789abcdef01234567"),
        ],
        &[("JENKINS_URL", "x"), ("CHANGE_TARGET", "gone")],
        &[("JENKINS_URL", "x"), ("CHANGE_ID", "1")],
        // The branch that the change is for is checked out, and not the change.
        &[("GITHUB_ACTIONS", "true"), ("GITHUB_BASE_REF", "topic")],
        &[("GITHUB_ACTIONS", "true"), ("GITHUB_BASE_REF", "HEAD")],
        &[("GITLAB_CI", "true"), ("CI_MERGE_REQUEST_DIFF_BASE_SHA", &tip)],
        &[("GITLAB_CI", "true"), ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "HEAD~1")],
    ] {
        let (code, said, result) = ci(clone.path(), variables, &[]);
        assert_eq!(
            (code, &result["verdict"]),
            (3, &"cannot_judge".into()),
            "{variables:?}: {said}"
        );
    }
    // Without a remote nobody knows what is in force.
    let (code, said, _) = ci(repository.path(), &[], &[]);
    assert!(code == 3 && said.contains("no revision"), "{said}");
    // By a schedule there is no change: every rule is judged as new, and that is said.
    let nightly = [("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", "schedule")];
    let (code, said, _) = ci(clone.path(), &nightly, &[]);
    assert!(code == 1 && said.contains("every rule judged as new"), "{said}");
}

#[test]
fn a_shallow_clone_is_refused_with_the_cure_of_its_system() {
    let repository = with_topic();
    let clone = repository.clone(&["--depth", "1"]);
    let mut transcript = String::from("$ git clone -q --depth 1 file://… .\n");
    for (variables, cure) in [
        (&[][..], "git fetch --unshallow"),
        (&[("GITHUB_ACTIONS", "true"), ("GITHUB_BASE_REF", "main")], "fetch-depth: 0"),
        (&[("GITLAB_CI", "true"), ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")], "GIT_DEPTH: 0"),
        (&[("JENKINS_URL", "x"), ("CHANGE_TARGET", "main")], "shallow: false"),
    ] {
        let (code, said, _) = ci(clone.path(), variables, &[]);
        assert!(code == 3 && said.contains(cure), "{variables:?}: {said}");
        let set: String =
            variables.iter().map(|(name, value)| format!("{name}={value} ")).collect();
        transcript.push_str(&format!("$ {set}blastgate ci\n{said}$ echo $?\n{code}\n"));
    }
    insta::assert_snapshot!("shallow", transcript);
    // The cure cures.
    clone.git(&["fetch", "-q", "--unshallow", "origin", "+refs/heads/*:refs/remotes/origin/*"]);
    let (code, said, _) =
        ci(clone.path(), &[("GITHUB_ACTIONS", "true"), ("GITHUB_BASE_REF", "main")], &[]);
    assert!(code == 1 && said.contains("clinic"), "{said}");
}

#[test]
fn ci_is_strict() {
    let repository = Repository::new();
    let clone = repository.clone(&[]);
    let rule = &GOOD[GOOD.find("  - id").expect("a rule")..];
    let twice = format!("{GOOD}{}", rule.replace("acme-flood", "again"));
    std::fs::write(clone.path().join("rules/edge.yaml"), twice).expect("a file");
    clone.git(&["switch", "-q", "-c", "topic"]);
    clone.commit("topic");
    let (code, said, result) = ci(clone.path(), &[], &[]);
    let fails: Vec<&Value> = result["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|one| one["fails"] == true)
        .collect();
    assert!(code == 1 && fails.iter().all(|one| one["severity"] == "warning"), "{said}");
    assert_eq!(fails.len(), 1, "{said}");
}

#[test]
fn the_problem_matcher_reads_every_finding_that_has_a_place() {
    let path = ".github/actions/blastgate/problem-matcher.json";
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let matcher: Value = serde_json::from_str(&text.expect("the matcher")).expect("JSON");
    let patterns: Vec<(regex::Regex, Value)> = matcher["problemMatcher"]
        .as_array()
        .expect("matchers")
        .iter()
        .map(|one| {
            let pattern = one["pattern"][0].clone();
            (
                regex::Regex::new(pattern["regexp"].as_str().expect("text")).expect("a regex"),
                pattern,
            )
        })
        .collect();
    let mut matched = 0;
    for (folder, candidate) in changes().into_iter().step_by(5) {
        let result: result::RunResult = saved(&folder, &candidate);
        for line in
            render(&result, "concise").lines().filter(|line| !line.starts_with("blastgate: "))
        {
            let found: Vec<_> = patterns
                .iter()
                .filter_map(|(regex, pattern)| Some((regex.captures(line)?, pattern)))
                .collect();
            let [(captures, pattern)] = found.as_slice() else {
                panic!("{} match: {line}", found.len());
            };
            let part = |key: &str| {
                let group = pattern[key].as_u64().expect("a group") as usize;
                captures.get(group).expect("it takes part").as_str()
            };
            assert!(part("file").contains('.') && part("line").parse::<u32>().is_ok(), "{line}");
            assert!(part("column").parse::<u32>().is_ok() && !part("code").is_empty(), "{line}");
            assert!(!part("message").is_empty(), "{line}");
            matched += 1;
        }
    }
    assert!(matched > 10, "{matched}");
}
