//! A folder for every guardrail: rules that it catches, and the smallest edits that make them
//! right.
//!
//! `fixtures/guardrails/<guardrail>` holds one inventory and one small recording; every
//! `fails….yaml` and `passes….yaml` is a candidate, against `running.yaml` where that is there. The
//! folders are clean otherwise, so that nothing but the guardrail is found.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{Run, check, fixtures};

/// What a finding of a guardrail does to the run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// It fails.
    Error,
    /// It warns, and fails under `--strict`.
    Warning,
    /// It warns, also under `--strict`.
    Mild,
}
use Weight::{Error, Mild, Warning};

/// The folders, and what the guardrail's findings in them weigh.
const FOLDERS: &[(&str, Weight)] = &[
    ("attack_still_passes", Error),
    ("collateral_loss", Error),
    ("control_plane_reached", Mild),
    ("fragments_missed", Warning),
    ("impossible_match", Error),
    ("intent_missing", Error),
    ("limit_below_normal", Mild),
    ("limit_without_effect", Mild),
    ("other_family_missed", Warning),
    ("pmtud_cut", Warning),
    ("protected_traffic_hit", Error),
    ("reach_beyond_intent", Error),
    ("redundant_rule", Warning),
    ("rule_expired", Error),
    ("rule_grew_by_removal", Warning),
    ("rule_without_hits", Mild),
    ("shadowed_rule", Warning),
    ("shared_address", Warning),
    ("shared_bucket", Error),
    ("target_cut_off", Mild),
    ("target_loss", Error),
    ("undo_cut_off", Error),
    ("unit_suspect", Warning),
    ("unkeyed_limit", Warning),
    ("unused_waiver", Warning),
    ("wide_match", Error),
];

/// What else may be found: by folder, by how the names of the candidates begin, and why.
const BESIDES: &[(&str, &str, &str)] = &[
    // No attack is recorded there, as it would pass a rule that no packet can meet.
    ("impossible_match", "", "rule_without_hits"),
    // A rule whose intent nobody can tell may reach nobody.
    ("intent_missing", "fails", "reach_beyond_intent"),
    // Everything to the customer is dropped, which is the point.
    ("pmtud_cut", "passes-blackhole", "target_cut_off"),
    // What no packet ever meets, no recorded packet meets.
    ("shadowed_rule", "fails-two", "rule_without_hits"),
    // What the waiver is for.
    ("unused_waiver", "passes", "shared_bucket"),
    // A rule for everybody's packets, whose intent does not say that all may be reached.
    ("wide_match", "fails", "reach_beyond_intent"),
];

/// Returns the names of the candidates in a folder, without `.yaml`, in order.
fn candidates(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .filter(|name| !["inventory", "traffic", "running"].contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

fn judge(folder: &Path, candidate: &str, more: &[&str]) -> Run {
    let rules = format!("{candidate}.yaml");
    let mut arguments = vec![&*rules, "--inventory", "inventory.yaml"];
    arguments.extend(["--traffic", "traffic.yaml"]);
    if folder.join("running.yaml").is_file() {
        arguments.extend(["--running", "running.yaml"]);
    }
    arguments.extend(more);
    check(folder, &arguments)
}

/// Returns what is not as it must be with one candidate.
fn wrong_with(guardrail: &str, weight: Weight, candidate: &str) -> Vec<String> {
    let folder = fixtures("guardrails").join(guardrail);
    let run = judge(&folder, candidate, &[]);
    let strict = judge(&folder, candidate, &["--strict"]);
    let found: BTreeSet<(&str, &str)> = run.findings().into_iter().collect();
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!("{guardrail}/{candidate}.yaml: {what}; found {found:?}"));
        }
    };
    let fails = candidate.starts_with("fails");
    let (severity, codes) = match weight {
        _ if !fails => ("none", [0, 0]),
        Error => ("error", [1, 1]),
        Warning => ("warning", [0, 1]),
        Mild => ("warning", [0, 0]),
    };
    let of_it: Vec<_> = found.iter().filter(|(name, _)| *name == guardrail).collect();
    match &of_it[..] {
        [] => must(!fails, format!("{guardrail} finds nothing")),
        all => must(
            fails && all.iter().all(|(_, found)| *found == severity),
            format!("{guardrail} must find: {severity}"),
        ),
    }
    let ended = [run.code, strict.code];
    must(ended == codes, format!("exits {ended:?} without and with --strict, not {codes:?}"));
    for (other, _) in found.iter().filter(|(name, _)| *name != guardrail) {
        let is_known = BESIDES.iter().any(|(folder, start, known)| {
            *folder == guardrail && candidate.starts_with(start) && known == other
        });
        must(is_known, format!("{other} is found as well"));
    }
    let problems = run.result["problems"].as_array().expect("problems");
    must(problems.is_empty(), format!("{problems:?}"));
    wrong
}

#[test]
fn every_guardrail_catches_its_mistake_and_nothing_in_the_twin() {
    let mut wrong = Vec::new();
    for (guardrail, weight) in FOLDERS {
        for candidate in candidates(&fixtures("guardrails").join(guardrail)) {
            wrong.extend(wrong_with(guardrail, *weight, &candidate));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_guardrail_of_the_list_has_a_folder_that_is_complete() {
    let mut folders: Vec<String> = std::fs::read_dir(fixtures("guardrails"))
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    folders.sort();
    let listed: Vec<&str> = FOLDERS.iter().map(|(guardrail, _)| *guardrail).collect();
    assert_eq!(folders, listed);
    for guardrail in listed {
        let folder = fixtures("guardrails").join(guardrail);
        for file in ["README.md", "inventory.yaml", "traffic.yaml", "fails.yaml", "passes.yaml"] {
            assert!(folder.join(file).is_file(), "{guardrail} lacks {file}");
        }
        for candidate in candidates(&folder) {
            let judged = ["fails", "passes"].iter().any(|word| candidate.starts_with(word));
            assert!(judged, "{guardrail}/{candidate}.yaml is not judged");
        }
    }
}
