//! Which language a text is of, and what its tables say.

use super::*;

fn sources(texts: &[(&str, &str)]) -> (Sources, Vec<SourceId>) {
    let mut sources = Sources::new();
    let ids = texts.iter().map(|(name, text)| sources.add(*name, *text)).collect();
    (sources, ids)
}

fn told(known: &[&'static Language], texts: &[(&str, &str)]) -> Result<&'static str, String> {
    let (sources, ids) = sources(texts);
    match detect::among(known, &sources, &ids) {
        Ok(language) => Ok(language.name),
        Err(problem) => Err(format!("{}; {}", problem.message, problem.help.unwrap_or_default())),
    }
}

fn has(text: &str, word: &str, sure: Sure) -> Sure {
    if text.contains(word) { sure } else { Sure::No }
}

fn nothing(_: &Files<'_>) -> (RuleSet, Vec<Diagnostic>) {
    (RuleSet::empty(), Vec::new())
}

const fn made(
    name: &'static str,
    extensions: &'static [&'static str],
    detect: fn(&str) -> Sure,
) -> Language {
    Language {
        name,
        extensions,
        detect,
        includes: no_includes,
        parse: nothing,
        constructs: &[],
        frame: str::to_owned,
    }
}

static RED: Language =
    made("red", &["red", "conf"], |text| match has(text, "RED", Sure::Certain) {
        Sure::No => has(text, "warm", Sure::Maybe),
        sure => sure,
    });
static ORANGE: Language = made("orange", &["conf"], |text| has(text, "warm", Sure::Maybe));
static BLUE: Language = made("blue", &["blue"], |text| has(text, "BLUE", Sure::Certain));
static KNOWN: [&Language; 3] = [&RED, &ORANGE, &BLUE];

#[test]
fn the_surest_language_is_told_by_content() {
    assert_eq!(told(&KNOWN, &[("a.conf", "RED")]), Ok("red"));
    assert_eq!(told(&KNOWN, &[("a", "RED"), ("b", "RED")]), Ok("red"));
    // What could be of two is of the one that the other file certainly is.
    assert_eq!(told(&KNOWN, &[("a", "warm"), ("b", "RED")]), Ok("red"));
}

#[test]
fn a_tie_is_asked_about_and_never_guessed() {
    let error = told(&KNOWN, &[("a.red", "warm")]).expect_err("a tie");
    assert_eq!(
        error,
        "a.red may be of several rule languages: red, orange; say which with `--language`"
    );
}

#[test]
fn a_text_that_nothing_speaks_for_is_told_by_its_name_if_one_language_has_such_names() {
    assert_eq!(told(&KNOWN, &[("a.blue", "?")]), Ok("blue"));
    let error = told(&KNOWN, &[("a.conf", "?")]).expect_err("two languages");
    assert!(error.contains("a.conf is of no rule language"), "{error}");
    assert!(error.ends_with("say which with `--language`: red, orange, blue"), "{error}");
    told(&KNOWN, &[("<stdin>", "?")]).expect_err("no name");
}

#[test]
fn files_of_several_languages_are_named_each_with_its_own() {
    let error = told(&KNOWN, &[("a", "RED"), ("b", "RED"), ("c", "BLUE")]).expect_err("mixed");
    assert!(error.contains("a is red, c is blue"), "{error}");
}

#[test]
fn every_language_is_named_once_and_holds_to_its_own_table() {
    let mut names = std::collections::BTreeSet::new();
    for language in LANGUAGES {
        assert!(names.insert(language.name), "{} is there twice", language.name);
        assert!(!language.extensions.is_empty(), "{}", language.name);
        for construct in language.constructs {
            let text = (language.frame)(construct.example);
            let (sources, ids) = sources(&[("example", &text)]);
            let (set, problems) = language.parse_texts(&sources, &ids);
            let is_error = |one: &Diagnostic| one.severity == crate::model::Severity::Error;
            let bounded = set.coverage.iter().any(|one| !one.bounded.is_empty());
            let class = match (problems.iter().any(is_error), bounded) {
                (true, _) => Class::Refused,
                (false, true) => Class::Bounded,
                (false, false) => Class::Exact,
            };
            assert_eq!(
                class, construct.class,
                "{}: {}\n{text}\n{problems:#?}\n{:#?}",
                language.name, construct.name, set.coverage
            );
        }
    }
}

//------------ The table of the documentation ------------------------------------

/// Makes the table of what each language is read as.
fn table() -> String {
    let mut text = "\
# What is understood of each rule language

Made by a test from the parsers themselves: each row is an example that the parser is held to.
*Exact*: as its own system has it. *Bounded*: a packet may fare either way; the verdict holds for
both, or is CANNOT JUDGE. *Refused*: a file with it is not judged, and the error says so. What is
not in a table is refused as well, or listed as bounded, with its place.
"
    .to_owned();
    for language in LANGUAGES.iter().filter(|language| !language.constructs.is_empty()) {
        text.push_str(&format!("\n## {}\n", language.name));
        let classes =
            [("Exact", Class::Exact), ("Bounded", Class::Bounded), ("Refused", Class::Refused)];
        for (word, class) in classes {
            let mut rows = language.constructs.iter().filter(|one| one.class == class).peekable();
            if rows.peek().is_none() {
                continue;
            }
            text.push_str(&format!("\n| {word} | example | |\n|---|---|---|\n"));
            let cell = |text: &str| text.trim().replace('|', "\\|").replace('\n', " ");
            for row in rows {
                let example = match cell(row.example) {
                    // Backquotes inside of code need more of them around it.
                    code if code.contains('`') => format!("`` {code} ``"),
                    code => format!("`{code}`"),
                };
                let (name, note) = (cell(row.name), cell(row.note));
                text.push_str(&format!("| {name} | {example} | {note} |\n"));
            }
        }
    }
    text
}

#[test]
fn the_table_of_the_documentation_is_that_of_the_parsers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/languages/README.md");
    let table = table();
    if std::env::var_os("BLASTGATE_WRITE_DOCS").is_some() {
        std::fs::write(path, &table).expect("the table is written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == table,
        "src/languages/README.md is not what the parsers say: run this test with \
         BLASTGATE_WRITE_DOCS=1 and commit what it writes"
    );
}
