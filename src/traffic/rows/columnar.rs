//! Parquet: rows that lie column by column. Only the columns that are wanted are read, a few thousand
//! rows at a time. All groups of rows are read, as shares are of all traffic.
//!
//! What a cell says is written as the same form would write it as text, so that it means the same. A
//! column that is a list, or of a type that no traffic has, is an error if it is wanted.

use std::fmt::Write;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::plan::Plan;
use crate::model::ReadAt;

/// How many rows are decoded at a time.
const BATCH: usize = 4_096;

/// The largest file that is read without being able to go back in it, in bytes.
const LARGEST: u64 = 1 << 30;

/// A file in which one can go anywhere.
struct Places(Arc<dyn ReadAt>);

impl Length for Places {
    fn len(&self) -> u64 {
        self.0.size()
    }
}

impl ChunkReader for Places {
    type T = Reading;

    fn get_read(&self, start: u64) -> Result<Reading, ParquetError> {
        Ok(Reading { file: Arc::clone(&self.0), at: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let inside = start.checked_add(length as u64).is_some_and(|end| end <= self.0.size());
        if !inside {
            return Err(ParquetError::EOF("the file is shorter than it says".to_owned()));
        }
        let mut bytes = vec![0; length];
        self.0.read_at(start, &mut bytes).map_err(ParquetError::General)?;
        Ok(bytes.into())
    }
}

/// A place in such a file, from where it is read on.
struct Reading {
    file: Arc<dyn ReadAt>,
    at: u64,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.file.size().saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        let room = buffer.get_mut(..count).unwrap_or_default();
        self.file.read_at(self.at, room).map_err(io::Error::other)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// A table that is being read.
pub(super) struct Table {
    file: Box<dyn FileReader + Send>,
    columns: Vec<Wanted>,
    /// The group of rows that is read next.
    group: usize,
    /// How many rows of the open group were not decoded yet.
    left: usize,
    /// How many rows lie decoded, and at which of them we are.
    decoded: usize,
    at: usize,
    /// Why nothing more can be read.
    broken: Option<String>,
}

/// A column that is wanted.
struct Wanted {
    /// Its number in the file.
    number: usize,
    slots: Vec<usize>,
    kind: Kind,
    is_optional: bool,
    reader: Option<ColumnReader>,
    /// Its decoded cells, one behind the other, and where each ends.
    text: String,
    ends: Vec<usize>,
    levels: Vec<i16>,
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Unsigned,
    /// So many nanoseconds each, since 1970 UTC or, if not, of a local clock.
    Time {
        unit_ns: i64,
        is_utc: bool,
    },
    /// The octets of an address of IPv6.
    Address,
    Text,
}

/// Opens a table. An error is what is wrong with it.
pub(super) fn open(
    input: impl Read,
    file: Option<Arc<dyn ReadAt>>,
    plan: &Plan,
) -> Result<Table, String> {
    let said = |error: ParquetError| format!("it cannot be read as Parquet: {error}");
    let reader: Box<dyn FileReader + Send> = match file {
        Some(file) => {
            let open = || SerializedFileReader::new(Places(file));
            Box::new(guarded(open).map_err(said)?)
        }
        None => {
            let mut bytes = Vec::new();
            let read = input.take(LARGEST + 1).read_to_end(&mut bytes);
            read.map_err(|error| format!("it cannot be read to its end: {error}"))?;
            if bytes.len() as u64 > LARGEST {
                return Err("it is too large to be held; name it as a plain file".to_owned());
            }
            let bytes = Bytes::from(bytes);
            Box::new(guarded(|| SerializedFileReader::new(bytes)).map_err(said)?)
        }
    };
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let mut columns = Vec::new();
    let mut names = Vec::new();
    for (number, column) in schema.columns().iter().enumerate() {
        let name = column.path().string().to_ascii_lowercase();
        let mut slots = plan.slots_of(&name);
        if slots.is_empty() {
            // Names that are written with dashes elsewhere.
            slots = plan.slots_of(&name.replace('_', "-"));
        }
        if !slots.is_empty() {
            let kind = kind(column).map_err(|what| format!("its column `{name}` {what}"))?;
            columns.push(Wanted {
                number,
                slots,
                kind,
                is_optional: column.max_def_level() > 0,
                reader: None,
                text: String::new(),
                ends: Vec::new(),
                levels: Vec::new(),
            });
        }
        names.push(name);
    }
    if let Some(missing) = plan.names[..plan.given].iter().find(|wanted| !names.contains(wanted)) {
        return Err(format!("it has no column `{missing}`; its columns: {}", names.join(", ")));
    }
    Ok(Table { file: reader, columns, group: 0, left: 0, decoded: 0, at: 0, broken: None })
}

/// Returns how the values of a column are written.
fn kind(column: &ColumnDescriptor) -> Result<Kind, String> {
    if column.max_rep_level() > 0 {
        return Err("is a list".to_owned());
    }
    let time = |unit_ns, is_utc| Ok(Kind::Time { unit_ns, is_utc });
    match (column.physical_type(), column.logical_type_ref(), column.converted_type()) {
        (_, Some(LogicalType::Decimal(_)), _) | (_, _, ConvertedType::DECIMAL) => {
            Err("is a decimal number".to_owned())
        }
        (Type::INT64, Some(LogicalType::Timestamp(time)), _) => {
            let unit_ns = match time.unit {
                TimeUnit::MILLIS => 1_000_000,
                TimeUnit::MICROS => 1_000,
                TimeUnit::NANOS => 1,
            };
            Ok(Kind::Time { unit_ns, is_utc: time.is_adjusted_to_u_t_c })
        }
        (Type::INT64, _, ConvertedType::TIMESTAMP_MILLIS) => time(1_000_000, true),
        (Type::INT64, _, ConvertedType::TIMESTAMP_MICROS) => time(1_000, true),
        (Type::INT96, ..) => time(1, true),
        (Type::INT32 | Type::INT64, logical, converted) => {
            let is_unsigned = matches!(
                converted,
                ConvertedType::UINT_8
                    | ConvertedType::UINT_16
                    | ConvertedType::UINT_32
                    | ConvertedType::UINT_64
            );
            let by_logical = matches!(logical, Some(LogicalType::Integer(int)) if !int.is_signed);
            Ok(if is_unsigned || by_logical { Kind::Unsigned } else { Kind::Plain })
        }
        (Type::FIXED_LEN_BYTE_ARRAY, ..) if column.type_length() == 16 => Ok(Kind::Address),
        (Type::FIXED_LEN_BYTE_ARRAY | Type::BYTE_ARRAY, ..) => Ok(Kind::Text),
        (Type::BOOLEAN | Type::FLOAT | Type::DOUBLE, ..) => Ok(Kind::Plain),
    }
}

/// Does what may find a file broken in a way that its reader does not expect.
fn guarded<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(ParquetError::General("it contradicts itself".to_owned())))
}

/// What stands next in a table.
pub(super) enum Next {
    Row,
    /// So many rows cannot be read, and why.
    Broken(String),
    End,
}

impl Table {
    /// Goes on to the next row.
    pub(super) fn next(&mut self) -> Next {
        if let Some(reason) = self.broken.take() {
            return Next::Broken(reason);
        }
        if self.at + 1 < self.decoded {
            self.at += 1;
            return Next::Row;
        }
        match self.decode() {
            Ok(true) => {
                self.at = 0;
                Next::Row
            }
            Ok(false) => Next::End,
            Err(error) => {
                (self.left, self.group) = (0, usize::MAX);
                self.decoded = 0;
                Next::Broken(error.to_string())
            }
        }
    }

    /// Returns what the row says in each of its columns, and the slots where that is wanted.
    pub(super) fn cells(&self) -> impl Iterator<Item = (&[usize], &str)> {
        self.columns.iter().map(|column| (column.slots.as_slice(), column.cell(self.at)))
    }

    /// Decodes the next rows; `false` at the end.
    fn decode(&mut self) -> Result<bool, ParquetError> {
        while self.left == 0 {
            if self.group >= self.file.num_row_groups() {
                return Ok(false);
            }
            let group = guarded(|| self.file.get_row_group(self.group))?;
            self.left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            for column in &mut self.columns {
                let number = column.number;
                column.reader = Some(guarded(|| group.get_column_reader(number))?);
            }
            self.group += 1;
        }
        let count = self.left.min(BATCH);
        for column in &mut self.columns {
            guarded(|| column.decode(count))?;
        }
        self.left -= count;
        self.decoded = count;
        Ok(true)
    }
}

impl Wanted {
    fn cell(&self, row: usize) -> &str {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(row).copied().unwrap_or_default();
        self.text.get(start.unwrap_or(0)..end).unwrap_or_default()
    }

    fn decode(&mut self, count: usize) -> Result<(), ParquetError> {
        let kind = self.kind;
        let Some(mut reader) = self.reader.take() else { return Ok(()) };
        self.text.clear();
        self.ends.clear();
        let write = |text: &mut String, number: i64| match kind {
            Kind::Time { unit_ns, is_utc } => time(text, number, unit_ns, is_utc),
            _ => {
                let _ = write!(text, "{number}");
            }
        };
        match &mut reader {
            ColumnReader::Int32ColumnReader(reader) => {
                self.fill(reader, count, |text, value| {
                    let number = match kind {
                        Kind::Unsigned => i64::from(*value as u32),
                        _ => i64::from(*value),
                    };
                    write(text, number);
                })?
            }
            ColumnReader::Int64ColumnReader(reader) => {
                self.fill(reader, count, |text, value| match kind {
                    Kind::Unsigned => {
                        let _ = write!(text, "{}", *value as u64);
                    }
                    _ => write(text, *value),
                })?;
            }
            ColumnReader::Int96ColumnReader(reader) => {
                self.fill(reader, count, |text, value| write(text, value.to_nanos()))?;
            }
            ColumnReader::BoolColumnReader(reader) => self.fill(reader, count, |text, value| {
                let _ = write!(text, "{value}");
            })?,
            ColumnReader::FloatColumnReader(reader) => {
                self.fill(reader, count, |text, value| {
                    let _ = write!(text, "{value}");
                })?
            }
            ColumnReader::DoubleColumnReader(reader) => {
                self.fill(reader, count, |text, value| {
                    let _ = write!(text, "{value}");
                })?
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                self.fill(reader, count, |text, value| octets(text, value.data(), kind))?;
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                self.fill(reader, count, |text, value| octets(text, value.data(), kind))?;
            }
        }
        self.reader = Some(reader);
        Ok(())
    }

    /// Reads so many rows of a column.
    fn fill<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        count: usize,
        mut write: impl FnMut(&mut String, &T::T),
    ) -> Result<(), ParquetError> {
        let mut values: Vec<T::T> = Vec::with_capacity(count);
        self.levels.clear();
        let mut read = 0;
        while read < count {
            let levels = self.is_optional.then_some(&mut self.levels);
            let (rows, _, _) = reader.read_records(count - read, levels, None, &mut values)?;
            if rows == 0 {
                return Err(ParquetError::EOF("a column has fewer rows than its group".to_owned()));
            }
            read += rows;
        }
        let deepest = self.levels.iter().copied().max().unwrap_or_default();
        let mut values = values.iter();
        for row in 0..count {
            let is_there =
                !self.is_optional || self.levels.get(row) == Some(&deepest) && deepest > 0;
            if is_there && let Some(value) = values.next() {
                write(&mut self.text, value);
            }
            self.ends.push(self.text.len());
        }
        match values.next() {
            None => Ok(()),
            Some(_) => Err(ParquetError::General("a column has more values than rows".to_owned())),
        }
    }
}

/// Writes a time, with as many decimals as its unit has.
fn time(text: &mut String, number: i64, unit_ns: i64, is_utc: bool) {
    let decimals = match unit_ns {
        1_000_000 => 3,
        1_000 => 6,
        _ => 9,
    };
    let ns = i128::from(number) * i128::from(unit_ns);
    let Ok(time) = Timestamp::from_nanosecond(ns) else {
        text.push_str("out of range");
        return;
    };
    let _ = write!(text, "{time:.decimals$}");
    if !is_utc && text.ends_with('Z') {
        text.pop();
    }
}

/// Writes text, or an address.
fn octets(text: &mut String, bytes: &[u8], kind: Kind) {
    match (<[u8; 16]>::try_from(bytes), kind) {
        (Ok(octets), Kind::Address) => {
            let _ = write!(text, "{}", std::net::Ipv6Addr::from(octets));
        }
        _ => match std::str::from_utf8(bytes) {
            Ok(own) => text.push_str(own),
            // It is no number, no word and no address: whoever reads it says so.
            Err(_) => text.push('\u{fffd}'),
        },
    }
}
