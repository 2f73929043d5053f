//! One bucket holds the traffic of several owners.

use super::buckets::shared_owners;
use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};
use crate::judge::harms;
use crate::model::{Action, Match, bucket_rules};

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "shared_bucket",
    level: Level::Error,
    needs: Needs::Rules,
    in_scenarios: false,
    text: Text {
        catches: "One bucket of a limit can hold the traffic of two or more owners (nobody is \
                  one), not all of whom are the rule's target. Keys with a source or customer \
                  part are exempt.",
        why: "On 2012-09-15 a limit for one attacked customer counted many customers together: \
              the attack filled the bucket, and everybody in it lost.",
        example: "match: {pop: [ams], protocol: udp}\naction: {rate_limit: {rate: 4 Gbps}}",
        todo: "Name the target's addresses in `dst`, or key the limit: `per: [dst]`.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let buckets = bucket_rules(&evidence.candidate.limits());
    for (rule, text, judge) in evidence.rules() {
        let Action::RateLimit(limit) = &text.action.value else { continue };
        if !harms(&text.action.value) {
            continue;
        }
        let own = buckets[rule as usize];
        let users = buckets.iter().zip(&evidence.candidate.rules);
        let users = users.filter(|(bucket, _)| **bucket == own).map(|(_, rule)| &rule.matches);
        let users: Vec<&Match> =
            if limit.bucket.is_some() { users.collect() } else { vec![&text.matches] };
        let Some(owners) = shared_owners(evidence, &users, limit, judge) else { continue };
        let named = owners.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let more = if owners.len() > 3 {
            format!(" and {} more", owners.len() - 3)
        } else {
            String::new()
        };
        let who =
            if owners == ["everyone"] { "everyone".to_owned() } else { format!("{named}{more}") };
        let finding = Finding {
            location: Some(text.action.location),
            help: Some("name the target's addresses in `dst`, or key it: `per: [dst]`".to_owned()),
            customers: owners,
            ..evidence.about(&GUARDRAIL, rule, format!("one bucket is shared by {who}"))
        };
        findings.push_text(evidence, rule, finding);
    }
}
