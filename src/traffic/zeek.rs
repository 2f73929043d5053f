//! `conn.log` of Zeek, tab-separated or JSON: a connection a row, made into one flow for each
//! direction.
//!
//! Bytes are those of IP packets; what Zeek missed (`missed_bytes`) is unread. The letters of `history`
//! are no flags of packets. The second port of ICMP is the code only of types that have no answer.
//! Connections inside of tunnels are unread, as the packets that carry them may be in another row.

use super::flow::Flow;
use super::rows::{self, Here, Made, Preset, Rate, Row, Unit};
use super::{Form, Knows};
use crate::model::columns::{Column, TimeUnit};
use crate::model::ordinary::{ICMP, ICMPV6};

pub(super) const FORM: Form = Form {
    name: "zeek",
    knows: Knows {
        unit: "connection, in two directions",
        flags: "no",
        icmp: "of types without an answer",
        length: "mean; exact of one packet",
        ttl: "no",
        fragments: "no",
        bytes: "L3",
        sampling: "none: all packets that Zeek saw",
        times: "microseconds",
        enforcement: "where Zeek listens: say `observed`",
    },
    is_rows: true,
    is_text: false,
    detect,
    open: |input, settings| rows::open(&PRESET, input, settings),
};

fn detect(start: &[u8]) -> bool {
    let is_text = start.starts_with(b"#separator") || start.starts_with(b"#");
    let has_path = start.split(|byte| *byte == b'\n').any(|line| {
        line.trim_ascii_end()
            .strip_prefix(b"#path")
            .is_some_and(|rest| rest.trim_ascii() == b"conn")
    });
    (is_text && has_path) || rows::has_keys(start, &["ts", "uid", "id.orig_h", "conn_state"])
}

const PRESET: Preset = Preset {
    name: "zeek",
    delimiters: b"\t",
    json: true,
    hash: true,
    columns: &[
        (Column::Src, &["id.orig_h"]),
        (Column::Dst, &["id.resp_h"]),
        (Column::SrcPort, &["id.orig_p"]),
        (Column::DstPort, &["id.resp_p"]),
        (Column::Protocol, &["ip_proto", "proto"]),
        (Column::Time, &["ts"]),
        (Column::Duration, &["duration"]),
        (Column::Exporter, &["_system_name", "_node_name"]),
    ],
    extra: &[
        "orig_pkts",
        "orig_ip_bytes",
        "resp_pkts",
        "resp_ip_bytes",
        "tunnel_parents",
        "missed_bytes",
    ],
    unset: &["-", "(empty)", "[]"],
    unit: Unit::Of(TimeUnit::Seconds),
    rate: Rate::None,
    make,
    ..Preset::PLAIN
};

/// Types of ICMP and ICMPv6 that have an answer, and the answers.
const ANSWERED: [&[u8]; 2] = [
    &[0, 8, 9, 10, 13, 14, 15, 16, 17, 18],
    &[128, 129, 130, 131, 133, 134, 135, 136, 139, 140, 144, 145],
];

/// What Zeek missed of a connection, in bytes, was in segments of no more than this, as a rule.
const SEGMENT: u64 = 1460;

fn make(row: &Row<'_>, mut flow: Flow, here: &mut Here) -> Made {
    if row.extra(4).is_some() {
        return Made::Unread("connections inside of tunnels");
    }
    let counts = [0, 1, 2, 3].map(|at| row.extra_number(at));
    if counts == [Some(0); 4] {
        return Made::Other("connections of no packets");
    }
    here.unseen = row.extra_number(5).unwrap_or(0).div_ceil(SEGMENT);
    if flow.protocol == Some(ICMP) && flow.v6 {
        flow.protocol = Some(ICMPV6);
    }
    let port = |column| row.get(column).and_then(|text| text.parse::<u8>().ok());
    let icmp = port(Column::SrcPort).zip(port(Column::DstPort));
    flow.icmp = icmp.filter(|(kind, _)| !ANSWERED[usize::from(flow.v6)].contains(kind));
    let [there_packets, there_bytes, back_packets, back_bytes] = counts;
    let there = Flow { packets: there_packets, bytes: there_bytes, ..flow };
    let back = Flow {
        src: flow.dst,
        dst: flow.src,
        ports: flow.ports.map(|(src, dst)| (dst, src)),
        icmp: None,
        packets: back_packets,
        bytes: back_bytes,
        ..flow
    };
    let some = |flow: Flow| (flow.packets != Some(0)).then_some(flow);
    Made::Flows([some(there), some(back)])
}
