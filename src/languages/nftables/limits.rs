//! Limits into policers, and the keys of sets into the keys of buckets.

use super::fields::{Field, Needs};
use super::ranges::greatest;
use super::terms::{later_fragment, needs};
use super::tree::{Expr, Limit};
use super::values;
use super::view::Reassembled;
use crate::model::{
    Algorithm, Burst, Diagnostic, Exceed, Family, KeyPart, Location, Match, NumberSet, Rate,
    RateLimit, RateUnit, Scope, Spanned, Term,
};

const SECOND_NS: u64 = 1_000_000_000;

/// The burst of a limit in packets that gives none.
const DEFAULT_BURST: u64 = 5;

/// Makes the policer of a limit; `exceed` is drop.
///
/// # Errors
///
/// What the kernel does not load: a rate of zero, and a bucket beyond counting.
pub(super) fn policer(
    limit: &Limit,
    location: Location,
    per: Vec<KeyPart>,
    bucket: Option<String>,
) -> Result<RateLimit, Box<Diagnostic>> {
    let refused = |why: &str| {
        let problem = Diagnostic::error(location, why).label("the kernel does not load this");
        Box::new(problem.help("write a rate above zero and a burst below 2^64 ns of it"))
    };
    if limit.rate == 0 {
        return Err(refused("a limit with a rate of zero"));
    }
    let per_ns = limit.unit_s.saturating_mul(SECOND_NS);
    let written = limit.burst.filter(|burst| *burst > 0);
    if written.is_some_and(|burst| u32::try_from(burst).is_err()) {
        return Err(refused("a burst beyond 2^32"));
    }
    let (unit, burst, depth) = if limit.bytes {
        let burst = written.unwrap_or(0);
        let depth = limit.rate.checked_add(burst).and_then(|sum| per_ns.checked_mul(sum));
        (RateUnit::Bytes, Burst::Bytes(burst), depth)
    } else {
        let burst = written.unwrap_or(DEFAULT_BURST);
        (RateUnit::Packets, Burst::Packets(burst), (per_ns / limit.rate).checked_mul(burst))
    };
    if depth.is_none() {
        return Err(refused("a limit whose bucket is beyond counting"));
    }
    Ok(RateLimit {
        rate: Rate { amount: limit.rate, unit, per_ns },
        burst,
        burst_is_written: written.is_some(),
        per,
        scope: Scope::Router,
        exceed: Exceed::Drop,
        algorithm: Algorithm::Nft,
        timeout_ns: None,
        most_keys: None,
        bucket,
    })
}

/// Returns in how many seconds an empty bucket is full again, rounded up.
pub(super) fn refill_s(limit: &Limit) -> u64 {
    let depth = match limit.bytes {
        true => limit.rate.saturating_add(limit.burst.unwrap_or(0)),
        false => limit.burst.filter(|burst| *burst > 0).unwrap_or(DEFAULT_BURST),
    };
    depth.saturating_mul(limit.unit_s).div_ceil(limit.rate.max(1))
}

/// Returns the parts of a key, and what a packet must be to have one; none if it hangs on what no
/// record tells.
pub(super) fn key(
    key: &Expr,
    seen: &dyn Fn(&str) -> Field,
    reassembled: Reassembled,
    location: Location,
) -> Option<(Vec<KeyPart>, Vec<Term>)> {
    let parts = match key {
        Expr::Concat(parts) => parts.as_slice(),
        one => std::slice::from_ref(one),
    };
    let (mut per, mut terms) = (Vec::new(), Vec::new());
    let mut transport = false;
    for part in parts {
        let (field, mask) = match part {
            Expr::Field(words) => (seen(words), None),
            Expr::Binary("&", field, mask) => match &**field {
                Expr::Field(words) => {
                    let field = seen(words);
                    let mask = values::number(mask, field.kind()).ok()?;
                    (field, Some(mask))
                }
                _ => return None,
            },
            _ => return None,
        };
        let length = |family: Family| -> Option<u8> {
            let bits = u32::from(family.bits());
            let host = !mask.unwrap_or(u128::MAX) & greatest(bits);
            let is_prefix = host & host.wrapping_add(1) == 0;
            is_prefix.then(|| family.bits() - u8::try_from(host.count_ones()).unwrap_or(u8::MAX))
        };
        let lengths = |family: Family, length: u8| match family {
            Family::V4 => (length, 128),
            Family::V6 => (32, length),
        };
        let (own, needed) = match (&field, mask) {
            (Field::Src(family), _) => {
                let (v4, v6) = lengths(*family, length(*family)?);
                (KeyPart::Src { v4, v6 }, Needs::Family(*family))
            }
            (Field::Dst(family), _) => {
                let (v4, v6) = lengths(*family, length(*family)?);
                (KeyPart::Dst { v4, v6 }, Needs::Family(*family))
            }
            (Field::SrcPort(Some(number)), None) => {
                transport = true;
                (KeyPart::SrcPort, Needs::Protocol(*number))
            }
            (Field::DstPort(Some(number)), None) => {
                transport = true;
                (KeyPart::DstPort, Needs::Protocol(*number))
            }
            (Field::Protocol, None) => (KeyPart::Protocol, Needs::Nothing),
            _ => return None,
        };
        per.push(own);
        for term in needs(needed) {
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
    }
    if transport {
        // Which bucket a later fragment falls into, its bytes say.
        let ports = Term::DstPort(NumberSet::new([(0, u16::MAX.into())]));
        let of = |terms: Vec<Term>| Match {
            terms: terms.into_iter().map(|term| Spanned::new(term, location)).collect(),
        };
        let later = later_fragment(&format!("the key {key}"), reassembled);
        terms.push(Term::AnyOf(vec![of(vec![ports]), of(later)]));
    }
    per.sort_unstable();
    per.dedup();
    Some((per, terms))
}
