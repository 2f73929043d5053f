//! Forms of inventory: text in, [`Inventory`] out. One file a form, and its two adjacent lines
//! here; [`load`] joins several sources, and contradictions name both places.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::model::{
    Customer, CustomerId, Diagnostic, Infrastructure, Inventory, Location, Pop, Prefix, Shared,
    SourceId, Sources, Spanned,
};
use crate::yaml::nearest;

mod csv;
pub mod customers;
mod yaml;

/// Every form, in the order of detection.
pub const FORMS: &[&Form] = &[&yaml::FORM, &csv::FORM];

/// One form of inventory.
pub struct Form {
    /// Its name.
    pub name: &'static str,
    /// Returns whether a file looks like this form, by its name and its first bytes.
    pub detect: fn(name: &str, start: &str) -> bool,
    /// Reads one text; returns what was wrong with it.
    pub read: fn(sources: &Sources, file: SourceId, into: &mut Collector) -> Vec<Diagnostic>,
}

/// Reads and joins inventory files. With an error among the problems it must not be judged by.
pub fn load(sources: &Sources, files: &[SourceId]) -> (Inventory, Vec<Diagnostic>) {
    let mut into = Collector::default();
    let mut problems = Vec::new();
    for file in files {
        let source = sources.get(*file);
        let start: &str = source.text.get(..4096).unwrap_or(&source.text);
        if source.text.trim().is_empty() {
            problems.push(
                Diagnostic::bare(format!("inventory {} is empty", source.name))
                    .help("name customers with their prefixes"),
            );
            continue;
        }
        match FORMS.iter().find(|form| (form.detect)(&source.name, start)) {
            Some(form) => problems.extend((form.read)(sources, *file, &mut into)),
            None => {
                let forms: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
                problems.push(
                    Diagnostic::bare(format!("{} is no inventory that is known", source.name))
                        .help(format!("known forms: {}", forms.join(", "))),
                );
            }
        }
    }
    let broken = !problems.is_empty();
    let inventory = into.finish(&mut problems);
    if inventory.is_empty() && !broken {
        problems.push(
            Diagnostic::bare("the inventory names no customer and no infrastructure")
                .help("add `customers:` with their prefixes"),
        );
    }
    (inventory, problems)
}

/// What one source says about a customer.
pub struct CustomerRow {
    /// The id and where it stands.
    pub id: Spanned<String>,
    /// The name that people use.
    pub name: Option<String>,
    /// The tier.
    pub tier: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The tags.
    pub tags: Vec<String>,
    /// The address space.
    pub prefixes: Vec<Spanned<Prefix>>,
    /// The host names.
    pub hosts: Vec<String>,
}

/// Joins what the sources say.
#[derive(Default)]
pub struct Collector {
    inventory: Inventory,
    by_id: HashMap<String, CustomerId, FixedState>,
    sharers: Vec<Vec<Spanned<String>>>,
}

impl Collector {
    /// Returns where the same source text already lists a customer of this id.
    pub fn defined_in_yaml(&self, id: &Spanned<String>) -> Option<Location> {
        let known = self.by_id.get(&id.value)?;
        let first = self.inventory.customer(*known).id.location;
        (first.source == id.location.source).then_some(first)
    }

    /// Adds what a source says about a customer to what is known of it.
    pub fn customer(&mut self, row: CustomerRow, problems: &mut Vec<Diagnostic>) {
        let Some(known) = self.by_id.get(&row.id.value) else {
            let id = CustomerId(self.inventory.customers.len() as u32);
            self.by_id.insert(row.id.value.clone(), id);
            self.inventory.customers.push(Customer {
                id: row.id,
                name: row.name,
                tier: row.tier,
                tags: row.tags,
                region: row.region,
                prefixes: row.prefixes,
                hosts: row.hosts,
            });
            return;
        };
        let customer = &mut self.inventory.customers[known.0 as usize];
        let first = customer.id.location;
        let mut join = |old: &mut Option<String>, new: Option<String>, what: &str| match (&old, new)
        {
            (Some(old), Some(new)) if *old != new => problems.push(
                Diagnostic::error(
                    row.id.location,
                    format!("customer `{}` has two {what}s: {old} and {new}", row.id.value),
                )
                .label(format!("{new} here"))
                .also(first, "first here")
                .help("decide on one"),
            ),
            (None, new) => *old = new,
            _ => {}
        };
        join(&mut customer.tier, row.tier, "tier");
        join(&mut customer.region, row.region, "region");
        join(&mut customer.name, row.name, "name");
        for tag in row.tags {
            if !customer.tags.contains(&tag) {
                customer.tags.push(tag);
            }
        }
        for host in row.hosts {
            if !customer.hosts.contains(&host) {
                customer.hosts.push(host);
            }
        }
        customer.prefixes.extend(row.prefixes);
    }

    /// Adds prefixes that several customers use.
    pub fn shared(
        &mut self,
        prefixes: Vec<Spanned<Prefix>>,
        customers: Vec<Spanned<String>>,
        location: Location,
    ) {
        self.inventory.shared.push(Shared { prefixes, customers: Vec::new(), location });
        self.sharers.push(customers);
    }

    /// Adds an infrastructure entry.
    pub fn infrastructure(&mut self, entry: Infrastructure, problems: &mut Vec<Diagnostic>) {
        let known = &self.inventory.infrastructure;
        if let Some(first) = known.iter().find(|known| known.id.value == entry.id.value) {
            problems.push(twice("infrastructure", &entry.id, first.id.location));
            return;
        }
        self.inventory.infrastructure.push(entry);
    }

    /// Notes that PoPs are listed, so that no others are known.
    pub fn lists_pops(&mut self) {
        self.inventory.pops.get_or_insert_with(Vec::new);
    }

    /// Adds a PoP.
    pub fn pop(&mut self, pop: Pop, problems: &mut Vec<Diagnostic>) {
        let pops = self.inventory.pops.get_or_insert_with(Vec::new);
        if let Some(first) = pops.iter().find(|known| known.id.value == pop.id.value) {
            problems.push(twice("PoP", &pop.id, first.id.location));
            return;
        }
        pops.push(pop);
    }

    fn finish(mut self, problems: &mut Vec<Diagnostic>) -> Inventory {
        for (shared, names) in self.inventory.shared.iter_mut().zip(&self.sharers) {
            for name in names {
                match self.by_id.get(&name.value) {
                    Some(id) if !shared.customers.contains(id) => shared.customers.push(*id),
                    Some(_) => problems.push(
                        Diagnostic::error(
                            name.location,
                            format!("`{}` shares this address twice", name.value),
                        )
                        .label("said twice")
                        .help("write it once"),
                    ),
                    None => {
                        let ids = self.inventory.customers.iter().map(|one| one.id.value.as_str());
                        let problem = Diagnostic::error(
                            name.location,
                            format!("unknown customer `{}`", name.value),
                        )
                        .label("not in `customers`");
                        problems.push(match nearest(&name.value, ids) {
                            Some(near) => problem.help(format!("did you mean `{near}`?")),
                            None => problem.help("list it in `customers` first"),
                        });
                    }
                }
            }
            shared.customers.sort_unstable();
        }
        check_prefixes(&self.inventory, problems);
        check_ids(&self.inventory, problems);
        self.inventory
    }
}

fn twice(what: &str, id: &Spanned<String>, first: Location) -> Diagnostic {
    Diagnostic::error(id.location, format!("{what} `{}` is listed twice", id.value))
        .label("again here")
        .also(first, "first here")
        .help("join the two entries, or rename one")
}

/// The same prefix belongs to one customer, or to sharers that are listed as such.
fn check_prefixes(inventory: &Inventory, problems: &mut Vec<Diagnostic>) {
    let mut sharers: HashMap<Prefix, (&[CustomerId], Location), FixedState> = HashMap::default();
    for shared in &inventory.shared {
        for prefix in &shared.prefixes {
            let entry = (shared.customers.as_slice(), prefix.location);
            if let Some((_, first)) = sharers.insert(prefix.value, entry) {
                problems.push(
                    Diagnostic::error(
                        prefix.location,
                        format!("{} is shared in two entries", prefix.value),
                    )
                    .label("again here")
                    .also(first, "first here")
                    .help("list all sharers in one entry"),
                );
            }
        }
    }
    let mut owners: HashMap<Prefix, (CustomerId, Location), FixedState> = HashMap::default();
    for (at, customer) in inventory.customers.iter().enumerate() {
        let id = CustomerId(at as u32);
        for prefix in &customer.prefixes {
            if let Some((sharers, shared)) = sharers.get(&prefix.value) {
                if !sharers.contains(&id) {
                    problems.push(
                        Diagnostic::error(
                            prefix.location,
                            format!(
                                "{} is shared, but not by `{}`",
                                prefix.value, customer.id.value
                            ),
                        )
                        .label("listed as its own here")
                        .also(*shared, "shared by others here")
                        .help("add the customer to the sharers, or remove the prefix from one"),
                    );
                }
                continue;
            }
            let Some((first, place)) = owners.insert(prefix.value, (id, prefix.location)) else {
                continue;
            };
            if first == id {
                problems.push(
                    Diagnostic::warning(
                        prefix.location,
                        format!("{} stands twice for `{}`", prefix.value, customer.id.value),
                    )
                    .label("again here")
                    .also(place, "first here"),
                );
                continue;
            }
            problems.push(
                Diagnostic::error(
                    prefix.location,
                    format!(
                        "{} belongs to two customers: `{}` and `{}`",
                        prefix.value,
                        inventory.customer(first).id.value,
                        customer.id.value
                    ),
                )
                .label(format!("to `{}` here", customer.id.value))
                .also(place, format!("to `{}` here", inventory.customer(first).id.value))
                .help("if both use the address, list it under `shared`"),
            );
        }
    }
}

/// An id means one thing.
fn check_ids(inventory: &Inventory, problems: &mut Vec<Diagnostic>) {
    for entry in &inventory.infrastructure {
        let same = inventory.customers.iter().find(|one| one.id.value == entry.id.value);
        if let Some(customer) = same {
            problems.push(
                Diagnostic::error(
                    entry.id.location,
                    format!("`{}` is both infrastructure and a customer", entry.id.value),
                )
                .label("infrastructure here")
                .also(customer.id.location, "a customer here")
                .help("rename one"),
            );
        }
    }
    for customer in &inventory.customers {
        if ["all", "none", "unowned"].contains(&customer.id.value.as_str()) {
            problems.push(
                Diagnostic::error(
                    customer.id.location,
                    format!("a customer cannot be called `{}`", customer.id.value),
                )
                .label("a selector of its own")
                .help("rename it"),
            );
        }
    }
}

#[cfg(test)]
mod tests;
