//! Where a typed path is within the repository.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::GitError;
use crate::input::{InputError, is_stdin, plain, shown};

/// A path as typed, and where it is within the repository.
pub(super) struct Place<'p> {
    /// As typed.
    pub(super) typed: &'p Path,
    /// From the top of the working tree.
    pub(super) components: Vec<Vec<u8>>,
}

impl<'p> Place<'p> {
    /// Finds the place of a path, which need not exist. A path that git would see elsewhere than
    /// the system does is refused: it would be judged against something else.
    pub(super) fn new(typed: &'p Path, here: &Path, top: &Path) -> Result<Place<'p>, GitError> {
        if is_stdin(typed) {
            return Err(GitError::Stdin);
        }
        let name = || shown(typed);
        let joined = here.join(typed);
        let full = plain(&joined);
        let is_top = |folder: &&Path| fs::canonicalize(folder).is_ok_and(|real| real == top);
        let own_top = full.ancestors().filter(is_top).last();
        let Some((own_top, inside)) =
            own_top.and_then(|own| Some((own, full.strip_prefix(own).ok()?)))
        else {
            return Err(GitError::Outside { name: name(), top: top.display().to_string() });
        };
        let within = || full.ancestors().take_while(|folder| *folder != own_top);
        if let Some(inner) =
            within().find(|folder| fs::symlink_metadata(folder.join(".git")).is_ok())
        {
            return Err(GitError::Another { name: name(), inner: inner.display().to_string() });
        }
        // As far as the path exists it must be where its words say.
        let exists = within().find_map(|folder| Some((folder, fs::canonicalize(folder).ok()?)));
        let through = exists.and_then(|(folder, real)| {
            let inside = folder.strip_prefix(own_top).ok()?;
            (real != top.join(inside)).then_some(real)
        });
        let through = through.or_else(|| {
            // `link/..` is not where it seems to be.
            let real = fs::canonicalize(&joined).ok()?;
            (fs::canonicalize(&full).ok()? != real).then_some(real)
        });
        if let Some(real) = through {
            return Err(GitError::ThroughLink { name: name(), real: real.display().to_string() });
        }
        let bytes = |component: Component<'_>| component.as_os_str().as_encoded_bytes().to_vec();
        Ok(Place { typed, components: inside.components().map(bytes).collect() })
    }

    /// Returns the path from the top of the repository.
    pub(super) fn path(&self) -> Vec<u8> {
        self.components.join(b"/".as_slice())
    }

    /// Returns the path of something in this folder, from the top of the repository.
    pub(super) fn with(&self, inner: &[u8]) -> Vec<u8> {
        let mut path = self.path();
        if !path.is_empty() && !inner.is_empty() {
            path.push(b'/');
        }
        path.extend(inner);
        path
    }

    /// Returns where a path that begins as this one was typed is in the repository.
    pub(super) fn under(&self, path: &Path) -> Option<Vec<u8>> {
        let inner = path.strip_prefix(self.typed).ok()?;
        Some(self.with(inner.as_os_str().as_encoded_bytes()))
    }
}

/// Returns the current folder and the top of the working tree, both without symbolic links.
pub(super) fn roots(top: &Path) -> Result<(PathBuf, PathBuf), GitError> {
    let here = std::env::current_dir().map_err(|error| InputError::read(".", error))?;
    let real =
        |path: &Path| fs::canonicalize(path).map_err(|error| InputError::read(shown(path), error));
    Ok((real(&here)?, real(top)?))
}

/// Makes a path of what git says.
#[cfg(unix)]
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Makes a path of what git says: UTF-8 where paths are not bytes.
#[cfg(not(unix))]
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::new(String::from_utf8_lossy(bytes).as_ref()))
}
