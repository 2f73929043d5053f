//! JSON of goflow2, one object a line: flows of NetFlow and IPFIX, packets of sFlow.
//!
//! Packets and bytes are as recorded; `sampling_rate` is by how much to multiply, and 0 that nobody
//! knows. Bytes of sFlow are of frames. Zero is nothing in flows, where it is written for what the
//! exporter did not send; in samples of sFlow it comes from the packet.

use super::flow::Flow;
use super::rows::{self, Here, Made, Preset, Rate, Row, Unit};
use super::{Form, Knows};
use crate::model::Fragment;
use crate::model::columns::{ByteLayer, Column, TimeUnit};

pub(super) const FORM: Form = Form {
    name: "goflow2",
    knows: Knows {
        unit: "flow; packet of sFlow",
        flags: "OR-ed; exact of one packet",
        icmp: "where not zero; exact of sFlow",
        length: "mean; exact of one packet, but not of sFlow",
        ttl: "of one packet",
        fragments: "of sFlow, IPv4",
        bytes: "L3; of sFlow L2, of which 14 are taken off",
        sampling: "`sampling_rate`; not applied",
        times: "nanoseconds",
        enforcement: "where the exporter stands: say `observed`; what `forwarding_status` says was dropped is left out",
    },
    is_rows: true,
    is_text: false,
    detect,
    open: |input, settings| rows::open(&PRESET, input, settings),
};

fn detect(start: &[u8]) -> bool {
    rows::has_keys(start, &["sampler_address", "sampling_rate", "src_addr", "dst_addr", "packets"])
}

const PRESET: Preset = Preset {
    name: "goflow2",
    json: true,
    columns: &[
        (Column::Verdict, &["forwarding_status"]),
        (Column::Src, &["src_addr"]),
        (Column::Dst, &["dst_addr"]),
        (Column::SrcPort, &["src_port"]),
        (Column::DstPort, &["dst_port"]),
        (Column::Protocol, &["proto"]),
        (Column::TcpFlags, &["tcp_flags"]),
        (Column::IcmpType, &["icmp_type"]),
        (Column::IcmpCode, &["icmp_code"]),
        (Column::Tos, &["ip_tos"]),
        (Column::Ttl, &["ip_ttl"]),
        (Column::Packets, &["packets"]),
        (Column::Bytes, &["bytes"]),
        (Column::Time, &["time_flow_start_ns"]),
        (Column::End, &["time_flow_end_ns"]),
        (Column::Sampling, &["sampling_rate"]),
        (Column::Exporter, &["sampler_address"]),
    ],
    extra: &["type", "fragment_offset", "ip_flags"],
    unit: Unit::Of(TimeUnit::Nanoseconds),
    rate: Rate::Column { applied: Some(false) },
    // The uptime of an exporter is rounded to milliseconds, its clock (v9) to seconds.
    within_ns: 1_000_000,
    late_ns: 1_000_000_000,
    make,
    may_lack_v6: true,
    ..Preset::PLAIN
};

fn make(row: &Row<'_>, mut flow: Flow, here: &mut Here) -> Made {
    match row.extra(0).as_deref() {
        Some("SFLOW_5") => {
            here.layer = Some(ByteLayer::L2);
            let fields = (row.extra_number(1), row.extra_number(2));
            if let (Some(offset), Some(flags), false) = (fields.0, fields.1, flow.v6) {
                flow.fragment = Some(fragment(offset, flags));
            }
        }
        Some(_) => {
            here.layer = Some(ByteLayer::L3);
            flow.icmp = flow.icmp.filter(|icmp| *icmp != (0, 0));
        }
        // Bytes may be of frames.
        None => {
            flow.is_length_rough = true;
            flow.icmp = flow.icmp.filter(|icmp| *icmp != (0, 0));
        }
    }
    if flow.packets == Some(0) {
        return Made::Unread("flows without a count of packets");
    }
    Made::one(flow)
}

/// The three bits of an IPv4 header, and the offset behind them.
fn fragment(offset: u64, flags: u64) -> Fragment {
    let bits = [
        (offset > 0, Fragment::LATER),
        (flags & 1 != 0, Fragment::MORE),
        (flags & 2 != 0, Fragment::DONT),
    ];
    let set = bits.into_iter().filter(|(is_set, _)| *is_set);
    set.fold(Fragment::NONE, |fragment, (_, bit)| fragment.with(bit))
}
