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
}

impl Sources {
    /// Makes an empty collection.
    pub fn new() -> Sources {
        Sources::default()
    }

    /// Adds a text and returns its number.
    pub fn add(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> SourceId {
        let id = SourceId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(Source { name: name.into(), text: text.into() });
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
        let before = &text[..end];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[start..].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn equality_ignores_the_place() {
        let mut sources = Sources::new();
        let id = sources.add("a", "x");
        let at = |start| Location { source: id, span: Span::new(start, start) };
        assert_eq!(Spanned::new(1, at(0)), Spanned::new(1, at(1)));
        assert_ne!(Spanned::new(1, at(0)), Spanned::new(2, at(0)));
    }
}
