//! The world that benches are about: customers, an hour of traffic, rules. Made of numbers alone,
//! the same on every machine; nothing of it is kept in the repository.
//!
//! [`traffic`] makes packets, [`rules`] rule sets, and [`files`] writes all of it into a folder.

pub(crate) mod files;
pub(crate) mod rules;
pub(crate) mod traffic;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// How many prefixes the traffic is of; an inventory may hold fewer of them, or more than them.
pub(crate) const PREFIXES: usize = 100_000;

/// How many PoPs there are.
pub(crate) const POPS: usize = 30;

/// When the hour begins: 2026-03-01 UTC.
pub(crate) const START_NS: i64 = 1_772_323_200 * 1_000_000_000;

/// How long it lasts.
pub(crate) const HOUR_NS: i64 = 3_600 * 1_000_000_000;

/// A small generator of numbers (xorshift): the same files on every machine.
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns a number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    /// Returns whether something of so many in a hundred is the case.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }

    /// Returns a rank below `count` of which the first are the likeliest: as often in 1 to 2 as in
    /// 2 to 4, 4 to 8, … (Zipf with exponent 1, without fractions).
    pub(crate) fn zipf(&mut self, count: usize) -> usize {
        let levels = u64::from((count + 1).ilog2());
        let first = 1u64 << self.roll(levels);
        (first - 1 + self.roll(first)) as usize
    }
}

/// An address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) is_v6: bool,
    pub(crate) bits: u128,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_v6 {
            true => Ipv6Addr::from_bits(self.bits).fmt(f),
            false => Ipv4Addr::from_bits(self.bits as u32).fmt(f),
        }
    }
}

/// A prefix of a customer.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) first: Address,
    pub(crate) length: u8,
    pub(crate) customer: usize,
}

impl Block {
    /// Returns an address of it: of few hosts, as most blocks have.
    pub(crate) fn host(&self, dice: &mut Dice) -> Address {
        let bits = if self.first.is_v6 { 16 } else { 32 - u32::from(self.length) };
        let host = (dice.roll(8) * 5 + 1) & ((1 << bits) - 1);
        Address { bits: self.first.bits + u128::from(host), ..self.first }
    }

    /// Returns the block, or a part or a surrounding of it, as text.
    pub(crate) fn prefix(&self, length: u8) -> String {
        let width = if self.first.is_v6 { 128 } else { 32 };
        let host = width - u32::from(length);
        let bits = if host >= 128 { 0 } else { self.first.bits >> host << host };
        let first = Address { bits, ..self.first };
        if first.is_v6 { format!("\"{first}/{length}\"") } else { format!("{first}/{length}") }
    }
}

/// Returns the first so many prefixes: IPv4 from 20.0.0.0 on, every tenth IPv6, every twentieth
/// inside the one before, and some space between them that is nobody's. A shorter list is the
/// beginning of a longer one.
pub(crate) fn blocks(count: usize) -> Vec<Block> {
    let mut dice = Dice::new(1);
    let (mut v4, mut v6) = (20u128 << 24, 0x2001_0db8u128 << 96);
    let mut blocks: Vec<Block> = Vec::with_capacity(count);
    let mut last_v4: Option<(Address, u8)> = None;
    for at in 0..count {
        // Ten customers share a hundred prefixes.
        let customer = at / 100 * 10 + dice.roll(10) as usize;
        let (first, length) = if at % 10 == 9 {
            let length = [48, 56, 56, 64, 64, 64][dice.roll(6) as usize];
            let size = 1u128 << (128 - u32::from(length));
            v6 = v6.next_multiple_of(size);
            let first = Address { is_v6: true, bits: v6 };
            v6 += size;
            (first, length)
        } else if let Some((around, length)) = last_v4.filter(|_| at % 20 == 5) {
            let offset = 1u128 << (32 - u32::from(length) - 1);
            (Address { bits: around.bits + offset, ..around }, (length + 3).min(31))
        } else {
            let length = [24, 24, 25, 26, 26, 27, 27, 28, 28, 29][dice.roll(10) as usize];
            let size = 1u128 << (32 - u32::from(length));
            v4 = v4.next_multiple_of(size);
            let first = Address { is_v6: false, bits: v4 };
            v4 += size;
            if dice.chance(10) {
                v4 += 16;
            }
            last_v4 = Some((first, length));
            (first, length)
        };
        blocks.push(Block { first, length, customer });
    }
    blocks
}

/// Returns the block of a rank: which of them are busy has nothing to do with where they lie.
pub(crate) fn busy(blocks: &[Block], rank: usize) -> &Block {
    &blocks[(rank * 48_271 + 11) % blocks.len()]
}

/// Returns a busy block of a family.
pub(crate) fn busy_of(blocks: &[Block], is_v6: bool, rank: usize) -> &Block {
    let ranks = rank..rank + blocks.len();
    let mut found = ranks.map(|rank| busy(blocks, rank));
    // Of ten blocks in a row one is IPv6, and there are more than ten.
    found.find(|block| block.first.is_v6 == is_v6).unwrap_or(&blocks[0])
}
