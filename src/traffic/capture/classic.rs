//! The classic form: a file header, then packets one after another.

use pcap_parser::pcap::parse_pcap_header;

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
    #[inline]
    pub(super) fn next(
        &mut self,
        window: &mut Window,
        number: u64,
        found: &mut Vec<Found>,
    ) -> Next {
        if window.is_over() {
            return window.failure().map_or(Next::End, Next::Broken);
        }
        let header = if self.modified { 24 } else { 16 };
        if !window.holds(header) {
            return cut(window);
        }
        // The crate reads packet headers, too, at several times the cost; a capture holds millions.
        let Some(fixed) = window.bytes().first_chunk() else { return cut(window) };
        let [seconds, fraction, claimed, original_length] = self.numbers(fixed);
        if i64::from(fraction) * self.fraction_ns >= 1_000_000_000 {
            return Next::Broken(format!("a time with a fraction of {fraction} in a second"));
        }
        let captured = usize::try_from(claimed).unwrap_or(usize::MAX);
        let Some(length) = header.checked_add(captured).filter(|length| *length <= LONGEST) else {
            return Next::Broken(format!("a packet that claims {claimed} bytes"));
        };
        if !window.holds(length) {
            return cut(window);
        }
        let start = window.position() + header;
        window.advance(length);
        found.push(Found {
            time_ns: i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * self.fraction_ns,
            number,
            bytes: start..start + captured,
            original_length,
            link: self.link,
        });
        Next::Frame
    }

    /// Reads what all packet headers begin with: seconds, the fraction, how much was kept, and how
    /// long the packet was.
    fn numbers(&self, fixed: &[u8; 16]) -> [u32; 4] {
        let mut numbers = [0; 4];
        for (number, bytes) in numbers.iter_mut().zip(fixed.as_chunks().0) {
            *number = if self.big_endian {
                u32::from_be_bytes(*bytes)
            } else {
                u32::from_le_bytes(*bytes)
            };
        }
        numbers
    }
}

#[cold]
fn cut(window: &Window) -> Next {
    window.failure().map_or(Next::Cut("cut off in the middle of a packet"), Next::Broken)
}
