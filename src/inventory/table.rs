//! Reads tables (CSV) row by row, and finds every cell's place in the text.

use std::ops::Range;

use crate::model::{Diagnostic, Location, SourceId, Sources, Span};
use crate::yaml::nearest;

/// What a form makes of a table.
pub(super) trait Reader {
    /// What the header says.
    type Columns;

    /// Reports a row whose cells are not what they seem, as where a quote is not closed.
    fn is_broken(&self, row: &Row<'_>, problems: &mut Vec<Diagnostic>) -> bool {
        row.runs_on(problems)
    }

    /// Reads the first row, which says what the columns are.
    fn header(&mut self, row: &Row<'_>, problems: &mut Vec<Diagnostic>) -> Option<Self::Columns>;

    /// Reads another row.
    fn row(&mut self, row: &Row<'_>, columns: &Self::Columns, problems: &mut Vec<Diagnostic>);
}

/// Reads a table; returns what is wrong with it. `header` is what it should begin with.
pub(super) fn read<R: Reader>(
    sources: &Sources,
    file: SourceId,
    header: &str,
    mut form: R,
) -> Vec<Diagnostic> {
    let text: &str = &sources.get(file).text;
    let mut problems = Vec::new();
    // A byte order mark is no part of the first column's name.
    let skipped = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .flexible(true)
        .has_headers(false)
        .from_reader(&text.as_bytes()[skipped..]);
    let mut record = csv::ByteRecord::new();
    let mut cells = Cells::default();
    let mut columns: Option<R::Columns> = None;
    loop {
        let start = reader.position().byte() as usize + skipped;
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let location = Location { source: file, span: Span::new(start, start) };
                problems.push(
                    Diagnostic::error(location, format!("cannot read this row: {error}"))
                        .help("write one prefix a row, its fields parted by commas"),
                );
                break;
            }
        }
        let end = reader.position().byte() as usize + skipped;
        cells.find(text, start..end, &record);
        let row = Row { file, text, record: &record, cells: &cells };
        if form.is_broken(&row, &mut problems) {
            continue;
        }
        match &columns {
            None => {
                let Some(found) = form.header(&row, &mut problems) else { return problems };
                columns = Some(found);
            }
            Some(_) if row.is_blank() => {}
            Some(columns) => form.row(&row, columns, &mut problems),
        }
    }
    if columns.is_none() && problems.is_empty() {
        let location = Location { source: file, span: Span::new(0, 0) };
        problems.push(
            Diagnostic::error(location, "this inventory has no header line")
                .help(format!("begin with `{header}`")),
        );
    }
    problems
}

/// Returns the names of the columns of a table that is not read yet.
pub(super) fn header_names(start: &str) -> Vec<String> {
    let start = start.trim_start_matches('\u{feff}');
    let header = start.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let names = header.unwrap_or_default().split(',');
    names.map(|name| name.trim().trim_matches('"').to_ascii_lowercase()).collect()
}

/// Finds a column by its names, the best first and in small letters; one that stands twice is
/// reported. The outer nothing is for a column that is missing.
pub(super) fn column(
    row: &Row<'_>,
    names: &[&str],
    problems: &mut Vec<Diagnostic>,
) -> Option<usize> {
    let all: Vec<String> =
        (0..row.len()).map(|at| row.field(Some(at)).to_ascii_lowercase()).collect();
    for name in names {
        let mut found = (0..all.len()).filter(|at| all[*at] == *name);
        let Some(first) = found.next() else { continue };
        if let Some(again) = found.next() {
            problems.push(
                Diagnostic::error(row.place(Some(again)), format!("column `{name}` stands twice"))
                    .label("again here")
                    .help("remove one"),
            );
        }
        return Some(first);
    }
    None
}

/// Says that a column is missing.
pub(super) fn lacks(row: &Row<'_>, name: &str, help: &str) -> Diagnostic {
    let all: Vec<String> = (0..row.len()).map(|at| row.field(Some(at)).to_owned()).collect();
    let near = nearest(name, all.iter().map(String::as_str));
    Diagnostic::error(row.place(None), format!("this inventory has no column `{name}`"))
        .label("the header")
        .help(match near {
            Some(near) => format!("did you mean `{near}`? {help}"),
            None => help.to_owned(),
        })
}

/// Where one row and its cells stand in the text.
#[derive(Default)]
struct Cells {
    line: Range<usize>,
    cells: Vec<Range<usize>>,
    /// Whether a cell is quoted, so that it is not the text at its place.
    quoted: bool,
}

impl Cells {
    /// Finds the cells of the row that was read from a stretch of the text; blank lines and
    /// comments before the row belong to the stretch, too.
    fn find(&mut self, text: &str, read: Range<usize>, record: &csv::ByteRecord) {
        let bytes = text.as_bytes();
        let Range { start: mut at, mut end } = read;
        while at < end && matches!(bytes[at], b'\n' | b'\r' | b'#') {
            let comment = bytes[at] == b'#';
            at += 1;
            while comment && at < end && !matches!(bytes[at], b'\n' | b'\r') {
                at += 1;
            }
        }
        while end > at && matches!(bytes[end - 1], b'\n' | b'\r') {
            end -= 1;
        }
        self.line = at..end;
        self.cells.clear();
        self.quoted = bytes[at..end].contains(&b'"');
        if !self.quoted {
            for cell in record {
                let cell_end = (at + cell.len()).min(end);
                self.cells.push(at.min(end)..cell_end);
                at = cell_end + 1;
            }
            return;
        }
        loop {
            let start = at;
            let mut inside = false;
            while at < end && (inside || bytes[at] != b',') {
                // Quotes mean something only at the start of a cell; doubled ones cancel out.
                inside ^= bytes[at] == b'"' && bytes[start] == b'"';
                at += 1;
            }
            self.cells.push(start..at);
            if at >= end {
                return;
            }
            at += 1;
        }
    }
}

/// A row, and where it stands.
pub(super) struct Row<'r> {
    file: SourceId,
    text: &'r str,
    record: &'r csv::ByteRecord,
    cells: &'r Cells,
}

impl Row<'_> {
    /// Returns how many cells it has.
    pub(super) fn len(&self) -> usize {
        self.record.len()
    }

    /// Returns whether nothing stands in it.
    pub(super) fn is_blank(&self) -> bool {
        self.record.iter().all(|cell| cell.trim_ascii().is_empty())
    }

    /// Returns the first cell that goes on in the next line.
    pub(super) fn first_of_several_lines(&self) -> Option<usize> {
        self.record.iter().position(|cell| cell.contains(&b'\n') || cell.contains(&b'\r'))
    }

    /// Returns what stands in a column, without blanks around it; nothing where there is no column.
    pub(super) fn field(&self, column: Option<usize>) -> &str {
        let Some(column) = column else { return "" };
        let field = if self.cells.quoted {
            // The text is UTF-8 and fields are cut at ASCII characters.
            std::str::from_utf8(self.record.get(column).unwrap_or_default()).unwrap_or_default()
        } else {
            let cell = self.cells.cells.get(column).cloned().unwrap_or_default();
            self.text.get(cell).unwrap_or_default()
        };
        field.trim()
    }

    /// Returns the place of a field's text, without blanks around it and its quotes; of the whole
    /// row if it is empty.
    pub(super) fn place(&self, column: Option<usize>) -> Location {
        let at = |start: usize, text: &str| {
            let start = start + text.len() - text.trim_start().len();
            Location { source: self.file, span: Span::new(start, start + text.trim().len()) }
        };
        let whole = || {
            let line = self.cells.line.clone();
            at(line.start, self.text.get(line).unwrap_or_default())
        };
        if self.field(column).is_empty() {
            return whole();
        }
        let cell = column.and_then(|column| self.cells.cells.get(column)).cloned();
        let Some(cell) = cell else { return whole() };
        let (start, text) = (cell.start, self.text.get(cell).unwrap_or_default());
        match text.strip_prefix('"').map(|text| text.strip_suffix('"').unwrap_or(text)) {
            Some(inner) => at(start + 1, inner),
            None => at(start, text),
        }
    }

    /// Reports a quoted cell that goes on in the next line: a quote is missing, and the rows up to
    /// the next one would vanish in the cell.
    pub(super) fn runs_on(&self, problems: &mut Vec<Diagnostic>) -> bool {
        let Some(column) = self.first_of_several_lines() else { return false };
        let cells = &self.cells.cells;
        let start = cells.get(column).map_or(self.cells.line.start, |cell| cell.start);
        let rest = self.text.get(start..self.cells.line.end).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let span = Span::new(start, start + line.len());
        problems.push(
            Diagnostic::error(Location { source: self.file, span }, "this quote is not closed")
                .label("goes on in the next line")
                .help("close the quote on the same line; the rows after it were not read"),
        );
        true
    }
}
