//! The Linux kernel as the judge of iptables: rule sets by chance and by hand are loaded by
//! iptables-legacy and by iptables-nft in a router of its own, and every packet fares there as we
//! say; where we say that it may be either, either is fine.
//!
//! What `iptables-save` prints of a loaded rule set says the same as what was loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blastgate::languages::{Files, LANGUAGES, Way};
use blastgate::matcher::compile;
use blastgate::model::{
    Diagnostic, Direction, Known, Label, Names, Record, RuleSet, Severity, SourceId, Sources,
};
use blastgate::packet::{self, Frame, LinkType};
use blastgate::trace::{Disposition, Tracer, decide};

use crate::common;
use crate::kernel::Space;
use packets::Packet;
use rules::Rules;

mod packets;
mod rules;

/// Rule sets by chance; each is loaded by both backends.
const SETS: usize = 24;
/// Packets for each.
const PACKETS: usize = 1_000;

/// Numbers that look random and are the same every time.
pub(crate) struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % sides
    }

    fn pick<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[self.roll(list.len() as u64) as usize]
    }
}

//------------ Ours -----------------------------------------------------------------

fn read(language: &str, texts: &[&str]) -> (RuleSet, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::new();
    let files: Vec<SourceId> =
        texts.iter().zip(0..).map(|(text, at)| sources.add(format!("file{at}"), *text)).collect();
    let language = LANGUAGES.iter().find(|known| known.name == language).expect("a language");
    let (included, way) = (BTreeMap::new(), Way::default());
    let files = Files { sources: &sources, files: &files, included: &included, way: &way };
    let (set, problems) = (language.parse)(&files);
    (set, problems, sources)
}

fn record(frame: &[u8]) -> Record {
    let Frame::Packet { header, bytes } =
        packet::read(LinkType(1), frame, frame.len() as u32, false)
    else {
        panic!("a frame of ours is read");
    };
    let mut header = header;
    header.known = header.known.with(Known::DIRECTION);
    Record {
        time_ns: 0,
        duration_ns: 0,
        header,
        pop: None,
        exporter: None,
        direction: Direction::Ingress,
        packets: 1,
        bytes: u64::from(bytes),
        weight: 1,
        label: Label::None,
        customer: None,
        source: SourceId(0),
        number: 1,
    }
}

/// Every way in which a packet may end.
fn ends(set: &RuleSet, record: &Record, names: &Names) -> BTreeSet<bool> {
    let walk = decide(set, record, names);
    walk.ends
        .iter()
        .flat_map(|(end, _)| match end {
            Disposition::CannotTell => vec![true, false],
            end => vec![!end.is_lost() && *end != Disposition::Challenged],
        })
        .collect()
}

//------------ The kernel --------------------------------------------------------------

struct Router {
    backend: &'static str,
    from: Space,
    to: Space,
}

impl Router {
    fn new(backend: &'static str) -> Router {
        let (from, to) = (Space::new("from"), Space::new("to"));
        let pair = format!(
            "ip link add out address 02:00:00:00:00:01 type veth peer name in netns {} \
             address 02:00:00:00:00:02",
            to.name
        );
        from.run(&pair, "");
        from.run("ip link set out up", "");
        for command in [
            "sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
             net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
             net.ipv6.conf.default.accept_dad=0",
            "ip link set in up",
            "ip link add out type veth peer name sink",
            "ip link set sink up",
            "ip link set out up",
            "ip addr add 10.255.0.1/24 dev out",
            "ip addr add 10.255.1.1/24 dev in",
            "ip addr add fd00:ffff::1/64 dev out nodad",
            "ip neigh add 10.255.0.2 lladdr 02:00:00:00:00:09 dev out nud permanent",
            "ip neigh add fd00:ffff::2 lladdr 02:00:00:00:00:09 dev out nud permanent",
            "ip route add default via 10.255.0.2 dev out",
            "ip -6 route add default via fd00:ffff::2 dev out",
        ] {
            to.run(command, "");
        }
        let table = |family: &str, id: &str, not_own: &str| {
            format!(
                "table {family} judge {{
                    set came {{ typeof {id}; size 65535; flags dynamic; }}
                    set passed {{ typeof {id}; size 65535; flags dynamic; }}
                    chain first {{
                        type filter hook prerouting priority -500;
                        iifname \"in\" add @came {{ {id} }}
                    }}
                    chain last {{
                        type filter hook postrouting priority 500;
                        {not_own} add @passed {{ {id} }}
                    }}
                }}\n"
            )
        };
        let both = table("ip", "ip id", "ip saddr != 10.255.0.0/16")
            + &table("ip6", "ip6 flowlabel", "ip6 saddr 2000::/3");
        to.run("nft -f -", &both);
        // All rule sets share these: the kernel lets go of a set some time after its last rule.
        to.run("ipset restore", &rules::sets());
        Router { backend, from, to }
    }

    fn load(&self, rules: &Rules) {
        // Nothing of the rule set before is left, its policies neither.
        let builtin = [
            ("raw", &["PREROUTING", "OUTPUT"][..]),
            ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
            ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
            ("security", &["INPUT", "FORWARD", "OUTPUT"]),
        ];
        let mut empty = String::new();
        for (table, chains) in builtin {
            writeln!(empty, "*{table}").expect("text");
            for chain in chains {
                writeln!(empty, ":{chain} ACCEPT [0:0]").expect("text");
            }
            empty.push_str("COMMIT\n");
        }
        for program in ["iptables", "ip6tables"] {
            self.to.run(&format!("{program}-{}-restore", self.backend), &empty);
        }
        for (program, text) in [("iptables", &rules.v4), ("ip6tables", &rules.v6)] {
            self.to.run(&format!("{program}-{}-restore", self.backend), text);
        }
    }

    fn saved(&self) -> [String; 3] {
        [
            self.to.run(&format!("iptables-{}-save", self.backend), ""),
            self.to.run(&format!("ip6tables-{}-save", self.backend), ""),
            self.to.run("ipset save", ""),
        ]
    }

    /// Sends packets, and returns the numbers of those that passed.
    fn send(&self, frames: &[Vec<u8>]) -> BTreeSet<(bool, u16)> {
        for set in ["ip judge came", "ip judge passed", "ip6 judge came", "ip6 judge passed"] {
            self.to.run(&format!("nft flush set {set}"), "");
        }
        let mut bytes = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            bytes.extend(word.to_le_bytes());
        }
        for frame in frames {
            let size = frame.len() as u32;
            for word in [0, 0, size, size] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(frame);
        }
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&bytes).expect("a file that takes bytes");
        let send = format!("tcpreplay --quiet --pps=40000 --intf1=out {}", file.path().display());
        self.from.run(&send, "");
        let start = Instant::now();
        while self.listed("came").len() < frames.len() {
            assert!(start.elapsed() < Duration::from_secs(10), "packets were lost on the way");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.listed("passed")
    }

    fn listed(&self, set: &str) -> BTreeSet<(bool, u16)> {
        let mut numbers = BTreeSet::new();
        for (family, is_v6) in [("ip", false), ("ip6", true)] {
            let text = self.to.run(&format!("nft -j list set {family} judge {set}"), "");
            let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let sets = json["nftables"].as_array().into_iter().flatten();
            for element in sets.filter_map(|one| one["set"]["elem"].as_array()).flatten() {
                let number = element.as_u64().and_then(|number| u16::try_from(number).ok());
                numbers.insert((is_v6, number.expect("a number")));
            }
        }
        numbers
    }
}

fn can_ask() -> bool {
    let tools = [
        ("nft", "-V"),
        ("iptables-legacy-restore", "-V"),
        ("iptables-nft-restore", "-V"),
        ("ipset", "-v"),
        ("ip", "-V"),
        ("tcpreplay", "--version"),
    ];
    for (tool, version) in tools {
        if Command::new(tool).arg(version).output().is_err() {
            common::skip(&format!("{tool} is not installed"));
            return false;
        }
    }
    let id = Command::new("id").arg("-u").output().expect("id runs");
    if id.stdout != b"0\n" || !Space::new("probe").is_made {
        common::skip("only root can make network namespaces, and some machines make none");
        return false;
    }
    true
}

fn errors(problems: &[Diagnostic]) -> Vec<&Diagnostic> {
    problems.iter().filter(|problem| problem.severity == Severity::Error).collect()
}

/// What was compared.
#[derive(Default)]
struct Score {
    packets: usize,
    undecided: usize,
    dropped: usize,
    left_out: usize,
    unread: Vec<String>,
    wrong: Vec<String>,
}

fn compare(router: &Router, rules: &Rules, dice: &mut Dice, score: &mut Score) {
    let packets: Vec<Packet> = (0..PACKETS).map(|_| Packet::random(dice, !rules.tracks)).collect();
    let frames: Vec<Vec<u8>> =
        packets.iter().zip(1u16..).map(|(packet, number)| packet.frame(number)).collect();
    router.load(rules);
    let passed = router.send(&frames);
    let saved = router.saved();
    let names = Arc::new(Names::new());
    let language = format!("iptables-{}", router.backend);
    let texts = [rules.v4.as_str(), &rules.v6, &rules.sets];
    let (own, problems, _) = read(&language, &texts);
    let saved_texts = [saved[0].as_str(), &saved[1], &saved[2]];
    let (again, more, _) = read(&language, &saved_texts);
    let (either, _, _) = read("iptables", &texts);
    let failed = errors(&problems);
    let failed_again = errors(&more);
    if !failed.is_empty() || !failed_again.is_empty() {
        score
            .unread
            .push(format!("{} {}: {failed:?} {failed_again:?}", router.backend, rules.name));
        return;
    }
    let mut shown = 0;
    for (at, (packet, frame)) in packets.iter().zip(&frames).enumerate() {
        let record = record(frame);
        let said = ends(&own, &record, &names);
        let said_again = ends(&again, &record, &names);
        let worse = ends(&either, &record, &names);
        let passes = passed.contains(&(packet.is_v6, at as u16 + 1));
        // iptables-legacy drops these wherever a rule asks for ports or flags of TCP.
        let is_tiny = packet.protocol == 6 && packet.offset == 1 && router.backend == "legacy";
        if is_tiny && !passes && said == BTreeSet::from([true]) {
            score.left_out += 1;
            continue;
        }
        score.packets += 1;
        score.dropped += usize::from(!passes);
        score.undecided += usize::from(said.len() > 1);
        let is_wrong = !said.contains(&passes);
        let differs = said != said_again;
        // What passes by the worse of both passes by each.
        let is_mild = worse == BTreeSet::from([true]) && !passes && !is_tiny;
        if (is_wrong || differs || is_mild) && shown < 3 {
            shown += 1;
            let line = format!(
                "{} {}: {packet:?}: the kernel {}, ours passes {said:?}, as saved {said_again:?}, \
                 by either {worse:?}\n{}{}",
                router.backend,
                rules.name,
                if passes { "passes it" } else { "drops it" },
                if packet.is_v6 { &rules.v6 } else { &rules.v4 },
                if is_mild { "too mild" } else { "" },
            );
            println!("{line}");
            score.wrong.push(line);
        }
    }
}

#[test]
fn packets_fare_in_the_kernel_as_ours_says() {
    if !can_ask() {
        return;
    }
    let mut score = Score::default();
    let mut count = 0;
    let mut dice = Dice(20_261_126);
    let mut sets = rules::by_hand();
    sets.extend((0..SETS).map(|number| rules::random(&mut dice, number)));
    for backend in ["legacy", "nft"] {
        let router = Router::new(backend);
        for rules in &sets {
            compare(&router, rules, &mut dice, &mut score);
            count += 1;
        }
    }
    let Score { packets, undecided, dropped, left_out, .. } = score;
    println!(
        "{count} rule sets, {packets} packets: {dropped} dropped by the kernel, {undecided} may \
         be either, {left_out} tiny fragments left out"
    );
    println!("{} rule sets were not read: {:#?}", score.unread.len(), score.unread);
    assert!(score.wrong.is_empty(), "{} differ:\n{}", score.wrong.len(), score.wrong.join("\n"));
    assert!(score.unread.is_empty());
    assert!(undecided * 4 < packets, "most packets must be decided");
}

/// Limits whose refill does not matter while the packets come.
const LIMITS: &[(&str, &str)] = &[
    (
        "limit",
        "-A FORWARD -p udp -m limit --limit 2/minute --limit-burst 7 -j ACCEPT\n-A FORWARD -p udp -j DROP\n",
    ),
    ("default limit", "-A FORWARD -p tcp -m limit -j ACCEPT\n-A FORWARD -p tcp -j DROP\n"),
    (
        "limit and return",
        "-N own\n-A FORWARD -p udp -j own\n-A own -m limit --limit 3/hour --limit-burst 20 -j RETURN\n-A own -j DROP\n",
    ),
    (
        "limit before a match",
        "-A FORWARD -p udp -m limit --limit 2/minute --limit-burst 30 -m udp --dport 53 -j ACCEPT\n-A FORWARD -p udp -j DROP\n",
    ),
    (
        "limit and a drop of some",
        "-A FORWARD -m limit --limit 2/minute --limit-burst 40 -j ACCEPT\n-A FORWARD -p udp -j DROP\n",
    ),
    (
        "limited logging",
        "-A FORWARD -p udp -m limit --limit 2/minute -j LOG\n-A FORWARD -p udp --dport 53 -j DROP\n",
    ),
    (
        "above",
        "-A FORWARD -p udp -m hashlimit --hashlimit-above 2/minute --hashlimit-burst 9 --hashlimit-name NAME -j DROP\n",
    ),
    (
        "above by source",
        "-A FORWARD -m hashlimit --hashlimit-above 2/minute --hashlimit-mode srcip --hashlimit-name NAME -j DROP\n",
    ),
    (
        "above by both",
        "-A FORWARD -p tcp -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 3 --hashlimit-mode srcip,dstip --hashlimit-name NAME -j DROP\n",
    ),
    (
        "above by network",
        "-A FORWARD -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 13 --hashlimit-mode dstip --hashlimit-dstmask 28 --hashlimit-name NAME -j DROP\n",
    ),
    (
        "up to",
        "-A FORWARD -p udp -m hashlimit --hashlimit-upto 2/minute --hashlimit-burst 4 --hashlimit-mode dstip --hashlimit-name NAME -j ACCEPT\n-A FORWARD -p udp -j DROP\n",
    ),
    (
        "above by port",
        "-A FORWARD -p udp -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 3 --hashlimit-mode dstport --hashlimit-name NAME -j DROP\n",
    ),
    (
        "shared",
        "-A FORWARD -p udp -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 3 --hashlimit-name NAME -j DROP\n-A FORWARD -p tcp -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 3 --hashlimit-name NAME -j DROP\n",
    ),
];

#[test]
fn limits_let_through_in_the_kernel_what_ours_says() {
    if !can_ask() {
        return;
    }
    let mut dice = Dice(7);
    let (mut wrong, mut compared, mut undecided) = (Vec::new(), 0, 0);
    for backend in ["legacy", "nft"] {
        let router = Router::new(backend);
        for (at, (name, text)) in LIMITS.iter().enumerate() {
            // A table of counts lives on for a while after its last rule.
            let text = text.replace("NAME", &format!("table{at}"));
            let file = |program: &str| {
                format!(
                    "# Generated by {program}-save\n*filter\n:FORWARD ACCEPT [0:0]\n{text}COMMIT\n"
                )
            };
            let rules = Rules { v4: file("iptables"), v6: file("ip6tables"), ..Rules::default() };
            let packets: Vec<Packet> = (0..600).map(|_| Packet::random(&mut dice, false)).collect();
            let frames: Vec<Vec<u8>> =
                packets.iter().zip(1u16..).map(|(packet, number)| packet.frame(number)).collect();
            router.load(&rules);
            let passed = router.send(&frames);
            let texts = [rules.v4.as_str(), &rules.v6];
            let (set, problems, _) = read(&format!("iptables-{backend}"), &texts);
            assert!(errors(&problems).is_empty(), "{name}: {problems:?}");
            let names = Names::new();
            let matcher = compile([&set], &names);
            let mut tracer = Tracer::new(&set, (&matcher, 0), None);
            let mut differ = 0;
            for (number, (packet, frame)) in packets.iter().zip(&frames).enumerate() {
                let said = tracer.trace(&record(frame)).disposition();
                let passes = passed.contains(&(packet.is_v6, number as u16 + 1));
                compared += 1;
                match said {
                    Disposition::CannotTell => undecided += 1,
                    said => differ += usize::from(said.is_lost() == passes),
                }
            }
            if differ > 0 {
                wrong.push(format!("{backend} {name}: {differ} packets differ\n{text}"));
            }
        }
    }
    println!("{} limits, {compared} packets, {undecided} may be either", 2 * LIMITS.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every file of the collection is read or refused, and none makes us panic.
#[test]
fn files_of_others_are_read_or_refused() {
    let Some(folder) = std::env::var_os("BLASTGATE_RULEFILES") else {
        println!("skipped: BLASTGATE_RULEFILES does not name a folder of rule files");
        return;
    };
    let mut files: Vec<_> = std::fs::read_dir(Path::new(&folder).join("iptables"))
        .expect("a folder of rule files")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        let (set, problems, sources) = read("iptables", &[&text]);
        let rules: usize = set.coverage.iter().map(|one| one.rules).sum();
        let bounded: usize = set.coverage.iter().map(|one| one.bounded.len()).sum();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("{name}: {rules} rules, {bounded} bounded, {} refused", errors(&problems).len());
        for problem in problems {
            let place = problem.location.map(|place| sources.line_column(place));
            println!("    {place:?} {}; {}", problem.message, problem.help.unwrap_or_default());
        }
    }
}

#[test]
fn a_hundred_thousand_lines_are_read() {
    let mut text =
        "# Generated by iptables-save v1.8.9\n*filter\n:FORWARD ACCEPT [0:0]\n".to_owned();
    for number in 0..100_000u32 {
        let [_, a, b, c] = number.to_be_bytes();
        let port = 1 + number % 60_000;
        writeln!(text, "[0:0] -A FORWARD -s 10.{a}.{b}.{c}/32 -p tcp -m tcp --dport {port} -m comment --comment \"rule {number}\" -j DROP")
            .expect("text");
    }
    text.push_str("COMMIT\n");
    let start = Instant::now();
    let (set, problems, _) = read("iptables", &[&text]);
    println!("{} rules of {} bytes in {:?}", set.rules.len(), text.len(), start.elapsed());
    assert!(errors(&problems).is_empty(), "{:?}", problems.first());
    assert_eq!(set.rules.len(), 100_000);
}
