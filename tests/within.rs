//! `--deadline` and `--max-memory`: what is not judged within them cannot be judged, and says so.

use crate::common::{NOW, blastgate, check, fixtures, lint};

const INCIDENT: &str = "incidents/2012-09-15-rate-limit";

const MATERIALS: &[&str] =
    &["wrong.yaml", "--inventory", "inventory.yaml", "--traffic", "traffic.yaml", "--no-config"];

fn judge_within(bound: &[&str]) -> (i32, String) {
    let run = check(&fixtures(INCIDENT), &[MATERIALS, bound].concat());
    (run.code, run.result["summary"].as_str().expect("a summary").to_owned())
}

#[test]
fn a_deadline_that_passes_cannot_judge() {
    let (code, summary) = judge_within(&["--deadline", "1ns"]);
    assert_eq!(code, 3, "{summary}");
    assert!(summary.starts_with("no verdict within 1ns (`--deadline`): it was "), "{summary}");
}

#[test]
fn memory_beyond_its_bound_cannot_judge_even_what_is_done() {
    let (code, summary) = judge_within(&["--max-memory", "1 kB"]);
    assert_eq!(code, 3, "{summary}");
    assert!(summary.starts_with("the run needs more than 1 kB (`--max-memory`): "), "{summary}");
}

#[test]
fn wide_bounds_change_nothing() {
    let within = judge_within(&["--deadline", "1h", "--max-memory", "8 GiB"]);
    assert_eq!(within, judge_within(&[]));
    assert_eq!(within.0, 1, "{}", within.1);
}

#[test]
fn lint_has_bounds_too() {
    let run = lint(&fixtures(INCIDENT), &["wrong.yaml", "--no-config", "--deadline", "1ns"]);
    assert_eq!((run.code, run.verdict()), (3, "cannot_judge"));
}

#[test]
fn a_bound_that_is_no_bound_is_a_usage_error() {
    for (bound, says) in [
        (["--deadline", "5"], "--deadline: a duration needs a unit"),
        (["--max-memory", "4 Gb"], "--max-memory: unknown unit `Gb`"),
    ] {
        let output = blastgate(&fixtures(INCIDENT))
            .arg("check")
            .args(MATERIALS)
            .args(bound)
            .args(["--now", NOW])
            .output()
            .expect("the program runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(says), "{errors}");
    }
}

#[test]
fn a_flood_that_needs_more_memory_is_stopped_while_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    put("inventory.yaml", "version: 1\ncustomers:\n  - {id: a, prefixes: [10.0.0.0/30]}\n");
    put(
        "rules.yaml",
        "version: 1
rules:
  - id: syn
    match: {dst: 10.0.0.1, protocol: tcp}
    action: {rate_limit: {rate: 5 pps, per: [src]}}
    intent: {target: [a]}
",
    );
    // 20 million records, each of them kept: some 2 GB.
    put(
        "traffic.yaml",
        "version: 1
duration: 2s
flows:
  - {id: syn, src: 64.0.0.0/4, sources: 10000000, dst: 10.0.0.1, protocol: tcp, rate: 10 Mpps}
",
    );
    let output = blastgate(folder.path())
        .args(["check", "rules.yaml", "--inventory", "inventory.yaml", "--traffic"])
        .args(["traffic.yaml", "--no-config", "--max-memory", "200 MB", "--now", NOW])
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("the run needs more than 200 MB (`--max-memory`)"), "{text}");
    assert!(text.contains("name a shorter recording"), "{text}");
}
