//! Hard shapes of rule sets: exact partitions, wide overlaps, exceptions, long lists of prefixes.

use super::random::{Random, matched};
use crate::model::{AddressRange, AddressSet, Family, NumberSet, Term};
use crate::reach::search::{Answer, Budget, Entry, Question, solve};
use crate::reach::space::{Header, HeaderSet, Key, Pops, compile};
use crate::reach::walk::{Ground, Reached, Segment, reach};

const BUDGET: Budget = Budget { all: 200_000_000, each: 5_000_000 };

/// What a rule looks like before it is a set: dst, src, destination port, length; and an answer.
#[derive(Clone, Copy)]
struct Block {
    dst: (u64, u64),
    src: (u64, u64),
    port: (u64, u64),
    length: (u64, u64),
}

const ALL: u64 = u32::MAX as u64;
const WHOLE: Block = Block { dst: (0, ALL), src: (0, ALL), port: (0, 65_535), length: (0, 65_535) };

impl Block {
    fn side(&mut self, at: u64) -> &mut (u64, u64) {
        match at {
            0 => &mut self.src,
            1 => &mut self.port,
            2 => &mut self.length,
            _ => &mut self.dst,
        }
    }

    fn set(&self) -> HeaderSet {
        let addresses = |(first, last): (u64, u64)| {
            let (first, last) = (first.into(), last.into());
            AddressSet::new([AddressRange { family: Family::V4, first, last }])
        };
        let mut terms = Vec::new();
        if self.dst != WHOLE.dst {
            terms.push(Term::Dst(addresses(self.dst)));
        }
        if self.src != WHOLE.src {
            terms.push(Term::Src(addresses(self.src)));
        }
        if self.port != WHOLE.port {
            terms.push(Term::DstPort(NumberSet::new([self.port])));
        }
        if self.length != WHOLE.length {
            terms.push(Term::PacketLength(NumberSet::new([self.length])));
        }
        compiled(terms)
    }
}

fn compiled(terms: Vec<Term>) -> HeaderSet {
    let union = compile(&matched(terms), Family::V4, &Pops::default());
    union.wide().first().expect("such a packet exists").clone()
}

/// Splits the whole into blocks by random sides.
fn partition(random: &mut Random, count: usize, sides: u64, within: Block) -> Vec<Block> {
    let mut blocks = vec![within];
    while blocks.len() < count {
        let at = random.below(blocks.len() as u64) as usize;
        let mut other = blocks[at];
        let number = random.below(sides);
        let (first, last) = *other.side(number);
        // Not below the least length of any packet that carries ports.
        if last - first < 200 {
            continue;
        }
        let cut = first + 100 + random.below(last - first - 150);
        *blocks[at].side(number) = (first, cut);
        *other.side(number) = (cut + 1, last);
        blocks.push(other);
    }
    blocks
}

fn enlarged(random: &mut Random, blocks: &mut [Block], sides: u64) {
    for block in blocks {
        for number in 0..sides {
            let most = *WHOLE.clone().side(number);
            let side = block.side(number);
            let more = (side.1 - side.0) / 8;
            let (low, high) = (random.below(more + 1), random.below(more + 1));
            *side = (side.0.saturating_sub(low), (side.1 + high).min(most.1));
        }
    }
}

fn interval(random: &mut Random, (first, last): (u64, u64)) -> (u64, u64) {
    let width = (last - first) / 10 * (2 + random.below(5));
    let from = first + random.below(last - first - width);
    (from, from + width)
}

fn prefix(random: &mut Random, shortest: u64, longest: u64) -> (u64, u64) {
    let length = shortest + random.below(longest - shortest + 1);
    let host = (1u64 << (32 - length)) - 1;
    let first = random.below(1 << 32) & !host;
    (first, first | host)
}

type List = (Vec<(HeaderSet, bool)>, bool);

const SHAPES: &[&str] = &[
    "real",
    "exceptions",
    "exceptions by src",
    "wild",
    "wild exceptions",
    "partition, holes",
    "partition",
    "partition with dst",
    "cover",
    "cover with dst",
    "wide 3",
    "wide 4",
    "mix",
    "products",
    "one prefix each",
];

fn shape(random: &mut Random, name: &str, count: usize) -> List {
    let mut list = Vec::new();
    let mut default = true;
    let ports = [(53, 53), (80, 80), (443, 443), (0, 1_023), (0, 65_535)];
    match name {
        "real" => {
            default = false;
            for _ in 0..count {
                let block = Block {
                    dst: prefix(random, 16, 32),
                    port: ports[random.below(5) as usize],
                    src: if random.chance(5) { prefix(random, 8, 24) } else { WHOLE.src },
                    ..WHOLE
                };
                list.push((block.set(), random.chance(2)));
            }
        }
        "exceptions" | "exceptions by src" | "one prefix each" => {
            for _ in 0..count {
                let block = Block {
                    dst: if name == "exceptions by src" {
                        WHOLE.dst
                    } else {
                        prefix(random, 20, 32)
                    },
                    src: if name == "one prefix each" { WHOLE.src } else { prefix(random, 12, 28) },
                    port: ports[random.below(5) as usize],
                    ..WHOLE
                };
                list.push((block.set(), false));
            }
        }
        "wild" | "wild exceptions" | "wide 3" | "wide 4" => {
            let sides = if name == "wide 3" { 3 } else { 4 };
            for _ in 0..count {
                let mut block = WHOLE;
                for number in 0..sides {
                    let side = block.side(number);
                    *side = interval(random, *side);
                }
                list.push((block.set(), name == "wild" && random.chance(2)));
            }
        }
        "partition, holes" | "partition" | "partition with dst" | "cover" | "cover with dst" => {
            let sides = if name.ends_with("with dst") { 4 } else { 3 };
            let mut blocks = partition(random, count, sides, WHOLE);
            if name.starts_with("cover") {
                enlarged(random, &mut blocks, sides);
            }
            if name == "partition, holes" {
                for _ in 0..9 {
                    blocks.remove(random.below(blocks.len() as u64) as usize);
                }
            }
            list.extend(blocks.iter().map(|block| (block.set(), false)));
            let ported = matched(vec![Term::DstPort(NumberSet::new([(0, 65_535)]))]);
            let ported = crate::model::Term::Not(ported);
            let union = compile(&matched(vec![ported]), Family::V4, &Pops::default());
            list.extend(union.wide().iter().map(|set| (set.clone(), false)));
        }
        "mix" => {
            let blocks = partition(random, count / 10, 3, WHOLE);
            list.extend(blocks.iter().map(|block| (block.set(), false)));
            for _ in 0..count - count / 10 {
                let block = Block {
                    dst: prefix(random, 20, 32),
                    port: ports[random.below(5) as usize],
                    ..WHOLE
                };
                let at = random.below(list.len() as u64) as usize;
                list.insert(at, (block.set(), random.chance(4)));
            }
        }
        _ => {
            for _ in 0..count / 100 {
                let side = |random: &mut Random| {
                    AddressSet::new((0..1_000).map(|_| {
                        let (first, last) = prefix(random, 16, 28);
                        AddressRange { family: Family::V4, first: first.into(), last: last.into() }
                    }))
                };
                let terms = vec![Term::Src(side(random)), Term::Dst(side(random))];
                list.push((compiled(terms), random.chance(2)));
            }
        }
    }
    (list, default)
}

fn ground(random: &mut Random, count: u64) -> Vec<Segment> {
    let step = (1u128 << 32) / u128::from(count);
    (0..count)
        .map(|at| {
            let first = u128::from(at) * step;
            let last = first + u128::from(random.below(step as u64));
            Segment { first, last, owner: (random.below(count)) as u32 }
        })
        .collect()
}

fn question(list: &List) -> Question<'_> {
    let entries = list.0.iter().map(|(set, answer)| Entry { set, answer: *answer }).collect();
    let domain = vec![HeaderSet::all(Family::V4, &Pops::default())];
    Question { domain, entries, default: list.1 }
}

fn decide(list: &List, header: &Header) -> bool {
    let first = list.0.iter().find(|(set, _)| set.contains(header));
    first.map_or(list.1, |(_, answer)| *answer)
}

fn check(name: &str, list: &List, segments: &[Segment], reached: &Reached) {
    for (owner, header) in &reached.owners {
        assert!(decide(list, header), "{name}: {header:?}");
        let at = segments.partition_point(|segment| segment.last < header.dst);
        assert_eq!(segments[at].owner, *owner, "{name}: {header:?}");
    }
}

#[test]
fn larger_ones_have_right_witnesses_within_the_budget() {
    for name in SHAPES {
        let random = &mut Random::new(6);
        let list = shape(random, name, 600);
        let segments = ground(random, 2_000);
        let mut ground = Ground::new(Family::V4, segments.clone());
        let mut budget = Budget { all: 5_000_000, each: 500_000 };
        let question = question(&list);
        let reached = reach(&question, Key::Dst, &mut ground, &mut budget);
        check(name, &list, &segments, &reached);
        if let Answer::Found(header) = solve(&question, &mut budget) {
            assert!(decide(&list, &header), "{name}: {header:?}");
        }
    }
}

#[test]
fn small_ones_are_decided_and_witnesses_are_right() {
    for name in SHAPES {
        let random = &mut Random::new(5);
        let list = shape(random, name, 200);
        let segments = ground(random, 500);
        let mut owners: Vec<u32> = segments.iter().map(|segment| segment.owner).collect();
        owners.sort_unstable();
        owners.dedup();
        let mut ground = Ground::new(Family::V4, segments.clone());
        let reached = reach(&question(&list), Key::Dst, &mut ground, &mut BUDGET.clone());
        assert!(!reached.bounded, "{name}");
        check(name, &list, &segments, &reached);
        let partition = ["partition", "partition with dst", "cover", "cover with dst"];
        if partition.contains(name) {
            assert!(reached.owners.is_empty(), "{name}");
        }
        if ["partition, holes", "exceptions by src"].contains(name) {
            assert_eq!(reached.owners.len(), owners.len(), "{name}");
        }
    }
}
