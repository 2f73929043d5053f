//! Recordings made after the running rules: what those rules hid is in none of them.
//!
//! A change can be judged by such a recording only where what was hidden cannot matter: every
//! running rule that stops anything stays as it is, nothing that was hidden is let through by a
//! new accept, and none of it could fill a new bucket. What a new drop, reject, challenge or
//! redirect does to the traffic that passes is in the recording.

use crate::change::Change;
use crate::judge::harms;
use crate::model::{Action, DefaultAction, Diagnostic, Location, RuleSet};

/// Returns why a change cannot be judged by a recording made after the running rules, if so.
pub(super) fn refuse(
    place: Option<Location>,
    has_running: bool,
    sets: [&RuleSet; 2],
    change: &Change,
) -> Option<Diagnostic> {
    let [running, candidate] = sets;
    let problem = |message: String, help: &str| {
        let problem = match place {
            Some(place) => Diagnostic::error(place, message)
                .label("recorded after the running rules: what they hid is unknown"),
            None => Diagnostic::bare(format!(
                "a filter had dropped a part of what is recorded, which is left out; {message}"
            )),
        };
        Some(problem.help(help))
    };
    if !has_running {
        return problem(
            "the rules that this recording was made after are not named".to_owned(),
            "name them with `--running`, or record before the rules",
        );
    }
    let stops = |rule: usize| harms(&running.rules[rule].action.value);
    let hides =
        running.default.action == DefaultAction::Drop || (0..running.rules.len()).any(stops);
    if !hides || change.nothing {
        return None;
    }
    let edited = change.modified.iter().chain(&change.moved).map(|(before, _)| *before);
    let disturbed = change.removed.iter().copied().chain(edited).find(|rule| stops(*rule));
    let help = "record before the rules";
    if let Some(rule) = disturbed {
        let id = &running.rules[rule].id;
        return problem(
            format!("the change removes, edits or moves `{id}`, which hid traffic"),
            help,
        );
    }
    if change.default_changed {
        return problem("the change alters `default`, which hid traffic".to_owned(), help);
    }
    let lets_in = |rule: &usize| {
        matches!(candidate.rules[*rule].action.value, Action::Accept | Action::RateLimit(_))
    };
    let edited = change.modified.iter().chain(&change.moved).map(|(_, after)| *after);
    let opened = change.added.iter().copied().chain(edited).find(|rule| lets_in(rule));
    opened.and_then(|rule| {
        let id = &candidate.rules[rule].id;
        problem(format!("what the running rules hid may meet `{id}`"), help)
    })
}
