//! `blastgate report`: a saved result, rendered again.

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use super::outputs::{Outputs, load};
use super::{When, is_terminal, style};
use crate::reports::diagnostics;

/// What `report` takes.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct ReportArguments {
    /// The result, as `--save FILE` or `-o json=FILE` wrote it; `-` for standard input.
    #[arg(value_name = "RESULT", env = "BLASTGATE_RESULT")]
    result: PathBuf,

    /// Output form; `FORM=FILE` writes a file. Repeat for several, at most one to standard output:
    /// text (the default), concise, json, sarif, junit, github, gitlab, markdown, html.
    #[arg(
        short,
        long,
        value_name = "FORM[=FILE]",
        env = "BLASTGATE_OUTPUT",
        value_delimiter = '\n'
    )]
    output: Vec<String>,

    /// Colour.
    #[arg(long, value_enum, default_value_t, env = "BLASTGATE_COLOR")]
    color: When,

    /// Print the verdict only.
    #[arg(short, long, value_parser = BoolishValueParser::new(), env = "BLASTGATE_QUIET")]
    quiet: bool,

    /// Print everything, not one screen.
    #[arg(short, long, action = ArgAction::Count, env = "BLASTGATE_VERBOSE")]
    verbose: u8,
}

const AFTER: &str = "\
Nothing is judged again, and no rules or traffic are read: what comes out is what the run would
have written.

Exit codes: 0 rendered, whatever the verdict is; 2 usage, or no result that this program reads.";

pub(super) fn run(arguments: &ReportArguments) -> Result<u8> {
    let (out, errors) = is_terminal();
    let verbose = arguments.verbose > 0;
    let shown = style(arguments.color, out, arguments.quiet, verbose);
    let error_style = style(arguments.color, errors, arguments.quiet, verbose);
    let result = load(&arguments.result)?;
    let outputs = Outputs::open(&arguments.output, None, &[&arguments.result])?;
    for problem in &result.problems {
        anstream::eprintln!("{}\n", diagnostics::brief(problem, error_style));
    }
    outputs.write(&result, shown)?;
    Ok(0)
}
