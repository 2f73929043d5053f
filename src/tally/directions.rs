//! Which ways traffic was recorded to cross the edge, by PoP.

use crate::model::{Direction, Known, NameId, Record};

/// What may have been recorded where: a record that does not say its direction may be of either.
#[derive(Clone, Debug, Default)]
pub struct Directions {
    /// A bit for each direction, by the number of the PoP; those of records without one come first.
    bits: Vec<u8>,
}

const BOTH: u8 = 3;

fn bit(direction: Direction) -> u8 {
    match direction {
        Direction::Ingress => 1,
        Direction::Egress => 2,
    }
}

fn place(pop: Option<NameId>) -> usize {
    pop.map_or(0, |pop| pop.0 as usize + 1)
}

impl Directions {
    /// Notes which way a record went.
    #[inline]
    pub fn see(&mut self, record: &Record) {
        let is_known = record.header.known.has(Known::DIRECTION);
        self.add(place(record.pop), if is_known { bit(record.direction) } else { BOTH });
    }

    #[inline]
    fn add(&mut self, place: usize, bits: u8) {
        if place >= self.bits.len() {
            self.bits.resize(place + 1, 0);
        }
        self.bits[place] |= bits;
    }

    /// Adds what another one noted.
    pub(super) fn merge(&mut self, other: &Directions) {
        other.bits.iter().enumerate().for_each(|(place, bits)| self.add(place, *bits));
    }

    /// Returns whether anything may have been recorded at a PoP that went one of these ways; none is
    /// a PoP that was not recorded.
    pub fn has(&self, pop: Option<NameId>, directions: &[Direction]) -> bool {
        let seen = self.bits.get(place(pop)).copied().unwrap_or(0);
        directions.iter().any(|direction| seen & bit(*direction) != 0)
    }
}
