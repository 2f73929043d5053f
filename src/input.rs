//! Opens things: files, folders, standard input, gzip and zstd, what git holds; and puts outputs
//! in their place.
//!
//! Invariant: nothing else in the crate touches the file system. What is handed out carries the
//! name under which it is shown.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use crate::model::ReadAt;

mod folders;
pub mod git;
mod many;
pub mod pattern;
mod places;

pub use folders::{other_files, rule_files};
pub use many::recordings;

/// The largest text that is read: rules, inventories, configs.
pub const MAX_TEXT_BYTES: u64 = 1 << 30;

/// How many first bytes of a recording are looked at to tell its form.
pub const START_BYTES: usize = 4096;

/// Why something could not be opened or read.
#[derive(Debug, Error)]
pub enum InputError {
    /// The system says no.
    #[error("cannot read {name}: {reason}")]
    Read {
        /// What was to be read.
        name: String,
        /// Why not.
        reason: String,
    },
    /// Text was expected.
    #[error("{name} is not UTF-8 text (byte {at})")]
    NotText {
        /// What was to be read.
        name: String,
        /// Where the text ends.
        at: usize,
    },
    /// Too large to be held.
    #[error("{name} is larger than {} MiB, the most that is read as text", MAX_TEXT_BYTES >> 20)]
    TooLarge {
        /// What was to be read.
        name: String,
    },
    /// A folder without anything to read.
    #[error("{name} holds no rule file (*.{extensions})")]
    NoFiles {
        /// The folder.
        name: String,
        /// What was looked for.
        extensions: String,
    },
    /// A folder without anything to read.
    #[error("{name} holds no recording")]
    NoRecordings {
        /// The folder, or the pattern.
        name: String,
    },
    /// A link to a folder in a folder of rules or recordings.
    #[error("{name} is a symbolic link to a folder, which is not followed; name the folder itself")]
    LinkedFolder {
        /// The link.
        name: String,
    },
    /// Something in a folder of recordings that is neither a file nor a folder.
    #[error("{name} is neither a file nor a folder; take it out, or name it by itself")]
    NoFile {
        /// What it is called.
        name: String,
    },
    /// Standard input was asked for twice.
    #[error("standard input can be read only once")]
    StdinTwice,
}

impl InputError {
    fn read(name: impl Into<String>, error: io::Error) -> InputError {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "no such file or folder".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        InputError::Read { name: name.into(), reason }
    }
}

/// Returns the name under which a path is shown.
pub fn shown(path: &Path) -> String {
    if is_stdin(path) { "<stdin>".to_owned() } else { path.display().to_string() }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

//------------ Reading -------------------------------------------------------

/// Reads a whole text, with its byte order mark if it has one: some readers refuse that.
pub fn text(path: &Path) -> Result<String, InputError> {
    let name = shown(path);
    let reader: Box<dyn Read> =
        if is_stdin(path) { Box::new(io::stdin().lock()) } else { Box::new(open_file(path)?) };
    let mut bytes = Vec::new();
    reader
        .take(MAX_TEXT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| InputError::read(&name, source))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(InputError::TooLarge { name });
    }
    into_text(name, bytes)
}

fn into_text(name: String, bytes: Vec<u8>) -> Result<String, InputError> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => Err(InputError::NotText { name, at: error.utf8_error().valid_up_to() }),
    }
}

fn open_file(path: &Path) -> Result<File, InputError> {
    let name = shown(path);
    let file = File::open(path).map_err(|source| InputError::read(&name, source))?;
    let is_folder = file.metadata().is_ok_and(|metadata| metadata.is_dir());
    if is_folder {
        let source = io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, not a file");
        return Err(InputError::read(&name, source));
    }
    Ok(file)
}

/// Returns how many bytes a file has; nothing of standard input and what is not there.
pub fn size(path: &Path) -> Option<u64> {
    if is_stdin(path) {
        return None;
    }
    fs::metadata(path).ok().filter(|metadata| metadata.is_file()).map(|metadata| metadata.len())
}

/// A recording, decompressed.
pub struct Recording {
    /// Its first bytes.
    pub start: Vec<u8>,
    /// All of it, from the first byte.
    pub reader: Box<dyn Read + Send>,
    /// How it was compressed, if it was.
    pub packed: Option<&'static str>,
    /// The file itself, if one can go anywhere in it.
    pub file: Option<Arc<dyn ReadAt>>,
}

/// How many bytes were read of what lies on disk, compressed as it lies there.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// Returns how many.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Metered<R> {
    input: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.meter.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Opens a recording: a file or standard input, plain, gzip or zstd (told by their first bytes).
/// `meter` counts what is read of a file.
pub fn recording(path: &Path, meter: &Meter) -> Result<Recording, InputError> {
    let name = shown(path);
    let raw: Box<dyn Read + Send> = if is_stdin(path) {
        Box::new(io::stdin())
    } else {
        Box::new(Metered { input: open_file(path)?, meter: meter.clone() })
    };
    let fault = |source| InputError::read(&name, source);
    let (start, raw) = peek(raw).map_err(fault)?;
    let (packed, plain): (_, Box<dyn Read + Send>) = if start.starts_with(&[0x1f, 0x8b]) {
        let raw = BufReader::with_capacity(1 << 16, raw);
        ("gzip", Box::new(flate2::read::MultiGzDecoder::new(raw)))
    } else if is_zstd(&start) {
        ("zstd", Box::new(zstd::stream::read::Decoder::new(raw).map_err(fault)?))
    } else {
        let file = places::of(path, &start, meter);
        let start = places::with_end(start, file.as_deref());
        return Ok(Recording { start, reader: raw, packed: None, file });
    };
    let (start, reader) = peek(plain).map_err(fault)?;
    Ok(Recording { start, reader, packed: Some(packed), file: None })
}

/// Returns whether bytes begin a frame of zstd, or one that is to be skipped (RFC 8878, section 3.1).
fn is_zstd(start: &[u8]) -> bool {
    match start {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => true,
        [first, 0x2a, 0x4d, 0x18, ..] => first & 0xf0 == 0x50,
        _ => false,
    }
}

/// Returns the first bytes of a reader, and a reader that still has them. An error after the
/// first byte is left for the one who reads on.
fn peek(mut reader: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut start = vec![0; START_BYTES];
    let mut filled = 0;
    while filled < start.len() {
        match reader.read(&mut start[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if filled == 0 => return Err(error),
            Err(_) => break,
        }
    }
    start.truncate(filled);
    Ok((start.clone(), Box::new(Cursor::new(start).chain(reader))))
}

/// Reads a recording that is text to its end.
pub fn recorded_text(name: &str, recording: Recording, most: u64) -> Result<String, InputError> {
    let mut bytes = Vec::new();
    recording
        .reader
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| InputError::read(name, source))?;
    if bytes.len() as u64 > most {
        return Err(InputError::TooLarge { name: name.to_owned() });
    }
    into_text(name.to_owned(), bytes)
}

//------------ Finding -------------------------------------------------------

/// Returns the nearest file of a name, from a folder upwards to the first that holds `.git`.
pub fn find_upwards(from: &Path, name: &str) -> Option<PathBuf> {
    for folder in from.ancestors() {
        let file = folder.join(name);
        if file.is_file() {
            return Some(file);
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}

/// Returns the root of the git repository that a folder lies in, if it lies in one.
pub fn repository(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned)
}

/// Returns whether two paths lead to the same file.
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => plain(a) == plain(b),
    }
}

/// Returns the names of all files in a folder, links to files among them.
pub fn names_in(folder: &Path) -> Result<Vec<String>, InputError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let fault = |source| InputError::read(shown(folder), source);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        if !entry.path().is_dir() {
            let name = entry.file_name();
            let is_text = name.to_str().map(str::to_owned);
            names.push(is_text.unwrap_or_else(|| name.to_string_lossy().into_owned()));
        }
    }
    Ok(names)
}

/// Returns what tells a file from all others: its place without links, if it is there.
pub fn identity(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| plain(path))
}

/// What is read at a path: two that are the same are the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// A file, by its device and its number there: several names may lead to it.
    File(u64, u64),
    /// What has only its place.
    Place(PathBuf),
}

/// Returns what is read at a path; `-` is what stands behind standard input.
pub fn content(path: &Path) -> Content {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let path = if is_stdin(path) { Path::new("/dev/stdin") } else { path };
        if let Ok(file) = fs::metadata(path)
            && file.is_file()
        {
            return Content::File(file.dev(), file.ino());
        }
    }
    Content::Place(identity(path))
}

/// Returns the files that hold the same bytes as one before them, with that one.
pub fn copies<'p>(paths: impl Iterator<Item = &'p Path>) -> Vec<[PathBuf; 2]> {
    let mut by_length: BTreeMap<u64, Vec<&Path>> = BTreeMap::new();
    let mut copies = Vec::new();
    for path in paths.filter(|path| !is_stdin(path)) {
        let Ok(file) = fs::metadata(path) else { continue };
        if !file.is_file() || file.len() == 0 {
            continue;
        }
        let known = by_length.entry(file.len()).or_default();
        match known.iter().find(|before| is_same(before, path).unwrap_or(false)) {
            Some(before) => copies.push([before.to_path_buf(), path.to_owned()]),
            None => known.push(path),
        }
    }
    copies
}

/// Returns whether two files of one length hold the same.
fn is_same(a: &Path, b: &Path) -> io::Result<bool> {
    let [mut a, mut b] = [BufReader::new(File::open(a)?), BufReader::new(File::open(b)?)];
    loop {
        let (left, right) = (a.fill_buf()?, b.fill_buf()?);
        let length = left.len().min(right.len());
        if left[..length] != right[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(left.is_empty() && right.is_empty());
        }
        a.consume(length);
        b.consume(length);
    }
}

/// Takes `.` and `..` out of a path, by its words alone.
pub fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(plain.components().next_back(), Some(Component::Normal(_))) =>
            {
                plain.pop();
            }
            // Above the root there is nothing.
            Component::ParentDir if plain.has_root() => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Returns the current folder.
pub fn current_folder() -> io::Result<PathBuf> {
    std::env::current_dir()
}

//------------ Writing -------------------------------------------------------

/// A file that appears under its name only when it is whole.
pub struct Output {
    path: PathBuf,
    temporary: Option<PathBuf>,
    file: Option<File>,
}

impl Output {
    /// Opens an output, so that a path that cannot be written is found before the work starts. A
    /// link is followed, and what is no file (a device, a pipe) is written to, not replaced.
    pub fn open(path: &Path) -> io::Result<Output> {
        let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            let file = fs::OpenOptions::new().write(true).open(path)?;
            return Ok(Output { path: path.clone(), temporary: None, file: Some(file) });
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the name of a file is wanted")
        })?);
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        if path.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        let file = File::create(&temporary)?;
        Ok(Output { path: path.clone(), temporary: Some(temporary), file: Some(file) })
    }

    /// Opens a file to the end of which the output goes; it is made if there is none.
    pub fn append(path: &Path) -> io::Result<Output> {
        let file = fs::OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Output { path: path.to_owned(), temporary: None, file: Some(file) })
    }

    /// Returns where it goes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything and puts the file in its place.
    pub fn finish(mut self, content: &[u8]) -> io::Result<()> {
        if let Some(mut file) = self.file.take() {
            file.write_all(content)?;
            if self.temporary.is_some() {
                file.sync_all()?;
            }
        }
        match &self.temporary {
            Some(temporary) => fs::rename(temporary, &self.path),
            None => Ok(()),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove; any other failure leaves a hidden file.
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Whether a file that is made can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is read.
    Plain,
    /// It is a program.
    Executable,
}

/// What became of a file that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is there now.
    Written,
    /// Something was there already, and is as it was.
    Kept,
}

/// Makes a file, and the folders that it lies in, unless anything is there by that name.
pub fn create(path: &Path, content: &[u8], mode: Mode) -> io::Result<Made> {
    if fs::symlink_metadata(path).is_ok() {
        return Ok(Made::Kept);
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if mode == Mode::Executable {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o777);
    }
    #[cfg(not(unix))]
    let _ = mode;
    match options.open(path) {
        Ok(mut file) => file.write_all(content).map(|()| Made::Written),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Made::Kept),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_files_come_in_the_byte_wise_order_of_their_paths() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.yaml", "a/z.yml", "B.yaml", ".hidden.yaml", "notes.txt", "a.yaml"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, "x").expect("a file");
        }
        let files = rule_files(&[folder.path().to_owned()], &["yaml", "yml"]).expect("files");
        let names: Vec<String> = files
            .iter()
            .map(|path| path.strip_prefix(folder.path()).expect("inside").display().to_string())
            .collect();
        assert_eq!(names, ["B.yaml", "a.yaml", "a/z.yml", "b.yaml"]);
    }

    #[test]
    fn compressed_recordings_read_like_plain_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let content: Vec<u8> = (0..20_000u32).flat_map(u32::to_le_bytes).collect();
        let plain = folder.path().join("plain");
        fs::write(&plain, &content).expect("a file");
        let gz = folder.path().join("gz");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&content).expect("compressed");
        fs::write(&gz, encoder.finish().expect("compressed")).expect("a file");
        let zst = folder.path().join("zst");
        fs::write(&zst, zstd::encode_all(content.as_slice(), 3).expect("compressed"))
            .expect("a file");
        for path in [plain, gz, zst] {
            let meter = Meter::default();
            let mut recording = recording(&path, &meter).expect("a recording");
            assert_eq!(recording.start, content[..START_BYTES]);
            let mut read = Vec::new();
            recording.reader.read_to_end(&mut read).expect("all of it");
            assert!(read == content, "{}", path.display());
        }
    }

    #[test]
    fn an_output_appears_only_when_it_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.json");
        drop(Output::open(&path).expect("open"));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        Output::open(&path).expect("open").finish(b"{}").expect("written");
        assert_eq!(fs::read(&path).expect("a file"), b"{}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(Output::open(&folder.path().join("none/out.json")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn an_output_follows_links_and_writes_to_devices() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        Output::open(&link).expect("open").finish(b"new").expect("written");
        assert_eq!(fs::read(&file).expect("a file"), b"new");
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        assert!(is_same_file(&file, &link));
        Output::open(Path::new("/dev/null")).expect("open").finish(b"x").expect("written");
        assert!(!fs::metadata("/dev/null").expect("a device").is_file());
    }
}
