//! Files whose parts lie anywhere in them, told by their first bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::Meter;
use crate::model::ReadAt;

/// What files begin with that say at their end what is in them: Parquet.
const MAGIC: &[u8] = b"PAR1";

/// The longest end that is looked at to tell what a file is, in bytes.
const LONGEST_END: u64 = 16 << 20;

/// Opens a file to go anywhere in it, if it is of such a form.
pub(super) fn of(path: &Path, start: &[u8], meter: &Meter) -> Option<Arc<dyn ReadAt>> {
    if !start.starts_with(MAGIC) {
        return None;
    }
    let file = File::open(path).ok()?;
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    Some(Arc::new(Places { file: Mutex::new(file), size, meter: meter.clone() }))
}

/// Returns the first bytes of a file, and behind them those at its end that say what is in it.
pub(super) fn with_end(mut start: Vec<u8>, file: Option<&dyn ReadAt>) -> Vec<u8> {
    let Some(file) = file else { return start };
    let mut last = [0; 8];
    let Some(end) = file.size().checked_sub(8) else { return start };
    if file.read_at(end, &mut last).is_err() {
        return start;
    }
    let [a, b, c, d, ..] = last;
    let length = u64::from(u32::from_le_bytes([a, b, c, d])).min(end).min(LONGEST_END);
    let mut footer = vec![0; length as usize];
    if file.read_at(end - length, &mut footer).is_ok() {
        start.extend(footer);
    }
    start
}

struct Places {
    file: Mutex<File>,
    size: u64,
    meter: Meter,
}

impl ReadAt for Places {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, start: u64, buffer: &mut [u8]) -> Result<(), String> {
        self.meter.0.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(buffer));
        read.map_err(|error| error.to_string())
    }
}
