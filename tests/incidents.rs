//! Public outages: the mistake must be caught, with those it hit, and the corrected rule must pass.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::common::{self, check, fixtures};
use crate::exabgp;

/// What must come of one variant: `wrong` is `wrong.yaml` as the candidate, and the same rules in
/// other languages, `wrong.nft`, `wrong.conf` and so on; a folder `wrong.iptables` is one rule set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    verdict: String,
    exit_code: i32,
    /// Everyone affected who was not meant to be.
    affected: Vec<String>,
    /// Guardrails that must be among those that fail.
    errors: Vec<String>,
    /// Guardrails that must be among those that warn.
    #[serde(default)]
    warnings: Vec<String>,
    /// The rules in force, in the language of the candidate; none judges every rule as new.
    #[serde(default)]
    running: Option<String>,
    /// What must come of it without the scenarios of the folder's config.
    #[serde(default)]
    recorded_alone: Option<String>,
    /// The hooks that the packets pass, if it is not `forward`.
    #[serde(default)]
    path: Option<String>,
}

/// Returns what a folder holds, by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// Returns the name before the dot and the end behind it.
fn parts<'p>(path: &'p Path) -> (&'p str, &'p str) {
    let part = |part: Option<&'p std::ffi::OsStr>, what: &str| {
        let text = part.and_then(std::ffi::OsStr::to_str);
        text.unwrap_or_else(|| panic!("{}: no {what}", path.display()))
    };
    (part(path.file_stem(), "name"), part(path.extension(), "end"))
}

#[test]
fn every_incident_is_caught_and_its_correction_passes() {
    let folders = entries(&fixtures("incidents"));
    assert!(folders.len() >= 8, "incidents are missing: {folders:?}");
    for folder in folders {
        let name = folder.file_name().expect("a name").display().to_string();
        assert!(folder.join("README.md").is_file(), "{name} says nothing about itself");
        let text = std::fs::read_to_string(folder.join("expected.yaml"))
            .unwrap_or_else(|error| panic!("{name}/expected.yaml: {error}"));
        let variants: BTreeMap<String, Expected> = serde_yaml::from_str(&text)
            .unwrap_or_else(|error| panic!("{name}/expected.yaml: {error}"));
        for needed in ["wrong", "right"] {
            assert!(variants.contains_key(needed), "{name} lacks `{needed}`");
        }
        // The same rules in other languages, where the folder has them, fare alike.
        let there = entries(&folder);
        let files = variants.iter().flat_map(|(variant, expected)| {
            let mut ends: Vec<&str> = there
                .iter()
                .filter(|path| path.extension().is_some() && parts(path).0 == variant)
                .map(|path| parts(path).1)
                .collect();
            assert!(ends.contains(&"yaml"), "{name} lacks {variant}.yaml");
            ends.sort_unstable();
            ends.into_iter().map(move |end| (format!("{variant}.{end}"), end, expected))
        });
        for (rules, end, expected) in files {
            let mut affected = expected.affected.clone();
            let mut alone = vec![&*rules, "--inventory", "inventory.yaml"];
            alone.extend(["--traffic", "traffic.yaml"]);
            if end != "yaml" {
                // The config of this repository says that its rules are native ones.
                alone.push("--no-config");
            }
            let running = expected.running.as_ref().map(|running| format!("{running}.{end}"));
            if let Some(running) = &running {
                alone.extend(["--running", running]);
            }
            if let Some(path) = &expected.path {
                alone.extend(["--path", path]);
            }
            let run = if let Some(verdict) = &expected.recorded_alone {
                let run = check(&folder, &[&alone[..], &["--no-config"]].concat());
                assert_eq!(run.verdict(), verdict, "{name}/{rules} as recorded");
                check(&folder, &[&rules, "--config", "blastgate.yaml"])
            } else {
                check(&folder, &alone)
            };
            let case = format!("{name}/{rules}: {:#}", run.result["findings"]);
            assert_eq!(
                (run.verdict(), run.code),
                (&*expected.verdict, expected.exit_code),
                "{case}"
            );
            affected.sort();
            assert_eq!(run.affected(), affected, "{case}");
            for (named, severity) in [(&expected.errors, "error"), (&expected.warnings, "warning")]
            {
                for guardrail in named {
                    let found = run.findings().contains(&(guardrail.as_str(), severity));
                    assert!(found, "{guardrail}; {case}");
                }
            }
        }
    }
}

//------------ The languages' own readers ----------------------------------------

/// Ends of rule files that no program here could judge: routers alone read Junos, and what is ours
/// is judged by us.
const WITHOUT_ORACLE: &[&str] = &["yaml", "conf", "set"];

/// Returns every rule file of the incidents.
fn rule_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in entries(&fixtures("incidents")) {
        for path in entries(&folder) {
            if path.is_dir() {
                files.extend(entries(&path));
            } else if path.extension().is_some_and(|end| end != "md") {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn the_kernels_tools_and_exabgp_load_the_rules_of_incidents() {
    let python = exabgp::python();
    if python.is_none() {
        common::skip("ExaBGP is not installed: the announcements of incidents are not judged");
    }
    let mut judged: BTreeMap<String, usize> = BTreeMap::new();
    let mut missing = BTreeSet::new();
    for file in rule_files() {
        let commands: &[&[&str]] = match parts(&file).1 {
            "nft" => &[&["nft", "-c", "-f"]],
            "iptables" => {
                &[&["iptables-legacy-restore", "--test"], &["iptables-nft-restore", "--test"]]
            }
            "ip6tables" => {
                &[&["ip6tables-legacy-restore", "--test"], &["ip6tables-nft-restore", "--test"]]
            }
            "flow" => {
                let Some(python) = &python else { continue };
                let text = std::fs::read_to_string(&file).expect("a text");
                let routes = exabgp::dump(python, &text);
                // It has learnt of the one outage: no packet is longer than 65,535 bytes.
                if file.ends_with("2013-03-03-impossible-length/wrong.flow") {
                    let why = routes.expect_err("a length that no packet has");
                    assert!(why.contains("max-packet length"), "{why}");
                } else {
                    let routes = routes.unwrap_or_else(|why| panic!("{}: {why}", file.display()));
                    // It may tell of a route more than once.
                    let routes: BTreeSet<String> = routes.into_iter().collect();
                    assert_eq!(routes.len(), 1, "{}: {routes:?}", file.display());
                    *judged.entry("exabgp".to_owned()).or_default() += 1;
                }
                continue;
            }
            end if WITHOUT_ORACLE.contains(&end) => continue,
            end => panic!("{}: who judges files that end in `{end}`?", file.display()),
        };
        for command in commands {
            let program = command[0];
            let there = Command::new("unshare").args(["-n", program, "--version"]).output();
            if !there.is_ok_and(|output| output.status.success()) {
                missing.insert(program);
                continue;
            }
            let output = Command::new("unshare")
                .arg("-n")
                .args(*command)
                .arg(&file)
                .output()
                .expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {}: {said}", file.display());
            *judged.entry(program.to_owned()).or_default() += 1;
        }
    }
    println!("files that each has taken: {judged:?}");
    if !missing.is_empty() {
        common::skip(&format!("not here, or no network namespaces: {missing:?}"));
    }
}
