//! Rule sets over the world's addresses: like those that ClassBench draws (prefix pairs of several
//! lengths; ports wild, exact or ranges), and wide ones that name no address.

use std::fmt::Write as _;

use super::traffic::{Attack, Vector, attacks};
use super::{Address, Block, Dice};

/// What harms may harm everybody: benches are about time, not about the verdict.
const INTENT: &str = "intent: {target: [all], may_affect: [all], may_reach: [all]}";

/// A rule: its name, and the rest of it.
#[derive(Clone)]
struct Written {
    id: String,
    rest: String,
}

/// The shape of a rule set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Mitigations of the 20 attacks (as far as there is room) among rules for prefixes.
    Mixed,
    /// Ranges of ports, lengths and TTLs; no address.
    Wide,
}

/// Returns a rule set, and the same before ten of its rules were edited (in sets of less than
/// twenty: before half of them were, or one).
pub(crate) fn sets(shape: Shape, count: usize, blocks: &[Block]) -> [String; 2] {
    let mut dice = Dice::new(10 + count as u64);
    let mut new: Vec<Written> = match shape {
        Shape::Mixed => (0..count).map(|at| mixed(&mut dice, blocks, format!("r{at}"))).collect(),
        Shape::Wide => (0..count).map(|at| wide(&mut dice, count, format!("w{at}"))).collect(),
    };
    if shape == Shape::Mixed {
        // Spread over the set, the first attack in front.
        let attacks = attacks(blocks);
        let most = attacks.len().min(count);
        for (at, attack) in attacks[..most].iter().enumerate() {
            new[at * count / most] = mitigation(attack, format!("attack{at}"), at % 5 == 4);
        }
    }
    let mut old = new.clone();
    let edits = 10.min(count / 2).max(1);
    for edit in 0..edits {
        let at = (edit * count / edits + count / edits / 2 + edit) % count;
        old[at] = match shape {
            Shape::Mixed => mixed(&mut dice, blocks, old[at].id.clone()),
            Shape::Wide => wide(&mut dice, count, old[at].id.clone()),
        };
    }
    [text(&new), text(&old)]
}

fn text(rules: &[Written]) -> String {
    let mut text = String::from("version: 1\nrules:\n");
    for rule in rules {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  - {{id: {}, {}}}", rule.id, rule.rest);
    }
    text
}

/// Returns an address or prefix as it stands in a rule.
fn quoted(address: Address) -> String {
    if address.is_v6 { format!("\"{address}\"") } else { address.to_string() }
}

/// Returns the match of an attack.
pub(crate) fn attack_match(attack: &Attack) -> String {
    let dst = quoted(attack.target);
    match attack.vector {
        Vector::Reflection(port, _) => format!("{{dst: {dst}, protocol: udp, src_port: {port}}}"),
        Vector::SynFlood => {
            format!("{{dst: {dst}, protocol: tcp, dst_port: 443, tcp_flags: \"syn,!ack\"}}")
        }
        Vector::AckFlood => format!("{{dst: {dst}, protocol: tcp, tcp_flags: \"=ack\"}}"),
        Vector::Fragments => format!("{{dst: {dst}, protocol: udp, fragment: not_first}}"),
        Vector::Gre => format!("{{dst: {dst}, protocol: 47}}"),
        Vector::Carpet => {
            let dst = attack.block.prefix(attack.block.length);
            format!("{{dst: {dst}, protocol: udp, packet_length: 100-1100}}")
        }
        Vector::Ping => format!("{{dst: {dst}, protocol: icmp, icmp_type: echo-request}}"),
    }
}

fn mitigation(attack: &Attack, id: String, is_limit: bool) -> Written {
    let action =
        if is_limit { "{rate_limit: {rate: 1 Mbps, per: [dst], scope: pop}}" } else { "drop" };
    let matches = attack_match(attack);
    Written { id, rest: format!("match: {matches}, action: {action}, {INTENT}") }
}

fn mixed(dice: &mut Dice, blocks: &[Block], id: String) -> Written {
    let block = blocks[dice.roll(blocks.len() as u64) as usize];
    let is_v6 = block.first.is_v6;
    let mut fields = Vec::new();
    // ClassBench's firewall and access-list seeds: long destinations, sources of every length.
    let dst = match dice.roll(100) {
        0..30 => quoted(block.host(dice)),
        30..75 => block.prefix(block.length),
        75..90 if is_v6 => block.prefix(44),
        75..90 => block.prefix(22),
        90..96 if is_v6 => block.prefix(40),
        90..96 => block.prefix(18),
        _ => String::new(),
    };
    if !dst.is_empty() {
        fields.push(format!("dst: {dst}"));
    }
    let first = Address { is_v6: false, bits: 0x4000_0000 + u128::from(dice.roll(0x6000_0000)) };
    let around = Block { first, length: 32, customer: 0 };
    match dice.roll(100) {
        // A rule without a destination has a source: there are wide sets of their own.
        0..45 if !dst.is_empty() => {}
        _ if is_v6 && !dst.is_empty() => {}
        0..60 => fields.push(format!("src: {}", around.prefix(8 + dice.roll(9) as u8))),
        60..85 => fields.push(format!("src: {}", around.prefix(17 + dice.roll(8) as u8))),
        _ => fields.push(format!("src: {first}")),
    }
    let exact = [443, 80, 53, 22, 25, 123, 3_389, 8_080, 1_900, 11_211, 389, 445];
    let port = |dice: &mut Dice| match dice.roll(3) {
        0 => dice.roll(65_535).to_string(),
        _ => exact[dice.roll(exact.len() as u64) as usize].to_string(),
    };
    let range = |dice: &mut Dice| match dice.roll(3) {
        0 => "1024-65535".to_owned(),
        1 => "0-1023".to_owned(),
        _ => {
            let first = dice.roll(60_000);
            format!("{first}-{}", first + 1 + dice.roll(5_000))
        }
    };
    let has_ports = match dice.roll(100) {
        0..50 => {
            fields.push("protocol: tcp".to_owned());
            if dice.chance(15) {
                fields.push("tcp_flags: \"syn,!ack\"".to_owned());
            }
            true
        }
        50..85 => {
            fields.push("protocol: udp".to_owned());
            true
        }
        85..90 => {
            fields.push(format!("protocol: {}", if is_v6 { "icmpv6" } else { "icmp" }));
            false
        }
        _ => false,
    };
    if has_ports {
        match dice.roll(100) {
            0..15 => fields.push(format!("src_port: {}", port(dice))),
            15..20 => fields.push(format!("src_port: {}", range(dice))),
            _ => {}
        }
        match dice.roll(100) {
            0..45 => fields.push(format!("dst_port: {}", port(dice))),
            45..65 => fields.push(format!("dst_port: {}", range(dice))),
            _ => {}
        }
    }
    if dice.chance(5) {
        fields.push("packet_length: 0-1200".to_owned());
    }
    let action = match dice.roll(100) {
        0..60 => "drop",
        60..95 => "accept",
        _ => "{rate_limit: {rate: 100 Mbps, per: [dst]}}",
    };
    let intent = if action == "accept" { String::new() } else { format!(", {INTENT}") };
    Written { id, rest: format!("match: {{{}}}, action: {action}{intent}", fields.join(", ")) }
}

/// A rule of three ranges, so wide that all overlap and so narrow that few take a packet: a record
/// meets one of them after about a fifth of the set.
fn wide(dice: &mut Dice, count: usize, id: String) -> Written {
    // A third of the domain in sets of a hundred, a sixth in sets of a thousand, …
    let part = 3 << (count.max(100).ilog10() - 2);
    let range = |dice: &mut Dice, name: &str, most: u64| {
        let first = dice.roll(most);
        let last = (first + most / part / 2 + dice.roll(most / part)).min(most);
        format!("{name}: {first}-{last}")
    };
    let mut fields = vec![
        range(dice, "src_port", 65_535),
        range(dice, "dst_port", 65_535),
        range(dice, "packet_length", 1_500),
        range(dice, "ttl", 130),
    ];
    fields.remove(dice.roll(4) as usize);
    if dice.chance(30) {
        fields.insert(0, format!("protocol: {}", ["tcp", "udp"][dice.roll(2) as usize]));
    }
    let action = if dice.chance(50) { "accept" } else { "drop" };
    let intent = if action == "accept" { String::new() } else { format!(", {INTENT}") };
    Written { id, rest: format!("match: {{{}}}, action: {action}{intent}", fields.join(", ")) }
}
