//! What a reader has to say about a text: what, where, why, and what to do.

use super::source::Location;

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The text cannot be used.
    Error,
    /// The text can be used, but probably does not say what was meant.
    Warning,
}

/// One problem with one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Lower-case fragment that fits after `error: `.
    pub message: String,
    /// The text to underline; none for a problem with a whole file.
    pub location: Option<Location>,
    /// Short note under the underlined text.
    pub label: String,
    /// A second place, with its note: the first definition, say.
    pub also: Option<(Location, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Makes an error about a place.
    pub fn error(location: Location, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            location: Some(location),
            label: String::new(),
            also: None,
            help: None,
        }
    }

    /// Makes an error about something that has no place in a text, such as a missing file.
    pub fn bare(message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            location: None,
            label: String::new(),
            also: None,
            help: None,
        }
    }

    /// Makes a warning about a place.
    pub fn warning(location: Location, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(location, message) }
    }

    /// Sets the note under the underlined text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = label.into();
        self
    }

    /// Sets a second place and its note.
    #[must_use]
    pub fn also(mut self, location: Location, note: impl Into<String>) -> Diagnostic {
        self.also = Some((location, note.into()));
        self
    }

    /// Sets what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
}
