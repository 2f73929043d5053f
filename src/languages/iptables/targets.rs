//! What a target does to a packet.

use super::context::{not_recorded, not_understood};
use super::extensions;
use super::names;
use super::spec::Target;
use super::tables::Table;
use super::values::{bad, parse_number};
use crate::model::{Action, Diagnostic, FlagTest, Term};

/// What becomes of packets that a rule takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// This action.
    Action(Action),
    /// Back to where the chain was jumped to from.
    Return,
    /// On in the chain of this name.
    Chain {
        /// Its name.
        name: String,
        /// Whether it is not come back from.
        is_goto: bool,
    },
    /// Several things that may happen: the first of which the condition holds does.
    Either(Vec<(Term, Action)>),
}

/// Returns what a target does; nothing if it is neither a target nor a chain but may be either.
pub(super) fn effect(
    target: &Target<'_>,
    table: Table,
    is_chain: impl Fn(&str) -> bool,
) -> Result<Effect, Diagnostic> {
    let name = &*target.name.text;
    let place = target.name.location;
    if is_chain(name) {
        return Ok(Effect::Chain { name: name.to_owned(), is_goto: target.is_goto });
    }
    if target.is_goto {
        return Err(Diagnostic::error(
            place,
            format!("no chain is called `{}`", name.escape_debug()),
        )
        .label("`-g` goes to chains of the same table only")
        .help("make the chain, or use `-j` for a target"));
    }
    if table == Table::Nat && matches!(name, "DROP" | "REJECT") {
        return Err(Diagnostic::error(place, "the nat table is not for filtering")
            .label("iptables refuses this rule")
            .help("drop in the filter, mangle or raw table"));
    }
    let may_drop = |text: &str| (not_recorded(format!("{text} drops")), Action::Drop);
    Ok(match name {
        "ACCEPT" => Effect::Action(Action::Accept),
        "DROP" | "TARPIT" => Effect::Action(Action::Drop),
        "REJECT" => Effect::Action(Action::Reject),
        "RETURN" => Effect::Return,
        "SNAT" | "DNAT" | "MASQUERADE" | "REDIRECT" | "NETMAP" => Effect::Action(Action::Accept),
        "TPROXY" => Effect::Action(Action::Redirect { to: "tproxy".to_owned() }),
        // What waits for a program is dropped if it says so, or if there is none; else it passes.
        "QUEUE" | "NFQUEUE" => {
            Effect::Either(vec![may_drop(&target.text()), (yes(), Action::Accept)])
        }
        // A first packet is answered in the server's place, and so is the answer to that; what
        // fits neither goes on.
        "SYNPROXY" => {
            let tests =
                vec![FlagTest { mask: 0x17, value: 0x02 }, FlagTest { mask: 0x17, value: 0x10 }];
            Effect::Either(vec![(Term::TcpFlags(tests), Action::Challenge)])
        }
        // A packet whose time is up goes no further.
        "TTL" | "HL" => Effect::Either(vec![may_drop(&target.text())]),
        "DSCP" => Effect::Action(mark(target)?),
        "TOS" => Effect::Action(tos(target).unwrap_or(Action::Log)),
        _ if extensions::find_target(name).is_some() => Effect::Action(Action::Log),
        _ => {
            let text = target.text();
            Effect::Either(vec![
                (not_understood(format!("{text} drops")), Action::Drop),
                (not_understood(format!("{text} accepts")), Action::Accept),
            ])
        }
    })
}

/// What always holds.
fn yes() -> Term {
    Term::AnyOf(vec![crate::model::Match::any()])
}

/// Returns whether a packet may be lost or let through by a target that nobody can tell.
pub(super) fn is_uncertain(name: &str) -> bool {
    matches!(name, "QUEUE" | "NFQUEUE") || extensions::find_target(name).is_none()
}

fn mark(target: &Target<'_>) -> Result<Action, Diagnostic> {
    let help = "write `--set-dscp 8` or `--set-dscp-class CS1`";
    if let Some(setting) = target.get("set-dscp") {
        let dscp = parse_number(setting.value(0)).filter(|dscp| *dscp < 64);
        let dscp = dscp.ok_or_else(|| bad(setting, 0, "is no DSCP", help))?;
        return Ok(Action::Mark { dscp });
    }
    let Some(setting) = target.get("set-dscp-class") else {
        return Err(Diagnostic::error(target.name.location, "no DSCP is given")
            .label("its option is missing")
            .help(help));
    };
    let dscp = names::dscp_class(setting.value(0));
    let dscp = dscp.ok_or_else(|| bad(setting, 0, "is no DSCP class", help))?;
    Ok(Action::Mark { dscp: dscp.into() })
}

/// Returns the mark that a type of service is, where all of the DSCP is set.
fn tos(target: &Target<'_>) -> Option<Action> {
    let text = target.get("set-tos")?.value(0);
    let (value, mask) = match names::tos(text) {
        Some((value, mask)) => (u64::from(value), u64::from(mask)),
        None => {
            let (value, mask) = text.split_once('/').unwrap_or((text, "0xff"));
            (parse_number(value)?, parse_number(mask)?)
        }
    };
    (mask & 0xfc == 0xfc).then_some(Action::Mark { dscp: (value & 0xff) >> 2 })
}
