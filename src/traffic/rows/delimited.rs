//! Lines with something between their columns: CSV with or without quotes, tabs, spaces.

use csv::{ByteRecord, ReaderBuilder};

use super::cells::{Cells, Slots};
use super::plan::{Mask, Plan};
use super::swar;

/// What the columns of a recording are.
pub(super) struct Header {
    delimiter: u8,
    /// Where what stands in each of them is wanted.
    slots: Vec<Vec<usize>>,
    /// By slot: the last column that is wanted there, if any.
    by_slot: Vec<Option<u16>>,
    /// The bits of the slots that some column is wanted in.
    mask: Mask,
    /// Whether a line that begins with a digit may be one that names columns.
    has_digits: bool,
    /// The line, if there is one.
    line: Option<String>,
    /// Their names, in small letters.
    pub(super) names: Vec<String>,
    /// Whether the last of them is wanted.
    pub(super) is_last_wanted: bool,
}

impl Header {
    /// Reads a line that names the columns.
    pub(super) fn of_line(line: &str, delimiter: u8, plan: &Plan) -> Header {
        let names = match split(line, delimiter) {
            Some(names) => names.iter().map(|name| name.trim().to_owned()).collect(),
            None => Vec::new(),
        };
        Header { line: Some(line.to_owned()), ..Header::of_names(names, delimiter, plan) }
    }

    /// Makes a header of names.
    pub(super) fn of_names(names: Vec<String>, delimiter: u8, plan: &Plan) -> Header {
        let slots: Vec<Vec<usize>> = names.iter().map(|name| plan.slots_of(name)).collect();
        let (mut by_slot, mut mask) = (vec![None; plan.names.len()], 0);
        for (column, slots) in slots.iter().enumerate() {
            for slot in slots {
                by_slot[*slot] = u16::try_from(column).ok();
                mask |= 1 << (slot % Mask::BITS as usize);
            }
        }
        let has_digit = |name: &String| name.starts_with(|c: char| !c.is_ascii_alphabetic());
        Header {
            delimiter,
            by_slot,
            mask,
            has_digits: names.first().is_none_or(has_digit),
            is_last_wanted: slots.last().is_some_and(|slots| !slots.is_empty()),
            slots,
            line: None,
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// Returns whether a line can be neither this one nor another that names columns: names begin with a
    /// letter, and most rows do not.
    #[inline]
    pub(super) fn is_surely_row(&self, line: &str) -> bool {
        !self.has_digits && line.as_bytes().first().is_some_and(u8::is_ascii_digit)
    }

    /// Returns whether a line is this one.
    pub(super) fn is(&self, line: &str) -> bool {
        let first = line.split(char::from(self.delimiter)).next().unwrap_or("").trim();
        let is_near = |name: &String| name.eq_ignore_ascii_case(first.trim_matches('"'));
        if !self.names.first().is_some_and(is_near) {
            return false;
        }
        self.line.as_deref() == Some(line)
            || split(line, self.delimiter).is_some_and(|names| {
                names.len() == self.names.len()
                    && names.iter().zip(&self.names).all(|(a, b)| a.trim().eq_ignore_ascii_case(b))
            })
    }

    /// Returns whether a line names columns, and is not this one.
    pub(super) fn is_another(&self, line: &str, plan: &Plan) -> bool {
        let is_name = |text: &str| {
            let text = text.trim().trim_matches('"');
            let mut names = plan.names.iter().chain(&self.names);
            !text.is_empty() && names.any(|name| name.eq_ignore_ascii_case(text))
        };
        let mut cells = line.split(char::from(self.delimiter));
        // Names have a letter in front, and most rows do not.
        let is_word = line.trim_start_matches('"').starts_with(|c: char| c.is_ascii_alphabetic());
        is_word && cells.next().is_some_and(is_name) && cells.any(is_name)
    }

    /// Returns whether nothing in a line of these columns is wanted.
    pub(super) fn is_strange(&self) -> bool {
        self.slots.iter().all(Vec::is_empty)
    }

    /// Takes a line apart; none if it has more or fewer columns. `has_quotes` is whether it may have some.
    #[inline]
    pub(super) fn read<'a>(
        &'a self,
        row: &'a str,
        has_quotes: bool,
        plan: &Plan,
        (starts, slots): (&'a mut Vec<u32>, &'a mut Slots),
    ) -> Option<(Cells<'a>, Mask)> {
        if has_quotes && row.contains('"') {
            self.read_carefully(row, plan, slots).then_some(())?;
            let cells = Cells::Text { row, slots };
            return Some((cells, cells.mask(self.mask)));
        }
        self.read_plain(row, starts).then_some(())?;
        Some((Cells::Line { row, starts, by_slot: &self.by_slot }, self.mask))
    }

    /// Takes a line without quotes apart; `false` if it has more or fewer columns.
    pub(super) fn read_plain(&self, line: &str, starts: &mut Vec<u32>) -> bool {
        let count = self.slots.len();
        // One more than there may be, so that one more is seen.
        starts.resize(count + 2, 0);
        let Some(places) = starts.get_mut(1..) else {
            return false;
        };
        let mut found = 0;
        let mut note = |mut ends: u64, at: usize| {
            while ends != 0 {
                let Some(place) = places.get_mut(found) else {
                    return;
                };
                *place = (at + ends.trailing_zeros() as usize / 8 + 1) as u32;
                found += 1;
                ends &= ends - 1;
            }
        };
        let (words, rest) = line.as_bytes().as_chunks::<8>();
        for (number, word) in words.iter().enumerate() {
            note(swar::equal(u64::from_le_bytes(*word), self.delimiter), 8 * number);
        }
        let ends = swar::first(swar::equal(swar::short(rest), self.delimiter), rest.len());
        note(ends, 8 * words.len());
        note(1 << 7, line.len());
        found == count
    }

    /// Returns what stands in a slot of a line that was taken apart.
    #[cfg(test)]
    pub(super) fn text<'a>(&self, line: &'a str, starts: &[u32], slot: usize) -> &'a str {
        let Some(column) = self.by_slot[slot].map(usize::from) else {
            return "";
        };
        &line[starts[column] as usize..starts[column + 1] as usize - 1]
    }

    /// Takes any line apart; `false` if it has more or fewer columns.
    pub(super) fn read_carefully(&self, line: &str, plan: &Plan, slots: &mut Slots) -> bool {
        slots.clear(plan);
        let Some(texts) = split(line, self.delimiter) else {
            return false;
        };
        if texts.len() != self.slots.len() {
            return false;
        }
        for (text, wanted) in texts.iter().zip(&self.slots) {
            let span = slots.own(text);
            wanted.iter().for_each(|slot| slots.put(*slot, span));
        }
        true
    }
}

/// Takes a line apart, with its quotes; none if it is more than one line or no text.
fn split(line: &str, delimiter: u8) -> Option<Vec<String>> {
    if !line.contains('"') {
        return Some(line.split(char::from(delimiter)).map(str::to_owned).collect());
    }
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(line.as_bytes());
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).ok()? || line.matches('"').count() % 2 == 1 {
        return None;
    }
    record.iter().map(|text| std::str::from_utf8(text).ok().map(str::to_owned)).collect()
}
