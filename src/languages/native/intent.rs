//! What a rule is for. Selectors are kept as written; they are resolved against the inventory.

use super::sets::Sets;
use super::values::{each, in_order, is_empty_list, optional, word};
use super::{keys, matches};
use crate::model::{Diagnostic, Intent, Share, Spanned};
use crate::words;
use crate::yaml::{Decoder, Fields, Node, Value};

const SELECTORS: &str =
    "write a customer id, `tag:…`, `tier:…`, `region:…`, `prefix:…`, `unowned`, `all`, or a list";
const SHARE: &str = "write a share, such as `90%`";

/// Reads an intent. Gives nothing if anything about it was reported.
pub(super) fn parse(node: &Node, what: &str, sets: &Sets, decoder: &mut Decoder) -> Option<Intent> {
    let before = decoder.problems.len();
    let fields = decoder.map_or_help(node, what, keys::INTENT, keys::belongs)?;
    decoder.require(fields, "target", what);
    let summary = optional(fields, "summary", "write one line", decoder, |node, decoder| {
        decoder.text(node, "`summary`").map(|text| text.trim().to_owned())
    });
    let target = selectors(fields, "target", decoder);
    let may_affect = selectors(fields, "may_affect", decoder);
    let may_reach = selectors(fields, "may_reach", decoder);
    let max_collateral = share(fields, "max_collateral", decoder);
    let max_target_loss = share(fields, "max_target_loss", decoder);
    let must_stop = share(fields, "must_stop", decoder);
    let attack_match = optional(
        fields,
        "attack_match",
        "write a map of fields, such as `{protocol: udp, src_port: 53}`",
        decoder,
        |node, decoder| matches::parse(node, sets, decoder),
    );
    in_order(&mut decoder.problems[before..]);
    if decoder.problems.len() > before {
        return None;
    }
    Some(Intent {
        summary,
        target: target?,
        may_affect,
        may_reach,
        max_collateral: max_collateral.map_or(Share(0), |share| share.value),
        max_target_loss: max_target_loss.map(|share| share.value),
        must_stop,
        attack_match,
        location: node.location,
    })
}

fn share(fields: Fields<'_>, key: &str, decoder: &mut Decoder) -> Option<Spanned<Share>> {
    optional(fields, key, SHARE, decoder, |node, decoder| {
        let share = word(node, &format!("`{key}`"), decoder, words::share)?;
        Some(Spanned::new(share, node.location))
    })
}

fn selectors(fields: Fields<'_>, key: &str, decoder: &mut Decoder) -> Option<Vec<Spanned<String>>> {
    optional(fields, key, SELECTORS, decoder, |node, decoder| {
        if is_empty_list(node) || matches!(node.value, Value::Null) {
            let help = match key {
                "target" => "name whom the rule defends",
                "may_affect" => {
                    "write `[none]` if nobody may lose traffic by it; left out, it is the target"
                }
                _ => {
                    "write `[none]` if nobody's traffic may be covered; left out, it is `may_affect`"
                }
            };
            decoder.report(
                Diagnostic::error(node.location, format!("`{key}` is empty"))
                    .label("names nobody")
                    .help(help),
            );
            return None;
        }
        each(node, &format!("`{key}`"), decoder, selector)
    })
}

fn selector(node: &Node, decoder: &mut Decoder) -> Option<Spanned<String>> {
    let text = decoder.text(node, "a selector")?.trim();
    if text.contains([',', ' ']) {
        let items: Vec<&str> = text.split([',', ' ']).filter(|item| !item.is_empty()).collect();
        decoder.report(
            Diagnostic::error(node.location, format!("`{}` is no selector", text.escape_debug()))
                .label("several in one")
                .help(format!("write a list: `[{}]`", items.join(", ").escape_debug())),
        );
        return None;
    }
    Some(Spanned::new(text.to_owned(), node.location))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{one_problem, parse, read};
    use super::*;
    use crate::model::Term;

    fn file(intent: &str) -> String {
        format!("version: 1\nrules: [{{id: x, match: any, action: drop, intent: {intent}}}]\n")
    }

    #[test]
    fn every_key_reads() {
        let text = file(
            "{summary: s, target: acme, may_affect: [acme, \"tag:web\"], may_reach: all, \
             max_collateral: 0.5%, max_target_loss: 5%, must_stop: 90%, \
             attack_match: {protocol: udp}}",
        );
        let set = read(&text);
        let intent = set.rules[0].intent.clone().expect("an intent");
        let words = |selectors: Vec<Spanned<String>>| -> Vec<String> {
            selectors
                .into_iter()
                .inspect(|word| assert!(text[word.location.span.range()].contains(&word.value)))
                .map(|word| word.value)
                .collect()
        };
        assert_eq!(words(intent.target), ["acme"]);
        assert_eq!(intent.may_affect.map(words), Some(vec!["acme".into(), "tag:web".into()]));
        assert_eq!(intent.may_reach.map(words), Some(vec!["all".into()]));
        assert_eq!(intent.max_collateral, Share(5_000_000));
        assert_eq!(intent.max_target_loss, Some(Share(50_000_000)));
        assert_eq!(intent.must_stop.map(|share| share.value), Some(Share(900_000_000)));
        let attack = intent.attack_match.expect("a match");
        assert!(matches!(attack.terms[0].value, Term::Protocol(_)));
        assert_eq!(&text[intent.location.span.range()], "intent");
    }

    #[test]
    fn what_is_no_intent_is_underlined_and_helped() {
        for (intent, underlined, says) in [
            ("{summary: s}", "{", "add `target: …`"),
            ("{target: []}", "[", "whom the rule defends"),
            ("{target: }", "target", "whom the rule defends"),
            ("{target: acme, may_affect: []}", "[", "`[none]`"),
            ("{target: acme, may_reach: }", "may_reach", "`[none]`"),
            ("{target: [acme, \"\"]}", "\"\"", "is empty"),
            ("{target: \"acme, bg-one\"}", "\"acme, bg-one\"", "`[acme, bg-one]`"),
            ("{target: {tag: web}}", "{", "`tag:…`"),
            ("{target: acme, must_stop: 90}", "90", "write `90%`"),
            ("{target: acme, max_collateral: 101%}", "101%", "write `90%`"),
            ("{target: acme, may_effect: acme}", "may_effect", "did you mean `may_affect`?"),
            ("{target: acme, attack_match: {}}", "{", "is empty"),
            ("{target: acme, attack_match: {host: x}}", "host", "not judged yet"),
            ("{target: acme, expires: 2026-12-01}", "expires", "in a rule, beside its `id`"),
            ("acme", "acme", "expected a map"),
        ] {
            one_problem(&file(intent), underlined, says);
        }
    }

    #[test]
    fn a_rule_whose_intent_is_wrong_is_still_given() {
        let (_, set, problems) = parse(&[&file("{target: []}")]);
        assert_eq!((set.rules.len(), problems.len()), (1, 1));
        assert_eq!(set.rules[0].intent, None);
    }
}
