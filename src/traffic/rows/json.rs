//! Rows that are JSON objects: what stands behind the keys that are wanted.
//!
//! Most objects are plain: values that are texts without escapes, numbers, words. They are read in one
//! go over the bytes, by the keys of the object before, which mostly has the same. Any other is left to
//! a reader that is careful; both take the same objects, and read the same in them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::cells::{Slots, Span};
use super::plan::Plan;
use super::swar;

/// What is looked for behind a key.
#[derive(Clone)]
enum Look {
    Slots(Vec<usize>),
    Inside,
    Nothing,
}

/// Remembers what keys lead to.
#[derive(Default)]
pub(super) struct Keys {
    known: HashMap<String, Look, foldhash::fast::FixedState>,
    /// The keys of the object that was read last, in their order, and of what stands inside of it.
    last: Vec<Last>,
}

/// A key that was met.
struct Last {
    /// The names of the objects that it is inside of, each with a dot behind.
    prefix: String,
    /// With its quotes and the colon.
    key: String,
    look: Look,
}

/// The most keys that are remembered; a recording of more is none that people have.
const MOST_KEYS: usize = 4_096;

/// The most keys of the last object that are remembered in their order.
const MOST_LAST: usize = 256;

impl Keys {
    /// Reads an object. `false` if it is none.
    pub(super) fn read(&mut self, text: &str, plan: &Plan, slots: &mut Slots) -> bool {
        slots.clear(plan);
        if self.read_plain(text, plan, slots).is_some() {
            return true;
        }
        self.read_carefully(text, plan, slots)
    }

    /// Reads any object. `false` if it is none.
    pub(super) fn read_carefully(&mut self, text: &str, plan: &Plan, slots: &mut Slots) -> bool {
        slots.clear(plan);
        self.inside(text, (text, ""), plan, slots)
    }

    fn inside(
        &mut self,
        text: &str,
        (row, prefix): (&str, &str),
        plan: &Plan,
        slots: &mut Slots,
    ) -> bool {
        let mut json = serde_json::Deserializer::from_str(text);
        let object = Object { keys: self, row, plan, slots, prefix };
        (&mut json).deserialize_map(object).is_ok_and(|fits| fits) && json.end().is_ok()
    }

    fn look(&mut self, name: &str, plan: &Plan) -> Look {
        if let Some(look) = self.known.get(name) {
            return look.clone();
        }
        let slots = plan.slots_of(name);
        let look = match slots.is_empty() {
            false => Look::Slots(slots),
            true if plan.is_over(name) => Look::Inside,
            true => Look::Nothing,
        };
        if self.known.len() < MOST_KEYS {
            self.known.insert(name.to_owned(), look.clone());
        }
        look
    }

    //-------- Plain objects

    /// Reads an object that is plain; none if it is not, or no object.
    pub(super) fn read_plain(&mut self, text: &str, plan: &Plan, slots: &mut Slots) -> Option<()> {
        let start = space(text.as_bytes(), 0);
        let end = self.plain(text, (start, 0, ""), plan, slots)?.0;
        (space(text.as_bytes(), end) == text.len()).then_some(())
    }

    /// Reads an object that begins here, with a key that is the so-manieth. Returns where it ends, and
    /// which key follows.
    fn plain(
        &mut self,
        text: &str,
        (start, first, prefix): (usize, usize, &str),
        plan: &Plan,
        slots: &mut Slots,
    ) -> Option<(usize, usize)> {
        let bytes = text.as_bytes();
        let mut at = space(bytes, behind(bytes, start, b'{')?);
        if bytes.get(at) == Some(&b'}') {
            return Some((at + 1, first));
        }
        let mut number = first;
        while number < MOST_LAST {
            let (key, next) = self.key(text, (at, number, prefix), plan)?;
            at = next;
            let look = &self.last.get(number)?.look;
            number += 1;
            if let (Look::Inside, Some(b'{')) = (look, bytes.get(at)) {
                let prefix = format!("{prefix}{}.", text.get(key)?);
                (at, number) = self.plain(text, (at, number, &prefix), plan, slots)?;
            } else {
                let (value, next) = value(bytes, at)?;
                if let Look::Slots(wanted) = look {
                    for slot in wanted {
                        slots.put_once(text, *slot, value)?;
                    }
                }
                at = next;
            }
            at = space(bytes, at);
            match bytes.get(at)? {
                b',' => at = space(bytes, at + 1),
                b'}' => return Some((at + 1, number)),
                _ => return None,
            }
        }
        None
    }

    /// Returns where a key is that begins here and where its value does, and puts what it leads to in its
    /// place among the last ones.
    #[inline]
    fn key(
        &mut self,
        text: &str,
        (at, number, prefix): (usize, usize, &str),
        plan: &Plan,
    ) -> Option<(Range<usize>, usize)> {
        let bytes = text.as_bytes();
        if let Some(last) = self.last.get(number) {
            let end = at + last.key.len();
            let is_same = bytes.get(at..end) == Some(last.key.as_bytes())
                && last.prefix.len() == prefix.len()
                && (prefix.is_empty() || last.prefix == prefix);
            if is_same {
                return Some((at + 1..end - 2, space(bytes, end)));
            }
        }
        let start = behind(bytes, at, b'"')?;
        let end = swar::end_of_string(bytes, start)?;
        let value = space(bytes, behind(bytes, space(bytes, end + 1), b':')?);
        // What stands behind no name at all is left to the careful reader.
        let key = text.get(start..end).filter(|key| !key.is_empty())?;
        let look = self.look(&format!("{prefix}{key}"), plan);
        let last = Last { prefix: prefix.to_owned(), key: format!("\"{key}\":"), look };
        match self.last.get_mut(number) {
            Some(place) => *place = last,
            None => self.last.push(last),
        }
        Some((start..end, value))
    }
}

#[inline(always)]
fn space(bytes: &[u8], mut at: usize) -> usize {
    if bytes.get(at).is_some_and(|byte| *byte > b' ') {
        return at;
    }
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

#[inline]
fn behind(bytes: &[u8], at: usize, byte: u8) -> Option<usize> {
    (bytes.get(at) == Some(&byte)).then_some(at + 1)
}

/// Returns where the text of a value lies, and where it ends; none if it is not plain.
#[inline]
fn value(bytes: &[u8], at: usize) -> Option<(Span, usize)> {
    match bytes.get(at)? {
        b'"' => {
            let end = swar::end_of_string(bytes, at + 1)?;
            Some((Span::new(at + 1, end), end + 1))
        }
        b'-' | b'0'..=b'9' => {
            let end = end_of_number(bytes, at)?;
            Some((Span::new(at, end), end))
        }
        b't' => word(bytes, at, b"true"),
        b'f' => word(bytes, at, b"false"),
        b'n' => word(bytes, at, b"null").map(|(_, end)| (Span::EMPTY, end)),
        b'[' | b'{' => {
            let end = end_of_nested(bytes, at, DEEPEST)?;
            Some((Span::new(at, end), end))
        }
        _ => None,
    }
}

/// How deep lists and objects may be that are plain.
const DEEPEST: usize = 8;

/// Returns where a list or an object ends that begins here.
fn end_of_nested(bytes: &[u8], at: usize, deepest: usize) -> Option<usize> {
    let is_object = bytes.get(at) == Some(&b'{');
    let close = if is_object { b'}' } else { b']' };
    let deepest = deepest.checked_sub(1)?;
    let mut at = space(bytes, at + 1);
    if bytes.get(at) == Some(&close) {
        return Some(at + 1);
    }
    loop {
        if is_object {
            let end = swar::end_of_string(bytes, behind(bytes, at, b'"')?)?;
            at = space(bytes, behind(bytes, space(bytes, end + 1), b':')?);
        }
        at = match bytes.get(at)? {
            b'[' | b'{' => end_of_nested(bytes, at, deepest)?,
            _ => value(bytes, at)?.1,
        };
        at = space(bytes, at);
        match bytes.get(at)? {
            b',' => at = space(bytes, at + 1),
            byte if *byte == close => return Some(at + 1),
            _ => return None,
        }
    }
}

fn word(bytes: &[u8], at: usize, word: &[u8]) -> Option<(Span, usize)> {
    let end = at + word.len();
    (bytes.get(at..end) == Some(word)).then(|| (Span::new(at, end), end))
}

#[inline]
fn digits(bytes: &[u8], start: usize) -> Option<usize> {
    let end = swar::end_of_digits(bytes, start);
    (end > start).then_some(end)
}

#[inline]
fn end_of_number(bytes: &[u8], at: usize) -> Option<usize> {
    let start = at + usize::from(bytes.get(at) == Some(&b'-'));
    let mut end = digits(bytes, start)?;
    if bytes.get(start) == Some(&b'0') && end > start + 1 {
        return None;
    }
    if bytes.get(end) == Some(&b'.') {
        end = digits(bytes, end + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let is_signed = matches!(bytes.get(end + 1), Some(b'+' | b'-'));
        end = digits(bytes, end + 1 + usize::from(is_signed))?;
    }
    Some(end)
}

//------------ Any object ------------------------------------------------------

struct Object<'k, 'a> {
    keys: &'k mut Keys,
    row: &'a str,
    plan: &'k Plan,
    slots: &'k mut Slots,
    prefix: &'k str,
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<bool, A::Error> {
        let Object { keys, row, plan, slots, prefix } = self;
        while let Some(key) = map.next_key_seed(Key)? {
            let name: Cow<'_, str> =
                if prefix.is_empty() { key } else { Cow::Owned(format!("{prefix}.{key}")) };
            match keys.look(&name, plan) {
                Look::Nothing => {
                    map.next_value::<IgnoredAny>()?;
                }
                Look::Inside => {
                    let raw: &'a RawValue = map.next_value()?;
                    let fits = !raw.get().starts_with('{')
                        || keys.inside(raw.get(), (row, &name), plan, slots);
                    if !fits {
                        return Ok(false);
                    }
                }
                Look::Slots(wanted) => {
                    let raw: &'a RawValue = map.next_value()?;
                    let Some(text) = text(raw.get()) else {
                        return Ok(false);
                    };
                    let span = match &text {
                        Cow::Borrowed("") => Span::EMPTY,
                        Cow::Borrowed(text) => place(row, text).unwrap_or_else(|| slots.own(text)),
                        Cow::Owned(text) => slots.own(text),
                    };
                    // Two values of one name: which of them holds?
                    if wanted.iter().any(|slot| slots.put_once(row, *slot, span).is_none()) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }
}

/// Returns where in a row a part of it is.
fn place(row: &str, part: &str) -> Option<Span> {
    let from = (part.as_ptr() as usize).checked_sub(row.as_ptr() as usize)?;
    let to = from.checked_add(part.len()).filter(|to| *to <= row.len())?;
    Some(Span::new(from, to))
}

/// Returns a value as text, strings without their quotes.
fn text(raw: &str) -> Option<Cow<'_, str>> {
    match raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
        None if raw == "null" => Some(Cow::Borrowed("")),
        None => Some(Cow::Borrowed(raw)),
        Some(inner) if !inner.contains('\\') => Some(Cow::Borrowed(inner)),
        Some(_) => serde_json::from_str(raw).ok().map(Cow::Owned),
    }
}

/// A key, borrowed where it can be.
struct Key;

impl<'a> serde::de::DeserializeSeed<'a> for Key {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Cow<'a, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key {
    type Value = Cow<'a, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
