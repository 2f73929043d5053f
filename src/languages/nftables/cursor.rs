//! The place in the tokens of a text, and what every part of the text parser says of what it did
//! not expect.

use std::collections::HashMap;

use super::lexer::{Kind, Token, Tokens};
use super::tree::{Expr, Rule};
use crate::model::{Diagnostic, Location, SourceId, Span, Spanned};

/// How deep braces, brackets and included files may nest.
pub(super) const DEEPEST: u32 = 32;

/// What a reader gives, or the one thing that is wrong.
pub(super) type Parsed<T> = Result<T, Box<Diagnostic>>;

/// Names that stand for something, one map for each open block.
pub(super) type Defines = Vec<HashMap<String, Expr>>;

/// The reader of one text.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) source: SourceId,
    pub(super) tokens: Tokens,
    pub(super) at: usize,
    pub(super) defines: Defines,
    pub(super) depth: u32,
    /// Chains without a name that rules hold, to be made with their rule.
    pub(super) blocks: Vec<(String, Vec<Rule>)>,
    /// How many of them there were.
    pub(super) block_count: usize,
    /// The comments that were taken.
    pub(super) taken: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn peek(&self) -> Token {
        self.tokens.tokens[self.at.min(self.tokens.tokens.len() - 1)]
    }

    fn peek_second(&self) -> Token {
        self.tokens.tokens[(self.at + 1).min(self.tokens.tokens.len() - 1)]
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    pub(super) fn text_of(&self, token: Token) -> &'a str {
        &self.text[token.span.range()]
    }

    pub(super) fn place(&self, token: Token) -> Location {
        Location { source: self.source, span: token.span }
    }

    /// Returns the place from a token to the one before the present.
    pub(super) fn since(&self, first: usize) -> Location {
        let tokens = &self.tokens.tokens;
        let start = tokens[first.min(tokens.len() - 1)].span;
        let end = tokens[self.at.saturating_sub(1).min(tokens.len() - 1)].span.end;
        Location { source: self.source, span: Span { start: start.start, end: end.max(start.end) } }
    }

    /// Returns the text from a token to the one before the present, blanks made one.
    pub(super) fn words_since(&self, first: usize) -> String {
        let tokens = self.tokens.tokens[first..self.at].iter();
        let words = tokens.filter(|token| token.kind != Kind::Newline);
        words.map(|token| self.text_of(*token)).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn is(&self, sign: &str) -> bool {
        let token = self.peek();
        token.kind == Kind::Sign && self.text_of(token) == sign
    }

    pub(super) fn second_is(&self, sign: &str) -> bool {
        let token = self.peek_second();
        token.kind == Kind::Sign && self.text_of(token) == sign
    }

    /// Returns the present token's text if it is an unquoted word, else nothing.
    pub(super) fn word(&self) -> Option<&'a str> {
        let token = self.peek();
        (token.kind == Kind::Word).then(|| self.text_of(token))
    }

    pub(super) fn second_word(&self) -> Option<&'a str> {
        let token = self.peek_second();
        (token.kind == Kind::Word).then(|| self.text_of(token))
    }

    /// Takes a sign if it comes next.
    pub(super) fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    /// Takes a word if it comes next.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.word() == Some(word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    /// Takes a name: a word, a string, or a define that is one.
    pub(super) fn name(&mut self, what: &str) -> Parsed<Spanned<String>> {
        let token = self.peek();
        let place = self.place(token);
        let text = match token.kind {
            Kind::Word => self.text_of(token).to_owned(),
            Kind::Quoted => unquoted(self.text_of(token)).to_owned(),
            Kind::Variable => match self.variable(token)? {
                Expr::Word(word) => word,
                _ => return Err(self.unexpected(what)),
            },
            _ => return Err(self.unexpected(what)),
        };
        self.at += 1;
        Ok(Spanned::new(text, place))
    }

    /// Takes the name of something that is made here.
    pub(super) fn new_name(&mut self, what: &str) -> Parsed<Spanned<String>> {
        let is_name = self.word().is_some_and(|word| {
            let starts = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.');
            let goes_on = |byte: u8| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.')
            };
            word.as_bytes().first().is_some_and(starts) && word.bytes().all(goes_on)
        });
        match self.word() {
            Some(word) if RESERVED.contains(&word) => {
                Err(self.unexpected(&format!("{what}, which no word of the language is")))
            }
            _ if is_name => self.name(what),
            _ => Err(self.unexpected(&format!("{what}, which begins with a letter"))),
        }
    }

    /// Takes a whole number.
    pub(super) fn number(&mut self, what: &str) -> Parsed<u64> {
        let here = self.at;
        let name = self.name(what)?;
        number(&name.value).ok_or_else(|| {
            self.at = here;
            self.unexpected(what)
        })
    }

    /// Returns what a variable stands for.
    pub(super) fn variable(&self, token: Token) -> Parsed<Expr> {
        let name = &self.text_of(token)[1..];
        let found = self.defines.iter().rev().find_map(|scope| scope.get(name));
        found.cloned().ok_or_else(|| {
            Box::new(
                Diagnostic::error(self.place(token), format!("`${name}` is not defined"))
                    .label("no such define")
                    .help(format!("write `define {name} = …` above, or give the file that does")),
            )
        })
    }

    pub(super) fn skip_newlines(&mut self) {
        while self.peek().kind == Kind::Newline {
            self.at += 1;
        }
    }

    /// Takes ends of lines and `;`.
    pub(super) fn skip_ends(&mut self) {
        while self.peek().kind == Kind::Newline || self.is(";") {
            self.at += 1;
        }
    }

    /// Returns whether a statement ends here.
    pub(super) fn at_end(&self) -> bool {
        matches!(self.peek().kind, Kind::Newline | Kind::End) || self.is(";") || self.is("}")
    }

    /// Takes the end of a statement, which a closing brace is not (nor for nft(8)).
    pub(super) fn end(&mut self) -> Parsed<()> {
        if !self.at_end() || self.is("}") {
            return Err(self.unexpected("the end of the statement: a new line or `;`"));
        }
        if self.peek().kind == Kind::Newline || self.is(";") {
            self.at += 1;
        }
        Ok(())
    }

    /// Passes over the rest of a statement, with what braces hold.
    pub(super) fn skip_statement(&mut self) {
        let mut depth = 0_u32;
        loop {
            let token = self.peek();
            match (token.kind, self.text_of(token)) {
                (Kind::End, _) => return,
                (Kind::Sign, "}") if depth == 0 => return,
                (Kind::Newline, _) | (Kind::Sign, ";") if depth == 0 => return,
                (Kind::Sign, "{") => depth += 1,
                (Kind::Sign, "}") => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Goes one level deeper, if that is not too deep.
    pub(super) fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let place = self.place(self.peek());
            return Err(Box::new(
                Diagnostic::error(place, format!("nested deeper than {DEEPEST} levels"))
                    .label("too deep")
                    .help("name inner sets and chains, and refer to them"),
            ));
        }
        Ok(())
    }

    /// Says what was expected instead of the present token.
    pub(super) fn unexpected(&self, expected: &str) -> Box<Diagnostic> {
        let token = self.peek();
        let what = match token.kind {
            Kind::Newline => "the end of the line".to_owned(),
            Kind::End => "the end of the file".to_owned(),
            _ => {
                let text: String = self.text_of(token).chars().take(60).collect();
                format!("`{text}`")
            }
        };
        // An end has no text to underline, so what stands before it is.
        let before = self.tokens.tokens[..self.at.min(self.tokens.tokens.len())].iter().rev();
        let shown = match token.kind {
            Kind::Newline | Kind::End => {
                before.copied().find(|token| token.kind != Kind::Newline).unwrap_or(token)
            }
            _ => token,
        };
        let after = if shown.span == token.span { "" } else { "after this" };
        let label = if after.is_empty() { "unexpected" } else { after };
        Box::new(
            Diagnostic::error(self.place(shown), format!("expected {expected}, found {what}"))
                .label(label)
                .help("`nft -c -f FILE` says whether nft(8) itself takes it"),
        )
    }
}

/// Words of the language that are no names (tried with nft 1.0.6).
const RESERVED: &[&str] = &[
    "accept",
    "drop",
    "continue",
    "jump",
    "goto",
    "return",
    "reject",
    "queue",
    "limit",
    "counter",
    "log",
    "set",
    "map",
    "vmap",
    "chain",
    "table",
    "rule",
    "type",
    "typeof",
    "hook",
    "priority",
    "policy",
    "flags",
    "elements",
    "size",
    "timeout",
    "define",
    "include",
    "add",
    "create",
    "insert",
    "delete",
    "flush",
    "list",
    "replace",
    "ip",
    "ip6",
    "inet",
    "arp",
    "bridge",
    "netdev",
    "tcp",
    "udp",
    "icmp",
    "icmpv6",
    "sctp",
    "dccp",
    "ah",
    "esp",
    "comp",
    "th",
    "meta",
    "ct",
    "fib",
    "rt",
    "exthdr",
    "mark",
    "iif",
    "iifname",
    "oif",
    "oifname",
    "snat",
    "dnat",
    "masquerade",
    "redirect",
    "notrack",
    "dup",
    "fwd",
    "meter",
    "quota",
    "element",
    "flow",
    "flowtable",
    "handle",
    "index",
    "position",
    "comment",
    "and",
    "or",
    "xor",
    "not",
    "eq",
    "ne",
    "lt",
    "gt",
    "hour",
    "day",
    "device",
    "devices",
    "ruleset",
    "reset",
    "import",
    "export",
    "monitor",
    "describe",
    "rename",
    "ether",
    "vlan",
    "igmp",
    "hbh",
    "frag",
    "dst",
    "mh",
    "srh",
    "synproxy",
    "tproxy",
    "socket",
    "osf",
    "numgen",
    "jhash",
    "symhash",
    "xt",
    "random",
    "all",
    "exists",
    "missing",
    "dynamic",
    "interval",
    "constant",
    "auto-merge",
    "expires",
    "cpu",
    "cgroup",
    "skuid",
    "secmark",
    "offload",
    "time",
    "udplite",
];

/// Returns a quoted string without its quotes.
pub(super) fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// Reads a whole number, decimal or with `0x`.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// Reads a time in seconds, such as `1h30m` or `10`; parts of a second count as a whole one.
pub(super) fn seconds(text: &str) -> Option<u64> {
    if let Some(number) = number(text) {
        return Some(number);
    }
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let amount: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let part = match &rest[digits..digits + unit] {
            "w" => amount.checked_mul(604_800)?,
            "d" => amount.checked_mul(86_400)?,
            "h" => amount.checked_mul(3_600)?,
            "m" => amount.checked_mul(60)?,
            "s" => amount,
            "ms" => amount.div_ceil(1_000),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = &rest[digits + unit..];
    }
    Some(total)
}
