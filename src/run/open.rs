//! Opens recordings: what form they are of, and what the user said of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Recording, Run};
use crate::input;
use crate::model::{Diagnostic, Names, ReadCounts, Sampling, SourceId};
use crate::traffic::{self, Form, Piece, Settings, TrafficReader};

/// A recording that can be read.
pub(super) struct Opened {
    pub(super) reader: Box<dyn TrafficReader>,
    pub(super) form: &'static Form,
    /// How it is compressed, if it is.
    pub(super) packed: Option<&'static str>,
    /// Opens it again, if that can be done.
    again: Option<Again>,
}

/// How many recordings are open at a time; of more, each is opened when it is its turn.
pub(super) const MOST_OPEN: usize = 64;

impl Opened {
    /// Closes the recording, until its first record is asked for.
    pub(super) fn late(self) -> Box<dyn TrafficReader> {
        match self.again {
            Some(again) => Box::new(Late { again: Some(again), reader: None }),
            None => self.reader,
        }
    }
}

/// Opens a recording anew.
type Again = Box<dyn FnOnce() -> traffic::Opened + Send>;

/// A recording that is opened when it is read.
struct Late {
    again: Option<Again>,
    reader: Option<Box<dyn TrafficReader>>,
}

impl TrafficReader for Late {
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<Diagnostic>> {
        if let Some(again) = self.again.take() {
            let unknown = || Box::new(Diagnostic::bare("a recording could not be opened again"));
            let first = |problems: Vec<Diagnostic>| {
                problems.into_iter().next().map_or_else(unknown, Box::new)
            };
            self.reader = Some(again().map_err(first)?);
        }
        self.reader.as_mut().map_or(Ok(false), |reader| reader.cut(piece))
    }

    fn counts(&self) -> ReadCounts {
        self.reader.as_ref().map(|reader| reader.counts()).unwrap_or_default()
    }

    fn problem(&mut self) -> Option<Box<Diagnostic>> {
        self.reader.as_mut().and_then(|reader| reader.problem())
    }

    fn even(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.even())
    }

    fn has_age(&self) -> bool {
        self.reader.as_ref().is_none_or(|reader| reader.has_age())
    }
}

impl Run {
    /// Returns all recordings: folders and patterns stand for the files in them.
    pub(super) fn recordings(&mut self) -> Vec<Recording> {
        let mut recordings: Vec<Recording> = Vec::new();
        let mut known = BTreeMap::new();
        for one in self.plan.traffic.clone() {
            let files = match input::recordings(&one.path) {
                Ok(files) => files,
                Err(error) => {
                    let help = "a recording that shows nothing proves nothing; name another one";
                    self.problems.push(Diagnostic::bare(error.to_string()).help(help));
                    continue;
                }
            };
            for path in files {
                let named = input::shown(&one.path);
                if let Some(before) = known.insert(input::content(&path), named.clone()) {
                    let message = format!(
                        "{} is named twice: by {before} and by {named}",
                        input::shown(&path)
                    );
                    self.problems.push(
                        Diagnostic::bare(message).help("it would count twice; take one away"),
                    );
                    continue;
                }
                recordings.push(Recording { path, ..one.clone() });
            }
        }
        for [before, path] in input::copies(recordings.iter().map(|one| one.path.as_path())) {
            let (before, path) = (input::shown(&before), input::shown(&path));
            self.problems.push(
                Diagnostic::bare(format!("{path} holds the same bytes as {before}"))
                    .help("it would count twice; take one away"),
            );
        }
        recordings
    }

    /// Opens a recording; what is wrong with it is reported.
    pub(super) fn open(&mut self, recording: &Recording, names: &Arc<Names>) -> Option<Opened> {
        let name = input::shown(&recording.path);
        let opened = match input::recording(&recording.path, &self.meter) {
            Ok(opened) => opened,
            Err(error) => {
                self.refuse(&error);
                return None;
            }
        };
        if opened.start.is_empty() {
            self.problems.push(
                Diagnostic::bare(format!("{name} is empty"))
                    .help("a recording that shows nothing proves nothing; name another one"),
            );
            return None;
        }
        let (packed, file) = (opened.packed, opened.file.clone());
        let Some(form) = recording.form.or_else(|| traffic::detect(&opened.start)) else {
            let forms: Vec<&str> = traffic::FORMS.iter().map(|form| form.name).collect();
            self.problems.push(
                Diagnostic::bare(format!("{name} is no recording that is known"))
                    .help(format!("known forms: {}; name one with `--format`", forms.join(", "))),
            );
            return None;
        };
        let (source, reader): (SourceId, Box<dyn std::io::Read + Send>) = if form.is_text {
            match input::recorded_text(&name, opened, traffic::MAX_TEXT_BYTES) {
                Ok(text) => {
                    let reader = Box::new(std::io::Cursor::new(text.clone().into_bytes()));
                    (self.sources.add(name.as_str(), text), reader)
                }
                Err(error) => {
                    self.refuse(&error);
                    return None;
                }
            }
        } else {
            (self.sources.add(name.as_str(), ""), opened.reader)
        };
        let settings = Settings {
            source,
            name: name.as_str().into(),
            pop: recording.pop.as_deref().map(|pop| names.intern(pop)),
            pops: Arc::new(self.pops_of_exporters(names)),
            direction: recording.direction,
            label: recording.label,
            sampling: recording.sampling.and_then(|sampling| match sampling {
                Sampling::OneIn(rate) => Some(rate),
                Sampling::Unknown => None,
            }),
            inner: recording.inner,
            now: self.plan.standards.now,
            batch: self.plan.batch,
            names: Arc::clone(names),
            columns: recording.columns.clone(),
            zone: recording.zone.clone(),
            file,
            count_drops: recording.count_drops,
        };
        if settings.columns.is_some() && !form.is_rows {
            self.problems.push(
                Diagnostic::bare(format!("{name} is {}, which has no columns", form.name))
                    .help("take `columns` away, or name the form of its rows with `format`"),
            );
            return None;
        }
        match (form.open)(reader, &settings) {
            Ok(reader) => {
                let is_file = !form.is_text && input::size(&recording.path).is_some();
                let (path, meter) = (recording.path.clone(), self.meter.clone());
                let again: Again = Box::new(move || {
                    let failed =
                        |error: input::InputError| vec![Diagnostic::bare(error.to_string())];
                    let opened = input::recording(&path, &meter).map_err(failed)?;
                    (form.open)(opened.reader, &Settings { file: opened.file, ..settings })
                });
                Some(Opened { reader, form, packed, again: is_file.then_some(again) })
            }
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }
}
