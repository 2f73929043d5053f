//! The classic form: a file header, then packets one after another.

use pcap_parser::pcap::{
    LegacyPcapBlock, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified,
    parse_pcap_header,
};

use super::window::LONGEST;
use super::{Found, Next, Window};
use crate::packet::LinkType;

/// The first four bytes of all classic captures: microseconds, nanoseconds, and the variant with
/// longer packet headers that old kernel patches wrote, which exists in one byte order here.
const MAGICS: [[u8; 4]; 5] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x34, 0xcd, 0xb2, 0xa1],
];

/// The link type is in the low bits; the high ones tell of a frame check sequence.
const LINK_TYPE_BITS: i32 = 0x03ff_ffff;

pub(super) struct Classic {
    big_endian: bool,
    modified: bool,
    fraction_ns: i64,
    link: LinkType,
}

pub(super) fn detect(start: &[u8]) -> bool {
    MAGICS.iter().any(|magic| start.starts_with(magic))
}

pub(super) fn open(window: &mut Window) -> Result<Classic, String> {
    const HEADER: usize = 24;
    if !window.holds(HEADER) {
        return Err("cut off in the middle of the pcap header".to_owned());
    }
    let Ok((_, header)) = parse_pcap_header(window.bytes()) else {
        return Err("not a pcap file".to_owned());
    };
    // Before 2.4 the two lengths of a packet stood in another order.
    if (header.version_major, header.version_minor) < (2, 4) || header.version_major > 2 {
        return Err(format!(
            "pcap version {}.{} is not read",
            header.version_major, header.version_minor
        ));
    }
    window.advance(HEADER);
    Ok(Classic {
        big_endian: header.is_bigendian(),
        modified: header.is_modified_format(),
        fraction_ns: if header.is_nanosecond_precision() { 1 } else { 1_000 },
        link: LinkType((header.network.0 & LINK_TYPE_BITS).unsigned_abs()),
    })
}

impl Classic {
    pub(super) fn next(&mut self, window: &mut Window) -> Next {
        if window.is_over() {
            return window.failure().map_or(Next::End, Next::Broken);
        }
        let header = if self.modified { 24 } else { 16 };
        if !window.holds(header) {
            return cut(window);
        }
        let Some(captured) = self.captured(window.bytes()) else { return cut(window) };
        let Some(length) = header.checked_add(captured).filter(|length| *length <= LONGEST) else {
            return Next::Broken(format!("a packet that claims {captured} bytes"));
        };
        if !window.holds(length) {
            return cut(window);
        }
        let parse: fn(&[u8]) -> Option<LegacyPcapBlock<'_>> = match self {
            Classic { modified: true, .. } => {
                |bytes| Some(parse_pcap_frame_modified(bytes).ok()?.1)
            }
            Classic { big_endian: true, .. } => |bytes| Some(parse_pcap_frame_be(bytes).ok()?.1),
            _ => |bytes| Some(parse_pcap_frame(bytes).ok()?.1),
        };
        let Some(frame) = parse(window.bytes()) else { return cut(window) };
        let (seconds, fraction) = (i64::from(frame.ts_sec), i64::from(frame.ts_usec));
        let time_ns = seconds * 1_000_000_000 + fraction * self.fraction_ns;
        let original_length = frame.origlen;
        let start = window.position() + header;
        window.advance(length);
        Next::Frame(Found {
            time_ns,
            link: self.link,
            bytes: start..start + captured,
            original_length,
        })
    }

    /// Returns how much of the packet was kept, by its header.
    fn captured(&self, header: &[u8]) -> Option<usize> {
        let bytes = *header.get(8..)?.first_chunk()?;
        let captured =
            if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        usize::try_from(captured).ok()
    }
}

fn cut(window: &Window) -> Next {
    window.failure().map_or(Next::Cut("cut off in the middle of a packet"), Next::Broken)
}
