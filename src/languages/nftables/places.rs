//! Where base chains may hang and what may stand in the chains that packets come to from there:
//! what only the kernel refuses, when a file is loaded and not when it is checked
//! (net/netfilter/nf_tables_api.c, and `validate` of each expression).

use super::ruleset::{Base, Chain, Ruleset, Table, TableFamily, absent};
use super::tree::{Data, Expr, Statement, Verdict};
use crate::model::{Diagnostic, Location};

/// How many chains a packet can be in at once (`NFT_JUMP_STACK_SIZE`).
const DEEPEST: usize = 16;

/// The lowest priority of chains that translate is above this (`NF_IP_PRI_CONNTRACK`).
const CONNTRACK: i64 = -200;

const IP_HOOKS: &[&str] = &["prerouting", "input", "forward", "output", "postrouting"];

/// Where the way in is known, and the way out may be asked for.
const AT_ENTRY: &[&str] = &["prerouting", "input", "forward"];

/// Where routes may be asked for.
const WITH_ROUTES: &[&str] = &["prerouting", "input", "forward", "output", "postrouting", "egress"];

type Checked = Result<(), Box<Diagnostic>>;

/// Reports what the kernel refuses of a ruleset because of where it stands.
pub(super) fn check(ruleset: &Ruleset, problems: &mut Vec<Diagnostic>) {
    for table in &ruleset.tables {
        let jumps = all_jumps(table);
        for (at, chain) in table.chains.iter().enumerate() {
            let Some(base) = &chain.base else { continue };
            let checked = hangs(table.family, base).and_then(|()| from(table, at, base, &jumps));
            problems.extend(checked.err().map(|problem| *problem));
        }
    }
}

fn refused(location: Location, message: String, help: &str) -> Box<Diagnostic> {
    let problem = Diagnostic::error(location, message).label("the kernel refuses this");
    Box::new(problem.help(help))
}

/// Returns the chains that each chain of a table sends packets to, and where.
pub(super) fn all_jumps(table: &Table) -> Vec<Vec<(usize, Location)>> {
    table.chains.iter().map(|chain| jumps(table, chain)).collect()
}

fn jumps(table: &Table, chain: &Chain) -> Vec<(usize, Location)> {
    let statements = chain.rules.iter().flat_map(|rule| &rule.statements);
    let targets = statements.flat_map(|statement| {
        let names = verdicts(table, &statement.value).filter_map(target);
        names.filter_map(|name| table.chain(name)).map(|to| (to, statement.location))
    });
    targets.collect()
}

/// Returns all verdicts that a statement may give.
pub(super) fn verdicts<'t>(
    table: &'t Table,
    statement: &'t Statement,
) -> impl Iterator<Item = &'t Verdict> {
    let (own, elements) = match statement {
        Statement::Verdict(verdict) => (Some(verdict), &[][..]),
        Statement::VerdictMap { data: Expr::Set(elements), .. } => (None, elements.as_slice()),
        Statement::VerdictMap { data: Expr::Named(name), .. } => {
            (None, table.sets.get(name).map_or(&[][..], |set| &set.elements))
        }
        _ => (None, &[][..]),
    };
    own.into_iter().chain(elements.iter().filter_map(|element| match &element.data {
        Some(Data::Verdict(verdict)) => Some(verdict),
        _ => None,
    }))
}

/// Returns the chain that a verdict goes to.
pub(super) fn target(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Jump(name) | Verdict::Goto(name) => Some(name),
        _ => None,
    }
}

/// Checks where a base chain hangs (nft(8), "Chains").
fn hangs(family: TableFamily, base: &Base) -> Checked {
    use TableFamily::{Arp, Bridge, Inet, Ip, Ip6, Netdev};
    let hooks: &[&str] = match (family, base.kind.as_str()) {
        (Ip | Ip6, "filter") | (Bridge, "filter") => IP_HOOKS,
        (Inet, "filter") => &["ingress", "prerouting", "input", "forward", "output", "postrouting"],
        (Netdev, "filter") => &["ingress", "egress"],
        (Arp, "filter") => &["input", "output"],
        (Ip | Ip6 | Inet, "nat") => &["prerouting", "input", "output", "postrouting"],
        (Ip | Ip6 | Inet, "route") => &["output"],
        _ => &[],
    };
    let (kind, hook, word) = (&base.kind, &base.hook, family.word());
    if !hooks.contains(&hook.as_str()) {
        let message = format!("no chain of type {kind} hangs at {hook} in a table of {word}");
        let help = match hooks {
            [] => format!("a table of {word} has chains of type filter"),
            hooks => format!("hang it at {}", hooks.join(", ")),
        };
        return Err(refused(base.location, message, &help));
    }
    if kind == "nat" && base.priority <= CONNTRACK {
        let message = format!("a chain of type nat comes after priority {CONNTRACK}");
        return Err(refused(base.location, message, "write `priority dstnat` or `srcnat`"));
    }
    if base.priority != i64::from(base.priority as i32) {
        let message = "this priority is beyond 32 bits".to_owned();
        return Err(refused(base.location, message, "write a number such as -150"));
    }
    Ok(())
}

/// Checks the chains that packets come to from a base chain.
fn from(table: &Table, at: usize, base: &Base, jumps: &[Vec<(usize, Location)>]) -> Checked {
    let mut met = vec![false; table.chains.len()];
    let mut here = vec![at];
    for depth in 1..=DEEPEST {
        let mut next: Vec<usize> = Vec::new();
        for chain in here {
            if !std::mem::replace(&mut met[chain], true) {
                stands(table, base, &table.chains[chain])?;
            }
            for (to, location) in &jumps[chain] {
                if let Some(other) = &table.chains[*to].base {
                    let message = "packets come to this chain by themselves".to_owned();
                    let help = "jump to a chain that hangs at no hook";
                    let problem = refused(*location, message, help);
                    return Err(Box::new(problem.also(other.location, "it hangs here")));
                }
                if depth == DEEPEST {
                    let message = format!("chains are jumped to more than {} deep", DEEPEST - 1);
                    let problem =
                        refused(*location, message, "jump from chain to chain less often");
                    let start = table.chains[at].location;
                    return Err(Box::new(problem.also(start, "from this base chain")));
                }
                next.push(*to);
            }
        }
        next.sort_unstable();
        next.dedup();
        here = next;
    }
    Ok(())
}

/// Checks that the statements of a chain may stand where packets come from a base chain.
fn stands(table: &Table, base: &Base, chain: &Chain) -> Checked {
    use TableFamily::{Arp, Bridge, Ip, Ip6, Netdev};
    let family = table.family;
    let is_nat = base.kind == "nat";
    let at = |hooks: &[&str]| hooks.contains(&base.hook.as_str());
    for statement in chain.rules.iter().flat_map(|rule| &rule.statements) {
        let refuse = |what: &str, help: &str| {
            let message = format!("{what} cannot stand in a chain at {}", base.hook);
            let problem = refused(statement.location, message, help);
            Err(Box::new(problem.also(base.location, "packets come from here")))
        };
        let refuse_family = |what: &str, help: &str| {
            let message = format!("{what} cannot stand in a table of {}", family.word());
            Err(refused(statement.location, message, help))
        };
        match &statement.value {
            Statement::Reject(_) => {
                let hooks: &[&str] = match family {
                    Bridge => &["prerouting", "input"],
                    Netdev => &["ingress"],
                    _ => &["ingress", "prerouting", "input", "forward", "output"],
                };
                if !at(hooks) {
                    return refuse("`reject`", "write `drop`, or reject at another hook");
                }
            }
            Statement::Translate { kind, .. } => {
                let hooks: &[&str] = match kind.as_str() {
                    "masquerade" => &["postrouting"],
                    "snat" => &["postrouting", "input"],
                    _ => &["prerouting", "output"],
                };
                if !is_nat || !at(hooks) {
                    let help = format!("chains of type nat translate: `{kind}` at {}", hooks[0]);
                    return refuse(&format!("`{kind}`"), &help);
                }
            }
            Statement::Forward { copy: true, .. } if !matches!(family, Ip | Ip6 | Netdev) => {
                return refuse_family("`dup`", "write it in a table of ip, ip6 or netdev");
            }
            Statement::Forward { copy: false, .. } if family != Netdev => {
                return refuse_family("`fwd`", "write it in a table of netdev");
            }
            Statement::Forward { to, copy: true } if !to.contains(' ') => {
                // Words with blanks are maps, which are not looked into.
                let is_address = to.parse::<std::net::IpAddr>().is_ok();
                if is_address == (family == Netdev) {
                    let to = if is_address { "an address" } else { "a device" };
                    let help = "netdev copies to devices, ip and ip6 to addresses";
                    return refuse_family(&format!("`dup` to {to}"), help);
                }
            }
            Statement::Queue(_) if matches!(family, Netdev | Arp) => {
                return refuse_family("`queue`", "write it in a table of ip, ip6, inet or bridge");
            }
            Statement::Transparent(_) if !at(&["prerouting"]) => {
                return refuse("`tproxy`", "write it in a chain at prerouting");
            }
            Statement::Synproxy(_) if !at(&["input", "forward"]) => {
                return refuse("`synproxy`", "write it in a chain at input or forward");
            }
            Statement::Offload(name) => {
                if !table.flowtables.contains(name) {
                    return Err(absent(statement.location, "flowtable", name));
                }
                if !at(&["forward"]) {
                    return refuse("`flow add`", "write it in a chain at forward");
                }
            }
            Statement::Match { left, .. } | Statement::VerdictMap { key: left, .. } => {
                let mut words = Vec::new();
                fields(left, &mut words);
                for field in words {
                    let header = field.split(' ').next().unwrap_or_default();
                    if family == Netdev && ["ct", "socket"].contains(&header) {
                        return refuse_family(&format!("`{header}`"), "none is known there yet");
                    }
                    let Some(hooks) = hooks_of(field) else { continue };
                    // A device has the places of routes by the same numbers.
                    if family == Netdev && base.hook == "ingress" && hooks.contains(&"prerouting") {
                        continue;
                    }
                    if !at(hooks) {
                        let help = format!("it can at {}", hooks.join(", "));
                        return refuse(&format!("`{field}`"), &help);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns the hooks at which a field can be asked for; none if it can at all.
fn hooks_of(field: &str) -> Option<&'static [&'static str]> {
    let mut words = field.split([' ', '.']).filter(|word| !word.is_empty());
    match words.next()? {
        "socket" => Some(&["prerouting", "input", "output"]),
        "fib" => {
            let words: Vec<&str> = words.collect();
            let (result, flags) = words.split_last()?;
            match *result {
                "oif" | "oifname" => Some(AT_ENTRY),
                "type" if flags.contains(&"iif") => Some(AT_ENTRY),
                "type" if flags.contains(&"oif") => {
                    Some(&["forward", "output", "postrouting", "egress"])
                }
                _ => Some(WITH_ROUTES),
            }
        }
        _ => None,
    }
}

fn fields<'e>(expr: &'e Expr, found: &mut Vec<&'e str>) {
    match expr {
        Expr::Field(words) => found.push(words),
        Expr::Binary(_, inner, _) | Expr::Map(inner, _) => fields(inner, found),
        Expr::Concat(parts) => parts.iter().for_each(|part| fields(part, found)),
        _ => {}
    }
}
