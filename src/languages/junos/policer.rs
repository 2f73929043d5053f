//! Policers: `if-exceeding { bandwidth-limit …; burst-size-limit …; } then discard;`.

use crate::junos::{Item, Tree, names};
use crate::model::{
    Algorithm, Burst, Diagnostic, Exceed, Location, Rate, RateLimit, RateUnit, Scope,
};

const SECOND_NS: u64 = 1_000_000_000;

/// The smallest `bandwidth-limit`, in bits a second, and `burst-size-limit`, in bytes, of any
/// platform.
const LEAST_RATE: u64 = 8_000;
const LEAST_BURST: u64 = 1_500;

/// What a policer is to a term.
pub(super) enum Policer {
    /// A limit, and what is not exact about it.
    Limit(RateLimit, Option<String>),
    /// It may drop, and why nobody can tell.
    MayDrop(String),
}

/// Reads the policer that a term of a filter names.
pub(super) fn read(
    tree: &Tree,
    name: Item<'_>,
    filter: &str,
    problems: &mut Vec<Diagnostic>,
) -> Option<Policer> {
    let Some(policer) = tree.top().at(&["firewall", "policer", name.word()]) else {
        problems.push(
            Diagnostic::error(name.location(), "this policer is not in the configuration")
                .label("not defined")
                .help("hand over the file that holds it as well"),
        );
        return None;
    };
    let wrong = |place: Location, message: &str, help: &str| {
        Diagnostic::error(place, message).label("here").help(help)
    };
    let (limit, by_packets) = match (policer.get("if-exceeding"), policer.get("if-exceeding-pps")) {
        (Some(limit), None) => (limit, false),
        (None, Some(limit)) => (limit, true),
        _ => {
            let help = "write `if-exceeding { bandwidth-limit 10m; burst-size-limit 625k; }`";
            problems.push(wrong(policer.location(), "this policer has no limit", help));
            return None;
        }
    };
    let text = |why: &str| format!("policer {}: {why}", name.word());
    if limit.get("bandwidth-percent").is_some() {
        return Some(Policer::MayDrop(text(
            "the speed of the interface is not in the configuration",
        )));
    }
    let mut value = |word: &str| {
        let Some(item) = limit.get(word).and_then(Item::value) else {
            let message = format!("this policer has no `{word}`");
            problems.push(wrong(
                policer.location(),
                &message,
                "both a rate and a burst are wanted",
            ));
            return None;
        };
        let number = names::quantity(item.word()).filter(|number| *number > 0);
        if number.is_none() {
            let help = "write a number such as `10m`; `k`, `m` and `g` are powers of 1,000";
            problems.push(wrong(item.location(), "this is no quantity above zero", help));
        }
        number
    };
    let (rate, burst) = match by_packets {
        false => (value("bandwidth-limit"), value("burst-size-limit")),
        true => (value("pps-limit"), value("packet-burst")),
    };
    let (rate, burst) = (rate?, burst?);
    if !by_packets {
        let mut least = |word: &str, number: u64, least: u64, unit: &str| {
            let Some(item) = limit.get(word).and_then(Item::value).filter(|_| number < least)
            else {
                return;
            };
            let message = format!("`{word}` is at least {least} {unit}");
            problems.push(wrong(item.location(), &message, "Junos refuses a smaller one"));
        };
        least("bandwidth-limit", rate, LEAST_RATE, "bits a second");
        least("burst-size-limit", burst, LEAST_BURST, "bytes");
    }
    let then: Vec<&str> =
        policer.get("then").into_iter().flat_map(Item::children).map(Item::word).collect();
    if let Some(other) = then.iter().find(|word| {
        !matches!(**word, "discard" | "loss-priority" | "forwarding-class" | "out-of-profile")
    }) {
        return Some(Policer::MayDrop(text(&format!(
            "`then {}` is not understood",
            other.escape_debug()
        ))));
    }
    let discards = then.contains(&"discard");
    let mut notes: Vec<&str> = Vec::new();
    if !discards {
        notes.push("what exceeds it is dropped only where queues are full, which is not recorded");
    }
    if policer.get("logical-interface-policer").is_some() {
        return Some(Policer::MayDrop(text("what shares a logical interface is not recorded")));
    }
    let unit = if by_packets { RateUnit::Packets } else { RateUnit::Bits };
    let limit = RateLimit {
        rate: Rate { amount: rate, unit, per_ns: SECOND_NS },
        burst: if by_packets { Burst::Packets(burst) } else { Burst::Bytes(burst) },
        burst_is_written: true,
        per: Vec::new(),
        scope: Scope::Router,
        exceed: if discards { Exceed::Drop } else { Exceed::Log },
        algorithm: Algorithm::TokenBucket,
        timeout_ns: None,
        most_keys: None,
        // Every term has a bucket of its own unless the policer is the filter's.
        bucket: policer.get("filter-specific").map(|_| format!("{filter}/{}", name.word())),
    };
    Some(Policer::Limit(limit, (!notes.is_empty()).then(|| text(&notes.join("; ")))))
}
