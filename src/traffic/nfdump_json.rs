//! JSON of nfdump: `-o json`, one list, and `-o ndjson` or `json-log`, an object a line.
//!
//! Times are local and without a zone. `sampled` says whether nfcapd multiplied packets and bytes by
//! the sampling rate, which is not written down: the user must say it.

use super::flow::Flow;
use super::rows::{self, Here, Made, Preset, Rate, Row};
use super::{Form, Knows};
use crate::model::columns::Column;

pub(super) const FORM: Form = Form {
    name: "nfdump-json",
    knows: Knows {
        unit: "flow, or one for each direction",
        flags: "OR-ed; exact of one packet",
        icmp: "where exported, but for echo replies",
        length: "mean; exact of one packet",
        ttl: "where least = greatest",
        fragments: "no",
        bytes: "L3",
        sampling: "not in the file, applied where `sampled` is 1: say `sampling`",
        times: "milliseconds, local: say `zone`",
        enforcement: "where the exporter stands: say `observed`",
    },
    is_rows: true,
    is_text: false,
    detect,
    open: |input, settings| rows::open(&PRESET, input, settings),
};

fn detect(start: &[u8]) -> bool {
    rows::has_keys(start, &["type", "first", "last", "in_packets", "in_bytes"])
}

const PRESET: Preset = Preset {
    name: "nfdump-json",
    json: true,
    columns: &[
        (Column::Src, &["src4_addr", "src6_addr"]),
        (Column::Dst, &["dst4_addr", "dst6_addr"]),
        (Column::SrcPort, &["src_port"]),
        (Column::DstPort, &["dst_port"]),
        (Column::Protocol, &["proto"]),
        (Column::TcpFlags, &["tcp_flags"]),
        (Column::IcmpType, &["icmp_type"]),
        (Column::IcmpCode, &["icmp_code"]),
        (Column::Tos, &["src_tos"]),
        (Column::Ttl, &["ip_minttl"]),
        (Column::TtlMax, &["ip_maxttl"]),
        (Column::Packets, &["in_packets"]),
        (Column::Bytes, &["in_bytes"]),
        (Column::Time, &["first"]),
        (Column::End, &["last"]),
        (Column::Verdict, &["fwd_status"]),
        (Column::Exporter, &["ip4_router", "ip6_router"]),
    ],
    extra: &["type", "sampled", "out_packets", "out_bytes"],
    rate: Rate::Column { applied: Some(true) },
    // The uptime of an exporter is rounded to milliseconds, its clock (v9) to seconds.
    within_ns: 1_000_000,
    late_ns: 1_000_000_000,
    make,
    may_lack_v6: true,
    ..Preset::PLAIN
};

fn make(row: &Row<'_>, mut flow: Flow, here: &mut Here) -> Made {
    if row.extra(0).as_deref() != Some("FLOW") {
        return Made::Other("records of nfdump that are no flows");
    }
    here.applied = match row.extra(1).as_deref() {
        Some("0") => Some(false),
        _ => Some(true),
    };
    // Zeroes are written for exporters that did not send them.
    flow.icmp = flow.icmp.filter(|icmp| *icmp != (0, 0));
    let back = (row.extra_number(2).unwrap_or(0), row.extra_number(3).unwrap_or(0));
    if back == (0, 0) {
        return Made::one(flow);
    }
    // Both ways in one row: its flags and its type of service are of either.
    (flow.tcp_flags, flow.tos) = (None, None);
    let there = flow;
    let back = Flow {
        src: there.dst,
        dst: there.src,
        ports: there.ports.map(|(src, dst)| (dst, src)),
        icmp: None,
        ttl: None,
        packets: Some(back.0),
        bytes: Some(back.1),
        ..there
    };
    Made::Flows([Some(there), Some(back)])
}
