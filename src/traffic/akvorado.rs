//! Rows of the table `flows` of Akvorado: CSV or TSV with names, Parquet, or JSON, one object a row.
//!
//! Packets and bytes are as recorded; `SamplingRate` is by how much to multiply. The one time is that
//! at which a flow was received: its packets may be older, by 30 minutes unless the user says
//! otherwise (`time: {within: …}`), as that is the longest that routers keep a flow by themselves.
//! Zero is nothing, as it is written for what an exporter did not send. The tables that are rolled up
//! have no addresses, and cannot be judged.

use super::flow::Flow;
use super::rows::{self, Here, Made, Preset, Rate, Row, Unit};
use super::{Form, Knows};
use crate::model::columns::Column;

pub(super) const FORM: Form = Form {
    name: "akvorado",
    knows: Knows {
        unit: "flow; packet of sFlow",
        flags: "if enabled, OR-ed; exact of one packet",
        icmp: "if enabled",
        length: "mean; exact of one packet",
        ttl: "if enabled, of one packet",
        fragments: "no",
        bytes: "L3",
        sampling: "`SamplingRate`; not applied",
        times: "received: say `time: {within: …}`; local ones: say `zone`",
        enforcement: "where the exporter stands: say `observed`; what `ForwardingStatus` says was dropped is left out",
    },
    is_rows: true,
    is_text: false,
    detect,
    open: |input, settings| rows::open(&PRESET, input, settings),
};

fn detect(start: &[u8]) -> bool {
    let names = &["TimeReceived", "Bytes", "Packets"];
    rows::has_columns(start, DELIMITERS, names)
        || rows::has_keys(start, names)
        || rows::has_fields(start, names)
}

const DELIMITERS: &[u8] = b",\t";

const PRESET: Preset = Preset {
    name: "akvorado",
    delimiters: DELIMITERS,
    json: true,
    columns: &[
        (Column::Verdict, &["ForwardingStatus"]),
        (Column::Src, &["SrcAddr"]),
        (Column::Dst, &["DstAddr"]),
        (Column::SrcPort, &["SrcPort"]),
        (Column::DstPort, &["DstPort"]),
        (Column::Protocol, &["Proto"]),
        (Column::TcpFlags, &["TCPFlags"]),
        (Column::Tos, &["IPTos"]),
        (Column::Ttl, &["IPTTL"]),
        (Column::Packets, &["Packets"]),
        (Column::Bytes, &["Bytes"]),
        (Column::Time, &["TimeReceived"]),
        (Column::Sampling, &["SamplingRate"]),
        (Column::Exporter, &["ExporterAddress"]),
        (Column::Pop, &["ExporterSite"]),
        (Column::Direction, &["FlowDirection"]),
    ],
    extra: &["ICMPv4Type", "ICMPv4Code", "ICMPv6Type", "ICMPv6Code"],
    unit: Unit::BySize,
    within_ns: 30 * 60 * 1_000_000_000,
    rate: Rate::Column { applied: Some(false) },
    make,
    may_lack_v6: true,
    ..Preset::PLAIN
};

fn make(row: &Row<'_>, mut flow: Flow, _: &mut Here) -> Made {
    if flow.src.is_none() && flow.dst.is_none() {
        return Made::Unread("rows without addresses, as those of the tables that are rolled up");
    }
    let small = |at| row.extra_number(at).and_then(|number| u8::try_from(number).ok());
    let (kind, code) = if flow.v6 { (small(2), small(3)) } else { (small(0), small(1)) };
    flow.icmp = kind.zip(code).filter(|icmp| *icmp != (0, 0));
    Made::one(flow)
}
