//! Holds what one crate cannot make the compiler hold: which module may see which, that the core
//! never touches the outside, that a part is one file and its two lines, and that files stay of
//! a size that people read.
//!
//! The checks work on text: comments, strings and test code are blanked out, the rest is cut
//! into words, and every path is followed to the file it names, also through `use`. What a glob
//! or a re-export brings in is not followed further; globs of whole modules are refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

//------------ The tables -----------------------------------------------------

/// The modules in the order data passes them. A module sees those of lower rows only; modules of
/// one row know nothing of each other.
const LAYERS: &[&[&str]] = &[
    &["model"],
    &["yaml"],
    &["words"],
    &["packet"],
    &["languages", "traffic", "inventory", "config"],
    &["intent", "service", "matcher", "policer"],
    &["attribution"],
    &["change", "judge"],
    &["tally"],
    &["replay"],
    &["bank"],
    &["fate"],
    &["impact"],
    &["affected", "reach"],
    &["finding"],
    &["guardrails"],
    &["report"],
    &["summary", "verdict"],
    &["reports"],
    &["input"],
    &["run"],
    &["cli"],
    &["main"],
];

/// Modules that see less than their row would let them: these, and nothing else.
const NARROW: &[(&str, &[&str])] = &[
    // What the operator wrote and what the network saw are read without knowing of each other,
    // and without knowing what will be asked of them.
    ("packet", &["model"]),
    ("languages", &["model", "yaml", "words"]),
    ("traffic", &["model", "yaml", "words", "packet"]),
    ("inventory", &["model", "yaml", "words"]),
    ("config", &["model", "yaml", "words"]),
    // Deciding and counting know no text.
    ("matcher", &["model"]),
    ("policer", &["model"]),
    ("service", &["model"]),
    ("change", &["model"]),
    ("bank", &["model", "matcher", "policer", "tally"]),
    // A finding is a plain type; outputs see the report, and never reach back into the run.
    ("finding", &["model"]),
    ("report", &["model", "finding"]),
    ("verdict", &["model", "finding", "report"]),
    ("reports", &["model", "finding", "report"]),
    // Opening things needs to know nothing of what is in them.
    ("input", &["model"]),
    ("main", &["cli"]),
];

/// Modules that must not see these, whatever their row: the proof knows nothing of traffic, and a
/// guardrail never reads it.
const BLIND: &[(&str, &[&str])] = &[
    ("reach", &["traffic", "packet", "tally", "replay", "bank", "fate", "impact"]),
    (
        "guardrails",
        &["languages", "traffic", "packet", "yaml", "words", "config", "tally", "replay", "bank"],
    ),
];

/// Imports that break a rule and are known: who, what, why. One that is no longer needed fails.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "guardrails",
        "replay",
        "owed: the words for missing fields belong beside the bits they explain",
    ),
    ("reach", "fate", "owed: which of two limits is the more generous is no matter of traffic"),
    ("cli::check", "cli::plan", "owed: arguments and the plan made of them are two files"),
];

/// A folder of parts: one file a part, and its two adjacent lines in the folder's `mod.rs`.
struct Folder {
    name: &'static str,
    /// What opens the list that every part stands in.
    list: &'static str,
    /// What else lives there and is no part; parts and others may use these.
    helpers: &'static [&'static str],
}

const FOLDERS: &[Folder] = &[
    Folder { name: "languages", list: "const LANGUAGES", helpers: &[] },
    Folder { name: "traffic", list: "const FORMS", helpers: &[] },
    Folder { name: "inventory", list: "const FORMS", helpers: &["customers"] },
    Folder {
        name: "guardrails",
        list: "const GUARDRAILS",
        helpers: &["buckets", "coverage", "protected"],
    },
    Folder { name: "reports", list: "const FORMS", helpers: &["diagnostics"] },
    Folder { name: "cli", list: "enum Command", helpers: &["plan"] },
];

/// Parts that others name directly: who, which part, why.
const PART_USERS: &[(&str, &str, &str)] = &[(
    "cli",
    "languages::native",
    "the config writes matches in the native language, and knows no language itself",
)];

/// The shell: everything that may touch the outside.
const SHELL: &[&str] = &["input", "run", "cli", "main"];

/// What only these may touch: a path or the name of a crate, and the modules.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("std::fs", &["input"]),
    ("std::net::Tcp", &[]),
    ("std::net::Udp", &[]),
    ("std::net::ToSocketAddrs", &[]),
    ("std::os", &["input"]),
    ("std::env", SHELL),
    ("std::process", SHELL),
    ("std::thread", &["replay", "input", "run", "cli"]),
    ("std::sync::mpsc", &["replay"]),
    ("std::time::SystemTime", SHELL),
    ("std::time::Instant", SHELL),
    ("std::io::stdin", SHELL),
    ("std::io::stdout", SHELL),
    ("std::io::stderr", SHELL),
    ("std::io::Stdin", SHELL),
    ("std::io::Stdout", SHELL),
    ("std::io::Stderr", SHELL),
    ("std::io", &["traffic", "reports", "input", "run", "cli", "main"]),
    ("jiff::Timestamp::now", SHELL),
    ("jiff::Zoned::now", SHELL),
    ("jiff::tz::TimeZone::system", SHELL),
    ("anyhow", SHELL),
    ("anstream", SHELL),
    ("clap", SHELL),
    ("indicatif", SHELL),
    ("flate2", &["input"]),
    ("zstd", &["input"]),
];

/// Macros that print.
const PRINTERS: &[&str] = &["print", "println", "eprint", "eprintln"];

/// What must not be left behind. Cut in two, so that this file may be read like any other.
const LEFTOVERS: &[&str] =
    &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!("), "FIX\u{4d}E"];

/// The longest file, in lines.
const LONGEST: usize = 600;

/// Files that are longer, and why. One that no longer is fails.
const LONG: &[(&str, &str)] = &[
    ("impact.rs", "owed: losses, attack and protected traffic are three tasks over one tally"),
    ("words.rs", "one reader a quantity, alike and without state; what is one place is no two"),
    ("yaml.rs", "the tree and the decoder share their private types; 130 lines are tests"),
];

//------------ The tree as it is ----------------------------------------------

#[test]
fn imports_point_to_lower_layers() {
    hold(&layers(&crate_itself(), &Used::default()));
}

#[test]
fn no_two_modules_import_each_other() {
    hold(&mutual(&crate_itself(), &Used::default()));
}

#[test]
fn every_exception_is_still_needed() {
    let (tree, used) = (crate_itself(), Used::default());
    layers(&tree, &used);
    mutual(&tree, &used);
    let unused: Vec<String> = EXCEPTIONS
        .iter()
        .filter(|(from, to, _)| !used.0.borrow().contains(&(*from, *to)))
        .map(|(from, to, _)| format!("nothing needs the exception {from} -> {to}: delete it"))
        .collect();
    hold(&unused);
}

#[test]
fn parts_see_no_sibling_and_stand_in_their_list() {
    hold(&parts(&crate_itself()));
}

#[test]
fn the_core_touches_nothing_outside() {
    hold(&purity(&crate_itself()));
}

#[test]
fn files_open_with_what_they_are_for_and_stay_readable() {
    let tree = crate_itself();
    hold(&shape(&tree));
    let short: Vec<String> = LONG
        .iter()
        .filter(|(path, _)| tree.text(path).is_none_or(|text| text.lines().count() <= LONGEST))
        .map(|(path, _)| format!("{path} is not longer than {LONGEST} lines: strike it"))
        .collect();
    hold(&short);
}

#[test]
fn every_file_is_declared_by_its_parent() {
    hold(&declared(&crate_itself()));
}

#[test]
fn lib_holds_the_code_map_and_nothing_else() {
    hold(&code_map(&crate_itself()));
}

fn hold(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

fn crate_itself() -> Tree {
    fn walk(folder: &Path, root: &Path, into: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, into);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                into.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    walk(&root, &root, &mut files);
    assert!(files.len() > 50, "the sources were not found: {} files", files.len());
    Tree::new(files)
}

//------------ The checks -----------------------------------------------------

/// The exceptions that were made use of.
#[derive(Default)]
struct Used(std::cell::RefCell<BTreeSet<(&'static str, &'static str)>>);

impl Used {
    /// Returns whether an import is excepted, and remembers it.
    fn excuses(&self, from: &Module, to: &Module) -> bool {
        let Some((from, to, _)) = EXCEPTIONS.iter().find(|(a, b, _)| from.is_in(a) && to.is_in(b))
        else {
            return false;
        };
        self.0.borrow_mut().insert((from, to));
        true
    }
}

/// Every module sees lower rows only, less where a table says so, and never the whole crate.
fn layers(tree: &Tree, used: &Used) -> Vec<String> {
    let rank = |module: &str| LAYERS.iter().position(|row| row.contains(&module));
    let mut problems = Vec::new();
    for (_, File { module, .. }) in tree.sources() {
        if module.0.first().is_some_and(|top| rank(top).is_none()) {
            problems.push(format!("{module} stands in no row of LAYERS"));
        }
    }
    for import in tree.imports() {
        let Target::Module(to) = &import.to else { continue };
        let (from, place) = (&import.from, &import.place);
        if to.0.is_empty() {
            problems.push(format!("{place}: {from} imports the whole crate"));
            continue;
        }
        let (above, below) = (from.top(), to.top());
        if above == below || from.0.is_empty() || used.excuses(from, to) {
            continue;
        }
        if rank(below) >= rank(above) {
            problems.push(format!("{place}: {from} must not import {to}, which is not below it"));
        }
        if let Some((_, seen)) = NARROW.iter().find(|(name, _)| *name == above)
            && !seen.contains(&below)
        {
            problems.push(format!("{place}: {from} sees only {}, not {to}", seen.join(", ")));
        }
        if BLIND.iter().any(|(name, hidden)| *name == above && hidden.contains(&below)) {
            problems.push(format!("{place}: {from} must know nothing of {to}"));
        }
    }
    problems
}

/// No two files import each other, unless one holds the other.
fn mutual(tree: &Tree, used: &Used) -> Vec<String> {
    let pairs: BTreeSet<(Module, Module)> = tree
        .imports()
        .into_iter()
        .filter_map(|import| match import.to {
            Target::Module(to) => Some((import.from, to)),
            Target::Outside(_) => None,
        })
        .filter(|(from, to)| !from.holds(to) && !to.holds(from))
        .collect();
    pairs
        .iter()
        .filter(|(from, to)| from < to && pairs.contains(&(to.clone(), from.clone())))
        .filter(|(from, to)| !used.excuses(from, to))
        .map(|(from, to)| format!("{from} and {to} import each other"))
        .collect()
}

/// Every part stands in its folder's list and nowhere else; siblings and others do not see it.
fn parts(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for folder in FOLDERS {
        let path = format!("{}/mod.rs", folder.name);
        let Some(file) = tree.files.get(&path) else {
            problems.push(format!("{path} is missing"));
            continue;
        };
        let words: Vec<&str> = file.words.iter().map(|word| word.text.as_str()).collect();
        let Some(list) = list_of(&words, folder.list) else {
            problems.push(format!("{path} has no `{}`", folder.list));
            continue;
        };
        let children: Vec<&str> = file.children.iter().map(String::as_str).collect();
        for helper in folder.helpers {
            if !children.contains(helper) {
                problems.push(format!("{path}: the helper {helper} is gone; strike it"));
            }
        }
        for part in children.iter().filter(|child| !folder.helpers.contains(child)) {
            let named = |words: &[&str]| {
                words.windows(3).filter(|w| w[0] != "::" && w[1] == *part && w[2] == "::").count()
            };
            match named(&words[list.clone()]) {
                0 => problems.push(format!("{path}: {part} is missing from `{}`", folder.list)),
                // A command is named once more where it is run.
                count if count < named(&words) && folder.name != "cli" => {
                    problems.push(format!("{path}: {part} is used outside of `{}`", folder.list));
                }
                _ => {}
            }
        }
    }
    for import in tree.imports() {
        let Target::Module(to) = &import.to else { continue };
        let (from, place) = (&import.from, &import.place);
        let Some(folder) = FOLDERS.iter().find(|folder| folder.name == to.top()) else { continue };
        let Some(part) = to.0.get(1) else { continue };
        if folder.helpers.contains(&part.as_str()) {
            continue;
        }
        if from.top() != folder.name {
            let known = PART_USERS.iter().any(|(user, part, _)| from.is_in(user) && to.is_in(part));
            if !known {
                problems.push(format!("{place}: {from} names the part {to} of another folder"));
            }
        } else if from.0.get(1).is_some_and(|own| own != part) {
            let excused = EXCEPTIONS
                .iter()
                .any(|(a, b, _)| (from.is_in(a) && to.is_in(b)) || (from.is_in(b) && to.is_in(a)));
            if !excused {
                problems.push(format!("{place}: {from} sees its sibling {to}"));
            }
        }
    }
    problems
}

/// Returns the words of a list or an enum, from what opens it to the bracket that ends it.
fn list_of(words: &[&str], opening: &str) -> Option<std::ops::Range<usize>> {
    let (kind, name) = opening.split_once(' ')?;
    let start = words.windows(2).position(|pair| pair == [kind, name])?;
    let body = if kind == "enum" {
        start
    } else {
        start + words[start..].iter().position(|word| *word == "=")?
    };
    let (mut depth, mut opened) = (0, false);
    for (at, word) in words.iter().enumerate().skip(body) {
        match *word {
            "[" | "{" => (depth, opened) = (depth + 1, true),
            "]" | "}" => depth -= 1,
            _ => {}
        }
        if opened && depth == 0 {
            return Some(body..at);
        }
    }
    None
}

/// Files, sockets, clocks, environment, threads and terminals are for the shell.
fn purity(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for import in tree.imports() {
        let Target::Outside(path) = &import.to else { continue };
        let path = path.join("::");
        for (what, who) in OUTSIDE {
            // A bare `Tcp` stands for all types whose names start so.
            let starts = matches!(*what, "std::net::Tcp" | "std::net::Udp" | "std::io::Std");
            let rest = path.strip_prefix(what);
            let meant =
                rest.is_some_and(|rest| starts || rest.is_empty() || rest.starts_with("::"));
            if meant && !who.contains(&import.from.top()) {
                problems.push(format!("{}: {} must not touch {path}", import.place, import.from));
            }
        }
        if ["std", "std::net", "std::io", "std::time"].iter().any(|all| path == format!("{all}::*"))
        {
            problems.push(format!("{}: `{path}` hides what is used", import.place));
        }
    }
    for (path, file) in tree.sources() {
        if SHELL.contains(&file.module.top()) {
            continue;
        }
        for pair in file.words.windows(2) {
            if PRINTERS.contains(&pair[0].text.as_str()) && pair[1].text == "!" {
                problems.push(format!("{path}:{}: {}! prints", pair[0].line, pair[0].text));
            }
            if pair[0].text == "unsafe" {
                problems.push(format!("{path}:{}: unsafe code", pair[0].line));
            }
        }
    }
    problems
}

/// A `//!` line first, no leftovers, no inner modules, and no file that nobody reads to the end.
fn shape(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    let doubtful = concat!("XX", "X");
    for (path, file) in &tree.files {
        let text = &file.text;
        if !text.starts_with("//! ") {
            problems.push(format!("{path} does not open with a `//!` line"));
        }
        for (number, line) in text.lines().enumerate() {
            let left = LEFTOVERS.iter().find(|left| line.contains(**left));
            let left = left.or_else(|| line.contains(doubtful).then_some(&doubtful));
            if let Some(left) = left {
                problems.push(format!("{path}:{}: {left} is left", number + 1));
            }
        }
        let lines = text.lines().count();
        if lines > LONGEST && !LONG.iter().any(|(long, _)| long == path) {
            problems.push(format!("{path} has {lines} lines; what is the second file called?"));
        }
        for name in &file.inner {
            problems.push(format!("{path}: the module {name} deserves a file of its own"));
        }
    }
    problems
}

/// Every file is part of the program, and test files only of its tests.
fn declared(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, file) in &tree.files {
        let Some((name, parent)) = file.module.0.split_last() else { continue };
        if path == "main.rs" {
            continue;
        }
        let parent = tree.files.values().find(|other| other.module.0 == parent);
        let declared = parent.is_some_and(|parent| {
            let list = if file.is_test { &parent.test_children } else { &parent.children };
            // A file of tests may hold more of them.
            list.contains(name) || (parent.is_test && parent.children.contains(name))
        });
        if !declared {
            problems.push(format!("{path} is not declared by its parent as what it is"));
        }
    }
    problems
}

/// The crate's root says how data passes, then lists the modules.
fn code_map(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    let Some(file) = tree.files.get("lib.rs") else { return vec!["lib.rs is missing".to_owned()] };
    let mut map = String::new();
    for (number, line) in file.text.lines().enumerate() {
        if let Some(doc) = line.strip_prefix("//!") {
            map.push_str(doc);
            map.push('\n');
        } else if !line.is_empty() && !(line.starts_with("pub mod ") && line.ends_with(';')) {
            problems.push(format!("lib.rs:{}: neither a line of the map nor a module", number + 1));
        }
    }
    for name in &file.children {
        if !map.contains(&format!("[`{name}`]")) {
            problems.push(format!("lib.rs: {name} is not on the map"));
        }
    }
    problems
}

//------------ Modules and what they import -----------------------------------

/// A module by the path from the crate's root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Module(Vec<String>);

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

    fn top(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Returns whether it is the module of this path or stands within it.
    fn is_in(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split("::").collect();
        self.0.len() >= path.len() && self.0.iter().zip(&path).all(|(a, b)| a == b)
    }

    /// Returns whether the other is this module or stands within it.
    fn holds(&self, other: &Module) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl std::fmt::Display for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&if self.0.is_empty() { "lib".to_owned() } else { self.0.join("::") })
    }
}

/// One file, with its test code blanked out.
struct File {
    module: Module,
    is_test: bool,
    text: String,
    words: Vec<Word>,
    /// Modules in files of their own.
    children: BTreeSet<String>,
    /// The same, of tests.
    test_children: BTreeSet<String>,
    /// Modules within braces that are no tests.
    inner: Vec<String>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Module(Module),
    Outside(Vec<String>),
}

struct Import {
    from: Module,
    to: Target,
    place: String,
}

struct Tree {
    files: BTreeMap<String, File>,
    modules: BTreeSet<Vec<String>>,
}

impl Tree {
    fn new(texts: BTreeMap<String, String>) -> Tree {
        let files = texts.into_iter().map(|(path, text)| (path.clone(), File::new(&path, text)));
        let files: BTreeMap<String, File> = files.collect();
        let sources = files.values().filter(|file| !file.is_test);
        let mut modules: BTreeSet<Vec<String>> =
            sources.map(|file| file.module.0.clone()).collect();
        modules.insert(Vec::new());
        Tree { files, modules }
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(|file| file.text.as_str())
    }

    /// Files that are part of the program.
    fn sources(&self) -> impl Iterator<Item = (&String, &File)> {
        self.files.iter().filter(|(_, file)| !file.is_test)
    }

    fn imports(&self) -> Vec<Import> {
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
    fn new(path: &str, text: String) -> File {
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
struct Word {
    text: String,
    line: usize,
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

//------------ The test of the tests ------------------------------------------

/// Asserts that a check finds exactly these problems, each by a part of its text.
fn check(problems: &[String], expect: &[&str]) {
    let all = problems.len() == expect.len()
        && problems.iter().zip(expect).all(|(problem, expect)| problem.contains(expect));
    assert!(all, "expected {expect:#?}, found {problems:#?}");
}

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::new(files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect())
}

fn layered(files: &[(&str, &str)]) -> Vec<String> {
    layers(&tree(files), &Used::default())
}

const MODEL: (&str, &str) = ("model/mod.rs", "");
const REPLAY: (&str, &str) = ("replay.rs", "");

#[test]
fn an_import_of_a_higher_layer_is_found() {
    for line in [
        "use crate::replay::Replay;",
        "use crate::{replay, tally::Tally};",
        "use crate::{\n    replay::{self, Input},\n};",
        "pub use crate::replay as again;",
        "fn f() { crate::replay::run() }",
        "fn f(x: Vec<crate::replay::Replay>) {}",
        "use super::replay;",
    ] {
        let found = layered(&[
            MODEL,
            REPLAY,
            ("matcher/mod.rs", "#[cfg(test)]\nmod tests;"),
            ("tally.rs", line),
        ]);
        assert!(found.iter().any(|found| found.contains("tally must not import replay")), "{line}");
    }
    check(&layered(&[REPLAY, ("tally.rs", "\n\nuse crate::replay::R;")]), &["src/tally.rs:3: "]);
}

#[test]
fn an_import_of_a_lower_layer_is_not_found() {
    let text = "use crate::model::Prefix;\nuse std::fmt;\nfn f(x: &dyn fmt::Write) {}";
    check(&layered(&[MODEL, ("replay.rs", text)]), &[]);
}

#[test]
fn neighbours_in_a_row_must_not_see_each_other() {
    let files = [("judge.rs", "use crate::change::Change;"), ("change.rs", "")];
    check(&layered(&files), &["judge must not import change"]);
}

#[test]
fn a_module_without_a_row_and_a_glob_of_the_crate_are_found() {
    check(&layered(&[("zebra.rs", "")]), &["zebra stands in no row"]);
    check(&layered(&[("run.rs", "use crate::*;")]), &["run imports the whole crate"]);
}

#[test]
fn what_sees_less_than_its_row_is_held_to_it() {
    let reports = ("reports/mod.rs", "use crate::impact::Impact;");
    check(&layered(&[reports, ("impact.rs", "")]), &["reports sees only model, finding, report"]);
    let reach = ("reach.rs", "use crate::tally::Tally;");
    check(&layered(&[reach, ("tally.rs", "")]), &["reach must know nothing of tally"]);
}

#[test]
fn comments_strings_and_tests_import_nothing() {
    let text = r##"
        /// See [`crate::replay::Replay`]. /* "
        fn f<'a>(x: &'a str) -> char { '"' }
        /* use crate::replay::A; /* nested */ use crate::replay::B; */
        const A: &str = "use crate::replay::C; \" use crate::replay::D;";
        const B: &str = r#"use crate::replay::E; " use crate::replay::F;"#;
        const C: (char, u8) = ('\'', b'\'');
        #[cfg(test)]
        mod tests { mod deeper { use crate::replay::G; } use crate::replay::H; }
    "##;
    check(
        &layered(&[REPLAY, ("tally.rs", text), ("tally/tests.rs", "use crate::replay::I;")]),
        &[],
    );
    // What follows is seen again.
    let text = format!("{text}\nuse crate::replay::J;");
    check(&layered(&[REPLAY, ("tally.rs", &text)]), &["tally must not import replay"]);
}

#[test]
fn two_that_import_each_other_are_found() {
    let of = |files: &[(&str, &str)]| mutual(&tree(files), &Used::default());
    let files = [("bank.rs", "use crate::fate::F;"), ("fate.rs", "use super::bank;")];
    check(&of(&files), &["bank and fate import each other"]);
    let a = ("languages/native/a.rs", "use super::b;");
    let b = ("languages/native/b.rs", "fn f() { super::a::g() }");
    check(&of(&[a, b]), &["languages::native::a and languages::native::b import each other"]);
    // A file and what it holds may see each other.
    let files = [("model/mod.rs", "mod a; use a::A;"), ("model/a.rs", "use super::B;")];
    check(&of(&files), &[]);
}

/// A crate with a good folder of every kind, and then these files.
fn with_folders(files: &[(&str, &str)]) -> Vec<String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for folder in FOLDERS {
        let body = match folder.list.split_once(' ') {
            Some(("enum", name)) => format!("enum {name} {{ Part(part::A) }}"),
            _ => format!("pub {}: &[&Form] = &[&part::FORM];", folder.list),
        };
        let helpers: String = folder.helpers.iter().map(|name| format!("mod {name};\n")).collect();
        all.insert(format!("{}/mod.rs", folder.name), format!("{helpers}mod part;\n{body}"));
        for name in folder.helpers.iter().chain(&["part"]) {
            all.insert(format!("{}/{name}.rs", folder.name), String::new());
        }
    }
    all.extend(files.iter().map(|(path, text)| (path.to_string(), text.to_string())));
    parts(&Tree::new(all))
}

#[test]
fn a_part_that_is_missing_from_its_list_is_found() {
    check(&with_folders(&[]), &[]);
    let text = "mod part; mod nflog;\npub const FORMS: &[&Form] = &[&part::FORM];";
    check(&with_folders(&[("traffic/mod.rs", text)]), &["nflog is missing from `const FORMS`"]);
    let text = "mod part; mod later;\nenum Command { Part(part::A) }\nmod plan;";
    check(&with_folders(&[("cli/mod.rs", text)]), &["later is missing from `enum Command`"]);
    check(&with_folders(&[("traffic/mod.rs", "mod part;")]), &["has no `const FORMS`"]);
}

#[test]
fn a_part_with_more_than_two_lines_is_found() {
    let text = "mod part;\npub const FORMS: &[&Form] = &[&part::FORM];\nfn f() { part::g() }";
    check(&with_folders(&[("traffic/mod.rs", text)]), &["part is used outside of `const FORMS`"]);
}

#[test]
fn a_part_that_sees_its_sibling_is_found() {
    let modules = "mod part; mod ipfix;\npub const FORMS: &[&Form] = &[&part::FORM, &ipfix::FORM];";
    for line in [
        "use super::part::Window;",
        "use super::{Form, part};",
        "use crate::traffic::part;",
        "use super as traffic; fn f() { traffic::part::g() }",
    ] {
        let files = [("traffic/mod.rs", modules), ("traffic/ipfix.rs", line)];
        let found = with_folders(&files);
        assert!(found.iter().any(|f| f.contains("traffic::ipfix sees its sibling")), "{line}");
    }
    // Also from within a part that is a folder; a helper is for all.
    let inner = ("traffic/ipfix/set.rs", "use super::super::part;");
    let found =
        with_folders(&[("traffic/mod.rs", modules), ("traffic/ipfix.rs", "mod set;"), inner]);
    check(&found, &["traffic::ipfix::set sees its sibling traffic::part"]);
    check(&with_folders(&[("guardrails/part.rs", "use super::buckets::Bucket;")]), &[]);
    let found = with_folders(&[("guardrails/buckets.rs", "use super::part::Part;")]);
    check(&found, &["guardrails::buckets sees its sibling guardrails::part"]);
}

#[test]
fn a_part_that_others_name_is_found() {
    let found = with_folders(&[("run.rs", "use crate::reports::part;")]);
    check(&found, &["run names the part reports::part of another folder"]);
    check(&with_folders(&[("run.rs", "use crate::inventory::customers::Customers;")]), &[]);
}

#[test]
fn a_core_that_touches_the_outside_is_found() {
    for (line, what) in [
        ("use std::fs::File;", "std::fs::File"),
        ("use std::{fs, fmt};", "std::fs"),
        ("fn f() { std::fs::read(x); }", "std::fs::read"),
        ("use std::net::{IpAddr, TcpStream};", "std::net::TcpStream"),
        ("use std::net::UdpSocket as Socket;", "std::net::UdpSocket"),
        ("use std::env;", "std::env"),
        ("fn f() { std::process::exit(1) }", "std::process::exit"),
        ("use std::thread;", "std::thread"),
        ("use std::sync::mpsc::channel;", "std::sync::mpsc"),
        ("use std::time::{Duration, Instant};", "std::time::Instant"),
        ("use std::time; fn f() { time::SystemTime::now() }", "std::time::SystemTime::now"),
        ("use std::io::Read;", "std::io::Read"),
        ("use jiff::Timestamp; fn f() { Timestamp::now() }", "jiff::Timestamp::now"),
        ("use anyhow::Result;", "anyhow::Result"),
        ("fn f() { println!(\"x\") }", "println! prints"),
        ("fn f() { eprintln!() }", "eprintln! prints"),
        ("fn f() { unsafe { g() } }", "unsafe code"),
        ("use std::io::*;", "`std::io::*` hides"),
    ] {
        let found = purity(&tree(&[("tally.rs", line)]));
        assert!(found.iter().any(|found| found.contains(what)), "{line}: {found:#?}");
    }
    let clean = "use std::net::IpAddr;\nuse std::time::Duration;\n/// Not `std::fs`.\nfn env() {}";
    check(&purity(&tree(&[("tally.rs", clean)])), &[]);
}

#[test]
fn who_may_touch_the_outside_may_only_touch_that() {
    let of = |path: &str, text: &str| purity(&tree(&[(path, text)]));
    check(&of("input.rs", "use std::fs;\nuse std::io::stdin;\nuse flate2::read;"), &[]);
    check(&of("replay.rs", "use std::thread;\nuse std::sync::mpsc;"), &[]);
    check(&of("replay.rs", "use std::fs;"), &["replay must not touch std::fs"]);
    check(&of("traffic/pcap.rs", "use std::io::{self, Read};"), &[]);
    let text = "use std::io;\nfn f() { io::stdin() }";
    check(&of("traffic/pcap.rs", text), &["traffic::pcap must not touch std::io::stdin"]);
    check(&of("cli/mod.rs", "use std::env;\nfn f() { println!() }"), &[]);
    check(&of("run.rs", "use std::fs;"), &["run must not touch std::fs"]);
    check(&of("cli/mod.rs", "use std::net::TcpStream;"), &["must not touch std::net::TcpStream"]);
}

#[test]
fn a_file_of_bad_shape_is_found() {
    let of = |text: &str| shape(&tree(&[("tally.rs", text)]));
    check(&of("//! Counts.\n"), &[]);
    check(&of("use std::fmt;\n"), &["does not open with a `//!` line"]);
    check(&of("\n//! Counts.\n"), &["does not open with a `//!` line"]);
    for left in LEFTOVERS {
        check(&of(&format!("//! Counts.\n// {left}x)\n")), &["tally.rs:2: "]);
    }
    check(&of(&format!("//! Counts.\n// XX{}\n", 'X')), &["tally.rs:2: "]);
    check(&of(&format!("//! Counts.{}", "\n".repeat(LONGEST))), &[]);
    check(&of(&format!("//! Counts.{}", "\n".repeat(LONGEST + 1))), &["tally.rs has 601 lines"]);
    check(&of("//! Counts.\nmod inner { use crate::replay::R; }"), &["the module inner deserves"]);
}

#[test]
fn a_file_outside_of_the_program_is_found() {
    let of = |files: &[(&str, &str)]| declared(&tree(files));
    let lib = ("lib.rs", "pub mod tally;");
    check(&of(&[lib, ("tally.rs", "#[cfg(test)]\nmod tests;"), ("tally/tests.rs", "")]), &[]);
    check(&of(&[lib, ("tally.rs", ""), ("tally/old.rs", "")]), &["tally/old.rs is not declared"]);
    let files = [lib, ("tally.rs", "mod tests;"), ("tally/tests.rs", "")];
    check(&of(&files), &["tally/tests.rs is not declared by its parent as what it is"]);
}

#[test]
fn a_map_with_holes_is_found() {
    let of = |text: &str| code_map(&tree(&[("lib.rs", text)]));
    check(&of("//! 1. [`tally`] counts.\n\npub mod tally;\n"), &[]);
    check(&of("//! 1. counts.\n\npub mod tally;\n"), &["tally is not on the map"]);
    check(&of("//! [`tally`]\n\npub mod tally;\npub use tally::T;\n"), &["lib.rs:4: neither"]);
}
