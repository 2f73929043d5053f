//! `blastgate check`: the gate.

use anyhow::Result;
use clap::Args;

use super::arguments::{RuleArguments, TrafficArguments};
use super::judge;
use super::progress::Progress;
use crate::run;

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
    let (when, quiet) = (traffic.progress, rules.quiet);
    judge(rules, Some(traffic), move |plan, is_terminal, watch| {
        let progress = Progress::new(when, is_terminal, quiet, &watch);
        run::check(plan, &watch, &|records| progress.add(records))
    })
}
