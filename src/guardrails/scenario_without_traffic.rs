//! A scenario that changes nothing, because nothing of it was recorded.

use super::{Evidence, Findings, Guardrail, Needs, Text, finding};
use crate::finding::{Finding, Level};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "scenario_without_traffic",
    level: Level::Unknown,
    needs: Needs::Traffic,
    in_scenarios: true,
    text: Text {
        catches: "A scenario moves, scales, takes away or adds nothing: no recorded packet is of \
                  the PoP, region or customers that it names. The PoPs of `n-1` are exempt.",
        why: "A what-if over traffic that nobody recorded is not a proof that nothing happens.",
        example: "scenarios: [{name: fra-lost, drain: fra, to: [ams]}]  # and nothing is of fra",
        todo: "Record traffic of it, give recordings their PoP (`pop: fra`), or leave the scenario \
               out with `--scenario`.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(name) = evidence.scenario else { return };
    // Each PoP in turn: those without traffic lose none.
    if evidence.moved > 0 || name.starts_with("n-1/") {
        return;
    }
    findings.push(Finding {
        help: Some("record traffic of it, or give recordings their PoP".to_owned()),
        ..finding(
            &GUARDRAIL,
            "it changes nothing: no recorded packet is of the PoP or customers that it names"
                .to_owned(),
        )
    });
}
