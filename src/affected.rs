//! Who is affected: groups whose new loss is beyond what the rules that cause it may cost anyone
//! else, and how sure that is.

use std::collections::BTreeMap;

use crate::impact::{Amount, Cause, Group, Impact, Traffic};
use crate::judge::Judges;
use crate::model::Share;

/// How sure a loss beyond the limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The recording shows it.
    Certain,
    /// Too few samples to tell: the 95 % interval of the loss straddles the limit.
    Thin,
    /// It hangs on fields that the recording lacks (as in [`crate::matcher::Step::missing`]).
    Missing(u32),
}

/// A loss beyond the limit: one group, and the rules of one cause or all together.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Position in [`Impact::groups`].
    pub group: usize,
    /// Which causes share it.
    pub causes: Vec<Cause>,
    /// The window in which it is worst; none is the whole recording.
    pub window: Option<i64>,
    /// Newly lost part of what was offered there, 0 to 1; the possible part if it is not certain.
    pub share: f64,
    /// What was newly lost there.
    pub lost: Amount,
    /// What may be lost.
    pub limit: Share,
    /// How sure it is.
    pub certainty: Certainty,
}

/// Finds every group that is affected, or may be. Groups of protected parties are left out.
/// `min_samples` raw records are the least for which a window of samples is judged.
pub fn find(impact: &Impact, judges: &Judges, min_samples: u64) -> Vec<Loss> {
    let mut found = Vec::new();
    for (at, group) in impact.groups.iter().enumerate() {
        if group.id.party.is_protected() {
            continue;
        }
        let limit = |cause: &Cause| judges.of(cause.rule).max_collateral;
        let causes: Vec<Cause> = group.total.collateral.keys().copied().collect();
        let mut sets: BTreeMap<Option<u32>, Vec<Cause>> = BTreeMap::new();
        for cause in &causes {
            sets.entry(cause.rule).or_default().push(*cause);
        }
        let mut losses: Vec<Loss> = sets
            .into_values()
            .filter_map(|causes| {
                let limit = limit(&causes[0]);
                worst(impact, at, group, causes, limit, min_samples)
            })
            .collect();
        let certain = losses.iter().any(|loss| loss.certainty == Certainty::Certain);
        if !certain && causes.len() > 1 {
            // Each keeps within its own; together they are held to the largest.
            let largest = causes.iter().map(limit).max().unwrap_or_default();
            let together = worst(impact, at, group, causes, largest, min_samples);
            losses.extend(
                together.filter(|loss| losses.is_empty() || loss.certainty == Certainty::Certain),
            );
        }
        found.extend(losses);
    }
    found
}

/// Returns the worst span of a group in which these causes go beyond a limit, if any does.
fn worst(
    impact: &Impact,
    at: usize,
    group: &Group,
    causes: Vec<Cause>,
    limit: Share,
    min_samples: u64,
) -> Option<Loss> {
    let mut worst: Option<Loss> = None;
    for (window, traffic) in group.spans() {
        let thin = group.is_sampled() && traffic.offered.raw < min_samples;
        if window.is_some() && thin {
            continue;
        }
        let Some((certainty, lost)) = judge(impact, group.is_sampled(), &causes, traffic, limit)
        else {
            continue;
        };
        let share = lost.greater_share(&traffic.offered);
        let worse = worst
            .as_ref()
            .is_none_or(|known| (certainty, -share) < (known.certainty, -known.share));
        if worse {
            worst = Some(Loss {
                group: at,
                causes: causes.clone(),
                window,
                share,
                lost,
                limit,
                certainty,
            });
        }
    }
    worst
}

fn judge(
    impact: &Impact,
    sampled: bool,
    causes: &[Cause],
    traffic: &Traffic,
    limit: Share,
) -> Option<(Certainty, Amount)> {
    let (mut least, mut greatest) = (Amount::default(), Amount::default());
    for range in causes.iter().filter_map(|cause| traffic.collateral.get(cause)) {
        least.add(range.least);
        greatest.add(range.greatest);
    }
    // Of one packet every cause may be possible, but it is lost only once.
    greatest.packets = greatest.packets.min(traffic.offered.packets);
    greatest.bytes = greatest.bytes.min(traffic.offered.bytes);
    if sampled && !least.is_zero() {
        let (low, high) = wilson(least.raw, traffic.offered.raw);
        if low > limit.as_f64() {
            return Some((Certainty::Certain, least));
        }
        if high > limit.as_f64() {
            return Some((Certainty::Thin, least));
        }
    } else if least.exceeds(limit, &traffic.offered) {
        return Some((Certainty::Certain, least));
    }
    if greatest.exceeds(limit, &traffic.offered) {
        let missing = causes
            .iter()
            .filter_map(|cause| impact.missing.get(cause))
            .fold(0, |bits, missing| bits | missing);
        return Some((Certainty::Missing(missing), greatest));
    }
    None
}

/// Returns the 95 % interval of a share seen `hits` times in `samples` (Wilson's score interval:
/// Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion", 2001, equation 4).
pub fn wilson(hits: u64, samples: u64) -> (f64, f64) {
    if samples == 0 {
        return (0.0, 1.0);
    }
    // The 97.5 % point of the normal distribution.
    let z = 1.959_963_984_540_054_f64;
    let n = samples as f64;
    let p = hits.min(samples) as f64 / n;
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    let low = if hits == 0 { 0.0 } else { ((centre - spread) / scale).max(0.0) };
    let high = if hits >= samples { 1.0 } else { ((centre + spread) / scale).min(1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // By hand: 3 of 20, and none of 30.
        let (low, high) = wilson(3, 20);
        assert!((low - 0.0524).abs() < 1e-4 && (high - 0.3604).abs() < 1e-4, "{low} {high}");
        let (low, high) = wilson(0, 30);
        assert!(low == 0.0 && (high - 0.1135).abs() < 1e-4, "{high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(wilson(5, 5).1, 1.0);
    }

    #[test]
    fn what_is_certain_of_all_rules_together_is_not_hidden_by_what_is_not_of_each() {
        use crate::impact::{GroupId, Range};
        let cause = |rule| Cause { rule: Some(rule), shield: None };
        // 0.65 % of samples by each of two rules, which may cost 0.8 %: each may be within.
        let lost = Amount { raw: 65, packets: 65_000, bytes: 65_000 };
        let range = Range { least: lost, greatest: lost };
        let total = Traffic {
            offered: Amount { raw: 10_000, packets: 10_000_000, bytes: 10_000_000 },
            collateral: BTreeMap::from([(cause(0), range), (cause(1), range)]),
            ..Traffic::default()
        };
        let id = GroupId {
            party: crate::attribution::Party::Unowned,
            pop: None,
            service: crate::service::Service::Other,
        };
        let group = Group { id, windows: Vec::new(), total };
        let impact = Impact { groups: vec![group], ..Impact::default() };
        let judge = crate::judge::Judge { max_collateral: Share(8_000_000), ..Default::default() };
        let judges = Judges { candidate: vec![judge.clone(), judge], ..Judges::default() };
        let losses = find(&impact, &judges, 30);
        let together = losses.iter().find(|loss| loss.causes.len() == 2).expect("the sum");
        assert_eq!(together.certainty, Certainty::Certain);
        assert!(losses.iter().filter(|loss| loss.causes.len() == 1).count() == 2);
    }
}
