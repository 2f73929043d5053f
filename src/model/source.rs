//! Source texts, places in them, and values that remember their place.

use std::sync::Arc;

/// A half-open range of byte offsets into one source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// Makes a span from byte offsets; offsets past 4 GiB are clamped.
    pub fn new(start: usize, end: usize) -> Span {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Span { start: clamp(start), end: clamp(end) }
    }

    /// Returns the span as a range of `usize`.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The number of a source text within one [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A place in a source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The text.
    pub source: SourceId,
    /// The bytes of it.
    pub span: Span,
}

/// A value and where it stands. Two are equal when their values are, wherever they stand: an
/// edit that only moves text changes nothing.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub location: Location,
}

impl<T> Spanned<T> {
    /// Joins a value and its place.
    pub fn new(value: T, location: Location) -> Spanned<T> {
        Spanned { value, location }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Spanned<T>) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl<T: std::hash::Hash> std::hash::Hash for Spanned<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

/// One text: the name under which it is shown and its whole content.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path as the user would type it, `<stdin>`, or `REV:path` of git.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<str>,
}

/// All texts of a run, so that places can be shown at the end.
#[derive(Clone, Debug, std::default::Default)]
pub struct Sources {
    files: Vec<Source>,
    lines: Vec<Arc<Lines>>,
}

/// Where the lines of a text begin, and how many characters come before each block of it: reports
/// ask for the places of all rules, and a text may be one long line.
#[derive(Debug)]
struct Lines {
    starts: Vec<usize>,
    characters: Vec<usize>,
}

/// Bytes of a block.
const BLOCK: usize = 1_024;

impl Lines {
    fn new(text: &str) -> Lines {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        let mut characters = vec![0];
        let mut before = 0;
        for block in text.as_bytes().chunks(BLOCK) {
            before += count(block);
            characters.push(before);
        }
        Lines { starts, characters }
    }

    /// Returns how many characters begin before a byte.
    fn before(&self, text: &str, end: usize) -> usize {
        let block = end / BLOCK;
        self.characters[block] + count(&text.as_bytes()[block * BLOCK..end])
    }
}

/// Returns how many characters begin in these bytes.
fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| *byte & 0xc0 != 0x80).count()
}

impl Sources {
    /// Makes an empty collection.
    pub fn new() -> Sources {
        Sources::default()
    }

    /// Adds a text and returns its number.
    pub fn add(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> SourceId {
        let id = SourceId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        let text = text.into();
        self.lines.push(Arc::new(Lines::new(&text)));
        self.files.push(Source { name: name.into(), text });
        id
    }

    /// Returns how many texts there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns the text with this number.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.files[id.0 as usize]
    }

    /// Returns the 1-based line and column (in characters) of a place.
    pub fn line_column(&self, location: Location) -> (usize, usize) {
        let text = &self.get(location.source).text;
        let mut end = (location.span.start as usize).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let lines = &self.lines[location.source.0 as usize];
        let line = lines.starts.partition_point(|start| *start <= end);
        let start = lines.starts[line - 1];
        (line, lines.before(text, end) - lines.before(text, start) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let mut sources = Sources::new();
        let id = sources.add("a.yaml", "äb\nc");
        let at = |start, end| Location { source: id, span: Span::new(start, end) };
        assert_eq!(sources.line_column(at(0, 1)), (1, 1));
        assert_eq!(sources.line_column(at(2, 3)), (1, 2));
        assert_eq!(sources.line_column(at(4, 5)), (2, 1));
        assert_eq!(sources.line_column(at(99, 99)), (2, 2));
    }

    proptest! {
        #[test]
        fn places_are_those_of_counting_from_the_start(
            parts in prop::collection::vec(prop_oneof!["[aé\u{1f600}]{0,900}", Just("\n".to_owned())], 0..8),
            at in any::<prop::sample::Index>(),
        ) {
            let text = parts.concat();
            let mut end = at.index(text.len() + 2);
            let mut sources = Sources::new();
            let id = sources.add("a", text.as_str());
            let found = sources.line_column(Location { source: id, span: Span::new(end, end) });
            end = text.floor_char_boundary(end);
            let before: Vec<&str> = text[..end].split('\n').collect();
            let column = before[before.len() - 1].chars().count() + 1;
            prop_assert_eq!(found, (before.len(), column));
        }
    }

    #[test]
    fn equality_ignores_the_place() {
        let mut sources = Sources::new();
        let id = sources.add("a", "x");
        let at = |start| Location { source: id, span: Span::new(start, start) };
        assert_eq!(Spanned::new(1, at(0)), Spanned::new(1, at(1)));
        assert_ne!(Spanned::new(1, at(0)), Spanned::new(2, at(0)));
    }
}
