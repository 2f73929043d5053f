//! Lines with something between their columns: CSV with or without quotes, tabs, spaces.

use std::borrow::Cow;

use csv::{ByteRecord, ReaderBuilder};

use super::cells::Row;
use super::plan::Plan;

/// What the columns of a recording are.
pub(super) struct Header {
    delimiter: u8,
    /// Where what stands in each of them is wanted.
    slots: Vec<Vec<usize>>,
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
        Header {
            delimiter,
            is_last_wanted: slots.last().is_some_and(|slots| !slots.is_empty()),
            slots,
            line: None,
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
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

    /// Reads a line; `false` if it has more or fewer columns.
    pub(super) fn read<'a>(&self, line: &'a str, row: &mut Row<'a>) -> bool {
        if !line.contains('"') {
            let mut count = 0;
            for text in line.split(char::from(self.delimiter)) {
                let Some(slots) = self.slots.get(count) else { return false };
                for slot in slots {
                    row.cells[*slot] = Cow::Borrowed(text);
                }
                count += 1;
            }
            return count == self.slots.len();
        }
        let Some(texts) = split(line, self.delimiter) else { return false };
        if texts.len() != self.slots.len() {
            return false;
        }
        for (text, slots) in texts.into_iter().zip(&self.slots) {
            for slot in slots {
                row.cells[*slot] = Cow::Owned(text.clone());
            }
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
