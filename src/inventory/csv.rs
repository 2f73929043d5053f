//! Inventories as tables: `customer,prefix[,tier][,tags][,host]`, one prefix a row.

use super::{Collector, CustomerRow, Form};
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
    let text = &sources.get(file).text;
    let mut problems = Vec::new();
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .flexible(true)
        .trim(csv::Trim::All)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut record = csv::ByteRecord::new();
    let mut columns: Option<[Option<usize>; 5]> = None;
    loop {
        let start = reader.position().byte() as usize;
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let location = Location { source: file, span: Span::new(start, start) };
                problems
                    .push(Diagnostic::error(location, format!("cannot read this row: {error}")));
                break;
            }
        }
        let begin = record.position().map_or(start, |position| position.byte() as usize);
        let row =
            Row { file, text, record: &record, begin, end: reader.position().byte() as usize };
        match columns {
            None => {
                let Some(found) = header(&row, &mut problems) else { return problems };
                columns = Some(found);
            }
            Some(columns) => one(&row, columns, into, &mut problems),
        }
    }
    if columns.is_none() {
        let location = Location { source: file, span: Span::new(0, 0) };
        problems.push(
            Diagnostic::error(location, "this inventory has no header line")
                .help("begin with `customer,prefix,tier,tags,host`"),
        );
    }
    problems
}

struct Row<'r> {
    file: SourceId,
    text: &'r str,
    record: &'r csv::ByteRecord,
    begin: usize,
    end: usize,
}

impl Row<'_> {
    fn field(&self, column: Option<usize>) -> &str {
        let bytes = column.and_then(|column| self.record.get(column)).unwrap_or_default();
        // The text is UTF-8 and fields are cut at ASCII characters.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Returns the place of a field's text within the row; of the whole row if it is empty.
    fn place(&self, column: Option<usize>) -> Location {
        let line = self.text.get(self.begin..self.end).unwrap_or_default();
        let line = line.trim_end();
        let whole =
            Location { source: self.file, span: Span::new(self.begin, self.begin + line.len()) };
        let (Some(column), field) = (column, self.field(column)) else { return whole };
        if field.is_empty() {
            return whole;
        }
        // Fields stand in order: each is looked for behind the ones before it.
        let mut from = 0;
        for before in 0..column {
            let bytes = self.record.get(before).unwrap_or_default();
            let earlier = std::str::from_utf8(bytes).unwrap_or_default();
            from += line[from..].find(earlier).map_or(0, |at| at + earlier.len());
            from += line[from..].find(',').map_or(0, |at| at + 1);
        }
        match line[from..].find(field) {
            Some(at) => {
                let start = self.begin + from + at;
                Location { source: self.file, span: Span::new(start, start + field.len()) }
            }
            None => whole,
        }
    }
}

fn header(row: &Row<'_>, problems: &mut Vec<Diagnostic>) -> Option<[Option<usize>; 5]> {
    let mut columns = [None; 5];
    let before = problems.len();
    for at in 0..row.record.len() {
        let name = row.field(Some(at)).trim_start_matches('\u{feff}').to_ascii_lowercase();
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
    if row.record.iter().all(<[u8]>::is_empty) {
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
    let mut prefixes = Vec::new();
    match row.field(prefix) {
        "" if row.field(host).is_empty() => {
            problems.push(
                Diagnostic::error(row.place(None), format!("customer `{id}` has an empty prefix"))
                    .label("neither prefix nor host")
                    .help("write the prefix, or remove the row"),
            );
            return;
        }
        "" => {}
        text => match words::prefix(text) {
            Ok(found) => prefixes.push(Spanned::new(found, row.place(prefix))),
            Err(wrong) => {
                problems.push(wrong.at(row.place(prefix)));
                return;
            }
        },
    }
    let filled = |column: Option<usize>| {
        Some(row.field(column)).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let location = row.place(customer);
    into.customer(
        CustomerRow {
            id: Spanned::new(id.to_owned(), location),
            name: None,
            tier: filled(tier),
            region: None,
            tags: row
                .field(tags)
                .split([';', '|', ' '])
                .filter(|tag| !tag.is_empty())
                .map(str::to_owned)
                .collect(),
            prefixes,
            hosts: filled(host).into_iter().collect(),
        },
        problems,
    );
}
