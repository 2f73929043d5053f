//! What comments say to blastgate, and what is wrong with them.

use proptest::prelude::*;

use super::*;
use crate::model::{SourceId, Sources};

const BEFORE: &str = "# ";

fn place(text: &str) -> Location {
    let span = Span::new(BEFORE.len(), BEFORE.len() + text.len());
    Location { source: SourceId(0), span }
}

fn parse(text: &str) -> Remark {
    read(text, place(text)).expect("a remark").expect("addressed to us")
}

fn words(selectors: &[Spanned<String>]) -> Vec<&str> {
    selectors.iter().map(|one| one.value.as_str()).collect()
}

#[test]
fn every_key_reads() {
    let text = "blastgate: id=acme-1 owner=netops ticket=INC-1 expires=2026-12-01 \
                description='the flood' intent target=acme,tag:web may_affect=acme may_reach=all \
                max_collateral=1% max_target_loss=5% must_stop=90% summary=\"on acme only\"";
    let remark = parse(text);
    assert_eq!(remark.id.map(|id| id.value).as_deref(), Some("acme-1"));
    assert_eq!(remark.owner.map(|owner| owner.value).as_deref(), Some("netops"));
    assert_eq!(remark.ticket.map(|ticket| ticket.value).as_deref(), Some("INC-1"));
    assert_eq!(remark.description.map(|line| line.value).as_deref(), Some("the flood"));
    assert_eq!(remark.expires.map(|time| time.value), words::time("2026-12-01").ok());
    let intent = remark.intent.expect("an intent");
    assert_eq!(words(&intent.target), ["acme", "tag:web"]);
    assert_eq!(intent.may_affect.as_deref().map(words), Some(vec!["acme"]));
    assert_eq!(intent.may_reach.as_deref().map(words), Some(vec!["all"]));
    assert_eq!(intent.max_collateral, Share(10_000_000));
    assert_eq!(intent.max_target_loss, Some(Share(50_000_000)));
    assert_eq!(intent.must_stop.map(|share| share.value), Some(Share(900_000_000)));
    assert_eq!(intent.summary.as_deref(), Some("on acme only"));
    let full = format!("{BEFORE}{text}");
    let underlined = |location: Location| &full[location.span.range()];
    assert_eq!(underlined(intent.location), "intent");
    assert_eq!(underlined(intent.target[1].location), "tag:web");
}

#[test]
fn other_comments_are_left_alone() {
    for text in [
        "",
        "drop the flood",
        "blastgate",
        "see blastgate: id=x",
        "blastgated: id=x",
        "blastgate is run on this file",
        "blast",
    ] {
        assert_eq!(read(text, place(text)), Ok(None), "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_underlined_and_helped() {
    for (text, underlined, says) in [
        ("blastgate:", "blastgate:", "write `blastgate: id=NAME"),
        ("blastgate intent target=acme", "blastgate", "`blastgate:`"),
        ("Blastgate: id=x", "Blastgate", "`blastgate:`"),
        ("blastgate : id=x", "blastgate", "`blastgate:`"),
        ("blastgate: intent", "intent", "`intent target=acme`"),
        ("blastgate: intent may_affect=acme", "intent", "`intent target=acme`"),
        ("blastgate: target=acme", "target", "put the word `intent` before it"),
        ("blastgate: intent traget=acme", "traget", "did you mean `target`?"),
        ("blastgate: intent target=acme may-reach=all", "may-reach", "did you mean `may_reach`?"),
        ("blastgate: intent=acme", "intent", "`intent target=…`"),
        ("blastgate: id=", "id", "write `id=…`"),
        ("blastgate: id", "id", "write `id=…`"),
        ("blastgate: id=Acme", "Acme", "lower-case letters"),
        ("blastgate: id=default", "default", "another id"),
        ("blastgate: id=a id=b", "id", "keep one"),
        ("blastgate: expires=soon", "soon", "2026-12-01"),
        ("blastgate: intent target=a must_stop=90", "90", "write `90%`"),
        ("blastgate: intent target=a,,b", "a,,b", "write `target=acme,tag:web`"),
        ("blastgate: intent target=\"a b\"", "a b", "write `target=acme,tag:web`"),
        ("blastgate: owner=\"a b", "\"a b", "owner="),
        ("blastgate: owner=\"a\"b", "\"", "a space"),
        ("blastgate: owner=a b", "b", "quote a value"),
        ("blastgate: intent target=a attack_match=udp", "attack_match", "`intents:`"),
    ] {
        let problem = read(text, place(text)).expect_err(text);
        let full = format!("{BEFORE}{text}");
        let shown = &full[problem.location.expect("a place").span.range()];
        assert_eq!(shown, underlined, "{text}: {problem:?}");
        let said = format!("{}: {}", problem.message, problem.help.as_deref().unwrap_or_default());
        assert!(said.contains(says), "{text}: {said}");
        assert!(!problem.label.is_empty(), "{text}");
    }
}

#[test]
fn two_comments_of_a_rule_add_up_but_do_not_overrule_each_other() {
    let mut remark = parse("blastgate: id=x");
    remark.add(parse("blastgate: intent target=acme")).expect("both");
    assert!(remark.id.is_some() && remark.intent.is_some());
    let problem = remark.add(parse("blastgate: intent target=bg-one")).expect_err("twice");
    assert!(problem.also.is_some(), "{problem:?}");
}

#[test]
fn a_text_with_escapes_is_underlined_as_a_whole() {
    let location = Location { source: SourceId(0), span: Span::new(0, 99) };
    let problem = read("blastgate: idd=x", location).expect_err("unknown");
    assert_eq!(problem.location, Some(location));
}

proptest! {
    #[test]
    fn no_text_panics_and_every_problem_has_a_place_in_it(
        text in "(blastgate:)?([ =,\"']|id|intent|target|must_stop|acme|90%|é|\\PC){0,24}",
    ) {
        let mut sources = Sources::new();
        let full = format!("{BEFORE}{text}");
        let source = sources.add("a", full.as_str());
        if let Err(problem) = read(&text, Location { source, ..place(&text) }) {
            let span = problem.location.expect("a place").span;
            prop_assert!(full.get(span.range()).is_some(), "{text}: {problem:?}");
        }
    }
}
