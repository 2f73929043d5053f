//! The twin: the same questions, asked header by header in small spaces.

use std::collections::{BTreeMap, BTreeSet};

use super::random::{Random, Slow, base, headers, matches, pops};
use crate::model::{Family, Names, Record};
use crate::packet_text;
use crate::reach::search::{Answer, Budget, Entry, Question, solve};
use crate::reach::space::compile::compile_within;
use crate::reach::space::{Header, HeaderSet, Key, Pops, compile, possible};
use crate::reach::walk::{Ground, Reached, Segment, reach};

const PLENTY: Budget = Budget { all: u64::MAX, each: 10_000_000 };

fn families(random: &mut Random) -> Family {
    if random.chance(3) { Family::V6 } else { Family::V4 }
}

/// A small space and a first-match list over it.
struct Case {
    family: Family,
    headers: Vec<Header>,
    /// The products of the whole space.
    whole: Vec<HeaderSet>,
    sets: Vec<(HeaderSet, bool)>,
    default: bool,
    /// The answer for every header.
    answers: Vec<bool>,
}

impl Case {
    fn new(random: &mut Random, lists: (u64, u64)) -> Case {
        let family = families(random);
        let pops = pops(random);
        let kinds = headers(random, family, &pops);
        let whole = kinds.iter().map(|kind| product(kind)).collect();
        let headers: Vec<Header> = kinds.into_iter().flatten().collect();
        let slow = Slow { names: Names::new(), pops: &pops };
        let records: Vec<Record> = headers.iter().map(|header| slow.record(header)).collect();
        let default = random.chance(2);
        let mut answers: Vec<Option<bool>> = vec![None; headers.len()];
        let mut sets = Vec::new();
        let rare = 1 + random.below(6);
        let usual = random.chance(2);
        for _ in 0..lists.0 + random.below(lists.1 - lists.0) {
            let matches = matches(random, family, &pops, 2);
            let answer = if random.chance(rare) { !usual } else { usual };
            let test = slow.test(&matches);
            for (given, record) in answers.iter_mut().zip(&records) {
                if given.is_none() && slow.holds(&test, record) {
                    *given = Some(answer);
                }
            }
            let union = compile(&matches, family, &pops);
            sets.extend(union.wide().iter().map(|set| (set.clone(), answer)));
        }
        let answers = answers.into_iter().map(|given| given.unwrap_or(default)).collect();
        Case { family, headers, whole, sets, default, answers }
    }

    /// Returns a random part of the space.
    fn domain(&self, random: &mut Random) -> Vec<HeaderSet> {
        if random.chance(2) {
            return self.whole.clone();
        }
        let pops = Pops::default();
        let cut = compile(&matches(random, self.family, &pops, 1), self.family, &pops);
        // The cut knows of no PoPs: take its addresses only.
        let cut = |set: &HeaderSet| {
            let narrow = |part: &HeaderSet| {
                set.with_addresses(Key::Dst, part.addresses(Key::Dst))?
                    .with_addresses(Key::Src, part.addresses(Key::Src))
            };
            cut.wide().iter().filter_map(narrow).collect::<Vec<_>>()
        };
        self.whole.iter().flat_map(cut).collect()
    }

    fn question(&self, domain: Vec<HeaderSet>) -> Question<'_> {
        let entries = self.sets.iter().map(|(set, answer)| Entry { set, answer: *answer });
        Question { domain, entries: entries.collect(), default: self.default }
    }

    /// Returns the headers of a domain whose answer is yes.
    fn yeses<'a>(&'a self, domain: &'a [HeaderSet]) -> impl Iterator<Item = &'a Header> {
        let all = self.headers.iter().zip(&self.answers);
        let inside = |header: &Header| domain.iter().any(|set| set.contains(header));
        all.filter(move |(header, answer)| **answer && inside(header)).map(|(header, _)| header)
    }

    fn is_yes(&self, domain: &[HeaderSet], header: &Header) -> bool {
        self.yeses(domain).any(|yes| yes == header)
    }
}

/// Returns the product of headers that are all combinations of some values.
fn product(headers: &[Header]) -> HeaderSet {
    let mut points = headers.iter().map(HeaderSet::point);
    let first = points.next().expect("a kind has headers");
    points.fold(first, |hull, point| hull.hull(&point))
}

#[test]
fn compiled_matches_hold_what_the_matcher_says() {
    let random = &mut Random::new(1);
    let (mut exact, mut held) = (0, 0);
    for _ in 0..1_500 {
        let family = families(random);
        let pops = pops(random);
        let kinds = headers(random, family, &pops);
        let slow = Slow { names: Names::new(), pops: &pops };
        let records: Vec<(Header, Record)> =
            kinds.iter().flatten().map(|header| (*header, slow.record(header))).collect();
        let possible = possible(family, &pops);
        for (header, _) in &records {
            let holding = possible.iter().filter(|set| set.contains(header)).count();
            assert_eq!(holding, 1, "{header:?}");
        }
        for _ in 0..4 {
            let matches = matches(random, family, &pops, 3);
            let test = slow.test(&matches);
            let few = 1 + random.below(6) as usize;
            let full = compile(&matches, family, &pops);
            let short = compile_within(&matches, family, &pops, few);
            assert!(full.is_exact());
            exact += usize::from(short.is_exact());
            let holds = |sets: &[HeaderSet], header| sets.iter().any(|set| set.contains(header));
            for (header, record) in &records {
                let truth = slow.holds(&test, record);
                held += usize::from(truth);
                assert_eq!(holds(full.wide(), header), truth, "{matches:?} {header:?}");
                assert_eq!(holds(full.narrow(), header), truth, "{matches:?} {header:?}");
                assert!(!truth || holds(short.wide(), header), "{matches:?} {header:?}");
                assert!(truth || !holds(short.narrow(), header), "{matches:?} {header:?}");
            }
            for set in full.wide() {
                assert!(possible.iter().any(|kind| kind.meets(set)), "{matches:?} {set:?}");
            }
        }
    }
    assert!((3_000..5_950).contains(&exact), "{exact}");
    assert!(held > 100_000, "{held}");
}

#[test]
fn a_packet_of_a_header_is_written_and_read_back() {
    let random = &mut Random::new(2);
    for _ in 0..200 {
        let family = families(random);
        let pops = pops(random);
        let kinds = headers(random, family, &pops);
        for header in kinds.iter().flatten().step_by(17) {
            let packet = header.to_packet(&pops);
            let text = packet_text::format(&packet);
            let read = packet_text::parse(crate::model::SourceId(0), &text);
            assert_eq!(read.as_ref(), Ok(&packet), "{text}");
        }
    }
}

#[test]
fn answers_are_those_of_every_header() {
    let random = &mut Random::new(3);
    let (mut found, mut empty) = (0, 0);
    for number in 0..2_500 {
        let case = Case::new(random, if number % 5 == 0 { (30, 45) } else { (1, 15) });
        for _ in 0..3 {
            let domain = case.domain(random);
            let question = case.question(domain.clone());
            match solve(&question, &mut PLENTY.clone()) {
                Answer::Found(header) => {
                    assert!(case.is_yes(&domain, &header), "{number}: {header:?}");
                    found += 1;
                }
                Answer::Empty => {
                    assert_eq!(case.yeses(&domain).next(), None, "{number}");
                    empty += 1;
                }
                Answer::Bounded => panic!("{number}: the budget is no small one"),
            }
            let small = Budget { all: random.below(300), each: random.below(100) };
            match solve(&question, &mut small.clone()) {
                Answer::Found(header) => assert!(case.is_yes(&domain, &header), "{number}"),
                Answer::Empty => assert_eq!(case.yeses(&domain).next(), None, "{number}"),
                Answer::Bounded => {}
            }
        }
    }
    assert!(found > 1_000 && empty > 1_000, "{found} {empty}");
}

/// Returns segments of random nested prefixes.
fn segments(random: &mut Random, family: Family) -> Vec<Segment> {
    let mut owners: Vec<Option<u32>> = vec![None; 16];
    for _ in 0..1 + random.below(8) {
        let size = 1usize << random.below(5);
        let from = random.below(16) as usize / size * size;
        let owner = random.below(6) as u32 * 7;
        owners[from..from + size].fill(Some(owner));
    }
    let mut segments: Vec<Segment> = Vec::new();
    for (at, owner) in owners.into_iter().enumerate() {
        let Some(owner) = owner else { continue };
        let address = base(family) + at as u128;
        match segments.last_mut() {
            Some(last) if last.owner == owner && last.last + 1 == address => last.last = address,
            _ => segments.push(Segment { first: address, last: address, owner }),
        }
    }
    segments
}

fn owner(segments: &[Segment], address: u128) -> Option<u32> {
    let holds = |segment: &&Segment| (segment.first..=segment.last).contains(&address);
    segments.iter().find(holds).map(|segment| segment.owner)
}

fn check(
    case: &Case,
    domain: &[HeaderSet],
    key: Key,
    segments: &[Segment],
    reached: &Reached,
) -> usize {
    let expected: BTreeSet<u32> =
        case.yeses(domain).filter_map(|yes| owner(segments, yes.address(key))).collect();
    let found: BTreeMap<u32, Header> = reached.owners.iter().copied().collect();
    assert_eq!(found.len(), reached.owners.len());
    assert!(reached.owners.is_sorted_by_key(|(owner, _)| *owner));
    for (at, header) in &found {
        assert!(case.is_yes(domain, header), "{header:?}");
        assert_eq!(owner(segments, header.address(key)), Some(*at), "{header:?}");
    }
    if !reached.bounded {
        assert_eq!(found.keys().copied().collect::<BTreeSet<u32>>(), expected);
    }
    expected.len()
}

#[test]
fn reached_are_those_with_a_yes() {
    let random = &mut Random::new(4);
    let (mut reached_owners, mut none, mut bounded) = (0, 0, 0);
    for number in 0..2_500 {
        let case = Case::new(random, if number % 2 == 0 { (30, 60) } else { (1, 15) });
        let segments = segments(random, case.family);
        let mut ground = Ground::new(case.family, segments.clone());
        for round in 0..6 {
            let key = if random.chance(2) { Key::Dst } else { Key::Src };
            let domain = case.domain(random);
            let question = case.question(domain.clone());
            let mut budget = if round < 4 {
                PLENTY
            } else {
                Budget { all: random.below(400), each: random.below(60) }
            };
            let reached = reach(&question, key, &mut ground, &mut budget);
            assert!(round >= 4 || !reached.bounded);
            let expected = check(&case, &domain, key, &segments, &reached);
            reached_owners += expected;
            none += usize::from(expected == 0);
            bounded += usize::from(reached.bounded);
        }
    }
    assert!(reached_owners > 5_000 && none > 500, "{reached_owners} {none}");
    assert!(bounded > 50, "{bounded}");
}
