//! Even traffic of which no record meets two buckets of a side: bucket by bucket.

use std::ops::ControlFlow;

use super::even::Seconds;
use super::{BIN_NS, Bank, Limiter, Take, Visit};
use crate::model::Exceed;
use crate::policer::{Carry, EvenState, share_excess};

/// Buckets that have nothing to do with each other.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    bins: Vec<Bin>,
    keys: Vec<u32>,
    /// Packets and bytes of each key.
    offers: Vec<(u64, u64)>,
}

/// One bucket.
struct Lane {
    visit: Visit,
    /// Where its bins begin and end.
    bins: (usize, usize),
    /// The most in one bin, and all together, in packets and bytes.
    peak: (u128, u128),
    all: (u128, u128),
}

/// One second of a bucket.
struct Bin {
    bin: i64,
    sum: (u128, u128),
    /// Where its offers begin and end.
    offers: (usize, usize),
}

impl Lanes {
    /// Makes lanes of seconds, none of whose groups meets two buckets of a side.
    pub(super) fn new(seconds: &Seconds, instances: usize) -> Lanes {
        let mut lanes = Lanes::default();
        for (visit, bin, groups) in seconds.meetings(instances) {
            let first = lanes.offers.len();
            let mut sum = (0, 0);
            for (key, packets, bytes) in groups {
                lanes.keys.push(key);
                lanes.offers.push((packets, bytes));
                sum = (sum.0 + u128::from(packets), sum.1 + u128::from(bytes));
            }
            let at = lanes.bins.len();
            lanes.bins.push(Bin { bin, sum, offers: (first, lanes.offers.len()) });
            match lanes.lanes.last_mut() {
                Some(lane) if lane.visit.instance == visit.instance => {
                    lane.bins.1 = at + 1;
                    lane.peak = (lane.peak.0.max(sum.0), lane.peak.1.max(sum.1));
                    lane.all = (lane.all.0 + sum.0, lane.all.1 + sum.1);
                }
                _ => lanes.lanes.push(Lane { visit, bins: (at, at + 1), peak: sum, all: sum }),
            }
        }
        lanes
    }

    /// Runs every bucket.
    pub(super) fn run(&self, bank: &Bank<'_>, take: Take<'_>) -> ControlFlow<()> {
        for Lane { visit, bins, peak, all } in &self.lanes {
            let Limiter { limit, shape, even, .. } = bank.limiter(*visit);
            let of = |(packets, bytes): (u128, u128)| shape.counts.pick(packets, bytes);
            if limit.exceed == Exceed::Log || even.lets_pass(of(*peak), of(*all), BIN_NS) {
                continue;
            }
            let (mut state, mut carry) = (EvenState::new(even), Carry::default());
            for Bin { bin, sum, offers } in &self.bins[bins.0..bins.1] {
                // A profile's windows begin with the profile, whenever that is.
                let starts = bin.saturating_mul(BIN_NS as i64);
                let excess = state.offer(even, of(*sum), starts, BIN_NS);
                if excess.is_zero() {
                    continue;
                }
                let lost = share_excess(&self.offers[offers.0..offers.1], &excess, &mut carry);
                for (key, (packets, bytes)) in self.keys[offers.0..offers.1].iter().zip(lost) {
                    take(*key, (visit.candidate, visit.rule), packets, bytes)?;
                }
            }
        }
        ControlFlow::Continue(())
    }
}
