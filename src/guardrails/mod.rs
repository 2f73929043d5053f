//! Guardrails: evidence in, findings out. One file each, named after the bad thing that it
//! catches, and its two adjacent lines here.
//!
//! Invariant: a guardrail never reads traffic, and never looks at another one's findings.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::affected::Loss;
use crate::attribution::{Attribution, Party};
use crate::change::Change;
use crate::finding::count;
use crate::finding::{Finding, Level};
use crate::impact::{Cause, Directions, Impact, Newest};
use crate::judge::{Judge, Judges};
use crate::matcher::{NOT_UNDERSTOOD, UNRECORDED, missing_words};
use crate::model::units::percent;
use crate::model::{
    Action, AddressRange, AddressSet, Exceed, Family, Inventory, Location, Names, RateLimit, Rule,
    RuleSet, Share, Timestamp, UnmodelledKind,
};
use crate::packet_text::{self, Packet};
use crate::reach::{Order, Reached};
use crate::safe_rate::SafeRate;
use crate::service::Service;
use crate::sharing::Sharing;

mod aimed;
mod attack_still_passes;
mod buckets;
mod collateral_loss;
mod control_plane_reached;
mod coverage;
mod evidence_too_old;
mod evidence_too_thin;
mod field_not_recorded;
mod fragments_missed;
mod impossible_match;
mod intent_missing;
mod limit_below_normal;
mod limit_undecided;
mod limit_without_effect;
mod nothing_labelled;
mod nothing_recorded;
mod other_family_missed;
mod pmtud_cut;
mod protected;
mod protected_traffic_hit;
mod reach_beyond_intent;
mod redundant_rule;
mod rule_expired;
mod rule_grew_by_removal;
mod rule_not_understood;
mod rule_without_hits;
mod sampling_unknown;
mod scenario_without_traffic;
mod shadowed_rule;
mod shared_address;
mod shared_bucket;
mod target_cut_off;
mod target_loss;
mod undo_cut_off;
mod unit_suspect;
mod unkeyed_limit;
mod unused_waiver;
mod wide_match;

/// Every guardrail: those that fail, those that cannot judge, and those that warn.
pub const GUARDRAILS: &[&Guardrail] = &[
    &protected_traffic_hit::GUARDRAIL,
    &undo_cut_off::GUARDRAIL,
    &collateral_loss::GUARDRAIL,
    &reach_beyond_intent::GUARDRAIL,
    &target_loss::GUARDRAIL,
    &attack_still_passes::GUARDRAIL,
    &impossible_match::GUARDRAIL,
    &shared_bucket::GUARDRAIL,
    &intent_missing::GUARDRAIL,
    &rule_expired::GUARDRAIL,
    &wide_match::GUARDRAIL,
    &rule_not_understood::GUARDRAIL,
    &sampling_unknown::GUARDRAIL,
    &field_not_recorded::GUARDRAIL,
    &limit_undecided::GUARDRAIL,
    &nothing_recorded::GUARDRAIL,
    &nothing_labelled::GUARDRAIL,
    &scenario_without_traffic::GUARDRAIL,
    &evidence_too_old::GUARDRAIL,
    &evidence_too_thin::GUARDRAIL,
    &target_cut_off::GUARDRAIL,
    &limit_below_normal::GUARDRAIL,
    &limit_without_effect::GUARDRAIL,
    &rule_without_hits::GUARDRAIL,
    &unit_suspect::GUARDRAIL,
    &other_family_missed::GUARDRAIL,
    &fragments_missed::GUARDRAIL,
    &shared_address::GUARDRAIL,
    &control_plane_reached::GUARDRAIL,
    &pmtud_cut::GUARDRAIL,
    &rule_grew_by_removal::GUARDRAIL,
    &shadowed_rule::GUARDRAIL,
    &redundant_rule::GUARDRAIL,
    &unkeyed_limit::GUARDRAIL,
    &unused_waiver::GUARDRAIL,
];

/// One guardrail.
pub struct Guardrail {
    /// Its id: snake case, the name of its file.
    pub id: &'static str,
    /// What its findings do to the verdict, at the worst.
    pub level: Level,
    /// What there must be for it to find anything.
    pub needs: Needs,
    /// Whether it looks at every scenario, and not only at the recording as it is.
    pub in_scenarios: bool,
    /// Its manual page.
    pub text: Text,
    /// Looks at the evidence.
    pub check: fn(&Evidence<'_>, &mut Findings),
}

/// What there must be to judge by; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// The rules alone. Where there is no inventory, such a guardrail finds only what is so
    /// whoever owns which address.
    Rules,
    /// The rules and an inventory.
    Inventory,
    /// All of it, and recorded traffic.
    Traffic,
}

/// The manual page of a guardrail.
pub struct Text {
    /// What it catches.
    pub catches: &'static str,
    /// Why that is bad, with the outage it comes from if there is one.
    pub why: &'static str,
    /// A rule that it catches.
    pub example: &'static str,
    /// What to do.
    pub todo: &'static str,
}

/// What counts as enough to judge by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standards {
    /// The clock, for age and expiry.
    pub now: Timestamp,
    /// The greatest age of a recording.
    pub max_traffic_age_ns: u64,
    /// The least raw records of a sampled group.
    pub min_samples: u64,
    /// What not-judged customers may hold of the legitimate traffic to reached customers.
    pub max_unjudged: Share,
    /// Tiers of which everybody must be judged.
    pub must_judge: Vec<String>,
    /// The length of a window.
    pub window_ns: i64,
}

/// Everything a guardrail may look at, in one scenario.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// What there is to judge by. What is not there is empty below, which says nothing.
    pub given: Needs,
    /// The rules in force.
    pub running: &'a RuleSet,
    /// The rules under test.
    pub candidate: &'a RuleSet,
    /// Whether there is a running rule set at all; without one every rule is judged as new.
    pub has_running: bool,
    /// Their difference.
    pub change: &'a Change,
    /// Their intents.
    pub judges: &'a Judges,
    /// The owners.
    pub attribution: &'a Attribution<'a>,
    /// Ends by number, as in [`Impact::attack`].
    pub ends: &'a [crate::attribution::Ends],
    /// PoP names.
    pub names: &'a Names,
    /// Who may be reached.
    pub reached: &'a Reached,
    /// What the order of the candidate rules makes of them.
    pub order: &'a Order,
    /// The scenario; none is the recording as it is.
    pub scenario: Option<&'a str>,
    /// How many packets the scenario moves, adds or takes away.
    pub moved: u64,
    /// What happened to whom.
    pub impact: &'a Impact,
    /// Who is affected.
    pub affected: &'a [Loss],
    /// Who shares the buckets of candidate limits.
    pub sharing: &'a [Sharing],
    /// Which rates would do.
    pub safe_rates: &'a [SafeRate],
    /// When the newest records of every recording were that has an age.
    pub newest: &'a [(String, Newest)],
    /// Recordings that were left aside, or parts of them, as nobody knows how they were sampled.
    pub sampling_unknown: &'a [String],
    /// Recordings of which something is unread: how much, of how much, and most of it why.
    pub unread: &'a [(String, u64, u64, String)],
    /// Recordings in which some exporter has no way to say anything of IPv6.
    pub no_ipv6: &'a [String],
    /// For every window: the start of its earliest record, and the end of its latest.
    pub windows: &'a BTreeMap<i64, (i64, i64)>,
    /// Which ways the recording went where.
    pub directions: &'a Directions,
    /// Enough is what?
    pub standards: &'a Standards,
}

impl Evidence<'_> {
    /// Returns who is who.
    pub fn inventory(&self) -> &Inventory {
        self.attribution.inventory
    }

    /// Returns a candidate rule.
    pub fn rule(&self, rule: u32) -> &Rule {
        &self.candidate.rules[rule as usize]
    }

    /// Returns the candidate rules with their numbers and judges.
    pub fn rules(&self) -> impl Iterator<Item = (u32, &Rule, &Judge)> {
        let rules = self.candidate.rules.iter().zip(&self.judges.candidate);
        rules.enumerate().map(|(at, (rule, judge))| (at as u32, rule, judge))
    }

    /// Returns whether findings about the text of a candidate rule count: the change adds, edits
    /// or moves it, or it is behind new harm.
    pub fn is_judged(&self, rule: u32) -> bool {
        self.change.concerns(rule as usize)
            || self.impact.touched.values().flatten().any(|cause| cause.rule == Some(rule))
    }

    /// Returns the limits that the change adds, edits or moves and that act on what exceeds them,
    /// and who shares their buckets.
    pub fn changed_limits(&self) -> impl Iterator<Item = (&RateLimit, &Sharing)> {
        self.sharing.iter().filter_map(|sharing| match &self.rule(sharing.rule).action.value {
            Action::RateLimit(limit)
                if limit.exceed != Exceed::Log && self.change.concerns(sharing.rule as usize) =>
            {
                Some((limit, sharing))
            }
            _ => None,
        })
    }

    /// Returns the rates that would do for a rule's limit, if they were searched.
    pub fn safe_rate(&self, rule: Option<u32>) -> Option<&SafeRate> {
        self.safe_rates.iter().find(|safe| Some(safe.rule) == rule)
    }

    /// Returns the rule to point at for a cause, and where it stands: the rule that stops the
    /// packet, unless the change is that another one no longer lets it pass.
    pub fn blame(&self, cause: &Cause) -> (String, Option<Location>) {
        if let Some(shield) = cause.shield {
            let rule = match self.change.candidate_of[shield as usize] {
                Some(after) => &self.candidate.rules[after],
                None => &self.running.rules[shield as usize],
            };
            return (rule.id.clone(), Some(rule.location));
        }
        match cause.rule {
            Some(rule) => (self.rule(rule).id.clone(), Some(self.rule(rule).location)),
            None => ("default".to_owned(), self.candidate.default.location),
        }
    }

    /// Returns the customers behind a party that an intent does not name: of a shared address,
    /// its sharers one by one.
    pub fn customers_of(&self, party: Party, judge: &Judge) -> Vec<String> {
        match party {
            Party::Shared(id) => {
                let sharers = self.inventory().shared[id.0 as usize].customers.iter();
                let outside: Vec<_> = sharers
                    .clone()
                    .filter(|customer| !judge.may_affect.has_customer(**customer))
                    .collect();
                // Where another intent forbids the loss, it is all sharers'.
                let charged = if outside.is_empty() { sharers.collect() } else { outside };
                charged
                    .into_iter()
                    .map(|customer| self.inventory().customer(*customer).id.value.clone())
                    .collect()
            }
            party => vec![party.name(self.inventory())],
        }
    }

    /// Returns the words for a PoP.
    pub fn pop(&self, pop: Option<crate::model::NameId>) -> String {
        pop.map_or_else(|| "(unknown)".to_owned(), |pop| self.names.name(pop).to_string())
    }

    /// Returns the words for the place of a group: `tcp/443 in ams`.
    pub fn place(&self, service: Service, pop: Option<crate::model::NameId>) -> String {
        match pop {
            Some(_) => format!("{service} in {}", self.pop(pop)),
            None => service.to_string(),
        }
    }

    /// Starts a finding about a candidate rule.
    pub fn about(&self, guardrail: &Guardrail, rule: u32, message: String) -> Finding {
        let rule = self.rule(rule);
        Finding {
            rule: Some(rule.id.clone()),
            location: Some(rule.location),
            ..finding(guardrail, message)
        }
    }
}

/// Starts a finding about no rule in particular.
pub fn finding(guardrail: &Guardrail, message: String) -> Finding {
    Finding {
        guardrail: guardrail.id,
        level: guardrail.level,
        rule: None,
        location: None,
        customers: Vec::new(),
        message,
        help: None,
        mild: false,
        waived: false,
        scenario: None,
    }
}

/// Collects findings.
#[derive(Debug, Default)]
pub struct Findings {
    /// About this change.
    pub list: Vec<Finding>,
    /// About rules that the change leaves alone: how many, by guardrail.
    pub unchanged: BTreeMap<&'static str, usize>,
}

impl Findings {
    /// Adds a finding about the change.
    pub fn push(&mut self, finding: Finding) {
        self.list.push(finding);
    }

    /// Adds what was found in a scenario, unless it is known of the recording or of a smaller one.
    fn add(&mut self, scenario: Option<&str>, mut finding: Finding) {
        let same = |known: &&Finding| {
            (known.guardrail, &known.rule) == (finding.guardrail, &finding.rule)
                && known.level <= finding.level
                && (known.rule.is_some() || known.message == finding.message)
        };
        let known: BTreeSet<&String> =
            self.list.iter().filter(same).flat_map(|known| &known.customers).collect();
        let is_new = self.list.iter().find(same).is_none()
            || finding.customers.iter().any(|customer| !known.contains(customer));
        if is_new {
            let name = scenario.unwrap_or_default();
            finding.message = format!("in scenario {name}: {}", finding.message);
            finding.scenario = Some(name.to_owned());
            self.list.push(finding);
        }
    }

    /// Leaves out what was found of another rule at the same place in the same words: some
    /// languages make several rules of what is written there.
    fn say_once(&mut self) {
        let mut said = HashSet::new();
        self.list.retain(|finding| {
            let Finding { guardrail, level, location, customers, message, .. } = finding;
            location.is_none()
                || said.insert((*guardrail, *level, *location, customers.clone(), message.clone()))
        });
    }

    /// Adds a finding about the text of a rule; it is only counted if the rule is not judged.
    pub fn push_text(&mut self, evidence: &Evidence<'_>, rule: u32, finding: Finding) {
        if evidence.is_judged(rule) {
            self.list.push(finding);
        } else {
            *self.unchanged.entry(finding.guardrail).or_default() += 1;
        }
    }
}

/// Runs all guardrails that have what they need over the recording, and those that look at traffic
/// over `scenarios`, the smallest first: a rule that fails is reported with the first that breaks
/// it.
pub fn check(evidence: &Evidence<'_>, scenarios: &[Evidence<'_>]) -> Findings {
    let mut findings = Findings::default();
    for guardrail in GUARDRAILS.iter().filter(|guardrail| guardrail.needs <= evidence.given) {
        (guardrail.check)(evidence, &mut findings);
        if !guardrail.in_scenarios {
            continue;
        }
        for scenario in scenarios {
            let mut more = Findings::default();
            (guardrail.check)(scenario, &mut more);
            for finding in more.list {
                findings.add(scenario.scenario, finding);
            }
        }
    }
    findings.say_once();
    findings
}

/// Returns how many customers some rule may reach outside its `may_affect`.
pub fn reached_outside(evidence: &Evidence<'_>) -> usize {
    let reached: BTreeSet<_> =
        coverage::coverage(evidence).into_iter().flat_map(|(_, one)| one.reached).collect();
    reached.len()
}

/// Returns how many customers have any record, alone or as sharers of an address.
pub fn customers_recorded(evidence: &Evidence<'_>) -> usize {
    let parties = evidence.impact.groups.iter().map(|group| group.id.party);
    let customers = parties.flat_map(|party| match party {
        Party::Customer(id) => vec![id],
        Party::Shared(id) => evidence.inventory().shared[id.0 as usize].customers.clone(),
        Party::Infrastructure(_) | Party::ControlPlane | Party::Unowned => Vec::new(),
    });
    customers.collect::<BTreeSet<_>>().len()
}

/// Returns everyone whom some rule reaches outside its `may_affect` and who could not be judged.
pub fn not_judged(evidence: &Evidence<'_>) -> Vec<String> {
    let ids: BTreeSet<_> =
        coverage::coverage(evidence).into_iter().flat_map(|(_, one)| one.not_judged).collect();
    ids.into_iter().map(|id| evidence.inventory().customer(id).id.value.clone()).collect()
}

/// Returns whether a set holds every address of a family, and so names nobody.
pub(crate) fn covers_a_family(set: &AddressSet) -> bool {
    [Family::V4, Family::V6].into_iter().any(|family| set.covers(AddressRange::all(family)))
}

/// Names a few candidate rules: `a`, `b` and 3 more.
/// Writes a packet, and on which conditions its fate hangs that no field shows.
fn in_words(packet: &Packet) -> String {
    format!("{}{}", packet_text::format(packet), packet_text::hangs_on(packet))
}

/// Writes what a loss hangs on: fields that a recording lacks, and conditions of rules that no
/// field shows, with the rules.
fn what_is_open(evidence: &Evidence<'_>, missing: u32, cause: &Cause) -> Vec<String> {
    let is_open = |kind: UnmodelledKind| missing & crate::matcher::unmodelled_bit(kind) != 0;
    let mut words: Vec<String> = missing_words(missing & !(UNRECORDED | NOT_UNDERSTOOD))
        .into_iter()
        .map(str::to_owned)
        .collect();
    for (side, rule) in evidence.impact.open_rules.get(cause).into_iter().flatten() {
        let set = if *side == 0 { evidence.running } else { evidence.candidate };
        let rule = &set.rules[*rule as usize];
        let open = rule.matches.unmodelled().into_iter().filter(|one| is_open(one.kind));
        words.extend(open.map(|one| format!("`{}` of `{}`", one.text, rule.id)));
    }
    unique(words)
}

fn rule_names(evidence: &Evidence<'_>, rules: &[u32]) -> String {
    const MOST: usize = 4;
    let named: Vec<String> =
        rules.iter().take(MOST).map(|rule| format!("`{}`", evidence.rule(*rule).id)).collect();
    match (rules.len().saturating_sub(MOST), named.as_slice()) {
        (0, [all @ .., last]) if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        (0, named) => named.join(", "),
        (more, named) => format!("{} and {more} more", named.join(", ")),
    }
}

/// Keeps the first of each, in order.
pub fn unique(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    words.into_iter().filter(|word| seen.insert(word.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guardrail_is_documented_and_named_once() {
        let mut ids = BTreeSet::new();
        for guardrail in GUARDRAILS {
            assert!(ids.insert(guardrail.id), "{} twice", guardrail.id);
            assert!(guardrail.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            let text = &guardrail.text;
            for part in [text.catches, text.why, text.example, text.todo] {
                assert!(part.len() > 20, "{} has a thin manual page", guardrail.id);
            }
        }
    }

    #[test]
    fn what_cannot_judge_the_recording_needs_traffic() {
        for guardrail in GUARDRAILS {
            // What is not understood is a matter of the proof as well, which needs no recording.
            let is_proved = guardrail.id == "rule_not_understood";
            if guardrail.level == Level::Unknown && !is_proved {
                assert_eq!(guardrail.needs, Needs::Traffic, "{}", guardrail.id);
            }
        }
    }
}
