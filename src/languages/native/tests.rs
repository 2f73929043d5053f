//! The whole language: the example of the manual, several files, and that nothing passes by
//! being broken.

use super::*;
use crate::model::*;

mod generated;

/// Parses files, the first named `a.yaml`.
pub(super) fn parse(texts: &[&str]) -> (Sources, RuleSet, Vec<Diagnostic>) {
    let mut sources = Sources::new();
    let ids: Vec<SourceId> = texts
        .iter()
        .zip('a'..)
        .map(|(text, letter)| sources.add(format!("{letter}.yaml"), *text))
        .collect();
    let (set, problems) = LANGUAGE.parse_texts(&sources, &ids);
    (sources, set, problems)
}

/// Parses a file that must be right.
pub(super) fn read(text: &str) -> RuleSet {
    let (_, set, problems) = parse(&[text]);
    assert!(problems.is_empty(), "{text}\n{problems:#?}");
    set
}

/// Returns what is underlined and the message of every problem, each of which must have a place
/// with text, a label and a help line.
pub(super) fn problems(texts: &[&str]) -> Vec<(String, String)> {
    let (sources, _, problems) = parse(texts);
    problems
        .into_iter()
        .map(|problem| {
            assert_eq!(problem.severity, Severity::Error);
            let place = problem.location.expect("a place");
            let text = &sources.get(place.source).text[place.span.range()];
            assert!(!text.is_empty(), "nothing underlined: {problem:?}");
            assert!(!problem.label.is_empty(), "no label: {problem:?}");
            assert!(problem.help.is_some(), "no help: {problem:?}");
            (text.to_owned(), problem.message)
        })
        .collect()
}

/// Checks that a file has one problem, what it underlines, and what message or help says.
pub(super) fn one_problem(text: &str, underlined: &str, says: &str) {
    let (_, _, found) = parse(&[text]);
    let places = problems(&[text]);
    assert_eq!(places.len(), 1, "{text}\n{found:#?}");
    assert_eq!(places[0].0, underlined, "{text}\n{found:#?}");
    let said = format!("{}: {}", found[0].message, found[0].help.as_deref().unwrap_or(""));
    assert!(said.contains(says), "{text}\n{said}");
}

/// Makes a file of one rule.
pub(super) fn rule(matches: &str, action: &str) -> String {
    format!("version: 1\nrules:\n  - {{id: x, match: {matches}, action: {action}}}\n")
}

const EXAMPLE: &str = "\
version: 1
sets:
  acme-web: [203.0.113.10, 203.0.113.11, \"2001:db8:a::10\"]
rules:
  - id: acme-udp-flood                # unique in the rule set: [a-z0-9][a-z0-9._-]*
    description: Limit the UDP flood on acme's web address.
    owner: netops@example.net         # optional
    ticket: INC-4711                  # optional
    expires: 2026-12-01               # date or RFC 3339 time; optional
    match:                            # all fields must hold; a list means any of its members
      dst: $acme-web
      protocol: udp
      dst_port: [80, 443, 8000-8080]
    action:
      rate_limit: {rate: 200 Mbps, burst: 25 MB, per: [dst], scope: pop, exceed: drop}
    intent:
      summary: rate-limit the flood on acme only
      target: [acme]
      may_affect: [acme]
      must_stop: 90%
";

#[test]
fn the_example_of_the_manual_reads_as_it_is_meant() {
    let (sources, set, problems) = parse(&[EXAMPLE]);
    assert!(problems.is_empty(), "{problems:#?}");
    let at = |text: &str| {
        let start = EXAMPLE.find(text).expect("in the example");
        Location { source: SourceId(0), span: Span::new(start, start + text.len()) }
    };
    let range = |text: &str| crate::words::address_range(text).expect("an address");
    let number = |ranges: &[(u64, u64)]| NumberSet::new(ranges.iter().copied());
    let acme = || vec![Spanned::new("acme".to_owned(), at("acme"))];
    assert_eq!((set.rules.len(), set.files), (1, 1));
    assert_eq!(set.default.action, DefaultAction::Accept);
    assert_eq!((set.default.location, &set.default.intent), (None, &None));
    let rule = &set.rules[0];
    assert_eq!(rule.id, "acme-udp-flood");
    assert_eq!(rule.location, at("acme-udp-flood"));
    assert_eq!(sources.line_column(rule.location), (5, 9));
    assert_eq!(rule.description.as_deref(), Some("Limit the UDP flood on acme's web address."));
    assert_eq!(rule.owner.as_deref(), Some("netops@example.net"));
    assert_eq!(rule.ticket.as_deref(), Some("INC-4711"));
    let expires = rule.expires.as_ref().expect("an expiry");
    assert_eq!(expires.value.to_string(), "2026-12-01T00:00:00Z");
    assert_eq!(expires.location, at("2026-12-01"));
    let web = AddressSet::new([range("203.0.113.10-203.0.113.11"), range("2001:db8:a::10")]);
    let terms = [
        Term::Dst(web),
        Term::Protocol(number(&[(17, 17)])),
        Term::DstPort(number(&[(80, 80), (443, 443), (8000, 8080)])),
    ];
    let read: Vec<&Term> = rule.matches.terms.iter().map(|term| &term.value).collect();
    assert_eq!(read, terms.iter().collect::<Vec<_>>());
    assert_eq!(rule.matches.terms[0].location, at("$acme-web"));
    assert_eq!(rule.matches.terms[2].location, at("[80, 443, 8000-8080"));
    let limit = RateLimit {
        rate: Rate { amount: 200_000_000, unit: RateUnit::Bits, per_ns: 1_000_000_000 },
        burst: Burst::Bytes(25_000_000),
        burst_is_written: true,
        per: vec![KeyPart::Dst { v4: 32, v6: 128 }],
        scope: Scope::Pop,
        exceed: Exceed::Drop,
        algorithm: Algorithm::TokenBucket,
        timeout_ns: None,
        most_keys: None,
        bucket: None,
    };
    assert_eq!(rule.action.value, Action::RateLimit(limit));
    let intent = rule.intent.as_ref().expect("an intent");
    let expected = Intent {
        summary: Some("rate-limit the flood on acme only".to_owned()),
        target: acme(),
        may_affect: Some(acme()),
        may_reach: None,
        max_collateral: Share(0),
        max_target_loss: None,
        must_stop: Some(Spanned::new(Share(900_000_000), at("90%"))),
        attack_match: None,
        location: at("intent"),
    };
    assert_eq!(*intent, expected);
}

#[test]
fn every_problem_of_every_file_is_reported_in_one_run() {
    let first = "version: 1\nrules:\n  - id: Bad_Id\n    match: {dst: 203.0.113.300, ttl: x}\n    \
                 action: deny\n  - id: b\n    match: any\n    action: {rate_limit: {rate: 10 mbps}}\n";
    let second = "version: 2\nrules:\n  - {id: c, match: {}, action: drop, colour: red}\n";
    let found = problems(&[first, "a: [", second]);
    let places: Vec<&str> = found.iter().map(|(text, _)| text.as_str()).collect();
    let expected = ["Bad_Id", "203.0.113.300", "x", "deny", "10 mbps", "[", "2", "{", "colour"];
    assert_eq!(places, expected, "{found:#?}");
}

#[test]
fn an_id_is_used_once_in_all_files() {
    let a = "version: 1\nrules:\n  - {id: x, match: any, action: log}\n";
    let b = "version: 1\nrules:\n  - {id: y, match: any, action: log}\n  - {id: x, match: any, action: drop}\n";
    let (sources, set, problems) = parse(&[a, b]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let (first, _) = problems[0].also.clone().expect("the first place");
    assert_eq!(sources.get(first.source).name.as_ref(), "a.yaml");
    assert_eq!(sources.line_column(first), (3, 10));
    assert_eq!(sources.line_column(problems[0].location.expect("a place")), (4, 10));
    assert_eq!(set.rules.len(), 2);
    // A rule that is wrong otherwise still holds its id.
    let broken = "version: 1\nrules:\n  - {id: x, match: {}, action: log}\n";
    assert_eq!(problems_of(&[broken, a]), ["the match is empty", "rule `x` is there twice"]);
}

fn problems_of(texts: &[&str]) -> Vec<String> {
    problems(texts).into_iter().map(|(_, message)| message).collect()
}

#[test]
fn a_key_at_the_wrong_level_names_where_it_belongs() {
    for (text, key, says) in [
        ("{id: x, match: any, action: log, dst: 203.0.113.1}", "dst", "the rule's `match:`"),
        ("{id: x, match: any, action: log, rate: 5 pps}", "rate", "rate_limit: {…}"),
        ("{id: x, match: any, action: log, target: acme}", "target", "the rule's `intent:`"),
        ("{id: x, match: any, action: log, rate_limit: {rate: 5 pps}}", "rate_limit", "`action:`"),
        ("{id: x, match: {ttl: 1, owner: me}, action: log}", "owner", "beside its `id`"),
        ("{id: x, match: {ttl: 1, any: yes}, action: log}", "any", "`match: any`"),
        ("{id: x, match: any, action: log, sets: {a: 1}}", "sets", "top of the file"),
        ("{id: x, match: any, action: log, ownr: me}", "ownr", "did you mean `owner`?"),
        ("{id: x, match: any, action: {drop: true}}", "drop", "write `action: drop`"),
        ("{id: x, match: any, action: {deny: true}}", "deny", "did you mean `action: drop`?"),
    ] {
        one_problem(&format!("version: 1\nrules: [{text}]\n"), key, says);
    }
}

#[test]
fn a_missing_key_is_an_error() {
    for (text, underlined, says) in [
        ("{match: any, action: log}", "{", "has no `id`"),
        ("{id: x, action: log}", "x", "has no `match`"),
        ("{id: x, match: any}", "x", "has no `action`"),
        ("{id: x, match: , action: log}", "match", "expected a map"),
        ("{id: x, match: \"\", action: log}", "\"\"", "expected a map"),
        ("{id: x, match: {}, action: log}", "{", "the match is empty"),
        ("{id: x, match: [], action: log}", "[", "not a list"),
        ("{id: , match: any, action: log}", "id", "is empty"),
        ("{id: x, match: any, action: }", "action", "is empty"),
        ("{id: x, match: any, action: log, owner: }", "owner", "`owner` is empty"),
        ("{id: x, match: any, action: log, intent: }", "intent", "target: [acme]"),
        ("{id: default, match: any, action: log}", "default", "choose another id"),
        ("{id: Acme UDP, match: any, action: log}", "Acme UDP", "did you mean `acme-udp`?"),
        ("{id: x, match: any, action: log, expires: soon}", "soon", "2026-12-01"),
        ("{id: x, match: all, action: log}", "all", "did you mean `any`?"),
        ("{}", "{", "the rule is empty"),
        ("x", "x", "expected a map"),
    ] {
        one_problem(&format!("version: 1\nrules: [{text}]\n"), underlined, says);
    }
}

#[test]
fn a_file_says_something() {
    assert!(read("version: 1\nrules: []\n").rules.is_empty());
    assert_eq!(read("version: 1\ndefault: drop\n").default.action, DefaultAction::Drop);
    read("version: 1\nsets: {unused: 203.0.113.1}\n");
    one_problem("version: 1\n", "version", "`rules: []` is an empty rule set");
    one_problem("# nothing\n", "#", "the rule file is empty");
    one_problem("version: 1\nrules:\n", "rules", "`rules` is empty");
    one_problem("version: 1\nrules: {id: x}\n", "{", "starting with `- id: …`");
    one_problem("version: 1\nrules: none\n", "none", "`[]` if there are none");
    one_problem("rules: []\n", "rules", "add `version: …`");
    one_problem("version: 1\nrules: []\nrule: []\n", "rule", "did you mean `rules`?");
    one_problem("version: 1\nrules: []\n---\nversion: 1\n", "v", "multiple YAML documents");
    one_problem("version: 1\nrules: []\nrules: []\n", "r", "write each key of a map once");
    one_problem(&rule("{dst: 2001:db8::, ttl: 1}", "drop"), ":", "IPv6 address that ends in `:`");
    one_problem("version: 1\nsets: {}\nrules: []\n", "{", "`sets` is empty");
    // In an empty text there is nothing to underline.
    let (_, _, found) = parse(&[""]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message, "the rule file is empty");
}

#[test]
fn the_default_is_one_for_all_files() {
    let drop = "version: 1\ndefault: drop\ndefault_intent: {target: [all]}\n";
    let set = read(drop);
    assert_eq!(set.default.action, DefaultAction::Drop);
    assert_eq!(set.default.intent.expect("an intent").target[0].value, "all");
    let accept = "version: 1\ndefault: accept\n";
    let (_, _, found) = parse(&[drop, "version: 1\nrules: []\n", accept]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].also.as_ref().map(|(place, _)| place.source), Some(SourceId(0)));
    assert_eq!(problems(&[drop, accept])[0].0, "accept");
    let other = "version: 1\ndefault: drop\ndefault_intent: {target: [acme]}\n";
    assert_eq!(problems(&[drop, other])[0].0, "default_intent");
    assert!(parse(&[drop, drop]).2.is_empty());
    one_problem(
        "version: 1\nrules: []\ndefault_intent: {target: [all]}\n",
        "default_intent",
        "`default_intent` without `default: drop`",
    );
    one_problem("version: 1\ndefault: deny\n", "deny", "did you mean `drop`?");
    one_problem(
        "version: 1\ndefault: drp\ndefault_intent: {target: [all]}\n",
        "drp",
        "did you mean `drop`?",
    );
}

#[test]
fn rules_stand_in_the_order_of_files_and_lines() {
    let rule = |id: &str| format!("  - {{id: {id}, match: any, action: log}}\n");
    let a = format!("version: 1\nrules:\n{}{}", rule("z"), rule("y"));
    let b = format!("version: 1\nrules:\n{}", rule("a"));
    let (_, set, problems) = parse(&[&a, &b]);
    assert!(problems.is_empty());
    let ids: Vec<&str> = set.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!((ids, set.files), (vec!["z", "y", "a"], 2));
}

#[test]
fn the_config_reads_matches_without_sets() {
    let parse = |text: &str| {
        let root = crate::yaml::parse(SourceId(0), text).expect("YAML");
        let mut decoder = crate::yaml::Decoder::new();
        (parse_match(&root, &mut decoder), decoder.problems)
    };
    let (found, problems) = parse("{dst: 203.0.113.10, protocol: udp, src_port: 53}");
    assert_eq!((found.expect("a match").terms.len(), problems.len()), (3, 0));
    assert_eq!(parse("any").0, Some(Match::any()));
    let (found, problems) = parse("{dst: $web, protocol: udp}");
    assert_eq!((found, problems.len()), (None, 1));
    assert!(problems[0].message.contains("no sets here"));
    let root = crate::yaml::parse(SourceId(0), "{target: acme, must_stop: 90%}").expect("YAML");
    let mut decoder = crate::yaml::Decoder::new();
    assert!(parse_intent(&root, &mut decoder).is_some());
}

#[test]
fn aliases_and_merged_maps_read_as_what_they_stand_for() {
    let set = read(
        "version: 1\nrules:\n  - id: a\n    match: &m {dst: 203.0.113.1, protocol: udp}\n    action: drop\n\
         \n  - {id: b, match: *m, action: drop}\n  - {id: c, match: {<<: *m, ttl: 1}, action: drop}\n",
    );
    assert_eq!(set.rules[0].matches, set.rules[1].matches);
    assert_eq!(set.rules[2].matches.terms.len(), 3);
    // What is wrong in the original is shown where it is used, too.
    let text = rule("{dst: &a 203.0.113.300, src: *a}", "drop");
    let places: Vec<String> = problems(&[&text]).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["203.0.113.300", "*a"]);
}
