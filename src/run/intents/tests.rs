//! Intents of the config, given to rules by their ids.

use std::path::PathBuf;

use super::*;
use crate::config;
use crate::languages::{LANGUAGES, native};
use crate::model::Sources;

const RULES: &str = "\
version: 1
default: drop
rules:
  - {id: flood, match: {dst: 203.0.113.10}, action: drop}
  - {id: stated, match: {dst: 203.0.113.11}, action: drop, intent: {target: acme}}
";

/// Gives intents to the rules of `rules/a.yaml`.
fn given(entries: &str) -> (RuleSet, Vec<String>) {
    let mut sources = Sources::new();
    let path = PathBuf::from("./rules/a.yaml");
    let source = sources.add("rules/a.yaml", RULES);
    let (mut set, problems) = LANGUAGES
        .iter()
        .find(|language| language.name == "native")
        .expect("the native language")
        .parse_texts(&sources, &[source]);
    assert!(problems.is_empty());
    let text = format!("version: 1\nintents: {entries}\n");
    let config = sources.add("blastgate.yaml", text.as_str());
    let (config, problems) =
        config::parse(config, &text, &mut native::parse_match, &mut native::parse_intent);
    let config = config.unwrap_or_else(|| panic!("{problems:?}"));
    let intents: Vec<(PathBuf, IntentConfig)> =
        config.intents.into_iter().map(|one| (PathBuf::from(&one.file.value), one)).collect();
    let texts = [Text { source, path }];
    let problems = give(&intents, &texts, true, &mut set);
    assert!(give(&intents, &texts, false, &mut set.clone()).is_empty());
    let said = |problem: Diagnostic| {
        format!("{}; {}", problem.message, problem.help.expect("a help line"))
    };
    (set, problems.into_iter().map(said).collect())
}

#[test]
fn an_intent_of_the_config_is_that_of_its_rule() {
    let (set, problems) = given(
        "[{file: rules/a.yaml, rule: flood, intent: {target: acme, must_stop: 90%}}, \
         {file: rules/a.yaml, rule: default, intent: {target: all}}]",
    );
    assert_eq!(problems, Vec::<String>::new());
    let intent = set.rules[0].intent.as_ref().expect("an intent");
    assert_eq!(intent.target[0].value, "acme");
    assert!(set.default.intent.is_some());
}

#[test]
fn an_intent_that_finds_no_rule_or_another_intent_is_an_error() {
    for (file, rule, says) in [
        ("rules/b.yaml", "flood", "no rule file is `rules/b.yaml`"),
        ("rules/a.yaml", "floood", "did you mean `flood`?"),
        ("rules/a.yaml", "stated", "two places state the intent of `stated`"),
    ] {
        let (_, problems) =
            given(&format!("[{{file: {file}, rule: {rule}, intent: {{target: acme}}}}]"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(says), "{problems:?}");
    }
}
