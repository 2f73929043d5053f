//! From recordings to a tally, on as many threads as are wanted.
//!
//! Workers take turns at the input. Whose turn it is cuts the next piece off the recording that is
//! being read, into memory of its own; then it makes the records of its piece and counts them,
//! while the next one cuts. So nothing is handed from thread to thread, nothing queues up, and one
//! worker does just what many do. Recordings are read in their order, each to its end.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::worker::Worker;
use super::{Input, Origin, Progress, Replay};
use crate::model::Diagnostic;
use crate::tally::Counting;
use crate::traffic::Piece;

impl Replay<'_> {
    /// Reads and counts everything. Returns the inputs for their counts, the tally, and why
    /// readers ended early, if they did.
    pub fn run(
        &self,
        mut inputs: Vec<Input>,
        threads: usize,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> (Vec<Input>, Counting, Vec<Diagnostic>) {
        let turns = Mutex::new(Turns::new(&mut inputs));
        let work = || self.work(&turns, progress);
        let tally = std::thread::scope(|scope| {
            // Where the system gives no more threads, those that it gave do the work.
            let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (1..threads).map_while(spawn).collect();
            let mut tally = work();
            for other in others {
                match other.join() {
                    Ok(part) => tally.merge(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            tally
        });
        let mut problems = turns.into_inner().unwrap_or_else(PoisonError::into_inner).problems;
        let mut all = Vec::new();
        for (at, input) in inputs.iter_mut().enumerate() {
            // What was met while a piece was decoded stands before what ended the cutting.
            let problem = input.reader.problem().or_else(|| problems.remove(&at));
            all.extend(problem.map(|problem| *problem));
        }
        (inputs, self.without_doubtful_buckets(tally), all)
    }

    fn work(&self, turns: &Mutex<Turns<'_>>, progress: &(dyn Fn(Progress) + Sync)) -> Counting {
        let mut worker = Worker::new(self);
        let mut piece = Piece::new();
        loop {
            let turn = turns.lock().unwrap_or_else(PoisonError::into_inner).next(&mut piece);
            let Some(origin) = turn else { return worker.tally };
            while let Some(batch) = piece.decode() {
                let before = (worker.tally.len(), worker.tally.offers.len());
                worker.count(batch, origin);
                progress(Progress {
                    records: batch.len() as u64,
                    sums: (worker.tally.len() - before.0) as u64,
                    offers: (worker.tally.offers.len() - before.1) as u64,
                });
            }
        }
    }
}

/// What workers take turns at.
struct Turns<'i> {
    /// The inputs that are not read to their end; the first one is being read.
    inputs: &'i mut [Input],
    /// By how much the times of that one are moved; none before its first piece.
    shift_ns: Option<i64>,
    /// When the recording was made, if anything is added to it.
    span: Option<Span>,
    /// How many inputs were read to their end.
    ended: usize,
    /// Why inputs ended early, by their places.
    problems: BTreeMap<usize, Box<Diagnostic>>,
}

impl<'i> Turns<'i> {
    fn new(inputs: &'i mut [Input]) -> Turns<'i> {
        let is_added_to = inputs.iter().any(|input| input.part != 0);
        Turns {
            inputs,
            shift_ns: None,
            span: is_added_to.then(Span::default),
            ended: 0,
            problems: BTreeMap::new(),
        }
    }

    /// Cuts the next piece; none at the end of the last input.
    fn next(&mut self, piece: &mut Piece) -> Option<Origin> {
        while let Some(input) = self.inputs.first_mut() {
            match input.reader.cut(piece) {
                Ok(true) => {
                    let (part, aged) = (input.part, input.reader.has_age());
                    let (rank, even) = (input.rank, input.reader.even());
                    let shift_ns = self.place(piece, part, aged);
                    return Some(Origin { rank, even, aged, part, shift_ns });
                }
                Ok(false) => {}
                Err(problem) => {
                    self.problems.insert(self.ended, problem);
                }
            }
            self.ended += 1;
            self.inputs = std::mem::take(&mut self.inputs).split_first_mut()?.1;
            self.shift_ns = None;
        }
        None
    }

    /// Returns by how much the times of a piece are moved, and notes when it was if it is of the
    /// recording, which comes first.
    fn place(&mut self, piece: &mut Piece, part: u16, aged: bool) -> i64 {
        let Some(span) = &mut self.span else { return 0 };
        if part == 0 {
            span.note(piece);
            return 0;
        }
        if self.shift_ns.is_none() {
            // A piece may turn out to hold no record.
            self.shift_ns = span.shift(piece, aged);
        }
        self.shift_ns.unwrap_or(0)
    }
}

/// When the recording was made.
#[derive(Default)]
struct Span(Option<(i64, i64)>);

impl Span {
    fn note(&mut self, piece: &mut Piece) {
        for time_ns in piece.times_ns() {
            let span = self.0.get_or_insert((time_ns, time_ns));
            *span = (span.0.min(time_ns), span.1.max(time_ns));
        }
    }

    /// Returns by how much traffic that a scenario adds is moved in time, so that it meets the
    /// recording: what has no time of its own, or another one, begins when the recording begins. None if
    /// nothing is in the piece.
    fn shift(&self, first: &mut Piece, aged: bool) -> Option<i64> {
        let first = first.times_ns().next()?;
        Some(match self.0 {
            Some((start, end)) if !aged || first < start || first > end => {
                start.saturating_sub(first)
            }
            _ => 0,
        })
    }
}
