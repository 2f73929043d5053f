//! The words of a packet and their places.

use crate::model::{Diagnostic, Location, SourceId, Span};

/// One word.
pub(super) struct Token {
    /// Without quotes, separators and escapes.
    pub(super) text: String,
    /// Whether it was quoted: a value, never a field.
    pub(super) quoted: bool,
    /// Where it stands.
    pub(super) location: Location,
}

/// Splits a text at spaces, at `=`, and at `:` after a field; a comma at the end of a word is
/// only a separator. Names with spaces are quoted.
pub(super) fn split(
    source: SourceId,
    text: &str,
    is_field: fn(&str) -> bool,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Token> {
    let mut tokens = Vec::new();
    let at = |start: usize, end: usize| Location { source, span: Span::new(start, end) };
    let mut push = |start: usize, part: &str| {
        let part = part.trim_end_matches([',', ';']);
        if !part.is_empty() {
            let location = at(start, start + part.len());
            tokens.push(Token { text: part.to_owned(), quoted: false, location });
        }
    };
    let mut rest = 0;
    let mut quotes = Vec::new();
    while let Some(start) = text[rest..].find(|c: char| !c.is_whitespace()).map(|at| rest + at) {
        if text[start..].starts_with('"') {
            let (value, end) = unquote(text, start);
            if end.is_none() {
                problems.push(
                    Diagnostic::error(at(start, text.len()), "the quotes are not closed")
                        .label("from here on")
                        .help("write a closing `\"`"),
                );
            }
            let end = end.unwrap_or(text.len());
            quotes.push((start, Token { text: value, quoted: true, location: at(start, end) }));
            rest = end;
            continue;
        }
        let length = text[start..].find(|c: char| c.is_whitespace() || c == '"');
        let end = length.map_or(text.len(), |length| start + length);
        let word = &text[start..end];
        // An address such as `abcd:1::` holds the sign, too: only a field is split off.
        match word.find(['=', ':']).filter(|at| is_field(&word[..*at])) {
            Some(sign) => {
                push(start, &word[..sign]);
                push(start + sign + 1, &word[sign + 1..]);
            }
            None => push(start, word.strip_suffix(':').filter(|w| is_plain(w)).unwrap_or(word)),
        }
        rest = end;
    }
    tokens.extend(quotes.into_iter().map(|(_, token)| token));
    tokens.sort_by_key(|token| token.location);
    tokens
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}

/// Returns what quotes hold and where they end; nowhere if they are not closed.
fn unquote(text: &str, start: usize) -> (String, Option<usize>) {
    let mut value = String::new();
    let mut escaped = false;
    for (at, character) in text[start + 1..].char_indices() {
        match character {
            _ if escaped => {
                value.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, Some(start + 1 + at + 1)),
            _ => value.push(character),
        }
    }
    (value, None)
}

/// Writes a name so that it is one word, and no field.
pub(super) fn quoted(name: &str, is_field: fn(&str) -> bool) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !name.is_empty() && name.chars().all(is_plain) && !is_field(name) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
