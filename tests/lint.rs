//! `lint`: what can be said of rules without traffic, in words that nobody takes for a pass.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::bad_input::{folder, never_green, unusable};
use crate::common::{NOW, Run, blastgate, check, fixtures, lint};
use crate::everyday::CASES;
use crate::git::{GOOD, Repository, install, try_git, wide};

const INVENTORY: &[&str] = &["--inventory", "inventory.yaml"];

/// Judges this rule file in the folder of `bad_input`, whose inventory has acme and ams.
fn rules(text: &str, arguments: &[&str]) -> Run {
    let folder = folder(&[("rules.yaml", text.as_bytes())]);
    lint(folder.path(), &[&["rules.yaml"], arguments].concat())
}

/// Returns a rule file with one rule, by its lines after the id.
fn rule(lines: &str) -> String {
    format!("version: 1\nrules:\n  - id: x\n    {}\n", lines.replace('\n', "\n    "))
}

/// Returns the exit code and what was found.
fn found(run: &Run) -> (i32, Vec<(&str, &str)>) {
    (run.code, run.findings())
}

/// Runs `lint` for people and returns the exit code, standard output and standard error.
fn screen(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let output = blastgate(folder)
        .arg("lint")
        .args(arguments)
        .args(["--now", NOW])
        .envs(variables.iter().copied())
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let code = output.status.code().expect("it ends by itself, not by a signal");
    (code, text(output.stdout), text(output.stderr))
}

//------------ Clean, warned, bad ---------------------------------------------

#[test]
fn a_clean_lint_says_that_no_traffic_was_judged_and_never_pass() {
    let folder = folder(&[]);
    let clean = "lint: clean (1 rule; no traffic was judged)";
    let alone = "lint: clean (1 rule; without an inventory; no traffic was judged)";
    for (more, last) in [(INVENTORY, clean), (&[], alone)] {
        for style in [&[][..], &["-q"], &["-v"], &["--color", "always"]] {
            let (code, out, errors) =
                screen(folder.path(), &[&["rules.yaml"], more, style].concat(), &[]);
            assert_eq!((code, errors.as_str()), (0, ""), "{out}");
            let plain = out.replace("\u{1b}[1;32m", "").replace("\u{1b}[0m", "");
            assert_eq!(plain.lines().last(), Some(last));
            assert!(!out.to_lowercase().contains("pass"), "{out}");
            let not_seen = "no inventory: owners, PoPs and whom intents name were not looked at";
            let said = plain.contains(not_seen);
            assert_eq!(said, more.is_empty() && style != ["-q"], "{out}");
        }
    }
}

#[test]
fn warnings_do_not_fail_a_lint_unless_it_is_strict() {
    let text = rule(
        "match: {dst: 203.0.113.0/28}\naction: {rate_limit: {rate: 10 Mbps}}\n\
         intent: {target: [acme]}",
    );
    let warned = vec![("unkeyed_limit", "warning")];
    for more in [INVENTORY, &[]] {
        assert_eq!(found(&rules(&text, more)), (0, warned.clone()));
        let strict = rules(&text, &[more, &["--strict"]].concat());
        assert_eq!(found(&strict), (1, warned.clone()));
        let summary = rules(&text, more).result["summary"].to_string();
        assert!(summary.contains("1 warning (1 rule;"), "{summary}");
    }
}

#[test]
fn rules_that_are_bad_by_themselves_fail_with_and_without_an_inventory() {
    let target = "intent: {target: [acme]}";
    for (lines, guardrail) in [
        (
            format!("match: {{dst: 203.0.113.10, ttl: 300}}\naction: drop\n{target}"),
            "impossible_match",
        ),
        (
            format!(
                "match: {{dst: 203.0.113.10, protocol: icmp, dst_port: 1}}\naction: drop\n{target}"
            ),
            "impossible_match",
        ),
        (format!("match: {{protocol: icmp}}\naction: drop\n{target}"), "wide_match"),
        (
            format!("match: {{pop: [ams]}}\naction: {{rate_limit: {{rate: 4 Gbps}}}}\n{target}"),
            "shared_bucket",
        ),
        ("match: {protocol: udp}\naction: {redirect: {to: scrub}}".to_owned(), "intent_missing"),
        (
            format!("expires: 2026-03-01\nmatch: {{dst: 203.0.113.10}}\naction: drop\n{target}"),
            "rule_expired",
        ),
    ] {
        for more in [INVENTORY, &[]] {
            let run = rules(&rule(&lines), more);
            let (code, all) = found(&run);
            let at = all.iter().position(|one| *one == (guardrail, "error"));
            // With an inventory they show also as what they do to whom.
            let is_alone = all.len() == 1 || !more.is_empty();
            assert!(code == 1 && is_alone, "{lines}: {all:?}");
            let place = &run.result["findings"][at.expect("it is found")]["location"];
            assert_eq!(place["file"], "rules.yaml", "{lines}");
            assert!(place["line"].as_u64().is_some_and(|line| line >= 3), "{lines}");
        }
    }
    let nobody = "version: 1\ndefault: drop\nrules: [{id: x, match: {ttl: 1}, action: accept}]\n";
    assert_eq!(found(&rules(nobody, &[])), (1, vec![("intent_missing", "error")]));
}

#[test]
fn what_only_an_inventory_tells_is_found_with_one_and_passed_over_in_words_without() {
    let two = "pops: [{id: ams}]\nversion: 1\ncustomers:\n  \
               - {id: acme, prefixes: [203.0.113.0/28]}\n  \
               - {id: clinic, prefixes: [203.0.113.64/28]}\n";
    let meets = "match: {dst: 203.0.113.0/24}\naction: {rate_limit: {rate: 1 Gbps}}\n\
                 intent: {target: [acme], may_affect: [all]}";
    for (lines, with, without) in [
        (
            meets,
            (1, vec![("shared_bucket", "error"), ("control_plane_reached", "warning")]),
            (0, vec![("unkeyed_limit", "warning")]),
        ),
        (
            "match: {dst: 203.0.113.0/24}\naction: drop",
            (
                1,
                vec![
                    ("reach_beyond_intent", "error"),
                    ("intent_missing", "error"),
                    ("control_plane_reached", "warning"),
                ],
            ),
            (0, vec![]),
        ),
        ("match: {dst: 203.0.113.1}\naction: drop", (0, vec![]), (0, vec![])),
        // Whoever it names must be there, and where must be, too: not understood, not bad.
        (
            "match: {dst: 203.0.113.1}\naction: drop\nintent: {target: [acmee]}",
            (3, vec![]),
            (0, vec![]),
        ),
        (
            "match: {dst: 203.0.113.1}\naction: drop\nintent: {target: \"tier:gold\"}",
            (3, vec![]),
            (0, vec![]),
        ),
        ("match: {dst: 203.0.113.1, pop: asm}\naction: accept", (3, vec![]), (0, vec![])),
    ] {
        let files = [("rules.yaml", rule(lines)), ("inventory.yaml", two.to_owned())];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_bytes()));
        let folder = folder(&files);
        let run = lint(folder.path(), &[&["rules.yaml"], INVENTORY].concat());
        assert_eq!(found(&run), with, "{lines}: {}", run.result);
        let run = lint(folder.path(), &["rules.yaml"]);
        assert_eq!(found(&run), without, "{lines}: {}", run.result);
        let notes = run.result["change"]["notes"].to_string();
        assert!(notes.contains("whom intents name were not looked at"), "{notes}");
    }
}

#[test]
fn selectors_that_no_inventory_could_know_are_refused_without_one() {
    for target in ["[none, acme]", "[\"prefix:203.0.113.0/99\"]", "[\"prefix:\"]", "[]", "[\"\"]"] {
        let text = rule(&format!(
            "match: {{dst: 203.0.113.1}}\naction: drop\nintent: {{target: {target}}}"
        ));
        assert_eq!(found(&rules(&text, &[])), (3, vec![]), "{target}");
    }
}

/// Returns (guardrail, rule) of all errors.
fn errors(run: &Run) -> BTreeSet<(String, String)> {
    let findings = run.result["findings"].as_array().expect("findings").iter();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .filter(|finding| finding["severity"] == "error")
        .map(|finding| (word(&finding["guardrail"]), word(&finding["rule"])))
        .collect()
}

#[test]
fn an_error_found_without_an_inventory_is_one_in_every_inventory() {
    let matches = [
        "{dst: 203.0.113.1}",
        "{dst: 203.0.113.0/24}",
        "{dst: 0.0.0.0/0}",
        "{src: 203.0.113.1}",
        "{src: 203.0.113.0/24}",
        "{not: {dst: 203.0.113.1}}",
        "{any_of: [{dst: 203.0.113.1}, {src: 198.51.100.0/24}]}",
        "{protocol: udp}",
        "any",
        "{protocol: icmp, dst_port: 53}",
    ];
    let per = ["[]", "[dst]", "[dst/24]", "[src]", "[customer]", "[dst_port]"];
    let limits = per.map(|per| format!("{{rate_limit: {{rate: 1 Gbps, per: {per}}}}}"));
    let actions = ["drop", "challenge", "accept", "{redirect: {to: scrub}}"].map(str::to_owned);
    let intents = ["", "[acme]", "[all]", "[none]", "[unowned]", "[\"prefix:203.0.113.0/24\"]"];
    let mut text = "version: 1\nrules:\n".to_owned();
    let mut count = 0;
    for matches in matches {
        for action in limits.iter().chain(&actions) {
            for target in intents {
                let intent = match target {
                    "" => String::new(),
                    target => format!(", intent: {{target: {target}, may_reach: {target}}}"),
                };
                text +=
                    &format!("  - {{id: r{count}, match: {matches}, action: {action}{intent}}}\n");
                count += 1;
            }
        }
    }
    let alone = errors(&rules(&text, &[]));
    assert!(alone.len() > 100, "of {count} rules only {} are bad", alone.len());
    let mut told = 0;
    for prefixes in [
        ["203.0.113.0/28", "203.0.113.64/28"],
        ["203.0.113.0/24", "198.51.100.0/24"],
        ["0.0.0.0/0", "203.0.113.1/32"],
        ["0.0.0.0/0", "::/0"],
        ["192.0.2.0/24", "192.0.2.0/28"],
    ] {
        let [acme, other] = prefixes;
        for inventory in [
            format!("{{id: acme, prefixes: [{acme}]}}, {{id: other, prefixes: [\"{other}\"]}}"),
            format!("{{id: acme, prefixes: [{acme}, \"{other}\"]}}"),
        ] {
            let inventory = format!("version: 1\ncustomers: [{inventory}]\n");
            let folder = folder(&[
                ("rules.yaml", text.as_bytes()),
                ("inventory.yaml", inventory.as_bytes()),
            ]);
            let run = lint(folder.path(), &[&["rules.yaml"], INVENTORY].concat());
            assert_eq!(run.code, 1, "{inventory}: {}", run.result["problems"]);
            let more = errors(&run);
            let only: Vec<_> = alone.difference(&more).collect();
            assert!(only.is_empty(), "{inventory}: {only:?}");
            told += more.len() - alone.len();
        }
    }
    assert!(told > 100, "inventories tell only {told} more");
}

#[test]
fn what_fails_a_lint_fails_the_check_of_the_same_change() {
    let mut failed = 0;
    let mut judge = |folder: &Path, arguments: &[&str], traffic: &[&str]| {
        let all = [arguments, INVENTORY].concat();
        let [alone, linted] = [lint(folder, arguments), lint(folder, &all)].map(|run| errors(&run));
        let checked = errors(&check(folder, &[&all, traffic].concat()));
        let case = format!("{} {arguments:?}", folder.display());
        assert!(alone.is_subset(&linted), "{case}: {alone:?} {linted:?}");
        assert!(linted.is_subset(&checked), "{case}: {linted:?} {checked:?}");
        failed += usize::from(!linted.is_empty());
    };
    for (name, variant, arguments, ..) in CASES {
        let rules = format!("{variant}.yaml");
        let at = |flag: &str| arguments.windows(2).find(|pair| pair[0] == flag).unwrap_or_default();
        let rest = [&[rules.as_str(), "--no-config"], at("--running")].concat();
        judge(&fixtures("everyday").join(name), &rest, at("--traffic"));
    }
    for entry in std::fs::read_dir(fixtures("incidents")).expect("the incidents") {
        for rules in ["wrong.yaml", "right.yaml"] {
            let arguments = [rules, "--no-config"];
            let folder = entry.as_ref().expect("an entry").path();
            judge(&folder, &arguments, &["--traffic", "traffic.yaml"]);
        }
    }
    assert!(failed >= 4, "only {failed} fail");
}

//------------ Materials that cannot be used -----------------------------------

/// Checks that a lint ends with 3, says so last, and has the phrase and the place.
fn cannot_judge(files: &[(&str, &[u8])], arguments: &[&str], phrase: &str, place: &str) {
    never_green("lint", "lint: CANNOT JUDGE: ", files, arguments, phrase, place);
}

#[test]
fn rule_files_that_cannot_be_used_are_no_clean_rules() {
    let with = &["rules.yaml", "--inventory", "inventory.yaml"];
    for (text, phrase, place) in unusable() {
        let files = [("rules.yaml", text.as_bytes())];
        cannot_judge(&files, with, phrase, place);
        // A name that is unknown is wrong only where there is an inventory.
        if !phrase.contains("did you mean") {
            cannot_judge(&files, &["rules.yaml"], phrase, place);
        }
    }
    cannot_judge(&[("rules.yaml", b"\xff\xfe")], &["rules.yaml"], "is not UTF-8 text", "");
    cannot_judge(&[("rules.yaml", &[0; 64])], &["rules.yaml"], "unexpected character", "");
}

#[test]
fn materials_that_are_missing_or_empty_are_no_clean_rules() {
    let none = b"version: 1\nrules: []\n";
    let no_rules = "there are no rules on either side";
    cannot_judge(&[("rules.yaml", none)], &["rules.yaml"], no_rules, "");
    let running = &["rules.yaml", "--running", "running.yaml"];
    cannot_judge(&[("rules.yaml", none), ("running.yaml", none)], running, no_rules, "");
    cannot_judge(&[], running, "cannot read running.yaml", "");
    cannot_judge(&[], &["missing.yaml"], "cannot read missing.yaml", "");
    cannot_judge(&[("rules/notes.txt", b"x")], &["rules"], "no rule file", "");
    let missing = &["rules.yaml", "--inventory", "missing.yaml"];
    cannot_judge(&[], missing, "cannot read missing.yaml: no such file", "");
    let config = b"version: 1\nrules: {paths: [rules.yaml]}\ninventory: [gone.yaml]\n";
    cannot_judge(&[("blastgate.yaml", config)], &[], "cannot read gone.yaml", "");
    for (text, phrase) in
        [("", "is empty"), ("version: 1\ncustomers: []\n", "`customers` is empty")]
    {
        let with = &["rules.yaml", "--inventory", "inventory.yaml"];
        cannot_judge(&[("inventory.yaml", text.as_bytes())], with, phrase, "");
    }
}

#[test]
fn damaged_rule_files_end_with_a_code_of_the_table_and_a_last_word() {
    let good =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/20-mitigations.yaml"))
            .expect("the rules");
    let folder = folder(&[]);
    let mut codes = BTreeSet::new();
    for at in (0..good.len()).step_by(7) {
        let cut = good[..at].to_vec();
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 7);
        let mut inserted = good.clone();
        inserted.splice(at..at, b"]:{*&\t"[at % 6..=at % 6].iter().copied());
        for damaged in [cut, flipped, inserted] {
            std::fs::write(folder.path().join("rules.yaml"), &damaged).expect("a file");
            let (code, out, _) = screen(folder.path(), &["rules.yaml"], &[]);
            codes.insert(code);
            let last = out.trim_end().replace("\n  ", " ");
            let last = last.lines().last().unwrap_or_default().to_owned();
            let word = match code {
                0 => "lint: ",
                1 => "lint: FAIL: ",
                3 => "lint: CANNOT JUDGE: ",
                other => panic!("{other}: {}", String::from_utf8_lossy(&damaged)),
            };
            assert!(last.starts_with(word) && (code != 0 || last.ends_with("judged)")), "{last}");
        }
    }
    assert!(codes.contains(&0) && codes.contains(&3), "{codes:?}");
}

//------------ Command line and config ------------------------------------------

#[test]
fn a_lint_takes_nothing_that_is_about_traffic() {
    let folder = folder(&[]);
    for more in [
        &["--traffic", "traffic.yaml"][..],
        &["--scenario", "double"],
        &["--format", "pcap"],
        &["--pop", "ams"],
        &["--direction", "ingress"],
        &["--sampling", "10"],
        &["--label", "attack"],
        &["--inner"],
        &["--max-age", "1d"],
        &["--threads", "1"],
        &["--progress", "never"],
        &["-o", "jsno"],
        &["--now", "yesterday"],
        &["--base", "a", "--merge-base", "b"],
        &["--save", "rules.yaml"],
    ] {
        let (code, out, errors) = screen(folder.path(), &[&["rules.yaml"], more].concat(), &[]);
        assert_eq!((code, out.as_str()), (2, ""), "{more:?}: {errors}");
    }
    assert_eq!(screen(folder.path(), &[], &[]).0, 2, "no rules are named");
}

#[test]
fn what_a_config_says_of_traffic_does_not_matter_to_a_lint() {
    let config = b"version: 1\nrules: {paths: [rules.yaml]}\ninventory: [inventory.yaml]\n\
        traffic:\n  - {path: gone.pcap, format: no-such-form, observed: after, pop: nowhere}\n\
        scenarios:\n  - {name: lost, drain: nowhere, to: [ams]}\n  - {name: more, add: gone.yaml}\n";
    let in_place = folder(&[("blastgate.yaml", config)]);
    let variables =
        [("BLASTGATE_TRAFFIC", "gone.pcap"), ("BLASTGATE_SCENARIO", "x"), ("BLASTGATE_POP", "y")];
    for variables in [&[][..], &variables] {
        let (code, out, errors) = screen(in_place.path(), &[], variables);
        assert_eq!((code, errors.as_str()), (0, ""), "{out}");
        assert!(out.ends_with("lint: clean (1 rule; no traffic was judged)\n"), "{out}");
    }
    let (code, ..) = screen(in_place.path(), &[], &[("BLASTGATE_INVENTORY", "gone.yaml")]);
    assert_eq!(code, 3);
    assert_eq!(
        check(in_place.path(), &["--traffic", "traffic.yaml", "--scenario", "lost"]).code,
        3
    );
    // The config itself must be one.
    let wrong =
        folder(&[("blastgate.yaml", b"version: 1\nrules: {paths: [rules.yaml]}\ntrafic: []\n")]);
    let (code, out, errors) = screen(wrong.path(), &[], &[]);
    assert_eq!((code, out.as_str()), (2, ""), "{errors}");
    assert!(errors.contains("did you mean `traffic`?"), "{errors}");
}

#[test]
fn the_json_of_a_lint_has_the_keys_of_a_check_and_claims_nothing_about_traffic() {
    let folder = folder(&[]);
    let arguments = [&["rules.yaml"], INVENTORY].concat();
    let traffic = ["--traffic", "traffic.yaml"];
    let checked = check(folder.path(), &[&arguments[..], &traffic].concat()).result;
    let result = lint(folder.path(), &[&arguments[..], &["--save", "saved.json"]].concat()).result;
    let keys =
        |value: &Value| value.as_object().expect("a map").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&result), keys(&checked));
    assert_eq!((&checked["command"], &result["command"]), (&json!("check"), &json!("lint")));
    assert_eq!(result["schema"], "blastgate/result/v1");
    assert_eq!((&result["verdict"], &result["exit_code"]), (&json!("pass"), &json!(0)));
    assert_eq!(result["summary"], "clean (1 rule; no traffic was judged)");
    for key in ["scenarios", "rules", "limits", "attack", "findings"] {
        assert_eq!(result[key], json!([]), "{key}");
    }
    assert_eq!(keys(&result["evidence"]), keys(&checked["evidence"]));
    assert_eq!(
        (&result["evidence"]["records"], &result["evidence"]["files"]),
        (&json!(0), &json!([]))
    );
    // Whom the rules reach is told where there is an inventory.
    assert_eq!(result["customers"][0]["id"], "acme");
    assert_eq!(result["customers"][0]["touched"], false);
    assert_eq!(lint(folder.path(), &["rules.yaml"]).result["customers"], json!([]));
    let saved = std::fs::read(folder.path().join("saved.json")).expect("what was saved");
    assert_eq!(serde_json::from_slice::<Value>(&saved).expect("JSON"), result);
}

#[test]
fn rules_from_standard_input_are_linted() {
    let folder = folder(&[]);
    let mut command = blastgate(folder.path());
    let output = command.args(["lint", "-"]).write_stdin(GOOD).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("lint: clean (1 rule; without an inventory"), "{text}");
}

//------------ Changes, and the hook --------------------------------------------

#[test]
fn with_a_running_set_only_rules_that_the_change_touches_are_judged() {
    let old = "version: 1\nrules:\n  \
        - {id: old, match: {protocol: icmp}, action: drop, intent: {target: [acme]}}\n";
    let good = format!(
        "{old}  - {{id: new, match: {{dst: 203.0.113.1}}, action: drop, intent: {{target: [acme]}}}}\n"
    );
    let edited = old.replace("icmp", "igmp");
    let folder = folder(&[
        ("old.yaml", old.as_bytes()),
        ("good.yaml", good.as_bytes()),
        ("edited.yaml", edited.as_bytes()),
    ]);
    let against = |candidate: &str| lint(folder.path(), &[candidate, "--running", "old.yaml"]);
    let run = against("good.yaml");
    assert_eq!(found(&run), (0, vec![]));
    assert_eq!(run.result["unchanged_findings"], json!({"wide_match": 1}));
    let new = "clean (1 of 2 rules new or changed; without an inventory; no traffic was judged)";
    assert_eq!(run.result["summary"], new);
    let run = against("old.yaml");
    assert_eq!(found(&run), (0, vec![]));
    let nothing = "clean (nothing changed in 1 rule; without an inventory; no traffic was judged)";
    assert_eq!(run.result["summary"], nothing);
    assert_eq!(found(&against("edited.yaml")), (1, vec![("wide_match", "error")]));
    assert_eq!(found(&lint(folder.path(), &["good.yaml"])), (1, vec![("wide_match", "error")]));
}

/// Returns the hook that the README shows.
#[cfg(unix)]
fn shown_hook() -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
        .expect("the README");
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let hook = blocks.into_iter().find(|block| block.contains("exec blastgate lint"));
    hook.expect("a hook").to_owned()
}

#[cfg(unix)]
#[test]
fn the_readmes_hook_lets_clean_rules_through_a_real_commit_and_no_others() {
    let repository = Repository::empty();
    install(&repository, &shown_hook());
    // The hook needs no traffic.
    std::fs::remove_file(repository.path().join("traffic.yaml")).expect("the traffic");
    let bad = GOOD.replace("{dst: 203.0.113.10, protocol: udp}", "{packet_length: 99971}");
    let commit = |arguments: &[&str]| {
        try_git(repository.path(), &[&["commit", "-q", "-m", "x"], arguments].concat())
    };
    let blocked = |(code, text): (i32, String), phrase: &str| {
        assert!(code == 1 && text.contains(phrase), "{code}: {text}");
    };
    let passed = |(code, text): (i32, String), phrase: &str| {
        assert!(code == 0 && text.contains(phrase), "{code}: {text}");
    };
    // The very first commit.
    repository.write("rules/edge.yaml", &bad);
    repository.git(&["add", "-A"]);
    blocked(commit(&[]), "lint: FAIL: acme-flood: 99971 is no IP packet length");
    repository.write("rules/edge.yaml", GOOD);
    repository.git(&["add", "-A"]);
    passed(commit(&[]), "lint: clean (1 of 1 rule new or changed; no traffic was judged)");
    // What the index has counts, not the working tree; and what is committed, not all of it.
    repository.write("rules/edge.yaml", &bad);
    repository.git(&["add", "-A"]);
    repository.write("rules/edge.yaml", GOOD);
    blocked(commit(&[]), "impossible_match");
    repository.write("rules/other.yaml", &GOOD.replace("acme-flood", "other"));
    repository.git(&["add", "rules/other.yaml"]);
    passed(commit(&["--", "rules/other.yaml"]), "added other");
    repository.git(&["add", "-A"]);
    repository.write("rules/edge.yaml", "version: 1\nrules: [{id: x\n");
    blocked(commit(&["-a"]), "lint: CANNOT JUDGE");
    blocked(commit(&["--", "rules/edge.yaml"]), "rules/edge.yaml:");
    // Without traffic nobody can say that this hurts the clinic; that it could, is proved.
    repository.write("rules/edge.yaml", &wide());
    blocked(commit(&["-a"]), "could newly harm clinic");
    repository.git(&["checkout", "-q", "HEAD", "--", "rules/edge.yaml"]);
    repository.write("notes.txt", "no rule");
    repository.git(&["add", "notes.txt"]);
    passed(commit(&[]), "lint: clean (nothing changed in 2 rules; no traffic was judged)");
    assert_eq!(repository.git(&["rev-list", "--count", "HEAD"]), "3");
}
