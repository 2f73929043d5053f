//! Flow specifications as they go over the wire (RFC 8955 section 4, RFC 8956 section 3).

use crate::model::Family;
use crate::model::prefix::host_mask;

/// The longest NLRI in octets, without its length (RFC 8955 section 4.1).
pub(super) const LONGEST: usize = 4_095;

/// Component types by number.
pub(super) const DESTINATION: u8 = 1;
pub(super) const SOURCE: u8 = 2;
pub(super) const PROTOCOL: u8 = 3;
pub(super) const PORT: u8 = 4;
pub(super) const DESTINATION_PORT: u8 = 5;
pub(super) const SOURCE_PORT: u8 = 6;
pub(super) const ICMP_TYPE: u8 = 7;
pub(super) const ICMP_CODE: u8 = 8;
pub(super) const TCP_FLAGS: u8 = 9;
pub(super) const PACKET_LENGTH: u8 = 10;
/// The greatest length that is read, though no packet is longer than 65,535 bytes: the four octets
/// of a value carry more, routers took such a rule in 2013, and `impossible_match` is to say so.
pub(super) const MOST_LENGTH: u64 = 0xffff_ffff;
pub(super) const DSCP: u8 = 11;
pub(super) const FRAGMENT: u8 = 12;
pub(super) const FLOW_LABEL: u8 = 13;

/// Bits of an operator octet.
pub(super) const AND: u8 = 0x40;
const END: u8 = 0x80;
const LENGTH: u8 = 0x30;
/// Of numeric operators.
pub(super) const LESS: u8 = 4;
pub(super) const GREATER: u8 = 2;
pub(super) const EQUAL: u8 = 1;
/// Of bitmask operators.
pub(super) const NOT: u8 = 2;
pub(super) const MATCH: u8 = 1;

/// What a filter matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    /// AFI 1 or 2.
    pub(super) family: Family,
    /// The route distinguisher, of VPN routes only (SAFI 134).
    pub(super) rd: Option<[u8; 8]>,
    /// By ascending type, each type once.
    pub(super) components: Vec<Component>,
}

/// One component.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Component {
    /// Types 1 and 2.
    Prefix(Pattern),
    /// All others: pairs of operators and values, as they are sent.
    Tests {
        /// The type.
        kind: u8,
        /// Its octets, without the type.
        data: Vec<u8>,
    },
}

/// The bits of an address between an offset and a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pattern {
    /// The type.
    pub(super) kind: u8,
    /// The family.
    pub(super) family: Family,
    /// The bits in their place in the address; all others are zero.
    pub(super) bits: u128,
    /// Behind the last bit.
    pub(super) length: u8,
    /// The first bit; always zero for IPv4.
    pub(super) offset: u8,
}

/// One pair of an operator and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// Whether it is joined to the one before by AND.
    pub(super) and: bool,
    /// The low bits of the operator.
    pub(super) operator: u8,
    /// The value.
    pub(super) value: u64,
}

/// Why octets are no flow specification, and at which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// Offset of the octet.
    pub(super) at: usize,
    /// A fragment that fits after `malformed: `.
    pub(super) why: String,
}

impl Pattern {
    /// Makes a pattern; bits outside of it are cleared.
    pub(super) fn new(kind: u8, family: Family, bits: u128, length: u8, offset: u8) -> Pattern {
        let kept = !host_mask(family, length) & host_mask(family, offset);
        Pattern { kind, family, bits: bits & kept & family.max(), length, offset }
    }
}

impl Component {
    /// Returns the type.
    pub(super) fn kind(&self) -> u8 {
        match self {
            Component::Prefix(pattern) => pattern.kind,
            Component::Tests { kind, .. } => *kind,
        }
    }

    /// Makes a component of operations; values take as few octets as their type allows.
    pub(super) fn of(kind: u8, operations: &[Operation]) -> Component {
        let mut data = Vec::with_capacity(operations.len() * 3);
        for (number, operation) in operations.iter().enumerate() {
            let (code, octets) = match operation.value {
                0..0x100 => (0, 1),
                0x100..0x1_0000 => (1, 2),
                0x1_0000..0x1_0000_0000 => (2, 4),
                _ => (3, 8),
            };
            let and = if operation.and && number > 0 { AND } else { 0 };
            let end = if number + 1 == operations.len() { END } else { 0 };
            data.push(end | and | code << 4 | operation.operator);
            data.extend_from_slice(&operation.value.to_be_bytes()[8 - octets..]);
        }
        Component::Tests { kind, data }
    }

    fn write(&self, into: &mut Vec<u8>) {
        into.push(self.kind());
        match self {
            Component::Tests { data, .. } => into.extend_from_slice(data),
            Component::Prefix(pattern) => {
                into.push(pattern.length);
                if pattern.family == Family::V6 {
                    into.push(pattern.offset);
                }
                let width = 128 - u32::from(pattern.family.bits());
                let left = (pattern.bits << width).checked_shl(pattern.offset.into()).unwrap_or(0);
                let octets = usize::from(pattern.length - pattern.offset).div_ceil(8);
                into.extend_from_slice(&left.to_be_bytes()[..octets]);
            }
        }
    }
}

/// Reads the operations of a component; the first is never joined by AND (section 4.2.1.1).
pub(super) fn operations(data: &[u8]) -> impl Iterator<Item = Operation> + '_ {
    let mut rest = data;
    let mut first = true;
    std::iter::from_fn(move || {
        let (operator, behind) = rest.split_first()?;
        let octets = value_octets(*operator);
        let value = behind.get(..octets)?;
        rest = if operator & END == 0 { &behind[octets..] } else { &[] };
        let and = operator & AND != 0 && !std::mem::take(&mut first);
        first = false;
        let value = value.iter().fold(0, |value, octet| value << 8 | u64::from(*octet));
        Some(Operation { and, operator: operator & 7, value })
    })
}

fn value_octets(operator: u8) -> usize {
    1 << ((operator & LENGTH) >> 4)
}

impl Flow {
    /// Returns the NLRI with its length; none if it is too long to be sent.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut body: Vec<u8> = self.rd.iter().flatten().copied().collect();
        self.components.iter().for_each(|component| component.write(&mut body));
        let length = u16::try_from(body.len()).ok().filter(|n| usize::from(*n) < LONGEST)?;
        let mut octets = if length < 0xf0 {
            vec![length as u8]
        } else {
            (length | 0xf000).to_be_bytes().to_vec()
        };
        octets.append(&mut body);
        Some(octets)
    }

    /// Reads the first NLRI of some octets and returns how many it takes.
    pub(super) fn decode(
        octets: &[u8],
        family: Family,
        is_vpn: bool,
    ) -> Result<(Flow, usize), Malformed> {
        let wrong = |at: usize, why: &str| Malformed { at, why: why.to_owned() };
        let (length, head) = match octets {
            [first, ..] if *first < 0xf0 => (usize::from(*first), 1),
            [first, second, ..] => (usize::from(first & 0x0f) << 8 | usize::from(*second), 2),
            _ => return Err(wrong(0, "it ends within its length")),
        };
        let end = head + length;
        let Some(body) = octets.get(head..end) else {
            let there = octets.len() - head;
            return Err(Malformed {
                at: 0,
                why: format!("{length} octets announced, {there} there"),
            });
        };
        let (rd, mut at) = match body.first_chunk::<8>() {
            _ if !is_vpn => (None, 0),
            Some(rd) => (Some(*rd), 8),
            None => return Err(wrong(head, "it ends within the route distinguisher")),
        };
        let mut components: Vec<Component> = Vec::new();
        while at < body.len() {
            let kind = body[at];
            if let Some(last) = components.last() {
                if last.kind() == kind {
                    return Err(wrong(head + at, "a component stands there twice"));
                }
                if last.kind() > kind {
                    return Err(wrong(head + at, "its components are not in ascending order"));
                }
            }
            let (component, taken) = component(&body[at..], family)
                .map_err(|Malformed { at: inner, why }| Malformed { at: head + at + inner, why })?;
            components.push(component);
            at += taken;
        }
        if components.is_empty() {
            return Err(wrong(0, "it has no component, and would match everything"));
        }
        Ok((Flow { family, rd, components }, end))
    }
}

/// Reads one component and returns how many octets it takes.
fn component(octets: &[u8], family: Family) -> Result<(Component, usize), Malformed> {
    let kind = octets[0];
    match kind {
        DESTINATION | SOURCE => prefix(kind, octets, family),
        FLOW_LABEL if family == Family::V4 => {
            Err(Malformed { at: 0, why: "component type 13 belongs to IPv6".to_owned() })
        }
        PROTOCOL..=FLOW_LABEL => {
            let length = tests(kind, &octets[1..])
                .map_err(|Malformed { at, why }| Malformed { at: at + 1, why })?;
            Ok((Component::Tests { kind, data: octets[1..=length].to_vec() }, length + 1))
        }
        _ => Err(Malformed { at: 0, why: format!("component type {kind} is unknown") }),
    }
}

fn prefix(kind: u8, octets: &[u8], family: Family) -> Result<(Component, usize), Malformed> {
    let wrong = |at: usize, why: &str| Malformed { at, why: why.to_owned() };
    let (length, offset, head) = match (family, octets) {
        (Family::V4, [_, length, ..]) => (*length, 0, 2),
        (Family::V6, [_, length, offset, ..]) => (*length, *offset, 3),
        _ => return Err(wrong(0, "it ends within a prefix")),
    };
    if length > family.bits() {
        return Err(wrong(1, "a prefix is longer than its family"));
    }
    if offset >= length && (length, offset) != (0, 0) {
        return Err(wrong(2, "a prefix has an offset that is not below its length"));
    }
    let count = usize::from(length - offset).div_ceil(8);
    let Some(bits) = octets.get(head..head + count) else {
        return Err(wrong(0, "it ends within a prefix"));
    };
    let left = bits.iter().fold(0u128, |all, octet| all << 8 | u128::from(*octet));
    let left = left.checked_shl(128 - 8 * count as u32).unwrap_or(0);
    let width = u32::from(128 - family.bits());
    let bits = left.checked_shr(u32::from(offset) + width).unwrap_or(0);
    Ok((Component::Prefix(Pattern::new(kind, family, bits, length, offset)), head + count))
}

/// Returns how many octets the operations of a component take.
fn tests(kind: u8, octets: &[u8]) -> Result<usize, Malformed> {
    let wrong = |at: usize, why: &str| Malformed { at, why: why.to_owned() };
    let mut at = 0;
    loop {
        let Some(operator) = octets.get(at) else {
            return Err(wrong(at, "it ends before the end bit of a component"));
        };
        let value = value_octets(*operator);
        if octets.len() < at + 1 + value {
            return Err(wrong(at, "it ends within a value"));
        }
        match (kind, value) {
            (TCP_FLAGS, 4 | 8) => return Err(wrong(at, "TCP flags take one or two octets")),
            (DSCP, 2..) => return Err(wrong(at, "a DSCP takes one octet")),
            (FRAGMENT, 2..) => return Err(wrong(at, "fragment bits take one octet")),
            _ => at += 1 + value,
        }
        if operator & END != 0 {
            return Ok(at);
        }
    }
}
