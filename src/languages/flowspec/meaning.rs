//! Which packets a flow specification matches, in terms of the model (RFC 8955 section 4.2.2,
//! RFC 8956 section 3).

use std::collections::BTreeSet;

use super::nlri::{
    Component, DESTINATION, DESTINATION_PORT, DSCP, EQUAL, FLOW_LABEL, FRAGMENT, Flow, GREATER,
    ICMP_CODE, ICMP_TYPE, LESS, MATCH, NOT, Operation, PACKET_LENGTH, PORT, PROTOCOL, Pattern,
    SOURCE_PORT, TCP_FLAGS, operations,
};
use crate::model::{
    Address, AddressRange, AddressSet, Family, FlagTest, FragmentTest, Location, Match, NumberSet,
    Spanned, Term, Unmodelled, UnmodelledKind,
};

/// The longest offset of an IPv6 prefix that is written out as ranges: 2 to this power of them.
const WIDEST_OFFSET: u8 = 10;

/// More alternatives of flags than this are written out flag by flag.
const MOST_CUBES: usize = 64;

/// The conditions of a flow specification and what about them is bounded.
pub(super) struct Meaning {
    /// The conditions.
    pub(super) terms: Vec<Spanned<Term>>,
    /// What cannot be told, and why.
    pub(super) bounded: Vec<(Location, String)>,
    /// The components that every value of their field satisfies.
    pub(super) empty_words: Vec<Location>,
}

/// Returns the conditions of a flow specification; `places` are those of its components.
pub(super) fn of(flow: &Flow, places: &[Location], whole: Location) -> Meaning {
    let mut meaning = Meaning { terms: Vec::new(), bounded: Vec::new(), empty_words: Vec::new() };
    let place = |number: usize| places.get(number).copied().unwrap_or(whole);
    let has_prefix = flow.components.iter().any(
        |component| matches!(component, Component::Prefix(pattern) if pattern.offset <= WIDEST_OFFSET),
    );
    if !has_prefix {
        meaning.terms.push(Spanned::new(Term::Family(flow.family), place(0)));
    }
    if let Some(rd) = flow.rd {
        let text = format!("routing instance of rd {}", super::community::hex(&rd));
        meaning.unknown(text, place(0), "the routing instance is not in any recording");
    }
    let mut protocols: Option<NumberSet> = None;
    let mut ports: Option<Location> = None;
    for (number, component) in flow.components.iter().enumerate() {
        let here = place(number);
        match component {
            Component::Prefix(pattern) => meaning.prefix(pattern, here),
            Component::Tests { kind: TCP_FLAGS, data } => meaning.tcp_flags(data, here),
            Component::Tests { kind: FRAGMENT, data } => meaning.fragment(data, flow.family, here),
            Component::Tests { kind, data } => {
                let set = NumberSet::new(numbers(data));
                if *kind == PROTOCOL {
                    protocols = Some(set.clone());
                }
                if matches!(*kind, PORT | DESTINATION_PORT | SOURCE_PORT) {
                    ports = ports.or(Some(here));
                }
                meaning.numbers(*kind, data, set, here);
            }
        }
    }
    // Only TCP and UDP have ports here (section 4.2.2.4); the model knows more protocols with them.
    if let Some(here) = ports {
        let only = protocols.is_some_and(|set| {
            set.ranges().iter().all(|(first, last)| first == last && matches!(first, 6 | 17))
        });
        if !only {
            let both = Term::Protocol(NumberSet::new([(6, 6), (17, 17)]));
            meaning.terms.push(Spanned::new(both, here));
        }
    }
    meaning
}

impl Meaning {
    fn unknown(&mut self, text: String, here: Location, why: &str) {
        self.bounded.push((here, format!("{text}: {why}")));
        self.terms.push(Spanned::new(not_recorded(text), here));
    }

    fn prefix(&mut self, pattern: &Pattern, here: Location) {
        let is_destination = pattern.kind == DESTINATION;
        if pattern.offset > WIDEST_OFFSET {
            let name = if is_destination { "destination" } else { "source" };
            let address = Address { family: pattern.family, bits: pattern.bits };
            let text = format!("{name} {address}/{}/{}", pattern.length, pattern.offset);
            return self.unknown(text, here, "a long offset of an IPv6 prefix is not computed");
        }
        let low = crate::model::prefix::host_mask(pattern.family, pattern.length);
        let ranges = (0..1u128 << pattern.offset).map(|front| {
            let front = front.checked_shl(128 - u32::from(pattern.offset)).unwrap_or(0);
            let first = pattern.bits | front;
            AddressRange { family: pattern.family, first, last: first | low }
        });
        let set = AddressSet::new(ranges);
        let term = if is_destination { Term::Dst(set) } else { Term::Src(set) };
        self.terms.push(Spanned::new(term, here));
    }

    fn numbers(&mut self, kind: u8, data: &[u8], set: NumberSet, here: Location) {
        let most = match kind {
            PROTOCOL | ICMP_TYPE | ICMP_CODE => 0xff,
            DSCP => 63,
            FLOW_LABEL => 0xf_ffff,
            _ => 0xffff,
        };
        if matches!(set.ranges(), [(0, last)] if *last >= most) {
            self.empty_words.push(here);
        }
        let term = match kind {
            PROTOCOL => Term::Protocol(set),
            PORT => Term::Port(set),
            DESTINATION_PORT => Term::DstPort(set),
            SOURCE_PORT => Term::SrcPort(set),
            ICMP_TYPE => Term::IcmpType(set),
            ICMP_CODE => Term::IcmpCode(set),
            PACKET_LENGTH => Term::PacketLength(set),
            DSCP if operations(data).any(|operation| operation.value > 63) => {
                let text = format!("dscp {} of more than six bits", shown(data));
                self.bounded.push((
                    here,
                    format!("{text}: routers may look at six bits of it or match nothing"),
                ));
                let kind = UnmodelledKind::NotUnderstood;
                Term::Unmodelled(Unmodelled { text, kind })
            }
            DSCP => Term::Dscp(set),
            _ => {
                debug_assert_eq!(kind, FLOW_LABEL);
                let text = format!("flow-label {}", shown(data));
                return self.unknown(text, here, "flow labels are not recorded");
            }
        };
        self.terms.push(Spanned::new(term, here));
    }

    fn tcp_flags(&mut self, data: &[u8], here: Location) {
        let cubes = cubes(data);
        let test = |(set, clear): &(u16, u16)| FlagTest {
            mask: (set | clear) as u8,
            value: (*set & 0xff) as u8,
        };
        let is_plain = |(set, clear): &&(u16, u16)| (set | clear) >> 8 == 0;
        let plain: Vec<FlagTest> = cubes.iter().filter(is_plain).map(test).collect();
        let doubtful: BTreeSet<FlagTest> =
            cubes.iter().filter(|cube| !is_plain(cube)).map(test).collect();
        if doubtful.is_empty() {
            self.terms.push(Spanned::new(Term::TcpFlags(plain), here));
            return;
        }
        let text = format!("reserved bits of tcp-flags {}", shown(data));
        self.bounded.push((here, format!("{text}: they are not recorded")));
        let doubtful = Term::TcpFlags(doubtful.into_iter().collect());
        let spanned = |term: Term| Spanned::new(term, here);
        let branches = vec![
            Match { terms: vec![spanned(Term::TcpFlags(plain))] },
            Match { terms: vec![spanned(doubtful), spanned(not_recorded(text))] },
        ];
        self.terms.push(Spanned::new(Term::AnyOf(branches), here));
    }

    fn fragment(&mut self, data: &[u8], family: Family, here: Location) {
        // The reserved bits are ignored; IPv6 has no bit that forbids fragmentation.
        let known = if family == Family::V4 { 0x0f } else { 0x0e };
        let holds = |bits: u64| {
            let tests: Vec<Operation> = operations(data)
                .map(|operation| Operation { value: operation.value & known, ..operation })
                .collect();
            bitmask(&tests, bits)
        };
        // Whole, first, in the middle, last; LF 8, FF 4, IsF 2, DF 1.
        let states = [0, 4, 2, 10];
        let of = |dont: u64| states.map(|state| holds(state | dont));
        let without = of(0);
        let with = if family == Family::V4 { of(1) } else { without };
        let spanned = |term: Term| Spanned::new(term, here);
        if with == without {
            self.terms.extend(fragments(without).into_iter().map(spanned));
            return;
        }
        let dont = || Term::Fragment(vec![FragmentTest::DontFragment]);
        let branch = |first: Term, rest: [bool; 4]| Match {
            terms: std::iter::once(first).chain(fragments(rest)).map(spanned).collect(),
        };
        let not = Term::Not(Match { terms: vec![spanned(dont())] });
        let branches = vec![branch(dont(), with), branch(not, without)];
        self.terms.push(spanned(Term::AnyOf(branches)));
    }
}

fn not_recorded(text: String) -> Term {
    Term::Unmodelled(Unmodelled { text, kind: UnmodelledKind::NotRecorded })
}

/// Returns what holds of packets that are whole, first, in the middle, or last.
fn fragments([whole, first, middle, last]: [bool; 4]) -> Vec<Term> {
    let mut tests = Vec::new();
    let mut push = |holds: bool, test: FragmentTest| {
        if holds {
            tests.push(test);
        }
    };
    push(first && middle && last, FragmentTest::Any);
    push(first && !(middle && last), FragmentTest::First);
    push(middle && !(first && last), FragmentTest::NotFirst);
    push(last && !middle, FragmentTest::Last);
    push(whole, FragmentTest::None);
    let mut terms = vec![Term::Fragment(tests)];
    if middle && !last {
        let here = Location { source: crate::model::SourceId(0), span: Default::default() };
        let last = Spanned::new(Term::Fragment(vec![FragmentTest::Last]), here);
        terms.push(Term::Not(Match { terms: vec![last] }));
    }
    terms
}

/// Evaluates bitmask operations, an OR of AND groups, on bits.
fn bitmask(tests: &[Operation], bits: u64) -> bool {
    let mut any = false;
    let mut group = false;
    for (number, Operation { and, operator, value }) in tests.iter().enumerate() {
        let found = if operator & MATCH != 0 { bits & value == *value } else { bits & value != 0 };
        let found = found != (operator & NOT != 0);
        if *and && number > 0 {
            group &= found;
        } else {
            any |= group;
            group = found;
        }
    }
    any || group
}

/// Returns what the flags of a component ask for, as alternatives of bits that must be set and
/// bits that must not: the low twelve, of which the model knows eight. The data offset counts as
/// zero (section 4.2.2.9).
fn cubes(data: &[u8]) -> BTreeSet<(u16, u16)> {
    let mut all = BTreeSet::new();
    let mut group: Option<BTreeSet<(u16, u16)>> = None;
    for operation in operations(data) {
        let value = (operation.value & 0xffff) as u16;
        let bits = || (0..16).map(|bit| 1u16 << bit).filter(move |bit| value & bit != 0);
        let one: BTreeSet<(u16, u16)> = match operation.operator & (NOT | MATCH) {
            MATCH => BTreeSet::from([(value, 0)]),
            NOT => BTreeSet::from([(0, value)]),
            0 => bits().map(|bit| (bit, 0)).collect(),
            _ => bits().map(|bit| (0, bit)).collect(),
        };
        let possible = one.into_iter().filter(|(set, _)| set & 0xf000 == 0);
        let one: BTreeSet<(u16, u16)> =
            possible.map(|(set, clear)| (set, clear & 0x0fff)).collect();
        group = Some(match group.take() {
            Some(group) if operation.and => {
                let pairs = group.iter().flat_map(|(set, clear)| {
                    one.iter().map(move |(also, nor)| (set | also, clear | nor))
                });
                pairs.filter(|(set, clear)| set & clear == 0).collect()
            }
            Some(group) => {
                all.extend(group);
                one
            }
            None => one,
        });
        if group.as_ref().is_some_and(|group| group.len() > MOST_CUBES) || all.len() > MOST_CUBES {
            return every(data);
        }
    }
    all.extend(group.unwrap_or_default());
    all
}

/// Returns the same, one alternative for every combination of the twelve bits that holds.
fn every(data: &[u8]) -> BTreeSet<(u16, u16)> {
    let tests: Vec<Operation> = operations(data).collect();
    let mut all = BTreeSet::new();
    for low in 0..0x100u16 {
        let holds = |high: &u16| bitmask(&tests, u64::from(high << 8 | low));
        let such: Vec<u16> = (0..16).filter(holds).collect();
        match such.len() {
            0 => {}
            16 => _ = all.insert((low, !low & 0xff)),
            _ => all.extend(such.iter().map(|high| {
                let bits = high << 8 | low;
                (bits, !bits & 0xfff)
            })),
        }
    }
    all
}

/// Returns the numbers that numeric operations allow, an OR of AND groups.
pub(super) fn numbers(data: &[u8]) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    let mut group: Option<Vec<(u64, u64)>> = None;
    for operation in operations(data) {
        let one = ranges(operation.operator, operation.value);
        group = Some(match group.take() {
            Some(group) if operation.and => intersect(&group, &one),
            Some(group) => {
                all.extend(group);
                one
            }
            None => one,
        });
    }
    all.extend(group.unwrap_or_default());
    all
}

fn ranges(operator: u8, value: u64) -> Vec<(u64, u64)> {
    let mut ranges = Vec::with_capacity(2);
    if operator & LESS != 0 && value > 0 {
        ranges.push((0, value - 1));
    }
    if operator & EQUAL != 0 {
        ranges.push((value, value));
    }
    if operator & GREATER != 0 && value < u64::MAX {
        ranges.push((value + 1, u64::MAX));
    }
    ranges
}

fn intersect(one: &[(u64, u64)], other: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let pairs = one.iter().flat_map(|(first, last)| {
        other.iter().map(|(also, until)| (*first.max(also), *last.min(until)))
    });
    let mut ranges: Vec<(u64, u64)> = pairs.filter(|(first, last)| first <= last).collect();
    ranges.dedup();
    ranges
}

/// Writes the operations of a component.
fn shown(data: &[u8]) -> String {
    let mut text = String::new();
    for (number, operation) in operations(data).enumerate() {
        if number > 0 {
            text.push(if operation.and { '&' } else { ' ' });
        }
        let sign = ["false", "=", ">", ">=", "<", "<=", "!=", "true"];
        text.push_str(sign[usize::from(operation.operator & 7)]);
        text.push_str(&operation.value.to_string());
    }
    text
}
