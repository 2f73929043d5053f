//! A match as the cases in which it holds: each allows every field some values, and all of its
//! fields must agree. What is excluded by `not` is gone: its rest is written out, with the packets
//! that do not have the field at all.

use super::{Refused, refused};
use crate::model::{
    AddressRange, AddressSet, Direction, Family, FragmentTest, Match, NumberSet, Spanned, Term,
};

/// The most cases of one rule.
const MAX_CASES: usize = 256;

/// The protocols whose packets have ports.
const WITH_PORTS: [u64; 4] = [6, 17, 132, 136];

/// A field whose values are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Protocol,
    SrcPort,
    DstPort,
    TcpFlags,
    IcmpType,
    IcmpCode,
    Length,
    Dscp,
    Ttl,
}

const FIELDS: usize = 9;

impl Field {
    /// Returns the greatest value.
    pub(super) fn max(self) -> u64 {
        match self {
            Field::SrcPort | Field::DstPort => u16::MAX.into(),
            Field::Length => u32::MAX.into(),
            Field::Dscp => 63,
            _ => u8::MAX.into(),
        }
    }
}

/// Kinds of packets by their fragment fields, one bit each: the number of a bit is made of
/// [`DONT`], [`MORE`] and [`LATER`].
pub(super) type Parts = u8;

/// The don't-fragment bit is set.
pub(super) const DONT: u8 = 1;
/// More fragments follow.
pub(super) const MORE: u8 = 2;
/// The offset is not zero.
pub(super) const LATER: u8 = 4;

/// Returns the kinds for which something holds.
pub(super) fn parts(holds: impl Fn(u8) -> bool) -> Parts {
    (0..8).filter(|kind| holds(*kind)).fold(0, |parts, kind| parts | 1 << kind)
}

/// Returns all kinds but later fragments, which have no transport header.
pub(super) fn with_header() -> Parts {
    parts(|kind| kind & LATER == 0)
}

/// One case; nothing in a field leaves it open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// Addresses are of this one.
    pub(super) family: Option<Family>,
    pub(super) src: Option<AddressSet>,
    pub(super) dst: Option<AddressSet>,
    numbers: [Option<NumberSet>; FIELDS],
    pub(super) parts: Parts,
}

/// Says whether cases are wanted in which a condition holds, or in which it does not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Holds,
    Fails,
}

impl Want {
    fn other(self) -> Want {
        if self == Want::Holds { Want::Fails } else { Want::Holds }
    }
}

/// What becomes of a condition that no header tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Refused,
    /// It may hold, and may not.
    Open,
}

/// Returns the cases in which a match holds; none if it never does.
///
/// # Errors
///
/// A condition that no header of a packet tells, and a match of too many cases.
pub(super) fn of(matches: &Match) -> Result<Vec<Case>, Refused> {
    all(matches, Want::Holds, Unknown::Refused)
}

/// Returns whether a match never holds, whatever the answers are to what no header tells.
pub(super) fn is_never(matches: &Match) -> bool {
    all(matches, Want::Holds, Unknown::Open).is_ok_and(|cases| cases.is_empty())
}

fn all(matches: &Match, want: Want, unknown: Unknown) -> Result<Vec<Case>, Refused> {
    let each = matches.terms.iter().map(|term| (term, self::term(term, want, unknown)));
    match want {
        Want::Holds => both(each),
        Want::Fails => either(each),
    }
}

type Told<'t> = (&'t Spanned<Term>, Result<Vec<Case>, Refused>);

fn both<'t>(each: impl Iterator<Item = Told<'t>>) -> Result<Vec<Case>, Refused> {
    let mut found = vec![Case::any()];
    for (term, cases) in each {
        let cases = cases?;
        if found.len().saturating_mul(cases.len()) > MAX_CASES * MAX_CASES {
            return Err(too_many(term));
        }
        let pairs = found.iter().flat_map(|a| cases.iter().filter_map(move |b| a.and(b)));
        found = plain(pairs.collect());
        if found.len() > MAX_CASES {
            return Err(too_many(term));
        }
    }
    Ok(found)
}

fn either<'t>(each: impl Iterator<Item = Told<'t>>) -> Result<Vec<Case>, Refused> {
    let mut found = Vec::new();
    for (term, cases) in each {
        found.extend(cases?);
        found = plain(found);
        if found.len() > MAX_CASES {
            return Err(too_many(term));
        }
    }
    Ok(found)
}

fn too_many(term: &Spanned<Term>) -> Refused {
    refused(
        term.location,
        &format!("this match falls into more than {MAX_CASES} cases"),
        "too many cases from here on",
        "nftables has no `not` and no `any_of` around conditions; split the rule",
    )
}

/// Leaves out what another case holds already, and joins cases that differ in their fragments only.
fn plain(cases: Vec<Case>) -> Vec<Case> {
    let mut kept: Vec<Case> = Vec::with_capacity(cases.len());
    for mut case in cases {
        kept.retain(|other| {
            let is_alike = Case { parts: case.parts, ..other.clone() } == case;
            if is_alike {
                case.parts |= other.parts;
            }
            !is_alike
        });
        if !kept.iter().any(|other| case.is_within(other)) {
            kept.retain(|other| !other.is_within(&case));
            kept.push(case);
        }
    }
    kept
}

//------------ Terms -------------------------------------------------------------

fn term(term: &Spanned<Term>, want: Want, unknown: Unknown) -> Result<Vec<Case>, Refused> {
    use Field::{Dscp, DstPort, IcmpCode, IcmpType, Length, Protocol, SrcPort, TcpFlags, Ttl};
    let unwritable = |what: &str| {
        if unknown == Unknown::Open {
            return Ok(vec![Case::any()]);
        }
        let message = format!("{what} cannot be written for nftables");
        Err(refused(
            term.location,
            &message,
            "not in the header of a packet",
            "the box cannot tell; load these rules only where the condition holds, without it",
        ))
    };
    Ok(match &term.value {
        Term::Src(set) => addresses(set, want, |case, set| case.src = Some(set)),
        Term::Dst(set) => addresses(set, want, |case, set| case.dst = Some(set)),
        Term::Family(family) => {
            let family = match (want, family) {
                (Want::Holds, family) => *family,
                (Want::Fails, Family::V4) => Family::V6,
                (Want::Fails, Family::V6) => Family::V4,
            };
            vec![Case::of(family)]
        }
        Term::Protocol(set) => numbers(Protocol, set, want),
        Term::PacketLength(set) => numbers(Length, set, want),
        Term::Dscp(set) => numbers(Dscp, set, want),
        Term::Ttl(set) => numbers(Ttl, set, want),
        Term::SrcPort(set) => carried(SrcPort, set, want, &ported()),
        Term::DstPort(set) => carried(DstPort, set, want, &ported()),
        Term::Port(set) => {
            let of = |field| (term, Ok(carried(field, set, want, &ported())));
            let each = [of(SrcPort), of(DstPort)].into_iter();
            if want == Want::Holds { either(each)? } else { both(each)? }
        }
        Term::TcpFlags(tests) => {
            let holds = |flags: &u64| {
                tests.iter().any(|test| flags & u64::from(test.mask) == u64::from(test.value))
            };
            let flags = (0..256).filter(holds).map(|flags| (flags, flags));
            let tcp = [Case::any().with(Protocol, NumberSet::new([(6, 6)]))];
            carried(TcpFlags, &NumberSet::new(flags), want, &tcp)
        }
        Term::IcmpType(set) => carried(IcmpType, set, want, &icmp()),
        Term::IcmpCode(set) => carried(IcmpCode, set, want, &icmp()),
        Term::Fragment(tests) => {
            let held = parts(|kind| tests.iter().any(|test| is_part(*test, kind)));
            let held = if want == Want::Holds { held } else { !held };
            if held == 0 { Vec::new() } else { vec![Case { parts: held, ..Case::any() }] }
        }
        Term::Pop(_) => return unwritable("a PoP"),
        Term::Direction(directions) => {
            let word = match directions.as_slice() {
                [Direction::Egress] => "`direction: egress`",
                _ => "a direction",
            };
            return unwritable(word);
        }
        Term::Unmodelled(condition) => {
            return unwritable(&format!("`{}`", condition.text.escape_debug()));
        }
        Term::Not(inner) => all(inner, want.other(), unknown)?,
        Term::AnyOf(branches) => {
            let each = branches.iter().map(|branch| (term, all(branch, want, unknown)));
            if want == Want::Holds { either(each)? } else { both(each)? }
        }
    })
}

fn is_part(test: FragmentTest, kind: u8) -> bool {
    let (dont, more, later) = (kind & DONT != 0, kind & MORE != 0, kind & LATER != 0);
    match test {
        FragmentTest::Any => more || later,
        FragmentTest::First => more && !later,
        FragmentTest::NotFirst => later,
        FragmentTest::Last => later && !more,
        FragmentTest::None => !more && !later,
        FragmentTest::DontFragment => dont,
    }
}

/// What packets with ports are.
fn ported() -> [Case; 1] {
    let set = NumberSet::new(WITH_PORTS.map(|number| (number, number)));
    [Case::any().with(Field::Protocol, set)]
}

/// What packets with a type of ICMP are.
fn icmp() -> [Case; 2] {
    [(Family::V4, 1), (Family::V6, 58)].map(|(family, number)| {
        Case::of(family).with(Field::Protocol, NumberSet::new([(number, number)]))
    })
}

fn addresses(set: &AddressSet, want: Want, put: impl Fn(&mut Case, AddressSet)) -> Vec<Case> {
    let of = |family: Family| {
        let ranges = match want {
            Want::Holds => set.ranges(family).to_vec(),
            Want::Fails => complement(set.ranges(family), family.max()),
        };
        let range = |(first, last)| AddressRange { family, first, last };
        let set = AddressSet::new(ranges.into_iter().map(range));
        let mut case = Case::of(family);
        let is_all = set.covers(AddressRange { family, first: 0, last: family.max() });
        if set.is_empty() {
            return None;
        }
        if !is_all {
            put(&mut case, set);
        }
        Some(case)
    };
    let found: Vec<Case> = [Family::V4, Family::V6].into_iter().filter_map(of).collect();
    let is_open = |case: &Case| case.src.is_none() && case.dst.is_none();
    if found.len() == 2 && found.iter().all(is_open) { vec![Case::any()] } else { found }
}

/// A field that every packet has.
fn numbers(field: Field, set: &NumberSet, want: Want) -> Vec<Case> {
    let set = match want {
        Want::Holds => within(set, field),
        Want::Fails => rest(set, field),
    };
    if set.ranges().is_empty() { Vec::new() } else { vec![Case::any().with(field, set)] }
}

/// A field that only these have, and of them only what is no later fragment.
fn carried(field: Field, set: &NumberSet, want: Want, carriers: &[Case]) -> Vec<Case> {
    let mut found = Vec::new();
    for carrier in carriers {
        let set = if want == Want::Holds { within(set, field) } else { rest(set, field) };
        if !set.ranges().is_empty() {
            found.push(Case { parts: with_header(), ..carrier.clone().with(field, set) });
        }
    }
    if want == Want::Fails {
        found.push(Case { parts: !with_header(), ..Case::any() });
        let others = carriers.iter().map(|carrier| {
            let protocol = carrier.get(Field::Protocol).cloned().unwrap_or_default();
            let mut all = numbers(Field::Protocol, &protocol, Want::Fails);
            if let Some(family) = carrier.family {
                let other = if family == Family::V4 { Family::V6 } else { Family::V4 };
                all.push(Case::of(other));
            }
            all
        });
        let none = others.fold(vec![Case::any()], |found, cases| {
            let pairs = found.iter().flat_map(|a| cases.iter().filter_map(move |b| a.and(b)));
            plain(pairs.collect())
        });
        found.extend(none);
    }
    plain(found)
}

//------------ Cases -------------------------------------------------------------

impl Case {
    fn any() -> Case {
        Case { family: None, src: None, dst: None, numbers: Default::default(), parts: u8::MAX }
    }

    fn of(family: Family) -> Case {
        Case { family: Some(family), ..Case::any() }
    }

    fn with(mut self, field: Field, set: NumberSet) -> Case {
        // A field that every packet has, with all of its values, asks for nothing.
        let is_all = set.ranges() == [(0, field.max())];
        let is_open = matches!(field, Field::Protocol | Field::Length | Field::Dscp | Field::Ttl);
        self.numbers[field as usize] = (!(is_all && is_open)).then_some(set);
        self
    }

    /// Returns the values that a field may have.
    pub(super) fn get(&self, field: Field) -> Option<&NumberSet> {
        self.numbers[field as usize].as_ref()
    }

    /// Returns the case of packets of one family, if there are any.
    pub(super) fn among(&self, family: Family) -> Option<Case> {
        self.and(&Case::of(family))
    }

    fn and(&self, other: &Case) -> Option<Case> {
        let family = match (self.family, other.family) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => a.or(b),
        };
        let addresses = |a: &Option<AddressSet>, b: &Option<AddressSet>| match (a, b) {
            (Some(a), Some(b)) => {
                let both = a.intersection(b);
                if both.is_empty() { Err(()) } else { Ok(Some(both)) }
            }
            (a, b) => Ok(a.clone().or_else(|| b.clone())),
        };
        let mut found = Case {
            family,
            src: addresses(&self.src, &other.src).ok()?,
            dst: addresses(&self.dst, &other.dst).ok()?,
            numbers: self.numbers.clone(),
            parts: self.parts & other.parts,
        };
        if found.parts == 0 {
            return None;
        }
        for (own, other) in found.numbers.iter_mut().zip(&other.numbers) {
            match (&own, other) {
                (Some(a), Some(b)) => {
                    let both = intersection(a, b);
                    if both.ranges().is_empty() {
                        return None;
                    }
                    *own = Some(both);
                }
                (None, Some(b)) => *own = Some(b.clone()),
                _ => {}
            }
        }
        Some(found)
    }

    /// Returns whether another case holds for every packet for which this one does.
    fn is_within(&self, other: &Case) -> bool {
        let addresses = |own: &Option<AddressSet>, other: &Option<AddressSet>| match (own, other) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(other)) => own.iter().all(|range| other.covers(range)),
        };
        let numbers = |own: &Option<NumberSet>, other: &Option<NumberSet>| match (own, other) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(other)) => intersection(own, other) == *own,
        };
        (other.family.is_none() || other.family == self.family)
            && self.parts & !other.parts == 0
            && addresses(&self.src, &other.src)
            && addresses(&self.dst, &other.dst)
            && self.numbers.iter().zip(&other.numbers).all(|(own, other)| numbers(own, other))
    }
}

//------------ Numbers -----------------------------------------------------------

fn intersection(a: &NumberSet, b: &NumberSet) -> NumberSet {
    let pairs = a.ranges().iter().flat_map(|a| b.ranges().iter().map(move |b| (a, b)));
    NumberSet::new(pairs.map(|(a, b)| (a.0.max(b.0), a.1.min(b.1))))
}

/// Returns what of a set a field can have.
fn within(set: &NumberSet, field: Field) -> NumberSet {
    intersection(set, &NumberSet::new([(0, field.max())]))
}

/// Returns what else a field can have.
fn rest(set: &NumberSet, field: Field) -> NumberSet {
    let wide: Vec<(u128, u128)> =
        set.ranges().iter().map(|(a, b)| (u128::from(*a), u128::from(*b))).collect();
    let narrow = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
    let rest = complement(&wide, field.max().into());
    NumberSet::new(rest.into_iter().map(|(a, b)| (narrow(a), narrow(b))))
}

/// Returns what sorted disjoint ranges leave of the numbers up to the greatest.
pub(super) fn complement(ranges: &[(u128, u128)], max: u128) -> Vec<(u128, u128)> {
    let mut rest = Vec::with_capacity(ranges.len() + 1);
    let mut next = Some(0);
    for (first, last) in ranges {
        let Some(from) = next.filter(|from| *from <= max) else { break };
        if *first > from {
            rest.push((from, max.min(first - 1)));
        }
        next = last.checked_add(1);
    }
    rest.extend(next.filter(|from| *from <= max).map(|from| (from, max)));
    rest
}
