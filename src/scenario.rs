//! What-if: the same traffic, arriving elsewhere, more of it, or not at all.
//!
//! A scenario is a transform of a tally, so that traffic is read once whatever the number of
//! scenarios. Traffic that a scenario moves meets the rules of the PoP where it arrives, and the
//! buckets there; which those are replay has noted for every class of PoPs ([`Moves`]).

use std::collections::{BTreeMap, BTreeSet};

use crate::attribution::{Attribution, Ends, Within};
use crate::model::{Match, NameId, Names, RuleSet, Term};
use crate::tally::{Counts, Key, SLOTS, Tally};

/// The name under which the recording itself is reported.
pub const RECORDED: &str = "recorded";

/// One in the parts of [`Effect::Scale`].
pub const ONE: u64 = 1_000_000;

/// A situation in which the rules are judged.
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What is different in it.
    pub effect: Effect,
}

impl Scenario {
    /// Makes the recording as it is.
    pub fn recorded() -> Scenario {
        Scenario { name: RECORDED.to_owned(), effect: Effect::Nothing }
    }
}

impl Scenario {
    /// Returns whether it drains traffic into several PoPs in proportion to what was recorded
    /// there, and nothing was.
    pub fn lacks_proportion(&self, tally: &Tally) -> bool {
        let Effect::Drain { pop, to } = &self.effect else { return false };
        let recorded = |pop: NameId| {
            let mut all = tally.entries();
            all.any(|(_, key, counts)| key.part == 0 && key.pop == Some(pop) && counts.packets > 0)
        };
        to.len() > 1
            && recorded(*pop)
            && to.iter().all(|(pop, part)| part.is_none() && !recorded(*pop))
    }
}

/// What is different in a scenario.
pub enum Effect {
    /// Nothing: the recording as it is.
    Nothing,
    /// The traffic of a PoP arrives at others.
    Drain {
        /// The PoP.
        pop: NameId,
        /// Where its traffic arrives, and which part of it; no part: in proportion to what was
        /// recorded there.
        to: Vec<(NameId, Option<u32>)>,
    },
    /// Some traffic is so many millionths of what was recorded.
    Scale {
        /// How many millionths.
        factor: u64,
        /// Which traffic.
        which: Which,
    },
    /// The traffic of a PoP arrives nowhere.
    Lose {
        /// The PoP.
        pop: NameId,
    },
    /// The traffic of this part ([`Key::part`]) arrives as well.
    Add {
        /// The part; never zero.
        part: u16,
    },
}

/// Some traffic: all of the conditions hold.
#[derive(Default)]
pub struct Which {
    /// It arrives at one of these.
    pub pops: Vec<BTreeSet<NameId>>,
    /// It is within these customers.
    pub customers: Vec<Within>,
}

impl Which {
    fn holds(&self, key: &Key, ends: &Ends, attribution: &Attribution<'_>) -> bool {
        self.pops.iter().all(|pops| key.pop.is_some_and(|pop| pops.contains(&pop)))
            && self.customers.iter().all(|within| within.charged(ends, attribution).is_some())
    }
}

//------------ Moves ---------------------------------------------------------

/// What replay must note so that scenarios can move traffic: which PoPs are drained, and which of
/// the others the rules tell apart.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    /// Whether any rule asks for the PoP.
    asked: bool,
    /// Drained PoPs, and whether into several.
    drained: BTreeMap<NameId, bool>,
    /// For every PoP where traffic may arrive: its class, as a position in `classes`.
    class_of: BTreeMap<NameId, usize>,
    /// One PoP of every class.
    classes: Vec<NameId>,
}

impl Moves {
    /// Finds what these scenarios move, and which PoPs these rules tell apart.
    pub fn new(scenarios: &[Scenario], sets: [&RuleSet; 2], names: &Names) -> Moves {
        let mut moves = Moves::default();
        let mut named: Vec<BTreeSet<NameId>> = Vec::new();
        for rule in sets.iter().flat_map(|set| &set.rules) {
            pops(&rule.matches, names, &mut named);
        }
        moves.asked = !named.is_empty();
        let mut classes: BTreeMap<Vec<bool>, usize> = BTreeMap::new();
        for scenario in scenarios {
            let Effect::Drain { pop, to } = &scenario.effect else { continue };
            *moves.drained.entry(*pop).or_default() |= to.len() > 1;
            for (pop, _) in to {
                let seen_by = named.iter().map(|pops| pops.contains(pop)).collect();
                let class = *classes.entry(seen_by).or_insert_with(|| {
                    moves.classes.push(*pop);
                    moves.classes.len() - 1
                });
                moves.class_of.insert(*pop, class);
            }
        }
        moves
    }

    /// Returns whether anything is moved between PoPs.
    pub fn moves_any(&self) -> bool {
        !self.drained.is_empty()
    }

    /// Returns whether what is seen at this PoP may meet other rules where it is moved.
    pub fn may_change_path(&self, pop: Option<NameId>) -> bool {
        self.asked && pop.is_some_and(|pop| self.drained.contains_key(&pop))
    }

    /// Returns whether some scenario drains this PoP into several.
    pub fn splits(&self, pop: Option<NameId>) -> bool {
        pop.is_some_and(|pop| self.drained.get(&pop) == Some(&true))
    }

    /// Returns one PoP of every class of those where traffic may arrive.
    pub fn classes(&self) -> &[NameId] {
        &self.classes
    }
}

/// Collects the PoPs that each term names.
fn pops(matches: &Match, names: &Names, found: &mut Vec<BTreeSet<NameId>>) {
    for term in &matches.terms {
        match &term.value {
            Term::Pop(pops) => found.push(pops.iter().map(|pop| names.intern(pop)).collect()),
            Term::Not(inner) => pops(inner, names, found),
            Term::AnyOf(branches) => branches.iter().for_each(|one| pops(one, names, found)),
            _ => {}
        }
    }
}

/// Returns the slot of a source: all its packets arrive at one place, so that a flow stays whole.
pub fn slot(source: u128) -> u8 {
    // The finalizer of splitmix64 (Steele, Lea and Flood 2014) over both halves.
    let mut bits = (source ^ (source >> 64)) as u64;
    for multiplier in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        bits = (bits ^ (bits >> 30)).wrapping_mul(multiplier);
    }
    ((bits ^ (bits >> 31)) % SLOTS) as u8
}

//------------ View ----------------------------------------------------------

/// What a key of the tally is in a scenario; a key that is split has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The key.
    pub key: u32,
    /// Where it arrives; none if unknown.
    pub pop: Option<NameId>,
    /// The number of the pair of paths that it meets there.
    pub pair: u32,
    /// How many buckets of its offers are those of other pairs, and come first.
    pub skip: u32,
    /// How much it is.
    pub counts: Counts,
}

/// A tally as it is in a scenario.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// All of it, in the order of keys.
    pub cells: Vec<Cell>,
    /// For every key: the position of its first cell; [`GONE`] if it has none.
    first: Vec<u32>,
    /// How many millionths of themselves its scaled records are.
    pub factor: u64,
    /// For every key: whether it is scaled.
    scaled: Vec<bool>,
    /// Where traffic newly arrives; buckets elsewhere see what they saw.
    pub arrives: Arrives,
    /// How many packets are moved, added or taken away.
    pub size: u64,
}

/// Where a scenario changes what buckets see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Arrives {
    /// Nowhere.
    #[default]
    Nowhere,
    /// At these PoPs.
    At(BTreeSet<NameId>),
    /// Anywhere.
    Anywhere,
}

const GONE: u32 = u32::MAX;

impl View {
    /// Makes the view of a scenario. `policers_of` says how many policers each pair has.
    pub fn new(
        scenario: &Scenario,
        tally: &Tally,
        moves: &Moves,
        attribution: &Attribution<'_>,
        policers_of: &[u32],
    ) -> View {
        let mut view = View {
            first: vec![GONE; tally.len()],
            factor: ONE,
            cells: Vec::with_capacity(tally.len()),
            ..View::default()
        };
        let slots = match &scenario.effect {
            Effect::Drain { to, .. } => slots(to, tally),
            _ => Vec::new(),
        };
        match &scenario.effect {
            Effect::Drain { to, .. } => {
                view.arrives = Arrives::At(to.iter().map(|(pop, _)| *pop).collect());
            }
            Effect::Scale { factor, .. } => {
                view.factor = *factor;
                view.scaled = vec![false; tally.len()];
                view.arrives = Arrives::Anywhere;
            }
            Effect::Add { .. } => view.arrives = Arrives::Anywhere,
            Effect::Lose { pop } => view.arrives = Arrives::At(BTreeSet::from([*pop])),
            Effect::Nothing => {}
        }
        for (number, key, counts) in tally.entries() {
            let paths = tally.paths.value(key.paths);
            let at = |pop: Option<NameId>| -> (u32, u32) {
                let class = pop.and_then(|pop| moves.class_of.get(&pop));
                let place = match class {
                    Some(class) if paths.len() > 1 && pop != key.pop => class + 1,
                    _ => 0,
                };
                let skip = paths[..place].iter().map(|pair| policers_of[*pair as usize]).sum();
                (paths[place], skip)
            };
            let part = match scenario.effect {
                Effect::Add { part } => part,
                _ => 0,
            };
            if key.part != 0 && key.part != part {
                continue;
            }
            let push = |pop: Option<NameId>, counts: Counts, view: &mut View| {
                let (pair, skip) = at(pop);
                if view.first[number as usize] == GONE {
                    view.first[number as usize] = view.cells.len() as u32;
                }
                view.cells.push(Cell { key: number, pop, pair, skip, counts });
            };
            let is_at = |pop: NameId| key.pop == Some(pop);
            match &scenario.effect {
                Effect::Lose { pop } if is_at(*pop) => view.size += counts.packets,
                Effect::Drain { pop, to } if is_at(*pop) => {
                    view.size += counts.packets;
                    match (to.as_slice(), key.slot) {
                        ([(only, _)], _) => push(Some(*only), counts, &mut view),
                        (several, Some(slot)) => {
                            let place = slots.iter().position(|end| u64::from(slot) < *end);
                            let (pop, _) = several[place.unwrap_or(several.len() - 1)];
                            push(Some(pop), counts, &mut view);
                        }
                        (several, None) => {
                            // The same becomes of it everywhere, so sums can be split.
                            let mut given = Counts::default();
                            for ((pop, _), end) in several.iter().zip(&slots) {
                                let part = until(counts, *end).without(given);
                                given.add(part);
                                if part.packets > 0 || part.bytes > 0 {
                                    push(Some(*pop), part, &mut view);
                                }
                            }
                        }
                    }
                }
                Effect::Scale { factor, which }
                    if which.holds(key, tally.ends.value(key.ends), attribution) =>
                {
                    let scaled = Counts {
                        packets: scale(counts.packets, *factor),
                        bytes: scale(counts.bytes, *factor),
                        ..counts
                    };
                    view.size += scaled.packets.abs_diff(counts.packets);
                    view.scaled[number as usize] = true;
                    push(key.pop, scaled, &mut view);
                }
                _ => {
                    if key.part != 0 {
                        view.size += counts.packets;
                    }
                    push(key.pop, counts, &mut view);
                }
            }
        }
        view
    }

    /// Returns those of its cells whose key is wanted.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(u32) -> bool) -> View {
        let cells = self.cells.iter().filter(|cell| wanted(cell.key)).copied().collect();
        View { cells, first: Vec::new(), ..self.clone() }
    }

    /// Returns the position of the cell of a key, if it has any; a key whose records meet a
    /// policer is never split.
    pub fn position(&self, key: u32) -> Option<usize> {
        let first = self.first[key as usize];
        (first != GONE).then_some(first as usize)
    }

    /// Returns whether the records of a key are more or fewer than recorded.
    pub fn is_scaled(&self, key: u32) -> bool {
        self.scaled.get(key as usize).copied().unwrap_or(false)
    }
}

/// Returns an amount times a factor in millionths, rounded down.
pub fn scale(amount: u64, factor: u64) -> u64 {
    let scaled = u128::from(amount) * u128::from(factor) / u128::from(ONE);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Returns the first of so many slots of a sum.
fn until(counts: Counts, slots: u64) -> Counts {
    let part = |amount: u64| {
        let part = u128::from(amount) * u128::from(slots) / u128::from(SLOTS);
        u64::try_from(part).unwrap_or(u64::MAX)
    };
    Counts {
        records: part(counts.records),
        raw: part(counts.raw),
        packets: part(counts.packets),
        bytes: part(counts.bytes),
    }
}

/// Returns, for every PoP where drained traffic arrives, the slot before which its own end.
fn slots(to: &[(NameId, Option<u32>)], tally: &Tally) -> Vec<u64> {
    let mut recorded: BTreeMap<NameId, u64> = BTreeMap::new();
    for (_, key, counts) in tally.entries().filter(|(_, key, _)| key.part == 0) {
        if let Some(pop) = key.pop {
            let sum = recorded.entry(pop).or_default();
            *sum = sum.saturating_add(counts.packets);
        }
    }
    let mut parts: Vec<u128> = to
        .iter()
        .map(|(pop, part)| match part {
            Some(part) => u128::from(*part),
            None => u128::from(recorded.get(pop).copied().unwrap_or(0)),
        })
        .collect();
    if parts.iter().all(|part| *part == 0) {
        // Nothing was recorded at any of them: all alike.
        parts.fill(1);
    }
    let all: u128 = parts.iter().sum();
    let mut sum = 0;
    parts
        .into_iter()
        .map(|part| {
            sum += part;
            // At most the number of slots.
            u64::try_from(sum * u128::from(SLOTS) / all).unwrap_or(SLOTS)
        })
        .collect()
}
