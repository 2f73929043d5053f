//! From a rate limit to its policer, and to the token buckets between which it lies.

use super::{
    Counts, LimitError, Policer, SECOND_NS, Shape, Timeout, flowspec, nft, tc, token_bucket,
    window, xt_hashlimit, xt_limit,
};
use crate::model::{Algorithm, Burst, RateLimit};

/// Returns the policer of a rate limit. One that the box itself would refuse ([`load`] says why)
/// lets nothing pass.
pub fn compile(limit: &RateLimit) -> Box<dyn Policer> {
    load(limit).unwrap_or_else(|_| {
        let counts = if limit.rate.counts_bytes() { Counts::Bytes } else { Counts::Packets };
        Box::new(flowspec::Reading::discard(counts))
    })
}

/// Returns the policer of a rate limit, or why its dialect refuses it.
pub fn load(limit: &RateLimit) -> Result<Box<dyn Policer>, LimitError> {
    let policer: Box<dyn Policer> = match limit.algorithm {
        Algorithm::Nft => Box::new(nft::Limit::of(limit)?),
        Algorithm::XtLimit => Box::new(xt_limit::Limit::of(limit)?),
        Algorithm::XtHashlimit { expire_ms } => {
            Box::new(xt_hashlimit::Hashlimit::of(limit, expire_ms)?)
        }
        Algorithm::TcPolice => Box::new(tc::Police::of(limit)?),
        Algorithm::FlowSpec => Box::new(flowspec::Worst::new(limit.rate)),
        Algorithm::TokenBucket => Box::new(token_bucket::TokenBucket::new(limit.rate, limit.burst)),
        Algorithm::FixedWindow { window_ns } => {
            Box::new(window::FixedWindow::new(limit.rate, window_ns))
        }
        Algorithm::SlidingWindow { window_ns } => {
            Box::new(window::SlidingWindow::new(limit.rate, window_ns))
        }
    };
    Ok(match limit.timeout_ns {
        Some(timeout_ns) if timeout_ns > 0 => Box::new(Timeout { inner: policer, timeout_ns }),
        _ => policer,
    })
}

/// The token buckets between which a limit lies: it loses no less than the first and no more than
/// the second, whatever comes. Where the first is none, so is what it loses for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The more generous one.
    pub least: Option<Shape>,
    /// The less generous one.
    pub greatest: Shape,
}

/// Returns the bounds of a limit on its token bucket; a timeout or a window is not in them.
///
/// A limit of nftables in packets is one itself; one in bytes rounds the cost of a packet down, and
/// so loses at most that. Those of iptables in packets are up to one tick of a kernel's clock of 250
/// ticks a second before or behind; where an expiry of hashlimit restores more than flows in
/// meanwhile, nothing is lost for certain. Of hashlimit in bytes, and of traffic control, no token
/// bucket is a bound. A limit of FlowSpec is one of two.
pub fn bounds(limit: &RateLimit) -> Bounds {
    const TICK_NS: u64 = SECOND_NS / xt_limit::DEFAULT_HZ as u64;
    let shape = compile(limit).shape();
    let both = |shape: Shape| Bounds { least: Some(shape), greatest: shape };
    let anything = Shape::from_parts(shape.counts, 0, 1, 0);
    match limit.algorithm {
        _ if load(limit).is_err() => both(anything),
        Algorithm::Nft if shape.counts == Counts::Packets => both(shape),
        Algorithm::Nft => Bounds { least: None, greatest: shape },
        Algorithm::XtHashlimit { .. } if shape.counts == Counts::Bytes => {
            Bounds { least: None, greatest: anything }
        }
        Algorithm::XtLimit | Algorithm::XtHashlimit { .. } => {
            let tick = shape.refilled(TICK_NS);
            let more = Shape { capacity: shape.capacity.saturating_add(tick), ..shape };
            let less = Shape { capacity: shape.capacity.saturating_sub(tick), ..shape };
            let expire_ns = match limit.algorithm {
                Algorithm::XtHashlimit { expire_ms } => expire_ms
                    .map_or(limit.rate.per_ns, |expire_ms| expire_ms.saturating_mul(1_000_000)),
                _ => u64::MAX,
            };
            let restores = shape.refilled(expire_ns) < shape.capacity;
            Bounds { least: (!restores).then_some(more), greatest: less }
        }
        Algorithm::TcPolice => Bounds { least: None, greatest: anything },
        Algorithm::FlowSpec => {
            let [deep, shallow] = flowspec::shapes(limit.rate);
            Bounds { least: Some(deep), greatest: shallow }
        }
        Algorithm::TokenBucket
        | Algorithm::FixedWindow { .. }
        | Algorithm::SlidingWindow { .. } => both(shape),
    }
}

/// Returns the limit that FlowSpec may mean at best: a bucket of a second of the rate. None for a
/// limit that has one meaning.
pub fn mildest(limit: &RateLimit) -> Option<RateLimit> {
    if limit.algorithm != Algorithm::FlowSpec {
        return None;
    }
    let [deep, _] = flowspec::shapes(limit.rate);
    let depth = u64::try_from(deep.capacity / deep.den).unwrap_or(u64::MAX);
    let burst = deep.counts.pick(Burst::Packets(depth), Burst::Bytes(depth));
    Some(RateLimit { burst, algorithm: Algorithm::TokenBucket, ..limit.clone() })
}
