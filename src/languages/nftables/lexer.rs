//! Ruleset text into tokens, as the scanner of nft(8) cuts it: words with dots, dashes and slashes,
//! addresses of both families as one token, comments kept aside for the remarks in them.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::{Diagnostic, Location, SourceId, Span};

/// What a token is. Its text is that of its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a number, an address, a time: whatever is not quoted.
    Word,
    /// A quoted string; the span holds the quotes.
    Quoted,
    /// `$name`.
    Variable,
    /// `@name`.
    Named,
    /// A sign, such as `{` or `!=`.
    Sign,
    /// The end of a line, which ends a statement.
    Newline,
    /// The end of the text.
    End,
}

/// A token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// A comment that is addressed to blastgate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comment {
    /// The token that follows it.
    pub(super) before: usize,
    /// Whether it stands alone on its line.
    pub(super) alone: bool,
    /// Its text, without the `#`.
    pub(super) span: Span,
}

/// The tokens of a text; the last one is the end.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) tokens: Vec<Token>,
    pub(super) comments: Vec<Comment>,
}

/// Signs of two characters before those of one.
const SIGNS: &[&str] = &[
    "==", "!=", "<=", ">=", "<<", ">>", "&&", "{", "}", "(", ")", "[", "]", ",", ";", ":", ".",
    "=", "<", ">", "&", "|", "^", "/", "-", "!", "*", "~", "+",
];

/// Cuts a text. The first thing that is no token ends it with a diagnostic.
pub(super) fn tokens(text: &str, source: SourceId) -> Result<Tokens, Box<Diagnostic>> {
    let bytes = text.as_bytes();
    let mut all = Tokens { tokens: Vec::with_capacity(bytes.len() / 4 + 1), comments: Vec::new() };
    let mut at = 0;
    let mut line_is_empty = true;
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            b' ' | b'\t' => {
                at += 1;
                continue;
            }
            b'\\' if continues(bytes, at) => {
                at += text[at..].find('\n').map_or(1, |newline| newline + 1);
                continue;
            }
            b'\n' => {
                at += 1;
                line_is_empty = true;
                all.tokens.push(Token { kind: Kind::Newline, span: Span::new(start, at) });
                continue;
            }
            b'#' => {
                at = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
                let comment = text[start + 1..at].trim_start();
                if comment.get(..9).is_some_and(|word| word.eq_ignore_ascii_case("blastgate")) {
                    all.comments.push(Comment {
                        before: all.tokens.len(),
                        alone: line_is_empty,
                        span: Span::new(start + 1, at),
                    });
                }
                continue;
            }
            b'"' => {
                at = quoted(text, start, source)?;
                Kind::Quoted
            }
            b'$' | b'@' => {
                at += 1 + word(&bytes[at + 1..]);
                match (bytes[start], at > start + 1) {
                    (b'$', true) => Kind::Variable,
                    (b'@', true) => Kind::Named,
                    _ => return Err(no_token(text, start, source)),
                }
            }
            _ => {
                let length = value(text, at);
                if length > 0 {
                    at += length;
                    Kind::Word
                } else if let Some(sign) = SIGNS.iter().find(|sign| text[at..].starts_with(**sign))
                {
                    at += sign.len();
                    Kind::Sign
                } else if bytes[at] == b'\r' {
                    return Err(carriage_return(start, source));
                } else {
                    return Err(no_token(text, start, source));
                }
            }
        };
        line_is_empty = false;
        all.tokens.push(Token { kind, span: Span::new(start, at) });
    }
    all.tokens.push(Token { kind: Kind::End, span: Span::new(at, at) });
    Ok(all)
}

fn carriage_return(start: usize, source: SourceId) -> Box<Diagnostic> {
    let place = Location { source, span: Span::new(start, start + 1) };
    Box::new(
        Diagnostic::error(place, "nft refuses lines that end with a carriage return")
            .label("the end of the line")
            .help("save the file with the line ends of Unix, such as by `dos2unix`"),
    )
}

/// Returns whether nothing but blanks stands between a backslash and the end of its line.
fn continues(bytes: &[u8], at: usize) -> bool {
    let rest = bytes[at + 1..].iter();
    rest.take_while(|byte| **byte != b'\n').all(|byte| matches!(byte, b' ' | b'\t'))
}

fn quoted(text: &str, start: usize, source: SourceId) -> Result<usize, Box<Diagnostic>> {
    let rest = &text[start + 1..];
    match rest.find(['"', '\n']) {
        Some(end) if rest.as_bytes()[end] == b'"' => Ok(start + 1 + end + 1),
        end => {
            let end = start + 1 + end.unwrap_or(rest.len());
            let location = Location { source, span: Span::new(start, end) };
            Err(Box::new(
                Diagnostic::error(location, "the string does not end on its line")
                    .label("starts here")
                    .help("close it with `\"`"),
            ))
        }
    }
}

fn no_token(text: &str, start: usize, source: SourceId) -> Box<Diagnostic> {
    let length = text[start..].chars().next().map_or(1, char::len_utf8);
    let location = Location { source, span: Span::new(start, start + length) };
    Box::new(
        Diagnostic::error(location, "this is nothing that a ruleset of nftables can hold")
            .label("unexpected character")
            .help("quote names that hold such characters"),
    )
}

/// Returns the length of the name at the start, zero if there is none.
fn word(bytes: &[u8]) -> usize {
    let is_part =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'.' | b'-' | b'/');
    if bytes.first().is_none_or(|first| !(first.is_ascii_alphanumeric() || *first == b'_')) {
        return 0;
    }
    bytes.iter().take_while(is_part).count()
}

/// Returns the length of the word at a place: an address, a name or a number.
fn value(text: &str, at: usize) -> usize {
    let bytes = &text.as_bytes()[at..];
    if !(bytes[0].is_ascii_alphanumeric() || matches!(bytes[0], b'_' | b':')) {
        return 0;
    }
    let colons = bytes
        .iter()
        .take(48)
        .take_while(|byte| byte.is_ascii_hexdigit() || matches!(**byte, b':' | b'.'));
    let run = colons.count();
    if bytes[..run].contains(&b':')
        && let Some(length) = with_colons(&text[at..at + run])
    {
        return length;
    }
    if bytes[0] == b':' {
        return 0;
    }
    if !bytes[0].is_ascii_digit() {
        let mut length = word(bytes);
        // `10 mbytes/second`.
        if let Some((unit, _)) = text[at..at + length].split_once('/')
            && ["bytes", "kbytes", "mbytes", "gbytes"].contains(&unit)
        {
            length = unit.len();
        }
        return if bytes.get(length) == Some(&b'*') { length + 1 } else { length };
    }
    let dotted = bytes.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let dotted = text[at..at + dotted].trim_end_matches('.');
    if dotted.parse::<Ipv4Addr>().is_ok() {
        return dotted.len();
    }
    bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
}

/// Returns the length of the longest IPv6 or hardware address that a run of characters starts with.
fn with_colons(run: &str) -> Option<usize> {
    let is_hardware = |text: &str| {
        let parts = text.split(':');
        parts.clone().count() == 6
            && parts.into_iter().all(|part| (1..=2).contains(&part.len()) && !part.contains('.'))
    };
    (2..=run.len()).rev().find(|end| {
        let text = &run[..*end];
        text.parse::<Ipv6Addr>().is_ok() || is_hardware(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        let all = tokens(text, SourceId(0)).expect("tokens");
        all.tokens.iter().map(|token| &text[token.span.range()]).filter(|t| !t.is_empty()).collect()
    }

    #[test]
    fn addresses_are_one_token_and_ranges_three() {
        assert_eq!(
            cut("ip6 saddr 2001:db8::/32 fe80::1-fe80::5 ::1"),
            ["ip6", "saddr", "2001:db8::", "/", "32", "fe80::1", "-", "fe80::5", "::1"]
        );
        assert_eq!(
            cut("10.0.0.1-10.0.0.9 1024-65535 to 10.0.0.1:80"),
            ["10.0.0.1", "-", "10.0.0.9", "1024", "-", "65535", "to", "10.0.0.1", ":", "80"]
        );
        assert_eq!(cut("0a:0b:0c:0d:0e:0f . 1h30m"), ["0a:0b:0c:0d:0e:0f", ".", "1h30m"]);
    }

    #[test]
    fn words_hold_dashes_and_dots_and_comments_are_no_tokens() {
        assert_eq!(
            cut("icmp type echo-request # no\n oifname eth0.1 \\\n x*; @set,{$v}"),
            [
                "icmp",
                "type",
                "echo-request",
                "\n",
                "oifname",
                "eth0.1",
                "x*",
                ";",
                "@set",
                ",",
                "{",
                "$v",
                "}"
            ]
        );
        assert_eq!(cut("80 : accept, 22 :drop"), ["80", ":", "accept", ",", "22", ":", "drop"]);
    }

    #[test]
    fn an_open_string_is_an_error_where_it_starts() {
        let problem = tokens("log prefix \"x\naccept", SourceId(0)).expect_err("no end");
        assert_eq!(problem.location.map(|place| place.span), Some(Span::new(11, 13)));
    }
}
