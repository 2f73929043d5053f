//! What a rule says of itself, as the comment from which it is read again.

use std::fmt::Write as _;

use super::{Refused, refused};
use crate::convert::share;
use crate::model::{Intent, Rule, Share, Spanned};

const HELP: &str = "write the intent under `intents:` of `blastgate.yaml` instead";

/// Writes the comment of a rule under an id.
///
/// # Errors
///
/// An intent that a comment cannot hold.
pub(super) fn of_rule(rule: &Rule, id: &str) -> Result<String, Refused> {
    let mut text = format!("# blastgate: id={id}");
    let fields =
        [("description", &rule.description), ("owner", &rule.owner), ("ticket", &rule.ticket)];
    for (key, value) in fields {
        if let Some(value) = value.as_deref().and_then(line) {
            _ = write!(text, " {key}={}", quoted(&value));
        }
    }
    if let Some(expires) = &rule.expires {
        _ = write!(text, " expires={}", expires.value);
    }
    if let Some(intent) = &rule.intent {
        _ = write!(text, " {}", self::intent(intent)?);
    }
    Ok(text)
}

/// Writes the comment of a policy that drops.
pub(super) fn of_policy(intent: &Intent) -> Result<String, Refused> {
    Ok(format!("# blastgate: {}", self::intent(intent)?))
}

fn intent(intent: &Intent) -> Result<String, Refused> {
    let mut text = "intent".to_owned();
    if let Some(summary) = intent.summary.as_deref().and_then(line) {
        _ = write!(text, " summary={}", quoted(&summary));
    }
    let lists = [
        ("target", Some(&intent.target)),
        ("may_affect", intent.may_affect.as_ref()),
        ("may_reach", intent.may_reach.as_ref()),
    ];
    for (key, list) in lists {
        let Some(list) = list else { continue };
        _ = write!(text, " {key}={}", selectors(list, intent)?);
    }
    if intent.max_collateral != Share(0) {
        _ = write!(text, " max_collateral={}", share(intent.max_collateral));
    }
    if let Some(loss) = intent.max_target_loss {
        _ = write!(text, " max_target_loss={}", share(loss));
    }
    if let Some(stop) = &intent.must_stop {
        _ = write!(text, " must_stop={}", share(stop.value));
    }
    if intent.attack_match.is_some() {
        let message = "`attack_match` cannot be written in a comment";
        return Err(refused(intent.location, message, "has an `attack_match`", HELP));
    }
    Ok(text)
}

fn selectors(list: &[Spanned<String>], intent: &Intent) -> Result<String, Refused> {
    if list.is_empty() {
        let message = "an intent that names nobody cannot be written in a comment";
        return Err(refused(intent.location, message, "an empty list", HELP));
    }
    let bad = |c: char| c.is_whitespace() || c.is_control() || is_hidden(c) || ",'\"".contains(c);
    for selector in list {
        if selector.value.is_empty() || selector.value.contains(bad) {
            let message = "this selector cannot be written in a comment";
            return Err(refused(selector.location, message, "holds more than a word", HELP));
        }
    }
    let words: Vec<&str> = list.iter().map(|selector| selector.value.as_str()).collect();
    Ok(words.join(","))
}

/// Returns a text for people as a comment can hold it: on one line, of characters that show, in
/// one kind of quotes. Nothing if nothing is left.
pub(super) fn line(text: &str) -> Option<String> {
    let shown: String = text
        .chars()
        .map(|c| if c.is_control() || is_hidden(c) || c.is_whitespace() { ' ' } else { c })
        .collect();
    let shown = shown.trim();
    let both = shown.contains('"') && shown.contains('\'');
    let shown = if both { shown.replace('"', "'") } else { shown.to_owned() };
    (!shown.is_empty()).then_some(shown)
}

fn quoted(line: &str) -> String {
    let quote = if line.contains('"') { '\'' } else { '"' };
    format!("{quote}{line}{quote}")
}

/// Characters that change how a line looks, and do not show themselves.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
