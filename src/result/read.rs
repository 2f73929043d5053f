//! A saved result back from its JSON.

use serde::Deserialize;
use thiserror::Error;

use super::{Finding, ProblemSeverity, RunResult, SCHEMA};
use crate::finding::Level;
use crate::report::Verdict;

/// Why a text is no result.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is not JSON, or ends too early.
    #[error("it is no whole JSON: {0}")]
    Json(serde_json::Error),
    /// It is JSON of something else.
    #[error(
        "it is JSON, but no result of blastgate: it has no `schema` that begins with \
         `blastgate/result/`; save one with `--save FILE` or `-o json=FILE`"
    )]
    Other,
    /// It is a result of another version.
    #[error(
        "it is a `{0}`, and this program reads `{SCHEMA}`; judge again, or use the program that saved it"
    )]
    Version(String),
    /// It says that it is a result, and is none.
    #[error("it says that it is a `{SCHEMA}`, and is not: {0}")]
    Shape(serde_json::Error),
    /// Its parts contradict each other.
    #[error("its verdict and its exit code {0} contradict each other; it was edited or damaged")]
    Contradiction(u8),
    /// It passes, and says why it does not.
    #[error("it says that it passes, and {0}; it was edited or damaged")]
    NoPass(&'static str),
}

/// Reads a saved result. Keys that are not known are passed over: later programs may write more.
pub fn read(text: &str) -> Result<RunResult, ReadError> {
    #[derive(Deserialize)]
    struct Head {
        schema: Option<String>,
    }
    let value: &serde_json::value::RawValue =
        serde_json::from_str(text).map_err(ReadError::Json)?;
    let head: Result<Head, _> = serde_json::from_str(value.get());
    match head.ok().and_then(|head| head.schema) {
        Some(schema) if schema == SCHEMA => {}
        Some(schema) if schema.starts_with("blastgate/result/") => {
            return Err(ReadError::Version(schema.chars().take(80).collect()));
        }
        _ => return Err(ReadError::Other),
    }
    let result: RunResult = serde_json::from_str(text).map_err(ReadError::Shape)?;
    if result.exit_code != result.verdict.exit_code() {
        return Err(ReadError::Contradiction(result.exit_code));
    }
    match why_no_pass(&result).filter(|_| result.verdict == Verdict::Pass) {
        Some(why) => Err(ReadError::NoPass(why)),
        None => Ok(result),
    }
}

/// Returns what of a result contradicts a pass.
fn why_no_pass(result: &RunResult) -> Option<&'static str> {
    let counts = |finding: &&Finding| finding.fails || finding.severity == Level::Unknown;
    let (waived, open): (Vec<&Finding>, Vec<&Finding>) =
        result.findings.iter().partition(|finding| finding.waived);
    let mut errors = open.iter().filter(|finding| finding.severity == Level::Error);
    if open.iter().any(counts) || errors.next().is_some() {
        return Some("a finding does not");
    }
    if result.problems.iter().any(|problem| problem.severity == ProblemSeverity::Error) {
        return Some("its materials could not be used");
    }
    let waivers: usize = result.waivers.iter().map(|waiver| waiver.findings).sum();
    (waived.len() != result.waived_findings || waived.len() > waivers)
        .then_some("no waiver accepts what is waived")
}
