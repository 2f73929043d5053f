//! The README shows what the program prints, and lists what the code lists.

use std::path::{Path, PathBuf};
use std::process::Command as System;

use blastgate::finding::Level;
use blastgate::guardrails::GUARDRAILS;

use crate::common::{NOW, blastgate};
use crate::sample::{ethernet, file_header, ipv4, record, tcp, udp};

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
    let output = blastgate(&root().join("fixtures/incidents/2012-09-15-standing-limit"))
        .args(["check", "wrong.yaml"])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("the program runs");
    let drained = String::from_utf8(output.stdout).expect("text");
    assert_eq!((drained.as_str(), output.status.code()), (screens[4].as_str(), Some(1)));
    fits(&drained);
    fits(&edited);
    let packet = "src 198.51.100.7 dst 203.0.113.66 udp src_port ntp";
    assert!(readme().contains(&format!("trace --packet '{packet}'")));
    let output = blastgate(&root())
        .args(["trace", "--packet", packet])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("the program runs");
    let traced = String::from_utf8(output.stdout).expect("text");
    assert_eq!((traced.as_str(), output.status.code()), (screens[5].as_str(), Some(0)));
    fits(&traced);
    let output = blastgate(&root().join("fixtures/incidents/2012-09-15-rate-limit"))
        .args(["check", "wrong.nft", "--no-config", "--inventory", "inventory.yaml"])
        .args(["--traffic", "traffic.yaml", "--now", NOW])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("the program runs");
    let in_nft = String::from_utf8(output.stdout).expect("text");
    assert_eq!((in_nft.as_str(), output.status.code()), (screens[6].as_str(), Some(1)));
    fits(&in_nft);
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
fn the_readme_shows_what_a_lint_says() {
    let screens = blocks(&readme(), "text");
    let screen = |folder: &str, arguments: &[&str]| {
        let output = blastgate(&root().join(folder))
            .arg("lint")
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("the program runs");
        let text = String::from_utf8(output.stdout).expect("text");
        (text, output.status.code())
    };
    let (bad, code) =
        screen("fixtures/incidents/2012-09-15-rate-limit", &["wrong.yaml", "--no-config"]);
    assert_eq!((bad.as_str(), code), (screens[2].as_str(), Some(1)));
    fits(&bad);
    let (clean, code) = screen(".", &["-q"]);
    assert_eq!((clean.as_str(), code), (screens[3].as_str(), Some(0)));
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

/// A capture such as the README's own files are for: five seconds of 4 Gbps of UDP at acme, in
/// the largest packets there are, beside visitors of acme and calls to the hospital.
fn today() -> Vec<u8> {
    let frame = |dst: [u8; 4], protocol: u8, payload: &[u8]| {
        ethernet(0x0800, None, &ipv4([198, 19, 7, 7], dst, protocol, 0, 0, payload))
    };
    let flood = frame([203, 0, 113, 10], 17, &udp(4_000, 80, 65_000));
    let visit = frame([203, 0, 113, 10], 6, &tcp(50_000, 443, 0x18, 300));
    let call = frame([203, 0, 113, 70], 17, &udp(5_060, 5_060, 200));
    let mut bytes = file_header();
    for at in 0..38_000u64 {
        let time_us = at * 131;
        bytes.extend(record(time_us, &flood));
        if at % 100 == 0 {
            bytes.extend(record(time_us, &visit));
            bytes.extend(record(time_us, &call));
        }
    }
    bytes
}

#[test]
fn the_readmes_own_files_and_commands_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, content: &[u8]| {
        std::fs::write(folder.path().join(name), content).expect("a file");
    };
    let readme = readme();
    let files = blocks(&readme, "yaml");
    let named = |text: &str| text.lines().next()?.strip_prefix("# ").map(str::to_owned);
    let files: Vec<String> = files.into_iter().filter(|text| named(text).is_some()).collect();
    assert_eq!(files.len(), 3);
    for text in &files {
        write(&named(text).expect("a name"), text.as_bytes());
    }
    let new = files[0]
        .replace("dst: 203.0.113.10,", "dst: 203.0.113.0/24,")
        .replace("{rate_limit: {rate: 200 Mbps, per: [dst]}}", "drop");
    write("new.yaml", new.as_bytes());
    write("today.pcap", &today());

    let commands = blocks(&readme, "sh")
        .into_iter()
        .find(|block| block.starts_with("blastgate check"))
        .expect("the commands for own rules");
    let codes: Vec<i32> = commands
        .lines()
        .map(|line| {
            // Nobody lets a test listen on an interface: what it would send is in the file.
            let (piped, command) = line.split_once(" | ").map_or(("", line), |(a, b)| (a, b));
            let mut run = blastgate(folder.path());
            run.args(command.split(' ').skip(1)).env("BLASTGATE_NOW", "2026-03-02");
            if !piped.is_empty() {
                run.write_stdin(today());
            }
            let output = run.output().expect("the program runs");
            output.status.code().expect("it ends by itself")
        })
        .collect();
    assert_eq!(codes, [0, 1, 0], "{commands}");
}

/// Runs the commands of a transcript, in one shell, and returns the transcript as it is.
fn transcript(block: &str) -> String {
    let commands: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(!commands.is_empty(), "a transcript without a command: {block}");
    let program = Path::new(env!("CARGO_BIN_EXE_blastgate"));
    let script: String = commands.iter().map(|one| format!("{one}\nprintf '\\000'\n")).collect();
    let output = System::new("sh")
        .args(["-uc", &format!("exec 2>&1\n{script}")])
        .current_dir(root())
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", format!("{}:/usr/bin:/bin", program.parent().expect("a folder").display()))
        .output()
        .expect("a shell");
    let text = String::from_utf8(output.stdout).expect("text");
    let screens = commands.iter().zip(text.split('\0'));
    screens.map(|(command, screen)| format!("$ {command}\n{screen}")).collect()
}

#[test]
fn the_readme_shows_transcripts_as_they_are() {
    let mut written = readme();
    for block in blocks(&readme(), "console") {
        let is = transcript(&block);
        fits(&is);
        written = written.replace(&block, &is);
    }
    if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
        std::fs::write(root().join("README.md"), &written).expect("the README");
    }
    assert!(
        written == readme(),
        "transcripts differ; INSTA_UPDATE=always takes them anew:\n{written}"
    );
}
