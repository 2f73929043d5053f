//! The Linux kernel as the judge of the language nftables: rulesets, made by hand and by chance, are
//! loaded with `nft -f`, packets are sent through, and every one fares as our rules say, read from
//! the text and from what `nft -j list ruleset` prints.
//!
//! The chains stand at prerouting, where a packet of any kind still is what it was on the wire. Its
//! receiver's hardware address is its number; what passed all chains is noted behind them. Where
//! ours cannot tell, the kernel's answer must be one of those that ours holds possible; such packets
//! are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

use blastgate::languages::{Files, LANGUAGES, Path, Way};
use blastgate::matcher::{Truth, scan::Test};
use blastgate::model::ordinary::{carried, only_known};
use blastgate::model::{
    Action, DefaultAction, Direction, Exceed, Family, Fragment, KeyPart, Known, Label, Names,
    PacketHeader, Record, RuleSet, SourceId, Sources,
};
use blastgate::policer::{self, Packet, Policer, State};

use crate::common;
use crate::kernel::Space;
use crate::witnesses::frames;
pub(crate) use rulesets::Dice;

#[path = "nft_kernel/rulesets.rs"]
mod rulesets;

/// Rulesets made by chance.
const MADE: u64 = 60;
/// Packets for each.
const PACKETS: usize = 400;

/// Returns a packet by chance, of the few addresses and ports that rules ask for.
pub(crate) fn packet(dice: &mut Dice) -> PacketHeader {
    let v6 = dice.roll(3) == 0;
    let family = if v6 { Family::V6 } else { Family::V4 };
    let address = |dice: &mut Dice| match v6 {
        false => 0x0a00_0000 + u128::from(dice.roll(16)),
        true => 0x2001_0db8 << 96 | u128::from(dice.roll(16)),
    };
    let port = |dice: &mut Dice| *dice.pick(&[22, 53, 80, 179, 443, 1_024, 50_000]);
    let mut header = PacketHeader {
        known: Known::ALL.without(Known::POP),
        src: address(dice),
        dst: address(dice),
        protocol: *dice.pick(&[6, 6, 6, 17, 17, if v6 { 58 } else { 1 }, 47, 132]),
        src_port: port(dice),
        dst_port: port(dice),
        tcp_flags: *dice.pick(&[2, 16, 18, 1, 4, 24, 41, 0]),
        icmp_type: *dice.pick(&[0, 3, 8, 11, 128, 129, 134]),
        icmp_code: *dice.pick(&[0, 1, 3, 4]),
        packet_length: 80 + dice.roll(1_300) as u32,
        dscp: *dice.pick(&[0, 8, 10, 46]),
        ttl: *dice.pick(&[1, 2, 5, 64, 255]),
        fragment: match dice.roll(8) {
            0 => Fragment(dice.roll(4) as u8),
            1 if !v6 => Fragment::DONT,
            _ => Fragment::NONE,
        },
        ..PacketHeader::unknown(family)
    };
    header.layers = carried(header.protocol, family, header.fragment);
    only_known(header)
}

fn record(header: PacketHeader) -> Record {
    Record {
        time_ns: 0,
        duration_ns: 0,
        header,
        pop: None,
        exporter: None,
        direction: Direction::Ingress,
        packets: 1,
        bytes: header.packet_length.into(),
        weight: 1,
        label: Label::None,
        customer: None,
        source: SourceId(0),
        number: 1,
    }
}

//------------ Ours -----------------------------------------------------------

/// A set of rules with the state of its buckets.
pub(crate) struct Ours {
    set: RuleSet,
    tests: Vec<Test>,
    policers: Vec<Option<Box<dyn Policer>>>,
    /// By name (or rule) and key: the bucket, and whether it is known what is in it.
    buckets: BTreeMap<(String, String), (State, bool)>,
}

/// What may become of a packet: it passes, it is lost.
pub(crate) type Fates = [bool; 2];

impl Ours {
    pub(crate) fn read(text: &str) -> Ours {
        let mut sources = Sources::new();
        let file = sources.add("rules.nft", text);
        let way = Way { path: Path::Prerouting, iif: Some("in".to_owned()), oif: None };
        let included = BTreeMap::new();
        let files = Files { sources: &sources, files: &[file], included: &included, way: &way };
        let language = LANGUAGES.iter().find(|one| one.name == "nftables").expect("it is listed");
        let (set, problems) = (language.parse)(&files);
        let bad: Vec<_> = problems
            .iter()
            .filter(|one| one.severity == blastgate::model::Severity::Error)
            .map(|one| (&one.message, one.location.map(|place| sources.line_column(place))))
            .collect();
        assert!(bad.is_empty(), "{bad:?}\n{text}");
        Ours::of(set)
    }

    /// Takes rules of any language, for one box.
    pub(crate) fn of(set: RuleSet) -> Ours {
        let names = Names::new();
        let tests = set.rules.iter().map(|rule| Test::compile(&rule.matches, &names)).collect();
        let policers = set
            .rules
            .iter()
            .map(|rule| match &rule.action.value {
                Action::RateLimit(limit) => Some(policer::compile(limit)),
                _ => None,
            })
            .collect();
        Ours { set, tests, policers, buckets: BTreeMap::new() }
    }

    pub(crate) fn fates(&mut self, header: &PacketHeader) -> Fates {
        let record = record(*header);
        let mut fates = [false, false];
        let mut certain = true;
        for (at, rule) in self.set.rules.iter().enumerate() {
            let truth = self.tests[at].decide(&record);
            if truth == Truth::No {
                continue;
            }
            let sure = truth == Truth::Yes;
            let fate = match &rule.action.value {
                Action::Accept => 0,
                Action::Drop | Action::Reject => 1,
                Action::RateLimit(limit) => {
                    let key = limit.per.iter().map(|part| key(*part, header)).collect::<String>();
                    let name = limit.bucket.clone().unwrap_or_else(|| format!("rule {at}"));
                    let policer = self.policers[at].as_ref().expect("a policer");
                    let (state, known) =
                        self.buckets.entry((name, key)).or_insert_with(|| (policer.fresh(0), true));
                    // Whether the packet comes here at all decides what is left for the next ones.
                    *known &= sure && certain;
                    let packet = Packet { time_ns: 0, packets: 1, bytes: record.bytes };
                    let conforms = policer.conforms(state, packet);
                    let loses = matches!(limit.exceed, Exceed::Drop | Exceed::Reject);
                    if !loses || (*known && conforms) {
                        continue;
                    }
                    if *known {
                        fates[1] = true;
                        return fates;
                    }
                    fates[1] = true;
                    certain = false;
                    continue;
                }
                Action::Log | Action::Mark { .. } => continue,
                other => panic!("no such action here: {other:?}"),
            };
            fates[fate] = true;
            if sure {
                return fates;
            }
            certain = false;
        }
        fates[usize::from(self.set.default.action == DefaultAction::Drop)] = true;
        fates
    }
}

fn key(part: KeyPart, header: &PacketHeader) -> String {
    let cut = |bits: u128, v4: u8, v6: u8| match header.family {
        Family::V4 => format!("4:{:x} ", bits >> (32 - u32::from(v4))),
        Family::V6 => format!("6:{:x} ", bits >> (128 - u32::from(v6))),
    };
    match part {
        KeyPart::Src { v4, v6 } => format!("s{}", cut(header.src, v4, v6)),
        KeyPart::Dst { v4, v6 } => format!("d{}", cut(header.dst, v4, v6)),
        KeyPart::SrcPort => format!("sp{} ", header.src_port),
        KeyPart::DstPort => format!("dp{} ", header.dst_port),
        KeyPart::Protocol => format!("p{} ", header.protocol),
        KeyPart::Customer => String::new(),
    }
}

//------------ The kernel -----------------------------------------------------

/// A pair of namespaces between which packets are sent.
pub(crate) struct Judge {
    from: Space,
    to: Space,
}

impl Judge {
    pub(crate) fn new() -> Judge {
        let (from, to) = (Space::new("from"), Space::new("to"));
        // The sender says nothing of its own: neighbours and groups would empty buckets.
        from.run("tee /proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
        from.run("tee /proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
        from.run("ip link add out mtu 9000 type veth peer name in", "");
        from.run(&format!("ip link set in mtu 9000 netns {}", to.name), "");
        from.run("ip link set out up", "");
        to.run("ip link set in up", "");
        Judge { from, to }
    }

    /// Returns whether nft(8) takes a ruleset: those made by chance may ask for two families at once.
    pub(crate) fn takes(&self, text: &str) -> bool {
        self.to.run("nft flush ruleset", "");
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("a file that takes bytes");
        let check = Command::new("ip")
            .args(["netns", "exec", &self.to.name, "nft", "-c", "-f"])
            .arg(file.path())
            .output();
        let check = check.expect("ip runs");
        check.status.success()
    }

    /// Loads a ruleset, sends packets, and returns the numbers of those that passed, with the JSON of
    /// the ruleset as it was loaded.
    pub(crate) fn ask(
        &self,
        text: &str,
        packets: &[PacketHeader],
    ) -> (BTreeSet<u32>, String, String) {
        self.to.run("nft flush ruleset", "");
        self.to.run("nft -f -", text);
        let json = self.to.run("nft -j list ruleset", "");
        let listed_text = self.to.run("nft list ruleset", "");
        let judge = "table netdev judge {
            set came { type ether_addr; size 1000000; flags dynamic; }
            chain before {
                type filter hook ingress device in priority -1000;
                add @came { ether daddr }
                meta pkttype set host
            }
        }
        table inet judge {
            set passed { type ether_addr; size 1000000; flags dynamic; }
            chain after {
                type filter hook prerouting priority 100000;
                add @passed { ether daddr } drop
                drop
            }
        }";
        self.to.run("nft -f -", judge);
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let all = packets.iter().enumerate();
        let bytes = all.map(|(number, header)| frames::frame(number as u32, 0, header));
        file.write_all(&frames::capture(bytes)).expect("a file that takes bytes");
        let send = format!("tcpreplay --quiet --pps=20000 --intf1=out {}", file.path().display());
        self.from.run(&send, "");
        let came = self.listed("netdev", "came");
        assert_eq!(came.len(), packets.len(), "packets were lost on the way");
        (self.listed("inet", "passed"), json, listed_text)
    }

    fn listed(&self, family: &str, set: &str) -> BTreeSet<u32> {
        let text = self.to.run(&format!("nft -j list set {family} judge {set}"), "");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let sets = json["nftables"].as_array().into_iter().flatten();
        let elements = sets.filter_map(|one| one["set"]["elem"].as_array()).flatten();
        elements.filter_map(|element| frames::number_of(element.as_str()?)).collect()
    }
}

/// Returns what is missing to ask the kernel.
pub(crate) fn missing() -> Option<String> {
    for (tool, version) in [("nft", "-V"), ("ip", "-V"), ("tcpreplay", "--version")] {
        if Command::new(tool).arg(version).output().is_err() {
            return Some(format!("{tool} is not installed"));
        }
    }
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout != b"0\n" {
        return Some("only root can make network namespaces".to_owned());
    }
    let space = Space::new("probe");
    (!space.is_made).then(|| "this machine makes no network namespaces".to_owned())
}

#[test]
fn the_kernel_does_to_packets_what_nftables_rules_say_here() {
    if let Some(missing) = missing() {
        return common::skip(&missing);
    }
    let made = std::env::var("BLASTGATE_CASES").map_or(MADE, |n| n.parse().expect("a number"));
    let by_hand = rulesets::BY_HAND.iter().map(|text| (*text).to_owned());
    let all: Vec<String> = by_hand.chain((0..made).map(rulesets::by_chance)).collect();
    let judge = Judge::new();
    let (mut packets, mut undecided, mut fates) = (0, 0, [0, 0]);
    let mut wrong = Vec::new();
    let mut refused = 0;
    for (number, text) in all.iter().enumerate() {
        if number >= rulesets::BY_HAND.len() && !judge.takes(text) {
            refused += 1;
            continue;
        }
        let mut dice = Dice::new(1_000 + number as u64);
        let sent: Vec<PacketHeader> = (0..PACKETS).map(|_| packet(&mut dice)).collect();
        let (passed, json, listed) = judge.ask(text, &sent);
        for (form, text) in [("written", text), ("listed", &listed), ("JSON", &json)] {
            let mut ours = Ours::read(text);
            let mut told = 0;
            for (at, header) in sent.iter().enumerate() {
                let passes = passed.contains(&(at as u32));
                let possible = ours.fates(header);
                packets += 1;
                undecided += usize::from(possible == [true, true]);
                fates[usize::from(!passes)] += 1;
                if !possible[usize::from(!passes)] && told < 3 {
                    told += 1;
                    let mut line = String::new();
                    writeln!(
                        line,
                        "ruleset {number} as {form}: packet {at} {}: {header:?}",
                        if passes { "passes" } else { "is lost" }
                    )
                    .expect("text");
                    wrong.push(format!("{line}{}", all[number]));
                }
            }
        }
    }
    println!(
        "{} rulesets, {packets} packets compared (each in text, listed text and JSON), {} mismatches, \
         {undecided} undecided; the kernel passed {} and dropped {}",
        all.len() - refused,
        wrong.len(),
        fates[0],
        fates[1]
    );
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(refused * 3 < all.len(), "nft(8) refuses most rulesets");
    assert!(undecided * 4 < packets, "most packets must be decided");
}
