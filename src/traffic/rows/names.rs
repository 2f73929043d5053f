//! Names of exporters and PoPs: a recording has few of them, again and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::FixedState;

use super::cells::Cell;
use super::ledger::Ticket;
use super::{swar, value};
use crate::model::{NameId, Names};

/// The most exporters and PoPs of one file that are remembered: the first of the file.
const MOST_NAMES: usize = 65_536;

/// The longest name that is one, in bytes.
const LONGEST: usize = 256;

/// The names of a file.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<String, NameId, FixedState>>);

impl Known {
    /// Returns the number of a name. A new one gets its number when all rows before it are read, so that
    /// the first names of the file are remembered whoever comes first.
    fn find(&self, name: &str, names: &Names, ticket: &Ticket) -> Option<NameId> {
        if name.len() > LONGEST {
            return None;
        }
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let known = known();
            if let Some(id) = known.get(name) {
                return Some(*id);
            }
            if known.len() >= MOST_NAMES {
                return None;
            }
        }
        ticket.wait();
        let mut known = known();
        if let Some(id) = known.get(name) {
            return Some(*id);
        }
        if known.len() >= MOST_NAMES {
            return None;
        }
        let id = names.intern(name);
        known.insert(name.to_owned(), id);
        Some(id)
    }
}

/// What a name is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Exporter,
    Pop,
}

/// How many names are near at hand.
const NEAR: usize = 256;

/// Names that were met a short while ago, as they stand in cells.
#[derive(Default)]
pub(super) struct Near {
    names: Vec<Option<(Of, String, Option<NameId>)>>,
}

impl Near {
    /// Returns the number of what a cell names, if it names anything.
    #[inline]
    pub(super) fn find(
        &mut self,
        (of, cell): (Of, Cell<'_>),
        (known, names): (&Known, &Names),
        ticket: &Ticket,
    ) -> Option<NameId> {
        let own;
        let text = match cell {
            Cell::Text(text) => text,
            _ => {
                own = cell.text();
                &own
            }
        };
        let at = place(text.as_bytes());
        if let Some(Some((same, name, id))) = self.names.get(at)
            && *same == of
            && name == text
        {
            return *id;
        }
        let id = match of {
            Of::Pop => known.find(text, names, ticket),
            Of::Exporter => match value::address(text) {
                Some(address) if address.bits == 0 => None,
                Some(address) => known.find(&address.to_string(), names, ticket),
                None => known.find(text, names, ticket),
            },
        };
        if text.len() <= LONGEST {
            self.names.resize(NEAR, None);
            self.names[at] = Some((of, text.to_owned(), id));
        }
        id
    }
}

/// Returns where a name would be near at hand, by its last bytes.
#[inline]
fn place(name: &[u8]) -> usize {
    let last = name.get(name.len().saturating_sub(8)..).unwrap_or_default();
    (swar::short(last).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % NEAR
}
