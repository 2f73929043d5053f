//! The Linux kernel as the judge of the proof: what is said to be newly dropped is dropped by the
//! candidate and passed by the running rules, as nftables has them.
//!
//! Small pairs of rule sets that accept and drop are written in our language and, by a writer that
//! knows nothing of it, for nftables. Every packet that the proof names is sent as a frame of our
//! making through both, and through the candidate with all actions turned round, which must pass
//! it. Packets near and far from these go through both as well: they fare as the matcher says, and
//! what the kernel newly drops is charged by the proof to those whose it is.
//!
//! The rules stand at the `ingress` of an interface, before anything of the host looks at a packet:
//! martians, a TTL of 0 and lone fragments are judged like any other. The sender's hardware address
//! says which rules judge a frame, the receiver's is its number; no rule asks for either.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;

use blastgate::attribution::{Attribution, protected_parties};
use blastgate::change::Change;
use blastgate::judge;
use blastgate::matcher::{Truth, scan::Test};
use blastgate::model::ordinary::{carried, only_known};
use blastgate::model::{
    Action, DefaultAction, Direction, Family, Fragment, Known, Label, Names, PacketHeader, Record,
    RuleSet, SourceId, Sources,
};
use blastgate::reach::{Reach, Reached};
use blastgate::{inventory, packet_text};

use crate::common;
use crate::kernel::Space;
use rules::{Dice, Nft, Rules};

pub(crate) mod frames;
mod rules;

const PAIRS: u64 = 600;
/// Pairs that stand in the kernel together; it takes more than twice as long for twice as many.
const AT_ONCE: usize = 100;
/// Packets of each pair that the proof does not name.
const OTHERS: usize = 6;

const INVENTORY: &str = "
version: 1
customers:
  - {id: a, prefixes: [10.0.0.0/30, \"2001:db8::/126\"]}
  - {id: b, prefixes: [10.0.0.4/30, \"2001:db8::4/126\"]}
  - {id: inner, prefixes: [10.0.0.6/32]}
  - {id: s, hosts: [s.example]}
  - {id: t, prefixes: [10.0.0.9/32, \"2001:db8::9/128\"]}
shared:
  - {prefixes: [10.0.0.8/32, \"2001:db8::8/128\"], customers: [s, t]}
infrastructure:
  - {id: router, prefixes: [10.0.0.10/31, \"2001:db8::a/127\"], services: [bgp]}
  - {id: oob, prefixes: [10.0.0.5/32], management: true}
";

/// A packet, and what should become of it in each chain that it is sent through.
struct Sent {
    pair: u64,
    /// What it is: for whom it is a witness, or that it is none.
    what: String,
    header: PacketHeader,
    /// The number of a chain, and whether it passes there.
    expected: Vec<(u32, bool)>,
}

//------------ What is sent ---------------------------------------------------

/// Returns the packets that the proof names, and what for.
fn named(
    reached: &Reached,
    inventory: &blastgate::model::Inventory,
) -> Vec<(String, PacketHeader)> {
    let mut all = Vec::new();
    let mut add = |what: String, packet: &packet_text::Packet| {
        // What is said is what is sent.
        let text = packet_text::format(packet);
        let packet = packet_text::parse(SourceId(0), &text).expect("a packet reads back");
        all.push((format!("{what}: {text}"), packet.header));
    };
    for (party, witness) in &reached.witnesses {
        add(format!("witness for {}", party.name(inventory)), &witness.packet);
    }
    for (rule, packet) in &reached.beyond {
        add(format!("beyond {rule:?}"), packet);
    }
    for ((rule, id), packet) in &reached.protected {
        add(format!("protected {id:?} {rule:?}"), packet);
    }
    for (rule, packet) in &reached.control_plane {
        add(format!("control plane {rule:?}"), packet);
    }
    for (rule, packet) in &reached.grown {
        add(format!("grown {rule:?}"), packet);
    }
    for (shield, packets) in &reached.exposed {
        for (rule, packet) in packets {
            add(format!("exposed by {shield} to {rule:?}"), packet);
        }
    }
    all
}

/// Returns a packet by chance, often one that differs little from a given one.
fn other(dice: &mut Dice, near: Option<&PacketHeader>) -> PacketHeader {
    let v6 = near.map_or(dice.roll(3) == 0, |near| near.family == Family::V6);
    let family = if v6 { Family::V6 } else { Family::V4 };
    let address = |dice: &mut Dice| match (dice.roll(8), v6) {
        (0, false) => 0x2d00_0001,
        (0, true) => 0x2a00 << 112 | 1,
        (_, false) => 0x0a00_0000 + dice.roll(16) as u128,
        (_, true) => 0x2001_0db8 << 96 | dice.roll(16) as u128,
    };
    let port = |dice: &mut Dice| *dice.pick(&[80, 179, 53, 443, 1_024, 50_000]);
    let far = PacketHeader {
        src: address(dice),
        dst: address(dice),
        protocol: *dice.pick(&[6, 6, 17, 1, 58, 47, 132, 136, 89]),
        src_port: port(dice),
        dst_port: port(dice),
        tcp_flags: *dice.pick(&[2, 16, 18, 0, 1, 4, 132, 194]),
        icmp_type: *dice.pick(&[0, 2, 3, 8, 11, 128, 135]),
        icmp_code: *dice.pick(&[0, 1, 4]),
        packet_length: *dice.pick(&[60, 64, 100, 101, 999, 1_000, 1_500, 9_000, 65_100]),
        dscp: *dice.pick(&[0, 8, 10, 46, 63]),
        ttl: *dice.pick(&[0, 1, 2, 5, 64, 200, 255]),
        fragment: if dice.roll(3) == 0 { Fragment(dice.roll(8) as u8) } else { Fragment::NONE },
        ..PacketHeader::unknown(family)
    };
    let mut header = near.copied().unwrap_or(far);
    header.known = Known::ALL.without(Known::POP);
    for _ in 0..1 + dice.roll(2) {
        match dice.roll(11) {
            0 => header.src = far.src,
            1 | 2 => header.dst = far.dst,
            3 => header.protocol = far.protocol,
            4 => header.src_port = far.src_port,
            5 => header.dst_port = far.dst_port,
            6 => header.tcp_flags = far.tcp_flags,
            7 => (header.icmp_type, header.icmp_code) = (far.icmp_type, far.icmp_code),
            8 => header.packet_length = far.packet_length,
            9 => (header.dscp, header.ttl) = (far.dscp, far.ttl),
            _ => header.fragment = far.fragment,
        }
    }
    if v6 {
        header.fragment = header.fragment.without(Fragment::DONT);
    }
    // Long enough for all headers, and no longer than can be asked about.
    let [least, most] = if v6 { [64, frames::LONGEST_V6] } else { [36, frames::LONGEST] };
    header.packet_length = header.packet_length.clamp(least, most);
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
        bytes: 1_000,
        weight: 1,
        label: Label::None,
        customer: None,
        source: SourceId(0),
        number: 1,
    }
}

/// Returns whether a packet passes, and the rule that decided.
fn walk(set: &RuleSet, tests: &[Test], record: &Record) -> (bool, Option<u32>) {
    let takes = |test: &Test| test.decide(record) == Truth::Yes;
    match tests.iter().position(takes) {
        Some(rule) => (set.rules[rule].action.value == Action::Accept, Some(rule as u32)),
        None => (set.default.action == DefaultAction::Accept, None),
    }
}

/// Pairs that are asked about together, and what all of them add up to.
#[derive(Default)]
struct Batch {
    sent: Vec<Sent>,
    nft: Nft,
    chains: Vec<String>,
    /// By pair, both sets in our language.
    texts: BTreeMap<u64, [String; 2]>,
    /// Packets of which no frame can be made, or none that this kernel reads well.
    left_out: BTreeMap<&'static str, usize>,
    /// How many packets the proof named.
    named: usize,
    /// Others that are newly dropped though the proof does not say so, and others by what becomes
    /// of them under each.
    missed: usize,
    fates: BTreeMap<[bool; 2], usize>,
}

impl Batch {
    fn chain(&mut self, rules: &Rules) -> u32 {
        let name = format!("c{}", self.chains.len());
        rules.nft(&name, &mut self.nft);
        self.chains.push(name);
        self.chains.len() as u32 - 1
    }

    fn add(&mut self, pair: u64) {
        let mut dice = Dice::new(pair);
        let both = rules::pair(&mut dice);
        let texts = [0, 1].map(|side: usize| both[side].native());
        let sets = [0, 1].map(|side: usize| common::rules(&texts[side]));
        let mut sources = Sources::new();
        let file = sources.add("inventory.yaml", INVENTORY);
        let (inventory, problems) = inventory::load(&sources, &[file]);
        assert!(problems.is_empty(), "{problems:?}");
        let change = Change::between(&sets[0], &sets[1]);
        let (judges, customers, _) = judge::resolve(&sets[0], &sets[1], &inventory);
        let proof = Reach {
            running: &sets[0],
            candidate: &sets[1],
            change: &change,
            judges: &judges,
            inventory: &inventory,
            customers: &customers,
            clean: &BTreeSet::new(),
        };
        let reached = proof.compile().find();
        assert!(reached.undecided.is_empty(), "pair {pair}");
        let named = named(&reached, &inventory);
        let chains = [0, 1].map(|side: usize| self.chain(&both[side]));
        let flipped = self.chain(&both[1].flipped());
        self.named += named.len();
        for (what, header) in &named {
            let expected = vec![(chains[0], true), (chains[1], false), (flipped, true)];
            self.send(Sent { pair, what: what.clone(), header: *header, expected });
        }

        let names = Arc::new(Names::new());
        let attribution = Attribution::new(&inventory, &customers, &names);
        let tests = [0, 1].map(|side: usize| {
            let rules = sets[side].rules.iter();
            rules.map(|rule| Test::compile(&rule.matches, &names)).collect::<Vec<Test>>()
        });
        for at in 0..OTHERS {
            let near = (at % 2 == 0 && !named.is_empty()).then(|| &dice.pick(&named).1);
            let header = other(&mut dice, near);
            let record = record(header);
            let ways = [0, 1].map(|side: usize| walk(&sets[side], &tests[side], &record));
            let passes = ways.map(|(passes, _)| passes);
            *self.fates.entry(passes).or_default() += 1;
            let rule = ways[1].1;
            if passes == [true, false] {
                let ends = attribution.attribute(&record);
                let may_reach = &judges.of(rule).may_reach;
                let charged = may_reach.charged(&ends, &attribution);
                let charged = charged.unwrap_or_else(|| attribution.charged(&ends));
                let is_found = |party| reached.witnesses.contains_key(&party);
                if !charged.into_iter().chain(protected_parties(&ends)).all(is_found) {
                    self.missed += 1;
                }
            }
            let expected = vec![(chains[0], passes[0]), (chains[1], passes[1])];
            self.send(Sent { pair, what: format!("{header:?}"), header, expected });
        }
        self.texts.insert(pair, texts);
    }

    fn send(&mut self, sent: Sent) {
        match frames::unsendable(&sent.header) {
            Some(reason) => *self.left_out.entry(reason).or_default() += 1,
            None => self.sent.push(sent),
        }
    }

    /// Holds what passed against what should, notes where they differ, and returns how many frames
    /// there were.
    fn judge(&self, passed: &BTreeSet<u32>, wrong: &mut Vec<String>) -> u32 {
        let mut number = 0;
        for sent in &self.sent {
            let mut fates = Vec::new();
            for _ in &sent.expected {
                fates.push(passed.contains(&number));
                number += 1;
            }
            let expected: Vec<bool> = sent.expected.iter().map(|(_, passes)| *passes).collect();
            if fates != expected {
                let [running, candidate] = &self.texts[&sent.pair];
                wrong.push(format!(
                    "pair {}: {}\n  kernel passes {fates:?}, expected {expected:?}\n\
                     running:\n{running}candidate:\n{candidate}",
                    sent.pair, sent.what
                ));
            }
        }
        number
    }

    /// Returns every frame: its number, that of its chain, its header.
    fn frames(&self) -> Vec<(u32, u32, &PacketHeader)> {
        let each = self
            .sent
            .iter()
            .flat_map(|sent| sent.expected.iter().map(move |(chain, _)| (*chain, &sent.header)));
        each.enumerate().map(|(number, (chain, header))| (number as u32, chain, header)).collect()
    }
}

//------------ The kernel -----------------------------------------------------

/// Returns whether the kernel can be asked; says what is missing, or fails if it is required.
fn can_ask() -> bool {
    let Some(missing) = missing() else { return true };
    common::skip(&missing);
    false
}

fn missing() -> Option<String> {
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

/// Sends frames through the chains that they name, and returns the numbers of those that passed.
fn ask(batch: &Batch) -> BTreeSet<u32> {
    let (from, to) = (Space::new("from"), Space::new("to"));
    from.run(&format!("ip link add out mtu {} type veth peer name in", frames::LONGEST), "");
    from.run(&format!("ip link set in mtu {} netns {}", frames::LONGEST, to.name), "");
    from.run("ip link set out up", "");
    to.run("ip link set in up", "");
    let frames = batch.frames();
    let gates: Vec<String> = (0u32..)
        .zip(&batch.chains)
        .map(|(number, name)| format!("{} : goto {name}", frames::mac_text(number)))
        .collect();
    let table = format!(
        "table netdev judge {{
            set came {{ type ether_addr; size 1000000; flags dynamic; }}
            set passed {{ type ether_addr; size 1000000; flags dynamic; }}
            chain no {{ meta mark set 0; }}
            {}
            chain before {{
                type filter hook ingress device in priority -10;
                add @came {{ ether daddr }}
            }}
            chain rules {{
                type filter hook ingress device in priority 0;
                {}
                ether saddr vmap {{ {} }}
            }}
            chain after {{
                type filter hook ingress device in priority 10;
                add @passed {{ ether daddr }} drop
                drop
            }}
        }}",
        batch.nft.chains,
        rules::NOTE,
        gates.join(", ")
    );
    to.run("nft -f -", &table);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let bytes = frames.iter().map(|(number, chain, header)| frames::frame(*number, *chain, header));
    file.write_all(&frames::capture(bytes)).expect("a file that takes bytes");
    let send = format!("tcpreplay --quiet --pps=20000 --intf1=out {}", file.path().display());
    from.run(&send, "");
    let came = listed(&to, "came");
    let lost: Vec<u32> =
        frames.iter().map(|(number, ..)| *number).filter(|n| !came.contains(n)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} frames were lost on the way: {lost:?}",
        lost.len(),
        frames.len()
    );
    listed(&to, "passed")
}

/// Reads a set of numbers.
fn listed(space: &Space, set: &str) -> BTreeSet<u32> {
    let text = space.run(&format!("nft -j list set netdev judge {set}"), "");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let sets = json["nftables"].as_array().into_iter().flatten();
    let elements = sets.filter_map(|one| one["set"]["elem"].as_array()).flatten();
    elements.filter_map(|element| frames::number_of(element.as_str()?)).collect()
}

#[test]
fn the_kernel_drops_every_witness_under_the_candidate_alone() {
    if !can_ask() {
        return;
    }
    let pairs = std::env::var("BLASTGATE_CASES").map_or(PAIRS, |n| n.parse().expect("a number"));
    let mut batch = Batch::default();
    let mut wrong = Vec::new();
    let (mut frames, mut packets, mut made) = (0, 0, 0);
    for first in (0..pairs).step_by(AT_ONCE) {
        batch.sent.clear();
        batch.chains.clear();
        batch.texts.clear();
        batch.nft = Nft::default();
        (first..pairs.min(first + AT_ONCE as u64)).for_each(|pair| batch.add(pair));
        let passed = ask(&batch);
        frames += batch.judge(&passed, &mut wrong);
        packets += batch.sent.len();
        made += batch.nft.made;
    }
    let left_out: usize = batch.left_out.values().sum();
    println!(
        "{pairs} pairs: the proof names {} packets; {packets} packets sent with others, as {frames} \
         frames; {made} chains for parts of rules; left out: {:?}; others by whether they pass: {:?}",
        batch.named, batch.left_out, batch.fates
    );
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(batch.missed, 0, "packets that are newly dropped, and nobody reached by them");
    assert!(left_out * 20 < batch.named, "most packets must be judged");
    assert!(batch.named as u64 > pairs, "the proof names few packets");
    assert_eq!(batch.fates.len(), 4, "others are all alike: {:?}", batch.fates);
}
