//! JUnit XML, for Jenkins, GitLab and everything else that shows tests: a case for the verdict, which
//! passes only where the verdict is PASS, and one for every guardrail and line that found something.
//!
//! A failure is what makes the verdict FAIL, an error what makes it CANNOT JUDGE; what does neither
//! passes and says so in its output, since a red test beside exit code 0 would be a riddle. There are
//! no times in it: the same result is the same bytes.

use std::io;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::entries::{Entry, MESSAGE, NAME, grouped};
use super::escape::plain;
use super::{Form, Style};
use crate::finding::{Level, count};
use crate::report::Verdict;
use crate::result::RunResult;

pub(super) const FORM: Form = Form {
    name: "junit",
    about: "JUnit XML, for Jenkins, GitLab and others",
    write,
    appends: None,
};

/// How many findings have a case of their own.
const MOST: usize = 5_000;

fn write(result: &RunResult, _: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let command = result.command.word();
    let mut suite = TestSuite::new(format!("blastgate {command}"));
    suite.add_test_case(verdict(result));
    let entries = grouped(result);
    for entry in entries.iter().take(MOST) {
        suite.add_test_case(case(entry));
    }
    if entries.len() > MOST {
        let rest = count(entries.len() - MOST, "finding");
        suite.set_system_out(format!("{rest} more have no case of their own"));
    }
    let mut report = Report::new("blastgate");
    report.add_test_suite(suite);
    let text = report.to_string().map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

fn verdict(result: &RunResult) -> TestCase {
    let summary = plain(&result.summary, MESSAGE);
    let status = match result.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => failed(NonSuccessKind::Failure, "FAIL", &summary, ""),
        Verdict::CannotJudge => failed(NonSuccessKind::Error, "CANNOT JUDGE", &summary, ""),
    };
    let mut case = TestCase::new("verdict", status);
    case.set_classname(format!("blastgate.{}", result.command.word()));
    case.set_system_out(format!("{}: {summary}", result.word()));
    case
}

fn case(entry: &Entry<'_>) -> TestCase {
    let (id, message) = (plain(entry.id, NAME), entry.message());
    let place = match entry.place {
        Some(place) => format!("{}:{}:{}", plain(&place.file, NAME), place.line, place.column),
        None => String::new(),
    };
    let help = entry.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let detail = format!("{place}\n{message}{help}");
    let status = match (entry.blocks, entry.level) {
        (false, _) => TestCaseStatus::success(),
        (true, Level::Unknown) => failed(NonSuccessKind::Error, &id, &message, &detail),
        (true, _) => failed(NonSuccessKind::Failure, &id, &message, &detail),
    };
    let name = match entry.rule {
        Some(rule) => format!("{id}: {} ({place})", plain(rule, NAME)),
        None if place.is_empty() => format!("{id}: {}", plain(&message, NAME)),
        None => format!("{id} ({place})"),
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("blastgate.{id}"));
    if !entry.blocks {
        let waived = if entry.waived { "waived " } else { "" };
        case.set_system_out(format!("{waived}{}: {}", entry.word(), detail.trim_start()));
    }
    case
}

fn failed(kind: NonSuccessKind, what: &str, message: &str, detail: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what).set_message(message);
    if !detail.is_empty() {
        status.set_description(detail);
    }
    status
}
