//! Parquet of which the user names the columns (`columns` in the config). What Akvorado and AWS write
//! as Parquet is told by its columns, and is read as what it is.

use super::rows::{self, Preset};
use super::{Form, Knows};

pub(super) const FORM: Form = Form {
    name: "parquet",
    knows: Knows {
        unit: "flow or packet",
        flags: "OR-ed; exact of one packet",
        icmp: "where named, but for echo replies",
        length: "mean; exact of one packet",
        ttl: "of one packet, or where least = greatest",
        fragments: "no",
        bytes: "as `bytes: {layer: …}` says; else L3",
        sampling: "as `sampling: {applied: …}` says; unknown without it",
        times: "as they are rounded",
        enforcement: "say `observed`",
    },
    is_rows: true,
    is_text: false,
    // Nothing in it says what its columns mean.
    detect: |_| false,
    open: |input, settings| rows::open_by_columns(&PRESET, input, settings),
};

const PRESET: Preset = Preset { name: "parquet", may_lack_v6: true, ..Preset::PLAIN };
