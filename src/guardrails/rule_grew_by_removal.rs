//! Something was taken away, and for that a rule harms more.

use super::{Evidence, Findings, Guardrail, Needs, Text, finding};
use crate::finding::{Finding, Level};
use crate::impact::Cause;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "rule_grew_by_removal",
    level: Level::Warning,
    in_scenarios: false,
    needs: Needs::Inventory,
    text: Text {
        catches: "An edit takes a condition away, so that a harming rule covers more; or it removes \
                  or narrows an exception, so that a rule that nobody touched now harms what the \
                  exception let pass.",
        why: "On 2018-05-31 automation lost the exceptions that people had kept by hand, and \
              limited a public resolver. What is no longer there is not seen in a review.",
        example: "- match: {dst: 203.0.113.10, protocol: udp}\n+ match: {dst: 203.0.113.10}",
        todo: "Look at the packet that is newly harmed; put the condition or the exception back if \
               it is not meant.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, packet) in &evidence.reached.grown {
        let message = format!("lost a condition and now takes also {}", super::in_words(packet));
        findings.push(Finding {
            help: Some("put the condition back if that is not meant".to_owned()),
            ..evidence.about(&GUARDRAIL, *rule, message)
        });
    }
    for (shield, rules) in &evidence.reached.exposed {
        let Some((rule, packet)) = rules.first_key_value() else { continue };
        let is_gone = evidence.change.candidate_of[*shield as usize].is_none();
        let (harming, _) = evidence.blame(&Cause { rule: *rule, shield: None });
        let (name, location) = evidence.blame(&Cause { rule: *rule, shield: Some(*shield) });
        let what = if is_gone { "is gone" } else { "takes less" };
        let message =
            format!("this exception {what}, and `{harming}` now harms {}", super::in_words(packet));
        findings.push(Finding {
            rule: Some(name),
            location,
            help: Some("put the exception back if that is not meant".to_owned()),
            ..finding(&GUARDRAIL, message)
        });
    }
}
