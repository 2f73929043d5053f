//! Inventories as tables: `customer,prefix[,tier][,tags][,host][,vrf]`, one prefix a row.

use super::table::{self, Row};
use super::{Attribute, Collector, Form, Listed, Owners};
use crate::model::{Diagnostic, Sources, Spanned};
use crate::words;
use crate::yaml::nearest;

pub(super) const FORM: Form = Form { name: "csv", owners: Owners::Own, detect, read };

/// The columns, in the order of the documentation.
const COLUMNS: [&str; 6] = ["customer", "prefix", "tier", "tags", "host", "vrf"];

/// What a table should begin with.
const HEADER: &str = "customer,prefix,tier,tags,host";

fn detect(name: &str, start: &str) -> bool {
    let names = table::header_names(start);
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    name.ends_with(".csv") || has("customer") && has("prefix")
}

fn read(sources: &Sources, listed: &Listed, into: &mut Collector) -> Vec<Diagnostic> {
    table::read(sources, listed.file, HEADER, Table { into })
}

struct Table<'c> {
    into: &'c mut Collector,
}

impl table::Reader for Table<'_> {
    type Columns = [Option<usize>; 6];

    fn header(&mut self, row: &Row<'_>, problems: &mut Vec<Diagnostic>) -> Option<Self::Columns> {
        header(row, problems)
    }

    fn row(&mut self, row: &Row<'_>, columns: &Self::Columns, problems: &mut Vec<Diagnostic>) {
        one(row, *columns, self.into, problems);
    }
}

fn header(row: &Row<'_>, problems: &mut Vec<Diagnostic>) -> Option<[Option<usize>; 6]> {
    let mut columns = [None; 6];
    let before = problems.len();
    for at in 0..row.len() {
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
                    None => format!("begin with `{HEADER}`"),
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
                .help(format!("begin with `{HEADER}`")),
            );
        }
    }
    (problems.len() == before).then_some(columns)
}

fn one(
    row: &Row<'_>,
    columns: [Option<usize>; 6],
    into: &mut Collector,
    problems: &mut Vec<Diagnostic>,
) {
    let [customer, prefix, tier, tags, host, vrf] = columns;
    let id = row.field(customer);
    if !words::is_id(id) {
        problems.push(
            Diagnostic::error(row.place(customer), format!("`{id}` cannot be a customer id"))
                .label("should be like `acme-1`")
                .help("use small letters, digits, `.`, `_` and `-`"),
        );
        return;
    }
    if row.len() > columns.iter().flatten().count() {
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
    if let Some(found) = &found
        && vrf.is_some()
    {
        let names = Some(row.field(vrf)).filter(|name| !name.is_empty());
        if !into.is_in_table(names.as_slice(), found.location) {
            return;
        }
    }
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
