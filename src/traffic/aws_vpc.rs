//! Flow logs of AWS VPC, versions 2 to 8, as Parquet, or as text: any fields in any order, named by the
//! first line, or by the user where there is none (`columns: {header: …}`).
//!
//! Nothing is sampled. TCP flags tell of FIN, SYN, RST and SYN with ACK only, and so are not known. The
//! addresses of the packets (`pkt-srcaddr`) count where they are there, before those of the interface.
//! Rows of both verdicts are in it. What was rejected did not arrive: it is left out, as if recorded
//! behind that filter, unless the user says `drops: count`. A window that AWS lost (`SKIPDATA`) is unread.

use super::flow::Flow;
use super::rows::{self, Here, Made, Preset, Rate, Row, Unit};
use super::{Form, Knows};
use crate::model::columns::{Column, TimeUnit};

pub(super) const FORM: Form = Form {
    name: "aws-vpc",
    knows: Knows {
        unit: "flow of a window",
        flags: "no: a plain ACK shows as none",
        icmp: "no",
        length: "mean; exact of one packet",
        ttl: "no",
        fragments: "no",
        bytes: "L3",
        sampling: "none",
        times: "seconds",
        enforcement: "both: `REJECT` is left out, unless `drops: count` is said",
    },
    is_rows: true,
    is_text: false,
    detect,
    open: |input, settings| rows::open(&PRESET, input, settings),
};

fn detect(start: &[u8]) -> bool {
    let names = &["srcaddr", "dstaddr", "bytes", "packets", "start", "end"];
    let packet = &["pkt-srcaddr", "pkt-dstaddr", "bytes", "packets", "start", "end"];
    let parquet = &["pkt_srcaddr", "pkt_dstaddr", "bytes", "packets", "start", "end"];
    rows::has_columns(start, DELIMITERS, names)
        || rows::has_columns(start, DELIMITERS, packet)
        || rows::has_fields(start, names)
        || rows::has_fields(start, parquet)
}

const DELIMITERS: &[u8] = b",\t ";

const PRESET: Preset = Preset {
    name: "aws-vpc",
    delimiters: DELIMITERS,
    columns: &[
        (Column::Src, &["pkt-srcaddr", "srcaddr"]),
        (Column::Dst, &["pkt-dstaddr", "dstaddr"]),
        (Column::SrcPort, &["srcport"]),
        (Column::DstPort, &["dstport"]),
        (Column::Protocol, &["protocol"]),
        (Column::Packets, &["packets"]),
        (Column::Bytes, &["bytes"]),
        (Column::Time, &["start"]),
        (Column::End, &["end"]),
        (Column::Exporter, &["interface-id"]),
        (Column::Direction, &["flow-direction"]),
        (Column::Verdict, &["action"]),
    ],
    extra: &["log-status"],
    unset: &["-"],
    unit: Unit::Of(TimeUnit::Seconds),
    rate: Rate::None,
    make,
    ..Preset::PLAIN
};

fn make(row: &Row<'_>, flow: Flow, _: &mut Here) -> Made {
    let is_counted = flow.packets.is_some() || flow.bytes.is_some();
    match row.extra(0).as_deref() {
        Some("NODATA") if !is_counted => Made::Other("windows without traffic"),
        Some("NODATA") => Made::Unread("windows without traffic that have some"),
        Some("SKIPDATA") => Made::Unread("windows of which AWS lost records (SKIPDATA)"),
        _ => Made::one(flow),
    }
}
