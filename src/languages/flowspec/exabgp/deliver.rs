//! Who gets which routes.

use std::collections::{BTreeMap, BTreeSet};

use super::sections::Taken;
use crate::languages::flowspec::rules::{Announced, Route};
use crate::model::{Diagnostic, Family};

/// A neighbor or a template.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) is_template: bool,
    pub(super) inherits: Vec<String>,
    pub(super) taken: Taken,
}

impl Group {
    pub(super) fn new(name: String, is_template: bool, inherits: Vec<String>) -> Group {
        Group { name, is_template, inherits, taken: Taken::default() }
    }
}

/// Announcements in order.
pub(super) struct Event {
    /// The block that it stands in; none for everybody.
    pub(super) group: Option<usize>,
    pub(super) is_withdrawal: bool,
    pub(super) route: Route,
}

/// Gives every route its receivers: nobody in particular where all neighbors get it.
pub(super) fn deliver(groups: Vec<Group>, events: Vec<Event>, announced: &mut Announced) {
    // By group: the neighbors that get what stands in it.
    let mut receivers: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); groups.len()];
    let templates: BTreeMap<&str, usize> = groups
        .iter()
        .enumerate()
        .filter(|(_, group)| group.is_template)
        .map(|(number, group)| (group.name.as_str(), number))
        .collect();
    for (number, group) in groups.iter().enumerate().filter(|(_, group)| !group.is_template) {
        let mut open = vec![number];
        while let Some(one) = open.pop() {
            if receivers[one].insert(number) {
                let inherited = groups[one].inherits.iter();
                open.extend(inherited.filter_map(|name| templates.get(name.as_str())));
            }
        }
        let _ = group;
    }
    untaken(&groups, &receivers, &events, announced);
    let neighbors = groups.iter().filter(|group| !group.is_template).count();
    // The same route may stand in several blocks: what all get is everybody's.
    let mut of_route: BTreeMap<(Family, Vec<u8>, Vec<u8>), BTreeSet<usize>> = BTreeMap::new();
    let key = |route: &Route| {
        let octets = route.flow.encode().unwrap_or_default();
        let does: Vec<u8> = route.communities.iter().flat_map(|one| one.value.clone()).collect();
        (route.flow.family, octets, does)
    };
    for event in &events {
        if let Some(group) = event.group {
            of_route.entry(key(&event.route)).or_default().extend(&receivers[group]);
        }
    }
    // A route for all is another one where there is a neighbor more.
    let told_of: BTreeSet<usize> = of_route.values().flatten().copied().collect();
    let mut names: Vec<&str> = told_of.iter().map(|number| groups[*number].name.as_str()).collect();
    names.sort_unstable();
    if let Some(first) = events.iter().find(|event| event.group.is_some()) {
        let text = format!("flow routes go to {}", names.join(", "));
        announced.besides.push((first.route.location, text));
    }
    let mut told = BTreeSet::new();
    for mut event in events {
        if let Some(group) = event.group {
            let Some(all) = of_route.get(&key(&event.route)) else { continue };
            if all.is_empty() {
                announced.problems.push(Diagnostic::warning(
                    event.route.location,
                    format!("no neighbor inherits the template `{}`", groups[group].name),
                ));
                continue;
            }
            if all.len() < neighbors {
                let names = all.iter().map(|number| format!("neighbor {}", groups[*number].name));
                event.route.receivers = names.collect();
            }
            // Once for all blocks that say the same.
            if neighbors > 1 && !event.is_withdrawal && !told.insert(key(&event.route)) {
                continue;
            }
        }
        if event.is_withdrawal {
            announced.withdraw(&event.route);
        } else {
            announced.announce(event.route);
        }
    }
}

/// Says which routes a neighbor gets that it does not take by its families.
fn untaken(
    groups: &[Group],
    receivers: &[BTreeSet<usize>],
    events: &[Event],
    announced: &mut Announced,
) {
    // What each neighbor takes, with what it inherits.
    let mut taken: BTreeMap<usize, Taken> = BTreeMap::new();
    for (number, own) in receivers.iter().enumerate() {
        for neighbor in own {
            taken.entry(*neighbor).or_default().add(&groups[number].taken);
        }
    }
    for event in events {
        let Some(group) = event.group else { continue };
        for neighbor in &receivers[group] {
            let Some(lacks) = taken.get(neighbor).and_then(|taken| taken.lacks(&event.route))
            else {
                continue;
            };
            let name = &groups[*neighbor].name;
            let message = format!("neighbor {name} does not take this route");
            announced.problems.push(
                Diagnostic::error(event.route.location, message)
                    .label("ExaBGP refuses the file")
                    .help(format!("write `{lacks};` in its `family`, or leave `family` out")),
            );
            return;
        }
    }
}
