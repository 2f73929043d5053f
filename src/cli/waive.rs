//! `blastgate waive`: adds a waiver to a file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use super::{here, plan, print};
use crate::config::{self, Config};
use crate::input::{self, Output};
use crate::languages::native;
use crate::model::{SourceId, Sources, Spanned, Timestamp, Waiver};
use crate::{waiver, words};

/// The file that a waiver goes to where none is named.
const FILE: &str = "waivers.yaml";

/// What `waive` takes.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct WaiveArguments {
    /// The guardrail whose finding is accepted, as the finding names it.
    #[arg(value_name = "GUARDRAIL")]
    guardrail: String,

    /// The rule that it is about.
    #[arg(long, value_name = "ID", env = "BLASTGATE_RULE")]
    rule: String,

    /// Whose harm is accepted; repeat for everyone whom the finding names.
    #[arg(long, value_name = "ID", env = "BLASTGATE_CUSTOMER", value_delimiter = '\n')]
    customer: Vec<String>,

    /// Why, in one line.
    #[arg(long, value_name = "TEXT", env = "BLASTGATE_REASON")]
    reason: String,

    /// Who accepts it.
    #[arg(long, value_name = "WHO", env = "BLASTGATE_OWNER")]
    owner: String,

    /// Until when: a date, a time, or a duration from now such as `30d`; at most 90 days ahead.
    #[arg(long, value_name = "DATE", env = "BLASTGATE_UNTIL")]
    until: String,

    /// The file to add it to [default: the first of the config's, else `waivers.yaml` beside it].
    #[arg(long, value_name = "FILE", env = "BLASTGATE_FILE")]
    file: Option<PathBuf>,

    /// The clock, as RFC 3339 [default: now].
    #[arg(long, value_name = "TIME", env = "BLASTGATE_NOW")]
    now: Option<String>,
}

const AFTER: &str = "\
A waiver takes the weight from findings of one guardrail about one rule, and of those only that
concern nobody but the customers it names. What cannot be judged is never waived, nor is an
impossible match; protected traffic only by naming the infrastructure.

Exit codes: 0 added, 2 not.";

pub(super) fn run(arguments: &WaiveArguments) -> Result<u8> {
    let now = plan::clock(arguments.now.as_deref())?;
    let said = |(message, help): (String, String)| anyhow!("{message}; {help}");
    waiver::waivable(&arguments.guardrail).map_err(said)?;
    let until = until(&arguments.until, now)?;
    waiver::ahead(until, now).map_err(said)?;
    if until <= now {
        bail!("--until {}: that is past", arguments.until);
    }
    let (path, is_listed) = file(arguments.file.as_deref())?;
    let entry = entry(arguments, until);
    let before = match path.is_file() {
        true => input::text(&path).map_err(|error| anyhow!("{error}"))?,
        false => "version: 1\nwaivers:\n".to_owned(),
    };
    let after = add(&before, &entry, now).with_context(|| {
        format!("cannot add to {}; add by hand:\n{}", path.display(), entry.trim_end())
    })?;
    let output = Output::open(&path).with_context(|| format!("cannot write {}", path.display()))?;
    output.finish(after.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    let mut said = format!("added to {}:\n{entry}", path.display());
    if !is_listed {
        let name = path.display();
        said.push_str(&format!(
            "It counts once `{}` lists it (`waivers: [{name}]`), or with `--waivers {name}`.\n",
            config::FILE_NAME
        ));
    }
    print(said.as_bytes())?;
    Ok(0)
}

fn until(text: &str, now: Timestamp) -> Result<Timestamp> {
    if let Ok(time) = words::time(text) {
        return Ok(time);
    }
    let ahead = words::duration(text).ok().and_then(|ns| i64::try_from(ns).ok());
    match ahead {
        Some(ahead) => Ok(now.plus(ahead)),
        None => bail!("--until {text}: write a date such as `2026-12-01`, or `30d`"),
    }
}

/// Returns the file to add to, and whether the config lists it.
fn file(named: Option<&Path>) -> Result<(PathBuf, bool)> {
    let found = input::find_upwards(&here()?, config::FILE_NAME);
    let Some(found) = found else {
        return Ok((named.map_or_else(|| PathBuf::from(FILE), Path::to_owned), false));
    };
    let folder = found.parent().map(Path::to_owned).unwrap_or_default();
    let text = input::text(&found).map_err(|error| anyhow!("{error}"))?;
    let source = Sources::new().add(input::shown(&found), text.as_str());
    let (config, _) =
        config::parse(source, &text, &mut native::parse_match, &mut native::parse_intent);
    let Config { waivers, .. } =
        config.ok_or_else(|| anyhow!("{} cannot be used", found.display()))?;
    let mut listed = waivers.iter().map(|one| folder.join(&one.value));
    match named {
        Some(path) => Ok((path.to_owned(), listed.any(|one| input::is_same_file(&one, path)))),
        None => match listed.next() {
            Some(first) => Ok((first, true)),
            None => Ok((folder.join(FILE), false)),
        },
    }
}

/// Writes a waiver as an entry of the list.
fn entry(arguments: &WaiveArguments, until: Timestamp) -> String {
    let quoted = |text: &str| match words::is_id(text) {
        true => text.to_owned(),
        // JSON strings are YAML strings.
        false => serde_json::Value::from(text).to_string(),
    };
    let mut text = format!(
        "  - guardrail: {}\n    rule: {}\n",
        quoted(&arguments.guardrail),
        quoted(&arguments.rule)
    );
    if !arguments.customer.is_empty() {
        let all: Vec<String> = arguments.customer.iter().map(|one| quoted(one)).collect();
        text.push_str(&format!("    customers: [{}]\n", all.join(", ")));
    }
    text.push_str(&format!("    reason: {}\n", quoted(&arguments.reason)));
    text.push_str(&format!("    owner: {}\n    until: {until}\n", quoted(&arguments.owner)));
    text
}

/// Adds an entry to the end of a file, and makes sure that the file then says what it said before
/// and this besides.
fn add(before: &str, entry: &str, now: Timestamp) -> Result<String> {
    let parse = |text: &str| {
        let source: SourceId = Sources::new().add("waivers", text);
        let (waivers, problems) = waiver::parse(source, text);
        let first = problems.first().map(|problem| problem.message.clone());
        (waivers, first)
    };
    let is_new = before.trim_end().ends_with("waivers:");
    let (old, problem) = if is_new { (Vec::new(), None) } else { parse(before) };
    if let Some(problem) = problem {
        bail!("{problem}");
    }
    let start = before.trim_end();
    let start = start
        .strip_suffix("waivers: []")
        .map_or(start.to_owned(), |head| format!("{head}waivers:"));
    let after = format!("{start}\n{entry}");
    let (new, problem) = parse(&after);
    let says = |one: &Waiver| {
        let plain = |text: &Spanned<String>| text.value.clone();
        let customers: Vec<String> = one.customers.iter().map(plain).collect();
        (plain(&one.guardrail), plain(&one.rule), customers, one.reason.clone(), one.owner.clone())
    };
    let same =
        new.len() == old.len() + 1 && old.iter().map(says).eq(new.iter().map(says).take(old.len()));
    if let Some(problem) = problem {
        bail!("{problem}");
    }
    if !same {
        bail!("its list does not end where the file ends");
    }
    let last = new
        .last()
        .map_or_else(Vec::new, |last| waiver::examine(std::slice::from_ref(last), now, None));
    match last.first() {
        Some(problem) => {
            let help = problem.help.as_deref().unwrap_or_default();
            bail!("{}; {help}", problem.message)
        }
        None => Ok(after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_said_before_and_one_waiver_more() {
        let entry =
            "  - {guardrail: shared_bucket, rule: x, reason: r, owner: o, until: 1970-01-02}\n";
        let now = Timestamp(0);
        let mut text = "version: 1\nwaivers:\n".to_owned();
        for number in 1..4 {
            text = add(&text, entry, now).expect("it can be added");
            let source = Sources::new().add("w", text.as_str());
            let (waivers, problems) = waiver::parse(source, &text);
            assert_eq!((waivers.len(), problems.len()), (number, 0), "{text}");
        }
        assert_eq!(
            add("version: 1\nwaivers: []\n", entry, now).ok(),
            add("version: 1\nwaivers:\n", entry, now).ok()
        );
        for other in [
            "waivers: [{guardrail: a}]\nversion: 1\n",
            "version: 1\n",
            "",
            "version: 1\nwaivers:\n  - x: y\n",
        ] {
            assert!(add(other, entry, now).is_err(), "{other}");
        }
    }
}
