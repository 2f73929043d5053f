//! Every word that is read, and every wrong one with its help.

use super::*;
use crate::model::Family;
use proptest::prelude::*;

#[test]
fn case_decides_between_bits_and_bytes() {
    let bits = rate("10 Mbps").expect("a rate");
    assert_eq!((bits.amount, bits.unit), (10_000_000, RateUnit::Bits));
    let bytes = rate("10 MBps").expect("a rate");
    assert_eq!((bytes.amount, bytes.unit), (10_000_000, RateUnit::Bytes));
    let wrong = rate("10 mbps").expect_err("neither");
    assert_eq!(wrong.help.as_deref(), Some("did you mean `10 Mbps` (bits) or `10 MBps` (bytes)?"));
}

#[test]
fn rates_are_exact() {
    assert_eq!(rate("1.5 kpps").expect("a rate").amount, 1_500);
    let odd = rate("3 packets per minute").expect("a rate");
    assert_eq!((odd.amount, odd.per_ns), (3, 60 * SECOND_NS));
    let ten = rate("100 bytes per 10s").expect("a rate");
    assert_eq!((ten.amount, ten.per_ns), (100, 10 * SECOND_NS));
    for bad in ["", "10", "Mbps", "1.0001 pps", "0 bps", "-1 pps", "1e3 pps", "1 per s"] {
        assert!(rate(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_rate_of_broken_units_says_how_to_write_it() {
    let wrong = rate("2.5 pps").expect_err("half a packet");
    let help = wrong.help.expect("a help");
    assert!(help.contains("whole packets") && help.contains("`30 packets per 60s`"), "{help}");
    assert!(!rate("1e3 pps").expect_err("no number").help.expect("a help").contains("whole"));
}

#[test]
fn durations_add_up() {
    assert_eq!(duration("1h 30m"), Ok(5_400 * SECOND_NS));
    assert_eq!(duration("250ms"), Ok(250_000_000));
    assert_eq!(duration("second"), Ok(SECOND_NS));
    for bad in ["", "60", "0s", "5 parsecs", "99999999999d", "s s"] {
        assert!(duration(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_date_is_its_first_moment_in_utc() {
    assert_eq!(time("2026-12-01").expect("a date").to_string(), "2026-12-01T00:00:00Z");
    let zoned = time("2026-12-01T01:00:00+01:00").expect("a time");
    assert_eq!(zoned.to_string(), "2026-12-01T00:00:00Z");
    for bad in ["2026-13-01", "tomorrow", "2026-12-01T01:00:00", "12"] {
        assert!(time(bad).is_err(), "{bad}");
    }
}

#[test]
fn shares_run_from_nothing_to_all() {
    assert_eq!(share("90%"), Ok(Share(900_000_000)));
    assert_eq!(share("0.5 %"), Ok(Share(5_000_000)));
    for bad in ["90", "101%", "-1%", "%", "ninety%"] {
        assert!(share(bad).is_err(), "{bad}");
    }
}

#[test]
fn host_bits_are_an_error_that_names_the_network() {
    let wrong = prefix("203.0.113.77/28").expect_err("host bits");
    assert!(wrong.help.expect("a help").contains("203.0.113.64/28"));
    for bad in ["203.0.113.0/33", "203.0.113.0/+8", "203.0.113.0/024", "203.0.113.0/"] {
        assert!(prefix(bad).is_err(), "{bad}");
    }
    assert!(prefix("::ffff:203.0.113.1").is_err());
    assert!(prefix("2001:db8::/32").is_ok());
}

#[test]
fn flags_say_which_bits_matter() {
    assert_eq!(tcp_flags("syn,!ack"), Ok(FlagTest { mask: 18, value: 2 }));
    assert_eq!(tcp_flags("=syn"), Ok(FlagTest { mask: 255, value: 2 }));
    assert_eq!(tcp_flags("none"), Ok(FlagTest { mask: 255, value: 0 }));
    for bad in ["", "=", "sin", "syn,syn", "syn,!syn"] {
        assert!(tcp_flags(bad).is_err(), "{bad}");
    }
}

#[test]
fn numbers_outside_the_domain_are_kept_and_words_are_not() {
    assert_eq!(port("70000"), Ok((70_000, 70_000)));
    assert_eq!(port("https"), Ok((443, 443)));
    assert_eq!(port(">=1024"), Ok((1_024, u64::MAX)));
    let wrong = port("htps").expect_err("no port");
    assert_eq!(wrong.help.as_deref(), Some("did you mean `https`?"));
    for bad in ["80-", "80-70", "<0", "8o", "-1", "80,443", ""] {
        assert!(port(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,12}") {
        let _ = (rate(&text), size(&text), burst(&text), duration(&text), time(&text));
        let _ = (share(&text), address_range(&text), protocol(&text), port(&text));
        let _ = (icmp_type(&text), plain_range(&text), tcp_flags(&text), fragment(&text));
    }

    #[test]
    fn a_prefix_reads_back(bits in any::<u32>(), length in 0u8..=32) {
        let address = Address { family: Family::V4, bits: u128::from(bits) };
        let made = Prefix::new(address, length);
        prop_assert_eq!(prefix(&made.to_string()), Ok(made));
    }
}
