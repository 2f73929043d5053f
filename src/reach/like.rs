//! Packets like a given one: what else becomes of those to the same address.

use super::space::{Header, HeaderSet, Pops, compile};
use crate::model::{
    AddressRange, AddressSet, Location, Match, NumberSet, SourceId, Span, Spanned, Term,
};

/// Makes a match of terms that nobody wrote.
pub(super) fn unwritten(terms: Vec<Term>) -> Match {
    let location = Location { source: SourceId(0), span: Span::new(0, 0) };
    Match { terms: terms.into_iter().map(|term| Spanned::new(term, location)).collect() }
}

pub(super) fn one(number: u64) -> NumberSet {
    NumberSet::new([(number, number)])
}

/// Returns the packets of a kind to the same address, by the same way, from anywhere.
pub(super) fn packets_to(header: &Header, mut terms: Vec<Term>, pops: &Pops) -> Vec<HeaderSet> {
    let to = AddressRange { family: header.family, first: header.dst, last: header.dst };
    terms.push(Term::Dst(AddressSet::new([to])));
    terms.push(Term::Direction(vec![header.direction]));
    match pops.name(header.pop) {
        Some(name) => terms.push(Term::Pop(vec![name.to_owned()])),
        None => {
            let names = (0..pops.other()).filter_map(|pop| pops.name(pop));
            let named: Vec<String> = names.map(str::to_owned).collect();
            if !named.is_empty() {
                terms.push(Term::Not(unwritten(vec![Term::Pop(named)])));
            }
        }
    }
    compile(&unwritten(terms), header.family, pops).wide().to_vec()
}
