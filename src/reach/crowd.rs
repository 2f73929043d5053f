//! Whose packets newly enter the buckets of others.
//!
//! A limit whose figures did not change is harsher than before for a packet whose bucket holds
//! more of others: of packets that did not meet the running limit, or that a limit in front of it
//! held back more. Whose a packet is: who stands at its destination, or, where that is nobody's,
//! who sends it. Which packets share buckets is told by the parts of the key that are addresses;
//! what two packets of one bucket can be otherwise is not looked at.

mod blocks;

use super::land::{Ranges, between};
use super::rules::{Both, FAMILIES, at, meet};
use super::search::{Answer, Budget, Entry, Question, solve};
use super::space::{HeaderSet, Key};
use crate::inventory::customers::{Customers, End, Owner};
use crate::matcher::ends_walk;
use crate::model::{
    Action, AddressRange, AddressSet, Family, Harm, Inventory, KeyPart, RateLimit, RuleSet,
};
use blocks::{Buckets, Ends, pieces};

/// Of how many pairs of limits it is looked at which of their buckets are entered: that costs
/// memory with the number of owners.
const MAX_ASKED: usize = 256;

/// Where the packets of a limit may share a bucket with those of another owner.
struct Shares {
    dst: Ends,
    src: Ends,
}

/// What of a limit's packets shares no bucket with others', by family.
type Parted = [Vec<HeaderSet>; 2];

/// Why several owners share a bucket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It holds packets to several.
    Receivers,
    /// It holds packets to nobody, from several.
    Senders,
}

const WHYS: [Why; 2] = [Why::Receivers, Why::Senders];

/// Which buckets of a limit are newly entered by packets of others.
#[derive(Clone)]
enum Entered {
    /// Those that are shared for these reasons.
    By(Vec<Why>),
    /// All, for all that is known.
    All,
}

impl Default for Entered {
    fn default() -> Entered {
        Entered::By(Vec::new())
    }
}

impl Shares {
    /// Returns the packets of a set that may share a bucket with another owner's: for where they
    /// go, or, to nobody, for where they come from.
    fn common(&self, set: &HeaderSet, why: Why) -> Option<HeaderSet> {
        let at = at(set.family());
        match why {
            Why::Receivers => between(set, Some(&self.dst.shared[at]), None),
            Why::Senders => between(set, Some(&self.dst.nobodys[at]), Some(&self.src.shared[at])),
        }
    }

    /// Returns the packets of a set that share no bucket with another owner's, or none of those
    /// that are entered.
    fn parted(&self, set: &HeaderSet, entered: &[Why]) -> Vec<HeaderSet> {
        let at = at(set.family());
        let rest = WHYS.into_iter().filter(|why| !entered.contains(why));
        let to_owner = between(set, Some(&self.dst.owned[at]), None);
        let mut alone = [&self.src.owned[at][..], &self.src.nobodys[at]].concat();
        alone.sort_unstable();
        let to_nobody = between(set, Some(&self.dst.nobodys[at]), Some(&alone));
        let rest = rest.filter_map(|why| self.common(set, why));
        to_owner.into_iter().chain(to_nobody).chain(rest).collect()
    }

    /// Returns whether buckets of packets to somebody's addresses are shared.
    fn has_owned(&self, customers: &Customers) -> bool {
        FAMILIES.into_iter().any(|family| {
            let pieces = pieces(customers, family, &self.dst.shared[at(family)]);
            pieces.into_iter().any(|(_, _, end)| customers.end(end).owner != Owner::Nobody)
        })
    }
}

/// The running limits.
struct Fronts {
    /// In order.
    all: Vec<usize>,
    /// For each, the candidate's limit of the same packets that holds back all that it does.
    kept_by: Vec<Option<usize>>,
    /// The positions of those that none is kept for.
    lost: Vec<usize>,
    /// For each, the last of those that keep it or one before it.
    last: Vec<usize>,
}

impl Fronts {
    fn contains(&self, rule: usize) -> bool {
        self.all.binary_search(&rule).is_ok()
    }

    /// Returns the limits up to the last of some running ones that may hold back less of what comes to
    /// a candidate's: they are gone, behind it, or more generous.
    fn lost(&self, rule: usize, last: usize) -> Lost {
        let count = self.all.partition_point(|front| *front < last);
        let fronts = if count > 0 && self.last[count - 1] >= rule {
            let is_lost = |at: &usize| self.kept_by[*at].is_none_or(|after| after >= rule);
            (0..count).filter(is_lost).map(|at| self.all[at]).collect()
        } else {
            self.lost.iter().take_while(|at| **at < count).map(|at| self.all[*at]).collect()
        };
        Lost { fronts, asked: 0, first: None }
    }
}

/// Limits that may hold back less than before, and whether they do.
struct Lost {
    /// In order.
    fronts: Vec<usize>,
    /// How many were asked, and the first that holds back less.
    asked: usize,
    first: Option<usize>,
}

impl Lost {
    /// Returns those in front of a running limit.
    fn before(&self, before: usize) -> &[usize] {
        &self.fronts[..self.fronts.partition_point(|front| *front < before)]
    }

    /// Returns whether one in front of a running limit holds back less; none is asked twice.
    fn any_before(&mut self, before: usize, holds_less: impl FnMut(&usize) -> bool) -> bool {
        if self.first.is_none() {
            let asked = self.asked..self.before(before).len().max(self.asked);
            self.asked = asked.end;
            self.first = self.fronts[asked].iter().copied().find(holds_less);
        }
        self.first.is_some_and(|first| first < before)
    }
}

impl Both<'_> {
    /// Finds the limits whose buckets the packets of others newly enter: meeting such a limit is
    /// worse than before, even if its figures are as generous.
    pub(super) fn find_crowded(
        &mut self,
        customers: &Customers,
        inventory: &Inventory,
        budget: &mut Budget,
    ) {
        if self.change.nothing {
            return;
        }
        let running = self.fronts();
        let mut asked = 0;
        let touched = FAMILIES.map(|family| self.touched(family));
        let mut is_touched = vec![false; self.candidate.set.rules.len()];
        for touched in &touched {
            let near = self.candidate.meeting(0..is_touched.len(), touched);
            near.for_each(|rule| is_touched[rule] = true);
        }
        for rule in limits(self.candidate.set.rules.iter().map(|rule| &rule.action.value)) {
            let Action::RateLimit(limit) = self.candidate.action(rule) else { continue };
            // What the change is not about comes as it came: into an old limit nothing newly
            // enters but packets that a changed rule takes, or took.
            if let Some(before) = self.change.running_of[rule]
                && !self.change.concerns(rule)
                && self.is_as_generous(rule, before)
                && !self.changes_users(rule, before, &touched)
            {
                // What a changed rule took, and limits in front that hold back less, are touched.
                if !is_touched[rule] {
                    continue;
                }
                let lost = running.lost(rule, before);
                let is_entered = FAMILIES.into_iter().any(|family| {
                    let own = self.own(rule, family);
                    self.enter_old(rule, before, family, budget)
                        || lost
                            .fronts
                            .iter()
                            .any(|front| self.freed(rule, *front, family, &own, budget))
                });
                if !is_entered {
                    continue;
                }
            }
            let is_measure =
                |before: usize| running.contains(before) && self.is_as_generous(rule, before);
            let mut near: Vec<usize> = FAMILIES
                .into_iter()
                .flat_map(|family| {
                    let own = self.candidate.of(rule, family).wide();
                    self.running.meeting_of(own, is_measure)
                })
                .collect();
            near.sort_unstable();
            near.dedup();
            if near.iter().any(|before| self.changes_users(rule, *before, &touched)) {
                self.crowded
                    .extend(near.iter().map(|before| ((rule as u32, *before as u32), true)));
                continue;
            }
            let mut shares = None;
            let mut found: Vec<((u32, u32), bool, Option<Parted>)> = Vec::new();
            let own = FAMILIES.map(|family| match self.change.concerns(rule) {
                true => self.own(rule, family),
                // Only what a changed rule took, or takes, can come newly.
                false => meet(&self.own(rule, family), &touched[at(family)]),
            });
            let taken = FAMILIES.map(|family| self.taken(rule, family, &own[at(family)]));
            let touched_own = FAMILIES
                .map(|family| meet(self.candidate.of(rule, family).wide(), &touched[at(family)]));
            // What it was before comes first, as others beside it are entered as it is.
            let was = self.change.running_of[rule];
            near.sort_by_key(|before| Some(*before) != was);
            let last = near.iter().max().copied().unwrap_or(0);
            let mut lost = running.lost(rule, last);
            let mut of_own = Entered::default();
            for before in &near {
                let pair = (rule as u32, *before as u32);
                let entered = if self.is_beside(rule, *before, &touched_own) {
                    of_own.clone()
                } else {
                    // Mostly nothing enters at all.
                    let is_entered = FAMILIES.into_iter().any(|family| {
                        let (own, taken) = (&own[at(family)], &taken[at(family)]);
                        self.enter(rule, *before, family, own, taken, budget)
                    });
                    let is_entered = is_entered
                        || lost.any_before(*before, |front| {
                            FAMILIES.into_iter().any(|family| {
                                self.freed(rule, *front, family, &own[at(family)], budget)
                            })
                        });
                    asked += usize::from(is_entered);
                    if !is_entered {
                        Entered::By(Vec::new())
                    } else if asked > MAX_ASKED {
                        Entered::All
                    } else {
                        let shares: &Shares = shares
                            .get_or_insert_with(|| self.shares(rule, limit, customers, inventory));
                        let mut whys = WHYS.to_vec();
                        whys.retain(|why| {
                            FAMILIES.into_iter().any(|family| {
                                let own = own[at(family)].iter();
                                let common: Vec<HeaderSet> =
                                    own.filter_map(|set| shares.common(set, *why)).collect();
                                let taken = self.taken(rule, family, &common);
                                self.enter(rule, *before, family, &common, &taken, budget)
                                    || lost.before(*before).iter().any(|front| {
                                        self.freed(rule, *front, family, &common, budget)
                                    })
                            })
                        });
                        Entered::By(whys)
                    }
                };
                if Some(*before) == was {
                    of_own = entered.clone();
                }
                match entered {
                    Entered::By(whys) if whys.is_empty() => {}
                    // More may be reached for that, never less.
                    Entered::All => found.push((pair, true, None)),
                    Entered::By(whys) => {
                        let shares: &Shares = shares
                            .get_or_insert_with(|| self.shares(rule, limit, customers, inventory));
                        let parted = FAMILIES.map(|family| {
                            let sets = self.running.of(*before, family).narrow().iter();
                            sets.flat_map(|set| shares.parted(set, &whys)).collect()
                        });
                        let to_owners =
                            whys.contains(&Why::Receivers) && shares.has_owned(customers);
                        found.push((pair, to_owners, Some(parted)));
                    }
                }
            }
            for (pair, to_owners, parted) in found {
                self.crowded.insert(pair, to_owners);
                self.parted.extend(parted.map(|parted| (pair, parted)));
            }
        }
    }

    /// Returns whether a running limit is another than a candidate's, of which the change concerns
    /// neither nor any packet that meets both: such packets still meet both, so that the one is no
    /// measure of what newly enters the other. `touched` is what the change touches of the
    /// candidate's.
    fn is_beside(&self, rule: usize, before: usize, touched: &[Vec<HeaderSet>; 2]) -> bool {
        let change = self.change;
        let is_other = change.running_of[rule].is_some_and(|own| own != before);
        is_other
            && !change.concerns(rule)
            && !change.disturbs(before)
            && FAMILIES.into_iter().all(|family| {
                let before = self.running.of(before, family).wide();
                let touched = &touched[at(family)];
                !before.iter().any(|set| touched.iter().any(|other| other.meets(set)))
            })
    }

    /// Returns whether a limit has its buckets in common with other rules, and these are not those
    /// that they were, or the change touches packets that come to them.
    fn changes_users(&self, rule: usize, before: usize, touched: &[Vec<HeaderSet>; 2]) -> bool {
        let users = |set: &RuleSet, rule: usize| -> Vec<usize> {
            let bucket = |action: &Action| action.limit().and_then(|limit| limit.bucket.clone());
            let Some(own) = bucket(&set.rules[rule].action.value) else { return vec![rule] };
            let rules = set.rules.iter().enumerate();
            rules
                .filter(|(_, other)| bucket(&other.action.value).as_ref() == Some(&own))
                .map(|(at, _)| at)
                .collect()
        };
        let now = users(self.candidate.set, rule);
        let then = users(self.running.set, before);
        if now == [rule] && then == [before] {
            return false;
        }
        let same = now.iter().map(|rule| self.change.running_of[*rule]);
        !same.eq(then.iter().map(|rule| Some(*rule)))
            || now.iter().any(|rule| {
                self.change.concerns(*rule)
                    || FAMILIES.into_iter().any(|family| {
                        let own = self.candidate.of(*rule, family).wide();
                        !meet(own, &touched[at(family)]).is_empty()
                    })
            })
    }

    /// Returns the packets that the rules of the change take, or took.
    fn touched(&self, family: Family) -> Vec<HeaderSet> {
        let concerned = (0..self.candidate.set.rules.len()).filter(|at| self.change.concerns(*at));
        let now = concerned.map(|rule| self.candidate.of(rule, family).wide());
        let before = self.disturbed.iter().map(|rule| self.running.of(*rule, family).wide());
        now.chain(before).flatten().cloned().collect()
    }

    /// Returns the running limits, each with the candidate's that holds back all that it does.
    fn fronts(&self) -> Fronts {
        let all = limits(self.running.set.rules.iter().map(|rule| &rule.action.value));
        let kept_by = all.iter().map(|front| {
            let after = self.change.candidate_of[*front]?;
            let is_kept = self.holds_back(after, *front)
                && self.running.set.rules[*front].matches
                    == self.candidate.set.rules[after].matches;
            is_kept.then_some(after)
        });
        let kept_by: Vec<Option<usize>> = kept_by.collect();
        let lost = (0..all.len()).filter(|at| kept_by[*at].is_none()).collect();
        let last = kept_by.iter().scan(0, |last, after| {
            *last = after.map_or(*last, |after| after.max(*last));
            Some(*last)
        });
        Fronts { last: last.collect(), lost, kept_by, all }
    }

    /// Returns whether a candidate limit holds back all that a running one does.
    fn holds_back(&self, rule: usize, before: usize) -> bool {
        match (self.candidate.action(rule), self.running.action(before)) {
            (Action::RateLimit(new), Action::RateLimit(old)) => {
                new.exceed.harm() > 0 && old.is_as_generous_as(new)
            }
            _ => false,
        }
    }

    /// Returns the packets of a candidate rule.
    fn own(&self, rule: usize, family: Family) -> Vec<HeaderSet> {
        self.candidate.of(rule, family).wide().to_vec()
    }

    /// Returns which packets of a domain other rules take before they come to a candidate rule.
    fn taken<'s>(&'s self, rule: usize, family: Family, domain: &'s [HeaderSet]) -> Vec<Entry<'s>> {
        let mut entries = Vec::new();
        for earlier in self.candidate.meeting(0..rule, domain) {
            if ends_walk(self.candidate.action(earlier)) {
                self.candidate.push(&mut entries, earlier, family, false);
            }
        }
        entries
    }

    /// Returns whether packets of a domain newly enter a candidate limit's buckets, or may: they
    /// did not meet the running limit. `taken` is what other rules take before.
    fn enter(
        &self,
        rule: usize,
        before: usize,
        family: Family,
        domain: &[HeaderSet],
        taken: &[Entry<'_>],
        budget: &mut Budget,
    ) -> bool {
        // The running limit is not about them.
        let mut entries = taken.to_vec();
        self.running.push(&mut entries, before, family, false);
        let question = Question { domain: domain.to_vec(), entries, default: true };
        if !matches!(solve(&question, budget), Answer::Empty) {
            return true;
        }
        // It is, but another rule took them before.
        let domain = meet(domain, self.running.of(before, family).wide());
        let mut entries = self.taken(rule, family, &domain);
        for earlier in self.running.meeting(0..before, &domain) {
            if ends_walk(self.running.action(earlier)) {
                self.running.push(&mut entries, earlier, family, true);
            }
        }
        let question = Question { domain: domain.clone(), entries, default: false };
        !matches!(solve(&question, budget), Answer::Empty)
    }

    /// Returns whether packets newly enter the buckets of a limit that the change does not concern,
    /// or may: they met a rule in front that the change removes, edits or moves. What other rules
    /// took, they still take.
    fn enter_old(&self, rule: usize, before: usize, family: Family, budget: &mut Budget) -> bool {
        let own = self.candidate.of(rule, family).wide();
        let gone = self
            .disturbed
            .iter()
            .filter(|shield| **shield < before && ends_walk(self.running.action(**shield)));
        gone.into_iter().any(|shield| {
            let mut domain = meet(own, self.running.of(*shield, family).wide());
            // Mostly the edited rule takes what it took.
            if let Some(after) = self.change.candidate_of[*shield]
                && after < rule
                && ends_walk(self.candidate.action(after))
            {
                let still = self.candidate.of(after, family).narrow();
                domain.retain(|piece| !still.iter().any(|set| set.covers(piece)));
            }
            if domain.is_empty() {
                return false;
            }
            let entries = self.taken(rule, family, &domain);
            let question = Question { domain: domain.clone(), entries, default: true };
            !matches!(solve(&question, budget), Answer::Empty)
        })
    }

    /// Returns whether more of the packets of a domain comes to a candidate limit than before, as a
    /// running limit in front held back some.
    fn freed(
        &self,
        rule: usize,
        front: usize,
        family: Family,
        domain: &[HeaderSet],
        budget: &mut Budget,
    ) -> bool {
        let domain = meet(domain, self.running.of(front, family).wide());
        if domain.is_empty() {
            return false;
        }
        let mut entries = self.taken(rule, family, &domain);
        for earlier in self.running.meeting(0..front, &domain) {
            if ends_walk(self.running.action(earlier)) {
                self.running.push(&mut entries, earlier, family, false);
            }
        }
        for kept in self.candidate.meeting(0..rule, &domain) {
            if self.holds_back(kept, front) {
                self.candidate.push(&mut entries, kept, family, false);
            }
        }
        let question = Question { domain: domain.clone(), entries, default: true };
        !matches!(solve(&question, budget), Answer::Empty)
    }

    /// Returns where the packets of a limit may share a bucket with another owner's.
    fn shares(
        &self,
        rule: usize,
        limit: &RateLimit,
        customers: &Customers,
        inventory: &Inventory,
    ) -> Shares {
        let lengths = |key: Key| {
            let length = |part: &KeyPart| match (part, key) {
                (KeyPart::Src { v4, v6 }, Key::Src) | (KeyPart::Dst { v4, v6 }, Key::Dst) => {
                    Some([*v4, *v6])
                }
                _ => None,
            };
            let parts = limit.per.iter().filter_map(length);
            parts.fold([0; 2], |[v4, v6], part| [v4.max(part[0]), v6.max(part[1])])
        };
        let has_address =
            |part: &KeyPart| matches!(part, KeyPart::Src { .. } | KeyPart::Dst { .. });
        let buckets = Buckets {
            customers,
            is_keyed: limit.per.iter().any(has_address),
            by_customer: limit.per.contains(&KeyPart::Customer),
        };
        let addresses = |key: Key| {
            FAMILIES.map(|family| {
                let possible = &self.possible[at(family)];
                let sets = self.candidate.of(rule, family).wide().iter();
                let sets = sets.filter(|set| possible.iter().any(|one| one.meets(set)));
                let ranges = sets
                    .flat_map(|set| set.addresses(key))
                    .map(|(first, last)| AddressRange { family, first: *first, last: *last });
                AddressSet::new(ranges).ranges(family).to_vec()
            })
        };
        let sharers = |end: &End| match end.owner {
            Owner::Shared(id) => inventory.shared[id.0 as usize].customers.len() > 1,
            _ => false,
        };
        // Customers without addresses are served from nobody's.
        let has_homeless = inventory.customers.iter().any(|one| one.prefixes.is_empty());
        let guests =
            |end: &End| has_homeless && end.owner == Owner::Nobody && end.infrastructure.is_empty();
        let several = |end: &End| sharers(end) || guests(end);
        Shares {
            dst: buckets.split(&addresses(Key::Dst), lengths(Key::Dst), &several),
            src: buckets.split(&addresses(Key::Src), lengths(Key::Src), &sharers),
        }
    }
}

/// Returns the places of the limits that act among some actions.
fn limits<'a>(actions: impl Iterator<Item = &'a Action>) -> Vec<usize> {
    let limits = actions.enumerate().filter(|(_, action)| action.harm() == Harm::Limited);
    limits.map(|(at, _)| at).collect()
}
