//! Comments that waive what is found of a rule: on lines of their own, directly above its id.
//!
//! They are read from the text, as YAML drops comments. Of all that remarks may say only waivers
//! are read here: everything else has a key of its own.

use crate::model::{Diagnostic, Location, Rule, Span};
use crate::remark;
use crate::yaml::{Node, Value};

/// Gives the rules of a file the waivers above them, and reports what stands above none.
pub(super) fn give(root: &Node, text: &str, rules: &mut [Rule]) -> Vec<Diagnostic> {
    let source = root.location.source;
    let mut problems = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let indent = line.len() - line.trim_start().len();
        let Some(comment) = line.trim().strip_prefix('#') else { continue };
        if !is_waiver(comment) {
            continue;
        }
        let begin = start + indent + 1;
        let location = Location { source, span: Span::new(begin, begin + comment.len()) };
        // A line of a long text looks like a comment, and is none.
        let plain = comment.split(['"', '\'', '\\']).next().unwrap_or(comment);
        if is_within_a_text(root, plain) {
            problems.push(
                Diagnostic::error(
                    location,
                    "this is written in a text too, where it waives nothing",
                )
                .label("text, or comment?")
                .help("take it out of the text, such as a `description`"),
            );
            continue;
        }
        let waivers = match remark::read(comment, location) {
            Ok(Some(remark)) => remark,
            Ok(None) => continue,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let start_of = |rule: &Rule| rule.location.span.start as usize;
        let mut below = rules.iter_mut().filter(|rule| rule.location.source == source);
        let next = below.find(|rule| start_of(rule) >= at);
        match next.filter(|rule| is_directly_above(&text[at..start_of(rule)])) {
            Some(rule) => {
                let of_rule = waivers.waivers_of(&rule.id);
                rule.waivers.extend(of_rule);
            }
            None => problems.push(
                Diagnostic::error(location, "the waiver stands at no rule")
                    .label("no `id` follows directly")
                    .help("put it on the line above the rule's `id`, or into a file of waivers"),
            ),
        }
    }
    problems
}

/// Returns whether a scalar holds these words.
fn is_within_a_text(node: &Node, words: &str) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Scalar { text, .. } => text.contains(words),
        Value::List(items) => items.iter().any(|item| is_within_a_text(item, words)),
        Value::Map(entries) => entries
            .iter()
            .any(|(key, value)| is_within_a_text(key, words) || is_within_a_text(value, words)),
    }
}

/// Returns whether a comment is a waiver, or was meant to be one.
fn is_waiver(comment: &str) -> bool {
    let Some(rest) = comment
        .trim_start()
        .get(.."blastgate".len())
        .filter(|word| word.eq_ignore_ascii_case("blastgate"))
    else {
        return false;
    };
    let rest = &comment.trim_start()[rest.len()..];
    rest.trim_start_matches([':', ' ', '\t']).split_whitespace().next() == Some("waive")
}

/// Returns whether nothing lies between a comment and an id but other comments and the id's own
/// key.
fn is_directly_above(between: &str) -> bool {
    let (comments, own) = between.rsplit_once('\n').unwrap_or(("", between));
    let is_comment = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let own: String = own.chars().filter(|c| !c.is_whitespace()).collect();
    let own = own.trim_start_matches(['-', '{']).trim_matches(['"', '\'']);
    comments.lines().all(is_comment) && (own == "id:" || own == "id\":" || own == "id':")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{one_problem, read};

    const WAIVER: &str =
        "# blastgate: waive guardrail=shared_bucket until=2026-04-01 owner=netops reason=\"a b\"";

    #[test]
    fn a_line_of_a_text_waives_nothing() {
        let rule = "  - {id: b, match: {dst: 203.0.113.0/24}, action: drop}\n";
        let escaped = format!("{}\"", WAIVER.replace('"', "\\\""));
        for (open, line) in [("|", WAIVER), ("\"why", &escaped)] {
            let first = "  - id: a\n    match: {protocol: udp}\n    action: log\n    description: ";
            let text = format!("version: 1\nrules:\n{first}{open}\n      {line}\n{rule}");
            one_problem(&text, &line[1..], "written in a text");
        }
    }

    #[test]
    fn a_comment_above_an_id_waives_for_that_rule_alone() {
        let set = read(&format!(
            "version: 1\nrules:\n  - {{id: a, match: any, action: log}}\n  {WAIVER}\n  # so it is\n\n  \
             - id: b\n    match: any\n    action: log\n  - match: any\n    {WAIVER} customers=x,y\n    \
             \"id\": c\n    action: log\n"
        ));
        let of = |at: usize| &set.rules[at].waivers;
        assert!(of(0).is_empty());
        assert_eq!((of(1).len(), of(2).len()), (1, 1));
        assert_eq!(of(1)[0].rule.value, "b");
        assert_eq!((of(1)[0].reason.as_str(), of(1)[0].owner.as_str()), ("a b", "netops"));
        let customers: Vec<&str> = of(2)[0].customers.iter().map(|one| &*one.value).collect();
        assert_eq!(customers, ["x", "y"]);
    }

    #[test]
    fn a_waiver_that_stands_at_no_rule_or_cannot_be_read_is_an_error() {
        let file = |comment: &str, rule: &str| format!("version: 1\nrules:\n  {comment}\n{rule}");
        let (first, last) = (
            "  - {id: a, match: any, action: log}\n",
            "  - match: any\n    action: log\n    id: a\n",
        );
        let bare = WAIVER.trim_start_matches('#');
        one_problem(&file(WAIVER, last), bare, "stands at no rule");
        one_problem(&(file("", first) + WAIVER), bare, "stands at no rule");
        let wrong = |from: &str, to: &str| file(&WAIVER.replace(from, to), first);
        one_problem(&wrong(" owner=netops", ""), "waive", "has no `owner`");
        one_problem(&wrong("2026-04-01", "soon"), "soon", "no date");
        one_problem(&wrong("owner=", "onwer="), "onwer", "did you mean `owner`?");
        one_problem(&wrong("owner=", "target=x owner="), "target", "unknown key");
        one_problem(&wrong("blastgate: waive", "Blastgate waive"), "Blastgate", "lower case");
    }
}
