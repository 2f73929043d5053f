//! What one condition says about another. Every answer is on the safe side: `false` is "cannot be
//! told".

use crate::model::{AddressSet, Family, FragmentTest, NumberSet, Spanned, Term};

/// Conditions that hold together.
pub(super) type Terms = [Spanned<Term>];

/// Returns whether no packet can meet both.
pub(super) fn are_apart(a: &Terms, b: &Terms) -> bool {
    a.iter().any(|a| b.iter().any(|b| is_apart(&a.value, &b.value)))
}

fn is_apart(a: &Term, b: &Term) -> bool {
    match (a, b) {
        (Term::Src(a), Term::Src(b)) | (Term::Dst(a), Term::Dst(b)) => !a.intersects(b),
        (Term::Protocol(a), Term::Protocol(b))
        | (Term::SrcPort(a), Term::SrcPort(b))
        | (Term::DstPort(a), Term::DstPort(b))
        | (Term::IcmpType(a), Term::IcmpType(b))
        | (Term::IcmpCode(a), Term::IcmpCode(b))
        | (Term::PacketLength(a), Term::PacketLength(b))
        | (Term::Dscp(a), Term::Dscp(b))
        | (Term::Ttl(a), Term::Ttl(b)) => !overlap(a, b),
        (Term::Family(a), Term::Family(b)) => a != b,
        // A later fragment has no transport header.
        (Term::Fragment(tests), other) | (other, Term::Fragment(tests)) => {
            let is_later = |test| matches!(test, &FragmentTest::NotFirst | &FragmentTest::Last);
            is_of_transport(other) && tests.iter().all(is_later)
        }
        (Term::Family(family), Term::Src(set) | Term::Dst(set))
        | (Term::Src(set) | Term::Dst(set), Term::Family(family)) => set.ranges(*family).is_empty(),
        (Term::Not(inner), other) | (other, Term::Not(inner)) => {
            inner.terms.iter().all(|term| follows_from(&term.value, other))
        }
        (Term::AnyOf(branches), other) | (other, Term::AnyOf(branches)) => branches
            .iter()
            .all(|branch| branch.terms.iter().any(|term| is_apart(&term.value, other))),
        _ => false,
    }
}

fn is_of_transport(term: &Term) -> bool {
    matches!(
        term,
        Term::SrcPort(_)
            | Term::DstPort(_)
            | Term::Port(_)
            | Term::TcpFlags(_)
            | Term::IcmpType(_)
            | Term::IcmpCode(_)
    )
}

fn overlap(a: &NumberSet, b: &NumberSet) -> bool {
    let (mut a, mut b) = (a.ranges(), b.ranges());
    while let (Some(first), Some(second)) = (a.first(), b.first()) {
        if first.0 <= second.1 && second.0 <= first.1 {
            return true;
        }
        if first.1 < second.1 { a = &a[1..] } else { b = &b[1..] }
    }
    false
}

/// Returns whether every packet that meets all `facts` meets all `terms`.
pub(super) fn imply(facts: &[&Terms], terms: &Terms) -> bool {
    terms.iter().all(|term| implies(facts, &term.value))
}

fn implies(facts: &[&Terms], term: &Term) -> bool {
    let all = || facts.iter().flat_map(|terms| terms.iter());
    all().any(|fact| follows_from(term, &fact.value))
        || match term {
            Term::AnyOf(branches) => branches.iter().any(|branch| imply(facts, &branch.terms)),
            Term::Not(inner) => facts.iter().any(|facts| are_apart(facts, &inner.terms)),
            _ => false,
        }
}

/// Returns whether a term holds wherever a single other does.
fn follows_from(term: &Term, fact: &Term) -> bool {
    if term == fact {
        return true;
    }
    match (term, fact) {
        (Term::Src(set), Term::Src(fact)) | (Term::Dst(set), Term::Dst(fact)) => {
            holds_addresses(set, fact)
        }
        (Term::Protocol(set), Term::Protocol(fact))
        | (Term::SrcPort(set), Term::SrcPort(fact))
        | (Term::DstPort(set), Term::DstPort(fact))
        | (Term::IcmpType(set), Term::IcmpType(fact))
        | (Term::IcmpCode(set), Term::IcmpCode(fact))
        | (Term::PacketLength(set), Term::PacketLength(fact))
        | (Term::Dscp(set), Term::Dscp(fact))
        | (Term::Ttl(set), Term::Ttl(fact)) => holds_numbers(set, fact),
        (Term::Family(family), Term::Src(fact) | Term::Dst(fact)) => {
            let other = if *family == Family::V4 { Family::V6 } else { Family::V4 };
            fact.ranges(other).is_empty()
        }
        (term, Term::AnyOf(branches)) => branches
            .iter()
            .all(|branch| branch.terms.iter().any(|fact| follows_from(term, &fact.value))),
        (Term::AnyOf(branches), fact) => branches
            .iter()
            .any(|branch| branch.terms.iter().all(|term| follows_from(&term.value, fact))),
        (Term::Not(inner), fact) => inner.terms.iter().any(|term| is_apart(&term.value, fact)),
        _ => false,
    }
}

fn holds_addresses(set: &AddressSet, other: &AddressSet) -> bool {
    other.iter().all(|range| set.covers(range))
}

fn holds_numbers(set: &NumberSet, other: &NumberSet) -> bool {
    other.ranges().iter().all(|(first, last)| {
        set.ranges().iter().any(|(own_first, own_last)| own_first <= first && last <= own_last)
    })
}

/// Returns how much there is to hold of terms: themselves, their ranges and members.
pub(super) fn weight(terms: &Terms) -> usize {
    let of = |term: &Term| match term {
        Term::Src(set) | Term::Dst(set) => {
            set.ranges(Family::V4).len() + set.ranges(Family::V6).len()
        }
        Term::Protocol(set)
        | Term::SrcPort(set)
        | Term::DstPort(set)
        | Term::Port(set)
        | Term::IcmpType(set)
        | Term::IcmpCode(set)
        | Term::PacketLength(set)
        | Term::Dscp(set)
        | Term::Ttl(set) => set.ranges().len(),
        Term::Not(inner) => weight(&inner.terms),
        Term::AnyOf(branches) => branches.iter().map(|branch| 1 + weight(&branch.terms)).sum(),
        _ => 0,
    };
    terms.iter().map(|term| 1 + of(&term.value)).sum()
}
