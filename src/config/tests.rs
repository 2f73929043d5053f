//! The whole config: what is taken, what is refused, and that nothing panics.

use proptest::prelude::*;

use super::*;

/// Reads a config whose intents are not looked at.
fn parse(
    source: SourceId,
    text: &str,
    parse_match: ParseMatch<'_>,
) -> (Option<Config>, Vec<Diagnostic>) {
    super::parse(source, text, parse_match, &mut |_, _| None)
}
use crate::model::SamplingRate;

/// A match parser that knows `any` and maps.
fn stub(node: &Node, decoder: &mut Decoder) -> Option<Match> {
    match &node.value {
        yaml::Value::Scalar { text, .. } if text == "any" => Some(Match::any()),
        yaml::Value::Map(_) => Some(Match::any()),
        yaml::Value::Null => None,
        _ => {
            decoder.mismatch(node, "a match");
            None
        }
    }
}

fn good(text: &str) -> Config {
    let (config, problems) = parse(SourceId(0), text, &mut stub);
    assert!(problems.is_empty(), "{problems:#?}");
    config.expect("a config")
}

/// Checks that a text is refused: each problem underlines the given text (of a list or a map its
/// start, of the whole text nothing) and says the given words.
fn refused(text: &str, expect: &[(&str, &str)]) {
    let (config, problems) = parse(SourceId(0), text, &mut stub);
    assert!(config.is_none());
    let found: Vec<(&str, &str)> = problems
        .iter()
        .map(|problem| {
            assert!(!problem.label.is_empty(), "{problem:?}");
            let span = problem.location.expect("a place").span;
            (&text[span.range()], problem.message.as_str())
        })
        .collect();
    assert_eq!(found.len(), expect.len(), "{text}\n{found:#?}");
    for ((slice, message), (at, says)) in found.iter().zip(expect) {
        if at.is_empty() {
            assert!(text.starts_with(slice), "{message}");
        } else {
            assert_eq!(slice, at, "{message}");
        }
        assert!(message.contains(says), "{message}");
    }
}

fn texts(names: &[Spanned<String>]) -> Vec<&str> {
    names.iter().map(|name| name.value.as_str()).collect()
}

fn paths(config: &Config) -> Vec<&str> {
    config.inventory.iter().map(|file| file.path.value.as_str()).collect()
}

const WHOLE: &str = r#"version: 1
rules: {paths: [rules], language: native}
inventory: [inventory.yaml]
traffic:
  - {path: traffic/legit.pcap, pop: ams, sampling: 1, label: legit, observed: before}
  - {path: traffic/attack.yaml}
  - {path: x, format: pcap, observed: after, direction: egress, inner: true, label: attack}
labels:
  attack: [{dst: 203.0.113.10, protocol: udp, src_port: 53}]
  legit: [any, any]
scenarios:
  - {name: ams-lost, drain: ams, to: [lhr, fra]}
  - {name: weighted, drain: ams, to: {lhr: 70, fra: 30}}
  - {name: double, scale: 2.0, where: {region: eu}}
  - {name: attack-on-b, add: traffic/flood.yaml}
  - {name: gone, lose: fra}
  - n-1
evidence: {max_traffic_age: 1d, min_samples: 10, max_unjudged: 1%, must_judge: [gold], window: 1m}
services: [8000, bgp]
geo: geo.csv
redirects: [{name: scrub-1, effect: clean}, {name: hole, effect: lost}]
waivers: [waivers.yaml]
"#;

#[test]
fn every_key_is_read() {
    let config = good(WHOLE);
    let rules = config.rules.clone().expect("rules");
    assert_eq!(texts(&rules.paths), ["rules"]);
    assert_eq!(rules.language.expect("a language").value, "native");
    assert_eq!(paths(&config), ["inventory.yaml"]);
    let [first, second, third] = config.traffic.as_slice() else { panic!("three recordings") };
    assert_eq!(first.path.value, "traffic/legit.pcap");
    assert_eq!(first.pop.as_ref().expect("a PoP").value, "ams");
    assert_eq!(first.sampling, Some(Sampling::OneIn(SamplingRate(1))));
    assert_eq!((first.label, first.observed), (Some(Label::Legit), Observed::Before));
    assert_eq!((second.label, second.sampling, second.inner), (None, None, false));
    assert_eq!((third.label, third.observed), (Some(Label::Attack), Observed::After));
    assert_eq!((third.direction, third.inner), (Some(Direction::Egress), true));
    assert_eq!(third.format.as_ref().expect("a form").value, "pcap");
    assert_eq!((config.labels.attack.len(), config.labels.legit.len()), (1, 2));
    let name = |text: &str| Spanned::new(text.to_owned(), first.path.location);
    let to = |pop: &str, part| DrainTo { pop: name(pop), part };
    let kinds: Vec<ScenarioKind> =
        config.scenarios.iter().map(|scenario| scenario.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            ScenarioKind::Drain { pop: name("ams"), to: vec![to("lhr", None), to("fra", None)] },
            ScenarioKind::Drain {
                pop: name("ams"),
                to: vec![to("lhr", Some(70)), to("fra", Some(30))],
            },
            ScenarioKind::Scale {
                factor: Factor(2_000_000),
                which: vec![Selection::Region(vec![name("eu")])],
            },
            ScenarioKind::Add { path: name("traffic/flood.yaml") },
            ScenarioKind::Lose { pop: name("fra") },
            ScenarioKind::EachPop,
        ]
    );
    assert_eq!(config.scenarios[5].name.value, "n-1");
    let evidence = config.evidence;
    assert_eq!(evidence.max_traffic_age_ns, 86_400_000_000_000);
    assert_eq!((evidence.min_samples, evidence.max_unjudged), (10, Share(10_000_000)));
    assert_eq!(texts(&evidence.must_judge), ["gold"]);
    assert_eq!(evidence.window_ns, 60_000_000_000);
    let ports: Vec<u16> = config.services.iter().map(|port| port.value).collect();
    assert_eq!(ports, [8_000, 179]);
    assert_eq!(config.geo.expect("a file").value, "geo.csv");
    let effects: Vec<RedirectEffect> =
        config.redirects.iter().map(|redirect| redirect.effect).collect();
    assert_eq!(effects, [RedirectEffect::Clean, RedirectEffect::Lost]);
    assert_eq!(texts(&config.waivers), ["waivers.yaml"]);
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = good("version: 1\n");
    assert!(config.rules.is_none() && config.geo.is_none());
    assert!(config.inventory.is_empty() && config.traffic.is_empty());
    assert_eq!(config.labels, Labels::default());
    assert!(config.scenarios.is_empty() && config.services.is_empty());
    assert!(config.redirects.is_empty() && config.waivers.is_empty());
    let evidence = config.evidence;
    assert_eq!(evidence.max_traffic_age_ns, 7 * 24 * 3_600 * 1_000_000_000);
    assert_eq!((evidence.min_samples, evidence.max_unjudged), (30, Share(50_000_000)));
    assert!(evidence.must_judge.is_empty());
    assert_eq!(evidence.window_ns, 300 * 1_000_000_000);
    // A part of `evidence` leaves the rest as it is.
    let part = good("version: 1\nevidence: {min_samples: 5}\n").evidence;
    assert_eq!(part, EvidenceConfig { min_samples: 5, ..EvidenceConfig::default() });
    // One path need not be a list.
    assert_eq!(paths(&good("version: 1\ninventory: a.yaml\n")), ["a.yaml"]);
}

#[test]
fn every_place_knows_its_keys() {
    for (text, key, near) in [
        ("rulez: {paths: [a]}", "rulez", "rules"),
        ("rules: {paths: [a], langage: native}", "langage", "language"),
        ("traffic: [{path: a, lable: legit}]", "lable", "label"),
        ("labels: {atack: [any]}", "atack", "attack"),
        ("scenarios: [{name: a, lose: b, wher: c}]", "wher", "where"),
        ("scenarios: [{name: a, scale: 2, where: {regio: c}}]", "regio", "region"),
        ("evidence: {min_sample: 3}", "min_sample", "min_samples"),
        ("redirects: [{name: a, effect: lost, efect: lost}]", "efect", "effect"),
    ] {
        let text = format!("version: 1\n{text}\n");
        refused(&text, &[(key, "unknown key")]);
        let (_, problems) = parse(SourceId(0), &text, &mut stub);
        assert_eq!(problems[0].help.as_deref(), Some(format!("did you mean `{near}`?").as_str()));
    }
}

#[test]
fn the_built_in_scenario_is_named_where_it_is_meant() {
    let (_, problems) = parse(SourceId(0), "version: 1\nscenarios: [n-2]\n", &mut stub);
    assert_eq!(problems[0].help.as_deref(), Some("did you mean `n-1`?"));
}

#[test]
fn what_is_wrong_has_its_place() {
    for (text, at, says) in [
        ("rules: {language: native}", "{", "no `paths`"),
        ("rules: {paths: []}", "[", "empty"),
        ("rules: [a]", "[", "expected a map"),
        ("rules: {paths: [a, a]}", "a", "listed twice"),
        ("inventory: []", "[", "empty"),
        ("inventory: [a, \"\"]", "\"\"", "empty"),
        ("inventory: [b, b]", "b", "listed twice"),
        ("inventory: [b, {path: b}]", "b", "listed twice"),
        ("inventory: [{path: b, fromat: csv}]", "fromat", "unknown key"),
        ("inventory: [{format: csv}]", "{", "no `path`"),
        ("traffic: []", "[", "empty"),
        ("traffic: a.pcap", "a.pcap", "expected a list"),
        ("traffic: [{pop: ams}]", "{", "no `path`"),
        ("traffic: [{path: c}, {path: c, pop: ams}]", "c", "listed twice"),
        ("traffic: [{path: a, sampling: 0}]", "0", "cannot stand for 0"),
        ("traffic: [{path: a, sampling: 4294967296}]", "4294967296", "cannot stand"),
        ("traffic: [{path: a, sampling: 1:100}]", "1:100", "cannot stand for 1:100"),
        ("traffic: [{path: a, label: good}]", "good", "unknown value of `label`"),
        ("traffic: [{path: a, observed: afte}]", "afte", "unknown value of `observed`"),
        ("traffic: [{path: a, direction: out}]", "out", "unknown value of `direction`"),
        ("traffic: [{path: a, inner: yes}]", "yes", "expected `true`"),
        ("labels: {attack: []}", "[", "empty"),
        ("labels: {attack: [7]}", "7", "expected a match"),
        ("labels: {legit: [~]}", "~", "expected a match map"),
        ("labels: {}", "{", "empty"),
        ("scenarios: [n-2]", "n-2", "unknown scenario"),
        ("scenarios: [{name: a, scale: 1.0}]", "1.0", "changes nothing"),
        ("scenarios: [{drain: a, to: b}]", "{", "no `name`"),
        ("scenarios: [{name: recorded, lose: b}]", "recorded", "the recording as it is"),
        ("scenarios: [{name: n-1, lose: b}]", "n-1", "built in"),
        ("scenarios: [{name: a, lose: b}, {name: a, lose: d}]", "a", "listed twice"),
        ("scenarios: [{name: a}]", "{", "changes nothing"),
        ("scenarios: [{name: a, scale: 7, lose: d}]", "d", "one thing"),
        ("scenarios: [{name: a, lose: b, to: d}]", "d", "belongs to `drain`"),
        ("scenarios: [{name: a, lose: b, where: {pop: d}}]", "{", "belongs to `scale`"),
        ("scenarios: [{name: a, drain: b}]", "{", "no `to`"),
        ("scenarios: [{name: a, drain: b, to: [b]}]", "b", "into itself"),
        ("scenarios: [{name: a, drain: b, to: [c, c]}]", "c", "listed twice"),
        ("scenarios: [{name: a, drain: b, to: {c: 0}}]", "0", "cannot get 0 parts"),
        ("scenarios: [{name: a, drain: b, to: {}}]", "{", "expected"),
        ("scenarios: [{name: a, scale: 0.0}]", "0.0", "no factor"),
        ("scenarios: [{name: a, scale: -2}]", "-2", "no factor"),
        ("scenarios: [{name: a, scale: 2x}]", "2x", "no factor"),
        ("scenarios: [{name: a, scale: 1000000.1}]", "1000000.1", "no factor"),
        ("scenarios: [{name: a, scale: 2, where: {}}]", "{", "empty"),
        ("scenarios: [{name: a, scale: 2, where: {pop: []}}]", "[", "empty"),
        ("evidence: {max_traffic_age: 7}", "7", "needs a unit"),
        ("evidence: {max_traffic_age: 106752d}", "106752d", "not counted"),
        ("evidence: {min_samples: 0}", "0", "no evidence"),
        ("evidence: {min_samples: many}", "many", "no whole number"),
        ("evidence: {max_unjudged: 5}", "5", "no share"),
        ("evidence: {must_judge: []}", "[", "empty"),
        ("evidence: {window: 999ms}", "999ms", "this short"),
        ("services: []", "[", "empty"),
        ("services: [0]", "0", "one port"),
        ("services: [65536]", "65536", "one port"),
        ("services: [80-90]", "80-90", "one port"),
        ("services: [webb]", "webb", "unknown port"),
        ("services: [443, https]", "https", "listed twice"),
        ("geo: [a]", "[", "expected"),
        ("redirects: [{name: a}]", "{", "no `effect`"),
        ("redirects: [{effect: lost}]", "{", "no `name`"),
        ("redirects: [{name: a, effect: gone}]", "gone", "unknown value of `effect`"),
        ("redirects: [{name: a, effect: lost}, {name: a, effect: clean}]", "a", "listed twice"),
        ("waivers: []", "[", "empty"),
        ("intents: [{rule: a, intent: {}}]", "{", "no `file`"),
    ] {
        refused(&format!("version: 1\n{text}\n"), &[(at, says)]);
    }
    refused("version: 2\n", &[("2", "a version that is not known")]);
    refused("[]", &[("[", "expected a map")]);
    let (config, problems) = parse(SourceId(0), "", &mut stub);
    assert!(config.is_none() && problems.len() == 1);
}

#[test]
fn all_problems_are_told_in_the_order_of_the_text() {
    refused(
        "waivers: []\ntraffic: [{path: a, sampling: 0, pop: \"\"}, 7]\nevidence: {window: 5}\n",
        &[
            ("", "no `version`"),
            ("[", "empty"),
            ("0", "cannot stand"),
            ("\"\"", "empty"),
            ("7", "expected a map"),
            ("5", "needs a unit"),
        ],
    );
}

#[test]
fn factors_show_as_written() {
    for (factor, text) in [(2_000_000, "2"), (1_500_000, "1.5"), (1, "0.000001")] {
        assert_eq!(Factor(factor).to_string(), text);
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = parse(SourceId(0), &text, &mut stub);
    }

    #[test]
    fn no_value_panics(
        key in prop::sample::select(KEYS.to_vec()),
        value in "(\\[|\\{)?[a-z0-9:. ,%-]{0,20}(\\]|\\})?",
    ) {
        let _ = parse(SourceId(0), &format!("version: 1\n{key}: {value}\n"), &mut stub);
    }
}

#[test]
fn an_inventory_may_say_its_form_and_whose_it_is() {
    let text = "version: 1\nvrf: blue\ninventory:\n  - a.yaml\n  \
                - {path: b.txt, format: prefix-list, customer: b}\n  \
                - {path: c.csv, customer_column: name}\n";
    let config = good(text);
    assert_eq!(paths(&config), ["a.yaml", "b.txt", "c.csv"]);
    let said = |word: &Option<Spanned<String>>| word.as_ref().map(|word| word.value.clone());
    let words: Vec<_> = config
        .inventory
        .iter()
        .map(|file| [&file.format, &file.customer, &file.customer_column].map(said))
        .collect();
    let word = |text: &str| Some(text.to_owned());
    assert_eq!(words[0], [None, None, None]);
    assert_eq!(words[1], [word("prefix-list"), word("b"), None]);
    assert_eq!(words[2], [None, None, word("name")]);
    assert_eq!(said(&config.vrf), word("blue"));
}
