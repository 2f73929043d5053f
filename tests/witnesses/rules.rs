//! Small rule sets by chance, written in our language and, by a writer of its own, for nftables.

use std::fmt::Write as _;

/// A small generator of numbers (xorshift), so that a failing case can be named.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    pub(super) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.roll(from.len())]
    }
}

//------------ What is asked for ---------------------------------------------

type Range = (u32, u32);

/// One condition.
#[derive(Clone, Debug)]
enum Term {
    /// `src` or `dst`: addresses, prefixes, ranges.
    Addresses(&'static str, Vec<String>),
    /// Any field of numbers.
    Numbers(&'static str, Vec<Range>),
    /// In our words, the mask and the value.
    Flags(&'static (&'static str, u8, u8)),
    Fragment(&'static str),
    Not(Vec<Term>),
    AnyOf(Vec<Vec<Term>>),
}

const V6: &str = "2001:db8::";
/// Those that a host would refuse or not forward.
const ODD: &[&str] = &[
    "0.0.0.0/8",
    "127.0.0.0/8",
    "224.0.0.0/4",
    "255.255.255.255",
    "192.0.2.0/24",
    "::1",
    "::",
    "fe80::/10",
    "ff02::/16",
    "2002::/16",
];
const PROTOCOLS: &[&[Range]] = &[
    &[(6, 6)],
    &[(17, 17)],
    &[(1, 1)],
    &[(58, 58)],
    &[(6, 6), (17, 17)],
    &[(1, 1), (58, 58)],
    &[(47, 47)],
    &[(132, 132)],
    &[(0, 16)],
    &[(18, 255)],
];
const PORTS: &[Range] =
    &[(80, 80), (179, 179), (53, 53), (0, 1_023), (1_024, 65_535), (50_000, 50_000)];
const FLAGS: &[(&str, u8, u8)] = &[
    ("syn", 2, 2),
    ("'syn,!ack'", 18, 2),
    ("=ack", 255, 16),
    ("none", 255, 0),
    ("'!syn'", 2, 0),
    ("'rst,!cwr'", 132, 4),
    ("'=syn,ece,cwr'", 255, 194),
];
const FRAGMENTS: &[&str] = &["any", "first", "not_first", "last", "none", "dont_fragment"];
const LENGTHS: &[Range] = &[
    (0, 100),
    (60, 60),
    (20, 47),
    (1_000, 70_000),
    (1_001, 1_600),
    (9_000, 9_216),
    (65_000, 65_575),
    (0, 999),
];
const TTLS: &[Range] = &[(0, 0), (1, 1), (0, 5), (255, 255), (64, 64), (2, 200)];
const DSCPS: &[&[Range]] = &[&[(0, 0)], &[(46, 46)], &[(8, 8), (10, 10)], &[(63, 63)]];
const TYPES: &[Range] = &[(3, 3), (8, 8), (0, 10), (128, 137), (11, 11), (2, 2)];
const CODES: &[Range] = &[(0, 0), (4, 4), (1, 15)];

/// The field that a pair is about, besides addresses, protocols and ports.
const EXTRAS: &[&str] =
    &["none", "tcp_flags", "icmp_type", "packet_length", "dscp", "ttl", "fragment"];

fn addresses(dice: &mut Dice, side: &'static str, v6: bool) -> Term {
    if dice.roll(7) == 0 {
        return Term::Addresses(side, vec![(*dice.pick(ODD)).to_owned()]);
    }
    let first = dice.roll(16);
    let address = |last: usize| if v6 { format!("{V6}{last:x}") } else { format!("10.0.0.{last}") };
    let prefix = |last: usize, free: usize| {
        format!("{}/{}", address(last >> free << free), if v6 { 128 } else { 32 } - free)
    };
    let list = match dice.roll(6) {
        0 => vec![address(first)],
        1 => vec![prefix(0, 4)],
        2 => vec![prefix(first, 2)],
        3 => vec![prefix(first, 1), address(dice.roll(16))],
        // Of both families.
        4 => vec!["10.0.0.4/30".to_owned(), format!("{V6}4/126")],
        _ => vec![format!("{}-{}", address(first), address(first + dice.roll(16 - first)))],
    };
    Term::Addresses(side, list)
}

fn extra(dice: &mut Dice, field: &'static str) -> Option<Term> {
    let one = |dice: &mut Dice, from: &[Range]| vec![*dice.pick(from)];
    Some(match field {
        "tcp_flags" => Term::Flags(dice.pick(FLAGS)),
        "icmp_type" if dice.roll(3) == 0 => Term::Numbers("icmp_code", one(dice, CODES)),
        "icmp_type" => Term::Numbers(field, one(dice, TYPES)),
        "packet_length" => Term::Numbers(field, one(dice, LENGTHS)),
        "dscp" => Term::Numbers(field, dice.pick(DSCPS).to_vec()),
        "ttl" => Term::Numbers(field, one(dice, TTLS)),
        "fragment" => Term::Fragment(dice.pick::<&str>(FRAGMENTS)),
        _ => return None,
    })
}

fn terms(dice: &mut Dice, about: (&'static str, bool), depth: usize) -> Vec<Term> {
    let (field, v6) = about;
    let mut terms = Vec::new();
    if dice.roll(3) > 0 {
        terms.push(addresses(dice, "dst", v6));
    }
    if dice.roll(4) == 0 {
        terms.push(addresses(dice, "src", v6));
    }
    if dice.roll(3) == 0 {
        terms.push(Term::Numbers("protocol", dice.pick(PROTOCOLS).to_vec()));
    }
    if dice.roll(3) == 0 {
        let side = *dice.pick(&["src_port", "dst_port", "port"]);
        let first = dice.roll(PORTS.len());
        let second = (dice.roll(4) == 0).then(|| PORTS[(first + 1) % PORTS.len()]);
        terms.push(Term::Numbers(side, [PORTS[first]].into_iter().chain(second).collect()));
    }
    if dice.roll(2) == 0 {
        terms.extend(extra(dice, field));
    }
    if depth > 0 && dice.roll(4) == 0 {
        terms.push(Term::Not(inner(dice, about, depth - 1)));
    }
    if depth > 0 && dice.roll(6) == 0 {
        terms.push(Term::AnyOf((0..2).map(|_| inner(dice, about, depth - 1)).collect()));
    }
    terms
}

fn inner(dice: &mut Dice, about: (&'static str, bool), depth: usize) -> Vec<Term> {
    let terms = terms(dice, about, depth);
    let is_empty = terms.is_empty();
    if is_empty { vec![Term::Numbers("protocol", vec![(17, 17)])] } else { terms }
}

#[derive(Clone, Debug)]
struct Rule {
    id: usize,
    terms: Vec<Term>,
    accepts: bool,
}

/// A rule set that only accepts and drops.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// What becomes of the rest.
    accepts: bool,
}

/// Makes a pair: the candidate is the running set after a few edits.
pub(super) fn pair(dice: &mut Dice) -> [Rules; 2] {
    let about = (*dice.pick(EXTRAS), dice.roll(3) == 0);
    let rule =
        |dice: &mut Dice, id| Rule { id, terms: terms(dice, about, 2), accepts: dice.roll(2) == 0 };
    let count = 1 + dice.roll(6);
    let running: Vec<Rule> = (0..count).map(|id| rule(dice, id)).collect();
    let mut candidate = running.clone();
    for edit in 0..1 + dice.roll(3) {
        let at = dice.roll(candidate.len() + 1);
        match dice.roll(5) {
            1 if at < candidate.len() => drop(candidate.remove(at)),
            2 if at < candidate.len() => {
                let moved = candidate.remove(at);
                candidate.insert(dice.roll(candidate.len() + 1), moved);
            }
            3 if at < candidate.len() => candidate[at].accepts = !candidate[at].accepts,
            4 if at < candidate.len() => candidate[at].terms = terms(dice, about, 2),
            _ => candidate.insert(at, rule(dice, 20 + edit)),
        }
    }
    let accepts = dice.roll(4) > 0;
    let after = accepts && dice.roll(8) > 0;
    let running = if dice.roll(5) == 0 { Vec::new() } else { running };
    [Rules { rules: running, accepts }, Rules { rules: candidate, accepts: after }]
}

fn word(accepts: bool) -> &'static str {
    if accepts { "accept" } else { "drop" }
}

impl Rules {
    /// Returns the set with every action turned round.
    pub(super) fn flipped(&self) -> Rules {
        let flip = |rule: &Rule| Rule { accepts: !rule.accepts, ..rule.clone() };
        Rules { rules: self.rules.iter().map(flip).collect(), accepts: !self.accepts }
    }

    //-------- In our language ---------------------------------------------------

    pub(super) fn native(&self) -> String {
        let mut text = format!("version: 1\ndefault: {}\nrules:", word(self.accepts));
        if self.rules.is_empty() {
            text.push_str(" []");
        }
        text.push('\n');
        for rule in &self.rules {
            let matches =
                if rule.terms.is_empty() { "any".to_owned() } else { native(&rule.terms) };
            let (id, action) = (rule.id, word(rule.accepts));
            writeln!(text, "  - {{id: r{id}, match: {matches}, action: {action}}}").expect("text");
        }
        text
    }

    //-------- For nftables ------------------------------------------------------

    /// Writes the chain of this name, and what it jumps to, into a table of the family `netdev`.
    pub(super) fn nft(&self, name: &str, into: &mut Nft) {
        let mut chain = Vec::new();
        for rule in &self.rules {
            let verdict = word(rule.accepts);
            if let Some(ways) = plain(&rule.terms) {
                chain.extend(ways.iter().map(|way| format!("{} {verdict}", way.words)));
            } else {
                chain.push(format!("meta mark set 0 jump {}", into.truth(name, &rule.terms)));
                chain.push(format!("meta mark 1 {verdict}"));
            }
        }
        chain.push(word(self.accepts).to_owned());
        into.add(name, &chain);
    }
}

fn native(terms: &[Term]) -> String {
    let list = |items: Vec<String>| match items.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    // A map holds each key once, so the terms are of different fields.
    let field = |term: &Term| match term {
        Term::Addresses(side, texts) => {
            let quoted = texts.iter().map(|text| format!("\"{text}\"")).collect();
            format!("{side}: {}", list(quoted))
        }
        Term::Numbers(field, ranges) => {
            let range = |(first, last): &Range| {
                if first == last { first.to_string() } else { format!("{first}-{last}") }
            };
            format!("{field}: {}", list(ranges.iter().map(range).collect()))
        }
        Term::Flags((words, ..)) => format!("tcp_flags: {words}"),
        Term::Fragment(test) => format!("fragment: {test}"),
        Term::Not(inner) => format!("not: {}", native(inner)),
        Term::AnyOf(branches) => {
            let branches: Vec<String> = branches.iter().map(|branch| native(branch)).collect();
            format!("any_of: [{}]", branches.join(", "))
        }
    };
    format!("{{{}}}", terms.iter().map(field).collect::<Vec<_>>().join(", "))
}

/// The chains of a table, as text.
#[derive(Default)]
pub(super) struct Nft {
    pub(super) chains: String,
    /// How many chains were made besides one a rule set.
    pub(super) made: usize,
}

impl Nft {
    fn add(&mut self, name: &str, rules: &[String]) {
        writeln!(self.chains, "chain {name} {{\n{}\n}}", rules.join("\n")).expect("text");
    }

    /// Writes a chain that returns with the mark 1 if all terms hold, else with 0; before, it must
    /// be 0. Each condition is a rule that sets the mark, so that what cannot be read (ports of a
    /// later fragment) is false, and its negation true.
    fn truth(&mut self, owner: &str, terms: &[Term]) -> String {
        let mut rules = Vec::new();
        for term in terms {
            rules.push("meta mark set 0".to_owned());
            match term {
                Term::Not(inner) => {
                    let inner = self.truth(owner, inner);
                    rules.push(format!("jump {inner}"));
                    rules.push("meta mark 1 goto no".to_owned());
                    continue;
                }
                Term::AnyOf(branches) => {
                    for branch in branches {
                        let branch = self.truth(owner, branch);
                        rules.push(format!("meta mark 0 jump {branch}"));
                    }
                }
                leaf => {
                    let ways = ways(leaf).into_iter();
                    rules.extend(ways.map(|way| format!("{} meta mark set 1", way.words)));
                }
            }
            rules.push("meta mark 0 return".to_owned());
        }
        rules.push("meta mark set 1".to_owned());
        self.made += 1;
        let name = format!("{owner}_{}", self.made);
        self.add(&name, &rules);
        name
    }
}

/// What a rule asks before it reads ports, flags or types. The kernel reads them also where a later
/// fragment has none: what lies there decides (its short cut for loads of 1, 2 or 4 bytes does not
/// look at the offset). So [`NOTE`] marks packets first.
const WHOLE: &str = "meta priority 1:1";

/// Notes whether a packet is a later fragment, for [`WHOLE`].
pub(super) const NOTE: &str = "meta priority set 1:1
    meta protocol ip ip frag-off & 0x1fff != 0 meta priority set 1:2
    meta protocol ip6 frag frag-off != 0 meta priority set 1:2";

/// One way in which a condition holds: what a rule of nftables asks, and of which family.
#[derive(Clone, Default)]
struct Way {
    v6: Option<bool>,
    words: String,
}

impl Way {
    fn both(words: String) -> Way {
        Way { v6: None, words }
    }

    fn of(v6: bool, words: &str) -> Way {
        let family = if v6 { "ip6" } else { "ip" };
        Way { v6: Some(v6), words: format!("meta protocol {family} {words}") }
    }

    /// Returns the way in which both hold; none if no packet is of both families.
    fn and(&self, other: &Way) -> Option<Way> {
        if self.v6.is_some() && other.v6.is_some() && self.v6 != other.v6 {
            return None;
        }
        let words = format!("{} {}", self.words, other.words);
        Some(Way { v6: self.v6.or(other.v6), words })
    }
}

/// Returns the ways in which all terms hold, if a few rules can say them.
fn plain(terms: &[Term]) -> Option<Vec<Way>> {
    let mut all = vec![Way::default()];
    for term in terms {
        let one = match term {
            Term::Not(_) => return None,
            Term::AnyOf(branches) => {
                let branches: Option<Vec<_>> = branches.iter().map(|terms| plain(terms)).collect();
                branches?.into_iter().flatten().collect()
            }
            leaf => ways(leaf),
        };
        all = all.iter().flat_map(|way| one.iter().filter_map(|more| way.and(more))).collect();
        if all.len() > 12 {
            return None;
        }
    }
    Some(all)
}

/// Returns the ways in which a condition without inner ones holds.
fn ways(term: &Term) -> Vec<Way> {
    let split = |v4: &str, v6: &str| vec![Way::of(false, v4), Way::of(true, v6)];
    match term {
        Term::Addresses(side, texts) => {
            let side = if *side == "src" { "saddr" } else { "daddr" };
            let way = |text: &String| {
                let v6 = text.contains(':');
                Way::of(v6, &format!("{} {side} {text}", if v6 { "ip6" } else { "ip" }))
            };
            texts.iter().map(way).collect()
        }
        Term::Numbers(field, ranges) => {
            ranges.iter().flat_map(|range| number(field, *range)).collect()
        }
        Term::Flags((_, mask, value)) => {
            vec![Way::both(format!("{WHOLE} meta l4proto 6 @th,104,8 & {mask} == {value}"))]
        }
        Term::Fragment("any") => {
            let mut ways = split("ip frag-off & 0x3fff != 0", "frag frag-off != 0");
            ways.push(Way::of(true, "frag more-fragments 1"));
            ways
        }
        Term::Fragment("first") => {
            split("ip frag-off & 0x3fff == 0x2000", "frag frag-off 0 frag more-fragments 1")
        }
        Term::Fragment("not_first") => split("ip frag-off & 0x1fff != 0", "frag frag-off != 0"),
        Term::Fragment("last") => split(
            "ip frag-off & 0x1fff != 0 ip frag-off & 0x2000 == 0",
            "frag frag-off != 0 frag more-fragments 0",
        ),
        Term::Fragment("none") => {
            let mut ways = split("ip frag-off & 0x3fff == 0", "exthdr frag missing");
            ways.push(Way::of(true, "frag frag-off 0 frag more-fragments 0"));
            ways
        }
        Term::Fragment(_) => vec![Way::of(false, "ip frag-off & 0x4000 != 0")],
        Term::Not(_) | Term::AnyOf(_) => unreachable!("these have chains of their own"),
    }
}

fn number(field: &str, (first, last): Range) -> Vec<Way> {
    let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
    let port = |side: &str| {
        Way::both(format!("{WHOLE} meta l4proto {{ 6, 17, 132, 136 }} th {side} {range}"))
    };
    let split = |v4: &str, v6: &str| {
        vec![Way::of(false, &format!("{v4} {range}")), Way::of(true, &format!("{v6} {range}"))]
    };
    let icmp = |part: &str| {
        let way = |protocol| format!("{WHOLE} meta l4proto {protocol} {part}");
        split(&way(1), &way(58))
    };
    match field {
        "protocol" => vec![Way::both(format!("meta l4proto {range}"))],
        "src_port" => vec![port("sport")],
        "dst_port" => vec![port("dport")],
        "port" => vec![port("sport"), port("dport")],
        "icmp_type" => icmp("@th,0,8"),
        "icmp_code" => icmp("@th,8,8"),
        "packet_length" => vec![Way::both(format!("meta length {range}"))],
        "dscp" => split("ip dscp", "ip6 dscp"),
        "ttl" => split("ip ttl", "ip6 hoplimit"),
        _ => unreachable!("{field} is not made here"),
    }
}
