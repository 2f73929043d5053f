//! What nft(8) refuses of rules that read well, so that a file that nobody can load is not judged
//! as if it were in force: one refused rule refuses the whole file.

use super::fields::{Field, Needs};
use super::names::Kind;
use super::ranges::greatest;
use super::ruleset::{Ruleset, Set, Table, TableFamily, absent};
use super::tree::{Element, Expr, Op, Rule, Statement, Verdict};
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

type Checked = Result<(), Box<Diagnostic>>;

fn refused(location: Location, message: String, label: &str, help: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(location, message).label(label).help(help))
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
                if dynamic.op != "meter" && !table.sets.contains_key(&dynamic.set) {
                    return Err(absent(location, "set", &dynamic.set));
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
        return match table.sets.contains_key(name) {
            true => Ok(()),
            false => Err(absent(location, "set", name)),
        };
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

/// Returns whether an expression holds no names, fields or maps.
fn is_of_constants(expr: &Expr) -> bool {
    match expr {
        Expr::Word(_) | Expr::All => true,
        Expr::Prefix(inner, _) => is_of_constants(inner),
        Expr::Range(first, last) => is_of_constants(first) && is_of_constants(last),
        Expr::Binary(_, left, right) => is_of_constants(left) && is_of_constants(right),
        Expr::List(parts) => parts.iter().all(is_of_constants),
        Expr::Set(elements) => elements.iter().all(|one| is_of_constants(&one.key)),
        Expr::Concat(_) | Expr::Named(_) | Expr::Field(_) | Expr::Map(..) => false,
    }
}

/// Returns whether a plain number stands where an address of IPv6 belongs.
fn holds_number(expr: &Expr) -> bool {
    match expr {
        Expr::Word(word) => word.bytes().all(|byte| byte.is_ascii_digit()),
        Expr::Prefix(inner, _) => holds_number(inner),
        Expr::Range(first, last) => holds_number(first) || holds_number(last),
        Expr::List(parts) => parts.iter().any(holds_number),
        Expr::Set(elements) => elements.iter().any(|one| holds_number(&one.key)),
        _ => false,
    }
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

fn words_of<'e>(expr: &'e Expr, found: &mut Vec<&'e str>) {
    match expr {
        Expr::Word(word) => found.push(word),
        Expr::List(parts) => parts.iter().for_each(|part| words_of(part, found)),
        Expr::Set(elements) => elements.iter().for_each(|one| words_of(&one.key, found)),
        Expr::Binary(_, left, right) => {
            words_of(left, found);
            words_of(right, found);
        }
        _ => {}
    }
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

//------------ Intervals -------------------------------------------------------------

/// Checks that the elements of a verdict map do not overlap: it would not say which one holds.
fn overlapping(key: &Expr, elements: &[Element], location: Location) -> Checked {
    let Expr::Field(words) = key else { return Ok(()) };
    distinct(elements, Field::of(words).kind(), location)
}

/// Checks the elements of a named set against its declaration.
fn intervals(set: &Set) -> Checked {
    let Some(location) = set.location else { return Ok(()) };
    for element in &set.elements {
        let location = element.location.unwrap_or(location);
        match &element.key {
            Expr::Concat(parts) if parts.len() == set.kinds.len() => {
                let parts = parts.iter().zip(&set.kinds);
                parts.into_iter().try_for_each(|(part, kind)| valid(part, *kind, location))?;
            }
            key if set.kinds.len() == 1 => valid(key, set.kinds[0], location)?,
            _ if set.kinds.is_empty() => {}
            key => {
                let message = format!("`{key}` has not as many parts as the set");
                let help = "write a value for each of its types, as `a . b`";
                return Err(refused(location, message, "in this", help));
            }
        }
    }
    if let Some(size) = set.size.filter(|size| *size > 0 && !set.intervals)
        && set.elements.len() as u64 > size
    {
        let message = format!("the set has room for {size} elements, and more are listed");
        return Err(refused(location, message, "too full", "give it a greater `size`"));
    }
    let [kind] = set.kinds[..] else { return Ok(()) };
    let spans = |one: &&Element| matches!(one.key, Expr::Prefix(..) | Expr::Range(..));
    if !set.intervals
        && let Some(element) = set.elements.iter().find(spans)
    {
        let message = format!("`{}` is more than one value", element.key);
        let help = "write `flags interval` in the set; nft refuses it otherwise";
        let location = element.location.unwrap_or(location);
        return Err(refused(location, message, "an interval", help));
    }
    match kind {
        Some(kind) if !set.merges => distinct(&set.elements, kind, location),
        _ => Ok(()),
    }
}

/// Checks a value of a set against its type.
fn valid(value: &Expr, kind: Option<Kind>, location: Location) -> Checked {
    let Some(kind) = kind.filter(|_| is_of_constants(value) && *value != Expr::All) else {
        return Ok(());
    };
    let read = values::ranges(value, kind);
    let read = read.map_err(|no| refused(location, no.message, "in this", &no.help))?;
    let max = greatest(kind.bits());
    if read.iter().any(|(_, last)| *last > max) || kind == Kind::V6 && holds_number(value) {
        let message = format!("`{value}` is no {}", kind.word());
        return Err(refused(location, message, "in this", "write a value that the set can hold"));
    }
    Ok(())
}

fn distinct(elements: &[Element], kind: Kind, location: Location) -> Checked {
    let mut all = Vec::with_capacity(elements.len());
    let of_constants = |one: &&Element| is_of_constants(&one.key) && one.key != Expr::All;
    for element in elements.iter().filter(of_constants) {
        let Ok(found) = values::ranges(&element.key, kind) else { continue };
        all.extend(found.iter().map(|(first, last)| (*first, *last, element)));
    }
    all.sort_by_key(|(first, last, _)| (*first, *last));
    let pair = all.windows(2).find(|pair| {
        let ((first, last, _), (next, end, _)) = (pair[0], pair[1]);
        let (a, b) = (&pair[0].2.data, &pair[1].2.data);
        next <= last && ((first, last) != (next, end) || a != b)
    });
    match pair {
        None => Ok(()),
        Some(pair) => {
            let (a, b) = (&pair[0].2, &pair[1].2);
            let message = format!("`{}` and `{}` overlap", a.key, b.key);
            let location = b.location.or(a.location).unwrap_or(location);
            let help = "nft refuses it: take one away, or write `auto-merge` in a set";
            Err(refused(location, message, "conflicting intervals", help))
        }
    }
}
