//! NetFlow v5, NetFlow v9 and IPFIX inside captures, such as one taken where a collector listens.
//!
//! One record a flow, numbered in the order in which they are exported. Its exporter is the address
//! that sent it; templates and samplers belong to an address, a port and a source (an engine in v5,
//! a source id in v9, an observation domain in IPFIX). Nothing says which way a flow crossed the edge
//! unless the exporter has a field for it or the user does.
//!
//! **Counting.** A unit is a flow record, an option record, a template, or a datagram that is none of
//! these, and each is counted once. Records wait for a template that comes later, and for the sampling
//! rate; those that waited in vain are unread. How many records a set of an unknown template holds is
//! not certain: 48 bytes count as one, or more if the header of v9 says so.
//!
//! **Times.** NetFlow gives the uptime of the exporter at the first and the last packet, and at the
//! export, which wraps every 49.7 days; what is meant is the time within 24.8 days of the export. The
//! record is as wide as rounding leaves it open: v5 rounds to milliseconds on both sides, and the clock
//! of v9 is in whole seconds. IPFIX that gives uptimes without the start of the exporter (`boot`) is a
//! minute wide at its front.

mod boot;
mod fields;
mod losses;
mod samplers;
mod sets;
mod template;
mod v5;

use std::collections::HashMap;
use std::io::Read;

use super::exports::{self, Exports, Holds, Kind, Out, Sequences, number};
use super::flow::{Became, Flow};
use super::{Form, Knows, Opened, Settings};
use crate::model::{Address, NameId};
use crate::packet::Datagram;
use sets::{Message, Sets, Source};
use template::Version;

pub(super) const FORM: Form = Form {
    name: "netflow",
    knows: Knows {
        unit: "flow",
        flags: "OR-ed; exact of one packet",
        icmp: "where exported",
        length: "mean; exact of one packet, or where least = greatest",
        ttl: "where least = greatest",
        fragments: "where exported, of one packet",
        bytes: "L3",
        sampling: "in samplers, options or headers; not applied",
        times: "milliseconds to a second",
        enforcement: "where the exporter stands: say `observed`",
    },
    is_rows: false,
    is_text: false,
    detect,
    open,
};

const MS_NS: i64 = 1_000_000;
const SECOND_NS: i64 = 1_000_000_000;

fn detect(start: &[u8]) -> bool {
    matches!(exports::first(start), Some(Kind::V5 | Kind::V9 | Kind::Ipfix))
}

fn open(input: Box<dyn Read + Send>, settings: &Settings) -> Opened {
    exports::open(input, settings, Netflow::default())
}

/// The clocks of an export.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// When it was exported, as the exporter says.
    export_ns: i64,
    /// Its uptime then, in milliseconds; none if it does not say.
    uptime_ms: Option<u32>,
    /// By how much all times may be too early.
    late_ns: i64,
}

impl Clock {
    /// Makes the clocks of a header that gives the uptime and the time since 1970.
    fn of_uptime(uptime_ms: u64, seconds: u64, nanoseconds: u64, late_ns: i64) -> Clock {
        // All of them are 32 bits in size.
        let export_ns = seconds as i64 * SECOND_NS + nanoseconds as i64;
        Clock { export_ns, uptime_ms: Some(uptime_ms as u32), late_ns }
    }

    /// Returns the time of an uptime, which may have wrapped since, or lie a little ahead.
    fn uptime_ns(self, uptime_ms: u32) -> Option<i64> {
        let ago_ms = self.uptime_ms?.wrapping_sub(uptime_ms) as i32;
        Some(self.export_ns - i64::from(ago_ms) * MS_NS)
    }

    /// Returns when the packets of a flow were whose first and last were then, if times are rounded
    /// down to so much: none before, all before.
    fn between(self, first_ns: i64, last_ns: i64, rounded_ns: i64) -> (i64, i64) {
        // The uptime of the export is rounded as well, so all may be that much too late.
        let early_ns = if self.uptime_ms.is_some() { rounded_ns } else { 0 };
        (
            first_ns.min(last_ns).saturating_sub(early_ns),
            first_ns.max(last_ns).saturating_add(rounded_ns + self.late_ns),
        )
    }
}

/// Who counts: an address, a port of it, and a source of one kind of export.
type Part = (Address, u16, Option<(usize, u32)>);

/// The exporters of a capture.
#[derive(Default)]
struct Netflow {
    /// The name of each address.
    exporters: HashMap<Address, NameId, foldhash::fast::FixedState>,
    sets: Sets,
    /// The numbers of messages, by address, by port and, of each kind, by source.
    sequences: Sequences<Part, 3>,
}

impl Netflow {
    fn exporter(&mut self, address: Address, out: &Out) -> NameId {
        let intern = || out.settings.names.intern(&address.to_string());
        *self.exporters.entry(address).or_insert_with(intern)
    }
}

impl Exports for Netflow {
    fn refuses(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Sflow => Some("datagrams of sFlow (`--format sflow` reads them)"),
            Kind::V5 | Kind::V9 | Kind::Ipfix => None,
        }
    }

    fn read(&mut self, kind: Kind, datagram: &Datagram<'_>, _: i64, out: &mut Out) {
        let exporter = self.exporter(datagram.src, out);
        let read = match kind {
            Kind::V5 => self.v5(datagram, exporter, out),
            Kind::V9 => self.v9(datagram, exporter, out),
            Kind::Ipfix => self.ipfix(datagram, exporter, out),
            Kind::Sflow => None,
        };
        if read.is_none() {
            out.unread(CUT, 1);
        }
    }

    fn end(&mut self, out: &mut Out) {
        out.lost_on_the_way(std::mem::take(&mut self.sequences).missing());
        self.sets.end(out);
    }
}

impl Netflow {
    /// Reads a message of NetFlow v9; none if its header is cut off.
    fn v9(&mut self, datagram: &Datagram<'_>, exporter: NameId, out: &mut Out) -> Option<()> {
        let word = |at| number(datagram.payload, at, 4);
        let message = Message {
            source: source(datagram, word(16)?, true),
            exporter,
            version: Version::V9,
            clock: Clock::of_uptime(word(4)?, word(8)?, 0, SECOND_NS),
            claimed: number(datagram.payload, 2, 2),
            ticket: self.sequences.ticket(),
        };
        self.message(&message, word(12)?, datagram, exports::V9, out)
    }

    /// Reads a message of IPFIX; none if its header is cut off.
    fn ipfix(&mut self, datagram: &Datagram<'_>, exporter: NameId, out: &mut Out) -> Option<()> {
        let word = |at| number(datagram.payload, at, 4);
        let export_ns = word(4)? as i64 * SECOND_NS;
        let message = Message {
            source: source(datagram, word(12)?, false),
            exporter,
            version: Version::Ipfix,
            clock: Clock { export_ns, uptime_ms: None, late_ns: SECOND_NS },
            claimed: None,
            ticket: self.sequences.ticket(),
        };
        self.message(&message, word(8)?, datagram, exports::IPFIX, out)
    }

    fn message(
        &mut self,
        message: &Message,
        number: u64,
        datagram: &Datagram<'_>,
        header: usize,
        out: &mut Out,
    ) -> Option<()> {
        let sets = datagram.payload.get(header..)?;
        let holds = self.sets.read(message, sets, datagram.length - header, out);
        self.note(datagram, (header, message.source.id), number, holds);
        for known in self.sets.became_known() {
            self.sequences.learn(known.message, known.bytes, known.records);
        }
        Some(())
    }

    /// Notes the number of a message of a source.
    fn note(&mut self, datagram: &Datagram<'_>, source: (usize, u32), number: u64, holds: Holds) {
        let (address, port) = (datagram.src, datagram.src_port);
        let keys = [(address, 0, None), (address, port, None), (address, port, Some(source))];
        self.sequences.note(keys, number as u32, holds);
    }

    /// Reads a datagram of NetFlow v5; none if its header is cut off.
    fn v5(&mut self, datagram: &Datagram<'_>, exporter: NameId, out: &mut Out) -> Option<()> {
        let header = v5::header(datagram.payload)?;
        out.no_ipv6();
        let mut count = 0;
        for flow in v5::flows(datagram.payload, header.clock) {
            count += 1;
            add(&flow, header.sampling, exporter, out);
        }
        let claimed = (datagram.length - exports::V5.0) / exports::V5.1;
        if count < claimed {
            out.unread(CUT, (claimed - count) as u64);
        }
        let (number, engine) =
            (number(datagram.payload, 16, 4)?, number(datagram.payload, 20, 2)? as u32);
        self.note(datagram, (exports::V5.0, engine), number, Holds::just(claimed as u64));
        Some(())
    }
}

fn source(datagram: &Datagram<'_>, id: u64, is_v9: bool) -> Source {
    Source { address: datagram.src, port: datagram.src_port, id: id as u32, is_v9 }
}

const CUT: &str = "cut off in the middle of an export";

/// Adds what becomes of a flow of which one packet in so many was looked at.
fn add(flow: &Flow, sampling: Option<u32>, exporter: NameId, out: &mut Out) {
    match flow.record(Some(exporter), &out.settings) {
        Became::Record(mut record) => {
            match (out.settings.sampling, sampling) {
                (Some(_), rate) => out.overridden(rate),
                (None, Some(rate)) => record.weight = rate,
                (None, None) => return out.unknown_sampling(),
            }
            out.push(record);
        }
        Became::Dropped => out.dropped(),
        Became::Other(name) => out.other(name),
        Became::Unread(reason) => out.unread(reason, 1),
    }
}
