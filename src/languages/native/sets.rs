//! Named sets of addresses, shared by all files of a rule set.

use std::collections::BTreeMap;

use super::values::{each, under, word};
use crate::model::{AddressRange, AddressSet, Diagnostic, Location};
use crate::words;
use crate::yaml::{Decoder, Node, Value, nearest};

/// What may be written in a set.
const HELP: &str = "write addresses, prefixes or ranges: `[203.0.113.10, 198.51.100.0/24, \
                    192.0.2.1-192.0.2.9]`";

/// The sets that a `$name` may mean.
pub(super) struct Sets {
    named: BTreeMap<String, Named>,
    /// False where a file that may define more could not be read.
    complete: bool,
    /// False where there are no sets at all, in the config.
    allowed: bool,
}

struct Named {
    place: Location,
    /// Nothing if the definition is wrong, which has been said.
    addresses: Option<AddressSet>,
}

impl Sets {
    /// Makes the sets of a place that has none.
    pub(super) fn none() -> Sets {
        Sets { named: BTreeMap::new(), complete: true, allowed: false }
    }

    /// Makes an empty collection; `complete` says whether all files could be read.
    pub(super) fn new(complete: bool) -> Sets {
        Sets { named: BTreeMap::new(), complete, allowed: true }
    }

    /// Reads the `sets` of one file.
    pub(super) fn define(&mut self, node: &Node, decoder: &mut Decoder) {
        let Value::Map(entries) = &node.value else {
            decoder.mismatch(node, "a map of sets");
            return;
        };
        if entries.is_empty() {
            decoder.report(
                Diagnostic::error(node.location, "`sets` is empty")
                    .label("nothing here")
                    .help("remove `sets`, or write one such as `web: [203.0.113.10]`"),
            );
        }
        for (key, value) in entries {
            let addresses = under(key, HELP, decoder, |decoder| literals(value, decoder));
            let Some(name) = set_name(key, decoder) else { continue };
            if let Some(first) = self.named.get(&name) {
                decoder.report(
                    Diagnostic::error(key.location, format!("set `{name}` is defined twice"))
                        .label("defined again")
                        .also(first.place, "first defined here")
                        .help("rename one of them, or join them; sets are shared by all files"),
                );
                continue;
            }
            self.named.insert(name, Named { place: key.location, addresses });
        }
    }

    /// Returns the addresses that an item of `src` or `dst` means: a literal or a `$set`.
    pub(super) fn addresses(&self, item: &Node, decoder: &mut Decoder) -> Option<AddressSet> {
        if let Value::Map(_) = item.value {
            decoder.report(
                Diagnostic::error(item.extent(), "expected an address, found a map")
                    .label("YAML reads a map here")
                    .help("write quotes around an IPv6 address that ends in `:`"),
            );
            return None;
        }
        let text = decoder.text(item, "an address")?.trim();
        if let Some(name) = text.strip_prefix('$') {
            return self.named(item, name, decoder);
        }
        match words::address_range(text) {
            Ok(range) => Some(AddressSet::new([range])),
            Err(wrong) => {
                let mut problem = wrong.at(item.location);
                if self.named.contains_key(text) {
                    problem.help = Some(format!("did you mean the set `${text}`?"));
                } else if let Some(excluded) = text.strip_prefix('!') {
                    problem.help = Some(format!("to exclude, write `not: {{dst: {excluded}}}`"));
                } else if ["any", "all", "*"].contains(&text) {
                    problem.help =
                        Some("leave the field out; `match: any` is every packet".to_owned());
                } else if text.contains(',') {
                    problem.help = Some(format!("write a list: `[{text}]`"));
                }
                decoder.report(problem);
                None
            }
        }
    }

    fn named(&self, item: &Node, name: &str, decoder: &mut Decoder) -> Option<AddressSet> {
        if !self.allowed {
            decoder.report(
                Diagnostic::error(item.location, format!("there are no sets here for `${name}`"))
                    .label("only rule files have sets")
                    .help("write the addresses themselves"),
            );
            return None;
        }
        if let Some(found) = self.named.get(name) {
            return found.addresses.clone();
        }
        if self.complete {
            let problem = Diagnostic::error(item.location, format!("unknown set `${name}`"))
                .label("not defined in any file");
            let known = self.named.keys().map(String::as_str);
            // Bounded: thousands of unknown names and thousands of sets must not take minutes.
            decoder.report(match nearest(name, known.clone().take(1_000)) {
                Some(near) => problem.help(format!("did you mean `${near}`?")),
                None if self.named.is_empty() => {
                    problem.help("define it at the top of a file: `sets: {web: [203.0.113.10]}`")
                }
                None => {
                    let known: Vec<String> = known.take(10).map(|set| format!("${set}")).collect();
                    problem.help(format!("known sets: {}", known.join(", ")))
                }
            });
        }
        None
    }
}

/// Reads the value of a set: only literals, so that no set can mean itself.
fn literals(node: &Node, decoder: &mut Decoder) -> Option<AddressSet> {
    let ranges: Vec<AddressRange> = each(node, "the set", decoder, |item, decoder| {
        if let Value::Scalar { text, .. } = &item.value
            && text.trim_start().starts_with('$')
        {
            decoder.report(
                Diagnostic::error(item.location, format!("`{text}` stands inside a set"))
                    .label("sets hold no sets")
                    .help("write its addresses here, or list both sets where they are used"),
            );
            return None;
        }
        word(item, "an address", decoder, words::address_range)
    })?;
    Some(AddressSet::new(ranges))
}

fn set_name(key: &Node, decoder: &mut Decoder) -> Option<String> {
    let Value::Scalar { text, .. } = &key.value else {
        decoder.report(
            Diagnostic::error(key.location, "the name of a set is no word")
                .label("should be a word")
                .help("write a name such as `acme-web`"),
        );
        return None;
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !text.is_empty() && text.chars().all(valid) {
        return Some(text.clone());
    }
    let problem =
        Diagnostic::error(key.location, format!("`{}` is no name for a set", text.escape_debug()))
            .label("not a name");
    decoder.report(match text.strip_prefix('$') {
        Some(bare) => problem.help(format!("define it as `{bare}`; use it as `${bare}`")),
        None => problem.help("letters, digits, `.`, `_` and `-` only"),
    });
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{one_problem, parse, problems, read};
    use crate::model::Term;

    fn using(name: &str) -> String {
        format!("version: 1\nrules:\n  - {{id: x, match: {{dst: {name}}}, action: drop}}\n")
    }

    #[test]
    fn a_set_is_seen_by_all_files_wherever_it_stands() {
        let sets = "version: 1\nsets: {web: [203.0.113.10, 198.51.100.0/24], one: 192.0.2.1}\n";
        for files in [[sets, &using("[$web, $one]")], [&using("[$web, $one]"), sets]] {
            let (_, set, problems) = parse(&files);
            assert!(problems.is_empty(), "{problems:#?}");
            let Term::Dst(addresses) = &set.rules[0].matches.terms[0].value else { panic!() };
            assert_eq!(addresses.iter().count(), 3);
        }
    }

    #[test]
    fn an_unknown_set_names_the_nearest() {
        let sets = "version: 1\nsets: {acme-web: 203.0.113.10}\n";
        let (_, set, found) = parse(&[sets, &using("$acme-wed")]);
        assert_eq!(found[0].help.as_deref(), Some("did you mean `$acme-web`?"));
        assert!(set.rules.is_empty());
        assert_eq!(problems(&[sets, &using("$other")])[0].0, "$other");
        let (_, _, found) = parse(&[sets, &using("acme-web")]);
        assert_eq!(found[0].help.as_deref(), Some("did you mean the set `$acme-web`?"));
        assert_eq!(problems(&[sets, &using("$")]).len(), 1);
    }

    #[test]
    fn a_set_in_a_file_that_cannot_be_read_is_not_called_unknown() {
        let (_, set, found) = parse(&["sets: [", &using("$web")]);
        assert_eq!((found.len(), set.rules.len()), (1, 0));
    }

    #[test]
    fn a_set_is_defined_once() {
        let one = "version: 1\nsets: {web: 203.0.113.10}\n";
        let (_, _, found) = parse(&[one, one]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].also.as_ref().map(|(place, _)| place.source.0), Some(0));
        assert_eq!(
            problems(&["version: 1\nsets: {1: 203.0.113.1, \"1\": 203.0.113.2}\n"]).len(),
            1
        );
    }

    #[test]
    fn a_set_holds_literals_and_is_never_empty() {
        for (set, underlined, says) in [
            ("{web: []}", "[", "is empty"),
            ("{web: }", "web", "is empty"),
            ("{web: \"\"}", "\"\"", "is empty"),
            ("{web: [203.0.113.1, $other]}", "$other", "list both sets where"),
            ("{web: [203.0.113.1, [203.0.113.2]]}", "[", "expected an address"),
            ("{web: {a: 203.0.113.1}}", "{", "expected an address"),
            ("{web: 203.0.113.256}", "203.0.113.256", "no address"),
            ("{$web: 203.0.113.1}", "$web", "define it as `web`"),
            ("{\"a b\": 203.0.113.1}", "\"a b\"", "letters, digits"),
            ("[203.0.113.1]", "[", "expected a map of sets"),
        ] {
            let text = format!("version: 1\nsets: {set}\n");
            one_problem(&text, underlined, says);
        }
    }

    #[test]
    fn a_broken_set_is_said_once_and_its_rules_are_left_out() {
        let text = format!("{}sets: {{web: 203.0.113.256}}\n", using("$web"));
        one_problem(&text, "203.0.113.256", "no address");
        assert!(parse(&[&text]).1.rules.is_empty());
        assert_eq!(read(&using("203.0.113.1")).rules.len(), 1);
    }
}
