//! A rule must stop an attack that is not recorded as one.

use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "nothing_labelled",
    level: Level::Unknown,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "`must_stop` is asked by a rule that the change adds or edits, and no recorded \
                  traffic to its targets is labelled attack.",
        why: "Whether a rule does its job can only be measured on the attack.",
        example: "intent: {target: [acme], must_stop: 90%}  # and no recording has label: attack",
        todo: "Label the attack: `--label attack` for a file of it, `labels: {attack: […]}` in \
               the config for matches, `label: attack` in a profile.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, _, judge) in evidence.rules() {
        let Some(must_stop) = &judge.must_stop else { continue };
        if must_stop.value.0 == 0 || !evidence.change.adds_or_edits(rule as usize) {
            continue;
        }
        let met = evidence.impact.hits[rule as usize].any;
        let recorded = evidence.impact.attack.iter().any(|((ends, bits), attack)| {
            judge.attack_bit.is_none_or(|bit| bits >> bit & 1 == 1)
                && !attack.offered.is_zero()
                && judge.target.is_target(&evidence.ends[*ends as usize], evidence.attribution)
        });
        if recorded || (!evidence.has_running && met.is_zero()) {
            continue;
        }
        findings.push(Finding {
            location: Some(must_stop.location),
            help: Some(
                "label the attack: `--label attack` for its file, or `labels: {attack: […]}` in \
                 the config"
                    .to_owned(),
            ),
            ..evidence.about(
                &GUARDRAIL,
                rule,
                format!(
                    "no recorded traffic to {} is labelled attack; the rule met {} packets",
                    judge.target_words.join(", "),
                    met.packets,
                ),
            )
        });
    }
}
