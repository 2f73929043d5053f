//! The README shows what the program prints, and lists what the code lists.

use std::path::{Path, PathBuf};
use std::process::Command as System;

use blastgate::finding::Level;
use blastgate::guardrails::GUARDRAILS;

use crate::common::blastgate;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("the README")
}

/// Returns the blocks fenced as `kind`, in order.
fn blocks(text: &str, kind: &str) -> Vec<String> {
    let fence = format!("```{kind}\n");
    text.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// Runs the program in the repository and returns its screen and exit code.
fn screen(arguments: &[&str], variables: &[(&str, &str)]) -> (String, i32) {
    let output = blastgate(&root())
        .arg("check")
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    (text, output.status.code().expect("it ends by itself"))
}

/// Runs the commands of the README that make the edited copy.
fn edit() {
    let commands = blocks(&readme(), "sh")
        .into_iter()
        .find(|block| block.contains("sed -i"))
        .expect("the example that edits");
    let edits: Vec<&str> = commands.lines().filter(|line| !line.starts_with("cargo run")).collect();
    let _ = std::fs::remove_dir_all(root().join("target/try"));
    let status = System::new("sh")
        .args(["-euc", &edits.join("\n")])
        .current_dir(root())
        .status()
        .expect("a shell");
    assert!(status.success());
}

fn fits(text: &str) {
    assert!(text.lines().count() <= 24, "more than a screen:\n{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "more than 80 columns: {line}");
    }
}

#[test]
fn the_readme_shows_the_screens_that_the_program_prints() {
    let screens = blocks(&readme(), "text");
    let (sample, code) = screen(&[], &[("LC_ALL", "C.UTF-8")]);
    assert_eq!((sample.as_str(), code), (screens[0].as_str(), 0));
    assert!(sample.lines().last().expect("a verdict").starts_with("PASS"));
    fits(&sample);
    edit();
    let arguments = ["target/try/rules", "--running", "rules"];
    let (edited, code) = screen(&arguments, &[("LC_ALL", "C.UTF-8")]);
    assert_eq!((edited.as_str(), code), (screens[1].as_str(), 1));
    assert!(edited.lines().last().expect("a verdict").starts_with("FAIL"));
    fits(&edited);
    // The same without colour when piped, and in plain ASCII where the locale knows no more.
    for variables in [&[("NO_COLOR", "1")][..], &[("LC_ALL", "C")], &[("LANG", "de_DE.ISO-8859-1")]]
    {
        let (plain, code) = screen(&arguments, variables);
        assert_eq!(code, 1);
        assert!(plain.is_ascii() && !plain.contains('\u{1b}'), "{plain}");
        fits(&plain);
    }
}

#[test]
fn the_readme_lists_every_guardrail() {
    let rows: Vec<String> = GUARDRAILS
        .iter()
        .map(|guardrail| {
            let level = match guardrail.level {
                Level::Error => "FAIL",
                Level::Unknown => "CANNOT JUDGE",
                Level::Warning => "warning",
            };
            let catches: String =
                guardrail.text.catches.split_whitespace().collect::<Vec<_>>().join(" ");
            let first = catches.split(". ").next().unwrap_or_default().trim_end_matches('.');
            format!("| `{}` | {level} | {first} |", guardrail.id)
        })
        .collect();
    let readme = readme();
    let listed: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    if std::env::var_os("BLASTGATE_WRITE_FIXTURES").is_some() {
        println!("{}", rows.join("\n"));
    }
    assert_eq!(listed, rows);
}

#[test]
fn the_readme_links_to_what_is_there() {
    let readme = readme();
    for link in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(root().join(link).exists(), "{link} is not there");
    }
    assert!(Path::new(&root().join(".ci/run")).exists());
}

#[test]
fn the_readmes_own_files_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = blocks(&readme(), "yaml");
    for (name, text) in ["rules.yaml", "inventory.yaml", "blastgate.yaml"].into_iter().zip(&files) {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let profile = "version: 1\nduration: 10s\nflows:\n\
        \x20 - {id: flood, dst: 203.0.113.10, protocol: udp, dst_port: 80, rate: 4 Gbps}\n\
        \x20 - {id: web, dst: 203.0.113.70, protocol: tcp, dst_port: 443, rate: 1 Mbps}\n";
    // What a file holds is told by its first bytes, not by its name.
    std::fs::write(folder.path().join("today.pcap"), profile).expect("a file");
    let output = blastgate(folder.path()).arg("check").output().expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
