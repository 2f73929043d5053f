//! Rate limits as `limit rate over`, where the kernel's integers decide as they do on every sequence
//! of packets.

use super::{Refused, refused};
use crate::model::{Algorithm, Burst, Exceed, Location, Rate, RateLimit, RateUnit, Scope};
use crate::policer::nft;

const SECOND_NS: u64 = 1_000_000_000;

/// The intervals that nft(8) knows, in seconds.
const UNITS: [(&str, u64); 5] =
    [("second", 1), ("minute", 60), ("hour", 3_600), ("day", 86_400), ("week", 604_800)];

/// The longest interval for which no packet's cost in nanoseconds wraps in the kernel.
const LONGEST_NS: u64 = 100_000_000_000_000;

/// Writes `limit rate over …`.
///
/// # Errors
///
/// A limit that counts otherwise than nftables can.
pub(super) fn written(
    limit: &RateLimit,
    is_shared: bool,
    place: Location,
) -> Result<String, Refused> {
    let no = |message: &str, label: &str, help: &str| Err(refused(place, message, label, help));
    if is_shared {
        let help = "write one rule with both matches in `any_of`";
        return no("several rules share this limit", "one limit a rule here", help);
    }
    match limit.scope {
        Scope::Pop | Scope::Router => {}
        Scope::Exporter => {
            let help = "a box counts for itself: write `scope: pop` where a PoP is one box";
            return no(
                "`scope: exporter` is not `scope: pop` where a PoP has several boxes",
                "one bucket a router",
                help,
            );
        }
        Scope::Global => {
            let help = "a box counts for itself: divide the rate, and write `scope: pop`";
            return no("a box cannot count together with others", "one bucket for all", help);
        }
    }
    if limit.exceed == Exceed::Challenge {
        return no(
            "a challenge cannot be written for nftables",
            "`exceed: challenge`",
            "write `exceed: drop` or `reject`",
        );
    }
    if limit.timeout_ns.is_some() {
        return no(
            "a timeout cannot be written for nftables",
            "acts on what conforms",
            "nftables acts on what exceeds and nothing else; leave `timeout` out",
        );
    }
    match limit.algorithm {
        Algorithm::TokenBucket => bucket(limit, place),
        Algorithm::Nft => own(limit, place),
        Algorithm::FixedWindow { .. } | Algorithm::SlidingWindow { .. } => no(
            "a window cannot be written for nftables",
            "counts in a window",
            "nftables counts in token buckets: write `algorithm: token_bucket`",
        ),
        _ => no(
            "this limit counts in the arithmetic of its own system",
            "not equal to nftables for every sequence of packets",
            "write it as a token bucket of a rate that nftables has",
        ),
    }
}

fn text(bytes: bool, rate: u64, unit: &str, burst: u64) -> String {
    match (bytes, burst) {
        (true, 0) => format!("limit rate over {rate} bytes/{unit}"),
        (true, burst) => format!("limit rate over {rate} bytes/{unit} burst {burst} bytes"),
        (false, 0) => format!("limit rate over {rate}/{unit}"),
        (false, burst) => format!("limit rate over {rate}/{unit} burst {burst} packets"),
    }
}

/// A limit that nftables counted already.
fn own(limit: &RateLimit, place: Location) -> Result<String, Refused> {
    let unit = UNITS.iter().find(|(_, seconds)| limit.rate.per_ns == seconds * SECOND_NS);
    let burst = match (limit.burst, limit.rate.unit) {
        (Burst::Packets(burst), RateUnit::Packets) => Some((false, burst)),
        (Burst::Bytes(burst), RateUnit::Bytes) => Some((true, burst)),
        _ => None,
    };
    match (unit, burst) {
        (Some((unit, _)), Some((bytes, burst))) => Ok(text(bytes, limit.rate.amount, unit, burst)),
        _ => Err(refused(
            place,
            "nftables has no such interval",
            "not a second, minute, hour, day or week",
            "write the rate per second",
        )),
    }
}

/// A token bucket in exact fractions.
fn bucket(limit: &RateLimit, place: Location) -> Result<String, Refused> {
    let rate = limit.rate;
    match (limit.burst, rate.unit) {
        (Burst::Packets(depth), RateUnit::Packets) => packets(rate, depth, place),
        (Burst::Bytes(depth), RateUnit::Bytes | RateUnit::Bits) => bytes(rate, depth, place),
        _ => Err(refused(
            place,
            "nftables counts packets or bytes",
            "counts something else",
            "write the rate in packets or bits, and the burst in the same",
        )),
    }
}

/// A packet costs whole nanoseconds, the same as in the kernel.
fn packets(rate: Rate, depth: u64, place: Location) -> Result<String, Refused> {
    let is_whole = rate.amount > 0 && rate.per_ns.is_multiple_of(rate.amount);
    let found = is_whole.then(|| {
        let cost = rate.per_ns / rate.amount;
        let own = UNITS.iter().filter(|(_, seconds)| seconds * SECOND_NS == rate.per_ns);
        own.chain(UNITS.iter()).find_map(|(unit, seconds)| {
            let interval = seconds * SECOND_NS;
            let amount = interval.checked_div(cost).filter(|amount| *amount > 0)?;
            (interval / amount == cost).then_some((amount, *unit, *seconds))
        })
    });
    let Some((amount, unit, seconds)) = found.flatten() else {
        return Err(inexact(rate, place));
    };
    let burst = u32::try_from(depth).ok().filter(|burst| *burst > 0);
    if !burst.is_some_and(|burst| loads(amount, seconds, nft::Burst::Packets(burst))) {
        return Err(too_deep(place));
    }
    Ok(text(false, amount, unit, depth))
}

/// A byte costs whole nanoseconds, and the bucket holds what comes in an interval, at least.
fn bytes(rate: Rate, depth: u64, place: Location) -> Result<String, Refused> {
    let parts = if rate.unit == RateUnit::Bits { 8 } else { 1 };
    let mut least = None;
    for (unit, seconds) in UNITS {
        let interval = seconds * SECOND_NS;
        let numerator = u128::from(rate.amount) * u128::from(interval);
        let denominator = u128::from(rate.per_ns.max(1)) * parts;
        let amount = u64::try_from(numerator / denominator).unwrap_or(0);
        let is_whole = numerator.is_multiple_of(denominator);
        if !is_whole || amount == 0 || !interval.is_multiple_of(amount) || interval > LONGEST_NS {
            continue;
        }
        let Some(burst) = depth.checked_sub(amount) else {
            least = least.or(Some(amount));
            continue;
        };
        let narrow = u32::try_from(burst).ok();
        if !narrow.is_some_and(|burst| loads(amount, seconds, nft::Burst::Bytes(burst))) {
            return Err(too_deep(place));
        }
        return Ok(text(true, amount, unit, burst));
    }
    match least {
        Some(least) => {
            let help = format!("write `burst: {least} bytes` or more");
            Err(refused(
                place,
                "the bucket of nftables holds what comes in a second, at least",
                "a smaller bucket",
                &help,
            ))
        }
        None => Err(inexact(rate, place)),
    }
}

/// Returns whether the kernel loads a limit and counts with it.
fn loads(amount: u64, seconds: u64, burst: nft::Burst) -> bool {
    nft::Limit::new(amount, seconds, burst).is_ok_and(|limit| !limit.always_exceeds())
}

fn too_deep(place: Location) -> Refused {
    refused(
        place,
        "the kernel does not count so deep a bucket",
        "beyond 2^63 ns or 2^32",
        "write a smaller burst",
    )
}

fn inexact(rate: Rate, place: Location) -> Refused {
    let what = if rate.counts_bytes() { "byte" } else { "packet" };
    let message =
        format!("nftables counts whole nanoseconds a {what}, which {rate} does not come to");
    let near: Vec<String> =
        nearest(rate).into_iter().flatten().map(|rate| format!("`{rate}`")).collect();
    let help = match near.as_slice() {
        [] => "no rate near it is exact".to_owned(),
        near => format!("exact would be {}", near.join(" or ")),
    };
    refused(place, &message, "not equal for every sequence of packets", &help)
}

/// Returns the nearest rates below and above that are exact, in the unit as written; those that are
/// too slow for a minute, over longer.
fn nearest(rate: Rate) -> [Option<Rate>; 2] {
    let parts = if rate.unit == RateUnit::Bits { 8 } else { 1 };
    let mut near: [Option<Rate>; 2] = [None, None];
    // Amounts are below 2^64 and intervals below 2^50: the products fit.
    let is_less = |a: &Rate, b: &Rate| {
        u128::from(a.amount) * u128::from(b.per_ns) < u128::from(b.amount) * u128::from(a.per_ns)
    };
    for (number, (_, seconds)) in UNITS.into_iter().enumerate() {
        let interval = seconds * SECOND_NS;
        let is_found = number > 1 && near.iter().all(Option::is_some);
        if is_found || (rate.counts_bytes() && interval > LONGEST_NS) {
            continue;
        }
        for divisor in divisors(interval) {
            let other = Rate { amount: divisor * parts, unit: rate.unit, per_ns: interval };
            let [below, above] = &mut near;
            if is_less(&other, &rate) && below.as_ref().is_none_or(|best| is_less(best, &other)) {
                *below = Some(other);
            }
            if is_less(&rate, &other) && above.as_ref().is_none_or(|best| is_less(&other, best)) {
                *above = Some(other);
            }
        }
    }
    near
}

/// Returns the divisors of an interval in nanoseconds, whose only prime factors are 2, 3, 5 and 7.
fn divisors(interval: u64) -> Vec<u64> {
    let mut all = vec![1];
    let mut rest = interval;
    for prime in [2, 3, 5, 7] {
        let before = all.clone();
        let mut power = 1;
        while rest.is_multiple_of(prime) {
            rest /= prime;
            power *= prime;
            all.extend(before.iter().map(|divisor| divisor * power));
        }
    }
    all
}
