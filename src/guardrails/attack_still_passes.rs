//! The rules do not do their job: recorded attack still passes, or passes again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, Findings, Guardrail, Text, finding, percent};
use crate::finding::{Finding, Level};
use crate::impact::{Amount, Attack, Blame, Range};
use crate::judge::{Judge, harms};
use crate::model::Share;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "attack_still_passes",
    level: Level::Error,
    text: Text {
        catches: "Less of the recorded attack is stopped than `must_stop` asks for; or rules that \
                  defend an attacked customer stop nothing of what passed before; or the change \
                  lets through attack that was stopped.",
        why: "On 2013-03-03 a rule for packets of 99,971 to 99,985 bytes went to all routers of a \
              content network. No such packet exists: it could stop nothing, and it crashed them.",
        example: "match: {dst: 198.51.100.53, packet_length: 99971-99985}\naction: drop",
        todo: "Compare the match with the recorded attack. `must_stop: 0%` says that a rule is \
               not against the attack.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    if evidence.change.nothing {
        return;
    }
    let mut blamed = BTreeSet::new();
    missed(evidence, findings, &mut blamed);
    useless(evidence, findings, &mut blamed);
    let_through(evidence, findings, &blamed);
}

/// The attack on a judge's targets, of its `attack_match`.
#[derive(Default)]
struct Aimed {
    offered: Amount,
    running: Range,
    candidate: Range,
    newly_stopped: Amount,
}

impl Aimed {
    fn at(judge: &Judge, evidence: &Evidence<'_>, narrowed: bool) -> Aimed {
        let mut aimed = Aimed::default();
        for ((ends, bits), attack) in &evidence.impact.attack {
            let meant = match judge.attack_bit {
                Some(bit) if narrowed => bits >> bit & 1 == 1,
                _ => true,
            };
            let ends = &evidence.ends[*ends as usize];
            if meant && judge.target.is_target(ends, evidence.attribution) {
                aimed.add(attack);
            }
        }
        aimed
    }

    fn add(&mut self, attack: &Attack) {
        self.offered.add(attack.offered);
        for (sum, range) in
            [(&mut self.running, &attack.running), (&mut self.candidate, &attack.candidate)]
        {
            sum.least.add(range.least);
            sum.greatest.add(range.greatest);
        }
        self.newly_stopped.add(attack.newly_stopped);
    }
}

/// Returns whether a part reaches a share of the whole, in packets and in bytes.
fn reaches(part: &Amount, share: Share, whole: &Amount) -> bool {
    let reached = |part: u64, whole: u64| {
        u128::from(part) * u128::from(Share::ONE) >= u128::from(whole) * u128::from(share.0)
    };
    reached(part.packets, whole.packets) && reached(part.bytes, whole.bytes)
}

/// `must_stop` is missed.
fn missed(evidence: &Evidence<'_>, findings: &mut Findings, blamed: &mut BTreeSet<u32>) {
    for (rule, _, judge) in evidence.rules() {
        let Some(must_stop) = &judge.must_stop else { continue };
        let aimed = Aimed::at(judge, evidence, true);
        let lowered = lowers(&aimed.running.least, &aimed.candidate.least, &aimed.offered, 0);
        let asked = evidence.change.adds_or_edits(rule as usize) || lowered;
        if aimed.offered.is_zero() || !asked {
            continue;
        }
        let stopped = aimed.candidate.least.smaller_share(&aimed.offered);
        if reaches(&aimed.candidate.least, must_stop.value, &aimed.offered) {
            continue;
        }
        blamed.insert(rule);
        let target = judge.target_words.join(", ");
        let certain = !reaches(&aimed.candidate.greatest, must_stop.value, &aimed.offered);
        let asked = percent(must_stop.value.as_f64());
        let message = if certain {
            format!(
                "{} of the recorded attack on {target} is stopped, {asked} must be",
                percent(stopped)
            )
        } else {
            format!(
                "between {} and {} of the recorded attack on {target} is stopped, {asked} must be; \
                 the recording cannot tell",
                percent(stopped),
                percent(aimed.candidate.greatest.smaller_share(&aimed.offered)),
            )
        };
        findings.push(Finding {
            level: if certain { Level::Error } else { Level::Unknown },
            customers: customers(evidence, judge),
            help: Some("compare the rule's match with the recorded attack".to_owned()),
            ..evidence.about(&GUARDRAIL, rule, message)
        });
    }
}

/// Rules against an attack that stop nothing of it.
fn useless(evidence: &Evidence<'_>, findings: &mut Findings, blamed: &mut BTreeSet<u32>) {
    let mut by_target: BTreeMap<Vec<String>, Vec<u32>> = BTreeMap::new();
    for (rule, text, judge) in evidence.rules() {
        if evidence.change.adds_or_edits(rule as usize)
            && harms(&text.action.value)
            && !judge.target.all
            && !judge.target.is_empty()
        {
            by_target.entry(judge.target_words.clone()).or_default().push(rule);
        }
    }
    for rules in by_target.into_values() {
        let judge = |rule: &u32| &evidence.judges.candidate[*rule as usize];
        if rules.iter().any(|rule| judge(rule).must_stop.is_some()) {
            continue;
        }
        let aimed = Aimed::at(judge(&rules[0]), evidence, false);
        let through = aimed.offered.packets.saturating_sub(aimed.running.greatest.packets);
        if through == 0 || !aimed.newly_stopped.is_zero() {
            continue;
        }
        let possible = aimed.candidate.greatest.packets > aimed.running.least.packets;
        let target = judge(&rules[0]).target_words.join(", ");
        for rule in &rules {
            blamed.insert(*rule);
            let message = if possible {
                format!(
                    "whether anything of the recorded attack on {target} is stopped cannot be told"
                )
            } else {
                format!(
                    "nothing is stopped of the recorded attack on {target} that passes today \
                     ({through} packets)"
                )
            };
            findings.push(Finding {
                level: if possible { Level::Unknown } else { Level::Error },
                customers: customers(evidence, judge(rule)),
                help: Some(
                    "compare the match with the attack, or write `must_stop: 0%` if this rule is \
                     not against it"
                        .to_owned(),
                ),
                ..evidence.about(&GUARDRAIL, *rule, message)
            });
        }
    }
}

/// Returns whether `after` is more than `points` percent of the whole below `before`, in packets
/// or in bytes.
fn lowers(before: &Amount, after: &Amount, whole: &Amount, points: u64) -> bool {
    let lower = |before: u64, after: u64, whole: u64| {
        let down = u128::from(before.saturating_sub(after));
        down * 100 > u128::from(whole) * u128::from(points)
    };
    lower(before.packets, after.packets, whole.packets)
        || lower(before.bytes, after.bytes, whole.bytes)
}

/// Attack that was stopped passes again.
fn let_through(evidence: &Evidence<'_>, findings: &mut Findings, blamed: &BTreeSet<u32>) {
    let mut by_target: BTreeMap<String, (Aimed, BTreeMap<Blame, Amount>)> = BTreeMap::new();
    for ((ends, _), attack) in &evidence.impact.attack {
        let target = evidence.attribution.victim(&evidence.ends[*ends as usize]);
        let (aimed, blames) = by_target.entry(target.name(evidence.inventory())).or_default();
        aimed.add(attack);
        for (blame, amount) in &attack.let_through {
            blames.entry(*blame).or_default().add(*amount);
        }
    }
    for (target, (aimed, mut blames)) in by_target {
        blames.retain(|blame, _| !expired(evidence, *blame));
        let through = blames.values().fold(Amount::default(), |mut sum, amount| {
            sum.add(*amount);
            sum
        });
        // What passes anew, less what is stopped anew: one point of the whole may go.
        if !lowers(&aimed.running.least, &aimed.candidate.least, &aimed.offered, 1)
            || !lowers(&through, &Amount::default(), &aimed.offered, 1)
        {
            continue;
        }
        for (blame, _) in blames {
            if matches!(blame, Blame::Candidate(rule) if blamed.contains(&rule)) {
                continue;
            }
            let message = format!(
                "the stopped share of the recorded attack on {target} falls from {} to {}",
                percent(aimed.running.least.smaller_share(&aimed.offered)),
                percent(aimed.candidate.least.smaller_share(&aimed.offered)),
            );
            let (rule, location) = match blame {
                Blame::Candidate(rule) => {
                    (evidence.rule(rule).id.clone(), Some(evidence.rule(rule).location))
                }
                Blame::Removed(rule) => {
                    let removed = &evidence.running.rules[rule as usize];
                    (removed.id.clone(), Some(removed.location))
                }
                Blame::Default => ("default".to_owned(), evidence.candidate.default.location),
            };
            let help = match blame {
                Blame::Removed(_) => "keep this rule while the attack lasts",
                _ => "this rule lets through what was stopped before",
            };
            findings.push(Finding {
                rule: Some(rule),
                location,
                customers: vec![target.clone()],
                help: Some(help.to_owned()),
                ..finding(&GUARDRAIL, message)
            });
        }
    }
}

fn expired(evidence: &Evidence<'_>, blame: Blame) -> bool {
    let Blame::Removed(rule) = blame else { return false };
    evidence.running.rules[rule as usize]
        .expires
        .as_ref()
        .is_some_and(|expires| expires.value <= evidence.standards.now)
}

fn customers(evidence: &Evidence<'_>, judge: &Judge) -> Vec<String> {
    judge
        .target
        .named_customers()
        .map(|id| evidence.inventory().customer(id).id.value.clone())
        .collect()
}
