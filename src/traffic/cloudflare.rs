//! Logpush of Cloudflare, `network_analytics_logs`: a sampled packet a row, JSON.
//!
//! Each row says for how many packets it stands (`SampleInterval`). Zero is written in the fields of
//! other protocols, and is nothing there. `Outcome` and `Verdict` are those of
//! Cloudflare, whatever the rules here: rows of both are in it, and what was dropped is left out, as if
//! recorded behind that filter, unless the user says `drops: count`. If the job itself samples (`sample_rate`), that
//! comes on top and is not in the rows: the user must say the product.

use super::flow::Flow;
use super::rows::{self, Here, Made, Preset, Rate, Row, Unit};
use super::{Form, Knows};
use crate::model::Fragment;
use crate::model::columns::Column;

pub(super) const FORM: Form = Form {
    name: "cloudflare",
    knows: Knows {
        unit: "sampled packet",
        flags: "exact",
        icmp: "exact",
        length: "exact",
        ttl: "exact",
        fragments: "exact where all three fields are",
        bytes: "L3",
        sampling: "`SampleInterval` per row; not applied",
        times: "as written: seconds to nanoseconds",
        enforcement: "both: what `Outcome` or `Verdict` says was dropped is left out, unless `drops: count` is said",
    },
    is_rows: true,
    is_text: false,
    detect,
    open: |input, settings| rows::open(&PRESET, input, settings),
};

fn detect(start: &[u8]) -> bool {
    rows::has_keys(start, &["Datetime", "IPSourceAddress", "IPDestinationAddress"])
}

const PRESET: Preset = Preset {
    name: "cloudflare",
    json: true,
    columns: &[
        (Column::Src, &["IPSourceAddress"]),
        (Column::Dst, &["IPDestinationAddress"]),
        (Column::SrcPort, &["SourcePort"]),
        (Column::DstPort, &["DestinationPort"]),
        (Column::Protocol, &["IPProtocol", "IPProtocolName"]),
        (Column::TcpFlags, &["TCPFlags"]),
        (Column::IcmpType, &["ICMPType"]),
        (Column::IcmpCode, &["ICMPCode"]),
        (Column::Ttl, &["IPTTL"]),
        (Column::Bytes, &["IPTotalLength"]),
        (Column::Time, &["Datetime"]),
        (Column::Sampling, &["SampleInterval"]),
        (Column::Pop, &["ColoName", "ColoCode"]),
        (Column::Direction, &["Direction"]),
        (Column::Verdict, &["Outcome", "Verdict"]),
    ],
    extra: &["IPFragmentOffset", "IPMoreFragments", "IPv4DontFragment", "IPv4DSCP", "IPv6DSCP"],
    unit: Unit::BySize,
    rate: Rate::Column { applied: Some(false) },
    make,
    ..Preset::PLAIN
};

fn make(row: &Row<'_>, mut flow: Flow, _: &mut Here) -> Made {
    flow.packets = Some(1);
    let is_set = |at| row.extra_number(at).map(|number| number != 0);
    let dont = if flow.v6 { Some(false) } else { is_set(2) };
    if let (Some(later), Some(more), Some(dont)) = (is_set(0), is_set(1), dont) {
        let bits = [(later, Fragment::LATER), (more, Fragment::MORE), (dont, Fragment::DONT)];
        let set = bits.into_iter().filter(|(is_set, _)| *is_set);
        flow.fragment = Some(set.fold(Fragment::NONE, |all, (_, bit)| all.with(bit)));
    }
    let dscp = row.extra_number(if flow.v6 { 4 } else { 3 }).filter(|dscp| *dscp < 64);
    flow.tos = dscp.map(|dscp| (dscp as u8) << 2);
    Made::one(flow)
}
