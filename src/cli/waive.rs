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
        false => String::new(),
    };
    let after = add(&before, &entry, now).with_context(|| {
        let entry = in_flow(&entry);
        format!("cannot add to {}; add this by hand: `- {entry}`", path.display())
    })?;
    let output = Output::open(&path).with_context(|| format!("cannot write {}", path.display()))?;
    output.finish(after.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    let mut said = format!("added to {}:\n{}", path.display(), in_block(&entry, "  "));
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

/// A waiver as it is written: its keys and their values in YAML.
type Entry = Vec<(&'static str, String)>;

fn entry(arguments: &WaiveArguments, until: Timestamp) -> Entry {
    // JSON strings are YAML strings. A plain word may be something else to YAML.
    let quoted = |text: &str| {
        let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && !["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&text);
        match words::is_id(text) && is_word {
            true => text.to_owned(),
            false => serde_json::Value::from(text).to_string(),
        }
    };
    let mut entry =
        vec![("guardrail", quoted(&arguments.guardrail)), ("rule", quoted(&arguments.rule))];
    if !arguments.customer.is_empty() {
        let all: Vec<String> = arguments.customer.iter().map(|one| quoted(one)).collect();
        entry.push(("customers", format!("[{}]", all.join(", "))));
    }
    entry.push(("reason", quoted(&arguments.reason)));
    entry.push(("owner", quoted(&arguments.owner)));
    entry.push(("until", until.to_string()));
    entry
}

/// Writes an entry on one line.
fn in_flow(entry: &Entry) -> String {
    let all: Vec<String> = entry.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{{{}}}", all.join(", "))
}

/// Writes an entry on lines of its own.
fn in_block(entry: &Entry, indent: &str) -> String {
    let lines = entry.iter().enumerate().map(|(at, (key, value))| {
        let sign = if at == 0 { "- " } else { "  " };
        format!("{indent}{sign}{key}: {value}\n")
    });
    lines.collect()
}

/// Adds an entry to a file, in the way in which its list is written, and makes sure that the file
/// then says what it said before and this besides.
fn add(before: &str, entry: &Entry, now: Timestamp) -> Result<String> {
    let parse = |text: &str| {
        let source: SourceId = Sources::new().add("waivers", text);
        let (waivers, problems) = waiver::parse(source, text);
        let first = problems.first().map(|problem| problem.message.clone());
        (waivers, first)
    };
    let is_new = before.trim().is_empty() || before.trim_end().ends_with("waivers:");
    let (old, problem) = if is_new { (Vec::new(), None) } else { parse(before) };
    if let Some(problem) = problem {
        bail!("{problem}");
    }
    let says = |one: &Waiver| {
        let plain = |text: &Spanned<String>| text.value.clone();
        let customers: Vec<String> = one.customers.iter().map(plain).collect();
        (plain(&one.guardrail), plain(&one.rule), customers, one.reason.clone(), one.owner.clone())
    };
    let mut failed = None;
    for after in ways(before, entry) {
        let (new, problem) = parse(&after);
        if let Some(problem) = problem {
            failed = failed.or(Some(problem));
            continue;
        }
        if !old.iter().map(says).eq(new.iter().map(says).take(old.len())) {
            continue;
        }
        if let (Some(last), true) = (new.last(), new.len() == old.len() + 1) {
            let problems = waiver::examine(std::slice::from_ref(last), now, None);
            if let Some(problem) = problems.first() {
                bail!("{}; {}", problem.message, problem.help.as_deref().unwrap_or_default());
            }
            return Ok(after);
        }
    }
    bail!("{}", failed.as_deref().unwrap_or("its list does not end where the file ends"))
}

/// Returns how a file may look with one entry more: its list indented or not, or in brackets.
fn ways(before: &str, entry: &Entry) -> Vec<String> {
    let start = before.trim_end();
    if start.is_empty() {
        return vec![format!("version: 1\nwaivers:\n{}", in_block(entry, "  "))];
    }
    if let Some(head) = start.strip_suffix("waivers: []") {
        return ways(&format!("{head}waivers:"), entry);
    }
    let is_dos = before.contains("\r\n");
    let block = |indent: &str| {
        let text = format!("{start}\n{}", in_block(entry, indent));
        if is_dos { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text }
    };
    let mut ways = vec![block("  "), block(""), block("    ")];
    if let Some(list) = start.strip_suffix(']') {
        let list = list.trim_end().trim_end_matches(',');
        ways.push(format!("{list}, {}]\n", in_flow(entry)));
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_said_before_and_one_waiver_more() {
        let entry: Entry = [
            ("guardrail", "shared_bucket"),
            ("rule", "x"),
            ("reason", "\"null\""),
            ("owner", "o"),
            ("until", "1970-01-02"),
        ]
        .map(|(key, value)| (key, value.to_owned()))
        .to_vec();
        let (now, flow) = (Timestamp(0), in_flow(&entry));
        let block = |indent: &str| format!("version: 1\nwaivers:\n{}", in_block(&entry, indent));
        for before in [
            "".to_owned(),
            "version: 1\nwaivers:\n".to_owned(),
            "version: 1\nwaivers: []\n".to_owned(),
            format!("version: 1\nwaivers: [{flow}]\n"),
            format!("version: 1\nwaivers: [\n  {flow},\n]\n"),
            format!("version: 1\r\nwaivers:\r\n  - {flow}\r\n"),
            block(""),
            block("  "),
            block("    "),
        ] {
            let count = before.matches("guardrail").count();
            let mut text = before.clone();
            for number in 1..4 {
                text = add(&text, &entry, now).unwrap_or_else(|no| panic!("{before:?}: {no}"));
                let source = Sources::new().add("w", text.as_str());
                let (waivers, problems) = waiver::parse(source, &text);
                assert_eq!((waivers.len(), problems.len()), (count + number, 0), "{text}");
            }
            let is_dos = before.contains("\r\n");
            assert_eq!(text.matches("\r\n").count() == text.matches('\n').count(), is_dos);
        }
        for other in [
            "waivers: [{guardrail: a}]\nversion: 1\n",
            "version: 1\n",
            "version: 1\nwaivers:\n  - x: y\n",
        ] {
            assert!(add(other, &entry, now).is_err(), "{other}");
        }
    }
}
