//! Traffic by group and window, while it is summed up.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use crate::attribution::Party;
use crate::impact::{Group, GroupId, SMALL_GROUP, Traffic};
use crate::model::NameId;
use crate::service::Service;

/// The windows of a group, by number.
type Windows = Vec<(i64, Traffic)>;

/// Sums by group and window. Keys of a tally come sorted, so that those of one group come in a row.
#[derive(Default)]
pub(super) struct Groups {
    positions: HashMap<GroupId, usize, FixedState>,
    groups: Vec<(GroupId, Windows)>,
}

impl Groups {
    /// Returns the sum of a group in a window.
    pub(super) fn of(&mut self, id: GroupId, window: i64) -> &mut Traffic {
        let Groups { positions, groups } = self;
        let at = *positions.entry(id).or_insert_with(|| {
            groups.push((id, Vec::new()));
            groups.len() - 1
        });
        in_window(&mut groups[at].1, window)
    }

    /// Joins the groups of fewer than [`SMALL_GROUP`] raw records of one party and PoP, and sorts
    /// them all. A lone small group keeps its name.
    pub(super) fn joined(self) -> Vec<Group> {
        let is_small = |windows: &Windows| {
            let raw = windows.iter().map(|(_, traffic)| traffic.offered.raw);
            raw.fold(0u64, u64::saturating_add) < SMALL_GROUP
        };
        let mut small: HashMap<(Party, Option<NameId>), usize, FixedState> = HashMap::default();
        for (id, windows) in &self.groups {
            if is_small(windows) {
                *small.entry((id.party, id.pop)).or_default() += 1;
            }
        }
        let mut joined: Vec<(GroupId, Windows)> = Vec::with_capacity(self.groups.len());
        let mut others: BTreeMap<GroupId, Windows> = BTreeMap::new();
        for (mut id, windows) in self.groups {
            if is_small(&windows) && small[&(id.party, id.pop)] > 1 {
                id.service = Service::Other;
                let into = others.entry(id).or_default();
                for (number, traffic) in windows {
                    in_window(into, number).add(&traffic);
                }
            } else {
                joined.push((id, windows));
            }
        }
        joined.extend(others);
        joined.sort_unstable_by_key(|(id, _)| *id);
        let whole = |(id, windows): (GroupId, Windows)| {
            let mut total = Traffic::default();
            windows.iter().for_each(|(_, traffic)| total.add(traffic));
            Group { id, windows, total }
        };
        joined.into_iter().map(whole).collect()
    }
}

fn in_window(windows: &mut Windows, number: i64) -> &mut Traffic {
    let at = match windows.binary_search_by_key(&number, |(number, _)| *number) {
        Ok(at) => at,
        Err(at) => {
            windows.insert(at, (number, Traffic::default()));
            at
        }
    };
    &mut windows[at].1
}
