//! Rows of a table, decoded a few thousand at a time.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray, Int96};
use parquet::errors::ParquetError;

use super::super::cells::Cell;
use super::super::value;
use super::{BATCH, File, Kind, Wanted, guarded};

/// Rows of one group that are read.
pub(in crate::traffic::rows) struct Part {
    file: Arc<File>,
    group: usize,
    /// Those of them that were not decoded yet.
    rows: Range<usize>,
    /// How many rows of the file are before the next one.
    before: u64,
    /// None before the first row is read.
    readers: Option<Vec<ColumnReader>>,
    decoded: Decoded,
    /// The next of the rows that lie decoded.
    at: usize,
}

/// What stands next among rows.
pub(in crate::traffic::rows) enum Next {
    /// A row, by its place among those that lie decoded, and its number in the file.
    Row {
        row: usize,
        number: u64,
    },
    /// Nothing more can be read, and why.
    Broken {
        reason: String,
        number: u64,
    },
    End,
}

/// Rows that lie decoded.
pub(in crate::traffic::rows) struct Decoded {
    file: Arc<File>,
    rows: usize,
    columns: Vec<Column>,
}

/// What decoded rows say in one column.
#[derive(Default)]
struct Column {
    values: Values,
    /// By row: where its value is; none if every row has one.
    places: Option<Vec<u32>>,
    levels: Vec<i16>,
}

#[derive(Default)]
enum Values {
    #[default]
    None,
    /// As text, one behind the other, and where each ends.
    Written {
        text: String,
        ends: Vec<usize>,
    },
    /// None of them is below zero, unless they have no sign.
    Narrow(Vec<i32>),
    Wide(Vec<i64>),
    Times {
        numbers: Vec<i64>,
        unit_ns: i64,
    },
    Octets(Vec<FixedLenByteArray>),
}

impl Part {
    pub(super) fn new(file: &Arc<File>, group: usize, rows: Range<usize>, before: u64) -> Part {
        let columns = file.columns.iter().map(|_| Column::default()).collect();
        Part {
            decoded: Decoded { file: Arc::clone(file), rows: 0, columns },
            file: Arc::clone(file),
            group,
            rows,
            before,
            readers: None,
            at: 0,
        }
    }

    /// Goes on to the next row.
    #[inline]
    pub(in crate::traffic::rows) fn next(&mut self) -> Next {
        if self.at >= self.decoded.rows {
            if self.readers.is_some() && self.rows.is_empty() {
                return Next::End;
            }
            if let Err(error) = self.decode() {
                return Next::Broken { reason: error.to_string(), number: self.before + 1 };
            }
            if self.decoded.rows == 0 {
                return Next::End;
            }
        }
        let row = self.at;
        self.at += 1;
        self.before += 1;
        Next::Row { row, number: self.before }
    }

    /// Returns the rows that lie decoded.
    #[inline]
    pub(in crate::traffic::rows) fn decoded(&self) -> &Decoded {
        &self.decoded
    }

    fn decode(&mut self) -> Result<(), ParquetError> {
        (self.at, self.decoded.rows) = (0, 0);
        let readers = match &mut self.readers {
            Some(readers) => readers,
            None => self.readers.insert(open(&self.file, self.group, self.rows.start)?),
        };
        let count = self.rows.len().min(BATCH);
        let columns = self.decoded.columns.iter_mut().zip(&self.file.columns);
        for ((column, wanted), reader) in columns.zip(readers) {
            guarded(|| column.decode(reader, *wanted, count))?;
        }
        self.rows.start += count;
        self.decoded.rows = count;
        Ok(())
    }
}

/// Opens the columns of a group, and goes over so many of its rows.
fn open(file: &File, group: usize, skipped: usize) -> Result<Vec<ColumnReader>, ParquetError> {
    let group = guarded(|| file.reader.get_row_group(group))?;
    let mut readers = Vec::new();
    for column in &file.columns {
        readers.push(guarded(|| group.get_column_reader(column.number))?);
    }
    if skipped > 0 {
        for reader in &mut readers {
            let gone = guarded(|| match reader {
                ColumnReader::BoolColumnReader(reader) => reader.skip_records(skipped),
                ColumnReader::Int32ColumnReader(reader) => reader.skip_records(skipped),
                ColumnReader::Int64ColumnReader(reader) => reader.skip_records(skipped),
                ColumnReader::Int96ColumnReader(reader) => reader.skip_records(skipped),
                ColumnReader::FloatColumnReader(reader) => reader.skip_records(skipped),
                ColumnReader::DoubleColumnReader(reader) => reader.skip_records(skipped),
                ColumnReader::ByteArrayColumnReader(reader) => reader.skip_records(skipped),
                ColumnReader::FixedLenByteArrayColumnReader(reader) => reader.skip_records(skipped),
            })?;
            if gone != skipped {
                return Err(too_few());
            }
        }
    }
    Ok(readers)
}

fn too_few() -> ParquetError {
    ParquetError::EOF("a column has fewer rows than its group".to_owned())
}

impl Decoded {
    /// Returns what a row says in a slot.
    #[inline]
    pub(in crate::traffic::rows) fn cell(&self, slot: usize, row: usize) -> Option<Cell<'_>> {
        let column = self.columns.get((*self.file.by_slot.get(slot)?)?)?;
        let at = match &column.places {
            Some(places) => *places.get(row)? as usize,
            None => row,
        };
        Some(match &column.values {
            Values::None => return None,
            Values::Written { text, ends } => {
                let start = at.checked_sub(1).and_then(|before| ends.get(before)).copied();
                Cell::Text(text.get(start.unwrap_or(0)..*ends.get(at)?)?)
            }
            Values::Narrow(numbers) => Cell::Number(u64::from(*numbers.get(at)? as u32)),
            Values::Wide(numbers) => Cell::Number(*numbers.get(at)? as u64),
            Values::Times { numbers, unit_ns } => {
                Cell::Time { number: *numbers.get(at)?, unit_ns: *unit_ns }
            }
            Values::Octets(all) => Cell::Octets(<[u8; 16]>::try_from(all.get(at)?.data()).ok()?),
        })
    }
}

impl Column {
    /// Decodes the next rows.
    fn decode(
        &mut self,
        reader: &mut ColumnReader,
        wanted: Wanted,
        count: usize,
    ) -> Result<(), ParquetError> {
        self.values = match reader {
            ColumnReader::Int32ColumnReader(reader) => {
                let numbers = match std::mem::take(&mut self.values) {
                    Values::Narrow(numbers) => numbers,
                    _ => Vec::new(),
                };
                let numbers = self.read(reader, numbers, wanted, count)?;
                match wanted.kind != Kind::Unsigned && numbers.iter().any(|number| *number < 0) {
                    true => written(&numbers, |text, number| write!(text, "{number}")),
                    false => Values::Narrow(numbers),
                }
            }
            ColumnReader::Int64ColumnReader(reader) => {
                let numbers = match std::mem::take(&mut self.values) {
                    Values::Wide(numbers) | Values::Times { numbers, .. } => numbers,
                    _ => Vec::new(),
                };
                let numbers = self.read(reader, numbers, wanted, count)?;
                match wanted.kind {
                    Kind::Unsigned => Values::Wide(numbers),
                    Kind::Time { unit_ns, is_utc } => times(numbers, unit_ns, is_utc),
                    _ if numbers.iter().all(|number| *number >= 0) => Values::Wide(numbers),
                    _ => written(&numbers, |text, number| write!(text, "{number}")),
                }
            }
            ColumnReader::Int96ColumnReader(reader) => {
                let numbers = self.read(reader, Vec::new(), wanted, count)?;
                let numbers: Vec<i64> = numbers.iter().map(Int96::to_nanos).collect();
                match wanted.kind {
                    Kind::Time { unit_ns, is_utc } => times(numbers, unit_ns, is_utc),
                    _ => written(&numbers, |text, number| write!(text, "{number}")),
                }
            }
            ColumnReader::BoolColumnReader(reader) => {
                let values = self.read(reader, Vec::new(), wanted, count)?;
                written(&values, |text, value| write!(text, "{value}"))
            }
            ColumnReader::FloatColumnReader(reader) => {
                let values = self.read(reader, Vec::new(), wanted, count)?;
                written(&values, |text, value| write!(text, "{value}"))
            }
            ColumnReader::DoubleColumnReader(reader) => {
                let values = self.read(reader, Vec::new(), wanted, count)?;
                written(&values, |text, value| write!(text, "{value}"))
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                let texts = self.read(reader, Vec::new(), wanted, count)?;
                texts_of(&texts, ByteArray::data)
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                let values = self.read(reader, Vec::new(), wanted, count)?;
                match wanted.kind {
                    Kind::Address if values.iter().all(|value| value.len() == 16) => {
                        Values::Octets(values)
                    }
                    _ => texts_of(&values, |value| value.data()),
                }
            }
        };
        Ok(())
    }

    /// Reads so many rows: their values, and which of them have one.
    fn read<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        mut values: Vec<T::T>,
        wanted: Wanted,
        count: usize,
    ) -> Result<Vec<T::T>, ParquetError> {
        values.clear();
        self.levels.clear();
        let mut read = 0;
        while read < count {
            let levels = wanted.is_optional.then_some(&mut self.levels);
            let (rows, _, _) = reader.read_records(count - read, levels, None, &mut values)?;
            if rows == 0 {
                return Err(too_few());
            }
            read += rows;
        }
        let levels = self.levels.get(..count.min(self.levels.len())).unwrap_or_default();
        let deepest = self.levels.iter().copied().max().unwrap_or_default();
        let is_there = |level: &i16| *level == deepest && deepest > 0;
        let all = match wanted.is_optional {
            true => levels.iter().filter(|level| is_there(level)).count(),
            false => count,
        };
        self.places = (all < count).then(|| {
            let mut next = 0;
            let mut place = |level: &i16| match is_there(level) {
                true => {
                    next += 1;
                    next - 1
                }
                false => u32::MAX,
            };
            levels.iter().map(&mut place).collect()
        });
        match values.len() > all {
            false => Ok(values),
            true => Err(ParquetError::General("a column has more values than rows".to_owned())),
        }
    }
}

fn times(numbers: Vec<i64>, unit_ns: i64, is_utc: bool) -> Values {
    if is_utc {
        return Values::Times { numbers, unit_ns };
    }
    written(&numbers, |text, number| {
        value::write_time(text, *number, unit_ns, false);
        Ok(())
    })
}

fn written<T>(values: &[T], write: impl Fn(&mut String, &T) -> std::fmt::Result) -> Values {
    let (mut text, mut ends) = (String::new(), Vec::with_capacity(values.len()));
    for value in values {
        let _ = write(&mut text, value);
        ends.push(text.len());
    }
    Values::Written { text, ends }
}

/// Keeps bytes as text; what is none is no number, no word and no address: whoever reads it says so.
fn texts_of<T>(values: &[T], bytes: impl Fn(&T) -> &[u8]) -> Values {
    let (mut all, mut ends) = (Vec::new(), Vec::with_capacity(values.len()));
    for value in values {
        all.extend_from_slice(bytes(value));
        ends.push(all.len());
    }
    match String::from_utf8(all) {
        Ok(text) if ends.iter().all(|end| text.is_char_boundary(*end)) => {
            Values::Written { text, ends }
        }
        _ => written(values, |text, value| {
            text.push_str(std::str::from_utf8(bytes(value)).unwrap_or("\u{fffd}"));
            Ok(())
        }),
    }
}
