//! Evidence and findings into the rows of a report: customers, attack, and the line that says why.

use std::collections::{BTreeMap, BTreeSet};

use crate::affected::Certainty;
use crate::attribution::{Party, shared_name};
use crate::finding::{Finding, Level, count};
use crate::guardrails::{Evidence, Needs};
use crate::impact::{Amount, Cause, Group, Traffic};
use crate::judge::Judge;
use crate::model::units::percent;
use crate::model::{
    Action, CustomerId, Exceed, Intent, Layers, NameId, RuleSet, Scope, Share, SharedId,
};
use crate::packet_text::{self, Packet};
use crate::report::{
    AttackOutcome, ChangeSummary, CustomerImpact, LimitReport, RuleHits, SafeRateReport,
    SharerReport, Throughput, Verdict, WorstGroup,
};
use crate::service::Service;
use crate::sharing::Sharing;

mod picture;

pub use picture::picture;

//------------ Change --------------------------------------------------------

/// Describes what was compared.
pub fn change(
    evidence: &Evidence<'_>,
    running: Option<String>,
    candidate: String,
) -> ChangeSummary {
    let change = evidence.change;
    let ids = |set: &RuleSet, rules: &mut dyn Iterator<Item = usize>| {
        rules.map(|at| set.rules[at].id.clone()).collect::<Vec<_>>()
    };
    ChangeSummary {
        running,
        candidate,
        rules: evidence.candidate.rules.len(),
        files: evidence.candidate.files,
        added: ids(evidence.candidate, &mut change.added.iter().copied()),
        removed: ids(evidence.running, &mut change.removed.iter().copied()),
        modified: ids(evidence.candidate, &mut change.modified.iter().map(|(_, after)| *after)),
        moved: ids(evidence.candidate, &mut change.moved.iter().map(|(_, after)| *after)),
        intents_widened: widened(evidence),
        nothing: change.nothing,
        coverage: evidence.candidate.coverage.clone(),
        notes: Vec::new(),
    }
}

/// Lists what intents of rules that exist on both sides newly allow, and that of the default.
fn widened(evidence: &Evidence<'_>) -> Vec<String> {
    let words = |list: &[crate::model::Spanned<String>]| {
        list.iter().map(|word| word.value.clone()).collect::<BTreeSet<String>>()
    };
    let allowed = |intent: &Intent| {
        let affect = intent.may_affect.as_deref().unwrap_or(&intent.target);
        let reach = intent.may_reach.as_deref().unwrap_or(affect);
        [words(&intent.target), words(affect), words(reach)]
    };
    let rules = evidence.change.running_of.iter().enumerate().filter_map(|(after, before)| {
        let (old, new) = (&evidence.running.rules[(*before)?], &evidence.candidate.rules[after]);
        Some((new.id.as_str(), old.intent.as_ref()?, new.intent.as_ref()?))
    });
    let default = [evidence.running, evidence.candidate].map(|set| set.default.intent.as_ref());
    let default = match default {
        [Some(old), Some(new)] => Some(("default", old, new)),
        _ => None,
    };
    let mut widened = Vec::new();
    for (id, old, intent) in rules.chain(default) {
        let mut more: BTreeSet<String> = BTreeSet::new();
        for (before, after) in allowed(old).into_iter().zip(allowed(intent)) {
            more.extend(after.difference(&before).cloned());
        }
        let larger = |a: Option<crate::model::Share>, b: Option<crate::model::Share>| match (a, b) {
            (Some(a), Some(b)) => b > a,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let mut notes: Vec<String> = more.into_iter().map(|word| format!("+{word}")).collect();
        if intent.max_collateral > old.max_collateral {
            notes.push(format!("max_collateral {}", intent.max_collateral));
        }
        if larger(old.max_target_loss, intent.max_target_loss) {
            notes.push("max_target_loss".to_owned());
        }
        let asked = |intent: &Intent| intent.must_stop.as_ref().map(|share| share.value);
        if asked(old) > asked(intent) {
            notes.push("must_stop lowered".to_owned());
        }
        if !notes.is_empty() {
            widened.push(format!("{id}: {}", notes.join(", ")));
        }
    }
    widened
}

//------------ Customers -----------------------------------------------------

/// A row before it is written: one customer, or a sharer of an address, or a protected party.
#[derive(Default)]
struct Row {
    reached: bool,
    touched: bool,
    affected: bool,
    unintended: bool,
    rules: BTreeSet<String>,
    witness: Option<Packet>,
    worst: Option<(f64, WorstGroup)>,
    /// The same for each PoP and service.
    losses: BTreeMap<(Option<NameId>, Service), (f64, WorstGroup)>,
}

/// How many of a customer's groups are kept.
const LOSSES: usize = 50;

/// Who a row is about.
type Who = (Party, Option<SharedId>);

/// Lists everyone reached, touched or affected, worst first.
pub fn customers(evidence: &Evidence<'_>, scenarios: &[Evidence<'_>]) -> Vec<CustomerImpact> {
    let mut rows: BTreeMap<Who, Row> = BTreeMap::new();
    let blame = |rule: Option<u32>| evidence.blame(&Cause { rule, shield: None }).0;
    for (rule, parties) in &evidence.reached.by_rule {
        for (party, reaching) in parties {
            for who in members(evidence, *party) {
                let row = rows.entry(who).or_default();
                row.reached = true;
                row.unintended |= reaching.beyond;
                row.rules.extend(reaching.beyond.then(|| blame(*rule)));
            }
        }
    }
    for (party, witness) in &evidence.reached.witnesses {
        for who in members(evidence, *party) {
            let row = rows.entry(who).or_default();
            row.reached = true;
            row.witness = Some(witness.packet.clone());
        }
    }
    for evidence in std::iter::once(evidence).chain(scenarios) {
        harmed(evidence, &mut rows);
    }
    let mut listed: Vec<(Who, Row)> = rows.into_iter().collect();
    listed.sort_by(|(a_who, a), (b_who, b)| {
        let share = |row: &Row| row.worst.as_ref().map_or(0.0, |(share, _)| *share);
        let rank = |row: &Row| {
            (
                row.affected && row.unintended,
                row.affected,
                row.touched && row.unintended,
                row.touched,
            )
        };
        rank(b).cmp(&rank(a)).then(share(b).total_cmp(&share(a))).then(a_who.cmp(b_who))
    });
    listed.into_iter().map(|(who, row)| write(evidence, who, row)).collect()
}

/// Notes everyone touched or affected in one scenario; of equal losses the first one noted counts.
fn harmed(evidence: &Evidence<'_>, rows: &mut BTreeMap<Who, Row>) {
    for (party, causes) in &evidence.impact.touched {
        let all = members(evidence, *party);
        for cause in causes {
            let outside = evidence.impact.touched_outside.contains(&(*party, *cause));
            let meant = |who: &Who| is_meant(evidence, who.0, cause);
            // Where another intent forbids it, nobody is meant.
            let none_left = all.iter().all(meant);
            for who in &all {
                let row = rows.entry(*who).or_default();
                row.touched = true;
                row.reached = true;
                row.rules.insert(evidence.blame(cause).0);
                row.unintended |= outside && (none_left || !meant(who));
            }
        }
    }
    let certain: BTreeSet<usize> = evidence
        .affected
        .iter()
        .filter(|loss| loss.certainty == Certainty::Certain)
        .map(|loss| loss.group)
        .collect();
    for (at, group) in evidence.impact.groups.iter().enumerate() {
        let outside = certain.contains(&at);
        let party = group.id.party;
        let lost_by_protected = party.is_protected() && !group.total.newly_lost().least.is_zero();
        let meant = !group.total.newly_dropped().least.is_zero();
        if !outside && !lost_by_protected && !meant {
            continue;
        }
        let (share, worst) = worst_of(evidence, group);
        let excused = |who: &Who| {
            outside && group.total.collateral.keys().all(|cause| is_meant(evidence, who.0, cause))
        };
        let all = members(evidence, party);
        // Where another intent forbids the loss, it is everyone's.
        let none_left = all.iter().all(excused);
        for who in all.into_iter().filter(|who| none_left || !excused(who)) {
            let row = rows.entry(who).or_default();
            row.affected = true;
            row.unintended |= outside || party.is_protected();
            let causes = group.total.collateral.keys().chain(group.total.intended.keys());
            row.rules.extend(causes.map(|cause| evidence.blame(cause).0));
            if row.worst.as_ref().is_none_or(|(known, _)| share > *known) {
                row.worst = Some((share, worst.clone()));
            }
            let place = (group.id.pop, group.id.service);
            if row.losses.get(&place).is_none_or(|(known, _)| share > *known) {
                row.losses.insert(place, (share, worst.clone()));
            }
        }
    }
}

/// Expands a shared group into its sharers.
fn members(evidence: &Evidence<'_>, party: Party) -> Vec<Who> {
    match party {
        Party::Shared(id) => evidence.inventory().shared[id.0 as usize]
            .customers
            .iter()
            .map(|customer| (Party::Customer(*customer), Some(id)))
            .collect(),
        party => vec![(party, None)],
    }
}

fn is_meant(evidence: &Evidence<'_>, party: Party, cause: &Cause) -> bool {
    evidence.judges.of(cause.rule).may_affect.has_party(party, evidence.inventory())
}

fn worst_of(evidence: &Evidence<'_>, group: &Group) -> (f64, WorstGroup) {
    let lost = |traffic: &Traffic| {
        let (outside, within) = (traffic.newly_lost().least, traffic.newly_dropped().least);
        if outside.is_zero() { within } else { outside }
    };
    let share = |traffic: &Traffic| lost(traffic).greater_share(&traffic.offered);
    let mut worst = (None, &group.total);
    for (window, traffic) in group.spans() {
        if share(traffic) > share(worst.1) {
            worst = (window, traffic);
        }
    }
    let (window, traffic) = worst;
    // What the windows of this group lasted; at least a second, so that one packet is no rate.
    let lasted = |window: &i64| {
        evidence.windows.get(window).map_or(0.0, |(start, end)| end.abs_diff(*start) as f64 / 1e9)
    };
    let length = match window {
        Some(window) => lasted(&window),
        None => group.windows.iter().map(|(number, _)| lasted(number)).sum(),
    };
    let length = length.max(1.0);
    let passed = |kept: &Amount| Throughput {
        pps: traffic.offered.packets.saturating_sub(kept.packets) as f64 / length,
        bps: traffic.offered.bytes.saturating_sub(kept.bytes) as f64 * 8.0 / length,
    };
    let causes = traffic.collateral.keys().chain(traffic.intended.keys());
    let how = causes.map(|cause| how(evidence, cause)).next().unwrap_or("lost");
    let worst = WorstGroup {
        scenario: evidence.scenario.unwrap_or("recorded").to_owned(),
        pop: evidence.pop(group.id.pop),
        service: group.id.service.to_string(),
        lost_share: share(traffic),
        interval: group
            .is_sampled()
            .then(|| crate::affected::wilson(lost(traffic).raw, traffic.offered.raw)),
        how,
        before: passed(&traffic.before),
        after: passed(&traffic.after),
    };
    (share(traffic), worst)
}

fn how(evidence: &Evidence<'_>, cause: &Cause) -> &'static str {
    match cause.rule.map(|rule| &evidence.rule(rule).action.value) {
        Some(Action::Challenge) => "challenged",
        Some(Action::Redirect { .. }) => "redirected",
        Some(Action::RateLimit(limit)) if limit.exceed == Exceed::Challenge => "challenged",
        _ => "lost",
    }
}

fn write(evidence: &Evidence<'_>, (party, shared): Who, row: Row) -> CustomerImpact {
    let inventory = evidence.inventory();
    let customer = match party {
        Party::Customer(id) => Some(inventory.customer(id)),
        _ => None,
    };
    let mut losses: Vec<WorstGroup> = row.losses.into_values().map(|(_, worst)| worst).collect();
    // Ids decide no order that shows.
    losses.sort_by(|a, b| {
        let place = |one: &WorstGroup| (one.pop.clone(), one.service.clone());
        b.lost_share.total_cmp(&a.lost_share).then_with(|| place(a).cmp(&place(b)))
    });
    let more_losses = losses.len().saturating_sub(LOSSES);
    losses.truncate(LOSSES);
    CustomerImpact {
        id: party.name(inventory),
        tier: customer.and_then(|customer| customer.tier.clone()),
        group: shared.map(|id| shared_name(inventory, id)),
        inside: match party {
            Party::Customer(id) => inside(evidence, id),
            _ => Vec::new(),
        },
        intended: !row.unintended && !party.is_protected(),
        reached: row.reached,
        touched: row.touched,
        affected: row.affected,
        protected: party.is_protected(),
        worst: row.worst.map(|(_, worst)| worst),
        losses,
        more_losses,
        rules: row.rules.into_iter().collect(),
        witness: row.witness.as_ref().map_or_else(Vec::new, witness),
    }
}

/// Returns the customers that enclose a customer's first prefix, innermost first.
fn inside(evidence: &Evidence<'_>, id: CustomerId) -> Vec<String> {
    let customers = evidence.attribution.customers;
    let Some(prefix) = evidence.inventory().customer(id).prefixes.first() else {
        return Vec::new();
    };
    let range = prefix.value.range();
    let address = crate::model::Address { family: range.family, bits: range.first };
    customers
        .end(customers.lookup(address))
        .inside
        .iter()
        .filter(|outer| **outer != id)
        .map(|outer| evidence.inventory().customer(*outer).id.value.clone())
        .collect()
}

/// Writes a packet that would newly be harmed: whole, as `trace --packet` reads it, and by field.
fn witness(packet: &Packet) -> Vec<(String, String)> {
    let header = &packet.header;
    let mut fields = vec![
        ("packet", packet_text::format(packet)),
        ("src", header.src_address().to_string()),
        ("dst", header.dst_address().to_string()),
        ("protocol", packet_text::protocol(header.protocol)),
    ];
    if header.layers.has(Layers::PORTS) {
        fields.push(("src_port", header.src_port.to_string()));
        fields.push(("dst_port", header.dst_port.to_string()));
    }
    if header.layers.has(Layers::TCP_FLAGS) {
        fields.push(("tcp_flags", packet_text::flags(header.tcp_flags)));
    }
    if header.layers.has(Layers::ICMP) {
        fields.push(("icmp_type", header.icmp_type.to_string()));
        fields.push(("icmp_code", header.icmp_code.to_string()));
    }
    fields.push(("packet_length", header.packet_length.to_string()));
    fields.extend(packet.pop.iter().map(|pop| ("pop", pop.clone())));
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

//------------ Rules ---------------------------------------------------------

/// Lists what every candidate rule met.
pub fn rules(evidence: &Evidence<'_>) -> Vec<RuleHits> {
    let hits = &evidence.impact.hits;
    let one = |(rule, hits): (&crate::model::Rule, &crate::impact::Hits)| RuleHits {
        id: rule.id.clone(),
        location: rule.location,
        packets: hits.any.packets,
        attack_packets: hits.attack.packets,
    };
    evidence.candidate.rules.iter().zip(hits).map(one).collect()
}

//------------ Limits --------------------------------------------------------

/// Lists who shares the buckets of candidate limits, and which rates would do.
pub fn limits(evidence: &Evidence<'_>) -> Vec<LimitReport> {
    evidence.sharing.iter().filter_map(|sharing| limit(evidence, sharing)).collect()
}

fn limit(evidence: &Evidence<'_>, sharing: &Sharing) -> Option<LimitReport> {
    let rule = evidence.rule(sharing.rule);
    let Action::RateLimit(limit) = &rule.action.value else { return None };
    let all = sharing.sharers.iter().fold(0u64, |sum, one| {
        sum.saturating_add(one.legitimate.bytes).saturating_add(one.attack.bytes)
    });
    let share = |part: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
    let safe = evidence.safe_rates.iter().find(|safe| safe.rule == sharing.rule);
    let words = |rate: Option<crate::model::Rate>| rate.map(|rate| rate.to_string());
    Some(LimitReport {
        rule: rule.id.clone(),
        location: rule.location,
        is_changed: evidence.change.concerns(sharing.rule as usize),
        rate: limit.rate.to_string(),
        buckets: sharing.buckets,
        instance: match limit.scope {
            Scope::Pop => Some(evidence.pop(sharing.pop)),
            Scope::Router if sharing.exporter.is_none() => Some(evidence.pop(sharing.pop)),
            Scope::Exporter | Scope::Router => Some(evidence.pop(sharing.exporter)),
            Scope::Global => None,
        },
        key: sharing.key.clone(),
        peak: sharing.peak.to_string(),
        legitimate_peak: sharing.legitimate_peak.to_string(),
        sharers: sharing
            .sharers
            .iter()
            .map(|one| SharerReport {
                id: one.party.name(evidence.inventory()),
                legitimate_share: share(one.legitimate.bytes),
                attack_share: share(one.attack.bytes),
            })
            .collect(),
        takes: sharing.takes,
        safe: safe.map(|safe| SafeRateReport {
            harmless: words(safe.harmless),
            harmful_above: words(safe.harmful_above),
            always_harms: safe.always_harms,
            effective: words(safe.effective),
            idle_below: words(safe.idle_below),
            both: words(safe.both),
            always_harmless: safe.is_always_harmless(),
            must_stop: safe.must_stop,
            per_destination: words(safe.keyed),
        }),
    })
}

//------------ Attack --------------------------------------------------------

/// What becomes of the attack on one target.
#[derive(Default)]
struct Outcome {
    offered: Amount,
    running: Amount,
    candidate: Amount,
    is_defended: bool,
    must_stop: Option<Share>,
}

impl Outcome {
    fn defend(&mut self, judge: &Judge) {
        self.is_defended = true;
        self.must_stop = self.must_stop.max(judge.must_stop.as_ref().map(|share| share.value));
    }
}

/// Lists what becomes of the recorded attack, by its target.
pub fn attack(evidence: &Evidence<'_>) -> Vec<AttackOutcome> {
    let judges = || evidence.rules().map(|(_, _, judge)| judge);
    // Whom these defend shows only in the addresses.
    let by_prefix: Vec<&Judge> = judges().filter(|judge| judge.target.has_prefixes()).collect();
    let mut targets: BTreeMap<Party, Outcome> = BTreeMap::new();
    for ((ends, _), attack) in &evidence.impact.attack {
        let ends = &evidence.ends[*ends as usize];
        let outcome = targets.entry(evidence.attribution.victim(ends)).or_default();
        outcome.offered.add(attack.offered);
        outcome.running.add(attack.running.least);
        outcome.candidate.add(attack.candidate.least);
        for judge in &by_prefix {
            if judge.target.is_target(ends, evidence.attribution) {
                outcome.defend(judge);
            }
        }
    }
    targets
        .into_iter()
        .map(|(party, mut outcome)| {
            judges()
                .filter(|judge| judge.target.has_party(party, evidence.inventory()))
                .for_each(|judge| outcome.defend(judge));
            AttackOutcome {
                target: party.name(evidence.inventory()),
                stopped_share: outcome.candidate.smaller_share(&outcome.offered),
                running_share: outcome.running.smaller_share(&outcome.offered),
                is_defended: outcome.is_defended,
                must_stop: outcome.must_stop,
            }
        })
        .collect()
}

//------------ The line that says why -----------------------------------------

/// Says in one line why the verdict is what it is.
pub fn summary(
    verdict: Verdict,
    findings: &[Finding],
    customers: &[CustomerImpact],
    attack: &[AttackOutcome],
) -> String {
    match verdict {
        Verdict::Fail => {
            let hurt: Vec<&CustomerImpact> = customers
                .iter()
                .filter(|row| row.affected && !row.intended && !row.protected)
                .filter(|row| !is_waived(findings, &row.id))
                .collect();
            let names: BTreeSet<&str> = hurt.iter().map(|row| row.id.as_str()).collect();
            match hurt.first() {
                Some(first) => {
                    let share = first.worst.as_ref().map_or(0.0, |worst| worst.lost_share);
                    format!(
                        "{} affected beyond intent; worst: {} loses {}",
                        count(names.len(), "customer"),
                        first.id,
                        percent(share)
                    )
                }
                None => first_line(findings, |one| one.level == Level::Error)
                    .or_else(|| {
                        first_line(findings, |one| one.level == Level::Warning && !one.mild)
                    })
                    .unwrap_or_else(|| "the rules are bad".to_owned()),
            }
        }
        Verdict::CannotJudge => first_line(findings, |one| one.level == Level::Unknown)
            .unwrap_or_else(|| "the materials cannot be used".to_owned()),
        Verdict::Pass => {
            let waives_harm =
                findings.iter().any(|finding| finding.waived && finding.level == Level::Error);
            let beyond = if waives_harm { "intent and waivers" } else { "intent" };
            let mut parts = vec![format!("nobody is affected beyond {beyond}")];
            let defended = attack.iter().filter(|outcome| outcome.is_defended);
            if let Some(outcome) = defended.min_by(|a, b| {
                a.stopped_share.total_cmp(&b.stopped_share).then(a.target.cmp(&b.target))
            }) {
                parts.push(format!(
                    "{} of the attack on {} is stopped",
                    percent(outcome.stopped_share),
                    outcome.target
                ));
            }
            parts.join("; ")
        }
    }
}

/// Returns whether all that was found about a customer is waived, and something was.
fn is_waived(findings: &[Finding], customer: &String) -> bool {
    let mut about = findings
        .iter()
        .filter(|finding| finding.level == Level::Error && finding.customers.contains(customer))
        .peekable();
    about.peek().is_some() && about.all(|finding| finding.waived)
}

/// Counts what is waived, for the end of a summary; nothing if nothing is.
pub fn waived(findings: &[Finding]) -> String {
    match findings.iter().filter(|finding| finding.waived).count() {
        0 => String::new(),
        number => format!("; {} waived", count(number, "finding")),
    }
}

/// Says in one line what a lint found that did not fail: never in the words of a pass.
pub fn lint(evidence: &Evidence<'_>, findings: &[Finding]) -> String {
    let warnings = findings.iter().filter(|finding| !finding.waived).count();
    let found = if warnings == 0 { "clean".to_owned() } else { count(warnings, "warning") };
    let all = count(evidence.candidate.rules.len(), "rule");
    let rules = match (evidence.has_running, evidence.change.nothing) {
        (false, _) => all,
        (true, true) => format!("nothing changed in {all}"),
        (true, false) => {
            let concerned = |rule: &usize| evidence.change.concerns(*rule);
            let judged = (0..evidence.candidate.rules.len()).filter(concerned).count();
            format!("{judged} of {all} new or changed")
        }
    };
    let alone = match evidence.given {
        Needs::Rules => "without an inventory; ",
        Needs::Inventory | Needs::Traffic => "",
    };
    format!("{found} ({rules}; {alone}no traffic was judged)")
}

fn first_line(findings: &[Finding], is_meant: impl Fn(&Finding) -> bool) -> Option<String> {
    let finding = findings.iter().find(|finding| is_meant(finding) && !finding.waived)?;
    Some(match &finding.rule {
        Some(rule) => format!("{rule}: {}", finding.message),
        None => finding.message.clone(),
    })
}
