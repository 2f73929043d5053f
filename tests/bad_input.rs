//! Bad materials, bad command lines, bad configs: a clear error, and never green.
//!
//! Every case is a good folder with one thing wrong.

use std::io::Write;
use std::path::Path;

use crate::common::{NOW, blastgate};

const RULES: &str = "\
version: 1
rules:
  - id: acme-flood
    match: {dst: 203.0.113.10, protocol: udp}
    action: drop
    intent: {target: [acme]}
";

const INVENTORY: &str = "\
version: 1
customers:
  - {id: acme, prefixes: [203.0.113.0/28]}
pops:
  - {id: ams, region: eu}
";

const TRAFFIC: &str = "\
version: 1
duration: 10s
flows:
  - {id: flood, pop: ams, label: attack, dst: 203.0.113.10, protocol: udp, rate: 100 pps}
  - {id: web, pop: ams, dst: 203.0.113.11, protocol: tcp, dst_port: 443, rate: 100 pps}
";

const GOOD: &[&str] = &["rules.yaml", "--inventory", "inventory.yaml", "--traffic", "traffic.yaml"];

/// Makes the good folder, with these files besides or instead. `.git` ends the search for a
/// config.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, content).expect("a file");
    };
    std::fs::create_dir(folder.path().join(".git")).expect("a folder");
    write("rules.yaml", RULES.as_bytes());
    write("inventory.yaml", INVENTORY.as_bytes());
    write("traffic.yaml", TRAFFIC.as_bytes());
    for (name, content) in files {
        write(name, content);
    }
    folder
}

/// Runs `check` and returns the exit code, standard output and standard error.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    run_by("check", folder, arguments)
}

fn run_by(command: &str, folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = blastgate(folder).arg(command).args(arguments).output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let code = output.status.code().expect("it ends by itself, not by a signal");
    (code, text(output.stdout), text(output.stderr))
}

/// Checks that these arguments in a folder with these files end with 3, that a message has the
/// phrase (and, if one is given, the place `file:line:column`), and that the last words are
/// `CANNOT JUDGE`.
fn cannot_judge(files: &[(&str, &[u8])], arguments: &[&str], phrase: &str, place: &str) {
    never_green("check", "CANNOT JUDGE", files, arguments, phrase, place);
}

/// The same for a command and its last words.
pub(crate) fn never_green(
    command: &str,
    words: &str,
    files: &[(&str, &[u8])],
    arguments: &[&str],
    phrase: &str,
    place: &str,
) {
    let folder = folder(files);
    let arguments = [arguments, &["--now", NOW]].concat();
    let (code, out, errors) = run_by(command, folder.path(), &arguments);
    let all = format!("{arguments:?}\n--- stdout\n{out}\n--- stderr\n{errors}");
    assert_eq!(code, 3, "{all}");
    // The report wraps long lines; a wrapped line is indented.
    let unwrapped = format!("{out}{errors}").replace("\n  ", " ");
    assert!(unwrapped.contains(phrase), "no {phrase:?} in {all}");
    assert!(errors.contains(place), "no {place:?} in {all}");
    let last = out.trim_end().replace("\n  ", " ");
    let last = last.lines().last().unwrap_or_default();
    assert!(last.starts_with(words), "{all}");
    // Machines are told the same.
    let (code, out, _) =
        run_by(command, folder.path(), &[&arguments[..], &["-o", "json"]].concat());
    let result: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (code, &result["verdict"], &result["exit_code"]),
        (3, &"cannot_judge".into(), &3.into())
    );
}

/// Checks that the arguments end with 2 before any work, with a message that has the phrase.
fn usage(files: &[(&str, &[u8])], arguments: &[&str], phrase: &str) {
    let folder = folder(files);
    let (code, out, errors) = run(folder.path(), arguments);
    let all = format!("{arguments:?}\n--- stdout\n{out}\n--- stderr\n{errors}");
    assert_eq!(code, 2, "{all}");
    assert!(errors.contains(phrase), "no {phrase:?} in {all}");
    assert!(out.is_empty(), "{all}");
}

#[test]
fn what_looks_like_rules_and_is_not_read_is_no_pass() {
    let rule = RULES.replace("id: ", "id: more-");
    let folder = folder(&[("rules/a.yaml", RULES.as_bytes()), ("rules/b.txt", rule.as_bytes())]);
    let given = ["rules", "--inventory", "inventory.yaml", "--traffic", "traffic.yaml"];
    let (code, _, errors) = run(folder.path(), &given);
    assert!(code == 3 && errors.contains("rules/b.txt looks like rules"), "{code} {errors}");
    // How the ending is spelled is no matter.
    std::fs::rename(folder.path().join("rules/b.txt"), folder.path().join("rules/b.YAML"))
        .expect("a file");
    let (_, out, errors) = run(folder.path(), &[&given[..], &["-o", "json"]].concat());
    let result: serde_json::Value = serde_json::from_str(&out).expect("a result");
    assert_eq!(result["change"]["files"], 2, "{errors}");
}

#[test]
fn the_good_folder_passes() {
    let folder = folder(&[]);
    let (code, out, errors) = run(folder.path(), &[GOOD, &["--now", NOW]].concat());
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert!(out.lines().last().unwrap_or_default().starts_with("PASS"), "{out}");
}

//------------ Rules ---------------------------------------------------------

/// Returns a rule file with one rule.
fn rule(matches: &str, action: &str) -> String {
    format!(
        "version: 1\nrules:\n  - id: x\n    match: {matches}\n    action: {action}\n    \
         intent: {{target: [acme]}}\n"
    )
}

/// Rule files that cannot be used for the inventory of the good folder, what must be said of each,
/// and where.
pub(crate) fn unusable() -> Vec<(String, &'static str, &'static str)> {
    let limit = |rate: &str| rule("{dst: 203.0.113.10}", &format!("{{rate_limit: {{{rate}}}}}"));
    let twice = format!("{RULES}  - {{id: acme-flood, match: {{ttl: 1}}, action: log}}\n");
    vec![
        (rule("{dst: $web}", "drop"), "unknown set `$web`", "rules.yaml:4:18"),
        (twice, "`acme-flood` is there twice", "rules.yaml:7:10"),
        (rule("{dst: []}", "drop"), "`dst` is empty", "rules.yaml:4:18"),
        (limit("rate: 10 mbps"), "`10 Mbps` (bits)", "rules.yaml:5:33"),
        (limit("rate: 10 mbps"), "`10 MBps` (bytes)", "rules.yaml:5:33"),
        (rule("{dst: 203.0.113.10/28}", "drop"), "host bits", "rules.yaml:4:18"),
        (rule("{protocol: tcp, dst_port: htps}", "drop"), "unknown port `htps`", "rules.yaml:4:38"),
        (
            rule("{dst: 203.0.113.10, host: www.example.net}", "drop"),
            "`host` is not judged yet",
            "rules.yaml:4:32",
        ),
        (limit("rate: 10 rps"), "requests are not recorded in packets", "rules.yaml:5:33"),
        (rule("{pop: asm, dst: 203.0.113.10}", "drop"), "did you mean `ams`?", "rules.yaml:4:"),
        (RULES.replace("[acme]", "[acmee]"), "did you mean `acme`?", "rules.yaml:6:"),
        ("version: 1\nrules:\n".to_owned(), "`rules` is empty", "rules.yaml:2:1"),
        (String::new(), "the rule file is empty", ""),
        (alias_bomb(), "anchors and aliases unfold to too much", "rules.yaml:"),
        ("[".repeat(20_000), "nested more than 64 deep", "rules.yaml:1:65"),
        (
            format!("version: 1\nrules: {}", "{a: ".repeat(20_000)),
            "nested more than 64 deep",
            "rules.yaml:2:",
        ),
    ]
}

#[test]
fn rule_files_that_cannot_be_used_are_never_green() {
    for (text, phrase, place) in unusable() {
        cannot_judge(&[("rules.yaml", text.as_bytes())], GOOD, phrase, place);
    }
}

/// Returns text that would unfold to ten to the ninth words.
fn alias_bomb() -> String {
    let mut text = "version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    text.push_str("rules: *a8\n");
    text
}

#[test]
fn a_binary_file_is_no_rules() {
    let noise: Vec<u8> =
        (0..4096u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    cannot_judge(&[("rules.yaml", &noise)], GOOD, "rules.yaml is not UTF-8 text", "");
    cannot_judge(&[("rules.yaml", &[0; 64])], GOOD, "unexpected character", "rules.yaml:1:1");
}

#[test]
fn no_rules_on_either_side_are_never_green() {
    let none = b"version: 1\nrules: []\n";
    let no_rules = "there are no rules on either side";
    cannot_judge(&[("rules.yaml", none)], GOOD, no_rules, "");
    let against = [GOOD, &["--running", "running.yaml"]].concat();
    cannot_judge(&[("rules.yaml", none), ("running.yaml", none)], &against, no_rules, "");
    let rest = &GOOD[1..];
    cannot_judge(&[("rules/notes.txt", b"x")], &[&["rules"], rest].concat(), "no rule file", "");
    cannot_judge(&[], &[&["missing.yaml"], rest].concat(), "cannot read missing.yaml", "");
    cannot_judge(&[], &[GOOD, &["--running", "missing.yaml"]].concat(), "missing.yaml", "");
}

//------------ Inventory -----------------------------------------------------

#[test]
fn inventories_that_cannot_be_used_are_never_green() {
    let traffic = &["rules.yaml", "--traffic", "traffic.yaml"];
    cannot_judge(&[], traffic, "no inventory is named", "");
    let missing = [traffic, &["--inventory", "missing.yaml"][..]].concat();
    cannot_judge(&[], &missing, "cannot read missing.yaml: no such file", "");
    let twice = INVENTORY.replace("pops:", "  - {id: bakery, prefixes: [203.0.113.0/28]}\npops:");
    for (text, phrase, place) in [
        ("", "inventory inventory.yaml is empty", ""),
        ("version: 1\ncustomers: []\n", "`customers` is empty", "inventory.yaml:2:12"),
        (&twice, "203.0.113.0/28 belongs to two customers", "inventory.yaml:4:29"),
    ] {
        cannot_judge(&[("inventory.yaml", text.as_bytes())], GOOD, phrase, place);
    }
}

#[test]
fn an_inventory_of_another_network_is_never_green() {
    let other = "version: 1\ncustomers:\n  - {id: acme, prefixes: [192.0.2.0/28]}\n";
    let phrase = "no recorded packet is to or from anyone in the inventory";
    cannot_judge(&[("inventory.yaml", other.as_bytes())], GOOD, phrase, "");
}

//------------ Traffic -------------------------------------------------------

/// Returns the header of a pcap file (linktype Ethernet), and after it these frames.
fn pcap(frames: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend_from_slice(&u32::to_le_bytes(word));
    }
    for frame in frames {
        let length = u32::try_from(frame.len()).expect("a frame");
        for word in [1_772_366_390, 0, length, length] {
            bytes.extend_from_slice(&u32::to_le_bytes(word));
        }
        bytes.extend_from_slice(frame);
    }
    bytes
}

/// Returns an ARP request as a frame.
fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend([2, 0, 0, 0, 0, 1, 203, 0, 113, 1, 0, 0, 0, 0, 0, 0, 203, 0, 113, 2]);
    frame
}

/// Returns a UDP packet to acme as a frame.
fn datagram() -> Vec<u8> {
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([198, 18, 0, 1], [203, 0, 113, 10], 64)
        .udp(53, 80)
        .write(&mut frame, &[0; 40])
        .expect("a frame");
    frame
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).expect("compressed");
    gzip.finish().expect("compressed")
}

#[test]
fn a_whole_capture_passes() {
    // So that the broken ones below fail for what is broken.
    let whole = pcap(&[&datagram()[..]; 40]);
    for content in [compressed(&whole), whole] {
        let folder = folder(&[("capture", &content)]);
        let capture = ["rules.yaml", "--inventory", "inventory.yaml", "--traffic", "capture"];
        let (code, out, errors) = run(folder.path(), &[&capture[..], &["--now", NOW]].concat());
        assert_eq!(code, 0, "{out}{errors}");
    }
}

#[test]
fn recordings_that_show_nothing_are_never_green() {
    let capture = &["rules.yaml", "--inventory", "inventory.yaml", "--traffic", "capture"];
    cannot_judge(&[], &GOOD[..3], "no traffic is named", "");
    cannot_judge(&[], capture, "cannot read capture: no such file", "");
    let frame = arp();
    let only_arp = pcap(&[&frame, &frame, &frame]);
    // Twenty good packets, then a length that nobody believes; twenty more are lost behind it.
    let frame = datagram();
    let mut corrupt = pcap(&[&frame[..]; 40]);
    let at = 24 + 20 * (16 + frame.len()) + 8;
    corrupt[at..at + 4].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    let mut noise = vec![0x81; 300];
    noise.extend((0..3000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8));
    let gzip = compressed(&pcap(&vec![&datagram()[..]; 4000]));
    let zstd = zstd::encode_all(&pcap(&vec![&datagram()[..]; 4000])[..], 1).expect("compressed");
    for (content, phrase) in [
        (&[][..], "capture is empty"),
        (&only_arp, "capture yields no record: 3 arp"),
        (&corrupt, "capture is corrupt after frame 20: a packet that claims 2147483647 bytes"),
        (&pcap(&[]), "capture yields no record: it is empty"),
        (&gzip[..gzip.len() / 2], "cannot read capture to its end"),
        (&gzip[..gzip.len() - 1], "cannot read capture to its end"),
        (&gzip[..12], "cannot read capture"),
        (&zstd[..zstd.len() - 1], "cannot read capture"),
        (&noise, "capture is no recording that is known"),
        (b"version: 1\nduration: 1s\nflows: []\n", "`flows` is empty"),
    ] {
        cannot_judge(&[("capture", content)], capture, phrase, "");
    }
}

//------------ Command line and config ----------------------------------------

#[test]
fn a_wrong_command_line_is_found_before_work_starts() {
    for (more, phrase) in [
        (&["--inventroy", "inventory.yaml"][..], "--inventory"),
        (&["-o", "text", "-o", "json"], "only one output can go to standard output"),
        (&["--traffic", "traffic.yaml"], "names traffic.yaml twice"),
        (&["-o", "jsno"], "did you mean `json`?"),
        (&["--save", "rules.yaml"], "it is read as well, and would be lost"),
        (&["-o", "json=./inventory.yaml"], "it is read as well, and would be lost"),
        (&["-o", "json=out.json", "--save", "out.json"], "two outputs go there"),
        (&["-o", "json=missing/out.json"], "cannot write missing/out.json"),
        (&["--save", "missing/out.json"], "cannot write missing/out.json"),
        (&["--now", "yesterday"], "--now"),
        (&["--max-age", "week"], "--max-age"),
        (&["--threads", "0"], "--threads"),
        (&["--sampling", "0"], "--sampling"),
        (&["--label", "bad"], "unknown label `bad`"),
        (&["--format", "pcapp"], "did you mean `pcap`?"),
        (&["--language", "natve"], "did you mean `native`?"),
        (&["--config", "missing.yaml"], "cannot read missing.yaml: no such file or folder\n"),
    ] {
        usage(&[], &[GOOD, more].concat(), phrase);
    }
    usage(&[], &["--inventory", "inventory.yaml"], "no rules are named");
}

#[test]
fn a_wrong_config_is_found_before_work_starts() {
    let key = b"version: 1\ninventroy: [inventory.yaml]\n";
    usage(&[("blastgate.yaml", key)], GOOD, "inventroy");
    usage(&[("blastgate.yaml", key)], GOOD, "did you mean `inventory`?");
    usage(&[("blastgate.yaml", key)], GOOD, "blastgate.yaml:2:1");
    usage(&[("blastgate.yaml", b"version: [")], GOOD, "blastgate.yaml:1:");
}

#[test]
fn scenarios_that_name_nobody_are_never_green() {
    let config = |scenario: &str| format!("version: 1\nscenarios:\n  - {scenario}\n").into_bytes();
    let unknown = config("{name: double, scale: 2.0, where: {customer: nobody}}");
    cannot_judge(&[("blastgate.yaml", &unknown)], GOOD, "nobody", "blastgate.yaml:3:");
    let region = config("{name: double, scale: 2.0, where: {region: us}}");
    cannot_judge(&[("blastgate.yaml", &region)], GOOD, "unknown region `us`", "blastgate.yaml:3:");
    let each = config("n-1");
    cannot_judge(&[("blastgate.yaml", &each)], GOOD, "`n-1` drains nothing", "blastgate.yaml:3:");
}

//------------ What a problem looks like ---------------------------------------

/// Returns standard error of a run with this rule file.
fn shown(rules: &str) -> String {
    let folder = folder(&[("rules.yaml", rules.as_bytes())]);
    run(folder.path(), &[GOOD, &["--now", NOW]].concat()).2
}

#[test]
fn a_rate_in_no_known_unit_is_shown_with_both_readings() {
    insta::assert_snapshot!(shown(&rule("{dst: 203.0.113.10}", "{rate_limit: {rate: 10 mbps}}")), @r"
    error: unknown unit `mbps`
     --> rules.yaml:5:33
      |
    5 |     action: {rate_limit: {rate: 10 mbps}}
      |                                 ^^^^^^^ case decides between bits and bytes
      |
      = help: did you mean `10 Mbps` (bits) or `10 MBps` (bytes)?
    ");
}

#[test]
fn an_id_that_is_there_twice_is_shown_with_both_places() {
    let twice = format!("{RULES}  - {{id: acme-flood, match: {{ttl: 1}}, action: log}}\n");
    insta::assert_snapshot!(shown(&twice), @r"
    error: rule `acme-flood` is there twice
     --> rules.yaml:7:10
      |
    7 |   - {id: acme-flood, match: {ttl: 1}, action: log}
      |          ^^^^^^^^^^ same id again
      |
     ::: rules.yaml:3:9
      |
    3 |   - id: acme-flood
      |         ---------- first used here
      |
      = help: give each rule of the set, in all its files, an id of its own
    ");
}

#[test]
fn an_unknown_key_is_shown_with_the_nearest_known_one() {
    insta::assert_snapshot!(shown(&RULES.replace("action:", "acton:")), @r"
    error: the rule has no `action`
     --> rules.yaml:3:9
      |
    3 |   - id: acme-flood
      |         ^^^^^^^^^^ `action` is missing
      |
      = help: write one action, such as `action: drop`

    error: unknown key `acton` in the rule
     --> rules.yaml:5:5
      |
    5 |     acton: drop
      |     ^^^^^ not known here
      |
      = help: did you mean `action`?
    ");
}
