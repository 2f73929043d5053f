//! Forms of inventory: text in, [`Inventory`] out. One file a form, and its two adjacent lines
//! here; [`load`] joins several sources, and contradictions name both places.
//!
//! An address may mean several things, one in each VRF: there is one table per VRF, and a run is
//! about one of them. Forms that know no VRFs speak of the one that the run is about.

use crate::model::{Diagnostic, Inventory, Severity, Source, SourceId, Sources};

mod akvorado_networks;
mod collector;
mod csv;
pub mod customers;
mod names;
mod netbox_csv;
mod netbox_json;
mod pages;
mod prefix_list;
mod table;
mod yaml;

pub use collector::{Attribute, Collector};

/// Every form, in the order of detection.
pub const FORMS: &[&Form] = &[
    &yaml::FORM,
    &netbox_json::FORM,
    &netbox_csv::FORM,
    &akvorado_networks::FORM,
    &prefix_list::FORM,
    &csv::FORM,
];

/// The table of what is in no VRF.
pub const GLOBAL: &str = "global";

/// One form of inventory.
pub struct Form {
    /// Its name.
    pub name: &'static str,
    /// How it says whose a prefix is.
    pub owners: Owners,
    /// Returns whether a file looks like this form, by its name and its first bytes.
    pub detect: fn(name: &str, start: &str) -> bool,
    /// Reads one text; returns what was wrong with it.
    pub read: fn(sources: &Sources, listed: &Listed, into: &mut Collector) -> Vec<Diagnostic>,
}

/// How a form says whose a prefix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// In its own words.
    Own,
    /// In a column (of JSON: a key), the user may say in which.
    Column,
    /// In a line or, for lines that do not say it, beside the name of the file.
    File,
}

/// An inventory file, and what the user says of it.
#[derive(Clone)]
pub struct Listed {
    /// Its text.
    pub file: SourceId,
    /// Its form, where it is not to be told from the text.
    pub form: Option<&'static Form>,
    /// Whose the prefixes are of which the file does not say it.
    pub customer: Option<String>,
    /// The column that says whose a prefix is.
    pub customer_column: Option<String>,
}

impl Listed {
    /// Makes a file of which nothing is said.
    pub fn plain(file: SourceId) -> Listed {
        Listed { file, form: None, customer: None, customer_column: None }
    }
}

/// Reads and joins inventory files of which nothing is said. With an error among the problems it
/// must not be judged by.
pub fn load(sources: &Sources, files: &[SourceId]) -> (Inventory, Vec<Diagnostic>) {
    let files: Vec<Listed> = files.iter().copied().map(Listed::plain).collect();
    load_table(sources, &files, None)
}

/// Reads and joins inventory files, of all that they say what is in one VRF. Without a name it is
/// what is in no VRF, and an error if anything is in any. With an error among the problems it must
/// not be judged by.
pub fn load_table(
    sources: &Sources,
    files: &[Listed],
    vrf: Option<&str>,
) -> (Inventory, Vec<Diagnostic>) {
    let mut into = Collector::new(vrf);
    let mut problems = Vec::new();
    for listed in files {
        let source = sources.get(listed.file);
        if source.text.trim().is_empty() {
            problems.push(
                Diagnostic::bare(format!("inventory {} is empty", source.name))
                    .help("name customers with their prefixes"),
            );
            continue;
        }
        match listed.form.or_else(|| detect_form(source)) {
            Some(form) => match misfit(form, listed, &source.name) {
                Some(problem) => problems.push(problem),
                None => problems.extend((form.read)(sources, listed, &mut into)),
            },
            None => {
                let forms: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
                let say = "say which with `--inventory-format`, or `format:` in the config";
                problems.push(
                    Diagnostic::bare(format!("{} is no inventory that is known", source.name))
                        .help(format!("known forms: {}; {say}", forms.join(", "))),
                );
            }
        }
    }
    let broken = !problems.is_empty();
    let inventory = into.finish(sources, &mut problems);
    let is_told = broken || problems.iter().any(|one| one.severity == Severity::Error);
    if inventory.is_empty() && !is_told {
        problems.push(
            Diagnostic::bare("the inventory names no customer and no infrastructure")
                .help("add `customers:` with their prefixes"),
        );
    }
    (inventory, problems)
}

/// Returns the form of a text, by its name and its first bytes.
pub fn detect_form(source: &Source) -> Option<&'static Form> {
    let start: &str = source.text.get(..4096).unwrap_or(&source.text);
    FORMS.iter().copied().find(|form| (form.detect)(&source.name, start))
}

/// Returns what the user says of a file that its form has no use for.
fn misfit(form: &Form, listed: &Listed, name: &str) -> Option<Diagnostic> {
    let key = match form.owners {
        Owners::File if listed.customer_column.is_some() => "customer_column",
        Owners::Own if listed.customer_column.is_some() => "customer_column",
        Owners::Column | Owners::Own if listed.customer.is_some() => "customer",
        _ => return None,
    };
    let message = format!("{name} is {}, which itself says whose a prefix is", form.name);
    Some(Diagnostic::bare(message).help(format!("take `{key}` away")))
}

#[cfg(test)]
mod tests;
