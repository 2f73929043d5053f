//! A waiver that is for nothing. It is found where waivers are applied, after everything else: what
//! they are about are the findings of others.

use super::{Guardrail, Needs, Text};
use crate::finding::Level;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "unused_waiver",
    level: Level::Warning,
    needs: Needs::Rules,
    in_scenarios: false,
    text: Text {
        catches: "A waiver accepts what is not found: its rule is gone or was put right, it names \
                  others than the finding does, or its date has passed and nothing came back.",
        why: "What is left lying about accepts, one day, what nobody looked at: a rule of the same \
              name, or the same mistake made again.",
        example: "waivers:\n  - {guardrail: shared_bucket, rule: gone, reason: x, owner: netops, \
                  until: 2026-04-01}",
        todo: "Delete the waiver, or name exactly the rule and the customers of the finding.",
    },
    // Waivers are applied to findings, which no guardrail sees.
    check: |_, _| {},
};
