//! Untrusted text made harmless: for terminals and logs, for JSON, and cut to a length.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::Style;

/// Makes untrusted text harmless: control characters (and what reorders or hides text) are
/// escaped, so is everything beyond ASCII where the terminal may not know it, and so is what a CI
/// system would take for a command to itself at the start of a line or within it.
pub fn clean(text: &str, style: Style) -> String {
    let mut safe = String::with_capacity(text.len().min(1 << 16));
    let mut starts_word = true;
    for (at, character) in text.char_indices() {
        match character {
            '\t' => safe.push_str("    "),
            '…' if !style.unicode => safe.push_str("..."),
            '–' if !style.unicode => safe.push('-'),
            ':' if starts_word && is_workflow_command(&text[at..]) => escape(character, &mut safe),
            '#' if text[..at].ends_with('#') && is_logging_command(&text[at + 1..]) => {
                escape(character, &mut safe);
            }
            _ if is_hidden(character) || (!style.unicode && !character.is_ascii()) => {
                escape(character, &mut safe);
            }
            _ => safe.push(character),
        }
        starts_word = character.is_whitespace();
    }
    safe
}

fn escape(character: char, into: &mut String) {
    into.extend(character.escape_unicode());
}

/// Returns whether a character is not seen, or changes how others are: controls, line and paragraph
/// separators, bidirectional marks, zero-width and invisible characters, tags.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}'
            | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns whether a text begins as a GitHub workflow command, `::name` or `::name key=value::`.
/// The runner takes a line for one whatever spaces stand before it. IPv6 addresses are none.
fn is_workflow_command(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("::") else { return false };
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let name = &rest[..end.unwrap_or(rest.len())];
    name.chars().any(|c| !c.is_ascii_hexdigit())
}

/// Returns whether what follows `##` makes it a logging command: `##[name]` of GitHub and Azure,
/// anywhere in a line; `##vso[name]` of Azure, `##teamcity[name]`.
fn is_logging_command(rest: &str) -> bool {
    rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).starts_with('[')
}

/// Makes untrusted text harmless for a form that machines read: UTF-8 whatever the locale, of at
/// most so many characters.
pub(super) fn plain(text: &str, most: usize) -> String {
    // What is cut off need not be cleaned: some of these texts are of megabytes.
    let end = text.char_indices().nth(most + 1).map_or(text.len(), |(at, _)| at);
    let safe = clean(&text[..end], Style { unicode: true, ..Style::default() });
    cut(&safe, most, "…")
}

/// Cuts a text to so many characters, dots included.
pub(super) fn cut(text: &str, most: usize, dots: &str) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let kept = most.saturating_sub(dots.chars().count());
            text.chars().take(kept).chain(dots.chars()).collect()
        }
    }
}

//------------ JSON ----------------------------------------------------------

/// Writes JSON in lines, with every hidden character escaped, and nothing in it that a CI system
/// would take for a command.
pub fn json_text(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    write_json(value, PrettyFormatter::new(), out)
}

/// Writes the same in one line.
pub(super) fn json_line_text(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    write_json(value, CompactFormatter, out)
}

fn write_json(
    value: &impl Serialize,
    layout: impl Formatter,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let formatter = Escaping { layout, hashes: 0 };
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, formatter))?;
    out.write_all(b"\n")
}

struct Escaping<F> {
    layout: F,
    /// How many `#` stand directly before what is written next.
    hashes: usize,
}

impl<F: Formatter> Formatter for Escaping<F> {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.layout.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.layout.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_object_value(writer)
    }

    fn begin_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.hashes = 0;
        writer.write_all(b"\"")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut from = 0;
        for (at, character) in fragment.char_indices() {
            let hash = character == '#';
            let follows = hash && self.hashes > 0;
            self.hashes = if hash { self.hashes + 1 } else { 0 };
            if follows || is_hidden(character) {
                writer.write_all(&fragment.as_bytes()[from..at])?;
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
                from = at + character.len_utf8();
            }
        }
        writer.write_all(&fragment.as_bytes()[from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_is_made_harmless() {
        let unicode = Style { unicode: true, ..Style::default() };
        assert_eq!(clean("Häme\u{1b}[1m", unicode), "Häme\\u{1b}[1m");
        assert_eq!(clean("Häme…", Style::default()), "H\\u{e4}me...");
        assert_eq!(clean("a\u{202e}b\n", unicode), "a\\u{202e}b\\u{a}");
    }

    #[test]
    fn nothing_is_a_command_to_a_ci_system() {
        let clean = |text: &str| clean(text, Style { unicode: true, ..Style::default() });
        assert_eq!(clean("::error::x"), "\\u{3a}:error::x");
        assert_eq!(clean("a ::add-mask::x"), "a \\u{3a}:add-mask::x");
        assert_eq!(clean("::debug::x"), "\\u{3a}:debug::x");
        assert_eq!(clean("a##[error]b"), "a#\\u{23}[error]b");
        assert_eq!(clean("##vso[task.setvariable]"), "#\\u{23}vso[task.setvariable]");
        for harmless in
            ["::/0", "2001:db8::/32 to ::1", "::ffff:192.0.2.1", "::dead::", "## a", "#1"]
        {
            assert_eq!(clean(harmless), harmless);
        }
    }

    #[test]
    fn json_shows_no_control_character_and_reads_back_the_same() {
        let texts =
            ["\u{1b}[1m\u{7f}\u{85}", "\u{202e}\u{2028}\u{e0041}", "##[error]x ###", "Häme\n\""];
        let mut out = Vec::new();
        json_text(&texts, &mut out).expect("it can be written");
        let written = String::from_utf8(out).expect("text");
        assert!(!written.chars().any(|c| c != '\n' && is_hidden(c)), "{written:?}");
        assert!(!written.contains("##"), "{written}");
        let back: Vec<String> = serde_json::from_str(&written).expect("JSON");
        assert_eq!(back, texts);
    }

    #[test]
    fn long_texts_are_cut_at_characters() {
        assert_eq!(cut("äöü", 3, "…"), "äöü");
        assert_eq!(cut("äöüß", 3, "…"), "äö…");
        assert_eq!(plain(&"x".repeat(10_000_000), 5), "xxxx…");
        assert_eq!(plain("a\u{1b}", 99), "a\\u{1b}");
    }
}
