//! `blastgate explain`: the manual page of a guardrail.

use std::io::Write;

use anyhow::{Result, bail};
use clap::Args;

use crate::guardrails::GUARDRAILS;
use crate::yaml::nearest;

/// What `explain` takes.
#[derive(Args, Debug)]
pub(super) struct ExplainArguments {
    /// The guardrail, such as `collateral_loss`; without one all are listed.
    id: Option<String>,
}

pub(super) fn run(arguments: &ExplainArguments) -> Result<u8> {
    let Some(id) = &arguments.id else {
        let mut out = std::io::stdout().lock();
        for guardrail in GUARDRAILS {
            writeln!(out, "{}", guardrail.id)?;
        }
        return Ok(0);
    };
    let id = id.replace('-', "_");
    let Some(guardrail) = GUARDRAILS.iter().find(|guardrail| guardrail.id == id) else {
        let known = GUARDRAILS.iter().map(|guardrail| guardrail.id);
        match nearest(&id, known.clone()) {
            Some(near) => bail!("unknown guardrail `{id}`; did you mean `{near}`?"),
            None => {
                bail!("unknown guardrail `{id}`; known: {}", known.collect::<Vec<_>>().join(", "))
            }
        }
    };
    let text = &guardrail.text;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n\nWhat it catches:\n  {}", guardrail.id, wrapped(text.catches))?;
    writeln!(out, "\nWhy that is bad:\n  {}", wrapped(text.why))?;
    writeln!(out, "\nExample:\n  {}", text.example.replace('\n', "\n  "))?;
    writeln!(out, "\nWhat to do:\n  {}", wrapped(text.todo))?;
    Ok(0)
}

/// Breaks a text at 76 columns, indented by two.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= 76 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n  ")
}
