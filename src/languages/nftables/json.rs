//! The JSON of `nft -j list ruleset` (libnftables-json(5)): tables and what they hold.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json_parts::{self, Bad, elements, listed, text};
use super::ruleset::{Base, Ruleset, TableFamily, absent, priority};
use super::tree::Rule;
use crate::model::{Diagnostic, Location, SourceId, Span, Spanned};

/// The whole text.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    nftables: Vec<BTreeMap<String, &'a RawValue>>,
}

/// A rule, its statements left as they are written.
#[derive(Deserialize)]
struct RawRule<'a> {
    family: String,
    table: String,
    chain: String,
    comment: Option<String>,
    #[serde(borrow, default)]
    expr: Vec<&'a RawValue>,
}

/// Reads a text into a ruleset.
pub(super) fn read(
    ruleset: &mut Ruleset,
    text: &str,
    source: SourceId,
    problems: &mut Vec<Diagnostic>,
) {
    let reader = Reader { text, source };
    let document: Document<'_> = match serde_json::from_str(text) {
        Ok(document) => document,
        Err(error) => return problems.push(reader.broken(&error)),
    };
    for object in &document.nftables {
        for (kind, raw) in object {
            if let Err(problem) = reader.object(ruleset, kind, raw, false) {
                problems.push(*problem);
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    source: SourceId,
}

impl Reader<'_> {
    /// Returns where a part of the text stands.
    fn place(&self, raw: &RawValue) -> Location {
        let start = raw.get().as_ptr() as usize - self.text.as_ptr() as usize;
        Location { source: self.source, span: Span::new(start, start + raw.get().len()) }
    }

    /// Says what is wrong with the JSON itself.
    fn broken(&self, error: &serde_json::Error) -> Diagnostic {
        let before = self.text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let mut start = before.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        start = start.min(self.text.len().saturating_sub(1));
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let length = self.text[start..].chars().next().map_or(0, char::len_utf8);
        let span = Span::new(start, start + length);
        Diagnostic::error(Location { source: self.source, span }, format!("no ruleset: {error}"))
            .label("here")
            .help("give what `nft -j list ruleset` prints, whole")
    }

    fn bad(&self, raw: &RawValue, bad: Bad) -> Box<Diagnostic> {
        Box::new(
            Diagnostic::error(self.place(raw), bad.0)
                .label("not read")
                .help("libnftables-json(5) says what may stand here"),
        )
    }

    fn object(
        &self,
        ruleset: &mut Ruleset,
        kind: &str,
        raw: &RawValue,
        first: bool,
    ) -> Result<(), Box<Diagnostic>> {
        let place = self.place(raw);
        if kind == "rule" {
            return self.rule(ruleset, raw, first);
        }
        let broken = |error: serde_json::Error| self.bad(raw, Bad::new(error.to_string()));
        if ["add", "create", "insert"].contains(&kind) {
            let inner: BTreeMap<String, &RawValue> =
                serde_json::from_str(raw.get()).map_err(broken)?;
            return inner.iter().try_for_each(|(inner_kind, inner)| {
                // Places are found by where a part lies in the whole text.
                self.object(ruleset, inner_kind, inner, kind == "insert")
            });
        }
        let value: Value = serde_json::from_str(raw.get()).map_err(broken)?;
        self.plain(ruleset, kind, &value, place).map_err(|problem| match problem {
            Problem::Bad(bad) => self.bad(raw, bad),
            Problem::Told(problem) => problem,
        })
    }

    fn plain(
        &self,
        ruleset: &mut Ruleset,
        kind: &str,
        value: &Value,
        place: Location,
    ) -> Result<(), Problem> {
        match kind {
            "metainfo" => return Ok(()),
            "flush" if value.get("ruleset").is_some() => {
                ruleset.tables.clear();
                return Ok(());
            }
            "table" => {
                let table = ruleset.add_table(family(value)?, &text(value, "name")?, place);
                ruleset.tables[table].dormant |= listed(value, "flags").contains(&"dormant".into());
                return Ok(());
            }
            "counter" | "quota" | "secmark" | "synproxy" => return Ok(()),
            "ct helper" | "ct timeout" | "ct expectation" | "flowtable" | "chain" | "set"
            | "map" | "element" | "limit" | "meter" => {}
            _ => return Err(Bad::new(format!("`{kind}` is not followed")).into()),
        }
        let (family, table) = (family(value)?, text(value, "table")?);
        let Some(at) = ruleset.table(family, &table) else {
            let words = format!("{} {table}", family.word());
            return Err(Problem::Told(absent(place, "table", &words)));
        };
        let name = text(value, "name")?;
        let table = &mut ruleset.tables[at];
        match kind {
            "chain" => {
                let chain = table.add_chain(&name, place);
                if let Some(policy) = value.get("policy").and_then(Value::as_str) {
                    table.chains[chain].policy = Some(Spanned::new(policy == "drop", place));
                }
                if value.get("hook").is_some() {
                    let base = base(value, place)?;
                    ruleset.register(at, chain, base);
                }
            }
            "flowtable" => {
                table.flowtables.insert(name);
            }
            "ct helper" | "ct timeout" | "ct expectation" => {
                // Handles are the kernel's own numbers.
                let mut value = value.clone();
                if let Some(fields) = value.as_object_mut() {
                    fields.remove("handle");
                }
                table.objects.push(Spanned::new(value.to_string(), place));
            }
            "limit" => {
                let limit = json_parts::limit(value)?;
                table.limits.entry(name).or_insert(Spanned::new(limit, place));
            }
            "element" => {
                let found = elements(value.get("elem").unwrap_or(&Value::Null), Some(place))?;
                let Some(set) = table.sets.get_mut(&name) else {
                    return Err(Problem::Told(absent(place, "set", &name)));
                };
                set.elements.extend(found);
            }
            _ => {
                let found = elements(value.get("elem").unwrap_or(&Value::Null), Some(place))?;
                let timeout = value.get("timeout").and_then(Value::as_u64).filter(|time| *time > 0);
                let stateful = value.get("stmt").and_then(Value::as_array).is_some_and(|all| {
                    all.iter().any(|statement| statement.get("counter").is_none())
                });
                let dynamic = listed(value, "flags").contains(&"dynamic".into());
                let set = table.add_set(&name);
                set.varies |= stateful || dynamic;
                set.timeout_s = timeout.or(set.timeout_s);
                set.size = value.get("size").and_then(Value::as_u64).or(set.size);
                set.elements.extend(found);
            }
        }
        Ok(())
    }

    fn rule(
        &self,
        ruleset: &mut Ruleset,
        raw: &RawValue,
        first: bool,
    ) -> Result<(), Box<Diagnostic>> {
        let rule: RawRule<'_> = serde_json::from_str(raw.get())
            .map_err(|error| self.bad(raw, Bad::new(error.to_string())))?;
        let place = self.place(raw);
        let Some(family) = TableFamily::named(&rule.family) else {
            return Err(self.bad(raw, Bad::new(format!("`{}` is no family", rule.family))));
        };
        let Some(table) = ruleset.table(family, &rule.table) else {
            return Err(absent(place, "table", &format!("{} {}", rule.family, rule.table)));
        };
        let Some(chain) = ruleset.tables[table].chain(&rule.chain) else {
            return Err(absent(place, "chain", &rule.chain));
        };
        let mut statements = Vec::with_capacity(rule.expr.len());
        for raw in &rule.expr {
            let read = serde_json::from_str::<Value>(raw.get())
                .map_err(|error| Bad::new(error.to_string()))
                .and_then(|value| json_parts::statement(&value));
            let read = read.map_err(|bad| self.bad(raw, bad))?;
            statements.push(Spanned::new(read, self.place(raw)));
        }
        let comment = rule.comment.map(|comment| Spanned::new(comment, place));
        let rule = Rule { location: place, statements, comment, remarks: Vec::new() };
        let rules = &mut ruleset.tables[table].chains[chain].rules;
        if first {
            rules.push_front(rule)
        } else {
            rules.push_back(rule)
        }
        Ok(())
    }
}

/// What keeps an object from being read.
enum Problem {
    Bad(Bad),
    Told(Box<Diagnostic>),
}

impl From<Bad> for Problem {
    fn from(bad: Bad) -> Problem {
        Problem::Bad(bad)
    }
}

fn family(value: &Value) -> Result<TableFamily, Bad> {
    let word = text(value, "family")?;
    TableFamily::named(&word).ok_or_else(|| Bad::new(format!("`{word}` is no family")))
}

fn base(value: &Value, location: Location) -> Result<Base, Bad> {
    let wrong = || Bad::new("the priority of a chain is a number");
    let prio = value.get("prio").unwrap_or(&Value::Null);
    let named = || prio.as_str().and_then(|word| priority(word).or_else(|| word.parse().ok()));
    Ok(Base {
        kind: text(value, "type")?,
        hook: text(value, "hook")?,
        priority: prio.as_i64().or_else(named).ok_or_else(wrong)?,
        devices: listed(value, "dev"),
        registered: 0,
        location,
    })
}
