//! What git holds: the rule files of a revision, or of the index.
//!
//! Only plumbing that reads: nothing is checked out, fetched or written. Where git cannot tell
//! for certain (a shallow clone, several merge bases, a name with two meanings), neither can we:
//! there is no second choice behind an error.

mod command;
mod error;
mod paths;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::folders::{in_order, is_beside, is_hidden, is_rule_file};
use super::{into_text, shown};
use command::{ask, blobs, line, run};
pub use error::GitError;
use paths::{Place, path_of};

/// Returns whether git runs the hooks of a repository from elsewhere than its own folder.
pub fn has_hooks_elsewhere(folder: &Path) -> bool {
    let folder = folder.as_os_str();
    let arguments = ["-C".as_ref(), folder, "config".as_ref(), "core.hooksPath".as_ref()];
    // Without git there is nothing that would run them.
    run(&arguments).is_ok_and(|said| said.code == Some(0))
}

/// A commit.
#[derive(Clone)]
pub struct Commit {
    id: String,
    /// Its id, abbreviated as far as it is unique.
    pub short: String,
}

/// Rule files as git has them.
#[derive(Default)]
pub struct Listing {
    /// The name under which each is shown, its path as typed, and its text; in the byte-wise order
    /// of their paths.
    pub texts: Vec<(String, PathBuf, String)>,
    /// The paths, as typed, at which there is no rule file.
    pub absent: Vec<PathBuf>,
}

/// A file that is to be read.
struct Wanted {
    path: PathBuf,
    name: String,
    id: String,
}

/// One entry of a tree or of the index.
struct Entry {
    mode: String,
    id: String,
    stage: String,
    path: Vec<u8>,
}

const TREE: &str = "040000";
const LINK: &str = "120000";
const SUBMODULE: &str = "160000";

/// The repository that the current folder is in.
pub struct Repository {
    /// The current folder.
    here: PathBuf,
    /// The top of the working tree, without symbolic links.
    top: PathBuf,
}

impl Repository {
    /// Finds the repository, as git does.
    pub fn find() -> Result<Repository, GitError> {
        let top = line(&["rev-parse", "--show-toplevel"])?;
        let by_variable = |name: &str| std::env::var_os(name).is_some();
        if by_variable("GIT_DIR") && !by_variable("GIT_WORK_TREE") {
            // Git then takes the current folder for the top, wherever in the tree it is.
            for what in ["--show-toplevel", "--absolute-git-dir"] {
                let found = command::run_as_found(&["rev-parse", what])?;
                if found.code != Some(0) || found.out != ask(&["rev-parse", what])? {
                    return Err(GitError::ElsewhereByVariable);
                }
            }
        }
        let (here, top) = paths::roots(&path_of(&top))?;
        Ok(Repository { here, top })
    }

    //-------- Revisions

    /// Returns the commit that a revision names.
    pub fn revision(&self, revision: &str) -> Result<Commit, GitError> {
        let Some(id) = resolve(revision)? else {
            let is_shallow = line(&["rev-parse", "--is-shallow-repository"])? == b"true";
            return Err(GitError::NoRevision { revision: revision.to_owned(), is_shallow });
        };
        commit(id)
    }

    /// Returns the last commit; none if there is none yet.
    pub fn head(&self) -> Result<Option<Commit>, GitError> {
        if let Some(id) = resolve("HEAD")? {
            return commit(id).map(Some);
        }
        // An unborn branch is a name without a commit; anything else is broken.
        let name = line(&["symbolic-ref", "-q", "HEAD"])?;
        let name = String::from_utf8_lossy(&name).into_owned();
        match run(&["show-ref", "--verify", "--quiet", &name])?.code {
            Some(1) => Ok(None),
            _ => Err(GitError::NoRevision { revision: "HEAD".to_owned(), is_shallow: false }),
        }
    }

    /// Returns whether a commit is the one that is checked out.
    pub fn is_head(&self, commit: &Commit) -> Result<bool, GitError> {
        Ok(self.head()?.is_some_and(|head| head.id == commit.id))
    }

    /// Makes sure that the clone has the whole history.
    pub fn is_complete(&self) -> Result<(), GitError> {
        match line(&["rev-parse", "--is-shallow-repository"])?.as_slice() {
            b"true" => Err(GitError::Shallow { revision: "HEAD".to_owned() }),
            _ => Ok(()),
        }
    }

    /// Returns the one merge base of a revision and HEAD.
    pub fn merge_base(&self, revision: &str) -> Result<Commit, GitError> {
        let other = self.revision(revision)?;
        let head = self.head()?.ok_or(GitError::Unborn)?;
        let revision = || revision.to_owned();
        let said = run(&["merge-base", "--all", &other.id, &head.id])?;
        let found = String::from_utf8_lossy(&said.out).into_owned();
        let bases: Vec<&str> = found.lines().collect();
        if !matches!((said.code, bases.len()), (Some(0), 1..) | (Some(1), 0)) {
            return Err(GitError::refused(&said.errors));
        }
        if self.is_cut(&[&other.id, &head.id], &bases)? {
            return Err(GitError::Shallow { revision: revision() });
        }
        match bases.as_slice() {
            [] => Err(GitError::Unrelated { revision: revision() }),
            [one] => commit((*one).to_owned()),
            several => {
                let short = several.iter().map(|id| Ok(commit((*id).to_owned())?.short));
                let short: Vec<String> = short.collect::<Result<_, GitError>>()?;
                let (count, bases) = (short.len(), short.join(", "));
                Err(GitError::Several { revision: revision(), count, bases })
            }
        }
    }

    /// Returns whether history was left out above these merge bases: a better one may be hidden
    /// there. Below them nothing matters.
    fn is_cut(&self, tips: &[&str], bases: &[&str]) -> Result<bool, GitError> {
        if line(&["rev-parse", "--is-shallow-repository"])? != b"true" {
            return Ok(false);
        }
        let file = path_of(&line(&["rev-parse", "--git-path", "shallow"])?);
        let ends = super::text(&file)?;
        let ends: BTreeSet<&str> = ends.lines().collect();
        let arguments = [&["rev-list"], tips, &["--not"], bases].concat();
        let above = ask(&arguments)?;
        Ok(String::from_utf8_lossy(&above).lines().any(|id| ends.contains(id)))
    }

    //-------- Files

    /// Returns the rule files that these paths have at a commit. A folder is read as on disk.
    pub fn files(
        &self,
        commit: &Commit,
        paths: &[PathBuf],
        extensions: &[&str],
    ) -> Result<Listing, GitError> {
        let name = |path: &[u8]| match path {
            [] => commit.short.clone(),
            path => format!("{}:{}", commit.short, path_of(path).display()),
        };
        let mut wanted = Vec::new();
        let mut absent = Vec::new();
        for place in self.places(paths)? {
            let before = wanted.len();
            match find(commit, &place, &name)? {
                Some(entry) if entry.mode == TREE => {
                    for inner in tree(&entry.id, true, &name(&place.path()))? {
                        let path = place.with(&inner.path);
                        pick(&mut wanted, &place, &inner, name(&path), extensions)?;
                    }
                }
                Some(entry) => wanted.push(Wanted {
                    path: place.typed.to_owned(),
                    name: name(&place.path()),
                    id: entry.id,
                }),
                None => {}
            }
            if wanted.len() == before {
                absent.push(place.typed.to_owned());
            }
        }
        Ok(Listing { texts: read(wanted)?, absent })
    }

    /// Returns the rule files that these paths have in the index: what would be committed now.
    pub fn staged(&self, paths: &[PathBuf], extensions: &[&str]) -> Result<Listing, GitError> {
        let places: Vec<Place<'_>> = self.places(paths)?;
        let entries = index(&places)?;
        let mut wanted = Vec::new();
        let mut parts = Vec::new();
        for place in &places {
            let path = place.path();
            let before = wanted.len();
            for entry in &entries {
                if entry.path == path {
                    let own = shown(place.typed);
                    refuse(entry, &own)?;
                    let (path, id) = (place.typed.to_owned(), entry.id.clone());
                    wanted.push(Wanted { path, name: own, id });
                } else if let Some(rest) = below(&entry.path, &path) {
                    let inner = Entry {
                        mode: entry.mode.clone(),
                        id: entry.id.clone(),
                        stage: entry.stage.clone(),
                        path: rest.to_vec(),
                    };
                    let name = shown(&place.typed.join(path_of(rest)));
                    pick(&mut wanted, place, &inner, name, extensions)?;
                } else if below(&path, &entry.path).is_some() {
                    // Only a link or a submodule could have something below it.
                    refuse(entry, &path_of(&entry.path).display().to_string())?;
                }
            }
            let own: Vec<PathBuf> = wanted[before..].iter().map(|one| one.path.clone()).collect();
            parts.push((place.typed, own));
        }
        let mut read = read(wanted)?;
        // An entry of `git add -N` looks like an empty file, and is not committed.
        if read.iter().any(|(.., text)| text.is_empty()) {
            let committed = committed(&places)?;
            let intended = |path: &Path| {
                let full = places.iter().find_map(|place| place.under(path));
                !full.is_some_and(|full| committed.contains(&full))
            };
            read.retain(|(_, path, text)| !text.is_empty() || !intended(path));
        }
        let is_there =
            |own: &[PathBuf]| own.iter().any(|path| read.iter().any(|(_, kept, _)| kept == path));
        let absent = parts.iter().filter(|(_, own)| !is_there(own));
        let absent = absent.map(|(typed, _)| (*typed).to_owned()).collect();
        Ok(Listing { texts: read, absent })
    }

    /// Returns the names of all files right in a folder: at a commit, or in the index.
    pub fn names_in(
        &self,
        commit: Option<&Commit>,
        folder: &Path,
    ) -> Result<Vec<String>, GitError> {
        let place = Place::new(folder, &self.here, &self.top)?;
        let inner: Vec<Vec<u8>> = match commit {
            Some(commit) => {
                let name = |path: &[u8]| path_of(path).display().to_string();
                match find(commit, &place, &name)? {
                    Some(entry) if entry.mode == TREE => tree(&entry.id, false, &shown(folder))?
                        .into_iter()
                        .filter(|inner| inner.mode != TREE)
                        .map(|inner| inner.path)
                        .collect(),
                    _ => Vec::new(),
                }
            }
            None => {
                let path = place.path();
                let entries = index(std::slice::from_ref(&place))?;
                let inner = entries.iter().filter_map(|entry| below(&entry.path, &path));
                inner.filter(|inner| !inner.contains(&b'/')).map(<[u8]>::to_vec).collect()
            }
        };
        Ok(inner.iter().map(|name| path_of(name).display().to_string()).collect())
    }

    /// Makes sure that the working tree shows all rule files that it stands for: one that a sparse
    /// checkout leaves out would look as if it had been deleted.
    pub fn is_whole(&self, paths: &[PathBuf], extensions: &[&str]) -> Result<(), GitError> {
        let places = self.places(paths)?;
        let mut arguments =
            ["ls-files", "-t", "-z", "--full-name", "--"].map(OsString::from).to_vec();
        arguments.extend(around(&places));
        let list = ask(&arguments)?;
        let skipped = list.split(|byte| *byte == 0).filter_map(|line| line.strip_prefix(b"S "));
        for path in skipped {
            let is_one = |place: &Place<'_>| {
                below(path, &place.path()).is_some_and(|inner| is_listed(inner, extensions))
            };
            let full = self.top.join(path_of(path));
            if places.iter().any(is_one) && !full.exists() {
                return Err(GitError::Sparse { name: path_of(path).display().to_string() });
            }
        }
        Ok(())
    }

    fn places<'p>(&self, paths: &'p [PathBuf]) -> Result<Vec<Place<'p>>, GitError> {
        paths.iter().map(|path| Place::new(path, &self.here, &self.top)).collect()
    }
}

//------------ Asking git ----------------------------------------------------

/// Returns the id of the commit that a revision names, if there is one.
fn resolve(revision: &str) -> Result<Option<String>, GitError> {
    let wanted = format!("{revision}^{{commit}}");
    let said = run(&["rev-parse", "--verify", "--end-of-options", &wanted])?;
    if said.errors.contains("is ambiguous") {
        return Err(GitError::Ambiguous { revision: revision.to_owned() });
    }
    let id = String::from_utf8_lossy(&said.out).trim_end().to_owned();
    // `^main` verifies as well, and means its opposite.
    let is_id = id.len() >= 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok((said.code == Some(0) && is_id).then_some(id))
}

fn commit(id: String) -> Result<Commit, GitError> {
    let short = line(&["rev-parse", "--short=7", "--verify", &id])?;
    Ok(Commit { short: String::from_utf8_lossy(&short).into_owned(), id })
}

/// Finds what a path is at a commit, one folder after the other.
fn find(
    commit: &Commit,
    place: &Place<'_>,
    name: &dyn Fn(&[u8]) -> String,
) -> Result<Option<Entry>, GitError> {
    let mut here = Entry {
        mode: TREE.to_owned(),
        id: commit.id.clone(),
        stage: "0".to_owned(),
        path: Vec::new(),
    };
    for component in &place.components {
        if here.mode != TREE {
            return Ok(None);
        }
        let entries = tree(&here.id, false, &name(&here.path))?;
        let Some(mut next) = entries.into_iter().find(|entry| entry.path == *component) else {
            return Ok(None);
        };
        if !here.path.is_empty() {
            next.path = [&here.path, b"/".as_slice(), component].concat();
        }
        refuse(&next, &name(&next.path))?;
        here = next;
    }
    Ok(Some(here))
}

/// Lists a tree: what is right in it, or all the files below.
fn tree(id: &str, all: bool, name: &str) -> Result<Vec<Entry>, GitError> {
    let depth: &[&str] = if all { &["-r"] } else { &[] };
    let said = run(&[&["ls-tree", "-z", "--full-tree"], depth, &[id]].concat())?;
    if said.code != Some(0) {
        let reason = GitError::refused(&said.errors).to_string();
        return Err(GitError::NoObject { name: name.to_owned(), reason });
    }
    // MODE TYPE ID<tab>PATH
    entries(&said.out, |words| match words {
        [mode, _, id] => Some((mode, id, "0")),
        _ => None,
    })
}

/// Lists what the index has around these places: all of the outermost folders that they are in.
fn index(places: &[Place<'_>]) -> Result<Vec<Entry>, GitError> {
    let mut arguments: Vec<OsString> =
        ["ls-files", "-s", "-z", "--full-name", "--"].map(OsString::from).to_vec();
    arguments.extend(around(places));
    // MODE ID STAGE<tab>PATH
    entries(&ask(&arguments)?, |words| match words {
        [mode, id, stage] => Some((mode, id, stage)),
        _ => None,
    })
}

/// Returns the paths that a commit of the index would have around these places.
fn committed(places: &[Place<'_>]) -> Result<BTreeSet<Vec<u8>>, GitError> {
    // The empty tree is known to every git; only its id depends on the kind of ids.
    let nothing = line(&["hash-object", "-t", "tree", "--stdin"])?;
    let mut arguments = [
        "diff-index",
        "--cached",
        "--ita-invisible-in-index",
        "--no-ext-diff",
        "--no-renames",
        "--name-only",
        "-z",
    ]
    .map(OsString::from)
    .to_vec();
    arguments.push(path_of(&nothing).into());
    arguments.push("--".into());
    arguments.extend(around(places));
    let paths = ask(&arguments)?;
    Ok(paths.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

fn around(places: &[Place<'_>]) -> BTreeSet<OsString> {
    let outermost = |place: &Place<'_>| match place.components.first() {
        Some(first) => {
            let mut spec = OsString::from(":(top,literal)");
            spec.push(path_of(first));
            spec
        }
        None => OsString::from(":(top)"),
    };
    places.iter().map(outermost).collect()
}

/// Splits a list of `WORDS<tab>PATH<nul>`.
fn entries(
    list: &[u8],
    words: impl for<'w> Fn(&[&'w str]) -> Option<(&'w str, &'w str, &'w str)>,
) -> Result<Vec<Entry>, GitError> {
    let lines = list.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    let entry = |line: &[u8]| {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let before = std::str::from_utf8(&line[..tab]).ok()?;
        let (mode, id, stage) = words(&before.split(' ').collect::<Vec<_>>())?;
        let path = line[tab + 1..].to_vec();
        Some(Entry { mode: mode.to_owned(), id: id.to_owned(), stage: stage.to_owned(), path })
    };
    let broken = || GitError::refused("it lists files in a way that is not known");
    lines.map(|line| entry(line).ok_or_else(broken)).collect()
}

//------------ Picking -------------------------------------------------------

/// Returns what remains of a path below a folder.
fn below<'p>(path: &'p [u8], folder: &[u8]) -> Option<&'p [u8]> {
    if folder.is_empty() {
        return Some(path);
    }
    path.strip_prefix(folder)?.strip_prefix(b"/")
}

/// Refuses what cannot be read as a file.
fn refuse(entry: &Entry, name: &str) -> Result<(), GitError> {
    let name = name.to_owned();
    match (entry.mode.as_str(), entry.stage.as_str()) {
        (LINK, _) => Err(GitError::Link { name }),
        (SUBMODULE, _) => Err(GitError::Submodule { name }),
        (_, "0") => Ok(()),
        _ => Err(GitError::Unmerged { name }),
    }
}

/// Takes an entry below a folder, if the same folder on disk would yield it.
fn pick(
    wanted: &mut Vec<Wanted>,
    place: &Place<'_>,
    entry: &Entry,
    name: String,
    extensions: &[&str],
) -> Result<(), GitError> {
    // A link may lead to a folder of rules, as a submodule does.
    let is_link = entry.mode == LINK && !is_beside(&path_of(&entry.path));
    let is_other = (is_link || entry.mode == SUBMODULE) && !is_left_out(&entry.path);
    if is_other || is_listed(&entry.path, extensions) {
        refuse(entry, &name)?;
        let path = path_of(&entry.path);
        wanted.push(Wanted { path: place.typed.join(path), name, id: entry.id.clone() });
    }
    Ok(())
}

/// Returns whether a folder on disk would hide this.
fn is_left_out(inner: &[u8]) -> bool {
    inner.split(|byte| *byte == b'/').any(is_hidden)
}

/// Returns whether a folder on disk would yield this file.
fn is_listed(inner: &[u8], extensions: &[&str]) -> bool {
    !is_left_out(inner) && is_rule_file(&path_of(inner), extensions)
}

/// Reads files in the order of a rule set, each once.
fn read(mut wanted: Vec<Wanted>) -> Result<Vec<(String, PathBuf, String)>, GitError> {
    in_order(&mut wanted, |one| &one.path);
    let ids: Vec<&str> = wanted.iter().map(|one| one.id.as_str()).collect();
    let contents = blobs(&ids)?;
    let text = |(one, content): (Wanted, Option<Vec<u8>>)| {
        let Some(content) = content else {
            let reason = format!("the object {} is missing", one.id);
            return Err(GitError::NoObject { name: one.name, reason });
        };
        let text = into_text(one.name.clone(), content)?;
        Ok((one.name, one.path, text))
    };
    wanted.into_iter().zip(contents).map(text).collect()
}
