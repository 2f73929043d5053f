//! What the parts cost, one by one: `cargo bench --bench components -- [FILTER]`.
//!
//! Every part works on packets, rules and prefixes of the same world as the other benches. Where
//! memory matters, what was allocated stands below the times: what a table takes is `alloc`
//! without `dealloc` and `grow` of its compilation. The types of the crate that change with its
//! insides are made and used in [`parts`] only.

use std::hint::black_box;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};

mod parts;
#[expect(dead_code, reason = "files are written by other benches")]
mod world;

use parts::{Counter, Matching, Table};

#[global_allocator]
static ALLOCATED: AllocProfiler = AllocProfiler::system();

/// How many packets the parts are given that are fast.
const MANY: usize = 100_000;

fn main() {
    divan::main();
}

//------------ Headers ---------------------------------------------------------

#[divan::bench(args = [false, true], sample_count = 20)]
fn header_walk(bencher: Bencher<'_, '_>, inner: bool) {
    let frames = parts::frames(MANY);
    bencher
        .counter(ItemsCount::new(MANY))
        .bench(|| frames.iter().filter(|frame| parts::is_packet(frame, inner)).count());
}

//------------ Matcher ---------------------------------------------------------

/// Rule sets, and how many packets they are given: the slower, the fewer.
const SETS: &[(&str, usize)] = &[
    ("rules-1", MANY),
    ("rules-10", MANY),
    ("rules-100", MANY),
    ("rules-1000", MANY),
    ("rules-10000", 10_000),
    ("rules-100000", 500),
    ("wide-100", 10_000),
    ("wide-1000", 500),
    ("wide-10000", 50),
];

/// A rule set by name, as divan shows it.
#[derive(Clone, Copy)]
struct Set(&'static str, usize);

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

fn sets(most: usize) -> impl Iterator<Item = Set> {
    let rules = |name: &str| name.split('-').nth(1).and_then(|count| count.parse().ok());
    SETS.iter()
        .filter(move |(name, _)| rules(name).is_some_and(|count: usize| count <= most))
        .map(|(name, packets)| Set(name, *packets))
}

/// Both rule sets, as `check` walks them.
#[divan::bench(args = sets(100_000), sample_count = 10)]
fn matcher(bencher: Bencher<'_, '_>, set: Set) {
    let matching = Matching::new(set.0, set.1);
    bencher.counter(ItemsCount::new(set.1)).bench_local(|| matching.walk());
}

/// The same one rule after the other.
#[divan::bench(args = sets(1_000), sample_count = 5)]
fn matcher_scanning(bencher: Bencher<'_, '_>, set: Set) {
    let packets = set.1.min(10_000);
    let matching = Matching::new(set.0, packets).scanning();
    bencher.counter(ItemsCount::new(packets)).bench_local(|| matching.walk());
}

#[divan::bench(args = sets(100_000), sample_count = 3, sample_size = 1)]
fn matcher_compile(bencher: Bencher<'_, '_>, set: Set) {
    let matching = Matching::new(set.0, 0);
    bencher.bench_local(|| matching.compile());
}

#[divan::bench(args = sets(100_000), sample_count = 3, sample_size = 1)]
fn rules_parse(bencher: Bencher<'_, '_>, set: Set) {
    let text = parts::rule_texts(set.0)[0].clone();
    bencher.counter(divan::counter::BytesCount::of_str(&text)).bench_local(|| parts::rules(&text));
}

//------------ Customers -------------------------------------------------------

/// IPv4 and IPv6 prefixes.
const TABLES: [(usize, usize); 3] = [(900, 100), (90_000, 10_000), (1_000_000, 200_000)];

#[divan::bench(args = TABLES.map(|(v4, v6)| v4 + v6), sample_count = 3, sample_size = 1)]
fn longest_prefix_compile(bencher: Bencher<'_, '_>, prefixes: usize) {
    let table = table(prefixes);
    bencher.counter(ItemsCount::new(prefixes)).bench_local(|| table.compile());
}

/// Addresses in no order, nine of ten IPv4, a tenth of them nobody's.
#[divan::bench(args = TABLES.map(|(v4, v6)| v4 + v6), sample_count = 20)]
fn longest_prefix(bencher: Bencher<'_, '_>, prefixes: usize) {
    let table = table(prefixes);
    let compiled = table.compile();
    let addresses = table.addresses(1_000_000);
    bencher
        .counter(ItemsCount::new(addresses.len()))
        .bench(|| addresses.iter().fold(0, |sum, at| sum ^ compiled.lookup(*at).0));
}

/// The same as replay does it: a batch of records at once.
#[divan::bench(args = TABLES.map(|(v4, v6)| v4 + v6), sample_count = 20)]
fn longest_prefix_together(bencher: Bencher<'_, '_>, prefixes: usize) {
    let table = table(prefixes);
    let compiled = table.compile();
    let addresses = table.addresses(1_000_000);
    bencher
        .counter(ItemsCount::new(addresses.len()))
        .with_inputs(parts::Lookups::default)
        .bench_local_refs(|lookups| {
            addresses.chunks(2_048).fold(0, |sum, some| {
                let places = compiled.places(some.iter().copied(), lookups);
                places.iter().fold(sum, |sum, place| sum ^ place.end().0)
            })
        });
}

fn table(prefixes: usize) -> Table {
    let found = TABLES.iter().find(|(v4, v6)| v4 + v6 == prefixes);
    let (v4, v6) = found.copied().unwrap_or_default();
    Table::new(v4, v6)
}

#[divan::bench(args = [1_000, 100_000, 1_000_000], sample_count = 3, sample_size = 1)]
fn inventory_parse(bencher: Bencher<'_, '_>, prefixes: usize) {
    let text = parts::inventory_text(prefixes);
    bencher
        .counter(ItemsCount::new(prefixes))
        .bench_local(|| parts::inventory(&text).customers.len());
}

//------------ Tally, replay, policers -----------------------------------------

/// Counting alone: owners, paths and services are known.
#[divan::bench(sample_count = 20)]
fn tally(bencher: Bencher<'_, '_>) {
    let counter = Counter::new(MANY);
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| counter.tally());
}

/// All that is done with a record once it is read, with 1,000 rules on either side.
#[divan::bench(args = [1, 2], sample_count = 10)]
fn replay(bencher: Bencher<'_, '_>, threads: usize) {
    let counter = Counter::new(MANY);
    bencher
        .counter(ItemsCount::new(MANY))
        .with_inputs(|| counter.records())
        .bench_local_values(|records| counter.replay(records, threads));
}

/// Packets through the bucket of their destination.
#[divan::bench(
    args = [
        "rate: 1 Mbps, per: [dst]",
        "rate: 10 pps, burst: 20 packets, per: [dst]",
        "rate: 10 pps, algorithm: fixed_window, window: 10s, per: [dst]",
        "rate: 10 pps, algorithm: sliding_window, window: 10s, per: [dst]",
    ],
    sample_count = 20
)]
fn policer(bencher: Bencher<'_, '_>, limit: &str) {
    let (policer, offers) = parts::policer(limit, MANY);
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| {
        let mut states = vec![None; MANY];
        let passed = offers.iter().filter(|(bucket, packet)| {
            let fresh = || policer.fresh(packet.time_ns);
            let state = states[*bucket].get_or_insert_with(fresh);
            policer.conforms(state, *packet)
        });
        black_box(passed.count())
    });
}
