//! Templates of NetFlow v9 (RFC 3954, section 5) and IPFIX (RFC 7011, section 3), and the values of
//! a record that one describes.

use crate::traffic::exports::{length, number};

macro_rules! slots {
    ($($(#[$doc:meta])* $slot:ident = $($number:literal)|+;)*) => {
        /// A field that is looked at: an information element of IANA's registry, or several that
        /// say the same.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Slot {
            $($(#[$doc])* $slot,)*
        }

        const ALL: &[Slot] = &[$(Slot::$slot,)*];

        impl Slot {
            /// Returns the slot of an element of IANA's.
            fn of(element: u16) -> Option<Slot> {
                match element {
                    $($($number)|+ => Some(Slot::$slot),)*
                    _ => None,
                }
            }
        }
    };
}

slots! {
    Bytes = 1;
    Packets = 2;
    OutBytes = 23;
    OutPackets = 24;
    TotalBytes = 85;
    TotalPackets = 86;
    /// Of the way there, where one record is of both ways.
    ThereBytes = 231;
    TherePackets = 298;
    /// Of the way back.
    BackBytes = 232;
    BackPackets = 299;
    Protocol = 4;
    Tos = 5;
    Dscp = 195;
    Flags = 6;
    BackFlags = 65535;
    SrcPort = 7 | 180 | 182;
    DstPort = 11 | 181 | 183;
    Src4 = 8;
    Dst4 = 12;
    Src6 = 27;
    Dst6 = 28;
    IpVersion = 60;
    EtherType = 256;
    Icmp4 = 32;
    Icmp6 = 139;
    Icmp4Type = 176;
    Icmp4Code = 177;
    Icmp6Type = 178;
    Icmp6Code = 179;
    LeastLength = 25;
    GreatestLength = 26;
    LeastTtl = 52;
    GreatestTtl = 53;
    Ttl = 192;
    FragmentOffset = 88;
    Forwarding = 89;
    LineCard = 141;
    MeteringProcess = 143;
    ExportingProcess = 144;
    ObservationDomain = 149;
    /// Totals of what the exporter did not look at, or did not send.
    IgnoredPackets = 164;
    NotSentFlows = 166;
    FragmentFlags = 197;
    Input = 10;
    Direction = 61;
    LastUptime = 21;
    FirstUptime = 22;
    StartSeconds = 150;
    EndSeconds = 151;
    StartMs = 152;
    EndMs = 153;
    StartUs = 154;
    EndUs = 155;
    StartNs = 156;
    EndNs = 157;
    StartUsAgo = 158;
    EndUsAgo = 159;
    BootMs = 160;
    DurationMs = 161;
    DurationUs = 162;
    SeenSeconds = 322;
    SeenMs = 323;
    SeenUs = 324;
    SeenNs = 325;
    /// A number of the exporter's for a way of sampling.
    Sampler = 48 | 302;
    /// One packet of so many.
    Interval = 34;
    RandomInterval = 50;
    /// So many packets in a row are taken, and then so many are not.
    PacketInterval = 305;
    PacketSpace = 306;
    /// So many packets of so many.
    SampleSize = 309;
    Population = 310;
    Probability = 311;
    /// The length of a frame of which a section is given.
    FrameLength = 312;
    /// The start of an IP packet, and of a frame, as they were.
    PacketSection = 313;
    FrameSection = 315;
}

const SLOTS: usize = ALL.len();

/// The number of the enterprise whose elements are those of IANA for the way back (RFC 5103).
const REVERSE: u32 = 29_305;
/// The length of a field that gives its length itself.
const VARIABLE: u16 = 65_535;

/// What a template says of one field.
#[derive(Clone, Copy, Debug)]
struct Field {
    slot: Option<Slot>,
    length: u16,
}

/// A field, where in a record it begins, and how long it is.
type Place = (Slot, usize, usize);

/// How the records of a set lie in it.
#[derive(Clone, Debug)]
pub(super) struct Template {
    fields: Vec<Field>,
    /// Whether its records are about the exporter.
    pub(super) is_options: bool,
    /// The length of every record, and where in it is what; none if records differ in length.
    fixed: Option<(usize, Vec<Place>)>,
    /// The least that a record takes.
    least: usize,
}

/// Which protocol a template is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V9,
    Ipfix,
}

/// What stands at the front of a set of templates.
pub(super) enum Found {
    Template(u16, Template),
    /// It is no longer used.
    Withdrawn(u16),
}

impl Template {
    /// Reads the template at the front of a set and returns what is after it; none if it is cut
    /// off, or describes nothing.
    pub(super) fn parse(set: &[u8], version: Version, is_options: bool) -> Option<(Found, &[u8])> {
        let id = number(set, 0, 2)? as u16;
        let count = length(set, 2, 2)?;
        if version == Version::Ipfix && count == 0 {
            return Some((Found::Withdrawn(id), set.get(4..)?));
        }
        let (mut at, scopes, count) = match (is_options, version) {
            (false, _) => (4, 0, count),
            // The lengths of both lists of fields, in bytes.
            (true, Version::V9) => (6, count / 4, count / 4 + length(set, 4, 2)? / 4),
            // How many fields there are, and how many of them are scopes.
            (true, Version::Ipfix) => (6, length(set, 4, 2)?, count),
        };
        let mut fields = Vec::with_capacity(count.min(set.len() / 4));
        for place in 0..count {
            let (element, length) = (number(set, at, 2)? as u16, number(set, at + 2, 2)? as u16);
            at += 4;
            let slot = if version == Version::Ipfix && element & 0x8000 != 0 {
                at += 4;
                own(element & 0x7fff, number(set, at - 4, 4)? as u32)
            } else if place < scopes && version == Version::V9 {
                // Scopes have numbers of their own: an interface is the one that matters.
                (element == 2).then_some(Slot::Input)
            } else {
                Slot::of(element)
            };
            fields.push(Field { slot, length });
        }
        let template = Template::new(fields, is_options, version)?;
        Some((Found::Template(id, template), set.get(at..)?))
    }

    fn new(fields: Vec<Field>, is_options: bool, version: Version) -> Option<Template> {
        let varies = |field: &Field| version == Version::Ipfix && field.length == VARIABLE;
        let least = |field: &Field| if varies(field) { 1 } else { usize::from(field.length) };
        let least = fields.iter().map(least).sum();
        if least == 0 {
            return None;
        }
        let fixed = (!fields.iter().any(varies)).then(|| {
            let mut at = 0;
            let mut places = Vec::new();
            for field in &fields {
                let length = usize::from(field.length);
                places.extend(field.slot.map(|slot| (slot, at, length)));
                at += length;
            }
            (at, places)
        });
        Some(Template { fields, is_options, fixed, least })
    }

    /// Returns whether its records are flows of IPv4, and of IPv6; a section may be of any packet.
    pub(super) fn families(&self) -> [bool; 2] {
        let has = |slots: &[Slot]| {
            let mut own = self.fields.iter().filter_map(|field| field.slot);
            !self.is_options && own.any(|slot| slots.contains(&slot))
        };
        let any = has(&[Slot::PacketSection, Slot::FrameSection]);
        [has(&[Slot::Src4, Slot::Dst4]) || any, has(&[Slot::Src6, Slot::Dst6]) || any]
    }

    /// Returns whether this many bytes may hold a record.
    pub(super) fn may_fit(&self, length: usize) -> bool {
        length >= self.least
    }

    /// Reads the record at the front of a set, and returns how long it is; none if it is cut off.
    pub(super) fn read(&self, set: &[u8], values: &mut Values) -> Option<usize> {
        values.known = 0;
        if let Some((length, places)) = &self.fixed {
            let record = set.get(..*length)?;
            for (slot, at, length) in places {
                values.put(*slot, record, *at, *length);
            }
            return Some(*length);
        }
        let mut at = 0;
        for field in &self.fields {
            let mut size = usize::from(field.length);
            if field.length == VARIABLE {
                size = length(set, at, 1)?;
                at += 1;
                if size == 255 {
                    size = length(set, at, 2)?;
                    at += 2;
                }
            }
            if at + size > set.len() {
                return None;
            }
            if let Some(slot) = field.slot {
                values.put(slot, set, at, size);
            }
            at += size;
        }
        Some(at)
    }
}

/// Returns the slot of an element of an enterprise.
fn own(element: u16, enterprise: u32) -> Option<Slot> {
    match (enterprise, element) {
        (0, _) => Slot::of(element),
        (REVERSE, 1 | 85) => Some(Slot::BackBytes),
        (REVERSE, 2 | 86) => Some(Slot::BackPackets),
        (REVERSE, 6) => Some(Slot::BackFlags),
        _ => None,
    }
}

/// The values of one record.
pub(super) struct Values {
    known: u128,
    values: [u128; SLOTS],
}

impl Values {
    pub(super) fn new() -> Values {
        Values { known: 0, values: [0; SLOTS] }
    }

    fn put(&mut self, slot: Slot, set: &[u8], at: usize, length: usize) {
        let value = match slot {
            // Where it is, for who takes it.
            Slot::PacketSection | Slot::FrameSection => (at as u128) << 32 | length as u128,
            _ if length == 0 || length > 16 => return,
            // Addresses are never shortened (RFC 7011, section 6.2).
            Slot::Src4 | Slot::Dst4 if length != 4 => return,
            Slot::Src6 | Slot::Dst6 if length != 16 => return,
            _ => {
                let bytes = set.get(at..at + length).unwrap_or_default();
                let number = bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
                // One over a probability, which is a number with a fraction.
                match (slot, number) {
                    (Slot::Probability, bits) => match one_in(bits, length) {
                        Some(rate) => rate,
                        None => return,
                    },
                    _ => number,
                }
            }
        };
        self.known |= 1 << slot as u32;
        self.values[slot as usize] = value;
    }

    /// Returns a value, if the record has it.
    #[inline]
    pub(super) fn get(&self, slot: Slot) -> Option<u128> {
        (self.known >> slot as u32 & 1 == 1).then(|| self.values[slot as usize])
    }

    /// Returns a value that is no larger than its type has room for.
    #[inline]
    pub(super) fn take<T: TryFrom<u128>>(&self, slot: Slot) -> Option<T> {
        T::try_from(self.get(slot)?).ok()
    }

    /// Returns where in the record a section of a packet stands.
    pub(super) fn section(&self, slot: Slot) -> Option<std::ops::Range<usize>> {
        let place = self.get(slot)?;
        let (at, length) = ((place >> 32) as usize, (place & 0xffff_ffff) as usize);
        Some(at..at + length)
    }
}

/// Returns one over a probability, rounded; none if it is none.
fn one_in(bits: u128, length: usize) -> Option<u128> {
    let probability = match length {
        4 => f64::from(f32::from_bits(bits as u32)),
        8 => f64::from_bits(bits as u64),
        _ => return None,
    };
    (probability > 0.0 && probability <= 1.0).then(|| (1.0 / probability).round() as u128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_a_bit() {
        const { assert!(SLOTS <= 128, "the known fields are 128 bits") };
        assert!(ALL.iter().enumerate().all(|(at, slot)| *slot as usize == at));
    }

    #[test]
    fn probabilities_are_rates() {
        assert_eq!(one_in(0.001_f64.to_bits().into(), 8), Some(1_000));
        assert_eq!(one_in(0.25_f32.to_bits().into(), 4), Some(4));
        assert_eq!(one_in(0.0_f64.to_bits().into(), 8), None);
        assert_eq!(one_in(f64::NAN.to_bits().into(), 8), None);
        assert_eq!(one_in(5, 2), None);
    }
}
