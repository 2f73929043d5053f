//! What is read fast is read as what is read with care.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::super::Preset;
use super::super::cells::Slots;
use super::super::clock::Clock;
use super::super::delimited::Header;
use super::super::json::Keys;
use super::super::plan::Plan;
use super::super::swar::dotted;
use super::super::value::{address, any_address, any_number, counted, number, written};
use crate::model::columns::Column;

const PRESET: Preset = Preset {
    columns: &[
        (Column::Src, &["a", "c.d"]),
        (Column::Dst, &["b"]),
        (Column::Packets, &["b"]),
        (Column::Bytes, &["n", "m"]),
    ],
    extra: &["e"],
    ..Preset::PLAIN
};

/// Returns what the slots hold.
fn texts(slots: &Slots, row: &str) -> Vec<String> {
    let count = Plan::new(&PRESET, None).names.len();
    (0..count).map(|slot| slots.get(row, slot).to_owned()).collect()
}

/// Text of pieces that mean something, and others.
fn text_of(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..most).prop_map(|all| all.concat())
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"a\"",
    "\"b\"",
    "\"n\"",
    "\"c\"",
    "\"c.d\"",
    "\"e\"",
    "\"x\":",
    "\"a\":",
    ",\"b\":",
    ",\"n\":",
    ",\"c\":{\"d\":1}",
    "{\"a\":1",
    "\"A\":2",
    "1",
    "0",
    "01",
    "-",
    "1.5",
    "1.",
    "1e5",
    "1E+5",
    "e",
    ".",
    "null",
    "true",
    "false",
    "nul",
    " ",
    "\t",
    "\r",
    "\"",
    "\\",
    "\\\"",
    "\\u0041",
    "\u{1}",
    "é",
    "\"long text of more than eight\"",
    "\u{7f}",
    "\"\"",
    ",\"e\":\"é\"",
    "}}",
];

const LINES: &[&str] = &[
    ",",
    ",",
    ",",
    "\"",
    "\"\"",
    "a",
    "1.2.3.4",
    "long text of more than eight",
    " ",
    "é",
    "\t",
    ";",
    "x,y",
    "1,2,3",
    "\u{2c}",
    "\u{ac}",
];

const TIMES: &[&str] = &[
    "2026-02-28",
    "2026-03-29",
    "2026-10-25",
    "1900-01-01",
    "1677-09-21",
    "2262-04-11",
    "T",
    "t",
    " ",
    "00:00:00",
    "02:30:59",
    "01:59:07",
    "12:00:60",
    "23:47:16",
    "00:12:43",
    ".",
    ",",
    "5",
    "123",
    "123456789",
    "1234567890",
    "Z",
    "z",
    "+02:00",
    "-0530",
    "UTC",
    " +02",
    "+99:00",
    "0",
    ":",
];

const ZONES: &[&str] =
    &["UTC", "Europe/Berlin", "Africa/Monrovia", "America/New_York", "Asia/Kathmandu"];

const ADDRESSES: &[&str] = &[
    "1", "0", "00", "01", "255", "256", "10", "192", ".", ".", ".", ":", "::", "ffff", " ",
    "1.2.3.4", "2a00", "999", "-", "+1",
];

/// An object of known keys, mostly whole.
fn object() -> impl Strategy<Value = String> {
    let key = prop::sample::select(&["a", "b", "n", "m", "c", "c.d", "e", "x", "A", "\\u0061"][..]);
    let value = prop::sample::select(
        &[
            "1",
            "\"x\"",
            "\"\"",
            "null",
            "-0.5e3",
            "{\"d\":7}",
            "[1]",
            "\"a\\\"\"",
            "\"long enough for two words\"",
            "{}",
            "tru",
        ][..],
    );
    let space = prop::sample::select(&["", "", " ", "\n"][..]);
    prop::collection::vec((key, value, space), 0..8).prop_map(|fields| {
        let fields: Vec<String> = fields
            .iter()
            .map(|(key, value, space)| format!("{space}\"{key}\"{space}:{space}{value}{space}"))
            .collect();
        format!("{{{}}}", fields.join(","))
    })
}

fn same_object(keys: &mut Keys, text: &str) -> Result<(), TestCaseError> {
    let plan = Plan::new(&PRESET, None);
    let (mut fast, mut careful) = (Slots::default(), Slots::default());
    fast.clear(&plan);
    let is_plain = keys.read_plain(text, &plan, &mut fast).is_some();
    let fits = Keys::default().read_carefully(text, &plan, &mut careful);
    if is_plain {
        prop_assert!(fits, "{text}");
        prop_assert_eq!(texts(&fast, text), texts(&careful, text), "{}", text);
    }
    let mut both = Slots::default();
    prop_assert_eq!(keys.read(text, &plan, &mut both), fits, "{}", text);
    if fits {
        prop_assert_eq!(texts(&both, text), texts(&careful, text), "{}", text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn objects(all in prop::collection::vec(prop_oneof![object(), text_of(JSON, 24)], 1..6)) {
        // The keys of one object are looked for in the next.
        let mut keys = Keys::default();
        for text in all {
            same_object(&mut keys, &text)?;
        }
    }

    #[test]
    fn lines(line in text_of(LINES, 16), columns in 1..12_usize, delimiter in prop::sample::select(&b",\t; "[..])) {
        let plan = Plan::new(&PRESET, None);
        let names = ["a", "x", "b", "n", "a", "m", "y", "e", "z", "b", "c.d"];
        let names = names.iter().take(columns).map(|name| (*name).to_owned()).collect();
        let header = Header::of_names(names, delimiter, &plan);
        let (mut starts, mut careful) = (Vec::new(), Slots::default());
        let fits = header.read_carefully(&line, &plan, &mut careful);
        if !line.contains('"') {
            prop_assert_eq!(header.read_plain(&line, &mut starts), fits, "{}", line);
            for slot in 0..if fits { plan.names.len() } else { 0 } {
                let text = header.text(&line, &starts, slot);
                prop_assert_eq!(text, careful.get(&line, slot), "{}", line);
            }
        }
    }

    #[test]
    fn times(texts in prop::collection::vec((text_of(TIMES, 7), any::<bool>()), 1..8), zone in prop::option::of(prop::sample::select(ZONES))) {
        let zone = zone.map(|zone| TimeZone::get(zone).expect("a zone"));
        let mut clock = Clock::default();
        for (text, is_whole) in &texts {
            // Of one that is whole, all seconds are asked for.
            let text = if *is_whole { format!("2026-03-29 02:30:00{text}") } else { text.clone() };
            for second in ["", "00", "29", "59", "60"] {
                let text = match text.get(..17).zip(text.get(19..)) {
                    Some((minute, rest)) if !second.is_empty() => format!("{minute}{second}{rest}"),
                    _ => text.clone(),
                };
                let wanted = written(&text, zone.as_ref());
                prop_assert_eq!(clock.written(&text, zone.as_ref()), wanted, "{}", text);
            }
        }
    }

    #[test]
    fn every_minute_of_a_zone(seconds in -9_223_372_036_i64..9_223_372_036, zone in prop::sample::select(ZONES), near in 0..5_usize) {
        // Around the hours that the clocks have twice or not at all, and a change by seconds.
        let around = [seconds, 1_774_746_000, 1_792_890_000, 63_590_400, -1_000_000_000][near];
        let seconds = if near == 0 { seconds } else { around + seconds % 7_200 };
        let zone = TimeZone::get(zone).expect("a zone");
        let time = jiff::Timestamp::from_second(seconds).expect("a time");
        let text = format!("{time:.0}").get(..19).expect("a time").to_owned();
        let mut clock = Clock::default();
        for _ in 0..2 {
            prop_assert_eq!(clock.written(&text, Some(&zone)), written(&text, Some(&zone)), "{}", text);
        }
    }

    #[test]
    fn addresses(text in text_of(ADDRESSES, 10), bits in any::<u32>()) {
        prop_assert_eq!(address(&text), any_address(&text), "{}", text);
        let plain = std::net::Ipv4Addr::from(bits).to_string();
        prop_assert_eq!(dotted(plain.as_bytes()), Some(bits));
        prop_assert_eq!(address(&plain), any_address(&plain));
        let other: String = plain.chars().map(|c| if c == '1' { ['/', ':', '\u{0}', 'é'][bits as usize % 4] } else { c }).collect();
        prop_assert_eq!(address(&other), any_address(&other), "{}", other);
    }

    #[test]
    fn numbers(text in prop_oneof!["[0-9]{0,24}", "[0-9+ -]{1,4}"], any in any::<u64>()) {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        prop_assert_eq!(number(&text), plain.then(|| text.parse::<u64>().ok()).flatten(), "{}", text);
        prop_assert_eq!(number(&any.to_string()), Some(any));
        let short = (any >> (any % 64)).to_string();
        prop_assert_eq!(number(&short), any_number(&short));
        let other = short.replacen('7', "a", 1);
        prop_assert_eq!(number(&other), any_number(&other));
    }

    #[test]
    fn times_that_are_numbers(number in prop_oneof![any::<i64>(), -20_000_000_000_000_000..20_000_000_000_000_000_i64, Just(i64::MIN), Just(i64::MAX), 9_223_372_036_854_775..9_223_372_036_999_999_i64, -9_223_372_036_999_999..-9_223_372_036_854_775_i64], unit_ns in prop::sample::select(&[1, 1_000, 1_000_000][..])) {
        let mut text = String::new();
        super::super::value::write_time(&mut text, number, unit_ns, true);
        prop_assert_eq!(counted(number, unit_ns), written(&text, None).map(Some), "{}", text);
    }
}
