//! `blastgate man`: the manual pages, as roff: `blastgate man | man -l -`.

use anyhow::{Context, Result, anyhow};
use clap::{Args, CommandFactory};

use super::print;
use crate::yaml::nearest;

/// What `man` takes.
#[derive(Args, Debug)]
pub(super) struct ManArguments {
    /// The command; without one the page of the program.
    command: Option<String>,
}

pub(super) fn run(arguments: &ManArguments) -> Result<u8> {
    let mut program = super::Arguments::command();
    program.build();
    let page = match &arguments.command {
        None => program,
        Some(name) => {
            let known: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
            let missing = || match nearest(name, known.iter().copied()) {
                Some(near) => anyhow!("unknown command `{name}`; did you mean `{near}`?"),
                None => anyhow!("unknown command `{name}`; known: {}", known.join(", ")),
            };
            let found = program.find_subcommand(name).ok_or_else(missing)?;
            found.clone()
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).context("cannot write the page")?;
    print(&text)?;
    Ok(0)
}
