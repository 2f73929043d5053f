//! Makes records of rows.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use super::cells::Row;
use super::plan::Plan;
use super::source::{Source, Unit as Next, cannot_read};
use super::value::{self, NoTime};
use super::{Here, Made, Preset, Rate, Unit};
use crate::model::columns::{ByteLayer, Column, Columns};
use crate::model::ordinary::{SCTP, TCP, UDP, UDPLITE};
use crate::model::{Diagnostic, Direction, Family, Known, NameId, ReadCounts, Record, RecordBatch};
use crate::traffic::flow::{Became, Flow};
use crate::traffic::{Piece, Settings, TrafficReader};

/// The header of Ethernet, in bytes.
const ETHERNET: u64 = 14;

/// How far apart the times of a row may be: no exporter keeps a flow for longer than a day.
const LONGEST_NS: u64 = 31 * 86_400 * 1_000_000_000;

/// How many lines of each kind that is unread are named.
const SHOWN: usize = 3;

/// The most exporters and PoPs of one file that are remembered.
const MOST_NAMES: usize = 65_536;

pub(super) fn open(
    preset: &'static Preset,
    input: Box<dyn Read + Send>,
    settings: &Settings,
) -> Result<Box<dyn TrafficReader>, Box<Diagnostic>> {
    let columns = settings.columns.as_deref();
    let mut here = Here::default();
    let plan = Plan::new(preset, columns);
    let source = Source::open(
        preset,
        input,
        &plan,
        (columns, settings.file.clone()),
        &mut here,
        &settings.name,
    )?;
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
                "{name}: nothing says whether its packets and bytes were multiplied by the sampling \
                 rate already"
            ))
            .help("say it in `blastgate.yaml`: `columns: {sampling: {applied: true}}`, or `false`"),
        ));
    }
    Ok(Box::new(Rows {
        preset,
        within_ns: columns.and_then(|columns| columns.within_ns).unwrap_or(preset.within_ns),
        layer: columns.and_then(|columns| columns.layer).unwrap_or(preset.layer),
        packets: columns.and_then(|columns| columns.packets),
        applied,
        plan,
        source,
        settings,
        here,
        names: HashMap::default(),
        waiting: None,
        counts: ReadCounts::default(),
        lost: BTreeMap::new(),
        is_over: false,
        has_v6: false,
    }))
}

/// Rows of one kind that are unread.
#[derive(Default)]
struct Lost {
    count: u64,
    lines: Vec<u64>,
}

struct Rows {
    preset: &'static Preset,
    within_ns: u64,
    layer: ByteLayer,
    packets: Option<u64>,
    applied: Option<bool>,
    plan: Plan,
    source: Source,
    settings: Settings,
    here: Here,
    names: HashMap<String, NameId, foldhash::fast::FixedState>,
    /// The second record of a row.
    waiting: Option<Record>,
    counts: ReadCounts,
    lost: BTreeMap<Cow<'static, str>, Lost>,
    is_over: bool,
    /// Whether some record is of IPv6.
    has_v6: bool,
}

impl TrafficReader for Rows {
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<Diagnostic>> {
        let batch = piece.fill();
        while batch.len() < self.settings.batch {
            if let Some(record) = self.waiting.take() {
                batch.push(record);
                continue;
            }
            if self.is_over {
                break;
            }
            let next = self.source.next(self.preset, &self.plan, &mut self.here);
            let problem = |error| cannot_read(&self.settings.name, &error);
            match next.map_err(problem)? {
                Next::Row => {
                    let first = self.row()?;
                    first.into_iter().for_each(|record| batch.push(record));
                }
                Next::Skipped => {}
                Next::Broken(reason) => {
                    self.lose(Cow::Borrowed("rows after which nothing can be read"));
                    self.counts.broken = Some(reason);
                    self.is_over = true;
                    self.source.close();
                }
                Next::Unread(reason) => self.lose(Cow::Borrowed(reason)),
                Next::End => {
                    self.is_over = true;
                    self.source.close();
                    if let Some(reason) = (self.preset.end)(&self.here) {
                        self.lose(Cow::Borrowed(reason));
                    }
                }
            }
        }
        Ok(!batch.is_empty())
    }

    fn counts(&self) -> ReadCounts {
        let mut counts = self.counts.clone();
        counts.no_ipv6 = self.preset.may_lack_v6 && !self.has_v6;
        for (reason, lost) in &self.lost {
            let mut lines: Vec<String> = lost.lines.iter().map(u64::to_string).collect();
            if lost.count > lost.lines.len() as u64 {
                lines.push("…".to_owned());
            }
            let word = if lost.count == 1 { "line" } else { "lines" };
            let reason = format!("{reason} ({word} {})", lines.join(", "));
            *counts.unread.entry(reason).or_default() += lost.count;
        }
        counts
    }
}

/// Why a row gives no flow.
enum Fault {
    Unread(Cow<'static, str>),
    /// Nothing in the file can be read like this.
    File(Box<Diagnostic>),
}

impl From<&'static str> for Fault {
    fn from(reason: &'static str) -> Fault {
        Fault::Unread(Cow::Borrowed(reason))
    }
}

impl Rows {
    fn lose(&mut self, reason: Cow<'static, str>) {
        self.counts.frames += 1;
        let line = self.source.line();
        let lost = self.lost.entry(reason).or_default();
        lost.count += 1;
        if lost.lines.len() < SHOWN {
            lost.lines.push(line);
        }
    }

    /// Reads a row, and returns its first record. An error is one of the whole file.
    fn row(&mut self) -> Result<Option<Record>, Box<Diagnostic>> {
        let bytes = std::mem::take(&mut self.source.text);
        let records = match std::str::from_utf8(&bytes) {
            Ok(text) => self.records(text),
            Err(_) => Err("rows that are not UTF-8 text".into()),
        };
        self.source.text = bytes;
        match records {
            Ok([first, second]) => {
                self.waiting = second.map(|record| self.numbered(record));
                // The number of the first is before that of the second.
                Ok(first)
            }
            Err(Fault::Unread(reason)) => {
                self.lose(reason);
                Ok(None)
            }
            Err(Fault::File(problem)) => Err(problem),
        }
    }

    fn numbered(&mut self, mut record: Record) -> Record {
        self.counts.frames += 1;
        self.counts.records += 1;
        record.number = self.counts.records;
        self.has_v6 |= record.header.family == Family::V6;
        record
    }

    fn records(&mut self, text: &str) -> Result<[Option<Record>; 2], Fault> {
        // What a row reads is taken apart from what it changes.
        let plan = std::mem::replace(&mut self.plan, Plan::none());
        let made = self.records_of(text, &plan);
        self.plan = plan;
        made
    }

    fn records_of(&mut self, text: &str, plan: &Plan) -> Result<[Option<Record>; 2], Fault> {
        let mut row = Row::empty(plan, self.preset);
        self.source.read(text, &mut row)?;
        (self.here.applied, self.here.layer) = (None, None);
        let flow = self.flow(&row)?;
        let flows = match (self.preset.make)(&row, flow, &mut self.here) {
            Made::Flows(flows) => flows,
            Made::Other(what) => {
                self.counts.frames += 1;
                *self.counts.other.entry(what.to_owned()).or_default() += 1;
                return Ok([None, None]);
            }
            Made::Unread(reason) => return Err(reason.into()),
        };
        if flows == [None, None] {
            self.counts.frames += 1;
            *self.counts.other.entry("flows of no packets".to_owned()).or_default() += 1;
            return Ok([None, None]);
        }
        if let Some(text) = row.get(Column::Verdict) {
            let dropped = value::was_dropped(text).ok_or_else(|| unreadable(Column::Verdict))?;
            if dropped && !self.settings.count_drops {
                self.counts.frames += 1;
                self.counts.dropped += 1;
                let what = "rows of what a filter had dropped when it was recorded";
                *self.counts.other.entry(what.to_owned()).or_default() += 1;
                return Ok([None, None]);
            }
        }
        let Some((rate, is_applied)) = self.rate(&row)? else {
            self.counts.unknown_sampling += 1;
            return Err("sampled at a rate that nobody says".into());
        };
        let mut records = [None, None];
        for (record, flow) in records.iter_mut().zip(flows) {
            *record = match flow {
                Some(flow) => self.record(&row, flow, rate, is_applied)?,
                None => None,
            };
        }
        if records[0].is_none() {
            records.swap(0, 1);
        }
        let [first, second] = records;
        Ok([first.map(|record| self.numbered(record)), second])
    }

    /// Returns what all columns say that have a name.
    fn flow(&self, row: &Row<'_>) -> Result<Flow, Fault> {
        let mut flow = Flow::default();
        let addresses = [Column::Src, Column::Dst].map(|column| {
            row.get(column).map(|text| value::address(text).ok_or(unreadable(column))).transpose()
        });
        let [src, dst] = addresses;
        let (src, dst) = (src?, dst?);
        if let (Some(src), Some(dst)) = (src, dst)
            && src.family != dst.family
        {
            return Err("rows whose ends are of two families".into());
        }
        flow.v6 = src.or(dst).is_some_and(|one| one.family == Family::V6);
        flow.src = src.map(|address| address.bits);
        flow.dst = dst.map(|address| address.bits);
        flow.protocol = row.get(Column::Protocol).and_then(value::protocol);
        if matches!(flow.protocol, Some(TCP | UDP | UDPLITE | SCTP)) {
            let src = small(row, Column::SrcPort, u16::MAX.into())?;
            let dst = small(row, Column::DstPort, u16::MAX.into())?;
            flow.ports = src.zip(dst).map(|(src, dst)| (src as u16, dst as u16));
        }
        if flow.protocol == Some(TCP)
            && let Some(text) = row.get(Column::TcpFlags)
        {
            let flags = value::flags_of(text).ok_or_else(|| unreadable(Column::TcpFlags))?;
            flow.tcp_flags = Some(flags);
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
        flow.direction = match row.get(Column::Direction).map(str::to_ascii_lowercase).as_deref() {
            Some("ingress") => Some(Direction::Ingress),
            Some("egress") => Some(Direction::Egress),
            _ => None,
        };
        flow.time_ns = self.times(row)?;
        Ok(flow)
    }

    /// Returns before when none of the packets of a row was, and after when none.
    fn times(&self, row: &Row<'_>) -> Result<Option<(i64, i64)>, Fault> {
        let start = self.time(row, Column::Time)?;
        let end = self.time(row, Column::End)?;
        let Some((from, to)) = start.or(end) else { return Ok(None) };
        let last = match (end, row.get(Column::Duration)) {
            (Some((_, end)), _) => end,
            (None, Some(text)) => {
                let unit = self.unit(Column::Duration);
                let unit_ns = match unit {
                    Unit::Of(crate::model::columns::TimeUnit::Milliseconds) => 1_000_000,
                    Unit::Of(crate::model::columns::TimeUnit::Microseconds) => 1_000,
                    Unit::Of(crate::model::columns::TimeUnit::Nanoseconds) => 1,
                    _ => 1_000_000_000,
                };
                let (duration, exact) =
                    value::decimal(text, unit_ns).ok_or_else(|| unreadable(Column::Duration))?;
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

    fn unit(&self, column: Column) -> Unit {
        let said = self.settings.columns.as_deref().and_then(|columns| columns.unit_of(column));
        // An end is told as its beginning is.
        let start =
            self.settings.columns.as_deref().and_then(|columns| columns.unit_of(Column::Time));
        let start = start.filter(|_| column == Column::End);
        said.or(start).map_or(self.preset.unit, Unit::Of)
    }

    fn time(&self, row: &Row<'_>, column: Column) -> Result<Option<(i64, i64)>, Fault> {
        for text in row.all(column) {
            match value::time(text, self.unit(column), self.settings.zone.as_ref()) {
                Ok(None) => {}
                Ok(time) => return Ok(time),
                Err(NoTime::Bad) => return Err(unreadable(column)),
                Err(NoTime::NoUnit) => return Err(self.unsaid(text, Unsaid::Unit)),
                Err(NoTime::NoZone) => return Err(self.unsaid(text, Unsaid::Zone)),
            }
        }
        Ok(None)
    }

    /// Says what nobody said of the times of the file.
    fn unsaid(&self, text: &str, what: Unsaid) -> Fault {
        let place = format!("{}:{}", self.settings.name, self.source.line());
        let text: String = text.chars().take(40).collect();
        let text = text.escape_debug();
        Fault::File(Box::new(match what {
            Unsaid::Zone => Diagnostic::bare(format!(
                "{place}: the time `{text}` is local, and nothing says of which time zone"
            ))
            .help("say it with `--zone Europe/Berlin`, `--zone +02:00` or `--zone UTC`"),
            Unsaid::Unit => Diagnostic::bare(format!(
                "{place}: the time `{text}` is a number, and nothing says of what"
            ))
            .help("say it in `blastgate.yaml`: `columns: {time: {field: …, unit: ms}}`"),
        }))
    }

    /// Returns how many packets one of a row stands for, and whether its counts are multiplied by
    /// that; none if nobody says.
    fn rate(&mut self, row: &Row<'_>) -> Result<Option<(u32, bool)>, Fault> {
        let in_row = small(row, Column::Sampling, u32::MAX.into())?.filter(|rate| *rate > 0);
        let said = self.settings.sampling.map(|rate| rate.0);
        if let (Some(said), Some(rate)) = (said, in_row) {
            self.counts.overridden += u64::from(u64::from(said) != rate);
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
        match self.here.applied.or(self.applied) {
            Some(is_applied) => Ok(Some((rate, is_applied))),
            None => {
                Err("counts of which nobody says whether they were multiplied by the rate".into())
            }
        }
    }

    fn record(
        &mut self,
        row: &Row<'_>,
        mut flow: Flow,
        rate: u32,
        is_applied: bool,
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
        if self.here.layer.unwrap_or(self.layer) == ByteLayer::L2
            && let (Some(packets), Some(bytes)) = (flow.packets, &mut flow.bytes)
        {
            *bytes = bytes.saturating_sub(packets.saturating_mul(ETHERNET));
            flow.is_length_rough = true;
        }
        if let Some((least, 0)) = flow.ttl {
            // Of several packets it is that of one of them.
            flow.ttl = (flow.packets == Some(1)).then_some((least, least));
        }
        let exporter = row.get(Column::Exporter).and_then(|text| match value::address(text) {
            Some(address) if address.bits == 0 => None,
            Some(address) => self.name(&address.to_string()),
            None => self.name(text),
        });
        let pop = row.get(Column::Pop).and_then(|text| self.name(text));
        let mut record = match flow.record(exporter, &self.settings) {
            Became::Record(record) => record,
            // Rows say it in a column, which is looked at before.
            Became::Dropped => return Ok(None),
            Became::Other(what) => {
                self.counts.frames += 1;
                *self.counts.other.entry(what.to_owned()).or_default() += 1;
                return Ok(None);
            }
            Became::Unread(reason) => return Err(reason.into()),
        };
        record.weight = rate;
        if pop.is_some() {
            record.pop = pop;
            record.header.known = record.header.known.with(Known::POP);
        }
        Ok(Some(record))
    }

    fn name(&mut self, text: &str) -> Option<NameId> {
        if let Some(id) = self.names.get(text) {
            return Some(*id);
        }
        if self.names.len() == MOST_NAMES || text.len() > 256 {
            return None;
        }
        let id = self.settings.names.intern(text);
        self.names.insert(text.to_owned(), id);
        Some(id)
    }
}

enum Unsaid {
    Zone,
    Unit,
}

/// Returns a number that is at most so large.
fn small(row: &Row<'_>, column: Column, most: u64) -> Result<Option<u64>, Fault> {
    let Some(text) = row.get(column) else { return Ok(None) };
    let number = value::number(text).filter(|number| *number <= most);
    number.map(Some).ok_or_else(|| unreadable(column))
}

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
