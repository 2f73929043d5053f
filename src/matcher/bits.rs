//! Bit vectors: for every interval of a field the set of lines that allow it, a bit each; a record
//! meets the lines that all its fields allow.
//!
//! The work for a record hardly depends on how the rules overlap: a look-up a field, and an `and`
//! of a word for every 64 lines, up to the first line that ends the walk. Where a field has more
//! intervals than its budget, neighbours share a set, and the lines are tested one by one as well.

use std::collections::HashMap;

use super::condition::{FIELDS, Field, Ranges, Value};
use super::lines::{Going, Lines};
use super::materials::{Limits, Materials};
use crate::model::intervals::{Bits as _, Intervals};
use crate::model::{Family, Record};

/// How many sets a field may have at least, and at most.
const LEAST: usize = 8;
const MOST: usize = 1 << 15;

/// Some lines as bit vectors, for one family.
#[derive(Clone, Debug)]
pub(super) struct Bits {
    /// The line of each bit, in order.
    lines: Vec<u32>,
    /// Whether a bit that is left says all about its line, if the record knows all it asks for.
    exact: Vec<bool>,
    columns: Vec<Column>,
    /// Words of a set; a multiple of the width that is looked at together.
    words: usize,
}

/// One field.
#[derive(Clone, Debug)]
struct Column {
    field: Field,
    table: Table,
    /// The sets, one behind another.
    sets: Vec<u64>,
    /// The number of the set of records without a value.
    absent: u32,
}

/// From a value to the number of its set.
#[derive(Clone, Debug)]
enum Table {
    Direct(Vec<u16>),
    Narrow(Intervals<u32>, Vec<u16>),
    Wide(Intervals<u128>, Vec<u16>),
}

impl Table {
    #[inline]
    fn set(&self, value: u128) -> u32 {
        let set = match self {
            Table::Direct(sets) => sets[(value as usize).min(sets.len() - 1)],
            Table::Narrow(intervals, sets) => sets[intervals.position(value as u32)],
            Table::Wide(intervals, sets) => sets[intervals.position(value)],
        };
        set.into()
    }
}

impl Bits {
    /// Makes the vectors of some lines.
    pub(super) fn new(lines: Vec<u32>, of: Materials<'_>, family: Family) -> Bits {
        let width = width(lines.len().div_ceil(64));
        let words = lines.len().div_ceil(64).next_multiple_of(width);
        let mut exact: Vec<bool> = lines.iter().map(|line| of.lines.is_plain(*line)).collect();
        let mut columns = Vec::new();
        for field in FIELDS {
            let allowed: Vec<Option<&Ranges>> =
                lines.iter().map(|line| of.conditions.allowed(*line, field, family)).collect();
            if allowed.iter().all(Option::is_none) {
                continue;
            }
            let (column, is_coarse) = Column::new(field, family, &allowed, words, of.limits);
            if is_coarse {
                for (exact, allowed) in exact.iter_mut().zip(&allowed) {
                    *exact &= allowed.is_none();
                }
            }
            columns.push(column);
        }
        Bits { lines, exact, columns, words }
    }

    /// Returns how many lines and fields it looks at, and how many bytes it takes.
    pub(super) fn size(&self) -> (usize, usize, usize) {
        let bytes = |column: &Column| {
            let table = match &column.table {
                Table::Direct(sets) => 2 * sets.len(),
                Table::Narrow(intervals, sets) => 4 * intervals.starts().len() + 2 * sets.len(),
                Table::Wide(intervals, sets) => 16 * intervals.starts().len() + 2 * sets.len(),
            };
            8 * column.sets.len() + table
        };
        let all: usize = self.columns.iter().map(bytes).sum();
        (self.lines.len(), self.columns.len(), all + 5 * self.lines.len())
    }

    /// Notes the lines that a record meets.
    #[inline]
    pub(super) fn walk(&self, all: &Lines, record: &Record, going: &mut Going<'_>) {
        match width(self.words) {
            1 => self.walk_by::<1>(all, record, going),
            2 => self.walk_by::<2>(all, record, going),
            4 => self.walk_by::<4>(all, record, going),
            _ => self.walk_by::<8>(all, record, going),
        }
    }

    #[inline]
    fn walk_by<const WIDTH: usize>(&self, all: &Lines, record: &Record, going: &mut Going<'_>) {
        let mut sets: [&[u64]; FIELDS.len()] = [&[]; FIELDS.len()];
        let mut count = 0;
        for column in &self.columns {
            let set = match column.field.value(record) {
                Value::Is(value) => column.table.set(value),
                Value::Absent => column.absent,
                Value::Unknown => continue,
            };
            sets[count] = &column.sets[set as usize * self.words..][..self.words];
            count += 1;
        }
        let sets = &sets[..count];
        for start in (0..self.words).step_by(WIDTH) {
            let mut left = [u64::MAX; WIDTH];
            for set in sets {
                let set: &[u64; WIDTH] = match set[start..].first_chunk() {
                    Some(words) => words,
                    None => return,
                };
                for (left, word) in left.iter_mut().zip(set) {
                    *left &= word;
                }
            }
            for (at, left) in left.iter().enumerate() {
                let mut left = *left;
                while left != 0 {
                    let bit = (start + at) * 64 + left.trailing_zeros() as usize;
                    left &= left - 1;
                    let Some(line) = self.lines.get(bit) else { return };
                    if going.is_behind(*line) {
                        return;
                    }
                    all.meet(*line, self.exact[bit], record, going);
                }
            }
        }
    }
}

/// Returns how many words are looked at together.
fn width(words: usize) -> usize {
    match words {
        0 | 1 => 1,
        2 => 2,
        3 | 4 => 4,
        _ => 8,
    }
}

impl Column {
    /// Sweeps over the edges of all ranges. Says whether any set had to be shared.
    fn new(
        field: Field,
        family: Family,
        allowed: &[Option<&Ranges>],
        words: usize,
        limits: Limits,
    ) -> (Column, bool) {
        let max = field.max(family);
        // At a value a line begins (true) or no longer holds (false).
        let mut edges: Vec<(u128, bool, u32)> = Vec::new();
        let mut now = vec![0u64; words];
        for (bit, ranges) in allowed.iter().enumerate() {
            let Some(ranges) = ranges else {
                now[bit / 64] |= 1 << (bit % 64);
                continue;
            };
            for (first, last) in ranges.iter() {
                edges.push((*first, true, bit as u32));
                if *last < max {
                    edges.push((*last + 1, false, bit as u32));
                }
            }
        }
        edges.sort_unstable();
        let mut values: Vec<u128> = edges.iter().map(|(value, ..)| *value).collect();
        values.push(0);
        values.sort_unstable();
        values.dedup();
        let most = (limits.words / words.max(1)).clamp(LEAST, MOST);
        let together = values.len().div_ceil(most);
        let mut sets = Sets { numbers: HashMap::default(), words: Vec::new() };
        let absent = sets.number(&now);
        let (mut starts, mut numbers) = (Vec::new(), Vec::new());
        let mut edges = edges.into_iter().peekable();
        for values in values.chunks(together) {
            let mut met = vec![0u64; words];
            for (at, value) in values.iter().enumerate() {
                // Ends sort before beginnings, so a line that goes on in a new range stays.
                while let Some((_, begins, bit)) = edges.next_if(|edge| edge.0 == *value) {
                    let (word, mask) = (bit as usize / 64, 1u64 << (bit % 64));
                    if begins {
                        now[word] |= mask;
                        met[word] |= mask;
                    } else {
                        now[word] &= !mask;
                    }
                }
                if at == 0 {
                    met.iter_mut().zip(&now).for_each(|(met, now)| *met |= now);
                }
            }
            starts.push(values[0]);
            numbers.push(sets.number(&met));
        }
        // A table of all ports is worth its place only among many lines.
        let is_direct = max <= u8::MAX.into() || (max <= u16::MAX.into() && words > 1);
        let table = if is_direct {
            let mut direct = vec![0; max as usize + 1];
            let ends = starts.iter().skip(1).copied().chain([max + 1]);
            for ((start, end), number) in starts.iter().zip(ends).zip(&numbers) {
                direct[*start as usize..end as usize].fill(*number);
            }
            Table::Direct(direct)
        } else if max <= u32::MAX.into() {
            let starts = starts.iter().map(|start| u32::of(*start)).collect();
            Table::Narrow(Intervals::new(starts), numbers)
        } else {
            Table::Wide(Intervals::new(starts), numbers)
        };
        (Column { field, table, sets: sets.words, absent: absent.into() }, together > 1)
    }
}

/// Sets of lines, each kept once.
struct Sets {
    numbers: HashMap<Vec<u64>, u16, foldhash::fast::FixedState>,
    words: Vec<u64>,
}

impl Sets {
    fn number(&mut self, set: &[u64]) -> u16 {
        if let Some(number) = self.numbers.get(set) {
            return *number;
        }
        // There are at most as many as intervals, and one more.
        let number = self.numbers.len() as u16;
        self.words.extend(set);
        self.numbers.insert(set.to_vec(), number);
        number
    }
}
