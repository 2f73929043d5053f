//! Problems with the user's texts: the text itself, underlined, and what to do.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::escape::cut;
use super::{Style, clean};
use crate::model::{Diagnostic, Location, Severity, Sources};
use crate::result::{Problem, ProblemSeverity};

/// The longest text of a problem that is shown, in characters.
const LONGEST: usize = 2_000;

/// Renders a problem of a saved result, whose text is not at hand.
pub fn brief(problem: &Problem, style: Style) -> String {
    let word = match problem.severity {
        ProblemSeverity::Error => "error",
        ProblemSeverity::Warning => "warning",
    };
    let said = |text: &str| clean(&cut(text, LONGEST, "…"), style);
    let mut text = format!("{word}: {}", said(&problem.message));
    if let Some(place) = &problem.location {
        let (file, label) = (said(&place.file), said(&problem.label));
        text.push_str(&format!("\n --> {file}:{}:{}", place.line, place.column));
        if !label.is_empty() {
            text.push_str(&format!(": {label}"));
        }
    }
    if let Some(help) = &problem.help {
        text.push_str(&format!("\n  = help: {}", said(help)));
    }
    text
}

/// Renders one problem.
pub fn render(problem: &Diagnostic, sources: &Sources, style: Style) -> String {
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let decor = if style.unicode { DecorStyle::Unicode } else { DecorStyle::Ascii };
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let said = |text: &str| clean(&cut(text, LONGEST, "…"), style);
    let message = said(&problem.message);
    let label = said(&problem.label);
    let also_note = problem.also.as_ref().map(|(_, note)| said(note));
    let help = problem.help.as_ref().map(|help| said(help));
    let main = problem.location.map(|location| Excerpt::of(location, sources, style));
    let also = problem.also.as_ref().map(|(location, _)| Excerpt::of(*location, sources, style));

    let mut group = Group::with_title(level.primary_title(message));
    if let Some(excerpt) = &main {
        let annotation = AnnotationKind::Primary.span(excerpt.span.clone()).label(label);
        group = group.element(excerpt.snippet().annotation(annotation));
    }
    if let (Some(excerpt), Some(note)) = (&also, also_note) {
        let annotation = AnnotationKind::Context.span(excerpt.span.clone()).label(note);
        group = group.element(excerpt.snippet().annotation(annotation));
    }
    if let Some(help) = help {
        group = group.element(Level::HELP.message(help));
    }
    renderer.decor_style(decor).render(&[group])
}

/// The line of a place, free of control characters.
struct Excerpt {
    name: String,
    text: String,
    first_line: usize,
    span: std::ops::Range<usize>,
}

impl Excerpt {
    fn of(location: Location, sources: &Sources, style: Style) -> Excerpt {
        let source = sources.get(location.source);
        let text: &str = &source.text;
        let floor = |offset: usize| {
            let mut offset = offset.min(text.len());
            while !text.is_char_boundary(offset) {
                offset -= 1;
            }
            offset
        };
        let (start, end) = (floor(location.span.start as usize), floor(location.span.end as usize));
        // A place that spans many lines is shown by its first.
        let end = text[start..end].find('\n').map_or(end, |newline| start + newline).max(start);
        let from = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let to = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
        let shown = |part: &str| clean(part.trim_end_matches('\r'), style);
        let before = shown(&text[from..start]);
        let marked = shown(&text[start..end]);
        let after = shown(&text[end..to]);
        let span = before.len()..before.len() + marked.len();
        Excerpt {
            name: clean(&source.name, style),
            text: format!("{before}{marked}{after}"),
            first_line: text[..from].bytes().filter(|byte| *byte == b'\n').count() + 1,
            span,
        }
    }

    fn snippet(&self) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
        Snippet::source(self.text.as_str())
            .line_start(self.first_line)
            .path(self.name.as_str())
            .fold(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;

    #[test]
    fn a_problem_shows_the_users_own_text_underlined() {
        let mut sources = Sources::new();
        let text = "version: 1\nrules:\n  - id: a\n    match: any\n    action: dorp\n";
        let id = sources.add("rules/a.yaml", text);
        let start = text.find("dorp").expect("the word");
        let location = Location { source: id, span: Span::new(start, start + 4) };
        let problem = Diagnostic::error(location, "unknown action `dorp`")
            .label("not an action")
            .help("did you mean `drop`?");
        insta::assert_snapshot!(render(&problem, &sources, Style::default()), @r"
        error: unknown action `dorp`
         --> rules/a.yaml:5:13
          |
        5 |     action: dorp
          |             ^^^^ not an action
          |
          = help: did you mean `drop`?
        ");
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let mut sources = Sources::new();
        let id = sources.add("a\u{1b}[31m.yaml", "x: \u{1b}]0;title\u{7}y\n");
        let location = Location { source: id, span: Span::new(0, 12) };
        let problem = Diagnostic::error(location, "bad \u{1b}[2J");
        let shown = render(&problem, &sources, Style { unicode: true, ..Style::default() });
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
    }
}
