//! The next generation: sections of blocks, each section with its byte order and interfaces.

use pcap_parser::pcapng::{
    BOM_MAGIC, InterfaceDescriptionBlock, OptionCode, SHB_MAGIC,
    parse_interfacedescriptionblock_be, parse_interfacedescriptionblock_le,
    parse_sectionheaderblock,
};

use super::window::LONGEST;
use super::{Found, Next, Window};
use crate::packet::LinkType;

const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const STATISTICS: u32 = 5;

/// Options: of a packet, how many were dropped since the one before it; of the statistics of an
/// interface, how many it and the system dropped so far.
const PACKET_DROPS: u16 = 4;
const INTERFACE_DROPS: u16 = 5;
const SYSTEM_DROPS: u16 = 7;

const NO_INTERFACE: &str = "a packet of an interface that was not described";
const CORRUPT: &str = "a corrupt pcapng block";

/// The resolution of times unless the interface says otherwise: a power of ten.
const MICROSECONDS: u8 = 6;

/// How many interfaces a section may describe.
const INTERFACES: usize = 1 << 16;

pub(super) struct Ng {
    big_endian: bool,
    interfaces: Vec<Interface>,
    last_time_ns: i64,
    /// How many packets were dropped in the sections before this one.
    dropped_before: u64,
}

struct Interface {
    /// How many packets were dropped, as its statistics say and as its packets do.
    dropped: [u64; 2],
    link: LinkType,
    snap_length: u32,
    resolution: u8,
    offset_seconds: i64,
}

pub(super) fn detect(start: &[u8]) -> bool {
    start.starts_with(&SHB_MAGIC.to_be_bytes())
}

pub(super) fn open(window: &mut Window) -> Result<Ng, String> {
    let (interfaces, last_time_ns, dropped_before) = (Vec::new(), 0, 0);
    let mut ng = Ng { big_endian: false, interfaces, last_time_ns, dropped_before };
    ng.section(window)?;
    Ok(ng)
}

/// What a block is.
enum Block {
    /// A packet.
    Packet(Found),
    /// A packet that cannot be placed.
    Lost,
    /// Nothing that gives records.
    Done,
}

impl Ng {
    pub(super) fn next(
        &mut self,
        window: &mut Window,
        number: u64,
        found: &mut Vec<Found>,
    ) -> Next {
        loop {
            if window.is_over() {
                return window.failure().map_or(Next::End, Next::Broken);
            }
            if !window.holds(8) {
                return cut(window);
            }
            let (kind, length) = (self.u32(window.bytes(), 0), self.u32(window.bytes(), 4));
            // The number of a section header reads the same in both byte orders.
            if kind == SHB_MAGIC {
                match self.section(window) {
                    Ok(()) => continue,
                    Err(reason) => return Next::Broken(reason),
                }
            }
            let Ok(length) = length_of(length) else { return Next::Broken(CORRUPT.to_owned()) };
            let matters = matches!(
                kind,
                INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET | STATISTICS
            );
            if !matters {
                if window.skip(length) {
                    continue;
                }
                return cut(window);
            }
            if length > LONGEST {
                return Next::Broken(format!("a pcapng block that claims {length} bytes"));
            }
            if !window.holds(length) {
                return cut(window);
            }
            let start = window.position();
            let bytes = window.bytes().get(..length).unwrap_or_default();
            let Some(block) = self.block(kind, bytes, start, number) else {
                return Next::Broken(CORRUPT.to_owned());
            };
            window.advance(length);
            match block {
                Block::Packet(packet) => {
                    found.push(packet);
                    return Next::Frame;
                }
                Block::Lost => return Next::Lost(NO_INTERFACE),
                Block::Done => {}
            }
        }
    }

    /// Reads a section header: a new byte order, and no interfaces yet.
    fn section(&mut self, window: &mut Window) -> Result<(), String> {
        const CUT: &str = "cut off in the middle of a pcapng section header";
        if !window.holds(12) {
            return Err(window.failure().unwrap_or_else(|| CUT.to_owned()));
        }
        self.big_endian = window.bytes().get(8..12) == Some(&BOM_MAGIC.to_be_bytes());
        let length = length_of(self.u32(window.bytes(), 4)).map_err(str::to_owned)?;
        if length > LONGEST {
            return Err(format!("a pcapng section header that claims {length} bytes"));
        }
        if !window.holds(length) {
            return Err(window.failure().unwrap_or_else(|| CUT.to_owned()));
        }
        let bytes = window.bytes().get(..length).unwrap_or_default();
        let Ok((_, header)) = parse_sectionheaderblock(bytes) else {
            return Err("a corrupt pcapng section header".to_owned());
        };
        if header.major_version != 1 {
            return Err(format!("pcapng version {} is not read", header.major_version));
        }
        self.dropped_before = self.dropped();
        self.interfaces.clear();
        window.advance(length);
        Ok(())
    }

    /// Returns how many packets were dropped before they came into the file, as it says itself.
    pub(super) fn dropped(&self) -> u64 {
        let dropped = self.interfaces.iter().map(|one| one.dropped[0].max(one.dropped[1]));
        dropped.fold(self.dropped_before, u64::saturating_add)
    }

    /// Notes what the options of a block say of dropped packets: a code and a length of 16 bits each,
    /// and a value that is padded to 32 (draft-ietf-opsawg-pcapng, section 3.5).
    fn note_drops(&mut self, kind: u32, interface: u32, mut options: &[u8]) {
        let half = |bytes: &[u8], at: usize| {
            let word = self.u32(bytes, at);
            (if self.big_endian {
                [word >> 16, word & 0xffff]
            } else {
                [word & 0xffff, word >> 16]
            })
            .map(|half| half as u16)
        };
        let mut sum = 0u64;
        while options.len() >= 4 {
            let [code, length] = half(options, 0);
            if code == 0 {
                break;
            }
            if length == 8 && options.len() >= 12 {
                let [first, second] = [4, 8].map(|at| u64::from(self.u32(options, at)));
                let value =
                    if self.big_endian { first << 32 | second } else { second << 32 | first };
                match (kind, code) {
                    (STATISTICS, INTERFACE_DROPS | SYSTEM_DROPS)
                    | (ENHANCED_PACKET, PACKET_DROPS) => sum = sum.saturating_add(value),
                    _ => {}
                }
            }
            let next = 4 + usize::from(length).next_multiple_of(4);
            options = options.get(next..).unwrap_or_default();
        }
        let at = usize::try_from(interface).unwrap_or(usize::MAX);
        if let Some(interface) = self.interfaces.get_mut(at) {
            match kind {
                // The last ones count.
                STATISTICS => interface.dropped[0] = sum.max(interface.dropped[0]),
                _ => interface.dropped[1] = interface.dropped[1].saturating_add(sum),
            }
        }
    }

    /// Reads a whole block of a kind that matters; none if it contradicts itself. `start` is where
    /// it stands, and `number` that of its frame, if it holds one.
    fn block(&mut self, kind: u32, bytes: &[u8], start: usize, number: u64) -> Option<Block> {
        let length = bytes.len();
        if bytes.get(length - 4..)? != bytes.get(4..8)? {
            return None;
        }
        // The fields of packets are read here and not by the crate, which would collect the
        // options of every packet, and does not know obsolete packet blocks.
        let (interface, time, captured, original_length) = match kind {
            INTERFACE => {
                let parse = if self.big_endian {
                    parse_interfacedescriptionblock_be
                } else {
                    parse_interfacedescriptionblock_le
                };
                let (_, interface) = parse(bytes).ok()?;
                if self.interfaces.len() == INTERFACES {
                    return None;
                }
                self.interfaces.push(Interface::new(&interface, self.big_endian));
                return Some(Block::Done);
            }
            SIMPLE_PACKET if length >= 16 => {
                let original_length = self.u32(bytes, 8);
                let Some(interface) = self.interfaces.first() else { return Some(Block::Lost) };
                // It does not say how much was kept: all, up to the snap length.
                let snap =
                    if interface.snap_length == 0 { u32::MAX } else { interface.snap_length };
                let kept = usize::try_from(original_length.min(snap)).ok()?.min(length - 16);
                return Some(Block::Packet(Found {
                    time_ns: self.last_time_ns,
                    number,
                    bytes: start + 12..start + 12 + kept,
                    original_length,
                    link: interface.link,
                }));
            }
            STATISTICS if length >= 24 => {
                let options = bytes.get(20..length - 4).unwrap_or_default();
                self.note_drops(kind, self.u32(bytes, 8), options);
                return Some(Block::Done);
            }
            // What is not whole says nothing.
            STATISTICS => return Some(Block::Done),
            ENHANCED_PACKET | OBSOLETE_PACKET if length >= 32 => {
                let (interface, drops) = match (kind, self.u32(bytes, 8)) {
                    (OBSOLETE_PACKET, word) if self.big_endian => (word >> 16, word & 0xffff),
                    (OBSOLETE_PACKET, word) => (word & 0xffff, word >> 16),
                    (_, word) => (word, 0),
                };
                // All ones is nothing that is known.
                if drops > 0 && drops < 0xffff {
                    let at = usize::try_from(interface).ok()?;
                    if let Some(interface) = self.interfaces.get_mut(at) {
                        interface.dropped[1] += u64::from(drops);
                    }
                }
                let time = u64::from(self.u32(bytes, 12)) << 32 | u64::from(self.u32(bytes, 16));
                (interface, time, self.u32(bytes, 20), self.u32(bytes, 24))
            }
            _ => return None,
        };
        let captured = usize::try_from(captured).ok()?;
        if captured > length - 32 {
            return None;
        }
        let options = 28 + captured.next_multiple_of(4);
        if kind == ENHANCED_PACKET && options + 8 < length {
            self.note_drops(kind, interface, bytes.get(options..length - 4).unwrap_or_default());
        }
        let Some(interface) = self.interfaces.get(usize::try_from(interface).ok()?) else {
            return Some(Block::Lost);
        };
        self.last_time_ns = interface.time_ns(time);
        Some(Block::Packet(Found {
            time_ns: self.last_time_ns,
            number,
            bytes: start + 28..start + 28 + captured,
            original_length,
            link: interface.link,
        }))
    }

    /// Returns the number at a place in the byte order of the section; zero beyond the end.
    fn u32(&self, bytes: &[u8], at: usize) -> u32 {
        let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; 4]);
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

impl Interface {
    /// Takes from an interface description what times and frames need. The crate reads the time
    /// offset in one byte order only, hence not its own figure.
    fn new(block: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Interface {
        let option = |code| {
            let found = block.options.iter().find(|option| option.code == code)?;
            found.as_bytes().ok()
        };
        let offset = option(OptionCode::IfTsoffset).and_then(|value| value.first_chunk());
        Interface {
            dropped: [0; 2],
            link: LinkType(u32::try_from(block.linktype.0).unwrap_or(u32::MAX)),
            snap_length: block.snaplen,
            resolution: option(OptionCode::IfTsresol)
                .and_then(|value| value.first())
                .map_or(MICROSECONDS, |resolution| *resolution),
            offset_seconds: offset.map_or(0, |bytes| {
                if big_endian { i64::from_be_bytes(*bytes) } else { i64::from_le_bytes(*bytes) }
            }),
        }
    }

    /// Returns a time in nanoseconds; what lies beyond some 292 years is clamped.
    fn time_ns(&self, units: u64) -> i64 {
        let units = u128::from(units);
        let exponent = u32::from(self.resolution & 0x7f);
        let since = if self.resolution & 0x80 != 0 {
            // A product of 64 and 30 bits, and at most 127 of them shifted away.
            (units * 1_000_000_000) >> exponent
        } else if exponent <= 9 {
            units * 10_u128.pow(9 - exponent)
        } else {
            10_u128.checked_pow(exponent - 9).map_or(0, |divisor| units / divisor)
        };
        let offset = i128::from(self.offset_seconds) * 1_000_000_000;
        let time = i128::try_from(since).unwrap_or(i128::MAX).saturating_add(offset);
        i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX })
    }
}

/// Returns the length of a block, if it can be one.
fn length_of(claimed: u32) -> Result<usize, &'static str> {
    match usize::try_from(claimed) {
        Ok(length) if length >= 12 && length.is_multiple_of(4) => Ok(length),
        _ => Err(CORRUPT),
    }
}

fn cut(window: &Window) -> Next {
    window.failure().map_or(Next::Cut("cut off in the middle of a block"), Next::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_any_resolution_are_nanoseconds() {
        let time = |resolution, offset_seconds, units| {
            let (link, snap_length, dropped) = (LinkType::RAW, 0, [0; 2]);
            Interface { dropped, link, snap_length, resolution, offset_seconds }.time_ns(units)
        };
        assert_eq!(time(0, 0, 5), 5_000_000_000);
        assert_eq!(time(3, -1, 5), -995_000_000);
        assert_eq!(time(9, 1, 5), 1_000_000_005);
        assert_eq!(time(12, 0, 5_999), 5);
        assert_eq!(time(0x80, 0, 5), 5_000_000_000);
        assert_eq!(time(0x81, 0, 5), 2_500_000_000);
        assert_eq!((time(127, 0, u64::MAX), time(255, 0, u64::MAX)), (0, 0));
        assert_eq!(time(0, 0, u64::MAX), i64::MAX);
        assert_eq!(time(0, i64::MIN, 0), i64::MIN);
    }
}
