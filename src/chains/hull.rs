//! The smallest box that holds all packets of some conditions: tells most pairs that have nothing in
//! common apart without a look at the conditions themselves.

use super::Program;
use super::facts::Terms;
use crate::model::{AddressSet, Family, NumberSet, Term};

/// The first and the last of what is there; none is there if they are the wrong way round.
type Span<T> = (T, T);

/// Addresses and destination ports between bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hull {
    src: Addresses,
    dst: Addresses,
    dst_port: Span<u16>,
}

/// Addresses of both families; of IPv6 only the first 64 bits.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    v4: Span<u32>,
    v6: Span<u64>,
}

impl Hull {
    pub(super) fn of(terms: &Terms) -> Hull {
        let all = Addresses { v4: (0, u32::MAX), v6: (0, u64::MAX) };
        let mut hull = Hull { src: all, dst: all, dst_port: (0, u16::MAX) };
        for term in terms {
            match &term.value {
                Term::Src(set) => hull.src.narrow(set),
                Term::Dst(set) => hull.dst.narrow(set),
                Term::DstPort(set) => hull.dst_port = both(hull.dst_port, ports(set)),
                _ => {}
            }
        }
        hull
    }

    /// Returns whether no packet is in both. They need not have one in common if it returns false.
    pub(super) fn is_apart(&self, other: &Hull) -> bool {
        let (src, dst) = (self.src.both(&other.src), self.dst.both(&other.dst));
        let no_v4 = is_none(src.v4) || is_none(dst.v4);
        let no_v6 = is_none(src.v6) || is_none(dst.v6);
        no_v4 && no_v6 || is_none(both(self.dst_port, other.dst_port))
    }
}

/// Returns the hulls of the rules of each chain.
pub(super) fn of_rules(program: &Program) -> Vec<Vec<Hull>> {
    let of = |chain: &super::Chain| {
        chain.rules.iter().map(|rule| Hull::of(&rule.matches.terms)).collect()
    };
    program.chains.iter().map(of).collect()
}

impl Addresses {
    fn narrow(&mut self, set: &AddressSet) {
        let (v4, v6) = (ends(set.ranges(Family::V4)), ends(set.ranges(Family::V6)));
        let v4 = v4.map_or((1, 0), |(first, last)| (first as u32, last as u32));
        let v6 = v6.map_or((1, 0), |(first, last)| ((first >> 64) as u64, (last >> 64) as u64));
        *self = self.both(&Addresses { v4, v6 });
    }

    fn both(&self, other: &Addresses) -> Addresses {
        Addresses { v4: both(self.v4, other.v4), v6: both(self.v6, other.v6) }
    }
}

/// Returns what is in both; once it is none, it stays so.
fn both<T: Ord + Copy>(a: Span<T>, b: Span<T>) -> Span<T> {
    (a.0.max(b.0), a.1.min(b.1))
}

fn is_none<T: Ord>(span: Span<T>) -> bool {
    span.0 > span.1
}

fn ports(set: &NumberSet) -> Span<u16> {
    let port = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    ends(set.ranges()).map_or((1, 0), |(first, last)| (port(first), port(last)))
}

fn ends<T: Copy>(ranges: &[(T, T)]) -> Option<Span<T>> {
    Some((ranges.first()?.0, ranges.last()?.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, AddressRange, Location, SourceId, Span as Bytes, Spanned};
    use proptest::prelude::*;

    fn address() -> impl Strategy<Value = Address> {
        let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
        (family, 0u128..8, any::<bool>()).prop_map(|(family, bits, is_high)| {
            let shift = if is_high && family == Family::V6 { 63 } else { 0 };
            Address { family, bits: bits << shift }
        })
    }

    fn addresses() -> impl Strategy<Value = AddressSet> {
        let range = (address(), 0u128..4).prop_map(|(from, more)| AddressRange {
            family: from.family,
            first: from.bits,
            last: from.bits + more,
        });
        proptest::collection::vec(range, 0..3).prop_map(AddressSet::new)
    }

    fn terms() -> impl Strategy<Value = Vec<Spanned<Term>>> {
        let ports = proptest::collection::vec((0u64..8, 0u64..4), 0..3)
            .prop_map(|all| NumberSet::new(all.into_iter().map(|(at, more)| (at, at + more))));
        let term = prop_oneof![
            addresses().prop_map(Term::Src),
            addresses().prop_map(Term::Dst),
            ports.prop_map(Term::DstPort),
        ];
        let nowhere = Location { source: SourceId(0), span: Bytes::default() };
        let term = term.prop_map(move |term| Spanned::new(term, nowhere));
        proptest::collection::vec(term, 0..4)
    }

    fn meets(terms: &Terms, src: Address, dst: Address, port: u64) -> bool {
        terms.iter().all(|term| match &term.value {
            Term::Src(set) => set.contains(src),
            Term::Dst(set) => set.contains(dst),
            Term::DstPort(set) => set.contains(port),
            _ => true,
        })
    }

    proptest! {
        #[test]
        fn hulls_are_not_apart_where_a_packet_meets_both(
            (a, b) in (terms(), terms()),
            (src, dst, port) in (address(), address(), 0u64..12),
        ) {
            prop_assume!(src.family == dst.family);
            if meets(&a, src, dst, port) && meets(&b, src, dst, port) {
                prop_assert!(!Hull::of(&a).is_apart(&Hull::of(&b)));
            }
        }
    }

    #[test]
    fn hulls_tell_networks_and_families_apart() {
        let of = |family, first, last| {
            let set = AddressSet::new([AddressRange { family, first, last }]);
            let nowhere = Location { source: SourceId(0), span: Bytes::default() };
            Hull::of(&[Spanned::new(Term::Dst(set), nowhere)])
        };
        let low = of(Family::V4, 0, 7);
        assert!(low.is_apart(&of(Family::V4, 8, 9)));
        assert!(low.is_apart(&of(Family::V6, 0, 7)));
        assert!(!low.is_apart(&of(Family::V4, 7, 9)));
    }
}
