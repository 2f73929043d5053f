//! From a tally to the impact: every key under every way that its records leave open, judged,
//! charged and summed.

mod course;
mod groups;
mod ranges;
mod recorded;

use std::collections::{BTreeMap, BTreeSet};

use course::Courses;
use groups::Groups;
use ranges::{Charges, minus, most, ranges, widen};
use recorded::Recorded;

use super::{
    Amount, Attack, Blame, Cause, Fall, GroupId, Hits, Impact, Less, Range, Traffic, missing,
    open_rules,
};
use crate::attribution::{Attribution, Ends, Party, protected_parties};
use crate::bank::{Losses, Taken};
use crate::change::Change;
use crate::fate::{End, Kind, RuleLoss, Sets, Walk, Ways};
use crate::judge::Judges;
use crate::matcher::COARSE;
use crate::model::{Label, NameId};
use crate::scenario::View;
use crate::tally::{Key, Pair, Tally};

/// What impact is computed from.
pub struct Assessment<'a> {
    /// The rule sets.
    pub sets: Sets<'a>,
    /// Their difference.
    pub change: &'a Change,
    /// Their intents.
    pub judges: &'a Judges,
    /// The owners.
    pub attribution: &'a Attribution<'a>,
    /// What was counted.
    pub tally: &'a Tally,
    /// What of it arrives, and where.
    pub view: &'a View,
    /// What policers took, if as little as possible reached them, and if as much.
    pub losses: [&'a Losses; 2],
}

/// One key of the tally, with all that is known of it.
#[derive(Clone, Copy)]
struct Entry<'e> {
    key: &'e Key,
    pop: Option<NameId>,
    ends: &'e Ends,
    amount: Amount,
    walks: &'e [(Walk, Walk)],
    /// Running rules that may come with any of the ways of the candidate.
    mixed: &'e [u32],
    taken: [&'e [Taken]; 2],
    same_walk: bool,
    /// Whether its buckets may hold more, or less, in the candidate set.
    is_fuller: bool,
    is_emptier: bool,
    missing: u32,
    pair: &'e Pair,
}

/// What one way of a key newly costs.
#[derive(Clone, Debug)]
struct NewLosses {
    /// By the worst of all kinds: what counts outside `may_affect`.
    any: Vec<RuleLoss>,
    /// Drops only: what counts within it.
    drops: Vec<RuleLoss>,
}

/// What is charged if a key fares in one way: at least, and at most.
#[derive(Default)]
struct Charged {
    /// Where no intent allows it.
    collateral: [Charges; 2],
    /// Where intents allow it.
    intended: [Charges; 2],
}

/// Who meets harm by which cause, counted over the ways that a record leaves open.
#[derive(Clone, Copy, Default)]
struct Met {
    ways: usize,
    outside: bool,
}

impl Assessment<'_> {
    fn work_out(&self, draws: bool) -> Impact {
        let candidate = self.sets.sets[1];
        let mut impact = Impact {
            hits: vec![Hits::default(); candidate.rules.len()],
            undecided_limits: self.losses[1].undecided.clone(),
            ..Impact::default()
        };
        let ways: Vec<(Ways, Vec<u32>)> =
            self.tally.pairs.values().iter().map(|pair| self.ways(pair)).collect();
        let same_walks: Vec<bool> =
            self.tally.pairs.values().iter().map(|pair| self.sets.same_walk(pair)).collect();
        let passes: Vec<bool> = ways.iter().map(|(ways, _)| passes_freely(ways)).collect();
        let missing: Vec<u32> = self.tally.pairs.values().iter().map(missing).collect();
        let charged: Vec<Vec<Party>> =
            self.tally.ends.values().iter().map(|ends| self.attribution.charged(ends)).collect();
        let way: Vec<_> = self.tally.ends.values().iter().map(|ends| self.way(ends)).collect();
        let mut recorded = Recorded::new(draws);
        let (mut groups, mut courses) = (Groups::default(), Courses::new(draws));
        for cell in &self.view.cells {
            let key = self.tally.key(cell.key);
            let amount = Amount::from(cell.counts);
            let pair = self.tally.pairs.value(cell.pair);
            let ends = self.tally.ends.value(key.ends);
            let (Ways { walks, .. }, mixed) = &ways[cell.pair as usize];
            let charged = charged[key.ends as usize].as_slice();
            impact.offered.add(amount);
            impact.labelled |= key.label != Label::None;
            if charged != [Party::Unowned] {
                impact.attributed.add(amount);
            }
            recorded.note(key, cell.counts);
            let missing = missing[cell.pair as usize];
            if missing != 0 {
                impact.undecidable.add(amount);
            }
            for step in &pair.candidate {
                let hits = &mut impact.hits[step.rule as usize];
                hits.any.add(amount);
                if key.label == Label::Attack {
                    hits.attack.add(amount);
                }
            }
            let (way, when) = (way[key.ends as usize], (key.window, key.label));
            if passes[cell.pair as usize] {
                courses.add(cell, way, when, || [0; 2]);
                // Nothing is kept from its way, whichever way it is.
                if key.label == Label::Attack {
                    let attack = impact.attack.entry((key.ends, key.attack)).or_default();
                    attack.offered.add(amount);
                    continue;
                }
                let protected = protected_parties(ends).filter(|party| !charged.contains(party));
                for party in charged.iter().copied().chain(protected) {
                    let id = GroupId { party, pop: cell.pop, service: key.service };
                    groups.of(id, key.window).offered.add(amount);
                }
                continue;
            }
            let taken = self.losses.map(|losses| losses.of(cell.key));
            let same_walk = same_walks[cell.pair as usize];
            let pop = cell.pop;
            let [_, most] = self.losses;
            let entry = Entry {
                pair,
                key,
                pop,
                ends,
                amount,
                walks,
                mixed,
                taken,
                same_walk,
                is_fuller: most.is_fuller(cell.key),
                is_emptier: most.is_emptier(cell.key),
                missing,
            };
            courses.add(cell, way, when, || self.kept(&entry));
            if key.label == Label::Attack {
                let attack = impact.attack.entry((key.ends, key.attack)).or_default();
                self.count_attack(attack, &entry);
            } else {
                self.meet(&mut impact, &entry);
                self.count_losses(&mut impact, &mut groups, &entry);
            }
        }
        impact.recorded = recorded.customers(self.tally.ends.values(), self.attribution);
        impact.groups = groups.joined();
        impact.courses = courses.finish();
        impact
    }

    /// Returns the ways that a pair of paths leaves open, those that are alike to everyone as one;
    /// and the running rules that may come with any of the candidate's ways.
    fn ways(&self, pair: &Pair) -> (Ways, Vec<u32>) {
        let mut ways = self.sets.ways(pair);
        for (running, candidate) in &mut ways.walks {
            if let End::Passes(Some(rule)) = running.end
                && !self.change.disturbs(rule as usize)
            {
                running.end = End::Passes(None);
            }
            if let End::Passes(Some(rule)) = candidate.end
                && !self.change.concerns(rule as usize)
            {
                candidate.end = End::Passes(None);
            }
        }
        ways.walks.sort();
        ways.walks.dedup();
        let rules = pair.running.iter().map(|step| step.rule);
        let mixed = rules.filter(|rule| ways.is_mixed && self.change.disturbs(*rule as usize));
        let mixed = mixed.collect();
        (ways, mixed)
    }

    //-------- Attack

    fn count_attack(&self, attack: &mut Attack, entry: &Entry<'_>) {
        let Entry { amount, walks, taken, .. } = *entry;
        attack.offered.add(amount);
        let stopped = |side: usize, walk: &Walk, world: usize| {
            let losses = self.sets.losses(side, walk, taken[world], amount.packets, amount.bytes);
            lost(losses.iter(), amount)
        };
        let left_alone = |loss: &&RuleLoss| match loss.rule {
            Some(rule) => !self.change.removes_or_edits(rule as usize),
            None => !self.change.default_changed,
        };
        let (mut running, mut candidate, mut kept) = (None, None, None);
        let mut fall: Option<Fall> = None;
        let mut through: BTreeMap<Blame, Amount> = BTreeMap::new();
        let mut worst: Option<(Less, Blame)> = None;
        // Where buckets hold the same, the worlds of both sets are the same; where they hold more
        // in the candidate set, they take no less there.
        let apart: &[(usize, usize)] = match entry.same_walk && !entry.is_emptier {
            true => &[(0, 0), (1, 1)],
            false => &[(0, 1), (1, 0)],
        };
        for ways in walks {
            let before = [0, 1].map(|world| stopped(0, &ways.0, world));
            let after = [0, 1].map(|world| stopped(1, &ways.1, world));
            for world in [0, 1] {
                widen(&mut running, before[world], before[world]);
                widen(&mut candidate, after[world], after[world]);
                let losses =
                    self.sets.losses(0, &ways.0, taken[world], amount.packets, amount.bytes);
                let rest = lost(losses.iter().filter(left_alone), amount);
                widen(&mut kept, rest, rest);
            }
            let less = |a: u64, b: u64| i128::from(a) - i128::from(b);
            for (old, new) in apart {
                let (before, after) = (before[*old], after[*new]);
                let here = (less(before.packets, after.packets), less(before.bytes, after.bytes));
                let known = fall.get_or_insert(Fall { least: here, greatest: here });
                known.least = (known.least.0.min(here.0), known.least.1.min(here.1));
                known.greatest = (known.greatest.0.max(here.0), known.greatest.1.max(here.1));
                let down = minus(before, after);
                if down.is_zero() {
                    continue;
                }
                let blame = self.blame(&ways.0, &ways.1);
                let known = through.entry(blame).or_default();
                *known = most(*known, down);
                if worst.is_none_or(|(known, _)| here > known) {
                    worst = Some((here, blame));
                }
            }
        }
        let (running, candidate) = (running.unwrap_or_default(), candidate.unwrap_or_default());
        attack.running.add(running);
        attack.candidate.add(candidate);
        attack.newly_stopped.add(minus(candidate.least, kept.unwrap_or_default().greatest));
        let fall = fall.unwrap_or_default();
        attack.fall.add(fall);
        let down = |amount: i128| u64::try_from(amount).unwrap_or(0);
        for (blame, greatest) in through {
            let mut range = Range { least: Amount::default(), greatest };
            if worst.is_some_and(|(_, worst)| worst == blame) {
                let (packets, bytes) = (down(fall.least.0), down(fall.least.1));
                range.least = Amount { raw: 0, packets, bytes };
            }
            attack.let_through.entry(blame).or_default().add(range);
        }
    }

    /// Finds the rule through which attack newly passes: the candidate rule that accepts it if
    /// the change concerns it, else the rule that stopped it before.
    fn blame(&self, before: &Walk, after: &Walk) -> Blame {
        if let End::Passes(Some(rule)) = after.end
            && self.change.concerns(rule as usize)
        {
            return Blame::Candidate(rule);
        }
        let end = match before.end {
            End::Stopped(None, _) if self.change.default_changed => return Blame::Default,
            End::Stopped(rule, _) => rule,
            End::Passes(_) => None,
        };
        let stoppers = || end.into_iter().chain(before.limits.iter().copied());
        let stopper =
            stoppers().find(|rule| self.change.disturbs(*rule as usize)).or(stoppers().next());
        match stopper {
            Some(rule) => match self.change.candidate_of[rule as usize] {
                Some(after) => Blame::Candidate(after as u32),
                None => Blame::Removed(rule),
            },
            None => match after.end {
                End::Passes(Some(rule)) => Blame::Candidate(rule),
                _ => Blame::Default,
            },
        }
    }

    //-------- Meeting harm

    fn meet(&self, impact: &mut Impact, entry: &Entry<'_>) {
        let Entry { ends, amount, walks, .. } = *entry;
        let mut met: BTreeMap<(Party, Cause), Met> = BTreeMap::new();
        let to_somebody = self.attribution.is_to_somebody(ends);
        for (running, candidate) in walks {
            let mut here: BTreeMap<(Party, Cause), bool> = BTreeMap::new();
            for rule in self.sets.newly_met(running, candidate, to_somebody) {
                let cause = self.cause(rule, running);
                let allowed = self.allowed(&cause, ends, running, candidate);
                let outside =
                    allowed.is_none() || self.former_forbids(entry.mixed, ends, candidate);
                let parties = allowed.unwrap_or_else(|| self.attribution.charged(ends));
                for party in parties.into_iter().chain(protected_parties(ends)) {
                    *here.entry((party, cause)).or_default() |= outside;
                }
            }
            for (who, outside) in here {
                let met = met.entry(who).or_default();
                met.ways += 1;
                met.outside |= outside;
            }
        }
        for ((party, cause), Met { ways, outside }) in met {
            if ways == walks.len() {
                impact.touched.entry(party).or_default().insert(cause);
                if outside {
                    impact.touched_outside.insert((party, cause));
                }
                if party.is_protected() {
                    impact.protected.entry((party, cause)).or_default().add(amount);
                }
            } else {
                let maybe = impact.maybe_touched.entry(party).or_default();
                *maybe.entry(cause).or_default() |= entry.missing;
            }
        }
    }

    fn cause(&self, rule: Option<u32>, running: &Walk) -> Cause {
        let concerned = rule.is_some_and(|rule| self.change.concerns(rule as usize));
        let default_is_new = rule.is_none() && self.change.default_changed;
        let shield = match running.end {
            End::Passes(Some(rule)) if !concerned && !default_is_new => Some(rule),
            _ => None,
        };
        Cause { rule, shield: shield.filter(|rule| self.change.disturbs(*rule as usize)) }
    }

    /// Returns who is charged if every intent that has a say allows the loss: that of the rule
    /// which does the harm, and those of rules that the packet no longer meets.
    fn allowed(
        &self,
        cause: &Cause,
        ends: &Ends,
        running: &Walk,
        candidate: &Walk,
    ) -> Option<Vec<Party>> {
        let charged = self.judges.of(cause.rule).may_affect.charged(ends, self.attribution)?;
        let former: Vec<u32> = met(running).collect();
        (!self.former_forbids(&former, ends, candidate)).then_some(charged)
    }

    /// Returns whether the intent of any of these running rules, if the packet no longer meets
    /// them, forbids the loss.
    fn former_forbids(&self, rules: &[u32], ends: &Ends, candidate: &Walk) -> bool {
        let mut judges = rules.iter().filter_map(|rule| self.former_judge(*rule, candidate));
        judges.any(|judge| judge.may_affect.charged(ends, self.attribution).is_none())
    }

    /// Returns the written intent of a running rule that the packet no longer meets because the
    /// change removed, narrowed or moved it.
    fn former_judge(&self, rule: u32, candidate: &Walk) -> Option<&crate::judge::Judge> {
        if !self.change.disturbs(rule as usize) {
            return None;
        }
        let judge = match self.change.candidate_of[rule as usize] {
            Some(after) if met(candidate).any(|met| met == after as u32) => return None,
            Some(after) => &self.judges.candidate[after],
            None => &self.judges.running[rule as usize],
        };
        judge.written.map(|_| judge)
    }

    //-------- Losses

    fn count_losses(&self, impact: &mut Impact, groups: &mut Groups, entry: &Entry<'_>) {
        let Entry { key, pop, ends, amount, walks, taken, same_walk, missing, .. } = *entry;
        let losses = |side: usize, walk: &Walk, world: usize| {
            self.sets.losses(side, walk, taken[world], amount.packets, amount.bytes)
        };
        let mut ways = Vec::with_capacity(walks.len());
        let (mut before, mut after) = (None, None);
        for (running, candidate) in walks {
            let new = |after: usize, before: usize| {
                self.newly(&losses(1, candidate, after), &losses(0, running, before))
            };
            let mut charge = |new: [NewLosses; 2]| {
                ways.push(self.charge(entry, running, candidate, &new, false));
                if self.former_forbids(entry.mixed, ends, candidate) {
                    ways.push(self.charge(entry, running, candidate, &new, true));
                }
            };
            if same_walk && !entry.is_fuller {
                // Whatever reaches a policer of one set reaches that of the other, and no more.
                for bound in [new(0, 0), new(1, 1)] {
                    charge([bound.clone(), bound]);
                }
            } else {
                charge([new(0, 1), new(1, 0)]);
            }
            let kept = |side: usize, walk: &Walk, world: usize| {
                lost(losses(side, walk, world).iter().filter(|loss| counts_as_lost(loss)), amount)
            };
            widen(&mut before, kept(0, running, 0), kept(0, running, 1));
            widen(&mut after, kept(1, candidate, 0), kept(1, candidate, 1));
        }
        let collateral = ranges(ways.iter().map(|way| &way.collateral));
        let intended = ranges(ways.iter().map(|way| &way.intended));
        for ((_, cause), range) in collateral.iter().chain(&intended) {
            if range.least != range.greatest {
                let coarse = cause.rule.is_some_and(|rule| self.is_coarse(rule));
                let coarse = if coarse { COARSE } else { 0 };
                *impact.missing.entry(*cause).or_default() |= missing | coarse;
                for open in open_rules(entry.pair) {
                    impact.open_rules.entry(*cause).or_default().insert(open);
                }
            }
        }
        let mut parties: BTreeSet<Party> = self.attribution.charged(ends).into_iter().collect();
        parties.extend(protected_parties(ends));
        parties.extend(collateral.keys().chain(intended.keys()).map(|(party, _)| *party));
        for party in parties {
            let of = |ranges: &BTreeMap<(Party, Cause), Range>| {
                let own = ranges.iter().filter(|((charged, _), _)| *charged == party);
                own.map(|((_, cause), range)| (*cause, *range)).collect::<BTreeMap<_, _>>()
            };
            let traffic = Traffic {
                offered: amount,
                before: before.unwrap_or_default().least,
                after: after.unwrap_or_default().least,
                collateral: of(&collateral),
                intended: of(&intended),
            };
            let id = GroupId { party, pop, service: key.service };
            groups.of(id, key.window).add(&traffic);
        }
    }

    fn is_coarse(&self, rule: u32) -> bool {
        self.losses[1].undecided.contains(&rule)
    }

    /// Charges the losses of one way, its least and its greatest; they may be forbidden whatever
    /// the intents of the rules on it say.
    fn charge(
        &self,
        entry: &Entry<'_>,
        running: &Walk,
        candidate: &Walk,
        new: &[NewLosses; 2],
        is_forbidden: bool,
    ) -> Charged {
        let Entry { ends, amount, .. } = *entry;
        let mut charged = Charged::default();
        for (bound, new) in new.iter().enumerate() {
            let allowed = |loss: &RuleLoss| {
                let cause = self.cause(loss.rule, running);
                let allowed = self.allowed(&cause, ends, running, candidate);
                (cause, allowed.filter(|_| !is_forbidden))
            };
            for loss in &new.any {
                let (cause, allowed) = allowed(loss);
                let mut parties: Vec<Party> = protected_parties(ends).collect();
                if allowed.is_none() {
                    parties.extend(self.attribution.charged(ends));
                }
                for party in parties {
                    let known = charged.collateral[bound].entry((party, cause)).or_default();
                    known.add(portion(loss, amount));
                }
            }
            for loss in &new.drops {
                let (cause, allowed) = allowed(loss);
                for party in allowed.into_iter().flatten() {
                    let known = charged.intended[bound].entry((party, cause)).or_default();
                    known.add(portion(loss, amount));
                }
            }
        }
        charged
    }

    /// Returns what the candidate keeps from its way beyond what the running rules did. What was
    /// challenged and is now dropped is newly lost, too: of all degrees of harm, the one in which
    /// the candidate is worst counts.
    fn newly(&self, after: &[RuleLoss], before: &[RuleLoss]) -> NewLosses {
        let drops = self.beyond(after, before, |loss| loss.kind == Kind::Lost);
        let others: [fn(&RuleLoss) -> bool; 2] =
            [|loss| matches!(loss.kind, Kind::Lost | Kind::Redirected), counts_as_lost];
        let mut any = drops.clone();
        for counts in others {
            let milder = self.beyond(after, before, counts);
            if size(&milder) > size(&any) {
                any = milder;
            }
        }
        NewLosses { any, drops }
    }

    fn beyond(
        &self,
        candidate: &[RuleLoss],
        running: &[RuleLoss],
        counts: fn(&RuleLoss) -> bool,
    ) -> Vec<RuleLoss> {
        let after: Vec<RuleLoss> = candidate.iter().copied().filter(counts).collect();
        let before: Vec<RuleLoss> = running.iter().copied().filter(counts).collect();
        let total = |losses: &[RuleLoss], of: fn(&RuleLoss) -> u64| {
            losses.iter().map(of).fold(0u64, u64::saturating_add)
        };
        let packets: fn(&RuleLoss) -> u64 = |loss| loss.packets;
        let bytes: fn(&RuleLoss) -> u64 = |loss| loss.bytes;
        let mut packets_left = total(&after, packets).saturating_sub(total(&before, packets));
        let mut bytes_left = total(&after, bytes).saturating_sub(total(&before, bytes));
        let mut new = Vec::new();
        // First what a rule takes beyond its own counterpart, then whatever is left.
        for whole in [false, true] {
            for loss in &after {
                let counterpart = loss
                    .rule
                    .and_then(|rule| self.change.running_of[rule as usize])
                    .map(|rule| rule as u32);
                let same = before.iter().find(|old| match loss.rule {
                    Some(_) => old.rule.is_some() && old.rule == counterpart,
                    None => old.rule.is_none(),
                });
                let (old_packets, old_bytes) = match same {
                    Some(old) if !whole => (old.packets, old.bytes),
                    _ => (0, 0),
                };
                let packets = loss.packets.saturating_sub(old_packets).min(packets_left);
                let bytes = loss.bytes.saturating_sub(old_bytes).min(bytes_left);
                packets_left -= packets;
                bytes_left -= bytes;
                if packets > 0 || bytes > 0 {
                    new.push(RuleLoss { packets, bytes, ..*loss });
                }
            }
        }
        new
    }
}

fn size(losses: &[RuleLoss]) -> (u64, u64) {
    let total = |of: fn(&RuleLoss) -> u64| losses.iter().map(of).fold(0, u64::saturating_add);
    (total(|loss| loss.packets), total(|loss| loss.bytes))
}

fn counts_as_lost(loss: &RuleLoss) -> bool {
    loss.kind != Kind::Cleaned
}

/// Returns the rules that a packet meets on a walk and that have a say in its fate.
fn met(walk: &Walk) -> impl Iterator<Item = u32> + '_ {
    let end = match walk.end {
        End::Passes(rule) | End::Stopped(rule, _) => rule,
    };
    walk.limits.iter().copied().chain(end)
}

/// Returns whether a packet passes without meeting a limit, whichever of the ways is its own.
fn passes_freely(ways: &Ways) -> bool {
    let is_free = |walk: &Walk| walk.limits.is_empty() && matches!(walk.end, End::Passes(_));
    ways.walks.iter().all(|(running, candidate)| is_free(running) && is_free(candidate))
}

fn portion(loss: &RuleLoss, of: Amount) -> Amount {
    let raw = if of.packets == 0 {
        of.raw
    } else {
        let raw = u128::from(of.raw) * u128::from(loss.packets);
        // At most the raw count, since the loss is part of the packets.
        u64::try_from(raw.div_ceil(u128::from(of.packets))).unwrap_or(of.raw)
    };
    Amount { raw, packets: loss.packets, bytes: loss.bytes }
}

fn lost<'l>(losses: impl Iterator<Item = &'l RuleLoss>, of: Amount) -> Amount {
    losses.fold(Amount::default(), |mut sum, loss| {
        sum.add(portion(loss, of));
        sum
    })
}
