//! Recordings made of rows, one of them a flow or a packet: CSV and its like, and JSON objects, one a
//! line or in a list. A form of rows is a table ([`Preset`]) of what its columns are called and what
//! they mean, and a function for what no table can say.
//!
//! A file is cut into blocks of some hundred rows one after another, so that it may be larger than
//! memory; records are made of a block on any thread. What cannot be read is counted, with the first
//! lines of each kind; text that is no row, or is longer than 1 MiB, counts as so many as would be of
//! that length. The number of a record is that of its line, of the row in Parquet, or of the object in
//! JSON that is not one a line; both directions of a row have one number.
//!
//! **Times** are as wide as they are rounded. **Bytes** of frames are brought to layer 3 by taking the
//! 14 bytes of an Ethernet header off each packet: tags and the check sequence stay in, as nobody says
//! whether there were any, and so the length of such a packet is not known.

mod block;
mod cells;
mod clock;
#[cfg(feature = "parquet")]
mod columnar;
mod delimited;
mod json;
mod ledger;
mod lines;
mod make;
mod names;
#[cfg(not(feature = "parquet"))]
mod no_columnar;
mod plan;
mod reader;
mod source;
mod sums;
mod swar;
mod value;

#[cfg(not(feature = "parquet"))]
use no_columnar as columnar;
use std::io::Read;

use super::flow::Flow;
use super::{Opened, Settings};
use crate::model::columns::{ByteLayer, Column, TimeUnit};

pub(super) use cells::Row;
pub(super) use lines::{has_columns, has_fields, has_keys};
pub(super) use value::icmp_of_port;

/// One form of rows.
pub(super) struct Preset {
    /// What it is called.
    pub(super) name: &'static str,
    /// What may stand between columns; the first that is in the header does. None: JSON only.
    pub(super) delimiters: &'static [u8],
    /// Whether it may be JSON.
    pub(super) json: bool,
    /// Whether lines that start with `#` say what the columns are, as in Zeek.
    pub(super) hash: bool,
    /// What columns are called, the best name first.
    pub(super) columns: &'static [(Column, &'static [&'static str])],
    /// What the columns are called that only `make` reads.
    pub(super) extra: &'static [&'static str],
    /// Texts that mean nothing, besides none.
    pub(super) unset: &'static [&'static str],
    /// How times that are numbers are told.
    pub(super) unit: Unit,
    /// A row tells of packets up to so long before its time.
    pub(super) within_ns: u64,
    /// Times may be too early by so much.
    pub(super) late_ns: i64,
    /// Whether its exporters may have no way to say anything of IPv6 (NetFlow v5), unless some row is
    /// of it.
    pub(super) may_lack_v6: bool,
    /// The layer of bytes.
    pub(super) layer: ByteLayer,
    /// How rows say at which rate they were sampled.
    pub(super) rate: Rate,
    /// Makes flows of what the columns say.
    pub(super) make: fn(&Row<'_>, Flow, &mut Here) -> Made,
    /// Whether there are two kinds of rows, and that of the first one counts.
    pub(super) has_kinds: bool,
    /// What a line holds that may end the rows, if any does: from there on lines are looked at.
    pub(super) ending: Option<&'static str>,
    /// Returns what a line is, where not all are rows.
    pub(super) line: fn(&str, &mut Here) -> Line,
    /// Returns what is missing at the end of the file, if anything.
    pub(super) end: fn(&Here) -> Option<&'static str>,
}

impl Preset {
    /// A form that says nothing.
    pub(super) const PLAIN: Preset = Preset {
        name: "",
        delimiters: &[],
        json: false,
        hash: false,
        columns: &[],
        extra: &[],
        unset: &[],
        unit: Unit::Unsaid,
        within_ns: 0,
        late_ns: 0,
        may_lack_v6: false,
        layer: ByteLayer::L3,
        rate: Rate::Column { applied: None },
        // Zeroes may be written for what is not known.
        make: |_, flow, _| {
            Made::one(Flow { icmp: flow.icmp.filter(|icmp| *icmp != (0, 0)), ..flow })
        },
        has_kinds: false,
        ending: None,
        line: |_, _| Line::Row,
        end: |_| None,
    };
}

/// How times that are numbers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// In this.
    Of(TimeUnit),
    /// In seconds, milliseconds, microseconds or nanoseconds, which their size tells; decimals are
    /// of seconds.
    BySize,
    /// Nobody said.
    Unsaid,
}

/// How rows say at which rate they were sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    /// The form is not sampled.
    None,
    /// In a column, if at all; whether counts were multiplied by it, if that is known.
    Column { applied: Option<bool> },
}

/// What a line is.
pub(super) enum Line {
    Row,
    /// No row, and nothing that was lost.
    Frame,
}

/// What is remembered from row to row, and what a row says besides its flows.
#[derive(Clone, Debug, Default)]
pub(super) struct Here {
    /// Which of two kinds of rows counts, once it is known.
    pub(super) kind: Option<&'static str>,
    /// Whether the end of the rows was met.
    pub(super) ended: bool,
    /// How many lines came after it.
    pub(super) after_end: u8,
    /// In which column a sum has packets.
    pub(super) sum_column: Option<usize>,
    /// How many packets the rows since the last sum had, as the line that was read last says.
    pub(super) summed: Option<u64>,
    /// How many packets of this row the recorder says that it did not see.
    pub(super) unseen: u64,
    /// How many packets the recorder had dropped up to this row, if it says.
    pub(super) had_dropped: Option<u64>,
    /// Whether an end must be met.
    pub(super) must_end: bool,
    /// Whether counts of this row were multiplied, where rows differ.
    pub(super) applied: Option<bool>,
    /// The layer of bytes of this row, where rows differ.
    pub(super) layer: Option<ByteLayer>,
}

/// What becomes of a row.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on the stack")]
pub(super) enum Made {
    /// One flow, or one in each direction.
    Flows([Option<Flow>; 2]),
    /// No traffic, and why.
    Other(&'static str),
    /// What a row of the kind that counts tells as well.
    Twin(&'static str),
    /// What cannot be judged, and why.
    Unread(&'static str),
}

impl Made {
    pub(super) fn one(flow: Flow) -> Made {
        Made::Flows([Some(flow), None])
    }
}

/// Opens a recording of which only the user knows the columns.
pub(super) fn open_by_columns(
    preset: &'static Preset,
    input: Box<dyn Read + Send>,
    settings: &Settings,
) -> Opened {
    let problem = match settings.columns.as_deref() {
        Some(columns) => make::is_enough(columns).err(),
        None => Some("nothing says what its columns are".to_owned()),
    };
    match problem {
        Some(problem) => {
            let message = format!("{}: {problem}", settings.name);
            Err(vec![crate::model::Diagnostic::bare(message).help(
                "say it in `blastgate.yaml`, beside the path of the recording: `columns: {src: …, \
                 dst: …, packets: …, bytes: …, time: {field: …, unit: s}, sampling: …}`",
            )])
        }
        None => open(preset, input, settings),
    }
}

/// Opens a recording of this form.
pub(super) fn open(
    preset: &'static Preset,
    input: Box<dyn Read + Send>,
    settings: &Settings,
) -> Opened {
    reader::open(preset, input, settings).map_err(|problem| vec![*problem])
}

#[cfg(test)]
mod tests;
