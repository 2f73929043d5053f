//! CSV of nfdump: `-o csv` with its 48 columns (1.6 to 1.7.4), with its ten (since 1.7.5), and
//! `-o csv-fast`.
//!
//! Times are local and without a zone, but for those of `csv-fast`. nfcapd multiplied packets and bytes
//! by the sampling rate, and does not write it down: the user must say it. Zero is nothing: nfdump
//! writes it for what an exporter did not send, and for what was aggregated away.

use super::flow::Flow;
use super::rows::{self, Here, Line, Made, Preset, Rate, Row, Unit};
use super::{Form, Knows};
use crate::model::Direction;
use crate::model::columns::Column;

pub(super) const FORM: Form = Form {
    name: "nfdump-csv",
    knows: Knows {
        unit: "flow, or one for each direction",
        flags: "OR-ed; exact of one packet",
        icmp: "where exported, but for echo replies",
        length: "mean; exact of one packet",
        ttl: "no",
        fragments: "no",
        bytes: "L3",
        sampling: "not in the file, applied: say `sampling`",
        times: "seconds or milliseconds, local: say `zone`",
        enforcement: "where the exporter stands: say `observed`",
    },
    is_rows: true,
    is_text: false,
    detect,
    open: |input, settings| rows::open(&PRESET, input, settings),
};

fn detect(start: &[u8]) -> bool {
    [LONG, SHORT, FAST].iter().any(|names| rows::has_columns(start, b",", names))
}

/// Columns that tell the three headers of nfdump from all others.
const LONG: &[&str] = &["ts", "te", "td", "sa", "da", "ipkt", "ibyt", "opkt", "obyt"];
const SHORT: &[&str] =
    &["firstSeen", "duration", "srcAddr", "dstAddr", "packets", "bytes", "flows"];
const FAST: &[&str] = &["cnt", "af", "firstSeen", "lastSeen", "srcAddr", "dstAddr", "packets"];

const PRESET: Preset = Preset {
    name: "nfdump-csv",
    delimiters: b",",
    columns: &[
        (Column::Src, &["sa", "srcAddr"]),
        (Column::Dst, &["da", "dstAddr"]),
        (Column::SrcPort, &["sp", "srcPort"]),
        (Column::DstPort, &["dp", "dstPort"]),
        (Column::Protocol, &["pr", "proto"]),
        (Column::TcpFlags, &["flg", "flags"]),
        (Column::Tos, &["stos", "srcTos"]),
        (Column::Packets, &["ipkt", "packets"]),
        (Column::Bytes, &["ibyt", "bytes"]),
        (Column::Time, &["ts", "firstSeen"]),
        (Column::End, &["te", "lastSeen"]),
        (Column::Duration, &["td", "duration"]),
        (Column::Verdict, &["fwd"]),
        (Column::Exporter, &["ra"]),
    ],
    extra: &["opkt", "obyt", "dir"],
    unit: Unit::BySize,
    rate: Rate::Column { applied: Some(true) },
    // The uptime of an exporter is rounded to milliseconds, its clock (v9) to seconds.
    within_ns: 1_000_000,
    late_ns: 1_000_000_000,
    make,
    ending: Some(SUMMARY),
    line,
    end,
    may_lack_v6: true,
    ..Preset::PLAIN
};

fn make(row: &Row<'_>, mut flow: Flow, _: &mut Here) -> Made {
    flow.src = flow.src.filter(|address| *address != 0);
    flow.dst = flow.dst.filter(|address| *address != 0);
    flow.protocol = flow.protocol.filter(|protocol| *protocol != 0);
    flow.icmp = row.get(Column::DstPort).as_deref().and_then(rows::icmp_of_port);
    if row.extra_number(2) == Some(1) {
        flow.direction = Some(Direction::Egress);
    }
    let back = (row.extra_number(0).unwrap_or(0), row.extra_number(1).unwrap_or(0));
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
        direction: None,
        packets: Some(back.0),
        bytes: Some(back.1),
        ..there
    };
    Made::Flows([Some(there), Some(back)])
}

/// The word that begins a summary.
const SUMMARY: &str = "Summary";

/// How many lines follow it.
const MORE: u8 = 2;

/// The rows end with a summary of three lines, which tells of all flows that were looked at: a list of
/// the first, or the greatest, has fewer. Another file may follow, with its header or without.
fn line(line: &str, here: &mut Here) -> Line {
    if line.trim() == SUMMARY {
        (here.ended, here.after_end) = (true, 0);
        return Line::Frame;
    }
    if here.ended && here.after_end < MORE {
        let mut cells = line.split(',').map(str::trim);
        match here.after_end {
            0 => here.sum_column = cells.position(|name| name == "packets"),
            _ => {
                let packets = here.sum_column.and_then(|column| cells.nth(column));
                here.summed = packets.and_then(|packets| packets.parse().ok());
            }
        }
        here.after_end += 1;
        return Line::Frame;
    }
    here.ended = false;
    Line::Row
}

fn end(here: &Here) -> Option<&'static str> {
    (here.must_end && !here.ended)
        .then_some("cut off: the summary with which nfdump ends is missing")
}
