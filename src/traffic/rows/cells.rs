//! What one row says, cell by cell, by column.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::plan::{Mask, Plan};
use super::{Preset, columnar, value};
use crate::model::columns::Column;

/// What a cell says. Only Parquet has cells that are no text; each means what its text would.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "all cells are text without it"))]
pub(super) enum Cell<'a> {
    Text(&'a str),
    Number(u64),
    /// So many of such units since 1970 UTC.
    Time {
        number: i64,
        unit_ns: i64,
    },
    /// An address of IPv6.
    Octets([u8; 16]),
}

impl<'a> Cell<'a> {
    /// Returns what its form would write.
    pub(super) fn text(self) -> Cow<'a, str> {
        match self {
            Cell::Text(text) => Cow::Borrowed(text),
            Cell::Number(number) => Cow::Owned(number.to_string()),
            Cell::Time { number, unit_ns } => {
                let mut text = String::new();
                value::write_time(&mut text, number, unit_ns, true);
                Cow::Owned(text)
            }
            Cell::Octets(octets) => Cow::Owned(Ipv6Addr::from(octets).to_string()),
        }
    }
}

/// Where the text of a cell lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// With [`Span::OWN`], if it was made.
    from: u32,
    length: u32,
}

impl Span {
    /// No text.
    pub(super) const EMPTY: Span = Span { from: 0, length: 0 };

    const OWN: u32 = 1 << 31;

    /// Makes a span of the text of the row, which is never longer than a few MiB.
    #[inline]
    pub(super) fn new(from: usize, to: usize) -> Span {
        Span { from: from as u32, length: to.saturating_sub(from) as u32 }
    }
}

/// Where the cells of a row are put, and stay until the next one.
#[derive(Default)]
pub(super) struct Slots {
    spans: Vec<Span>,
    /// Which of them are not empty.
    filled: Mask,
    /// Texts that do not stand in the row as they are.
    own: String,
}

impl Slots {
    /// Forgets the last row.
    #[inline]
    pub(super) fn clear(&mut self, plan: &Plan) {
        self.own.clear();
        self.filled = 0;
        self.spans.clear();
        self.spans.resize(plan.names.len(), Span::EMPTY);
    }

    /// Keeps a text that does not stand in the row.
    pub(super) fn own(&mut self, text: &str) -> Span {
        let from = self.own.len() as u32 | Span::OWN;
        self.own.push_str(text);
        Span { from, length: text.len() as u32 }
    }

    /// Puts a cell of a row in a slot.
    #[inline]
    pub(super) fn put(&mut self, slot: usize, span: Span) {
        if let Some(place) = self.spans.get_mut(slot) {
            *place = span;
            self.filled |= u64::from(span.length != 0) << (slot % Mask::BITS as usize);
        }
    }

    /// Puts a cell of a row in a slot; none if another one is there already.
    #[inline]
    pub(super) fn put_once(&mut self, row: &str, slot: usize, span: Span) -> Option<()> {
        if self.filled & 1 << (slot % Mask::BITS as usize) != 0 {
            let before = self.get(row, slot);
            if !before.is_empty() && before != self.text(row, span) {
                return None;
            }
        }
        self.put(slot, span);
        Some(())
    }

    /// Returns the text in a slot.
    #[inline]
    pub(super) fn get<'a>(&'a self, row: &'a str, slot: usize) -> &'a str {
        self.spans.get(slot).map_or("", |span| self.text(row, *span))
    }

    /// Returns the text of a span.
    #[inline]
    pub(super) fn text<'a>(&'a self, row: &'a str, span: Span) -> &'a str {
        let (text, from) = match span.from & Span::OWN {
            0 => (row, span.from as usize),
            _ => (self.own.as_str(), (span.from & !Span::OWN) as usize),
        };
        text.get(from..from + span.length as usize).unwrap_or_default()
    }
}

/// Where the cells of a row are.
#[derive(Clone, Copy)]
pub(super) enum Cells<'a> {
    /// In slots.
    Text { row: &'a str, slots: &'a Slots },
    /// In a line, one after another: where each but the first begins, and, with one more, where the last
    /// ends. And by slot, which of them is meant.
    Line { row: &'a str, starts: &'a [u32], by_slot: &'a [Option<u16>] },
    /// In a table.
    Table { table: &'a columnar::Decoded, row: usize },
}

impl Cells<'_> {
    /// Returns the bits of the slots that may say something.
    #[inline]
    pub(super) fn mask(&self, all: Mask) -> Mask {
        match self {
            Cells::Text { slots, .. } => slots.filled,
            Cells::Line { .. } | Cells::Table { .. } => all,
        }
    }
}

/// A row.
pub(in crate::traffic) struct Row<'a> {
    pub(super) cells: Cells<'a>,
    /// The bits of the slots that may say something.
    pub(super) mask: Mask,
    pub(super) plan: &'a Plan,
    pub(super) preset: &'static Preset,
}

impl<'a> Row<'a> {
    /// Returns how many bytes it has; none where it is no text.
    #[inline]
    pub(super) fn length(&self) -> usize {
        match self.cells {
            Cells::Line { row, .. } | Cells::Text { row, .. } => row.len(),
            Cells::Table { .. } => 0,
        }
    }

    /// Returns what the row says in a slot.
    fn cell(&self, slot: usize) -> Option<Cell<'a>> {
        match self.cells {
            Cells::Text { row, slots } => self.said(slots.get(row, slot)),
            Cells::Line { row, starts, by_slot } => self.said(part(row, starts, by_slot, slot)?),
            Cells::Table { table, row } => match table.cell(slot, row)? {
                Cell::Text(text) => self.said(text),
                cell => Some(cell),
            },
        }
    }

    /// Returns what a text says, if anything.
    #[inline(always)]
    fn said(&self, text: &'a str) -> Option<Cell<'a>> {
        let text = trim(text);
        let is_unset = text.is_empty() || self.preset.unset.contains(&text);
        (!is_unset).then_some(Cell::Text(text))
    }

    /// Returns all that the row has under the names of a column, the best first.
    #[inline]
    pub(super) fn all(&self, column: Column) -> impl Iterator<Item = Cell<'a>> {
        self.plan.slots(column).iter().filter_map(|slot| self.cell(*slot))
    }

    /// Returns what the row says in a column.
    #[inline(always)]
    pub(super) fn find(&self, column: Column) -> Option<Cell<'a>> {
        if self.mask & self.plan.mask(column) == 0 {
            return None;
        }
        match (self.plan.slots(column), self.cells) {
            // Mostly it is like this, and the compiler is to see it.
            ([slot], Cells::Line { row, starts, by_slot }) => {
                self.said(part(row, starts, by_slot, *slot)?)
            }
            ([slot], _) => self.cell(*slot),
            (slots, _) => self.first(slots),
        }
    }

    fn first(&self, slots: &[usize]) -> Option<Cell<'a>> {
        slots.iter().find_map(|slot| self.cell(*slot))
    }

    /// Returns what the row says in a column, as text.
    pub(in crate::traffic) fn get(&self, column: Column) -> Option<Cow<'a, str>> {
        self.find(column).map(Cell::text)
    }

    /// Returns what the row says in a column that only its form reads, by its place in the list.
    pub(in crate::traffic) fn extra(&self, at: usize) -> Option<Cow<'a, str>> {
        self.cell(self.plan.extra + at).map(Cell::text)
    }

    /// Returns a number in a column that only its form reads.
    pub(in crate::traffic) fn extra_number(&self, at: usize) -> Option<u64> {
        match self.cell(self.plan.extra + at)? {
            Cell::Number(number) => Some(number),
            cell => value::whole(&cell.text()),
        }
    }
}

/// Returns the part of a line that is wanted in a slot, if any is.
#[inline(always)]
fn part<'a>(row: &'a str, starts: &[u32], by_slot: &[Option<u16>], slot: usize) -> Option<&'a str> {
    let column = usize::from((*by_slot.get(slot)?)?);
    let [start, next] = *starts.get(column..)?.first_chunk()?;
    row.get(start as usize..(next as usize).wrapping_sub(1))
}

/// Takes the spaces off both ends; mostly there are none.
#[inline(always)]
fn trim(text: &str) -> &str {
    let is_plain = |byte: Option<&u8>| byte.is_some_and(|byte| (0x21..0x7f).contains(byte));
    let bytes = text.as_bytes();
    if is_plain(bytes.first()) && is_plain(bytes.last()) { text } else { text.trim() }
}
