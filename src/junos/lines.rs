//! The `set` form: one command a line.

use super::{DEEPEST, Id, Tree, at};
use crate::model::{Diagnostic, SourceId, Spanned};

/// A word of a line and its offsets, quotes included.
struct Word<'t> {
    text: std::borrow::Cow<'t, str>,
    start: usize,
    end: usize,
}

/// Reads a text of commands into a tree.
pub(super) fn read(text: &str, file: SourceId, tree: &mut Tree, problems: &mut Vec<Diagnostic>) {
    let mut level: Vec<String> = Vec::new();
    let mut comments = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        let indent = start + (line.len() - line.trim_start().len());
        if let Some(comment) = trimmed.strip_prefix('#') {
            let place = at(file, indent + 1, indent + trimmed.len());
            comments.push(Spanned::new(comment.to_owned(), place));
            continue;
        }
        if let Some(comment) = trimmed.strip_prefix("/*").and_then(|c| c.strip_suffix("*/")) {
            let place = at(file, indent + 2, indent + 2 + comment.len());
            comments.push(Spanned::new(comment.to_owned(), place));
            continue;
        }
        match words(trimmed, indent, file) {
            Ok(words) => {
                let taken = std::mem::take(&mut comments);
                if let Err(problem) = command(&words, file, &mut level, tree, taken) {
                    problems.push(*problem);
                }
            }
            Err(problem) => problems.push(*problem),
        }
    }
}

fn words(line: &str, offset: usize, file: SourceId) -> Result<Vec<Word<'_>>, Box<Diagnostic>> {
    let bytes = line.as_bytes();
    let mut words = Vec::new();
    let mut from = 0;
    while from < bytes.len() {
        if bytes[from].is_ascii_whitespace() {
            from += 1;
            continue;
        }
        let start = from;
        if bytes[from] == b'"' {
            let (text, end) =
                quoted(line, from).ok_or_else(|| unclosed(file, offset, line, from))?;
            from = end;
            words.push(Word { text: text.into(), start: offset + start, end: offset + end });
            continue;
        }
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'[' | b']' | b';');
        let length = match bytes[from] {
            b'[' | b']' | b';' => 1,
            _ => bytes[from..].iter().position(is_end).unwrap_or(bytes.len() - from),
        };
        from += length;
        let text = line[start..from].into();
        words.push(Word { text, start: offset + start, end: offset + from });
    }
    if words.last().is_some_and(|word| word.text == ";") {
        words.pop();
    }
    if words.len() > DEEPEST {
        let place = at(file, offset, offset + line.len());
        let problem =
            Diagnostic::error(place, "this statement is too deep").label("too many words");
        return Err(Box::new(
            problem.help(format!("at most {DEEPEST} words a statement are read")),
        ));
    }
    Ok(words)
}

fn unclosed(file: SourceId, offset: usize, line: &str, from: usize) -> Box<Diagnostic> {
    let problem =
        Diagnostic::error(at(file, offset + from, offset + line.len()), "a text has no end");
    Box::new(problem.label("opened here").help("close it with `\"` on the same line"))
}

/// Reads a text in quotes and returns it with the offset behind it.
pub(super) fn quoted(text: &str, from: usize) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text[from + 1..].char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, from + 1 + at + 1)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

fn command(
    words: &[Word<'_>],
    file: SourceId,
    level: &mut Vec<String>,
    tree: &mut Tree,
    comments: Vec<Spanned<String>>,
) -> Result<(), Box<Diagnostic>> {
    let [name, rest @ ..] = words else { return Ok(()) };
    let whole = at(file, name.start, words.last().map_or(name.end, |word| word.end));
    match &*name.text {
        "set" => {
            let ends = set(rest, file, level, tree)?;
            if let Some(last) = ends.last() {
                tree.nodes[*last as usize].comments.extend(comments);
            }
        }
        "delete" => {
            let Some((last, path)) = rest.split_last() else {
                let problem = Diagnostic::error(whole, "this deletes everything");
                return Err(Box::new(
                    problem.help("hand over the configuration as it is afterwards"),
                ));
            };
            if let Some(parent) = find(path, level, tree) {
                tree.remove(parent, &last.text);
            }
        }
        "deactivate" | "activate" => {
            if let Some(found) = find(rest, level, tree) {
                tree.nodes[found as usize].inactive = name.text == "deactivate";
            }
        }
        "annotate" => {
            let Some((text, path)) = rest.split_last() else { return Ok(()) };
            if let Some(found) = find(path, level, tree) {
                let place = at(file, text.start, text.end);
                let comment = Spanned::new(text.text.clone().into_owned(), place);
                tree.nodes[found as usize].comments.push(comment);
            }
        }
        "edit" => level.extend(rest.iter().map(|word| word.text.clone().into_owned())),
        "top" | "exit" if rest.is_empty() => level.clear(),
        "top" => {
            level.clear();
            return command(rest, file, level, tree, comments);
        }
        "up" => {
            let steps = rest.first().and_then(|word| word.text.parse().ok()).unwrap_or(1);
            level.truncate(level.len().saturating_sub(steps));
        }
        "protect" | "unprotect" => {}
        other => {
            let problem = Diagnostic::error(
                whole,
                format!("`{}` is not read here", other.escape_debug()),
            )
            .label("not understood")
            .help(
                "lines may begin with set, delete, deactivate, activate, annotate, edit, top or \
                     up; hand over `show configuration | display set`",
            );
            return Err(Box::new(problem));
        }
    }
    if level.len() > DEEPEST {
        level.truncate(DEEPEST);
        let problem = Diagnostic::error(whole, "this level is too deep");
        return Err(Box::new(problem.help(format!("at most {DEEPEST} words are read"))));
    }
    Ok(())
}

/// Makes a path, with a list at its end or without, and returns its ends.
fn set(
    words: &[Word<'_>],
    file: SourceId,
    level: &[String],
    tree: &mut Tree,
) -> Result<Vec<Id>, Box<Diagnostic>> {
    let Some(first) = words.first() else { return Ok(Vec::new()) };
    let mut parent = 0;
    for word in level {
        parent = tree.enter(parent, word, at(file, first.start, first.end));
    }
    let mut list: Option<Vec<Id>> = None;
    for (number, word) in words.iter().enumerate() {
        let place = at(file, word.start, word.end);
        match (&*word.text, &mut list) {
            ("[", None) => list = Some(Vec::new()),
            ("]", Some(ends)) => {
                if let Some(more) = words.get(number + 1) {
                    let place = at(file, more.start, more.end);
                    let problem = Diagnostic::error(place, "a list ends its statement");
                    return Err(Box::new(problem.help("write one line for each value")));
                }
                return Ok(std::mem::take(ends));
            }
            ("[" | "]" | ";", _) => {
                let problem = Diagnostic::error(place, format!("unexpected `{}`", word.text));
                return Err(Box::new(problem.help("write lists as `[ one two ]`")));
            }
            (text, None) => parent = tree.enter(parent, text, place),
            (text, Some(ends)) => {
                let id = tree.enter(parent, text, place);
                ends.push(id);
            }
        }
    }
    match list {
        None => Ok(vec![parent]),
        Some(_) => {
            let problem = Diagnostic::error(at(file, first.start, first.end), "a list has no end");
            Err(Box::new(problem.help("close it with `]`")))
        }
    }
}

fn find(words: &[Word<'_>], level: &[String], tree: &Tree) -> Option<Id> {
    let level = level.iter().map(String::as_str);
    let mut path = level.chain(words.iter().map(|word| &*word.text));
    path.try_fold(0, |parent, word| tree.child(parent, word))
}
