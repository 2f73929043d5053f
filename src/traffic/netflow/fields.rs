//! From the values of a record to what a flow record says.

use super::boot::Boot;
use super::template::{Slot, Values};
use super::{Clock, MS_NS, SECOND_NS};
use crate::model::ordinary::{ICMP, ICMPV6};
use crate::model::{Direction, Fragment};
use crate::traffic::flow::Flow;

/// From 1900, where NTP begins, to 1970.
const NTP_SECONDS: u64 = 2_208_988_800;

/// Returns what a record says of its flow. `boot` is when the exporter started, if that is known.
pub(super) fn flow(values: &Values, clock: Clock, boot: Option<Boot>) -> Flow {
    let (src4, dst4) = (values.get(Slot::Src4), values.get(Slot::Dst4));
    let (src6, dst6) = (values.get(Slot::Src6), values.get(Slot::Dst6));
    // Some exporters have room for both families in one template, and leave one empty.
    let v6 = match (src4.or(dst4), src6.or(dst6), values.get(Slot::IpVersion)) {
        (Some(_), Some(_), Some(version)) => version == 6,
        (Some(_), Some(_), None) => src4.unwrap_or(0) == 0 && dst4.unwrap_or(0) == 0,
        (_, six, _) => six.is_some(),
    };
    let (src, dst) = if v6 { (src6, dst6) } else { (src4, dst4) };
    let (packets, bytes) = counts(values);
    let ports = values.take(Slot::SrcPort).zip(values.take(Slot::DstPort));
    let protocol = values.take(Slot::Protocol);
    let one = packets == Some(1);
    Flow {
        v6,
        src,
        dst,
        protocol,
        ports,
        tcp_flags: values.get(Slot::Flags).map(|flags| flags as u8),
        icmp: protocol.and_then(|protocol| icmp(values, protocol, v6, ports)),
        tos: values.take(Slot::Tos).or_else(|| {
            values.take::<u8>(Slot::Dscp).filter(|dscp| *dscp < 64).map(|dscp| dscp << 2)
        }),
        ttl: match values.take::<u8>(Slot::Ttl).filter(|_| one) {
            Some(ttl) => Some((ttl, ttl)),
            None => values.take(Slot::LeastTtl).zip(values.take(Slot::GreatestTtl)),
        },
        length: values.take(Slot::LeastLength).zip(values.take(Slot::GreatestLength)),
        fragment: fragment(values),
        direction: match values.get(Slot::Direction) {
            Some(0) => Some(Direction::Ingress),
            Some(1) => Some(Direction::Egress),
            _ => None,
        },
        packets,
        bytes,
        is_length_rough: false,
        // The first two bits are the status, the others the reason (RFC 7270, section 4.12).
        was_dropped: values.get(Slot::Forwarding).is_some_and(|status| status >> 6 == 2),
        time_ns: times(values, clock, boot),
    }
}

/// Returns what a record that is of both ways says of the way back.
pub(super) fn back(values: &Values, there: &Flow) -> Option<Flow> {
    let counted = |(packets, bytes)| {
        let packets = values.take::<u64>(packets).filter(|packets| *packets > 0)?;
        Some((packets, values.take::<u64>(bytes)))
    };
    // Beside a count of what came in, one of what went out is of the way back, as nProbe and nfdump
    // have it; alone it is that of the flow.
    let has_come_in = values.take::<u64>(Slot::Packets).is_some_and(|packets| packets > 0);
    let out = || counted((Slot::OutPackets, Slot::OutBytes)).filter(|_| has_come_in);
    let (packets, bytes) = counted((Slot::BackPackets, Slot::BackBytes)).or_else(out)?;
    Some(Flow {
        src: there.dst,
        dst: there.src,
        ports: there.ports.map(|(src, dst)| (dst, src)),
        tcp_flags: values.get(Slot::BackFlags).map(|flags| flags as u8),
        // What the way there holds is not said of the way back.
        icmp: None,
        tos: None,
        ttl: None,
        length: None,
        fragment: None,
        direction: None,
        packets: Some(packets),
        bytes,
        ..*there
    })
}

/// Returns packets and bytes: those that came in, or went out if none came in.
fn counts(values: &Values) -> (Option<u64>, Option<u64>) {
    let pairs = [
        (Slot::Packets, Slot::Bytes),
        (Slot::OutPackets, Slot::OutBytes),
        (Slot::TotalPackets, Slot::TotalBytes),
        (Slot::TherePackets, Slot::ThereBytes),
    ];
    let read = |(packets, bytes)| (values.take::<u64>(packets), values.take::<u64>(bytes));
    let found = pairs.into_iter().map(read);
    let some = found.clone().find(|(packets, _)| packets.is_some_and(|packets| packets > 0));
    some.or_else(|| found.into_iter().find(|(packets, bytes)| packets.or(*bytes).is_some()))
        .unwrap_or((None, None))
}

/// Returns type and code: from fields for them, or from the destination port, where routers put
/// them and zero says nothing.
fn icmp(values: &Values, protocol: u8, v6: bool, ports: Option<(u16, u16)>) -> Option<(u8, u8)> {
    let (both, kind, code) = match (protocol, v6) {
        (ICMP, false) => (Slot::Icmp4, Slot::Icmp4Type, Slot::Icmp4Code),
        (ICMPV6, true) => (Slot::Icmp6, Slot::Icmp6Type, Slot::Icmp6Code),
        _ => return None,
    };
    let split = |both: u16| (both.to_be_bytes()[0], both.to_be_bytes()[1]);
    if let Some(pair) = values.take(kind).zip(values.take(code)) {
        return Some(pair);
    }
    if let Some(both) = values.take::<u16>(both) {
        return Some(split(both));
    }
    // NetFlow v9 has one field for both families; exporters of IPFIX have taken it over.
    let other = values.take::<u16>(Slot::Icmp4).filter(|_| v6);
    let port = ports.map(|(_, dst)| dst);
    other.filter(|both| *both != 0).or(port.filter(|port| *port != 0)).map(split)
}

/// Returns the fragment fields if both are there (RFC 5102: offset in units of 8 bytes, and the flags
/// of the header's first bits).
fn fragment(values: &Values) -> Option<Fragment> {
    let (offset, flags) =
        (values.take::<u16>(Slot::FragmentOffset)?, values.take::<u8>(Slot::FragmentFlags)?);
    let bits = [
        (offset != 0, Fragment::LATER),
        (flags & 0x20 != 0, Fragment::MORE),
        (flags & 0x40 != 0, Fragment::DONT),
    ];
    let set = bits.into_iter().filter(|(set, _)| *set);
    Some(set.fold(Fragment::NONE, |all, (_, bit)| all.with(bit)))
}

/// A time, and how much later what happened then may have happened, and how much earlier.
#[derive(Clone, Copy)]
struct Moment {
    ns: i64,
    late_ns: i64,
    early_ns: i64,
}

/// Returns when the packets of a record were: none before, and all before.
pub(super) fn times(values: &Values, clock: Clock, boot: Option<Boot>) -> Option<(i64, i64)> {
    let start = moment(
        values,
        clock,
        boot,
        [
            Slot::StartNs,
            Slot::StartUs,
            Slot::StartMs,
            Slot::StartSeconds,
            Slot::StartUsAgo,
            Slot::FirstUptime,
        ],
    );
    let end = moment(
        values,
        clock,
        boot,
        [Slot::EndNs, Slot::EndUs, Slot::EndMs, Slot::EndSeconds, Slot::EndUsAgo, Slot::LastUptime],
    );
    let duration = values
        .take::<i64>(Slot::DurationMs)
        .and_then(|ms| ms.checked_mul(MS_NS))
        .map(|ns| (ns, MS_NS))
        .or_else(|| {
            let us = values.take::<i64>(Slot::DurationUs)?;
            us.checked_mul(1_000).map(|ns| (ns, 1_000))
        });
    let (start, end) = match (start, end, duration) {
        (Some(start), Some(end), _) => (start, end),
        (Some(start), None, Some((ns, rounded_ns))) => {
            let late_ns = start.late_ns + rounded_ns;
            (start, Moment { ns: start.ns.saturating_add(ns), late_ns, ..start })
        }
        (None, Some(end), Some((ns, rounded_ns))) => {
            let early_ns = end.early_ns + rounded_ns;
            (Moment { ns: end.ns.saturating_sub(ns), early_ns, ..end }, end)
        }
        (None, None, _) => {
            let seen = [Slot::SeenNs, Slot::SeenUs, Slot::SeenMs, Slot::SeenSeconds];
            let seen = seen.into_iter().find_map(|slot| absolute(values, slot))?;
            (seen, seen)
        }
        (Some(_), None, None) | (None, Some(_), None) => return None,
    };
    let (first, last) = if start.ns <= end.ns { (start, end) } else { (end, start) };
    Some((
        first.ns.saturating_sub(start.early_ns),
        last.ns.saturating_add(start.late_ns.max(end.late_ns)),
    ))
}

/// Returns the moment that one of six fields gives: four are absolute, one is relative to the export,
/// one to the start of the exporter.
fn moment(values: &Values, clock: Clock, boot: Option<Boot>, slots: [Slot; 6]) -> Option<Moment> {
    let [ns, us, ms, seconds, ago, uptime] = slots;
    if let Some(moment) = [ns, us, ms, seconds].into_iter().find_map(|slot| absolute(values, slot))
    {
        return Some(moment);
    }
    if let Some(us) = values.take::<u32>(ago) {
        // The export itself is given in seconds.
        let ns = clock.export_ns - i64::from(us) * 1_000;
        return Some(Moment { ns, late_ns: SECOND_NS + 1_000, early_ns: 0 });
    }
    let uptime = values.take::<u32>(uptime)?;
    if let Some(ns) = clock.uptime_ns(uptime) {
        return Some(Moment { ns, late_ns: MS_NS + clock.late_ns, early_ns: MS_NS });
    }
    let boot = values.take(Slot::BootMs).and_then(Boot::said).or(boot)?;
    // How often the uptime has wrapped is known by the time of the export.
    let since_ms = (clock.export_ns / MS_NS).saturating_sub(boot.ms);
    let ago_ms = (since_ms as u32).wrapping_sub(uptime) as i32;
    let ms = boot.ms.saturating_add(since_ms).saturating_sub(i64::from(ago_ms));
    let early_ns = MS_NS + boot.early_ns;
    Some(Moment { ns: ms.saturating_mul(MS_NS), late_ns: 2 * MS_NS, early_ns })
}

/// Returns the moment that a field gives by itself; zero is none.
fn absolute(values: &Values, slot: Slot) -> Option<Moment> {
    let value = values.take::<u64>(slot).filter(|value| *value != 0)?;
    let scaled = |unit_ns: i64| {
        let ns = i64::try_from(value).ok()?.checked_mul(unit_ns)?;
        Some(Moment { ns, late_ns: unit_ns, early_ns: 0 })
    };
    match slot {
        Slot::StartSeconds | Slot::EndSeconds | Slot::SeenSeconds => scaled(SECOND_NS),
        Slot::StartMs | Slot::EndMs | Slot::SeenMs => scaled(MS_NS),
        // RFC 7011, sections 6.1.9 and 6.1.10: seconds since 1900, and a fraction.
        _ => ntp(value),
    }
}

/// Reads seconds since 1900 and a fraction. Exporters whose clocks have microseconds fill in nanoseconds
/// as well, and what they put below a microsecond is anything.
fn ntp(value: u64) -> Option<Moment> {
    let seconds = i64::try_from((value >> 32).checked_sub(NTP_SECONDS)?).ok()?;
    let fraction_ns = ((value & 0xffff_ffff) * 1_000_000_000) >> 32;
    let ns = seconds * SECOND_NS + fraction_ns as i64;
    // The fraction itself is cut off, too.
    Some(Moment { ns: ns / 1_000 * 1_000, late_ns: 2_000, early_ns: 0 })
}
