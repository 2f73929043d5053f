//! Expressions of ruleset text: fields, values, sets, maps.

use super::cursor::{Cursor, Parsed, seconds, unquoted};
use super::lexer::Kind;
use super::tree::{Data, Element, Expr, Verdict};

/// Keys of `meta` that stand without it, too.
const BARE: &[&str] = &[
    "iif",
    "iifname",
    "iiftype",
    "iifgroup",
    "oif",
    "oifname",
    "oiftype",
    "oifgroup",
    "mark",
    "skuid",
    "skgid",
    "nftrace",
    "rtclassid",
    "ibriport",
    "obriport",
    "ibridgename",
    "obridgename",
    "ibrname",
    "obrname",
    "pkttype",
    "cpu",
    "cgroup",
    "time",
    "hour",
    "day",
];

/// Headers, each followed by the name of a field.
const HEADERS: &[&str] = &[
    "meta", "ether", "vlan", "arp", "ip", "ip6", "icmp", "icmpv6", "igmp", "ah", "esp", "comp",
    "udp", "udplite", "tcp", "dccp", "sctp", "th", "dst", "frag", "hbh", "mh", "rt", "srh",
    "exthdr", "gre", "gretap", "vxlan", "geneve", "socket",
];

/// Other words with which a field starts.
const OTHERS: &[&str] = &["ct", "fib", "osf", "numgen", "jhash", "symhash", "ipsec", "rtnexthop"];

/// Fields of the options of TCP and IP.
const OPTION_FIELDS: &[&str] = &[
    "kind", "length", "size", "left", "right", "count", "tsval", "tsecr", "type", "ptr", "value",
    "addr", "flags", "tsn", "stream", "ssn", "ppid",
];

/// Returns whether a word opens a field.
pub(super) fn opens_field(word: &str) -> bool {
    [BARE, HEADERS, OTHERS].iter().any(|words| words.contains(&word))
}

/// Signs and words of operators, weakest first.
const OPERATORS: &[&[(&str, &str)]] = &[
    &[("|", "|"), ("or", "|")],
    &[("^", "^"), ("xor", "^")],
    &[("&", "&"), ("and", "&")],
    &[("<<", "<<"), (">>", ">>"), ("lshift", "<<"), ("rshift", ">>")],
];

impl Cursor<'_> {
    /// Reads what stands left of a comparison: a field, several, or a calculation with them.
    pub(super) fn left(&mut self) -> Parsed<Expr> {
        self.concat(true)
    }

    /// Reads what stands right of a comparison, with `a,b` lists.
    pub(super) fn right(&mut self) -> Parsed<Expr> {
        let first = self.concat(false)?;
        if !self.is(",") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take(",") {
            self.skip_newlines();
            parts.push(self.concat(false)?);
        }
        Ok(Expr::List(parts))
    }

    fn concat(&mut self, fields: bool) -> Parsed<Expr> {
        let first = self.binary(0, fields)?;
        let mut parts = vec![first];
        while self.take(".") {
            self.skip_newlines();
            parts.push(self.binary(0, fields)?);
        }
        let key = match parts.len() {
            1 => parts.remove(0),
            _ => Expr::Concat(parts),
        };
        if fields && self.take_word("map") {
            let data = self.table_of("a map: `{ … }` or `@name`")?;
            return Ok(Expr::Map(Box::new(key), Box::new(data)));
        }
        Ok(key)
    }

    /// Reads `{ … }`, `@name` or a define.
    pub(super) fn table_of(&mut self, what: &str) -> Parsed<Expr> {
        let token = self.peek();
        match token.kind {
            Kind::Named => {
                self.at += 1;
                Ok(Expr::Named(self.text_of(token)[1..].to_owned()))
            }
            Kind::Variable => {
                let value = self.variable(token)?;
                self.at += 1;
                Ok(value)
            }
            _ if self.is("{") => self.set(),
            _ => Err(self.unexpected(what)),
        }
    }

    fn binary(&mut self, level: usize, fields: bool) -> Parsed<Expr> {
        let Some(operators) = OPERATORS.get(level) else { return self.basic(fields) };
        let mut left = self.binary(level + 1, fields)?;
        loop {
            let token = self.peek();
            let text = self.text_of(token);
            let found = operators
                .iter()
                .find(|(sign, _)| matches!(token.kind, Kind::Sign | Kind::Word) && *sign == text);
            let Some((_, sign)) = found else { return Ok(left) };
            self.at += 1;
            self.skip_newlines();
            self.deeper()?;
            let right = self.binary(level + 1, fields)?;
            self.depth -= 1;
            left = Expr::Binary(sign, Box::new(left), Box::new(right));
            if depth_of(&left) > super::cursor::DEEPEST {
                return Err(self.unexpected("a shorter calculation"));
            }
        }
    }

    fn basic(&mut self, fields: bool) -> Parsed<Expr> {
        let token = self.peek();
        if self.is("(") {
            self.at += 1;
            self.deeper()?;
            let inner = self.concat(fields)?;
            self.depth -= 1;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.is("{") {
            return self.set();
        }
        if self.take("*") {
            return Ok(Expr::All);
        }
        if token.kind == Kind::Named {
            if self.second_is(",") && ["@th", "@nh", "@ll", "@ih"].contains(&self.text_of(token)) {
                return self.raw();
            }
            self.at += 1;
            return Ok(Expr::Named(self.text_of(token)[1..].to_owned()));
        }
        if fields && self.word().is_some_and(opens_field) {
            return self.field().map(Expr::Field);
        }
        let first = self.single()?;
        if self.take("-") {
            let last = self.single()?;
            return Ok(Expr::Range(Box::new(first), Box::new(last)));
        }
        if self.is("/")
            && self.second_word().is_some_and(|word| word.bytes().all(|b| b.is_ascii_digit()))
        {
            self.at += 1;
            let length = self.number("the length of a prefix")?;
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            return Ok(Expr::Prefix(Box::new(first), length));
        }
        Ok(first)
    }

    /// Reads one value.
    fn single(&mut self) -> Parsed<Expr> {
        let token = self.peek();
        let value = match token.kind {
            Kind::Word => Expr::Word(self.text_of(token).to_owned()),
            Kind::Quoted => Expr::Word(unquoted(self.text_of(token)).to_owned()),
            Kind::Variable => self.variable(token)?,
            _ => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        Ok(value)
    }

    /// Reads `@th,16,16`.
    fn raw(&mut self) -> Parsed<Expr> {
        let base = self.next();
        let base = self.text_of(base).to_owned();
        self.expect(",")?;
        let offset = self.number("an offset in bits")?;
        self.expect(",")?;
        let length = self.number("a length in bits")?;
        Ok(Expr::Field(format!("{base},{offset},{length}")))
    }

    /// Reads a field.
    pub(super) fn field(&mut self) -> Parsed<String> {
        let first = self.name("a field")?.value;
        if BARE.contains(&first.as_str()) {
            return Ok(format!("meta {first}"));
        }
        match first.as_str() {
            "ct" => {
                let mut words = vec![first];
                let direction =
                    self.word().is_some_and(|word| ["original", "reply"].contains(&word));
                if direction {
                    words.push(self.name("a direction")?.value);
                    if self.word().is_some_and(|word| ["ip", "ip6"].contains(&word)) {
                        words.push(self.name("a family")?.value);
                    }
                }
                words.push(self.name("a key of `ct`, such as `state`")?.value);
                Ok(words.join(" "))
            }
            "fib" => {
                let mut flags = vec![self.name("what to look up, such as `saddr`")?.value];
                while self.take(".") {
                    flags.push(self.name("what to look up, such as `iif`")?.value);
                }
                let result = self.name("`oif`, `oifname` or `type`")?.value;
                Ok(format!("fib {} {result}", flags.join(" . ")))
            }
            "tcp" | "ip" | "sctp" if matches!(self.word(), Some("option" | "chunk")) => {
                let mut words = vec![first, self.name("an option")?.value];
                words.push(self.name("the name of an option")?.value);
                if self.word().is_some_and(|word| OPTION_FIELDS.contains(&word)) {
                    words.push(self.name("a field")?.value);
                }
                Ok(words.join(" "))
            }
            "arp" if self.second_word().is_some_and(|word| ["ip", "ether"].contains(&word)) => {
                let field = self.name("a field")?.value;
                Ok(format!("arp {field} {}", self.name("a kind of address")?.value))
            }
            "numgen" | "symhash" | "jhash" => {
                let from = self.at - 1;
                while !self.take_word("mod") {
                    if self.at_end() {
                        return Err(self.unexpected("`mod`"));
                    }
                    self.at += 1;
                }
                self.number("a number")?;
                while self.word().is_some_and(|word| ["offset", "seed"].contains(&word)) {
                    self.at += 1;
                    self.number("a number")?;
                }
                Ok(self.words_since(from))
            }
            "osf" => {
                let from = self.at - 1;
                if self.take_word("ttl") {
                    self.name("how to compare TTLs")?;
                }
                self.name("`name` or `version`")?;
                Ok(self.words_since(from))
            }
            "socket" if self.word() == Some("cgroupv2") => {
                let from = self.at - 1;
                self.at += 1;
                if self.take_word("level") {
                    self.number("a level")?;
                }
                Ok(self.words_since(from))
            }
            "ipsec" => {
                let from = self.at - 1;
                self.name("`in` or `out`")?;
                if self.take_word("spnum") {
                    self.number("a number")?;
                }
                if self.word().is_some_and(|word| ["ip", "ip6"].contains(&word)) {
                    self.at += 1;
                }
                self.name("a field")?;
                Ok(self.words_since(from))
            }
            _ => Ok(format!("{first} {}", self.name(&format!("a field of `{first}`"))?.value)),
        }
    }

    /// Reads `{ … }`. Sets within it, such as defines, are made part of it.
    pub(super) fn set(&mut self) -> Parsed<Expr> {
        self.expect("{")?;
        self.deeper()?;
        let mut elements = Vec::new();
        self.skip_newlines();
        while !self.take("}") {
            let first = self.at;
            let key = self.concat(false)?;
            let mut varies = self.element_options()?;
            let mut data = None;
            if self.take(":") {
                self.skip_newlines();
                data = Some(match self.verdict()? {
                    Some(verdict) => Data::Verdict(verdict),
                    None => Data::Expr(self.concat(false)?),
                });
                varies |= self.element_options()?;
            }
            let location = Some(self.since(first));
            match key {
                Expr::Set(inner) if data.is_none() => elements.extend(inner),
                key => elements.push(Element { key, data, varies, location }),
            }
            self.skip_newlines();
            if !self.take(",") && !self.is("}") {
                return Err(self.unexpected("`,` or `}`"));
            }
            self.skip_newlines();
        }
        self.depth -= 1;
        Ok(Expr::Set(elements))
    }

    /// Reads what stands behind an element. Returns whether it makes the element come or go.
    fn element_options(&mut self) -> Parsed<bool> {
        let mut varies = false;
        loop {
            match self.word() {
                Some("timeout" | "expires") => {
                    self.at += 1;
                    let time = self.name("a time, such as `1h`")?;
                    varies |= seconds(&time.value) != Some(0);
                }
                Some("comment") => {
                    self.at += 1;
                    self.name("a comment")?;
                }
                Some("counter" | "limit" | "quota" | "ct" | "last") => {
                    let statement = self.statement()?;
                    varies |= !matches!(
                        statement,
                        super::tree::Statement::Counter | super::tree::Statement::Idle(_)
                    );
                }
                _ => return Ok(varies),
            }
        }
    }

    /// Reads a verdict, if one comes next.
    pub(super) fn verdict(&mut self) -> Parsed<Option<Verdict>> {
        let verdict = match self.word() {
            Some("accept") => Verdict::Accept,
            Some("drop") => Verdict::Drop,
            Some("continue") => Verdict::Continue,
            Some("return") => Verdict::Return,
            Some("jump" | "goto") => {
                let jumps = self.take_word("jump") || {
                    self.at += 1;
                    false
                };
                let chain = match self.is("{") {
                    true => self.block()?,
                    false => self.name("the name of a chain")?.value,
                };
                return Ok(Some(if jumps { Verdict::Jump(chain) } else { Verdict::Goto(chain) }));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(verdict))
    }
}

/// Returns how deep an expression nests, as far as that matters.
fn depth_of(expr: &Expr) -> u32 {
    let mut depth = 0;
    let mut at = expr;
    while let Expr::Binary(_, left, _) = at {
        depth += 1;
        at = left;
    }
    depth
}
