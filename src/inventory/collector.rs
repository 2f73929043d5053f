//! Joins what several sources say of customers, and finds what contradicts itself: every such
//! problem names both places.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::FixedState;

use super::GLOBAL;
use super::pages::Pages;
use crate::model::{
    Customer, CustomerId, Diagnostic, Infrastructure, Inventory, Location, Pop, Prefix, Shared,
    Sources, Spanned,
};
use crate::yaml::nearest;

/// What a customer has one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// The name that people use.
    Name,
    /// The tier.
    Tier,
    /// The region.
    Region,
}

impl Attribute {
    fn word(self) -> &'static str {
        match self {
            Attribute::Name => "name",
            Attribute::Tier => "tier",
            Attribute::Region => "region",
        }
    }
}

/// Where a customer was told of, for contradictions.
#[derive(Default)]
struct Told {
    /// The entry in the last source that gives each customer one entry.
    listed: Option<Location>,
    /// The first place of each [`Attribute`].
    attributes: [Option<Location>; 3],
    /// The last contradiction that was reported: a table would repeat it row by row.
    reported: Option<(Attribute, String)>,
}

/// How many of a customer's tags are compared one by one before they are looked up.
const FEW_TAGS: usize = 16;

/// Joins what the sources say.
#[derive(Default)]
pub struct Collector {
    inventory: Inventory,
    /// The table that the run is about; none if nobody said.
    vrf: Option<String>,
    /// What is in other tables: how many prefixes, and the place of the first.
    elsewhere: BTreeMap<String, (u64, Location)>,
    /// Whether anything that knows VRFs is in the table.
    is_here: bool,
    /// The pages of exports that come in pages.
    pub(super) pages: Pages,
    /// Who was told of without addresses; another source may have them.
    homeless: Vec<Spanned<String>>,
    by_id: HashMap<String, CustomerId, FixedState>,
    /// By customer.
    told: Vec<Told>,
    many_tags: HashSet<(CustomerId, String), FixedState>,
    /// Every host name in small letters, its customer, its place and its number.
    hosts: HashMap<String, (CustomerId, Location, u32), FixedState>,
    /// The hosts that stand in one row with a prefix, by the prefix's place.
    beside: HashMap<Location, u32, FixedState>,
    sharers: Vec<Vec<Spanned<String>>>,
}

impl Collector {
    /// Makes an empty one, for one table.
    pub(super) fn new(vrf: Option<&str>) -> Collector {
        Collector { vrf: vrf.map(str::to_owned), ..Collector::default() }
    }

    /// Returns whether a prefix is in the table that the run is about, by the names of its VRF; none
    /// of them for the global one. The others are counted.
    pub(super) fn is_in_table(&mut self, names: &[&str], location: Location) -> bool {
        let names = if names.is_empty() { &[GLOBAL] } else { names };
        let wanted = self.vrf.as_deref().unwrap_or(GLOBAL);
        if names.contains(&wanted) {
            self.is_here = true;
            return true;
        }
        self.elsewhere.entry(names[0].to_owned()).or_insert((0, location)).0 += 1;
        false
    }

    /// Notes a customer of which a source knows no addresses: another one must.
    pub(super) fn expect(&mut self, id: Spanned<String>) {
        self.homeless.push(id);
    }

    /// Notes an entry of a source that gives each customer one. Returns the entry that the same
    /// source already has for it.
    pub fn list(&mut self, id: &Spanned<String>) -> Option<Location> {
        let customer = self.number(&id.value, id.location);
        let listed = self.told[customer.0 as usize].listed.replace(id.location);
        listed.filter(|first| first.source == id.location.source)
    }

    /// Returns the number of a customer, new or old.
    pub fn number(&mut self, id: &str, location: Location) -> CustomerId {
        if let Some(known) = self.by_id.get(id) {
            return *known;
        }
        let number = CustomerId(self.inventory.customers.len() as u32);
        self.by_id.insert(id.to_owned(), number);
        self.told.push(Told::default());
        self.inventory.customers.push(Customer {
            id: Spanned::new(id.to_owned(), location),
            name: None,
            tier: None,
            tags: Vec::new(),
            region: None,
            prefixes: Vec::new(),
            hosts: Vec::new(),
        });
        number
    }

    /// Gives a customer something that it has one of; another value than before is a
    /// contradiction.
    pub fn tell(
        &mut self,
        customer: CustomerId,
        attribute: Attribute,
        value: &str,
        location: Location,
        problems: &mut Vec<Diagnostic>,
    ) {
        let told = &mut self.told[customer.0 as usize];
        let customer = &mut self.inventory.customers[customer.0 as usize];
        let old = match attribute {
            Attribute::Name => &mut customer.name,
            Attribute::Tier => &mut customer.tier,
            Attribute::Region => &mut customer.region,
        };
        let Some(old) = old else {
            *old = Some(value.to_owned());
            told.attributes[attribute as usize] = Some(location);
            return;
        };
        let repeated =
            told.reported.as_ref().is_some_and(|(what, last)| *what == attribute && last == value);
        if old == value || repeated {
            return;
        }
        let first = told.attributes[attribute as usize].unwrap_or(customer.id.location);
        problems.push(
            Diagnostic::error(
                location,
                format!(
                    "customer `{}` has two {}s: {old} and {value}",
                    customer.id.value,
                    attribute.word()
                ),
            )
            .label(format!("{value} here"))
            .also(first, format!("{old} here"))
            .help("decide on one"),
        );
        told.reported = Some((attribute, value.to_owned()));
    }

    /// Gives a customer a tag.
    pub fn tag(&mut self, customer: CustomerId, tag: &str) {
        let tags = &mut self.inventory.customers[customer.0 as usize].tags;
        if tags.iter().take(FEW_TAGS).any(|known| known == tag) {
            return;
        }
        if tags.len() < FEW_TAGS || self.many_tags.insert((customer, tag.to_owned())) {
            tags.push(tag.to_owned());
        }
    }

    /// Gives a customer a host name; one of another customer is a contradiction. Returns the
    /// number of the host.
    pub fn host(
        &mut self,
        customer: CustomerId,
        host: &str,
        location: Location,
        problems: &mut Vec<Diagnostic>,
    ) -> u32 {
        let key = host.to_ascii_lowercase();
        let Some((owner, first, number)) = self.hosts.get(&key) else {
            let number = self.hosts.len() as u32;
            self.hosts.insert(key, (customer, location, number));
            self.inventory.customers[customer.0 as usize].hosts.push(host.to_owned());
            return number;
        };
        if *owner != customer {
            let name = |id: CustomerId| &self.inventory.customer(id).id.value;
            let (theirs, ours) = (name(*owner), name(customer));
            problems.push(
                Diagnostic::error(
                    location,
                    format!("host `{host}` belongs to two customers: `{theirs}` and `{ours}`"),
                )
                .label(format!("to `{ours}` here"))
                .also(*first, format!("to `{theirs}` here"))
                .help("a request is charged to one customer; remove the host from the other"),
            );
        }
        *number
    }

    /// Gives a customer address space, and the host that stands in the same row, if any: an
    /// address with several hosts takes several rows.
    pub fn prefix(&mut self, customer: CustomerId, prefix: Spanned<Prefix>, host: Option<u32>) {
        if let Some(host) = host {
            self.beside.insert(prefix.location, host);
        }
        self.inventory.customers[customer.0 as usize].prefixes.push(prefix);
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

    pub(super) fn finish(mut self, sources: &Sources, problems: &mut Vec<Diagnostic>) -> Inventory {
        self.pages.check(sources, problems);
        self.check_tables(problems);
        self.check_homes(problems);
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
        for (customer, again) in check_prefixes(&self.inventory, &self.beside, problems) {
            let mut at = 0;
            self.inventory.customers[customer.0 as usize].prefixes.retain(|_| {
                at += 1;
                again.binary_search(&(at - 1)).is_err()
            });
        }
        check_ids(&self.inventory, problems);
        self.inventory
    }
}

impl Collector {
    /// Says what is left out because it is in other VRFs; an error unless that was asked for.
    fn check_tables(&self, problems: &mut Vec<Diagnostic>) {
        let Some((_, (_, first))) = self.elsewhere.iter().min_by_key(|(_, (_, place))| *place)
        else {
            if let Some(vrf) = self.vrf.as_ref().filter(|vrf| *vrf != GLOBAL && !self.is_here) {
                problems.push(
                    Diagnostic::bare(format!("no prefix of the inventory is in VRF `{vrf}`"))
                        .help("no source names any VRF; take `vrf` away"),
                );
            }
            return;
        };
        let count: u64 = self.elsewhere.values().map(|(count, _)| count).sum();
        let names: Vec<&str> = self.elsewhere.keys().map(String::as_str).collect();
        let listed = match names.len() {
            0..=5 => names.join(", "),
            more => format!("{} and {} more", names[..5].join(", "), more - 5),
        };
        let prefixes = if count == 1 { "1 prefix is" } else { &format!("{count} prefixes are") };
        match &self.vrf {
            None => problems.push(
                Diagnostic::error(
                    *first,
                    format!("{prefixes} in VRFs ({listed}), and nobody says where the rules are"),
                )
                .label("not in the global table")
                .help(format!(
                    "say `--vrf NAME` (or `vrf:` in the config), `{GLOBAL}` for what is in no VRF"
                )),
            ),
            Some(vrf) if !self.is_here => {
                let help = match nearest(vrf, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it has {listed}"),
                };
                let message = format!("no prefix of the inventory is in VRF `{vrf}`");
                problems.push(Diagnostic::bare(message).help(help));
            }
            Some(vrf) => problems.push(
                Diagnostic::warning(
                    *first,
                    format!("{prefixes} in other VRFs ({listed}): left out, for `{vrf}` is judged"),
                )
                .label("the first of them")
                .help("judge every VRF that the rules may meet, each in a run of its own"),
            ),
        }
    }

    /// Whoever was told of without addresses needs some from another source.
    fn check_homes(&self, problems: &mut Vec<Diagnostic>) {
        let shares = |id: &str| self.sharers.iter().flatten().any(|sharer| sharer.value == id);
        for id in &self.homeless {
            let customer = self.by_id.get(&id.value).map(|at| self.inventory.customer(*at));
            let has_home =
                customer.is_some_and(|one| !one.prefixes.is_empty() || !one.hosts.is_empty());
            if !has_home && !shares(&id.value) {
                problems.push(
                    Diagnostic::error(
                        id.location,
                        format!("customer `{}` has no addresses", id.value),
                    )
                    .label("neither `prefixes` nor `hosts`")
                    .help("add `prefixes: […]`, or name a source that has them"),
                );
            }
        }
    }
}

fn twice(what: &str, id: &Spanned<String>, first: Location) -> Diagnostic {
    Diagnostic::error(id.location, format!("{what} `{}` is listed twice", id.value))
        .label("again here")
        .also(first, "first here")
        .help("join the two entries, or rename one")
}

/// The same prefix belongs to one customer, or to sharers that are listed as such. Returns the
/// positions of those that their customer has already, ascending.
fn check_prefixes(
    inventory: &Inventory,
    beside: &HashMap<Location, u32, FixedState>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<(CustomerId, Vec<usize>)> {
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
    let count = inventory.customers.iter().map(|customer| customer.prefixes.len()).sum();
    let mut owners: HashMap<Prefix, (CustomerId, Location), FixedState> =
        HashMap::with_capacity_and_hasher(count, FixedState::default());
    let mut repeated = Vec::new();
    // Prefixes that stand in several rows, each with the hosts beside it.
    let mut rows: HashSet<(Prefix, u32), FixedState> = HashSet::default();
    for (at, customer) in inventory.customers.iter().enumerate() {
        let id = CustomerId(at as u32);
        let mut again = Vec::new();
        for (position, prefix) in customer.prefixes.iter().enumerate() {
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
            let (first, place) = match owners.entry(prefix.value) {
                Entry::Vacant(free) => {
                    free.insert((id, prefix.location));
                    continue;
                }
                Entry::Occupied(taken) => *taken.get(),
            };
            if first == id {
                again.push(position);
                let row = |place: Location| beside.get(&place).map(|host| (prefix.value, *host));
                if let (Some(before), Some(here)) = (row(place), row(prefix.location)) {
                    rows.insert(before);
                    if rows.insert(here) {
                        continue;
                    }
                }
                problems.push(
                    Diagnostic::warning(
                        prefix.location,
                        format!("{} stands twice for `{}`", prefix.value, customer.id.value),
                    )
                    .label("again here")
                    .also(place, "first here")
                    .help("remove one"),
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
        if !again.is_empty() {
            repeated.push((id, again));
        }
    }
    repeated
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
