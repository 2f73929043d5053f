//! Rules by chance, of everything that the header of a packet tells, over the few addresses, ports
//! and numbers that the packets of the kernel test have.

use blastgate::model::{
    Action, AddressRange, AddressSet, Algorithm, Burst, DefaultAction, Exceed, Family, FlagTest,
    FragmentTest, KeyPart, Location, Match, NumberSet, Rate, RateLimit, RateUnit, Rule, RuleSet,
    Scope, SourceId, Span, Spanned, Term,
};

use crate::nft_kernel::Dice;

pub(super) fn place() -> Location {
    Location { source: SourceId(0), span: Span::new(0, 1) }
}

fn all(terms: Vec<Term>) -> Match {
    Match { terms: terms.into_iter().map(|term| Spanned::new(term, place())).collect() }
}

/// Returns a set of rules.
pub(super) fn set(seed: u64) -> RuleSet {
    let dice = &mut Dice::new(seed);
    let marks = dice.roll(4) == 0;
    let rules = (0..1 + dice.roll(5)).map(|number| rule(dice, number, marks)).collect();
    let mut set = RuleSet { rules, ..RuleSet::empty() };
    if dice.roll(4) == 0 {
        set.default.action = DefaultAction::Drop;
    }
    set
}

fn rule(dice: &mut Dice, number: u64, marks: bool) -> Rule {
    let mut terms: Vec<Term> = (0..dice.roll(4)).map(|_| term(dice, 2, marks)).collect();
    let action = match dice.roll(10) {
        0 | 1 => Action::Accept,
        2..=4 => Action::Drop,
        5 => Action::Reject,
        6 => Action::Log,
        7 if marks => Action::Mark { dscp: dice.roll(64) },
        _ => {
            let limit = limit(dice);
            if let [part] = limit.per.as_slice() {
                let set = addresses(dice);
                terms.push(if matches!(part, KeyPart::Src { .. }) {
                    Term::Src(set)
                } else {
                    Term::Dst(set)
                });
            }
            Action::RateLimit(limit)
        }
    };
    let texts = ["", "a \"line\"\nflush ruleset", "it's # one", "both ' and \"", "\u{202e}x\\"];
    Rule {
        id: ["a", "b", "a.2", "c-1", "d_", "e"][number as usize].to_owned(),
        location: place(),
        description: Some((*dice.pick(&texts)).to_owned()),
        owner: None,
        ticket: (dice.roll(2) == 0).then(|| "INC=4711".to_owned()),
        expires: None,
        matches: all(terms),
        action: Spanned::new(action, place()),
        intent: None,
        waivers: Vec::new(),
    }
}

fn limit(dice: &mut Dice) -> RateLimit {
    let second = 1_000_000_000;
    let (rate, burst) = match dice.roll(3) {
        0 => (
            Rate { amount: 1_000, unit: RateUnit::Bytes, per_ns: 60 * second },
            Burst::Bytes(1_000 + dice.roll(20_000)),
        ),
        1 => (
            Rate { amount: 6, unit: RateUnit::Packets, per_ns: 3_600 * second },
            Burst::Packets(1 + dice.roll(20)),
        ),
        _ => (
            Rate { amount: 1, unit: RateUnit::Packets, per_ns: 60 * second },
            Burst::Packets(1 + dice.roll(20)),
        ),
    };
    let per = match dice.roll(4) {
        0 => vec![KeyPart::Src { v4: 30, v6: 126 }],
        1 => vec![KeyPart::Dst { v4: 32, v6: 128 }],
        _ => Vec::new(),
    };
    RateLimit {
        rate,
        burst,
        burst_is_written: true,
        per,
        scope: Scope::Pop,
        exceed: *dice.pick(&[Exceed::Drop, Exceed::Drop, Exceed::Reject]),
        algorithm: Algorithm::TokenBucket,
        timeout_ns: None,
        most_keys: None,
        bucket: None,
    }
}

fn addresses(dice: &mut Dice) -> AddressSet {
    let range = |dice: &mut Dice| {
        let v6 = dice.roll(3) == 0;
        let (family, start) = match v6 {
            false => (Family::V4, 0x0a00_0000),
            true => (Family::V6, 0x2001_0db8 << 96),
        };
        let (first, last) = match dice.roll(4) {
            0 => (0, dice.roll(16)),
            1 => (dice.roll(4) * 4, 0),
            _ => (dice.roll(16), dice.roll(16)),
        };
        let last = if last == 0 { first + 3 } else { first.max(last) };
        AddressRange { family, first: start + u128::from(first), last: start + u128::from(last) }
    };
    AddressSet::new((0..1 + dice.roll(3)).map(|_| range(dice)).collect::<Vec<_>>())
}

fn numbers(dice: &mut Dice, of: &[u64], max: u64) -> NumberSet {
    let range = |dice: &mut Dice| {
        let one = *dice.pick(of);
        match dice.roll(4) {
            0 => (one, max + dice.roll(2) * 1_000),
            1 => (0, one),
            2 => (one, (one + dice.roll(6)).min(max)),
            _ => (one, one),
        }
    };
    NumberSet::new((0..1 + dice.roll(2)).map(|_| range(dice)).collect::<Vec<_>>())
}

fn term(dice: &mut Dice, depth: u32, marks: bool) -> Term {
    use FragmentTest::{Any, DontFragment, First, Last, None, NotFirst};
    let ports = &[22, 53, 80, 179, 443, 1_024, 50_000];
    match dice.roll(if depth == 0 { 13 } else { 17 }) {
        0 => Term::Src(addresses(dice)),
        1 | 2 => Term::Dst(addresses(dice)),
        3 => Term::Protocol(numbers(dice, &[1, 6, 6, 17, 47, 58, 132], 255)),
        4 => Term::SrcPort(numbers(dice, ports, 65_535)),
        5 => Term::DstPort(numbers(dice, ports, 65_535)),
        6 => Term::Port(numbers(dice, ports, 65_535)),
        7 => {
            let test = |dice: &mut Dice| {
                let mask = 1 + dice.roll(63) as u8;
                FlagTest { mask, value: mask & *dice.pick(&[0, 2, 16, 18, 1, 4, 255]) }
            };
            Term::TcpFlags((0..1 + dice.roll(2)).map(|_| test(dice)).collect())
        }
        8 if dice.roll(2) == 0 => Term::IcmpType(numbers(dice, &[0, 3, 8, 11, 128, 134], 255)),
        8 => Term::IcmpCode(numbers(dice, &[0, 1, 3, 4], 255)),
        9 => Term::PacketLength(numbers(dice, &[100, 300, 700, 1_300], 65_535)),
        10 if !marks => Term::Dscp(numbers(dice, &[0, 8, 10, 46], 63)),
        10 | 11 => Term::Ttl(numbers(dice, &[1, 2, 5, 64, 255], 255)),
        12 if dice.roll(3) == 0 => Term::Family(*dice.pick(&[Family::V4, Family::V6])),
        12 => {
            let all = [Any, First, NotFirst, Last, None, DontFragment];
            Term::Fragment((0..1 + dice.roll(2)).map(|_| *dice.pick(&all)).collect())
        }
        13 | 14 => Term::Not(branch(dice, depth - 1, marks)),
        _ => Term::AnyOf((0..1 + dice.roll(3)).map(|_| branch(dice, depth - 1, marks)).collect()),
    }
}

fn branch(dice: &mut Dice, depth: u32, marks: bool) -> Match {
    all((0..1 + dice.roll(2)).map(|_| term(dice, depth, marks)).collect())
}
