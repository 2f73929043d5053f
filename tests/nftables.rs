//! The language nftables on whole files: what real files hold, what is wrong with bad ones, and that
//! text and JSON of one ruleset are the same rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use blastgate::languages::{self, Files, LANGUAGES, Way};
use blastgate::model::{Diagnostic, RuleSet, Severity, SourceId, Sources};

use crate::common;

/// Reads a text on a way; also what cannot be read must come back.
fn read(text: &str, path: languages::Path) -> (RuleSet, Vec<Diagnostic>) {
    let mut sources = Sources::new();
    let file = sources.add("rules.nft", text);
    let way = Way { path, ..Way::default() };
    let included = BTreeMap::new();
    let files: [SourceId; 1] = [file];
    let files = Files { sources: &sources, files: &files, included: &included, way: &way };
    let language = LANGUAGES.iter().find(|one| one.name == "nftables").expect("it is listed");
    let (set, problems) = (language.parse)(&files);
    for problem in &problems {
        let place = problem.location.expect("a place");
        sources.get(place.source).text.get(place.span.range()).expect("a place within the text");
        assert!(!problem.message.is_empty());
    }
    (set, problems)
}

fn has_error(problems: &[Diagnostic]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("BLASTGATE_RULEFILES");
    if folder.is_none() {
        common::skip("BLASTGATE_RULEFILES is not set");
    }
    folder.map(|folder| PathBuf::from(folder).join("nftables"))
}

fn all_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { all_files(&path, into) } else { into.push(path) }
    }
    into.sort();
}

#[test]
fn every_real_file_of_nftables_is_read_without_panic() {
    let Some(folder) = folder() else { return };
    let mut files = Vec::new();
    all_files(&folder, &mut files);
    let (mut rules, mut bounded, mut failed) = (0, 0, Vec::new());
    for file in &files {
        let text = String::from_utf8_lossy(&std::fs::read(file).expect("a file")).into_owned();
        for (_, path) in languages::Path::NAMES {
            let (set, problems) = read(&text, *path);
            let syntax = problems.iter().filter(|one| one.severity == Severity::Error);
            let syntax: Vec<&String> = syntax
                .map(|one| &one.message)
                .filter(|message| !message.starts_with("no chain of these rules is at a hook"))
                .collect();
            if *path == languages::Path::Forward {
                rules += set.coverage.iter().map(|one| one.rules).sum::<usize>();
                bounded += set.coverage.iter().map(|one| one.bounded.len()).sum::<usize>();
                if !syntax.is_empty() {
                    failed.push(format!("{}: {syntax:?}", file.display()));
                }
            }
        }
    }
    println!(
        "{} files, {rules} rules, {bounded} conditions bounded at forward; not read:\n{}",
        files.len(),
        failed.join("\n")
    );
    assert!(files.len() > 100);
    assert!(failed.len() * 20 < files.len(), "most files are read");
}

/// Returns what rules do, without places.
fn shown(set: &RuleSet) -> String {
    let mut text = format!("{:?}\n", set.default.action);
    for rule in &set.rules {
        let description = rule.description.as_deref().unwrap_or_default();
        writeln!(text, "{} {description} {:?}", rule.id, rule.action.value).expect("text");
        for term in &rule.matches.terms {
            writeln!(text, "  {:?}", term.value).expect("text");
        }
    }
    // Terms in terms print their places.
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("location: Location {") {
        plain.push_str(&rest[..at]);
        rest = &rest[at + rest[at..].find("} }").map_or(rest.len() - at, |end| end + 3)..];
    }
    plain + rest
}

#[test]
fn text_and_json_of_a_ruleset_are_the_same_rules() {
    let Some(folder) = folder() else { return };
    let mut files = Vec::new();
    all_files(&folder.join("dumps"), &mut files);
    let mut same = 0;
    for json in files.iter().filter(|file| file.extension().is_some_and(|end| end == "json")) {
        let Ok(text) = std::fs::read_to_string(json.with_extension("nft")) else { continue };
        let json_text = std::fs::read_to_string(json).expect("text");
        for (_, path) in languages::Path::NAMES {
            let (by_text, text_problems) = read(&text, *path);
            let (by_json, json_problems) = read(&json_text, *path);
            assert_eq!(shown(&by_text), shown(&by_json), "{}", json.display());
            assert_eq!(has_error(&text_problems), has_error(&json_problems), "{}", json.display());
            same += 1;
        }
    }
    println!("{same} rule sets are the same from text and from JSON");
    assert!(same > 100);
}

#[test]
fn hostile_texts_are_errors_and_take_no_time() {
    let start = std::time::Instant::now();
    let deep = 100_000;
    let base = "table inet a { chain b { type filter hook forward priority 0;\n";
    let texts = [
        "{".repeat(deep),
        format!("{base} ip saddr {}", "{".repeat(deep)),
        format!("{base} ip saddr {}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("{base} meta mark {} drop\n}}\n}}\n", vec!["1"; deep].join(" | ")),
        format!("{base} jump {}", "{ jump ".repeat(deep)),
        format!("{{\"nftables\": {}", "[".repeat(deep)),
        format!("{{\"nftables\": [{{\"rule\": {}", "{\"a\":".repeat(deep)),
        format!("{base} tcp dport 99999999999999999999999999999999999999999999 drop\n}}\n}}\n"),
        format!(
            "{base} limit rate over 1 mbytes/week burst 18446744073709551615 bytes drop\n}}\n}}\n"
        ),
        format!("{base} ip saddr 192.0.2.1/999999999999 drop\n}}\n}}\n"),
        format!("{base} jump b\n}}\n}}\n"),
        format!("{base} log prefix \"open\n"),
        format!("{base} ip saddr \u{fffd}\u{fffd} drop\n}}\n}}\n"),
        "table inet a { chain b { type filter hook forward priority 99999999999999999999; } }"
            .into(),
        "define a = $a\n".to_owned(),
        "include \"missing.nft\"\n".to_owned(),
        "add rule ip a b drop\n".to_owned(),
    ];
    for text in &texts {
        let (_, problems) = read(text, languages::Path::Forward);
        let text: String = text.chars().take(120).collect();
        assert!(has_error(&problems), "{text}");
    }
    let took = start.elapsed();
    assert!(took.as_secs() < 20, "{took:?}");
}

#[test]
fn files_that_are_cut_anywhere_are_errors_or_smaller_but_never_panic() {
    let whole = "define web = { 80, 443 }\ntable inet a {\n set s {\n type ipv4_addr . inet_service\n \
        elements = { 192.0.2.1 . 80, 192.0.2.2 . 443-444 }\n }\n chain c {\n ip saddr . tcp dport @s drop\n }\n \
        chain b {\n type filter hook forward priority filter + 10; policy drop;\n tcp dport $web \
        limit rate 10/second burst 5 packets accept comment \"x\"\n tcp dport vmap { 22 : jump c, 23 : drop }\n \
        ct state established,related counter packets 1 bytes 2 accept\n meter m { ip saddr limit rate over \
        1 kbytes/second } drop\n }\n}\n";
    let (set, problems) = read(whole, languages::Path::Forward);
    assert!(!has_error(&problems), "{problems:?}");
    assert!(set.rules.len() > 4);
    for end in 0..whole.len() {
        read(&whole[..end], languages::Path::Forward);
        // One character lost.
        read(&format!("{}{}", &whole[..end], &whole[end + 1..]), languages::Path::Forward);
    }
}

#[test]
fn rules_that_no_packet_on_the_way_meets_are_not_silently_nothing() {
    let text = "table inet a { chain b { type filter hook input priority 0;\n drop\n}\n}\n";
    // An empty set, which says why: where both sides are, there is nothing to judge.
    let (set, problems) = read(text, languages::Path::Forward);
    assert!(set.rules.is_empty());
    assert!(problems[0].help.as_deref().is_some_and(|help| help.contains("--path")));
    assert!(!has_error(&read(text, languages::Path::Input).1));
}

#[test]
fn the_outage_of_the_story_is_caught_in_nftables_on_one_screen() {
    let folder = common::fixtures("incidents").join("2012-09-15-rate-limit");
    let check = |rules: &str| {
        let output = common::blastgate(&folder)
            .args(["check", rules, "--inventory", "inventory.yaml", "--traffic", "traffic.yaml"])
            .args(["--no-config", "--now", common::NOW])
            .output()
            .expect("the program runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = check("wrong.nft");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("protected_traffic_hit") && text.contains("wrong.nft:9"), "{text}");
    assert!(text.lines().count() <= 30, "{text}");
    let (code, text) = check("right.nft");
    assert_eq!(code, Some(0), "{text}");
    // nft(8) takes both.
    for rules in ["wrong.nft", "right.nft"] {
        let args = ["-c", "-f", rules];
        match std::process::Command::new("nft").args(args).current_dir(&folder).output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => common::skip(&String::from_utf8_lossy(&output.stderr)),
            Err(_) => common::skip("nft is not installed"),
        }
    }
}

/// `cargo bench --bench reading` says how fast.
#[test]
fn a_hundred_thousand_rules_are_read() {
    let mut by_port = "table inet a { chain b { type filter hook forward priority 0;\n".to_owned();
    let mut by_address = by_port.clone();
    for number in 0..100_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        writeln!(by_port, "tcp dport {} tcp sport {} counter drop", number % 65_536, number / 2)
            .expect("text");
        writeln!(by_address, "ip saddr 10.{a}.{b}.{c} tcp dport 22 drop").expect("text");
    }
    for (name, text) in [("by port", by_port), ("by address", by_address)] {
        let text = text + "}\n}\n";
        let (set, problems) = read(&text, languages::Path::Forward);
        assert!(!has_error(&problems), "{name}: {:?}", problems.first());
        assert!(set.rules.len() >= 100_000, "{name}: {}", set.rules.len());
    }
}

//------------ The way of packets ----------------------------------------------

const WAYS: &str = "\
table inet a {
    chain before {
        type filter hook prerouting priority 0; policy accept;
        # blastgate: id=before intent target=acme
        iifname \"up\" udp dport 1000 drop
    }
    chain through {
        type filter hook forward priority 0; policy accept;
        # blastgate: id=through intent target=acme
        oifname \"down\" udp dport 2000 drop
    }
    chain own {
        type filter hook input priority 0; policy accept;
        # blastgate: id=own intent target=acme
        udp dport 3000 drop
    }
}
";

#[test]
fn the_command_line_says_which_way_packets_come_by() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rules.txt"), WAYS).expect("a file");
    let trace = |port: u32, more: &[&str]| {
        let packet = format!("src 198.51.100.7 dst 203.0.113.10 udp dst_port {port}");
        let output = crate::common::blastgate(folder.path())
            .args(["trace", "rules.txt", "--no-config", "--packet", &packet])
            .args(more)
            .output()
            .expect("the program runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), text)
    };
    let ends = |port: u32, more: &[&str], rule: Option<&str>| {
        let (code, text) = trace(port, more);
        assert_eq!(code, Some(0), "{more:?}\n{text}");
        let json = trace(port, &[more, &["-o", "json"]].concat()).1;
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["rule"].as_str(), rule, "{port} {more:?}\n{json}");
        let fate = if rule.is_some() { "dropped" } else { "accepted" };
        assert_eq!(json["disposition"], fate, "{port} {more:?}\n{json}");
    };
    ends(1_000, &["--iif", "up"], Some("before"));
    ends(1_000, &["--iif", "other"], None);
    ends(2_000, &["--iif", "up", "--oif", "down"], Some("through"));
    ends(2_000, &["--iif", "up", "--oif", "other"], None);
    ends(2_000, &["--iif", "up", "--path", "prerouting"], None);
    ends(3_000, &["--iif", "up", "--oif", "down"], None);
    ends(3_000, &["--iif", "up", "--path", "input"], Some("own"));
    // The language is told, and never guessed against what one says.
    ends(1_000, &["--iif", "up", "--language", "nftables"], Some("before"));
    let (code, text) = trace(1_000, &["--language", "native"]);
    assert_eq!(code, Some(3), "{text}");
    let (code, text) = trace(1_000, &["--path", "egress"]);
    assert!(code == Some(2) && text.contains("ingress"), "{text}");
    // Nobody knows the interface: both may be.
    let (_, text) = trace(1_000, &[]);
    assert!(text.contains("iifname"), "{text}");
}
