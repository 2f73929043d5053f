//! Scenarios as the config writes them: kept as typed values, applied elsewhere.

use std::fmt;

use super::{distinct, name, once, spanned};
use crate::model::{Diagnostic, Spanned};
use crate::yaml::{Decoder, Fields, Node, Value, nearest};

/// One what-if.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioConfig {
    /// Its name; never `recorded`.
    pub name: Spanned<String>,
    /// What is different in it.
    pub kind: ScenarioKind,
}

/// What is different in a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScenarioKind {
    /// The traffic of a PoP arrives at others.
    Drain {
        /// The PoP that is emptied.
        pop: Spanned<String>,
        /// Where its traffic arrives; at least one, none of them twice nor the drained one.
        to: Vec<DrainTo>,
    },
    /// Some traffic is so many times what was recorded.
    Scale {
        /// How many times.
        factor: Factor,
        /// Which traffic: all of these must hold. Empty where nothing is said: all traffic.
        which: Vec<Selection>,
    },
    /// The traffic of a PoP arrives nowhere.
    Lose {
        /// The PoP that is gone.
        pop: Spanned<String>,
    },
    /// More traffic arrives.
    Add {
        /// The recording of it.
        path: Spanned<String>,
    },
    /// The built-in `n-1`: each PoP in turn is drained into the others of its region.
    EachPop,
}

/// A PoP at which drained traffic arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainTo {
    /// The PoP.
    pub pop: Spanned<String>,
    /// Its part of the sum of all parts; none: in proportion to recorded packets. Either all of a
    /// scenario's or none have one. Never zero.
    pub part: Option<u32>,
}

/// A positive decimal number, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factor(pub u64);

impl Factor {
    /// One.
    pub const ONE: u64 = 1_000_000;
    /// The largest: a million.
    pub const MAX: u64 = 1_000_000 * Factor::ONE;
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{}.{:06}", self.0 / Factor::ONE, self.0 % Factor::ONE);
        f.write_str(digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A condition on traffic: it belongs to any of the named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// PoPs of these regions.
    Region(Vec<Spanned<String>>),
    /// These PoPs.
    Pop(Vec<Spanned<String>>),
    /// These customers.
    Customer(Vec<Spanned<String>>),
    /// Customers of these tiers.
    Tier(Vec<Spanned<String>>),
    /// Customers with these tags.
    Tag(Vec<Spanned<String>>),
}

type Select = fn(Vec<Spanned<String>>) -> Selection;

const SELECTIONS: &[(&str, Select)] = &[
    ("region", Selection::Region),
    ("pop", Selection::Pop),
    ("customer", Selection::Customer),
    ("tier", Selection::Tier),
    ("tag", Selection::Tag),
];

/// The name under which the recording itself is reported.
const RECORDED: &str = "recorded";
/// The name of the built-in scenario.
const EACH_POP: &str = "n-1";

const KINDS: &[&str] = &["drain", "scale", "lose", "add"];

pub(super) fn scenarios(decoder: &mut Decoder, node: &Node) -> Vec<ScenarioConfig> {
    let mut scenarios: Vec<ScenarioConfig> = Vec::new();
    for item in decoder.list(node, "`scenarios`").unwrap_or_default() {
        if let Some(scenario) = scenario(decoder, item)
            && once(decoder, scenarios.iter().map(|other| &other.name), &scenario.name)
        {
            scenarios.push(scenario);
        }
    }
    scenarios
}

fn scenario(decoder: &mut Decoder, node: &Node) -> Option<ScenarioConfig> {
    // The built-in one is listed by its name alone.
    if matches!(&node.value, Value::Scalar { text, .. } if text == EACH_POP) {
        let name = spanned(decoder, node, "the name")?;
        return Some(ScenarioConfig { name, kind: ScenarioKind::EachPop });
    }
    if let Value::Scalar { text, .. } = &node.value {
        let help = match nearest(text, [EACH_POP].into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write `{EACH_POP}`, or `{{name: ams-lost, drain: ams, to: [lhr]}}`"),
        };
        decoder.report(
            Diagnostic::error(node.location, format!("unknown scenario `{text}`"))
                .label("only one is built in")
                .help(help),
        );
        return None;
    }
    let keys = ["name", "drain", "to", "scale", "where", "lose", "add"];
    let fields = decoder.map(node, "a scenario", &keys)?;
    let name = decoder.require(fields, "name", "a scenario");
    let name = name.and_then(|node| spanned(decoder, node, "the name"));
    if let Some(name) = &name
        && name.value == RECORDED
    {
        decoder.report(
            Diagnostic::error(name.location, format!("`{RECORDED}` is the recording as it is"))
                .label("taken")
                .help("choose another name"),
        );
    }
    let kind = kind(decoder, fields, name.as_ref());
    Some(ScenarioConfig { name: name?, kind: kind? })
}

fn kind(
    decoder: &mut Decoder,
    fields: Fields<'_>,
    named: Option<&Spanned<String>>,
) -> Option<ScenarioKind> {
    let written: Vec<&str> =
        KINDS.iter().copied().filter(|key| fields.get(key).is_some()).collect();
    for (key, of) in [("to", "drain"), ("where", "scale")] {
        if let Some(node) = fields.get(key)
            && !written.contains(&of)
        {
            decoder.report(
                Diagnostic::error(node.location, format!("`{key}` belongs to `{of}`"))
                    .label("would not be heeded")
                    .help(format!("add `{of}: …`, or remove `{key}`")),
            );
        }
    }
    let built_in = named.filter(|name| name.value == EACH_POP);
    match (written.as_slice(), built_in) {
        ([], Some(_)) => Some(ScenarioKind::EachPop),
        ([_, ..], Some(name)) => {
            decoder.report(
                Diagnostic::error(name.location, format!("`{EACH_POP}` is built in"))
                    .label("drains each PoP in turn")
                    .help("list it by its name alone, or choose another name"),
            );
            None
        }
        (["drain"], None) => drain(decoder, fields),
        (["scale"], None) => scale(decoder, fields),
        (["lose"], None) => name(decoder, fields, "lose").map(|pop| ScenarioKind::Lose { pop }),
        (["add"], None) => name(decoder, fields, "add").map(|path| ScenarioKind::Add { path }),
        ([], None) => {
            decoder.report(
                Diagnostic::error(fields.location, "this scenario changes nothing")
                    .label("what is different in it?")
                    .help("add one of `drain`, `scale`, `lose`, `add`"),
            );
            None
        }
        ([_, second, ..], None) => {
            let place = fields.get(second).map_or(fields.location, |node| node.location);
            decoder.report(
                Diagnostic::error(place, "a scenario changes one thing")
                    .label(format!("`{second}` besides `{}`", written[0]))
                    .help("write two scenarios"),
            );
            None
        }
        ([_], None) => None,
    }
}

fn drain(decoder: &mut Decoder, fields: Fields<'_>) -> Option<ScenarioKind> {
    let pop = name(decoder, fields, "drain");
    let node = decoder.require(fields, "to", "a drain")?;
    let to = match &node.value {
        Value::Map(entries) if !entries.is_empty() => parts(decoder, entries),
        _ => distinct(decoder, node, "to")
            .into_iter()
            .map(|pop| DrainTo { pop, part: None })
            .collect(),
    };
    let pop = pop?;
    if let Some(same) = to.iter().find(|to| to.pop == pop) {
        decoder.report(
            Diagnostic::error(same.pop.location, "a PoP is not drained into itself")
                .label("the drained PoP")
                .also(pop.location, "drained here")
                .help("name the PoPs at which its traffic would arrive"),
        );
    }
    Some(ScenarioKind::Drain { pop, to })
}

/// Reads `{lhr: 70, fra: 30}`.
fn parts(decoder: &mut Decoder, entries: &[(Node, Node)]) -> Vec<DrainTo> {
    let mut to = Vec::new();
    for (key, value) in entries {
        let pop = spanned(decoder, key, "the PoP");
        let Some(number) = decoder.number(value, "the part of a PoP") else { continue };
        let part = u32::try_from(number).ok().filter(|part| *part > 0);
        if part.is_none() {
            decoder.report(
                Diagnostic::error(value.location, format!("a PoP cannot get {number} parts"))
                    .label(format!("should be 1 to {}", u32::MAX))
                    .help("write parts such as `{lhr: 70, fra: 30}`, or leave the PoP out"),
            );
        }
        if let Some(pop) = pop {
            to.push(DrainTo { pop, part });
        }
    }
    to
}

fn scale(decoder: &mut Decoder, fields: Fields<'_>) -> Option<ScenarioKind> {
    let node = fields.get("scale")?;
    let text = decoder.text(node, "`scale`");
    let factor = text.and_then(factor);
    if text.is_some() && factor.is_none() {
        decoder.report(
            Diagnostic::error(node.location, "this is no factor")
                .label("should be a number such as 2.0, more than 0 and at most 1000000")
                .help("write `scale: 2.0` for twice the traffic"),
        );
    }
    if factor == Some(Factor(Factor::ONE)) {
        decoder.report(
            Diagnostic::error(node.location, "this scenario changes nothing")
                .label("once the traffic is the recording as it is")
                .help("write `scale: 2.0` for twice the traffic, or leave the scenario out"),
        );
        return None;
    }
    let mut which = Vec::new();
    if let Some(node) = fields.get("where") {
        let keys: Vec<&str> = SELECTIONS.iter().map(|(key, _)| *key).collect();
        let fields = decoder.map(node, "`where`", &keys)?;
        for (key, select) in SELECTIONS {
            if let Some(node) = fields.get(key) {
                which.push(select(distinct(decoder, node, key)));
            }
        }
    }
    Some(ScenarioKind::Scale { factor: factor?, which })
}

/// Reads a positive decimal number with at most six decimals.
fn factor(text: &str) -> Option<Factor> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let millionths: u64 = format!("{fraction:0<6}").parse().ok()?;
    let factor = whole.checked_mul(Factor::ONE)?.checked_add(millionths)?;
    (1..=Factor::MAX).contains(&factor).then_some(Factor(factor))
}
