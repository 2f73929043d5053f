//! What the texts of rules say beyond the rules: definitions on which conditions hang that nobody
//! records, and intents of rules that are not judged.

use std::collections::{BTreeSet, HashSet};

use super::Run;
use crate::languages::Language;
use crate::model::{
    Diagnostic, Location, Match, RuleSet, SourceId, Sources, Span, Term, Unmodelled,
};

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
    "ip id",
    "exthdr",
    "interface ",
];

/// Words of rules that change what connection tracking knows.
const TRACKING: &[&str] = &["notrack", "NOTRACK", " CT ", "ct zone", "ct state set"];

/// The texts of a set, without lines that are comments, spacing and counts of packets: what may
/// define something.
fn words(sources: &Sources, files: &[SourceId]) -> Vec<String> {
    let lines = files.iter().flat_map(|file| sources.get(*file).text.lines());
    let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
    let words = lines.map(|line| {
        let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
        let is_counter = |word: &str| {
            word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(is_number)
        };
        let words: Vec<&str> = line.split_whitespace().filter(|word| !is_counter(word)).collect();
        let mut kept = Vec::with_capacity(words.len());
        let mut rest = words.as_slice();
        while let [word, after @ ..] = rest {
            kept.push(*word);
            rest = match after {
                ["packets", a, "bytes", b, after @ ..]
                    if *word == "counter" && is_number(a) && is_number(b) =>
                {
                    after
                }
                after => after,
            };
        }
        kept.join(" ")
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
        let tracks = |line: &String| TRACKING.iter().any(|word| line.contains(word));
        let changes_tracking = before.iter().chain(&after).any(tracks);
        let is_same = |text: &str| {
            // What a set holds is defined elsewhere.
            let is_defined = text.contains('@') || text.contains("map");
            let is_tracked = text.contains("ct") || text.contains("state");
            !is_defined
                && (text.contains("later fragment")
                    || OF_THE_WORLD.iter().any(|start| text.starts_with(start))
                        && !(changes_tracking && is_tracked))
        };
        for rule in &mut running.rules {
            part(&mut rule.matches, &is_same);
        }
    }

    /// Says which intents of the candidate ask for something of rules that are not judged.
    pub(super) fn unjudged_intents(&self, candidate: &RuleSet) -> Vec<Diagnostic> {
        let [before, after] = self.texts();
        let known: HashSet<&str> =
            before.iter().flat_map(|file| self.sources.get(*file).text.lines()).collect();
        let intents = candidate.rules.iter().filter_map(|rule| rule.intent.as_ref());
        let intents = intents.chain(&candidate.default.intent).map(|intent| intent.location);
        let judged: BTreeSet<(SourceId, u32)> =
            intents.map(|place| (place.source, place.span.start)).collect();
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
                let here = (file, span.start)..=(file, span.end);
                let is_judged = judged.range(here).next().is_some();
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
                unknown.text.push_str(Unmodelled::BEFORE);
            }
            Term::Not(inner) => part(inner, is_same),
            Term::AnyOf(branches) => branches.iter_mut().for_each(|one| part(one, is_same)),
            _ => {}
        }
    }
}
