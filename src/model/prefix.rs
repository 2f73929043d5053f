//! Addresses, prefixes and ranges of both families, as numbers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Returns how many bits an address of this family has.
    pub fn bits(self) -> u8 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// Returns the greatest address of this family as a number.
    pub fn max(self) -> u128 {
        match self {
            Family::V4 => u128::from(u32::MAX),
            Family::V6 => u128::MAX,
        }
    }
}

/// An address: its family and its bits, IPv4 in the low 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The family.
    pub family: Family,
    /// The address as a number.
    pub bits: u128,
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Address {
        match address {
            IpAddr::V4(v4) => Address { family: Family::V4, bits: u128::from(u32::from(v4)) },
            IpAddr::V6(v6) => Address { family: Family::V6, bits: u128::from(v6) },
        }
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> IpAddr {
        match address.family {
            // The bits of an IPv4 address fit by construction; the mask says so to the compiler.
            Family::V4 => IpAddr::V4(Ipv4Addr::from((address.bits & u128::from(u32::MAX)) as u32)),
            Family::V6 => IpAddr::V6(Ipv6Addr::from(address.bits)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        IpAddr::from(*self).fmt(f)
    }
}

/// A prefix without host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The family.
    pub family: Family,
    /// The network address as a number.
    pub bits: u128,
    /// The prefix length.
    pub length: u8,
}

impl Prefix {
    /// Makes a prefix, clearing host bits. Lengths beyond the family's are clamped.
    pub fn new(address: Address, length: u8) -> Prefix {
        let length = length.min(address.family.bits());
        let host = host_mask(address.family, length);
        Prefix { family: address.family, bits: address.bits & !host, length }
    }

    /// Returns the addresses of the prefix as a range.
    pub fn range(self) -> AddressRange {
        AddressRange {
            family: self.family,
            first: self.bits,
            last: self.bits | host_mask(self.family, self.length),
        }
    }

    /// Returns whether the prefix holds the address.
    pub fn contains(self, address: Address) -> bool {
        let range = self.range();
        self.family == address.family && (range.first..=range.last).contains(&address.bits)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Address { family: self.family, bits: self.bits }, self.length)
    }
}

/// Returns the host bits of a prefix length, all set.
pub fn host_mask(family: Family, length: u8) -> u128 {
    let host_bits = u32::from(family.bits().saturating_sub(length));
    if host_bits >= 128 { u128::MAX } else { (1u128 << host_bits) - 1 }
}

/// An inclusive range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    /// The family.
    pub family: Family,
    /// The first address.
    pub first: u128,
    /// The last address, inclusive.
    pub last: u128,
}

impl AddressRange {
    /// Returns every address of a family.
    pub fn all(family: Family) -> AddressRange {
        AddressRange { family, first: 0, last: family.max() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn a_prefix_holds_its_first_and_last_address_and_no_more() {
        let prefix = Prefix::new(address("203.0.113.77"), 28);
        assert_eq!(prefix.to_string(), "203.0.113.64/28");
        assert!(prefix.contains(address("203.0.113.64")));
        assert!(prefix.contains(address("203.0.113.79")));
        assert!(!prefix.contains(address("203.0.113.80")));
        assert!(!prefix.contains(address("::cb00:7140")));
    }

    #[test]
    fn the_shortest_prefixes_hold_everything() {
        for text in ["0.0.0.0", "::"] {
            let prefix = Prefix::new(address(text), 0);
            assert_eq!(prefix.range(), AddressRange::all(prefix.family));
        }
    }
}
