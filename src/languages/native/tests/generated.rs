//! Generated files: what is right reads back, what is broken never widens.

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::super::keys;
use super::{parse, read};
use crate::model::*;
use crate::words;

/// A value and how it is written in a flow list or map.
type Written<T> = (String, T);

fn addresses() -> impl Strategy<Value = Written<AddressSet>> {
    let v4 = (any::<u32>(), 0u8..=32).prop_map(|(bits, length)| {
        let address = Address { family: Family::V4, bits: u128::from(bits) };
        Prefix::new(address, length).to_string()
    });
    let v6 = (any::<u128>(), 0u8..=128).prop_map(|(bits, length)| {
        format!("\"{}\"", Prefix::new(Address { family: Family::V6, bits }, length))
    });
    let single = any::<u32>().prop_map(|bits| std::net::Ipv4Addr::from(bits).to_string());
    let range = (any::<u32>(), any::<u32>()).prop_map(|(a, b)| {
        let end = |bits: u32| std::net::Ipv4Addr::from(bits);
        format!("{}-{}", end(a.min(b)), end(a.max(b)))
    });
    some(prop_oneof![v4, v6, single, range].prop_map(|text| {
        let range = words::address_range(text.trim_matches('"')).expect("an address");
        (text, range)
    }))
    .prop_map(|(text, ranges)| (text, AddressSet::new(ranges)))
}

fn numbers() -> impl Strategy<Value = Written<NumberSet>> {
    let one = prop_oneof![
        (0u64..100_000).prop_map(|n| (n.to_string(), (n, n))),
        (0u64..70_000, 0u64..70_000)
            .prop_map(|(a, more)| (format!("{a}-{}", a + more), (a, a + more))),
        (0u64..70_000).prop_map(|n| (format!("\">={n}\""), (n, u64::MAX))),
        (1u64..70_000).prop_map(|n| (format!("<{n}"), (0, n - 1))),
    ];
    some(one).prop_map(|(text, ranges)| (text, NumberSet::new(ranges)))
}

/// One value, or a list of them.
fn some<T: Clone + std::fmt::Debug>(
    one: impl Strategy<Value = Written<T>>,
) -> impl Strategy<Value = Written<Vec<T>>> {
    prop::collection::vec(one, 1..4).prop_map(|items| {
        let (texts, values): (Vec<String>, Vec<T>) = items.into_iter().unzip();
        (
            if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(", ")) },
            values,
        )
    })
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

fn words_of<T: Clone + Ord + Sync + std::fmt::Debug + 'static>(
    words: &'static [(&'static str, T)],
) -> impl Strategy<Value = Written<Vec<T>>> {
    let one = prop::sample::select(words).prop_map(|(word, value)| (word.to_owned(), value));
    some(one).prop_map(|(text, values)| (text, sorted(values)))
}

const FLAGS: &[(&str, FlagTest)] = &[
    ("syn", FlagTest { mask: 2, value: 2 }),
    ("\"syn,!ack\"", FlagTest { mask: 18, value: 2 }),
    ("=syn", FlagTest { mask: 255, value: 2 }),
    ("none", FlagTest { mask: 255, value: 0 }),
];

const FRAGMENTS: &[(&str, FragmentTest)] = &[
    ("any", FragmentTest::Any),
    ("first", FragmentTest::First),
    ("not_first", FragmentTest::NotFirst),
    ("last", FragmentTest::Last),
    ("none", FragmentTest::None),
    ("dont_fragment", FragmentTest::DontFragment),
];

const DIRECTIONS: &[(&str, Direction)] =
    &[("ingress", Direction::Ingress), ("egress", Direction::Egress)];

fn nowhere() -> Location {
    Location { source: SourceId(0), span: Span::new(0, 0) }
}

/// One field that holds no matches.
fn leaf(field: &'static str) -> BoxedStrategy<Written<Term>> {
    fn of<T: std::fmt::Debug + 'static>(
        values: impl Strategy<Value = Written<T>> + 'static,
        term: fn(T) -> Term,
    ) -> BoxedStrategy<Written<Term>> {
        values.prop_map(move |(text, value)| (text, term(value))).boxed()
    }
    match field {
        "src" => of(addresses(), Term::Src),
        "dst" => of(addresses(), Term::Dst),
        "protocol" => of(numbers(), Term::Protocol),
        "src_port" => of(numbers(), Term::SrcPort),
        "dst_port" => of(numbers(), Term::DstPort),
        "port" => of(numbers(), Term::Port),
        "tcp_flags" => of(words_of(FLAGS), Term::TcpFlags),
        "icmp_type" => of(numbers(), Term::IcmpType),
        "icmp_code" => of(numbers(), Term::IcmpCode),
        "packet_length" => of(numbers(), Term::PacketLength),
        "dscp" => of(numbers(), Term::Dscp),
        "ttl" => of(numbers(), Term::Ttl),
        "fragment" => of(words_of(FRAGMENTS), Term::Fragment),
        "direction" => of(words_of(DIRECTIONS), Term::Direction),
        _ => {
            let one = "[a-z]{1,5}[0-9]".prop_map(|name| (name.clone(), name));
            of(some(one).prop_map(|(text, pops)| (text, sorted(pops))), Term::Pop)
        }
    }
}

/// A map of fields, written in any order, read in the order of `keys::MATCH`.
fn matches() -> impl Strategy<Value = Written<Match>> {
    let leaves = || {
        subsequence(&keys::MATCH[..15], 1..4)
            .prop_flat_map(|fields| {
                let terms: Vec<_> = fields.iter().map(|field| leaf(field)).collect();
                (Just(fields), terms, any::<bool>())
            })
            .prop_map(|(fields, terms, backwards)| {
                let (texts, terms): (Vec<String>, Vec<Term>) = terms.into_iter().unzip();
                let mut entries: Vec<String> = fields
                    .iter()
                    .zip(texts)
                    .map(|(field, text)| format!("{field}: {text}"))
                    .collect();
                if backwards {
                    entries.reverse();
                }
                let terms = terms.into_iter().map(|term| Spanned::new(term, nowhere())).collect();
                (entries.join(", "), Match { terms })
            })
    };
    let inner = leaves().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|(text, found)| (format!("not: {{{text}}}"), Term::Not(found))),
            prop::collection::vec(inner, 1..3).prop_map(|branches| {
                let (texts, found): (Vec<String>, Vec<Match>) = branches.into_iter().unzip();
                (format!("any_of: [{{{}}}]", texts.join("}, {")), Term::AnyOf(found))
            }),
        ]
        .prop_map(|(text, term)| (text, Match { terms: vec![Spanned::new(term, nowhere())] }))
    });
    prop_oneof![
        1 => Just(("any".to_owned(), Match::any())),
        9 => inner.prop_map(|(text, found)| (format!("{{{text}}}"), found)),
    ]
}

fn limits() -> impl Strategy<Value = Written<RateLimit>> {
    const PARTS: &[(&str, KeyPart)] = &[
        ("src/24,56", KeyPart::Src { v4: 24, v6: 56 }),
        ("dst", KeyPart::Dst { v4: 32, v6: 128 }),
        ("src_port", KeyPart::SrcPort),
        ("dst_port", KeyPart::DstPort),
        ("protocol", KeyPart::Protocol),
        ("customer", KeyPart::Customer),
    ];
    const SCOPES: &[(&str, Scope)] =
        &[("pop", Scope::Pop), ("exporter", Scope::Exporter), ("global", Scope::Global)];
    const EXCEEDS: &[(&str, Exceed)] =
        &[("drop", Exceed::Drop), ("reject", Exceed::Reject), ("log", Exceed::Log)];
    let rate = (1u64..1_000_000, prop::sample::select(&["Mbps", "kBps", "pps"][..]));
    let parts = subsequence(PARTS, 0..=PARTS.len());
    let window = prop::option::of(1u64..100);
    let (scope, exceed) = (prop::sample::select(SCOPES), prop::sample::select(EXCEEDS));
    (rate, 1u64..1_000_000, parts, window, scope, exceed, prop::option::of(1u64..100)).prop_map(
        |((amount, unit), depth, parts, window, scope, exceed, timeout)| {
            let second = 1_000_000_000;
            let (rate_unit, scale) = match unit {
                "Mbps" => (RateUnit::Bits, 1_000_000),
                "kBps" => (RateUnit::Bytes, 1_000),
                _ => (RateUnit::Packets, 1),
            };
            let rate = Rate { amount: amount * scale, unit: rate_unit, per_ns: second };
            let mut text = format!("rate: {amount} {unit}");
            let burst = match (window, rate_unit) {
                (Some(_), RateUnit::Bits) => Burst::Bytes((rate.amount / 8).max(1_500)),
                (Some(_), RateUnit::Bytes) => Burst::Bytes(rate.amount.max(1_500)),
                (Some(_), _) => Burst::Packets(rate.amount),
                (None, RateUnit::Packets) => {
                    text.push_str(&format!(", burst: {depth} packets"));
                    Burst::Packets(depth)
                }
                (None, _) => {
                    text.push_str(&format!(", burst: {depth} kB"));
                    Burst::Bytes(depth * 1_000)
                }
            };
            let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
            text.push_str(&format!(", per: [{}], scope: {}", names.join(", "), scope.0));
            text.push_str(&format!(", exceed: {}", exceed.0));
            let algorithm = match window {
                None => Algorithm::TokenBucket,
                Some(seconds) => {
                    text.push_str(&format!(", algorithm: fixed_window, window: {seconds}s"));
                    Algorithm::FixedWindow { window_ns: seconds * second }
                }
            };
            if let Some(seconds) = timeout {
                text.push_str(&format!(", timeout: {seconds}s"));
            }
            let limit = RateLimit {
                rate,
                burst,
                burst_is_written: true,
                per: parts.iter().map(|(_, part)| *part).collect(),
                scope: scope.1,
                exceed: exceed.1,
                algorithm,
                timeout_ns: timeout.map(|seconds| seconds * second),
                most_keys: None,
                bucket: None,
            };
            (text, limit)
        },
    )
}

fn actions() -> impl Strategy<Value = Written<Action>> {
    prop_oneof![
        Just(("accept".to_owned(), Action::Accept)),
        Just(("drop".to_owned(), Action::Drop)),
        Just(("log".to_owned(), Action::Log)),
        (0u64..100).prop_map(|dscp| (format!("{{mark: {{dscp: {dscp}}}}}"), Action::Mark { dscp })),
        "[a-z]{1,6}"
            .prop_filter("a YAML word", |to| !["null", "y", "n"].contains(&to.as_str()))
            .prop_map(|to| (format!("{{redirect: {{to: {to}}}}}"), Action::Redirect { to })),
        limits().prop_map(|(text, limit)| {
            (format!("{{rate_limit: {{{text}}}}}"), Action::RateLimit(limit))
        }),
    ]
}

/// Returns whether every condition of a match says something.
fn says_something(found: &Match) -> bool {
    !found.terms.is_empty()
        && found.terms.iter().all(|term| match &term.value {
            Term::Src(set) | Term::Dst(set) => !set.is_empty(),
            Term::Protocol(set)
            | Term::SrcPort(set)
            | Term::DstPort(set)
            | Term::Port(set)
            | Term::IcmpType(set)
            | Term::IcmpCode(set)
            | Term::PacketLength(set)
            | Term::Dscp(set)
            | Term::Ttl(set) => !set.ranges().is_empty(),
            Term::TcpFlags(tests) => !tests.is_empty() && tests.iter().all(|test| test.mask != 0),
            Term::Fragment(tests) => !tests.is_empty(),
            Term::Pop(pops) => !pops.is_empty() && pops.iter().all(|pop| !pop.is_empty()),
            Term::Direction(directions) => !directions.is_empty(),
            Term::Family(_) => true,
            Term::Unmodelled(condition) => !condition.text.is_empty(),
            Term::Not(inner) => says_something(inner),
            Term::AnyOf(branches) => !branches.is_empty() && branches.iter().all(says_something),
        })
}

/// Checks what must hold for any text: no panic, the same answer twice, no rule for everything,
/// and problems that can be shown.
fn survives(text: &str) {
    let (sources, set, problems) = parse(&[text]);
    let (_, again, problems_again) = parse(&[text]);
    assert_eq!(format!("{set:?}"), format!("{again:?}"));
    assert_eq!(problems, problems_again);
    for rule in &set.rules {
        assert!(says_something(&rule.matches), "{text}\n{rule:#?}");
        assert!(words::is_id(&rule.id));
    }
    for problem in &problems {
        let place = problem.location.expect("a place");
        assert!(sources.get(place.source).text.get(place.span.range()).is_some(), "{problem:?}");
        assert!(problem.help.is_some() && !problem.label.is_empty(), "{text}\n{problem:?}");
    }
}

/// A file with every construct, none of it `match: any`.
const FULL: &str = r#"version: 1
default: drop
default_intent: {target: [all]}
sets:
  web: [203.0.113.10, 198.51.100.0/24, "2001:db8::/32"]
rules:
  - id: one
    description: >-
      two lines of
      text
    expires: 2026-12-01
    match:
      dst: $web
      src: [192.0.2.1-192.0.2.9, &a 192.0.2.77]
      protocol: tcp
      dst_port: [80, https, 8000-8080, ">=50000"]
      tcp_flags: [syn, "rst,!ack"]
      not: {src: *a, ttl: <5}
      any_of:
        - {pop: ams, direction: ingress}
        - packet_length: 40-60
          dscp: 0
    action:
      rate_limit: {rate: 200 Mbps, burst: 25 MB, per: [dst, src/24,56], exceed: log}
    intent:
      target: [acme]
      may_affect: [none]
      must_stop: 90%
      attack_match: {fragment: first, protocol: udp}
  - {id: two, match: {icmp_type: 8, icmp_code: 0}, action: {mark: {dscp: 8}}}
  - {id: three, match: {port: 53}, action: {redirect: {to: scrub}}}
"#;

#[test]
fn the_full_file_reads() {
    assert_eq!(read(FULL).rules.len(), 3);
    survives(FULL);
}

#[test]
fn every_prefix_of_a_file_survives() {
    for end in 0..=FULL.len() {
        survives(&FULL[..end]);
    }
}

#[test]
fn every_file_without_one_line_survives() {
    let lines: Vec<&str> = FULL.lines().collect();
    for gone in 0..lines.len() {
        let kept: Vec<&str> =
            lines.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, line)| *line).collect();
        survives(&kept.join("\n"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_generated_rule_set_reads_back(
        rules in prop::collection::vec((matches(), actions()), 1..6),
    ) {
        let mut text = "version: 1\nrules:\n".to_owned();
        for (number, ((matches, _), (action, _))) in rules.iter().enumerate() {
            let entry = format!("  - {{id: r{number}, match: {matches}, action: {action}}}\n");
            text.push_str(&entry);
        }
        let set = read(&text);
        prop_assert_eq!(set.rules.len(), rules.len());
        for (rule, ((_, matches), (_, action))) in set.rules.iter().zip(&rules) {
            prop_assert_eq!(&rule.matches, matches, "{}", text);
            prop_assert_eq!(&rule.action.value, action, "{}", text);
        }
    }

    #[test]
    fn a_file_with_a_few_changes_survives(
        changes in prop::collection::vec(
            (any::<Index>(), 0usize..12, "[ \\n\\t:,\\[\\]{}!&*>|'\"#$%@`0-9a-x=<-]{0,3}"), 1..4),
    ) {
        let mut text = FULL.to_owned();
        for (at, gone, new) in changes {
            let start = at.index(text.len());
            let end = (start + gone).min(text.len());
            text.replace_range(start..end, &new);
        }
        survives(&text);
    }

    #[test]
    fn a_file_of_shuffled_lines_survives(order in Just(FULL.lines().collect::<Vec<_>>()).prop_shuffle(), keep in 0usize..30) {
        survives(&format!("version: 1\n{}", order[..keep.min(order.len())].join("\n")));
    }

    #[test]
    fn any_text_survives(text in "\\PC{0,40}", field in prop::sample::select(keys::MATCH)) {
        // A quoted text is one scalar whatever is in it.
        let quoted = text.replace('\'', "''");
        survives(&format!("version: 1\nrules: [{{id: x, match: {{{field}: '{quoted}'}}, action: drop}}]"));
        survives(&format!("version: 1\nrules: [{{id: x, match: {{{field}: {text}}}, action: drop}}]"));
        survives(&format!("version: 1\nrules: [{{id: x, match: '{quoted}x', action: '{quoted}'}}]"));
        survives(&text);
    }
}
