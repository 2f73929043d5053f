//! What waivers take away, and above all what they do not.

use super::*;
use crate::model::Sources;
use proptest::prelude::*;

const DAY: Timestamp = Timestamp(20_000 * DAY_NS);

fn finding(guardrail: &'static str, level: Level, rule: &str, customers: &[&str]) -> Finding {
    Finding {
        guardrail,
        level,
        rule: Some(rule.to_owned()),
        location: None,
        customers: customers.iter().map(|one| (*one).to_owned()).collect(),
        message: "m".to_owned(),
        help: None,
        mild: false,
        waived: false,
        scenario: None,
    }
}

/// Returns waivers of `guardrail rule customers days` in one file.
fn waivers(lines: &[(&str, &str, &str, i64)]) -> Vec<Waiver> {
    let mut text = "version: 1\nwaivers:\n".to_owned();
    for (guardrail, rule, customers, days) in lines {
        let until = DAY.plus(days * DAY_NS);
        let customers = if customers.is_empty() {
            String::new()
        } else {
            format!("customers: [{customers}], ")
        };
        text.push_str(&format!(
            "  - {{guardrail: {guardrail}, rule: {rule}, {customers}reason: r, owner: o, until: {until}}}\n"
        ));
    }
    let source = Sources::new().add("waivers.yaml", text.as_str());
    let (waivers, problems) = parse(source, &text);
    assert!(problems.is_empty(), "{text}\n{problems:?}");
    waivers
}

/// Applies waivers to one finding, and returns it with the warnings about waivers.
fn one(waivers: Vec<Waiver>, finding: Finding) -> (Finding, Vec<String>) {
    let mut findings = vec![finding];
    apply(waivers, DAY, &mut findings, |_| true, |_| true);
    let warnings = findings.split_off(1).into_iter().map(|one| one.message).collect();
    (findings.remove(0), warnings)
}

#[test]
fn a_waiver_takes_the_weight_from_its_guardrail_rule_and_customers_alone() {
    let harm =
        |rule: &str, customers: &[&str]| finding("collateral_loss", Level::Error, rule, customers);
    let of = |customers: &str| waivers(&[("collateral_loss", "x", customers, 9)]);
    let (found, warnings) = one(of("a, b"), harm("x", &["a"]));
    assert!(found.waived && warnings.is_empty() && found.message == "m");
    for other in [
        harm("y", &["a"]),
        harm("x", &["c"]),
        finding("target_loss", Level::Error, "x", &["a"]),
        harm("x", &[]),
        Finding { rule: None, ..harm("x", &["a"]) },
    ] {
        let (found, warnings) = one(of("a, b"), other.clone());
        assert_eq!((found.waived, warnings.len()), (false, 1), "{other:?}");
    }
    // One more customer than was accepted, and the whole finding counts and names who it is.
    let (found, warnings) = one(of("a, b"), harm("x", &["a", "z"]));
    assert!(!found.waived && found.message.ends_with("; no waiver names z"), "{found:?}");
    assert!(warnings[0].contains("leaves out whom"), "{warnings:?}");
    // Nobody named is nobody accepted.
    assert!(!one(of(""), harm("x", &["a"])).0.waived);
    // Two waivers together.
    let two = waivers(&[("collateral_loss", "x", "a", 9), ("collateral_loss", "x", "b", 1)]);
    assert!(one(two, harm("x", &["b", "a"])).0.waived);
}

#[test]
fn what_expired_comes_back_and_says_so() {
    let expired = || waivers(&[("shared_bucket", "x", "", 0)]);
    let (found, warnings) = one(expired(), finding("shared_bucket", Level::Error, "x", &[]));
    assert!(!found.waived && warnings.is_empty());
    assert_eq!(found.message, format!("m; its waiver expired on {}", date(DAY)));
    let mut findings = Vec::new();
    let uses = apply(expired(), DAY, &mut findings, |_| true, |_| true);
    assert_eq!(uses[0].state, WaiverState::Expired);
    assert!(findings[0].message.contains("expired on"), "{findings:?}");
}

#[test]
fn what_was_not_looked_at_is_not_called_unused() {
    let mut findings = Vec::new();
    let all = waivers(&[("shared_bucket", "x", "", 1), ("shared_bucket", "y", "", 1)]);
    let uses = apply(all, DAY, &mut findings, |waiver| waiver.rule.value == "x", |_| false);
    let states: Vec<WaiverState> = uses.iter().map(|one| one.state).collect();
    assert_eq!(states, [WaiverState::Unused, WaiverState::Idle]);
    assert_eq!(findings.len(), 1);
}

proptest! {
    #[test]
    fn unknown_and_impossible_are_never_waived(
        at in 0..GUARDRAILS.len(), level in 0..3, customers in proptest::collection::vec("[a-c]", 0..3)
    ) {
        let guardrail = GUARDRAILS[at].id;
        let level = [Level::Error, Level::Unknown, Level::Warning][level as usize];
        let names: Vec<&str> = customers.iter().map(String::as_str).collect();
        let before = finding(guardrail, level, "x", &names);
        let (found, _) = one(waivers(&[(guardrail, "x", &names.join(", "), 90)]), before);
        let may = level != Level::Unknown && waivable(guardrail).is_ok();
        prop_assert_eq!(found.waived, may);
        let never = ["impossible_match", "unused_waiver"].contains(&guardrail)
            || GUARDRAILS[at].level == Level::Unknown;
        prop_assert_eq!(waivable(guardrail).is_err(), never);
    }
}

#[test]
fn a_waiver_that_says_too_much_is_refused_with_its_cure() {
    let mut sources = Sources::new();
    let file = sources.add(
        "inventory.yaml",
        "version: 1\ncustomers:\n  - {id: acme, prefixes: [203.0.113.0/28]}\ninfrastructure:\n  - {id: oob, prefixes: [192.0.2.0/28]}\n",
    );
    let inventory = Inventory {
        customers: vec![crate::model::Customer {
            id: Spanned::new(
                "acme".to_owned(),
                crate::model::Location { source: file, span: crate::model::Span::new(0, 0) },
            ),
            name: None,
            tier: None,
            tags: Vec::new(),
            region: None,
            prefixes: Vec::new(),
            hosts: Vec::new(),
        }],
        ..Inventory::default()
    };
    let said = |line: (&str, &str, &str, i64)| {
        let all = examine(&waivers(&[line]), DAY, Some(&inventory));
        all.iter()
            .map(|one| format!("{}: {}", one.message, one.help.clone().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(said(("collateral_loss", "x", "acme", 90)), "");
    for (line, says) in [
        (("collateral_loss", "x", "acme", 91), "at most 90 days"),
        (("colateral_loss", "x", "acme", 9), "did you mean `collateral_loss`?"),
        (("evidence_too_thin", "x", "acme", 9), "unknown is never waived"),
        (("impossible_match", "x", "", 9), "correct the rule"),
        (("collateral_loss", "x", "acne", 9), "did you mean `acme`?"),
        (("protected_traffic_hit", "x", "", 9), "names nobody"),
        (("protected_traffic_hit", "x", "acme", 9), "is not an infrastructure id"),
        (("undo_cut_off", "x", "\"(control-plane)\"", 9), "is not an infrastructure id"),
    ] {
        assert!(said(line).contains(says), "{line:?}: {}", said(line));
    }
}
