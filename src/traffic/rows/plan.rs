//! Where in a row everything is: the names of a preset, under those that the user gives.

use super::Preset;
use crate::model::columns::{Column, Columns};

/// The names that are looked for, each in a slot.
pub(super) struct Plan {
    /// In small letters.
    pub(super) names: Vec<String>,
    /// The slots of each column, the best first.
    pub(super) slots: Vec<Vec<usize>>,
    /// The first slot of what only the form reads.
    pub(super) extra: usize,
    /// How many of the names the user gave; they stand first.
    pub(super) given: usize,
}

impl Plan {
    pub(super) fn new(preset: &Preset, columns: Option<&Columns>) -> Plan {
        let mut plan = Plan {
            names: Vec::new(),
            slots: vec![Vec::new(); Column::ALL.len()],
            extra: 0,
            given: 0,
        };
        for (column, name) in columns.into_iter().flat_map(|columns| &columns.names) {
            plan.add(*column, name);
        }
        plan.given = plan.names.len();
        for (column, names) in preset.columns {
            if columns.is_none_or(|columns| columns.name_of(*column).is_none()) {
                names.iter().for_each(|name| plan.add(*column, name));
            }
        }
        plan.extra = plan.names.len();
        plan.names.extend(preset.extra.iter().map(|name| name.to_ascii_lowercase()));
        plan
    }

    /// A plan that looks for nothing.
    pub(super) fn none() -> Plan {
        Plan { names: Vec::new(), slots: Vec::new(), extra: 0, given: 0 }
    }

    fn add(&mut self, column: Column, name: &str) {
        self.slots[column as usize].push(self.names.len());
        self.names.push(name.to_ascii_lowercase());
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
