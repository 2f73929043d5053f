//! The plain token bucket, exact in fractions: the native language's `token_bucket`.

use super::{Level, Packet, Policer, Shape, State};
use crate::model::{Burst, Rate};

/// A bucket that starts full, fills at a rate and never holds more than its burst. A packet whose
/// whole cost is there takes it; any other takes nothing. Nothing is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    shape: Shape,
}

impl TokenBucket {
    /// Makes the bucket of a rate and a burst.
    pub fn new(rate: Rate, burst: Burst) -> TokenBucket {
        TokenBucket { shape: Shape::new(rate, burst) }
    }
}

impl Policer for TokenBucket {
    fn fresh(&self, time_ns: i64) -> State {
        State::full(&self.shape, time_ns)
    }

    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        state.take(&self.shape, packet)
    }

    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool {
        state.bucket().is_full_at(&self.shape, time_ns)
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn level(&self, state: &State, time_ns: i64) -> Option<Level> {
        let Shape { counts, den, capacity, .. } = self.shape;
        let left = state.bucket().tokens_at(&self.shape, time_ns);
        Some(Level::new(counts, left / den, capacity / den, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RateUnit;

    #[test]
    fn it_decides_as_the_bucket_does() {
        let rate = Rate { amount: 1_000, unit: RateUnit::Bytes, per_ns: 1_000_000_000 };
        let policer = TokenBucket::new(rate, Burst::Bytes(1_500));
        let mut state = policer.fresh(0);
        let mut conforms =
            |time_ns, bytes| policer.conforms(&mut state, Packet { time_ns, packets: 1, bytes });
        assert!(conforms(0, 1_000));
        assert!(!conforms(0, 501));
        assert!(conforms(0, 500));
        assert!(!conforms(99_999_999, 100));
        assert!(conforms(100_000_000, 100));
        assert!(!policer.is_fresh_at(&state, 1_599_999_999));
        assert!(policer.is_fresh_at(&state, 1_600_000_000));
    }
}
