//! NetFlow version 5: a header of 24 bytes, and records of 48, always of IPv4.
//!
//! Zero says nothing in two places where exporters leave it: the sampling interval, which the first
//! versions of the header did not have, and the port that holds type and code of ICMP, which may be an
//! echo reply. That there is no IPv6 in it says nothing of IPv6.

use super::{Clock, MS_NS};
use crate::model::ordinary::ICMP;
use crate::traffic::exports::{V5, number};
use crate::traffic::flow::Flow;

/// What the header of a datagram says.
pub(super) struct Header {
    pub(super) clock: Clock,
    /// One packet of so many was looked at; none if it does not say. Two bits before it say how
    /// they were chosen.
    pub(super) sampling: Option<u32>,
}

pub(super) fn header(payload: &[u8]) -> Option<Header> {
    let word = |at| number(payload, at, 4);
    let clock = Clock::of_uptime(word(4)?, word(8)?, word(12)?, 0);
    let sampling = number(payload, 22, 2)? & 0x3fff;
    Some(Header { clock, sampling: (sampling > 0).then_some(sampling as u32) })
}

/// Returns the flows of a datagram, which may end early.
pub(super) fn flows(payload: &[u8], clock: Clock) -> impl Iterator<Item = Flow> {
    let records = payload.get(V5.0..).unwrap_or_default().as_chunks::<48>().0;
    records.iter().map(move |record| flow(record, clock))
}

fn flow(record: &[u8; 48], clock: Clock) -> Flow {
    let word = |at: usize| number(record, at, 4).unwrap_or(0);
    let half = |at: usize| number(record, at, 2).unwrap_or(0) as u16;
    let byte = |at: usize| record.get(at).copied().unwrap_or(0);
    let protocol = byte(38);
    let (first, last) = (clock.uptime_ns(word(24) as u32), clock.uptime_ns(word(28) as u32));
    let [icmp_type, icmp_code] = half(34).to_be_bytes();
    Flow {
        src: Some(word(0).into()),
        dst: Some(word(4).into()),
        protocol: Some(protocol),
        ports: Some((half(32), half(34))),
        tcp_flags: Some(byte(37)),
        icmp: (protocol == ICMP && half(34) != 0).then_some((icmp_type, icmp_code)),
        tos: Some(byte(39)),
        packets: Some(word(16)),
        bytes: Some(word(20)),
        time_ns: first.zip(last).map(|(first, last)| clock.between(first, last, MS_NS)),
        ..Flow::default()
    }
}
