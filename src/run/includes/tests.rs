//! Files that include others: in which order, and where that ends.

use std::fs;

use super::*;
use crate::languages::{Files, Sure};
use crate::model::{RuleSet, Span};

/// A language whose lines are what they include.
static LINES: Language = Language {
    name: "lines",
    extensions: &["inc"],
    detect: |_| Sure::Certain,
    includes: |sources, source| {
        let text = &sources.get(source).text;
        let mut at = 0;
        let mut found = Vec::new();
        for line in text.lines() {
            let location = Location { source, span: Span::new(at, at + line.len()) };
            found.push(Include { path: line.to_owned(), location });
            at += line.len() + 1;
        }
        found
    },
    parse: |_: &Files<'_>| (RuleSet::empty(), Vec::new()),
    constructs: &[],
    frame: str::to_owned,
};

/// Returns what files include, by name, in order, and what is wrong.
fn read_all(files: &[(&str, &str)], named: &[&str]) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    let mut sources = Sources::new();
    let texts: Vec<Text> = named
        .iter()
        .map(|name| {
            let path = folder.path().join(name);
            let text = input::text(&path).expect("a text");
            Text { source: sources.add(shown(&path), text), path }
        })
        .collect();
    let mut problems = Vec::new();
    let included = read(&LINES, &texts, &Origin::Disk, &mut sources, &mut problems);
    let name = |source: SourceId| {
        let name = sources.get(source).name.to_string();
        name.rsplit_once('/').map_or(name.clone(), |(_, name)| name.to_owned())
    };
    let found = included
        .by_place
        .iter()
        .map(|(place, files)| (name(place.source), files.iter().map(|file| name(*file)).collect()));
    let found = found.collect();
    let root = format!("{}/", folder.path().display());
    let said = problems.iter().map(|problem| {
        assert!(problem.location.is_some() && problem.help.is_some(), "{problem:?}");
        problem.message.replace(&root, "")
    });
    (found, said.collect())
}

fn pair(from: &str, to: &[&str]) -> (String, Vec<String>) {
    (from.to_owned(), to.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn files_are_found_beside_the_one_that_includes_them() {
    let files = [
        ("a.inc", "sub/b.inc\n"),
        ("sub/b.inc", "c.inc\n../d.inc\n"),
        ("sub/c.inc", ""),
        ("d.inc", ""),
    ];
    let (found, problems) = read_all(&files, &["a.inc"]);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        found,
        [pair("a.inc", &["b.inc"]), pair("b.inc", &["c.inc"]), pair("b.inc", &["d.inc"])]
    );
}

#[test]
fn wildcards_stand_for_names_in_their_order_and_for_none_at_all() {
    let files = [
        ("a.inc", "d/*.inc\nd/*.none\n"),
        ("d/20.inc", ""),
        ("d/10.inc", ""),
        ("d/.hidden.inc", ""),
        ("d/note.txt", ""),
    ];
    let (found, problems) = read_all(&files, &["a.inc"]);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(found, [pair("a.inc", &["10.inc", "20.inc"]), pair("a.inc", &[])]);
}

#[test]
fn a_missing_include_is_an_error_with_its_place() {
    let (found, problems) = read_all(&[("a.inc", "b.inc\nnone/*.inc\nn*/b.inc\n")], &["a.inc"]);
    assert_eq!(found, []);
    assert_eq!(
        problems,
        [
            "cannot read b.inc: no such file or folder",
            "cannot read none: no such file or folder",
            "wildcards are read in the name of a file only",
        ]
    );
}

#[test]
fn a_loop_of_includes_is_an_error_that_shows_the_files() {
    let files = [("a.inc", "b.inc"), ("b.inc", "./c.inc"), ("c.inc", "b.inc")];
    let (_, problems) = read_all(&files, &["a.inc"]);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("files include each other in a loop: b.inc -> "),
        "{problems:?}"
    );
    let (_, problems) = read_all(&[("a.inc", "a.inc")], &["a.inc"]);
    assert_eq!(problems, ["files include each other in a loop: a.inc -> a.inc"]);
}

#[test]
fn includes_nest_as_deeply_as_nftables_allows() {
    let chain = |length: usize| {
        let files: Vec<(String, String)> = (0..length)
            .map(|number| {
                let next = number + 1;
                let text = if next < length { format!("{next}.inc") } else { String::new() };
                (format!("{number}.inc"), text)
            })
            .collect();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        read_all(&files, &["0.inc"]).1
    };
    assert_eq!(chain(17), Vec::<String>::new());
    assert_eq!(chain(18), ["includes nest deeper than 16"]);
}

#[test]
fn files_that_double_themselves_are_an_error_and_no_hang() {
    let files: Vec<(String, String)> = (0..16)
        .map(|number| {
            let next = number + 1;
            let text = if next < 16 { format!("{next}.inc\n{next}.inc") } else { String::new() };
            (format!("{number}.inc"), text)
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let (_, problems) = read_all(&files, &["0.inc"]);
    assert!(problems.iter().any(|problem| problem.contains("10000 files")), "{problems:?}");
}
