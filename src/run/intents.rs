//! Intents that the config states for rules of other files.

use std::path::PathBuf;

use super::includes::Text;
use crate::config::IntentConfig;
use crate::input::plain;
use crate::model::{DefaultAction, Diagnostic, Location, RuleSet};
use crate::yaml::nearest;

/// What names the end of a set.
const DEFAULT: &str = "default";

/// Gives the rules of a set the intents that are stated for them. Of the candidate every one must
/// find its rule; the running set may be an older one.
pub(super) fn give(
    intents: &[(PathBuf, IntentConfig)],
    texts: &[Text],
    is_candidate: bool,
    set: &mut RuleSet,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (path, stated) in intents {
        let path = plain(path);
        let source = texts.iter().find(|text| plain(&text.path) == path).map(|text| text.source);
        let given = match source {
            Some(source) => to_rule(stated, set, |place| place.source == source),
            None => {
                let message = format!("no rule file is `{}`", stated.file.value.escape_debug());
                let problem = Diagnostic::error(stated.file.location, message);
                Err(Box::new(problem.label("not among the candidate rules").help(
                    "name a file as the rules have it, relative to the config; or remove the entry",
                )))
            }
        };
        match given {
            Err(problem) if is_candidate => problems.push(*problem),
            _ => {}
        }
    }
    problems
}

fn to_rule(
    stated: &IntentConfig,
    set: &mut RuleSet,
    is_there: impl Fn(Location) -> bool,
) -> Result<(), Box<Diagnostic>> {
    let id = stated.rule.value.as_str();
    if id == DEFAULT {
        let default = &mut set.default;
        let drops = default.action == DefaultAction::Drop;
        if !drops || !default.location.is_some_and(&is_there) {
            let message = "nothing is dropped by default in this file";
            let problem = Diagnostic::error(stated.rule.location, message);
            return Err(Box::new(problem.label("not needed").help("remove the entry")));
        }
        if let Some(written) = &default.intent {
            return Err(twice(stated, written.location));
        }
        default.intent = Some(stated.intent.clone());
        return Ok(());
    }
    let known = || set.rules.iter().filter(|rule| is_there(rule.location));
    let Some(named) = known().find(|rule| rule.id == id) else {
        let message = format!(
            "there is no rule `{}` in `{}`",
            id.escape_debug(),
            stated.file.value.escape_debug()
        );
        let problem = Diagnostic::error(stated.rule.location, message).label("not known");
        return Err(Box::new(match nearest(id, known().map(|rule| rule.id.as_str())) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("`blastgate lint -o json` and `trace -v` show the ids of rules"),
        }));
    };
    // A rule of a chain that is jumped to from several places is several rules of the set.
    let place = named.location;
    if let Some(written) =
        known().filter(|rule| rule.location == place).find_map(|rule| rule.intent.as_ref())
    {
        return Err(twice(stated, written.location));
    }
    for rule in set.rules.iter_mut().filter(|rule| rule.location == place) {
        rule.intent = Some(stated.intent.clone());
    }
    Ok(())
}

fn twice(stated: &IntentConfig, written: Location) -> Box<Diagnostic> {
    let message = format!("two places state the intent of `{}`", stated.rule.value.escape_debug());
    Box::new(
        Diagnostic::error(stated.rule.location, message)
            .label("stated here")
            .also(written, "and with the rule")
            .help("keep one of them"),
    )
}

#[cfg(test)]
mod tests;
