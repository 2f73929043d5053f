//! What rule files include: found beside the file that says so, on disk or where git has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::input::git::{Commit, GitError, Repository};
use crate::input::{self, pattern, shown};
use crate::languages::{Include, Language};
use crate::model::{Diagnostic, Location, SourceId, Sources};

/// The most includes within each other, as nftables has it.
const MAX_DEPTH: usize = 16;

/// How often files are included, counted with all that they include each time.
const MAX_INCLUDED: usize = 10_000;

/// Where the files of a set are from.
#[derive(Clone)]
pub(super) enum Origin {
    /// The working tree.
    Disk,
    /// A commit.
    Commit(Commit),
    /// The git index.
    Index,
}

/// A file that is read.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) source: SourceId,
    /// Where it is, as typed.
    pub(super) path: PathBuf,
}

/// All that the files of a set include.
#[derive(Default)]
pub(super) struct Included {
    /// By the place of the include.
    pub(super) by_place: BTreeMap<Location, Vec<SourceId>>,
    /// Every file that is included.
    pub(super) sources: BTreeSet<SourceId>,
    /// Every file that was read or named.
    pub(super) texts: Vec<Text>,
}

/// What is known of a file that was gone through.
#[derive(Clone, Copy)]
struct Known {
    /// How deep includes nest in it.
    height: usize,
    /// How many files it stands for.
    size: usize,
}

struct Reader<'r> {
    sources: &'r mut Sources,
    problems: &'r mut Vec<Diagnostic>,
    language: &'static Language,
    origin: &'r Origin,
    /// Files by what they are, however they are named.
    texts: HashMap<PathBuf, Text>,
    known: HashMap<SourceId, Known>,
    /// The files that are gone through now, outermost first.
    open: Vec<Text>,
    included: Included,
}

/// Reads all that texts include. What cannot be read is a problem.
pub(super) fn read(
    language: &'static Language,
    texts: &[Text],
    origin: &Origin,
    sources: &mut Sources,
    problems: &mut Vec<Diagnostic>,
) -> Included {
    let mut reader = Reader {
        sources,
        problems,
        language,
        origin,
        texts: HashMap::new(),
        known: HashMap::new(),
        open: Vec::new(),
        included: Included::default(),
    };
    for text in texts {
        reader.texts.insert(reader.identity(&text.path), text.clone());
    }
    for text in texts {
        reader.go_through(text);
    }
    let mut included = reader.included;
    included.texts = reader.texts.into_values().collect();
    included
}

impl Reader<'_> {
    /// Returns what tells one file from another.
    fn identity(&self, path: &Path) -> PathBuf {
        match self.origin {
            Origin::Disk => input::identity(path),
            Origin::Commit(_) | Origin::Index => input::plain(path),
        }
    }

    fn go_through(&mut self, text: &Text) -> Known {
        if let Some(known) = self.known.get(&text.source) {
            return *known;
        }
        self.open.push(text.clone());
        let mut own = Known { height: 0, size: 1 };
        for include in (self.language.includes)(self.sources, text.source) {
            let files = match self.files(&text.path, &include) {
                Ok(files) => files,
                Err(problem) => {
                    self.problems.push(*problem);
                    continue;
                }
            };
            let mut sources = Vec::new();
            for file in files {
                if let Err(problem) = self.open_include(&file, &include, &mut own) {
                    self.problems.push(*problem);
                    continue;
                }
                sources.push(file.source);
                self.included.sources.insert(file.source);
            }
            self.included.by_place.insert(include.location, sources);
        }
        self.open.pop();
        self.known.insert(text.source, own);
        own
    }

    /// Goes through a file that another includes.
    fn open_include(
        &mut self,
        file: &Text,
        include: &Include,
        own: &mut Known,
    ) -> Result<(), Box<Diagnostic>> {
        let problem = |message: String| Diagnostic::error(include.location, message);
        if let Some(from) = self.open.iter().position(|open| open.source == file.source) {
            let name = |text: &Text| self.sources.get(text.source).name.to_string();
            let mut chain: Vec<String> = self.open[from..].iter().map(name).collect();
            chain.push(name(file));
            let message = format!("files include each other in a loop: {}", chain.join(" -> "));
            return Err(Box::new(
                problem(message).label("closes the loop").help("remove one of these includes"),
            ));
        }
        let deeper = match self.known.get(&file.source) {
            Some(known) => known.height,
            None => 0,
        };
        if self.open.len() + deeper > MAX_DEPTH {
            let message = format!("includes nest deeper than {MAX_DEPTH}");
            return Err(Box::new(
                problem(message).label("one too many").help("nftables refuses this as well"),
            ));
        }
        let known = self.go_through(file);
        own.height = own.height.max(known.height + 1);
        let before = own.size;
        own.size = own.size.saturating_add(known.size);
        if before <= MAX_INCLUDED && own.size > MAX_INCLUDED {
            let message = format!("more than {MAX_INCLUDED} files are included");
            return Err(Box::new(
                problem(message).label("one too many").help("include each file once"),
            ));
        }
        Ok(())
    }

    /// Returns the files that an include stands for, in order.
    fn files(&mut self, from: &Path, include: &Include) -> Result<Vec<Text>, Box<Diagnostic>> {
        let folder = from.parent().unwrap_or(Path::new(""));
        let path = folder.join(&include.path);
        if !pattern::is_pattern(&include.path) {
            return Ok(vec![self.text(&path, include)?]);
        }
        let problem = |message: String| Diagnostic::error(include.location, message);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let folder = path.parent().unwrap_or(Path::new(""));
        if folder.to_str().is_none_or(pattern::is_pattern) || name.is_empty() {
            let problem = problem("wildcards are read in the name of a file only".to_owned());
            return Err(Box::new(
                problem
                    .label("a wildcard in the name of a folder")
                    .help("include each folder by itself"),
            ));
        }
        let names = match self.origin {
            Origin::Disk => input::names_in(folder).map_err(|error| (error.to_string(), None)),
            Origin::Commit(commit) => Repository::find()
                .and_then(|repository| repository.names_in(Some(commit), folder))
                .map_err(|error| (error.to_string(), error.help())),
            Origin::Index => Repository::find()
                .and_then(|repository| repository.names_in(None, folder))
                .map_err(|error| (error.to_string(), error.help())),
        };
        let mut names = names.map_err(|why| cannot_read(include, why))?;
        // No file at all is none that is missing.
        names.retain(|own| pattern::matches(name, own));
        names.sort();
        names.iter().map(|name| self.text(&folder.join(name), include)).collect()
    }

    /// Reads a file, or finds it among those that were read.
    fn text(&mut self, path: &Path, include: &Include) -> Result<Text, Box<Diagnostic>> {
        let identity = self.identity(path);
        if let Some(known) = self.texts.get(&identity) {
            return Ok(known.clone());
        }
        let of_git = |listing: Result<input::git::Listing, GitError>| {
            let listing = listing.map_err(|error| (error.to_string(), error.help()))?;
            let text = listing.texts.into_iter().next();
            text.map(|(name, _, text)| (name, text))
                .ok_or_else(|| (format!("git has no {} there", shown(path)), None))
        };
        let paths = [path.to_owned()];
        let read = match self.origin {
            Origin::Disk => input::text(path)
                .map(|text| (shown(path), text))
                .map_err(|error| (error.to_string(), None)),
            Origin::Commit(commit) => of_git(
                Repository::find().and_then(|repository| repository.files(commit, &paths, &[])),
            ),
            Origin::Index => {
                of_git(Repository::find().and_then(|repository| repository.staged(&paths, &[])))
            }
        };
        let (name, text) = read.map_err(|why| cannot_read(include, why))?;
        let source = self.sources.add(name, text);
        let text = Text { source, path: path.to_owned() };
        self.texts.insert(identity, text.clone());
        Ok(text)
    }
}

fn cannot_read(include: &Include, (why, help): (String, Option<String>)) -> Box<Diagnostic> {
    let help = help.unwrap_or_else(|| {
        "paths are relative to the folder of the file that includes; what it would add is unknown"
            .to_owned()
    });
    Box::new(Diagnostic::error(include.location, why).label("included here").help(help))
}

#[cfg(test)]
mod tests;
