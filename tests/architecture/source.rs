//! Source files as text: which module each is, and what it imports.
//!
//! Comments, strings and test code are blanked out, the rest is cut into words, and every path is
//! followed to the file it names, also through `use`. What a glob or a re-export brings in is not
//! followed further; globs of whole modules are refused.

use std::collections::{BTreeMap, BTreeSet};

/// A module by the path from the crate's root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Module(pub(super) Vec<String>);

impl Module {
    /// Returns the module of a file, by its path below `src/`.
    fn of(path: &str) -> Module {
        let mut parts: Vec<String> =
            path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] {
            parts.pop();
        }
        Module(parts)
    }

    pub(super) fn top(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Returns whether it is the module of this path or stands within it.
    pub(super) fn is_in(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split("::").collect();
        self.0.len() >= path.len() && self.0.iter().zip(&path).all(|(a, b)| a == b)
    }

    /// Returns whether the other is this module or stands within it.
    pub(super) fn holds(&self, other: &Module) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl std::fmt::Display for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&if self.0.is_empty() { "lib".to_owned() } else { self.0.join("::") })
    }
}

/// One file, with its test code blanked out.
pub(super) struct File {
    pub(super) module: Module,
    pub(super) is_test: bool,
    pub(super) text: String,
    pub(super) words: Vec<Word>,
    /// Modules in files of their own.
    pub(super) children: BTreeSet<String>,
    /// The same, of tests.
    pub(super) test_children: BTreeSet<String>,
    /// Modules within braces that are no tests.
    pub(super) inner: Vec<String>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Module(Module),
    Outside(Vec<String>),
}

pub(super) struct Import {
    pub(super) from: Module,
    pub(super) to: Target,
    pub(super) place: String,
}

pub(super) struct Tree {
    pub(super) files: BTreeMap<String, File>,
    pub(super) modules: BTreeSet<Vec<String>>,
}

impl Tree {
    pub(super) fn new(texts: BTreeMap<String, String>) -> Tree {
        let files = texts.into_iter().map(|(path, text)| (path.clone(), File::new(&path, text)));
        let files: BTreeMap<String, File> = files.collect();
        let sources = files.values().filter(|file| !file.is_test);
        let mut modules: BTreeSet<Vec<String>> =
            sources.map(|file| file.module.0.clone()).collect();
        modules.insert(Vec::new());
        Tree { files, modules }
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(|file| file.text.as_str())
    }

    /// Files that are part of the program.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&String, &File)> {
        self.files.iter().filter(|(_, file)| !file.is_test)
    }

    pub(super) fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (path, file) in self.sources() {
            // What a first `use` brought in may be where a second one starts.
            let mut known: BTreeMap<String, Target> = BTreeMap::new();
            let found = paths(&file.words);
            for _ in 0..2 {
                let mut next = BTreeMap::new();
                for found in &found {
                    let Some(name) = &found.name else { continue };
                    // `use csv;` and `use csv::Reader as csv;` start at the crate, not at themselves.
                    let own = known.remove(name);
                    next.insert(name.clone(), self.follow(file, &found.path, &known).full);
                    known.extend(own.map(|own| (name.clone(), own)));
                }
                known = next;
            }
            for found in &found {
                imports.push(Import {
                    from: file.module.clone(),
                    to: self.follow(file, &found.path, &known).nearest,
                    place: format!("src/{path}:{}", found.line),
                });
            }
        }
        imports
    }

    fn follow(&self, file: &File, path: &[String], known: &BTreeMap<String, Target>) -> Followed {
        let from_root = |start: &[String], rest: &[String]| {
            let full = [start, rest].concat();
            let held = (0..=full.len()).rev().find(|end| self.modules.contains(&full[..*end]));
            let nearest = full[..held.unwrap_or(0)].to_vec();
            Followed {
                full: Target::Module(Module(full)),
                nearest: Target::Module(Module(nearest)),
            }
        };
        let own = &file.module.0;
        let first = path.first().map_or("", String::as_str);
        let outside = match first {
            "crate" => return from_root(&[], &path[1..]),
            "blastgate" if file.module.top() == "main" => return from_root(&[], &path[1..]),
            "self" => return from_root(own, &path[1..]),
            "super" => {
                let up = path.iter().take_while(|word| *word == "super").count();
                return from_root(&own[..own.len().saturating_sub(up)], &path[up..]);
            }
            _ if file.children.contains(first) => return from_root(own, path),
            _ => match known.get(first) {
                Some(Target::Module(module)) => return from_root(&module.0, &path[1..]),
                Some(Target::Outside(start)) => [start.as_slice(), &path[1..]].concat(),
                None => path.to_vec(),
            },
        };
        Followed { full: Target::Outside(outside.clone()), nearest: Target::Outside(outside) }
    }
}

/// Where a path leads: to the word, and to the file that holds it.
struct Followed {
    full: Target,
    nearest: Target,
}

impl File {
    pub(super) fn new(path: &str, text: String) -> File {
        let module = Module::of(path);
        let is_test = module.0.iter().any(|part| part == "tests");
        let mut file = File {
            module,
            is_test,
            words: Vec::new(),
            children: BTreeSet::new(),
            test_children: BTreeSet::new(),
            inner: Vec::new(),
            text,
        };
        let words = words(&blank(&file.text));
        let is = |at: usize, expect: &[&str]| {
            expect.iter().enumerate().all(|(offset, expect)| {
                words.get(at + offset).is_some_and(|word| word.text == *expect)
            })
        };
        let mut at = 0;
        while at < words.len() {
            let tests = is(at, &["#", "[", "cfg", "(", "test", ")", "]", "mod"]);
            let module = if tests { at + 7 } else { at };
            let name = words.get(module + 1).map_or("", |word| word.text.as_str()).to_owned();
            if !is(module, &["mod"]) {
                file.words.push(words[at].clone());
                at += 1;
            } else if is(module + 2, &[";"]) {
                let list = if tests { &mut file.test_children } else { &mut file.children };
                list.insert(name);
                at = module + 3;
            } else if tests {
                let mut depth = 0;
                at = module + 2;
                while at < words.len() {
                    match words[at].text.as_str() {
                        "{" => depth += 1,
                        "}" => depth -= 1,
                        _ => {}
                    }
                    at += 1;
                    if depth == 0 {
                        break;
                    }
                }
            } else {
                if !file.is_test {
                    file.inner.push(name);
                }
                at = module + 2;
            }
        }
        file
    }
}

//------------ Words and paths ------------------------------------------------

/// A name or a mark of the source, and its line.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) line: usize,
}

/// Replaces comments and what stands in quotes by blanks; lines stay where they are.
fn blank(text: &str) -> String {
    let source: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let skip = |out: &mut String, range: std::ops::Range<usize>| {
        for character in &source[range] {
            out.push(if *character == '\n' { '\n' } else { ' ' });
        }
    };
    let starts = |at: usize, text: &str| {
        text.chars().enumerate().all(|(offset, c)| source.get(at + offset) == Some(&c))
    };
    while at < source.len() {
        let mut end = at;
        if starts(at, "//") {
            while end < source.len() && source[end] != '\n' {
                end += 1;
            }
        } else if starts(at, "/*") {
            let mut depth = 0;
            while end < source.len() {
                if starts(end, "/*") {
                    (depth, end) = (depth + 1, end + 2);
                } else if starts(end, "*/") {
                    (depth, end) = (depth - 1, end + 2);
                } else {
                    end += 1;
                }
                if depth == 0 {
                    break;
                }
            }
        } else if source[at] == 'r'
            && (at == 0 || !is_name(source[at - 1]) || source[at - 1] == 'b')
            && source[at + 1..].iter().find(|c| **c != '#') == Some(&'"')
        {
            let hashes = source[at + 1..].iter().take_while(|c| **c == '#').count();
            let close = format!("\"{}", "#".repeat(hashes));
            end = at + hashes + 2;
            while end < source.len() && !starts(end, &close) {
                end += 1;
            }
            end += close.len();
        } else if source[at] == '"' {
            end += 1;
            while end < source.len() && source[end] != '"' {
                end += if source[end] == '\\' { 2 } else { 1 };
            }
            end += 1;
        } else if source[at] == '\'' && (starts(at + 1, "\\") || source.get(at + 2) == Some(&'\''))
        {
            // A character; a lifetime has no second quote there.
            end += if starts(at + 1, "\\") { 3 } else { 2 };
            while end < source.len() && source[end] != '\'' {
                end += 1;
            }
            end += 1;
        }
        if end > at {
            skip(&mut out, at..end.min(source.len()));
            at = end;
        } else {
            out.push(source[at]);
            at += 1;
        }
    }
    out
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let length = if is_name(first) {
                rest.find(|c| !is_name(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                words.push(Word { text: rest[..length].to_owned(), line: number + 1 });
            }
            rest = &rest[length..];
        }
    }
    words
}

/// A path as written, and the name that a `use` gives it.
struct Found {
    path: Vec<String>,
    name: Option<String>,
    line: usize,
}

/// Every path of two or more words, those of `use` taken apart.
fn paths(words: &[Word]) -> Vec<Found> {
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let is_word = |at: usize| text(at).chars().next().is_some_and(is_name);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if text(at) == "use" && text(at + 1) != "<" {
            at += 1;
            tree_of(words, &mut at, &[], &mut found);
        } else if is_word(at) && text(at + 1) == "::" && text(at.wrapping_sub(1)) != "::" {
            let line = words[at].line;
            let mut path = vec![text(at).to_owned()];
            while text(at + 1) == "::" && is_word(at + 2) {
                path.push(text(at + 2).to_owned());
                at += 2;
            }
            found.push(Found { path, name: None, line });
        }
        at += 1;
    }
    found
}

/// Reads one tree of a `use`: a path that ends in a name, in `*` or in braces.
fn tree_of(words: &[Word], at: &mut usize, before: &[String], found: &mut Vec<Found>) {
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let mut path = before.to_vec();
    if text(*at) == "::" {
        *at += 1;
    }
    let line = words.get(*at).map_or(0, |word| word.line);
    loop {
        if text(*at) == "{" {
            *at += 1;
            while *at < words.len() && text(*at) != "}" {
                tree_of(words, at, &path, found);
                if text(*at) == "," {
                    *at += 1;
                }
            }
            *at += 1;
            return;
        }
        if text(*at) != "self" || path.is_empty() {
            path.push(text(*at).to_owned());
        }
        *at += 1;
        if text(*at) != "::" {
            break;
        }
        *at += 1;
    }
    let mut name = path.last().cloned();
    if text(*at) == "as" {
        name = Some(text(*at + 1).to_owned());
        *at += 2;
    }
    found.push(Found { path, name: name.filter(|name| name != "*"), line });
}
