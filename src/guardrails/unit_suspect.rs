//! A limit that looks as if its unit were another one.

use super::{Evidence, Findings, Guardrail, Needs, Text};
use crate::finding::{Finding, Level};
use crate::model::Rate;

pub(super) const GUARDRAIL: Guardrail = Guardrail {
    id: "unit_suspect",
    level: Level::Warning,
    needs: Needs::Traffic,
    in_scenarios: false,
    text: Text {
        catches: "A limit is within 10 % of 8 times, 1000 times, an eighth or a thousandth of the \
                  peak that its fullest bucket saw.",
        why: "FlowSpec counts bytes where router command lines count bits, and a k for an M is one \
              letter. Both have been in production.",
        example: "action: {rate_limit: {rate: 40 MBps}}  # and the peak is 40 Mbps",
        todo: "Check the unit. If it is right, the warning can be left alone.",
    },
    check,
};

fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (limit, sharing) in evidence.changed_limits() {
        let Some((factor, how)) = suspicion(limit.rate, sharing.peak) else { continue };
        let message = format!(
            "the limit of {} is about {factor} times {how} than the peak of {}",
            limit.rate, sharing.peak
        );
        let help = match factor {
            8 => "check the unit: bits or bytes?",
            _ => "check the unit: k, M or G?",
        };
        findings.push(Finding {
            help: Some(help.to_owned()),
            ..evidence.about(&GUARDRAIL, sharing.rule, message)
        });
    }
}

/// Returns by which telling factor a limit is off a peak, and which way.
fn suspicion(limit: Rate, peak: Rate) -> Option<(u128, &'static str)> {
    let per_second =
        |rate: Rate| u128::from(rate.amount) * 1_000_000_000_000 / u128::from(rate.per_ns);
    let (limit, peak) = (per_second(limit), per_second(peak));
    let is_about = |large: u128, small: u128, factor: u128| {
        let expected = small.saturating_mul(factor);
        small > 0 && large.abs_diff(expected).saturating_mul(10) <= expected
    };
    [8, 1_000].into_iter().find_map(|factor| {
        if is_about(limit, peak, factor) {
            Some((factor, "more"))
        } else if is_about(peak, limit, factor) {
            Some((factor, "less"))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RateUnit;

    #[test]
    fn factors_of_bytes_and_of_thousands_are_suspect_and_others_are_not() {
        let bits = |amount| Rate { amount, unit: RateUnit::Bits, per_ns: 1_000_000_000 };
        let peak = bits(40_000_000);
        assert_eq!(suspicion(bits(320_000_000), peak), Some((8, "more")));
        assert_eq!(suspicion(bits(5_000_000), peak), Some((8, "less")));
        assert_eq!(suspicion(bits(40_000), peak), Some((1_000, "less")));
        assert_eq!(suspicion(bits(43_900_000_000), peak), Some((1_000, "more")));
        for other in [40_000_000, 80_000_000, 400_000_000, 4_000_000, 200_000_000] {
            assert_eq!(suspicion(bits(other), peak), None, "{other}");
        }
        assert_eq!(suspicion(bits(1), bits(0)), None);
    }
}
