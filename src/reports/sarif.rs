//! SARIF 2.1.0 (OASIS standard), for GitHub code scanning and other readers.
//!
//! Lines and columns are 1-based, columns count characters; paths are relative to the root of the
//! repository; there is one result for each guardrail and line, and a rule for each guardrail that
//! found something. What GitHub would drop or refuse is kept to: at most 5,000 results (it shows no
//! more), worst first, and texts of a length that keeps the file below 10 MB.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::entries::{Entry, MATERIAL, NAME, grouped, place};
use super::escape::{cut, plain};
use super::{Form, Style, json_text};
use crate::finding::{Level, count};
use crate::report::{Verdict, WaiverState};
use crate::result::RunResult;

pub(super) const FORM: Form =
    Form { name: "sarif", about: "SARIF 2.1.0, for GitHub code scanning", write, appends: None };

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// How many results GitHub shows of a run.
const MOST: usize = 5_000;
/// The longest message of a result, in characters: of so many results below 10 MB.
const MESSAGE: usize = 1_500;
/// How many customers are named in a result.
const CUSTOMERS: usize = 20;
/// The longest path, in characters.
const PATH: usize = 4_096;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    automation_details: AutomationDetails,
    invocations: [Invocation; 1],
    column_kind: &'static str,
    results: Vec<Result>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    semantic_version: &'static str,
    rules: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    id: String,
    short_description: Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_description: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<Message>,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct AutomationDetails {
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    exit_code: u8,
    exit_code_description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Message,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Result {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
    properties: Properties,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: Artifact,
    region: Region,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    uri: String,
    uri_base_id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
}

/// The only key of them that GitHub looks at is `primaryLocationLineHash`. Ours is of no line: an
/// alert stays the same while guardrail, rule and customers do, and one more customer is a new one.
#[derive(Serialize)]
struct Fingerprints {
    #[serde(rename = "blastgate/v1")]
    own: String,
    #[serde(rename = "primaryLocationLineHash")]
    github: String,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    justification: Option<String>,
}

#[derive(Serialize)]
struct Properties {
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    customers: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    more_customers: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn write(result: &RunResult, _: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let entries = grouped(result);
    let shown = &entries[..entries.len().min(MOST)];
    let mut rules: Vec<Descriptor> = Vec::new();
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut results = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for entry in shown {
        let rule = *known.entry(entry.id).or_insert_with(|| {
            rules.push(descriptor(entry, result));
            rules.len() - 1
        });
        let fingerprint = entry.fingerprint();
        let times = seen.entry(fingerprint.clone()).or_default();
        *times += 1;
        results.push(one(entry, rule, (fingerprint, *times), result));
    }
    let mut notifications = Vec::new();
    if entries.len() > shown.len() {
        let text = format!(
            "{} more are left out: code scanning shows {MOST} of a run",
            count(entries.len() - shown.len(), "result")
        );
        notifications.push(Notification { level: "warning", message: Message { text } });
    }
    let summary = plain(&result.summary, MESSAGE);
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "blastgate",
                    version: env!("CARGO_PKG_VERSION"),
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules,
                },
            },
            automation_details: AutomationDetails {
                id: format!("blastgate/{}/", result.command.word()),
            },
            invocations: [Invocation {
                execution_successful: result.verdict != Verdict::CannotJudge,
                exit_code: result.exit_code,
                exit_code_description: format!("{}: {summary}", result.word()),
                tool_execution_notifications: notifications,
            }],
            column_kind: "unicodeCodePoints",
            results,
        }],
    };
    json_text(&log, out)
}

fn descriptor(entry: &Entry<'_>, result: &RunResult) -> Descriptor {
    let page = result.guardrails.get(entry.id);
    let text = |text: &str| Message { text: plain(text, MESSAGE) };
    let first = |text: &str| {
        let first = text.split(". ").next().unwrap_or_default();
        plain(first.trim_end_matches('.'), NAME)
    };
    let short = match page {
        Some(page) => first(&page.catches),
        None if entry.id == MATERIAL => {
            "Rules, inventory, traffic or config that cannot be used as they are".to_owned()
        }
        None => plain(entry.id, NAME),
    };
    Descriptor {
        id: plain(entry.id, NAME),
        short_description: Message { text: short },
        full_description: page.map(|page| text(&format!("{} {}", page.catches, page.why))),
        help: page.map(|page| text(&page.todo)),
        default_configuration: Configuration {
            level: if entry.level == Level::Warning { "warning" } else { "error" },
        },
    }
}

fn one(
    entry: &Entry<'_>,
    rule: usize,
    (fingerprint, times): (String, usize),
    result: &RunResult,
) -> Result {
    let (path, line) = place(entry, result);
    let mut text = cut(&entry.message(), MESSAGE * 2 / 3, "…");
    if let Some(help) = &entry.help {
        text.push_str("\nHelp: ");
        text.push_str(&cut(help, MESSAGE / 3, "…"));
    }
    let customers = &entry.customers[..entry.customers.len().min(CUSTOMERS)];
    Result {
        rule_id: plain(entry.id, NAME),
        rule_index: rule,
        level: match (entry.waived, entry.level) {
            (true, _) => "note",
            (false, Level::Warning) if !entry.blocks => "warning",
            (false, _) => "error",
        },
        message: Message { text },
        locations: [Location {
            physical_location: PhysicalLocation {
                artifact_location: Artifact { uri: uri(path), uri_base_id: "%SRCROOT%" },
                region: Region {
                    start_line: line,
                    start_column: entry.place.map_or(1, |place| place.column.max(1)),
                },
            },
        }],
        partial_fingerprints: Fingerprints {
            github: format!("{fingerprint}:{times}"),
            own: fingerprint,
        },
        suppressions: if entry.waived { vec![suppression(entry, result)] } else { Vec::new() },
        properties: Properties {
            severity: entry.word(),
            rule: entry.rule.map(|rule| plain(rule, NAME)),
            customers: customers.iter().map(|customer| plain(customer, NAME / 4)).collect(),
            more_customers: entry.customers.len() - customers.len(),
        },
    }
}

/// Says why a finding does not count: by a waiver at the rule, or in a file of its own.
fn suppression(entry: &Entry<'_>, result: &RunResult) -> Suppression {
    let waiver = result.waivers.iter().find(|one| {
        let is_about = one.guardrail == entry.id && Some(one.rule.as_str()) == entry.rule;
        is_about && one.state == WaiverState::Used
    });
    let of_rules = |file: &str| result.rules.iter().any(|rule| rule.location.file == file);
    let in_source = waiver.is_some_and(|one| of_rules(&one.location.file));
    Suppression {
        kind: if in_source { "inSource" } else { "external" },
        status: "accepted",
        justification: waiver.map(|one| {
            plain(&format!("{} ({}, until {})", one.reason, one.owner, one.until), NAME)
        }),
    }
}

/// Writes a path as a relative reference (RFC 3986): everything but unreserved characters and `/`
/// is percent-encoded, so that no part of it is taken for a scheme, a query or a host.
fn uri(path: &str) -> String {
    let path = path.replace('\\', "/");
    let path = path.trim_start_matches("./");
    // Two slashes at the start would name a host.
    let path = match path.strip_prefix('/') {
        Some(rest) => format!("/{}", rest.trim_start_matches('/')),
        None => path.to_owned(),
    };
    let mut written = String::new();
    for character in path.chars().take(PATH) {
        if character.is_ascii_alphanumeric() || "-._~/".contains(character) {
            written.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                written.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_relative_reference_whatever_is_in_it() {
        assert_eq!(uri("rules/edge.yaml"), "rules/edge.yaml");
        assert_eq!(uri("./a b/ä%.yaml"), "a%20b/%C3%A4%25.yaml");
        assert_eq!(uri("javascript:alert(1)"), "javascript%3Aalert%281%29");
        assert_eq!(uri("//host/x?y#z"), "/host/x%3Fy%23z");
        assert_eq!(uri("6c06ddf:rules/a.yaml"), "6c06ddf%3Arules/a.yaml");
    }
}
