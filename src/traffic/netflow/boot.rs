//! When an exporter started, for times that are given as its uptime (IPFIX has none in its header).
//!
//! Some exporters say it. For the others it follows from what they export: no packet is later than the
//! message that its flow is in, so the start is no later than any export less its last uptime. The
//! least of these is taken for it, and it may be up to a minute earlier: of all flows so far some one
//! was exported within a minute of its last packet. What differs by more than an hour is a new start.

use super::MS_NS;

/// By how much the start may be earlier than it is taken to be.
const EARLIER_NS: i64 = 60_000 * MS_NS;
/// What no flow waits for its export.
const NEW_START_MS: u32 = 3_600_000;

/// When an exporter started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Boot {
    /// In milliseconds since 1970.
    pub(super) ms: i64,
    /// By how much it may be earlier, in nanoseconds.
    pub(super) early_ns: i64,
}

impl Boot {
    /// Takes what the exporter says.
    pub(super) fn said(ms: u64) -> Option<Boot> {
        Some(Boot { ms: i64::try_from(ms).ok()?, early_ns: 0 })
    }

    /// Learns from an uptime of a packet, and the time of the export in whole seconds.
    pub(super) fn learn(known: Option<Boot>, export_ns: i64, uptime_ms: u32) -> Boot {
        let latest_ms = export_ns / MS_NS + 1_000 - i64::from(uptime_ms);
        let latest = Boot { ms: latest_ms, early_ns: EARLIER_NS };
        let Some(known) = known else { return latest };
        if known.early_ns == 0 {
            return known;
        }
        // The uptime wraps, so the start is known but for multiples of that.
        let later = latest_ms.wrapping_sub(known.ms) as i32;
        match later.unsigned_abs() > NEW_START_MS {
            true => latest,
            false => Boot { ms: known.ms + i64::from(later.min(0)), ..known },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(seen: &[(i64, u32)]) -> i64 {
        let learn = |known, (export_s, uptime_ms): &(i64, u32)| {
            Some(Boot::learn(known, export_s * 1_000 * MS_NS, *uptime_ms))
        };
        seen.iter().fold(None, learn).expect("something was seen").ms
    }

    #[test]
    fn the_start_is_no_later_than_any_export_less_its_uptime() {
        // It started at 100 s; flows wait for 5 s, for nothing, and for 20 s.
        assert_eq!(learn(&[(115, 10_000)]), 106_000);
        assert_eq!(learn(&[(115, 10_000), (120, 20_000), (150, 30_000)]), 101_000);
        // It starts anew at 9,000 s.
        assert_eq!(learn(&[(8_000, 7_900_000), (9_010, 10_000)]), 9_001_000);
        // The uptime wraps, 49.7 days after the start.
        let wrap_s = (1_i64 << 32) / 1_000;
        assert_eq!(learn(&[(100 + wrap_s, u32::MAX - 295), (102 + wrap_s, 1_704)]), 101_000);
    }
}
