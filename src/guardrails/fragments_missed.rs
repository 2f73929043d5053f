//! Later fragments of the attack walk past a rule that names ports or flags.

use super::aimed::Aimed;
use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};
use crate::impact::LATER_FRAGMENT;
use crate::judge::harms;
use crate::model::{Match, Term};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "fragments_missed",
    level: Level::Warning,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "A rule against an attack names ports or TCP flags and stops most of what has \
                  them; most of the recorded later fragments of that attack pass.",
        why: "Only the first fragment of a packet carries the ports. A DNS amplification of \
              large answers is mostly later fragments, and its target takes them all.",
        example: "match: {dst: 203.0.113.10, protocol: udp, src_port: 53}\naction: drop",
        todo: "Add a rule for the fragments: `match: {dst: …, protocol: udp, fragment: not_first}`.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, text, judge) in evidence.rules() {
        let is_against = evidence.change.concerns(rule as usize) && harms(&text.action.value);
        if !is_against || !needs_first_fragment(&text.matches) {
            continue;
        }
        let of = |later: bool| {
            Aimed::of_kind(judge, evidence, &|bits| (bits & LATER_FRAGMENT != 0) == later)
        };
        let (whole, later) = (of(false), of(true));
        if whole.newly_stopped.is_zero() || whole.mostly_passes() || !later.mostly_passes() {
            continue;
        }
        findings.push(Finding {
            help: Some("add a rule with `fragment: not_first` for the same packets".to_owned()),
            ..evidence.about(
                &GUARDRAIL,
                rule,
                format!(
                    "later fragments carry no ports: {} packets of the recorded attack walk past",
                    later.offered.packets.saturating_sub(later.candidate.greatest.packets)
                ),
            )
        });
    }
}

/// Returns whether a later fragment can never meet a match, as it asks for ports or flags.
fn needs_first_fragment(matches: &Match) -> bool {
    matches.terms.iter().any(|term| match &term.value {
        Term::SrcPort(_) | Term::DstPort(_) | Term::Port(_) | Term::TcpFlags(_) => true,
        Term::AnyOf(branches) => branches.iter().all(needs_first_fragment),
        _ => false,
    })
}
