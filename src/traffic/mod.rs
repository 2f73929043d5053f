//! Recorded forms of traffic: a reader in, pieces out that make records of themselves. One file a
//! form, and its two adjacent lines here.

use std::io::Read;
use std::sync::Arc;

use crate::model::{
    Diagnostic, Direction, Label, NameId, Names, ReadCounts, SamplingRate, SourceId, Timestamp,
};

mod capture;
mod exports;
mod netflow;
mod pcap;
mod piece;
mod profile;
mod sflow;

pub use piece::Piece;

/// Every form, in the order of detection.
pub const FORMS: &[&Form] = &[&netflow::FORM, &sflow::FORM, &pcap::FORM, &profile::FORM];

/// The largest recording that is text.
pub const MAX_TEXT_BYTES: u64 = 64 << 20;

/// One recorded form.
pub struct Form {
    /// What `--format` calls it.
    pub name: &'static str,
    /// Whether files of this form are text, to be read whole so that problems can be shown in it.
    pub is_text: bool,
    /// Returns whether the first bytes of a (decompressed) file look like this form.
    pub detect: fn(start: &[u8]) -> bool,
    /// Opens a file of this form. `input` is decompressed already. A form that is text returns
    /// all that is wrong with it; places are in the text of [`Settings::source`].
    pub open: fn(input: Box<dyn Read + Send>, settings: &Settings) -> Opened,
}

/// A reader, or all that is wrong with the file.
pub type Opened = Result<Box<dyn TrafficReader>, Vec<Diagnostic>>;

/// What the user said about a recording, and what readers share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The number under which records name this file, and diagnostics their text.
    pub source: SourceId,
    /// The name of the file, for messages.
    pub name: Arc<str>,
    /// The PoP of all records that do not name one.
    pub pop: Option<NameId>,
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
    FORMS.iter().copied().find(|form| (form.detect)(start))
}
