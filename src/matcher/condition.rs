//! What a match asks of each single field: the values that it allows, whatever else it asks.

use crate::model::{
    AddressSet, Direction, Family, FlagTest, Fragment, Known, Layers, Match, Names, NumberSet,
    Record, Term,
};

use super::scan::is_fragment;

/// Sorted disjoint inclusive ranges of the values of a field.
pub(super) type Ranges = Vec<(u128, u128)>;

/// A field that rules look at, its values as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Dst,
    Src,
    DstPort,
    SrcPort,
    Protocol,
    TcpFlags,
    IcmpType,
    IcmpCode,
    PacketLength,
    Ttl,
    Dscp,
    Fragment,
    Pop,
    Direction,
}

/// All fields; those that tell most rules apart come first.
pub(super) const FIELDS: [Field; 14] = [
    Field::Dst,
    Field::Src,
    Field::DstPort,
    Field::SrcPort,
    Field::Protocol,
    Field::TcpFlags,
    Field::IcmpType,
    Field::IcmpCode,
    Field::PacketLength,
    Field::Ttl,
    Field::Dscp,
    Field::Fragment,
    Field::Pop,
    Field::Direction,
];

/// What a record has in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// It may have any value.
    Unknown,
    /// It has none: no condition on it holds.
    Absent,
    /// This one.
    Is(u128),
}

impl Field {
    /// Returns the bit that says whether records know it.
    pub(super) fn known(self) -> Known {
        match self {
            Field::Dst => Known::DST,
            Field::Src => Known::SRC,
            Field::DstPort | Field::SrcPort => Known::PORTS,
            Field::Protocol => Known::PROTOCOL,
            Field::TcpFlags => Known::TCP_FLAGS,
            Field::IcmpType | Field::IcmpCode => Known::ICMP,
            Field::PacketLength => Known::LENGTH,
            Field::Ttl => Known::TTL,
            Field::Dscp => Known::DSCP,
            Field::Fragment => Known::FRAGMENT,
            Field::Pop => Known::POP,
            Field::Direction => Known::DIRECTION,
        }
    }

    /// Returns the greatest value.
    pub(super) fn max(self, family: Family) -> u128 {
        match self {
            Field::Dst | Field::Src => family.max(),
            Field::DstPort | Field::SrcPort => u16::MAX.into(),
            Field::PacketLength | Field::Pop => u32::MAX.into(),
            Field::Direction => 1,
            Field::Fragment => 7,
            Field::Protocol | Field::TcpFlags | Field::IcmpType => u8::MAX.into(),
            Field::IcmpCode | Field::Ttl | Field::Dscp => u8::MAX.into(),
        }
    }

    /// Returns what a record has in it.
    #[inline]
    pub(super) fn value(self, record: &Record) -> Value {
        let header = &record.header;
        if !header.known.has(self.known()) {
            return Value::Unknown;
        }
        let carried = |layer: Layers, value: u32| match header.layers.has(layer) {
            true => Value::Is(value.into()),
            false => Value::Absent,
        };
        match self {
            Field::Dst => Value::Is(header.dst),
            Field::Src => Value::Is(header.src),
            Field::DstPort => carried(Layers::PORTS, header.dst_port.into()),
            Field::SrcPort => carried(Layers::PORTS, header.src_port.into()),
            Field::Protocol => Value::Is(header.protocol.into()),
            Field::TcpFlags => carried(Layers::TCP_FLAGS, header.tcp_flags.into()),
            Field::IcmpType => carried(Layers::ICMP, header.icmp_type.into()),
            Field::IcmpCode => carried(Layers::ICMP, header.icmp_code.into()),
            Field::PacketLength => Value::Is(header.packet_length.into()),
            Field::Ttl => Value::Is(header.ttl.into()),
            Field::Dscp => Value::Is(header.dscp.into()),
            Field::Fragment => Value::Is((header.fragment.0 & 7).into()),
            Field::Pop => record.pop.map_or(Value::Absent, |pop| Value::Is(pop.0.into())),
            Field::Direction => Value::Is(direction(record.direction)),
        }
    }

    /// Returns the values that a match allows in this field; none if it may allow all.
    pub(super) fn allowed(self, matches: &Match, family: Family, names: &Names) -> Option<Ranges> {
        let mut allowed: Option<Ranges> = None;
        for term in &matches.terms {
            let Some(here) = self.allowed_by(&term.value, family, names) else { continue };
            allowed = Some(match allowed {
                Some(before) => intersect(&before, &here),
                None => here,
            });
        }
        allowed
    }

    fn allowed_by(self, term: &Term, family: Family, names: &Names) -> Option<Ranges> {
        let numbers = |set: &NumberSet| {
            let all = set.ranges().iter();
            let all: Ranges = all.map(|(first, last)| ((*first).into(), (*last).into())).collect();
            intersect(&all, &[(0, self.max(family))])
        };
        let addresses = |set: &AddressSet| set.ranges(family).to_vec();
        let such = |count: u128, holds: &dyn Fn(u8) -> bool| {
            join((0..count).filter(|value| holds(*value as u8)).map(|value| (value, value)))
        };
        Some(match (self, term) {
            (Field::Dst, Term::Dst(set)) | (Field::Src, Term::Src(set)) => addresses(set),
            (Field::DstPort, Term::DstPort(set))
            | (Field::SrcPort, Term::SrcPort(set))
            | (Field::Protocol, Term::Protocol(set))
            | (Field::IcmpType, Term::IcmpType(set))
            | (Field::IcmpCode, Term::IcmpCode(set))
            | (Field::PacketLength, Term::PacketLength(set))
            | (Field::Ttl, Term::Ttl(set))
            | (Field::Dscp, Term::Dscp(set)) => numbers(set),
            (Field::TcpFlags, Term::TcpFlags(tests)) => {
                let holds =
                    |flags: u8| tests.iter().any(|FlagTest { mask, value }| flags & mask == *value);
                such(256, &holds)
            }
            (Field::Fragment, Term::Fragment(tests)) => {
                let holds = |bits: u8| tests.iter().any(|test| is_fragment(*test, Fragment(bits)));
                such(8, &holds)
            }
            (Field::Pop, Term::Pop(pops)) => {
                join(pops.iter().map(|pop| names.intern(pop).0.into()).map(|id| (id, id)))
            }
            (Field::Direction, Term::Direction(directions)) => {
                join(directions.iter().map(|one| direction(*one)).map(|one| (one, one)))
            }
            // Another family has no destination left; `Conditions::is_of` sees that.
            (Field::Dst, Term::Family(own)) if *own != family => Ranges::new(),
            (_, Term::AnyOf(branches)) => {
                let all = branches.iter().map(|branch| self.allowed(branch, family, names));
                join(all.collect::<Option<Vec<Ranges>>>()?.concat())
            }
            _ => return None,
        })
    }
}

/// What lines allow, while a matcher is made.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// By line, by family: the fields that are not left open.
    lines: Vec<[Vec<(Field, Ranges)>; 2]>,
}

impl Conditions {
    /// Adds the next line.
    pub(super) fn add(&mut self, matches: &Match, names: &Names) {
        let of = |family: Family| {
            let allowed = |field: Field| Some((field, field.allowed(matches, family, names)?));
            FIELDS.into_iter().filter_map(allowed).collect()
        };
        self.lines.push([Family::V4, Family::V6].map(of));
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Returns the values that a line allows in a field; none if it may allow all.
    pub(super) fn allowed(&self, line: u32, field: Field, family: Family) -> Option<&Ranges> {
        let fields = &self.lines[line as usize][usize::from(family == Family::V6)];
        fields.iter().find(|(own, _)| *own == field).map(|(_, ranges)| ranges)
    }

    /// Returns whether a line allows any addresses of a family.
    pub(super) fn is_of(&self, line: u32, family: Family) -> bool {
        let none = |field: Field| self.allowed(line, field, family).is_some_and(Vec::is_empty);
        !none(Field::Dst) && !none(Field::Src)
    }
}

fn direction(direction: Direction) -> u128 {
    u128::from(direction == Direction::Egress)
}

/// Returns whether a match is nothing but what it asks of each single field.
pub(super) fn is_plain(matches: &Match) -> bool {
    let is_compound = |term: &Term| {
        let is_compound = matches!(term, Term::Not(_) | Term::AnyOf(_) | Term::Port(_));
        is_compound || matches!(term, Term::Family(_) | Term::Unmodelled(_))
    };
    !matches.terms.iter().any(|term| is_compound(&term.value))
}

fn join(ranges: impl IntoIterator<Item = (u128, u128)>) -> Ranges {
    let mut sorted: Ranges = ranges.into_iter().collect();
    sorted.sort_unstable();
    let mut joined: Ranges = Vec::with_capacity(sorted.len());
    for (first, last) in sorted {
        match joined.last_mut() {
            Some((_, open)) if first <= open.saturating_add(1) => *open = (*open).max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

fn intersect(a: &[(u128, u128)], b: &[(u128, u128)]) -> Ranges {
    let mut both = Ranges::new();
    let (mut at_a, mut at_b) = (0, 0);
    while let (Some(one), Some(other)) = (a.get(at_a), b.get(at_b)) {
        let (first, last) = (one.0.max(other.0), one.1.min(other.1));
        if first <= last {
            both.push((first, last));
        }
        if one.1 < other.1 { at_a += 1 } else { at_b += 1 }
    }
    both
}
