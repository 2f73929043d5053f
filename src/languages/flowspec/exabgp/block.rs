//! Routes as blocks and in one line: what stands within one.

use super::tokens::{Kind, Token};
use super::{ACTIONS, COMPONENTS, Draft, MOST_PROBLEMS, Reader, actions, values};
use crate::model::Diagnostic;
use crate::yaml::nearest;

impl<'a> Reader<'a> {
    /// Reads `{ rd …; match { … } then { … } scope { … } }`.
    pub(super) fn block(&mut self, draft: &mut Draft) {
        self.at += 1;
        let mut inner: Option<&str> = None;
        let mut is_open = false;
        while let Some(token) = self.tokens.get(self.at) {
            let is_stray = !std::mem::take(&mut is_open);
            match token.kind {
                Kind::Close => {
                    self.at += 1;
                    if inner.take().is_none() {
                        return;
                    }
                    continue;
                }
                Kind::End => {
                    if is_stray {
                        self.stray_end(token);
                    }
                    self.at += 1;
                    continue;
                }
                _ => {}
            }
            is_open = true;
            let words = self.words(false);
            let Some(first) = words.first() else {
                let problem = Diagnostic::error(self.of(token), "unexpected `{`");
                self.tell(problem);
                self.skip();
                continue;
            };
            let opens = self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::Open);
            match (inner, &*first.text, opens) {
                (None, "match" | "then" | "scope", true) => {
                    inner = Some(if first.text == "match" { "match" } else { "then" });
                    is_open = false;
                    self.at += 1;
                }
                (_, word, true) => {
                    let word = word.escape_debug().to_string();
                    let problem =
                        Diagnostic::error(self.of(first), format!("unknown block `{word}`"));
                    self.tell(problem.help("a route holds `match`, `scope` and `then`"));
                    self.skip();
                }
                (None, "rd" | "route-distinguisher" | "next-hop", false) => {
                    self.setting(words, draft);
                }
                (None, word, false) => {
                    let word = word.escape_debug().to_string();
                    let problem = Diagnostic::error(
                        self.of(first),
                        format!("`{word}` is not understood here"),
                    );
                    self.tell(problem.help("a route holds `rd`, `next-hop`, `match` and `then`"));
                }
                (Some(inner), word, false) => {
                    let is_component = COMPONENTS.iter().any(|(name, _)| *name == word);
                    // ExaBGP announces the route without all that follows in the statement.
                    if let Some(next) = words[1..].iter().find(|word| actions::begins(word)) {
                        let message = format!("a `;` is missing before `{}`", next.text);
                        let problem = Diagnostic::error(self.of(next), message);
                        self.tell(problem.help("ExaBGP leaves out what follows: write `;`"));
                        continue;
                    }
                    match is_component == (inner == "match") {
                        true => self.flat(words, draft),
                        false => self.stranger(first, inner),
                    }
                }
            }
            if self.problems.len() >= MOST_PROBLEMS {
                return;
            }
        }
        let end = self.tokens.last().map_or(0, |token| token.end);
        let problem =
            Diagnostic::error(self.place(end.saturating_sub(1), end), "a block has no end");
        self.tell(problem.help("close the route with `}`; is the file whole?"));
    }

    fn stranger(&mut self, token: &Token<'_>, inner: &str) {
        let word = token.text.escape_debug().to_string();
        let problem =
            Diagnostic::error(self.of(token), format!("`{word}` is not understood in `{inner}`"))
                .label("not understood");
        let known: Vec<&str> = match inner {
            "match" => COMPONENTS.iter().map(|(name, _)| *name).collect(),
            _ => ACTIONS.to_vec(),
        };
        self.tell(match nearest(&token.text, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("known here: {}", known.join(", "))),
        });
    }

    /// Passes over a block.
    fn skip(&mut self) {
        let mut depth = 0usize;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn setting(&mut self, words: &[Token<'_>], draft: &mut Draft) {
        let [name, value] = words else {
            let problem = Diagnostic::error(self.of(&words[0]), "one value is wanted here");
            return self.tell(problem.help(format!("write `{} VALUE;`", words[0].text)));
        };
        if name.text == "next-hop" {
            draft.next_hop = Some(value.text.to_string());
            return;
        }
        match values::route_distinguisher(&value.text) {
            Some(rd) => draft.rd = Some(rd),
            None => {
                let problem = Diagnostic::error(self.of(value), "this is no route distinguisher");
                self.tell(problem.help("write `65535:65536` or `192.0.2.1:100`"));
            }
        }
    }

    /// Reads components and actions one after the other.
    pub(super) fn flat(&mut self, words: &'a [Token<'a>], draft: &mut Draft) {
        let mut rest = words;
        while let Some((first, behind)) = rest.split_first() {
            let taken =
                if let Some((_, kind)) = COMPONENTS.iter().find(|(name, _)| *name == first.text) {
                    self.component(*kind, first, behind, draft)
                } else if ACTIONS.contains(&&*first.text) {
                    self.action(first, behind, draft)
                } else if matches!(&*first.text, "rd" | "route-distinguisher" | "next-hop") {
                    let taken = behind.len().min(1);
                    self.setting(&rest[..=taken], draft);
                    Some(taken)
                } else {
                    self.stranger(first, if draft.parts.is_empty() { "match" } else { "then" });
                    None
                };
            let Some(taken) = taken else { return };
            rest = &behind[taken..];
        }
    }

    /// Splits the argument of a word: one word, or a list. Returns it and how much it takes.
    pub(super) fn argument<'w>(
        &mut self,
        name: &Token<'_>,
        behind: &'w [Token<'w>],
    ) -> Option<(&'w [Token<'w>], usize)> {
        let missing = match behind.first() {
            Some(token) if token.text == "[" && token.kind == Kind::Word => {
                match behind.iter().position(|token| token.text == "]") {
                    Some(1) => "the list is empty",
                    Some(end) => return Some((&behind[1..end], end + 1)),
                    None => "the list has no end",
                }
            }
            Some(_) => return Some((&behind[..1], 1)),
            None => "a value is missing",
        };
        let problem = Diagnostic::error(self.of(name), missing);
        self.tell(problem.help(format!("write `{0} VALUE;` or `{0} [ VALUE VALUE ];`", name.text)));
        None
    }
}
