//! Makes records of rows.

use std::borrow::Cow;

use super::cells::{Cell, Row};
use super::clock::Clock;
use super::ledger::{Met, Ticket};
use super::names::{Known as Names, Near, Of};
use super::plan::Plan;
use super::value::{self, NoTime, When};
use super::{Here, Made, Preset, Rate, Unit};
use crate::model::columns::{ByteLayer, Column, Columns, TimeUnit};
use crate::model::ordinary::{SCTP, TCP, UDP, UDPLITE};
use crate::model::{Address, Diagnostic, Direction, Family, Known, Record, RecordBatch};
use crate::traffic::Settings;
use crate::traffic::flow::{Became, Flow};

/// The header of Ethernet, in bytes.
const ETHERNET: u64 = 14;

/// How far apart the times of a row may be: no exporter keeps a flow for longer than a day.
const LONGEST_NS: u64 = 31 * 86_400 * 1_000_000_000;

/// Makes records of the rows of a file, on any thread.
pub(super) struct Maker {
    pub(super) preset: &'static Preset,
    pub(super) plan: Plan,
    pub(super) settings: Settings,
    within_ns: u64,
    layer: ByteLayer,
    packets: Option<u64>,
    applied: Option<bool>,
    /// How beginnings, ends and durations are told.
    units: [Unit; 3],
    names: Names,
}

/// What one worker remembers from row to row; it never changes what a row means.
#[derive(Default)]
pub(super) struct Desk {
    clock: Clock,
    names: Near,
}

/// A row that is read: where it stands, and what is remembered of those before.
pub(super) struct Reading<'a> {
    pub(super) row: Row<'a>,
    /// The line that messages name.
    pub(super) line: u64,
    pub(super) number: u64,
    pub(super) desk: &'a mut Desk,
    pub(super) here: &'a mut Here,
    pub(super) ticket: &'a mut Ticket,
}

/// Why a row gives no flow.
pub(super) enum Fault {
    Unread(Cow<'static, str>),
    /// Nothing in the file can be read like this.
    File(Box<Diagnostic>),
}

impl From<&'static str> for Fault {
    fn from(reason: &'static str) -> Fault {
        Fault::Unread(Cow::Borrowed(reason))
    }
}

impl Maker {
    /// Makes one for a file; an error is what nobody says of all its rows.
    pub(super) fn new(
        preset: &'static Preset,
        plan: Plan,
        settings: &Settings,
    ) -> Result<Maker, Box<Diagnostic>> {
        let columns = settings.columns.as_deref();
        let mut settings = settings.clone();
        if !(1..=RecordBatch::CAPACITY).contains(&settings.batch) {
            settings.batch = RecordBatch::CAPACITY;
        }
        let applied = match preset.rate {
            Rate::None => Some(false),
            Rate::Column { applied } => applied,
        };
        let applied = columns.and_then(|columns| columns.applied).or(applied);
        if applied.is_none() && settings.sampling.is_some_and(|rate| rate.0 > 1) {
            let name = &settings.name;
            return Err(Box::new(
                Diagnostic::bare(format!(
                    "{name}: nothing says whether its packets and bytes were multiplied by the \
                     sampling rate already"
                ))
                .help(
                    "say it in `blastgate.yaml`: `columns: {sampling: {applied: true}}`, or `false`",
                ),
            ));
        }
        let unit = |column| {
            let said = columns.and_then(|columns| columns.unit_of(column));
            // An end is told as its beginning is.
            let start = columns.and_then(|columns| columns.unit_of(Column::Time));
            let start = start.filter(|_| column == Column::End);
            said.or(start).map_or(preset.unit, Unit::Of)
        };
        Ok(Maker {
            within_ns: columns.and_then(|columns| columns.within_ns).unwrap_or(preset.within_ns),
            layer: columns.and_then(|columns| columns.layer).unwrap_or(preset.layer),
            packets: columns.and_then(|columns| columns.packets),
            applied,
            units: [Column::Time, Column::End, Column::Duration].map(unit),
            names: Names::default(),
            preset,
            plan,
            settings,
        })
    }

    /// Makes the records of a row: puts the first into a batch, and returns the second, if there is one.
    pub(super) fn records(
        &self,
        of: &mut Reading<'_>,
        records: &mut RecordBatch,
    ) -> Result<Option<Record>, Fault> {
        (of.here.applied, of.here.layer) = (None, None);
        let mut flow = Flow::default();
        self.read(of, &mut flow)?;
        let mut made = (self.preset.make)(&of.row, flow, of.here);
        if let Some(packets) = of.here.had_dropped.take() {
            of.met().had_dropped(packets);
        }
        let unseen = std::mem::take(&mut of.here.unseen);
        of.met().miss(unseen);
        let flows = match &mut made {
            Made::Flows(flows) => flows,
            Made::Other(what) => {
                of.met().other(what);
                return Ok(None);
            }
            Made::Twin(what) => {
                of.met().twin(what);
                return Ok(None);
            }
            Made::Unread(reason) => return Err((*reason).into()),
        };
        if self.preset.has_kinds {
            of.met().end_twins();
        }
        if let [None, None] = flows {
            of.met().other("flows of no packets");
            return Ok(None);
        }
        flows.iter().flatten().for_each(|flow| of.met().see(flow.packets.unwrap_or(0)));
        if let Some(cell) = of.row.find(Column::Verdict) {
            let dropped = match cell {
                Cell::Number(status) => value::was_dropped_by(status),
                cell => value::was_dropped(&cell.text()),
            };
            let dropped = dropped.ok_or_else(|| unreadable(Column::Verdict))?;
            if dropped && !self.settings.count_drops {
                let met = of.met();
                met.dropped += 1;
                met.other("rows of what a filter had dropped when it was recorded");
                return Ok(None);
            }
        }
        let Some(rate) = self.rate(of)? else {
            of.met().unknown_sampling += 1;
            return Err("sampled at a rate that nobody says".into());
        };
        let (first, second) = match flows {
            [Some(flow), None] | [None, Some(flow)] => (self.record(of, flow, rate)?, None),
            [there, back] => {
                let mut record = |flow: &mut Option<Flow>| match flow {
                    Some(flow) => self.record(of, flow, rate),
                    None => Ok(None),
                };
                let (there, back) = (record(there)?, record(back)?);
                if there.is_some() { (there, back) } else { (back, None) }
            }
        };
        let (mut count, mut has_v6) = (0, false);
        for record in first.iter().chain(&second) {
            count += 1;
            has_v6 |= record.header.family == Family::V6;
        }
        let met = of.met();
        met.frames += count;
        met.records += count;
        met.has_v6 |= has_v6;
        if let Some(record) = first {
            records.push(record);
        }
        Ok(second)
    }

    /// Returns how many packets a row has that is unread, or nothing.
    pub(super) fn packets(&self, row: &Row<'_>) -> u64 {
        small(row, Column::Packets, u64::MAX).ok().flatten().unwrap_or(0)
    }

    /// Reads what all columns say that have a name.
    fn read(&self, of: &mut Reading<'_>, flow: &mut Flow) -> Result<(), Fault> {
        let row = &of.row;
        let (src, dst) = (address(row, Column::Src)?, address(row, Column::Dst)?);
        if let (Some(src), Some(dst)) = (src, dst)
            && src.family != dst.family
        {
            return Err("rows whose ends are of two families".into());
        }
        flow.v6 = src.or(dst).is_some_and(|one| one.family == Family::V6);
        flow.src = src.map(|address| address.bits);
        flow.dst = dst.map(|address| address.bits);
        flow.protocol = match row.find(Column::Protocol) {
            Some(Cell::Number(number)) => u8::try_from(number).ok(),
            Some(Cell::Text(text)) => value::protocol(text),
            Some(cell) => value::protocol(&cell.text()),
            None => None,
        };
        if matches!(flow.protocol, Some(TCP | UDP | UDPLITE | SCTP)) {
            let src = small(row, Column::SrcPort, u16::MAX.into())?;
            let dst = small(row, Column::DstPort, u16::MAX.into())?;
            flow.ports = src.zip(dst).map(|(src, dst)| (src as u16, dst as u16));
        }
        if flow.protocol == Some(TCP)
            && let Some(cell) = row.find(Column::TcpFlags)
        {
            let flags = match cell {
                Cell::Number(flags) => value::flags_of_number(flags),
                cell => value::flags_of(&cell.text()),
            };
            flow.tcp_flags = Some(flags.ok_or_else(|| unreadable(Column::TcpFlags))?);
        }
        let icmp_type = small(row, Column::IcmpType, 255)?;
        let icmp_code = small(row, Column::IcmpCode, 255)?;
        flow.icmp = icmp_type.zip(icmp_code).map(|(kind, code)| (kind as u8, code as u8));
        flow.tos = small(row, Column::Tos, 255)?.map(|tos| tos as u8);
        let ttl = small(row, Column::Ttl, 255)?.map(|ttl| ttl as u8);
        let most = small(row, Column::TtlMax, 255)?.map(|ttl| ttl as u8);
        flow.ttl = ttl.map(|ttl| (ttl, most.unwrap_or(0)));
        flow.packets = small(row, Column::Packets, u64::MAX)?.or(self.packets);
        flow.bytes = small(row, Column::Bytes, u64::MAX)?;
        flow.direction = row.find(Column::Direction).and_then(|cell| {
            let text = cell.text();
            let is = |word: &str| text.eq_ignore_ascii_case(word);
            match () {
                () if is("ingress") => Some(Direction::Ingress),
                () if is("egress") => Some(Direction::Egress),
                () => None,
            }
        });
        flow.time_ns = self.times(of)?;
        Ok(())
    }

    /// Returns before when none of the packets of a row was, and after when none.
    fn times(&self, of: &mut Reading<'_>) -> Result<Option<(i64, i64)>, Fault> {
        let [start_unit, end_unit, duration_unit] = self.units;
        let start = self.time(of, Column::Time, start_unit)?;
        let end = self.time(of, Column::End, end_unit)?;
        let Some((from, to)) = start.or(end) else {
            return Ok(None);
        };
        let last = match (end, of.row.find(Column::Duration)) {
            (Some((_, end)), _) => end,
            (None, Some(cell)) => {
                let unit_ns = match duration_unit {
                    Unit::Of(TimeUnit::Milliseconds) => 1_000_000,
                    Unit::Of(TimeUnit::Microseconds) => 1_000,
                    Unit::Of(TimeUnit::Nanoseconds) => 1,
                    _ => 1_000_000_000,
                };
                let (duration, exact) = value::decimal(&cell.text(), unit_ns)
                    .ok_or_else(|| unreadable(Column::Duration))?;
                to.saturating_add(duration).saturating_add(exact)
            }
            (None, None) => to,
        };
        if last < from {
            return Err("rows that end before they begin".into());
        }
        let last = last.max(to).saturating_add(self.preset.late_ns);
        let from = from.saturating_sub(i64::try_from(self.within_ns).unwrap_or(i64::MAX));
        if from.abs_diff(last) > LONGEST_NS {
            return Err("rows whose times are more than a month apart".into());
        }
        Ok(Some((from, last)))
    }

    fn time(
        &self,
        of: &mut Reading<'_>,
        column: Column,
        unit: Unit,
    ) -> Result<Option<(i64, i64)>, Fault> {
        for cell in of.row.all(column) {
            match self.when(cell, unit, &mut of.desk.clock) {
                Ok(None) => {}
                Ok(time) => return Ok(time),
                Err(NoTime::Bad) => return Err(unreadable(column)),
                Err(no_time) => return Err(self.unsaid(&cell.text(), of.line, no_time)),
            }
        }
        Ok(None)
    }

    #[inline]
    fn when(&self, cell: Cell<'_>, unit: Unit, clock: &mut Clock) -> When {
        let zone = self.settings.zone.as_ref();
        match cell {
            Cell::Number(number) => value::numbered(number, unit),
            Cell::Time { number, unit_ns } => value::counted(number, unit_ns),
            Cell::Text(text) => match text.as_bytes().get(4) {
                Some(b'-') => clock.written(text, zone).map(Some),
                _ => value::time(text, unit, zone),
            },
            Cell::Octets(_) => value::time(&cell.text(), unit, zone),
        }
    }

    /// Says what nobody said of the times of the file.
    fn unsaid(&self, text: &str, line: u64, what: NoTime) -> Fault {
        let place = format!("{}:{line}", self.settings.name);
        let text: String = text.chars().take(40).collect();
        let text = text.escape_debug();
        Fault::File(Box::new(match what {
            NoTime::NoUnit => Diagnostic::bare(format!(
                "{place}: the time `{text}` is a number, and nothing says of what"
            ))
            .help("say it in `blastgate.yaml`: `columns: {time: {field: …, unit: ms}}`"),
            NoTime::NoZone | NoTime::Bad => Diagnostic::bare(format!(
                "{place}: the time `{text}` is local, and nothing says of which time zone"
            ))
            .help("say it with `--zone Europe/Berlin`, `--zone +02:00` or `--zone UTC`"),
        }))
    }

    /// Returns how many packets one of a row stands for, and whether its counts are multiplied by
    /// that; none if nobody says.
    fn rate(&self, of: &mut Reading<'_>) -> Result<Option<(u32, bool)>, Fault> {
        let in_row = small(&of.row, Column::Sampling, u32::MAX.into())?.filter(|rate| *rate > 0);
        let said = self.settings.sampling.map(|rate| rate.0);
        if let (Some(said), Some(rate)) = (said, in_row) {
            of.met().overridden += u64::from(u64::from(said) != rate);
        }
        let rate = match (said, in_row, self.preset.rate) {
            (Some(rate), _, _) => rate,
            (None, Some(rate), _) => rate as u32,
            (None, None, Rate::None) => 1,
            (None, None, Rate::Column { .. }) => return Ok(None),
        };
        if rate == 1 {
            return Ok(Some((1, false)));
        }
        match of.here.applied.or(self.applied) {
            Some(is_applied) => Ok(Some((rate, is_applied))),
            None => {
                Err("counts of which nobody says whether they were multiplied by the rate".into())
            }
        }
    }

    fn record(
        &self,
        of: &mut Reading<'_>,
        flow: &mut Flow,
        (rate, is_applied): (u32, bool),
    ) -> Result<Option<Record>, Fault> {
        if is_applied {
            let rate = u64::from(rate);
            for count in [&mut flow.packets, &mut flow.bytes].into_iter().flatten() {
                if *count % rate != 0 {
                    return Err("counts that are no multiple of the sampling rate".into());
                }
                *count /= rate;
            }
        }
        if of.here.layer.unwrap_or(self.layer) == ByteLayer::L2
            && let (Some(packets), Some(bytes)) = (flow.packets, &mut flow.bytes)
        {
            *bytes = bytes.saturating_sub(packets.saturating_mul(ETHERNET));
            flow.is_length_rough = true;
        }
        if let Some((least, 0)) = flow.ttl {
            // Of several packets it is that of one of them.
            flow.ttl = (flow.packets == Some(1)).then_some((least, least));
        }
        let exporter = self.name(of, Column::Exporter, Of::Exporter);
        let pop = self.name(of, Column::Pop, Of::Pop);
        let mut record = match flow.record(exporter, &self.settings) {
            Became::Record(record) => record,
            // Rows say it in a column, which is looked at before.
            Became::Dropped => return Ok(None),
            Became::Other(what) => {
                of.met().other(what);
                return Ok(None);
            }
            Became::Unread(reason) => return Err(reason.into()),
        };
        (record.weight, record.number) = (rate, of.number);
        if pop.is_some() {
            record.pop = pop;
            record.header.known = record.header.known.with(Known::POP);
        }
        Ok(Some(record))
    }

    #[inline]
    fn name(&self, of: &mut Reading<'_>, column: Column, what: Of) -> Option<crate::model::NameId> {
        let cell = of.row.find(column)?;
        of.desk.names.find((what, cell), (&self.names, &self.settings.names), of.ticket)
    }
}

impl Reading<'_> {
    fn met(&mut self) -> &mut Met {
        &mut self.ticket.met
    }
}

/// Returns the address in a column.
#[inline]
fn address(row: &Row<'_>, column: Column) -> Result<Option<Address>, Fault> {
    let Some(cell) = row.find(column) else {
        return Ok(None);
    };
    let address = match cell {
        Cell::Text(text) => value::address(text),
        Cell::Octets(octets) => Some(value::address_of(octets)),
        Cell::Number(_) | Cell::Time { .. } => None,
    };
    address.map(Some).ok_or_else(|| unreadable(column))
}

/// Returns a number that is at most so large.
#[inline(always)]
fn small(row: &Row<'_>, column: Column, most: u64) -> Result<Option<u64>, Fault> {
    match row.find(column) {
        Some(Cell::Text(text)) => match value::whole(text) {
            Some(number) if number <= most => Ok(Some(number)),
            _ => Err(unreadable(column)),
        },
        Some(cell) => small_in(cell, column, most).map(Some),
        None => Ok(None),
    }
}

fn small_in(cell: Cell<'_>, column: Column, most: u64) -> Result<u64, Fault> {
    let number = match cell {
        Cell::Number(number) => Some(number),
        Cell::Text(text) => value::whole(text),
        Cell::Time { .. } | Cell::Octets(_) => None,
    };
    number.filter(|number| *number <= most).ok_or_else(|| unreadable(column))
}

#[cold]
fn unreadable(column: Column) -> Fault {
    Fault::Unread(Cow::Owned(format!("rows whose {} cannot be read", column.name())))
}

/// Returns whether columns name what every recording must tell.
pub(super) fn is_enough(columns: &Columns) -> Result<(), String> {
    let has = |column| columns.name_of(column).is_some();
    let missing = match () {
        () if !has(Column::Src) && !has(Column::Dst) => "`src` or `dst`",
        () if !has(Column::Packets) && columns.packets.is_none() => {
            "`packets` (`packets: {value: 1}` if every row is a packet)"
        }
        () if !has(Column::Bytes) => "`bytes`",
        () if has(Column::Sampling) && columns.applied.is_none() => {
            "whether counts were multiplied by `sampling` (`sampling: {field: …, applied: false}`)"
        }
        () if !has(Column::Time) && !has(Column::End) => "`time`",
        () => return Ok(()),
    };
    Err(format!("`columns` does not name {missing}"))
}
