//! Groups of packets into records, one at a time: nothing is kept but a few words a group, so
//! that an hour of 40 Gbps costs no more memory than a second of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::Record;

/// Length of a record, at most.
const SECOND_NS: u64 = 1_000_000_000;

/// The packets of one entry of `flows`.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// What all its records are: time, duration, counts and number are filled in for each.
    pub(super) record: Record,
    /// When it starts, in nanoseconds after the profile does. The sum with its duration is within
    /// the range of `i64`.
    pub(super) at_ns: u64,
    /// How long it lasts in nanoseconds; never zero.
    pub(super) duration_ns: u64,
    /// How many packets it has; never zero. Their bytes fit a `u64`.
    pub(super) packets: u64,
    /// Bytes of one packet.
    pub(super) packet_bytes: u64,
    /// Among how many sources they go round; never zero.
    pub(super) sources: u64,
    /// From one source's address to the next one's.
    pub(super) step: u128,
}

impl Group {
    /// Returns how many packets stand before a second of the profile starts.
    fn before(&self, second: u64) -> u64 {
        let start = u128::from(second) * u128::from(SECOND_NS);
        let offset = start.saturating_sub(u128::from(self.at_ns));
        if offset >= u128::from(self.duration_ns) {
            return self.packets;
        }
        // Packet k stands before `offset` if k·duration/n < offset. The product of a `u64` and an
        // offset within the range of `i64` fits.
        let count = (u128::from(self.packets) * offset).div_ceil(u128::from(self.duration_ns));
        u64::try_from(count).unwrap_or(self.packets)
    }

    /// Returns the second of the profile in which a packet stands.
    fn second(&self, packet: u64) -> u64 {
        let packets = u128::from(self.packets);
        let at = u128::from(self.at_ns) * packets;
        let offset = u128::from(packet) * u128::from(self.duration_ns);
        // The result is less than (at + duration) / 1 s, so it fits.
        u64::try_from((at + offset) / (packets * u128::from(SECOND_NS))).unwrap_or(u64::MAX)
    }

    /// Returns how many of the packets before `packet` belong to a source.
    fn share(&self, packet: u64, source: u64) -> u64 {
        packet.saturating_sub(source).div_ceil(self.sources)
    }

    /// Returns how many records the group makes: exactly, but for its first and last second.
    /// Per second these are its sources or its packets, whichever are fewer.
    pub(super) fn most_records(&self) -> u128 {
        let end = self.at_ns.saturating_add(self.duration_ns);
        let seconds = end.div_ceil(SECOND_NS) - self.at_ns / SECOND_NS;
        u128::from(self.packets).min(u128::from(self.sources) * u128::from(seconds))
    }
}

/// The records of one group in one second that are still to come.
#[derive(Clone, Debug)]
struct Second {
    group: usize,
    /// Start and end in nanoseconds after the profile's start.
    from_ns: u64,
    to_ns: u64,
    /// The packets that stand in it, half-open.
    packets: (u64, u64),
    /// The sources that they belong to, as up to two half-open ranges in order.
    sources: [(u64, u64); 2],
}

/// All records of a profile, in the order of time, then of groups, then of sources.
#[derive(Clone, Debug)]
pub(super) struct Expansion {
    start_ns: i64,
    groups: Vec<Group>,
    /// The next second of each group in which it has packets: when its records start, its number,
    /// and the first packet. Empty seconds are never visited.
    queue: BinaryHeap<Reverse<(u64, usize, u64)>>,
    current: Option<Second>,
    number: u64,
}

impl Expansion {
    /// Makes the expansion of groups relative to a point in time, in nanoseconds since 1970.
    pub(super) fn new(start_ns: i64, groups: Vec<Group>) -> Expansion {
        let queue = groups.iter().enumerate().map(|(at, group)| Reverse((group.at_ns, at, 0)));
        Expansion { start_ns, queue: queue.collect(), groups, current: None, number: 0 }
    }

    /// Takes the earliest second off the queue, and puts its group's next one on it.
    fn advance(&mut self) -> Option<Second> {
        let Reverse((from_ns, at, first)) = self.queue.pop()?;
        let group = &self.groups[at];
        let second = group.second(first);
        let next = group.before(second + 1);
        if next < group.packets {
            let start = (group.second(next) * SECOND_NS).max(group.at_ns);
            self.queue.push(Reverse((start, at, next)));
        }
        let to_ns = ((second + 1) * SECOND_NS).min(group.at_ns + group.duration_ns);
        let sources = group.sources;
        let (low, high) = (first % sources, (next - 1) % sources + 1);
        let sources = if next - first >= sources {
            [(0, sources), (0, 0)]
        } else if low < high {
            [(low, high), (0, 0)]
        } else {
            [(0, high), (low, sources)]
        };
        Some(Second { group: at, from_ns, to_ns, packets: (first, next), sources })
    }
}

impl Iterator for Expansion {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let (source, second) = loop {
            if let Some(second) = &mut self.current
                && let Some(range) = second.sources.iter_mut().find(|range| range.0 < range.1)
            {
                range.0 += 1;
                break (range.0 - 1, &*second);
            }
            self.current = Some(self.advance()?);
        };
        let group = &self.groups[second.group];
        let packets = group.share(second.packets.1, source) - group.share(second.packets.0, source);
        self.number += 1;
        let mut record = group.record;
        record.time_ns = self.start_ns.saturating_add_unsigned(second.from_ns);
        record.duration_ns = second.to_ns - second.from_ns;
        record.packets = packets;
        record.bytes = packets * group.packet_bytes;
        record.header.src += group.step * u128::from(source);
        record.number = self.number;
        Some(record)
    }
}
