//! Finds the many files that a folder or a pattern stands for.

use std::fs;
use std::path::{Path, PathBuf};

use super::folders::{in_order, walk};
use super::{InputError, is_stdin, pattern, shown};

/// Returns the recordings that a path stands for: a file as it is; a folder with all files in it and
/// below; a pattern (`*`, `?`, `[…]`) of which there is no file with all that it matches. Hidden ones
/// are left out.
pub fn recordings(path: &Path) -> Result<Vec<PathBuf>, InputError> {
    let is_there = || fs::symlink_metadata(path).is_ok();
    let (mut files, mut linked) = (Vec::new(), Vec::new());
    if is_stdin(path) || path.is_file() {
        return Ok(vec![path.to_owned()]);
    } else if path.is_dir() {
        walk(path, &|_| true, &mut files, &mut linked)?;
    } else if !is_there() && path.to_str().is_some_and(pattern::is_pattern) {
        for found in unfold(path)? {
            match found.is_dir() {
                true => walk(&found, &|_| true, &mut files, &mut linked)?,
                false => files.push(found),
            }
        }
    } else {
        return Ok(vec![path.to_owned()]);
    }
    if let Some(linked) = linked.first() {
        return Err(InputError::LinkedFolder { name: shown(linked) });
    }
    // A pipe or a device among them would be waited for.
    if let Some(other) = files.iter().find(|file| file.exists() && !file.is_file()) {
        return Err(InputError::NoFile { name: shown(other) });
    }
    if files.is_empty() {
        return Err(InputError::NoRecordings { name: shown(path) });
    }
    in_order(&mut files, |path| path);
    Ok(files)
}

/// Returns all paths that a pattern matches, part by part.
fn unfold(path: &Path) -> Result<Vec<PathBuf>, InputError> {
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let Some(name) = part.as_os_str().to_str().filter(|name| pattern::is_pattern(name)) else {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        };
        let mut matched = Vec::new();
        for folder in &found {
            let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            if !listed.is_dir() {
                continue;
            }
            let fault = |source| InputError::read(shown(listed), source);
            for entry in fs::read_dir(listed).map_err(fault)? {
                let own = entry.map_err(fault)?.file_name();
                if own.to_str().is_some_and(|own| pattern::matches(name, own)) {
                    matched.push(folder.join(own));
                }
            }
        }
        found = matched;
    }
    found.retain(|path| fs::symlink_metadata(path).is_ok());
    Ok(found)
}
