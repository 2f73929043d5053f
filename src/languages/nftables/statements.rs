//! Rules of ruleset text, and their statements.

use super::cursor::{Cursor, Parsed, number, unquoted};
use super::expressions::opens_field;
use super::lexer::Kind;
use super::tree::{Expr, Op, Rule, Statement};
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

/// Levels of a log (nft(8)).
const LEVELS: &[&str] =
    &["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"];

/// The bytes of a prefix of a log with its end (`NF_LOG_PREFIXLEN`).
const PREFIX_BYTES: usize = 128;

/// The longest comment of a rule, in bytes (`NFTNL_UDATA_COMMENT_MAXLEN`).
const COMMENT_BYTES: usize = 128;

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
                if rule.comment.is_some() {
                    return Err(self.unexpected("the end of the rule: it has one comment"));
                }
                self.at += 1;
                let here = self.at;
                let comment = self.name("a comment")?;
                if comment.value.len() > COMMENT_BYTES {
                    self.at = here;
                    return Err(self.unexpected("a comment of at most 128 bytes"));
                }
                rule.comment = Some(comment);
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
                self.counted()?;
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

    /// Takes `packets 5 bytes 9`, what a counter counted.
    pub(super) fn counted(&mut self) -> Parsed<()> {
        if self.take_word("packets") {
            self.number("a number of packets")?;
            if !self.take_word("bytes") {
                return Err(self.unexpected("`bytes`"));
            }
            self.number("a number of bytes")?;
        }
        Ok(())
    }

    /// Reads a name, or a map that gives names.
    pub(super) fn left_or_name(&mut self) -> Parsed<Expr> {
        if self.word().is_some_and(opens_field) && self.second_word().is_some() {
            return self.left();
        }
        self.name("a name").map(|name| Expr::Word(name.value))
    }

    fn log(&mut self) -> Parsed<Statement> {
        self.at += 1;
        let first = self.at;
        self.pairs(&["prefix", "group", "snaplen", "queue-threshold", "level"])?;
        self.log_words(first)?;
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

    /// Checks what a log says of itself, from a token to the present one.
    fn log_words(&mut self, first: usize) -> Parsed<()> {
        let end = self.at;
        let words: Vec<String> = (first..end)
            .map(|at| unquoted(self.text_of(self.tokens.tokens[at])).to_owned())
            .collect();
        let mut groups = false;
        let mut levels = false;
        for (at, pair) in words.chunks(2).enumerate() {
            let [key, value] = pair else { continue };
            groups |= key == "group";
            levels |= key == "level";
            let expected = match key.as_str() {
                "level" if !LEVELS.contains(&value.as_str()) => "a level such as `info`",
                "prefix" if value.len() >= PREFIX_BYTES => "a prefix of at most 127 bytes",
                _ if groups && levels => "a group or a level, not both",
                _ => continue,
            };
            self.at = first + 2 * at + 1;
            return Err(self.unexpected(expected));
        }
        Ok(())
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
