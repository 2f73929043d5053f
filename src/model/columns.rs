//! Which columns of a recording made of rows hold what.

/// What a column can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Source address.
    Src,
    /// Destination address.
    Dst,
    /// IP protocol, by number or name.
    Protocol,
    /// Source port.
    SrcPort,
    /// Destination port.
    DstPort,
    /// TCP flags: a number, letters, or a list of names.
    TcpFlags,
    /// ICMP type.
    IcmpType,
    /// ICMP code.
    IcmpCode,
    /// Type of service, or traffic class.
    Tos,
    /// TTL or hop limit; the least, if there is `ttl_max`.
    Ttl,
    /// The greatest TTL or hop limit.
    TtlMax,
    /// Packets.
    Packets,
    /// Bytes.
    Bytes,
    /// When it happened, or began.
    Time,
    /// When it ended.
    End,
    /// How long it took.
    Duration,
    /// One packet in so many was looked at.
    Sampling,
    /// Who exported it.
    Exporter,
    /// The PoP.
    Pop,
    /// `ingress` or `egress`.
    Direction,
    /// What a filter did with it when it was recorded: words, or a forwarding status (RFC 7270).
    Verdict,
}

impl Column {
    /// All of them, in the order of their numbers, with their names in the config.
    pub const ALL: &[(&str, Column)] = &[
        ("src", Column::Src),
        ("dst", Column::Dst),
        ("protocol", Column::Protocol),
        ("src_port", Column::SrcPort),
        ("dst_port", Column::DstPort),
        ("tcp_flags", Column::TcpFlags),
        ("icmp_type", Column::IcmpType),
        ("icmp_code", Column::IcmpCode),
        ("tos", Column::Tos),
        ("ttl", Column::Ttl),
        ("ttl_max", Column::TtlMax),
        ("packets", Column::Packets),
        ("bytes", Column::Bytes),
        ("time", Column::Time),
        ("end", Column::End),
        ("duration", Column::Duration),
        ("sampling", Column::Sampling),
        ("exporter", Column::Exporter),
        ("pop", Column::Pop),
        ("direction", Column::Direction),
        ("verdict", Column::Verdict),
    ];

    /// Returns its name in the config.
    pub fn name(self) -> &'static str {
        Column::ALL[self as usize].0
    }
}

/// How a column tells times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds since 1970, with or without decimals.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// Nanoseconds since 1970.
    Nanoseconds,
    /// A date and a time: RFC 3339, or local and without a zone.
    Text,
}

impl TimeUnit {
    /// All of them, with their names in the config.
    pub const ALL: &[(&str, TimeUnit)] = &[
        ("s", TimeUnit::Seconds),
        ("ms", TimeUnit::Milliseconds),
        ("us", TimeUnit::Microseconds),
        ("ns", TimeUnit::Nanoseconds),
        ("text", TimeUnit::Text),
    ];
}

/// The layer that bytes are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteLayer {
    /// Frames.
    L2,
    /// IP packets.
    L3,
}

/// What the user says about the columns of a recording. What is left out is as its form has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The name of each column, as it is in the header or the keys.
    pub names: Vec<(Column, String)>,
    /// How times are told.
    pub units: Vec<(Column, TimeUnit)>,
    /// A row tells of packets up to so long before its time, in nanoseconds.
    pub within_ns: Option<u64>,
    /// Whether packets and bytes were multiplied by the sampling rate.
    pub applied: Option<bool>,
    /// The layer of bytes.
    pub layer: Option<ByteLayer>,
    /// Every row is of so many packets.
    pub packets: Option<u64>,
    /// The names of the columns, where the recording has no line that names them.
    pub header: Option<Vec<String>>,
}

impl Columns {
    /// Returns the name that the user gave to a column.
    pub fn name_of(&self, column: Column) -> Option<&str> {
        self.names.iter().find(|(known, _)| *known == column).map(|(_, name)| name.as_str())
    }

    /// Returns the unit that the user gave to a column.
    pub fn unit_of(&self, column: Column) -> Option<TimeUnit> {
        self.units.iter().find(|(known, _)| *known == column).map(|(_, unit)| *unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_at_their_numbers() {
        for (at, (name, column)) in Column::ALL.iter().enumerate() {
            assert_eq!((*column as usize, column.name()), (at, *name));
        }
    }
}
