//! At which rates an exporter samples, as its option records say (RFC 3954, section 8; RFC 5477).

use std::collections::BTreeMap;

use super::template::{Slot, Values};

/// What a rate is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    /// All that the source exports.
    All,
    /// What comes in by an interface.
    Interface(u64),
    /// What a sampler chose.
    Sampler(u64),
}

/// The rates of one source.
#[derive(Debug, Default)]
pub(super) struct Samplers(BTreeMap<Of, u32>);

/// What an option record says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    of: Of,
    rate: u32,
}

impl Said {
    /// Takes it from the values of an option record.
    pub(super) fn of(values: &Values) -> Option<Said> {
        let of = match (values.take(Slot::Sampler), values.take(Slot::Input)) {
            (Some(sampler), _) => Of::Sampler(sampler),
            (None, Some(interface)) => Of::Interface(interface),
            (None, None) => Of::All,
        };
        Some(Said { of, rate: rate(values)? })
    }
}

/// How a record was sampled, as far as it says so itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sampled {
    rate: Option<u32>,
    sampler: Option<u64>,
    input: Option<u64>,
}

impl Sampled {
    /// Takes it from the values of a flow record.
    pub(super) fn of(values: &Values) -> Sampled {
        Sampled {
            rate: rate(values),
            // Number 0 is none.
            sampler: values.take(Slot::Sampler).filter(|sampler| *sampler != 0),
            input: values.take(Slot::Input),
        }
    }
}

impl Samplers {
    /// How many samplers and interfaces one source may have.
    const MOST: usize = 1 << 16;

    /// Learns what an option record said; returns whether something is known now that was not.
    pub(super) fn learn(&mut self, Said { of, rate }: Said) -> bool {
        if self.0.len() >= Samplers::MOST && !self.0.contains_key(&of) {
            return false;
        }
        self.0.insert(of, rate) != Some(rate)
    }

    /// Returns for how many packets one in a record stands, if that is known.
    pub(super) fn rate(&self, sampled: Sampled) -> Option<u32> {
        let Sampled { rate, sampler, input } = sampled;
        let known = |of| self.0.get(&of).copied();
        match (rate, sampler) {
            (Some(rate), _) => Some(rate),
            (None, Some(sampler)) => known(Of::Sampler(sampler)),
            (None, None) => input
                .and_then(|interface| known(Of::Interface(interface)))
                .or_else(|| known(Of::All)),
        }
    }
}

/// Returns the rate that a record gives; none if it gives none, or one that is no whole number.
fn rate(values: &Values) -> Option<u32> {
    let take = |slot| values.take::<u32>(slot).filter(|number| *number > 0);
    let whole = |all: u64, part: u64| {
        (part > 0 && all.is_multiple_of(part)).then(|| u32::try_from(all / part).ok())?
    };
    if let Some(rate) = take(Slot::Interval).or_else(|| take(Slot::RandomInterval)) {
        return Some(rate);
    }
    if let (Some(taken), Some(left)) =
        (take(Slot::PacketInterval), values.take::<u32>(Slot::PacketSpace))
    {
        return whole(u64::from(taken) + u64::from(left), taken.into());
    }
    if let (Some(size), Some(population)) = (take(Slot::SampleSize), take(Slot::Population)) {
        return whole(population.into(), size.into());
    }
    take(Slot::Probability)
}
