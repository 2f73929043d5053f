//! Filters, policers, and which of them is judged.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{LANGUAGE, addresses};
use crate::languages::{Files, Path, Sure, Way};
use crate::model::{
    Action, Address, AddressSet, Burst, Diagnostic, Exceed, Family, FragmentTest, NumberSet,
    Prefix, RuleSet, Severity, Sources, Term, UnmodelledKind,
};

fn parse(text: &str) -> (RuleSet, Vec<Diagnostic>) {
    by_way(text, None, None)
}

fn by_way(text: &str, iif: Option<&str>, oif: Option<&str>) -> (RuleSet, Vec<Diagnostic>) {
    let mut sources = Sources::new();
    let file = sources.add("a.conf", text);
    let name = |name: Option<&str>| name.map(str::to_owned);
    let way = Way { path: Path::default(), iif: name(iif), oif: name(oif) };
    let included = BTreeMap::new();
    (LANGUAGE.parse)(&Files { sources: &sources, files: &[file], included: &included, way: &way })
}

fn read(text: &str) -> RuleSet {
    let (set, problems) = parse(text);
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    set
}

fn one(from: &str, then: &str) -> RuleSet {
    read(&(LANGUAGE.frame)(&format!("{from} then {then}")))
}

/// The conditions of a term, without its family.
fn terms(from: &str) -> Vec<Term> {
    let set = one(from, "discard;");
    set.rules[0].matches.terms[1..].iter().map(|term| term.value.clone()).collect()
}

fn ids(set: &RuleSet) -> Vec<&str> {
    set.rules.iter().map(|rule| rule.id.as_str()).collect()
}

fn addresses(texts: &[&str]) -> AddressSet {
    AddressSet::new(texts.iter().map(|text| addresses::prefix(text).expect("a prefix").range()))
}

proptest! {
    #[test]
    fn the_longest_prefix_decides(
        list in prop::collection::vec((0u128..16, 0u8..=4, any::<bool>()), 0..8),
        v6: bool, address in 0u128..16,
    ) {
        let family = if v6 { Family::V6 } else { Family::V4 };
        let shift = family.bits() - 4;
        let entries: Vec<(Prefix, bool)> = list
            .iter()
            .map(|(bits, length, except)| {
                (Prefix::new(Address { family, bits: bits << shift }, *length), *except)
            })
            .collect();
        let address = Address { family, bits: address << shift | 5 };
        let longest = entries.iter().filter(|(prefix, _)| prefix.contains(address))
            .max_by_key(|(prefix, except)| (prefix.length, *except));
        let expected = longest.is_some_and(|(_, except)| !except);
        prop_assert_eq!(addresses::set(entries.clone()).contains(address), expected, "{:?}", entries);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-c /0-9.:\\[\\]{};\"#\n-]{0,60}") {
        parse(&text);
        parse(&format!("set firewall family inet filter f term t {text}"));
        parse(&(LANGUAGE.frame)(&format!("{text} then {text}")));
        for word in ["address", "port", "tcp-flags", "fragment-offset", "fragment-flags"] {
            parse(&(LANGUAGE.frame)(&format!("{word} {text};")));
        }
    }
}

#[test]
fn both_forms_give_the_same_rules() {
    let braces = read(
        "firewall { family inet { filter edge { term a { from { source-address { 10.0.0.0/8; \
         10.1.0.0/16 except; } protocol udp; port [ ntp 53 ]; } then { count c; discard; } } \
         term rest { then accept; } } } }",
    );
    let lines = read(
        "set firewall family inet filter edge term a from source-address 10.0.0.0/8\n\
         set firewall family inet filter edge term a from source-address 10.1.0.0/16 except\n\
         set firewall family inet filter edge term a from protocol udp\n\
         set firewall family inet filter edge term a from port ntp\n\
         set firewall family inet filter edge term a from port 53\n\
         set firewall family inet filter edge term a then count c\n\
         set firewall family inet filter edge term a then discard\n\
         set firewall family inet filter edge term rest then accept\n",
    );
    assert_eq!(ids(&braces), ["edge.a", "edge.rest"]);
    assert_eq!(ids(&braces), ids(&lines));
    for (one, other) in braces.rules.iter().zip(&lines.rules) {
        assert!(one.same_effect(other), "{one:?}\n{other:?}");
    }
}

#[test]
fn a_filter_ends_with_a_discard_of_its_family() {
    let set = read(
        "set firewall family inet filter f term t from protocol udp\nset firewall family inet filter f term t then accept\n",
    );
    assert_eq!(ids(&set), ["f.t", "f.implicit-discard"]);
    assert_eq!(set.rules[1].action.value, Action::Drop);
    assert_eq!(set.rules[1].matches.terms[0].value, Term::Family(Family::V4));
    let set = read("set firewall family inet filter f term t then count c\n");
    assert_eq!(ids(&set), ["f.t"]);
    assert_eq!(set.rules[0].action.value, Action::Accept);
    let set = read("set firewall family inet filter f term t then next term\n");
    assert_eq!(ids(&set), ["f.implicit-discard"]);
}

#[test]
fn conditions_are_terms_of_the_model() {
    let udp = Term::Protocol(NumberSet::new([(17, 17)]));
    assert_eq!(terms("protocol udp;"), std::slice::from_ref(&udp));
    assert_eq!(
        terms("source-address 10.0.0.0/8; source-prefix-list customers;"),
        [Term::Src(addresses(&["10.0.0.0/8", "192.0.2.0/24"]))]
    );
    assert_eq!(
        terms("destination-prefix-list customers; destination-address 192.0.2.0/25 except;"),
        [Term::Dst(addresses(&["192.0.2.128/25"]))]
    );
    assert!(matches!(terms("address 192.0.2.1;")[..], [Term::AnyOf(_)]));
    assert_eq!(
        terms("precedence [ flash net-control ];"),
        [Term::Dscp(NumberSet::new([(24, 31), (56, 63)]))]
    );
    assert_eq!(
        terms("packet-length 100 - 200;"),
        [Term::PacketLength(NumberSet::new([(100, 200)]))]
    );
    assert_eq!(
        terms("ttl-except [ 1 64 ];"),
        [Term::Ttl(NumberSet::new([(0, 0), (2, 63), (65, u64::MAX)]))]
    );
    assert_eq!(terms("is-fragment;"), [Term::Fragment(vec![FragmentTest::NotFirst])]);
    assert_eq!(terms("first-fragment;"), [Term::Fragment(vec![FragmentTest::First])]);
    let found = terms("protocol udp; destination-port-except 53;");
    let Some(Term::AnyOf(branches)) = found.last() else { panic!("{found:?}") };
    // The port, and what a later fragment holds in its place.
    assert_eq!(branches.len(), 2);
    let ports = Term::DstPort(NumberSet::new([(0, 52), (54, u64::MAX)]));
    assert_eq!(branches[0].terms[0].value, ports);
}

#[test]
fn what_cannot_be_told_is_said_so() {
    for (from, kind) in [
        ("interface ge-0/0/0.0;", UnmodelledKind::NotRecorded),
        ("ip-options any;", UnmodelledKind::NotRecorded),
        ("colour blue;", UnmodelledKind::NotUnderstood),
        ("destination-port 53;", UnmodelledKind::NotRecorded),
        ("source-address 10.0.0.0/8 except;", UnmodelledKind::NotUnderstood),
    ] {
        let set = one(from, "discard;");
        assert_eq!(set.rules[0].matches.unmodelled()[0].kind, kind, "{from}");
        assert_eq!(set.coverage[0].bounded.len(), 1, "{from}");
    }
}

#[test]
fn policers_count_bits_and_bytes_for_each_term_or_filter() {
    let limit = |then: &str| {
        let set = one("", then);
        assert_eq!(ids(&set)[..2], ["f.t", "f.t.accept"]);
        match set.rules[0].action.value.clone() {
            Action::RateLimit(limit) => limit,
            other => panic!("{other:?}"),
        }
    };
    let term = limit("policer p;");
    assert_eq!(term.rate.to_string(), "10 Mbps");
    assert_eq!(term.burst, Burst::Bytes(625_000));
    assert_eq!((term.bucket, term.exceed), (None, Exceed::Drop));
    assert_eq!(limit("policer f;").bucket, Some("f/f".to_owned()));
    assert_eq!(limit("policer soft;").exceed, Exceed::Log);
    let set = one("", "policer p; next term;");
    assert_eq!(ids(&set), ["f.t", "f.rest"]);
    let set = one("", "policer percent;");
    assert_eq!(set.rules[0].action.value, Action::Drop);
    assert_eq!(set.rules[0].matches.unmodelled().len(), 1);
}

#[test]
fn interfaces_say_which_filter_is_judged() {
    let two = "set firewall family inet filter f term t then accept\n\
               set firewall family inet filter g term t then discard\n";
    let problem = |text: &str| {
        let (_, problems) = parse(text);
        let errors: Vec<String> = problems
            .into_iter()
            .filter(|problem| problem.severity == Severity::Error)
            .map(|problem| problem.message)
            .collect();
        errors.join(" | ")
    };
    assert!(problem(two).contains("which of these filters"), "{}", problem(two));
    let apply = |name: &str, side: &str, filter: &str| {
        format!("set interfaces {name} unit 0 family inet filter {side} {filter}\n")
    };
    let text = format!("{two}{}", apply("xe-0/0/0", "input", "g"));
    let (set, problems) = parse(&text);
    assert_eq!(ids(&set), ["g.t"]);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].severity, Severity::Warning);
    let text = format!("{text}{}", apply("xe-0/0/1", "output", "f"));
    assert!(problem(&text).contains("apply different filters"));
    assert_eq!(ids(&by_way(&text, Some("xe-0/0/0"), None).0), ["g.t"]);
    assert_eq!(ids(&by_way(&text, None, Some("xe-0/0/1.0")).0), ["f.t"]);
    let text = format!(
        "{two}{}{}",
        apply("xe-0/0/0", "input-list", "f"),
        apply("xe-0/0/0", "input-list", "g")
    );
    assert_eq!(ids(&parse(&text).0), ["f.t", "g.t"]);
    let text = format!("{two}{}", apply("xe-0/0/0", "input", "h"));
    assert!(problem(&text).contains("not in the configuration"));
}

#[test]
fn filters_nest_and_never_in_a_circle() {
    let set = read(
        "set firewall family inet filter f term a filter g\n\
         set firewall family inet filter f term b then accept\n\
         set firewall family inet filter g term x from protocol udp\n\
         set firewall family inet filter g term x then discard\n\
         set interfaces xe-0/0/0 unit 0 family inet filter input f\n",
    );
    assert_eq!(ids(&set), ["g.x", "f.b"]);
    let (_, problems) = parse(
        "set firewall family inet filter f term a filter g\n\
         set firewall family inet filter g term a filter f\n\
         set interfaces xe-0/0/0 unit 0 family inet filter input f\n",
    );
    assert!(problems[0].message.contains("in a circle"), "{problems:?}");
}

#[test]
fn filters_of_both_families_are_judged_together() {
    let set = read(
        "set firewall family inet filter f term t then discard\n\
         set firewall family inet6 filter g term t from next-header tcp\n\
         set firewall family inet6 filter g term t then discard\n",
    );
    assert_eq!(ids(&set), ["f.t", "g.t", "g.implicit-discard"]);
    assert_eq!(set.rules[2].matches.terms[0].value, Term::Family(Family::V6));
}

#[test]
fn remarks_stand_at_terms() {
    for text in [
        "firewall { family inet { filter f { /* blastgate: id=acme intent target=acme */ term t { from { protocol udp; } then discard; } } } }",
        "# blastgate: id=acme intent target=acme\nset firewall family inet filter f term t from protocol udp\nset firewall family inet filter f term t then discard\n",
        "set firewall family inet filter f term t from protocol udp\nset firewall family inet filter f term t then discard\nannotate firewall family inet filter f term t \"blastgate: id=acme intent target=acme\"\n",
    ] {
        let set = read(text);
        assert_eq!(ids(&set), ["acme", "f.implicit-discard"], "{text}");
        assert!(set.rules[0].intent.is_some() && set.rules[1].intent.is_none());
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, says) in [
        ((LANGUAGE.frame)("protocol upd;"), "unknown protocol `upd`"),
        ((LANGUAGE.frame)("port 2000-1000;"), "range is empty"),
        ((LANGUAGE.frame)("source-address ten;"), "is no prefix"),
        ((LANGUAGE.frame)("source-prefix-list nobody;"), "prefix list is not in the configuration"),
        ((LANGUAGE.frame)("protocol tcp; tcp-flags sny;"), "no expression of flags"),
        ((LANGUAGE.frame)("then policer q;"), "policer is not in the configuration"),
        ("set firewall family inet filter f term t form protocol udp".to_owned(), "`form` is not understood"),
        ("set firewall policer p if-exceeding bandwidth-limit 1m".to_owned(), "no firewall filter"),
        ("set firewall family inet filter f term t then accept\nset apply-groups g\nset groups g firewall x".to_owned(), "groups are not expanded"),
        ("firewall { family inet { filter f { term t { then accept; } }".to_owned(), "a block has no end"),
    ] {
        let (_, problems) = parse(&text);
        assert_eq!(problems.len(), 1, "{text}\n{problems:?}");
        assert!(problems[0].message.contains(says), "{text}\n{problems:?}");
        assert_eq!(problems[0].severity, Severity::Error);
    }
}

#[test]
fn texts_are_told_from_others() {
    for text in [
        "set firewall family inet filter f term t then accept",
        "# x\nset firewall filter f term t then accept",
        "## Last commit\nversion 20.1;\nfirewall {\n    family inet {\n        filter f {\n",
    ] {
        assert_eq!((LANGUAGE.detect)(text), Sure::Certain, "{text}");
    }
    assert_eq!((LANGUAGE.detect)("set policy-options prefix-list p 10.0.0.0/8"), Sure::Maybe);
    for text in ["", "version: 1\nrules:\n", "table ip x {\n chain y {\n", "*filter\n:INPUT ACCEPT"]
    {
        assert_eq!((LANGUAGE.detect)(text), Sure::No, "{text}");
    }
}

#[test]
fn of_accept_discard_and_reject_the_last_one_holds() {
    let action = |then: &str| {
        let set = read(&format!(
            "firewall {{ family inet {{ filter f {{ term a {{ from {{ protocol udp; }} then {{ {then} }} \
             }} }} }} }}"
        ));
        set.rules[0].action.value.clone()
    };
    assert_eq!(action("discard; accept;"), Action::Accept);
    assert_eq!(action("accept; discard;"), Action::Drop);
    assert_eq!(action("reject; count x; discard;"), Action::Drop);
}

#[test]
fn words_around_filters_that_nobody_knows_are_not_passed_over() {
    let says = |text: &str| {
        let (_, problems) = parse(text);
        let help = problems.iter().filter(|one| one.severity == Severity::Error);
        help.filter_map(|one| one.help.clone()).collect::<Vec<_>>().join("; ")
    };
    let filter = "firewall { family inet { filter f { term a { then accept; } } } }";
    for (wrong, near) in [
        ("firewal { family inet { filter f { term b { then discard; } } } }", "firewall"),
        ("firewall { famly inet { filter f { term b { then discard; } } } }", "family"),
        ("firewall { family inet { filter f { trem b { then discard; } } } }", "term"),
        ("firewall { family inet { fliter f { term b { then discard; } } } }", "filter"),
        ("policy-options { prefix-lst p { 192.0.2.0/24; } }", "prefix-list"),
        ("interfaces { xe-0/0/0 { unit 0 { famly inet { filter { input f; } } } } }", "family"),
        ("interfaces { xe-0/0/0 { unit 0 { family inet { filter { inptu f; } } } } }", "input"),
    ] {
        let said = says(&format!("{filter}\n{wrong}"));
        assert!(said.contains(&format!("did you mean `{near}`?")), "{wrong}: {said}");
    }
    assert_eq!(says(&format!("system {{ host-name r; }}\n{filter}")), "");
}
