//! The files of a rule set: their sets, their rules in order, their default.

use std::collections::HashMap;

use super::sets::Sets;
use super::values::{choice, is_empty_list, optional, under};
use super::{intent, keys, rule, waivers};
use crate::languages::Files;
use crate::model::{
    Default, DefaultAction, Diagnostic, Intent, Location, Rule, RuleSet, Span, Spanned,
};
use crate::yaml::{self, Decoder, Fields, Value};

const DEFAULTS: &[(&str, DefaultAction)] =
    &[("accept", DefaultAction::Accept), ("drop", DefaultAction::Drop)];

/// Reads all files of a rule set.
pub(super) fn parse(files: &Files<'_>) -> (RuleSet, Vec<Diagnostic>) {
    let Files { sources, files, .. } = *files;
    let mut decoder = Decoder::new();
    let mut roots = Vec::new();
    for id in files {
        match yaml::parse(*id, &sources.get(*id).text) {
            Ok(root) => roots.push(root),
            Err(problem) => decoder.report(problem),
        }
    }
    let documents: Vec<Fields<'_>> = roots
        .iter()
        .filter_map(|root| {
            let text = &sources.get(root.location.source).text;
            document(root, text, &mut decoder)
        })
        .collect();
    let mut sets = Sets::new(documents.len() == files.len());
    for node in documents.iter().filter_map(|fields| fields.entry("sets")) {
        let help = "write `sets: {web: [203.0.113.10]}`";
        under(node.0, help, &mut decoder, |decoder| sets.define(node.1, decoder));
    }
    let mut rules = rules(&documents, &sets, &mut decoder);
    for root in &roots {
        let text = &sources.get(root.location.source).text;
        let problems = waivers::give(root, text, &mut rules);
        decoder.problems.extend(problems);
    }
    let default = default(&documents, &sets, &mut decoder);
    let mut problems = decoder.problems;
    let rank = |problem: &Diagnostic| {
        let place = problem.location;
        let file = place.and_then(|place| files.iter().position(|id| *id == place.source));
        (file, place.map(|place| place.span))
    };
    problems.sort_by_cached_key(rank);
    (RuleSet { rules, default, files: files.len(), coverage: Vec::new() }, problems)
}

/// Checks the top of a file.
fn document<'n>(root: &'n yaml::Node, text: &str, decoder: &mut Decoder) -> Option<Fields<'n>> {
    let help = "write `version: 1` and `rules:`; `rules: []` is an empty rule set";
    if let Value::Null = root.value {
        let end = text.chars().next().map_or(0, char::len_utf8);
        let location = Location { span: Span::new(0, end), ..root.location };
        decoder.report(
            Diagnostic::error(location, "the rule file is empty").label("nothing here").help(help),
        );
        return None;
    }
    let fields = under(root, help, decoder, |decoder| {
        decoder.map_or_help(root, "the rule file", keys::FILE, keys::belongs)
    })?;
    under(root, help, decoder, |decoder| decoder.version(fields, "the rule file"));
    if !["rules", "sets", "default"].iter().any(|key| fields.get(key).is_some()) {
        decoder.report(
            Diagnostic::error(fields.location, "the rule file has no `rules`")
                .label("`rules` is missing")
                .help("add `rules:`; `rules: []` is an empty rule set"),
        );
    }
    Some(fields)
}

//------------ Rules -------------------------------------------------------------

fn rules(documents: &[Fields<'_>], sets: &Sets, decoder: &mut Decoder) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut ids: HashMap<String, Location> = HashMap::new();
    for (key, node) in documents.iter().filter_map(|fields| fields.entry("rules")) {
        if is_empty_list(node) {
            continue;
        }
        let help = "write a list of rules, each starting with `- id: …`; `[]` if there are none";
        let items = under(key, help, decoder, |decoder| decoder.list(node, "`rules`"));
        for item in items.unwrap_or_default() {
            let help = "a rule is a map with `id`, `match` and `action`";
            let read = under(key, help, decoder, |decoder| rule::parse(item, sets, decoder));
            let Some(id) = read.id else { continue };
            if let Some(first) = ids.get(&id.value) {
                decoder.report(
                    Diagnostic::error(id.location, format!("rule `{}` is there twice", id.value))
                        .label("same id again")
                        .also(*first, "first used here")
                        .help("give each rule of the set, in all its files, an id of its own"),
                );
                continue;
            }
            ids.insert(id.value, id.location);
            rules.extend(read.rule);
        }
    }
    rules
}

//------------ Default -----------------------------------------------------------

fn default(documents: &[Fields<'_>], sets: &Sets, decoder: &mut Decoder) -> Default {
    let mut action: Option<Spanned<DefaultAction>> = None;
    let mut intent: Option<Intent> = None;
    let mut understood = true;
    for fields in documents {
        let before = decoder.problems.len();
        let help = "write `default: accept` or `default: drop`";
        let stated = optional(*fields, "default", help, decoder, |node, decoder| {
            Some(Spanned::new(choice(node, "default", DEFAULTS, decoder)?, node.location))
        });
        match (&action, stated) {
            (Some(first), Some(stated)) if first.value != stated.value => decoder.report(
                Diagnostic::error(stated.location, "the files disagree on the default")
                    .label("another default")
                    .also(first.location, "first stated here")
                    .help("what no rule decides meets one default; state it in one file"),
            ),
            (None, Some(stated)) => action = Some(stated),
            _ => {}
        }
        understood &= decoder.problems.len() == before;
        let Some((key, node)) = fields.entry("default_intent") else { continue };
        let help = "write `default_intent: {target: [acme]}`, or remove the key";
        let stated = under(key, help, decoder, |decoder| {
            intent::parse(node, "`default_intent`", sets, decoder)
        });
        let Some(stated) = stated else { continue };
        match &intent {
            Some(first) if *first != (Intent { location: first.location, ..stated.clone() }) => {
                decoder.report(
                    Diagnostic::error(key.location, "the files disagree on the default intent")
                        .label("another intent")
                        .also(first.location, "first stated here")
                        .help("the default has one intent; state it in one file"),
                );
            }
            Some(_) => {}
            None => intent = Some(Intent { location: key.location, ..stated }),
        }
    }
    let drops = action.as_ref().is_some_and(|stated| stated.value == DefaultAction::Drop);
    if understood && !drops {
        for (key, _) in documents.iter().filter_map(|fields| fields.entry("default_intent")) {
            let mut problem =
                Diagnostic::error(key.location, "`default_intent` without `default: drop`")
                    .label("a default that accepts harms nobody")
                    .help("write `default: drop` beside it, or remove it");
            if let Some(stated) = &action {
                problem = problem.also(stated.location, "the default is stated here");
            }
            decoder.report(problem);
        }
    }
    Default {
        location: action.as_ref().map(|stated| stated.location),
        action: action.map_or(DefaultAction::Accept, |stated| stated.value),
        intent,
    }
}
