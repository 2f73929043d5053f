//! Limits by PoP, and traffic of which nobody knows the PoP.

use crate::common::{Run, check};

const INVENTORY: &str = "\
version: 1
customers:
  - {id: a, prefixes: [203.0.113.0/28]}
  - {id: b, prefixes: [203.0.113.16/28]}
pops:
  - {id: ams, region: eu}
  - {id: fra, region: eu}
";

/// Judges a limit on the match over a flood on a and traffic of b, each with what is said of its
/// PoP; the config's last lines may list scenarios.
fn judge(matches: &str, [flood, own]: [&str; 2], config: &str, added: bool) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    let traffic = |flow: &str| {
        format!("version: 1\nstart: 2026-03-01T11:00:00Z\nduration: 60s\nflows:\n  - {{{flow}}}\n")
    };
    put("inventory.yaml", INVENTORY);
    put(
        "flood.yaml",
        &traffic(&format!(
            "id: f, {flood}label: attack, src: 45.9.0.0/24, sources: 50, dst: 203.0.113.1, \
             protocol: udp, dst_port: 80, rate: 100 Mbps"
        )),
    );
    put(
        "own.yaml",
        &traffic(&format!(
            "id: l, {own}src: 45.0.0.0/24, sources: 50, dst: 203.0.113.17, protocol: udp, \
             dst_port: 443, rate: 10 Mbps"
        )),
    );
    put(
        "rules.yaml",
        &format!(
            "version: 1\nrules:\n  - {{id: lim, match: {{{matches}protocol: udp}}, action: \
             {{rate_limit: {{rate: 25 Mbps}}}}, intent: {{target: [all], may_affect: [none], \
             may_reach: [all]}}}}\n"
        ),
    );
    let flood = if added { "" } else { ", {path: flood.yaml}" };
    put(
        "blastgate.yaml",
        &format!(
            "version: 1\ninventory: [inventory.yaml]\ntraffic: [{{path: own.yaml}}{flood}]\n{config}"
        ),
    );
    check(folder.path(), &["rules.yaml"])
}

const AMS: &str = "pop: ams, ";
/// A PoP that the inventory does not list.
const TYPO: &str = "pop: asm, ";
const NONE: &str = "";

#[test]
fn traffic_of_an_unknown_pop_may_fill_the_bucket_of_any() {
    let verdict = |flood, own| judge("", [flood, own], "", false).verdict().to_owned();
    assert_eq!(verdict(AMS, AMS), "fail");
    for unknown in [NONE, TYPO] {
        assert_eq!(verdict(unknown, AMS), "cannot_judge", "{unknown}");
        assert_eq!(verdict(AMS, unknown), "cannot_judge", "{unknown}");
    }
    assert_eq!(verdict(TYPO, NONE), "cannot_judge");
    let run = judge("", [NONE, AMS], "", false);
    let texts: Vec<&str> = run.result["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|row| row["message"].as_str().expect("a text"))
        .collect();
    assert!(texts.iter().any(|text| text.contains("pop")), "{texts:?}");
}

#[test]
fn where_no_pop_is_known_the_unknown_one_is_one_place() {
    for unknown in [NONE, TYPO] {
        let run = judge("", [unknown, unknown], "", false);
        assert_eq!((run.verdict(), run.affected()), ("fail", vec!["b"]), "{unknown}");
    }
}

#[test]
fn what_hangs_on_a_pop_that_nobody_knows_cannot_be_judged_in_scenarios() {
    let added = "scenarios: [{name: flood, add: flood.yaml}]\n";
    let verdict = |flood, own| judge("", [flood, own], added, true).verdict().to_owned();
    assert_eq!(verdict(AMS, AMS), "fail");
    assert_eq!(verdict(NONE, AMS), "cannot_judge");
    assert_eq!(verdict(AMS, NONE), "cannot_judge");
    assert_eq!(verdict(NONE, NONE), "fail");
    let drained = "scenarios: [n-1]\n";
    let verdict = |flood, own| judge("", [flood, own], drained, false).verdict().to_owned();
    assert_eq!(verdict(NONE, AMS), "cannot_judge");
    assert_eq!(verdict(NONE, NONE), "cannot_judge");
    assert_eq!(verdict(AMS, AMS), "fail");
}

#[test]
fn a_rule_of_one_pop_may_meet_what_nobody_knows_the_pop_of() {
    let verdict = |flood, own| judge("pop: ams, ", [flood, own], "", false).verdict().to_owned();
    assert_eq!(verdict(AMS, AMS), "fail");
    assert_eq!(verdict(NONE, AMS), "cannot_judge");
    assert_eq!(verdict(AMS, NONE), "cannot_judge");
    assert_eq!(verdict(NONE, NONE), "cannot_judge");
    assert_eq!(verdict("pop: fra, ", AMS), "pass");
}
