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
  elsewhere the merge base with `origin/HEAD`
Runs by a schedule judge every rule as new: the nightly re-check. So do those of a commit that is part
of the branch already, where nothing says what was in force before it.

Warnings about rules that the change touches fail (`--strict`). A clone that lacks the history is
CANNOT JUDGE: set `fetch-depth: 0` (GitHub), `GIT_DEPTH: 0` (GitLab), `shallow: false` (Jenkins).

Exit codes: 0 PASS, 1 FAIL, 2 usage or config, 3 CANNOT JUDGE.";

pub(super) fn run(arguments: &CiArguments) -> Result<u8> {
    let CiArguments { rules, traffic } = arguments;
    judge_by_traffic(Judged { rules, traffic, prepare, begin })
}

/// Makes the plan strict.
fn prepare(plan: &mut Plan) -> Result<()> {
    plan.strict = true;
    let is_stdin = plan.rules.iter().any(|path| path.as_os_str() == "-");
    if plan.running == Running::Nothing && is_stdin {
        bail!("rules from standard input are in no git repository; name files or folders");
    }
    Ok(())
}

/// Finds what the plan compares with where nothing says so.
fn begin(plan: &mut Plan) {
    if plan.running != Running::Nothing {
        return;
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let event = variable("GITHUB_EVENT_PATH").and_then(|path| input::text(Path::new(&path)).ok());
    let event = event.and_then(|text| serde_json::from_str(&text).ok());
    let (system, found) = base(&variable, event.as_ref());
    let compared = match found {
        Found::Commit { id, why, is_before } => {
            Repository::find().and_then(|repository| exactly(&repository, id, why, is_before))
        }
        Found::Branch { name, why, is_request } => {
            Repository::find().and_then(|repository| began(&repository, &name, &why, is_request))
        }
        Found::Origin => Repository::find().and_then(|repository| origin(&repository)),
        Found::Nothing(why) => Ok(Compared::New(why)),
        Found::Unknown(why) => Ok(Compared::Unknown(why)),
    };
    match compared {
        Ok(Compared::With(running, why)) => {
            plan.notes.push(format!("{}: {why}", system.name));
            plan.running = running;
        }
        Ok(Compared::New(why)) => {
            plan.notes.push(format!("{}: {why}: every rule judged as new", system.name));
        }
        Ok(Compared::Unknown(why)) => {
            let problem = format!("{}: {why}", system.name);
            let help = "say what is in force, with `--base REV` or `--merge-base REV`";
            plan.problems.push(Diagnostic::bare(problem).help(help));
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

/// What the environment says the change is to be compared with.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// A commit, and what it is in words.
    Commit {
        id: String,
        why: String,
        /// Whether it must be another than the one that is judged.
        is_before: bool,
    },
    /// Where the change left a branch of the origin, and what says so.
    Branch {
        name: String,
        why: String,
        /// Whether a change to that branch was asked for, which must not be part of it.
        is_request: bool,
    },
    /// What the clone's own origin says.
    Origin,
    /// Nothing, and why.
    Nothing(String),
    /// It does not say enough.
    Unknown(String),
}

/// What the change is compared with, in words too.
enum Compared {
    With(Running, String),
    /// Nothing: all rules are judged as new.
    New(String),
    /// It cannot be told.
    Unknown(String),
}

/// Returns whether an id is that of a commit, in full; zeros alone stand for none.
fn is_commit(id: &str) -> bool {
    matches!(id.len(), 40 | 64)
        && id.bytes().all(|digit| digit.is_ascii_hexdigit())
        && id.bytes().any(|digit| digit != b'0')
}

fn branch(name: &str, why: &str, is_request: bool) -> Found {
    Found::Branch { name: name.to_owned(), why: why.to_owned(), is_request }
}

fn before(id: String, why: &str) -> Found {
    Found::Commit { id, why: why.to_owned(), is_before: true }
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
    if let Some(target) = variable("GITHUB_BASE_REF") {
        return branch(&target, "GITHUB_BASE_REF, a pull request", true);
    }
    if name.starts_with("pull_request") {
        return Found::Unknown("GITHUB_BASE_REF does not say what the pull request is for".into());
    }
    if let Some(id) = of_event("/merge_group/base_sha").filter(|id| is_commit(id)) {
        return before(id, "the base of the merge group");
    }
    let default = of_event("/repository/default_branch");
    let own = variable("GITHUB_REF_NAME").unwrap_or_default();
    match (name.as_str(), default) {
        ("schedule", _) => Found::Nothing("run by a schedule".to_owned()),
        (_, Some(default)) if default != own => branch(&default, "the default branch", false),
        ("push", _) => match of_event("/before") {
            Some(id) if is_commit(&id) => before(id, "what was there before the push"),
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
        return before(id, "the diff base of the merge request (CI_MERGE_REQUEST_DIFF_BASE_SHA)");
    }
    if let Some(target) = variable("CI_MERGE_REQUEST_TARGET_BRANCH_NAME") {
        return branch(&target, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", true);
    }
    match variable("CI_PIPELINE_SOURCE").as_deref() {
        Some("schedule") => return Found::Nothing("run by a schedule".to_owned()),
        Some("merge_request_event") => {
            let why = "no variable says what the merge request is for";
            return Found::Unknown(why.to_owned());
        }
        _ => {}
    }
    let default = variable("CI_DEFAULT_BRANCH");
    match (default, variable("CI_COMMIT_BRANCH")) {
        (Some(default), Some(own)) if default != own => {
            branch(&default, "CI_DEFAULT_BRANCH", false)
        }
        _ => match variable("CI_COMMIT_BEFORE_SHA").filter(|id| is_commit(id)) {
            Some(id) => before(id, "what was there before the push (CI_COMMIT_BEFORE_SHA)"),
            None => {
                Found::Unknown("CI_COMMIT_BEFORE_SHA does not say what was there before".into())
            }
        },
    }
}

fn jenkins(variable: &dyn Fn(&str) -> Option<String>) -> Found {
    match (variable("CHANGE_TARGET"), variable("CHANGE_ID")) {
        (Some(target), _) => return branch(&target, "CHANGE_TARGET, a change request", true),
        (None, Some(_)) => {
            let why = "CHANGE_TARGET does not say what the change request is for";
            return Found::Unknown(why.to_owned());
        }
        (None, None) => {}
    }
    match variable("GIT_PREVIOUS_SUCCESSFUL_COMMIT").filter(|id| is_commit(id)) {
        // What was green last may be this very commit, built once more.
        Some(id) => Found::Commit {
            id,
            why: "the last that was green (GIT_PREVIOUS_SUCCESSFUL_COMMIT)".to_owned(),
            is_before: false,
        },
        None => Found::Origin,
    }
}

/// Compares with one commit, which must be there: else the cure can be named.
fn exactly(
    repository: &Repository,
    id: String,
    why: String,
    is_before: bool,
) -> Result<Compared, GitError> {
    let commit = repository.revision(&id)?;
    if is_before && repository.is_head(&commit)? {
        return Ok(Compared::Unknown(format!("HEAD itself is {why}: the change is not there")));
    }
    Ok(Compared::With(Running::Base(id), format!("compared with {why}")))
}

/// Compares with where a change left a branch.
fn began(
    repository: &Repository,
    name: &str,
    why: &str,
    is_request: bool,
) -> Result<Compared, GitError> {
    let revision = format!("refs/remotes/origin/{name}");
    let base = repository.merge_base(&revision)?;
    Ok(match (repository.is_head(&base)?, is_request) {
        (false, _) => {
            let why = format!("compared with the merge base with origin/{name} ({why})");
            Compared::With(Running::MergeBase(revision), why)
        }
        // `pull_request_target`, for one, checks out the branch that the change is for.
        (true, true) => Compared::Unknown(format!(
            "HEAD is part of origin/{name} ({why}): the change that is to be judged is not \
             checked out, or has landed"
        )),
        (true, false) => Compared::New(format!("HEAD is part of origin/{name} already")),
    })
}

/// Finds what to compare with where nothing but the clone says it.
fn origin(repository: &Repository) -> Result<Compared, GitError> {
    const HEADS: [&str; 3] = ["origin/HEAD", "origin/main", "origin/master"];
    let mut missing = None;
    for name in HEADS {
        let revision = format!("refs/remotes/{name}");
        match repository.merge_base(&revision) {
            Ok(base) if repository.is_head(&base)? => {
                // How many commits came at once is not known, and the merge base is the candidate.
                repository.is_complete()?;
                return Ok(Compared::New(format!("HEAD is part of {name} already")));
            }
            Ok(_) => {
                let why = format!("compared with the merge base with {name}");
                return Ok(Compared::With(Running::MergeBase(revision), why));
            }
            Err(error @ GitError::NoRevision { .. }) => missing = missing.or(Some(error)),
            Err(error) => return Err(error),
        }
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
        let begins = |name: &str| Some((name.to_owned(), false));
        let asks = |name: &str| Some((name.to_owned(), true));
        let exact = Some((ID.to_owned(), true));
        let github = ("GITHUB_ACTIONS", "true");
        let push = ("GITHUB_EVENT_NAME", "push");
        let on = |branch| ("GITHUB_REF_NAME", branch);
        let event = format!(r#"{{"before": "{ID}", "repository": {{"default_branch": "trunk"}}}}"#);
        let gitlab = ("GITLAB_CI", "true");
        let jenkins = ("JENKINS_URL", "https://ci.example.net/");
        for (variables, event, system, running) in [
            (&[github, ("GITHUB_BASE_REF", "main")][..], "", GITHUB, asks("main")),
            (&[github, ("GITHUB_EVENT_NAME", "pull_request")], &event, GITHUB, None),
            (&[github, push, on("trunk")], &event.replace(ID, "HEAD"), GITHUB, None),
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
            (&[gitlab, ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")], "", GITLAB, asks("main")),
            (&[gitlab, ("CI_PIPELINE_SOURCE", "merge_request_event")], "", GITLAB, None),
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
            (&[jenkins, ("CHANGE_TARGET", "main")], "", JENKINS, asks("main")),
            (&[jenkins, ("CHANGE_ID", "1")], "", JENKINS, None),
            (
                &[jenkins, ("GIT_PREVIOUS_SUCCESSFUL_COMMIT", ID)],
                "",
                JENKINS,
                Some((ID.to_owned(), false)),
            ),
        ] {
            let (at, found) = found(variables, event);
            assert_eq!(at, system, "{variables:?}");
            match (running, found) {
                (Some(with), Found::Commit { id, is_before, .. }) => {
                    assert_eq!((id, is_before), with, "{variables:?}");
                }
                (Some(with), Found::Branch { name, is_request, .. }) => {
                    assert_eq!((name, is_request), with, "{variables:?}");
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
