//! The conditions of a term.
//!
//! Port, flag and ICMP conditions look at the octets behind the IP header, whatever the protocol
//! and even in later fragments ("Junos does not automatically check the protocol"); what such a
//! packet holds there is in no recording, so that they are bounded where the term does not name
//! the protocol, and for later fragments.

use super::addresses::{self, Entry};
use crate::junos::names::{self, Names};
use crate::junos::{Item, Tree, flags};
use crate::model::{
    Diagnostic, Family, FragmentTest, Location, Match, NumberSet, Spanned, Term, Unmodelled,
    UnmodelledKind,
};

/// Conditions with numbers: what they are, their words, and what they ask.
type Field = (&'static str, &'static str, Names, fn(NumberSet) -> Term);

const NUMBERS: &[Field] = &[
    ("protocol", "protocol", names::PROTOCOLS, Term::Protocol),
    ("payload-protocol", "protocol", names::PROTOCOLS, Term::Protocol),
    ("next-header", "protocol", names::PROTOCOLS, Term::Protocol),
    ("port", "port", names::PORTS, Term::Port),
    ("source-port", "port", names::PORTS, Term::SrcPort),
    ("destination-port", "port", names::PORTS, Term::DstPort),
    ("icmp-type", "ICMP type", names::ICMP_TYPES, Term::IcmpType),
    ("icmp-code", "ICMP code", names::ICMP_CODES, Term::IcmpCode),
    ("packet-length", "packet length", names::PLAIN, Term::PacketLength),
    ("ttl", "TTL", names::PLAIN, Term::Ttl),
    ("hop-limit", "hop limit", names::PLAIN, Term::Ttl),
    ("dscp", "code point", names::DSCP, Term::Dscp),
    ("traffic-class", "code point", names::DSCP, Term::Dscp),
    ("precedence", "precedence", names::PRECEDENCES, Term::Dscp),
];

/// Conditions that are real but in no recording.
const NOT_RECORDED: &[&str] = &[
    "interface",
    "interface-group",
    "interface-group-except",
    "interface-set",
    "source-class",
    "destination-class",
    "source-class-except",
    "destination-class-except",
    "forwarding-class",
    "forwarding-class-except",
    "loss-priority",
    "loss-priority-except",
    "ip-options",
    "ip-options-except",
    "extension-header",
    "extension-header-except",
    "flow-label",
    "ah-spi",
    "esp-spi",
    "service-filter-hit",
    "flexible-match-mask",
    "flexible-match-range",
    "rat-type",
];

/// What was read of the conditions of a term.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) terms: Vec<Spanned<Term>>,
    pub(super) bounded: Vec<(Location, String)>,
}

pub(super) struct Reader<'a, 't> {
    pub(super) tree: &'t Tree,
    pub(super) family: Option<Family>,
    pub(super) problems: &'a mut Vec<Diagnostic>,
}

fn unmodelled(text: String, kind: UnmodelledKind) -> Term {
    Term::Unmodelled(Unmodelled { text, kind })
}

impl<'t> Reader<'_, 't> {
    /// Reads `from`.
    pub(super) fn read(&mut self, from: Item<'t>) -> Conditions {
        let mut found = Conditions::default();
        let lists = [
            (["source-address", "source-prefix-list"], 0),
            (["destination-address", "destination-prefix-list"], 1),
            (["address", "prefix-list"], 2),
        ];
        for (names, which) in lists {
            let items: Vec<Item<'t>> = names.iter().filter_map(|name| from.get(name)).collect();
            if !items.is_empty() {
                self.addresses(&items, which, &mut found);
            }
        }
        let protocols = self.protocols(from);
        for condition in from.children() {
            let word = condition.word();
            if lists.iter().any(|(names, _)| names.contains(&word)) || word.ends_with("-optimize") {
                continue;
            }
            self.condition(condition, protocols.as_ref(), &mut found);
        }
        found
    }

    fn wrong(&mut self, item: Item<'_>, message: String, help: &str) {
        let problem = Diagnostic::error(item.location(), message).label("here");
        self.problems.push(problem.help(help));
    }

    fn addresses(&mut self, items: &[Item<'t>], which: u8, found: &mut Conditions) {
        let here = items[0].value().map_or(items[0].location(), Item::location);
        let mut entries: Vec<Entry> = Vec::new();
        let mut holes: Option<String> = None;
        for item in items {
            for value in item.children() {
                let except = value.get("except").is_some();
                if item.word().ends_with("prefix-list") {
                    let path = ["policy-options", "prefix-list", value.word()];
                    let Some(list) = self.tree.top().at(&path) else {
                        let message = "this prefix list is not in the configuration".to_owned();
                        self.wrong(value, message, "hand over the file that holds it as well");
                        continue;
                    };
                    for entry in list.children() {
                        if matches!(entry.word(), "apply-path" | "apply-groups") {
                            let message = format!("`{}` is not expanded here", entry.word());
                            self.wrong(entry, message, "write the prefixes themselves");
                        } else if let Some(prefix) = self.prefix(entry) {
                            entries.push((prefix, except));
                        }
                    }
                } else if let Some(prefix) = addresses::prefix(value.word()) {
                    entries.push((prefix, except));
                } else if value.word().contains('/') && value.word().matches('.').count() == 6 {
                    holes = Some(value.word().to_owned());
                } else {
                    self.prefix(value);
                }
            }
        }
        let is_empty = entries.is_empty();
        if let Some(family) = self.family {
            // Prefixes of the other family have no effect in a filter.
            entries.retain(|(prefix, _)| prefix.family == family);
        }
        let name = ["source", "destination", "source or destination"][usize::from(which)];
        if is_empty && holes.is_none() {
            let text = format!("{name} of an empty prefix list");
            found.bounded.push((here, format!("{text}: what Junos makes of it is not known")));
            let term = unmodelled(text, UnmodelledKind::NotUnderstood);
            found.terms.push(Spanned::new(term, here));
            return;
        }
        let only_exceptions = entries.iter().all(|(_, except)| *except) && !entries.is_empty();
        if let Some(mask) = holes {
            let text = format!("{name} {mask}");
            found.bounded.push((here, format!("{text}: masks with holes are not computed")));
            let term = unmodelled(text, UnmodelledKind::NotRecorded);
            found.terms.push(Spanned::new(term, here));
            return;
        }
        let entries = match only_exceptions {
            true => entries.into_iter().map(|(prefix, _)| (prefix, false)).collect(),
            false => entries,
        };
        let set = addresses::set(entries);
        let spanned = |term: Term| Spanned::new(term, here);
        let one = |term: Term| Match { terms: vec![spanned(term)] };
        let term = match which {
            0 => Term::Src(set),
            1 => Term::Dst(set),
            _ => Term::AnyOf(vec![one(Term::Src(set.clone())), one(Term::Dst(set))]),
        };
        if only_exceptions {
            // By the manual nothing is left to match; many think otherwise.
            let text = format!("{name} of exceptions alone");
            found.bounded.push((here, format!("{text}: add `0.0.0.0/0` or `::/0` to the list")));
            found.terms.push(spanned(Term::Not(one(term))));
            found.terms.push(spanned(unmodelled(text, UnmodelledKind::NotUnderstood)));
        } else {
            found.terms.push(spanned(term));
        }
    }

    fn prefix(&mut self, item: Item<'_>) -> Option<crate::model::Prefix> {
        let prefix = addresses::prefix(item.word());
        if prefix.is_none() {
            let message = format!("`{}` is no prefix", item.word().escape_debug());
            self.wrong(item, message, "write a prefix such as `192.0.2.0/24`");
        }
        prefix
    }

    /// Returns the protocols that a term names.
    fn protocols(&mut self, from: Item<'t>) -> Option<NumberSet> {
        let names = ["protocol", "payload-protocol", "next-header"];
        let item = names.iter().find_map(|name| from.get(name))?;
        let ranges = item
            .children()
            .filter_map(|value| names::range(value.word(), "protocol", names::PROTOCOLS).ok());
        Some(NumberSet::new(ranges))
    }

    /// Reads the values of a condition with numbers.
    fn numbers(&mut self, condition: Item<'t>, what: &str, names: Names) -> Option<NumberSet> {
        let mut ranges = Vec::new();
        for value in condition.children() {
            let text = match value.get("-").and_then(Item::value) {
                Some(last) => format!("{}-{}", value.word(), last.word()),
                None => value.word().to_owned(),
            };
            match names::range(&text, what, names) {
                Ok(range) => ranges.push(range),
                Err(wrong) => {
                    self.problems.push(wrong.at(value.location()));
                    return None;
                }
            }
        }
        if ranges.is_empty() {
            let message = format!("`{}` has no value", condition.word());
            self.wrong(condition, message, "give it a value");
            return None;
        }
        if what == "precedence" {
            let wide = ranges.iter().map(|(first, last)| {
                (first.saturating_mul(8), last.saturating_mul(8).saturating_add(7))
            });
            return Some(NumberSet::new(wide));
        }
        Some(NumberSet::new(ranges))
    }

    fn condition(
        &mut self,
        condition: Item<'t>,
        protocols: Option<&NumberSet>,
        found: &mut Conditions,
    ) {
        let word = condition.word();
        let here = condition.value().map_or(condition.location(), Item::location);
        let (name, except) = match word.strip_suffix("-except") {
            Some(name) => (name, true),
            None => (word, false),
        };
        if let Some((_, what, words, make)) = NUMBERS.iter().find(|(known, ..)| *known == name) {
            let words = match (name, self.family) {
                ("icmp-type", Some(Family::V6)) => names::ICMP6_TYPES,
                ("icmp-code", Some(Family::V6)) => names::ICMP6_CODES,
                _ => words,
            };
            let Some(set) = self.numbers(condition, what, words) else { return };
            let set = if except { complement(&set) } else { set };
            if name == "next-header" {
                return next_header(&set, here, found);
            }
            let term = make(set.clone());
            let carriers: &[u64] = match term {
                Term::Port(_) | Term::SrcPort(_) | Term::DstPort(_) => &[6, 17, 132, 136],
                Term::IcmpType(_) | Term::IcmpCode(_) => &[1, 58],
                _ => return found.terms.push(Spanned::new(term, here)),
            };
            let text = format!("{word} {}", shown(&set));
            return payload(term, text, carriers, protocols, here, found);
        }
        match word {
            "tcp-flags" | "tcp-established" | "tcp-initial" => {
                let texts: Vec<&str> = match word {
                    "tcp-flags" => condition.children().map(Item::word).collect(),
                    alias => vec![alias],
                };
                let mut tests = Vec::new();
                for text in texts {
                    let Some(more) = flags::parse(text, flags::TCP_FLAGS) else {
                        let message =
                            format!("`{}` is no expression of flags", text.escape_debug());
                        return self.wrong(condition, message, "write `\"syn & !ack\"`");
                    };
                    tests.extend(more);
                }
                tests.sort_unstable();
                tests.dedup();
                let text = format!("{word} of other packets");
                payload(Term::TcpFlags(tests), text, &[6], protocols, here, found);
            }
            "is-fragment" => {
                let term = Term::Fragment(vec![FragmentTest::NotFirst]);
                found.terms.push(Spanned::new(term, here));
            }
            "first-fragment" => {
                let term = Term::Fragment(vec![FragmentTest::First]);
                found.terms.push(Spanned::new(term, here));
            }
            "fragment-offset" | "fragment-offset-except" => self.offset(condition, here, found),
            "fragment-flags" => self.fragment_flags(condition, here, found),
            _ if NOT_RECORDED.contains(&word) => {
                let values: Vec<&str> = condition.children().map(Item::word).collect();
                let text = format!("{word} {}", values.join(" "));
                let text = text.trim_end().to_owned();
                found.bounded.push((here, format!("{text}: not in any recording")));
                let term = unmodelled(text, UnmodelledKind::NotRecorded);
                found.terms.push(Spanned::new(term, here));
            }
            _ => {
                let values: Vec<&str> = condition.children().map(Item::word).collect();
                let text = format!("{word} {}", values.join(" "));
                let text = text.trim_end().to_owned();
                found.bounded.push((condition.location(), format!("{text}: not understood")));
                let term = unmodelled(text, UnmodelledKind::NotUnderstood);
                found.terms.push(Spanned::new(term, condition.location()));
            }
        }
    }

    fn offset(&mut self, condition: Item<'t>, here: Location, found: &mut Conditions) {
        let Some(set) = self.numbers(condition, "offset", names::PLAIN) else { return };
        let set = if condition.word().ends_with("-except") { complement(&set) } else { set };
        let spanned = |term: Term| Spanned::new(term, here);
        let later = || spanned(Term::Fragment(vec![FragmentTest::NotFirst]));
        let start = Match { terms: vec![spanned(Term::Not(Match { terms: vec![later()] }))] };
        let all_later = NumberSet::new([(1, u64::MAX)]);
        let rest = NumberSet::new(set.ranges().iter().map(|(first, last)| (*first.max(&1), *last)));
        let mut branches = Vec::new();
        if set.contains(0) {
            branches.push(start);
        }
        if rest == all_later {
            branches.push(Match { terms: vec![later()] });
        } else if !rest.ranges().is_empty() {
            let text = format!("fragment-offset {}", shown(&rest));
            found.bounded.push((here, format!("{text}: offsets are not recorded")));
            let term = unmodelled(text, UnmodelledKind::NotRecorded);
            branches.push(Match { terms: vec![later(), spanned(term)] });
        }
        found.terms.push(spanned(Term::AnyOf(branches)));
    }

    fn fragment_flags(&mut self, condition: Item<'t>, here: Location, found: &mut Conditions) {
        let spanned = |term: Term| Spanned::new(term, here);
        let fragment = |test: FragmentTest| spanned(Term::Fragment(vec![test]));
        let not = |term: Spanned<Term>| spanned(Term::Not(Match { terms: vec![term] }));
        let last = || fragment(FragmentTest::Last);
        let any = || fragment(FragmentTest::Any);
        let values: Vec<&str> = condition.children().map(Item::word).collect();
        let terms = match values[..] {
            ["dont-fragment" | "0x4"] => vec![fragment(FragmentTest::DontFragment)],
            ["!dont-fragment"] => vec![not(fragment(FragmentTest::DontFragment))],
            ["more-fragments" | "0x2"] => vec![any(), not(last())],
            ["!more-fragments"] => {
                vec![spanned(Term::Fragment(vec![FragmentTest::None, FragmentTest::Last]))]
            }
            _ => {
                let text = format!("fragment-flags {}", values.join(" "));
                found.bounded.push((here, format!("{text}: not understood")));
                vec![spanned(unmodelled(text, UnmodelledKind::NotUnderstood))]
            }
        };
        found.terms.extend(terms);
    }
}

/// Headers of IPv6 that may stand in front of the upper layer.
const EXTENSIONS: &[u64] = &[0, 43, 44, 51, 60, 135, 139, 140];

/// Adds a condition on the first header behind that of IPv6. It is the upper layer where nothing
/// stands in front of it: in fragments something does, of other packets no record tells.
fn next_header(set: &NumberSet, here: Location, found: &mut Conditions) {
    found.bounded.push((here, "next-header: extension headers are not recorded".to_owned()));
    let spanned = |term: Term| Spanned::new(term, here);
    let all = |terms: Vec<Term>| Match { terms: terms.into_iter().map(spanned).collect() };
    let unknown = |text: &str| unmodelled(text.to_owned(), UnmodelledKind::NotRecorded);
    let in_front = || unknown("an extension header of IPv6 in front of the upper layer");
    let upper = (0..=255).filter(|number| !EXTENSIONS.contains(number) && set.contains(*number));
    let upper = NumberSet::new(upper.map(|number| (number, number)));
    let mut branches = Vec::new();
    if !upper.ranges().is_empty() {
        let whole = Term::Fragment(vec![FragmentTest::None]);
        let nothing = Term::Not(all(vec![in_front()]));
        branches.push(all(vec![Term::Protocol(upper), whole, nothing]));
    }
    let any_in_front = || {
        let part = Term::Fragment(vec![FragmentTest::Any]);
        Term::AnyOf(vec![all(vec![part]), all(vec![in_front()])])
    };
    let (wanted, others): (Vec<u64>, Vec<u64>) =
        EXTENSIONS.iter().partition(|number| set.contains(**number));
    if others.is_empty() {
        branches.push(all(vec![any_in_front()]));
    } else {
        branches.extend(
            wanted
                .iter()
                .map(|number| all(vec![any_in_front(), unknown(&format!("next-header {number}"))])),
        );
    }
    found.terms.push(spanned(Term::AnyOf(branches)));
}

/// Adds a condition on what stands behind the IP header.
fn payload(
    term: Term,
    text: String,
    carriers: &[u64],
    protocols: Option<&NumberSet>,
    here: Location,
    found: &mut Conditions,
) {
    let spanned = |term: Term| Spanned::new(term, here);
    let named = protocols.is_some_and(|set| {
        set.ranges().iter().all(|(first, last)| first == last && carriers.contains(first))
    });
    let mut branches = vec![Match { terms: vec![spanned(term)] }];
    let bytes = || spanned(unmodelled(format!("octets at {text}"), UnmodelledKind::NotRecorded));
    let later = spanned(Term::Fragment(vec![FragmentTest::NotFirst]));
    branches.push(Match { terms: vec![later, bytes()] });
    if !named {
        let all = carriers.iter().map(|number| (*number, *number));
        let others = Match { terms: vec![spanned(Term::Protocol(NumberSet::new(all)))] };
        branches.push(Match { terms: vec![spanned(Term::Not(others)), bytes()] });
        found.bounded.push((here, format!("{text}: the term names no protocol that has it")));
    }
    found.terms.push(spanned(Term::AnyOf(branches)));
}

fn complement(set: &NumberSet) -> NumberSet {
    let mut ranges = Vec::new();
    let mut next = Some(0u64);
    for (first, last) in set.ranges() {
        if let Some(from) = next
            && *first > from
        {
            ranges.push((from, first - 1));
        }
        next = last.checked_add(1);
    }
    ranges.extend(next.map(|from| (from, u64::MAX)));
    NumberSet::new(ranges)
}

fn shown(set: &NumberSet) -> String {
    let ranges = set.ranges().iter().map(|(first, last)| match (first, last) {
        (first, last) if first == last => first.to_string(),
        (first, &u64::MAX) => format!("{first}-"),
        (first, last) => format!("{first}-{last}"),
    });
    ranges.collect::<Vec<_>>().join(",")
}
