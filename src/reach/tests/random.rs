//! Random headers and matches over small pools of values, and the slow decider for them.

use crate::matcher::{Test, Truth};
use crate::model::ordinary::carried;
use crate::model::{
    AddressRange, AddressSet, Direction, Family, FlagTest, Fragment, FragmentTest, Label, Layers,
    Location, Match, Names, NumberSet, Record, SourceId, Span, Spanned, Term, Unmodelled,
    UnmodelledKind,
};
use crate::reach::space::{Header, OPEN, Pops};

/// A stream of numbers that is the same everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// Returns up to so many of a pool, at least one.
    pub(super) fn some<T: Clone>(&mut self, pool: &[T], most: usize) -> Vec<T> {
        let mut left = pool.to_vec();
        let count = 1 + self.below(most.min(pool.len()) as u64) as usize;
        (0..count).map(|_| left.remove(self.below(left.len() as u64) as usize)).collect()
    }
}

pub(super) const PORTS: &[u16] = &[0, 53, 80, 443];
pub(super) const LENGTHS: &[u32] = &[62, 100, 1_000, 1_500];
const FLAGS: &[u8] = &[0, 2, 16, 18];
const TYPES: &[u8] = &[0, 8, 128];
const PROTOCOLS: &[u8] = &[1, 6, 17, 47, 58, 132];
const POPS: &[&str] = &["ams", "fra", "other-pop"];

/// The first of sixteen addresses.
pub(super) fn base(family: Family) -> u128 {
    match family {
        Family::V4 => 0x0a00_0000,
        Family::V6 => 0x2a00_0000 << 96,
    }
}

pub(super) fn pops(random: &mut Random) -> Pops {
    let count = random.below(4) as usize;
    Pops::new(POPS[..count].iter().map(|name| (*name).to_owned()))
        .with_conditions(open(), |_, _| false)
}

/// Returns two conditions that no header shows, the second of them not understood.
pub(super) fn open() -> [Unmodelled; 2] {
    [("ct state new", UnmodelledKind::NotRecorded), ("meta x", UnmodelledKind::NotUnderstood)]
        .map(|(text, kind)| Unmodelled { text: text.to_owned(), kind })
}

/// Returns a small space: every combination of a few values of each field that can exist, by what
/// the headers carry.
pub(super) fn headers(random: &mut Random, family: Family, pops: &Pops) -> Vec<Vec<Header>> {
    let fragments = if family == Family::V4 { 8 } else { 4 };
    let pool: Vec<u128> = (0..16).map(|at| base(family) + at).collect();
    let dst = random.some(&pool, 8);
    let src = random.some(&pool, 4);
    let mut kinds: Vec<(Layers, Vec<Header>)> = Vec::new();
    let lengths = random.some(LENGTHS, 2);
    let dscps = random.some(&[0, 46, 63], 2);
    let ttls = if random.chance(3) { vec![1, 64] } else { vec![64] };
    let all_pops: Vec<u16> = (0..=pops.other()).collect();
    let pop_pool = random.some(&all_pops, 2);
    let directions = random.some(&[Direction::Ingress, Direction::Egress], 2);
    let protocols = random.some(PROTOCOLS, 3);
    let answers = if random.chance(3) { random.some(&[0, 1, 2, 3], 4) } else { vec![0] };
    let mut fragment_pool = random.some(&(0..fragments).map(Fragment).collect::<Vec<_>>(), 2);
    fragment_pool.push(Fragment::NONE);
    let (mut src_ports, dst_ports) = (random.some(PORTS, 2), random.some(PORTS, 3));
    if random.chance(2) {
        src_ports.truncate(1);
    }
    let flags = random.some(FLAGS, 3);
    let types = random.some(TYPES, 2);
    let codes = random.some(&[0, 1], 2);
    fragment_pool.sort_by_key(|fragment| fragment.0);
    fragment_pool.dedup();
    for protocol in &protocols {
        for fragment in &fragment_pool {
            let layers = carried(*protocol, family, *fragment);
            let or_zero = |layer: Layers| layers.has(layer);
            let ports16 =
                |pool: &[u16]| if or_zero(Layers::PORTS) { pool.to_vec() } else { vec![0] };
            let bytes = |layer: Layers, pool: &[u8]| {
                if or_zero(layer) { pool.to_vec() } else { vec![0] }
            };
            let mut list = vec![Header {
                family,
                src: 0,
                dst: 0,
                protocol: *protocol,
                src_port: 0,
                dst_port: 0,
                tcp_flags: 0,
                icmp_type: 0,
                icmp_code: 0,
                packet_length: 0,
                dscp: 0,
                ttl: 0,
                fragment: *fragment,
                pop: 0,
                open: [0; OPEN],
                direction: Direction::Ingress,
            }];
            vary(&mut list, &src, |header, value| header.src = value);
            vary(&mut list, &dst, |header, value| header.dst = value);
            vary(&mut list, &ports16(&src_ports), |header, value| header.src_port = value);
            vary(&mut list, &ports16(&dst_ports), |header, value| header.dst_port = value);
            let values = bytes(Layers::TCP_FLAGS, &flags);
            vary(&mut list, &values, |header, value| header.tcp_flags = value);
            let values = bytes(Layers::ICMP, &types);
            vary(&mut list, &values, |header, value| header.icmp_type = value);
            let values = bytes(Layers::ICMP, &codes);
            vary(&mut list, &values, |header, value| header.icmp_code = value);
            vary(&mut list, &lengths, |header, value| header.packet_length = value);
            vary(&mut list, &dscps, |header, value| header.dscp = value);
            vary(&mut list, &ttls, |header, value| header.ttl = value);
            vary(&mut list, &pop_pool, |header, value| header.pop = value);
            vary(&mut list, &directions, |header, value| header.direction = value);
            vary(&mut list, &answers, |header, value| header.open[0] = value);
            // Products of protocols and fragments that carry the same are one kind.
            match kinds.iter_mut().find(|(known, first)| {
                *known == layers
                    && first[0].fragment.has(Fragment::LATER) == fragment.has(Fragment::LATER)
            }) {
                Some((_, known)) => known.append(&mut list),
                None => kinds.push((layers, list)),
            }
        }
    }
    kinds.into_iter().map(|(_, headers)| headers).collect()
}

fn vary<T: Copy>(headers: &mut Vec<Header>, values: &[T], set: impl Fn(&mut Header, T)) {
    let mut all = Vec::with_capacity(headers.len() * values.len());
    for header in headers.iter() {
        for value in values {
            let mut header = *header;
            set(&mut header, *value);
            all.push(header);
        }
    }
    *headers = all;
}

fn numbers(random: &mut Random, pool: &[u64]) -> NumberSet {
    let mut ranges = Vec::new();
    for _ in 0..1 + random.below(2) {
        let value = pool[random.below(pool.len() as u64) as usize];
        ranges.push(match random.below(4) {
            0 => (0, value),
            1 => (value, u64::MAX),
            2 => (value.saturating_sub(30), value + random.below(400)),
            _ => (value, value),
        });
    }
    NumberSet::new(ranges)
}

fn addresses(random: &mut Random, family: Family) -> AddressSet {
    let mut ranges = Vec::new();
    for _ in 0..1 + random.below(3) {
        let size = 1u128 << random.below(5);
        let first = base(family) + u128::from(random.below(16)) / size * size;
        ranges.push(AddressRange { family, first, last: first + size - 1 });
    }
    if random.chance(12) {
        let family = if family == Family::V4 { Family::V6 } else { Family::V4 };
        ranges = vec![AddressRange::all(family)];
    }
    AddressSet::new(ranges)
}

fn wide<T: Copy + Into<u64>>(pool: &[T]) -> Vec<u64> {
    pool.iter().map(|value| (*value).into()).collect()
}

fn term(random: &mut Random, family: Family, pops: &Pops, depth: u32) -> Term {
    let most = if depth > 0 { 21 } else { 17 };
    match random.below(most) {
        0 | 1 => Term::Src(addresses(random, family)),
        2 | 3 => Term::Dst(addresses(random, family)),
        4 => Term::Protocol(numbers(random, &wide(PROTOCOLS))),
        5 => Term::SrcPort(numbers(random, &wide(PORTS))),
        6 => Term::DstPort(numbers(random, &wide(PORTS))),
        7 => Term::Port(numbers(random, &wide(PORTS))),
        8 => {
            let mask = FLAGS[random.below(4) as usize];
            let value = FLAGS[random.below(4) as usize] & mask;
            let mut tests = vec![FlagTest { mask, value }];
            if random.chance(2) {
                tests.push(FlagTest { mask: 16, value: 16 });
            }
            Term::TcpFlags(tests)
        }
        9 => Term::IcmpType(numbers(random, &wide(TYPES))),
        10 => match random.below(3) {
            0 => Term::IcmpCode(numbers(random, &[0, 1])),
            1 => Term::Dscp(numbers(random, &[0, 46, 63])),
            _ => Term::Ttl(numbers(random, &[1, 64])),
        },
        11 | 12 => Term::PacketLength(numbers(random, &wide(LENGTHS))),
        13 => {
            let tests = [
                FragmentTest::Any,
                FragmentTest::First,
                FragmentTest::NotFirst,
                FragmentTest::Last,
                FragmentTest::None,
                FragmentTest::DontFragment,
            ];
            Term::Fragment(random.some(&tests, 2))
        }
        14 => {
            let named: Vec<String> =
                (0..pops.other()).filter_map(|pop| pops.name(pop)).map(str::to_owned).collect();
            if named.is_empty() {
                Term::Direction(vec![Direction::Ingress])
            } else {
                Term::Pop(random.some(&named, 2))
            }
        }
        15 => Term::Direction(random.some(&[Direction::Ingress, Direction::Egress], 2)),
        16 => match random.below(6) {
            0 => Term::Family(Family::V4),
            1 => Term::Family(Family::V6),
            at => Term::Unmodelled(open()[at as usize % 2].clone()),
        },
        17 | 18 => Term::Not(matches(random, family, pops, depth - 1)),
        _ => {
            let count = 1 + random.below(3);
            Term::AnyOf((0..count).map(|_| matches(random, family, pops, depth - 1)).collect())
        }
    }
}

/// Returns a random match of some depth.
pub(super) fn matches(random: &mut Random, family: Family, pops: &Pops, depth: u32) -> Match {
    let count = match random.below(10) {
        0 => 0,
        1..=4 => 1,
        5..=7 => 2,
        _ => 3,
    };
    matched((0..count).map(|_| term(random, family, pops, depth)).collect())
}

/// Returns the match of some terms.
pub(super) fn matched(terms: Vec<Term>) -> Match {
    let location = Location { source: SourceId(0), span: Span::new(0, 0) };
    Match { terms: terms.into_iter().map(|value| Spanned { value, location }).collect() }
}

/// Decides headers as the matcher decides records.
pub(super) struct Slow<'a> {
    pub(super) names: Names,
    pub(super) pops: &'a Pops,
}

impl Slow<'_> {
    /// Compiles a match, once for each pair of answers to what no header shows.
    pub(super) fn test(&self, matches: &Match) -> Vec<Test> {
        (0..4).map(|answers| Test::compile(&answered(matches, answers), &self.names)).collect()
    }

    pub(super) fn record(&self, header: &Header) -> Record {
        let packet = header.to_packet(self.pops);
        Record {
            time_ns: 0,
            duration_ns: 0,
            header: packet.header,
            pop: packet.pop.map(|pop| self.names.intern(&pop)),
            exporter: None,
            direction: packet.direction,
            packets: 1,
            bytes: u64::from(packet.header.packet_length),
            weight: 1,
            label: Label::None,
            customer: None,
            source: SourceId(0),
            number: header.open[0].into(),
        }
    }

    pub(super) fn holds(&self, tests: &[Test], record: &Record) -> bool {
        match tests[record.number as usize].decide(record) {
            Truth::Yes => true,
            Truth::No => false,
            Truth::Maybe(fields) => panic!("{fields:?} of {record:?} is unknown"),
        }
    }
}

/// Returns a match with answers in place of what no header shows.
fn answered(matches: &Match, answers: u8) -> Match {
    let all = |of: &[Match]| of.iter().map(|one| answered(one, answers)).collect::<Vec<_>>();
    let terms = matches.terms.iter().map(|term| match &term.value {
        Term::Not(inner) => Term::Not(answered(inner, answers)),
        Term::AnyOf(branches) => Term::AnyOf(all(branches)),
        Term::Unmodelled(condition) => {
            let bit = u8::from(*condition == open()[1]);
            if answers >> bit & 1 == 1 {
                Term::AnyOf(vec![Match::any()])
            } else {
                Term::AnyOf(vec![])
            }
        }
        other => other.clone(),
    });
    matched(terms.collect())
}
