//! Records: a packet or a flow, and how much it knows about itself.

use super::names::NameId;
use super::prefix::{Address, Family};
use super::source::SourceId;

macro_rules! bits {
    ($(#[$doc:meta])* $name:ident: $int:ty { $($(#[$bit_doc:meta])* $bit:ident = $value:expr;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(pub $int);

        impl $name {
            $($(#[$bit_doc])* pub const $bit: $name = $name($value);)*
            /// No bits.
            pub const NONE: $name = $name(0);

            /// Returns whether all of `other`'s bits are set.
            #[inline]
            pub fn has(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }

            /// Returns these bits and `other`'s.
            #[must_use]
            pub const fn with(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }

            /// Returns these bits without `other`'s.
            #[must_use]
            pub const fn without(self, other: $name) -> $name {
                $name(self.0 & !other.0)
            }
        }
    };
}

bits! {
    /// Which fields of a record are known. A missing field is unknown, never zero.
    Known: u32 {
        /// The source address.
        SRC = 1;
        /// The destination address.
        DST = 2;
        /// The protocol.
        PROTOCOL = 4;
        /// The ports, and whether there are any.
        PORTS = 8;
        /// The TCP flags, and whether there are any.
        TCP_FLAGS = 16;
        /// The ICMP type and code, and whether there are any.
        ICMP = 32;
        /// The IP total length of the packet.
        LENGTH = 64;
        /// The DSCP.
        DSCP = 128;
        /// The TTL or hop limit.
        TTL = 256;
        /// The fragment fields.
        FRAGMENT = 512;
        /// The PoP.
        POP = 1024;
        /// The direction.
        DIRECTION = 2048;
        /// All of them.
        ALL = 4095;
    }
}

bits! {
    /// Which upper-layer fields a packet carries. Known and not carried is "definitely not".
    Layers: u8 {
        /// TCP, UDP, UDP-Lite or SCTP ports (never in later fragments).
        PORTS = 1;
        /// TCP flags.
        TCP_FLAGS = 2;
        /// An ICMP or ICMPv6 type and code.
        ICMP = 4;
    }
}

bits! {
    /// The fragment fields of a packet.
    Fragment: u8 {
        /// The offset is not zero: a later fragment.
        LATER = 1;
        /// More fragments follow.
        MORE = 2;
        /// Must not be fragmented (IPv4 only).
        DONT = 4;
    }
}

impl Fragment {
    /// Returns whether the packet is part of a fragmented one. An IPv6 atomic fragment is not.
    pub fn is_fragment(self) -> bool {
        self.has(Fragment::LATER) || self.has(Fragment::MORE)
    }
}

/// Which way a packet crosses the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Into the network.
    Ingress,
    /// Out of the network.
    Egress,
}

/// What the recording says the traffic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Nothing: legitimate for harm, not attack for success.
    None,
    /// Legitimate.
    Legit,
    /// Attack.
    Attack,
}

/// The header fields that rules look at. Fields that are not known, or not carried, are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketHeader {
    /// What is known of it.
    pub known: Known,
    /// What it carries.
    pub layers: Layers,
    /// The address family.
    pub family: Family,
    /// Source address as a number.
    pub src: u128,
    /// Destination address as a number.
    pub dst: u128,
    /// IP protocol; for IPv6 that of the upper layer, after all extension headers.
    pub protocol: u8,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
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
}

impl PacketHeader {
    /// Makes a header of which nothing is known but the family.
    #[inline]
    pub fn unknown(family: Family) -> PacketHeader {
        PacketHeader {
            known: Known::NONE,
            layers: Layers::NONE,
            family,
            src: 0,
            dst: 0,
            protocol: 0,
            src_port: 0,
            dst_port: 0,
            tcp_flags: 0,
            icmp_type: 0,
            icmp_code: 0,
            packet_length: 0,
            dscp: 0,
            ttl: 0,
            fragment: Fragment::NONE,
        }
    }

    /// Returns the source address.
    pub fn src_address(&self) -> Address {
        Address { family: self.family, bits: self.src }
    }

    /// Returns the destination address.
    pub fn dst_address(&self) -> Address {
        Address { family: self.family, bits: self.dst }
    }
}

/// One packet, or the packets of one source in one second of a profile, or (later) one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Start, in nanoseconds since 1970 UTC.
    pub time_ns: i64,
    /// Zero for a packet; otherwise how long it lasts.
    pub duration_ns: u64,
    /// The header. Its known bits say also whether `pop` and `direction` are known.
    pub header: PacketHeader,
    /// Where it was seen.
    pub pop: Option<NameId>,
    /// By which router.
    pub exporter: Option<NameId>,
    /// Which way it went.
    pub direction: Direction,
    /// Recorded packets, before any scaling.
    pub packets: u64,
    /// Recorded bytes of IP packets (layer 3), before any scaling.
    pub bytes: u64,
    /// One recorded packet stands for so many.
    pub weight: u32,
    /// What the recording says it is.
    pub label: Label,
    /// The customer that the recording names where no address can.
    pub customer: Option<NameId>,
    /// The file it came from.
    pub source: SourceId,
    /// Its number in that file, from 1: the frame, the line or row, or the record. It never falls from
    /// record to record, and records of one row have the same.
    pub number: u64,
}

/// Records that are handed on together. They lie one after another as they are: in columns it
/// took two to three times as long to put a record in and get it out, and all of it is looked at.
#[derive(Clone, Debug, Default)]
pub struct RecordBatch {
    records: Vec<Record>,
}

impl RecordBatch {
    /// How many records a reader puts into one batch unless told otherwise.
    pub const CAPACITY: usize = 1024;

    /// Makes an empty batch.
    pub fn new() -> RecordBatch {
        RecordBatch::default()
    }

    /// Returns how many records it holds.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        self.records.clear();
    }

    /// Adds a record.
    pub fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Returns the records in order.
    pub fn as_slice(&self) -> &[Record] {
        &self.records
    }

    /// Returns the records in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Record> {
        self.records.iter()
    }
}

/// What became of the units of a recording: nothing read is ever silently nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadCounts {
    /// Frames (or rows, or groups) met.
    pub frames: u64,
    /// Records made of them.
    pub records: u64,
    /// How many of the records are packets that carry exports of flows, and may be meant to be
    /// read as those.
    pub exports: u64,
    /// Whether some exporter of flows has no way to say anything of IPv6.
    pub no_ipv6: bool,
    /// How many rows are of traffic that a filter had dropped when it was recorded, and were left
    /// out: what is recorded is what that filter let pass.
    pub dropped: u64,
    /// How many of what is unread are flows or samples that nobody knows the sampling rate of.
    pub unknown_sampling: u64,
    /// How many records say another sampling rate than the user, who is believed.
    pub overridden: u64,
    /// Frames that carry no IP and so are nobody's: ARP, spanning tree, … by kind.
    pub other: std::collections::BTreeMap<String, u64>,
    /// Why reading stopped before the end of the file, if it did: what followed is not known.
    pub broken: Option<String>,
    /// Frames (or bytes at the end) that should have been readable and were not, by reason.
    pub unread: std::collections::BTreeMap<String, u64>,
}
