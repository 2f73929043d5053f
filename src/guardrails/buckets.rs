//! Who can meet in one bucket: shared by the guardrails about limits.

use std::collections::BTreeSet;

use super::{Evidence, Needs};
use crate::attribution::Party;
use crate::inventory::customers::{EndId, Owner};
use crate::judge::Judge;
use crate::model::prefix::host_mask;
use crate::model::{AddressRange, AddressSet, KeyPart, Match, RateLimit};

/// Returns the names of all owners who can meet others in one bucket of the limit of a rule, or of
/// several rules that use the same, of the buckets whose owners are not all the rule's target.
pub(super) fn shared_owners(
    evidence: &Evidence<'_>,
    users: &[&Match],
    limit: &RateLimit,
    judge: &Judge,
) -> Option<Vec<String>> {
    let separate = |part: &KeyPart| matches!(part, KeyPart::Src { .. } | KeyPart::Customer);
    if judge.target.all || limit.per.iter().any(separate) {
        return None;
    }
    let cut = limit.per.iter().find_map(|part| match part {
        KeyPart::Dst { v4, v6 } => Some([*v4, *v6]),
        _ => None,
    });
    let (dst, src) = (named(users, Match::destinations), named(users, Match::sources));
    // Who owns the addresses that part them, only an inventory tells.
    if evidence.given < Needs::Inventory && (dst.is_some() || src.is_some() || cut.is_some()) {
        return None;
    }
    if let Some(dst) = dst {
        return meeting(evidence, &dst, cut, judge);
    }
    match src {
        Some(src) if owned(evidence, &src) => meeting(evidence, &src, None, judge),
        // Nothing is named, so everybody can be in it. A key by destination still parts them.
        _ => match cut {
            Some(_) => meeting(evidence, &everything(), cut, judge),
            None => Some(vec!["everyone".to_owned()]),
        },
    }
}

/// Returns the addresses that these matches name together; none if one of them names none.
fn named(users: &[&Match], of: impl Fn(&Match) -> Option<AddressSet>) -> Option<AddressSet> {
    let sets: Option<Vec<AddressSet>> = users.iter().map(|matches| of(matches)).collect();
    sets.map(|sets| AddressSet::new(sets.iter().flat_map(AddressSet::iter)))
}

fn everything() -> AddressSet {
    use crate::model::Family;
    AddressSet::new([Family::V4, Family::V6].map(AddressRange::all))
}

fn owned(evidence: &Evidence<'_>, set: &AddressSet) -> bool {
    let customers = evidence.attribution.customers;
    set.iter()
        .flat_map(|range| customers.segments(range).collect::<Vec<_>>())
        .any(|(_, end)| customers.end(end).owner != Owner::Nobody)
}

/// Walks the pieces of a set in order and returns the owners of the buckets that several share.
/// `cut` is the prefix length of the key by family; none is one bucket for all.
fn meeting(
    evidence: &Evidence<'_>,
    set: &AddressSet,
    cut: Option<[u8; 2]>,
    judge: &Judge,
) -> Option<Vec<String>> {
    let customers = evidence.attribution.customers;
    let mut found: BTreeSet<Party> = BTreeSet::new();
    let mut open: Option<(AddressRange, BTreeSet<EndId>)> = None;
    let mut close = |open: &Option<(AddressRange, BTreeSet<EndId>)>| {
        found.extend(open.iter().flat_map(|(_, ends)| too_many(evidence, ends, judge)));
    };
    for range in set.iter() {
        for (piece, end) in customers.segments(range) {
            let bucket = |address: u128| match cut {
                None => AddressRange { first: 0, last: u128::MAX, ..piece },
                Some(lengths) => {
                    let host =
                        host_mask(piece.family, lengths[usize::from(piece.family.bits() > 32)]);
                    AddressRange {
                        family: piece.family,
                        first: address & !host,
                        last: address | host,
                    }
                }
            };
            let (first, last) = (bucket(piece.first), bucket(piece.last));
            let same = |known: &AddressRange| cut.is_none() || *known == first;
            match &mut open {
                Some((known, ends)) if same(known) => {
                    ends.insert(end);
                }
                _ => {
                    close(&open);
                    open = Some((first, BTreeSet::from([end])));
                }
            }
            if cut.is_some() && last != first {
                close(&open);
                open = Some((last, BTreeSet::from([end])));
            }
        }
    }
    close(&open);
    let inventory = evidence.inventory();
    let names = || found.iter().map(|owner| owner.name(inventory)).collect();
    (!found.is_empty()).then(names)
}

/// Returns the owners of these ends if there are several and not all are the target; else none.
fn too_many(evidence: &Evidence<'_>, ends: &BTreeSet<EndId>, judge: &Judge) -> BTreeSet<Party> {
    let inventory = evidence.inventory();
    let customers = evidence.attribution.customers;
    if ends.iter().all(|end| judge.target.has_end(customers.end(*end), inventory)) {
        return BTreeSet::new();
    }
    let mut owners = BTreeSet::new();
    for end in ends {
        match customers.end(*end).owner {
            Owner::Nobody => {
                owners.insert(Party::Unowned);
            }
            Owner::Customer(id) => {
                owners.insert(Party::Customer(id));
            }
            Owner::Shared(id) => {
                let sharers = &inventory.shared[id.0 as usize].customers;
                owners.extend(sharers.iter().map(|customer| Party::Customer(*customer)));
            }
        }
    }
    if owners.len() > 1 { owners } else { BTreeSet::new() }
}
