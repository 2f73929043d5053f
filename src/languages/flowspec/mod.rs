//! FlowSpec (RFC 8955, RFC 8956, RFC 9117) in its spellings: as ExaBGP writes it (configurations
//! and lines of its API), as Junos writes it (`routing-options flow`), and as octets in hex.
//!
//! Text becomes what goes over the wire, and the wire has the meaning: rules are looked at in the
//! order of the standard, not of the file; what no rule matches is accepted; a rule ends the walk
//! unless its action lets it go on.
//!
//! | file | reads |
//! |---|---|
//! | `exabgp` | ExaBGP |
//! | `junos` | `routing-options flow` |
//! | `lines` | hex |
//! | `nlri` | the octets of a flow specification, to and fro |
//! | `community` | actions as extended communities |
//! | `order` | which of two comes first |
//! | `meaning` | which packets one matches |
//! | `rules` | what becomes of routes |

use super::{Files, Language, Sure, no_includes};
use crate::junos as config;
use crate::model::{Coverage, Diagnostic, RuleSet, SourceId, Sources, Spanned};
use crate::remark;

mod community;
mod constructs;
mod exabgp;
mod junos;
mod lines;
mod meaning;
mod nlri;
mod order;
mod rules;

pub(super) const LANGUAGE: Language = Language {
    name: "flowspec",
    extensions: &["flow", "nlri"],
    detect,
    includes: no_includes,
    parse,
    constructs: constructs::ALL,
    frame: constructs::frame,
};

/// The spelling of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    Lines,
    Junos,
    Exabgp,
}

fn spelling(text: &str) -> Spelling {
    let mut code =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match code.next().and_then(|line| line.split_whitespace().next()) {
        Some("nlri" | "ext" | "afi" | "safi") => Spelling::Lines,
        _ if config::is_lines(text) || config::mentions(text, &["routing-options", "flow"]) => {
            Spelling::Junos
        }
        _ => Spelling::Exabgp,
    }
}

fn detect(text: &str) -> Sure {
    let is_certain = match spelling(text) {
        Spelling::Lines => text.lines().any(|line| line.trim_start().starts_with("nlri ")),
        Spelling::Junos => config::mentions(text, &["flow", "route"]),
        Spelling::Exabgp => {
            let mut flow = false;
            let mut route = false;
            for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with('#')) {
                let mut words = line.split(|c: char| c.is_whitespace() || c == '{' || c == ';');
                match words.next().unwrap_or("") {
                    "flow" => flow = line.trim_end().ends_with('{') || line.contains("route "),
                    "route" | "match" => route |= flow,
                    "announce" | "withdraw" | "neighbor" => {
                        let line: Vec<&str> = line.split_whitespace().take(64).collect();
                        let api = |pair: &[&str]| matches!(pair, ["announce" | "withdraw", "flow"]);
                        if line.windows(2).any(api) {
                            (flow, route) = (true, true);
                        }
                    }
                    _ => {}
                }
            }
            flow && (route || text.contains("route "))
        }
    };
    if is_certain { Sure::Certain } else { Sure::No }
}

fn parse(files: &Files<'_>) -> (RuleSet, Vec<Diagnostic>) {
    let Files { sources, files, .. } = *files;
    let mut announced = rules::Announced::default();
    let of = |wanted: Spelling| -> Vec<SourceId> {
        let such = files.iter().filter(|file| spelling(&sources.get(**file).text) == wanted);
        such.copied().collect()
    };
    let configs = of(Spelling::Junos);
    if !configs.is_empty() && !junos::read(sources, &configs, &mut announced) {
        nothing(sources, configs[0], &mut announced.problems);
    }
    for file in files {
        let spoke = match spelling(&sources.get(*file).text) {
            Spelling::Junos => true,
            Spelling::Lines => lines::read(sources, *file, &mut announced),
            Spelling::Exabgp => exabgp::read(sources, *file, &mut announced),
        };
        if !spoke {
            nothing(sources, *file, &mut announced.problems);
        }
    }
    let besides = std::mem::take(&mut announced.besides);
    let (routes, mut problems) = announced.ordered();
    let mut set = rules::lay_out(routes, files, &mut problems);
    Coverage::add_not_judged(&mut set.coverage, &besides);
    (set, problems)
}

/// Tells that a text that is not empty says nothing of flow routes: it is the wrong one.
fn nothing(sources: &Sources, file: SourceId, problems: &mut Vec<Diagnostic>) {
    let source = sources.get(file);
    let is_code = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    if source.text.lines().any(is_code) {
        let message = format!("{} says nothing of flow routes", source.name);
        problems.push(Diagnostic::bare(message).help(
            "expected `flow { route … }` or `announce flow route …` of ExaBGP, \
             `routing-options flow` of Junos, or `nlri HEX` lines",
        ));
    }
}

/// Tells of comments that are addressed to us and stand at no route.
fn leftover(comments: &[Spanned<String>], problems: &mut Vec<Diagnostic>) {
    for comment in comments {
        if !matches!(remark::read(&comment.value, comment.location), Ok(None)) {
            let problem = Diagnostic::error(comment.location, "this remark stands at no route");
            problems.push(problem.help("put it on the line above the route that it is about"));
        }
    }
}

#[cfg(test)]
mod tests;
