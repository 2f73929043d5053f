//! Conditions on one field into terms of the model.

use super::fields::{Field, Needs};
use super::ranges::{Ranges, complement, greatest, holds, joined};
use super::tree::Expr;
use super::view::{Hook, Reassembled, View};
use crate::model::{
    AddressRange, AddressSet, Family, FlagTest, FragmentTest, Location, Match, NumberSet, Spanned,
    Term, Unmodelled, UnmodelledKind,
};

/// Terms that must all hold; none if they never do.
pub(super) type Answer = Option<Vec<Term>>;

/// The protocols whose packets have ports in the model.
const WITH_PORTS: [u64; 4] = [6, 17, 132, 136];

/// The least frame of Ethernet holds so many bytes; shorter packets are padded.
const PADDED: u128 = 46;

/// Makes a condition that nobody records.
pub(super) fn unrecorded(text: impl Into<String>) -> Term {
    Term::Unmodelled(Unmodelled { text: text.into(), kind: UnmodelledKind::NotRecorded })
}

/// Makes a match of terms, all at one place.
pub(super) fn all_of(terms: Vec<Term>, location: Location) -> Match {
    Match { terms: terms.into_iter().map(|term| Spanned::new(term, location)).collect() }
}

fn numbers(ranges: &[(u128, u128)]) -> NumberSet {
    let narrow = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
    NumberSet::new(ranges.iter().map(|(first, last)| (narrow(*first), narrow(*last))))
}

fn addresses(family: Family, ranges: &[(u128, u128)]) -> AddressSet {
    let range = |(first, last): &(u128, u128)| AddressRange { family, first: *first, last: *last };
    AddressSet::new(ranges.iter().map(range))
}

fn protocol(number: u8) -> Term {
    Term::Protocol(NumberSet::new([(number.into(), number.into())]))
}

/// Returns what a field needs to be there.
pub(super) fn needs(needs: Needs) -> Vec<Term> {
    match needs {
        Needs::Nothing => Vec::new(),
        Needs::Family(family) => vec![Term::Family(family)],
        Needs::Protocol(number) => vec![protocol(number)],
        Needs::Both(family, number) => vec![Term::Family(family), protocol(number)],
    }
}

/// Says what a condition is about, to make terms of it.
pub(super) struct Condition<'a> {
    pub(super) field: &'a Field,
    /// The condition as written, which stands for it where it cannot be told.
    pub(super) text: &'a str,
    pub(super) view: &'a View,
    /// Whether the rule asks for a protocol that has ports.
    pub(super) has_ports: bool,
    pub(super) location: Location,
}

impl Condition<'_> {
    fn any_of(&self, branches: Vec<Vec<Term>>) -> Term {
        Term::AnyOf(branches.into_iter().map(|branch| all_of(branch, self.location)).collect())
    }

    fn not(&self, terms: Vec<Term>) -> Term {
        Term::Not(all_of(terms, self.location))
    }

    /// Returns the terms that hold for packets whose field has one of these values.
    pub(super) fn terms(&self, ranges: &Ranges) -> Answer {
        if ranges.is_empty() {
            return None;
        }
        let of_family = |family: Family, term: Term| Some(vec![Term::Family(family), term]);
        match self.field {
            Field::NotIp => None,
            Field::Family => families(holds(ranges, 2), holds(ranges, 10)),
            Field::EtherType => families(holds(ranges, 0x0800), holds(ranges, 0x86dd)),
            Field::Version(family) => {
                let version = if *family == Family::V4 { 4 } else { 6 };
                holds(ranges, version).then(|| vec![Term::Family(*family)])
            }
            Field::Protocol => Some(vec![Term::Protocol(numbers(ranges))]),
            Field::HeaderProtocol => of_family(Family::V4, Term::Protocol(numbers(ranges))),
            Field::NextHeader => Some(self.next_header(ranges)),
            Field::Src(family) => Some(vec![Term::Src(addresses(*family, ranges))]),
            Field::Dst(family) => Some(vec![Term::Dst(addresses(*family, ranges))]),
            Field::Length if self.view.hook == Hook::Ingress => Some(vec![self.padded(ranges)]),
            Field::Length => Some(self.length(ranges.clone(), None)),
            Field::TotalLength => Some(self.length(ranges.clone(), Some(Family::V4))),
            Field::PayloadLength => {
                let shifted =
                    ranges.iter().map(|(a, b)| (a.saturating_add(40), b.saturating_add(40)));
                Some(self.length(shifted.collect(), Some(Family::V6)))
            }
            Field::Ttl(family) => {
                let seen = u128::from(self.view.is_forwarded());
                let wire =
                    ranges.iter().map(|(a, b)| (a.saturating_add(seen), b.saturating_add(seen)));
                of_family(*family, Term::Ttl(numbers(&wire.collect::<Vec<_>>())))
            }
            Field::Dscp(family) => of_family(*family, Term::Dscp(numbers(ranges))),
            Field::FragmentOffset => self.fragment_offset(ranges),
            Field::FragmentHeader | Field::FragmentHeaderOffset | Field::FragmentHeaderMore => {
                self.fragment_header(ranges)
            }
            Field::SrcPort(of) => Some(self.port(Term::SrcPort(numbers(ranges)), *of)),
            Field::DstPort(of) => Some(self.port(Term::DstPort(numbers(ranges)), *of)),
            Field::TcpFlags => {
                let mut tests = Vec::new();
                cover(&|flags| holds(ranges, flags.into()), 0, 0, &mut tests);
                if tests.is_empty() {
                    // No value of eight bits: kept as written, so that it is found impossible.
                    return None;
                }
                Some(vec![protocol(6), Term::TcpFlags(tests)])
            }
            Field::IcmpType(family) => Some(icmp(*family, Term::IcmpType(numbers(ranges)))),
            Field::IcmpCode(family) => Some(icmp(*family, Term::IcmpCode(numbers(ranges)))),
            Field::Iif | Field::Oif => Some(vec![unrecorded(self.text)]),
            Field::Opaque { needs: of, kind } => {
                let mut terms = needs(*of);
                terms
                    .push(Term::Unmodelled(Unmodelled { text: self.text.to_owned(), kind: *kind }));
                Some(terms)
            }
        }
    }

    /// Returns the terms that hold for packets whose field has none of these values. A packet
    /// without the field does not match either way.
    pub(super) fn others(&self, ranges: &Ranges) -> Answer {
        match self.field {
            Field::Opaque { needs: of, kind } => {
                let mut terms = needs(*of);
                let unknown = Unmodelled { text: self.text.to_owned(), kind: *kind };
                terms.push(self.not(vec![Term::Unmodelled(unknown)]));
                Some(terms)
            }
            Field::NextHeader => {
                let mut terms = vec![Term::Family(Family::V6)];
                terms.push(self.not(self.next_header(ranges)));
                Some(terms)
            }
            field => {
                // Where it cannot be told, it is another condition than the one that is turned.
                let text = format!("not {}", self.text);
                let rest = complement(ranges, greatest(field.bits()));
                Condition { text: &text, ..*self }.terms(&rest)
            }
        }
    }

    /// The first header names the protocol only where no extension header stands between, which no
    /// record tells: fragments have one, other packets may.
    fn next_header(&self, ranges: &Ranges) -> Vec<Term> {
        const EXTENSIONS: [u128; 8] = [0, 43, 44, 51, 60, 135, 139, 140];
        let v6 = Term::Family(Family::V6);
        if EXTENSIONS.iter().any(|header| holds(ranges, *header)) {
            return vec![v6, unrecorded(self.text)];
        }
        let whole = match self.view.reassembled {
            Reassembled::Both => Vec::new(),
            _ => vec![Term::Fragment(vec![FragmentTest::None])],
        };
        let known = vec![v6, Term::Protocol(numbers(ranges))];
        [known, whole, vec![unrecorded(self.text)]].concat()
    }

    fn port(&self, term: Term, of: Option<u8>) -> Vec<Term> {
        if let Some(number) = of {
            return vec![protocol(number), term];
        }
        if self.has_ports {
            return vec![term];
        }
        // The bytes of any protocol are read as if they were ports.
        let ported = Term::Protocol(NumberSet::new(WITH_PORTS.map(|number| (number, number))));
        let other = vec![self.not(vec![ported.clone()]), unrecorded(self.text)];
        let later = later_fragment(self.text, self.view.reassembled);
        vec![self.any_of(vec![vec![ported, term], other, later])]
    }

    /// Once fragments are put together, nobody knows the length that the rule sees.
    fn length(&self, ranges: Ranges, family: Option<Family>) -> Vec<Term> {
        let length = Term::PacketLength(numbers(&ranges));
        let reassembled = match self.view.reassembled {
            Reassembled::None => false,
            Reassembled::V4 => family != Some(Family::V6),
            Reassembled::Both => true,
        };
        let mut terms: Vec<Term> = family.map(Term::Family).into_iter().collect();
        if !reassembled {
            terms.push(length);
            return terms;
        }
        let whole = Term::Fragment(vec![FragmentTest::None]);
        let part = Term::Fragment(vec![FragmentTest::Any]);
        terms.push(self.any_of(vec![
            vec![whole, length],
            vec![part, unrecorded(format!("{} of the whole packet", self.text))],
        ]));
        terms
    }

    /// At ingress the padding of short frames counts.
    fn padded(&self, ranges: &Ranges) -> Term {
        let among_short = |ranges: &Ranges| ranges.iter().any(|(first, _)| *first <= PADDED);
        let rest = complement(ranges, greatest(32));
        if !(among_short(ranges) && among_short(&rest)) {
            return Term::PacketLength(numbers(ranges));
        }
        let long: Ranges = ranges
            .iter()
            .map(|(a, b)| ((*a).max(PADDED + 1), *b))
            .filter(|(a, b)| a <= b)
            .collect();
        let short = Term::PacketLength(numbers(&[(0, PADDED)]));
        let text = format!("{} with the padding of the frame", self.text);
        let mut branches = vec![vec![short, unrecorded(text)]];
        if !long.is_empty() {
            branches.push(vec![Term::PacketLength(numbers(&long))]);
        }
        self.any_of(branches)
    }

    //------------ Fragments --------------------------------------------------

    /// `ip frag-off`: the flags and, in 13 bits, an offset of which it is known only whether it is
    /// zero.
    fn fragment_offset(&self, ranges: &Ranges) -> Answer {
        let v4 = Term::Family(Family::V4);
        let reassembled = self.view.reassembled != Reassembled::None;
        // By don't-fragment, more-fragments, and whether the offset is not zero.
        let answer = |dont: bool, more: bool, later: bool| {
            let flags = (u128::from(dont) << 14) | (u128::from(more) << 13);
            let offsets = if later { (1, 0x1fff) } else { (0, 0) };
            let (first, last) = (flags | offsets.0, flags | offsets.1);
            let held: u128 = ranges
                .iter()
                .map(|(a, b)| {
                    (*b).min(last).checked_sub((*a).max(first)).map_or(0, |less| less + 1)
                })
                .sum();
            match held {
                0 => Some(false),
                count if count == last - first + 1 => Some(true),
                _ => None,
            }
        };
        let mut branches = Vec::new();
        for (more, later) in [(false, false), (true, false), (false, true), (true, true)] {
            let seen = |dont| match reassembled {
                // What is put together is no fragment.
                true => answer(dont, false, false),
                false => answer(dont, more, later),
            };
            let of_part = part(more, later);
            // Which of the parts had the flag is lost when they are put together.
            let answers = [seen(false), seen(true)];
            let merged = reassembled && (more || later);
            match answers {
                [Some(false), Some(false)] => {}
                [Some(true), Some(true)] => branches.push(of_part),
                _ if merged => branches.push([of_part, vec![unrecorded(self.text)]].concat()),
                answers => {
                    let flag = || Term::Fragment(vec![FragmentTest::DontFragment]);
                    for (answer, flag) in answers.iter().zip([self.not(vec![flag()]), flag()]) {
                        let mut branch = [of_part.clone(), vec![flag]].concat();
                        match answer {
                            Some(false) => continue,
                            Some(true) => {}
                            None => branch.push(unrecorded(self.text)),
                        }
                        branches.push(branch);
                    }
                }
            }
        }
        self.joined_parts(v4, branches)
    }

    /// `frag …` and `exthdr frag`: there is a header of a fragment; a packet that is its only part
    /// (an atomic fragment) is in no record told from a whole one.
    fn fragment_header(&self, ranges: &Ranges) -> Answer {
        let v6 = Term::Family(Family::V6);
        let reassembled = self.view.reassembled == Reassembled::Both;
        let mut branches = Vec::new();
        for (more, later) in [(false, false), (true, false), (false, true), (true, true)] {
            let is_part = more || later;
            let seen = match self.field {
                Field::FragmentHeader if reassembled && is_part => Some(holds(ranges, 0)),
                Field::FragmentHeader if is_part => Some(holds(ranges, 1)),
                Field::FragmentHeader => (holds(ranges, 0) && holds(ranges, 1)).then_some(true),
                // Without the header it does not match; with it these are the values.
                _ if reassembled && is_part => Some(false),
                Field::FragmentHeaderMore if is_part => Some(holds(ranges, more.into())),
                Field::FragmentHeaderMore => match holds(ranges, 0) {
                    true => None,
                    false => Some(false),
                },
                _ if !later && is_part => Some(holds(ranges, 0)),
                _ if !later => match holds(ranges, 0) {
                    true => None,
                    false => Some(false),
                },
                _ if complement(ranges, 0x1fff).iter().all(|(_, last)| *last == 0) => Some(true),
                _ if ranges.iter().all(|(_, last)| *last == 0) => Some(false),
                _ => None,
            };
            match seen {
                Some(false) => {}
                Some(true) => branches.push(part(more, later)),
                None => branches.push([part(more, later), vec![unrecorded(self.text)]].concat()),
            }
        }
        self.joined_parts(v6, branches)
    }

    /// Joins branches of single kinds of parts into few terms.
    fn joined_parts(&self, family: Term, branches: Vec<Vec<Term>>) -> Answer {
        use FragmentTest::{Any, NotFirst};
        let kinds =
            [(false, false), (true, false), (false, true), (true, true)].map(|(m, l)| part(m, l));
        let holds = kinds.each_ref().map(|kind| branches.contains(kind));
        let only = holds.iter().filter(|held| **held).count() == branches.len();
        let test = |test| Some(vec![family.clone(), Term::Fragment(vec![test])]);
        match (holds, only) {
            ([true, true, true, true], true) => Some(vec![family]),
            ([false, true, true, true], true) => test(Any),
            ([false, false, true, true], true) => test(NotFirst),
            _ => match branches.len() {
                0 => None,
                1 => Some([vec![family], branches.concat()].concat()),
                _ => Some(vec![family, self.any_of(branches)]),
            },
        }
    }
}

/// Returns the terms of a packet with these fields: whole, first, last, or between.
fn part(more: bool, later: bool) -> Vec<Term> {
    use FragmentTest::{First, Last, None, NotFirst};
    let test = |test| Term::Fragment(vec![test]);
    match (more, later) {
        (false, false) => vec![test(None)],
        (true, false) => vec![test(First)],
        (false, true) => vec![test(Last)],
        (true, true) => {
            // No place is needed: this term is never shown by itself.
            let last = Spanned::new(test(Last), NOWHERE);
            vec![test(NotFirst), Term::Not(Match { terms: vec![last] })]
        }
    }
}

/// More values than these are one unknown: every unknown doubles what a packet may meet.
pub(super) const MOST_APART: usize = 4;

/// The place of what is written nowhere.
const NOWHERE: Location =
    Location { source: crate::model::SourceId(0), span: crate::model::Span { start: 0, end: 0 } };

/// Returns the terms of a later fragment whose bytes, or whose first part where they have been put
/// together, may meet a condition on the transport header: which, no record tells.
pub(super) fn later_fragment(text: &str, reassembled: Reassembled) -> Vec<Term> {
    vec![Term::Fragment(vec![FragmentTest::NotFirst]), of_later_fragment(text, reassembled)]
}

/// What the bytes of a part look like says nothing of what the whole packet does.
fn of_later_fragment(text: &str, reassembled: Reassembled) -> Term {
    let whole = match reassembled {
        Reassembled::None => "",
        Reassembled::V4 => " in the whole packet (IPv4)",
        Reassembled::Both => " in the whole packet",
    };
    unrecorded(format!("{text}{whole} of a later fragment"))
}

/// Returns one text for each value of a few that a condition on ports holds for.
pub(super) fn looked_for(field: &Expr, terms: &[Term]) -> Option<Vec<String>> {
    let mut sets = terms.iter().filter_map(|term| match term {
        Term::SrcPort(set) | Term::DstPort(set) => Some(set),
        _ => None,
    });
    let (Some(set), None) = (sets.next(), sets.next()) else { return None };
    let is_plain = terms.iter().all(|term| {
        matches!(term, Term::SrcPort(_) | Term::DstPort(_) | Term::Protocol(_) | Term::Family(_))
    });
    let ranges = set.ranges();
    if !is_plain || ranges.is_empty() || ranges.len() > MOST_APART {
        return None;
    }
    let text = |(first, last): &(u64, u64)| match first == last {
        true => format!("{field} {first}"),
        false => format!("{field} {first}-{last}"),
    };
    Some(ranges.iter().map(text).collect())
}

/// Returns the terms of later fragments that may meet any of some conditions.
pub(super) fn later_fragments(
    unknown: &[String],
    reassembled: Reassembled,
    location: Location,
) -> Vec<Term> {
    match unknown {
        [text] => later_fragment(text, reassembled),
        texts => {
            let branch = |text| all_of(vec![of_later_fragment(text, reassembled)], location);
            let branches = texts.iter().map(|text| branch(text)).collect();
            vec![Term::Fragment(vec![FragmentTest::NotFirst]), Term::AnyOf(branches)]
        }
    }
}

fn families(v4: bool, v6: bool) -> Answer {
    match (v4, v6) {
        (true, true) => Some(Vec::new()),
        (true, false) => Some(vec![Term::Family(Family::V4)]),
        (false, true) => Some(vec![Term::Family(Family::V6)]),
        (false, false) => None,
    }
}

fn icmp(family: Family, term: Term) -> Vec<Term> {
    let number = if family == Family::V4 { 1 } else { 58 };
    vec![Term::Family(family), protocol(number), term]
}

/// Covers the values of eight bits that are held with few tests of some of the bits.
fn cover(is_held: &dyn Fn(u8) -> bool, mask: u8, value: u8, tests: &mut Vec<FlagTest>) {
    let count = |mask: u8, value: u8| {
        (0..=u8::MAX).filter(|flags| flags & mask == value && is_held(*flags)).count()
    };
    let all = 1_usize << (8 - mask.count_ones());
    match count(mask, value) {
        0 => {}
        held if held == all => tests.push(FlagTest { mask, value }),
        held => {
            let open = (0..8).map(|bit| 1_u8 << bit).filter(|bit| mask & bit == 0);
            // The bit that leaves one side as plain as can be.
            let best = open.max_by_key(|bit| {
                let set = count(mask | bit, value | bit);
                let clear = held - set;
                let plain = |count: usize| count == 0 || count == all / 2;
                (u8::from(plain(set)) + u8::from(plain(clear)), set.abs_diff(clear))
            });
            let Some(bit) = best else { return };
            cover(is_held, mask | bit, value, tests);
            cover(is_held, mask | bit, value | bit, tests);
        }
    }
}

/// Returns whether a term says that the protocol is one with ports.
pub(super) fn says_ports(term: &Term) -> bool {
    let Term::Protocol(set) = term else { return false };
    let mut ranges = set.ranges().iter();
    ranges.all(|(first, last)| (*first..=*last).all(|number| WITH_PORTS.contains(&number)))
}

/// Moves values left by what a mask takes away: the values of a whole field that a masked one has.
pub(super) fn unmasked(ranges: &Ranges, mask: u128, bits: u32) -> Option<Ranges> {
    let max = greatest(bits);
    if bits <= 16 {
        return Some(joined(
            (0..=max)
                .filter(|value| holds(ranges, value & mask))
                .map(|value| (value, value))
                .collect(),
        ));
    }
    // Of longer fields, only the masks of prefixes.
    let host = !mask & max;
    if host & host.wrapping_add(1) != 0 {
        return None;
    }
    let whole = ranges.iter().filter_map(|(first, last)| {
        let first = if first & host == 0 { *first } else { (first | host).checked_add(1)? };
        (first <= *last).then(|| (first, ((*last).min(max) & !host) | host))
    });
    Some(joined(whole.collect()))
}

/// Returns whether a term asks for what later fragments do not have.
pub(super) fn is_transport(term: &Term) -> bool {
    matches!(
        term,
        Term::SrcPort(_)
            | Term::DstPort(_)
            | Term::Port(_)
            | Term::TcpFlags(_)
            | Term::IcmpType(_)
            | Term::IcmpCode(_)
    )
}
