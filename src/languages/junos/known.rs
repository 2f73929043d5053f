//! The words that may stand where filters, policers and their applications are written: a mistyped
//! one would be passed over with all that is below it.

use crate::junos::{Item, Tree};
use crate::model::Diagnostic;
use crate::yaml::nearest;

/// What may stand at a place.
enum Known {
    /// These words and no others.
    Only(&'static [&'static str]),
    /// Many words, of which these matter: one that is nearly one of them is mistyped.
    Among(&'static [&'static str]),
}

use Known::{Among, Only};

/// Words that may stand anywhere.
const ANYWHERE: &[&str] = &["apply-groups", "apply-groups-except", "apply-macro", "apply-flags"];

const FILTER: Known = Only(&[
    "term",
    "accounting-profile",
    "enhanced-mode",
    "enhanced-mode-override",
    "fast-lookup-filter",
    "filter-list-template",
    "instance-shared",
    "interface-shared",
    "interface-specific",
    "no-ttl-decrement",
    "physical-interface-filter",
    "promote",
    "scale-optimized",
]);

/// What may stand at a path; `*` is a name (Junos OS Routing Policies, Firewall Filters, and
/// Traffic Policers User Guide).
const PLACES: &[(&[&str], Known)] = &[
    (
        &[],
        Among(&[
            "firewall",
            "groups",
            "interfaces",
            "logical-systems",
            "policy-options",
            "routing-instances",
            "routing-options",
        ]),
    ),
    (
        &["firewall"],
        Only(&[
            "atm-policer",
            "family",
            "filter",
            "filter-options",
            "flexible-match",
            "hierarchical-policer",
            "interface-set",
            "load-balance-group",
            "policer",
            "prefix-action",
            "service-filter",
            "simple-filter",
            "three-color-policer",
            "tunnel-end-point",
        ]),
    ),
    (
        &["firewall", "family"],
        Only(&[
            "any",
            "bridge",
            "ccc",
            "ethernet-switching",
            "evpn",
            "inet",
            "inet6",
            "mpls",
            "vpls",
        ]),
    ),
    (
        &["firewall", "family", "*"],
        Only(&[
            "dialer-filter",
            "fast-update-filter",
            "filter",
            "filter-list-template",
            "prefix-action",
            "service-filter",
            "simple-filter",
            "template",
        ]),
    ),
    (&["firewall", "family", "*", "filter", "*"], FILTER),
    (&["firewall", "filter", "*"], FILTER),
    (
        &["firewall", "policer", "*"],
        Only(&[
            "filter-specific",
            "if-exceeding",
            "if-exceeding-pps",
            "logical-bandwidth-policer",
            "logical-interface-policer",
            "physical-interface-policer",
            "shared-bandwidth-policer",
            "then",
        ]),
    ),
    (
        &["firewall", "policer", "*", "if-exceeding"],
        Only(&["bandwidth-limit", "bandwidth-percent", "burst-size-limit"]),
    ),
    (&["firewall", "policer", "*", "if-exceeding-pps"], Only(&["packet-burst", "pps-limit"])),
    (&["policy-options"], Among(&["prefix-list"])),
    (&["interfaces", "*", "unit", "*"], Among(&["family", "filter"])),
    (&["interfaces", "*", "unit", "*", "family", "*"], Among(&["filter"])),
    (
        &["interfaces", "*", "unit", "*", "family", "*", "filter"],
        Only(&["dialer", "group", "input", "input-list", "output", "output-list"]),
    ),
];

/// Says which words are not known where they stand.
pub(super) fn check(tree: &Tree, problems: &mut Vec<Diagnostic>) {
    for (path, known) in PLACES {
        let mut items = vec![tree.top()];
        for word in *path {
            items = match *word {
                "*" => items.into_iter().flat_map(Item::children).collect(),
                word => items.into_iter().filter_map(|item| item.get(word)).collect(),
            };
        }
        for word in items.into_iter().flat_map(Item::children) {
            let (words, is_all) = match known {
                Only(words) => (*words, true),
                Among(words) => (*words, false),
            };
            if words.contains(&word.word()) || ANYWHERE.contains(&word.word()) {
                continue;
            }
            let near = nearest(word.word(), words.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None if is_all => format!("known are {}", words.join(", ")),
                None => continue,
            };
            let text = format!("`{}` is not known here", word.word().escape_debug());
            problems.push(Diagnostic::error(word.location(), text).label("here").help(help));
        }
    }
}
