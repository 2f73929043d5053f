//! What becomes of the packets of a rule, and of the later fragments that may be among them.
//!
//! The kernel reads the bytes of a later fragment as a transport header, or sees its whole packet:
//! a rule that asks for a port may take it. In the model it never does. So a rule that ends a packet
//! gets a twin, for later fragments that meet a condition nobody records; the twin is as plain as
//! the rule, and as quickly looked up.

use super::facts::hash;
use super::lower::{Lowered, Lowering, Making, Twin};
use super::matches::shortened;
use super::terms::{MOST_APART, all_of, is_transport, later_fragment, later_fragments};
use super::view::Reassembled;
use crate::chains::{ChainRule, Verdict};
use crate::model::{Action, Exceed, Location, Match, RateLimit, Spanned, Term};

/// How many rules of one chain may have a twin for later fragments that no address narrows; beyond
/// it, runs of rules that do the same share one.
const TWINS: usize = 1_000;

impl Lowering<'_> {
    /// Returns what became of the chain.
    pub(super) fn finish(mut self) -> Lowered {
        let twins = std::mem::take(&mut self.twins);
        let wide = twins.iter().filter(|twin| !twin.narrow).count();
        let twins = if wide > TWINS { shared(twins, self.matcher.view.reassembled) } else { twins };
        if twins.is_empty() {
            return self.out;
        }
        let mut twins = twins.into_iter().peekable();
        let mut rules = Vec::with_capacity(self.out.rules.len() + twins.len());
        for (at, rule) in self.out.rules.into_iter().enumerate() {
            rules.push(rule);
            while let Some(twin) = twins.next_if(|twin| twin.after == at) {
                rules.push(twin.rule);
            }
        }
        Lowered { rules, ..self.out }
    }

    /// Adds what becomes of the packets that the conditions so far leave.
    pub(super) fn emit(&mut self, making: &mut Making<'_>, verdict: Verdict, location: Location) {
        let Some(pending) = making.limit.take() else {
            return self.push(making, Vec::new(), verdict, location);
        };
        let exceed = match verdict {
            Verdict::Action(Action::Drop) => Some(Exceed::Drop),
            Verdict::Action(Action::Reject) => Some(Exceed::Reject),
            _ => None,
        };
        match (pending.limit.over, exceed) {
            (true, Some(exceed)) => {
                let limit = RateLimit { exceed, ..pending.policer };
                self.push(making, Vec::new(), Verdict::Action(Action::RateLimit(limit)), location);
            }
            (true, None) => {
                making.limit = Some(pending);
                self.demote(making);
                self.push(making, Vec::new(), verdict, location);
            }
            (false, _) => {
                let verdict = Verdict::Within(pending.policer, Box::new(verdict));
                self.push(making, Vec::new(), verdict, location);
            }
        }
    }

    /// Adds a rule, and what it may do to later fragments.
    pub(super) fn push(
        &mut self,
        making: &mut Making<'_>,
        more: Vec<Term>,
        verdict: Verdict,
        location: Location,
    ) {
        let mut terms = making.terms.clone();
        for term in more {
            let term = Spanned::new(term, location);
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
        let unknown = unknown(making);
        let reassembled = self.matcher.view.reassembled;
        let (transport, rest): (Vec<_>, Vec<_>) =
            terms.iter().cloned().partition(|term| is_transport(&term.value));
        let alone = matches!(
            verdict,
            Verdict::Action(
                Action::Accept
                    | Action::Drop
                    | Action::Reject
                    | Action::Challenge
                    | Action::Redirect { .. }
            ) | Verdict::Return
        );
        let notes = matches!(verdict, Verdict::Action(Action::Log | Action::Mark { .. }));
        let place = transport.first().map_or(location, |term| term.location);
        if transport.is_empty() || notes {
            let rule = self.made(making, Match { terms }, verdict, location);
            self.out.rules.push(rule);
            return;
        }
        if !alone {
            // Limits have one bucket, and jumps lay out their chain once: one rule for both.
            let later = all_of(later_fragments(&unknown, reassembled, place), place);
            let either = Term::AnyOf(vec![Match { terms: transport }, later]);
            let mut terms = rest;
            terms.push(Spanned::new(either, place));
            let rule = self.made(making, Match { terms }, verdict, location);
            self.out.rules.push(rule);
            return;
        }
        let narrow = rest.iter().any(|term| matches!(term.value, Term::Src(_) | Term::Dst(_)));
        let rule = self.made(making, Match { terms }, verdict.clone(), location);
        self.out.rules.push(rule);
        let mut terms = rest;
        terms.extend(
            later_fragments(&unknown, reassembled, place)
                .into_iter()
                .map(|term| Spanned::new(term, place)),
        );
        let mut rule = self.made(making, Match { terms }, verdict, location);
        rule.text.push_str(" of later fragments");
        let after = self.out.rules.len() - 1;
        self.twins.push(Twin { after, rule, unknown, narrow });
    }

    fn made(
        &self,
        making: &mut Making<'_>,
        matches: Match,
        verdict: Verdict,
        location: Location,
    ) -> ChainRule {
        making.made += 1;
        let mut remark = making.remark.clone();
        let mut id = None;
        if making.made > 1
            && let Some(own) = remark.id.take()
        {
            id = Some(format!("{}.{}", own.value, making.made));
        }
        ChainRule {
            id,
            text: making.text.clone(),
            location: making.rule.location,
            description: making.description.clone(),
            remark,
            matches,
            verdict: Spanned::new(verdict, location),
        }
    }
}

/// Returns what the later fragments of a rule would have to hold, one text for each value of a few:
/// the same value is the same unknown, in one rule or in several.
fn unknown(making: &Making<'_>) -> Vec<String> {
    let texts = match making.transport.as_slice() {
        [] => vec![making.text.clone()],
        all => all.iter().fold(vec![String::new()], |texts, values| {
            let values = match texts.len() * values.len() <= MOST_APART {
                true => values.as_slice(),
                false => &[values.join(" or ")],
            };
            let with = |text: &String| {
                let space = if text.is_empty() { "" } else { " " };
                values.iter().map(|value| format!("{text}{space}{value}")).collect::<Vec<_>>()
            };
            texts.iter().flat_map(with).collect()
        }),
    };
    texts.into_iter().map(shortened).collect()
}

/// Joins the twins of rules that stand behind each other and do the same to the same packets.
fn shared(twins: Vec<Twin>, reassembled: Reassembled) -> Vec<Twin> {
    let mut all: Vec<Twin> = Vec::new();
    let without = |rule: &ChainRule| -> Vec<Spanned<Term>> {
        let is_unknown = |term: &Term| {
            match term {
            Term::Unmodelled(_) => true,
            Term::AnyOf(branches) => branches.iter().all(|branch| {
                matches!(branch.terms.as_slice(), [one] if matches!(one.value, Term::Unmodelled(_)))
            }),
            _ => false,
        }
        };
        rule.matches.terms.iter().filter(|term| !is_unknown(&term.value)).cloned().collect()
    };
    // The conditions of the last one, how many it stands for, and a hash of what they ask for.
    let mut run: Option<(Vec<Spanned<Term>>, usize, u64)> = None;
    for twin in twins {
        let rest = without(&twin.rule);
        if let (Some(last), Some((terms, count, digest))) = (all.last_mut(), &mut run)
            && last.rule.verdict == twin.rule.verdict
            && *terms == rest
        {
            *count += 1;
            *digest = digest.rotate_left(5) ^ hash(&twin.unknown.join(" or "));
            continue;
        }
        close(&mut all, run.take(), reassembled);
        run = Some((rest, 0, 0));
        all.push(twin);
    }
    close(&mut all, run, reassembled);
    all
}

/// Says in the last twin what it stands for besides its own rule.
fn close(
    all: &mut [Twin],
    run: Option<(Vec<Spanned<Term>>, usize, u64)>,
    reassembled: Reassembled,
) {
    if let (Some(last), Some((mut terms, count, digest))) = (all.last_mut(), run)
        && count > 0
    {
        let text = last.unknown.join(" or ");
        let text = format!("{text} and {count} rules like it, #{digest:016x}");
        let place = last.rule.location;
        let unknown = later_fragment(&text, reassembled).into_iter().skip(1);
        terms.extend(unknown.map(|term| Spanned::new(term, place)));
        last.rule.matches = Match { terms };
    }
}
