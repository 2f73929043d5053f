//! The networks of Akvorado, as its orchestrator hands them out (`networks.csv`):
//! `network,name,role,site,region,…,tenant[,asn]`. A tenant is a customer. A network without one is
//! its enclosing network's, as in Akvorado.

use super::table::{self, Row};
use super::{Attribute, Collector, Form, Listed, Owners, names};
use crate::model::{Diagnostic, Severity, Sources, Spanned};

pub(super) const FORM: Form =
    Form { name: "akvorado-networks", owners: Owners::Column, detect, read };

/// What a table should begin with.
const HEADER: &str = "network,name,role,site,region,country,state,city,tenant,asn";

fn detect(_name: &str, start: &str) -> bool {
    let names = table::header_names(start);
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    has("network") && (has("tenant") || has("role") && has("site"))
}

fn read(sources: &Sources, listed: &Listed, into: &mut Collector) -> Vec<Diagnostic> {
    let owner = listed.customer_column.as_deref().unwrap_or("tenant");
    let mut counts = (0, 0);
    let form = Table { into, owner, counts: &mut counts };
    let mut problems = table::read(sources, listed.file, HEADER, form);
    let (rows, owned) = counts;
    if owned == 0 && !problems.iter().any(|problem| problem.severity == Severity::Error) {
        let name = &sources.get(listed.file).name;
        let message = match rows {
            0 => format!("{name} lists no network"),
            _ => format!("{name}: none of {rows} networks has a `{owner}`"),
        };
        problems.push(
            Diagnostic::bare(message)
                .help("say which column names customers: `customer_column: name` in the config"),
        );
    }
    problems
}

struct Table<'c> {
    into: &'c mut Collector,
    owner: &'c str,
    /// How many networks, and how many of them have an owner.
    counts: &'c mut (u64, u64),
}

struct Columns {
    count: usize,
    network: usize,
    owner: usize,
}

impl table::Reader for Table<'_> {
    type Columns = Columns;

    fn header(&mut self, row: &Row<'_>, problems: &mut Vec<Diagnostic>) -> Option<Columns> {
        let before = problems.len();
        let owner = self.owner.to_ascii_lowercase();
        let network = table::column(row, &["network"], problems);
        let owned_by = table::column(row, &[owner.as_str()], problems);
        for (found, name) in [(network, "network"), (owned_by, self.owner)] {
            if found.is_none() {
                problems.push(table::lacks(row, name, &format!("begin with `{HEADER}`")));
            }
        }
        if problems.len() > before {
            return None;
        }
        Some(Columns { count: row.len(), network: network?, owner: owned_by? })
    }

    fn row(&mut self, row: &Row<'_>, columns: &Columns, problems: &mut Vec<Diagnostic>) {
        if row.len() != columns.count {
            let message =
                format!("this row has {} fields, and the header {}", row.len(), columns.count);
            problems.push(
                Diagnostic::error(row.place(None), message)
                    .label("here")
                    .help("quote fields that hold a comma"),
            );
            return;
        }
        self.counts.0 += 1;
        let place = row.place(Some(columns.network));
        let network = match names::prefix(row.field(Some(columns.network))) {
            Ok(network) => Spanned::new(network, place),
            Err(wrong) => {
                problems.push(wrong.at(place));
                return;
            }
        };
        let owner = row.field(Some(columns.owner));
        if owner.is_empty() {
            return;
        }
        self.counts.1 += 1;
        let place = row.place(Some(columns.owner));
        let Some(id) = names::id_of(owner) else {
            problems.push(
                Diagnostic::error(place, names::no_id(owner))
                    .label("the owner")
                    .help("name another column with `customer_column:`"),
            );
            return;
        };
        let customer = self.into.number(&id, place);
        self.into.tell(customer, Attribute::Name, owner, place, problems);
        self.into.prefix(customer, network, None);
    }
}
