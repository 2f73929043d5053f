//! Where rows come from: the lines of a text with columns, JSON, or Parquet; and how they are cut into
//! blocks that can be read apart from each other.

use std::io::Read;
use std::sync::Arc;

use memchr::memmem;

use super::delimited::Header;
use super::lines::{self, Lines, Next};
use super::plan::Plan;
use super::{Here, Line, Preset, columnar};
use crate::model::{Columns, Diagnostic, ReadAt};

/// A block of rows that was cut off.
pub(super) enum Block {
    /// Lines.
    Text(Text),
    /// JSON objects, wherever they end.
    Objects(Vec<Object>),
    /// Rows of Parquet.
    Part(columnar::Part),
    /// The end of a file that is cut off, and how that is known.
    Broken { line: u64, reason: &'static str },
    /// Something of so many bytes that is no row, and the line at which it begins.
    Lost { line: u64, reason: &'static str, bytes: u64 },
}

/// Lines that were cut off.
pub(super) struct Text {
    /// How many bytes of the buffer they are.
    pub(super) length: usize,
    /// The number of the first line.
    pub(super) line: u64,
    /// What the columns are at the beginning; none for JSON.
    pub(super) delimited: Option<Delimited>,
    /// What is known at the beginning of where rows end, if that matters in this block.
    pub(super) here: Option<Here>,
}

/// An object that was cut off, or something else that stood there.
pub(super) struct Object {
    /// The line at which it begins.
    pub(super) line: u64,
    pub(super) number: u64,
    /// Where it ends in the buffer, or why it cannot be read, and its length.
    pub(super) end: Result<usize, (&'static str, u64)>,
}

enum Layout {
    /// Column by column.
    Columns(columnar::Table),
    Delimited(Delimited),
    /// JSON objects, one a line or wherever they end.
    Json {
        by_line: bool,
        /// How many objects were met.
        number: u64,
    },
}

/// What the columns of lines are.
#[derive(Clone)]
pub(super) struct Delimited {
    delimiter: u8,
    /// None before it was met.
    pub(super) header: Option<Arc<Header>>,
}

/// What a line with columns is.
pub(super) enum Kind {
    Row,
    Skipped,
    Unread(&'static str),
    /// Nothing more can be read, and why.
    Broken(&'static str),
}

/// Cuts rows.
pub(super) struct Source {
    lines: Lines,
    layout: Layout,
    /// Where the rows end, by all lines that were cut.
    here: Here,
    is_over: bool,
    object: Vec<u8>,
    /// What was met behind a block that was cut, and is handed out next.
    failed: Option<std::io::Error>,
}

impl Source {
    /// Reads the start of a recording.
    pub(super) fn open(
        preset: &Preset,
        input: Box<dyn Read + Send>,
        plan: &Plan,
        (columns, file): (Option<&Columns>, Option<Arc<dyn ReadAt>>),
        name: &str,
    ) -> Result<Source, Box<Diagnostic>> {
        let mut lines = Lines::new(input);
        let fault = |error| cannot_read(name, &error);
        let wrong = |what: String, help: String| Err(Box::new(Diagnostic::bare(what).help(help)));
        let source = |lines, layout, here| Source {
            lines,
            layout,
            here,
            is_over: false,
            object: Vec::new(),
            failed: None,
        };
        if lines.is_parquet().map_err(fault)? {
            return match columnar::open(lines.rest(), file, plan) {
                Ok(table) => Ok(source(lines, Layout::Columns(table), Here::default())),
                Err(what) => wrong(format!("{name}: {what}"), "name another recording".to_owned()),
            };
        }
        let (first, is_whole) = lines.start().map_err(fault)?;
        let is_json = matches!(first, Some(b'{' | b'['));
        if is_json && preset.json {
            let by_line = first == Some(b'{') && is_whole;
            return Ok(source(lines, Layout::Json { by_line, number: 0 }, Here::default()));
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
        let mut delimited = Delimited { delimiter: preset.delimiters[0], header: None };
        let mut here = Here::default();
        if !preset.hash {
            let mut text = Vec::new();
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
                    if !said.is(line) {
                        // It is a row.
                        lines.unread(&text);
                    }
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
            delimited.header = Some(Arc::new(header));
        }
        Ok(source(lines, Layout::Delimited(delimited), here))
    }

    /// Lets go of the input, of which nothing more is wanted.
    pub(super) fn close(&mut self) {
        self.lines.close();
        self.is_over = true;
    }

    /// Cuts the next block off, of so many bytes or a bit more, into a buffer; none at the end.
    pub(super) fn cut(
        &mut self,
        preset: &Preset,
        plan: &Plan,
        buffer: &mut Vec<u8>,
        most: usize,
    ) -> std::io::Result<Option<Block>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.is_over {
            return Ok(None);
        }
        match &mut self.layout {
            Layout::Columns(table) => return Ok(table.cut(most).map(Block::Part)),
            Layout::Json { by_line: false, .. } => return self.objects(buffer, most),
            Layout::Json { .. } | Layout::Delimited(_) => {}
        }
        let length = match self.lines.block(buffer, most)? {
            lines::Block::Lines { length } => length,
            lines::Block::Long => {
                let reason = "rows longer than 1 MiB";
                let Lines { line, length: bytes, .. } = self.lines;
                return Ok(Some(Block::Lost { line, reason, bytes }));
            }
            lines::Block::End => {
                self.is_over = true;
                let reason = (preset.end)(&self.here);
                let line = self.lines.line;
                return Ok(reason.map(|reason| Block::Broken { line, reason }));
            }
        };
        let mut text = Text { length, line: self.lines.line, delimited: None, here: None };
        if let Layout::Delimited(delimited) = &mut self.layout {
            text.delimited = Some(delimited.clone());
            let bytes = buffer.get(..length).unwrap_or_default();
            if preset.hash {
                delimited.follow(bytes, plan);
            } else if let Some(word) = preset.ending
                && (self.here.ended || memmem::find(bytes, word.as_bytes()).is_some())
            {
                text.here = Some(self.here.clone());
                delimited.watch(bytes, preset, plan, &mut self.here);
            }
        }
        Ok(Some(Block::Text(text)))
    }

    /// Cuts objects off, wherever they end.
    fn objects(&mut self, buffer: &mut Vec<u8>, most: usize) -> std::io::Result<Option<Block>> {
        let Layout::Json { number, .. } = &mut self.layout else {
            return Ok(None);
        };
        let mut objects = Vec::new();
        buffer.clear();
        while buffer.len() < most && objects.len() < most {
            let end = match self.lines.object(&mut self.object) {
                Ok(Next::Whole { .. }) => {
                    buffer.extend_from_slice(&self.object);
                    Ok(buffer.len())
                }
                Ok(Next::Long) => Err(("rows longer than 1 MiB", self.lines.length)),
                Ok(Next::Garbage) => Err(("texts between rows that are none", self.lines.length)),
                Ok(Next::Cut) => Err(("cut off at the end of the file", self.lines.length)),
                Ok(Next::End) => {
                    self.is_over = true;
                    break;
                }
                Err(error) => {
                    self.failed = Some(error);
                    self.is_over = true;
                    break;
                }
            };
            *number += 1;
            objects.push(Object { line: self.lines.line, number: *number, end });
        }
        match (objects.is_empty(), self.failed.take()) {
            (true, Some(error)) => Err(error),
            (true, None) => Ok(None),
            (false, failed) => {
                self.failed = failed;
                Ok(Some(Block::Objects(objects)))
            }
        }
    }
}

impl Delimited {
    /// Returns what a line is.
    #[inline]
    pub(super) fn kind(
        &mut self,
        line: &str,
        preset: &Preset,
        plan: &Plan,
        here: Option<&mut Here>,
    ) -> Kind {
        let is_visible = line.as_bytes().first().is_some_and(|byte| (0x21..0x7f).contains(byte));
        if !is_visible && line.trim().is_empty() {
            return Kind::Skipped;
        }
        if preset.hash && line.starts_with('#') {
            self.directive(line, plan);
            return Kind::Skipped;
        }
        let Some(header) = &self.header else {
            return Kind::Unread("rows before the line that names the columns");
        };
        if !header.is_surely_row(line) {
            if header.is(line) {
                if let Some(here) = here {
                    here.ended = false;
                }
                return Kind::Skipped;
            }
            if header.is_another(line, plan) {
                return Kind::Broken("a line that names other columns than the first one");
            }
        }
        match here.map(|here| (preset.line)(line, here)) {
            Some(Line::Frame) => Kind::Skipped,
            Some(Line::Row) | None => Kind::Row,
        }
    }

    /// Reads a line that begins with `#`.
    fn directive(&mut self, line: &str, plan: &Plan) {
        if let Some(hex) = line.strip_prefix("#separator \\x")
            && let Ok(byte) = u8::from_str_radix(hex.trim(), 16)
            && byte.is_ascii()
        {
            self.delimiter = byte;
        }
        if let Some(rest) = line.strip_prefix("#fields")
            && let Some(names) = rest.strip_prefix(char::from(self.delimiter))
        {
            self.header = Some(Arc::new(Header::of_line(names, self.delimiter, plan)));
        }
    }

    /// Goes over a block for the lines in it that say what the columns are.
    fn follow(&mut self, bytes: &[u8], plan: &Plan) {
        let mut starts = memmem::find_iter(bytes, b"\n#").map(|at| at + 1);
        let first = bytes.starts_with(b"#").then_some(0);
        for start in first.into_iter().chain(&mut starts) {
            let line = bytes.get(start..).unwrap_or_default();
            let line = line_of(line.split_inclusive(|byte| *byte == b'\n').next().unwrap_or(line));
            if let Ok(line) = std::str::from_utf8(line) {
                self.directive(line, plan);
            }
        }
    }

    /// Goes over a block for the lines in it that say where rows end.
    fn watch(&mut self, bytes: &[u8], preset: &Preset, plan: &Plan, here: &mut Here) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Ok(line) = std::str::from_utf8(line_of(line)) {
                self.kind(line, preset, plan, Some(here));
                here.summed = None;
            }
        }
    }
}

/// Returns a line without its end.
#[inline]
pub(super) fn line_of(line: &[u8]) -> &[u8] {
    match line {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
        _ => line,
    }
}

/// Says that an input fails.
pub(super) fn cannot_read(name: &str, error: &std::io::Error) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::bare(format!("cannot read {name} to its end: {error}"))
            .help("a part of a recording proves nothing about the rest; name a whole one"),
    )
}
