//! The rule names an address that others share.

use super::{Evidence, Findings, Guardrail, Needs, Text, finding};
use crate::attribution::{Party, shared_name};
use crate::finding::{Finding, Level};
use crate::impact::Cause;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "shared_address",
    level: Level::Warning,
    in_scenarios: false,
    needs: Needs::Inventory,
    text: Text {
        catches: "A rule could newly harm packets to an address that several customers share, not \
                  all of whom its intent means.",
        why: "On 2022-08-28 a court order to block 14 sites was carried out by address: eleven \
              shared addresses, and thousands of other sites were gone for two days.",
        example: "match: {dst: 198.51.100.1}  # pirate, shop and bank are served from it\n\
                  action: drop",
        todo: "Match what tells the one from the others (a host name), or name all who share the \
               address, or `prefix:` and the address, in the intent.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (rule, parties) in &evidence.reached.by_rule {
        let judge = evidence.judges.of(*rule);
        // A rule for everybody is meant for those who share, too.
        let is_for_some = !judge.may_reach.all;
        let unmeant = parties.iter().filter(|(_, one)| one.outside && is_for_some);
        for (party, _) in unmeant {
            let Party::Shared(id) = party else { continue };
            let sharers = evidence.customers_of(*party, judge);
            let address = shared_name(evidence.inventory(), *id);
            let address = address.strip_prefix("shared:").unwrap_or(&address);
            let (name, location) = evidence.blame(&Cause { rule: *rule, shield: None });
            let message = format!("{address} is shared with {}", sharers.join(", "));
            let help = "an address does not tell those who share it apart; a host name would";
            findings.push(
                Finding {
                    rule: Some(name),
                    location,
                    help: Some(help.to_owned()),
                    ..finding(&GUARDRAIL, message)
                }
                .with_customers(sharers),
            );
        }
    }
}
