//! Robots: a rule on standard input or handed over in process, an answer in time, and never a yes
//! when it is late.

use std::process::{Command as System, Stdio};
use std::time::{Duration, Instant};

use blastgate::model::Timestamp;
use blastgate::report::Verdict;
use blastgate::result;
use blastgate::run::{self, Plan, Recording};

use crate::common::{NOW, blastgate, fixtures};

const FOLDER: &str = "guardrails/collateral_loss";
const GIVEN: &[&str] = &[
    "check",
    "-",
    "--no-config",
    "--inventory",
    "inventory.yaml",
    "--traffic",
    "traffic.yaml",
    "--now",
    NOW,
    "-o",
    "json",
];

/// A FlowSpec rule as ExaBGP takes it, for what the detector saw.
fn rule(destination: &str) -> String {
    format!(
        "# blastgate: id=detected intent target=acme must_stop=90%\n\
         announce flow route destination {destination} protocol =udp discard\n"
    )
}

/// Destinations and what is to be said of a drop of their UDP.
const CASES: &[(&str, Verdict, &[&str])] = &[
    ("203.0.113.10/32", Verdict::Pass, &[]),
    ("203.0.113.0/24", Verdict::Fail, &["bakery"]),
    ("203.0.113.300/32", Verdict::CannotJudge, &[]),
];

#[test]
fn a_rule_on_standard_input_is_answered_in_json() {
    for (destination, verdict, hurt) in CASES {
        let output = blastgate(&fixtures(FOLDER))
            .args(GIVEN)
            .args(["--deadline", "60s"])
            .write_stdin(rule(destination))
            .output()
            .expect("the program runs");
        let answer = result::read(&String::from_utf8(output.stdout).expect("text")).expect("JSON");
        assert_eq!(answer.verdict, *verdict, "{destination}: {}", answer.summary);
        assert_eq!(output.status.code(), Some(i32::from(verdict.exit_code())));
        let rows = answer.customers.iter().filter(|row| row.affected && !row.intended);
        assert_eq!(&rows.map(|row| row.id.as_str()).collect::<Vec<_>>(), hurt, "{destination}");
    }
}

#[test]
fn a_robot_that_says_nothing_more_is_answered_by_the_deadline() {
    // Standard input stays open: the rule may not be whole, so nothing can be said of it.
    let begun = Instant::now();
    let mut child = System::new(env!("CARGO_BIN_EXE_blastgate"))
        .args(GIVEN)
        .args(["--deadline", "500ms"])
        .current_dir(fixtures(FOLDER))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut pipe, rule("203.0.113.10/32").as_bytes()).expect("it reads");
    let mut text = String::new();
    let out = child.stdout.as_mut().expect("a pipe");
    std::io::Read::read_to_string(out, &mut text).expect("text");
    let status = child.wait().expect("it ends");
    let took = begun.elapsed();
    drop(pipe);
    let answer = result::read(&text).expect("JSON");
    assert_eq!((answer.verdict, status.code()), (Verdict::CannotJudge, Some(3)), "{text}");
    assert!(answer.summary.starts_with("no verdict within 500ms"), "{}", answer.summary);
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(20), "{took:?}");
}

/// Makes the plan of a detector.
fn plan(destination: &str) -> Plan {
    let mut plan = Plan::new(Timestamp::from_seconds(1_772_366_400));
    plan.give("detector.conf", rule(destination));
    plan.inventory_file(fixtures(FOLDER).join("inventory.yaml"));
    plan.traffic.push(Recording::plain(fixtures(FOLDER).join("traffic.yaml")));
    plan
}

#[test]
fn in_process_the_answer_is_that_of_the_command_line() {
    for (destination, verdict, hurt) in CASES {
        let report = run::within(plan(destination), Duration::from_secs(60));
        let answer = result::make(&report);
        assert_eq!(answer.verdict, *verdict, "{destination}: {}", answer.summary);
        let rows = answer.customers.iter().filter(|row| row.affected && !row.intended);
        assert_eq!(&rows.map(|row| row.id.as_str()).collect::<Vec<_>>(), hurt, "{destination}");
        let places = answer.findings.iter().filter_map(|finding| finding.location.as_ref());
        assert!(places.clone().all(|place| place.file == "detector.conf"), "{destination}");
    }
}

#[test]
fn in_process_too_late_is_no_yes() {
    let report = run::within(plan("203.0.113.10/32"), Duration::ZERO);
    let answer = result::make(&report);
    assert_eq!((answer.verdict, answer.exit_code), (Verdict::CannotJudge, 3));
    assert!(answer.summary.starts_with("no verdict within 0"), "{}", answer.summary);
}
