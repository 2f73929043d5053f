//! The attack's other address family walks past a rule.

use super::aimed::Aimed;
use super::coverage::only_family;
use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};
use crate::impact::IPV6;
use crate::judge::harms;
use crate::model::Family;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "other_family_missed",
    level: Level::Warning,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "A rule against an attack names addresses of one family only and stops most of \
                  the attack in it; most of the recorded attack of the other family passes.",
        why: "A name has addresses of both families, and a flood by name comes over both.",
        example: "match: {dst: 203.0.113.10, protocol: udp}\naction: drop  # and 2001:db8:a::10?",
        todo: "Name the target's addresses of the other family in `dst` as well.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, text, judge) in evidence.rules() {
        if !evidence.change.concerns(rule as usize) || !harms(&text.action.value) {
            continue;
        }
        let Some(family) = only_family(&text.matches) else { continue };
        let of = |v6: bool| Aimed::of_kind(judge, evidence, &|bits| (bits & IPV6 != 0) == v6);
        let (own, other) = (of(family == Family::V6), of(family == Family::V4));
        if own.newly_stopped.is_zero() || own.mostly_passes() || !other.mostly_passes() {
            continue;
        }
        let missed = match family {
            Family::V4 => "IPv6",
            Family::V6 => "IPv4",
        };
        findings.push(Finding {
            help: Some(format!("name the target's {missed} addresses as well")),
            ..evidence.about(
                &GUARDRAIL,
                rule,
                format!(
                    "{} packets of the recorded attack are {missed} and walk past",
                    other.offered.packets.saturating_sub(other.candidate.greatest.packets)
                ),
            )
        });
    }
}
