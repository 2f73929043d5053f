//! Statements with amounts and keys: limits, quotas, sets that rules write to; and those that send
//! packets elsewhere.

use super::cursor::{Cursor, Parsed, number, seconds};
use super::tree::{Dynamic, Expr, Limit, Statement};

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
    /// Reads what follows `limit` up to the end of its burst.
    pub(super) fn limit(&mut self) -> Parsed<Limit> {
        if !self.take_word("rate") {
            return Err(self.unexpected("`rate` or `name`"));
        }
        let over = self.take_word("over");
        if !over {
            self.take_word("until");
        }
        let (rate, unit) = self.amount()?;
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
            let here = self.at;
            let (amount, of) = self.amount()?;
            if unit.is_some() != of.is_some() {
                let units = if unit.is_some() { "bytes" } else { "packets" };
                return Err(self.unexpected(&format!("a burst in {units}, as the rate is")));
            }
            if of.is_none() {
                self.take_word("packets");
                if amount == 0 {
                    self.at = here;
                    return Err(self.unexpected("a burst above zero"));
                }
            }
            burst = Some(scaled(amount, of));
        }
        Ok(Limit { rate: scaled(rate, unit), bytes: unit.is_some(), unit_s, burst, over })
    }

    /// Reads a number and a unit of data; no unit means packets.
    pub(super) fn amount(&mut self) -> Parsed<(u64, Option<u64>)> {
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
    pub(super) fn quota(&mut self) -> Parsed<String> {
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
    pub(super) fn queue(&mut self) -> Parsed<Statement> {
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
    pub(super) fn translation(&mut self, kind: &str) -> Parsed<Statement> {
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

    pub(super) fn forward(&mut self, copy: bool) -> Parsed<Statement> {
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

    pub(super) fn meter(&mut self) -> Parsed<Statement> {
        self.at += 1;
        self.take_word("table");
        let set = self.name("the name of a meter")?.value;
        let size = match self.take_word("size") {
            true => Some(self.number("how many keys it holds")?),
            false => None,
        };
        self.dynamic_body("meter", set, size)
    }

    pub(super) fn dynamic(&mut self, op: &str) -> Parsed<Statement> {
        self.at += 1;
        let Expr::Named(set) = self.table_of("a set, such as `@s`")? else {
            return Err(self.unexpected("a set, such as `@s`"));
        };
        self.dynamic_body(op, set, None)
    }

    pub(super) fn dynamic_body(
        &mut self,
        op: &str,
        set: String,
        size: Option<u64>,
    ) -> Parsed<Statement> {
        self.expect("{")?;
        self.skip_newlines();
        let key = self.left()?;
        let (op, statements) = (op.to_owned(), Vec::new());
        let mut dynamic = Dynamic { op, set, key, timeout_s: None, size, statements };
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
    pub(super) fn old_dynamic(&mut self) -> Parsed<Statement> {
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
        let statements = Vec::new();
        Ok(Statement::Dynamic(Dynamic { op, set, key, timeout_s, size: None, statements }))
    }
}

/// Multiplies without a wrap: what is beyond counting is refused where limits are made.
fn scaled(amount: u64, unit: Option<u64>) -> u64 {
    amount.saturating_mul(unit.unwrap_or(1))
}
