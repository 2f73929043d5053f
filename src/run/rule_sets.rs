//! Where the two rule sets come from: files, folders, the git index, a git revision.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::Run;
use super::includes::{self, Origin, Text};
use super::intents;
use super::plan::Running;
use crate::change::Change;
use crate::input::git::{Commit, GitError, Listing, Repository};
use crate::input::{self, shown};
use crate::languages::{self, Files, LANGUAGES, Language, Path, Way};
use crate::model::{Coverage, Diagnostic, Location, RuleSet, SourceId, Sources};
use crate::report::Command;

/// Returns what the running set is called before it is known which commit is meant.
pub(super) fn running_name(running: &Running) -> Option<String> {
    match running {
        Running::Nothing => None,
        Running::Path(path) => Some(shown(path)),
        Running::Base(revision) | Running::MergeBase(revision) => Some(format!("git:{revision}")),
        Running::Head => Some("git:HEAD".to_owned()),
    }
}

/// The texts of a rule set, and their language: they may say other things on another way.
pub(super) struct Parsed {
    language: &'static Language,
    files: Vec<SourceId>,
    included: BTreeMap<Location, Vec<SourceId>>,
}

impl Parsed {
    pub(super) fn language(&self) -> &'static Language {
        self.language
    }

    /// Returns all its texts, included ones too.
    pub(super) fn texts(&self) -> impl Iterator<Item = SourceId> + '_ {
        self.files.iter().chain(self.included.values().flatten()).copied()
    }

    fn by(&self, sources: &Sources, way: &Way) -> (RuleSet, Vec<Diagnostic>) {
        let Parsed { language, files, included } = self;
        (language.parse)(&Files { sources, files, included, way })
    }
}

/// A rule set of which all texts were read.
struct Read {
    parsed: Parsed,
    /// Those that are included, too.
    texts: Vec<Text>,
}

/// What git gave: the candidate if it is staged, the running set if it is a revision.
#[derive(Default)]
struct FromGit {
    candidate: Option<Listing>,
    running: Option<Listing>,
    /// The commit that the running set is from.
    commit: Option<Commit>,
}

/// Returns where the texts that two sets list of their files differ, and how.
fn difference(
    running: &RuleSet,
    candidate: &RuleSet,
    of: fn(&Coverage) -> &[(Location, String)],
) -> Option<(Location, &'static str)> {
    let all = |set: &RuleSet| -> Vec<(Location, String)> {
        set.coverage.iter().flat_map(|file| of(file).to_vec()).collect()
    };
    let (before, after) = (all(running), all(candidate));
    let texts = |all: &[(Location, String)]| all.iter().map(|(_, text)| text.clone()).collect();
    let (known, now): (BTreeSet<String>, BTreeSet<String>) = (texts(&before), texts(&after));
    let new = after.iter().find(|(_, text)| !known.contains(text));
    let gone = before.iter().find(|(_, text)| !now.contains(text));
    match (new, gone) {
        (Some((place, _)), _) => Some((*place, "new, or another one than before")),
        (None, Some((place, _))) => Some((*place, "no longer there")),
        (None, None) => None,
    }
}

impl Run {
    /// Reads the running and the candidate rules. What cannot be read is a problem, and makes the
    /// set empty.
    pub(super) fn rule_sets(&mut self) -> [RuleSet; 2] {
        let from_git = match self.ask_git() {
            Ok(from_git) => from_git,
            Err(error) => {
                let problem = Diagnostic::bare(error.to_string());
                self.problems.push(match error.help() {
                    Some(help) => problem.help(help),
                    None => problem,
                });
                return [RuleSet::empty(), RuleSet::empty()];
            }
        };
        self.note(&from_git);
        let candidate = match from_git.candidate {
            Some(listing) => self.listed(listing, &Origin::Index),
            None => self.rules(&self.plan.rules.clone(), "the candidate rules"),
        };
        let running = match (from_git.running, self.plan.running.clone()) {
            (Some(listing), _) => {
                from_git.commit.and_then(|commit| self.listed(listing, &Origin::Commit(commit)))
            }
            (None, Running::Path(path)) => self.rules(&[path], "the running rules"),
            (None, _) => None,
        };
        let parse = |read: &Option<Read>| {
            read.as_ref().map(|read| read.parsed.by(&self.sources, &self.plan.way))
        };
        let (now, before) =
            super::both(self.plan.threads, || parse(&candidate), || parse(&running));
        let candidate = self.take(candidate.zip(now), true);
        let mut running = self.take(running.zip(before), false);
        self.part_unknowns(&mut running);
        if self.plan.command == Command::Check && !self.failed() {
            // Of what could not be read, it is no news that it is not judged.
            self.problems.extend(self.unjudged_intents(&candidate));
        }
        [running, candidate]
    }

    fn ask_git(&self) -> Result<FromGit, GitError> {
        let plan = &self.plan;
        let from_disk = matches!(plan.running, Running::Nothing | Running::Path(_));
        if from_disk && !plan.staged {
            return Ok(FromGit::default());
        }
        let repository = Repository::find()?;
        let commit = match &plan.running {
            Running::Base(revision) => Some(repository.revision(revision)?),
            Running::MergeBase(revision) => Some(repository.merge_base(revision)?),
            Running::Head | Running::Nothing | Running::Path(_) => repository.head()?,
        };
        let extensions = &self.extensions();
        let candidate = match plan.staged {
            true => Some(repository.staged(&plan.rules, extensions)?),
            false => {
                repository.is_whole(&plan.rules, extensions)?;
                None
            }
        };
        let committed = match &commit {
            Some(commit) => Some(repository.files(commit, &plan.rules, extensions)?),
            None => None,
        };
        // A path that the index lacks was deleted; or it was never there, and is a mistake.
        for path in candidate.iter().flat_map(|listing| &listing.absent) {
            let deleted = committed.as_ref().is_some_and(|listing| !listing.absent.contains(path));
            if !deleted {
                return Err(GitError::NotAdded { name: shown(path) });
            }
        }
        if from_disk {
            return Ok(FromGit { candidate, ..FromGit::default() });
        }
        Ok(FromGit { candidate, running: committed, commit })
    }

    /// Says which commit is meant, and what is not there.
    fn note(&mut self, from_git: &FromGit) {
        let mut note = |absent: &[PathBuf], what: &str| {
            for path in absent {
                self.notes.push(format!("{} {what}", shown(path)));
            }
        };
        if let Some(candidate) = &from_git.candidate {
            note(&candidate.absent, "has no rules in the git index: all of it is removed");
        }
        match (&from_git.running, &from_git.commit) {
            (Some(running), Some(commit)) => {
                let what = format!("had no rules at {}: everything in it is new", commit.short);
                note(&running.absent, &what);
                self.running = Some(format!("git:{}", commit.short));
            }
            _ if self.plan.running == Running::Head => {
                self.notes.push("HEAD has no commit yet: every rule is new".to_owned());
            }
            _ => {}
        }
    }

    /// Reads the rules that files and folders hold.
    fn rules(&mut self, paths: &[PathBuf], what: &str) -> Option<Read> {
        let is_given = |path: &PathBuf| self.plan.texts.iter().any(|(given, _)| given == path);
        let (mut files, on_disk): (Vec<PathBuf>, Vec<PathBuf>) =
            paths.iter().cloned().partition(is_given);
        let paths = on_disk.as_slice();
        let found = match paths.is_empty() && !files.is_empty() {
            true => Ok(Vec::new()),
            false => input::rule_files(paths, &self.extensions()),
        };
        match found {
            Ok(found) => files.extend(found),
            Err(error) => {
                self.problems.push(Diagnostic::bare(format!("{what}: {error}")));
                return None;
            }
        }
        let mut texts = Vec::new();
        for path in files {
            texts.extend(self.text(&path).map(|source| Text { source, path }));
        }
        self.refuse_others(paths);
        self.read(texts, &Origin::Disk)
    }

    /// Refuses files in folders that are rules, but whose names do not end like theirs.
    fn refuse_others(&mut self, paths: &[PathBuf]) {
        for path in input::other_files(paths, &self.extensions()) {
            let Ok(text) = input::text(&path) else { continue };
            let name = input::shown(&path);
            if let Some(language) = languages::certain(&text) {
                let message = format!("{name} looks like rules, and is not read");
                let end = language.extensions[0];
                let problem = Diagnostic::bare(message);
                let help = format!("name it so that it ends in .{end}, or name the file itself");
                self.problems.push(problem.help(help));
            }
        }
    }

    /// Reads the rules that git holds; none if it holds none.
    fn listed(&mut self, listing: Listing, origin: &Origin) -> Option<Read> {
        let texts = listing.texts.into_iter();
        let texts =
            texts.map(|(name, path, text)| Text { source: self.sources.add(name, text), path });
        let texts = texts.collect();
        self.read(texts, origin)
    }

    /// Says that a change changes what is not followed, such as a translation of addresses.
    pub(super) fn changed_unfollowed(
        &self,
        running: &RuleSet,
        candidate: &RuleSet,
    ) -> Option<Diagnostic> {
        let (place, label) = difference(running, candidate, |file| &file.not_followed)?;
        Some(
            Diagnostic::error(place, "what this does to packets is not followed")
                .label(label)
                .help(
                    "translated, rewritten and steered packets fare otherwise in a way that is not \
                     computed: judge such a change by itself and by hand",
                ),
        )
    }

    /// Says that a change changes who shares limits, where that is not followed.
    pub(super) fn changed_sharing(
        &self,
        running: &RuleSet,
        candidate: &RuleSet,
    ) -> Option<Diagnostic> {
        let (place, label) = difference(running, candidate, |file| &file.sharing)?;
        Some(
            Diagnostic::error(place, "this changes who shares a limit, which is not followed")
                .label(label)
                .help("judge such a change by itself and by hand"),
        )
    }

    /// Says that a change changes what is not judged, unless the user named the way.
    pub(super) fn changed_unjudged(
        &self,
        running: &RuleSet,
        candidate: &RuleSet,
    ) -> Option<Diagnostic> {
        let way = &self.plan.way;
        if self.plan.way_is_named || way.iif.is_some() || way.oif.is_some() {
            return None;
        }
        let (place, label) = difference(running, candidate, |file| &file.not_judged)?;
        Some(
            Diagnostic::error(place, "the change is also about what is not judged")
                .label(label)
                .help(match self.has_ways() {
                    true => {
                        "judge other ways with `--path`, one after the other; naming a way, such \
                         as `--path forward`, says that only its packets matter"
                    }
                    false => "it is about no rule that is modelled: make that change by itself",
                }),
        )
    }

    /// Returns whether the rules are of a language that tells ways of packets apart.
    fn has_ways(&self) -> bool {
        self.parsed.iter().flatten().all(|one| one.language.name != "flowspec")
    }

    /// Says what of rules that are all new is not judged, unless the user named the way.
    pub(super) fn note_unjudged(&mut self, candidate: &RuleSet) {
        let way = &self.plan.way;
        if self.plan.way_is_named || way.iif.is_some() || way.oif.is_some() {
            return;
        }
        let places: Vec<Location> = candidate
            .coverage
            .iter()
            .flat_map(|file| file.not_judged.iter().map(|(place, _)| *place))
            .collect();
        let Some(first) = places.first() else { return };
        let name = &self.sources.get(first.source).name;
        let (line, column) = self.sources.line_column(*first);
        let more = match places.len() {
            1 => "is".to_owned(),
            count => format!("and {} more are", count - 1),
        };
        self.notes.push(format!(
            "{name}:{line}:{column} {more} not on the way that is judged: see `--path`"
        ));
    }

    /// Says that a change which changes nothing on the way that is judged does so on another one,
    /// unless the user named the way.
    pub(super) fn changed_elsewhere(&self) -> Option<Diagnostic> {
        let way = &self.plan.way;
        if self.plan.way_is_named {
            return None;
        }
        let texts = |parsed: &Option<Parsed>| {
            let files = parsed.iter().flat_map(|one| &one.files);
            files.map(|file| Arc::clone(&self.sources.get(*file).text)).collect::<Vec<_>>()
        };
        let has_includes = self.parsed.iter().flatten().any(|one| !one.included.is_empty());
        if !has_includes && texts(&self.parsed[0]) == texts(&self.parsed[1]) {
            return None;
        }
        let name =
            |path| Path::NAMES.iter().find(|(_, known)| *known == path).map(|(name, _)| *name);
        let others = Path::NAMES.iter().filter(|(_, path)| *path != way.path);
        for (other, path) in others {
            let way = Way { path: *path, ..way.clone() };
            let [mut running, candidate] = self.parsed.each_ref().map(|parsed| match parsed {
                Some(parsed) => parsed.by(&self.sources, &way).0,
                None => RuleSet::empty(),
            });
            self.part_unknowns(&mut running);
            if !Change::between(&running, &candidate).nothing {
                let here = name(self.plan.way.path).unwrap_or_default();
                return Some(
                    Diagnostic::bare(format!(
                        "nothing changed for packets of `--path {here}`, but for those of `--path \
                         {other}` something did"
                    ))
                    .help(format!(
                        "judge these with `--path {other}`; or write `--path {here}` if only its \
                         packets matter"
                    )),
                );
            }
        }
        None
    }

    /// Returns the ends of file names that a folder of rules is searched for: those of the
    /// language, or those of all where it is told from the files.
    fn extensions(&self) -> Vec<&'static str> {
        let of = |language: &&Language| language.extensions.iter().copied();
        match &self.plan.language {
            Some(language) => of(language).collect(),
            None => LANGUAGES.iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect(),
        }
    }

    /// Reads what texts include; none if they are none.
    fn read(&mut self, texts: Vec<Text>, origin: &Origin) -> Option<Read> {
        if texts.is_empty() {
            // There is nothing, or what could not be read was said.
            return None;
        }
        let mut files: Vec<SourceId> = texts.iter().map(|text| text.source).collect();
        let language = match self.plan.language {
            Some(language) => language,
            None => match languages::detect(&self.sources, &files) {
                Ok(language) => language,
                Err(problem) => {
                    self.problems.push(problem);
                    return None;
                }
            },
        };
        let included =
            includes::read(language, &texts, origin, &mut self.sources, &mut self.problems);
        // What another file includes is read there, and not once more by itself.
        files.retain(|file| !included.sources.contains(file));
        for text in texts.iter().filter(|text| included.sources.contains(&text.source)) {
            let name = &self.sources.get(text.source).name;
            self.notes.push(format!("{name} is read where another file includes it"));
        }
        let parsed = Parsed { language, files, included: included.by_place };
        Some(Read { parsed, texts: included.texts })
    }

    /// Takes over what was made of a rule set that was read; what is wrong with it is a problem.
    fn take(
        &mut self,
        made: Option<(Read, (RuleSet, Vec<Diagnostic>))>,
        is_candidate: bool,
    ) -> RuleSet {
        let Some((Read { parsed, texts }, (mut set, problems))) = made else {
            return RuleSet::empty();
        };
        self.parsed[usize::from(is_candidate)] = Some(parsed);
        self.problems.extend(problems);
        let intents = &self.plan.intents;
        let problems = intents::give(intents, &texts, is_candidate, &mut set);
        if !self.failed() {
            // Of a file that is half read, rules are missing that are there.
            self.problems.extend(problems);
        }
        set
    }
}
