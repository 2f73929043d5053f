//! Public outages: the mistake must be caught, with those it hit, and the corrected rule must pass.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::common::{check, fixtures};

/// What must come of one variant: `wrong` is `wrong.yaml` as the candidate, and `wrong.nft`.
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
    /// The rules in force; none judges every rule as new.
    #[serde(default)]
    running: Option<String>,
    /// What must come of it without the scenarios of the folder's config.
    #[serde(default)]
    recorded_alone: Option<String>,
}

#[test]
fn every_incident_is_caught_and_its_correction_passes() {
    let mut folders: Vec<_> = std::fs::read_dir(fixtures("incidents"))
        .expect("the incidents")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    folders.sort();
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
        let files = variants.iter().flat_map(|(variant, expected)| {
            ["yaml", "nft", "conf"].map(|end| (format!("{variant}.{end}"), end, expected))
        });
        for (rules, end, expected) in files {
            if end != "yaml" && !folder.join(&rules).is_file() {
                continue;
            }
            let mut affected = expected.affected.clone();
            let mut alone = vec![&*rules, "--inventory", "inventory.yaml"];
            alone.extend(["--traffic", "traffic.yaml"]);
            if end != "yaml" {
                // The config of this repository says that its rules are native ones.
                alone.push("--no-config");
            }
            if let Some(running) = &expected.running {
                alone.extend(["--running", running]);
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
