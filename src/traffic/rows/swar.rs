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

/// Returns the address of IPv4 in a text of four numbers without zeroes in front, or none. Texts of seven
/// bytes are left to others.
#[inline]
pub(super) fn dotted(text: &[u8]) -> Option<u32> {
    /// The least number of so many digits.
    const LEAST: [u32; 4] = [0, 0, 10, 100];
    if !(8..=15).contains(&text.len()) {
        return None;
    }
    let low = u64::from_le_bytes(*text.first_chunk()?);
    let missing = 16 - text.len();
    let high = u64::from_le_bytes(*text.last_chunk()?);
    let high = high.checked_shr(8 * missing as u32).unwrap_or(0);
    let (low_dots, high_dots) = (equal(low, b'.'), equal(high, b'.'));
    // All that is no digit is a dot, or behind the end.
    let (low, high) = (low ^ (ONES * 0x30), high ^ (ONES * 0x30));
    let others = |digits: u64| (digits | digits.wrapping_add(ONES * 0x76)) & HIGH;
    let behind = HIGH << (8 * (8 - missing));
    if others(low) != low_dots || others(high) != high_dots | behind {
        return None;
    }
    let digits = u128::from(high) << 64 | u128::from(low);
    // A bit for each byte that is a dot, and one for the end.
    let gathered = |dots: u64| ((dots >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32;
    let mut ends = gathered(low_dots) | gathered(high_dots) << 8 | 1 << text.len();
    let (mut bits, mut start, mut is_wrong) = (0, 0, ends.count_ones() != 4);
    for _ in 0..4 {
        let end = ends.trailing_zeros();
        ends &= ends.wrapping_sub(1);
        let count = end.wrapping_sub(start);
        is_wrong |= !(1..=3).contains(&count);
        // The last digit comes to stand at the third place.
        let three = (digits >> (8 * (start & 15))) as u32;
        let three = three.wrapping_shl(8_u32.wrapping_mul(3_u32.wrapping_sub(count)));
        let [a, b, c, _] = three.to_le_bytes().map(u32::from);
        let octet = 100 * a + 10 * b + c;
        // A zero in front may mean octal.
        is_wrong |= octet > 255 || octet < LEAST[(count & 3) as usize];
        bits = bits << 8 | octet & 255;
        start = end.wrapping_add(1);
    }
    (!is_wrong).then_some(bits)
}
