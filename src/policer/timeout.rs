//! A mitigation timeout on top of any policer.

use super::{Level, Packet, Policer, Shape, State};

/// Any policer with a mitigation timeout: once a packet exceeds, everything of the key exceeds for
/// so long from that moment, whatever the rate. What is acted on meanwhile is not counted.
#[derive(Debug)]
pub struct Timeout {
    /// The limit that sets it off.
    pub inner: Box<dyn Policer>,
    /// How long it lasts, in nanoseconds.
    pub timeout_ns: u64,
}

impl Policer for Timeout {
    fn fresh(&self, time_ns: i64) -> State {
        self.inner.fresh(time_ns)
    }

    fn conforms(&self, state: &mut State, packet: Packet) -> bool {
        let now = packet.time_ns.max(state.time_ns);
        if now < state.until_ns {
            return false;
        }
        let conforms = self.inner.conforms(state, packet);
        if !conforms {
            state.time_ns = now;
            state.until_ns = now.saturating_add_unsigned(self.timeout_ns);
        }
        conforms
    }

    fn is_fresh_at(&self, state: &State, time_ns: i64) -> bool {
        time_ns >= state.until_ns && self.inner.is_fresh_at(state, time_ns)
    }

    fn shape(&self) -> Shape {
        self.inner.shape()
    }

    fn level(&self, state: &State, time_ns: i64) -> Option<Level> {
        let level = self.inner.level(state, time_ns)?;
        Some(Level { penalty_ns: super::elapsed_ns(time_ns, state.until_ns), ..level })
    }
}
