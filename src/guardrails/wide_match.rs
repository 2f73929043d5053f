//! A drop names nobody.

use super::{Evidence, Findings, Guardrail, Needs, Text, covers_a_family};
use crate::finding::{Finding, Level};
use crate::model::Action;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "wide_match",
    level: Level::Error,
    needs: Needs::Rules,
    in_scenarios: false,
    text: Text {
        catches: "A drop, reject or challenge names neither a source nor a destination: it takes \
                  everybody's packets of its kind. It only warns if the intent writes \
                  `may_reach: all`.",
        why: "In 2003 vendors advised dropping all ICMP echo of 92 bytes against a worm: 0.075 % \
              of all traffic, and all of one tool that support desks lived by.",
        example: "match: {protocol: icmp, icmp_type: 8, packet_length: 92}\naction: drop",
        todo: "Name the destination, or write `may_reach: all` if everybody is meant.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, text, judge) in evidence.rules() {
        let stops = matches!(text.action.value, Action::Drop | Action::Reject | Action::Challenge);
        let names = [text.matches.sources(), text.matches.destinations()]
            .into_iter()
            .flatten()
            .any(|set| !covers_a_family(&set));
        if !stops || names {
            continue;
        }
        let meant = judge.written.is_some() && judge.may_reach.all;
        let finding = Finding {
            level: if meant { Level::Warning } else { Level::Error },
            help: Some(
                "name a destination, or write `may_reach: all` if everybody is meant".to_owned(),
            ),
            ..evidence.about(
                &GUARDRAIL,
                rule,
                "this rule names no particular source or destination".to_owned(),
            )
        };
        findings.push_text(evidence, rule, finding);
    }
}
