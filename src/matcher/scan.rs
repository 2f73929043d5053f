//! The slow, obvious engine: one rule's conditions after another. Faster ones are tested
//! against it.

use super::{Truth, unmodelled_bit};
use crate::model::{
    AddressSet, Direction, Family, FlagTest, Fragment, FragmentTest, Known, Layers, Match, NameId,
    Names, NumberSet, Record, Term, Unmodelled,
};

/// A compiled match.
#[derive(Clone, Debug)]
pub enum Test {
    /// All hold.
    All(Vec<Test>),
    /// Any holds.
    Any(Vec<Test>),
    /// The inner one does not hold.
    Not(Box<Test>),
    /// The source address is in the set.
    Src(AddressSet),
    /// The destination address is in the set.
    Dst(AddressSet),
    /// The protocol is in the set.
    Protocol(NumberSet),
    /// The source port is in the set.
    SrcPort(NumberSet),
    /// The destination port is in the set.
    DstPort(NumberSet),
    /// Any of the flag tests holds.
    TcpFlags(Vec<FlagTest>),
    /// The ICMP type is in the set.
    IcmpType(NumberSet),
    /// The ICMP code is in the set.
    IcmpCode(NumberSet),
    /// The IP total length is in the set.
    PacketLength(NumberSet),
    /// The DSCP is in the set.
    Dscp(NumberSet),
    /// The TTL is in the set.
    Ttl(NumberSet),
    /// Any of the fragment tests holds.
    Fragment(Vec<FragmentTest>),
    /// The PoP is one of these.
    Pop(Vec<NameId>),
    /// The direction is one of these.
    Direction(Vec<Direction>),
    /// The packet is of this family.
    Family(Family),
    /// It cannot be told, and this is why.
    Unknown(Known),
}

impl Test {
    /// Compiles a match; PoP names become numbers.
    pub fn compile(matches: &Match, names: &Names) -> Test {
        Test::All(matches.terms.iter().map(|term| Test::of(&term.value, names)).collect())
    }

    fn of(term: &Term, names: &Names) -> Test {
        match term {
            Term::Src(set) => Test::Src(set.clone()),
            Term::Dst(set) => Test::Dst(set.clone()),
            Term::Protocol(set) => Test::Protocol(set.clone()),
            Term::SrcPort(set) => Test::SrcPort(set.clone()),
            Term::DstPort(set) => Test::DstPort(set.clone()),
            Term::Port(set) => {
                Test::Any(vec![Test::SrcPort(set.clone()), Test::DstPort(set.clone())])
            }
            Term::TcpFlags(tests) => Test::TcpFlags(tests.clone()),
            Term::IcmpType(set) => Test::IcmpType(set.clone()),
            Term::IcmpCode(set) => Test::IcmpCode(set.clone()),
            Term::PacketLength(set) => Test::PacketLength(set.clone()),
            Term::Dscp(set) => Test::Dscp(set.clone()),
            Term::Ttl(set) => Test::Ttl(set.clone()),
            Term::Fragment(tests) => Test::Fragment(tests.clone()),
            Term::Pop(pops) => Test::Pop(pops.iter().map(|pop| names.intern(pop)).collect()),
            Term::Direction(directions) => Test::Direction(directions.clone()),
            Term::Family(family) => Test::Family(*family),
            Term::Unmodelled(Unmodelled { kind, .. }) => {
                Test::Unknown(Known(unmodelled_bit(*kind)))
            }
            Term::Not(inner) => Test::Not(Box::new(Test::compile(inner, names))),
            Term::AnyOf(branches) => {
                Test::Any(branches.iter().map(|branch| Test::compile(branch, names)).collect())
            }
        }
    }

    /// Decides a record.
    pub fn decide(&self, record: &Record) -> Truth {
        let header = &record.header;
        let known = |field: Known, holds: bool| {
            if header.known.has(field) { Truth::of(holds) } else { Truth::Maybe(field) }
        };
        let carried = |field: Known, layer: Layers, holds: bool| {
            known(field, header.layers.has(layer) && holds)
        };
        match self {
            Test::All(tests) => {
                let mut truth = Truth::Yes;
                for test in tests {
                    truth = truth.and(test.decide(record));
                    if truth == Truth::No {
                        break;
                    }
                }
                truth
            }
            Test::Any(tests) => {
                let mut truth = Truth::No;
                for test in tests {
                    truth = truth.or(test.decide(record));
                    if truth == Truth::Yes {
                        break;
                    }
                }
                truth
            }
            Test::Not(inner) => inner.decide(record).negate(),
            Test::Src(set) => known(Known::SRC, set.contains(header.src_address())),
            Test::Dst(set) => known(Known::DST, set.contains(header.dst_address())),
            Test::Protocol(set) => known(Known::PROTOCOL, set.contains(header.protocol.into())),
            Test::SrcPort(set) => {
                carried(Known::PORTS, Layers::PORTS, set.contains(header.src_port.into()))
            }
            Test::DstPort(set) => {
                carried(Known::PORTS, Layers::PORTS, set.contains(header.dst_port.into()))
            }
            Test::TcpFlags(tests) => {
                let holds = tests.iter().any(|test| header.tcp_flags & test.mask == test.value);
                carried(Known::TCP_FLAGS, Layers::TCP_FLAGS, holds)
            }
            Test::IcmpType(set) => {
                carried(Known::ICMP, Layers::ICMP, set.contains(header.icmp_type.into()))
            }
            Test::IcmpCode(set) => {
                carried(Known::ICMP, Layers::ICMP, set.contains(header.icmp_code.into()))
            }
            Test::PacketLength(set) => {
                known(Known::LENGTH, set.contains(header.packet_length.into()))
            }
            Test::Dscp(set) => known(Known::DSCP, set.contains(header.dscp.into())),
            Test::Ttl(set) => known(Known::TTL, set.contains(header.ttl.into())),
            Test::Fragment(tests) => {
                known(Known::FRAGMENT, tests.iter().any(|test| is_fragment(*test, header.fragment)))
            }
            Test::Pop(pops) => known(Known::POP, record.pop.is_some_and(|pop| pops.contains(&pop))),
            Test::Direction(directions) => {
                known(Known::DIRECTION, directions.contains(&record.direction))
            }
            Test::Family(family) => Truth::of(header.family == *family),
            Test::Unknown(missing) => Truth::Maybe(*missing),
        }
    }
}

pub(super) fn is_fragment(test: FragmentTest, fragment: Fragment) -> bool {
    let (later, more) = (fragment.has(Fragment::LATER), fragment.has(Fragment::MORE));
    match test {
        FragmentTest::Any => later || more,
        FragmentTest::First => !later && more,
        FragmentTest::NotFirst => later,
        FragmentTest::Last => later && !more,
        FragmentTest::None => !later && !more,
        FragmentTest::DontFragment => fragment.has(Fragment::DONT),
    }
}
