//! What stands in for the reader of Parquet in a build without it.

use std::io::Read;
use std::sync::Arc;

use super::plan::Plan;
use crate::model::ReadAt;

/// A table that is never there.
pub(super) enum Table {}

/// What would stand next in it.
#[expect(dead_code, reason = "there is no table")]
pub(super) enum Next {
    Row,
    Broken(String),
    End,
}

pub(super) fn open(_: impl Read, _: Option<Arc<dyn ReadAt>>, _: &Plan) -> Result<Table, String> {
    Err("it is Parquet, which this build does not read (feature `parquet`)".to_owned())
}

impl Table {
    pub(super) fn next(&mut self) -> Next {
        match *self {}
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = (&[usize], &str)> {
        std::iter::empty()
    }
}
