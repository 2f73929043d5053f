//! The form with braces: statements end with `;` or hold a block.

use super::lines::quoted;
use super::{DEEPEST, Id, Tree, at};
use crate::model::{Diagnostic, SourceId, Spanned};

/// How many problems of one text are told.
const MOST_PROBLEMS: usize = 20;

struct Reader<'a> {
    text: &'a str,
    file: SourceId,
    tree: &'a mut Tree,
    problems: &'a mut Vec<Diagnostic>,
    told: usize,
    /// The open blocks: where each was opened, and the node that was current around it.
    open: Vec<(usize, Id)>,
    /// The node of the innermost block.
    block: Id,
    /// The node of the statement so far, and where it began; none between statements.
    current: Option<(Id, usize)>,
    /// How many words lead from the top to the current node.
    depths: Vec<usize>,
    words: usize,
    /// The list that is open.
    list: Option<usize>,
    after_list: bool,
    inactive: bool,
    comments: Vec<Spanned<String>>,
}

/// Reads a text with braces into a tree.
pub(super) fn read(text: &str, file: SourceId, tree: &mut Tree, problems: &mut Vec<Diagnostic>) {
    let mut reader = Reader {
        text,
        file,
        tree,
        problems,
        told: 0,
        open: Vec::new(),
        block: 0,
        current: None,
        depths: Vec::new(),
        words: 0,
        list: None,
        after_list: false,
        inactive: false,
        comments: Vec::new(),
    };
    reader.run();
}

impl Reader<'_> {
    fn tell(&mut self, problem: Diagnostic) {
        if self.told < MOST_PROBLEMS {
            self.problems.push(problem);
        }
        self.told += 1;
    }

    fn run(&mut self) {
        let bytes = self.text.as_bytes();
        let mut from = 0;
        while from < bytes.len() {
            match bytes[from] {
                byte if byte.is_ascii_whitespace() => from += 1,
                b'#' => {
                    let end = self.text[from..].find('\n').map_or(bytes.len(), |at| from + at);
                    self.comment(from + 1, end);
                    from = end;
                }
                b'/' if bytes[from..].starts_with(b"/*") => {
                    let Some(end) = self.text[from + 2..].find("*/") else {
                        let place = at(self.file, from, from + 2);
                        let problem = Diagnostic::error(place, "a comment has no end");
                        self.tell(problem.label("opened here").help("close it with `*/`"));
                        return;
                    };
                    self.comment(from + 2, from + 2 + end);
                    from += end + 4;
                }
                b'{' | b'}' | b';' | b'[' | b']' => {
                    self.sign(bytes[from], from);
                    from += 1;
                }
                b'"' => match quoted(self.text, from) {
                    Some((word, end)) => {
                        self.word(&word, from, end);
                        from = end;
                    }
                    None => {
                        let place = at(self.file, from, from + 1);
                        let problem = Diagnostic::error(place, "a text has no end");
                        self.tell(problem.label("opened here").help("close it with `\"`"));
                        return;
                    }
                },
                _ => {
                    let is_end = |byte: &u8| {
                        byte.is_ascii_whitespace()
                            || matches!(byte, b'{' | b'}' | b';' | b'[' | b']' | b'"')
                    };
                    let length = bytes[from..].iter().position(is_end);
                    let end = length.map_or(bytes.len(), |length| from + length);
                    let word = &self.text[from..end];
                    self.word(word, from, end);
                    from = end;
                }
            }
            if self.told > MOST_PROBLEMS {
                return;
            }
        }
        if let Some((_, start)) = self.current {
            let place = at(self.file, start, bytes.len().min(start + 1));
            let problem = Diagnostic::error(place, "the text ends within a statement");
            self.tell(problem.label("begins here").help("end it with `;`"));
        } else if let Some((start, _)) = self.open.last() {
            let place = at(self.file, *start, start + 1);
            let problem = Diagnostic::error(place, "a block has no end");
            self.tell(problem.label("opened here").help("close it with `}`; is the file whole?"));
        }
    }

    fn comment(&mut self, start: usize, end: usize) {
        let text = self.text[start..end].to_owned();
        self.comments.push(Spanned::new(text, at(self.file, start, end)));
    }

    fn word(&mut self, word: &str, start: usize, end: usize) {
        let place = at(self.file, start, end);
        if self.current.is_none() && matches!(word, "inactive:" | "protect:" | "replace:") {
            self.inactive |= word == "inactive:";
            return;
        }
        if self.current.is_none() && word == "delete:" {
            let problem = Diagnostic::error(place, "`delete:` is not read here");
            self.tell(problem.help("hand over the configuration as it is afterwards"));
            return;
        }
        if self.after_list {
            let problem = Diagnostic::error(place, "a list ends its statement");
            self.tell(problem.label("expected `;`").help("write one statement for each value"));
            return;
        }
        let (parent, begun) = self.current.unwrap_or((self.block, start));
        let depth = self.depths.last().copied().unwrap_or(0) + self.words + 1;
        if depth > DEEPEST {
            let problem = Diagnostic::error(place, "this statement is too deep");
            self.tell(problem.help(format!("at most {DEEPEST} words from the top are read")));
            return;
        }
        let id = self.tree.enter(parent, word, place);
        if self.list.is_some() {
            self.finish(id);
        } else {
            self.words += 1;
            self.current = Some((id, begun));
        }
    }

    /// Gives a statement what was written in front of it.
    fn finish(&mut self, id: Id) {
        let node = &mut self.tree.nodes[id as usize];
        node.inactive |= self.inactive;
        node.comments.append(&mut self.comments);
    }

    fn sign(&mut self, sign: u8, start: usize) {
        let place = at(self.file, start, start + 1);
        let unexpected = |help: &str| {
            let name = char::from(sign);
            Diagnostic::error(place, format!("unexpected `{name}`")).label("not here").help(help)
        };
        match (sign, self.current, self.list) {
            (b'[', Some(_), None) if !self.after_list => self.list = Some(start),
            (b']', Some(_), Some(_)) => (self.list, self.after_list) = (None, true),
            (b';', Some((id, _)), None) => {
                // After a list its values have it already.
                if !self.after_list {
                    self.finish(id);
                }
                self.end_statement();
            }
            // An empty statement says nothing.
            (b';', None, None) => {}
            (b'{', Some((id, _)), None) if !self.after_list => {
                self.finish(id);
                let depth = self.depths.last().copied().unwrap_or(0) + self.words;
                self.open.push((start, self.block));
                self.depths.push(depth);
                self.block = id;
                self.end_statement();
            }
            (b'}', None, None) => match self.open.pop() {
                Some((_, around)) => {
                    self.depths.pop();
                    self.block = around;
                    self.end_statement();
                }
                None => self.tell(unexpected("no block is open; is the file whole?")),
            },
            (b'}', ..) => {
                self.tell(unexpected("end the statement with `;`"));
                self.end_statement();
            }
            _ => self.tell(unexpected("write `name value;`, `name [ one two ];` or `name { … }`")),
        }
    }

    fn end_statement(&mut self) {
        (self.current, self.list, self.after_list) = (None, None, false);
        (self.words, self.inactive) = (0, false);
    }
}
