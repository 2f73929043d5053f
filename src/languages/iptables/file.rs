//! The files of a rule set, line by line, into tables of chains of rules.

use super::family;
use super::ipset::Sets;
use super::lex::{self, Quoting, Word};
use super::spec;
use super::tables::{Chain, Chains, Note, Rule, Section, TABLES, Table, Written};
use crate::model::{DefaultAction, Diagnostic, Family, Location, SourceId, Sources, Span, Spanned};
use crate::yaml::nearest;

/// Reads all files.
pub(super) fn read<'a>(sources: &'a Sources, files: &[SourceId]) -> (Written<'a>, Vec<Diagnostic>) {
    let mut written = Written::default();
    let mut problems = Vec::new();
    for id in files {
        let source = sources.get(*id);
        let mut reader = Reader {
            source: *id,
            text: &source.text,
            sets: &mut written.sets,
            problems: &mut problems,
            sections: Vec::new(),
            open: None,
            notes: Vec::new(),
            rules: 0,
            lines: 0,
            header: None,
        };
        reader.file(&source.text);
        let (sections, rules, header) = (reader.sections, reader.rules, reader.header);
        written.counts.insert(*id, rules);
        let told = family::of(&source.name, header, &sections, &mut problems);
        for section in sections {
            let Some(family) = section.family.or(told) else { continue };
            match written.tables.entry((family, section.table)) {
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(section.chains);
                }
                std::collections::btree_map::Entry::Occupied(first) => problems.push(
                    Diagnostic::error(
                        section.chains.location,
                        format!("table `{}` is there twice", section.table.name()),
                    )
                    .label("again")
                    .also(first.get().location, "first here")
                    .help(
                        "iptables-restore would forget the first; put all rules of a table in \
                         one place (`iptables-save` prints them so)",
                    ),
                ),
            }
        }
    }
    (written, problems)
}

struct Reader<'a, 'r> {
    source: SourceId,
    text: &'a str,
    sets: &'r mut Sets,
    problems: &'r mut Vec<Diagnostic>,
    sections: Vec<Section<'a>>,
    /// The section that `*table` opened.
    open: Option<usize>,
    notes: Vec<Note<'a>>,
    rules: usize,
    lines: usize,
    /// The family that the first line says.
    header: Option<(Family, Location)>,
}

/// Problems of one file; what follows is not shown, but the file is not judged either.
const MOST_PROBLEMS: usize = 100;

impl<'a> Reader<'a, '_> {
    fn file(&mut self, text: &'a str) {
        let before = self.problems.len();
        let mut offset = 0;
        for full in text.split_inclusive('\n') {
            let line = full.trim_end_matches('\n');
            if line.ends_with('\r') {
                let place = self.at(offset + line.len() - 1, offset + line.len());
                self.problems.push(
                    Diagnostic::error(place, "lines end with a carriage return")
                        .label("iptables-restore reads it as part of the last word")
                        .help("save the file with the line ends of Unix, such as by `dos2unix`"),
                );
                break;
            }
            if let Err(problem) = self.line(line, offset) {
                self.problems.push(problem);
            }
            offset += full.len();
            if self.problems.len() - before >= MOST_PROBLEMS {
                break;
            }
        }
        self.drop_notes();
        if let Some(open) = self.open.take() {
            let section = &self.sections[open];
            self.problems.push(
                Diagnostic::error(
                    section.chains.location,
                    format!("table `{}` has no COMMIT", section.table.name()),
                )
                .label("opened here")
                .help("the file was cut, or `COMMIT` was forgotten: nothing of it would load"),
            );
        }
        if self.lines == 0 {
            let end = text.chars().next().map_or(0, char::len_utf8);
            self.problems.push(
                Diagnostic::error(self.at(0, end), "the file holds no table and no set")
                    .label("nothing here")
                    .help(
                        "hand over what `iptables-save`, `ip6tables-save` or `ipset save` prints",
                    ),
            );
        }
    }

    fn at(&self, start: usize, end: usize) -> Location {
        Location { source: self.source, span: Span::new(start, end) }
    }

    /// Reports what was said to blastgate above nothing.
    fn drop_notes(&mut self) {
        for note in std::mem::take(&mut self.notes) {
            self.problems.push(
                Diagnostic::error(note.location, "this comment to blastgate stands above no rule")
                    .label("about nothing")
                    .help("put it on the line above its rule, or above the `:CHAIN POLICY` line"),
            );
        }
    }

    fn line(&mut self, line: &'a str, offset: usize) -> Result<(), Diagnostic> {
        let trimmed = line.trim_start();
        let start = offset + line.len() - trimmed.len();
        let trimmed = trimmed.trim_end();
        if trimmed.is_empty() {
            self.drop_notes();
            return Ok(());
        }
        if let Some(comment) = trimmed.strip_prefix('#') {
            if self.header.is_none() {
                let place = self.at(start, start + trimmed.len());
                self.header = family::of_header(comment).map(|family| (family, place));
            }
            if comment.contains("blastgate") {
                let text = comment.trim();
                let from = start + trimmed.len() - comment.trim_start().len();
                let location = self.at(from, from + text.len());
                self.notes.push(Note { text, location });
            }
            return Ok(());
        }
        self.lines += 1;
        let end = start + trimmed.len();
        match (trimmed.as_bytes()[0], self.open) {
            (b'*', _) => self.table(&trimmed[1..], start, end),
            (b':', Some(open)) => self.declaration(open, &trimmed[1..], start + 1),
            (b'-' | b'[', Some(open)) => {
                let words = lex::words(trimmed, start, self.source, Quoting::Restore)?;
                let from = usize::from(words.first().is_some_and(is_counter));
                self.command(open, &words[from..])
            }
            _ if trimmed == "COMMIT" => {
                self.drop_notes();
                let rest = self.text.get(offset..).unwrap_or_default();
                match self.open.take() {
                    Some(_) if !rest.starts_with("COMMIT\n") => Err(Diagnostic::error(
                        self.at(start, end),
                        "this line is not just `COMMIT`",
                    )
                    .label("iptables-restore refuses the file")
                    .help("end it with a new line, and take blanks away")),
                    Some(_) => Ok(()),
                    None => Err(Diagnostic::error(self.at(start, end), "no table is open here")
                        .label("ends nothing")
                        .help("a table opens with `*filter`")),
                }
            }
            (b':' | b'-' | b'[', None) => {
                Err(Diagnostic::error(self.at(start, end), "this stands in no table")
                    .label("no table is open")
                    .help(
                        "write `*filter` before it and `COMMIT` after it, as `iptables-save` does",
                    ))
            }
            _ => self.shell(trimmed, start),
        }
    }

    fn table(&mut self, name: &str, start: usize, end: usize) -> Result<(), Diagnostic> {
        self.drop_notes();
        let place = self.at(start, end);
        let name = name.trim();
        let Some((table, _, _)) = TABLES.iter().find(|(_, known, _)| *known == name) else {
            let near = nearest(name, TABLES.iter().map(|(_, name, _)| *name));
            let help = match near {
                Some(near) => format!("did you mean `*{near}`?"),
                None => "tables are raw, mangle, nat, filter and security".to_owned(),
            };
            return Err(Diagnostic::error(
                place,
                format!("no table is called `{}`", name.escape_debug()),
            )
            .label("not known")
            .help(help));
        };
        if let Some(open) = self.open.take() {
            let first = &self.sections[open];
            self.problems.push(
                Diagnostic::error(
                    first.chains.location,
                    format!("table `{}` has no COMMIT", first.table.name()),
                )
                .label("opened here")
                .also(place, "the next table opens here")
                .help("end each table with `COMMIT`"),
            );
        }
        self.open = Some(self.sections.len());
        let chains = Chains::new(*table, place, false);
        self.sections.push(Section { family: None, table: *table, chains });
        Ok(())
    }

    /// `:CHAIN POLICY [packets:bytes]`.
    fn declaration(&mut self, open: usize, line: &'a str, start: usize) -> Result<(), Diagnostic> {
        let words = lex::words(line, start, self.source, Quoting::Restore)?;
        let mut notes = std::mem::take(&mut self.notes);
        let section = &mut self.sections[open];
        let (Some(name), Some(policy)) = (words.first(), words.get(1)) else {
            let place = self.at(start.saturating_sub(1), start + line.len());
            return Err(Diagnostic::error(place, "this chain has no policy")
                .label("not complete")
                .help(
                    "write `:FORWARD ACCEPT [0:0]`, or `:NAME - [0:0]` for a chain of your own",
                ));
        };
        let is_builtin = section.table.builtin().contains(&&*name.text);
        check_name(name)?;
        let found = section.chains.find(&name.text);
        let chain = match found {
            Some(_) if !is_builtin => return Err(chain_twice(&section.chains, name)),
            Some(chain) => chain,
            None => section.chains.add(&name.text, name.location),
        };
        if !is_builtin {
            if policy.text != "-" {
                return Err(Diagnostic::error(
                    policy.location,
                    "only the chains that a table starts with have a policy",
                )
                .label("has no effect here")
                .help("write `-`, and end the chain with a rule that decides"));
            }
            if let Some(note) = notes.pop() {
                return Err(Diagnostic::error(
                    note.location,
                    "a chain of your own has no policy to speak of",
                )
                .label("about nothing")
                .help("put it above a rule"));
            }
            return Ok(());
        }
        self.policy(open, chain, policy, notes)
    }

    fn policy(
        &mut self,
        open: usize,
        chain: usize,
        policy: &Word<'a>,
        notes: Vec<Note<'a>>,
    ) -> Result<(), Diagnostic> {
        let action = match &*policy.text {
            "ACCEPT" => DefaultAction::Accept,
            "DROP" => DefaultAction::Drop,
            _ => {
                return Err(Diagnostic::error(
                    policy.location,
                    format!("`{}` is no policy", policy.text.escape_debug()),
                )
                .label("not ACCEPT or DROP")
                .help("write ACCEPT or DROP; to reject, end the chain with `-j REJECT`"));
            }
        };
        let chain = &mut self.sections[open].chains.chains[chain];
        chain.policy = Some(Spanned::new(action, policy.location));
        chain.location = policy.location;
        chain.notes = notes;
        Ok(())
    }

    /// A command of iptables, without its program and its table.
    fn command(&mut self, open: usize, words: &[Word<'a>]) -> Result<(), Diagnostic> {
        let notes = std::mem::take(&mut self.notes);
        // Options of the program itself may stand before the command.
        let mut words = words;
        while let Some(word) = words.first()
            && matches!(&*word.text, "-w" | "--wait" | "-n" | "-v" | "--verbose" | "--numeric")
        {
            let has_number = word.text.starts_with("-w") || word.text == "--wait";
            let is_number = |word: &Word<'_>| word.text.bytes().all(|byte| byte.is_ascii_digit());
            let skip = if has_number && words.get(1).is_some_and(is_number) { 2 } else { 1 };
            words = &words[skip..];
        }
        let Some(first) = words.first() else { return Ok(()) };
        let name = words.get(1);
        match &*first.text {
            "-A" | "--append" => self.rule(open, words, None, notes),
            "-I" | "--insert" => self.rule(open, words, Some(1), notes),
            "-N" | "--new-chain" | "--new" => {
                let name = name.ok_or_else(|| no_chain(first))?;
                check_name(name)?;
                let chains = &mut self.sections[open].chains;
                if chains.find(&name.text).is_some() {
                    return Err(chain_twice(chains, name));
                }
                chains.add(&name.text, name.location);
                Ok(())
            }
            "-P" | "--policy" => {
                let name = name.ok_or_else(|| no_chain(first))?;
                let policy = words.get(2).ok_or_else(|| {
                    Diagnostic::error(first.location, "no policy is given")
                        .label("not complete")
                        .help("write `-P FORWARD DROP`")
                })?;
                let section = &self.sections[open];
                if !section.table.builtin().contains(&&*name.text) {
                    return Err(Diagnostic::error(
                        name.location,
                        "only the chains that a table starts with have a policy",
                    )
                    .label("has none")
                    .help("end the chain with a rule that decides"));
                }
                let chain = self.chain(open, name)?;
                self.policy(open, chain, policy, notes)
            }
            "-F" | "--flush" | "-Z" | "--zero" | "-X" | "--delete-chain" => {
                self.clear(open, first, name)
            }
            other => {
                let known = ["-A", "-I", "-N", "-P", "-F", "-X"];
                let help = if matches!(other, "-D" | "--delete" | "-R" | "--replace" | "-E") {
                    "it changes rules that stand elsewhere: hand over what `iptables-save` prints \
                     after it"
                        .to_owned()
                } else {
                    format!("read are {}", known.join(", "))
                };
                Err(Diagnostic::error(
                    first.location,
                    format!("`{}` is no command that adds rules", other.escape_debug()),
                )
                .label("not read")
                .help(help))
            }
        }
    }

    /// Empties chains, or takes empty ones away: scripts begin so.
    fn clear(
        &mut self,
        open: usize,
        command: &Word<'a>,
        name: Option<&Word<'a>>,
    ) -> Result<(), Diagnostic> {
        let chosen = match name {
            Some(name) => Some(self.chain(open, name)?),
            None => None,
        };
        let section = &mut self.sections[open];
        match &*command.text {
            "-F" | "--flush" => {
                for (at, chain) in section.chains.chains.iter_mut().enumerate() {
                    if chosen.is_none_or(|chosen| chosen == at) {
                        self.rules -= chain.rules.len();
                        chain.rules.clear();
                    }
                }
            }
            "-Z" | "--zero" => {}
            _ => {
                let is_builtin =
                    |chain: &Chain<'_>| section.table.builtin().contains(&chain.name.as_str());
                let has_own = section.chains.chains.iter().any(|chain| !is_builtin(chain));
                if has_own || chosen.is_some() {
                    return Err(Diagnostic::error(
                        command.location,
                        "chains are taken away again after they were made",
                    )
                    .label("not read here")
                    .help("hand over what `iptables-save` prints after it"));
                }
            }
        }
        Ok(())
    }

    /// Finds the chain that a command names.
    fn chain(&mut self, open: usize, name: &Word<'a>) -> Result<usize, Diagnostic> {
        let chains = &self.sections[open].chains;
        if let Some(chain) = chains.find(&name.text) {
            return Ok(chain);
        }
        let near = nearest(&name.text, chains.chains.iter().map(|chain| chain.name.as_str()));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("make it first: `:{} - [0:0]` or `-N {}`", name.text, name.text),
        };
        let table = self.sections[open].table.name();
        Err(Diagnostic::error(
            name.location,
            format!("table `{table}` has no chain `{}`", name.text.escape_debug()),
        )
        .label("not made before this line")
        .help(help))
    }

    fn rule(
        &mut self,
        open: usize,
        words: &[Word<'a>],
        insert: Option<usize>,
        notes: Vec<Note<'a>>,
    ) -> Result<(), Diagnostic> {
        self.rules += 1;
        let name = words.get(1).ok_or_else(|| no_chain(&words[0]))?;
        let chain = self.chain(open, name)?;
        let mut from = 2;
        let mut insert = insert;
        if insert.is_some()
            && let Some(number) = words.get(2).and_then(|word| word.text.parse().ok())
        {
            insert = Some(number);
            from = 3;
        }
        let end = words[words.len() - 1].location.span.end;
        let start = words[0].location.span.start;
        let location = Location { source: self.source, span: Span { start, end } };
        let spec = spec::read(&words[from.min(words.len())..], location)?;
        let rules = &mut self.sections[open].chains.chains[chain].rules;
        let rule = Rule { spec, notes };
        match insert {
            None => rules.push_back(rule),
            Some(number) if (1..=rules.len() + 1).contains(&number) => {
                rules.insert(number - 1, rule);
            }
            Some(number) => {
                return Err(Diagnostic::error(
                    words[2].location,
                    format!("the chain has no rule {number} to insert before"),
                )
                .label(format!("it has {}", rules.len()))
                .help("numbers start with 1"));
            }
        }
        Ok(())
    }

    /// A line of a script: a command of iptables or of ipset.
    fn shell(&mut self, line: &'a str, start: usize) -> Result<(), Diagnostic> {
        let words = lex::words(line, start, self.source, Quoting::Shell)?;
        let mut rest: &[Word<'a>] = &words;
        if rest.first().is_some_and(|word| word.text == "sudo") {
            rest = &rest[1..];
        }
        let place = self.at(start, start + line.len());
        let teach = || {
            Diagnostic::error(place, "this line is no rule, no chain and no set")
                .label("not read")
                .help(
                    "hand over what `iptables-save`, `ip6tables-save` or `ipset save` prints, or \
                     plain lines that begin with `iptables`; scripts are not run",
                )
        };
        let Some(program) = rest.first() else { return Ok(()) };
        let program = program.text.rsplit('/').next().unwrap_or("");
        let family = match program {
            "iptables" | "iptables-legacy" | "iptables-nft" => Family::V4,
            "ip6tables" | "ip6tables-legacy" | "ip6tables-nft" => Family::V6,
            "ipset" => {
                self.drop_notes();
                return self.sets.line(&rest[1..]);
            }
            "create" | "add" => {
                self.drop_notes();
                return self.sets.line(rest);
            }
            _ => return Err(teach()),
        };
        if self.open.is_some() {
            return Err(Diagnostic::error(place, "a command stands inside a table")
                .label("a line of a script")
                .help("inside `*table` … `COMMIT`, rules begin with `-A`"));
        }
        rest = &rest[1..];
        let expands = rest.iter().find(|word| {
            word.text.contains(['$', '`', '|', ';', '>', '<', '&'])
                && (!word.is_quoted || word.text.contains('$'))
        });
        if let Some(word) = expands {
            return Err(Diagnostic::error(word.location, "this is for a shell to work out")
                .label("not worked out here")
                .help("scripts are not run: hand over what `iptables-save` prints after it"));
        }
        let mut table = Table::Filter;
        let mut kept: Vec<Word<'a>> = Vec::with_capacity(rest.len());
        let mut words = rest.iter();
        while let Some(word) = words.next() {
            let named = match &*word.text {
                "-t" | "--table" => words.next(),
                _ => {
                    kept.push(word.clone());
                    continue;
                }
            };
            let Some(named) = named else { return Err(teach()) };
            let known = TABLES.iter().find(|(_, name, _)| *name == named.text);
            table = known.map(|(table, _, _)| *table).ok_or_else(|| {
                Diagnostic::error(named.location, "no table is called so")
                    .label("not known")
                    .help("tables are raw, mangle, nat, filter and security")
            })?;
        }
        let open = self.sections.iter().position(|section| {
            section.family == Some(family) && section.table == table && section.chains.is_shell
        });
        let open = open.unwrap_or_else(|| {
            let chains = Chains::new(table, place, true);
            self.sections.push(Section { family: Some(family), table, chains });
            self.sections.len() - 1
        });
        self.command(open, &kept)
    }
}

fn is_counter(word: &Word<'_>) -> bool {
    !word.is_quoted && word.text.starts_with('[') && word.text.ends_with(']')
}

fn no_chain(command: &Word<'_>) -> Diagnostic {
    Diagnostic::error(command.location, format!("`{}` names no chain", command.text))
        .label("not complete")
        .help("write `-A FORWARD …`")
}

fn chain_twice(chains: &Chains<'_>, name: &Word<'_>) -> Diagnostic {
    let first = chains.find(&name.text).map_or(name.location, |at| chains.chains[at].location);
    Diagnostic::error(name.location, format!("chain `{}` is made twice", name.text.escape_debug()))
        .label("again")
        .also(first, "first here")
        .help("keep one of the lines")
}

fn check_name(name: &Word<'_>) -> Result<(), Diagnostic> {
    let is_target = super::extensions::find_target(&name.text).is_some();
    let is_odd = name.text.is_empty() || name.text.starts_with(['-', '!']) || name.text.len() > 28;
    if !is_target && !is_odd {
        return Ok(());
    }
    Err(Diagnostic::error(
        name.location,
        format!("`{}` cannot be a chain", name.text.escape_debug()),
    )
    .label(if is_target { "is a target" } else { "no name for a chain" })
    .help("a name has up to 28 characters, is no target, and begins with no dash"))
}
