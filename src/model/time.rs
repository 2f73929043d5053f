//! Points in time, in whole nanoseconds since 1970 UTC.

use std::fmt;

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z. It comes from records or from the
/// command line, never from a clock inside the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Makes a timestamp from whole seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds.saturating_mul(1_000_000_000))
    }

    /// Returns this time plus nanoseconds, clamped at the ends of the range.
    #[must_use]
    pub fn plus(self, nanoseconds: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(nanoseconds))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{} ns since 1970", self.0),
        }
    }
}
