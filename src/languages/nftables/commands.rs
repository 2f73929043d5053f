//! Commands of ruleset text: what adds to a ruleset and what takes away from it.

use super::cursor::{Cursor, Parsed};
use super::ruleset::{TableFamily, absent};
use super::text::{Named, Reader, by_handle, elements};
use crate::model::{Diagnostic, Spanned};

impl Reader<'_> {
    /// Reads what follows `add`, `create` or `insert`.
    pub(super) fn add(&mut self, cursor: &mut Cursor<'_>, command: &str) -> Parsed<()> {
        let first = command == "insert";
        let is_new = command == "create";
        let kind = cursor.word().unwrap_or_default();
        match kind {
            "table" => {
                cursor.at += 1;
                let start = cursor.at;
                let Named { family, table } = self.named(cursor)?;
                if is_new && self.ruleset.table(family, &table.value).is_some() {
                    return Err(exists(&table, kind));
                }
                cursor.at = start;
                return self.table(cursor);
            }
            "rule" | "element" => cursor.at += 1,
            "chain" | "set" | "map" | "limit" | "flowtable" | "counter" | "quota" | "ct"
            | "secmark" | "synproxy" => {
                // The kind comes before the table, the rest is as within a table.
                cursor.at += 1;
                if kind == "ct" {
                    cursor.name("`helper`, `timeout` or `expectation`")?;
                }
                let named = self.named(cursor)?;
                let table = self.existing(&named)?;
                let name = cursor.name(&format!("the name of a {kind}"))?;
                let own = &self.ruleset.tables[table];
                let is_there = match kind {
                    "chain" => own.chain(&name.value).is_some(),
                    "set" | "map" => own.sets.contains_key(&name.value),
                    "limit" => own.limits.contains_key(&name.value),
                    _ => false,
                };
                if is_new && is_there {
                    return Err(exists(&name, kind));
                }
                return match kind {
                    "chain" => self.chain(cursor, table, name),
                    "set" | "map" => self.set(cursor, table, name, kind == "map"),
                    "limit" => {
                        let braces = cursor.take("{");
                        let start = cursor.at;
                        let limit = Spanned::new(cursor.limit()?, cursor.since(start));
                        self.ruleset.tables[table].limits.insert(name.value, limit);
                        cursor.skip_ends();
                        if braces { cursor.expect("}") } else { Ok(()) }
                    }
                    _ => {
                        let first = cursor.at;
                        cursor.skip_statement();
                        let own = &mut self.ruleset.tables[table];
                        if kind == "flowtable" {
                            own.flowtables.insert(name.value);
                        } else if kind == "ct" {
                            let text = format!("{} {}", name.value, cursor.words_since(first));
                            own.objects.push(Spanned::new(text, cursor.since(first)));
                        }
                        Ok(())
                    }
                };
            }
            // `add inet filter input …` is a rule.
            _ => {}
        }
        let named = self.named(cursor)?;
        let table = self.existing(&named)?;
        let name = cursor.name("the name of a chain or set")?;
        if kind == "element" {
            let found = elements(cursor.table_of("elements: `{ … }`")?);
            let Some(set) = self.ruleset.tables[table].sets.get_mut(&name.value) else {
                return Err(absent(name.location, "set", &name.value));
            };
            set.elements.extend(found);
            return Ok(());
        }
        let Some(chain) = self.ruleset.tables[table].chain(&name.value) else {
            return Err(absent(name.location, "chain", &name.value));
        };
        let mut at = first.then_some(0);
        if cursor.take_word("index") {
            let index =
                usize::try_from(cursor.number("the index of a rule")?).unwrap_or(usize::MAX);
            if index >= self.ruleset.tables[table].chains[chain].rules.len() {
                return Err(absent(name.location, "rule of this index in chain", &name.value));
            }
            at = Some(if first { index } else { index + 1 });
        }
        if cursor.word().is_some_and(|word| ["handle", "position"].contains(&word)) {
            return Err(by_handle(cursor));
        }
        let rule = cursor.rule()?;
        self.push(cursor, table, chain, rule, at);
        Ok(())
    }

    /// Reads what follows `delete` or `flush`.
    pub(super) fn remove(&mut self, cursor: &mut Cursor<'_>, flush: bool) -> Parsed<()> {
        let place = cursor.place(cursor.peek());
        let kind = cursor.name("what to remove, such as `table`")?.value;
        match kind.as_str() {
            "ruleset" => {
                let family = cursor.word().and_then(TableFamily::named);
                cursor.at += usize::from(family.is_some());
                self.ruleset.tables.retain(|table| family.is_some_and(|own| own != table.family));
            }
            "table" => {
                let Named { family, table } = self.named(cursor)?;
                let Some(at) = self.ruleset.table(family, &table.value) else { return Ok(()) };
                if flush {
                    self.ruleset.tables[at].chains.iter_mut().for_each(|chain| chain.rules.clear());
                } else {
                    self.ruleset.tables.remove(at);
                }
            }
            "chain" | "set" | "map" | "element" | "meter" | "limit" => {
                let named = self.named(cursor)?;
                let name = cursor.name(&format!("the name of a {kind}"))?;
                let found = self.ruleset.table(named.family, &named.table.value);
                let table = found.map(|at| &mut self.ruleset.tables[at]);
                match (kind.as_str(), table) {
                    ("element", table) => {
                        let gone = elements(cursor.table_of("elements: `{ … }`")?);
                        let set = table.and_then(|table| table.sets.get_mut(&name.value));
                        let Some(set) = set else {
                            return Err(absent(name.location, "set", &name.value));
                        };
                        let is_there = |gone: &&super::tree::Element| {
                            set.elements.iter().any(|own| own.key == gone.key)
                        };
                        // Part of an interval may be taken away; a value that is not there may not.
                        let lacks = gone.iter().find(|one| !set.intervals && !is_there(one));
                        if let Some(lacks) = lacks {
                            let place = lacks.location.unwrap_or(name.location);
                            return Err(absent(place, "element", &lacks.key.to_string()));
                        }
                        set.elements.retain(|own| gone.iter().all(|gone| gone.key != own.key));
                    }
                    (_, None) => {}
                    ("chain", Some(table)) if flush => {
                        if let Some(at) = table.chain(&name.value) {
                            table.chains[at].rules.clear();
                        }
                    }
                    ("chain", Some(table)) => table.remove_chain(&name.value),
                    ("limit", Some(table)) => {
                        table.limits.remove(&name.value);
                    }
                    (_, Some(table)) if flush => {
                        if let Some(set) = table.sets.get_mut(&name.value) {
                            set.elements.clear();
                        }
                    }
                    (_, Some(table)) => {
                        table.sets.remove(&name.value);
                    }
                }
            }
            "rule" => {
                cursor.at -= 1;
                return Err(by_handle(cursor));
            }
            "counter" | "quota" | "flowtable" | "ct" | "secmark" | "synproxy" => {
                cursor.skip_statement();
            }
            _ => {
                return Err(Box::new(
                    Diagnostic::error(place, format!("`{kind}` is nothing that can be removed"))
                        .label("unknown")
                        .help("write `table`, `chain`, `set`, `map`, `element` or `ruleset`"),
                ));
            }
        }
        Ok(())
    }
}

/// Says that something is there that was to be made.
fn exists(name: &Spanned<String>, kind: &str) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(name.location, format!("{kind} `{}` is there already", name.value))
            .label("nft refuses to create it")
            .help("write `add`, or delete it before"),
    )
}
