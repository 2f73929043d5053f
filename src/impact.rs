//! What the change does to whom: losses by (customer, PoP, service) and window, protected traffic
//! that newly meets harm, and what becomes of the recorded attack.
//!
//! Everything is a range from least to greatest: what is certain, and what the recording leaves
//! possible. Newly lost is what the candidate keeps from its way and the running rules did not,
//! record by record, so that nothing is netted across groups, windows or paths.

mod assess;

use std::collections::{BTreeMap, BTreeSet};

use crate::attribution::Party;
use crate::matcher::{NOT_UNDERSTOOD, Step, UNRECORDED};
use crate::model::{CustomerId, NameId, Share};
use crate::service::Service;
use crate::tally::{Counts, Pair};

pub use assess::Assessment;

pub use crate::tally::{Directions, IPV6, LATER_FRAGMENT, Newest};

//------------ Amounts -------------------------------------------------------

/// How many packets of customers were recorded at a PoP; none is what does not say where.
pub type RecordedBy = BTreeMap<(CustomerId, Option<NameId>), u64>;

/// How much: as recorded, and on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Recorded packets, before any scaling.
    pub raw: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

impl Amount {
    /// Adds another amount.
    pub fn add(&mut self, other: Amount) {
        self.raw = self.raw.saturating_add(other.raw);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Returns whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.packets == 0 && self.bytes == 0
    }

    /// Returns whether this part of `whole` is more than a share, in packets or in bytes.
    pub fn exceeds(&self, share: Share, whole: &Amount) -> bool {
        share.exceeded_by(self.packets.into(), whole.packets.into())
            || share.exceeded_by(self.bytes.into(), whole.bytes.into())
    }

    /// Returns whether this part of `whole` is at least a share, in packets and in bytes.
    pub fn is_at_least(&self, share: Share, whole: &Amount) -> bool {
        let reached = |part: u64, whole: u64| {
            u128::from(part) * u128::from(Share::ONE) >= u128::from(whole) * u128::from(share.0)
        };
        reached(self.packets, whole.packets) && reached(self.bytes, whole.bytes)
    }

    /// Returns the greater of this part's two shares of `whole`, 0 to 1.
    pub fn greater_share(&self, whole: &Amount) -> f64 {
        share(self.packets, whole.packets).max(share(self.bytes, whole.bytes))
    }

    /// Returns the smaller of this part's two shares of `whole`, 0 to 1.
    pub fn smaller_share(&self, whole: &Amount) -> f64 {
        share(self.packets, whole.packets).min(share(self.bytes, whole.bytes))
    }
}

impl From<Counts> for Amount {
    fn from(counts: Counts) -> Amount {
        Amount { raw: counts.raw, packets: counts.packets, bytes: counts.bytes }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// What is certain, and what is possible (the certain included).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// At least.
    pub least: Amount,
    /// At most.
    pub greatest: Amount,
}

impl Range {
    /// Adds another range.
    pub fn add(&mut self, other: Range) {
        self.least.add(other.least);
        self.greatest.add(other.greatest);
    }
}

//------------ Causes and groups ---------------------------------------------

/// Why a packet is newly lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// The candidate rule that stops it; none is the default.
    pub rule: Option<u32>,
    /// The running rule that let it pass and, by the change, no longer takes it.
    pub shield: Option<u32>,
}

/// What losses are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId {
    /// Who is charged.
    pub party: Party,
    /// Where; none if unknown. The number is not an order that shows.
    pub pop: Option<NameId>,
    /// What for.
    pub service: Service,
}

/// Traffic that is not attack, of one group: of one window, or of all.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// What was offered, before any rule.
    pub offered: Amount,
    /// What the running rules keep from its way.
    pub before: Amount,
    /// What the candidate keeps from its way.
    pub after: Amount,
    /// What is newly lost where no intent allows it.
    pub collateral: BTreeMap<Cause, Range>,
    /// What is newly dropped where intents allow it.
    pub intended: BTreeMap<Cause, Range>,
}

impl Traffic {
    fn add(&mut self, other: &Traffic) {
        self.offered.add(other.offered);
        self.before.add(other.before);
        self.after.add(other.after);
        for (cause, range) in &other.collateral {
            self.collateral.entry(*cause).or_default().add(*range);
        }
        for (cause, range) in &other.intended {
            self.intended.entry(*cause).or_default().add(*range);
        }
    }

    /// Returns the sum of what is newly lost without being allowed.
    pub fn newly_lost(&self) -> Range {
        self.sum(&self.collateral)
    }

    /// Returns the sum of what is newly dropped and allowed to be.
    pub fn newly_dropped(&self) -> Range {
        self.sum(&self.intended)
    }

    /// Returns the sum by all causes: of one packet several may be possible, but it is lost only
    /// once.
    fn sum(&self, ranges: &BTreeMap<Cause, Range>) -> Range {
        let mut sum = Range::default();
        ranges.values().for_each(|range| sum.add(*range));
        let most = &mut sum.greatest;
        most.raw = most.raw.min(self.offered.raw);
        most.packets = most.packets.min(self.offered.packets);
        most.bytes = most.bytes.min(self.offered.bytes);
        sum
    }
}

/// One (party, PoP, service), window by window.
#[derive(Clone, Debug)]
pub struct Group {
    /// Which.
    pub id: GroupId,
    /// The windows and their numbers, in order.
    pub windows: Vec<(i64, Traffic)>,
    /// All windows together.
    pub total: Traffic,
}

impl Group {
    /// Returns whether recorded packets stand for more than themselves.
    pub fn is_sampled(&self) -> bool {
        self.total.offered.packets > self.total.offered.raw
    }

    /// Returns the whole recording and every window, the whole first.
    pub fn spans(&self) -> impl Iterator<Item = (Option<i64>, &Traffic)> {
        let windows = self.windows.iter().map(|(number, traffic)| (Some(*number), traffic));
        std::iter::once((None, &self.total)).chain(windows)
    }
}

//------------ Attack --------------------------------------------------------

/// Recorded attack between the same ends and of the same `attack_match`es.
#[derive(Clone, Debug, Default)]
pub struct Attack {
    /// What was offered.
    pub offered: Amount,
    /// What the running rules stop.
    pub running: Range,
    /// What the candidate stops.
    pub candidate: Range,
    /// What the candidate stops beyond what those rules stop that the change leaves as they are.
    pub newly_stopped: Amount,
    /// By how much less the candidate stops than the running rules; negative if it stops more.
    pub fall: Fall,
    /// What the candidate lets through of what the running rules stop, by who is to blame.
    pub let_through: BTreeMap<Blame, Range>,
}

/// How much less, in packets and in bytes; negative if more.
pub type Less = (i128, i128);

/// A difference: at least, and at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fall {
    /// At least.
    pub least: Less,
    /// At most.
    pub greatest: Less,
}

impl Fall {
    /// Adds another difference.
    pub fn add(&mut self, other: Fall) {
        let add = |a: Less, b: Less| (a.0 + b.0, a.1 + b.1);
        self.least = add(self.least, other.least);
        self.greatest = add(self.greatest, other.greatest);
    }
}

/// The rule through which attack newly passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blame {
    /// A candidate rule.
    Candidate(u32),
    /// A running rule that is gone.
    Removed(u32),
    /// The end of the candidate.
    Default,
}

//------------ Course --------------------------------------------------------

/// Which way a packet goes, as seen from the customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// To one of them, or nobody's.
    In,
    /// From one of them to nobody.
    Out,
}

/// Bytes of one window: offered, and of these kept from their way by the running and by the
/// candidate rules, at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Of what is not attack.
    pub legitimate: [u64; 3],
    /// Of attack.
    pub attack: [u64; 3],
}

/// What passes at one PoP, one way, window by window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// Where; none if unknown. The number is not an order that shows.
    pub pop: Option<NameId>,
    /// Which way.
    pub way: Way,
    /// The windows that saw any, by number, in order.
    pub windows: Vec<(i64, Load)>,
}

//------------ Impact --------------------------------------------------------

/// How often a candidate rule was met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hits {
    /// By any record, certainly or maybe.
    pub any: Amount,
    /// By attack.
    pub attack: Amount,
}

/// All that replay says about the change.
#[derive(Debug, Default)]
pub struct Impact {
    /// All groups of traffic that is not attack, small ones joined as `other`.
    pub groups: Vec<Group>,
    /// Parties whose recorded traffic newly meets harm, and by which rules.
    pub touched: BTreeMap<Party, BTreeSet<Cause>>,
    /// Those of them whom no intent lets lose anything by it.
    pub touched_outside: BTreeSet<(Party, Cause)>,
    /// Parties for whom that is only possible, and the missing fields on which it hangs.
    pub maybe_touched: BTreeMap<Party, BTreeMap<Cause, u32>>,
    /// Protected traffic that newly meets harm.
    pub protected: BTreeMap<(Party, Cause), Amount>,
    /// The recorded attack, by numbers of ends and `attack_match`es.
    pub attack: BTreeMap<(u32, u32), Attack>,
    /// Hits of every candidate rule.
    pub hits: Vec<Hits>,
    /// The course of all of it, for pictures.
    pub courses: Vec<Course>,
    /// Everything offered.
    pub offered: Amount,
    /// Customers with traffic that is not attack, from them and to them: how many packets of it were
    /// recorded; only of the recording itself (`assess_and_draw`).
    pub recorded: [RecordedBy; 2],
    /// Whether any of it is labelled.
    pub labelled: bool,
    /// What of it has a known owner at an end.
    pub attributed: Amount,
    /// What of it meets a rule match that cannot be told.
    pub undecidable: Amount,
    /// For every cause with a loss that is only possible: the missing fields on which it hangs.
    pub missing: BTreeMap<Cause, u32>,
    /// For those: the rules that may be met, by a condition that no field shows, as side and
    /// position.
    pub open_rules: BTreeMap<Cause, BTreeSet<(u8, u32)>>,
    /// Candidate limits whose loss the recording is too coarse to tell.
    pub undecided_limits: BTreeSet<u32>,
}

impl Impact {
    /// Makes the impact of a change that changes nothing.
    pub fn without_traffic(rules: usize) -> Impact {
        Impact { hits: vec![Hits::default(); rules], ..Impact::default() }
    }
}

/// Returns the rules that a pair of paths may meet by a condition that no field shows.
pub(crate) fn open_rules(pair: &Pair) -> impl Iterator<Item = (u8, u32)> {
    let sides = [(0, &pair.running), (1, &pair.candidate)];
    sides.into_iter().flat_map(|(side, steps)| {
        let open = |step: &&Step| step.missing & (UNRECORDED | NOT_UNDERSTOOD) != 0;
        steps.iter().filter(open).map(move |step| (side, step.rule))
    })
}

/// Returns the missing fields on which a pair of paths hangs.
pub(crate) fn missing(pair: &Pair) -> u32 {
    pair.running.iter().chain(&pair.candidate).fold(0, |bits, step| bits | step.missing)
}

/// Raw records below which a group is judged with its customer's `other`.
pub const SMALL_GROUP: u64 = 30;
