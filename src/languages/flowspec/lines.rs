//! Flow specifications as octets in hex, one announcement a line:
//!
//! ```text
//! # blastgate: id=acme-flood intent target=acme
//! nlri 0f0118cb00710381110501bb ext 8006000000000000,80070000000000 afi 1 safi 133
//! ```
//!
//! `nlri` takes one NLRI or several in a row, each with its length as in an UPDATE; `ext` the
//! extended communities, 8 octets each (20 of the IPv6 kind), with commas between them; `afi` is
//! 1 (IPv4, if it is left out) or 2, `safi` 133 (if it is left out) or 134 with a route
//! distinguisher in the NLRI; `id` is a name. `#` begins a comment.

use super::nlri::{Flow, Malformed};
use super::rules::{Announced, Route};
use crate::model::{Diagnostic, Family, Location, SourceId, Sources, Span, Spanned};
use crate::yaml::nearest;

/// How many problems of one text are told.
const MOST_PROBLEMS: usize = 20;

/// What a line may say.
const KEYS: &[&str] = &["nlri", "ext", "afi", "safi", "id"];

/// A word and its offsets.
type Word<'t> = (&'t str, usize, usize);

/// Reads a text of lines. Returns whether there is any.
pub(super) fn read(sources: &Sources, file: SourceId, announced: &mut Announced) -> bool {
    let text = &sources.get(file).text;
    let at = |start: usize, end: usize| Location { source: file, span: Span::new(start, end) };
    let mut comments: Vec<Spanned<String>> = Vec::new();
    let (mut offset, mut any) = (0, false);
    let mut problems = Vec::new();
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let code = line.split('#').next().unwrap_or("");
        if let Some(comment) = line.get(code.len() + 1..) {
            let comment = comment.trim_end();
            let from = start + code.len() + 1;
            comments.push(Spanned::new(comment.to_owned(), at(from, from + comment.len())));
        }
        if code.trim().is_empty() {
            continue;
        }
        any = true;
        match announcements(code, start, &at) {
            Ok(mut routes) => {
                if let Some(first) = routes.first_mut() {
                    first.comments = std::mem::take(&mut comments);
                }
                routes.into_iter().for_each(|route| announced.announce(route));
            }
            Err(problem) if problems.len() < MOST_PROBLEMS => problems.push(*problem),
            Err(_) => {}
        }
    }
    announced.problems.extend(problems);
    super::leftover(&comments, &mut announced.problems);
    any
}

fn announcements(
    code: &str,
    start: usize,
    at: &dyn Fn(usize, usize) -> Location,
) -> Result<Vec<Route>, Box<Diagnostic>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut from = 0;
    for word in code.split(char::is_whitespace) {
        if !word.is_empty() {
            words.push((word, start + from, start + from + word.len()));
        }
        // Every white space is at least one octet; the exact offset is found anew.
        from += word.len() + code[from + word.len()..].chars().next().map_or(0, char::len_utf8);
    }
    let whole = at(words[0].1, words[words.len() - 1].2);
    let wrong = |place: Location, message: String, help: &str| {
        Box::new(Diagnostic::error(place, message).label("here").help(help))
    };
    let mut found: [Option<Word<'_>>; 5] = [None; 5];
    for pair in words.chunks(2) {
        let (key, key_start, key_end) = pair[0];
        let place = at(key_start, key_end);
        let Some(number) = KEYS.iter().position(|known| *known == key) else {
            let near = nearest(key, KEYS.iter().copied());
            let help = near.map(|near| format!("did you mean `{near}`?"));
            let help = help.unwrap_or_else(|| format!("known here: {}", KEYS.join(", ")));
            return Err(wrong(place, format!("unknown word `{}`", key.escape_debug()), &help));
        };
        let Some(value) = pair.get(1) else {
            return Err(wrong(place, format!("`{key}` has no value"), EXAMPLE));
        };
        if found[number].replace(*value).is_some() {
            return Err(wrong(place, format!("`{key}` stands there twice"), "keep one of them"));
        }
    }
    let [nlri, ext, afi, safi, id] = found;
    let Some((digits, from, to)) = nlri else {
        return Err(wrong(whole, "the line has no `nlri`".to_owned(), EXAMPLE));
    };
    let family = match afi {
        None | Some(("1", ..)) => Family::V4,
        Some(("2", ..)) => Family::V6,
        Some((other, from, to)) => {
            let message = format!("`{}` is no AFI with flow specifications", other.escape_debug());
            return Err(wrong(at(from, to), message, "write `afi 1` or `afi 2`"));
        }
    };
    let is_vpn = match safi {
        None | Some(("133", ..)) => false,
        Some(("134", ..)) => true,
        Some((other, from, to)) => {
            let message = format!("`{}` is no SAFI of flow specifications", other.escape_debug());
            return Err(wrong(at(from, to), message, "write `safi 133` or `safi 134`"));
        }
    };
    let Some(octets) = octets(digits) else {
        return Err(wrong(at(from, to), "this is no hex".to_owned(), EXAMPLE));
    };
    let mut communities = Vec::new();
    if let Some((list, from, _)) = ext {
        let mut start = from;
        for digits in list.split(',') {
            let place = at(start, start + digits.len());
            start += digits.len() + 1;
            match self::octets(digits).filter(|octets| matches!(octets.len(), 8 | 20)) {
                Some(octets) => communities.push(Spanned::new(octets, place)),
                None => {
                    let help = "write 16 hex digits (40 of the IPv6 kind) for each, with commas";
                    return Err(wrong(place, "this is no extended community".to_owned(), help));
                }
            }
        }
    }
    let front = digits.len() - 2 * octets.len();
    let mut routes = Vec::new();
    let mut read = 0;
    while read < octets.len() {
        let (flow, taken) = Flow::decode(&octets[read..], family, is_vpn).map_err(
            |Malformed { at: octet, why }| {
                let first = (from + front + 2 * (read + octet)).min(to.saturating_sub(2));
                let help = "a malformed NLRI is treated as withdrawn (RFC 8955 section 10)";
                wrong(at(first, first + 2), format!("malformed flow specification: {why}"), help)
            },
        )?;
        read += taken;
        routes.push(Route {
            name: id.map(|(name, ..)| name.to_owned()),
            location: whole,
            places: vec![at(from, to); flow.components.len()],
            flow,
            communities: communities.clone(),
            next_hop: None,
            unknown: Vec::new(),
            comments: Vec::new(),
            receivers: Vec::new(),
        });
    }
    if routes.is_empty() {
        return Err(wrong(at(from, to), "there is no NLRI".to_owned(), EXAMPLE));
    }
    Ok(routes)
}

const EXAMPLE: &str = "write `nlri 0501180a00000 ext 8006000000000000 afi 1`";

/// Reads hex digits.
pub(super) fn octets(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.strip_prefix("0x").unwrap_or(digits).as_bytes();
    let value = |digit: u8| char::from(digit).to_digit(16);
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let pairs = digits.chunks_exact(2);
    pairs.map(|pair| Some((value(pair[0])? << 4 | value(pair[1])?) as u8)).collect()
}
