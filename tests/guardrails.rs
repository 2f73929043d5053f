//! Every guardrail by small cases: what catches it, and what looks alike and must not.

use std::path::Path;

use crate::common::check;

const INVENTORY: &str = r#"
version: 1
customers:
  - {id: acme, tier: gold, prefixes: [203.0.113.0/28, "2001:db8:a::/48"]}
  - {id: beta, tier: gold, prefixes: [203.0.113.16/28]}
  - {id: shop, prefixes: [203.0.113.64/28]}
  - {id: blog, prefixes: [203.0.113.80/28]}
shared:
  - {prefixes: [203.0.113.100/32], customers: [shop, blog]}
infrastructure:
  - {id: routers, prefixes: [192.0.2.0/28], services: [bgp]}
  - {id: oob, prefixes: [192.0.2.250/32], management: true}
"#;

/// Everybody's ordinary minute.
const TRAFFIC: &str = r#"
version: 1
duration: 60s
flows:
  - {id: acme, pop: ams, dst: 203.0.113.1, protocol: tcp, dst_port: 443, rate: 8 Mbps}
  - {id: acme-mail, pop: ams, dst: 203.0.113.2, protocol: tcp, dst_port: 25, rate: 2 Mbps}
  - {id: acme-v6, pop: ams, dst: "2001:db8:a::1", protocol: tcp, dst_port: 443, rate: 8 Mbps}
  - {id: beta, pop: ams, dst: 203.0.113.17, protocol: tcp, dst_port: 443, rate: 8 Mbps}
  - {id: shared, pop: lhr, dst: 203.0.113.100, protocol: tcp, dst_port: 443, rate: 8 Mbps}
  - {id: bgp, pop: ams, src: 192.0.2.1, dst: 192.0.2.2, protocol: tcp, dst_port: 179, rate: 80 kbps}
  - {id: ssh, pop: ams, src: 45.9.9.9, dst: 192.0.2.250, protocol: tcp, dst_port: 22, rate: 80 kbps}
"#;

const FLOOD: &str = r#"
version: 1
duration: 60s
flows:
  - {id: flood, label: attack, pop: ams, dst: 203.0.113.1, protocol: udp, dst_port: 80, rate: 800 Mbps}
"#;

/// One situation; what is left out is the ordinary minute, judged as new.
#[derive(Default)]
struct Case<'a> {
    running: Option<&'a str>,
    rules: &'a str,
    traffic: Option<&'a str>,
    inventory: Option<&'a str>,
    config: &'a str,
    arguments: &'a [&'a str],
    /// Whether the config names the traffic.
    by_config: bool,
}

/// Judges a case and returns `verdict: guardrail severity, …` without mild warnings on hits.
fn judge(case: &Case<'_>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    let rules = |text: &str| format!("version: 1\n{text}");
    put("inventory.yaml", case.inventory.unwrap_or(INVENTORY));
    put("traffic.yaml", case.traffic.unwrap_or(TRAFFIC));
    put("flood.yaml", FLOOD);
    put("rules.yaml", &rules(case.rules));
    put("blastgate.yaml", &format!("version: 1\ninventory: [inventory.yaml]\n{}", case.config));
    let mut arguments = vec!["rules.yaml"];
    if let Some(running) = case.running {
        put("running.yaml", &rules(running));
        arguments.extend(["--running", "running.yaml"]);
    }
    if !case.by_config && !case.arguments.contains(&"--traffic") {
        arguments.extend(["--traffic", "traffic.yaml"]);
    }
    arguments.extend(case.arguments);
    told(folder.path(), &arguments)
}

fn told(folder: &Path, arguments: &[&str]) -> String {
    let run = check(folder, arguments);
    let mut found: Vec<String> = run.result["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|finding| finding["guardrail"] != "rule_without_hits")
        .map(|finding| {
            let word = |key: &str| finding[key].as_str().expect("a word").to_owned();
            format!("{} {}", word("guardrail"), word("severity"))
        })
        .collect();
    found.sort();
    found.dedup();
    let problems = run.result["problems"].as_array().expect("problems");
    assert!(problems.is_empty(), "{problems:?}");
    format!("{}: {}", run.verdict(), found.join(", "))
}

fn new(rules: &str) -> String {
    judge(&Case { rules, ..Case::default() })
}

#[test]
fn a_bucket_is_shared_where_several_owners_can_meet_in_it() {
    let limit = |matches: &str, per: &str, intent: &str| {
        new(&format!(
            "rules:\n  - {{id: r, match: {matches}, action: {{rate_limit: {{rate: 25 Gbps{per}}}}}, \
             intent: {intent}}}"
        ))
    };
    let both = "{dst: 203.0.113.0/27}";
    let only_acme = "{target: [acme], may_affect: [acme, beta]}";
    assert_eq!(limit(both, "", only_acme), "fail: shared_bucket error");
    assert_eq!(limit(both, ", per: [dst]", only_acme), "pass: ");
    assert_eq!(limit(both, ", per: [dst/28]", only_acme), "pass: ");
    assert_eq!(limit(both, ", per: [dst/27]", only_acme), "fail: shared_bucket error");
    assert_eq!(limit(both, ", per: [src]", only_acme), "pass: ");
    assert_eq!(limit(both, ", per: [customer]", only_acme), "pass: ");
    assert_eq!(limit(both, ", per: [dst_port]", only_acme), "fail: shared_bucket error");
    assert_eq!(limit(both, "", "{target: [acme, beta]}"), "pass: unkeyed_limit warning");
    // One address, two owners.
    let shared = "{dst: 203.0.113.100}";
    assert_eq!(
        limit(shared, ", per: [dst]", "{target: [shop], may_reach: [all]}"),
        "fail: shared_bucket error"
    );
    assert_eq!(limit(shared, ", per: [dst]", "{target: [shop, blog]}"), "pass: ");
    // By the source where no destination is named.
    assert_eq!(limit("{src: 203.0.113.0/27}", "", only_acme), "fail: shared_bucket error");
    assert_eq!(limit("{src: 203.0.113.0/28}", ", per: [src]", "{target: [acme]}"), "pass: ");
}

#[test]
fn traffic_that_newly_enters_the_bucket_of_a_router_is_harm_whoever_owns_the_prefix() {
    let inventory = "version: 1
customers:
  - {id: acme, prefixes: [203.0.113.0/28]}
infrastructure:
  - {id: routers, prefixes: [203.0.113.14/32, 192.0.2.0/28], services: [bgp]}
";
    let limit = |port: &str, per: &str| {
        format!(
            "rules:\n  - {{id: r, match: {{dst: 203.0.113.0/28, protocol: tcp{port}}}, \
             action: {{rate_limit: {{rate: 25 Gbps{per}}}}}, intent: {{target: [acme]}}}}"
        )
    };
    let widened = |per: &str| {
        judge(&Case {
            running: Some(&limit(", port: 179", per)),
            rules: &limit("", per),
            inventory: Some(inventory),
            ..Case::default()
        })
    };
    let hit = |told: &str| told.contains("protected_traffic_hit error");
    assert!(hit(&widened("")), "{}", widened(""));
    assert!(hit(&widened(", per: [customer]")), "{}", widened(", per: [customer]"));
    assert!(!hit(&widened(", per: [dst]")), "{}", widened(", per: [dst]"));
}

#[test]
fn a_limit_without_a_key_warns_unless_it_names_one_address() {
    let limit = |dst: &str| {
        new(&format!(
            "rules:\n  - {{id: r, match: {{dst: {dst}}}, action: {{rate_limit: {{rate: 25 Gbps}}}}}}"
        ))
    };
    assert_eq!(limit("203.0.113.0/28"), "pass: unkeyed_limit warning");
    assert_eq!(limit("203.0.113.1"), "pass: ");
}

#[test]
fn a_drop_that_names_nobody_is_wide_unless_all_are_meant() {
    let drop = |matches: &str, reach: &str| {
        new(&format!(
            "rules:\n  - {{id: oob, match: {{dst: 192.0.2.250}}, action: accept}}\n  \
             - {{id: r, match: {matches}, action: drop, \
             intent: {{target: [all], may_affect: [none]{reach}}}}}"
        ))
    };
    let gre = "{protocol: gre}";
    let fails = "fail: reach_beyond_intent error, shared_address warning, wide_match error";
    assert_eq!(drop(gre, ""), fails);
    assert_eq!(drop(gre, ", may_reach: [all]"), "pass: wide_match warning");
    assert_eq!(drop("{protocol: gre, dst: 0.0.0.0/0}", ""), fails);
    assert_eq!(drop("{protocol: gre, src: 45.0.0.0/8}", ", may_reach: [all]"), "pass: ");
    let strict = judge(&Case {
        rules: "rules:\n  - {id: oob, match: {dst: 192.0.2.250}, action: accept}\n  \
                - {id: r, match: {protocol: gre}, action: drop, \
                intent: {target: [all], may_affect: [none], may_reach: [all]}}",
        arguments: &["--strict"],
        ..Case::default()
    });
    assert_eq!(strict, "fail: wide_match warning");
}

#[test]
fn protected_traffic_is_hit_when_it_meets_harm_whether_or_not_it_loses() {
    let generous = "rules:\n  - {id: r, match: {protocol: tcp}, \
                    action: {rate_limit: {rate: 900 Gbps, per: [src, dst]}}, \
                    intent: {target: [all], may_affect: [none], may_reach: [all]}}";
    let hit =
        "fail: control_plane_reached warning, protected_traffic_hit error, undo_cut_off error";
    assert_eq!(new(generous), hit);
    let excepted = "rules:\n\
        \x20 - {id: bgp, match: {protocol: tcp, port: bgp}, action: accept}\n\
        \x20 - {id: oob, match: {dst: 192.0.2.250}, action: accept}\n\
        \x20 - {id: r, match: {protocol: tcp}, \
                    action: {rate_limit: {rate: 900 Gbps, per: [src, dst]}}, \
                    intent: {target: [all], may_affect: [none], may_reach: [all]}}";
    // LDP is TCP, too, and nobody listed where it is not spoken.
    assert_eq!(new(excepted), "pass: control_plane_reached warning");
    // With the same limit in force before, nothing newly meets it.
    let unchanged = judge(&Case {
        running: Some(generous),
        rules: &format!("{generous}\n  - {{id: log, match: any, action: log}}"),
        ..Case::default()
    });
    assert_eq!(unchanged, "pass: ");
    // Made stricter it does.
    let stricter = judge(&Case {
        running: Some(generous),
        rules: &generous.replace("900 Gbps", "800 Gbps"),
        ..Case::default()
    });
    assert_eq!(stricter, hit);
    let milder = judge(&Case {
        running: Some(generous),
        rules: &generous.replace("900 Gbps", "1000 Gbps"),
        ..Case::default()
    });
    assert_eq!(milder, "pass: ");
}

#[test]
fn infrastructure_is_protected_by_proof_whether_or_not_it_is_recorded() {
    let drop = |dst: &str, traffic: &str| {
        let rules = format!(
            "rules:\n  - {{id: r, match: {{dst: [203.0.113.1, {dst}], protocol: udp}}, action: drop, \
             intent: {{target: [acme], may_reach: [acme, \"prefix:192.0.2.0/24\"]}}}}"
        );
        judge(&Case { rules: &rules, traffic: Some(traffic), ..Case::default() })
    };
    let without: String = TRAFFIC
        .lines()
        .filter(|line| !line.contains("192.0.2."))
        .map(|line| format!("{line}\n"))
        .collect();
    // Only BGP is listed there, and BGP is no UDP.
    assert_eq!(drop("192.0.2.1", &without), "pass: ");
    assert_eq!(drop("192.0.2.250", &without), "fail: undo_cut_off error");
    assert_eq!(drop("192.0.2.250", TRAFFIC), "fail: undo_cut_off error");
    assert_eq!(drop("203.0.113.2", &without), "pass: ");
}

#[test]
fn a_target_may_lose_only_what_its_rule_says() {
    let limit = |most: &str, rate: &str| {
        new(&format!(
            "rules:\n  - {{id: r, match: {{dst: 203.0.113.1}}, \
             action: {{rate_limit: {{rate: {rate}, burst: 1500 B}}}}, \
             intent: {{target: [acme]{most}}}}}"
        ))
    };
    assert_eq!(limit("", "4 Mbps"), "pass: ");
    // Half of 8 of 18 Mbps is lost: 22.2 %.
    assert_eq!(limit(", max_target_loss: 25%", "4 Mbps"), "pass: ");
    assert_eq!(limit(", max_target_loss: 20%", "4 Mbps"), "fail: target_loss error");
    assert_eq!(limit(", max_target_loss: 0%", "9 Mbps"), "pass: ");
}

#[test]
fn collateral_is_measured_in_every_window_and_never_averaged_away() {
    // Ten minutes; the limit bites in one of them.
    let traffic = r#"
version: 1
start: 2026-03-01T11:00:00Z
duration: 20m
flows:
  - {id: beta, pop: ams, dst: 203.0.113.17, protocol: tcp, dst_port: 443, rate: 8 Mbps}
  - {id: peak, pop: ams, at: 6m, duration: 1m, dst: 203.0.113.17, protocol: tcp, dst_port: 443, rate: 8 Mbps}
"#;
    let limit = |most: &str| {
        let rules = format!(
            "rules:\n  - {{id: r, match: {{dst: 203.0.113.17}}, \
             action: {{rate_limit: {{rate: 8 Mbps, burst: 1500 B}}}}, \
             intent: {{target: [acme], may_affect: [acme], may_reach: [all], max_collateral: {most}}}}}"
        );
        judge(&Case { rules: &rules, traffic: Some(traffic), ..Case::default() })
    };
    // A twentieth of 20 minutes is lost, but a sixth of its window (60 of 360 MB).
    assert_eq!(limit("17%"), "pass: ");
    assert_eq!(limit("16%"), "fail: collateral_loss error");
    assert_eq!(limit("6%"), "fail: collateral_loss error");
}

#[test]
fn a_field_that_is_not_recorded_decides_nothing() {
    let traffic = r#"
version: 1
duration: 60s
flows:
  - {id: beta, pop: ams, dst: 203.0.113.17, protocol: tcp, dst_port: 443, rate: 8 Mbps, unknown: [ttl]}
"#;
    let drop = |matches: &str, running: Option<&str>| {
        let rules = format!(
            "rules:\n  - {{id: r, match: {{dst: 203.0.113.16/28, {matches}}}, action: drop, \
             intent: {{target: [acme], may_affect: [acme], may_reach: [all]}}}}"
        );
        judge(&Case { rules: &rules, running, traffic: Some(traffic), ..Case::default() })
    };
    assert_eq!(drop("ttl: 1-5", None), "cannot_judge: field_not_recorded unknown");
    assert_eq!(drop("ttl: 1-5, protocol: udp", None), "pass: ");
    assert_eq!(drop("protocol: tcp", None), "fail: collateral_loss error");
    // The same unknown on both sides is one unknown.
    let same = "rules:\n  - {id: r, match: {dst: 203.0.113.16/28, ttl: 1-5}, action: drop, \
                intent: {target: [acme], may_affect: [acme]}}";
    let added = format!("{same}\n  - {{id: log, match: any, action: log}}");
    let unchanged = judge(&Case {
        rules: &added,
        running: Some(same),
        traffic: Some(traffic),
        ..Case::default()
    });
    assert_eq!(unchanged, "pass: ");
}

#[test]
fn samples_are_judged_by_their_interval_and_thin_ones_not_at_all() {
    let few = r#"
version: 1
duration: 60s
flows:
  - {id: beta, pop: ams, dst: 203.0.113.17, protocol: tcp, dst_port: 443, rate: 10 packets per 60s}
  - {id: acme, pop: ams, dst: 203.0.113.1, protocol: tcp, dst_port: 443, rate: 10 pps}
"#;
    let wide = "rules:\n  - {id: r, match: {src: 240.0.0.0/4}, action: drop, \
                intent: {target: [all], may_affect: [none], may_reach: [all]}}";
    let sampled = |config: &str, sampling: &str| {
        judge(&Case {
            rules: wide,
            traffic: Some(few),
            config,
            arguments: &["--sampling", sampling],
            ..Case::default()
        })
    };
    assert_eq!(sampled("", "1"), "pass: ");
    // Ten samples are too few, but hold only 1.6 % of the traffic.
    assert_eq!(sampled("", "1000"), "pass: ");
    let must = "evidence: {must_judge: [gold]}";
    assert_eq!(sampled(must, "1000"), "cannot_judge: evidence_too_thin unknown");
    let strict = "evidence: {max_unjudged: 1%}";
    assert_eq!(sampled(strict, "1000"), "cannot_judge: evidence_too_thin unknown");
    assert_eq!(sampled(strict, "1"), "pass: ");
}

#[test]
fn a_recording_sampled_at_an_unknown_rate_is_left_aside_and_never_passes() {
    let rules = "rules:\n  - {id: r, match: {dst: 203.0.113.1, protocol: udp}, action: drop}";
    let sampled = |sampling: &str| {
        judge(&Case { rules, arguments: &["--sampling", sampling], ..Case::default() })
    };
    assert_eq!(sampled("1"), "pass: ");
    let verdict = sampled("unknown");
    assert!(verdict.starts_with("cannot_judge: "), "{verdict}");
    assert!(verdict.contains("sampling_unknown unknown"), "{verdict}");
    // By the config of one recording: the other one is still judged, and a harm in it is certain.
    let beside = |rules: &str| {
        let config = "traffic: [{path: flood.yaml, sampling: unknown}, {path: traffic.yaml}]";
        judge(&Case { rules, config, by_config: true, ..Case::default() })
    };
    assert_eq!(beside(rules), "cannot_judge: sampling_unknown unknown");
    let wrong = "rules:\n  - {id: r, match: {dst: 203.0.113.17}, action: drop, \
                 intent: {target: [acme], may_affect: [acme], may_reach: [all]}}";
    assert_eq!(beside(wrong), "fail: collateral_loss error, sampling_unknown unknown");
}

#[test]
fn a_limit_over_samples_is_decided_only_where_no_burst_could_exceed_it() {
    let limit = |rate: &str, sampling: &str| {
        let rules = format!(
            "rules:\n  - {{id: r, match: {{dst: 203.0.113.17}}, action: {{rate_limit: {{rate: {rate}}}}}, \
             intent: {{target: [acme], may_affect: [acme], may_reach: [all]}}}}"
        );
        judge(&Case { rules: &rules, arguments: &["--sampling", sampling], ..Case::default() })
    };
    assert_eq!(limit("9 Mbps", "1"), "pass: ");
    assert_eq!(limit("9 Mbps", "10"), "fail: collateral_loss error");
    assert_eq!(limit("81 Mbps", "10"), "cannot_judge: limit_undecided unknown");
    assert_eq!(limit("10 Gbps", "10"), "pass: ");
}

#[test]
fn windows_and_timeouts_are_judged_by_what_they_let_pass() {
    // Beta has 1,000 packets a second and may not lose any.
    let limit = |how: &str, sampling: &str| {
        let rules = format!(
            "rules:\n  - {{id: r, match: {{dst: 203.0.113.17}}, action: {{rate_limit: {{{how}}}}}, \
             intent: {{target: [acme], may_affect: [acme], may_reach: [all]}}}}"
        );
        judge(&Case { rules: &rules, arguments: &["--sampling", sampling], ..Case::default() })
    };
    for (how, few, enough) in [
        ("algorithm: sliding_window, window: 10s", "900 pps", "1100 pps"),
        ("algorithm: fixed_window, window: 10s", "900 pps", "1100 pps"),
        ("timeout: 60s", "400 pps", "1100 pps"),
    ] {
        let at = |rate: &str, sampling: &str| limit(&format!("rate: {rate}, {how}"), sampling);
        assert_eq!(at(few, "1"), "fail: collateral_loss error", "{how}");
        assert_eq!(at(enough, "1"), "pass: ", "{how}");
        // How a window falls on samples cannot be told.
        assert_eq!(at(few, "10"), "cannot_judge: limit_undecided unknown", "{how}");
        assert_eq!(at("5 Mpps", "10"), "pass: ", "{how}");
    }
}

#[test]
fn a_rule_that_reaches_only_the_unrecorded_is_not_judged_by_silence() {
    let sharers_are_gone: String = TRAFFIC
        .lines()
        .filter(|line| !line.contains("203.0.113.100"))
        .map(|line| format!("{line}\n"))
        .collect();
    let rules = |intent: &str, traffic: &str| {
        let rules = format!(
            "rules:\n  - {{id: r, match: {{dst: 203.0.113.64/27, protocol: udp}}, action: drop, \
             intent: {intent}}}"
        );
        judge(&Case { rules: &rules, traffic: Some(traffic), ..Case::default() })
    };
    let of_others = "{target: [acme], may_affect: [acme], may_reach: [all]}";
    assert_eq!(rules(of_others, &sharers_are_gone), "cannot_judge: nothing_recorded unknown");
    assert_eq!(rules("{target: [shop, blog]}", &sharers_are_gone), "pass: ");
    // Packets to a shared address are its sharers' as well.
    assert_eq!(rules(of_others, TRAFFIC), "pass: ");
}

#[test]
fn an_old_recording_is_not_evidence_and_a_profile_without_a_start_has_no_age() {
    let rules = "rules:\n  - {id: r, match: {dst: 203.0.113.1, protocol: udp}, action: drop}";
    let dated = TRAFFIC.replace("duration", "start: 2026-02-01T00:00:00Z\nduration");
    let aged = |arguments: &[&str], traffic: &str| {
        judge(&Case { rules, traffic: Some(traffic), arguments, ..Case::default() })
    };
    assert_eq!(aged(&[], TRAFFIC), "pass: ");
    assert_eq!(aged(&[], &dated), "cannot_judge: evidence_too_old unknown");
    assert_eq!(aged(&["--max-age", "30d"], &dated), "pass: ");
    // A fresh recording does not make an old one young.
    let both = Case {
        rules,
        traffic: Some(&dated),
        arguments: &["--traffic", "traffic.yaml", "--traffic", "flood.yaml"],
        ..Case::default()
    };
    assert_eq!(judge(&both), "cannot_judge: evidence_too_old unknown");
    let to_come = TRAFFIC.replace("duration", "start: 2026-03-04T00:00:00Z\nduration");
    assert_eq!(aged(&[], &to_come), "cannot_judge: evidence_too_old unknown");
}

#[test]
fn a_new_date_is_the_changes_own_though_no_packet_fares_otherwise_by_it() {
    let rule = |date: &str| {
        format!(
            "rules:\n  - {{id: r, expires: {date}, match: {{dst: 203.0.113.1, protocol: udp}}, \
             action: drop}}"
        )
    };
    let change = |from: &str, to: &str| {
        judge(&Case { running: Some(&rule(from)), rules: &rule(to), ..Case::default() })
    };
    assert_eq!(change("2027-01-01", "2026-01-01"), "fail: rule_expired error");
    assert_eq!(change("2026-01-01", "2026-01-01"), "pass: ");
    assert_eq!(change("2026-01-01", "2027-01-01"), "pass: ");
}

#[test]
fn must_stop_is_measured_on_the_whole_candidate_set() {
    let both: &[&str] = &["--traffic", "traffic.yaml", "--traffic", "flood.yaml"];
    let judge = |rules: &str| judge(&Case { rules, arguments: both, ..Case::default() });
    let limit = |rate: &str| {
        format!(
            "  - {{id: limit, match: {{dst: 203.0.113.1, protocol: udp}}, \
             action: {{rate_limit: {{rate: {rate}, burst: 1500 B}}}}, \
             intent: {{target: [acme], must_stop: 90%}}}}\n"
        )
    };
    let drop = "  - {id: drop, match: {dst: 203.0.113.1, protocol: udp}, action: drop, \
                intent: {target: [acme], must_stop: 0%}}\n";
    assert_eq!(judge(&format!("rules:\n{}", limit("40 Mbps"))), "pass: ");
    assert_eq!(judge(&format!("rules:\n{}", limit("400 Mbps"))), "fail: attack_still_passes error");
    assert_eq!(judge(&format!("rules:\n{}{drop}", limit("400 Mbps"))), "pass: ");
}

#[test]
fn a_redirect_to_a_place_that_cleans_delivers_what_is_legitimate() {
    let rules = "rules:\n  - {id: r, match: {dst: 203.0.113.16/28}, action: {redirect: {to: scrub}}, \
                 intent: {target: [acme], may_affect: [acme], may_reach: [all]}}";
    let with = |config: &str| judge(&Case { rules, config, ..Case::default() });
    assert_eq!(with(""), "fail: collateral_loss error");
    assert_eq!(with("redirects: [{name: scrub, effect: clean}]"), "pass: ");
}

#[test]
fn attack_fragments_that_walk_past_a_rule_on_ports_are_named() {
    let flood = format!(
        "{TRAFFIC}  - {{id: first, label: attack, pop: ams, dst: 203.0.113.1, protocol: udp, src_port: 53, fragment: first, rate: 80 Mbps}}
  - {{id: later, label: attack, pop: ams, dst: 203.0.113.1, protocol: udp, fragment: not_first, rate: 80 Mbps}}
"
    );
    let of = |matches: &str, traffic: &str| {
        let rules = format!("rules:\n  - {{id: r, match: {matches}, action: drop}}");
        judge(&Case { rules: &rules, traffic: Some(traffic), ..Case::default() })
    };
    let ports = "{dst: 203.0.113.1, protocol: udp, src_port: 53}";
    assert_eq!(of(ports, &flood), "pass: fragments_missed warning");
    let both = "{dst: 203.0.113.1, protocol: udp, any_of: [{src_port: 53}, {fragment: not_first}]}";
    assert_eq!(of(both, &flood), "pass: ");
    // An attack without fragments has none that are missed.
    let whole: String = flood
        .lines()
        .filter(|line| !line.contains("later"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(of(ports, &whole), "pass: ");
}

#[test]
fn attack_of_the_other_family_that_walks_past_is_named() {
    let flood = format!(
        "{TRAFFIC}  - {{id: v4, label: attack, pop: ams, dst: 203.0.113.1, protocol: udp, dst_port: 80, rate: 80 Mbps}}
  - {{id: v6, label: attack, pop: ams, dst: \"2001:db8:a::1\", protocol: udp, dst_port: 80, rate: 80 Mbps}}
"
    );
    let of = |dst: &str, traffic: &str| {
        let rules =
            format!("rules:\n  - {{id: r, match: {{dst: {dst}, protocol: udp}}, action: drop}}");
        judge(&Case { rules: &rules, traffic: Some(traffic), ..Case::default() })
    };
    assert_eq!(of("203.0.113.1", &flood), "pass: other_family_missed warning");
    assert_eq!(of("\"2001:db8:a::1\"", &flood), "pass: other_family_missed warning");
    assert_eq!(of("[203.0.113.1, \"2001:db8:a::1\"]", &flood), "pass: ");
    let v4: String = flood
        .lines()
        .filter(|line| !line.contains("id: v6"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(of("203.0.113.1", &v4), "pass: ");
}
