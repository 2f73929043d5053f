//! Which limits use which bucket, and whose packets come to it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Writer;
use crate::chains::{ChainRule, Program};
use crate::model::Action;

/// The bucket of a limit: by name, or that of a rule by its chain and number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::chains) enum Bucket {
    Named(String),
    Of(usize, usize),
}

/// Of limits that are not exact: a number for the rules whose packets come to them.
pub(super) struct Users<'p> {
    program: &'p Program,
    /// By name of the bucket: the rules that use it, by chain and number.
    of_name: HashMap<&'p str, Vec<(usize, usize)>>,
    /// By chain: the rules that lead to it.
    leading: Vec<Vec<(usize, usize)>>,
    known: BTreeMap<Bucket, u32>,
}

impl<'p> Users<'p> {
    pub(super) fn new(program: &'p Program) -> Users<'p> {
        let mut of_name: HashMap<&str, Vec<(usize, usize)>> = HashMap::new();
        let mut leading = vec![Vec::new(); program.chains.len()];
        for (chain, number, rule) in numbered(program) {
            if let Some(to) = rule.verdict.value.target() {
                leading[to].push((chain, number));
            }
            if let Some(name) = rule.verdict.value.limit().and_then(|limit| limit.bucket.as_ref()) {
                of_name.entry(name).or_default().push((chain, number));
            }
        }
        Users { program, of_name, leading, known: BTreeMap::new() }
    }

    /// Returns a number for all rules whose packets come to a bucket: if one of them changes, what
    /// it lets through of the others changes with it.
    pub(super) fn of(&mut self, bucket: &Bucket) -> u32 {
        // Of the rules of a chain, the same packets come to all.
        let key = match bucket {
            Bucket::Named(_) => bucket.clone(),
            Bucket::Of(chain, _) => Bucket::Of(*chain, 0),
        };
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let users: Vec<(usize, usize)> = match bucket {
            Bucket::Named(name) => self.of_name.get(name.as_str()).cloned().unwrap_or_default(),
            Bucket::Of(chain, _) => self.above(*chain),
        };
        let mut hasher = DefaultHasher::new();
        for (chain, number) in users {
            let chain = &self.program.chains[chain];
            let rule = &chain.rules[number];
            (&chain.name, &rule.text, &rule.matches).hash(&mut hasher);
        }
        let users = hasher.finish() as u32;
        self.known.insert(key, users);
        users
    }

    /// Returns the rules that jump to a chain, and those that jump to theirs, in their order.
    fn above(&self, chain: usize) -> Vec<(usize, usize)> {
        let mut above = BTreeSet::new();
        let mut ready = vec![chain];
        let mut rules = Vec::new();
        while let Some(chain) = ready.pop() {
            if above.insert(chain) {
                rules.extend(&self.leading[chain]);
                ready.extend(self.leading[chain].iter().map(|(from, _)| *from));
            }
        }
        rules.sort_unstable();
        rules
    }
}

/// Returns all rules with their chains and numbers.
fn numbered(program: &Program) -> impl Iterator<Item = (usize, usize, &ChainRule)> {
    program.chains.iter().enumerate().flat_map(|(chain, of)| {
        of.rules.iter().enumerate().map(move |(number, rule)| (chain, number, rule))
    })
}

impl Writer<'_> {
    /// Limits that are in several places of the list use one bucket.
    pub(super) fn share_buckets(&mut self) {
        let taken: HashSet<String> = self
            .limits
            .keys()
            .filter_map(|bucket| match bucket {
                Bucket::Named(name) => Some(name.clone()),
                Bucket::Of(..) => None,
            })
            .collect();
        for (bucket, places) in &self.limits {
            let Bucket::Of(..) = bucket else { continue };
            if places.len() < 2 {
                continue;
            }
            let mut name = self.rules[places[0]].id.clone();
            while taken.contains(&name) {
                name.push('\'');
            }
            for place in places {
                if let Action::RateLimit(limit) = &mut self.rules[*place].action.value {
                    limit.bucket = Some(name.clone());
                }
            }
        }
    }
}
