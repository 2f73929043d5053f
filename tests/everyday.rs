//! Everyday changes: what an operator does on any day must get the verdict that the operator
//! would give. The fixtures are `fixtures/everyday/<folder>`; a variant is its `<variant>.yaml`.

use crate::common::{check, fixtures};

/// The folder, the variant, arguments, and what must come of it: the verdict, the exit code,
/// findings that must be among those made, and everyone affected who was not meant to be.
pub(crate) type Case = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
    i32,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const TRAFFIC: &[&str] = &["--traffic", "traffic.yaml"];
const AGAINST_RUNNING: &[&str] = &["--traffic", "traffic.yaml", "--running", "running.yaml"];
const AGAINST_ONE: &[&str] = &["--traffic", "traffic.yaml", "--running", "running-one.yaml"];
const NO_TRAFFIC: &[&str] = &["--running", "running.yaml"];
const UNREADABLE_TRAFFIC: &[&str] = &["--traffic", "none.yaml", "--running", "running.yaml"];

const COLLATERAL: (&str, &str) = ("collateral_loss", "error");
const ATTACK: (&str, &str) = ("attack_still_passes", "error");

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    ("blackhole-own-address", "blackhole", TRAFFIC, "pass", 0, &[("target_cut_off", "warning")], &[]),
    ("per-client-limit", "limit", TRAFFIC, "pass", 0, &[], &[]),
    ("allow-list", "complete", TRAFFIC, "pass", 0, &[], &[]),
    ("allow-list", "forgets-clinic", TRAFFIC, "fail", 1, &[COLLATERAL], &["clinic"]),
    ("idle-drop-deleted", "without-it", AGAINST_RUNNING, "pass", 0, &[], &[]),
    ("idle-drop-deleted", "empty", AGAINST_ONE, "pass", 0, &[], &[]),
    ("needed-drop-deleted", "without-it", AGAINST_RUNNING, "fail", 1, &[ATTACK], &[]),
    ("needed-drop-deleted", "empty", AGAINST_ONE, "fail", 1, &[ATTACK], &[]),
    ("accept-exception", "for-the-partner", AGAINST_RUNNING, "pass", 0, &[], &[]),
    ("accept-exception", "for-the-attackers", AGAINST_RUNNING, "fail", 1, &[ATTACK], &[]),
    ("comments-only", "commented", NO_TRAFFIC, "pass", 0, &[], &[]),
    ("comments-only", "commented", UNREADABLE_TRAFFIC, "pass", 0, &[], &[]),
    ("rules-swapped", "swapped", AGAINST_RUNNING, "pass", 0, &[], &[]),
    ("bogon-sources", "bogons", TRAFFIC, "pass", 0, &[], &[]),
    ("log-everything", "log", TRAFFIC, "pass", 0, &[], &[]),
    ("egress-limit", "limit", TRAFFIC, "pass", 0, &[], &[]),
    ("nested-customer", "drop", TRAFFIC, "pass", 0, &[], &[]),
    ("nested-customer", "whole-24", TRAFFIC, "fail", 1, &[COLLATERAL], &["reseller"]),
    ("nobodys-address", "drop", TRAFFIC, "pass", 0, &[], &[]),
    ("nobodys-address", "misses", TRAFFIC, "fail", 1, &[ATTACK], &[]),
    ("nobodys-address", "names-nobody", TRAFFIC, "fail", 1, &[COLLATERAL, ("intent_missing", "error")], &["(unowned)"]),
    ("old-rule-expired", "unrelated-rule", AGAINST_RUNNING, "pass", 0, &[], &[]),
    ("old-rule-expired", "edits-the-old", AGAINST_RUNNING, "fail", 1, &[("rule_expired", "error")], &[]),
    ("nothing-labelled", "drop", TRAFFIC, "cannot_judge", 3, &[("nothing_labelled", "unknown")], &[]),
    ("renamed-rule", "renamed", NO_TRAFFIC, "pass", 0, &[], &[]),
    ("field-unrecorded", "either-rule", TRAFFIC, "cannot_judge", 3, &[("field_not_recorded", "unknown")], &[]),
    ("harsher-action", "drop", AGAINST_RUNNING, "fail", 1, &[COLLATERAL], &["bakery"]),
    ("harsher-action", "redirect", AGAINST_RUNNING, "fail", 1, &[COLLATERAL], &["bakery"]),
    ("harsher-action", "log", AGAINST_RUNNING, "pass", 0, &[], &[]),
    ("field-unrecorded", "without-the-drop", AGAINST_RUNNING, "cannot_judge", 3, &[("attack_still_passes", "unknown")], &[]),
    ("limit-adjusted", "raised", AGAINST_RUNNING, "pass", 0, &[], &[]),
    ("limit-adjusted", "another", AGAINST_RUNNING, "fail", 1, &[ATTACK], &[]),
    ("two-targets", "one-only", TRAFFIC, "fail", 1, &[ATTACK], &[]),
    ("two-targets", "both", TRAFFIC, "pass", 0, &[], &[]),
    ("limits-in-sequence", "without-second", AGAINST_RUNNING, "fail", 1, &[ATTACK], &[]),
    ("field-unrecorded", "lower-limit", AGAINST_RUNNING, "cannot_judge", 3, &[("field_not_recorded", "unknown")], &[]),
    ("field-unrecorded", "higher-limit", AGAINST_RUNNING, "pass", 0, &[], &[]),
    ("limit-adjusted", "log-only", AGAINST_RUNNING, "pass", 0, &[], &[]),
    ("shared-by-prefix", "drop", TRAFFIC, "pass", 0, &[], &[]),
    ("field-unrecorded", "another-rule", AGAINST_RUNNING, "pass", 0, &[], &[]),
];

#[test]
fn everyday_changes_get_the_verdict_that_an_operator_would_give() {
    for (folder, variant, arguments, verdict, code, findings, affected) in CASES {
        let rules = format!("{variant}.yaml");
        let arguments = [&[rules.as_str(), "--inventory", "inventory.yaml"], *arguments].concat();
        let run = check(&fixtures("everyday").join(folder), &arguments);
        let case = format!("{folder}/{rules}: {:#}", run.result);
        assert_eq!((run.verdict(), run.code), (*verdict, *code), "{case}");
        assert_eq!(run.affected(), *affected, "{case}");
        for finding in *findings {
            assert!(run.findings().contains(finding), "{finding:?}; {case}");
        }
        let fails = run.findings().iter().any(|(_, severity)| *severity != "warning");
        assert_eq!(fails, *code != 0, "{case}");
    }
}

#[test]
fn every_everyday_folder_is_judged_and_says_what_it_shows() {
    for entry in std::fs::read_dir(fixtures("everyday")).expect("the fixtures") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_str().expect("text");
        assert!(CASES.iter().any(|case| case.0 == name), "{name} is not judged");
        assert!(path.join("README.md").is_file(), "{name} says nothing about itself");
    }
}

#[test]
fn nothing_changed_is_said_in_words_and_nothing_is_said_about_traffic_that_was_not_read() {
    let arguments = [&["commented.yaml", "--inventory", "inventory.yaml"], NO_TRAFFIC].concat();
    let result = check(&fixtures("everyday/comments-only"), &arguments).result;
    let summary = result["summary"].as_str().expect("a summary");
    assert!(summary.starts_with("nothing changed"), "{summary}");
    assert_eq!(result["change"]["nothing"], true);
    assert_eq!(result["evidence"]["records"], 0);
    assert_eq!(result["unchanged_findings"], serde_json::json!({}));
}

#[test]
fn an_expired_rule_that_the_change_leaves_alone_is_counted() {
    let arguments =
        [&["unrelated-rule.yaml", "--inventory", "inventory.yaml"], AGAINST_RUNNING].concat();
    let result = check(&fixtures("everyday/old-rule-expired"), &arguments).result;
    assert_eq!(result["unchanged_findings"]["rule_expired"], 1);
}

#[test]
fn an_address_selected_by_prefix_may_lose_and_its_attack_must_stop() {
    let folder = fixtures("everyday/nobodys-address");
    for variant in ["drop.yaml", "misses.yaml"] {
        let arguments = [&[variant, "--inventory", "inventory.yaml"], TRAFFIC].concat();
        let run = check(&folder, &arguments);
        let row = &run.result["customers"][0];
        assert_eq!(
            (&row["id"], &row["intended"]),
            (&"(unowned)".into(), &true.into()),
            "{variant}"
        );
        assert_eq!(run.result["attack"][0]["must_stop"], 1.0, "{variant}");
    }
}

#[test]
fn cannot_judge_names_the_next_step() {
    let arguments = [&["drop.yaml", "--inventory", "inventory.yaml"], TRAFFIC].concat();
    let result = check(&fixtures("everyday/nothing-labelled"), &arguments).result;
    let next = result["next"].as_str().expect("a next step");
    assert!(next.contains("label the attack") && next.contains("blastgate explain"), "{next}");
}

#[test]
fn attack_that_passes_again_is_blamed_on_the_limit_that_is_gone() {
    let arguments =
        [&["without-second.yaml", "--inventory", "inventory.yaml"], AGAINST_RUNNING].concat();
    let result = check(&fixtures("everyday/limits-in-sequence"), &arguments).result;
    let finding = &result["findings"][0];
    assert_eq!((&finding["guardrail"], &finding["rule"]), (&ATTACK.0.into(), &"second".into()));
}
