//! The traffic profile: small, readable traffic for tests and reviews (YAML).
//!
//! A profile is groups of packets with rates. It is expanded deterministically: packet k of a
//! group's n stands at start + k·duration/n and belongs to source k mod N; a record is one second
//! of one source, and its raw count is its packets. Seconds count from the start of the profile.
//!
//! - n is rate × duration, exactly, rounded down, but at least one packet. A rate in bits or bytes
//!   is of IP packets and is divided by `packet_length` first.
//! - `src` without `sources` is one source, its first address; N sources stand evenly in `src`.
//! - A field left out is known and ordinary; only `unknown: [...]` makes one unknown. `src_port`
//!   and `dst_port` are known or unknown together, and so are `icmp_type` and `icmp_code`.
//! - What cannot exist on a wire (port 70000, ports on ICMP) is an error: nobody recorded it.

mod decode;
mod expand;

use std::io::Read;

use super::{Form, Knows, Opened, Piece, Settings, TrafficReader};
use crate::model::{Diagnostic, ReadCounts};
use expand::Expansion;

/// The largest profile that is read, in bytes: some 80,000 groups. The tree of a hostile text takes
/// over a hundred times its size.
const MAX_BYTES: u64 = 8 << 20;

/// After so many problems no further flow is looked at.
const MAX_PROBLEMS: usize = 1_000;

/// The largest number of records to which one profile may expand: 5,000 sources for a day.
const MAX_RECORDS: u64 = 500_000_000;

pub(super) const FORM: Form = Form {
    name: "profile",
    knows: Knows {
        unit: "packets of one source in a second",
        flags: "exact",
        icmp: "exact",
        length: "exact",
        ttl: "exact",
        fragments: "exact",
        bytes: "L3",
        sampling: "none",
        times: "exact",
        enforcement: "before",
    },
    is_rows: false,
    is_text: true,
    detect,
    open,
};

/// Returns whether a file starts like a profile: text with a key of one at its left edge. Other
/// YAML files of ours look alike and are refused by what is in them.
fn detect(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // The last character may be cut off where the first bytes end.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or("")
        }
        Err(_) => return false,
    };
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}');
    !text.contains(control) && text.lines().any(opens_with_key)
}

/// Returns whether a line starts with a key of a profile, also as `{version: 1`.
fn opens_with_key(line: &str) -> bool {
    let line = line.strip_prefix("--- ").unwrap_or(line);
    let line = line.strip_prefix('{').map_or(line, str::trim_start);
    ["version", "start", "duration", "flows"].iter().any(|key| {
        let after = ["", "\"", "'"]
            .iter()
            .find_map(|quote| line.strip_prefix(quote)?.strip_prefix(key)?.strip_prefix(quote));
        after.is_some_and(|after| after.trim_start().starts_with(':'))
    })
}

fn open(input: Box<dyn Read + Send>, settings: &Settings) -> Opened {
    let text = text(input, settings)?;
    let profile = decode::decode(&text, settings)?;
    Ok(Box::new(ProfileReader {
        dated: profile.dated,
        batch: settings.batch.max(1),
        counts: ReadCounts::default(),
        expansion: Expansion::new(profile.start_ns, profile.groups),
    }))
}

/// Reads the whole text. What is no text has no place that could be shown.
fn text(input: Box<dyn Read + Send>, settings: &Settings) -> Result<String, Vec<Diagnostic>> {
    let name = &settings.name;
    let refuse =
        |message: String, help: &str| Err(vec![Diagnostic::bare(message).help(help.to_owned())]);
    let mut bytes = Vec::new();
    if let Err(error) = input.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
        return refuse(
            format!("cannot read the profile {name}: {error}"),
            "is the file there, whole and readable?",
        );
    }
    if bytes.len() as u64 > MAX_BYTES {
        return refuse(
            format!("the profile {name} is larger than {} MiB", MAX_BYTES >> 20),
            "split it, or use a capture; a profile is meant to be read by people",
        );
    }
    String::from_utf8(bytes).or_else(|error| {
        let at = error.utf8_error().valid_up_to() + 1;
        refuse(
            format!("the profile {name} is not UTF-8 text (byte {at})"),
            "a profile is YAML text; name another form with `--format` if this is none",
        )
    })
}

/// Hands out the records of a profile, in the order of time.
struct ProfileReader {
    dated: bool,
    batch: usize,
    counts: ReadCounts,
    expansion: Expansion,
}

impl TrafficReader for ProfileReader {
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<Diagnostic>> {
        let batch = piece.fill();
        while batch.len() < self.batch
            && let Some(record) = self.expansion.next()
        {
            batch.push(record);
        }
        self.counts.frames += batch.len() as u64;
        self.counts.records += batch.len() as u64;
        Ok(!batch.is_empty())
    }

    fn counts(&self) -> ReadCounts {
        self.counts.clone()
    }

    fn even(&self) -> bool {
        true
    }

    fn has_age(&self) -> bool {
        self.dated
    }
}

#[cfg(test)]
mod tests;
