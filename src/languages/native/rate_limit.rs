//! The rate limit of a rule.

use super::keys;
use super::values::{choice, is_empty_list, optional, suggest, unjudged, word};
use crate::model::{
    Algorithm, Burst, Diagnostic, Exceed, KeyPart, Location, Rate, RateLimit, RateUnit, Scope,
    Spanned,
};
use crate::words;
use crate::yaml::{Decoder, Fields, Node, Value};

const SCOPES: &[(&str, Scope)] = &[
    ("pop", Scope::Pop),
    ("router", Scope::Router),
    ("exporter", Scope::Exporter),
    ("global", Scope::Global),
];

const EXCEEDS: &[(&str, Exceed)] = &[
    ("drop", Exceed::Drop),
    ("reject", Exceed::Reject),
    ("challenge", Exceed::Challenge),
    ("log", Exceed::Log),
];

/// The algorithms, by name; windows get their length later.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Token,
    Fixed,
    Sliding,
}

const KINDS: &[(&str, Kind)] = &[
    ("token_bucket", Kind::Token),
    ("fixed_window", Kind::Fixed),
    ("sliding_window", Kind::Sliding),
];

/// Reads a rate limit. Gives nothing if anything about it was reported.
pub(super) fn parse(node: &Node, decoder: &mut Decoder) -> Option<RateLimit> {
    let before = decoder.problems.len();
    let fields = decoder.map_or_help(node, "`rate_limit`", keys::RATE_LIMIT, keys::belongs)?;
    decoder.require(fields, "rate", "`rate_limit`");
    let rate = optional(fields, "rate", "write `200 Mbps` or `5 kpps`", decoder, rate);
    let burst = burst(fields, rate.as_ref(), decoder);
    let per = optional(
        fields,
        "per",
        "write `[src]`, `[src/24,56]` or `[]` for one bucket",
        decoder,
        |node, decoder| {
            if is_empty_list(node) { Some(Vec::new()) } else { key(node, decoder) }
        },
    );
    let scope = optional(
        fields,
        "scope",
        "write `pop`, `exporter` or `global`",
        decoder,
        |node, decoder| choice(node, "scope", SCOPES, decoder),
    );
    let exceed = optional(
        fields,
        "exceed",
        "write `drop`, `reject`, `challenge` or `log`",
        decoder,
        |node, decoder| choice(node, "exceed action", EXCEEDS, decoder),
    );
    let algorithm = algorithm(fields, decoder);
    let timeout_ns =
        optional(fields, "timeout", "write a duration, such as `60s`", decoder, |node, decoder| {
            word(node, "`timeout`", decoder, words::duration)
        });
    if decoder.problems.len() > before {
        return None;
    }
    Some(RateLimit {
        rate: rate?.value,
        burst: burst?,
        burst_is_written: fields.get("burst").is_some(),
        per: per.unwrap_or_default(),
        scope: scope.unwrap_or(Scope::Pop),
        most_keys: None,
        exceed: exceed.unwrap_or(Exceed::Drop),
        algorithm: algorithm?,
        timeout_ns,
        bucket: None,
    })
}

//------------ Rate and burst ----------------------------------------------------

type PlacedRate = Spanned<Rate>;

fn rate(node: &Node, decoder: &mut Decoder) -> Option<PlacedRate> {
    let rate = word(node, "`rate`", decoder, words::rate)?;
    if rate.unit == RateUnit::Requests {
        decoder.report(requests(node.location));
        return None;
    }
    Some(PlacedRate::new(rate, node.location))
}

fn requests(location: Location) -> Diagnostic {
    Diagnostic::error(location, "requests are not recorded in packets; not judged yet")
        .label("counts requests")
        .help("a limit on requests cannot be judged; keep such a rule in another file")
}

/// Reads the burst, or makes the default of a rate.
fn burst(fields: Fields<'_>, rate: Option<&PlacedRate>, decoder: &mut Decoder) -> Option<Burst> {
    let help = "write `500 packets` or `25 MB`";
    if fields.get("burst").is_some() {
        return optional(fields, "burst", help, decoder, |node, decoder| {
            let burst = word(node, "`burst`", decoder, words::burst)?;
            if decoder.text(node, "`burst`")?.contains("request") {
                decoder.report(requests(node.location));
                return None;
            }
            let Some(rate) = rate else { return Some(burst) };
            let (counts, other, example) = match (rate.value.counts_bytes(), burst) {
                (true, Burst::Packets(_)) => ("bytes", "packets", "25 MB"),
                (false, Burst::Bytes(_)) => ("packets", "bytes", "500 packets"),
                _ => return Some(burst),
            };
            decoder.report(
                Diagnostic::error(
                    node.location,
                    format!("the rate counts {counts}, the burst {other}"),
                )
                .label(format!("counts {other}"))
                .also(rate.location, format!("the rate counts {counts}"))
                .help(format!("write the burst in {counts}, such as `{example}`")),
            );
            None
        });
    }
    let rate = rate?;
    let burst = Burst::default_of(rate.value);
    if burst.is_none() {
        decoder.report(
            Diagnostic::error(rate.location, "one second of this rate is more than can be counted")
                .label("too fast")
                .help("write the rate per second"),
        );
    }
    burst
}

//------------ Algorithm ---------------------------------------------------------

fn algorithm(fields: Fields<'_>, decoder: &mut Decoder) -> Option<Algorithm> {
    let kind = match fields.get("algorithm") {
        None => Kind::Token,
        Some(_) => optional(
            fields,
            "algorithm",
            "write `token_bucket`, `fixed_window` or `sliding_window`",
            decoder,
            |node, decoder| choice(node, "algorithm", KINDS, decoder),
        )?,
    };
    let help = "write a duration, such as `window: 10s`";
    let window_ns = optional(fields, "window", help, decoder, |node, decoder| {
        word(node, "`window`", decoder, words::duration)
    });
    if kind == Kind::Token {
        if let Some((key, _)) = fields.entry("window") {
            decoder.report(
                Diagnostic::error(key.location, "a token bucket has no window")
                    .label("not for a token bucket")
                    .help("write `algorithm: fixed_window` or `sliding_window`, or `burst`"),
            );
            return None;
        }
        return Some(Algorithm::TokenBucket);
    }
    if let Some((key, _)) = fields.entry("burst") {
        decoder.report(
            Diagnostic::error(key.location, "a window has no burst")
                .label("only for a token bucket")
                .help("remove `burst`; a window passes what its rate gives for its length"),
        );
    }
    if let (None, Some((key, _))) = (fields.get("window"), fields.entry("algorithm")) {
        decoder.report(
            Diagnostic::error(key.location, "this algorithm has no `window`")
                .label("`window` is missing")
                .help(help),
        );
    }
    match kind {
        Kind::Fixed => Some(Algorithm::FixedWindow { window_ns: window_ns? }),
        _ => Some(Algorithm::SlidingWindow { window_ns: window_ns? }),
    }
}

//------------ Bucket key --------------------------------------------------------

const PARTS: &[&str] = &["src", "dst", "src_port", "dst_port", "protocol", "customer"];

/// Reads the bucket key, in one order: how it is written changes nothing.
fn key(node: &Node, decoder: &mut Decoder) -> Option<Vec<KeyPart>> {
    let items = decoder.one_or_more(node, "`per`")?;
    let mut parts: Vec<(KeyPart, Location)> = Vec::new();
    let mut items = items.iter().peekable();
    let before = decoder.problems.len();
    while let Some(item) = items.next() {
        let Some(text) = decoder.text(item, "a part of the key") else { continue };
        let mut text = text.trim().to_owned();
        let mut location = item.location;
        // In a flow list YAML cuts `src/24,56` in two; a bare number is nothing else here.
        if text.contains('/')
            && let Some(next) = items.peek()
            && let Value::Scalar { text: number, string: false } = &next.value
        {
            text = format!("{text},{number}");
            location.span.end = location.span.end.max(next.location.span.end);
            items.next();
        }
        let Some(part) = part(&text, location, item, decoder) else { continue };
        let kind = std::mem::discriminant(&part);
        let twice = parts.iter().find(|(other, _)| std::mem::discriminant(other) == kind);
        if let Some((_, first)) = twice {
            decoder.report(
                Diagnostic::error(location, format!("`{text}` names a part of the key twice"))
                    .label("again")
                    .also(*first, "first named here")
                    .help("name each part once; `src/24,56` gives both families their length"),
            );
            continue;
        }
        parts.push((part, location));
    }
    let mut parts: Vec<KeyPart> = parts.into_iter().map(|(part, _)| part).collect();
    parts.sort_unstable();
    (decoder.problems.len() == before).then_some(parts)
}

fn part(text: &str, location: Location, item: &Node, decoder: &mut Decoder) -> Option<KeyPart> {
    let (name, lengths) = match text.split_once('/') {
        Some((name, lengths)) => (name.trim(), Some(lengths)),
        None => (text, None),
    };
    if lengths.is_some() && !["src", "dst"].contains(&name) {
        decoder.report(
            Diagnostic::error(location, format!("`{text}` is no part of a key"))
                .label("only addresses have a prefix length")
                .help("write `src/24` or `dst/24`"),
        );
        return None;
    }
    let (v4, v6) = match lengths {
        Some(lengths) => match prefix_lengths(lengths) {
            Ok(lengths) => lengths,
            Err(label) => {
                decoder.report(
                    Diagnostic::error(location, format!("`/{lengths}` is no prefix length here"))
                        .label(label)
                        .help("write `src/24` (IPv4), `src/56` (IPv6) or `src/24,56` (both)"),
                );
                return None;
            }
        },
        None => (32, 128),
    };
    match name {
        "src" => Some(KeyPart::Src { v4, v6 }),
        "dst" => Some(KeyPart::Dst { v4, v6 }),
        "src_port" => Some(KeyPart::SrcPort),
        "dst_port" => Some(KeyPart::DstPort),
        "protocol" => Some(KeyPart::Protocol),
        "customer" => Some(KeyPart::Customer),
        "host" | "path" => {
            decoder.report(unjudged(item, name));
            None
        }
        _ => {
            let problem = Diagnostic::error(location, format!("`{text}` is no part of a key"))
                .label("not known");
            decoder.report(match suggest(name, PARTS.iter().copied()) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help(format!("known here: {}", PARTS.join(", "))),
            });
            None
        }
    }
}

/// Reads `24`, `56` or `24,56`: a length applies to the family in which it makes sense, and the
/// other one is kept whole.
fn prefix_lengths(text: &str) -> Result<(u8, u8), &'static str> {
    let length = |text: &str| {
        let number: u8 = text.trim().parse().map_err(|_| "should be a number up to 128")?;
        match number {
            0 => Err("length 0 puts all in one bucket; leave the part out"),
            1..=128 => Ok(number),
            _ => Err("should be a number up to 128"),
        }
    };
    match text.split_once(',') {
        None => match length(text)? {
            v4 @ ..=32 => Ok((v4, 128)),
            v6 => Ok((32, v6)),
        },
        Some((first, second)) => match (length(first)?, length(second)?) {
            (v4 @ ..=32, v6) => Ok((v4, v6)),
            _ => Err("the IPv4 length comes first and is at most 32"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{one_problem, read, rule};
    use super::*;
    use crate::model::Action;

    fn limit(text: &str) -> RateLimit {
        let set = read(&rule("any", &format!("{{rate_limit: {{{text}}}}}")));
        match &set.rules[0].action.value {
            Action::RateLimit(limit) => limit.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_key_reads() {
        let found = limit(
            "rate: 100 packets per 10s, burst: 5 packets, per: [customer, src/24], scope: global, \
             exceed: challenge, algorithm: token_bucket, timeout: 60s",
        );
        let expected = RateLimit {
            rate: Rate { amount: 100, unit: RateUnit::Packets, per_ns: 10_000_000_000 },
            burst: Burst::Packets(5),
            burst_is_written: true,
            per: vec![KeyPart::Src { v4: 24, v6: 128 }, KeyPart::Customer],
            scope: Scope::Global,
            exceed: Exceed::Challenge,
            algorithm: Algorithm::TokenBucket,
            timeout_ns: Some(60_000_000_000),
            most_keys: None,
            bucket: None,
        };
        assert_eq!(found, expected);
        let window = limit("rate: 5 pps, algorithm: fixed_window, window: 10s");
        assert_eq!(window.algorithm, Algorithm::FixedWindow { window_ns: 10_000_000_000 });
        let window = limit("rate: 5 pps, algorithm: sliding_window, window: 1m, scope: exporter");
        assert_eq!(window.algorithm, Algorithm::SlidingWindow { window_ns: 60_000_000_000 });
        assert_eq!((window.scope, window.exceed), (Scope::Exporter, Exceed::Drop));
        assert_eq!(limit("rate: 5 pps, exceed: log, per: []").per, []);
    }

    #[test]
    fn the_default_burst_is_one_second_but_at_least_a_packet() {
        for (rate, burst) in [
            ("200 Mbps", Burst::Bytes(25_000_000)),
            ("1 MBps", Burst::Bytes(1_000_000)),
            ("8 kbps", Burst::Bytes(1_500)),
            ("12001 bits per second", Burst::Bytes(1_501)),
            ("100001 bits per 3s", Burst::Bytes(4_167)),
            ("5 kpps", Burst::Packets(5_000)),
            ("10 packets per 3s", Burst::Packets(4)),
            ("1 packet per minute", Burst::Packets(1)),
            ("3 packets per 1ns", Burst::Packets(3_000_000_000)),
        ] {
            assert_eq!(limit(&format!("rate: {rate}")).burst, burst, "{rate}");
        }
    }

    #[test]
    fn a_prefix_length_applies_to_the_family_in_which_it_makes_sense() {
        for (per, v4, v6) in [
            ("src", 32, 128),
            ("src/24", 24, 128),
            ("src/32", 32, 128),
            ("src/64", 32, 64),
            ("\"src/24,56\"", 24, 56),
            ("[src/24,56]", 24, 56),
            ("[src/24,24]", 24, 24),
        ] {
            assert_eq!(limit(&format!("rate: 5 pps, per: {per}")).per, [KeyPart::Src { v4, v6 }]);
        }
        let both = limit("rate: 5 pps, per: [dst/24,56, src/24,56, protocol, dst_port, src_port]");
        let expected = [
            KeyPart::Src { v4: 24, v6: 56 },
            KeyPart::Dst { v4: 24, v6: 56 },
            KeyPart::SrcPort,
            KeyPart::DstPort,
            KeyPart::Protocol,
        ];
        assert_eq!(both.per, expected);
    }

    #[test]
    fn what_is_no_limit_is_underlined_and_helped() {
        for (text, underlined, says) in [
            ("burst: 5 packets", "{", "add `rate: …`"),
            ("rate: 10 mbps", "10 mbps", "`10 Mbps` (bits) or `10 MBps` (bytes)"),
            ("rate: 10", "10", "needs a unit"),
            ("rate: 0 pps", "0 pps", "action: drop"),
            ("rate: 5 rps", "5 rps", "not recorded in packets"),
            ("rate: 5 requests per 10s", "5 requests per 10s", "not recorded in packets"),
            ("rate: 5 pps, burst: 5 requests", "5 requests", "not recorded in packets"),
            ("rate: 5 pps, burst: 5", "5", "needs a unit"),
            ("rate: 5 pps, burst: 5 MB", "5 MB", "`500 packets`"),
            ("rate: 5 Mbps, burst: 5 packets", "5 packets", "`25 MB`"),
            ("rate: 5 MBps, burst: 5 packets", "5 packets", "the rate counts bytes"),
            ("rate: 5 pps, burst: 0 packets", "0 packets", "zero"),
            (
                "rate: 90000000000 packets per 1ns",
                "90000000000 packets per 1ns",
                "more than can be counted",
            ),
            ("rate: 5 pps, per: ", "per", "`per` is empty"),
            ("rate: 5 pps, per: [src, src]", "src", "twice"),
            ("rate: 5 pps, per: [src/24, src/56]", "src/56", "`src/24,56`"),
            ("rate: 5 pps, per: [srcport]", "srcport", "did you mean `src_port`?"),
            ("rate: 5 pps, per: [host]", "host", "not judged yet"),
            ("rate: 5 pps, per: path", "path", "not judged yet"),
            ("rate: 5 pps, per: [src/129]", "src/129", "no prefix length"),
            ("rate: 5 pps, per: [src/0]", "src/0", "no prefix length"),
            ("rate: 5 pps, per: [src/56,24]", "src/56,24", "no prefix length"),
            ("rate: 5 pps, per: [protocol/8]", "protocol/8", "write `src/24`"),
            ("rate: 5 pps, per: [src/24,56,64]", "64", "no part of a key"),
            ("rate: 5 pps, scope: site", "site", "known here"),
            ("rate: 5 pps, exceed: deny", "deny", "did you mean `drop`?"),
            ("rate: 5 pps, algorithm: fixed_windw, window: 1s", "fixed_windw", "did you mean"),
            ("rate: 5 pps, algorithm: fixed_window", "algorithm", "window: 10s"),
            ("rate: 5 pps, window: 10s", "window", "fixed_window"),
            ("rate: 5 pps, algorithm: sliding_window, window: 10", "10", "needs a unit"),
            (
                "rate: 5 pps, algorithm: fixed_window, window: 1s, burst: 5 packets",
                "burst",
                "remove",
            ),
            ("rate: 5 pps, timeout: never", "never", "unit"),
            ("rate: 5 pps, timeout: 0s", "0s", "60s"),
            ("rate: 5 pps, bursts: 5 packets", "bursts", "did you mean `burst`?"),
        ] {
            let text = rule("any", &format!("{{rate_limit: {{{text}}}}}"));
            one_problem(&text, underlined, says);
        }
    }
}
