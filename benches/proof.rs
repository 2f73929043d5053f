//! What the proof costs: `cargo bench --bench proof`.
//!
//! Generates rule sets of several shapes over an inventory of 100,000 prefixes, and times, in one
//! process each, `lint` with that inventory: a change of ten rules, and the whole set as new. The
//! same run without the proof (`lint` of an unchanged set, which reads everything and proves
//! nothing) stands beside it, so that what is left is the proof. Memory is the peak of the process.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A small generator of numbers (xorshift): the same files on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

const PREFIXES: u64 = 100_000;

/// Writes 100,000 prefixes of 50,000 customers: /26 in 20.0.0.0/7 and on, a tenth of them nested
/// in another one's, and a tenth IPv6.
fn inventory() -> String {
    let mut text = String::from("customer,prefix\n");
    let address = |at: u64| {
        let bits = 0x1400_0000u64 + (at << 6);
        format!("{}.{}.{}.{}", bits >> 24, bits >> 16 & 255, bits >> 8 & 255, bits & 255)
    };
    for at in 0..PREFIXES {
        let customer = at % 50_000;
        // Writing into a string cannot fail.
        let _ = match at % 10 {
            0 => writeln!(text, "c{customer},2001:db8:{:x}:{:x}::/64", at >> 16, at & 0xffff),
            1 => writeln!(text, "c{},{}/28", (at + 7) % 50_000, address(at - 1 + at % 3)),
            _ => writeln!(text, "c{customer},{}/26", address(at)),
        };
    }
    text
}

/// One rule of a shape. Those of one destination are for whoever owns it, and need no intent; the
/// others may reach everybody.
fn rule(dice: &mut Dice, shape: &str, id: &str, at: usize) -> String {
    let host = |dice: &mut Dice| {
        // Somebody's: every tenth piece is nobody's.
        let piece = dice.roll(PREFIXES / 10) * 10 + 3 + dice.roll(7);
        let bits = 0x1400_0000 + (piece << 6) + dice.roll(64);
        format!("{}.{}.{}.{}", bits >> 24, bits >> 16 & 255, bits >> 8 & 255, bits & 255)
    };
    let port = |dice: &mut Dice| dice.roll(60_000) + 1;
    let range = |dice: &mut Dice, most: u64| {
        let first = dice.roll(most / 2);
        format!("{first}-{}", first + dice.roll(most / 2))
    };
    let (matches, action) = match shape {
        // Mitigations: an address or a small prefix, a protocol, often a port.
        "real" if at % 2_000 == 1_999 => {
            (format!("protocol: udp, src_port: {}", port(dice)), "drop")
        }
        "real" => {
            let dst = host(dice);
            let protocol = ["udp", "tcp"][dice.roll(2) as usize];
            let port = match dice.roll(3) {
                0 => String::new(),
                1 => format!(", dst_port: {}", port(dice)),
                _ => format!(", src_port: {}", port(dice)),
            };
            let action = if dice.roll(4) == 0 { "accept" } else { "drop" };
            (format!("dst: {dst}, protocol: {protocol}{port}"), action)
        }
        // Exceptions before a wide drop.
        "exceptions" if at % 1_000 == 999 => ("protocol: udp".to_owned(), "drop"),
        "exceptions" => {
            (format!("dst: {}, protocol: udp, src_port: {}", host(dice), port(dice)), "accept")
        }
        // Wide in every field, and overlapping.
        _ => {
            let fields = [
                format!("src_port: {}", range(dice, 60_000)),
                format!("dst_port: {}", range(dice, 60_000)),
                format!("packet_length: {}", range(dice, 1_500)),
            ];
            let action = if dice.roll(2) == 0 { "accept" } else { "drop" };
            (format!("protocol: udp, {}", fields.join(", ")), action)
        }
    };
    let intent = match action {
        "accept" => "",
        _ if matches.starts_with("dst") => "",
        _ => ", intent: {target: [all], may_affect: [none], may_reach: [all]}",
    };
    format!("  - {{id: {id}, match: {{{matches}}}, action: {action}{intent}}}\n")
}

/// Writes a rule set, and the same after ten edits: three rules gone, three new, two with another
/// match, two with another place.
fn rules(shape: &str, count: usize) -> [String; 2] {
    let mut dice = Dice(count as u64 | 0x1234_5671);
    let all: Vec<String> =
        (0..count).map(|at| rule(&mut dice, shape, &format!("r{at}"), at)).collect();
    let mut edited = all.clone();
    let place = |dice: &mut Dice, list: &[String]| dice.roll(list.len() as u64) as usize;
    for new in 0..3 {
        let at = place(&mut dice, &edited);
        edited.remove(at);
        let at = place(&mut dice, &edited);
        edited.insert(at, rule(&mut dice, shape, &format!("new{new}"), new));
    }
    for _ in 0..2 {
        let at = place(&mut dice, &edited);
        let id = edited[at].split(['{', ',', ' ']).find(|word| word.starts_with(['r', 'n']));
        let id = id.unwrap_or_default().to_owned();
        edited[at] = rule(&mut dice, shape, &id, at);
        let moved = edited.remove(at / 2);
        let to = place(&mut dice, &edited);
        edited.insert(to, moved);
    }
    [all, edited].map(|list| format!("version: 1\nrules:\n{}", list.concat()))
}

/// Runs the program, and returns its seconds, its peak memory in MB, and its last line.
fn run(folder: &Path, arguments: &[&str]) -> (f64, u64, String) {
    let program = env!("CARGO_BIN_EXE_blastgate");
    let start = Instant::now();
    let output = Command::new("/usr/bin/env")
        .current_dir(folder)
        .args(["time", "-f", "%M", program, "lint"])
        .args(arguments)
        .args(["--no-config", "--now", "2026-03-01"])
        .output();
    let seconds = start.elapsed().as_secs_f64();
    let Ok(output) = output else { return (seconds, 0, "cannot be run".to_owned()) };
    let memory = String::from_utf8_lossy(&output.stderr);
    let memory = memory.lines().last().and_then(|line| line.trim().parse::<u64>().ok());
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().rev().find(|line| line.starts_with("lint:")).unwrap_or("no verdict");
    (seconds, memory.unwrap_or(0) / 1_000, last.chars().take(60).collect())
}

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("proof");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("inventory.csv"), inventory())?;
    let with = ["--inventory", "inventory.csv"];
    println!(
        "{:<11} {:>6}  {:<22} {:>8} {:>8} {:>7}",
        "shape", "rules", "work", "s", "proof s", "MB"
    );
    for shape in ["real", "exceptions", "wide"] {
        for count in [100, 1_000, 10_000] {
            let [old, new] = rules(shape, count);
            std::fs::write(folder.join("old.yaml"), old)?;
            std::fs::write(folder.join("new.yaml"), new)?;
            let same = ["old.yaml", "--running", "old.yaml"];
            let base = run(&folder, &[&same[..], &with].concat()).0;
            let change = ["new.yaml", "--running", "old.yaml"];
            for (work, arguments, base) in [
                ("change of 10 rules", [&change[..], &with].concat(), base),
                ("whole set as new", [&["new.yaml"][..], &with].concat(), base),
                ("lint, no inventory", vec!["new.yaml"], 0.0),
            ] {
                let (seconds, memory, last) = run(&folder, &arguments);
                let proof =
                    if base > 0.0 { format!("{:.2}", seconds - base) } else { String::new() };
                println!(
                    "{shape:<11} {count:>6}  {work:<22} {seconds:>8.2} {proof:>8} {memory:>7}  {last}"
                );
            }
        }
    }
    Ok(())
}
