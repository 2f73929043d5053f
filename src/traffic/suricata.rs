//! `eve.json` of Suricata: events `netflow`, one a direction, or `flow`, made into one flow for each
//! direction. Both tell of the same packets: the kind that comes first counts, and the other is left
//! out, as are all other events; but where for long only the other one is told, it is unread.
//!
//! Bytes are those of frames. How many packets were dropped before Suricata could look at them, its
//! events `stats` tell: they are unread.

use super::flow::Flow;
use super::rows::{self, Here, Made, Preset, Rate, Row};
use super::{Form, Knows};
use crate::model::columns::{ByteLayer, Column};

pub(super) const FORM: Form = Form {
    name: "suricata",
    knows: Knows {
        unit: "flow of a direction, or connection in two",
        flags: "OR-ed; exact of one packet",
        icmp: "of the first direction",
        length: "no",
        ttl: "`netflow`: where least = greatest",
        fragments: "no",
        bytes: "L2, of which 14 are taken off",
        sampling: "none: all packets that Suricata saw",
        times: "microseconds",
        enforcement: "where Suricata listens: say `observed`",
    },
    is_rows: true,
    is_text: false,
    detect,
    open: |input, settings| rows::open(&PRESET, input, settings),
};

fn detect(start: &[u8]) -> bool {
    rows::has_keys(start, &["timestamp", "event_type"])
}

const PRESET: Preset = Preset {
    name: "suricata",
    json: true,
    columns: &[
        (Column::Src, &["src_ip"]),
        (Column::Dst, &["dest_ip"]),
        (Column::SrcPort, &["src_port"]),
        (Column::DstPort, &["dest_port"]),
        (Column::Protocol, &["proto"]),
        (Column::IcmpType, &["icmp_type"]),
        (Column::IcmpCode, &["icmp_code"]),
        (Column::Ttl, &["netflow.min_ttl"]),
        (Column::TtlMax, &["netflow.max_ttl"]),
        (Column::Packets, &["netflow.pkts"]),
        (Column::Bytes, &["netflow.bytes"]),
        (Column::Time, &["netflow.start", "flow.start"]),
        (Column::End, &["netflow.end", "flow.end"]),
        (Column::Exporter, &["host"]),
    ],
    extra: &[
        "event_type",
        "flow.pkts_toserver",
        "flow.bytes_toserver",
        "flow.pkts_toclient",
        "flow.bytes_toclient",
        "tcp.tcp_flags",
        "tcp.tcp_flags_ts",
        "tcp.tcp_flags_tc",
        "stats.capture.kernel_drops",
        "stats.capture.kernel_ifdrops",
        "stats.capture.dpdk.imissed",
        "stats.capture.dpdk.no_mbufs",
        "stats.capture.dpdk.ierrors",
        "stats.capture.rx_errors",
        "stats.flow.memcap",
        "stats.capture.kernel_drops_delta",
    ],
    layer: ByteLayer::L2,
    rate: Rate::None,
    has_kinds: true,
    make,
    ..Preset::PLAIN
};

fn make(row: &Row<'_>, flow: Flow, here: &mut Here) -> Made {
    let kind = match row.extra(0).as_deref() {
        Some("netflow") => "netflow",
        Some("flow") => "flow",
        Some("stats") => {
            let totals: Vec<u64> = (8..15).filter_map(|at| row.extra_number(at)).collect();
            if !totals.is_empty() {
                here.had_dropped = Some(totals.into_iter().fold(0, u64::saturating_add));
            }
            // Where there is no total, there may be what it grew by.
            if row.extra_number(8).is_none() {
                here.unseen = row.extra_number(15).unwrap_or(0);
            }
            return Made::Other("events that are no flows");
        }
        _ => return Made::Other("events that are no flows"),
    };
    if *here.kind.get_or_insert(kind) != kind {
        return Made::Twin("events of the other kind, that tell of the same flows");
    }
    let flags = |at| row.extra(at).and_then(|text| u8::from_str_radix(&text, 16).ok());
    if kind == "netflow" {
        return Made::one(Flow { tcp_flags: flags(5), ..flow });
    }
    let [there_packets, there_bytes, back_packets, back_bytes] =
        [1, 2, 3, 4].map(|at| row.extra_number(at));
    let there =
        Flow { tcp_flags: flags(6), packets: there_packets, bytes: there_bytes, ttl: None, ..flow };
    let back = Flow {
        src: flow.dst,
        dst: flow.src,
        ports: flow.ports.map(|(src, dst)| (dst, src)),
        tcp_flags: flags(7),
        icmp: None,
        packets: back_packets,
        bytes: back_bytes,
        ..there
    };
    let some = |flow: Flow| (flow.packets != Some(0)).then_some(flow);
    Made::Flows([some(there), some(back)])
}
