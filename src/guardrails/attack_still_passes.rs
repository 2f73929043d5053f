//! The rules do not do their job: recorded attack still passes, or passes again.

use std::collections::{BTreeMap, BTreeSet};

use super::aimed::Aimed;
use super::{Evidence, Findings, Guardrail, Needs, Text, finding, percent};
use crate::attribution::{Ends, Party};
use crate::finding::{Finding, Level};
use crate::impact::{Amount, Attack, Blame, Range};
use crate::judge::{Judge, harms};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "attack_still_passes",
    level: Level::Error,
    needs: Needs::Traffic,
    in_scenarios: true,
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

/// `must_stop` is missed.
fn missed(evidence: &Evidence<'_>, findings: &mut Findings, blamed: &mut BTreeSet<u32>) {
    for (rule, _, judge) in evidence.rules() {
        let Some(must_stop) = &judge.must_stop else { continue };
        let aimed = Aimed::at(judge, evidence);
        let edited = evidence.change.adds_or_edits(rule as usize);
        let asked = edited || lowers(aimed.fall.greatest, &aimed.offered, 0);
        if aimed.offered.is_zero() || !asked {
            continue;
        }
        let stopped = aimed.candidate.least.smaller_share(&aimed.offered);
        if aimed.candidate.least.is_at_least(must_stop.value, &aimed.offered) {
            continue;
        }
        blamed.insert(rule);
        if aimed.is_undecided(evidence, rule, must_stop.value) {
            continue;
        }
        let target = judge.target_words.join(", ");
        let certain = !aimed.candidate.greatest.is_at_least(must_stop.value, &aimed.offered)
            && (edited || lowers(aimed.fall.least, &aimed.offered, 0));
        let asked = percent(must_stop.value.as_f64());
        // Where the two look alike, the difference is in the digits that are not shown.
        let percent = |share: f64| match percent(share) {
            same if same == asked => format!("{:.4} %", share * 100.0),
            other => other,
        };
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
            help: Some(match evidence.safe_rate(Some(rule)).and_then(|safe| safe.effective) {
                Some(rate) => format!("lower the limit: up to {rate} (tried) it stops enough"),
                None => "compare the rule's match with the recorded attack".to_owned(),
            }),
            ..evidence.about(&GUARDRAIL, rule, message)
        });
    }
}

/// Rules against an attack that stop nothing of it: for every attacked party, those whose target
/// names it, together.
fn useless(evidence: &Evidence<'_>, findings: &mut Findings, blamed: &mut BTreeSet<u32>) {
    let judge = |rule: &u32| &evidence.judges.candidate[*rule as usize];
    let against: Vec<u32> = evidence
        .rules()
        .filter(|(rule, text, judge)| {
            evidence.change.adds_or_edits(*rule as usize)
                && harms(&text.action.value)
                && !judge.target.all
        })
        .map(|(rule, _, _)| rule)
        .collect();
    let mut by_victim: BTreeMap<Party, Vec<(&Ends, &Attack)>> = BTreeMap::new();
    for ((ends, _), attack) in &evidence.impact.attack {
        let ends = &evidence.ends[*ends as usize];
        let victim = evidence.attribution.victim(ends);
        by_victim.entry(victim).or_default().push((ends, attack));
    }
    // By the rules that are against it: whom each attack is on that they let through.
    let mut missed: BTreeMap<Vec<u32>, (Vec<String>, u64, bool)> = BTreeMap::new();
    for (victim, attacks) in by_victim {
        let is_aimed =
            |rule: &u32, ends: &Ends| judge(rule).target.is_target(ends, evidence.attribution);
        let rules: Vec<u32> = against
            .iter()
            .copied()
            .filter(|rule| attacks.iter().any(|(ends, _)| is_aimed(rule, ends)))
            .collect();
        if rules.is_empty() || rules.iter().any(|rule| judge(rule).must_stop.is_some()) {
            continue;
        }
        let mut aimed = Aimed::default();
        for (ends, attack) in attacks {
            if rules.iter().any(|rule| is_aimed(rule, ends)) {
                aimed.add(attack);
            }
        }
        let through = aimed.offered.packets.saturating_sub(aimed.running.greatest.packets);
        if through == 0 || !aimed.newly_stopped.is_zero() {
            continue;
        }
        let possible = aimed.candidate.greatest.packets > aimed.running.least.packets;
        let (victims, packets, all_possible) =
            missed.entry(rules).or_insert_with(|| (Vec::new(), 0, true));
        victims.push(victim.name(evidence.inventory()));
        *packets = packets.saturating_add(through);
        *all_possible &= possible;
    }
    for (rules, (victims, through, possible)) in missed {
        let target = victims.join(", ");
        for rule in rules {
            blamed.insert(rule);
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
                customers: victims.clone(),
                help: Some(
                    "compare the match with the attack, or write `must_stop: 0%` if this rule is \
                     not against it"
                        .to_owned(),
                ),
                ..evidence.about(&GUARDRAIL, rule, message)
            });
        }
    }
}

/// Returns whether a fall is more than `points` percent of the whole, in packets or in bytes.
fn lowers((packets, bytes): (i128, i128), whole: &Amount, points: i128) -> bool {
    let lower = |down: i128, whole: u64| down * 100 > i128::from(whole) * points;
    lower(packets, whole.packets) || lower(bytes, whole.bytes)
}

/// Attack that was stopped passes again.
fn let_through(evidence: &Evidence<'_>, findings: &mut Findings, blamed: &BTreeSet<u32>) {
    let mut by_target: BTreeMap<String, (Aimed, BTreeMap<Blame, Range>)> = BTreeMap::new();
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
        let through = blames.values().fold(Range::default(), |mut sum, range| {
            sum.add(*range);
            sum
        });
        let is_more = |fall: (i128, i128), through: &Amount| {
            let through = (i128::from(through.packets), i128::from(through.bytes));
            lowers(fall, &aimed.offered, 1) && lowers(through, &aimed.offered, 1)
        };
        // What passes anew, less what is stopped anew: one point of the whole may go.
        if !is_more(aimed.fall.greatest, &through.greatest) {
            continue;
        }
        let certain = is_more(aimed.fall.least, &through.least);
        if certain {
            blames.retain(|_, range| !range.least.is_zero());
        }
        for (blame, _) in blames {
            if matches!(blame, Blame::Candidate(rule) if blamed.contains(&rule)) {
                continue;
            }
            let message = if certain {
                format!(
                    "the stopped share of the recorded attack on {target} falls from {} to {}",
                    percent(aimed.running.least.smaller_share(&aimed.offered)),
                    percent(aimed.candidate.least.smaller_share(&aimed.offered)),
                )
            } else {
                format!(
                    "the stopped share of the recorded attack on {target} may fall from {} to {}; \
                     the recording cannot tell",
                    percent(aimed.running.greatest.smaller_share(&aimed.offered)),
                    percent(aimed.candidate.least.smaller_share(&aimed.offered)),
                )
            };
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
                level: if certain { Level::Error } else { Level::Unknown },
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
