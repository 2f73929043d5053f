//! What one row says, as text, by column; and how it gets there from JSON.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Preset;
use super::plan::Plan;
use crate::model::columns::Column;

/// A row.
pub(in crate::traffic) struct Row<'a> {
    pub(super) cells: Vec<Cow<'a, str>>,
    pub(super) plan: &'a Plan,
    pub(super) preset: &'static Preset,
}

impl<'a> Row<'a> {
    pub(super) fn empty(plan: &'a Plan, preset: &'static Preset) -> Row<'a> {
        Row { cells: vec![Cow::Borrowed(""); plan.names.len()], plan, preset }
    }

    fn cell(&self, slot: usize) -> Option<&str> {
        let text = self.cells.get(slot)?.trim();
        (!text.is_empty() && !self.preset.unset.contains(&text)).then_some(text)
    }

    /// Returns all that the row has under the names of a column, the best first.
    pub(super) fn all(&self, column: Column) -> impl Iterator<Item = &str> {
        self.plan.slots[column as usize].iter().filter_map(|slot| self.cell(*slot))
    }

    /// Returns what the row says in a column.
    pub(in crate::traffic) fn get(&self, column: Column) -> Option<&str> {
        self.all(column).next()
    }

    /// Returns what the row says in a column that only its form reads, by its place in the list.
    pub(in crate::traffic) fn extra(&self, at: usize) -> Option<&str> {
        self.cell(self.plan.extra + at)
    }

    /// Returns a number in a column that only its form reads.
    pub(in crate::traffic) fn extra_number(&self, at: usize) -> Option<u64> {
        super::number(self.extra(at)?)
    }
}

//------------ JSON ------------------------------------------------------------

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
}

/// The most keys that are remembered; a recording of more is none that people have.
const MOST_KEYS: usize = 4_096;

impl Keys {
    /// Reads an object. `false` if it is none.
    pub(super) fn read<'a>(&mut self, text: &'a str, row: &mut Row<'a>) -> bool {
        self.inside(text, "", row)
    }

    fn inside<'a>(&mut self, text: &'a str, prefix: &str, row: &mut Row<'a>) -> bool {
        let mut json = serde_json::Deserializer::from_str(text);
        let object = Object { keys: self, row, prefix };
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
}

struct Object<'k, 'r, 'a> {
    keys: &'k mut Keys,
    row: &'r mut Row<'a>,
    prefix: &'k str,
}

impl<'a> Visitor<'a> for Object<'_, '_, 'a> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<bool, A::Error> {
        let Object { keys, row, prefix } = self;
        while let Some(key) = map.next_key_seed(Key)? {
            let name: Cow<'_, str> =
                if prefix.is_empty() { key } else { Cow::Owned(format!("{prefix}.{key}")) };
            match keys.look(&name, row.plan) {
                Look::Nothing => {
                    map.next_value::<IgnoredAny>()?;
                }
                Look::Inside => {
                    let raw: &'a RawValue = map.next_value()?;
                    if raw.get().starts_with('{') && !keys.inside(raw.get(), &name, row) {
                        return Ok(false);
                    }
                }
                Look::Slots(slots) => {
                    let raw: &'a RawValue = map.next_value()?;
                    let Some(text) = text(raw.get()) else { return Ok(false) };
                    for slot in slots {
                        // Two values of one name: which of them holds?
                        if !row.cells[slot].is_empty() && row.cells[slot] != text {
                            return Ok(false);
                        }
                        row.cells[slot].clone_from(&text);
                    }
                }
            }
        }
        Ok(true)
    }
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
