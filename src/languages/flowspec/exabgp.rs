//! FlowSpec as ExaBGP writes it: configurations (`flow { route NAME { match { … } then { … } } }`
//! in a neighbor, a template, or alone) and the lines of its API (`announce flow route …`).
//!
//! A neighbor that gets routes which others of the file do not get makes them bounded: which
//! router a packet meets is in no recording.

use std::collections::BTreeMap;

use super::community;
use super::rules::Announced;
use crate::model::{Diagnostic, Family, Location, Severity, SourceId, Sources, Span, Spanned};

mod actions;
mod block;
mod deliver;
mod finish;
mod sections;
mod tokens;
mod values;

pub(super) use values::pattern;

use deliver::{Event, Group, deliver};
use tokens::{Kind, Token};

/// How deep blocks may nest.
const DEEPEST: usize = 32;

/// How many problems of one text are told.
const MOST_PROBLEMS: usize = 20;

/// Words that begin a component, and its type.
const COMPONENTS: &[(&str, u8)] = &[
    ("destination", super::nlri::DESTINATION),
    ("destination-ipv4", super::nlri::DESTINATION),
    ("destination-ipv6", super::nlri::DESTINATION),
    ("source", super::nlri::SOURCE),
    ("source-ipv4", super::nlri::SOURCE),
    ("source-ipv6", super::nlri::SOURCE),
    ("protocol", super::nlri::PROTOCOL),
    ("next-header", super::nlri::PROTOCOL),
    ("port", super::nlri::PORT),
    ("destination-port", super::nlri::DESTINATION_PORT),
    ("source-port", super::nlri::SOURCE_PORT),
    ("icmp-type", super::nlri::ICMP_TYPE),
    ("icmp-code", super::nlri::ICMP_CODE),
    ("tcp-flags", super::nlri::TCP_FLAGS),
    ("packet-length", super::nlri::PACKET_LENGTH),
    ("dscp", super::nlri::DSCP),
    ("traffic-class", super::nlri::DSCP),
    ("fragment", super::nlri::FRAGMENT),
    ("flow-label", super::nlri::FLOW_LABEL),
];

/// Words that begin an action.
const ACTIONS: &[&str] = &[
    "accept",
    "discard",
    "rate-limit",
    "redirect",
    "redirect-to-nexthop",
    "redirect-to-nexthop-ietf",
    "copy",
    "mark",
    "action",
    "community",
    "large-community",
    "extended-community",
    "interface-set",
];

/// Reads texts into what they announce. Says of each whether it speaks of flow routes at all.
pub(super) fn read(sources: &Sources, file: SourceId, announced: &mut Announced) -> bool {
    let text = &sources.get(file).text;
    let (tokens, comments, problem) = tokens::split(text);
    let mut reader = Reader {
        text,
        file,
        tokens: &tokens,
        at: 0,
        problems: Vec::new(),
        groups: Vec::new(),
        group: None,
        spoke: false,
        events: Vec::new(),
        comments,
        next_comment: 0,
        besides: Vec::new(),
    };
    reader.run();
    if let Some((start, end, message)) = problem {
        reader.problems.push(Diagnostic::error(reader.place(start, end), message));
    }
    let spoke = reader.spoke;
    let left = reader.comments.get(reader.next_comment..).unwrap_or_default().iter();
    let left: Vec<Spanned<String>> = left
        .map(|(start, end)| Spanned::new(text[*start..*end].to_owned(), reader.place(*start, *end)))
        .collect();
    let Reader { problems, groups, events, besides, .. } = reader;
    announced.besides.extend(besides);
    super::leftover(&left, &mut announced.problems);
    announced.problems.extend(problems.into_iter().take(MOST_PROBLEMS));
    deliver(groups, events, announced);
    spoke
}

struct Reader<'a> {
    text: &'a str,
    file: SourceId,
    tokens: &'a [Token<'a>],
    at: usize,
    problems: Vec<Diagnostic>,
    groups: Vec<Group>,
    group: Option<usize>,
    spoke: bool,
    events: Vec<Event>,
    comments: Vec<(usize, usize)>,
    next_comment: usize,
    /// Statements and commands that are about no flow route.
    besides: Vec<(Location, String)>,
}

/// What the words around a block make of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Top,
    Templates,
    Group,
    Flow,
    Announce(Option<Family>),
    Family,
    Other,
}

impl<'a> Reader<'a> {
    fn place(&self, start: usize, end: usize) -> Location {
        Location { source: self.file, span: Span::new(start, end) }
    }

    fn of(&self, token: &Token<'_>) -> Location {
        self.place(token.start, token.end)
    }

    fn tell(&mut self, problem: Diagnostic) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }

    fn run(&mut self) {
        let mut open: Vec<(Block, Option<usize>, usize)> = Vec::new();
        let mut block = Block::Top;
        while let Some(token) = self.tokens.get(self.at) {
            if self.problems.len() >= MOST_PROBLEMS {
                return;
            }
            if token.kind == Kind::Close {
                self.at += 1;
                match open.pop() {
                    Some((before, group, _)) => (block, self.group) = (before, group),
                    None => {
                        let problem = Diagnostic::error(self.of(token), "unexpected `}`");
                        self.tell(problem.help("no block is open; is the file whole?"));
                        return;
                    }
                }
                continue;
            }
            let start = self.at;
            let words = self.words(block == Block::Top);
            let ended = self.tokens.get(self.at).map(|token| token.kind);
            let opens = ended == Some(Kind::Open);
            if let Some(first) = words.first() {
                if let Some(route) = self.route_head(block, words) {
                    self.at = start + route.skipped;
                    self.route(route);
                    continue;
                }
                if opens {
                    self.at += 1;
                    if open.len() == DEEPEST {
                        let problem = Diagnostic::error(self.of(first), "blocks nest too deep");
                        self.tell(problem.help(format!("at most {DEEPEST} of them are read")));
                        return;
                    }
                    let place = self.tokens[self.at - 1].start;
                    open.push((block, self.group, place));
                    block = self.enter(block, words);
                    continue;
                }
                self.statement(block, words);
            }
            if opens {
                let token = &self.tokens[self.at];
                let problem = Diagnostic::error(self.of(token), "unexpected `{`");
                self.tell(problem.label("nothing stands before it"));
                return;
            }
            if ended == Some(Kind::End) {
                if words.is_empty() {
                    self.stray_end(&self.tokens[self.at]);
                }
                self.at += 1;
            }
        }
        if let Some((.., start)) = open.last()
            && self.problems.is_empty()
        {
            let problem = Diagnostic::error(self.place(*start, start + 1), "a block has no end");
            self.tell(problem.label("opened here").help("close it with `}`; is the file whole?"));
        }
    }

    /// Takes the words up to the end of the statement; of the line, where `by_line`.
    fn words(&mut self, by_line: bool) -> &'a [Token<'a>] {
        let start = self.at;
        while let Some(token) = self.tokens.get(self.at) {
            let ends = matches!(token.kind, Kind::Open | Kind::Close | Kind::End);
            if ends || (by_line && self.at > start && token.starts_line && self.is_api(start)) {
                break;
            }
            self.at += 1;
        }
        &self.tokens[start..self.at]
    }

    /// Takes the words up to the end of the line.
    fn line(&mut self) -> &'a [Token<'a>] {
        let start = self.at;
        let rest = self.tokens[start..].iter();
        let is_more = |token: &&Token<'_>| token.kind == Kind::Word && !token.starts_line;
        self.at += rest.take_while(is_more).count();
        &self.tokens[start..self.at]
    }

    /// Returns whether a line of the API begins at a token.
    fn is_api(&self, start: usize) -> bool {
        let verbs = |token: &Token<'_>| matches!(&*token.text, "announce" | "withdraw");
        let mut line = self.tokens[start..].iter();
        match line.next() {
            Some(first) if verbs(first) => true,
            Some(first) if first.text == "neighbor" => {
                line.take_while(|token| !token.starts_line).take(64).any(verbs)
            }
            _ => false,
        }
    }

    /// Returns the block that words open.
    fn enter(&mut self, block: Block, words: &[Token<'_>]) -> Block {
        let first = &*words[0].text;
        self.check_section(block, &words[0]);
        match (block, first) {
            (Block::Top, "template") => Block::Templates,
            (Block::Top | Block::Templates, "neighbor" | "group") => {
                let name = words.get(1).map_or_else(String::new, |word| word.text.to_string());
                let is_template = block == Block::Templates;
                self.groups.push(Group::new(name, is_template, Vec::new()));
                self.group = Some(self.groups.len() - 1);
                Block::Group
            }
            (Block::Group, "neighbor") => {
                // ExaBGP 3: neighbors within a group share what stands in it.
                let name = words.get(1).map_or_else(String::new, |word| word.text.to_string());
                let around = self.group.map(|group| self.groups[group].name.clone());
                if let Some(group) = self.group {
                    self.groups[group].is_template = true;
                }
                let inherits = around.into_iter().collect();
                self.groups.push(Group::new(name, false, inherits));
                self.group = Some(self.groups.len() - 1);
                Block::Group
            }
            (Block::Top | Block::Group, "flow") => {
                self.spoke = true;
                Block::Flow
            }
            (Block::Group, "family") => Block::Family,
            (Block::Group, "announce") => Block::Announce(None),
            (Block::Announce(None), "ipv4") => Block::Announce(Some(Family::V4)),
            (Block::Announce(None), "ipv6") => Block::Announce(Some(Family::V6)),
            (Block::Flow, _) => {
                let problem = Diagnostic::error(
                    self.of(&words[0]),
                    format!("`{}` is no block of `flow`", first.escape_debug()),
                );
                self.tell(problem.label("not understood").help("write `route NAME { … }`"));
                Block::Other
            }
            _ => Block::Other,
        }
    }

    /// Takes a statement that is no route.
    fn statement(&mut self, block: Block, words: &[Token<'_>]) {
        match (block, &*words[0].text) {
            (Block::Group, "inherit") => {
                if let Some(group) = self.group {
                    let names = words[1..].iter().filter(|word| word.kind == Kind::Word);
                    let names = names.map(|word| word.text.to_string());
                    self.groups[group].inherits.extend(names);
                }
            }
            (Block::Flow, word) => {
                let problem = Diagnostic::error(
                    self.of(&words[0]),
                    format!("`{}` is not understood in `flow`", word.escape_debug()),
                );
                self.tell(problem.help("write `route NAME { match { … } then { … } }`"));
            }
            (Block::Top, "flow") => {
                let problem = Diagnostic::error(self.of(&words[0]), "`flow` needs a block");
                self.tell(problem.help("write `flow { route NAME { … } }`"));
            }
            _ => {
                self.check_statement(block, words);
                // What only names a neighbor takes part in nothing.
                if ["description", "host-name", "domain-name"].contains(&&*words[0].text) {
                    return;
                }
                let text: Vec<&str> = words.iter().map(|word| &*word.text).collect();
                self.besides.push((self.of(&words[0]), text.join(" ")));
            }
        }
    }

    /// Tells whether words begin a route, and what of them.
    fn route_head(&mut self, block: Block, words: &'a [Token<'a>]) -> Option<Head> {
        let mut head = Head {
            start: words[0].start,
            skipped: 0,
            family: None,
            is_withdrawal: false,
            receivers: Vec::new(),
            by_line: false,
            name: None,
        };
        let text = |number: usize| words.get(number).map(|word| &*word.text);
        match block {
            Block::Flow if text(0) == Some("route") => head.skipped = 1,
            Block::Announce(family @ Some(_)) if matches!(text(0), Some("flow" | "flow-vpn")) => {
                self.spoke = true;
                (head.family, head.skipped) = (family, 1);
                return Some(head);
            }
            Block::Top if self.is_api(self.at - words.len()) => {
                let verb =
                    words.iter().position(|word| matches!(&*word.text, "announce" | "withdraw"))?;
                head.receivers = receivers(words[..verb].iter().map(|word| &*word.text));
                head.is_withdrawal = words[verb].text == "withdraw";
                let mut next = verb + 1;
                if let Some("ipv4" | "ipv6") = text(next) {
                    let v6 = text(next) == Some("ipv6");
                    head.family = Some(if v6 { Family::V6 } else { Family::V4 });
                    next += 1;
                }
                if !matches!(text(next), Some("flow" | "flow-vpn")) {
                    return None;
                }
                self.spoke = true;
                next += 1;
                if text(next) == Some("route") {
                    next += 1;
                }
                (head.skipped, head.by_line) = (next, true);
            }
            _ => return None,
        }
        // Only routes with a block have names.
        let opens = self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::Open);
        if let Some(word) = words.get(head.skipped).filter(|_| opens) {
            head.name = Some(word.text.to_string());
            head.skipped += 1;
        }
        Some(head)
    }

    /// Reads a route behind its head, as a block or in one line.
    fn route(&mut self, head: Head) {
        let opens = self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::Open);
        let mut draft = Draft::default();
        let before = self.problems.len();
        if opens {
            self.block(&mut draft);
        } else {
            let words = if head.by_line { self.line() } else { self.words(false) };
            self.flat(words, &mut draft);
            if self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::End) {
                self.at += 1;
            }
        }
        let end = self.at.checked_sub(1).and_then(|last| self.tokens.get(last));
        let end = end.map_or(head.start, |token| token.end);
        let mut comments = Vec::new();
        while let Some((start, stop)) = self.comments.get(self.next_comment).copied() {
            if start > end {
                break;
            }
            self.next_comment += 1;
            let text = self.text[start..stop].to_owned();
            comments.push(Spanned::new(text, self.place(start, stop)));
        }
        let line = self.text[head.start..end].find('\n').map_or(end, |at| head.start + at);
        let location = self.place(head.start, line.max(head.start + 1).min(self.text.len()));
        if self.problems.iter().skip(before).any(|problem| problem.severity == Severity::Error) {
            return;
        }
        if let Some(route) = self.finish(draft, &head, location, comments) {
            let (group, is_withdrawal) = (self.group, head.is_withdrawal);
            self.events.push(Event { group, is_withdrawal, route });
        }
    }
}

/// What stands before a route.
struct Head {
    start: usize,
    /// How many words it takes.
    skipped: usize,
    family: Option<Family>,
    is_withdrawal: bool,
    receivers: Vec<String>,
    by_line: bool,
    name: Option<String>,
}

/// What was read of a route.
#[derive(Default)]
struct Draft {
    /// By type.
    parts: BTreeMap<u8, values::Part>,
    rd: Option<[u8; 8]>,
    next_hop: Option<String>,
    communities: Vec<Spanned<community::Community>>,
}

/// Returns who gets a route, by the words in front of the verb: neighbors, one of which may be told
/// by more than its address; nobody stands for all.
fn receivers<'w>(words: impl Iterator<Item = &'w str>) -> Vec<String> {
    let mut receivers: Vec<String> = Vec::new();
    for word in words {
        let word = word.trim_end_matches(',');
        match receivers.last_mut() {
            Some(last) if word != "neighbor" && !word.is_empty() => {
                last.push(' ');
                last.push_str(word);
            }
            _ if word.is_empty() => {}
            _ => receivers.push(word.to_owned()),
        }
    }
    if receivers.iter().any(|one| one == "neighbor *") { Vec::new() } else { receivers }
}

#[cfg(test)]
mod tests;
