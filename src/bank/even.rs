//! Even traffic, as in a profile: second by second, exactly by its own definition.

use std::ops::ControlFlow;

use super::{BIN_NS, Bank, Group, Limiter, Sides, Take, Visit};
use crate::model::Exceed;
use crate::policer::{Carry, EvenState, share_excess};

/// Seconds of even traffic, gathered and sorted.
#[derive(Default)]
pub(super) struct Seconds {
    seconds: Vec<Second>,
    /// What was offered by key, packets and bytes, second by second.
    groups: Vec<(u32, u64, u64)>,
    /// Which buckets are met: those of the running rules first, then by rule and instance.
    meetings: Vec<Meeting>,
    /// The groups that meet them.
    members: Vec<Member>,
}

/// One second: which it is, and where its groups and meetings begin and end.
struct Second {
    bin: i64,
    groups: (usize, usize),
    meetings: (usize, usize),
}

/// One bucket in one second.
struct Meeting {
    visit: Visit,
    /// Where its members begin and end.
    members: (usize, usize),
}

/// A group that meets a bucket.
#[derive(Clone, Copy)]
struct Member {
    /// By position within its second.
    group: u32,
    /// Whether it may not meet it.
    uncertain: bool,
}

/// The buckets of one run, and room to work in.
pub(super) struct States {
    buckets: Vec<Option<(EvenState, Carry)>>,
    left: Vec<(u64, u64)>,
    offered: Vec<(u64, u64)>,
}

impl States {
    pub(super) fn new(instances: usize) -> States {
        let buckets = std::iter::repeat_with(|| None).take(instances).collect();
        States { buckets, left: Vec::new(), offered: Vec::new() }
    }
}

impl Seconds {
    pub(super) fn is_empty(&self) -> bool {
        self.seconds.is_empty()
    }

    /// Adds a second unless it is empty, empties it, and returns its number.
    pub(super) fn add(
        &mut self,
        bin: i64,
        offers: &mut Vec<Group<'_>>,
        sides: Sides,
    ) -> Option<u32> {
        if offers.is_empty() {
            return None;
        }
        let (first_group, first_meeting) = (self.groups.len(), self.meetings.len());
        let mut visits: Vec<(Visit, u32)> = Vec::new();
        for (number, group) in (0u32..).zip(gather(std::mem::take(offers))) {
            self.groups.push((group.key, group.packets, group.bytes));
            let met = group.visits.iter().filter(|one| sides.hold(one));
            visits.extend(met.map(|one| (*one, number)));
        }
        let bucket = |visit: &Visit| (visit.candidate, visit.rule, visit.instance);
        visits.sort_unstable_by_key(|(visit, group)| (bucket(visit), *group));
        for met in visits.chunk_by(|a, b| bucket(&a.0) == bucket(&b.0)) {
            let first = self.members.len();
            let member = |(visit, group): &(Visit, u32)| Member {
                group: *group,
                uncertain: visit.uncertain,
            };
            self.members.extend(met.iter().map(member));
            self.meetings.push(Meeting { visit: met[0].0, members: (first, self.members.len()) });
        }
        self.seconds.push(Second {
            bin,
            groups: (first_group, self.groups.len()),
            meetings: (first_meeting, self.meetings.len()),
        });
        Some(self.seconds.len() as u32 - 1)
    }

    /// Returns every bucket met in every second, by bucket and then in the order of time, with the
    /// second and with what was offered by key.
    pub(super) fn meetings(
        &self,
        instances: usize,
    ) -> impl Iterator<Item = (Visit, i64, impl Iterator<Item = (u32, u64, u64)>)> {
        // Where the next meeting of each bucket goes.
        let mut next = vec![0; instances + 1];
        for meeting in &self.meetings {
            next[meeting.visit.instance as usize + 1] += 1;
        }
        for at in 1..next.len() {
            next[at] += next[at - 1];
        }
        let mut order = vec![(0u32, 0u32); self.meetings.len()];
        for (number, second) in (0u32..).zip(&self.seconds) {
            for at in second.meetings.0..second.meetings.1 {
                let place = &mut next[self.meetings[at].visit.instance as usize];
                order[*place] = (number, at as u32);
                *place += 1;
            }
        }
        order.into_iter().map(move |(second, meeting)| {
            let second = &self.seconds[second as usize];
            let Meeting { visit, members } = &self.meetings[meeting as usize];
            let members = self.members[members.0..members.1].iter();
            let groups = members.map(move |one| self.groups[second.groups.0 + one.group as usize]);
            (*visit, second.bin, groups)
        })
    }

    /// Runs one second through both sets.
    pub(super) fn run(
        &self,
        number: u32,
        bank: &Bank<'_>,
        states: &mut States,
        take: Take<'_>,
    ) -> ControlFlow<()> {
        let second = &self.seconds[number as usize];
        let groups = &self.groups[second.groups.0..second.groups.1];
        let meetings = &self.meetings[second.meetings.0..second.meetings.1];
        // A profile's windows begin with the profile, whenever that is.
        let starts = second.bin.saturating_mul(BIN_NS as i64);
        let States { buckets, left, offered } = states;
        let all = groups.iter().map(|(_, packets, bytes)| (*packets, *bytes));
        let mut side = None;
        for Meeting { visit, members } in meetings {
            if side != Some(visit.candidate) {
                side = Some(visit.candidate);
                left.clear();
                left.extend(all.clone());
            }
            let Limiter { limit, shape, even, .. } = bank.limiter(*visit);
            let members = &self.members[members.0..members.1];
            let amount = members
                .iter()
                .map(|one| {
                    let (packets, bytes) = left[one.group as usize];
                    u128::from(shape.counts.pick(packets, bytes))
                })
                .sum();
            let (state, carry) = buckets[visit.instance as usize]
                .get_or_insert_with(|| (EvenState::new(even), Carry::default()));
            let excess = state.offer(even, amount, starts, BIN_NS);
            if excess.is_zero() || limit.exceed == Exceed::Log {
                continue;
            }
            offered.clear();
            offered.extend(members.iter().map(|one| left[one.group as usize]));
            for (one, (packets, bytes)) in members.iter().zip(share_excess(offered, &excess, carry))
            {
                let at = one.group as usize;
                // What this one only may have met may come to the next as well.
                if !one.uncertain {
                    left[at].0 -= packets;
                    left[at].1 -= bytes;
                }
                take(groups[at].0, (visit.candidate, visit.rule), packets, bytes)?;
            }
        }
        ControlFlow::Continue(())
    }
}

fn instances<'g>(group: &'g Group<'_>) -> impl Iterator<Item = (u32, bool)> + 'g {
    group.visits.iter().map(|visit| (visit.instance, visit.uncertain))
}

/// Adds up the offers of one bin that are alike: same key, same buckets, as certain. Groups come by key, and
/// those of one key as the first of each came.
fn gather(offers: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let mut order: Vec<(usize, Group<'_>)> = offers.into_iter().enumerate().collect();
    let compare = |a: &Group<'_>, b: &Group<'_>| {
        a.key.cmp(&b.key).then_with(|| instances(a).cmp(instances(b)))
    };
    order.sort_by(|a, b| compare(&a.1, &b.1));
    order.dedup_by(|next, first| {
        let is_alike = compare(&next.1, &first.1).is_eq();
        if is_alike {
            first.1.packets = first.1.packets.saturating_add(next.1.packets);
            first.1.bytes = first.1.bytes.saturating_add(next.1.bytes);
        }
        is_alike
    });
    order.sort_unstable_by_key(|(at, group)| (group.key, *at));
    order.into_iter().map(|(_, group)| group).collect()
}
