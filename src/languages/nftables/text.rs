//! Files of ruleset text: tables and what they hold, commands, defines and includes.

use std::collections::HashMap;

use super::cursor::{Cursor, DEEPEST, Defines, Parsed};
use super::lexer::{self, Kind};
use super::ruleset::{Base, FAMILIES, Ruleset, TableFamily, absent, is_priority_of, priority};
use super::tree::{Element, Expr, Rule};
use crate::model::{Diagnostic, Location, SourceId, Sources, Spanned};

/// How many problems of one file are told.
const PROBLEMS: usize = 50;

/// What stands at the place of an include: the texts of its files, none if it is not known.
pub(super) type Included<'a> = &'a dyn Fn(Location) -> Option<Vec<SourceId>>;

/// Reads files into a ruleset.
pub(super) struct Reader<'a> {
    pub(super) sources: &'a Sources,
    pub(super) included: Included<'a>,
    pub(super) ruleset: Ruleset,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) defines: Defines,
    depth: u32,
    blocks: usize,
}

/// A table that a command names.
pub(super) struct Named {
    pub(super) family: TableFamily,
    pub(super) table: Spanned<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources, included: Included<'a>) -> Reader<'a> {
        Reader {
            sources,
            included,
            ruleset: Ruleset::default(),
            problems: Vec::new(),
            defines: vec![HashMap::new()],
            depth: 0,
            blocks: 0,
        }
    }

    /// Reads one file, and those that it includes.
    pub(super) fn file(&mut self, source: SourceId) {
        let text = &*self.sources.get(source).text;
        let tokens = match lexer::tokens(text, source) {
            Ok(tokens) => tokens,
            Err(problem) => return self.problems.push(*problem),
        };
        let mut cursor = Cursor {
            text,
            source,
            tokens,
            at: 0,
            defines: std::mem::take(&mut self.defines),
            depth: 0,
            blocks: Vec::new(),
            block_count: self.blocks,
            taken: 0,
        };
        let before = self.problems.len();
        loop {
            cursor.skip_ends();
            if cursor.peek().kind == Kind::End || self.problems.len() - before >= PROBLEMS {
                break;
            }
            if let Err(problem) = self.command(&mut cursor) {
                self.problems.push(*problem);
                (cursor.depth, cursor.at) = (0, cursor.at.max(1));
                cursor.defines.truncate(1);
                cursor.skip_statement();
                // A brace that closes nothing is passed over, or this would not end.
                cursor.take("}");
            }
        }
        let last = cursor.tokens.tokens.len();
        for remark in cursor.remarks(last) {
            self.problems.push(unattached(remark.location));
        }
        self.blocks = cursor.block_count;
        self.defines = cursor.defines;
    }

    fn command(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        let expected = "a command, such as `table`, `add`, `define`, `include` or `flush ruleset`";
        let Some(word) = cursor.word() else { return Err(cursor.unexpected(expected)) };
        match word {
            "include" => return self.include(cursor),
            "define" | "redefine" | "undefine" => return define(cursor),
            "table" => {
                cursor.at += 1;
                self.table(cursor)?;
            }
            "add" | "create" | "insert" => {
                cursor.at += 1;
                self.add(cursor, word)?;
            }
            "delete" | "destroy" | "flush" => {
                cursor.at += 1;
                self.remove(cursor, word == "flush")?;
            }
            // What only prints.
            "list" | "describe" | "monitor" => cursor.skip_statement(),
            "chain" | "rule" | "set" | "map" | "element" | "flowtable" | "limit" | "counter"
            | "quota" => self.add(cursor, "add")?,
            "replace" | "reset" | "rename" | "import" | "export" => {
                return Err(Box::new(
                    Diagnostic::error(
                        cursor.place(cursor.peek()),
                        format!("`{word}` is not followed"),
                    )
                    .label("not supported")
                    .help("give the ruleset as it is after it: `nft list ruleset`"),
                ));
            }
            _ => return Err(cursor.unexpected(expected)),
        }
        cursor.end()
    }

    fn include(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        cursor.at += 1;
        let token = cursor.peek();
        if token.kind != Kind::Quoted {
            return Err(cursor.unexpected("the name of a file in quotes"));
        }
        let place = cursor.place(token);
        cursor.at += 1;
        cursor.end()?;
        let Some(files) = (self.included)(place) else {
            return Err(Box::new(
                Diagnostic::error(place, "the included file was not read")
                    .label("missing")
                    .help("give a file in which it is found beside this one"),
            ));
        };
        self.depth += 1;
        if self.depth > DEEPEST {
            self.depth -= 1;
            return Err(Box::new(
                Diagnostic::error(
                    place,
                    format!("files include each other more than {DEEPEST} deep"),
                )
                .label("included here")
                .help("files must not include themselves"),
            ));
        }
        self.defines = std::mem::take(&mut cursor.defines);
        self.blocks = cursor.block_count;
        for file in files {
            self.file(file);
        }
        cursor.block_count = self.blocks;
        cursor.defines = std::mem::take(&mut self.defines);
        self.depth -= 1;
        Ok(())
    }

    /// Reads `[family] table`, without the word `table`.
    pub(super) fn named(&self, cursor: &mut Cursor<'_>) -> Parsed<Named> {
        let family = match cursor.word().and_then(TableFamily::named) {
            Some(family) if !cursor.second_is("{") => {
                cursor.at += 1;
                family
            }
            _ => TableFamily::Ip,
        };
        Ok(Named { family, table: cursor.new_name("the name of a table")? })
    }

    pub(super) fn existing(&self, named: &Named) -> Parsed<usize> {
        let words = format!("{} {}", named.family.word(), named.table.value);
        let found = self.ruleset.table(named.family, &named.table.value);
        found.ok_or_else(|| absent(named.table.location, "table", &words))
    }

    //------------ Blocks -----------------------------------------------------

    pub(super) fn table(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        let named = self.named(cursor)?;
        let Named { family, table: Spanned { value, location } } = named;
        let table = self.ruleset.add_table(family, &value, location);
        if !cursor.take("{") {
            return Ok(());
        }
        cursor.defines.push(HashMap::new());
        loop {
            cursor.skip_ends();
            if cursor.take("}") {
                break;
            }
            self.in_table(cursor, table)?;
        }
        cursor.defines.pop();
        Ok(())
    }

    fn in_table(&mut self, cursor: &mut Cursor<'_>, table: usize) -> Parsed<()> {
        let expected = "`chain`, `set`, `map`, `flowtable`, `limit`, `counter` or `}`";
        let Some(word) = cursor.word() else { return Err(cursor.unexpected(expected)) };
        match word {
            "chain" | "set" | "map" | "limit" | "flowtable" | "counter" | "quota" | "ct"
            | "secmark" | "synproxy" => self.object(cursor, table)?,
            "flags" => {
                cursor.at += 1;
                loop {
                    let here = cursor.at;
                    let flag = cursor.name("a flag of a table")?;
                    if !["dormant", "owner", "persist"].contains(&flag.value.as_str()) {
                        cursor.at = here;
                        return Err(cursor.unexpected("`dormant` or `owner`"));
                    }
                    self.ruleset.tables[table].dormant |= flag.value == "dormant";
                    if !cursor.take(",") {
                        break;
                    }
                }
            }
            "comment" => {
                cursor.at += 1;
                cursor.name("a comment")?;
            }
            "define" | "redefine" | "undefine" => return define(cursor),
            "include" => return self.include(cursor),
            _ => return Err(cursor.unexpected(expected)),
        }
        cursor.end()
    }

    /// Reads `chain name { … }` and the like.
    fn object(&mut self, cursor: &mut Cursor<'_>, table: usize) -> Parsed<()> {
        let kind = cursor.name("a kind of object")?.value;
        if kind == "ct" {
            cursor.name("`helper`, `timeout` or `expectation`")?;
        }
        let name = cursor.new_name(&format!("the name of a {kind}"))?;
        match kind.as_str() {
            "chain" => self.chain(cursor, table, name),
            "set" | "map" => self.set(cursor, table, name, kind == "map"),
            "limit" => {
                let braces = cursor.take("{");
                cursor.skip_ends();
                let first = cursor.at;
                if !braces {
                    cursor.take_word("limit");
                }
                let limit = Spanned::new(cursor.limit()?, cursor.since(first));
                // The first of a name stays.
                self.ruleset.tables[table].limits.entry(name.value).or_insert(limit);
                if braces {
                    cursor.skip_ends();
                    if cursor.take_word("comment") {
                        cursor.name("a comment")?;
                        cursor.skip_ends();
                    }
                    cursor.expect("}")?;
                }
                Ok(())
            }
            "counter" => {
                if cursor.take("{") {
                    cursor.skip_ends();
                    cursor.counted()?;
                    cursor.skip_ends();
                    if cursor.take_word("comment") {
                        cursor.name("a comment")?;
                        cursor.skip_ends();
                    }
                    return cursor.expect("}");
                }
                cursor.counted()
            }
            // What it holds takes no part in what becomes of a packet, or is bounded where used.
            _ => {
                let first = cursor.at;
                cursor.skip_statement();
                let own = &mut self.ruleset.tables[table];
                match kind.as_str() {
                    "flowtable" => {
                        own.flowtables.insert(name.value);
                    }
                    "ct" => {
                        let text = format!("{} {}", name.value, cursor.words_since(first));
                        own.objects.push(Spanned::new(text, cursor.since(first)));
                    }
                    _ => {}
                }
                Ok(())
            }
        }
    }

    pub(super) fn chain(
        &mut self,
        cursor: &mut Cursor<'_>,
        table: usize,
        name: Spanned<String>,
    ) -> Parsed<()> {
        let chain = self.ruleset.tables[table].add_chain(&name.value, name.location);
        if !cursor.take("{") {
            return Ok(());
        }
        cursor.defines.push(HashMap::new());
        loop {
            cursor.skip_ends();
            if cursor.take("}") {
                break;
            }
            let is_define = ["define", "redefine", "undefine"].map(Some).contains(&cursor.word());
            let outcome = match cursor.word() {
                Some("type") => self.base(cursor, table, chain),
                Some("policy") => self.policy(cursor, table, chain),
                Some("comment") if !cursor.second_is("{") => {
                    cursor.at += 1;
                    cursor.name("a comment").map(|_| ())
                }
                Some("flags") => {
                    cursor.at += 1;
                    cursor.name("`offload`").map(|_| ())
                }
                Some("include") => {
                    self.include(cursor)?;
                    continue;
                }
                _ if is_define => {
                    define(cursor)?;
                    continue;
                }
                _ => cursor.rule().map(|rule| self.push(cursor, table, chain, rule, None)),
            };
            if let Err(problem) = outcome.and_then(|()| cursor.end()) {
                // The rules that follow are read, so that all problems are told at once.
                self.problems.push(*problem);
                cursor.depth = 0;
                cursor.skip_statement();
                if cursor.peek().kind == Kind::End || self.problems.len() >= PROBLEMS {
                    break;
                }
            }
        }
        cursor.defines.pop();
        Ok(())
    }

    /// Adds a rule, and the chains without a name that it holds.
    pub(super) fn push(
        &mut self,
        cursor: &mut Cursor<'_>,
        table: usize,
        chain: usize,
        rule: Rule,
        at: Option<usize>,
    ) {
        let table = &mut self.ruleset.tables[table];
        for (name, rules) in cursor.blocks.drain(..) {
            let block = table.add_chain(&name, rule.location);
            table.chains[block].rules = rules.into();
        }
        let rules = &mut table.chains[chain].rules;
        match at {
            Some(at) => rules.insert(at.min(rules.len()), rule),
            None => rules.push_back(rule),
        }
    }

    /// Reads `type filter hook input priority 0`.
    fn base(&mut self, cursor: &mut Cursor<'_>, table: usize, chain: usize) -> Parsed<()> {
        let first = cursor.at;
        let remarks = cursor.remarks(first);
        cursor.at += 1;
        let here = cursor.at;
        let kind = cursor.name("`filter`, `nat` or `route`")?.value;
        if !["filter", "nat", "route"].contains(&kind.as_str()) {
            cursor.at = here;
            return Err(cursor.unexpected("`filter`, `nat` or `route`"));
        }
        if !cursor.take_word("hook") {
            return Err(cursor.unexpected("`hook`"));
        }
        let hook = cursor.name("a hook, such as `forward`")?.value;
        let mut devices = Vec::new();
        if cursor.take_word("device") {
            devices.push(cursor.name("a device")?.value);
        }
        if cursor.take_word("devices") {
            cursor.expect("=")?;
            let set = cursor.table_of("devices: `{ … }`")?;
            devices.extend(elements(set).into_iter().map(|element| element.key.to_string()));
        }
        if ["ingress", "egress"].contains(&hook.as_str()) && devices.is_empty() {
            return Err(cursor.unexpected("`device` and its name"));
        }
        if !cursor.take_word("priority") {
            return Err(cursor.unexpected("`priority`"));
        }
        let family = self.ruleset.tables[table].family;
        let priority = priority_of(cursor, &|word| is_priority_of(word, family, &hook))?;
        let location = cursor.since(first);
        let registered = 0;
        let base = Base { kind, hook, priority, devices, registered, location };
        if let Some(other) = &self.ruleset.tables[table].chains[chain].base
            && (&other.kind, &other.hook, other.priority) != (&base.kind, &base.hook, base.priority)
        {
            let problem = Diagnostic::error(location, "this chain hangs elsewhere already");
            return Err(Box::new(
                problem
                    .label("the kernel refuses this")
                    .also(other.location, "here")
                    .help("give one of them another name"),
            ));
        }
        self.ruleset.register(table, chain, base);
        self.ruleset.tables[table].chains[chain].policy_remarks.extend(remarks);
        Ok(())
    }

    fn policy(&mut self, cursor: &mut Cursor<'_>, table: usize, chain: usize) -> Parsed<()> {
        let first = cursor.at;
        let remarks = cursor.remarks(first);
        cursor.at += 1;
        let here = cursor.at;
        let policy = cursor.name("`accept` or `drop`")?.value;
        if !["accept", "drop"].contains(&policy.as_str()) {
            cursor.at = here;
            return Err(cursor.unexpected("`accept` or `drop`"));
        }
        let chain = &mut self.ruleset.tables[table].chains[chain];
        chain.policy = Some(Spanned::new(policy == "drop", cursor.since(first)));
        chain.policy_remarks.extend(remarks);
        Ok(())
    }
}

/// Reads `define name = value` and its kin.
fn define(cursor: &mut Cursor<'_>) -> Parsed<()> {
    let first = cursor.at;
    let keyword = cursor.name("`define`")?.value;
    let name = cursor.name("a name")?.value;
    if keyword == "undefine" {
        cursor.defines.iter_mut().for_each(|scope| {
            scope.remove(&name);
        });
        return cursor.end();
    }
    cursor.expect("=")?;
    let negative = cursor.take("-");
    let mut value = cursor.right()?;
    if negative && let Expr::Word(word) = &mut value {
        word.insert(0, '-');
    }
    cursor.end()?;
    let depth = cursor.defines.len();
    let is_there = cursor.defines.last().is_some_and(|scope| scope.contains_key(&name));
    if is_there && keyword == "define" {
        return Err(Box::new(
            Diagnostic::error(cursor.since(first), format!("`{name}` is defined already"))
                .label("nft refuses to define it again")
                .help("write `redefine`"),
        ));
    }
    if let Some(scope) = cursor.defines.get_mut(depth.saturating_sub(1)) {
        scope.insert(name, value);
    }
    Ok(())
}

/// Reads `filter + 10`, `-300`, `$prio`.
fn priority_of(cursor: &mut Cursor<'_>, is_here: &dyn Fn(&str) -> bool) -> Parsed<i64> {
    let signed = |cursor: &mut Cursor<'_>| -> Parsed<i64> {
        let number = cursor.number("a priority")?;
        Ok(i64::try_from(number).unwrap_or(i64::MAX))
    };
    if cursor.take("-") {
        return Ok(-signed(cursor)?);
    }
    let here = cursor.at;
    let word = cursor.name("a priority, such as `filter`")?.value;
    let words =
        |sign: char| word.split_once(sign).map(|(name, offset)| (name.trim(), offset.trim()));
    let number = |text: &str| text.parse::<i64>().ok();
    if priority(&word).is_some() && !is_here(&word) {
        cursor.at = here;
        return Err(cursor.unexpected("a name of a priority that chains of this hook have"));
    }
    // A name and an offset without blanks are one word, as are the values of defines.
    let base = number(&word).or_else(|| priority(&word)).or_else(|| match words('-') {
        Some(("", offset)) => number(offset).map(|offset| -offset),
        _ => None,
    });
    let Some(base) = base else {
        cursor.at = here;
        return Err(cursor.unexpected("a priority: a number or a name, such as `filter`"));
    };
    if number(&word).is_some() {
        return Ok(base);
    }
    if cursor.take("+") {
        return Ok(base.saturating_add(signed(cursor)?));
    }
    if cursor.take("-") {
        return Ok(base.saturating_sub(signed(cursor)?));
    }
    Ok(base)
}

/// Returns the elements of a set; a single value is one.
pub(super) fn elements(set: Expr) -> Vec<Element> {
    match set {
        Expr::Set(elements) => elements,
        _ => Vec::new(),
    }
}

pub(super) fn by_handle(cursor: &Cursor<'_>) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(
            cursor.place(cursor.peek()),
            "rules are known by handles only in the kernel",
        )
        .label("not supported")
        .help("give the ruleset as it is after the command: `nft list ruleset`"),
    )
}

/// Says that a remark belongs to nothing.
fn unattached(location: Location) -> Diagnostic {
    Diagnostic::error(location, "no rule follows this remark")
        .label("about which rule?")
        .help("write it on the line above its rule")
}

/// Returns the places and the words of all includes of a text.
pub(super) fn includes(text: &str, source: SourceId) -> Vec<(String, Location)> {
    let Ok(all) = lexer::tokens(text, source) else { return Vec::new() };
    let word = |at: usize| all.tokens.get(at).map(|token| &text[token.span.range()]);
    let mut found = Vec::new();
    for (at, token) in all.tokens.iter().enumerate() {
        let opens = at == 0 || matches!(word(at - 1), Some("\n" | ";" | "{" | "}"));
        if token.kind == Kind::Quoted && at > 0 && word(at - 1) == Some("include") {
            let before = at - 1;
            let first = before == 0 || matches!(word(before - 1), Some("\n" | ";" | "{" | "}"));
            if first || opens {
                let path = super::cursor::unquoted(&text[token.span.range()]).to_owned();
                found.push((path, Location { source, span: token.span }));
            }
        }
    }
    found
}

/// Returns whether a word is that of a family.
pub(super) fn is_family(word: &str) -> bool {
    FAMILIES.iter().any(|(name, _)| *name == word)
}
