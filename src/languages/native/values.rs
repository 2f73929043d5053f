//! Lists, words and texts of the native language, and the help that only a key can give.

use crate::model::Diagnostic;
use crate::words::Wrong;
use crate::yaml::{Decoder, Fields, Node, Value, nearest};

/// Words of other languages, and what they are called here.
const SYNONYMS: &[(&str, &str)] = &[
    ("deny", "drop"),
    ("block", "drop"),
    ("discard", "drop"),
    ("blackhole", "drop"),
    ("permit", "accept"),
    ("allow", "accept"),
    ("pass", "accept"),
    ("police", "rate_limit"),
    ("limit", "rate_limit"),
    ("throttle", "rate_limit"),
    ("in", "ingress"),
    ("inbound", "ingress"),
    ("out", "egress"),
    ("outbound", "egress"),
];

/// Returns the words to suggest for a mistyped or foreign one.
pub(super) fn suggest<'k>(
    typed: &str,
    known: impl Iterator<Item = &'k str> + Clone,
) -> Option<&'k str> {
    let lower = typed.trim().to_lowercase().replace('-', "_");
    let foreign = SYNONYMS.iter().find(|(word, _)| *word == lower).map(|(_, ours)| *ours);
    known.clone().find(|word| Some(*word) == foreign).or_else(|| nearest(&lower, known))
}

/// Reads the value of a key, and gives its problems what only the key knows: a place where the
/// value has no text of its own, and a help line where there is none.
pub(super) fn under<T>(
    key: &Node,
    help: &str,
    decoder: &mut Decoder,
    read: impl FnOnce(&mut Decoder) -> T,
) -> T {
    let before = decoder.problems.len();
    let read = read(decoder);
    for problem in &mut decoder.problems[before..] {
        if problem.location.is_none_or(|place| place.span.start >= place.span.end) {
            problem.location = Some(key.location);
        }
        if problem.help.is_none() {
            problem.help = Some(help.to_owned());
        }
    }
    read
}

/// Reads an optional key through [`under`].
pub(super) fn optional<'n, T>(
    fields: Fields<'n>,
    key: &str,
    help: &str,
    decoder: &mut Decoder,
    read: impl FnOnce(&'n Node, &mut Decoder) -> Option<T>,
) -> Option<T> {
    let (name, node) = fields.entry(key)?;
    under(name, help, decoder, |decoder| read(node, decoder))
}

/// Reads the text of a scalar with one of the readers of [`crate::words`].
pub(super) fn word<T>(
    node: &Node,
    what: &str,
    decoder: &mut Decoder,
    read: impl Fn(&str) -> Result<T, Wrong>,
) -> Option<T> {
    let text = decoder.text(node, what)?;
    match read(text) {
        Ok(value) => Some(value),
        Err(wrong) => {
            decoder.report(wrong.at(node.location));
            None
        }
    }
}

/// Reads one value or a list of them; gives nothing if any of them is wrong.
pub(super) fn each<T>(
    node: &Node,
    what: &str,
    decoder: &mut Decoder,
    read: impl Fn(&Node, &mut Decoder) -> Option<T>,
) -> Option<Vec<T>> {
    let items = decoder.one_or_more(node, what)?;
    let values: Vec<Option<T>> = items.iter().map(|item| read(item, decoder)).collect();
    values.into_iter().collect()
}

/// Reads one of a few words.
pub(super) fn choice<T: Copy>(
    node: &Node,
    what: &str,
    words: &[(&str, T)],
    decoder: &mut Decoder,
) -> Option<T> {
    let text = decoder.text(node, what)?.trim();
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    decoder.report(unknown_word(node, text, what, words.iter().map(|(word, _)| *word)));
    None
}

/// Makes the problem of a word that is none of a few.
pub(super) fn unknown_word<'k>(
    node: &Node,
    text: &str,
    what: &str,
    words: impl Iterator<Item = &'k str> + Clone,
) -> Diagnostic {
    let problem =
        Diagnostic::error(node.location, format!("unknown {what} `{text}`")).label("not known");
    match suggest(text, words.clone()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("known here: {}", words.collect::<Vec<_>>().join(", "))),
    }
}

/// Returns whether a value is an empty list.
pub(super) fn is_empty_list(node: &Node) -> bool {
    matches!(&node.value, Value::List(items) if items.is_empty())
}

/// Makes the problem of a field that no packet carries.
pub(super) fn unjudged(place: &Node, field: &str) -> Diagnostic {
    Diagnostic::error(place.location, format!("`{field}` is not judged yet"))
        .label("not recorded in packets")
        .help(format!("a rule that asks for `{field}` cannot be judged; keep it in another file"))
}

/// Sorts problems by where they stand.
pub(super) fn in_order(problems: &mut [Diagnostic]) {
    problems.sort_by_key(|problem| problem.location);
}
