//! YAML with places: one tree of values that remember where they stand, and a decoder that
//! collects every problem instead of stopping at the first.
//!
//! Rules, inventories, traffic profiles and the config are all read through it. Nothing is
//! coerced: a plain scalar keeps its text, so that `007`, `1e3` and `=syn` are what was typed.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::budget::BudgetBreach;
use serde_yaml::{Spanned, Tagged};

use crate::model::{Diagnostic, Location, SourceId, Span};

/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands. Of a list or map this is its opening bracket, or its first item or key;
    /// [`Node::extent`] is all of it.
    pub location: Location,
}

impl Node {
    /// Returns the place of the whole value: of a list or map, from its start to the end of its
    /// last item.
    pub fn extent(&self) -> Location {
        let mut whole = self.location;
        let mut include = |inner: &Node| {
            let inner = inner.extent().span;
            whole.span.start = whole.span.start.min(inner.start);
            whole.span.end = whole.span.end.max(inner.end);
        };
        match &self.value {
            Value::Null | Value::Scalar { .. } => {}
            Value::List(items) => items.iter().for_each(include),
            Value::Map(entries) => entries.iter().for_each(|(key, value)| {
                include(key);
                include(value);
            }),
        }
        whole
    }
}

/// A YAML value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// Any other scalar, as typed.
    Scalar {
        /// Its text, without quotes.
        text: String,
        /// Whether YAML sees a string in it (quoted, or nothing else).
        string: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file; keys are unique.
    Map(Vec<(Node, Node)>),
}

impl Value {
    /// Returns what the value is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Scalar { string: true, .. } => "a text",
            Value::Scalar { .. } => "a number or word",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

//------------ Parsing -------------------------------------------------------------------------

/// Parses a whole text. Nesting, alias expansion and size are bounded; a repeated key is an
/// error.
#[expect(clippy::result_large_err, reason = "at most one problem a text, reported at once")]
pub fn parse(source: SourceId, text: &str) -> Result<Node, Diagnostic> {
    let budget = serde_yaml::budget! {
        max_depth: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
        // A million prefixes in one file are legitimate; expansion of aliases is bounded below.
        max_events: 40_000_000,
        max_nodes: 20_000_000,
        max_total_scalar_bytes: 1 << 30,
    };
    let options = serde_yaml::options! {
        budget: budget,
        with_snippet: false,
        emit_comments: false,
    };
    let raw: Result<Placed, _> = serde_yaml::from_str_with_options(text, options);
    let raw = raw.map_err(|error| syntax_error(source, text, &error))?;
    let mut tag = None;
    let root = node(source, text, raw, &mut tag);
    match tag {
        None => Ok(root),
        Some(tag) => Err(tag_error(text, tag)),
    }
}

/// A tag would be dropped in silence: `[syn, !ack]` is a text and nothing to YAML.
fn tag_error(text: &str, value: Location) -> Diagnostic {
    // The place is that of the tagged value; the tag stands before it.
    let before = text.get(..value.span.start as usize).unwrap_or("").trim_end();
    let start = before
        .char_indices()
        .rfind(|(_, c)| c.is_whitespace() || "[{,".contains(*c))
        .map_or(0, |(at, c)| at + c.len_utf8());
    let (location, tag) = if before[start..].starts_with('!') {
        let span = Span::new(start, before.len());
        (Location { span, ..value }, &before[start..])
    } else {
        (value, "!")
    };
    Diagnostic::error(location, format!("YAML reads `{tag}` as a tag, not as a text"))
        .label("needs quotes")
        .help(
            "tags have no meaning here; write quotes around a text with `!`, as in `\"syn,!ack\"`",
        )
}

fn syntax_error(source: SourceId, text: &str, error: &serde_yaml::Error) -> Diagnostic {
    let offset = error.location().map_or(0, |place| offset(text, &place));
    let end = text[offset..].chars().next().map_or(offset, |c| offset + c.len_utf8());
    let location = Location { source, span: Span::new(offset, end) };
    let mut message = error.without_snippet().render();
    // The library appends its own idea of the place, which is shown with the text, and of the
    // calls that would have worked.
    for end in [" at line ", "; use ", ", set "] {
        if let Some(at) = message.find(end) {
            message.truncate(at);
        }
    }
    let message: String = message.lines().next().unwrap_or("not YAML").to_owned();
    let line = text[offset..].lines().next().unwrap_or("");
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..offset + line.len()].trim();
    if let Some((message, help)) = limit(error, &message) {
        return Diagnostic::error(location, message).label("here").help(help);
    }
    let help = if message.starts_with("duplicate") {
        "write each key of a map once"
    } else if message.starts_with("multiple") {
        "write one document a file, without `---` in between"
    } else if line.contains(['>', '@', '`', '*', '&', '%', '|']) {
        "write quotes around a text that starts with a sign of YAML, as in `\">=1024\"`"
    } else if line.contains("::") {
        "write quotes around an IPv6 address that ends in `:`, as in `\"2001:db8::\"`"
    } else {
        "fix the syntax"
    };
    Diagnostic::error(location, format!("cannot read this as YAML: {message}"))
        .label("here")
        .help(help)
}

/// Says which limit a text goes beyond, if that is what is wrong with it.
fn limit(mut error: &serde_yaml::Error, message: &str) -> Option<(String, &'static str)> {
    while let serde_yaml::Error::AliasError { error: inner, .. }
    | serde_yaml::Error::WithSnippet { error: inner, .. } = error
    {
        error = inner;
    }
    let deep = || (format!("nested more than {MAX_DEPTH} deep"), "nothing here needs so much");
    match error {
        serde_yaml::Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => Some(deep()),
        serde_yaml::Error::Budget {
            breach: BudgetBreach::Nodes { .. } | BudgetBreach::ScalarBytes { .. },
            ..
        } => Some(("larger than what is read as one text".to_owned(), "split the file")),
        // All that is left is about anchors and what they unfold to.
        serde_yaml::Error::Budget { .. } => Some((
            "its anchors and aliases unfold to too much".to_owned(),
            "write out what the aliases stand for",
        )),
        // The scanner has a limit of its own, and no word for it but this.
        _ => (message == "recursion limit exceeded").then(deep),
    }
}

/// Returns the byte offset of the start of a place; scanner errors know only line and column.
fn offset(text: &str, place: &serde_yaml::Location) -> usize {
    let offset = match place.span().byte_offset() {
        Some(offset) => usize::try_from(offset).unwrap_or(usize::MAX),
        None => {
            let lines = usize::try_from(place.line().saturating_sub(1)).unwrap_or(usize::MAX);
            let columns = usize::try_from(place.column().saturating_sub(1)).unwrap_or(usize::MAX);
            let before: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
            let line = text[before..].lines().next().unwrap_or("");
            before + line.char_indices().nth(columns).map_or(line.len(), |(at, _)| at)
        }
    };
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Makes a node, and notes the first value with a tag.
fn node(source: SourceId, text: &str, raw: Placed, tag: &mut Option<Location>) -> Node {
    let span = |location: &serde_yaml::Location| {
        let span = location.span();
        let start = span.byte_offset().unwrap_or(0) as usize;
        let end = start + span.byte_len().unwrap_or(0) as usize;
        Span::new(start.min(text.len()), end.min(text.len()))
    };
    let mut location = Location { source, span: span(&raw.referenced) };
    let Tagged(value, tagged) = raw.value;
    if tagged.is_some() && tag.is_none() {
        *tag = Some(location);
    }
    let value = match value {
        Raw::Null => Value::Null,
        Raw::Plain => {
            let text = text.get(span(&raw.defined).range()).unwrap_or("").to_owned();
            Value::Scalar { text, string: false }
        }
        Raw::Text(text) => Value::Scalar { text, string: true },
        Raw::List(items) => {
            Value::List(items.into_iter().map(|item| node(source, text, item, tag)).collect())
        }
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| (node(source, text, key, tag), node(source, text, value, tag)))
                .collect(),
        ),
    };
    // A block has no bracket of its own to point at.
    let first = match &value {
        Value::List(items) => items.first(),
        Value::Map(entries) => entries.first().map(|(key, _)| key),
        _ => None,
    };
    if let Some(first) = first
        && location.span.start == location.span.end
    {
        location = first.location;
    }
    Node { value, location }
}

/// A raw value, its tag and its place.
type Placed = Spanned<Tagged<Raw>>;

/// What serde hands over, before the text of plain scalars is fetched from the source.
enum Raw {
    Null,
    Plain,
    Text(String),
    List(Vec<Placed>),
    Map(Vec<(Placed, Placed)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        struct RawVisitor;

        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }

            fn visit_i128<E: de::Error>(self, _: i128) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }

            fn visit_u128<E: de::Error>(self, _: u128) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Raw, E> {
                Ok(Raw::Plain)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Raw, E> {
                Ok(Raw::Text(text.to_owned()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Raw, E> {
                Ok(Raw::Text(text))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Raw, D::Error> {
                inner.deserialize_any(RawVisitor)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Raw::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(Raw::Map(map))
            }
        }

        deserializer.deserialize_any(RawVisitor)
    }
}

//------------ Decoding ------------------------------------------------------------------------

/// Collects problems while a tree is taken apart.
#[derive(Debug, Default)]
pub struct Decoder {
    /// What was wrong so far, in the order of the text.
    pub problems: Vec<Diagnostic>,
}

/// The entries of a map whose keys are all known.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'n> {
    entries: &'n [(Node, Node)],
    /// Where the map stands.
    pub location: Location,
}

impl<'n> Fields<'n> {
    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Returns a key and its value.
    pub fn entry(&self, key: &str) -> Option<(&'n Node, &'n Node)> {
        self.entries
            .iter()
            .find(|(name, _)| matches!(&name.value, Value::Scalar { text, .. } if text == key))
            .map(|(name, value)| (name, value))
    }
}

impl Decoder {
    /// Makes a decoder without problems.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Notes a problem.
    pub fn report(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    /// Notes that a value is not of the kind wanted.
    pub fn mismatch(&mut self, node: &Node, wanted: &str) {
        self.report(
            Diagnostic::error(
                node.location,
                format!("expected {wanted}, found {}", node.value.kind()),
            )
            .label(format!("should be {wanted}")),
        );
    }

    /// Returns the fields of a map. Unknown keys are reported with the nearest known one; an
    /// empty map, or something else than a map, is reported and gives nothing.
    pub fn map<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        self.map_or_help(node, what, known, |_| None)
    }

    /// Returns the fields of a map as [`Decoder::map`] does; `help` may know where an unknown key
    /// belongs.
    pub fn map_or_help<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        known: &[&str],
        help: impl Fn(&str) -> Option<String>,
    ) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            self.mismatch(node, &format!("a map ({what})"));
            return None;
        };
        if entries.is_empty() {
            self.report(
                Diagnostic::error(node.location, format!("{what} is empty"))
                    .label("nothing here")
                    .help(
                        "nothing ever means everything by being empty; write it out or remove it",
                    ),
            );
            return None;
        }
        for (key, _) in entries {
            match &key.value {
                Value::Scalar { text, .. } if known.contains(&text.as_str()) => {}
                Value::Scalar { text, .. } => {
                    let problem =
                        Diagnostic::error(key.location, format!("unknown key `{text}` in {what}"))
                            .label("not known here");
                    self.report(match (help(text), nearest(text, known.iter().copied())) {
                        (Some(help), _) => problem.help(help),
                        (None, Some(near)) => problem.help(format!("did you mean `{near}`?")),
                        (None, None) => problem.help(format!("known here: {}", known.join(", "))),
                    });
                }
                _ => self.mismatch(key, "a key"),
            }
        }
        Some(Fields { entries, location: node.location })
    }

    /// Returns the value of a key that must be there.
    pub fn require<'n>(&mut self, fields: Fields<'n>, key: &str, what: &str) -> Option<&'n Node> {
        let found = fields.get(key);
        if found.is_none() {
            self.report(
                Diagnostic::error(fields.location, format!("{what} has no `{key}`"))
                    .label(format!("`{key}` is missing"))
                    .help(format!("add `{key}: …`")),
            );
        }
        found
    }

    /// Returns a scalar's text; an empty one is reported.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, .. } if !text.trim().is_empty() => Some(text),
            Value::Scalar { .. } | Value::Null => {
                self.report(
                    Diagnostic::error(node.location, format!("{what} is empty"))
                        .label("nothing here")
                        .help("nothing ever means everything by being empty; write it out or remove it"),
                );
                None
            }
            _ => {
                self.mismatch(node, what);
                None
            }
        }
    }

    /// Returns a `true` or `false`.
    pub fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match self.text(node, what)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.mismatch(node, "`true` or `false`");
                None
            }
        }
    }

    /// Returns a whole number.
    pub fn number(&mut self, node: &Node, what: &str) -> Option<u64> {
        let text = self.text(node, what)?;
        let number = text.replace('_', "").parse().ok();
        if number.is_none() {
            self.report(
                Diagnostic::error(node.location, format!("{what} is no whole number"))
                    .label("should be a number such as 60"),
            );
        }
        number
    }

    /// Returns the items of a list; an empty list, or something else, is reported.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) if !items.is_empty() => Some(items),
            Value::List(_) | Value::Null => {
                self.report(
                    Diagnostic::error(node.location, format!("{what} is empty"))
                        .label("nothing here")
                        .help("nothing ever means everything by being empty; write it out or remove it"),
                );
                None
            }
            _ => {
                self.mismatch(node, &format!("a list ({what})"));
                None
            }
        }
    }

    /// Returns the items of a list, or a single value as a list of one.
    pub fn one_or_more<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(_) | Value::Null => self.list(node, what),
            _ => Some(std::slice::from_ref(node)),
        }
    }

    /// Checks `version: 1`.
    pub fn version(&mut self, fields: Fields<'_>, what: &str) {
        let Some(node) = self.require(fields, "version", what) else { return };
        if !matches!(&node.value, Value::Scalar { text, .. } if text == "1") {
            self.report(
                Diagnostic::error(node.location, format!("{what} has a version that is not known"))
                    .label("this program reads version 1")
                    .help("write `version: 1`"),
            );
        }
    }
}

/// Words longer than this are not compared: the work grows with the square of the length.
const LONGEST_COMPARED: usize = 64;

/// Returns the known word nearest to a mistyped one, if any is near.
pub fn nearest<'k>(typed: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let lower = typed.to_lowercase();
    let length = lower.chars().count();
    if length > LONGEST_COMPARED {
        return None;
    }
    known
        .filter_map(|word| {
            let letters = word.chars().count();
            let allowed = 1 + letters / 4;
            // No distance is smaller than the difference in length.
            if letters.abs_diff(length) > allowed {
                return None;
            }
            let distance = strsim::damerau_levenshtein(&lower, &word.to_lowercase());
            (distance <= allowed).then_some((distance, word))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests;
