//! Plain lists: a prefix, an address or a range `a-b` a line, then whose it is and that one's tags,
//! with blanks or commas between; `#` begins a comment. Lines that do not say whose they are need
//! `customer:` beside the name of the file.

use super::{Collector, Form, Listed, Owners, names};
use crate::model::{Address, Diagnostic, Location, Prefix, Sources, Span, Spanned};
use crate::words::{self, Wrong};

pub(super) const FORM: Form = Form { name: "prefix-list", owners: Owners::File, detect, read };

fn detect(_name: &str, start: &str) -> bool {
    let start = start.trim_start_matches('\u{feff}');
    let first = start.lines().map(|line| line.split('#').next().unwrap_or_default());
    let first = first.flat_map(|line| words_of(line).next()).next();
    // A word with a colon may be a key of YAML.
    first.is_some_and(|(_, word)| {
        word.contains(['.', ':', '/']) && !word.ends_with(':') && ranges(word).is_ok()
    })
}

/// Returns the words of a line, each with its place in it.
fn words_of(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_between = |c: char| c.is_whitespace() || c == ',' || c == ';';
    line.split(is_between).filter(|word| !word.is_empty()).map(move |word| {
        let at = word.as_ptr() as usize - line.as_ptr() as usize;
        (at, word)
    })
}

/// Reads a prefix, an address or a range, as the prefixes that it is made of.
fn ranges(word: &str) -> Result<Vec<Prefix>, Wrong> {
    if !word.contains('-') {
        return names::prefix(word).map(|prefix| vec![prefix]);
    }
    let range = words::address_range(word)?;
    let family = range.family;
    let mut prefixes = Vec::new();
    let mut first = range.first;
    loop {
        // The largest block that begins here and does not end behind the range.
        let mut length = family.bits();
        while length > 0 {
            let wider = Prefix::new(Address { family, bits: first }, length - 1);
            if wider.bits != first || wider.range().last > range.last {
                break;
            }
            length -= 1;
        }
        let block = Prefix::new(Address { family, bits: first }, length);
        prefixes.push(block);
        let last = block.range().last;
        if last >= range.last {
            return Ok(prefixes);
        }
        first = last + 1;
    }
}

fn read(sources: &Sources, listed: &Listed, into: &mut Collector) -> Vec<Diagnostic> {
    let source = sources.get(listed.file);
    let mut problems = Vec::new();
    let mut prefixes = 0;
    let mut start = source.text.len() - source.text.trim_start_matches('\u{feff}').len();
    for whole in source.text[start..].split_inclusive('\n') {
        let line = whole.split('#').next().unwrap_or_default();
        let place = |at: usize, word: &str| {
            let at = start + at;
            Location { source: listed.file, span: Span::new(at, at + word.len()) }
        };
        let mut words = words_of(line);
        if let Some((at, word)) = words.next() {
            prefixes += 1;
            let owner = words.next();
            let here = place(at, word);
            let id = match (owner, &listed.customer) {
                (Some((at, id)), _) => Some((id, place(at, id))),
                (None, Some(id)) => Some((id.as_str(), here)),
                (None, None) => None,
            };
            match (ranges(word), id) {
                (Err(wrong), _) => problems.push(wrong.at(here)),
                (Ok(_), None) => problems.push(
                    Diagnostic::error(here, "nothing says whose this prefix is")
                        .label("no customer")
                        .help(
                            "write the customer's id behind it, or `customer:` beside the name of \
                             the file in the config",
                        ),
                ),
                (Ok(_), Some((id, place))) if !words::is_id(id) => problems.push(
                    Diagnostic::error(
                        place,
                        format!("`{}` cannot be a customer id", id.escape_debug()),
                    )
                    .label("should be like `acme-1`")
                    .help("use small letters, digits, `.`, `_` and `-`"),
                ),
                (Ok(ranges), Some((id, place))) => {
                    let customer = into.number(id, place);
                    for (_, tag) in words {
                        into.tag(customer, tag);
                    }
                    for prefix in ranges {
                        into.prefix(customer, Spanned::new(prefix, here), None);
                    }
                }
            }
        }
        start += whole.len();
    }
    if prefixes == 0 {
        problems.push(
            Diagnostic::bare(format!("{} lists no prefix", source.name))
                .help("write one a line, and whose it is"),
        );
    }
    problems
}
