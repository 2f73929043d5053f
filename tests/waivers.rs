//! Waivers in whole runs: what they take away, for how long, that every output says so, and that
//! unknown stays unknown.

use std::path::Path;

use blastgate::reports::FORMS;
use blastgate::result;

use crate::bad_input::folder;
use crate::common::{NOW, Run, blastgate, check, fixtures, lint};
use crate::outputs::{holds, render, validator};

/// Returns a folder with the files of a guardrail's fixture, and more.
fn fixture(name: &str, more: &[(&str, &str)]) -> tempfile::TempDir {
    let from = fixtures("guardrails").join(name);
    let read = |file: &str| std::fs::read(from.join(file)).expect("a fixture");
    let (rules, inventory, traffic) =
        (read("fails.yaml"), read("inventory.yaml"), read("traffic.yaml"));
    let mut files: Vec<(&str, &[u8])> =
        vec![("rules.yaml", &rules), ("inventory.yaml", &inventory), ("traffic.yaml", &traffic)];
    files.extend(more.iter().map(|(file, text)| (*file, text.as_bytes())));
    folder(&files)
}

const GIVEN: &[&str] =
    &["rules.yaml", "--inventory", "inventory.yaml", "--traffic", "traffic.yaml"];

fn judge(folder: &Path, more: &[&str]) -> Run {
    check(folder, &[GIVEN, more].concat())
}

/// Returns a file with one waiver of the bakery's loss.
fn file(until: &str) -> String {
    format!(
        "version: 1\nwaivers:\n  - {{guardrail: collateral_loss, rule: flood, customers: [bakery], \
         reason: they know, owner: netops, until: {until}}}\n"
    )
}

const BY_FILE: &[&str] = &["--waivers", "waivers.yaml"];

#[test]
fn a_waiver_makes_a_fail_pass_until_its_date_and_every_output_counts_it() {
    let folder = fixture("collateral_loss", &[("waivers.yaml", &file("2026-04-01"))]);
    assert_eq!(judge(folder.path(), &[]).code, 1);
    let run = judge(folder.path(), BY_FILE);
    assert_eq!((run.code, run.verdict()), (0, "pass"), "{:#}", run.result);
    assert_eq!(run.result["waived_findings"], 1);
    assert_eq!(run.result["waivers"][0]["state"], "used");
    assert_eq!(run.result["waivers"][0]["until"], "2026-04-01T00:00:00Z");
    assert_eq!(run.result["findings"][0]["waived"], true);
    holds(&validator("result"), &run.result, "a result with a waiver");
    let result = result::read(&run.result.to_string()).expect("a result");
    for form in FORMS {
        let text = render(&result, form.name);
        assert!(text.contains("waived"), "{} does not say so:\n{text}", form.name);
    }
    let text = render(&result, "text");
    assert!(
        text.contains("waived: 1 finding (collateral_loss), the first until 2026-04-01 by netops"),
        "{text}"
    );
    assert!(text.contains("PASS: nobody is affected beyond intent and waivers"), "{text}");
}

#[test]
fn a_waiver_of_a_shared_bucket_names_everybody_who_may_be_in_it() {
    let rules = "version: 1\nrules:\n  - {id: flood, match: {dst: 203.0.113.0/24, protocol: udp}, \
                 action: {rate_limit: {rate: 20 Mbps}}, intent: {target: [acme], may_reach: all}}\n";
    let inventory = "version: 1\ncustomers:\n  - {id: acme, prefixes: [203.0.113.0/28]}\n  \
                     - {id: bakery, prefixes: [203.0.113.64/27]}\n  \
                     - {id: hospital, prefixes: [203.0.113.128/27]}\n";
    let waiver = |names: &str| {
        format!(
            "version: 1\nwaivers:\n  - {{guardrail: shared_bucket, rule: flood, customers: \
             [{names}], reason: r, owner: o, until: 2026-04-01}}\n"
        )
    };
    let all = ["acme", "bakery", "hospital", "(unowned)"];
    let folder = fixture("shared_bucket", &[("rules.yaml", rules), ("inventory.yaml", inventory)]);
    let found = |run: &Run| {
        let findings = run.result["findings"].as_array().expect("findings").clone();
        findings.into_iter().find(|one| one["guardrail"] == "shared_bucket").expect("it is found")
    };
    let run = judge(folder.path(), &[]);
    let mut named: Vec<String> =
        serde_json::from_value(found(&run)["customers"].clone()).expect("customers");
    named.sort_by_key(|name| all.iter().position(|one| one == name));
    assert_eq!(named, all);
    for some in 1..=all.len() {
        let names: Vec<String> = all[..some].iter().map(|name| format!("\"{name}\"")).collect();
        std::fs::write(folder.path().join("waivers.yaml"), waiver(&names.join(", ")))
            .expect("a file");
        let run = judge(folder.path(), BY_FILE);
        assert_eq!(found(&run)["waived"], some == all.len(), "{:#}", run.result);
    }
}

#[test]
fn a_stale_waiver_fails_no_change_of_other_rules() {
    let rules = "version: 1\nrules:\n  - {id: x, match: {dst: 192.0.2.1}, action: log}\n";
    let config = "version: 1\nrules: {paths: [rules.yaml]}\ninventory: [inventory.yaml]\n\
                  traffic: [{path: traffic.yaml}]\nwaivers: [waivers.yaml]\n";
    let stale = file("2026-04-01").replace("flood", "gone");
    let files = [
        ("waivers.yaml", stale.as_str()),
        ("rules.yaml", rules),
        ("before.yaml", rules),
        ("blastgate.yaml", config),
    ];
    let folder = fixture("collateral_loss", &files);
    let run = check(folder.path(), &["--strict", "--running", "before.yaml"]);
    let found = (run.code, run.findings());
    assert_eq!(found, (0, vec![("unused_waiver", "warning")]), "{:#}", run.result);
}

#[test]
fn the_clock_decides_to_the_nanosecond_when_a_waiver_ends() {
    let folder = fixture("collateral_loss", &[("waivers.yaml", &file("2026-04-01"))]);
    let at = |now: &str| {
        let output = blastgate(folder.path())
            .arg("check")
            .args(GIVEN)
            .args(BY_FILE)
            .args(["--now", now, "-o", "concise"])
            .output()
            .expect("the program runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, said) = at("2026-03-31T23:59:59.999999999Z");
    assert!(code == Some(0) && said.contains(": waived error[collateral_loss]"), "{said}");
    let (code, said) = at("2026-04-01T00:00:00Z");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("; its waiver expired on 2026-04-01"), "{said}");
    // Ninety days ahead is the most.
    assert_eq!(at("2026-01-01T00:00:00Z").0, Some(0));
    assert_eq!(at("2025-12-31T23:59:59.999999999Z").0, Some(3));
}

#[test]
fn a_waiver_never_turns_cannot_judge_into_a_pass() {
    // The loss is certain; besides, a rule of the chain is not understood.
    let unknown = "table inet filter {\n  chain forward {\n    type filter hook forward priority 0;\n    \
        # blastgate: id=odd intent target=acme\n    \
        ip daddr 203.0.113.10 udp dport 80 meta random & 1 == 1 drop\n    \
        # blastgate: id=flood intent target=acme may_reach=acme,bakery\n    # blastgate: waive \
        guardrail=collateral_loss customers=bakery until=2026-04-01 owner=netops reason=known\n    \
        ip daddr 203.0.113.64/27 meta l4proto udp drop\n  }\n}\n";
    let folder = fixture("collateral_loss", &[("rules.nft", unknown)]);
    let given = ["rules.nft", "--inventory", "inventory.yaml", "--traffic", "traffic.yaml"];
    let run = check(folder.path(), &given);
    assert_eq!((run.code, run.verdict()), (3, "cannot_judge"), "{:#}", run.result);
    assert_eq!(run.result["waived_findings"], 1, "{:#}", run.result);
    // And what cannot be judged cannot even be named.
    let all = "version: 1\nwaivers:\n  - {guardrail: rule_not_understood, rule: odd, reason: r, owner: o, until: 2026-04-01}\n";
    std::fs::write(folder.path().join("waivers.yaml"), all).expect("a file");
    let run = check(folder.path(), &[&given[..], BY_FILE].concat());
    assert_eq!(run.code, 3);
    let problem = run.result["problems"][0]["message"].as_str().expect("a problem");
    assert!(problem.contains("unknown is never waived"), "{problem}");
}

#[test]
fn waivers_that_cannot_be_read_are_material_and_never_green() {
    for (text, says) in [
        ("", "found nothing"),
        ("version: 1\n", "has no `waivers`"),
        ("version: 2\nwaivers: []\n", "version"),
        ("version: 1\nwaivers: [{guardrail: collateral_loss}]\n", "has no `rule`"),
        (&file("someday"), "no date"),
        (&file("2026-09-01"), "at most 90 days"),
        (&file("2026-04-01").replace("bakery", "everybody"), "not in the inventory"),
        (&file("2026-04-01").replace("collateral_loss", "impossible_match"), "cannot be waived"),
        (&file("2026-04-01").replace("reason", "raeson"), "raeson"),
    ] {
        let folder = fixture("collateral_loss", &[("waivers.yaml", text)]);
        let run = judge(folder.path(), BY_FILE);
        assert_eq!((run.code, run.verdict()), (3, "cannot_judge"), "{text}");
        let problems = run.result["problems"].to_string();
        assert!(problems.contains(says), "{text}: {problems}");
    }
    let folder = fixture("collateral_loss", &[]);
    assert_eq!(judge(folder.path(), &["--waivers", "none.yaml"]).code, 3);
}

#[test]
fn protected_traffic_is_waived_only_by_naming_the_infrastructure() {
    let waiver = |customers: &str| {
        format!(
            "version: 1\nwaivers:\n  - {{guardrail: protected_traffic_hit, rule: flood, {customers}reason: r, \
             owner: o, until: 2026-04-01}}\n"
        )
    };
    for (customers, code) in
        [("", 3), ("customers: [backbone], ", 3), ("customers: [edge-router], ", 0)]
    {
        let folder = fixture("protected_traffic_hit", &[("waivers.yaml", &waiver(customers))]);
        let run = judge(folder.path(), BY_FILE);
        assert_eq!(run.code, code, "{customers}: {:#}", run.result);
    }
}

#[test]
fn a_config_names_waivers_and_what_the_run_does_not_look_at_is_not_unused() {
    let config = "version: 1\nrules: {paths: [rules.yaml]}\ninventory: [inventory.yaml]\ntraffic: [{path: traffic.yaml}]\nwaivers: [waivers.yaml]\n";
    let gone = file("2026-04-01").replace("rule: flood", "rule: gone");
    let files = [("blastgate.yaml", config), ("waivers.yaml", gone.as_str())];
    let folder = fixture("collateral_loss", &files);
    // Of the whole, a rule that is gone is known to be gone.
    let run = check(folder.path(), &[]);
    assert!(run.findings().contains(&("unused_waiver", "warning")), "{:?}", run.findings());
    // Of a part it is not; nor does a lint look at losses.
    let run = check(folder.path(), &["rules.yaml"]);
    assert!(!run.findings().contains(&("unused_waiver", "warning")), "{:?}", run.findings());
    std::fs::write(folder.path().join("waivers.yaml"), file("2026-04-01")).expect("a file");
    assert_eq!(check(folder.path(), &[]).code, 0);
    let run = lint(folder.path(), &[]);
    assert_eq!((run.code, run.findings()), (0, vec![]), "{:#}", run.result);
    assert_eq!(run.result["waivers"][0]["state"], "idle");
}

#[test]
fn waive_adds_what_the_next_check_takes() {
    let folder = fixture("collateral_loss", &[]);
    let waive = |more: &[&str]| {
        let arguments =
            ["waive", "collateral_loss", "--rule", "flood", "--reason", "they \"know\": #1"];
        let output = blastgate(folder.path())
            .args(arguments)
            .args(["--owner", "netops@example.net", "--now", NOW])
            .args(more)
            .output()
            .expect("the program runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).expect("text"))
    };
    let (code, said) = waive(&["--customer", "bakery", "--until", "30d"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("lists it (`waivers: [waivers.yaml]`)"), "{said}");
    let run = judge(folder.path(), BY_FILE);
    assert_eq!(run.code, 0, "{:#}", run.result);
    assert_eq!(run.result["waivers"][0]["reason"], "they \"know\": #1");
    assert_eq!(run.result["waivers"][0]["until"], "2026-03-31T12:00:00Z");
    for (more, says) in [
        (&["--until", "91d"][..], "at most 90 days"),
        (&["--until", "2026-02-01"], "past"),
        (&["--until", "soon"], "write a date"),
        (&["--until", "30d", "--file", "rules.yaml"], "add this by hand"),
    ] {
        let (code, said) = waive(more);
        assert!(code == Some(2) && said.contains(says), "{more:?}: {said}");
    }
    let kept = std::fs::read_to_string(folder.path().join("waivers.yaml")).expect("a file");
    assert_eq!(kept.matches("guardrail:").count(), 1, "{kept}");
}

#[test]
fn a_comment_waives_in_every_language_that_has_comments() {
    let waiver = |whom: &str| {
        format!(
            "waive guardrail=collateral_loss customers={whom} until=2026-04-01 owner=netops reason=known"
        )
    };
    let intent = "id=flood intent target=acme may_reach=acme,bakery must_stop=0%";
    for whom in ["bakery", "acme"] {
        let waiver = waiver(whom);
        let texts = [
            (
                "rules.nft",
                format!(
                    "table inet f {{\n chain forward {{\n  type filter hook forward priority 0;\n  # blastgate: {intent}\n  # blastgate: {waiver}\n  ip daddr 203.0.113.64/27 meta l4proto udp drop\n }}\n}}\n"
                ),
            ),
            (
                "rules.rules",
                format!(
                    "*filter\n:FORWARD ACCEPT [0:0]\n# blastgate: {intent}\n# blastgate: {waiver}\n-A FORWARD -d 203.0.113.64/27 -p udp -j DROP\nCOMMIT\n"
                ),
            ),
            (
                "rules.conf",
                format!(
                    "firewall {{\n family inet {{\n  filter f {{\n   /* blastgate: {intent} */\n   /* blastgate: {waiver} */\n   term flood {{\n    from {{\n     destination-address {{\n      203.0.113.64/27;\n     }}\n     protocol udp;\n    }}\n    then {{\n     discard;\n    }}\n   }}\n   term rest {{\n    then accept;\n   }}\n  }}\n }}\n}}\n"
                ),
            ),
        ];
        for (name, text) in &texts {
            let folder = fixture("collateral_loss", &[(name, text)]);
            let given = [name, "--inventory", "inventory.yaml", "--traffic", "traffic.yaml"];
            let run = check(folder.path(), &given);
            let waived = run.result["waived_findings"] == 1;
            assert_eq!(
                (waived, run.code == 0),
                (whom == "bakery", whom == "bakery"),
                "{name}: {:#}",
                run.result
            );
        }
    }
}
