//! `convert --to nftables`: what is written treats every packet as the rules did, by our own reading
//! of nftables and by the Linux kernel; nft(8) loads all of it; and what is not exact is refused with
//! its place.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::Command;

use blastgate::convert::{TARGETS, convert};
use blastgate::languages::{Files, LANGUAGES, Path, Way};
use blastgate::model::{Diagnostic, PacketHeader, RuleSet, Sources};
use proptest::prelude::*;

use crate::common;
use crate::nft_kernel::{self, Dice, Judge, Ours};

#[path = "convert/rules.rs"]
mod rules;

/// Sets that the kernel judges, and packets for each.
const JUDGED: u64 = 40;
/// Where they begin.
const FIRST: u64 = 5_000;
const PACKETS: usize = 300;

fn nftables(set: &RuleSet, path: Path) -> Result<String, Vec<Diagnostic>> {
    let target = TARGETS.iter().find(|target| target.name == "nftables").expect("a target");
    convert(set, target, path)
}

/// Returns rules in our own language, for people.
fn shown(set: &RuleSet) -> String {
    convert(set, TARGETS[0], Path::Prerouting).unwrap_or_else(|_| format!("{set:#?}"))
}

/// Returns sets by chance that can be written, with what is written.
fn written(from: u64, count: u64, path: Path) -> Vec<(RuleSet, String)> {
    let mut all = Vec::new();
    let mut refused = BTreeSet::new();
    for seed in from..from + count {
        let set = rules::set(seed);
        match nftables(&set, path) {
            Ok(text) => all.push((set, text)),
            Err(problems) => {
                for problem in problems {
                    let is_read = !problem.message.contains("read back");
                    assert!(is_read, "{}\n{}", problem.message, shown(&set));
                    refused.insert(problem.message);
                }
            }
        }
    }
    assert!(all.len() as u64 * 2 > count, "most sets are refused: {refused:#?}");
    all
}

/// Reads what was written as the language has it.
fn read(text: &str, path: Path) -> RuleSet {
    let mut sources = Sources::new();
    let files = [sources.add("converted.nft", text)];
    let (included, way) = (BTreeMap::new(), Way { path, iif: None, oif: None });
    let files = Files { sources: &sources, files: &files, included: &included, way: &way };
    let language = LANGUAGES.iter().find(|one| one.name == "nftables").expect("it is listed");
    let (set, problems) = (language.parse)(&files);
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    set
}

fn compare(set: &RuleSet, text: &str, path: Path, seed: u64) -> (usize, usize) {
    let dice = &mut Dice::new(seed);
    let (mut ours, mut theirs) = (Ours::of(set.clone()), Ours::of(read(text, path)));
    let mut undecided = 0;
    for _ in 0..PACKETS {
        let header = nft_kernel::packet(dice);
        let (meant, read) = (ours.fates(&header), theirs.fates(&header));
        assert!(meant != [true, true], "all is known here");
        undecided += usize::from(read == [true, true]);
        let is_held = meant.iter().zip(read).all(|(meant, read)| !meant || read);
        assert!(is_held, "{header:?}: {meant:?}, {read:?}\n{}\n{text}", shown(set));
    }
    (PACKETS, undecided)
}

#[test]
fn what_is_written_treats_every_packet_alike_when_it_is_read_again() {
    let cases = std::env::var("BLASTGATE_CASES").map_or(300, |n| n.parse().expect("a number"));
    let (mut packets, mut undecided) = (0, 0);
    for path in [Path::Prerouting, Path::Forward] {
        let all = written(0, cases, path);
        for (number, (set, text)) in all.iter().enumerate() {
            let (more, maybe) = compare(set, text, path, number as u64);
            packets += more;
            undecided += maybe;
        }
        println!("{} of {cases} sets, {packets} packets, {undecided} undecided", all.len());
    }
    assert_eq!(undecided, 0, "reading back must tell the fate of every packet");
}

#[test]
fn the_kernel_does_with_what_is_written_what_the_rules_say() {
    if let Some(missing) = nft_kernel::missing() {
        return common::skip(&missing);
    }
    let count = std::env::var("BLASTGATE_CASES").map_or(JUDGED, |n| n.parse().expect("a number"));
    let judge = Judge::new();
    let (mut packets, mut lost, mut wrong) = (0, 0, Vec::new());
    for (number, (set, text)) in written(FIRST, count, Path::Prerouting).iter().enumerate() {
        assert!(judge.takes(text), "nft refuses:\n{text}");
        let dice = &mut Dice::new(90_000 + number as u64);
        let sent: Vec<PacketHeader> = (0..PACKETS).map(|_| nft_kernel::packet(dice)).collect();
        let (passed, ..) = judge.ask(text, &sent);
        let mut ours = Ours::of(set.clone());
        for (at, header) in sent.iter().enumerate() {
            let passes = passed.contains(&(at as u32));
            let fates = ours.fates(header);
            packets += 1;
            lost += usize::from(!passes);
            if fates != [passes, !passes] && wrong.len() < 5 {
                wrong.push(format!("{at}, passes {passes}: {header:?}\n{}\n{text}", shown(set)));
            }
        }
    }
    println!("{packets} packets, of which the kernel dropped {lost}; {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(packets < lost * 5 && lost * 5 < packets * 4, "nearly all fare alike");
}

#[test]
fn nft_loads_all_that_is_written() {
    let probe = Command::new("unshare").args(["-n", "nft", "list", "ruleset"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return common::skip("nft or a network namespace of its own is missing");
    }
    for path in [Path::Forward, Path::Prerouting] {
        for (_, text) in written(10_000, 150, path) {
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            file.write_all(text.as_bytes()).expect("a file that takes bytes");
            let output = Command::new("unshare")
                .args(["-n", "nft", "-c", "-f"])
                .arg(file.path())
                .output()
                .expect("nft runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}\n{text}");
        }
    }
}

proptest! {
    /// Reading back is part of writing: no text of a rule can say anything else.
    #[test]
    fn no_text_of_a_rule_gets_out_of_its_comment(
        texts in prop::collection::vec(any::<String>(), 3),
        seed in 0u64..200,
    ) {
        let mut set = rules::set(seed);
        for rule in &mut set.rules {
            (rule.description, rule.owner, rule.ticket) =
                (Some(texts[0].clone()), Some(texts[1].clone()), Some(texts[2].clone()));
        }
        let plain = nftables(&rules::set(seed), Path::Forward);
        let told = nftables(&set, Path::Forward);
        prop_assert_eq!(plain.is_ok(), told.is_ok(), "{:?}", told);
        let code = |text: &str| {
            let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            lines.collect::<Vec<_>>().join("\n")
        };
        if let (Ok(plain), Ok(told)) = (plain, told) {
            prop_assert_eq!(code(&plain), code(&told));
        }
    }
}

//------------ The command line ------------------------------------------------

const RULES: &str = "\
version: 1
default: drop
default_intent: {target: [all]}
rules:
  - id: dns
    description: \"answers only\"
    owner: noc@example.net
    expires: 2026-12-01T00:00:00Z
    match: {dst: [203.0.113.0/24, \"2001:db8::/48\"], protocol: udp, src_port: 53}
    action: {rate_limit: {rate: 1000 pps, exceed: drop}}
    intent: {target: [acme, \"tag:web\"], may_affect: [acme], must_stop: 90%}
  - {id: web, match: {dst: 203.0.113.10, protocol: tcp, dst_port: [80, 443]}, action: accept}
";

/// Runs `convert` on a text; returns the exit code, standard output and standard error.
fn run(name: &str, text: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), text).expect("a file");
    let mut command = common::blastgate(folder.path());
    command.args(["convert", name]).args(arguments);
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("it ends"), text(output.stdout), text(output.stderr))
}

#[test]
fn rules_are_written_with_all_that_they_say_of_themselves() {
    let (code, text, errors) = run("rules.yaml", RULES, &["--to", "nftables"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(
        text,
        "\
# The rules that `blastgate convert` read, to be loaded with `nft -f`.
table inet blastgate
delete table inet blastgate
table inet blastgate {
	chain then-dns {
		# blastgate: id=dns description=\"answers only\" owner=\"noc@example.net\" \
		 expires=2026-12-01T00:00:00Z intent target=acme,tag:web may_affect=acme must_stop=90%
		limit rate over 1000/second burst 1000 packets drop
	}
	chain rule-dns {
		ip daddr 203.0.113.0/24 ip frag-off & 0x1fff == 0 udp sport 53 goto then-dns
		frag frag-off != 0 return
		ip6 daddr 2001:db8::/48 udp sport 53 goto then-dns
	}
	chain forward {
		# blastgate: intent target=all
		type filter hook forward priority filter; policy drop;
		jump rule-dns
		# blastgate: id=web
		ip daddr 203.0.113.10 ip frag-off & 0x1fff == 0 tcp dport { 80, 443 } accept
	}
}
"
        .replace("\t\t ", " ")
        .replace("  expires", " expires")
    );
    let prerouting = ["--to", "nftables", "--path", "prerouting"];
    let (code, text, _) = run("rules.yaml", RULES, &prerouting);
    assert!(code == 0 && text.contains("hook prerouting priority -450; policy drop;"));
    // There and back again.
    let start = RULES.find("  - id: dns").expect("a rule");
    let end = RULES.find("  - {id: web").expect("a rule");
    let (code, text, _) =
        run("rules.yaml", &(RULES[..start].to_owned() + &RULES[end..]), &["--to", "nftables"]);
    assert_eq!(code, 0);
    let (code, back, errors) = run("rules.nft", &text, &["--to", "native"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(back.contains("id: web") && back.contains("default_intent: {target: [all]}"), "{back}");
    let (code, again, _) = run("rules.yaml", &back, &["--to", "nftables"]);
    assert_eq!((code, again), (0, text));
}

#[test]
fn what_is_not_exact_is_refused_with_its_place_and_ends_with_1() {
    let rule = |matches: &str, action: &str| {
        format!("version: 1\nrules:\n  - id: x\n    match: {matches}\n    action: {action}\n")
    };
    let limit = |words: &str| format!("{{rate_limit: {{rate: 100 pps, {words}}}}}");
    for (matches, action, place, says) in [
        ("{dst: 203.0.113.1, pop: fra1}", "drop", "4:36", "a PoP cannot be written"),
        ("{direction: egress}", "drop", "4:24", "egress"),
        ("any", "challenge", "5:13", "a challenge"),
        ("any", "{redirect: {to: scrubber}}", "5:13", "a redirect"),
        ("any", &limit("scope: global"), "5:13", "together with others"),
        ("any", &limit("per: [src]"), "5:13", "buckets are more"),
        ("any", &limit("per: [customer]"), "5:13", "this key"),
        ("any", &limit("exceed: challenge"), "5:13", "a challenge"),
        ("any", "{rate_limit: {rate: 3 pps}}", "5:13", "whole nanoseconds"),
        ("{protocol: [300-400]}", "drop", "4:23", "matches no packet"),
    ] {
        let (code, text, errors) = run("rules.yaml", &rule(matches, action), &["--to", "nftables"]);
        assert_eq!((code, text.as_str()), (1, ""), "{matches} {action}\n{errors}");
        let place = format!("rules.yaml:{place}");
        assert!(errors.contains(says), "{says}\n{errors}");
        assert!(errors.contains(&place) && errors.contains("help:"), "{place}\n{errors}");
    }
    let marks = "version: 1\nrules:\n  - {id: a, match: any, action: {mark: {dscp: 8}}}\n  \
                 - {id: b, match: {not: {dscp: 8}}, action: drop}\n";
    let (code, _, errors) = run("rules.yaml", marks, &["--to", "nftables"]);
    assert!(code == 1 && errors.contains("see the new DSCP"), "{errors}");
    let bounded = "table inet a { chain b { type filter hook forward priority 0; \
                   ct state new drop\n}\n}\n";
    let (code, _, errors) = run("rules.nft", bounded, &["--to", "nftables"]);
    assert!(code == 1 && errors.contains("not exact already"), "{errors}");
    for path in ["input", "ingress"] {
        let (code, text, errors) = run("rules.yaml", RULES, &["--to", "nftables", "--path", path]);
        assert_eq!((code, text.as_str()), (1, ""));
        assert!(errors.contains("--path prerouting"), "{errors}");
    }
}

#[test]
fn what_cannot_be_asked_ends_with_2_and_what_cannot_be_read_with_3() {
    let (code, text, errors) = run("rules.yaml", RULES, &["--to", "nftable"]);
    assert_eq!((code, text.as_str()), (2, ""));
    assert!(errors.contains("did you mean `nftables`?"), "{errors}");
    let (code, _, errors) = run("rules.yaml", RULES, &["--to", "nftables", "--path", "out"]);
    assert!(code == 2 && errors.contains("prerouting"), "{errors}");
    let (code, text, errors) = run("rules.yaml", "version: 1\nrule: []\n", &["--to", "nftables"]);
    assert_eq!((code, text.as_str()), (3, ""));
    assert!(errors.contains("rules.yaml:2:1"), "{errors}");
    let (code, _, errors) = run("rules.nft", "include \"gone.nft\"\n", &["--to", "native"]);
    assert!(code == 3 && errors.contains("rules.nft:1:"), "{errors}");
}
