//! What cells mean, and where rows end.

mod twins;

use std::io::Cursor;

use jiff::tz::TimeZone;

use super::lines::{Lines, Next, has_keys};
use super::value::{NoTime, flags_of, icmp_of_port, protocol, time, was_dropped};
use super::{TimeUnit, Unit};

const NOON_NS: i64 = 1_772_280_000_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

#[test]
fn times_are_as_wide_as_they_are_rounded() {
    let seconds = Unit::Of(TimeUnit::Seconds);
    let milliseconds = Unit::Of(TimeUnit::Milliseconds);
    let nanoseconds = Unit::Of(TimeUnit::Nanoseconds);
    for (text, unit, wide_ns) in [
        ("1772280000", seconds, SECOND_NS),
        ("1772280000.000", seconds, 1_000_000),
        ("1772280000.000000", seconds, 1_000),
        ("1772280000000", milliseconds, 1_000_000),
        ("1772280000000000000", nanoseconds, 0),
        ("1772280000", Unit::BySize, SECOND_NS),
        ("1772280000000", Unit::BySize, 1_000_000),
        ("1772280000000000", Unit::BySize, 1_000),
        ("1772280000000000000", Unit::BySize, 0),
        ("2026-02-28T12:00:00Z", Unit::Unsaid, SECOND_NS),
        ("2026-02-28T12:00:00.000Z", Unit::Unsaid, 1_000_000),
        ("2026-02-28T14:00:00.000000+0200", Unit::Unsaid, 1_000),
        ("2026-02-28 06:30:00-05:30", Unit::Unsaid, SECOND_NS),
    ] {
        assert_eq!(time(text, unit, None), Ok(Some((NOON_NS, NOON_NS + wide_ns))), "{text}");
    }
}

#[test]
fn times_that_are_not_told_are_not_guessed() {
    for (text, wrong) in [
        ("1772280000", NoTime::NoUnit),
        ("2026-02-28 12:00:00", NoTime::NoZone),
        ("2026-02-30 12:00:00Z", NoTime::Bad),
        ("2026-02-28 12:00:60Z", NoTime::Bad),
        ("2026-02-28 12:00:00 CET", NoTime::Bad),
        ("2026-02-28 12:00:00+99:00", NoTime::Bad),
        ("2026-02-28", NoTime::Bad),
        ("noon", NoTime::Bad),
        ("é026-02-28 12:00:00Z", NoTime::Bad),
    ] {
        assert_eq!(time(text, Unit::Unsaid, None), Err(wrong), "{text}");
    }
    let local = time("2026-02-28 12:00:00", Unit::Unsaid, Some(&TimeZone::UTC));
    assert_eq!(local, Ok(Some((NOON_NS, NOON_NS + SECOND_NS))));
    let seconds = Unit::Of(TimeUnit::Seconds);
    assert_eq!(time("0.000000", seconds, None), Ok(None));
    for text in ["99999999999999999999", "1.2.3", ".", "1772280000."] {
        let read = time(text, seconds, None);
        assert!(matches!(read, Err(NoTime::Bad)) || text.ends_with("0."), "{text}: {read:?}");
    }
}

#[test]
fn flags_are_read_as_tools_write_them() {
    for (text, flags) in [
        ("18", Some(18)),
        ("0x1b", Some(0x1b)),
        ("...AP.SF", Some(0x1b)),
        ("........", Some(0)),
        ("[\"ACK\",\"SYN\"]", Some(18)),
        ("FIN|PSH|ACK", Some(25)),
        ("what", None),
        ("99999", None),
    ] {
        assert_eq!(flags_of(text), flags, "{text}");
    }
}

#[test]
fn what_a_filter_did_is_read_by_word_and_forwarding_status() {
    for (text, dropped) in [
        ("ACCEPT", Some(false)),
        ("REJECT", Some(true)),
        ("drop", Some(true)),
        ("pass", Some(false)),
        ("0", Some(false)),
        ("64", Some(false)),
        ("128", Some(true)),
        ("131", Some(true)),
        ("192", Some(false)),
        ("2", Some(true)),
        ("256", None),
        ("what", None),
    ] {
        assert_eq!(was_dropped(text), dropped, "{text}");
    }
}

#[test]
fn protocols_and_types_are_read_by_number_and_name() {
    for (text, wanted) in [
        ("6", Some(6)),
        ("TCP", Some(6)),
        ("ICMP6", Some(58)),
        ("ipv6-icmp", Some(58)),
        ("300", None),
        ("nope", None),
    ] {
        assert_eq!(protocol(text), wanted, "{text}");
    }
    assert_eq!(icmp_of_port("2048"), Some((8, 0)));
    assert_eq!(icmp_of_port("3.1"), Some((3, 1)));
    assert_eq!((icmp_of_port("0"), icmp_of_port("x")), (None, None));
}

fn objects(text: &str) -> Vec<(Next, u64, String)> {
    let mut lines = Lines::new(Box::new(Cursor::new(text.to_owned().into_bytes())));
    let (mut found, mut bytes) = (Vec::new(), Vec::new());
    loop {
        let next = lines.object(&mut bytes).expect("text");
        if next == Next::End {
            return found;
        }
        found.push((next, lines.line, String::from_utf8_lossy(&bytes).into_owned()));
    }
}

#[test]
fn objects_end_where_their_braces_do() {
    let whole = |line, text: &str| (Next::Whole { ended: true }, line, text.to_owned());
    assert_eq!(
        objects("[\n{\"a\": \"}{\\\"\"},\n{\"b\": {\"c\": 1}}]\n"),
        [whole(2, "{\"a\": \"}{\\\"\"}"), whole(3, "{\"b\": {\"c\": 1}}")]
    );
    let kinds = |text| objects(text).into_iter().map(|(next, ..)| next).collect::<Vec<_>>();
    assert_eq!(
        kinds("{} x {}"),
        [Next::Whole { ended: true }, Next::Garbage, Next::Whole { ended: true }]
    );
    assert_eq!(kinds("[{}"), [Next::Whole { ended: true }, Next::Cut]);
    assert_eq!(kinds("{\"a\": {}"), [Next::Cut]);
    assert_eq!(
        kinds(&format!("{{\"a\": \"{}\"}}{{}}", "x".repeat(2 << 20))),
        [Next::Long, Next::Whole { ended: true }]
    );
}

#[test]
fn the_keys_of_the_first_object_tell_a_form() {
    let start = b"[{\"a\": {\"b\": 1, \"x\": [\"c\"]}, \"d\": \"e: f\", \"g";
    assert!(has_keys(start, &["a", "d"]));
    for inner in ["b", "c", "e", "f", "g", "x"] {
        assert!(!has_keys(start, &[inner]), "{inner}");
    }
    assert!(!has_keys(b"a: 1", &["a"]));
}
