//! JSON of pmacct, one object a line, with the columns that the user chose in it.
//!
//! Nothing in a row says whether packets and bytes were multiplied by the sampling rate
//! (`…_renormalize`): the user must say it. Times that are local are without a zone.

use super::flow::Flow;
use super::rows::{self, Here, Made, Preset, Row, Unit};
use super::{Form, Knows};
use crate::model::columns::{Column, TimeUnit};

pub(super) const FORM: Form = Form {
    name: "pmacct",
    knows: Knows {
        unit: "flow",
        flags: "OR-ed; exact of one packet",
        icmp: "where exported, but for echo replies",
        length: "mean; exact of one packet",
        ttl: "no",
        fragments: "no",
        bytes: "L3",
        sampling: "`sampling_rate`, if chosen; say `sampling: {applied: …}`",
        times: "microseconds; local ones: say `zone`",
        enforcement: "where the exporter stands: say `observed`",
    },
    is_rows: true,
    is_text: false,
    detect,
    open: |input, settings| rows::open(&PRESET, input, settings),
};

fn detect(start: &[u8]) -> bool {
    rows::has_keys(start, &["ip_src", "ip_dst", "packets", "bytes"])
        || rows::has_keys(start, &["event_type", "writer_id"])
}

const PRESET: Preset = Preset {
    name: "pmacct",
    json: true,
    columns: &[
        (Column::Src, &["ip_src"]),
        (Column::Dst, &["ip_dst"]),
        (Column::SrcPort, &["port_src"]),
        (Column::DstPort, &["port_dst"]),
        (Column::Protocol, &["ip_proto"]),
        (Column::TcpFlags, &["tcp_flags"]),
        (Column::Tos, &["tos"]),
        (Column::Packets, &["packets"]),
        (Column::Bytes, &["bytes"]),
        (Column::Time, &["timestamp_start", "timestamp_min", "stamp_inserted"]),
        (Column::End, &["timestamp_end", "timestamp_max", "stamp_updated"]),
        (Column::Sampling, &["sampling_rate"]),
        (Column::Verdict, &["fwd_status"]),
        (Column::Exporter, &["peer_ip_src"]),
    ],
    extra: &["event_type"],
    unset: &["[]"],
    unit: Unit::Of(TimeUnit::Seconds),
    // The uptime of an exporter is rounded to milliseconds, its clock (v9) to seconds.
    within_ns: 1_000_000,
    late_ns: 1_000_000_000,
    make,
    may_lack_v6: true,
    ..Preset::PLAIN
};

fn make(row: &Row<'_>, mut flow: Flow, _: &mut Here) -> Made {
    if matches!(row.extra(0).as_deref(), Some("purge_init" | "purge_close")) {
        return Made::Other("marks of where a purge begins and ends");
    }
    flow.icmp = row.get(Column::DstPort).as_deref().and_then(rows::icmp_of_port);
    Made::one(flow)
}
