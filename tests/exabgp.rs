//! ExaBGP judges what we make of its texts: it accepts what we accept, and its octets are ours.
//!
//! It is taken from `target/exabgp` (`python3 -m venv target/exabgp && target/exabgp/bin/pip
//! install exabgp`) or from the path.

use std::path::{Path, PathBuf};
use std::process::Command;

use blastgate::languages::LANGUAGES;
use blastgate::model::{RuleSet, Severity, Sources};

use crate::common;

/// Loads a configuration and writes every route that it would announce: AFI, NLRI, communities.
const DUMP: &str = r#"
import sys
from exabgp.configuration.configuration import Configuration
from exabgp.environment import getenv
from exabgp.logger import log
env = getenv()
env.log.enable = False
log.init(env)
configuration = Configuration([sys.argv[1]])
if not configuration.reload():
    print('refused', configuration.error)
    sys.exit(0)
for neighbor in configuration.neighbors.values():
    for change in neighbor.changes:
        found = [one for one in change.attributes.values() if hasattr(one, 'communities')]
        octets = [c.community.hex() for one in found for c in one.communities if hasattr(c, 'community')]
        afi = '2' if str(change.nlri.afi) == 'ipv6' else '1'
        print(afi, change.nlri.pack_nlri().hex(), ','.join(octets) or '-')
"#;

/// Returns the Python that knows ExaBGP.
pub(crate) fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/exabgp/bin/python");
    let on_path = || {
        let paths = std::env::var_os("PATH")?;
        let found = std::env::split_paths(&paths)
            .map(|path| path.join("exabgp"))
            .find(|path| path.is_file())?;
        let text = std::fs::read_to_string(found).ok()?;
        let first = text.lines().next()?.strip_prefix("#!")?.split_whitespace().next()?.to_owned();
        Some(PathBuf::from(first))
    };
    Some(own).filter(|path| path.exists()).or_else(on_path)
}

fn read(text: &str) -> (RuleSet, Vec<blastgate::model::Diagnostic>) {
    let language = LANGUAGES.iter().find(|one| one.name == "flowspec").expect("the language");
    let mut sources = Sources::new();
    let file = sources.add("a", text);
    language.parse_texts(&sources, &[file])
}

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }
}

/// Returns the conditions and the actions of a random route.
fn route(numbers: &mut Numbers) -> (String, String) {
    let v6 = numbers.below(3) == 0;
    let mut matches = Vec::new();
    let prefix = |numbers: &mut Numbers| {
        if v6 {
            let length = 1 + numbers.below(128);
            let address =
                format!("2001:db8:{:x}::{:x}", numbers.below(65_536), numbers.below(65_536));
            match numbers.below(3) {
                0 => format!("{address}/{length}/{}", numbers.below(length)),
                _ => format!("{address}/{length}"),
            }
        } else {
            let mut octet = || numbers.below(256);
            format!("{}.{}.{}.{}/{}", octet(), octet(), octet(), octet(), octet() % 33)
        }
    };
    if v6 || numbers.below(3) > 0 {
        matches.push(format!("destination {}", prefix(numbers)));
    }
    if numbers.below(2) == 0 {
        matches.push(format!("source {}", prefix(numbers)));
    }
    let numeric = |numbers: &mut Numbers, most: u64, names: &[&str]| {
        let groups: Vec<String> = (0..=numbers.below(3))
            .map(|_| {
                let ones: Vec<String> = (0..=numbers.below(2))
                    .map(|_| {
                        let value = match numbers.below(3) {
                            0 if !names.is_empty() => numbers.of(names).to_owned(),
                            _ => numbers.below(most + 1).to_string(),
                        };
                        format!("{}{value}", numbers.of(&["", "=", ">", "<", ">=", "<=", "!="]))
                    })
                    .collect();
                ones.join("&")
            })
            .collect();
        format!("[ {} ]", groups.join(" "))
    };
    let fields: &[(&str, u64, &[&str])] = &[
        (if v6 { "next-header" } else { "protocol" }, 255, &["tcp", "udp", "icmp"]),
        ("port", 65_535, &["http", "domain"]),
        ("destination-port", 65_535, &["ntp"]),
        ("source-port", 300, &[]),
        ("icmp-type", 255, &["echo-request", "unreachable"]),
        ("icmp-code", 255, &["host-unreachable"]),
        ("packet-length", 65_535, &[]),
        (if v6 { "traffic-class" } else { "dscp" }, 63, &[]),
    ];
    for (name, most, names) in fields {
        if numbers.below(4) == 0 {
            matches.push(format!("{name} {}", numeric(numbers, *most, names)));
        }
    }
    if v6 && numbers.below(4) == 0 {
        matches.push(format!("flow-label {}", numeric(numbers, 0xf_ffff, &[])));
    }
    let bits = |numbers: &mut Numbers, names: &[&str]| {
        let ones: Vec<String> = (0..=numbers.below(2))
            .map(|_| {
                let sign = numbers.of(&["", "=", "!", "!="]);
                let joint = numbers.of(&["", "&"]);
                let more = if joint.is_empty() {
                    String::new()
                } else {
                    format!("&!{}", numbers.of(names))
                };
                format!("{sign}{}{more}", numbers.of(names))
            })
            .collect();
        format!("[ {} ]", ones.join(" "))
    };
    if numbers.below(3) == 0 {
        matches.push(format!(
            "tcp-flags {}",
            bits(numbers, &["syn", "ACK", "rst+fin", "urgent", "ece"])
        ));
    }
    if numbers.below(3) == 0 || matches.is_empty() {
        matches.push(format!(
            "fragment {}",
            bits(numbers, &["is-fragment", "first-fragment", "last-fragment", "dont-fragment"])
        ));
    }
    let then = match numbers.below(9) {
        0 => "accept".to_owned(),
        1 => format!("rate-limit {}", 9_600 + numbers.below(1 << 40)),
        2 => format!("rate-limit {} packets", 1 + numbers.below(1 << 30)),
        3 => format!("redirect {}:{}", numbers.below(65_536), numbers.below(1 << 32)),
        4 => format!("redirect {}:{}", 65_536 + numbers.below(1 << 31), numbers.below(65_536)),
        5 => format!("mark {}", numbers.below(64)),
        6 => format!("action {}", numbers.of(&["sample", "sample-terminal"])),
        7 => "redirect-to-nexthop-ietf 192.0.2.1".to_owned(),
        _ => "discard".to_owned(),
    };
    (matches.join("; "), then)
}

fn config(routes: &[String]) -> String {
    format!(
        "neighbor 127.0.0.1 {{\n router-id 1.2.3.4;\n local-address 127.0.0.1;\n local-as 1;\n peer-as 1;\n \
         family {{ ipv4 flow; ipv6 flow; }}\n flow {{\n{}\n }}\n}}\n",
        routes.join("\n")
    )
}

/// Returns what ExaBGP makes of a configuration, or why it refuses it.
pub(crate) fn dump(python: &Path, text: &str) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.conf");
    std::fs::write(&file, text).expect("the file is written");
    let output = Command::new(python).arg("-c").arg(DUMP).arg(&file).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    match text.strip_prefix("refused") {
        Some(why) => Err(why.to_owned()),
        None => Ok(text.lines().map(str::to_owned).collect()),
    }
}

#[test]
fn our_octets_are_those_of_exabgp_and_it_accepts_what_we_accept() {
    let Some(python) = python() else {
        return common::skip(
            "ExaBGP is not installed: the octets of flow specifications are not compared",
        );
    };
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut compared = 0;
    for _ in 0..6 {
        let routes: Vec<(String, String)> = (0..100).map(|_| route(&mut numbers)).collect();
        let texts: Vec<String> = routes
            .iter()
            .map(|(matches, then)| {
                format!("  route {{ match {{ {matches}; }} then {{ {then}; }} }}")
            })
            .collect();
        let text = config(&texts);
        let (ours, problems) = read(&text);
        assert!(problems.iter().all(|one| one.severity != Severity::Error), "{problems:?}");
        let theirs = dump(&python, &text).unwrap_or_else(|why| panic!("refused: {why}\n{text}"));
        let lines: Vec<String> = theirs
            .iter()
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let ext =
                    if words[2] == "-" { String::new() } else { format!(" ext {}", words[2]) };
                format!("nlri {} afi {}{ext}\n", words[1], words[0])
            })
            .collect();
        let (wire, problems) = read(&lines.concat());
        assert!(problems.iter().all(|one| one.severity != Severity::Error), "{problems:?}");
        // Routes without a name are called by a hash of their octets.
        let (ours, wire) = (shown(&ours), shown(&wire));
        for (one, other) in ours.iter().zip(&wire) {
            assert_eq!(one, other);
        }
        assert_eq!(ours.len(), wire.len());
        compared += theirs.len();
    }
    assert!(compared >= 590, "{compared} routes were compared");
}

/// Rules without their places, in their order.
fn shown(set: &RuleSet) -> Vec<String> {
    let rules = set.rules.iter();
    rules
        .map(|rule| {
            let terms: Vec<_> = rule.matches.terms.iter().map(|term| &term.value).collect();
            format!("{} {terms:?} {:?}", rule.id, rule.action.value)
                .split("location: Location")
                .map(|part| part.split_once("} }").map_or(part, |(_, rest)| rest))
                .collect::<String>()
        })
        .collect()
}

#[test]
fn the_examples_of_our_table_are_accepted_by_exabgp() {
    let Some(python) = python() else {
        return common::skip("ExaBGP is not installed: our table of constructs are not compared");
    };
    let language = LANGUAGES.iter().find(|one| one.name == "flowspec").expect("the language");
    let mut routes = Vec::new();
    for construct in language.constructs {
        let text = (language.frame)(construct.example);
        if construct.class == blastgate::languages::Class::Refused
            || !text.starts_with("flow { route example")
        {
            continue;
        }
        let route = text.trim().trim_start_matches("flow {").trim_end_matches('}');
        // Sets of interfaces stand in a block of their own there.
        if !route.contains("interface-set") {
            routes.push(route.to_owned());
        }
    }
    assert!(routes.len() > 15);
    for route in routes {
        let found = dump(&python, &config(std::slice::from_ref(&route)));
        assert!(found.as_ref().is_ok_and(|lines| !lines.is_empty()), "{route}: {found:?}");
    }
}
