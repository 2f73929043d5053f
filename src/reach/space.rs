//! The space of packet headers: its points, and products of sets of field values.
//!
//! A set of headers is a product, one set of values a field, and stays one: a thousand sources
//! and a thousand destinations are two lists, never a million boxes. What a product holds beyond
//! the headers that can exist (ports on ICMP) does not matter; see [`possible`].

use std::sync::LazyLock;

use super::fields::{Bits, Field, Ranges};
use crate::model::ordinary::{self, TCP, UDP, carried};
use crate::model::{Direction, Family, Fragment, Known, PacketHeader};
use crate::packet_text::Packet;

pub(super) mod compile;
mod cut;
mod names;
mod possible;

pub use compile::{Union, compile};
pub use names::{OPEN, Pops};
pub(super) use possible::kinds;
pub use possible::possible;

/// Which end is the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The destination.
    Dst,
    /// The source.
    Src,
}

//------------ Points ---------------------------------------------------------

/// One point of header space. Fields that the packet does not carry are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The address family.
    pub family: Family,
    /// Source address as a number.
    pub src: u128,
    /// Destination address as a number.
    pub dst: u128,
    /// IP protocol; for IPv6 that of the upper layer.
    pub protocol: u8,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// TCP flags, FIN 1 to CWR 128.
    pub tcp_flags: u8,
    /// ICMP or ICMPv6 type.
    pub icmp_type: u8,
    /// ICMP or ICMPv6 code.
    pub icmp_code: u8,
    /// IP total length in bytes, header included.
    pub packet_length: u32,
    /// DSCP, 0 to 63.
    pub dscp: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Fragment fields.
    pub fragment: Fragment,
    /// The PoP, a number of [`Pops`].
    pub pop: u16,
    /// Which way it goes.
    pub direction: Direction,
    /// The answers to the conditions that cannot be told, as [`Pops::condition`] numbers them: six
    /// a number, the first in the lowest bit.
    pub open: [u8; OPEN],
}

impl Header {
    /// Returns the packet with this header, of which everything is known: it carries what its
    /// protocol carries, and a PoP that no rule names gets a name that no rule names. Only if no
    /// rule names any PoP is the PoP unknown.
    pub fn to_packet(&self, pops: &Pops) -> Packet {
        let pop = pops.spoken(self.pop);
        let known = if pop.is_some() { Known::ALL } else { Known::ALL.without(Known::POP) };
        Packet {
            header: PacketHeader {
                known,
                layers: carried(self.protocol, self.family, self.fragment),
                family: self.family,
                src: self.src,
                dst: self.dst,
                protocol: self.protocol,
                src_port: self.src_port,
                dst_port: self.dst_port,
                tcp_flags: self.tcp_flags,
                icmp_type: self.icmp_type,
                icmp_code: self.icmp_code,
                packet_length: self.packet_length,
                dscp: self.dscp,
                ttl: self.ttl,
                fragment: self.fragment,
            },
            pop,
            direction: self.direction,
            given: Vec::new(),
        }
    }

    /// Returns the address at an end.
    pub fn address(&self, key: Key) -> u128 {
        match key {
            Key::Dst => self.dst,
            Key::Src => self.src,
        }
    }

    /// Returns the same header with another address at an end.
    #[must_use]
    pub fn with_address(mut self, key: Key, address: u128) -> Header {
        match key {
            Key::Dst => self.dst = address,
            Key::Src => self.src = address,
        }
        self
    }
}

//------------ Products -------------------------------------------------------

/// A product of sets of field values, of one family, never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderSet {
    family: Family,
    direction: Bits<1>,
    fragment: Bits<1>,
    dscp: Bits<1>,
    dst: Ranges<u128>,
    src: Ranges<u128>,
    dst_port: Ranges<u32>,
    src_port: Ranges<u32>,
    packet_length: Ranges<u32>,
    pop: Ranges<u32>,
    protocol: Bits<4>,
    tcp_flags: Bits<4>,
    icmp_type: Bits<4>,
    icmp_code: Bits<4>,
    ttl: Bits<4>,
    open_a: Bits<1>,
    open_b: Bits<1>,
    open_c: Bits<1>,
    open_d: Bits<1>,
    open_e: Bits<1>,
    open_f: Bits<1>,
}

/// Hands every field to a macro, those first that tell most sets apart.
macro_rules! all_fields {
    ($each:ident) => {
        $each!(
            dst,
            src,
            protocol,
            dst_port,
            src_port,
            packet_length,
            tcp_flags,
            fragment,
            icmp_type,
            icmp_code,
            ttl,
            dscp,
            pop,
            direction,
            open_a,
            open_b,
            open_c,
            open_d,
            open_e,
            open_f
        )
    };
}

impl HeaderSet {
    /// Makes the set of all headers of a family, and of some that cannot exist.
    pub fn all(family: Family, pops: &Pops) -> HeaderSet {
        HeaderSet::any(family, pops.other())
    }

    fn any(family: Family, other_pop: u16) -> HeaderSet {
        let fragments = if family == Family::V4 { 8 } else { 4 };
        let longest = longest(family);
        HeaderSet {
            family,
            direction: up_to(2),
            fragment: up_to(fragments),
            dscp: up_to(64),
            dst: Ranges::one(0, family.max()),
            src: Ranges::one(0, family.max()),
            dst_port: Ranges::one(0, u32::from(u16::MAX)),
            src_port: Ranges::one(0, u32::from(u16::MAX)),
            packet_length: Ranges::one(0, longest),
            pop: Ranges::one(0, u32::from(other_pop)),
            protocol: up_to(256),
            tcp_flags: up_to(256),
            icmp_type: up_to(256),
            icmp_code: up_to(256),
            ttl: up_to(256),
            open_a: up_to(64),
            open_b: up_to(64),
            open_c: up_to(64),
            open_d: up_to(64),
            open_e: up_to(64),
            open_f: up_to(64),
        }
    }

    /// Makes the set of one header.
    pub(super) fn point(header: &Header) -> HeaderSet {
        let one = |value: u32| Ranges::one(value, value);
        HeaderSet {
            family: header.family,
            direction: Bits::one(direction_bit(header.direction)),
            fragment: Bits::one(header.fragment.0.into()),
            dscp: Bits::one(header.dscp.into()),
            dst: Ranges::one(header.dst, header.dst),
            src: Ranges::one(header.src, header.src),
            dst_port: one(header.dst_port.into()),
            src_port: one(header.src_port.into()),
            packet_length: one(header.packet_length),
            pop: one(header.pop.into()),
            protocol: Bits::one(header.protocol.into()),
            tcp_flags: Bits::one(header.tcp_flags.into()),
            icmp_type: Bits::one(header.icmp_type.into()),
            icmp_code: Bits::one(header.icmp_code.into()),
            ttl: Bits::one(header.ttl.into()),
            open_a: Bits::one(header.open[0].into()),
            open_b: Bits::one(header.open[1].into()),
            open_c: Bits::one(header.open[2].into()),
            open_d: Bits::one(header.open[3].into()),
            open_e: Bits::one(header.open[4].into()),
            open_f: Bits::one(header.open[5].into()),
        }
    }

    /// Returns a field of answers.
    fn open(&mut self, field: usize) -> &mut Bits<1> {
        match field {
            0 => &mut self.open_a,
            1 => &mut self.open_b,
            2 => &mut self.open_c,
            3 => &mut self.open_d,
            4 => &mut self.open_e,
            _ => &mut self.open_f,
        }
    }

    /// Returns the family of the headers.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Returns what both sets hold; none if that is nothing.
    pub fn intersect(&self, other: &HeaderSet) -> Option<HeaderSet> {
        if !self.meets(other) {
            return None;
        }
        macro_rules! each {
            ($($field:ident),*) => {
                HeaderSet {
                    family: self.family,
                    $($field: self.$field.intersect(&other.$field)?,)*
                }
            };
        }
        Some(all_fields!(each))
    }

    /// Returns whether two sets share a header.
    pub fn meets(&self, other: &HeaderSet) -> bool {
        macro_rules! each {
            ($($field:ident),*) => {
                self.family == other.family $(&& self.$field.meets(&other.$field))*
            };
        }
        all_fields!(each)
    }

    /// Returns whether every header of the other set is in this one.
    pub fn covers(&self, other: &HeaderSet) -> bool {
        macro_rules! each {
            ($($field:ident),*) => {
                self.family == other.family $(&& self.$field.covers(&other.$field))*
            };
        }
        all_fields!(each)
    }

    /// Returns whether every header of the other set is in this one, whatever its address at an
    /// end.
    pub(super) fn covers_but(&self, key: Key, other: &HeaderSet) -> bool {
        macro_rules! each {
            ($dst:ident, $src:ident, $($field:ident),*) => {
                self.family == other.family
                    && (key == Key::Dst || self.$dst.covers(&other.$dst))
                    && (key == Key::Src || self.$src.covers(&other.$src))
                    $(&& self.$field.covers(&other.$field))*
            };
        }
        all_fields!(each)
    }

    /// Returns whether the header is in the set.
    pub fn contains(&self, header: &Header) -> bool {
        self.family == header.family
            && self.dst.contains(header.dst)
            && self.src.contains(header.src)
            && self.protocol.contains(header.protocol.into())
            && self.dst_port.contains(header.dst_port.into())
            && self.src_port.contains(header.src_port.into())
            && self.packet_length.contains(header.packet_length)
            && self.tcp_flags.contains(header.tcp_flags.into())
            && self.fragment.contains(header.fragment.0.into())
            && self.icmp_type.contains(header.icmp_type.into())
            && self.icmp_code.contains(header.icmp_code.into())
            && self.ttl.contains(header.ttl.into())
            && self.dscp.contains(header.dscp.into())
            && self.pop.contains(header.pop.into())
            && self.direction.contains(direction_bit(header.direction))
            && self.open_a.contains(header.open[0].into())
            && self.open_b.contains(header.open[1].into())
            && self.open_c.contains(header.open[2].into())
            && self.open_d.contains(header.open[3].into())
            && self.open_e.contains(header.open[4].into())
            && self.open_f.contains(header.open[5].into())
    }

    /// Returns the headers of the set with an address of some ranges, in any order, at an end;
    /// none if there are none.
    pub fn with_addresses(&self, key: Key, ranges: &[(u128, u128)]) -> Option<HeaderSet> {
        let ranges = Ranges::new(ranges.to_vec())?;
        let narrowed = self.key(key).intersect(&ranges)?;
        Some(self.at(key, narrowed))
    }

    /// Returns the addresses at an end: sorted, disjoint, inclusive.
    pub fn addresses(&self, key: Key) -> &[(u128, u128)] {
        self.key(key).ranges()
    }

    /// Returns a bit each for TCP, for UDP, and for all other protocols.
    pub(super) fn protocols(&self) -> u8 {
        static KINDS: LazyLock<[Option<Bits<4>>; 3]> = LazyLock::new(|| {
            let [tcp, udp] = [TCP, UDP].map(u32::from);
            let others = Bits::such(256, |value| value != tcp && value != udp);
            [Some(Bits::one(tcp)), Some(Bits::one(udp)), others]
        });
        let has = |bits: &Option<Bits<4>>| bits.is_some_and(|bits| self.protocol.meets(&bits));
        KINDS.iter().enumerate().fold(0, |found, (at, bits)| found | u8::from(has(bits)) << at)
    }

    /// Returns the least and the greatest destination port, zero where there is none.
    pub(super) fn dst_ports(&self) -> (u128, u128) {
        let (first, last) = self.dst_port.hull();
        (first.into(), last.into())
    }

    /// Returns the least and the greatest source port, zero where there is none.
    pub(super) fn src_ports(&self) -> (u128, u128) {
        let (first, last) = self.src_port.hull();
        (first.into(), last.into())
    }

    /// Returns the addresses at an end.
    pub(super) fn key(&self, key: Key) -> &Ranges<u128> {
        match key {
            Key::Dst => &self.dst,
            Key::Src => &self.src,
        }
    }

    /// Returns the same set with other addresses at an end.
    pub(super) fn at(&self, key: Key, addresses: Ranges<u128>) -> HeaderSet {
        let mut set = self.clone();
        match key {
            Key::Dst => set.dst = addresses,
            Key::Src => set.src = addresses,
        }
        set
    }

    /// Adds what is in this set and not in another that it meets: disjoint products, at most one
    /// a field, or if `sides` two where one is before and one after the other set.
    pub(super) fn minus(&self, other: &HeaderSet, sides: bool, into: &mut Vec<HeaderSet>) {
        let mut rest = self.clone();
        macro_rules! each {
            ($($field:ident),*) => {
                $(
                    if let Some(left) = rest.$field.minus(&other.$field) {
                        let both = rest.$field.intersect(&other.$field);
                        let mut piece = rest.clone();
                        if let Some((before, after)) = left.sides().filter(|_| sides) {
                            let mut other = rest.clone();
                            (piece.$field, other.$field) = (before, after);
                            into.push(other);
                        } else {
                            piece.$field = left;
                        }
                        into.push(piece);
                        let Some(both) = both else { return };
                        rest.$field = both;
                    }
                )*
            };
        }
        // What carries other fields comes first, so that the pieces beyond it need not be cut by
        // fields that they do not carry.
        each!(
            protocol,
            fragment,
            dst,
            src,
            dst_port,
            src_port,
            packet_length,
            tcp_flags,
            icmp_type,
            icmp_code,
            ttl,
            dscp,
            pop,
            direction,
            open_a,
            open_b,
            open_c,
            open_d,
            open_e,
            open_f
        );
    }

    /// Returns the smallest product that holds two.
    pub(super) fn hull(&self, other: &HeaderSet) -> HeaderSet {
        macro_rules! each {
            ($($field:ident),*) => {
                HeaderSet {
                    family: self.family,
                    $($field: self.$field.union(&other.$field),)*
                }
            };
        }
        all_fields!(each)
    }

    /// Returns how many headers there are, about: a product of whole numbers below 2^500, the
    /// same on every machine.
    pub(super) fn volume(&self) -> f64 {
        macro_rules! each {
            ($($field:ident),*) => { 1.0 $(* self.$field.count())* };
        }
        all_fields!(each)
    }

    /// Returns the most ordinary header of the set: what a field is that nobody wrote down where
    /// it may be that, else the smallest value.
    pub fn corner(&self) -> Header {
        let nobody = ordinary::nobody(self.family);
        let port = u32::from(ordinary::PORT);
        self.header(
            [self.src.near(nobody), self.dst.near(nobody)],
            [
                self.protocol.near(TCP.into()),
                self.src_port.near(port),
                self.dst_port.near(port),
                self.tcp_flags.near(ordinary::FLAGS.into()),
                self.icmp_type.near(ordinary::echo_request(self.family).into()),
                self.icmp_code.least(),
                self.packet_length.near(ordinary::LENGTH),
                self.dscp.least(),
                self.ttl.near(ordinary::TTL.into()),
                self.fragment.least(),
                self.pop.least(),
                self.direction.least(),
                self.open_a.least(),
                self.open_b.least(),
                self.open_c.least(),
                self.open_d.least(),
                self.open_e.least(),
                self.open_f.least(),
            ],
        )
    }

    /// Returns a header in the middle of the set, field by field.
    pub(super) fn middle(&self) -> Header {
        self.header(
            [self.src.middle(), self.dst.middle()],
            [
                self.protocol.middle(),
                self.src_port.middle(),
                self.dst_port.middle(),
                self.tcp_flags.middle(),
                self.icmp_type.middle(),
                self.icmp_code.middle(),
                self.packet_length.middle(),
                self.dscp.middle(),
                self.ttl.middle(),
                self.fragment.middle(),
                self.pop.middle(),
                self.direction.middle(),
                self.open_a.middle(),
                self.open_b.middle(),
                self.open_c.middle(),
                self.open_d.middle(),
                self.open_e.middle(),
                self.open_f.middle(),
            ],
        )
    }

    fn header(&self, [src, dst]: [u128; 2], values: [u32; 12 + OPEN]) -> Header {
        // The sets hold nothing beyond their domains, so nothing is cut off here.
        let byte = |at: usize| values[at].min(255) as u8;
        let word = |at: usize| values[at].min(65_535) as u16;
        Header {
            family: self.family,
            src,
            dst,
            protocol: byte(0),
            src_port: word(1),
            dst_port: word(2),
            tcp_flags: byte(3),
            icmp_type: byte(4),
            icmp_code: byte(5),
            packet_length: values[6],
            dscp: byte(7),
            ttl: byte(8),
            fragment: Fragment(byte(9)),
            pop: word(10),
            direction: if values[11] == 0 { Direction::Ingress } else { Direction::Egress },
            open: std::array::from_fn(|at| byte(12 + at)),
        }
    }
}

/// Returns the numbers below a bound, which is not zero.
fn up_to<const N: usize>(bound: u32) -> Bits<N> {
    Bits::such(bound, |_| true).unwrap_or(Bits::one(0))
}

fn direction_bit(direction: Direction) -> u32 {
    match direction {
        Direction::Ingress => 0,
        Direction::Egress => 1,
    }
}

/// Returns the greatest IP total length: an IPv6 header is not part of its own length field.
fn longest(family: Family) -> u32 {
    match family {
        Family::V4 => 65_535,
        Family::V6 => 65_575,
    }
}
