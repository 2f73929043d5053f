//! `blastgate show`: a closer look at a saved result.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{ArgAction, Args};

use super::outputs::load;
use super::{When, is_terminal, print, style};
use crate::reports::show::{self, Look};
use crate::yaml::nearest;

/// What `show` takes.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct ShowArguments {
    /// The result, as `--save FILE` or `-o json=FILE` wrote it; `-` for standard input.
    #[arg(value_name = "RESULT", env = "BLASTGATE_RESULT")]
    result: PathBuf,

    #[command(flatten)]
    look: LookArguments,

    /// Colour.
    #[arg(long, value_enum, default_value_t, env = "BLASTGATE_COLOR")]
    color: When,

    /// Print every row.
    #[arg(short, long, action = ArgAction::Count, env = "BLASTGATE_VERBOSE")]
    verbose: u8,
}

/// What is looked at: just one of these.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct LookArguments {
    /// A customer, infrastructure entry, `(control-plane)` or `(unowned)`: what it loses, where and
    /// to which rules, with a packet to trace.
    #[arg(long, value_name = "ID")]
    customer: Option<String>,

    /// A rule: what it met, who shares its limit, whom it harms.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,

    /// A PoP: how much was recorded there, and who loses there.
    #[arg(long, value_name = "NAME")]
    pop: Option<String>,
}

const AFTER: &str = "\
A name that the result does not hold is an error, and no answer: nobody is said to be unharmed for
a slip of the pen. Customers that the change does not reach are not in it.

Exit codes: 0 shown, whatever the verdict is; 2 usage, or no result that this program reads.";

pub(super) fn run(arguments: &ShowArguments) -> Result<u8> {
    let LookArguments { customer, rule, pop } = &arguments.look;
    let look = match (customer, rule, pop) {
        (Some(id), ..) => Look::Customer(id.clone()),
        (None, Some(id), _) => Look::Rule(id.clone()),
        (None, None, Some(name)) => Look::Pop(name.clone()),
        (None, None, None) => bail!("what is to be shown? Name a --customer, a --rule or a --pop"),
    };
    let result = load(&arguments.result)?;
    let (Look::Customer(name) | Look::Rule(name) | Look::Pop(name)) = &look;
    let known = show::names(&result, &look);
    if !known.contains(&name.as_str()) {
        let what = match look {
            Look::Customer(_) => "customer that is reached, touched or affected",
            Look::Rule(_) => "rule",
            Look::Pop(_) => "PoP that is recorded or loses anything",
        };
        match nearest(name, known.iter().copied()) {
            Some(near) => {
                bail!("the result holds no {what} named `{name}`; did you mean `{near}`?")
            }
            None => bail!("the result holds no {what} named `{name}`"),
        }
    }
    let (out, _) = is_terminal();
    let shown = style(arguments.color, out, false, arguments.verbose > 0);
    let mut text = Vec::new();
    show::write(&result, &look, shown, &mut text)?;
    print(&text)?;
    Ok(0)
}
