//! Written times, read fast: of most, only the seconds differ from one that was read before.

use jiff::tz::TimeZone;

use super::value::{self, NoTime, SECOND_NS};

/// How many minutes are remembered.
const MINUTES: usize = 64;

/// How much is written before the seconds: `2026-02-28T12:00:`.
const MINUTE: usize = 17;

/// The longest text behind the seconds that is remembered: an offset.
const OFFSET: usize = 8;

/// The most decimals of a second that are read fast.
const DECIMALS: usize = 9;

/// Remembers minutes.
#[derive(Default)]
pub(super) struct Clock {
    minutes: Vec<Option<Minute>>,
}

/// A minute: how it is written, with what stands behind the seconds, and when it begins: from and to, of
/// an hour that the clocks have twice. All its seconds follow that.
struct Minute {
    text: [u8; MINUTE],
    offset: [u8; OFFSET],
    length: usize,
    from_ns: i64,
    to_ns: i64,
}

impl Clock {
    /// Reads a date and a time, with a zone or without; just as [`value::written`] does.
    #[inline]
    pub(super) fn written(
        &mut self,
        text: &str,
        zone: Option<&TimeZone>,
    ) -> Result<(i64, i64), NoTime> {
        match self.near(text, zone) {
            Some(found) => Ok(found),
            None => value::written(text, zone),
        }
    }

    /// Reads a time of a minute that is remembered, or can be; none if it is anything else.
    fn near(&mut self, text: &str, zone: Option<&TimeZone>) -> Option<(i64, i64)> {
        let bytes = text.as_bytes();
        let (minute, rest) = bytes.split_first_chunk::<MINUTE>()?;
        let ([tens, ones], rest) = rest.split_first_chunk::<2>()?;
        let second = 10 * digit(*tens).filter(|tens| *tens < 6)? + digit(*ones)?;
        let (part_ns, exact_ns, rest) = match rest.split_first() {
            Some((b'.' | b',', rest)) => {
                let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                if !(1..=DECIMALS).contains(&count) {
                    return None;
                }
                let (decimals, rest) = rest.split_at_checked(count)?;
                let number = decimals.iter().fold(0, |sum, byte| 10 * sum + i64::from(byte - b'0'));
                let exact_ns = 10_i64.pow((DECIMALS - count) as u32);
                (number * exact_ns, exact_ns, rest)
            }
            _ => (0, SECOND_NS, rest),
        };
        // Behind a whole minute it would be another fraction.
        if rest.len() > OFFSET || matches!(rest.first(), Some(b'.' | b',')) {
            return None;
        }
        let at = usize::from(minute[15].wrapping_add(minute[14] << 4)) % MINUTES;
        let knows = |known: &&Minute| {
            known.text == *minute && known.offset.get(..known.length) == Some(rest)
        };
        let known = self.minutes.get(at).and_then(Option::as_ref).filter(knows);
        let (from_ns, to_ns) = match known {
            Some(known) => (known.from_ns, known.to_ns),
            None => self.learn(at, minute, rest, zone)?,
        };
        let later_ns = second * SECOND_NS + part_ns;
        Some((from_ns + later_ns, to_ns + later_ns + exact_ns))
    }

    /// Remembers a minute, unless some of its seconds stand out.
    #[cold]
    fn learn(
        &mut self,
        at: usize,
        text: &[u8; MINUTE],
        rest: &[u8],
        zone: Option<&TimeZone>,
    ) -> Option<(i64, i64)> {
        let (minute, end) = (std::str::from_utf8(text).ok()?, std::str::from_utf8(rest).ok()?);
        let when = |second: &str| value::written(&format!("{minute}{second}{end}"), zone).ok();
        let ((from_ns, to_ns), (last_from_ns, last_to_ns)) = (when("00")?, when("59")?);
        let is_whole = |first: i64, last: i64| last.checked_sub(first) == Some(59 * SECOND_NS);
        // At the ends of time sums would not fit.
        const ENDS_NS: i64 = i64::MAX - 3_600 * SECOND_NS;
        let is_far =
            !(-ENDS_NS..ENDS_NS).contains(&from_ns) || !(-ENDS_NS..ENDS_NS).contains(&to_ns);
        if is_far || !is_whole(from_ns, last_from_ns) || !is_whole(to_ns, last_to_ns) {
            return None;
        }
        let mut offset = [0; OFFSET];
        offset.get_mut(..rest.len())?.copy_from_slice(rest);
        // Its second is as wide as it is rounded.
        let to_ns = to_ns - SECOND_NS;
        self.minutes.resize_with(MINUTES, || None);
        let minute = Minute { text: *text, offset, length: rest.len(), from_ns, to_ns };
        *self.minutes.get_mut(at)? = Some(minute);
        Some((from_ns, to_ns))
    }
}

#[inline]
fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}
