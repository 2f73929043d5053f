//! Which sections and statements ExaBGP has around routes: it refuses a configuration with any
//! other, and one whose neighbors do not take the family of a route (`exabgp validate`).

use super::tokens::Token;
use super::{Block, Reader};
use crate::languages::flowspec::rules::Route;
use crate::model::{Diagnostic, Family};
use crate::yaml::nearest;

/// Sections of the whole file; `group` is of ExaBGP 3, and `flow` alone is a part of a file.
const TOP: &[&str] = &["process", "neighbor", "template", "group", "flow"];

/// Sections of a neighbor or a template.
const SECTIONS: &[&str] = &[
    "family",
    "capability",
    "add-path",
    "nexthop",
    "api",
    "static",
    "flow",
    "l2vpn",
    "operational",
    "announce",
    "neighbor",
    "process",
];

/// Statements of a neighbor or a template, the last ones of ExaBGP 3.
const STATEMENTS: &[&str] = &[
    "inherit",
    "description",
    "host-name",
    "domain-name",
    "router-id",
    "hold-time",
    "rate-limit",
    "local-address",
    "source-interface",
    "peer-address",
    "local-as",
    "peer-as",
    "passive",
    "listen",
    "connect",
    "outgoing-ttl",
    "incoming-ttl",
    "md5-password",
    "md5-base64",
    "md5-ip",
    "group-updates",
    "auto-flush",
    "adj-rib-out",
    "adj-rib-in",
    "manual-eor",
    "graceful-restart",
    "multi-session",
    "asn4",
    "route-refresh",
    "ttl-security",
];

/// Commands of the API that are about no route.
const COMMANDS: &[&str] = &[
    "announce",
    "withdraw",
    "neighbor",
    "flush",
    "clear",
    "show",
    "shutdown",
    "reload",
    "restart",
    "version",
    "help",
    "ping",
    "eor",
    "enable-ack",
    "disable-ack",
    "silence-ack",
    "crash",
    "reset",
];

/// Families of addresses and what neighbors exchange of them.
const FAMILIES: &[(&str, &[&str])] = &[
    (
        "ipv4",
        &["unicast", "multicast", "nlri-mpls", "mpls-vpn", "mcast-vpn", "flow", "flow-vpn", "mup"],
    ),
    (
        "ipv6",
        &["unicast", "multicast", "nlri-mpls", "mpls-vpn", "mcast-vpn", "flow", "flow-vpn", "mup"],
    ),
    ("l2vpn", &["vpls", "evpn"]),
    ("bgp-ls", &["bgp-ls", "bgp-ls-vpn"]),
];

/// What a neighbor says that it takes.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Family and what of it; empty where nothing is said, which is all.
    pairs: Vec<(String, String)>,
    is_all: bool,
}

impl Taken {
    /// Adds what an inherited template says.
    pub(super) fn add(&mut self, other: &Taken) {
        self.pairs.extend(other.pairs.iter().cloned());
        self.is_all |= other.is_all;
    }

    /// Returns the words of the family of a route that is not taken.
    pub(super) fn lacks(&self, route: &Route) -> Option<String> {
        if self.is_all || self.pairs.is_empty() {
            return None;
        }
        let family = if route.flow.family == Family::V4 { "ipv4" } else { "ipv6" };
        let what = if route.flow.rd.is_some() { "flow-vpn" } else { "flow" };
        let has = self.pairs.iter().any(|(own, of)| own == family && of == what);
        (!has).then(|| format!("{family} {what}"))
    }
}

impl Reader<'_> {
    /// Says that a section is none of those that may stand there.
    pub(super) fn check_section(&mut self, block: Block, word: &Token<'_>) {
        let known = match block {
            Block::Top => TOP,
            Block::Templates => &["neighbor", "group"],
            Block::Group => SECTIONS,
            Block::Announce(None) => &["ipv4", "ipv6", "l2vpn"],
            _ => return,
        };
        self.check(known, word, "section");
    }

    /// Says that a statement is none of those that may stand there.
    pub(super) fn check_statement(&mut self, block: Block, words: &[Token<'_>]) {
        match block {
            Block::Top => self.check(COMMANDS, &words[0], "command"),
            Block::Group => self.check(STATEMENTS, &words[0], "statement"),
            Block::Family => self.family(words),
            _ => {}
        }
    }

    fn check(&mut self, known: &[&str], word: &Token<'_>, what: &str) {
        if known.contains(&&*word.text) {
            return;
        }
        let text = format!("`{}` is no {what} here", word.text.escape_debug());
        let problem = Diagnostic::error(self.of(word), text).label("ExaBGP refuses this");
        self.tell(match nearest(&word.text, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("known here: {}", known.join(", "))),
        });
    }

    fn family(&mut self, words: &[Token<'_>]) {
        let first = &words[0];
        let Some(group) = self.group else { return };
        if first.text == "all" {
            self.groups[group].taken.is_all = true;
            return;
        }
        let Some((name, known)) = FAMILIES.iter().find(|(name, _)| *name == first.text) else {
            let names: Vec<&str> = FAMILIES.iter().map(|(name, _)| *name).collect();
            return self.check(&names, first, "family");
        };
        let Some(what) = words.get(1) else {
            let problem = Diagnostic::error(self.of(first), "this family says not what is taken");
            return self.tell(problem.help(format!("write `{name} {};`", known[0])));
        };
        self.check(known, what, "part of a family");
        self.groups[group].taken.pairs.push(((*name).to_owned(), what.text.to_string()));
    }

    /// Says that a `;` ends nothing.
    pub(super) fn stray_end(&mut self, token: &Token<'_>) {
        let problem = Diagnostic::error(self.of(token), "this `;` ends nothing");
        self.tell(problem.label("ExaBGP refuses the file").help("remove it"));
    }
}
