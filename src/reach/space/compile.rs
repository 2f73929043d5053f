//! Matches as unions of products.
//!
//! All terms of a match intersect; what `not` excludes is cut out piece by piece, so that the
//! pieces do not overlap and few arise. Too many pieces end the exactness, not the answer: then
//! there is a union that holds too much and one that holds too little.

use super::super::fields::{Bits, Field, Ranges};
use super::{Direction, HeaderSet, Key, Pops, direction_bit, kinds};
use crate::model::ordinary::{ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE};
use crate::model::{Family, FlagTest, Fragment, FragmentTest, Match, NumberSet, Term};

/// How many products a match may become, unless its own lists are longer.
const MOST: usize = 512;

/// Below this many products, those that others cover are looked for.
const FEW: usize = 64;

/// A union of products between two bounds: the wide one holds all that is meant, the narrow one
/// nothing else. They are equal unless there would have been too many products.
#[derive(Clone, Debug, PartialEq)]
pub struct Union {
    wide: Vec<HeaderSet>,
    /// None if it equals the wide one.
    narrow: Option<Vec<HeaderSet>>,
    /// Whether the two have changed places.
    is_swapped: bool,
}

impl Union {
    /// Returns products that hold all that is meant.
    pub fn wide(&self) -> &[HeaderSet] {
        &self.wide
    }

    /// Returns products that hold nothing but what is meant.
    pub fn narrow(&self) -> &[HeaderSet] {
        self.narrow.as_ref().unwrap_or(&self.wide)
    }

    /// Returns the union that holds what this one holds for certain, and for certain no more than
    /// it may hold: with it yes and no change places.
    #[must_use]
    pub(in super::super) fn swapped(self) -> Union {
        match self.narrow {
            Some(narrow) => {
                Union { wide: narrow, narrow: Some(self.wide), is_swapped: !self.is_swapped }
            }
            None => self,
        }
    }

    /// Returns products that hold all that is meant, swapped or not.
    pub fn whole(&self) -> &[HeaderSet] {
        if self.is_swapped { self.narrow() } else { &self.wide }
    }

    /// Returns whether the products hold just what is meant.
    pub fn is_exact(&self) -> bool {
        self.narrow.is_none()
    }
}

/// Compiles a match for one family. Among the headers that can exist (see [`super::possible`])
/// the union holds those for which the match holds, and it is empty if there are none; beyond
/// them it may hold anything. A PoP that the table does not name is met by no packet.
pub fn compile(matches: &Match, family: Family, pops: &Pops) -> Union {
    compile_within(matches, family, pops, MOST)
}

/// Compiles a match into not many more products than a number.
pub(in super::super) fn compile_within(
    matches: &Match,
    family: Family,
    pops: &Pops,
    most: usize,
) -> Union {
    let possible = kinds(family);
    let mut compiler =
        Compiler { all: HeaderSet::all(family, pops), pops, possible, most, is_exact: true };
    let wide = compiler.products(matches, true);
    let narrow = if compiler.is_exact { None } else { Some(compiler.products(matches, false)) };
    Union { wide, narrow, is_swapped: false }
}

struct Compiler<'a> {
    all: HeaderSet,
    pops: &'a Pops,
    possible: &'static [HeaderSet],
    most: usize,
    is_exact: bool,
}

impl Compiler<'_> {
    /// Returns the products of a match: all that it holds for and perhaps more if `wide`, else
    /// perhaps less.
    fn products(&mut self, matches: &Match, wide: bool) -> Vec<HeaderSet> {
        let mut whole = self.all.clone();
        let mut unions = Vec::new();
        let mut holes = Vec::new();
        for term in &matches.terms {
            match &term.value {
                Term::AnyOf(branches) => {
                    let products = branches.iter().flat_map(|branch| self.products(branch, wide));
                    unions.push(products.collect::<Vec<_>>());
                }
                Term::Port(set) => {
                    let either = [Term::SrcPort(set.clone()), Term::DstPort(set.clone())];
                    let products = either.iter().filter_map(|term| self.product(term));
                    unions.push(products.collect::<Vec<_>>());
                }
                Term::Family(family) if *family != self.all.family => return Vec::new(),
                Term::Unmodelled(condition) if self.pops.condition(condition).is_none() => {
                    // Whoever asks for all that it may hold for gets everything.
                    self.is_exact = false;
                    if !wide {
                        return Vec::new();
                    }
                }
                // Cutting out too little leaves too much.
                Term::Not(inner) => holes.extend(self.products(inner, !wide)),
                term => {
                    let Some(both) = self.product(term).and_then(|set| whole.intersect(&set))
                    else {
                        return Vec::new();
                    };
                    whole = both;
                }
            }
        }
        let mut products = self.existing(vec![whole]);
        unions.sort_by_key(Vec::len);
        for union in unions {
            products = self.both(products, simpler(union), wide);
        }
        for hole in simpler(holes) {
            products = self.without(products, &hole, wide);
        }
        simpler(products)
    }

    /// Returns those products that hold a header that can exist.
    fn existing(&self, mut products: Vec<HeaderSet>) -> Vec<HeaderSet> {
        products.retain(|set| self.possible.iter().any(|kind| set.meets(kind)));
        products
    }

    /// Returns the products of what two unions share.
    fn both(&mut self, a: Vec<HeaderSet>, b: Vec<HeaderSet>, wide: bool) -> Vec<HeaderSet> {
        let most = self.most.max(a.len()).max(b.len());
        let mut products = Vec::new();
        for one in &a {
            let shared = b.iter().filter_map(|other| one.intersect(other)).collect();
            products.append(&mut self.existing(shared));
            if products.len() > most {
                break;
            }
        }
        if products.len() <= most {
            return products;
        }
        self.is_exact = false;
        if !wide {
            products.truncate(most);
            return products;
        }
        // One product that holds the whole second union.
        let hull = b.into_iter().reduce(|hull, set| hull.hull(&set));
        let shared = a.iter().filter_map(|one| one.intersect(hull.as_ref()?)).collect();
        self.existing(shared)
    }

    /// Returns the products of what is left of a union without a product.
    fn without(&mut self, from: Vec<HeaderSet>, hole: &HeaderSet, wide: bool) -> Vec<HeaderSet> {
        let most = self.most.max(from.len());
        let mut products = Vec::new();
        for set in &from {
            if !set.meets(hole) {
                products.push(set.clone());
                continue;
            }
            let mut pieces = Vec::new();
            set.minus(hole, false, &mut pieces);
            products.append(&mut self.existing(pieces));
        }
        if products.len() <= most {
            return products;
        }
        self.is_exact = false;
        if wide {
            return from;
        }
        // The greatest pieces say most.
        products.sort_by(|a, b| b.volume().total_cmp(&a.volume()));
        products.truncate(most);
        products
    }

    /// Returns the headers of one term; none if no value is in its field's domain.
    fn product(&self, term: &Term) -> Option<HeaderSet> {
        let mut set = self.all.clone();
        let numbers = |of: &Ranges<u32>, numbers: &NumberSet| {
            let (_, most) = of.hull();
            let within = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
            let inside = numbers.ranges().iter().filter(|(first, _)| *first <= most.into());
            Ranges::new(
                inside.map(|(first, last)| (within(*first), within(*last).min(most))).collect(),
            )
        };
        let ports = |set: &mut HeaderSet| {
            set.protocol = such(|value| {
                [TCP, UDP, UDPLITE, SCTP].iter().any(|protocol| value == u32::from(*protocol))
            })?;
            set.fragment = set.fragment.intersect(&whole_or_first())?;
            Some(())
        };
        let icmp = |set: &mut HeaderSet| {
            let protocol = if set.family == Family::V4 { ICMP } else { ICMPV6 };
            set.protocol = Bits::one(protocol.into());
            set.fragment = set.fragment.intersect(&whole_or_first())?;
            Some(())
        };
        match term {
            Term::Src(addresses) => {
                return set.with_addresses(Key::Src, addresses.ranges(set.family));
            }
            Term::Dst(addresses) => {
                return set.with_addresses(Key::Dst, addresses.ranges(set.family));
            }
            Term::Protocol(values) => set.protocol = bits(values)?,
            Term::SrcPort(values) => {
                set.src_port = numbers(&set.src_port, values)?;
                ports(&mut set)?;
            }
            Term::DstPort(values) => {
                set.dst_port = numbers(&set.dst_port, values)?;
                ports(&mut set)?;
            }
            Term::TcpFlags(tests) => {
                let holds = |value: u32, test: &FlagTest| {
                    value & u32::from(test.mask) == u32::from(test.value)
                };
                set.tcp_flags = such(|value| tests.iter().any(|test| holds(value, test)))?;
                set.protocol = Bits::one(TCP.into());
                set.fragment = set.fragment.intersect(&whole_or_first())?;
            }
            Term::IcmpType(values) => {
                set.icmp_type = bits(values)?;
                icmp(&mut set)?;
            }
            Term::IcmpCode(values) => {
                set.icmp_code = bits(values)?;
                icmp(&mut set)?;
            }
            Term::PacketLength(values) => {
                set.packet_length = numbers(&set.packet_length, values)?;
            }
            Term::Dscp(values) => {
                set.dscp = Bits::such(64, |value| values.contains(value.into()))?;
            }
            Term::Ttl(values) => set.ttl = bits(values)?,
            Term::Fragment(tests) => {
                let holds = |value: u32| {
                    let fragment = Fragment(u8::try_from(value).unwrap_or(0));
                    tests.iter().any(|test| is_fragment(*test, fragment))
                };
                set.fragment = set.fragment.intersect(&Bits::such(8, holds)?)?;
            }
            Term::Pop(names) => {
                let numbers = names.iter().filter_map(|name| self.pops.number(name));
                let one = |number: u16| (u32::from(number), u32::from(number));
                set.pop = Ranges::new(numbers.map(one).collect())?;
            }
            Term::Direction(directions) => {
                let holds = |value| directions.iter().any(|one| has(*one, value));
                set.direction = Bits::such(2, holds)?;
            }
            Term::Unmodelled(condition) => {
                let (field, bit) = self.pops.condition(condition)?;
                let holds = Bits::such(64, |value| value >> bit & 1 == 1)?;
                *set.open(field) = holds;
            }
            // It is of this family, or the caller knows.
            Term::Family(_) => {}
            // These are no products; the caller knows.
            Term::Port(_) | Term::Not(_) | Term::AnyOf(_) => {}
        }
        Some(set)
    }
}

fn has(direction: Direction, value: u32) -> bool {
    direction_bit(direction) == value
}

fn bits(values: &NumberSet) -> Option<Bits<4>> {
    such(|value| values.contains(value.into()))
}

fn such(holds: impl Fn(u32) -> bool) -> Option<Bits<4>> {
    Bits::such(256, holds)
}

/// Returns the fragment fields of what has an upper-layer header.
fn whole_or_first() -> Bits<1> {
    let first = |value: u32| value & u32::from(Fragment::LATER.0) == 0;
    Bits::such(8, first).unwrap_or(Bits::one(0))
}

fn is_fragment(test: FragmentTest, fragment: Fragment) -> bool {
    let (later, more) = (fragment.has(Fragment::LATER), fragment.has(Fragment::MORE));
    match test {
        FragmentTest::Any => later || more,
        FragmentTest::First => more && !later,
        FragmentTest::NotFirst => later,
        FragmentTest::Last => later && !more,
        FragmentTest::None => !later && !more,
        FragmentTest::DontFragment => fragment.has(Fragment::DONT),
    }
}

/// Returns the union without the products that others of it cover, if there are few.
fn simpler(products: Vec<HeaderSet>) -> Vec<HeaderSet> {
    if products.len() < 2 || products.len() > FEW {
        return products;
    }
    let mut kept: Vec<HeaderSet> = Vec::with_capacity(products.len());
    for set in products {
        if kept.iter().any(|other| other.covers(&set)) {
            continue;
        }
        kept.retain(|other| !set.covers(other));
        kept.push(set);
    }
    kept
}
