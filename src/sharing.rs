//! Who shares the buckets of a limit.

use std::collections::BTreeMap;

use crate::attribution::{Attribution, Party, protected_parties};
use crate::bank::Usage;
use crate::impact::Amount;
use crate::model::{Address, Family, KeyPart, Label, NameId, Prefix, Rate, RateLimit, RateUnit};
use crate::tally::Tally;

/// The buckets of one candidate limit, and who is in the fullest.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// The rule.
    pub rule: u32,
    /// How many buckets met traffic.
    pub buckets: usize,
    /// In how many of them what is not attack goes beyond the limit by itself.
    pub below_normal: usize,
    /// The most that one bucket was offered in one second that is not attack.
    pub normal_peak: Rate,
    /// The keys that met one router, where its table has no room for so many and the change makes a
    /// difference to what meets it; else none.
    pub overflow: Option<u64>,
    /// Whether traffic meets it at a router that is not known, and the change makes a difference to
    /// what meets it.
    pub is_astray: bool,
    /// The PoP of the fullest, if every PoP has its own.
    pub pop: Option<NameId>,
    /// The exporter of the fullest, if every exporter has its own.
    pub exporter: Option<NameId>,
    /// The key of the fullest in words: `dst 203.0.113.10`; empty if there is none.
    pub key: String,
    /// The most that was offered to it in one second.
    pub peak: Rate,
    /// The most of it that is not attack in one second.
    pub legitimate_peak: Rate,
    /// Who is in it, most first.
    pub sharers: Vec<Sharer>,
    /// Whether it takes anything in any scenario, at most.
    pub takes: bool,
}

/// What one party offers to a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Sharer {
    /// Who.
    pub party: Party,
    /// What is not attack.
    pub legitimate: Amount,
    /// Attack.
    pub attack: Amount,
}

/// Describes a usage. `takes` says whether the limit takes anything.
pub fn describe(
    usage: &Usage,
    limit: &RateLimit,
    tally: &Tally,
    attribution: &Attribution<'_>,
    takes: bool,
) -> Sharing {
    let fullest = &usage.fullest;
    let mut sharers: BTreeMap<Party, Sharer> = BTreeMap::new();
    for (key, counts) in &fullest.offers {
        let key = tally.key(*key);
        let ends = tally.ends.value(key.ends);
        // The one whom traffic is for, and the protected besides.
        let parties = std::iter::once(attribution.victim(ends)).chain(protected_parties(ends));
        for party in parties {
            let (legitimate, attack) = Default::default();
            let sharer = sharers.entry(party).or_insert(Sharer { party, legitimate, attack });
            let sum = match key.label {
                Label::Attack => &mut sharer.attack,
                Label::Legit | Label::None => &mut sharer.legitimate,
            };
            sum.add(Amount::from(*counts));
        }
    }
    let mut sharers: Vec<Sharer> = sharers.into_values().collect();
    let size = |one: &Sharer| one.legitimate.bytes.saturating_add(one.attack.bytes);
    sharers.sort_by(|a, b| size(b).cmp(&size(a)).then(a.party.cmp(&b.party)));
    let unit = limit.rate.unit;
    let rate = |amount: u64| Rate {
        amount: if unit == RateUnit::Bits { amount.saturating_mul(8) } else { amount },
        unit,
        per_ns: 1_000_000_000,
    };
    Sharing {
        rule: usage.rule,
        buckets: usage.buckets,
        below_normal: usage.below_normal,
        normal_peak: rate(usage.normal_peak),
        overflow: limit
            .most_keys
            .filter(|room| usage.most_keys > *room && !usage.same)
            .map(|_| usage.most_keys),
        is_astray: usage.is_astray && !usage.same,
        pop: fullest.pop,
        exporter: fullest.key.exporter,
        key: key_words(limit, &fullest.key.parts.values()),
        peak: rate(fullest.peak),
        legitimate_peak: rate(fullest.legitimate_peak),
        sharers,
        takes,
    }
}

fn key_words(limit: &RateLimit, parts: &[u128]) -> String {
    let is_v6 = parts.len() > limit.per.len() && parts.last() == Some(&1);
    let address = |bits: u128, v4: u8, v6: u8| {
        let (family, length) = if is_v6 { (Family::V6, v6) } else { (Family::V4, v4) };
        let address = Address { family, bits };
        if length == family.bits() {
            address.to_string()
        } else {
            Prefix::new(address, length).to_string()
        }
    };
    let port = |bits: u128| u16::try_from(bits).map_or("none".to_owned(), |port| port.to_string());
    let word = |(part, bits): (&KeyPart, &u128)| match part {
        KeyPart::Src { v4, v6 } => format!("src {}", address(*bits, *v4, *v6)),
        KeyPart::Dst { v4, v6 } => format!("dst {}", address(*bits, *v4, *v6)),
        KeyPart::SrcPort => format!("src_port {}", port(*bits)),
        KeyPart::DstPort => format!("dst_port {}", port(*bits)),
        KeyPart::Protocol => format!("protocol {bits}"),
        KeyPart::Customer => "one customer".to_owned(),
    };
    limit.per.iter().zip(parts).map(word).collect::<Vec<_>>().join(", ")
}
