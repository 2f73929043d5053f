//! Recorded forms of traffic: a reader in, pieces out that make records of themselves. One file a
//! form, and its two adjacent lines here.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::model::{
    Columns, Diagnostic, Direction, Known, Label, NameId, Names, PacketHeader, ReadAt, ReadCounts,
    Record, SamplingRate, SourceId, Timestamp,
};

mod akvorado;
mod aws_vpc;
mod capture;
mod cloudflare;
mod csv;
mod exports;
mod flow;
mod goflow2;
mod jsonl;
mod netflow;
mod nfdump_csv;
mod nfdump_json;
mod parquet;
mod pcap;
mod piece;
mod pmacct;
mod profile;
mod rows;
mod sflow;
mod suricata;
mod tsv;
mod zeek;

pub use piece::Piece;

/// Every form, in the order of detection.
pub const FORMS: &[&Form] = &[
    &netflow::FORM,
    &sflow::FORM,
    &pcap::FORM,
    &nfdump_csv::FORM,
    &nfdump_json::FORM,
    &goflow2::FORM,
    &akvorado::FORM,
    &aws_vpc::FORM,
    &cloudflare::FORM,
    &zeek::FORM,
    &suricata::FORM,
    &pmacct::FORM,
    &csv::FORM,
    &tsv::FORM,
    &jsonl::FORM,
    &parquet::FORM,
    &profile::FORM,
];

/// The largest recording that is text.
pub const MAX_TEXT_BYTES: u64 = 64 << 20;

/// One recorded form.
pub struct Form {
    /// What `--format` calls it.
    pub name: &'static str,
    /// What its records can know.
    pub knows: Knows,
    /// Whether it is rows, of which the user may name the columns.
    pub is_rows: bool,
    /// Whether files of this form are text, to be read whole so that problems can be shown in it.
    pub is_text: bool,
    /// Returns whether the first bytes of a (decompressed) file look like this form.
    pub detect: fn(start: &[u8]) -> bool,
    /// Opens a file of this form. `input` is decompressed already. A form that is text returns
    /// all that is wrong with it; places are in the text of [`Settings::source`].
    pub open: fn(input: Box<dyn Read + Send>, settings: &Settings) -> Opened,
}

/// What the records of a form can know, for people; the readers set the known bits by the same.
#[derive(Clone, Copy, Debug)]
pub struct Knows {
    /// What one record is.
    pub unit: &'static str,
    /// TCP flags: exact, OR-ed over a flow, or not there.
    pub flags: &'static str,
    /// ICMP type and code.
    pub icmp: &'static str,
    /// Length of a packet: exact or a mean.
    pub length: &'static str,
    /// TTL or hop limit.
    pub ttl: &'static str,
    /// Fragment fields.
    pub fragments: &'static str,
    /// The layer that bytes are of.
    pub bytes: &'static str,
    /// Where the sampling rate is, and whether counts are multiplied by it.
    pub sampling: &'static str,
    /// How exact times are.
    pub times: &'static str,
    /// Whether it was recorded before or after enforcement.
    pub enforcement: &'static str,
}

/// A reader, or all that is wrong with the file.
pub type Opened = Result<Box<dyn TrafficReader>, Vec<Diagnostic>>;

/// What the user said about a recording, and what readers share.
#[derive(Clone)]
pub struct Settings {
    /// The number under which records name this file, and diagnostics their text.
    pub source: SourceId,
    /// The name of the file, for messages.
    pub name: Arc<str>,
    /// The PoP of all records that do not name one.
    pub pop: Option<NameId>,
    /// The PoPs of exporters, where no PoP is said otherwise.
    pub pops: Arc<HashMap<NameId, NameId, FixedState>>,
    /// The direction of all records that do not name one.
    pub direction: Option<Direction>,
    /// The label of all records; overrides the file's own.
    pub label: Option<Label>,
    /// One record stands for so many; overrides the file's own.
    pub sampling: Option<SamplingRate>,
    /// Whether tunnels are looked through.
    pub inner: bool,
    /// When a profile without `start` ends.
    pub now: Timestamp,
    /// How many records are handed on at a time.
    pub batch: usize,
    /// Interned PoP and exporter names.
    pub names: Arc<Names>,
    /// What the user said about its columns, if anything; only for forms that are rows.
    pub columns: Option<Arc<Columns>>,
    /// The time zone of local times in it.
    pub zone: Option<jiff::tz::TimeZone>,
    /// The file itself, if one can go anywhere in it.
    pub file: Option<Arc<dyn ReadAt>>,
    /// Whether traffic counts that a filter had dropped when it was recorded.
    pub count_drops: bool,
}

impl Settings {
    /// Returns a record that holds what the user said.
    fn record(&self, header: PacketHeader, exporter: Option<NameId>) -> Record {
        let mut header = header;
        let of_exporter = || exporter.and_then(|exporter| self.pops.get(&exporter).copied());
        let pop = self.pop.or_else(of_exporter);
        for (known, bit) in
            [(pop.is_some(), Known::POP), (self.direction.is_some(), Known::DIRECTION)]
        {
            if known {
                header.known = header.known.with(bit);
            }
        }
        Record {
            time_ns: 0,
            duration_ns: 0,
            header,
            pop,
            exporter,
            direction: self.direction.unwrap_or(Direction::Ingress),
            packets: 1,
            bytes: 0,
            weight: self.sampling.unwrap_or(SamplingRate::UNSAMPLED).0,
            label: self.label.unwrap_or(Label::None),
            customer: None,
            source: self.source,
            number: 0,
        }
    }
}

/// Hands out one file, piece by piece.
///
/// Readers do only what must be done from the start of a file to its end. Whoever takes a piece
/// makes its records ([`Piece::decode`]), and may leave the reader to others meanwhile.
pub trait TrafficReader: Send {
    /// Cuts the next piece off. Returns `false` at the end, when the piece holds nothing. What
    /// cannot be read is counted and skipped; an error is only for a file that is not what it
    /// claims to be, and ends the reading.
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<Diagnostic>>;

    /// Returns what was met so far, in all pieces that were cut and decoded.
    fn counts(&self) -> ReadCounts;

    /// Returns an error that ended the reading and that [`TrafficReader::cut`] did not return: one that
    /// was met while a piece was decoded. To be asked when all pieces are decoded; it goes before what
    /// `cut` returned.
    fn problem(&mut self) -> Option<Box<Diagnostic>> {
        None
    }

    /// Returns whether the records are even by definition (a profile) rather than packets.
    fn even(&self) -> bool {
        false
    }

    /// Returns whether the recording has an age: a profile without `start` has none.
    fn has_age(&self) -> bool {
        true
    }
}

/// Returns the form of a file by its first bytes.
pub fn detect(start: &[u8]) -> Option<&'static Form> {
    let mut found = FORMS.iter().copied().filter(|form| (form.detect)(start));
    let first = found.next()?;
    // Rows that may be of two forms are of neither.
    let is_tie = first.is_rows && found.any(|other| other.is_rows);
    (!is_tie).then_some(first)
}

#[cfg(test)]
mod tests;
