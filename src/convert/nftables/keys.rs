//! Buckets for each address, as sets that rules fill: exact while the set can hold every key there
//! is, since a full set limits no new one.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::cases::Case;
use super::{Refused, refused};
use crate::model::{AddressSet, Family, KeyPart, Location};

/// The most keys of a set.
const MAX_KEYS: u128 = 65_536;

/// What of a packet has a bucket, in one family.
pub(super) struct Key {
    /// The end of the name of its set.
    pub(super) suffix: &'static str,
    /// What the set holds.
    pub(super) kind: &'static str,
    /// How many keys there are.
    pub(super) size: u128,
    /// How a rule writes it.
    pub(super) text: String,
}

/// Returns the keys of each family that packets of these cases have.
///
/// # Errors
///
/// Keys that are not an address or a prefix, and more of them than a set is sure to hold.
pub(super) fn of(per: &[KeyPart], cases: &[Case], place: Location) -> Result<Vec<Key>, Refused> {
    let (is_src, lengths) = match per {
        [KeyPart::Src { v4, v6 }] => (true, [*v4, *v6]),
        [KeyPart::Dst { v4, v6 }] => (false, [*v4, *v6]),
        _ => {
            return Err(refused(
                place,
                "this key cannot be written for nftables",
                "not a single address or prefix",
                "write `per: [src]` or `per: [dst]`, or a rule for each key",
            ));
        }
    };
    let mut keys = Vec::new();
    for (family, length) in [Family::V4, Family::V6].into_iter().zip(lengths) {
        let own: Vec<Case> = cases.iter().filter_map(|case| case.among(family)).collect();
        if own.is_empty() {
            continue;
        }
        let host = u32::from(family.bits() - length);
        let cut = |bits: u128| bits.checked_shr(host).unwrap_or(0);
        let mut size: u128 = 0;
        for case in &own {
            let set: &Option<AddressSet> = if is_src { &case.src } else { &case.dst };
            let count = |(first, last): &(u128, u128)| (cut(*last) - cut(*first)).saturating_add(1);
            let here = match set {
                Some(set) => set.ranges(family).iter().map(count).fold(0, u128::saturating_add),
                None => cut(family.max()).saturating_add(1),
            };
            size = size.saturating_add(here);
        }
        if size > MAX_KEYS || length == 0 {
            let side = if is_src { "source" } else { "destination" };
            let message = format!("{size} buckets are more than a set of nftables is sure to hold");
            let help = format!(
                "a full set limits no new key: match fewer {side}s, at most {MAX_KEYS} keys"
            );
            return Err(refused(place, &message, "a bucket for each", &help));
        }
        let field = if is_src { "saddr" } else { "daddr" };
        // The length is not zero here, so the shift is shorter than the number.
        let mask = family.max() - ((1 << host) - 1);
        let is_whole = length == family.bits();
        let (suffix, kind, ip, mask) = match family {
            Family::V4 => {
                let mask = Ipv4Addr::from(u32::try_from(mask).unwrap_or(u32::MAX));
                ("v4", "ipv4_addr", "ip", mask.to_string())
            }
            Family::V6 => ("v6", "ipv6_addr", "ip6", Ipv6Addr::from(mask).to_string()),
        };
        let text =
            if is_whole { format!("{ip} {field}") } else { format!("{ip} {field} & {mask}") };
        keys.push(Key { suffix, kind, size, text });
    }
    Ok(keys)
}
