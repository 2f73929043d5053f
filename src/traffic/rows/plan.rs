//! Where in a row everything is: the names of a preset, under those that the user gives.

use super::Preset;
use crate::model::columns::{Column, Columns};

/// A bit for every slot. Those of several slots are one where there are more slots than bits, which only
/// makes more work.
pub(super) type Mask = u64;

/// The names that are looked for, each in a slot.
pub(super) struct Plan {
    /// In small letters.
    pub(super) names: Vec<String>,
    /// The slots of each column, the best first, one column behind the other.
    slots: Vec<usize>,
    /// Where those of a column begin, and those of the next one.
    starts: [u32; COLUMNS + 1],
    /// The bits of the slots of each column.
    masks: [Mask; COLUMNS],
    /// The first slot of what only the form reads.
    pub(super) extra: usize,
    /// How many of the names the user gave; they stand first.
    pub(super) given: usize,
}

const COLUMNS: usize = Column::ALL.len();

impl Plan {
    pub(super) fn new(preset: &Preset, columns: Option<&Columns>) -> Plan {
        let (mut names, mut by_column) = (Vec::new(), vec![Vec::new(); COLUMNS]);
        let mut add = |column: Column, name: &str| {
            by_column[column as usize].push(names.len());
            names.push(name.to_ascii_lowercase());
        };
        let said = columns.map_or(&[][..], |columns| &columns.names);
        for (column, name) in said {
            add(*column, name);
        }
        for (column, names) in preset.columns {
            if columns.is_none_or(|columns| columns.name_of(*column).is_none()) {
                names.iter().for_each(|name| add(*column, name));
            }
        }
        let extra = names.len();
        names.extend(preset.extra.iter().map(|name| name.to_ascii_lowercase()));
        let (mut slots, mut starts, mut masks) = (Vec::new(), [0; COLUMNS + 1], [0; COLUMNS]);
        for ((own, start), mask) in by_column.iter().zip(&mut starts[1..]).zip(&mut masks) {
            slots.extend(own);
            *start = slots.len() as u32;
            *mask = own.iter().fold(0, |mask, slot| mask | 1 << (slot % Mask::BITS as usize));
        }
        Plan { names, slots, starts, masks, extra, given: said.len() }
    }

    /// Returns the slots of a column, the best first.
    #[inline]
    pub(super) fn slots(&self, column: Column) -> &[usize] {
        let at = column as usize;
        &self.slots[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// Returns the bits of the slots of a column.
    #[inline]
    pub(super) fn mask(&self, column: Column) -> Mask {
        self.masks[column as usize]
    }

    /// Returns the slots of a name; several columns may be read from one place.
    pub(super) fn slots_of(&self, name: &str) -> Vec<usize> {
        let names = self.names.iter().enumerate();
        names.filter(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(slot, _)| slot).collect()
    }

    /// Returns whether something is looked for inside of what has this name.
    pub(super) fn is_over(&self, name: &str) -> bool {
        self.names.iter().any(|known| {
            known.as_bytes().get(name.len()) == Some(&b'.')
                && known.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        })
    }
}
