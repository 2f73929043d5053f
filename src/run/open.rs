//! Opens recordings: what form they are of, and what the user said of them.

use std::sync::Arc;

use super::{Recording, Run};
use crate::input;
use crate::model::{Diagnostic, Names, Sampling, SourceId};
use crate::traffic::{self, Form, Settings, TrafficReader};

/// A recording that can be read.
pub(super) struct Opened {
    pub(super) reader: Box<dyn TrafficReader>,
    pub(super) form: &'static Form,
    /// How it is compressed, if it is.
    pub(super) packed: Option<&'static str>,
}

impl Run {
    /// Opens a recording; what is wrong with it is reported.
    pub(super) fn open(&mut self, recording: &Recording, names: &Arc<Names>) -> Option<Opened> {
        let name = input::shown(&recording.path);
        let opened = match input::recording(&recording.path) {
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
        let packed = opened.packed;
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
        };
        if settings.columns.is_some() && !form.is_rows {
            self.problems.push(
                Diagnostic::bare(format!("{name} is {}, which has no columns", form.name))
                    .help("take `columns` away, or name the form of its rows with `format`"),
            );
            return None;
        }
        match (form.open)(reader, &settings) {
            Ok(reader) => Some(Opened { reader, form, packed }),
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }
}
