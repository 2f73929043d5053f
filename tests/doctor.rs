//! `doctor`: what it says of the materials is what a check would judge by, and what cannot be used is
//! never called usable.

use std::path::Path;

use blastgate::reports::schema::SCHEMAS;
use serde_json::Value;

use crate::bad_input::folder;
use crate::common::{NOW, blastgate, check, fixtures};

/// Runs it, and returns the exit code, the screen and what it says for machines.
fn doctor(folder: &Path, arguments: &[&str]) -> (i32, String, Value) {
    let run = |more: &[&str]| {
        let output = blastgate(folder)
            .arg("doctor")
            .args(arguments)
            .args(more)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let errors = String::from_utf8(output.stderr).expect("text");
        (output.status.code().expect("a code"), text, errors)
    };
    let (code, screen, errors) = run(&[]);
    let (again, json, _) = run(&["-o", "json"]);
    assert_eq!(code, again, "{errors}");
    let result: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{json}\n{errors}"));
    assert_eq!(result["exit_code"], code);
    (code, screen + &errors, result)
}

/// Files besides the good ones.
type Files<'a> = &'a [(&'a str, &'a [u8])];

const BY: &[&str] =
    &["rules.yaml", "--inventory", "inventory.yaml", "--traffic", "traffic.yaml", "--now", NOW];

#[test]
fn the_readme_shows_what_doctor_says_of_the_sample() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let output = blastgate(root)
        .args(["doctor", "--now", "2026-03-01T18:00:00Z"])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("it runs");
    let screen = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0));
    assert!(readme.contains(&format!("```text\n{screen}```")), "{screen}");
    assert!(screen.lines().count() <= 24, "{screen}");
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
}

#[test]
fn doctor_counts_what_check_judges_by() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (folder, arguments) in [
        (root.to_owned(), &[][..]),
        (fixtures("incidents/2012-09-15-standing-limit"), &["wrong.yaml"]),
    ] {
        let (code, _, found) = doctor(&folder, &[arguments, &["--now", NOW]].concat());
        let evidence = &check(&folder, arguments).result["evidence"];
        assert_eq!(code, 0, "{found}");
        let traffic = found["traffic"].as_array().expect("recordings");
        let traffic: Vec<&Value> = traffic.iter().filter(|one| one["scenario"].is_null()).collect();
        let sum = |key: &str| traffic.iter().filter_map(|one| one[key].as_u64()).sum::<u64>();
        for key in ["records", "packets_recorded", "packets_estimated"] {
            assert_eq!(Some(sum(key)), evidence[key].as_u64(), "{key}");
        }
        let attributed: f64 = traffic
            .iter()
            .map(|one| {
                let packets = one["packets_estimated"].as_f64().unwrap_or_default();
                one["attributed_share"].as_f64().unwrap_or_default() * packets
            })
            .sum();
        let share = attributed / sum("packets_estimated") as f64;
        let wanted = evidence["attributed_share"].as_f64().expect("a share");
        assert!((share - wanted).abs() < 1e-9, "{share} {wanted}");
        let pops = evidence["pops"].as_object().expect("PoPs");
        for (name, covered) in pops {
            let records: u64 =
                traffic.iter().filter_map(|one| one["pops"].get(name)?["records"].as_u64()).sum();
            assert_eq!(Some(records), covered["records"].as_u64(), "{name}");
        }
    }
}

#[test]
fn doctor_writes_json_by_its_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (_, _, found) = doctor(root, &[]);
    let schema = SCHEMAS.iter().find(|one| one.name == "doctor").expect("a schema");
    let schema: Value = serde_json::from_str(&schema.text().expect("text")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&found).map(|one| one.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(found["schema"], "blastgate/doctor/v1");
}

#[test]
fn what_cannot_be_used_is_never_called_usable() {
    let old = "version: 1\nstart: 2026-01-01T00:00:00Z\nduration: 10s\nflows:\n  \
               - {id: web, dst: 203.0.113.11, protocol: tcp, dst_port: 443, rate: 10 pps}\n";
    let other = "version: 1\ncustomers:\n  - {id: acme, prefixes: [198.18.0.0/28]}\n";
    let csv = "src,dst,protocol,packets,bytes,time\n45.0.0.1,203.0.113.10,17,1,100,1772280000\n\
               45.0.0.1,203.0.113.10,17,1,x,1772280000\n";
    let config = "version: 1\ntraffic:\n  - path: flows.csv\n    format: csv\n    sampling: 1\n    \
                  columns: {src: src, dst: dst, protocol: protocol, packets: packets, bytes: bytes, \
                  time: {field: time, unit: s}}\n";
    let cases: [(Files<'_>, &[&str], &str); 8] = [
        (&[("traffic.yaml", b"")], BY, "traffic.yaml is empty"),
        (&[("traffic.yaml", old.as_bytes())], BY, "is 59 days old"),
        (&[("inventory.yaml", b"")], BY, "inventory inventory.yaml is empty"),
        (
            &[("rules.yaml", b"version: 1\nrules: []\n"), ("inventory.yaml", other.as_bytes())],
            BY,
            "to or from anyone in the inventory",
        ),
        (&[("rules.yaml", b"version: 1\nrules: [{id: x}]\n")], BY, "rules.yaml:2"),
        (
            &[],
            &["rules.yaml", "--inventory", "inventory.yaml", "--now", NOW],
            "no traffic is named",
        ),
        (
            &[],
            &[
                "rules.yaml",
                "--inventory",
                "inventory.yaml",
                "--traffic",
                "traffic.yaml",
                "--sampling",
                "unknown",
                "--now",
                NOW,
            ],
            "nobody knows how traffic.yaml was sampled",
        ),
        (
            &[("flows.csv", csv.as_bytes()), ("blastgate.yaml", config.as_bytes())],
            &["rules.yaml", "--inventory", "inventory.yaml", "--now", NOW],
            "50 % of flows.csv is unread",
        ),
    ];
    for (files, arguments, phrase) in cases {
        let folder = folder(files);
        let (code, screen, found) = doctor(folder.path(), arguments);
        assert_eq!((code, &found["verdict"]), (3, &"cannot_judge".into()), "{screen}");
        let unwrapped = screen.replace("\n  ", " ");
        assert!(unwrapped.contains(phrase), "no {phrase:?} in {screen}");
        assert!(unwrapped.contains("doctor: CANNOT JUDGE: "), "{screen}");
    }
    let folder = folder(&[]);
    for wrong in [&["--nope"][..], &["-o", "sarif"], &["-o", "text", "-o", "json"]] {
        let output = blastgate(folder.path()).arg("doctor").args(BY).args(wrong).output();
        assert_eq!(output.expect("it runs").status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn doctor_names_the_fields_that_rules_ask_for_and_records_lack() {
    let rules = "version: 1\nrules:\n  - id: low-ttl\n    match: {dst: 203.0.113.10, ttl: \"<5\"}\n    \
                 action: drop\n    intent: {target: [acme]}\n  - id: ports\n    \
                 match: {dst: 203.0.113.11, protocol: udp, dst_port: 80}\n    action: drop\n    \
                 intent: {target: [acme]}\n";
    let traffic = "version: 1\nduration: 10s\nflows:\n  \
                   - {id: a, pop: ams, dst: 203.0.113.10, protocol: udp, rate: 30 pps, unknown: [ttl]}\n  \
                   - {id: b, pop: ams, dst: 203.0.113.11, protocol: udp, rate: 60 pps}\n  \
                   - {id: c, src: 45.9.9.9, dst: 198.18.7.7, protocol: udp, rate: 10 pps}\n";
    let folder = folder(&[("rules.yaml", rules.as_bytes()), ("traffic.yaml", traffic.as_bytes())]);
    let (code, screen, found) = doctor(folder.path(), BY);
    assert_eq!(code, 0, "{screen}");
    let undecidable = found["undecidable"].as_array().expect("rules");
    assert_eq!(undecidable.len(), 1, "{found}");
    let one = &undecidable[0];
    assert_eq!((&one["rule"], &one["line"]), (&"low-ttl".into(), &3.into()));
    assert_eq!(one["fields"], serde_json::json!(["ttl"]));
    assert_eq!((&one["packets_estimated"], &one["share"]), (&300.into(), &0.3.into()));
    assert_eq!(found["traffic"][0]["undecidable_share"], 0.3);
    let networks: Vec<&str> = found["unowned"]
        .as_array()
        .expect("networks")
        .iter()
        .filter_map(|one| one["prefix"].as_str())
        .collect();
    assert_eq!(networks, ["45.9.9.0/24", "198.18.7.0/24"]);
    assert_eq!(found["unowned"][0]["packets_estimated"], 100);
    assert!(screen.contains("undecidable: low-ttl (rules.yaml:3) for 30 % of the packets: ttl of"));
}

#[test]
fn doctor_says_by_what_a_value_is_set() {
    let config = "version: 1\nrules: {paths: [rules.yaml]}\ninventory: [inventory.yaml]\n\
                  evidence: {min_samples: 7}\n";
    let folder = folder(&[("blastgate.yaml", config.as_bytes())]);
    let output = blastgate(folder.path())
        .args(["doctor", "--traffic", "traffic.yaml", "--now", NOW, "-o", "json"])
        .env("BLASTGATE_MAX_AGE", "3d")
        .output()
        .expect("it runs");
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let from = |name: &str| {
        let settings = found["settings"].as_array().expect("settings");
        let one = settings.iter().find(|one| one["name"] == name).expect("a setting");
        [&one["value"], &one["from"]].map(|text| text.as_str().unwrap_or_default().to_owned())
    };
    let is = |value: &str, by: &str| [value.to_owned(), by.to_owned()];
    assert_eq!(from("rules"), is("rules.yaml", "blastgate.yaml"));
    assert_eq!(from("traffic"), is("traffic.yaml", "--traffic"));
    assert_eq!(from("max-age"), is("3d", "BLASTGATE_MAX_AGE"));
    assert_eq!(from("min_samples"), is("7", "blastgate.yaml"));
    assert_eq!(from("max_unjudged"), is("5 %", "default"));
}
