//! One rule.

use super::sets::Sets;
use super::values::{optional, under, word};
use super::{action, intent, keys, matches};
use crate::model::{Diagnostic, Intent, Rule, Spanned};
use crate::words;
use crate::yaml::{Decoder, Fields, Node};

/// What could be read of a rule.
pub(super) struct Read {
    /// Its id, if it has a valid one.
    pub(super) id: Option<Spanned<String>>,
    /// The rule, if its id, match and action could be read.
    pub(super) rule: Option<Rule>,
}

/// Reads a rule.
pub(super) fn parse(node: &Node, sets: &Sets, decoder: &mut Decoder) -> Read {
    let Some(fields) = decoder.map_or_help(node, "the rule", keys::RULE, keys::belongs) else {
        return Read { id: None, rule: None };
    };
    decoder.require(fields, "id", "the rule");
    let id = optional(fields, "id", ID_HELP, decoder, id);
    let text = |key: &str, decoder: &mut Decoder| {
        optional(fields, key, "write a text, or remove the key", decoder, |node, decoder| {
            decoder.text(node, &format!("`{key}`")).map(|text| text.trim().to_owned())
        })
    };
    let description = text("description", decoder);
    let owner = text("owner", decoder);
    let ticket = text("ticket", decoder);
    let help = "write `2026-12-01` or `2026-12-01T16:30:00Z`";
    let expires = optional(fields, "expires", help, decoder, |node, decoder| {
        Some(Spanned::new(word(node, "`expires`", decoder, words::time)?, node.location))
    });
    let help = "write `any` for every packet, or fields such as `{dst: 203.0.113.10}`";
    let matches =
        needed(fields, "match", help, decoder, |node, decoder| matches::parse(node, sets, decoder));
    let help = "write one action, such as `action: drop`";
    let action = needed(fields, "action", help, decoder, action::parse);
    let intent = fields.entry("intent").and_then(|(key, value)| {
        let help = "write at least `intent: {target: [acme]}`, or remove the key";
        let intent =
            under(key, help, decoder, |decoder| intent::parse(value, "the intent", sets, decoder))?;
        // The key is one word; the value may be many lines.
        Some(Intent { location: key.location, ..intent })
    });
    let rule = match (&id, matches, action) {
        (Some(id), Some(matches), Some(action)) => Some(Rule {
            id: id.value.clone(),
            location: id.location,
            description,
            owner,
            ticket,
            expires,
            matches,
            action,
            intent,
            waivers: Vec::new(),
        }),
        _ => None,
    };
    Read { id, rule }
}

/// Reads a key that must be there, with a help line of its own if it is not.
fn needed<'n, T>(
    fields: Fields<'n>,
    key: &str,
    help: &str,
    decoder: &mut Decoder,
    read: impl FnOnce(&'n Node, &mut Decoder) -> Option<T>,
) -> Option<T> {
    if fields.get(key).is_none() {
        // The id says which rule it is; without one its first key has to do.
        let place = fields.get("id").map_or(fields.location, |id| id.location);
        decoder.report(
            Diagnostic::error(place, format!("the rule has no `{key}`"))
                .label(format!("`{key}` is missing"))
                .help(help),
        );
        return None;
    }
    optional(fields, key, help, decoder, read)
}

const ID_HELP: &str = "write lower-case letters, digits, `.`, `_` and `-`, such as `acme-udp`";

fn id(node: &Node, decoder: &mut Decoder) -> Option<Spanned<String>> {
    let text = decoder.text(node, "the id")?;
    if text == "default" {
        decoder.report(
            Diagnostic::error(node.location, "`default` cannot be the id of a rule")
                .label("reserved")
                .help("choose another id; `default` names what no rule decides"),
        );
        return None;
    }
    if words::is_id(text) {
        return Some(Spanned::new(text.to_owned(), node.location));
    }
    let problem = Diagnostic::error(node.location, format!("`{}` is no id", text.escape_debug()))
        .label("not an id");
    let near: String = text
        .trim()
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .collect();
    let near = near.trim_start_matches(['.', '_', '-']);
    decoder.report(match words::is_id(near) {
        true => problem.help(format!("did you mean `{near}`?")),
        false => problem.help(ID_HELP),
    });
    None
}
