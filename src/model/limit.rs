//! Rate limits, as every language hands them over.

use std::collections::BTreeMap;

use super::units::{Burst, Rate, RateUnit};

/// A rate limit: one policer for each instance of its scope and each value of its key.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// How much.
    pub rate: Rate,
    /// The depth of the bucket; never zero.
    pub burst: Burst,
    /// Whether the depth is written, and not the default one of the rate. No packet can tell.
    pub burst_is_written: bool,
    /// What has a bucket of its own; empty means one bucket for all that matches.
    pub per: Vec<KeyPart>,
    /// Who counts together.
    pub scope: Scope,
    /// What exceeding traffic meets.
    pub exceed: Exceed,
    /// How it counts.
    pub algorithm: Algorithm,
    /// Once over, act on everything of the key for so long.
    pub timeout_ns: Option<u64>,
    /// The name of the policer, where other rules of the set may use the same one: limits of one
    /// name count together. None is a policer of its own.
    pub bucket: Option<String>,
    /// How many keys have room at a time; what happens to the others is not modelled.
    pub most_keys: Option<u64>,
}

impl PartialEq for RateLimit {
    fn eq(&self, other: &RateLimit) -> bool {
        let effect = |limit: &RateLimit| {
            let RateLimit { rate, burst, scope, exceed, algorithm, timeout_ns, most_keys, .. } =
                *limit;
            (rate, burst, scope, exceed, algorithm, timeout_ns, most_keys)
        };
        effect(self) == effect(other) && self.per == other.per && self.bucket == other.bucket
    }
}

impl Eq for RateLimit {}

impl RateLimit {
    /// Returns whether this limit is at least as generous as another in everything: rate, burst,
    /// key as fine, scope as narrow, timeout as short, `exceed` as mild. Limits that count
    /// differently are not comparable.
    #[must_use]
    pub fn is_as_generous_as(&self, other: &RateLimit) -> bool {
        let per_second = |limit: &RateLimit| {
            // Cross products stay below 2^128: amounts and intervals are 64 bits each.
            let bits = if limit.rate.unit == RateUnit::Bytes { 8 } else { 1 };
            (u128::from(limit.rate.amount) * bits, u128::from(limit.rate.per_ns))
        };
        let ((amount, interval), (old_amount, old_interval)) =
            (per_second(self), per_second(other));
        let depth = |limit: &RateLimit| match limit.burst {
            Burst::Packets(depth) | Burst::Bytes(depth) => depth,
        };
        self.rate.counts_bytes() == other.rate.counts_bytes()
            && self.algorithm == other.algorithm
            && self.most_keys == other.most_keys
            && (self.bucket == other.bucket || self.bucket.is_none())
            && amount.saturating_mul(old_interval) >= old_amount.saturating_mul(interval)
            && depth(self) >= depth(other)
            && other.per.iter().all(|part| self.per.iter().any(|own| own.is_as_fine_as(*part)))
            && self.scope.width() <= other.scope.width()
            && self.timeout_ns.unwrap_or(0) <= other.timeout_ns.unwrap_or(0)
            && self.exceed.harm() <= other.exceed.harm()
    }
}

/// Returns for every rule whose limit names its bucket the first rule of the set that uses the same
/// one, and for every other rule itself. Limits share a bucket that have its name, and count
/// and tell apart the same.
pub fn bucket_rules(limits: &[Option<RateLimit>]) -> Vec<u32> {
    let mut first: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let mut found = Vec::with_capacity(limits.len());
    for (at, limit) in (0u32..).zip(limits) {
        let Some((limit, name)) =
            limit.as_ref().and_then(|limit| Some((limit, limit.bucket.as_deref()?)))
        else {
            found.push(at);
            continue;
        };
        let known = first.entry(name).or_default();
        let alike = known.iter().copied().find(|rule| {
            limits[*rule as usize].as_ref().is_some_and(|other| {
                other.per == limit.per
                    && other.scope == limit.scope
                    && other.algorithm == limit.algorithm
                    && other.rate.counts_bytes() == limit.rate.counts_bytes()
            })
        });
        if alike.is_none() {
            known.push(at);
        }
        found.push(alike.unwrap_or(at));
    }
    found
}

impl RateLimit {
    /// Returns the same limit with a bucket for every destination, if its key names no address and
    /// no other rule uses its bucket.
    #[must_use]
    pub fn per_destination(&self) -> Option<RateLimit> {
        let names = |part: &KeyPart| {
            matches!(part, KeyPart::Src { .. } | KeyPart::Dst { .. } | KeyPart::Customer)
        };
        if self.per.iter().any(names) || self.bucket.is_some() {
            return None;
        }
        let mut per = self.per.clone();
        per.push(KeyPart::Dst { v4: 32, v6: 128 });
        Some(RateLimit { per, ..self.clone() })
    }

    /// Returns the same limit at another rate: a burst that is written stays, the default one is
    /// that of the new rate.
    #[must_use]
    pub fn at_rate(&self, rate: Rate) -> RateLimit {
        let default = if self.burst_is_written { None } else { Burst::default_of(rate) };
        RateLimit { rate, burst: default.unwrap_or(self.burst), ..self.clone() }
    }
}

/// One part of a bucket key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPart {
    /// The source, cut to these prefix lengths.
    Src {
        /// For IPv4.
        v4: u8,
        /// For IPv6.
        v6: u8,
    },
    /// The destination, cut to these prefix lengths.
    Dst {
        /// For IPv4.
        v4: u8,
        /// For IPv6.
        v6: u8,
    },
    /// The source port.
    SrcPort,
    /// The destination port.
    DstPort,
    /// The protocol.
    Protocol,
    /// The customer (of the destination, else of the source).
    Customer,
}

impl KeyPart {
    /// Returns whether buckets told apart by `other` are told apart by this part as well.
    pub fn is_as_fine_as(self, other: KeyPart) -> bool {
        match (self, other) {
            (KeyPart::Src { v4, v6 }, KeyPart::Src { v4: other_v4, v6: other_v6 })
            | (KeyPart::Dst { v4, v6 }, KeyPart::Dst { v4: other_v4, v6: other_v6 }) => {
                v4 >= other_v4 && v6 >= other_v6
            }
            _ => self == other,
        }
    }
}

/// Who counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every PoP by itself.
    Pop,
    /// Every exporter (router) by itself; where no exporter is recorded, its bucket is unknown.
    Exporter,
    /// Every router by itself: an exporter, or the whole PoP where no exporter is recorded and
    /// the inventory lists no more than one.
    Router,
    /// All together.
    Global,
}

impl Scope {
    /// Returns how much counts together: a router, a PoP, all of them.
    pub fn width(self) -> u8 {
        match self {
            Scope::Exporter => 0,
            Scope::Router => 1,
            Scope::Pop => 2,
            Scope::Global => 3,
        }
    }
}

/// What exceeding traffic meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exceed {
    /// Nothing; it is noted.
    Log,
    /// A challenge.
    Challenge,
    /// A silent loss.
    Drop,
    /// A loss that the sender is told of.
    Reject,
}

impl Exceed {
    /// Returns its place in the order of harm: a loss is a loss, told of or not.
    pub fn harm(self) -> u8 {
        match self {
            Exceed::Log => 0,
            Exceed::Challenge => 1,
            Exceed::Drop | Exceed::Reject => 2,
        }
    }
}

/// How a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Tokens flow in at the rate, up to the burst: in exact arithmetic, as on Junos.
    TokenBucket,
    /// Counts restart every window.
    FixedWindow {
        /// Length of the window.
        window_ns: u64,
    },
    /// Counts look back over the window.
    SlidingWindow {
        /// Length of the window.
        window_ns: u64,
    },
    /// `limit` of nftables: a burst of packets is the bucket (zero: 5), one of bytes comes on top
    /// of what the rate gives in its interval. The interval is whole seconds.
    Nft,
    /// `-m limit` of iptables-legacy, in packets. iptables-nft makes a [`Algorithm::Nft`] of it.
    XtLimit,
    /// `-m hashlimit` of iptables. In bytes a burst of zero is none written; in packets it is the
    /// bucket.
    XtHashlimit {
        /// `--hashlimit-htable-expire` in milliseconds, if written.
        expire_ms: Option<u64>,
    },
    /// `action police` of Linux traffic control, on ingress, with one rate and the default `mtu`.
    TcPolice,
    /// A traffic rate of FlowSpec: no standard says how deep the bucket is. The least loss is by
    /// a bucket of one second of the rate, the greatest by one that holds a packet of 1,500 bytes;
    /// a single packet conforms only if it does by both. The written burst does not count.
    FlowSpec,
}

impl Algorithm {
    /// Returns the length of the window, if it counts in one.
    pub fn window_ns(self) -> Option<u64> {
        match self {
            Algorithm::FixedWindow { window_ns } | Algorithm::SlidingWindow { window_ns } => {
                Some(window_ns)
            }
            _ => None,
        }
    }
}
