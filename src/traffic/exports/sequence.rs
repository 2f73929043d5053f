//! What exporters say that they sent, by the numbers that they give to it: what is missing between
//! two numbers was lost on its way to the recording.
//!
//! Exporters differ in what they count, whatever the standards say: records or messages, each source
//! by itself or all sources of a sender together. Which it is shows: by the right way of counting
//! numbers never go back, and most of them are just those that come next.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use foldhash::fast::FixedState;

/// How many sources are followed.
const SOURCES: usize = 1 << 16;

/// A gap that is larger is no gap but another start.
const LARGEST: u32 = 1 << 24;

/// After so many messages in a row that come too early in the count, the exporter has begun again.
const LATE: u8 = 16;

/// How many gaps are remembered, so that what was overtaken can fill them.
const GAPS: usize = 64;

/// One way of counting.
#[derive(Clone, Debug, Default)]
struct Count {
    /// The number that comes next; none if that is not known.
    next: Option<u32>,
    missing: u64,
    late: u8,
    /// How many numbers were the one that came next, and how many were before it.
    fits: u64,
    backs: u64,
    /// The latest gaps: where each begins, and how long it is.
    gaps: VecDeque<(u32, u32)>,
}

/// How badly a way of counting fits, the best first: how many numbers go back, how many are the next;
/// and how many records are missing by it.
type Fit = (u64, Reverse<u64>, u64);

impl Count {
    /// Notes a message of this number that holds so many; none if nobody knows how many.
    fn note(&mut self, number: u32, holds: Option<u64>) {
        let after = holds.map(|holds| number.wrapping_add(holds as u32));
        let Some(next) = self.next else {
            self.next = after;
            return;
        };
        let gap = number.wrapping_sub(next);
        self.fits += u64::from(gap == 0);
        self.backs += u64::from(gap > u32::MAX / 2);
        if gap == 0 {
            (self.next, self.late) = (after, 0);
        } else if gap < LARGEST {
            self.missing += u64::from(gap);
            self.remember((next, gap));
            (self.next, self.late) = (after, 0);
        } else if gap.wrapping_neg() < LARGEST && self.late < LATE {
            self.late += 1;
            self.fill(number, holds.unwrap_or(1));
        } else {
            (self.next, self.late) = (after, 0);
        }
    }
}

impl Count {
    /// Takes what was overtaken by what came after it for missing no more; a copy of what is there
    /// fills no gap.
    fn fill(&mut self, number: u32, holds: u64) {
        let at = |(start, length): &(u32, u32)| {
            Some(number.wrapping_sub(*start)).filter(|at| at < length)
        };
        let Some((place, at)) =
            self.gaps.iter().enumerate().find_map(|(place, gap)| Some((place, at(gap)?)))
        else {
            return;
        };
        let Some((start, length)) = self.gaps.remove(place) else { return };
        let filled = u32::try_from(holds).unwrap_or(u32::MAX).min(length - at);
        self.missing = self.missing.saturating_sub(filled.into());
        let after = (number.wrapping_add(filled), length - at - filled);
        for rest in [(start, at), after].into_iter().filter(|(_, length)| *length > 0) {
            self.remember(rest);
        }
    }

    fn remember(&mut self, gap: (u32, u32)) {
        if self.gaps.len() >= GAPS {
            self.gaps.pop_front();
        }
        self.gaps.push_back(gap);
    }
}

/// What one source, or one sender, has sent.
#[derive(Clone, Debug, Default)]
struct Sent {
    by_records: Count,
    /// As `by_records`, where a number counts the records of its message, too, as softflowd has it.
    by_records_with: Count,
    by_messages: Count,
    /// How many messages and records came.
    messages: u64,
    records: u64,
}

impl Sent {
    fn note(&mut self, number: u32, records: Option<u64>) {
        self.messages += 1;
        self.records += records.unwrap_or(0);
        self.by_records.note(number, records);
        let before = number.wrapping_sub(records.unwrap_or(0) as u32);
        self.by_records_with.note(before, records);
        self.by_messages.note(number, Some(1));
    }

    /// Returns how the best of its ways of counting fits.
    fn fit(&self) -> Fit {
        let missing = u128::from(self.by_messages.missing) * u128::from(self.records);
        let in_records = missing.div_ceil(u128::from(self.messages.max(1)));
        let in_records = u64::try_from(in_records).unwrap_or(u64::MAX);
        let fit = |count: &Count, missing: u64| (count.backs, Reverse(count.fits), missing);
        [&self.by_records, &self.by_records_with]
            .map(|count| fit(count, count.missing))
            .into_iter()
            .fold(fit(&self.by_messages, in_records), Fit::min)
    }
}

/// The numbers of all senders, each of which may have several sources.
pub(in crate::traffic) struct Sequences<S, I> {
    senders: HashMap<S, Sent, FixedState>,
    sources: HashMap<(S, I), Sent, FixedState>,
}

impl<S, I> Default for Sequences<S, I> {
    fn default() -> Self {
        Sequences { senders: HashMap::default(), sources: HashMap::default() }
    }
}

impl<S: Copy + Eq + Hash, I: Copy + Eq + Hash> Sequences<S, I> {
    /// Notes a message of this number and of so many records; none if nobody knows of how many.
    pub(in crate::traffic) fn note(
        &mut self,
        sender: S,
        source: I,
        number: u32,
        records: Option<u64>,
    ) {
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&(sender, source)) {
            return;
        }
        self.senders.entry(sender).or_default().note(number, records);
        self.sources.entry((sender, source)).or_default().note(number, records);
    }

    /// Returns how many records of all senders are missing.
    pub(in crate::traffic) fn missing(&self) -> u64 {
        let mut by_source: HashMap<S, Fit, FixedState> = HashMap::default();
        // Sums are the same in any order.
        self.sources.iter().for_each(|((sender, _), sent)| {
            let (backs, Reverse(fits), missing) = sent.fit();
            let all = by_source.entry(*sender).or_insert((0, Reverse(0), 0));
            *all = (all.0 + backs, Reverse(all.1.0 + fits), all.2.saturating_add(missing));
        });
        let best = |(sender, fit): (S, Fit)| fit.min(self.senders[&sender].fit()).2;
        by_source.into_iter().map(best).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(messages: &[(u32, u32, Option<u64>)]) -> u64 {
        let mut sequences: Sequences<u8, u32> = Sequences::default();
        messages.iter().for_each(|(id, number, records)| {
            sequences.note(0, *id, *number, *records);
        });
        sequences.missing()
    }

    #[test]
    fn what_is_missing_between_two_numbers_is_counted_in_records() {
        assert_eq!(missing(&[(0, 100, Some(30)), (0, 130, Some(30)), (0, 190, Some(30))]), 30);
        // Numbers may wrap.
        assert_eq!(missing(&[(0, u32::MAX - 9, Some(30)), (0, 50, Some(30))]), 30);
    }

    #[test]
    fn exporters_that_count_messages_miss_nothing_while_they_count_on() {
        assert_eq!(missing(&[(0, 7, Some(30)), (0, 8, Some(20)), (0, 9, Some(30))]), 0);
        assert_eq!(missing(&[(0, 7, Some(30)), (0, 8, Some(30)), (0, 11, Some(30))]), 60);
        // Every second one goes elsewhere.
        assert_eq!(missing(&[(0, 7, Some(30)), (0, 9, Some(30)), (0, 11, Some(30))]), 60);
    }

    #[test]
    fn exporters_that_count_the_records_of_a_message_with_it_miss_nothing() {
        assert_eq!(missing(&[(0, 20, Some(20)), (0, 47, Some(27)), (0, 60, Some(13))]), 0);
    }

    #[test]
    fn what_was_overtaken_is_not_missing() {
        assert_eq!(missing(&[(0, 0, Some(10)), (0, 20, Some(10)), (0, 10, Some(10))]), 0);
    }

    #[test]
    fn a_copy_of_what_came_fills_no_gap() {
        let twice = |number| [(0, number, Some(10)), (0, number, Some(10))];
        assert_eq!(missing(&[twice(0), twice(20), twice(30), twice(60)].concat()), 30);
        // The copy of what was overtaken, neither.
        let late = [twice(0), twice(20), twice(10), twice(40)].concat();
        assert_eq!(missing(&late), 10);
    }

    #[test]
    fn an_exporter_that_begins_again_has_lost_nothing() {
        let mut messages = vec![(0, 900_000, Some(10))];
        messages.extend((0..40).map(|at| (0, at * 10, Some(10))));
        assert_eq!(missing(&messages), 0);
    }

    #[test]
    fn numbers_that_do_not_count_say_nothing() {
        assert_eq!(missing(&[(0, 0, Some(10)), (0, 0, Some(10)), (0, 0, Some(10))]), 0);
        assert_eq!(missing(&[(0, 5, None), (0, 90, None)]), 0);
    }

    #[test]
    fn one_count_for_all_sources_of_a_sender_is_no_gap() {
        assert_eq!(missing(&[(1, 0, Some(10)), (2, 10, Some(10)), (1, 20, Some(10))]), 0);
    }
}
