//! What stands in for the reader of Parquet in a build without it.

use std::io::Read;
use std::sync::Arc;

use super::cells::Cell;
use super::plan::Plan;
use crate::model::ReadAt;

/// A table that is never there.
pub(super) enum Table {}

/// Rows of it.
pub(super) enum Part {}

/// Rows of it that would lie decoded.
pub(super) enum Decoded {}

/// What would stand next in it.
#[expect(dead_code, reason = "there is no table")]
pub(super) enum Next {
    Row { row: usize, number: u64 },
    Broken { reason: String, number: u64 },
    End,
}

pub(super) fn open(_: impl Read, _: Option<Arc<dyn ReadAt>>, _: &Plan) -> Result<Table, String> {
    Err("it is Parquet, which this build does not read (feature `parquet`)".to_owned())
}

impl Table {
    pub(super) fn cut(&mut self, _: usize) -> Option<Part> {
        match *self {}
    }
}

impl Part {
    pub(super) fn next(&mut self) -> Next {
        match *self {}
    }

    pub(super) fn decoded(&self) -> &Decoded {
        match *self {}
    }
}

impl Decoded {
    pub(super) fn cell(&self, _: usize, _: usize) -> Option<Cell<'_>> {
        match *self {}
    }
}
