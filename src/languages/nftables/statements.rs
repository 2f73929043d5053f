//! Rules of ruleset text, and their statements.

use super::cursor::{Cursor, Parsed, number, seconds};
use super::expressions::opens_field;
use super::lexer::Kind;
use super::tree::{Dynamic, Expr, Limit, Op, Rule, Statement};
use crate::model::{Diagnostic, Spanned};

/// Words that open a statement, for the nearest one to a wrong one.
const STATEMENTS: &[&str] = &[
    "accept",
    "drop",
    "continue",
    "return",
    "jump",
    "goto",
    "counter",
    "log",
    "limit",
    "quota",
    "reject",
    "snat",
    "dnat",
    "masquerade",
    "redirect",
    "queue",
    "notrack",
    "dup",
    "fwd",
    "flow",
    "set",
    "add",
    "update",
    "delete",
    "meter",
    "tproxy",
    "synproxy",
    "ct",
    "meta",
    "ip",
    "ip6",
    "tcp",
    "udp",
    "icmp",
    "icmpv6",
    "th",
    "iifname",
    "oifname",
    "ether",
    "vlan",
    "fib",
];

/// Comparisons, as signs and as words.
const COMPARISONS: &[(&str, Op)] = &[
    ("==", Op::Equal),
    ("eq", Op::Equal),
    ("!=", Op::Unequal),
    ("ne", Op::Unequal),
    ("<=", Op::LessOrEqual),
    ("le", Op::LessOrEqual),
    (">=", Op::GreaterOrEqual),
    ("ge", Op::GreaterOrEqual),
    ("<", Op::Less),
    ("lt", Op::Less),
    (">", Op::Greater),
    ("gt", Op::Greater),
    ("!", Op::NoneOf),
];

/// Units of data, in bytes (nft(8): a kbyte is 1,024).
const DATA_UNITS: &[(&str, u64)] =
    &[("bytes", 1), ("byte", 1), ("kbytes", 1 << 10), ("mbytes", 1 << 20), ("gbytes", 1 << 30)];

/// Units of time, in seconds.
pub(super) const TIME_UNITS: &[(&str, u64)] =
    &[("second", 1), ("minute", 60), ("hour", 3_600), ("day", 86_400), ("week", 604_800)];

/// Returns the bytes of a unit of data.
pub(super) fn data_unit(word: &str) -> Option<u64> {
    DATA_UNITS.iter().find(|(name, _)| *name == word).map(|(_, bytes)| *bytes)
}

impl Cursor<'_> {
    /// Reads the rule that starts here, to the end of its statement, which is left.
    pub(super) fn rule(&mut self) -> Parsed<Rule> {
        let first = self.at;
        let mut remarks = self.remarks(first);
        let mut rule = Rule {
            location: self.place(self.peek()),
            statements: Vec::with_capacity(4),
            comment: None,
            remarks: Vec::new(),
        };
        while !self.at_end() {
            let start = self.at;
            if self.word() == Some("comment") {
                self.at += 1;
                rule.comment = Some(self.name("a comment")?);
                continue;
            }
            let statement = self.statement()?;
            rule.statements.push(Spanned::new(statement, self.since(start)));
        }
        if self.at == first {
            return Err(self.unexpected("a rule"));
        }
        rule.location = self.since(first);
        // A comment on the same line stands before the end of the line.
        remarks.extend(self.trailing());
        rule.remarks = remarks;
        Ok(rule)
    }

    /// Takes the remarks that stand above a token.
    pub(super) fn remarks(&mut self, token: usize) -> Vec<Spanned<String>> {
        self.comments_until(|comment| comment.before <= token)
    }

    /// Takes the remarks that stand behind what was just read, on its line.
    fn trailing(&mut self) -> Vec<Spanned<String>> {
        let at = self.at;
        self.comments_until(|comment| comment.before <= at && !comment.alone)
    }

    fn comments_until(
        &mut self,
        takes: impl Fn(&super::lexer::Comment) -> bool,
    ) -> Vec<Spanned<String>> {
        let mut all = Vec::new();
        while let Some(comment) = self.tokens.comments.get(self.taken).filter(|one| takes(one)) {
            let place = crate::model::Location { source: self.source, span: comment.span };
            all.push(Spanned::new(self.text[comment.span.range()].to_owned(), place));
            self.taken += 1;
        }
        all
    }

    /// Reads rules between braces, the chain without a name that a rule jumps to. Returns the name
    /// that it is given.
    pub(super) fn block(&mut self) -> Parsed<String> {
        self.expect("{")?;
        self.deeper()?;
        let mut rules = Vec::new();
        self.skip_ends();
        while !self.take("}") {
            rules.push(self.rule()?);
            self.end()?;
            self.skip_ends();
        }
        self.depth -= 1;
        let name = format!("__chain{}", self.block_count);
        self.block_count += 1;
        self.blocks.push((name.clone(), rules));
        Ok(name)
    }

    /// Reads one statement.
    pub(super) fn statement(&mut self) -> Parsed<Statement> {
        if let Some(verdict) = self.verdict()? {
            return Ok(Statement::Verdict(verdict));
        }
        let Some(word) = self.word() else { return self.comparison() };
        let from = self.at;
        let next = self.second_word();
        match word {
            "counter" => {
                self.at += 1;
                if self.take_word("name") {
                    self.left_or_name()?;
                }
                self.pairs(&["packets", "bytes"])?;
                Ok(Statement::Counter)
            }
            "last" => {
                self.at += 1;
                if self.take_word("used") {
                    self.name("a time")?;
                }
                Ok(Statement::Idle("last".to_owned()))
            }
            "log" => self.log(),
            "limit" => {
                self.at += 1;
                if self.take_word("name") {
                    return Ok(Statement::LimitNamed(self.left_or_name()?));
                }
                self.limit().map(Statement::Limit)
            }
            "quota" => {
                self.at += 1;
                if self.take_word("name") {
                    let name = self.left_or_name()?;
                    return Ok(Statement::Unrecorded(format!("quota name {name}")));
                }
                self.quota().map(Statement::Unrecorded)
            }
            "reject" => {
                self.at += 1;
                let mut with = String::new();
                if self.take_word("with") {
                    with = self.name("a kind of answer, such as `tcp reset`")?.value;
                    self.take_word("type");
                    if !self.at_end() && self.word() != Some("comment") {
                        with = format!("{with} {}", self.name("`reset`, or a type")?.value);
                    }
                }
                Ok(Statement::Reject(with))
            }
            "snat" | "dnat" | "masquerade" | "redirect" => {
                self.at += 1;
                self.translation(word)
            }
            "queue" => {
                self.at += 1;
                self.queue()
            }
            "tproxy" => {
                self.at += 1;
                Ok(Statement::Transparent(self.options(&["to", "ip", "ip6"])))
            }
            "synproxy" => {
                self.at += 1;
                let text = if self.take_word("name") {
                    format!("name {}", self.left_or_name()?)
                } else {
                    self.options(&["mss", "wscale", "timestamp", "sack-perm"])
                };
                Ok(Statement::Synproxy(text))
            }
            "notrack" => {
                self.at += 1;
                Ok(Statement::Idle("notrack".to_owned()))
            }
            "dup" | "fwd" => self.forward(word == "dup"),
            "flow" if matches!(next, Some("add" | "offload")) => {
                self.at += 2;
                let table = match self.table_of("a flow table, such as `@f`")? {
                    Expr::Named(name) | Expr::Word(name) => name,
                    _ => return Err(self.unexpected("a flow table")),
                };
                Ok(Statement::Offload(table))
            }
            "meter" | "flow" => self.meter(),
            "add" | "update" | "delete" => self.dynamic(word),
            "set" if matches!(next, Some("add" | "update" | "delete")) => self.old_dynamic(),
            "reset" if next == Some("tcp") => {
                self.at += 2;
                let text = self.rest();
                Ok(Statement::Idle(format!("reset tcp {text}")))
            }
            "ct" if next == Some("count") => {
                self.at += 2;
                let over = self.take_word("over");
                let count = self.number("how many connections")?;
                let over = if over { "over " } else { "" };
                Ok(Statement::Unrecorded(format!("ct count {over}{count}")))
            }
            "ct" if matches!(next, Some("helper" | "timeout" | "expectation" | "secmark"))
                && self.third_is_set() =>
            {
                self.at += 3;
                let value = self.left_or_name()?;
                Ok(Statement::Idle(format!("ct {} set {value}", next.unwrap_or_default())))
            }
            "xt" => {
                let text = self.rest();
                Ok(Statement::Unknown(text))
            }
            word if opens_field(word) => self.comparison(),
            _ => self.unknown(from, word),
        }
    }

    fn third_is_set(&self) -> bool {
        let tokens = &self.tokens.tokens;
        tokens.get(self.at + 2).is_some_and(|token| self.text_of(*token) == "set")
    }

    /// A word that opens no statement: an error if it is nearly one that does; what a newer nft(8)
    /// may know is taken to the end of the rule, and not understood.
    fn unknown(&mut self, from: usize, word: &str) -> Parsed<Statement> {
        let nearest = STATEMENTS
            .iter()
            .filter(|known| {
                strsim::damerau_levenshtein(known, word) <= usize::from(word.len() > 3) + 1
            })
            .min_by_key(|known| strsim::damerau_levenshtein(known, word));
        if let Some(nearest) = nearest {
            return Err(Box::new(
                Diagnostic::error(self.place(self.peek()), format!("`{word}` is no statement"))
                    .label("unknown")
                    .help(format!("did you mean `{nearest}`?")),
            ));
        }
        self.rest();
        Ok(Statement::Unknown(self.words_since(from)))
    }

    /// Takes all that is left of a rule, but its comment.
    fn rest(&mut self) -> String {
        let from = self.at;
        let mut depth = 0_u32;
        loop {
            let token = self.peek();
            match (token.kind, self.text_of(token)) {
                (Kind::End, _) => break,
                (Kind::Newline, _) | (Kind::Sign, ";" | "}") | (Kind::Word, "comment")
                    if depth == 0 =>
                {
                    break;
                }
                (Kind::Sign, "{") => depth += 1,
                (Kind::Sign, "}") => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        self.words_since(from)
    }

    /// Takes words that belong to a statement, each with what follows it up to the next statement.
    fn options(&mut self, keys: &[&str]) -> String {
        let from = self.at;
        while self.word().is_some_and(|word| keys.contains(&word) || number(word).is_some())
            || self.is(":")
            || self.peek().kind == Kind::Word && self.at > from && self.text_before() == "to"
        {
            self.at += 1;
        }
        self.words_since(from)
    }

    fn text_before(&self) -> &str {
        self.text_of(self.tokens.tokens[self.at - 1])
    }

    /// Takes `packets 5 bytes 9` and the like.
    fn pairs(&mut self, keys: &[&str]) -> Parsed<()> {
        while self.word().is_some_and(|word| keys.contains(&word)) {
            self.at += 1;
            self.name("a value")?;
        }
        Ok(())
    }

    /// Reads a name, or a map that gives names.
    fn left_or_name(&mut self) -> Parsed<Expr> {
        if self.word().is_some_and(opens_field) && self.second_word().is_some() {
            return self.left();
        }
        self.name("a name").map(|name| Expr::Word(name.value))
    }

    fn log(&mut self) -> Parsed<Statement> {
        self.at += 1;
        self.pairs(&["prefix", "group", "snaplen", "queue-threshold", "level"])?;
        while self.take_word("flags") {
            self.name("what to log")?;
            while self.word().is_some_and(|word| ["sequence", "options"].contains(&word)) {
                self.at += 1;
            }
            while self.take(",") {
                self.name("what to log")?;
            }
            self.pairs(&["prefix", "group", "snaplen", "queue-threshold", "level"])?;
        }
        Ok(Statement::Log)
    }

    /// Reads what follows `limit` up to the end of its burst.
    pub(super) fn limit(&mut self) -> Parsed<Limit> {
        if !self.take_word("rate") {
            return Err(self.unexpected("`rate` or `name`"));
        }
        let over = self.take_word("over");
        if !over {
            self.take_word("until");
        }
        let (rate, mut unit) = self.amount()?;
        self.expect("/")?;
        let here = self.at;
        let time = self.name("`second`, `minute`, `hour`, `day` or `week`")?.value;
        let unit_s = TIME_UNITS.iter().find(|(name, _)| *name == time).map(|(_, unit)| *unit);
        let Some(unit_s) = unit_s else {
            self.at = here;
            return Err(self.unexpected("`second`, `minute`, `hour`, `day` or `week`"));
        };
        let mut burst = None;
        if self.take_word("burst") {
            let (amount, of) = self.amount()?;
            if unit.is_none() && of.is_some() {
                return Err(self.unexpected("a burst in packets, as the rate is in packets"));
            }
            if of.is_none() {
                self.take_word("packets");
            }
            burst = Some(scaled(amount, of.or(unit.filter(|_| of.is_none()).map(|_| 1))));
        } else if unit.is_none() {
            unit = None;
        }
        Ok(Limit { rate: scaled(rate, unit), bytes: unit.is_some(), unit_s, burst, over })
    }

    /// Reads a number and a unit of data; no unit means packets.
    fn amount(&mut self) -> Parsed<(u64, Option<u64>)> {
        let word = self.word().unwrap_or_default();
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && digits < word.len() && !word.starts_with("0x") {
            let (Some(amount), Some(unit)) = (number(&word[..digits]), data_unit(&word[digits..]))
            else {
                return Err(self.unexpected("a number and a unit, such as `10 mbytes`"));
            };
            self.at += 1;
            return Ok((amount, Some(unit)));
        }
        let amount = self.number("a number")?;
        let unit = self.word().and_then(data_unit);
        self.at += usize::from(unit.is_some());
        Ok((amount, unit))
    }

    /// Reads what follows `quota`.
    fn quota(&mut self) -> Parsed<String> {
        let over = self.take_word("over");
        if !over {
            self.take_word("until");
        }
        let (amount, unit) = self.amount()?;
        if self.take_word("used") {
            self.amount()?;
        }
        let over = if over { "over " } else { "" };
        Ok(format!("quota {over}{} bytes", scaled(amount, unit)))
    }

    /// Reads `queue flags bypass to 0-3` and `queue num 0 bypass`.
    fn queue(&mut self) -> Parsed<Statement> {
        let (mut to, mut flags) = (String::new(), Vec::new());
        while !self.at_end() && self.word() != Some("comment") {
            match self.word() {
                Some("num" | "to" | "flags") => self.at += 1,
                Some(flag @ ("bypass" | "fanout")) => {
                    flags.push(flag);
                    self.at += 1;
                }
                _ if self.take(",") => {}
                _ => to = self.left()?.to_string(),
            }
        }
        flags.sort_unstable();
        Ok(Statement::Queue(format!("{} {to}", flags.join(","))))
    }

    /// Reads what follows `dnat` and its kin.
    fn translation(&mut self, kind: &str) -> Parsed<Statement> {
        let (mut address, mut port, mut flags) = (String::new(), String::new(), Vec::new());
        while !self.at_end() && self.word() != Some("comment") {
            match self.word() {
                Some(flag @ ("random" | "fully-random" | "persistent" | "netmap")) => {
                    flags.push(flag);
                    self.at += 1;
                }
                Some("to" | "ip" | "ip6" | "prefix" | "interval" | "addr" | "port")
                    if !self
                        .second_word()
                        .is_some_and(|word| ["saddr", "daddr"].contains(&word)) =>
                {
                    self.at += 1;
                }
                _ if self.take(",") || self.take(".") => {}
                _ if self.take("[") => {
                    address = self.left()?.to_string();
                    self.expect("]")?;
                }
                _ if self.take(":") => port = format!(":{}", self.left()?),
                _ => address = self.left()?.to_string(),
            }
        }
        flags.sort_unstable();
        let text = format!("{address}{port} {}", flags.join(","));
        Ok(Statement::Translate { kind: kind.to_owned(), text: text.trim().to_owned() })
    }

    fn forward(&mut self, copy: bool) -> Parsed<Statement> {
        self.at += 1;
        if self.word().is_some_and(|word| ["ip", "ip6"].contains(&word)) {
            self.at += 1;
        }
        if !self.take_word("to") {
            return Err(self.unexpected("`to`"));
        }
        let mut to = self.left()?.to_string();
        if self.take_word("device") {
            to = self.left()?.to_string();
        }
        Ok(Statement::Forward { to, copy })
    }

    fn meter(&mut self) -> Parsed<Statement> {
        self.at += 1;
        self.take_word("table");
        let set = self.name("the name of a meter")?.value;
        if self.take_word("size") {
            self.number("how many keys it holds")?;
        }
        self.dynamic_body("meter", set)
    }

    fn dynamic(&mut self, op: &str) -> Parsed<Statement> {
        self.at += 1;
        let Expr::Named(set) = self.table_of("a set, such as `@s`")? else {
            return Err(self.unexpected("a set, such as `@s`"));
        };
        self.dynamic_body(op, set)
    }

    fn dynamic_body(&mut self, op: &str, set: String) -> Parsed<Statement> {
        self.expect("{")?;
        self.skip_newlines();
        let key = self.left()?;
        let mut dynamic =
            Dynamic { op: op.to_owned(), set, key, timeout_s: None, statements: Vec::new() };
        loop {
            self.skip_newlines();
            if self.take("}") {
                return Ok(Statement::Dynamic(dynamic));
            }
            if self.take(":") {
                // What a map stores for the key; it ends nothing.
                if self.verdict()?.is_none() {
                    self.left()?;
                }
                continue;
            }
            if self.word().is_some_and(|word| ["timeout", "expires"].contains(&word)) {
                self.at += 1;
                let time = self.name("a time, such as `1m`")?;
                let Some(time) = seconds(&time.value) else {
                    self.at -= 1;
                    return Err(self.unexpected("a time, such as `1m`"));
                };
                dynamic.timeout_s = Some(time);
                continue;
            }
            if self.take_word("comment") {
                self.name("a comment")?;
                continue;
            }
            dynamic.statements.push(self.statement()?);
        }
    }

    /// Reads `set add ip saddr @s`.
    fn old_dynamic(&mut self) -> Parsed<Statement> {
        self.at += 1;
        let op = self.name("`add`, `update` or `delete`")?.value;
        let key = self.left()?;
        let timeout_s = match self.take_word("timeout") {
            true => seconds(&self.name("a time, such as `1m`")?.value),
            false => None,
        };
        let Expr::Named(set) = self.table_of("a set, such as `@s`")? else {
            return Err(self.unexpected("a set, such as `@s`"));
        };
        Ok(Statement::Dynamic(Dynamic { op, set, key, timeout_s, statements: Vec::new() }))
    }

    /// Reads a match, a verdict map, or what sets a field.
    fn comparison(&mut self) -> Parsed<Statement> {
        let left = self.left()?;
        if self.take_word("vmap") {
            let data = self.table_of("a verdict map: `{ … }` or `@name`")?;
            return Ok(Statement::VerdictMap { key: left, data });
        }
        if self.take_word("set") {
            let value = match self.word().is_some_and(opens_field) || self.is("(") {
                true => self.left()?,
                false => self.right()?,
            };
            // `meta priority set 1:10`.
            if self.take(":") {
                self.name("a class")?;
            }
            return Ok(Statement::Set { field: left, value });
        }
        let token = self.peek();
        let text = self.text_of(token);
        let is_sign = matches!(token.kind, Kind::Sign | Kind::Word);
        let op = COMPARISONS.iter().find(|(sign, _)| is_sign && *sign == text).map(|(_, op)| *op);
        self.at += usize::from(op.is_some());
        let op = op.unwrap_or(Op::Implicit);
        let right = self.right()?;
        if self.take("/") {
            let mask = self.right()?;
            let left = Expr::Binary("&", Box::new(left), Box::new(mask));
            let op = if op == Op::Implicit { Op::Equal } else { op };
            return Ok(Statement::Match { left, op, right });
        }
        Ok(Statement::Match { left, op, right })
    }
}

/// Multiplies without a wrap: what is beyond counting is refused where limits are made.
fn scaled(amount: u64, unit: Option<u64>) -> u64 {
    amount.saturating_mul(unit.unwrap_or(1))
}
