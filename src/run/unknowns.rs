//! What the texts of rules say beyond the rules: definitions on which conditions hang that nobody
//! records, and intents of rules that are not judged.

use super::Run;
use crate::languages::Language;
use crate::model::{Diagnostic, Location, Match, RuleSet, SourceId, Sources, Span, Term};

/// Beginnings of conditions that hang on the world alone, not on what a rule set defines or does.
const OF_THE_WORLD: &[&str] = &[
    "ct state",
    "ct direction",
    "ct status",
    "iif",
    "oif",
    "meta iif",
    "meta oif",
    "-i ",
    "-o ",
    "-m conntrack",
    "-m state",
    "--ctstate",
    "--state",
    "what a limit lets through",
    "what exceeds a limit",
    "ip id",
    "exthdr",
    "interface",
];

/// Words of rules that change what connection tracking knows.
const TRACKING: &[&str] = &["notrack", "NOTRACK", "-j CT", "ct zone", "ct state set"];

/// The texts of a set, without comments, spacing and counts of packets: what may define something.
fn words(sources: &Sources, files: &[SourceId]) -> Vec<String> {
    let lines = files.iter().flat_map(|file| sources.get(*file).text.lines());
    let words = lines.map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words: Vec<&str> = Vec::new();
        let mut skip = false;
        for word in line.split_whitespace() {
            let is_count = word.bytes().all(|byte| byte.is_ascii_digit());
            let is_counter = word.starts_with('[')
                && word.ends_with(']')
                && word[1..word.len() - 1].bytes().all(|one| one.is_ascii_digit() || one == b':');
            if is_counter || (std::mem::take(&mut skip) && is_count) {
                if is_count {
                    words.pop();
                }
                continue;
            }
            skip = matches!(word, "packets" | "bytes");
            words.push(word);
        }
        words.join(" ")
    });
    words.filter(|line| !line.is_empty()).collect()
}

impl Run {
    /// Tells conditions of the running set that nobody records from those of the candidate, where
    /// the texts differ and the condition may hang on what they define: a set, a mark, a quota.
    pub(super) fn part_unknowns(&self, running: &mut RuleSet) {
        let [before, after] = self.texts().map(|files| words(&self.sources, &files));
        if before == after {
            return;
        }
        let tracking = |lines: &[String]| -> Vec<String> {
            let lines = lines.iter();
            lines.filter(|line| TRACKING.iter().any(|word| line.contains(word))).cloned().collect()
        };
        let same_tracking = tracking(&before) == tracking(&after);
        let is_same = |text: &str| {
            text.contains("later fragment")
                || OF_THE_WORLD.iter().any(|start| text.starts_with(start))
                    && (same_tracking || !(text.contains("ct") || text.contains("state")))
        };
        for rule in &mut running.rules {
            part(&mut rule.matches, &is_same);
        }
    }

    /// Says which intents of the candidate ask for something of rules that are not judged.
    pub(super) fn unjudged_intents(&self, candidate: &RuleSet) -> Vec<Diagnostic> {
        let [before, after] = self.texts();
        let known: Vec<&str> =
            before.iter().flat_map(|file| self.sources.get(*file).text.lines()).collect();
        let intents = candidate.rules.iter().filter_map(|rule| rule.intent.as_ref());
        let intents: Vec<Location> =
            intents.chain(&candidate.default.intent).map(|intent| intent.location).collect();
        let mut problems = Vec::new();
        for file in after {
            let mut start = 0;
            for line in self.sources.get(file).text.split_inclusive('\n') {
                let span = Span::new(start, start + line.trim_end().len());
                start += line.len();
                let asks = line.contains("blastgate:") && line.contains("must_stop");
                if !asks || known.contains(&line.trim_end_matches(['\r', '\n'])) {
                    continue;
                }
                let is_judged = intents.iter().any(|place| {
                    place.source == file
                        && place.span.start <= span.end
                        && span.start <= place.span.end
                });
                if !is_judged {
                    let location = Location { source: file, span };
                    problems.push(
                        Diagnostic::error(location, "the rule of this intent is not judged")
                            .label("whether it stops what it must is not known")
                            .help(
                                "judge the way that its packets take (`--path`), or take the \
                                 intent away",
                            ),
                    );
                }
            }
        }
        problems
    }

    /// Returns the files of both sets that are of a language with comments for intents.
    fn texts(&self) -> [Vec<SourceId>; 2] {
        self.parsed.each_ref().map(|parsed| {
            let foreign = parsed.iter().filter(|one| !is_native(one.language()));
            foreign.flat_map(|one| one.texts()).collect()
        })
    }
}

/// Whether a language writes intents as keys of its own.
fn is_native(language: &Language) -> bool {
    language.name == "native"
}

fn part(matches: &mut Match, is_same: &dyn Fn(&str) -> bool) {
    for term in &mut matches.terms {
        match &mut term.value {
            Term::Unmodelled(unknown) if !is_same(&unknown.text) => {
                unknown.text.push_str(" (before the change)");
            }
            Term::Not(inner) => part(inner, is_same),
            Term::AnyOf(branches) => branches.iter_mut().for_each(|one| part(one, is_same)),
            _ => {}
        }
    }
}
