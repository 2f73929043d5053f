//! The one word at the end, and why in one line.

use crate::finding::{Finding, Level};
use crate::report::Verdict;

/// Decides: a certain failure beats "cannot judge" beats a pass. Materials that could not be read
/// or understood make it "cannot judge", whatever else was found.
pub fn decide(findings: &[Finding], strict: bool, materials_failed: bool) -> Verdict {
    if materials_failed {
        return Verdict::CannotJudge;
    }
    let open = || findings.iter().filter(|finding| !finding.waived);
    let fails = |finding: &&Finding| match finding.level {
        Level::Error => true,
        Level::Warning => strict && !finding.mild,
        Level::Unknown => false,
    };
    if open().any(|finding| fails(&finding)) {
        Verdict::Fail
    } else if open().any(|finding| finding.level == Level::Unknown) {
        Verdict::CannotJudge
    } else {
        Verdict::Pass
    }
}

/// Puts findings in the order of the report: errors, unknowns, warnings; guardrails in their own
/// order within each.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| finding.level);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(level: Level, mild: bool, waived: bool) -> Finding {
        Finding {
            guardrail: "x",
            level,
            rule: None,
            location: None,
            customers: Vec::new(),
            message: String::new(),
            help: None,
            mild,
            waived,
            scenario: None,
        }
    }

    #[test]
    fn a_certain_fail_beats_cannot_judge_beats_pass() {
        let error = finding(Level::Error, false, false);
        let unknown = finding(Level::Unknown, false, false);
        let warning = finding(Level::Warning, false, false);
        assert_eq!(decide(&[unknown.clone(), error], false, false), Verdict::Fail);
        assert_eq!(decide(&[warning.clone(), unknown], false, false), Verdict::CannotJudge);
        assert_eq!(decide(std::slice::from_ref(&warning), false, false), Verdict::Pass);
        assert_eq!(decide(&[warning], true, false), Verdict::Fail);
        assert_eq!(decide(&[finding(Level::Warning, true, false)], true, false), Verdict::Pass);
        assert_eq!(decide(&[finding(Level::Error, false, true)], false, false), Verdict::Pass);
        assert_eq!(decide(&[], false, true), Verdict::CannotJudge);
    }
}
