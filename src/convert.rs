//! The rules of one language in another, where that is exact; refused, with every place and
//! reason, where it is not.
//!
//! What is written is read back by the parser of its language and compared: a translation that
//! does not say the same is never handed out.

use crate::languages::Path;
use crate::model::{Diagnostic, Match, Rule, RuleSet, Share, Spanned, Term};

mod native;
mod nftables;

/// A language that rules can be written in.
pub struct Target {
    /// What `--to` calls it.
    pub name: &'static str,
    /// Writes a whole rule set for packets on a path, or says what cannot be written exactly.
    pub write: fn(&RuleSet, Path) -> Result<String, Vec<Diagnostic>>,
}

/// Every language that rules can be written in.
pub const TARGETS: &[&Target] = &[&native::TARGET, &nftables::TARGET];

/// Writes a rule set in another language, for packets on a path.
///
/// # Errors
///
/// Everything that cannot be written exactly, with its place.
pub fn convert(set: &RuleSet, target: &Target, path: Path) -> Result<String, Vec<Diagnostic>> {
    let bounded = set.coverage.iter().flat_map(|file| &file.bounded);
    let bounded: Vec<Diagnostic> = bounded
        .map(|(place, why)| {
            Diagnostic::error(*place, format!("this is not exact already: {why}"))
                .label("only bounded")
                .help("no other language can say it exactly; write it by hand")
        })
        .collect();
    if bounded.is_empty() { (target.write)(&settled(set), path) } else { Err(bounded) }
}

/// Leaves out what hangs on a condition that no header tells, where the other conditions never hold:
/// a rule that asks for ports, and of which a language says what it does to later fragments, does
/// nothing to them if it excludes them.
fn settled(set: &RuleSet) -> RuleSet {
    let is_open = |rule: &Rule| !rule.matches.unmodelled().is_empty();
    let rules =
        set.rules.iter().filter(|rule| !(is_open(rule) && nftables::is_never(&rule.matches)));
    let rules = rules.map(|rule| {
        let mut rule = rule.clone();
        if is_open(&rule) {
            rule.matches = possible(&rule.matches);
        }
        rule
    });
    RuleSet { rules: rules.collect(), ..set.clone() }
}

/// Leaves out the branches that never hold together with the other terms.
fn possible(matches: &Match) -> Match {
    let mut found = matches.clone();
    for at in 0..found.terms.len() {
        let Term::AnyOf(branches) = &found.terms[at].value else { continue };
        let (place, branches) = (found.terms[at].location, branches.clone());
        let kept = branches.into_iter().filter(|branch| {
            let mut together = found.clone();
            together.terms[at] = Spanned::new(Term::AnyOf(vec![branch.clone()]), place);
            branch.unmodelled().is_empty() || !nftables::is_never(&together)
        });
        let kept = kept.collect();
        found.terms[at] = Spanned::new(Term::AnyOf(kept), place);
    }
    found
}

/// Writes a share, which is in parts of a thousand million, as percent without rounding.
fn share(share: Share) -> String {
    let text = format!("{}.{:07}", share.0 / 10_000_000, share.0 % 10_000_000);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
