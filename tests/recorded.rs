//! Real captures, which are no part of this repository: their folder is named by
//! `BLASTGATE_RECORDED`.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blastgate::model::{Names, ReadCounts, Record, RecordBatch, SourceId, Timestamp};
use blastgate::traffic::{self, Form, Piece, Settings};

/// One capture file.
pub(crate) struct Capture {
    /// Its path below the folder.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Its bytes, decompressed.
    pub(crate) bytes: Vec<u8>,
}

/// Returns the folder of recordings; nothing, after saying so, if none is named.
pub(crate) fn root() -> Option<PathBuf> {
    let root = std::env::var_os("BLASTGATE_RECORDED").map(PathBuf::from);
    if root.is_none() {
        println!("skipped: BLASTGATE_RECORDED is not set");
    }
    root
}

/// Returns all captures in the order of their names; none, after saying so, if no folder is named.
pub(crate) fn captures() -> Option<Vec<Capture>> {
    let root = root()?;
    let mut captures = Vec::new();
    collect(&root, &root, &mut captures);
    captures.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!captures.is_empty(), "no captures below BLASTGATE_RECORDED");
    Some(captures)
}

fn collect(root: &Path, folder: &Path, captures: &mut Vec<Capture>) {
    for entry in std::fs::read_dir(folder).expect("a folder that can be listed") {
        let path = entry.expect("an entry that can be read").path();
        if path.is_dir() {
            collect(root, &path, captures);
            continue;
        }
        let name = path.strip_prefix(root).expect("a path below").display().to_string();
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        if ![".pcap", ".pcapng", ".cap"].iter().any(|end| plain.ends_with(end)) {
            continue;
        }
        let mut bytes = std::fs::read(&path).expect("a file that can be read");
        if plain != name {
            let mut plain = Vec::new();
            let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
            decoder.read_to_end(&mut plain).expect("a file that can be decompressed");
            bytes = plain;
        }
        captures.push(Capture { name, path, bytes });
    }
}

/// Returns settings for reading packets as they are.
pub(crate) fn settings() -> Settings {
    Settings {
        source: SourceId(0),
        name: "capture".into(),
        pop: None,
        pops: Default::default(),
        direction: None,
        label: None,
        sampling: None,
        inner: false,
        now: Timestamp(0),
        batch: RecordBatch::CAPACITY,
        names: Arc::new(Names::new()),
        columns: None,
        zone: None,
        file: None,
        count_drops: false,
    }
}

/// Reads a capture through the public way in, its packets as they are. An error is one of a file
/// that is no capture.
pub(crate) fn read(
    bytes: Vec<u8>,
    settings: &Settings,
) -> Result<(Vec<Record>, ReadCounts), String> {
    let is_capture = |form: &&Form| form.name == "pcap" && (form.detect)(&bytes);
    let capture = traffic::FORMS.iter().copied().find(is_capture);
    let form = capture.or_else(|| traffic::detect(&bytes)).ok_or("no form of traffic")?;
    read_as(form.name, bytes, settings)
}

/// Reads a recording as one of this form.
pub(crate) fn read_as(
    form: &str,
    bytes: Vec<u8>,
    settings: &Settings,
) -> Result<(Vec<Record>, ReadCounts), String> {
    let form = traffic::FORMS.iter().find(|known| known.name == form).ok_or("no such form")?;
    let mut reader = (form.open)(Box::new(Cursor::new(bytes)), settings)
        .map_err(|errors| errors[0].message.clone())?;
    let (mut records, mut piece) = (Vec::new(), Piece::new());
    while reader.cut(&mut piece).map_err(|error| error.message)? {
        while let Some(batch) = piece.decode() {
            records.extend(batch.iter());
        }
    }
    Ok((records, reader.counts()))
}
