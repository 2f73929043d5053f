//! One question about many owners: at whose addresses is there a header that first meets a yes?
//!
//! The addresses are halved at the ends of the entries' ranges, with ever shorter lists, until
//! all that is left covers the cell: then one answer holds for every address of it. Cells without
//! an owner who is still asked for are skipped. Every witness is tried with all other addresses
//! at once, and from time to time it is tried to show that a whole range has none.

use super::fields::{Field, Ranges};
use super::search::{Budget, Cell, Entry, Outcome, Question, search};
use super::space::{Header, HeaderSet, Key, kinds};
pub use ground::{Ground, Segment};
use marks::Marks;
use sweep::{Span, sweep};

mod ground;
mod marks;
mod sweep;

/// How many domain products are walked together: one bit each.
const TOGETHER: usize = 64;

/// How many witnesses and proofs of other cells are tried.
const REMEMBERED: usize = 16;

/// How many witnesses are tried with all addresses though that reaches few.
const CREDIT: u32 = 8;

/// How many steps an entry are spent to show that a range that is not a cell yet has no yes, and
/// how many times that before it is given up.
const HOPE: u64 = 512;
const HOPES: u64 = 2;

//------------ The walk -------------------------------------------------------

/// Who is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// The owners, sorted, and for each a header with an address of the owner.
    pub owners: Vec<(u32, Header)>,
    /// Whether others may be reached too: the budget ended.
    pub bounded: bool,
}

/// Returns every owner who holds, at an end, an address of a header whose answer is yes. The
/// ground is as good as new afterwards.
pub fn reach(
    question: &Question<'_>,
    key: Key,
    ground: &mut Ground,
    budget: &mut Budget,
) -> Reached {
    let mut pieces = Vec::new();
    for domain in question.domain.iter().filter(|set| set.family() == ground.family) {
        pieces.extend(kinds(ground.family).iter().filter_map(|kind| domain.intersect(kind)));
    }
    let mut marks = Marks::new(ground, key);
    let mut bounded = false;
    for pieces in pieces.chunks(TOGETHER) {
        budget.spend(question.entries.len() as u64);
        if budget.all == 0 {
            bounded = true;
            break;
        }
        bounded |= Walk::new(question, key, pieces).run(&mut marks, budget);
    }
    let owners = marks.finish();
    budget.spend(owners.len() as u64);
    Reached { owners, bounded }
}

/// An entry, and how it stands to the pieces of the domain.
struct Item<'q> {
    entry: Entry<'q>,
    /// Its addresses at the owners' end.
    addresses: &'q Ranges<u128>,
    /// The pieces it meets.
    meets: u64,
    /// The pieces it covers, addresses at the owners' end aside.
    covers: u64,
}

/// A range of addresses to be looked at, and where the list of its parent is.
struct Node {
    first: u128,
    last: u128,
    list: (usize, usize),
    default: bool,
    pieces: u64,
    /// How long the list was for which it was last tried to decide a range as a whole.
    tried: usize,
}

/// Why no header of a piece was found in a cell.
struct Barren {
    piece: usize,
    core: Vec<u32>,
    /// The yeses that there were.
    yeses: Vec<u32>,
    /// Whether there was no yes by default.
    default: bool,
}

struct Walk<'q> {
    key: Key,
    pieces: &'q [HeaderSet],
    items: Vec<Item<'q>>,
    /// The items as plain entries.
    entries: Vec<Entry<'q>>,
    default: bool,
    /// The least and the greatest address of the domain.
    hull: (u128, u128),
    credit: u32,
    /// The steps left for such hopes.
    hope: u64,
    witnesses: Vec<(usize, Header)>,
    barren: Vec<Barren>,
    /// For every item in which cell it was last.
    seen: Vec<u64>,
    cell: u64,
}

impl<'q> Walk<'q> {
    fn new(question: &Question<'q>, key: Key, pieces: &'q [HeaderSet]) -> Walk<'q> {
        let mut items: Vec<Item<'q>> = Vec::new();
        let mut default = question.default;
        let everything = if pieces.len() < 64 { (1 << pieces.len()) - 1 } else { u64::MAX };
        for entry in &question.entries {
            // Few domains are asked about, and each has many pieces.
            if question.domain.iter().all(|domain| !entry.set.meets(domain)) {
                continue;
            }
            let (mut meets, mut covers) = (0, 0);
            for (at, piece) in pieces.iter().enumerate() {
                if entry.set.meets(piece) {
                    meets |= 1 << at;
                    covers |= u64::from(entry.set.covers_but(key, piece)) << at;
                }
            }
            if meets == 0 {
                continue;
            }
            let addresses = entry.set.key(key);
            if covers == everything && pieces.iter().all(|piece| entry.set.covers(piece)) {
                default = entry.answer;
                break;
            }
            items.push(Item { entry: *entry, addresses, meets, covers });
        }
        while items.last().is_some_and(|item| item.entry.answer == default) {
            items.pop();
        }
        let entries = items.iter().map(|item| item.entry).collect();
        let seen = vec![0; items.len()];
        let length = items.len() as u64 + 16;
        let (witnesses, barren) = (Vec::new(), Vec::new());
        let hulls = pieces.iter().map(|piece| piece.key(key).hull());
        let hull = hulls.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((1, 0));
        Walk {
            key,
            pieces,
            items,
            entries,
            default,
            hull,
            credit: CREDIT,
            hope: HOPES * HOPE * length,
            witnesses,
            barren,
            seen,
            cell: 0,
        }
    }

    /// Returns the places of some pieces.
    fn places(pieces: u64) -> impl Iterator<Item = usize> {
        (0..TOGETHER).filter(move |at| pieces >> at & 1 == 1)
    }

    /// Marks all that is reached, and returns whether more may be.
    fn run(mut self, marks: &mut Marks<'_>, budget: &mut Budget) -> bool {
        let (first, last) = self.hull;
        let mut bounded = false;
        let mut lists: Vec<u32> = (0..self.items.len() as u32).collect();
        let list = (0, lists.len());
        let (default, pieces, tried) = (self.default, u64::MAX, usize::MAX);
        let mut nodes = vec![Node { first, last, list, default, pieces, tried }];
        let yeses = self.entries.iter().take_while(|entry| entry.answer).count();
        for at in 0..yeses {
            self.mark_yes(at, u64::MAX, self.hull, marks);
        }
        // Ordinary packets first: where little or nothing is in their way they reach most.
        for at in 0..self.pieces.len() {
            let before = marks.count();
            self.project(at, self.pieces[at].corner(), self.hull, marks, budget);
            if !self.is_worth(before, marks) {
                break;
            }
        }
        let mut cuts = Vec::new();
        while let Some(node) = nodes.pop() {
            let (begin, end) = node.list;
            lists.truncate(end);
            let Some(first) = marks.ground.first_unreached(node.first, node.last) else { continue };
            let last = node.last;
            let mut pieces = 0;
            for at in Walk::places(node.pieces).take_while(|at| *at < self.pieces.len()) {
                if self.pieces[at].key(self.key).meets_range(first, last) {
                    pieces |= 1 << at;
                }
            }
            if pieces == 0 {
                continue;
            }
            if budget.all == 0 {
                bounded = true;
                continue;
            }
            budget.spend((end - begin) as u64 + 1);
            let mut default = node.default;
            for at in begin..end {
                let item = &self.items[lists[at] as usize];
                if item.meets & pieces == 0 || !item.addresses.meets_range(first, last) {
                    continue;
                }
                if item.covers & pieces == pieces && item.addresses.covers_range(first, last) {
                    default = item.entry.answer;
                    break;
                }
                lists.push(lists[at]);
            }
            while lists.len() > end
                && lists.last().is_some_and(|at| self.entries[*at as usize].answer == default)
            {
                lists.pop();
            }
            if lists.len() == end {
                if default {
                    self.mark_all(pieces, (first, last), marks);
                }
                continue;
            }
            let head = lists[end] as usize;
            if self.entries[head].answer {
                self.mark_yes(head, pieces, (first, last), marks);
                if marks.ground.first_unreached(first, last).is_none() {
                    continue;
                }
            }
            cuts.clear();
            for at in &lists[end..] {
                add_cuts(self.items[*at as usize].addresses, first, last, &mut cuts);
            }
            for at in Walk::places(pieces) {
                add_cuts(self.pieces[at].key(self.key), first, last, &mut cuts);
            }
            let list = (end, lists.len());
            let length = list.1 - list.0;
            let middle = cuts.len() / 2;
            if cuts.is_empty() {
                let list = lists[end..].to_vec();
                bounded |= self.decide(&list, default, pieces, (first, last), marks, budget);
                continue;
            }
            let mut tried = node.tried;
            if self.hope > 0 && length <= tried / 2 {
                tried = length;
                pieces = self.hopeful(&lists[end..], default, pieces, (first, last), marks, budget);
            }
            let cut = *cuts.select_nth_unstable(middle).1;
            nodes.push(Node { first: cut, last, list, default, pieces, tried });
            nodes.push(Node { first, last: cut - 1, list, default, pieces, tried });
        }
        bounded
    }

    /// Marks what a leading yes holds.
    fn mark_yes(&self, at: usize, pieces: u64, range: (u128, u128), marks: &mut Marks<'_>) {
        let item = &self.items[at];
        for at in Walk::places(item.meets & pieces) {
            let Some(both) = self.pieces[at].intersect(item.entry.set) else { continue };
            marks.mark_set(&both, range);
        }
    }

    /// Marks everything of some pieces.
    fn mark_all(&self, pieces: u64, range: (u128, u128), marks: &mut Marks<'_>) {
        for at in Walk::places(pieces) {
            marks.mark_set(&self.pieces[at], range);
        }
    }

    /// Marks all within a range for whose addresses a header is a yes but for its own address.
    fn project(
        &self,
        piece: usize,
        header: Header,
        (first, last): (u128, u128),
        marks: &mut Marks<'_>,
        budget: &mut Budget,
    ) {
        if marks.ground.first_unreached(first, last).is_none() {
            return;
        }
        budget.spend(self.items.len() as u64);
        marks.template(header);
        let mut spans = Vec::new();
        let mut default = self.default;
        for (rank, item) in (0u32..).zip(&self.items) {
            let (least, _) = item.addresses.hull();
            if item.meets >> piece & 1 == 0
                || !item.entry.set.contains(&header.with_address(self.key, least))
            {
                continue;
            }
            if item.addresses.covers_range(first, last) {
                default = item.entry.answer;
                break;
            }
            let answer = item.entry.answer;
            let within = item.addresses.within(first, last).iter();
            spans.extend(within.map(|(first, last)| Span {
                first: *first,
                last: *last,
                rank,
                answer,
            }));
        }
        let ranges = self.pieces[piece].key(self.key).within(first, last);
        sweep(spans, ranges, (first, last), default, marks);
    }

    /// Returns whether looking at all entries for one witness has reached some more for it.
    fn is_worth(&self, before: usize, marks: &Marks<'_>) -> bool {
        marks.count() - before > self.items.len() / 64
    }

    /// Marks what a witness of a range holds for elsewhere, as long as that is worth the while.
    fn spread(&mut self, piece: usize, header: Header, marks: &mut Marks<'_>, budget: &mut Budget) {
        let before = marks.count();
        if self.credit > 0 {
            self.project(piece, header, self.hull, marks, budget);
            let is_worth = self.is_worth(before, marks);
            self.credit = if is_worth { CREDIT } else { self.credit - 1 };
        } else {
            remember(&mut self.witnesses, (piece, header));
            marks.template(header);
            let address = header.address(self.key);
            marks.mark(address, address);
        }
    }

    /// Tries for a few steps to show that pieces of a range, which is no cell yet, hold no yes, and
    /// returns the others. A yes that is found on the way is marked wherever it is one.
    fn hopeful(
        &mut self,
        list: &[u32],
        default: bool,
        pieces: u64,
        (first, last): (u128, u128),
        marks: &mut Marks<'_>,
        budget: &mut Budget,
    ) -> u64 {
        let mut left_over = pieces;
        for piece in Walk::places(pieces) {
            let whole = &self.pieces[piece];
            let range = Ranges::one(first, last);
            let Some(addresses) = whole.key(self.key).intersect(&range) else { continue };
            let cell = Cell::new(&self.entries, list, default, whole.at(self.key, addresses));
            budget.spend(list.len() as u64);
            let most = HOPE * (cell.list.len() as u64 + 16);
            let before = most.min(self.hope).min(budget.each).min(budget.all);
            let mut left = before;
            let outcome = search(&self.entries, &cell, &mut left);
            budget.spend(before - left);
            self.hope -= before - left;
            match outcome {
                Outcome::Empty(_) => {
                    left_over &= !(1 << piece);
                    self.hope += before - left;
                }
                Outcome::Found(header) => {
                    self.spread(piece, header, marks, budget);
                    break;
                }
                Outcome::Bounded => break,
            }
        }
        left_over
    }

    /// Decides a cell, which every entry of the list and every piece covers with its addresses,
    /// and returns whether that needed more steps than there were.
    fn decide(
        &mut self,
        list: &[u32],
        default: bool,
        pieces: u64,
        (first, last): (u128, u128),
        marks: &mut Marks<'_>,
        budget: &mut Budget,
    ) -> bool {
        if let Some(header) = self.known_witness(list, default, pieces, first, budget) {
            marks.template(header);
            marks.mark(first, last);
            return false;
        }
        let mut bounded = false;
        for piece in Walk::places(pieces) {
            let near = list.iter().copied();
            let near: Vec<u32> =
                near.filter(|at| self.items[*at as usize].meets >> piece & 1 == 1).collect();
            let whole = self.pieces[piece].at(self.key, Ranges::one(first, last));
            let cell = Cell::new(&self.entries, &near, default, whole);
            budget.spend(near.len() as u64);
            if self.is_barren(piece, &cell, budget) {
                continue;
            }
            let before = budget.each.min(budget.all);
            let mut left = before;
            let outcome = search(&self.entries, &cell, &mut left);
            budget.spend(before - left);
            match outcome {
                Outcome::Found(header) => {
                    marks.template(header);
                    marks.mark(first, last);
                    self.spread(piece, header, marks, budget);
                    return false;
                }
                Outcome::Empty(proof) => {
                    let is_yes = |at: &u32| self.entries[*at as usize].answer;
                    let yeses = cell.list.iter().copied().filter(is_yes).collect();
                    let default = cell.default;
                    remember(&mut self.barren, Barren { piece, core: proof.core, yeses, default });
                }
                Outcome::Bounded => bounded = true,
            }
        }
        bounded
    }

    /// Returns a witness of another cell that is one here as well.
    fn known_witness(
        &mut self,
        list: &[u32],
        default: bool,
        pieces: u64,
        address: u128,
        budget: &mut Budget,
    ) -> Option<Header> {
        for at in (0..self.witnesses.len()).rev() {
            let (piece, header) = self.witnesses[at];
            if pieces >> piece & 1 == 0 || budget.all == 0 {
                continue;
            }
            let header = header.with_address(self.key, address);
            let holds =
                |item: &Item<'_>| item.meets >> piece & 1 == 1 && item.entry.set.contains(&header);
            let place = list.iter().position(|at| holds(&self.items[*at as usize]));
            budget.spend(place.unwrap_or(list.len()) as u64 + 1);
            let answer = place.map(|place| self.entries[list[place] as usize].answer);
            if answer.unwrap_or(default) {
                // The last used is tried first.
                let witness = self.witnesses.remove(at);
                self.witnesses.push(witness);
                return Some(header);
            }
        }
        None
    }

    /// Returns whether the proof of another cell shows that there is no yes here either: all the
    /// noes it rests on are here, and no other yeses. Noes after the last yes are not needed
    /// where the default says no as well.
    fn is_barren(&mut self, piece: usize, cell: &Cell, budget: &mut Budget) -> bool {
        if self.barren.iter().all(|other| other.piece != piece) {
            return false;
        }
        self.cell += 1;
        for at in &cell.list {
            self.seen[*at as usize] = self.cell;
        }
        budget.spend(cell.list.len() as u64);
        let end = if cell.default { None } else { cell.list.last().copied() };
        let is_here = |at: &u32| self.seen[*at as usize] == self.cell;
        for other in self.barren.iter().filter(|other| other.piece == piece) {
            if cell.default && !other.default {
                continue;
            }
            budget.spend(1 + other.core.len() as u64 / 8);
            let has_core =
                other.core.iter().all(|at| is_here(at) || end.is_some_and(|end| *at > end));
            let is_known = |at: &u32| {
                !self.entries[*at as usize].answer || other.yeses.binary_search(at).is_ok()
            };
            if has_core && cell.list.iter().all(is_known) {
                return true;
            }
        }
        false
    }
}

fn remember<T>(list: &mut Vec<T>, one: T) {
    if list.len() >= REMEMBERED {
        list.remove(0);
    }
    list.push(one);
}

/// Adds the addresses within a range at which a set begins or has ended.
fn add_cuts(addresses: &Ranges<u128>, first: u128, last: u128, cuts: &mut Vec<u128>) {
    for (start, end) in addresses.within(first, last) {
        if *start > first {
            cuts.push(*start);
        }
        if *end < last {
            cuts.push(end + 1);
        }
    }
}
