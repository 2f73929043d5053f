//! Which lines a record can meet at all: chosen by how many there are, and how they look.
//!
//! A few lines are tried one by one; up to some thousands, and those that are wide in every way,
//! are bit vectors; of more, those that name few destinations are listed by interval of
//! destination, others that name few sources by interval of source, and each list is an engine
//! again.

use std::collections::HashMap;
use std::fmt;

use super::bits::Bits;
use super::condition::{Field, Ranges};
use super::lines::{Going, Lines, Point};
use super::materials::Materials;
use crate::model::intervals::{Bits as _, Intervals};
use crate::model::{Family, Record};

/// Lists of lines by interval may hold so many for each line.
const COPIES: usize = 8;

/// A line is narrow in an address if it allows at most this part of the family, as a power of two.
const NARROW_BITS: u32 = 8;

/// An engine for some lines, in order, and one family.
#[derive(Clone, Debug)]
pub(super) enum Engine {
    Few(Vec<u32>),
    Bits(Bits),
    Split(Box<Split>),
}

/// Lines by interval of one address, and the others.
#[derive(Clone, Debug)]
pub(super) struct Split {
    by_dst: bool,
    table: Table,
    /// Of every interval: where its lines are.
    places: Vec<Place>,
    /// The lists of a few lines, one behind another.
    few: Vec<u32>,
    /// The engines of longer lists.
    engines: Vec<Engine>,
    rest: Engine,
}

#[derive(Clone, Debug)]
enum Table {
    V4(Intervals<u32>),
    V6(Intervals<u128>),
}

/// Where the lines of an interval are.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// From here so many of the short lists.
    Few(u32, u32),
    /// This engine.
    Engine(u32),
}

/// How an engine was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Lines that are listed by interval of destination or source.
    pub listed: usize,
    /// Lines in bit vectors.
    pub vectors: usize,
    /// The fields of the largest vectors.
    pub fields: usize,
    /// Lines tried one by one.
    pub scanned: usize,
    /// How many engines a record walks through one inside the other, at most.
    pub depth: usize,
    /// Bytes of all tables.
    pub bytes: usize,
}

impl fmt::Display for Shape {
    /// Says how, and why so, in a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.listed, "entries by address, as there are many rules".to_owned()),
            (self.vectors, format!("in bit vectors of up to {} fields", self.fields)),
            (self.scanned, "one by one, as there are few".to_owned()),
        ];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, how)| format!("{count} {how}")).collect();
        match parts.is_empty() {
            true => f.write_str("no rules"),
            false => write!(f, "{}; {} kB", parts.join(", "), self.bytes.div_ceil(1_000)),
        }
    }
}

impl Engine {
    /// Makes an engine for some lines, in order.
    pub(super) fn new(lines: Vec<u32>, of: Materials<'_>, family: Family) -> Engine {
        if lines.len() <= of.limits.few {
            return Engine::Few(lines);
        }
        if lines.len() > of.limits.many && of.nesting > 0 {
            for field in [Field::Dst, Field::Src] {
                if let Some(split) = Split::new(&lines, field, of, family) {
                    return Engine::Split(Box::new(split));
                }
            }
        }
        Engine::Bits(Bits::new(lines, of, family))
    }

    /// Notes the lines that a record meets.
    #[inline]
    pub(super) fn walk(&self, all: &Lines, point: &Point, record: &Record, going: &mut Going<'_>) {
        match self {
            Engine::Few(lines) => few(lines, all, point, record, going),
            Engine::Bits(bits) => bits.walk(all, record, going),
            Engine::Split(split) => split.walk(all, point, record, going),
        }
    }

    /// Adds how it was made to what is known already.
    pub(super) fn describe(&self, shape: &mut Shape) {
        self.describe_from(0, shape);
    }

    fn describe_from(&self, depth: usize, shape: &mut Shape) {
        shape.depth = shape.depth.max(depth);
        match self {
            Engine::Few(lines) => {
                shape.scanned += lines.len();
                shape.bytes += 4 * lines.len();
            }
            Engine::Bits(bits) => {
                let (lines, fields, bytes) = bits.size();
                shape.vectors += lines;
                shape.fields = shape.fields.max(fields);
                shape.bytes += bytes;
            }
            Engine::Split(split) => {
                let (starts, size) = match &split.table {
                    Table::V4(intervals) => (intervals.starts().len(), 4),
                    Table::V6(intervals) => (intervals.starts().len(), 16),
                };
                shape.listed += split.few.len();
                shape.bytes += starts * (size + 12) + 4 * split.few.len();
                let inner = split.engines.iter().chain([&split.rest]);
                inner.for_each(|engine| engine.describe_from(depth + 1, shape));
            }
        }
    }
}

#[inline]
fn few(lines: &[u32], all: &Lines, point: &Point, record: &Record, going: &mut Going<'_>) {
    for line in lines {
        if going.is_behind(*line) {
            return;
        }
        all.try_quick(*line, point, record, going);
    }
}

impl Split {
    /// Splits lines by an address; nothing if too few are narrow in it.
    fn new(lines: &[u32], field: Field, of: Materials<'_>, family: Family) -> Option<Split> {
        let allowed = |line: u32| of.conditions.allowed(line, field, family);
        let most = family.max() >> NARROW_BITS;
        let size = |ranges: &Ranges| {
            let sizes = ranges.iter().map(|(first, last)| last - first);
            sizes.fold(0u128, |sum, size| sum.saturating_add(size).saturating_add(1))
        };
        let is_narrow = |line: &u32| allowed(*line).is_some_and(|ranges| size(ranges) <= most);
        let (narrow, mut rest): (Vec<u32>, Vec<u32>) =
            lines.iter().partition(|line| is_narrow(line));
        let are_enough = |some: &[u32]| some.len() * 4 >= lines.len();
        if !are_enough(&narrow) {
            return None;
        }
        let mut starts: Vec<u128> = vec![0];
        for (first, last) in narrow.iter().filter_map(|line| allowed(*line)).flatten() {
            starts.push(*first);
            starts.extend(last.checked_add(1).filter(|after| *after <= family.max()));
        }
        starts.sort_unstable();
        starts.dedup();
        // A line is listed once for every interval that it holds; those that hold most of them are
        // left to the rest, if there are too many.
        let at = |start: u128| starts.partition_point(|own| *own < start);
        let spans = |line: u32| {
            let ranges = allowed(line).into_iter().flatten();
            ranges.map(|(first, last)| (at(*first), starts.partition_point(|own| own <= last)))
        };
        let mut by_copies: Vec<(usize, u32)> = narrow
            .iter()
            .map(|line| (spans(*line).map(|(from, to)| to - from).sum(), *line))
            .collect();
        by_copies.sort_unstable();
        let mut left = COPIES * narrow.len();
        let mut listed = Vec::with_capacity(narrow.len());
        for (copies, line) in by_copies {
            if copies <= left {
                left -= copies;
                listed.push(line);
            } else {
                left = 0;
                rest.push(line);
            }
        }
        if !are_enough(&listed) {
            return None;
        }
        listed.sort_unstable();
        rest.sort_unstable();
        let mut lists: Vec<Vec<u32>> = vec![Vec::new(); starts.len()];
        for line in &listed {
            for (from, to) in spans(*line) {
                lists[from..to].iter_mut().for_each(|list| list.push(*line));
            }
        }
        // What is in one list would only be split again and again.
        if lists.iter().any(|list| list.len() == lines.len()) {
            return None;
        }
        let table = match family {
            Family::V4 => Table::V4(Intervals::new(starts.iter().map(|at| u32::of(*at)).collect())),
            Family::V6 => Table::V6(Intervals::new(starts)),
        };
        let mut split = Split {
            by_dst: field == Field::Dst,
            table,
            places: Vec::with_capacity(lists.len()),
            few: Vec::new(),
            engines: Vec::new(),
            rest: Engine::new(rest, of, family),
        };
        let mut known: HashMap<Vec<u32>, Place> = HashMap::new();
        for list in lists {
            let place = match known.get(&list) {
                Some(place) => *place,
                None => {
                    let place = split.place(&list, of.for_part(list.len(), lines.len()), family);
                    known.insert(list, place);
                    place
                }
            };
            split.places.push(place);
        }
        Some(split)
    }

    /// Finds a place for a list.
    fn place(&mut self, list: &[u32], of: Materials<'_>, family: Family) -> Place {
        match Engine::new(list.to_vec(), of, family) {
            Engine::Few(list) => {
                let from = self.few.len() as u32;
                self.few.extend(&list);
                Place::Few(from, list.len() as u32)
            }
            engine => {
                self.engines.push(engine);
                Place::Engine(self.engines.len() as u32 - 1)
            }
        }
    }

    fn walk(&self, all: &Lines, point: &Point, record: &Record, going: &mut Going<'_>) {
        let header = &record.header;
        let address = if self.by_dst { header.dst } else { header.src };
        let position = match &self.table {
            // The bits of an IPv4 address fit by construction.
            Table::V4(intervals) => intervals.position(address as u32),
            Table::V6(intervals) => intervals.position(address),
        };
        match self.places[position] {
            Place::Few(from, count) => {
                let list = &self.few[from as usize..][..count as usize];
                few(list, all, point, record, going);
            }
            Place::Engine(engine) => {
                self.engines[engine as usize].walk(all, point, record, going);
            }
        }
        self.rest.walk(all, point, record, going);
    }
}
