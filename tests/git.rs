//! Rules from git: the revision that is meant and no other, the index and not the working tree,
//! and never a second choice where git cannot tell.
//!
//! Every case is a repository made by the real `git`.

use std::path::{Path, PathBuf};
use std::process::Command as System;

use serde_json::Value;

use crate::common::{NOW, blastgate};

/// Hurts nobody but the attack.
pub(crate) const GOOD: &str = "\
version: 1
rules:
  - id: acme-flood
    match: {dst: 203.0.113.10, protocol: udp}
    action: drop
    intent: {target: [acme]}
";

const INVENTORY: &str = "\
version: 1
customers:
  - {id: acme, prefixes: [203.0.113.0/28]}
  - {id: clinic, prefixes: [203.0.113.64/28]}
";

const TRAFFIC: &str = "\
version: 1
duration: 10s
flows:
  - {id: flood, label: attack, dst: 203.0.113.10, protocol: udp, rate: 100 pps}
  - {id: voice, dst: 203.0.113.65, protocol: udp, dst_port: 5060, rate: 100 pps}
";

/// The same rule, with the clinic's traffic in it.
pub(crate) fn wide() -> String {
    GOOD.replace("203.0.113.10,", "203.0.113.0/24,")
}

/// A rule file with one more harmless rule of this name.
fn with(id: &str) -> String {
    format!("{GOOD}  - {{id: {id}, match: {{dst: 203.0.113.11}}, action: log}}\n")
}

/// Sets what a scrubbed environment needs: git itself, and nothing of anyone's settings.
fn scrubbed(command: &mut System) -> &mut System {
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.net")])
        .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@example.net")])
        .envs([("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")])
        .envs([("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")])
}

/// Runs git, which may fail, and returns its exit code and all that it said.
pub(crate) fn try_git(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = System::new("git");
    let output = scrubbed(&mut command)
        .args(["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("git runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it ends by itself"), String::from_utf8_lossy(&text).into_owned())
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let (code, text) = try_git(folder, arguments);
    assert_eq!(code, 0, "git {arguments:?}: {text}");
    text.trim_end().to_owned()
}

/// What a check said, as text and as JSON.
struct Said {
    code: i32,
    text: String,
    result: Value,
}

impl Said {
    /// Checks the exit code, and that a phrase is in the report or the errors.
    fn is(&self, code: i32, phrase: &str) -> &Said {
        assert_eq!(self.code, code, "{}", self.text);
        assert!(self.text.contains(phrase), "no {phrase:?} in\n{}", self.text);
        self
    }

    /// Checks what the running set was.
    fn against(&self, running: &str) -> &Said {
        assert_eq!(self.result["change"]["running"], running, "{}", self.text);
        self
    }

    /// Returns these ids of the change.
    fn ids(&self, what: &str) -> Vec<&str> {
        let list = self.result["change"][what].as_array().expect("a list");
        list.iter().map(|id| id.as_str().expect("an id")).collect()
    }
}

fn command(folder: &Path, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = blastgate(folder);
    command
        .arg("check")
        .args(arguments)
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command
}

/// Checks in a folder; the materials lie at the top of the repository, a config names them.
fn check_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let run = |more: &[&str]| {
        let all = [arguments, &["--now", NOW], more].concat();
        let output =
            command(folder, &all).envs(variables.iter().copied()).output().expect("it runs");
        let code = output.status.code().expect("it ends by itself");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        (code, text(&output.stdout), text(&output.stderr))
    };
    let (code, out, errors) = run(&[]);
    let (same, json, _) = run(&["-o", "json"]);
    assert_eq!(code, same, "{out}{errors}");
    // The report wraps long lines; a wrapped line is indented.
    let text = format!("{out}{errors}").replace("\n    ", " ").replace("\n  ", " ");
    let last = out.lines().last().unwrap_or_default();
    println!("blastgate check {} => {code} | {last}", arguments.join(" "));
    Said { code, text, result: serde_json::from_str(&json).unwrap_or(Value::Null) }
}

fn check(folder: &Path, arguments: &[&str]) -> Said {
    check_with(folder, arguments, &[])
}

pub(crate) struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    /// Makes a repository without a commit; the materials are there and are not tracked.
    pub(crate) fn empty() -> Repository {
        let repository = Repository { folder: tempfile::tempdir().expect("a folder") };
        git(repository.path(), &["init", "-q"]);
        materials(repository.path());
        repository
    }

    /// Makes one whose first commit holds the good rule.
    pub(crate) fn new() -> Repository {
        let repository = Repository::empty();
        repository.write("rules/edge.yaml", GOOD);
        repository.commit("first");
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(self.path(), arguments)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.short("HEAD")
    }

    pub(crate) fn short(&self, revision: &str) -> String {
        self.git(&["rev-parse", "--short=7", revision])
    }

    fn check(&self, arguments: &[&str]) -> Said {
        check(self.path(), arguments)
    }

    /// Clones it by the protocol that leaves out what is asked to be left out.
    pub(crate) fn clone(&self, arguments: &[&str]) -> Repository {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}", self.path().display());
        git(folder.path(), &[&["clone", "-q"], arguments, &[&url, "."]].concat());
        materials(folder.path());
        Repository { folder }
    }
}

/// Writes inventory, traffic and a config that names them and the rules; git does not see them.
fn materials(folder: &Path) {
    let config = "version: 1\nrules: {paths: [rules]}\ninventory: [inventory.yaml]\n\
                  traffic: [{path: traffic.yaml}]\n";
    for (name, text) in
        [("inventory.yaml", INVENTORY), ("traffic.yaml", TRAFFIC), ("blastgate.yaml", config)]
    {
        std::fs::write(folder.join(name), text).expect("a file");
    }
    let exclude = folder.join(".git/info/exclude");
    if exclude.parent().is_some_and(Path::is_dir) {
        std::fs::write(exclude, "/inventory.yaml\n/traffic.yaml\n/blastgate.yaml\n")
            .expect("a file");
    }
}

fn git_of(short: &str) -> String {
    format!("git:{short}")
}

//------------ Revisions -----------------------------------------------------

#[test]
fn a_base_is_exactly_that_tree() {
    let repository = Repository::new();
    let first = repository.short("HEAD");
    repository.write("rules/edge.yaml", &with("second"));
    let second = repository.commit("second");
    repository.write("rules/edge.yaml", &wide().replace("acme-flood", "third"));
    let said = repository.check(&["--base", &first]);
    said.is(1, &format!("against git:{first}: added third, removed acme-flood"));
    assert_eq!((said.ids("added"), said.ids("removed")), (vec!["third"], vec!["acme-flood"]));
    let said = repository.check(&["--base", "main"]);
    said.is(1, "clinic").against(&git_of(&second));
    assert_eq!(said.ids("removed"), ["acme-flood", "second"]);
    repository.write("rules/edge.yaml", GOOD);
    repository.check(&["--base", "HEAD~1"]).is(0, "nothing changed").against(&git_of(&first));
    repository.check(&["--base", ":/first"]).is(3, "no revision `:/first`");
    // Places in the running rules are those of git.
    repository.write("rules/edge.yaml", "version: 2\n");
    let broken = repository.commit("broken");
    repository.write("rules/edge.yaml", GOOD);
    repository.check(&["--base", "HEAD"]).is(3, &format!("{broken}:rules/edge.yaml:1:"));
}

#[test]
fn a_merge_base_is_what_the_branch_began_from() {
    let repository = Repository::new();
    let first = repository.short("HEAD");
    repository.git(&["switch", "-q", "-c", "topic"]);
    repository.write("rules/topic.yaml", &GOOD.replace("acme-flood", "topic"));
    repository.commit("topic");
    repository.git(&["switch", "-q", "main"]);
    repository.write("rules/edge.yaml", &with("main"));
    let main = repository.commit("main");
    repository.git(&["switch", "-q", "topic"]);
    let said = repository.check(&["--merge-base", "main"]);
    said.is(0, "added topic").against(&git_of(&first));
    // The tip of main has a rule that this branch never removed.
    let said = repository.check(&["--base", "main"]);
    said.is(0, "removed main").against(&git_of(&main));
}

#[test]
fn a_merge_commit_as_ci_makes_it_is_judged_against_the_tip_that_it_merges_into() {
    let repository = Repository::new();
    repository.git(&["switch", "-q", "-c", "topic"]);
    repository.write("rules/topic.yaml", &wide().replace("acme-flood", "topic"));
    repository.commit("topic");
    repository.git(&["switch", "-q", "main"]);
    repository.write("rules/edge.yaml", &with("main"));
    let main = repository.commit("main");
    repository.git(&["switch", "-q", "--detach"]);
    repository.git(&["merge", "-q", "--no-ff", "-m", "merge", "topic"]);
    let said = repository.check(&["--merge-base", "main"]);
    said.is(1, "clinic").against(&git_of(&main));
    assert_eq!(said.ids("added"), ["topic"]);
    repository.check(&["--base", "HEAD^1"]).is(1, "clinic").against(&git_of(&main));
}

#[test]
fn a_shallow_clone_is_never_judged_against_something_else() {
    let repository = Repository::new();
    repository.git(&["switch", "-q", "-c", "topic"]);
    repository.write("rules/edge.yaml", &wide());
    repository.commit("topic");
    repository.git(&["switch", "-q", "main"]);
    repository.write("rules/edge.yaml", &with("main"));
    repository.commit("main");
    repository.git(&["switch", "-q", "topic"]);
    let clone = repository.clone(&["--depth", "1"]);
    for arguments in [["--merge-base", "origin/main"], ["--base", "HEAD~1"]] {
        clone.check(&arguments).is(3, "fetch-depth: 0").is(3, "no revision");
    }
    // Both tips are there, and what they have in common is not.
    let clone = repository.clone(&["--depth", "1", "--no-single-branch"]);
    clone
        .check(&["--merge-base", "origin/main"])
        .is(3, "cannot be told: this clone is shallow")
        .is(3, "git fetch --unshallow");
    // As deep as it takes: it can be told.
    let clone = repository.clone(&["--depth", "2", "--no-single-branch"]);
    clone.check(&["--merge-base", "origin/main"]).is(1, "clinic").is(1, "modified acme-flood");
}

#[test]
fn a_merge_base_that_is_only_the_best_of_what_a_shallow_clone_kept_is_refused() {
    // old -- base -- x -- y -- HEAD, base -- main, and HEAD merges a side branch right off old.
    let repository = Repository::new();
    repository.git(&["branch", "side"]);
    repository.write("rules/edge.yaml", &with("base"));
    let base = repository.commit("base");
    repository.git(&["branch", "other"]);
    for name in ["x", "y", "z"] {
        repository.write("note", name);
        repository.commit(name);
    }
    repository.git(&["merge", "-q", "--no-ff", "-s", "ours", "-m", "merge", "side"]);
    repository.git(&["switch", "-q", "side"]);
    repository.write("side", "side");
    repository.commit("side");
    repository.git(&["switch", "-q", "main"]);
    repository.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    repository.check(&["--merge-base", "other"]).is(0, "nothing").against(&git_of(&base));
    let clone = repository.clone(&["--depth", "3", "--no-single-branch"]);
    let found = git(clone.path(), &["merge-base", "origin/other", "HEAD"]);
    assert!(!found.starts_with(&base), "git itself names another one: {found}");
    clone.check(&["--merge-base", "origin/other"]).is(3, "this clone is shallow");
}

#[test]
fn unrelated_histories_have_no_merge_base_and_nothing_takes_its_place() {
    let repository = Repository::new();
    repository.git(&["switch", "-q", "--orphan", "alone"]);
    repository.write("rules/edge.yaml", GOOD);
    repository.check(&["--merge-base", "main"]).is(3, "HEAD has no commit yet");
    repository.commit("alone");
    let said = repository.check(&["--merge-base", "main"]);
    said.is(3, "their histories are unrelated").is(3, "--base REV").against("git:main");
    repository.check(&["--base", "main"]).is(0, "nothing changed");
}

#[test]
fn of_several_merge_bases_none_is_picked() {
    let repository = Repository::new();
    repository.git(&["switch", "-q", "-c", "other"]);
    repository.write("b", "b");
    let second = repository.commit("b");
    repository.git(&["switch", "-q", "main"]);
    repository.write("a", "a");
    let first = repository.commit("a");
    repository.git(&["merge", "-q", "--no-ff", "-m", "one", &second]);
    repository.git(&["switch", "-q", "other"]);
    repository.git(&["merge", "-q", "--no-ff", "-m", "two", &first]);
    let said = repository.check(&["--merge-base", "main"]);
    said.is(3, "2 merge bases").is(3, &first).is(3, &second).is(3, "--base REV");
}

#[test]
fn a_revision_that_is_not_there_is_never_green() {
    let repository = Repository::new();
    let id = repository.git(&["rev-parse", "HEAD"]);
    let blob = repository.git(&["rev-parse", "HEAD:rules/edge.yaml"]);
    for revision in
        ["gone", "^main", "main..main", "HEAD^9", "HEAD:rules", &blob, &id[..3], " main"]
    {
        let said = repository.check(&[&format!("--base={revision}")]);
        said.is(3, "no revision").is(3, "name a commit, branch or tag");
        repository.check(&[&format!("--merge-base={revision}")]).is(3, "no revision");
    }
    for empty in ["--base=", "--merge-base= "] {
        repository.check(&[empty]).is(2, "no revision is named");
    }
    let folder = repository.path();
    check_with(folder, &[], &[("BLASTGATE_BASE", "")]).is(2, "no revision is named");
    check_with(folder, &[], &[("BLASTGATE_BASE", "main")]).is(0, "nothing changed");
}

#[test]
fn a_revision_is_never_an_option_of_git() {
    let repository = Repository::new();
    let file = repository.path().join("written");
    let output = format!("--output={}", file.display());
    for revision in ["-x", "--help", "--all", "--git-dir", &output] {
        for flag in ["--base", "--merge-base"] {
            repository.check(&[&format!("{flag}={revision}")]).is(3, "no revision");
        }
    }
    assert!(!file.exists());
}

#[test]
fn a_name_with_two_meanings_is_refused() {
    let repository = Repository::new();
    repository.git(&["branch", "v1"]);
    repository.write("rules/edge.yaml", &with("second"));
    repository.commit("second");
    repository.git(&["tag", "v1"]);
    repository.check(&["--base", "v1"]).is(3, "means several revisions").is(3, "refs/heads/");
    repository.check(&["--base", "refs/heads/v1"]).is(0, "added second");
    repository.check(&["--base", "refs/tags/v1"]).is(0, "nothing changed");
}

#[test]
fn a_replaced_commit_is_read_as_it_was_made() {
    let repository = Repository::new();
    let first = repository.short("HEAD");
    repository.write("rules/edge.yaml", &with("second"));
    repository.commit("second");
    repository.git(&["replace", &first, "HEAD"]);
    repository.check(&["--base", &first]).is(0, "added second");
}

#[test]
fn flags_that_exclude_each_other_are_usage_errors() {
    let repository = Repository::new();
    let (base, merge_base) = (["--base", "main"], ["--merge-base", "main"]);
    let running = ["--running", "rules"];
    for pair in [[base, merge_base], [base, running], [merge_base, running]] {
        repository.check(&pair.concat()).is(2, "cannot be used with");
    }
    repository.check(&["-", "--base", "main"]).is(2, "standard input");
    repository.check(&["-", "--staged"]).is(2, "standard input");
}

//------------ Paths ---------------------------------------------------------

#[test]
fn a_path_that_a_revision_lacks_is_an_empty_set_said_in_words() {
    let repository = Repository::empty();
    repository.write("README", "nothing yet");
    let first = repository.commit("first");
    repository.write("rules/edge.yaml", GOOD);
    let said = repository.check(&["--base", "HEAD"]);
    said.is(0, &format!("rules had no rules at {first}: everything in it is new"));
    assert_eq!(said.ids("added"), ["acme-flood"]);
    assert_eq!(said.result["change"]["notes"].as_array().map(Vec::len), Some(1));
    repository.check(&["rules/edge.yaml", "--base", "HEAD"]).is(0, "rules/edge.yaml had no rules");
    repository.write("rules/edge.yaml", &wide());
    repository.check(&["--base", "HEAD"]).is(1, "clinic");
    // A file where the folder is now holds no such files either.
    repository.write("README", "x");
    repository.check(&["rules", "README/x.yaml", "--base", "HEAD"]).is(3, "README/x.yaml");
}

#[test]
fn a_folder_in_git_holds_the_files_that_it_holds_on_disk() {
    let repository = Repository::empty();
    let names = ["b.yaml", "a/z.yml", "B.yaml", "two words.yaml", "ünï.yaml", "new\nline.yaml"];
    for (at, name) in names.iter().enumerate() {
        let id = format!("rule-{at}");
        repository.write(&format!("rules/{name}"), &GOOD.replace("acme-flood", &id));
    }
    for name in [".hidden.yaml", ".git-like/x.yaml", "notes.txt", "yaml", ".yaml"] {
        repository.write(&format!("rules/{name}"), "not a rule");
    }
    let first = repository.commit("first");
    for arguments in [&["--base", "HEAD"][..], &["--staged"], &["--staged", "--running", "rules"]] {
        let said = repository.check(arguments);
        said.is(0, "nothing changed");
        assert_eq!((said.ids("moved").len(), said.ids("added").len()), (0, 0));
        assert_eq!(said.result["change"]["files"], 6);
    }
    // Files are named alone, twice, and with dots.
    for paths in [&["rules/two words.yaml"][..], &["rules", "rules/b.yaml"], &["./rules/../rules/"]]
    {
        repository.check(&[paths, &["--base", "HEAD"]].concat()).is(0, "nothing changed");
    }
    repository.check(&[".", "--base", &first]).is(3, "blastgate.yaml");
    for (id, name) in [("rule-4", "ünï.yaml"), ("rule-5", "new\nline.yaml")] {
        repository.write(&format!("rules/{name}"), &wide().replace("acme-flood", id));
        let said = repository.check(&["--base", "HEAD"]);
        said.is(1, &format!("modified {id}"));
        repository.git(&["checkout", "-q", "--", "rules"]);
    }
}

#[test]
fn many_files_do_not_fill_a_pipe() {
    let repository = Repository::empty();
    for at in 0..1_500 {
        let text = GOOD.replace("acme-flood", &format!("rule-{at}"));
        let padding = format!("# {}\n", "x".repeat(200));
        repository.write(&format!("rules/{at:04}.yaml"), &(padding.repeat(20) + &text));
    }
    repository.commit("first");
    let said = repository.check(&["--base", "HEAD", "--staged"]);
    said.is(0, "nothing changed");
    assert_eq!(said.result["change"]["rules"], 1_500);
}

#[test]
fn paths_are_those_of_the_folder_one_is_in() {
    let repository = Repository::new();
    repository.write("rules/deep/more.yaml", &GOOD.replace("acme-flood", "more"));
    let head = repository.commit("more");
    let deep = repository.path().join("rules/deep");
    for arguments in [
        &["--base", "HEAD"][..],
        &["..", "--merge-base", "main"],
        &["../../rules", "--staged"],
        &["more.yaml", "../edge.yaml", "--base", "HEAD"],
        &[repository.path().join("rules").to_str().expect("text"), "--base", "HEAD"],
    ] {
        check(&deep, arguments).is(0, "nothing changed").against(&git_of(&head));
    }
    std::fs::write(deep.join("more.yaml"), wide().replace("acme-flood", "more")).expect("a file");
    check(&deep, &["--base", "HEAD"]).is(1, "modified more");
    check(&deep, &["--staged"]).is(0, "nothing changed");
    git(&deep, &["add", "-A"]);
    check(&deep, &["--staged"]).is(1, "../../rules/deep/more.yaml:3:");
}

#[test]
fn a_path_in_no_repository_or_in_another_one_is_refused() {
    let repository = Repository::new();
    let other = Repository::new();
    let others = other.path().join("rules");
    let others = others.to_str().expect("text");
    for arguments in [["--base", "HEAD"], ["--merge-base", "HEAD"], ["--staged", "--strict"]] {
        let said = repository.check(&[&[others][..], &arguments].concat());
        said.is(3, "is outside of the git repository").is(3, "run it inside of the repository");
    }
    repository.check(&["../../..", "--staged"]).is(3, "is outside of the git repository");
    let inner = repository.path().join("inner");
    std::fs::create_dir_all(inner.join("rules")).expect("folders");
    git(&inner, &["init", "-q"]);
    std::fs::write(inner.join("rules/edge.yaml"), GOOD).expect("a file");
    repository.check(&["inner/rules", "--base", "HEAD"]).is(3, "is in another git repository");
    let nowhere = tempfile::tempdir().expect("a folder");
    materials(nowhere.path());
    std::fs::create_dir(nowhere.path().join("rules")).expect("a folder");
    std::fs::write(nowhere.path().join("rules/edge.yaml"), GOOD).expect("a file");
    check(nowhere.path(), &["--base", "HEAD"]).is(3, "not a git repository");
    check(nowhere.path(), &["--staged"]).is(3, "not a git repository");
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_refused_rather_than_passed_over() {
    let link = |repository: &Repository, from: &str, to: &str| {
        std::os::unix::fs::symlink(to, repository.path().join(from)).expect("a link");
    };
    let repository = Repository::new();
    repository.write("other/more.yaml", &GOOD.replace("acme-flood", "more"));
    link(&repository, "rules/more.yaml", "../other/more.yaml");
    let head = repository.commit("a link to a file");
    let place = format!("{head}:rules/more.yaml is a symbolic link");
    repository.check(&["--base", "HEAD"]).is(3, &place).is(3, "put the file itself there");
    repository.check(&["--staged"]).is(3, "rules/more.yaml is a symbolic link in git");
    repository.check(&["rules/more.yaml", "--staged"]).is(3, "leads through a symbolic link");

    let repository = Repository::new();
    link(&repository, "current", "rules");
    repository.commit("a link to a folder");
    for path in ["current", "current/edge.yaml"] {
        let said = repository.check(&[path, "--base", "HEAD"]);
        said.is(3, "leads through a symbolic link").is(3, "name what the link leads to");
    }
    // Below a folder of rules one would be left out.
    let below = Repository::new();
    below.write("other/more.yaml", &GOOD.replace("acme-flood", "more"));
    link(&below, "rules/2026", "../other");
    below.commit("a link to a folder among the rules");
    for arguments in [&["--base", "HEAD"][..], &["--staged"], &["rules"], &["--running", "other"]] {
        below.check(arguments).is(3, "rules/2026 is a symbolic link");
    }
    // Git has the link, the working tree a folder.
    std::fs::remove_file(repository.path().join("current")).expect("a link");
    repository.write("current/edge.yaml", GOOD);
    repository.check(&["current", "--base", "HEAD"]).is(3, "current is a symbolic link in git");
    repository.check(&["current/edge.yaml", "--base", "HEAD"]).is(3, "current is a symbolic link");
    repository.check(&["current/edge.yaml", "--staged"]).is(3, "current is a symbolic link in git");
}

#[test]
fn submodules_are_refused_rather_than_passed_over() {
    let shared = Repository::empty();
    shared.write("shared.yaml", &GOOD.replace("acme-flood", "shared"));
    shared.commit("first");
    let repository = Repository::new();
    let url = format!("file://{}", shared.path().display());
    repository.git(&["submodule", "--quiet", "add", &url, "rules/shared"]);
    let head = repository.commit("a submodule");
    let place = format!("{head}:rules/shared is a submodule");
    repository.check(&["--base", "HEAD"]).is(3, &place);
    repository.check(&["--staged"]).is(3, "rules/shared is a submodule");
    repository.check(&["rules/shared", "--base", "HEAD"]).is(3, "is in another git repository");
    // Not checked out, it is an empty folder.
    let clone = repository.clone(&[]);
    clone.check(&["rules/shared", "--base", "HEAD"]).is(3, "is a submodule");
    clone.check(&["rules/shared/shared.yaml", "--staged"]).is(3, "is a submodule");
    // In it, all is well.
    let inside = repository.path().join("rules/shared");
    let arguments = ["shared.yaml", "--base", "HEAD", "--config", "../../blastgate.yaml"];
    check(&inside, &arguments).is(0, "nothing changed");
}

//------------ The index -----------------------------------------------------

#[test]
fn staged_rules_are_those_of_the_index_and_not_of_the_working_tree() {
    let repository = Repository::new();
    let head = repository.short("HEAD");
    repository.write("rules/edge.yaml", &wide());
    repository.git(&["add", "-A"]);
    repository.write("rules/edge.yaml", GOOD);
    let said = repository.check(&["--staged"]);
    said.is(1, "rules (git index): 1 rule in 1 file").is(1, "rules/edge.yaml:3:");
    said.against(&git_of(&head));
    assert_eq!(said.result["change"]["candidate"], "rules (git index)");
    repository.check(&["--base", "HEAD"]).is(0, "nothing changed");
    repository.check(&["--staged", "--base", "HEAD"]).is(1, "clinic").against(&git_of(&head));
    repository.check(&["--staged", "--merge-base", "main"]).is(1, "clinic");
    repository.check(&["--staged", "--running", "rules"]).is(1, "clinic").against("rules");
    repository.write("rules/edge.yaml", GOOD);
    repository.git(&["add", "-A"]);
    repository.write("rules/edge.yaml", &wide());
    repository.write("rules/not-added.yaml", "not a rule");
    repository.check(&["--staged"]).is(0, "nothing changed");
    repository.check(&["--staged", "--running", "rules/edge.yaml"]).is(0, "modified acme-flood");
    check_with(repository.path(), &[], &[("BLASTGATE_STAGED", "true")]).is(0, "nothing changed");
}

#[test]
fn before_the_first_commit_every_staged_rule_is_new() {
    let repository = Repository::empty();
    repository.write("rules/edge.yaml", GOOD);
    repository.check(&["--staged"]).is(3, "rules is not in the git index").is(3, "`git add` it");
    repository.git(&["add", "-A"]);
    let said = repository.check(&["--staged"]);
    said.is(0, "HEAD has no commit yet: every rule is new").against("git:HEAD");
    assert_eq!(said.ids("added"), ["acme-flood"]);
    repository.write("rules/edge.yaml", &wide());
    repository.git(&["add", "-A"]);
    repository.check(&["--staged"]).is(1, "clinic");
    repository.check(&["--base", "HEAD"]).is(3, "no revision `HEAD`");
    repository.check(&["--merge-base", "HEAD"]).is(3, "no revision `HEAD`");
}

#[test]
fn rules_deleted_in_the_index_are_judged_as_removed() {
    let repository = Repository::new();
    repository.git(&["rm", "-q", "--cached", "rules/edge.yaml"]);
    assert!(repository.path().join("rules/edge.yaml").exists());
    // It stopped an attack: taking it away is no good change.
    for arguments in [&["--staged"][..], &["rules/edge.yaml", "--staged", "--base", "HEAD"]] {
        let said = repository.check(arguments);
        said.is(1, "removed acme-flood")
            .is(1, "has no rules in the git index: all of it is removed");
    }
    // What was never there is a mistake, also besides what is.
    repository.git(&["reset", "-q"]);
    let said = repository.check(&["rules", "rules/typo.yaml", "--staged"]);
    said.is(3, "rules/typo.yaml is not in the git index, and was not committed before either");
    let said = repository.check(&["rules/typo.yaml", "--staged", "--running", "rules"]);
    said.is(3, "rules/typo.yaml is not in the git index");
}

#[test]
fn an_unfinished_merge_is_not_judged() {
    let repository = Repository::new();
    repository.git(&["switch", "-q", "-c", "topic"]);
    repository.write("rules/edge.yaml", &wide());
    repository.commit("topic");
    repository.git(&["switch", "-q", "main"]);
    repository.write("rules/edge.yaml", &GOOD.replace("drop", "reject"));
    repository.commit("main");
    assert_eq!(try_git(repository.path(), &["merge", "topic"]).0, 1);
    let said = repository.check(&["--staged"]);
    said.is(3, "rules/edge.yaml is unmerged in the git index").is(3, "finish the merge");
    repository.check(&["rules/edge.yaml", "--staged"]).is(3, "is unmerged");
}

#[test]
fn a_file_that_is_only_meant_to_be_added_is_not_in_the_index() {
    let repository = Repository::new();
    repository.write("rules/later.yaml", &wide().replace("acme-flood", "later"));
    repository.git(&["add", "-N", "rules/later.yaml"]);
    repository.check(&["--staged"]).is(0, "nothing changed");
    repository.check(&["rules/later.yaml", "--staged"]).is(3, "is not in the git index");
    // A file that is added and empty is committed, and is no rule file.
    repository.write("rules/empty.yaml", "");
    repository.git(&["add", "rules/empty.yaml"]);
    repository.check(&["--staged"]).is(3, "rules/empty.yaml");
}

/// Puts the program into a repository as its pre-commit hook.
#[cfg(unix)]
fn hook(repository: &Repository, before: &str) {
    let text = format!("#!/bin/sh\n{before}exec blastgate check --staged --now {NOW} \"$@\" >&2\n");
    install(repository, &text);
}

/// Puts a pre-commit hook into a repository, with this program as `blastgate`.
#[cfg(unix)]
pub(crate) fn install(repository: &Repository, hook: &str) {
    use std::os::unix::fs::PermissionsExt;
    let program = assert_cmd::cargo::cargo_bin!("blastgate");
    let text = hook.replace("exec blastgate", &format!("exec '{}'", program.display()));
    assert_ne!(text, hook);
    let hooks = PathBuf::from(repository.git(&["rev-parse", "--git-path", "hooks"]));
    let path = repository.path().join(hooks).join("pre-commit");
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    std::fs::write(&path, text).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}

#[cfg(unix)]
#[test]
fn a_pre_commit_hook_judges_what_is_committed() {
    let repository = Repository::new();
    hook(&repository, "");
    let commit = |arguments: &[&str]| {
        let all = [&["commit", "-q", "-m", "x"], arguments].concat();
        let (code, text) = try_git(repository.path(), &all);
        println!("git {} => {code} | {}", all.join(" "), text.lines().last().unwrap_or_default());
        (code, text)
    };
    // The working tree is good and the index is not: blocked.
    repository.write("rules/edge.yaml", &wide());
    repository.git(&["add", "-A"]);
    repository.write("rules/edge.yaml", GOOD);
    let (code, text) = commit(&[]);
    assert!(code == 1 && text.contains("FAIL"), "{text}");
    // The index is bad in one file, but only the other one is committed: let through.
    repository.write("rules/other.yaml", &GOOD.replace("acme-flood", "other"));
    repository.git(&["add", "rules/other.yaml"]);
    let (code, text) = commit(&["--", "rules/other.yaml"]);
    assert!(code == 0 && text.contains("added other"), "{text}");
    // And the other way round: what stays staged is good, what is committed is not.
    repository.write("rules/edge.yaml", GOOD);
    repository.git(&["add", "-A"]);
    repository.write("rules/other.yaml", &wide().replace("acme-flood", "other"));
    let (code, text) = commit(&["--", "rules/other.yaml"]);
    assert!(code == 1 && text.contains("modified other"), "{text}");
    let (code, text) = commit(&["-a"]);
    assert!(code == 1 && text.contains("modified other"), "{text}");
    repository.git(&["checkout", "-q", "--", "rules"]);
    // From a folder below as well: git runs hooks at the top.
    std::fs::write(repository.path().join("rules/edge.yaml"), wide()).expect("a file");
    let (code, text) =
        try_git(&repository.path().join("rules"), &["commit", "-qm", "x", "--", "edge.yaml"]);
    assert!(code == 1 && text.contains("modified acme-flood"), "{text}");
    assert_eq!(repository.git(&["log", "--format=%s"]), "x\nfirst");
}

#[cfg(unix)]
#[test]
fn a_linked_worktree_is_judged_by_its_own_index_and_head() {
    let repository = Repository::new();
    hook(&repository, "");
    let linked = tempfile::tempdir().expect("a folder");
    let folder = linked.path().join("tree");
    let path = folder.to_str().expect("text");
    repository.git(&["worktree", "add", "-q", "-b", "topic", path]);
    materials(&folder);
    std::fs::write(folder.join("rules/edge.yaml"), wide()).expect("a file");
    check(&folder, &["--staged"]).is(0, "nothing changed");
    git(&folder, &["add", "rules"]);
    check(&folder, &["--staged"]).is(1, "clinic");
    check(&folder, &["--merge-base", "main"]).is(1, "clinic");
    repository.check(&["--staged"]).is(0, "nothing changed");
    let (code, text) = try_git(&folder, &["commit", "-qm", "x"]);
    assert!(code == 1 && text.contains("FAIL"), "{text}");
    // A hook that goes elsewhere would see other paths under the same names.
    hook(&repository, "cd rules\n");
    std::fs::write(folder.join("rules/edge.yaml"), with("more")).expect("a file");
    git(&folder, &["add", "rules"]);
    let (code, text) = try_git(&folder, &["commit", "-qm", "x"]);
    assert!(code == 1 && text.contains("GIT_WORK_TREE is not set"), "{text}");
}

#[test]
fn what_a_sparse_checkout_leaves_out_is_not_taken_for_removed() {
    let repository = Repository::new();
    repository.write("rules/deep/more.yaml", &GOOD.replace("acme-flood", "more"));
    repository.write("rules/deep/notes.txt", "notes");
    repository.commit("more");
    repository.git(&["sparse-checkout", "set", "--no-cone", "/*", "!/rules/deep/"]);
    assert!(!repository.path().join("rules/deep").exists());
    let said = repository.check(&["--base", "HEAD"]);
    said.is(3, "rules/deep/more.yaml is left out of the working tree by a sparse checkout");
    repository.check(&["--staged"]).is(0, "nothing changed");
    repository.check(&["rules/edge.yaml", "--base", "HEAD"]).is(0, "nothing changed");
}

//------------ What git cannot do --------------------------------------------

#[test]
fn a_partial_clone_is_not_completed_behind_ones_back() {
    let repository = Repository::new();
    repository.git(&["config", "uploadpack.allowFilter", "true"]);
    repository.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    for filter in ["--filter=blob:none", "--filter=tree:0"] {
        let clone = repository.clone(&[filter, "--no-checkout"]);
        clone.write("rules/edge.yaml", GOOD);
        let before = clone.git(&["count-objects", "-v"]);
        let said = clone.check(&["--base", "HEAD"]);
        said.is(3, "is not in this clone").is(3, "git fetch --refetch --no-filter");
        assert_eq!(before, clone.git(&["count-objects", "-v"]), "{filter}");
        clone.git(&["fetch", "-q", "--refetch", "--no-filter"]);
        clone.check(&["--base", "HEAD"]).is(0, "nothing changed");
    }
}

#[test]
fn what_git_says_no_to_is_passed_on() {
    let repository = Repository::new();
    let folder = repository.path();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let without = elsewhere.path().to_str().expect("text");
    check_with(folder, &["--base", "HEAD"], &[("PATH", without)])
        .is(3, "cannot run git: it is not installed")
        .is(3, "--running PATH");
    check_with(folder, &["--base", "HEAD"], &[("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")])
        .is(3, "detected dubious ownership")
        .is(3, "git config --global --add safe.directory");
    let other = Repository::new();
    let git_dir = other.path().join(".git");
    let git_dir = git_dir.to_str().expect("text");
    check_with(folder, &["--base", "HEAD"], &[("GIT_DIR", git_dir)])
        .is(3, "GIT_DIR names another repository");
    let bare = tempfile::tempdir().expect("a folder");
    git(bare.path(), &["init", "-q", "--bare"]);
    materials(bare.path());
    check(bare.path(), &["--staged"]).is(3, "must be run in a work tree");
    // Settings of the caller change nothing.
    let settings =
        [("GIT_LITERAL_PATHSPECS", "1"), ("GIT_PAGER", "false"), ("LANG", "de_DE.UTF-8")];
    check_with(folder, &["--staged"], &settings).is(0, "nothing changed");
}

#[test]
fn nothing_is_written_to_the_repository() {
    let repository = Repository::new();
    repository.write("rules/edge.yaml", &with("second"));
    let state = || {
        let mut files = Vec::new();
        let mut folders = vec![repository.path().join(".git")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let entry = entry.expect("an entry");
                let metadata = entry.metadata().expect("metadata");
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else {
                    let changed = metadata.modified().expect("a time");
                    files.push((entry.path(), metadata.len(), changed));
                }
            }
        }
        files.sort();
        files
    };
    let before = state();
    repository.check(&["--base", "HEAD"]).is(0, "added second");
    repository.check(&["--staged"]).is(0, "nothing changed");
    repository.check(&["--merge-base", "HEAD"]).is(0, "added second");
    assert!(before == state());
}

//------------ Includes ----------------------------------------------------------

/// Rules of nftables that include what lies beside them.
const INCLUDES: &str = "\
include \"parts/*.nft\"
table inet edge {
    chain forward {
        type filter hook forward priority 0; policy accept;
        jump flood
    }
}
";

/// The chain that is included, with the one address that it drops.
fn part(address: &str) -> String {
    format!(
        "table inet edge {{\n  chain flood {{\n    # blastgate: id=acme-flood intent target=acme\n    \
         ip daddr {address} meta l4proto udp drop\n  }}\n}}\n"
    )
}

#[test]
fn an_include_is_read_where_the_rules_are_in_the_commit_the_index_or_on_disk() {
    let repository = Repository::empty();
    repository.write("rules/edge.nft", INCLUDES);
    repository.write("rules/parts/flood.nft", &part("203.0.113.10"));
    let config = "version: 1\nrules: {paths: [rules/edge.nft]}\ninventory: [inventory.yaml]\n\
                  traffic: [{path: traffic.yaml}]\n";
    repository.write("blastgate.yaml", config);
    repository.commit("first");
    let base = ["--base", "HEAD"];
    check(repository.path(), &base).is(0, "PASS");
    // Only the part changes, and only on disk.
    repository.write("rules/parts/flood.nft", &part("203.0.113.0/24"));
    let said = check(repository.path(), &base);
    said.is(1, "clinic");
    assert_eq!(said.ids("modified"), ["acme-flood"]);
    // Not yet in the index.
    check(repository.path(), &["--staged"]).is(0, "PASS");
    repository.git(&["add", "rules/parts/flood.nft"]);
    check(repository.path(), &["--staged"]).is(1, "clinic");
    // Back on disk, but not in the index.
    repository.write("rules/parts/flood.nft", &part("203.0.113.10"));
    check(repository.path(), &["--staged"]).is(1, "clinic");
    check(repository.path(), &base).is(0, "PASS");
    // A part that the index has and the commit has not.
    repository.git(&["add", "-A"]);
    repository.write("rules/parts/more.nft", "table inet edge {\n}\n");
    repository.commit("second");
    check(repository.path(), &["--base", "HEAD~1"]).is(0, "PASS");
}

#[test]
fn an_include_that_a_commit_lacks_is_never_looked_for_on_disk() {
    let repository = Repository::empty();
    let includes = INCLUDES.replace("parts/*.nft", "parts/flood.nft");
    repository.write("rules/edge.nft", &includes);
    let config = "version: 1\nrules: {paths: [rules/edge.nft]}\ninventory: [inventory.yaml]\n\
                  traffic: [{path: traffic.yaml}]\n";
    repository.write("blastgate.yaml", config);
    repository.commit("first");
    repository.write("rules/parts/flood.nft", &part("203.0.113.10"));
    let said = check(repository.path(), &["--base", "HEAD"]);
    said.is(3, "parts/flood.nft");
    check(repository.path(), &["--staged"]).is(3, "parts/flood.nft");
    repository.git(&["add", "-A"]);
    let said = check(repository.path(), &["--staged"]);
    said.is(3, "parts/flood.nft");
}
