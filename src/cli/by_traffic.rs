//! Judging by traffic, as `check` and `ci` do, and showing how far it has come.

use anyhow::Result;

use super::arguments::{RuleArguments, TrafficArguments};
use super::judge;
use super::progress::Progress;
use crate::run::{self, Plan};

/// What is judged by traffic, and what is made of the plan before.
pub(super) struct Judged<'a> {
    pub(super) rules: &'a RuleArguments,
    pub(super) traffic: &'a TrafficArguments,
    pub(super) prepare: fn(&mut Plan) -> Result<()>,
    /// The same, where it may take long: what bounds the run bounds it too.
    pub(super) begin: fn(&mut Plan),
}

/// Judges by traffic, and shows how far it has come.
pub(super) fn judge_by_traffic(judged: Judged<'_>) -> Result<u8> {
    let Judged { rules, traffic, prepare, begin } = judged;
    let (when, quiet) = (traffic.progress, rules.quiet);
    judge(rules, Some(traffic), prepare, move |mut plan, is_terminal, watch| {
        begin(&mut plan);
        let progress = Progress::new(when, is_terminal, quiet, &watch);
        run::check(plan, &watch, &|records| progress.add(records))
    })
}
