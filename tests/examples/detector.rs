//! A detector that asks before it announces: it makes a FlowSpec rule against what it saw, has it
//! judged in process, and announces it only on PASS.
//!
//! ```sh
//! cargo run --example detector -- inventory.yaml traffic.yaml 203.0.113.10/32 acme
//! ```

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use blastgate::model::Timestamp;
use blastgate::reports::clean;
use blastgate::result;
use blastgate::run::{self, Plan, Recording};

/// How long the attack may wait for an answer.
const DEADLINE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [inventory, traffic, destination, customer] = arguments.as_slice() else {
        eprintln!("usage: detector INVENTORY TRAFFIC DESTINATION CUSTOMER");
        return ExitCode::from(2);
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut plan = Plan::new(Timestamp::from_seconds(now.as_secs().cast_signed()));
    // What the rule is for is said beside it, and never derived from what it matches.
    plan.give(
        "detector.conf",
        format!(
            "# blastgate: id=detected intent target={customer} must_stop=90%\n\
             announce flow route destination {destination} protocol =udp discard\n"
        ),
    );
    plan.inventory_file(inventory);
    plan.traffic.push(Recording::plain(traffic.into()));

    let report = run::within(plan, DEADLINE);
    let answer = result::make(&report);
    // What is in the summary came from others; a terminal must not obey it.
    println!("{}: {}", report.verdict.word(), clean(&answer.summary, Default::default()));
    for row in answer.customers.iter().filter(|row| row.affected && !row.intended) {
        println!("would hurt {}", clean(&row.id, Default::default()));
    }
    // 0 announces it; 1 (FAIL) and 3 (CANNOT JUDGE) do not.
    ExitCode::from(answer.exit_code)
}
