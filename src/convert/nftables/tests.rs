//! Limits that the kernel counts as meant, and sets with room for all.

use proptest::prelude::*;

use super::*;
use crate::model::{Algorithm, Burst, KeyPart, Rate, RateLimit, RateUnit, Scope, SourceId, Span};
use crate::policer::token_bucket::TokenBucket;
use crate::policer::{Packet, Policer, nft};

fn place() -> Location {
    Location { source: SourceId(0), span: Span::new(0, 1) }
}

fn limit(amount: u64, unit: RateUnit, per_ns: u64, burst: Burst) -> RateLimit {
    RateLimit {
        rate: Rate { amount, unit, per_ns },
        burst,
        burst_is_written: true,
        per: Vec::new(),
        scope: Scope::Pop,
        exceed: Exceed::Drop,
        algorithm: Algorithm::TokenBucket,
        timeout_ns: None,
        most_keys: None,
        bucket: None,
    }
}

/// Reads a limit as nftables does.
fn read(text: &str) -> RateLimit {
    let language = LANGUAGES.iter().find(|one| one.name == "nftables").expect("it is listed");
    let text = format!(
        "table inet a {{ chain b {{ type filter hook forward priority 0; {text} drop\n}}\n}}\n"
    );
    let mut sources = Sources::new();
    let file = sources.add("a", text.as_str());
    let (set, problems) = language.parse_texts(&sources, &[file]);
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    match &set.rules[0].action.value {
        Action::RateLimit(limit) => limit.clone(),
        other => panic!("{other:?}"),
    }
}

const SECOND: u64 = 1_000_000_000;

proptest! {
    #[test]
    fn a_limit_is_written_only_where_the_kernel_decides_the_same(
        amount in prop::sample::select(vec![1u64, 2, 3, 5, 7, 8, 10, 60, 100, 1_000, 1_500, 8_000]),
        per_ns in prop::sample::select(vec![SECOND, 2 * SECOND, 60 * SECOND, 250_000_000, 333_333_333]),
        unit in prop::sample::select(vec![RateUnit::Packets, RateUnit::Bytes, RateUnit::Bits]),
        depth in 1u64..20_000,
        packets in prop::collection::vec((0u64..400_000_000, 20u64..1_500), 1..200),
    ) {
        let burst = match unit {
            RateUnit::Packets => Burst::Packets(1 + depth / 500),
            _ => Burst::Bytes(depth),
        };
        let meant = limit(amount, unit, per_ns, burst);
        let Ok(text) = limits::written(&meant, false, place()) else { return Ok(()) };
        let kernel = nft::Limit::of(&read(&text)).expect("a limit that loads");
        let ours = TokenBucket::new(meant.rate, meant.burst);
        let (mut theirs, mut own) = (kernel.fresh(0), ours.fresh(0));
        let mut time_ns = 0;
        for (after, bytes) in packets {
            time_ns += i64::try_from(after).expect("a time");
            let packet = Packet { time_ns, packets: 1, bytes };
            prop_assert_eq!(
                kernel.conforms(&mut theirs, packet),
                ours.conforms(&mut own, packet),
                "{}", text
            );
        }
    }
}

#[test]
fn usual_rates_are_written_as_people_write_them() {
    let mbit = 1_000_000;
    for (limit, text) in [
        (
            limit(100, RateUnit::Packets, SECOND, Burst::Packets(100)),
            "100/second burst 100 packets",
        ),
        (limit(96, RateUnit::Packets, 60 * SECOND, Burst::Packets(2)), "96/minute burst 2 packets"),
        (limit(1, RateUnit::Packets, 333_333_333, Burst::Packets(4)), "3/second burst 4 packets"),
        (
            limit(200 * mbit, RateUnit::Bits, SECOND, Burst::Bytes(25 * mbit)),
            "25000000 bytes/second",
        ),
        (
            limit(1_000 * mbit, RateUnit::Bits, SECOND, Burst::Bytes(126 * mbit)),
            "125000000 bytes/second burst 1000000 bytes",
        ),
    ] {
        let written = limits::written(&limit, false, place()).expect("exact");
        assert_eq!(written, format!("limit rate over {text}"));
    }
}

#[test]
fn what_no_limit_of_nftables_counts_is_refused_with_what_would_be_exact() {
    let third = limit(3, RateUnit::Packets, SECOND, Burst::Packets(5));
    let small = limit(1_000, RateUnit::Bytes, SECOND, Burst::Bytes(999));
    for (limit, says, helps) in [
        (third.clone(), "whole nanoseconds a packet", "`160 packets per 60 s` or `3.2 pps`"),
        (small, "in a second, at least", "1000 bytes"),
        (
            limit(30, RateUnit::Bits, SECOND, Burst::Bytes(1_500)),
            "whole nanoseconds a byte",
            "per 60 s",
        ),
        (
            limit(1, RateUnit::Packets, 86_400 * SECOND, Burst::Packets(1 << 31)),
            "so deep",
            "smaller",
        ),
        (RateLimit { scope: Scope::Global, ..third.clone() }, "together with others", "divide"),
        (RateLimit { scope: Scope::Exporter, ..third.clone() }, "several boxes", "scope: pop"),
        (RateLimit { exceed: Exceed::Challenge, ..third.clone() }, "challenge", "drop"),
        (RateLimit { timeout_ns: Some(1), ..third.clone() }, "timeout", "leave"),
        (
            RateLimit { algorithm: Algorithm::FixedWindow { window_ns: SECOND }, ..third.clone() },
            "window",
            "token_bucket",
        ),
        (RateLimit { algorithm: Algorithm::FlowSpec, ..third }, "its own system", "token bucket"),
    ] {
        let problem = limits::written(&limit, false, place()).expect_err(says);
        let help = problem.help.clone().unwrap_or_default();
        assert!(problem.message.contains(says) && help.contains(helps), "{problem:?}");
        assert_eq!(problem.location, Some(place()));
    }
}

#[test]
fn a_set_has_room_for_every_key_or_there_is_none() {
    let of = |per: &[KeyPart], text: &str| {
        let mut sources = Sources::new();
        let text =
            format!("version: 1\nrules:\n  - {{id: a, match: {{dst: [{text}]}}, action: drop}}\n");
        let file = sources.add("a", text);
        let (set, problems) = LANGUAGES[0].parse_texts(&sources, &[file]);
        assert!(problems.is_empty(), "{problems:?}");
        let cases = cases::of(&set.rules[0].matches).expect("cases");
        let keys = keys::of(per, &cases, place());
        keys.map(|keys| keys.into_iter().map(|key| (key.size, key.text)).collect::<Vec<_>>())
    };
    let dst = |v4, v6| [KeyPart::Dst { v4, v6 }];
    let keys = of(&dst(32, 64), "203.0.113.0/24, \"2001:db8::/56\"").expect("few keys");
    let v6 = (256, "ip6 daddr & ffff:ffff:ffff:ffff::".to_owned());
    assert_eq!(keys, [(256, "ip daddr".to_owned()), v6]);
    let keys = of(&dst(24, 64), "203.0.112.0/23").expect("few keys");
    assert_eq!(keys, [(2, "ip daddr & 255.255.255.0".to_owned())]);
    assert!(of(&dst(32, 128), "10.0.0.0/15").is_err());
    assert!(of(&dst(32, 128), "\"2001:db8::/64\"").is_err());
    assert!(of(&[KeyPart::Src { v4: 32, v6: 128 }], "203.0.113.1").is_err());
    assert!(of(&[KeyPart::Customer], "203.0.113.1").is_err());
}
