//! The config file `blastgate.yaml`: which rules, inventory and traffic belong together, and what
//! counts as evidence.
//!
//! Text in, typed values with their places out. Nothing is opened here, paths are as written
//! (relative to the config file), and names of PoPs, tiers and forms are not looked up: whoever
//! uses a value checks it. What `labels` match is read by the parser that the caller hands in, so
//! that the config knows no rule language.

use crate::model::{
    Columns, Diagnostic, Direction, Intent, Label, Match, Sampling, Severity, Share, SourceId,
    Spanned,
};
use crate::words;
use crate::yaml::{self, Decoder, Fields, Node, Value};

mod columns;
mod scenarios;

pub use scenarios::{DrainTo, Factor, ScenarioConfig, ScenarioKind, Selection};

/// The name of the file that is looked for.
pub const FILE_NAME: &str = "blastgate.yaml";

/// Reads a match map, and reports what is wrong with it.
pub type ParseMatch<'a> = &'a mut dyn FnMut(&Node, &mut Decoder) -> Option<Match>;

/// Reads an intent, and reports what is wrong with it.
pub type ParseIntent<'a> = &'a mut dyn FnMut(&Node, &mut Decoder) -> Option<Intent>;

/// All that a config says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The candidate rules, if it names any.
    pub rules: Option<RulesConfig>,
    /// Inventory files; never listed twice.
    pub inventory: Vec<InventoryConfig>,
    /// The VRF whose table of the inventory is judged by.
    pub vrf: Option<Spanned<String>>,
    /// Recordings; never listed twice.
    pub traffic: Vec<TrafficConfig>,
    /// What counts as attack, or not, when the recording does not say.
    pub labels: Labels,
    /// What-if traffic; names are unique.
    pub scenarios: Vec<ScenarioConfig>,
    /// What counts as evidence.
    pub evidence: EvidenceConfig,
    /// Ports that name a service besides the well-known ones.
    pub services: Vec<Spanned<u16>>,
    /// The file that knows country and AS of prefixes.
    pub geo: Option<Spanned<String>>,
    /// Where redirected traffic ends up; names are unique.
    pub redirects: Vec<RedirectConfig>,
    /// Files of waivers; never listed twice.
    pub waivers: Vec<Spanned<String>>,
    /// What rules are for whose language has no place for it; none twice for one rule.
    pub intents: Vec<IntentConfig>,
}

/// What one rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentConfig {
    /// The rule file.
    pub file: Spanned<String>,
    /// The id of the rule; `default` is the end of the set.
    pub rule: Spanned<String>,
    /// What it is for.
    pub intent: Intent,
}

/// Where the candidate rules are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesConfig {
    /// Files and folders; at least one, none twice.
    pub paths: Vec<Spanned<String>>,
    /// Their language, when it cannot be told from the files.
    pub language: Option<Spanned<String>>,
    /// The hooks that packets pass, for languages that have any.
    pub path: Option<Spanned<String>>,
    /// The interface by which packets come in.
    pub iif: Option<Spanned<String>>,
    /// The interface by which packets go out.
    pub oif: Option<Spanned<String>>,
}

/// One inventory file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryConfig {
    /// The file.
    pub path: Spanned<String>,
    /// Its form, when it cannot be told from the file.
    pub format: Option<Spanned<String>>,
    /// Whose the prefixes are of which the file does not say it.
    pub customer: Option<Spanned<String>>,
    /// The column that says whose a prefix is.
    pub customer_column: Option<Spanned<String>>,
}

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficConfig {
    /// The file.
    pub path: Spanned<String>,
    /// Its form, when it cannot be told from the file.
    pub format: Option<Spanned<String>>,
    /// The PoP of all records that do not name one.
    pub pop: Option<Spanned<String>>,
    /// One record stands for so many; overrides the file's own. Never zero.
    pub sampling: Option<Sampling>,
    /// The label of all records; overrides the file's own.
    pub label: Option<Label>,
    /// On which side of the running rules it was recorded.
    pub observed: Observed,
    /// What becomes of traffic that a filter had dropped when it was recorded.
    pub drops: Drops,
    /// The direction of all records that do not name one.
    pub direction: Option<Direction>,
    /// Whether tunnels are looked through.
    pub inner: bool,
    /// What its columns are called, if it is rows.
    pub columns: Option<Columns>,
    /// The time zone of local times in it.
    pub zone: Option<Spanned<String>>,
}

/// On which side of the running rules a recording was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Observed {
    /// Before them: it shows what they drop.
    #[default]
    Before,
    /// After them: what they hid is unknown.
    After,
}

/// What becomes of traffic that a filter had dropped when it was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drops {
    /// It did not arrive, and is left out.
    #[default]
    LeaveOut,
    /// It counts, as that filter is not there or will not be.
    Count,
}

/// What counts as attack when the recording does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Packets of an attack.
    pub attack: Vec<Match>,
    /// Packets that are legitimate.
    pub legit: Vec<Match>,
}

/// What counts as evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceConfig {
    /// Older recordings are refused, in nanoseconds; within the range of `i64`.
    pub max_traffic_age_ns: u64,
    /// A group with fewer raw records is not judged alone; at least one.
    pub min_samples: u64,
    /// The largest share of legitimate traffic that may stay unjudged.
    pub max_unjudged: Share,
    /// Tiers of which every customer must be judged.
    pub must_judge: Vec<Spanned<String>>,
    /// Length of a window in nanoseconds; at least a second and within the range of `i64`.
    pub window_ns: u64,
}

const SECOND_NS: u64 = 1_000_000_000;

impl Default for EvidenceConfig {
    fn default() -> EvidenceConfig {
        EvidenceConfig {
            max_traffic_age_ns: 7 * 86_400 * SECOND_NS,
            min_samples: 30,
            max_unjudged: Share(Share::ONE / 20),
            must_judge: Vec::new(),
            window_ns: 5 * 60 * SECOND_NS,
        }
    }
}

/// What becomes of traffic that is redirected to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectConfig {
    /// The place, as rules name it.
    pub name: Spanned<String>,
    /// What happens there.
    pub effect: RedirectEffect,
}

/// What happens to legitimate traffic at the end of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectEffect {
    /// It is cleaned and counts as delivered.
    Clean,
    /// It is lost.
    Lost,
}

const KEYS: &[&str] = &[
    "version",
    "rules",
    "inventory",
    "vrf",
    "traffic",
    "labels",
    "scenarios",
    "evidence",
    "services",
    "geo",
    "redirects",
    "waivers",
    "intents",
];

/// Parses a config. There is none if anything in it is an error; all problems are returned, in the
/// order of the text.
pub fn parse(
    source: SourceId,
    text: &str,
    parse_match: ParseMatch<'_>,
    parse_intent: ParseIntent<'_>,
) -> (Option<Config>, Vec<Diagnostic>) {
    let root = match yaml::parse(source, text) {
        Ok(root) => root,
        Err(problem) => return (None, vec![problem]),
    };
    let mut decoder = Decoder::new();
    let config = config(&mut decoder, &root, parse_match, parse_intent);
    let mut problems = decoder.problems;
    problems.sort_by_key(|problem| problem.location);
    let broken = problems.iter().any(|problem| problem.severity == Severity::Error);
    (config.filter(|_| !broken), problems)
}

fn config(
    decoder: &mut Decoder,
    root: &Node,
    parse_match: ParseMatch<'_>,
    parse_intent: ParseIntent<'_>,
) -> Option<Config> {
    let fields = decoder.map(root, "the config", KEYS)?;
    decoder.version(fields, "the config");
    Some(Config {
        rules: fields.get("rules").and_then(|node| rules(decoder, node)),
        inventory: fields.get("inventory").map(|node| inventory(decoder, node)).unwrap_or_default(),
        vrf: name(decoder, fields, "vrf"),
        traffic: fields.get("traffic").map(|node| traffic(decoder, node)).unwrap_or_default(),
        labels: fields
            .get("labels")
            .map(|node| labels(decoder, node, parse_match))
            .unwrap_or_default(),
        scenarios: fields
            .get("scenarios")
            .map(|node| scenarios::scenarios(decoder, node))
            .unwrap_or_default(),
        evidence: fields.get("evidence").map(|node| evidence(decoder, node)).unwrap_or_default(),
        services: fields.get("services").map(|node| services(decoder, node)).unwrap_or_default(),
        geo: name(decoder, fields, "geo"),
        redirects: fields.get("redirects").map(|node| redirects(decoder, node)).unwrap_or_default(),
        waivers: listed(decoder, fields, "waivers"),
        intents: fields
            .get("intents")
            .map(|node| intents(decoder, node, parse_intent))
            .unwrap_or_default(),
    })
}

fn intents(decoder: &mut Decoder, node: &Node, parse_intent: ParseIntent<'_>) -> Vec<IntentConfig> {
    let what = "an entry of `intents`";
    let mut intents: Vec<IntentConfig> = Vec::new();
    for item in decoder.list(node, "`intents`").unwrap_or_default() {
        let Some(fields) = decoder.map(item, what, &["file", "rule", "intent"]) else { continue };
        for key in ["file", "rule"] {
            decoder.require(fields, key, what);
        }
        let (file, rule) = (name(decoder, fields, "file"), name(decoder, fields, "rule"));
        let value = decoder.require(fields, "intent", what);
        let intent = value.and_then(|value| parse_intent(value, decoder));
        let (Some(file), Some(rule), Some(intent)) = (file, rule, intent) else { continue };
        // The value may be many lines; the rule is one word.
        let intent = Intent { location: rule.location, ..intent };
        let same = |one: &&IntentConfig| one.file == file && one.rule == rule;
        match intents.iter().find(same) {
            Some(first) => {
                let message = format!("rule `{}` has two intents here", rule.value.escape_debug());
                decoder.report(
                    Diagnostic::error(rule.location, message)
                        .label("again here")
                        .also(first.rule.location, "first here")
                        .help("keep one of them"),
                );
            }
            None => intents.push(IntentConfig { file, rule, intent }),
        }
    }
    intents
}

fn rules(decoder: &mut Decoder, node: &Node) -> Option<RulesConfig> {
    let fields = decoder.map(node, "`rules`", &["paths", "language", "path", "iif", "oif"])?;
    decoder.require(fields, "paths", "`rules`")?;
    Some(RulesConfig {
        paths: listed(decoder, fields, "paths"),
        language: name(decoder, fields, "language"),
        path: name(decoder, fields, "path"),
        iif: name(decoder, fields, "iif"),
        oif: name(decoder, fields, "oif"),
    })
}

fn inventory(decoder: &mut Decoder, node: &Node) -> Vec<InventoryConfig> {
    let keys = ["path", "format", "customer", "customer_column"];
    let mut files: Vec<InventoryConfig> = Vec::new();
    for item in decoder.one_or_more(node, "`inventory`").unwrap_or_default() {
        let mut file = InventoryConfig {
            path: Spanned::new(String::new(), item.location),
            format: None,
            customer: None,
            customer_column: None,
        };
        let path = if matches!(item.value, Value::Map(_)) {
            let Some(fields) = decoder.map(item, "an inventory", &keys) else { continue };
            file.format = name(decoder, fields, "format");
            file.customer = name(decoder, fields, "customer");
            file.customer_column = name(decoder, fields, "customer_column");
            let path = decoder.require(fields, "path", "an inventory");
            path.and_then(|node| spanned(decoder, node, "the path"))
        } else {
            spanned(decoder, item, "an entry of `inventory`")
        };
        let Some(path) = path else { continue };
        if once(decoder, files.iter().map(|other| &other.path), &path) {
            file.path = path;
            files.push(file);
        }
    }
    files
}

fn traffic(decoder: &mut Decoder, node: &Node) -> Vec<TrafficConfig> {
    let keys = [
        "path",
        "format",
        "pop",
        "sampling",
        "label",
        "observed",
        "drops",
        "direction",
        "inner",
        "columns",
        "zone",
    ]
    .as_slice();
    let mut recordings: Vec<TrafficConfig> = Vec::new();
    for item in decoder.list(node, "`traffic`").unwrap_or_default() {
        let Some(fields) = decoder.map(item, "a recording", keys) else { continue };
        let path = decoder.require(fields, "path", "a recording");
        let path = path.and_then(|node| spanned(decoder, node, "the path"));
        let sampling = fields.get("sampling").and_then(|node| sampling(decoder, node));
        let label = [("legit", Label::Legit), ("attack", Label::Attack)].as_slice();
        let label = choose(decoder, fields, "label", label);
        let observed = [("before", Observed::Before), ("after", Observed::After)].as_slice();
        let observed = choose(decoder, fields, "observed", observed).unwrap_or_default();
        let drops = [("leave_out", Drops::LeaveOut), ("count", Drops::Count)].as_slice();
        let drops = choose(decoder, fields, "drops", drops).unwrap_or_default();
        let direction = [("ingress", Direction::Ingress), ("egress", Direction::Egress)].as_slice();
        let direction = choose(decoder, fields, "direction", direction);
        let inner = fields.get("inner").and_then(|node| decoder.boolean(node, "`inner`"));
        let columns = fields.get("columns").and_then(|node| columns::columns(decoder, node));
        let recording = path.map(|path| TrafficConfig {
            path,
            format: name(decoder, fields, "format"),
            pop: name(decoder, fields, "pop"),
            sampling,
            label,
            observed,
            drops,
            direction,
            inner: inner.unwrap_or(false),
            columns,
            zone: name(decoder, fields, "zone"),
        });
        if let Some(recording) = recording
            && once(decoder, recordings.iter().map(|other| &other.path), &recording.path)
        {
            recordings.push(recording);
        }
    }
    recordings
}

fn sampling(decoder: &mut Decoder, node: &Node) -> Option<Sampling> {
    let text = decoder.text(node, "`sampling`")?;
    let sampling = text.parse();
    if let Err(expected) = sampling {
        decoder.report(
            Diagnostic::error(node.location, format!("a record cannot stand for {text}"))
                .label(format!("should be {expected}"))
                .help("write `sampling: 1000` for one recorded in 1000, `sampling: 1` for all"),
        );
    }
    sampling.ok()
}

fn labels(decoder: &mut Decoder, node: &Node, parse_match: ParseMatch<'_>) -> Labels {
    let mut labels = Labels::default();
    let Some(fields) = decoder.map(node, "`labels`", &["attack", "legit"]) else { return labels };
    for (key, matches) in [("attack", &mut labels.attack), ("legit", &mut labels.legit)] {
        let Some(node) = fields.get(key) else { continue };
        for item in decoder.list(node, &format!("`{key}`")).unwrap_or_default() {
            let before = decoder.problems.len();
            match parse_match(item, decoder) {
                Some(found) => matches.push(found),
                // What is left out silently would count as legitimate.
                None if decoder.problems.len() == before => {
                    decoder.mismatch(item, "a match map");
                }
                None => {}
            }
        }
    }
    labels
}

fn evidence(decoder: &mut Decoder, node: &Node) -> EvidenceConfig {
    let mut evidence = EvidenceConfig::default();
    let keys = ["max_traffic_age", "min_samples", "max_unjudged", "must_judge", "window"];
    let Some(fields) = decoder.map(node, "`evidence`", &keys) else { return evidence };
    if let Some(node) = fields.get("max_traffic_age")
        && let Some(age) = duration(decoder, node, 1)
    {
        evidence.max_traffic_age_ns = age;
    }
    if let Some(node) = fields.get("min_samples")
        && let Some(samples) = decoder.number(node, "`min_samples`")
    {
        if samples == 0 {
            decoder.report(
                Diagnostic::error(node.location, "nothing is no evidence")
                    .label("should be at least 1")
                    .help("write `min_samples: 30`"),
            );
        }
        evidence.min_samples = samples;
    }
    if let Some(node) = fields.get("max_unjudged")
        && let Some(share) = words::read(decoder, node, "`max_unjudged`", words::share)
    {
        evidence.max_unjudged = share;
    }
    evidence.must_judge = listed(decoder, fields, "must_judge");
    if let Some(node) = fields.get("window")
        && let Some(window) = duration(decoder, node, SECOND_NS)
    {
        evidence.window_ns = window;
    }
    evidence
}

/// Reads a duration that fits the range of times.
fn duration(decoder: &mut Decoder, node: &Node, least: u64) -> Option<u64> {
    let duration = words::read(decoder, node, "the duration", words::duration)?;
    let problem = if i64::try_from(duration).is_err() {
        Diagnostic::error(node.location, "a duration this long is not counted")
            .label("longer than 292 years")
            .help("write a duration such as `7d` or `5m`")
    } else if duration < least {
        Diagnostic::error(node.location, "a window this short shows nothing")
            .label("should be at least `1s`")
            .help("write `5m`")
    } else {
        return Some(duration);
    };
    decoder.report(problem);
    None
}

fn services(decoder: &mut Decoder, node: &Node) -> Vec<Spanned<u16>> {
    let mut ports: Vec<Spanned<u16>> = Vec::new();
    for item in decoder.list(node, "`services`").unwrap_or_default() {
        let Some((first, last)) = words::read(decoder, item, "the port", words::port) else {
            continue;
        };
        match u16::try_from(first) {
            Ok(port) if first == last && port > 0 => {
                let port = Spanned::new(port, item.location);
                if once(decoder, ports.iter(), &port) {
                    ports.push(port);
                }
            }
            _ => decoder.report(
                Diagnostic::error(item.location, "a service is named by one port")
                    .label("should be a port from 1 to 65535")
                    .help("list each port: `services: [8000, 9000]`"),
            ),
        }
    }
    ports
}

fn redirects(decoder: &mut Decoder, node: &Node) -> Vec<RedirectConfig> {
    let mut redirects: Vec<RedirectConfig> = Vec::new();
    for item in decoder.list(node, "`redirects`").unwrap_or_default() {
        let Some(fields) = decoder.map(item, "a redirect", &["name", "effect"]) else { continue };
        let named = decoder.require(fields, "name", "a redirect");
        let named = named.and_then(|node| spanned(decoder, node, "the name"));
        decoder.require(fields, "effect", "a redirect");
        let effects = [("clean", RedirectEffect::Clean), ("lost", RedirectEffect::Lost)];
        let effect = choose(decoder, fields, "effect", &effects);
        if let (Some(name), Some(effect)) = (named, effect)
            && once(decoder, redirects.iter().map(|other| &other.name), &name)
        {
            redirects.push(RedirectConfig { name, effect });
        }
    }
    redirects
}

//------------ Common shapes ---------------------------------------------------

/// Reads a text and keeps its place.
fn spanned(decoder: &mut Decoder, node: &Node, what: &str) -> Option<Spanned<String>> {
    decoder.text(node, what).map(|text| Spanned::new(text.to_owned(), node.location))
}

/// Reads the text of a key, if the key is there.
fn name(decoder: &mut Decoder, fields: Fields<'_>, key: &str) -> Option<Spanned<String>> {
    spanned(decoder, fields.get(key)?, &format!("`{key}`"))
}

/// Reads one of the words that a key can have, if the key is there.
fn choose<T: Copy>(
    decoder: &mut Decoder,
    fields: Fields<'_>,
    key: &str,
    known: &[(&str, T)],
) -> Option<T> {
    words::choice(decoder, fields.get(key)?, &format!("value of `{key}`"), known)
}

/// Reads the list of a key, as [`distinct`] does; nothing if the key is not there.
fn listed(decoder: &mut Decoder, fields: Fields<'_>, key: &str) -> Vec<Spanned<String>> {
    let Some(node) = fields.get(key) else { return Vec::new() };
    distinct(decoder, node, key)
}

/// Reads a list of texts (or one text) of which none is said twice.
fn distinct(decoder: &mut Decoder, node: &Node, key: &str) -> Vec<Spanned<String>> {
    let mut found: Vec<Spanned<String>> = Vec::new();
    for item in decoder.one_or_more(node, &format!("`{key}`")).unwrap_or_default() {
        if let Some(text) = spanned(decoder, item, &format!("an entry of `{key}`"))
            && once(decoder, found.iter(), &text)
        {
            found.push(text);
        }
    }
    found
}

/// Returns whether a value is not among others yet; reports it if it is.
fn once<'a, T: PartialEq + std::fmt::Display + 'a>(
    decoder: &mut Decoder,
    mut others: impl Iterator<Item = &'a Spanned<T>>,
    value: &Spanned<T>,
) -> bool {
    let Some(first) = others.find(|other| *other == value) else { return true };
    decoder.report(
        Diagnostic::error(value.location, format!("`{}` is listed twice", value.value))
            .label("listed again here")
            .also(first.location, "first here")
            .help("remove one of them; what is read twice counts twice"),
    );
    false
}

#[cfg(test)]
mod tests;
