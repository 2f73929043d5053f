//! One question about header space: is there a header that first meets a yes?
//!
//! Two searches share a budget. The first tries the middle of what is left and cuts out the
//! greatest set that says no to it, which is good where sets overlap; the second cuts out leading
//! sets with ever shorter lists, which is good where they do not. Neither recurses.

use std::rc::Rc;

use super::space::{Header, HeaderSet, kinds};

/// How many entries are worth looking for a good cut between them.
const SMALL: usize = 8;

/// One line of a first-match list.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The headers it answers for.
    pub set: &'a HeaderSet,
    /// What it answers.
    pub answer: bool,
}

/// A question: is there a header of the domain with the answer yes? The first entry that holds a
/// header answers for it, else the default does. Of the domain only headers that can exist count.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The headers asked about: those of any of these.
    pub domain: Vec<HeaderSet>,
    /// Tried in order.
    pub entries: Vec<Entry<'a>>,
    /// The answer for headers in no entry.
    pub default: bool,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There is none.
    Empty,
    /// There is this one.
    Found(Header),
    /// The budget ended before it was known.
    Bounded,
}

/// How many steps may be taken: steps, not time, so that the same work is done on every machine.
/// A step compares an entry with a header or a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// For all questions together; used up as they are asked.
    pub all: u64,
    /// For each single search.
    pub each: u64,
}

impl Budget {
    /// Takes steps from all that is left.
    pub(super) fn spend(&mut self, steps: u64) {
        self.all = self.all.saturating_sub(steps);
    }
}

/// Returns whether there is a header of the domain with the answer yes.
pub fn solve(question: &Question<'_>, budget: &mut Budget) -> Answer {
    let entries = &question.entries;
    let mut left = budget.each;
    let mut answer = Answer::Empty;
    for domain in &question.domain {
        budget.spend(entries.len() as u64);
        if budget.all == 0 {
            return Answer::Bounded;
        }
        let all = 0..entries.len() as u32;
        let near = keep(all, question.default, domain, |at| &entries[at as usize]);
        for kind in kinds(domain.family()) {
            let Some(whole) = domain.intersect(kind) else { continue };
            let cell = Cell::new(entries, &near.list, near.default, whole);
            let before = left.min(budget.all);
            let mut steps = before.saturating_sub(near.list.len() as u64);
            let outcome = search(entries, &cell, &mut steps);
            left -= before - steps;
            budget.spend(before - steps);
            match outcome {
                Outcome::Found(header) => return Answer::Found(header),
                Outcome::Bounded => answer = Answer::Bounded,
                Outcome::Empty(_) => {}
            }
        }
    }
    answer
}

//------------ Cells ----------------------------------------------------------

/// A product of headers, all of which can exist, and the entries that it meets.
pub(super) struct Cell {
    pub(super) whole: HeaderSet,
    /// In order; none of them covers the whole, and the last does not say what the default does.
    pub(super) list: Vec<u32>,
    pub(super) default: bool,
}

impl Cell {
    /// Keeps what a product meets of a list.
    pub(super) fn new(
        entries: &[Entry<'_>],
        list: &[u32],
        default: bool,
        whole: HeaderSet,
    ) -> Cell {
        let kept = keep(list.iter().copied(), default, &whole, |at| &entries[at as usize]);
        Cell { whole, list: kept.list, default: kept.default }
    }
}

struct Kept {
    list: Vec<u32>,
    default: bool,
    /// The entry whose answer became the default.
    covering: Option<u32>,
}

/// Keeps what a product meets of a list, up to what covers it.
fn keep<'e, 'a: 'e>(
    list: impl IntoIterator<Item = u32>,
    default: bool,
    set: &HeaderSet,
    entry: impl Fn(u32) -> &'e Entry<'a>,
) -> Kept {
    let mut kept = Kept { list: Vec::new(), default, covering: None };
    for at in list {
        let Entry { set: own, answer } = entry(at);
        if !own.meets(set) {
            continue;
        }
        if own.covers(set) {
            (kept.default, kept.covering) = (*answer, Some(at));
            break;
        }
        kept.list.push(at);
    }
    while kept.list.last().is_some_and(|at| entry(*at).answer == kept.default) {
        kept.list.pop();
    }
    kept
}

/// What a search found.
pub(super) enum Outcome {
    /// A header whose answer is yes.
    Found(Header),
    /// That there is none, and which entries say so.
    Empty(Proof),
    /// The budget ended.
    Bounded,
}

/// Why there is no yes: with these entries there is none, whatever other noes there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Proof {
    /// The noes it rests on, sorted.
    pub(super) core: Vec<u32>,
}

//------------ The searches ---------------------------------------------------

struct Search<'s> {
    entries: &'s [Entry<'s>],
    cell: &'s Cell,
    core: Vec<u32>,
}

/// Searches a cell for a yes, and takes the steps it needed from those that are left.
pub(super) fn search(entries: &[Entry<'_>], cell: &Cell, left: &mut u64) -> Outcome {
    let mut search = Search { entries, cell, core: Vec::new() };
    let Cell { whole, list, default } = cell;
    if list.is_empty() {
        return if *default {
            Outcome::Found(whole.corner())
        } else {
            Outcome::Empty(Proof::default())
        };
    }
    if let Some(first) = list.first()
        && entries[*first as usize].answer
        && let Some(both) = whole.intersect(entries[*first as usize].set)
    {
        return Outcome::Found(both.corner());
    }
    let count = list.len() as u64;
    let corner = whole.corner();
    if !take(left, count) {
        return Outcome::Bounded;
    }
    if search.decide(&corner, list.len()).0.unwrap_or(*default) {
        return Outcome::Found(corner);
    }
    if !take(left, count) {
        return Outcome::Bounded;
    }
    let volumes: Vec<f64> = list.iter().map(|at| entries[*at as usize].set.volume()).collect();
    let before = (*left / 4).min(20_000 + 20 * count);
    let mut steps = before;
    let centre = search.centre(&volumes, &mut steps);
    *left -= before - steps;
    let found = match centre {
        Some(found) => found,
        None => {
            search.core.clear();
            match search.split(&volumes, left) {
                Some(found) => found,
                None => return Outcome::Bounded,
            }
        }
    };
    match found {
        Some(header) => Outcome::Found(search.more_ordinary(header, left)),
        None => {
            search.core.sort_unstable();
            search.core.dedup();
            Outcome::Empty(Proof { core: search.core })
        }
    }
}

/// Takes steps if there are so many.
fn take(left: &mut u64, steps: u64) -> bool {
    let enough = *left >= steps;
    *left = left.saturating_sub(steps);
    enough
}

/// What the first search has still to look at.
struct Goal {
    set: HeaderSet,
    /// Only so many of the list count.
    until: usize,
    default: bool,
}

impl<'s> Search<'s> {
    fn entry(&self, position: usize) -> &Entry<'s> {
        &self.entries[self.cell.list[position] as usize]
    }

    /// Returns the answer of the first of so many entries that holds a header, and its position;
    /// no answer and the end if none does.
    fn decide(&self, header: &Header, until: usize) -> (Option<bool>, usize) {
        for position in 0..until {
            let entry = self.entry(position);
            if entry.set.contains(header) {
                return (Some(entry.answer), position);
            }
        }
        (None, until)
    }

    /// Searches by middles. Gives nothing if the steps end.
    fn centre(&mut self, volumes: &[f64], left: &mut u64) -> Option<Option<Header>> {
        let cell = self.cell;
        let list = &cell.list;
        let mut goals =
            vec![Goal { set: cell.whole.clone(), until: list.len(), default: cell.default }];
        let mut pieces = Vec::new();
        while let Some(Goal { set, until, default }) = goals.pop() {
            if !take(left, until as u64 + 1) {
                return None;
            }
            let middle = set.middle();
            let (answer, position) = self.decide(&middle, until);
            if answer.unwrap_or(default) {
                return Some(Some(middle));
            }
            let no = (position..until)
                .filter(|at| !self.entry(*at).answer && self.entry(*at).set.contains(&middle))
                .max_by(|a, b| volumes[*a].total_cmp(&volumes[*b]).then(b.cmp(a)));
            // A no that holds the middle, or where none does the first yes nearby: what is in it
            // is another question, and what is not has less to ask.
            let (cut, default_inside) = match no {
                Some(no) => (no, false),
                None => {
                    if !take(left, until as u64) {
                        return None;
                    }
                    let meets =
                        |at: &usize| self.entry(*at).answer && self.entry(*at).set.meets(&set);
                    match (0..until).find(meets) {
                        Some(yes) => (yes, true),
                        None => continue,
                    }
                }
            };
            let entry = *self.entry(cut);
            if !default_inside {
                self.core.push(list[cut]);
            }
            pieces.clear();
            set.minus(entry.set, true, &mut pieces);
            goals.extend(pieces.drain(..).rev().map(|set| Goal { set, until, default }));
            let Some(inside) = set.intersect(entry.set) else { continue };
            // Inside a no only an earlier yes can be one.
            let hopeful = default_inside || {
                if !take(left, cut as u64) {
                    return None;
                }
                (0..cut).any(|at| self.entry(at).answer && self.entry(at).set.meets(&inside))
            };
            if hopeful {
                goals.push(Goal { set: inside, until: cut, default: default_inside });
            }
        }
        Some(None)
    }

    /// Searches by leading entries. Gives nothing if the steps end.
    fn split(&mut self, volumes: &[f64], left: &mut u64) -> Option<Option<Header>> {
        let (cell, entries) = (self.cell, self.entries);
        let entry = |position: u32| &entries[cell.list[position as usize] as usize];
        let start: Rc<Vec<u32>> = Rc::new((0..cell.list.len() as u32).collect());
        let mut goals = vec![(cell.whole.clone(), start, cell.default)];
        let mut pieces = Vec::new();
        while let Some((set, list, default)) = goals.pop() {
            if !take(left, list.len() as u64 + 1) {
                return None;
            }
            let kept = keep(list.iter().copied(), default, &set, entry);
            drop(list);
            if let Some(covering) = kept.covering
                && !kept.default
            {
                self.core.push(cell.list[covering as usize]);
            }
            let Some(first) = kept.list.first() else {
                if kept.default {
                    return Some(Some(set.corner()));
                }
                continue;
            };
            if entry(*first).answer {
                match set.intersect(entry(*first).set) {
                    Some(both) => return Some(Some(both.corner())),
                    None => continue,
                }
            }
            let rest = Rc::new(kept.list);
            let default = kept.default;
            if rest.len() >= SMALL {
                if !take(left, rest.len() as u64) {
                    return None;
                }
                let sets: Vec<&HeaderSet> = rest.iter().map(|at| entry(*at).set).collect();
                if let Some(halves) = set.halves(&sets) {
                    goals.extend(halves.map(|set| (set, Rc::clone(&rest), default)));
                    continue;
                }
            }
            let noes = rest.iter().take_while(|at| !entry(**at).answer);
            let volume = |at: &u32| volumes[*at as usize];
            let greatest = noes.copied().max_by(|a, b| volume(a).total_cmp(&volume(b)));
            let Some(no) = greatest else { continue };
            self.core.push(cell.list[no as usize]);
            pieces.clear();
            set.minus(entry(no).set, true, &mut pieces);
            goals.extend(pieces.drain(..).rev().map(|set| (set, Rc::clone(&rest), default)));
        }
        Some(None)
    }

    /// Returns a yes that is as ordinary as can be had by changing one field after another.
    fn more_ordinary(&self, found: Header, left: &mut u64) -> Header {
        let corner = self.cell.whole.corner();
        let changes: [fn(&mut Header, &Header); 15] = [
            |header, from| header.open = from.open,
            |header, from| header.pop = from.pop,
            |header, from| header.direction = from.direction,
            |header, from| header.ttl = from.ttl,
            |header, from| header.dscp = from.dscp,
            |header, from| header.fragment = from.fragment,
            |header, from| header.protocol = from.protocol,
            |header, from| header.icmp_code = from.icmp_code,
            |header, from| header.icmp_type = from.icmp_type,
            |header, from| header.tcp_flags = from.tcp_flags,
            |header, from| header.packet_length = from.packet_length,
            |header, from| header.src_port = from.src_port,
            |header, from| header.dst_port = from.dst_port,
            |header, from| header.src = from.src,
            |header, from| header.dst = from.dst,
        ];
        let mut header = found;
        for change in changes {
            let mut other = header;
            change(&mut other, &corner);
            if other == header || !self.cell.whole.contains(&other) {
                continue;
            }
            let count = self.cell.list.len();
            if !take(left, count as u64) {
                break;
            }
            if self.decide(&other, count).0.unwrap_or(self.cell.default) {
                header = other;
            }
        }
        header
    }
}
