//! `blastgate check`: the gate.

use anyhow::Result;
use clap::Args;

use super::arguments::{RuleArguments, TrafficArguments};
use super::by_traffic::{Judged, judge_by_traffic};

/// What `check` takes.
#[derive(Args, Debug)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    rules: RuleArguments,
    #[command(flatten)]
    traffic: TrafficArguments,
}

pub(super) fn run(arguments: &CheckArguments) -> Result<u8> {
    let CheckArguments { rules, traffic } = arguments;
    judge_by_traffic(Judged { rules, traffic, prepare: |_| Ok(()), begin: |_| {} })
}
