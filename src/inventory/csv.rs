//! Inventories as tables: `customer,prefix[,tier][,tags][,host]`, one prefix a row.

use std::ops::Range;

use super::{Attribute, Collector, Form};
use crate::model::{Diagnostic, Location, SourceId, Sources, Span, Spanned};
use crate::words;
use crate::yaml::nearest;

pub(super) const FORM: Form = Form { name: "csv", detect, read };

/// The columns, in the order of the documentation.
const COLUMNS: [&str; 5] = ["customer", "prefix", "tier", "tags", "host"];

fn detect(name: &str, start: &str) -> bool {
    let header = start.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    name.ends_with(".csv")
        || header.is_some_and(|line| {
            let mut names = line.split(',').map(|name| name.trim().trim_matches('"'));
            names.clone().any(|name| name == "customer") && names.any(|name| name == "prefix")
        })
}

fn read(sources: &Sources, file: SourceId, into: &mut Collector) -> Vec<Diagnostic> {
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
    let mut columns: Option<[Option<usize>; 5]> = None;
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
        if row.runs_on(&mut problems) {
            continue;
        }
        match columns {
            None => {
                let Some(found) = header(&row, &mut problems) else { return problems };
                columns = Some(found);
            }
            Some(columns) => one(&row, columns, into, &mut problems),
        }
    }
    if columns.is_none() && problems.is_empty() {
        let location = Location { source: file, span: Span::new(0, 0) };
        problems.push(
            Diagnostic::error(location, "this inventory has no header line")
                .help("begin with `customer,prefix,tier,tags,host`"),
        );
    }
    problems
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

struct Row<'r> {
    file: SourceId,
    text: &'r str,
    record: &'r csv::ByteRecord,
    cells: &'r Cells,
}

impl Row<'_> {
    fn field(&self, column: Option<usize>) -> &str {
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
    fn place(&self, column: Option<usize>) -> Location {
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
    fn runs_on(&self, problems: &mut Vec<Diagnostic>) -> bool {
        let breaks = |cell: &[u8]| cell.contains(&b'\n') || cell.contains(&b'\r');
        let Some(column) = self.record.iter().position(breaks) else { return false };
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

fn header(row: &Row<'_>, problems: &mut Vec<Diagnostic>) -> Option<[Option<usize>; 5]> {
    let mut columns = [None; 5];
    let before = problems.len();
    for at in 0..row.record.len() {
        let name = row.field(Some(at)).to_ascii_lowercase();
        let known = COLUMNS.iter().position(|column| *column == name);
        match known {
            Some(known) if columns[known].is_none() => columns[known] = Some(at),
            Some(_) => problems.push(
                Diagnostic::error(row.place(Some(at)), format!("column `{name}` stands twice"))
                    .label("again here")
                    .help("remove one"),
            ),
            None => {
                let help = match nearest(&name, COLUMNS.into_iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "begin with `customer,prefix,tier,tags,host`".to_owned(),
                };
                problems.push(
                    Diagnostic::error(row.place(Some(at)), format!("unknown column `{name}`"))
                        .label("not known here")
                        .help(help),
                );
            }
        }
    }
    for wanted in [0, 1] {
        if columns[wanted].is_none() {
            problems.push(
                Diagnostic::error(
                    row.place(None),
                    format!("this inventory has no column `{}`", COLUMNS[wanted]),
                )
                .label("the header")
                .help("begin with `customer,prefix,tier,tags,host`"),
            );
        }
    }
    (problems.len() == before).then_some(columns)
}

fn one(
    row: &Row<'_>,
    columns: [Option<usize>; 5],
    into: &mut Collector,
    problems: &mut Vec<Diagnostic>,
) {
    let [customer, prefix, tier, tags, host] = columns;
    let id = row.field(customer);
    if row.record.iter().all(|cell| cell.trim_ascii().is_empty()) {
        return;
    }
    if !words::is_id(id) {
        problems.push(
            Diagnostic::error(row.place(customer), format!("`{id}` cannot be a customer id"))
                .label("should be like `acme-1`")
                .help("use small letters, digits, `.`, `_` and `-`"),
        );
        return;
    }
    if row.record.len() > columns.iter().flatten().count() {
        problems.push(
            Diagnostic::error(row.place(None), "this row has more fields than the header")
                .label("too many fields")
                .help("quote fields that hold a comma; several tags are parted by `;`"),
        );
        return;
    }
    let found = match row.field(prefix) {
        "" if row.field(host).is_empty() => {
            problems.push(
                Diagnostic::error(row.place(None), format!("customer `{id}` has an empty prefix"))
                    .label("neither prefix nor host")
                    .help("write the prefix, or remove the row"),
            );
            return;
        }
        "" => None,
        text => match words::prefix(text) {
            Ok(found) => Some(Spanned::new(found, row.place(prefix))),
            Err(wrong) => {
                problems.push(wrong.at(row.place(prefix)));
                return;
            }
        },
    };
    let customer = into.number(id, row.place(customer));
    if !row.field(tier).is_empty() {
        into.tell(customer, Attribute::Tier, row.field(tier), row.place(tier), problems);
    }
    for tag in row.field(tags).split([';', '|', ' ']).filter(|tag| !tag.is_empty()) {
        into.tag(customer, tag);
    }
    let host = Some(row.field(host))
        .filter(|name| !name.is_empty())
        .map(|name| into.host(customer, name, row.place(host), problems));
    if let Some(prefix) = found {
        into.prefix(customer, prefix, host);
    }
}
