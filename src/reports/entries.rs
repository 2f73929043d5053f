//! What forms that list findings share: findings and problems as one list, worst first, each with
//! the place that a reviewer sees.

use crate::finding::Level;
use crate::report::Verdict;
use crate::result::{Finding, Place, Problem, ProblemSeverity, RunResult};

use super::escape::plain;

/// The id of problems with the materials, which no guardrail found.
pub(super) const MATERIAL: &str = "material";
/// The id of the entry that stands for a verdict which nothing else explains.
const VERDICT: &str = "verdict";
/// The longest message that is listed, in characters.
pub(super) const MESSAGE: usize = 1_000;
/// The longest name that is listed, in characters.
pub(super) const NAME: usize = 200;

/// One thing to list: a finding, or a problem with the materials. Texts are harmless and cut to
/// their lengths; places and customers are as they came.
#[derive(Clone, Debug)]
pub(super) struct Entry<'r> {
    /// The guardrail, or [`MATERIAL`].
    pub(super) id: &'r str,
    /// What it does to the verdict.
    pub(super) level: Level,
    /// Whether the verdict is no PASS because of it.
    pub(super) blocks: bool,
    /// The rule, as it came.
    pub(super) rule: Option<&'r str>,
    /// Where it is.
    pub(super) place: Option<&'r Place>,
    /// Whom it concerns.
    pub(super) customers: Vec<&'r str>,
    /// What was found, with the rule named.
    pub(super) messages: Vec<String>,
    /// What to do.
    pub(super) help: Option<String>,
    /// Whether it was accepted.
    pub(super) waived: bool,
}

impl Entry<'_> {
    /// Returns the word for how bad it is: `error` also for a material that cannot be used.
    pub(super) fn word(&self) -> &'static str {
        match self.level {
            Level::Error => "error",
            Level::Unknown if matches!(self.id, MATERIAL | VERDICT) => "error",
            Level::Unknown => "unknown",
            Level::Warning => "warning",
        }
    }

    /// Returns what was found, in one line.
    pub(super) fn message(&self) -> String {
        self.messages.join("; ")
    }

    /// Returns a number that stays the same while the guardrail, the rule and whom it concerns do,
    /// wherever the rule is moved to: 128 bits in hexadecimal.
    pub(super) fn fingerprint(&self) -> String {
        let mut customers = self.customers.clone();
        customers.sort_unstable();
        customers.dedup();
        let mut hash = Fnv::new();
        hash.add(self.id);
        hash.add(self.rule.unwrap_or_default());
        if self.rule.is_none() && customers.is_empty() {
            // Nothing else tells problems with different materials apart.
            self.messages.iter().for_each(|message| hash.add(message));
        }
        customers.into_iter().for_each(|customer| hash.add(customer));
        format!("{:032x}", hash.0)
    }
}

/// FNV-1a of 128 bits: the same for every version and machine; it need not withstand an enemy, who
/// could only hide a finding of his own behind another one of his own.
struct Fnv(u128);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn add(&mut self, text: &str) {
        // The end of a text is part of it, and is no byte of UTF-8.
        for byte in text.bytes().chain([0xff]) {
            self.0 ^= u128::from(byte);
            self.0 = self.0.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
}

/// Returns the path from the root of the repository and the line, for forms in which everything
/// must have both: what has none is put to the first line of the rules.
pub(super) fn place<'r>(entry: &Entry<'r>, result: &'r RunResult) -> (&'r str, usize) {
    match (entry.place, result.named_files().first()) {
        (Some(place), _) => (result.path(&place.file), place.line.max(1)),
        (None, _) if !result.rules.is_empty() => (result.path(&result.rules[0].location.file), 1),
        (None, Some(file)) => (result.path(file), 1),
        (None, None) => (result.path(&result.change.candidate), 1),
    }
}

/// Lists findings and problems, worst first: what makes the verdict FAIL, what makes it CANNOT
/// JUDGE, the rest, and what was waived. Where the verdict is no PASS there is one that says so.
pub(super) fn entries(result: &RunResult) -> Vec<Entry<'_>> {
    let problems = result.problems.iter().map(problem);
    let mut all: Vec<Entry<'_>> = problems.chain(result.findings.iter().map(finding)).collect();
    if result.verdict != Verdict::Pass && !all.iter().any(|entry| entry.blocks) {
        all.push(Entry {
            id: VERDICT,
            level: match result.verdict {
                Verdict::Fail => Level::Error,
                Verdict::CannotJudge | Verdict::Pass => Level::Unknown,
            },
            blocks: true,
            rule: None,
            place: None,
            customers: Vec::new(),
            messages: vec![plain(
                &format!("{}: {}", result.verdict.word(), result.summary),
                MESSAGE,
            )],
            help: result.next.as_ref().map(|next| plain(next, MESSAGE)),
            waived: false,
        });
    }
    all.sort_by_key(|entry| (entry.waived, !entry.blocks, entry.level));
    all
}

/// Lists the same with one entry for each guardrail and line.
pub(super) fn grouped(result: &RunResult) -> Vec<Entry<'_>> {
    let mut all: Vec<Entry<'_>> = Vec::new();
    let mut known = std::collections::HashMap::new();
    for entry in entries(result) {
        let place = entry.place.map(|place| (place.file.as_str(), place.line));
        // What has no place is told apart by its words.
        let words = place.is_none().then(|| entry.messages.clone());
        let key = (entry.waived, entry.id, place, words);
        match known.get(&key) {
            Some(at) => join(&mut all[*at], entry),
            None => {
                known.insert(key, all.len());
                all.push(entry);
            }
        }
    }
    for entry in &mut all {
        let mut seen = std::collections::HashSet::new();
        entry.customers.retain(|customer| seen.insert(*customer));
        let mut seen = std::collections::HashSet::new();
        entry.messages.retain(|message| seen.insert(message.clone()));
    }
    all
}

/// Adds what was found at the same line to what is known of it; that is worse, or as bad.
fn join<'r>(known: &mut Entry<'r>, more: Entry<'r>) {
    known.customers.extend(more.customers);
    known.messages.extend(more.messages);
    known.help = known.help.take().or(more.help);
}

fn finding(finding: &Finding) -> Entry<'_> {
    let blocks = finding.fails || finding.severity == Level::Unknown;
    let message = match &finding.rule {
        Some(rule) => format!("{}: {}", plain(rule, NAME), plain(&finding.message, MESSAGE)),
        None => plain(&finding.message, MESSAGE),
    };
    Entry {
        id: &finding.guardrail,
        level: finding.severity,
        blocks: blocks && !finding.waived,
        rule: finding.rule.as_deref(),
        place: finding.location.as_ref(),
        customers: finding.customers.iter().map(String::as_str).collect(),
        messages: vec![message],
        help: finding.help.as_ref().map(|help| plain(help, MESSAGE)),
        waived: finding.waived,
    }
}

fn problem(problem: &Problem) -> Entry<'_> {
    let is_error = problem.severity == ProblemSeverity::Error;
    let message = match problem.label.as_str() {
        "" => plain(&problem.message, MESSAGE),
        label => format!("{} ({})", plain(&problem.message, MESSAGE), plain(label, NAME)),
    };
    Entry {
        id: MATERIAL,
        level: if is_error { Level::Unknown } else { Level::Warning },
        blocks: is_error,
        rule: None,
        place: problem.location.as_ref(),
        customers: Vec::new(),
        messages: vec![message],
        help: problem.help.as_ref().map(|help| plain(help, MESSAGE)),
        waived: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rule: Option<&'static str>, customers: &[&'static str]) -> Entry<'static> {
        Entry {
            id: "collateral_loss",
            level: Level::Error,
            blocks: true,
            rule,
            place: None,
            customers: customers.to_vec(),
            messages: vec!["x".to_owned()],
            help: None,
            waived: false,
        }
    }

    #[test]
    fn a_fingerprint_is_of_guardrail_rule_and_customers() {
        let one = entry(Some("a"), &["x", "y"]).fingerprint();
        assert_eq!(one, entry(Some("a"), &["y", "x", "y"]).fingerprint());
        let moved =
            Entry { messages: vec!["other words".to_owned()], ..entry(Some("a"), &["x", "y"]) };
        assert_eq!(one, moved.fingerprint());
        let others = [
            entry(Some("b"), &["x", "y"]),
            entry(Some("a"), &["x"]),
            entry(Some("a"), &["xy"]),
            entry(Some("ax"), &["y"]),
            Entry { id: "wide_match", ..entry(Some("a"), &["x", "y"]) },
            entry(None, &[]),
        ];
        for other in others {
            assert_ne!(one, other.fingerprint(), "{other:?}");
        }
        // The published test value of FNV-1a, 128 bits, for one byte.
        let mut hash = Fnv::new();
        hash.0 ^= u128::from(b'a');
        hash.0 = hash.0.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        assert_eq!(hash.0, 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
