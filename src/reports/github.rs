//! Annotations of a pull request: GitHub workflow commands on standard output, worst first, and the
//! Markdown form at the end of the step summary where the runner names one.
//!
//! GitHub shows ten annotations of each level a step and drops the others without a word: so there
//! are nine, and a tenth that says how many more there are. Escapes are those of the runner: `%`,
//! carriage return and line feed in data, and `:` and `,` as well in properties.

use std::io;

use super::entries::{Entry, NAME, grouped};
use super::escape::plain;
use super::{Appendix, Form, Style};
use crate::finding::{Level, count};
use crate::result::RunResult;

pub(super) const FORM: Form = Form {
    name: "github",
    about: "annotations of a pull request, and the step summary",
    write,
    appends: Some(Appendix { variable: "GITHUB_STEP_SUMMARY", form: "markdown" }),
};

/// How many findings are shown.
const MOST: usize = 9;

fn write(result: &RunResult, _: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let open: Vec<Entry<'_>> = grouped(result).into_iter().filter(|entry| !entry.waived).collect();
    for entry in open.iter().take(MOST) {
        writeln!(out, "{}", command(entry, result))?;
    }
    let rest = open.get(MOST..).unwrap_or_default();
    if let Some(worst) = rest.first() {
        let text = format!(
            "and {} more: {}; the step summary and `-o text -v` show them",
            count(rest.len(), "finding"),
            levels(rest)
        );
        writeln!(out, "::{} title=blastgate::{}", word(worst), data(&text))?;
    }
    // A line for the log: as it does not begin with `::`, nothing of it is decoded.
    writeln!(out, "blastgate: {}: {}", result.word(), plain(&result.summary, 500))
}

fn command(entry: &Entry<'_>, result: &RunResult) -> String {
    let place = match entry.place {
        Some(place) => format!(
            "file={},line={},col={},",
            property(&plain(result.path(&place.file), NAME)),
            place.line,
            place.column
        ),
        None => String::new(),
    };
    let mut text = entry.message();
    if let Some(help) = &entry.help {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    let title = property(&format!("blastgate: {}", plain(entry.id, NAME)));
    format!("::{} {place}title={title}::{}", word(entry), data(&text))
}

/// Returns the command: what blocks is an error there, whatever we call it.
fn word(entry: &Entry<'_>) -> &'static str {
    if entry.blocks { "error" } else { "warning" }
}

/// Counts by level.
fn levels(entries: &[Entry<'_>]) -> String {
    let of = |level: Level| entries.iter().filter(|entry| entry.level == level).count();
    let parts = [
        (of(Level::Error), "error"),
        (of(Level::Unknown), "unknown"),
        (of(Level::Warning), "warning"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    parts.map(|(number, noun)| count(*number, noun)).collect::<Vec<_>>().join(", ")
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_properties_are_escaped_as_the_runner_reads_them() {
        assert_eq!(data("50 %\r\n:,"), "50 %25%0D%0A:,");
        assert_eq!(property("a:b,c%0A"), "a%3Ab%2Cc%250A");
    }
}
