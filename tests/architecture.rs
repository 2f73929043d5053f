//! Holds what one crate cannot make the compiler hold: which module may see which, that the core
//! never touches the outside, that a part is one file and its two lines, and that files stay of
//! a size that people read.
//!
//! `source` reads the files as text, and `fakes` sees every check fail.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use source::{File, Module, Target, Tree};

#[path = "architecture/fakes.rs"]
mod fakes;
#[path = "architecture/source.rs"]
mod source;

//------------ The tables -----------------------------------------------------

/// The modules in the order data passes them. A module sees those of lower rows only; modules of
/// one row know nothing of each other.
const LAYERS: &[&[&str]] = &[
    &["model"],
    &["yaml"],
    &["words"],
    &["packet", "packet_text", "remark", "junos"],
    &["chains"],
    &["languages", "traffic", "inventory", "config"],
    &["intent", "service", "matcher", "policer"],
    &["attribution", "convert"],
    &["change", "judge", "trace"],
    &["tally"],
    &["scenario"],
    &["replay"],
    &["bank"],
    &["fate"],
    &["impact"],
    &["affected", "reach", "sharing", "safe_rate"],
    &["finding"],
    &["guardrails"],
    &["report"],
    &["summary", "verdict", "result", "waiver"],
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
    ("packet_text", &["model", "yaml", "words"]),
    ("remark", &["model", "yaml", "words"]),
    ("junos", &["model", "yaml", "words"]),
    ("chains", &["model", "remark"]),
    ("languages", &["model", "yaml", "words", "remark", "chains", "junos"]),
    ("traffic", &["model", "yaml", "words", "packet"]),
    ("inventory", &["model", "yaml", "words"]),
    ("config", &["model", "yaml", "words"]),
    // Deciding and counting know no text.
    ("matcher", &["model"]),
    ("policer", &["model"]),
    ("service", &["model"]),
    ("convert", &["model", "words", "languages", "policer"]),
    ("trace", &["model", "matcher", "policer", "attribution"]),
    ("change", &["model"]),
    ("bank", &["model", "matcher", "policer", "tally", "scenario"]),
    // A finding is a plain type; outputs see the report, and never reach back into the run.
    ("finding", &["model"]),
    ("report", &["model", "finding"]),
    ("verdict", &["model", "finding", "report"]),
    ("waiver", &["model", "yaml", "words", "finding", "guardrails", "report"]),
    ("result", &["model", "finding", "guardrails", "report"]),
    ("reports", &["model", "finding", "report", "result"]),
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
        &[
            "languages",
            "traffic",
            "packet",
            "yaml",
            "words",
            "config",
            "tally",
            "scenario",
            "replay",
            "bank",
        ],
    ),
];

/// Imports that break a rule and are known: who, what, why. One that is no longer needed fails.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// A folder of parts: one file a part, and its two adjacent lines in the folder's `mod.rs`.
struct Folder {
    name: &'static str,
    /// What opens the list that every part stands in.
    list: &'static str,
    /// What else lives there and is no part; parts and others may use these.
    helpers: &'static [&'static str],
}

const FOLDERS: &[Folder] = &[
    Folder { name: "languages", list: "const LANGUAGES", helpers: &["detect"] },
    Folder {
        name: "traffic",
        list: "const FORMS",
        helpers: &["capture", "exports", "flow", "piece", "rows"],
    },
    Folder {
        name: "inventory",
        list: "const FORMS",
        helpers: &["collector", "customers", "names", "pages", "table"],
    },
    Folder {
        name: "guardrails",
        list: "const GUARDRAILS",
        helpers: &["aimed", "buckets", "coverage", "protected"],
    },
    Folder {
        name: "reports",
        list: "const FORMS",
        helpers: &[
            "diagnostics",
            "doctor",
            "entries",
            "escape",
            "limits",
            "schema",
            "show",
            "trace",
        ],
    },
    Folder {
        name: "cli",
        list: "enum Command",
        helpers: &["arguments", "bounds", "by_traffic", "outputs", "plan", "progress"],
    },
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
    ("std::sync::mpsc", &["run", "cli"]),
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
const LONG: &[(&str, &str)] =
    &[("words.rs", "one reader a quantity, alike and without state; what is one place is no two")];

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
        } else if !(line.is_empty() || line.starts_with("pub mod ") && line.ends_with(';')) {
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
