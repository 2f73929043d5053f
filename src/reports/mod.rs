//! Output forms: a [`Report`] and a writer, nothing else. One file a form, and its two adjacent
//! lines here.

use std::io;

use crate::report::Report;

pub mod diagnostics;
mod json;
mod text;
pub mod trace;

/// Every form, in the order of help.
pub const FORMS: &[&Form] = &[&text::FORM, &json::FORM];

/// One output form.
pub struct Form {
    /// What `--output` calls it.
    pub name: &'static str,
    /// Writes the report.
    pub write: fn(report: &Report, style: Style, out: &mut dyn io::Write) -> io::Result<()>,
}

/// How a form for people may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether escape sequences for colour may be written.
    pub color: bool,
    /// Whether more than one screen may be written.
    pub verbose: bool,
    /// Whether only the verdict is wanted.
    pub quiet: bool,
    /// Whether characters beyond ASCII may be written.
    pub unicode: bool,
}

/// Makes untrusted text harmless: control characters (and bidirectional overrides) are escaped,
/// and so is everything beyond ASCII where the terminal may not know it.
pub fn clean(text: &str, style: Style) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        let hidden = character.is_control()
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}' | '\u{feff}');
        match character {
            '\t' => safe.push_str("    "),
            '…' if !style.unicode => safe.push_str("..."),
            '–' if !style.unicode => safe.push('-'),
            _ if hidden || (!style.unicode && !character.is_ascii()) => {
                safe.extend(character.escape_unicode());
            }
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_names_are_unique() {
        let mut names: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FORMS.len());
    }

    #[test]
    fn untrusted_text_is_made_harmless() {
        let unicode = Style { unicode: true, ..Style::default() };
        assert_eq!(clean("Häme\u{1b}[1m", unicode), "Häme\\u{1b}[1m");
        assert_eq!(clean("Häme…", Style::default()), "H\\u{e4}me...");
        assert_eq!(clean("a\u{202e}b\n", unicode), "a\\u{202e}b\\u{a}");
    }
}
