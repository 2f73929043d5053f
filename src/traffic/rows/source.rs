//! Where rows come from: the lines of a text with columns, or JSON.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use super::cells::{Keys, Row};
use super::delimited::Header;
use super::lines::{Lines, Next};
use super::plan::Plan;
use super::{Here, Line, Preset, columnar};
use crate::model::{Columns, Diagnostic, ReadAt};

/// What a unit of text is.
pub(super) enum Unit {
    /// A row, in the buffer.
    Row,
    /// No row.
    Skipped,
    /// What should have been one, and why it is not.
    Unread(&'static str),
    /// Nothing more can be read, and why.
    Broken(String),
    End,
}

enum Layout {
    /// Column by column.
    Columns {
        table: columnar::Table,
        /// The row, from 1.
        row: u64,
    },
    Delimited(Delimited),
    /// Objects, one a line or wherever they end.
    Json {
        by_line: bool,
        keys: Keys,
    },
}

struct Delimited {
    delimiter: u8,
    /// None before it was met.
    header: Option<Header>,
    /// Whether the first line is a row.
    is_first_row: bool,
}

/// Reads rows.
pub(super) struct Source {
    lines: Lines,
    layout: Layout,
    /// The text of a row.
    pub(super) text: Vec<u8>,
}

impl Source {
    /// Reads the start of a recording.
    pub(super) fn open(
        preset: &Preset,
        input: Box<dyn Read + Send>,
        plan: &Plan,
        (columns, file): (Option<&Columns>, Option<Arc<dyn ReadAt>>),
        here: &mut Here,
        name: &str,
    ) -> Result<Source, Box<Diagnostic>> {
        let mut lines = Lines::new(input);
        let fault = |error| cannot_read(name, &error);
        let wrong = |what: String, help: String| Err(Box::new(Diagnostic::bare(what).help(help)));
        if lines.is_parquet().map_err(fault)? {
            return match columnar::open(lines.rest(), file, plan) {
                Ok(table) => {
                    let layout = Layout::Columns { table, row: 0 };
                    Ok(Source { lines, layout, text: Vec::new() })
                }
                Err(what) => wrong(format!("{name}: {what}"), "name another recording".to_owned()),
            };
        }
        let (first, is_whole) = lines.start().map_err(fault)?;
        let mut text = Vec::new();
        let is_json = matches!(first, Some(b'{' | b'['));
        if is_json && preset.json {
            let by_line = first == Some(b'{') && is_whole;
            return Ok(Source {
                lines,
                layout: Layout::Json { by_line, keys: Keys::default() },
                text,
            });
        }
        if is_json || preset.delimiters.is_empty() {
            let form = preset.name;
            return wrong(
                format!(
                    "{name} is not of the form {form}: {}",
                    match is_json {
                        true => "it is JSON",
                        false => "it is no JSON",
                    }
                ),
                "leave `--format` out, or name the form that it is of".to_owned(),
            );
        }
        let mut delimited =
            Delimited { delimiter: preset.delimiters[0], header: None, is_first_row: false };
        if !preset.hash {
            match lines.line(&mut text).map_err(fault)? {
                Next::Whole { .. } => {}
                Next::Long => {
                    return wrong(
                        format!("{name}: its first line, which names the columns, is too long"),
                        "name another recording".to_owned(),
                    );
                }
                _ => return wrong(format!("{name} is empty"), "name another one".to_owned()),
            }
            let Ok(line) = std::str::from_utf8(&text) else {
                return wrong(
                    format!("{name}: its first line is not UTF-8 text"),
                    "name a recording that is text".to_owned(),
                );
            };
            let delimiter = preset.delimiters.iter().find(|one| line.contains(char::from(**one)));
            delimited.delimiter = delimiter.copied().unwrap_or(preset.delimiters[0]);
            let own = Header::of_line(line, delimited.delimiter, plan);
            let header = match columns.and_then(|columns| columns.header.clone()) {
                Some(names) => {
                    let said = Header::of_names(names, delimited.delimiter, plan);
                    delimited.is_first_row = !said.is(line);
                    said
                }
                None if own.is_strange() => {
                    return wrong(
                        format!("{name} has no first line that names its columns"),
                        "name all of them in `blastgate.yaml`: `columns: {header: \"srcaddr dstaddr \
                         …\"}` beside the path of the recording"
                            .to_owned(),
                    );
                }
                None => own,
            };
            if let Some(missing) =
                plan.names[..plan.given].iter().find(|wanted| !header.names.contains(wanted))
            {
                return wrong(
                    format!("{name} has no column `{missing}`"),
                    format!("its columns: {}", header.names.join(", ")),
                );
            }
            here.must_end = header.names.iter().any(|name| name == "opkt");
            delimited.header = Some(header);
        }
        Ok(Source { lines, layout: Layout::Delimited(delimited), text })
    }

    /// Returns the line at which the last unit begins.
    pub(super) fn line(&self) -> u64 {
        match &self.layout {
            Layout::Columns { row, .. } => *row,
            _ => self.lines.line,
        }
    }

    /// Lets go of the input, of which nothing more is wanted.
    pub(super) fn close(&mut self) {
        self.lines.close();
        self.text = Vec::new();
    }

    /// Reads the text of the next unit.
    pub(super) fn next(
        &mut self,
        preset: &Preset,
        plan: &Plan,
        here: &mut Here,
    ) -> std::io::Result<Unit> {
        if let Layout::Columns { table, row } = &mut self.layout {
            *row += 1;
            return Ok(match table.next() {
                columnar::Next::Row => Unit::Row,
                columnar::Next::Broken(reason) => Unit::Broken(reason),
                columnar::Next::End => Unit::End,
            });
        }
        let read = match &mut self.layout {
            Layout::Json { by_line: false, .. } => self.lines.object(&mut self.text)?,
            Layout::Delimited(one) if one.is_first_row => {
                one.is_first_row = false;
                Next::Whole { ended: true }
            }
            _ => self.lines.line(&mut self.text)?,
        };
        let has_end = match read {
            Next::Whole { ended } => ended,
            Next::Long => return Ok(Unit::Unread("rows longer than 1 MiB")),
            Next::Garbage => return Ok(Unit::Unread("texts between rows that are none")),
            Next::Cut => return Ok(Unit::Unread("cut off at the end of the file")),
            Next::End => return Ok(Unit::End),
        };
        let Ok(text) = std::str::from_utf8(&self.text) else {
            return Ok(Unit::Unread("rows that are not UTF-8 text"));
        };
        if text.trim().is_empty() {
            return Ok(Unit::Skipped);
        }
        let Layout::Delimited(delimited) = &mut self.layout else { return Ok(Unit::Row) };
        if preset.hash && text.starts_with('#') {
            return Ok(delimited.directive(text, plan));
        }
        let Some(header) = &delimited.header else {
            return Ok(Unit::Unread("rows before the line that names the columns"));
        };
        if header.is(text) {
            here.ended = false;
            return Ok(Unit::Skipped);
        }
        if header.is_another(text, plan) {
            let why = "a line that names other columns than the first one";
            return Ok(Unit::Broken(format!("{why} (line {})", self.lines.line)));
        }
        if let Line::Frame = (preset.line)(text, here) {
            return Ok(Unit::Skipped);
        }
        // Where the last column is read, nobody knows whether all of it is there.
        Ok(match has_end || !header.is_last_wanted {
            true => Unit::Row,
            false => Unit::Unread("cut off at the end of the file"),
        })
    }

    /// Takes the text of a row apart, or says why it cannot be.
    pub(super) fn read<'a>(
        &mut self,
        text: &'a str,
        row: &mut Row<'a>,
    ) -> Result<(), &'static str> {
        match &mut self.layout {
            Layout::Columns { table, .. } => {
                for (slots, text) in table.cells() {
                    for slot in slots {
                        row.cells[*slot] = Cow::Owned(text.to_owned());
                    }
                }
                Ok(())
            }
            Layout::Json { keys, .. } => match keys.read(text, row) {
                true => Ok(()),
                false => Err("rows that are no JSON object"),
            },
            Layout::Delimited(Delimited { header: Some(header), .. }) => {
                match header.read(text, row) {
                    true => Ok(()),
                    false => Err("rows with more or fewer columns than are named"),
                }
            }
            Layout::Delimited(_) => Err("rows before the line that names the columns"),
        }
    }
}

impl Delimited {
    /// Reads a line that begins with `#`.
    fn directive(&mut self, line: &str, plan: &Plan) -> Unit {
        if let Some(hex) = line.strip_prefix("#separator \\x")
            && let Ok(byte) = u8::from_str_radix(hex.trim(), 16)
            && byte.is_ascii()
        {
            self.delimiter = byte;
        }
        if let Some(rest) = line.strip_prefix("#fields")
            && let Some(names) = rest.strip_prefix(char::from(self.delimiter))
        {
            self.header = Some(Header::of_line(names, self.delimiter, plan));
        }
        Unit::Skipped
    }
}

/// Says that an input fails.
pub(super) fn cannot_read(name: &str, error: &std::io::Error) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::bare(format!("cannot read {name} to its end: {error}"))
            .help("a part of a recording proves nothing about the rest; name a whole one"),
    )
}
