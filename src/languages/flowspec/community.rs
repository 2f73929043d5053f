//! Traffic filtering actions as extended communities (RFC 8955 section 7, RFC 8956 section 6.1,
//! draft-ietf-idr-flowspec-redirect-ip, draft-simpson-idr-flowspec-redirect, RFC 5701).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::{Rate, RateUnit};

/// An extended community: 8 octets, or 20 of the IPv6 kind.
pub(super) type Community = Vec<u8>;

/// What a community does to packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// traffic-rate-bytes or traffic-rate-packets; no rate discards everything.
    Rate(RateUnit, Option<Rate>),
    /// traffic-action: sample, and the bit that is named terminal and means that evaluation goes
    /// on (section 7.3).
    Action {
        /// Bit 46.
        sample: bool,
        /// Bit 47.
        goes_on: bool,
    },
    /// The packets go elsewhere.
    Redirect(String),
    /// A copy of them goes elsewhere.
    Copy(String),
    /// traffic-marking.
    Mark(u8),
    /// Only packets of a set of interfaces are filtered.
    Interfaces(String),
    /// An action that is not known.
    Unknown(String),
}

const SECOND_NS: u64 = 1_000_000_000;

/// Bits of a single's fraction.
const FRACTION_BITS: u32 = 23;

/// Reads what a community does; nothing if it has no say over packets. An error says why it cannot
/// be read.
pub(super) fn decode(octets: &[u8]) -> Result<Option<Effect>, String> {
    if octets.len() == 20 {
        return Ok(wide(octets));
    }
    let Ok(octets) = <[u8; 8]>::try_from(octets) else {
        return Err(format!("an extended community has 8 or 20 octets, not {}", octets.len()));
    };
    let [high, low, value @ ..] = octets;
    let [a, b, c, d, e, f] = value;
    let pair = u16::from_be_bytes([a, b]);
    let long = u32::from_be_bytes([c, d, e, f]);
    let v4 = Ipv4Addr::new(a, b, c, d);
    let last = u16::from_be_bytes([e, f]);
    Ok(Some(match (high, low) {
        (0x80, 0x06) => Effect::Rate(RateUnit::Bytes, rate(long, RateUnit::Bytes)?),
        (0x80, 0x0c) => Effect::Rate(RateUnit::Packets, rate(long, RateUnit::Packets)?),
        (0x80, 0x07) => Effect::Action { sample: f & 2 != 0, goes_on: f & 1 != 0 },
        (0x80, 0x08) => Effect::Redirect(format!("rt:{pair}:{long}")),
        (0x81, 0x08) => Effect::Redirect(format!("rt:{v4}:{last}")),
        (0x82, 0x08) => Effect::Redirect(format!("rt:{}:{last}", u32::from_be_bytes([a, b, c, d]))),
        (0x80, 0x09) => Effect::Mark(f & 0x3f),
        (0x08, 0x00) if last & 1 != 0 => Effect::Copy("ip:next-hop".to_owned()),
        (0x08, 0x00) => Effect::Redirect("ip:next-hop".to_owned()),
        (0x01, 0x0c) if last & 1 != 0 => Effect::Copy(format!("ip:{v4}")),
        (0x01, 0x0c) => Effect::Redirect(format!("ip:{v4}")),
        (0x07 | 0x47, 0x02) => Effect::Interfaces(format!(
            "interface-set {}:{}:{}",
            match last >> 14 {
                1 => "input",
                2 => "output",
                3 => "input-output",
                _ => "none",
            },
            u32::from_be_bytes([a, b, c, d]),
            last & 0x3fff
        )),
        // Route targets, origins, colours and the like.
        (0x00..=0x06 | 0x40..=0x46, _) => return Ok(None),
        _ => Effect::Unknown(format!("extended community {}", hex(&octets))),
    }))
}

/// Reads an extended community of the IPv6 kind.
fn wide(octets: &[u8]) -> Option<Effect> {
    let address = <[u8; 16]>::try_from(octets.get(2..18)?).ok().map(Ipv6Addr::from)?;
    let last = u16::from_be_bytes([octets[18], octets[19]]);
    Some(match (octets[0], octets[1]) {
        (0x00, 0x0c) if last & 1 != 0 => Effect::Copy(format!("ip:{address}")),
        (0x00, 0x0c) => Effect::Redirect(format!("ip:{address}")),
        (0x00, 0x0d) | (0x80, 0x0b) => Effect::Redirect(format!("rt:[{address}]:{last}")),
        (0x00 | 0x40, 0x02 | 0x03) => return None,
        _ => Effect::Unknown(format!("extended community {}", hex(octets))),
    })
}

/// Reads the float of a traffic rate. Zero and less discard (section 7.1); what is no number, and
/// infinity, is refused: no document says what a router makes of it. Below 2^-10 a second the rate
/// is rounded down.
fn rate(bits: u32, unit: RateUnit) -> Result<Option<Rate>, String> {
    let negative = bits >> 31 == 1;
    let exponent = bits >> FRACTION_BITS & 0xff;
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    if exponent == 0xff && (fraction != 0 || !negative) {
        return Err(format!("the traffic rate {} is no number", f32::from_bits(bits)));
    }
    if negative || (exponent, fraction) == (0, 0) {
        return Ok(None);
    }
    // The value is the significand × 2^(exponent − 150); subnormals have the exponent 1.
    let significand =
        u64::from(if exponent == 0 { fraction } else { fraction | 1 << FRACTION_BITS });
    let exponent = exponent.max(1);
    let bias = 127 + FRACTION_BITS;
    let (amount, per_ns) = if exponent >= bias {
        let shift = exponent - bias;
        let fits = shift <= significand.leading_zeros();
        (if fits { significand << shift } else { u64::MAX }, SECOND_NS)
    } else {
        // An interval of 2^34 seconds in nanoseconds is the longest that fits.
        let (shift, longest) = (bias - exponent, 34);
        // Whole numbers of a second stay so.
        let shift = shift - shift.min(significand.trailing_zeros());
        let significand = significand >> (bias - exponent - shift);
        let lost = shift.saturating_sub(longest);
        (significand.checked_shr(lost).unwrap_or(0), SECOND_NS << shift.min(longest))
    };
    Ok((amount > 0).then_some(Rate { amount, unit, per_ns }))
}

/// Makes a traffic rate of so many bytes or packets a second; the AS number stays zero.
pub(super) fn traffic_rate(amount: u64, unit: RateUnit) -> Community {
    let low = if unit == RateUnit::Packets { 0x0c } else { 0x06 };
    let mut octets = vec![0x80, low, 0, 0];
    octets.extend_from_slice(&(amount as f32).to_be_bytes());
    octets
}

/// Makes a traffic-action.
pub(super) fn traffic_action(sample: bool, goes_on: bool) -> Community {
    vec![0x80, 0x07, 0, 0, 0, 0, 0, u8::from(sample) << 1 | u8::from(goes_on)]
}

/// Makes a traffic-marking.
pub(super) fn marking(dscp: u8) -> Community {
    vec![0x80, 0x09, 0, 0, 0, 0, 0, dscp]
}

/// Makes a redirect to a route target; none if the numbers do not fit together.
pub(super) fn redirect_to_target(asn: u64, number: u64) -> Option<Community> {
    let mut octets = Vec::with_capacity(8);
    if let Ok(asn) = u16::try_from(asn) {
        octets.extend_from_slice(&[0x80, 0x08]);
        octets.extend_from_slice(&asn.to_be_bytes());
        octets.extend_from_slice(&u32::try_from(number).ok()?.to_be_bytes());
    } else {
        octets.extend_from_slice(&[0x82, 0x08]);
        octets.extend_from_slice(&u32::try_from(asn).ok()?.to_be_bytes());
        octets.extend_from_slice(&u16::try_from(number).ok()?.to_be_bytes());
    }
    Some(octets)
}

/// Makes a redirect (or a copy) to the next hop of the route, as draft-simpson has it.
pub(super) fn redirect_to_next_hop(is_copy: bool) -> Community {
    vec![0x08, 0x00, 0, 0, 0, 0, 0, u8::from(is_copy)]
}

/// Makes a redirect to an address, as draft-ietf-idr-flowspec-redirect-ip has it.
pub(super) fn redirect_to_address(address: std::net::IpAddr) -> Community {
    let (mut octets, address) = match address {
        std::net::IpAddr::V4(v4) => (vec![0x01, 0x0c], v4.octets().to_vec()),
        std::net::IpAddr::V6(v6) => (vec![0x00, 0x0c], v6.octets().to_vec()),
    };
    octets.extend_from_slice(&address);
    octets.extend_from_slice(&[0, 0]);
    octets
}

/// Writes octets in hex.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Makes a traffic rate of so many bits a second, which go over the wire as bytes.
pub(super) fn bit_rate(bits: u64) -> Community {
    let mut octets = vec![0x80, 0x06, 0, 0];
    octets.extend_from_slice(&((bits as f64 / 8.0) as f32).to_be_bytes());
    octets
}
