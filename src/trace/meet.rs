//! Records at a bucket: single packets by every state that it may have, even traffic by seconds.

use std::collections::BTreeSet;

use super::{Answer, Going, Instance, Limited, Limiter, Tracer};
use crate::matcher::{BUCKET, COARSE};
use crate::model::{Known, Record};
use crate::policer::{Carry, Counts, EvenState, Packet, State, share_excess};

/// Length of a bin of even traffic.
pub(super) const BIN_NS: u64 = 1_000_000_000;

/// How many states of one bucket are kept; beyond them its state is lost.
const MOST_STATES: usize = 16;

/// After so many visits, buckets that are full again are forgotten.
pub(super) const FORGET_EVERY: u64 = 1 << 16;

/// Captures are not always in the order of time: a bucket is forgotten only if it has been full
/// for so long.
const DISORDER_NS: i64 = 60_000_000_000;

/// The least and the greatest weight of a packet whose length is unknown.
const WEIGHTS: [u64; 2] = [20, 65_575];

/// One bucket.
pub(super) struct Bucket {
    /// The states that it may have.
    states: Vec<State>,
    /// Its state under even traffic.
    even: Option<(EvenState, Carry)>,
    /// Whether it may have any state.
    is_lost: bool,
}

impl Tracer<'_> {
    /// Takes the records that stand before one bucket through it.
    pub(super) fn meet_bucket(
        &mut self,
        instance: Instance,
        going: &mut [Going<'_>],
        here: &[usize],
        even: bool,
    ) {
        let Some(limiter) = &self.limits[instance.0 as usize] else { return };
        let first = going[here[0]].record;
        let bucket = self.buckets.entry(instance).or_insert_with(|| Bucket {
            states: vec![limiter.policer.fresh(first.time_ns)],
            even: even.then(|| (EvenState::new(&limiter.even), Carry::default())),
            is_lost: false,
        });
        let is_coarse = |record: &Record| {
            record.weight != 1
                || if even {
                    !limiter.fits_seconds
                } else {
                    record.packets > 1 || record.duration_ns > 0
                }
        };
        if here.iter().any(|at| is_coarse(going[*at].record)) {
            bucket.is_lost = true;
        }
        if even && here.iter().any(|at| !going[*at].is_certain_here()) {
            bucket.is_lost = true;
        }
        if bucket.is_lost || limiter.is_lost {
            for at in here {
                let coarse = if is_coarse(going[*at].record) { COARSE } else { 0 };
                let limited = Limited { answer: Answer::CannotTell, level: None };
                going[*at].answer(&limiter.limit, limited, BUCKET | coarse, 0);
            }
        } else if even {
            let start_ns = self.start_ns.unwrap_or(first.time_ns);
            bucket.meet_second(limiter, start_ns, going, here);
        } else {
            for at in here {
                bucket.meet_packet(limiter, &mut going[*at]);
            }
        }
    }

    /// Forgets buckets that are as good as new.
    pub(super) fn forget(&mut self) {
        let before = self.newest_ns.saturating_sub(DISORDER_NS);
        let limits = &self.limits;
        self.buckets.retain(|instance, bucket| {
            let Some(limiter) = &limits[instance.0 as usize] else { return false };
            bucket.is_lost
                || bucket.even.is_some()
                || bucket.states.iter().any(|state| !limiter.policer.is_fresh_at(state, before))
        });
    }
}

impl Going<'_> {
    /// Returns whether it certainly meets the rule before which it stands.
    fn is_certain_here(&self) -> bool {
        self.is_sure && self.steps[self.at].certain()
    }
}

impl Bucket {
    fn meet_packet(&mut self, limiter: &Limiter, going: &mut Going<'_>) {
        let record = going.record;
        let policer = &limiter.policer;
        let level = match &self.states[..] {
            [only] => policer.level(only, record.time_ns),
            _ => None,
        };
        let is_weightless = going.is_weightless() && policer.shape().counts == Counts::Bytes;
        let known = [record.bytes];
        let weights: &[u64] = if is_weightless { &WEIGHTS } else { &known };
        let mut states = Vec::new();
        let mut answers = BTreeSet::new();
        let mut keep = |state: State| {
            if !states.contains(&state) {
                states.push(state);
            }
        };
        let is_certain = going.is_certain_here();
        for state in &self.states {
            for bytes in weights {
                let mut state = state.clone();
                let packet =
                    Packet { time_ns: record.time_ns, packets: record.packets, bytes: *bytes };
                answers.insert(policer.conforms(&mut state, packet));
                keep(state);
            }
            if !is_certain {
                keep(state.clone());
            }
        }
        self.is_lost = states.len() > MOST_STATES;
        self.states = states;
        let answer = match (answers.contains(&true), answers.contains(&false)) {
            (true, false) => Answer::Conforms,
            (false, true) => Answer::Exceeds,
            _ => Answer::CannotTell,
        };
        let missing = if is_weightless { Known::LENGTH.0 } else { 0 };
        going.answer(&limiter.limit, Limited { answer, level }, BUCKET | missing, record.bytes);
    }

    /// Takes one second of even traffic through the bucket; everyone's part exceeds alike.
    fn meet_second(
        &mut self,
        limiter: &Limiter,
        start_ns: i64,
        going: &mut [Going<'_>],
        here: &[usize],
    ) {
        let Some((state, carry)) = &mut self.even else { return };
        let counts = limiter.policer.shape().counts;
        let offered: Vec<(u64, u64)> = here.iter().map(|at| going[*at].left).collect();
        let amount =
            offered.iter().map(|(packets, bytes)| u128::from(counts.pick(*packets, *bytes))).sum();
        let bin = i128::from(going[here[0]].record.time_ns) - i128::from(start_ns);
        let bin = bin.div_euclid(i128::from(BIN_NS)) * i128::from(BIN_NS);
        let bin = i64::try_from(bin).unwrap_or(i64::MAX);
        let excess = state.offer(&limiter.even, amount, bin, BIN_NS);
        let shares = share_excess(&offered, &excess, carry);
        for ((at, (packets, bytes)), offered) in here.iter().zip(shares).zip(&offered) {
            let answer = match packets {
                0 => Answer::Conforms,
                all if all >= offered.0 => Answer::Exceeds,
                some => Answer::Part(some),
            };
            going[*at].answer(&limiter.limit, Limited { answer, level: None }, 0, bytes);
        }
    }
}
