//! The header fields of one entry of `flows`: what is written, what is ordinary, and what no
//! packet can be.

use super::Flow;
use crate::model::ordinary::{self, ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE};
use crate::model::{
    AddressRange, Diagnostic, Family, FlagTest, Fragment, FragmentTest, Known, Layers,
};
use crate::words;
use crate::yaml::Node;

/// The addresses of a group.
pub(super) struct Ends {
    pub(super) family: Family,
    pub(super) src: AddressRange,
    pub(super) dst: u128,
    /// Those that are unknown because the customer is named instead.
    pub(super) unknown: Known,
}

/// What stands above the IP header.
#[derive(Clone, Copy, Default)]
pub(super) struct Upper {
    pub(super) layers: Layers,
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    pub(super) tcp_flags: u8,
    pub(super) icmp_type: u8,
    pub(super) icmp_code: u8,
}

impl Flow<'_, '_> {
    /// Returns the protocol; none where it is left out because it is unknown.
    pub(super) fn protocol(&mut self, unknown: Option<Known>) -> Option<Option<u8>> {
        let left_out = self.fields.get("protocol").is_none();
        if left_out && unknown.is_some_and(|known| !known.has(Known::PROTOCOL)) {
            return Some(None);
        }
        self.decoder.require(self.fields, "protocol", "a flow")?;
        let number = self.number("protocol", "protocol", 0..=255, 0, words::protocol)?;
        u8::try_from(number).ok().map(Some)
    }

    pub(super) fn ends(&mut self, protocol: Option<u8>) -> Option<Ends> {
        let (src, dst) = (self.fields.get("src"), self.fields.get("dst"));
        let mut read = |node: Option<&Node>| match node {
            Some(node) => {
                words::read(self.decoder, node, "the address", words::address_range).map(Some)
            }
            None => Some(None),
        };
        let (src_range, dst_range) = (read(src), read(dst));
        if let (Some(node), Some(Some(range))) = (dst, dst_range)
            && range.first != range.last
        {
            self.decoder.report(
                Diagnostic::error(node.location, "a flow has one destination")
                    .label("should be one address")
                    .help("write one flow for each destination; only sources are spread"),
            );
            return None;
        }
        let (src_range, dst_range) = (src_range?, dst_range?);
        if let (Some(a), Some(b)) = (src_range, dst_range)
            && a.family != b.family
        {
            let place = |node: Option<&Node>| node.map_or(self.fields.location, |n| n.location);
            self.decoder.report(
                Diagnostic::error(place(dst), "a packet has both addresses in one family")
                    .label("IPv4 and IPv6 mixed")
                    .also(place(src), "the source is of the other family")
                    .help("write both as IPv4 or both as IPv6"),
            );
            return None;
        }
        let written = src_range.or(dst_range).map(|range| range.family);
        let family = match (written, protocol) {
            (Some(family), _) => family,
            (None, Some(ICMPV6)) => Family::V6,
            (None, _) => Family::V4,
        };
        let nobody = ordinary::nobody(family);
        let nobody = AddressRange { family, first: nobody, last: nobody };
        // A customer is named where no address can: then neither end is known.
        let by_name = self.fields.get("customer").is_some() && written.is_none();
        let unknown = if by_name { Known::SRC.with(Known::DST) } else { Known::NONE };
        let (src, dst) = (src_range.unwrap_or(nobody), dst_range.unwrap_or(nobody));
        Some(Ends { family, src, dst: dst.first, unknown })
    }

    pub(super) fn sources(&mut self, ends: Option<&Ends>, unknown: Option<Known>) -> Option<u64> {
        let Some(node) = self.fields.get("sources") else { return Some(1) };
        let sources = self.decoder.number(node, "the number of sources")?;
        if sources == 0 {
            self.decoder.report(
                Diagnostic::error(node.location, "a flow has at least one source")
                    .label("nobody would send it")
                    .help("write `sources: 1`, or remove the flow"),
            );
            return None;
        }
        let (ends, known) = (ends?, unknown?);
        let last = ends.src.last - ends.src.first;
        if known.without(ends.unknown).has(Known::SRC) && u128::from(sources - 1) > last {
            let have = last.saturating_add(1);
            self.decoder.report(
                Diagnostic::error(
                    node.location,
                    format!("{sources} sources do not fit into {have} addresses of `src`"),
                )
                .label(format!("at most {have}"))
                .help("write a wider `src`, such as `100.64.0.0/10`, or fewer sources"),
            );
            return None;
        }
        Some(sources)
    }

    pub(super) fn fragment(&mut self, ends: Option<&Ends>) -> Option<Fragment> {
        let Some(node) = self.fields.get("fragment") else { return Some(Fragment::NONE) };
        let test = words::read(self.decoder, node, "the fragment", words::fragment)?;
        let problem = match test {
            FragmentTest::First => return Some(Fragment::MORE),
            FragmentTest::NotFirst => return Some(Fragment::LATER.with(Fragment::MORE)),
            FragmentTest::Last => return Some(Fragment::LATER),
            FragmentTest::None => return Some(Fragment::NONE),
            FragmentTest::DontFragment if ends.is_none_or(|ends| ends.family == Family::V4) => {
                return Some(Fragment::DONT);
            }
            FragmentTest::DontFragment => {
                Diagnostic::error(node.location, "IPv6 packets have no don't-fragment bit")
                    .label("only in IPv4")
                    .help("leave it out")
            }
            FragmentTest::Any => {
                Diagnostic::error(node.location, "a packet is one part of a fragmented one")
                    .label("which part?")
                    .help("write `first`, `not_first` or `last`")
            }
        };
        self.decoder.report(problem);
        None
    }

    /// Returns the IP total length of each packet. What else is wrong with the packet must not
    /// hide that no packet has this length: what is not known of it is not asked of it.
    pub(super) fn length(
        &mut self,
        protocol: Option<u8>,
        family: Option<Family>,
        fragment: Option<Fragment>,
    ) -> Option<u64> {
        let (header, most) = match family {
            Some(Family::V4) => (20, 65_535),
            Some(Family::V6) if fragment.is_some_and(Fragment::is_fragment) => (48, 65_575),
            Some(Family::V6) => (40, 65_575),
            None => (20, 65_575),
        };
        let upper = match protocol {
            _ if fragment.is_none_or(|fragment| fragment.has(Fragment::LATER)) => 0,
            Some(TCP) => 20,
            Some(SCTP) => 12,
            Some(UDP | UDPLITE | ICMP | ICMPV6) => 8,
            _ => 0,
        };
        let domain = header + upper..=most;
        self.number(
            "packet_length",
            "length",
            domain,
            u64::from(ordinary::LENGTH),
            words::plain_range,
        )
    }

    /// Returns ports, flags and types: all zero where they are not carried.
    pub(super) fn upper(
        &mut self,
        protocol: Option<Option<u8>>,
        family: Option<Family>,
        fragment: Option<Fragment>,
    ) -> Option<Upper> {
        let six = family == Some(Family::V6);
        // The names are those of ICMP for IPv4.
        let types = if six { words::plain_range } else { words::icmp_type };
        let echo = family.map_or(8, |family| u64::from(ordinary::echo_request(family)));
        let port = u64::from(ordinary::PORT);
        let src_port = self.number("src_port", "port", 0..=65_535, port, words::port);
        let dst_port = self.number("dst_port", "port", 0..=65_535, port, words::port);
        let icmp_type = self.number("icmp_type", "ICMP type", 0..=255, echo, types);
        let icmp_code = self.number("icmp_code", "ICMP code", 0..=255, 0, words::plain_range);
        let tcp_flags = match self.fields.get("tcp_flags") {
            Some(node) => words::read(self.decoder, node, "the TCP flags", words::tcp_flags),
            None => Some(FlagTest { mask: u8::MAX, value: ordinary::FLAGS }),
        };
        let (protocol, family, fragment) = (protocol?, family?, fragment?);

        let later = fragment.has(Fragment::LATER);
        let ports = matches!(protocol, Some(TCP | UDP | SCTP | UDPLITE)) && !later;
        let flags = protocol == Some(TCP) && !later;
        let icmp = matches!(protocol, Some(ICMP | ICMPV6)) && !later;
        let mut fine = self.in_family(protocol, family);
        for (key, carried) in [
            ("src_port", ports),
            ("dst_port", ports),
            ("tcp_flags", flags),
            ("icmp_type", icmp),
            ("icmp_code", icmp),
        ] {
            fine &= carried || self.not_carried(key, protocol, later);
        }
        let mut upper = Upper::default();
        if ports {
            upper.layers = upper.layers.with(Layers::PORTS);
            upper.src_port = u16::try_from(src_port?).ok()?;
            upper.dst_port = u16::try_from(dst_port?).ok()?;
        }
        if flags {
            upper.layers = upper.layers.with(Layers::TCP_FLAGS);
            upper.tcp_flags = tcp_flags?.value;
        }
        if icmp {
            upper.layers = upper.layers.with(Layers::ICMP);
            upper.icmp_type = u8::try_from(icmp_type?).ok()?;
            upper.icmp_code = u8::try_from(icmp_code?).ok()?;
        }
        fine.then_some(upper)
    }

    /// Reports ICMP of the other family; returns whether there is none.
    fn in_family(&mut self, protocol: Option<u8>, family: Family) -> bool {
        let (other, own) = match (protocol, family) {
            (Some(ICMP), Family::V6) => ("icmp", "icmpv6"),
            (Some(ICMPV6), Family::V4) => ("icmpv6", "icmp"),
            _ => return true,
        };
        let place = self.fields.get("protocol").map_or(self.fields.location, |node| node.location);
        self.decoder.report(
            Diagnostic::error(place, format!("there is no {other} between these addresses"))
                .label("of the other family")
                .help(format!("write `{own}`, or other addresses")),
        );
        false
    }

    /// Reports a field that such packets do not carry; returns whether it is not written.
    fn not_carried(&mut self, key: &str, protocol: Option<u8>, later: bool) -> bool {
        let Some(node) = self.fields.get(key) else { return true };
        let (message, help) = match protocol {
            None => (
                format!("whether there is a {key} depends on the protocol"),
                "write `protocol`; it may still be listed in `unknown`".to_owned(),
            ),
            Some(_) if later => (
                format!("later fragments carry no {key}"),
                format!("remove `{key}`, or write `fragment: first`"),
            ),
            Some(protocol) => (
                format!("packets of protocol {protocol} carry no {key}"),
                format!("remove `{key}`, or change the protocol"),
            ),
        };
        self.decoder.report(
            Diagnostic::error(node.location, message).label("not in these packets").help(help),
        );
        false
    }
}

/// Returns the distance between N addresses that stand evenly in a range: its size ÷ N.
pub(super) fn step(range: AddressRange, sources: u64) -> u128 {
    let sources = u128::from(sources);
    // The size itself may be 2^128.
    (range.last - range.first).checked_sub(sources - 1).map_or(0, |rest| rest / sources + 1)
}
