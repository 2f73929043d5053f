//! The test of the tests: small fake trees of sources, in which every check is seen to fail.

use super::*;

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
    let text = "mod capture; mod exports; mod flow; mod piece; mod rows; mod part; mod nflog;\npub const FORMS: &[&Form] = &[&part::FORM];";
    check(&with_folders(&[("traffic/mod.rs", text)]), &["nflog is missing from `const FORMS`"]);
    let text = "mod part; mod later; mod arguments;\nenum Command { Part(part::A) }\nmod plan; mod bounds; mod by_traffic; mod outputs; mod progress;";
    check(&with_folders(&[("cli/mod.rs", text)]), &["later is missing from `enum Command`"]);
    check(&with_folders(&[("traffic/mod.rs", "mod part;")]), &["has no `const FORMS`"]);
}

#[test]
fn a_part_with_more_than_two_lines_is_found() {
    let text = "mod capture; mod exports; mod flow; mod piece; mod rows; mod part;\npub const FORMS: &[&Form] = &[&part::FORM];\nfn f() { part::g() }";
    check(&with_folders(&[("traffic/mod.rs", text)]), &["part is used outside of `const FORMS`"]);
}

#[test]
fn a_part_that_sees_its_sibling_is_found() {
    let modules = "mod capture; mod exports; mod flow; mod piece; mod rows; mod part; mod ipfix;\n\
        pub const FORMS: &[&Form] = &[&part::FORM, &ipfix::FORM];";
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
    check(&of("replay.rs", "use std::thread;\nuse std::sync::Mutex;"), &[]);
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
