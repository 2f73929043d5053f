//! Finds the files of a rule set, in folders too.

use std::fs;
use std::path::{Path, PathBuf};

use super::{InputError, is_stdin, shown};

/// Returns the files of a rule set: files as named, folders with all they hold, in the byte-wise
/// order of their paths. Hidden files and folders are left out.
pub fn rule_files(paths: &[PathBuf], extensions: &[&str]) -> Result<Vec<PathBuf>, InputError> {
    let mut files = Vec::new();
    let mut stdin = false;
    for path in paths {
        if is_stdin(path) {
            if std::mem::replace(&mut stdin, true) {
                return Err(InputError::StdinTwice);
            }
            files.push(path.clone());
            continue;
        }
        let metadata =
            fs::metadata(path).map_err(|source| InputError::read(shown(path), source))?;
        if !metadata.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        let mut linked = Vec::new();
        walk(path, &|file| is_rule_file(file, extensions), &mut files, &mut linked)?;
        if let Some(linked) = linked.first() {
            return Err(InputError::LinkedFolder { name: shown(linked) });
        }
        if files.len() == before {
            return Err(InputError::NoFiles {
                name: shown(path),
                extensions: extensions.join(", *."),
            });
        }
    }
    in_order(&mut files, |path| path);
    Ok(files)
}

/// Endings of files that are there beside rules and are none.
const BESIDES: &[&str] =
    &["md", "rst", "adoc", "html", "py", "bak", "orig", "rej", "old", "swp", "lock"];

/// The largest file that is looked into for rules that nobody named, in bytes.
const MOST_LOOKED_INTO: u64 = 1 << 20;

/// How many such files are looked into.
const MOST_OTHERS: usize = 1_000;

/// Returns the files in the folders of a rule set that are not read as such, without those that are
/// large, or hidden, or by their name something else.
pub fn other_files(paths: &[PathBuf], extensions: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths.iter().filter(|path| path.is_dir()) {
        let is_other = |path: &Path| {
            let is_small = || {
                let metadata = fs::metadata(path);
                metadata.is_ok_and(|it| it.is_file() && it.len() <= MOST_LOOKED_INTO)
            };
            !is_rule_file(path, extensions) && !is_beside(path) && is_small()
        };
        // What cannot be walked was said where its rules are read.
        let _ = walk(path, &is_other, &mut files, &mut Vec::new());
    }
    in_order(&mut files, |path| path);
    files.truncate(MOST_OTHERS);
    files
}

/// Puts the files of a rule set in order, each once.
pub(super) fn in_order<F>(files: &mut Vec<F>, path: impl Fn(&F) -> &Path) {
    files.sort_by(|a, b| {
        let bytes = |file| path(file).as_os_str().as_encoded_bytes();
        bytes(a).cmp(bytes(b))
    });
    files.dedup_by(|a, b| path(a) == path(b));
}

/// Returns whether a file or folder of this name is left out of a folder of rules.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".")
}

/// Returns whether a file in a folder of rules is one.
pub(super) fn is_rule_file(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|own| extensions.iter().any(|one| own.eq_ignore_ascii_case(one)))
}

/// Returns whether a file in a folder of rules is none by its name.
pub(super) fn is_beside(path: &Path) -> bool {
    is_rule_file(path, BESIDES) || path.as_os_str().as_encoded_bytes().ends_with(b"~")
}

/// Finds the files in a folder that are meant, and links to folders, which are not followed, so that
/// no walk is endless.
pub(super) fn walk(
    folder: &Path,
    is_meant: &dyn Fn(&Path) -> bool,
    files: &mut Vec<PathBuf>,
    linked: &mut Vec<PathBuf>,
) -> Result<(), InputError> {
    let fault = |source| InputError::read(shown(folder), source);
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        if is_hidden(entry.file_name().as_encoded_bytes()) {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(fault)?;
        if kind.is_dir() {
            walk(&path, is_meant, files, linked)?;
        } else {
            // A link that leads nowhere is named by the reader.
            let is_folder = kind.is_symlink() && path.is_dir();
            if is_folder {
                linked.push(path);
            } else if is_meant(&path) {
                files.push(path);
            }
        }
    }
    Ok(())
}
