//! `blastgate ci`: the gate where a CI system runs it. What the change is compared with is found
//! from the environment, and said; where it cannot be told for certain there is no verdict.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::Value;

use super::arguments::{RuleArguments, TrafficArguments};
use super::by_traffic::{Judged, judge_by_traffic};
use crate::input::{
    self,
    git::{GitError, Repository},
};
use crate::model::Diagnostic;
use crate::run::{Plan, Running};

/// What `ci` takes.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct CiArguments {
    #[command(flatten)]
    rules: RuleArguments,
    #[command(flatten)]
    traffic: TrafficArguments,
}

const AFTER: &str = "\
What the candidate is compared with, unless `--running`, `--base` or `--merge-base` says it:
  GitHub    a pull request: its merge base with the base branch; a merge group: its base; a push
            to the default branch: what was there before it; to another branch: the merge base
  GitLab    a merge request: its diff base; else as GitHub
  Jenkins   a change request: its merge base with the target; else the last successful commit
  elsewhere the merge base with `origin/HEAD`; on that branch itself, the commit before
Runs by a schedule judge every rule as new: the nightly re-check.

Warnings about rules that the change touches fail (`--strict`). A clone that lacks the history is
CANNOT JUDGE: set `fetch-depth: 0` (GitHub), `GIT_DEPTH: 0` (GitLab), `shallow: false` (Jenkins).

Exit codes: 0 PASS, 1 FAIL, 2 usage or config, 3 CANNOT JUDGE.";

pub(super) fn run(arguments: &CiArguments) -> Result<u8> {
    let CiArguments { rules, traffic } = arguments;
    judge_by_traffic(Judged { rules, traffic, prepare })
}

/// Makes the plan strict, and finds what it compares with where nothing says so.
fn prepare(plan: &mut Plan) -> Result<()> {
    plan.strict = true;
    if plan.running != Running::Nothing {
        return Ok(());
    }
    if plan.rules.iter().any(|path| path.as_os_str() == "-") {
        bail!("rules from standard input are in no git repository; name files or folders");
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let event = variable("GITHUB_EVENT_PATH").and_then(|path| input::text(Path::new(&path)).ok());
    let event = event.and_then(|text| serde_json::from_str(&text).ok());
    let (system, found) = base(&variable, event.as_ref());
    let compared = match found {
        Found::Running(running, why) => Repository::find()
            .and_then(|repository| resolve(&repository, running))
            .map(|running| (running, why)),
        Found::Origin => Repository::find().and_then(|repository| origin(&repository)),
        Found::Nothing(why) => {
            plan.notes.push(format!("{}: {why}", system.name));
            return Ok(());
        }
        Found::Unknown(why) => {
            let problem = format!("{}: {why}", system.name);
            let help = "say what is in force, with `--base REV` or `--merge-base REV`";
            plan.problems.push(Diagnostic::bare(problem).help(help));
            return Ok(());
        }
    };
    match compared {
        Ok((running, why)) => {
            plan.notes.push(format!("{}: {why}", system.name));
            plan.running = running;
        }
        Err(error) => {
            let help = match error {
                GitError::Shallow { .. } | GitError::NoRevision { is_shallow: true, .. } => {
                    Some(system.cure.to_owned())
                }
                _ => error.help(),
            };
            let shallow = match error {
                GitError::NoRevision { is_shallow: true, .. } => ": this clone is shallow",
                _ => "",
            };
            let problem = Diagnostic::bare(format!("{error}{shallow}"));
            plan.problems.push(match help {
                Some(help) => problem.help(help),
                None => problem,
            });
        }
    }
    Ok(())
}

/// A CI system: what it is called, and what makes it check out the whole history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct System {
    name: &'static str,
    cure: &'static str,
}

const GITHUB: System = System {
    name: "GitHub",
    cure: "check out the history: `fetch-depth: 0` under `with:` of `actions/checkout`",
};
const GITLAB: System = System {
    name: "GitLab",
    cure: "check out the history: `GIT_DEPTH: 0` under `variables:` of the job",
};
const JENKINS: System = System {
    name: "Jenkins",
    cure: "check out the history: `shallow: false` in the checkout's `cloneOption`, and no depth",
};
const PLAIN: System = System { name: "git", cure: "fetch the history: `git fetch --unshallow`" };

/// What the environment says the change is to be compared with, and why, in words.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// These rules.
    Running(Running, String),
    /// What the clone's own origin says.
    Origin,
    /// Nothing: all rules are judged as new.
    Nothing(String),
    /// It does not say enough.
    Unknown(String),
}

/// Returns whether an id is one: zeros alone stand for no commit.
fn is_commit(id: &str) -> bool {
    !id.is_empty() && id.chars().any(|digit| digit != '0')
}

fn remote(branch: &str) -> String {
    format!("refs/remotes/origin/{branch}")
}

/// Compares with where a branch began.
fn began(branch: &str, why: &str) -> Found {
    let why = format!("compared with the merge base with origin/{branch} ({why})");
    Found::Running(Running::MergeBase(remote(branch)), why)
}

/// Compares with exactly one commit.
fn exactly(id: &str, why: &str) -> Found {
    Found::Running(Running::Base(id.to_owned()), format!("compared with {why}"))
}

/// Finds out where it runs, and what that says.
fn base(variable: &dyn Fn(&str) -> Option<String>, event: Option<&Value>) -> (System, Found) {
    if variable("GITHUB_ACTIONS").is_some() {
        return (GITHUB, github(variable, event));
    }
    if variable("GITLAB_CI").is_some() {
        return (GITLAB, gitlab(variable));
    }
    if variable("JENKINS_URL").is_some() || variable("JENKINS_HOME").is_some() {
        return (JENKINS, jenkins(variable));
    }
    (PLAIN, Found::Origin)
}

fn github(variable: &dyn Fn(&str) -> Option<String>, event: Option<&Value>) -> Found {
    let of_event = |path: &str| event?.pointer(path)?.as_str().map(str::to_owned);
    let name = variable("GITHUB_EVENT_NAME").unwrap_or_default();
    if let Some(branch) = variable("GITHUB_BASE_REF") {
        return began(&branch, "GITHUB_BASE_REF, a pull request");
    }
    if let Some(id) = of_event("/merge_group/base_sha") {
        return exactly(&id, "the base of the merge group");
    }
    let default = of_event("/repository/default_branch");
    let branch = variable("GITHUB_REF_NAME").unwrap_or_default();
    match (name.as_str(), default) {
        ("schedule", _) => Found::Nothing("run by a schedule: every rule judged as new".to_owned()),
        (_, Some(default)) if default != branch => began(&default, "the default branch"),
        ("push", _) => match of_event("/before") {
            Some(id) if is_commit(&id) => exactly(&id, "what was there before the push"),
            _ => Found::Unknown("the event does not say what was there before the push".to_owned()),
        },
        (name, _) => Found::Unknown(format!(
            "an event `{}` on the default branch says of no change",
            name.escape_debug()
        )),
    }
}

fn gitlab(variable: &dyn Fn(&str) -> Option<String>) -> Found {
    if let Some(id) = variable("CI_MERGE_REQUEST_DIFF_BASE_SHA").filter(|id| is_commit(id)) {
        return exactly(&id, "the diff base of the merge request (CI_MERGE_REQUEST_DIFF_BASE_SHA)");
    }
    if let Some(branch) = variable("CI_MERGE_REQUEST_TARGET_BRANCH_NAME") {
        return began(&branch, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME");
    }
    if variable("CI_PIPELINE_SOURCE").is_some_and(|source| source == "schedule") {
        return Found::Nothing("run by a schedule: every rule judged as new".to_owned());
    }
    let default = variable("CI_DEFAULT_BRANCH");
    match (default, variable("CI_COMMIT_BRANCH")) {
        (Some(default), Some(branch)) if default != branch => began(&default, "CI_DEFAULT_BRANCH"),
        _ => match variable("CI_COMMIT_BEFORE_SHA").filter(|id| is_commit(id)) {
            Some(id) => exactly(&id, "what was there before the push (CI_COMMIT_BEFORE_SHA)"),
            None => {
                Found::Unknown("CI_COMMIT_BEFORE_SHA does not say what was there before".into())
            }
        },
    }
}

fn jenkins(variable: &dyn Fn(&str) -> Option<String>) -> Found {
    if let Some(branch) = variable("CHANGE_TARGET") {
        return began(&branch, "CHANGE_TARGET, a change request");
    }
    match variable("GIT_PREVIOUS_SUCCESSFUL_COMMIT").filter(|id| is_commit(id)) {
        Some(id) => exactly(&id, "the last that was green (GIT_PREVIOUS_SUCCESSFUL_COMMIT)"),
        None => Found::Origin,
    }
}

/// Makes sure that what is meant is there, so that the cure can be named if it is not.
fn resolve(repository: &Repository, running: Running) -> Result<Running, GitError> {
    match &running {
        Running::Base(revision) => drop(repository.revision(revision)?),
        Running::MergeBase(revision) => drop(repository.merge_base(revision)?),
        Running::Nothing | Running::Path(_) | Running::Head => {}
    }
    Ok(running)
}

/// Finds what to compare with where nothing but the clone says it.
fn origin(repository: &Repository) -> Result<(Running, String), GitError> {
    const HEADS: [&str; 3] = ["origin/HEAD", "origin/main", "origin/master"];
    let mut missing = None;
    for name in HEADS {
        let revision = format!("refs/remotes/{name}");
        let tip = match repository.revision(&revision) {
            Ok(tip) => tip,
            Err(error @ GitError::NoRevision { .. }) => {
                missing = missing.or(Some(error));
                continue;
            }
            Err(error) => return Err(error),
        };
        let base = repository.merge_base(&revision)?;
        let is_there = repository.head()?.is_some_and(|head| head.short == tip.short);
        if !is_there || base.short != tip.short {
            let why = format!("compared with the merge base with {name}");
            return Ok((Running::MergeBase(revision), why));
        }
        // On the branch itself the merge base is the candidate, and nothing would ever be judged.
        let before = "HEAD^1".to_owned();
        repository.revision(&before)?;
        let why = format!("HEAD is {name}: compared with the commit before it");
        return Ok((Running::Base(before), why));
    }
    Err(missing.unwrap_or(GitError::Unborn))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789012345678901234567890123456789";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn found(variables: &[(&str, &str)], event: &str) -> (System, Found) {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        base(&variable, serde_json::from_str(event).ok().as_ref())
    }

    #[test]
    fn each_system_says_what_a_change_is_compared_with() {
        let begins =
            |branch: &str| Some(Running::MergeBase(format!("refs/remotes/origin/{branch}")));
        let exact = Some(Running::Base(ID.to_owned()));
        let github = ("GITHUB_ACTIONS", "true");
        let push = ("GITHUB_EVENT_NAME", "push");
        let on = |branch| ("GITHUB_REF_NAME", branch);
        let event = format!(r#"{{"before": "{ID}", "repository": {{"default_branch": "trunk"}}}}"#);
        let gitlab = ("GITLAB_CI", "true");
        let jenkins = ("JENKINS_URL", "https://ci.example.net/");
        for (variables, event, system, running) in [
            (&[github, ("GITHUB_BASE_REF", "main")][..], "", GITHUB, begins("main")),
            (&[github, push, on("trunk")], &event, GITHUB, exact.clone()),
            (&[github, push, on("feature")], &event, GITHUB, begins("trunk")),
            (&[github, push, on("trunk")], &event.replace(ID, NONE), GITHUB, None),
            (&[github, push, on("trunk")], "", GITHUB, None),
            (
                &[github, ("GITHUB_EVENT_NAME", "merge_group")],
                &format!(r#"{{"merge_group": {{"base_sha": "{ID}"}}}}"#),
                GITHUB,
                exact.clone(),
            ),
            (
                &[github, ("GITHUB_EVENT_NAME", "workflow_dispatch"), on("trunk")],
                &event,
                GITHUB,
                None,
            ),
            (&[gitlab, ("CI_MERGE_REQUEST_DIFF_BASE_SHA", ID)], "", GITLAB, exact.clone()),
            (
                &[gitlab, ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")],
                "",
                GITLAB,
                begins("main"),
            ),
            (
                &[
                    gitlab,
                    ("CI_DEFAULT_BRANCH", "main"),
                    ("CI_COMMIT_BRANCH", "main"),
                    ("CI_COMMIT_BEFORE_SHA", ID),
                ],
                "",
                GITLAB,
                exact.clone(),
            ),
            (
                &[gitlab, ("CI_DEFAULT_BRANCH", "main"), ("CI_COMMIT_BRANCH", "x")],
                "",
                GITLAB,
                begins("main"),
            ),
            (&[gitlab, ("CI_COMMIT_BEFORE_SHA", NONE)], "", GITLAB, None),
            (&[jenkins, ("CHANGE_TARGET", "main")], "", JENKINS, begins("main")),
            (&[jenkins, ("GIT_PREVIOUS_SUCCESSFUL_COMMIT", ID)], "", JENKINS, exact.clone()),
        ] {
            let (at, found) = found(variables, event);
            assert_eq!(at, system, "{variables:?}");
            match (running, found) {
                (Some(running), Found::Running(is, why)) => {
                    assert_eq!(is, running, "{variables:?}");
                    assert!(why.starts_with("compared with "), "{why}");
                }
                (None, Found::Unknown(_)) => {}
                (_, other) => panic!("{variables:?}: {other:?}"),
            }
        }
        assert_eq!(found(&[], ""), (PLAIN, Found::Origin));
        assert_eq!(found(&[jenkins], ""), (JENKINS, Found::Origin));
        for variables in [
            &[github, ("GITHUB_EVENT_NAME", "schedule")][..],
            &[gitlab, ("CI_PIPELINE_SOURCE", "schedule")],
        ] {
            assert!(matches!(found(variables, "").1, Found::Nothing(_)), "{variables:?}");
        }
    }
}
