//! Bytes looked at eight at a time, in a number.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Returns the highest bit of every byte that is this one.
#[inline]
pub(super) fn equal(word: u64, byte: u8) -> u64 {
    let differs = word ^ (ONES * u64::from(byte));
    // Without a carry from byte to byte, so that no bit is set for another reason.
    !(((differs & !HIGH) + !HIGH) | differs | !HIGH)
}

/// Returns the highest bit of every byte that is below 32.
#[inline]
fn control(word: u64) -> u64 {
    equal(word & (ONES * 0xe0), 0)
}

/// Returns eight bytes of a text from some place on, and how many of them are there; the first of them
/// is the lowest.
#[inline]
pub(super) fn word(bytes: &[u8], at: usize) -> (u64, usize) {
    match bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()) {
        Some(eight) => (u64::from_le_bytes(eight), 8),
        None => {
            let rest = bytes.get(at..).unwrap_or_default();
            let mut eight = [0; 8];
            for (to, from) in eight.iter_mut().zip(rest) {
                *to = *from;
            }
            (u64::from_le_bytes(eight), rest.len().min(8))
        }
    }
}

/// Returns the bits of the first few bytes of a word.
#[inline]
pub(super) fn first(bits: u64, count: usize) -> u64 {
    if count >= 8 { bits } else { bits & ((1 << (8 * count)) - 1) }
}

/// Returns where a JSON string ends that begins here, behind its quote; none if something in it must
/// be looked at, or it has no end.
#[inline]
pub(super) fn end_of_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let (word, count) = word(bytes, at);
        let stops = equal(word, b'"') | equal(word, b'\\') | control(word);
        let stops = first(stops, count);
        if stops != 0 {
            at += stops.trailing_zeros() as usize / 8;
            return (bytes.get(at) == Some(&b'"')).then_some(at);
        }
        if count < 8 {
            return None;
        }
        at += 8;
    }
}

/// Returns up to eight bytes, the first of them the lowest; those that are missing are zero.
#[inline]
pub(super) fn short(bytes: &[u8]) -> u64 {
    let four = |at: usize| {
        let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
        u64::from(u32::from_le_bytes(four.unwrap_or_default()))
    };
    match *bytes {
        [] => 0,
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c] => u64::from(u32::from_le_bytes([a, b, c, 0])),
        [_, _, _, _, ..] => {
            // The two may have bytes in common.
            let last = bytes.len().min(8) - 4;
            four(0) | four(last) << (8 * last)
        }
    }
}

/// Returns the value of every byte that is a digit; none if some byte is not.
#[inline]
fn digits(word: u64) -> Option<u64> {
    let digits = word ^ (ONES * 0x30);
    let is_beyond = (digits | digits.wrapping_add(ONES * 0x76)) & HIGH;
    (is_beyond == 0).then_some(digits)
}

/// Returns where digits end that begin here.
#[inline]
pub(super) fn end_of_digits(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let (word, count) = word(bytes, at);
        let digits = word ^ (ONES * 0x30);
        // The first byte that is no digit is told for sure.
        let others = first((digits | digits.wrapping_add(ONES * 0x76)) & HIGH, count);
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += count;
        if count < 8 {
            return at;
        }
    }
}

/// Returns a number of one to eight digits.
#[inline]
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    let missing = 8_usize.checked_sub(bytes.len()).filter(|missing| *missing < 8)?;
    // Zeroes in front.
    let word = short(bytes) << (8 * missing)
        | (ONES * 0x30).checked_shr(64 - 8 * missing as u32).unwrap_or(0);
    let digits = digits(word)?;
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

/// Returns the address of IPv4 in a text of four numbers without zeroes in front, which may mean octal;
/// or none.
#[inline]
pub(super) fn dotted(text: &[u8]) -> Option<u32> {
    let (a, at) = octet(text, 0)?;
    let (b, at) = octet(text, after_dot(text, at)?)?;
    let (c, at) = octet(text, after_dot(text, at)?)?;
    let (d, at) = octet(text, after_dot(text, at)?)?;
    (at == text.len()).then_some(a << 24 | b << 16 | c << 8 | d)
}

#[inline(always)]
fn after_dot(text: &[u8], at: usize) -> Option<usize> {
    (*text.get(at)? == b'.').then_some(at + 1)
}

/// Returns a number of up to three digits, and where it ends.
#[inline(always)]
fn octet(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let digit = |at: usize| {
        let digit = text.get(at)?.wrapping_sub(b'0');
        (digit <= 9).then_some(u32::from(digit))
    };
    let a = digit(at)?;
    let Some(b) = digit(at + 1).filter(|_| a != 0) else { return Some((a, at + 1)) };
    let Some(c) = digit(at + 2) else { return Some((10 * a + b, at + 2)) };
    let number = 100 * a + 10 * b + c;
    (number <= 255).then_some((number, at + 3))
}
