//! How exactly the rules of a file were understood.

use std::collections::BTreeSet;

use super::source::{Location, SourceId};

/// How exactly the rules of one file were understood. What is refused is no coverage but an
/// error: a set with one is not judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The file.
    pub source: SourceId,
    /// How many rules it holds.
    pub rules: usize,
    /// What is only bounded: its place, and what it is and why, in a few words. Several places
    /// may be of one rule.
    pub bounded: Vec<(Location, String)>,
    /// What is not understood at all, on the way of the packets or not: whether the file loads where
    /// it is meant to is not known. The text is one for all places that read alike.
    pub not_understood: Vec<(Location, String)>,
    /// What is not judged, as the packets judged do not meet it, or as it is nothing that is modelled
    /// here: its place and its text. Where the texts of the running and the candidate set differ,
    /// somebody fares otherwise, and it is not known who.
    pub not_judged: Vec<(Location, String)>,
    /// What is done to packets besides letting them pass or not, such as a translation of addresses:
    /// its place and its text. Where these differ, packets fare otherwise, whatever way is judged.
    pub not_followed: Vec<(Location, String)>,
    /// What says which packets share the bucket of a limit, where that is not followed: its place and
    /// its text. A change to it is judged by nobody.
    pub sharing: Vec<(Location, String)>,
}

impl Coverage {
    /// Makes the coverage of a file with so many rules of which nothing is said yet.
    pub fn new(source: SourceId, rules: usize) -> Coverage {
        Coverage {
            source,
            rules,
            bounded: Vec::new(),
            not_understood: Vec::new(),
            not_judged: Vec::new(),
            not_followed: Vec::new(),
            sharing: Vec::new(),
        }
    }

    /// Gives each file of several what is not judged of it.
    pub fn add_not_judged(all: &mut [Coverage], not_judged: &[(Location, String)]) {
        for coverage in all {
            let own = not_judged.iter().filter(|(place, _)| place.source == coverage.source);
            coverage.not_judged.extend(own.cloned());
        }
    }

    /// Gives each file of several what is not followed of it.
    pub fn add_not_followed(all: &mut [Coverage], not_followed: &[(Location, String)]) {
        for coverage in all {
            let own = not_followed.iter().filter(|(place, _)| place.source == coverage.source);
            coverage.not_followed.extend(own.cloned());
        }
    }

    /// Gives each file of several what it says about sharing.
    pub fn add_sharing(all: &mut [Coverage], sharing: &[(Location, String)]) {
        for coverage in all {
            let own = sharing.iter().filter(|(place, _)| place.source == coverage.source);
            coverage.sharing.extend(own.cloned());
        }
    }

    /// Returns how many rules are only bounded.
    pub fn bounded_rules(&self) -> usize {
        let places: BTreeSet<Location> = self.bounded.iter().map(|(place, _)| *place).collect();
        places.len().min(self.rules)
    }
}
