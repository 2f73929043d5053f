//! The wiring of `trace`: records through the rules, one after another, limits keeping their state.

mod say;

use std::io;
use std::sync::Arc;

use super::open::Opened;
use super::{Plan, Run, Running};
use crate::attribution::Attribution;
use crate::input;
use crate::inventory::customers::Customers;
use crate::matcher::{Matcher, compile};
use crate::model::{
    Action, Diagnostic, Inventory, KeyPart, Label, Names, Record, RuleSet, SourceId, Sources,
};
use crate::packet_text;
use crate::report::trace::{LineReport, TraceReport};
use crate::trace::{Disposition, Tracer, Walk, compare};
use crate::traffic::{Piece, TrafficReader};
use say::Sayer;

/// What is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One packet, in words.
    Packet(String),
    /// Every record of the one recording of the plan.
    Records,
    /// One record of it, by its number, step by step, with limits as they are by then.
    Record(u64),
}

/// What a trace hands out.
pub enum Traced {
    /// The way of one record.
    Way(TraceReport),
    /// One record of many.
    Line(LineReport),
}

/// How a trace ended.
pub struct Traces {
    /// 0: all of it could be told; 2: the packet is none; 3: something could not be told or read.
    pub code: u8,
    /// What is wrong, for people.
    pub problems: Vec<Diagnostic>,
    /// The texts that problems point into.
    pub sources: Sources,
}

/// Length of a bin of even traffic.
const SECOND_NS: i64 = 1_000_000_000;

/// Traces, and hands out every result as it is found. An error is one of writing.
pub fn trace(
    plan: Plan,
    subject: &Subject,
    write: &mut dyn FnMut(Traced) -> io::Result<()>,
) -> io::Result<Traces> {
    // What the config says beside rules and recordings is not of this command.
    let mut run = Run { problems: Vec::new(), ..Run::new(plan) };
    let code = run.trace(subject, write)?;
    Ok(Traces { code, problems: run.problems, sources: run.sources })
}

impl Run {
    fn trace(
        &mut self,
        subject: &Subject,
        write: &mut dyn FnMut(Traced) -> io::Result<()>,
    ) -> io::Result<u8> {
        // A packet that is none is found before anything is read.
        let packet = match subject {
            Subject::Packet(text) => {
                let source = self.sources.add("--packet", text.as_str());
                match packet_text::parse(source, text) {
                    Ok(packet) => Some(packet),
                    Err(problems) => {
                        self.problems.extend(problems);
                        return Ok(2);
                    }
                }
            }
            Subject::Records | Subject::Record(_) => None,
        };
        let paths = self.plan.rules.clone();
        let [running, candidate] = self.rule_sets();
        let running = (self.plan.running != Running::Nothing).then_some(running);
        let by_customer = [Some(&candidate), running.as_ref()].into_iter().flatten().any(|set| {
            set.rules.iter().any(|rule| match &rule.action.value {
                Action::RateLimit(limit) => limit.per.contains(&KeyPart::Customer),
                _ => false,
            })
        });
        let inventory = (by_customer && !self.plan.inventory.is_empty()).then(|| self.inventory());
        if self.failed() {
            return Ok(3);
        }
        if candidate.rules.is_empty() && running.as_ref().is_none_or(|set| set.rules.is_empty()) {
            self.problems.push(
                Diagnostic::bare("there are no rules to meet")
                    .help("name files that hold rules; an empty set accepts or drops everything"),
            );
            return Ok(3);
        }
        let names = Arc::new(Names::new());
        let inventory = inventory.unwrap_or_default();
        let customers = Customers::compile(&inventory, &[]);
        let attribution = Attribution::new(&inventory, &customers, &names);
        let attribution = (!is_empty(&inventory)).then_some(&attribution);
        let matcher = compile([&candidate, running.as_ref().unwrap_or(&candidate)], &names);
        let sides = Sides::new(&candidate, running.as_ref(), &matcher, attribution);
        let shown = [
            paths.iter().map(|path| input::shown(path)).collect::<Vec<_>>().join(", "),
            self.running.clone().unwrap_or_default(),
        ];
        match packet {
            Some(packet) => {
                let record = of_packet(&packet, &names);
                let mut sides = sides;
                let walks = sides.trace(&record);
                let say = Sayer::new(&self.sources, &names);
                let report = say.way(&sides, &shown, &record, &walks, None);
                let code = code(&sides, &walks, true);
                write(Traced::Way(report))?;
                Ok(code)
            }
            None => self.trace_records(sides, &shown, &names, subject, write),
        }
    }

    fn trace_records(
        &mut self,
        mut sides: Sides<'_>,
        shown: &[String; 2],
        names: &Arc<Names>,
        subject: &Subject,
        write: &mut dyn FnMut(Traced) -> io::Result<()>,
    ) -> io::Result<u8> {
        let Some(recording) = self.plan.traffic.first().cloned() else {
            self.problems.push(
                Diagnostic::bare("nothing is named to be traced")
                    .help("name a packet with `--packet`, or a recording with `--traffic`"),
            );
            return Ok(3);
        };
        let name = input::shown(&recording.path);
        let Some(Opened { mut reader, .. }) = self.open(&recording, names) else { return Ok(3) };
        let wanted = match subject {
            Subject::Record(number) => Some(*number),
            _ => None,
        };
        let mut tell = Teller {
            say: Sayer::new(&self.sources, names),
            shown,
            wanted,
            write,
            told: 0,
            untold: 0,
            missing: 0,
            code: 0,
        };
        let problem = read(reader.as_mut(), &mut sides, &mut tell)?;
        let Teller { told, untold, missing, mut code, .. } = tell;
        if let Some(problem) = problem {
            self.problems.push(problem);
            code = 3;
        }
        let counts = reader.counts();
        if let Some(question) = super::evidence::meant_as(&recording, &counts) {
            self.problems.push(question);
            code = 3;
        }
        let unread: u64 = counts.unread.values().sum();
        if unread > 0 {
            let kinds: Vec<String> =
                counts.unread.iter().map(|(what, count)| format!("{count} {what}")).collect();
            self.problems.push(Diagnostic {
                severity: crate::model::Severity::Warning,
                ..Diagnostic::bare(format!("{name}: not read: {}", kinds.join(", ")))
            });
        }
        if let Some(reason) = &counts.broken {
            let after = counts.frames.saturating_sub(1);
            self.problems.push(
                Diagnostic::bare(format!("{name} is corrupt after frame {after}: {reason}"))
                    .help("what follows there is not known; name a whole recording"),
            );
            code = 3;
        }
        if let (Some(wanted), 0) = (wanted, told) {
            self.problems.push(
                Diagnostic::bare(format!("{name} holds no record {wanted}"))
                    .help("records of captures have the numbers of their frames, those of rows of their lines; \
                           not all are traffic"),
            );
            code = 3;
        } else if told == 0 && !self.failed() {
            self.problems.push(
                Diagnostic::bare(format!("{name} yields no record"))
                    .help("a recording that shows nothing proves nothing; name another one"),
            );
            code = 3;
        }
        if untold > 0 && wanted.is_none() {
            let lacking = crate::trace::missing(missing).join(", ");
            self.problems.push(
                Diagnostic::bare(format!(
                    "what becomes of {untold} of {told} records cannot be told: it hangs on {lacking}"
                ))
                .help("`--record N` shows one of them step by step"),
            );
            code = 3;
        }
        Ok(code)
    }
}

fn is_empty(inventory: &Inventory) -> bool {
    inventory.customers.is_empty() && inventory.shared.is_empty()
}

/// Makes the record of a packet.
fn of_packet(packet: &packet_text::Packet, names: &Names) -> Record {
    Record {
        time_ns: 0,
        duration_ns: 0,
        header: packet.header,
        pop: packet.pop.as_deref().map(|pop| names.intern(pop)),
        exporter: None,
        direction: packet.direction,
        packets: 1,
        bytes: u64::from(packet.header.packet_length),
        weight: 1,
        label: Label::None,
        customer: None,
        source: SourceId(0),
        number: 1,
    }
}

/// The exit code of one record: what cannot be told is no answer.
fn code(sides: &Sides<'_>, walks: &[Walk], by_rules: bool) -> u8 {
    let untold = walks.iter().any(|walk| walk.disposition() == Disposition::CannotTell);
    let undecided = sides.change(walks, by_rules) == Some("cannot_tell");
    if undecided || (untold && sides.change(walks, by_rules).is_none()) { 3 } else { 0 }
}

/// The candidate rules, and the running ones if there are any.
struct Sides<'a> {
    sets: Vec<&'a RuleSet>,
    tracers: Vec<Tracer<'a>>,
}

impl<'a> Sides<'a> {
    fn new(
        candidate: &'a RuleSet,
        running: Option<&'a RuleSet>,
        matcher: &'a Matcher,
        attribution: Option<&'a Attribution<'a>>,
    ) -> Sides<'a> {
        let sets: Vec<&RuleSet> = [Some(candidate), running].into_iter().flatten().collect();
        let tracers = sets
            .iter()
            .enumerate()
            .map(|(side, set)| Tracer::new(set, (matcher, side), attribution))
            .collect();
        Sides { sets, tracers }
    }

    fn trace(&mut self, record: &Record) -> Vec<Walk> {
        self.tracers.iter_mut().map(|tracer| tracer.trace(record)).collect()
    }

    /// Returns how a record fares by the candidate rules, if there are running ones.
    fn change(&self, walks: &[Walk], by_rules: bool) -> Option<&'static str> {
        let [candidate, running] = walks else { return None };
        let sets = [self.sets[1], self.sets[0]];
        Some(compare(sets, [running, candidate], by_rules).word())
    }
}

/// Hands out what is found.
struct Teller<'t> {
    say: Sayer<'t>,
    shown: &'t [String; 2],
    wanted: Option<u64>,
    write: &'t mut dyn FnMut(Traced) -> io::Result<()>,
    told: u64,
    untold: u64,
    missing: u32,
    code: u8,
}

impl Teller<'_> {
    fn tell(&mut self, sides: &Sides<'_>, record: &Record, walks: &[Walk]) -> io::Result<()> {
        if self.wanted.is_some_and(|wanted| wanted != record.number) {
            return Ok(());
        }
        self.told += 1;
        let untold = walks.iter().filter(|walk| walk.disposition() == Disposition::CannotTell);
        let missing = untold.map(|walk| walk.missing).reduce(|a, b| a | b);
        self.untold += u64::from(missing.is_some());
        self.missing |= missing.unwrap_or(0);
        if self.wanted.is_some() {
            self.code = code(sides, walks, false);
            let number = Some(record.number);
            let report = self.say.way(sides, self.shown, record, walks, number);
            return (self.write)(Traced::Way(report));
        }
        let line = self.say.line(sides, record, walks);
        (self.write)(Traced::Line(line))
    }

    /// Returns whether a record comes behind all that are wanted: both directions of a row have its
    /// number.
    fn is_done(&self, next: &Record) -> bool {
        self.told > 0 && self.wanted.is_some_and(|wanted| wanted != next.number)
    }
}

/// Reads a recording to its end, or to the record that is wanted.
fn read(
    reader: &mut dyn TrafficReader,
    sides: &mut Sides<'_>,
    tell: &mut Teller<'_>,
) -> io::Result<Option<Diagnostic>> {
    let even = reader.even();
    let mut piece = Piece::new();
    let mut second: Vec<Record> = Vec::new();
    let mut start_ns = None;
    loop {
        match reader.cut(&mut piece) {
            Ok(true) => {}
            Ok(false) => break,
            Err(problem) => return Ok(Some(*problem)),
        }
        while let Some(batch) = piece.decode() {
            for record in batch.iter() {
                if tell.is_done(record) {
                    return Ok(None);
                }
                if !even {
                    let walks = sides.trace(record);
                    tell.tell(sides, record, &walks)?;
                } else {
                    let start_ns = *start_ns.get_or_insert(record.time_ns);
                    let bin = |record: &Record| {
                        record.time_ns.saturating_sub(start_ns).div_euclid(SECOND_NS)
                    };
                    if second.first().is_some_and(|first| bin(first) != bin(record)) {
                        settle(&mut second, sides, tell)?;
                    }
                    second.push(*record);
                }
            }
        }
    }
    settle(&mut second, sides, tell)?;
    Ok(None)
}

/// Takes a second of a profile through the rules, and empties it.
fn settle(
    second: &mut Vec<Record>,
    sides: &mut Sides<'_>,
    tell: &mut Teller<'_>,
) -> io::Result<()> {
    let mut walks: Vec<std::vec::IntoIter<Walk>> =
        sides.tracers.iter_mut().map(|tracer| tracer.trace_second(second).into_iter()).collect();
    for record in second.drain(..) {
        let of_record: Vec<Walk> = walks.iter_mut().filter_map(Iterator::next).collect();
        tell.tell(sides, &record, &of_record)?;
    }
    Ok(())
}
