//! Limits and what-if, from the command line to the verdict.

use std::path::Path;

use crate::common::{Run, check, fixtures};

const INVENTORY: &str = "\
version: 1
customers:
  - {id: acme, prefixes: [203.0.113.0/28]}
  - {id: beta, prefixes: [203.0.113.16/28]}
pops:
  - {id: ams, region: eu}
  - {id: lhr, region: eu}
  - {id: fra, region: eu}
  - {id: ewr, region: us}
";

const TRAFFIC: &str = "\
version: 1
duration: 60s
flows:
  - {id: flood, pop: ams, label: attack, src: 100.64.0.0/12, sources: 200, dst: 203.0.113.1, protocol: udp, dst_port: 80, rate: 400 Mbps}
  - {id: ams-acme, pop: ams, label: legit, src: 45.0.0.0/24, sources: 50, dst: 203.0.113.1, protocol: tcp, dst_port: 443, rate: 40 Mbps}
  - {id: ams-beta, pop: ams, src: 45.0.1.0/24, sources: 50, dst: 203.0.113.17, protocol: tcp, dst_port: 443, rate: 40 Mbps}
  - {id: lhr-beta, pop: lhr, src: 45.0.2.0/24, sources: 50, dst: 203.0.113.17, protocol: tcp, dst_port: 443, rate: 40 Mbps}
";

/// Judges a rule text with a config.
fn judge(rules: &str, config: &str, arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    put("rules.yaml", &format!("version: 1\nrules:\n{rules}"));
    put("inventory.yaml", INVENTORY);
    put("traffic.yaml", TRAFFIC);
    put("more.yaml", &TRAFFIC.replace("40 Mbps", "80 Mbps"));
    put(
        "blastgate.yaml",
        &format!(
            "version: 1\ninventory: [inventory.yaml]\ntraffic: [{{path: traffic.yaml}}]\n{config}"
        ),
    );
    check(folder.path(), &[&["rules.yaml"], arguments].concat())
}

fn found(run: &Run) -> Vec<String> {
    let rows = run.result["findings"].as_array().expect("findings");
    let mut found: Vec<String> = rows
        .iter()
        .map(|row| {
            let place = row["scenario"].as_str().unwrap_or("recorded");
            format!("{} {place}", row["guardrail"].as_str().expect("an id"))
        })
        .collect();
    found.sort();
    found
}

/// Beta's limit for each PoP, which nobody may lose by.
fn site_limit(rate: &str) -> String {
    format!(
        "  - {{id: site, match: {{protocol: tcp}}, action: {{rate_limit: {{rate: {rate}}}}}, \
         intent: {{target: [all], may_affect: [none], may_reach: [all]}}}}\n"
    )
}

#[test]
fn the_smallest_listed_scenario_that_breaks_a_rule_is_named() {
    let config = "scenarios:\n\
        \x20 - {name: everything-twice, scale: 2.0}\n\
        \x20 - {name: lhr-lost, drain: lhr, to: [ams]}\n\
        \x20 - {name: ams-gone, lose: ams}\n";
    let limit = site_limit("100 Mbps");
    let run = judge(&limit, config, &[]);
    assert_eq!(run.verdict(), "fail");
    assert!(found(&run).contains(&"collateral_loss lhr-lost".to_owned()), "{:?}", found(&run));
    let listed = run.result["scenarios"].as_array().expect("scenarios");
    assert_eq!(listed.len(), 4, "{listed:?}");
    // Each alone.
    let alone = |name: &str| judge(&limit, config, &["--scenario", name]).verdict().to_owned();
    assert_eq!(alone("everything-twice"), "fail");
    assert_eq!(alone("lhr-lost"), "fail");
    assert_eq!(alone("ams-gone"), "pass");
    assert_eq!(judge(&limit, "", &[]).verdict(), "pass");
}

#[test]
fn each_pop_of_a_region_is_drained_in_turn() {
    let run = judge(&site_limit("100 Mbps"), "scenarios: [n-1]\n", &[]);
    let listed: Vec<&str> = run.result["scenarios"]
        .as_array()
        .expect("scenarios")
        .iter()
        .map(|name| name.as_str().expect("a name"))
        .collect();
    // The only PoP of its region has nowhere to go.
    assert_eq!(listed, ["recorded", "n-1/ams", "n-1/lhr", "n-1/fra"]);
    assert_eq!(run.verdict(), "fail");
}

#[test]
fn what_is_added_meets_the_recording_whatever_its_own_time() {
    let config = "scenarios: [{name: again, add: more.yaml}]\n";
    assert_eq!(judge(&site_limit("200 Mbps"), config, &[]).verdict(), "fail");
    assert_eq!(judge(&site_limit("400 Mbps"), config, &[]).verdict(), "pass");
    assert_eq!(judge(&site_limit("200 Mbps"), "", &[]).verdict(), "pass");
}

#[test]
fn a_scenario_over_traffic_that_nobody_recorded_proves_nothing() {
    let config = "scenarios: [{name: ewr-lost, drain: ewr, to: [ams]}]\n";
    let run = judge(&site_limit("100 Mbps"), config, &[]);
    assert_eq!(run.verdict(), "cannot_judge");
    assert!(found(&run).contains(&"scenario_without_traffic ewr-lost".to_owned()));
}

#[test]
fn a_rule_of_one_pop_meets_what_is_drained_into_it() {
    let rule = "  - {id: r, match: {pop: [fra], dst: 203.0.113.17}, action: drop, \
                intent: {target: [acme], may_affect: [acme], may_reach: [all], must_stop: 0%}}\n";
    // Nothing was recorded there.
    assert_eq!(judge(rule, "", &[]).verdict(), "cannot_judge");
    let config = "scenarios: [{name: lhr-lost, drain: lhr, to: [fra]}]\n";
    let run = judge(rule, config, &[]);
    assert_eq!((run.verdict(), run.affected()), ("fail", vec!["beta"]));
    let config = "scenarios: [{name: lhr-lost, drain: lhr, to: [ams]}]\n";
    let run = judge(rule, config, &[]);
    assert_eq!((run.verdict(), run.affected()), ("cannot_judge", vec![]));
}

#[test]
fn limits_warn_of_what_is_normal_of_no_effect_and_of_a_wrong_unit() {
    let limit = |rate: &str| {
        let rule = format!(
            "  - {{id: r, match: {{dst: 203.0.113.1}}, action: {{rate_limit: {{rate: {rate}}}}}, \
             intent: {{target: [acme], must_stop: 0%}}}}\n"
        );
        found(&judge(&rule, "", &[]))
    };
    let has = |rate: &str, guardrail: &str| limit(rate).contains(&format!("{guardrail} recorded"));
    // Acme has 40 Mbps of its own, and 440 with the attack.
    assert!(has("30 Mbps", "limit_below_normal") && !has("50 Mbps", "limit_below_normal"));
    assert!(has("500 Mbps", "limit_without_effect") && !has("300 Mbps", "limit_without_effect"));
    assert!(has("440 MBps", "unit_suspect") && has("440 kbps", "unit_suspect"));
    assert!(!has("300 Mbps", "unit_suspect"));
}

/// Writes the rate one step of three digits below.
fn one_step_below(rate: &str) -> String {
    let (number, unit) = rate.split_once(' ').expect("a number and a unit");
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let digits: u64 = format!("{whole}{decimals}").parse().expect("digits");
    let missing = 3usize.saturating_sub(digits.to_string().len());
    let digits = digits * 10u64.pow(missing as u32) - 1;
    let places = decimals.len() + missing;
    format!("{} {unit}", digits as f64 / 10f64.powi(places as i32))
}

fn safe(run: &Run, key: &str) -> String {
    run.result["limits"][0]["safe"][key].as_str().expect(key).to_owned()
}

#[test]
fn the_lowest_harmless_rate_passes_and_one_step_below_it_fails() {
    let folder = fixtures("incidents/2012-09-15-standing-limit");
    let wrong = std::fs::read_to_string(folder.join("wrong.yaml")).expect("the rules");
    let scratch = tempfile::tempdir().expect("a folder");
    for file in ["inventory.yaml", "traffic.yaml", "blastgate.yaml"] {
        std::fs::copy(folder.join(file), scratch.path().join(file)).expect("a copy");
    }
    let at = |folder: &Path, rate: &str| {
        let text = wrong.replace("12 Gbps", rate);
        assert!(text.contains(rate));
        std::fs::write(folder.join("rules.yaml"), text).expect("a file");
        check(folder, &["rules.yaml"])
    };
    let harmless = safe(&at(scratch.path(), "12 Gbps"), "lowest_harmless");
    assert_eq!(at(scratch.path(), &harmless).verdict(), "pass", "{harmless}");
    let below = one_step_below(&harmless);
    let run = at(scratch.path(), &below);
    assert_eq!(run.verdict(), "fail", "{below}");
    assert_eq!(safe(&run, "lowest_harmless"), harmless);
}

#[test]
fn where_no_rate_does_both_the_key_that_would_is_named_and_does() {
    let shared = |per: &str, rate: &str| {
        format!(
            "  - {{id: r, match: {{dst: 203.0.113.0/27}}, action: {{rate_limit: {{rate: {rate}{per}}}}}, \
             intent: {{target: [acme], may_affect: [acme], may_reach: [all], must_stop: 80%}}}}\n"
        )
    };
    let run = judge(&shared("", "50 Mbps"), "", &[]);
    assert_eq!(run.verdict(), "fail");
    let limit = &run.result["limits"][0];
    assert_eq!(limit["safe"]["exists"], false, "{limit}");
    let sharers: Vec<&str> = limit["fullest"]["sharers"]
        .as_array()
        .expect("sharers")
        .iter()
        .map(|one| one["id"].as_str().expect("an id"))
        .collect();
    assert_eq!(sharers, ["acme", "beta"]);
    let rate = safe(&run, "per_destination");
    assert_eq!(judge(&shared(", per: [dst]", &rate), "", &[]).verdict(), "pass", "{rate}");
}

#[test]
fn a_recording_made_after_the_running_rules_shows_only_what_they_let_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    let drop = |id: &str, port: u16| {
        format!(
            "  - {{id: {id}, match: {{dst: 203.0.113.1, protocol: udp, src_port: {port}}}, \
             action: drop, intent: {{target: [acme], must_stop: 0%}}}}\n"
        )
    };
    let accept = "  - {id: let-in, match: {src: 198.51.100.1}, action: accept}\n";
    let rules = |text: &[&str]| format!("version: 1\nrules:\n{}", text.concat());
    put("inventory.yaml", INVENTORY);
    put("traffic.yaml", TRAFFIC);
    put(
        "blastgate.yaml",
        "version: 1\ninventory: [inventory.yaml]\n\
         traffic: [{path: traffic.yaml, observed: after}]\n",
    );
    put("running.yaml", &rules(&[&drop("dns", 53)]));
    put("adds-a-drop.yaml", &rules(&[&drop("dns", 53), &drop("ntp", 123)]));
    put("lets-in.yaml", &rules(&[accept, &drop("dns", 53)]));
    put("removes-it.yaml", &rules(&[&drop("ntp", 123)]));
    let against = |name: &str, arguments: &[&str]| {
        check(folder.path(), &[&[name], arguments].concat()).verdict().to_owned()
    };
    let running = ["--running", "running.yaml"];
    assert_eq!(against("adds-a-drop.yaml", &running), "pass");
    assert_eq!(against("lets-in.yaml", &running), "cannot_judge");
    assert_eq!(against("removes-it.yaml", &running), "cannot_judge");
    assert_eq!(against("adds-a-drop.yaml", &[]), "cannot_judge");
}

#[test]
fn what_a_fixed_window_lets_pass_of_a_profile_does_not_hang_on_the_clock() {
    let rule = "  - {id: r, match: {dst: 203.0.113.17}, action: {rate_limit: {rate: 38 Mbps, \
                algorithm: fixed_window, window: 30s}}, \
                intent: {target: [acme], may_affect: [none], may_reach: [all], must_stop: 0%}}\n";
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    put("rules.yaml", &format!("version: 1\nrules:\n{rule}"));
    put("inventory.yaml", INVENTORY);
    put("traffic.yaml", TRAFFIC);
    for second in 0..30 {
        let now = format!("2026-03-01T12:00:{second:02}Z");
        let output = crate::common::blastgate(folder.path())
            .args(["check", "rules.yaml", "--inventory", "inventory.yaml"])
            .args(["--traffic", "traffic.yaml", "--no-config", "--now", &now])
            .output()
            .expect("the program runs");
        assert_eq!(output.status.code(), Some(1), "{now}");
    }
}

#[test]
fn a_window_of_less_than_a_second_stops_nothing_for_certain_of_a_profile() {
    // 10 of the 400 Mbps pass in every tenth of a second, which whole seconds do not show.
    let rule = "  - {id: r, match: {dst: 203.0.113.1, protocol: udp}, action: {rate_limit: {rate: \
                200 Mbps, algorithm: fixed_window, window: 100ms}}, \
                intent: {target: [acme], must_stop: 80%}}\n";
    assert_eq!(judge(rule, "", &[]).verdict(), "cannot_judge");
}

/// Judges a limit in packets on the flood, of which half must be stopped.
fn at_most(limit: &str) -> Run {
    let rule = format!(
        "  - {{id: r, match: {{dst: 203.0.113.0/27}}, action: {{rate_limit: {{{limit}}}}}, intent: \
         {{target: [acme], may_affect: [none], may_reach: [all], must_stop: 0%}}}}\n"
    );
    judge(&rule, "", &[])
}

#[test]
fn a_rate_that_is_tried_has_the_burst_that_the_edited_rule_would_have() {
    let limits = [
        "rate: 4 Mbps, burst: 500 kB",
        "rate: 4 Mbps",
        "rate: 12001 bps",
        "rate: 4000001 bps",
        "rate: 8 kbps",
        "rate: 10 pps, burst: 10 packets",
        "rate: 10 pps",
        "rate: 30 packets per 60s",
    ];
    for limit in limits {
        let (_, rest) = limit.split_once(": ").expect("a rate");
        let (written, burst) = rest.split_once(',').unwrap_or((rest, ""));
        let burst = if burst.is_empty() { String::new() } else { format!(",{burst}") };
        let harmless = safe(&at_most(limit), "lowest_harmless");
        let at = |rate: &str| at_most(&format!("rate: {rate}{burst}"));
        assert!(at(&harmless).affected().is_empty(), "{written}{burst}: {harmless}");
        let below = one_step_below(&harmless);
        assert!(!at(&below).affected().is_empty(), "{written}{burst}: {below}");
    }
}

#[test]
fn a_loss_is_a_loss_whether_its_sender_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    let limit = |exceed: &str| {
        format!(
            "version: 1\nrules:\n  - {{id: r, match: {{protocol: tcp}}, action: {{rate_limit: \
             {{rate: 10 Mbps, exceed: {exceed}}}}}, intent: {{target: [all], may_affect: [none], \
             may_reach: [none], must_stop: 0%}}}}\n"
        )
    };
    put("inventory.yaml", INVENTORY);
    put("traffic.yaml", TRAFFIC);
    for exceed in ["log", "challenge", "drop", "reject"] {
        put(exceed, &limit(exceed));
    }
    let verdict = |before: &str, after: &str| {
        let files = ["--inventory", "inventory.yaml", "--traffic", "traffic.yaml", "--no-config"];
        let words = [after, "--running", before, "--language", "native"];
        check(folder.path(), &[&words[..], &files[..]].concat()).verdict().to_owned()
    };
    assert_eq!(verdict("drop", "reject"), "pass");
    assert_eq!(verdict("reject", "drop"), "pass");
    assert_eq!(verdict("drop", "challenge"), "pass");
    assert_eq!(verdict("challenge", "reject"), "fail");
    assert_eq!(verdict("log", "challenge"), "fail");
}

#[test]
fn a_rate_is_not_called_safe_for_the_sake_of_lower_ones() {
    // The lower the rate, the earlier the timeout begins and ends: at 50 Mbps it has ended when
    // beta comes, at 70 Mbps it has not, at 95 Mbps nothing exceeds.
    let traffic = "\
version: 1
duration: 90s
flows:
  - {id: a1, label: attack, dst: 203.0.113.1, protocol: udp, dst_port: 80, rate: 55 Mbps, at: 0s, duration: 5s}
  - {id: a2, label: attack, dst: 203.0.113.1, protocol: udp, dst_port: 80, rate: 90 Mbps, at: 40s, duration: 5s}
  - {id: b, dst: 203.0.113.17, protocol: udp, dst_port: 443, packet_length: 500, rate: 1 Mbps, at: 70s, duration: 10s}
";
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    put("inventory.yaml", INVENTORY);
    put("traffic.yaml", traffic);
    let at = |rate: &str| {
        put(
            "rules.yaml",
            &format!(
                "version: 1\nrules:\n  - {{id: r, match: {{protocol: udp}}, action: {{rate_limit: \
                 {{rate: {rate}, burst: 100 kB, timeout: 60s}}}}, intent: {{target: [acme], \
                 may_affect: [acme], may_reach: [all], must_stop: 30%}}}}\n"
            ),
        );
        let files = ["--inventory", "inventory.yaml", "--traffic", "traffic.yaml", "--no-config"];
        check(folder.path(), &[&["rules.yaml"], &files[..]].concat())
    };
    assert_eq!(at("50 Mbps").affected(), Vec::<&str>::new());
    assert_eq!(at("70 Mbps").affected(), ["beta"]);
    for rate in ["50 Mbps", "70 Mbps", "95 Mbps"] {
        let run = at(rate);
        let limit = &run.result["limits"][0]["safe"];
        assert_eq!(limit["always_harmless"], false, "{limit}");
        assert_eq!(limit["exists"], true, "{limit}");
        let harmless = safe(&run, "lowest_harmless");
        assert_eq!(at(&harmless).affected(), Vec::<&str>::new(), "{harmless}");
        assert!(harmless.starts_with("8") || harmless.starts_with("9"), "{harmless}");
        let both = at(&safe(&run, "both"));
        assert_eq!(both.affected(), Vec::<&str>::new(), "{limit}");
        let stopped = both.result["attack"][0]["stopped_share"].as_f64().expect("a share");
        assert!(stopped >= 0.3, "{limit}");
    }
}

#[test]
fn traffic_is_not_divided_where_there_is_no_proportion() {
    let limit = site_limit("100 Mbps");
    let drained = |to: &str| {
        let config = format!("scenarios: [{{name: lost, drain: lhr, to: {to}}}]\n");
        judge(&limit, &config, &[]).verdict().to_owned()
    };
    assert_eq!(drained("[fra, ewr]"), "cannot_judge");
    assert_eq!(drained("{fra: 70, ewr: 30}"), "pass");
    assert_eq!(drained("[fra]"), "pass");
}
