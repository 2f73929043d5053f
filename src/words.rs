//! The words in which operators write quantities and header fields, shared by every YAML form:
//! rates, sizes, durations, times, shares, addresses, ports, protocols, flags.
//!
//! Each function takes the text of one scalar. What is no value is [`Wrong`], with the nearest
//! right word; a number outside its field's domain is kept, so that it can be found impossible.

use std::net::IpAddr;

use crate::model::{
    Address, AddressRange, Burst, Diagnostic, FlagTest, FragmentTest, Location, Prefix, Rate,
    RateUnit, Share, Timestamp,
};
use crate::yaml::{Decoder, Node, nearest};

/// Why a text is no value of the kind wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Lower-case fragment that fits after `error: `.
    pub message: String,
    /// The short note under the underlined text.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

impl Wrong {
    fn new(message: impl Into<String>, label: impl Into<String>) -> Wrong {
        Wrong { message: message.into(), label: label.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Wrong {
        self.help = Some(help.into());
        self
    }

    /// Makes a diagnostic of it.
    pub fn at(self, location: Location) -> Diagnostic {
        let problem = Diagnostic::error(location, self.message).label(self.label);
        match self.help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

/// Splits `10 Mbps` (or `10Mbps`) into its number and its unit.
fn number_and_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    (text[..end].trim(), text[end..].trim())
}

/// Reads a decimal number times a scale, exactly; nothing if it is not a whole number then.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let number = number.replace('_', "");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let tens = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let value = digits.checked_mul(u128::from(scale))?;
    if !value.is_multiple_of(tens) {
        return None;
    }
    u64::try_from(value / tens).ok()
}

//------------ Quantities ----------------------------------------------------

const SECOND_NS: u64 = 1_000_000_000;

/// Units of rates, with their scale.
const RATE_UNITS: &[(&str, u64, RateUnit)] = &[
    ("bps", 1, RateUnit::Bits),
    ("kbps", 1_000, RateUnit::Bits),
    ("Mbps", 1_000_000, RateUnit::Bits),
    ("Gbps", 1_000_000_000, RateUnit::Bits),
    ("Tbps", 1_000_000_000_000, RateUnit::Bits),
    ("Bps", 1, RateUnit::Bytes),
    ("kBps", 1_000, RateUnit::Bytes),
    ("MBps", 1_000_000, RateUnit::Bytes),
    ("GBps", 1_000_000_000, RateUnit::Bytes),
    ("pps", 1, RateUnit::Packets),
    ("kpps", 1_000, RateUnit::Packets),
    ("Mpps", 1_000_000, RateUnit::Packets),
    ("rps", 1, RateUnit::Requests),
    ("krps", 1_000, RateUnit::Requests),
];

const COUNTED: &[(&str, RateUnit)] = &[
    ("packets", RateUnit::Packets),
    ("packet", RateUnit::Packets),
    ("requests", RateUnit::Requests),
    ("request", RateUnit::Requests),
    ("bytes", RateUnit::Bytes),
    ("byte", RateUnit::Bytes),
    ("bits", RateUnit::Bits),
    ("bit", RateUnit::Bits),
];

/// Reads `200 Mbps`, `5 pps` or `100 packets per 10s`. Case decides bits and bytes; 1 k is 1000.
pub fn rate(text: &str) -> Result<Rate, Wrong> {
    if let Some((amount, interval)) = text.split_once(" per ") {
        let (number, unit) = number_and_unit(amount);
        let unit = COUNTED
            .iter()
            .find(|(word, _)| *word == unit)
            .map(|(_, unit)| *unit)
            .ok_or_else(|| unknown_unit(unit, COUNTED.iter().map(|(word, _)| *word)))?;
        let amount = scaled(number, 1).ok_or_else(|| no_amount(number))?;
        let per_ns = duration(interval)?;
        return nonzero_rate(Rate { amount, unit, per_ns });
    }
    let (number, unit) = number_and_unit(text);
    if unit.is_empty() {
        return Err(Wrong::new("a rate needs a unit", "which unit?")
            .help("write bits as `200 Mbps`, bytes as `25 MBps`, packets as `5 kpps`"));
    }
    let (_, scale, kind) = RATE_UNITS
        .iter()
        .find(|(word, ..)| *word == unit)
        .ok_or_else(|| unknown_rate_unit(number, unit))?;
    let amount = scaled(number, *scale).ok_or_else(|| no_rate(number, *scale, *kind))?;
    nonzero_rate(Rate { amount, unit: *kind, per_ns: SECOND_NS })
}

fn nonzero_rate(rate: Rate) -> Result<Rate, Wrong> {
    if rate.amount == 0 {
        return Err(Wrong::new("a rate of zero is a drop", "nothing would pass")
            .help("write `action: drop` if that is what is meant"));
    }
    Ok(rate)
}

/// Says what is wrong with a number that makes no whole units: of packets or others.
fn no_rate(number: &str, scale: u64, unit: RateUnit) -> Wrong {
    // With nine decimals more it would be one.
    if scaled(number, scale.saturating_mul(1_000_000_000)).is_none() {
        return no_amount(number);
    }
    let (what, example) = match unit {
        RateUnit::Packets => ("packets", "`30 packets per 60s`"),
        RateUnit::Requests => ("requests", "`30 requests per 60s`"),
        RateUnit::Bytes => ("bytes", "`90 bytes per 60s`"),
        RateUnit::Bits => ("bits", "`90 bits per 60s`"),
    };
    Wrong::new(format!("a rate is of whole {what}"), "not a whole number a second")
        .help(format!("write whole {what}, or count over a longer time, such as {example}"))
}

fn no_amount(number: &str) -> Wrong {
    Wrong::new(format!("`{number}` is no amount"), "should be a number such as 10 or 2.5")
        .help("write a plain decimal number before the unit")
}

fn unknown_unit<'k>(unit: &str, known: impl Iterator<Item = &'k str> + Clone) -> Wrong {
    let wrong = Wrong::new(format!("unknown unit `{unit}`"), "not a unit");
    match nearest(unit, known.clone()) {
        Some(near) => wrong.help(format!("did you mean `{near}`?")),
        None => {
            let words: Vec<&str> = known.collect();
            wrong.help(format!("known units: {}", words.join(", ")))
        }
    }
}

/// A unit that differs only in case has two readings a factor of eight or more apart: both are
/// named, and neither is taken.
fn unknown_rate_unit(number: &str, unit: &str) -> Wrong {
    let readings: Vec<String> = RATE_UNITS
        .iter()
        .filter(|(word, ..)| word.eq_ignore_ascii_case(unit))
        .map(|(word, _, kind)| {
            let what = match kind {
                RateUnit::Bits => "bits",
                RateUnit::Bytes => "bytes",
                RateUnit::Packets => "packets",
                RateUnit::Requests => "requests",
            };
            format!("`{number} {word}` ({what})")
        })
        .collect();
    if readings.is_empty() {
        return unknown_unit(unit, RATE_UNITS.iter().map(|(word, ..)| *word));
    }
    Wrong::new(format!("unknown unit `{unit}`"), "case decides between bits and bytes")
        .help(format!("did you mean {}?", readings.join(" or ")))
}

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("byte", 1),
    ("bytes", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a size in bytes: `25 MB`.
pub fn size(text: &str) -> Result<u64, Wrong> {
    let (number, unit) = number_and_unit(text);
    let (_, scale) = SIZES
        .iter()
        .find(|(word, _)| *word == unit)
        .ok_or_else(|| unknown_unit(unit, SIZES.iter().map(|(word, _)| *word)))?;
    scaled(number, *scale).ok_or_else(|| no_amount(number))
}

/// Reads the depth of a bucket: `500 packets`, `25 MB`.
pub fn burst(text: &str) -> Result<Burst, Wrong> {
    let (number, unit) = number_and_unit(text);
    let burst = match unit {
        "packet" | "packets" | "request" | "requests" => {
            Burst::Packets(scaled(number, 1).ok_or_else(|| no_amount(number))?)
        }
        _ if SIZES.iter().any(|(word, _)| *word == unit) => Burst::Bytes(size(text)?),
        "" => {
            return Err(Wrong::new("a burst needs a unit", "packets or bytes?")
                .help("write `500 packets` or `25 MB`"));
        }
        _ => {
            let known = SIZES.iter().map(|(word, _)| *word).chain(["packets"]);
            return Err(unknown_unit(unit, known));
        }
    };
    if matches!(burst, Burst::Packets(0) | Burst::Bytes(0)) {
        return Err(Wrong::new("a burst of zero lets nothing pass", "should be more than zero")
            .help("write at least `1 packet` or `1500 B`"));
    }
    Ok(burst)
}

const DURATIONS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND_NS),
    ("second", SECOND_NS),
    ("seconds", SECOND_NS),
    ("m", 60 * SECOND_NS),
    ("min", 60 * SECOND_NS),
    ("minute", 60 * SECOND_NS),
    ("minutes", 60 * SECOND_NS),
    ("h", 3_600 * SECOND_NS),
    ("hour", 3_600 * SECOND_NS),
    ("hours", 3_600 * SECOND_NS),
    ("d", 86_400 * SECOND_NS),
    ("day", 86_400 * SECOND_NS),
    ("days", 86_400 * SECOND_NS),
    ("w", 604_800 * SECOND_NS),
];

/// Reads a duration in nanoseconds: `60s`, `5m`, `1h 30m`, `second`.
pub fn duration(text: &str) -> Result<u64, Wrong> {
    let mut rest = text.trim();
    let mut total = 0u64;
    let too_long = || {
        Wrong::new("a duration this long is not counted", "too long")
            .help("write at most a few hundred years")
    };
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))
            .unwrap_or(rest.len());
        let number = if digits == 0 && total == 0 { "1" } else { &rest[..digits] };
        let after = rest[digits..].trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = &after[..letters];
        if unit.is_empty() {
            return Err(Wrong::new("a duration needs a unit", "which unit?")
                .help("write seconds as `60s`, minutes as `5m`, days as `7d`"));
        }
        let (_, scale) = DURATIONS
            .iter()
            .find(|(word, _)| *word == unit)
            .ok_or_else(|| unknown_unit(unit, DURATIONS.iter().map(|(word, _)| *word)))?;
        let part = scaled(number, *scale).ok_or_else(|| no_amount(number))?;
        total = total.checked_add(part).ok_or_else(too_long)?;
        rest = after[letters..].trim_start();
    }
    if total == 0 {
        return Err(Wrong::new("a duration must be longer than nothing", "should be like `60s`")
            .help("write seconds as `60s`, minutes as `5m`, days as `7d`"));
    }
    Ok(total)
}

/// Reads a date (its first moment, UTC) or an RFC 3339 time.
pub fn time(text: &str) -> Result<Timestamp, Wrong> {
    let text = text.trim();
    let parsed = match text.len() {
        // A date: nothing else is ten characters long and a time with this end.
        10 => format!("{text}T00:00:00Z").parse::<jiff::Timestamp>(),
        _ => text.parse::<jiff::Timestamp>(),
    };
    let nanoseconds = parsed.ok().map(jiff::Timestamp::as_nanosecond);
    nanoseconds.and_then(|ns| i64::try_from(ns).ok()).map(Timestamp).ok_or_else(|| {
        Wrong::new(format!("`{text}` is no date or time"), "should be a date or a time")
            .help("write `2026-12-01` or `2026-12-01T16:30:00Z`")
    })
}

/// Reads a share: `90%`, `0.5 %`.
pub fn share(text: &str) -> Result<Share, Wrong> {
    let wrong = || {
        Wrong::new(format!("`{text}` is no share"), "should be a share from 0% to 100%")
            .help("write `90%`")
    };
    let number = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim();
    let parts = scaled(number, u64::from(Share::ONE / 100)).ok_or_else(wrong)?;
    match u32::try_from(parts) {
        Ok(parts) if parts <= Share::ONE => Ok(Share(parts)),
        _ => Err(wrong()),
    }
}

//------------ Addresses -----------------------------------------------------

/// Reads an address.
pub fn address(text: &str) -> Result<Address, Wrong> {
    match text.trim().parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => {
            Err(Wrong::new("this is an IPv4 address in IPv6 clothes", "IPv4-mapped")
                .help("write the IPv4 address itself"))
        }
        Ok(address) => Ok(address.into()),
        Err(_) => Err(Wrong::new(format!("`{text}` is no address"), "should be an address")
            .help("write `203.0.113.10`, `2001:db8::10`, or a prefix such as `203.0.113.0/24`")),
    }
}

/// Reads a prefix, or an address as the prefix of itself. Host bits are an error.
pub fn prefix(text: &str) -> Result<Prefix, Wrong> {
    let Some((network, length)) = text.trim().split_once('/') else {
        let address = address(text)?;
        return Ok(Prefix::new(address, address.family.bits()));
    };
    let address = address(network)?;
    let bits = address.family.bits();
    let plain = length.bytes().all(|byte| byte.is_ascii_digit())
        && (length == "0" || !length.starts_with('0'));
    let number = length.parse::<u8>().ok().filter(|length| plain && *length <= bits);
    let length = number.ok_or_else(|| {
        Wrong::new(format!("`/{length}` is no prefix length"), format!("should be /0 to /{bits}"))
            .help(format!("write `{address}/{bits}` for the one address"))
    })?;
    let prefix = Prefix::new(address, length);
    if prefix.bits != address.bits {
        return Err(Wrong::new(
            format!("`{text}` has host bits set"),
            format!("the network is {prefix}"),
        )
        .help(format!("write `{prefix}` for the network, or `{address}` for the one address",)));
    }
    Ok(prefix)
}

/// Reads an address, a prefix or a range `a-b`.
pub fn address_range(text: &str) -> Result<AddressRange, Wrong> {
    let Some((first, last)) = text.split_once('-') else { return Ok(prefix(text)?.range()) };
    let (first, last) = (address(first)?, address(last)?);
    if first.family != last.family {
        return Err(Wrong::new("a range has both ends in one family", "IPv4 and IPv6 mixed")
            .help("write two ranges, one for each family"));
    }
    if first.bits > last.bits {
        return Err(Wrong::new("this range is empty", "the first address is above the last")
            .help(format!("write `{last}-{first}`")));
    }
    Ok(AddressRange { family: first.family, first: first.bits, last: last.bits })
}

//------------ Header fields -------------------------------------------------

/// Reads `80`, `8000-8080`, `>=1024`, `<512`; nothing if the text is no number at all. Numbers
/// outside the field's domain are kept.
pub fn number_range(text: &str) -> Result<Option<(u64, u64)>, Wrong> {
    let text = text.trim();
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let no_number = || {
        Wrong::new(format!("`{text}` is no number"), "should be a number")
            .help("write `80`, `8000-8080`, `>=1024` or `<512`")
    };
    for (sign, range) in [
        (">=", (|n| Some((n, u64::MAX))) as fn(u64) -> Option<(u64, u64)>),
        ("<=", |n| Some((0, n))),
        (">", |n| Some((n.checked_add(1)?, u64::MAX))),
        ("<", |n| Some((0, n.checked_sub(1)?))),
        ("=", |n| Some((n, n))),
    ] {
        if let Some(rest) = text.strip_prefix(sign) {
            let bound = number(rest).ok_or_else(no_number)?;
            return match range(bound) {
                Some(range) => Ok(Some(range)),
                None => Err(Wrong::new("no number is in this range", "empty")
                    .help("write a range that holds a number")),
            };
        }
    }
    if let Some(number) = number(text) {
        return Ok(Some((number, number)));
    }
    if let Some((first, last)) = text.split_once('-')
        && let (Some(first), Some(last)) = (number(first), number(last))
    {
        if first > last {
            return Err(Wrong::new("this range is empty", "the first number is above the last")
                .help(format!("write `{last}-{first}`")));
        }
        return Ok(Some((first, last)));
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
        return Err(no_number());
    }
    Ok(None)
}

/// Names of protocols (IANA "Assigned Internet Protocol Numbers").
const PROTOCOLS: &[(&str, u64)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("ipencap", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("icmp6", 58),
    ("eigrp", 88),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
    ("udp-lite", 136),
];

/// Names of ports (IANA service names) that operators write.
const PORTS: &[(&str, u64)] = &[
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("dns", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("http", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ntp", 123),
    ("imap", 143),
    ("snmp", 161),
    ("snmptrap", 162),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("isakmp", 500),
    ("syslog", 514),
    ("ldp", 646),
    ("imaps", 993),
    ("pop3s", 995),
    ("ssdp", 1900),
    ("nfs", 2049),
    ("mysql", 3306),
    ("bfd", 3784),
    ("mdns", 5353),
    ("memcached", 11211),
];

/// Names of ICMP (v4) types.
const ICMP_TYPES: &[(&str, u64)] = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
];

fn named(
    text: &str,
    what: &str,
    names: &'static [(&'static str, u64)],
) -> Result<(u64, u64), Wrong> {
    if let Some(range) = number_range(text)? {
        return Ok(range);
    }
    let lower = text.trim().to_ascii_lowercase();
    if let Some((_, number)) = names.iter().find(|(name, _)| *name == lower) {
        return Ok((*number, *number));
    }
    let wrong = Wrong::new(format!("unknown {what} `{text}`"), format!("not a {what}"));
    Err(match nearest(text, names.iter().map(|(name, _)| *name)) {
        Some(near) => wrong.help(format!("did you mean `{near}`?")),
        None => wrong.help(format!("write the number of the {what}")),
    })
}

/// Reads a protocol by name, number or range.
pub fn protocol(text: &str) -> Result<(u64, u64), Wrong> {
    named(text, "protocol", PROTOCOLS)
}

/// Reads a port by name, number or range.
pub fn port(text: &str) -> Result<(u64, u64), Wrong> {
    named(text, "port", PORTS)
}

/// Reads an ICMP type by number, range, or name (of ICMP for IPv4; ICMPv6 types by number).
pub fn icmp_type(text: &str) -> Result<(u64, u64), Wrong> {
    named(text, "ICMP type", ICMP_TYPES)
}

/// Reads a plain number or range of a field without names.
pub fn plain_range(text: &str) -> Result<(u64, u64), Wrong> {
    number_range(text)?.ok_or_else(|| {
        Wrong::new(format!("`{text}` is no number"), "should be a number")
            .help("write `60`, `40-60`, `>=1024` or `<512`")
    })
}

/// TCP flags by name, from the lowest bit.
pub const TCP_FLAGS: &[(&str, u8)] = &[
    ("fin", 1),
    ("syn", 2),
    ("rst", 4),
    ("psh", 8),
    ("ack", 16),
    ("urg", 32),
    ("ece", 64),
    ("cwr", 128),
];

/// Reads `syn` (set, others do not matter), `syn,!ack`, or `=syn` (exactly these). `=` alone, or
/// `none`, is no flags at all.
pub fn tcp_flags(text: &str) -> Result<FlagTest, Wrong> {
    let trimmed = text.trim();
    if trimmed == "none" {
        return Ok(FlagTest { mask: 255, value: 0 });
    }
    let (exact, words) = match trimmed.strip_prefix('=') {
        Some(words) => (true, words),
        None => (false, trimmed),
    };
    let mut test = FlagTest { mask: if exact { 255 } else { 0 }, value: 0 };
    let mut seen = 0u8;
    for word in words.split([',', '+']) {
        let word = word.trim();
        let (set, name) = match word.strip_prefix('!') {
            Some(name) => (false, name),
            None => (true, word),
        };
        let lower = name.to_ascii_lowercase();
        let Some((_, bit)) = TCP_FLAGS.iter().find(|(flag, _)| *flag == lower) else {
            let wrong = Wrong::new(format!("unknown TCP flag `{name}`"), "not a TCP flag");
            let known = TCP_FLAGS.iter().map(|(flag, _)| *flag);
            return Err(match nearest(name, known.clone()) {
                Some(near) => wrong.help(format!("did you mean `{near}`?")),
                None => {
                    wrong.help(format!("known flags: {}", known.collect::<Vec<_>>().join(", ")))
                }
            });
        };
        if seen & bit != 0 {
            return Err(Wrong::new(format!("`{lower}` is said twice"), "said twice")
                .help("write each flag once"));
        }
        seen |= bit;
        test.mask |= bit;
        if set {
            test.value |= bit;
        }
    }
    Ok(test)
}

/// Names of fragment tests.
const FRAGMENTS: &[(&str, FragmentTest)] = &[
    ("any", FragmentTest::Any),
    ("first", FragmentTest::First),
    ("not_first", FragmentTest::NotFirst),
    ("last", FragmentTest::Last),
    ("none", FragmentTest::None),
    ("dont_fragment", FragmentTest::DontFragment),
];

/// Reads a fragment test.
pub fn fragment(text: &str) -> Result<FragmentTest, Wrong> {
    if let Some((_, test)) = FRAGMENTS.iter().find(|(name, _)| *name == text.trim()) {
        return Ok(*test);
    }
    let known = FRAGMENTS.iter().map(|(name, _)| *name);
    let wrong = Wrong::new(format!("unknown fragment test `{text}`"), "not a fragment test");
    Err(match nearest(text, known.clone()) {
        Some(near) => wrong.help(format!("did you mean `{near}`?")),
        None => wrong.help(format!("known: {}", known.collect::<Vec<_>>().join(", "))),
    })
}

//------------ Reading nodes ---------------------------------------------------

/// Reads the scalar of a node by one of the functions above; what is wrong is reported.
pub fn read<T>(
    decoder: &mut Decoder,
    node: &Node,
    what: &str,
    parse: impl FnOnce(&str) -> Result<T, Wrong>,
) -> Option<T> {
    match parse(decoder.text(node, what)?) {
        Ok(value) => Some(value),
        Err(wrong) => {
            decoder.report(wrong.at(node.location));
            None
        }
    }
}

/// Reads one of a few words; another one is reported with the nearest.
pub fn choice<T: Copy>(
    decoder: &mut Decoder,
    node: &Node,
    what: &str,
    known: &[(&str, T)],
) -> Option<T> {
    read(decoder, node, what, |text| {
        if let Some((_, value)) = known.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let words = known.iter().map(|(word, _)| *word);
        let wrong = Wrong::new(format!("unknown {what} `{text}`"), format!("not a {what}"));
        Err(match nearest(text, words.clone()) {
            Some(near) => wrong.help(format!("did you mean `{near}`?")),
            None => wrong.help(format!("known: {}", words.collect::<Vec<_>>().join(", "))),
        })
    })
}

/// Returns whether a text can be the id of a rule or a customer: `[a-z0-9][a-z0-9._-]*`.
pub fn is_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
        && bytes.all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
        })
}

#[cfg(test)]
mod tests;
