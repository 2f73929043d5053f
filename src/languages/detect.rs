//! Telling the language of texts: never a guess where two are as likely.

#![expect(clippy::result_large_err, reason = "there are few problems, and none on a hot path")]

use super::{LANGUAGES, Language, Sure};
use crate::model::source::Source;
use crate::model::{Diagnostic, SourceId, Sources};

/// Tells the language of the texts of a set: the one that is the surest of every one of them.
/// Where nothing in a text speaks for any, the end of its name decides.
///
/// # Errors
///
/// A tie, a text that no language knows, and texts of different languages: the problem names the
/// texts and the languages.
pub fn detect(sources: &Sources, files: &[SourceId]) -> Result<&'static Language, Diagnostic> {
    among(LANGUAGES, sources, files)
}

/// Tells it among these languages.
pub(super) fn among(
    known: &[&'static Language],
    sources: &Sources,
    files: &[SourceId],
) -> Result<&'static Language, Diagnostic> {
    let mut possible = known.to_vec();
    let mut told: Vec<(SourceId, Vec<&'static Language>)> = Vec::new();
    for file in files {
        let surest = surest(known, sources.get(*file));
        if surest.is_empty() {
            let name = &sources.get(*file).name;
            let problem = Diagnostic::bare(format!("{name} is of no rule language that is known"));
            return Err(problem.help(format!("say which with `--language`: {}", names(known))));
        }
        possible.retain(|one| surest.iter().any(|other| other.name == one.name));
        told.push((*file, surest));
        if possible.is_empty() {
            return Err(mixed(sources, &told));
        }
    }
    match possible.as_slice() {
        [one] => Ok(one),
        several => {
            let texts: Vec<&str> = files.iter().map(|file| &*sources.get(*file).name).collect();
            let what = match texts.as_slice() {
                [] => "the rules".to_owned(),
                [one] => (*one).to_owned(),
                [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            };
            let languages = names(several);
            let problem =
                Diagnostic::bare(format!("{what} may be of several rule languages: {languages}"));
            Err(problem.help("say which with `--language`"))
        }
    }
}

/// Returns the language that a text is of for certain, if there is one.
pub fn certain(text: &str) -> Option<&'static Language> {
    LANGUAGES.iter().copied().find(|language| (language.detect)(text) == Sure::Certain)
}

/// Returns the languages of which a text most surely is.
fn surest(known: &[&'static Language], source: &Source) -> Vec<&'static Language> {
    let ranked = known.iter().map(|language| ((language.detect)(&source.text), *language));
    let ranked: Vec<(Sure, &'static Language)> = ranked.collect();
    let best = ranked.iter().map(|(sure, _)| *sure).max().unwrap_or(Sure::No);
    if best > Sure::No {
        let best = ranked.into_iter().filter(|(sure, _)| *sure == best);
        return best.map(|(_, language)| language).collect();
    }
    // What nothing speaks for is read by the language of its name, which says what is wrong.
    let end = source.name.rsplit_once('.').map_or("", |(_, end)| end);
    let named = known.iter().filter(|language| language.extensions.contains(&end));
    let named: Vec<&'static Language> = named.copied().collect();
    if named.len() == 1 { named } else { Vec::new() }
}

fn mixed(sources: &Sources, told: &[(SourceId, Vec<&'static Language>)]) -> Diagnostic {
    let mut lines: Vec<String> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for (file, languages) in told {
        let languages = names(languages);
        if !seen.contains(&languages) {
            lines.push(format!("{} is {languages}", sources.get(*file).name));
            seen.push(languages);
        }
    }
    let message = format!("the files are not of one rule language: {}", lines.join(", "));
    Diagnostic::bare(message)
        .help("check each language by itself, or say which all of them are with `--language`")
}

fn names(languages: &[&Language]) -> String {
    let names: Vec<&str> = languages.iter().map(|language| language.name).collect();
    names.join(", ")
}
