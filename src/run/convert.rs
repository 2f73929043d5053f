//! The wiring of `convert`: rules in, the same rules in another language out.

use super::{Plan, Run};
use crate::convert::{Target, convert};
use crate::model::{Diagnostic, Severity, Sources};

/// How a translation ended.
pub struct Converted {
    /// The rules in the other language; none if they are not exactly the same there.
    pub text: Option<String>,
    /// 0: translated; 1: not exact; 3: the rules cannot be read.
    pub code: u8,
    /// What is wrong, for people.
    pub problems: Vec<Diagnostic>,
    /// The texts that problems point into.
    pub sources: Sources,
}

/// Translates the candidate rules of a plan.
pub fn translate(plan: Plan, target: &Target) -> Converted {
    let path = plan.way.path;
    let mut run = Run { problems: Vec::new(), ..Run::new(plan) };
    let [_, candidate] = run.rule_sets();
    let Run { mut problems, sources, .. } = run;
    let (text, code) = if problems.iter().any(|problem| problem.severity == Severity::Error) {
        (None, 3)
    } else {
        match convert(&candidate, target, path) {
            Ok(text) => (Some(text), 0),
            Err(refused) => {
                problems.extend(refused);
                (None, 1)
            }
        }
    };
    Converted { text, code, problems, sources }
}
