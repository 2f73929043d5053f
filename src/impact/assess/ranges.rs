//! What is least and what is greatest, over all ways and in packets and bytes each.

use std::collections::{BTreeMap, BTreeSet};

use crate::attribution::Party;
use crate::impact::{Amount, Cause, Range};

/// Amounts by who is charged and why.
pub(super) type Charges = BTreeMap<(Party, Cause), Amount>;

/// Returns what is certain and what is possible, over all ways: for everybody at least what the
/// way costs that costs it least, and by every cause at most what any way costs. Packets and bytes
/// each by themselves: the way with the fewest of the one may not be that of the other.
pub(super) fn ranges<'c>(
    ways: impl Iterator<Item = &'c [Charges; 2]> + Clone,
) -> BTreeMap<(Party, Cause), Range> {
    let mut ranges: BTreeMap<(Party, Cause), Range> = BTreeMap::new();
    for (who, amount) in ways.clone().flat_map(|[_, many]| many) {
        let greatest = &mut ranges.entry(*who).or_default().greatest;
        *greatest = most(*greatest, *amount);
    }
    let parties: BTreeSet<Party> = ranges.keys().map(|(party, _)| *party).collect();
    for party in parties {
        let own = |[few, _]: &'c [Charges; 2]| {
            few.iter().filter(|((charged, _), _)| *charged == party).collect::<Vec<_>>()
        };
        let cheapest = |of: fn(&Amount) -> u64| {
            let cost = |charges: &Vec<(&(Party, Cause), &Amount)>| {
                charges.iter().map(|(_, amount)| of(amount)).fold(0, u64::saturating_add)
            };
            ways.clone().map(own).min_by_key(cost).unwrap_or_default()
        };
        for (who, amount) in cheapest(|amount| amount.packets) {
            let least = &mut ranges.entry(*who).or_default().least;
            (least.raw, least.packets) = (amount.raw, amount.packets);
        }
        for (who, amount) in cheapest(|amount| amount.bytes) {
            ranges.entry(*who).or_default().least.bytes = amount.bytes;
        }
    }
    ranges
}

pub(super) fn most(a: Amount, b: Amount) -> Amount {
    Amount { raw: a.raw.max(b.raw), packets: a.packets.max(b.packets), bytes: a.bytes.max(b.bytes) }
}

fn least(a: Amount, b: Amount) -> Amount {
    Amount { raw: a.raw.min(b.raw), packets: a.packets.min(b.packets), bytes: a.bytes.min(b.bytes) }
}

pub(super) fn minus(a: Amount, b: Amount) -> Amount {
    Amount {
        raw: a.raw.saturating_sub(b.raw),
        packets: a.packets.saturating_sub(b.packets),
        bytes: a.bytes.saturating_sub(b.bytes),
    }
}

pub(super) fn widen(range: &mut Option<Range>, few: Amount, many: Amount) {
    *range = Some(match *range {
        Some(known) => {
            Range { least: least(known.least, few), greatest: most(known.greatest, many) }
        }
        None => Range { least: few, greatest: many },
    });
}
