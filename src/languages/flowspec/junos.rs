//! FlowSpec as Junos writes it: `routing-options flow` in either form.

use super::community;
use super::exabgp::pattern;
use super::meaning::numbers;
use super::nlri::{
    Component, DESTINATION, DESTINATION_PORT, DSCP, EQUAL, FLOW_LABEL, FRAGMENT, Flow, GREATER,
    ICMP_CODE, ICMP_TYPE, LESS, MATCH, MOST_LENGTH, NOT, Operation, PACKET_LENGTH, PORT, PROTOCOL,
    Pattern, SOURCE, SOURCE_PORT, TCP_FLAGS,
};
use super::rules::{Announced, Route};
use crate::junos::names::{self, Names};
use crate::junos::{Item, Tree, flags};
use crate::model::{Diagnostic, Family, Location, NumberSet, RateUnit, SourceId, Sources, Spanned};
use crate::yaml::nearest;

/// With more routes than this their order is not looked into.
const MOST_COMPARED: usize = 2_000;

/// Statements of `match` with numbers: the type, what it is, its words and its greatest value.
const NUMBERS: &[(&str, u8, &str, Names, u64)] = &[
    ("protocol", PROTOCOL, "protocol", names::PROTOCOLS, 255),
    ("next-header", PROTOCOL, "protocol", names::PROTOCOLS, 255),
    ("port", PORT, "port", names::PORTS, 65_535),
    ("destination-port", DESTINATION_PORT, "port", names::PORTS, 65_535),
    ("source-port", SOURCE_PORT, "port", names::PORTS, 65_535),
    ("icmp-type", ICMP_TYPE, "ICMP type", names::ICMP_TYPES, 255),
    ("icmp6-type", ICMP_TYPE, "ICMP type", names::ICMP6_TYPES, 255),
    ("icmp-code", ICMP_CODE, "ICMP code", names::ICMP_CODES, 255),
    ("icmp6-code", ICMP_CODE, "ICMP code", names::ICMP6_CODES, 255),
    ("packet-length", PACKET_LENGTH, "packet length", names::PLAIN, MOST_LENGTH),
    ("dscp", DSCP, "code point", names::DSCP, 63),
    ("flow-label", FLOW_LABEL, "flow label", names::PLAIN, 0xf_ffff),
];

const FRAGMENTS: Names = &[
    ("dont-fragment", 1),
    ("is-fragment", 2),
    ("first-fragment", 4),
    ("last-fragment", 8),
    ("not-a-fragment", 0),
];

/// Reads configurations into what they hold. Returns whether they speak of flow routes.
pub(super) fn read(sources: &Sources, files: &[SourceId], announced: &mut Announced) -> bool {
    let (tree, problems) = Tree::read(sources, files);
    announced.problems.extend(problems);
    let skips = |path: &[&str], _: Item<'_>| path.ends_with(&["routing-options", "flow"]);
    announced.besides.extend(tree.top().statements(&skips));
    let mut blocks: Vec<(Item<'_>, Vec<String>)> = Vec::new();
    if let Some(top) = tree.top().get("routing-options") {
        blocks.extend(flows(top, &[]));
    }
    for instance in tree.top().get("routing-instances").into_iter().flat_map(Item::children) {
        let name = vec![format!("routing instance {}", instance.word())];
        if let Some(inner) = instance.get("routing-options") {
            blocks.extend(flows(inner, &name));
        }
    }
    for path in [&["apply-groups"][..], &["routing-options", "apply-groups"]] {
        if let Some(groups) = tree.top().at(path)
            && groups.children().any(|group| {
                let group = tree.top().at(&["groups", group.word()]);
                group.is_none_or(|group| group.get("routing-options").is_some())
            })
        {
            let problem = Diagnostic::error(groups.location(), "groups are not expanded here");
            announced.problems.push(
                problem
                    .label("may add flow routes")
                    .help("hand over `show configuration | display inheritance`"),
            );
        }
    }
    for (flow, instance) in &blocks {
        let mut routes = Vec::new();
        for item in flow.get("route").into_iter().flat_map(Item::children) {
            let mut reader = Reader { problems: &mut announced.problems };
            routes.extend(reader.route(item, instance));
        }
        if let Some(groups) = flow.get("apply-groups") {
            let problem = Diagnostic::error(groups.location(), "groups are not expanded here");
            announced.problems.push(problem.help("hand over `… | display inheritance`"));
        }
        // Where routes hold, and whether they are believed, is not judged.
        let besides = flow.statements(&|path, _| matches!(path, ["route" | "term-order", ..]));
        let instance = instance.join(" ");
        announced.besides.extend(
            besides
                .into_iter()
                .map(|(place, text)| (place, format!("routing-options flow {instance} {text}"))),
        );
        let order = flow.at(&["term-order"]).and_then(Item::value);
        if order.is_none_or(|order| order.word() != "standard")
            && let Some((one, other)) = hangs_on_order(&routes)
        {
            let place = order.map_or(one.location, Item::location);
            announced.problems.push(
                Diagnostic::error(
                    place,
                    "the order of these flow routes is not that of the standard",
                )
                .label("it decides what happens to packets that both match")
                .also(other.location, "the other one")
                .help("say `set routing-options flow term-order standard` (RFC 8955 section 5.1)"),
            );
        }
        routes.into_iter().for_each(|route| announced.announce(route));
    }
    !blocks.is_empty()
}

/// Returns the flow routes of routing options, of the main table and of others.
fn flows<'t>(options: Item<'t>, instance: &[String]) -> Vec<(Item<'t>, Vec<String>)> {
    let ribs = options.get("rib").into_iter().flat_map(Item::children);
    let flows = ribs.chain([options]).filter_map(|around| around.get("flow"));
    flows.map(|flow| (flow, instance.to_vec())).collect()
}

/// Returns two routes that may match one packet and do different things with it.
fn hangs_on_order(routes: &[Route]) -> Option<(&Route, &Route)> {
    let does = |route: &Route| -> Vec<Vec<u8>> {
        route.communities.iter().map(|one| one.value.clone()).collect()
    };
    for (number, one) in routes.iter().enumerate() {
        for other in &routes[number + 1..] {
            let differ = does(one) != does(other) || one.unknown.len() + other.unknown.len() > 0;
            if differ && (routes.len() > MOST_COMPARED || share(&one.flow, &other.flow)) {
                return Some((one, other));
            }
        }
    }
    None
}

/// Returns whether two flow specifications may match one packet.
fn share(one: &Flow, other: &Flow) -> bool {
    let apart = |a: &Component, b: &Component| match (a, b) {
        (Component::Prefix(a), Component::Prefix(b)) => {
            let mask = |pattern: &Pattern| {
                Pattern::new(0, a.family, u128::MAX, pattern.length, pattern.offset).bits
            };
            let common = mask(a) & mask(b);
            a.bits & common != b.bits & common
        }
        (Component::Tests { kind, data: a }, Component::Tests { data: b, .. }) => {
            let (a, b) = (NumberSet::new(numbers(a)), NumberSet::new(numbers(b)));
            !matches!(*kind, TCP_FLAGS | FRAGMENT | PORT)
                && !a.ranges().iter().any(|(first, last)| {
                    b.ranges().iter().any(|(other, end)| first <= end && other <= last)
                })
        }
        _ => false,
    };
    one.family == other.family
        && !one
            .components
            .iter()
            .any(|a| other.components.iter().any(|b| a.kind() == b.kind() && apart(a, b)))
}

struct Reader<'a> {
    problems: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn wrong(&mut self, item: Item<'_>, message: String, help: &str) {
        let problem = Diagnostic::error(item.location(), message).label("here");
        self.problems.push(problem.help(help));
    }

    fn route(&mut self, item: Item<'_>, instance: &[String]) -> Option<Route> {
        let before = self.problems.len();
        let mut parts: Vec<(Component, Location)> = Vec::new();
        let mut family = None;
        let Some(matches) = item.get("match") else {
            self.wrong(item, "this route has no `match`".to_owned(), "say what it matches");
            return None;
        };
        for condition in matches.children() {
            let Some((component, place)) = self.component(condition) else { continue };
            if let Component::Prefix(pattern) = &component {
                if family.is_some_and(|family| family != pattern.family) {
                    let help = "write one route for each family";
                    self.wrong(
                        condition,
                        "a route matches IPv4 or IPv6, not both".to_owned(),
                        help,
                    );
                }
                family = Some(pattern.family);
            }
            match parts.iter_mut().find(|(other, _)| other.kind() == component.kind()) {
                None => parts.push((component, place)),
                Some(_) => {
                    let message = "a component stands there twice".to_owned();
                    self.wrong(condition, message, "keep one of them");
                }
            }
        }
        for hidden in item.inactive() {
            let message = format!("`{}` is inactive within a route", hidden.word());
            self.wrong(hidden, message, "remove it, or deactivate the whole route");
        }
        let is_v6 = |(component, _): &(Component, Location)| component.kind() == FLOW_LABEL;
        let family = family.unwrap_or(match parts.iter().any(is_v6) {
            true => Family::V6,
            false => Family::V4,
        });
        parts.sort_by_key(|(component, _)| component.kind());
        let mut communities = Vec::new();
        let mut unknown = Vec::new();
        for action in item.get("then").into_iter().flat_map(Item::children) {
            self.action(action, &mut communities, &mut unknown);
        }
        for other in item.children() {
            if !matches!(other.word(), "match" | "then" | "no-install" | "install") {
                let message =
                    format!("`{}` is not understood in a route", other.word().escape_debug());
                self.wrong(other, message, "a flow route holds `match` and `then`");
            }
        }
        if self.problems.len() > before {
            return None;
        }
        let (components, places): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        if components.is_empty() {
            let help = "a flow specification without a component would match every packet";
            self.wrong(matches, "this route matches nothing in particular".to_owned(), help);
            return None;
        }
        let comments = item.comments();
        Some(Route {
            name: Some(item.word().to_owned()),
            location: item.location(),
            flow: Flow { family, rd: None, components },
            places,
            communities,
            next_hop: None,
            unknown,
            comments,
            receivers: instance.to_vec(),
        })
    }

    fn component(&mut self, condition: Item<'_>) -> Option<(Component, Location)> {
        let place = condition.value().map_or(condition.location(), Item::location);
        let values: Vec<Item<'_>> = condition.children().collect();
        if values.is_empty() {
            let message = format!("`{}` has no value", condition.word());
            self.wrong(condition, message, "give it a value");
            return None;
        }
        match condition.word() {
            "destination" | "source" => {
                let kind = if condition.word() == "source" { SOURCE } else { DESTINATION };
                let value = condition.value()?;
                let offset = value.get("prefix-offset").and_then(Item::value);
                let text = match offset {
                    Some(offset) => format!("{}/{}", value.word(), offset.word()),
                    None => value.word().to_owned(),
                };
                let whole = if text.contains('/') {
                    text
                } else {
                    format!("{text}/{}", if text.contains(':') { 128 } else { 32 })
                };
                match pattern(kind, &whole) {
                    Ok(pattern) => Some((Component::Prefix(pattern), place)),
                    Err(why) => {
                        self.wrong(value, why, "write a prefix such as `192.0.2.0/24`");
                        None
                    }
                }
            }
            "tcp-flags" => {
                let mut operations = Vec::new();
                for value in values {
                    let Some(tests) = flags::parse(value.word(), flags::TCP_FLAGS) else {
                        let message = format!("`{}` is no TCP flag", value.word().escape_debug());
                        self.wrong(value, message, "write flags such as `syn` or `\"syn & !ack\"`");
                        return None;
                    };
                    for test in tests {
                        let (set, clear) = (test.value, test.mask & !test.value);
                        let bits = |operator: u8, value: u8| Operation {
                            and: operator == NOT && set != 0,
                            operator,
                            value: value.into(),
                        };
                        operations.extend((set != 0).then(|| bits(MATCH, set)));
                        operations.extend((clear != 0).then(|| bits(NOT, clear)));
                    }
                }
                Some((Component::of(TCP_FLAGS, &operations), place))
            }
            "fragment" => {
                let mut operations = Vec::new();
                for value in values {
                    let found = FRAGMENTS.iter().find(|(name, _)| *name == value.word());
                    let Some((_, bits)) = found else {
                        let message =
                            format!("`{}` is no fragment bit", value.word().escape_debug());
                        let near = nearest(value.word(), FRAGMENTS.iter().map(|(name, _)| *name));
                        let help = near.map_or("write `is-fragment`".to_owned(), |near| {
                            format!("did you mean `{near}`?")
                        });
                        self.wrong(value, message, &help);
                        return None;
                    };
                    operations.push(match bits {
                        0 => Operation { and: false, operator: NOT, value: 0x0e },
                        bits => Operation { and: false, operator: 0, value: *bits },
                    });
                }
                Some((Component::of(FRAGMENT, &operations), place))
            }
            word => {
                let Some((_, kind, what, names, most)) =
                    NUMBERS.iter().find(|(name, ..)| *name == word)
                else {
                    let message = format!("`{}` is not understood in `match`", word.escape_debug());
                    let known = NUMBERS.iter().map(|(name, ..)| *name);
                    let known = known.chain(["destination", "source", "tcp-flags", "fragment"]);
                    let help = nearest(word, known).map(|near| format!("did you mean `{near}`?"));
                    let help = help.unwrap_or_else(|| "remove it, or say it otherwise".to_owned());
                    self.wrong(condition, message, &help);
                    return None;
                };
                let mut operations = Vec::new();
                for value in values {
                    let spaced = value.at(&["-"]).and_then(Item::value);
                    let text = match spaced {
                        Some(last) => format!("{}-{}", value.word(), last.word()),
                        None => value.word().to_owned(),
                    };
                    match names::range(&text, what, names) {
                        Err(wrong) => {
                            self.problems.push(wrong.at(value.location()));
                            return None;
                        }
                        Ok((_, last)) if last > *most => {
                            let message = format!("{last} is no {what}: it ends at {most}");
                            self.wrong(value, message, "correct the value");
                            return None;
                        }
                        Ok((first, last)) if first == last => {
                            operations.push(Operation {
                                and: false,
                                operator: EQUAL,
                                value: first,
                            });
                        }
                        Ok((first, last)) => operations.extend([
                            Operation { and: false, operator: GREATER | EQUAL, value: first },
                            Operation { and: true, operator: LESS | EQUAL, value: last },
                        ]),
                    }
                }
                Some((Component::of(*kind, &operations), place))
            }
        }
    }

    fn action(
        &mut self,
        action: Item<'_>,
        communities: &mut Vec<Spanned<community::Community>>,
        unknown: &mut Vec<Spanned<String>>,
    ) {
        let place = action.location();
        let value = action.value();
        let word = value.map_or("", Item::word);
        let community = match action.word() {
            "accept" | "community" => return,
            "discard" => Some(community::traffic_rate(0, RateUnit::Bytes)),
            "sample" => Some(community::traffic_action(true, false)),
            "next-term" => Some(community::traffic_action(false, true)),
            // In bits a second here, in bytes on the wire.
            "rate-limit" => names::quantity(word).map(community::bit_rate),
            "packet-rate-limit" => {
                names::quantity(word).map(|rate| community::traffic_rate(rate, RateUnit::Packets))
            }
            "mark" => {
                let dscp = names::range(word, "code point", names::DSCP).ok();
                let dscp = dscp.and_then(|(dscp, _)| u8::try_from(dscp).ok());
                dscp.filter(|dscp| *dscp <= 63).map(community::marking)
            }
            "routing-instance" => {
                let mut parts = word.rsplit(':');
                let number = parts.next().and_then(|text| text.parse().ok());
                let asn = parts.next().and_then(|text| text.parse().ok());
                match (asn, number) {
                    (Some(asn), Some(number)) => community::redirect_to_target(asn, number),
                    _ => None,
                }
            }
            "redirect" | "redirect-to-nexthop" => {
                word.parse().ok().map(community::redirect_to_address)
            }
            other => {
                let text = format!("action {}", other.escape_debug());
                unknown.push(Spanned::new(text, place));
                return;
            }
        };
        match community {
            Some(community) => {
                let place = value.map_or(place, Item::location);
                communities.push(Spanned::new(community, place));
            }
            None => {
                let message =
                    format!("`{}` is no value of `{}`", word.escape_debug(), action.word());
                self.wrong(value.unwrap_or(action), message, "correct the value");
            }
        }
    }
}
