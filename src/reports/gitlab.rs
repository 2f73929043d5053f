//! GitLab's code quality report: the keys that its documentation asks for, and no others.

use std::collections::HashMap;
use std::io;

use serde::Serialize;

use super::entries::{Entry, grouped};
use super::escape::plain;
use super::{Form, Style, json_text};
use crate::finding::Level;
use crate::result::RunResult;

pub(super) const FORM: Form =
    Form { name: "gitlab", about: "GitLab's code quality report", write, appends: None };

/// The longest path, in characters.
const PATH: usize = 4_096;
/// How many are written: a merge request shows far fewer.
const MOST: usize = 10_000;

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

fn write(result: &RunResult, _: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut issues = Vec::new();
    for entry in grouped(result).iter().take(MOST) {
        // GitLab drops all but one of the same fingerprint.
        let mut fingerprint = entry.fingerprint();
        let times = seen.entry(fingerprint.clone()).or_default();
        *times += 1;
        if *times > 1 {
            fingerprint.push_str(&format!("-{times}"));
        }
        issues.push(issue(entry, fingerprint, result));
    }
    json_text(&issues, out)
}

fn issue(entry: &Entry<'_>, fingerprint: String, result: &RunResult) -> Issue {
    let (path, begin) = super::entries::place(entry, result);
    Issue {
        description: match &entry.help {
            _ if entry.waived => format!("waived: {}", entry.message()),
            Some(help) => format!("{}. Help: {help}", entry.message()),
            None => entry.message(),
        },
        check_name: plain(entry.id, super::entries::NAME),
        fingerprint,
        severity: match (entry.blocks, entry.level) {
            (true, Level::Unknown) => "major",
            (true, _) => "critical",
            (false, _) if entry.waived => "info",
            (false, _) => "minor",
        },
        location: Location { path: plain(path, PATH), lines: Lines { begin } },
    }
}
