//! Text and JSON of one ruleset are one program; what the manual of nft(8) says holds here.

use super::*;
use crate::chains::{Chain, Program};
use crate::languages::Way;

/// Reads a text into a program.
pub(super) fn made(text: &str, way: &Way) -> (Program, Vec<Diagnostic>, Vec<(Location, String)>) {
    let mut sources = Sources::new();
    let file = sources.add("rules.nft", text);
    let included = BTreeMap::new();
    let files = Files { sources: &sources, files: &[file], included: &included, way };
    let (ruleset, mut problems) = read(&files);
    let made = hooks::program(&ruleset, way);
    problems.extend(made.problems);
    (made.program, problems, made.bounded)
}

/// Returns what a program does, without places.
fn shown(program: &Program) -> Vec<String> {
    let chain = |chain: &Chain| {
        let mut lines = vec![format!(
            "chain {} policy {:?}",
            chain.name,
            chain.policy.as_ref().map(|p| p.value)
        )];
        for rule in &chain.rules {
            let terms: Vec<String> =
                rule.matches.terms.iter().map(|term| plain(&format!("{:?}", term.value))).collect();
            lines.push(format!(
                "{} {:?} {:?} {terms:?} {}",
                rule.text,
                rule.id,
                rule.description,
                plain(&format!("{:?}", rule.verdict.value))
            ));
        }
        lines
    };
    let mut all: Vec<String> = program.chains.iter().flat_map(chain).collect();
    all.push(format!("{:?}", program.bases));
    all
}

/// Takes places out of what a value prints.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("location: Location {") {
        out.push_str(&rest[..at]);
        let end = rest[at..].find("} }").map_or(rest.len(), |end| at + end + 3);
        rest = &rest[end..];
    }
    out + rest
}

#[test]
fn text_and_json_of_the_same_ruleset_are_the_same_program() {
    let Some(folder) = std::env::var_os("BLASTGATE_RULEFILES") else {
        return println!("skipped: BLASTGATE_RULEFILES is not set");
    };
    let folder = std::path::Path::new(&folder).join("nftables/dumps");
    let (mut same, mut different) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|end| end != "json") || !path.with_extension("nft").exists()
        {
            continue;
        }
        let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("text");
        let (json, text) = (read(&path), read(&path.with_extension("nft")));
        for path_of in [
            crate::languages::Path::Forward,
            crate::languages::Path::Input,
            crate::languages::Path::Prerouting,
        ] {
            let way = Way { path: path_of, ..Way::default() };
            let (by_text, text_problems, _) = made(&text, &way);
            let (by_json, json_problems, _) = made(&json, &way);
            let messages =
                |all: &[Diagnostic]| all.iter().map(|one| one.message.clone()).collect::<Vec<_>>();
            let (a, b) = (shown(&by_text), shown(&by_json));
            if a == b && messages(&text_problems) == messages(&json_problems) {
                same += 1;
            } else {
                let lines: Vec<String> = a
                    .iter()
                    .zip(&b)
                    .filter(|(a, b)| a != b)
                    .map(|(a, b)| format!("  text {a}\n  json {b}"))
                    .collect();
                different.push(format!(
                    "{}:\n{}\n{:?}\n{:?}",
                    path.display(),
                    lines.join("\n"),
                    messages(&text_problems),
                    messages(&json_problems)
                ));
            }
        }
    }
    println!("{same} programs of text and JSON are the same, {} are not", different.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(same > 100);
}
