//! The headers that can exist.

use std::sync::LazyLock;

use super::super::fields::{Bits, Field, Ranges};
use super::{HeaderSet, Pops, longest};
use crate::model::ordinary::{ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE, is_extension};
use crate::model::{Family, Fragment};

/// Returns the headers that can exist, of one family, as disjoint products: TCP; UDP, UDP-Lite and
/// SCTP; the family's ICMP; every other protocol; later fragments, which carry nothing. The number
/// of an IPv6 extension header is no protocol.
///
/// A header is as long as it must be to carry its fields: an IPv4 header of 20 bytes or an IPv6
/// header of 40 (48 with a fragment header), and the first 4 bytes of ports, 14 of TCP flags or 2
/// of ICMP type and code, as the decoders of captures have it. Malformed packets that end before
/// that carry less than their protocol says, and are no points of this space.
pub fn possible(family: Family, pops: &Pops) -> Vec<HeaderSet> {
    let pops = Ranges::one(0, u32::from(pops.other()));
    let mut sets = kinds(family).to_vec();
    for set in &mut sets {
        set.pop = pops.clone();
    }
    sets
}

/// Returns what [`possible`] does, for any number of PoPs.
pub(in super::super) fn kinds(family: Family) -> &'static [HeaderSet] {
    static KINDS: LazyLock<[Vec<HeaderSet>; 2]> =
        LazyLock::new(|| [Family::V4, Family::V6].map(make));
    &KINDS[usize::from(family == Family::V6)]
}

fn make(family: Family) -> Vec<HeaderSet> {
    let any = HeaderSet::any(family, u16::MAX);
    let icmp = if family == Family::V4 { ICMP } else { ICMPV6 };
    let ports = [UDP, UDPLITE, SCTP];
    let exists = |protocol: u8| family == Family::V4 || !is_extension(protocol);
    let is = |test: &dyn Fn(u8) -> bool| {
        let holds = |value| u8::try_from(value).is_ok_and(|number| exists(number) && test(number));
        Bits::such(256, holds).unwrap_or(any.protocol)
    };
    let other = |protocol: u8| protocol != TCP && protocol != icmp && !ports.contains(&protocol);
    let mut kinds = Vec::new();
    let mut add = |protocol: Bits<4>, fragments: &dyn Fn(Fragment) -> bool, bytes: u32| {
        let Some(fragment) = Bits::such(8, |bits| fragments(Fragment(bits as u8))) else { return };
        let Some(fragment) = any.fragment.intersect(&fragment) else { return };
        let bare = HeaderSet {
            protocol,
            fragment,
            packet_length: Ranges::one(bytes, longest(family)),
            dst_port: Ranges::one(0, 0),
            src_port: Ranges::one(0, 0),
            tcp_flags: Bits::one(0),
            icmp_type: Bits::one(0),
            icmp_code: Bits::one(0),
            ..any.clone()
        };
        kinds.push(bare);
        let Some(bare) = kinds.last_mut() else { return };
        if fragment.contains(u32::from(Fragment::LATER.0)) {
            return;
        }
        if protocol.contains(TCP.into()) {
            bare.tcp_flags = any.tcp_flags;
        }
        if protocol.contains(TCP.into()) || protocol.contains(UDP.into()) {
            (bare.dst_port, bare.src_port) = (any.dst_port.clone(), any.src_port.clone());
        }
        if protocol.contains(icmp.into()) {
            (bare.icmp_type, bare.icmp_code) = (any.icmp_type, any.icmp_code);
        }
    };
    let protocols = [
        (is(&|protocol| protocol == TCP), 14),
        (is(&|protocol| ports.contains(&protocol)), 4),
        (is(&|protocol| protocol == icmp), 2),
        (is(&other), 0),
    ];
    let is_first = |fragment: Fragment| !fragment.has(Fragment::LATER);
    let is_later = |fragment: Fragment| fragment.has(Fragment::LATER);
    for (protocol, bytes) in protocols {
        if family == Family::V4 {
            add(protocol, &is_first, 20 + bytes);
        } else {
            add(protocol, &|fragment| !fragment.is_fragment(), 40 + bytes);
            let is_first = |fragment| is_first(fragment) && fragment.has(Fragment::MORE);
            add(protocol, &is_first, 48 + bytes);
        }
    }
    add(is(&|_| true), &is_later, if family == Family::V4 { 20 } else { 48 });
    kinds
}
