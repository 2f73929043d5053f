//! The defended customer loses nearly everything.

use super::{Evidence, Findings, Guardrail, Needs, Text, percent};
use crate::attribution::Party;
use crate::finding::{Finding, Level};
use crate::impact::Amount;
use crate::judge::harms;
use crate::model::Share;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "target_cut_off",
    level: Level::Warning,
    needs: Needs::Traffic,
    in_scenarios: true,
    text: Text {
        catches: "A customer whom the rule defends newly loses at least 95 % of its own \
                  legitimate traffic.",
        why: "The rule finishes the attacker's work. Sometimes that is meant, to save the others: \
              a blackhole of the victim's own address.",
        example: "match: {dst: 203.0.113.10}\naction: drop",
        todo: "If it is not meant, match the attack and not the victim.",
    },
    check,
};

/// At least so much of its traffic is lost.
const CUT_OFF: Share = Share(950_000_000);

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, text, judge) in evidence.rules() {
        if !evidence.change.concerns(rule as usize) || !harms(&text.action.value) {
            continue;
        }
        let mut cut_off = Vec::new();
        let mut worst: f64 = 0.0;
        for customer in judge.target.named_customers() {
            let (mut offered, mut before, mut after) =
                (Amount::default(), Amount::default(), Amount::default());
            let mut by_this_rule = false;
            let party = Party::Customer(customer);
            for group in evidence.impact.groups.iter().filter(|group| group.id.party == party) {
                offered.add(group.total.offered);
                before.add(group.total.before);
                after.add(group.total.after);
                let mut causes = group.total.intended.keys().chain(group.total.collateral.keys());
                by_this_rule |= causes.any(|cause| cause.rule == Some(rule));
            }
            let at_least = |part: &Amount| {
                u128::from(part.packets) * u128::from(Share::ONE)
                    >= u128::from(offered.packets) * u128::from(CUT_OFF.0)
            };
            if by_this_rule && at_least(&after) && !at_least(&before) {
                cut_off.push(evidence.inventory().customer(customer).id.value.clone());
                worst = worst.max(after.smaller_share(&offered));
            }
        }
        if let Some(first) = cut_off.first() {
            let message = format!("{first} loses {} of its own legitimate traffic", percent(worst));
            findings.push(Finding {
                mild: true,
                help: Some("if that is not meant, match the attack and not the victim".to_owned()),
                customers: cut_off,
                ..evidence.about(&GUARDRAIL, rule, message)
            });
        }
    }
}
