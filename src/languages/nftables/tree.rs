//! What a ruleset says, whether it came as text or as JSON. It prints itself in one spelling, so
//! that both give the same ids and the same unknowns.

use std::fmt::{self, Display, Write as _};

use crate::model::{Location, Spanned};

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    /// A number, an address or a name, as written and without quotes.
    Word(String),
    /// `10.0.0.0/8`.
    Prefix(Box<Expr>, u32),
    /// `1-5`.
    Range(Box<Expr>, Box<Expr>),
    /// `syn,ack`: any of these bits.
    List(Vec<Expr>),
    /// `{ … }`.
    Set(Vec<Element>),
    /// `a . b`.
    Concat(Vec<Expr>),
    /// `@name`.
    Named(String),
    /// `ip saddr`, in the words of nft(8).
    Field(String),
    /// `a & b`, and `|`, `^`, `<<`, `>>`.
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `key map data`.
    Map(Box<Expr>, Box<Expr>),
    /// `*`.
    All,
}

/// An element of a set or a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// What is looked up.
    pub(super) key: Expr,
    /// What a map gives for it.
    pub(super) data: Option<Data>,
    /// Whether it goes by itself, or carries a limit or a quota of its own.
    pub(super) varies: bool,
    /// Where it stands, if that is known.
    pub(super) location: Option<Location>,
}

/// What a map gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// A verdict.
    Verdict(Verdict),
    /// A value.
    Expr(Expr),
}

/// Where a packet goes from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    Continue,
    Return,
    Jump(String),
    Goto(String),
}

/// How two sides of a match compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Nothing written: equal, or any of the bits of a list.
    Implicit,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `flags ! syn`: none of these bits.
    NoneOf,
}

/// A `limit rate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// Packets or bytes a unit of time.
    pub(super) rate: u64,
    /// Whether it counts bytes.
    pub(super) bytes: bool,
    /// The unit of time in seconds.
    pub(super) unit_s: u64,
    /// Packets, or bytes on top of one unit's rate; none if not written.
    pub(super) burst: Option<u64>,
    /// Whether it matches what exceeds.
    pub(super) over: bool,
}

/// A statement of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    Match {
        left: Expr,
        op: Op,
        right: Expr,
    },
    Verdict(Verdict),
    VerdictMap {
        key: Expr,
        data: Expr,
    },
    Limit(Limit),
    /// A limit that has a name, or that a map names.
    LimitNamed(Expr),
    /// `add @s { … }`, `update`, `delete`, and meters.
    Dynamic(Dynamic),
    Reject(String),
    /// `meta mark set 1`.
    Set {
        field: Expr,
        value: Expr,
    },
    /// A translation of addresses, with its kind: `dnat`, `snat`, `masquerade`, `redirect`.
    Translate {
        kind: String,
        text: String,
    },
    Queue(String),
    /// The name of a device, and whether it is a copy.
    Forward {
        to: String,
        copy: bool,
    },
    /// `flow add @f`.
    Offload(String),
    Transparent(String),
    Synproxy(String),
    Log,
    Counter,
    /// Something that takes no part in what becomes of a packet.
    Idle(String),
    /// A condition on what nobody records, such as a quota.
    Unrecorded(String),
    /// What is not understood, and may end the packet.
    Unknown(String),
}

/// A set that rules write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dynamic {
    /// `add`, `update`, `delete`, or `meter`.
    pub(super) op: String,
    /// The set, without `@`.
    pub(super) set: String,
    pub(super) key: Expr,
    /// Whether an element gets a time to live here.
    pub(super) timeout_s: Option<u64>,
    /// How many keys it has room for, if the meter says so.
    pub(super) size: Option<u64>,
    /// What is done for each key.
    pub(super) statements: Vec<Statement>,
}

/// A rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) location: Location,
    pub(super) statements: Vec<Spanned<Statement>>,
    pub(super) comment: Option<Spanned<String>>,
    /// Remarks of the lines above, and of the same line.
    pub(super) remarks: Vec<Spanned<String>>,
}

//------------ One spelling ---------------------------------------------------

/// Writes parts with a sign between them.
fn joined<T: Display>(f: &mut fmt::Formatter<'_>, parts: &[T], sign: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(sign)?;
        }
        part.fmt(f)?;
    }
    Ok(())
}

/// Returns numbers in decimal, whatever base they are written in, and all else as it is.
fn plain(word: &str) -> String {
    let hex = word.strip_prefix("0x").and_then(|digits| u128::from_str_radix(digits, 16).ok());
    match hex.or_else(|| word.parse::<u128>().ok()) {
        Some(number) => number.to_string(),
        None => word.to_owned(),
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Word(word) => f.write_str(&plain(word)),
            Expr::Prefix(address, length) => write!(f, "{address}/{length}"),
            Expr::Range(first, last) => write!(f, "{first}-{last}"),
            Expr::List(parts) => joined(f, &sorted(parts), ","),
            Expr::Set(elements) => {
                f.write_str("{ ")?;
                joined(f, &sorted(elements), ", ")?;
                f.write_str(" }")
            }
            Expr::Concat(parts) => joined(f, parts, " . "),
            Expr::Named(name) => write!(f, "@{name}"),
            Expr::Field(words) => f.write_str(words),
            Expr::Binary(sign, left, right) => write!(f, "({left} {sign} {right})"),
            Expr::Map(key, data) => write!(f, "{key} map {data}"),
            Expr::All => f.write_char('*'),
        }
    }
}

fn sorted<T: Display>(parts: &[T]) -> Vec<String> {
    let mut words: Vec<String> = parts.iter().map(T::to_string).collect();
    words.sort_unstable();
    words
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)?;
        match &self.data {
            None => Ok(()),
            Some(Data::Verdict(verdict)) => write!(f, " : {verdict}"),
            Some(Data::Expr(value)) => write!(f, " : {value}"),
        }
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Accept => f.write_str("accept"),
            Verdict::Drop => f.write_str("drop"),
            Verdict::Continue => f.write_str("continue"),
            Verdict::Return => f.write_str("return"),
            Verdict::Jump(chain) => write!(f, "jump {chain}"),
            Verdict::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = if self.over { "over " } else { "" };
        let bytes = if self.bytes { " bytes" } else { "" };
        write!(f, "limit rate {over}{}{bytes}/{} s", self.rate, self.unit_s)?;
        match self.burst.unwrap_or(if self.bytes { 0 } else { 5 }) {
            0 => Ok(()),
            burst => write!(f, " burst {burst}"),
        }
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Implicit | Op::Equal => "",
            Op::Unequal => "!= ",
            Op::Less => "< ",
            Op::LessOrEqual => "<= ",
            Op::Greater => "> ",
            Op::GreaterOrEqual => ">= ",
            Op::NoneOf => "! ",
        })
    }
}

impl Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Match { left, op, right } => write!(f, "{left} {op}{right}"),
            Statement::Verdict(verdict) => verdict.fmt(f),
            Statement::VerdictMap { key, data } => write!(f, "{key} vmap {data}"),
            Statement::Limit(limit) => limit.fmt(f),
            Statement::LimitNamed(name) => write!(f, "limit name {name}"),
            Statement::Dynamic(Dynamic { op, set, key, timeout_s, size: _, statements }) => {
                write!(f, "{op} @{set} {{ {key}")?;
                if let Some(seconds) = timeout_s {
                    write!(f, " timeout {seconds}s")?;
                }
                for statement in statements {
                    write!(f, " {statement}")?;
                }
                f.write_str(" }")
            }
            Statement::Reject(with) => write!(f, "reject {with}"),
            Statement::Set { field, value } => write!(f, "{field} set {value}"),
            Statement::Translate { kind, text } => write!(f, "{kind} {text}"),
            Statement::Queue(text) => write!(f, "queue {text}"),
            Statement::Forward { to, copy: true } => write!(f, "dup to {to}"),
            Statement::Forward { to, copy: false } => write!(f, "fwd to {to}"),
            Statement::Offload(table) => write!(f, "flow add @{table}"),
            Statement::Transparent(text) => write!(f, "tproxy {text}"),
            Statement::Synproxy(text) => write!(f, "synproxy {text}"),
            Statement::Log => f.write_str("log"),
            Statement::Counter => f.write_str("counter"),
            Statement::Idle(text) | Statement::Unrecorded(text) | Statement::Unknown(text) => {
                f.write_str(text)
            }
        }
    }
}
