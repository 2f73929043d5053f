//! Impact against an obvious twin: every packet decided, judged and charged by itself, straight
//! from the sentences of the manual, without paths, tallies or tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blastgate::attribution::Party;
use blastgate::change::Change;
use blastgate::impact::Impact;
use blastgate::model::{
    Direction, Family, Known, Label, Layers, NameId, Names, PacketHeader, Record, SourceId,
};
use blastgate::scenario::Scenario;
use proptest::prelude::*;

use crate::common::{assess, rules};

const INVENTORY: &str = "
version: 1
customers:
  - {id: a, prefixes: [10.0.0.0/30]}
  - {id: b, prefixes: [10.0.0.4/30]}
  - {id: inner, prefixes: [10.0.0.6/32]}
  - {id: s, prefixes: [10.0.0.12/32]}
  - {id: t, prefixes: [10.0.0.13/32]}
shared:
  - {prefixes: [10.0.0.8/32], customers: [s, t]}
infrastructure:
  - {id: router, prefixes: [10.0.0.10/31], services: [bgp]}
";

/// The addresses of the small world: 10.0.0.0 to 10.0.0.15.
const ADDRESSES: u32 = 16;

/// Who owns an address, by hand: the sharers of .8 are one group.
fn owner(address: u32) -> Option<&'static str> {
    match address {
        0..=3 => Some("a"),
        6 => Some("inner"),
        4..=7 => Some("b"),
        8 => Some("shared"),
        12 => Some("s"),
        13 => Some("t"),
        _ => None,
    }
}

#[derive(Clone, Debug)]
struct Packet {
    src: u32,
    dst: u32,
    tcp: bool,
    port: u16,
    attack: bool,
}

#[derive(Clone, Debug)]
struct OwnRule {
    id: usize,
    dst: Option<(u32, u32)>,
    tcp: Option<bool>,
    action: &'static str,
    may_affect: Vec<&'static str>,
}

fn world() -> impl Strategy<Value = (Vec<OwnRule>, Vec<OwnRule>, Vec<Packet>)> {
    let rule = (
        0usize..8,
        prop::option::of((0u32..ADDRESSES, 0u32..3)),
        prop::option::of(any::<bool>()),
        prop::sample::select(vec!["accept", "drop", "reject", "log", "challenge"]),
        prop::sample::subsequence(vec!["a", "b", "inner", "s", "t", "unowned"], 0..4),
    )
        .prop_map(|(id, dst, tcp, action, may_affect)| OwnRule {
            id,
            dst: dst.map(|(base, bits)| {
                let first = base & !((1 << bits) - 1);
                (first, first + (1 << bits) - 1)
            }),
            tcp,
            action,
            may_affect,
        });
    let rules = prop::collection::vec(rule, 0..6).prop_map(|rules| {
        let mut ids = BTreeSet::new();
        rules.into_iter().filter(|rule| ids.insert(rule.id)).collect::<Vec<_>>()
    });
    let packet = (0..ADDRESSES, 0..ADDRESSES, any::<bool>(), any::<bool>(), 0u8..4).prop_map(
        |(src, dst, tcp, bgp, label)| Packet {
            src,
            dst,
            tcp,
            port: if bgp { 179 } else { 80 },
            attack: label == 0,
        },
    );
    (rules.clone(), rules, prop::collection::vec(packet, 1..60))
}

fn text(rules: &[OwnRule]) -> String {
    let mut text = String::from("version: 1\nrules:\n");
    if rules.is_empty() {
        return "version: 1\nrules: []\n".to_owned();
    }
    for rule in rules {
        let mut terms = Vec::new();
        if let Some((first, last)) = rule.dst {
            terms.push(format!("dst: 10.0.0.{first}-10.0.0.{last}"));
        }
        if let Some(tcp) = rule.tcp {
            terms.push(format!("protocol: {}", if tcp { "tcp" } else { "udp" }));
        }
        let matches =
            if terms.is_empty() { "any".to_owned() } else { format!("{{{}}}", terms.join(", ")) };
        let affect =
            if rule.may_affect.is_empty() { "none".to_owned() } else { rule.may_affect.join(", ") };
        text.push_str(&format!(
            "  - {{id: r{}, match: {matches}, action: {}, intent: {{target: [a], may_affect: [{affect}]}}}}\n",
            rule.id, rule.action
        ));
    }
    text
}

//------------ The twin ------------------------------------------------------

/// Returns the first rule that decides a packet.
fn decide<'r>(rules: &'r [OwnRule], packet: &Packet) -> Option<&'r OwnRule> {
    rules.iter().find(|rule| {
        rule.action != "log"
            && rule.dst.is_none_or(|(first, last)| (first..=last).contains(&packet.dst))
            && rule.tcp.is_none_or(|tcp| tcp == packet.tcp)
    })
}

fn is_lost(rule: Option<&OwnRule>) -> bool {
    rule.is_some_and(|rule| rule.action != "accept")
}

/// How much a packet is harmed: challenged is not yet lost.
fn degree(rule: Option<&OwnRule>) -> u8 {
    match rule.map(|rule| rule.action) {
        Some("drop" | "reject") => 2,
        Some("challenge") => 1,
        _ => 0,
    }
}

fn is_protected(packet: &Packet) -> bool {
    packet.tcp
        && packet.port == 179
        && [packet.src, packet.dst].iter().any(|end| matches!(end, 10 | 11))
}

/// Returns who is charged by default.
fn usual(packet: &Packet) -> BTreeSet<&'static str> {
    let mut charged: BTreeSet<&str> =
        [packet.src, packet.dst].into_iter().filter_map(owner).collect();
    if charged.is_empty() && !is_protected(packet) && !is_control_plane(packet) {
        charged.insert("(unowned)");
    }
    charged
}

fn is_control_plane(packet: &Packet) -> bool {
    let nobodys = [packet.src, packet.dst].into_iter().all(|end| owner(end).is_none());
    nobodys && packet.tcp && packet.port == 179 && !is_protected(packet)
}

/// Returns who is charged if an intent allows the loss.
fn within(may_affect: &[&'static str], packet: &Packet) -> Option<BTreeSet<&'static str>> {
    let has = |owner: &&str| match *owner {
        "shared" => may_affect.contains(&"s") && may_affect.contains(&"t"),
        "(unowned)" => may_affect.contains(&"unowned"),
        owner => may_affect.contains(&owner),
    };
    let charged: BTreeSet<&str> = usual(packet).into_iter().filter(has).collect();
    (!charged.is_empty()).then_some(charged)
}

type Sums = BTreeMap<(String, bool), [u64; 3]>;

/// Sums offered, collateral and intended losses by (party, whether the service is named 179).
fn twin(running: &[OwnRule], candidate: &[OwnRule], packets: &[Packet]) -> Sums {
    let mut sums = Sums::new();
    for packet in packets.iter().filter(|packet| !packet.attack) {
        let (before, after) = (decide(running, packet), decide(candidate, packet));
        let mut protected = BTreeSet::new();
        if is_protected(packet) {
            protected.insert("router");
        }
        if is_control_plane(packet) {
            protected.insert("(control-plane)");
        }
        let mut add = |party: &str, at: usize| {
            let service = packet.tcp && packet.port == 179;
            sums.entry((party.to_owned(), service)).or_default()[at] += 1;
        };
        for party in usual(packet).iter().chain(&protected) {
            add(party, 0);
        }
        if !is_lost(after) {
            continue;
        }
        let rule = after.expect("lost by a rule");
        let former_forbids = before.is_some_and(|former| {
            let now = candidate.iter().find(|rule| rule.id == former.id);
            let unmet = now.is_none_or(|now| now.id != rule.id);
            let judge = now.unwrap_or(former);
            unmet
                && disturbed(running, candidate, former)
                && within(&judge.may_affect, packet).is_none()
        });
        let allowed = within(&rule.may_affect, packet).filter(|_| !former_forbids);
        let is_worse = degree(after) > degree(before);
        // Outside `may_affect` challenged counts as lost, within it only drops do.
        let drops = |rule: Option<&OwnRule>| {
            rule.is_some_and(|rule| matches!(rule.action, "drop" | "reject"))
        };
        match allowed {
            Some(parties) if drops(after) && !drops(before) => {
                parties.iter().for_each(|party| add(party, 2));
            }
            Some(_) => {}
            None if is_worse => usual(packet).iter().for_each(|party| add(party, 1)),
            None => {}
        }
        if is_worse {
            protected.iter().for_each(|party| add(party, 1));
        }
    }
    sums
}

/// Returns whether the change removes, edits or moves a running rule. Which of two swapped rules
/// counts as moved is the program's choice, so that is asked from it.
fn disturbed(running: &[OwnRule], candidate: &[OwnRule], rule: &OwnRule) -> bool {
    let (running, candidate) = (rules(&text(running)), rules(&text(candidate)));
    let at = running.rules.iter().position(|one| one.id == format!("r{}", rule.id));
    Change::between(&running, &candidate).disturbs(at.expect("a running rule"))
}

//------------ The program ---------------------------------------------------

fn record(packet: &Packet, number: usize, pop: NameId) -> Record {
    let address = |last: u32| u128::from(0x0a00_0000 + last);
    Record {
        time_ns: 0,
        duration_ns: 0,
        header: PacketHeader {
            known: Known::ALL,
            layers: if packet.tcp { Layers::PORTS.with(Layers::TCP_FLAGS) } else { Layers::PORTS },
            src: address(packet.src),
            dst: address(packet.dst),
            protocol: if packet.tcp { 6 } else { 17 },
            src_port: 50_000,
            dst_port: packet.port,
            packet_length: 100,
            ..PacketHeader::unknown(Family::V4)
        },
        pop: Some(pop),
        exporter: None,
        direction: Direction::Ingress,
        packets: 1,
        bytes: 100,
        weight: 1,
        label: if packet.attack { Label::Attack } else { Label::None },
        customer: None,
        source: SourceId(0),
        number: number as u64 + 1,
    }
}

fn program(running: &[OwnRule], candidate: &[OwnRule], packets: &[Packet]) -> (Sums, Impact) {
    let (running, candidate) = (rules(&text(running)), rules(&text(candidate)));
    let names = Arc::new(Names::new());
    let pop = names.intern("ams");
    let records = packets.iter().enumerate().map(|(at, packet)| record(packet, at, pop)).collect();
    let sets = [&running, &candidate];
    let (inventory, impact) = assess(INVENTORY, sets, &names, records, Scenario::recorded());
    let mut sums = Sums::new();
    for group in &impact.groups {
        let party = match group.id.party {
            Party::Shared(_) => "shared".to_owned(),
            party => party.name(&inventory),
        };
        let sum = sums.entry((party, false)).or_default();
        let (lost, dropped) = (group.total.newly_lost(), group.total.newly_dropped());
        assert_eq!(lost.least, lost.greatest, "packets know everything");
        assert_eq!(dropped.least, dropped.greatest, "packets know everything");
        sum[0] += group.total.offered.packets;
        sum[1] += lost.least.packets;
        sum[2] += dropped.least.packets;
    }
    (sums, impact)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn impact_is_what_deciding_packet_by_packet_says(
        (running, candidate, packets) in world(),
    ) {
        // Small groups are joined, so services are summed up on both sides.
        let mut expected = Sums::new();
        for ((party, _), sum) in twin(&running, &candidate, &packets) {
            let known = expected.entry((party, false)).or_default();
            (0..3).for_each(|at| known[at] += sum[at]);
        }
        let (found, impact) = program(&running, &candidate, &packets);
        prop_assert_eq!(&found, &expected, "\nrunning {}\ncandidate {}", text(&running), text(&candidate));
        // Attack is not harm, and its stopped share is of what the rules stop.
        let stopped = |rules: &[OwnRule]| {
            let attack = packets.iter().filter(|packet| packet.attack);
            attack.filter(|packet| is_lost(decide(rules, packet))).count() as u64
        };
        let sum = |of: fn(&blastgate::impact::Attack) -> u64| {
            impact.attack.values().map(of).sum::<u64>()
        };
        prop_assert_eq!(sum(|attack| attack.candidate.least.packets), stopped(&candidate));
        prop_assert_eq!(sum(|attack| attack.running.least.packets), stopped(&running));
    }
}
