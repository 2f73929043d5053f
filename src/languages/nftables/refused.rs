//! What nft(8) refuses of rules that read well, so that a file that nobody can load is not judged
//! as if it were in force: one refused rule refuses the whole file.

use super::elements::{intervals, overlapping};
use super::fields::{Field, Needs};
use super::names::Kind;
use super::opaque;
use super::ranges::greatest;
use super::refusal::{Checked, holds_number, is_of_constants, refused, words_of};
use super::ruleset::{Ruleset, Set, Table, TableFamily, absent};
use super::tree::{Expr, Op, Rule, Statement, Verdict};
use super::values;
use crate::model::{Diagnostic, Family, Location, UnmodelledKind};

/// How many problems are told.
const PROBLEMS: usize = 50;

/// The longest name of an interface (`IFNAMSIZ`, without its end).
const INTERFACE_BYTES: usize = 15;

/// Widths in bits of numbers in headers that nobody records.
const WIDTHS: &[(&str, u32)] = &[
    ("ip id", 16),
    ("ip checksum", 16),
    ("ip hdrlength", 4),
    ("ip6 flowlabel", 20),
    ("tcp sequence", 32),
    ("tcp ackseq", 32),
    ("tcp doff", 4),
    ("tcp reserved", 4),
    ("tcp window", 16),
    ("tcp checksum", 16),
    ("tcp urgptr", 16),
    ("udp length", 16),
    ("udp checksum", 16),
    ("icmp id", 16),
    ("icmp sequence", 16),
    ("icmp mtu", 16),
    ("icmpv6 id", 16),
    ("icmpv6 sequence", 16),
    ("vlan id", 12),
    ("esp spi", 32),
    ("ah spi", 32),
];

/// What connection tracking calls its states.
const CT_STATES: &[&str] = &["invalid", "new", "established", "related", "untracked"];

/// Options of TCP, by the names of nft(8).
const TCP_OPTIONS: &[&str] = &[
    "eol",
    "nop",
    "maxseg",
    "mss",
    "window",
    "sack-permitted",
    "sack-perm",
    "sack",
    "sack0",
    "sack1",
    "sack2",
    "sack3",
    "timestamp",
    "fastopen",
    "md5sig",
    "mptcp",
];

/// Answers to a packet that is rejected, by what carries them.
const ANSWERS: &[(&str, &[&str])] = &[
    (
        "icmp",
        &[
            "net-unreachable",
            "host-unreachable",
            "prot-unreachable",
            "port-unreachable",
            "net-prohibited",
            "host-prohibited",
            "admin-prohibited",
            "frag-needed",
        ],
    ),
    (
        "icmpv6",
        &[
            "no-route",
            "admin-prohibited",
            "addr-unreachable",
            "port-unreachable",
            "policy-fail",
            "reject-route",
        ],
    ),
    ("icmpx", &["port-unreachable", "admin-prohibited", "no-route", "host-unreachable"]),
    ("tcp", &["reset"]),
];

/// Reports what nft(8) refuses of a ruleset, and returns the statements that are not understood.
pub(super) fn check(ruleset: &Ruleset, problems: &mut Vec<Diagnostic>) -> Vec<(Location, String)> {
    let mut unknown = Vec::new();
    let before = problems.len();
    for table in &ruleset.tables {
        let sets = table.sets.values().filter_map(|set| intervals(set).err());
        problems.extend(sets.map(|problem| *problem));
        for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
            if let Err(problem) = checked(rule, table) {
                problems.push(*problem);
            }
            let statements =
                rule.statements.iter().filter_map(|statement| match &statement.value {
                    Statement::Unknown(text) => Some((statement.location, text.clone())),
                    _ => None,
                });
            unknown.extend(statements);
            if problems.len() - before >= PROBLEMS {
                return unknown;
            }
        }
    }
    unknown
}

fn checked(rule: &Rule, table: &Table) -> Checked {
    let mut headers = Headers::of(table.family);
    let mut end: Option<&str> = None;
    for statement in &rule.statements {
        let location = statement.location;
        if let Some(end) = end {
            let message = format!("nothing may follow `{end}` in a rule");
            let help = "nft refuses it: end the rule before, or take this away";
            return Err(refused(location, message, "no packet comes here", help));
        }
        match &statement.value {
            Statement::Match { left, op, right } => {
                let is_looked_up = matches!(right, Expr::Named(_) | Expr::Set(_));
                if !(is_looked_up && matches!(left, Expr::Word(_))) {
                    known(left, location)?;
                }
                headers.left(left, location)?;
                compared(left, *op, right, table, location)?;
                headers.says(left, *op, right);
            }
            Statement::VerdictMap { key, data } => {
                headers.left(key, location)?;
                if let Expr::Set(elements) = data {
                    overlapping(key, elements, location)?;
                }
            }
            Statement::Verdict(Verdict::Continue) => {}
            Statement::Verdict(verdict) => {
                end = Some(match verdict {
                    Verdict::Accept => "accept",
                    Verdict::Drop => "drop",
                    Verdict::Return => "return",
                    Verdict::Goto(_) => "goto",
                    _ => "jump",
                });
            }
            Statement::Reject(with) => {
                headers.answered(with, location)?;
                end = Some("reject");
            }
            Statement::Set { field: Expr::Field(words), value: Expr::Word(word) }
                if words.ends_with(" mark") && opaque::is_beyond(word) =>
            {
                let message = format!("{word} is beyond the values of a mark");
                return Err(refused(
                    location,
                    message,
                    "nft refuses this",
                    "write 32 bits at most",
                ));
            }
            Statement::Queue(text)
                if text
                    .split([' ', '-'])
                    .any(|word| word.parse().is_ok_and(|to: u64| to > 65_535)) =>
            {
                let message = "no queue has this number".to_owned();
                return Err(refused(location, message, "nft refuses this", "write up to 65535"));
            }
            Statement::Translate { .. } => end = Some("a translation"),
            Statement::Transparent(_) if headers.transport.is_none() => {
                let message = "`tproxy` is for a protocol with ports".to_owned();
                let help = "write a condition such as `meta l4proto tcp` before it";
                return Err(refused(location, message, "nft refuses this", help));
            }
            Statement::Dynamic(dynamic) => {
                if !matches!(dynamic.key, Expr::Word(_)) {
                    known(&dynamic.key, location)?;
                }
                headers.left(&dynamic.key, location)?;
                let counts = |one: &Statement| {
                    !matches!(one, Statement::Match { .. } | Statement::Unknown(_))
                };
                if !dynamic.statements.iter().all(counts) {
                    let help = "write `limit`, `counter`, `quota` or `ct count`";
                    let message = "nothing is counted for the keys of the set by this".to_owned();
                    return Err(refused(location, message, "nft refuses this", help));
                }
                let set = table.sets.get(&dynamic.set);
                if dynamic.op != "meter" && set.is_none() {
                    return Err(absent(location, "set", &dynamic.set));
                }
                if set.is_some_and(|set| set.intervals || set.constant) {
                    let message = format!("no rule can write to set `{}`", dynamic.set);
                    let help = "declare it without `flags interval` and `constant`";
                    return Err(refused(location, message, "the kernel refuses this", help));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

//------------ Headers ---------------------------------------------------------------

/// The headers that conditions of a rule ask for: nft(8) refuses those that exclude each other.
struct Headers {
    network: Option<Family>,
    transport: Option<(u8, String)>,
}

fn network_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

impl Headers {
    fn of(family: TableFamily) -> Headers {
        let network = match family.word() {
            "ip" => Some(Family::V4),
            "ip6" => Some(Family::V6),
            _ => None,
        };
        Headers { network, transport: None }
    }

    /// Takes in the headers that the left side of a condition looks into.
    fn left(&mut self, left: &Expr, location: Location) -> Checked {
        match left {
            Expr::Field(words) => self.header(words, location),
            Expr::Binary(_, inner, _) => self.left(inner, location),
            Expr::Concat(parts) => parts.iter().try_for_each(|part| self.left(part, location)),
            _ => Ok(()),
        }
    }

    fn header(&mut self, words: &str, location: Location) -> Checked {
        let (header, field) = words.split_once(' ').unwrap_or((words, ""));
        if header == "tcp" && field.starts_with("option ") {
            let name = field.split(' ').nth(1).unwrap_or_default();
            if !TCP_OPTIONS.contains(&name) && name.parse::<u8>().is_err() {
                let message = format!("`{name}` is no option of TCP");
                let help = "write a name such as `maxseg`, or its number";
                return Err(refused(location, message, "nft refuses this", help));
            }
            return Ok(());
        }
        if matches!(field.split(' ').next(), Some("option" | "chunk")) {
            return Ok(());
        }
        let (network, transport) = match header {
            "ip" => (Some(Family::V4), None),
            "ip6" => (Some(Family::V6), None),
            "icmp" => (Some(Family::V4), Some(1)),
            "igmp" => (Some(Family::V4), Some(2)),
            "icmpv6" => (Some(Family::V6), Some(58)),
            "tcp" => (None, Some(6)),
            "udp" => (None, Some(17)),
            "dccp" => (None, Some(33)),
            "gre" => (None, Some(47)),
            "esp" => (None, Some(50)),
            "ah" => (None, Some(51)),
            "comp" => (None, Some(108)),
            "sctp" => (None, Some(132)),
            "udplite" => (None, Some(136)),
            _ => return Ok(()),
        };
        let conflict = |before: &str, now: &str| {
            let message = format!("no packet has a header of {before} and one of {now} here");
            let help = "nft refuses it: write a rule for each";
            Err(refused(location, message, "conflicts with what stands before", help))
        };
        if let Some(network) = network {
            match self.network.replace(network) {
                Some(before) if before != network => return conflict(network_word(before), header),
                _ => {}
            }
        }
        if let Some(number) = transport {
            match self.transport.replace((number, header.to_owned())) {
                Some((before, word)) if before != number => return conflict(&word, header),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes in which protocol a condition says that the packet is of.
    fn says(&mut self, left: &Expr, op: Op, right: &Expr) {
        let (Expr::Field(words), Expr::Word(word)) = (left, right) else { return };
        if !matches!(op, Op::Implicit | Op::Equal) {
            return;
        }
        let field = Field::of(words);
        let Ok(value) = values::number(right, field.kind()) else { return };
        match field {
            Field::Protocol | Field::HeaderProtocol | Field::NextHeader => {
                let number = u8::try_from(value).ok();
                self.transport = number.map(|number| (number, word.clone()));
            }
            Field::Family => {
                self.network = match value {
                    2 => Some(Family::V4),
                    10 => Some(Family::V6),
                    _ => self.network,
                };
            }
            _ => {}
        }
    }

    /// Checks the answer to a packet that is rejected.
    fn answered(&self, with: &str, location: Location) -> Checked {
        let (carrier, answer) = with.split_once(' ').unwrap_or((with, ""));
        if carrier.is_empty() {
            return Ok(());
        }
        let Some((_, answers)) = ANSWERS.iter().find(|(name, _)| *name == carrier) else {
            let message = format!("`{carrier}` carries no answer");
            let help = "write `tcp reset`, or `icmp`, `icmpv6` or `icmpx` with a type";
            return Err(refused(location, message, "nft refuses this", help));
        };
        if !answers.contains(&answer) && answer.parse::<u8>().is_err() {
            let message = format!("`{answer}` is no answer of {carrier}");
            let help = format!("write one of: {}", answers.join(", "));
            return Err(refused(location, message, "nft refuses this", &help));
        }
        let other = match (carrier, &self.network, &self.transport) {
            ("icmp", Some(Family::V6), _) => Some("ip6"),
            ("icmpv6", Some(Family::V4), _) => Some("ip"),
            ("tcp", _, Some((number, word))) if *number != 6 => Some(word.as_str()),
            _ => None,
        };
        match other {
            None => Ok(()),
            Some(other) => {
                let message = format!("a packet of {other} has no answer of {carrier}");
                let help = "nft refuses it: write `reject` alone, or `reject with icmpx …`";
                Err(refused(location, message, "conflicts with what stands before", help))
            }
        }
    }
}

//------------ Values ----------------------------------------------------------------

/// Checks the values that a condition compares with.
fn compared(left: &Expr, op: Op, right: &Expr, table: &Table, location: Location) -> Checked {
    if let Expr::Named(name) = right {
        return match table.sets.get(name) {
            Some(set) => fits(left, set, name, location),
            None => Err(absent(location, "set", name)),
        };
    }
    if matches!(right, Expr::Set(elements) if elements.is_empty()) {
        let help = "write what it is compared with, or take the condition away";
        return Err(refused(location, "this set is empty".to_owned(), "nft refuses this", help));
    }
    if let (Expr::Concat(_), Expr::Concat(_) | Expr::Word(_) | Expr::Range(..)) = (left, right) {
        let help = "nft refuses it: write the values as a set, `{ a . b }`";
        let message = "a concatenation is compared with sets alone".to_owned();
        return Err(refused(location, message, "a single value", help));
    }
    let Expr::Field(words) = left else { return Ok(()) };
    let field = Field::of(words);
    let max = match &field {
        Field::Iif | Field::Oif => return interfaces(right, location),
        Field::Opaque { .. } if words == "ct state" => return states(right, location),
        Field::Opaque { .. } if !WIDTHS.iter().any(|(name, _)| name == words) => {
            return opaque::check(words, right, location);
        }
        Field::Opaque { .. } => match WIDTHS.iter().find(|(name, _)| name == words) {
            Some((_, bits)) => greatest(*bits),
            None => return Ok(()),
        },
        // A port, an address.
        field => greatest(if *field == Field::Length { 32 } else { field.bits() }),
    };
    if !is_of_constants(right) || field == Field::FragmentHeader {
        return Ok(());
    }
    if field.kind() == Kind::V6 && holds_number(right) {
        let message = format!("`{right}` is no IPv6 address");
        return Err(refused(location, message, "in this", "write an address such as `::1`"));
    }
    let read = values::ranges(right, field.kind());
    let read = read.map_err(|no| refused(location, no.message, "in this", &no.help))?;
    match read.iter().find(|(_, last)| *last > max && op != Op::NoneOf) {
        None => Ok(()),
        Some((_, last)) => {
            let message = format!("{last} is beyond the values of `{words}`, 0 to {max}");
            Err(refused(location, message, "nft refuses this", "write a value that it can have"))
        }
    }
}

/// Checks that a field is of the type of the set in which it is looked up.
fn fits(left: &Expr, set: &Set, name: &str, location: Location) -> Checked {
    let parts = match left {
        Expr::Concat(parts) => parts.as_slice(),
        one => std::slice::from_ref(one),
    };
    if set.kinds.is_empty() {
        return Ok(());
    }
    let differs = |(part, kind): (&Expr, &Option<Kind>)| match (part, kind) {
        (Expr::Field(words), Some(kind)) => {
            let own = Field::of(words).kind();
            let both = [own, *kind];
            let addresses = both.contains(&Kind::V4) || both.contains(&Kind::V6);
            own != *kind && (addresses || both.contains(&Kind::Port) && own != Kind::Number)
        }
        _ => false,
    };
    if parts.len() == set.kinds.len() && !parts.iter().zip(&set.kinds).any(differs) {
        return Ok(());
    }
    let message = format!("set `{name}` is of another type than what is looked up in it");
    Err(refused(location, message, "nft refuses this", "look it up in a set of its type"))
}

/// Headers of which every field is known.
const HEADERS: &[&str] = &[
    "ip", "ip6", "tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "th", "esp",
    "ah", "comp", "ether", "vlan",
];

/// Refuses what is no field.
fn known(left: &Expr, location: Location) -> Checked {
    let words = match left {
        Expr::Field(words) => words,
        Expr::Binary(_, inner, _) => return known(inner, location),
        // A constant of a concatenation is looked up with the rest.
        Expr::Concat(parts) => {
            let fields = parts.iter().filter(|part| !matches!(part, Expr::Word(_)));
            return fields.into_iter().try_for_each(|part| known(part, location));
        }
        Expr::Word(word) => {
            let message = format!("`{word}` is no field of a packet");
            let help = "begin a condition with a field, such as `ip saddr`";
            return Err(refused(location, message, "in this", help));
        }
        _ => return Ok(()),
    };
    let unknown = Field::Opaque { needs: Needs::Nothing, kind: UnmodelledKind::NotUnderstood };
    let header = words.split(' ').next().unwrap_or_default();
    if HEADERS.contains(&header) && Field::of(words) == unknown {
        let message = format!("`{words}` is no field of a packet");
        let help = "`nft describe` lists the fields of a header";
        return Err(refused(location, message, "in this", help));
    }
    Ok(())
}

fn states(right: &Expr, location: Location) -> Checked {
    let mut words = Vec::new();
    words_of(right, &mut words);
    let is_number = |word: &str| values::number(&Expr::Word(word.to_owned()), Kind::Number).is_ok();
    match words.into_iter().find(|word| !CT_STATES.contains(word) && !is_number(word)) {
        None => Ok(()),
        Some(word) => {
            let message = format!("`{word}` is no state of a connection");
            let help = format!("write one of: {}", CT_STATES.join(", "));
            Err(refused(location, message, "nft refuses this", &help))
        }
    }
}

fn interfaces(right: &Expr, location: Location) -> Checked {
    let mut words = Vec::new();
    words_of(right, &mut words);
    match words.into_iter().find(|word| word.trim_end_matches('*').len() > INTERFACE_BYTES) {
        None => Ok(()),
        Some(word) => {
            let message = format!("`{word}` is no name of an interface");
            let label = "longer than 15 bytes";
            Err(refused(location, message, label, "write the name as `ip link` shows it"))
        }
    }
}
