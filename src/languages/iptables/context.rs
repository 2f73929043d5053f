//! What a rule stands in: its family, hook and backend, and what the rest of the rule set does to
//! packets before they come to it.

use std::collections::{BTreeSet, HashMap};

use super::ipset::Sets;
use crate::languages::Way;
use crate::model::Location;
use crate::model::{
    AddressSet, Family, FragmentTest, Match, NumberSet, Spanned, Term, Unmodelled, UnmodelledKind,
};

/// Which program the kernel's tables are filled by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    /// iptables-legacy: ip_tables and its matches.
    Legacy,
    /// iptables-nft: rules of nftables.
    Nft,
    /// Nobody says: what is worse for a packet.
    Either,
}

/// Where a base chain stands in the way of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Hook {
    /// Before the route is known.
    Prerouting,
    /// To the host itself.
    Input,
    /// Through the host.
    Forward,
    /// On the way out.
    Postrouting,
}

impl Hook {
    /// Returns the chain of this hook.
    pub(super) fn chain(self) -> &'static str {
        match self {
            Hook::Prerouting => "PREROUTING",
            Hook::Input => "INPUT",
            Hook::Forward => "FORWARD",
            Hook::Postrouting => "POSTROUTING",
        }
    }
}

/// Packets whose destination may be another one after address translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rewritten {
    /// Any.
    All,
    /// Those to these addresses.
    To(AddressSet),
}

/// What the whole rule set of a family does, whatever rule is looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Something asks for connection tracking, which puts fragments together first.
    pub(super) tracks: bool,
    /// What address translation may change.
    pub(super) rewritten: Option<Rewritten>,
    /// Some rule changes the TTL or hop limit.
    pub(super) sets_ttl: bool,
    /// Some rule changes the DSCP or type of service.
    pub(super) sets_dscp: bool,
    /// A digest of all rules that set marks, if there are any.
    pub(super) marks: Option<u64>,
    /// Sets that rules add to or take from.
    pub(super) changed_sets: BTreeSet<String>,
    /// The tables of hashlimit, by name.
    pub(super) tables: HashMap<String, LimitTable>,
}

/// A table of keys of hashlimit.
#[derive(Clone, Copy, Debug)]
pub(super) struct LimitTable {
    /// How many rules share it.
    pub(super) rules: u64,
    /// How many keys have room; the first rule that is loaded decides, which is not known here.
    pub(super) room: u64,
}

/// What a rule stands in.
pub(super) struct Context<'c> {
    /// The family of the rules.
    pub(super) family: Family,
    /// The backend.
    pub(super) backend: Backend,
    /// The hook of the base chain.
    pub(super) hook: Hook,
    /// How packets come by.
    pub(super) way: &'c Way,
    /// The sets of the files.
    pub(super) sets: &'c Sets,
    /// What the rule set does.
    pub(super) facts: &'c Facts,
    /// How often an unknown that is a new one each time was met, by its text.
    pub(super) met: HashMap<String, u32>,
    /// What is bounded, where, and why.
    pub(super) bounded: Vec<(Location, String)>,
}

/// An unknown that is real, but in no record.
pub(super) fn not_recorded(text: impl Into<String>) -> Term {
    Term::Unmodelled(Unmodelled { text: text.into(), kind: UnmodelledKind::NotRecorded })
}

/// An unknown of which nobody knows what it matches.
pub(super) fn not_understood(text: impl Into<String>) -> Term {
    Term::Unmodelled(Unmodelled { text: text.into(), kind: UnmodelledKind::NotUnderstood })
}

/// A match of terms that stand at one place.
pub(super) fn all(terms: impl IntoIterator<Item = Term>, location: Location) -> Match {
    Match { terms: terms.into_iter().map(|term| Spanned::new(term, location)).collect() }
}

/// What does not hold.
pub(super) fn not(term: Term, location: Location) -> Term {
    match term {
        // Twice negated is not negated.
        Term::Not(inner) if inner.terms.len() == 1 => {
            inner.terms.into_iter().next().map_or(Term::Not(Match::any()), |term| term.value)
        }
        term => Term::Not(all([term], location)),
    }
}

/// What never holds.
pub(super) fn never() -> Term {
    Term::Not(Match::any())
}

/// What holds, or does not if it is negated.
pub(super) fn signed(term: Term, negated: bool, location: Location) -> Term {
    if negated { not(term, location) } else { term }
}

/// Every port.
pub(super) fn every_port() -> NumberSet {
    NumberSet::new([(0, 65_535)])
}

/// Returns the numbers up to a greatest one that a set does not hold.
pub(super) fn complement(set: &NumberSet, greatest: u64) -> NumberSet {
    let mut from = 0;
    let mut rest = Vec::new();
    for (first, last) in set.ranges() {
        if *first > from {
            rest.push((from, (first - 1).min(greatest)));
        }
        from = last.saturating_add(1);
    }
    if from <= greatest {
        rest.push((from, greatest));
    }
    NumberSet::new(rest)
}

impl Context<'_> {
    /// Notes that something is bounded.
    pub(super) fn bound(&mut self, location: Location, why: impl Into<String>) {
        self.bounded.push((location, why.into()));
    }

    /// Makes an unknown that is another one each time it is met, such as a roll of dice.
    pub(super) fn each_time(&mut self, text: String) -> Term {
        let count = self.met.entry(text.clone()).or_default();
        *count += 1;
        not_recorded(if *count > 1 { format!("{text} ({count})") } else { text })
    }

    /// Returns whether fragments have been put together before they come here: by connection
    /// tracking, or for what goes to the host itself.
    pub(super) fn reassembles(&self) -> bool {
        self.facts.tracks || (self.hook == Hook::Input && self.family == Family::V4)
    }

    /// Returns what may have been changed on the way here.
    fn rewritten(&self) -> Option<&Rewritten> {
        self.facts.rewritten.as_ref().filter(|_| self.hook != Hook::Prerouting)
    }

    /// Makes a condition on the upper layer: it holds where that is in the packet. In a later
    /// fragment it is not, but may be looked for all the same: by nftables in the bytes that stand
    /// there (if `is_native`), or in the whole packet if that is put together first. Which is then
    /// found is not known; `texts` say what it is looked for, any of which may be there.
    pub(super) fn carried(
        &self,
        holds: Term,
        any: Term,
        is_native: bool,
        texts: &[String],
        location: Location,
    ) -> Term {
        let reads_bytes = is_native && self.backend != Backend::Legacy;
        if !reads_bytes && !self.reassembles() {
            return holds;
        }
        // What the bytes of a part look like says nothing of what the whole packet does.
        let whole = if self.reassembles() { " in the whole packet" } else { "" };
        let unknown = |text: &String| not_recorded(format!("{text}{whole} of a later fragment"));
        let unknown = match texts {
            [text] => unknown(text),
            texts => Term::AnyOf(texts.iter().map(|text| all([unknown(text)], location)).collect()),
        };
        let fragment = Term::Fragment(vec![FragmentTest::NotFirst]);
        let later = all([not(any, location), fragment, unknown], location);
        Term::AnyOf(vec![all([holds], location), later])
    }

    /// Makes a condition on the destination or its port that address translation may have changed.
    pub(super) fn translated(&mut self, term: Term, text: &str, location: Location) -> Term {
        let unknown = not_recorded(format!("{text} after address translation"));
        if self.rewritten().is_some() {
            self.bound(location, "address translation may have changed the destination before");
        }
        match self.rewritten() {
            None => term,
            Some(Rewritten::All) => unknown,
            Some(Rewritten::To(set)) => Term::AnyOf(vec![
                all([not(Term::Dst(set.clone()), location), term], location),
                all([Term::Dst(set.clone()), unknown], location),
            ]),
        }
    }

    /// Decides a condition on the name of an interface: the name may end in `+`, which stands for
    /// any rest. Nothing is known without `--iif` or `--oif`.
    pub(super) fn interface(&self, is_in: bool, pattern: &str) -> Option<bool> {
        let has = match (is_in, self.hook) {
            (true, Hook::Postrouting) | (false, Hook::Prerouting | Hook::Input) => Some(""),
            (true, _) => self.way.iif.as_deref(),
            (false, _) => self.way.oif.as_deref(),
        };
        if pattern == "+" {
            return Some(true);
        }
        has.map(|name| match pattern.strip_suffix('+') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_complement_holds_what_the_set_does_not(
            ranges in prop::collection::vec((0u64..40, 0u64..40), 0..5), number in 0u64..32,
        ) {
            let set = NumberSet::new(ranges);
            prop_assert_eq!(complement(&set, 31).contains(number), !set.contains(number));
        }
    }
}
