//! The words of a line, as `iptables-restore` and a shell split them.

use std::borrow::Cow;

use crate::model::{Diagnostic, Location, SourceId, Span};

/// One word of a line.
#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    /// Its text without quotes.
    pub(super) text: Cow<'a, str>,
    /// Where it stands, with its quotes.
    pub(super) location: Location,
    /// Whether it was quoted, so that it is no option whatever it begins with.
    pub(super) is_quoted: bool,
}

impl Word<'_> {
    /// Returns the place of a part of the text; of all of it, if it was quoted.
    pub(super) fn part(&self, start: usize, end: usize) -> Location {
        if self.is_quoted || end > self.text.len() || start >= end {
            return self.location;
        }
        let base = self.location.span.start as usize;
        Location { span: Span::new(base + start, base + end), ..self.location }
    }
}

/// How a line is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    /// `iptables-restore`: double quotes only, with a backslash before what is meant as it stands.
    Restore,
    /// A shell: single quotes as well, and comments.
    Shell,
}

/// Splits one line, which starts at this offset of its file.
pub(super) fn words(
    line: &str,
    offset: usize,
    source: SourceId,
    quoting: Quoting,
) -> Result<Vec<Word<'_>>, Diagnostic> {
    let place =
        |from: usize, to: usize| Location { source, span: Span::new(offset + from, offset + to) };
    let bytes = line.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if quoting == Quoting::Shell && bytes[at] == b'#' {
            break;
        }
        let start = at;
        let special = |byte: u8| {
            byte.is_ascii_whitespace()
                || byte == b'"'
                || byte == b'\\'
                || (byte == b'\'' && quoting == Quoting::Shell)
        };
        while at < bytes.len() && !special(bytes[at]) {
            at += 1;
        }
        if at == bytes.len() || bytes[at].is_ascii_whitespace() {
            let text = Cow::Borrowed(&line[start..at]);
            words.push(Word { text, location: place(start, at), is_quoted: false });
            continue;
        }
        // The slow way: something is quoted. Pieces are cut at ASCII bytes, so they are text.
        let mut text = line[start..at].to_owned();
        let mut quote: Option<(u8, usize)> = None;
        let mut piece = at;
        loop {
            let Some(byte) = bytes.get(at).copied() else {
                text.push_str(&line[piece..at]);
                break;
            };
            let inside = quote.map(|(quote, _)| quote);
            let ends = inside == Some(byte);
            let begins =
                inside.is_none() && (byte == b'"' || (byte == b'\'' && quoting == Quoting::Shell));
            if inside.is_none() && byte.is_ascii_whitespace() {
                text.push_str(&line[piece..at]);
                break;
            } else if ends || begins {
                text.push_str(&line[piece..at]);
                quote = begins.then_some((byte, at));
                at += 1;
                piece = at;
            } else if byte == b'\\' && inside != Some(b'\'') && at + 1 < bytes.len() {
                text.push_str(&line[piece..at]);
                at += 1;
                piece = at;
                // The byte after it is taken as it is, with the rest of its character.
                at += 1;
                while !line.is_char_boundary(at) {
                    at += 1;
                }
            } else {
                at += 1;
            }
        }
        if let Some((_, open)) = quote {
            return Err(Diagnostic::error(place(open, open + 1), "this quote is not closed")
                .label("opened here")
                .help("close it on the same line, or put a backslash before it"));
        }
        words.push(Word { text: Cow::Owned(text), location: place(start, at), is_quoted: true });
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str, quoting: Quoting) -> Vec<String> {
        let words = words(line, 0, SourceId(0), quoting).expect("words");
        words.into_iter().map(|word| word.text.into_owned()).collect()
    }

    #[test]
    fn words_are_split_as_iptables_restore_and_a_shell_split_them() {
        use Quoting::{Restore, Shell};
        assert_eq!(split("-A FORWARD  -j\tDROP", Restore), ["-A", "FORWARD", "-j", "DROP"]);
        assert_eq!(split(r#"--comment "a \"b\" c" x"#, Restore), ["--comment", r#"a "b" c"#, "x"]);
        assert_eq!(split("it's # no comment", Restore), ["it's", "#", "no", "comment"]);
        assert_eq!(split("-m 'a b' # comment", Shell), ["-m", "a b"]);
        assert_eq!(split(r#"a"" "" """#, Restore), ["a", "", ""]);
    }

    #[test]
    fn an_open_quote_is_an_error_where_it_opens() {
        let problem = words("-m \"x", 10, SourceId(0), Quoting::Restore).expect_err("an error");
        assert_eq!(problem.location.map(|place| place.span), Some(Span::new(13, 14)));
    }

    proptest! {
        #[test]
        fn no_line_panics_and_every_word_stands_in_it(line in "[ -~\u{e4}\u{20ac}]{0,40}") {
            for quoting in [Quoting::Restore, Quoting::Shell] {
                if let Ok(words) = words(&line, 0, SourceId(0), quoting) {
                    for word in words {
                        let text = &line[word.location.span.range()];
                        prop_assert!(word.is_quoted || text == word.text);
                    }
                }
            }
        }
    }
}
