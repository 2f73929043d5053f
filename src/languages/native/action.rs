//! What a rule does: a word, or a map with one key.

use super::values::{optional, suggest, under, unknown_word};
use super::{keys, rate_limit};
use crate::model::{Action, Diagnostic, Spanned};
use crate::yaml::{Decoder, Node, Value};

/// Actions that are a word.
const WORDS: &[(&str, Action)] = &[
    ("accept", Action::Accept),
    ("drop", Action::Drop),
    ("reject", Action::Reject),
    ("log", Action::Log),
    ("challenge", Action::Challenge),
];

/// What an action that is a map looks like.
fn example(name: &str) -> &'static str {
    match name {
        "rate_limit" => "write `action: {rate_limit: {rate: 200 Mbps, per: [dst]}}`",
        "redirect" => "write `action: {redirect: {to: scrub-1}}`",
        "mark" => "write `action: {mark: {dscp: 8}}`",
        _ => "write one action, such as `action: drop`",
    }
}

/// Reads an action.
pub(super) fn parse(node: &Node, decoder: &mut Decoder) -> Option<Spanned<Action>> {
    let action = match &node.value {
        Value::Map(_) => map(node, decoder),
        Value::List(_) => {
            decoder.report(
                Diagnostic::error(node.extent(), "a rule has one action, not a list")
                    .label("should be one action")
                    .help("write one rule for each action; `log` and `mark` go on to the next"),
            );
            None
        }
        _ => word(node, decoder),
    };
    action.map(|action| Spanned::new(action, node.extent()))
}

fn word(node: &Node, decoder: &mut Decoder) -> Option<Action> {
    let text = decoder.text(node, "the action")?.trim();
    if let Some((_, action)) = WORDS.iter().find(|(word, _)| *word == text) {
        return Some(action.clone());
    }
    if let Some(name) = keys::ACTION.iter().find(|name| text.starts_with(**name)) {
        decoder.report(
            Diagnostic::error(node.location, format!("`{name}` is written as a map"))
                .label("needs a map")
                .help(example(name)),
        );
        return None;
    }
    let known = WORDS.iter().map(|(word, _)| *word).chain(keys::ACTION.iter().copied());
    decoder.report(unknown_word(node, text, "action", known));
    None
}

fn map(node: &Node, decoder: &mut Decoder) -> Option<Action> {
    let known = |key: &str| {
        if let Some((word, _)) = WORDS.iter().find(|(word, _)| *word == key) {
            return Some(format!("write `action: {word}`"));
        }
        let near = suggest(key, WORDS.iter().map(|(word, _)| *word));
        match near.filter(|_| suggest(key, keys::ACTION.iter().copied()).is_none()) {
            Some(near) => Some(format!("did you mean `action: {near}`?")),
            None => keys::belongs(key),
        }
    };
    let fields = decoder.map_or_help(node, "the action", keys::ACTION, known)?;
    let given: Vec<&Node> =
        keys::ACTION.iter().filter_map(|key| fields.entry(key)).map(|(key, _)| key).collect();
    if let [first, second, ..] = given[..] {
        decoder.report(
            Diagnostic::error(second.location, "a rule has one action")
                .label("one too many")
                .also(first.location, "the other one")
                .help("write one rule for each action; `log` and `mark` go on to the next"),
        );
    }
    let mut action = None;
    for name in keys::ACTION {
        let Some((key, value)) = fields.entry(name) else { continue };
        let read = under(key, example(name), decoder, |decoder| match *name {
            "rate_limit" => rate_limit::parse(value, decoder).map(Action::RateLimit),
            "redirect" => redirect(value, decoder),
            _ => mark(value, decoder),
        });
        action = action.or(read);
    }
    action.filter(|_| given.len() == 1)
}

fn redirect(node: &Node, decoder: &mut Decoder) -> Option<Action> {
    let fields = decoder.map_or_help(node, "`redirect`", &["to"], keys::belongs)?;
    decoder.require(fields, "to", "`redirect`")?;
    optional(fields, "to", example("redirect"), decoder, |value, decoder| {
        let to = decoder.text(value, "`to`")?.trim().to_owned();
        Some(Action::Redirect { to })
    })
}

fn mark(node: &Node, decoder: &mut Decoder) -> Option<Action> {
    let fields = decoder.map_or_help(node, "`mark`", &["dscp"], keys::belongs)?;
    decoder.require(fields, "dscp", "`mark`")?;
    optional(fields, "dscp", example("mark"), decoder, |value, decoder| {
        // Above 63 it is no DSCP, which is a finding and no parse error.
        let dscp = decoder.number(value, "`dscp`")?;
        Some(Action::Mark { dscp })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{one_problem, read, rule};
    use super::*;

    fn action(text: &str) -> Action {
        read(&rule("any", text)).rules[0].action.value.clone()
    }

    #[test]
    fn every_action_reads() {
        for (word, expected) in WORDS {
            assert_eq!(action(word), *expected);
        }
        assert_eq!(
            action("{redirect: {to: scrub-1}}"),
            Action::Redirect { to: "scrub-1".to_owned() }
        );
        assert_eq!(action("{mark: {dscp: 8}}"), Action::Mark { dscp: 8 });
        assert_eq!(action("{mark: {dscp: 64}}"), Action::Mark { dscp: 64 });
        assert!(matches!(action("{rate_limit: {rate: 5 pps}}"), Action::RateLimit(_)));
    }

    #[test]
    fn what_is_no_action_is_underlined_and_helped() {
        for (text, underlined, says) in [
            ("deny", "deny", "did you mean `drop`?"),
            ("block", "block", "did you mean `drop`?"),
            ("discard", "discard", "did you mean `drop`?"),
            ("permit", "permit", "did you mean `accept`?"),
            ("allow", "allow", "did you mean `accept`?"),
            ("DROP", "DROP", "did you mean `drop`?"),
            ("rate-limit", "rate-limit", "did you mean `rate_limit`?"),
            ("explode", "explode", "known here: accept, drop"),
            ("rate_limit", "rate_limit", "{rate_limit: {rate: 200 Mbps"),
            ("rate_limit 5 pps", "rate_limit 5 pps", "{rate_limit: {rate: 200 Mbps"),
            ("{rate_limit: 5 pps}", "5 pps", "{rate_limit: {rate: 200 Mbps"),
            ("{rate_limit: {}}", "{", "is empty"),
            ("{rate_limit: }", "rate_limit", "{rate_limit: {rate: 200 Mbps"),
            ("{}", "{", "is empty"),
            ("[log, drop]", "[log, drop", "one rule for each action"),
            ("{mark: {dscp: 8}, redirect: {to: x}}", "mark", "one rule for each action"),
            ("{redirect: {to: \"\"}}", "\"\"", "is empty"),
            ("{redirect: scrub-1}", "scrub-1", "{redirect: {to: scrub-1}}"),
            ("{redirect: {too: scrub-1, to: x}}", "too", "did you mean `to`?"),
            ("{mark: {dscp: ef}}", "ef", "{mark: {dscp: 8}}"),
            ("{mark: {dscp: -1}}", "-1", "{mark: {dscp: 8}}"),
            ("{mark: 8}", "8", "{mark: {dscp: 8}}"),
        ] {
            one_problem(&rule("any", text), underlined, says);
        }
    }
}
