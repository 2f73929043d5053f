//! Which filters packets meet.

use std::collections::BTreeMap;

use crate::junos::{Item, Tree};
use crate::languages::{Files, Path};
use crate::model::{Diagnostic, Family, Location};

/// Filters that packets of a family meet, one after the other as one list of terms.
pub(super) struct Judged<'t> {
    /// The family; none for `family any`.
    pub(super) family: Option<Family>,
    /// The filters.
    pub(super) filters: Vec<Item<'t>>,
}

/// A filter, or a list of them, at an interface.
struct Application<'t> {
    interface: String,
    is_input: bool,
    family: &'static str,
    names: Vec<Item<'t>>,
}

const FAMILIES: &[(&str, Option<Family>)] =
    &[("inet", Some(Family::V4)), ("inet6", Some(Family::V6)), ("any", None)];

/// Returns the filter with a name; those without a family are of `inet`.
pub(super) fn find<'t>(tree: &'t Tree, family: &str, name: &str) -> Option<Item<'t>> {
    let found = tree.top().at(&["firewall", "family", family, "filter", name]);
    let plain = || tree.top().at(&["firewall", "filter", name]).filter(|_| family == "inet");
    found.or_else(plain)
}

/// Chooses what is judged; what cannot be chosen is a problem.
pub(super) fn choose<'t>(
    tree: &'t Tree,
    files: &Files<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Judged<'t>> {
    groups(tree, problems);
    let defined = defined(tree);
    if defined.is_empty() {
        problems.push(Diagnostic::bare("the configuration holds no firewall filter").help(
            "expected `firewall { family inet { filter NAME { … } } }` or \
             `set firewall family inet filter NAME term …`",
        ));
        return Vec::new();
    }
    let mut applications = applications(tree);
    let way = files.way;
    // What is written without any interface may be applied elsewhere; where interfaces are written,
    // a filter that none of them applies does nothing.
    let top = tree.top();
    let written = top.get("interfaces").filter(|one| !one.is_leaf());
    let hidden = top.inactive().find(|one| one.word() == "interfaces");
    if let Some(interfaces) = written.or(hidden).filter(|_| applications.is_empty()) {
        problems.push(
            Diagnostic::error(interfaces.location(), "no interface here applies a filter")
                .label("none that is active")
                .help(
                    "the filters do nothing so; hand them over without `interfaces` if they are \
                     applied elsewhere",
                ),
        );
        return Vec::new();
    }
    // Filters at the loopback are for packets to the router itself.
    let is_here =
        |one: &Application<'_>| way.path == Path::Input || !one.interface.starts_with("lo0");
    let own = applications.iter().find(|one| !is_here(one)).map(|one| one.names[0].location());
    applications.retain(is_here);
    if let (Some(location), true) = (own, applications.is_empty()) {
        problems.push(
            Diagnostic::error(location, "only the loopback applies a filter")
                .label("for packets to the router itself")
                .help("judge these with `--path input`"),
        );
        return Vec::new();
    }
    if way.iif.is_some() || way.oif.is_some() {
        let is = |name: &Option<String>, interface: &str| {
            name.as_ref().is_some_and(|name| {
                interface == name || interface.strip_suffix(".0").is_some_and(|front| front == name)
            })
        };
        applications.retain(|one| match one.is_input {
            true => is(&way.iif, &one.interface),
            false => is(&way.oif, &one.interface),
        });
        if applications.is_empty() {
            let problem = Diagnostic::bare("no filter is applied at this interface");
            problems.push(problem.help("its packets pass; nothing of this file is about them"));
        }
    }
    let mut judged = Vec::new();
    for (family_name, family) in FAMILIES {
        let here: Vec<&Application<'t>> =
            applications.iter().filter(|one| one.family == *family_name).collect();
        let names = |one: &Application<'_>| -> Vec<String> {
            one.names.iter().map(|name| name.word().to_owned()).collect()
        };
        if let Some(first) = here.first() {
            if let Some(other) = here.iter().find(|one| names(one) != names(first)) {
                let (one, two) = (first.names[0].location(), other.names[0].location());
                problems.push(different(one, two, first, other));
                continue;
            }
            let filters = first.names.iter().filter_map(|name| {
                let found = find(tree, family_name, name.word());
                if found.is_none() {
                    problems.push(
                        Diagnostic::error(
                            name.location(),
                            "this filter is not in the configuration",
                        )
                        .label("not defined")
                        .help("hand over the file that holds it as well"),
                    );
                }
                found
            });
            judged.push(Judged { family: *family, filters: filters.collect() });
            continue;
        }
        let all: Vec<Item<'t>> =
            defined.iter().filter(|(of, _)| of == family_name).map(|(_, item)| *item).collect();
        match (all.as_slice(), applications.is_empty()) {
            ([], _) => {}
            ([one], true) if way.iif.is_none() && way.oif.is_none() => {
                judged.push(Judged { family: *family, filters: vec![*one] });
            }
            ([one, other, ..], true) if way.iif.is_none() && way.oif.is_none() => problems.push(
                Diagnostic::error(other.location(), "which of these filters do packets meet?")
                    .label("one of several, and no interface applies any")
                    .also(one.location(), "another one")
                    .help(
                        "hand over `interfaces` as well, or add a line such as \
                         `set interfaces NAME unit 0 family inet filter input FILTER`",
                    ),
            ),
            _ => {}
        }
    }
    for (family, filter) in &defined {
        let is_judged = judged.iter().any(|judged: &Judged<'_>| {
            judged.filters.iter().any(|one| one.location() == filter.location())
        });
        let is_nested = nested(tree, filter.word());
        if !is_judged && !is_nested && !judged.is_empty() {
            problems.push(
                Diagnostic::warning(filter.location(), "this filter is not judged")
                    .label(format!(
                        "a filter of family {family} that the packets judged do not meet"
                    ))
                    .help("choose by `--iif` or `--oif`, or judge it by itself"),
            );
        }
    }
    judged
}

fn different(one: Location, two: Location, a: &Application<'_>, b: &Application<'_>) -> Diagnostic {
    let side = |one: &Application<'_>| if one.is_input { "--iif" } else { "--oif" };
    Diagnostic::error(two, "interfaces apply different filters")
        .label(format!("at {}", b.interface))
        .also(one, format!("at {}", a.interface))
        .help(format!(
            "say whose packets are judged: `{} {}` or `{} {}`",
            side(a),
            a.interface,
            side(b),
            b.interface
        ))
}

/// Words of statements elsewhere than in `firewall` that decide about packets.
const DECIDES: &[&str] = &[
    "filter",
    "simple-filter",
    "policer",
    "disable",
    "apply-groups",
    "apply-groups-except",
    "static",
    "discard",
    "reject",
    "rpf-check",
    "flow",
    "fast-update-filter",
    "nat",
    "service",
    "service-filter",
    "service-set",
    "class-of-service",
    "security",
    "ddos-protection",
];

/// Returns the statements that decide about packets and are not judged: other filters, and where
/// filters are applied.
pub(super) fn not_judged(tree: &Tree, judged: &[Judged<'_>]) -> Vec<(Location, String)> {
    let is_judged = |item: Item<'_>| {
        let mut all = judged.iter().flat_map(|judged| &judged.filters);
        all.any(|filter| filter.location() == item.location())
    };
    let skips = |path: &[&str], item: Item<'_>| match path {
        ["policy-options", ..] | ["firewall", "policer", ..] => true,
        ["firewall", "family", _, "filter", name] | ["firewall", "filter", name] => {
            is_judged(item) || nested(tree, name)
        }
        ["firewall", "family", _, "policer", ..] => true,
        _ => false,
    };
    let mut all = tree.top().statements(&skips);
    all.retain(|(_, text)| {
        text.starts_with("firewall ") || text.split(' ').any(|word| DECIDES.contains(&word))
    });
    all.sort();
    all
}

/// Words that say how many policers there are of one that is written once.
const SHARES: &[&str] = &[
    "interface-specific",
    "interface-shared",
    "physical-interface-filter",
    "physical-interface-policer",
    "logical-interface-policer",
    "logical-bandwidth-policer",
    "shared-bandwidth-policer",
];

/// Returns the statements that say who shares a policer.
pub(super) fn sharing(tree: &Tree) -> Vec<(Location, String)> {
    let mut all = tree.top().statements(&|_, _| false);
    all.retain(|(_, text)| text.split(' ').any(|word| SHARES.contains(&word)));
    all.sort();
    all
}

/// Returns whether some term refers to a filter.
fn nested(tree: &Tree, name: &str) -> bool {
    defined(tree).iter().any(|(_, filter)| {
        let terms = filter.get("term").into_iter().flat_map(Item::children);
        terms.into_iter().any(|term| term.at(&["filter", name]).is_some())
    })
}

fn defined(tree: &Tree) -> Vec<(&'static str, Item<'_>)> {
    let Some(firewall) = tree.top().get("firewall") else { return Vec::new() };
    let mut all = Vec::new();
    for (name, _) in FAMILIES {
        let of = firewall.at(&["family", name, "filter"]);
        all.extend(of.into_iter().flat_map(Item::children).map(|filter| (*name, filter)));
    }
    let plain = firewall.get("filter").into_iter().flat_map(Item::children);
    all.extend(plain.map(|filter| ("inet", filter)));
    all
}

fn applications(tree: &Tree) -> Vec<Application<'_>> {
    let mut all: BTreeMap<(String, bool, &'static str), (u32, Vec<Item<'_>>)> = BTreeMap::new();
    let is_up = |one: &Item<'_>| one.get("disable").is_none();
    for interface in tree.top().get("interfaces").into_iter().flat_map(Item::children).filter(is_up)
    {
        for unit in interface.get("unit").into_iter().flat_map(Item::children).filter(is_up) {
            for (family, _) in FAMILIES {
                let within =
                    if *family == "any" { &["filter"][..] } else { &["family", family, "filter"] };
                let Some(filter) = unit.at(within) else { continue };
                for (word, is_input) in [
                    ("input", true),
                    ("input-list", true),
                    ("output", false),
                    ("output-list", false),
                ] {
                    let Some(side) = filter.get(word) else { continue };
                    let names: Vec<Item<'_>> = match word.ends_with("-list") {
                        true => side.children().collect(),
                        false => side.value().into_iter().collect(),
                    };
                    let Some(when) = names.last().map(|name| name.location().span.start) else {
                        continue;
                    };
                    let interface = format!("{}.{}", interface.word(), unit.word());
                    // Of `input` and `input-list` the later one holds.
                    let entry = all.entry((interface, is_input, *family)).or_default();
                    if entry.1.is_empty() || entry.0 < when {
                        *entry = (when, names);
                    }
                }
            }
        }
    }
    all.into_iter()
        .map(|((interface, is_input, family), (_, names))| Application {
            interface,
            is_input,
            family,
            names,
        })
        .collect()
}

/// Groups are not expanded: one that may add to what is judged is a problem.
fn groups(tree: &Tree, problems: &mut Vec<Diagnostic>) {
    let top = tree.top();
    let parts = ["firewall", "interfaces", "policy-options"];
    let mut found = Vec::new();
    for name in top.get("apply-groups").into_iter().flat_map(Item::children) {
        let group = top.at(&["groups", name.word()]);
        let matters = group.is_none_or(|group| parts.iter().any(|part| group.get(part).is_some()));
        found.extend(matters.then_some(name));
    }
    let mut open: Vec<Item<'_>> =
        ["firewall", "policy-options"].iter().filter_map(|part| top.get(part)).collect();
    while let Some(item) = open.pop() {
        for child in item.children() {
            match child.word() {
                "apply-groups" => found.extend(child.children()),
                _ => open.push(child),
            }
        }
    }
    found.sort_by_key(|item| item.location());
    if let Some(first) = found.first() {
        let problem = Diagnostic::error(first.location(), "groups are not expanded here");
        problems.push(
            problem
                .label("may change what is judged")
                .help("hand over `show configuration | display inheritance no-comments`"),
        );
    }
    for system in top.get("logical-systems").into_iter().flat_map(Item::children) {
        if system.get("firewall").is_some() {
            let problem = Diagnostic::warning(system.location(), "logical systems are not judged");
            problems.push(problem.help("judge their configuration by itself"));
        }
    }
}
