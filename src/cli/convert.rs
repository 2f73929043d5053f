//! `blastgate convert`: the same rules in another language.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use clap::builder::BoolishValueParser;

use super::arguments::RuleArguments;
use super::{When, here, is_terminal, plan, style};
use crate::convert::{TARGETS, Target};
use crate::reports::diagnostics;
use crate::run;
use crate::yaml::nearest;

/// What `convert` takes, as typed.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct ConvertArguments {
    /// Rule files or folders [default: the config's].
    #[arg(value_name = "RULES", env = "BLASTGATE_RULES", value_delimiter = '\n')]
    rules: Vec<PathBuf>,

    /// The language to write: native or nftables.
    #[arg(long, value_name = "LANGUAGE", env = "BLASTGATE_TO")]
    to: String,

    /// The language to read, when it cannot be told from the file.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_LANGUAGE", help_heading = "Materials")]
    language: Option<String>,

    /// The hooks that packets pass, for languages that have any: forward, input, prerouting or
    /// ingress; rules are written for the first or the third [default: forward].
    #[arg(long, value_name = "HOOKS", env = "BLASTGATE_PATH", help_heading = "Materials")]
    path: Option<String>,

    /// The interface by which packets come in, for rules that ask; left out, it is unknown.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_IIF", help_heading = "Materials")]
    iif: Option<String>,

    /// The interface by which packets go out, for rules that ask; left out, it is unknown.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_OIF", help_heading = "Materials")]
    oif: Option<String>,

    /// The config [default: `blastgate.yaml`, from here upwards to the first folder with `.git`].
    #[arg(
        long,
        value_name = "FILE",
        env = "BLASTGATE_CONFIG",
        conflicts_with = "no_config",
        help_heading = "Materials"
    )]
    config: Option<PathBuf>,

    /// Use no config.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "BLASTGATE_NO_CONFIG", help_heading = "Materials")]
    no_config: bool,

    /// Colour of what is wrong.
    #[arg(long, value_enum, default_value_t, env = "BLASTGATE_COLOR", help_heading = "Output")]
    color: When,
}

const AFTER: &str = "\
All rules are written to standard output, or none: what treats a single packet otherwise there is
refused, with its place and why. What was written is read back and compared first.

Exit codes: 0 written; 1 not exactly the same in the other language; 2 usage or config; 3 the
rules cannot be read.";

pub(super) fn run(arguments: &ConvertArguments) -> Result<u8> {
    let target = target(&arguments.to)?;
    let (_, errors) = is_terminal();
    let error_style = style(arguments.color, errors, false, false);
    let rules = RuleArguments {
        rules: arguments.rules.clone(),
        language: arguments.language.clone(),
        path: arguments.path.clone(),
        iif: arguments.iif.clone(),
        oif: arguments.oif.clone(),
        config: arguments.config.clone(),
        no_config: arguments.no_config,
        ..RuleArguments::default()
    };
    let show = |problems: &[_], sources: &_| {
        for problem in problems {
            let text = diagnostics::render(problem, sources, error_style);
            // Standard error may be closed; the exit code still counts.
            let _ = writeln!(anstream::stderr(), "{text}\n");
        }
    };
    let plan = match plan::plan(&rules, None, &here()?)? {
        Ok(plan) => plan,
        Err((problems, sources)) => {
            show(&problems, &sources);
            bail!("the config cannot be used");
        }
    };
    let converted = run::translate(plan, target);
    show(&converted.problems, &converted.sources);
    if let Some(text) = &converted.text {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => other.context("cannot write to standard output")?,
        }
    }
    Ok(converted.code)
}

fn target(name: &str) -> Result<&'static Target> {
    let known = || TARGETS.iter().map(|target| target.name);
    TARGETS.iter().find(|target| target.name == name).copied().ok_or_else(|| {
        match nearest(name, known()) {
            Some(near) => anyhow!("rules cannot be written as `{name}`; did you mean `{near}`?"),
            None => {
                let known: Vec<&str> = known().collect();
                anyhow!("rules cannot be written as `{name}`; known: {}", known.join(", "))
            }
        }
    })
}
