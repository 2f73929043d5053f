//! Rules against real captures, counted by us and by tcpdump.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::Hash;
use std::process::Command;
use std::sync::Mutex;

use blastgate::matcher::{Test, Truth};
use blastgate::model::{
    Address, AddressSet, Family, FlagTest, FragmentTest, Layers, Location, Match, Names, NumberSet,
    Prefix, Record, SourceId, Span, Spanned, Term,
};

use crate::common;
use crate::recorded::{self, Capture};

/// What a filter looks at, as far as the known differences tell filters apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Addresses, TTL, DSCP: in the fixed header.
    Fixed,
    Protocol,
    /// Ports, TCP flags, ICMP types.
    Upper,
    Length,
    Fragment,
}

/// A match and the tcpdump filter that says the same of IP packets.
#[derive(Clone)]
struct Pair {
    kinds: Vec<Kind>,
    matches: Match,
    text: String,
}

impl Pair {
    fn new(kind: Kind, term: Term, text: impl Into<String>) -> Pair {
        Pair { kinds: vec![kind], matches: all([term]), text: text.into() }
    }

    fn and(&self, other: &Pair) -> Pair {
        let mut matches = self.matches.clone();
        matches.terms.extend(other.matches.terms.clone());
        let text = format!("({}) and ({})", self.text, other.text);
        Pair { kinds: [&self.kinds[..], &other.kinds].concat(), matches, text }
    }

    fn or(&self, other: &Pair) -> Pair {
        let matches = all([Term::AnyOf(vec![self.matches.clone(), other.matches.clone()])]);
        let text = format!("({}) or ({})", self.text, other.text);
        Pair { kinds: [&self.kinds[..], &other.kinds].concat(), matches, text }
    }

    fn not(&self) -> Pair {
        let matches = all([Term::Not(self.matches.clone())]);
        Pair { kinds: self.kinds.clone(), matches, text: format!("not ({})", self.text) }
    }
}

fn all(terms: impl IntoIterator<Item = Term>) -> Match {
    let location = Location { source: SourceId(0), span: Span::default() };
    Match { terms: terms.into_iter().map(|term| Spanned::new(term, location)).collect() }
}

fn numbers(first: u64, last: u64) -> NumberSet {
    NumberSet::new([(first, last)])
}

fn within(prefix: Prefix) -> AddressSet {
    AddressSet::new([prefix.range()])
}

fn src(prefix: Prefix) -> Pair {
    Pair::new(Kind::Fixed, Term::Src(within(prefix)), format!("src net {prefix}"))
}

fn dst(prefix: Prefix) -> Pair {
    Pair::new(Kind::Fixed, Term::Dst(within(prefix)), format!("dst net {prefix}"))
}

/// tcpdump follows IPv6 extension headers only by `protochain`, which it cannot do everywhere.
fn protocol(number: u8, extended: bool) -> Pair {
    let six = if extended { "ip6 protochain" } else { "ip6[6] =" };
    let text = format!("ip proto {number} or {six} {number}");
    Pair::new(Kind::Protocol, Term::Protocol(numbers(number.into(), number.into())), text)
}

fn port(word: &str, of: fn(NumberSet) -> Term, first: u64, last: u64) -> Pair {
    let text = format!("{word}range {first}-{last}");
    Pair::new(Kind::Upper, of(numbers(first, last)), text)
}

fn flags(tests: &[(u8, u8)]) -> Pair {
    let mut text = String::new();
    for (at, (mask, value)) in tests.iter().enumerate() {
        let or = if at == 0 { "" } else { " or " };
        write!(
            text,
            "{or}tcp[13] & {mask} = {value} or (ip6[6] = 6 and ip6[53] & {mask} = {value})"
        )
        .expect("writing to a string");
    }
    let tests = tests.iter().map(|(mask, value)| FlagTest { mask: *mask, value: *value });
    Pair::new(Kind::Upper, Term::TcpFlags(tests.collect()), text)
}

fn icmp(of: fn(NumberSet) -> Term, at: u8, first: u8, last: u8) -> Pair {
    let six = 40 + at;
    let text = format!(
        "(icmp[{at}] >= {first} and icmp[{at}] <= {last}) or \
         (ip6[6] = 58 and ip6[{six}] >= {first} and ip6[{six}] <= {last})"
    );
    Pair::new(Kind::Upper, of(numbers(first.into(), last.into())), text)
}

fn length(first: u64, last: u64) -> Pair {
    let text = format!(
        "(ip and ip[2:2] >= {first} and ip[2:2] <= {last}) or \
         (ip6 and ip6[4:2] + 40 >= {first} and ip6[4:2] + 40 <= {last})"
    );
    Pair::new(Kind::Length, Term::PacketLength(numbers(first, last)), text)
}

fn ttl(first: u64, last: u64) -> Pair {
    let text = format!(
        "(ip and ip[8] >= {first} and ip[8] <= {last}) or \
         (ip6 and ip6[7] >= {first} and ip6[7] <= {last})"
    );
    Pair::new(Kind::Fixed, Term::Ttl(numbers(first, last)), text)
}

fn dscp(value: u64) -> Pair {
    let text =
        format!("(ip and ip[1] >> 2 = {value}) or (ip6 and (ip6[0:2] >> 6) & 0x3f = {value})");
    Pair::new(Kind::Fixed, Term::Dscp(numbers(value, value)), text)
}

fn fragment(test: FragmentTest) -> Pair {
    let text = match test {
        FragmentTest::Any => {
            "ip[6:2] & 0x3fff != 0 or (ip6[6] = 44 and ip6[42:2] & 0xfff9 != 0)".to_owned()
        }
        FragmentTest::First => {
            "ip[6:2] & 0x3fff = 0x2000 or (ip6[6] = 44 and ip6[42:2] & 0xfff9 = 1)".to_owned()
        }
        FragmentTest::NotFirst => {
            "ip[6:2] & 0x1fff != 0 or (ip6[6] = 44 and ip6[42:2] & 0xfff8 != 0)".to_owned()
        }
        FragmentTest::Last => "(ip[6:2] & 0x1fff != 0 and ip[6:2] & 0x2000 = 0) or \
             (ip6[6] = 44 and ip6[42:2] & 0xfff8 != 0 and ip6[42:2] & 1 = 0)"
            .to_owned(),
        FragmentTest::None => format!("not ({})", fragment(FragmentTest::Any).text),
        FragmentTest::DontFragment => "ip[6:2] & 0x4000 != 0".to_owned(),
    };
    Pair::new(Kind::Fragment, Term::Fragment(vec![test]), text)
}

/// Makes the pairs for one capture, most of them of values that are frequent in it.
fn pairs(records: &[Record], extended: bool) -> Vec<Pair> {
    let host = |address: Address| Prefix::new(address, 128);
    let around =
        |address: Address| Prefix::new(address, if address.family == Family::V4 { 20 } else { 48 });
    let none = Address { family: Family::V4, bits: 0 };
    let of = |address: fn(&Record) -> Address, at: usize| {
        frequent(records.iter().map(address)).get(at).copied().unwrap_or(none)
    };
    let [victim, other] = [0, 1].map(|at| of(|record| record.header.dst_address(), at));
    let source = of(|record| record.header.src_address(), 0);
    let ported = || records.iter().filter(|record| record.header.layers.has(Layers::PORTS));
    let dst_ports = frequent(ported().map(|record| u64::from(record.header.dst_port)));
    let src_ports = frequent(ported().map(|record| u64::from(record.header.src_port)));
    let first = |of: &[u64]| of.first().copied().unwrap_or(7);
    let (service, from) = (first(&dst_ports), first(&src_ports));
    let lengths = frequent(records.iter().map(|record| u64::from(record.header.packet_length)));
    let usual = first(&lengths);
    let hops = first(&frequent(records.iter().map(|record| u64::from(record.header.ttl))));
    let class = first(&frequent(records.iter().map(|record| u64::from(record.header.dscp))));
    let [tcp, udp, icmp4, icmp6] = [6, 17, 1, 58].map(|number| protocol(number, extended));
    let syn = flags(&[(0x12, 0x02)]);
    let to_port = port("dst port", Term::DstPort, service, service);
    let from_port = port("src port", Term::SrcPort, from, from);
    let to_victim = dst(host(victim));

    let mut pairs = vec![
        to_victim.clone(),
        dst(host(other)),
        dst(around(victim)),
        src(host(source)),
        src(around(source)),
        dst(host(victim)).or(&src(host(victim))),
        to_victim.not(),
        to_port.clone(),
        from_port.clone(),
        port("port", Term::Port, service, service),
        port("dst port", Term::DstPort, 0, 1023),
        port("src port", Term::SrcPort, 1024, 65_535),
        port("port", Term::Port, 53, 53),
        port("src port", Term::SrcPort, 53, 53).not(),
        to_port.or(&from_port),
        to_victim.and(&to_port).and(&tcp),
        to_victim.and(&from_port).and(&udp),
        syn.clone(),
        flags(&[(0x12, 0x12)]),
        flags(&[(0x3f, 0x10), (0x3f, 0x18)]),
        flags(&[(0x01, 0x01), (0x04, 0x04)]),
        flags(&[(0xc2, 0xc2)]),
        to_victim.and(&syn),
        tcp.and(&syn.not()),
        icmp(Term::IcmpType, 0, 8, 8).or(&icmp(Term::IcmpType, 0, 128, 128)),
        icmp(Term::IcmpType, 0, 0, 5),
        icmp(Term::IcmpType, 0, 133, 143),
        icmp(Term::IcmpCode, 1, 0, 0),
        icmp(Term::IcmpCode, 1, 1, 255),
        length(0, 60),
        length(61, 576),
        length(1400, 65_535),
        length(usual, usual),
        to_victim.and(&length(usual, usual).not()),
        ttl(0, 64),
        ttl(hops, hops),
        ttl(hops, hops).not().and(&udp),
        dscp(class),
        dscp(0).not(),
        to_victim.not().and(&tcp.not()),
        tcp.or(&udp).not(),
        icmp4.or(&icmp6),
    ];
    for test in [
        FragmentTest::Any,
        FragmentTest::First,
        FragmentTest::NotFirst,
        FragmentTest::Last,
        FragmentTest::None,
        FragmentTest::DontFragment,
    ] {
        pairs.push(fragment(test));
    }
    pairs.push(to_victim.and(&fragment(FragmentTest::Any)).and(&udp));
    pairs.push(udp.and(&to_port.not()).and(&fragment(FragmentTest::NotFirst)));
    pairs.extend([tcp, udp, icmp4, icmp6]);
    pairs
}

/// Returns values, the most frequent first.
fn frequent<T: Copy + Ord + Hash>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut counts: HashMap<T, u64> = HashMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let mut sorted: Vec<(T, u64)> = counts.into_iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    sorted.into_iter().map(|(value, _)| value).collect()
}

/// Captures whose packets tcpdump finds only if it is told what stands before them: part of the
/// name, and what to make of a filter.
const ENCAPSULATED: &[(&str, &str)] = &[
    ("BGP_redist", "{} or (mpls and {})"),
    ("akvorado-mpls-", "mpls and {}"),
    ("akvorado-vlan-", "vlan and {}"),
    ("http-qinq", "vlan and vlan and {}"),
    ("http-vlan", "vlan and {}"),
    ("icmp_dot1q", "vlan and {}"),
    ("mpls-in-vlan", "vlan and ({} or (mpls and ({} or (mpls and {}))))"),
    ("ndpi-gre", "vlan and {}"),
    ("ndpi-vxlan", "vlan and {}"),
    ("syn_retransmit", "{} or (vlan and {})"),
];

/// A known difference.
struct Difference {
    /// Part of the names of the captures it is met in.
    name: &'static str,
    /// Whether only captures with IPv6 extension headers meet it.
    extended: bool,
    kinds: &'static [Kind],
    reason: &'static str,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "",
        extended: true,
        kinds: &[Kind::Upper],
        reason: "tcpdump finds no ports, flags and types behind IPv6 extension headers (we find \
                 what etherparse finds)",
    },
    Difference {
        name: "Cisco_hdlc_slarp",
        extended: false,
        kinds: EVERY,
        reason: "tcpdump reads no Cisco HDLC frames in PPP captures",
    },
    Difference {
        name: "arcnet",
        extended: false,
        kinds: EVERY,
        reason: "we read no ARCnet and say so",
    },
    Difference {
        name: "malformed/tcpdump-ipv6_",
        extended: false,
        kinds: EVERY,
        reason: "we refuse an IPv6 header of 39 bytes and say so",
    },
    Difference {
        name: "malformed/",
        extended: false,
        kinds: &[Kind::Length],
        reason: "a total length beyond what was on the wire is unknown to us and true to tcpdump",
    },
];

const EVERY: &[Kind] = &[Kind::Fixed, Kind::Protocol, Kind::Upper, Kind::Length, Kind::Fragment];

fn allowed(name: &str, extended: bool, pair: &Pair) -> Option<usize> {
    DIFFERENCES.iter().position(|difference| {
        name.contains(difference.name)
            && (extended || !difference.extended)
            && pair.kinds.iter().any(|kind| difference.kinds.contains(kind))
    })
}

fn count(capture: &Capture, filter: &str) -> Result<u64, String> {
    let output = Command::new("tcpdump")
        .args(["-nn", "--count", "-r"])
        .arg(&capture.path)
        .arg(filter)
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.split_whitespace().next().and_then(|word| word.parse().ok()) {
        Some(count) if output.status.success() => Ok(count),
        _ => match String::from_utf8_lossy(&output.stderr) {
            // It has found a contradiction before looking at a packet.
            error if error.contains("expression rejects all packets") => Ok(0),
            error => Err(error.into_owned()),
        },
    }
}

#[derive(Default)]
struct Outcome {
    captures: u64,
    unreadable: Vec<String>,
    compared: u64,
    hit: u64,
    packets: u64,
    used: Vec<u64>,
    wrong: Vec<String>,
}

#[test]
fn a_rule_hits_as_many_packets_as_tcpdump_counts() {
    let Some(captures) = recorded::captures() else { return };
    if Command::new("tcpdump").arg("--version").output().is_err() {
        common::skip("tcpdump is not installed");
        return;
    }
    let outcome = Mutex::new(Outcome { used: vec![0; DIFFERENCES.len()], ..Outcome::default() });
    let queue = Mutex::new(captures.iter());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no worker panics with it").next();
                    let Some(capture) = next else { return };
                    compare(capture, &outcome);
                }
            });
        }
    });
    let Outcome { captures, mut unreadable, compared, hit, packets, used, mut wrong } =
        outcome.into_inner().expect("no worker panics with it");
    unreadable.sort();
    wrong.sort();
    println!("{captures} captures, {packets} packets, {compared} rules compared, {hit} with hits");
    println!("not read by tcpdump:\n{}", unreadable.join("\n"));
    for (Difference { name, reason, .. }, used) in DIFFERENCES.iter().zip(&used) {
        println!("{used:5} differ in {name:?}: {reason}");
    }
    assert!(wrong.is_empty(), "{} counts differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(hit * 3 > compared, "most rules hit nothing: {hit} of {compared}");
}

fn compare(capture: &Capture, outcome: &Mutex<Outcome>) {
    let records = recorded::read(capture.bytes.clone(), &recorded::settings())
        .map(|read| read.0)
        .unwrap_or_default();
    let before = ENCAPSULATED
        .iter()
        .find(|(part, _)| capture.name.contains(part))
        .map_or("{}", |(_, before)| *before);
    let wrap = |text: &str| before.replace("{}", &format!("((ip or ip6) and ({text}))"));
    let mut found = Outcome { used: vec![0; DIFFERENCES.len()], ..Outcome::default() };
    let extensions = [0, 43, 44, 51, 60].map(|number| format!("ip6[6] = {number}")).join(" or ");
    match count(capture, &wrap(&extensions)) {
        Err(error) => {
            let last = error.lines().last().unwrap_or_default().to_owned();
            found.unreadable.push(format!("  {}: {last}", capture.name));
        }
        Ok(extended) => {
            found.captures = 1;
            found.packets = records.len() as u64;
            for pair in pairs(&records, extended > 0) {
                let test = Test::compile(&pair.matches, &Names::new());
                let hits = records.iter().filter(|record| test.decide(record) == Truth::Yes);
                let ours = hits.count() as u64;
                let theirs = match count(capture, &wrap(&pair.text)) {
                    Ok(theirs) => theirs,
                    Err(error) => panic!("{}: {}: {error}", capture.name, pair.text),
                };
                found.compared += 1;
                found.hit += u64::from(ours > 0);
                if ours == theirs {
                    continue;
                }
                match allowed(&capture.name, extended > 0, &pair) {
                    Some(row) => found.used[row] += 1,
                    None => found.wrong.push(format!(
                        "  {}: ours {ours}, tcpdump {theirs}: {:?} {}",
                        capture.name, pair.kinds, pair.text
                    )),
                }
            }
        }
    }
    let mut total = outcome.lock().expect("no worker panics with it");
    total.captures += found.captures;
    total.compared += found.compared;
    total.hit += found.hit;
    total.packets += found.packets;
    total.unreadable.extend(found.unreadable);
    total.wrong.extend(found.wrong);
    for (sum, more) in total.used.iter_mut().zip(found.used) {
        *sum += more;
    }
}
