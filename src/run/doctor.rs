//! The wiring of `doctor`: reads everything as `check` would, and says what it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::open::Opened;
use super::{Plan, Recording, Run, Watch, evidence};
use crate::attribution::Attribution;
use crate::input;
use crate::inventory::customers::Customers;
use crate::inventory::detect_form;
use crate::judge;
use crate::matcher::{self, Hit, Matcher, Step, missing_words};
use crate::model::units::{age_in_words, percent};
use crate::model::{
    Address, Diagnostic, Family, Known, NameId, Names, Prefix, Record, RuleSet, Sampling, Sources,
    Timestamp,
};
use crate::replay::Progress;
use crate::report::Verdict;
use crate::result::doctor::{
    Covered, Doctor, Inventory, Rules, SCHEMA, Source, Traffic, Undecidable, Unowned,
};
use crate::traffic::{Knows, Piece};

/// What `doctor` found.
pub struct Doctored {
    /// What the materials are.
    pub doctor: Doctor,
    /// What is wrong with them, for people.
    pub problems: Vec<Diagnostic>,
    /// The texts that problems point into.
    pub sources: Sources,
}

const HOUR_NS: i64 = 3_600_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

/// How many networks without an owner are told apart; an attack from everywhere has more.
const MOST_NETWORKS: usize = 1 << 20;

/// How many of them are told.
const TOLD_NETWORKS: usize = 10;

/// Looks at everything that a check would read.
pub fn doctor(plan: Plan, watch: &Watch, progress: &(dyn Fn(u64) + Sync)) -> Doctored {
    let mut run = Run::new(plan);
    let doctor = run.doctor(watch, progress);
    Doctored { doctor, problems: run.problems, sources: run.sources }
}

/// Says that it was stopped, and why.
pub fn doctor_stopped(plan: Plan, why: Diagnostic) -> Doctored {
    let mut run = Run::new(plan);
    run.problems.push(why);
    let doctor = run.diagnose(Parts::default());
    Doctored { doctor, problems: run.problems, sources: run.sources }
}

/// What was found so far.
#[derive(Default)]
struct Parts {
    rules: Rules,
    inventory: Inventory,
    traffic: Vec<Traffic>,
    undecidable: Vec<Undecidable>,
    unowned: Vec<Unowned>,
    not_told_apart: u64,
}

impl Run {
    fn doctor(&mut self, watch: &Watch, progress: &(dyn Fn(u64) + Sync)) -> Doctor {
        self.meter = watch.meter();
        let [running, candidate] = self.rule_sets();
        let mut parts = Parts { rules: self.about_rules(&running, &candidate), ..Parts::default() };
        let inventory = self.inventory();
        parts.inventory = self.about_inventory(&inventory);
        if !self.failed() {
            self.check_pops(&candidate, &inventory);
        }
        let (_, customers, problems) = judge::resolve(&running, &candidate, &inventory);
        if !self.failed() {
            self.problems.extend(problems);
        }
        let names = Arc::new(Names::new());
        let attribution = Attribution::new(&inventory, &customers, &names);
        let matcher = matcher::compile([&candidate], &names);
        let mut ward = Ward::new(&matcher, &attribution, &customers, &names, candidate.rules.len());
        self.about_traffic(&mut ward, &mut parts, watch, progress);
        let all: u64 = parts.traffic.iter().map(|one| one.packets_estimated).sum();
        let share = |part: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        for (at, rule) in candidate.rules.iter().enumerate() {
            let Doubt { missing, packets, recordings } = std::mem::take(&mut ward.doubts[at]);
            if missing == 0 {
                continue;
            }
            parts.undecidable.push(Undecidable {
                rule: rule.id.clone(),
                file: self.sources.get(rule.location.source).name.to_string(),
                line: self.sources.line_column(rule.location).0,
                fields: missing_words(missing),
                packets_estimated: packets,
                share: share(packets),
                recordings,
            });
        }
        parts.undecidable.sort_by_key(|one| std::cmp::Reverse(one.packets_estimated));
        let mut networks: Vec<(Prefix, u64)> = ward.networks.into_iter().collect();
        networks.sort_unstable_by_key(|(prefix, packets)| (std::cmp::Reverse(*packets), *prefix));
        networks.truncate(TOLD_NETWORKS);
        let told = |(prefix, packets): (Prefix, u64)| Unowned {
            prefix: prefix.to_string(),
            packets_estimated: packets,
            share: share(packets),
        };
        parts.unowned = networks.into_iter().map(told).collect();
        parts.not_told_apart = ward.not_told_apart;
        let attributed = parts.traffic.iter().any(|one| one.attributed_share > 0.0);
        if all > 0 && !attributed && !self.failed() {
            self.problems.push(
                Diagnostic::bare("no recorded packet is to or from anyone in the inventory")
                    .help("the inventory and the recording are not of the same network"),
            );
        }
        self.diagnose(parts)
    }

    fn diagnose(&mut self, parts: Parts) -> Doctor {
        let errors: Vec<&Diagnostic> = self
            .problems
            .iter()
            .filter(|problem| problem.severity == crate::model::Severity::Error)
            .collect();
        let summary = match errors.as_slice() {
            [] => "all of it can be used".to_owned(),
            [one] => one.message.clone(),
            [first, ..] => format!("{} problems; the first: {}", errors.len(), first.message),
        };
        let verdict = if errors.is_empty() { Verdict::Pass } else { Verdict::CannotJudge };
        Doctor {
            schema: SCHEMA,
            verdict,
            exit_code: verdict.exit_code(),
            summary,
            settings: Vec::new(),
            rules: parts.rules,
            inventory: parts.inventory,
            traffic: parts.traffic,
            undecidable: parts.undecidable,
            unowned: parts.unowned,
            unowned_not_told_apart: parts.not_told_apart,
        }
    }

    fn about_rules(&self, running: &RuleSet, candidate: &RuleSet) -> Rules {
        let parsed = self.parsed[1].as_ref();
        Rules {
            candidate: self.candidate_name(),
            language: parsed.map(|parsed| parsed.language().name.to_owned()),
            files: parsed.map_or(0, |parsed| parsed.texts().count()),
            rules: candidate.rules.len(),
            running: self.running.clone(),
            running_rules: running.rules.len(),
        }
    }

    fn about_inventory(&self, inventory: &crate::model::Inventory) -> Inventory {
        let named = |name: &str| {
            let texts = (0..self.sources.len()).map(|at| crate::model::SourceId(at as u32));
            texts.map(|id| self.sources.get(id)).find(|source| *source.name == *name)
        };
        let of = |file: &super::InventoryFile| {
            let path = input::shown(&file.path);
            let told = || named(&path).and_then(|source| detect_form(source));
            let form = file.form.or_else(told).map_or("unknown", |form| form.name);
            Source { path, form: form.to_owned() }
        };
        Inventory {
            files: self.plan.inventory.iter().map(of).collect(),
            vrf: self.plan.vrf.clone(),
            customers: inventory.customers.len(),
            prefixes: inventory.customers.iter().map(|one| one.prefixes.len()).sum(),
            shared: inventory.shared.len(),
            infrastructure: inventory.infrastructure.len(),
            pops: inventory.pops.as_ref().map(Vec::len),
        }
    }

    fn about_traffic(
        &mut self,
        ward: &mut Ward<'_>,
        parts: &mut Parts,
        watch: &Watch,
        progress: &(dyn Fn(u64) + Sync),
    ) {
        let is_named = !self.plan.traffic.is_empty();
        let mut recordings: Vec<(Recording, Option<String>)> =
            self.recordings().into_iter().map(|one| (one, None)).collect();
        recordings.sort_by_key(|(recording, _)| input::shown(&recording.path));
        if !is_named {
            self.problems.push(
                Diagnostic::bare("no traffic is named: what would be hurt?")
                    .help("name a recording with `--traffic FILE`, or in `blastgate.yaml`"),
            );
        }
        recordings.extend(self.plan.scenarios.iter().filter_map(|scenario| {
            let name = scenario.config.name.value.clone();
            Some((Recording::plain(scenario.adds.clone()?), Some(name)))
        }));
        watch.turn_to(super::Stage::Traffic);
        let paths = recordings.iter().map(|(recording, _)| recording.path.as_path());
        watch.expect(paths.filter_map(input::size).sum());
        for (recording, scenario) in recordings {
            let mut traffic = empty(&recording, scenario);
            if recording.sampling == Some(Sampling::Unknown) {
                let message =
                    format!("nobody knows how {} was sampled: it is left aside", traffic.path);
                let help = "find out for how many packets a recorded one stands; `--sampling N`";
                self.problems.push(Diagnostic::bare(message).help(help));
            }
            if let Some(opened) = self.open(&recording, &Arc::clone(ward.names)) {
                let more = |records: u64| {
                    watch.add(Progress { records, ..Progress::default() });
                    progress(records);
                };
                self.examine(opened, &recording, ward, &mut traffic, &more);
            }
            parts.traffic.push(traffic);
        }
    }

    fn examine(
        &mut self,
        opened: Opened,
        recording: &Recording,
        ward: &mut Ward<'_>,
        traffic: &mut Traffic,
        progress: &dyn Fn(u64),
    ) {
        let Opened { mut reader, form, packed, .. } = opened;
        traffic.form = Some(form.name.to_owned());
        traffic.compression = packed.map(str::to_owned);
        traffic.knows = knows(&form.knows);
        let (mut piece, mut sums) = (Piece::new(), Sums::default());
        loop {
            match reader.cut(&mut piece) {
                Ok(true) => {}
                Ok(false) => break,
                Err(problem) => {
                    self.problems.push(*problem);
                    break;
                }
            }
            while let Some(batch) = piece.decode() {
                for record in batch.iter() {
                    ward.see(record, &traffic.path, &mut sums);
                }
                progress(batch.len() as u64);
            }
        }
        let counts = reader.counts();
        self.problems.extend(evidence::problems_of(recording, &counts));
        traffic.overridden = counts.overridden;
        let unread: u64 = counts.unread.values().sum();
        let met = counts.records.saturating_add(unread);
        traffic.frames = counts.frames;
        traffic.records = counts.records;
        traffic.unread_share = if met == 0 { 0.0 } else { unread as f64 / met as f64 };
        sums.tell(traffic, ward.names);
        if reader.has_age() {
            sums.tell_age(traffic, self.plan.standards.now);
        }
        let most = self.plan.standards.max_unjudged;
        if counts.records > 0 && most.exceeded_by(u128::from(unread), u128::from(met)) {
            let why = counts.unread.iter().max_by_key(|(_, count)| **count);
            let message = format!(
                "{} of {} is unread ({}), more than {}",
                percent(traffic.unread_share),
                traffic.path,
                why.map_or("", |(why, _)| why.as_str()),
                percent(most.as_f64())
            );
            let help = "name a whole recording, or allow it: `evidence: {max_unjudged: …}`";
            self.problems.push(Diagnostic::bare(message).help(help));
        }
        if counts.records > 0 && counts.unknown_sampling > 0 {
            let message = format!(
                "nobody knows how {} flows or samples of {} were sampled",
                counts.unknown_sampling, traffic.path
            );
            let help = "state with `--sampling N` for how many packets one of them stands";
            self.problems.push(Diagnostic::bare(message).help(help));
        }
        traffic.unread = counts.unread.into_iter().collect();
        traffic.other = counts.other.into_iter().collect();
        self.check_age(recording, traffic);
    }

    /// Reports a recording that is too old, or of the future.
    fn check_age(&mut self, recording: &Recording, traffic: &Traffic) {
        let Some(age) = traffic.age_seconds else { return };
        let most = self.plan.standards.max_traffic_age_ns / SECOND_NS as u64;
        let name = input::shown(&recording.path);
        let problem = if i128::from(age) > i128::from(most) {
            Diagnostic::bare(format!("the newest packet of {name} is {} old", age_in_words(age)))
                .help("record anew, or allow the age with `--max-age`")
        } else if age < -86_400 {
            Diagnostic::bare(format!("the newest packet of {name} is of the future"))
                .help("look at the clocks, or say `--now`")
        } else {
            return;
        };
        self.problems.push(problem);
    }
}

fn empty(recording: &Recording, scenario: Option<String>) -> Traffic {
    Traffic {
        path: input::shown(&recording.path),
        form: None,
        compression: None,
        size_bytes: input::size(&recording.path),
        scenario,
        knows: BTreeMap::new(),
        observed: if recording.observed_after.is_some() { "after" } else { "before" },
        frames: 0,
        records: 0,
        packets_recorded: 0,
        packets_estimated: 0,
        bytes_estimated: 0,
        sampling: None,
        overridden: 0,
        unread: BTreeMap::new(),
        unread_share: 0.0,
        other: BTreeMap::new(),
        attributed_share: 0.0,
        undecidable_share: 0.0,
        oldest: None,
        newest: None,
        age_seconds: None,
        pops: BTreeMap::new(),
        hours: BTreeMap::new(),
    }
}

fn knows(knows: &Knows) -> BTreeMap<String, String> {
    [
        ("unit", knows.unit),
        ("tcp_flags", knows.flags),
        ("icmp", knows.icmp),
        ("packet_length", knows.length),
        ("ttl", knows.ttl),
        ("fragments", knows.fragments),
        ("bytes", knows.bytes),
        ("sampling", knows.sampling),
        ("times", knows.times),
        ("enforcement", knows.enforcement),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .collect()
}

//------------ Looking at records ----------------------------------------------

/// Looks at records one by one.
struct Ward<'a> {
    matcher: &'a Matcher,
    attribution: &'a Attribution<'a>,
    customers: &'a Customers,
    names: &'a Arc<Names>,
    hits: Vec<Hit>,
    steps: Vec<Step>,
    /// By candidate rule.
    doubts: Vec<Doubt>,
    /// Networks without an owner.
    networks: HashMap<Prefix, u64, FixedState>,
    not_told_apart: u64,
}

/// How often it cannot be told whether a rule takes a packet.
#[derive(Clone, Default)]
struct Doubt {
    missing: u32,
    packets: u64,
    recordings: Vec<String>,
}

impl<'a> Ward<'a> {
    fn new(
        matcher: &'a Matcher,
        attribution: &'a Attribution<'a>,
        customers: &'a Customers,
        names: &'a Arc<Names>,
        rules: usize,
    ) -> Ward<'a> {
        Ward {
            matcher,
            attribution,
            customers,
            names,
            hits: Vec::new(),
            steps: Vec::new(),
            doubts: vec![Doubt::default(); rules],
            networks: HashMap::default(),
            not_told_apart: 0,
        }
    }

    fn see(&mut self, record: &Record, file: &str, sums: &mut Sums) {
        let packets = record.packets.saturating_mul(u64::from(record.weight));
        let ends = self.attribution.attribute(record);
        let nobody = self.customers.nobody();
        let is_owned = ends.named.is_some()
            || !ends.protected.is_empty()
            || [ends.src, ends.dst].into_iter().flatten().any(|end| {
                end != nobody && {
                    let owner = self.customers.end(end).owner;
                    owner != crate::inventory::customers::Owner::Nobody
                }
            });
        if !is_owned {
            let header = &record.header;
            for (known, address) in
                [(Known::SRC, header.src_address()), (Known::DST, header.dst_address())]
            {
                if header.known.has(known) {
                    self.note_network(address, packets);
                }
            }
        }
        self.matcher.hits(record, &mut self.hits);
        let is_doubtful = self.hits.iter().any(|hit| hit.missing != 0);
        if is_doubtful {
            self.matcher.steps(0, &self.hits, &mut self.steps);
            for step in self.steps.iter().filter(|step| step.missing != 0) {
                let doubt = &mut self.doubts[step.rule as usize];
                doubt.missing |= step.missing;
                doubt.packets = doubt.packets.saturating_add(packets);
                if doubt.recordings.last().is_none_or(|last| last != file) {
                    doubt.recordings.push(file.to_owned());
                }
            }
        }
        sums.add(record, packets, is_owned, is_doubtful);
    }

    fn note_network(&mut self, address: Address, packets: u64) {
        let length = match address.family {
            Family::V4 => 24,
            Family::V6 => 48,
        };
        let network = Prefix::new(address, length);
        if self.networks.len() >= MOST_NETWORKS && !self.networks.contains_key(&network) {
            self.not_told_apart = self.not_told_apart.saturating_add(packets);
            return;
        }
        let sum = self.networks.entry(network).or_default();
        *sum = sum.saturating_add(packets);
    }
}

/// What a recording adds up to.
#[derive(Default)]
struct Sums {
    all: Covered,
    bytes: u64,
    owned: u64,
    doubtful: u64,
    weights: Option<[u32; 2]>,
    times_ns: Option<[i64; 2]>,
    pops: BTreeMap<Option<NameId>, Covered>,
    hours: BTreeMap<i64, Covered>,
}

impl Sums {
    fn add(&mut self, record: &Record, packets: u64, is_owned: bool, is_doubtful: bool) {
        let hour = record.time_ns.div_euclid(HOUR_NS);
        let pop = self.pops.entry(record.pop).or_default();
        for covered in [&mut self.all, pop, self.hours.entry(hour).or_default()] {
            covered.records += 1;
            covered.packets_recorded = covered.packets_recorded.saturating_add(record.packets);
            covered.packets_estimated = covered.packets_estimated.saturating_add(packets);
        }
        let bytes = record.bytes.saturating_mul(u64::from(record.weight));
        self.bytes = self.bytes.saturating_add(bytes);
        for (holds, sum) in [(is_owned, &mut self.owned), (is_doubtful, &mut self.doubtful)] {
            *sum = sum.saturating_add(if holds { packets } else { 0 });
        }
        let [least, most] = self.weights.get_or_insert([record.weight; 2]);
        (*least, *most) = ((*least).min(record.weight), (*most).max(record.weight));
        let end_ns = record.time_ns.saturating_add_unsigned(record.duration_ns);
        let [first, last] = self.times_ns.get_or_insert([record.time_ns, end_ns]);
        (*first, *last) = ((*first).min(record.time_ns), (*last).max(end_ns));
    }

    fn tell(&self, traffic: &mut Traffic, names: &Names) {
        let share = |part: u64| match self.all.packets_estimated {
            0 => 0.0,
            all => part as f64 / all as f64,
        };
        traffic.packets_recorded = self.all.packets_recorded;
        traffic.packets_estimated = self.all.packets_estimated;
        traffic.bytes_estimated = self.bytes;
        traffic.sampling = self.weights;
        traffic.attributed_share = share(self.owned);
        traffic.undecidable_share = share(self.doubtful);
        let name = |pop: &Option<NameId>| match pop {
            Some(pop) => names.name(*pop).to_string(),
            None => "(unknown)".to_owned(),
        };
        traffic.pops = self.pops.iter().map(|(pop, covered)| (name(pop), *covered)).collect();
    }

    fn tell_age(&self, traffic: &mut Traffic, now: Timestamp) {
        let Some([first, last]) = self.times_ns else { return };
        traffic.oldest = Some(Timestamp(first).to_string());
        traffic.newest = Some(Timestamp(last).to_string());
        let age_ns = i128::from(now.0) - i128::from(last);
        traffic.age_seconds = i64::try_from(age_ns / i128::from(SECOND_NS)).ok();
        let hour = |hour: i64| Timestamp(hour.saturating_mul(HOUR_NS)).to_string();
        traffic.hours = self.hours.iter().map(|(at, covered)| (hour(*at), *covered)).collect();
    }
}
