//! `blastgate lint`: the fast half of the gate, for the pre-commit hook.

use anyhow::Result;
use clap::Args;

use super::arguments::RuleArguments;
use super::judge;
use crate::run;

/// What `lint` takes.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct LintArguments {
    #[command(flatten)]
    rules: RuleArguments,
}

const AFTER: &str = "\
No traffic is read, whatever the config names: what a rule costs anyone, and whether it does its
job, only `check` tells. Without an inventory neither owners of addresses nor the customers that
intents name are looked at.

As a pre-commit hook: exec blastgate lint --staged

Exit codes: 0 clean, perhaps with warnings; 1 the rules are bad; 2 usage or config; 3 rules or
inventory cannot be read.";

pub(super) fn run(arguments: &LintArguments) -> Result<u8> {
    judge(&arguments.rules, None, |_| Ok(()), |plan, _, watch| run::check(plan, &watch, &|_| {}))
}
