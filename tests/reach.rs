//! The proof against an obvious twin: every header of a small world decided rule by rule, and
//! charged by the code that charges recorded packets; the same parties, and witnesses that hold.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use blastgate::attribution::{Attribution, Ends, Party, protected_parties};
use blastgate::change::Change;
use blastgate::inventory::customers::{Customers, End, EndId, Owner};
use blastgate::judge::{self, Judges};
use blastgate::matcher::{Truth, ends_walk, scan::Test};
use blastgate::model::ordinary::{carried, only_known};
use blastgate::model::{
    Action, DefaultAction, Direction, Family, Fragment, Harm, Inventory, KeyPart, Known, Label,
    Names, PacketHeader, Record, RuleSet, SourceId, Sources,
};
use blastgate::packet_text;
use blastgate::reach::{Reach, Reached};
use blastgate::{inventory, languages};

const INVENTORY: &str = "
version: 1
customers:
  - {id: a, prefixes: [10.0.0.0/30]}
  - {id: b, prefixes: [10.0.0.4/30]}
  - {id: inner, prefixes: [10.0.0.6/32]}
  - {id: s, hosts: [s.example]}
  - {id: t, prefixes: [10.0.0.9/32]}
  - {id: cdn, hosts: [cdn.example]}
shared:
  - {prefixes: [10.0.0.8/32], customers: [s, t]}
infrastructure:
  - {id: router, prefixes: [10.0.0.10/31], services: [bgp], peers: [10.0.0.14/32]}
  - {id: oob, prefixes: [10.0.0.5/32], management: true}
";

/// A customer without any address.
const HOMELESS: &str = "  - {id: cdn, hosts: [cdn.example]}\n";

/// The addresses that tell all others apart: the small world, and one outside.
const ADDRESSES: &[u128] = &[
    0x0a00_0000,
    0x0a00_0001,
    0x0a00_0002,
    0x0a00_0003,
    0x0a00_0004,
    0x0a00_0005,
    0x0a00_0006,
    0x0a00_0007,
    0x0a00_0008,
    0x0a00_0009,
    0x0a00_000a,
    0x0a00_000b,
    0x0a00_000c,
    0x0a00_000d,
    0x0a00_000e,
    0x0a00_000f,
    0x2d00_0001,
];

//------------ Chance --------------------------------------------------------

/// A small generator of numbers (xorshift), so that a failing case can be named.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.roll(from.len())]
    }
}

/// One more field that a case is about, besides addresses, protocols and ports.
#[derive(Clone, Copy, PartialEq)]
enum Extra {
    None,
    Flags,
    Fragments,
    Length,
    Pop,
    Direction,
}

fn addresses(dice: &mut Dice) -> String {
    let first = dice.roll(16);
    match dice.roll(5) {
        0 => format!("10.0.0.{first}"),
        1 => "10.0.0.0/28".to_owned(),
        2 => format!("10.0.0.{}/30", first & 12),
        3 => format!("[10.0.0.{}/31, 10.0.0.{}]", first & 14, dice.roll(16)),
        _ => format!("10.0.0.{first}-10.0.0.{}", first + dice.roll(16 - first)),
    }
}

fn terms(dice: &mut Dice, extra: Extra, depth: usize) -> String {
    let mut terms: Vec<String> = Vec::new();
    if dice.roll(3) > 0 {
        terms.push(format!("dst: {}", addresses(dice)));
    }
    if dice.roll(4) == 0 {
        terms.push(format!("src: {}", addresses(dice)));
    }
    if dice.roll(3) == 0 {
        terms.push(format!("protocol: {}", dice.pick(&["tcp", "udp", "icmp", "[tcp, udp]"])));
    }
    match dice.roll(6) {
        0 => terms.push(format!("dst_port: {}", dice.pick(&["179", "80", "1024-65535"]))),
        1 => terms.push(format!("port: {}", dice.pick(&["179", "80"]))),
        _ => {}
    }
    if dice.roll(2) == 0 {
        let term = match extra {
            Extra::None => None,
            Extra::Flags => {
                Some(format!("tcp_flags: {}", dice.pick(&["syn", "'syn,!ack'", "=ack"])))
            }
            Extra::Fragments => {
                let tests = ["any", "first", "not_first", "last", "none", "dont_fragment"];
                Some(format!("fragment: {}", dice.pick(&tests)))
            }
            Extra::Length => Some(format!("packet_length: {}", dice.pick(&["0-100", "'>=100'"]))),
            Extra::Pop => Some(format!("pop: [{}]", dice.pick(&["ams", "lhr", "ams, lhr"]))),
            Extra::Direction => Some(format!("direction: {}", dice.pick(&["ingress", "egress"]))),
        };
        terms.extend(term);
    }
    if depth > 0 && dice.roll(4) == 0 {
        terms.push(format!("not: {}", inner(dice, extra, depth - 1)));
    }
    if depth > 0 && dice.roll(6) == 0 {
        let branches: Vec<String> = (0..2).map(|_| inner(dice, extra, depth - 1)).collect();
        terms.push(format!("any_of: [{}]", branches.join(", ")));
    }
    terms.join(", ")
}

fn inner(dice: &mut Dice, extra: Extra, depth: usize) -> String {
    let text = terms(dice, extra, depth);
    if text.is_empty() { "{protocol: udp}".to_owned() } else { format!("{{{text}}}") }
}

fn selectors(dice: &mut Dice) -> String {
    let all = [
        "a",
        "b",
        "inner",
        "s, t",
        "t",
        "cdn",
        "unowned",
        "prefix:10.0.0.8/30",
        "prefix:10.0.0.12/30",
        "prefix:10.0.0.4/31",
    ];
    match dice.roll(6) {
        0 => "all".to_owned(),
        1 => "none".to_owned(),
        2 => format!("{}, {}", dice.pick(&all[..3]), dice.pick(&all[3..])),
        _ => dice.pick(&all).to_owned(),
    }
}

fn action(dice: &mut Dice) -> String {
    match dice.roll(10) {
        0..=2 => "accept".to_owned(),
        3..=5 => "drop".to_owned(),
        6 => "challenge".to_owned(),
        7 => "log".to_owned(),
        8 => format!("{{redirect: {{to: {}}}}}", dice.pick(&["scrub", "cleaner"])),
        _ => {
            let rate = dice.pick(&["1 Mbps", "2 Mbps"]);
            let keys = [
                "",
                ", per: [dst]",
                ", per: [dst/30]",
                ", per: [protocol]",
                ", per: [src]",
                ", per: [src/30]",
                ", per: [src, dst]",
                ", per: [src/31, dst/29]",
                ", per: [customer]",
            ];
            let per = dice.pick(&keys);
            let exceed = dice.pick(&["", ", exceed: log"]);
            format!("{{rate_limit: {{rate: {rate}{per}{exceed}}}}}")
        }
    }
}

#[derive(Clone)]
struct OwnRule {
    id: usize,
    matches: String,
    action: String,
    intent: Option<[String; 2]>,
}

fn rule(dice: &mut Dice, extra: Extra, id: usize) -> OwnRule {
    let text = terms(dice, extra, 2);
    let matches = if text.is_empty() { "any".to_owned() } else { format!("{{{text}}}") };
    let intent = (dice.roll(5) > 0).then(|| [selectors(dice), selectors(dice)]);
    OwnRule { id, matches, action: action(dice), intent }
}

fn text(rules: &[OwnRule], default: &str) -> String {
    let mut text = format!("version: 1\ndefault: {default}\n");
    if default == "drop" {
        text.push_str("default_intent: {target: [a], may_affect: [a, unowned]}\n");
    }
    if rules.is_empty() {
        return text + "rules: []\n";
    }
    text.push_str("rules:\n");
    for rule in rules {
        let intent = rule.intent.as_ref().map_or_else(String::new, |[affect, reach]| {
            format!(", intent: {{target: [a], may_affect: [{affect}], may_reach: [{reach}]}}")
        });
        text.push_str(&format!(
            "  - {{id: r{}, match: {}, action: {}{intent}}}\n",
            rule.id, rule.matches, rule.action
        ));
    }
    text
}

/// Makes a pair of rule sets: the candidate is the running set after a few edits, or something
/// else altogether.
fn pair(dice: &mut Dice, extra: Extra) -> [String; 2] {
    let count = 1 + dice.roll(8);
    let running: Vec<OwnRule> = (0..count).map(|id| rule(dice, extra, id)).collect();
    let mut candidate = running.clone();
    for edit in 0..1 + dice.roll(3) {
        let at = dice.roll(candidate.len() + 1);
        match dice.roll(5) {
            0 => candidate.insert(at, rule(dice, extra, 20 + edit)),
            1 if at < candidate.len() => drop(candidate.remove(at)),
            2 if at < candidate.len() => {
                let moved = candidate.remove(at);
                let to = dice.roll(candidate.len() + 1);
                candidate.insert(to, moved);
            }
            3 if at < candidate.len() => candidate[at].action = action(dice),
            _ if at < candidate.len() => {
                let edited = rule(dice, extra, candidate[at].id);
                candidate[at].matches = edited.matches;
            }
            _ => {}
        }
    }
    let default = ["accept", "accept", "accept", "drop"][dice.roll(4)];
    let after = if dice.roll(8) == 0 { "drop" } else { default };
    let running = if dice.roll(4) == 0 { Vec::new() } else { running };
    [text(&running, default), text(&candidate, after)]
}

//------------ The world -----------------------------------------------------

struct World {
    inventory: Inventory,
    customers: Customers,
    judges: Judges,
    sets: [RuleSet; 2],
    change: Change,
    names: Arc<Names>,
}

impl World {
    fn new(texts: &[String; 2], homeless: bool) -> World {
        let mut sources = Sources::new();
        let homeless = if homeless { HOMELESS } else { "" };
        let id = sources.add("inventory.yaml", INVENTORY.replace(HOMELESS, homeless));
        let (inventory, problems) = inventory::load(&sources, &[id]);
        assert!(problems.is_empty(), "{problems:?}");
        let sets = [0, 1].map(|side: usize| {
            let id = sources.add(["running.yaml", "candidate.yaml"][side], texts[side].as_str());
            let (set, problems) = languages::LANGUAGES[0].parse_texts(&sources, &[id]);
            assert!(problems.is_empty(), "{problems:?}\n{}", texts[side]);
            set
        });
        let change = Change::between(&sets[0], &sets[1]);
        let (judges, customers, _) = judge::resolve(&sets[0], &sets[1], &inventory);
        World { inventory, customers, judges, sets, change, names: Arc::new(Names::new()) }
    }

    fn find(&self) -> Reached {
        let reach = Reach {
            running: &self.sets[0],
            candidate: &self.sets[1],
            change: &self.change,
            judges: &self.judges,
            inventory: &self.inventory,
            customers: &self.customers,
            clean: &clean(),
        };
        reach.compile().find()
    }
}

/// Every header that could make a difference.
fn headers(extra: Extra) -> Vec<(PacketHeader, Option<&'static str>, Direction)> {
    let fragments: &[Fragment] = match extra {
        // All eight: a fragment that must not be fragmented is odd, and possible.
        Extra::Fragments => &EVERY_FRAGMENT,
        _ => &[Fragment::NONE, Fragment::LATER],
    };
    let flags: &[u8] = if extra == Extra::Flags { &[0, 2, 16, 18] } else { &[16] };
    let lengths: &[u32] = if extra == Extra::Length { &[60, 100, 1_000] } else { &[1_000] };
    let pops: &[Option<&'static str>] = match extra {
        Extra::Pop => &[Some("ams"), Some("lhr"), Some("elsewhere")],
        _ => &[Some("elsewhere")],
    };
    let directions: &[Direction] = match extra {
        Extra::Direction => &[Direction::Ingress, Direction::Egress],
        _ => &[Direction::Ingress],
    };
    let mut all = Vec::new();
    for family in [Family::V4, Family::V6] {
        let found = upper(family, fragments, flags, lengths);
        let own: &[u128] = if family == Family::V4 { ADDRESSES } else { &[0x2a00 << 112] };
        for (src, dst) in own.iter().flat_map(|src| own.iter().map(move |dst| (*src, *dst))) {
            for (pop, direction) in
                pops.iter().flat_map(|pop| directions.iter().map(move |one| (*pop, *one)))
            {
                let with = |header: &PacketHeader| PacketHeader { src, dst, ..*header };
                all.extend(found.iter().map(|header| (with(header), pop, direction)));
            }
        }
    }
    all
}

const EVERY_FRAGMENT: [Fragment; 8] = [
    Fragment(0),
    Fragment(1),
    Fragment(2),
    Fragment(3),
    Fragment(4),
    Fragment(5),
    Fragment(6),
    Fragment(7),
];

/// Every upper layer that could make a difference.
fn upper(
    family: Family,
    fragments: &[Fragment],
    flags: &[u8],
    lengths: &[u32],
) -> Vec<PacketHeader> {
    let mut found = Vec::new();
    let mut push = |header: PacketHeader| found.push(only_known(header));
    for (protocol, fragment, length) in triples(&[1u8, 58, 6, 17, 132, 89, 47], fragments, lengths)
    {
        if family == Family::V6 && fragment.has(Fragment::DONT) {
            continue;
        }
        let layers = carried(protocol, family, fragment);
        let base = PacketHeader {
            known: Known::ALL,
            layers,
            protocol,
            fragment,
            packet_length: length,
            ttl: 64,
            ..PacketHeader::unknown(family)
        };
        match protocol {
            1 | 58 => [(3, 4), (2, 0), (8, 0)].into_iter().for_each(|(icmp_type, icmp_code)| {
                push(PacketHeader { icmp_type, icmp_code, ..base });
            }),
            6 | 17 | 132 => {
                let ports = [80u16, 179, 646, 3_784, 50_000];
                for (src_port, dst_port, tcp_flags) in triples(&ports, &ports, flags) {
                    push(PacketHeader { src_port, dst_port, tcp_flags, ..base });
                }
            }
            _ => push(base),
        }
    }
    found.dedup();
    found
}

fn triples<A: Copy, B: Copy, C: Copy>(a: &[A], b: &[B], c: &[C]) -> Vec<(A, B, C)> {
    let mut all = Vec::new();
    for a in a {
        for b in b {
            all.extend(c.iter().map(|c| (*a, *b, *c)));
        }
    }
    all
}

fn record(names: &Names, header: PacketHeader, pop: Option<&str>, direction: Direction) -> Record {
    Record {
        time_ns: 0,
        duration_ns: 0,
        header,
        pop: pop.map(|pop| names.intern(pop)),
        exporter: None,
        direction,
        packets: 1,
        bytes: 1_000,
        weight: 1,
        label: Label::None,
        customer: None,
        source: SourceId(0),
        number: 1,
    }
}

//------------ The twin ------------------------------------------------------

/// The way of one packet through one rule set: the limits that act, and the rule that decides.
/// Redirects to these hand on legitimate traffic.
fn clean() -> BTreeSet<String> {
    BTreeSet::from(["cleaner".to_owned()])
}

fn is_cleaner(action: &Action) -> bool {
    matches!(action, Action::Redirect { to } if to == "cleaner")
}

/// Whether one fate is worse than another, by hand: a cleaner is milder than any other place, and
/// it and a challenge are each worse than the other.
fn is_worse(after: &Action, before: Harm, was_cleaned: bool) -> bool {
    match (after, was_cleaned) {
        (Action::Redirect { .. }, true) => !is_cleaner(after),
        (Action::Challenge, true) => true,
        _ => after.harm() > before,
    }
}

struct Way {
    /// Whether a cleaner is the worst that it meets.
    cleaned: bool,
    met: Vec<usize>,
    end: Option<usize>,
    harm: Harm,
    limits: Vec<usize>,
}

fn way(set: &RuleSet, tests: &[Test], record: &Record) -> Way {
    let (met, limits) = Default::default();
    let mut way = Way { cleaned: false, met, end: None, harm: Harm::None, limits };
    for (at, rule) in set.rules.iter().enumerate() {
        if tests[at].decide(record) != Truth::Yes {
            continue;
        }
        let action = &rule.action.value;
        way.met.push(at);
        way.cleaned = way.harm < Harm::Limited && is_cleaner(action);
        way.harm = way.harm.max(action.harm());
        if ends_walk(action) {
            way.end = Some(at);
            return way;
        }
        if action.harm() == Harm::Limited {
            way.limits.push(at);
        }
    }
    if set.default.action == DefaultAction::Drop {
        way.harm = Harm::Dropped;
    }
    way
}

#[derive(Default, Debug, PartialEq)]
struct Expected {
    /// By rule: everyone charged; those outside `may_affect`, and those beyond `may_reach`.
    by_rule: BTreeMap<Option<u32>, BTreeMap<Party, (bool, bool)>>,
    /// Everyone charged with any packet, whether they bear it or only send it.
    reached: BTreeSet<Party>,
    protected: BTreeSet<(Option<u32>, String)>,
    by_shield: BTreeMap<u32, BTreeSet<Party>>,
    grown: BTreeSet<u32>,
    exposed: BTreeSet<(u32, Option<u32>)>,
}

/// Why packets of several owners may share a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Receivers,
    Senders,
}

/// Addresses, and what stands there.
type Addresses = BTreeSet<(Family, u128, EndId)>;

/// The packets of a limit between two addresses.
type Between = (usize, Family, u128, u128);

struct Twin<'w> {
    world: &'w World,
    attribution: Attribution<'w>,
    packets: Vec<(Record, Ends, Way, Way)>,
    /// Limits that others newly enter, by pair.
    crowded: BTreeSet<(usize, usize, Why)>,
    /// For every candidate limit: the addresses of all that its match takes, at both ends.
    addresses: HashMap<usize, [Addresses; 2]>,
    /// What is known of whose packets share buckets: by limit and addresses.
    shared: RefCell<HashMap<Between, Option<Why>>>,
}

impl<'w> Twin<'w> {
    fn new(world: &'w World, extra: Extra) -> Twin<'w> {
        let attribution = Attribution::new(&world.inventory, &world.customers, &world.names);
        let tests = [0, 1].map(|side: usize| {
            let rules = world.sets[side].rules.iter();
            rules.map(|rule| Test::compile(&rule.matches, &world.names)).collect::<Vec<Test>>()
        });
        let packets: Vec<_> = headers(extra)
            .into_iter()
            .map(|(header, pop, direction)| {
                let record = record(&world.names, header, pop, direction);
                let ends = attribution.attribute(&record);
                let ways = [0, 1].map(|side: usize| way(&world.sets[side], &tests[side], &record));
                let [before, after] = ways;
                (record, ends, before, after)
            })
            .collect();
        let (crowded, shared) = Default::default();
        let mut addresses: HashMap<usize, [Addresses; 2]> = HashMap::new();
        for (at, rule) in world.sets[1].rules.iter().enumerate() {
            if rule.action.value.harm() != Harm::Limited {
                continue;
            }
            let own = addresses.entry(at).or_default();
            for (record, ends, _, _) in &packets {
                if tests[1][at].decide(record) == Truth::Yes {
                    let header = &record.header;
                    own[0].insert((header.family, header.src, ends.src.expect("known")));
                    own[1].insert((header.family, header.dst, ends.dst.expect("known")));
                }
            }
        }
        let mut twin = Twin { world, attribution, packets, crowded, addresses, shared };
        twin.crowded = twin.crowded();
        twin
    }

    fn limit(&self, side: usize, rule: usize) -> Option<&blastgate::model::RateLimit> {
        match &self.world.sets[side].rules[rule].action.value {
            Action::RateLimit(limit) => Some(limit),
            _ => None,
        }
    }

    /// Returns the pairs of limits of which the candidate's buckets are newly entered by packets
    /// that may share them with another owner's, and why they may.
    fn crowded(&self) -> BTreeSet<(usize, usize, Why)> {
        let mut found = BTreeSet::new();
        let running = self.world.sets[0].rules.len();
        for (record, ends, before, after) in &self.packets {
            for own in &after.limits {
                for old in (0..running).filter(|old| self.limit(0, *old).is_some()) {
                    if self.enters(*own, old, before, after)
                        && let Some(why) = self.shares(*own, record, ends)
                    {
                        found.insert((*own, old, why));
                    }
                }
            }
        }
        found
    }

    /// Returns whether a packet newly enters a limit's bucket: it did not meet the running limit,
    /// or one in front of that, which held it back, is not in front any more.
    fn enters(&self, own: usize, old: usize, before: &Way, after: &Way) -> bool {
        let is_gone = |front: &&usize| {
            let front = self.limit(0, **front).expect("a limit");
            let mut kept = after.limits.iter().filter(|kept| **kept < own);
            !kept.any(|kept| front.is_as_generous_as(self.limit(1, *kept).expect("a limit")))
        };
        !before.met.contains(&old)
            || before.limits.iter().filter(|front| **front < old).any(|front| is_gone(&front))
    }

    /// Returns whether a packet is in a bucket that others newly enter.
    fn is_crowded(&self, own: usize, old: usize, record: &Record, ends: &Ends) -> bool {
        let why = self.shares(own, record, ends);
        why.is_some_and(|why| self.crowded.contains(&(own, old, why)))
    }

    /// Returns why a packet's bucket may hold another owner's, for all that addresses tell:
    /// address by address, of all that the rule's match takes.
    fn shares(&self, own: usize, record: &Record, ends: &Ends) -> Option<Why> {
        let header = &record.header;
        let known = (own, header.family, header.src, header.dst);
        if let Some(shares) = self.shared.borrow().get(&known) {
            return *shares;
        }
        let shares = self.looks_shared(own, record, ends);
        self.shared.borrow_mut().insert(known, shares);
        shares
    }

    fn looks_shared(&self, own: usize, record: &Record, ends: &Ends) -> Option<Why> {
        let limit = self.limit(1, own).expect("a limit");
        let customers = &self.world.customers;
        let by_customer = limit.per.contains(&KeyPart::Customer);
        let is_address =
            |part: &&KeyPart| matches!(part, KeyPart::Src { .. } | KeyPart::Dst { .. });
        let is_keyed = limit.per.iter().any(|part| is_address(&part));
        let (ours, family) = (&record.header, record.header.family);
        let block = |family: Family, address: u128, dst: bool| {
            let length = limit.per.iter().find_map(|part| match part {
                KeyPart::Dst { v4, v6 } if dst => Some((*v4, *v6)),
                KeyPart::Src { v4, v6 } if !dst => Some((*v4, *v6)),
                _ => None,
            });
            let (width, length) = match (family, length.unwrap_or_default()) {
                (Family::V4, (length, _)) => (32, length),
                (Family::V6, (_, length)) => (128, length),
            };
            (0..u32::from(length)).fold(0, |bits, at| bits << 1 | address >> (width - 1 - at) & 1)
        };
        let beside = |dst: bool| {
            let address = if dst { ours.dst } else { ours.src };
            let [senders, receivers] = &self.addresses[&own];
            let all = if dst { receivers } else { senders };
            let beside = all.iter().filter(move |(other, one, _)| {
                !is_keyed
                    || (*other == family && block(family, *one, dst) == block(family, address, dst))
            });
            beside.map(|(_, _, end)| customers.end(*end))
        };
        let differs = |end: &End, dst: bool| {
            let is_other =
                |one: &End| (one.owner, &one.infrastructure) != (end.owner, &end.infrastructure);
            beside(dst).any(is_other)
                && (!by_customer || beside(dst).any(|one| !one.infrastructure.is_empty()))
        };
        let sharers = |end: &End| match end.owner {
            Owner::Shared(id) => self.world.inventory.shared[id.0 as usize].customers.len() > 1,
            _ => false,
        };
        let [src, dst] = [ends.src, ends.dst].map(|end| customers.end(end.expect("known")));
        let to_several = sharers(dst) || (self.has_homeless() && self.is_free(dst));
        let from_several = dst.owner == Owner::Nobody && (sharers(src) || differs(src, false));
        if to_several || differs(dst, true) {
            return Some(Why::Receivers);
        }
        from_several.then_some(Why::Senders)
    }

    /// Returns the key of a packet's bucket, and whose the packet is.
    fn bucket(&self, own: usize, record: &Record, ends: &Ends) -> (Vec<u128>, String) {
        let limit = self.limit(1, own).expect("a limit");
        let header = &record.header;
        let cut = |address: u128, v4: u8, v6: u8| match header.family {
            Family::V4 => address >> (32 - u32::from(v4)),
            Family::V6 => address.checked_shr(128 - u32::from(v6)).unwrap_or(0),
        };
        let [src, dst] =
            [ends.src, ends.dst].map(|end| self.world.customers.end(end.expect("known")));
        let owner = if dst.owner == Owner::Nobody { src.owner } else { dst.owner };
        let number = match owner {
            Owner::Nobody => 0,
            Owner::Customer(id) => 1 << 32 | u128::from(id.0),
            Owner::Shared(id) => 2 << 32 | u128::from(id.0),
        };
        let mut key = vec![record.pop.map_or(0, |pop| 1 + u128::from(pop.0))];
        for part in &limit.per {
            key.push(match part {
                KeyPart::Src { v4, v6 } => cut(header.src, *v4, *v6),
                KeyPart::Dst { v4, v6 } => cut(header.dst, *v4, *v6),
                KeyPart::SrcPort => header.src_port.into(),
                KeyPart::DstPort => header.dst_port.into(),
                KeyPart::Protocol => header.protocol.into(),
                KeyPart::Customer => number,
            });
            if matches!(part, KeyPart::Src { .. } | KeyPart::Dst { .. }) {
                key.push(u128::from(header.family == Family::V6));
            }
        }
        let infrastructure = match dst.owner {
            Owner::Nobody => [&dst.infrastructure[..], &src.infrastructure].concat(),
            _ => dst.infrastructure.clone(),
        };
        (key, format!("{owner:?} {infrastructure:?}"))
    }

    /// Holds what addresses tell against the buckets themselves: where a packet newly enters the
    /// bucket of another owner's, that one's is harmed. Returns how many are, and how many are
    /// besides.
    fn hold_against_buckets(&self) -> [usize; 2] {
        let mut counts = [0; 2];
        let rules = |side: usize| 0..self.world.sets[side].rules.len();
        let pairs = rules(1).flat_map(|own| rules(0).map(move |old| (own, old)));
        for (own, old) in pairs {
            let (Some(new), Some(before)) = (self.limit(1, own), self.limit(0, old)) else {
                continue;
            };
            if !new.is_as_generous_as(before) {
                continue;
            }
            let mut entered: HashMap<Vec<u128>, BTreeSet<String>> = HashMap::new();
            let meets = || self.packets.iter().filter(|packet| packet.3.limits.contains(&own));
            for (record, ends, before, after) in meets() {
                if self.enters(own, old, before, after) {
                    let (key, owner) = self.bucket(own, record, ends);
                    entered.entry(key).or_default().insert(owner);
                }
            }
            for (record, ends, before, _) in meets() {
                if !before.limits.contains(&old) {
                    continue;
                }
                let (key, owner) = self.bucket(own, record, ends);
                let is_crowded =
                    entered.get(&key).is_some_and(|owners| owners.iter().any(|one| *one != owner));
                let is_found = self.is_crowded(own, old, record, ends);
                assert!(is_found || !is_crowded, "{own} {old} {record:?}");
                counts[usize::from(!is_crowded)] += usize::from(is_found);
            }
        }
        counts
    }

    /// Returns the rules that newly harm a packet.
    fn newly(&self, record: &Record, ends: &Ends, before: &Way, after: &Way) -> Vec<Option<u32>> {
        let mut found = Vec::new();
        for own in &after.limits {
            let limit = self.limit(1, *own).expect("a limit");
            let known = before.limits.iter().any(|old| {
                limit.is_as_generous_as(self.limit(0, *old).expect("a limit"))
                    && !self.is_crowded(*own, *old, record, ends)
            });
            if before.harm < Harm::Dropped && !known {
                found.push(Some(*own as u32));
            }
        }
        let is_worse = match after.end {
            Some(rule) => {
                let action = &self.world.sets[1].rules[rule].action.value;
                is_worse(action, before.harm, before.cleaned)
            }
            None => {
                let drops = self.world.sets[1].default.action == DefaultAction::Drop;
                drops && before.harm < Harm::Dropped
            }
        };
        if is_worse {
            found.push(after.end.map(|rule| rule as u32));
        }
        found
    }

    /// Returns who of those charged bears the loss: who stands at the destination, or sends to
    /// nobody.
    fn bears(&self, ends: &Ends, party: Party) -> bool {
        let owner = |end: Option<blastgate::inventory::customers::EndId>| {
            end.map_or(Owner::Nobody, |end| self.world.customers.end(end).owner)
        };
        let is = |owner: Owner| match owner {
            Owner::Customer(id) => Party::Customer(id) == party,
            Owner::Shared(id) => Party::Shared(id) == party,
            Owner::Nobody => false,
        };
        party == Party::Unowned
            || is(owner(ends.dst))
            || (owner(ends.dst) == Owner::Nobody && is(owner(ends.src)))
    }

    fn homeless(&self, ends: &Ends) -> bool {
        self.has_homeless() && self.is_free(self.world.customers.end(ends.dst.expect("known")))
    }

    fn has_homeless(&self) -> bool {
        self.world.inventory.customers.iter().any(|one| one.id.value == "cdn")
    }

    fn is_free(&self, end: &End) -> bool {
        end.owner == Owner::Nobody && end.infrastructure.is_empty()
    }

    fn expect(&self) -> Expected {
        let mut expected = Expected::default();
        let world = self.world;
        let cdn = Party::Customer(blastgate::model::CustomerId(5));
        for (record, ends, before, after) in &self.packets {
            for rule in self.newly(record, ends, before, after) {
                let judge = world.judges.of(rule);
                let reach = judge.may_reach.charged(ends, &self.attribution);
                let affect = judge.may_affect.charged(ends, &self.attribution);
                let charged = reach.clone().unwrap_or_else(|| self.attribution.charged(ends));
                let by_rule = expected.by_rule.entry(rule).or_default();
                expected.reached.extend(charged.iter().copied().chain(protected_parties(ends)));
                for party in &charged {
                    let bears = self.bears(ends, *party);
                    if !bears {
                        continue;
                    }
                    let flags = by_rule.entry(*party).or_default();
                    // Nobody's address that is named by prefix is meant.
                    flags.0 |=
                        bears && (affect.is_none() && *party != Party::Unowned || reach.is_none());
                    flags.1 |= bears && reach.is_none();
                }
                for party in protected_parties(ends) {
                    by_rule.entry(party).or_default();
                }
                if self.homeless(ends) && (reach.is_none() || judge.may_reach.all) {
                    expected.reached.insert(cdn);
                    let flags = by_rule.entry(cdn).or_default();
                    flags.0 |= !judge.may_affect.has_customer(blastgate::model::CustomerId(5));
                    flags.1 |= !judge.may_reach.has_customer(blastgate::model::CustomerId(5));
                }
                self.protected(record, ends, rule, &mut expected);
                self.shields(ends, rule, before, after, &mut expected);
            }
        }
        // Who is charged with nothing but what is meant shows among the reached.
        for parties in expected.by_rule.values_mut() {
            parties.retain(|_, flags| *flags != (false, false));
        }
        expected.by_rule.retain(|_, parties| !parties.is_empty());
        expected
    }

    fn protected(&self, record: &Record, ends: &Ends, rule: Option<u32>, expected: &mut Expected) {
        let dst = self.world.customers.end(ends.dst.expect("known"));
        let src = self.world.customers.end(ends.src.expect("known"));
        for party in protected_parties(ends) {
            let Party::Infrastructure(id) = party else { continue };
            let peer = id.0 == 0 && record.header.src == 0x0a00_000e;
            if dst.infrastructure.contains(&id) && (!src.infrastructure.is_empty() || peer) {
                let name = party.name(&self.world.inventory);
                expected.protected.insert((rule, name));
            }
        }
    }

    fn shields(
        &self,
        ends: &Ends,
        rule: Option<u32>,
        before: &Way,
        after: &Way,
        expected: &mut Expected,
    ) {
        let world = self.world;
        let concerned = match rule {
            Some(rule) => world.change.concerns(rule as usize),
            None => world.change.default_changed,
        };
        for shield in before.met.iter().filter(|shield| world.change.disturbs(**shield)) {
            let counterpart = world.change.candidate_of[*shield];
            if counterpart.is_some_and(|own| after.met.contains(&own)) {
                continue;
            }
            let judge = match counterpart {
                Some(own) => &world.judges.candidate[own],
                None => &world.judges.running[*shield],
            };
            if judge.written.is_some() && judge.may_reach.charged(ends, &self.attribution).is_none()
            {
                let parties = self.attribution.charged(ends);
                let bearing = parties.into_iter().filter(|party| self.bears(ends, *party));
                let found = expected.by_shield.entry(*shield as u32).or_default();
                found.extend(bearing);
            }
            let action = &world.sets[0].rules[*shield].action.value;
            let is_worse = match rule {
                Some(rule) => {
                    let after = &world.sets[1].rules[rule as usize].action.value;
                    is_worse(after, action.harm(), is_cleaner(action))
                }
                None => action.harm() < Harm::Dropped,
            };
            if !concerned && ends_walk(action) && is_worse && world.change.removes_or_edits(*shield)
            {
                expected.exposed.insert((*shield as u32, rule));
            }
        }
        expected.by_shield.retain(|_, parties| !parties.is_empty());
    }
}

fn found(world: &World, reached: &Reached) -> Expected {
    let parties = reached.by_rule.iter().map(|(rule, parties)| {
        let flags = parties.iter().map(|(party, one)| {
            // Whether nobody's traffic is outside is asked by no one.
            (*party, (one.outside && (*party != Party::Unowned || one.beyond), one.beyond))
        });
        let unmeant = flags.filter(|(_, flags)| *flags != (false, false));
        (*rule, unmeant.collect::<BTreeMap<Party, (bool, bool)>>())
    });
    let parties = parties.filter(|(_, parties)| !parties.is_empty());
    let shields = reached.by_shield.iter().map(|(shield, rules)| {
        (*shield, rules.values().flatten().copied().collect::<BTreeSet<Party>>())
    });
    let exposed = reached.exposed.iter();
    Expected {
        by_rule: parties.collect(),
        reached: reached.witnesses.keys().copied().collect(),
        protected: reached
            .protected
            .keys()
            .map(|(rule, id)| (*rule, Party::Infrastructure(*id).name(&world.inventory)))
            .collect(),
        by_shield: shields.collect(),
        grown: BTreeSet::new(),
        exposed: exposed
            .flat_map(|(shield, rules)| rules.keys().map(|rule| (*shield, *rule)))
            .collect(),
    }
}

/// Returns whether a witness is what it says: newly harmed by the rule, and charged to the party.
fn holds(twin: &Twin<'_>, party: Party, rule: Option<u32>, packet: &packet_text::Packet) -> bool {
    let world = twin.world;
    let text = packet_text::format(packet);
    let packet = packet_text::parse(SourceId(0), &text).expect("a packet reads back");
    let pop = packet.pop.as_deref();
    let record = record(&world.names, packet.header, pop, packet.direction);
    let ends = twin.attribution.attribute(&record);
    let ways = [0, 1].map(|side: usize| {
        let rules = world.sets[side].rules.iter();
        let tests: Vec<Test> =
            rules.map(|rule| Test::compile(&rule.matches, &world.names)).collect();
        way(&world.sets[side], &tests, &record)
    });
    let judge = world.judges.of(rule);
    let reach = judge.may_reach.charged(&ends, &twin.attribution);
    let charged = reach.unwrap_or_else(|| twin.attribution.charged(&ends));
    let is_charged = charged.contains(&party)
        || protected_parties(&ends).any(|one| one == party)
        || (party == Party::Customer(blastgate::model::CustomerId(5)) && twin.homeless(&ends));
    twin.newly(&record, &ends, &ways[0], &ways[1]).contains(&rule) && is_charged
}

/// Judges one case; returns how many parties were reached.
fn case(seed: u64) -> usize {
    let mut dice = Dice::new(seed);
    let extra =
        [Extra::None, Extra::Flags, Extra::Fragments, Extra::Length, Extra::Pop, Extra::Direction]
            [dice.roll(6)];
    let texts = pair(&mut dice, extra);
    let homeless = texts.iter().any(|text| text.contains("cdn")) || seed.is_multiple_of(2);
    let world = World::new(&texts, homeless);
    let reached = world.find();
    let shown = || format!("case {seed}\nrunning:\n{}candidate:\n{}", texts[0], texts[1]);
    if world.change.nothing {
        return 0;
    }
    let twin = Twin::new(&world, extra);
    assert!(reached.undecided.is_empty(), "{}", shown());
    twin.hold_against_buckets();
    let (expected, found) = (twin.expect(), found(&world, &reached));
    assert_eq!(found, expected, "{}", shown());
    for (party, witness) in &reached.witnesses {
        let text = packet_text::format(&witness.packet);
        assert!(
            holds(&twin, *party, witness.rule, &witness.packet),
            "{}: {text} by {:?}\n{}",
            party.name(&world.inventory),
            witness.rule,
            shown()
        );
    }
    reached.by_rule.values().map(BTreeMap::len).sum()
}

#[test]
fn the_proof_reaches_just_whom_packet_by_packet_reaches() {
    let cases: u64 = std::env::var("BLASTGATE_CASES").map_or(250, |n| n.parse().expect("a number"));
    let reached: usize = (0..cases).map(case).sum();
    assert!(reached > cases as usize, "only {reached} reached in {cases} cases");
}
