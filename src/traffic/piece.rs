//! What readers hand out. Cutting a recording must go from its start to its end, and is cheap;
//! making records of what was cut is not, and goes on as many threads as there are.

use std::collections::VecDeque;
use std::ops::Range;

use crate::model::RecordBatch;
use crate::packet::LinkType;

/// A piece of a recording. It keeps its memory from one use to the next, so that each worker has
/// one of its own.
#[derive(Default)]
pub struct Piece {
    pub(super) cut: Cut,
    /// None if the records are there already.
    decoder: Option<Box<dyn Decoder>>,
    /// Records that were made, or that the form handed out as such.
    records: RecordBatch,
    /// Whether `records` was handed out.
    handed_out: bool,
    /// Records that were made before anybody asked for them.
    early: VecDeque<RecordBatch>,
}

/// What was cut off a recording, as it stands there.
#[derive(Default)]
pub(super) struct Cut {
    /// Its bytes, and maybe others.
    pub(super) bytes: Vec<u8>,
    /// Its frames, if it is of a capture.
    pub(super) frames: Vec<Found>,
    /// How many frames were decoded.
    pub(super) decoded: usize,
}

/// A frame of a capture.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// In nanoseconds since 1970 UTC.
    pub(super) time_ns: i64,
    /// Its number in the file, from 1.
    pub(super) number: u64,
    /// Where it is among the bytes of its piece.
    pub(super) bytes: Range<usize>,
    /// How long it was on the wire.
    pub(super) original_length: u32,
    /// What it is.
    pub(super) link: LinkType,
}

/// Makes records of a piece that its reader cut off, on any thread. It may wait for pieces that were
/// cut before; so whoever decodes several one after another does it in their order.
pub(super) trait Decoder: Send {
    /// Adds the next few records to an empty batch; none at the end of the piece.
    fn decode(&mut self, cut: &mut Cut, records: &mut RecordBatch);
}

impl Piece {
    /// Makes an empty piece.
    pub fn new() -> Piece {
        Piece::default()
    }

    /// Returns the next records of the piece, at most a batch of them; none at its end.
    pub fn decode(&mut self) -> Option<&RecordBatch> {
        if let Some(early) = self.early.pop_front() {
            self.records = early;
        } else if let Some(decoder) = &mut self.decoder {
            self.records.clear();
            decoder.decode(&mut self.cut, &mut self.records);
        } else if std::mem::replace(&mut self.handed_out, true) {
            return None;
        }
        (!self.records.is_empty()).then_some(&self.records)
    }

    /// Forgets everything, and returns where to put records that need no decoding.
    pub fn fill(&mut self) -> &mut RecordBatch {
        self.decoder = None;
        self.handed_out = false;
        self.early.clear();
        self.records.clear();
        &mut self.records
    }

    /// Forgets everything, and returns where to put bytes before [`Piece::start`].
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        self.decoder = None;
        self.handed_out = true;
        self.early.clear();
        &mut self.cut.bytes
    }

    /// Forgets everything, and returns where to put what is to be decoded.
    pub(super) fn start(&mut self, decoder: Box<dyn Decoder>) -> &mut Cut {
        self.decoder = Some(decoder);
        self.early.clear();
        self.cut.frames.clear();
        self.cut.decoded = 0;
        &mut self.cut
    }

    /// Returns when things in a piece that was just cut happened, in the order of the recording. Where
    /// only its records tell, they are made now, and handed out later.
    pub fn times_ns(&mut self) -> impl Iterator<Item = i64> + '_ {
        if let Some(decoder) = &mut self.decoder
            && self.cut.frames.is_empty()
        {
            loop {
                let mut records = RecordBatch::new();
                decoder.decode(&mut self.cut, &mut records);
                if records.is_empty() {
                    break;
                }
                self.early.push_back(records);
            }
        }
        let cut = self.decoder.is_some().then_some(&self.cut.frames);
        let made = self.decoder.is_none().then_some(&self.records);
        let made = made.into_iter().chain(&self.early).flat_map(RecordBatch::iter);
        let cut = cut.into_iter().flatten().map(|frame| frame.time_ns);
        cut.chain(made.map(|record| record.time_ns))
    }
}
