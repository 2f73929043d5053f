//! The native language: every condition and action of the model that is exact, one rule a rule.

use std::fmt::Write;

use super::{Target, share};
use crate::languages::{LANGUAGES, Path};
use crate::model::{
    Action, AddressRange, AddressSet, Algorithm, Burst, DefaultAction, Diagnostic, Direction,
    Exceed, Family, FlagTest, FragmentTest, Intent, KeyPart, Location, Match, NumberSet, RateLimit,
    RateUnit, Rule, RuleSet, Scope, Share, Sources, Spanned, Term,
};
use crate::words;

pub(super) const TARGET: Target = Target { name: "native", write };

/// What is wrong with a rule, in one place.
type Refused = Box<Diagnostic>;

fn write(set: &RuleSet, _: Path) -> Result<String, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut text = "version: 1\n".to_owned();
    if set.default.action == DefaultAction::Drop {
        text.push_str("default: drop\n");
        if let Some(intent) = &set.default.intent {
            match self::intent(intent) {
                Ok(written) => _ = writeln!(text, "default_intent: {written}"),
                Err(problem) => problems.push(*problem),
            }
        }
    }
    if set.rules.is_empty() {
        text.push_str("rules: []\n");
    } else {
        text.push_str("rules:\n");
    }
    for rule in &set.rules {
        match self::rule(rule) {
            Ok(written) => text.push_str(&written),
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() {
        problems.extend(read_back(set, &text));
    }
    if problems.is_empty() { Ok(text) } else { Err(problems) }
}

//------------ Rules -------------------------------------------------------------

fn rule(rule: &Rule) -> Result<String, Refused> {
    let mut text = format!("  - id: {}\n", quoted(&rule.id));
    let fields =
        [("description", &rule.description), ("owner", &rule.owner), ("ticket", &rule.ticket)];
    for (key, value) in fields {
        if let Some(value) = value {
            _ = writeln!(text, "    {key}: {}", quoted(value));
        }
    }
    if let Some(expires) = &rule.expires {
        _ = writeln!(text, "    expires: {}", expires.value);
    }
    let matches = match rule.matches.terms.is_empty() {
        true => "any".to_owned(),
        false => self::matches(&rule.matches)?,
    };
    _ = writeln!(text, "    match: {matches}");
    _ = writeln!(text, "    action: {}", action(&rule.action)?);
    if let Some(intent) = &rule.intent {
        _ = writeln!(text, "    intent: {}", self::intent(intent)?);
    }
    Ok(text)
}

fn intent(intent: &Intent) -> Result<String, Refused> {
    let selectors = |list: &[Spanned<String>]| {
        let words: Vec<String> = list.iter().map(|one| quoted(&one.value)).collect();
        format!("[{}]", words.join(", "))
    };
    let mut parts = Vec::new();
    if let Some(summary) = &intent.summary {
        parts.push(format!("summary: {}", quoted(summary)));
    }
    parts.push(format!("target: {}", selectors(&intent.target)));
    for (key, list) in [("may_affect", &intent.may_affect), ("may_reach", &intent.may_reach)] {
        if let Some(list) = list {
            parts.push(format!("{key}: {}", selectors(list)));
        }
    }
    if intent.max_collateral != Share(0) {
        parts.push(format!("max_collateral: {}", share(intent.max_collateral)));
    }
    if let Some(loss) = intent.max_target_loss {
        parts.push(format!("max_target_loss: {}", share(loss)));
    }
    if let Some(stop) = &intent.must_stop {
        parts.push(format!("must_stop: {}", share(stop.value)));
    }
    if let Some(attack) = &intent.attack_match {
        parts.push(format!("attack_match: {}", matches(attack)?));
    }
    Ok(format!("{{{}}}", parts.join(", ")))
}

fn action(action: &Spanned<Action>) -> Result<String, Refused> {
    Ok(match &action.value {
        Action::Accept => "accept".to_owned(),
        Action::Drop => "drop".to_owned(),
        Action::Reject => "reject".to_owned(),
        Action::Log => "log".to_owned(),
        Action::Challenge => "challenge".to_owned(),
        Action::Redirect { to } => format!("{{redirect: {{to: {}}}}}", quoted(to)),
        Action::Mark { dscp } => format!("{{mark: {{dscp: {dscp}}}}}"),
        Action::RateLimit(limit) => {
            format!("{{rate_limit: {{{}}}}}", rate_limit(limit, action.location)?)
        }
    })
}

//------------ Limits ------------------------------------------------------------

fn rate_limit(limit: &RateLimit, place: Location) -> Result<String, Refused> {
    if limit.bucket.is_some() {
        return Err(refused(place, "several rules share this limit", "one limit a rule here"));
    }
    let limit = &as_native(limit).ok_or_else(|| {
        let why = "this limit counts in the arithmetic of its own system";
        refused(place, why, "not equal to a token bucket for every sequence of packets")
    })?;
    let unit = match limit.rate.unit {
        RateUnit::Bits => "bits",
        RateUnit::Bytes => "bytes",
        RateUnit::Packets => "packets",
        RateUnit::Requests => "requests",
    };
    let mut text = format!("rate: {} {unit} per {} ns", limit.rate.amount, limit.rate.per_ns);
    _ = match limit.burst {
        Burst::Packets(depth) => write!(text, ", burst: {depth} packets"),
        Burst::Bytes(depth) => write!(text, ", burst: {depth} bytes"),
    };
    let address = |name: &str, v4: u8, v6: u8| format!("\"{name}/{v4},{v6}\"");
    let part = |part: &KeyPart| match *part {
        KeyPart::Src { v4, v6 } => address("src", v4, v6),
        KeyPart::Dst { v4, v6 } => address("dst", v4, v6),
        KeyPart::SrcPort => "src_port".to_owned(),
        KeyPart::DstPort => "dst_port".to_owned(),
        KeyPart::Protocol => "protocol".to_owned(),
        KeyPart::Customer => "customer".to_owned(),
    };
    if !limit.per.is_empty() {
        let parts: Vec<String> = limit.per.iter().map(part).collect();
        _ = write!(text, ", per: [{}]", parts.join(", "));
    }
    text.push_str(match limit.scope {
        Scope::Pop => ", scope: pop",
        Scope::Router => ", scope: router",
        Scope::Exporter => ", scope: exporter",
        Scope::Global => ", scope: global",
    });
    text.push_str(match limit.exceed {
        Exceed::Log => ", exceed: log",
        Exceed::Challenge => ", exceed: challenge",
        Exceed::Drop => ", exceed: drop",
        Exceed::Reject => ", exceed: reject",
    });
    _ = match limit.algorithm {
        Algorithm::FixedWindow { window_ns } => {
            write!(text, ", algorithm: fixed_window, window: {window_ns} ns")
        }
        Algorithm::SlidingWindow { window_ns } => {
            write!(text, ", algorithm: sliding_window, window: {window_ns} ns")
        }
        _ => Ok(()),
    };
    if let Some(timeout) = limit.timeout_ns {
        _ = write!(text, ", timeout: {timeout} ns");
    }
    Ok(text)
}

/// The longest interval for which no packet's cost in nanoseconds wraps in the kernel.
const LONGEST_NS: u64 = 100_000_000_000_000;

/// Returns the native limit that decides as a limit does on every sequence of packets.
fn as_native(limit: &RateLimit) -> Option<RateLimit> {
    match limit.algorithm {
        Algorithm::TokenBucket
        | Algorithm::FixedWindow { .. }
        | Algorithm::SlidingWindow { .. } => Some(limit.clone()),
        // The kernel rounds what a packet or byte costs down to nanoseconds: the same where there
        // is nothing to round.
        Algorithm::Nft => {
            let rate = limit.rate;
            let is_whole = rate.amount > 0 && rate.per_ns.is_multiple_of(rate.amount);
            let is_short = rate.per_ns <= LONGEST_NS;
            let burst = match (limit.burst, rate.unit) {
                (Burst::Packets(0), RateUnit::Packets) => Burst::Packets(5),
                (Burst::Packets(depth), RateUnit::Packets) => Burst::Packets(depth),
                (Burst::Bytes(depth), RateUnit::Bytes) => {
                    Burst::Bytes(depth.checked_add(rate.amount)?)
                }
                _ => return None,
            };
            let (Burst::Packets(depth) | Burst::Bytes(depth)) = burst;
            let nanoseconds = u128::from(rate.per_ns) * u128::from(depth);
            let fits =
                nanoseconds / u128::from(rate.amount.max(1)) < 1 << 62 && nanoseconds < 1 << 64;
            (is_whole && is_short && fits).then(|| RateLimit {
                burst,
                burst_is_written: true,
                algorithm: Algorithm::TokenBucket,
                ..limit.clone()
            })
        }
        _ => None,
    }
}

//------------ Conditions --------------------------------------------------------

fn matches(matches: &Match) -> Result<String, Refused> {
    let mut parts: Vec<(&'static str, String)> = Vec::new();
    let mut rest = Vec::new();
    for term in &matches.terms {
        let (field, value) = self::term(term)?;
        if parts.iter().any(|(other, _)| *other == field) {
            rest.push(term.clone());
        } else {
            parts.push((field, value));
        }
    }
    if !rest.is_empty() {
        // A field is written once in a map: what is left goes into a map within, which must hold
        // too. The one term that stays here at least makes that map a smaller one.
        let is_used = |field: &str| parts.iter().any(|(other, _)| *other == field);
        if !is_used("any_of") {
            let within = self::matches(&Match { terms: rest })?;
            parts.push(("any_of", format!("[{within}]")));
        } else {
            if is_used("not") {
                parts.retain(|(field, _)| *field != "not");
                let negated = |term: &&Spanned<Term>| matches!(term.value, Term::Not(_));
                rest.extend(matches.terms.iter().find(negated).cloned());
            }
            let within = self::matches(&Match { terms: rest })?;
            parts.push(("not", format!("{{not: {within}}}")));
        }
    }
    let parts: Vec<String> =
        parts.into_iter().map(|(field, value)| format!("{field}: {value}")).collect();
    Ok(format!("{{{}}}", parts.join(", ")))
}

fn term(term: &Spanned<Term>) -> Result<(&'static str, String), Refused> {
    let place = term.location;
    let empty = || refused(place, "this matches nothing", "an empty set cannot be written");
    let list = |items: Vec<String>| match items.as_slice() {
        [] => Err(empty()),
        items => Ok(format!("[{}]", items.join(", "))),
    };
    let addresses = |set: &AddressSet| list(set.iter().map(|range| address(&range)).collect());
    let numbers = |set: &NumberSet| {
        let range = |(first, last): &(u64, u64)| match last {
            &u64::MAX => format!("\">={first}\""),
            last if first == last => first.to_string(),
            last => format!("{first}-{last}"),
        };
        list(set.ranges().iter().map(range).collect())
    };
    Ok(match &term.value {
        Term::Src(set) => ("src", addresses(set)?),
        Term::Dst(set) => ("dst", addresses(set)?),
        Term::Protocol(set) => ("protocol", numbers(set)?),
        Term::SrcPort(set) => ("src_port", numbers(set)?),
        Term::DstPort(set) => ("dst_port", numbers(set)?),
        Term::Port(set) => ("port", numbers(set)?),
        Term::IcmpType(set) => ("icmp_type", numbers(set)?),
        Term::IcmpCode(set) => ("icmp_code", numbers(set)?),
        Term::PacketLength(set) => ("packet_length", numbers(set)?),
        Term::Dscp(set) => ("dscp", numbers(set)?),
        Term::Ttl(set) => ("ttl", numbers(set)?),
        Term::TcpFlags(tests) => {
            let tests: Option<Vec<String>> = tests.iter().map(|test| flags(*test)).collect();
            let why = "this flag test cannot be written";
            ("tcp_flags", list(tests.ok_or_else(|| refused(place, why, "tests no flag"))?)?)
        }
        Term::Fragment(tests) => {
            let name = |test: &FragmentTest| match test {
                FragmentTest::Any => "any",
                FragmentTest::First => "first",
                FragmentTest::NotFirst => "not_first",
                FragmentTest::Last => "last",
                FragmentTest::None => "none",
                FragmentTest::DontFragment => "dont_fragment",
            };
            ("fragment", list(tests.iter().map(|test| name(test).to_owned()).collect())?)
        }
        Term::Pop(pops) => ("pop", list(pops.iter().map(|pop| quoted(pop)).collect())?),
        Term::Direction(directions) => {
            let name = |direction: &Direction| match direction {
                Direction::Ingress => "ingress".to_owned(),
                Direction::Egress => "egress".to_owned(),
            };
            ("direction", list(directions.iter().map(name).collect())?)
        }
        // Every packet has a source, of its own family.
        Term::Family(family) => ("src", addresses(&all_of(*family))?),
        Term::Unmodelled(condition) => {
            let message = format!("`{}` cannot be written", condition.text.escape_debug());
            return Err(refused(place, &message, "not in the header of a packet"));
        }
        Term::Not(inner) if inner.terms.is_empty() => return Err(empty()),
        Term::Not(inner) => ("not", matches(inner)?),
        Term::AnyOf(branches) => {
            let is_any = |branch: &Match| branch.terms.is_empty();
            if branches.iter().any(is_any) {
                return Err(refused(place, "this holds for everything", "is no condition"));
            }
            let branches: Result<Vec<String>, Refused> = branches.iter().map(matches).collect();
            ("any_of", list(branches?)?)
        }
    })
}

fn all_of(family: Family) -> AddressSet {
    let last = if family == Family::V4 { u128::from(u32::MAX) } else { u128::MAX };
    AddressSet::new([AddressRange { family, first: 0, last }])
}

fn address(range: &AddressRange) -> String {
    let end = |bits: u128| crate::model::Address { family: range.family, bits };
    match range.first == range.last {
        true => format!("\"{}\"", end(range.first)),
        false => format!("\"{}-{}\"", end(range.first), end(range.last)),
    }
}

fn flags(test: FlagTest) -> Option<String> {
    let names = |bits: u8, sign: &str| -> Vec<String> {
        let set = words::TCP_FLAGS.iter().filter(|(_, bit)| bits & bit != 0);
        set.map(|(name, _)| format!("{sign}{name}")).collect()
    };
    if test.mask == 0 || test.value & !test.mask != 0 {
        return None;
    }
    Some(match (test.mask, test.value) {
        (u8::MAX, 0) => "none".to_owned(),
        (u8::MAX, value) => format!("\"={}\"", names(value, "").join(",")),
        (mask, value) => {
            let mut all = names(value, "");
            all.extend(names(mask & !value, "!"));
            format!("\"{}\"", all.join(","))
        }
    })
}

/// Quotes a text. YAML reads the strings of JSON.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&text);
    if plain {
        return text.to_owned();
    }
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() || ('\u{80}'..'\u{a0}').contains(&c) => {
                _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn refused(place: Location, message: &str, label: &str) -> Refused {
    Box::new(
        Diagnostic::error(place, message.to_owned())
            .label(label)
            .help("the native language has nothing that treats every packet so; write it by hand"),
    )
}

//------------ Reading back ------------------------------------------------------

/// Reads what was written, and says where it is not what was meant.
fn read_back(set: &RuleSet, text: &str) -> Option<Diagnostic> {
    let language = LANGUAGES.iter().find(|language| language.name == TARGET.name)?;
    let mut sources = Sources::new();
    let id = sources.add("converted", text);
    let (read, problems) = language.parse_texts(&sources, &[id]);
    let wrong = |place: Option<Location>, what: &str| {
        let message = format!("the translation does not read back as what was meant: {what}");
        let problem = match place {
            Some(place) => Diagnostic::error(place, message).label("this rule"),
            None => Diagnostic::bare(message),
        };
        Some(problem.help("this is a bug of blastgate: please report it"))
    };
    if let Some(problem) = problems.first() {
        return wrong(None, &problem.message);
    }
    if read.rules.len() != set.rules.len() || read.default.action != set.default.action {
        return wrong(None, "rules are missing");
    }
    set.rules.iter().zip(&read.rules).find_map(|(rule, read)| {
        let action = match &rule.action.value {
            Action::RateLimit(limit) => as_native(limit).map(Action::RateLimit),
            action => Some(action.clone()),
        };
        let is_same = read.id == rule.id
            && action.as_ref() == Some(&read.action.value)
            && normal(&rule.matches) == normal(&read.matches)
            && rule.intent.as_ref().map(meaning) == read.intent.as_ref().map(meaning);
        if is_same { None } else { wrong(Some(rule.location), &rule.id) }
    })
}

/// Returns what an intent says, wherever it stands.
fn meaning(intent: &Intent) -> (Intent, Option<Vec<Term>>) {
    let nowhere = intent.target.first().map_or(intent.location, |_| Location {
        source: crate::model::SourceId(0),
        span: crate::model::Span::default(),
    });
    let attack = intent.attack_match.as_ref().map(normal);
    (Intent { location: nowhere, attack_match: None, ..intent.clone() }, attack)
}

/// Returns the terms of a match in a normal form: maps within maps taken apart, in one order.
fn normal(matches: &Match) -> Vec<Term> {
    let mut terms = Vec::new();
    let inner = |inner: &Match| {
        let spanned = |term| {
            let place =
                Location { source: crate::model::SourceId(0), span: crate::model::Span::default() };
            Spanned::new(term, place)
        };
        Match { terms: normal(inner).into_iter().map(spanned).collect() }
    };
    for term in &matches.terms {
        match &term.value {
            Term::AnyOf(branches) if branches.len() == 1 => terms.extend(normal(&branches[0])),
            Term::AnyOf(branches) => terms.push(Term::AnyOf(branches.iter().map(inner).collect())),
            Term::Not(negated) => match negated.terms.as_slice() {
                [Spanned { value: Term::Not(twice), .. }] => terms.extend(normal(twice)),
                _ => terms.push(Term::Not(inner(negated))),
            },
            Term::Family(family) => terms.push(Term::Src(all_of(*family))),
            other => terms.push(other.clone()),
        }
    }
    terms.sort_by_cached_key(|term| format!("{term:?}"));
    terms
}

#[cfg(test)]
mod tests;
