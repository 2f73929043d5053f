//! Prefixes of NetBox as CSV: in the columns of its bulk import, or with the labels of its tables.
//! A tenant is a customer; its id is the slug that NetBox makes of the name. Tables that show how
//! prefixes are nested (`•`) do not say what they are, and are an error.

use super::table::{self, Row};
use super::{Attribute, Collector, Form, Listed, Owners, names};
use crate::model::{Diagnostic, Severity, Sources, Spanned};
use crate::words;

pub(super) const FORM: Form = Form { name: "netbox-csv", owners: Owners::Column, detect, read };

/// What a table should begin with.
const HEADER: &str = "prefix,status,vrf,tenant";

/// What stands in a cell for nothing.
const NOTHING: [&str; 4] = ["", "—", "&mdash;", "None"];

fn detect(_name: &str, start: &str) -> bool {
    let names = table::header_names(start);
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    has("prefix") && !has("customer") && (has("tenant") || has("vrf") || has("status"))
}

fn read(sources: &Sources, listed: &Listed, into: &mut Collector) -> Vec<Diagnostic> {
    let mut counts = Counts::default();
    let form = Table {
        into,
        owner: listed.customer_column.as_deref().unwrap_or("tenant"),
        counts: &mut counts,
    };
    let mut problems = table::read(sources, listed.file, HEADER, form);
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return problems;
    }
    let name = &sources.get(listed.file).name;
    let Counts { rows, owned } = counts;
    if owned == 0 {
        let what = match rows {
            0 => "lists no prefix".to_owned(),
            _ => format!("names no owner of any of its {rows} prefixes"),
        };
        problems.push(
            Diagnostic::bare(format!("{name} {what}"))
                .help("assign tenants, or say `customer_column:` in the config"),
        );
    } else if owned < rows {
        let without = rows - owned;
        problems.push(Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::bare(format!(
                "{name}: {without} of {rows} prefixes have no owner; their traffic is that of the \
                 prefix around them, or `(unowned)`"
            ))
        });
    }
    problems
}

#[derive(Default)]
struct Counts {
    rows: u64,
    owned: u64,
}

struct Table<'c> {
    into: &'c mut Collector,
    owner: &'c str,
    counts: &'c mut Counts,
}

struct Columns {
    count: usize,
    prefix: usize,
    vrf: usize,
    owner: usize,
}

impl table::Reader for Table<'_> {
    type Columns = Columns;

    /// Comments may go on in the next line; that no row is swallowed by a quote that is not closed is
    /// told from what stands there.
    fn is_broken(&self, row: &Row<'_>, problems: &mut Vec<Diagnostic>) -> bool {
        let Some(at) = row.first_of_several_lines() else { return false };
        if row.field(Some(at)).starts_with('•') {
            return false;
        }
        let lines = (0..row.len()).flat_map(|at| row.field(Some(at)).lines().skip(1));
        let mut cells = lines.flat_map(|line| line.split(','));
        let is_prefix =
            |cell: &str| cell.contains('/') && words::prefix(cell.trim_matches('"')).is_ok();
        cells.any(is_prefix) && row.runs_on(problems)
    }

    fn header(&mut self, row: &Row<'_>, problems: &mut Vec<Diagnostic>) -> Option<Columns> {
        let before = problems.len();
        let owner = self.owner.to_ascii_lowercase();
        let mut find = |names: &[&str], help: &str| {
            let found = table::column(row, names, problems);
            if found.is_none() {
                problems.push(table::lacks(row, names[names.len() - 1], help));
            }
            found
        };
        let prefix = find(&["prefix (flat)", "prefix"], "export the table of prefixes");
        let vrf = find(
            &["vrf"],
            "export it with the column VRF: the same prefix may be another one in another VRF",
        );
        let owner = find(
            &[owner.as_str()],
            "export it with the column Tenant, or name another with `customer_column:`",
        );
        if problems.len() > before {
            return None;
        }
        Some(Columns { count: row.len(), prefix: prefix?, vrf: vrf?, owner: owner? })
    }

    fn row(&mut self, row: &Row<'_>, columns: &Columns, problems: &mut Vec<Diagnostic>) {
        let mut report = |place, message: String, label: &str, help: &str| {
            problems.push(Diagnostic::error(place, message).label(label).help(help));
        };
        if row.len() != columns.count {
            let message =
                format!("this row has {} fields, and the header {}", row.len(), columns.count);
            report(row.place(None), message, "here", "quote fields that hold a comma");
            return;
        }
        self.counts.rows += 1;
        let text = row.field(Some(columns.prefix));
        if text.contains('•') {
            let help =
                "export the column \"Prefix (Flat)\", or CSV in the columns of the bulk import";
            let message = "this shows how deep a prefix is nested".to_owned();
            report(row.place(None), message, "`•` is no part of a prefix", help);
            return;
        }
        let prefix = match words::prefix(text) {
            Ok(prefix) => Spanned::new(prefix, row.place(Some(columns.prefix))),
            Err(wrong) => {
                problems.push(wrong.at(row.place(Some(columns.prefix))));
                return;
            }
        };
        let owner = row.field(Some(columns.owner));
        if NOTHING.contains(&owner) {
            return;
        }
        self.counts.owned += 1;
        let place = row.place(Some(columns.owner));
        let Some(id) = names::id_of(owner) else {
            let help = "name another column with `customer_column:`";
            report(place, names::no_id(owner), "the owner", help);
            return;
        };
        let vrf = row.field(Some(columns.vrf));
        let is_global = NOTHING.contains(&vrf) || vrf.eq_ignore_ascii_case(super::GLOBAL);
        let names = Some(vrf).filter(|_| !is_global);
        if !self.into.is_in_table(names.as_slice(), prefix.location) {
            return;
        }
        let customer = self.into.number(&id, place);
        self.into.tell(customer, Attribute::Name, owner, place, problems);
        self.into.prefix(customer, prefix, None);
    }
}
