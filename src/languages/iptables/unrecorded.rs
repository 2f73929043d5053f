//! Matches on what no record has: they may hold or not, and equal ones hold alike.

use super::context::{Context, not_recorded, not_understood, signed};
use super::spec::{Setting, Use, push};
use crate::model::{Diagnostic, Spanned, Term};

/// Why each match that is known and bounded is so.
const WHY: &[(&str, &str)] = &[
    ("conntrack", "the state of connections is in no record"),
    ("state", "the state of connections is in no record"),
    ("mark", "marks are in no record"),
    ("connmark", "marks are in no record"),
    ("addrtype", "the routes of the router are in no record"),
    ("connlimit", "how many connections are open is in no record"),
    ("connbytes", "what a connection has carried is in no record"),
    ("mac", "hardware addresses are in no record"),
    ("physdev", "ports of bridges are in no record"),
    ("time", "it hangs on the time of day"),
    ("recent", "it hangs on earlier packets"),
    ("string", "what packets carry is in no record"),
    ("u32", "it looks at bytes that are in no record"),
    ("bpf", "it looks at bytes that are in no record"),
    ("statistic", "it hangs on chance"),
    ("owner", "the owner of a socket is in no record"),
    ("quota", "it hangs on earlier packets"),
    ("nfacct", "it hangs on earlier packets"),
];

/// Matches that answer anew each time they are met.
const ANEW: &[&str] = &["statistic", "recent", "quota", "nfacct", "connlimit", "mark"];

/// Matches whose options are conditions of their own, each of which may be negated.
const APART: &[&str] = &[
    "conntrack",
    "state",
    "mark",
    "connmark",
    "mac",
    "owner",
    "u32",
    "pkttype",
    "realm",
    "cpu",
    "helper",
    "devgroup",
    "tcpmss",
    "ipv6header",
];

/// Adds the conditions of a match that no record tells.
pub(super) fn unknown(
    one: &Use<'_>,
    chain: &str,
    terms: &mut Vec<Spanned<Term>>,
    context: &mut Context<'_>,
) -> Result<(), Diagnostic> {
    let location = one.location;
    let Some(extension) = one.extension else {
        context.bound(location, format!("match `{}` is not known", one.name));
        terms.push(Spanned::new(not_understood(one.text()), location));
        return Ok(());
    };
    let name = extension.name();
    let why = WHY.iter().find(|(known, _)| *known == name).map(|(_, why)| *why);
    context.bound(location, why.unwrap_or("what it asks for is in no record"));
    if one.settings.is_empty() && name != "socket" && name != "rpfilter" {
        return Err(Diagnostic::error(location, format!("`-m {name}` asks for nothing"))
            .label("its options are missing")
            .help("add them, or remove the match"));
    }
    let marks = context.facts.marks.filter(|_| name == "mark" || name == "connmark");
    if !APART.contains(&name) {
        let text = one.text();
        let term = if ANEW.contains(&name) {
            context.each_time(format!("{text} in {chain}"))
        } else {
            not_recorded(text)
        };
        terms.push(Spanned::new(term, location));
        return Ok(());
    }
    for setting in &one.settings {
        let term = if matches!(setting.name, "ctstate" | "state") {
            state(setting)
        } else {
            let positive = Setting { negated: false, ..setting.clone() };
            let mut text = name.to_owned();
            push(&mut text, &positive);
            match marks {
                // Rules of this set change marks, so two looks at one may differ.
                Some(digest) => context.each_time(format!("{text} in {chain} ({digest:x})")),
                None => not_recorded(text),
            }
        };
        let term = signed(term, setting.negated, setting.location);
        terms.push(Spanned::new(term, setting.location));
    }
    Ok(())
}

/// The state of a connection, in the words of nftables: a list is any of its states.
fn state(setting: &Setting<'_>) -> Term {
    let mut states: Vec<String> =
        setting.value(0).split(',').map(|state| state.trim().to_ascii_lowercase()).collect();
    states.sort_unstable();
    states.dedup();
    let term = |state: &String| not_recorded(format!("ct state {state}"));
    match states.as_slice() {
        [one] => term(one),
        several => Term::AnyOf(
            several.iter().map(|one| super::context::all([term(one)], setting.location)).collect(),
        ),
    }
}
