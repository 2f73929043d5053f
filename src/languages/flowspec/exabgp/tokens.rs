//! Words and signs of an ExaBGP text.

use std::borrow::Cow;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word, or `[`, `]`, `,`.
    Word,
    /// `{`
    Open,
    /// `}`
    Close,
    /// `;`
    End,
}

/// A word or a sign, and its offsets.
#[derive(Clone, Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: Cow<'t, str>,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether it is the first of its line.
    pub(super) starts_line: bool,
}

/// What is no text of ExaBGP: from where to where, and why.
pub(super) type Wrong = Option<(usize, usize, &'static str)>;

/// Splits a text into tokens and the places of its comments, without their sign.
pub(super) fn split(text: &str) -> (Vec<Token<'_>>, Vec<(usize, usize)>, Wrong) {
    let bytes = text.as_bytes();
    let (mut tokens, mut comments) = (Vec::new(), Vec::new());
    let mut starts_line = true;
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            b'\n' => {
                starts_line = true;
                at += 1;
                continue;
            }
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            // `\n` within a line of the API, and a line that goes on.
            b'\\' => {
                let is_newline = bytes.get(at + 1) == Some(&b'n');
                let goes_on = matches!(bytes.get(at + 1), Some(b'\n' | b'\r') | None);
                if is_newline || goes_on {
                    at += 2;
                    if goes_on && bytes.get(at - 1) == Some(&b'\r') {
                        at += 1;
                    }
                    continue;
                }
                return (tokens, comments, Some((at, at + 1, "unexpected `\\`")));
            }
            b'#' => {
                let end = text[at..].find('\n').map_or(bytes.len(), |end| at + end);
                comments.push((at + 1, end));
                at = end;
                continue;
            }
            b'{' => Kind::Open,
            b'}' => Kind::Close,
            b';' => Kind::End,
            quote @ (b'"' | b'\'') => {
                let Some(length) = bytes[at + 1..].iter().position(|byte| *byte == quote) else {
                    return (tokens, comments, Some((at, at + 1, "a text has no end")));
                };
                at += length + 2;
                let text = text[start + 1..at - 1].into();
                tokens.push(Token { kind: Kind::Word, text, start, end: at, starts_line });
                starts_line = false;
                continue;
            }
            _ => Kind::Word,
        };
        at += match (kind, bytes[at]) {
            (Kind::Word, b'[' | b']' | b',') => 1,
            (Kind::Word, _) => {
                let is_end =
                    |byte: &u8| byte.is_ascii_whitespace() || b"{};[],#\"'\\".contains(byte);
                bytes[at..].iter().position(is_end).unwrap_or(bytes.len() - at)
            }
            _ => 1,
        };
        tokens.push(Token { kind, text: text[start..at].into(), start, end: at, starts_line });
        starts_line = false;
    }
    (tokens, comments, None)
}
