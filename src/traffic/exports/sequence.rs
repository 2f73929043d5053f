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

/// How many messages wait until it is known how many records the first of them holds.
const WAITING: usize = 1 << 16;

/// Bytes that nobody can read hold at most one record for so many, so that what is hidden in the count
/// is at most three times what `RECORD_BYTES` has as unread.
const LEAST_RECORD: u64 = 16;

/// How many records a message holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::traffic) struct Holds {
    /// Those that were read.
    pub(in crate::traffic) records: u64,
    /// In how many bytes there may be more.
    pub(in crate::traffic) unknown: u64,
    /// How many sets wait to be read, which are some of those bytes.
    pub(in crate::traffic) waiting: u32,
}

impl Holds {
    /// Returns what a message holds of which it is known.
    pub(in crate::traffic) fn just(records: u64) -> Holds {
        Holds { records, ..Holds::default() }
    }

    /// Returns how many records there may be more.
    fn more(self) -> u32 {
        u32::try_from(self.unknown.div_ceil(LEAST_RECORD)).unwrap_or(u32::MAX).min(LARGEST)
    }
}

/// One way of counting.
#[derive(Clone, Debug, Default)]
struct Count {
    /// The number that comes next, and by how much it may be greater; none if that is not known.
    next: Option<(u32, u32)>,
    missing: u64,
    late: u8,
    /// The count of what came too early, if the exporter has begun again.
    again: Option<Box<Count>>,
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
    /// Notes a message that begins at this number, or that much before it, and holds so many.
    fn note(&mut self, number: u32, before: u32, holds: Holds) {
        let after = Some((number.wrapping_add(holds.records as u32), holds.more()));
        let Some((next, more)) = self.next else {
            self.next = after;
            return;
        };
        let more = more.saturating_add(before);
        let ahead = number.wrapping_sub(next);
        if ahead <= more {
            self.fits += 1;
            self.go_on(after);
            return;
        }
        self.backs += u64::from(ahead > u32::MAX / 2);
        let gap = ahead - more;
        if gap < LARGEST {
            self.missing += u64::from(gap);
            self.remember((next.wrapping_add(more), gap));
            self.go_on(after);
        } else if ahead.wrapping_neg() < LARGEST {
            self.late += 1;
            self.fill(number, holds.records);
            let again = self.again.get_or_insert_default();
            again.note(number, before, holds);
            if self.late >= LATE
                && let Some(again) = self.again.take()
            {
                self.missing = self.missing.saturating_add(again.missing);
                self.fits += again.fits;
                self.gaps = again.gaps;
                self.go_on(again.next);
            }
        } else {
            self.go_on(after);
        }
    }

    fn go_on(&mut self, next: Option<(u32, u32)>) {
        (self.next, self.late, self.again) = (next, 0, None);
    }

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

/// What one source, or several that count together, have sent.
#[derive(Clone, Debug, Default)]
struct Sent {
    by_records: Count,
    /// As `by_records`, where a number counts the records of its message, too, as softflowd has it.
    by_records_with: Count,
    by_messages: Count,
    /// How many records the greatest of the messages that came holds.
    most: u64,
}

impl Sent {
    fn note(&mut self, number: u32, holds: Holds) {
        self.most = self.most.max(holds.records.saturating_add(holds.more().into()));
        self.by_records.note(number, 0, holds);
        let before = number.wrapping_sub(holds.records as u32);
        self.by_records_with.note(before, holds.more(), Holds::just(holds.records));
        self.by_messages.note(number, 0, Holds::just(1));
    }

    /// Returns how the best of its ways of counting fits.
    fn fit(&self) -> Fit {
        // What is missing may have been as great: messages are lost where there is much to tell.
        let in_records = self.by_messages.missing.saturating_mul(self.most.max(1));
        let fit = |count: &Count, missing: u64| (count.backs, Reverse(count.fits), missing);
        [&self.by_records, &self.by_records_with]
            .map(|count| fit(count, count.missing))
            .into_iter()
            .fold(fit(&self.by_messages, in_records), Fit::min)
    }
}

/// A message whose turn has not come, as one before it holds nobody knows how much.
struct Late<K, const N: usize> {
    keys: [K; N],
    number: u32,
    holds: Holds,
}

/// The numbers of all senders. A sender may count by itself or each of its parts apart, and the parts of
/// those: the keys of a message say which they are, the largest first.
pub(in crate::traffic) struct Sequences<K, const N: usize> {
    /// What was sent, and by which sender.
    sent: [HashMap<K, (K, Sent), FixedState>; N],
    late: VecDeque<Late<K, N>>,
    /// The ticket of the first message in `late`, or of the next one.
    first: u64,
}

impl<K, const N: usize> Default for Sequences<K, N> {
    fn default() -> Self {
        let sent = std::array::from_fn(|_| HashMap::default());
        Sequences { sent, late: VecDeque::new(), first: 0 }
    }
}

impl<K: Copy + Eq + Hash, const N: usize> Sequences<K, N> {
    /// Returns the ticket of the message that is noted next, by which to tell what sets of it hold.
    pub(in crate::traffic) fn ticket(&self) -> u64 {
        self.first + self.late.len() as u64
    }

    /// Notes a message of this number.
    pub(in crate::traffic) fn note(&mut self, keys: [K; N], number: u32, holds: Holds) {
        self.late.push_back(Late { keys, number, holds });
        self.settle(WAITING);
    }

    /// Notes how many records a set has that waited.
    pub(in crate::traffic) fn learn(&mut self, ticket: u64, bytes: u64, records: u64) {
        let place = ticket.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        let Some(late) = place.and_then(|place| self.late.get_mut(place)) else { return };
        late.holds.records = late.holds.records.saturating_add(records);
        late.holds.unknown = late.holds.unknown.saturating_sub(bytes);
        late.holds.waiting = late.holds.waiting.saturating_sub(1);
        self.settle(WAITING);
    }

    /// Counts the messages whose turn has come; no more than so many stay.
    fn settle(&mut self, most: usize) {
        while let Some(late) = self.late.front()
            && (late.holds.waiting == 0 || self.late.len() > most)
            && let Some(Late { keys, number, holds }) = self.late.pop_front()
        {
            self.first += 1;
            let is_known = |(sent, key): (&HashMap<_, _, _>, &K)| {
                sent.len() < SOURCES || sent.contains_key(key)
            };
            if self.sent.iter().zip(&keys).all(is_known) {
                for (sent, key) in self.sent.iter_mut().zip(keys) {
                    let (_, sent) = sent.entry(key).or_insert_with(|| (keys[0], Sent::default()));
                    sent.note(number, holds);
                }
            }
        }
    }

    /// Returns how many records of all senders are missing.
    pub(in crate::traffic) fn missing(mut self) -> u64 {
        self.settle(0);
        let mut by_sender: HashMap<K, [Fit; N], FixedState> = HashMap::default();
        for (level, sent) in self.sent.iter().enumerate() {
            // Sums are the same in any order.
            sent.values().for_each(|(sender, sent)| {
                let (backs, Reverse(fits), missing) = sent.fit();
                let all = by_sender.entry(*sender).or_insert([(0, Reverse(0), 0); N]);
                let all = &mut all[level];
                *all = (all.0 + backs, Reverse(all.1.0 + fits), all.2.saturating_add(missing));
            });
        }
        let best = |levels: [Fit; N]| levels.into_iter().min().map_or(0, |fit| fit.2);
        by_sender.into_values().map(best).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(messages: &[(u32, u32, u64)]) -> u64 {
        let mut sequences: Sequences<u32, 2> = Sequences::default();
        messages.iter().for_each(|(id, number, records)| {
            sequences.note([0, *id], *number, Holds::just(*records));
        });
        sequences.missing()
    }

    /// Messages that hold records and bytes that nobody can read.
    fn missing_in(messages: &[(u32, u64, u64)]) -> u64 {
        let mut sequences: Sequences<u32, 1> = Sequences::default();
        messages.iter().for_each(|(number, records, unknown)| {
            let holds = Holds { records: *records, unknown: *unknown, waiting: 0 };
            sequences.note([0], *number, holds);
        });
        sequences.missing()
    }

    #[test]
    fn what_is_missing_between_two_numbers_is_counted_in_records() {
        assert_eq!(missing(&[(0, 100, 30), (0, 130, 30), (0, 190, 30)]), 30);
        // Numbers may wrap.
        assert_eq!(missing(&[(0, u32::MAX - 9, 30), (0, 50, 30)]), 30);
    }

    #[test]
    fn exporters_that_count_messages_miss_nothing_while_they_count_on() {
        assert_eq!(missing(&[(0, 7, 30), (0, 8, 20), (0, 9, 30)]), 0);
        assert_eq!(missing(&[(0, 7, 30), (0, 8, 30), (0, 11, 30)]), 60);
        // Every second one goes elsewhere.
        assert_eq!(missing(&[(0, 7, 30), (0, 9, 30), (0, 11, 30)]), 60);
    }

    #[test]
    fn exporters_that_count_the_records_of_a_message_with_it_miss_nothing() {
        assert_eq!(missing(&[(0, 20, 20), (0, 47, 27), (0, 60, 13)]), 0);
    }

    #[test]
    fn what_was_overtaken_is_not_missing() {
        assert_eq!(missing(&[(0, 0, 10), (0, 20, 10), (0, 10, 10)]), 0);
    }

    #[test]
    fn a_copy_of_what_came_fills_no_gap() {
        let twice = |number| [(0, number, 10), (0, number, 10)];
        assert_eq!(missing(&[twice(0), twice(20), twice(30), twice(60)].concat()), 30);
        // The copy of what was overtaken, neither.
        let late = [twice(0), twice(20), twice(10), twice(40)].concat();
        assert_eq!(missing(&late), 10);
    }

    #[test]
    fn an_exporter_that_begins_again_has_lost_nothing() {
        let mut messages = vec![(0, 900_000, 10)];
        messages.extend((0..40).map(|at| (0, at * 10, 10)));
        assert_eq!(missing(&messages), 0);
    }

    #[test]
    fn numbers_that_do_not_count_say_nothing() {
        assert_eq!(missing(&[(0, 0, 10), (0, 0, 10), (0, 0, 10)]), 0);
    }

    #[test]
    fn one_count_for_all_sources_of_a_sender_is_no_gap() {
        assert_eq!(missing(&[(1, 0, 10), (2, 10, 10), (1, 20, 10)]), 0);
    }

    #[test]
    fn what_nobody_can_read_hides_no_more_than_its_bytes_can_hold() {
        // A set of 160 bytes holds at most 10.
        assert_eq!(missing_in(&[(0, 5, 160), (15, 5, 0), (20, 5, 0)]), 0);
        assert_eq!(missing_in(&[(0, 5, 160), (45, 5, 0), (50, 5, 0)]), 30);
        // Neither by the count that has the records of a message with it.
        assert_eq!(missing_in(&[(0, 5, 0), (15, 5, 160), (20, 5, 0)]), 0);
    }

    #[test]
    fn messages_are_counted_once_their_templates_came() {
        for (second, lost) in [(130, 0), (190, 60)] {
            let mut sequences: Sequences<u32, 1> = Sequences::default();
            for number in [100, second] {
                let ticket = sequences.ticket();
                assert_eq!(ticket, u64::from(number != 100));
                sequences.note([0], number, Holds { records: 0, unknown: 1200, waiting: 1 });
            }
            sequences.note([0], second + 30, Holds::just(0));
            (0..2).for_each(|ticket| sequences.learn(ticket, 1200, 30));
            assert!(sequences.late.is_empty());
            assert_eq!(sequences.missing(), lost);
        }
    }

    #[test]
    fn what_is_lost_right_behind_a_restart_is_missing() {
        let mut messages = vec![(0, 900_000, 10), (0, 900_010, 10)];
        messages.extend((0..40).filter(|at| *at != 5).map(|at| (0, at * 10, 10)));
        assert_eq!(missing(&messages), 10);
    }

    #[test]
    fn a_message_that_is_missing_held_a_record_at_least() {
        assert_eq!(missing(&[(0, 7, 0), (0, 8, 1), (0, 9, 0), (0, 19, 0), (0, 20, 1)]), 9);
    }

    #[test]
    fn parts_of_a_sender_may_count_together_at_any_level() {
        let mut sequences: Sequences<u32, 3> = Sequences::default();
        // Every datagram comes from another port, and one of them is lost.
        for number in (0..40).filter(|number| *number != 20) {
            let port = 100 + number % 4;
            sequences.note([0, port, port], number * 30, Holds::just(30));
        }
        assert_eq!(sequences.missing(), 30);
    }
}
