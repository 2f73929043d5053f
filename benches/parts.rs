//! The crate's parts, made ready for the benches of components: the one place that changes with
//! their insides.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use blastgate::attribution::Attribution;
use blastgate::change::Change;
use blastgate::inventory::customers::Customers;
pub(crate) use blastgate::inventory::customers::Lookups;
use blastgate::matcher::{self, Hit, Matcher};
use blastgate::model::{
    Action, Address, Customer, Diagnostic, Direction, Family, Inventory, Known, Label, Location,
    Names, Prefix, ReadCounts, Record, RecordBatch, RuleSet, SourceId, Sources, Span, Spanned,
};
use blastgate::packet::{self, Frame, LinkType};
use blastgate::policer::{self, Packet, Policer};
use blastgate::replay::{self, Input, Replay};
use blastgate::scenario::Moves;
use blastgate::service::Service;
use blastgate::tally::{Counting, Counts, Key, Pair};
use blastgate::traffic::{Piece, TrafficReader};
use blastgate::{inventory as inventories, judge, languages};

use crate::world::rules::Shape;
use crate::world::traffic::{SNAP, Traffic};
use crate::world::{self, Dice, PREFIXES, blocks, rules as written};

//------------ Frames and records ----------------------------------------------

/// A frame as a capture keeps it.
pub(crate) struct Kept {
    bytes: [u8; SNAP],
    kept: usize,
    wire: u32,
    time_ns: i64,
    pop: usize,
}

/// Returns frames of the whole hour.
pub(crate) fn frames(count: usize) -> Vec<Kept> {
    Traffic::new(&blocks(PREFIXES), count as u64)
        .map(|packet| {
            let mut bytes = [0; SNAP];
            let kept = packet.frame(&mut bytes);
            let wire = packet.on_wire() as u32;
            Kept { bytes, kept, wire, time_ns: packet.time_ns, pop: packet.pop }
        })
        .collect()
}

fn read(frame: &Kept, inner: bool) -> Frame {
    packet::read(LinkType::ETHERNET, &frame.bytes[..frame.kept], frame.wire, inner)
}

/// Reads the header of a frame.
pub(crate) fn is_packet(frame: &Kept, inner: bool) -> bool {
    matches!(std::hint::black_box(read(frame, inner)), Frame::Packet { .. })
}

fn records(count: usize, names: &Names) -> Vec<Record> {
    let mut records = Vec::with_capacity(count);
    for (at, frame) in frames(count).iter().enumerate() {
        let Frame::Packet { mut header, bytes } = read(frame, false) else { continue };
        header.known = header.known.with(Known::POP);
        records.push(Record {
            time_ns: frame.time_ns,
            duration_ns: 0,
            header,
            pop: Some(names.intern(&format!("pop-{:02}", frame.pop))),
            exporter: None,
            // Not known, as its bit says.
            direction: Direction::Ingress,
            packets: 1,
            bytes: u64::from(bytes),
            weight: 1,
            label: Label::None,
            customer: None,
            source: SourceId(0),
            number: at as u64 + 1,
        });
    }
    records
}

//------------ Rules -----------------------------------------------------------

/// Returns a rule set by name, such as `wide-100`, and the same before it was edited.
pub(crate) fn rule_texts(name: &str) -> [String; 2] {
    let (shape, count) = name.split_once('-').unwrap_or_default();
    let shape = if shape == "wide" { Shape::Wide } else { Shape::Mixed };
    written::sets(shape, count.parse().unwrap_or(1), &blocks(PREFIXES))
}

/// Parses a rule set.
pub(crate) fn rules(text: &str) -> RuleSet {
    let mut sources = Sources::new();
    let file = sources.add("rules.yaml", text);
    let (set, problems) = languages::LANGUAGES[0].parse_texts(&sources, &[file]);
    assert!(problems.is_empty(), "{problems:?}");
    set
}

/// Two rule sets, and records that walk them.
pub(crate) struct Matching {
    sets: [RuleSet; 2],
    names: Names,
    matcher: Matcher,
    records: Vec<Record>,
}

impl Matching {
    pub(crate) fn new(name: &str, count: usize) -> Matching {
        let [candidate, running] = rule_texts(name).map(|text| rules(&text));
        let names = Names::new();
        let records = records(count, &names);
        let matcher = matcher::compile([&running, &candidate], &names);
        Matching { sets: [running, candidate], names, matcher, records }
    }

    pub(crate) fn scanning(mut self) -> Matching {
        self.matcher = self.matcher.scanning();
        self
    }

    pub(crate) fn compile(&self) -> Matcher {
        matcher::compile([&self.sets[0], &self.sets[1]], &self.names)
    }

    /// Walks all records through both sets, and returns how many rules they met.
    pub(crate) fn walk(&self) -> usize {
        let mut hits: Vec<Hit> = Vec::new();
        let mut met = 0;
        for record in &self.records {
            self.matcher.hits(record, &mut hits);
            met += hits.len();
        }
        met
    }
}

//------------ Customers -------------------------------------------------------

fn address(address: world::Address) -> Address {
    let family = if address.is_v6 { Family::V6 } else { Family::V4 };
    Address { family, bits: address.bits }
}

/// An inventory of a given number of prefixes of both families.
pub(crate) struct Table {
    inventory: Inventory,
    blocks: Vec<world::Block>,
}

impl Table {
    pub(crate) fn new(v4: usize, v6: usize) -> Table {
        let mut left = [v4, v6];
        // Every tenth is IPv6.
        let mut chosen = blocks((v4 * 10 / 9 + 10).max(v6 * 10 + 10));
        chosen.retain(|block| {
            let left = &mut left[usize::from(block.first.is_v6)];
            let is_wanted = *left > 0;
            *left = left.saturating_sub(1);
            is_wanted
        });
        let location = Location { source: SourceId(0), span: Span::new(0, 0) };
        let mut inventory = Inventory::default();
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        for block in &chosen {
            let next = inventory.customers.len();
            let number = *numbers.entry(block.customer).or_insert(next);
            if number == next {
                inventory.customers.push(Customer {
                    id: Spanned::new(format!("c{}", block.customer), location),
                    name: None,
                    tier: None,
                    tags: Vec::new(),
                    region: None,
                    prefixes: Vec::new(),
                    hosts: Vec::new(),
                });
            }
            let prefix = Prefix::new(address(block.first), block.length);
            inventory.customers[number].prefixes.push(Spanned::new(prefix, location));
        }
        Table { inventory, blocks: chosen }
    }

    pub(crate) fn compile(&self) -> Customers {
        Customers::compile(&self.inventory, &[])
    }

    /// Returns addresses in no order.
    pub(crate) fn addresses(&self, count: usize) -> Vec<Address> {
        let mut dice = Dice::new(4);
        let mut next = || {
            let block = self.blocks[dice.roll(self.blocks.len() as u64) as usize];
            let mut found = address(block.host(&mut dice));
            if dice.chance(10) {
                found.bits ^= 1 << (found.family.bits() - 2);
            }
            found
        };
        (0..count).map(|_| next()).collect()
    }
}

/// Returns an inventory as CSV.
pub(crate) fn inventory_text(prefixes: usize) -> String {
    let mut text = String::from("customer,prefix\n");
    for block in blocks(prefixes) {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "c{},{}/{}", block.customer, block.first, block.length);
    }
    text
}

/// Parses an inventory.
pub(crate) fn inventory(text: &str) -> Inventory {
    let mut sources = Sources::new();
    let file = sources.add("inventory.csv", text);
    let (inventory, problems) = inventories::load(&sources, &[file]);
    assert!(problems.is_empty(), "{problems:?}");
    inventory
}

//------------ Tally and replay ------------------------------------------------

/// How many records are counted together.
const BATCH: usize = 1024;

/// The length of a window.
const WINDOW_NS: i64 = 300 * 1_000_000_000;

/// All that counting needs.
pub(crate) struct Counter {
    inventory: Inventory,
    sets: [RuleSet; 2],
    names: Arc<Names>,
    customers: Customers,
    records: Vec<Record>,
    keys: Vec<(Key, Counts)>,
}

impl Counter {
    pub(crate) fn new(count: usize) -> Counter {
        let inventory = inventory(&inventory_text(PREFIXES));
        let [candidate, running] = rule_texts("rules-1000").map(|text| rules(&text));
        let names = Arc::new(Names::new());
        let records = records(count, &names);
        let (_, customers, problems) = judge::resolve(&running, &candidate, &inventory);
        assert!(problems.is_empty(), "{problems:?}");
        let sets = [running, candidate];
        let mut counter = Counter { inventory, sets, names, customers, records, keys: Vec::new() };
        counter.keys = counter.keys();
        counter
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.clone()
    }

    /// Returns what the records are counted by.
    fn keys(&self) -> Vec<(Key, Counts)> {
        let attribution = Attribution::new(&self.inventory, &self.customers, &self.names);
        let [running, candidate] = &self.sets;
        let matcher = matcher::compile([running, candidate], &self.names);
        let mut tally = Counting::default();
        let mut pair = Pair::default();
        let key = |record: &Record| {
            matcher.walk(0, record, &mut pair.running);
            matcher.walk(1, record, &mut pair.candidate);
            let pair = tally.pairs.intern(&pair);
            let key = Key {
                paths: tally.paths.intern(&vec![pair]),
                ends: tally.ends.intern(&attribution.attribute(record)),
                pop: record.pop,
                service: Service::of(&record.header, &[]),
                label: record.label,
                attack: 0,
                window: record.time_ns.div_euclid(WINDOW_NS),
                slot: None,
                part: 0,
            };
            (key, Counts { records: 1, raw: 1, packets: 1, bytes: record.bytes })
        };
        self.records.iter().map(key).collect()
    }

    /// Counts all records, and returns by how many keys.
    pub(crate) fn tally(&self) -> usize {
        let mut tally = Counting::default();
        let (mut packed, mut numbers) = (Vec::new(), Vec::new());
        for keys in self.keys.chunks(BATCH) {
            packed.clear();
            packed.extend(keys.iter().map(|(key, _)| tally.pack(key)));
            tally.count_all(&packed, |at| keys[at].1, &mut numbers);
        }
        tally.len()
    }

    /// Does all that `check` does with records that are read, and returns by how many keys they
    /// are counted.
    pub(crate) fn replay(&self, records: Vec<Record>, threads: usize) -> usize {
        let attribution = Attribution::new(&self.inventory, &self.customers, &self.names);
        let sets = [&self.sets[0], &self.sets[1]];
        assert!(!Change::between(sets[0], sets[1]).nothing, "the sets differ");
        let replay = Replay {
            attribution: &attribution,
            matcher: matcher::compile(sets, &self.names),
            limits: sets.map(replay::limits),
            keyed: replay::keyed(sets[1]),
            attack: Vec::new(),
            labels: Vec::new(),
            named_ports: Vec::new(),
            window_ns: WINDOW_NS,
            pops: None,
            many_routers: Default::default(),
            moves: Moves::new(&[], sets, &self.names),
        };
        let reader = Box::new(Made { records, at: 0, counts: ReadCounts::default() });
        let inputs = vec![Input { reader, rank: 0, part: 0 }];
        let (_, tally, problems) = replay.run(inputs, threads, &|_| {});
        assert!(problems.is_empty(), "{problems:?}");
        tally.len()
    }
}

/// A reader of records that are there already.
struct Made {
    records: Vec<Record>,
    at: usize,
    counts: ReadCounts,
}

impl TrafficReader for Made {
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<Diagnostic>> {
        let batch = piece.fill();
        let end = self.records.len().min(self.at + RecordBatch::CAPACITY);
        self.records[self.at..end].iter().for_each(|record| batch.push(*record));
        self.at = end;
        Ok(!batch.is_empty())
    }

    fn counts(&self) -> ReadCounts {
        self.counts.clone()
    }
}

//------------ Policers --------------------------------------------------------

/// Returns the policer of a limit, and packets with the numbers of their buckets.
pub(crate) fn policer(limit: &str, count: usize) -> (Box<dyn Policer>, Vec<(usize, Packet)>) {
    let intent = "intent: {target: [all]}";
    let rule = format!("{{id: a, match: any, action: {{rate_limit: {{{limit}}}}}, {intent}}}");
    let set = rules(&format!("version: 1\nrules: [{rule}]\n"));
    let Action::RateLimit(limit) = &set.rules[0].action.value else {
        unreachable!("the rule is a limit")
    };
    let mut buckets: HashMap<u128, usize> = HashMap::new();
    let offer = |record: &Record| {
        let next = buckets.len();
        let bucket = *buckets.entry(record.header.dst).or_insert(next);
        (bucket, Packet { time_ns: record.time_ns, packets: 1, bytes: record.bytes })
    };
    (policer::compile(limit), records(count, &Names::new()).iter().map(offer).collect())
}
