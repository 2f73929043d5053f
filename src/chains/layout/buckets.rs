//! Which limits use which bucket, and whose packets come to it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Writer;
use crate::chains::ChainRule;
use crate::model::Action;

/// The bucket of a limit: by name, or that of a rule by its chain and number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::chains) enum Bucket {
    Named(String),
    Of(usize, usize),
}

impl Writer<'_> {
    /// Returns a number for all rules whose packets come to a bucket: if one of them changes, what
    /// it lets through of the others changes with it.
    pub(super) fn users(&mut self, bucket: &Bucket) -> u32 {
        if let Some(known) = self.users.get(bucket) {
            return *known;
        }
        let chains = &self.program.chains;
        let all = || chains.iter().flat_map(|chain| chain.rules.iter().map(move |r| (chain, r)));
        let mut hasher = DefaultHasher::new();
        match bucket {
            Bucket::Named(name) => {
                let uses = |rule: &ChainRule| {
                    let limit = rule.verdict.value.limit();
                    limit.is_some_and(|limit| limit.bucket.as_ref() == Some(name))
                };
                for (chain, rule) in all().filter(|(_, rule)| uses(rule)) {
                    (&chain.name, &rule.text, &rule.matches).hash(&mut hasher);
                }
            }
            Bucket::Of(chain, _) => {
                // The chains that jump to it, and those that jump to these.
                let mut above = vec![false; chains.len()];
                let mut ready = vec![*chain];
                while let Some(chain) = ready.pop() {
                    if std::mem::replace(&mut above[chain], true) {
                        continue;
                    }
                    for (at, other) in chains.iter().enumerate() {
                        let targets = || other.rules.iter().map(|rule| rule.verdict.value.target());
                        if targets().any(|to| to == Some(chain)) {
                            ready.push(at);
                        }
                    }
                }
                let leads =
                    |rule: &ChainRule| rule.verdict.value.target().is_some_and(|to| above[to]);
                for (chain, rule) in all().filter(|(_, rule)| leads(rule)) {
                    (&chain.name, &rule.text, &rule.matches).hash(&mut hasher);
                }
            }
        }
        let users = hasher.finish() as u32;
        self.users.insert(bucket.clone(), users);
        users
    }

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
