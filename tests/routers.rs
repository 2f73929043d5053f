//! The languages of routers, from the outside: the story of this project in Junos, and files that
//! others wrote.

use std::time::Instant;

use blastgate::languages::LANGUAGES;
use blastgate::model::Sources;

use crate::common::{check, fixtures};

#[test]
fn the_rate_limit_of_2012_is_caught_in_the_language_it_was_written_in() {
    let folder = fixtures("incidents/2012-09-15-rate-limit");
    let run = |rules: &str| {
        let inputs = ["--inventory", "inventory.yaml", "--traffic", "traffic.yaml"];
        check(&folder, &[&[rules, "--language", "junos"][..], &inputs].concat())
    };
    let wrong = run("wrong.conf");
    assert_eq!((wrong.verdict(), wrong.code), ("fail", 1), "{:#}", wrong.result["findings"]);
    assert_eq!(wrong.affected(), ["customer-b", "customer-c", "customer-d", "edge-routers"]);
    for guardrail in ["collateral_loss", "protected_traffic_hit", "reach_beyond_intent"] {
        assert!(
            wrong.findings().contains(&(guardrail, "error")),
            "{guardrail}: {wrong_findings:?}",
            wrong_findings = wrong.findings()
        );
    }
    let right = run("right.conf");
    assert_eq!((right.verdict(), right.code), ("pass", 0), "{:#}", right.result["findings"]);
}

/// Reads every file of a folder in a language, and says how it went.
fn read_all(language: &str, folder: &str) {
    let Some(root) = std::env::var_os("BLASTGATE_RULEFILES") else {
        println!("skipped: BLASTGATE_RULEFILES names no folder of rule files");
        return;
    };
    let language = LANGUAGES.iter().find(|one| one.name == language).expect("the language");
    let mut files: Vec<_> = std::fs::read_dir(std::path::Path::new(&root).join(folder))
        .expect("the rule files")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for path in files {
        let name = path.file_name().expect("a name").display().to_string();
        let text = String::from_utf8_lossy(&std::fs::read(&path).expect("it is read")).into_owned();
        let mut sources = Sources::new();
        let file = sources.add(name.clone(), text);
        let (set, problems) = language.parse_texts(&sources, &[file]);
        let rules: usize = set.coverage.iter().map(|one| one.rules).sum();
        let bounded: usize = set.coverage.iter().map(|one| one.bounded.len()).sum();
        println!("{name}: {rules} read, {bounded} bounded, {} problems", problems.len());
        for problem in &problems {
            println!("    {}", problem.message);
        }
        assert!(rules > 0 || !problems.is_empty(), "{name}: nothing was read and nothing was said");
    }
}

#[test]
fn flow_specifications_of_others_are_read() {
    read_all("flowspec", "flowspec");
}

#[test]
fn junos_configurations_of_others_are_read() {
    read_all("junos", "junos");
}

#[test]
fn a_hundred_thousand_lines_are_read_in_time() {
    let flow = |n: usize| {
        format!(
            "announce flow route destination 10.{}.{}.{}/32 destination-port =80 discard\n",
            n >> 16 & 255,
            n >> 8 & 255,
            n & 255
        )
    };
    let hex = |n: usize| format!("nlri 090120{:08x}038111 ext 8006000000000000\n", 0x0a00_0000 + n);
    let junos = |n: usize| {
        format!(
            "set firewall family inet filter f term t{} from destination-address 10.{}.{}.0/24\n",
            n / 4,
            n >> 8 & 255,
            n & 255
        )
    };
    let texts: [(&str, String); 3] = [
        ("flowspec", (0..100_000).map(flow).collect()),
        ("flowspec", (0..100_000).map(hex).collect()),
        ("junos", (0..100_000).map(junos).collect()),
    ];
    for (name, text) in texts {
        let language = LANGUAGES.iter().find(|one| one.name == name).expect("the language");
        let mut sources = Sources::new();
        let file = sources.add("a", text);
        let start = Instant::now();
        let (set, problems) = language.parse_texts(&sources, &[file]);
        let took = start.elapsed();
        println!("{name}: {} rules in {took:?}", set.rules.len());
        assert!(problems.is_empty(), "{problems:?}");
        assert!(set.rules.len() >= 25_000);
        // Ten times what it takes on a quiet machine: this is no bench.
        assert!(took.as_secs() < 20, "{took:?}");
    }
}
