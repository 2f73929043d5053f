//! Parquet: rows that lie column by column. Only the columns that are wanted are read, a few thousand
//! rows at a time. All groups of rows are read, as shares are of all traffic.
//!
//! What a cell says means what the same form would write as text. A column that is a list, or of a type
//! that no traffic has, is an error if it is wanted.
//!
//! To cut a file is to name rows of it: who reads them opens their columns, and goes over pages that hold
//! only rows before them without decompressing these.

mod part;

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::plan::Plan;
use crate::model::ReadAt;

pub(super) use part::{Decoded, Next, Part};

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

/// A table that is being cut.
pub(super) struct Table {
    file: Arc<File>,
    /// The group of rows that is cut next, and how many of its rows were cut.
    group: usize,
    cut: usize,
    /// How many rows are in the groups before.
    before: u64,
}

/// A table, and what is wanted of it.
struct File {
    reader: Box<dyn FileReader>,
    columns: Vec<Wanted>,
    /// By slot: the place of its column among those that are wanted.
    by_slot: Vec<Option<usize>>,
}

/// A column that is wanted.
#[derive(Clone, Copy)]
struct Wanted {
    /// Its number in the file.
    number: usize,
    kind: Kind,
    is_optional: bool,
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
    let reader: Box<dyn FileReader> = match file {
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
    let mut by_slot = vec![None; plan.names.len()];
    for (number, column) in schema.columns().iter().enumerate() {
        let name = column.path().string().to_ascii_lowercase();
        let mut slots = plan.slots_of(&name);
        if slots.is_empty() {
            // Names that are written with dashes elsewhere.
            slots = plan.slots_of(&name.replace('_', "-"));
        }
        if !slots.is_empty() {
            let kind = kind(column).map_err(|what| format!("its column `{name}` {what}"))?;
            slots.iter().for_each(|slot| by_slot[*slot] = Some(columns.len()));
            columns.push(Wanted { number, kind, is_optional: column.max_def_level() > 0 });
        }
        names.push(name);
    }
    if let Some(missing) = plan.names[..plan.given].iter().find(|wanted| !names.contains(wanted)) {
        return Err(format!("it has no column `{missing}`; its columns: {}", names.join(", ")));
    }
    let file = Arc::new(File { reader, columns, by_slot });
    Ok(Table { file, group: 0, cut: 0, before: 0 })
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

impl Table {
    /// Names the next rows to be read, about as many as bytes are wanted; none at the end. A page in which
    /// two parts meet is decompressed for both, so that parts are no smaller than groups mostly are.
    pub(super) fn cut(&mut self, bytes: usize) -> Option<Part> {
        let metadata = self.file.reader.metadata();
        if self.group >= metadata.num_row_groups() {
            return None;
        }
        let rows = usize::try_from(metadata.row_group(self.group).num_rows()).unwrap_or(0);
        let most = (bytes / BATCH).max(1) * BATCH;
        let count = rows.saturating_sub(self.cut).min(most);
        let before = self.before.saturating_add(self.cut as u64);
        let part = Part::new(&self.file, self.group, self.cut..self.cut + count, before);
        self.cut += count;
        if self.cut >= rows {
            self.before = self.before.saturating_add(rows as u64);
            (self.group, self.cut) = (self.group + 1, 0);
        }
        Some(part)
    }
}
