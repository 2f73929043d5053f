//! Junos configurations as one tree of words, whether they are written as `set` lines or with
//! braces: `family inet { filter F { … } }` and `set family inet filter F …` are the same path.
//!
//! Statements that repeat a path are merged, as `load merge` does; `delete`, `deactivate`,
//! `activate`, `annotate`, `edit`, `top` and `up` lines have their effect. What a word means is
//! its reader's business: nothing here knows a filter. Comments stay with the statement that
//! follows them.
//!
//! | file | reads |
//! |---|---|
//! | `braces` | `show configuration` |
//! | `lines` | `show configuration \| display set` |
//! | `names` | the words for ports, protocols, ICMP types, code points and flags |
//! | `flags` | expressions over TCP flags |

use std::collections::HashMap;

use crate::model::{Diagnostic, Location, SourceId, Sources, Span, Spanned};

mod braces;
pub mod flags;
mod lines;
pub mod names;

/// How deep statements may nest, in words from the top.
pub const DEEPEST: usize = 128;

/// Words with which a line of the `set` form begins.
const COMMANDS: &[&str] = &[
    "set",
    "delete",
    "deactivate",
    "activate",
    "annotate",
    "edit",
    "top",
    "up",
    "exit",
    "protect",
    "unprotect",
    "insert",
    "rename",
    "copy",
    "replace",
    "wildcard",
];

/// A configuration.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    words: HashMap<Box<str>, u32>,
    index: HashMap<(u32, u32), u32>,
    touched: u32,
}

#[derive(Clone, Debug)]
struct Node {
    word: Box<str>,
    location: Location,
    children: Vec<u32>,
    comments: Vec<Spanned<String>>,
    inactive: bool,
    removed: bool,
    /// When it was last written: of two values of one statement the later one holds.
    touched: u32,
}

/// The number of a node; the top is zero.
type Id = u32;

impl Tree {
    /// Reads texts as one configuration, in order.
    pub fn read(sources: &Sources, files: &[SourceId]) -> (Tree, Vec<Diagnostic>) {
        let nowhere = Location { source: SourceId(0), span: Span::new(0, 0) };
        let mut tree = Tree {
            nodes: vec![Node::new("", files.first().map_or(nowhere, |file| at(*file, 0, 0)))],
            words: HashMap::new(),
            index: HashMap::new(),
            touched: 0,
        };
        let mut problems = Vec::new();
        for file in files {
            let text = &sources.get(*file).text;
            if is_lines(text) {
                lines::read(text, *file, &mut tree, &mut problems);
            } else {
                braces::read(text, *file, &mut tree, &mut problems);
            }
        }
        (tree, problems)
    }

    /// Returns the top of the configuration.
    pub fn top(&self) -> Item<'_> {
        Item { tree: self, id: 0 }
    }

    fn child(&self, parent: Id, word: &str) -> Option<Id> {
        let word = self.words.get(word)?;
        self.index.get(&(parent, *word)).copied()
    }

    /// Returns the child with this word, which is made if it is not there.
    fn enter(&mut self, parent: Id, word: &str, location: Location) -> Id {
        self.touched = self.touched.saturating_add(1);
        if let Some(found) = self.child(parent, word) {
            self.nodes[found as usize].touched = self.touched;
            return found;
        }
        let number = self.words.len() as u32;
        let number = match self.words.get(word) {
            Some(number) => *number,
            None => *self.words.entry(word.into()).or_insert(number),
        };
        let id = self.nodes.len() as u32;
        let touched = self.touched;
        self.nodes.push(Node { touched, ..Node::new(word, location) });
        self.nodes[parent as usize].children.push(id);
        self.index.insert((parent, number), id);
        id
    }

    fn remove(&mut self, parent: Id, word: &str) {
        if let Some(number) = self.words.get(word).copied()
            && let Some(found) = self.index.remove(&(parent, number))
        {
            self.nodes[found as usize].removed = true;
        }
    }
}

impl Node {
    fn new(word: &str, location: Location) -> Node {
        Node {
            word: word.into(),
            location,
            children: Vec::new(),
            comments: Vec::new(),
            inactive: false,
            removed: false,
            touched: 0,
        }
    }
}

/// A word of a configuration, with what stands below it.
#[derive(Clone, Copy, Debug)]
pub struct Item<'t> {
    tree: &'t Tree,
    id: Id,
}

impl<'t> Item<'t> {
    fn node(self) -> &'t Node {
        &self.tree.nodes[self.id as usize]
    }

    /// Returns the word itself, without quotes.
    pub fn word(self) -> &'t str {
        &self.node().word
    }

    /// Returns where the word first stands.
    pub fn location(self) -> Location {
        self.node().location
    }

    /// Returns the word with its place.
    pub fn spanned(self) -> Spanned<String> {
        Spanned::new(self.word().to_owned(), self.location())
    }

    /// Returns what stands below, in the order of the text, without what is inactive.
    pub fn children(self) -> impl Iterator<Item = Item<'t>> {
        self.all_children().filter(|child| !child.node().inactive)
    }

    fn all_children(self) -> impl Iterator<Item = Item<'t>> {
        let tree = self.tree;
        let all = self.node().children.iter().map(move |id| Item { tree, id: *id });
        all.filter(|child| !child.node().removed)
    }

    /// Returns what is written below but inactive.
    pub fn inactive(self) -> impl Iterator<Item = Item<'t>> {
        self.all_children().filter(|child| child.node().inactive)
    }

    /// Returns the active child with this word.
    pub fn get(self, word: &str) -> Option<Item<'t>> {
        let id = self.tree.child(self.id, word)?;
        let item = Item { tree: self.tree, id };
        (!item.node().inactive).then_some(item)
    }

    /// Returns the active item at the end of a path.
    pub fn at(self, path: &[&str]) -> Option<Item<'t>> {
        path.iter().try_fold(self, |item, word| item.get(word))
    }

    /// Returns the value of a statement that has one: of several, the one written last.
    pub fn value(self) -> Option<Item<'t>> {
        self.children().max_by_key(|child| child.node().touched)
    }

    /// Returns the active child of these words that was written last: of a choice it is what holds.
    pub fn latest(self, words: &[&str]) -> Option<Item<'t>> {
        let found = words.iter().filter_map(|word| self.get(word));
        found.max_by_key(|child| child.node().touched)
    }

    /// Returns whether nothing active stands below.
    pub fn is_leaf(self) -> bool {
        self.children().next().is_none()
    }

    /// Returns the comments in front of this statement and of everything below it, in order.
    /// Those of inactive statements do not count.
    pub fn comments(self) -> Vec<Spanned<String>> {
        let mut found = self.own_comments().to_vec();
        let mut open = vec![self];
        while let Some(item) = open.pop() {
            for child in item.children() {
                found.extend_from_slice(child.own_comments());
                open.push(child);
            }
        }
        found.sort_by_key(|comment| comment.location);
        found
    }

    /// Returns all that stands below as whole statements, each with its place, without those that a
    /// test leaves out with all that is below them.
    pub fn statements(self, skips: &dyn Fn(&[&str], Item<'t>) -> bool) -> Vec<(Location, String)> {
        let mut found = Vec::new();
        let mut open = vec![(self, Vec::new())];
        while let Some((item, path)) = open.pop() {
            if item.is_leaf() && !path.is_empty() {
                found.push((item.location(), path.join(" ")));
            }
            for child in item.children() {
                let mut path = path.clone();
                path.push(child.word());
                if !skips(&path, child) {
                    open.push((child, path));
                }
            }
        }
        found
    }

    /// Returns the comments in front of this very statement.
    pub fn own_comments(self) -> &'t [Spanned<String>] {
        &self.node().comments
    }
}

/// Returns whether a text is in the `set` form: its first word is a command.
pub fn is_lines(text: &str) -> bool {
    let lines = text.lines().map(str::trim);
    let first = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).find(|line| {
        !line.starts_with("/*") && !line.ends_with("*/") && !line.starts_with("version ")
    });
    let word = first.and_then(|line| line.split_whitespace().next());
    word.is_some_and(|word| COMMANDS.contains(&word)) && !first.is_some_and(|f| f.ends_with('{'))
}

/// Returns whether a text has a statement that begins with these words, each of them a whole
/// word, in either form and at any depth. It is a guess by lines, for detection.
pub fn mentions(text: &str, path: &[&str]) -> bool {
    if is_lines(text) {
        return text.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some("set") && {
                let words: Vec<&str> = words.take(24).collect();
                words.windows(path.len()).any(|window| window == path)
            }
        });
    }
    let mut wanted = path.iter().peekable();
    for line in text.lines() {
        for word in line.split(|c: char| c.is_whitespace() || c == '{' || c == ';') {
            if wanted.peek() == Some(&&word) {
                wanted.next();
            }
        }
    }
    wanted.peek().is_none() && text.contains('{')
}

/// Makes a location of byte offsets.
fn at(source: SourceId, start: usize, end: usize) -> Location {
    Location { source, span: Span::new(start, end) }
}

#[cfg(test)]
mod tests;
