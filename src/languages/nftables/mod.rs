//! nftables: ruleset text, as in `nft list ruleset` or files for `nft -f`, and the JSON of
//! `nft -j list ruleset`.
//!
//! Both are read into one ruleset, as the kernel holds it after all commands; its base chains that
//! packets pass are then laid out with all that they jump to. The `nft` of reference is 1.0.6, the
//! kernel Linux 6.18; nft(8) and libnftables-json(5) are the manuals.
//!
//! | file | is for |
//! |---|---|
//! | `lexer`, `cursor`, `expressions`, `statements`, `counted`, `text`, `sets`, `commands` | ruleset text |
//! | `json`, `json_parts` | JSON |
//! | `tree`, `ruleset` | what both say |
//! | `facts` | what rules leave behind for later ones |
//! | `names`, `values`, `ranges` | words into sets of numbers |
//! | `fields`, `view`, `terms` | a condition on one field, at one hook, into terms |
//! | `matches`, `concat` | sets, comparisons, concatenations |
//! | `limits`, `lower`, `joint`, `emit` | the rules of a chain |
//! | `refused`, `refusal`, `elements`, `opaque`, `places` | what reads well, but nft(8) does not load |
//! | `not_followed`, `frames` | what rules do to packets besides letting them pass or not, and to frames that are none |
//! | `hooks` | the chains that packets pass, in order |
//! | `constructs` | the table for the documentation |

mod commands;
mod concat;
mod constructs;
mod counted;
mod cursor;
mod elements;
mod emit;
mod expressions;
mod facts;
mod fields;
mod frames;
mod hooks;
mod joint;
mod json;
mod json_parts;
mod lexer;
mod limits;
mod lower;
mod matches;
mod names;
mod not_followed;
mod opaque;
mod places;
mod ranges;
mod refusal;
mod refused;
mod ruleset;
mod sets;
mod statements;
mod terms;
mod text;
mod tree;
mod values;
mod view;

use std::collections::BTreeMap;

use super::{Files, Include, Language, Sure};
use crate::chains;
use crate::model::{Coverage, Diagnostic, Location, RuleSet, SourceId, Sources};

pub(super) const LANGUAGE: Language = Language {
    name: "nftables",
    extensions: &["nft", "nftables", "json", "conf"],
    detect,
    includes,
    parse,
    constructs: constructs::ALL,
    frame: constructs::frame,
};

/// Tells ruleset text and the JSON of nft from other texts.
fn detect(text: &str) -> Sure {
    if is_json(text) {
        return if text.contains("\"nftables\"") { Sure::Certain } else { Sure::No };
    }
    if text.starts_with("#!") && text.lines().next().is_some_and(|line| line.contains("nft")) {
        return Sure::Certain;
    }
    let mut sure = Sure::No;
    for line in text.lines().map(str::trim) {
        let mut words = line.split_whitespace();
        let (first, second, third) = (words.next(), words.next(), words.next());
        match (first, second) {
            (Some("flush"), Some("ruleset")) => return Sure::Certain,
            (Some("table"), Some(word)) if text::is_family(word) && third.is_some() => {
                return Sure::Certain;
            }
            (Some("table"), Some(_)) if third == Some("{") => return Sure::Certain,
            (
                Some("add" | "insert" | "create" | "delete"),
                Some("table" | "chain" | "rule" | "set" | "map" | "element"),
            ) if third.is_some_and(text::is_family) => return Sure::Certain,
            (Some("add" | "create"), Some("table" | "chain" | "rule" | "element")) => {
                sure = Sure::Maybe
            }
            (Some("include"), Some(path)) if path.starts_with('"') => sure = Sure::Maybe,
            (Some("define"), Some(_)) if third == Some("=") => sure = Sure::Maybe,
            _ => {}
        }
    }
    sure
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn includes(sources: &Sources, file: SourceId) -> Vec<Include> {
    let text = &*sources.get(file).text;
    if is_json(text) {
        return Vec::new();
    }
    let all = text::includes(text, file).into_iter();
    all.map(|(path, location)| Include { path, location }).collect()
}

fn parse(files: &Files<'_>) -> (RuleSet, Vec<Diagnostic>) {
    let (ruleset, mut problems) = read(files);
    let not_understood = refused::check(&ruleset, &mut problems);
    places::check(&ruleset, &mut problems);
    let mut made = hooks::program(&ruleset, files.way);
    problems.append(&mut made.problems);
    let flat = chains::lay_out(made.program);
    problems.extend(flat.problems);
    let mut bounded = made.bounded;
    bounded.extend(flat.bounded);
    let rules =
        ruleset.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    let mut coverage = coverage(
        files,
        rules.map(|rule| rule.location.source),
        bounded,
        not_understood,
        made.not_judged,
    );
    Coverage::add_not_followed(&mut coverage, &not_followed::of(&ruleset));
    let set =
        RuleSet { rules: flat.rules, default: flat.default, files: files.files.len(), coverage };
    (set, problems)
}

/// Reads all files into one ruleset.
fn read(files: &Files<'_>) -> (ruleset::Ruleset, Vec<Diagnostic>) {
    let included = |place: Location| files.included.get(&place).cloned();
    let mut reader = text::Reader::new(files.sources, &included);
    for file in files.files {
        let text = &*files.sources.get(*file).text;
        if is_json(text) {
            json::read(&mut reader.ruleset, text, *file, &mut reader.problems);
        } else {
            reader.file(*file);
        }
    }
    (reader.ruleset, reader.problems)
}

/// Counts rules and lists what is bounded, by file.
fn coverage(
    files: &Files<'_>,
    rules: impl Iterator<Item = SourceId>,
    mut bounded: Vec<(Location, String)>,
    not_understood: Vec<(Location, String)>,
    not_judged: Vec<(Location, String)>,
) -> Vec<Coverage> {
    let mut all: BTreeMap<SourceId, Coverage> = BTreeMap::new();
    let included = files.included.values().flatten();
    for source in files.files.iter().chain(included) {
        let source = *source;
        all.insert(source, Coverage::new(source, 0));
    }
    for source in rules {
        all.entry(source).or_insert(Coverage::new(source, 0)).rules += 1;
    }
    bounded.sort();
    bounded.dedup();
    for one in bounded {
        if let Some(coverage) = all.get_mut(&one.0.source) {
            coverage.bounded.push(one);
        }
    }
    for one in not_understood {
        if let Some(coverage) = all.get_mut(&one.0.source) {
            coverage.not_understood.push(one);
        }
    }
    for one in not_judged {
        if let Some(coverage) = all.get_mut(&one.0.source) {
            coverage.not_judged.push(one);
        }
    }
    all.into_values().collect()
}
